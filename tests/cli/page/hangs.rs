//! A part of a worker that hangs: `/healthz` says which, whatever the other parts do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use writerlink_core::evidence::discovery::SourceReports;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::change::Change;
use writerlink_core::ledger::state::{EventEntry, RouteState};
use writerlink_core::model::ids::Owner;
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::route::Route;
use writerlink_engine::attempt::Reconciler;
use writerlink_engine::health::{PASS_AGE_MAX, RECEIVING_SILENT_MAX};
use writerlink_engine::ports::{
    AddressError, CallError, Commit, Databases, Depth, ErrorKind, Extended, Ledger, Message, Ports, Queue,
};
use writerlink_engine::telemetry::event::EventSinks;
use writerlink_engine::worker::{Until, Worker};
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::world::WorldConfig;

use super::http::Answer;
use super::world::Shown;
use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// Which calls are never answered from now on.
#[derive(Default)]
struct Hangs {
    receive: AtomicBool,
    ask: AtomicBool,
    address: AtomicBool,
}

impl Hangs {
    async fn at(switch: &AtomicBool) {
        if switch.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// A port some of whose calls may hang.
struct Hanging<T: ?Sized> {
    inner: Arc<T>,
    hangs: Arc<Hangs>,
}

#[async_trait]
impl Queue for Hanging<dyn Queue> {
    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<Message>, CallError> {
        Hangs::at(&self.hangs.receive).await;
        self.inner.receive(max, wait).await
    }
    async fn change_visibility(&self, message: &Message, by: Duration) -> Result<Extended, CallError> {
        self.inner.change_visibility(message, by).await
    }
    async fn delete(&self, message: &Message) -> Result<Extended, CallError> {
        self.inner.delete(message).await
    }
    async fn dead_letter(&self, message: &Message) -> Result<Extended, CallError> {
        self.inner.dead_letter(message).await
    }
    async fn depth(&self) -> Result<Depth, CallError> {
        self.inner.depth().await
    }
    async fn dead_letters(&self) -> Result<Depth, CallError> {
        self.inner.dead_letters().await
    }
}

#[async_trait]
impl Databases for Hanging<dyn Databases> {
    async fn address(&self, route: &Route, instance: &InstanceId) -> Result<Option<IpAddr>, AddressError> {
        Hangs::at(&self.hangs.address).await;
        self.inner.address(route, instance).await
    }
    async fn ask(&self, route: &Route) -> SourceReports {
        Hangs::at(&self.hangs.ask).await;
        self.inner.ask(route).await
    }
    async fn addresses(&self, route: &Route) -> Result<BTreeMap<InstanceId, IpAddr>, CallError> {
        self.inner.addresses(route).await
    }
}

/// A ledger that never answers.
struct DeadLedger;

#[async_trait]
impl Ledger for DeadLedger {
    async fn load(&self, _: &RouteName) -> Result<RouteState, CallError> {
        std::future::pending().await
    }
    async fn peek(&self, _: &RouteName) -> Result<Option<RouteState>, CallError> {
        std::future::pending().await
    }
    async fn event(&self, _: &EventKey) -> Result<Option<EventEntry>, CallError> {
        std::future::pending().await
    }
    async fn commit(&self, _: &Change) -> Result<Commit, CallError> {
        std::future::pending().await
    }
}

/// A worker whose calls may hang, and the server that says how it is.
struct Stage {
    shown: Shown,
    hangs: Arc<Hangs>,
    stop: Option<oneshot::Sender<()>>,
    worker: JoinHandle<Option<usize>>,
}

impl Stage {
    async fn new(config: impl FnOnce(&mut FleetConfig)) -> Self {
        let mut fleet = FleetConfig::default();
        config(&mut fleet);
        let rig = Rig::with(&["orders"], WorldConfig::default(), fleet).await;
        let shown = Shown::of(rig).await;
        let hangs = Arc::<Hangs>::default();
        let (stop, worker) = start(&shown, &hangs);
        Self { shown, hangs, stop: Some(stop), worker }
    }

    async fn health(&self) -> Answer {
        self.shown.client.get_at_once("/healthz").await
    }

    /// Lets time pass, and holds that the worker is well all the while.
    async fn is_well_for(&self, time: Duration) {
        for _ in 0..time.as_secs() / 10 {
            tokio::time::sleep(10 * SECOND).await;
            let health = self.health().await;
            assert_eq!(health.status, 200, "{}", health.body);
        }
    }

    /// The turns that the log has told.
    fn turns(&self) -> u64 {
        let log = self.shown.log.lines();
        let turns = log.iter().filter_map(|line| line["receive_loop_passes"].as_u64());
        turns.sum()
    }
}

fn start(shown: &Shown, hangs: &Arc<Hangs>) -> (oneshot::Sender<()>, JoinHandle<Option<usize>>) {
    let fleet = &shown.rig.fleet;
    let process = fleet.world.process("worker");
    let ports = fleet.ports(&process);
    let ports = Ports {
        queue: Arc::new(Hanging { inner: Arc::clone(&ports.queue), hangs: Arc::clone(hangs) }),
        databases: Arc::new(Hanging { inner: Arc::clone(&ports.databases), hangs: Arc::clone(hangs) }),
        ..ports
    };
    let reconciler = Reconciler::new(&ports, Owner::new("worker"), fleet.config.attempts);
    let observers = EventSinks(vec![
        Arc::clone(&shown.rig.told) as _,
        Arc::clone(&shown.probes) as _,
        Arc::clone(&shown.log) as _,
    ]);
    let worker = Worker::new(
        &ports,
        Arc::new(reconciler),
        shown.rig.routes.as_slice().into(),
        Arc::new(observers),
        fleet.config.limits,
    );
    let (stop, stopped) = oneshot::channel();
    let work = async move {
        let told = async { stopped.await.unwrap_or_default() };
        process.run(worker.run(Until::Stopped, told)).await
    };
    (stop, tokio::spawn(work))
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_never_returns_is_told_though_the_timer_goes_round() {
    let stage = Stage::new(|_| {}).await;
    stage.is_well_for(5 * MINUTE).await;
    assert!(stage.turns() >= 12, "{}", stage.turns());
    stage.hangs.receive.store(true, Ordering::Relaxed);
    tokio::time::sleep(20 * SECOND).await;
    let turns = stage.turns();
    tokio::time::sleep(RECEIVING_SILENT_MAX + SECOND).await;
    for path in ["/healthz", "/readyz"] {
        let stuck = stage.shown.client.get_at_once(path).await;
        assert_eq!(stuck.status, 503, "{path}: {}", stuck.body);
        for part in ["\"stuck\"", "the receive loop has made no progress for 12"] {
            assert!(stuck.body.contains(part), "{path}: {}", stuck.body);
        }
        assert!(!stuck.body.contains("the timer has"), "{}", stuck.body);
    }
    let told = stage.turns();
    assert!(told <= turns + 4, "what was not told yet: {told}, {turns}");
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(stage.turns(), told, "nothing else counts as a turn");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_never_ends_is_told_though_the_worker_receives() {
    let stage = Stage::new(|_| {}).await;
    stage.is_well_for(5 * MINUTE).await;
    let turns = stage.turns();
    stage.hangs.ask.store(true, Ordering::Relaxed);
    tokio::time::sleep(PASS_AGE_MAX + 2 * MINUTE).await;
    let stuck = stage.health().await;
    assert_eq!(stuck.status, 503, "{}", stuck.body);
    let look = "a reconcile pass has not ended for";
    assert!(stuck.body.contains(look), "{}", stuck.body);
    assert!(!stuck.body.contains("receiving loop"), "{}", stuck.body);
    assert!(stage.turns() > turns, "it receives all the while");
}

#[tokio::test(start_paused = true)]
async fn a_hand_that_never_ends_in_the_last_place_is_told() {
    let stage = Stage::new(|fleet| fleet.limits.groups_max = 1).await;
    stage.is_well_for(MINUTE).await;
    stage.hangs.address.store(true, Ordering::Relaxed);
    let event = stage.shown.now(stage.shown.rig.completed(0, 2, 0));
    stage.shown.rig.fleet.world.deliver(&event);
    tokio::time::sleep(RECEIVING_SILENT_MAX + 5 * SECOND).await;
    let stuck = stage.health().await;
    assert_eq!(stuck.status, 503, "{}", stuck.body);
}

#[tokio::test(start_paused = true)]
async fn a_long_hand_in_the_last_place_is_no_silence() {
    let stage = Stage::new(|fleet| fleet.limits.groups_max = 1).await;
    stage.shown.rig.every_call_takes(Duration::from_millis(4_900));
    for (n, second) in (0..10).zip(0..) {
        let event = stage.shown.rig.completed(0, 2 + n % 2, second);
        stage.shown.rig.fleet.world.deliver(&stage.shown.now(event));
    }
    stage.is_well_for(10 * MINUTE).await;
    let calls = stage.shown.rig.calls("worker");
    let received = calls.iter().filter(|call| **call == "ReceiveMessage");
    let received = u64::try_from(received.count()).unwrap();
    assert!(stage.turns() > received, "progress counts as a turn");
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_queue_cannot_be_reached_is_alive() {
    let stage = Stage::new(|_| {}).await;
    let down = |site: &CallSite| match site.call {
        "ReceiveMessage" => Fate::meets(Fault::Refused(ErrorKind::Unreachable)),
        _ => Fate::WORKS,
    };
    stage.shown.rig.fleet.world.fabric.set_plan(Box::new(down));
    stage.is_well_for(10 * MINUTE).await;
    assert!(stage.turns() >= 10, "{}", stage.turns());
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_timer_is_off_is_well_and_tells_its_turns() {
    let stage = Stage::new(|fleet| fleet.limits.reconciling.interval = None).await;
    stage.is_well_for(10 * MINUTE).await;
    let body = stage.health().await.body;
    assert!(body.contains("\"timer_silent_s\":\"off\""), "{body}");
    assert!(stage.turns() >= 25, "{}", stage.turns());
}

#[tokio::test(start_paused = true)]
async fn a_stopping_worker_is_well_until_it_ends() {
    let within = Duration::from_secs(115);
    let mut stage = Stage::new(|fleet| fleet.limits.drain_timeout = within).await;
    stage.is_well_for(MINUTE).await;
    stage.hangs.address.store(true, Ordering::Relaxed);
    let event = stage.shown.now(stage.shown.rig.completed(0, 2, 0));
    stage.shown.rig.fleet.world.deliver(&event);
    tokio::time::sleep(SECOND).await;
    stage.stop.take().unwrap().send(()).unwrap();
    stage.is_well_for(within).await;
    assert_eq!(stage.worker.await.unwrap(), Some(1), "it let go of one");
}

#[tokio::test(start_paused = true)]
async fn readyz_answers_while_the_ledger_never_does() {
    let rig = Rig::new(&["orders"]).await;
    let shown = Shown::with(rig, |ports| Ports { ledger: Arc::new(DeadLedger), ..ports });
    let shown = shown.await;
    for _ in 0..2 {
        let waiting = shown.get("/readyz").await;
        assert_eq!(waiting.status, 503);
        assert!(waiting.body.contains("\"ledger\""), "{}", waiting.body);
    }
}
