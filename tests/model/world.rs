//! The two worlds side by side: the small values of the model, and the domain's own, which decide.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use writerlink::domain::audit::{Cause, Entry as Told, RecordKind};
use writerlink::domain::decide::{Decision, decide};
use writerlink::domain::event::{EventId, Evidence, RdsEvent, SourceKind};
use writerlink::domain::lease::{self, Owner};
use writerlink::domain::policy::Policy;
use writerlink::domain::route::{
    InstanceId, OnStarted, Route as Served, RouteName, Source, SourceId, TargetGroup,
    TargetGroupArn,
};
use writerlink::domain::target::{ObservedTarget, Target, TargetHealth};
use writerlink::domain::time::Timestamp;
use writerlink::domain::transition::{
    ChainHead, Control, Desired, Disposition, EventEntry, Outcome, RouteState, TransitionId,
    retry_after,
};

use super::state::{
    EVENTS, End, Entry, Group, Lease, Route, Row, Settled, TARGETS, Transition, WORKERS,
};

/// One tick of the model: the longest a call of the load balancer may take, and a third of a lease.
pub const TICK: Duration = lease::CALL_TIMEOUT;

/// Now, always: times in the state are relative to it.
const NOW_MS: i64 = 1_800_000_000_000;

/// How far the second worker's wall clock is ahead of the first one's, in ticks: the most that is allowed.
const AHEAD: [i8; WORKERS] = [0, 2];

/// More generations than any run reaches.
const GENERATIONS: u8 = 120;

/// What the three events say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Failover to B starts, completes, and A is promoted again.
    ThereAndBack,
    /// The same, and what is started only registers.
    RegisterFirst,
    /// To B; to an instance whose address lies outside `allowed_cidrs`; back to A.
    Stranger,
    /// The same with a map that lets every address in: a mistake.
    StrangerAdmitted,
}

/// What does not change during a run.
pub struct World {
    pub route: Served,
    pub evidence: [Evidence; EVENTS],
    pub addresses: [Option<IpAddr>; EVENTS],
    /// Where each event asks to go, if it may.
    pub asked: [Option<Desired>; EVENTS],
    pub owners: [Owner; WORKERS],
    targets: [Target; TARGETS],
    transitions: Vec<TransitionId>,
}

fn now() -> Timestamp {
    Timestamp::from_millis(NOW_MS)
}

fn at_tick(ticks: i8) -> Timestamp {
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
            Self::Moved => Outcome::Swapped,
            Self::Superseded => Outcome::Superseded,
            Self::Rejected => Outcome::Rejected,
            Self::Failed => Outcome::Failed,
            Self::Other => Outcome::Ignored,
        }
    }
}

pub fn small_outcome(outcome: Outcome) -> Settled {
    match outcome {
        Outcome::Swapped | Outcome::AlreadyThere | Outcome::Registered => Settled::Moved,
        Outcome::Superseded => Settled::Superseded,
        Outcome::Rejected => Settled::Rejected,
        Outcome::Failed => Settled::Failed,
        Outcome::Duplicate | Outcome::Ignored | Outcome::Paused | Outcome::Observed => {
            Settled::Other
        }
    }
}

impl World {
    pub fn new(story: Story) -> Self {
        let route = served(story);
        let evidence = told(story).map(|event| Evidence::new(&route.name, event));
        let addresses = [0, 1, 2].map(|event: usize| {
            let claim = evidence[event].event.claim().unwrap();
            route.instances.get(claim.instance()?).copied()
        });
        let asked = [0, 1, 2].map(|event: usize| {
            let control = Control::default();
            match decide(&route, &control, &evidence[event], addresses[event], now()) {
                Decision::Move(desired) => Some(desired),
                Decision::Settle(_) => None,
            }
        });
        let last = Transition::of(GENERATIONS, WORKERS - 1).0;
        Self {
            targets: ADDRESSES.map(|ip| Target {
                ip,
                port: route.port,
            }),
            route,
            evidence,
            addresses,
            asked,
            owners: ["w0", "w1"].map(Owner::new),
            transitions: (0..=last)
                .map(|n| TransitionId::from_parts(Timestamp::EPOCH, n.into()))
                .collect(),
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
            control: Control {
                generation: lease::Generation(route.generation.into()),
                lease,
                desired: route
                    .desired
                    .and_then(|event| self.asked[usize::from(event)].clone()),
            },
            chain: ChainHead {
                seq: route.seq.into(),
                ..ChainHead::default()
            },
        }
    }

    /// A control as the model keeps it, at the head of a chain of `seq` records.
    pub fn small_route(&self, control: &Control, seq: u8) -> Route {
        let lease = control.lease.as_ref().map(|lease| Lease {
            transition: self.small_transition(lease.transition),
            deadline: i8::try_from((lease.deadline.as_millis() - NOW_MS) / TICK_MS).unwrap(),
        });
        let desired = control.desired.as_ref().map(|desired| {
            let event = self.evidence.iter().position(|e| e.key == desired.event);
            u8::try_from(event.unwrap()).unwrap()
        });
        Route {
            generation: u8::try_from(control.generation.0).unwrap(),
            seq,
            lease,
            desired,
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
    pub fn told(&self, worker: usize, event: usize, transition: Transition, ago: u8) -> Told {
        Told {
            kind: RecordKind::Finished,
            at: Self::wall(worker, ago),
            transition: self.transition(transition),
            attempt: 0,
            generation: lease::Generation::default(),
            owner: self.owners[worker].clone(),
            version: String::new(),
            cause: Cause::Event,
            event_key: self.evidence[event].key,
            event: self.evidence[event].event.clone(),
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

/// A and B, which the route may point at, and an address outside `allowed_cidrs`.
const ADDRESSES: [IpAddr; TARGETS] = [
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
];

const INSTANCES: [&str; TARGETS] = ["db-a", "db-b", "db-x"];

fn served(story: Story) -> Served {
    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db/73e2d6bc24d8a067";
    let allowed = match story {
        Story::StrangerAdmitted => "0.0.0.0/0",
        Story::ThereAndBack | Story::RegisterFirst | Story::Stranger => "10.0.0.0/8",
    };
    let names = INSTANCES.map(|name| InstanceId::new(name).unwrap());
    Served {
        name: RouteName::new("r").unwrap(),
        source: Source::Any,
        group: TargetGroup {
            arn: TargetGroupArn::new(arn).unwrap(),
            availability_zone: None,
        },
        port: 3306,
        instances: names.into_iter().zip(ADDRESSES).collect(),
        allowed_cidrs: vec![allowed.parse().unwrap()],
        exclusive: true,
        on_started: match story {
            Story::RegisterFirst => OnStarted::Register,
            Story::ThereAndBack | Story::Stranger | Story::StrangerAdmitted => OnStarted::Swap,
        },
        policy: Policy::default(),
    }
}

/// The events, oldest first.
fn told(story: Story) -> [RdsEvent; EVENTS] {
    let (started, completed) = (EventId::STARTED_SAME_AZ, EventId::FAILOVER_COMPLETED);
    let restored = EventId::PREVIOUS_PRIMARY_PROMOTED;
    let told = match story {
        Story::ThereAndBack | Story::RegisterFirst => {
            [(started, "db-b"), (completed, "db-b"), (restored, "db-a")]
        }
        Story::Stranger | Story::StrangerAdmitted => {
            [(completed, "db-b"), (completed, "db-x"), (restored, "db-a")]
        }
    };
    let mut minute: i8 = -100;
    told.map(|(id, instance)| {
        minute += 1;
        RdsEvent {
            id: Some(id),
            source: SourceId::new("db").unwrap(),
            kind: SourceKind::Cluster,
            source_arn: None,
            at: at_tick(minute),
            message: format!("Told of instance: {instance}"),
        }
    })
}
