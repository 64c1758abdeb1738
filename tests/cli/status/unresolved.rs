//! An event that nobody acted on, as every reader of the route's state shows it, and what resolves it (I9).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use writerlink_core::evidence::event::{EventId, EventKey, RdsEvent};
use writerlink_core::ledger::change::{StateUpdate, note};
use writerlink_core::ledger::record::{Entry, RecordKind};
use writerlink_core::ledger::unresolved::SourceConflict;
use writerlink_core::model::ids::{Owner, TransitionId};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::Ledger as _;
use writerlink_sim::event_bodies::eventbridge;
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::world::WorldConfig;

use crate::desk::Desk;
use crate::rig::Rig;

const MINUTE: Duration = Duration::from_mins(1);

/// A failover to an instance that auto scaling added, as EventBridge delivered it.
const PROMOTED: &str = include_str!("cases/promoted-instance-not-in-map.json");

/// A cluster of two whose third member nobody wrote into the map, a minute after the failover to it.
async fn promoted() -> (Desk, String) {
    let start = Timestamp::parse("2026-11-30T14:43:00Z").unwrap();
    let world = WorldConfig { start, ..WorldConfig::default() };
    let mut rig = Rig::with(&["aurora-source"], world, FleetConfig::default()).await;
    let member = |n: u8| {
        let name = format!("aurora-source-instance-{n}");
        (InstanceId::new(&name).unwrap(), IpAddr::from([10, 0, n, 10]))
    };
    rig.routes[0].instances = BTreeMap::from([member(1), member(2)]);
    let desk = Desk::in_front_of(rig);
    let file = desk.file_with(PROMOTED);
    let said = desk.says(&format!("replay {file} --output json")).await;
    assert_eq!(said.code, 5, "{}{}", said.out, said.err);
    let replayed = &said.rows("replayed")[0];
    assert_eq!((&replayed["outcome"], &replayed["reason"]), (&"Rejected".into(), &"UnknownInstance".into()));
    let key = replayed["event_key"].as_str().unwrap().to_owned();
    (desk, key)
}

#[tokio::test(start_paused = true)]
async fn a_promoted_instance_missing_in_the_map_is_shown_with_its_remedy() {
    let (desk, key) = promoted().await;
    let said = desk.says("status --detailed-exitcode").await;
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    insta::assert_snapshot!(said.out, @"
    ROUTE          STATE        INSTANCE  TARGET  NLB  MOVED  HELD
    aurora-source  out-of-sync  -         -       -    -      -

    aurora-source  the event of 2026-11-30T14:42:08.488Z could not be acted on: instance
                   application-autoscaling-0b6a1d6e-6c3f-4d9e-8f0a-3f0f2d1c9b7a is not one of route
                   aurora-source; add it under [route.instances]; `writerlink swap aurora-source --to
                   INSTANCE` moves the route, `writerlink ack aurora-source` leaves it where it is

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
    let said = desk.says("status aurora-source").await;
    let unresolved = format!("unresolved  event {key} since");
    assert!(said.out.contains(&unresolved), "{}", said.out);
    let json = desk.says("status --output json").await;
    let route = &json.rows("routes")[0];
    assert_eq!(route["state"], "out-of-sync");
    let open = &route["unresolved_event"];
    assert_eq!(
        (&open["outcome"], &open["reason"], &open["event_key"]),
        (&"Rejected".into(), &"UnknownInstance".into(), &key.as_str().into())
    );
    assert_eq!(open["instance"], "application-autoscaling-0b6a1d6e-6c3f-4d9e-8f0a-3f0f2d1c9b7a");
    let csv = desk.says("status --output csv").await.out;
    assert!(csv.contains(",UnknownInstance,"), "{csv}");
}

#[tokio::test(start_paused = true)]
async fn plan_and_explain_say_that_it_is_unresolved() {
    let (desk, key) = promoted().await;
    let plan = "plan aurora-source --detailed-exitcode --output json";
    let said = desk.says(plan).await;
    assert_eq!(said.code, 2, "{}", said.out);
    let rows = said.rows("plan");
    let last = rows.last().unwrap();
    assert_eq!((&last["decision"], &last["action"]), (&"Unresolved".into(), &"nothing".into()));
    let note = last["note"].as_str().unwrap();
    assert!(note.contains("`writerlink swap aurora-source --to INSTANCE`"), "{note}");
    let said = desk.says(&format!("explain {key}")).await;
    assert!(said.out.contains("  unresolved  since 2026-11-30T14:43:00"), "{}", said.out);
    let file = desk.file_with(&PROMOTED.replace("14:42:08.488Z", "14:42:09.000Z"));
    let said = desk.says(&format!("explain {file}")).await;
    assert!(said.out.contains("part of the route's state"), "{}", said.out);
}

#[tokio::test(start_paused = true)]
async fn a_swap_resolves_it_and_the_route_is_right_again() {
    let (desk, _) = promoted().await;
    let worker = desk.rig.start("w1");
    let swap = "swap aurora-source --to aurora-source-instance-2 --reason promoted --yes";
    let said = desk.says(swap).await;
    assert_eq!(said.code, 0, "{}", said.err);
    desk.pass(10 * MINUTE).await;
    let said = desk.says("status --detailed-exitcode").await;
    assert_eq!(said.code, 0, "{}", said.out);
    assert_eq!(desk.says("plan aurora-source --detailed-exitcode").await.code, 0);
    drop(worker);
}

/// Records that the discovery sources contradict what is desired, as the timer does.
async fn contradict(desk: &Desk, reason: Reason) {
    let process = desk.rig.fleet.world.process("timer");
    let ledger = desk.rig.fleet.dynamo.ledger(&process);
    let state = ledger.load(&desk.rig.routes[0].name).await.unwrap();
    let (now, owner) = (desk.rig.fleet.world.fabric.time.now(), Owner::new("timer"));
    let conflict = SourceConflict {
        since: now,
        reason,
        note: "dns says orders-3 at 10.0.3.11, rds says orders-1".to_owned(),
        by: owner.clone(),
    };
    let entry = Entry {
        kind: RecordKind::DriftDetected,
        at: now,
        transition: TransitionId::from_parts(now, 1),
        attempt: 1,
        generation: state.control.generation.next(),
        owner,
        version: String::new(),
        provenance: None,
        cause: Cause::Reconcile,
        event_key: EventKey::random(&state.route, now, 1),
        trigger: None,
        target_group: desk.rig.routes[0].group.arn.clone(),
        desired: None,
        before: Vec::new(),
        after: Vec::new(),
        steps: Vec::new(),
        outcome: None,
        reason: Some(reason),
        note: conflict.note.clone(),
    };
    let change = note(&state, StateUpdate::Conflicts(Some(conflict)), entry).unwrap();
    ledger.commit(&change).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sources_in_conflict_are_shown_by_every_reader_of_the_state() {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 1, 0));
    desk.pass(10 * MINUTE).await;
    drop(worker);
    contradict(&desk, Reason::SourcesUnclear).await;
    let json = desk.says("status --detailed-exitcode --output json").await;
    assert_eq!(json.code, 2);
    let route = &json.rows("routes")[0];
    assert_eq!(route["state"], "unknown");
    assert_eq!(route["source_conflict"]["reason"], "SourcesUnclear");
    assert_eq!(route["source_conflict"]["by"], "timer");
    let detail = desk.says("status orders").await.out;
    assert!(detail.contains("conflict   SourcesUnclear since"), "{detail}");
    assert!(detail.contains("dns says orders-3"), "{detail}");
    let csv = desk.says("status --output csv").await.out;
    assert!(csv.contains(",SourcesUnclear,"), "{csv}");
    let plan = desk.says("plan orders --detailed-exitcode").await;
    assert_eq!(plan.code, 2, "{}", plan.out);
    assert!(plan.out.contains("Unresolved"), "{}", plan.out);
}

/// A route that points at its first instance, and an event that it cannot act on.
async fn left_open_by(event: impl Fn(&Rig) -> RdsEvent) -> Desk {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 1, 0));
    desk.pass(10 * MINUTE).await;
    desk.rig.fleet.world.deliver(&event(&desk.rig));
    desk.pass(5 * MINUTE).await;
    drop(worker);
    desk
}

async fn standing(desk: &Desk) -> String {
    let said = desk.says("status --output json").await;
    let standing = &said.rows("routes")[0]["state"];
    standing.as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_event_that_only_asks_leaves_a_static_route_unknown() {
    for id in [EventId::FAILOVER_FAILED, EventId::parse("RDS-EVENT-0172").unwrap()] {
        let desk = left_open_by(|rig| rig.event(0, id, 1, 600)).await;
        assert_eq!(standing(&desk).await, "unknown", "{id}");
        assert_eq!(desk.says("status --detailed-exitcode").await.code, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_name_leaves_a_route_unknown_until_a_readable_event() {
    let unreadable =
        |rig: &Rig| RdsEvent { message: "Completed failover".to_owned(), ..rig.completed(0, 2, 600) };
    let desk = left_open_by(unreadable).await;
    assert_eq!(standing(&desk).await, "unknown");
    let worker = desk.rig.start("w2");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 1, 900));
    desk.pass(MINUTE).await;
    assert_eq!(standing(&desk).await, "in-sync");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn an_old_event_that_newer_evidence_answers_changes_nothing() {
    let old = |rig: &Rig| RdsEvent {
        message: "Completed failover to DB instance: stranger-1".to_owned(),
        at: WorldConfig::default().start.minus(MINUTE),
        ..rig.completed(0, 2, 0)
    };
    let desk = left_open_by(old).await;
    assert_eq!(standing(&desk).await, "in-sync");
}

#[tokio::test(start_paused = true)]
async fn an_ack_resolves_an_event_on_a_route_that_does_not_flap() {
    let stranger = |rig: &Rig| RdsEvent {
        message: "Completed failover to DB instance: stranger-1".to_owned(),
        ..rig.completed(0, 2, 600)
    };
    let desk = left_open_by(stranger).await;
    assert_eq!(standing(&desk).await, "out-of-sync");
    let said = desk.says("ack orders --reason seen --dry-run").await;
    assert_eq!(said.code, 0, "{}", said.err);
    for part in ["acknowledges: the event of", "stranger-1 is not one of route orders"] {
        let flat = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(part), "{}", said.out);
    }
    let ack = "ack orders --reason seen --yes --output json";
    assert_eq!(desk.says(ack).await.outcomes(), ["InForce"]);
    assert_eq!(standing(&desk).await, "in-sync");
    assert_eq!(desk.says(ack).await.outcomes(), ["Nothing"]);
    // A late copy is settled already; what a person hands in again is another event.
    let worker = desk.rig.start("w2");
    desk.rig.fleet.world.deliver(&stranger(&desk.rig));
    desk.pass(MINUTE).await;
    assert_eq!(standing(&desk).await, "in-sync");
    let file = desk.file_with(&eventbridge(&stranger(&desk.rig)));
    assert_eq!(desk.says(&format!("replay {file}")).await.code, 5);
    assert_eq!(standing(&desk).await, "out-of-sync");
    drop(worker);
}
