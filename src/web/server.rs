//! The server under the pages: which connections are open, for how long, and what one too many does.
//!
//! Connections must not affect the worker. So there are few connections at once, far fewer than the process
//! may open files; each has to send a whole request in time; and one too many takes the place of the one that
//! has sent nothing for the longest time, so that a flood cannot shut out the health check, whose failure
//! would end the task. If no file descriptor is left, the server waits: it neither spins nor ends, and closes
//! connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};

/// So many connections are open at once: a few viewers, a scraper and the health check need no more.
pub const CONNECTIONS_MAX: usize = 64;

/// How long a connection may take to send a whole request head: its first one, or the next one.
pub const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// This part of the files that the process may open is for one server's connections. There are two at most,
/// so the worker has three quarters for its calls.
const PART_OF_FILES: u64 = 8;

/// The most bytes of a request's head. A browser sends one or two thousand.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long the server waits before it accepts again after it could not.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Of so many failures in a row one is recorded: the first, and then one a minute.
const RECORDED_ONCE_IN: u64 = 60;

/// The limits on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// How many connections are open at once.
    pub connections_max: usize,
    /// How long one may take to send a whole request head. `None` in the embedded simulation: its paused
    /// clock would run ahead while no client sends.
    pub head_within: Option<Duration>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { connections_max: CONNECTIONS_MAX, head_within: Some(HEAD_WITHIN) }
    }
}

impl ConnectionLimits {
    /// The limits in a process that may open so many files, as far as that is known.
    #[must_use]
    pub fn for_files(open_files_max: Option<u64>) -> Self {
        let part = open_files_max.map(|files| usize::try_from(files / PART_OF_FILES));
        let part = part.and_then(Result::ok).unwrap_or(CONNECTIONS_MAX);
        Self { connections_max: part.clamp(1, CONNECTIONS_MAX), ..Self::default() }
    }
}

/// A server that answers. It ends when it is dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    accepting: JoinHandle<Infallible>,
}

impl HttpServer {
    pub(super) fn start(door: Door, listener: TcpListener) -> Self {
        let (address, listener) = (door.address, Arc::new(listener));
        let accept = move || {
            let listener = Arc::clone(&listener);
            async move { listener.accept().await.map(|(stream, _)| stream) }
        };
        Self { address, accepting: tokio::spawn(door.accept_from(accept)) }
    }

    /// Where it answers; useful after a request for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Waits until one of these servers ends, which only a bug causes, and returns why. Without servers it waits
/// for ever.
pub async fn first_end(servers: &mut [HttpServer]) -> String {
    std::future::poll_fn(|cx| {
        for HttpServer { address, accepting } in servers.iter_mut() {
            if let Poll::Ready(Err(error)) = Pin::new(accepting).poll(cx) {
                return Poll::Ready(format!("the HTTP server at {address} ended: {error}"));
            }
        }
        Poll::Pending
    })
    .await
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections and serves `app`.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    pub(super) app: Router,
    pub(super) limits: ConnectionLimits,
    pub(super) observer: Arc<dyn EventSink>,
}

impl Door {
    /// Serves the connections that `accept` yields.
    async fn accept_from<F: Future<Output = io::Result<TcpStream>>>(
        self,
        mut accept: impl FnMut() -> F,
    ) -> Infallible {
        let mut connections = Connections::default();
        let mut failures: u64 = 0;
        loop {
            match accept().await {
                Ok(stream) => {
                    failures = 0;
                    connections.make_room(self.limits.connections_max).await;
                    connections.begin(stream, self.app.clone(), self.limits.head_within);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if failures.is_multiple_of(RECORDED_ONCE_IN) {
                        let (address, error) = (self.address, &error);
                        self.observer.record(&WorkerEvent::HttpNotAccepting { address, error });
                    }
                    failures += 1;
                    connections.close_one().await;
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

/// Whether the error is about one connection only: the next one may succeed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// The open connections, oldest first.
#[derive(Default)]
struct Connections(Vec<Connection>);

struct Connection {
    /// Held here, by the connection's service, and by each request that is being answered.
    in_use: Arc<()>,
    task: JoinHandle<()>,
}

impl Connections {
    /// Closes connections until there is room for one more.
    async fn make_room(&mut self, max: usize) {
        self.0.retain(|connection| !connection.task.is_finished());
        while self.0.len() >= max.max(1) {
            self.close_one().await;
        }
    }

    /// Closes the oldest one that waits for a request; where each is being answered, the oldest.
    async fn close_one(&mut self) {
        let waits = |connection: &Connection| Arc::strong_count(&connection.in_use) <= 2;
        let oldest = self.0.iter().position(waits).unwrap_or(0);
        if oldest < self.0.len() {
            let Connection { task, .. } = self.0.remove(oldest);
            task.abort();
            // Its file descriptor is free only when the task has ended.
            drop(task.await);
        }
    }

    fn begin(&mut self, stream: TcpStream, app: Router, head_within: Option<Duration>) {
        let in_use = Arc::default();
        let task = tokio::spawn(serve(stream, app, Arc::clone(&in_use), head_within));
        self.0.push(Connection { in_use, task });
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.0.iter().for_each(|connection| connection.task.abort());
    }
}

/// Answers the requests of one connection, each of which holds `in_use` until it is answered.
async fn serve(stream: TcpStream, app: Router, in_use: Arc<()>, head_within: Option<Duration>) {
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |request| {
        let (held, answering) = (Arc::clone(&in_use), app.call(request));
        async move {
            let answer = answering.await;
            drop(held);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // An early end is the client's: it sent too little, too late or no HTTP, or disconnected.
    drop(connection.await);
}

#[cfg(test)]
mod tests;
