//! Reads the states of routes whose passes start in one batch in one request. With a thousand routes an idle worker
//! spends most of its processor time on requests.
//!
//! Each read is consistent, as a single read is. A state that the batch does not return is read alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::attempt::memory::Sighting;
use crate::attempt::states::StateStore;
use crate::ports::{CallError, ErrorKind};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::names::RouteName;

/// The smallest batch: fewer states are read one by one.
const TOGETHER_LEAST: usize = 5;

/// Routes whose passes start in one batch. The first pass that needs its state reads all of them.
#[derive(Debug, Default)]
pub struct Together {
    routes: Vec<RouteName>,
    states: OnceCell<BTreeMap<RouteName, RouteState>>,
}

impl Together {
    /// Of these routes.
    #[must_use]
    pub fn of(routes: Vec<RouteName>) -> Arc<Self> {
        Arc::new(Self { routes, states: OnceCell::new() })
    }
}

impl StateStore {
    /// The state of a route, read with those of the others or alone.
    pub(super) async fn read_with(
        &self,
        route: &RouteName,
        together: &Together,
    ) -> Result<Sighting, CallError> {
        // Boxed, since it is one look's of many to make the request.
        let read = || Box::pin(self.read_all(together));
        let states = together.states.get_or_init(read);
        match states.await.get(route) {
            Some(state) => Ok(self.cache().remember(state.clone())),
            None => self.read(route).await,
        }
    }

    async fn read_all(&self, together: &Together) -> BTreeMap<RouteName, RouteState> {
        let now = self.clock.monotonic();
        if together.routes.len() < TOGETHER_LEAST || self.reads_alone.is_denied(now) {
            return BTreeMap::new();
        }
        let read = self.ledger.load_known(&together.routes).await;
        if let Err(error) = &read
            && error.kind == ErrorKind::Denied
        {
            // A role of an older template.
            self.reads_alone.deny(now);
        }
        let states = read.unwrap_or_default().into_iter();
        states.map(|state| (state.route.clone(), state)).collect()
    }
}
