//! The last move of a route, out of its newest records.

use super::audit::{AuditRecord, Cause, Entry, Reason, RecordKind, Told};
use super::event::EventKey;
use super::route::InstanceId;
use super::target::Target;
use super::time::Timestamp;
use super::transition::{Outcome, TransitionId};

/// The last attempt that took the route, and what came of it. An event that moved nothing is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastMove {
    /// Which attempt.
    pub transition: TransitionId,
    /// On which evidence.
    pub key: EventKey,
    /// What made it happen.
    pub cause: Cause,
    /// The how manieth attempt at it.
    pub attempt: u32,
    /// Its newest record.
    pub seq: u64,
    /// What that tells: begun, deferred, or finished.
    pub kind: RecordKind,
    /// Where to.
    pub to: Option<(InstanceId, Target)>,
    /// When the evidence was said: what phases are counted from.
    pub said_at: Timestamp,
    /// When its newest record was written.
    pub at: Timestamp,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
    /// Why.
    pub reason: Option<Reason>,
    /// The same in words.
    pub note: String,
    /// What was reached when, in the order of time.
    pub phases: Vec<Phase>,
}

/// Something that a move reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What, in a word or two.
    pub name: &'static str,
    /// When.
    pub at: Timestamp,
}

impl LastMove {
    /// The last move among a route's newest records, newest first.
    #[must_use]
    pub fn among(newest_first: &[&AuditRecord]) -> Option<Self> {
        let newest = newest_first.iter().find(|record| took_the_route(&record.entry))?;
        let transition = newest.entry.transition;
        let of_it = |record: &&&AuditRecord| record.entry.transition == transition;
        let mut records: Vec<&Entry> = newest_first.iter().filter(of_it).map(|r| &r.entry).collect();
        records.reverse();
        let entry = &newest.entry;
        let told = records.iter().find_map(|entry| entry.told.as_ref());
        Some(Self {
            transition,
            key: entry.event_key,
            cause: entry.cause,
            attempt: entry.attempt,
            seq: newest.seq,
            kind: entry.kind,
            to: entry.desired.clone(),
            said_at: told.map_or_else(|| transition.began(), Told::at),
            at: entry.at,
            outcome: entry.outcome,
            reason: entry.reason,
            note: entry.note.clone(),
            phases: phases(&records),
        })
    }

    /// Whether it failed and is tried again.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        self.kind == RecordKind::Deferred
    }
}

/// Whether the record is of an attempt that had the route in hand. One that was put off before it knew where to had
/// not.
fn took_the_route(entry: &Entry) -> bool {
    match (entry.kind, entry.outcome) {
        (RecordKind::Deferred, _) => entry.desired.is_some(),
        (RecordKind::Started | RecordKind::Resumed, _)
        | (
            RecordKind::Finished,
            Some(Outcome::Swapped | Outcome::AlreadyThere | Outcome::Registered | Outcome::Failed),
        ) => true,
        (
            RecordKind::Finished
            | RecordKind::Ordered
            | RecordKind::Noticed
            | RecordKind::Serving
            | RecordKind::NotServing
            | RecordKind::Drained
            | RecordKind::Recovered
            | RecordKind::Adopted,
            _,
        ) => false,
    }
}

/// What the records of one transition, oldest first, tell of what was reached when.
#[must_use]
pub fn phases(oldest_first: &[&Entry]) -> Vec<Phase> {
    let mut phases = Vec::new();
    for entry in oldest_first {
        for (name, call) in [
            ("registered", "RegisterTargets"),
            ("deregistered", "DeregisterTargets"),
            ("weights moved", "ModifyListener"),
        ] {
            phases.extend(accepted(entry, call).map(|at| Phase { name, at }));
        }
        let name = match entry.kind {
            RecordKind::Started | RecordKind::Resumed => "announced",
            RecordKind::Deferred => "deferred",
            RecordKind::Finished => "finished",
            RecordKind::Serving => "serving",
            RecordKind::NotServing => "not serving",
            RecordKind::Drained => "old target gone",
            RecordKind::Ordered | RecordKind::Noticed | RecordKind::Recovered | RecordKind::Adopted => {
                continue;
            }
        };
        phases.push(Phase { name, at: entry.at });
    }
    // Stable: what is of one instant stays in the order in which it was told.
    phases.sort_by_key(|phase| phase.at);
    phases
}

/// When the last call of this name was accepted. Steps count from the attempt's begin, which its id tells.
fn accepted(entry: &Entry, call: &str) -> Option<Timestamp> {
    let accepted = |step: &&super::audit::Step| step.name == call && step.error.is_none();
    let step = entry.steps.iter().rev().find(accepted)?;
    Some(entry.transition.began().plus(step.start + step.took))
}
