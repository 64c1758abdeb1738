//! Which changes of what the ledger keeps are legal.
//!
//! The ledger stores *states*, and every change of state is built here, checked here, and only then handed
//! to a ledger (I3, I4, I6): no adapter can commit a change that this file did not allow.

mod effect;
mod recover;

use crate::actuation::health;
use crate::actuation::health::HealthWatch;
use crate::evidence::desired::{Desired, Fact};
use crate::evidence::event::{EventKey, RANK_COMMAND, RANK_COMPLETED, RANK_READING};
use crate::evidence::trigger::{CommandKind, OperatorCommand};
pub use crate::ledger::change::effect::StateUpdate;
use crate::ledger::change::effect::{suspension_of, unanswered};
pub use crate::ledger::change::recover::{adopt, catch_up, recover};
use crate::ledger::changes::Changes;
use crate::ledger::holds::{Pin, Safety};
use crate::ledger::lease::{LEASE_DURATION, Lease};
use crate::ledger::record::{Entry, RecordedTrigger, Step};
use crate::ledger::sources::Known;
use crate::ledger::state::{Assignment, ChainHead, EventEntry, RouteState};
use crate::model::ids::{Generation, Owner, TransitionId};
use crate::model::outcome::Outcome;
use crate::model::reason::{Reason, Rule};
use crate::model::target::Target;
use crate::model::time::Timestamp;

/// What happens to an event's entry with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventWrite {
    /// The first time the event is seen: refused if an entry exists.
    Insert(EventEntry),
    /// A later attempt: refused unless `from` is still stored, without an outcome.
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
            Some(from) => Self::Replace { from: from.clone(), to },
        }
    }
}

/// A change of a route's state, with its record: one transaction, all or nothing.
///
/// # Guarantees
/// Only this module builds one, so a change that a ledger is asked to commit keeps these:
/// the generation never falls; evidence of what is desired never gets older (I3); a processed event stays
/// processed (I4); a record goes with every change except the extension of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    from: RouteState,
    to: Assignment,
    entry: Option<Entry>,
    event: Option<EventWrite>,
    /// The verified record that the change continues: the head of `from`, unless the state is behind its records.
    base: ChainHead,
    /// How many rows behind it the record passes over, since they do not verify.
    skipped: u64,
    /// Entries of events that the state lacks too.
    restored: Vec<EventWrite>,
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
    /// A processed event would be written again (I4).
    #[error("event {0} is processed already")]
    EventSettled(EventKey),
    /// An event would be finished without an outcome (I4).
    #[error("event {0} would be finished without an outcome")]
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
    pub fn to(&self) -> &Assignment {
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

    /// The verified record that the change continues.
    #[must_use]
    pub fn base(&self) -> ChainHead {
        self.base
    }

    /// The number of the change's record, if it has one.
    #[must_use]
    pub fn seq(&self) -> u64 {
        let next = self.base.seq.saturating_add(1);
        next.saturating_add(self.skipped)
    }

    /// Entries of further events that are written with it: those that a restored state lacks.
    #[must_use]
    pub fn restored(&self) -> &[EventWrite] {
        &self.restored
    }

    /// What the record keeps of the change, so that the state can be rebuilt from it.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let at = self.entry.as_ref().map_or(Timestamp::EPOCH, |entry| entry.at);
        let event = self.event.as_ref().map(EventWrite::entry);
        Changes::between(&self.from.control, &self.to, at, event)
    }

    /// The one way to a change: through every check.
    fn new(
        from: &RouteState,
        to: Assignment,
        entry: Option<Entry>,
        event: Option<EventWrite>,
    ) -> Result<Self, IllegalChange> {
        let change =
            Self { from: from.clone(), to, entry, event, base: from.chain, skipped: 0, restored: Vec::new() };
        change.checked()
    }

    fn checked(self) -> Result<Self, IllegalChange> {
        let (before, after) = (&self.from.control, &self.to);
        if after.generation < before.generation {
            return Err(IllegalChange::GenerationFalls(before.generation, after.generation));
        }
        // Newer evidence that waits is no licence to go back behind what is applied.
        let applied = (before.desired.as_ref(), after.desired.as_ref());
        for pair in [applied, (before.newest(), after.newest())] {
            if let (Some(old), Some(new)) = pair
                && new.evidence < old.evidence
            {
                return Err(IllegalChange::EvidenceRegresses(new.evidence.at, old.evidence.at));
            }
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
pub struct EventDelivery {
    /// Which event.
    pub key: EventKey,
    /// The ARN it came with.
    pub source_arn: Option<String>,
    /// The entry the ledger already has, when it was met before.
    pub known: Option<EventEntry>,
}

impl EventDelivery {
    /// Which attempt at this event the next one is, counting from 1.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.known.as_ref().map_or(1, |entry| entry.attempts.saturating_add(1))
    }

    fn entry(&self, transition: TransitionId, at: Timestamp, settled: Option<Outcome>) -> EventEntry {
        let known = self.known.as_ref();
        EventEntry {
            key: self.key,
            source_arn: known.and_then(|e| e.source_arn.clone()).or_else(|| self.source_arn.clone()),
            first_seen: known.map_or(at, |e| e.first_seen),
            transition,
            attempts: self.next_attempt(),
            settled,
        }
    }

    fn write(&self, transition: TransitionId, at: Timestamp, settled: Option<Outcome>) -> EventWrite {
        EventWrite::of(self.known.as_ref(), self.entry(transition, at, settled))
    }
}

/// Who takes a route, for what.
#[derive(Clone, Debug)]
pub struct BeginRequest<'a> {
    /// The process.
    pub owner: &'a Owner,
    /// Where it will point.
    pub desired: Desired,
    /// The event in progress with it, if it was delivered.
    pub arrival: Option<&'a EventDelivery>,
    /// The command that it carries out, if any.
    pub order: Option<&'a OperatorCommand>,
}

/// Takes the route and records the intent (I4): a new generation, the lease, the event's entry if it was delivered, and
/// the record, all before any call.
///
/// # Errors
/// [`IllegalChange`] when the evidence is older than the route's newest, or the event is processed.
pub fn begin(from: &RouteState, taking: BeginRequest<'_>, entry: Entry) -> Result<Change, IllegalChange> {
    let (now, transition) = (entry.at, entry.transition);
    let lease = Lease { owner: taking.owner.clone(), transition, deadline: now.plus(LEASE_DURATION) };
    let event = taking.arrival.map(|arrival| arrival.write(transition, now, None));
    let to = Assignment { lease: Some(lease), ..taken(&from.control, taking, now) };
    Change::new(from, to, Some(entry), event)
}

/// Moves a relay route. The committed state is the move: there is no call between intent and outcome, so both are one
/// record in one transaction, and nobody takes a lease.
///
/// # Errors
/// [`IllegalChange`] when the evidence is older than what the route knows, or the event is settled.
pub fn switch(from: &RouteState, taking: BeginRequest<'_>, entry: Entry) -> Result<Change, IllegalChange> {
    let (now, transition) = (entry.at, entry.transition);
    let event = taking.arrival.map(|arrival| arrival.write(transition, now, entry.outcome));
    let to = taken(&from.control, taking, now);
    let health_watch =
        to.desired.as_ref().and_then(|desired| watched(desired, &entry)).or(to.health_watch.clone());
    Change::new(from, Assignment { health_watch, ..to }, Some(entry), event)
}

/// The route once the evidence is accepted, under a new generation and free.
fn taken(before: &Assignment, taking: BeginRequest<'_>, now: Timestamp) -> Assignment {
    let BeginRequest { owner: _, desired, arrival: _, order } = taking;
    let moves = before.is_moved_by(&desired);
    let waits = before.waiting.as_ref();
    Assignment {
        generation: before.generation.next(),
        lease: None,
        waiting: waits.filter(|waiting| waiting.evidence > desired.evidence).cloned(),
        require_reading: before.require_reading,
        safety: safety_after(&before.safety, &desired, order, moves.then_some(now)),
        health_watch: before.health_watch.clone().filter(|_| !moves),
        agreed_with: agreed_after(before, &desired),
        replaced_fact: replaced_by(before, &desired),
        // A person who says where the route points has seen what could not be acted on, whatever their clock says.
        unresolved_event: unanswered(before, &desired).filter(|_| order.is_none()),
        source_conflict: before.source_conflict.clone().filter(|conflict| {
            let known = before.desired.as_ref();
            let same = known.is_some_and(|known| known.event == desired.event);
            same || conflict.outlasts_a_move()
        }),
        desired: Some(desired),
    }
}

/// The evidence with which the sources have agreed, once this is accepted (I3). The sources' own word agrees with itself.
/// A failover that completes is agreed with as its start was. A person's order makes no answer newer or older: who could
/// contradict the evidence before it can contradict the order.
fn agreed_after(before: &Assignment, accepted: &Desired) -> Option<EventKey> {
    let known = before.newest();
    let known_agreed = known.is_some_and(|known| before.agreed_with == Some(known.event));
    let started = known.is_none_or(|known| known.evidence.rank < RANK_COMPLETED);
    let same_place = known.is_some_and(|known| known.target == accepted.target);
    let agrees = match accepted.evidence.rank {
        RANK_READING => true,
        RANK_COMMAND => known_agreed || started,
        _ => known_agreed && started && same_place,
    };
    if agrees { Some(accepted.event) } else { before.agreed_with }
}

/// The last fact before evidence that is none itself (a started failover, a command).
fn replaced_by(before: &Assignment, accepted: &Desired) -> Option<Fact> {
    if Known::is_fact_of(accepted.evidence.rank) {
        return None;
    }
    let again = before.newest().is_some_and(|known| known.event == accepted.event);
    if again { before.replaced_fact } else { Known::newest_fact(before) }
}

/// The safety rules once a move is announced: one more change of target is counted, and an order to pin, or to
/// go past a pin, takes effect with the move that it orders.
fn safety_after(
    before: &Safety,
    desired: &Desired,
    order: Option<&OperatorCommand>,
    moves: Option<Timestamp>,
) -> Safety {
    let mut safety = match moves {
        Some(now) => before.moved(now),
        None => before.clone(),
    };
    let Some(order) = order else {
        return safety;
    };
    match &order.act {
        CommandKind::Pin { instance, .. } => {
            safety.pin =
                Some(Pin { instance: instance.clone(), target: desired.target, stop: suspension_of(order) });
        }
        CommandKind::Swap(_) if order.overrides.contains(&Rule::Pinned) => safety.pin = None,
        CommandKind::Swap(_)
        | CommandKind::Unpin
        | CommandKind::Pause { .. }
        | CommandKind::Resume
        | CommandKind::Freeze { .. }
        | CommandKind::Unfreeze
        | CommandKind::Acknowledge => {}
    }
    safety
}

/// Lengthens the lease of the attempt that holds it.
///
/// # Errors
/// [`IllegalChange::LeaseNotHeld`] when `transition` does not hold the lease of `from`.
pub fn extend(from: &RouteState, transition: TransitionId, now: Timestamp) -> Result<Change, IllegalChange> {
    let mut lease = held(from, transition)?.clone();
    lease.deadline = now.plus(LEASE_DURATION);
    let to = Assignment { lease: Some(lease), ..from.control.clone() };
    Change::new(from, to, None, None)
}

/// Ends the attempt that holds the lease: frees the lease, and finishes the event if `entry` has an outcome.
/// Without one the attempt is deferred: the event stays in progress for its next delivery. A move that changed
/// something is followed from here on.
///
/// # Errors
/// [`IllegalChange::LeaseNotHeld`] when the attempt does not hold the lease of `from`.
pub fn finish(from: &RouteState, event: Option<&EventEntry>, entry: Entry) -> Result<Change, IllegalChange> {
    held(from, entry.transition)?;
    if event.is_some_and(|event| event.transition != entry.transition) {
        return Err(IllegalChange::LeaseNotHeld(entry.transition));
    }
    let to = Assignment {
        lease: None,
        health_watch: followed(from, &entry).or_else(|| from.control.health_watch.clone()),
        ..from.control.clone()
    };
    // An attempt that only waits has not failed, and takes none of those that an event has. One that was refused a call
    // after it had repaired what an earlier event had begun is remembered: nothing else records it.
    let waits = entry.reason == Some(Reason::AwaitsQuota);
    let refused = entry.steps.iter().any(|step| step.error.is_some());
    let changed = entry.steps.iter().any(Step::has_changed_something);
    let only_waited = u32::from(event.is_some_and(|event| {
        let elsewhere = from.control.is_moved_since(event.first_seen);
        waits && event.attempts > 0 && (elsewhere || !(refused && changed))
    }));
    let event = event.map(|event| EventWrite::Replace {
        from: event.clone(),
        to: EventEntry { settled: entry.outcome, attempts: event.attempts - only_waited, ..event.clone() },
    });
    Change::new(from, to, Some(entry), event)
}

/// What is to be seen of a move that ends now.
fn followed(from: &RouteState, entry: &Entry) -> Option<HealthWatch> {
    watched(from.control.desired.as_ref()?, entry)
}

/// The watch of a move to `desired`, if the attempt changed something.
fn watched(desired: &Desired, entry: &Entry) -> Option<HealthWatch> {
    let changed = matches!(entry.outcome, Some(Outcome::Moved | Outcome::Registered));
    if !changed {
        return None;
    }
    let stays = |target: Target| {
        let after = entry.after.iter();
        let mut registered = after.filter(|row| row.is_registered());
        registered.any(|row| row.target == target)
    };
    let before = entry.before.iter().map(|row| row.target);
    Some(HealthWatch {
        transition: entry.transition,
        key: entry.event_key,
        instance: desired.instance.clone(),
        target: desired.target,
        since: counted_from(desired, entry),
        moved_at: entry.at,
        arrival: health::ServingState::Awaited,
        leaving: before.filter(|target| !stays(*target)).collect(),
    })
}

/// What an outage is counted from: the evidence's time. A repair has no evidence of its own, and that of the move
/// before it may be weeks old: it counts from when the drift was detected.
fn counted_from(desired: &Desired, entry: &Entry) -> Timestamp {
    let is_repair = entry.reason == Some(Reason::DriftRepaired);
    let seen = entry.trigger.as_ref().filter(|_| is_repair).map(RecordedTrigger::at);
    seen.unwrap_or(desired.evidence.at)
}

/// Finishes an event that needs no call: one record, one transaction. A dead holder's lease goes with it,
/// under a new generation, so that the dead one can write nothing any more.
///
/// # Errors
/// [`IllegalChange::EventSettled`] when the event is processed already, [`IllegalChange::NoOutcome`] when
/// `entry` has no outcome.
pub fn settle(
    from: &RouteState,
    arrival: &EventDelivery,
    effect: StateUpdate,
    entry: Entry,
) -> Result<Change, IllegalChange> {
    if entry.outcome.is_none() {
        return Err(IllegalChange::NoOutcome(arrival.key));
    }
    // One that is superseded by an event of the same receive stays open until that one has moved the route.
    let open = matches!(effect, StateUpdate::Refuses(_)) || entry.outcome == Some(Outcome::Superseded);
    let mut to = effect.on(fenced_off(from), entry.at);
    let unresolved = to.unresolved_event.take();
    to.unresolved_event = unresolved.filter(|event| open || event.key != arrival.key);
    let event = Some(arrival.write(entry.transition, entry.at, entry.outcome));
    Change::new(from, to, Some(entry), event)
}

/// Records a finding of a reconcile pass, without an event's entry.
///
/// # Errors
/// [`IllegalChange`] when the evidence is older than the route's newest.
pub fn note(from: &RouteState, effect: StateUpdate, entry: Entry) -> Result<Change, IllegalChange> {
    let to = effect.on(fenced_off(from), entry.at);
    Change::new(from, to, Some(entry), None)
}

/// The route as it stands, free, under a new generation: whoever held it can write nothing any more.
fn fenced_off(from: &RouteState) -> Assignment {
    Assignment { generation: from.control.generation.next(), lease: None, ..from.control.clone() }
}

fn held(from: &RouteState, transition: TransitionId) -> Result<&Lease, IllegalChange> {
    from.lease_of(transition).ok_or(IllegalChange::LeaseNotHeld(transition))
}
