//! How an attempt can end, and what happens to its message.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::model::time::CLOCK_SKEW_MAX;
use crate::named::named;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display)]
pub enum Outcome {
    /// The group holds the desired target and nothing else of the route's.
    Moved,
    /// It already did.
    AlreadyThere,
    /// The desired target joined the old one (`on_started = "register"`); the completed event swaps.
    Registered,
    /// Newer evidence already moved the route.
    Superseded,
    /// The event was processed before.
    Duplicate,
    /// The event moves no route.
    Ignored,
    /// The event or command is not allowed.
    Rejected,
    /// The route is paused.
    Paused,
    /// The route only observes.
    Observed,
    /// Every attempt that was allowed failed.
    Failed,
}

named!(Outcome);

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disposition {
    /// Its event is processed: delete it.
    Delete,
    /// It needs a person: move it to the dead-letter queue.
    DeadLetter,
    /// It is not processed yet: it comes back after this long, and blocks its FIFO group until then.
    RetryAfter(Duration),
}

impl Disposition {
    /// The disposition of a message that concerns two routes. It comes back at the earlier time: an early one keeps its
    /// place in the quota queue, and a late one keeps clients waiting.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::RetryAfter(one), Self::RetryAfter(another)) => Self::RetryAfter(one.min(another)),
            _ => self.max(other),
        }
    }
}

impl Outcome {
    /// The disposition of a message whose event ended so. What needs a person goes to the dead-letter queue, which has an
    /// alarm; everything else is deleted.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        match self {
            Self::Rejected | Self::Failed => Disposition::DeadLetter,
            Self::Moved
            | Self::AlreadyThere
            | Self::Registered
            | Self::Superseded
            | Self::Duplicate
            | Self::Ignored
            | Self::Paused
            | Self::Observed => Disposition::Delete,
        }
    }
}

/// The first pause after a failed attempt.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause after a failed attempt.
pub const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// The longest time for which a message is away that waits for quota or for the pace of moves. Newer evidence for the
/// route waits behind it in its group, and is received with it when it comes back.
pub const AWAY_MOST: Duration = Duration::from_mins(1);

/// For how long after its last attempt an event that has moved nothing yet is left to its message: the longest time
/// between two deliveries, twice over, by the clocks of two workers.
pub const IN_PROGRESS_FOR: Duration = AWAY_MOST.saturating_mul(2).saturating_add(CLOCK_SKEW_MAX);

/// For how long an event that was superseded before it had moved anything is left to the newer one, which may have to
/// wait for quota several times before it begins. After that the ledger's state counts again.
pub const LEFT_TO_NEWER_FOR: Duration = Duration::from_mins(15);

/// How long to wait after the `attempt`th attempt failed: doubling from one second, at most thirty, less up
/// to a quarter by `random`, so that routes that were throttled together do not come back together.
#[must_use]
pub fn retry_after(attempt: u32, random: u128) -> Duration {
    let pause = doubled(RETRY_FIRST, attempt).min(RETRY_LONGEST);
    let percent = u32::try_from(random % 26).unwrap_or(0);
    pause * (100 - percent) / 100
}

/// How often a pause is doubled at most: far beyond the longest that any caller waits.
const DOUBLED_MAX: usize = 32;

/// The pause once more for each failure after the first, twice as long each time. The jitter of `backon` stays off: it
/// only lengthens pauses, and the callers shorten theirs. The seed keeps it from drawing one from the system.
#[must_use]
pub fn doubled(pause: Duration, failures: u32) -> Duration {
    let pauses = ExponentialBuilder::new().with_min_delay(pause).without_max_delay();
    let pauses = pauses.with_max_times(DOUBLED_MAX).with_jitter_seed(0).build();
    let failures = usize::try_from(failures.max(1)).unwrap_or(usize::MAX);
    pauses.take(failures).last().unwrap_or(pause)
}
