//! `/routes/NAME`: everything about one route, its holds, and its records.

use maud::{Markup, html};

use crate::web::causes::Causes;
use crate::web::command::CommandText;
use crate::web::parts::{
    Frame, ROOM, Room, badge, cut, fact, instant, not_read, section, table, time, transition_link, way_back,
};
use crate::web::query::Query;
use crate::web::tone::Tone;
use crate::web::{cells, console, holds, parts};
use writerlink_core::ledger::record::{Entry, RecordKind};
use writerlink_core::model::names::RouteName;
use writerlink_core::model::route::{Route, Strategy, TargetGroup};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::{NoRecords, StoredRecord};
use writerlink_engine::survey::RouteSurvey;
use writerlink_engine::survey::view::{RelayView, RouteView};
use writerlink_engine::text::span;

/// How many records a page of them has.
pub(super) const RECORDS_ON_A_PAGE: u32 = 25;

/// How many characters of a text from outside are shown; the transition's page has more.
const TEXT_CHARS_MAX: usize = 300;

/// Everything that the page shows.
pub(super) struct RoutePage<'a> {
    pub(super) survey: &'a RouteSurvey,
    /// One page of its records, newest first.
    pub(super) records: Result<&'a [StoredRecord], &'a NoRecords>,
    pub(super) query: &'a Query,
    /// Whether links to the AWS console make sense.
    pub(super) installed: bool,
    pub(super) now: Timestamp,
}

impl RoutePage<'_> {
    /// The page.
    pub(super) fn page(&self, frame: &Frame) -> String {
        let (survey, now) = (self.survey, self.now);
        let view = RouteView::of(survey);
        let name = &survey.route.name;
        let tone = Tone::of_route(survey.assessment.health);
        let room = &mut Room(ROOM);
        let main = html! {
            h1 { (name.as_str()) }
            p.lead {
                (badge(tone, survey.assessment.health.as_str())) " "
                (cells::shortened(cells::beside_columns(&view.why)))
            }
            (self.causes().banners())
            p.dim { "Read at " (time(survey.at, now)) "." }
            (self.targets(room, &view))
            (holds::holds(room, survey, now))
            @if view.strategy == "relay" { (relays(room, survey, &view)) }
            (facts(survey, &view))
            @if self.installed { (links(&survey.route)) }
            (section("Records", &self.records(room)))
            (way_back())
        };
        parts::page(frame, &format!("{} {name} {}", tone.sign(), survey.assessment.health), &main)
    }

    fn causes(&self) -> Causes {
        let mut causes = Causes::default();
        causes.add_route(self.survey);
        if let Err(why) = self.records {
            causes.add_records("records", why);
        }
        causes
    }

    fn targets(&self, room: &mut Room, view: &RouteView) -> Markup {
        let heads = ["Desired", "Applied", "Actual", "Last move"];
        let (survey, now) = (self.survey, self.now);
        table(room, "Where it points", heads, &[survey], |survey| {
            [
                cells::desired(survey, now),
                cells::applied(survey, now),
                cells::actual(view),
                cells::last_move(survey, now),
            ]
        })
    }

    fn records(&self, room: &mut Room) -> Markup {
        let Ok(records) = self.records else {
            return html! { p { (not_read()) } };
        };
        if records.is_empty() {
            return html! { p { "No record." } };
        }
        let heads = ["Record", "Written", "What", "Cause", "Details"];
        let name = &self.survey.route.name;
        html! {
            (table(room, "Newest first", heads, records, |stored| {
                let entry = &stored.record.entry;
                [
                    transition_link(entry.transition, &html! { (format_args!("{name}/{}", stored.record.seq)) }),
                    time(entry.at, self.now),
                    what(stored),
                    html! { (entry.cause.as_str()) },
                    details(entry),
                ]
            }))
            (self.leaf(records))
        }
    }

    /// Links to newer and older records.
    fn leaf(&self, records: &[StoredRecord]) -> Markup {
        let name = &self.survey.route.name;
        let href = |from| Query { from, ..self.query.clone() }.href(&path(name));
        let seq = |stored: Option<&StoredRecord>| stored.map_or(0, |stored| stored.record.seq);
        let (first, last) = (seq(records.first()), seq(records.last()));
        html! {
            nav aria-label="Pages of records" {
                @if self.query.from.is_some() {
                    a href=(href(None)) { "Newest" }
                    a href=(href(Some(first + u64::from(RECORDS_ON_A_PAGE)))) { "Newer" }
                }
                @if last > 1 { a href=(href(Some(last - 1))) { "Older" } }
            }
        }
    }
}

/// The address of a route's page.
pub(super) fn path(name: &RouteName) -> String {
    format!("/routes/{name}")
}

/// Shown if no route has this name.
pub(super) fn not_found(frame: &Frame, name: &str) -> String {
    let text = format!("{} is not a route of this worker's configuration.", cut(name, TEXT_CHARS_MAX, "…"));
    parts::notice(frame, "No such route", "No such route", &text)
}

fn what(stored: &StoredRecord) -> Markup {
    let entry = &stored.record.entry;
    let word = entry.outcome.map_or(entry.kind.as_str(), |outcome| outcome.as_str());
    html! {
        (badge(Tone::of(entry.kind, entry.outcome), word))
        @if let Some(reason) = entry.reason { div { span.dim { (reason.as_str()) } } }
        @if stored.altered_parts().is_some() { div { (badge(Tone::Bad, "altered after it was written")) } }
    }
}

/// The command, if it is one, and the note.
fn details(entry: &Entry) -> Markup {
    let command = entry.trigger.as_ref().and_then(CommandText::of);
    // The note of a command says the same.
    let is_command = entry.kind == RecordKind::Command && command.is_some();
    html! {
        @if let Some(command) = command { (command.shown()) }
        @if !entry.note.is_empty() && !is_command { div { (cut(&entry.note, TEXT_CHARS_MAX, "…")) } }
    }
}

fn relays(room: &mut Room, survey: &RouteSurvey, view: &RouteView) -> Markup {
    if survey.relays.is_err() {
        return section("Relays", &html! { p { (not_read()) } });
    }
    if view.relays.is_empty() {
        return section("Relays", &html! { p { (badge(Tone::Bad, "no relay has reported")) } });
    }
    let heads = ["Relay", "Forwards to", "Since", "Reported", "Its HAProxy asked"];
    let ago = |text: Option<&str>| {
        let at = text.and_then(Timestamp::parse);
        html! { @if let Some(at) = at { (time(at, survey.at)) } @else { "never" } }
    };
    let list = table(room, "By their last reports", heads, &view.relays, |relay: &RelayView| {
        let tone = if !relay.live {
            Tone::Unknown
        } else if relay.desired {
            Tone::Good
        } else {
            Tone::Bad
        };
        let instance = relay.instance.as_deref().unwrap_or("nothing applied");
        let silent = if relay.live { "" } else { " (silent)" };
        [
            html! { (relay.relay) },
            badge(tone, &format!("{instance}{silent}")),
            ago(relay.applied_at.as_deref()),
            html! { (span(std::time::Duration::from_millis(relay.age_ms))) " ago" },
            ago(relay.asked_at.as_deref()),
        ]
    });
    section("Relays", &list)
}

fn facts(survey: &RouteSurvey, view: &RouteView) -> Markup {
    let watch = survey.control().and_then(|control| control.health_watch.as_ref());
    let known = html! {
        dl {
            (fact("Strategy", &html! { (view.strategy) }))
            (fact("Mode", &html! { (view.mode) }))
            (fact("Lease", &cells::lease(survey)))
            (fact("Chain", &cells::chain(survey, view)))
            @if let Some(watch) = watch {
                @let awaited = format!("{} {}", watch.instance, watch.arrival.as_str());
                (fact("Awaited", &html! { (awaited) ", moved " (instant(watch.moved_at)) }))
            }
            (fact("Moves", &html! {
                @if survey.state.is_err() { (not_read()) } @else { (view.recent_moves) " in the last 10 min" }
            }))
        }
    };
    section("State", &known)
}

/// Links to the AWS console.
fn links(route: &Route) -> Markup {
    let groups: Vec<&TargetGroup> = match &route.strategy {
        Strategy::Swap | Strategy::Relay(_) => vec![&route.group],
        Strategy::Weighted(weighted) => weighted.groups.values().collect(),
    };
    html! {
        section {
            h2 { "In AWS" }
            @if let Some(link) = console::database(route) { p { (link) } }
            @for group in groups { p { code { (group.arn.as_str()) } " " (console::target_group(&group.arn)) } }
        }
    }
}
