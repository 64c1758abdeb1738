//! An Availability Zone fails: how long until every route is moved, with a line at ELB's bucket and without.
//!
//! Nothing is timed here: the world is the embedded one, with ELB's documented token buckets, and the seconds are its
//! own. So the figures are the same on every machine. `make burst` runs it; numbers of routes may be given as
//! arguments (`cargo bench --profile dev --bench burst -- 100 1000`).

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

mod support;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use support::hold;
use writerlink_core::actuation::quota::{Quota, REGISTRATIONS_BURST, REGISTRATIONS_PER_SECOND};
use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::model::names::SourceId;
use writerlink_core::model::route::Route;
use writerlink_core::model::source_arn::SourceKind;
use writerlink_engine::ports::Depth;
use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};
use writerlink_engine::worker::Until;
use writerlink_sim::dynamodb::EmbeddedDynamo;
use writerlink_sim::faults::{CallSite, Fate};
use writerlink_sim::fleet::{Fleet, FleetConfig};
use writerlink_sim::load_balancer::{Action, Mutation};
use writerlink_sim::target_group::Difference;
use writerlink_sim::world::{WorldConfig, instances};

/// How many routes fail over at once, where no argument says otherwise. Ten times as many take nine minutes.
const SIZES: [u32; 3] = [100, 300, 1000];

/// How long every call of every service takes, there and back.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// How often the world is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After how many times the limit nobody waits any longer.
const PATIENCE: u32 = 4;

/// As a container's default (`worker.parallel_groups`).
const PARALLEL_GROUPS: usize = 64;

/// How far from the limit is near enough.
const AIM: f64 = 1.05;

/// How many routes fail over without a line at most.
const NO_LINE_MOST: u32 = 1000;

/// Who goes first at the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// `registrations_per_second = 0`: calls are made as they come, and refused.
    NoLine,
    /// The worker as it is.
    RegistersFirst,
}

impl Order {
    fn quota(self) -> Option<Quota> {
        match self {
            Self::NoLine => None,
            Self::RegistersFirst => Some(Quota::default()),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::NoLine => "no line, refused",
            Self::RegistersFirst => "registers first",
        }
    }
}

/// What was seen of one burst.
struct Seen {
    order: Order,
    routes: u32,
    workers: u32,
    last_registered: Duration,
    all_done: Duration,
    unfinished: usize,
    refused: u64,
    describes: u64,
    ledger_writes: u64,
    queue_calls: u64,
    dead_letters: usize,
}

/// The limit of so many calls.
fn limit(calls: u32) -> Duration {
    let waiting = calls.saturating_sub(REGISTRATIONS_BURST);
    Duration::from_secs(waiting.into()) / REGISTRATIONS_PER_SECOND
}

struct Nobody;

impl EventSink for Nobody {
    fn record(&self, _: &WorkerEvent<'_>) {}
}

fn started(route: &Route) -> RdsEvent {
    RdsEvent {
        id: Some(EventId::STARTED_CROSS_AZ),
        source: SourceId::new(route.name.as_str()).unwrap(),
        kind: SourceKind::Cluster,
        source_arn: None,
        at: WorldConfig::default().start,
        message: format!("Started cross AZ failover to DB instance: {}-2", route.name),
    }
}

async fn burst(order: Order, routes: u32, workers: u32) -> Seen {
    let mut config = FleetConfig::default();
    config.limits.groups_max = PARALLEL_GROUPS;
    config.attempts.quota = order.quota();
    let dynamo = EmbeddedDynamo::memory().await.unwrap().without_tokens();
    let fleet = Fleet::on(dynamo, WorldConfig::default(), config);
    let route = |n: u32| {
        let name = format!("r{n:05}");
        let members = instances(&name, 2).unwrap();
        fleet.world.add_route(&name, &members).unwrap()
    };
    let all: Vec<Route> = (1..=routes).map(route).collect();
    let every_call = |_: &CallSite| Fate::in_a_round_trip(ROUND_TRIP);
    fleet.world.fabric.set_plan(Box::new(every_call));
    let running: Vec<_> = (1..=workers)
        .map(|n| fleet.start(&format!("w{n}"), &all, Until::Stopped, Arc::new(Nobody)))
        .collect();
    // The workers have been there for long: they know their routes, and their buckets are full.
    tokio::time::sleep(Duration::from_mins(5)).await;
    let from = fleet.world.fabric.time.elapsed();
    let quiet = fleet.world.fabric.journal().len();
    for route in &all {
        fleet.world.deliver(&started(route));
    }
    until_all_are_moved(&fleet, routes).await;
    let mutations = fleet.world.elb.mutations();
    let (mut describes, mut ledger_writes, mut queue_calls) = (0, 0, 0);
    for effect in fleet.world.fabric.journal().iter().skip(quiet) {
        match effect.call {
            "DescribeTargetHealth" => describes += 1,
            "ExecuteTransaction" | "ExecuteStatement" => ledger_writes += 1,
            "ReceiveMessage" | "ChangeMessageVisibility" | "DeleteMessage" => queue_calls += 1,
            _ => {}
        }
    }
    let made: u64 = (1..=workers).map(|n| fleet.world.elb.mutating_calls(&format!("w{n}"))).sum();
    let last = |action| {
        let changes = mutations.iter().filter(|m| changed(m, action));
        changes.map(|m| m.at).max().unwrap_or_default().saturating_sub(from)
    };
    let (last_registered, all_done) = (last(Action::Register), last(Action::Deregister));
    let dead_letters = fleet.world.dead_letters.messages().len();
    for worker in running {
        worker.process.kill();
    }
    Seen {
        order,
        routes,
        workers,
        last_registered,
        all_done,
        unfinished: usize::try_from(routes).unwrap() - count(&mutations, Action::Deregister),
        refused: made - u64::try_from(mutations.len()).unwrap(),
        describes,
        ledger_writes,
        queue_calls,
        dead_letters,
    }
}

/// Returns when every old target is gone and the queue is empty, or nobody waits any longer.
async fn until_all_are_moved(fleet: &Fleet, routes: u32) {
    let world = &fleet.world;
    let all_moved = || {
        let moved = count(&world.elb.mutations(), Action::Deregister);
        moved >= usize::try_from(routes).unwrap()
    };
    let patience = limit(2 * routes) * PATIENCE + Duration::from_mins(1);
    let deadline = world.fabric.time.elapsed() + patience;
    while world.fabric.time.elapsed() < deadline {
        if world.sqs.depth() == Depth::default() && all_moved() {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn changed(mutation: &Mutation, action: Action) -> bool {
    mutation.action == action && mutation.difference != Difference::Unchanged
}

fn count(mutations: &[Mutation], action: Action) -> usize {
    let changes = mutations.iter().filter(|m| changed(m, action));
    let groups: BTreeSet<_> = changes.map(|m| &m.group).collect();
    groups.len()
}

fn ratio(took: Duration, limit: Duration) -> f64 {
    took.as_secs_f64() / limit.as_secs_f64()
}

fn row(seen: &Seen, out: &mut impl Write) -> io::Result<()> {
    let (registers, whole) = (limit(seen.routes), limit(2 * seen.routes));
    writeln!(
        out,
        "{:>6}  {:<16} {:>2}  {:>8.1} s {:>6.3}  {:>8.1} s {:>6.3}  {:>7}  {:>9}  {:>7}  {:>8}  {:>4}",
        seen.routes,
        seen.order.as_str(),
        seen.workers,
        seen.last_registered.as_secs_f64(),
        ratio(seen.last_registered, registers),
        seen.all_done.as_secs_f64(),
        ratio(seen.all_done, whole),
        seen.refused,
        seen.describes,
        seen.ledger_writes,
        seen.queue_calls,
        format!("{}/{}", seen.unfinished, seen.dead_letters),
    )
}

fn run_alone(order: Order, routes: u32, workers: u32) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(burst(order, routes, workers))
}

const BURSTS: [(Order, u32); 3] =
    [(Order::NoLine, 1), (Order::RegistersFirst, 1), (Order::RegistersFirst, 2)];

fn main() -> io::Result<()> {
    let out = &mut io::stdout().lock();
    let given: Vec<u32> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = if given.is_empty() { SIZES.to_vec() } else { given };
    writeln!(
        out,
        "routes  order          workers  last registered      all done             refused  describes  ledger     queue  left/dead"
    )?;
    let mut all = Vec::new();
    for routes in sizes {
        for (order, workers) in BURSTS {
            // It is refused more often than it is served; the growth is seen before it takes an hour.
            if order == Order::NoLine && routes > NO_LINE_MOST {
                continue;
            }
            let seen = run_alone(order, routes, workers);
            row(&seen, out)?;
            all.push(seen);
        }
    }
    writeln!(out)?;
    targets(&all);
    Ok(())
}

/// What is aimed at, and what came of it.
fn targets(all: &[Seen]) {
    let ours = |seen: &&Seen| seen.order == Order::RegistersFirst;
    for seen in all.iter().filter(ours) {
        let registers = ratio(seen.last_registered, limit(seen.routes));
        let whole = ratio(seen.all_done, limit(2 * seen.routes));
        let workers = if seen.workers == 1 { "worker" } else { "workers" };
        let of = format!("{} routes fail over, {} {workers}", seen.routes, seen.workers);
        for (what, figure) in [("last one registered", registers), ("everything done", whole)] {
            hold(
                &format!("{of}: {what}"),
                &format!("<= {AIM} of the limit"),
                &format!("{figure:.3}"),
                figure <= AIM,
            );
        }
    }
}
