//! `begin`, `extend`, `finish`, `settle`: only legal changes leave the domain.

use std::time::Duration;

use proptest::prelude::*;
use writerlink::domain::change::{
    Arrival, Change, EventWrite, IllegalChange, begin, extend, finish, note, settle,
};
use writerlink::domain::lease::{Generation, LEASE_DURATION, Lease, Owner};
use writerlink::domain::transition::{
    Control, Disposition, EventEntry, Outcome, RouteState, retry_after,
};

use super::values::{
    desired, entry, key, known_arrival, new_arrival, order, owner, route, second, transition_id,
};

fn fresh() -> RouteState {
    RouteState::new(route().name)
}

/// A route that attempt `number` holds, and that points at `db-1` since second 10.
fn held_by(number: u128) -> RouteState {
    RouteState {
        control: Control {
            generation: Generation(7),
            lease: Some(Lease {
                owner: Owner::new("holder"),
                transition: transition_id(number),
                deadline: second(30),
            }),
            desired: Some(desired(1, order(10, 1), key(1))),
        },
        ..fresh()
    }
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
fn a_begun_move_takes_the_lease_announces_itself_and_takes_the_event_in_hand() {
    let wanted = desired(2, order(20, 1), key(2));
    let told = entry(5, second(21), None);
    let change = begin(
        &fresh(),
        &owner(),
        wanted.clone(),
        &new_arrival(2),
        told.clone(),
    )
    .unwrap();
    assert_eq!(change.from(), &fresh());
    assert_eq!(
        change.to(),
        &Control {
            generation: Generation(1),
            lease: Some(Lease {
                owner: owner(),
                transition: transition_id(5),
                deadline: second(21).plus(LEASE_DURATION),
            }),
            desired: Some(wanted),
        }
    );
    assert_eq!(change.entry(), Some(&told));
    let taken = EventEntry {
        key: key(2),
        first_seen: second(21),
        ..in_hand(5, None)
    };
    assert_eq!(change.event(), Some(&EventWrite::Insert(taken)));
}

#[test]
fn a_second_attempt_keeps_what_the_first_one_saw_and_counts_on() {
    let arrival = known_arrival(2, None);
    let wanted = desired(2, order(20, 1), key(2));
    let change = begin(
        &held_by(1),
        &owner(),
        wanted,
        &arrival,
        entry(5, second(60), None),
    )
    .unwrap();
    let Some(EventWrite::Replace { from, to }) = change.event() else {
        panic!("expected a replacement, got {:?}", change.event());
    };
    assert_eq!(Some(from), arrival.known.as_ref());
    assert_eq!(
        to,
        &EventEntry {
            transition: transition_id(5),
            attempts: 2,
            ..from.clone()
        }
    );
    assert_eq!(change.to().generation, Generation(8));
}

#[test]
fn older_evidence_cannot_begin_a_move() {
    let older = desired(2, order(9, 2), key(2));
    let told = entry(5, second(21), None);
    assert_eq!(
        begin(&held_by(1), &owner(), older, &new_arrival(2), told),
        Err(IllegalChange::EvidenceRegresses(second(9), second(10)))
    );
}

#[test]
fn a_weaker_claim_of_the_same_instant_cannot_begin_a_move() {
    let weaker = desired(2, order(10, 0), key(2));
    let told = entry(5, second(21), None);
    assert_eq!(
        begin(&held_by(1), &owner(), weaker, &new_arrival(2), told),
        Err(IllegalChange::EvidenceRegresses(second(10), second(10)))
    );
}

#[test]
fn the_same_evidence_may_begin_again_to_resume() {
    let same = desired(1, order(10, 1), key(1));
    let told = entry(5, second(60), None);
    let change = begin(&held_by(1), &owner(), same, &known_arrival(1, None), told).unwrap();
    assert_eq!(change.to().desired, held_by(1).control.desired);
}

#[test]
fn a_settled_event_cannot_begin_again() {
    let wanted = desired(2, order(20, 1), key(2));
    let arrival = known_arrival(2, Some(Outcome::Swapped));
    let told = entry(5, second(21), None);
    assert_eq!(
        begin(&fresh(), &owner(), wanted, &arrival, told),
        Err(IllegalChange::EventSettled(key(2)))
    );
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
        assert_eq!(
            extend(&state, transition_id(5), second(25)),
            Err(refused.clone())
        );
        let told = entry(5, second(25), Some(Outcome::Swapped));
        assert_eq!(
            finish(&state, &in_hand(5, None), told),
            Err(refused.clone())
        );
    }
}

// --- finish -------------------------------------------------------------------------------------

#[test]
fn a_finished_attempt_frees_the_lease_and_settles_its_event() {
    let told = entry(5, second(25), Some(Outcome::Swapped));
    let change = finish(&held_by(5), &in_hand(5, None), told.clone()).unwrap();
    let expected = Control {
        lease: None,
        ..held_by(5).control
    };
    assert_eq!(change.to(), &expected);
    assert_eq!(change.entry(), Some(&told));
    assert_eq!(
        change.event(),
        Some(&EventWrite::Replace {
            from: in_hand(5, None),
            to: in_hand(5, Some(Outcome::Swapped)),
        })
    );
}

#[test]
fn a_deferred_attempt_frees_the_lease_keeps_the_evidence_and_leaves_its_event_in_hand() {
    let told = entry(5, second(25), None);
    let change = finish(&held_by(5), &in_hand(5, None), told).unwrap();
    assert_eq!(change.to().lease, None);
    assert_eq!(change.to().desired, held_by(5).control.desired);
    assert_eq!(
        change.event().map(EventWrite::entry),
        Some(&in_hand(5, None))
    );
}

#[test]
fn a_settled_event_is_not_finished_again() {
    let told = entry(5, second(25), Some(Outcome::Failed));
    assert_eq!(
        finish(&held_by(5), &in_hand(5, Some(Outcome::Swapped)), told),
        Err(IllegalChange::EventSettled(key(1)))
    );
}

#[test]
fn an_event_that_another_attempt_took_in_hand_is_not_finished() {
    let told = entry(5, second(25), Some(Outcome::Swapped));
    assert_eq!(
        finish(&held_by(5), &in_hand(6, None), told),
        Err(IllegalChange::LeaseNotHeld(transition_id(5)))
    );
}

// --- settle -------------------------------------------------------------------------------------

#[test]
fn a_settled_event_leaves_the_route_where_it_was_under_a_new_generation() {
    let told = entry(5, second(60), Some(Outcome::Ignored));
    let change = settle(&held_by(1), &new_arrival(2), told).unwrap();
    let expected = Control {
        generation: Generation(8),
        lease: None,
        desired: held_by(1).control.desired,
    };
    assert_eq!(change.to(), &expected, "a dead holder is fenced off");
    let settled = change.event().and_then(|write| write.entry().settled);
    assert_eq!(settled, Some(Outcome::Ignored));
}

#[test]
fn an_event_is_not_settled_without_an_outcome() {
    let told = entry(5, second(60), None);
    assert_eq!(
        settle(&fresh(), &new_arrival(2), told),
        Err(IllegalChange::NoOutcome(key(2)))
    );
}

#[test]
fn a_note_leaves_the_event_of_the_same_key_alone() {
    let told = entry(5, second(60), Some(Outcome::Rejected));
    let change = note(&held_by(1), told).unwrap();
    assert_eq!(change.event(), None);
    assert_eq!(change.to().generation, Generation(8));
    assert_eq!(change.to().desired, held_by(1).control.desired);
}

#[test]
fn the_pause_after_a_failure_doubles_up_to_half_a_minute_and_never_by_more_than_a_quarter_less() {
    let longest = |attempt| retry_after(attempt, 0).as_secs();
    let pauses: Vec<u64> = (1..=8).map(longest).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    for random in 0..100 {
        assert!(retry_after(6, random) >= Duration::from_millis(22_500));
    }
    assert_eq!(retry_after(0, 0), Duration::from_secs(1));
    assert_eq!(retry_after(u32::MAX, 0), Duration::from_secs(30));
}

#[test]
fn only_what_needs_a_person_goes_to_the_dead_letter_queue() {
    let dead: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|outcome| outcome.disposition() == Disposition::DeadLetter)
        .collect();
    assert_eq!(dead, [Outcome::Rejected, Outcome::Failed]);
    let kept = Disposition::RetryAfter(Duration::ZERO);
    assert!(
        kept > Disposition::DeadLetter,
        "the worst of several decides"
    );
    assert!(Disposition::DeadLetter > Disposition::Delete);
}

#[test]
fn a_settled_event_is_not_settled_again() {
    let told = entry(5, second(60), Some(Outcome::Ignored));
    let arrival = known_arrival(2, Some(Outcome::Swapped));
    assert_eq!(
        settle(&fresh(), &arrival, told),
        Err(IllegalChange::EventSettled(key(2)))
    );
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
    let wanted = prop::option::of((1..=3_u8, 0..4_i64, 0..=2_u8))
        .prop_map(|wanted| wanted.map(|(n, at, rank)| desired(n, order(at, rank), key(n))));
    let generation = prop_oneof![0..5_u64, Just(u64::MAX)];
    (generation, lease, wanted).prop_map(|(generation, lease, desired)| RouteState {
        control: Control {
            generation: Generation(generation),
            lease,
            desired,
        },
        ..fresh()
    })
}

fn any_outcome() -> impl Strategy<Value = Option<Outcome>> {
    prop::option::of(prop::sample::select(Outcome::ALL.to_vec()))
}

fn any_arrival() -> impl Strategy<Value = Arrival> {
    prop_oneof![
        Just(new_arrival(2)),
        any_outcome().prop_map(|settled| known_arrival(2, settled))
    ]
}

/// One of the four changes, each with arbitrary arguments.
fn any_change() -> impl Strategy<Value = (RouteState, Result<Change, IllegalChange>)> {
    let numbers = (0..4_u8, 0..3_u128, 0..4_i64, 0..=2_u8);
    (any_state(), any_arrival(), any_outcome(), numbers).prop_map(
        |(state, arrival, outcome, (which, number, at, rank))| {
            let change = match which {
                0 => begin(
                    &state,
                    &owner(),
                    desired(2, order(at, rank), key(2)),
                    &arrival,
                    entry(number, second(at), None),
                ),
                1 => extend(&state, transition_id(number), second(at)),
                2 => {
                    let event = arrival.known.unwrap_or_else(|| in_hand(number, None));
                    finish(&state, &event, entry(number, second(at), outcome))
                }
                _ => settle(&state, &arrival, entry(number, second(at), outcome)),
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
        let (old, new) = (&state.control.desired, &change.to().desired);
        prop_assert!(new.is_some() || old.is_none(), "what was announced is never forgotten");
        let evidence = |desired: &Option<_>| {
            desired.as_ref().map(|d: &writerlink::domain::transition::Desired| d.evidence)
        };
        prop_assert!(evidence(new) >= evidence(old));
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
