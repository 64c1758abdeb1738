//! What people ask of the audit, on a ledger of many records: how long it takes, how many requests, how many read units.
//!
//! The records are a real failover's, repeated with new times and event keys, and written by the ledger's own code through
//! `ledger::change`: every chain verifies. The engine is in this process, so the times are lower bounds to which a
//! round trip for each request is to be added; requests and units are DynamoDB's.
//!
//! `audit_reads RECORDS [ON_MINISTACK]`: the second number is how many records are asked for over the wire, too, from
//! ministack in `.venv`, to which their rows are copied as they are.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should say where")]

#[expect(clippy::expect_used, clippy::panic, reason = "a stand-in that cannot be started should say why")]
#[path = "../tests/support/mod.rs"]
mod standins;
mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use standins::Account;
use standins::ministack::Ministack;
use support::capacity::{READ_UNIT_BYTES, Sizes};
use support::desk::Desk;
use support::ledger::copy;
use support::meter::{Meter, each, ms, resident_mib};
use support::stage::{NO_TIMER, Stage, run};
use support::{hold, numbers_asked, say, table};
use writerlink_aws::dynamodb::{DynamoLedger, create_tables};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::record::Entry;
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::RouteName;
use writerlink_engine::ports::{AuditQuery, AuditReader, Commit, Ledger};
use writerlink_sim::dynamodb::EmbeddedDynamo;

const RECORDS_DEFAULT: u64 = 100_000;
const ROUTES: u64 = 100;

/// Over so many days the records are spread.
const DAYS: u64 = 30;
const DAY: Duration = Duration::from_hours(24);

/// What `audit list` shows, and what it reads at a time (`cli/audit.rs`).
const NEWEST: u32 = 50;
const PAGE: u32 = 100;

/// Records that are verified at least, to tell how long it takes.
const FOLLOWED_LEAST: u64 = 10_000;

/// What is aimed at.
const VERIFIED_A_SECOND: f64 = 100_000.0;

/// Questions of each kind; the median is told.
const ASKED: usize = 21;
const ASKED_OVER_THE_WIRE: usize = 5;

fn main() {
    let mut asked = numbers_asked();
    let records = asked.next().unwrap_or(RECORDS_DEFAULT);
    run(async {
        let here = Filled::with(records).await;
        here.ask_everything(ASKED, Engine::Here).await;
    });
    if let Some(records) = asked.next() {
        let over_the_wire = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        over_the_wire.block_on(on_ministack(records));
    }
}

/// The same questions over the wire.
async fn on_ministack(records: u64) {
    say("");
    let here = Filled::with(records).await;
    let account = Account::fresh();
    let config = account.config(&Ministack::shared().endpoint()).await;
    let client = aws_sdk_dynamodb::Client::new(&config);
    let meter = Meter::start();
    let tables = here.dynamo.tables().clone();
    create_tables(&client, &tables).await.unwrap();
    copy(&here.dynamo, &client, &tables.audit).await;
    copy(&here.dynamo, &client, &tables.state).await;
    let took = meter.wall().as_secs_f64();
    say(&format!("\ncopied to ministack in {took:.0} s\n"));
    let ledger = DynamoLedger::new(client, tables);
    let there = Filled { ledger, ..here };
    there.ask_everything(ASKED_OVER_THE_WIRE, Engine::Ministack).await;
}

/// Where the tables are.
#[derive(Clone, Copy)]
enum Engine {
    Here,
    Ministack,
}

/// A ledger that was filled, and what to ask of it.
struct Filled {
    dynamo: EmbeddedDynamo,
    ledger: DynamoLedger,
    record_bytes: u64,
    loaded: Loaded,
}

impl Filled {
    async fn with(records: u64) -> Self {
        let (dynamo, template, record_bytes) = failed_over().await;
        // Who asks stands outside the world, whose journal would grow with every call.
        let ledger = DynamoLedger::new(dynamo.client_outside(), dynamo.tables().clone());
        let meter = Meter::start();
        let loaded = load(&ledger, &template, records).await;
        say(&format!(
            "{} records on {ROUTES} routes over {DAYS} days, written in {:.0} s, of {record_bytes} bytes on average; \
             resident with all of them {:.0} MiB\n",
            loaded.records,
            meter.wall().as_secs_f64(),
            resident_mib()
        ));
        Self { dynamo, ledger, record_bytes, loaded }
    }

    async fn ask_everything(self, times: usize, engine: Engine) {
        let route = route_name(ROUTES / 2);
        let Loaded { day, key, .. } = self.loaded;
        let reader = Reader { ledger: self.ledger, record_bytes: self.record_bytes, times };
        let newest = AuditQuery::Newest { route: route.clone() };
        let day = AuditQuery::Day { day };
        let event = AuditQuery::Event { key };
        let questions = [
            ("a route's newest 50", &newest, Some(NEWEST)),
            ("a day across routes, newest 50", &day, Some(NEWEST)),
            ("a day across routes, all of it", &day, None),
            ("one event", &event, None),
        ];
        let mut rows = vec![row!["question", "records", "requests", "read units", "median ms"]];
        for (what, query, wanted) in questions {
            rows.push(reader.ask(what, query, wanted).await);
        }
        table(&rows);
        verify(reader.ledger, &route, engine).await;
    }
}

/// A ledger, what a failover of one route wrote to it, and how large a record of that is.
async fn failed_over() -> (EmbeddedDynamo, Vec<Entry>, u64) {
    let mut stage = Stage::new(1, 1, NO_TIMER).await;
    stage.fail_over().await;
    let dynamo = stage.fleet.dynamo.clone();
    let ledger = DynamoLedger::new(dynamo.client_outside(), dynamo.tables().clone());
    let route = stage.routes[0].name.clone();
    let query = AuditQuery::Chain { route, from_seq: 1, to_seq: None };
    let records = ledger.page(&query, PAGE, None).await.unwrap().records().unwrap();
    let template = records.into_iter().map(|stored| stored.record.entry).collect();
    let record_bytes = Sizes::of(&dynamo).await.record();
    stage.stop().await;
    (dynamo, template, record_bytes)
}

fn route_name(n: u64) -> RouteName {
    RouteName::new(&format!("route{n:03}")).unwrap()
}

struct Loaded {
    records: u64,
    /// A day in the middle, and an event of it.
    day: String,
    key: EventKey,
}

/// Fills the ledger, all routes at the same pace: an event's records on one route, then the next one's on the next.
async fn load(ledger: &DynamoLedger, template: &[Entry], records: u64) -> Loaded {
    let per_event = u64::try_from(template.len()).unwrap();
    let events = records.div_ceil(per_event);
    let step = DAY * u32::try_from(DAYS).unwrap() / u32::try_from(events).unwrap();
    let start = template[0].at;
    let mut states: Vec<RouteState> = Vec::new();
    for n in 0..ROUTES {
        states.push(ledger.load(&route_name(n)).await.unwrap());
    }
    let mut middle = None;
    for n in 0..events {
        let at = start.plus(step * u32::try_from(n).unwrap());
        let key = key_of(n);
        if n == events / 2 {
            middle = Some((at, key));
        }
        let state = &mut states[usize::try_from(n % ROUTES).unwrap()];
        for entry in template {
            *state = append(ledger, state, Entry { at, event_key: key, ..entry.clone() }).await;
        }
    }
    let (at, key) = middle.unwrap();
    Loaded { records: events * per_event, day: at.day(), key }
}

/// The same event cannot come twice; these are as different as real ones.
fn key_of(n: u64) -> EventKey {
    EventKey::parse(&Hash::of(&n.to_string()).to_string()).unwrap()
}

async fn append(ledger: &DynamoLedger, state: &RouteState, entry: Entry) -> RouteState {
    let change = change::note(state, StateUpdate::None, entry).unwrap();
    // Nobody else writes here, so nothing can be refused: what stands then would break the chain, and be found.
    match ledger.commit(&change).await.unwrap() {
        Commit::Done(state) | Commit::Refused { state, .. } | Commit::PlaceTaken { state, .. } => state,
    }
}

#[derive(Default)]
struct Answer {
    records: u64,
    requests: u64,
    units: f64,
}

struct Reader {
    ledger: DynamoLedger,
    record_bytes: u64,
    /// Questions of each kind.
    times: usize,
}

impl Reader {
    /// Asks the same question again and again.
    async fn ask(&self, what: &str, query: &AuditQuery, wanted: Option<u32>) -> Vec<String> {
        let mut times = Vec::new();
        let mut answer = Answer::default();
        for _ in 0..self.times {
            let meter = Meter::start();
            answer = self.read(query, wanted).await;
            times.push(meter.wall());
        }
        times.sort_unstable();
        let Answer { records, requests, units } = answer;
        row![what, records, requests, format!("{units:.1}"), ms(times[self.times / 2])]
    }

    /// All pages of an answer, or as many as the wanted records need.
    async fn read(&self, query: &AuditQuery, wanted: Option<u32>) -> Answer {
        let mut answer = Answer::default();
        let mut cursor = None;
        loop {
            let limit = wanted.unwrap_or(PAGE);
            let page = self.ledger.page(query, limit, cursor.as_deref()).await.unwrap();
            let records = u64::try_from(page.rows.len()).unwrap();
            answer.requests += 1;
            answer.records += records;
            answer.units += self.units(query, records);
            cursor = page.next;
            if cursor.is_none() || wanted.is_some_and(|n| answer.records >= n.into()) {
                return answer;
            }
        }
    }

    /// A table is read strongly consistently, at one unit for each 4 KB; an index cannot be, at half a unit.
    fn units(&self, query: &AuditQuery, records: u64) -> f64 {
        let whole = (records * self.record_bytes).div_ceil(READ_UNIT_BYTES).max(1);
        let whole = f64::from(u32::try_from(whole).unwrap());
        match query {
            AuditQuery::Chain { .. } | AuditQuery::Newest { .. } | AuditQuery::NewestFrom { .. } => whole,
            AuditQuery::Day { .. } | AuditQuery::DayBefore { .. } | AuditQuery::Event { .. } => whole / 2.0,
        }
    }
}

/// What a person types who wants to know whether anything was changed, in the table and in an export.
async fn verify(ledger: DynamoLedger, route: &RouteName, engine: Engine) {
    let ledger = Arc::new(ledger);
    let records = ledger.peek(route).await.unwrap().unwrap().chain.seq;
    let desk = Desk::at(ledger);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    let (route, file) = (route.as_str(), file.to_str().unwrap());
    let commands: [&[&str]; 3] = [
        &["audit", "verify", route],
        &["audit", "export", "--route", route, "--to", file],
        &["audit", "verify", "--file", file],
    ];
    say("");
    let heading = ["command", "records", "requests", "records a second", "of CPU"];
    let mut rows = vec![heading.map(str::to_owned).into()];
    let mut of_cpu = Vec::new();
    // A short chain is followed several times: the kernel counts processor time in steps.
    let times = FOLLOWED_LEAST.div_ceil(records);
    for words in commands {
        let (meter, mut requests) = (Meter::start(), 0);
        for _ in 0..times {
            // An export would go on with the one before.
            if words[1] == "export" && Path::new(file).exists() {
                fs::remove_file(file).unwrap();
            }
            requests = desk.types(words).await;
        }
        let a_second = |time: Duration| 1.0 / each(time.as_secs_f64(), times * records);
        let (wall, cpu) = (a_second(meter.wall()), a_second(meter.cpu()));
        // Without the names of this run.
        let what = words.join(" ").replace(route, "ROUTE").replace(file, "FILE");
        rows.push(row![what, records, requests, format!("{wall:.0}"), format!("{cpu:.0}")]);
        of_cpu.push(cpu);
    }
    table(&rows);
    say("");
    // What an engine in this process takes is not the program's.
    let (what, a_second) = match engine {
        Engine::Here => ("an export", of_cpu[2]),
        Engine::Ministack => ("a table, over the wire", of_cpu[0]),
    };
    hold(
        &format!("verifying {what}, records a second of CPU"),
        &format!(">= {VERIFIED_A_SECOND}"),
        &format!("{a_second:.0}"),
        a_second >= VERIFIED_A_SECOND,
    );
}
