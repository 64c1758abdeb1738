//! The turns of the receiving loop: what shows that a worker still receives, and how long it may go without one.

use std::time::Duration;

use crate::telemetry::event::WorkerEvent;
use crate::worker::{RECEIVE_MAX, RECEIVE_WAIT, Worker};
use writerlink_core::model::outcome::RETRY_LONGEST;
use writerlink_core::model::time::CALL_TIMEOUT;

/// The longest that one receive keeps the loop: the pause after one that failed, then a long poll and its reply.
const RECEIVE_LONGEST: Duration = RETRY_LONGEST.saturating_add(RECEIVE_WAIT).saturating_add(CALL_TIMEOUT);

/// So many calls an attempt makes at most between two signs of progress (`InHand::keep`, or its end): the entries of the
/// events in hand behind it, and half a dozen calls of its own.
const CALLS_IN_A_ROW_MAX: u32 = RECEIVE_MAX + 6;

/// The longest that the loop waits for progress of a group while every place is taken.
const PROGRESS_LONGEST: Duration = CALL_TIMEOUT.saturating_mul(CALLS_IN_A_ROW_MAX);

/// The longest that the receiving loop goes without a turn while nothing is wrong with the worker, whatever is wrong
/// with the services that it calls.
pub const TURN_LONGEST: Duration = longer(RECEIVE_LONGEST, PROGRESS_LONGEST);

/// How often the turns are told to the log and the metrics. Their alarm looks at three minutes.
const TOLD_EVERY: Duration = Duration::from_mins(1);

const fn longer(one: Duration, other: Duration) -> Duration {
    if one.as_millis() > other.as_millis() { one } else { other }
}

/// The turns that were not told yet.
#[derive(Debug, Default)]
pub(super) struct Turns {
    count: usize,
    told: Option<Duration>,
}

impl Worker {
    /// The receiving loop has turned. The first turn is told at once, so that a worker shows early that it receives.
    pub(super) fn turned(&self, turns: &mut Turns) {
        self.record(&WorkerEvent::LoopPassed);
        turns.count += 1;
        let now = self.clock.monotonic();
        let lately = |told| now.saturating_sub(told) < TOLD_EVERY;
        if turns.told.is_none_or(|told| !lately(told)) {
            turns.told = Some(now);
            self.record(&WorkerEvent::LoopPasses(std::mem::take(&mut turns.count)));
        }
    }
}
