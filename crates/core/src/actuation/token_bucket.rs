//! A bucket of tokens, as AWS counts calls: it refills steadily, holds so many at most, and a call takes one.

use std::time::Duration;

/// Parts of a token: so small that a microsecond of the slowest refill is a whole number of them, and no fraction
/// is lost between two calls.
const TOKEN: u128 = 1_000_000_000_000;

/// Tokens, and how fast there are more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    capacity: u128,
    level: u128,
    /// Millionths of a token a second, which are parts of a token a microsecond.
    rate: u64,
    at: Duration,
}

/// Millionths of a token in a token: the unit of rates.
pub const PER_TOKEN: u64 = 1_000_000;

impl TokenBucket {
    /// A full bucket that refills at this many tokens a second.
    #[must_use]
    pub fn full(capacity: u32, per_second: u32) -> Self {
        Self {
            capacity: u128::from(capacity) * TOKEN,
            level: u128::from(capacity) * TOKEN,
            rate: u64::from(per_second) * PER_TOKEN,
            at: Duration::ZERO,
        }
    }

    /// Takes a token, if there is one.
    #[must_use]
    pub fn take(&mut self, now: Duration) -> Option<()> {
        self.refill(now);
        self.level = self.level.checked_sub(TOKEN)?;
        Some(())
    }

    /// Takes a token, or what there is of it: of a call that is made in any case.
    pub fn spend(&mut self, now: Duration) {
        self.refill(now);
        self.level = self.level.saturating_sub(TOKEN);
    }

    /// Gives a token back that was taken and not used.
    pub fn put_back(&mut self) {
        self.level = (self.level + TOKEN).min(self.capacity);
    }

    /// Loses every token.
    pub fn empty(&mut self, now: Duration) {
        self.refill(now);
        self.level = 0;
    }

    /// How long until there are this many; the bucket's own limit aside.
    #[must_use]
    pub fn wait_for(&mut self, now: Duration, tokens: usize) -> Duration {
        self.refill(now);
        let wanted = u128::try_from(tokens).unwrap_or(u128::MAX).saturating_mul(TOKEN);
        let micros = wanted.saturating_sub(self.level).div_ceil(u128::from(self.rate.max(1)));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Whether it holds all it can: what refills now is lost.
    #[must_use]
    pub fn is_full(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.level == self.capacity
    }

    /// Millionths of a token that refill in a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// Refills at this rate from now on.
    pub fn set_rate(&mut self, now: Duration, rate: u64) {
        self.refill(now);
        self.rate = rate;
    }

    fn refill(&mut self, now: Duration) {
        let refilled = now.saturating_sub(self.at).as_micros() * u128::from(self.rate);
        self.level = (self.level + refilled).min(self.capacity);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_bucket_gives_what_it_holds_at_once_and_then_what_refills() {
        let mut bucket = TokenBucket::full(2, 4);
        assert!(bucket.take(millis(0)).is_some());
        assert!(bucket.take(millis(0)).is_some());
        assert!(bucket.take(millis(249)).is_none());
        assert_eq!(bucket.wait_for(millis(249), 1), millis(1));
        assert!(bucket.take(millis(250)).is_some());
    }

    #[test]
    fn what_was_not_used_goes_back_and_never_above_the_brim() {
        let mut bucket = TokenBucket::full(2, 4);
        assert!(bucket.take(millis(0)).is_some());
        bucket.put_back();
        bucket.put_back();
        assert!(bucket.is_full(millis(0)));
        assert_eq!(bucket.wait_for(millis(0), 3), millis(250));
    }

    #[test]
    fn a_slower_bucket_counts_from_when_it_was_slowed_down() {
        let mut bucket = TokenBucket::full(20, 4);
        bucket.empty(millis(0));
        bucket.set_rate(millis(250), 2 * PER_TOKEN);
        assert_eq!(bucket.wait_for(millis(250), 2), millis(500));
    }

    #[test]
    fn a_call_that_is_made_in_any_case_takes_what_there_is() {
        let mut bucket = TokenBucket::full(1, 4);
        bucket.spend(millis(0));
        bucket.spend(millis(0));
        assert_eq!(bucket.wait_for(millis(0), 1), millis(250));
    }
}
