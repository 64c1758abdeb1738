//! Events for instances whose names do not exist yet, told as scenarios: the real worker in the embedded world, under
//! paused time, on a route that knows an instance's address by its name alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::model::names::SourceId;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::{Database, DiscoverySource};
use writerlink_core::model::reason::Reason;
use writerlink_engine::attempt::{AttemptResult, DryRun};
use writerlink_engine::ports::NO_SUCH_NAME;
use writerlink_sim::databases::{Lags, endpoint};
use writerlink_sim::world::instances;

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// The most time between two deliveries of a message that comes back.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(31);

/// A cluster of two, on a route that finds addresses by these sources and has no map.
async fn world(source: DiscoverySource) -> Rig {
    let mut rig = Rig::new(&["orders"]).await;
    rig.fleet.world.rds.set_lags(Lags::NONE);
    let route = &mut rig.routes[0];
    route.instances.clear();
    route.policy.discovery = [source].into();
    route.policy.endpoint = Some(endpoint(Database::Cluster, &orders()));
    members(&rig, &[1, 2]);
    rig
}

fn orders() -> SourceId {
    SourceId::new("orders").unwrap()
}

/// From now on the cluster has these instances, and the first one writes.
fn members(rig: &Rig, numbers: &[usize]) {
    let all = instances("orders", 3).unwrap();
    let named: Vec<_> = numbers.iter().map(|n| all[n - 1].clone()).collect();
    rig.fleet.world.rds.add(&orders(), &named);
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The notes of what was rejected, and why.
async fn rejected(rig: &Rig) -> Vec<(Reason, String)> {
    let chain = rig.chain(0).await;
    let entries = chain.into_iter().map(|stored| stored.record.entry);
    entries
        .filter(|entry| entry.outcome == Some(Outcome::Rejected))
        .map(|entry| (entry.reason.unwrap(), entry.note))
        .collect()
}

fn dead_letters(rig: &Rig) -> usize {
    rig.fleet.world.dead_letters.messages().len()
}

/// The name of a member's own endpoint.
fn own_name(n: usize) -> String {
    let member = SourceId::new(&format!("orders-{n}")).unwrap();
    endpoint(Database::Instance, &member)
}

#[tokio::test(start_paused = true)]
async fn an_event_moves_the_route_once_the_name_exists() {
    let rig = world(DiscoverySource::Dns).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    rig.fleet.world.deliver(&rig.completed(0, 3, 60));
    pass(MINUTE).await;
    assert!(rig.told.ends().iter().all(|end| *end == "Unavailable"), "{:?}", rig.told.ends());
    members(&rig, &[3, 1, 2]);
    pass(COMES_BACK_WITHIN).await;
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
    assert_eq!(rig.told.ends().last(), Some(&"Moved"));
    assert_eq!(rejected(&rig).await, []);
    assert_eq!(dead_letters(&rig), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_name_stays_missing_is_rejected_after_two_minutes() {
    let rig = world(DiscoverySource::Dns).await;
    let _worker = rig.start("w1");
    rig.fleet.world.deliver(&rig.completed(0, 3, 0));
    pass(119 * SECOND).await;
    assert_eq!(rejected(&rig).await, []);
    let waits = rig.told.reports().pop().unwrap().ended;
    let AttemptResult::Unavailable(error, _) = waits else {
        panic!("{waits:?}");
    };
    assert_eq!(error.code, NO_SUCH_NAME);
    assert!(error.message.contains(&own_name(3)), "{error}");
    pass(COMES_BACK_WITHIN).await;
    let rejected = rejected(&rig).await;
    let [(Reason::UnknownInstance, note)] = rejected.as_slice() else {
        panic!("{rejected:?}");
    };
    let missing = format!("{} does not exist (NXDOMAIN), 1", own_name(3));
    assert!(note.contains(&missing), "{note}");
    assert_eq!(dead_letters(&rig), 1, "it needs a person");
}

#[tokio::test(start_paused = true)]
async fn two_minutes_are_counted_over_all_workers_that_receive_the_event() {
    let rig = world(DiscoverySource::Dns).await;
    rig.fleet.world.deliver(&rig.completed(0, 3, 0));
    for (name, outcomes) in [("w1", 0), ("w2", 0), ("w3", 1)] {
        let worker = rig.start(name);
        pass(55 * SECOND).await;
        worker.process.kill();
        assert_eq!(rejected(&rig).await.len(), outcomes, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_minutes_begin_with_the_first_receive_and_not_in_the_queue() {
    let rig = world(DiscoverySource::Dns).await;
    rig.fleet.world.deliver(&rig.completed(0, 3, 0));
    pass(5 * MINUTE).await;
    let _worker = rig.start("w1");
    pass(110 * SECOND).await;
    assert_eq!(rejected(&rig).await, [], "nobody could ask before");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waits_for_a_name_does_not_hold_up_a_newer_one() {
    let rig = world(DiscoverySource::Dns).await;
    pass(MINUTE).await;
    rig.fleet.world.deliver(&rig.completed(0, 3, 58));
    rig.fleet.world.deliver(&rig.completed(0, 2, 59));
    assert!(rig.run("w1").await);
    assert_eq!(rig.told.ends(), ["Superseded", "Moved"]);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn who_is_no_member_by_the_word_of_rds_is_rejected_at_once() {
    let rig = world(DiscoverySource::Rds).await;
    rig.fleet.world.deliver(&rig.completed(0, 3, 0));
    assert!(rig.run("w1").await);
    assert_eq!(rejected(&rig).await.len(), 1);
    assert_eq!(rig.told.ends(), ["Rejected"]);
}

#[tokio::test(start_paused = true)]
async fn a_preview_says_which_name_is_missing_and_that_it_is_asked_for_again() {
    let rig = world(DiscoverySource::Dns).await;
    let event: RdsEvent = rig.completed(0, 3, 0);
    let process = rig.fleet.world.process("person");
    let ports = rig.fleet.ports(&process);
    let route = &rig.routes[0];
    let evidence = Evidence::new(route, event);
    let preview = DryRun::new(&ports).preview(route, &evidence).await.unwrap();
    let Decision::Settle(verdict) = preview.decision else {
        panic!("{:?}", preview.decision);
    };
    assert_eq!(verdict.outcome, Outcome::Rejected);
    let missing = format!("{} does not exist (NXDOMAIN)", own_name(3));
    assert!(verdict.note.contains(&missing), "{}", verdict.note);
    assert!(verdict.note.contains("asks for it for 120 s"), "{}", verdict.note);
    let last = preview.asked.last().unwrap();
    assert_eq!(last.compared, verdict.note);
    assert!(rig.story(0).await.is_empty(), "nothing is recorded");
}
