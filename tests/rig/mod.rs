//! The stage of the tests in the embedded world: a fleet, its routes, and what its workers told.
#![allow(dead_code, reason = "each test binary uses its part of the rig")]
#![expect(clippy::unwrap_used, reason = "a rig that cannot be built fails the test that wanted it")]

pub(crate) mod invariants;
pub(crate) mod log;
pub(crate) mod tables;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::evidence::trigger::{CommandKind, OperatorCommand};
use writerlink_core::ledger::chain::{BrokenChain, ChainVerifier};
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::ChainHead;
use writerlink_core::model::ids::{Hash, Owner};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::route::{Route, Strategy, TargetGroup, Weighted};
use writerlink_core::model::source_arn::SourceArn;
use writerlink_core::model::target::Target;
use writerlink_engine::attempt::{OperatorCommands, Report};
use writerlink_engine::audit_chain::{compared_end, verify_newest};
use writerlink_engine::ports::{AuditQuery, AuditReader, Ledger, StoredRecord};
use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};
use writerlink_engine::worker::Until;
use writerlink_sim::databases::Instance;
use writerlink_sim::faults::{CallSite, Effect, Fate, Fault};
use writerlink_sim::fleet::{Fleet, FleetConfig, Running};
use writerlink_sim::world::{WorldConfig, instances};

/// Keeps what workers tell, for assertions.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) reports: Mutex<Vec<Report>>,
    pub(crate) lines: Mutex<Vec<String>>,
}

impl EventSink for Told {
    fn record(&self, happening: &WorkerEvent<'_>) {
        match happening {
            WorkerEvent::Attempt(report) => self.reports.lock().unwrap().push((*report).clone()),
            WorkerEvent::Started { .. }
            | WorkerEvent::LoopPassed
            | WorkerEvent::LoopPasses(_)
            | WorkerEvent::PassEnded { .. }
            | WorkerEvent::Received(_) => {}
            other => self.lines.lock().unwrap().push(format!("{other:?}")),
        }
    }
}

impl Told {
    pub(crate) fn reports(&self) -> Vec<Report> {
        self.reports.lock().unwrap().clone()
    }

    /// How the attempts ended, in order, one word each.
    pub(crate) fn ends(&self) -> Vec<&'static str> {
        self.reports().iter().map(|report| report.ended.as_str()).collect()
    }
}

/// A world with routes and their clusters of three instances each, `name-1` being the writer.
pub(crate) struct Rig {
    pub(crate) fleet: Fleet,
    pub(crate) routes: Vec<Route>,
    pub(crate) told: Arc<Told>,
}

impl Rig {
    /// What a person orders of a route, and it is carried out.
    pub(crate) async fn order(&self, route: usize, act: CommandKind) {
        let ports = self.fleet.ports(&self.fleet.world.process("person"));
        let attempts = FleetConfig::default().attempts;
        let commands = OperatorCommands::new(&ports, Owner::new("person"), attempts);
        let order = OperatorCommand {
            at: ports.clock.wall(),
            by: "ann".to_owned(),
            reason: "a test".to_owned(),
            act,
            overrides: Vec::new(),
        };
        let ordered = commands.order(&self.routes[route], &order).await;
        assert!(ordered.is_ok(), "{ordered:?}");
    }

    /// The first fault that this process finds in the first route's chain; it puts nothing right.
    pub(crate) async fn chain_fault(&self, process: &str) -> Option<BrokenChain> {
        let ports = self.fleet.ports(&self.fleet.world.process(process));
        let (ledger, audit) = (ports.ledger.as_ref(), ports.audit.as_ref());
        let route = &self.routes[0].name;
        let state = ledger.peek(route).await.unwrap();
        let head = state.map_or_else(ChainHead::default, |state| state.chain);
        let found = verify_newest(audit, route.clone(), head).await.unwrap();
        match found.fault {
            Some(fault) => Some(fault.broken),
            None if found.last.seq <= head.seq => None,
            None => compared_end(ledger, audit, route).await.unwrap()?.behind(),
        }
    }

    pub(crate) async fn new(names: &[&str]) -> Self {
        Self::with(names, WorldConfig::default(), FleetConfig::default()).await
    }

    pub(crate) async fn with(names: &[&str], world: WorldConfig, fleet: FleetConfig) -> Self {
        let fleet = Fleet::new(world, fleet).await.unwrap();
        let route = |name: &&str| fleet.world.add_route(name, &instances(name, 3).unwrap()).unwrap();
        let routes = names.iter().map(route).collect();
        Self { fleet, routes, told: Arc::default() }
    }

    /// Starts a worker that waits for more.
    pub(crate) fn start(&self, name: &str) -> Running {
        self.fleet.start(name, &self.routes, Until::Stopped, Arc::clone(&self.told) as _)
    }

    /// Runs a worker until the queue is empty; `true` when it ended by itself, `false` when it died.
    pub(crate) async fn run(&self, name: &str) -> bool {
        self.start_until_drained(name).ended().await
    }

    /// Starts a worker that ends when the queue is empty.
    pub(crate) fn start_until_drained(&self, name: &str) -> Running {
        let told = Arc::clone(&self.told) as _;
        self.fleet.start(name, &self.routes, Until::Drained, told)
    }

    pub(crate) fn instance(&self, route: usize, n: usize) -> Instance {
        let name = self.routes[route].name.as_str();
        instances(name, 3).unwrap().swap_remove(n - 1)
    }

    pub(crate) fn target(&self, route: usize, n: usize) -> Target {
        Target { ip: self.instance(route, n).ip, port: self.routes[route].port }
    }

    /// The event with this id about instance `n`, `seconds` after the world began.
    pub(crate) fn event(&self, route: usize, id: EventId, n: usize, seconds: u64) -> RdsEvent {
        let start = WorldConfig::default().start;
        let instance = self.instance(route, n).id;
        let source = writerlink_core::model::names::SourceId::new(self.routes[route].name.as_str());
        let message = match id {
            EventId::FAILOVER_COMPLETED => format!("Completed failover to DB instance: {instance}"),
            EventId::PREVIOUS_PRIMARY_PROMOTED => {
                format!("Promoting previous primary again: {instance}.")
            }
            _ => format!("Started cross AZ failover to DB instance: {instance}"),
        };
        RdsEvent {
            id: Some(id),
            source: source.unwrap(),
            kind: writerlink_core::model::source_arn::SourceKind::Cluster,
            source_arn: SourceArn::parse(&format!(
                "arn:aws:rds:us-east-1:123456789012:cluster:{}",
                self.routes[route].name
            ))
            .ok(),
            at: start.plus(Duration::from_secs(seconds)),
            message,
        }
    }

    pub(crate) fn started(&self, route: usize, n: usize, seconds: u64) -> RdsEvent {
        self.event(route, EventId::STARTED_CROSS_AZ, n, seconds)
    }

    pub(crate) fn completed(&self, route: usize, n: usize, seconds: u64) -> RdsEvent {
        self.event(route, EventId::FAILOVER_COMPLETED, n, seconds)
    }

    /// What is registered and not draining; of a weighted route, the targets whose groups have a weight.
    pub(crate) fn registered(&self, route: usize) -> Vec<Target> {
        if let Strategy::Weighted(weighted) = &self.routes[route].strategy {
            return self.weighed(route, weighted);
        }
        self.fleet.world.elb.registered(&self.routes[route].group.arn).into_iter().collect()
    }

    fn weighed(&self, route: usize, weighted: &Weighted) -> Vec<Target> {
        let weights = self.fleet.world.elb.weights(&weighted.listener);
        let in_service = weights.in_service();
        let serves = |group: &TargetGroup| in_service.contains(&group.arn);
        let route = &self.routes[route];
        let groups = weighted.groups.iter().filter(|(_, group)| serves(group));
        groups.map(|(instance, _)| Target { ip: route.instances[instance], port: route.port }).collect()
    }

    /// Makes a route weighted that nothing has happened to yet.
    pub(crate) fn make_weighted(&mut self, route: usize) {
        let name = self.routes[route].name.to_string();
        let members = instances(&name, 3).unwrap();
        let weighted = self.fleet.world.add_weighted_route(&name, &members);
        self.routes[route] = weighted.unwrap();
    }

    /// Whole calls of a process by API name, in the order they took effect.
    pub(crate) fn calls(&self, process: &str) -> Vec<&'static str> {
        let journal = self.fleet.world.fabric.journal();
        journal.iter().filter(|e| e.process == process).map(|e| e.call).collect()
    }

    /// How many calls of the load balancer there were, by anyone.
    pub(crate) fn load_balancer_calls(&self) -> usize {
        let elb = ["DescribeTargetHealth", "RegisterTargets", "DeregisterTargets"];
        self.fleet.world.fabric.journal().iter().filter(|e| elb.contains(&e.call)).count()
    }

    /// Lets every call take this long, there and back.
    pub(crate) fn every_call_takes(&self, round_trip: Duration) {
        let plan = move |_: &CallSite| Fate::in_a_round_trip(round_trip);
        self.fleet.world.fabric.set_plan(Box::new(plan));
    }

    /// A route's whole chain, verified on the way: no gap, nothing altered, and it ends at the head (I8).
    pub(crate) async fn chain(&self, route: usize) -> Vec<StoredRecord> {
        let outsider = self.fleet.world.process("outsider");
        self.fleet.world.fabric.set_plan(writerlink_sim::faults::no_faults());
        let ledger = self.fleet.dynamo.ledger(&outsider);
        let name = self.routes[route].name.clone();
        let head = ledger.load(&name).await.unwrap().chain;
        let query = AuditQuery::Chain { route: name, from_seq: 1, to_seq: None };
        let (mut records, mut cursor, mut verifier) = (Vec::new(), None, ChainVerifier::default());
        loop {
            let page = ledger.page(&query, 100, cursor.as_deref()).await.unwrap();
            for row in page.rows {
                let stored = row.unwrap();
                assert_eq!(stored.altered, Vec::<String>::new());
                assert_eq!(Hash::of(&stored.canonical), stored.hash);
                verifier.take(stored.record.seq, stored.record.prev, stored.hash).unwrap();
                records.push(stored);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        verifier.finish(head).unwrap();
        records
    }

    /// A route's records in short: kind, and outcome where there is one.
    pub(crate) async fn story(&self, route: usize) -> Vec<(RecordKind, Option<Outcome>)> {
        let chain = self.chain(route).await;
        chain.iter().map(|s| (s.record.entry.kind, s.record.entry.outcome)).collect()
    }
}

/// Runs a world to its end on a runtime of its own, whose clock is paused.
pub(crate) fn in_its_own_runtime<T>(world: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(world)
}

/// A world's journal and reports as lines, in the order of what happened.
pub(crate) fn trace(journal: &[Effect], reports: &[Report]) -> String {
    let effect = |effect: &Effect| {
        let Effect { process, nth, .. } = effect;
        let fault = match effect.fault {
            Fault::None => String::new(),
            fault => format!("  <- {fault:?}"),
        };
        let at = effect.at.as_secs_f64();
        let detail = &effect.detail;
        format!("{at:9.3} {process}:{nth:<4} {} {detail}{fault}\n", effect.call)
    };
    let report = |report: &Report| {
        let (route, ended) = (&report.route, report.ended.as_str());
        let (message, note) = (report.told.text(), report.ended.note());
        format!("report {route} {ended} {message:?}: {note}\n")
    };
    let effects = journal.iter().map(effect);
    effects.chain(reports.iter().map(report)).collect()
}

/// Says something to who runs the tests, whether or not they pass.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
