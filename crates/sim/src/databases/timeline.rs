//! A thing that changes over time, and how it looks to those who notice late.

use std::time::Duration;

/// How long after a change its sources notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lag {
    /// Until then RDS's API shows what was before.
    pub(super) api: Duration,
    /// Until then each look-up of a name gives what was before, or what is.
    pub(super) names: Duration,
}

#[derive(Clone, Debug)]
struct Step<T> {
    from: Duration,
    value: T,
    lag: Lag,
}

/// What holds from when on, in order; the last steps may lie in the future. Times are true ones since the world
/// began.
#[derive(Clone, Debug)]
pub(super) struct Timeline<T> {
    steps: Vec<Step<T>>,
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        let steps = Vec::new();
        Self { steps }
    }
}

impl<T> Timeline<T> {
    /// `value` since ever.
    pub(super) fn always(value: T) -> Self {
        let mut always = Self::default();
        always.push(Duration::ZERO, value, Lag::default());
        always
    }

    pub(super) fn push(&mut self, from: Duration, value: T, lag: Lag) {
        self.steps.push(Step { from, value, lag });
    }

    /// When it changes, or changed, for the last time.
    pub(super) fn last_change(&self) -> Duration {
        self.steps.last().map(|step| step.from).unwrap_or_default()
    }

    /// Calls off what has not happened yet; how many changes that were.
    pub(super) fn call_off(&mut self, now: Duration) -> usize {
        let planned = self.steps.len();
        self.steps.retain(|step| step.from <= now);
        planned - self.steps.len()
    }

    /// The same changes of the same things under other names.
    pub(super) fn renamed(self, name: impl Fn(&T) -> T) -> Self {
        let step = |step: Step<T>| Step { value: name(&step.value), ..step };
        let steps = self.steps.into_iter().map(step).collect();
        Self { steps }
    }

    /// The true value.
    pub(super) fn now(&self, now: Duration) -> Option<&T> {
        self.before(now, 0)
    }

    /// The value that held this many changes ago.
    pub(super) fn before(&self, now: Duration, changes: usize) -> Option<&T> {
        let so_far = self.steps.iter().rev().filter(|step| step.from <= now);
        so_far.map(|step| &step.value).nth(changes)
    }

    /// What RDS's API says.
    pub(super) fn by_api(&self, now: Duration) -> Option<&T> {
        let mut noticed = self.steps.iter().rev();
        let noticed = noticed.find(|step| step.from + step.lag.api <= now);
        noticed.or(self.steps.first()).map(|step| &step.value)
    }

    /// What a look-up of the name gives. `coin` decides as long as the servers differ: whether it is the server
    /// that does not know yet.
    pub(super) fn by_name(&self, now: Duration, coin: impl FnOnce() -> bool) -> Option<&T> {
        let mut so_far = self.steps.iter().rev().filter(|step| step.from <= now);
        let step = so_far.next()?;
        let settled = step.from + step.lag.names <= now;
        match so_far.next() {
            Some(former) if !settled && coin() => Some(&former.value),
            Some(_) | None => Some(&step.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn changed_at_ten() -> Timeline<&'static str> {
        let mut timeline = Timeline::always("old");
        let lag = Lag { api: seconds(5), names: seconds(20) };
        timeline.push(seconds(10), "new", lag);
        timeline
    }

    #[test]
    fn the_truth_changes_first_and_the_api_follows() {
        let timeline = changed_at_ten();
        assert_eq!(timeline.now(seconds(9)), Some(&"old"));
        assert_eq!(timeline.now(seconds(10)), Some(&"new"));
        assert_eq!(timeline.by_api(seconds(14)), Some(&"old"));
        assert_eq!(timeline.by_api(seconds(15)), Some(&"new"));
    }

    #[test]
    fn names_differ_until_they_settle_and_no_randomness_is_used_outside() {
        let timeline = changed_at_ten();
        let no_coin = || panic!("nothing to decide");
        assert_eq!(timeline.by_name(seconds(9), no_coin), Some(&"old"));
        assert_eq!(timeline.by_name(seconds(29), || true), Some(&"old"));
        assert_eq!(timeline.by_name(seconds(29), || false), Some(&"new"));
        assert_eq!(timeline.by_name(seconds(30), no_coin), Some(&"new"));
    }

    #[test]
    fn what_has_not_happened_can_be_called_off_and_what_has_cannot() {
        let mut timeline = changed_at_ten();
        assert_eq!(timeline.call_off(seconds(10)), 0);
        assert_eq!(timeline.call_off(seconds(9)), 1);
        assert_eq!(timeline.now(seconds(99)), Some(&"old"));
        assert_eq!(timeline.last_change(), Duration::ZERO);
    }
}
