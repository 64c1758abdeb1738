//! Events that wait for their turn, and what may be done meanwhile.

use std::time::Duration;

use writerlink_core::actuation::quota::Quota;
use writerlink_core::evidence::trigger::{CommandKind, Evidence};
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::unresolved::Awaits;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::attempt::{AttemptResult, NoMessage, Reconciler};
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::databases::{ApiFault, Lags};
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::load_balancer::Action;
use writerlink_sim::world::WorldConfig;

use super::stage::{MINUTE, SECOND, control, diverged, judged, now, pass, reasons, standing, without_timer};
use crate::rig::Rig;
use crate::rig::invariants::Invariants;
use crate::timer::left_to_newer_evidence;

/// How many routes fail over together: with one call a second the last one's turn is a minute away.
const ROUTES: usize = 60;

/// The route that waits longest.
const LAST: usize = ROUTES - 1;

/// An account that has hardly any room.
fn little_room() -> FleetConfig {
    let mut fleet = FleetConfig::default();
    fleet.attempts.quota = Some(Quota { burst: 2, per_second: 1 });
    fleet
}

/// A zone in such an account.
async fn zone() -> Rig {
    let names: Vec<String> = (1..=ROUTES).map(|n| format!("r{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rig = Rig::with(&names, WorldConfig::default(), little_room()).await;
    rig.fleet.world.rds.set_lags(Lags::NONE);
    // One worker only looks: its line is its own, and empty.
    let plan = |site: &CallSite| match (site.process.as_str(), site.call) {
        ("looks", "ReceiveMessage") => Fate::meets(Fault::Refused(ErrorKind::Unreachable)),
        _ => Fate::in_a_round_trip(Duration::from_millis(20)),
    };
    rig.fleet.world.fabric.set_plan(Box::new(plan));
    rig
}

/// Every route but the last fails over.
fn others_fail_over(rig: &Rig) {
    for route in 0..LAST {
        rig.fleet.world.deliver(&now(rig, rig.started(route, 2, 0)));
    }
}

/// Which members of the last route were registered, in order.
fn registered(rig: &Rig) -> Vec<usize> {
    let group = &rig.routes[LAST].group.arn;
    let mutations = rig.fleet.world.elb.mutations().into_iter();
    let registered = mutations.filter(|m| m.action == Action::Register && m.group == *group);
    let member = |ip| (1..=3).find(|n| rig.instance(LAST, *n).ip == ip).unwrap();
    registered.map(|m| member(m.target.ip)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waits_for_its_turn_is_seen_by_every_reader() {
    let rig = zone().await;
    let _worker = rig.start("w1");
    pass(SECOND).await;
    others_fail_over(&rig);
    pass(SECOND).await;
    rig.fleet.world.deliver(&now(&rig, rig.completed(LAST, 3, 0)));
    pass(10 * SECOND).await;
    let waits = judged(&rig, LAST).await;
    assert_eq!(waits.health, RouteHealth::Converging, "{}", waits.why);
    let expected = format!("names {}-3 and waits for its turn", rig.routes[LAST].name);
    assert!(waits.why.contains(&expected), "{}", waits.why);
    let open = control(&rig, LAST).await.unresolved_event.unwrap();
    assert_eq!(open.awaits(), Awaits::Quota);
    pass(4 * MINUTE).await;
    assert_eq!(control(&rig, LAST).await.unresolved_event, None);
    assert_eq!(rig.registered(LAST), [rig.target(LAST, 3)]);
    let told = reasons(&rig, LAST, RecordKind::Deferred).await;
    let waited = told.iter().filter(|reason| **reason == Some(Reason::AwaitsQuota));
    assert!(waited.count() <= 2, "before it was announced, and after: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_timer_moves_no_resumed_route_past_an_event_that_waits() {
    let rig = zone().await;
    let invariants = Invariants::watch(&rig);
    rig.order(LAST, CommandKind::Pause { within: None }).await;
    let worker = rig.start("w1");
    pass(SECOND).await;
    rig.fleet.world.deliver(&now(&rig, rig.completed(LAST, 2, 0)));
    pass(MINUTE).await;
    assert!(control(&rig, LAST).await.waiting.is_some(), "it is held back");
    worker.stop();
    assert!(worker.ended().await);
    // Only events are worked on, so that nobody carries out what was held back before the next event is there.
    let events = without_timer(&rig, "w2", little_room().attempts);
    others_fail_over(&rig);
    pass(SECOND).await;
    rig.order(LAST, CommandKind::Resume).await;
    rig.fleet.world.deliver(&now(&rig, rig.completed(LAST, 3, 0)));
    pass(4 * SECOND).await;
    let open = control(&rig, LAST).await.unresolved_event.unwrap();
    assert_eq!(open.reason, Reason::AwaitsQuota, "the newer event waits");
    let _looks = rig.start("looks");
    pass(4 * MINUTE).await;
    assert_eq!(invariants.verdict(&rig), Vec::<String>::new());
    assert_eq!(registered(&rig), [3], "and not there and on");
    events.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lagging_source_moves_no_route_past_an_event_that_waits() {
    let mut rig = zone().await;
    rig.routes[LAST].policy.discovery = [DiscoverySource::Rds].into();
    let rds = &rig.fleet.world.rds;
    let source = SourceId::new(rig.routes[LAST].name.as_str()).unwrap();
    let member = |n: usize| InstanceId::new(rig.instance(LAST, n).id.as_str()).unwrap();
    // Two failovers within the lag: the source has noticed the first one alone.
    rds.fail_over(&source, &member(2)).unwrap();
    pass(MINUTE).await;
    let second = rds.fail_over(&source, &member(3)).unwrap();
    pass(MINUTE).await;
    rds.break_api(&source, ApiFault::Stale, 2 * MINUTE);
    let events = without_timer(&rig, "w1", little_room().attempts);
    others_fail_over(&rig);
    pass(SECOND).await;
    rig.fleet.world.deliver(&now(&rig, second.completed.event));
    pass(4 * SECOND).await;
    assert!(control(&rig, LAST).await.unresolved_event.is_some());
    let _looks = rig.start("looks");
    pass(4 * MINUTE).await;
    assert_eq!(registered(&rig), [3], "and not there and on");
    events.abort();
}

#[tokio::test(start_paused = true)]
async fn an_event_over_the_pace_of_moves_is_seen_while_it_waits() {
    let mut fleet = FleetConfig::default();
    fleet.attempts.moves_per_minute_max = 1;
    let rig = Rig::with(&["orders", "billing"], WorldConfig::default(), fleet).await;
    let _worker = rig.start("w1");
    pass(SECOND).await;
    for route in 0..2 {
        rig.fleet.world.deliver(&now(&rig, rig.completed(route, 2, 0)));
        pass(SECOND).await;
    }
    let open = control(&rig, 1).await.unresolved_event.unwrap();
    assert_eq!((open.reason, open.awaits()), (Reason::TooManyMoves, Awaits::Quota));
    assert_eq!(standing(&rig, 1).await, RouteHealth::Converging);
    pass(2 * MINUTE).await;
    assert_eq!(control(&rig, 1).await.unresolved_event, None);
}

#[tokio::test(start_paused = true)]
async fn a_replay_over_the_pace_of_moves_waits_for_nobody() {
    let mut fleet = FleetConfig::default();
    fleet.attempts.moves_per_minute_max = 1;
    let attempts = fleet.attempts;
    let rig = Rig::with(&["orders", "billing"], WorldConfig::default(), fleet).await;
    let ports = rig.fleet.ports(&rig.fleet.world.process("person"));
    let reconciler = Reconciler::new(&ports, Owner::new("person"), attempts);
    let mut ended = Vec::new();
    for (n, route) in rig.routes.iter().enumerate() {
        let evidence = Evidence::new(route, now(&rig, rig.completed(n, 2, 0)));
        let report = reconciler.attempt(route, &evidence, Cause::Replay, &NoMessage);
        ended.push(report.await.ended);
    }
    assert!(matches!(ended[1], AttemptResult::Paced(_)), "{ended:?}");
    // What a person hands in nobody delivers again: that person is told.
    assert_eq!(control(&rig, 1).await.unresolved_event, None);
}

#[tokio::test(start_paused = true)]
async fn a_route_left_to_newer_evidence_counts_as_diverged_until_that_moves_it() {
    let (rig, _looks) = left_to_newer_evidence().await;
    pass(5 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)], "nobody moved it");
    assert_eq!(diverged(&rig), 1);
    let left = judged(&rig, 0).await;
    assert_ne!(left.health, RouteHealth::InSync, "{}", left.why);
}
