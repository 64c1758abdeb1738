//! How many groups a worker handles at once, adapted to the ledger's answers.
//!
//! A ledger that answers slower than a timeout does the work of every call that was given up, and the next try is more
//! of it. So the room is halved when that happens, and grows by one whenever some attempts were answered: additive
//! increase, multiplicative decrease, as of the load balancer's rate ([`crate::actuation::quota`]).
//! What finds no room waits in SQS, where a message costs nothing and keeps its place.

use std::time::Duration;

use crate::model::time::CALL_TIMEOUT;

/// How many attempts are answered before there is room for one more: from one place to sixty-four it takes a second of
/// attempts that take 50 ms each.
pub const ANSWERED_EACH: usize = 4;

/// The time in which silence counts once: the calls that were under way at a cut say nothing about what it led to, and
/// none of them takes longer.
pub const ONE_SILENCE: Duration = CALL_TIMEOUT;

/// The concurrency limit of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrencyLimit {
    least: usize,
    most: usize,
    places: usize,
    answered: usize,
    cut: Option<Duration>,
}

impl ConcurrencyLimit {
    /// A limit of `most`, never below `least` or 1.
    #[must_use]
    pub fn new(least: usize, most: usize) -> Self {
        let most = most.max(1);
        Self { least: least.clamp(1, most), most, places: most, answered: 0, cut: None }
    }

    /// For how many groups there is room.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places
    }

    /// Whether there is less room than there could be.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.places < self.most
    }

    /// The ledger did not answer an attempt in time, or refused it for its rate. `true` if there is less room now.
    pub fn unanswered(&mut self, now: Duration) -> bool {
        self.answered = 0;
        if self.cut.is_some_and(|at| now < at + ONE_SILENCE) {
            return false;
        }
        self.cut = Some(now);
        let before = self.places;
        self.places = (before / 2).max(self.least);
        self.places < before
    }

    /// The ledger answered an attempt. `true` if there is all the room again.
    pub fn answered(&mut self) -> bool {
        if !self.is_cut() {
            return false;
        }
        self.answered += 1;
        if self.answered < ANSWERED_EACH {
            return false;
        }
        self.answered = 0;
        self.places += 1;
        !self.is_cut()
    }
}
