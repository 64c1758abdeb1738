//! A ledger whose tables were restored to an earlier point, deleted, or written to by somebody else: real workers in
//! the embedded world, whose clock is paused.
#![expect(clippy::unwrap_used, reason = "a test stops where a step fails")]

mod adopting;
mod story;

use std::time::Duration;

use story::{FOREIGN, SECOND, Story};
use writerlink_core::ledger::record::RecordKind;
use writerlink_engine::timer::INTERVAL;
use writerlink_sim::dynamodb::LedgerTable::{Audit, State};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_state_one_record_behind_recovers_with_the_next_event() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    // The event is accepted, and the state is restored to before its last record.
    let begun = story.backup(State);
    let pause = story.desk.says("pause orders --reason before --yes").await;
    assert_eq!(pause.code, 0);
    story.remembers_its_rows().await;
    story.restore(&begun);
    story.fails_over("w2", 3, 2).await;
    // I7: the pause that only the records know holds the route.
    assert_eq!(story.rig().told.ends().last(), Some(&"Paused"));
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 2)]);
    assert!(story.kinds().await.contains(&RecordKind::Recovered));
    assert_eq!(story.told("LedgerRecovered").len(), 1);
    let resume = story.desk.says("resume orders --reason after --yes").await;
    assert_eq!(resume.code, 0);
    story.works_again().await;
    story.rig().chain(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_state_several_records_behind_lets_nothing_old_move_the_route() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(State);
    story.fails_over("w2", 3, 20).await;
    story.fails_over("w3", 1, 30).await;
    story.remembers_its_rows().await;
    story.restore(&early);
    // I3: older than what the records show as accepted, newer than what the state knows.
    story.fails_over("w4", 2, 25).await;
    assert_eq!(story.rig().told.ends().last(), Some(&"Superseded"));
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 1)]);
    // I4: those whose entries the restored table lacks are known again.
    story.fails_over("w5", 3, 20).await;
    assert_eq!(story.rig().told.ends().last(), Some(&"Duplicate"));
    story.works_again().await;
    story.rig().chain(0).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_entry_is_gone_and_whose_records_stand_is_settled_once() {
    let mut story = Story::new().await;
    let before = story.backup(State);
    story.fails_over("w1", 2, 1).await;
    story.remembers_its_rows().await;
    story.restore(&before);
    story.fails_over("w2", 2, 1).await;
    assert_eq!(story.rig().told.ends(), ["Moved", "Duplicate"]);
    story.works_again().await;
    story.rig().chain(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_state_row_is_rebuilt_from_the_first_record_on() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    story.fails_over("w2", 3, 2).await;
    story.remembers_its_rows().await;
    let before = story.state().unwrap();
    let name = story.rig().routes[0].name.clone();
    story.rig().fleet.dynamo.delete_route(&name).unwrap();
    story.fails_over("w3", 1, 3).await;
    let after = story.state().unwrap();
    assert!(after.control.generation > before.control.generation);
    assert_eq!(after.control.safety.moves.len(), 3, "flap protection counts every move");
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 1)]);
    story.works_again().await;
    story.rig().chain(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_route_recovers_within_one_interval_of_the_timer() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(State);
    story.fails_over("w2", 3, 2).await;
    story.remembers_its_rows().await;
    let worker = story.rig().start("w3");
    tokio::time::sleep(INTERVAL * 2).await;
    let settled = story.state().unwrap();
    for deleted in [false, true] {
        if deleted {
            let name = story.rig().routes[0].name.clone();
            story.rig().fleet.dynamo.delete_route(&name).unwrap();
        } else {
            story.restore(&early);
        }
        tokio::time::sleep(INTERVAL).await;
        let state = story.state().unwrap();
        assert_eq!(state.control.desired, settled.control.desired);
        assert_eq!(state.chain.seq, *story.rows().await.keys().last().unwrap());
    }
    assert_eq!(story.told("LedgerRecovered").len(), 2);
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 3)]);
    worker.stop();
    assert!(worker.ended().await);
    // A worker that starts on a restored state, or on a deleted row, finds it out too.
    for (worker, deleted) in [("w4", false), ("w5", true)] {
        if deleted {
            let name = story.rig().routes[0].name.clone();
            story.rig().fleet.dynamo.delete_route(&name).unwrap();
        } else {
            story.restore(&early);
        }
        let worker = story.rig().start(worker);
        tokio::time::sleep(INTERVAL).await;
        let state = story.state().unwrap();
        assert_eq!(state.control.desired, settled.control.desired);
        assert_eq!(state.chain.seq, *story.rows().await.keys().last().unwrap());
        worker.stop();
        assert!(worker.ended().await);
    }
    story.works_again().await;
}

#[tokio::test(start_paused = true)]
async fn an_audit_restored_alone_leaves_the_route_working_and_its_gap_named() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(Audit);
    story.remembers_its_rows().await;
    story.fails_over("w2", 3, 2).await;
    story.restore(&early);
    story.fails_over("w3", 2, 3).await;
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 2)]);
    let verify = story.desk.says("audit verify").await;
    assert_eq!(verify.code, 3, "{}{}", verify.out, verify.err);
    story.works_again().await;
}

#[tokio::test(start_paused = true)]
async fn both_tables_restored_to_different_points_recover_in_each_order() {
    for audit_is_older in [false, true] {
        let mut story = Story::new().await;
        story.fails_over("w1", 2, 1).await;
        let (one, first) = (story.backup(State), story.backup(Audit));
        story.fails_over("w2", 3, 2).await;
        let (two, second) = (story.backup(State), story.backup(Audit));
        story.fails_over("w3", 1, 3).await;
        let (state, audit) = if audit_is_older { (two, first) } else { (one, second) };
        story.restore(&state);
        story.restore(&audit);
        story.remembers_its_rows().await;
        story.fails_over("w4", 2, 4).await;
        assert_eq!(story.rig().registered(0), [story.rig().target(0, 2)]);
        story.works_again().await;
    }
}

#[tokio::test(start_paused = true)]
async fn both_tables_deleted_are_a_ledger_that_begins_anew() {
    let story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    story.rig().fleet.dynamo.empty(State).unwrap();
    story.rig().fleet.dynamo.empty(Audit).unwrap();
    story.fails_over("w2", 3, 2).await;
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 3)]);
    story.works_again().await;
    story.rig().chain(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_row_is_reported_and_the_message_comes_back() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let head = story.head();
    let name = story.rig().routes[0].name.clone();
    let dynamo = &story.rig().fleet.dynamo;
    dynamo.put_foreign_row(&name, head.seq + 1, FOREIGN).unwrap();
    story.remembers_its_rows().await;
    story.rig().fleet.world.deliver(&story.rig().completed(0, 3, 2));
    let worker = story.rig().start("w2");
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(story.head(), head, "nothing is committed");
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 2)]);
    let told = story.told("ChainBroken");
    assert!((4..=6).contains(&told.len()), "once a minute: {told:?}");
    let waiting = story.rig().fleet.world.sqs.depth();
    assert_eq!(waiting.visible + waiting.in_flight, 1, "the message is not lost");
    let swap = story.desk.says("swap orders --to orders-1 --reason drill --yes").await;
    assert!(swap.err.contains("writerlink adopt orders"), "{}", swap.err);
    worker.stop();
    assert!(worker.ended().await);
    story.kept_its_rows().await;
}

#[tokio::test(start_paused = true)]
async fn more_records_than_fit_one_transaction_are_all_applied() {
    let mut story = Story::new().await;
    tokio::time::sleep(10 * MINUTE).await;
    story.fails_over("w1", 2, 500).await;
    let early = story.backup(State);
    for second in 0..200 {
        story.rig().fleet.world.deliver(&story.rig().completed(0, 3, second));
    }
    assert!(story.rig().run("w2").await);
    story.remembers_its_rows().await;
    story.restore(&early);
    story.fails_over("w3", 3, 600).await;
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 3)]);
    // I4: the entries of all of them are there again.
    story.fails_over("w4", 3, 7).await;
    assert_eq!(story.rig().told.ends().last(), Some(&"Duplicate"));
    story.has_one_terminal_record_for_each_event().await;
    story.kept_its_rows().await;
    story.rig().chain(0).await;
}

#[tokio::test(start_paused = true)]
async fn two_workers_that_recover_at_once_write_one_record_of_it() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(State);
    story.fails_over("w2", 3, 2).await;
    story.remembers_its_rows().await;
    story.restore(&early);
    story.rig().fleet.world.deliver(&story.rig().completed(0, 1, 3));
    let (one, other) = (story.rig().start("w3"), story.rig().start("w4"));
    tokio::time::sleep(INTERVAL * 2).await;
    for worker in [one, other] {
        worker.stop();
        assert!(worker.ended().await);
    }
    let kinds = story.kinds().await;
    let recovered = kinds.iter().filter(|kind| **kind == RecordKind::Recovered);
    assert_eq!(recovered.count(), 1);
    story.works_again().await;
    story.rig().chain(0).await;
}

/// Its memory of the route is of before: nothing of the ledger is read again until a commit is refused.
#[tokio::test(start_paused = true)]
async fn a_running_worker_recovers_with_its_next_event_whatever_was_lost() {
    for lost in ["row", "state", "both"] {
        let mut story = Story::new().await;
        let worker = story.rig().start("w1");
        for (n, second) in [(2, 1), (3, 2)] {
            tokio::time::sleep(2 * SECOND).await;
            let event = story.rig().completed(0, n, second);
            story.rig().fleet.world.deliver(&event);
        }
        tokio::time::sleep(2 * SECOND).await;
        let dynamo = &story.rig().fleet.dynamo;
        match lost {
            "row" => dynamo.delete_route(&story.rig().routes[0].name).unwrap(),
            "state" => dynamo.empty(State).unwrap(),
            _ => {
                dynamo.empty(State).unwrap();
                dynamo.empty(Audit).unwrap();
            }
        }
        story.remembers_its_rows().await;
        let event = story.rig().completed(0, 1, 5);
        story.rig().fleet.world.deliver(&event);
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(story.rig().registered(0), [story.rig().target(0, 1)], "{lost}");
        assert_eq!(story.rig().told.ends(), ["Moved"; 3], "{lost}: in one delivery");
        worker.stop();
        assert!(worker.ended().await);
        story.works_again().await;
        story.rig().chain(0).await;
    }
}
