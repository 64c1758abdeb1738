//! The two worlds side by side: the small values of the model, and the domain's own, which decide.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use writerlink_core::decision::event::decide;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::discovery::{Discovery, Member, Reading, Worth};
use writerlink_core::evidence::event::{
    Claim, EventKey, EvidenceOrder, RANK_COMMAND, RANK_READING, RdsEvent,
};
use writerlink_core::evidence::trigger::{Evidence, OperatorCommand, Trigger};
use writerlink_core::ledger::holds::{Pin, Safety, Suspension};
use writerlink_core::ledger::lease;
use writerlink_core::ledger::record::{Entry as Told, RecordKind};
use writerlink_core::ledger::state::{Assignment, ChainHead, EventEntry, RouteState};
use writerlink_core::ledger::unresolved::SourceConflict;
use writerlink_core::model::ids::{Owner, TransitionId};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::outcome::{Disposition, Outcome, retry_after};
use writerlink_core::model::policy::Policy;
use writerlink_core::model::reason::{Cause, Reason, Rule};
use writerlink_core::model::route::{Route as Served, Strategy, Weighted};
use writerlink_core::model::target::{MoveMode, ObservedTarget, Target, TargetHealth};
use writerlink_core::model::time::Timestamp;

use super::state;
use super::state::{
    EVENTS, End, Entry, Given, Group, Lease, Look, Matter, Pinned, Route, Row, Settled, SourceSays, TARGETS,
    Transition, WORKERS,
};
use super::story::{ADDRESSES, BEFORE_THE_FIRST, INSTANCES, Story, When, Wish, instance, served, told};

/// One tick of the model: the longest a call of the load balancer may take, and a third of a lease.
pub const TICK: Duration = writerlink_core::model::time::CALL_TIMEOUT;

/// Now, always: times in the state are relative to it.
const NOW_MS: i64 = 1_800_000_000_000;

/// How far the second worker's wall clock is ahead of the first one's, in ticks: the most that is allowed.
const AHEAD: [i8; WORKERS] = [0, 2];

/// More generations than any run reaches.
const GENERATIONS: u8 = 120;

/// What does not change during a run.
pub struct World {
    pub route: Served,
    pub evidence: [Evidence; EVENTS],
    pub addresses: [Option<IpAddr>; EVENTS],
    /// Where each event asks to go, if it may.
    pub asked: [Option<Desired>; EVENTS],
    pub owners: [Owner; WORKERS],
    /// What people may order.
    pub wishes: &'static [Wish],
    /// How many changes of target the flap rule allows; 0 allows any number.
    pub flap_moves_max: u8,
    /// The same route while an event is trusted, and when its time is over.
    trusting: Served,
    doubting: Served,
    /// All evidence that there can be, oldest first.
    orders: Vec<EvidenceOrder>,
    /// Whose word each piece of evidence is: the events', what the sources say, what people order.
    keys: Vec<EventKey>,
    /// Who writes after each event.
    writers: [Member; EVENTS],
    targets: [Target; TARGETS],
    transitions: Vec<TransitionId>,
}

fn now() -> Timestamp {
    Timestamp::from_millis(NOW_MS)
}

pub fn at_tick(ticks: i8) -> Timestamp {
    Timestamp::from_millis(NOW_MS + i64::from(ticks) * TICK_MS)
}

const TICK_MS: i64 = 5_000;

/// A number of ticks as a duration.
pub fn ticks(count: u8) -> Duration {
    TICK * u32::from(count)
}

/// A duration in whole ticks, rounded up.
pub fn in_ticks(duration: Duration) -> u8 {
    let ticks = duration.as_millis().div_ceil(TICK.as_millis());
    u8::try_from(ticks).unwrap()
}

/// How long a message rests after the attempt with this number, without the random part.
pub fn pause(attempt: u8) -> End {
    End::RetryAfter(in_ticks(retry_after(attempt.into(), 0)))
}

/// What the worker does with a message whose event ended so.
pub fn end_of(settled: Settled, deleted: End) -> End {
    match settled.outcome().disposition() {
        Disposition::Delete => deleted,
        Disposition::DeadLetter => End::DeadLetter,
        Disposition::RetryAfter(after) => End::RetryAfter(in_ticks(after)),
    }
}

impl Settled {
    fn outcome(self) -> Outcome {
        match self {
            Self::Moved => Outcome::Moved,
            Self::Superseded => Outcome::Superseded,
            Self::Rejected => Outcome::Rejected,
            Self::Failed => Outcome::Failed,
            Self::Other => Outcome::Ignored,
        }
    }
}

pub fn small_outcome(outcome: Outcome) -> Settled {
    match outcome {
        Outcome::Moved | Outcome::AlreadyThere | Outcome::Registered => Settled::Moved,
        Outcome::Superseded => Settled::Superseded,
        Outcome::Rejected => Settled::Rejected,
        Outcome::Failed => Settled::Failed,
        Outcome::Duplicate | Outcome::Ignored | Outcome::Paused | Outcome::Observed => Settled::Other,
    }
}

impl World {
    pub fn new(story: Story) -> Self {
        let route = served(story);
        let evidence = told(story).map(|event| Evidence::new(&route, event));
        let addresses = [0, 1, 2].map(|event: usize| {
            let claim = claim(&evidence[event]);
            route.instances.get(claim.instance()?).copied()
        });
        let asked = [0, 1, 2].map(|event: usize| {
            let control = Assignment::default();
            match decide(&route, &control, &evidence[event], addresses[event], now()) {
                Decision::Move(desired) => Some(desired),
                Decision::Settle(_) | Decision::Hold(..) | Decision::Ask(_) => None,
            }
        });
        let last = Transition::of(GENERATIONS, WORKERS - 1).0;
        let writers = [0, 1, 2].map(|event: usize| {
            let claim = claim(&evidence[event]);
            // A failover that failed leaves the first one the writer.
            let named = claim.instance().map_or(INSTANCES[0], InstanceId::as_str);
            let place = INSTANCES.iter().position(|name| *name == named).unwrap();
            Member { instance: InstanceId::new(named).ok(), ip: ADDRESSES[place] }
        });
        let trust_for =
            |trust_event| Served { policy: Policy { trust_event, ..route.policy.clone() }, ..route.clone() };
        Self {
            trusting: trust_for(Duration::from_hours(24)),
            doubting: trust_for(Duration::ZERO),
            orders: orders(&evidence),
            keys: keys(&evidence),
            writers,
            targets: ADDRESSES.map(|ip| Target { ip, port: route.port }),
            route,
            evidence,
            addresses,
            asked,
            owners: ["w0", "w1"].map(Owner::new),
            wishes: &[],
            flap_moves_max: story.flap_moves_max(),
            transitions: (0..=last).map(|n| TransitionId::from_parts(Timestamp::EPOCH, n.into())).collect(),
        }
    }

    /// The groups and the listener of a weighted route.
    pub fn weighted(&self) -> Option<&Weighted> {
        match &self.route.strategy {
            Strategy::Swap | Strategy::Relay(_) => None,
            Strategy::Weighted(weighted) => Some(weighted),
        }
    }

    /// Whether anybody can be asked who the writer is.
    pub fn has_witnesses(&self) -> bool {
        !self.route.policy.discovery.is_empty()
    }

    /// Whether one of the events says that a failover failed.
    pub fn calls_off(&self) -> bool {
        let events = self.evidence.iter().filter_map(|e| e.trigger.event());
        events.into_iter().any(RdsEvent::calls_off_a_failover)
    }

    /// Who writes now, whoever has heard of it.
    pub fn writer(&self) -> usize {
        let ip = self.writers[EVENTS - 1].ip;
        ADDRESSES.iter().position(|address| *address == ip).unwrap()
    }

    /// The route, as it is configured at the time of an attempt.
    pub fn served(&self, matter: Matter) -> &Served {
        match matter {
            Matter::Told(_) | Matter::Ordered(_) => &self.route,
            Matter::Seen(look) if look.trusts => &self.trusting,
            Matter::Seen(_) => &self.doubting,
        }
    }

    /// What speaks for a move.
    pub fn speaks(&self, matter: Matter) -> Evidence {
        match matter {
            Matter::Told(event) => self.evidence[usize::from(event)].clone(),
            Matter::Seen(look) => Evidence {
                key: self.key(Self::key_of(matter)),
                trigger: Trigger::Reading(self.reading(look)),
            },
            Matter::Ordered(given) => {
                let order = Self::order(self.wish(given), self.order_at(given.at).at);
                Evidence { key: self.key(Self::key_of(matter)), trigger: Trigger::Command(order) }
            }
        }
    }

    pub fn wish(&self, given: Given) -> &Wish {
        &self.wishes[usize::from(given.wish)]
    }

    pub fn order(wish: &Wish, at: Timestamp) -> OperatorCommand {
        OperatorCommand {
            at,
            by: String::new(),
            reason: String::new(),
            act: wish.act(),
            overrides: wish.overrides.to_vec(),
        }
    }

    /// The rules that an attempt may go past: those that its order names.
    pub fn named(&self, matter: Matter) -> &[Rule] {
        match matter {
            Matter::Told(_) | Matter::Seen(_) => &[],
            Matter::Ordered(given) => self.wish(given).overrides,
        }
    }

    /// The address of the instance that an event or an order names, from the route's own map.
    pub fn address(&self, matter: Matter) -> Option<IpAddr> {
        match matter {
            Matter::Told(event) => self.addresses[usize::from(event)],
            Matter::Seen(_) => None,
            Matter::Ordered(given) => Some(ADDRESSES[self.wish(given).place()?]),
        }
    }

    /// What is ordered now on a route that knows this already.
    pub fn given(&self, wish: usize, route: &Route) -> Given {
        let at = match self.wishes[wish].when {
            When::BeforeTheSecond => early(),
            When::Last => late(self.next_number(route)),
        };
        Given { wish: u8::try_from(wish).unwrap(), at: self.place_of(at, RANK_COMMAND) }
    }

    fn place_of(&self, at: Timestamp, rank: u8) -> u8 {
        let place = self.orders.binary_search(&EvidenceOrder { at, rank });
        u8::try_from(place.unwrap()).unwrap()
    }

    /// The evidence at this place in the order of all.
    pub fn order_at(&self, place: u8) -> EvidenceOrder {
        self.orders[usize::from(place)]
    }

    /// The order of what points the route there.
    pub fn evidence_of(&self, desired: state::Desired) -> EvidenceOrder {
        self.order_at(desired.order)
    }

    pub fn reading(&self, look: Look) -> Reading {
        let discovery = match self.writer_by(look) {
            Some(writer) => Discovery::Members { writer: writer.clone(), readers: Vec::new() },
            None if look.reading == SourceSays::Silent => Discovery::NoSources,
            None => Discovery::Unclear(String::new()),
        };
        let at = match look.reading {
            SourceSays::Early => early(),
            SourceSays::Silent | SourceSays::Stale | SourceSays::Unclear | SourceSays::True => {
                late(look.number)
            }
        };
        Reading {
            at,
            discovery,
            stood: Some(Duration::from_mins(1)),
            said: String::new(),
            worth: Worth { against: look.worth.against.map(|key| self.key(key)), since: look.worth.since },
        }
    }

    /// Whom a reading names.
    fn writer_by(&self, look: Look) -> Option<&Member> {
        match look.reading {
            SourceSays::Silent | SourceSays::Unclear => None,
            SourceSays::Early => Some(&self.writers[0]),
            SourceSays::Stale => Some(&self.writers[1]),
            SourceSays::True => Some(&self.writers[2]),
        }
    }

    /// The place that a reading names.
    pub fn named_by(&self, look: Look) -> Option<usize> {
        let ip = self.writer_by(look)?.ip;
        ADDRESSES.iter().position(|address| *address == ip)
    }

    /// Whose word it is.
    pub fn key(&self, key: u8) -> EventKey {
        self.keys[usize::from(key)]
    }

    fn key_of(matter: Matter) -> u8 {
        match matter {
            Matter::Told(event) => event,
            Matter::Seen(look) => SEEN + 2 * look.number + u8::from(look.reading == SourceSays::Early),
            Matter::Ordered(given) => ORDERED + given.at,
        }
    }

    /// The number of the next reading on a route that knows this already.
    pub fn next_number(&self, route: &Route) -> u8 {
        let known = route.newest().map(|known| self.evidence_of(known).at);
        (0..READINGS).find(|number| known.is_none_or(|known| late(*number) > known)).unwrap()
    }

    fn desired(&self, desired: state::Desired) -> Desired {
        let place = usize::from(desired.place);
        Desired {
            instance: instance(place),
            target: self.targets[place],
            additional_targets: BTreeSet::new(),
            move_mode: if desired.registers { MoveMode::Register } else { MoveMode::Swap },
            evidence: self.orders[usize::from(desired.order)],
            event: self.key(desired.key),
        }
    }

    fn small_desired(&self, desired: &Desired) -> state::Desired {
        let order = self.orders.binary_search(&desired.evidence).unwrap();
        let key = self.keys.iter().position(|key| *key == desired.event);
        state::Desired {
            place: u8::try_from(self.place(desired.target)).unwrap(),
            order: u8::try_from(order).unwrap(),
            key: u8::try_from(key.unwrap()).unwrap(),
            registers: desired.move_mode == MoveMode::Register,
        }
    }

    /// A worker's wall clock, so many ticks ago.
    pub fn wall(worker: usize, ago: u8) -> Timestamp {
        at_tick(AHEAD[worker] - i8::try_from(ago).unwrap())
    }

    pub fn transition(&self, transition: Transition) -> TransitionId {
        self.transitions[usize::from(transition.0)]
    }

    fn small_transition(&self, id: TransitionId) -> Transition {
        let place = self.transitions.binary_search(&id).unwrap();
        Transition(u8::try_from(place).unwrap())
    }

    pub fn state(&self, route: &Route) -> RouteState {
        let lease = route.lease.map(|lease| lease::Lease {
            owner: self.owners[lease.transition.worker()].clone(),
            transition: self.transition(lease.transition),
            deadline: at_tick(lease.deadline),
        });
        RouteState {
            route: self.route.name.clone(),
            control: Assignment {
                generation: writerlink_core::model::ids::Generation(route.generation.into()),
                lease,
                desired: route.desired.map(|desired| self.desired(desired)),
                waiting: route.waiting.map(|waiting| self.desired(waiting)),
                require_reading: route.asked.map(|event| self.evidence[usize::from(event)].trigger.at()),
                agreed_with: route.newest().filter(|_| route.agreed).map(|newest| self.key(newest.key)),
                safety: self.safety(route),
                ..Assignment::default()
            },
            chain: ChainHead { seq: route.seq.into(), ..ChainHead::default() },
        }
    }

    /// The same as it stands at the time of an attempt. Once no event is young any more, a contradiction has been
    /// recorded for as long as anybody waits, and nobody has objected.
    pub fn state_for(&self, matter: Matter, route: &Route) -> RouteState {
        let mut state = self.state(route);
        if let Matter::Seen(Look { trusts: false, .. }) = matter {
            state.control.source_conflict = Some(SourceConflict {
                since: Timestamp::EPOCH,
                reason: Reason::SourcesContradict,
                note: String::new(),
                by: self.owners[0].clone(),
            });
        }
        state
    }

    fn safety(&self, route: &Route) -> Safety {
        let pin = route.pin.map(|pin| Pin {
            instance: instance(pin.place.into()),
            target: self.targets[usize::from(pin.place)],
            stop: Suspension { since: self.orders[usize::from(pin.since)].at, ..stop() },
        });
        Safety {
            pause: route.paused.then(stop),
            freeze: None,
            flapping: route.flapping.then(stop),
            pin,
            // No run takes as long as the time in which moves are counted.
            moves: vec![now(); route.moves.into()],
        }
    }

    /// A control as the model keeps it, at the head of a chain of `seq` records.
    pub fn small_route(&self, control: &Assignment, seq: u8) -> Route {
        let lease = control.lease.as_ref().map(|lease| Lease {
            transition: self.small_transition(lease.transition),
            deadline: i8::try_from((lease.deadline.as_millis() - NOW_MS) / TICK_MS).unwrap(),
        });
        let small = |desired: &Option<Desired>| desired.as_ref().map(|d| self.small_desired(d));
        let asked = control.require_reading.map(|at| {
            let event = self.evidence.iter().position(|e| e.trigger.at() == at);
            u8::try_from(event.unwrap()).unwrap()
        });
        let newest = control.newest().map(|newest| newest.event);
        Route {
            asked,
            agreed: newest.is_some() && control.agreed_with == newest,
            generation: u8::try_from(control.generation.0).unwrap(),
            seq,
            lease,
            desired: small(&control.desired),
            waiting: small(&control.waiting),
            paused: control.safety.pause.is_some(),
            pin: control.safety.pin.as_ref().map(|pin| Pinned {
                place: u8::try_from(self.place(pin.target)).unwrap(),
                since: self.place_of(pin.stop.since, RANK_COMMAND),
            }),
            flapping: control.safety.flapping.is_some(),
            moves: u8::try_from(control.safety.moves.len()).unwrap().min(self.flap_moves_max),
        }
    }

    pub fn entry(&self, event: usize, entry: &Entry) -> EventEntry {
        EventEntry {
            key: self.evidence[event].key,
            source_arn: None,
            first_seen: now(),
            transition: self.transition(entry.transition),
            attempts: entry.attempts.into(),
            settled: entry.settled.map(Settled::outcome),
        }
    }

    pub fn small_entry(&self, entry: &EventEntry) -> Entry {
        Entry {
            transition: self.small_transition(entry.transition),
            attempts: u8::try_from(entry.attempts).unwrap(),
            settled: entry.settled.map(small_outcome),
        }
    }

    /// The group as the load balancer describes it.
    pub fn observed(&self, group: &Group) -> Vec<ObservedTarget> {
        let row = |(place, row): (usize, &Row)| {
            let health = match row {
                Row::Absent => return None,
                Row::Registered => TargetHealth::Healthy,
                Row::Draining => TargetHealth::Draining,
            };
            Some(ObservedTarget {
                target: self.targets[place],
                health,
                reason: None,
                availability_zone: None,
            })
        };
        group.iter().enumerate().filter_map(row).collect()
    }

    pub fn place(&self, target: Target) -> usize {
        self.targets.iter().position(|t| *t == target).unwrap()
    }

    /// A record in the making; the caller fills in what differs.
    pub fn told(&self, worker: usize, matter: Matter, transition: Transition, ago: u8) -> Told {
        Told {
            kind: RecordKind::Finished,
            at: Self::wall(worker, ago),
            transition: self.transition(transition),
            attempt: 0,
            generation: writerlink_core::model::ids::Generation::default(),
            owner: self.owners[worker].clone(),
            version: String::new(),
            provenance: None,
            cause: Cause::Event,
            event_key: self.key(Self::key_of(matter)),
            trigger: None,
            target_group: self.route.group.arn.clone(),
            desired: None,
            before: Vec::new(),
            after: Vec::new(),
            steps: Vec::new(),
            outcome: None,
            reason: None,
            note: String::new(),
        }
    }
}

/// More readings than any run follows.
const READINGS: u8 = 40;

/// Between the first event and the second.
fn early() -> Timestamp {
    at_tick(BEFORE_THE_FIRST + 1).plus(TICK / 2)
}

/// After all events.
fn late(number: u8) -> Timestamp {
    at_tick(BEFORE_THE_FIRST + 10 + i8::try_from(number).unwrap())
}

/// Every evidence, oldest first.
fn orders(evidence: &[Evidence; EVENTS]) -> Vec<EvidenceOrder> {
    let told = evidence
        .iter()
        .map(|evidence| EvidenceOrder { at: evidence.trigger.at(), rank: claim(evidence).rank() });
    // A reading, or an order, that moves a route against newer evidence takes that one's time.
    let times = evidence.iter().map(|evidence| evidence.trigger.at());
    let said = (0..READINGS).map(late).chain([early()]).chain(times);
    let said = said.flat_map(|at| [RANK_READING, RANK_COMMAND].map(|rank| EvidenceOrder { at, rank }));
    let mut orders: Vec<_> = told.chain(said).collect();
    orders.sort_unstable();
    orders
}

fn claim(evidence: &Evidence) -> Claim {
    evidence.trigger.event().unwrap().claim().unwrap()
}

/// Where the keys of what the sources say begin, and those of what people order.
const SEEN: u8 = 3;
const ORDERED: u8 = SEEN + 2 * READINGS;

/// The key of every piece of evidence, by `World::key_of`.
fn keys(evidence: &[Evidence; EVENTS]) -> Vec<EventKey> {
    let told = evidence.iter().map(|evidence| evidence.key);
    let seen = (SEEN..=u8::MAX).map(|n| EventKey::parse(&format!("{n:064x}")).unwrap());
    told.chain(seen).collect()
}

fn stop() -> Suspension {
    Suspension { by: String::new(), reason: String::new(), since: now(), until: None }
}
