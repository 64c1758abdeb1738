#!/usr/bin/env bash
# hickory-resolver 0.26.3 with `ServerOrderingStrategy::UserProvidedOrder` and `num_concurrent_reqs = 1`: behind a first name
# server that is silent (its packets are dropped) the second one is never asked, however often the look-up is tried again.
#
# What one would expect: in order, one at a time, and the next one when the first does not answer, as the C library does it.
# What happens: `ResolverOpts::timeout` is both how long one server is waited for and the deadline for all servers together
# (name_server_pool.rs, `try_send`). The silent first server uses all of it up, and every further attempt begins with the
# first server again. With a refusing first server (ICMP) the second one is asked.
#
# Builds a program of 30 lines in a temporary folder, with cargo. Ends with 1 if it behaves otherwise.
set -euo pipefail
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
mkdir "$FOLDER/src"
cat > "$FOLDER/Cargo.toml" <<'TOML'
[package]
name = "in-order"
version = "0.0.0"
edition = "2024"

[dependencies]
hickory-resolver = { version = "=0.26.3", default-features = false, features = ["tokio"] }
tokio = { version = "1", features = ["rt", "net", "time", "macros"] }
TOML
cat > "$FOLDER/src/main.rs" <<'RUST'
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ServerOrderingStrategy};
use hickory_resolver::proto::rr::RecordType;

/// A name server that keeps silent, and counts what it is asked.
fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp(address.ip());
    server.connections[0].port = address.port();
    server
}

fn asked(socket: &UdpSocket) -> usize {
    let mut buffer = [0; 512];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (first, second) = (socket(), socket());
    let servers = [&first, &second].map(|socket| server(socket.local_addr().unwrap()));
    let config = ResolverConfig::from_name_servers(servers.into());
    let mut builder = TokioResolver::builder_with_config(config, Default::default());
    let options = builder.options_mut();
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options.num_concurrent_reqs = 1;
    options.timeout = Duration::from_secs(1);
    options.attempts = 3;
    let resolver = builder.build().unwrap();
    let began = Instant::now();
    let failed = resolver.lookup("example.com.", RecordType::A).await.unwrap_err();
    let (one, other) = (asked(&first), asked(&second));
    println!("hickory-resolver 0.26.3, two silent servers, 1 s each, 3 retries: {failed} after {:.0?}", began.elapsed());
    println!("questions to the first server: {one}; to the second: {other}");
    assert!(one > 3 && other == 0, "it behaves otherwise now");
}
RUST
cargo run --quiet --manifest-path "$FOLDER/Cargo.toml" --target-dir "$FOLDER/target"
