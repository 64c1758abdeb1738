//! What was decided about an event, by its records.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::args::{Output, RecordRef};
use crate::cli::audit::show::{not_found, records_of, title};
use crate::cli::audit::view::{TargetView, target};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Look, Row, Tone, json, jsonl, pairs};
use crate::cli::{ReadPorts, Session};
use writerlink_core::decision::checks::DecisionCheck;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::record::{Entry, RecordedTrigger};
use writerlink_core::ledger::state::EventEntry;
use writerlink_core::ledger::unresolved::UnresolvedEvent;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::target::ObservedTarget;
use writerlink_engine::ports::StoredRecord;

/// A record, and the rule that it tells of.
#[derive(Serialize)]
struct Decided {
    route: String,
    seq: u64,
    at: String,
    kind: &'static str,
    outcome: Option<&'static str>,
    reason: Option<&'static str>,
    /// The question at which the evidence stopped, if it stopped at one.
    question: Option<&'static str>,
    meaning: Option<&'static str>,
    note: String,
    cause: &'static str,
    attempt: u32,
    transition: String,
    event_key: String,
    instance: Option<String>,
    target: Option<String>,
    before: Vec<TargetView>,
    after: Vec<TargetView>,
}

/// The same without lists, for spreadsheets.
#[derive(Default, Serialize)]
struct FlatRow<'a> {
    route: &'a str,
    seq: u64,
    at: &'a str,
    kind: &'static str,
    outcome: Option<&'static str>,
    reason: Option<&'static str>,
    question: Option<&'static str>,
    meaning: Option<&'static str>,
    note: &'a str,
    event_key: &'a str,
    transition: &'a str,
}

impl Row for FlatRow<'_> {}

/// Tells what the records of the event say: of every attempt at it, though it was one transition that was named.
pub(super) async fn run(
    id: &RecordRef,
    books: &ReadPorts,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let mut records = records_of(books.audit.as_ref(), id).await?;
    let Some(first) = records.first() else {
        return Err(not_found(id));
    };
    let key = first.record.entry.event_key;
    let route = first.record.route.clone();
    if !matches!(id, RecordRef::Event(_)) {
        let all = records_of(books.audit.as_ref(), &RecordRef::Event(key)).await?;
        // The index by event may lag behind the chain by a moment.
        if all.len() >= records.len() {
            records = all;
        }
    }
    let (entry, state) = tokio::join!(books.ledger.event(&key), books.ledger.peek(&route));
    let entry = entry.map_err(|error| Failure::call("reading the event's entry", error))?;
    let state = state.map_err(|error| Failure::call("reading the route's state", error))?;
    let unresolved = state.and_then(|state| state.control.unresolved_event);
    let event = Explained {
        key,
        entry: entry.as_ref(),
        unresolved: unresolved.as_ref().filter(|event| event.key == key),
    };
    write(&records, &event, output, session)?;
    Ok(Exit::Done)
}

/// An event, as the ledger knows it now.
struct Explained<'a> {
    key: EventKey,
    entry: Option<&'a EventEntry>,
    /// The same in its route's state, if it is unresolved there.
    unresolved: Option<&'a UnresolvedEvent>,
}

fn write(
    records: &[StoredRecord],
    event: &Explained<'_>,
    output: Output,
    session: &mut Session<'_>,
) -> io::Result<()> {
    let decided: Vec<Decided> = records.iter().map(Decided::of).collect();
    match output {
        Output::Table => text(records, event, session.look, session.out),
        Output::Json => {
            let rows = Listing::of("decided", &decided);
            json(&rows, session.out)
        }
        Output::Jsonl => jsonl(&decided, session.out),
        Output::Csv => {
            let rows: Vec<FlatRow<'_>> = decided.iter().map(Decided::flat).collect();
            Listing::of("decided", &rows).write(output, session.out)
        }
    }
}

impl Decided {
    fn of(stored: &StoredRecord) -> Self {
        let (record, entry) = (&stored.record, &stored.record.entry);
        let desired = entry.desired.as_ref();
        Self {
            route: record.route.to_string(),
            seq: record.seq,
            at: entry.at.to_string(),
            kind: entry.kind.as_str(),
            outcome: entry.outcome.map(Outcome::as_str),
            reason: entry.reason.map(Reason::as_str),
            question: entry.reason.and_then(DecisionCheck::of).map(DecisionCheck::as_str),
            meaning: entry.reason.map(Reason::meaning),
            note: entry.note.clone(),
            cause: entry.cause.as_str(),
            attempt: entry.attempt,
            transition: entry.transition.to_string(),
            event_key: entry.event_key.to_string(),
            instance: desired.map(|(instance, _)| instance.to_string()),
            target: desired.map(|(_, target)| target.to_string()),
            before: entry.before.iter().map(target).collect(),
            after: entry.after.iter().map(target).collect(),
        }
    }

    fn flat(&self) -> FlatRow<'_> {
        FlatRow {
            route: &self.route,
            seq: self.seq,
            at: &self.at,
            kind: self.kind,
            outcome: self.outcome,
            reason: self.reason,
            question: self.question,
            meaning: self.meaning,
            note: &self.note,
            event_key: &self.event_key,
            transition: &self.transition,
        }
    }
}

fn text(records: &[StoredRecord], event: &Explained<'_>, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let route = records.first().map(|stored| &stored.record.route);
    let title = route.map(|route| format!("event {} on route {route}", event.key));
    writeln!(out, "{}", look.paint(Tone::Strong, &title.unwrap_or_default()))?;
    let told = records.iter().find_map(|stored| stored.record.entry.trigger.as_ref());
    let mut lines: Vec<_> = told.into_iter().map(said).collect();
    lines.push(line("settled", settled(event, told)));
    lines.extend(event.unresolved.zip(route).map(|(open, route)| {
        let text = format!(
            "since {}: {}; `writerlink swap {route} --to INSTANCE` or `writerlink ack {route}` resolves it",
            open.since, open.note
        );
        line("unresolved", text)
    }));
    pairs(&lines, out)?;
    records.iter().try_for_each(|stored| one(stored, look, out))
}

fn line(name: &str, text: impl Into<String>) -> (String, String) {
    (format!("  {name}"), text.into())
}

/// What was said, by whom, and when.
fn said(told: &RecordedTrigger) -> (String, String) {
    let (at, said) = (told.at(), told.text());
    match told {
        RecordedTrigger::Event(event) => {
            let id = event.id.map_or_else(|| "no id".to_owned(), |id| id.to_string());
            line("event", format!("{id} of {} {} at {at}: \"{said}\"", event.kind, event.source))
        }
        RecordedTrigger::Reading { .. } => line("seen", format!("by the timer at {at}: {said}")),
        RecordedTrigger::Command { .. } => line("order", format!("at {at}: {said}")),
    }
}

/// What the ledger's entry says, which stands for the event when it is delivered again.
fn settled(event: &Explained<'_>, told: Option<&RecordedTrigger>) -> String {
    if let (None, Some(open)) = (event.entry, event.unresolved)
        && open.outcome.is_none()
    {
        return "not yet: its message comes back".to_owned();
    }
    match (event.entry, told) {
        (Some(entry), _) => match entry.settled {
            Some(outcome) => format!("as {outcome}, in attempt {}", entry.attempts),
            None => format!("not yet; attempts so far: {}", entry.attempts),
        },
        (None, Some(RecordedTrigger::Event(_)) | None) => {
            "the ledger has no entry of it: entries are kept for 30 days, records for good".to_owned()
        }
        (None, Some(RecordedTrigger::Reading { .. } | RecordedTrigger::Command { .. })) => {
            "once: it is not delivered again".to_owned()
        }
    }
}

/// One record: what was decided, by which rule, and how the route stood.
fn one(stored: &StoredRecord, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let entry = &stored.record.entry;
    writeln!(out, "\n{}", title(stored, look))?;
    let mut lines = Vec::new();
    if let Some(reason) = entry.reason {
        let question = DecisionCheck::of(reason).map(|question| format!("{question}: "));
        lines.push(line("rule", format!("{}{}", question.unwrap_or_default(), reason.meaning())));
    }
    lines.push(line("note", &entry.note));
    lines.extend(state(entry));
    if let Some(parts) = stored.altered_parts() {
        lines.push(line("ALTERED", format!("after it was written: {parts}")));
    }
    pairs(&lines, out)
}

fn state(entry: &Entry) -> Vec<(String, String)> {
    let desired = entry.desired.iter();
    let mut lines: Vec<_> =
        desired.map(|(instance, target)| line("pointing", format!("to {instance} at {target}"))).collect();
    for (name, rows) in [("before", &entry.before), ("after", &entry.after)] {
        if !rows.is_empty() {
            lines.push(line(name, rows.iter().map(row).collect::<Vec<_>>().join(", ")));
        }
    }
    lines
}

fn row(row: &ObservedTarget) -> String {
    format!("{} {}", row.target, row.health.as_str())
}
