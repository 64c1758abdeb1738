//! `HealthWatch`: what is said about a move after its calls, each thing once.

use std::time::Duration;

use proptest::prelude::*;
use writerlink_core::actuation::health::{HealthEvent, HealthUpdate, HealthWatch, ServingState, advice};
use writerlink_core::model::policy::{Policy, SERVING_LIMIT, ServingWhen};
use writerlink_core::model::target::{ObservedTarget, TargetHealth};
use writerlink_core::model::time::Timestamp;

use super::values::{draining, healthy, instance, key, row, second, target, transition_id};

/// A move to `db-2` that ended at second 105, on evidence of second 100; `db-1` has yet to go.
fn moved() -> HealthWatch {
    HealthWatch {
        transition: transition_id(1),
        key: key(1),
        instance: instance(2),
        target: target(2),
        since: second(100),
        moved_at: second(105),
        arrival: ServingState::Awaited,
        leaving: vec![target(1)],
    }
}

fn with_reason(number: u8, health: TargetHealth, reason: &str) -> ObservedTarget {
    ObservedTarget { reason: Some(reason.to_owned()), ..row(target(number), health) }
}

fn initial(number: u8) -> ObservedTarget {
    let reason = "Elb.RegistrationInProgress";
    with_reason(number, TargetHealth::Initial, reason)
}

fn look(follow: &HealthWatch, observed: &[ObservedTarget], now: Timestamp) -> Option<HealthUpdate> {
    follow.next_update(&Policy::default(), observed, now)
}

/// Everything that is said over these looks, as a timer would say it: sign after sign, look after look.
fn story(looks: &[(i64, Vec<ObservedTarget>)]) -> (Vec<HealthEvent>, Option<HealthWatch>) {
    let mut follow = Some(moved());
    let mut said = Vec::new();
    for (at, observed) in looks {
        while let Some(sign) = follow.as_ref().and_then(|f| look(f, observed, second(*at))) {
            said.push(sign.what);
            follow = sign.rest;
        }
    }
    (said, follow)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn serving_is_said_once_with_its_time_since_the_evidence() {
    let sign = look(&moved(), &[draining(1), healthy(2)], second(160)).unwrap();
    assert_eq!(sign.what, HealthEvent::Serving(secs(60)));
    assert_eq!(sign.note, "db-2 at 10.0.0.2:3306 serves, 60 s after the evidence (healthy)");
    let rest = sign.rest.unwrap();
    assert_eq!(rest.arrival, ServingState::Serving);
    assert_eq!(look(&rest, &[draining(1), healthy(2)], second(165)), None);
}

#[test]
fn drained_is_said_once_for_each_old_target_with_its_time_since_the_move() {
    let follow = HealthWatch { leaving: vec![target(1), target(3)], ..moved() };
    let sign = look(&follow, &[initial(2), draining(3)], second(405)).unwrap();
    assert_eq!(sign.what, HealthEvent::Drained(secs(300)));
    assert_eq!(sign.note, "10.0.0.1:3306 is gone, 300 s after it was deregistered");
    let rest = sign.rest.unwrap();
    assert_eq!(rest.leaving, [target(3)]);
    assert_eq!(look(&rest, &[initial(2), draining(3)], second(410)), None);
}

#[test]
fn a_move_is_followed_until_its_target_serves_and_every_old_one_is_gone() {
    let (said, rest) = story(&[
        (110, vec![draining(1), initial(2)]),
        (290, vec![draining(1), healthy(2)]),
        (295, vec![draining(1), healthy(2)]),
        (410, vec![healthy(2)]),
    ]);
    assert_eq!(said, [HealthEvent::Serving(secs(190)), HealthEvent::Drained(secs(305))]);
    assert_eq!(rest, None, "nothing is left to be seen");
}

#[test]
fn of_two_things_that_are_seen_at_once_the_one_that_serves_is_said_first() {
    let (said, rest) = story(&[(500, vec![healthy(2)])]);
    assert_eq!(said, [HealthEvent::Serving(secs(400)), HealthEvent::Drained(secs(395))]);
    assert_eq!(rest, None);
}

#[test]
fn a_target_that_is_overdue_is_said_once_and_may_still_serve() {
    assert_eq!(SERVING_LIMIT, secs(360));
    let failing = || with_reason(2, TargetHealth::Unhealthy, "Target.FailedHealthChecks");
    let (said, rest) = story(&[
        (464, vec![failing()]),
        (465, vec![failing()]),
        (500, vec![failing()]),
        (900, vec![healthy(2)]),
    ]);
    assert_eq!(
        said,
        [
            HealthEvent::Drained(secs(359)),
            HealthEvent::NotServing(secs(365)),
            HealthEvent::Serving(secs(800)),
        ]
    );
    assert_eq!(rest, None);
}

#[test]
fn a_target_that_does_not_serve_is_followed_on_though_the_old_one_is_gone() {
    let (said, rest) = story(&[(480, vec![initial(2)])]);
    assert_eq!(said, [HealthEvent::Drained(secs(375)), HealthEvent::NotServing(secs(380))]);
    let rest = rest.unwrap();
    assert_eq!((rest.arrival, rest.leaving), (ServingState::Overdue, vec![]));
}

#[test]
fn what_is_overdue_says_state_reason_and_what_to_do() {
    let unused = with_reason(2, TargetHealth::Unused, "Target.NotInUse");
    let sign = look(&moved(), &[unused, draining(1)], second(500)).unwrap();
    assert_eq!(sign.what, HealthEvent::NotServing(secs(400)));
    for part in [
        "db-2 at 10.0.0.2:3306 does not serve 395 s after the move",
        "unused (Target.NotInUse)",
        "Availability Zone",
        "cross-zone",
    ] {
        assert!(sign.note.contains(part), "{part}: {}", sign.note);
    }
    let gone = look(&moved(), &[draining(1)], second(500)).unwrap();
    assert!(gone.note.contains("not registered"), "{}", gone.note);
}

#[test]
fn the_limit_is_the_routes_own() {
    let policy = Policy { serving_limit: secs(30), ..Policy::default() };
    let rows = [draining(1), initial(2)];
    let sign = |at| moved().next_update(&policy, &rows, second(at));
    assert_eq!(sign(134), None);
    assert_eq!(sign(135).unwrap().what, HealthEvent::NotServing(secs(35)));
}

#[test]
fn a_group_that_fails_open_serves_as_soon_as_the_target_is_out_of_initial() {
    let registered = Policy { serving_when: ServingWhen::Registered, ..Policy::default() };
    let serves = |policy: &Policy, health: TargetHealth| {
        let rows = [draining(1), row(target(2), health)];
        moved().next_update(policy, &rows, second(160)).is_some()
    };
    let cases = [
        (TargetHealth::Healthy, true, true),
        (TargetHealth::Unavailable, true, true),
        (TargetHealth::Unhealthy, false, true),
        (TargetHealth::UnhealthyDraining, false, true),
        (TargetHealth::Other("warming".to_owned()), false, true),
        (TargetHealth::Initial, false, false),
        (TargetHealth::Unused, false, false),
        (TargetHealth::Draining, false, false),
    ];
    for (health, when_healthy, when_registered) in cases {
        let name = health.as_str().to_owned();
        assert_eq!(serves(&Policy::default(), health.clone()), when_healthy, "{name}");
        assert_eq!(serves(&registered, health), when_registered, "{name}");
    }
}

#[test]
fn every_reason_code_has_its_own_advice_and_an_unknown_one_has_some_too() {
    let codes = [
        ("Elb.RegistrationInProgress", "registering"),
        ("Elb.InitialHealthChecking", "first health checks"),
        ("Target.FailedHealthChecks", "security group"),
        ("Target.Timeout", "security group"),
        ("Target.NotInUse", "Availability Zone"),
        ("Target.IpUnusable", "instance map"),
        ("Target.InvalidState", "stopped"),
        ("Target.NotRegistered", "deregistered"),
        ("Target.HealthCheckDisabled", "serving_when"),
        ("Elb.InternalError", "AWS Support"),
    ];
    for (code, says) in codes {
        assert!(advice(Some(code)).contains(says), "{code}");
    }
    for unknown in [None, Some("Target.Younger")] {
        assert!(advice(unknown).contains("Health status details"));
    }
}

#[test]
fn a_stage_is_read_back_by_its_name() {
    for stage in ServingState::ALL {
        assert_eq!(ServingState::parse(stage.as_str()), Some(stage));
    }
    assert_eq!(ServingState::parse("late"), None);
}

// --- for any looks ------------------------------------------------------------------------------

fn any_row(number: u8) -> impl Strategy<Value = Option<ObservedTarget>> {
    prop::option::of(prop_oneof![
        Just(initial(number)),
        Just(healthy(number)),
        Just(draining(number)),
        Just(row(target(number), TargetHealth::Unhealthy)),
        Just(row(target(number), TargetHealth::UnhealthyDraining)),
        Just(row(target(number), TargetHealth::Unused)),
    ])
}

proptest! {
    #[test]
    fn whatever_the_load_balancer_shows_each_thing_is_said_at_most_once(
        shown in prop::collection::vec((any_row(1), any_row(2), any_row(3)), 0..40),
    ) {
        let rows = shown.into_iter().map(|(one, two, three)| {
            [one, two, three].into_iter().flatten().collect::<Vec<_>>()
        });
        let looks: Vec<_> = (0..).map(|n| 105 + 30 * n).zip(rows).collect();
        let (said, rest) = story(&looks);
        let count = |what: fn(&HealthEvent) -> bool| said.iter().filter(|seen| what(seen)).count();
        let serving = count(|seen| matches!(seen, HealthEvent::Serving(_)));
        let overdue = count(|seen| matches!(seen, HealthEvent::NotServing(_)));
        let drained = count(|seen| matches!(seen, HealthEvent::Drained(_)));
        prop_assert!(serving <= 1 && overdue <= 1 && drained <= 1, "{said:?}");
        let served = said.iter().position(|seen| matches!(seen, HealthEvent::Serving(_)));
        let late = said.iter().position(|seen| matches!(seen, HealthEvent::NotServing(_)));
        if let (Some(served), Some(late)) = (served, late) {
            prop_assert!(late < served, "what serves is never called overdue: {said:?}");
        }
        prop_assert_eq!(rest.is_none(), serving == 1 && drained == 1);
    }
}
