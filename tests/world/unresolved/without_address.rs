//! Events whose instance has no address that could be looked up, and those whose calls fail.

use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::unresolved::Awaits;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::reason::Reason;
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::databases::Lags;
use writerlink_sim::faults::no_faults;

use super::stage::{MINUTE, SECOND, control, diverged, judged, now, pass, reasons, refuse, standing};
use crate::rig::Rig;

/// A route without a map, whose look-ups of instances fail, and whose source knows the writer all the same.
async fn without_addresses() -> Rig {
    let mut rig = Rig::new(&["orders"]).await;
    rig.fleet.world.rds.set_lags(Lags::NONE);
    rig.routes[0].instances.clear();
    rig.routes[0].policy.discovery = [DiscoverySource::Rds].into();
    refuse(&rig, "DescribeDBInstances", ErrorKind::Unreachable);
    rig
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_fails_is_recorded_once_and_every_reader_knows_of_it() {
    let rig = without_addresses().await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let event = now(&rig, rig.completed(0, 2, 0));
    rig.fleet.world.deliver(&event);
    pass(20 * SECOND).await;
    let waits = judged(&rig, 0).await;
    assert_eq!(waits.health, RouteHealth::Converging, "{}", waits.why);
    for part in ["waits for its address: the address of orders-2", "DescribeDBInstances failed"] {
        assert!(waits.why.contains(part), "{}", waits.why);
    }
    pass(5 * MINUTE).await;
    let late = judged(&rig, 0).await;
    assert_eq!(late.health, RouteHealth::OutOfSync, "{}", late.why);
    assert!(late.why.contains("`writerlink swap orders --to INSTANCE`"), "{}", late.why);
    assert_eq!(diverged(&rig), 1);
    let tries = rig.told.ends().iter().filter(|end| **end == "Unavailable").count();
    assert!(tries > 5, "it was tried all the time: {tries}");
    let open = control(&rig, 0).await.unresolved_event.unwrap();
    assert_eq!((open.awaits(), open.outcome), (Awaits::Address, None));
    let told = reasons(&rig, 0, RecordKind::Deferred).await;
    assert_eq!(told, [Some(Reason::AddressUnavailable)], "once");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_found_late_moves_the_route_and_resolves_the_event() {
    let mut rig = without_addresses().await;
    // The source lags behind the event for all of the test.
    rig.routes[0].policy.trust_event = 60 * MINUTE;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let event = now(&rig, rig.completed(0, 2, 0));
    rig.fleet.world.deliver(&event);
    pass(4 * MINUTE).await;
    rig.fleet.world.fabric.set_plan(no_faults());
    pass(MINUTE).await;
    assert_eq!(control(&rig, 0).await.unresolved_event, None);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    pass(2 * MINUTE).await;
    let left = control(&rig, 0).await.source_conflict;
    let left = left.map(|conflict| conflict.reason);
    assert_eq!(left, Some(Reason::SourcesContradict), "the source lags");
}

#[tokio::test(start_paused = true)]
async fn lookups_that_fail_for_hours_settle_the_event_before_the_queue_drops_it() {
    let mut rig = without_addresses().await;
    // Otherwise the sources are asked after a quarter of an hour, and the event is settled.
    rig.routes[0].policy.evidence_age_max = Some(24 * 60 * MINUTE);
    let event = now(&rig, rig.completed(0, 2, 0));
    rig.fleet.world.deliver(&event);
    assert!(rig.run("w1").await);
    assert_eq!(rig.told.ends().last(), Some(&"Failed"));
    let last = rig.chain(0).await.pop().unwrap().record.entry;
    assert_eq!(
        (last.kind, last.outcome, last.reason),
        (RecordKind::Finished, Some(Outcome::Failed), Some(Reason::AddressUnavailable))
    );
    let letters = rig.fleet.world.dead_letters.messages();
    assert_eq!(letters.len(), 1, "handed over by the worker, with its record");
    let open = control(&rig, 0).await.unresolved_event.unwrap();
    assert_eq!((open.awaits(), open.outcome), (Awaits::Operator, Some(Outcome::Failed)));
    assert_eq!(standing(&rig, 0).await, RouteHealth::OutOfSync);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_failed_in_every_attempt_is_seen_until_the_route_is_there() {
    let rig = Rig::new(&["orders"]).await;
    refuse(&rig, "RegisterTargets", ErrorKind::Denied);
    let _worker = rig.start("w1");
    pass(SECOND).await;
    rig.fleet.world.deliver(&now(&rig, rig.completed(0, 2, 0)));
    pass(10 * MINUTE).await;
    assert!(rig.told.ends().contains(&"Failed"));
    // The route points by the event, so the group says what is missing, and the timer brings it there.
    assert_eq!(standing(&rig, 0).await, RouteHealth::OutOfSync);
    assert_eq!(diverged(&rig), 1);
    rig.fleet.world.fabric.set_plan(no_faults());
    pass(15 * MINUTE).await;
    assert_eq!(standing(&rig, 0).await, RouteHealth::InSync);
    assert_eq!(diverged(&rig), 0);
}
