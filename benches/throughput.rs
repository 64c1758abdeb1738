//! How many moves a worker makes a second on one core, how long each takes, and what it costs.
//!
//! The embedded world, with round trips of no time: all that is left is the worker's own work and that of the engine
//! which stands for DynamoDB in the same process. So the throughput is a lower bound.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot run should say where")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use support::capacity::{Sizes, Units};
use support::meter::{Meter, each, ms, quantile, us};
use support::stage::{BETWEEN_ROUNDS, NO_TIMER, Stage, run};
use support::{say, table};
use writerlink_engine::timer::Reconciling;

/// Workers and groups in flight.
const LOADS: [(usize, usize); 6] = [(1, 1), (1, 10), (1, 100), (2, 100), (3, 100), (4, 100)];

/// Moves in each of them.
const MOVES: usize = 2000;

/// Hours with a failover, and hours without, whose difference is what a failover costs.
const HOURS: u64 = 20;
const FAILOVERS_BEFORE: u64 = 17;
const HOUR: Duration = Duration::from_hours(1);

/// List prices of us-east-1 as docs/deploy.md has them, with where they are from: the first two are from secondary
/// sources, that of SQS from memory.
const DOLLARS_PER_WRITE_UNIT: f64 = 0.625e-6;
const DOLLARS_PER_READ_UNIT: f64 = 0.125e-6;
const DOLLARS_PER_SQS_REQUEST: f64 = 0.50e-6;

/// What is deployed: `infra/writerlink.yaml` starts two tasks.
const TASKS: f64 = 2.0;
const HOURS_A_MONTH: f64 = 730.0;
const FAILOVERS_A_MONTH: f64 = 10.0;

fn main() {
    throughput();
    let idle: Vec<Spent> = [1, 10].map(|routes| run(hours(routes, 0))).into();
    let busy = run(hours(1, HOURS));
    cost(&idle, &busy);
    bill(&idle[1], &idle[0], &busy);
}

fn throughput() {
    say(
        "Moves in the embedded world, round trips of no time, one thread; CPU includes the engine that stands for DynamoDB\n",
    );
    let mut rows = vec![row![
        "workers",
        "groups",
        "moves",
        "moves/s of CPU",
        "CPU us/move",
        "p50 ms",
        "p99 ms",
        "API calls/move"
    ]];
    for (workers, groups) in LOADS {
        rows.push(run(load(workers, groups)));
    }
    table(&rows);
}

async fn load(workers: usize, groups: usize) -> Vec<String> {
    let mut stage = Stage::new(groups, workers, NO_TIMER).await;
    stage.fail_over().await;
    let (mut took, mut cpu, mut calls) = (Vec::new(), 0.0, 0);
    for _ in 0..MOVES / groups {
        tokio::time::sleep(BETWEEN_ROUNDS).await;
        stage.fleet.world.forget_history();
        let meter = Meter::start();
        took.extend(stage.fail_over().await);
        cpu += meter.cpu().as_secs_f64();
        calls += stage.fleet.world.fabric.journal().len();
    }
    stage.stop().await;
    took.sort_unstable();
    let moves = u64::try_from(took.len()).unwrap();
    let each_cpu = each(cpu, moves);
    row![
        workers,
        groups,
        moves,
        format!("{:.0}", 1.0 / each_cpu),
        us(each_cpu),
        ms(quantile(&took, 50)),
        ms(quantile(&took, 99)),
        format!("{:.1}", each(f64::from(u32::try_from(calls).unwrap()), moves)),
    ]
}

/// What some hours cost.
struct Spent {
    calls: BTreeMap<&'static str, u64>,
    units: Units,
    cpu: f64,
    record_bytes: u64,
}

/// One worker, its timer as configured by default; in each of the first `failovers` hours every route moves once.
async fn hours(routes: usize, failovers: u64) -> Spent {
    let mut stage = Stage::new(routes, 1, Reconciling::default()).await;
    // As many records as the verification of a chain reads, or its cost would grow within the hours that are counted.
    for _ in 0..FAILOVERS_BEFORE {
        stage.fail_over().await;
        tokio::time::sleep(HOUR).await;
    }
    stage.fleet.world.forget_history();
    let meter = Meter::start();
    for hour in 0..HOURS {
        if hour < failovers {
            stage.fail_over().await;
        }
        tokio::time::sleep(HOUR).await;
    }
    let cpu = meter.cpu().as_secs_f64();
    let journal = stage.fleet.world.fabric.journal();
    let sizes = Sizes::of(&stage.fleet.dynamo).await;
    let mut calls = BTreeMap::new();
    for effect in &journal {
        *calls.entry(effect.call).or_default() += 1;
    }
    let (units, record_bytes) = (sizes.units(&journal), sizes.record());
    stage.stop().await;
    Spent { calls, units, cpu, record_bytes }
}

impl Spent {
    fn count(&self, call: &str) -> f64 {
        each(f(self.calls.get(call).copied().unwrap_or(0)), HOURS)
    }

    fn write_units(&self) -> f64 {
        each(f(self.units.write), HOURS)
    }

    fn read_units(&self) -> f64 {
        each(f(self.units.read), HOURS)
    }

    fn dollars(&self) -> f64 {
        let sqs = ["ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"];
        let requests: f64 = sqs.iter().map(|call| self.count(call)).sum();
        self.write_units() * DOLLARS_PER_WRITE_UNIT
            + self.read_units() * DOLLARS_PER_READ_UNIT
            + requests * DOLLARS_PER_SQS_REQUEST
    }
}

fn cost(idle: &[Spent], busy: &Spent) {
    say(
        "\nWhat it costs: a failover until nothing is left to follow, and an hour of one worker without any\n",
    );
    let (one, ten) = (&idle[0], &idle[1]);
    let mut rows = vec![row!["", "a failover", "idle hour, 1 route", "idle hour, 10 routes"]];
    let line = |what: &str, value: &dyn Fn(&Spent) -> f64| {
        row![
            what,
            format!("{:.1}", value(busy) - value(one)),
            format!("{:.1}", value(one)),
            format!("{:.1}", value(ten))
        ]
    };
    let names: std::collections::BTreeSet<_> = [one, ten, busy].iter().flat_map(|s| s.calls.keys()).collect();
    for name in names {
        rows.push(line(name, &|spent| spent.count(name)));
    }
    rows.push(line("write request units", &Spent::write_units));
    rows.push(line("read request units", &Spent::read_units));
    rows.push(line("CPU us", &|spent| each(spent.cpu * 1e6, HOURS)));
    table(&rows);
    say(&format!("a record has {} bytes on average", busy.record_bytes));
}

fn bill(ten: &Spent, one: &Spent, busy: &Spent) {
    let failover = busy.dollars() - one.dollars();
    let idle = ten.dollars() * TASKS * HOURS_A_MONTH;
    let rows = [
        row!["a month, 10 routes, 2 tasks", "$"],
        row!["requests of idle hours", format!("{idle:.3}")],
        row![
            format!("requests of {FAILOVERS_A_MONTH} failovers"),
            format!("{:.6}", failover * FAILOVERS_A_MONTH)
        ],
    ];
    say("");
    table(&rows);
    say("list prices as in docs/deploy.md (secondary sources); tasks, alarms and the rest are there");
}

fn f(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("counts of a benchmark are small"))
}
