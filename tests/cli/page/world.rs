//! A day of three routes, and the page of a worker that was there.

use std::sync::Arc;
use std::time::Duration;

use writerlink::web;
use writerlink::web::{ConnectionLimits, HttpServer, Installed, Probes, Site};
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::evidence::trigger::{CommandKind, OperatorCommand};
use writerlink_core::model::ids::Owner;
use writerlink_core::model::provenance::{ConfigHash, InstallationName, Provenance};
use writerlink_core::model::route::Route;
use writerlink_engine::attempt::OperatorCommands;
use writerlink_engine::ports::Ports;
use writerlink_engine::telemetry::event::{EventSink, EventSinks};
use writerlink_engine::worker::Until;
use writerlink_sim::fleet::FleetConfig;

use super::http::{Answer, Client};
use crate::rig::Rig;
use crate::rig::log::Log;

/// What an event says that wants to be more than text.
pub(crate) const HOSTILE: &str = "Completed failover to DB instance: orders-2 \
    </blockquote><script>document.title='owned'</script><img src=x onerror=alert(1)>&copy;\u{202E}\u{7}";

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Whose page it is.
pub(crate) fn provenance() -> Provenance {
    Provenance {
        installation: InstallationName::new("orders-prod").unwrap(),
        config: ConfigHash::of("[[route]]"),
    }
}

/// A worker's page in the world that it belongs to.
pub(crate) struct Shown {
    pub(crate) rig: Rig,
    pub(crate) client: Client,
    pub(crate) probes: Arc<Probes>,
    pub(crate) site: Arc<Site>,
    pub(crate) log: Arc<Log>,
    _server: HttpServer,
}

/// The clock of these worlds would run ahead to the end of any time that a viewer is given.
pub(crate) const UNHURRIED: ConnectionLimits =
    ConnectionLimits { connections_max: web::CONNECTIONS_MAX, head_within: None };

/// Nobody is told of a server in a test that tells nothing.
pub(crate) fn nobody() -> Arc<dyn EventSink> {
    Arc::new(EventSinks(Vec::new()))
}

impl Shown {
    /// The page of these routes, as they are in the rig.
    pub(crate) async fn of(rig: Rig) -> Self {
        Self::with(rig, |ports| ports).await
    }

    /// The same with other ports of the page than the world's own.
    pub(crate) async fn with(mut rig: Rig, other: impl FnOnce(Ports) -> Ports) -> Self {
        rig.fleet.provenance = Some(provenance());
        let process = rig.fleet.world.process("page");
        let ports = other(rig.fleet.ports(&process));
        let probes = Probes::new(&ports, &rig.routes, &provenance().installation);
        let routes = rig.routes.as_slice().into();
        let installed = Installed { provenance: provenance(), queue: "writerlink.fifo".to_owned() };
        let site = Site::new(&ports, routes, Some(installed));
        let app = probes.router().merge(site.router());
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let server = web::listen(anywhere, app, UNHURRIED, nobody());
        let server = server.await.unwrap();
        let client = Client::of(server.address());
        let clock = Arc::clone(&rig.fleet.world.process("log").clock);
        let log = Arc::new(Log::of(clock, &provenance().installation));
        Self { rig, client, probes, site, log, _server: server }
    }

    /// A day on which routes are moved, held back and broken, and somebody sends markup for an event.
    pub(crate) async fn after_a_day() -> Self {
        let mut rig = Rig::new(&["orders", "billing", "quiet"]).await;
        rig.make_weighted(1);
        rig.every_call_takes(Duration::from_millis(14));
        let shown = Self::of(rig).await;
        shown.events(&[shown.rig.started(0, 2, 1)]).await;
        shown.events(&[shown.now(shown.rig.completed(0, 2, 0))]).await;
        tokio::time::sleep(5 * HOUR).await;
        shown.events(&[shown.now(shown.rig.completed(1, 3, 0))]).await;
        tokio::time::sleep(5 * HOUR).await;
        shown.events(&[shown.now(shown.rig.completed(0, 1, 0))]).await;
        shown.order(1, CommandKind::Pause { within: None }, "maintenance <b>tonight</b>").await;
        shown.events(&[shown.now(shown.rig.completed(1, 2, 0))]).await;
        tokio::time::sleep(3 * HOUR).await;
        let unknown = RdsEvent {
            message: "Completed failover to DB instance: somebody-elses".to_owned(),
            ..shown.now(shown.rig.completed(2, 2, 0))
        };
        shown.events(&[unknown]).await;
        let hostile = RdsEvent { message: HOSTILE.to_owned(), ..shown.now(shown.rig.completed(0, 2, 0)) };
        shown.events(&[hostile]).await;
        shown
    }

    /// The event as if it were said now.
    pub(crate) fn now(&self, event: RdsEvent) -> RdsEvent {
        let at = self.rig.fleet.world.fabric.time.now();
        RdsEvent { at, ..event }
    }

    /// Delivers events, and lets a worker and its timer run until the load balancer has come to rest.
    pub(crate) async fn events(&self, events: &[RdsEvent]) {
        self.events_for(&self.rig.routes, events).await;
    }

    /// The same for a worker of some of the routes.
    pub(crate) async fn events_for(&self, routes: &[Route], events: &[RdsEvent]) {
        for event in events {
            self.rig.fleet.world.deliver(event);
        }
        let observers = EventSinks(vec![
            Arc::clone(&self.rig.told) as _,
            Arc::clone(&self.probes) as _,
            Arc::clone(&self.site) as _,
            Arc::clone(&self.log) as _,
        ]);
        let at = self.rig.fleet.world.fabric.time.elapsed().as_secs();
        let worker =
            self.rig.fleet.start(&format!("worker-{at}"), routes, Until::Stopped, Arc::new(observers));
        tokio::time::sleep(12 * MINUTE).await;
        worker.stop();
        assert!(worker.ended().await, "it ends when it is told to");
    }

    pub(crate) async fn order(&self, route: usize, act: CommandKind, reason: &str) {
        let clerk = self.rig.fleet.world.process("clerk");
        let ports = self.rig.fleet.ports(&clerk);
        let attempts = FleetConfig::default().attempts;
        let commands = OperatorCommands::new(&ports, Owner::new("clerk"), attempts);
        let order = OperatorCommand {
            at: self.rig.fleet.world.fabric.time.now(),
            by: "arn:aws:iam::123456789012:user/ann".to_owned(),
            reason: reason.to_owned(),
            overrides: Vec::new(),
            act,
        };
        let route = &self.rig.routes[route];
        commands.order(route, &order).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client.get(path).await
    }

    /// The id of the newest transition whose page shows this text.
    pub(crate) async fn transition_with(&self, route: usize, text: &str) -> String {
        let chain = self.rig.chain(route).await;
        let says = |stored: &&writerlink_engine::ports::StoredRecord| stored.canonical.contains(text);
        let stored = chain.iter().rev().find(says).unwrap();
        stored.record.entry.transition.to_string()
    }
}
