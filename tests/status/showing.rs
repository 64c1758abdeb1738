//! What `status` shows of routes that stand in every way a route can.

use std::time::Duration;

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
    insta::assert_snapshot!(said.out, @"");
    assert_eq!(desk.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_route_alone_is_shown_in_every_detail() {
    let desk = failed_over().await;
    let said = desk.says("status orders").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"");
}

#[tokio::test(start_paused = true)]
async fn a_move_is_seen_on_its_way_until_its_target_serves() {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_secs(20)).await;
    let said = desk.says("status orders --detailed-exitcode").await;
    assert_eq!(said.code, 2, "{}", said.out);
    insta::assert_snapshot!(said.out, @"");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_holds_back_says_who_why_and_what_waits() {
    let desk = Desk::with(&["orders", "users"]).await;
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 1, 0));
    desk.rig.fleet.world.deliver(&desk.rig.completed(1, 1, 0));
    desk.pass(Duration::from_secs(5)).await;
    for order in [
        "pause orders --for 1h --reason maintenance --yes",
        "pin users --to users-1 --reason upgrade --yes",
    ] {
        assert_eq!(desk.says(order).await.code, 0, "{order}");
    }
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 4));
    desk.pass(MINUTE).await;
    let said = desk.says("status").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"");
    let pinned = desk.says("status users --detailed-exitcode").await;
    assert_eq!(
        pinned.code, 0,
        "pinned where it stands is right: {}",
        pinned.out
    );
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_somebody_changed_by_hand_is_wrong_and_says_how() {
    let desk = failed_over().await;
    let arn = &desk.rig.routes[0].group.arn;
    desk.rig
        .fleet
        .world
        .elb
        .install(arn, desk.rig.target(0, 1))
        .unwrap();
    let said = desk.says("status orders users --detailed-exitcode").await;
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    insta::assert_snapshot!(said.out, @"");
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
    insta::assert_snapshot!(said.out, @"");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_not_configured_is_named_with_those_that_are() {
    let desk = Desk::with(&["orders", "users"]).await;
    let said = desk.says("status orders parts").await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    insta::assert_snapshot!(said.err, @"");
}

#[tokio::test(start_paused = true)]
async fn the_formats_carry_the_same_routes() {
    let desk = failed_over().await;
    let json = desk.says("status --output json").await;
    insta::assert_snapshot!(json.out, @"");
    let lines = desk.says("status --output jsonl").await.out;
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut routes = json.rows("routes");
    // Only the time of the look is another one.
    assert_eq!(lines.len(), routes.len());
    for (line, route) in lines.iter().zip(&mut routes) {
        assert_eq!(
            (&line["route"], &line["groups"]),
            (&route["route"], &route["groups"])
        );
    }
    let csv = desk.says("status --output csv").await.out;
    assert_eq!(csv.lines().count(), 3);
    assert!(
        csv.starts_with("at,route,standing,why,strategy,mode,instance,target,nlb,"),
        "{csv}"
    );
    assert!(csv.contains(",orders,right,"), "{csv}");
}

#[tokio::test(start_paused = true)]
async fn on_a_terminal_the_standing_has_its_colour_and_no_line_is_too_wide() {
    let desk = failed_over().await;
    desk.look.set(writerlink::cli::Look::Colour);
    let said = desk.says("status").await;
    assert!(
        said.out.contains("\u{1b}[32mright\u{1b}[0m"),
        "{:?}",
        said.out
    );
    assert!(
        said.out.contains("\u{1b}[1munknown\u{1b}[0m"),
        "{:?}",
        said.out
    );
    desk.look.set(writerlink::cli::Look::Plain);
    for line in ["status", "status orders"] {
        let said = desk.says(line).await;
        for line in said.out.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
