//! `/`: how the routes are now, and what happened in the last day.

use super::choice::{Choice, chooser, leaf};
use super::html::Html;
use super::moves::Tone;
use super::parts::{self, badge, code, dim, line, section, table, time, transition_link};
use super::recent::happened;
use super::site::{KEPT_FOR, Recent};
use crate::domain::provenance::Provenance;
use crate::domain::standing::Standing;
use crate::domain::time::Timestamp;
use crate::ports::{Depth, NoRecords};
use crate::survey::view::{GroupView, RouteView, TargetView};
use crate::survey::{Part, QueueSurvey, RouteSurvey, Survey};
use crate::text::span;

/// How many targets of a group, and how many characters of a reason: a group that holds more than an ordinary one must
/// not push the page over its limit.
const TARGETS_SHOWN: usize = 6;
const WHY_CHARS_MAX: usize = 400;

/// How many bytes the page may have before the last route is begun: some are left for the day.
const ROOM_OF_ROUTES: usize = 50_000;

/// How many groups of a weighted route, those with a weight first: a cluster has up to sixteen instances.
const GROUPS_SHOWN: usize = 4;

/// How many parts that could not be read.
const UNREAD_SHOWN: usize = 2;

/// How much of a hash tells two apart at a glance; the transition's page has all of it.
const HASH_CHARS: usize = 8;

/// The page.
pub(super) fn page(
    from: Option<&Provenance>,
    survey: &Survey,
    recent: Result<&Recent, &NoRecords>,
    choice: &Choice,
    now: Timestamp,
) -> String {
    parts::page(from, "Routes", |page| {
        page.text_element("h1", &[], "Routes now");
        summary(page, survey, now);
        chooser(page, choice);
        page.leave_room(ROOM_OF_ROUTES);
        routes(page, survey, now);
        leaf(page, choice);
        page.leave_room(usize::MAX);
        match recent {
            Ok(recent) => happened(page, recent, now),
            Err(error) => section(page, "Last 24 hours", |page| {
                let text = format!("The records could not be read: {error}");
                page.text_element("p", &[], &text);
            }),
        }
    })
}

/// The page's answer to why somebody opened it.
fn summary(page: &mut Html, survey: &Survey, now: Timestamp) {
    let of = |standing: Standing| {
        let with = |route: &&RouteSurvey| route.judgement.standing == standing;
        survey.routes.iter().filter(with).collect::<Vec<_>>()
    };
    page.element("p", &[("class", "summary")], |page| {
        for standing in Standing::ALL {
            let count = of(standing).len();
            if count > 0 {
                let word = format!("{count} {standing}");
                badge(page, Tone::of_standing(standing), &word);
                page.text(" ");
            }
        }
    });
    page.element("p", &[], |page| queue(page, &survey.queue));
    page.element("p", &[("class", "dim")], |page| {
        page.text("Read at ");
        time(page, survey.at, now);
        let kept = KEPT_FOR.as_secs();
        page.text(&format!(". What was read is kept for {kept} s."));
    });
}

fn queue(page: &mut Html, queue: &QueueSurvey) {
    let told = |name: &str, depth: &Part<Depth>| match depth {
        Ok(Depth { visible, in_flight }) => {
            format!("{name}: {visible} waiting, {in_flight} in flight")
        }
        Err(why) => format!("{name}: could not be read ({why})"),
    };
    let text = format!("{}. {}.", told("Queue", &queue.depth), told("Dead letters", &queue.dead_letters));
    page.text(&text);
}

fn routes(page: &mut Html, survey: &Survey, now: Timestamp) {
    let heads = &["Route", "Stands", "Should point at", "Load balancer has", "Last move", "Lease", "Chain"];
    let caption = "Where each route should point, by the ledger, and what the load balancer says";
    table(page, caption, heads, &survey.routes, |row, survey| {
        let view = RouteView::of(survey);
        row.name(|page| name(page, &view));
        row.cell(|page| stands(page, survey, &view));
        row.cell(|page| desired(page, survey, now));
        row.cell(|page| groups(page, &view));
        row.cell(|page| last_move(page, survey, now));
        row.cell(|page| lease(page, &view));
        row.cell(|page| chain(page, &view));
    });
}

fn name(page: &mut Html, view: &RouteView) {
    page.text(&view.route);
    if view.strategy != "swap" {
        line(page, |page| dim(page, view.strategy));
    }
}

fn stands(page: &mut Html, survey: &RouteSurvey, view: &RouteView) {
    let standing = survey.judgement.standing;
    badge(page, Tone::of_standing(standing), standing.as_str());
    if standing != Standing::Right {
        line(page, |page| page.text(&shortened(&view.why)));
    }
    if let Some(open) = &view.unresolved_event {
        let text = format!("unresolved event since {}", open.since);
        line(page, |page| dim(page, &text));
    }
    for held in &view.held_back {
        line(page, |page| {
            badge(page, Tone::Held, held.rule);
            // The judgement has said it already where that is why the route is not right.
            if !view.why.contains(&held.note) {
                page.text(" ");
                dim(page, &shortened(&held.note));
            }
        });
    }
    for unread in view.unread.iter().take(UNREAD_SHOWN) {
        let text = format!("{} could not be read: {}", unread.part, unread.error);
        line(page, |page| dim(page, &shortened(&text)));
    }
}

fn desired(page: &mut Html, survey: &RouteSurvey, now: Timestamp) {
    let control = survey.control();
    let Some(desired) = control.and_then(|control| control.desired.as_ref()) else {
        dim(page, "nobody has said yet");
        return;
    };
    line(page, |page| page.text(desired.instance.as_str()));
    for target in desired.targets().iter().take(TARGETS_SHOWN) {
        line(page, |page| code(page, &target.to_string()));
    }
    line(page, |page| {
        dim(page, &format!("said {} ago", span(now.since(desired.evidence.at))));
    });
    if let Some(waiting) = control.and_then(|control| control.waiting.as_ref()) {
        let text = format!("held back: {} at {}", waiting.instance, waiting.target);
        line(page, |page| page.text(&text));
    }
}

fn groups(page: &mut Html, view: &RouteView) {
    let mut groups: Vec<&GroupView> = view.groups.iter().collect();
    groups.sort_by_key(|group| group.weight.unwrap_or_default() == 0);
    for group in groups.iter().take(GROUPS_SHOWN) {
        if let Some(instance) = &group.instance {
            let weight = group.weight.map(|weight| format!(", weight {weight}"));
            let text = format!("{instance}{}", weight.unwrap_or_default());
            line(page, |page| page.text(&text));
        }
        let asked = view.desired.is_some() && group.weight.is_none_or(|weight| weight > 0);
        let marked = if asked { Marked::Strangers } else { Marked::Nothing };
        targets(page, group, marked);
    }
    let more = groups.len().saturating_sub(GROUPS_SHOWN);
    if more > 0 {
        line(page, |page| dim(page, &format!("and {more} more groups")));
    }
}

/// Whether a target that is not desired is marked as such: not where nobody has said what is, nor in a group without a
/// weight, whose target only stands by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marked {
    Strangers,
    Nothing,
}

fn targets(page: &mut Html, group: &GroupView, marked: Marked) {
    let Some(targets) = &group.targets else {
        line(page, |page| dim(page, "could not be read"));
        return;
    };
    if targets.is_empty() {
        line(page, |page| badge(page, Tone::Bad, "empty"));
    }
    for target in targets.iter().take(TARGETS_SHOWN) {
        line(page, |page| one_target(page, target, marked));
    }
    let more = targets.len().saturating_sub(TARGETS_SHOWN);
    if more > 0 {
        line(page, |page| dim(page, &format!("and {more} more")));
    }
}

fn one_target(page: &mut Html, target: &TargetView, marked: Marked) {
    code(page, &target.target);
    page.text(" ");
    page.text(&shortened(&target.state));
    if !target.desired && marked == Marked::Strangers {
        page.text(" ");
        dim(page, "(not desired)");
    }
}

fn last_move(page: &mut Html, survey: &RouteSurvey, now: Timestamp) {
    let Some(last) = &survey.last_move else {
        dim(page, "none recorded");
        return;
    };
    let tone = Tone::of(last.kind, last.outcome);
    let word = last.outcome.map_or(last.kind.as_str(), |outcome| outcome.as_str());
    transition_link(page, last.transition, |page| badge(page, tone, word));
    line(page, |page| time(page, last.at, now));
}

fn lease(page: &mut Html, view: &RouteView) {
    match &view.lease {
        None => dim(page, "free"),
        Some(lease) => {
            line(page, |page| page.text(&lease.owner));
            line(page, |page| dim(page, &format!("until {}", lease.until)));
        }
    }
}

fn chain(page: &mut Html, view: &RouteView) {
    match &view.chain_end {
        None => line(page, |page| dim(page, "not compared")),
        Some(end) if end.difference.is_some() => {
            line(page, |page| badge(page, Tone::Bad, "differs"));
            line(page, |page| {
                dim(page, &format!("audit ends at {}", end.newest_seq));
            });
        }
        Some(_) => {}
    }
    let Some(chain) = &view.chain else {
        dim(page, "no record");
        return;
    };
    line(page, |page| page.text(&format!("record {}", chain.seq)));
    let short: String = chain.hash.chars().take(HASH_CHARS).collect();
    page.text_element("code", &[("title", &chain.hash), ("class", "whole")], &format!("{short}…"));
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= WHY_CHARS_MAX {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(WHY_CHARS_MAX).collect();
    short.push('…');
    short
}
