//! What is recorded of a route's discovery sources: that they agree with an event, and that they contradict what is
//! desired, or cannot tell, for longer than they normally lag (I9).
//!
//! Two workers may stand behind different resolvers, so each keeps its own count, and only the one that recorded a
//! conflict ends it: else they would record and end it in turns. A worker whose sources agree objects once.

use std::time::Duration;

use super::tick::{Looking, Noted, PeriodicPass};
use crate::domain::aim::RANK_TRUTH;
use crate::domain::audit::Reason;
use crate::domain::change::Effect;
use crate::domain::decide::Verdict;
use crate::domain::event::EventKey;
use crate::domain::sources::{CONFLICT_AFTER, CONFLICT_FORGOTTEN, one_agrees};
use crate::domain::time::Timestamp;
use crate::domain::transition::{Control, Desired};
use crate::domain::truth::Reading;
use crate::domain::unresolved::SourceConflict;
use crate::ports::CallError;

/// What the sources said at a look.
pub(super) struct Said<'a> {
    pub(super) reading: &'a Reading,
    /// What that says against the newest evidence.
    pub(super) against: Option<Verdict>,
    /// The wall clock and the monotonic one.
    pub(super) times: (Timestamp, Duration),
}

/// Since when the sources contradict the newest evidence, by one worker's readings.
#[derive(Debug, Default)]
pub(super) struct Contradicted {
    /// The evidence, and when a look saw it first.
    since: Option<(Option<EventKey>, Timestamp, Duration)>,
    /// The reason, and since when it has been that one.
    so: Option<(Reason, Duration)>,
    /// Whether it is no normal lag any more.
    pub(super) lasts: bool,
}

/// A contradiction that is no normal lag any more.
#[derive(Clone, Copy)]
struct Lasting {
    since: Timestamp,
    /// Whether it has been for this very reason that long.
    for_one_reason: bool,
}

impl Contradicted {
    pub(super) fn is_one(&self) -> bool {
        self.since.is_some()
    }

    /// Takes a look.
    fn take(&mut self, said: &Said<'_>, newest: Option<EventKey>) -> Option<Lasting> {
        let (wall, monotonic) = said.times;
        let Some(against) = &said.against else {
            *self = Self::default();
            return None;
        };
        let same = self.since.filter(|(evidence, ..)| *evidence == newest);
        let (_, since, first) = *self.since.insert(same.unwrap_or((newest, wall, monotonic)));
        let same = self.so.filter(|(reason, _)| *reason == against.reason);
        let (_, so) = *self.so.insert(same.unwrap_or((against.reason, monotonic)));
        let lasts = |from: Duration| monotonic.saturating_sub(from) >= CONFLICT_AFTER;
        lasts(first).then_some(Lasting { since, for_one_reason: lasts(so) })
    }
}

/// What is to be recorded, and what it changes.
struct News {
    reason: Reason,
    note: String,
    effect: Effect,
}

impl PeriodicPass {
    /// Records what is new about the sources: one record when they agree with an event, one when they contradict the
    /// newest evidence for too long, one when that is over.
    pub(super) async fn tell_of_sources(
        &self,
        looking: &mut Looking<'_>,
        said: &Said<'_>,
    ) -> Result<(), CallError> {
        let control = &looking.state.control;
        let newest = control.newest().map(|newest| newest.event);
        let lasts = looking.watched.contradicted.take(said, newest);
        let news = match &said.against {
            Some(against) => lasts.and_then(|lasting| self.conflict(control, against, lasting, said.times.0)),
            None => self.no_conflict(control, said),
        };
        let news = agreement(control, said).or(news);
        if let Some(News { reason, note, effect }) = news {
            let noted = Noted::noticed(reason, note);
            let mut entry = self.states.entry_of_note(&looking.task, &looking.state, noted.kind);
            entry.event_key = newest.unwrap_or(entry.event_key);
            self.record(looking, noted, effect, entry).await?;
        }
        looking.watched.contradicted.lasts = lasts.is_some();
        looking.watched.see(&looking.state.control, said.times.0);
        Ok(())
    }

    /// A conflict that lasts is part of the route's state until it is over, whichever worker saw it first. What is said
    /// of it is renewed by that worker once it is another one for as long.
    fn conflict(
        &self,
        control: &Control,
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
            effect: Effect::Conflicts(Some(SourceConflict {
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
    fn no_conflict(&self, control: &Control, said: &Said<'_>) -> Option<News> {
        let told = control.source_conflict.as_ref();
        // What the route's map differs from is told and ended where that is compared.
        let told = told.filter(|told| !told.outlasts_a_move())?;
        let said_by_sources = !said.reading.0.is_empty();
        let (now, _) = said.times;
        if self.may_end(told, now) {
            let note = format!("the sources say nothing against it any more: {}", said.reading);
            return Some(News { reason: Reason::SourcesAgree, note, effect: Effect::Conflicts(None) });
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
            effect: Effect::Conflicts(Some(SourceConflict {
                reason: Reason::WorkersDisagree,
                note,
                ..told.clone()
            })),
        })
    }
}

/// The first time that the sources agree with an event, or an order: from then on they may contradict it. While a
/// conflict stands the agreement of one source does not end it.
fn agreement(control: &Control, said: &Said<'_>) -> Option<News> {
    let newest: &Desired = control.newest()?;
    let known = control.agreed_with == Some(newest.event) || newest.evidence.rank == RANK_TRUTH;
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
    Some(News { reason: Reason::SourcesAgree, note, effect: Effect::Agrees(newest.event) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::transition::Outcome;

    fn key(digit: char) -> EventKey {
        EventKey::parse(&digit.to_string().repeat(64)).unwrap()
    }

    #[test]
    fn newer_evidence_and_another_reason_begin_the_minute_anew() {
        let reading = Reading(Vec::new());
        let mut contradicted = Contradicted::default();
        let mut look = |seconds: u64, newest: char, reason: Option<Reason>| {
            let said = Said {
                reading: &reading,
                against: reason.map(|reason| Verdict::new(Outcome::Ignored, reason, "so")),
                times: (Timestamp::EPOCH, Duration::from_secs(seconds)),
            };
            let lasting = contradicted.take(&said, Some(key(newest)));
            lasting.map(|lasting| lasting.for_one_reason)
        };
        let minute = CONFLICT_AFTER.as_secs();
        let (contradict, unclear) = (Reason::SourcesContradict, Reason::TruthUnclear);
        assert_eq!(look(0, '1', Some(contradict)), None);
        assert_eq!(look(minute - 1, '1', Some(contradict)), None);
        assert_eq!(look(minute, '1', Some(contradict)), Some(true));
        // Another reason: it lasts, and not for one reason.
        assert_eq!(look(minute + 1, '1', Some(unclear)), Some(false));
        // Newer evidence has to be contradicted for as long.
        assert_eq!(look(minute + 2, '2', Some(unclear)), None);
        assert_eq!(look(2 * minute + 1, '2', Some(unclear)), None);
        assert_eq!(look(2 * minute + 2, '2', Some(unclear)), Some(true));
        // So has what was over in between.
        assert_eq!(look(2 * minute + 3, '2', None), None);
        assert_eq!(look(2 * minute + 4, '2', Some(unclear)), None);
    }
}
