//! tail: every record once, as it is written.

use std::time::Duration;

use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Fate, Fault};

use super::archive::{done, failover, ids, more, moved, numbered, overwrite, redacted, remove};
use crate::desk::{DESK, Desk};

/// Moves both routes now and then, at times that have nothing to do with when anybody looks.
async fn an_hour_of_moves(desk: &Desk) {
    let worker = desk.rig.start("busy");
    for n in 0..40 {
        let (route, instance) = (n % 2, if n % 4 < 2 { 2 } else { 3 });
        failover(desk, route, instance);
        desk.pass(Duration::from_millis(1_000 + n as u64 * 377)).await;
    }
    worker.stop();
    assert!(worker.ended().await);
}

/// All records that both routes have after these numbers, each once.
async fn all_after(desk: &Desk, seq: u64) -> Vec<String> {
    let mut all = Vec::new();
    for (n, route) in ["orders", "billing"].into_iter().enumerate() {
        let chain = desk.rig.chain(n).await;
        all.extend(numbered(route, seq + 1..=chain.len() as u64));
    }
    all.sort_unstable();
    all
}

#[tokio::test(start_paused = true)]
async fn no_record_is_lost_and_none_comes_twice_however_often_it_looks() {
    for every in [1, 7, 3_600] {
        let desk = moved(&["orders", "billing"], 2).await;
        let line = format!("audit tail --output jsonl --every {every}");
        let moving = async {
            desk.pass(Duration::from_secs(1)).await;
            an_hour_of_moves(&desk).await;
            desk.pass(Duration::from_secs(3_601)).await;
            desk.stop.send_replace(1);
        };
        let (said, ()) = tokio::join!(desk.says(&line), moving);
        let mut told = ids(&done(said).out);
        assert!(told.len() > 40, "{}", told.len());
        let of = |route: &str| -> Vec<u64> {
            let seqs = told.iter().filter_map(|id| id.strip_prefix(route));
            seqs.map(|seq| seq[1..].parse().unwrap()).collect()
        };
        assert!(of("orders").is_sorted() && of("billing").is_sorted());
        told.sort_unstable();
        assert_eq!(told, all_after(&desk, 4).await, "every {every} s");
    }
}

#[tokio::test(start_paused = true)]
async fn who_stops_and_goes_on_later_misses_nothing() {
    let desk = moved(&["orders", "billing"], 2).await;
    let mut told = Vec::new();
    let mut after = "--after orders/0,billing/0".to_owned();
    let tailing = async {
        let (told, after) = (&mut told, &mut after);
        for round in 0..5 {
            desk.stop.send_replace(0);
            let line = format!("audit tail --output jsonl {after}");
            let stopping = async {
                desk.pass(Duration::from_millis(61_300 + round * 7_100)).await;
                desk.stop.send_replace(1);
            };
            let (said, ()) = tokio::join!(desk.says(&line), stopping);
            let said = done(said);
            told.extend(ids(&said.out));
            let (_, rest) = said.err.split_once("goes on with ").unwrap();
            *after = rest.trim().to_owned();
            desk.pass(Duration::from_secs(13)).await;
        }
    };
    let ((), ()) = tokio::join!(tailing, an_hour_of_moves(&desk));
    desk.stop.send_replace(0);
    let stopping = async {
        desk.pass(Duration::from_secs(5)).await;
        desk.stop.send_replace(1);
    };
    let line = format!("audit tail --output jsonl {after}");
    let (said, ()) = tokio::join!(desk.says(&line), stopping);
    told.extend(ids(&done(said).out));
    told.sort_unstable();
    assert!(told.len() > 40);
    assert_eq!(told, all_after(&desk, 0).await);
}

#[tokio::test(start_paused = true)]
async fn it_looks_like_this_and_ends_at_once_when_it_is_told_to() {
    let desk = moved(&["orders"], 1).await;
    let following = async {
        let said = desk.says("audit tail orders --since 1h --every 60").await;
        (said, desk.rig.fleet.world.fabric.time.now())
    };
    let moving = async {
        desk.pass(Duration::from_secs(5)).await;
        more(&desk, 0, 1).await;
        desk.pass(Duration::from_mins(1)).await;
        desk.stop.send_replace(1);
        desk.rig.fleet.world.fabric.time.now()
    };
    let ((said, ended), stopped) = tokio::join!(following, moving);
    assert_eq!(ended, stopped, "it does not sleep on");
    let said = done(said);
    insta::assert_snapshot!(redacted(&said.out), @"
    2026-05-06T23:02:31.000Z  orders/1            started         -               orders-2      0 ms
    2026-05-06T23:02:31.000Z  orders/2            Moved           WriterMoved     orders-2      0 ms
    2026-05-06T23:05:09.000Z  orders/3            started         -               orders-2      0 ms
    2026-05-06T23:05:09.000Z  orders/4            AlreadyThere    NothingToDo     orders-2      0 ms
    ");
    insta::assert_snapshot!(said.err, @r#"
    following route orders, every 60 s; Ctrl-C ends it
    stopped; the same command goes on with --after orders/4
    "#);
    for line in said.out.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_time_it_begins_with_what_comes_next() {
    let desk = moved(&["orders"], 2).await;
    let moving = async {
        desk.pass(Duration::from_secs(5)).await;
        more(&desk, 0, 1).await;
        desk.pass(Duration::from_secs(5)).await;
        desk.stop.send_replace(1);
    };
    let (said, ()) = tokio::join!(desk.says("audit tail --output csv"), moving);
    let said = done(said);
    let seqs: Vec<&str> = said.out.lines().map(|line| line.split(',').nth(2).unwrap()).collect();
    assert_eq!(seqs, ["seq", "5", "6"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_for_a_while_is_told_and_loses_nothing() {
    let desk = moved(&["orders"], 1).await;
    let plan = |kind: ErrorKind| {
        move |site: &CallSite| match (site.process.as_str(), site.call) {
            (DESK, "Query") => Fate::meets(Fault::Refused(kind)),
            _ => Fate::WORKS,
        }
    };
    let fabric = &desk.rig.fleet.world.fabric;
    let moving = async {
        desk.pass(Duration::from_secs(5)).await;
        fabric.set_plan(Box::new(plan(ErrorKind::Throttled)));
        more(&desk, 0, 2).await;
        desk.pass(Duration::from_secs(5)).await;
        fabric.set_plan(writerlink_sim::faults::no_faults());
        desk.pass(Duration::from_secs(5)).await;
        desk.stop.send_replace(1);
    };
    let (said, ()) = tokio::join!(desk.says("audit tail --output jsonl"), moving);
    let said = done(said);
    assert_eq!(ids(&said.out), numbered("orders", 3..=6));
    assert!(said.err.contains("Query failed (throttled"), "{}", said.err);
    assert!(said.err.contains("trying again"), "{}", said.err);
    desk.stop.send_replace(0);
    fabric.set_plan(Box::new(plan(ErrorKind::Denied)));
    let said = desk.says("audit tail --output jsonl").await;
    assert_eq!(said.code, 1, "what does not pass ends it");
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_away_is_told_and_the_rest_comes() {
    let desk = moved(&["orders"], 3).await;
    remove(&desk, "orders", 2).await;
    overwrite(&desk, ("orders", 4), "record", "{}").await;
    desk.stop.send_replace(0);
    let stopping = async {
        desk.pass(Duration::from_secs(5)).await;
        desk.stop.send_replace(1);
    };
    let (said, ()) = tokio::join!(desk.says("audit tail --after orders/0 --output jsonl"), stopping);
    let said = done(said);
    assert_eq!(ids(&said.out), numbered("orders", [1, 3, 5, 6]));
    insta::assert_snapshot!(said.err, @r#"
    following route orders, every 2 s; Ctrl-C ends it
    orders/2 is missing, orders/3 is there; ask `writerlink audit verify orders`
    record 4 of route orders cannot be read: not the JSON of an audit record: missing field `format` at line 1 column 2; ask `writerlink audit verify orders`
    stopped; the same command goes on with --after orders/6
    "#);
}

#[tokio::test(start_paused = true)]
async fn one_object_is_no_form_for_what_has_no_end() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says("audit tail --output json").await;
    assert_eq!((said.code, said.out.as_str()), (2, ""));
}
