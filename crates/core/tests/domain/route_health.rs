//! `assess`: whether a route is where it should be, by what was read of it.

use std::collections::BTreeMap;
use std::time::Duration;

use writerlink_core::actuation::health::{HealthWatch, ServingState};
use writerlink_core::actuation::weights::{ObservedListener, Weight, Weights};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::ledger::holds::{Pin, Suspension};
use writerlink_core::ledger::lease::Lease;
use writerlink_core::ledger::state::Assignment;
use writerlink_core::model::names::{ListenerArn, TargetGroupArn};
use writerlink_core::model::outcome::IN_PROGRESS_FOR;
use writerlink_core::model::policy::{Mode, SERVING_LIMIT, ServingWhen};
use writerlink_core::model::route::{Route, Strategy, TargetGroup, Weighted};
use writerlink_core::model::target::{MoveMode, ObservedTarget, TargetHealth};
use writerlink_core::model::time::{CLOCK_SKEW_MAX, Timestamp};
use writerlink_core::status::health::{ActualState, Assessment, NO_EVENT_YET, RouteHealth, assess};
use writerlink_core::status::last_move::LastMove;

use super::past::deferred;
use super::values::{
    desired, draining, healthy, instance, key, order, owner, pointing_at, route, row, second, target,
    transition_id,
};

pub(crate) const NOW: i64 = 1000;

/// A route whose ledger points it at `db-2`.
pub(crate) fn pointing() -> Assignment {
    pointing_at(2, order(100, 2))
}

pub(crate) fn judged(control: &Assignment, rows: &[ObservedTarget]) -> Assessment {
    judged_on(&route(), control, rows)
}

fn judged_on(route: &Route, control: &Assignment, rows: &[ObservedTarget]) -> Assessment {
    assess(route, Some(control), ActualState::Group(rows), None, second(NOW))
}

pub(crate) fn says(health: RouteHealth, why: &str) -> Assessment {
    Assessment::new(health, why)
}

fn initial(number: u8) -> ObservedTarget {
    ObservedTarget {
        reason: Some("Elb.RegistrationInProgress".to_owned()),
        ..row(target(number), TargetHealth::Initial)
    }
}

fn following(arrival: ServingState, moved_at: Timestamp) -> HealthWatch {
    HealthWatch {
        transition: transition_id(1),
        key: key(1),
        instance: instance(2),
        target: target(2),
        since: second(100),
        moved_at,
        arrival,
        leaving: Vec::new(),
    }
}

pub(crate) fn stop() -> Suspension {
    Suspension { by: "ada".to_owned(), reason: "drill".to_owned(), since: second(1), until: None }
}

/// Newer evidence for `db-3` that is held back.
fn waiting() -> Desired {
    desired(3, order(200, 2), key(3))
}

#[test]
fn a_group_with_only_the_desired_target_is_in_sync_whatever_is_draining() {
    let right = says(RouteHealth::InSync, "db-2 at 10.0.0.2:3306 is healthy");
    assert_eq!(judged(&pointing(), &[healthy(2)]), right);
    assert_eq!(judged(&pointing(), &[draining(1), healthy(2)]), right);
}

#[test]
fn a_route_that_nothing_has_moved_is_unknown() {
    let unknown = says(RouteHealth::Unknown, NO_EVENT_YET);
    assert_eq!(judged(&Assignment::default(), &[healthy(2)]), unknown);
    let never_seen = assess(&route(), None, ActualState::Group(&[]), None, second(NOW));
    assert_eq!(never_seen, unknown);
}

#[test]
fn a_route_whose_lease_is_held_is_moving_whatever_its_group_holds() {
    let lease = |deadline| Lease { owner: owner(), transition: transition_id(1), deadline };
    let held = |deadline| Assignment { lease: Some(lease(deadline)), ..pointing() };
    let moving = judged(&held(second(NOW + 5)), &[healthy(1)]);
    assert_eq!(moving.health, RouteHealth::Converging);
    let unread = assess(&route(), Some(&held(second(NOW))), ActualState::Nothing, None, second(NOW));
    assert_eq!(unread.health, RouteHealth::Converging);
    // Its holder is gone for certain: what the group holds counts again.
    let skew = i64::try_from(CLOCK_SKEW_MAX.as_secs()).unwrap();
    let dead = judged(&held(second(NOW - skew)), &[healthy(1)]);
    assert_eq!(dead.health, RouteHealth::OutOfSync);
}

#[test]
fn what_is_missing_and_what_is_too_many_is_named() {
    let why = "desired: db-2 at 10.0.0.2:3306; actual: 10.0.0.2:3306 is not registered, 10.0.0.1:3306 is still \
               registered (healthy)";
    assert_eq!(judged(&pointing(), &[healthy(1)]), says(RouteHealth::OutOfSync, why));
    let why = "desired: db-2 at 10.0.0.2:3306; actual: 10.0.0.2:3306 is draining";
    assert_eq!(judged(&pointing(), &[draining(2)]), says(RouteHealth::OutOfSync, why));
}

#[test]
fn a_group_that_cannot_be_read_is_unknown_and_shows_the_desired_target() {
    let unread = assess(&route(), Some(&pointing()), ActualState::Nothing, None, second(NOW));
    assert_eq!(unread.health, RouteHealth::Unknown);
    assert!(unread.why.contains("db-2 at 10.0.0.2:3306"), "{}", unread.why);
}

#[test]
fn held_evidence_is_the_desired_target() {
    let mut control = pointing();
    control.waiting = Some(waiting());
    control.safety.pause = Some(stop());
    let held = judged(&control, &[healthy(2)]);
    assert_eq!(held.health, RouteHealth::Held);
    assert!(held.why.starts_with("desired: db-3"), "{}", held.why);
    assert!(held.why.ends_with(&format!("held: paused {}", stop())));
    assert_eq!(judged(&control, &[healthy(3)]).health, RouteHealth::InSync);
}

#[test]
fn a_pinned_route_is_in_sync_at_its_pin_and_held_elsewhere() {
    let mut control = pointing();
    control.waiting = Some(waiting());
    let pin = |number| Pin { instance: instance(number), target: target(number), stop: stop() };
    control.safety.pin = Some(pin(2));
    assert_eq!(judged(&control, &[healthy(2)]).health, RouteHealth::InSync);
    control.safety.pin = Some(pin(1));
    assert_eq!(judged(&control, &[healthy(2)]).health, RouteHealth::Held);
}

#[test]
fn an_observing_route_is_held_where_it_would_have_moved() {
    let mut observing = route();
    observing.policy.mode = Mode::Observe;
    let control = Assignment { waiting: Some(waiting()), ..Assignment::default() };
    let wrong = judged_on(&observing, &control, &[healthy(1)]);
    assert_eq!(wrong.health, RouteHealth::Held);
    assert!(wrong.why.ends_with("held: the route only observes"), "{}", wrong.why);
    assert_eq!(judged_on(&observing, &control, &[healthy(3)]).health, RouteHealth::InSync);
}

#[test]
fn a_target_that_does_not_serve_yet_is_moving_until_its_time_is_up() {
    let limit = i64::try_from(SERVING_LIMIT.as_secs()).unwrap();
    let late = second(NOW - limit);
    let follow =
        |arrival, moved_at| Assignment { health_watch: Some(following(arrival, moved_at)), ..pointing() };
    let young = late.plus(Duration::from_millis(1));
    for (control, standing) in [
        (follow(ServingState::Awaited, young), RouteHealth::Converging),
        (follow(ServingState::Awaited, late), RouteHealth::OutOfSync),
        (follow(ServingState::Overdue, young), RouteHealth::OutOfSync),
        (follow(ServingState::Serving, young), RouteHealth::OutOfSync),
        (pointing(), RouteHealth::Converging),
    ] {
        assert_eq!(judged(&control, &[initial(2)]).health, standing, "{control:?}");
    }
}

#[test]
fn an_unhealthy_target_is_out_of_sync_unless_health_checks_do_not_count() {
    let failing = ObservedTarget {
        reason: Some("Target.FailedHealthChecks".to_owned()),
        ..row(target(2), TargetHealth::Unhealthy)
    };
    let wrong = judged(&pointing(), std::slice::from_ref(&failing));
    assert_eq!(wrong.health, RouteHealth::OutOfSync);
    assert!(wrong.why.contains("security group"), "{}", wrong.why);
    let mut fails_open = route();
    fails_open.policy.serving_when = ServingWhen::Registered;
    assert_eq!(judged_on(&fails_open, &pointing(), &[failing]).health, RouteHealth::InSync);
}

#[test]
fn a_target_that_only_joined_is_moving_until_the_failover_completes() {
    let mut control = pointing();
    control.desired.as_mut().unwrap().move_mode = MoveMode::Register;
    let joined = judged(&control, &[healthy(1), healthy(2)]);
    assert_eq!(joined.health, RouteHealth::Converging);
    assert!(joined.why.contains("until the failover completes"), "{}", joined.why);
}

#[test]
fn between_two_attempts_a_route_is_moving_and_after_them_wrong() {
    let last: LastMove = deferred(second(NOW - 30));
    let judged = |now| {
        let shown = [healthy(1)];
        assess(&route(), Some(&pointing()), ActualState::Group(&shown), Some(&last), second(now))
    };
    let moving = judged(NOW);
    assert_eq!(moving.health, RouteHealth::Converging);
    assert!(moving.why.contains("attempt 2"), "{}", moving.why);
    let left = i64::try_from(IN_PROGRESS_FOR.as_secs()).unwrap();
    assert_eq!(judged(NOW - 30 + left).health, RouteHealth::OutOfSync);
}

/// The same three instances on a weighted route, each in a group of its own.
fn weighted_route() -> (Route, Weighted) {
    let group = |number: u8| TargetGroup { arn: arn(number), availability_zone: None };
    let listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/db/50dc6c495c0c9188/f2f7dc8efc522ab2";
    let weighted = Weighted {
        listener: ListenerArn::new(listener).unwrap(),
        groups: (1..=3).map(|n| (instance(n), group(n))).collect(),
    };
    let route = Route { strategy: Strategy::Weighted(weighted.clone()), ..route() };
    (route, weighted)
}

fn arn(number: u8) -> TargetGroupArn {
    let arn = format!(
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db-{number}/73e2d6bc24d8a067"
    );
    TargetGroupArn::new(&arn).unwrap()
}

fn scene(in_service: u8, rows: &[u8]) -> ObservedListener {
    let weight = |n: u8| {
        if n == in_service { Weight::WHOLE } else { Weight::NONE }
    };
    ObservedListener {
        weights: Weights { groups: (1..=3).map(|n| (arn(n), weight(n))).collect(), stickiness: None },
        rows: rows.iter().map(|n| (instance(*n), vec![healthy(*n)])).collect::<BTreeMap<_, _>>(),
    }
}

fn judged_weighted(scene: &ObservedListener) -> Assessment {
    let (route, weighted) = weighted_route();
    let shown = ActualState::Weighted(&weighted, scene);
    assess(&route, Some(&pointing()), shown, None, second(NOW))
}

#[test]
fn a_weighted_route_is_in_sync_if_weight_and_all_its_targets_are_right() {
    let right = says(RouteHealth::InSync, "db-2 at 10.0.0.2:3306 is healthy");
    assert_eq!(judged_weighted(&scene(2, &[1, 2, 3])), right);
}

#[test]
fn weights_that_differ_are_named_as_they_are_and_as_they_should_be() {
    let why = "desired: db-2 at 10.0.0.2:3306; actual: the weights are db-1 100, db-2 0, db-3 0 and should be db-1 0, \
               db-2 100, db-3 0";
    assert_eq!(judged_weighted(&scene(1, &[1, 2, 3])), says(RouteHealth::OutOfSync, why));
}

#[test]
fn an_unread_weighted_group_is_unknown_unless_another_is_out_of_sync() {
    let unread = judged_weighted(&scene(2, &[1, 2]));
    assert_eq!(unread, says(RouteHealth::Unknown, "the target group of db-3 could not be read"));
    assert_eq!(judged_weighted(&scene(1, &[1, 2])).health, RouteHealth::OutOfSync);
    let mut cold = scene(2, &[1, 2, 3]);
    cold.rows.insert(instance(3), Vec::new());
    let why = "desired: db-2 at 10.0.0.2:3306; actual: 10.0.0.3:3306 is not registered in the group of db-3";
    assert_eq!(judged_weighted(&cold), says(RouteHealth::OutOfSync, why));
}
