//! Whether a worker that moves routes for ever grows.
//!
//! A hundred routes, one worker with its timer, the embedded world; so many events as are asked for. What is not the
//! worker's is kept out of its memory: the engine that stands for DynamoDB keeps its tables in a file (`TMPDIR`, best
//! on a file system in memory), of which each route's newest records and the last events stay, and the world forgets
//! its history. What is allocated is printed as it goes, and the resident memory, which is what the C library's allocator
//! makes of it; of what is allocated the mean of the second half is held against the first's.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should say where")]

mod support;

use std::time::Duration;

use peak_alloc::PeakAlloc;
use support::meter::{Meter, each, mib, resident_mib, us};
use support::stage::{Stage, run};
use support::{hold, number_asked, say, table};
use writerlink_engine::timer::Reconciling;
use writerlink_sim::dynamodb::EmbeddedDynamo;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const EVENTS_DEFAULT: u64 = 10_000;
const ROUTES: usize = 100;

/// Simulated time between two rounds: the timer follows the last move with two looks meanwhile.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(10);

/// How many rounds the ledger grows before it is cut back.
const ROUNDS_KEPT: u64 = 50;

/// More than the timer's verification of a chain reads (`engine/src/attempt/chain_check.rs`), so that it finds what it looks for.
const RECORDS_KEPT: u64 = 60;

/// Lines of the table.
const LINES: u64 = 20;

/// What a process that does not grow may differ by: a request more or less that is under way.
const GROWTH_MAX_MIB: f64 = 0.1;

fn main() {
    let events = number_asked(EVENTS_DEFAULT);
    say(&format!("{events} events on {ROUTES} routes, one worker with its timer"));
    run(soak(events));
}

async fn soak(events: u64) {
    let routes = u64::try_from(ROUTES).unwrap();
    let rounds = events.div_ceil(routes);
    let ledger = tempfile::tempdir().unwrap();
    let path = ledger.path().join("ledger.db");
    let dynamo = EmbeddedDynamo::file(path.to_str().unwrap()).await.unwrap();
    let mut stage = Stage::on(dynamo, ROUTES, 1, Reconciling::default()).await;
    let mut seen: Vec<Memory> = Vec::new();
    let mut rows =
        vec![row!["events", "allocated MiB", "resident MiB", "records in the ledger", "CPU us/event"]];
    let mut cpu = 0.0;
    let every = (rounds / LINES).max(1);
    for round in 1..=rounds {
        let meter = Meter::start();
        stage.fail_over().await;
        tokio::time::sleep(BETWEEN_ROUNDS).await;
        cpu += meter.cpu().as_secs_f64();
        // Before each line too: what a line tells does not depend on how long ago it was.
        if round % ROUNDS_KEPT == 0 || round % every == 0 {
            stage.cut_back(RECORDS_KEPT).await;
        }
        if round % every == 0 {
            let records = stage.records().await;
            let now = Memory::now();
            say(&format!("  {} events: {} MiB allocated", round * routes, now.allocated()));
            let resident = format!("{:.1}", now.resident);
            rows.push(row![
                round * routes,
                now.allocated(),
                resident,
                records,
                us(each(std::mem::take(&mut cpu), every * routes))
            ]);
            seen.push(now);
        }
    }
    table(&rows);
    verdict(rounds * routes, &seen);
    stage.stop().await;
}

/// In MiB.
struct Memory {
    allocated: f64,
    resident: f64,
}

impl Memory {
    fn now() -> Self {
        let allocated = u64::try_from(ALLOCATOR.current_usage()).unwrap();
        Self { allocated: mib(allocated), resident: resident_mib() }
    }

    fn allocated(&self) -> String {
        format!("{:.3}", self.allocated)
    }
}

/// The first lines are left out: connections, caches and the allocator's own pools are filled then.
fn verdict(events: u64, seen: &[Memory]) {
    let half = seen.len() / 2;
    let growth = |of: fn(&Memory) -> f64| {
        let mean = |part: &[Memory]| {
            let total = part.iter().map(of).sum();
            each(total, u64::try_from(part.len().max(1)).unwrap())
        };
        mean(&seen[half..]) - mean(&seen[half.min(2)..half])
    };
    let (allocated, resident) = (growth(|m| m.allocated), growth(|m| m.resident));
    hold(
        &format!("memory over {events} events, the second half against the first"),
        &format!("no growth (up to {GROWTH_MAX_MIB} MiB)"),
        &format!("{allocated:+.3} MiB allocated ({resident:+.1} MiB resident)"),
        allocated <= GROWTH_MAX_MIB,
    );
}
