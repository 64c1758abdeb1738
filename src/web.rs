//! What a running worker shows over HTTP: probes and numbers for machines, and a page for people.
//!
//! Everything is read, nothing can be changed: there is no form that writes, no script, and no method but `GET` and
//! `HEAD`. The page is not protected by a password either, so it listens on loopback unless it is told otherwise, and
//! whoever may open a session in the task may look (README, "The page").

mod bars;
mod choice;
mod day;
mod guard;
mod html;
mod moves;
mod overview;
mod parts;
mod probes;
mod recent;
mod server;
mod shared;
mod site;
mod transition;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

pub use self::probes::Probes;
pub use self::server::{CONNECTIONS_MAX, ConnectionLimits, HEAD_WITHIN, HttpServer, first_end};
pub use self::site::{KEPT_FOR, Site};
use crate::worker::Observer;

const STYLE_PATH: &str = "/style.css";
const STYLE: &str = include_str!("web/style.css");

const ICON_PATH: &str = "/icon.svg";
const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\">\
<path d=\"M2 8h8M7 4l4 4-4 4\" fill=\"none\" stroke=\"#2a6f97\" stroke-width=\"2\"/>\
<circle cx=\"13\" cy=\"8\" r=\"2\" fill=\"#2a6f97\"/></svg>\n";

/// The most bytes of a page, checked by tests: it has to come through a slow session quickly, and be read.
pub const PAGE_BYTES_MAX: usize = 100_000;

/// Answers at `address` for as long as the server is kept. `observer` is told when no connection can be accepted.
///
/// # Errors
/// When `address` cannot be listened on.
pub async fn listen(
    address: SocketAddr,
    app: Router,
    limits: ConnectionLimits,
    observer: Arc<dyn Observer>,
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
    observer: Arc<dyn Observer>,
) -> io::Result<HttpServer> {
    let address = listener.local_addr()?;
    let reach = guard::Reach::of(address);
    let guarded = middleware::from_fn(move |request, next| guard::guard(reach, request, next));
    let app = app.fallback(nothing_here).layer(guarded);
    HttpServer::start(listener, app, limits, observer)
}

async fn nothing_here() -> Response {
    let page = parts::page(None, "Not found", |page| {
        page.text_element("h1", &[], "There is nothing here");
        parts::way_back(page);
    });
    shown(StatusCode::NOT_FOUND, page)
}

fn shown(status: StatusCode, page: String) -> Response {
    (status, [("content-type", "text/html; charset=utf-8")], page).into_response()
}
