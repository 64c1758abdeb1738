//! Under whose name records are written.

use std::sync::Arc;

use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::record::{Entry, RecordKind, RecordedTrigger};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::{Owner, TransitionId};
use writerlink_core::model::names::TargetGroupArn;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::reason::Cause;
use writerlink_core::model::time::Timestamp;

/// Who writes records: a process, and the installation and configuration that it works for.
#[derive(Clone, Debug)]
pub struct RecordAuthor {
    owner: Owner,
    provenance: Option<Arc<Provenance>>,
}

/// What a record is about, whatever its kind.
pub(super) struct RecordContext {
    pub(super) at: Timestamp,
    pub(super) transition: TransitionId,
    pub(super) cause: Cause,
    pub(super) event_key: EventKey,
    pub(super) trigger: Option<RecordedTrigger>,
    pub(super) target_group: TargetGroupArn,
}

impl RecordAuthor {
    /// An author of no installation.
    #[must_use]
    pub fn new(owner: Owner) -> Self {
        Self { owner, provenance: None }
    }

    /// The same for an installation and its configuration, which every record then names.
    #[must_use]
    pub fn under(self, provenance: Provenance) -> Self {
        Self { provenance: Some(Arc::new(provenance)), ..self }
    }

    /// The process.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// A record about `state`. What only some kinds of record have is left empty.
    pub(super) fn entry(&self, about: RecordContext, state: &RouteState, kind: RecordKind) -> Entry {
        let RecordContext { at, transition, cause, event_key, trigger, target_group } = about;
        Entry {
            kind,
            at,
            transition,
            attempt: 0,
            generation: state.control.generation,
            owner: self.owner.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            provenance: self.provenance.clone(),
            cause,
            event_key,
            trigger,
            target_group,
            desired: None,
            before: Vec::new(),
            after: Vec::new(),
            steps: Vec::new(),
            outcome: None,
            reason: None,
            note: String::new(),
        }
    }
}

impl From<Owner> for RecordAuthor {
    fn from(owner: Owner) -> Self {
        Self::new(owner)
    }
}
