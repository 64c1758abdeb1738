//! `/`: the state of the routes, and the last day.

use maud::{Markup, html};

use crate::web::choice::{Choice, chooser, leaf};
use crate::web::moves::Tone;
use crate::web::parts;
use crate::web::parts::{ROOM, Room, badge, section, table, time, transition_link};
use crate::web::recent::{Recent, happened};
use crate::web::shared::REFRESHED_EVERY;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::ports::{Depth, NoRecords};
use writerlink_engine::survey::view::{GroupView, RouteView, TargetView};
use writerlink_engine::survey::{Part, RouteSurvey, Survey};
use writerlink_engine::text::span;

/// How many targets of a group, and how many characters of a reason: a large group must
/// not push the page over its limit.
const TARGETS_SHOWN: usize = 6;
const WHY_CHARS_MAX: usize = 400;

/// How many bytes the routes may take before the last one is written; the rest is for the day.
const ROOM_OF_ROUTES: usize = 50_000;

/// How many groups of a weighted route, those with a weight first: a cluster has up to sixteen instances.
const GROUPS_SHOWN: usize = 4;

/// How many parts that could not be read.
const UNREAD_SHOWN: usize = 2;

/// How many characters of a hash are shown; the transition's page has all of it.
const HASH_CHARS: usize = 8;

/// The page.
pub(super) fn page(
    from: Option<&Provenance>,
    survey: &Survey,
    recent: Result<&Recent, &NoRecords>,
    choice: &Choice,
    now: Timestamp,
) -> String {
    let mut room = Room(ROOM_OF_ROUTES);
    let routes = routes(&mut room, survey, now);
    let mut room = Room(ROOM.saturating_sub(routes.0.len()));
    let day = match recent {
        Ok(recent) => happened(&mut room, recent, now),
        Err(error) => {
            let text = html! { p { (format_args!("The records could not be read: {error}")) } };
            section("Last 24 hours", &text)
        }
    };
    let main = html! {
        h1 { "Routes" }
        (summary(survey, now))
        (chooser(choice))
        (routes)
        (leaf(choice))
        (day)
    };
    parts::page(from, "Routes", &main)
}

/// The counts of states, the queue, and the time of the read.
fn summary(survey: &Survey, now: Timestamp) -> Markup {
    let count =
        |health: RouteHealth| survey.routes.iter().filter(|route| route.assessment.health == health).count();
    let queue = &survey.queue;
    html! {
        p class="summary" {
            @for health in RouteHealth::ALL {
                @let count = count(health);
                @if count > 0 { (badge(Tone::of_route(health), &format!("{count} {health}"))) " " }
            }
        }
        p { (messages("Queue", &queue.depth)) " " (messages("Dead letters", &queue.dead_letters)) }
        p.dim {
            "Read at " (time(survey.at, now)) ". Refreshed every " (REFRESHED_EVERY.as_secs()) " s."
        }
    }
}

fn messages(name: &str, depth: &Part<Depth>) -> String {
    match depth {
        Ok(Depth { visible, in_flight }) => {
            format!("{name}: {visible} waiting, {in_flight} in flight.")
        }
        Err(why) => format!("{name}: could not be read ({why})."),
    }
}

fn routes(room: &mut Room, survey: &Survey, now: Timestamp) -> Markup {
    let heads = ["Route", "State", "Desired", "Actual (load balancer)", "Last move", "Lease", "Chain"];
    let caption = "Desired target by the ledger, actual targets by the load balancer";
    table(room, caption, heads, &survey.routes, |survey| {
        let view = RouteView::of(survey);
        let name = html! {
            (view.route)
            @if view.strategy != "swap" { div { span.dim { (view.strategy) } } }
        };
        [
            name,
            state(survey, &view),
            desired(survey, now),
            groups(&view),
            last_move(survey, now),
            lease(&view),
            chain(&view),
        ]
    })
}

fn state(survey: &RouteSurvey, view: &RouteView) -> Markup {
    let health = survey.assessment.health;
    html! {
        (badge(Tone::of_route(health), health.as_str()))
        @if health != RouteHealth::InSync { div { (shortened(&view.why)) } }
        @if let Some(open) = &view.unresolved_event {
            div { span.dim { "unresolved event since " (open.since) } }
        }
        @for held in &view.holds {
            div {
                (badge(Tone::Held, held.rule))
                // The assessment's reason may already contain it.
                @if !view.why.contains(&held.note) { " " span.dim { (shortened(&held.note)) } }
            }
        }
        @for unread in view.unread.iter().take(UNREAD_SHOWN) {
            @let text = format!("{} could not be read: {}", unread.part, unread.error);
            div { span.dim { (shortened(&text)) } }
        }
    }
}

fn desired(survey: &RouteSurvey, now: Timestamp) -> Markup {
    let control = survey.control();
    let Some(desired) = control.and_then(|control| control.desired.as_ref()) else {
        return html! { span.dim { "no event yet" } };
    };
    html! {
        div { (desired.instance.as_str()) }
        @for target in desired.targets().iter().take(TARGETS_SHOWN) {
            div { code { (maud::display(target)) } }
        }
        div { span.dim { "evidence " (span(now.since(desired.evidence.at))) " ago" } }
        @if let Some(waiting) = control.and_then(|control| control.waiting.as_ref()) {
            div { (format_args!("held: {} at {}", waiting.instance, waiting.target)) }
        }
    }
}

fn groups(view: &RouteView) -> Markup {
    if view.strategy == "relay" {
        return relays(view);
    }
    let mut groups: Vec<&GroupView> = view.groups.iter().collect();
    groups.sort_by_key(|group| group.weight.unwrap_or_default() == 0);
    let more = groups.len().saturating_sub(GROUPS_SHOWN);
    html! {
        @for group in groups.iter().take(GROUPS_SHOWN) {
            @if let Some(instance) = &group.instance {
                div { (instance) @if let Some(weight) = group.weight { ", weight " (weight) } }
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
        @if unread { div { span.dim { "not read" } } }
        @else if view.relays.is_empty() { div { (badge(Tone::Bad, "no relay")) } }
        @for relay in view.relays.iter().take(TARGETS_SHOWN) {
            div {
                (relay.relay) ": " (relay.instance.as_deref().unwrap_or("nothing applied"))
                @if !relay.live { " " span.dim { "(silent)" } }
                @else if !relay.desired { " " span.dim { "(not desired)" } }
            }
        }
    }
}

/// The rows of a group. With `mark_others` a target that is not desired is marked: not before the first
/// event, and not in a group without weight, whose target is only registered in advance.
fn targets(group: &GroupView, mark_others: bool) -> Markup {
    let Some(targets) = &group.targets else {
        return html! { div { span.dim { "could not be read" } } };
    };
    let more = targets.len().saturating_sub(TARGETS_SHOWN);
    html! {
        @if targets.is_empty() { div { (badge(Tone::Bad, "empty")) } }
        @for TargetView { target, state, desired, .. } in targets.iter().take(TARGETS_SHOWN) {
            div {
                code { (target) } " " (shortened(state))
                @if !desired && mark_others { " " span.dim { "(not desired)" } }
            }
        }
        @if more > 0 { div { span.dim { "and " (more) " more" } } }
    }
}

fn last_move(survey: &RouteSurvey, now: Timestamp) -> Markup {
    let Some(last) = &survey.last_move else {
        return html! { span.dim { "none recorded" } };
    };
    let word = last.outcome.map_or(last.kind.as_str(), |outcome| outcome.as_str());
    let badge = badge(Tone::of(last.kind, last.outcome), word);
    html! { (transition_link(last.transition, &badge)) div { (time(last.at, now)) } }
}

fn lease(view: &RouteView) -> Markup {
    html! {
        @match &view.lease {
            None => span.dim { "free" },
            Some(lease) => { div { (lease.owner) } div { span.dim { "until " (lease.until) } } }
        }
    }
}

fn chain(view: &RouteView) -> Markup {
    html! {
        @match &view.chain_end {
            None => div { span.dim { "not compared" } },
            Some(end) => @if end.difference.is_some() {
                div { (badge(Tone::Bad, "differs")) }
                div { span.dim { "audit ends at " (end.newest_seq) } }
            }
        }
        @match &view.chain {
            None => span.dim { "no record" },
            Some(chain) => {
                @let short: String = chain.hash.chars().take(HASH_CHARS).collect();
                div { "record " (chain.seq) }
                code title=(chain.hash) class="whole" { (short) "…" }
            }
        }
    }
}

fn shortened(text: &str) -> String {
    parts::cut(text, WHY_CHARS_MAX, "…")
}
