//! Changes that bring a state up to its records again.

use crate::ledger::change::{Change, EventWrite, IllegalChange};
use crate::ledger::lease::{LEASE_DURATION, Lease};
use crate::ledger::record::Entry;
use crate::ledger::state::{Assignment, RouteState};
use crate::model::time::Timestamp;

/// Moves a state that is behind its records to one of them, `rebuilt`, which is not the last. It needs no record of
/// its own: the state becomes one that it has been before.
///
/// # Errors
/// [`IllegalChange`] when `rebuilt` is older than `from`.
pub fn catch_up(
    from: &RouteState,
    rebuilt: &RouteState,
    events: Vec<EventWrite>,
) -> Result<Change, IllegalChange> {
    let change = Change {
        base: rebuilt.chain,
        restored: events,
        ..Change::new(from, rebuilt.control.clone(), None, None)?
    };
    Ok(change)
}

/// Moves a state that is behind its records to the last of them, `rebuilt`, and records that.
///
/// # Errors
/// As [`catch_up`].
pub fn recover(
    from: &RouteState,
    rebuilt: &RouteState,
    events: Vec<EventWrite>,
    entry: Entry,
) -> Result<Change, IllegalChange> {
    adopt(from, rebuilt, events, (entry, 0))
}

/// The same, and passes over `skipped` rows behind the last record that verifies. The new record continues that one.
///
/// # Errors
/// As [`catch_up`].
pub fn adopt(
    from: &RouteState,
    rebuilt: &RouteState,
    events: Vec<EventWrite>,
    (mut entry, skipped): (Entry, u64),
) -> Result<Change, IllegalChange> {
    let control = &rebuilt.control;
    let generation = control.generation.max(from.control.generation).next();
    let lease = control.lease.clone();
    let rebuilt_lease = lease != from.control.lease;
    let to = Assignment {
        generation,
        lease: lease.map(|lease| if rebuilt_lease { at_its_longest(lease, entry.at) } else { lease }),
        ..control.clone()
    };
    entry.generation = generation;
    let change = Change {
        base: rebuilt.chain,
        skipped,
        restored: events,
        ..Change::new(from, to, Some(entry), None)?
    };
    Ok(change)
}

/// I6: no record tells how often the holder has extended its lease since. It cannot any more, since the head that
/// it knows is gone, so the last extension ends within one duration from now.
fn at_its_longest(lease: Lease, now: Timestamp) -> Lease {
    let deadline = lease.deadline.max(now.plus(LEASE_DURATION));
    Lease { deadline, ..lease }
}
