//! Two relays of one installation in the world: real agents, and HAProxy as it was measured.

use std::time::Duration;

use writerlink_core::actuation::relay::RelayName;
use writerlink_core::model::names::{InstanceId, RouteName, SourceId};
use writerlink_core::model::route::Route;
use writerlink_engine::relay::AgentPace;
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::haproxy::RelayEffect;
use writerlink_sim::relay::SimRelay;
use writerlink_sim::world::{WorldConfig, instances};

use crate::rig::Rig;

/// The defaults of `poll_interval_ms` and `read_interval_ms`.
pub(super) const PACE: AgentPace = AgentPace {
    poll_interval: Duration::from_millis(500),
    read_interval: Duration::from_millis(200),
    silent_after: Duration::from_mins(1),
};

/// From the commit until a relay has applied a move when nothing is wrong: a read, a push, and their journeys.
pub(super) const SWITCHES_WITHIN: Duration = PACE.read_interval.saturating_mul(2);

/// From the commit until a relay whose push is lost has applied a move: HAProxy asks for each server once an interval.
pub(super) const POLLED_WITHIN: Duration = PACE.poll_interval.saturating_add(SWITCHES_WITHIN);

pub(super) const NAMES: [&str; 2] = ["orders", "stock"];

/// A world of relay routes that two relays serve.
pub(super) struct Installation {
    pub(super) rig: Rig,
    pub(super) relays: Vec<SimRelay>,
    lives: usize,
}

impl Installation {
    /// Whose agents do not run yet.
    pub(super) async fn of(names: &[&str], world: WorldConfig, fleet: FleetConfig) -> Self {
        let none: [&str; 0] = [];
        let mut rig = Rig::with(&none, world, fleet).await;
        for (name, listen) in names.iter().zip(3306..) {
            let members = instances(name, 3).unwrap();
            rig.routes.push(rig.fleet.world.add_relay_route(name, listen, &members).unwrap());
        }
        let relay = |name| SimRelay::new(&rig.fleet, RelayName::new(name).unwrap(), &rig.routes, PACE);
        let relays = ["relay-a", "relay-b"].map(relay).into();
        Self { rig, relays, lives: 0 }
    }

    /// Whose first route is moved to `orders-1`, as both relays know.
    pub(super) async fn serving() -> Self {
        let mut this = Self::of(&NAMES[..1], WorldConfig::default(), FleetConfig::default()).await;
        for relay in 0..this.relays.len() {
            this.start_agent(relay);
        }
        this.fails_over(1, 0).await;
        tokio::time::sleep(POLLED_WITHIN).await;
        for relay in 0..this.relays.len() {
            assert_eq!(this.open(relay), ["orders-1"]);
            assert_eq!(this.connect(relay).as_deref(), Some("orders-1"));
        }
        this
    }

    /// Starts a relay's agent, in the place of the one that it had.
    pub(super) fn start_agent(&mut self, relay: usize) {
        self.lives += 1;
        let relay = &self.relays[relay];
        relay.start_agent(&self.rig.fleet, &format!("{}-{}", relay.name, self.lives));
    }

    pub(super) fn kill_agent(&self, relay: usize) {
        self.relays[relay].agent_process().unwrap().kill();
    }

    /// An event of a completed failover of the first route comes, and a worker processes it.
    pub(super) async fn fails_over(&mut self, n: usize, seconds: u64) {
        self.lives += 1;
        self.rig.fleet.world.deliver(&self.rig.completed(0, n, seconds));
        assert!(self.rig.run(&format!("w{}", self.lives)).await);
    }

    pub(super) fn route(&self) -> &Route {
        &self.rig.routes[0]
    }

    /// The servers of the first route that are open in a relay.
    pub(super) fn open(&self, relay: usize) -> Vec<String> {
        texts(&self.relays[relay].haproxy.open(&self.route().name))
    }

    /// From the newest commit of the ledger until this relay had one open server again.
    pub(super) fn switched_after(&self, relay: usize) -> Duration {
        let journal = self.rig.fleet.world.fabric.journal();
        let committed = journal.iter().rfind(|effect| effect.call == "ExecuteTransaction").unwrap().at;
        let effects = self.relays[relay].haproxy.take_effects();
        let is_whole = |effect: &RelayEffect| matches!(effect, RelayEffect::Open(open) if open.len() == 1);
        let (at, ..) = effects.iter().rfind(|(_, _, effect)| is_whole(effect)).unwrap();
        at.checked_sub(committed).unwrap()
    }

    /// Which servers the sessions of the first route go to in a relay.
    pub(super) fn sessions(&self, relay: usize) -> Vec<String> {
        let sessions = self.relays[relay].haproxy.sessions(&self.route().name);
        sessions.iter().map(|session| session.instance.to_string()).collect()
    }

    /// A client of the first route comes to a relay: where it is connected to.
    pub(super) fn connect(&self, relay: usize) -> Option<String> {
        self.relays[relay].haproxy.connect(&self.route().name).map(|instance| instance.to_string())
    }
}

fn texts(instances: &[InstanceId]) -> Vec<String> {
    instances.iter().map(ToString::to_string).collect()
}

pub(super) fn source(route: &RouteName) -> SourceId {
    SourceId::new(route.as_str()).unwrap()
}
