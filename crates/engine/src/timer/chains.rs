//! The routes' chains, verified one after the other, slowly.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::attempt::CHAIN_BROKEN;
use crate::telemetry::event::WorkerEvent;
use crate::timer::Timer;

/// How long after its start a worker verifies its first chain: a worker that has just begun has failovers to catch
/// up with.
const FIRST_AFTER: Duration = Duration::from_mins(10);

/// How often a chain is verified: two reads a minute are nothing, and a hundred routes take less than two hours.
const ONE_EVERY: Duration = Duration::from_mins(1);

/// Whose turn it is, and when.
pub(super) struct Chains {
    due: Duration,
    turn: usize,
    under_way: JoinSet<Verified>,
    started: Duration,
    /// The routes whose chain was broken when it was verified last.
    broken: BTreeSet<usize>,
}

/// A route, and whether its chain is broken; unknown if it could not be read.
struct Verified {
    n: usize,
    is_broken: Option<bool>,
}

impl Chains {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            due: now + FIRST_AFTER,
            turn: 0,
            under_way: JoinSet::new(),
            started: now,
            broken: BTreeSet::new(),
        }
    }

    /// When the verification began that is under way.
    pub(super) fn began(&self) -> Option<Duration> {
        (!self.under_way.is_empty()).then_some(self.started)
    }

    /// Whether a route's chain is broken, as far as it was verified. It stays so until a verification finds it whole
    /// (I9).
    pub(super) fn is_broken(&self, n: usize) -> bool {
        self.broken.contains(&n)
    }

    /// Starts the next one if it is due and the one before it is done. Nobody wakes the timer for it: it wakes once a
    /// minute anyway. When the timer ends, a verification under way ends with it: it only reads.
    pub(super) fn poll(&mut self, timer: &Arc<Timer>, now: Duration) {
        while let Some(ended) = self.under_way.try_join_next() {
            match ended {
                Ok(verified) => self.take(verified),
                Err(error) => {
                    let what = error.to_string();
                    timer.observer.record(&WorkerEvent::Panicked(&what));
                }
            }
        }
        if now < self.due || !self.under_way.is_empty() || timer.routes.is_empty() {
            return;
        }
        self.due = now + ONE_EVERY;
        let n = self.turn % timer.routes.len();
        self.turn = n + 1;
        self.started = now;
        self.under_way.spawn(verify(timer, n));
    }

    fn take(&mut self, Verified { n, is_broken }: Verified) {
        match is_broken {
            Some(true) => drop(self.broken.insert(n)),
            Some(false) => drop(self.broken.remove(&n)),
            None => {}
        }
    }
}

fn verify(timer: &Arc<Timer>, n: usize) -> impl Future<Output = Verified> + use<> {
    let timer = Arc::clone(timer);
    async move {
        let (route, observer) = (&timer.routes[n], &timer.observer);
        let checked = timer.chain_check.keep_chain(route).await;
        timer.record_ledger_finding(route);
        let is_broken = match checked {
            Ok(None) => Some(false),
            Ok(Some(broken)) => {
                observer.record(&WorkerEvent::ChainBroken { route, broken: &broken });
                Some(true)
            }
            Err(error) => {
                observer.record(&WorkerEvent::ReconcileFailed { route, error: &error });
                (error.code == CHAIN_BROKEN).then_some(true)
            }
        };
        Verified { n, is_broken }
    }
}
