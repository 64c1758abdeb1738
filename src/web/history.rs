//! `/transitions`: the transitions of up to thirty days, filtered, and how long each move took to serve.

use maud::{Markup, html};

use crate::web::causes::Causes;
use crate::web::chart;
use crate::web::choice::select;
use crate::web::moves::Move;
use crate::web::parts;
use crate::web::parts::{Frame, ROOM, Room, not_read, section, time};
use crate::web::query::{Query, Window};
use crate::web::recent::list;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Cause;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::NoRecords;

/// How many records are read for it. A move has about five, of some 2 KB.
pub(super) const RECORDS_MAX: usize = 3_000;

/// How many transitions a page lists.
const LISTED_MAX: usize = 100;

/// The transitions of the last thirty days, or as many as are read of them.
pub(super) struct History {
    pub(super) at: Timestamp,
    /// Newest first.
    pub(super) moves: Vec<Move>,
    /// Whether there are older ones that were not read.
    pub(super) cut_short: bool,
}

/// The page.
pub(super) fn page(
    frame: &Frame,
    history: Result<&History, &NoRecords>,
    query: &Query,
    now: Timestamp,
) -> String {
    let mut causes = Causes::default();
    if let Err(why) = history {
        causes.add_records("records of the last 30 days", why);
    }
    let main = html! {
        h1 { "Transitions" }
        (causes.banners())
        (chooser(query))
        @match history {
            Ok(history) => (shown(history, query, now)),
            Err(_) => p { (not_read()) },
        }
    };
    parts::page(frame, "Transitions", &main)
}

fn shown(history: &History, query: &Query, now: Timestamp) -> Markup {
    let fitting: Vec<&Move> = history.moves.iter().filter(|moved| fits(moved, query)).collect();
    let since = now.minus(query.since.length());
    let in_time = fitting.iter().filter(|moved| moved.began() >= since);
    let listed: Vec<Move> = in_time.map(|moved| (*moved).clone()).collect();
    let (count, more) = (listed.len(), listed.len().saturating_sub(LISTED_MAX));
    let chart = chart::time_to_serve(&fitting, now);
    let mut room = Room(ROOM.saturating_sub(chart.0.len()));
    let first = listed.get(..LISTED_MAX).unwrap_or(&listed);
    html! {
        p.dim { "Read at " (time(history.at, now)) "; read again after a minute." }
        @if history.cut_short {
            p.dim {
                "Only the newest " (RECORDS_MAX) " records are shown; "
                code { "writerlink audit list --since 30d" } " lists all of them."
            }
        }
        (section("Time to serve, last 30 days", &chart))
        section {
            h2 { (count) " transitions in the last " (query.since.as_str()) }
            @if count > 0 { (list(&mut room, first, now)) }
            @if more > 0 { p { "and " (more) " older ones; choose a filter." } }
        }
    }
}

fn fits(moved: &Move, query: &Query) -> bool {
    moved.route.as_str().contains(&query.find)
        && query.outcome.is_none_or(|outcome| moved.outcome == Some(outcome))
        && query.cause.is_none_or(|cause| moved.cause == cause)
}

/// The form with the filters.
fn chooser(query: &Query) -> Markup {
    let outcomes = Outcome::ALL.map(Outcome::as_str);
    let causes = Cause::ALL.map(Cause::as_str);
    html! {
        form method="get" action="/transitions" class="chooser" {
            label for="find" { "Routes that contain" }
            input id="find" name="find" value=(query.find);
            label for="outcome" { "Outcome" }
            (select("outcome", &outcomes, query.outcome.map(Outcome::as_str), Some("any")))
            label for="cause" { "Cause" }
            (select("cause", &causes, query.cause.map(Cause::as_str), Some("any")))
            label for="since" { "Last" }
            (select("since", &Window::ALL.map(Window::as_str), Some(query.since.as_str()), None))
            @if query.stays { input type="hidden" name="refresh" value="off"; }
            button { "Show" }
        }
    }
}
