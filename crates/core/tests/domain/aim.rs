//! `target_state`: where a route should point by the sources' word, and when that is not believed.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use writerlink_core::decision::goal::{TargetDecision, target_state};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::discovery::{Discovery, Member, Reading, ReadingHistory, STEADY_AFTER_A_MOVE};
use writerlink_core::evidence::event::{EvidenceOrder, RANK_COMMAND, RANK_COMPLETED, RANK_READING};
use writerlink_core::ledger::holds::{Pin, Safety, Suspension};
use writerlink_core::ledger::state::Assignment;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::{Policy, Role, TRUST_EVENT};
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::Route;
use writerlink_core::model::target::MoveMode;
use writerlink_core::model::time::Timestamp;

use super::values::{
    address, asking_route, desired, instance, key, member, members, newer, order, pointing_at, second,
    seen_once, steady, target,
};

/// The aim of a look that happens when the sources are asked. Their answer is newer than the evidence.
pub(crate) fn aimed(route: &Route, control: &Assignment, seen: &Reading) -> TargetDecision {
    let seen = newer(seen.clone(), control);
    target_state(route, control, key(50), &seen, seen.at)
}

pub(crate) fn followed(target_state: TargetDecision) -> Desired {
    match target_state {
        TargetDecision::Follow(desired) => desired,
        other => panic!("expected a move, got {other:?}"),
    }
}

pub(crate) fn kept(target_state: TargetDecision) -> Desired {
    match target_state {
        TargetDecision::Keep(desired) => desired,
        other => panic!("expected the route to stay, got {other:?}"),
    }
}

fn assert_waits(target_state: TargetDecision, outcome: Outcome, reason: Reason) -> String {
    match target_state {
        TargetDecision::Wait(verdict) => {
            assert_eq!((verdict.outcome, verdict.reason), (outcome, reason));
            assert!(!verdict.note.is_empty());
            verdict.note
        }
        other => panic!("expected to wait, got {other:?}"),
    }
}

/// A millisecond before `at`.
fn just_before(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - 1)
}

fn readers_route() -> Route {
    let route = asking_route();
    Route { policy: Policy { role: Role::Readers, ..route.policy }, ..route }
}

pub(crate) fn pinned_to(number: u8, since: Timestamp, until: Option<Timestamp>) -> Safety {
    Safety {
        pin: Some(Pin {
            instance: instance(number),
            target: target(number),
            stop: Suspension { by: "ana".to_owned(), reason: "a drill".to_owned(), since, until },
        }),
        ..Safety::default()
    }
}

// --- what was never told, and what is not new ---------------------------------------------------

#[test]
fn a_route_that_nobody_ever_spoke_about_points_nowhere() {
    let silent = steady(Discovery::NoSources, second(100));
    assert_eq!(aimed(&asking_route(), &Assignment::default(), &silent), TargetDecision::Unknown);
}

#[test]
fn a_route_that_asks_nobody_keeps_what_it_was_told() {
    let control = pointing_at(2, order(10, 1));
    let silent = seen_once(Discovery::NoSources, second(100_000));
    assert_eq!(Some(kept(aimed(&asking_route(), &control, &silent))), control.desired);
}

#[test]
fn sources_that_confirm_the_route_change_nothing_and_renew_no_evidence() {
    let control = pointing_at(2, order(10, 1));
    let same = steady(members(2, &[1, 3]), second(100_000));
    assert_eq!(Some(kept(aimed(&asking_route(), &control, &same))), control.desired);
}

#[test]
fn a_route_without_any_event_follows_what_three_readings_say() {
    let fresh = Assignment::default();
    let once = seen_once(members(2, &[]), second(100));
    assert_eq!(aimed(&asking_route(), &fresh, &once), TargetDecision::Confirm);
    let desired = followed(aimed(&asking_route(), &fresh, &steady(members(2, &[]), second(104))));
    let expected = Desired { event: key(50), ..self::desired(2, order(104, RANK_READING), key(0)) };
    assert_eq!(desired, expected);
}

// --- steadiness ---------------------------------------------------------------------------------

#[test]
fn a_single_reading_moves_no_route_and_neither_do_two() {
    let control = pointing_at(1, order(0, 2));
    let mut readings = ReadingHistory::default();
    let mut aims = Vec::new();
    for reading in 0..4_u32 {
        let at = Duration::from_secs(1000) + Duration::from_secs(2) * reading;
        readings.take(members(2, &[]), at);
        let seen = Reading { stood: readings.stood(), ..seen_once(members(2, &[]), second(0).plus(at)) };
        aims.push(aimed(&asking_route(), &control, &seen));
    }
    assert_eq!(aims[..2], [TargetDecision::Confirm, TargetDecision::Confirm]);
    assert_eq!(followed(aims[2].clone()).target, target(2));
    assert_eq!(followed(aims[3].clone()).target, target(2));
}

#[test]
fn after_a_move_by_sources_the_next_takes_35_seconds_of_agreement() {
    let control = pointing_at(2, order(1000, RANK_READING));
    assert_eq!(STEADY_AFTER_A_MOVE, Duration::from_secs(35));
    let stood_for = |seconds, now: Timestamp| {
        let seen = Reading { stood: Some(Duration::from_secs(seconds)), ..seen_once(members(1, &[]), now) };
        aimed(&asking_route(), &control, &seen)
    };
    assert_eq!(stood_for(4, second(1030)), TargetDecision::Confirm);
    assert_eq!(stood_for(34, second(1040)), TargetDecision::Confirm);
    assert_eq!(followed(stood_for(35, second(1040))).target, target(1), "a failback that stood is followed");
    // Long after the move four seconds are enough again.
    let calm = second(1000).plus(STEADY_AFTER_A_MOVE * 2);
    assert_eq!(stood_for(4, just_before(calm)), TargetDecision::Confirm);
    assert_eq!(followed(stood_for(4, calm)).target, target(1));
}

// --- the trust in an event ----------------------------------------------------------------------

#[test]
fn a_fresh_event_outranks_sources_and_its_trust_ends_to_the_millisecond() {
    let control = pointing_at(2, order(1000, 1));
    let end = second(1000).plus(TRUST_EVENT);
    let stale = |at| steady(members(1, &[2]), at);
    for at in [second(1000), second(1030), just_before(end)] {
        let target_state = aimed(&asking_route(), &control, &stale(at));
        assert_eq!(kept(target_state).target, target(2), "{at}");
    }
    let target_state = aimed(&asking_route(), &control, &stale(end));
    assert_eq!(followed(target_state).target, target(1));
}

#[test]
fn what_a_person_ordered_is_trusted_as_long_as_an_event() {
    let control = pointing_at(2, order(1000, RANK_COMMAND));
    let against = |at| aimed(&asking_route(), &control, &steady(members(1, &[]), at));
    assert_eq!(kept(against(second(1100))).target, target(2));
    assert_eq!(followed(against(second(1180))).target, target(1));
}

#[test]
fn an_event_of_a_clock_that_runs_ahead_is_trusted_too() {
    let control = pointing_at(2, order(1030, 1));
    let seen = steady(members(1, &[]), second(1000));
    assert_eq!(kept(aimed(&asking_route(), &control, &seen)).target, target(2));
}

#[test]
fn the_configured_trust_is_the_one_that_counts() {
    let mut route = asking_route();
    route.policy.trust_event = Duration::from_secs(10);
    let control = pointing_at(2, order(1000, 2));
    let seen = |at| steady(members(1, &[]), at);
    assert_eq!(kept(aimed(&route, &control, &seen(second(1009)))).target, target(2));
    assert_eq!(followed(aimed(&route, &control, &seen(second(1010)))).target, target(1));
}

#[test]
fn a_failover_that_failed_ends_the_trust_in_an_earlier_start_of_one() {
    let seen = steady(members(1, &[]), second(1010));
    let failed_at =
        |seconds| Assignment { require_reading: Some(second(seconds)), ..pointing_at(2, order(1000, 1)) };
    let target_state = |control| aimed(&asking_route(), &control, &seen);
    assert_eq!(followed(target_state(failed_at(1001))).target, target(1));
    assert_eq!(kept(target_state(failed_at(1000))).target, target(2));
    assert_eq!(kept(target_state(failed_at(999))).target, target(2));
}

#[test]
fn only_time_ends_the_trust_in_a_completed_failover_or_a_command() {
    let seen = steady(members(1, &[]), second(1010));
    for rank in [RANK_COMPLETED, RANK_COMMAND] {
        let control = Assignment { require_reading: Some(second(1002)), ..pointing_at(2, order(1000, rank)) };
        let target_state = aimed(&asking_route(), &control, &seen);
        assert_eq!(kept(target_state).target, target(2), "{rank}");
    }
}

#[test]
fn a_reading_by_a_lagging_clock_makes_nothing_older_and_is_no_event() {
    let control = Assignment { require_reading: Some(second(1031)), ..pointing_at(2, order(1030, 1)) };
    let seen = steady(members(1, &[]), second(1010));
    let desired = followed(aimed(&asking_route(), &control, &seen));
    assert_eq!(desired.evidence, order(1030, RANK_READING));
}

#[test]
fn the_end_of_trust_is_no_reason_to_believe_a_single_reading() {
    let control = Assignment { require_reading: Some(second(1001)), ..pointing_at(2, order(1000, 1)) };
    let once = seen_once(members(1, &[]), second(1010));
    assert_eq!(aimed(&asking_route(), &control, &once), TargetDecision::Confirm);
}

#[test]
fn sources_complete_a_route_that_only_registered_once_the_event_is_old() {
    let mut control = pointing_at(2, order(1000, 1));
    if let Some(desired) = &mut control.desired {
        desired.move_mode = MoveMode::Register;
    }
    let seen = |at| steady(members(2, &[1]), at);
    let early = kept(aimed(&asking_route(), &control, &seen(second(1010))));
    assert_eq!(early.move_mode, MoveMode::Register);
    let late = followed(aimed(&asking_route(), &control, &seen(second(1180))));
    assert_eq!((late.target, late.move_mode), (target(2), MoveMode::Swap));
}

// --- sources that cannot tell -----------------------------------------------------------------

#[test]
fn witnesses_that_cannot_tell_move_nothing_and_empty_nothing() {
    let unclear = Discovery::Unclear("dns: NXDOMAIN".to_owned());
    for control in [Assignment::default(), pointing_at(2, order(0, 2))] {
        for at in [second(1), second(100_000)] {
            let target_state = aimed(&asking_route(), &control, &steady(unclear.clone(), at));
            let note = assert_waits(target_state, Outcome::Ignored, Reason::SourcesUnclear);
            assert_eq!(note, "dns: NXDOMAIN");
        }
    }
}

#[test]
fn an_address_without_a_name_is_named_by_the_map_or_waited_out() {
    let nameless = |last| Discovery::Members {
        writer: Member { instance: None, ip: address(last) },
        readers: Vec::new(),
    };
    let control = pointing_at(1, order(0, 2));
    let known = steady(nameless(2), second(1000));
    assert_eq!(followed(aimed(&asking_route(), &control, &known)).instance, instance(2));
    let unknown = steady(nameless(9), second(1000));
    let target_state = aimed(&asking_route(), &control, &unknown);
    let note = assert_waits(target_state, Outcome::Rejected, Reason::UnknownInstance);
    assert!(note.contains("10.0.0.9"), "{note}");
}

#[test]
fn an_address_outside_the_allowed_ranges_is_never_followed() {
    let outside = Discovery::Members {
        writer: Member { instance: Some(instance(2)), ip: "192.0.2.7".parse().unwrap() },
        readers: vec![member(1)],
    };
    let control = pointing_at(1, order(0, 2));
    let target_state = aimed(&asking_route(), &control, &steady(outside, second(1000)));
    let note = assert_waits(target_state, Outcome::Rejected, Reason::AddressNotAllowed);
    assert!(note.contains("192.0.2.7"), "{note}");
}

#[test]
fn an_instance_outside_allowed_instances_is_never_followed() {
    let mut route = asking_route();
    route.policy.allowed_instances = Some([instance(1), instance(3)].into());
    let control = pointing_at(1, order(0, 2));
    let target_state = aimed(&route, &control, &steady(members(2, &[1]), second(1000)));
    let note = assert_waits(target_state, Outcome::Rejected, Reason::InstanceNotAllowed);
    assert!(note.contains("db-2"), "{note}");
}

// --- a pin --------------------------------------------------------------------------------------

#[test]
fn a_pin_outranks_events_witnesses_and_what_waits_and_expires() {
    let control = Assignment {
        waiting: Some(desired(3, order(1010, 2), key(3))),
        safety: pinned_to(2, second(1000), Some(second(2000))),
        ..pointing_at(1, order(500, 2))
    };
    for discovery in [members(1, &[]), Discovery::NoSources, Discovery::Unclear("dns: NXDOMAIN".to_owned())] {
        let target_state = aimed(&asking_route(), &control, &steady(discovery, second(1999)));
        let desired = followed(target_state);
        assert_eq!((desired.instance, desired.target), (instance(2), target(2)));
        assert_eq!(desired.evidence, order(1000, RANK_COMMAND));
    }
    let expired = aimed(&asking_route(), &control, &steady(Discovery::NoSources, second(2000)));
    assert_eq!(Some(followed(expired)), control.waiting);
}

#[test]
fn a_route_that_stands_where_it_is_pinned_is_only_repaired() {
    let control =
        Assignment { safety: pinned_to(2, second(1000), None), ..pointing_at(2, order(1000, RANK_COMMAND)) };
    let target_state = aimed(&asking_route(), &control, &steady(members(1, &[]), second(9000)));
    assert_eq!(Some(kept(target_state)), control.desired);
}

#[test]
fn a_pin_never_makes_evidence_older() {
    let control = Assignment { safety: pinned_to(2, second(1000), None), ..pointing_at(1, order(1005, 2)) };
    let target_state = aimed(&asking_route(), &control, &steady(Discovery::NoSources, second(1010)));
    assert_eq!(followed(target_state).evidence, order(1005, RANK_COMMAND));
}

// --- what waits ---------------------------------------------------------------------------------

#[test]
fn held_evidence_moves_the_route_when_nothing_holds_it_any_more() {
    let control =
        Assignment { waiting: Some(desired(3, order(1000, 2), key(3))), ..pointing_at(1, order(500, 2)) };
    for seen in [
        seen_once(Discovery::NoSources, second(90_000)),
        seen_once(members(3, &[]), second(90_000)),
        seen_once(members(1, &[]), second(1010)),
    ] {
        let target_state = aimed(&asking_route(), &control, &seen);
        assert_eq!(Some(followed(target_state)), control.waiting, "{:?}", seen.discovery);
    }
}

#[test]
fn witnesses_outrank_what_was_held_back_for_too_long() {
    let control =
        Assignment { waiting: Some(desired(3, order(1000, 2), key(3))), ..pointing_at(1, order(500, 2)) };
    let seen = steady(members(1, &[]), second(90_000));
    let back = followed(aimed(&asking_route(), &control, &seen));
    assert_eq!(back.target, target(1));
    assert_eq!(back.evidence, order(90_000, RANK_READING));
}

// --- readers ------------------------------------------------------------------------------------

#[test]
fn a_readers_route_holds_the_readers_without_the_writer() {
    let seen = steady(members(1, &[3, 2]), second(1000));
    let desired = followed(aimed(&readers_route(), &Assignment::default(), &seen));
    assert_eq!(desired.targets(), [target(2), target(3)]);
    assert_eq!(desired.instance, instance(2));
}

#[test]
fn a_readers_route_holds_the_writer_only_when_it_is_alone() {
    let control = Assignment {
        desired: Some(Desired {
            additional_targets: [target(3)].into(),
            ..desired(2, order(0, RANK_READING), key(1))
        }),
        ..Assignment::default()
    };
    let alone = steady(members(1, &[]), second(1000));
    let desired = followed(aimed(&readers_route(), &control, &alone));
    assert_eq!(desired.targets(), [target(1)]);
}

#[test]
fn the_reader_that_a_group_is_known_by_stays_its_first_while_it_reads() {
    let standing = |additional_targets: BTreeSet<_>| Assignment {
        desired: Some(Desired { additional_targets, ..desired(3, order(0, RANK_READING), key(1)) }),
        ..Assignment::default()
    };
    let seen = steady(members(1, &[2, 3]), second(1000));
    let joined = followed(aimed(&readers_route(), &standing(BTreeSet::new()), &seen));
    assert_eq!(joined.targets(), [target(3), target(2)]);
    let complete = aimed(&readers_route(), &standing([target(2)].into()), &seen);
    assert_eq!(kept(complete).targets(), [target(3), target(2)]);
    // It became the writer: it leaves.
    let promoted = steady(members(3, &[1, 2]), second(1000));
    let left = followed(aimed(&readers_route(), &standing([target(2)].into()), &promoted));
    assert_eq!(left.targets(), [target(1), target(2)]);
}

#[test]
fn one_reader_that_may_not_stand_in_the_group_holds_the_others_back() {
    let mut route = readers_route();
    route.policy.allowed_instances = Some([instance(1), instance(2)].into());
    let seen = steady(members(1, &[2, 3]), second(1000));
    let target_state = aimed(&route, &Assignment::default(), &seen);
    assert_waits(target_state, Outcome::Rejected, Reason::InstanceNotAllowed);
}

// --- for any state ------------------------------------------------------------------------------

pub(crate) fn any_discovery() -> impl Strategy<Value = Discovery> {
    let numbers = prop::collection::btree_set(1..=3_u8, 0..3);
    let said = (1..=3_u8, numbers).prop_map(|(writer, mut readers)| {
        readers.remove(&writer);
        members(writer, &readers.into_iter().collect::<Vec<_>>())
    });
    prop_oneof![
        4 => said,
        1 => Just(Discovery::NoSources),
        1 => Just(Discovery::Unclear("dns: no answer".to_owned())),
    ]
}

fn any_known() -> impl Strategy<Value = Option<Desired>> {
    let parts = (1..=3_u8, 0..600_i64, 1..=4_u8);
    prop::option::of(parts.prop_map(|(n, at, rank)| desired(n, order(at, rank), key(n))))
}

pub(crate) fn any_control() -> impl Strategy<Value = Assignment> {
    let pin = prop::option::of((1..=3_u8, 0..600_i64));
    let asked = prop::option::of((0..600_i64).prop_map(second));
    (any_known(), any_known(), pin, asked).prop_map(|(desired, waiting, pin, require_reading)| {
        let standing = desired.as_ref().map(|desired: &Desired| desired.evidence);
        Assignment {
            // Only newer evidence waits.
            waiting: waiting.filter(|waiting: &Desired| Some(waiting.evidence) > standing),
            desired,
            require_reading,
            safety: pin.map_or_else(Safety::default, |(n, at)| pinned_to(n, second(at), None)),
            ..Assignment::default()
        }
    })
}

proptest! {
    #[test]
    fn whatever_is_aimed_at_is_never_older_than_what_is_applied(
        control in any_control(), discovery in any_discovery(),
        at in 0..600_i64, stood in prop::option::of(0..60_u64),
    ) {
        let seen = Reading {
            stood: stood.map(Duration::from_secs),
            ..seen_once(discovery, second(at))
        };
        let applied: Option<EvidenceOrder> = control.desired.as_ref().map(|d| d.evidence);
        let newest = control.newest().map(|d| d.evidence);
        match aimed(&asking_route(), &control, &seen) {
            TargetDecision::Keep(desired) => prop_assert_eq!(Some(desired), control.desired),
            TargetDecision::Follow(desired) => {
                prop_assert!(Some(desired.evidence) >= applied);
                if control.safety.pin.is_none() {
                    prop_assert!(Some(desired.evidence) >= newest);
                }
            }
            TargetDecision::Confirm | TargetDecision::LeftToEvent | TargetDecision::Wait(_) | TargetDecision::Unknown => {}
        }
    }

    #[test]
    fn a_reading_that_nobody_confirmed_never_moves_a_route_anywhere_new(
        control in any_control(), discovery in any_discovery(), at in 0..600_i64,
    ) {
        let seen = seen_once(discovery, second(at));
        if let TargetDecision::Follow(desired) = aimed(&asking_route(), &control, &seen) {
            let pinned = control.safety.pin.as_ref().map(|pin| pin.target);
            let waited = control.waiting.as_ref().map(|waiting| waiting.target);
            prop_assert!([pinned, waited].contains(&Some(desired.target)));
        }
    }
}
