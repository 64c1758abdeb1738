//! How fast a survey asks the load balancer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ports::Clock;

/// How many calls may follow each other without a pause. `DescribeTargetHealth` and `DescribeListeners` share one
/// bucket of 200 for a whole account and Region (ELB User Guide, "Request throttling for the Elastic Load Balancing
/// API"): a fifth of it is a person's.
const BURST: u32 = 40;

/// How many follow in a second after that. The bucket refills at 50 a second, of which the timers of two workers
/// take up to 40 (`timer::PASSES_PER_SECOND_MAX`): what they need must not be spent by who only looks.
const PER_SECOND: u32 = 10;

/// When the next call may be made.
pub(super) struct ReadRate {
    clock: Arc<dyn Clock>,
    /// When the bucket is full again if nothing more is taken from it, by the monotonic clock.
    full_at: Mutex<Duration>,
}

impl ReadRate {
    /// A full bucket.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, full_at: Mutex::default() }
    }

    /// Waits until a call may be made.
    pub(super) async fn turn(&self) {
        let wait = {
            let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
            take(&mut full_at, self.clock.monotonic())
        };
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
    }
}

/// Takes one call, and says how long it has to wait.
fn take(full_at: &mut Duration, now: Duration) -> Duration {
    let every = Duration::from_secs(1) / PER_SECOND;
    *full_at = (*full_at).max(now) + every;
    full_at.saturating_sub(now + every * BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_what_follows_waits_its_turn() {
        let mut full_at = Duration::ZERO;
        let now = Duration::from_secs(100);
        for n in 0..BURST {
            assert_eq!(take(&mut full_at, now), Duration::ZERO, "{n}");
        }
        assert_eq!(take(&mut full_at, now), Duration::from_millis(100));
        assert_eq!(take(&mut full_at, now), Duration::from_millis(200));
        let later = now + Duration::from_mins(1);
        assert_eq!(take(&mut full_at, later), Duration::ZERO, "it fills up again");
    }
}
