//! A failover that is throttled on its way, does not hold, and is taken back.

use std::time::Duration;

use crate::cli::demo::stage::broken;
use crate::cli::demo::story::{Expected, Story, cluster, quoted, seconds};
use crate::cli::failure::Failure;
use writerlink_core::model::outcome::Outcome;
use writerlink_sim::databases::Failover;
use writerlink_sim::event_bodies;

/// When everything of the failover before has come to rest.
const FAILOVER_AT: Duration = Duration::from_mins(8);

/// How long RDS tries. Less than any failover takes to complete, so it never says that this one did.
const TRIES_FOR: Duration = Duration::from_secs(15);

impl Story {
    pub(super) async fn failover_that_does_not_hold(&mut self) -> Result<(), Failure> {
        self.stage.until(FAILOVER_AT).await;
        let failover = self.fail_over(2)?;
        self.throttled(&failover).await?;
        self.stage.until(FAILOVER_AT + TRIES_FOR).await;
        let moved_at = self.taken_back().await?;
        let text = "aurora-orders-2 serves all along; what was begun for aurora-orders-3 drains away.";
        self.minutes_pass(moved_at, None, text).await;
        Ok(())
    }

    async fn throttled(&mut self, failover: &Failover) -> Result<(), Failure> {
        let mut scene = self.scene("RegisterTargets is throttled");
        scene.say("rds", quoted(&failover.started.event));
        let delay = seconds(self.stage.pass(crate::cli::demo::story::DELIVERY_MS).await);
        let text = format!(
            "arrives {delay} s later, just when a deployment elsewhere in the account has used up the \
             registrations"
        );
        scene.say("queue", text);
        self.stage.empty_the_bucket()?;
        let delivery = self.deliver(&event_bodies::eventbridge(&failover.started.event));
        let expected = Expected("register-throttled", Outcome::Moved);
        self.settle(&mut scene, &delivery, expected).await;
        scene.say(
            "why",
            "All target groups of an account share 20 such calls, refilled at 4 a second. A refusal proves \
             nothing, so the old target stayed in service, and the message came back after its pause. \
             Whoever deregisters first is left with an empty group here.",
        );
        self.scenes.push(scene);
        Ok(())
    }

    async fn taken_back(&mut self) -> Result<Duration, Failure> {
        let mut scene = self.scene("A failback, while the old target still drains");
        let back = self.stage.fleet.world.rds.promote_previous_primary(&cluster()?);
        let event = back.ok_or_else(|| broken("there is no writer before"))?.event;
        scene.say("rds", format!("{}: the failover did not hold", quoted(&event)));
        let delivery = self.bring(&mut scene, &event).await;
        let expected = Expected("failback-while-draining", Outcome::Moved);
        self.settle(&mut scene, &delivery, expected).await;
        scene.say(
            "why",
            "A draining target is still listed, but on its way out: whoever takes its row for \"already \
             there\" ends without a target. Registering it again takes it back, and as it was never quite \
             gone, it is healthy at once.",
        );
        self.scenes.push(scene);
        Ok(delivery.at)
    }
}
