//! What `run` answers over HTTP, and where.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

use super::failure::{Exit, Failure};
use crate::config::{Config, PageAddress};
use crate::domain::route::Route;
use crate::ports::Ports;
use crate::web::{self, Probes, Site};

/// Answers until the process ends. What comes back has to be told what happens.
///
/// The page is on the socket of the health check unless it has one of its own; there, the probes are answered too, since
/// whoever scrapes `/metrics` from elsewhere reaches that one.
pub(super) async fn listen(
    config: &Config,
    ports: &Ports,
    routes: &Arc<[Route]>,
) -> Result<Arc<Probes>, Failure> {
    let worker = &config.worker;
    let probes = Probes::new(ports, routes, &config.provenance.installation);
    let everything = || {
        let site = Site::new(ports, Arc::clone(routes), Some(config.provenance.clone()));
        probes.router().merge(site.router())
    };
    let health = worker.health_address;
    match worker.page_address {
        PageAddress::At(page) if page == health => answer(HEALTH, health, everything()).await?,
        PageAddress::At(page) => {
            answer(HEALTH, health, probes.router()).await?;
            answer(PAGE, page, everything()).await?;
        }
        PageAddress::Off => answer(HEALTH, health, probes.router()).await?,
    }
    Ok(probes)
}

/// What is answered, and the setting that says where.
pub(super) type What = (&'static str, &'static str);

#[cfg(feature = "embedded")]
pub(super) const DEMO: What = ("the page", "--serve");
const HEALTH: What = ("the health check", "worker.health_address");
const PAGE: What = ("the page", "worker.page_address");

async fn answer((what, setting): What, address: SocketAddr, app: Router) -> Result<(), Failure> {
    let listening = web::listen(address, app).await;
    listening
        .map(drop)
        .map_err(|error| unanswered((what, setting), address, &error))
}

/// Why nothing is answered at an address.
pub(super) fn unanswered((what, setting): What, address: SocketAddr, error: &io::Error) -> Failure {
    let fix = if error.kind() == io::ErrorKind::AddrInUse {
        format!("stop the other process (another worker?), or set {setting} to a free port")
    } else {
        format!("set {setting} to an address of this machine")
    };
    Failure::Told {
        what: format!("{what} cannot be answered at {address}"),
        why: error.to_string(),
        fix,
        exit: Exit::Error,
    }
}
