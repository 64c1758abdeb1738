//! The values the tests are about: one route of three instances, `db-1` to `db-3`, at 10.0.0.1 to 10.0.0.3.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::discovery::{Discovery, Freshness, Member, Reading, Worth};
use writerlink_core::evidence::event::{EventId, EventKey, EvidenceOrder, RdsEvent};
use writerlink_core::evidence::trigger::{CommandKind, Evidence, OperatorCommand, Trigger};
use writerlink_core::ledger::change::EventDelivery;
use writerlink_core::ledger::record::{Entry, RecordKind, RecordedTrigger};
use writerlink_core::ledger::state::{Assignment, EventEntry};
use writerlink_core::model::ids::{Generation, Owner, TransitionId};
use writerlink_core::model::names::{InstanceId, RouteName, SourceId, TargetGroupArn};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::{DiscoverySource, Policy};
use writerlink_core::model::reason::{Cause, Rule};
use writerlink_core::model::route::{OnStarted, Route, Source, Strategy, TargetGroup};
use writerlink_core::model::source_arn::SourceKind;
use writerlink_core::model::target::{MoveMode, ObservedTarget, Target, TargetHealth};
use writerlink_core::model::time::Timestamp;

pub(crate) const PORT: u16 = 3306;

pub(crate) fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

pub(crate) fn instance(number: u8) -> InstanceId {
    InstanceId::new(&format!("db-{number}")).unwrap()
}

/// The target of `db-{number}`.
pub(crate) fn target(number: u8) -> Target {
    Target { ip: address(number), port: PORT }
}

pub(crate) fn row(target: Target, health: TargetHealth) -> ObservedTarget {
    ObservedTarget { target, health, reason: None, availability_zone: Some("all".to_owned()) }
}

pub(crate) fn healthy(number: u8) -> ObservedTarget {
    row(target(number), TargetHealth::Healthy)
}

pub(crate) fn draining(number: u8) -> ObservedTarget {
    row(target(number), TargetHealth::Draining)
}

pub(crate) fn group_arn() -> TargetGroupArn {
    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db/73e2d6bc24d8a067";
    TargetGroupArn::new(arn).unwrap()
}

pub(crate) fn route() -> Route {
    Route {
        name: RouteName::new("orders").unwrap(),
        source: Source::Named(SourceId::new("aurora-source").unwrap()),
        group: TargetGroup { arn: group_arn(), availability_zone: Some("all".to_owned()) },
        port: PORT,
        instances: (1..=3).map(|n| (instance(n), address(n))).collect(),
        allowed_cidrs: vec!["10.0.0.0/24".parse().unwrap()],
        exclusive: true,
        on_started: OnStarted::Swap,
        policy: Policy::default(),
        strategy: Strategy::Swap,
    }
}

pub(crate) fn shared_route() -> Route {
    Route { exclusive: false, ..route() }
}

/// A second of the tests' time, which begins on 6 May 2026.
pub(crate) fn second(number: i64) -> Timestamp {
    Timestamp::from_millis(1_778_108_400_000 + number * 1000)
}

pub(crate) const STARTED: EventId = EventId::STARTED_CROSS_AZ;
pub(crate) const COMPLETED: EventId = EventId::FAILOVER_COMPLETED;

pub(crate) fn event(id: EventId, message: &str, at: Timestamp) -> RdsEvent {
    RdsEvent {
        id: Some(id),
        source: SourceId::new("aurora-source").unwrap(),
        kind: SourceKind::Cluster,
        source_arn: None,
        at,
        message: message.to_owned(),
    }
}

/// Evidence that names `db-{number}`.
pub(crate) fn evidence(id: EventId, number: u8, at: Timestamp) -> Evidence {
    let message = format!("failover to DB instance: db-{number}");
    Evidence::new(&route(), event(id, &message, at))
}

pub(crate) fn desired(number: u8, order: EvidenceOrder, key: EventKey) -> Desired {
    Desired {
        instance: instance(number),
        target: target(number),
        additional_targets: BTreeSet::new(),
        move_mode: MoveMode::Swap,
        evidence: order,
        event: key,
    }
}

pub(crate) fn order(seconds: i64, rank: u8) -> EvidenceOrder {
    EvidenceOrder { at: second(seconds), rank }
}

pub(crate) fn key(number: u8) -> EventKey {
    EventKey::parse(&format!("{number:064x}")).unwrap()
}

pub(crate) fn transition_id(number: u128) -> TransitionId {
    TransitionId::from_parts(second(0), number)
}

pub(crate) fn owner() -> Owner {
    Owner::new("w1")
}

/// What attempt `number` tells at `at`.
pub(crate) fn entry(number: u128, at: Timestamp, outcome: Option<Outcome>) -> Entry {
    Entry {
        kind: RecordKind::Started,
        at,
        transition: transition_id(number),
        attempt: 1,
        generation: Generation(1),
        owner: owner(),
        version: "0.0.0".to_owned(),
        provenance: None,
        cause: Cause::Event,
        event_key: key(1),
        trigger: Some(RecordedTrigger::Event(event(STARTED, "failover to DB instance: db-2", second(0)))),
        target_group: group_arn(),
        desired: None,
        before: Vec::new(),
        after: Vec::new(),
        steps: Vec::new(),
        outcome,
        reason: None,
        note: String::new(),
    }
}

/// An event that the ledger has not met.
pub(crate) fn new_arrival(number: u8) -> EventDelivery {
    EventDelivery { key: key(number), source_arn: None, known: None }
}

/// An event that the ledger has met once.
pub(crate) fn known_arrival(number: u8, settled: Option<Outcome>) -> EventDelivery {
    EventDelivery {
        known: Some(EventEntry {
            key: key(number),
            source_arn: Some("arn:first".to_owned()),
            first_seen: second(0),
            transition: transition_id(1),
            attempts: 1,
            settled,
        }),
        source_arn: Some("arn:second".to_owned()),
        ..new_arrival(number)
    }
}

/// The same route with somebody to ask about its writer.
pub(crate) fn asking_route() -> Route {
    Route { policy: Policy { discovery: [DiscoverySource::Rds].into(), ..Policy::default() }, ..route() }
}

/// A route that points at `db-{number}` by evidence of that order, told by event 99.
pub(crate) fn pointing_at(number: u8, order: EvidenceOrder) -> Assignment {
    Assignment { desired: Some(desired(number, order, key(99))), ..Assignment::default() }
}

pub(crate) fn member(number: u8) -> Member {
    Member { instance: Some(instance(number)), ip: address(number) }
}

/// What the sources say when they agree.
pub(crate) fn members(writer: u8, readers: &[u8]) -> Discovery {
    Discovery::Members { writer: member(writer), readers: readers.iter().copied().map(member).collect() }
}

/// The first reading of something new: nobody has confirmed it yet.
pub(crate) fn seen_once(discovery: Discovery, at: Timestamp) -> Reading {
    Reading {
        at,
        discovery,
        stood: None,
        said: "rds says so".to_owned(),
        worth: Worth { against: None, since: Freshness::Changed },
    }
}

/// The same, worth this much against the newest evidence of that route.
pub(crate) fn worth(seen: Reading, control: &Assignment, since: Freshness) -> Reading {
    let against = control.newest().map(|newest| newest.event);
    Reading { worth: Worth { against, since }, ..seen }
}

/// The same, from sources that have changed since the newest evidence of that route.
pub(crate) fn newer(seen: Reading, control: &Assignment) -> Reading {
    worth(seen, control, Freshness::Changed)
}

/// Three readings that agreed, the last of them at `at`.
pub(crate) fn steady(discovery: Discovery, at: Timestamp) -> Reading {
    Reading { stood: Some(Duration::from_secs(4)), ..seen_once(discovery, at) }
}

/// An order of somebody at `at` that goes past these rules.
pub(crate) fn ordered(act: CommandKind, at: Timestamp, overrides: &[Rule]) -> OperatorCommand {
    OperatorCommand {
        at,
        by: "ana".to_owned(),
        reason: "a drill".to_owned(),
        act,
        overrides: overrides.to_vec(),
    }
}

/// Something that was seen or ordered just now, as evidence about the route.
pub(crate) fn evidence_of(trigger: Trigger) -> Evidence {
    Evidence::now(&route().name, trigger, 7)
}
