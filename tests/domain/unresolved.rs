//! What is unresolved stays part of the route's state until something answers it (I9).

use writerlink::domain::audit::Reason;
use writerlink::domain::change::{Effect, note};
use writerlink::domain::ground::Act;
use writerlink::domain::lease::Owner;
use writerlink::domain::safety::Rule;
use writerlink::domain::transition::Control;
use writerlink::domain::unresolved::{SourceConflict, UnresolvedEvent};

use crate::orders::{begun_for, order_of, state_of};
use crate::values::{desired, entry, key, ordered, pointing_at, second};

fn refused(seconds: i64) -> UnresolvedEvent {
    UnresolvedEvent {
        key: key(7),
        at: second(seconds),
        since: second(seconds + 1),
        reason: Reason::UnknownInstance,
        note: "instance db-9 is not one of the route".to_owned(),
    }
}

fn conflict() -> SourceConflict {
    SourceConflict {
        since: second(30),
        reason: Reason::TruthUnclear,
        note: "dns says db-1".to_owned(),
        by: Owner::new("w1"),
    }
}

/// A route that points at `db-1` by an event of second 10, and could not act on one of second 20.
fn unresolved() -> Control {
    Control {
        unresolved_event: Some(refused(20)),
        source_conflict: Some(conflict()),
        ..pointing_at(1, order_of(10))
    }
}

fn noted(from: Control, effect: Effect) -> Control {
    let entry = entry(5, second(60), None);
    note(&state_of(from), effect, entry).unwrap().to().clone()
}

#[test]
fn an_older_refused_event_never_replaces_a_newer_one() {
    let after = noted(unresolved(), Effect::Refuses(refused(15)));
    assert_eq!(after.unresolved_event, Some(refused(20)));
    let after = noted(unresolved(), Effect::Refuses(refused(25)));
    assert_eq!(after.unresolved_event, Some(refused(25)));
}

#[test]
fn a_repair_on_the_known_evidence_answers_no_newer_event() {
    let known = desired(1, order_of(10), key(99));
    let change = begun_for(&state_of(unresolved()), known, 40).unwrap();
    assert_eq!(change.to().unresolved_event, Some(refused(20)));
    assert_eq!(change.to().source_conflict, Some(conflict()));
}

#[test]
fn newer_accepted_evidence_answers_a_refused_event_and_a_conflict() {
    let newer = desired(2, order_of(21), key(8));
    let change = begun_for(&state_of(unresolved()), newer.clone(), 40).unwrap();
    assert_eq!(change.to().unresolved_event, None);
    assert_eq!(change.to().source_conflict, None);
    let held = noted(unresolved(), Effect::Keeps(newer, Rule::Paused));
    assert_eq!(
        held.unresolved_event, None,
        "held evidence is accepted, too"
    );
}

#[test]
fn an_ack_answers_a_refused_event_and_a_pause_does_not() {
    let ack = ordered(Act::Acknowledge, second(50), &[]);
    let after = noted(unresolved(), Effect::Obeys(ack));
    assert_eq!(after.unresolved_event, None);
    let pause = ordered(Act::Pause { within: None }, second(50), &[]);
    let after = noted(unresolved(), Effect::Obeys(pause));
    assert_eq!(after.unresolved_event, Some(refused(20)));
}

#[test]
fn sources_that_agree_with_the_event_end_the_conflict() {
    let after = noted(unresolved(), Effect::Agrees(key(99)));
    assert_eq!(after.agreed_with, Some(key(99)));
    assert_eq!(after.source_conflict, None);
    let again = noted(after, Effect::Conflicts(Some(conflict())));
    assert_eq!(again.source_conflict, Some(conflict()));
    assert_eq!(noted(again, Effect::Conflicts(None)).source_conflict, None);
}
