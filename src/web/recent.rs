//! The last day and the newest transitions, below the routes.

use std::time::Duration;

use maud::{Markup, html};

use crate::web::moves::{Move, moves};
use crate::web::parts::{Room, badge, instant, route_link, section, table, transition_link};
use crate::web::{bars, day, legend};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::audit_query::PAGE_RECORDS;
use writerlink_engine::ports::{AuditQuery, AuditReader, NoRecords, StoredRecord};
use writerlink_engine::text::span;

/// How many of the newest records of a day the timeline is made of; a move has about five.
pub(super) const RECENT_RECORDS_MAX: usize = 500;

/// The records of the last day, or as many as are read of it.
pub(super) struct Recent {
    pub(super) records: Vec<StoredRecord>,
    /// Whether there are more than were read.
    pub(super) cut_short: bool,
}

/// How many transitions the list of the newest ones has.
const MOVES_SHOWN: usize = 25;

/// The timeline and the list.
pub(super) fn happened(room: &mut Room, recent: &Recent, now: Timestamp) -> Markup {
    let moves = moves(&recent.records);
    if moves.is_empty() {
        return section("Last 24 hours", &html! { p { "Nothing was recorded." } });
    }
    let drawn = html! {
        @if recent.cut_short {
            p {
                "Only the newest " (RECENT_RECORDS_MAX) " records are shown; "
                "`writerlink audit list --since 24h` lists all of them."
            }
        }
        (legend::marks())
        (day::day(room, &moves, now))
    };
    html! {
        (section("Last 24 hours", &drawn))
        (section("Newest transitions", &newest(room, &moves, now)))
    }
}

fn newest(room: &mut Room, moves: &[Move], now: Timestamp) -> Markup {
    list(room, &moves[..moves.len().min(MOVES_SHOWN)], now)
}

/// Transitions as a table.
pub(super) fn list(room: &mut Room, shown: &[Move], now: Timestamp) -> Markup {
    let scale = day::scale(shown);
    let caption = format!("A bar is {} wide and begins at the time of the evidence", span(scale));
    let heads = ["Began", "Route", "Outcome", "Cause", "To", "From evidence to effect"];
    let list = table(room, &caption, heads, shown, |moved| {
        let began = moved.began();
        let instance = moved.instance.as_ref();
        [
            html! {
                (transition_link(moved.transition, &instant(began)))
                div { span.dim { (span(now.since(began))) " ago" } }
            },
            route_link(&moved.route),
            html! {
                (badge(moved.tone(), moved.word()))
                @if let Some(reason) = moved.reason { div { span.dim { (reason.as_str()) } } }
            },
            html! { (moved.cause.as_str()) @if let Some(command) = &moved.command { (command.shown()) } },
            html! { (instance.map_or("-", |instance| instance.as_str())) },
            html! {
                (bars::bar(scale, &bars::of_move(moved)))
                div { span.dim { (moved.in_words()) } }
            },
        ]
    });
    html! { (legend::bars()) (list) }
}

/// The newest records of this time, day by day, at most `max`; and whether there are more.
pub(super) async fn since(
    audit: &dyn AuditReader,
    now: Timestamp,
    look_back: Duration,
    max: usize,
) -> Result<(Vec<StoredRecord>, bool), NoRecords> {
    let since = now.minus(look_back);
    let mut records = Vec::new();
    let mut midnight = Timestamp::parse_day(&now.day());
    while let Some(day) = midnight.filter(|day| day.plus(DAY) > since) {
        if read_day(audit, &day.day(), since, &mut records, max).await? {
            return Ok((records, true));
        }
        midnight = Some(day.minus(DAY)).filter(|before| *before < day);
    }
    Ok((records, false))
}

/// Adds the records of a day that are not older than `since`. Whether there are `max` now.
async fn read_day(
    audit: &dyn AuditReader,
    day: &str,
    since: Timestamp,
    records: &mut Vec<StoredRecord>,
    max: usize,
) -> Result<bool, NoRecords> {
    let query = AuditQuery::Day { day: day.to_owned() };
    let young = |stored: &StoredRecord| stored.record.entry.at >= since;
    let mut cursor = None;
    loop {
        let mut page = audit.page(&query, PAGE_RECORDS, cursor.as_deref()).await?;
        cursor = page.next.take();
        let read = page.records()?;
        let reaches_back = !read.iter().all(young);
        records.extend(read.into_iter().filter(young));
        if records.len() >= max {
            return Ok(true);
        }
        if cursor.is_none() || reaches_back {
            return Ok(false);
        }
    }
}

const DAY: Duration = Duration::from_hours(24);
