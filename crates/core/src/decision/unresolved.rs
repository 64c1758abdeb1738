//! Which events stay unresolved in a route's state (I9).

use crate::decision::verdict::Decision;
use crate::evidence::trigger::Evidence;
use crate::ledger::state::Assignment;
use crate::ledger::unresolved::UnresolvedEvent;
use crate::model::reason::Reason;
use crate::model::time::Timestamp;

impl UnresolvedEvent {
    /// The event of `evidence`, if this decision ends it without acting on it; nothing if it is no event, or if
    /// evidence that the route has accepted answers it.
    #[must_use]
    pub fn refused(
        control: &Assignment,
        evidence: &Evidence,
        decision: &Decision,
        now: Timestamp,
    ) -> Option<Self> {
        let verdict = decision.leaves_unresolved()?;
        let event = Self::of(control, evidence, verdict.reason, &verdict.note, now)?;
        Some(Self { outcome: Some(verdict.outcome), ..event })
    }

    /// The event of `evidence`, whose message comes back, if a record of that changes anything: not if the state says
    /// so already, or has a newer event.
    #[must_use]
    pub fn waiting(
        control: &Assignment,
        evidence: &Evidence,
        reason: Reason,
        note: &str,
        now: Timestamp,
    ) -> Option<Self> {
        let waiting = Self::of(control, evidence, reason, note, now)?;
        let known = control.unresolved_event.as_ref();
        known.is_none_or(|known| known.at < waiting.at).then_some(waiting)
    }

    /// The event as one without an outcome.
    fn of(
        control: &Assignment,
        evidence: &Evidence,
        reason: Reason,
        note: &str,
        now: Timestamp,
    ) -> Option<Self> {
        let event = evidence.trigger.event()?;
        // With a time in the future, no real event would ever be newer.
        let at = event.at.min(now);
        let mut accepted = control.newest().into_iter();
        if accepted.any(|known| known.evidence.at > at || known.event == evidence.key) {
            return None;
        }
        let before = control.unresolved_event.as_ref();
        let before = before.filter(|before| before.key == evidence.key);
        Some(Self {
            key: evidence.key,
            at,
            since: before.map_or(now, |before| before.since),
            names: evidence.names(),
            outcome: None,
            reason,
            note: note.to_owned(),
        })
    }
}
