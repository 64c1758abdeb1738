//! Relays with real HAProxy: the generated configuration, and an agent that steers it.
//!
//! They run where HAProxy is installed (Debian's package `haproxy`), and say that they were skipped where it is not.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{interval, timeout};
use writerlink_aws::haproxy::AdminSocket;
use writerlink_core::actuation::relay::{RelayName, RelayReport};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::{EventKey, EvidenceOrder};
use writerlink_core::ledger::change::Change;
use writerlink_core::ledger::state::{EventEntry, RouteState};
use writerlink_core::model::ids::Generation;
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::route::Route;
use writerlink_core::model::target::{MoveMode, Target};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::{CallError, Commit, ErrorKind, Ledger, RelayReports};
use writerlink_engine::relay::{Agent, AgentPace, AgentPorts};
use writerlink_engine::system_clock::SystemClock;

const GROUP: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup";

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where HAProxy is, if it is installed.
fn haproxy() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let found = folders.into_iter().map(|folder| folder.join("haproxy")).find(|file| file.is_file());
    if found.is_none() {
        say("SKIPPED: haproxy is not installed (Debian package haproxy)\n");
    }
    found
}

/// Says something to who runs the tests, whether or not they pass.
fn say(text: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

fn free_port(ip: &str) -> u16 {
    StdListener::bind((ip, 0)).unwrap().local_addr().unwrap().port()
}

/// A configuration of relay routes, each with two instances, in a folder of its own.
struct Files {
    folder: tempfile::TempDir,
    alive: u16,
    agent: u16,
}

impl Files {
    /// Writes writerlink.toml, and HAProxy's files by `relay config`.
    fn written(routes: &[(&str, u16, &str)], port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (alive, agent) = (free_port("127.0.0.1"), free_port("127.0.0.1"));
        let socket = folder.path().join("admin.sock");
        let head = format!(
            "[relay]\nalive_port = {alive}\nagent_address = \"127.0.0.1:{agent}\"\npoll_interval_ms = 100\n\
             admin_socket = \"{}\"\n",
            socket.display()
        );
        let routes = routes.iter().enumerate().map(|(n, (name, listen, profile))| {
            format!(
                "[[route]]\nname = \"{name}\"\nsource = \"{name}\"\nstrategy = \"relay\"\nport = {port}\n\
                 target_group = \"{GROUP}/g{n}/{n:016x}\"\nallowed_cidrs = [\"127.0.0.0/8\"]\n\
                 [route.relay]\nlisten = {listen}\nprofile = \"{profile}\"\n\
                 [route.instances]\n{name}-1 = \"127.0.1.1\"\n{name}-2 = \"127.0.1.2\"\n"
            )
        });
        let text: String = std::iter::once(head).chain(routes).collect();
        let file = folder.path().join("writerlink.toml");
        fs::write(&file, text).unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_writerlink"))
            .args(["relay", "config", "--to"])
            .arg(folder.path())
            .arg("--config")
            .arg(&file)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { folder, alive, agent }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn config(&self) -> PathBuf {
        self.path().join("haproxy.cfg")
    }
}

#[test]
fn haproxy_takes_the_configuration_of_1_3_and_300_routes_without_a_word() {
    let Some(haproxy) = haproxy() else { return };
    for count in [1_u16, 3, 300] {
        let names: Vec<String> = (0..count).map(|n| format!("route-{n}")).collect();
        let profiles = ["replication", "application"];
        let routes: Vec<(&str, u16, &str)> = (0..)
            .zip(&names)
            .map(|(n, name)| (name.as_str(), 20_000 + n, profiles[usize::from(n) % 2]))
            .collect();
        let files = Files::written(&routes, 3306);
        let said = Command::new(&haproxy).args(["-c", "-f"]).arg(files.config()).output().unwrap();
        let said_out = String::from_utf8_lossy(&said.stdout).replace("Configuration file is valid", "");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let said_err = String::from_utf8_lossy(&said.stderr);
        assert_eq!((said_out.trim(), said_err.trim()), ("", ""), "{count} routes: no warning");
    }
}

/// HAProxy, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A ledger with one state, which can be away.
struct Scripted(Mutex<Result<RouteState, ()>>);

impl Scripted {
    fn says(&self, state: Result<RouteState, ()>) {
        *self.0.lock().unwrap() = state;
    }
}

#[async_trait]
impl Ledger for Scripted {
    async fn load(&self, _: &RouteName) -> Result<RouteState, CallError> {
        unreachable!("an agent reads states together")
    }

    async fn peek(&self, _: &RouteName) -> Result<Option<RouteState>, CallError> {
        unreachable!("an agent reads states together")
    }

    async fn load_known(&self, _: &[RouteName]) -> Result<Vec<RouteState>, CallError> {
        let state = self.0.lock().unwrap().clone();
        let state =
            state.map_err(|()| CallError::without_a_reply("BatchGetItem", ErrorKind::Unreachable, "away"))?;
        Ok(vec![state])
    }

    async fn event(&self, _: &EventKey) -> Result<Option<EventEntry>, CallError> {
        unreachable!("an agent reads no event")
    }

    async fn commit(&self, _: &Change) -> Result<Commit, CallError> {
        unreachable!("an agent commits nothing")
    }
}

/// Keeps the newest report.
struct Reports(watch::Sender<Option<RelayReport>>);

#[async_trait]
impl RelayReports for Reports {
    async fn report(&self, report: &RelayReport) -> Result<(), CallError> {
        self.0.send_replace(Some(report.clone()));
        Ok(())
    }
}

fn key(n: u8) -> EventKey {
    EventKey::parse(&format!("{n:064x}")).unwrap()
}

/// The state of `orders` that names instance `n`, by event `n`.
fn naming(n: u8, generation: u64) -> RouteState {
    let mut state = RouteState::new(RouteName::new("orders").unwrap());
    state.control.generation = Generation(generation);
    state.control.desired = Some(Desired {
        instance: InstanceId::new(&format!("orders-{n}")).unwrap(),
        target: Target { ip: IpAddr::from([127, 0, 1, n]), port: 3306 },
        additional_targets: std::collections::BTreeSet::new(),
        move_mode: MoveMode::Swap,
        evidence: EvidenceOrder { at: Timestamp::EPOCH, rank: 2 },
        event: key(n),
    });
    state
}

/// A server that tells each client its name and keeps the connection.
async fn database(address: SocketAddr, name: &'static str) {
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                drop(stream.write_all(name.as_bytes()).await);
                let mut rest = [0; 16];
                while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {}
            });
        }
    });
}

/// A client that was served, and by whom.
struct Client {
    stream: TcpStream,
    server: String,
}

async fn served(port: u16) -> Client {
    let work = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut name = [0; 8];
        let read = stream.read(&mut name).await.unwrap();
        Client { stream, server: String::from_utf8_lossy(&name[..read]).into_owned() }
    };
    timeout(PATIENCE, work).await.expect("a client is served")
}

impl Client {
    /// Waits until the session is cut.
    async fn cut(mut self) {
        let mut rest = [0; 8];
        let end = timeout(PATIENCE, self.stream.read(&mut rest)).await.expect("the session is cut");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }

    /// Whether nothing has ended the session by now.
    fn is_alive(&self) -> bool {
        let mut rest = [0; 8];
        matches!(self.stream.try_read(&mut rest), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut tick = interval(Duration::from_millis(20));
    let work = async {
        while !holds() {
            tick.tick().await;
        }
    };
    timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_cuts_old_sessions_and_what_is_uncertain_changes_nothing() {
    let Some(haproxy) = haproxy() else { return };
    for profile in ["application", "replication"] {
        let (listen, port) = (free_port("127.0.0.1"), free_port("127.0.1.1"));
        let files = Files::written(&[("orders", listen, profile)], port);
        for (n, name) in [(1, "orders-1"), (2, "orders-2")] {
            database(SocketAddr::from(([127, 0, 1, n], port)), name).await;
        }
        let log = fs::File::create(files.path().join("haproxy.log")).unwrap();
        let started = Command::new(&haproxy)
            .args(["-db", "-f"])
            .arg(files.config())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn();
        let _haproxy = Running(started.unwrap());
        until("HAProxy listens", || std::net::TcpStream::connect(("127.0.0.1", files.alive)).is_ok()).await;

        // A client comes before anybody knows the writer: it is held, not refused.
        let early = tokio::spawn(served(listen));
        let ledger = Arc::new(Scripted(Mutex::new(Err(()))));
        let (tell, mut reports) = watch::channel(None);
        let routes = config_routes(&files);
        let ports = AgentPorts {
            ledger: Arc::clone(&ledger) as _,
            reports: Arc::new(Reports(tell)),
            haproxy: Arc::new(AdminSocket::new(&files.path().join("admin.sock"))),
            clock: Arc::new(SystemClock::start()),
        };
        let name = RelayName::new("relay-a").unwrap();
        let pace = AgentPace {
            poll_interval: Duration::from_millis(100),
            read_interval: Duration::from_millis(100),
            silent_after: PATIENCE,
        };
        let agent = Agent::new(name, &routes, pace, ports);
        let agent = Arc::new(agent);
        let listener = TcpListener::bind(("127.0.0.1", files.agent)).await.unwrap();
        let serving = tokio::spawn(Arc::clone(&agent).serve(listener));
        let following = tokio::spawn({
            let agent = Arc::clone(&agent);
            async move { agent.follow().await }
        });
        ledger.says(Ok(naming(1, 5)));
        let old = early.await.unwrap();
        assert_eq!(old.server, "orders-1", "{profile}");

        ledger.says(Ok(naming(2, 6)));
        old.cut().await;
        let new = served(listen).await;
        assert_eq!(new.server, "orders-2", "{profile}");
        let applied = |report: &Option<RelayReport>| {
            let routes = report.as_ref().map(|report| &report.routes);
            routes.and_then(|routes| routes.values().next()).is_some_and(|applied| applied.event == key(2))
        };
        timeout(PATIENCE, reports.wait_for(applied)).await.unwrap().unwrap();

        // The ledger is away: the agent answers nothing, and HAProxy goes on.
        ledger.says(Err(()));
        until("no certain answer", || agent.answer("orders/orders-2").is_none()).await;
        assert_eq!(served(listen).await.server, "orders-2", "{profile}");
        // A table that was restored names the old writer by an older generation.
        ledger.says(Ok(naming(1, 5)));
        assert_eq!(served(listen).await.server, "orders-2", "{profile}");
        assert!(agent.answer("orders/orders-1").is_none(), "never an older generation");
        // The agent is gone.
        serving.abort();
        following.abort();
        assert_eq!(served(listen).await.server, "orders-2", "{profile}");
        assert!(new.is_alive(), "{profile}: no session was cut meanwhile");
    }
}

/// The routes of the file, as the program reads them.
fn config_routes(files: &Files) -> Vec<Route> {
    let file = files.path().join("writerlink.toml");
    let loaded = writerlink::config::read(Some(&file), &|_| None).unwrap();
    loaded.config.routes
}
