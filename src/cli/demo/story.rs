//! The story: twenty minutes of one route, in which goes wrong what usually goes wrong.
//!
//! Every scene says how it has to end. One that ends otherwise is a fault of this program and fails the
//! demo: what is told about it would not be true.

mod failback;
mod failover;
mod relayed;
mod trouble;

use std::ops::Range;
use std::time::Duration;

use crate::cli::demo::scene::{Beat, Scene, Sighting, StepRow};
use crate::cli::demo::stage::{Note, ROUTE, Stage, Told, broken};
use crate::cli::failure::Failure;
use crate::cli::render::millis;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::route::Route;
use writerlink_core::model::target::{ObservedTarget, Target};
use writerlink_sim::databases::Failover;
use writerlink_sim::event_bodies;
use writerlink_sim::load_balancer::Action;

const FIRST: &str = "worker-1";
const SECOND: &str = "worker-2";

/// How long an event takes from RDS to the queue. AWS promises nothing; a second or two is usual.
const DELIVERY_MS: Range<u64> = 400..2_500;

/// How long the last calls of a message may take once its outcome is told: it is still to be deleted.
const AFTERMATH: Duration = Duration::from_secs(1);

/// The calls that an event without news must not cost.
const LOAD_BALANCER_CALLS: [&str; 3] = ["DescribeTargetHealth", "RegisterTargets", "DeregisterTargets"];

pub(super) struct Story {
    pub(super) stage: Stage,
    pub(super) scenes: Vec<Scene>,
    pub(super) steps: Vec<StepRow>,
    /// The group when all is over.
    pub(super) at_the_end: Vec<ObservedTarget>,
    /// The route that relays serve.
    pub(super) relayed: Option<Route>,
    /// Who works just now.
    worker: &'static str,
}

/// A message that arrived, and the group as it was before.
struct Delivery {
    at: Duration,
    before: Vec<ObservedTarget>,
}

/// What a step is called, and how it has to end.
struct Expected(&'static str, Outcome);

impl Story {
    /// Plays it from beginning to end.
    pub(super) async fn play(seed: u64) -> Result<Self, Failure> {
        let mut story = Self {
            stage: Stage::open(seed).await?,
            scenes: Vec::new(),
            steps: Vec::new(),
            at_the_end: Vec::new(),
            relayed: None,
            worker: FIRST,
        };
        let worker = story.stage.start(FIRST);
        story.failover_and_its_echoes().await?;
        story.failover_that_does_not_hold().await?;
        story.unreadable_message().await;
        let worker = story.worker_killed(worker).await?;
        worker.stop();
        if !worker.ended().await {
            story.violated(format!("{SECOND} did not stop when it was asked to"));
        }
        story.at_the_end = story.stage.rows();
        story.check_the_end()?;
        story.failover_behind_relays().await?;
        Ok(story)
    }

    /// I2: all faults are over, so the group holds the writer and nothing else of the route's.
    fn check_the_end(&mut self) -> Result<(), Failure> {
        let world = &self.stage.fleet.world;
        let writer = world.rds.writer(&cluster()?);
        let writer = writer.ok_or_else(|| broken("there is no writer"))?;
        let desired = Target { ip: writer.ip, port: self.stage.route.port };
        let registered = world.elb.registered(&self.stage.route.group.arn);
        let left = world.sqs.messages().len();
        if !registered.iter().eq([&desired]) {
            self.violated(format!("the group holds {registered:?}, not {desired}"));
        }
        if left > 0 {
            self.violated(format!("{left} messages are left in the queue"));
        }
        Ok(())
    }

    fn fail_over(&self, nth: usize) -> Result<Failover, Failure> {
        let (cluster, to) = (cluster()?, self.instance(nth)?);
        let failover = self.stage.fleet.world.rds.fail_over(&cluster, &to);
        failover.ok_or_else(|| broken(format!("{to} is no instance of {cluster}")))
    }

    fn instance(&self, nth: usize) -> Result<InstanceId, Failure> {
        let instance = self.stage.cast.get(nth).map(|member| member.id.clone());
        instance.ok_or_else(|| broken(format!("there is no instance {nth}")))
    }

    fn scene(&self, title: &'static str) -> Scene {
        Scene::new(title, self.stage.now())
    }

    /// RDS says something, and EventBridge brings it.
    async fn bring(&mut self, scene: &mut Scene, event: &RdsEvent) -> Delivery {
        let delay = self.stage.pass(DELIVERY_MS).await;
        let text = format!("arrives {} s later, by EventBridge", seconds(delay));
        scene.say("queue", text);
        self.deliver(&event_bodies::eventbridge(event))
    }

    fn deliver(&self, body: &str) -> Delivery {
        let before = self.stage.rows();
        self.stage.fleet.world.sqs.send(ROUTE, body);
        let at = self.stage.now();
        Delivery { at, before }
    }

    /// Waits until the message is settled and tells how.
    async fn settle(&mut self, scene: &mut Scene, delivery: &Delivery, expected: Expected) {
        let notes = self.stage.told(|notes| settled(notes) >= 1).await;
        tokio::time::sleep(AFTERMATH).await;
        self.conclude(scene, delivery, notes, expected);
        self.group(scene, delivery);
    }

    fn conclude(
        &mut self,
        scene: &mut Scene,
        delivery: &Delivery,
        notes: Vec<Note>,
        Expected(name, outcome): Expected,
    ) {
        let mut step = StepRow {
            name,
            event_key: None,
            outcome: "nothing".to_owned(),
            registered_ms: None,
            moved_ms: None,
        };
        for Note { at, told } in notes {
            let report = match told {
                Told::Attempt(report) => report,
                Told::Malformed(text) | Told::Unexpected(text) => {
                    self.violated(format!("{name}: {text}"));
                    continue;
                }
            };
            step.event_key = Some(report.event_key.to_string());
            report.ended.as_str().clone_into(&mut step.outcome);
            scene.beats.push(Beat::Attempt {
                worker: self.worker,
                began: at.saturating_sub(report.took + delivery.at),
                report,
            });
        }
        if outcome == Outcome::Moved {
            self.time(&mut step, scene, delivery);
        }
        if step.outcome != outcome.as_str() {
            self.violated(format!("{name} ended as {}, not {outcome}", step.outcome));
        }
        self.steps.push(step);
    }

    /// How long after the message's arrival the new target joined and the old one left, whoever did it.
    fn time(&self, step: &mut StepRow, scene: &mut Scene, delivery: &Delivery) {
        let after = |at: &Duration| millis(at.saturating_sub(delivery.at));
        let changes = |action| self.stage.changes(action, delivery.at);
        step.registered_ms = changes(Action::Register).first().map(after);
        step.moved_ms = changes(Action::Deregister).last().map(after);
        if let (Some(registered), Some(swapped)) = (step.registered_ms, step.moved_ms) {
            let text = format!(
                "the new target joined {registered} ms after the message arrived, the old one left after \
                 {swapped} ms"
            );
            scene.say("timing", text);
        }
    }

    /// The group before and after.
    fn group(&self, scene: &mut Scene, delivery: &Delivery) {
        let before = Sighting { when: "before", rows: delivery.before.clone() };
        let after = Sighting { when: "after", rows: self.stage.rows() };
        scene.beats.push(Beat::Group(vec![before, after]));
    }

    /// The group in the minutes after a move: nobody waits for it, so it is a scene of its own.
    async fn minutes_pass(&mut self, moved_at: Duration, minute: Option<Sighting>, text: &str) {
        let mut scene = Scene::meanwhile(self.stage.now());
        let mut readings: Vec<Sighting> = minute.into_iter().collect();
        for (when, minutes) in MINUTES {
            let due = moved_at + Duration::from_mins(minutes);
            if due >= self.stage.now() {
                readings.push(self.reading(when, due).await);
            }
        }
        scene.beats.push(Beat::Group(readings));
        scene.say("why", text);
        self.scenes.push(scene);
    }

    async fn reading(&self, when: &'static str, due: Duration) -> Sighting {
        self.stage.until(due).await;
        let rows = self.stage.rows();
        Sighting { when, rows }
    }

    /// I8 says it of a repeated event, and I3 makes it true of an old one.
    fn no_load_balancer_call_since(&self, delivery: &Delivery, of: &str) {
        let effects = self.stage.effects_since(delivery.at);
        if let Some(effect) = effects.iter().find(|effect| LOAD_BALANCER_CALLS.contains(&effect.call)) {
            self.violated(format!("{of} cost a call of {}", effect.call));
        }
    }

    fn violated(&self, text: impl Into<String>) {
        self.stage.watch().violations.push(text.into());
    }
}

/// When the group is looked at after a move: while it registers, when it serves, when the drain is over.
const MINUTES: [(&str, u64); 3] = [("+1 min", 1), ("+4 min", 4), ("+6 min", 6)];

/// How many messages' outcomes are told.
fn settled(notes: &[Note]) -> usize {
    let outcomes = notes.iter().filter(|note| match &note.told {
        Told::Attempt(report) => report.ended.outcome().is_some(),
        Told::Malformed(_) | Told::Unexpected(_) => false,
    });
    outcomes.count()
}

fn cluster() -> Result<SourceId, Failure> {
    SourceId::new(ROUTE).map_err(broken)
}

fn quoted(event: &RdsEvent) -> String {
    let id = event.id.map(|id| id.to_string()).unwrap_or_default();
    format!("{id} \"{}\"", event.message)
}

/// A duration in seconds, to a tenth.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}
