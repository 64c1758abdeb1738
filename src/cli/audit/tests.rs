use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser as _;
use tokio::sync::watch;

use crate::cli;
use crate::cli::args::Args;
use crate::cli::{
    Answers, Connect, Exit, Failure, Look, OpenQueue, ProcessContext, ReadPorts, Resource, Session,
};
use crate::config::Config;
use writerlink_core::evidence::event::{EventId, EventKey, RdsEvent};
use writerlink_core::ledger::change::Change;
use writerlink_core::ledger::record::{AuditRecord, Entry, RecordKind, RecordedTrigger, Step};
use writerlink_core::ledger::state::{ChainHead, EventEntry, RouteState};
use writerlink_core::model::ids::{Generation, Hash, Owner, TransitionId};
use writerlink_core::model::names::{InstanceId, RouteName, SourceId, TargetGroupArn};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::source_arn::{SourceArn, SourceKind};
use writerlink_core::model::target::{ObservedTarget, Target, TargetHealth};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::installation::Installation;
use writerlink_engine::ports::{
    AuditQuery, AuditReader, CallError, Commit, ErrorKind, Ledger, Page, Ports, StoredRecord,
};

const ARN: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067";

/// The records in memory. It pages by position, and can be denied.
#[derive(Default)]
struct Shelf {
    records: Mutex<Vec<StoredRecord>>,
    denied: bool,
    /// How often it was asked for a page.
    asked: Arc<AtomicU32>,
}

impl Shelf {
    fn denied(&self, call: &'static str) -> Result<(), CallError> {
        if !self.denied {
            return Ok(());
        }
        Err(CallError {
            call,
            kind: ErrorKind::Denied,
            code: "AccessDeniedException".to_owned(),
            message: "not authorized".to_owned(),
            request_id: None,
        })
    }
}

/// The place of a record among those of all routes.
fn day_place(stored: &StoredRecord) -> (Timestamp, &RouteName, u64) {
    let record = &stored.record;
    (record.entry.at, &record.route, record.seq)
}

fn answer<'a>(stored: &'a [StoredRecord], query: &AuditQuery) -> Vec<&'a StoredRecord> {
    let mut records: Vec<&StoredRecord> = stored.iter().collect();
    let seq = |stored: &&StoredRecord| stored.record.seq;
    match query {
        AuditQuery::Chain { route, from_seq, to_seq } => {
            let range = *from_seq..=to_seq.unwrap_or(u64::MAX);
            records.retain(|r| r.record.route == *route && range.contains(&r.record.seq));
            records.sort_by_key(seq);
        }
        AuditQuery::Newest { route } => {
            records.retain(|r| r.record.route == *route);
            records.sort_by_key(|r| std::cmp::Reverse(seq(r)));
        }
        AuditQuery::NewestFrom { route, seq: from } => {
            records.retain(|r| r.record.route == *route && r.record.seq <= *from);
            records.sort_by_key(|r| std::cmp::Reverse(seq(r)));
        }
        AuditQuery::Day { day } => {
            records.retain(|r| r.record.entry.at.day() == *day);
            records.sort_by_key(|r| std::cmp::Reverse(day_place(r)));
        }
        AuditQuery::DayBefore { day, at, record } => {
            records.retain(|r| r.record.entry.at.day() == *day);
            records.retain(|r| match record {
                Some((route, seq)) => day_place(r) < (*at, route, *seq),
                None => r.record.entry.at < *at,
            });
            records.sort_by_key(|r| std::cmp::Reverse(day_place(r)));
        }
        AuditQuery::Event { key } => {
            records.retain(|r| r.record.entry.event_key == *key);
            records.sort_by_key(|r| r.record.entry.at);
        }
    }
    records
}

/// The records of a reply at most, as DynamoDB ends one at 1 MB.
const REPLY_HOLDS: usize = 100;

#[async_trait]
impl AuditReader for Shelf {
    async fn page(&self, query: &AuditQuery, limit: u32, cursor: Option<&str>) -> Result<Page, CallError> {
        self.denied("Query")?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let stored = self.records.lock().unwrap();
        let records = answer(&stored, query);
        let from: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let to = records.len().min(from + REPLY_HOLDS.min(limit as usize));
        Ok(Page {
            rows: records[from..to].iter().copied().cloned().map(Ok).collect(),
            next: (to < records.len()).then(|| to.to_string()),
        })
    }
}

/// The heads, as the ledger keeps them beside the records. Where one is set, the first reading is that.
struct Heads(Vec<(RouteName, ChainHead)>, Mutex<Option<ChainHead>>);

#[async_trait]
impl Ledger for Heads {
    async fn load(&self, _: &RouteName) -> Result<RouteState, CallError> {
        panic!("loading makes the item of a route never seen")
    }

    async fn peek(&self, route: &RouteName) -> Result<Option<RouteState>, CallError> {
        let mut state = RouteState::new(route.clone());
        if let Some((_, head)) = self.0.iter().find(|(known, _)| known == route) {
            let first = self.1.lock().unwrap().take();
            state.chain = first.unwrap_or(*head);
        }
        Ok(Some(state))
    }

    async fn event(&self, _: &EventKey) -> Result<Option<EventEntry>, CallError> {
        panic!("the audit commands read no event")
    }

    async fn commit(&self, _: &Change) -> Result<Commit, CallError> {
        panic!("the audit commands write nothing")
    }
}

/// A library of chains that grow record by record, each following the one before it.
#[derive(Default)]
struct Library {
    shelf: Shelf,
    heads: Vec<(RouteName, ChainHead)>,
    /// What the first reading of a head gives, if it is another one.
    earlier: Option<ChainHead>,
}

fn route(name: &str) -> RouteName {
    RouteName::new(name).unwrap()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn target(address: &str, health: TargetHealth) -> ObservedTarget {
    ObservedTarget { target: at(address), health, reason: None, availability_zone: None }
}

fn at(address: &str) -> Target {
    Target { ip: address.parse().unwrap(), port: 3306 }
}

fn step(name: &str, start_ms: u64, took_ms: u64) -> Step {
    Step {
        name: name.to_owned(),
        start: Duration::from_millis(start_ms),
        took: Duration::from_millis(took_ms),
        request_id: Some("7f0a1c9e-5b1d-4c55-9c53-1b2f9a1d0001".to_owned()),
        error: None,
    }
}

fn failover(message: &str) -> RdsEvent {
    RdsEvent {
        id: EventId::parse("RDS-EVENT-0073"),
        source: SourceId::new("aurora-source").unwrap(),
        kind: SourceKind::Cluster,
        source_arn: SourceArn::parse("arn:aws:rds:us-east-1:123456789012:cluster:aurora-source").ok(),
        at: time("2026-05-06T23:07:45.884Z"),
        message: message.to_owned(),
    }
}

/// A key of its own for each route and message.
fn key(name: &str, event: &RdsEvent) -> EventKey {
    let hash = Hash::of(&format!("{name} {}", event.message));
    EventKey::parse(&hash.to_string()).unwrap()
}

/// The record that an attempt begins with.
fn started(name: &str, when: &str, random: u128) -> Entry {
    let event = failover("Started cross AZ failover to DB instance: db-2");
    let now = time(when);
    Entry {
        kind: RecordKind::Started,
        at: now,
        transition: TransitionId::from_parts(now, random),
        attempt: 1,
        generation: Generation(4),
        owner: Owner::new("worker-1"),
        version: "0.1.0".to_owned(),
        provenance: None,
        cause: Cause::Event,
        event_key: key(name, &event),
        trigger: Some(RecordedTrigger::Event(event)),
        target_group: TargetGroupArn::new(ARN).unwrap(),
        desired: Some((InstanceId::new("db-2").unwrap(), at("10.0.1.11"))),
        before: vec![target("10.0.1.10", TargetHealth::Healthy)],
        after: Vec::new(),
        steps: Vec::new(),
        outcome: None,
        reason: None,
        note: String::new(),
    }
}

/// The record it ends with.
fn finished(begun: &Entry, when: &str, outcome: Outcome, reason: Reason) -> Entry {
    Entry {
        kind: RecordKind::Finished,
        at: time(when),
        after: vec![target("10.0.1.10", TargetHealth::Draining), target("10.0.1.11", TargetHealth::Initial)],
        steps: vec![
            step("DescribeTargetHealth", 0, 11),
            step("RegisterTargets", 14, 120),
            step("DeregisterTargets", 135, 60),
            step("DescribeTargetHealth", 196, 0),
        ],
        outcome: Some(outcome),
        reason: Some(reason),
        note: "the group follows db-2".to_owned(),
        ..begun.clone()
    }
}

impl Library {
    fn record(&mut self, name: &str, entry: Entry) {
        let name = route(name);
        let known = self.heads.iter().position(|(known, _)| *known == name);
        let known = known.unwrap_or_else(|| {
            self.heads.push((name.clone(), ChainHead::default()));
            self.heads.len() - 1
        });
        let head = &mut self.heads[known].1;
        let (seq, prev) = (head.seq + 1, head.hash);
        let canonical = format!("{{\"route\":\"{name}\",\"seq\":{seq},\"prev\":\"{prev}\"}}");
        let hash = Hash::of(&canonical);
        *head = ChainHead { seq, hash };
        let record = AuditRecord { route: name, seq, prev, entry, changes: None };
        self.shelf.records.get_mut().unwrap().push(StoredRecord {
            record,
            canonical,
            hash,
            altered: Vec::new(),
        });
    }

    /// One swap, started and finished.
    fn swap(&mut self, name: &str, from: &str, to: &str, random: u128) -> TransitionId {
        let begun = started(name, from, random);
        let done = finished(&begun, to, Outcome::Moved, Reason::WriterMoved);
        let transition = begun.transition;
        self.record(name, begun);
        self.record(name, done);
        transition
    }

    fn edit(&mut self, name: &str, seq: u64, edit: impl FnOnce(&mut StoredRecord)) {
        let (name, records) = (route(name), self.shelf.records.get_mut().unwrap());
        let found = records.iter_mut().find(|r| r.record.route == name && r.record.seq == seq);
        edit(found.unwrap());
    }

    fn remove(&mut self, name: &str, seq: u64) {
        let name = route(name);
        let records = self.shelf.records.get_mut().unwrap();
        records.retain(|r| r.record.route != name || r.record.seq != seq);
    }

    fn open(self) -> Open {
        Open(ReadPorts {
            audit: Arc::new(self.shelf),
            ledger: Arc::new(Heads(self.heads, Mutex::new(self.earlier))),
        })
    }
}

struct Open(ReadPorts);

#[async_trait(?Send)]
impl Connect for Open {
    async fn books(&self, _: &Config) -> Result<ReadPorts, Failure> {
        Ok(ReadPorts { audit: Arc::clone(&self.0.audit), ledger: Arc::clone(&self.0.ledger) })
    }

    async fn ports(&self, _: &Config) -> Result<Ports, Failure> {
        panic!("the audit commands need no load balancer")
    }

    async fn queue(&self, _: &Config) -> Result<OpenQueue, Failure> {
        panic!("nor a queue")
    }

    async fn set_up(&self, _: &Config) -> Result<Vec<Resource>, Failure> {
        panic!("they create nothing")
    }

    async fn identity(&self, _: &Config) -> Result<String, Failure> {
        panic!("whoever asks")
    }

    async fn installation(&self, _: &Config) -> Result<Arc<dyn Installation>, Failure> {
        panic!("look at no installation")
    }

    fn process(&self) -> Result<ProcessContext, Failure> {
        Ok(ProcessContext { owner: Owner::new("desk"), stops: watch::channel(0).1, open_files_max: None })
    }
}

/// What a command wrote, and how it ended.
struct Said {
    out: String,
    err: String,
    exit: Exit,
}

fn environment(name: &str) -> Option<String> {
    match name {
        "TARGET_GROUP_ARN" => Some(ARN.to_owned()),
        "IP_DICT" => Some("{'db-1': '10.0.1.10', 'db-2': '10.0.1.11'}".to_owned()),
        _ => None,
    }
}

/// Types a command at noon of 2026-05-07.
fn says(library: &Open, line: &str) -> Said {
    let mut out = Vec::new();
    let (err, exit) = writes(library, line, &mut out);
    Said { out: String::from_utf8(out).unwrap(), err, exit }
}

/// The same with somebody else who takes what it writes.
fn writes(library: &Open, line: &str, out: &mut dyn Write) -> (String, Exit) {
    let args = Args::try_parse_from(line.split_whitespace()).unwrap();
    let mut err = Vec::new();
    let log = args.global.log;
    let mut session = Session {
        env: &environment,
        now: time("2026-05-07T12:00:00Z"),
        connect: library,
        input: &mut std::io::empty(),
        out,
        err: &mut err,
        log,
        look: Look::Plain,
        answers: Answers::Nobody,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let exit = runtime.block_on(cli::run(args, &mut session));
    (String::from_utf8(err).unwrap(), exit)
}

fn three_swaps() -> Library {
    let mut library = Library::default();
    library.swap("default", "2026-04-20T08:00:00Z", "2026-04-20T08:00:01Z", 1);
    library.swap("default", "2026-05-06T23:07:46Z", "2026-05-06T23:07:46.200Z", 2);
    library.swap("orders", "2026-05-07T11:30:00Z", "2026-05-07T11:30:00.300Z", 3);
    library
}

fn listed(said: &Said) -> Vec<String> {
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    let lines = said.out.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{}/{}", row["route"].as_str().unwrap(), row["seq"])
    });
    lines.collect()
}

#[test]
fn a_list_shows_the_last_days_of_all_routes_newest_first() {
    let said = says(&three_swaps().open(), "writerlink audit list");
    insta::assert_snapshot!(said.out, @"
    AT                        RECORD     WHAT     REASON       INSTANCE  TOOK
    2026-05-07T11:30:00.300Z  orders/2   Moved    WriterMoved  db-2      196 ms
    2026-05-07T11:30:00.000Z  orders/1   started  -            db-2      0 ms
    2026-05-06T23:07:46.200Z  default/4  Moved    WriterMoved  db-2      196 ms
    2026-05-06T23:07:46.000Z  default/3  started  -            db-2      0 ms
    ");
    insta::assert_snapshot!(said.err, @"these are the last 7 days; --since goes further back");
}

#[test]
fn a_list_of_one_route_goes_back_to_its_beginning() {
    let library = three_swaps().open();
    let said = says(&library, "writerlink audit list --route default --output jsonl");
    assert_eq!(listed(&said), ["default/4", "default/3", "default/2", "default/1"]);
    assert_eq!(said.err, "");
}

#[test]
fn since_ends_a_list_by_age_by_day_and_by_time() {
    let library = three_swaps().open();
    let list = |since: &str| {
        listed(&says(&library, &format!("writerlink audit list --output jsonl --since {since}")))
    };
    assert_eq!(list("2h"), ["orders/2", "orders/1"]);
    assert_eq!(list("2026-05-06").len(), 4);
    assert_eq!(list("2026-05-06T23:07:46.100Z"), ["orders/2", "orders/1", "default/4"]);
    assert_eq!(list("2026-04-01").len(), 6);
    assert_eq!(list("1s"), Vec::<String>::new());
}

#[test]
fn filters_take_only_what_fits_all_of_them() {
    let mut library = three_swaps();
    let begun = started("orders", "2026-05-07T11:40:00Z", 4);
    let mut failed = finished(&begun, "2026-05-07T11:40:05Z", Outcome::Failed, Reason::CallFailed);
    failed.cause = Cause::Replay;
    failed.desired = None;
    library.record("orders", failed);
    let library = library.open();
    let list =
        |filters: &str| listed(&says(&library, &format!("writerlink audit list --output jsonl {filters}")));
    assert_eq!(list("--outcome failed"), ["orders/3"]);
    assert_eq!(list("--cause replay"), ["orders/3"]);
    assert_eq!(list("--outcome Moved --instance DB-2"), ["orders/2", "default/4"]);
    assert_eq!(list("--outcome Failed --instance db-2"), Vec::<String>::new());
}

#[test]
fn cursors_join_lists_without_gap_or_overlap_over_filters_and_days() {
    let mut library = Library::default();
    for day in 1..=5 {
        for minute in 0..7 {
            let (from, to) =
                (format!("2026-05-0{day}T10:{minute:02}:00Z"), format!("2026-05-0{day}T10:{minute:02}:01Z"));
            library.swap("default", &from, &to, day * 100 + minute);
        }
    }
    let library = library.open();
    for options in ["", "--outcome Moved", "--route default", "--route default --outcome Moved"] {
        let whole = says(&library, &format!("writerlink audit list --output jsonl --limit 10000 {options}"));
        let whole = listed(&whole);
        assert_eq!(whole.len(), if options.contains("outcome") { 35 } else { 70 }, "{options}");
        for limit in [1, 3, 7, 14] {
            let (mut joined, mut cursor) = (Vec::new(), String::new());
            loop {
                let line = format!("writerlink audit list --output json --limit {limit} {options} {cursor}");
                let said = says(&library, &line);
                let page: serde_json::Value =
                    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{line}: {}", said.err));
                let records = page["records"].as_array().unwrap();
                assert!(records.len() <= limit);
                let names = records.iter().map(|r| format!("{}/{}", r["route"].as_str().unwrap(), r["seq"]));
                joined.extend(names);
                match page["next"].as_str() {
                    Some(next) => cursor = format!("--cursor {next}"),
                    None => break,
                }
            }
            assert_eq!(joined, whole, "{options} {limit}");
        }
    }
}

#[test]
fn a_filter_that_nothing_fits_does_not_read_years_of_records() {
    let mut library = Library::default();
    for n in 0..6_000 {
        library.swap("default", "2026-05-06T10:00:00Z", "2026-05-06T10:00:01Z", n);
    }
    let library = library.open();
    let said = says(&library, "writerlink audit list --route default --outcome Failed");
    assert_eq!(said.exit, Exit::Done);
    insta::assert_snapshot!(said.err, @"read 10000 records with 100 queries; go on with --cursor 2026-05-06T10:00:00.000Z/default/2001");
    let (_, cursor) = said.err.trim().rsplit_once(' ').unwrap();
    let rest =
        says(&library, &format!("writerlink audit list --route default --outcome Failed --cursor {cursor}"));
    assert_eq!((rest.exit, rest.err.as_str()), (Exit::Done, ""));
}

#[test]
fn years_of_days_without_a_record_are_not_asked_for_one_by_one_unasked() {
    let library = three_swaps().open();
    let said = says(&library, "writerlink audit list --since 2020-01-01 --output jsonl");
    assert_eq!(listed(&said).len(), 6);
    insta::assert_snapshot!(said.err, @"read 6 records with 500 queries; go on with --cursor 2024-12-24T00:00:00.000Z");
    let (_, cursor) = said.err.trim().rsplit_once(' ').unwrap();
    let rest =
        says(&library, &format!("writerlink audit list --since 2024-06-01 --cursor {cursor} --output jsonl"));
    assert_eq!(listed(&rest), Vec::<String>::new());
    assert_eq!(rest.err, "");
}

#[test]
fn until_begins_a_list_by_age_by_day_and_by_time() {
    let library = three_swaps().open();
    let list =
        |options: &str| listed(&says(&library, &format!("writerlink audit list --output jsonl {options}")));
    assert_eq!(list("--until 20m --since 2h"), ["orders/2", "orders/1"]);
    let day = ["default/4", "default/3"];
    assert_eq!(list("--since 2026-05-06 --until 2026-05-07"), day);
    assert_eq!(list("--until 2026-05-06T23:07:46.200Z"), ["default/3"]);
    for until in ["2026-05-06T23:07:46.200Z", "2026-05-07"] {
        let of_route = list(&format!("--route default --until {until}"));
        let first = if until.len() > 10 { 3 } else { 4 };
        let rest: Vec<String> = (1..=first).rev().map(|n| format!("default/{n}")).collect();
        assert_eq!(of_route, rest);
    }
    assert_eq!(list("--route default --until 2026-04-20"), Vec::<String>::new());
    let early = says(&library, "writerlink audit list --until 2026-05-06 --output csv");
    insta::assert_snapshot!(early.err, @"these are the 7 days before; --since goes further back");
}

#[test]
fn a_route_without_records_is_told_apart_from_one_that_there_is_not() {
    let library = Library::default().open();
    let said = says(&library, "writerlink audit list --route default");
    assert_eq!(said.exit, Exit::Done);
    insta::assert_snapshot!(said.err, @"nothing is recorded of route default yet");
    let library = three_swaps().open();
    let said = says(&library, "writerlink audit list --route ordres");
    assert_eq!((said.exit, said.out.as_str()), (Exit::Error, ""));
    insta::assert_snapshot!(said.err, @r#"
    error: there is no route ordres
      why: it is not in the configuration, and nothing is recorded of it
      fix: configured are: default
    "#);
    // Configured no more, and still on record.
    let gone = says(&library, "writerlink audit list --route orders --output jsonl");
    assert_eq!(listed(&gone), ["orders/2", "orders/1"]);
    // What is not there is a question of time, not of the route.
    let late = says(&library, "writerlink audit list --route orders --since 1s --until 2020-01-01");
    assert_eq!((late.exit, late.err.as_str()), (Exit::Done, ""));
}

#[test]
fn a_cursor_of_another_list_is_wrong_usage() {
    let said = says(
        &three_swaps().open(),
        "writerlink audit list --route default --cursor 2026-05-06T23:07:46.200Z/orders/1",
    );
    assert_eq!(said.exit, Exit::Usage);
    insta::assert_snapshot!(said.err, @r#"
    error: there is no place 2026-05-06T23:07:46.200Z/orders/1 among the records of default
      why: a cursor goes on with the list that printed it
      fix: repeat the command that printed the cursor, with the same options and --cursor
    "#);
    let none = Args::try_parse_from(["writerlink", "audit", "list", "--cursor", "x"]);
    insta::assert_snapshot!(none.unwrap_err(), @r#"
    error: invalid value 'x' for '--cursor <CURSOR>': no cursor; one is TIME/ROUTE/SEQ, as printed by a list

    For more information, try '--help'.
    "#);
}

#[test]
fn a_transition_is_shown_step_by_step() {
    let said = says(&three_swaps().open(), "writerlink audit show default/4");
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    for line in said.out.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    insta::assert_snapshot!(said.out, @r#"
    transition 019dff8c-1dd0-7000-8000-000000000002 of route default
      cause     event, RDS-EVENT-0073 of CLUSTER aurora-source
      event at  2026-05-06T23:07:45.884Z
      message   "Started cross AZ failover to DB instance: db-2"
      source    arn:aws:rds:us-east-1:123456789012:cluster:aurora-source
      event key 67bc26c15e8626375f687ecabbdc99d2f1a4c0f6456ad331b0197deeb9835b61
      group     arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067
      phases
        evidence to attempt  ██████············ from    0.000 s to    0.116 s
        attempt              ······████████████ from    0.116 s to    0.316 s

    default/3  2026-05-06T23:07:46.000Z  started
      by        worker-1, writerlink 0.1.0; attempt 1, generation 4
      desired   db-2 at 10.0.1.11:3306
      before    10.0.1.10:3306 healthy
      hash      f4d1d96be5a2ad0c63bba0c0e12cffca1612e316869e54d72da5503e606e7cc6
      follows   b138b06eb6e2e92ea36add8d9e841a827518fb6cc9e6cb6cb869a0e846fd8ba0

    default/4  2026-05-06T23:07:46.200Z  Moved (WriterMoved)
      by        worker-1, writerlink 0.1.0; attempt 1, generation 4
      desired   db-2 at 10.0.1.11:3306
      before    10.0.1.10:3306 healthy
      after     10.0.1.10:3306 draining
                10.0.1.11:3306 initial
      note      the group follows db-2
      steps
        DescribeTargetHealth █················· at     0,    11 ms  7f0a1c9e-5b1d-4c55-9c53-1b2f9a1d0001
        RegisterTargets      ·███████████······ at    14,   120 ms  7f0a1c9e-5b1d-4c55-9c53-1b2f9a1d0001
        DeregisterTargets    ············█████· at   135,    60 ms  7f0a1c9e-5b1d-4c55-9c53-1b2f9a1d0001
        DescribeTargetHealth ·················█ at   196,     0 ms  7f0a1c9e-5b1d-4c55-9c53-1b2f9a1d0001
      hash      7a90febe5a3543cb45d542e1aa1928ca141c980ded658402bf7d74f8f7708ae3
      follows   f4d1d96be5a2ad0c63bba0c0e12cffca1612e316869e54d72da5503e606e7cc6
    "#);
}

#[test]
fn a_transition_is_found_by_record_by_uuid_and_by_event() {
    let mut library = Library::default();
    let first = library.swap("default", "2026-05-05T10:00:00Z", "2026-05-05T10:00:01Z", 1);
    // Begun before midnight, recorded after it, and followed by others that day.
    let late = started("default", "2026-05-05T23:59:59.999Z", 2);
    let mut done = finished(&late, "2026-05-06T00:00:00.100Z", Outcome::AlreadyThere, Reason::NothingToDo);
    let another = failover("Another failover to DB instance: db-2");
    done.event_key = key("default", &another);
    done.trigger = Some(RecordedTrigger::Event(another));
    library.record("default", done);
    for n in 10..200 {
        library.swap("busy", "2026-05-06T12:00:00Z", "2026-05-06T12:00:01Z", n);
    }
    let library = library.open();
    let show = |id: &str| listed(&says(&library, &format!("writerlink audit show {id} --output jsonl")));
    assert_eq!(show("default/1"), ["default/1", "default/2"]);
    assert_eq!(show(&first.to_string()), ["default/1", "default/2"]);
    assert_eq!(show(&late.transition.to_string()), ["default/3"]);
    let key = key("default", &failover("Started cross AZ failover to DB instance: db-2"));
    assert_eq!(show(&key.to_string()), ["default/1", "default/2"]);
}

#[test]
fn what_is_not_recorded_is_told_with_the_way_to_find_it() {
    let library = three_swaps().open();
    for id in ["default/9", "01977f2e-8c3a-7b1d-9e0f-112233445566", &"a".repeat(64)] {
        let said = says(&library, &format!("writerlink audit show {id}"));
        assert_eq!(said.exit, Exit::Error);
        assert!(said.err.contains("no record") && said.err.contains("fix: "), "{}", said.err);
    }
}

#[test]
fn an_altered_record_is_shown_as_one() {
    let mut library = three_swaps();
    library.edit("default", 4, |stored| {
        stored.altered.push("outcome".to_owned());
    });
    let library = library.open();
    let said = says(&library, "writerlink audit show default/4");
    assert!(said.out.contains("ALTERED after it was written: outcome"), "{}", said.out);
    let list = says(&library, "writerlink audit list");
    assert!(list.out.contains("Moved ALTERED"), "{}", list.out);
}

#[test]
fn an_events_message_cannot_steer_the_terminal() {
    let mut library = Library::default();
    let mut begun = started("default", "2026-05-06T10:00:00Z", 1);
    begun.trigger = Some(RecordedTrigger::Event(failover("\u{1b}]0;pwned\u{7}\nroute: other")));
    library.record("default", begun);
    let said = says(&library.open(), "writerlink audit show default/1");
    assert!(said.out.contains("\"\\u{1b}]0;pwned\\u{7}\\u{a}route: other\""), "{}", said.out);
}

#[test]
fn intact_chains_are_verified_to_their_heads() {
    let said = says(&three_swaps().open(), "writerlink audit verify");
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    insta::assert_snapshot!(said.out, @r#"
    ROUTE    RECORDS  VERDICT  HEAD
    default  4        intact   4 7a90febe5a3543cb…
    "#);
    let said = says(&three_swaps().open(), "writerlink audit verify orders --output csv");
    insta::assert_snapshot!(said.out, @r#"
    route,intact,records,from_seq,to_seq,head_seq,head_hash,first_bad_seq,fault,expected,found,remedy
    orders,true,2,1,2,2,351656e0299e5529c5e780a8f24f2f03f4e258666414aa975bb068b33f905880,,,,,
    "#);
}

/// What `audit verify` says after somebody did `harm` to a chain of 250 records, more than two pages.
fn verified_after(harm: impl FnOnce(&mut Library)) -> (Exit, serde_json::Value) {
    let mut library = Library::default();
    for n in 0..125 {
        library.swap("default", "2026-05-06T10:00:00Z", "2026-05-06T10:00:01Z", n);
    }
    harm(&mut library);
    let said = says(&library.open(), "writerlink audit verify --output jsonl");
    (said.exit, serde_json::from_str(&said.out).unwrap())
}

type Harm = Box<dyn FnOnce(&mut Library)>;

#[test]
fn every_way_to_tamper_is_found_at_its_first_record() {
    let rehash = |stored: &mut StoredRecord| {
        stored.canonical.push(' ');
        stored.hash = Hash::of(&stored.canonical);
    };
    let harms: Vec<(u64, &str, Harm)> = vec![
        (120, "was changed", Box::new(|l| l.edit("default", 120, |r| r.canonical.push(' ')))),
        (120, "was changed", Box::new(|l| l.edit("default", 120, |r| r.altered.push("outcome".into())))),
        (121, "does not continue", Box::new(move |l| l.edit("default", 120, rehash))),
        (120, "is missing", Box::new(|l| l.remove("default", 120))),
        (1, "is missing", Box::new(|l| l.remove("default", 1))),
        (250, "ends at record 249", Box::new(|l| l.remove("default", 250))),
        (250, "is not the head", Box::new(move |l| l.edit("default", 250, rehash))),
    ];
    for (seq, fault, harm) in harms {
        let (exit, verdict) = verified_after(harm);
        assert_eq!(exit, Exit::Unverified, "{fault}");
        assert_eq!(verdict["first_bad_seq"], seq, "{verdict}");
        assert_eq!(verdict["intact"], false);
        assert!(verdict["fault"].as_str().unwrap().contains(fault), "{verdict}");
    }
    let (exit, verdict) = verified_after(|_| ());
    assert_eq!((exit, &verdict["records"]), (Exit::Done, &250.into()));
}

#[test]
fn a_record_written_while_the_chain_is_read_is_no_fault() {
    let at_248 = |library: &mut Library| {
        let records = library.shelf.records.get_mut().unwrap();
        ChainHead { seq: 248, hash: records[247].hash }
    };
    let (exit, _) = verified_after(|library| library.earlier = Some(at_248(library)));
    assert_eq!(exit, Exit::Done);
    // A head that stays there is one that was put back.
    let (exit, verdict) = verified_after(|library| library.heads[0].1 = at_248(library));
    assert_eq!(exit, Exit::Unverified);
    assert_eq!(verdict["first_bad_seq"], 249, "{verdict}");
}

#[test]
fn a_broken_chain_ends_with_code_3_and_says_what_to_do() {
    let mut library = three_swaps();
    library.remove("default", 2);
    let said = says(&library.open(), "writerlink audit verify");
    assert_eq!(said.exit.code(), 3);
    insta::assert_snapshot!(said.out, @r#"
    ROUTE    RECORDS  VERDICT                                          HEAD
    default  1        BROKEN: record 2 is missing (the next one is 3)  4 7a90febe5a3543cb…
    "#);
    insta::assert_snapshot!(said.err, @r#"
    error: records are not as they were written, from default/2 on
      why: somebody with access to the tables changed or removed them: writerlink cannot
           default/2: expected record 2
           default/2: found    record 3
      fix: find who wrote to the tables (CloudTrail data events), and compare with a backup
    "#);
}

#[test]
fn an_unknown_route_is_not_called_intact() {
    let said = says(&three_swaps().open(), "writerlink audit verify ordres");
    assert_eq!(said.exit, Exit::Error);
    insta::assert_snapshot!(said.err, @r#"
    error: there is no route ordres
      why: it is not in the configuration, and nothing is recorded of it
      fix: configured are: default
    "#);
}

#[test]
fn a_refused_call_is_told_with_its_remedy() {
    let mut library = three_swaps();
    library.shelf.denied = true;
    let said = says(&library.open(), "writerlink audit list");
    assert_eq!(said.exit, Exit::Error);
    insta::assert_snapshot!(said.err, @r#"
    error: reading the audit records failed
      why: Query failed (denied, AccessDeniedException): not authorized
      fix: check the credentials (aws sts get-caller-identity) and that their role allows the call
    "#);
}

/// Somebody who reads so many lines and goes away, as `head` does.
struct Head(usize);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // An end of a line is written with the end of its line, or alone.
        if bytes.ends_with(b"\n") {
            self.0 -= 1;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_export_writes_each_page_before_it_reads_the_next() {
    for (lines, pages) in [(1, 1), (99, 1), (100, 2), (250, 3)] {
        let mut library = Library::default();
        for n in 0..500 {
            library.swap("default", "2026-05-06T10:00:00Z", "2026-05-06T10:00:01Z", n);
        }
        let asked = Arc::clone(&library.shelf.asked);
        let line = "writerlink audit export --all";
        let (err, exit) = writes(&library.open(), line, &mut Head(lines));
        assert_eq!((exit, err.as_str()), (Exit::Done, ""), "{lines}");
        assert_eq!(asked.load(Ordering::Relaxed), pages, "{lines}");
    }
}
