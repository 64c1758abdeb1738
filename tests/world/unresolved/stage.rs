//! What these tests look at: a route's state, how it is judged, and what the timer counts.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::Assignment;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::reason::Reason;
use writerlink_core::status::health::{Assessment, RouteHealth};
use writerlink_engine::attempt::{Attempts, Reconciler};
use writerlink_engine::ports::{ErrorKind, Ledger};
use writerlink_engine::survey::Surveyor;
use writerlink_engine::worker::{Until, Worker};
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::FleetConfig;

use crate::rig::Rig;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// What the ledger has of a route.
pub(crate) async fn control(rig: &Rig, route: usize) -> Assignment {
    let outsider = rig.fleet.world.process("outsider");
    let ledger = rig.fleet.dynamo.ledger(&outsider);
    let state = ledger.peek(&rig.routes[route].name).await.unwrap();
    state.unwrap().control
}

/// How `status` and the page judge a route.
pub(crate) async fn judged(rig: &Rig, route: usize) -> Assessment {
    let process = rig.fleet.world.process("reader");
    let surveyor = Surveyor::new(rig.fleet.ports(&process));
    let mut survey = surveyor.survey(&rig.routes).await;
    survey.routes.swap_remove(route).assessment
}

pub(crate) async fn standing(rig: &Rig, route: usize) -> RouteHealth {
    judged(rig, route).await.health
}

/// How many routes the last summary of a worker's timer counts as diverged.
pub(crate) fn diverged(rig: &Rig) -> usize {
    let lines = rig.told.lines.lock().unwrap();
    let mut summaries = lines.iter().filter(|line| line.starts_with("Summary"));
    let last = summaries.next_back().unwrap();
    let (_, count) = last.split_once("out_of_sync: ").unwrap();
    count.split(',').next().unwrap().parse().unwrap()
}

/// The reasons of a route's records of this kind.
pub(crate) async fn reasons(rig: &Rig, route: usize, kind: RecordKind) -> Vec<Option<Reason>> {
    let chain = rig.chain(route).await;
    let entries = chain.into_iter().map(|stored| stored.record.entry);
    entries.filter(|entry| entry.kind == kind).map(|entry| entry.reason).collect()
}

/// The event as if it were said now.
pub(crate) fn now(rig: &Rig, event: RdsEvent) -> RdsEvent {
    let at = rig.fleet.world.fabric.time.now();
    RdsEvent { at, ..event }
}

/// Starts a worker that works on events and never looks at a route by itself.
pub(crate) fn without_timer(rig: &Rig, name: &str, attempts: Attempts) -> JoinHandle<usize> {
    let process = rig.fleet.world.process(name);
    let ports = rig.fleet.ports(&process);
    let reconciler = Arc::new(Reconciler::new(&ports, Owner::new(name), attempts));
    let mut limits = FleetConfig::default().limits;
    limits.reconciling.interval = None;
    let told = Arc::clone(&rig.told) as _;
    let worker = Worker::new(&ports, reconciler, rig.routes.as_slice().into(), told, limits);
    tokio::spawn(async move { worker.run(Until::Stopped, std::future::pending()).await })
}

/// From now on this call fails for this reason, whoever makes it.
pub(crate) fn refuse(rig: &Rig, call: &'static str, kind: ErrorKind) {
    let plan = move |site: &CallSite| {
        if site.call == call { Fate::meets(Fault::Refused(kind)) } else { Fate::WORKS }
    };
    rig.fleet.world.fabric.set_plan(Box::new(plan));
}
