//! What machines ask: `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;

use super::shared::{Pace, Shared};
use crate::domain::provenance::InstallationName;
use crate::domain::route::Route;
use crate::health::{Pulse, Readiness};
use crate::ports::{Ledger, Ports};
use crate::tally::{self, Tally};
use crate::worker::{Happening, Observer};

/// How often the ledger is asked for the sake of `/readyz`, and only until it has answered once.
const FIRST_READ: Pace = Pace {
    keep: Duration::from_secs(5),
    gap: Duration::from_secs(5),
};

/// The worker as machines see it. It has to be told what happens.
pub struct Probes {
    pulse: Arc<Pulse>,
    readiness: Readiness,
    tally: Tally,
    ledger: Arc<dyn Ledger>,
    first_route: Option<Route>,
    first_read: Shared<(), bool>,
}

impl Probes {
    /// A worker that has just begun.
    #[must_use]
    pub fn new(ports: &Ports, routes: &[Route], installation: &InstallationName) -> Arc<Self> {
        Arc::new(Self {
            pulse: Pulse::new(Arc::clone(&ports.clock)),
            readiness: Readiness::default(),
            tally: Tally::of(installation.clone()),
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

    /// Where nothing was told of the ledger yet, it is asked: a quiet worker whose first look failed would never be
    /// ready else.
    async fn try_the_ledger(&self) {
        let Some(route) = self.first_route.clone() else {
            return;
        };
        let ledger = Arc::clone(&self.ledger);
        let read = async move { ledger.peek(&route.name).await.is_ok() };
        if self
            .first_read
            .get((), read)
            .await
            .is_some_and(|read| *read)
        {
            self.readiness.ledger_was_read();
        }
    }
}

impl Observer for Probes {
    fn tell(&self, happening: &Happening<'_>) {
        self.pulse.tell(happening);
        self.readiness.tell(happening);
        self.tally.tell(happening);
    }
}

type Answer = (StatusCode, [(&'static str, &'static str); 1], String);

fn json(status: StatusCode, text: String) -> Answer {
    (status, [("content-type", "application/json")], text)
}

async fn healthz(State(probes): State<Arc<Probes>>) -> Answer {
    let (status, word) = if probes.pulse.is_beating() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stuck")
    };
    let seconds = probes.pulse.still_for().as_secs();
    json(
        status,
        format!("{{\"status\":\"{word}\",\"last_turn_s\":{seconds}}}\n"),
    )
}

async fn readyz(State(probes): State<Arc<Probes>>) -> Answer {
    if probes.readiness.is_stopping() {
        let stopping = "{\"status\":\"stopping\"}\n".to_owned();
        return json(StatusCode::SERVICE_UNAVAILABLE, stopping);
    }
    if !probes.readiness.has_ledger() {
        probes.try_the_ledger().await;
    }
    let waits_for = probes.readiness.waits_for();
    if waits_for.is_empty() {
        return json(StatusCode::OK, "{\"status\":\"ready\"}\n".to_owned());
    }
    let quoted: Vec<String> = waits_for.iter().map(|what| format!("\"{what}\"")).collect();
    let waits_for = quoted.join(",");
    json(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("{{\"status\":\"waiting\",\"for\":[{waits_for}]}}\n"),
    )
}

async fn metrics(State(probes): State<Arc<Probes>>) -> impl IntoResponse {
    let mut text = probes.tally.text();
    let still = probes.pulse.still_for().as_secs_f64();
    let help = "Seconds since the worker's loop last turned.";
    let tally = &probes.tally;
    text += &tally.gauge("last_turn_age_seconds", help, None, still);
    let ready = if probes.readiness.is_ready() {
        1.0
    } else {
        0.0
    };
    let help =
        "Whether the ledger was read, the queue has answered, and the worker was not told to stop.";
    text += &tally.gauge("ready", help, None, ready);
    let version = Some(("version", env!("CARGO_PKG_VERSION")));
    let help = "Which version this is; always 1.";
    text += &tally.gauge("build_info", help, version, 1.0);
    ([("content-type", tally::MEDIA_TYPE)], text)
}
