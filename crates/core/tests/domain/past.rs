//! `LastMove`: the last attempt that took the route, out of its newest records.

use std::time::Duration;

use writerlink_core::ledger::record::{AuditRecord, Entry, RecordKind, RecordedTrigger, Step};
use writerlink_core::model::ids::{Hash, TransitionId};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::last_move::LastMove;

use super::values::{COMPLETED, entry, event, instance, route, second, target};

/// Records of a route, oldest first as they were written; handed over newest first.
fn among(entries: Vec<Entry>) -> Option<LastMove> {
    let records: Vec<AuditRecord> = (1..)
        .zip(entries)
        .map(|(seq, entry)| AuditRecord {
            route: route().name,
            seq,
            prev: Hash::default(),
            entry,
            changes: None,
        })
        .collect();
    LastMove::among(&records.iter().rev().collect::<Vec<_>>())
}

fn of_kind(kind: RecordKind, began: i64, at: i64, outcome: Option<Outcome>) -> Entry {
    let told = event(COMPLETED, "Completed failover to DB instance: db-2", second(100));
    Entry {
        kind,
        transition: TransitionId::from_parts(second(began), 1),
        trigger: Some(RecordedTrigger::Event(told)),
        desired: Some((instance(2), target(2))),
        ..entry(1, second(at), outcome)
    }
}

fn step(name: &str, start_ms: u64, took_ms: u64) -> Step {
    Step {
        name: name.to_owned(),
        start: Duration::from_millis(start_ms),
        took: Duration::from_millis(took_ms),
        request_id: None,
        error: None,
    }
}

fn swapped(began: i64) -> Vec<Entry> {
    let mut finished = of_kind(RecordKind::Finished, began, began + 1, Some(Outcome::Moved));
    finished.steps =
        vec![step("Begin", 0, 10), step("RegisterTargets", 10, 40), step("DeregisterTargets", 60, 40)];
    vec![of_kind(RecordKind::Started, began, began, None), finished]
}

/// A second attempt that failed at `at` and is tried again.
pub(crate) fn deferred(at: Timestamp) -> LastMove {
    let mut entry = of_kind(RecordKind::Deferred, 100, 100, None);
    entry.at = at;
    entry.attempt = 2;
    entry.note.push_str("RegisterTargets failed (throttled): Rate exceeded");
    among(vec![entry]).unwrap()
}

fn phases(last: &LastMove) -> Vec<(&'static str, Duration)> {
    let after = |at: Timestamp| at.since(last.said_at);
    last.phases.iter().map(|phase| (phase.name, after(phase.at))).collect()
}

#[test]
fn the_phases_of_a_move_count_from_its_evidence_to_the_old_targets_end() {
    let mut story = swapped(102);
    story.push(of_kind(RecordKind::TargetHealthy, 102, 280, None));
    story.push(of_kind(RecordKind::TargetRemoved, 102, 400, None));
    let last = among(story).unwrap();
    assert_eq!((last.seq, last.kind, last.outcome), (2, RecordKind::Finished, Some(Outcome::Moved)));
    let ms = Duration::from_millis;
    assert_eq!(
        phases(&last),
        [
            ("announced", ms(2000)),
            ("registered", ms(2050)),
            ("deregistered", ms(2100)),
            ("finished", ms(3000)),
            ("serving", ms(180_000)),
            ("old target gone", ms(300_000)),
        ]
    );
}

#[test]
fn a_call_that_was_refused_reached_nothing() {
    let mut story = swapped(102);
    story[1].steps[1].error = Some("Rate exceeded".to_owned());
    story[1].steps[2].error = Some("Rate exceeded".to_owned());
    let last = among(story).unwrap();
    let names: Vec<&str> = last.phases.iter().map(|phase| phase.name).collect();
    assert_eq!(names, ["announced", "finished"]);
}

#[test]
fn what_moved_nothing_does_not_hide_the_last_move() {
    let mut story = swapped(102);
    for outcome in
        [Outcome::Superseded, Outcome::Ignored, Outcome::Rejected, Outcome::Paused, Outcome::Observed]
    {
        let began = 500;
        story.push(of_kind(RecordKind::Finished, began, began, Some(outcome)));
    }
    story.push(of_kind(RecordKind::DriftDetected, 600, 600, None));
    story.push(of_kind(RecordKind::Command, 601, 601, None));
    assert_eq!(among(story).unwrap().seq, 2);
    assert_eq!(among(Vec::new()), None);
}

#[test]
fn a_move_that_failed_is_told_as_retried_until_it_is_finished() {
    assert!(deferred(second(100)).is_retried());
    let failed = vec![of_kind(RecordKind::Finished, 102, 103, Some(Outcome::Failed))];
    assert!(!among(failed).unwrap().is_retried());
}

#[test]
fn an_event_put_off_before_it_knew_where_to_is_no_move() {
    let mut put_off = of_kind(RecordKind::Deferred, 200, 200, None);
    put_off.desired = None;
    let mut story = swapped(102);
    story.push(put_off);
    let last = among(story).unwrap();
    assert_eq!((last.seq, last.kind), (2, RecordKind::Finished));
}
