//! `status --watch`: the same again and again, until somebody asks to stop.

use std::time::Duration;

use writerlink::cli::Look;
use writerlink_core::model::provenance::ConfigHash;

use crate::desk::{Desk, Said};

/// Watches for a while, then asks to stop.
async fn watched(desk: &Desk, line: &str, time: Duration) -> Said {
    let stopping = async {
        desk.pass(time).await;
        desk.stop.send_modify(|count| *count += 1);
    };
    let (said, ()) = tokio::join!(desk.says(line), stopping);
    said
}

#[tokio::test(start_paused = true)]
async fn without_a_terminal_every_look_is_one_document_on_a_line() {
    let desk = Desk::with(&["orders"]).await;
    for output in ["table", "json", "jsonl"] {
        let line = format!("status --watch 5 --output {output}");
        let said = watched(&desk, &line, Duration::from_secs(12)).await;
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let documents: Vec<serde_json::Value> =
            said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(documents.len(), 3, "at 0, 5 and 10 seconds");
        assert!(documents.iter().all(|document| document["version"] == 2));
        assert_ne!(documents[0]["at"], documents[1]["at"]);
        assert_eq!(documents[0]["queue"]["visible"], 0);
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_terminal_each_look_is_drawn_over_the_one_before() {
    let desk = Desk::with(&["orders"]).await;
    desk.look.set(Look::Terminal);
    let said = watched(&desk, "status --watch 5", Duration::from_secs(6)).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out.matches("\u{1b}[H").count(), 2);
    assert!(said.out.ends_with("\u{1b}[J"), "{:?}", said.out);
    let first = said.out.split("\u{1b}[J").next().unwrap();
    let text = std::fs::read_to_string(desk.file()).unwrap();
    let first = first.replace(ConfigHash::of(&text).as_str(), "HASH-OF-MINE");
    insta::assert_snapshot!(first.replace("\u{1b}[H", "").replace("\u{1b}[K", ""), @"
    2026-05-06T23:00:00.000Z, every 5 s; Ctrl-C ends

    installation   writerlink
    configuration  HASH-OF-MINE; no worker has recorded anything of these routes yet

    ROUTE   STATE    INSTANCE  TARGET  NLB  MOVED  HELD
    orders  unknown  -         -       -    -      -

    orders  no event or reading yet, so the desired target is unknown; the first one names it

    queue  0 waiting, 0 in flight; dead letters: 0
    ");
}

#[tokio::test(start_paused = true)]
async fn how_it_ends_is_told_by_the_last_look() {
    let desk = Desk::with(&["orders"]).await;
    let line = "status --watch 5 --detailed-exitcode";
    let said = watched(&desk, line, Duration::from_secs(12)).await;
    assert_eq!(said.code, 2, "nothing has moved the route yet");
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    let said = watched(&desk, line, Duration::from_mins(10)).await;
    assert_eq!(said.code, 0, "{}", said.out.lines().last().unwrap());
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn csv_has_no_successive_documents() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says("status --watch 5 --output csv").await;
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("--output jsonl"), "{}", said.err);
}
