//! What `status` shows of routes that stand in every way a route can.

use std::time::Duration;

use writerlink_core::model::provenance::ConfigHash;

use crate::desk::Desk;
use crate::rig::Rig;

const MINUTE: Duration = Duration::from_mins(1);

/// A world in which `orders` has failed over to its second instance, a while ago.
async fn failed_over() -> Desk {
    let desk = Desk::with(&["orders", "users"]).await;
    let worker = desk.rig.start("w1");
    desk.pass(Duration::from_secs(10)).await;
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 9));
    desk.pass(10 * MINUTE).await;
    drop(worker);
    desk
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_right_has_a_line_and_nothing_more() {
    let desk = failed_over().await;
    let said = desk.says("status").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"
    ROUTE   STATE    INSTANCE  TARGET          NLB      MOVED    HELD
    orders  in-sync  orders-2  10.0.2.11:3306  healthy  10m ago  -
    users   unknown  -         -               -        -        -

    users  no event or reading yet, so the desired target is unknown; the first one names it

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
    assert_eq!(desk.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_route_alone_is_shown_in_every_detail() {
    let desk = failed_over().await;
    let said = desk.says("status orders").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"
    route orders: in-sync
      why        orders-2 at 10.0.2.11:3306 is healthy
      strategy   swap, mode enforce
      points at  orders-2 at 10.0.2.11:3306, by evidence of 2026-05-06T23:00:09.000Z (10m1s ago)
      group      targetgroup/orders/73e2d6bc24d8a067
                 10.0.2.11:3306 healthy, orders-2, where the route points
      moved      2026-05-06T23:00:10.000Z (10m ago): Moved (WriterMoved), by event, attempt 1, orders/2
                 the group holds orders-2 at 10.0.2.11:3306 and no other writer
      phases     since the evidence of 2026-05-06T23:00:09.000Z: announced +1000 ms, registered +1000
                 ms, deregistered +1000 ms, finished +1000 ms, serving +192 s, old target gone +302 s
      newest     orders/4 2026-05-06T23:05:11.000Z (4m59s ago): target-removed (TargetRemoved)
      chain      ends at 4, hash 909ac34b9b48f1e83ff1f51fe65e35ec2d83b30a8eec4605da4ef97b788e8410

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
}

#[tokio::test(start_paused = true)]
async fn a_move_is_seen_on_its_way_until_its_target_serves() {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_secs(20)).await;
    let said = desk.says("status orders --detailed-exitcode").await;
    assert_eq!(said.code, 2, "{}", said.out);
    insta::assert_snapshot!(said.out, @"
    route orders: converging
      why        orders-2 at 10.0.2.11:3306 is registered and does not serve yet: initial
                 (Elb.RegistrationInProgress)
      strategy   swap, mode enforce
      points at  orders-2 at 10.0.2.11:3306, by evidence of 2026-05-06T23:00:00.000Z (20s ago)
      moves      1 in the last 10 minutes; 5 are allowed
      group      targetgroup/orders/73e2d6bc24d8a067
                 10.0.1.11:3306 draining (Target.DeregistrationInProgress), orders-1
                 10.0.2.11:3306 initial (Elb.RegistrationInProgress), orders-2, where the route points
      moved      2026-05-06T23:00:00.000Z (20s ago): Moved (WriterMoved), by event, attempt 1, orders/2
                 the group holds orders-2 at 10.0.2.11:3306 and no other writer
      phases     since the evidence of 2026-05-06T23:00:00.000Z: announced +0 ms, registered +0 ms,
                 deregistered +0 ms, finished +0 ms
      following  orders-2 at 10.0.2.11:3306: awaited; still to go: 10.0.1.11:3306
      newest     orders/2 2026-05-06T23:00:00.000Z (20s ago): Moved (WriterMoved)
      chain      ends at 2, hash a6309daca822f35285269690cb0b8d5351e1a7a73799bc174b53ae102c63cf44

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_holds_back_says_who_why_and_what_waits() {
    let desk = Desk::with(&["orders", "users"]).await;
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 1, 0));
    desk.rig.fleet.world.deliver(&desk.rig.completed(1, 1, 0));
    desk.pass(Duration::from_secs(5)).await;
    for order in
        ["pause orders --for 1h --reason maintenance --yes", "pin users --to users-1 --reason upgrade --yes"]
    {
        assert_eq!(desk.says(order).await.code, 0, "{order}");
    }
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 4));
    desk.pass(MINUTE).await;
    let said = desk.says("status").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"
    ROUTE   STATE    INSTANCE  TARGET          NLB      MOVED     HELD
    orders  held     orders-1  10.0.1.11:3306  healthy  1m5s ago  paused, waiting
    users   in-sync  users-1   10.0.1.11:3306  healthy  1m ago    pinned

    orders  desired: orders-2 at 10.0.2.11:3306; actual: 10.0.2.11:3306 is not registered,
            10.0.1.11:3306 is still registered (healthy); held: paused by
            arn:aws:sts::123456789012:assumed-role/Operator/ada since 2026-05-06T23:00:05.000Z until
            2026-05-07T00:00:05.000Z: maintenance
    users   pinned to users-1 by arn:aws:sts::123456789012:assumed-role/Operator/ada since
            2026-05-06T23:00:05.000Z: upgrade

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
    let pinned = desk.says("status users --detailed-exitcode").await;
    assert_eq!(pinned.code, 0, "pinned where it stands is right: {}", pinned.out);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_somebody_changed_by_hand_is_wrong_and_says_how() {
    let desk = failed_over().await;
    let arn = &desk.rig.routes[0].group.arn;
    desk.rig.fleet.world.elb.install(arn, desk.rig.target(0, 1)).unwrap();
    let said = desk.says("status orders users --detailed-exitcode").await;
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    insta::assert_snapshot!(said.out, @"
    ROUTE   STATE        INSTANCE  TARGET          NLB              MOVED    HELD
    orders  out-of-sync  orders-2  10.0.2.11:3306  healthy, 1 more  10m ago  -
    users   unknown      -         -               -                -        -

    orders  desired: orders-2 at 10.0.2.11:3306; actual: 10.0.1.11:3306 is still registered (healthy)
    users   no event or reading yet, so the desired target is unknown; the first one names it

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
}

#[tokio::test(start_paused = true)]
async fn a_weighted_route_shows_each_group_with_its_weight() {
    let mut rig = Rig::new(&["orders"]).await;
    rig.make_weighted(0);
    let desk = Desk::in_front_of(rig);
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(10 * MINUTE).await;
    let said = desk.says("status orders --detailed-exitcode").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    insta::assert_snapshot!(said.out, @"
    route orders: in-sync
      why        orders-2 at 10.0.2.11:3306 is healthy
      strategy   weighted, mode enforce
      points at  orders-2 at 10.0.2.11:3306, by evidence of 2026-05-06T23:00:00.000Z (10m ago)
      listener   listener/net/orders/50dc6c495c0c9188/f2f7dc8efc522ab2
      group      of orders-1, weight 0: targetgroup/orders-1/73e2d6bc24d8a067
                 10.0.1.11:3306 healthy, orders-1
      group      of orders-2, weight 100: targetgroup/orders-2/73e2d6bc24d8a067
                 10.0.2.11:3306 healthy, orders-2, where the route points
      group      of orders-3, weight 0: targetgroup/orders-3/73e2d6bc24d8a067
                 10.0.3.11:3306 healthy, orders-3
      moved      2026-05-06T23:00:00.000Z (10m ago): Moved (WriterMoved), by event, attempt 1, orders/2
                 the listener gives everything to orders-2 at 10.0.2.11:3306; weights before: orders-1
                 100, orders-2 0, orders-3 0; after: orders-1 0, orders-2 100, orders-3 0
      phases     since the evidence of 2026-05-06T23:00:00.000Z: announced +0 ms, weights moved +0 ms,
                 finished +0 ms, serving +1000 ms
      newest     orders/3 2026-05-06T23:00:01.000Z (9m59s ago): target-healthy (TargetHealthy)
      chain      ends at 3, hash 11645b8f8840e4080580b305fb75d6656f63bc8aa0454feb6fb5e1ec7bb06ee4

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_not_configured_is_named_with_those_that_are() {
    let desk = Desk::with(&["orders", "users"]).await;
    let said = desk.says("status orders parts").await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    insta::assert_snapshot!(said.err, @r#"
    error: there is no route parts
      why: it is not in the configuration
      fix: configured are: orders, users
    "#);
}

#[tokio::test(start_paused = true)]
async fn the_formats_carry_the_same_routes() {
    let desk = failed_over().await;
    let json = desk.says("status --output json").await;
    let text = std::fs::read_to_string(desk.file()).unwrap();
    let config = ConfigHash::of(&text);
    insta::assert_snapshot!("json", json.out.replace(config.as_str(), "CONFIG"));
    let lines = desk.says("status --output jsonl").await.out;
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut routes = json.rows("routes");
    // Only the time of the look is another one.
    assert_eq!(lines.len(), routes.len());
    for (line, route) in lines.iter().zip(&mut routes) {
        assert_eq!((&line["route"], &line["groups"]), (&route["route"], &route["groups"]));
    }
    let csv = desk.says("status --output csv").await.out;
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.starts_with("at,route,state,why,strategy,mode,instance,target,nlb,"), "{csv}");
    assert!(csv.contains(",orders,in-sync,"), "{csv}");
}

#[tokio::test(start_paused = true)]
async fn on_a_terminal_the_standing_has_its_colour_and_no_line_is_too_wide() {
    let desk = failed_over().await;
    desk.look.set(writerlink::cli::Look::Colour);
    let said = desk.says("status").await;
    assert!(said.out.contains("\u{1b}[32min-sync\u{1b}[0m"), "{:?}", said.out);
    assert!(said.out.contains("\u{1b}[1munknown\u{1b}[0m"), "{:?}", said.out);
    desk.look.set(writerlink::cli::Look::Plain);
    for line in ["status", "status orders"] {
        let said = desk.says(line).await;
        for line in said.out.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
