//! The states of routes whose looks begin together, read in one request: with a thousand routes the requests are what
//! an idle worker spends its processor on.
//!
//! Each state is read consistently, as by a look of its own. One that does not come, for whatever reason, is read
//! alone, so that a look never knows less for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::attempt::memory::Sighting;
use crate::attempt::states::StateStore;
use crate::ports::{CallError, ErrorKind};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::names::RouteName;

/// From how many looks on: what few ask for may as well be asked for one by one.
const TOGETHER_LEAST: usize = 5;

/// Routes whose looks begin together. The first one that needs its state reads all of them.
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
