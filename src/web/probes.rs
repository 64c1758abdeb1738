//! What machines ask: `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;

use super::shared::{Pace, Shared};
use crate::domain::lease::CALL_TIMEOUT;
use crate::domain::provenance::InstallationName;
use crate::domain::route::Route;
use crate::health::{Liveness, Readiness};
use crate::ports::{Clock, Ledger, Ports};
use crate::tally::{self, Tally};
use crate::worker::{Happening, Observer};

/// How often the ledger is asked for the sake of `/readyz`, and only until it has answered once.
const FIRST_READ: Pace = Pace { keep: Duration::from_secs(5), gap: Duration::from_secs(5) };

/// The worker as machines see it. It has to be told what happens.
pub struct Probes {
    clock: Arc<dyn Clock>,
    liveness: Liveness,
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
            clock: Arc::clone(&ports.clock),
            liveness: Liveness::new(Arc::clone(&ports.clock)),
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
        // Whoever asks is answered, come what may of the read.
        let answered = tokio::select! {
            read = self.first_read.get((), read) => read.is_some_and(|read| *read),
            () = self.clock.sleep(CALL_TIMEOUT) => false,
        };
        if answered {
            self.readiness.ledger_was_read();
        }
    }
}

impl Observer for Probes {
    fn tell(&self, happening: &Happening<'_>) {
        self.liveness.tell(happening);
        self.readiness.tell(happening);
        self.tally.tell(happening);
    }
}

type Answer = (StatusCode, [(&'static str, &'static str); 1], String);

fn json(status: StatusCode, text: String) -> Answer {
    (status, [("content-type", "application/json")], text)
}

/// How it is: which of its parts has been silent for how long, and why that is too long.
fn vital(liveness: &Liveness) -> Answer {
    let silences: Vec<String> = liveness.silences().iter().map(ToString::to_string).collect();
    let receiving = liveness.receiving_silent_for().as_secs();
    let timer = liveness.timer_silent_for();
    let timer = timer.map_or("\"off\"".to_owned(), |silent| silent.as_secs().to_string());
    let silent = format!("\"receiving_silent_s\":{receiving},\"timer_silent_s\":{timer}");
    if silences.is_empty() {
        return json(StatusCode::OK, format!("{{\"status\":\"ok\",{silent}}}\n"));
    }
    let why = silences.join("; ");
    json(StatusCode::SERVICE_UNAVAILABLE, format!("{{\"status\":\"stuck\",\"why\":\"{why}\",{silent}}}\n"))
}

async fn healthz(State(probes): State<Arc<Probes>>) -> Answer {
    vital(&probes.liveness)
}

async fn readyz(State(probes): State<Arc<Probes>>) -> Answer {
    if probes.readiness.is_stopping() {
        let stopping = "{\"status\":\"stopping\"}\n".to_owned();
        return json(StatusCode::SERVICE_UNAVAILABLE, stopping);
    }
    if !probes.liveness.silences().is_empty() {
        return vital(&probes.liveness);
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
    json(StatusCode::SERVICE_UNAVAILABLE, format!("{{\"status\":\"waiting\",\"for\":[{waits_for}]}}\n"))
}

async fn metrics(State(probes): State<Arc<Probes>>) -> impl IntoResponse {
    let mut text = probes.tally.text();
    let tally = &probes.tally;
    let receiving = probes.liveness.receiving_silent_for().as_secs_f64();
    let help = "Seconds since the worker's receiving loop last turned.";
    text += &tally.gauge("last_turn_age_seconds", help, None, receiving);
    if let Some(timer) = probes.liveness.timer_silent_for() {
        let help = "Seconds since the timer last went round; absent where there is none.";
        text += &tally.gauge("timer_silent_seconds", help, None, timer.as_secs_f64());
    }
    let alive = f64::from(u8::from(probes.liveness.silences().is_empty()));
    let help = "Whether receiving loop and timer are as they should be, as /healthz says.";
    text += &tally.gauge("alive", help, None, alive);
    let ready = if probes.readiness.is_ready() && alive > 0.0 { 1.0 } else { 0.0 };
    let help = "Whether the ledger was read, the queue has answered, and the worker is alive and was not told to stop.";
    text += &tally.gauge("ready", help, None, ready);
    let version = Some(("version", env!("CARGO_PKG_VERSION")));
    let help = "Which version this is; always 1.";
    text += &tally.gauge("build_info", help, version, 1.0);
    ([("content-type", tally::MEDIA_TYPE)], text)
}
