//! The machine's own time, and the randomness that goes into identifiers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use uuid::Uuid;

use crate::ports::Clock;
use writerlink_core::model::time::Timestamp;

/// The clock of a real process.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is where everybody else's time comes from")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where everybody else's time comes from")]
    fn wall(&self) -> Timestamp {
        // A clock before 1970 is no clock that was ever set: the epoch says so as well as any error.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH.plus(since_epoch)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// A UUID of version 7 has its random bits where a transition's id, which is one, takes them from; its
    /// other bits are the time. The second one, turned round, makes these differ too.
    fn random(&self) -> u128 {
        Uuid::now_v7().as_u128() ^ Uuid::now_v7().as_u128().rotate_left(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn identifiers_of_one_millisecond_differ() {
        let clock = SystemClock::start();
        let now = clock.wall();
        let id = || writerlink_core::model::ids::TransitionId::from_parts(now, clock.random());
        let ids: BTreeSet<_> = (0..10_000).map(|_| id()).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn the_wall_clock_is_set_and_the_monotonic_one_begins_at_zero() {
        let clock = SystemClock::start();
        assert!(clock.wall() > Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
        assert!(clock.monotonic() < Duration::from_mins(1));
    }
}
