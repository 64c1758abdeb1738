//! The passes of the receive loop: they prove that the worker still receives. Also how long one may take.

use std::time::Duration;

use crate::telemetry::event::WorkerEvent;
use crate::worker::{RECEIVE_MAX, RECEIVE_WAIT, Worker};
use writerlink_core::model::outcome::RETRY_LONGEST;
use writerlink_core::model::time::CALL_TIMEOUT;

/// The longest that one receive keeps the loop: the pause after one that failed, then a long poll and its reply.
const RECEIVE_LONGEST: Duration = RETRY_LONGEST.saturating_add(RECEIVE_WAIT).saturating_add(CALL_TIMEOUT);

/// The most calls that an attempt makes between two signs of progress (`InFlight::keep`, or its end): one for each event
/// queued behind it, and half a dozen of its own.
const CALLS_IN_A_ROW_MAX: u32 = RECEIVE_MAX + 6;

/// The longest that the loop waits for progress of a group while every place is taken.
const PROGRESS_LONGEST: Duration = CALL_TIMEOUT.saturating_mul(CALLS_IN_A_ROW_MAX);

/// The longest pass of the receive loop of a sound worker, whatever the state of the services that it calls.
pub const TURN_LONGEST: Duration = longer(RECEIVE_LONGEST, PROGRESS_LONGEST);

/// How often the passes are reported to the log and the metrics. Their alarm evaluates three minutes.
const REPORTED_EVERY: Duration = Duration::from_mins(1);

const fn longer(one: Duration, other: Duration) -> Duration {
    if one.as_millis() > other.as_millis() { one } else { other }
}

/// The passes since the last report.
#[derive(Debug, Default)]
pub(super) struct Turns {
    count: usize,
    reported: Option<Duration>,
}

impl Worker {
    /// Counts a pass of the receive loop. The first one is reported at once, as an early sign that the worker receives.
    pub(super) fn turned(&self, turns: &mut Turns) {
        self.record(&WorkerEvent::LoopPassed);
        turns.count += 1;
        let now = self.clock.monotonic();
        let lately = |reported| now.saturating_sub(reported) < REPORTED_EVERY;
        if turns.reported.is_none_or(|reported| !lately(reported)) {
            turns.reported = Some(now);
            self.record(&WorkerEvent::LoopPasses(std::mem::take(&mut turns.count)));
        }
    }
}
