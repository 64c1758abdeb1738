//! What happens in a run: how the route is served, what its events say, and what people may order.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::evidence::trigger::CommandKind;
use writerlink_core::model::names::{InstanceId, ListenerArn, RouteName, SourceId, TargetGroupArn};
use writerlink_core::model::policy::{DiscoverySource, Policy};
use writerlink_core::model::reason::Rule;
use writerlink_core::model::route::{OnStarted, Route, Source, Strategy, TargetGroup, Weighted};
use writerlink_core::model::source_arn::SourceKind;

use super::state::{EVENTS, OTHERS, TARGETS};
use super::world::at_tick;

/// What the three events say, and of what kind the route is.
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
    /// There and back, with sources that lag behind.
    Witnessed,
    /// The stranger, with sources that name it.
    StrangerWitnessed,
    /// Failover to B starts, and fails, and A is promoted again; with sources.
    FailoverFails,
    /// Failover to B completes, something asks who writes (0185), and A is promoted again; with sources.
    Asked,
    /// There and back, on a route that moves its listener's weights.
    Weighted,
    /// The same, and what is started only registers.
    WeightedRegisterFirst,
    /// There and back on a weighted route, with sources that lag behind.
    WeightedWitnessed,
    /// To B, to A, to B: more often than the flap rule allows.
    Flapping,
    /// The same, with sources that lag behind.
    FlappingWitnessed,
}

/// How many changes of target the flap rule allows where it is about that.
const FLAP_MOVES_MAX: u8 = 1;

impl Story {
    fn is_weighted(self) -> bool {
        matches!(self, Self::Weighted | Self::WeightedRegisterFirst | Self::WeightedWitnessed)
    }

    fn has_witnesses(self) -> bool {
        matches!(
            self,
            Self::Witnessed
                | Self::StrangerWitnessed
                | Self::FailoverFails
                | Self::Asked
                | Self::WeightedWitnessed
                | Self::FlappingWitnessed
        )
    }

    /// How many changes of target are allowed; 0 allows any number.
    pub fn flap_moves_max(self) -> u8 {
        match self {
            Self::Flapping | Self::FlappingWitnessed => FLAP_MOVES_MAX,
            Self::ThereAndBack
            | Self::RegisterFirst
            | Self::Stranger
            | Self::StrangerAdmitted
            | Self::Witnessed
            | Self::StrangerWitnessed
            | Self::FailoverFails
            | Self::Asked
            | Self::Weighted
            | Self::WeightedRegisterFirst
            | Self::WeightedWitnessed => 0,
        }
    }
}

/// An order that people may give, in the words of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    pub act: Does,
    pub overrides: &'static [Rule],
    pub when: When,
}

/// `evidence::trigger::CommandKind`; an instance is the place of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    Swap(usize),
    Pin(usize),
    Unpin,
    Acknowledge,
}

/// By its own time, before or after what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Between the first event and the second: the other two outrank it.
    BeforeTheSecond,
    /// After all events, and all that is known.
    Last,
}

impl Wish {
    pub const fn new(act: Does, when: When) -> Self {
        Self { act, overrides: &[], when }
    }

    /// An order of `--override`.
    pub const fn past(self, overrides: &'static [Rule]) -> Self {
        Self { overrides, ..self }
    }

    pub fn moves(&self) -> bool {
        self.place().is_some()
    }

    /// The place of the instance that it names.
    pub fn place(&self) -> Option<usize> {
        match self.act {
            Does::Swap(place) | Does::Pin(place) => Some(place),
            Does::Unpin | Does::Acknowledge => None,
        }
    }

    pub fn act(&self) -> CommandKind {
        match self.act {
            Does::Swap(place) => CommandKind::Swap(instance(place)),
            Does::Pin(place) => CommandKind::Pin { instance: instance(place), within: None },
            Does::Unpin => CommandKind::Unpin,
            Does::Acknowledge => CommandKind::Acknowledge,
        }
    }
}

/// The tick before the first event; the others follow one by one.
pub const BEFORE_THE_FIRST: i8 = -100;

/// A and B, which the route may point at, and an address outside `allowed_cidrs`.
pub const ADDRESSES: [IpAddr; TARGETS] = [
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
];

pub const INSTANCES: [&str; TARGETS] = ["db-a", "db-b", "db-x"];

pub fn instance(place: usize) -> InstanceId {
    InstanceId::new(INSTANCES[place]).unwrap()
}

/// The target group of an instance on a weighted route; the last one is another's.
pub fn group_at(place: usize) -> TargetGroup {
    let name = INSTANCES[place];
    let arn =
        format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/73e2d6bc24d8a067");
    TargetGroup { arn: TargetGroupArn::new(&arn).unwrap(), availability_zone: None }
}

fn strategy(story: Story) -> Strategy {
    if !story.is_weighted() {
        return Strategy::Swap;
    }
    let listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/db/50dc6c495c0c9188/f2f7dc8efc522ab2";
    let own = (0..TARGETS).filter(|place| *place != OTHERS);
    Strategy::Weighted(Weighted {
        listener: ListenerArn::new(listener).unwrap(),
        groups: own.map(|place| (instance(place), group_at(place))).collect(),
    })
}

pub fn served(story: Story) -> Route {
    let allowed = if story == Story::StrangerAdmitted { "0.0.0.0/0" } else { "10.0.0.0/8" };
    let registers = matches!(story, Story::RegisterFirst | Story::WeightedRegisterFirst);
    let discovery: BTreeSet<_> = story.has_witnesses().then_some(DiscoverySource::Rds).into_iter().collect();
    Route {
        name: RouteName::new("r").unwrap(),
        source: Source::Any,
        group: group_at(0),
        port: 3306,
        instances: (0..TARGETS).map(|place| (instance(place), ADDRESSES[place])).collect(),
        allowed_cidrs: vec![allowed.parse().unwrap()],
        exclusive: true,
        on_started: if registers { OnStarted::Register } else { OnStarted::Swap },
        strategy: strategy(story),
        policy: Policy { discovery, flap_moves_max: story.flap_moves_max().into(), ..Policy::default() },
    }
}

/// The events, oldest first.
pub fn told(story: Story) -> [RdsEvent; EVENTS] {
    let (started, completed) = (EventId::STARTED_SAME_AZ, EventId::FAILOVER_COMPLETED);
    let restored = EventId::PREVIOUS_PRIMARY_PROMOTED;
    let asks = EventId::parse("RDS-EVENT-0185").unwrap();
    let told = match story {
        Story::ThereAndBack
        | Story::RegisterFirst
        | Story::Witnessed
        | Story::Weighted
        | Story::WeightedRegisterFirst
        | Story::WeightedWitnessed => [(started, "db-b"), (completed, "db-b"), (restored, "db-a")],
        Story::Stranger | Story::StrangerAdmitted | Story::StrangerWitnessed => {
            [(completed, "db-b"), (completed, "db-x"), (restored, "db-a")]
        }
        Story::FailoverFails => [(started, "db-b"), (EventId::FAILOVER_FAILED, "none"), (restored, "db-a")],
        Story::Asked => [(completed, "db-b"), (asks, "none"), (restored, "db-a")],
        Story::Flapping | Story::FlappingWitnessed => {
            [(completed, "db-b"), (completed, "db-a"), (completed, "db-b")]
        }
    };
    let mut tick = BEFORE_THE_FIRST;
    told.map(|(id, instance)| {
        tick += 1;
        RdsEvent {
            id: Some(id),
            source: SourceId::new("db").unwrap(),
            kind: SourceKind::Cluster,
            source_arn: None,
            at: at_tick(tick),
            message: format!("Told of instance: {instance}"),
        }
    })
}
