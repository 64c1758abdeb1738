//! The timer's check of a route's records (I8): its newest ones are as they were written, and the state knows them.

use std::sync::Arc;

use crate::attempt::states::StateStore;
use crate::audit_chain::verify_newest;
use crate::ports::{AuditReader, CallError, Ledger, Ports};
use writerlink_core::ledger::chain::BrokenChain;
use writerlink_core::ledger::state::ChainHead;
use writerlink_core::model::route::Route;

/// Checks the chains of routes, one at a time.
pub struct ChainCheck {
    ledger: Arc<dyn Ledger>,
    audit: Arc<dyn AuditReader>,
    states: Arc<StateStore>,
}

impl ChainCheck {
    /// A check that rebuilds states by way of `states`.
    #[must_use]
    pub fn new(ports: &Ports, states: Arc<StateStore>) -> Self {
        Self { ledger: Arc::clone(&ports.ledger), audit: Arc::clone(&ports.audit), states }
    }

    /// The first fault among a route's newest records, if there is one that no adoption has taken on. A state that is
    /// behind records which are in order is rebuilt.
    ///
    /// # Errors
    /// When the ledger cannot be read or written, or rows do not continue the state.
    pub async fn keep_chain(&self, route: &Route) -> Result<Option<BrokenChain>, CallError> {
        let state = self.ledger.peek(&route.name).await?;
        let head = state.map_or_else(ChainHead::default, |state| state.chain);
        let found = verify_newest(self.audit.as_ref(), route.name.clone(), head).await?;
        if found.fault.is_none() && found.last.seq > head.seq {
            self.states.recover_if_behind(route).await?;
        }
        Ok(found.fault.map(|fault| fault.broken))
    }
}
