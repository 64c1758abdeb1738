//! A part that cannot be read is told in its place, and hides none of the others.

use std::time::Duration;

use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Fate, Fault, no_faults};

use crate::desk::{DESK, Desk};

async fn desk() -> Desk {
    let desk = Desk::with(&["orders", "users"]).await;
    let worker = desk.rig.start("w1");
    for route in 0..2 {
        desk.rig.fleet.world.deliver(&desk.rig.completed(route, 2, 0));
    }
    desk.pass(Duration::from_mins(10)).await;
    drop(worker);
    desk
}

/// Refuses these calls of the desk.
fn refuse(desk: &Desk, calls: &'static [&'static str], kind: ErrorKind) {
    let plan = move |site: &CallSite| {
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
    insta::assert_snapshot!(said.out, @"
    ROUTE   STATE    INSTANCE  TARGET          NLB       MOVED    HELD
    orders  unknown  orders-2  10.0.2.11:3306  not read  10m ago  -
    users   unknown  users-2   10.0.2.11:3306  not read  10m ago  -

    orders  desired: orders-2 at 10.0.2.11:3306; actual: could not be read
    orders  targetgroup/orders/73e2d6bc24d8a067 not read: DescribeTargetHealth failed (throttled,
            ThrottlingException): Rate exceeded
    users   desired: users-2 at 10.0.2.11:3306; actual: could not be read
    users   targetgroup/users/73e2d6bc24d8a067 not read: DescribeTargetHealth failed (throttled,
            ThrottlingException): Rate exceeded

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
    let json = desk.says("status --output json").await.rows("routes");
    assert_eq!(json[0]["state"], "unknown");
    assert_eq!(json[0]["desired"]["instance"], "orders-2");
    assert_eq!(json[0]["unread"].as_array().unwrap().len(), 1);
    assert!(json[0]["groups"][0]["targets"].is_null());
}

#[tokio::test(start_paused = true)]
async fn records_that_may_not_be_read_make_a_route_unknown_and_a_queue_does_not() {
    let desk = desk().await;
    refuse(&desk, &["GetQueueAttributes"], ErrorKind::Denied);
    assert_eq!(desk.says("status --detailed-exitcode").await.code, 0);
    refuse(&desk, &["Query", "GetQueueAttributes"], ErrorKind::Denied);
    let said = desk.says("status --detailed-exitcode").await;
    assert_eq!((said.code, said.err.as_str()), (2, ""), "{}", said.out);
    insta::assert_snapshot!(said.out, @"
    ROUTE   STATE    INSTANCE  TARGET          NLB      MOVED     HELD
    orders  unknown  orders-2  10.0.2.11:3306  healthy  not read  -
    users   unknown  users-2   10.0.2.11:3306  healthy  not read  -

    orders  whether its records end where its state says could not be read
    orders  records not read: Query failed (denied, AccessDeniedException): not authorized to perform
            this action
    users   whether its records end where its state says could not be read
    users   records not read: Query failed (denied, AccessDeniedException): not authorized to perform
            this action

    queue  not read: GetQueueAttributes failed (denied, AccessDenied): not authorized to perform this
           action
    ");
}

#[tokio::test(start_paused = true)]
async fn status_of_an_unreadable_ledger_is_an_error_and_shows_what_it_can() {
    let desk = desk().await;
    refuse(&desk, &["GetItem"], ErrorKind::Denied);
    let said = desk.says("status orders").await;
    assert_eq!(said.code, 1);
    insta::assert_snapshot!(said.out, @"
    route orders: unknown
      why       its state in the ledger could not be read
      strategy  swap, mode enforce
      group     targetgroup/orders/73e2d6bc24d8a067
                10.0.2.11:3306 healthy, orders-2
      moved     2026-05-06T23:00:00.000Z (10m ago): Moved (WriterMoved), by event, attempt 1, orders/2
                the group holds orders-2 at 10.0.2.11:3306 and no other writer
      phases    since the evidence of 2026-05-06T23:00:00.000Z: announced +0 ms, registered +0 ms,
                deregistered +0 ms, finished +0 ms, serving +191 s, old target gone +301 s
      newest    orders/4 2026-05-06T23:05:01.000Z (4m59s ago): target-removed (TargetRemoved)
      not read  state: GetItem failed (denied, AccessDeniedException): not authorized to perform this
                action

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
    insta::assert_snapshot!(said.err, @r#"
    error: reading the routes' states failed
      why: GetItem failed (denied, AccessDeniedException): not authorized to perform this action
      fix: check the credentials (aws sts get-caller-identity) and that their role allows the call
    "#);
    desk.rig.fleet.world.fabric.set_plan(no_faults());
    assert_eq!(desk.says("status orders").await.code, 0);
}
