//! What signs, colours and shapes mean.

use maud::{Markup, html};

use crate::web::bars::{Shape, swatch};
use crate::web::parts::badge;
use crate::web::tone::Tone;
use writerlink_core::status::health::RouteHealth;

/// The states of a route.
pub(super) fn states() -> Markup {
    let meaning = |health| match health {
        RouteHealth::InSync => "actual is desired, and the target serves",
        RouteHealth::Converging => "a move is in progress",
        RouteHealth::Held => "a person or a safety rule holds the route",
        RouteHealth::OutOfSync => "actual differs from desired, or the target does not serve: act",
        RouteHealth::Unknown => "too little could be read, or nothing was reported yet",
    };
    html! {
        details {
            summary { "What the states mean" }
            dl {
                @for health in RouteHealth::ALL {
                    div { dt { (badge(Tone::of_route(health), health.as_str())) } dd { (meaning(health)) } }
                }
            }
        }
    }
}

/// The parts of a bar.
pub(super) fn bars() -> Markup {
    let parts = [
        (Shape::EventDelay, "event delay"),
        (Shape::Work, "calls"),
        (Shape::Arriving, "until the new target is healthy"),
        (Shape::Leaving, "until the old target is removed"),
    ];
    html! {
        p class="legend" {
            @for (shape, meaning) in parts { span { (swatch(shape)) " " (meaning) } }
        }
    }
}

/// The marks of the last day, and of the chart.
pub(super) fn marks() -> Markup {
    let tones = [
        (Tone::Good, "moved"),
        (Tone::Bad, "failed or rejected"),
        (Tone::Held, "held"),
        (Tone::UnderWay, "in progress"),
        (Tone::Plain, "nothing to do"),
    ];
    html! { p class="legend" { @for (tone, meaning) in tones { (badge(tone, meaning)) } } }
}
