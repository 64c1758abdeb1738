//! HAProxy as a relay has it: servers that an agent opens and closes, and the sessions through them.
//!
//! Modelled as measured with HAProxy 2.6 and 3.2 (`docs/relay.md`): a server begins closed, keeps what was said last
//! while its agent is silent, and its sessions end when it closes. A new client is served while exactly one server is
//! open, and else it waits. After a reload the old process keeps its sessions for [`HARD_STOP`] and asks no agent.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::WorldTime;
use crate::faults::lock;
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::route::Route;
use writerlink_engine::relay::{Answer, RelaySwitch};

/// `hard-stop-after` of the configuration that `writerlink relay config` writes.
pub const HARD_STOP: Duration = Duration::from_secs(5);

/// A client's connection through a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaySession {
    /// To which instance.
    pub instance: InstanceId,
    /// When it was opened, since the world began.
    pub opened: Duration,
    /// When it ends whatever is said: its process was replaced by a reload.
    pub ends: Option<Duration>,
}

/// Something that a relay did, for whoever checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayEffect {
    /// The servers of a route that are open from now on.
    Open(Vec<InstanceId>),
    /// A client was connected.
    Connected(InstanceId),
}

/// What happens to HAProxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// A reload: the state of its servers is carried over, and the old process ends a little later.
    Reload,
    /// It died, and begins without a state.
    Crash,
}

#[derive(Clone, Debug, Default)]
struct Backend {
    servers: BTreeMap<InstanceId, bool>,
    sessions: Vec<RelaySession>,
}

impl Backend {
    fn open(&self) -> Vec<InstanceId> {
        self.servers.iter().filter(|(_, open)| **open).map(|(instance, _)| instance.clone()).collect()
    }

    fn tell(&mut self, instance: &InstanceId, answer: Answer) {
        let Some(open) = self.servers.get_mut(instance) else {
            return;
        };
        *open = answer == Answer::Up;
        if !*open {
            // on-marked-down shutdown-sessions; the process before a reload hears nothing of it.
            self.sessions.retain(|session| session.instance != *instance || session.ends.is_some());
        }
    }
}

/// One HAProxy.
#[derive(Debug)]
pub struct SimHaproxy {
    time: WorldTime,
    backends: Mutex<BTreeMap<RouteName, Backend>>,
    effects: Mutex<Vec<(Duration, RouteName, RelayEffect)>>,
}

impl SimHaproxy {
    /// One that has just begun: every server is closed.
    #[must_use]
    pub fn new(time: WorldTime, routes: &[Route]) -> Self {
        let backend = |route: &Route| {
            let servers = route.instances.keys().map(|instance| (instance.clone(), false)).collect();
            (route.name.clone(), Backend { servers, ..Backend::default() })
        };
        Self { time, backends: Mutex::new(routes.iter().map(backend).collect()), effects: Mutex::default() }
    }

    /// The agent's word about one server.
    pub fn tell(&self, route: &RouteName, instance: &InstanceId, answer: Answer) {
        self.change(route, |backend| backend.tell(instance, answer));
    }

    /// A push: every other server closes before the one opens.
    pub fn switch(&self, switch: &RelaySwitch) {
        self.change(&switch.route, |backend| {
            for other in &switch.others {
                backend.tell(other, Answer::Down);
            }
            backend.tell(&switch.to, Answer::Up);
        });
    }

    /// Restarts it, one way or the other.
    pub fn restart(&self, how: Restart) {
        let routes: Vec<RouteName> = lock(&self.backends).keys().cloned().collect();
        let ends = Some(self.time.elapsed() + HARD_STOP);
        for route in routes {
            self.change(&route, |backend| match how {
                Restart::Reload => backend.sessions.iter_mut().for_each(|session| session.ends = ends),
                Restart::Crash => {
                    backend.sessions.clear();
                    backend.servers.values_mut().for_each(|open| *open = false);
                }
            });
        }
    }

    /// A client comes: to which instance it is connected, or nothing while it is held.
    pub fn connect(&self, route: &RouteName) -> Option<InstanceId> {
        let instance = {
            let mut backends = lock(&self.backends);
            let backend = backends.get_mut(route)?;
            let [instance] = <[InstanceId; 1]>::try_from(backend.open()).ok()?;
            let session =
                RelaySession { instance: instance.clone(), opened: self.time.elapsed(), ends: None };
            backend.sessions.push(session);
            instance
        };
        self.note(route, RelayEffect::Connected(instance.clone()));
        Some(instance)
    }

    /// The sessions of a route that live.
    #[must_use]
    pub fn sessions(&self, route: &RouteName) -> Vec<RelaySession> {
        let now = self.time.elapsed();
        let mut backends = lock(&self.backends);
        let Some(backend) = backends.get_mut(route) else {
            return Vec::new();
        };
        backend.sessions.retain(|session| session.ends.is_none_or(|ends| ends > now));
        backend.sessions.clone()
    }

    /// The servers of a route that are open.
    #[must_use]
    pub fn open(&self, route: &RouteName) -> Vec<InstanceId> {
        lock(&self.backends).get(route).map(Backend::open).unwrap_or_default()
    }

    /// What it did since the last call of this.
    #[must_use]
    pub fn take_effects(&self) -> Vec<(Duration, RouteName, RelayEffect)> {
        std::mem::take(&mut *lock(&self.effects))
    }

    fn change(&self, route: &RouteName, change: impl FnOnce(&mut Backend)) {
        let after = {
            let mut backends = lock(&self.backends);
            let Some(backend) = backends.get_mut(route) else {
                return;
            };
            let before = backend.open();
            change(backend);
            let after = backend.open();
            (after != before).then_some(after)
        };
        if let Some(after) = after {
            self.note(route, RelayEffect::Open(after));
        }
    }

    fn note(&self, route: &RouteName, effect: RelayEffect) {
        lock(&self.effects).push((self.time.elapsed(), route.clone(), effect));
    }
}
