//! A relay of the world: HAProxy's part is the world's, the agent beside it is the real one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::faults::lock;
use crate::fleet::Fleet;
use crate::haproxy::SimHaproxy;
use crate::process::Process;
use writerlink_core::actuation::relay::RelayName;
use writerlink_core::model::route::Route;
use writerlink_engine::relay::{Agent, AgentPace, AgentPorts, Haproxy, NotPushed, RelaySwitch};

/// How long HAProxy waits for an agent's answer: `timeout check`.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A relay.
pub struct SimRelay {
    /// Its name, in reports.
    pub name: RelayName,
    /// Its HAProxy.
    pub haproxy: Arc<SimHaproxy>,
    routes: Vec<Route>,
    pace: AgentPace,
    agent: Arc<Mutex<Option<RunningAgent>>>,
    polls: JoinSet<()>,
}

/// An agent and the process that it runs in.
#[derive(Clone)]
struct RunningAgent {
    process: Arc<Process>,
    agent: Arc<Agent>,
}

/// HAProxy's socket, as a process reaches it.
struct Socket {
    haproxy: Arc<SimHaproxy>,
    process: Arc<Process>,
}

#[async_trait]
impl Haproxy for Socket {
    async fn switch(&self, switch: &RelaySwitch) -> Result<(), NotPushed> {
        let (haproxy, pushed) = (Arc::clone(&self.haproxy), switch.clone());
        let effect = move || {
            haproxy.switch(&pushed);
            Ok(())
        };
        let detail = format!("{} to {}", switch.route, switch.to);
        let sent = self.process.call("AdminSocket", detail, effect).await;
        sent.map_err(|error| NotPushed(error.to_string()))
    }
}

impl SimRelay {
    /// A relay of these routes whose agent does not run yet.
    #[must_use]
    pub fn new(fleet: &Fleet, name: RelayName, routes: &[Route], pace: AgentPace) -> Self {
        let haproxy = Arc::new(SimHaproxy::new(fleet.world.fabric.time, routes));
        let mut relay = Self {
            name,
            haproxy,
            routes: routes.to_vec(),
            pace,
            agent: Arc::default(),
            polls: JoinSet::new(),
        };
        relay.begin_to_poll();
        relay
    }

    /// Starts the agent in a new process, in the place of the one before. The process's name has to be new.
    pub fn start_agent(&self, fleet: &Fleet, process: &str) {
        let process = fleet.world.process(process);
        let ledger = Arc::new(fleet.dynamo.ledger(&process));
        let ports = AgentPorts {
            ledger: Arc::clone(&ledger) as _,
            reports: ledger,
            haproxy: Arc::new(Socket { haproxy: Arc::clone(&self.haproxy), process: Arc::clone(&process) }),
            clock: Arc::clone(&process.clock) as _,
        };
        let agent = Arc::new(Agent::new(self.name.clone(), &self.routes, self.pace, ports));
        let (life, follows) = (Arc::clone(&process), Arc::clone(&agent));
        tokio::spawn(async move { life.run(follows.follow()).await });
        if let Some(before) = lock(&self.agent).replace(RunningAgent { process, agent }) {
            before.process.kill();
        }
    }

    /// The agent's process, if one lives.
    #[must_use]
    pub fn agent_process(&self) -> Option<Arc<Process>> {
        let agent = lock(&self.agent);
        agent.as_ref().map(|running| Arc::clone(&running.process)).filter(|process| process.is_alive())
    }

    /// One poll for each server, spread over the interval as HAProxy spreads its checks.
    fn begin_to_poll(&mut self) {
        let servers: Vec<_> = self
            .routes
            .iter()
            .flat_map(|route| route.instances.keys().map(|instance| (route.name.clone(), instance.clone())))
            .collect();
        let count = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        for (nth, (route, instance)) in (0..).zip(servers) {
            let offset = self.pace.poll_interval * nth / count.max(1);
            let (agent, haproxy, every) =
                (Arc::clone(&self.agent), Arc::clone(&self.haproxy), self.pace.poll_interval);
            self.polls.spawn(async move {
                tokio::time::sleep(offset).await;
                loop {
                    let question = format!("{route}/{instance}");
                    let asked = lock(&agent).clone();
                    if let Some(RunningAgent { process, agent }) = asked {
                        let answered = process.run(async { agent.answer(&question) });
                        let answered = tokio::time::timeout(ANSWER_WITHIN, answered).await;
                        if let Ok(Some(Some(answer))) = answered {
                            haproxy.tell(&route, &instance, answer);
                        }
                    }
                    tokio::time::sleep(every).await;
                }
            });
        }
    }
}
