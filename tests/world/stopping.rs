//! How a worker stops: what its open receive brings is lost for nobody.

use std::time::Duration;

use writerlink_sim::fleet::{FleetConfig, Running};
use writerlink_sim::queue::ABANDONED_RECEIVE;
use writerlink_sim::world::WorldConfig;

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);

/// How long a receive waits.
const POLL: Duration = Duration::from_secs(20);

/// A worker that was told to stop a second after it began its first receive, and another one that began a second
/// later: so SQS gives the next message to the first one's receive. Two seconds have passed since the signal.
async fn two_workers_of_which_the_first_stops(names: &[&str]) -> (Rig, Running, Running) {
    let rig = Rig::new(names).await;
    let first = rig.start("w1");
    tokio::time::sleep(SECOND).await;
    first.stop();
    tokio::time::sleep(SECOND).await;
    let second = rig.start("w2");
    tokio::time::sleep(SECOND).await;
    (rig, first, second)
}

fn received(rig: &Rig, worker: &str) -> usize {
    let calls = rig.calls(worker);
    calls.iter().filter(|c| **c == "ReceiveMessage").count()
}

#[tokio::test(start_paused = true)]
async fn an_event_after_a_stop_is_carried_out_within_a_second() {
    for seconds in 0..20 {
        let (rig, _first, _second) = two_workers_of_which_the_first_stops(&["orders"]).await;
        tokio::time::sleep(seconds * SECOND).await;
        rig.fleet.world.deliver(&rig.completed(0, 2, 10));
        tokio::time::sleep(SECOND).await;
        let (held, writer) = (rig.registered(0), rig.target(0, 2));
        assert_eq!(held, [writer], "{} s after the signal", seconds + 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_early_in_a_stop_is_worked_on_where_it_came() {
    let (rig, first, _second) = two_workers_of_which_the_first_stops(&["orders"]).await;
    rig.fleet.world.deliver(&rig.completed(0, 2, 10));
    tokio::time::sleep(SECOND).await;
    assert!(rig.calls("w1").contains(&"RegisterTargets"));
    assert!(first.is_over(), "nothing is left to wait for");
    assert!(first.ended().await);
}

#[tokio::test(start_paused = true)]
async fn messages_that_come_late_in_a_stop_go_at_once_to_another_worker() {
    let (rig, first, _second) = two_workers_of_which_the_first_stops(&["orders", "users"]).await;
    // Ten seconds of twenty-five are left after this: less than an attempt may take.
    tokio::time::sleep(13 * SECOND).await;
    for route in [0, 1] {
        rig.fleet.world.deliver(&rig.started(route, 2, 10));
        rig.fleet.world.deliver(&rig.completed(route, 2, 11));
    }
    tokio::time::sleep(SECOND).await;
    assert!(first.ended().await);
    assert!(!rig.calls("w1").contains(&"RegisterTargets"));
    for route in [0, 1] {
        assert_eq!(rig.registered(route), [rig.target(route, 2)]);
    }
    let depth = rig.fleet.world.sqs.depth();
    assert_eq!((depth.visible, depth.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_another_one_gives_late_messages_back_too() {
    let rig = Rig::new(&["orders"]).await;
    let worker = rig.start("w1");
    tokio::time::sleep(SECOND).await;
    worker.stop();
    tokio::time::sleep(15 * SECOND).await;
    rig.fleet.world.deliver(&rig.completed(0, 2, 10));
    assert!(worker.ended().await);
    let depth = rig.fleet.world.sqs.depth();
    assert_eq!((depth.visible, depth.in_flight), (1, 0));
    assert!(rig.run("w2").await);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_worker_ends_with_its_open_receive_and_begins_no_other() {
    let rig = Rig::new(&["orders"]).await;
    let worker = rig.start("w1");
    tokio::time::sleep(POLL + 3 * SECOND).await;
    worker.stop();
    assert!(worker.ended().await);
    assert_eq!(rig.fleet.world.fabric.time.elapsed(), 2 * POLL);
    assert_eq!(received(&rig, "w1"), 2);
    let told = rig.told.lines.lock().unwrap().join("\n");
    let stopping = "Stopping { within: 25s, receive_ends_within: Some(17s) }";
    assert!(told.contains(stopping), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_stopping_worker_looks_at_no_route_while_it_waits() {
    let mut fleet = FleetConfig::default();
    fleet.limits.reconciling.interval = Some(5 * SECOND);
    let rig = Rig::with(&["orders"], WorldConfig::default(), fleet).await;
    let worker = rig.start("w1");
    tokio::time::sleep(POLL + SECOND).await;
    let before = rig.calls("w1").len();
    assert!(before > 4, "it reads the route's state every five seconds");
    worker.stop();
    assert!(worker.ended().await);
    assert_eq!(rig.fleet.world.fabric.time.elapsed(), 2 * POLL);
    assert_eq!(rig.calls("w1").len(), before + 1, "its receive");
}

#[tokio::test(start_paused = true)]
async fn messages_behind_the_one_in_hand_are_given_back_when_time_is_short() {
    let rig = Rig::new(&["orders"]).await;
    let worker = rig.start("w1");
    for (n, second) in [(2, 7), (3, 8), (2, 9)] {
        rig.fleet.world.deliver(&rig.completed(0, n, second));
    }
    rig.every_call_takes(3 * SECOND);
    worker.stop();
    assert!(worker.ended().await);
    let depth = rig.fleet.world.sqs.depth();
    assert_eq!(depth.in_flight, 0, "{depth:?}");
    let told = rig.told.lines.lock().unwrap().join("\n");
    assert!(!told.contains("Released"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_less_time_than_its_receive_abandons_it_and_says_so() {
    let mut fleet = FleetConfig::default();
    fleet.limits.drain_timeout = 2 * SECOND;
    let rig = Rig::with(&["orders"], WorldConfig::default(), fleet).await;
    let worker = rig.start("w1");
    tokio::time::sleep(SECOND).await;
    worker.stop();
    assert!(worker.ended().await);
    assert_eq!(rig.fleet.world.fabric.time.elapsed(), 3 * SECOND);
    let told = rig.told.lines.lock().unwrap().join("\n");
    let released = "Released { groups: 0, receive_is_open: true }";
    assert!(told.contains(released), "{told}");
    rig.fleet.world.deliver(&rig.completed(0, 2, 10));
    tokio::time::sleep(SECOND).await;
    assert!(rig.calls("w1").contains(&ABANDONED_RECEIVE));
}
