//! `/transitions/ID`: all records of one transition, and the other transitions of its event.

use maud::{Markup, html};

use crate::web::bars::{Shape, Stretch, bar};
use crate::web::moves::{Move, moves};
use crate::web::parts::{
    Frame, ROOM, Room, badge, fact, instant, route_link, section, table, time, transition_link,
};
use crate::web::tone::Tone;
use crate::web::{bars, legend, parts};
use writerlink_core::ledger::record::{Entry, RecordedTrigger};
use writerlink_core::model::ids::TransitionId;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::target::ObservedTarget;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::StoredRecord;
use writerlink_engine::text::span;

/// How many of a day's newest records are searched for a transition: twenty queries of a hundred.
/// `writerlink audit show` searches further.
pub(super) const SCAN_MAX: usize = 2_000;

/// How many characters of a text from outside are shown; an event's message has some hundreds.
const TEXT_CHARS_MAX: usize = 1_000;

/// The page of the transition with this id, out of all records of its event. `None` if none is its own.
pub(super) fn page(
    frame: &Frame,
    event: &[StoredRecord],
    id: TransitionId,
    now: Timestamp,
) -> Option<String> {
    let of_it = |stored: &&StoredRecord| stored.record.entry.transition == id;
    let mut own: Vec<&StoredRecord> = event.iter().filter(of_it).collect();
    own.sort_by_key(|stored| stored.record.seq);
    let of_event = moves(event);
    let moved = of_event.iter().find(|moved| moved.transition == id)?;
    let others: Vec<&Move> = of_event.iter().filter(|other| other.transition != id).collect();
    let room = &mut Room(ROOM);
    let main = html! {
        (heading(moved, now))
        (section("From evidence to effect", &phases(room, moved)))
        @for stored in own.iter().filter(|stored| !stored.record.entry.steps.is_empty()) {
            (steps(room, stored))
        }
        (sets(room, &own))
        (evidence(room, &own, now))
        (section("Records", &records(room, &own, now)))
        (section("The same event", &same_event(room, &others, now)))
        (parts::way_back())
    };
    Some(parts::page(frame, &format!("Transition of {}", moved.route), &main))
}

/// Shown if no record was found.
pub(super) fn not_found(frame: &Frame, id: TransitionId) -> String {
    let day = id.began().day();
    let text = format!(
        "No record of {id} was found among the newest {SCAN_MAX} of {day}, the day it would have begun. \
         `writerlink audit show {id}` searches further."
    );
    parts::notice(frame, "No such transition", "No such transition", &text)
}

/// Shown if the id is not valid.
pub(super) fn no_id(frame: &Frame, text: &str) -> String {
    let text =
        format!("{} is not a transition's id, such as 01977f2e-8c3a-7b1d-9e0f-112233445566.", cut(text));
    parts::notice(frame, "No such transition", "No such transition", &text)
}

fn heading(moved: &Move, now: Timestamp) -> Markup {
    html! {
        h1 {
            (route_link(&moved.route))
            @if let Some(instance) = &moved.instance { " to " (instance.as_str()) }
        }
        p class="lead" {
            (badge(moved.tone(), moved.word())) " "
            @if let Some(reason) = moved.reason { (reason.as_str()) ", " }
            "by " (moved.cause.as_str()) ", began " (time(moved.began(), now))
        }
        p { span.dim { "Transition " } code { (maud::display(moved.transition)) } }
    }
}

fn phases(room: &mut Room, moved: &Move) -> Markup {
    let heads = ["Reached", "At", "After the evidence"];
    let caption = "When each phase was reached; for calls, when they were accepted";
    html! {
        (bar(moved.span(), &bars::of_move(moved)))
        p { (moved.in_words()) }
        (legend::bars())
        (table(room, caption, heads, &moved.phases, |phase| [
            html! { (phase.name) },
            instant(phase.at),
            html! { (span(phase.at.since(moved.origin()))) },
        ]))
    }
}

/// The calls of one attempt, each with its bar.
fn steps(room: &mut Room, stored: &StoredRecord) -> Markup {
    let entry = &stored.record.entry;
    let whole = entry.took();
    let heads = ["Call", "To scale", "Start", "Took", "Request id"];
    let caption = format!("A bar is {} wide, the whole attempt", span(whole));
    let calls = table(room, &caption, heads, &entry.steps, |step| {
        let stretch = Stretch { shape: Shape::of(step), from: step.start, to: step.start + step.took };
        let drawn = html! {
            (bar(whole, &[stretch]))
            @if let Some(error) = &step.error { div { (badge(Tone::Bad, "failed")) " " (cut(error)) } }
        };
        [
            html! { (cut(&step.name)) },
            drawn,
            html! { (step.start.as_millis()) " ms" },
            html! { (step.took.as_millis()) " ms" },
            html! { code { (cut(step.request_id.as_deref().unwrap_or("-"))) } },
        ]
    });
    section(&format!("Calls of record {}", stored.record.seq), &calls)
}

/// The group before and after, by the newest record that has it.
fn sets(room: &mut Room, own: &[&StoredRecord]) -> Markup {
    let mut newest_first = own.iter().rev().map(|stored| &stored.record.entry);
    let both = newest_first.clone().find(|entry| !entry.before.is_empty());
    let Some(entry) = both.or_else(|| newest_first.find(|entry| !entry.after.is_empty())) else {
        return Markup::default();
    };
    let sets = html! {
        p { code { (entry.target_group.as_str()) } }
        div class="pair" {
            (rows(room, "Before, as first read", &entry.before))
            (rows(room, "After, as last read", &entry.after))
        }
    };
    section("Target group", &sets)
}

fn rows(room: &mut Room, caption: &str, rows: &[ObservedTarget]) -> Markup {
    let heads = ["Target", "State", "Reason", "Zone"];
    let nothing = if rows.is_empty() { ": not read" } else { "" };
    let rows = table(room, &format!("{caption}{nothing}"), heads, rows, |seen| {
        [
            html! { code { (maud::display(seen.target)) } },
            html! { (cut(seen.health.as_str())) },
            html! { (cut(seen.reason.as_deref().unwrap_or("-"))) },
            html! { (cut(seen.availability_zone.as_deref().unwrap_or("-"))) },
        ]
    });
    html! { div { (rows) } }
}

fn evidence(room: &mut Room, own: &[&StoredRecord], now: Timestamp) -> Markup {
    let Some(trigger) = own.iter().find_map(|stored| stored.record.entry.trigger.as_ref()) else {
        return Markup::default();
    };
    let from = match trigger {
        RecordedTrigger::Event(event) => {
            let id = event.id.map_or("without an id".to_owned(), |id| id.to_string());
            let source = html! { (format_args!("{} {}", event.kind, event.source)) };
            html! {
                (fact("Event", &html! { (id) }))
                (fact("Source", &source))
                @if let Some(arn) = &event.source_arn {
                    (fact("Source ARN", &html! { code { (cut(&arn.to_string())) } }))
                }
            }
        }
        RecordedTrigger::Reading { .. } => fact("By", &html! { "the discovery sources, without an event" }),
        RecordedTrigger::Command { by, .. } => fact("Command by", &html! { (cut(by)) }),
    };
    let text = html! {
        blockquote dir="auto" { (cut(trigger.text())) }
        dl { (fact("Time", &time(trigger.at(), now))) (from) }
    };
    room.counted(section("Evidence", &text))
}

fn records(room: &mut Room, own: &[&StoredRecord], now: Timestamp) -> Markup {
    let fits = |stored: &&StoredRecord| {
        if room.is_full() { None } else { Some(room.counted(record(stored, now))) }
    };
    let shown: Vec<Markup> = own.iter().map_while(fits).collect();
    let left_out = &own[shown.len()..];
    html! {
        @for record in &shown { (record) }
        @if let Some(first) = left_out.first() {
            p {
                (left_out.len()) " more do not fit on this page; `writerlink audit show "
                (maud::display(first.record.entry.transition)) "` has all of them."
            }
        }
    }
}

/// One record, with its hashes.
fn record(stored: &StoredRecord, now: Timestamp) -> Markup {
    let (record, entry) = (&stored.record, &stored.record.entry);
    let word = entry.outcome.map_or(entry.kind.as_str(), |outcome| outcome.as_str());
    let altered = stored.altered_parts();
    let altered = altered.map(|parts| format!("altered after it was written: {}", cut(&parts)));
    html! {
        article {
            h3 {
                (format_args!("{}/{} ", record.route, record.seq))
                (badge(Tone::of(entry.kind, entry.outcome), word))
            }
            @if !entry.note.is_empty() { p { (cut(&entry.note)) } }
            dl {
                (fact("Written", &time(entry.at, now)))
                (about(entry))
                (fact("Hash", &html! { code { (maud::display(stored.hash)) } }))
                (fact("Follows", &html! { code { (maud::display(record.prev)) } }))
                @if let Some(altered) = altered { (fact("Integrity", &badge(Tone::Bad, &altered))) }
            }
        }
    }
}

fn about(entry: &Entry) -> Markup {
    let Entry { owner, version, attempt, generation, .. } = entry;
    let kind = html! {
        (entry.kind.as_str())
        @if let Some(reason) = entry.reason { ", " (reason.as_str()) }
    };
    html! {
        (fact("Kind", &kind))
        @if let Some((instance, target)) = &entry.desired {
            (fact("Desired", &html! { (instance.as_str()) " at " code { (maud::display(target)) } }))
        }
        (fact("By", &html! { (cut(&format!("{owner}, writerlink {version}"))) }))
        @if let Some(Provenance { installation, config }) = entry.provenance.as_deref() {
            @let from = html! { (installation.as_str()) ", configuration " code { (config.as_str()) } };
            (fact("Installation", &from))
        }
        (fact("Attempt", &html! { (format_args!("{attempt}, generation {generation}")) }))
        (fact("Event key", &html! { code { (maud::display(&entry.event_key)) } }))
    }
}

fn same_event(room: &mut Room, others: &[&Move], now: Timestamp) -> Markup {
    if others.is_empty() {
        return html! { p { "This event has no other transition." } };
    }
    let heads = ["Transition", "Outcome", "Began"];
    let caption = format!("{} other transitions, newest first", others.len());
    table(room, &caption, heads, others, |other| {
        let id = html! { code { (maud::display(other.transition)) } };
        [transition_link(other.transition, &id), badge(other.tone(), other.word()), time(other.began(), now)]
    })
}

/// A text from outside, cut to what a page can hold; the record has all of it.
fn cut(text: &str) -> String {
    parts::cut(text, TEXT_CHARS_MAX, " … (cut; the record has all of it)")
}
