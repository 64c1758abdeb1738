//! `decide`: what a piece of evidence does to a route.

use std::net::IpAddr;

use writerlink_core::decision::event::{EVENT_AHEAD_MAX, decide};
use writerlink_core::decision::supersede::superseded_by;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::EventId;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::ledger::state::{Assignment, RouteContext};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::{OnStarted, Route};
use writerlink_core::model::source_arn::SourceKind;
use writerlink_core::model::target::MoveMode;
use writerlink_core::model::time::Timestamp;

use super::values::{
    COMPLETED, STARTED, address, desired, event, evidence, key, order, pointing_at, route, second, target,
};

/// The decision for an instance at its own address, an hour after everything.
fn decided(route: &Route, control: &Assignment, evidence: &Evidence) -> Decision {
    let claim = evidence.trigger.event().unwrap().claim();
    let instance = claim.ok().and_then(|claim| claim.instance().cloned());
    let address = instance.and_then(|name| route.instances.get(&name).copied());
    decide(route, control, evidence, address, second(3600))
}

fn moved(decision: Decision) -> Desired {
    match decision {
        Decision::Move(desired) => desired,
        other => panic!("expected a move, got {other:?}"),
    }
}

fn settled(decision: Decision) -> (Outcome, Reason, String) {
    match decision {
        Decision::Settle(verdict) => (verdict.outcome, verdict.reason, verdict.note),
        other => panic!("expected a verdict, got {other:?}"),
    }
}

fn assert_settled(decision: Decision, outcome: Outcome, reason: Reason) -> String {
    let (found_outcome, found_reason, note) = settled(decision);
    assert_eq!((found_outcome, found_reason), (outcome, reason), "{note}");
    assert!(!note.is_empty());
    note
}

fn waiting() -> Route {
    Route { on_started: OnStarted::Wait, ..route() }
}

fn registering() -> Route {
    Route { on_started: OnStarted::Register, ..route() }
}

#[test]
fn a_started_failover_moves_a_fresh_route_to_the_named_instance() {
    let evidence = evidence(STARTED, 2, second(5));
    assert_eq!(
        moved(decided(&route(), &Assignment::default(), &evidence)),
        Desired { event: evidence.key, ..desired(2, order(5, 1), key(0)) }
    );
}

#[test]
fn both_ids_of_a_started_failover_move_alike() {
    for id in [EventId::STARTED_SAME_AZ, EventId::STARTED_CROSS_AZ] {
        let evidence = evidence(id, 2, second(5));
        assert_eq!(moved(decided(&route(), &Assignment::default(), &evidence)).target, target(2));
    }
}

#[test]
fn evidence_is_ordered_by_its_own_time_and_not_by_its_arrival() {
    let control = pointing_at(3, order(10, 1));
    for seconds in [0, 9] {
        let late = evidence(COMPLETED, 2, second(seconds));
        let note =
            assert_settled(decided(&route(), &control, &late), Outcome::Superseded, Reason::EvidenceNotNewer);
        assert!(note.contains("db-3"), "{note}");
    }
    let newer = evidence(STARTED, 2, second(11));
    assert_eq!(moved(decided(&route(), &control, &newer)).evidence, order(11, 1));
}

#[test]
fn completed_beats_started_of_the_same_instant_and_not_the_reverse() {
    let completed = evidence(COMPLETED, 2, second(10));
    let started = evidence(STARTED, 3, second(10));
    assert_eq!(moved(decided(&route(), &pointing_at(3, order(10, 1)), &completed)).target, target(2));
    assert_settled(
        decided(&route(), &pointing_at(2, order(10, 2)), &started),
        Outcome::Superseded,
        Reason::EvidenceNotNewer,
    );
}

#[test]
fn of_two_claims_of_equal_order_the_first_to_come_stands() {
    for (id, rank) in [(STARTED, 1), (COMPLETED, 2)] {
        assert_settled(
            decided(&route(), &pointing_at(3, order(10, rank)), &evidence(id, 2, second(10))),
            Outcome::Superseded,
            Reason::EvidenceNotNewer,
        );
    }
}

#[test]
fn the_applied_event_is_admitted_again_to_resume_its_own_move() {
    let evidence = evidence(STARTED, 2, second(10));
    let control =
        Assignment { desired: Some(desired(2, order(10, 1), evidence.key)), ..Assignment::default() };
    assert_eq!(Some(moved(decided(&route(), &control, &evidence))), control.desired);
}

#[test]
fn what_a_person_hands_in_again_is_let_through_though_it_is_no_news() {
    let mut again = evidence(STARTED, 2, second(10));
    let first = again.key;
    again.key = first.for_replay(1);
    assert!(first != again.key && first.for_replay(2) != again.key);
    let control = pointing_at(2, order(10, 1));
    assert_eq!(moved(decided(&route(), &control, &again)).target, target(2));
}

#[test]
fn an_instance_that_the_route_does_not_know_is_rejected_by_name() {
    let note = assert_settled(
        decided(&route(), &Assignment::default(), &evidence(STARTED, 8, second(5))),
        Outcome::Rejected,
        Reason::UnknownInstance,
    );
    assert!(note.contains("db-8") && note.contains("orders"), "{note}");
}

#[test]
fn an_address_outside_the_allowed_ranges_is_rejected_whoever_names_it() {
    let outside: [IpAddr; 3] =
        ["10.0.1.2".parse().unwrap(), "169.254.169.254".parse().unwrap(), "::ffff:10.0.0.2".parse().unwrap()];
    for ip in outside {
        let decision =
            decide(&route(), &Assignment::default(), &evidence(STARTED, 2, second(5)), Some(ip), second(6));
        let note = assert_settled(decision, Outcome::Rejected, Reason::AddressNotAllowed);
        assert!(note.contains(&ip.to_string()), "{note}");
    }
    let nowhere = Route { allowed_cidrs: Vec::new(), ..route() };
    assert_settled(
        decided(&nowhere, &Assignment::default(), &evidence(STARTED, 2, second(5))),
        Outcome::Rejected,
        Reason::AddressNotAllowed,
    );
}

#[test]
fn an_event_more_than_ten_seconds_ahead_of_the_clock_is_rejected() {
    let at = |now: Timestamp| {
        decide(&route(), &Assignment::default(), &evidence(STARTED, 2, second(600)), Some(address(2)), now)
    };
    assert_eq!(EVENT_AHEAD_MAX.as_secs(), 10);
    assert_eq!(moved(at(second(590))).target, target(2));
    let just_too_early = Timestamp::from_millis(second(590).as_millis() - 1);
    assert_settled(at(just_too_early), Outcome::Rejected, Reason::EventInFuture);
    assert_settled(at(second(0)), Outcome::Rejected, Reason::EventInFuture);
}

/// On a route that nothing but events moves, the failover would be lost for good.
#[test]
fn an_event_half_a_minute_ahead_does_not_supersede_a_real_failover() {
    let at = |known: &Assignment, number, time, now| {
        let said = evidence(COMPLETED, number, second(time));
        decide(&route(), known, &said, Some(address(number)), second(now))
    };
    let known = pointing_at(1, order(10, 2));
    let ahead = at(&known, 3, 130, 100);
    assert_settled(ahead, Outcome::Rejected, Reason::EventInFuture);
    assert_eq!(moved(at(&known, 2, 105, 106)).target, target(2));
}

#[test]
fn on_started_register_registers_first_and_swaps_when_it_completed() {
    let started = decided(&registering(), &Assignment::default(), &evidence(STARTED, 2, second(5)));
    let started = moved(started);
    assert_eq!((started.target, started.move_mode), (target(2), MoveMode::Register));
    let control = Assignment { desired: Some(started), ..Assignment::default() };
    let completed = moved(decided(&registering(), &control, &evidence(COMPLETED, 2, second(40))));
    assert_eq!((completed.target, completed.move_mode), (target(2), MoveMode::Swap));
}

#[test]
fn on_started_wait_moves_at_completion_only() {
    let note = assert_settled(
        decided(&waiting(), &Assignment::default(), &evidence(STARTED, 2, second(5))),
        Outcome::Ignored,
        Reason::WaitsForCompletion,
    );
    assert!(note.contains("db-2"), "{note}");
    let completed = decided(&waiting(), &Assignment::default(), &evidence(COMPLETED, 2, second(5)));
    assert_eq!(moved(completed).move_mode, MoveMode::Swap);
}

#[test]
fn a_promoted_previous_primary_moves_back_at_once_whatever_on_started() {
    let back =
        event(EventId::PREVIOUS_PRIMARY_PROMOTED, "Promoting previous primary again: db-1.", second(30));
    let back = Evidence::new(&route(), back);
    for route in [route(), registering(), waiting()] {
        let desired = moved(decided(&route, &pointing_at(2, order(10, 1)), &back));
        assert_eq!((desired.target, desired.move_mode), (target(1), MoveMode::Swap));
    }
}

#[test]
fn a_failed_failover_is_ignored_since_a_static_map_cannot_tell_the_truth() {
    let text = "Cluster failover failed, check the health of your cluster instances and try again.";
    let failed = event(EventId::FAILOVER_FAILED, text, second(5));
    assert_settled(
        decided(&route(), &Assignment::default(), &Evidence::new(&route(), failed)),
        Outcome::Ignored,
        Reason::NoSources,
    );
}

#[test]
fn an_event_of_another_id_or_source_moves_nothing_whatever_its_english() {
    let text = "Completed failover to DB instance: db-2";
    let base = event(COMPLETED, text, second(5));
    let mut others = vec![base.clone(), base.clone(), base.clone(), base.clone()];
    others[0].id = EventId::parse("RDS-EVENT-0006");
    others[1].id = None;
    others[2].kind = SourceKind::Instance;
    others[3].kind = SourceKind::Other;
    for other in others {
        let evidence = Evidence::new(&route(), other);
        assert_settled(
            decided(&route(), &Assignment::default(), &evidence),
            Outcome::Ignored,
            Reason::NotAFailover,
        );
    }
}

#[test]
fn a_failover_that_names_nobody_is_rejected_and_its_text_quoted() {
    let unnamed = event(COMPLETED, "Completed failover", second(5));
    let note = assert_settled(
        decided(&route(), &Assignment::default(), &Evidence::new(&route(), unnamed)),
        Outcome::Rejected,
        Reason::NoInstanceNamed,
    );
    assert!(note.contains("Completed failover"), "{note}");
}

#[test]
fn old_evidence_about_an_unknown_instance_is_old_rather_than_unknown() {
    assert_settled(
        decided(&route(), &pointing_at(1, order(10, 1)), &evidence(STARTED, 8, second(5))),
        Outcome::Superseded,
        Reason::EvidenceNotNewer,
    );
}

#[test]
fn newer_evidence_in_progress_supersedes_older_evidence_before_its_move() {
    let (older, newer) = (evidence(STARTED, 2, second(5)), evidence(COMPLETED, 3, second(9)));
    let route = route();
    let control = Assignment {
        // The older one is half done: it moves nothing any more all the same.
        desired: Some(desired(2, order(5, 1), older.key)),
        ..Assignment::default()
    };
    let context = RouteContext { route: &route, control: &control, now: second(10) };
    let asked = |older, newer, address| superseded_by(context, older, newer, address);
    let verdict = asked(&older, &newer, Some(target(3).ip)).unwrap();
    assert_eq!((verdict.outcome, verdict.reason), (Outcome::Superseded, Reason::EvidenceNotNewer));
    assert!(verdict.note.contains("received behind"), "{}", verdict.note);
    assert_eq!(asked(&newer, &older, Some(target(2).ip)), None, "older evidence");
    assert_eq!(asked(&older, &newer, None), None, "an instance that is not the route's");
}

#[test]
fn evidence_that_only_registers_supersedes_no_move() {
    let older = evidence(COMPLETED, 2, second(5));
    let newer = evidence(STARTED, 3, second(9));
    let (route, control) = (registering(), Assignment::default());
    let context = RouteContext { route: &route, control: &control, now: second(10) };
    let asked = superseded_by(context, &older, &newer, Some(target(3).ip));
    assert_eq!(asked, None, "the old target would stay in the group");
}
