//! What is unresolved stays part of the route's state until something answers it (I9).

use std::time::Duration;

use writerlink_core::decision::event::decide;
use writerlink_core::decision::verdict::{Decision, Verdict};
use writerlink_core::evidence::event::EventId;
use writerlink_core::evidence::trigger::{CommandKind, Evidence, Trigger};
use writerlink_core::ledger::change::{BeginRequest, StateUpdate, begin, note, settle};
use writerlink_core::ledger::holds::Blocked;
use writerlink_core::ledger::state::Assignment;
use writerlink_core::ledger::unresolved::{Awaits, SourceConflict, UnresolvedEvent};
use writerlink_core::model::ids::Owner;
use writerlink_core::model::outcome::{LEFT_TO_NEWER_FOR, Outcome};
use writerlink_core::model::reason::{Reason, Rule};

use super::orders::{begun_for, order_of, state_of};
use super::values::{
    COMPLETED, STARTED, address, desired, entry, event, evidence, evidence_of, instance, key, new_arrival,
    ordered, owner, pointing_at, route, second,
};

fn refused(seconds: i64) -> UnresolvedEvent {
    UnresolvedEvent {
        key: key(7),
        at: second(seconds),
        since: second(seconds + 1),
        names: Some(instance(9)),
        outcome: Some(Outcome::Rejected),
        reason: Reason::UnknownInstance,
        note: "instance db-9 is not one of the route".to_owned(),
    }
}

fn conflict() -> SourceConflict {
    SourceConflict {
        since: second(30),
        reason: Reason::SourcesUnclear,
        note: "dns says db-1".to_owned(),
        by: Owner::new("w1"),
    }
}

/// A route that points at `db-1` by an event of second 10, and could not act on one of second 20.
fn unresolved() -> Assignment {
    Assignment {
        unresolved_event: Some(refused(20)),
        source_conflict: Some(conflict()),
        ..pointing_at(1, order_of(10))
    }
}

fn noted(from: Assignment, effect: StateUpdate) -> Assignment {
    let entry = entry(5, second(60), None);
    note(&state_of(from), effect, entry).unwrap().to().clone()
}

#[test]
fn an_older_refused_event_never_replaces_a_newer_one() {
    let after = noted(unresolved(), StateUpdate::Refuses(refused(15)));
    assert_eq!(after.unresolved_event, Some(refused(20)));
    let after = noted(unresolved(), StateUpdate::Refuses(refused(25)));
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
    let held = noted(unresolved(), StateUpdate::Defer(newer, Rule::Paused));
    assert_eq!(held.unresolved_event, None, "held evidence is accepted, too");
}

#[test]
fn an_ack_answers_a_refused_event_and_a_pause_does_not() {
    let ack = ordered(CommandKind::Acknowledge, second(50), &[]);
    let after = noted(unresolved(), StateUpdate::Apply(ack));
    assert_eq!(after.unresolved_event, None);
    let pause = ordered(CommandKind::Pause { within: None }, second(50), &[]);
    let after = noted(unresolved(), StateUpdate::Apply(pause));
    assert_eq!(after.unresolved_event, Some(refused(20)));
}

#[test]
fn sources_that_agree_with_the_event_end_the_conflict() {
    let after = noted(unresolved(), StateUpdate::Agrees(key(99)));
    assert_eq!(after.agreed_with, Some(key(99)));
    assert_eq!(after.source_conflict, None);
    let again = noted(after, StateUpdate::Conflicts(Some(conflict())));
    assert_eq!(again.source_conflict, Some(conflict()));
    assert_eq!(noted(again, StateUpdate::Conflicts(None)).source_conflict, None);
}

// --- which verdicts leave an event unresolved ---------------------------------------------------

/// The reasons for which an event says something about the writer that nobody acted on.
const OPEN: [Reason; 8] = [
    Reason::UnknownInstance,
    Reason::InstanceNotAllowed,
    Reason::AddressNotAllowed,
    Reason::NoInstanceNamed,
    Reason::EventInFuture,
    Reason::NoSources,
    Reason::EvidenceTooOld,
    Reason::AddressUnavailable,
];

#[test]
fn every_reason_that_leaves_the_writer_open_is_unresolved_and_no_other_is() {
    for reason in Reason::ALL {
        for outcome in [Outcome::Rejected, Outcome::Ignored, Outcome::Superseded] {
            let settled = Decision::Settle(Verdict::new(outcome, reason, ""));
            let expected = OPEN.contains(&reason);
            assert_eq!(settled.leaves_unresolved().is_some(), expected, "{reason}");
        }
        let failed = Decision::Settle(Verdict::new(Outcome::Failed, reason, ""));
        assert!(failed.leaves_unresolved().is_some(), "failed: {reason}");
        let asked = Decision::Ask(Verdict::new(Outcome::Ignored, reason, ""));
        assert_eq!(asked.leaves_unresolved(), None, "the sources answer it");
    }
    let blocked = Blocked { rule: Rule::Paused, note: String::new() };
    let held = Decision::Hold(desired(2, order_of(10), key(1)), blocked);
    assert_eq!(held.leaves_unresolved(), None, "it moves the route later");
}

/// What a route that points at `db-1` by an event of second 10 makes of an event that it cannot act on.
fn left_open(evidence: &Evidence, now: i64) -> Option<UnresolvedEvent> {
    let control = pointing_at(1, order_of(10));
    let known = evidence.names().is_some_and(|named| named == instance(2));
    let found = known.then(|| address(2));
    let decision = decide(&route(), &control, evidence, found, second(now));
    UnresolvedEvent::refused(&control, evidence, &decision, second(now))
}

#[test]
fn an_event_about_a_stranger_keeps_its_key_its_name_and_the_reason() {
    let evidence = evidence(COMPLETED, 9, second(20));
    let open = left_open(&evidence, 30).unwrap();
    assert_eq!((open.key, open.at, open.since), (evidence.key, second(20), second(30)));
    assert_eq!(open.names, Some(instance(9)));
    assert_eq!(
        (open.outcome, open.reason, open.awaits()),
        (Some(Outcome::Rejected), Reason::UnknownInstance, Awaits::Operator)
    );
    assert!(open.note.contains("db-9"), "{}", open.note);
}

#[test]
fn an_unreadable_name_and_an_event_that_asks_name_nobody() {
    let unreadable = Evidence::new(&route(), event(COMPLETED, "Completed", second(20)));
    let asks = Evidence::new(&route(), event(EventId::FAILOVER_FAILED, "failed", second(20)));
    for (evidence, reason) in [(unreadable, Reason::NoInstanceNamed), (asks, Reason::NoSources)] {
        let open = left_open(&evidence, 30).unwrap();
        assert_eq!((open.names, open.reason), (None, reason));
    }
}

#[test]
fn what_is_acted_on_or_says_nothing_about_the_writer_leaves_nothing_open() {
    let nothing = event(EventId::parse("RDS-EVENT-0006").unwrap(), "", second(20));
    for evidence in [evidence(COMPLETED, 2, second(20)), Evidence::new(&route(), nothing)] {
        assert_eq!(left_open(&evidence, 30), None);
    }
}

#[test]
fn an_event_older_than_what_the_route_accepted_is_answered_already() {
    let unreadable = |at| Evidence::new(&route(), event(STARTED, "Started", second(at)));
    assert_eq!(left_open(&unreadable(9), 30), None);
    assert!(left_open(&unreadable(10), 30).is_some(), "as new as that");
}

#[test]
fn an_event_from_the_future_counts_from_when_it_was_refused() {
    let ahead = evidence(COMPLETED, 2, second(10_000));
    let open = left_open(&ahead, 30).unwrap();
    assert_eq!((open.at, open.reason), (second(30), Reason::EventInFuture));
    assert!(open.is_answered_by(&desired(2, order_of(31), key(8))));
}

#[test]
fn only_events_are_unresolved_and_not_what_a_person_was_refused() {
    let order = ordered(CommandKind::Swap(instance(9)), second(20), &[]);
    let evidence = evidence_of(Trigger::Command(order));
    assert_eq!(left_open(&evidence, 30), None);
}

// --- an event that waits ------------------------------------------------------------------------

fn waiting(control: &Assignment, reason: Reason, now: i64) -> Option<UnresolvedEvent> {
    let evidence = evidence(COMPLETED, 3, second(20));
    UnresolvedEvent::waiting(control, &evidence, reason, "it waits", second(now))
}

#[test]
fn an_event_that_waits_is_recorded_once_and_not_over_a_newer_one() {
    let before = pointing_at(1, order_of(10));
    let open = waiting(&before, Reason::AwaitsQuota, 30).unwrap();
    assert_eq!((open.outcome, open.awaits()), (None, Awaits::Quota));
    let after = noted(before, StateUpdate::Refuses(open));
    assert_eq!(waiting(&after, Reason::AwaitsQuota, 40), None);
    let newer = Assignment { unresolved_event: Some(refused(25)), ..after };
    assert_eq!(waiting(&newer, Reason::AwaitsQuota, 40), None);
}

#[test]
fn an_event_that_the_route_points_by_waits_for_nothing_new() {
    let evidence = evidence(COMPLETED, 3, second(20));
    let control =
        Assignment { desired: Some(desired(3, order_of(20), evidence.key)), ..Assignment::default() };
    assert_eq!(waiting(&control, Reason::AwaitsQuota, 40), None);
}

#[test]
fn the_message_of_a_waiting_event_is_expected_for_15_minutes() {
    let control = pointing_at(1, order_of(10));
    let late = second(30).plus(LEFT_TO_NEWER_FOR);
    for (reason, awaits) in [
        (Reason::AwaitsQuota, Awaits::Quota),
        (Reason::TooManyMoves, Awaits::Quota),
        (Reason::AddressUnavailable, Awaits::Address),
    ] {
        let open = waiting(&control, reason, 30).unwrap();
        assert_eq!(open.awaits(), awaits);
        assert!(open.comes_back(late.minus(Duration::from_millis(1))));
        assert!(!open.comes_back(late));
    }
    assert!(!refused(20).comes_back(second(21)), "it is settled");
}

#[test]
fn what_waited_and_then_fails_keeps_since_when_it_is_open() {
    let open = waiting(&pointing_at(1, order_of(10)), Reason::AddressUnavailable, 30);
    let control = Assignment { unresolved_event: open, ..pointing_at(1, order_of(10)) };
    let evidence = evidence(COMPLETED, 3, second(20));
    let verdict = Verdict::new(Outcome::Failed, Reason::AddressUnavailable, "it waits");
    let failed = UnresolvedEvent::refused(&control, &evidence, &verdict.into(), second(99));
    let failed = failed.unwrap();
    assert_eq!((failed.since, failed.awaits()), (second(30), Awaits::Operator));
}

// --- what resolves it ---------------------------------------------------------------------------

#[test]
fn a_swap_resolves_it_although_the_persons_clock_lags() {
    let order = ordered(CommandKind::Swap(instance(2)), second(15), &[]);
    let owner = owner();
    let taking = BeginRequest {
        owner: &owner,
        desired: desired(2, order_of(15), key(8)),
        arrival: None,
        order: Some(&order),
    };
    let change = begin(&state_of(unresolved()), taking, entry(5, second(40), None)).unwrap();
    assert_eq!(change.to().unresolved_event, None);
}

/// The state after the event that is unresolved is settled like this.
fn settled(outcome: Outcome, effect: StateUpdate) -> Assignment {
    let entry = entry(5, second(60), Some(outcome));
    let change = settle(&state_of(unresolved()), &new_arrival(7), effect, entry);
    change.unwrap().to().clone()
}

#[test]
fn an_event_that_is_settled_with_nothing_left_open_is_unresolved_no_more() {
    assert_eq!(settled(Outcome::Ignored, StateUpdate::None).unresolved_event, None);
    let again = settled(Outcome::Failed, StateUpdate::Refuses(refused(20)));
    assert_eq!(again.unresolved_event, Some(refused(20)));
}

#[test]
fn a_superseded_event_stays_open_until_the_newer_one_moves_the_route() {
    let after = settled(Outcome::Superseded, StateUpdate::None);
    assert_eq!(after.unresolved_event, Some(refused(20)));
    let newer = desired(3, order_of(30), key(8));
    let moved = begun_for(&state_of(after), newer, 70).unwrap();
    assert_eq!(moved.to().unresolved_event, None);
}

#[test]
fn no_move_mends_the_map() {
    let differs = SourceConflict { reason: Reason::MapDiffers, ..conflict() };
    let control = Assignment { source_conflict: Some(differs.clone()), ..pointing_at(1, order_of(10)) };
    let newer = desired(2, order_of(21), key(8));
    let moved = begun_for(&state_of(control), newer, 40).unwrap();
    assert_eq!(moved.to().source_conflict, Some(differs));
}
