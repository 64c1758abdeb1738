//! Liveness and readiness of the worker, and the client of its probes.
//!
//! ECS kills a task that answers badly, so the answer is about this process alone. An AWS service that cannot
//! be reached is no reason: a restart would not bring it back, and would release work in progress.

mod ask;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use crate::health::ask::ask;
use crate::ports::Clock;
use crate::telemetry::event::{EventSink, WorkerEvent};
use crate::timer::{PASS_LONGEST, SUMMARY_EVERY};
use crate::worker::TURN_LONGEST;
use writerlink_core::model::time::CALL_TIMEOUT;

/// How long the receive loop may make no progress: 1.5 times its longest pass, for a slow machine.
pub const RECEIVING_SILENT_MAX: Duration = Duration::from_secs(TURN_LONGEST.as_secs() * 3 / 2);

/// How long the timer may go without its summary: one of them may be late.
pub const TIMER_SILENT_MAX: Duration = SUMMARY_EVERY.saturating_mul(2);

/// The greatest age of a reconcile pass. The summary reports the oldest one, so a pass that has ended since still
/// counts until the next summary.
pub const PASS_AGE_MAX: Duration = PASS_LONGEST.saturating_add(SUMMARY_EVERY);

/// How far beyond its own limit a stopping worker may take.
const ENDS_LATE_MAX: Duration = CALL_TIMEOUT.saturating_mul(2);

/// The liveness of a worker: its receive loop and its timer, each by itself. The timer of a worker whose receive loop
/// hangs keeps running, so one does not prove the other.
pub struct Liveness {
    clock: Arc<dyn Clock>,
    signs: Mutex<Signs>,
}

/// What was seen last, by the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Signs {
    progressed: Duration,
    timer: Option<TimerSigns>,
    stops: Option<Stopping>,
}

#[derive(Clone, Copy, Debug)]
struct TimerSigns {
    summarized: Duration,
    /// The start of the oldest reconcile pass that was in progress then.
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
    ReceiveLoop,
    /// The timer's loop.
    Timer,
    /// A reconcile pass. One that never ends blocks every later pass of its route.
    ReconcilePass,
    /// The end of a worker that received a stop signal.
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
            WorkerComponent::ReceiveLoop => "the receive loop has made no progress",
            WorkerComponent::Timer => "the timer has made no progress",
            WorkerComponent::ReconcilePass => "a reconcile pass has not ended",
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
        let signs = Signs { progressed: clock.monotonic(), timer: None, stops: None };
        Self { clock, signs: Mutex::new(signs) }
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago the receiving loop progressed last.
    #[must_use]
    pub fn receiving_silent_for(&self) -> Duration {
        let progressed = self.signs().progressed;
        self.clock.monotonic().saturating_sub(progressed)
    }

    /// How long ago the timer went round last; none where there is no timer.
    #[must_use]
    pub fn timer_silent_for(&self) -> Option<Duration> {
        let timer = self.signs().timer?;
        Some(self.clock.monotonic().saturating_sub(timer.summarized))
    }

    /// What has been silent for too long. A stopping worker receives
    /// nothing and runs no pass: only its end is expected.
    #[must_use]
    pub fn silences(&self) -> Vec<Silence> {
        let (signs, now) = (*self.signs(), self.clock.monotonic());
        let expected = match (signs.stops, signs.timer) {
            (Some(stops), _) => vec![(WorkerComponent::Stop, stops.since, stops.within + ENDS_LATE_MAX)],
            (None, timer) => {
                let mut expected =
                    vec![(WorkerComponent::ReceiveLoop, signs.progressed, RECEIVING_SILENT_MAX)];
                if let Some(timer) = timer {
                    expected.push((WorkerComponent::Timer, timer.summarized, TIMER_SILENT_MAX));
                    let look = timer.oldest_pass;
                    expected.extend(look.map(|began| (WorkerComponent::ReconcilePass, began, PASS_AGE_MAX)));
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
                signs.progressed = now;
                signs.timer = with_timer.then_some(TimerSigns { summarized: now, oldest_pass: None });
            }
            WorkerEvent::LoopPassed => signs.progressed = now,
            WorkerEvent::Summary(summary) => {
                signs.timer = Some(TimerSigns {
                    summarized: now,
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
    /// Records that the ledger was read.
    pub fn ledger_was_read(&self) {
        self.ledger.store(true, Ordering::Relaxed);
    }

    /// Whether the ledger was read.
    #[must_use]
    pub fn has_ledger(&self) -> bool {
        self.ledger.load(Ordering::Relaxed)
    }

    /// Whether it received a stop signal, and takes no more messages.
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
