//! The time to serve of each move over thirty days, as SVG in the page. The sentence above it has the
//! numbers.

use std::time::Duration;

use maud::{Markup, html};

use crate::web::bars::extent;
use crate::web::moves::Move;
use crate::web::parts::badge;
use crate::web::tone::Tone;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::text::span;

/// How far back the chart goes.
pub(super) const LOOK_BACK: Duration = Duration::from_hours(30 * 24);

/// How many moves are drawn, the newest: more could not be distinguished, and the page is limited.
const POINTS_MAX: usize = 200;

/// The height of the drawing, and of the part that the scale takes, in pixels.
const HEIGHT: u32 = 160;
const SCALE_HEIGHT: f64 = 140.0;
const TOP: f64 = 10.0;

/// The lengths that the scale may have: the first that holds the longest time.
const SCALES: [Duration; 7] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_hours(1),
    Duration::from_hours(24),
];

/// A move whose target became healthy, or did not in time.
struct Point<'a> {
    moved: &'a Move,
    /// From the evidence to the healthy target, or to the record that it is not.
    took: Duration,
    serves: bool,
}

impl<'a> Point<'a> {
    fn of(moved: &'a Move) -> Option<Self> {
        let end = moved.healthy.or(moved.overdue)?;
        Some(Self { moved, took: end.since(moved.origin()), serves: moved.healthy.is_some() })
    }
}

/// The chart of these moves, newest first.
pub(super) fn time_to_serve(moves: &[&Move], now: Timestamp) -> Markup {
    let points: Vec<Point<'_>> = moves.iter().filter_map(|moved| Point::of(moved)).collect();
    if points.is_empty() {
        return html! { p { "No move in this time was followed until its target served." } };
    }
    let longest = points.iter().map(|point| point.took).max().unwrap_or_default();
    let scale = SCALES.into_iter().find(|scale| *scale >= longest).unwrap_or(longest);
    let shown = points.get(..POINTS_MAX).unwrap_or(&points);
    html! {
        p { (in_words(&points)) }
        p class="legend" { (badge(Tone::Good, "serves")) (badge(Tone::Bad, "not in time")) }
        svg class="chart" height=(HEIGHT) role="img" aria-label="Time to serve of each move, last 30 days" {
            @for (part, y) in [(1, TOP), (2, TOP + SCALE_HEIGHT / 2.0)] {
                line x1="0" x2="100%" y1=(y) y2=(y) {}
                text class="label" x="4" y=(y + 14.0) { (span(scale / part)) }
            }
            @for x in ["25%", "50%", "75%"] { line x1=(x) x2=(x) y1="0" y2=(HEIGHT) {} }
            @for point in shown.iter().rev() { (drawn(point, scale, now)) }
        }
        p.dim { "30 days ago … now; the scale ends at " (span(scale)) "." }
        @if points.len() > POINTS_MAX { p.dim { "Only the newest " (POINTS_MAX) " moves are drawn." } }
    }
}

/// How many moves, and their median and longest time.
fn in_words(points: &[Point<'_>]) -> String {
    let mut times: Vec<Duration> = points.iter().filter(|p| p.serves).map(|p| p.took).collect();
    times.sort_unstable();
    let late = points.iter().filter(|point| !point.serves).count();
    let late = if late == 0 { String::new() } else { format!("; {late} not healthy in time") };
    match (times.get(times.len() / 2), times.last()) {
        (Some(median), Some(longest)) => {
            format!("{} moves: median {}, longest {}{late}", points.len(), span(*median), span(*longest))
        }
        _ => format!("{} moves{late}", points.len()),
    }
}

fn drawn(point: &Point<'_>, scale: Duration, now: Timestamp) -> Markup {
    let Point { moved, took, serves } = point;
    let from = moved.origin().since(now.minus(LOOK_BACK));
    let (x, _) = extent(from, from, LOOK_BACK);
    let part = took.as_secs_f64() / scale.as_secs_f64().max(f64::MIN_POSITIVE);
    let y = format!("{:.1}", TOP + SCALE_HEIGHT * (1.0 - part.clamp(0.0, 1.0)));
    let title = format!("{} {} {}", moved.began(), moved.route, span(*took));
    html! {
        a href={ "/transitions/" (maud::display(moved.transition)) } tabindex="-1" {
            @if *serves {
                circle class="good" cx=(x) cy=(y) r="4" { title { (title) } }
            } @else {
                text class="bad" x=(x) y=(y) { title { (title) } (Tone::Bad.sign()) }
            }
        }
    }
}
