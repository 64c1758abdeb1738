//! Which changes of what the ledger keeps are legal.
//!
//! The ledger stores *states*, and every change of state is built here, checked here, and only then handed
//! to a ledger (I3, I4, I6): no adapter can commit a change that this file did not allow.

use super::audit::Entry;
use super::event::EventKey;
use super::lease::{Generation, LEASE_DURATION, Lease, Owner};
use super::time::Timestamp;
use super::transition::{Control, Desired, EventEntry, Outcome, RouteState, TransitionId};
use crate::planted::{Bug, planted};

/// What happens to an event's entry with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventWrite {
    /// The first time the event is seen: refused if an entry exists.
    Insert(EventEntry),
    /// It was in hand before: refused unless `from` still stands, unsettled.
    Replace {
        /// The entry as it was read.
        from: EventEntry,
        /// What it becomes.
        to: EventEntry,
    },
}

impl EventWrite {
    /// The entry after the write.
    #[must_use]
    pub fn entry(&self) -> &EventEntry {
        match self {
            Self::Insert(entry) | Self::Replace { to: entry, .. } => entry,
        }
    }

    fn of(known: Option<&EventEntry>, to: EventEntry) -> Self {
        match known {
            None => Self::Insert(to),
            Some(from) => Self::Replace {
                from: from.clone(),
                to,
            },
        }
    }
}

/// A change of a route's state, with the record that tells it: one transaction, all or nothing.
///
/// # Guarantees
/// Only this module builds one, so a change that a ledger is asked to commit keeps these:
/// the generation never falls; evidence of what is desired never gets older (I3); a settled event stays
/// settled (I4); a record goes with every change except the extension of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    from: RouteState,
    to: Control,
    entry: Option<Entry>,
    event: Option<EventWrite>,
}

/// A change that may not be made: a fault in this program, never a matter of timing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalChange {
    /// The generation would fall.
    #[error("the generation would fall from {0} to {1}")]
    GenerationFalls(Generation, Generation),
    /// Older evidence would move the route (I3).
    #[error("evidence of {0} would replace newer evidence of {1}")]
    EvidenceRegresses(Timestamp, Timestamp),
    /// A settled event would be written again (I4).
    #[error("event {0} is settled already")]
    EventSettled(EventKey),
    /// An event would be settled without an outcome (I4).
    #[error("event {0} would be settled without an outcome")]
    NoOutcome(EventKey),
    /// The change is for an attempt that does not hold the lease (I6).
    #[error("the lease is not held for transition {0}")]
    LeaseNotHeld(TransitionId),
}

impl Change {
    /// The state that must still stand when the change is committed.
    #[must_use]
    pub fn from(&self) -> &RouteState {
        &self.from
    }

    /// The control that replaces it.
    #[must_use]
    pub fn to(&self) -> &Control {
        &self.to
    }

    /// What is recorded with it; nothing for the extension of a lease.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    /// What happens to the event's entry.
    #[must_use]
    pub fn event(&self) -> Option<&EventWrite> {
        self.event.as_ref()
    }

    /// The one way to a change: through every check.
    fn new(
        from: &RouteState,
        to: Control,
        entry: Option<Entry>,
        event: Option<EventWrite>,
    ) -> Result<Self, IllegalChange> {
        let from = from.clone();
        let change = Self {
            from,
            to,
            entry,
            event,
        };
        change.checked()
    }

    fn checked(self) -> Result<Self, IllegalChange> {
        let (before, after) = (&self.from.control, &self.to);
        if after.generation < before.generation {
            return Err(IllegalChange::GenerationFalls(
                before.generation,
                after.generation,
            ));
        }
        if let (Some(old), Some(new)) = (&before.desired, &after.desired)
            && new.evidence < old.evidence
            && !planted(Bug::OrderDoesNotMatter)
        {
            return Err(IllegalChange::EvidenceRegresses(
                new.evidence.at,
                old.evidence.at,
            ));
        }
        if let Some(EventWrite::Replace { from, .. }) = &self.event
            && from.settled.is_some()
        {
            return Err(IllegalChange::EventSettled(from.key));
        }
        Ok(self)
    }
}

/// An event's arrival, as the ledger will know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which event.
    pub key: EventKey,
    /// The ARN it came with.
    pub source_arn: Option<String>,
    /// The entry the ledger already has, when it was met before.
    pub known: Option<EventEntry>,
}

impl Arrival {
    /// Which attempt at this event the next one is, counting from 1.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.known
            .as_ref()
            .map_or(1, |entry| entry.attempts.saturating_add(1))
    }

    fn entry(
        &self,
        transition: TransitionId,
        at: Timestamp,
        settled: Option<Outcome>,
    ) -> EventEntry {
        let known = self.known.as_ref();
        EventEntry {
            key: self.key,
            source_arn: known
                .and_then(|e| e.source_arn.clone())
                .or_else(|| self.source_arn.clone()),
            first_seen: known.map_or(at, |e| e.first_seen),
            transition,
            attempts: self.next_attempt(),
            settled,
        }
    }

    fn write(
        &self,
        transition: TransitionId,
        at: Timestamp,
        settled: Option<Outcome>,
    ) -> EventWrite {
        EventWrite::of(self.known.as_ref(), self.entry(transition, at, settled))
    }
}

/// Takes the route and announces the move (I4): a new generation, the lease, the event in hand, and the
/// record that says so, all before any call.
///
/// # Errors
/// [`IllegalChange`] when the evidence is older than what moved the route, or the event is settled.
pub fn begin(
    from: &RouteState,
    owner: &Owner,
    desired: Desired,
    arrival: &Arrival,
    entry: Entry,
) -> Result<Change, IllegalChange> {
    let (now, transition) = (entry.at, entry.transition);
    let lease = Lease {
        owner: owner.clone(),
        transition,
        deadline: now.plus(LEASE_DURATION),
    };
    let to = Control {
        generation: from.control.generation.next(),
        lease: Some(lease),
        desired: Some(desired),
    };
    let event = Some(arrival.write(transition, now, None));
    Change::new(from, to, Some(entry), event)
}

/// Lengthens the lease of the attempt that holds it.
///
/// # Errors
/// [`IllegalChange::LeaseNotHeld`] when `transition` does not hold the lease of `from`.
pub fn extend(
    from: &RouteState,
    transition: TransitionId,
    now: Timestamp,
) -> Result<Change, IllegalChange> {
    let mut lease = held(from, transition)?.clone();
    lease.deadline = now.plus(LEASE_DURATION);
    let to = Control {
        lease: Some(lease),
        ..from.control.clone()
    };
    Change::new(from, to, None, None)
}

/// Ends the attempt that holds the lease: frees the lease, and settles the event if `entry` has an outcome.
/// Without one the attempt is deferred: the event stays in hand for its next delivery.
///
/// # Errors
/// [`IllegalChange::LeaseNotHeld`] when the attempt does not hold the lease of `from`.
pub fn finish(
    from: &RouteState,
    event: &EventEntry,
    entry: Entry,
) -> Result<Change, IllegalChange> {
    held(from, entry.transition)?;
    if event.transition != entry.transition {
        return Err(IllegalChange::LeaseNotHeld(entry.transition));
    }
    let to = Control {
        lease: None,
        ..from.control.clone()
    };
    let after = EventEntry {
        settled: entry.outcome,
        ..event.clone()
    };
    let event = Some(EventWrite::Replace {
        from: event.clone(),
        to: after,
    });
    Change::new(from, to, Some(entry), event)
}

/// Settles an event that asks for no call: one record, one transaction. A dead holder's lease goes with it,
/// under a new generation, so that the dead one can write nothing any more.
///
/// # Errors
/// [`IllegalChange::EventSettled`] when the event is settled already, [`IllegalChange::NoOutcome`] when
/// `entry` does not settle it.
pub fn settle(from: &RouteState, arrival: &Arrival, entry: Entry) -> Result<Change, IllegalChange> {
    if entry.outcome.is_none() {
        return Err(IllegalChange::NoOutcome(arrival.key));
    }
    let to = fenced_off(from);
    let event = Some(arrival.write(entry.transition, entry.at, entry.outcome));
    Change::new(from, to, Some(entry), event)
}

/// Records something about an event without touching the event's entry: a foreign event under the key of
/// another one, which keeps its own outcome.
///
/// # Errors
/// None today; the check that every change passes is passed here too.
pub fn note(from: &RouteState, entry: Entry) -> Result<Change, IllegalChange> {
    let to = fenced_off(from);
    Change::new(from, to, Some(entry), None)
}

/// The route as it stands, free, under a new generation: whoever held it can write nothing any more.
fn fenced_off(from: &RouteState) -> Control {
    Control {
        generation: from.control.generation.next(),
        lease: None,
        desired: from.control.desired.clone(),
    }
}

fn held(from: &RouteState, transition: TransitionId) -> Result<&Lease, IllegalChange> {
    from.lease_of(transition)
        .ok_or(IllegalChange::LeaseNotHeld(transition))
}
