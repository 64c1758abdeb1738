//! What a process remembers: a guess that saves a call, never a fact.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ports::Clock;
use writerlink_core::ledger::lease::{Acquire, acquire};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::names::RouteName;

/// How long nobody is asked who has refused to answer.
const DENIED_FOR: Duration = Duration::from_hours(24);

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
            Some(reading) if reading.state == state => reading.clone(),
            Some(_) | None => {
                let reading = Sighting { since: self.clock.monotonic(), state };
                states.insert(reading.state.route.clone(), reading.clone());
                reading
            }
        }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<RouteName, Sighting>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until when somebody is not asked, who has refused to answer this process.
#[derive(Debug, Default)]
pub(super) struct Denied(Mutex<Option<Duration>>);

impl Denied {
    fn with<T>(&self, look: impl FnOnce(&mut Option<Duration>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn is_denied(&self, now: Duration) -> bool {
        self.with(|until| until.is_some_and(|until| now < until))
    }

    /// Notes a refusal; whether one was noted already, by another route's look.
    pub(super) fn deny(&self, now: Duration) -> bool {
        let said_before = self.is_denied(now);
        self.with(|until| *until = Some(now + DENIED_FOR));
        said_before
    }
}
