//! Whether the worker's loops still turn and what it still waits for, and the client that asks a worker.
//!
//! ECS kills a task that answers badly, so the answer is about this process alone. An AWS service that cannot
//! be reached is no reason: a restart would not bring it back, and would let go of what is in hand.

mod ask;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use crate::health::ask::ask;
use crate::ports::Clock;
use crate::telemetry::event::{EventSink, WorkerEvent};
use crate::timer::{LOOK_LONGEST, SUMMARY_EVERY};
use crate::worker::TURN_LONGEST;
use writerlink_core::model::time::CALL_TIMEOUT;

/// How long the receiving loop may go without a turn: half as long again as its longest one, for a slow machine.
pub const RECEIVING_SILENT_MAX: Duration = Duration::from_secs(TURN_LONGEST.as_secs() * 3 / 2);

/// How long the timer may go without its summary: one of them may be late.
pub const TIMER_SILENT_MAX: Duration = SUMMARY_EVERY.saturating_mul(2);

/// How old a look may seem. Which look is the oldest is told with the summary, so one that has ended since then still
/// counts until the next.
pub const LOOK_MAX: Duration = LOOK_LONGEST.saturating_add(SUMMARY_EVERY);

/// How much longer than it said a stopping worker may take.
const ENDS_LATE_MAX: Duration = CALL_TIMEOUT.saturating_mul(2);

/// The signs of life of a worker: its receiving loop and its timer, each by itself. Neither speaks for the other: the
/// timer of a worker that receives nothing any more goes round all the same.
pub struct Liveness {
    clock: Arc<dyn Clock>,
    signs: Mutex<Signs>,
}

/// What was seen last, by the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Signs {
    turned: Duration,
    timer: Option<TimerSigns>,
    stops: Option<Stopping>,
}

#[derive(Clone, Copy, Debug)]
struct TimerSigns {
    went_round: Duration,
    /// When the oldest look began that was under way then.
    oldest_pass: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Stopping {
    since: Duration,
    within: Duration,
}

/// Something of a worker that is expected at least every so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerComponent {
    /// The loop that receives messages.
    Receiving,
    /// The timer's loop.
    Timer,
    /// A look of the timer: one that never ends keeps its route from being looked at again.
    Look,
    /// The end of a worker that was told to stop.
    Stop,
}

/// A part that has been silent for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Which part.
    pub part: WorkerComponent,
    /// For how long.
    pub lasts: Duration,
    /// How long it may be at most.
    pub at_most: Duration,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.part {
            WorkerComponent::Receiving => "the receiving loop has not turned",
            WorkerComponent::Timer => "the timer has not gone round",
            WorkerComponent::Look => "a look of the timer has not ended",
            WorkerComponent::Stop => "the stopping worker has not ended",
        };
        let (lasts, at_most) = (self.lasts.as_secs(), self.at_most.as_secs());
        write!(f, "{what} for {lasts} s ({at_most} s at most)")
    }
}

impl Liveness {
    /// Of a worker that begins now.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let signs = Signs { turned: clock.monotonic(), timer: None, stops: None };
        Self { clock, signs: Mutex::new(signs) }
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago the receiving loop turned last.
    #[must_use]
    pub fn receiving_silent_for(&self) -> Duration {
        let turned = self.signs().turned;
        self.clock.monotonic().saturating_sub(turned)
    }

    /// How long ago the timer went round last; none where there is no timer.
    #[must_use]
    pub fn timer_silent_for(&self) -> Option<Duration> {
        let timer = self.signs().timer?;
        Some(self.clock.monotonic().saturating_sub(timer.went_round))
    }

    /// What has been silent for too long. A worker that was told to stop receives nothing and looks at nothing any more:
    /// of it only the end is expected.
    #[must_use]
    pub fn silences(&self) -> Vec<Silence> {
        let (signs, now) = (*self.signs(), self.clock.monotonic());
        let expected = match (signs.stops, signs.timer) {
            (Some(stops), _) => vec![(WorkerComponent::Stop, stops.since, stops.within + ENDS_LATE_MAX)],
            (None, timer) => {
                let mut expected = vec![(WorkerComponent::Receiving, signs.turned, RECEIVING_SILENT_MAX)];
                if let Some(timer) = timer {
                    expected.push((WorkerComponent::Timer, timer.went_round, TIMER_SILENT_MAX));
                    let look = timer.oldest_pass;
                    expected.extend(look.map(|began| (WorkerComponent::Look, began, LOOK_MAX)));
                }
                expected
            }
        };
        let silence = |(part, since, at_most): (WorkerComponent, Duration, Duration)| Silence {
            part,
            lasts: now.saturating_sub(since),
            at_most,
        };
        let silences = expected.into_iter().map(silence);
        silences.filter(|s| s.lasts >= s.at_most).collect()
    }
}

impl EventSink for Liveness {
    fn record(&self, happening: &WorkerEvent<'_>) {
        let now = self.clock.monotonic();
        let mut signs = self.signs();
        match happening {
            WorkerEvent::Started { with_timer } => {
                signs.turned = now;
                signs.timer = with_timer.then_some(TimerSigns { went_round: now, oldest_pass: None });
            }
            WorkerEvent::LoopPassed => signs.turned = now,
            WorkerEvent::Summary(summary) => {
                signs.timer = Some(TimerSigns {
                    went_round: now,
                    oldest_pass: summary.oldest_pass.map(|age| now.saturating_sub(age)),
                });
            }
            WorkerEvent::Stopping { within, .. } => {
                let within = *within;
                signs.stops = Some(Stopping { since: now, within });
            }
            _ => {}
        }
    }
}

/// What a worker needs once before it can be of use: that the ledger could be read, and that the queue has answered.
/// What fails later is no reason to be unready again: nobody else would do this worker's work. One that was told to stop
/// is not ready any more.
#[derive(Debug, Default)]
pub struct Readiness {
    ledger: AtomicBool,
    queue: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// Somebody has read the ledger.
    pub fn ledger_was_read(&self) {
        self.ledger.store(true, Ordering::Relaxed);
    }

    /// Whether the ledger was read.
    #[must_use]
    pub fn has_ledger(&self) -> bool {
        self.ledger.load(Ordering::Relaxed)
    }

    /// Whether it was told to stop, and takes no more.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether it takes messages.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.waits_for().is_empty()
    }

    /// What is still to come, by name.
    #[must_use]
    pub fn waits_for(&self) -> Vec<&'static str> {
        let queue = self.queue.load(Ordering::Relaxed);
        let parts = [("ledger", self.has_ledger()), ("queue", queue)];
        let missing = parts.into_iter().filter(|(_, there)| !there);
        missing.map(|(name, _)| name).collect()
    }
}

impl EventSink for Readiness {
    fn record(&self, happening: &WorkerEvent<'_>) {
        match happening {
            WorkerEvent::Received(_) => self.queue.store(true, Ordering::Relaxed),
            WorkerEvent::Attempt(report) if report.generation.is_some() => self.ledger_was_read(),
            WorkerEvent::Summary(summary) if summary.passes > summary.failed => self.ledger_was_read(),
            WorkerEvent::Stopping { .. } => self.stopping.store(true, Ordering::Relaxed),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
