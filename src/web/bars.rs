//! Periods of time drawn to scale, as SVG in the page. The text beside a bar gives the same values.

use std::time::Duration;

use maud::{Markup, html};

use crate::web::moves::Move;
use writerlink_core::ledger::record::Step;
use writerlink_core::model::time::Timestamp;

/// The meaning of a part of a bar, shown by colour, position and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Shape {
    /// The event's delay: a thin line in the middle.
    EventDelay,
    /// Calls were made: a block of the whole height.
    Work,
    /// A call that only reads: a lower block.
    Read,
    /// A call of the ledger: lower still.
    Record,
    /// Waiting for the new target to become healthy: a band.
    Arriving,
    /// Waiting for the old target to be removed: a line at the bottom.
    Leaving,
    /// A call that failed: a block of the whole height.
    Failed,
}

impl Shape {
    /// From the top, and how high, of [`HEIGHT`].
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::EventDelay => ("6", "2"),
            Self::Work | Self::Failed => ("1", "12"),
            Self::Read => ("3", "8"),
            Self::Record => ("5", "4"),
            Self::Arriving => ("4", "6"),
            Self::Leaving => ("11", "2"),
        }
    }

    /// The shape of a call, by its name.
    pub(super) fn of(step: &Step) -> Self {
        match step.name.as_str() {
            _ if step.error.is_some() => Self::Failed,
            _ if step.has_changed_something() => Self::Work,
            "Begin" | "Finish" | "ExtendLease" => Self::Record,
            _ => Self::Read,
        }
    }
}

/// How high a bar is, in pixels.
const HEIGHT: &str = "14";

/// The least width of a part, in percent of the bar: a short call stays visible.
const WIDTH_MIN: f64 = 0.4;

/// A part of a bar.
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

/// A part of a bar alone, for the legend.
pub(super) fn swatch(shape: Shape) -> Markup {
    let (y, height) = shape.place();
    html! {
        svg class="swatch" width="24" height=(HEIGHT) aria-hidden="true" {
            rect class=(shape.as_ref()) x="0" y=(y) width="24" height=(height) {}
        }
    }
}

/// Start and width of a part, in percent of the bar; a part ends within the bar.
pub(super) fn extent(from: Duration, to: Duration, whole: Duration) -> (String, String) {
    let percent = |at: Duration| {
        let part = at.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
        part.clamp(0.0, 1.0) * 100.0
    };
    let x = percent(from).min(100.0 - WIDTH_MIN);
    let width = (percent(to) - x).max(WIDTH_MIN);
    (format!("{x:.2}%"), format!("{width:.2}%"))
}

/// The parts of a transition's bar, counted from its origin.
pub(super) fn of_move(moved: &Move) -> Vec<Stretch> {
    let since = |at: Timestamp| at.since(moved.origin());
    let began = since(moved.began());
    let ended = moved.ended.map_or(began, since);
    let waited = [
        (Shape::EventDelay, Duration::ZERO, Some(began)),
        (Shape::Arriving, ended, moved.healthy.or(moved.overdue).map(since)),
        (Shape::Leaving, ended, moved.removed.map(since)),
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
    fn a_part_of_a_bar_is_drawn_to_scale() {
        assert_eq!(place(15, 30), ("25.00%".to_owned(), "25.00%".to_owned()));
    }

    #[test]
    fn a_short_part_is_visible_and_no_part_reaches_beyond_the_bar() {
        assert_eq!(place(0, 0), ("0.00%".to_owned(), "0.40%".to_owned()));
        assert_eq!(place(60, 600), ("99.60%".to_owned(), "0.40%".to_owned()));
        let nothing = extent(Duration::ZERO, Duration::ZERO, Duration::ZERO);
        assert_eq!(nothing.0, "0.00%");
    }
}
