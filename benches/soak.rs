//! Whether a worker that moves routes for ever grows.
//!
//! A hundred routes, one worker with its timer, the embedded world; so many events as are asked for. What is not the
//! worker's is kept out of its memory: the engine that stands for DynamoDB keeps its tables in a file (`TMPDIR`, best
//! on a file system in memory), of which each route's newest records and the last events stay, and the world forgets
//! its history. The resident memory is printed as it goes; the mean of the second half is held against the first's.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run should say where"
)]

mod support;

use std::time::Duration;

use support::meter::{Meter, each, resident_mib, us};
use support::stage::{Stage, run};
use support::{hold, number_asked, say, table};
use writerlink::embedded::dynamodb::EmbeddedDynamo;
use writerlink::timer::Reconciling;

const EVENTS_DEFAULT: u64 = 10_000;
const ROUTES: usize = 100;

/// Simulated time between two rounds: the timer follows the last move with two looks meanwhile.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(10);

/// How many rounds the ledger grows before it is cut back.
const ROUNDS_KEPT: u64 = 50;

/// More than the timer's verification of a chain reads (`reconcile/chain.rs`), so that it finds what it looks for.
const RECORDS_KEPT: u64 = 60;

/// Lines of the table.
const LINES: u64 = 20;

/// What a process that does not grow may differ by: a page here and there that the allocator gives back or takes.
const GROWTH_MAX_MIB: f64 = 1.0;

fn main() {
    let events = number_asked(EVENTS_DEFAULT);
    say(&format!(
        "{events} events on {ROUTES} routes, one worker with its timer"
    ));
    run(soak(events));
}

async fn soak(events: u64) {
    let routes = u64::try_from(ROUTES).unwrap();
    let rounds = events.div_ceil(routes);
    let ledger = tempfile::tempdir().unwrap();
    let path = ledger.path().join("ledger.db");
    let dynamo = EmbeddedDynamo::file(path.to_str().unwrap()).await.unwrap();
    let mut stage = Stage::on(dynamo, ROUTES, 1, Reconciling::default()).await;
    let mut resident: Vec<f64> = Vec::new();
    let mut rows = vec![row![
        "events",
        "resident MiB",
        "records in the ledger",
        "CPU us/event"
    ]];
    let mut meter = Meter::start();
    let every = (rounds / LINES).max(1);
    for round in 1..=rounds {
        stage.fail_over().await;
        tokio::time::sleep(BETWEEN_ROUNDS).await;
        if round % ROUNDS_KEPT == 0 {
            stage.cut_back(RECORDS_KEPT).await;
        }
        if round % every == 0 {
            let spent = each(meter.cpu().as_secs_f64(), every * routes);
            let records = stage.records().await;
            resident.push(resident_mib());
            let now = format!("{:.1}", resident_mib());
            say(&format!("  {} events: {now} MiB", round * routes));
            rows.push(row![round * routes, now, records, us(spent)]);
            meter = Meter::start();
        }
    }
    table(&rows);
    verdict(rounds * routes, &resident);
    stage.stop().await;
}

/// The first lines are left out: connections, caches and the allocator's own pools are filled then.
fn verdict(events: u64, resident: &[f64]) {
    let mean = |part: &[f64]| each(part.iter().sum(), u64::try_from(part.len().max(1)).unwrap());
    let half = resident.len() / 2;
    let (first, last) = (mean(&resident[half.min(2)..half]), mean(&resident[half..]));
    let growth = last - first;
    hold(
        &format!("memory over {events} events, its second half against its first"),
        &format!("no growth (up to {GROWTH_MAX_MIB} MiB)"),
        &format!("{growth:+.1} MiB, of {first:.1} MiB"),
        growth <= GROWTH_MAX_MIB,
    );
}
