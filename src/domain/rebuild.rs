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

/// The fields that a commit replaces as a whole: each with its place in the route's state.
macro_rules! fields {
    ($($(#[$doc:meta])+ $field:ident($value:ty): $($place:ident).+;)+) => {
        /// One field of a route's state, with the value that a commit gave it.
        #[derive(Clone, Debug, PartialEq, Eq, strum::IntoStaticStr)]
        #[strum(serialize_all = "snake_case")]
        pub enum Field {
            $($(#[$doc])+ $field($value),)+
            /// One more change of target, at the record's time.
            Moved,
        }

        impl Field {
            /// The fields in which the two differ, as `to` has them.
            fn changed(from: &Control, to: &Control) -> Vec<Self> {
                let mut changed = Vec::new();
                $(if from.$($place).+ != to.$($place).+ {
                    changed.push(Self::$field(to.$($place).+.clone()));
                })+
                changed
            }

            fn put(&self, control: &mut Control, at: Timestamp) {
                match self {
                    $(Self::$field(value) => control.$($place).+.clone_from(value),)+
                    Self::Moved => control.safety = control.safety.moved(at),
                }
            }
        }
    };
}

fields! {
    /// Where the route should point.
    Desired(Option<Desired>): desired;
    /// Newer evidence that is held back.
    Waiting(Option<Desired>): waiting;
    /// When a failover was last reported as failed.
    AskTruth(Option<Timestamp>): ask_truth;
    /// A pause of the route.
    Pause(Option<Stop>): safety.pause;
    /// A pause of every route.
    Freeze(Option<Stop>): safety.freeze;
    /// The flap protection's hold.
    Flapping(Option<Stop>): safety.flapping;
    /// Where the route is pinned.
    Pin(Option<Pin>): safety.pin;
    /// Every change of target that flap protection counts.
    Moves(Vec<Timestamp>): safety.moves;
    /// The last move, while its effect is awaited.
    Follow(Option<Follow>): follow;
    /// The event with which the sources have agreed.
    AgreedWith(Option<EventKey>): agreed_with;
    /// What had happened before the newest evidence.
    ReplacedFact(Option<Fact>): replaced_fact;
    /// The newest event that could not be acted on.
    UnresolvedEvent(Option<UnresolvedEvent>): unresolved_event;
    /// Sources that contradict what is desired.
    SourceConflict(Option<SourceConflict>): source_conflict;
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
        let mut route = Field::changed(from, to);
        for field in &mut route {
            if matches!(field, Field::Moves(moves) if *moves == from.safety.moved(at).moves) {
                *field = Field::Moved;
            }
        }
        let event = event.map(|entry| EventChange {
            source_arn: entry.source_arn.clone(),
            first_seen: entry.first_seen,
            attempts: entry.attempts,
        });
        Self { route, event }
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
