//! Looking ahead: newer evidence that was received behind an older one makes the older one need no call.
//!
//! The older event still gets its one terminal record, in its order (I4), and it says what it would have said had
//! the newer one been faster: that it was superseded. Nothing is guessed here. The domain is asked what the newer
//! evidence would lead to, and then what the older one would be told after that.

use crate::attempt::opening::{Addressed, resolve};
use crate::attempt::{Reconciler, Task};
use crate::ports::CallError;
use writerlink_core::decision::supersede::superseded_by;
use writerlink_core::decision::verdict::Verdict;
use writerlink_core::ledger::state::{RouteContext, RouteState};

impl Reconciler {
    /// The evidence for the route that was received behind the one in hand and names another instance. What names the
    /// same one asks for the same calls, and the older of the two has the better place in the line. What cannot be
    /// looked up is left for its own attempt.
    pub(super) async fn behind(&self, task: &Task<'_>) -> Vec<Addressed> {
        let mut behind = Vec::new();
        let named = task.evidence.names();
        for evidence in task.in_hand.behind(task.route) {
            if evidence.key == task.evidence.key || evidence.names() == named {
                continue;
            }
            // A look-up may take as long as a call, and the messages must stay ours meanwhile.
            task.in_hand.keep().await;
            if let Ok(address) = resolve(self.databases.as_ref(), task.route, &evidence).await {
                behind.push(Addressed { evidence, address });
            }
        }
        behind
    }

    /// How an event that would move the route is settled instead, if something behind it supersedes it.
    pub(super) async fn superseded(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        behind: &[Addressed],
    ) -> Result<Option<Verdict>, CallError> {
        for newer in behind {
            let now = self.clock.wall();
            // The next worker's clock may refuse what is ahead of ours, and then neither would have moved the route.
            let said_at = newer.evidence.trigger.event().map(|event| event.at);
            if said_at.is_none_or(|at| at > now) {
                continue;
            }
            let context = RouteContext { route: task.route, control: &from.control, now };
            let superseded = superseded_by(context, task.evidence, &newer.evidence, newer.address);
            let Some(verdict) = superseded else {
                continue;
            };
            // One that was settled before moves nothing any more, whatever it was settled as.
            let known = self.states.event(&newer.evidence.key).await?;
            let settled = known.as_ref().is_some_and(|entry| entry.settled.is_some());
            if !settled {
                return Ok(Some(verdict));
            }
        }
        Ok(None)
    }
}
