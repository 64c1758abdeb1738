//! A route's state, rebuilt from its records.
//!
//! A record carries what its commit set in the route's state and in its event's entry. So a `state` row that was
//! restored to an earlier point, or deleted, is brought up to the newest record by applying the records it lacks.
//! Two things are not recorded: the extension of a lease, and the lease's end by the clock. Both are bounded by
//! [`LEASE_DURATION`].

use crate::ledger::lease::{LEASE_DURATION, Lease};
use crate::ledger::record::{AuditRecord, Entry, RecordKind};
use crate::ledger::state::{ChainHead, EventEntry, RouteState};
use crate::model::ids::Hash;

/// A record that was written before records carried what they changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {0} does not say what it changed: an older version wrote it")]
pub struct CannotRebuild(pub u64);

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
        | RecordKind::Command
        | RecordKind::DriftDetected
        | RecordKind::TargetHealthy
        | RecordKind::TargetNotHealthy
        | RecordKind::TargetRemoved
        | RecordKind::RelaysSwitched
        | RecordKind::NotSwitched => None,
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
