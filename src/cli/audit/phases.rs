//! How long a move took, from the evidence to the target that serves, put together from the records of its transition.

use std::io::{self, Write};
use std::time::Duration;

use writerlink_core::ledger::record::Entry;
use writerlink_core::status::last_move::{PhaseSpan, spans};
use writerlink_engine::ports::StoredRecord;

/// How many characters a bar has at most: with a name, two times and a request id it fits a line.
const BAR_CHARS: usize = 18;

/// Writes the phases of one transition; nothing if it has no evidence, or only begun.
pub(super) fn write(records: &[StoredRecord], out: &mut dyn Write) -> io::Result<()> {
    let entries: Vec<&Entry> = records.iter().map(|stored| &stored.record.entry).collect();
    let phases = spans(&entries);
    let Some(total) = phases.iter().map(|phase| phase.end).max() else {
        return Ok(());
    };
    writeln!(out, "  phases")?;
    for PhaseSpan { name, start, end } in phases {
        let bar = bar(start, end, total);
        let (start, end) = (start.as_secs_f64(), end.as_secs_f64());
        writeln!(out, "    {name:<20} {bar} from {start:>8.3} s to {end:>8.3} s")?;
    }
    Ok(())
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
