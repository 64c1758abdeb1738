//! A world whose calls take no time, its routes, and workers that move them as fast as they can.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;
use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::model::names::SourceId;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::Policy;
use writerlink_core::model::route::Route;
use writerlink_core::model::source_arn::{SourceArn, SourceKind};
use writerlink_engine::attempt::Attempts;
use writerlink_engine::ports::Depth;
use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};
use writerlink_engine::timer::Reconciling;
use writerlink_engine::worker::{Limits, Until};
use writerlink_sim::dynamodb::EmbeddedDynamo;
use writerlink_sim::fleet::{Fleet, FleetConfig, Running};
use writerlink_sim::load_balancer::LoadBalancerConfig;
use writerlink_sim::quota::Throttling;
use writerlink_sim::world::{WorldConfig, instances};

use super::meter::now;

/// The simulated time between two rounds: longer than a target drains, than the queue remembers a message, and than
/// the flap rule looks back. Nothing of one round is left in the next.
pub(crate) const BETWEEN_ROUNDS: Duration = Duration::from_mins(11);

/// A runtime on this thread whose clock moves only when everyone waits, as in the simulation.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

/// When each attempt ended that moved a route.
#[derive(Default)]
struct Moved {
    at: Mutex<Vec<Instant>>,
    another: Notify,
}

impl EventSink for Moved {
    fn record(&self, happening: &WorkerEvent<'_>) {
        if let WorkerEvent::Attempt(report) = happening
            && report.ended.outcome() == Some(Outcome::Moved)
        {
            self.at.lock().unwrap().push(now());
            self.another.notify_one();
        }
    }
}

/// A world and what happens in it.
pub(crate) struct Stage {
    pub(crate) fleet: Fleet,
    pub(crate) routes: Vec<Route>,
    moved: Arc<Moved>,
    workers: Vec<Running>,
    rounds: u64,
}

/// The timer as it is, and none.
pub(crate) const NO_TIMER: Reconciling = Reconciling {
    interval: None,
    describe_calls_per_second_max: writerlink_engine::timer::PASSES_PER_SECOND_MAX,
    sql_interval: writerlink_engine::timer::SQL_INTERVAL,
};

impl Stage {
    /// A world with so many routes, each of a message group of its own, and so many workers. The API's quotas are
    /// off and nothing limits how often a route moves: what is measured is the worker.
    pub(crate) async fn new(groups: usize, workers: usize, reconciling: Reconciling) -> Self {
        let dynamo = EmbeddedDynamo::memory().await.unwrap();
        Self::on(dynamo, groups, workers, reconciling).await
    }

    /// The same on this engine.
    pub(crate) async fn on(
        dynamo: EmbeddedDynamo,
        groups: usize,
        workers: usize,
        reconciling: Reconciling,
    ) -> Self {
        let world = WorldConfig {
            load_balancer: LoadBalancerConfig {
                throttling: Throttling::Off,
                ..LoadBalancerConfig::default()
            },
            ..WorldConfig::default()
        };
        let config = FleetConfig {
            attempts: Attempts { attempts_max: 6, moves_per_minute_max: u32::MAX, quota: None },
            limits: Limits {
                groups_max: groups.max(1),
                groups_min: 1,
                drain_timeout: Duration::from_secs(25),
                reconciling,
            },
        };
        let fleet = Fleet::on(dynamo.without_tokens(), world, config);
        let routes: Vec<Route> = (0..groups).map(|n| route(&fleet, n)).collect();
        let moved: Arc<Moved> = Arc::default();
        let start = |n: usize| {
            let observer = Arc::clone(&moved) as _;
            fleet.start(&format!("w{n}"), &routes, Until::Stopped, observer)
        };
        let workers = (0..workers).map(start).collect();
        let stage = Self { fleet, routes, moved, workers, rounds: 0 };
        // The workers read every route's state first, as in production, where that is long over at the first event.
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage
    }

    /// A failover of every route at once; returns when all are moved and every message is deleted. How long each
    /// took from the delivery of all, in real time, sorted.
    pub(crate) async fn fail_over(&mut self) -> Vec<Duration> {
        self.rounds += 1;
        let events: Vec<RdsEvent> = self.routes.iter().map(|route| self.event(route)).collect();
        self.moved.at.lock().unwrap().clear();
        let delivered = now();
        for event in &events {
            self.fleet.world.deliver(event);
        }
        while self.moved.at.lock().unwrap().len() < self.routes.len() {
            self.moved.another.notified().await;
        }
        while self.fleet.world.sqs.depth() != Depth::default() {
            yield_now().await;
        }
        let at = self.moved.at.lock().unwrap();
        let mut took: Vec<Duration> = at.iter().map(|at| at.duration_since(delivered)).collect();
        took.sort_unstable();
        took
    }

    /// What the next failover of the first route would say.
    pub(crate) fn next_event(&mut self) -> RdsEvent {
        self.rounds += 1;
        self.event(&self.routes[0])
    }

    /// Every round names the other instance.
    fn event(&self, route: &Route) -> RdsEvent {
        let writer = if self.rounds % 2 == 1 { 2 } else { 1 };
        let name = route.name.as_str();
        RdsEvent {
            id: Some(EventId::STARTED_CROSS_AZ),
            source: SourceId::new(name).unwrap(),
            kind: SourceKind::Cluster,
            source_arn: SourceArn::parse(&format!("arn:aws:rds:us-east-1:123456789012:cluster:{name}")).ok(),
            at: self.fleet.world.fabric.time.now(),
            message: format!("Started cross AZ failover to DB instance: {name}-{writer}"),
        }
    }

    /// Ends the workers and waits for their end.
    pub(crate) async fn stop(self) {
        self.workers.iter().for_each(Running::stop);
        for worker in self.workers {
            worker.ended().await;
        }
    }
}

fn route(fleet: &Fleet, n: usize) -> Route {
    let name = format!("orders{n:03}");
    let members = instances(&name, 2).unwrap();
    let route = fleet.world.add_route(&name, &members).unwrap();
    let policy = Policy { flap_moves_max: 0, ..route.policy };
    Route { policy, ..route }
}
