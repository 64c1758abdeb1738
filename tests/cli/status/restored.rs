//! A table that was restored, or a row that somebody wrote or deleted: how `status` shows it, and what a person has to
//! do about it.

use std::time::Duration;

use serde_json::Value;
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Fate, Fault};

use crate::desk::{DESK, Desk};
use crate::rig::tables::Item;

const ADOPT: &str = "`writerlink adopt orders --reason TEXT`";

/// A route that was moved, with its state row as it was before its last record; four records stand in its audit.
async fn moved() -> (Desk, Item) {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_mins(4)).await;
    let row = desk.rig.state_row(0).await;
    desk.pass(Duration::from_mins(6)).await;
    // It would bring the state up to its records before anybody has looked.
    worker.stop();
    assert!(worker.ended().await);
    assert_eq!(desk.rig.chain(0).await.len(), 4);
    (desk, row)
}

/// What `status` says of the route, as JSON; its exit code is the one for a route that is not right.
async fn differs(desk: &Desk) -> Value {
    let said = desk.says("status --detailed-exitcode --output json").await;
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    said.rows("routes")[0].clone()
}

/// Holds a route's standing, what was found, and the end of the remedy.
fn shows(route: &Value, (standing, found, newest): (&str, &str, u64), adopts: bool) {
    assert_eq!(route["state"], standing, "{route}");
    let end = &route["chain_end"];
    assert_eq!((&end["found"], &end["newest_seq"]), (&found.into(), &newest.into()), "{route}");
    let difference = end["difference"].as_str().unwrap();
    let why = route["why"].as_str().unwrap();
    assert!(why.starts_with(difference), "{route}");
    let remedy = end["remedy"].as_str().unwrap();
    assert_eq!(remedy.contains(ADOPT), adopts, "{route}");
    assert!(why.contains(remedy), "{route}");
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_ends_at_the_head_says_so_for_programs() {
    let (desk, _) = moved().await;
    let said = desk.says("status --detailed-exitcode --output json").await;
    assert_eq!(said.code, 0, "{}", said.out);
    let end = &said.rows("routes")[0]["chain_end"];
    assert_eq!((&end["found"], &end["newest_seq"]), (&"matches".into(), &4.into()));
    assert_eq!((&end["difference"], &end["remedy"]), (&Value::Null, &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_state_restored_to_an_earlier_point_is_not_right_and_mends_itself() {
    let (desk, row) = moved().await;
    desk.rig.restore_state_row(&row).await;
    shows(&differs(&desk).await, ("unknown", "records_beyond_head", 4), false);
    let said = desk.says("status orders").await;
    assert!(said.out.contains("the audit has records up to 4, the route's state ends at 3"), "{}", said.out);
    assert!(said.out.contains("audit      ends at 4 (records_beyond_head)"), "{}", said.out);
    let csv = desk.says("status --output csv").await;
    assert!(csv.out.contains(",records_beyond_head,"), "{}", csv.out);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_state_of_a_route_with_records_is_not_a_route_never_moved() {
    let (desk, _) = moved().await;
    desk.rig.delete_state_row(0).await;
    let route = differs(&desk).await;
    shows(&route, ("unknown", "records_beyond_head", 4), false);
    let why = route["why"].as_str().unwrap();
    assert!(why.contains("the route has no state: it was deleted"), "{why}");
    assert!(!why.contains("nothing has moved this route yet"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_row_at_the_next_number_is_out_of_sync_until_adopted() {
    let (desk, _) = moved().await;
    desk.rig.copy_audit_row(0, 3, 5).await;
    let route = differs(&desk).await;
    shows(&route, ("out-of-sync", "records_beyond_head", 5), true);
    let why = route["why"].as_str().unwrap();
    assert!(why.contains("record 5 does not continue the one before it"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_audit_that_ends_before_the_head_is_not_right() {
    let (desk, _) = moved().await;
    desk.rig.delete_audit_row(0, 4).await;
    shows(&differs(&desk).await, ("unknown", "records_missing", 3), true);
    for seq in 1..=3 {
        desk.rig.delete_audit_row(0, seq).await;
    }
    shows(&differs(&desk).await, ("unknown", "records_missing", 0), true);
}

#[tokio::test(start_paused = true)]
async fn another_row_in_the_place_of_the_head_is_not_right() {
    let (desk, _) = moved().await;
    desk.rig.copy_audit_row(0, 2, 4).await;
    shows(&differs(&desk).await, ("unknown", "other_record", 4), true);
}

#[tokio::test(start_paused = true)]
async fn records_that_may_not_be_read_leave_no_route_right() {
    let (desk, _) = moved().await;
    let plan = |site: &CallSite| {
        if site.process == DESK && site.call == "Query" {
            Fate::meets(Fault::Refused(ErrorKind::Denied))
        } else {
            Fate::WORKS
        }
    };
    desk.rig.fleet.world.fabric.set_plan(Box::new(plan));
    let route = differs(&desk).await;
    assert_eq!((&route["state"], &route["chain_end"]), (&"unknown".into(), &Value::Null));
    assert_eq!(route["unread"].as_array().unwrap().len(), 1, "{route}");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_recorded_about_between_the_reads_does_not_differ() {
    let (desk, _) = moved().await;
    // The state is read two seconds later than the records.
    let plan = |site: &CallSite| {
        if site.process == DESK && site.call == "GetItem" {
            Fate::in_a_round_trip(Duration::from_secs(4))
        } else {
            Fate::WORKS
        }
    };
    desk.rig.fleet.world.fabric.set_plan(Box::new(plan));
    let _worker = desk.rig.start("w2");
    let recording = async {
        desk.pass(Duration::from_secs(1)).await;
        desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 1));
    };
    let (said, ()) = tokio::join!(desk.says("status --output json"), recording);
    let route = &said.rows("routes")[0];
    assert_eq!(route["chain_end"]["found"], "matches", "{route}");
    assert!(route["chain"]["seq"].as_u64().unwrap() > 4, "{route}");
}
