//! Relay routes: the committed state is the move, and relays report when they have applied it.
//!
//! The real worker in the embedded simulation, under paused time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agents;
mod answers;
mod outages;
mod seeds;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use writerlink_core::actuation::relay::{AppliedRoute, RelayName, RelayReport};
use writerlink_core::evidence::event::{EventId, EventKey};
use writerlink_core::evidence::trigger::CommandKind;
use writerlink_core::ledger::record::{Entry, RecordKind};
use writerlink_core::model::ids::Owner;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::{Route, SILENT_LIMIT, SWITCH_LIMIT};
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::attempt::{
    Attempts, MOVES_PER_MINUTE_MAX, PassResult, PeriodicPass, Reconciler, RouteWatch, TimerRecord, Together,
};
use writerlink_engine::ports::{CallError, Ports, Relays};
use writerlink_engine::survey::Surveyor;
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::world::{WorldConfig, instances};

use crate::rig::Rig;

const ROUTE: &str = "orders";

const ATTEMPTS: Attempts =
    Attempts { attempts_max: 6, moves_per_minute_max: MOVES_PER_MINUTE_MAX, quota: None };

/// Relays that report what a test says.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<RelayReport>>>);

#[async_trait]
impl Relays for Reports {
    async fn reports(&self) -> Result<Vec<RelayReport>, CallError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// A rig with one relay route, and its relays.
struct Stage {
    rig: Rig,
    reports: Reports,
}

impl Stage {
    async fn new() -> Self {
        let none: [&str; 0] = [];
        let mut rig = Rig::with(&none, WorldConfig::default(), FleetConfig::default()).await;
        let route = rig.fleet.world.add_relay_route(ROUTE, 3306, &instances(ROUTE, 3).unwrap()).unwrap();
        rig.routes.push(route);
        Self { rig, reports: Reports::default() }
    }

    fn route(&self) -> &Route {
        &self.rig.routes[0]
    }

    fn ports(&self, name: &str) -> Ports {
        let ports = self.rig.fleet.ports(&self.rig.fleet.world.process(name));
        Ports { relays: Arc::new(self.reports.clone()), ..ports }
    }

    fn now(&self) -> Timestamp {
        self.ports("clock").clock.wall()
    }

    /// Delivers an event of a completed failover to instance `n`, and lets a worker process it.
    async fn fails_over(&self, n: usize, seconds: u64, worker: &str) {
        self.rig.fleet.world.deliver(&self.rig.completed(0, n, seconds));
        assert!(self.rig.run(worker).await);
    }

    /// A relay reports now that it forwards to instance `n` by this evidence.
    fn relay_reports(&self, relay: &str, applied: Option<(usize, EventKey, Timestamp)>) {
        let relay = RelayName::new(relay).unwrap();
        let applied = applied.map(|(n, event, at)| {
            let instance = InstanceId::new(&format!("{ROUTE}-{n}")).unwrap();
            (self.route().name.clone(), AppliedRoute { instance, event, at })
        });
        let (at, routes) = (self.now(), applied.into_iter().collect());
        let mut reports = self.reports.0.lock().unwrap();
        reports.retain(|report| report.relay != relay);
        reports.push(RelayReport { relay, at, asked_at: Some(at), routes });
    }

    async fn pass(&self) -> (PassResult, Vec<TimerRecord>, RouteWatch) {
        let ports = self.ports("timer");
        let attempts = Reconciler::new(&ports, Owner::new("timer"), ATTEMPTS);
        let pass = PeriodicPass::new(&ports, Arc::new(attempts));
        let (mut watched, mut noted) = (RouteWatch::default(), Vec::new());
        let result = pass.run_pass(&Together::default(), self.route(), &mut watched, &mut noted).await;
        (result, noted, watched)
    }

    async fn last_record(&self) -> Entry {
        self.rig.chain(0).await.pop().unwrap().record.entry
    }

    async fn health(&self) -> (RouteHealth, String) {
        let surveyor = Surveyor::new(self.ports("reader"));
        let survey = surveyor.survey(std::slice::from_ref(self.route())).await;
        let judged = survey.routes[0].assessment.clone();
        (judged.health, judged.why)
    }
}

#[tokio::test(start_paused = true)]
async fn a_failover_of_a_relay_route_is_one_record_and_no_elb_call() {
    let stage = Stage::new().await;
    stage.fails_over(2, 0, "w1").await;
    let story = stage.rig.story(0).await;
    assert_eq!(story, [(RecordKind::Finished, Some(Outcome::Moved))], "intent and outcome are one record");
    let end = stage.last_record().await;
    assert_eq!(end.reason, Some(Reason::WriterMoved));
    assert_eq!(end.note, "relays are to forward to orders-2 at 10.0.2.11:3306");
    assert_eq!(stage.rig.load_balancer_calls(), 0);
    let transactions = stage.rig.calls("w1").into_iter().filter(|call| *call == "ExecuteTransaction");
    assert_eq!(transactions.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_reading_names_the_instance_of_a_relay_route() {
    for source in [DiscoverySource::Rds, DiscoverySource::Sql] {
        let mut stage = Stage::new().await;
        stage.rig.routes[0].policy.discovery = [source].into();
        let _worker = stage.rig.start("w1");
        tokio::time::sleep(Duration::from_mins(2)).await;
        let end = stage.rig.chain(0).await.remove(0).record.entry;
        assert_eq!((end.outcome, end.desired.unwrap().0.as_str()), (Some(Outcome::Moved), "orders-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_event_of_a_relay_route_changes_nothing() {
    let stage = Stage::new().await;
    stage.fails_over(2, 0, "w1").await;
    stage.fails_over(3, 5, "w2").await;
    let body = writerlink_sim::event_bodies::sns_envelope(&stage.rig.completed(0, 2, 0));
    stage.rig.fleet.world.sqs.send(ROUTE, &body);
    assert!(stage.rig.run("w3").await);
    assert!(stage.rig.told.ends().ends_with(&["Duplicate"]), "{:?}", stage.rig.told.ends());
    let stays = stage.rig.story(0).await;
    let moved = (RecordKind::Finished, Some(Outcome::Moved));
    assert_eq!(stays, [moved, moved], "the event of the first move is a duplicate");
}

#[tokio::test(start_paused = true)]
async fn a_started_failover_of_a_relay_route_waits_for_its_end() {
    let stage = Stage::new().await;
    stage.rig.fleet.world.deliver(&stage.rig.started(0, 2, 0));
    assert!(stage.rig.run("w1").await);
    let first = stage.last_record().await;
    assert_eq!((first.outcome, first.reason), (Some(Outcome::Ignored), Some(Reason::WaitsForCompletion)));
    stage.fails_over(2, 3, "w2").await;
    assert_eq!(stage.last_record().await.outcome, Some(Outcome::Moved));
}

#[tokio::test(start_paused = true)]
async fn a_paused_relay_route_moves_when_it_is_resumed() {
    let stage = Stage::new().await;
    stage.fails_over(1, 0, "w0").await;
    stage.rig.order(0, CommandKind::Pause { within: None }).await;
    stage.fails_over(2, 1, "w1").await;
    assert_eq!(stage.last_record().await.outcome, Some(Outcome::Paused));
    let (health, why) = stage.health().await;
    assert_eq!(health, RouteHealth::Held, "{why}");
    stage.rig.order(0, CommandKind::Resume).await;
    let (result, ..) = stage.pass().await;
    assert!(matches!(result, PassResult::Acted(_)), "{result:?}");
    let end = stage.last_record().await;
    assert_eq!(end.outcome, Some(Outcome::Moved));
    assert_eq!(end.desired.unwrap().0.as_str(), "orders-2");
}

#[tokio::test(start_paused = true)]
async fn relays_that_applied_a_move_are_recorded_by_name_and_time() {
    let stage = Stage::new().await;
    stage.fails_over(2, 0, "w1").await;
    let moved = stage.last_record().await;
    let after = |ms| moved.trigger.as_ref().unwrap().at().plus(Duration::from_millis(ms));
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.relay_reports("relay-a", Some((2, moved.event_key, after(420))));
    stage.relay_reports("relay-b", None);
    let (_, noted, _) = stage.pass().await;
    assert!(noted.is_empty(), "one relay is missing: {noted:?}");
    assert_eq!(stage.health().await.0, RouteHealth::Converging);
    stage.relay_reports("relay-b", Some((2, moved.event_key, after(615))));
    let (_, noted, _) = stage.pass().await;
    assert_eq!(noted[0].took, Some(Duration::from_millis(615)), "the slowest relay counts");
    let record = stage.last_record().await;
    assert_eq!((record.kind, record.transition), (RecordKind::RelaysSwitched, moved.transition));
    assert_eq!(record.note, "relays forward to orders-2: relay-a after 420 ms, relay-b after 615 ms");
    assert_eq!(stage.health().await.0, RouteHealth::InSync);
    let (result, noted, _) = stage.pass().await;
    assert!(matches!(result, PassResult::InSync) && noted.is_empty(), "recorded once: {result:?}");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_stays_behind_is_recorded_by_name_after_the_limit() {
    let stage = Stage::new().await;
    stage.fails_over(1, 0, "w0").await;
    let before = stage.last_record().await;
    stage.fails_over(2, 1, "w1").await;
    let moved = stage.last_record().await;
    tokio::time::sleep(SWITCH_LIMIT).await;
    stage.relay_reports("relay-a", Some((2, moved.event_key, moved.at)));
    stage.relay_reports("relay-b", Some((1, before.event_key, before.at)));
    let (_, noted, _) = stage.pass().await;
    assert_eq!(noted[0].kind, RecordKind::NotSwitched);
    let record = stage.last_record().await;
    assert!(record.note.ends_with("relay-b still forwards to orders-1"), "{}", record.note);
    let (health, why) = stage.health().await;
    assert_eq!(health, RouteHealth::OutOfSync, "{why}");
    assert!(why.contains("relay relay-b forwards to orders-1"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn without_a_live_relay_a_route_is_unknown_and_counted() {
    let stage = Stage::new().await;
    stage.fails_over(2, 0, "w1").await;
    let moved = stage.last_record().await;
    stage.relay_reports("relay-a", Some((2, moved.event_key, moved.at)));
    let (_, _, watched) = stage.pass().await;
    assert!(!watched.has_no_relay);
    tokio::time::sleep(SILENT_LIMIT).await;
    let (_, _, watched) = stage.pass().await;
    assert!(watched.has_no_relay, "its report is too old");
    let (health, why) = stage.health().await;
    assert_eq!(health, RouteHealth::Unknown, "{why}");
    assert!(why.contains("no relay reported within 60 s"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_switchover_announced_late_never_moves_a_relay_route_back() {
    let stage = Stage::new().await;
    stage.fails_over(2, 10, "w1").await;
    stage.rig.fleet.world.deliver(&stage.rig.event(0, EventId::FAILOVER_COMPLETED, 1, 3));
    assert!(stage.rig.run("w2").await);
    let end = stage.last_record().await;
    assert_eq!(end.outcome, Some(Outcome::Superseded));
    let stored = stage.ports("reader").ledger.peek(&stage.route().name).await.unwrap().unwrap();
    assert_eq!(stored.control.desired.unwrap().instance.as_str(), "orders-2");
}
