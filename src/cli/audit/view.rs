//! Records as they are shown.

use serde::Serialize;

use crate::cli::render::{Row, millis, or_dash};
use writerlink_core::ledger::record::{Entry, RecordKind, RecordedTrigger, Step};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::target::ObservedTarget;
use writerlink_engine::ports::StoredRecord;

/// A record in one flat row: for lists, and for programs that sort and count.
#[derive(Default, Serialize)]
pub(super) struct RecordRow {
    at: String,
    route: String,
    seq: u64,
    kind: &'static str,
    outcome: Option<&'static str>,
    reason: Option<&'static str>,
    cause: &'static str,
    instance: Option<String>,
    target: Option<String>,
    took_ms: u64,
    attempt: u32,
    generation: u64,
    owner: String,
    version: String,
    installation: Option<String>,
    config_hash: Option<String>,
    event_id: Option<String>,
    evidence_at: Option<String>,
    event_source: Option<String>,
    event_key: String,
    transition: String,
    hash: String,
    intact: bool,
    note: String,
    /// What a person ordered; in the table alone, since the note says it in full.
    #[serde(skip)]
    act: Option<String>,
    /// Who ordered it and why; in the table alone, in the place of a reason that is the same for every command.
    #[serde(skip)]
    said: Option<String>,
}

impl RecordRow {
    pub(super) fn of(stored: &StoredRecord) -> Self {
        let record = &stored.record;
        let entry = &record.entry;
        let desired = entry.desired.as_ref();
        let told = entry.trigger.as_ref();
        let event = told.and_then(RecordedTrigger::event);
        let from = entry.provenance.as_ref();
        Self {
            at: entry.at.to_string(),
            route: record.route.to_string(),
            seq: record.seq,
            kind: entry.kind.as_str(),
            outcome: entry.outcome.map(Outcome::as_str),
            reason: entry.reason.map(Reason::as_str),
            cause: entry.cause.as_str(),
            instance: desired.map(|(instance, _)| instance.to_string()),
            target: desired.map(|(_, target)| target.to_string()),
            took_ms: millis(entry.took()),
            attempt: entry.attempt,
            generation: entry.generation.0,
            owner: entry.owner.to_string(),
            version: entry.version.clone(),
            installation: from.map(|from| from.installation.to_string()),
            config_hash: from.map(|from| from.config.to_string()),
            event_id: event.and_then(|event| event.id).map(|id| id.to_string()),
            evidence_at: told.map(|told| told.at().to_string()),
            event_source: event.map(|event| event.source.to_string()),
            event_key: entry.event_key.to_string(),
            transition: entry.transition.to_string(),
            hash: stored.hash.to_string(),
            intact: stored.altered_parts().is_none(),
            note: entry.note.clone(),
            act: ordered(entry),
            said: who_and_why(entry),
        }
    }
}

/// The first word of an order's text is its act.
fn ordered(entry: &Entry) -> Option<String> {
    match (entry.kind, &entry.trigger) {
        (RecordKind::Command, Some(RecordedTrigger::Command { text: said, .. })) => {
            said.split_whitespace().next().map(str::to_owned)
        }
        _ => None,
    }
}

/// `ada: maintenance`: the last part of the person's ARN, and the reason.
fn who_and_why(entry: &Entry) -> Option<String> {
    match (entry.kind, &entry.trigger) {
        (RecordKind::Command, Some(RecordedTrigger::Command { by, text, .. })) => {
            let (_, why) = text.split_once(&format!(" by {by}: "))?;
            let who = by.rsplit('/').next().unwrap_or(by);
            Some(format!("{who}: {why}"))
        }
        _ => None,
    }
}

impl Row for RecordRow {
    const WHOLE: &'static [usize] = &[0, 1];

    fn cells(&self) -> Vec<(&'static str, String)> {
        let mut what = self.outcome.unwrap_or(self.kind).to_owned();
        if let Some(act) = &self.act {
            what = format!("{what} {act}");
        }
        if !self.intact {
            what.push_str(" ALTERED");
        }
        vec![
            ("AT", self.at.clone()),
            ("RECORD", format!("{}/{}", self.route, self.seq)),
            ("WHAT", what),
            ("REASON", or_dash(self.said.as_deref().or(self.reason))),
            ("INSTANCE", or_dash(self.instance.as_deref())),
            ("TOOK", format!("{} ms", self.took_ms)),
        ]
    }
}

/// A record with everything that belongs to it.
#[derive(Serialize)]
pub(super) struct RecordView {
    #[serde(flatten)]
    row: RecordRow,
    event_source_arn: Option<String>,
    evidence_kind: Option<&'static str>,
    evidence: Option<String>,
    ordered_by: Option<String>,
    target_group: String,
    before: Vec<TargetView>,
    after: Vec<TargetView>,
    steps: Vec<StepView>,
    prev_hash: String,
    altered: Option<String>,
}

#[derive(Serialize)]
pub(in crate::cli) struct TargetView {
    target: String,
    health: String,
    reason: Option<String>,
    availability_zone: Option<String>,
}

#[derive(Serialize)]
struct StepView {
    name: String,
    start_ms: u64,
    took_ms: u64,
    request_id: Option<String>,
    error: Option<String>,
}

impl RecordView {
    pub(super) fn of(stored: &StoredRecord) -> Self {
        let entry = &stored.record.entry;
        let told = entry.trigger.as_ref();
        Self {
            row: RecordRow::of(stored),
            event_source_arn: told
                .and_then(RecordedTrigger::event)
                .and_then(|event| Some(event.source_arn.as_ref()?.to_string())),
            evidence_kind: told.map(evidence_kind),
            evidence: told.map(|told| told.text().to_owned()),
            ordered_by: told.and_then(ordered_by),
            target_group: entry.target_group.to_string(),
            before: entry.before.iter().map(target).collect(),
            after: entry.after.iter().map(target).collect(),
            steps: entry.steps.iter().map(step).collect(),
            prev_hash: stored.record.prev.to_string(),
            altered: stored.altered_parts(),
        }
    }
}

fn evidence_kind(told: &RecordedTrigger) -> &'static str {
    match told {
        RecordedTrigger::Event(_) => "event",
        RecordedTrigger::Reading { .. } => "discovery",
        RecordedTrigger::Command { .. } => "order",
    }
}

fn ordered_by(told: &RecordedTrigger) -> Option<String> {
    match told {
        RecordedTrigger::Command { by, .. } => Some(by.clone()),
        RecordedTrigger::Event(_) | RecordedTrigger::Reading { .. } => None,
    }
}

pub(in crate::cli) fn target(row: &ObservedTarget) -> TargetView {
    TargetView {
        target: row.target.to_string(),
        health: row.health.as_str().to_owned(),
        reason: row.reason.clone(),
        availability_zone: row.availability_zone.clone(),
    }
}

fn step(step: &Step) -> StepView {
    StepView {
        name: step.name.clone(),
        start_ms: millis(step.start),
        took_ms: millis(step.took),
        request_id: step.request_id.clone(),
        error: step.error.clone(),
    }
}

/// What a record says in one word.
pub(in crate::cli) fn headline(entry: &Entry) -> String {
    let reason = entry.reason.map(|reason| format!(" ({reason})"));
    let what = match (entry.kind, entry.outcome) {
        (RecordKind::Finished, Some(outcome)) => outcome.as_str(),
        (kind, _) => kind.as_str(),
    };
    format!("{what}{}", reason.unwrap_or_default())
}
