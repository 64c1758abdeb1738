//! The same failover, of a database behind two relays.

use std::time::Duration;

use crate::cli::demo::scene::{Beat, Scene, StepRow};
use crate::cli::demo::stage::broken;
use crate::cli::demo::story::{DELIVERY_MS, Delivery, Story, Told, quoted, seconds, settled};
use crate::cli::failure::Failure;
use crate::cli::render::millis;
use writerlink_core::actuation::relay::RelayName;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::route::Route;
use writerlink_engine::relay::AgentPace;
use writerlink_sim::databases::Instance;
use writerlink_sim::event_bodies;
use writerlink_sim::haproxy::RelayEffect;
use writerlink_sim::relay::SimRelay;
use writerlink_sim::world::instances;

const BEGINS_AT: Duration = Duration::from_mins(30);
const STOCK: &str = "aurora-stock";
const THIRD: &str = "worker-3";

/// The relays, and the processes of their agents.
const RELAYS: [(&str, &str); 2] = [("relay-a", "agent-a"), ("relay-b", "agent-b")];

/// The defaults of the configuration.
const PACE: AgentPace = AgentPace {
    poll_interval: Duration::from_millis(500),
    read_interval: Duration::from_millis(200),
    silent_after: Duration::from_mins(1),
};

/// Longer than any relay takes to hear of a move.
const RELAYS_SWITCH_WITHIN: Duration = Duration::from_secs(2);

/// The route, its database and its relays.
struct Relayed {
    route: Route,
    cast: Vec<Instance>,
    relays: Vec<SimRelay>,
}

impl Relayed {
    fn instance(&self, nth: usize) -> Result<InstanceId, Failure> {
        let member = self.cast.get(nth).ok_or_else(|| broken(format!("there is no instance {nth}")))?;
        Ok(member.id.clone())
    }
}

impl Story {
    pub(super) async fn failover_behind_relays(&mut self) -> Result<(), Failure> {
        self.stage.until(BEGINS_AT).await;
        // The group of the route before is at rest: its watch would only count the agents' reads.
        self.stage.fleet.world.fabric.watch(Box::new(|_| ()));
        let relayed = self.relayed()?;
        let worker = self.stage.start_for(THIRD, std::slice::from_ref(&relayed.route));
        self.worker = THIRD;
        self.first_word(&relayed).await?;
        self.switched(&relayed).await?;
        worker.stop();
        if !worker.ended().await {
            self.violated(format!("{THIRD} did not stop when it was asked to"));
        }
        // Nothing may wait for the time of a world that is over: it would run on.
        for agent in relayed.relays.iter().filter_map(SimRelay::agent_process) {
            agent.kill();
        }
        self.relayed = Some(relayed.route);
        Ok(())
    }

    fn relayed(&self) -> Result<Relayed, Failure> {
        let cast = instances(STOCK, 3).map_err(broken)?;
        let fleet = &self.stage.fleet;
        let route = fleet.world.add_relay_route(STOCK, 3306, &cast).map_err(broken)?;
        let mut relays = Vec::new();
        for (name, agent) in RELAYS {
            let name = RelayName::new(name).map_err(broken)?;
            let relay = SimRelay::new(fleet, name, std::slice::from_ref(&route), PACE);
            relay.start_agent(fleet, agent);
            relays.push(relay);
        }
        Ok(Relayed { route, cast, relays })
    }

    /// Relays are closed until an event has named an instance. Then a client of each is served.
    async fn first_word(&mut self, relayed: &Relayed) -> Result<(), Failure> {
        let event =
            self.event_of_a_failover_before(SourceId::new(STOCK).map_err(broken)?, &relayed.instance(0)?);
        self.deliver(&event_bodies::eventbridge(&event));
        self.stage.told(|notes| settled(notes) >= 1).await;
        tokio::time::sleep(RELAYS_SWITCH_WITHIN).await;
        for relay in &relayed.relays {
            if relay.haproxy.connect(&relayed.route.name).is_none() {
                self.violated(format!(
                    "{} holds its client although the ledger names an instance",
                    relay.name
                ));
            }
        }
        Ok(())
    }

    async fn switched(&mut self, relayed: &Relayed) -> Result<(), Failure> {
        let (source, to) = (SourceId::new(STOCK).map_err(broken)?, relayed.instance(1)?);
        let failover = self.stage.fleet.world.rds.fail_over(&source, &to);
        let failover = failover.ok_or_else(|| broken(format!("{to} is no instance of {source}")))?;
        self.stage.until(failover.completed.due).await;
        let mut scene = self.scene("A failover behind relays");
        scene.say("rds", quoted(&failover.completed.event));
        let delay = seconds(self.stage.pass(DELIVERY_MS).await);
        scene.say("queue", format!("arrives {delay} s later, by EventBridge"));
        for relay in &relayed.relays {
            drop(relay.haproxy.take_effects());
        }
        let delivery = self.deliver(&event_bodies::eventbridge(&failover.completed.event));
        let notes = self.stage.told(|notes| settled(notes) >= 1).await;
        let mut step =
            StepRow { name: "relays-switched", outcome: "nothing".to_owned(), ..StepRow::default() };
        for note in notes {
            let Told::Attempt(report) = note.told else {
                self.violated("an event of a relay route led to something else than an attempt");
                continue;
            };
            step.event_key = Some(report.event_key.to_string());
            report.ended.as_str().clone_into(&mut step.outcome);
            let began = note.at.saturating_sub(report.took + delivery.at);
            scene.beats.push(Beat::Attempt { worker: THIRD, began, report });
        }
        tokio::time::sleep(RELAYS_SWITCH_WITHIN).await;
        step.moved_ms = self.relays_tell(relayed, &to, &delivery, &mut scene);
        if step.outcome != Outcome::Moved.as_str() {
            self.violated(format!("{} ended as {}", step.name, step.outcome));
        }
        scene.say(
            "why",
            "The load balancer's targets are two HAProxy, and they stay. So nobody waits the minutes that a new \
             target takes: each relay's agent reads the ledger five times a second and steers its HAProxy.",
        );
        self.steps.push(step);
        self.scenes.push(scene);
        Ok(())
    }

    /// What each relay did, and how long after the message's arrival the last one had switched.
    fn relays_tell(
        &self,
        relayed: &Relayed,
        to: &InstanceId,
        delivery: &Delivery,
        scene: &mut Scene,
    ) -> Option<u64> {
        let mut slowest = None;
        for ((name, _), relay) in RELAYS.iter().zip(&relayed.relays) {
            let effects = relay.haproxy.take_effects();
            let switched = |effect: &RelayEffect| matches!(effect, RelayEffect::Open(open) if open == std::slice::from_ref(to));
            let at = effects.iter().find(|(_, _, effect)| switched(effect)).map(|(at, ..)| *at);
            let left = relay.haproxy.sessions(&relayed.route.name).len();
            let Some(at) = at.filter(|_| left == 0) else {
                self.violated(format!("{name} has not switched to {to}; {left} old sessions are left"));
                continue;
            };
            let ms = millis(at.saturating_sub(delivery.at));
            scene.say(
                name,
                format!("forwards to {to} {ms} ms after the message arrived; the old session is cut"),
            );
            slowest = slowest.max(Some(ms));
        }
        slowest
    }
}
