//! The last move of a route, out of its newest records.

use std::time::Duration;

use crate::evidence::event::EventKey;
use crate::ledger::record::{AuditRecord, Entry, RecordKind, RecordedTrigger, Step};
use crate::model::ids::TransitionId;
use crate::model::names::InstanceId;
use crate::model::outcome::Outcome;
use crate::model::reason::{Cause, Reason};
use crate::model::target::Target;
use crate::model::time::Timestamp;

/// The last attempt that took the route's lease, and its result. An event that moved nothing does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastMove {
    /// Which attempt.
    pub transition: TransitionId,
    /// On which evidence.
    pub key: EventKey,
    /// What made it happen.
    pub cause: Cause,
    /// The attempt number, from 1.
    pub attempt: u32,
    /// Its newest record.
    pub seq: u64,
    /// Its kind: begun, deferred, or finished.
    pub kind: RecordKind,
    /// Where to.
    pub to: Option<(InstanceId, Target)>,
    /// The evidence's own time: phases are counted from it.
    pub said_at: Timestamp,
    /// When its newest record was written.
    pub at: Timestamp,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
    /// Why.
    pub reason: Option<Reason>,
    /// The reason as text.
    pub note: String,
    /// What was reached when, in the order of time.
    pub phases: Vec<Phase>,
}

/// A milestone of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its short name.
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
        let trigger = records.iter().find_map(|entry| entry.trigger.as_ref());
        Some(Self {
            transition,
            key: entry.event_key,
            cause: entry.cause,
            attempt: entry.attempt,
            seq: newest.seq,
            kind: entry.kind,
            to: entry.desired.clone(),
            said_at: trigger.map_or_else(|| transition.began(), RecordedTrigger::at),
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

/// Whether the record is of an attempt that held the route's lease. One that was deferred before it had a target did
/// not.
fn took_the_route(entry: &Entry) -> bool {
    match (entry.kind, entry.outcome) {
        (RecordKind::Deferred, _) => entry.desired.is_some(),
        (RecordKind::Started | RecordKind::Resumed, _)
        | (
            RecordKind::Finished,
            Some(Outcome::Moved | Outcome::AlreadyThere | Outcome::Registered | Outcome::Failed),
        ) => true,
        (
            RecordKind::Finished
            | RecordKind::Command
            | RecordKind::DriftDetected
            | RecordKind::TargetHealthy
            | RecordKind::TargetNotHealthy
            | RecordKind::TargetRemoved
            | RecordKind::RelaysSwitched
            | RecordKind::NotSwitched
            | RecordKind::Recovered
            | RecordKind::Adopted,
            _,
        ) => false,
    }
}

/// What accepted calls of this name lead to.
const REACHED_BY_CALLS: [(&str, &str); 3] = [
    ("RegisterTargets", "registered"),
    ("DeregisterTargets", "deregistered"),
    ("ModifyListener", "weights moved"),
];

/// The milestone that a record of this kind shows; and, after the attempt, the name of the span up to it.
fn reached(kind: RecordKind) -> Option<(&'static str, Option<&'static str>)> {
    Some(match kind {
        RecordKind::Started | RecordKind::Resumed => ("announced", None),
        RecordKind::Deferred => ("deferred", None),
        RecordKind::Finished => ("finished", None),
        RecordKind::TargetHealthy => ("serving", Some("until it serves")),
        RecordKind::TargetNotHealthy => ("not serving", Some("does not serve yet")),
        RecordKind::TargetRemoved => ("old target gone", Some("until old one is gone")),
        RecordKind::RelaysSwitched => ("relays switched", Some("until relays switched")),
        RecordKind::NotSwitched => ("relays not switched", Some("relays not switched yet")),
        RecordKind::Command | RecordKind::DriftDetected | RecordKind::Recovered | RecordKind::Adopted => {
            return None;
        }
    })
}

/// The milestones in the records of one transition, oldest first.
#[must_use]
pub fn phases(oldest_first: &[&Entry]) -> Vec<Phase> {
    let mut phases = Vec::new();
    for entry in oldest_first {
        for (call, name) in REACHED_BY_CALLS {
            // Steps count from the attempt's begin, which its id tells.
            let began = entry.transition.began();
            let last = accepted(&entry.steps, call).next_back();
            phases.extend(last.map(|after| Phase { name, at: began.plus(after) }));
        }
        phases.extend(reached(entry.kind).map(|(name, _)| Phase { name, at: entry.at }));
    }
    // Stable: milestones of one instant stay in the order of the records.
    phases.sort_by_key(|phase| phase.at);
    phases
}

/// When the calls of this name were accepted, counted from the attempt's begin.
#[must_use]
pub fn accepted(steps: &[Step], call: &str) -> impl DoubleEndedIterator<Item = Duration> {
    let accepted = steps.iter().filter(move |step| step.name == call && step.error.is_none());
    accepted.map(|step| step.start + step.took)
}

/// A part of the way from the evidence to the target that serves, by the time since the evidence was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// What, in a few words.
    pub name: &'static str,
    /// When it began.
    pub start: Duration,
    /// When it was over.
    pub end: Duration,
}

/// The parts of one transition, by its records, oldest first; nothing if it has no evidence, or only begun.
///
/// The evidence's time comes from another clock (RDS's, or the operator's), so a negative span counts as zero.
#[must_use]
pub fn spans(oldest_first: &[&Entry]) -> Vec<PhaseSpan> {
    let said = oldest_first.iter().find_map(|entry| entry.trigger.as_ref()).map(RecordedTrigger::at);
    let ends = |entry: &&&Entry| matches!(entry.kind, RecordKind::Finished | RecordKind::Deferred);
    let ended = oldest_first.iter().rfind(ends);
    let (Some(said), Some(first), Some(ended)) = (said, oldest_first.first(), ended) else {
        return Vec::new();
    };
    let span = |name, from: Timestamp, to: Timestamp| PhaseSpan {
        name,
        start: from.since(said),
        end: to.since(said),
    };
    let mut spans = vec![span("evidence to attempt", said, first.at), span("attempt", first.at, ended.at)];
    spans.extend(oldest_first.iter().filter_map(|entry| {
        let (_, way) = reached(entry.kind)?;
        Some(span(way?, ended.at, entry.at))
    }));
    spans
}
