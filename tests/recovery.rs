//! A ledger whose tables were restored to an earlier point, deleted, or written to by somebody else: real workers in
//! the embedded world, whose clock is paused.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "orders/desk.rs"]
#[expect(clippy::panic, reason = "a test fails by panicking")]
mod desk;
mod rig;

use std::collections::BTreeMap;
use std::time::Duration;

use desk::Desk;
use rig::Rig;
use writerlink::domain::audit::RecordKind;
use writerlink::domain::event::EventKey;
use writerlink::domain::transition::{ChainHead, RouteState};
use writerlink::embedded::dynamodb::LedgerTable::{self, Audit, State};
use writerlink::ports::{AuditQuery, Row};
use writerlink::timer::INTERVAL;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// A row that no worker wrote.
const FOREIGN: &str = "{\"written\":\"by hand\"}";

/// A route with a ledger that something happens to.
struct Story {
    desk: Desk,
    /// The audit's rows as they were when last asked.
    rows: BTreeMap<u64, String>,
}

impl Story {
    /// A world with one route, at which nothing has happened.
    async fn new() -> Self {
        tokio::time::sleep(SECOND).await;
        Self {
            desk: Desk::with(&["orders"]).await,
            rows: BTreeMap::new(),
        }
    }

    fn rig(&self) -> &Rig {
        &self.desk.rig
    }

    fn state(&self) -> Option<RouteState> {
        let name = &self.rig().routes[0].name;
        self.rig().fleet.dynamo.glance_at_route(name).unwrap()
    }

    fn head(&self) -> ChainHead {
        self.state().map(|state| state.chain).unwrap_or_default()
    }

    /// A failover to instance `n` is reported, so many seconds after the world began, and a fresh worker handles it.
    async fn fails_over(&self, worker: &str, n: usize, seconds: u64) {
        self.rig()
            .fleet
            .world
            .deliver(&self.rig().completed(0, n, seconds));
        assert!(self.rig().run(worker).await, "{worker} ends by itself");
    }

    async fn rows(&self) -> BTreeMap<u64, String> {
        let ledger = self
            .rig()
            .fleet
            .dynamo
            .ledger(&self.rig().fleet.world.process("reader"));
        let query = AuditQuery::Chain {
            route: self.rig().routes[0].name.clone(),
            from_seq: 1,
            to_seq: None,
        };
        let page = writerlink::ports::Audit::page(&ledger, &query, 1000, None).await;
        let rows = page.unwrap().rows.into_iter();
        rows.map(|row: Row| match row {
            Ok(stored) => (stored.record.seq, stored.canonical),
            Err(row) => (row.seq, row.why),
        })
        .collect()
    }

    /// Notes the audit's rows: from here on none of them may be lost or rewritten.
    async fn remembers_its_rows(&mut self) {
        self.rows = self.rows().await;
    }

    /// What every ledger has to do once it has recovered: `swap` and `pause` work, the group follows, an event has one
    /// terminal record, and no row was lost or rewritten.
    async fn works_again(&self) {
        let swap = self
            .desk
            .says("swap orders --to orders-1 --reason drill --yes")
            .await;
        assert_eq!(swap.code, 0, "{}{}", swap.out, swap.err);
        assert_eq!(self.rig().registered(0), [self.rig().target(0, 1)]);
        let pause = self.desk.says("pause orders --reason drill --yes").await;
        assert_eq!(pause.code, 0, "{}{}", pause.out, pause.err);
        let resume = self.desk.says("resume orders --reason drill --yes").await;
        assert_eq!(resume.code, 0, "{}{}", resume.out, resume.err);
        self.kept_its_rows().await;
        self.has_one_terminal_record_for_each_event().await;
    }

    async fn kept_its_rows(&self) {
        let rows = self.rows().await;
        for (seq, text) in &self.rows {
            assert_eq!(rows.get(seq), Some(text), "row {seq}");
        }
    }

    async fn has_one_terminal_record_for_each_event(&self) {
        let mut terminal: BTreeMap<EventKey, Vec<u64>> = BTreeMap::new();
        for (seq, text) in self.rows().await {
            if let Ok(record) = writerlink::wire::record::parse(&text)
                && record.entry.outcome.is_some()
            {
                terminal
                    .entry(record.entry.event_key)
                    .or_default()
                    .push(seq);
            }
        }
        for (key, rows) in terminal {
            assert_eq!(
                rows.len(),
                1,
                "I4: event {key} has terminal records {rows:?}"
            );
        }
    }

    async fn kinds(&self) -> Vec<RecordKind> {
        let rows = self.rows().await;
        let records = rows
            .values()
            .filter_map(|text| writerlink::wire::record::parse(text).ok());
        records.map(|record| record.entry.kind).collect()
    }

    fn told(&self, happening: &str) -> Vec<String> {
        let lines = self.rig().told.lines.lock().unwrap();
        let about = lines.iter().filter(|line| line.starts_with(happening));
        about.cloned().collect()
    }

    fn restore(&self, backup: &writerlink::embedded::dynamodb::Backup) {
        self.rig().fleet.dynamo.restore(backup).unwrap();
    }

    fn backup(&self, table: LedgerTable) -> writerlink::embedded::dynamodb::Backup {
        self.rig().fleet.dynamo.backup(table).unwrap()
    }
}

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
    assert_eq!(story.rig().told.ends(), ["Swapped", "Duplicate"]);
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
    assert_eq!(
        after.control.safety.moves.len(),
        3,
        "flap protection counts every move"
    );
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
    // A worker that starts on a deleted row finds it out too.
    let name = story.rig().routes[0].name.clone();
    story.rig().fleet.dynamo.delete_route(&name).unwrap();
    let worker = story.rig().start("w4");
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(
        story.state().unwrap().control.desired,
        settled.control.desired
    );
    worker.stop();
    assert!(worker.ended().await);
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
        let (state, audit) = if audit_is_older {
            (two, first)
        } else {
            (one, second)
        };
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
    dynamo
        .put_foreign_row(&name, head.seq + 1, FOREIGN)
        .unwrap();
    story.remembers_its_rows().await;
    story
        .rig()
        .fleet
        .world
        .deliver(&story.rig().completed(0, 3, 2));
    let worker = story.rig().start("w2");
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(story.head(), head, "nothing is committed");
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 2)]);
    let told = story.told("ChainBroken");
    assert!((4..=6).contains(&told.len()), "once a minute: {told:?}");
    let waiting = story.rig().fleet.world.sqs.depth();
    assert_eq!(
        waiting.visible + waiting.in_flight,
        1,
        "the message is not lost"
    );
    let swap = story
        .desk
        .says("swap orders --to orders-1 --reason drill --yes")
        .await;
    assert!(swap.err.contains("writerlink adopt orders"), "{}", swap.err);
    worker.stop();
    assert!(worker.ended().await);
    story.kept_its_rows().await;
}

/// A story whose next place is taken by a row that no worker wrote.
async fn with_a_foreign_row() -> Story {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    story.gets_a_foreign_row().await;
    story
}

impl Story {
    async fn gets_a_foreign_row(&mut self) {
        let name = self.rig().routes[0].name.clone();
        let next = self.head().seq + 1;
        let dynamo = &self.rig().fleet.dynamo;
        dynamo.put_foreign_row(&name, next, FOREIGN).unwrap();
        self.remembers_its_rows().await;
    }

    /// Adopts, and checks what the plan says before it: the first row that does not verify.
    async fn adopts(&self, first_bad: u64) {
        let before = self.rows().await;
        let plan = self
            .desk
            .says("adopt orders --reason restored --dry-run --output json")
            .await;
        assert_eq!(plan.code, 0, "{}{}", plan.out, plan.err);
        let row = plan.rows("adoptions").remove(0);
        assert_eq!(row["action"], "adopt", "{row}");
        let note = row["note"].as_str().unwrap();
        assert!(note.contains(&first_bad.to_string()), "{note}");
        assert_eq!(self.rows().await, before, "a plan writes nothing");
        let adopted = self
            .desk
            .says("adopt orders --reason restored --yes --output json")
            .await;
        assert_eq!(adopted.code, 0, "{}{}", adopted.out, adopted.err);
        let done = adopted.rows("adoptions").remove(0);
        assert_eq!(done["record_seq"], row["record_seq"], "as the plan said");
        let record = &self.rows().await[&row["record_seq"].as_u64().unwrap()];
        for part in ["\"kind\":\"adopted\"", desk::WHO, "restored"] {
            assert!(record.contains(part), "{part}: {record}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_adopted_foreign_row_stays_named_and_the_route_moves_again() {
    let story = with_a_foreign_row().await;
    let foreign = story.head().seq + 1;
    story.adopts(foreign).await;
    story.fails_over("w2", 3, 2).await;
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 3)]);
    story.works_again().await;
    let verify = story.desk.says("audit verify").await;
    assert_eq!(verify.code, 3, "{}", verify.out);
    let said = format!("{}{}", verify.out, verify.err);
    assert!(
        said.contains(&format!("record {} adopted that", foreign + 1)),
        "{said}"
    );
    assert!(said.contains("intact"), "{said}");
    // What a person has taken on is no alarm any more, and nothing is left to adopt.
    let again = story
        .desk
        .says("adopt orders --reason again --yes --output json")
        .await;
    assert_eq!(
        again.rows("adoptions")[0]["action"],
        "nothing",
        "{}",
        again.out
    );
    assert_eq!(again.code, 0);
    story.kept_its_rows().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_row_after_an_adoption_is_adopted_like_the_first() {
    let mut story = with_a_foreign_row().await;
    story.adopts(story.head().seq + 1).await;
    story.gets_a_foreign_row().await;
    let pause = story.desk.says("pause orders --reason drill --yes").await;
    assert_ne!(pause.code, 0, "nothing is committed on it");
    story.adopts(story.head().seq + 1).await;
    story.works_again().await;
}

#[tokio::test(start_paused = true)]
async fn adoption_takes_on_the_records_that_verify_before_the_foreign_row() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(State);
    story.fails_over("w2", 3, 20).await;
    let later = story.state().unwrap();
    story.gets_a_foreign_row().await;
    story.restore(&early);
    story.adopts(later.chain.seq + 1).await;
    assert_eq!(
        story.state().unwrap().control.desired,
        later.control.desired
    );
    // I3: what the records that verify show as accepted is not undone by something older.
    story.fails_over("w3", 2, 10).await;
    assert_eq!(story.rig().told.ends().last(), Some(&"Superseded"));
    story.works_again().await;
}

#[tokio::test(start_paused = true)]
async fn adoption_names_the_rows_that_a_restored_audit_lacks() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(Audit);
    let kept = story.head().seq;
    story.fails_over("w2", 3, 2).await;
    story.restore(&early);
    story.remembers_its_rows().await;
    story.adopts(kept + 1).await;
    story.works_again().await;
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_nothing_is_wrong_with_is_not_adopted() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(State);
    story.fails_over("w2", 3, 2).await;
    for (restored, says) in [(false, "agree"), (true, "the next commit")] {
        if restored {
            story.restore(&early);
        }
        story.remembers_its_rows().await;
        let said = story
            .desk
            .says("adopt orders --reason x --yes --output json")
            .await;
        let row = said.rows("adoptions").remove(0);
        assert_eq!((said.code, row["action"].as_str()), (0, Some("nothing")));
        assert!(row["note"].as_str().unwrap().contains(says), "{row}");
        assert_eq!(story.rows().await, story.rows, "nothing was written");
    }
    let nobody = story.desk.says("adopt orders --reason x").await;
    assert_eq!(nobody.code, 2, "{}", nobody.err);
}

#[tokio::test(start_paused = true)]
async fn more_records_than_fit_one_transaction_are_all_applied() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 500).await;
    let early = story.backup(State);
    for second in 0..200 {
        story
            .rig()
            .fleet
            .world
            .deliver(&story.rig().completed(0, 3, second));
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
    story
        .rig()
        .fleet
        .world
        .deliver(&story.rig().completed(0, 1, 3));
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
