//! Transitions as the page shows them, combined from their records.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::web::command::CommandText;
use crate::web::tone::Tone;
use writerlink_core::ledger::record::{Entry, RecordKind, RecordedTrigger};
use writerlink_core::model::ids::TransitionId;
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::last_move::{Phase, phases};
use writerlink_engine::ports::StoredRecord;
use writerlink_engine::text::span;

/// One transition, from its evidence to its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) route: RouteName,
    pub(super) transition: TransitionId,
    pub(super) cause: Cause,
    /// The newest record kind of the attempt itself.
    pub(super) last: RecordKind,
    pub(super) outcome: Option<Outcome>,
    pub(super) reason: Option<Reason>,
    pub(super) instance: Option<InstanceId>,
    /// The operator's command that caused it.
    pub(super) command: Option<CommandText>,
    /// The time of the evidence.
    pub(super) evidence_at: Option<Timestamp>,
    /// When its end was recorded.
    pub(super) ended: Option<Timestamp>,
    /// How long its calls took.
    pub(super) took: Duration,
    /// When the new target was first healthy.
    pub(super) healthy: Option<Timestamp>,
    /// When it was recorded that the new target is not healthy in time.
    pub(super) overdue: Option<Timestamp>,
    /// When the last old target was removed.
    pub(super) removed: Option<Timestamp>,
    /// The phases that were reached, with times.
    pub(super) phases: Vec<Phase>,
}

/// The transitions of these records, newest first.
pub(super) fn moves(records: &[StoredRecord]) -> Vec<Move> {
    let mut in_order: Vec<&StoredRecord> = records.iter().collect();
    in_order.sort_by_key(|stored| (&stored.record.route, stored.record.seq));
    let mut groups: BTreeMap<TransitionId, Vec<&StoredRecord>> = BTreeMap::new();
    for stored in in_order {
        let id = stored.record.entry.transition;
        groups.entry(id).or_default().push(stored);
    }
    // The ids sort by time.
    let groups = groups.into_values().rev();
    groups.filter_map(|group| Move::of(&group)).collect()
}

impl Move {
    /// From one transition's records, oldest first. For the attempt itself, the last record counts.
    fn of(records: &[&StoredRecord]) -> Option<Self> {
        let first = &records.first()?.record;
        let entries: Vec<&Entry> = records.iter().map(|stored| &stored.record.entry).collect();
        let times = |kind: RecordKind| entries.iter().filter(move |e| e.kind == kind).map(|e| e.at);
        let own: Vec<&Entry> = entries.iter().copied().filter(|e| is_of_the_attempt(e.kind)).collect();
        let newest = own.last().copied().unwrap_or(&first.entry);
        let end = |e: &&&Entry| !matches!(e.kind, RecordKind::Started | RecordKind::Resumed);
        let desired = entries.iter().find_map(|e| e.desired.as_ref());
        Some(Self {
            route: first.route.clone(),
            transition: first.entry.transition,
            cause: newest.cause,
            last: newest.kind,
            outcome: own.iter().rev().find_map(|e| e.outcome),
            reason: own.iter().rev().find_map(|e| e.reason),
            instance: desired.map(|(instance, _)| instance.clone()),
            command: entries.iter().find_map(|e| e.trigger.as_ref().and_then(CommandText::of)),
            evidence_at: entries.iter().find_map(|e| e.trigger.as_ref().map(RecordedTrigger::at)),
            ended: own.iter().rfind(end).map(|e| e.at),
            took: own.iter().map(|e| e.took()).max().unwrap_or_default(),
            healthy: times(RecordKind::TargetHealthy).chain(times(RecordKind::RelaysSwitched)).next_back(),
            overdue: times(RecordKind::TargetNotHealthy).chain(times(RecordKind::NotSwitched)).next_back(),
            removed: times(RecordKind::TargetRemoved).max(),
            phases: phases(&entries),
        })
    }

    /// When the attempt began, by its id.
    pub(super) fn began(&self) -> Timestamp {
        self.transition.began()
    }

    pub(super) fn tone(&self) -> Tone {
        if self.overdue.is_some() && self.healthy.is_none() {
            return Tone::Bad;
        }
        if self.reason == Some(Reason::SourcesAgree) {
            return Tone::Plain;
        }
        Tone::of(self.last, self.outcome)
    }

    /// Its outcome, or its last record kind.
    pub(super) fn word(&self) -> &'static str {
        let last = self.last.as_str();
        self.outcome.map_or(last, Outcome::as_str)
    }

    /// The start of its bar: the evidence, or the attempt if the evidence is unknown or younger.
    pub(super) fn origin(&self) -> Timestamp {
        self.evidence_at.map_or(self.began(), |at| at.min(self.began()))
    }

    /// From its origin to its last known time.
    pub(super) fn span(&self) -> Duration {
        let ends = [self.ended, self.healthy, self.overdue, self.removed];
        let last = ends.into_iter().flatten().max().unwrap_or(self.began());
        last.since(self.origin())
    }

    /// The text of its bar.
    pub(super) fn in_words(&self) -> String {
        let after = |at: Timestamp| span(at.since(self.origin()));
        let mut words =
            vec![format!("event delay {}", after(self.began())), format!("calls {}", span(self.took))];
        let mut add = |at: Option<Timestamp>, what: &str| {
            words.extend(at.map(|at| format!("{what} after {}", after(at))));
        };
        add(self.overdue, "target not healthy");
        add(self.healthy, "target healthy");
        add(self.removed, "old target removed");
        words.join(", ")
    }
}

/// Whether a record is about the attempt, not about its later effect.
fn is_of_the_attempt(kind: RecordKind) -> bool {
    !matches!(
        kind,
        RecordKind::TargetHealthy
            | RecordKind::TargetNotHealthy
            | RecordKind::TargetRemoved
            | RecordKind::RelaysSwitched
            | RecordKind::NotSwitched
    )
}
