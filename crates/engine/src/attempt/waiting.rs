//! An event that cannot be acted on yet: its route says so in the ledger, once, until the event is acted on (I9).
//!
//! Its message comes back, so its entry stays as it is. Without the record every other process would take the route
//! for in sync, and a timer that knows of older evidence alone would move the route past the event.

use crate::attempt::opening::nameless;
use crate::attempt::turns::GIVEN_UP_AFTER;
use crate::attempt::{AttemptResult, Reconciler, Task, bug};
use crate::ports::{AddressError, CallError};
use writerlink_core::decision::verdict::{Decision, Verdict};
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::RouteState;
use writerlink_core::ledger::unresolved::UnresolvedEvent;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Cause, Reason};

impl Reconciler {
    /// What becomes of an event that would move the route if the address of its instance could be looked up: it comes
    /// back, unless its name has been missing for long enough. It is processed before the queue would drop it without
    /// a record (I4).
    pub(super) async fn without_an_address(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        error: &AddressError,
    ) -> Result<Decision, CallError> {
        let first = task.in_hand.first_delivery();
        let delivered = first.map(|at| self.clock.wall().since(at));
        if let Some(verdict) = nameless(task.route, task.evidence, error, delivered) {
            return Ok(verdict.into());
        }
        let error = CallError::from(error.clone());
        let named = task.evidence.names();
        let named = named.map_or_else(String::new, |instance| format!(" of {instance}"));
        let note = format!("the address{named} could not be looked up: {error}");
        let reason = Reason::AddressUnavailable;
        if task.cause == Cause::Event && task.in_hand.deliveries() >= GIVEN_UP_AFTER {
            return Ok(Verdict::new(Outcome::Failed, reason, note).into());
        }
        self.tell_that_it_waits(task, from, reason, note).await?;
        Err(error)
    }

    /// Of an event whose turn is too far away to wait for, before anything of it is announced.
    pub(super) async fn tell_that_its_turn_is_away(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        waits: &AttemptResult,
    ) -> Result<(), CallError> {
        self.tell_that_it_waits(task, from, Reason::AwaitsQuota, waits.note()).await
    }

    async fn tell_that_it_waits(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        reason: Reason,
        note: String,
    ) -> Result<(), CallError> {
        // A command is never redelivered.
        if task.cause != Cause::Event {
            return Ok(());
        }
        let now = self.clock.wall();
        let waiting = UnresolvedEvent::waiting(&from.control, task.evidence, reason, &note, now);
        let Some(waiting) = waiting else {
            return Ok(());
        };
        let mut entry = self.states.entry_of_note(task, from, RecordKind::Deferred);
        entry.reason = Some(reason);
        entry.note = note;
        let effect = StateUpdate::Refuses(waiting);
        let change = change::note(from, effect, entry).map_err(|e| bug(&e))?;
        // Where another worker was faster the event's next delivery tells it.
        self.states.commit(&task.steps, "Note", &change).await.map(drop)
    }
}
