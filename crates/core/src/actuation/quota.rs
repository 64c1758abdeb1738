//! The queue of calls for the load balancer's registration quota.
//!
//! `RegisterTargets` and `DeregisterTargets` share one bucket for a whole account and Region. When an Availability
//! Zone fails there are far more calls than tokens, and only their order can be chosen. A database that no client
//! reaches is worse than one that two addresses lead to, so **every registration goes before
//! any deregistration, of whatever route**, and within each the route that came first.
//!
//! The queue mirrors the bucket, so that a call which would be refused is not made. A route keeps its place while its
//! message is back in SQS, and the tokens of the routes before it are kept for them. Others draw on the same bucket
//! (another worker, a person), and only a refusal shows it: the assumed rate is then halved, and recovers with time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::actuation::token_bucket::{PER_TOKEN, TokenBucket};
use crate::model::names::RouteName;
use crate::model::time::Timestamp;

/// The calls that share the quota, the more urgent one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// `RegisterTargets`.
    Register,
    /// `DeregisterTargets`.
    Deregister,
}

/// The quota of an account in a Region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many calls at once after a quiet while.
    pub burst: u32,
    /// How many a second in the long run.
    pub per_second: u32,
}

/// Calls of `RegisterTargets` and `DeregisterTargets` at once (ELB User Guide, "Request throttling for the Elastic
/// Load Balancing API": registration actions).
pub const REGISTRATIONS_BURST: u32 = 20;

/// The same, a second in the long run.
pub const REGISTRATIONS_PER_SECOND: u32 = 4;

impl Default for Quota {
    fn default() -> Self {
        Self { burst: REGISTRATIONS_BURST, per_second: REGISTRATIONS_PER_SECOND }
    }
}

/// The answer to a request for quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Granted: a token was taken.
    Now,
    /// Not yet: wait.
    In {
        /// About how long, at the assumed rate.
        about: Duration,
        /// How long at least, if this queue had the whole rate.
        at_least: Duration,
    },
}

/// How much later than it said a route may come back before its place is given up: another worker may have
/// received its message.
const LATE_MAX: Duration = Duration::from_secs(3);

/// How long it takes from no rate at all to the whole of it, when nothing is refused any more: slow, since two
/// workers that both test for more get both of them refused.
const RECOVERY: Duration = Duration::from_secs(15);

/// The smallest assumed rate, as a fraction of the whole: with so many workers on one bucket none starves.
const RATE_LEAST: u64 = 16;

/// Refusals within this time are one: calls that were under way together are refused together.
const ONE_REFUSAL: Duration = Duration::from_secs(1);

/// For how long deregistrations wait after a full receive of new messages: registrations that go first may still be
/// in SQS.
pub const MORE_MAY_COME: Duration = Duration::from_secs(3);

/// For how long at most, in one stretch. A burst of ten thousand messages is received in half of it; what never ends is no
/// burst, and old targets must not stay for it.
pub const STANDS_BACK_MOST: Duration = Duration::from_mins(1);

/// How many places ahead are counted at most: two minutes' worth, and no route is away for longer than one.
const COUNTED_MAX: usize = 512;

/// A place in the queue: by which call goes first, then by how old the evidence is, then by name. Nothing of it is this
/// worker's own: two workers that share the messages give a route the same place, whoever receives it next.
type Priority = (Call, Timestamp, RouteName);

#[derive(Clone, Debug)]
struct Waiter {
    call: Call,
    place: Priority,
}

/// The quota queue of a worker.
#[derive(Clone, Debug)]
pub struct QuotaQueue {
    quota: Quota,
    bucket: TokenBucket,
    waiters: BTreeMap<RouteName, Waiter>,
    /// The places in their order, and when each route asks again.
    places: BTreeMap<Priority, Duration>,
    /// When the rate was last looked at, and when a call was last refused.
    grown: Duration,
    refused: Option<Duration>,
    /// How often calls were refused since the last one that was let through.
    refusals: u32,
    /// Since when and until when the deregistrations stand back.
    more: Range<Duration>,
}

impl QuotaQueue {
    /// An empty queue with a full bucket.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self {
            bucket: TokenBucket::full(quota.burst, quota.per_second),
            quota,
            waiters: BTreeMap::new(),
            places: BTreeMap::new(),
            grown: Duration::ZERO,
            refused: None,
            refusals: 0,
            more: Duration::ZERO..Duration::ZERO,
        }
    }

    /// As many messages came as one receive may bring, and new ones among them.
    pub fn more_may_come(&mut self, now: Duration) {
        if now > self.more.end {
            self.more.start = now;
        }
        self.more.end = now + MORE_MAY_COME;
    }

    fn stand_back(&self, now: Duration) -> bool {
        now < self.more.end && now < self.more.start + STANDS_BACK_MOST
    }

    /// Asks for quota for `route`, whose evidence is of `since`. A route that has to wait gets a place, and asks again.
    pub fn ask(&mut self, now: Duration, route: &RouteName, call: Call, since: Timestamp) -> Grant {
        self.grow(now);
        self.forget_the_late(now);
        let place = self.place_of(route, call, since);
        let needed = self.ahead_of(now, &place) + 1;
        let stands_back = call == Call::Deregister && self.stand_back(now);
        let least = if stands_back { MORE_MAY_COME } else { Duration::ZERO };
        let about = self.bucket.wait_for(now, needed).max(least);
        // A full bucket loses what refills, so its tokens are free even if routes with a place have not come back.
        if about.is_zero() || (self.bucket.is_full(now) && !stands_back) {
            self.bucket.spend(now);
            self.leave(route);
            return Grant::Now;
        }
        self.places.insert(place.clone(), now + about);
        self.waiters.insert(route.clone(), Waiter { call, place });
        let mut whole = self.bucket.clone();
        whole.set_rate(now, self.whole_rate());
        Grant::In { about, at_least: whole.wait_for(now, needed).max(least) }
    }

    /// The route goes away and asks again after `pause`.
    pub fn go_away(&mut self, now: Duration, route: &RouteName, pause: Duration) {
        let place = self.waiters.get(route).map(|waiter| &waiter.place);
        if let Some(due) = place.and_then(|place| self.places.get_mut(place)) {
            *due = now + pause;
        }
    }

    /// Returns a token that was granted and not used.
    pub fn put_back(&mut self) {
        self.bucket.put_back();
    }

    /// Counts a call that is made without waiting.
    pub fn spend(&mut self, now: Duration) {
        self.grow(now);
        self.bucket.spend(now);
    }

    /// A call was refused for its rate: another caller draws on the bucket too.
    pub fn refused(&mut self, now: Duration) {
        self.grow(now);
        self.bucket.empty(now);
        if self.refused.is_some_and(|at| now < at + ONE_REFUSAL) {
            return;
        }
        self.refused = Some(now);
        self.refusals = self.refusals.saturating_add(1);
        let halved = (self.bucket.rate() / 2).max(self.whole_rate() / RATE_LEAST);
        self.bucket.set_rate(now, halved);
    }

    /// A call was let through: there is room again.
    pub fn let_through(&mut self) {
        self.refusals = 0;
    }

    /// How often calls were refused since the last one that was let through. Those refused together count as one.
    #[must_use]
    pub fn refusals_in_a_row(&self) -> u32 {
        self.refusals
    }

    /// What the route waits for, if it has a place.
    #[must_use]
    pub fn waits_for(&self, route: &RouteName) -> Option<Call> {
        self.waiters.get(route).map(|waiter| waiter.call)
    }

    /// Whether the route has a place and is in time.
    #[must_use]
    pub fn awaits(&self, now: Duration, route: &RouteName) -> bool {
        let place = self.waiters.get(route).map(|waiter| &waiter.place);
        let due = place.and_then(|place| self.places.get(place));
        due.is_some_and(|due| is_in_time(now, *due))
    }

    /// Whether no route waits.
    #[must_use]
    pub fn is_idle(&mut self, now: Duration) -> bool {
        self.forget_the_late(now);
        self.waiters.is_empty()
    }

    fn whole_rate(&self) -> u64 {
        u64::from(self.quota.per_second) * PER_TOKEN
    }

    /// Raises the assumed rate with the time since the last call.
    fn grow(&mut self, now: Duration) {
        let since = now.saturating_sub(self.grown).min(RECOVERY);
        self.grown = now;
        let (rate, whole) = (self.bucket.rate(), self.whole_rate());
        if rate < whole {
            let gain = u128::from(whole) * since.as_micros() / RECOVERY.as_micros();
            let gain = u64::try_from(gain).unwrap_or(u64::MAX);
            self.bucket.set_rate(now, rate.saturating_add(gain).min(whole));
        }
    }

    /// Drops late routes at the head of the queue only: the others wait behind it.
    fn forget_the_late(&mut self, now: Duration) {
        while let Some((place, due)) = self.places.first_key_value()
            && !is_in_time(now, *due)
        {
            let (_, _, route) = place.clone();
            self.leave(&route);
        }
    }

    fn leave(&mut self, route: &RouteName) {
        if let Some(waiter) = self.waiters.remove(route) {
            self.places.remove(&waiter.place);
        }
    }

    /// The place that the route has, or that of its evidence. One place a route: who needs another call than before
    /// gives the old place up.
    fn place_of(&mut self, route: &RouteName, call: Call, since: Timestamp) -> Priority {
        match self.waiters.get(route) {
            Some(waiter) if waiter.call == call => return waiter.place.clone(),
            Some(_) => self.leave(route),
            None => {}
        }
        (call, since, route.clone())
    }

    /// How many have their turn before this place.
    fn ahead_of(&self, now: Duration, place: &Priority) -> usize {
        let before = self.places.range(..place.clone());
        let in_time = before.filter(|(_, due)| is_in_time(now, **due));
        in_time.take(COUNTED_MAX).count()
    }
}

/// Whether a route that is due to ask again may still come.
fn is_in_time(now: Duration, due: Duration) -> bool {
    now <= due + LATE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { burst: 2, per_second: 4 };

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn route(n: u32) -> RouteName {
        RouteName::new(&format!("r{n}")).unwrap()
    }

    fn ask(line: &mut QuotaQueue, at: u64, n: u32, call: Call) -> Grant {
        line.ask(millis(at), &route(n), call, Timestamp::EPOCH)
    }

    fn after(millis: u64) -> Grant {
        let about = Duration::from_millis(millis);
        let at_least = about;
        Grant::In { about, at_least }
    }

    #[test]
    fn a_single_failover_waits_for_nobody() {
        let mut line = QuotaQueue::new(Quota::default());
        assert_eq!(ask(&mut line, 0, 1, Call::Register), Grant::Now);
        assert_eq!(ask(&mut line, 20, 1, Call::Deregister), Grant::Now);
        assert!(line.is_idle(millis(20)));
    }

    #[test]
    fn every_registration_goes_before_any_deregistration_whoever_asked_first() {
        let mut line = QuotaQueue::new(QUOTA);
        for n in [1, 2] {
            assert_eq!(ask(&mut line, 0, n, Call::Register), Grant::Now);
        }
        assert_eq!(ask(&mut line, 0, 1, Call::Deregister), after(250));
        assert_eq!(ask(&mut line, 0, 3, Call::Register), after(250));
        assert_eq!(ask(&mut line, 250, 1, Call::Deregister), after(250));
        assert_eq!(ask(&mut line, 250, 3, Call::Register), Grant::Now);
        assert_eq!(ask(&mut line, 500, 1, Call::Deregister), Grant::Now);
    }

    #[test]
    fn a_deregistration_yields_while_more_registrations_may_come() {
        let mut line = QuotaQueue::new(Quota::default());
        line.more_may_come(millis(0));
        assert_eq!(ask(&mut line, 0, 1, Call::Register), Grant::Now);
        assert_eq!(ask(&mut line, 20, 1, Call::Deregister), after(3000));
        assert_eq!(ask(&mut line, 3000, 1, Call::Deregister), Grant::Now);
    }

    #[test]
    fn endless_messages_hold_a_deregistration_back_for_one_minute_at_most() {
        let mut line = QuotaQueue::new(Quota::default());
        for second in 0..=120 {
            line.more_may_come(millis(1000 * second));
            let turn = ask(&mut line, 1000 * second, 1, Call::Deregister);
            assert_eq!(turn == Grant::Now, second >= 60, "after {second} s");
        }
        line.more_may_come(millis(130_000));
        assert_ne!(ask(&mut line, 130_000, 1, Call::Deregister), Grant::Now);
    }

    #[test]
    fn who_went_away_keeps_its_token_until_it_is_late() {
        let mut line = QuotaQueue::new(QUOTA);
        line.refused(millis(0));
        line.refused = None;
        line.bucket.set_rate(millis(0), 4 * PER_TOKEN);
        assert_eq!(ask(&mut line, 0, 1, Call::Register), after(250));
        line.go_away(millis(0), &route(1), millis(200));
        assert_eq!(ask(&mut line, 250, 2, Call::Register), after(250));
        assert!(line.awaits(millis(3200), &route(1)));
        assert!(!line.awaits(millis(3201), &route(1)));
        assert_eq!(ask(&mut line, 3201, 2, Call::Register), Grant::Now);
        assert_eq!(line.waits_for(&route(1)), None, "its place was given up");
    }

    #[test]
    fn a_full_bucket_waits_for_nobody() {
        let mut line = QuotaQueue::new(QUOTA);
        line.bucket.empty(millis(0));
        for n in 1..=4 {
            ask(&mut line, 0, n, Call::Register);
            line.go_away(millis(0), &route(n), millis(60_000));
        }
        assert_ne!(ask(&mut line, 499, 9, Call::Deregister), Grant::Now);
        assert_eq!(ask(&mut line, 500, 9, Call::Deregister), Grant::Now);
        assert_ne!(ask(&mut line, 500, 8, Call::Deregister), Grant::Now);
    }

    #[test]
    fn the_older_evidence_goes_first_whoever_hears_of_it() {
        let mut line = QuotaQueue::new(QUOTA);
        line.bucket.empty(millis(0));
        let mut asked = |at, n, since| {
            let since = Timestamp::from_millis(since);
            line.ask(millis(at), &route(n), Call::Register, since)
        };
        assert_eq!(asked(0, 1, 10), after(250));
        assert_eq!(asked(0, 2, 5), after(250));
        assert_eq!(asked(250, 1, 10), after(250));
        assert_eq!(asked(250, 2, 5), Grant::Now);
    }

    #[test]
    fn a_route_has_one_place_whatever_it_waits_for() {
        let mut line = QuotaQueue::new(QUOTA);
        line.bucket.empty(millis(0));
        ask(&mut line, 0, 1, Call::Deregister);
        ask(&mut line, 0, 1, Call::Register);
        assert_eq!(line.places.len(), 1);
        assert_eq!(line.waits_for(&route(1)), Some(Call::Register));
    }

    #[test]
    fn a_turn_that_was_not_used_goes_to_the_next() {
        let mut line = QuotaQueue::new(QUOTA);
        assert_eq!(ask(&mut line, 0, 1, Call::Register), Grant::Now);
        assert_eq!(ask(&mut line, 0, 2, Call::Register), Grant::Now);
        line.put_back();
        assert_eq!(ask(&mut line, 0, 3, Call::Register), Grant::Now);
    }

    #[test]
    fn throttling_halves_the_rate_once_for_a_burst_and_it_recovers() {
        let mut line = QuotaQueue::new(QUOTA);
        for _ in 0..5 {
            line.refused(millis(0));
        }
        assert_eq!(line.bucket.rate(), 2 * PER_TOKEN);
        assert_eq!(
            ask(&mut line, 0, 1, Call::Register),
            Grant::In { about: millis(500), at_least: millis(250) }
        );
        line.grow(RECOVERY);
        assert_eq!(line.bucket.rate(), 4 * PER_TOKEN, "and not more");
        for second in 1..20 {
            line.refused(RECOVERY + millis(1000 * second));
        }
        assert!(line.bucket.rate() >= line.whole_rate() / RATE_LEAST);
    }
}
