//! The cells of a route, on the first page and on its own. What could not be read says so in its place.

use maud::{Markup, html};

use crate::web::parts;
use crate::web::parts::{badge, instant, not_read, time, transition_link};
use crate::web::tone::Tone;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::target::Target;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::survey::RouteSurvey;
use writerlink_engine::survey::view::{GroupView, RouteView, TargetView};
use writerlink_engine::text::span;

/// How many targets of a group, and how many characters of a reason: a large group must
/// not push the page over its limit.
const TARGETS_SHOWN: usize = 6;
const WHY_CHARS_MAX: usize = 400;

/// How many groups of a weighted route, those with a weight first: a cluster has up to sixteen instances.
const GROUPS_SHOWN: usize = 4;

/// How many characters of a hash are shown; the transition's page has all of it.
const HASH_CHARS: usize = 8;

pub(super) fn state(survey: &RouteSurvey, view: &RouteView) -> Markup {
    let health = survey.assessment.health;
    html! {
        (badge(Tone::of_route(health), health.as_str()))
        @if health != RouteHealth::InSync { div { (shortened(beside_columns(&view.why))) } }
        @if let Some(control) = survey.control()
            && let Some(open) = &control.unresolved_event
        {
            div { span.dim { "unresolved event since " (instant(open.since)) } }
        }
        @for held in &view.holds {
            div {
                (badge(Tone::Held, held.rule))
                // The assessment's reason may already contain it.
                @if !view.why.contains(&held.note) { " " span.dim { (shortened(&held.note)) } }
            }
        }
        @if let Some(difference) = view.chain_end.as_ref().and_then(|end| end.difference.as_ref())
            && !view.why.contains(difference)
        {
            div { (badge(Tone::Bad, "chain differs")) }
        }
    }
}

/// A reason without the desired target, which has a column of its own.
pub(super) fn beside_columns(why: &str) -> &str {
    let parts = why.split_once("; actual: ").filter(|(desired, _)| desired.starts_with("desired: "));
    parts.map_or(why, |(_, actual)| actual)
}

/// Where the route should point: the pin, else the newest evidence, applied or held.
pub(super) fn desired(survey: &RouteSurvey, now: Timestamp) -> Markup {
    let Ok(state) = &survey.state else {
        return not_read();
    };
    let control = state.as_ref().map(|state| &state.control);
    let pin = control.and_then(|control| control.safety.pinned(now));
    if let Some(pin) = pin {
        return html! { (place(pin.instance.as_str(), &[pin.target])) div { span.dim { "pinned" } } };
    }
    let Some(desired) = control.and_then(|control| control.newest()) else {
        let rejected = control.is_some_and(|control| control.unresolved_event.is_some());
        return html! { span.dim { @if rejected { "no event accepted yet" } @else { "no event yet" } } };
    };
    html! {
        (place_of(desired))
        div { span.dim { "evidence " (span(now.since(desired.evidence.at))) " ago" } }
    }
}

/// Where writerlink moved the route last.
pub(super) fn applied(survey: &RouteSurvey, now: Timestamp) -> Markup {
    let Ok(state) = &survey.state else {
        return not_read();
    };
    let control = state.as_ref().map(|state| &state.control);
    let Some((control, applied)) = control.and_then(|control| Some((control, control.desired.as_ref()?)))
    else {
        return html! { span.dim { "nothing yet" } };
    };
    let last = survey.last_move.as_ref().filter(|last| last.key == applied.event);
    let failed =
        last.is_some_and(|last| last.outcome == Some(Outcome::Failed) || last.kind == RecordKind::Deferred);
    html! {
        (place_of(applied))
        @if failed { div { (badge(Tone::Bad, "attempt failed")) } }
        @else if let Some(moved) = control.safety.moves.last() {
            div { span.dim { "moved " (span(now.since(*moved))) " ago" } }
        }
    }
}

fn place_of(desired: &Desired) -> Markup {
    place(desired.instance.as_str(), &desired.targets())
}

fn place(instance: &str, targets: &[Target]) -> Markup {
    html! {
        div.target { (instance) }
        @for target in targets.iter().take(TARGETS_SHOWN) { div { code { (maud::display(target)) } } }
    }
}

/// What the load balancer has; of a relay route, what its relays forward to.
pub(super) fn actual(view: &RouteView) -> Markup {
    if view.strategy == "relay" {
        return relays(view);
    }
    let mut groups: Vec<&GroupView> = view.groups.iter().collect();
    groups.sort_by_key(|group| group.weight.unwrap_or_default() == 0);
    let more = groups.len().saturating_sub(GROUPS_SHOWN);
    html! {
        div.target {}
        @if groups.is_empty() { (not_read()) }
        @for group in groups.iter().take(GROUPS_SHOWN) {
            @if let Some(instance) = &group.instance {
                div {
                    (instance)
                    @match group.weight {
                        Some(weight) => { ", weight " (weight) }
                        None => { ", weight " (not_read()) }
                    }
                }
            }
            @let in_use = view.desired.is_some() && group.weight.is_none_or(|weight| weight > 0);
            (targets(group, in_use))
        }
        @if more > 0 { div { span.dim { "and " (more) " more groups" } } }
    }
}

/// What relays forward to.
fn relays(view: &RouteView) -> Markup {
    let unread = view.unread.iter().any(|unread| unread.part == "relays");
    html! {
        @if unread { div { (not_read()) } }
        @else if view.relays.is_empty() { div { (badge(Tone::Bad, "no relay")) } }
        @for relay in view.relays.iter().take(TARGETS_SHOWN) {
            div {
                (relay.relay) ": " (relay.instance.as_deref().unwrap_or("nothing applied"))
                @if !relay.live { " " span.dim { "(silent)" } }
                @else if !relay.desired { " " span.dim { "(not applied)" } }
            }
        }
    }
}

/// The rows of a group. With `mark_others` a target that writerlink did not put there is marked: not before
/// the first event, and not in a group without weight, whose target is only registered in advance.
fn targets(group: &GroupView, mark_others: bool) -> Markup {
    let Some(targets) = &group.targets else {
        return html! { div { (not_read()) } };
    };
    let more = targets.len().saturating_sub(TARGETS_SHOWN);
    html! {
        @if targets.is_empty() { div { (badge(Tone::Bad, "empty")) } }
        @for TargetView { target, state, desired, instance, .. } in targets.iter().take(TARGETS_SHOWN) {
            @if group.instance.is_none() && let Some(instance) = instance { div { (instance) } }
            div {
                code { (target) } " " (shortened(state))
                @if !desired && mark_others { " " span.dim { "(not applied)" } }
            }
        }
        @if more > 0 { div { span.dim { "and " (more) " more" } } }
    }
}

pub(super) fn last_move(survey: &RouteSurvey, now: Timestamp) -> Markup {
    if survey.records.is_err() {
        return not_read();
    }
    let Some(last) = &survey.last_move else {
        return html! { span.dim { "none recorded" } };
    };
    let word = last.outcome.map_or(last.kind.as_str(), |outcome| outcome.as_str());
    let badge = badge(Tone::of(last.kind, last.outcome), word);
    html! { (transition_link(last.transition, &badge)) div { (time(last.at, now)) } }
}

pub(super) fn lease(survey: &RouteSurvey) -> Markup {
    let Ok(state) = &survey.state else {
        return not_read();
    };
    let lease = state.as_ref().and_then(|state| state.control.lease.as_ref());
    html! {
        @match lease {
            None => span.dim { "free" },
            Some(lease) => { (lease.owner.as_str()) ", until " (instant(lease.deadline)) }
        }
    }
}

pub(super) fn chain(survey: &RouteSurvey, view: &RouteView) -> Markup {
    html! {
        @match &view.chain_end {
            None => div { "end of the audit: " (not_read()) },
            Some(end) => @if let Some(difference) = &end.difference {
                div { (badge(Tone::Bad, "differs")) " " (shortened(difference)) }
                div { span.dim { "audit ends at " (end.newest_seq) } }
                @if let Some(remedy) = &end.remedy { div { "to do: " (shortened(remedy)) } }
            }
        }
        @match (&survey.state, &view.chain) {
            (Err(_), _) => (not_read()),
            (Ok(_), None) => span.dim { "no record" },
            (Ok(_), Some(chain)) => {
                @let short: String = chain.hash.chars().take(HASH_CHARS).collect();
                div { "record " (chain.seq) ", " code title=(chain.hash) class="whole" { (short) "…" } }
            }
        }
    }
}

pub(super) fn shortened(text: &str) -> String {
    parts::cut(text, WHY_CHARS_MAX, "…")
}
