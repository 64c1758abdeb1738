//! The worker's HTTP endpoint from outside: whoever holds its connections open harms neither failovers nor the probes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use writerlink_engine::ports::Clock as _;
use writerlink_engine::system_clock::SystemClock;

use crate::trial::{Background, NEW, Trial, completed};

/// How many connections somebody opens and never sends a whole request on.
const HALF_OPEN: usize = 200;

/// So many files the worker may open: far fewer than these connections.
const FILES_MAX: u32 = 64;

/// A failover takes a fraction of a second; this is for a machine that does five other things.
const SOON: Duration = Duration::from_secs(10);

/// The worker closes a connection 10 s after its last whole request.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);

/// The command in a process that may open so many files.
fn with_few_files(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    let limited = format!("ulimit -n {FILES_MAX} && exec \"$0\" \"$@\"");
    shell.env_clear().args(["-c", &limited]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
}

/// A connection whose head never ends; none where the worker lets nobody in any more.
fn half_open(port: u16) -> Option<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    // The worker may have closed it already, which is as good.
    drop(stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"));
    Some(stream)
}

fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(CLOSED_WITHIN)).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(_) => is_closed(stream),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Starts asking the worker how it is.
fn asks(trial: &Trial) -> Child {
    let mut command = trial.command("healthcheck");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.stdin(Stdio::null()).spawn().unwrap()
}

#[tokio::test]
async fn with_200_half_open_connections_and_few_files_failovers_go_on() {
    let trial = Trial::ready().await;
    let worker = Background::start(&mut with_few_files(&trial.command("run --log json")));
    worker.wait_for("started");
    let port = trial.health_port();
    let held: Vec<TcpStream> = (0..HALF_OPEN).filter_map(|_| half_open(port)).collect();
    trial.send("aurora-source", &completed("aurora-source", 2, 1)).await;
    let clock = SystemClock::start();
    worker.wait_for("Moved");
    let took = clock.monotonic();
    assert!(took < SOON, "{took:?}");
    assert_eq!(trial.group_holds().await, [NEW]);

    let well = asks(&trial).wait().unwrap();
    assert!(well.success(), "the health check finds a place: {well}");
    assert!(held.iter().all(is_closed), "none of them is kept");
    worker.signal("-TERM");
    assert_eq!(worker.ends().0, Some(0));
}
