//! What is recorded of a route's discovery sources: that they agree with an event, and that they contradict what is
//! desired, or cannot tell, for longer than they normally lag (I9).
//!
//! Two workers may stand behind different resolvers, so each keeps its own count, and only the one that recorded a
//! conflict ends it: else they would record and end it in turns. A worker whose sources agree objects once.

use crate::attempt::tick::{PassContext, PeriodicPass, TimerRecord};
use crate::attempt::watched::{Lasting, Said};
use crate::ports::CallError;
use writerlink_core::decision::verdict::Verdict;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::RANK_READING;
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::sources::{CONFLICT_FORGOTTEN, one_agrees};
use writerlink_core::ledger::state::Assignment;
use writerlink_core::ledger::unresolved::SourceConflict;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::time::Timestamp;

/// What is to be recorded, and what it changes.
struct News {
    reason: Reason,
    note: String,
    effect: StateUpdate,
}

impl PeriodicPass {
    /// Records what is new about the sources: one record when they agree with an event, one when they contradict the
    /// newest evidence for too long, one when that is over.
    pub(super) async fn record_source_conflict(
        &self,
        context: &mut PassContext<'_>,
        said: &Said<'_>,
    ) -> Result<(), CallError> {
        let control = &context.state.control;
        let newest = control.newest().map(|newest| newest.event);
        let lasts = context.watched.contradicted.take(said, newest);
        let news = match &said.against {
            Some(against) => lasts.and_then(|lasting| self.conflict(control, against, lasting, said.times.0)),
            None => self.no_conflict(control, said),
        };
        let news = agreement(control, said).or(news);
        if let Some(News { reason, note, effect }) = news {
            let noted = TimerRecord::drift(reason, note);
            let mut entry = self.states.entry_of_note(&context.task, &context.state, noted.kind);
            entry.event_key = newest.unwrap_or(entry.event_key);
            self.record(context, noted, effect, entry).await?;
        }
        context.watched.contradicted.lasts = lasts.is_some();
        context.watched.see(&context.state.control, said.times.0);
        Ok(())
    }

    /// A conflict that lasts is part of the route's state until it is over, whichever worker saw it first. What is said
    /// of it is renewed by that worker once it is another one for as long.
    fn conflict(
        &self,
        control: &Assignment,
        against: &Verdict,
        lasting: Lasting,
        now: Timestamp,
    ) -> Option<News> {
        let told = control.source_conflict.as_ref();
        let renews = |told: &SourceConflict| {
            let other = told.reason != against.reason && told.reason != Reason::WorkersDisagree;
            other && lasting.for_one_reason && self.may_end(told, now)
        };
        if told.is_some_and(|told| !renews(told)) {
            return None;
        }
        Some(News {
            reason: against.reason,
            note: against.note.clone(),
            effect: StateUpdate::Conflicts(Some(SourceConflict {
                since: told.map_or(lasting.since, |told| told.since),
                reason: against.reason,
                note: against.note.clone(),
                by: self.states.author().owner().clone(),
            })),
        })
    }

    /// Who recorded a conflict ends it; after a long time anybody may, since that worker may be gone.
    fn may_end(&self, told: &SourceConflict, now: Timestamp) -> bool {
        told.by == *self.states.author().owner() || now.since(told.since) >= CONFLICT_FORGOTTEN
    }

    /// Sources that say nothing against the newest evidence end the conflict that this worker recorded, and object to
    /// that of another one. That one may see what these do not, or be gone.
    fn no_conflict(&self, control: &Assignment, said: &Said<'_>) -> Option<News> {
        let told = control.source_conflict.as_ref();
        // A map conflict is recorded and ended by the comparison of maps.
        let told = told.filter(|told| !told.outlasts_a_move())?;
        let said_by_sources = !said.reading.0.is_empty();
        let (now, _) = said.times;
        if self.may_end(told, now) {
            let note = format!("the sources say nothing against it any more: {}", said.reading);
            return Some(News { reason: Reason::SourcesAgree, note, effect: StateUpdate::Conflicts(None) });
        }
        if told.reason == Reason::WorkersDisagree || !said_by_sources {
            return None;
        }
        let note = format!(
            "the sources of {} agree with the route ({}), those of {} do not ({}): a resolver in front of one of them \
             lags",
            self.states.author().owner(),
            said.reading,
            told.by,
            told.note
        );
        Some(News {
            reason: Reason::WorkersDisagree,
            note: note.clone(),
            effect: StateUpdate::Conflicts(Some(SourceConflict {
                reason: Reason::WorkersDisagree,
                note,
                ..told.clone()
            })),
        })
    }
}

/// The first time that the sources agree with an event, or an order: from then on they may contradict it. While a
/// conflict stands the agreement of one source does not end it.
fn agreement(control: &Assignment, said: &Said<'_>) -> Option<News> {
    let newest: &Desired = control.newest()?;
    let known = control.agreed_with == Some(newest.event) || newest.evidence.rank == RANK_READING;
    let contradicted = control.source_conflict.is_some() && said.against.is_some();
    if known || contradicted || !one_agrees(control, said.reading) {
        return None;
    }
    let (now, _) = said.times;
    let note = format!(
        "the sources agree with the evidence of {}, {} s after it: {}",
        newest.evidence.at,
        now.since(newest.evidence.at).as_secs(),
        said.reading
    );
    Some(News { reason: Reason::SourcesAgree, note, effect: StateUpdate::Agrees(newest.event) })
}
