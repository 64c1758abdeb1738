//! Wall-clock time as a value: it is always handed in, never read here.

use std::fmt;
use std::time::Duration;

/// Milliseconds since the Unix epoch, UTC. Shown as ISO 8601 with milliseconds: the precision RDS gives
/// its events, and the one the audit keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The last instant that can be shown with four digits of year in every time zone, in milliseconds.
const MILLIS_MAX: i64 = 253_402_207_199_999;

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// An instant by its milliseconds; held between the epoch and the last days of year 9999, so
    /// that every value can be shown.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, MILLIS_MAX))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant, `by` later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(MILLIS_MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This instant, `by` earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(MILLIS_MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC day, `2026-05-06`: the partition of the audit's index by day.
    #[must_use]
    pub fn day(self) -> String {
        self.to_string().chars().take(10).collect()
    }

    /// Reads ISO 8601 with an offset or `Z`, as EventBridge writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        Some(Self::from_millis(parsed.as_millisecond()))
    }

    /// Reads `2026-05-06 23:07:45.884`, the zoneless UTC time of an RDS SNS message. A day alone, or a time
    /// with a zone, is none: the library under this would take midnight, and UTC.
    #[must_use]
    pub fn parse_civil(text: &str) -> Option<Self> {
        let (_day, time) = text.split_once([' ', 'T'])?;
        let zoneless = time.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.');
        if !zoneless || !time.contains(':') {
            return None;
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let instant = civil.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some(Self::from_millis(instant.as_millisecond()))
    }

    /// Reads a UTC day, `2026-05-06`, as its midnight: the inverse of [`Timestamp::day`].
    #[must_use]
    pub fn parse_day(text: &str) -> Option<Self> {
        let day: jiff::civil::Date = text.parse().ok()?;
        let midnight = day.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some(Self::from_millis(midnight.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In range by construction (see `from_millis`), so the fallback is never shown.
        let instant = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        write!(f, "{instant:.3}")
    }
}

/// How far two workers' wall clocks may be apart: plus and minus five seconds around the truth. A contender
/// that only reads the wall clock waits this long after the deadline.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(10);

/// The longest any call of the load balancer may take, the SDK's retries included.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_time_are_one_instant() {
        let iso = Timestamp::parse("2026-05-06T23:07:45.884Z").unwrap();
        let civil = Timestamp::parse_civil("2026-05-06 23:07:45.884").unwrap();
        assert_eq!(iso, civil);
        assert_eq!(iso.to_string(), "2026-05-06T23:07:45.884Z");
        assert_eq!(iso.day(), "2026-05-06");
    }

    #[test]
    fn a_time_never_leaves_what_can_be_shown() {
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9999-12-30T21:59:59.999Z");
        assert_eq!(Timestamp::from_millis(-1), Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::from_millis(5)), Duration::ZERO);
    }
}
