//! A failover, told three times, and an older event that comes when all is over.

use std::time::Duration;

use crate::cli::demo::scene::time_of_day;
use crate::cli::demo::story::{Expected, MINUTES, Story, quoted};
use crate::cli::failure::Failure;
use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::source_arn::SourceKind;
use writerlink_sim::databases::Failover;
use writerlink_sim::event_bodies;
use writerlink_sim::event_bodies::cluster_arn;

const FAILOVER_AT: Duration = Duration::from_secs(30);

/// After the echoes of the failover, and while its old target still drains.
const LATE_AT: Duration = Duration::from_mins(2);

/// How old the late event is, within what EventBridge goes on trying.
const LATE_BY_MS: std::ops::Range<u64> = 1_200_000..3_000_000;

impl Story {
    pub(super) async fn failover_and_its_echoes(&mut self) -> Result<(), Failure> {
        self.stage.until(FAILOVER_AT).await;
        let failover = self.fail_over(1)?;
        let moved_at = self.failover_starts(&failover).await;
        self.failover_completes(&failover).await;
        self.told_by_sns(&failover).await;
        let (when, minutes) = MINUTES[0];
        let due = moved_at + Duration::from_mins(minutes);
        let minute = self.reading(when, due).await;
        self.stage.until(LATE_AT).await;
        self.late_event().await?;
        let text = "Times count from the move. The load balancer takes minutes to register a target and to \
                    check it, and the old one drains for five, for those who are still connected. The \
                    worker was done after milliseconds.";
        self.minutes_pass(moved_at, Some(minute), text).await;
        Ok(())
    }

    async fn failover_starts(&mut self, failover: &Failover) -> Duration {
        let mut scene = self.scene("A failover starts");
        scene.say("rds", quoted(&failover.started.event));
        let delivery = self.bring(&mut scene, &failover.started.event).await;
        let expected = Expected("failover-started", Outcome::Moved);
        self.settle(&mut scene, &delivery, expected).await;
        scene.say(
            "why",
            "The new target joins first. The old one leaves second, and only on the load balancer's word \
             that the new one is in: so the group is never empty, not for a moment. The worker does not \
             wait for \"healthy\". That takes minutes, and a lease is not held for minutes.",
        );
        self.scenes.push(scene);
        delivery.at
    }

    async fn failover_completes(&mut self, failover: &Failover) {
        self.stage.until(failover.completed.due).await;
        let mut scene = self.scene("The failover completes");
        let promoted = time_of_day(self.stage.clock(failover.promoted_at));
        let said = quoted(&failover.completed.event);
        scene.say("rds", format!("{said} (the writer since {promoted})"));
        let delivery = self.bring(&mut scene, &failover.completed.event).await;
        let expected = Expected("failover-completed", Outcome::AlreadyThere);
        self.settle(&mut scene, &delivery, expected).await;
        scene.say(
            "why",
            "Newer evidence for the same writer. The worker looks before it acts, finds the group as it \
             should be, and says so in the ledger.",
        );
        self.scenes.push(scene);
    }

    async fn told_by_sns(&mut self, failover: &Failover) {
        self.stage.pass(3_000..9_000).await;
        let mut scene = self.scene("The same event again, as SNS tells it");
        scene.say(
            "queue",
            "the event of scene 1 comes once more: the cluster's old SNS subscription still exists. In \
             its envelope it reads differently, so SQS cannot know it for a copy",
        );
        let delivery = self.deliver(&event_bodies::sns_envelope(&failover.started.event));
        let expected = Expected("same-event-by-sns", Outcome::Duplicate);
        self.settle(&mut scene, &delivery, expected).await;
        self.no_load_balancer_call_since(&delivery, "a repeated event");
        scene.say(
            "why",
            "An event is known by its source, id, time and text, whatever envelope they come in. The \
             ledger has settled this one, so the load balancer is not even asked.",
        );
        self.scenes.push(scene);
    }

    async fn late_event(&mut self) -> Result<(), Failure> {
        let event = self.event_of_the_failover_before()?;
        let mut scene = self.scene("An older event arrives late");
        let sent = time_of_day(event.at);
        scene.say("rds", format!("{}, sent at {sent}", quoted(&event)));
        scene.say(
            "queue",
            "it arrives only now: EventBridge goes on trying to deliver an event for up to 24 hours",
        );
        let delivery = self.deliver(&event_bodies::eventbridge(&event));
        let expected = Expected("late-event", Outcome::Superseded);
        self.settle(&mut scene, &delivery, expected).await;
        self.no_load_balancer_call_since(&delivery, "an event that is no news");
        scene.say(
            "why",
            "Events count by RDS's own time, not by their arrival. Whoever believes the last message to \
             come would now point the group back at a reader, and every write would fail.",
        );
        self.scenes.push(scene);
        Ok(())
    }

    /// How the first instance became the writer, before this story began.
    fn event_of_the_failover_before(&mut self) -> Result<RdsEvent, Failure> {
        let first = self.instance(0)?;
        Ok(self.event_of_a_failover_before(crate::cli::demo::story::cluster()?, &first))
    }

    pub(super) fn event_of_a_failover_before(&mut self, source: SourceId, to: &InstanceId) -> RdsEvent {
        let age = self.stage.draw(LATE_BY_MS);
        let now = self.stage.clock(self.stage.now()).as_millis();
        let age = i64::try_from(age.as_millis()).unwrap_or_default();
        RdsEvent {
            id: Some(EventId::FAILOVER_COMPLETED),
            kind: SourceKind::Cluster,
            source_arn: cluster_arn(&source),
            source,
            at: writerlink_core::model::time::Timestamp::from_millis(now - age),
            message: format!("Completed failover to DB instance: {to}"),
        }
    }
}
