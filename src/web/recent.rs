//! The last day and the newest transitions, below the routes.

use maud::{Markup, html};

use crate::web::moves::{Move, moves};
use crate::web::parts::{Room, badge, instant, section, table, transition_link};
use crate::web::{bars, day};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::StoredRecord;
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
        (day::day(room, &moves, now))
    };
    html! {
        (section("Last 24 hours", &drawn))
        (section("Newest transitions", &newest(room, &moves, now)))
    }
}

fn newest(room: &mut Room, moves: &[Move], now: Timestamp) -> Markup {
    let shown = &moves[..moves.len().min(MOVES_SHOWN)];
    let scale = day::scale(shown);
    let caption =
        format!("Of all routes; a bar is {} wide and begins at the time of the evidence", span(scale));
    let heads = ["Began", "Route", "Outcome", "Cause", "To", "From evidence to effect"];
    let list = table(room, &caption, heads, shown, |moved| {
        let began = moved.began();
        let instance = moved.instance.as_ref();
        [
            html! {
                (transition_link(moved.transition, &instant(began)))
                div { span.dim { (span(now.since(began))) " ago" } }
            },
            html! { (moved.route.as_str()) },
            html! {
                (badge(moved.tone(), moved.word()))
                @if let Some(reason) = moved.reason { div { span.dim { (reason.as_str()) } } }
            },
            html! { (moved.cause.as_str()) },
            html! { (instance.map_or("-", |instance| instance.as_str())) },
            html! {
                (bars::bar(scale, &bars::of_move(moved)))
                div { span.dim { (moved.in_words()) } }
            },
        ]
    });
    html! { (legend()) (list) }
}

/// The meaning of the parts of a bar.
pub(super) fn legend() -> Markup {
    html! {
        p.dim {
            "Bars: thin line in the middle, event delay; block, calls; band, until the new target is healthy; "
            "line at the bottom, until the old target is removed."
        }
    }
}
