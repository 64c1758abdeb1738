//! The API's quotas: token buckets, per account and Region.
//!
//! Source: ELB User Guide, "Request throttling for the Elastic Load Balancing API".

use std::time::Duration;

/// Whether the quotas of the API are applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Throttling {
    /// As AWS documents them.
    #[default]
    On,
    /// None, for a run that is about something else.
    Off,
}

/// A bucket of tokens. It counts in millionths of a token, so that no fraction is lost between two calls.
#[derive(Debug)]
pub(super) struct TokenBucket {
    capacity: u128,
    refill_per_second: u128,
    level: u128,
    at: Duration,
}

const MILLIONTHS: u128 = 1_000_000;

impl TokenBucket {
    /// `RegisterTargets` and `DeregisterTargets` together.
    pub(super) fn registrations() -> Self {
        Self::full(20, 4)
    }

    /// The other mutating actions, of which this world has `ModifyListener`.
    pub(super) fn modifications() -> Self {
        Self::full(20, 3)
    }

    /// The describing actions, of which this world has two.
    pub(super) fn descriptions() -> Self {
        Self::full(200, 50)
    }

    fn full(tokens: u128, refill_per_second: u128) -> Self {
        Self {
            capacity: tokens * MILLIONTHS,
            refill_per_second,
            level: tokens * MILLIONTHS,
            at: Duration::ZERO,
        }
    }

    /// Takes a token, if there is one.
    #[must_use]
    pub(super) fn take(&mut self, now: Duration) -> Option<()> {
        let refilled = now.saturating_sub(self.at).as_micros() * self.refill_per_second;
        self.level = (self.level + refilled).min(self.capacity);
        self.at = now;
        self.level = self.level.checked_sub(MILLIONTHS)?;
        Some(())
    }
}
