//! A day at a glance: a lane for each route in which something happened, and a mark for each transition.

use std::time::Duration;

use maud::{Markup, html};

use crate::web::bars::extent;
use crate::web::moves::Move;
use crate::web::parts::{Room, table};
use crate::web::tone::Tone;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::time::Timestamp;

/// How far back the timeline goes.
pub(super) const LOOK_BACK: Duration = Duration::from_hours(24);

/// How many lanes are shown, and how many marks in one: more could not be distinguished, and the page is
/// limited.
const LANES_MAX: usize = 12;
const MARKS_MAX: usize = 16;

/// The positions of the grid lines: every six hours.
const GRID: [&str; 3] = ["25%", "50%", "75%"];

/// What happened on one route, newest first.
struct Lane<'a> {
    route: &'a RouteName,
    moves: Vec<&'a Move>,
}

impl Lane<'_> {
    fn has(&self, tone: Tone) -> bool {
        self.moves.iter().any(|moved| moved.tone() == tone)
    }

    /// `3 Moved, 1 Failed`.
    fn in_words(&self) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for moved in &self.moves {
            match counts.iter_mut().find(|(word, _)| *word == moved.word()) {
                Some((_, count)) => *count += 1,
                None => counts.push((moved.word(), 1)),
            }
        }
        let counts = counts.iter().map(|(word, count)| format!("{count} {word}"));
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// Draws the transitions of the last day.
pub(super) fn day(room: &mut Room, moves: &[Move], now: Timestamp) -> Markup {
    let lanes = lanes(moves);
    let more = lanes.len().saturating_sub(LANES_MAX);
    let shown = &lanes[..lanes.len().min(LANES_MAX)];
    let heads = ["Route", "24 hours ago … now (a line every 6 hours)", "What"];
    let caption = "Each mark is a transition, from its evidence to its last record";
    let cells =
        |lane: &Lane<'_>| [html! { (lane.route.as_str()) }, drawn(lane, now), html! { (lane.in_words()) }];
    html! {
        (table(room, caption, heads, shown, cells))
        @if more > 0 {
            p { span.dim { "and " (more) " more routes with older transitions" } }
        }
    }
}

/// Routes with a problem first, then by newest transition.
fn lanes(moves: &[Move]) -> Vec<Lane<'_>> {
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    for moved in moves {
        match lanes.iter_mut().find(|lane| *lane.route == moved.route) {
            Some(lane) => lane.moves.push(moved),
            None => lanes.push(Lane { route: &moved.route, moves: vec![moved] }),
        }
    }
    lanes.sort_by_key(|lane| !lane.has(Tone::Bad));
    lanes
}

fn drawn(lane: &Lane<'_>, now: Timestamp) -> Markup {
    html! {
        svg class="lane" height="18" aria-hidden="true" {
            @for x in GRID { line x1=(x) x2=(x) y1="0" y2="18" {} }
            // The oldest first, so that the newest lies on top.
            @for moved in lane.moves.iter().take(MARKS_MAX).rev() { (mark(moved, now)) }
        }
    }
}

/// Height and outline of a mark repeat its colour. The list below has the newest links for keyboard users.
fn mark(moved: &Move, now: Timestamp) -> Markup {
    let from = moved.origin().since(now.minus(LOOK_BACK));
    let (x, width) = extent(from, from + moved.span(), LOOK_BACK);
    let tone = moved.tone();
    let (y, height) = match tone {
        Tone::Good | Tone::Bad => ("3", "12"),
        Tone::Held | Tone::UnderWay | Tone::Warning => ("5", "8"),
        Tone::Plain | Tone::Unknown => ("7", "4"),
    };
    let title = html! { title { (format_args!("{} {}", moved.began(), moved.word())) } };
    html! {
        a href={ "/transitions/" (maud::display(moved.transition)) } tabindex="-1" {
            @if tone == Tone::Bad {
                // A sign instead of a block, which is visible without colour.
                text class=(tone.as_ref()) x=(x) y="14" { (title) (tone.sign()) }
            } @else {
                rect class=(tone.as_ref()) x=(x) y=(y) width=(width) height=(height) { (title) }
            }
        }
    }
}

/// The length that the bars of a list are drawn to: the longest of them, within limits that keep short ones
/// visible.
pub(super) fn scale(moves: &[Move]) -> Duration {
    let longest = moves.iter().map(Move::span).max().unwrap_or_default();
    longest.clamp(SCALE_MIN, SCALE_MAX)
}

/// The scale's limits: a second, so that milliseconds do not look like an outage, and a quarter of an hour.
const SCALE_MIN: Duration = Duration::from_secs(1);
const SCALE_MAX: Duration = Duration::from_mins(15);
