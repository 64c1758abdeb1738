//! What holds a route back, and what goes past it: each rule alone, and all together.

use std::time::Duration;

use proptest::prelude::*;
use writerlink_core::decision::holds::hold_or_move;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::trigger::CommandKind;
use writerlink_core::ledger::change::{StateUpdate, note};
use writerlink_core::ledger::holds::{Blocked, FLAP_WITHIN, Pin, Safety, Suspension};
use writerlink_core::ledger::state::{Assignment, RouteState};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::{FLAP_MOVES_MAX, Mode, Policy};
use writerlink_core::model::reason::{Reason, Rule};
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;

use super::values::{desired, entry, instance, key, order, ordered, pointing_at, route, second, target};

fn stop(until: Option<Timestamp>) -> Suspension {
    Suspension { by: "ana".to_owned(), reason: "maintenance".to_owned(), since: second(100), until }
}

fn pin_to(number: u8) -> Pin {
    Pin { instance: instance(number), target: target(number), stop: stop(None) }
}

fn observing() -> Route {
    Route { policy: Policy { mode: Mode::Observe, ..Policy::default() }, ..route() }
}

/// Five changes of target, a minute apart, the last one at second 1000.
fn five_moves() -> Safety {
    let times = [760, 820, 880, 940, 1000];
    let moved = |safety: Safety, at| safety.moved(second(at));
    times.into_iter().fold(Safety::default(), moved)
}

/// A route that every one of `rules` holds back from `db-2` at second 1010.
fn held_back_by(rules: &[Rule]) -> (Route, Assignment) {
    let mut safety = Safety::default();
    let mut served = route();
    for rule in rules {
        match rule {
            Rule::Paused => safety.pause = Some(stop(None)),
            Rule::Frozen => safety.freeze = Some(stop(None)),
            Rule::Pinned => safety.pin = Some(pin_to(1)),
            Rule::Observing => served = observing(),
            Rule::Flapping => safety.moves = five_moves().moves,
        }
    }
    let control = Assignment { safety, ..pointing_at(1, order(10, 1)) };
    (served, control)
}

fn wanted() -> Desired {
    desired(2, order(1005, 2), key(2))
}

fn decided((route, control): &(Route, Assignment), overrides: &[Rule]) -> Decision {
    hold_or_move(route, control, wanted(), second(1010), overrides)
}

fn held(decision: Decision) -> Blocked {
    match decision {
        Decision::Hold(desired, blocked) => {
            assert_eq!(desired, wanted(), "what would have been done is kept");
            blocked
        }
        other => panic!("expected the route to be held back, got {other:?}"),
    }
}

// --- each rule alone ----------------------------------------------------------------------------

#[test]
fn nothing_holds_a_route_back_that_no_rule_is_about() {
    assert_eq!(decided(&held_back_by(&[]), &[]), Decision::Move(wanted()));
}

#[test]
fn each_hold_has_its_own_reason_and_records_what_it_would_have_done() {
    let expected = [
        (Rule::Paused, Outcome::Paused, Reason::Paused),
        (Rule::Frozen, Outcome::Paused, Reason::Frozen),
        (Rule::Pinned, Outcome::Paused, Reason::Pinned),
        (Rule::Flapping, Outcome::Paused, Reason::Flapping),
        (Rule::Observing, Outcome::Observed, Reason::Observing),
    ];
    assert_eq!(expected.len(), Rule::ALL.len());
    for (rule, outcome, reason) in expected {
        let blocked = held(decided(&held_back_by(&[rule]), &[]));
        assert_eq!(blocked.rule, rule);
        let verdict = blocked.verdict(&wanted());
        assert_eq!((verdict.outcome, verdict.reason), (outcome, reason));
        let note = verdict.note;
        assert!(note.ends_with("would move to db-2 at 10.0.0.2:3306"), "{note}");
        let told_by_a_person = matches!(rule, Rule::Paused | Rule::Frozen | Rule::Pinned);
        assert_eq!(note.contains("ana"), told_by_a_person, "{note}");
    }
}

#[test]
fn an_override_goes_past_the_rule_that_it_names_and_past_no_other() {
    for rule in Rule::ALL {
        let stage = held_back_by(&[rule]);
        assert_eq!(decided(&stage, &[rule]), Decision::Move(wanted()), "{rule}");
        let others: Vec<Rule> = Rule::ALL.into_iter().filter(|r| *r != rule).collect();
        assert_eq!(held(decided(&stage, &others)).rule, rule);
    }
}

#[test]
fn pause_and_freeze_hold_repairs_and_a_pin_allows_its_own_instances() {
    let repair = desired(1, order(10, 1), key(99));
    let repaired = |rules: &[Rule]| {
        let (route, control) = held_back_by(rules);
        hold_or_move(&route, &control, repair.clone(), second(1010), &[])
    };
    for rule in [Rule::Paused, Rule::Frozen, Rule::Observing] {
        assert!(matches!(repaired(&[rule]), Decision::Hold(_, blocked) if blocked.rule == rule));
    }
    assert_eq!(repaired(&[Rule::Pinned]), Decision::Move(repair.clone()));
    assert_eq!(repaired(&[Rule::Flapping]), Decision::Move(repair.clone()));
}

#[test]
fn a_stop_ends_at_its_time_and_one_without_a_time_never_does() {
    let until = stop(Some(second(2000)));
    assert!(until.holds(second(1999)) && !until.holds(second(2000)));
    assert!(stop(None).holds(second(1_000_000)));
    let expired = Some(stop(Some(second(1010))));
    let safety = Safety {
        pause: expired.clone(),
        freeze: expired.clone(),
        flapping: expired,
        pin: Some(Pin { stop: stop(Some(second(1010))), ..pin_to(1) }),
        moves: Vec::new(),
    };
    let control = Assignment { safety: safety.clone(), ..pointing_at(1, order(10, 1)) };
    let stage = (route(), control);
    assert_eq!(decided(&stage, &[]), Decision::Move(wanted()));
    assert_eq!(safety.pinned(second(1010)), None);
    assert_eq!(safety.stopped_since(second(1010)), None);
    assert_eq!(safety.stopped_since(second(1009)), Some(second(100)));
}

#[test]
fn the_words_of_a_stop_say_who_since_when_until_when_and_why() {
    let safety = Safety { pause: Some(stop(Some(second(2000)))), ..Safety::default() };
    let route = route();
    let in_force = safety.in_force(&route, second(1010));
    assert_eq!(in_force.len(), 1);
    assert_eq!(
        in_force[0].to_string(),
        format!("paused by ana since {} until {}: maintenance", second(100), second(2000))
    );
}

// --- flapping -----------------------------------------------------------------------------------

#[test]
fn the_sixth_change_of_target_within_ten_minutes_is_held_back() {
    assert_eq!((FLAP_MOVES_MAX, FLAP_WITHIN), (5, Duration::from_mins(10)));
    let mut safety = Safety::default();
    for second_of_move in [760, 820, 880, 940, 1000] {
        assert!(!safety.flaps(second(second_of_move), FLAP_MOVES_MAX));
        safety = safety.moved(second(second_of_move));
    }
    let oldest_is_out = second(760).plus(FLAP_WITHIN);
    assert!(safety.flaps(second(1001), FLAP_MOVES_MAX));
    let just_in = Timestamp::from_millis(oldest_is_out.as_millis() - 1);
    assert!(safety.flaps(just_in, FLAP_MOVES_MAX));
    assert!(!safety.flaps(just_in, FLAP_MOVES_MAX + 1), "as it is configured");
    assert!(!safety.flaps(just_in, 0), "0 never stops a route");
    assert!(!safety.flaps(oldest_is_out, FLAP_MOVES_MAX));
}

#[test]
fn only_the_newest_changes_are_remembered_and_they_stay_in_order() {
    let moves = (0..30).fold(Safety::default(), |safety, n| safety.moved(second(n)));
    let newest: Vec<Timestamp> = (10..30).map(second).collect();
    assert_eq!(moves.moves, newest);
}

#[test]
fn a_route_that_flapped_stops_until_somebody_acknowledges_it() {
    let (route, control) = held_back_by(&[Rule::Flapping]);
    let blocked = held(decided(&(route.clone(), control.clone()), &[]));
    let from = RouteState { control, ..RouteState::new(route.name.clone()) };
    let kept = StateUpdate::Defer(wanted(), blocked.rule);
    let told = note(&from, kept, entry(5, second(1010), None)).unwrap();
    let stopped = told.to().clone();
    assert!(stopped.safety.flapping.is_some());
    // The window is long over, and still it stops.
    let later = second(100_000);
    let still = hold_or_move(&route, &stopped, wanted(), later, &[]);
    assert_eq!(held(still).rule, Rule::Flapping);
    let from = RouteState { control: stopped, ..from };
    let acknowledged = StateUpdate::Apply(ordered(CommandKind::Acknowledge, later, &[]));
    let told = note(&from, acknowledged, entry(6, later, None)).unwrap();
    assert_eq!(told.to().safety, Safety::default(), "the count starts again");
    assert_eq!(hold_or_move(&route, told.to(), wanted(), second(1010), &[]), Decision::Move(wanted()));
}

// --- all together -------------------------------------------------------------------------------

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::sample::subsequence(Rule::ALL.to_vec(), 0..=Rule::ALL.len())
}

proptest! {
    #[test]
    fn a_route_moves_exactly_when_every_rule_that_holds_it_back_is_named(
        rules in any_rules(), overrides in any_rules(),
    ) {
        let covered = rules.iter().all(|rule| overrides.contains(rule));
        match decided(&held_back_by(&rules), &overrides) {
            Decision::Move(desired) => {
                prop_assert!(covered);
                prop_assert_eq!(desired, wanted());
            }
            Decision::Hold(_, blocked) => {
                prop_assert!(!covered);
                prop_assert!(rules.contains(&blocked.rule) && !overrides.contains(&blocked.rule));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
