//! `/transitions/ID`: everything recorded of one transition, and what else is recorded of its event.

use super::bars::{self, Shape, Stretch, bar};
use super::html::Html;
use super::moves::{Move, Tone, moves};
use super::parts::{self, badge, code, dim, fact, facts, line, section, table, time, transition_link};
use super::recent::legend;
use super::site::SCAN_MAX;
use crate::domain::audit::{Entry, Step, Told};
use crate::domain::event::RdsEvent;
use crate::domain::provenance::Provenance;
use crate::domain::target::ObservedTarget;
use crate::domain::time::Timestamp;
use crate::domain::transition::TransitionId;
use crate::ports::StoredRecord;
use crate::text::span;

/// How many characters of a text from outside are shown; an event's message has some hundreds.
const TEXT_CHARS_MAX: usize = 1_000;

/// The page of the transition with this id, out of all records of its event.
pub(super) fn page(
    from: Option<&Provenance>,
    event: &[StoredRecord],
    id: TransitionId,
    now: Timestamp,
) -> String {
    let of_it = |stored: &&StoredRecord| stored.record.entry.transition == id;
    let mut own: Vec<&StoredRecord> = event.iter().filter(of_it).collect();
    own.sort_by_key(|stored| stored.record.seq);
    let of_event = moves(event);
    let (own_move, others): (Vec<&Move>, Vec<&Move>) =
        of_event.iter().partition(|moved| moved.transition == id);
    let Some(moved) = own_move.first() else {
        return not_found(from, id);
    };
    let title = format!("Transition of {}", moved.route);
    parts::page(from, &title, |page| {
        heading(page, moved, now);
        section(page, "From evidence to effect", |page| phases(page, moved));
        for stored in own.iter().filter(|s| !s.record.entry.steps.is_empty()) {
            steps(page, stored);
        }
        sets(page, &own);
        evidence(page, &own, now);
        section(page, "Records", |page| {
            records(page, &own, now);
        });
        section(page, "The same event", |page| {
            same_event(page, &others, now);
        });
        parts::way_back(page);
    })
}

fn records(page: &mut Html, own: &[&StoredRecord], now: Timestamp) {
    for (n, stored) in own.iter().enumerate() {
        if page.is_full() {
            let text = format!(
                "{} more do not fit on this page; `writerlink audit show {}` has all of them.",
                own.len() - n,
                stored.record.entry.transition
            );
            page.text_element("p", &[], &text);
            return;
        }
        record(page, stored, now);
    }
}

/// Said where nothing was found.
pub(super) fn not_found(from: Option<&Provenance>, id: TransitionId) -> String {
    parts::page(from, "No such transition", |page| {
        page.text_element("h1", &[], "No such transition");
        let day = id.began().day();
        let text = format!(
            "No record of {id} was found among the newest {SCAN_MAX} of {day}, the day it would have begun. \
             `writerlink audit show {id}` looks further."
        );
        page.text_element("p", &[], &text);
        parts::way_back(page);
    })
}

/// Said where the id is none.
pub(super) fn no_id(from: Option<&Provenance>, text: &str) -> String {
    parts::page(from, "No such transition", |page| {
        page.text_element("h1", &[], "No such transition");
        let text =
            format!("{} is no transition's id, such as 01977f2e-8c3a-7b1d-9e0f-112233445566.", cut(text));
        page.text_element("p", &[], &text);
        parts::way_back(page);
    })
}

fn heading(page: &mut Html, moved: &Move, now: Timestamp) {
    page.element("h1", &[], |page| {
        page.text(moved.route.as_str());
        if let Some(instance) = &moved.instance {
            page.text(&format!(" to {instance}"));
        }
    });
    page.element("p", &[("class", "lead")], |page| {
        badge(page, moved.tone(), moved.word());
        page.text(" ");
        if let Some(reason) = moved.reason {
            page.text(reason.as_str());
            page.text(", ");
        }
        page.text(&format!("by {}, began ", moved.cause.as_str()));
        time(page, moved.began, now);
    });
    page.element("p", &[], |page| {
        dim(page, "Transition ");
        code(page, &moved.transition.to_string());
    });
}

fn phases(page: &mut Html, moved: &Move) {
    bar(page, moved.span(), &bars::of_move(moved));
    page.text_element("p", &[], &moved.in_words());
    legend(page);
    let heads = &["Reached", "At", "After the evidence"];
    let caption = "What was reached when; of calls, when they were accepted";
    table(page, caption, heads, &moved.phases, |row, phase| {
        row.name(|page| page.text(phase.name));
        row.cell(|page| parts::instant(page, phase.at));
        row.cell(|page| page.text(&span(phase.at.since(moved.origin()))));
    });
}

/// The calls of one attempt, each with its bar.
fn steps(page: &mut Html, stored: &StoredRecord) {
    let entry = &stored.record.entry;
    let whole = entry.took();
    let title = format!("Calls of record {}", stored.record.seq);
    section(page, &title, |page| {
        let heads = &["Call", "To scale", "Start", "Took", "Request id"];
        let caption = format!("A bar is {} wide, the whole attempt", span(whole));
        table(page, &caption, heads, &entry.steps, |row, step| {
            row.name(|page| page.text(&cut(&step.name)));
            row.cell(|page| {
                bar(page, whole, &[stretch(step)]);
                if let Some(error) = &step.error {
                    line(page, |page| {
                        badge(page, Tone::Bad, "failed");
                        page.text(" ");
                        page.text(&cut(error));
                    });
                }
            });
            row.cell(|page| page.text(&format!("{} ms", step.start.as_millis())));
            row.cell(|page| page.text(&format!("{} ms", step.took.as_millis())));
            row.cell(|page| code(page, &cut(step.request_id.as_deref().unwrap_or("-"))));
        });
    });
}

fn stretch(step: &Step) -> Stretch {
    Stretch { shape: Shape::of(step), from: step.start, to: step.start + step.took }
}

/// The group before and after, as the last record that has seen it says.
fn sets(page: &mut Html, own: &[&StoredRecord]) {
    let entries = own.iter().rev().map(|stored| &stored.record.entry);
    let mut seen = entries.filter(|entry| !entry.before.is_empty() || !entry.after.is_empty());
    let with_both = own.iter().rev().map(|stored| &stored.record.entry);
    let both = with_both.into_iter().find(|entry| !entry.before.is_empty());
    let Some(entry) = both.or_else(|| seen.next()) else {
        return;
    };
    section(page, "Target group", |page| {
        page.element("p", &[], |page| code(page, entry.target_group.as_str()));
        page.element("div", &[("class", "pair")], |page| {
            rows(page, "Before, as first seen", &entry.before);
            rows(page, "After, as last seen", &entry.after);
        });
    });
}

fn rows(page: &mut Html, caption: &str, rows: &[ObservedTarget]) {
    let heads = &["Target", "State", "Reason", "Zone"];
    page.element("div", &[], |page| {
        let nothing = if rows.is_empty() { ": nothing was seen" } else { "" };
        table(page, &format!("{caption}{nothing}"), heads, rows, |row, seen| {
            row.name(|page| code(page, &seen.target.to_string()));
            row.cell(|page| page.text(&cut(seen.health.as_str())));
            row.cell(|page| page.text(&cut(seen.reason.as_deref().unwrap_or("-"))));
            row.cell(|page| page.text(&cut(seen.availability_zone.as_deref().unwrap_or("-"))));
        });
    });
}

fn evidence(page: &mut Html, own: &[&StoredRecord], now: Timestamp) {
    let told = |stored: &&StoredRecord| stored.record.entry.told.clone();
    let Some(told) = own.iter().find_map(told) else {
        return;
    };
    section(page, "Evidence", |page| {
        page.text_element("blockquote", &[("dir", "auto")], &cut(told.said()));
        facts(page, |page| {
            fact(page, "Said", |page| time(page, told.at(), now));
            match &told {
                Told::Event(told) => event(page, told),
                Told::Truth { .. } => {
                    fact(page, "By", |page| {
                        page.text("the route's witnesses, without an event");
                    });
                }
                Told::Order { by, .. } => fact(page, "Ordered by", |page| page.text(&cut(by))),
            }
        });
    });
}

fn event(page: &mut Html, event: &RdsEvent) {
    let id = event.id.map(|id| id.to_string());
    fact(page, "Event", |page| {
        page.text(id.as_deref().unwrap_or("without an id"));
    });
    fact(page, "Source", |page| {
        page.text(&format!("{} {}", event.kind, event.source));
    });
    if let Some(arn) = &event.source_arn {
        fact(page, "Source ARN", |page| {
            code(page, &cut(&arn.to_string()));
        });
    }
}

/// One record, with what shows that it is as it was written.
fn record(page: &mut Html, stored: &StoredRecord, now: Timestamp) {
    let (record, entry) = (&stored.record, &stored.record.entry);
    page.element("article", &[], |page| {
        page.element("h3", &[], |page| {
            page.text(&format!("{}/{} ", record.route, record.seq));
            let word = entry.outcome.map_or(entry.kind.as_str(), |outcome| outcome.as_str());
            badge(page, Tone::of(entry.kind, entry.outcome), word);
        });
        if !entry.note.is_empty() {
            page.text_element("p", &[], &cut(&entry.note));
        }
        facts(page, |page| {
            fact(page, "Written", |page| time(page, entry.at, now));
            about(page, entry);
            fact(page, "Hash", |page| code(page, &stored.hash.to_string()));
            fact(page, "Follows", |page| code(page, &record.prev.to_string()));
            if let Some(parts) = stored.altered_parts() {
                fact(page, "Integrity", |page| {
                    let text = format!("altered after it was written: {}", cut(&parts));
                    badge(page, Tone::Bad, &text);
                });
            }
        });
    });
}

fn about(page: &mut Html, entry: &Entry) {
    fact(page, "Kind", |page| {
        let reason = entry.reason.map(|reason| format!(", {}", reason.as_str()));
        page.text(&format!("{}{}", entry.kind.as_str(), reason.unwrap_or_default()));
    });
    if let Some((instance, target)) = &entry.desired {
        fact(page, "Desired", |page| {
            page.text(&format!("{instance} at "));
            code(page, &target.to_string());
        });
    }
    fact(page, "By", |page| {
        let Entry { owner, version, .. } = entry;
        page.text(&cut(&format!("{owner}, writerlink {version}")));
    });
    if let Some(from) = &entry.provenance {
        fact(page, "Installation", |page| {
            page.text(&format!("{}, configuration ", from.installation));
            code(page, from.config.as_str());
        });
    }
    fact(page, "Attempt", |page| {
        let Entry { attempt, generation, .. } = entry;
        page.text(&format!("{attempt}, generation {generation}"));
    });
    fact(page, "Event key", |page| {
        code(page, &entry.event_key.to_string());
    });
}

fn same_event(page: &mut Html, others: &[&Move], now: Timestamp) {
    if others.is_empty() {
        page.text_element("p", &[], "No other transition is recorded of this event.");
        return;
    }
    let heads = &["Transition", "Outcome", "Began"];
    let caption = format!("{} other transitions, newest first", others.len());
    table(page, &caption, heads, others, |row, other| {
        row.name(|page| {
            transition_link(page, other.transition, |page| {
                code(page, &other.transition.to_string());
            });
        });
        row.cell(|page| badge(page, other.tone(), other.word()));
        row.cell(|page| time(page, other.began, now));
    });
}

/// A text from outside, cut to what a page can hold; the record has all of it.
fn cut(text: &str) -> String {
    if text.chars().count() <= TEXT_CHARS_MAX {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(TEXT_CHARS_MAX).collect();
    short.push_str(" … (cut; the record has all of it)");
    short
}
