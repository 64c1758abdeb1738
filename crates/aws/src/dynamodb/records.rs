//! A record's row in the `audit` table: columns that a person can filter by, and the text that is hashed.

use crate::dynamodb::items::{Columns, number, string};
use writerlink_core::ledger::record::{AuditRecord, RecordedTrigger};
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::time::Timestamp;

/// The partition key of the `audit` table.
pub(super) const ROUTE: &str = "route";
/// Its sort key.
pub(super) const SEQ: &str = "seq";
/// The sort key of the index by day.
pub(super) const AT_ROUTE_SEQ: &str = "at_route_seq";
/// The canonical text.
pub(super) const RECORD: &str = "record";
/// The hash of the canonical text.
pub(super) const HASH: &str = "hash";

/// The key of a record's row.
#[must_use]
pub fn key(route: &RouteName, seq: u64) -> [(&'static str, aws_sdk_dynamodb::types::AttributeValue); 2] {
    [(ROUTE, string(route)), (SEQ, number(seq))]
}

/// The columns of a record's row. Written once, and computed again by whoever reads it, to see whether
/// somebody edited one.
pub(super) fn columns(record: &AuditRecord, canonical: &str) -> Columns {
    let entry = &record.entry;
    let mut columns = vec![
        (ROUTE, string(&record.route)),
        (SEQ, number(record.seq)),
        ("at", string(entry.at)),
        ("day", string(entry.at.day())),
        (AT_ROUTE_SEQ, string(at_route_seq(record))),
        ("kind", string(entry.kind.as_str())),
        ("cause", string(entry.cause.as_str())),
        ("event_key", string(entry.event_key)),
        ("transition", string(entry.transition)),
        ("generation", number(entry.generation)),
        ("owner", string(&entry.owner)),
        ("attempt", number(entry.attempt)),
        ("note", string(&entry.note)),
        ("prev_hash", string(record.prev)),
        (HASH, string(Hash::of(canonical))),
        (RECORD, string(canonical)),
    ];
    let desired = entry.desired.as_ref();
    let optional = [
        ("outcome", entry.outcome.map(string)),
        ("reason", entry.reason.map(string)),
        ("instance", desired.map(|(instance, _)| string(instance))),
        ("target", desired.map(|(_, target)| string(target))),
        (
            "event_id",
            entry.trigger.as_ref().and_then(RecordedTrigger::event).and_then(|event| event.id).map(string),
        ),
    ];
    let present = optional.into_iter();
    columns.extend(present.filter_map(|(name, value)| Some((name, value?))));
    columns
}

/// Sorts the records of a day by time, those of one millisecond by route and place.
fn at_route_seq(record: &AuditRecord) -> String {
    place(record.entry.at, &record.route, record.seq)
}

/// `seq` has the width of the largest one, so that text order is number order.
fn place(at: Timestamp, route: &RouteName, seq: u64) -> String {
    format!("{at}#{route}#{seq:020}")
}

/// A place in a day as its index has it. A time alone sorts before every record of that time.
pub(super) fn day_place(at: Timestamp, record: Option<&(RouteName, u64)>) -> String {
    match record {
        Some((route, seq)) => place(at, route, *seq),
        None => at.to_string(),
    }
}
