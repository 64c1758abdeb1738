//! A part that cannot be read is told in its place, and hides none of the others.

use std::time::Duration;

use writerlink::embedded::faults::{Fate, Fault, Site, no_faults};
use writerlink::ports::ErrorKind;

use crate::desk::{DESK, Desk};

async fn desk() -> Desk {
    let desk = Desk::with(&["orders", "users"]).await;
    let worker = desk.rig.start("w1");
    for route in 0..2 {
        desk.rig
            .fleet
            .world
            .deliver(&desk.rig.completed(route, 2, 0));
    }
    desk.pass(Duration::from_mins(10)).await;
    drop(worker);
    desk
}

/// Refuses these calls of the desk.
fn refuse(desk: &Desk, calls: &'static [&'static str], kind: ErrorKind) {
    let plan = move |site: &Site| {
        if site.process == DESK && calls.contains(&site.call) {
            Fate::meets(Fault::Refused(kind))
        } else {
            Fate::WORKS
        }
    };
    desk.rig.fleet.world.fabric.set_plan(Box::new(plan));
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_that_throttles_hides_neither_ledger_nor_audit() {
    let desk = desk().await;
    refuse(&desk, &["DescribeTargetHealth"], ErrorKind::Throttled);
    let said = desk.says("status --detailed-exitcode").await;
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    insta::assert_snapshot!(said.out, @"");
    let json = desk.says("status --output json").await.rows("routes");
    assert_eq!(json[0]["standing"], "unknown");
    assert_eq!(json[0]["desired"]["instance"], "orders-2");
    assert_eq!(json[0]["unread"].as_array().unwrap().len(), 1);
    assert!(json[0]["groups"][0]["targets"].is_null());
}

#[tokio::test(start_paused = true)]
async fn records_and_queue_that_may_not_be_read_leave_the_standing_as_it_is() {
    let desk = desk().await;
    refuse(&desk, &["Query", "GetQueueAttributes"], ErrorKind::Denied);
    let said = desk.says("status --detailed-exitcode").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    insta::assert_snapshot!(said.out, @"");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_cannot_be_read_at_all_is_an_error_and_what_can_be_read_is_shown() {
    let desk = desk().await;
    refuse(&desk, &["GetItem"], ErrorKind::Denied);
    let said = desk.says("status orders").await;
    assert_eq!(said.code, 1);
    insta::assert_snapshot!(said.out, @"");
    insta::assert_snapshot!(said.err, @"");
    desk.rig.fleet.world.fabric.set_plan(no_faults());
    assert_eq!(desk.says("status orders").await.code, 0);
}
