//! The probes for machines: `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::metrics::gauge::ConstGauge;
use serde::Serialize;
use serde_json::Value;

use crate::web::shared::{CachePolicy, Shared};
use crate::web::transition_info::NewestTransitions;
use writerlink_core::model::provenance::InstallationName;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::CALL_TIMEOUT;
use writerlink_engine::health::{Liveness, Readiness};
use writerlink_engine::ports::{Clock, Ledger, Ports};
use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};
use writerlink_engine::telemetry::prometheus;
use writerlink_engine::telemetry::prometheus::Tally;

/// How often `/readyz` reads the ledger, and only until it has answered once.
const FIRST_READ: CachePolicy = CachePolicy { keep: Duration::from_secs(5), gap: Duration::from_secs(5) };

/// Liveness, readiness and metrics of the worker. It records the worker's events.
pub struct Probes {
    clock: Arc<dyn Clock>,
    liveness: Liveness,
    readiness: Readiness,
    tally: Tally,
    newest: NewestTransitions,
    ledger: Arc<dyn Ledger>,
    first_route: Option<Route>,
    first_read: Shared<(), bool>,
}

impl Probes {
    /// Of a worker that has just started.
    #[must_use]
    pub fn new(ports: &Ports, routes: &[Route], installation: &InstallationName) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::clone(&ports.clock),
            liveness: Liveness::new(Arc::clone(&ports.clock)),
            readiness: Readiness::default(),
            tally: Tally::of(installation.clone()),
            newest: NewestTransitions::default(),
            ledger: Arc::clone(&ports.ledger),
            first_route: routes.first().cloned(),
            first_read: Shared::new(Arc::clone(&ports.clock), FIRST_READ),
        })
    }

    /// The paths that are answered.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(Arc::clone(self))
    }

    /// Reads the ledger if no event about it was recorded yet: otherwise an idle worker whose first reconcile
    /// pass failed would never be ready.
    async fn try_the_ledger(&self) {
        let Some(route) = self.first_route.clone() else {
            return;
        };
        let ledger = Arc::clone(&self.ledger);
        let read = async move { ledger.peek(&route.name).await.is_ok() };
        // The probe is answered even if the read takes longer.
        let answered = tokio::select! {
            read = self.first_read.get((), read) => read.is_some_and(|read| *read),
            () = self.clock.sleep(CALL_TIMEOUT) => false,
        };
        if answered {
            self.readiness.ledger_was_read();
        }
    }
}

impl EventSink for Probes {
    fn record(&self, happening: &WorkerEvent<'_>) {
        self.liveness.record(happening);
        self.readiness.record(happening);
        self.tally.record(happening);
        self.newest.record(happening);
    }
}

/// What a probe answers, as JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Health {
    Ok(Silences),
    Stuck {
        why: String,
        #[serde(flatten)]
        silences: Silences,
    },
    Ready,
    Waiting {
        r#for: Vec<&'static str>,
    },
    Stopping,
}

/// For how long its parts have been silent.
#[derive(Debug, Serialize)]
struct Silences {
    receiving_silent_s: u64,
    /// Seconds, or `off`.
    timer_silent_s: Value,
}

impl Health {
    /// How long each part has been silent, and whether that is too long.
    fn of(liveness: &Liveness) -> Self {
        let timer = liveness.timer_silent_for();
        let silences = Silences {
            receiving_silent_s: liveness.receiving_silent_for().as_secs(),
            timer_silent_s: timer.map_or("off".into(), |silent| silent.as_secs().into()),
        };
        let too_long: Vec<String> = liveness.silences().iter().map(ToString::to_string).collect();
        if too_long.is_empty() {
            Self::Ok(silences)
        } else {
            Self::Stuck { why: too_long.join("; "), silences }
        }
    }
}

impl IntoResponse for Health {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Ok(_) | Self::Ready => StatusCode::OK,
            Self::Stuck { .. } | Self::Waiting { .. } | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        };
        match serde_json::to_string(&self) {
            Ok(text) => (status, [("content-type", "application/json")], text + "\n").into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

async fn healthz(State(probes): State<Arc<Probes>>) -> Health {
    Health::of(&probes.liveness)
}

async fn readyz(State(probes): State<Arc<Probes>>) -> Health {
    if probes.readiness.is_stopping() {
        return Health::Stopping;
    }
    if !probes.liveness.silences().is_empty() {
        return Health::of(&probes.liveness);
    }
    if !probes.readiness.has_ledger() {
        probes.try_the_ledger().await;
    }
    let waits_for = probes.readiness.waits_for();
    if waits_for.is_empty() { Health::Ready } else { Health::Waiting { r#for: waits_for } }
}

async fn metrics(State(probes): State<Arc<Probes>>) -> Response {
    let (liveness, mut process) = (&probes.liveness, probes.tally.registry());
    let alive = liveness.silences().is_empty();
    let ready = alive && probes.readiness.is_ready();
    let receiving = ConstGauge::new(liveness.receiving_silent_for().as_secs_f64());
    let help = "Seconds since the last pass of the worker's receive loop";
    process.register("last_turn_age_seconds", help, receiving);
    if let Some(timer) = liveness.timer_silent_for() {
        let help = "Seconds since the timer's last pass; absent without a timer";
        process.register("timer_silent_seconds", help, ConstGauge::new(timer.as_secs_f64()));
    }
    let help = "Whether receive loop and timer are alive, as /healthz reports";
    process.register("alive", help, ConstGauge::new(i64::from(alive)));
    let help =
        "Whether the ledger was read, the queue has answered, and the worker is alive and not stopping";
    process.register("ready", help, ConstGauge::new(i64::from(ready)));
    let of_version = process.sub_registry_with_label(("version".into(), env!("CARGO_PKG_VERSION").into()));
    of_version.register("build_info", "Which version this is; always 1", ConstGauge::new(1_i64));
    probes.newest.register(&mut process);
    match probes.tally.text(&process) {
        Ok(text) => ([("content-type", prometheus::MEDIA_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
