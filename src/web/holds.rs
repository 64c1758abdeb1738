//! What holds a route, and the command that lifts it.

use maud::{Markup, html};

use crate::web::parts::{Room, badge, not_read, section, table, time};
use crate::web::tone::Tone;
use writerlink_core::ledger::holds::ActiveSuspension;
use writerlink_core::ledger::state::Assignment;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::reason::Rule;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::survey::RouteSurvey;

/// The holds of a route, each with who, since when, until when, why, and what lifts it.
pub(super) fn holds(room: &mut Room, survey: &RouteSurvey, now: Timestamp) -> Markup {
    let Ok(state) = &survey.state else {
        return section("Holds", &html! { p { (not_read()) } });
    };
    let nothing = Assignment::default();
    let control = state.as_ref().map_or(&nothing, |state| &state.control);
    let active = control.safety.in_force(&survey.route, now);
    if active.is_empty() {
        return section("Holds", &html! { p { "Nothing holds this route." } });
    }
    let heads = ["Hold", "By", "Since", "Until", "Why", "To lift it"];
    let held = table(room, "What keeps writerlink from moving this route", heads, &active, |held| {
        let stop = held.stop;
        [
            hold(held),
            html! { (stop.map_or("the configuration", |stop| stop.by.as_str())) },
            html! { @if let Some(stop) = stop { (time(stop.since, now)) } @else { "-" } },
            html! {
                @match stop.and_then(|stop| stop.until) {
                    Some(until) => (time(until, now)),
                    None => "it is lifted",
                }
            },
            html! { (stop.map_or("mode = \"observe\"", |stop| stop.reason.as_str())) },
            lift(&survey.route.name, held.rule),
        ]
    });
    section("Holds", &held)
}

fn hold(held: &ActiveSuspension<'_>) -> Markup {
    html! {
        (badge(Tone::Held, held.rule.as_str()))
        @if let Some(pin) = held.pin { " to " (pin.instance.as_str()) }
    }
}

/// The command that ends a hold.
pub(super) fn lift(route: &RouteName, rule: Rule) -> Markup {
    let command = match rule {
        Rule::Paused => format!("writerlink resume {route} --reason \"…\""),
        Rule::Frozen => "writerlink unfreeze --reason \"…\"".to_owned(),
        Rule::Pinned => format!("writerlink unpin {route} --reason \"…\""),
        Rule::Flapping => format!("writerlink ack {route} --reason \"…\""),
        Rule::Observing => return html! { "set " code { "mode = \"enforce\"" } " for the route" },
    };
    html! { code { (command) } }
}
