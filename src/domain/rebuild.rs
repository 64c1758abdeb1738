//! A route's state, rebuilt from its records.
//!
//! A record carries what its commit set in the route's state and in its event's entry. So a `state` row that was
//! restored to an earlier point, or deleted, is brought up to the newest record by applying the records it lacks.
//! Two things are not recorded: the extension of a lease, and the lease's end by the clock. Both are bounded by
//! [`LEASE_DURATION`].

use super::audit::{AuditRecord, Entry, Hash, RecordKind};
use super::event::EventKey;
use super::follow::Follow;
use super::lease::{LEASE_DURATION, Lease};
use super::safety::{Pin, Stop};
use super::time::Timestamp;
use super::transition::{ChainHead, Control, Desired, EventEntry, Fact, RouteState};
use super::unresolved::{SourceConflict, UnresolvedEvent};

/// One field of a route's state, with the value that a commit gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Where the route should point.
    Desired(Option<Desired>),
    /// Newer evidence that is held back.
    Waiting(Option<Desired>),
    /// When a failover was last reported as failed.
    AskTruth(Option<Timestamp>),
    /// A pause of the route.
    Pause(Option<Stop>),
    /// A pause of every route.
    Freeze(Option<Stop>),
    /// The flap protection's hold.
    Flapping(Option<Stop>),
    /// Where the route is pinned.
    Pin(Option<Pin>),
    /// One more change of target, at the record's time.
    Moved,
    /// Every change of target that flap protection counts.
    Moves(Vec<Timestamp>),
    /// The last move, while its effect is awaited.
    Follow(Option<Follow>),
    /// The event with which the sources have agreed.
    AgreedWith(Option<EventKey>),
    /// What had happened before the newest evidence.
    ReplacedFact(Option<Fact>),
    /// The newest event that could not be acted on.
    UnresolvedEvent(Option<UnresolvedEvent>),
    /// Sources that contradict what is desired.
    SourceConflict(Option<SourceConflict>),
}

/// What a commit set in its event's entry, besides what its record says anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventChange {
    /// The ARN the event came with.
    pub source_arn: Option<String>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// How many attempts have begun.
    pub attempts: u32,
}

/// What a commit changed, as its record keeps it. Generation and lease follow from the record's kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the route's state.
    pub route: Vec<Field>,
    /// In the event's entry, if it wrote one.
    pub event: Option<EventChange>,
}

/// A record that was written before records carried what they changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {0} does not say what it changed: an older version wrote it")]
pub struct CannotRebuild(pub u64);

impl Changes {
    /// What a commit at `at` changes that replaces `from` by `to` and writes this entry of an event.
    #[must_use]
    pub fn between(from: &Control, to: &Control, at: Timestamp, event: Option<&EventEntry>) -> Self {
        let (before, after) = (&from.safety, &to.safety);
        let mut route = Vec::new();
        let mut set = |differs: bool, field: Field| {
            if differs {
                route.push(field);
            }
        };
        set(from.desired != to.desired, Field::Desired(to.desired.clone()));
        set(from.waiting != to.waiting, Field::Waiting(to.waiting.clone()));
        set(from.ask_truth != to.ask_truth, Field::AskTruth(to.ask_truth));
        set(before.pause != after.pause, Field::Pause(after.pause.clone()));
        set(before.freeze != after.freeze, Field::Freeze(after.freeze.clone()));
        set(before.flapping != after.flapping, Field::Flapping(after.flapping.clone()));
        set(before.pin != after.pin, Field::Pin(after.pin.clone()));
        let moves = if before.moved(at).moves == after.moves {
            Field::Moved
        } else {
            Field::Moves(after.moves.clone())
        };
        set(before.moves != after.moves, moves);
        set(from.follow != to.follow, Field::Follow(to.follow.clone()));
        let agreed = Field::AgreedWith(to.agreed_with);
        set(from.agreed_with != to.agreed_with, agreed);
        let replaced = Field::ReplacedFact(to.replaced_fact);
        set(from.replaced_fact != to.replaced_fact, replaced);
        set(
            from.unresolved_event != to.unresolved_event,
            Field::UnresolvedEvent(to.unresolved_event.clone()),
        );
        set(from.source_conflict != to.source_conflict, Field::SourceConflict(to.source_conflict.clone()));
        let event = event.map(|entry| EventChange {
            source_arn: entry.source_arn.clone(),
            first_seen: entry.first_seen,
            attempts: entry.attempts,
        });
        Self { route, event }
    }
}

impl Field {
    fn put(&self, control: &mut Control, at: Timestamp) {
        let safety = &mut control.safety;
        match self {
            Self::Desired(desired) => control.desired.clone_from(desired),
            Self::Waiting(waiting) => control.waiting.clone_from(waiting),
            Self::AskTruth(ask_truth) => control.ask_truth = *ask_truth,
            Self::Pause(pause) => safety.pause.clone_from(pause),
            Self::Freeze(freeze) => safety.freeze.clone_from(freeze),
            Self::Flapping(flapping) => safety.flapping.clone_from(flapping),
            Self::Pin(pin) => safety.pin.clone_from(pin),
            Self::Moved => *safety = safety.moved(at),
            Self::Moves(moves) => safety.moves.clone_from(moves),
            Self::Follow(follow) => control.follow.clone_from(follow),
            Self::AgreedWith(agreed_with) => control.agreed_with = *agreed_with,
            Self::ReplacedFact(fact) => control.replaced_fact = *fact,
            Self::UnresolvedEvent(event) => control.unresolved_event.clone_from(event),
            Self::SourceConflict(conflict) => control.source_conflict.clone_from(conflict),
        }
    }
}

impl AuditRecord {
    /// The route's state once this record, whose text has this hash, was committed on `before`.
    ///
    /// # Errors
    /// [`CannotRebuild`] when the record does not say what it changed.
    pub fn applied_to(&self, before: &RouteState, hash: Hash) -> Result<RouteState, CannotRebuild> {
        let changes = self.changes.as_ref().ok_or(CannotRebuild(self.seq))?;
        let entry = &self.entry;
        let mut control = before.control.clone();
        for field in &changes.route {
            field.put(&mut control, entry.at);
        }
        control.generation = control.generation.max(entry.generation);
        control.lease = lease_after(entry, control.lease);
        Ok(RouteState { route: before.route.clone(), control, chain: ChainHead { seq: self.seq, hash } })
    }

    /// The entry of the record's event once it was committed, if it wrote one.
    #[must_use]
    pub fn event_entry(&self) -> Option<EventEntry> {
        let event = self.changes.as_ref()?.event.as_ref()?;
        Some(EventEntry {
            key: self.entry.event_key,
            source_arn: event.source_arn.clone(),
            first_seen: event.first_seen,
            transition: self.entry.transition,
            attempts: event.attempts,
            settled: self.entry.outcome,
        })
    }
}

/// Whose the lease is after a record: an attempt begins with it, and every other record but a recovery ends it.
fn lease_after(entry: &Entry, lease: Option<Lease>) -> Option<Lease> {
    match entry.kind {
        RecordKind::Started | RecordKind::Resumed => Some(Lease {
            owner: entry.owner.clone(),
            transition: entry.transition,
            deadline: entry.at.plus(LEASE_DURATION),
        }),
        RecordKind::Recovered | RecordKind::Adopted => lease,
        RecordKind::Deferred
        | RecordKind::Finished
        | RecordKind::Ordered
        | RecordKind::Noticed
        | RecordKind::Serving
        | RecordKind::NotServing
        | RecordKind::Drained => None,
    }
}

/// Several records, one after another: the state that a ledger would have that had lost none of them.
///
/// # Errors
/// [`CannotRebuild`] as [`AuditRecord::applied_to`].
pub fn rebuilt<'a>(
    state: &RouteState,
    records: impl IntoIterator<Item = (&'a AuditRecord, Hash)>,
) -> Result<RouteState, CannotRebuild> {
    let mut records = records.into_iter();
    records.try_fold(state.clone(), |state, (record, hash)| record.applied_to(&state, hash))
}
