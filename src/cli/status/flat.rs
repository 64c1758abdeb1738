//! A route in one flat row, for spreadsheets.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::render::csv;
use crate::cli::status::table::nlb;
use writerlink_engine::survey::view::{RouteView, UnreadView};
use writerlink_engine::survey::{RouteSurvey, Survey};

#[derive(Default, Serialize)]
struct FlatRow {
    at: String,
    route: String,
    state: &'static str,
    why: String,
    strategy: &'static str,
    mode: &'static str,
    instance: Option<String>,
    target: Option<String>,
    nlb: Option<String>,
    moved_at: Option<String>,
    moved_age_ms: Option<u64>,
    cause: Option<&'static str>,
    outcome: Option<&'static str>,
    reason: Option<&'static str>,
    held_back: String,
    waiting: Option<String>,
    unresolved_event: Option<&'static str>,
    source_conflict: Option<&'static str>,
    lease_owner: Option<String>,
    lease_left_ms: Option<u64>,
    chain_seq: Option<u64>,
    chain_hash: Option<String>,
    chain_end: Option<&'static str>,
    unread: String,
}

/// Writes a row for each route.
pub(super) fn write(survey: &Survey, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<FlatRow> = survey.routes.iter().map(row).collect();
    csv(&rows, out)
}

fn row(survey: &RouteSurvey) -> FlatRow {
    let desired = survey.control().and_then(|control| control.desired.as_ref());
    let nlb = desired.map(|desired| nlb(survey, desired));
    let view = RouteView::of(survey);
    let (instance, target) = view.desired.map(|d| (d.instance, d.target)).unzip();
    let last = view.last_move.as_ref();
    let held: Vec<&str> = view.holds.iter().map(|held| held.rule).collect();
    let unread = |unread: &UnreadView| format!("{}: {}", unread.part, unread.error);
    FlatRow {
        at: view.at,
        route: view.route,
        state: view.state,
        why: view.why,
        strategy: view.strategy,
        mode: view.mode,
        instance,
        target,
        nlb,
        moved_at: last.map(|last| last.at.clone()),
        moved_age_ms: last.map(|last| last.age_ms),
        cause: last.map(|last| last.cause),
        outcome: last.and_then(|last| last.outcome),
        reason: last.and_then(|last| last.reason),
        held_back: held.join(" "),
        waiting: view.pending.map(|waiting| waiting.instance),
        unresolved_event: view.unresolved_event.map(|event| event.reason),
        source_conflict: view.source_conflict.map(|conflict| conflict.reason),
        lease_owner: view.lease.as_ref().map(|lease| lease.owner.clone()),
        lease_left_ms: view.lease.map(|lease| lease.left_ms),
        chain_seq: view.chain.as_ref().map(|chain| chain.seq),
        chain_hash: view.chain.map(|chain| chain.hash),
        chain_end: view.chain_end.map(|end| end.found),
        unread: view.unread.iter().map(unread).collect::<Vec<_>>().join("; "),
    }
}
