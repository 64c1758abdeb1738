//! Why an event moved a route, or did not.

use std::time::Duration;

use writerlink::domain::event::EventKey;
use writerlink::embedded::event_bodies::{eventbridge, rds_sns, sns_envelope};

use crate::desk::Desk;

/// A world in which `orders` has failed over to its second instance.
async fn failed_over() -> Desk {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    desk.pass(Duration::from_secs(60)).await;
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 59));
    desk.pass(Duration::from_secs(60)).await;
    drop(worker);
    desk
}

#[tokio::test(start_paused = true)]
async fn an_event_in_a_file_is_walked_question_by_question() {
    let desk = failed_over().await;
    let file = desk.file_with(&eventbridge(&desk.rig.completed(0, 3, 100)));
    let said = desk.says(&format!("explain {file}")).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"");
    assert_eq!(desk.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_walk_ends_where_the_evidence_is_stopped() {
    let desk = failed_over().await;
    let stopped_at = async |file: &str| {
        let said = desk.says(&format!("explain {file} --output json")).await;
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let explained = said.rows("explained");
        let asked = explained[0]["asked"].as_array().unwrap().clone();
        let (last, before) = asked.split_last().unwrap();
        assert!(
            before.iter().all(|asked| asked["answer"] == "pass"),
            "{asked:?}"
        );
        assert_eq!(last["answer"], "stop");
        (
            last["question"].as_str().unwrap().to_owned(),
            explained[0]["reason"].clone(),
        )
    };
    let same = desk.file_with(&eventbridge(&desk.rig.completed(0, 2, 59)));
    assert_eq!(
        stopped_at(&same).await,
        ("new".to_owned(), "SettledBefore".into())
    );
    // The other envelopes hold the same event.
    let late = desk.rig.completed(0, 1, 30);
    for body in [eventbridge(&late), rds_sns(&late), sns_envelope(&late)] {
        let file = desk.file_with(&body);
        assert_eq!(
            stopped_at(&file).await,
            ("news".to_owned(), "EvidenceNotNewer".into())
        );
    }
    let mut stranger = desk.rig.completed(0, 1, 100);
    stranger.message = "Completed failover to DB instance: parts-1".to_owned();
    let file = desk.file_with(&eventbridge(&stranger));
    assert_eq!(
        stopped_at(&file).await,
        ("address-known".to_owned(), "UnknownInstance".into())
    );
    assert_eq!(desk.says("pause orders --reason drill --yes").await.code, 0);
    let writes = desk.writes();
    let file = desk.file_with(&eventbridge(&desk.rig.completed(0, 3, 100)));
    assert_eq!(
        stopped_at(&file).await,
        ("not-paused".to_owned(), "Paused".into())
    );
    assert_eq!(desk.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_event_is_explained_by_its_records() {
    let desk = failed_over().await;
    let event = desk.rig.completed(0, 2, 59);
    let key = EventKey::of(&desk.rig.routes[0].name, &event);
    let said = desk.says(&format!("explain {key}")).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"");
    let decided = desk
        .says(&format!("explain {key} --output json"))
        .await
        .rows("decided");
    let last = decided.last().unwrap();
    assert_eq!(decided[1]["outcome"], "Swapped");
    assert_eq!(last["meaning"].is_string(), last["reason"].is_string());
    let id = decided[0]["transition"].as_str().unwrap();
    let by_id = desk.says(&format!("explain {id}")).await;
    assert_eq!(by_id.out, said.out);
    for format in ["jsonl", "csv"] {
        let lines = desk
            .says(&format!("explain {key} --output {format}"))
            .await
            .out;
        let heading = usize::from(format == "csv");
        assert_eq!(
            lines.lines().count(),
            decided.len() + heading,
            "{format}: {lines}"
        );
    }
    assert_eq!(desk.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_moved_nothing_names_the_question_that_stopped_it() {
    let desk = failed_over().await;
    let worker = desk.rig.start("w2");
    let late = desk.rig.completed(0, 1, 30);
    desk.rig.fleet.world.deliver(&late);
    desk.pass(Duration::from_secs(5)).await;
    let key = EventKey::of(&desk.rig.routes[0].name, &late);
    let said = desk.says(&format!("explain {key}")).await;
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(said.out, @"");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_told_with_what_to_do() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says(&format!("explain {}", "0".repeat(64))).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("there is no record of event 0000"),
        "{}",
        said.err
    );
    let said = desk.says("explain nowhere.json").await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("nowhere.json cannot be read"),
        "{}",
        said.err
    );
}
