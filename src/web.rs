//! What a running worker shows over HTTP: probes and numbers for machines, and a page for people.
//!
//! It is read-only: no form that writes, no script, and no method but `GET` and `HEAD`. The page has no
//! password, so it listens on loopback by default; everybody who may open a session in the task can read it
//! (docs/operations.md, "The page").

mod bars;
mod board;
mod causes;
mod cells;
mod chart;
mod choice;
mod command;
mod console;
mod day;
mod guard;
mod history;
mod holds;
mod legend;
mod moves;
mod overview;
mod parts;
mod probes;
mod query;
mod recent;
mod route;
mod server;
mod shared;
mod site;
mod tone;
mod transition;
mod transition_info;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::net::TcpListener;

use crate::web::parts::Frame;
pub use crate::web::probes::Probes;
use crate::web::server::Door;
pub use crate::web::server::{CONNECTIONS_MAX, ConnectionLimits, HEAD_WITHIN, HttpServer, first_end};
pub use crate::web::shared::REFRESHED_EVERY;
pub use crate::web::site::{Installed, Site};
use writerlink_engine::telemetry::event::EventSink;

/// The most bytes of a page, checked by tests: it has to load quickly through a slow session.
pub const PAGE_BYTES_MAX: usize = 100_000;

/// Answers at `address` for as long as the server is kept. `observer` records when no connection can be
/// accepted.
///
/// # Errors
/// When `address` cannot be listened on.
pub async fn listen(
    address: SocketAddr,
    app: Router,
    limits: ConnectionLimits,
    observer: Arc<dyn EventSink>,
) -> io::Result<HttpServer> {
    answer(TcpListener::bind(address).await?, app, limits, observer)
}

/// The same at an address that is listened on.
///
/// # Errors
/// When the socket has no address.
pub fn answer(
    listener: TcpListener,
    app: Router,
    limits: ConnectionLimits,
    observer: Arc<dyn EventSink>,
) -> io::Result<HttpServer> {
    let address = listener.local_addr()?;
    let app = guard::guarded(app.fallback(nothing_here), address);
    Ok(HttpServer::start(Door { address, app, limits, observer }, listener))
}

async fn nothing_here() -> Response {
    let page = parts::notice(&Frame::bare(), "Not found", "There is no such page", "");
    parts::shown(StatusCode::NOT_FOUND, page)
}
