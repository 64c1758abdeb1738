//! How routes are read: without being taken in by a move, and without spending what the workers need.

use std::time::Duration;

use writerlink_sim::faults::{CallSite, Fate};

use crate::desk::{DESK, Desk};

/// Lets every look of the desk at a group take this long.
fn slow(desk: &Desk, round_trip: Duration) {
    let plan = move |site: &CallSite| {
        if site.process == DESK && site.call == "DescribeTargetHealth" {
            Fate::in_a_round_trip(round_trip)
        } else {
            Fate::WORKS
        }
    };
    desk.rig.fleet.world.fabric.set_plan(Box::new(plan));
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_moved_while_it_is_looked_at_is_not_called_wrong() {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 1, 0));
    desk.pass(Duration::from_secs(20)).await;
    slow(&desk, Duration::from_secs(4));
    let moving = async {
        // After its state was read, and before its group is.
        desk.pass(Duration::from_secs(1)).await;
        desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 20));
    };
    let (said, ()) = tokio::join!(desk.says("status --output json"), moving);
    let route = &said.rows("routes")[0];
    assert_eq!(route["desired"]["instance"], "orders-2", "{route}");
    assert_eq!(route["state"], "converging", "{route}");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_is_read_in_a_burst_and_then_no_faster_than_ten_a_second() {
    let names: Vec<String> = (0..60).map(|n| format!("route-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let desk = Desk::with(&names).await;
    let time = desk.rig.fleet.world.fabric.time;
    let began = time.elapsed();
    let said = desk.says("status --output jsonl").await;
    assert_eq!(said.out.lines().count(), names.len());
    assert_eq!(time.elapsed().checked_sub(began), Some(Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_to_stop_does_not_wait_for_the_load_balancer() {
    let desk = Desk::with(&["orders"]).await;
    slow(&desk, Duration::from_secs(4));
    let time = desk.rig.fleet.world.fabric.time;
    let began = time.elapsed();
    let stopping = async {
        desk.pass(Duration::from_secs(1)).await;
        desk.stop.send_modify(|count| *count += 1);
    };
    let (said, ()) = tokio::join!(desk.says("status --watch 5"), stopping);
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    assert_eq!(time.elapsed().checked_sub(began), Some(Duration::from_secs(1)));
}
