//! A route whose ledger something happens to, and what holds once it has recovered.

use std::collections::BTreeMap;
use std::time::Duration;

use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::{ChainHead, RouteState};
use writerlink_engine::ports::{AuditQuery, Row};
use writerlink_sim::dynamodb::LedgerTable;
use writerlink_sim::event_bodies;

use crate::desk::Desk;
use crate::rig::Rig;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A row that no worker wrote.
pub(crate) const FOREIGN: &str = "{\"written\":\"by hand\"}";

/// A route with a ledger that something happens to.
pub(crate) struct Story {
    pub(crate) desk: Desk,
    /// The audit's rows as they were when last asked.
    pub(crate) rows: BTreeMap<u64, String>,
}

impl Story {
    /// A world with one route, at which nothing has happened.
    pub(crate) async fn new() -> Self {
        tokio::time::sleep(SECOND).await;
        Self { desk: Desk::with(&["orders"]).await, rows: BTreeMap::new() }
    }

    pub(crate) fn rig(&self) -> &Rig {
        &self.desk.rig
    }

    pub(crate) fn state(&self) -> Option<RouteState> {
        let name = &self.rig().routes[0].name;
        self.rig().fleet.dynamo.glance_at_route(name).unwrap()
    }

    pub(crate) fn head(&self) -> ChainHead {
        self.state().map(|state| state.chain).unwrap_or_default()
    }

    /// A failover to instance `n` is reported, so many seconds after the world began, and a fresh worker handles it.
    pub(crate) async fn fails_over(&self, worker: &str, n: usize, seconds: u64) {
        // What lies ahead of our clock is no evidence.
        let now = self.rig().fleet.world.fabric.time.elapsed();
        tokio::time::sleep(Duration::from_secs(seconds).saturating_sub(now)).await;
        let event = self.rig().completed(0, n, seconds);
        // SQS drops a second message of the same text for five minutes: white space makes each another one.
        let sent = self.rig().told.reports().len();
        let body = event_bodies::eventbridge(&event) + &" ".repeat(sent);
        self.rig().fleet.world.sqs.send("orders", &body);
        assert!(self.rig().run(worker).await, "{worker} ends by itself");
    }

    pub(crate) async fn rows(&self) -> BTreeMap<u64, String> {
        let ledger = self.rig().fleet.dynamo.ledger(&self.rig().fleet.world.process("reader"));
        let query = AuditQuery::Chain { route: self.rig().routes[0].name.clone(), from_seq: 1, to_seq: None };
        let page = writerlink_engine::ports::AuditReader::page(&ledger, &query, 1000, None).await;
        let rows = page.unwrap().rows.into_iter();
        rows.map(|row: Row| match row {
            Ok(stored) => (stored.record.seq, stored.canonical),
            Err(row) => (row.seq, row.why),
        })
        .collect()
    }

    /// Notes the audit's rows: from here on none of them may be lost or rewritten.
    pub(crate) async fn remembers_its_rows(&mut self) {
        self.rows = self.rows().await;
    }

    /// What every ledger has to do once it has recovered: `swap` and `pause` work, the group follows, an event has one
    /// terminal record, and no row was lost or rewritten.
    pub(crate) async fn works_again(&self) {
        let swap = self.desk.says("swap orders --to orders-1 --reason drill --yes").await;
        assert_eq!(swap.code, 0, "{}{}", swap.out, swap.err);
        assert_eq!(self.rig().registered(0), [self.rig().target(0, 1)]);
        let pause = self.desk.says("pause orders --reason drill --yes").await;
        assert_eq!(pause.code, 0, "{}{}", pause.out, pause.err);
        let resume = self.desk.says("resume orders --reason drill --yes").await;
        assert_eq!(resume.code, 0, "{}{}", resume.out, resume.err);
        self.kept_its_rows().await;
        self.has_one_terminal_record_for_each_event().await;
    }

    pub(crate) async fn kept_its_rows(&self) {
        let rows = self.rows().await;
        for (seq, text) in &self.rows {
            assert_eq!(rows.get(seq), Some(text), "row {seq}");
        }
    }

    pub(crate) async fn has_one_terminal_record_for_each_event(&self) {
        let mut terminal: BTreeMap<EventKey, Vec<u64>> = BTreeMap::new();
        for (seq, text) in self.rows().await {
            if let Ok(record) = writerlink_engine::wire::record::parse(&text)
                && record.entry.outcome.is_some()
            {
                terminal.entry(record.entry.event_key).or_default().push(seq);
            }
        }
        for (key, rows) in terminal {
            assert_eq!(rows.len(), 1, "I4: event {key} has terminal records {rows:?}");
        }
    }

    pub(crate) async fn kinds(&self) -> Vec<RecordKind> {
        let rows = self.rows().await;
        let records = rows.values().filter_map(|text| writerlink_engine::wire::record::parse(text).ok());
        records.map(|record| record.entry.kind).collect()
    }

    pub(crate) fn told(&self, happening: &str) -> Vec<String> {
        let lines = self.rig().told.lines.lock().unwrap();
        let about = lines.iter().filter(|line| line.starts_with(happening));
        about.cloned().collect()
    }

    pub(crate) fn restore(&self, backup: &writerlink_sim::dynamodb::Backup) {
        self.rig().fleet.dynamo.restore(backup).unwrap();
    }

    pub(crate) fn backup(&self, table: LedgerTable) -> writerlink_sim::dynamodb::Backup {
        self.rig().fleet.dynamo.backup(table).unwrap()
    }
}
