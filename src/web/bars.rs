//! Stretches of time drawn to scale, as SVG inside of the page: what a bar shows stands in words beside it.

use std::time::Duration;

use maud::{Markup, html};

use crate::web::moves::Move;
use writerlink_core::ledger::record::Step;
use writerlink_core::model::time::Timestamp;

/// What a stretch of a bar stands for. Its colour says it, and its place and height do too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Shape {
    /// Nothing was known of it here yet: a thin line in the middle.
    Unheard,
    /// Calls were made: a block of the whole height.
    Work,
    /// A call that only reads: a lower block.
    Look,
    /// A call of the ledger: lower still.
    Record,
    /// Waiting for the load balancer to serve: a band.
    Arriving,
    /// Waiting for the old target to go: a line at the bottom.
    Leaving,
    /// A call that failed: a block of the whole height.
    Failed,
}

impl Shape {
    /// From the top, and how high, of [`HEIGHT`].
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Unheard => ("6", "2"),
            Self::Work | Self::Failed => ("1", "12"),
            Self::Look => ("3", "8"),
            Self::Record => ("5", "4"),
            Self::Arriving => ("4", "6"),
            Self::Leaving => ("11", "2"),
        }
    }

    /// What a call's name says of it.
    pub(super) fn of(step: &Step) -> Self {
        match step.name.as_str() {
            _ if step.error.is_some() => Self::Failed,
            _ if step.has_changed_something() => Self::Work,
            "Begin" | "Finish" | "ExtendLease" => Self::Record,
            _ => Self::Look,
        }
    }
}

/// How high a bar is, in pixels.
const HEIGHT: &str = "14";

/// What of a bar's width a stretch has at least, in percent: however short it was, it did happen.
const WIDTH_MIN: f64 = 0.4;

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) shape: Shape,
    pub(super) from: Duration,
    pub(super) to: Duration,
}

/// A bar as wide as `whole`.
pub(super) fn bar(whole: Duration, stretches: &[Stretch]) -> Markup {
    html! {
        svg class="bar" height=(HEIGHT) aria-hidden="true" {
            @for Stretch { shape, from, to } in stretches {
                @let (y, height) = shape.place();
                @let (x, width) = extent(*from, *to, whole);
                rect class=(shape.as_ref()) x=(x) y=(y) width=(width) height=(height) {}
            }
        }
    }
}

/// Where a stretch begins and how wide it is, in percent of the whole; nothing reaches beyond its end.
pub(super) fn extent(from: Duration, to: Duration, whole: Duration) -> (String, String) {
    let percent = |at: Duration| {
        let part = at.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
        part.clamp(0.0, 1.0) * 100.0
    };
    let x = percent(from).min(100.0 - WIDTH_MIN);
    let width = (percent(to) - x).max(WIDTH_MIN);
    (format!("{x:.2}%"), format!("{width:.2}%"))
}

/// A transition's stretches, counted from its origin.
pub(super) fn of_move(moved: &Move) -> Vec<Stretch> {
    let since = |at: Timestamp| at.since(moved.origin());
    let began = since(moved.began());
    let ended = moved.ended.map_or(began, since);
    let waited = [
        (Shape::Unheard, Duration::ZERO, Some(began)),
        (Shape::Arriving, ended, moved.serving.or(moved.overdue).map(since)),
        (Shape::Leaving, ended, moved.drained.map(since)),
    ];
    let waited = waited.into_iter().filter_map(|(shape, from, to)| {
        let to = to.filter(|to| *to > from)?;
        Some(Stretch { shape, from, to })
    });
    // Last, since it is the shortest: nothing is drawn over it.
    waited.chain([Stretch { shape: Shape::Work, from: began, to: ended }]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn place(from: u64, to: u64) -> (String, String) {
        extent(Duration::from_secs(from), Duration::from_secs(to), MINUTE)
    }

    #[test]
    fn a_stretch_is_drawn_to_scale() {
        assert_eq!(place(15, 30), ("25.00%".to_owned(), "25.00%".to_owned()));
    }

    #[test]
    fn however_short_it_was_it_is_seen_and_nothing_reaches_beyond_the_end() {
        assert_eq!(place(0, 0), ("0.00%".to_owned(), "0.40%".to_owned()));
        assert_eq!(place(60, 600), ("99.60%".to_owned(), "0.40%".to_owned()));
        let nothing = extent(Duration::ZERO, Duration::ZERO, Duration::ZERO);
        assert_eq!(nothing.0, "0.00%");
    }
}
