//! How orders are confirmed, and how they are told.

use std::time::Duration;

use crate::desk::{Desk, WHO};

const MINUTE: Duration = Duration::from_mins(1);

const LINES: [&str; 8] = [
    "swap orders --to orders-2",
    "pin orders --to orders-2",
    "unpin orders",
    "pause orders",
    "resume orders",
    "ack orders",
    "freeze",
    "unfreeze",
];

#[tokio::test(start_paused = true)]
async fn without_a_terminal_and_without_yes_nothing_is_asked_or_done() {
    let desk = Desk::with(&["orders"]).await;
    for line in LINES {
        let said = desk.says(&format!("{line} --reason x")).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{line}");
        assert!(said.err.contains("fix: pass --yes to go ahead"), "{}", said.err);
    }
    assert_eq!(desk.asked.get(), 0);
    assert!(desk.rig.calls("desk").is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_a_terminal_the_plan_is_shown_and_only_a_yes_carries_it_out() {
    let desk = Desk::with(&["orders"]).await;
    for answer in ["n\n", "", "nay\n", "\n"] {
        let said = desk.answers("swap orders --to orders-2 --reason x", answer).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{answer:?}");
        assert!(said.err.contains("register"), "{}", said.err);
        assert!(said.err.contains("error: nothing was ordered"), "{}", said.err);
    }
    assert_eq!((desk.writes(), desk.mutating_calls()), (0, 0));
    let said = desk.answers("swap orders --to orders-2 --reason x", "Yes\n").await;
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(said.err, @r#"
    ROUTE   DECISION  ACTION      TARGET          STATE    NOTE
    orders  Move      register    10.0.2.11:3306  absent   orders-2 alone, by evidence of
                                                           2026-05-06T23:00:00.000Z
    orders  Move      deregister  10.0.1.11:3306  healthy  orders-2 alone, by evidence of
                                                           2026-05-06T23:00:00.000Z

    swap to orders-2 by arn:aws:sts::123456789012:assumed-role/Operator/ada: x
    Do this? [y/N]
    "#);
    insta::assert_snapshot!(said.out, @"
    ROUTE   ORDER  OUTCOME  TARGET          TOOK  NOTE
    orders  swap   Moved    10.0.2.11:3306  0 ms  the group holds orders-2 at 10.0.2.11:3306 and no
                                                  other writer
    ");
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_would_be_refused_is_not_asked_about() {
    let desk = Desk::with(&["orders"]).await;
    let pause = "pause orders --for 1h --reason drill --yes";
    assert_eq!(desk.says(pause).await.code, 0);
    let said = desk.answers("swap orders --to orders-2 --reason x", "y\n").await;
    assert_eq!(said.code, 5, "{}", said.out);
    insta::assert_snapshot!(said.out, @r#"
    ROUTE   DECISION  ACTION   TARGET  STATE  NOTE
    orders  Rejected  nothing  -       -      paused by
                                              arn:aws:sts::123456789012:assumed-role/Operator/ada since
                                              2026-05-06T23:00:00.000Z until 2026-05-07T00:00:00.000Z:
                                              drill; would move to orders-2 at 10.0.2.11:3306;
                                              --override paused goes past it
    "#);
    insta::assert_snapshot!(said.err, @r#"
    error: route orders was not moved
      why: paused by arn:aws:sts::123456789012:assumed-role/Operator/ada since 2026-05-06T23:00:00.000Z until 2026-05-07T00:00:00.000Z: drill; would move to orders-2 at 10.0.2.11:3306; --override paused goes past it
      fix: `writerlink resume orders` ends the pause; `writerlink swap orders --to orders-2 --override paused --reason 'x'` goes past it this once
    "#);
    let nothing = desk.answers("unpin orders --reason x", "y\n").await;
    assert_eq!((nothing.code, nothing.err.as_str()), (0, ""));
    insta::assert_snapshot!(nothing.out, @r#"
    ROUTE   DECISION  ACTION   TARGET  STATE  NOTE
    orders  Nothing   nothing  -       -      it is not pinned; still paused by
                                              arn:aws:sts::123456789012:assumed-role/Operator/ada since
                                              2026-05-06T23:00:00.000Z until 2026-05-07T00:00:00.000Z:
                                              drill (`writerlink resume orders` lifts it)
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_order_counts_from_its_confirmation() {
    let desk = Desk::with(&["orders"]).await;
    let pause = "pause orders --for 1h --reason x";
    let said = desk.answers_after(MINUTE, pause, "y\n").await;
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(said.err, @r#"
    ROUTE   DECISION  ACTION  TARGET  STATE  NOTE
    orders  Order     pause   -       -      no call for the route until 2026-05-07T00:00:00.000Z

    pause until 2026-05-07T00:00:00.000Z by arn:aws:sts::123456789012:assumed-role/Operator/ada: x
    Do this? [y/N]
    "#);
    insta::assert_snapshot!(said.out, @r#"
    ROUTE   ORDER  OUTCOME  TARGET  TOOK  NOTE
    orders  pause  InForce  -       0 ms  pause until 2026-05-07T00:01:00.000Z by
                                          arn:aws:sts::123456789012:assumed-role/Operator/ada: x
    "#);
}

#[tokio::test(start_paused = true)]
async fn what_an_order_replaces_or_lifts_is_shown_before() {
    let desk = Desk::with(&["orders"]).await;
    assert_eq!(desk.says("pause orders --reason first --yes").await.code, 0);
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_secs(5)).await;
    let note = async |line: &str| {
        let said = desk.says(&format!("{line} --reason x --dry-run --output json")).await;
        said.rows("plan")[0]["note"].as_str().unwrap().to_owned()
    };
    let first = format!("paused by {WHO} since 2026-05-06T23:00:00.000Z: first");
    let replaced = note("pause orders").await;
    assert!(replaced.contains(&format!("; replaces: {first}")), "{replaced}");
    let lifted = note("resume orders").await;
    assert!(lifted.contains(&format!("lifts: {first}")), "{lifted}");
    assert!(lifted.contains("held back is a move to orders-2"), "{lifted}");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn the_formats_carry_the_same_rows() {
    let desk = Desk::with(&["orders", "users"]).await;
    let freeze = async |format: &str| {
        let line = format!("freeze --for 1d --reason outage --yes --output {format}");
        let said = desk.says(&line).await;
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{format}");
        said.out
    };
    let table = freeze("table").await;
    insta::assert_snapshot!(table, @r#"
    ROUTE   ORDER   OUTCOME  TARGET  TOOK  NOTE
    orders  freeze  InForce  -       0 ms  freeze until 2026-05-07T23:00:00.000Z by
                                           arn:aws:sts::123456789012:assumed-role/Operator/ada: outage
    users   freeze  InForce  -       0 ms  freeze until 2026-05-07T23:00:00.000Z by
                                           arn:aws:sts::123456789012:assumed-role/Operator/ada: outage
    "#);
    let json = freeze("json").await;
    insta::assert_snapshot!(json, @r#"
    {
      "version": 1,
      "ordered": [
        {
          "route": "orders",
          "order": "freeze",
          "outcome": "InForce",
          "reason": "OperatorCommand",
          "instance": null,
          "target": null,
          "until": "2026-05-07T23:00:00.000Z",
          "by": "arn:aws:sts::123456789012:assumed-role/Operator/ada",
          "took_ms": 0,
          "id": "orders/2",
          "note": "freeze until 2026-05-07T23:00:00.000Z by arn:aws:sts::123456789012:assumed-role/Operator/ada: outage"
        },
        {
          "route": "users",
          "order": "freeze",
          "outcome": "InForce",
          "reason": "OperatorCommand",
          "instance": null,
          "target": null,
          "until": "2026-05-07T23:00:00.000Z",
          "by": "arn:aws:sts::123456789012:assumed-role/Operator/ada",
          "took_ms": 0,
          "id": "users/2",
          "note": "freeze until 2026-05-07T23:00:00.000Z by arn:aws:sts::123456789012:assumed-role/Operator/ada: outage"
        }
      ]
    }
    "#);
    let jsonl = freeze("jsonl").await;
    insta::assert_snapshot!(jsonl, @r#"
    {"route":"orders","order":"freeze","outcome":"InForce","reason":"OperatorCommand","instance":null,"target":null,"until":"2026-05-07T23:00:00.000Z","by":"arn:aws:sts::123456789012:assumed-role/Operator/ada","took_ms":0,"id":"orders/3","note":"freeze until 2026-05-07T23:00:00.000Z by arn:aws:sts::123456789012:assumed-role/Operator/ada: outage"}
    {"route":"users","order":"freeze","outcome":"InForce","reason":"OperatorCommand","instance":null,"target":null,"until":"2026-05-07T23:00:00.000Z","by":"arn:aws:sts::123456789012:assumed-role/Operator/ada","took_ms":0,"id":"users/3","note":"freeze until 2026-05-07T23:00:00.000Z by arn:aws:sts::123456789012:assumed-role/Operator/ada: outage"}
    "#);
    let csv = freeze("csv").await;
    insta::assert_snapshot!(csv, @"
    route,order,outcome,reason,instance,target,until,by,took_ms,id,note
    orders,freeze,InForce,OperatorCommand,,,2026-05-07T23:00:00.000Z,arn:aws:sts::123456789012:assumed-role/Operator/ada,0,orders/4,freeze until 2026-05-07T23:00:00.000Z by arn:aws:sts::123456789012:assumed-role/Operator/ada: outage
    users,freeze,InForce,OperatorCommand,,,2026-05-07T23:00:00.000Z,arn:aws:sts::123456789012:assumed-role/Operator/ada,0,users/4,freeze until 2026-05-07T23:00:00.000Z by arn:aws:sts::123456789012:assumed-role/Operator/ada: outage
    ");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_not_configured_is_named() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says("pause users --reason x --yes").await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("there is no route users"), "{}", said.err);
}
