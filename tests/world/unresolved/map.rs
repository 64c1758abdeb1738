//! The map of a events-only route, held against the addresses that its instances have.

use std::net::IpAddr;

use writerlink_core::ledger::unresolved::SourceConflict;
use writerlink_core::model::names::SourceId;
use writerlink_core::model::policy::{Database, MapCheck};
use writerlink_core::model::reason::Reason;
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::databases::endpoint;
use writerlink_sim::faults::no_faults;

use super::stage::{MINUTE, control, diverged, judged, now, pass, refuse, standing};
use crate::rig::Rig;

fn orders() -> SourceId {
    SourceId::new("orders").unwrap()
}

/// A events-only route that a worker has moved to its first instance.
async fn settled(map_check: MapCheck) -> Rig {
    let mut rig = Rig::new(&["orders"]).await;
    rig.routes[0].policy.map_check = map_check;
    rig.routes[0].policy.endpoint = Some(endpoint(Database::Cluster, &orders()));
    rig.fleet.world.deliver(&now(&rig, rig.completed(0, 1, 0)));
    rig
}

/// The cluster is moved to another subnet group: its second instance has another address from now on.
fn move_subnets(rig: &Rig, to: u8) {
    let second = rig.instance(0, 2).id;
    let ip = IpAddr::from([10, 0, 2, to]);
    rig.fleet.world.rds.set_address(&orders(), &second, ip);
}

async fn conflict(rig: &Rig) -> Option<SourceConflict> {
    control(rig, 0).await.source_conflict
}

/// How many records tell of the map.
async fn told(rig: &Rig) -> usize {
    let chain = rig.chain(0).await;
    let told = |reason| reason == Some(Reason::MapDiffers);
    chain.iter().filter(|s| told(s.record.entry.reason)).count()
}

#[tokio::test(start_paused = true)]
async fn an_address_that_changes_without_an_event_is_recorded_once_and_shown() {
    for map_check in [MapCheck::Rds, MapCheck::Dns] {
        let rig = settled(map_check).await;
        let _worker = rig.start("w1");
        pass(10 * MINUTE).await;
        assert_eq!(standing(&rig, 0).await, RouteHealth::InSync);
        let mutations = rig.fleet.world.elb.mutations().len();
        move_subnets(&rig, 99);
        pass(17 * MINUTE).await;
        let differs = judged(&rig, 0).await;
        assert_eq!(differs.health, RouteHealth::OutOfSync, "{}", differs.why);
        for part in ["orders-2 is at 10.0.2.99, not at 10.0.2.11", "[route.instances]"] {
            assert!(differs.why.contains(part), "{}", differs.why);
        }
        assert_eq!(diverged(&rig), 1);
        pass(60 * MINUTE).await;
        assert_eq!(told(&rig).await, 1, "{map_check:?}");
        assert_eq!(rig.fleet.world.elb.mutations().len(), mutations, "it moves nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_map_that_holds_again_is_right_again() {
    let rig = settled(MapCheck::Rds).await;
    let _worker = rig.start("w1");
    move_subnets(&rig, 99);
    pass(17 * MINUTE).await;
    assert!(conflict(&rig).await.is_some());
    // A failover does not mend the map.
    rig.fleet.world.deliver(&now(&rig, rig.completed(0, 3, 0)));
    pass(MINUTE).await;
    assert!(conflict(&rig).await.is_some());
    move_subnets(&rig, 11);
    pass(17 * MINUTE).await;
    assert_eq!(conflict(&rig).await, None);
    assert_eq!(standing(&rig, 0).await, RouteHealth::InSync);
    assert_eq!(diverged(&rig), 0);
    assert_eq!(told(&rig).await, 2, "that it differed, and that it holds");
}

#[tokio::test(start_paused = true)]
async fn a_corrected_map_takes_effect_soon_after_the_workers_are_replaced() {
    let mut rig = settled(MapCheck::Rds).await;
    let worker = rig.start("w1");
    move_subnets(&rig, 99);
    pass(17 * MINUTE).await;
    worker.stop();
    assert!(worker.ended().await);
    let second = rig.instance(0, 2).id;
    let ip = IpAddr::from([10, 0, 2, 99]);
    rig.routes[0].instances.insert(second, ip);
    let _worker = rig.start("w2");
    pass(5 * MINUTE).await;
    assert_eq!(conflict(&rig).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_route_whose_map_is_compared_no_more_is_not_wrong_for_ever() {
    let mut rig = settled(MapCheck::Rds).await;
    let worker = rig.start("w1");
    move_subnets(&rig, 99);
    pass(17 * MINUTE).await;
    worker.stop();
    assert!(worker.ended().await);
    rig.routes[0].policy.map_check = MapCheck::Off;
    let _worker = rig.start("w2");
    pass(5 * MINUTE).await;
    assert_eq!(conflict(&rig).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_wrong_for_a_moment_is_not_believed() {
    let rig = settled(MapCheck::Dns).await;
    let _worker = rig.start("w1");
    pass(10 * MINUTE).await;
    move_subnets(&rig, 99);
    // Within the time between two comparisons and one that confirms.
    pass(6 * MINUTE).await;
    move_subnets(&rig, 11);
    pass(20 * MINUTE).await;
    assert_eq!(told(&rig).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_may_not_ask_rds_says_so_once_and_asks_no_more_that_day() {
    let mut rig = Rig::new(&["orders", "billing"]).await;
    for route in &mut rig.routes {
        route.policy.map_check = MapCheck::Rds;
    }
    refuse(&rig, "DescribeDBInstances", ErrorKind::Denied);
    let _worker = rig.start("w1");
    pass(60 * MINUTE).await;
    let said = || {
        let lines = rig.told.lines.lock().unwrap();
        let refused = lines.iter().filter(|line| line.starts_with("MapNotCompared"));
        refused.count()
    };
    assert_eq!(said(), 1);
    let calls = rig.calls("w1").into_iter();
    let asked = calls.filter(|call| *call == "DescribeDBInstances").count();
    assert!(asked <= 1, "a refused call may or may not be in the journal: {asked}");
    assert_eq!(diverged(&rig), 0);
    rig.fleet.world.fabric.set_plan(no_faults());
    move_subnets(&rig, 99);
    pass(22 * 60 * MINUTE).await;
    assert_eq!(conflict(&rig).await, None);
    pass(2 * 60 * MINUTE).await;
    assert!(conflict(&rig).await.is_some(), "the next day it asks again");
    assert_eq!(said(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_map_that_is_not_compared_costs_no_call() {
    let rig = settled(MapCheck::Off).await;
    let _worker = rig.start("w1");
    move_subnets(&rig, 99);
    pass(60 * MINUTE).await;
    assert_eq!(told(&rig).await, 0);
    let asking = ["DescribeDBInstances", "ResolveName"];
    let calls = rig.calls("w1").into_iter();
    assert_eq!(calls.filter(|call| asking.contains(call)).count(), 0);
}
