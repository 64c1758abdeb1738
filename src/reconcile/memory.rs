//! What a process remembers of the ledger: a guess that saves a read, never a fact.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::lease::{Acquire, acquire};
use crate::domain::route::RouteName;
use crate::domain::transition::RouteState;
use crate::ports::Clock;

/// The routes' states as they were last seen.
pub(super) struct StateCache {
    clock: Arc<dyn Clock>,
    states: Mutex<BTreeMap<RouteName, Sighting>>,
}

/// A route's state as it was last read, and since when it has stood unchanged by our monotonic clock.
#[derive(Clone)]
pub(super) struct Sighting {
    pub(super) state: RouteState,
    pub(super) since: Duration,
}

impl StateCache {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, states: Mutex::default() }
    }

    pub(super) fn recall(&self, route: &RouteName) -> Option<Sighting> {
        self.states().get(route).cloned()
    }

    /// Whether a route can be taken as it was last seen, which may have been long ago.
    pub(super) fn acquirable(&self, seen: &Sighting) -> Acquire {
        let unchanged_for = self.clock.monotonic().saturating_sub(seen.since);
        let lease = seen.state.control.lease.as_ref();
        acquire(lease, self.clock.wall(), unchanged_for)
    }

    /// Remembers a state; one that was remembered already keeps the time it was first seen.
    pub(super) fn remember(&self, state: RouteState) -> Sighting {
        let mut states = self.states();
        match states.get(&state.route) {
            Some(sighting) if sighting.state == state => sighting.clone(),
            Some(_) | None => {
                let sighting = Sighting { since: self.clock.monotonic(), state };
                states.insert(sighting.state.route.clone(), sighting.clone());
                sighting
            }
        }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<RouteName, Sighting>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
