//! The agent's loops: one reads the ledger, one answers HAProxy.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::ports::{Clock, Ledger, RelayReports, STATES_PER_READ};
use crate::relay::answers::{Answer, Now, RelayAnswers, RelaySwitch};
use writerlink_core::actuation::relay::{REPORT_EVERY, RelayName, RelayReport};
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;

/// HAProxy opens one connection a poll; more than this at once is no HAProxy.
const CONNECTIONS_MAX: usize = 1024;

/// How long a request may take to arrive. HAProxy sends it with the connection.
const REQUEST_WITHIN: Duration = Duration::from_secs(1);

/// A route's name (64), a slash and an instance's (63) are shorter.
const REQUEST_MAX: usize = 160;

/// Why HAProxy did not take a push.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotPushed(pub String);

/// HAProxy's own socket.
#[async_trait]
pub trait Haproxy: Send + Sync {
    /// Makes one server of a route usable and every other one not, the others first.
    async fn switch(&self, switch: &RelaySwitch) -> Result<(), NotPushed>;
}

/// What an agent needs from outside.
#[derive(Clone)]
pub struct AgentPorts {
    /// Where the states are read.
    pub ledger: Arc<dyn Ledger>,
    /// Where its report is written.
    pub reports: Arc<dyn RelayReports>,
    /// HAProxy's socket.
    pub haproxy: Arc<dyn Haproxy>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// One agent.
pub struct Agent {
    name: RelayName,
    routes: Vec<RouteName>,
    pace: AgentPace,
    ports: AgentPorts,
    answers: Mutex<RelayAnswers>,
}

/// How often an agent does what.
#[derive(Clone, Copy, Debug)]
pub struct AgentPace {
    /// How often HAProxy asks for each server.
    pub poll_interval: Duration,
    /// How often the ledger is read.
    pub read_interval: Duration,
    /// HAProxy is silent after so long without a question.
    pub silent_after: Duration,
}

/// What was reported last, and when by the monotonic clock.
#[derive(Default)]
struct Reported {
    report: Option<RelayReport>,
    at: Option<Duration>,
}

impl Agent {
    /// An agent of these routes that has read nothing yet.
    #[must_use]
    pub fn new(name: RelayName, routes: &[Route], pace: AgentPace, ports: AgentPorts) -> Self {
        let answers = Mutex::new(RelayAnswers::of(routes, pace.poll_interval.max(pace.read_interval)));
        let routes = routes.iter().map(|route| route.name.clone()).collect();
        Self { name, routes, pace, ports, answers }
    }

    /// Reads and pushes, and beside it reports, for ever: a report that takes long delays no read.
    pub async fn follow(&self) {
        let reads = async {
            loop {
                let began = self.ports.clock.monotonic();
                self.read_and_push().await;
                let took = self.ports.clock.monotonic().saturating_sub(began);
                self.ports.clock.sleep(self.pace.read_interval.saturating_sub(took)).await;
            }
        };
        let reports = async {
            let mut reported = Reported::default();
            loop {
                self.report(&mut reported).await;
                self.ports.clock.sleep(self.pace.poll_interval).await;
            }
        };
        tokio::join!(reads, reports);
    }

    /// One read of every route, and the pushes that it asks for.
    pub async fn read_and_push(&self) {
        let mut switches = Vec::new();
        for routes in self.routes.chunks(STATES_PER_READ) {
            switches.extend(self.read(routes).await);
        }
        for switch in switches {
            self.push(&switch).await;
        }
    }

    async fn push(&self, switch: &RelaySwitch) {
        let (route, instance) = (switch.route.as_str(), switch.to.as_str());
        if !self.answers().is_current(switch, self.ports.clock.monotonic()) {
            let why =
                "the reading is too old to be pushed; HAProxy's next poll brings what the ledger says then";
            return tracing::warn!(event = "not_pushed", route, "{why}");
        }
        match self.ports.haproxy.switch(switch).await {
            Ok(()) => self.answers().pushed(switch, self.ports.clock.wall()),
            Err(error) => tracing::warn!(
                event = "not_pushed",
                route,
                "HAProxy did not take the change over its socket: {error}; its next poll brings it"
            ),
        }
        tracing::info!(event = "switch", route, instance, "the ledger names another instance");
    }

    async fn read(&self, routes: &[RouteName]) -> Vec<RelaySwitch> {
        // The age of an answer counts from before the read.
        let began = self.ports.clock.monotonic();
        match self.ports.ledger.load_known(routes).await {
            Ok(states) => {
                let mut answers = self.answers();
                states.iter().filter_map(|state| answers.take(state, began)).collect()
            }
            Err(error) => {
                tracing::warn!(
                    event = "not_read",
                    "the states cannot be read: {error}; HAProxy keeps its state"
                );
                Vec::new()
            }
        }
    }

    async fn report(&self, reported: &mut Reported) {
        let now = Now { wall: self.ports.clock.wall(), monotonic: self.ports.clock.monotonic() };
        let report = {
            let answers = self.answers();
            let (asked_at, routes) = (answers.asked_at(), answers.applied());
            RelayReport { relay: self.name.clone(), at: now.wall, asked_at, routes }
        };
        let due = reported.at.is_none_or(|at| now.monotonic.saturating_sub(at) >= REPORT_EVERY);
        let news = reported.report.as_ref().is_none_or(|last| {
            last.routes != report.routes
                || self.is_silent(last, now.wall) != self.is_silent(&report, now.wall)
        });
        if !(due || news) {
            return;
        }
        match self.ports.reports.report(&report).await {
            Ok(()) => *reported = Reported { report: Some(report), at: Some(now.monotonic) },
            Err(error) => {
                tracing::warn!(
                    event = "not_reported",
                    "the report cannot be written: {error}; it is tried again"
                );
            }
        }
    }

    fn is_silent(&self, report: &RelayReport, now: Timestamp) -> bool {
        report.asked_at.is_none_or(|asked| now.since(asked) >= self.pace.silent_after)
    }

    /// Answers HAProxy, for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            // Never closed.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let agent = Arc::clone(&self);
                    tokio::spawn(async move {
                        agent.converse(stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(event = "not_accepted", "HAProxy's connection was not accepted: {error}");
                    self.ports.clock.sleep(self.pace.poll_interval).await;
                }
            }
        }
    }

    /// One question, and its answer or the end of the connection.
    async fn converse(&self, mut stream: TcpStream) {
        let Ok(Some(question)) = timeout(REQUEST_WITHIN, question(&mut stream)).await else {
            return;
        };
        if let Some(answer) = self.answer(&question) {
            // Whoever has gone asks again.
            drop(stream.write_all(answer.line().as_bytes()).await);
            drop(stream.shutdown().await);
        }
    }

    /// The answer to `ROUTE/INSTANCE`, if it is certain.
    pub fn answer(&self, question: &str) -> Option<Answer> {
        let (route, instance) = question.split_once('/')?;
        let (route, instance) = (RouteName::new(route).ok()?, InstanceId::new(instance).ok()?);
        let now = Now { wall: self.ports.clock.wall(), monotonic: self.ports.clock.monotonic() };
        self.answers().answer(&route, &instance, now)
    }

    fn answers(&self) -> MutexGuard<'_, RelayAnswers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line without its end; nothing if the peer closes before, or sends more than a question can be.
async fn question(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut part = [0; REQUEST_MAX];
    while text.len() < REQUEST_MAX {
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        text.extend_from_slice(part.get(..read)?);
        if let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            text.truncate(end);
            return String::from_utf8(text).ok();
        }
    }
    None
}
