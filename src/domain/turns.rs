//! Whose call is next, where the load balancer counts calls.
//!
//! `RegisterTargets` and `DeregisterTargets` share one bucket for a whole account and Region. When an Availability
//! Zone fails there are far more calls than tokens, and their number is settled: what can be decided is who waits. A
//! database that nobody reaches is worse than one that two addresses lead to, so **every registration goes before
//! any deregistration, of whatever route**, and within each the route that came first.
//!
//! The line mirrors the bucket, so that a call which would be refused is not made. Nobody has to stand in it: a
//! route keeps its place while its message is out of hand, and the tokens of those before it are kept for them.
//! Others draw on the same bucket (another worker, a person), and only a refusal tells: then the line believes in
//! half of what it believed before, and in a little more each second from there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bucket::{PER_TOKEN, TokenBucket};
use super::route::RouteName;

/// What a call does, in the order of who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// `RegisterTargets`.
    Register,
    /// `DeregisterTargets`.
    Deregister,
}

/// Who goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precedence {
    /// Every registration before any deregistration.
    #[default]
    RegistersFirst,
    /// Whoever has begun before whoever has not: each route is done with before the next. What a worker does that
    /// does not think of the others; here to be measured against.
    RouteByRoute,
}

/// What the account may call, and who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many calls at once after a quiet while.
    pub burst: u32,
    /// How many a second in the long run.
    pub per_second: u32,
    /// Who goes first.
    pub precedence: Precedence,
}

/// Calls of `RegisterTargets` and `DeregisterTargets` at once (ELB User Guide, "Request throttling for the Elastic
/// Load Balancing API": registration actions).
pub const REGISTRATIONS_BURST: u32 = 20;

/// The same, a second in the long run.
pub const REGISTRATIONS_PER_SECOND: u32 = 4;

impl Default for Quota {
    fn default() -> Self {
        Self {
            burst: REGISTRATIONS_BURST,
            per_second: REGISTRATIONS_PER_SECOND,
            precedence: Precedence::default(),
        }
    }
}

/// The answer to who asks for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is theirs: a token was taken for them.
    Now,
    /// It will be theirs about then, by what is known now.
    In(Duration),
}

/// How much later than it said a route may come back before its place is given up: it may be in the hands of another
/// worker for good.
const LATE_MAX: Duration = Duration::from_secs(3);

/// How long it takes from no rate at all to the whole of it, when nothing is refused any more: slow, since two
/// workers that both test for more get both of them refused.
const RECOVERY: Duration = Duration::from_mins(1);

/// What is left at least of the rate: with so many workers on one bucket nobody starves.
const RATE_LEAST: u64 = 16;

/// Refusals within this time are one: calls that were under way together are refused together.
const ONE_REFUSAL: Duration = Duration::from_secs(1);

/// Up to how many are counted one by one. Those further back need no more than a guess.
const COUNTED_MAX: usize = 64;

/// A place in the line: first by whose kind goes first, then by who came first.
type Place = (u8, u64);

#[derive(Clone, Debug)]
struct Ticket {
    call: Call,
    place: Place,
    /// When its holder asks again.
    due: Duration,
}

/// The line of a worker.
#[derive(Clone, Debug)]
pub struct Line {
    quota: Quota,
    bucket: TokenBucket,
    tickets: BTreeMap<RouteName, Ticket>,
    places: BTreeMap<Place, RouteName>,
    came: u64,
    /// When the rate was last looked at, and when a call was last refused.
    grown: Duration,
    refused: Option<Duration>,
}

impl Line {
    /// A line without anybody in it, before a full bucket.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self {
            bucket: TokenBucket::full(quota.burst, quota.per_second),
            quota,
            tickets: BTreeMap::new(),
            places: BTreeMap::new(),
            came: 0,
            grown: Duration::ZERO,
            refused: None,
        }
    }

    /// Asks for a turn of `route`. Who has to wait keeps the place, and asks again in time.
    pub fn ask(&mut self, now: Duration, route: &RouteName, call: Call) -> Turn {
        self.grow(now);
        self.forget_the_late(now);
        let place = self.place_of(route, call);
        let ahead = self.ahead_of(now, place);
        let wait = self.bucket.wait_for(now, ahead + 1);
        // What a full bucket holds nobody has asked for in a long while, whoever may have a place: more would be lost.
        if wait.is_zero() || self.bucket.is_full(now) {
            self.bucket.spend(now);
            self.leave(route);
            return Turn::Now;
        }
        let ticket = Ticket {
            call,
            place,
            due: now + wait,
        };
        self.places.insert(place, route.clone());
        self.tickets.insert(route.clone(), ticket);
        Turn::In(wait)
    }

    /// The route goes away and asks again after `pause`.
    pub fn go_away(&mut self, now: Duration, route: &RouteName, pause: Duration) {
        if let Some(ticket) = self.tickets.get_mut(route) {
            ticket.due = now + pause;
        }
    }

    /// A turn that was not used goes to the next.
    pub fn put_back(&mut self) {
        self.bucket.put_back();
    }

    /// A call that waits for nobody is made all the same, and counts.
    pub fn spend(&mut self, now: Duration) {
        self.grow(now);
        self.bucket.spend(now);
    }

    /// A call was refused for its rate: somebody else draws on the bucket too.
    pub fn refused(&mut self, now: Duration) {
        self.grow(now);
        self.bucket.empty(now);
        if self.refused.is_some_and(|at| now < at + ONE_REFUSAL) {
            return;
        }
        self.refused = Some(now);
        let halved = (self.bucket.rate() / 2).max(self.whole_rate() / RATE_LEAST);
        self.bucket.set_rate(now, halved);
    }

    /// What the route waits for, if it has a place.
    #[must_use]
    pub fn waits_for(&self, route: &RouteName) -> Option<Call> {
        self.tickets.get(route).map(|ticket| ticket.call)
    }

    /// Whether the route has a place and is in time.
    #[must_use]
    pub fn awaits(&self, now: Duration, route: &RouteName) -> bool {
        self.tickets
            .get(route)
            .is_some_and(|ticket| now <= ticket.due + LATE_MAX)
    }

    /// Whether nobody has to wait.
    #[must_use]
    pub fn is_idle(&mut self, now: Duration) -> bool {
        self.forget_the_late(now);
        self.tickets.is_empty()
    }

    fn whole_rate(&self) -> u64 {
        u64::from(self.quota.per_second) * PER_TOKEN
    }

    /// Believes in a little more than before.
    fn grow(&mut self, now: Duration) {
        let since = now.saturating_sub(self.grown).min(RECOVERY);
        self.grown = now;
        let (rate, whole) = (self.bucket.rate(), self.whole_rate());
        if rate < whole {
            let gain = u128::from(whole) * since.as_micros() / RECOVERY.as_micros();
            let gain = u64::try_from(gain).unwrap_or(u64::MAX);
            self.bucket
                .set_rate(now, rate.saturating_add(gain).min(whole));
        }
    }

    /// The first ones alone: they are who everybody waits for.
    fn forget_the_late(&mut self, now: Duration) {
        while let Some((_, route)) = self.places.first_key_value() {
            let route = route.clone();
            if self.awaits(now, &route) {
                return;
            }
            self.leave(&route);
        }
    }

    fn leave(&mut self, route: &RouteName) {
        if let Some(ticket) = self.tickets.remove(route) {
            self.places.remove(&ticket.place);
        }
    }

    /// The place that the route has, or the last one of its kind. One place a route: who needs another call than
    /// before gives the old place up.
    fn place_of(&mut self, route: &RouteName, call: Call) -> Place {
        match self.tickets.get(route) {
            Some(ticket) if ticket.call == call => return ticket.place,
            Some(_) => self.leave(route),
            None => {}
        }
        self.came += 1;
        let kind = match (self.quota.precedence, call) {
            (Precedence::RegistersFirst, Call::Register)
            | (Precedence::RouteByRoute, Call::Deregister) => 0,
            (Precedence::RegistersFirst, Call::Deregister)
            | (Precedence::RouteByRoute, Call::Register) => 1,
        };
        (kind, self.came)
    }

    /// How many have their turn before this place.
    fn ahead_of(&self, now: Duration, place: Place) -> usize {
        let mut before = self.places.range(..place);
        let in_time = |(_, route): &(&Place, &RouteName)| self.awaits(now, route);
        let counted = before.by_ref().take(COUNTED_MAX).filter(in_time).count();
        if before.next().is_none() {
            return counted;
        }
        // Places are handed out in order, so the distance from the first one of the kind tells about how many.
        let of_kind = |kind: u8| self.places.range((kind, 0)..(kind + 1, 0));
        let own = of_kind(place.0).next();
        let distance = own.map_or(0, |(first, _)| place.1.saturating_sub(first.1));
        let others = if place.0 > 0 { of_kind(0).count() } else { 0 };
        let distance = usize::try_from(distance).unwrap_or(usize::MAX);
        (distance.saturating_add(others)).min(self.places.len())
    }
}
