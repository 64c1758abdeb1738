//! How long a move took, from the evidence to the target that serves, put together from the records of its transition.

use std::io::{self, Write};
use std::time::Duration;

use crate::domain::audit::{RecordKind, Told};
use crate::domain::time::Timestamp;
use crate::ports::StoredRecord;

/// How many characters a bar has at most: with a name, two times and a request id it fits a line.
const BAR_CHARS: usize = 18;

/// A part of the way, by the time since the evidence was said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Phase {
    name: &'static str,
    start: Duration,
    end: Duration,
}

/// Writes the phases of one transition; nothing if it has no evidence, or only begun.
///
/// The evidence's time is of another clock than the records' (RDS's, or whoever ordered it): what differs by less than
/// nothing is shown as nothing.
pub(super) fn write(records: &[StoredRecord], out: &mut dyn Write) -> io::Result<()> {
    let phases = phases(records);
    let Some(total) = phases.iter().map(|phase| phase.end).max() else {
        return Ok(());
    };
    writeln!(out, "  phases")?;
    for Phase { name, start, end } in phases {
        let bar = bar(start, end, total);
        let (start, end) = (start.as_secs_f64(), end.as_secs_f64());
        writeln!(out, "    {name:<20} {bar} from {start:>8.3} s to {end:>8.3} s")?;
    }
    Ok(())
}

fn phases(records: &[StoredRecord]) -> Vec<Phase> {
    let entries = || records.iter().map(|stored| &stored.record.entry);
    let said = entries().find_map(|entry| entry.told.as_ref()).map(Told::at);
    let first = entries().map(|entry| entry.at).next();
    let ends = |kind| matches!(kind, RecordKind::Finished | RecordKind::Deferred);
    let ended = entries().rfind(|entry| ends(entry.kind));
    let (Some(said), Some(first), Some(ended)) = (said, first, ended) else {
        return Vec::new();
    };
    let phase =
        |name, from: Timestamp, to: Timestamp| Phase { name, start: from.since(said), end: to.since(said) };
    let mut phases = vec![phase("evidence to attempt", said, first), phase("attempt", first, ended.at)];
    let after = entries().filter_map(|entry| {
        let name = match entry.kind {
            RecordKind::Serving => "until it serves",
            RecordKind::NotServing => "does not serve yet",
            RecordKind::Drained => "until old one is gone",
            RecordKind::Started
            | RecordKind::Resumed
            | RecordKind::Deferred
            | RecordKind::Finished
            | RecordKind::Ordered
            | RecordKind::Noticed
            | RecordKind::Recovered
            | RecordKind::Adopted => return None,
        };
        Some(phase(name, ended.at, entry.at))
    });
    phases.extend(after);
    phases
}

/// A place in something longer: `····████····`.
pub(super) fn bar(start: Duration, end: Duration, total: Duration) -> String {
    let cell = |at: Duration| {
        let cells = at.as_micros() * BAR_CHARS as u128 / total.as_micros().max(1);
        usize::try_from(cells).unwrap_or(BAR_CHARS)
    };
    let start = cell(start).min(BAR_CHARS - 1);
    // However short it was, it did happen.
    let end = cell(end).clamp(start + 1, BAR_CHARS);
    let (before, during, after) = (start, end - start, BAR_CHARS - end);
    format!("{}{}{}", "·".repeat(before), "█".repeat(during), "·".repeat(after))
}
