//! `check` in the embedded simulation: what it has of an installation, and that the rest is said to be missing.

use writerlink_core::model::names::SourceId;

use crate::desk::Desk;

#[tokio::test(start_paused = true)]
async fn the_simulation_is_checked_as_far_as_it_goes() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says("check --verbose").await;
    insta::assert_snapshot!(said.out);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[tokio::test(start_paused = true)]
async fn a_check_shows_problems_first_and_counts_what_passed() {
    let desk = Desk::with(&["orders"]).await;
    let (short, whole) = (desk.says("check").await.out, desk.says("check --verbose").await.out);
    assert!(short.starts_with("warn table writerlink-state"), "{short}");
    assert!(short.ends_with(" skipped, 37 pass (--verbose shows every line)\n"), "{short}");
    assert!(!short.contains("  pass "), "{short}");
    assert!(short.lines().count() * 2 < whole.lines().count(), "{short}");
}

#[tokio::test(start_paused = true)]
async fn no_line_of_the_table_is_wider_than_a_hundred_columns() {
    let desk = Desk::with(&["orders", "billing"]).await;
    let said = desk.says("check --verbose").await;
    for line in said.out.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn check_of_one_route_includes_what_all_share_and_refuses_unknown_routes() {
    let desk = Desk::with(&["orders", "billing"]).await;
    let subjects = |said: &crate::desk::Said| {
        let rows = said.rows("findings");
        let subject = |row: &serde_json::Value| row["subject"].as_str().unwrap().to_owned();
        rows.iter().map(subject).collect::<std::collections::BTreeSet<_>>()
    };
    let one = desk.says("check --route billing --output json").await;
    let all = desk.says("check --output json").await;
    let mut missing = subjects(&all);
    missing.retain(|subject| !subjects(&one).contains(subject));
    assert_eq!(Vec::from_iter(missing), ["route orders"]);
    let none = desk.says("check --route nobody").await;
    assert_eq!((none.code, none.out.as_str()), (1, ""));
    assert!(none.err.contains("there is no route nobody"), "{}", none.err);
}

#[tokio::test(start_paused = true)]
async fn a_check_warning_exits_0_unless_strict_and_a_failure_exits_1() {
    let desk = Desk::with(&["orders"]).await;
    // Its tables can be deleted, which is a warning.
    assert_eq!(desk.says("check").await.code, 0);
    assert_eq!(desk.says("check --strict").await.code, 1);
    let first = desk.rig.routes[0].instances.keys().next().unwrap();
    let source = SourceId::new("orders").unwrap();
    let clusters = &desk.rig.fleet.world.rds;
    clusters.set_address(&source, first, "10.0.9.9".parse().unwrap());
    let said = desk.says("check").await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("fail route orders: instances"), "{}", said.out);
}

#[tokio::test(start_paused = true)]
async fn the_same_lines_are_written_for_programs_with_a_version() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says("check --output json").await;
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["version"], 1);
    let rows = said.rows("findings");
    let fields: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["remedy", "source", "subject", "verdict", "what", "why"]);
    let lines = desk.says("check --output jsonl").await.out.lines().count();
    let csv = desk.says("check --output csv").await.out.lines().count();
    assert_eq!((lines, csv), (rows.len(), rows.len() + 1));
}

#[tokio::test(start_paused = true)]
async fn checking_writes_nothing() {
    let desk = Desk::with(&["orders"]).await;
    desk.says("check").await;
    assert_eq!((desk.writes(), desk.mutating_calls()), (0, 0));
}
