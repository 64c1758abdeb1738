//! `begin`, `extend`, `finish`, `settle`: only legal changes leave the domain.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use writerlink_core::actuation::health;
use writerlink_core::actuation::health::HealthWatch;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::ledger::change::{
    BeginRequest, Change, EventDelivery, EventWrite, IllegalChange, StateUpdate, begin, extend, finish, note,
    settle,
};
use writerlink_core::ledger::holds::Safety;
use writerlink_core::ledger::lease::{LEASE_DURATION, Lease};
use writerlink_core::ledger::record::{Entry, Step};
use writerlink_core::ledger::state::{Assignment, EventEntry, RouteState};
use writerlink_core::model::ids::{Generation, Owner};
use writerlink_core::model::outcome::{Disposition, IN_PROGRESS_FOR, LEFT_TO_NEWER_FOR, Outcome};
use writerlink_core::model::reason::{Reason, Rule};
use writerlink_core::model::time::Timestamp;

use super::values::{
    desired, draining, entry, healthy, instance, key, known_arrival, new_arrival, order, owner, route,
    second, target, transition_id,
};

static OWNER: LazyLock<Owner> = LazyLock::new(owner);

fn fresh() -> RouteState {
    RouteState::new(route().name)
}

/// A route that attempt `number` holds, and that points at `db-1` since second 10.
fn held_by(number: u128) -> RouteState {
    RouteState {
        control: Assignment {
            generation: Generation(7),
            lease: Some(Lease {
                owner: Owner::new("holder"),
                transition: transition_id(number),
                deadline: second(30),
            }),
            desired: Some(desired(1, order(10, 1), key(1))),
            ..Assignment::default()
        },
        ..fresh()
    }
}

/// Takes the route for an event.
fn taking(desired: Desired, arrival: &EventDelivery) -> BeginRequest<'_> {
    BeginRequest { owner: &OWNER, desired, arrival: Some(arrival), order: None }
}

/// The event that attempt `number` has in hand.
fn in_hand(number: u128, settled: Option<Outcome>) -> EventEntry {
    EventEntry {
        key: key(1),
        source_arn: None,
        first_seen: second(0),
        transition: transition_id(number),
        attempts: 1,
        settled,
    }
}

// --- begin --------------------------------------------------------------------------------------

#[test]
fn a_begun_move_takes_the_lease_records_its_intent_and_claims_the_event() {
    let wanted = desired(2, order(20, 1), key(2));
    let told = entry(5, second(21), None);
    let arrival = new_arrival(2);
    let change = begin(&fresh(), taking(wanted.clone(), &arrival), told.clone()).unwrap();
    assert_eq!(change.from(), &fresh());
    assert_eq!(
        change.to(),
        &Assignment {
            generation: Generation(1),
            lease: Some(Lease {
                owner: owner(),
                transition: transition_id(5),
                deadline: second(21).plus(LEASE_DURATION),
            }),
            safety: Safety { moves: vec![second(21)], ..Safety::default() },
            desired: Some(wanted),
            ..Assignment::default()
        }
    );
    assert_eq!(change.entry(), Some(&told));
    let taken = EventEntry { key: key(2), first_seen: second(21), ..in_hand(5, None) };
    assert_eq!(change.event(), Some(&EventWrite::Insert(taken)));
}

#[test]
fn a_second_attempt_keeps_what_the_first_one_saw_and_counts_on() {
    let arrival = known_arrival(2, None);
    let wanted = desired(2, order(20, 1), key(2));
    let told = entry(5, second(60), None);
    let change = begin(&held_by(1), taking(wanted, &arrival), told).unwrap();
    let Some(EventWrite::Replace { from, to }) = change.event() else {
        panic!("expected a replacement, got {:?}", change.event());
    };
    assert_eq!(Some(from), arrival.known.as_ref());
    assert_eq!(to, &EventEntry { transition: transition_id(5), attempts: 2, ..from.clone() });
    assert_eq!(change.to().generation, Generation(8));
}

#[test]
fn older_evidence_cannot_begin_a_move() {
    let older = desired(2, order(9, 2), key(2));
    let told = entry(5, second(21), None);
    assert_eq!(
        begin(&held_by(1), taking(older, &new_arrival(2)), told),
        Err(IllegalChange::EvidenceRegresses(second(9), second(10)))
    );
}

#[test]
fn a_weaker_claim_of_the_same_instant_cannot_begin_a_move() {
    let weaker = desired(2, order(10, 0), key(2));
    let told = entry(5, second(21), None);
    assert_eq!(
        begin(&held_by(1), taking(weaker, &new_arrival(2)), told),
        Err(IllegalChange::EvidenceRegresses(second(10), second(10)))
    );
}

#[test]
fn the_same_evidence_may_begin_again_to_resume() {
    let same = desired(1, order(10, 1), key(1));
    let told = entry(5, second(60), None);
    let arrival = known_arrival(1, None);
    let change = begin(&held_by(1), taking(same, &arrival), told).unwrap();
    assert_eq!(change.to().desired, held_by(1).control.desired);
}

#[test]
fn a_settled_event_cannot_begin_again() {
    let wanted = desired(2, order(20, 1), key(2));
    let arrival = known_arrival(2, Some(Outcome::Moved));
    let told = entry(5, second(21), None);
    assert_eq!(begin(&fresh(), taking(wanted, &arrival), told), Err(IllegalChange::EventSettled(key(2))));
}

// --- extend -------------------------------------------------------------------------------------

#[test]
fn a_holder_lengthens_its_lease_and_nothing_else() {
    let change = extend(&held_by(5), transition_id(5), second(25)).unwrap();
    let mut expected = held_by(5).control;
    if let Some(lease) = &mut expected.lease {
        lease.deadline = second(25).plus(LEASE_DURATION);
    }
    assert_eq!(change.to(), &expected);
    assert_eq!((change.entry(), change.event()), (None, None));
}

#[test]
fn nobody_but_the_holder_lengthens_or_ends_a_lease() {
    let refused = IllegalChange::LeaseNotHeld(transition_id(5));
    for state in [fresh(), held_by(4)] {
        assert_eq!(extend(&state, transition_id(5), second(25)), Err(refused.clone()));
        let told = entry(5, second(25), Some(Outcome::Moved));
        assert_eq!(finish(&state, Some(&in_hand(5, None)), told), Err(refused.clone()));
    }
}

// --- finish -------------------------------------------------------------------------------------

#[test]
fn a_finished_attempt_frees_the_lease_settles_its_event_and_is_followed() {
    let told = Entry {
        before: vec![healthy(2), draining(3), healthy(1)],
        after: vec![draining(2), draining(3), healthy(1)],
        ..entry(5, second(25), Some(Outcome::Moved))
    };
    let change = finish(&held_by(5), Some(&in_hand(5, None)), told.clone()).unwrap();
    let expected = Assignment {
        lease: None,
        health_watch: Some(HealthWatch {
            transition: transition_id(5),
            key: key(1),
            instance: instance(1),
            target: target(1),
            since: second(10),
            moved_at: second(25),
            arrival: health::ServingState::Awaited,
            leaving: vec![target(2), target(3)],
        }),
        ..held_by(5).control
    };
    assert_eq!(change.to(), &expected);
    assert_eq!(change.entry(), Some(&told));
    assert_eq!(
        change.event(),
        Some(&EventWrite::Replace { from: in_hand(5, None), to: in_hand(5, Some(Outcome::Moved)) })
    );
}

#[test]
fn a_deferred_attempt_frees_the_lease_and_keeps_evidence_and_event() {
    let told = entry(5, second(25), None);
    let change = finish(&held_by(5), Some(&in_hand(5, None)), told).unwrap();
    assert_eq!(change.to().lease, None);
    assert_eq!(change.to().desired, held_by(5).control.desired);
    assert_eq!(change.to().health_watch, None, "nothing moved, nothing is followed");
    assert_eq!(change.event().map(EventWrite::entry), Some(&in_hand(5, None)));
}

/// What is left of an event's two attempts when one of them ends like this.
fn attempts_after(reason: Reason, steps: Vec<Step>, moved: Option<Timestamp>) -> u32 {
    let mut state = held_by(5);
    state.control.safety.moves.extend(moved);
    let twice = EventEntry { attempts: 2, ..in_hand(5, None) };
    let told = Entry { reason: Some(reason), steps, ..entry(5, second(25), None) };
    let change = finish(&state, Some(&twice), told).unwrap();
    change.event().unwrap().entry().attempts
}

#[test]
fn an_attempt_that_only_waited_is_not_counted_and_a_refused_one_is() {
    let call = |name: &str, error: Option<&str>| Step {
        name: name.to_owned(),
        start: Duration::ZERO,
        took: Duration::ZERO,
        request_id: None,
        error: error.map(str::to_owned),
    };
    let accepted = || call("RegisterTargets", None);
    let refused = || call("DeregisterTargets", Some("Throttling"));
    let waits = Reason::AwaitsQuota;
    assert_eq!(attempts_after(waits, vec![], None), 1);
    assert_eq!(attempts_after(waits, vec![accepted()], None), 1);
    assert_eq!(attempts_after(waits, vec![refused()], None), 1);
    // Something was put right and something refused: that has to be remembered.
    assert_eq!(attempts_after(waits, vec![accepted(), refused()], None), 2);
    // Unless the route has moved elsewhere since the event was first seen.
    let later = Some(second(24));
    assert_eq!(attempts_after(waits, vec![accepted(), refused()], later), 1);
    assert_eq!(attempts_after(Reason::CallFailed, vec![refused()], None), 2);
}

#[test]
fn an_event_that_was_never_attempted_has_no_attempt_to_give_back() {
    let none = EventEntry { attempts: 0, ..in_hand(5, None) };
    let told = Entry { reason: Some(Reason::AwaitsQuota), ..entry(5, second(25), None) };
    let change = finish(&held_by(5), Some(&none), told).unwrap();
    assert_eq!(change.event().unwrap().entry().attempts, 0);
}

#[test]
fn a_move_that_is_followed_no_more_leaves_the_state() {
    let moved = finish(&held_by(5), None, entry(5, second(25), Some(Outcome::Moved)));
    let control = moved.unwrap().to().clone();
    assert!(control.health_watch.is_some());
    let over =
        note(&RouteState { control, ..fresh() }, StateUpdate::WatchHealth(None), entry(6, second(30), None));
    assert_eq!(over.unwrap().to().health_watch, None);
}

#[test]
fn a_settled_event_is_not_finished_again() {
    let told = entry(5, second(25), Some(Outcome::Failed));
    assert_eq!(
        finish(&held_by(5), Some(&in_hand(5, Some(Outcome::Moved))), told),
        Err(IllegalChange::EventSettled(key(1)))
    );
}

#[test]
fn an_event_that_another_attempt_took_in_hand_is_not_finished() {
    let told = entry(5, second(25), Some(Outcome::Moved));
    assert_eq!(
        finish(&held_by(5), Some(&in_hand(6, None)), told),
        Err(IllegalChange::LeaseNotHeld(transition_id(5)))
    );
}

// --- settle -------------------------------------------------------------------------------------

#[test]
fn a_settled_event_leaves_the_route_where_it_was_under_a_new_generation() {
    let told = entry(5, second(60), Some(Outcome::Ignored));
    let change = settle(&held_by(1), &new_arrival(2), StateUpdate::None, told).unwrap();
    let expected = Assignment { generation: Generation(8), lease: None, ..held_by(1).control };
    assert_eq!(change.to(), &expected, "a dead holder is fenced off");
    let settled = change.event().and_then(|write| write.entry().settled);
    assert_eq!(settled, Some(Outcome::Ignored));
}

#[test]
fn an_event_is_not_settled_without_an_outcome() {
    let told = entry(5, second(60), None);
    assert_eq!(
        settle(&fresh(), &new_arrival(2), StateUpdate::None, told),
        Err(IllegalChange::NoOutcome(key(2)))
    );
}

#[test]
fn a_note_leaves_the_event_of_the_same_key_alone() {
    let told = entry(5, second(60), Some(Outcome::Rejected));
    let change = note(&held_by(1), StateUpdate::None, told).unwrap();
    assert_eq!(change.event(), None);
    assert_eq!(change.to().generation, Generation(8));
    assert_eq!(change.to().desired, held_by(1).control.desired);
}

#[test]
fn only_what_needs_a_person_goes_to_the_dead_letter_queue() {
    let dead: Vec<Outcome> =
        Outcome::ALL.into_iter().filter(|outcome| outcome.disposition() == Disposition::DeadLetter).collect();
    assert_eq!(dead, [Outcome::Rejected, Outcome::Failed]);
    let kept = Disposition::RetryAfter(Duration::ZERO);
    assert!(kept > Disposition::DeadLetter, "the worst of several decides");
    assert!(Disposition::DeadLetter > Disposition::Delete);
}

#[test]
fn a_settled_event_is_not_settled_again() {
    let told = entry(5, second(60), Some(Outcome::Ignored));
    let arrival = known_arrival(2, Some(Outcome::Moved));
    assert_eq!(settle(&fresh(), &arrival, StateUpdate::None, told), Err(IllegalChange::EventSettled(key(2))));
}

#[test]
fn an_attempt_is_counted_from_one() {
    assert_eq!(new_arrival(1).next_attempt(), 1);
    assert_eq!(known_arrival(1, None).next_attempt(), 2);
}

// --- for any state ------------------------------------------------------------------------------

fn any_state() -> impl Strategy<Value = RouteState> {
    let lease = prop::option::of((0..3_u128, 0..100_i64)).prop_map(|held| {
        held.map(|(number, deadline)| Lease {
            owner: owner(),
            transition: transition_id(number),
            deadline: second(deadline),
        })
    });
    let wanted = || {
        let parts = (1..=3_u8, 0..4_i64, 0..=2_u8);
        prop::option::of(parts.prop_map(|(n, at, rank)| desired(n, order(at, rank), key(n))))
    };
    let generation = prop_oneof![0..5_u64, Just(u64::MAX)];
    (generation, lease, wanted(), wanted()).prop_map(|(generation, lease, desired, waiting)| RouteState {
        control: Assignment {
            generation: Generation(generation),
            lease,
            desired,
            waiting,
            ..Assignment::default()
        },
        ..fresh()
    })
}

fn any_effect() -> impl Strategy<Value = StateUpdate> {
    let rule = prop::sample::select(Rule::ALL.to_vec());
    let kept = (1..=3_u8, 0..4_i64, 0..=2_u8, rule)
        .prop_map(|(n, at, rank, rule)| StateUpdate::Defer(desired(n, order(at, rank), key(n)), rule));
    prop_oneof![
        Just(StateUpdate::None),
        kept,
        (0..4_i64).prop_map(|at| StateUpdate::RequireReading(second(at))),
        Just(StateUpdate::WatchHealth(None)),
    ]
}

fn any_outcome() -> impl Strategy<Value = Option<Outcome>> {
    prop::option::of(prop::sample::select(Outcome::ALL.to_vec()))
}

fn any_arrival() -> impl Strategy<Value = EventDelivery> {
    prop_oneof![Just(new_arrival(2)), any_outcome().prop_map(|settled| known_arrival(2, settled))]
}

/// One of the five changes, each with arbitrary arguments.
fn any_change() -> impl Strategy<Value = (RouteState, Result<Change, IllegalChange>)> {
    let numbers = (0..5_u8, 0..3_u128, 0..4_i64, 0..=2_u8);
    (any_state(), any_arrival(), any_outcome(), any_effect(), numbers).prop_map(
        |(state, arrival, outcome, effect, (which, number, at, rank))| {
            let told = entry(number, second(at), outcome);
            let change = match which {
                0 => {
                    let wanted = desired(2, order(at, rank), key(2));
                    begin(&state, taking(wanted, &arrival), entry(number, second(at), None))
                }
                1 => extend(&state, transition_id(number), second(at)),
                2 => {
                    let event = arrival.known.unwrap_or_else(|| in_hand(number, None));
                    finish(&state, Some(&event), told)
                }
                3 => settle(&state, &arrival, effect, told),
                _ => note(&state, effect, told),
            };
            (state, change)
        },
    )
}

proptest! {
    #[test]
    fn every_change_that_is_allowed_keeps_what_the_ledger_relies_on((state, change) in any_change()) {
        let Ok(change) = change else { return Ok(()) };
        prop_assert_eq!(change.from(), &state);
        prop_assert!(change.to().generation >= state.control.generation);
        let (old, new) = (state.control.newest(), change.to().newest());
        prop_assert!(new.is_some() || old.is_none(), "what was told is never forgotten");
        let evidence = |desired: Option<&Desired>| desired.map(|desired| desired.evidence);
        prop_assert!(evidence(new) >= evidence(old));
        let announced = (&state.control.desired, &change.to().desired);
        prop_assert!(announced.1.is_some() || announced.0.is_none());
        let same_lease_holder = change.to().lease.as_ref().map(|lease| lease.transition)
            == state.control.lease.as_ref().map(|lease| lease.transition);
        prop_assert!(change.entry().is_some() || same_lease_holder, "only an extension is not told");
        if let Some(EventWrite::Replace { from, .. }) = change.event() {
            prop_assert_eq!(from.settled, None);
        }
    }

    #[test]
    fn a_new_holder_always_has_a_new_generation((state, change) in any_change()) {
        let Ok(change) = change else { return Ok(()) };
        let taken = change.to().lease.is_some() && change.entry().is_some();
        let last = state.control.generation == Generation(u64::MAX);
        prop_assert!(!taken || last || change.to().generation > state.control.generation);
    }
}

#[test]
fn an_event_that_waited_and_changed_no_target_did_not_move_the_route() {
    let moved_at = |seconds| Assignment {
        safety: Safety { moves: vec![second(seconds)], ..Safety::default() },
        ..Assignment::default()
    };
    let seen_at =
        |seconds, attempts| EventEntry { first_seen: second(seconds), attempts, ..in_hand(1, None) };
    for (moved, seen, attempts, may_be) in
        [(10, 20, 0, false), (10, 20, 1, true), (20, 20, 0, true), (30, 20, 0, true)]
    {
        let event = seen_at(seen, attempts);
        assert_eq!(moved_at(moved).may_be_moved_by(&event), may_be);
    }
    assert!(!Assignment::default().may_be_moved_by(&seen_at(20, 0)));
}

// --- who comes back for an event ------------------------------------------------------------------

#[test]
fn an_event_that_moved_nothing_is_left_to_its_message_or_its_successor() {
    let began = transition_id(1).began();
    let is_left = |settled, after: Duration| in_hand(1, settled).is_in_progress(began.plus(after));
    for outcome in Outcome::ALL {
        let superseded = outcome == Outcome::Superseded;
        assert_eq!(is_left(Some(outcome), Duration::ZERO), superseded, "{outcome}");
    }
    let millisecond = Duration::from_millis(1);
    for (settled, left_for) in [(None, IN_PROGRESS_FOR), (Some(Outcome::Superseded), LEFT_TO_NEWER_FOR)] {
        assert!(is_left(settled, left_for.saturating_sub(millisecond)));
        assert!(!is_left(settled, left_for));
    }
}

#[test]
fn only_what_was_superseded_is_left_to_newer_evidence() {
    let began = transition_id(1).began();
    let is_left = |settled, after: Duration| in_hand(1, settled).is_left_to_newer(began.plus(after));
    assert!(is_left(Some(Outcome::Superseded), Duration::ZERO));
    assert!(!is_left(Some(Outcome::Superseded), LEFT_TO_NEWER_FOR));
    assert!(!is_left(None, Duration::ZERO), "its own message moves it");
    assert!(!is_left(Some(Outcome::Moved), Duration::ZERO));
}

#[test]
fn a_message_of_two_routes_comes_back_as_early_as_either_asks() {
    let (soon, late) = (Duration::from_secs(1), Duration::from_mins(1));
    let back = Disposition::RetryAfter;
    for (one, other, both) in [
        (back(soon), back(late), back(soon)),
        (Disposition::Delete, back(late), back(late)),
        (Disposition::DeadLetter, back(late), back(late)),
        (Disposition::Delete, Disposition::DeadLetter, Disposition::DeadLetter),
    ] {
        assert_eq!((one.and(other), other.and(one)), (both, both));
    }
}
