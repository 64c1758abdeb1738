//! What `run` answers over HTTP, and where.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

use crate::cli::failure::{Exit, Failure};
use crate::config::{Config, PageAddress};
use crate::web;
use crate::web::{ConnectionLimits, HttpServer, Installed, Probes, Site};
use writerlink_core::model::route::Route;
use writerlink_engine::ports::Ports;
use writerlink_engine::telemetry::event::EventSink;

/// What answers.
pub(super) struct Served {
    /// Has to be told what happens.
    pub(super) observers: Vec<Arc<dyn EventSink>>,
    servers: Vec<HttpServer>,
}

impl Served {
    /// Waits until a server ends, and says why: a worker whose health nobody can ask for would be ended by ECS, and
    /// nobody would know the reason.
    pub(super) async fn ended(&mut self) -> String {
        web::first_end(&mut self.servers).await
    }
}

/// What a server is given besides what it answers.
#[derive(Clone)]
pub(super) struct Terms {
    /// What it grants.
    pub(super) limits: ConnectionLimits,
    /// Whom it tells.
    pub(super) observer: Arc<dyn EventSink>,
}

/// Answers as long as what comes back is kept.
///
/// The page is on the socket of the health check unless it has one of its own; there, the probes are answered too, since
/// whoever scrapes `/metrics` from elsewhere reaches that one.
pub(super) async fn listen(
    config: &Config,
    ports: &Ports,
    routes: &Arc<[Route]>,
    terms: &Terms,
) -> Result<Served, Failure> {
    let worker = &config.worker;
    let probes = Probes::new(ports, routes, &config.provenance.installation);
    let mut observers: Vec<Arc<dyn EventSink>> = vec![Arc::clone(&probes) as _];
    let mut everything = || {
        let installed = Installed { provenance: config.provenance.clone(), queue: config.queue.to_string() };
        let site = Site::new(ports, Arc::clone(routes), Some(installed));
        observers.push(Arc::clone(&site) as _);
        probes.router().merge(site.router())
    };
    let health = worker.health_address;
    let mut servers = Vec::new();
    match worker.page_address {
        PageAddress::At(page) if page == health => {
            servers.push(answer(HEALTH, health, everything(), terms).await?);
        }
        PageAddress::At(page) => {
            servers.push(answer(HEALTH, health, probes.router(), terms).await?);
            servers.push(answer(PAGE, page, everything(), terms).await?);
        }
        PageAddress::Off => servers.push(answer(HEALTH, health, probes.router(), terms).await?),
    }
    Ok(Served { observers, servers })
}

/// What is answered, and the setting that says where.
pub(super) type What = (&'static str, &'static str);

#[cfg(feature = "embedded")]
pub(super) const DEMO: What = ("the page", "--serve");
const HEALTH: What = ("the health check", "worker.health_address");
const PAGE: What = ("the page", "worker.page_address");

async fn answer(
    (what, setting): What,
    address: SocketAddr,
    app: Router,
    terms: &Terms,
) -> Result<HttpServer, Failure> {
    let Terms { limits, observer } = terms.clone();
    let listening = web::listen(address, app, limits, observer).await;
    listening.map_err(|error| unanswered((what, setting), address, &error))
}

/// Why nothing is answered at an address.
pub(super) fn unanswered((what, setting): What, address: SocketAddr, error: &io::Error) -> Failure {
    let fix = if error.kind() == io::ErrorKind::AddrInUse {
        format!("stop the other process (another worker?), or set {setting} to a free port")
    } else {
        format!("set {setting} to an address of this machine")
    };
    Failure::told(format!("{what} cannot be answered at {address}"), error.to_string(), fix, Exit::Error)
}
