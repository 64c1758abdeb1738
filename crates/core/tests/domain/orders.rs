//! Orders of a person, and what a change keeps of them: pins, stops, and the evidence that waits.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use writerlink_core::actuation::health::HealthWatch;
use writerlink_core::decision::event::decide;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::{EvidenceOrder, RANK_COMMAND};
use writerlink_core::evidence::trigger::{CommandKind, OperatorCommand, Trigger};
use writerlink_core::ledger::change::{
    BeginRequest, Change, IllegalChange, StateUpdate, begin, finish, note, settle,
};
use writerlink_core::ledger::holds::{Pin, Safety, Suspension};
use writerlink_core::ledger::lease::{LEASE_DURATION, Lease};
use writerlink_core::ledger::record::{Entry, RecordedTrigger};
use writerlink_core::ledger::state::{Assignment, RouteState};
use writerlink_core::model::ids::{Generation, Owner};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Reason, Rule};
use writerlink_core::model::route::Route;
use writerlink_core::model::target::MoveMode;

use super::values::{
    desired, draining, entry, evidence_of, healthy, instance, key, members, new_arrival, order, ordered,
    owner, pointing_at, route, second, steady, target, transition_id,
};

static OWNER: LazyLock<Owner> = LazyLock::new(owner);

pub(crate) fn state_of(control: Assignment) -> RouteState {
    RouteState { control, ..RouteState::new(route().name) }
}

/// A route that a dead worker's attempt 1 holds, and that points at `db-1`.
fn dead_lease() -> RouteState {
    state_of(Assignment {
        generation: Generation(7),
        lease: Some(Lease { owner: Owner::new("dead"), transition: transition_id(1), deadline: second(30) }),
        ..pointing_at(1, order(10, 1))
    })
}

/// Evidence of a started failover.
pub(crate) fn order_of(seconds: i64) -> EvidenceOrder {
    order(seconds, 1)
}

fn swap(number: u8) -> CommandKind {
    CommandKind::Swap(instance(number))
}

fn pin(number: u8, within: Option<Duration>) -> CommandKind {
    CommandKind::Pin { instance: instance(number), within }
}

/// What is decided about an order at the second at which it was given.
fn decided(route: &Route, control: &Assignment, order: &OperatorCommand) -> Decision {
    let evidence = evidence_of(Trigger::Command(order.clone()));
    let instance = order.act.instance();
    let address = instance.and_then(|name| route.instances.get(name).copied());
    decide(route, control, &evidence, address, order.at)
}

/// Begins the move that an order asks for, as attempt 5.
fn begun(control: &Assignment, order: &OperatorCommand) -> Change {
    let Decision::Move(desired) = decided(&route(), control, order) else {
        panic!("the order is refused");
    };
    let taking = BeginRequest { owner: &OWNER, desired, arrival: None, order: Some(order) };
    let told = entry(5, order.at, None);
    begin(&state_of(control.clone()), taking, told).unwrap()
}

/// Begins a move or a repair that nobody ordered.
pub(crate) fn begun_for(from: &RouteState, desired: Desired, at: i64) -> Result<Change, IllegalChange> {
    let taking = BeginRequest { owner: &OWNER, desired, arrival: None, order: None };
    begin(from, taking, entry(5, second(at), None))
}

fn refused(decision: Decision) -> (Outcome, Reason, String) {
    match decision {
        Decision::Settle(verdict) => (verdict.outcome, verdict.reason, verdict.note),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn pinned(number: u8, at: i64) -> Pin {
    Pin {
        instance: instance(number),
        target: target(number),
        stop: Suspension {
            by: "ana".to_owned(),
            reason: "a drill".to_owned(),
            since: second(at),
            until: None,
        },
    }
}

fn pinned_route(number: u8) -> Assignment {
    Assignment {
        safety: Safety { pin: Some(pinned(number, 50)), ..Safety::default() },
        ..pointing_at(number, order(50, RANK_COMMAND))
    }
}

// --- orders that move ---------------------------------------------------------------------------

#[test]
fn a_swap_is_evidence_that_outranks_every_event_of_its_instant() {
    let change = begun(&pointing_at(1, order(100, 2)), &ordered(swap(2), second(100), &[]));
    let desired = change.to().desired.clone().unwrap();
    assert_eq!((desired.target, desired.move_mode), (target(2), MoveMode::Swap));
    assert_eq!(desired.evidence, order(100, RANK_COMMAND));
    assert_eq!(
        change.to().lease.as_ref().map(|lease| lease.deadline),
        Some(second(100).plus(LEASE_DURATION))
    );
    assert_eq!(change.event(), None, "nobody delivers an order again");
}

#[test]
fn a_command_by_a_lagging_clock_still_moves_and_makes_nothing_older() {
    let ahead = pointing_at(1, order(130, 2));
    let change = begun(&ahead, &ordered(swap(2), second(100), &[]));
    let desired = change.to().desired.clone().unwrap();
    assert_eq!((desired.target, desired.evidence), (target(2), order(130, RANK_COMMAND)));
}

#[test]
fn a_pin_takes_effect_with_the_move_that_it_orders() {
    let order = ordered(pin(2, Some(Duration::from_mins(1))), second(100), &[]);
    let change = begun(&pointing_at(1, order_of(10)), &order);
    let expected =
        Pin { stop: Suspension { until: Some(second(160)), ..pinned(2, 100).stop }, ..pinned(2, 100) };
    assert_eq!(change.to().safety.pin, Some(expected));
    assert_eq!(change.to().desired.clone().unwrap().target, target(2));
}

#[test]
fn a_pin_where_the_route_points_already_counts_no_move() {
    let change = begun(&pointing_at(2, order_of(10)), &ordered(pin(2, None), second(100), &[]));
    assert_eq!(change.to().safety.pin, Some(pinned(2, 100)));
    assert_eq!(change.to().safety.moves, []);
}

#[test]
fn a_rule_refuses_a_command_and_says_how_to_override_it() {
    let paused = Assignment {
        safety: Safety { pause: Some(pinned(1, 50).stop), ..Safety::default() },
        ..pointing_at(1, order_of(10))
    };
    let cases = [(paused, Rule::Paused, Reason::Paused), (pinned_route(1), Rule::Pinned, Reason::Pinned)];
    for (control, rule, reason) in cases {
        let plain = ordered(swap(2), second(100), &[]);
        let (outcome, why, note) = refused(decided(&route(), &control, &plain));
        assert_eq!((outcome, why), (Outcome::Rejected, reason));
        assert!(note.ends_with(&format!("--override {rule} goes past it")), "{note}");
        let named = ordered(swap(2), second(100), &[rule]);
        assert!(matches!(decided(&route(), &control, &named), Decision::Move(_)));
    }
}

#[test]
fn a_command_cannot_bring_an_address_or_instance_the_route_forbids() {
    let mut narrow = route();
    narrow.policy.allowed_instances = Some([instance(1)].into());
    let order = ordered(swap(2), second(100), &Rule::ALL);
    let (outcome, why, _) = refused(decided(&narrow, &Assignment::default(), &order));
    assert_eq!((outcome, why), (Outcome::Rejected, Reason::InstanceNotAllowed));
    let elsewhere = Route { allowed_cidrs: vec!["192.0.2.0/24".parse().unwrap()], ..route() };
    let (_, why, _) = refused(decided(&elsewhere, &Assignment::default(), &order));
    assert_eq!(why, Reason::AddressNotAllowed);
    let unknown = ordered(swap(9), second(100), &Rule::ALL);
    let (_, why, _) = refused(decided(&route(), &Assignment::default(), &unknown));
    assert_eq!(why, Reason::UnknownInstance);
}

#[test]
fn a_swap_that_overrides_the_pin_lifts_it() {
    let order = ordered(swap(2), second(100), &[Rule::Pinned]);
    assert_eq!(begun(&pinned_route(1), &order).to().safety.pin, None);
}

#[test]
fn a_swap_to_where_the_route_is_pinned_keeps_the_pin() {
    let again = ordered(swap(1), second(100), &[]);
    let change = begun(&pinned_route(1), &again);
    assert_eq!(change.to().safety.pin, Some(pinned(1, 50)));
}

#[test]
fn a_pin_that_overrides_a_pin_takes_its_place() {
    let order = ordered(pin(2, None), second(100), &[Rule::Pinned]);
    let change = begun(&pinned_route(1), &order);
    assert_eq!(change.to().safety.pin, Some(pinned(2, 100)));
}

// --- orders that move nothing -------------------------------------------------------------------

#[test]
fn an_order_that_moves_nothing_sets_and_lifts_its_own_stop_alone() {
    let control = Assignment { lease: None, ..pinned_route(1) };
    let obey = |control: Assignment, act: CommandKind| {
        let order = ordered(act, second(100), &[]);
        let told = entry(5, second(100), None);
        let change = note(&state_of(control), StateUpdate::Apply(order), told).unwrap();
        change.to().clone()
    };
    let within = Some(Duration::from_mins(1));
    let paused = obey(control.clone(), CommandKind::Pause { within });
    let frozen = obey(paused.clone(), CommandKind::Freeze { within: None });
    let stop = |until| Some(Suspension { until, ..pinned(1, 100).stop });
    assert_eq!(frozen.safety.pause, stop(Some(second(160))));
    assert_eq!(frozen.safety.freeze, stop(None));
    assert_eq!(frozen.safety.pin, control.safety.pin);
    let resumed = obey(frozen.clone(), CommandKind::Resume);
    assert_eq!((resumed.safety.pause, resumed.safety.freeze), (None, stop(None)));
    let thawed = obey(frozen.clone(), CommandKind::Unfreeze);
    assert_eq!(thawed.safety, paused.safety);
    let unpinned = obey(frozen, CommandKind::Unpin);
    assert_eq!(unpinned.safety.pin, None);
    assert_eq!(unpinned.desired, control.desired, "no order forgets evidence");
}

// --- what is counted ----------------------------------------------------------------------------

#[test]
fn a_repair_keeps_the_evidence_and_counts_as_no_move() {
    let control = pointing_at(1, order_of(10));
    let standing = control.desired.clone().unwrap();
    let follow = Some(seen_of_the_last_move());
    let from = state_of(Assignment { health_watch: follow, ..control });
    let change = begun_for(&from, standing.clone(), 9000).unwrap();
    assert_eq!(change.to().desired, Some(standing));
    assert_eq!(change.to().safety.moves, []);
    assert_eq!(change.to().health_watch, from.control.health_watch, "it is followed on");
}

#[test]
fn a_move_counts_and_ends_what_was_to_be_seen_of_the_one_before() {
    let control = Assignment { health_watch: Some(seen_of_the_last_move()), ..pointing_at(1, order_of(10)) };
    let wanted = desired(2, order_of(20), key(2));
    let change = begun_for(&state_of(control), wanted, 21).unwrap();
    assert_eq!(change.to().safety.moves, [second(21)]);
    assert_eq!(change.to().health_watch, None);
}

#[test]
fn what_registered_first_and_swaps_later_is_one_move() {
    let mut registered = pointing_at(2, order_of(10));
    if let Some(desired) = &mut registered.desired {
        desired.move_mode = MoveMode::Register;
    }
    let completed = desired(2, order(40, 2), key(2));
    let change = begun_for(&state_of(registered), completed, 41).unwrap();
    assert_eq!(change.to().safety.moves, []);
}

fn seen_of_the_last_move() -> HealthWatch {
    let ended = Entry {
        before: vec![healthy(2), healthy(3)],
        after: vec![draining(2), draining(3), healthy(1)],
        ..entry(1, second(25), Some(Outcome::Moved))
    };
    finish(&dead_lease(), None, ended).unwrap().to().health_watch.clone().unwrap()
}

#[test]
fn only_a_move_that_changed_something_is_followed() {
    let ended = |outcome| {
        let told = entry(1, second(25), Some(outcome));
        finish(&dead_lease(), None, told).unwrap().to().health_watch.clone()
    };
    for outcome in Outcome::ALL {
        let changed = matches!(outcome, Outcome::Moved | Outcome::Registered);
        assert_eq!(ended(outcome).is_some(), changed, "{outcome}");
    }
    assert_eq!(seen_of_the_last_move().leaving, [target(2), target(3)]);
}

#[test]
fn a_repair_is_timed_from_when_it_was_needed_and_not_from_old_evidence() {
    let seen = Trigger::Reading(steady(members(1, &[]), second(90_000)));
    let repaired = Entry {
        trigger: Some(RecordedTrigger::from(&seen)),
        reason: Some(Reason::DriftRepaired),
        ..entry(1, second(90_002), Some(Outcome::Moved))
    };
    let follow = finish(&dead_lease(), None, repaired).unwrap().to().health_watch.clone();
    assert_eq!(follow.map(|follow| follow.since), Some(second(90_000)));
}

// --- what waits ---------------------------------------------------------------------------------

fn with_waiting(at: i64) -> RouteState {
    state_of(Assignment { waiting: Some(desired(3, order_of(at), key(3))), ..pointing_at(1, order_of(10)) })
}

#[test]
fn a_move_clears_what_waits_unless_that_is_newer() {
    let begun = |at| begun_for(&with_waiting(20), desired(2, order_of(at), key(2)), at).unwrap();
    assert_eq!(begun(19).to().waiting, with_waiting(20).control.waiting);
    assert_eq!(begun(20).to().waiting, None);
    assert_eq!(begun(21).to().waiting, None);
}

#[test]
fn evidence_older_than_applied_begins_no_move_though_newer_waits() {
    assert_eq!(
        begun_for(&with_waiting(20), desired(2, order_of(9), key(2)), 30),
        Err(IllegalChange::EvidenceRegresses(second(9), second(10)))
    );
}

#[test]
fn the_move_that_was_held_back_begins_under_its_own_evidence() {
    let waited = with_waiting(20).control.waiting.unwrap();
    let change = begun_for(&with_waiting(20), waited.clone(), 900).unwrap();
    assert_eq!((&change.to().desired, &change.to().waiting), (&Some(waited), &None));
}

#[test]
fn what_is_kept_replaces_only_older_evidence() {
    let kept = |at| {
        let effect = StateUpdate::Defer(desired(2, order_of(at), key(2)), Rule::Paused);
        let change = note(&with_waiting(20), effect, entry(5, second(30), None)).unwrap();
        change.to().waiting.clone().map(|waiting| waiting.evidence)
    };
    assert_eq!(kept(21), Some(order_of(21)));
    for old in [5, 15, 20] {
        assert_eq!(kept(old), Some(order_of(20)));
    }
}

#[test]
fn what_is_kept_is_not_applied_and_stops_nothing_by_itself() {
    let effect = StateUpdate::Defer(desired(2, order_of(30), key(2)), Rule::Paused);
    let change = note(&with_waiting(20), effect, entry(5, second(30), None)).unwrap();
    assert_eq!(change.to().desired, with_waiting(20).control.desired);
    assert_eq!(change.to().safety, Safety::default());
}

#[test]
fn the_witnesses_are_asked_since_the_newest_time_at_which_anybody_asked() {
    let asked = |from: &RouteState, at| {
        let told = entry(5, second(60), Some(Outcome::Ignored));
        let change = settle(from, &new_arrival(2), StateUpdate::RequireReading(second(at)), told).unwrap();
        state_of(change.to().clone())
    };
    let first = asked(&dead_lease(), 40);
    assert_eq!(first.control.require_reading, Some(second(40)));
    assert_eq!(asked(&first, 30).control.require_reading, Some(second(40)));
    assert_eq!(asked(&first, 50).control.require_reading, Some(second(50)));
}

// --- a dead holder ------------------------------------------------------------------------------

fn any_effect() -> impl Strategy<Value = StateUpdate> {
    let acts = prop_oneof![
        Just(CommandKind::Pause { within: None }),
        Just(CommandKind::Resume),
        Just(CommandKind::Freeze { within: None }),
        Just(CommandKind::Unfreeze),
        Just(CommandKind::Unpin),
        Just(CommandKind::Acknowledge),
        (1..=3_u8).prop_map(swap),
    ];
    let kept = (1..=3_u8, 0..40_i64, prop::sample::select(Rule::ALL.to_vec()));
    prop_oneof![
        Just(StateUpdate::None),
        Just(StateUpdate::WatchHealth(None)),
        Just(StateUpdate::WatchHealth(Some(seen_of_the_last_move()))),
        (0..90_i64).prop_map(|at| StateUpdate::RequireReading(second(at))),
        kept.prop_map(|(n, at, rule)| StateUpdate::Defer(desired(n, order_of(at), key(n)), rule)),
        acts.prop_map(|act| StateUpdate::Apply(ordered(act, second(60), &[]))),
    ]
}

proptest! {
    #[test]
    fn whatever_is_recorded_fences_a_dead_holder_off_and_moves_nothing(
        effect in any_effect(), settles in any::<bool>(),
    ) {
        let from = dead_lease();
        let change = if settles {
            let told = entry(5, second(60), Some(Outcome::Ignored));
            settle(&from, &new_arrival(2), effect, told).unwrap()
        } else {
            note(&from, effect, entry(5, second(60), None)).unwrap()
        };
        prop_assert_eq!(&change.to().lease, &None);
        prop_assert_eq!(change.to().generation, Generation(8));
        prop_assert_eq!(&change.to().desired, &from.control.desired);
        let after = state_of(change.to().clone());
        let dead = finish(&after, None, entry(1, second(61), Some(Outcome::Moved)));
        prop_assert_eq!(dead, Err(IllegalChange::LeaseNotHeld(transition_id(1))));
    }
}

#[test]
fn an_order_that_moves_no_route_is_none_that_is_decided_about() {
    let order = ordered(CommandKind::Resume, second(100), &[]);
    let (outcome, why, note) = refused(decided(&route(), &Assignment::default(), &order));
    assert_eq!((outcome, why), (Outcome::Ignored, Reason::NotAFailover));
    assert!(note.contains("resume"), "{note}");
}
