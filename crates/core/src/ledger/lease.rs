//! Who may move a route, until when, and who may take over.
//!
//! A *lease*, not a lock: it expires. It protects the ledger completely (every write is conditional, I6)
//! and the load balancer only as well as time can: ELB checks no fencing token. So the holder errs on the
//! early side and the contender on the late side, by more than clocks can differ.

use std::time::Duration;

use crate::model::ids::{Owner, TransitionId};
use crate::model::time::{CALL_TIMEOUT, CLOCK_SKEW_MAX, Timestamp};

/// How long a lease lasts from its last extension. Long enough for the slowest ELB call twice over
/// ([`CALL_TIMEOUT`]), short enough that a crashed worker's route is free again before its message
/// becomes visible (30 s).
pub const LEASE_DURATION: Duration = Duration::from_secs(15);

/// How early the holder stops: it makes no call that could end later than this before the deadline.
pub const HOLDER_MARGIN: Duration = Duration::from_secs(2);

/// How much longer than a whole lease a contender has to have seen the same lease stand still before it
/// takes over without asking the wall clock at all (covers a slow reply).
pub const CONTENDER_MARGIN: Duration = Duration::from_secs(2);

/// A route's lease, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub owner: Owner,
    /// For which attempt.
    pub transition: TransitionId,
    /// Until when, by the holder's wall clock.
    pub deadline: Timestamp,
}

/// Whether a route can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquire {
    /// Nobody holds it.
    Free,
    /// Its holder is gone: take over under a new generation.
    TakeOver,
    /// Somebody may still hold it; ask again after this long.
    Wait(Duration),
}

/// Decides whether a contender may take a route.
///
/// Two independent proofs allow a takeover, and either is enough. By the wall clock: it is past the deadline
/// by more than clocks can differ. By standing still: the contender itself has seen this very lease
/// unchanged for more than a whole lease on its own monotonic clock, which no skew can spoil (the way of
/// the DynamoDB lock client, which stores no absolute time at all).
#[must_use]
pub fn acquire(stored: Option<&Lease>, now: Timestamp, unchanged_for: Duration) -> Acquire {
    let Some(lease) = stored else {
        return Acquire::Free;
    };
    let by_wall = lease.deadline.plus(CLOCK_SKEW_MAX).since(now);
    let by_standing_still = (LEASE_DURATION + CONTENDER_MARGIN).saturating_sub(unchanged_for);
    let wait = by_wall.min(by_standing_still);
    if wait.is_zero() { Acquire::TakeOver } else { Acquire::Wait(wait) }
}

/// What a holder may still do, on its own monotonic clock, counted from *before* the write that granted
/// the lease: the holder must believe the lease ends sooner than anyone else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    granted: Duration,
}

impl Hold {
    /// A lease granted by a write that began at `before_write` of the holder's monotonic clock.
    #[must_use]
    pub fn granted(before_write: Duration) -> Self {
        Self { granted: before_write }
    }

    /// What is left at `monotonic` before the holder has to stop.
    #[must_use]
    pub fn left(&self, monotonic: Duration) -> Duration {
        (self.granted + LEASE_DURATION).saturating_sub(HOLDER_MARGIN).saturating_sub(monotonic)
    }

    /// Whether a whole call, retries included, fits in what is left (I6). If not it is not made.
    #[must_use]
    pub fn fits_a_call(&self, monotonic: Duration) -> bool {
        self.left(monotonic) >= CALL_TIMEOUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(deadline: i64) -> Lease {
        Lease {
            owner: Owner::new("w1"),
            transition: TransitionId::from_parts(Timestamp::EPOCH, 1),
            deadline: Timestamp::from_millis(deadline),
        }
    }

    #[test]
    fn a_free_route_is_taken_at_once() {
        assert_eq!(acquire(None, Timestamp::EPOCH, Duration::ZERO), Acquire::Free);
    }

    #[test]
    fn a_lease_is_taken_over_only_after_more_than_clocks_can_differ() {
        let held = lease(15_000);
        let at = |ms| acquire(Some(&held), Timestamp::from_millis(ms), Duration::ZERO);
        assert_eq!(at(24_999), Acquire::Wait(Duration::from_millis(1)));
        assert_eq!(at(25_000), Acquire::TakeOver);
    }

    #[test]
    fn a_lease_unchanged_for_its_whole_length_is_taken_over_by_any_clock() {
        let held = lease(i64::MAX);
        let seen = |s| acquire(Some(&held), Timestamp::EPOCH, Duration::from_secs(s));
        assert_eq!(seen(16), Acquire::Wait(Duration::from_secs(1)));
        assert_eq!(seen(17), Acquire::TakeOver);
    }

    #[test]
    fn a_holder_stops_before_any_contender_starts_at_the_largest_clock_skew() {
        // The contender's clock runs ahead of the holder's by the most that is allowed.
        let granted = Duration::from_secs(100);
        let held = lease(115_000);
        for second in 100..140_u32 {
            let monotonic = Duration::from_secs(second.into());
            let contender_wall = Timestamp::from_millis(i64::from(second) * 1000).plus(CLOCK_SKEW_MAX);
            if acquire(Some(&held), contender_wall, Duration::ZERO) == Acquire::TakeOver {
                assert_eq!(Hold::granted(granted).left(monotonic), Duration::ZERO, "{second} s");
            }
        }
    }

    #[test]
    fn the_constants_keep_their_relations() {
        assert!(LEASE_DURATION >= HOLDER_MARGIN + 2 * CALL_TIMEOUT);
        assert!(LEASE_DURATION + CLOCK_SKEW_MAX < Duration::from_secs(30), "the queue's visibility");
    }
}
