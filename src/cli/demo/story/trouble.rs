//! A message that nobody can read, and a worker that dies half-way.

use std::time::Duration;

use crate::cli::demo::scene::{Beat, Scene, Sighting, StepRow};
use crate::cli::demo::story::{
    AFTERMATH, Delivery, Expected, FIRST, SECOND, Story, Told, quoted, seconds, settled,
};
use crate::cli::failure::Failure;
use writerlink_core::model::outcome::Outcome;
use writerlink_sim::databases::Failover;
use writerlink_sim::fleet::Running;

const UNREADABLE_AT: Duration = Duration::from_mins(15);
const KILL_AT: Duration = Duration::from_mins(16);

/// Almost an event of RDS.
const UNREADABLE: &str =
    r#"{"source": "aws.rds", "detail-type": "RDS DB Cluster Event", "detail": "aurora-orders-3"}"#;

/// How long ECS takes to start a task in the place of one that died: before the message comes back.
const REPLACED_MS: std::ops::Range<u64> = 8_000..15_000;

impl Story {
    pub(super) async fn unreadable_message(&mut self) {
        self.stage.until(UNREADABLE_AT).await;
        let mut scene = self.scene("A message that cannot be read");
        scene.say("queue", format!("somebody's script sends {UNREADABLE}"));
        let delivery = self.deliver(UNREADABLE);
        let notes = self.stage.told(|notes| !notes.is_empty()).await;
        tokio::time::sleep(AFTERMATH).await;
        for note in notes {
            match note.told {
                Told::Malformed(reason) => {
                    let text = format!("sends it to the dead-letter queue: {reason}");
                    scene.say(FIRST, text);
                }
                Told::Attempt(_) => self.violated("an unreadable message led to an attempt"),
                Told::Unexpected(text) => self.violated(text),
            }
        }
        let letters = self.stage.fleet.world.dead_letters.messages().len();
        if letters != 1 {
            self.violated(format!("{letters} messages are in the dead-letter queue, not 1"));
        }
        self.group(&mut scene, &delivery);
        self.steps.push(StepRow {
            name: "malformed-message",
            event_key: None,
            outcome: "Malformed".to_owned(),
            registered_ms: None,
            moved_ms: None,
        });
        scene.say(
            "why",
            "It would not read better the next time, and in a FIFO queue everything behind it waits. So \
             it goes at once where an alarm goes off and a person finds it, whole.",
        );
        self.scenes.push(scene);
    }

    /// A worker dies half-way; another one finishes, and what waited in the queue follows.
    pub(super) async fn worker_killed(&mut self, first: Running) -> Result<Running, Failure> {
        self.stage.until(KILL_AT).await;
        let failover = self.fail_over(0)?;
        let mut scene = self.scene("The worker is killed between register and deregister");
        scene.say("rds", quoted(&failover.started.event));
        self.stage.kill_at("DeregisterTargets");
        let delivery = self.bring(&mut scene, &failover.started.event).await;
        if first.ended().await {
            self.violated(format!("{FIRST} survived"));
        }
        scene.beats.push(Beat::LastCalls {
            worker: FIRST,
            arrived: delivery.at,
            effects: self.stage.effects_since(delivery.at),
        });
        let half_done = Sighting { when: "killed", rows: self.stage.rows() };
        let gap = seconds(self.stage.pass(REPLACED_MS).await);
        scene.say("ecs", format!("starts {SECOND} in its place {gap} s later"));
        let second = self.stage.start(SECOND);
        self.worker = SECOND;
        self.resumed(scene, (delivery, half_done), &failover).await;
        Ok(second)
    }

    async fn resumed(
        &mut self,
        mut scene: Scene,
        (delivery, half_done): (Delivery, Sighting),
        failover: &Failover,
    ) {
        // Received together the completion would make the message of the scene before need no call.
        let notes = self.stage.told(|notes| settled(notes) >= 1).await;
        self.stage.until(failover.completed.due).await;
        let mut last = self.scene("And the failover completes");
        last.say("rds", quoted(&failover.completed.event));
        let completion = self.bring(&mut last, &failover.completed.event).await;
        let behind = self.stage.told(|notes| settled(notes) >= 1).await;
        tokio::time::sleep(AFTERMATH).await;
        let expected = Expected("worker-killed", Outcome::Moved);
        self.conclude(&mut scene, &delivery, notes, expected);
        let before = Sighting { when: "before", rows: delivery.before.clone() };
        let after = Sighting { when: "after", rows: self.stage.rows() };
        let group = Beat::Group(vec![before, half_done, after]);
        scene.beats.push(group);
        scene.say(
            "why",
            "What was about to happen stood in the ledger before it happened. The dead worker's message \
             comes back after 30 s, when its lease is over for certain; the next worker takes the route \
             under a new generation and finishes. Until then both targets were in: not right yet, but \
             never empty.",
        );
        self.scenes.push(scene);
        let expected = Expected("completed-after-the-kill", Outcome::AlreadyThere);
        self.conclude(&mut last, &completion, behind, expected);
        last.say(
            "why",
            "It reads as scene 2 does, though another worker tells it: whatever a worker has to know \
             stands in the ledger.",
        );
        self.scenes.push(last);
        let text = "The route is at rest: one target, healthy, and it is the writer.";
        self.minutes_pass(delivery.at, None, text).await;
    }
}
