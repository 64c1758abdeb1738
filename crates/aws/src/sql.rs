//! The source that has no lag: the instances themselves are asked whether they are writable.
//!
//! One connection is kept for each instance, so that a question costs one round trip and no login. An instance that
//! cannot be reached costs its time limit and nothing else: all instances are asked at the same time. What the answers
//! say together is decided in [`writerlink_core::evidence::sql`].

mod grants;
mod hosts;
pub mod login;
mod mysql;
mod postgres;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::rds::RdsWitness;
use crate::sql::hosts::{Host, Hosts};
use crate::sql::login::Login;
use writerlink_core::evidence::discovery::SourceReport;
use writerlink_core::evidence::sql::{InstanceProbe, ProbeAnswer, report};
use writerlink_core::model::outcome::doubled;
use writerlink_core::model::policy::Engine;
use writerlink_core::model::route::Route;
use writerlink_engine::ports::installation::{Seen, SqlFacts, Unseen};
use writerlink_engine::ports::{CallError, Clock, ErrorKind};

/// What fails where RDS cannot say which instances a route has.
const LIST: &str = "listing the instances";

/// How the instances are asked.
#[derive(Clone, Debug)]
pub struct SqlSettings {
    /// How long opening a connection may take, login included.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub query_timeout: Duration,
    /// The database user.
    pub user: String,
    /// How the user proves who it is.
    pub login: Login,
    /// The PEM file of the authorities that may sign a server's certificate. Without one connections are not encrypted.
    pub ca_file: Option<PathBuf>,
}

/// The source [`Sql`](writerlink_core::model::policy::DiscoverySource::Sql). Clones share their connections.
#[derive(Clone)]
pub struct SqlSource {
    shared: Arc<Shared>,
}

struct Shared {
    settings: SqlSettings,
    hosts: Hosts,
    kept: Mutex<BTreeMap<Address, Kept>>,
    clock: Arc<dyn Clock>,
}

/// Where an instance listens, and what it speaks there.
type Address = (Engine, IpAddr, u16);

type Kept = Arc<tokio::sync::Mutex<Slot>>;

/// What is kept of an instance.
#[derive(Default)]
struct Slot {
    /// The connection, if there is one now. Whoever asks takes it out, and puts it back once the answer is there: a
    /// question that was given up leaves none behind that is in the middle of an answer.
    connection: Option<Connection>,
    /// The last question that failed, until one succeeds.
    failed: Option<Failure>,
}

/// A question that failed.
struct Failure {
    /// When it ended, by the monotonic clock.
    at: Duration,
    why: String,
    /// How many connections in a row came to nothing in silence.
    silent: u32,
}

/// The pause after a connection that came to nothing in silence, doubled with each one, and the longest. A server that
/// hangs keeps every such connection in its queue, counts them once it goes on, and MySQL then blocks a host with 100 of
/// them (`max_connect_errors`). Meanwhile the instance costs a reading no time. A connection that is refused is tried again
/// at once: that is how a server that restarts comes back.
const SILENT_PAUSE: Duration = Duration::from_millis(250);
const SILENT_PAUSE_MAX: Duration = Duration::from_secs(2);

impl Slot {
    /// Why nobody is asked now: somebody else's question failed while this one waited for its turn, or the instance has
    /// been silent and is left alone for a moment.
    fn is_given_up(&self, began: Duration, now: Duration) -> Option<String> {
        let Failure { at, why, silent } = self.failed.as_ref()?;
        let pause = match silent {
            0 => Duration::ZERO,
            times => doubled(SILENT_PAUSE, *times).min(SILENT_PAUSE_MAX),
        };
        (*at >= began || now.saturating_sub(*at) < pause).then(|| why.clone())
    }

    fn failed(&mut self, now: Duration, why: String, was_silent: bool) -> String {
        let before = self.failed.as_ref().map_or(0, |failure| failure.silent);
        let silent = if was_silent { before.saturating_add(1) } else { 0 };
        self.failed = Some(Failure { at: now, why: why.clone(), silent });
        why
    }
}

impl fmt::Debug for SqlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlSource").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// An open connection.
enum Connection {
    MySql(Box<mysql_async::Conn>),
    PostgreSql(tokio_postgres::Client),
}

impl Connection {
    async fn open(engine: Engine, host: &Host, settings: &SqlSettings) -> Result<Self, String> {
        let secret = settings.login.secret(&settings.user, host).await?;
        match engine {
            Engine::MySql => {
                let connection = mysql::connect(host, settings, &secret).await?;
                Ok(Self::MySql(Box::new(connection)))
            }
            Engine::PostgreSql => postgres::connect(host, settings, &secret).await.map(Self::PostgreSql),
        }
    }

    async fn is_writable(&mut self) -> Result<bool, String> {
        match self {
            Self::MySql(connection) => mysql::is_writable(connection).await,
            Self::PostgreSql(client) => postgres::is_writable(client).await,
        }
    }

    async fn excess_grants(&mut self) -> Result<Vec<String>, String> {
        match self {
            Self::MySql(connection) => grants::of_mysql(connection).await,
            Self::PostgreSql(client) => grants::of_postgres(client).await,
        }
    }
}

impl SqlSource {
    /// A source that asks like this. Where a route has no addresses of its own, RDS lists its instances.
    #[must_use]
    pub fn new(settings: SqlSettings, rds: RdsWitness, clock: Arc<dyn Clock>) -> Self {
        let (hosts, kept) = (Hosts::new(rds, Arc::clone(&clock)), Mutex::default());
        Self { shared: Arc::new(Shared { settings, hosts, kept, clock }) }
    }

    /// Which instance is writable, by the word of each. Takes the two time limits together at most, and those of RDS
    /// once for a route whose instances RDS lists.
    pub async fn ask(&self, route: &Route) -> SourceReport {
        match self.probe_all(route).await {
            Ok(probes) => report(route.policy.role, &probes),
            Err(why) => SourceReport::Unclear(why),
        }
    }

    async fn probe_all(&self, route: &Route) -> Result<Vec<InstanceProbe>, String> {
        let hosts = self.shared.hosts.of(route).await?;
        let engine = route.policy.engine;
        let mut asking = JoinSet::new();
        for host in hosts {
            let shared = Arc::clone(&self.shared);
            asking.spawn(async move {
                let answer = match shared.probe(engine, &host).await {
                    Ok(true) => ProbeAnswer::Writable,
                    Ok(false) => ProbeAnswer::ReadOnly,
                    Err(why) => ProbeAnswer::Failed(why),
                };
                InstanceProbe { member: host.member(), answer }
            });
        }
        let mut probes = asking.join_all().await;
        probes.sort_by(|a, b| a.member.cmp(&b.member));
        Ok(probes)
    }

    /// The same for `check`, with what the user may do beyond what the question needs.
    ///
    /// # Errors
    /// When nobody knows which instances there are.
    pub async fn look(&self, route: &Route) -> Seen<Vec<SqlFacts>> {
        let probes = self.probe_all(route).await;
        let refused = |why| Unseen::from(CallError::without_a_reply(LIST, ErrorKind::Unreachable, why));
        let probes = probes.map_err(refused)?;
        let hosts = self.shared.hosts.of(route).await.unwrap_or_default();
        let mut facts = Vec::new();
        for probe in probes {
            let host = hosts.iter().find(|host| host.member() == probe.member);
            let excess = match (&probe.answer, host) {
                (ProbeAnswer::Failed(_), _) | (_, None) => Ok(Vec::new()),
                (_, Some(host)) => self.shared.excess_grants(route.policy.engine, host).await,
            };
            facts.push(SqlFacts {
                answer: probe.answer,
                member: probe.member,
                user: self.shared.settings.user.clone(),
                encrypted: self.shared.settings.ca_file.is_some(),
                excess,
            });
        }
        Ok(facts)
    }
}

impl Shared {
    fn slot(&self, engine: Engine, host: &Host) -> Kept {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry((engine, host.ip, host.port)).or_default())
    }

    async fn probe(&self, engine: Engine, host: &Host) -> Result<bool, String> {
        let (began, slot) = (self.clock.monotonic(), self.slot(engine, host));
        let mut slot = slot.lock().await;
        if let Some(why) = slot.is_given_up(began, self.clock.monotonic()) {
            return Err(why);
        }
        if let Some(mut connection) = slot.connection.take() {
            match self.within_query(connection.is_writable()).await {
                Ok(Ok(writable)) => {
                    slot.connection = Some(connection);
                    return Ok(writable);
                }
                // A server that restarted has closed it, and may answer on a new one.
                Ok(Err(_)) => {}
                Err(silence) => return Err(slot.failed(self.clock.monotonic(), silence, false)),
            }
        }
        let mut connection = match self.open(engine, host).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(why)) => return Err(slot.failed(self.clock.monotonic(), why, false)),
            Err(silence) => return Err(slot.failed(self.clock.monotonic(), silence, true)),
        };
        match self.within_query(connection.is_writable()).await {
            Ok(Ok(writable)) => {
                *slot = Slot { connection: Some(connection), failed: None };
                Ok(writable)
            }
            Ok(Err(why)) | Err(why) => Err(slot.failed(self.clock.monotonic(), why, false)),
        }
    }

    async fn excess_grants(&self, engine: Engine, host: &Host) -> Result<Vec<String>, String> {
        let mut connection = self.open(engine, host).await??;
        self.within_query(connection.excess_grants()).await?
    }

    /// The outer error is silence, the inner one the server's, or ours.
    async fn open(&self, engine: Engine, host: &Host) -> Result<Result<Connection, String>, String> {
        let limit = self.settings.connect_timeout;
        let opened = timeout(limit, Connection::open(engine, host, &self.settings)).await;
        opened.map_err(|_| format!("no connection within {} ms", limit.as_millis()))
    }

    /// The same of a question.
    async fn within_query<T>(
        &self,
        question: impl Future<Output = Result<T, String>>,
    ) -> Result<Result<T, String>, String> {
        let limit = self.settings.query_timeout;
        let answered = timeout(limit, question).await;
        answered.map_err(|_| format!("no answer within {} ms", limit.as_millis()))
    }
}

/// The longest text of an error that is passed on: it is recorded, and a server may send any.
const ERROR_LENGTH_MAX: usize = 200;

/// An error of a driver or a server in one line. Neither drivers nor servers put a password into one.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    // tokio-postgres says "db error" and keeps the server's words one level down.
    if let Some(source) = error.source() {
        let inner = source.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
    }
    let line = text.lines().collect::<Vec<_>>().join(" ");
    line.chars().take(ERROR_LENGTH_MAX).collect()
}
