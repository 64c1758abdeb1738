//! Who may connect, for how long, and with what.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::sync::Notify;
use tokio::time::Instant;
use writerlink::web;
use writerlink::web::{ConnectionLimits, HEAD_WITHIN, HttpServer};

use super::http::elsewhere;
use super::world::{Shown, UNHURRIED, nobody};
use crate::rig::Rig;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server with a page that is there, and one that never comes.
async fn server(limits: ConnectionLimits) -> (HttpServer, Arc<Notify>) {
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    let never = move || async move {
        told.notify_one();
        std::future::pending::<&'static str>().await
    };
    let app = Router::new().route("/", get(|| async { "here" })).route("/never", get(never));
    let server = web::listen("127.0.0.1:0".parse().unwrap(), app, limits, nobody());
    (server.await.unwrap(), asked)
}

/// A connection on which this was sent. The paused clock stands meanwhile, so the server has the bytes when it looks.
async fn connection(address: SocketAddr, sent: &'static str) -> TcpStream {
    let connecting = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        stream
    });
    connecting.await.unwrap()
}

/// What comes until the other side closes.
async fn rest(mut stream: TcpStream) -> String {
    elsewhere(move || {
        let mut bytes = Vec::new();
        // A connection that is closed before it was read to its end is reset: closed as well.
        drop(stream.read_to_end(&mut bytes));
        String::from_utf8(bytes).unwrap()
    })
    .await
}

/// An answer to the request, on a connection that stays open.
async fn answer(mut stream: TcpStream) -> (TcpStream, String) {
    elsewhere(move || {
        let mut bytes = [0; 1024];
        let length = stream.read(&mut bytes).unwrap();
        (stream, String::from_utf8_lossy(&bytes[..length]).into_owned())
    })
    .await
}

#[expect(clippy::disallowed_methods, reason = "tokio's clock, paused by the test")]
fn now() -> Instant {
    Instant::now()
}

fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0; 1]);
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_whole_request_is_closed_after_ten_seconds() {
    let (server, _) = server(ConnectionLimits::default()).await;
    for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: localhost\r\n"] {
        let stream = connection(server.address(), sent).await;
        let began = now();
        rest(stream).await;
        let took = began.elapsed();
        assert!(took.abs_diff(HEAD_WITHIN).as_millis() < 10, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_ten_seconds_after_its_last_answer() {
    let (server, _) = server(ConnectionLimits::default()).await;
    let stream = connection(server.address(), REQUEST).await;
    let (stream, first) = answer(stream).await;
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    let began = now();
    assert_eq!(rest(stream).await, "");
    assert!(began.elapsed() <= HEAD_WITHIN, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_connection_too_many_takes_the_place_of_the_oldest_silent_one() {
    let (server, _) = server(UNHURRIED).await;
    let mut silent = Vec::new();
    for _ in 0..web::CONNECTIONS_MAX {
        silent.push(connection(server.address(), "GET / HT").await);
    }
    let last = connection(server.address(), REQUEST).await;
    let (_last, first) = answer(last).await;
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    let open: Vec<bool> = silent.iter().map(is_open).collect();
    assert!(!open[0], "it made room");
    assert!(open[1..].iter().all(|open| *open), "{open:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_being_answered_makes_room_last() {
    let limits = ConnectionLimits { connections_max: 2, ..UNHURRIED };
    let (server, asked) = server(limits).await;
    let never = "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let first = connection(server.address(), never).await;
    asked.notified().await;
    let silent = connection(server.address(), "").await;
    let second = connection(server.address(), never).await;
    asked.notified().await;
    assert!(!is_open(&silent), "it waited for a request");
    assert!(is_open(&first));
    // Each place is taken by a request now, and the health check has to be answered all the same.
    let (_last, said) = answer(connection(server.address(), REQUEST).await).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(!is_open(&first), "the oldest");
    assert!(is_open(&second));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_dropped_closes_its_connections() {
    let (server, _) = server(UNHURRIED).await;
    let address = server.address();
    let (stream, _) = answer(connection(address, REQUEST).await).await;
    drop(server);
    assert_eq!(rest(stream).await, "");
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[tokio::test(start_paused = true)]
async fn http_1_1_alone_is_spoken() {
    let shown = Shown::of(Rig::new(&["orders"]).await).await;
    for path in ["/", "/healthz", "/nowhere"] {
        let old = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        let answer = shown.client.send(old).await;
        assert_eq!(answer.status, 505, "{path}");
        super::shown::is_guarded(&answer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_names_its_host_exactly_once() {
    let shown = Shown::of(Rig::new(&["orders"]).await).await;
    for hosts in [
        "",
        "Host: localhost\r\nHost: rebound.example\r\n",
        "Host: rebound.example\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let answer = shown.client.send(request).await;
        assert_eq!(answer.status, 400, "{hosts:?}");
        super::shown::is_guarded(&answer);
    }
}
