//! A line for each route, and more words for those that need them.

use std::io::{self, Write};

use crate::cli::render::{Look, Tone, WIDTH_MAX, clean, or_dash, pairs, resource, span};
use writerlink_core::actuation::relay::live;
use writerlink_core::actuation::weights::Weight;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::model::route::{Relay, Strategy};
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::survey::view::RouteView;
use writerlink_engine::survey::{GroupSurvey, QueueSurvey, RouteSurvey, Survey};

const HEADINGS: [&str; 7] = ["ROUTE", "STATE", "INSTANCE", "TARGET", "NLB", "MOVED", "HELD"];

/// The place of [`RouteHealth`] among the columns: the one that is never cut short, and has a colour.
const STATE: usize = 1;

/// What stands between two columns.
const GAP: usize = 2;

/// What is no narrower than this is cut short when a line is too long.
const COLUMN_MIN: usize = 8;

/// Writes the table, and below it why a route is not right.
pub(super) fn write(survey: &Survey, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<[String; 7]> = survey.routes.iter().map(cells).collect();
    let widths = widths(&rows);
    writeln!(out, "{}", line(&HEADINGS.map(str::to_owned), &widths, |_| None, look))?;
    for (route, row) in survey.routes.iter().zip(&rows) {
        let tone = tone(route.assessment.health);
        let tone_of = |column| (column == STATE).then_some(tone);
        writeln!(out, "{}", line(row, &widths, tone_of, look))?;
    }
    let words: Vec<_> = survey.routes.iter().flat_map(words).collect();
    if !words.is_empty() {
        writeln!(out)?;
    }
    pairs(&words, out)
}

pub(super) fn tone(health: RouteHealth) -> Tone {
    match health {
        RouteHealth::InSync => Tone::Good,
        RouteHealth::OutOfSync => Tone::Bad,
        RouteHealth::Converging | RouteHealth::Held | RouteHealth::Unknown => Tone::Strong,
    }
}

fn cells(survey: &RouteSurvey) -> [String; 7] {
    let control = survey.control();
    let desired = control.and_then(|control| control.desired.as_ref());
    let moved = match (&survey.records, &survey.last_move) {
        (Err(_), _) => Some("not read".to_owned()),
        (Ok(_), last) => last.as_ref().map(|last| format!("{} ago", span(survey.at.since(last.at)))),
    };
    let cells = [
        survey.route.name.to_string(),
        survey.assessment.health.to_string(),
        or_dash(desired.map(|desired| desired.instance.to_string())),
        or_dash(desired.map(|desired| desired.target.to_string())),
        or_dash(desired.map(|desired| nlb(survey, desired))),
        or_dash(moved),
        or_dash(held(survey)),
    ];
    cells.map(|cell| clean(&cell))
}

/// How the load balancer sees the desired target, and whatever else is unusual about its group.
pub(super) fn nlb(survey: &RouteSurvey, desired: &Desired) -> String {
    if let Strategy::Relay(relay) = &survey.route.strategy {
        return relays(survey, relay, desired);
    }
    let own =
        |group: &&GroupSurvey| group.instance.is_none() || group.instance.as_ref() == Some(&desired.instance);
    let Some(group) = survey.groups.iter().find(own) else {
        return "no group".to_owned();
    };
    let Ok(rows) = &group.rows else {
        return "not read".to_owned();
    };
    let row = rows.iter().find(|row| row.target == desired.target);
    let mut parts = vec![row.map_or("absent", |row| row.health.as_str()).to_owned()];
    let wanted = desired.targets();
    let others = rows.iter().filter(|row| row.is_registered() && !wanted.contains(&row.target));
    let others = others.count();
    if others > 0 {
        parts.push(format!("{others} more"));
    }
    let weighted = matches!(survey.route.strategy, Strategy::Weighted(_));
    if let Some(weight) = group.weight.filter(|weight| weighted && *weight != Weight::WHOLE) {
        parts.push(format!("weight {weight}"));
    }
    parts.join(", ")
}

/// How many of the live relays forward to the desired instance.
fn relays(survey: &RouteSurvey, relay: &Relay, desired: &Desired) -> String {
    let Ok(reports) = &survey.relays else {
        return "not read".to_owned();
    };
    let live: Vec<_> = live(reports, relay, survey.at).collect();
    let there = live.iter().filter(|report| {
        let applied = report.routes.get(&survey.route.name);
        applied.is_some_and(|applied| applied.instance == desired.instance)
    });
    match (there.count(), live.len()) {
        (_, 0) => "no relay".to_owned(),
        (there, all) if there == all => format!("{all} relays"),
        (there, all) => format!("{there} of {all} relays"),
    }
}

/// The rules that are in force, and whether something waits for them.
fn held(survey: &RouteSurvey) -> Option<String> {
    let view = RouteView::of(survey);
    let mut words: Vec<&str> = view.holds.iter().map(|held| held.rule).collect();
    if view.pending.is_some() {
        words.push("waiting");
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// The widths that fit: the widest columns give way first.
fn widths(rows: &[[String; 7]]) -> [usize; 7] {
    let length = |text: &str| text.chars().count();
    let mut widths = HEADINGS.map(length);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = length(cell).max(*width);
        }
    }
    let room = usize::from(WIDTH_MAX) - GAP * (HEADINGS.len() - 1);
    while widths.iter().sum::<usize>() > room {
        let mut wide = widths.iter_mut().enumerate();
        let widest = wide
            .by_ref()
            .filter(|(column, width)| *column != STATE && **width > COLUMN_MIN)
            .max_by_key(|(_, width)| **width);
        match widest {
            Some((_, width)) => *width -= 1,
            None => break,
        }
    }
    widths
}

fn line(
    cells: &[String; 7],
    widths: &[usize; 7],
    tone_of: impl Fn(usize) -> Option<Tone>,
    look: Look,
) -> String {
    let mut line = String::new();
    let last = cells.len() - 1;
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let cell = cut(cell, *width);
        let padding = width + GAP - cell.chars().count();
        match tone_of(column) {
            Some(tone) => line.push_str(&look.paint(tone, &cell)),
            None => line.push_str(&cell),
        }
        if column < last {
            line.extend(std::iter::repeat_n(' ', padding));
        }
    }
    line
}

/// Cut short in the middle: names of one fleet differ at their ends.
fn cut(text: &str, width: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let front = kept / 2;
    let back = chars.len() - (kept - front);
    chars[..front].iter().chain(&['…']).chain(&chars[back..]).collect()
}

/// Why a route is not right, what holds it back, and what could not be read of it.
fn words(survey: &RouteSurvey) -> Vec<(String, String)> {
    let view = RouteView::of(survey);
    let mut words = Vec::new();
    if survey.assessment.health != RouteHealth::InSync {
        words.push(view.why);
    }
    // A judgement that names the rule already has said so.
    let said = words.join(" ");
    words.extend(view.holds.into_iter().map(|held| held.note).filter(|note| !said.contains(note)));
    words.extend(view.unread.into_iter().map(|unread| not_read(&unread.part, &unread.error)));
    let name = survey.route.name.to_string();
    words.into_iter().map(|text| (name.clone(), text)).collect()
}

fn not_read(part: &str, error: &str) -> String {
    format!("{} not read: {error}", resource(part))
}

/// How full the queue is, in a line.
pub(super) fn queue(queue: &QueueSurvey, out: &mut dyn Write) -> io::Result<()> {
    let waiting = match &queue.depth {
        Ok(depth) => format!("{} waiting, {} in flight", depth.visible, depth.in_flight),
        Err(why) => format!("not read: {why}"),
    };
    let dead = match (&queue.depth, &queue.dead_letters) {
        (_, Ok(depth)) => format!("; dead letters: {}", depth.visible),
        // One reason for both is told once.
        (Err(one), Err(other)) if one == other => String::new(),
        (_, Err(why)) => format!("; dead letters not read: {why}"),
    };
    writeln!(out)?;
    pairs(&[("queue".to_owned(), format!("{waiting}{dead}"))], out)
}
