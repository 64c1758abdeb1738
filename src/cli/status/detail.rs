//! Everything about one route, for whoever has to understand it now.

use std::io::{self, Write};
use std::time::Duration;

use crate::cli::render::{Look, clean, pairs, resource, span};
use crate::cli::status::table::tone;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::ledger::holds::FLAP_WITHIN;
use writerlink_core::model::target::MoveMode;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::survey::RouteSurvey;
use writerlink_engine::survey::view::{
    ChainEndView, ChainView, GroupView, HealthWatchView, LatestView, LeaseView, MoveView, RelayView,
    RouteView, SourceConflictView, UnresolvedEventView,
};

/// A line of the details: what it is about, and what is said.
type Line = (String, String);

/// Writes everything about a route.
pub(super) fn write(survey: &RouteSurvey, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let view = RouteView::of(survey);
    let title = format!("route {}: {}", clean(&view.route), view.state);
    let title = look.paint(tone(survey.assessment.health), &title);
    writeln!(out, "{title}")?;
    let mut lines =
        vec![line("why", &view.why), line("strategy", format!("{}, mode {}", view.strategy, view.mode))];
    lines.extend(pointing(survey));
    lines.extend(view.unresolved_event.iter().map(unresolved));
    lines.extend(view.source_conflict.iter().map(conflict));
    lines.extend(hindered(survey, &view));
    lines.extend(view.listener.iter().map(|arn| line("listener", resource(arn))));
    lines.extend(view.groups.iter().flat_map(group));
    lines.extend(view.relays.iter().map(relay));
    lines.extend(view.last_move.iter().flat_map(last_move));
    lines.extend(view.health_watch.iter().map(follow));
    lines.extend(view.latest.iter().map(latest));
    lines.extend(view.chain.iter().map(chain));
    lines.extend(view.chain_end.iter().filter_map(chain_end));
    lines.extend(view.unread.iter().map(|part| {
        let text = format!("{}: {}", resource(&part.part), part.error);
        line("not read", text)
    }));
    pairs(&lines, out)
}

fn line(name: &str, text: impl Into<String>) -> Line {
    (format!("  {name}"), text.into())
}

/// Where the ledger says that it points, and what is held back.
fn pointing(survey: &RouteSurvey) -> Vec<Line> {
    let Some(control) = survey.control() else {
        return Vec::new();
    };
    let named = [("points at", &control.desired), ("waiting", &control.waiting)];
    let named = named.into_iter();
    named.filter_map(|(name, desired)| Some(line(name, place(desired.as_ref()?, survey.at)))).collect()
}

fn place(desired: &Desired, now: Timestamp) -> String {
    let said_at = desired.evidence.at;
    let mut parts = vec![format!("{} at {}", desired.instance, desired.target)];
    parts.extend(desired.additional_targets.iter().map(|target| format!("and {target}")));
    if desired.move_mode == MoveMode::Register {
        parts.push("beside the old one".to_owned());
    }
    let ago = span(now.since(said_at));
    parts.push(format!("by evidence of {said_at} ({ago} ago)"));
    parts.join(", ")
}

/// Which event it is, for `explain`; the judgement has said why it matters.
fn unresolved(event: &UnresolvedEventView) -> Line {
    let UnresolvedEventView { event_key, since, outcome, reason, .. } = event;
    let outcome = outcome.unwrap_or("it comes back");
    let text = format!("event {event_key} since {since}: {outcome} ({reason})");
    line("unresolved", text)
}

fn conflict(conflict: &SourceConflictView) -> Line {
    let SourceConflictView { since, reason, by, .. } = conflict;
    line("conflict", format!("{reason} since {since}, seen by {by}"))
}

/// What holds the route back, or may soon, and who has it in hand.
fn hindered(survey: &RouteSurvey, view: &RouteView) -> Vec<Line> {
    let held = view.holds.iter();
    let mut lines: Vec<Line> = held.map(|held| line("held back", &held.note)).collect();
    if view.recent_moves > 0 {
        let minutes = FLAP_WITHIN.as_secs() / 60;
        let max = match survey.route.policy.flap_moves_max {
            0 => "any number is".to_owned(),
            max => format!("{max} are"),
        };
        let text = format!("{} in the last {minutes} minutes; {max} allowed", view.recent_moves);
        lines.push(line("moves", text));
    }
    lines.extend(view.lease.iter().map(lease));
    lines
}

fn lease(lease: &LeaseView) -> Line {
    let LeaseView { owner, transition, left_ms, free_in_ms, .. } = lease;
    let [left, free_in] = [left_ms, free_in_ms].map(|ms| seconds_up(*ms));
    let text = if *left_ms > 0 {
        format!("{owner} holds it for {left} s more, for {transition}")
    } else {
        format!("{owner} held it for {transition}, and may be gone")
    };
    line("lease", format!("{text}; another may take it in {free_in} s"))
}

/// Rounded up: who comes back after that long must not be early.
fn seconds_up(ms: u64) -> u64 {
    ms.div_ceil(1000)
}

/// A target group, and a line for each of its rows.
fn group(group: &GroupView) -> Vec<Line> {
    let arn = resource(&group.target_group);
    let text = match (&group.instance, group.weight) {
        (None, _) => arn.to_owned(),
        (Some(instance), Some(weight)) => format!("of {instance}, weight {weight}: {arn}"),
        (Some(instance), None) => format!("of {instance}, without a weight: {arn}"),
    };
    let mut lines = vec![line("group", text)];
    match &group.targets {
        None => lines.push(line("", "not read")),
        Some(rows) if rows.is_empty() => lines.push(line("", "it is empty")),
        Some(rows) => lines.extend(rows.iter().map(|row| {
            let reason = row.reason.iter().map(|reason| format!(" ({reason})"));
            let instance = row.instance.iter().map(|instance| format!(", {instance}"));
            let desired = row.desired.then(|| ", where the route points".to_owned());
            let more: String = reason.chain(instance).chain(desired).collect();
            line("", format!("{} {}{more}", row.target, row.state))
        })),
    }
    lines
}

/// What a relay forwards to.
fn relay(relay: &RelayView) -> Line {
    let RelayView { relay: name, age_ms, live, instance, applied_at, .. } = relay;
    let to = match (instance, applied_at) {
        (Some(instance), Some(at)) => format!("forwards to {instance} since {at}"),
        _ => "has applied nothing yet".to_owned(),
    };
    let ago = span(Duration::from_millis(*age_ms));
    let live = if *live { "" } else { "; silent: it does not count" };
    line("relay", format!("{name} {to}, reported {ago} ago{live}"))
}

/// The last move, and how long after its evidence it reached what.
fn last_move(last: &MoveView) -> Vec<Line> {
    let reason = last.reason.map(|reason| format!(" ({reason})"));
    let heading = format!(
        "{} ({} ago): {}{}, by {}, attempt {}, {}",
        last.at,
        span(Duration::from_millis(last.age_ms)),
        last.outcome.unwrap_or(last.state),
        reason.unwrap_or_default(),
        last.cause,
        last.attempt,
        last.record
    );
    let mut lines = vec![line("moved", heading)];
    if !last.note.is_empty() {
        lines.push(line("", &last.note));
    }
    let phases = last.phases.iter();
    let phases: Vec<String> =
        phases.map(|phase| format!("{} +{}", phase.name, after(phase.after_ms))).collect();
    let text = format!("since the evidence of {}: {}", last.evidence_at, phases.join(", "));
    lines.push(line("phases", text));
    lines
}

/// Milliseconds where they matter, which is not where the load balancer takes its minutes.
fn after(ms: u64) -> String {
    if ms < 10_000 { format!("{ms} ms") } else { format!("{} s", ms / 1000) }
}

fn follow(follow: &HealthWatchView) -> Line {
    let HealthWatchView { instance, target, serving_state, old_targets } = follow;
    let left = match old_targets.as_slice() {
        [] => String::new(),
        left => format!("; still to go: {}", left.join(", ")),
    };
    let text = format!("{instance} at {target}: {serving_state}{left}");
    line("following", text)
}

fn latest(latest: &LatestView) -> Line {
    let reason = latest.reason.map(|reason| format!(" ({reason})"));
    let text = format!(
        "{} {} ({} ago): {}{}",
        latest.record,
        latest.at,
        span(Duration::from_millis(latest.age_ms)),
        latest.outcome.unwrap_or(latest.kind),
        reason.unwrap_or_default()
    );
    line("newest", text)
}

fn chain(chain: &ChainView) -> Line {
    let text = match chain.seq {
        0 => "nothing is recorded yet".to_owned(),
        seq => format!("ends at {seq}, hash {}", chain.hash),
    };
    line("chain", text)
}

/// Where the audit ends, if not there; the judgement has said what to do.
fn chain_end(end: &ChainEndView) -> Option<Line> {
    end.difference.as_ref()?;
    let text = match end.newest_seq {
        0 => format!("has no record ({})", end.found),
        seq => format!("ends at {seq} ({})", end.found),
    };
    Some(line("audit", text))
}
