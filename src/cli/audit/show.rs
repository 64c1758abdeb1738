//! `audit show`: everything recorded of a transition, step by step.

use std::io::{self, Write};

use crate::cli::Session;
use crate::cli::args::{Output, RecordRef};
use crate::cli::audit::phases::bar;
use crate::cli::audit::view::{RecordRow, RecordView, headline};
use crate::cli::audit::{phases, unreadable};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Look, Tone, clean, jsonl};
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::ledger::record::{Entry, RecordedTrigger};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::target::ObservedTarget;
use writerlink_engine::audit_query;
use writerlink_engine::audit_query::SCAN_RECORDS_MAX;
use writerlink_engine::ports::{AuditReader, StoredRecord};

/// Shows what belongs to `id`.
pub(super) async fn run(
    audit: &dyn AuditReader,
    id: &RecordRef,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let records = records_of(audit, id).await?;
    if records.is_empty() {
        return Err(not_found(id));
    }
    let views: Vec<RecordView> = records.iter().map(RecordView::of).collect();
    match output {
        Output::Table => text(&records, session.look, session.out)?,
        Output::Json => {
            let rows = Listing::of("records", &views);
            crate::cli::render::json(&rows, session.out)?;
        }
        Output::Jsonl => jsonl(&views, session.out)?,
        Output::Csv => {
            let rows: Vec<RecordRow> = records.iter().map(RecordRow::of).collect();
            Listing::of("records", &rows).write(output, session.out)?;
        }
    }
    Ok(Exit::Done)
}

pub(in crate::cli) async fn records_of(
    audit: &dyn AuditReader,
    id: &RecordRef,
) -> Result<Vec<StoredRecord>, Failure> {
    let records = match id {
        RecordRef::Event(key) => audit_query::of_event(audit, *key).await,
        RecordRef::Record { route, seq } => {
            audit_query::of_the_transition_at(audit, route.clone(), *seq).await
        }
        RecordRef::Transition(transition) => audit_query::of_transition(audit, *transition).await,
    };
    records.map_err(unreadable)
}

pub(in crate::cli) fn not_found(id: &RecordRef) -> Failure {
    let (what, fix) = match id {
        RecordRef::Record { route, seq } => (
            format!("there is no record {route}/{seq}"),
            format!("writerlink audit list --route {route} shows which there are"),
        ),
        RecordRef::Event(key) => (
            format!("there is no record of event {key}"),
            "writerlink audit list --output jsonl shows every record's event_key".to_owned(),
        ),
        RecordRef::Transition(id) => (
            format!("no record of transition {id} was found on {}", id.began().day()),
            format!("if the day has more than {SCAN_RECORDS_MAX} records, ask by ROUTE/SEQ"),
        ),
    };
    Failure::told(what, "the audit table has none under this id", fix, Exit::Error)
}

/// All records, grouped by transition.
fn text(records: &[StoredRecord], look: Look, out: &mut dyn Write) -> io::Result<()> {
    let same = |a: &StoredRecord, b: &StoredRecord| a.record.entry.transition == b.record.entry.transition;
    for (n, transition) in records.chunk_by(same).enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        if let Some(first) = transition.first() {
            heading(first, look, out)?;
        }
        phases::write(transition, out)?;
        for stored in transition {
            record(stored, look, out)?;
        }
    }
    Ok(())
}

fn heading(stored: &StoredRecord, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let Entry { transition, trigger: told, event_key, target_group, cause, .. } = &stored.record.entry;
    let title = format!("transition {transition} of route {}", stored.record.route);
    writeln!(out, "{}", look.paint(Tone::Strong, &title))?;
    evidence(cause.as_str(), told.as_ref(), out)?;
    writeln!(out, "  {:<10}{event_key}", "event key")?;
    writeln!(out, "  {:<10}{target_group}", "group")
}

/// What spoke for the move.
fn evidence(cause: &str, told: Option<&RecordedTrigger>, out: &mut dyn Write) -> io::Result<()> {
    match told {
        None => writeln!(out, "  {:<10}{cause}", "cause"),
        Some(RecordedTrigger::Event(event)) => {
            let id = event.id.map_or_else(|| "no id".to_owned(), |id| id.to_string());
            let RdsEvent { kind, source, .. } = event;
            writeln!(out, "  {:<10}{cause}, {id} of {kind} {source}", "cause")?;
            writeln!(out, "  {:<10}{}", "event at", event.at)?;
            writeln!(out, "  {:<10}\"{}\"", "message", clean(&event.message))?;
            match &event.source_arn {
                Some(arn) => writeln!(out, "  {:<10}{}", "source", clean(&arn.to_string())),
                None => Ok(()),
            }
        }
        Some(RecordedTrigger::Reading { at, text: said }) => {
            writeln!(out, "  {:<10}{cause}, without an event", "cause")?;
            writeln!(out, "  {:<10}{at}", "seen at")?;
            writeln!(out, "  {:<10}{}", "sources", clean(said))
        }
        Some(RecordedTrigger::Command { at, by, text: said }) => {
            writeln!(out, "  {:<10}{cause}, {}", "cause", clean(by))?;
            writeln!(out, "  {:<10}{at}", "at")?;
            writeln!(out, "  {:<10}{}", "order", clean(said))
        }
    }
}

/// The line above a record.
pub(in crate::cli) fn title(stored: &StoredRecord, look: Look) -> String {
    let (record, entry) = (&stored.record, &stored.record.entry);
    let title = format!("{}/{}  {}  {}", record.route, record.seq, entry.at, headline(entry));
    look.paint(tone(entry.outcome), &clean(&title))
}

fn record(stored: &StoredRecord, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let entry = &stored.record.entry;
    writeln!(out, "\n{}", title(stored, look))?;
    let Entry { attempt, generation, owner, version, provenance, .. } = entry;
    let by = clean(&format!("{owner}, writerlink {version}"));
    writeln!(out, "  {:<10}{by}; attempt {attempt}, generation {generation}", "by")?;
    if let Some(from) = provenance {
        let name = clean(from.installation.as_str());
        writeln!(out, "  {:<10}{name}, configuration {}", "of", from.config)?;
    }
    if let Some((instance, target)) = &entry.desired {
        writeln!(out, "  {:<10}{instance} at {target}", "desired")?;
    }
    targets("before", &entry.before, out)?;
    targets("after", &entry.after, out)?;
    if !entry.note.is_empty() {
        writeln!(out, "  {:<10}{}", "note", clean(&entry.note))?;
    }
    timeline(entry, out)?;
    writeln!(out, "  {:<10}{}", "hash", stored.hash)?;
    writeln!(out, "  {:<10}{}", "follows", stored.record.prev)?;
    match stored.altered_parts() {
        None => Ok(()),
        Some(parts) => {
            let text = format!("ALTERED after it was written: {}", clean(&parts));
            writeln!(out, "  {}", look.paint(Tone::Bad, &text))
        }
    }
}

pub(in crate::cli) fn tone(outcome: Option<Outcome>) -> Tone {
    match outcome {
        Some(Outcome::Moved | Outcome::AlreadyThere | Outcome::Registered) => Tone::Good,
        Some(Outcome::Failed | Outcome::Rejected) => Tone::Bad,
        _ => Tone::Strong,
    }
}

fn targets(label: &str, rows: &[ObservedTarget], out: &mut dyn Write) -> io::Result<()> {
    for (i, row) in rows.iter().enumerate() {
        let label = if i == 0 { label } else { "" };
        let reason = row.reason.as_ref().map(|reason| format!(" ({})", clean(reason)));
        let health = clean(row.health.as_str());
        writeln!(out, "  {label:<10}{} {health}{}", row.target, reason.unwrap_or_default())?;
    }
    Ok(())
}

fn timeline(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let total = entry.took();
    if !entry.steps.is_empty() {
        writeln!(out, "  steps")?;
    }
    for step in &entry.steps {
        let name = clean(&step.name);
        let bar = bar(step.start, step.start + step.took, total);
        let (start, took) = (step.start.as_millis(), step.took.as_millis());
        write!(out, "    {name:<20} {bar} at {start:>5}, {took:>5} ms")?;
        match &step.request_id {
            Some(id) => writeln!(out, "  {}", clean(id))?,
            None => writeln!(out)?,
        }
        if let Some(error) = &step.error {
            writeln!(out, "      failed: {}", clean(error))?;
        }
    }
    Ok(())
}
