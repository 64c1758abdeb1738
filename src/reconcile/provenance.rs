//! Under whose name records are written.

use std::sync::Arc;

use super::Reconciler;
use crate::domain::provenance::Provenance;

impl Reconciler {
    /// The same for an installation and its configuration, which every record then names.
    #[must_use]
    pub fn under(self, provenance: Provenance) -> Self {
        Self { provenance: Some(Arc::new(provenance)), ..self }
    }
}
