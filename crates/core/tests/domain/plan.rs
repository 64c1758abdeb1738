//! `plan`: which calls bring a group to its target, whatever it holds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use writerlink_core::actuation::plan::{Plan, RegisteredProof, plan};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::model::route::Route;
use writerlink_core::model::target::{MoveMode, ObservedTarget, Target, TargetHealth};

use super::values::{
    PORT, address, desired, draining, healthy, instance, key, order, route, row, shared_route, target,
};

/// A route that should point at `db-{number}`, alone or beside the old one.
fn wanted(number: u8, move_mode: MoveMode) -> Desired {
    Desired { move_mode, ..desired(number, order(0, 1), key(1)) }
}

/// The same with further readers beside it.
fn with_readers(number: u8, additional_targets: &[u8]) -> Desired {
    Desired {
        additional_targets: additional_targets.iter().copied().map(target).collect(),
        ..wanted(number, MoveMode::Swap)
    }
}

fn swap(observed: &[ObservedTarget]) -> Plan {
    plan(&route(), &wanted(2, MoveMode::Swap), observed)
}

fn calls(register: &[Target], deregister: &[ObservedTarget]) -> Plan {
    Plan { register: register.to_vec(), deregister: deregister.to_vec() }
}

#[test]
fn a_group_that_holds_the_desired_target_alone_needs_no_call() {
    let plan = swap(&[healthy(2)]);
    assert!(plan.is_empty());
    assert_eq!(plan, calls(&[], &[]));
}

#[test]
fn the_desired_target_is_registered_and_the_old_one_deregistered() {
    assert_eq!(swap(&[healthy(1)]), calls(&[target(2)], &[healthy(1)]));
}

#[test]
fn an_empty_group_gets_the_desired_target() {
    assert_eq!(swap(&[]), calls(&[target(2)], &[]));
}

#[test]
fn a_draining_row_is_absent_and_is_not_deregistered_again() {
    assert!(swap(&[draining(1), healthy(2), draining(3)]).is_empty());
}

#[test]
fn a_draining_target_that_is_desired_is_registered_again() {
    assert_eq!(swap(&[healthy(1), draining(2)]), calls(&[target(2)], &[healthy(1)]));
}

#[test]
fn an_unhealthy_draining_target_is_still_registered_and_has_to_leave() {
    let demoted = row(target(1), TargetHealth::UnhealthyDraining);
    assert_eq!(swap(&[demoted.clone(), healthy(2)]), calls(&[], std::slice::from_ref(&demoted)));
    let wanted = row(target(2), TargetHealth::UnhealthyDraining);
    assert!(swap(&[wanted]).is_empty());
}

#[test]
fn a_row_that_says_it_is_not_registered_is_absent() {
    let not_registered = |number| ObservedTarget {
        reason: Some("Target.NotRegistered".to_owned()),
        ..row(target(number), TargetHealth::Unused)
    };
    assert_eq!(swap(&[not_registered(1), not_registered(2)]), calls(&[target(2)], &[]));
}

#[test]
fn every_old_target_leaves_in_the_order_observed() {
    let initial = row(target(3), TargetHealth::Initial);
    let younger = row(target(9), TargetHealth::Other("shiny".to_owned()));
    let observed = [healthy(1), initial.clone(), healthy(2), younger.clone()];
    assert_eq!(swap(&observed), calls(&[], &[healthy(1), initial, younger]));
}

#[test]
fn the_right_address_with_the_wrong_port_is_another_target() {
    let wrong = row(Target { ip: address(2), port: PORT + 1 }, TargetHealth::Healthy);
    let expected = calls(&[target(2)], std::slice::from_ref(&wrong));
    assert_eq!(swap(std::slice::from_ref(&wrong)), expected);
    assert_eq!(plan(&shared_route(), &wanted(2, MoveMode::Swap), &[wrong]), expected);
}

#[test]
fn a_deregistered_row_keeps_the_zone_it_was_observed_with() {
    let old = ObservedTarget { availability_zone: Some("us-east-1b".to_owned()), ..healthy(1) };
    assert_eq!(swap(std::slice::from_ref(&old)).deregister[0].availability_zone, old.availability_zone);
}

#[test]
fn targets_of_others_are_left_alone_when_the_group_is_not_exclusive() {
    let observed = [healthy(1), healthy(77)];
    assert_eq!(plan(&shared_route(), &wanted(2, MoveMode::Swap), &observed).deregister, [healthy(1)]);
    assert_eq!(swap(&observed).deregister, observed);
}

#[test]
fn registering_only_lets_nobody_leave() {
    let observed = [healthy(1), draining(2), healthy(3)];
    assert_eq!(plan(&route(), &wanted(2, MoveMode::Register), &observed), calls(&[target(2)], &[]));
}

#[test]
fn presence_cannot_be_proved_by_a_draining_row_or_by_another_port() {
    let other_port = Target { ip: address(2), port: 1 };
    for rows in [vec![], vec![draining(2)], vec![healthy(1)], vec![row(other_port, TargetHealth::Healthy)]] {
        assert_eq!(RegisteredProof::observed(target(2), &rows), None, "{rows:?}");
    }
    let present = RegisteredProof::observed(target(2), &[draining(1), healthy(2)]);
    assert_eq!(present.map(|proof| proof.target()), Some(target(2)));
}

// --- for any group ------------------------------------------------------------------------------

/// The group as a load balancer would keep it.
#[derive(Clone, Debug)]
struct Group(BTreeMap<Target, ObservedTarget>);

#[derive(Clone, Debug, PartialEq)]
enum Call {
    Register(Target),
    Deregister(ObservedTarget),
}

impl Group {
    fn rows(&self) -> Vec<ObservedTarget> {
        self.0.values().cloned().collect()
    }

    fn registered(&self) -> Vec<Target> {
        let rows = self.0.values().filter(|row| row.is_registered());
        rows.map(|row| row.target).collect()
    }

    fn apply(&mut self, call: &Call) {
        let row = match call {
            Call::Register(target) => row(*target, TargetHealth::Initial),
            Call::Deregister(gone) => ObservedTarget { health: TargetHealth::Draining, ..gone.clone() },
        };
        self.0.insert(row.target, row);
    }
}

fn in_order(plan: Plan) -> Vec<Call> {
    let register = plan.register.into_iter().map(Call::Register);
    let deregister = plan.deregister.into_iter().map(Call::Deregister);
    register.chain(deregister).collect()
}

fn any_health() -> impl Strategy<Value = (TargetHealth, Option<String>)> {
    prop_oneof![
        Just((TargetHealth::Initial, None)),
        Just((TargetHealth::Healthy, None)),
        Just((TargetHealth::Unhealthy, None)),
        Just((TargetHealth::UnhealthyDraining, None)),
        Just((TargetHealth::Unused, None)),
        Just((TargetHealth::Unused, Some("Target.NotInUse".to_owned()))),
        Just((TargetHealth::Unused, Some("Target.NotRegistered".to_owned()))),
        Just((TargetHealth::Draining, None)),
        Just((TargetHealth::Draining, None)),
        Just((TargetHealth::Unavailable, None)),
        Just((TargetHealth::Other("warming".to_owned()), None)),
    ]
}

fn any_group() -> impl Strategy<Value = Group> {
    let target = (1..=6_u8, prop_oneof![4 => Just(PORT), 1 => Just(3307)])
        .prop_map(|(ip, port)| Target { ip: address(ip), port });
    prop::collection::btree_map(target, any_health(), 0..8).prop_map(|rows| {
        let rows = rows.into_iter().map(|(target, (health, reason))| {
            let row = ObservedTarget { reason, ..row(target, health) };
            (target, row)
        });
        Group(rows.collect())
    })
}

fn any_route() -> impl Strategy<Value = Route> {
    prop_oneof![Just(route()), Just(shared_route())]
}

/// Any of the three instances, alone, beside the old one, or with the others as further readers.
fn any_desired() -> impl Strategy<Value = Desired> {
    let move_mode = prop_oneof![Just(MoveMode::Swap), Just(MoveMode::Register)];
    let additional_targets = prop::collection::btree_set(1..=3_u8, 0..3);
    (1..=3_u8, move_mode, additional_targets).prop_map(|(number, move_mode, additional_targets)| Desired {
        additional_targets: additional_targets
            .into_iter()
            .filter(|other| *other != number)
            .map(target)
            .collect(),
        ..wanted(number, move_mode)
    })
}

/// What should be registered in the end.
fn desired_target(route: &Route, desired: &Desired, group: &Group) -> Vec<Target> {
    let mut goal = group.registered();
    if desired.move_mode == MoveMode::Swap {
        goal.retain(|target| !route.owns(*target));
    }
    goal.extend(desired.targets());
    goal.sort();
    goal.dedup();
    goal
}

proptest! {
    #[test]
    fn the_calls_reach_the_goal_and_the_group_is_never_empty_on_the_way(
        route in any_route(), desired in any_desired(), observed in any_group(),
    ) {
        let goal = desired_target(&route, &desired, &observed);
        let mut group = observed.clone();
        for call in in_order(plan(&route, &desired, &observed.rows())) {
            if matches!(call, Call::Deregister(_)) {
                prop_assert!(
                    RegisteredProof::observed(desired.target, &group.rows()).is_some(),
                    "I1: {call:?} before the desired target is there"
                );
            }
            group.apply(&call);
            prop_assert!(!group.registered().is_empty(), "empty after {call:?}");
        }
        prop_assert_eq!(group.registered(), goal);
    }

    #[test]
    fn planning_again_after_any_prefix_of_the_calls_gives_the_rest_of_them(
        route in any_route(), desired in any_desired(), observed in any_group(),
    ) {
        let again = |group: &Group| in_order(plan(&route, &desired, &group.rows()));
        let all = again(&observed);
        let mut group = observed;
        for (done, call) in all.iter().enumerate() {
            prop_assert_eq!(&again(&group)[..], &all[done..]);
            group.apply(call);
        }
        prop_assert!(again(&group).is_empty());
    }

    #[test]
    fn no_call_touches_a_target_twice_or_deregisters_one_that_is_wanted(
        route in any_route(), desired in any_desired(), observed in any_group(),
    ) {
        let plan = plan(&route, &desired, &observed.rows());
        let wanted: BTreeSet<Target> = desired.targets().into_iter().collect();
        let joining: BTreeSet<Target> = plan.register.iter().copied().collect();
        prop_assert_eq!(joining.len(), plan.register.len());
        prop_assert!(joining.is_subset(&wanted));
        let leaving: BTreeSet<Target> = plan.deregister.iter().map(|row| row.target).collect();
        prop_assert_eq!(leaving.len(), plan.deregister.len());
        prop_assert!(leaving.is_disjoint(&wanted));
        prop_assert!(leaving.iter().all(|target| route.owns(*target)));
    }
}

#[test]
fn further_readers_are_registered_with_the_desired_one_and_stay() {
    let observed = [healthy(1), healthy(3)];
    let plan = plan(&route(), &with_readers(2, &[3]), &observed);
    assert_eq!(plan, calls(&[target(2)], &[healthy(1)]));
    let all = self::plan(&route(), &with_readers(2, &[1, 3]), &[]);
    assert_eq!(all, calls(&[target(2), target(1), target(3)], &[]));
}

#[test]
fn a_reader_that_is_missing_is_a_difference_and_one_too_many_is_too() {
    let wanted = with_readers(2, &[3]);
    let missing = plan(&route(), &wanted, &[healthy(2)]);
    assert_eq!(missing, calls(&[target(3)], &[]));
    let too_many = plan(&route(), &wanted, &[healthy(2), healthy(3), healthy(1)]);
    assert_eq!(too_many, calls(&[], &[healthy(1)]));
    assert!(plan(&route(), &wanted, &[healthy(3), healthy(2)]).is_empty());
}

#[test]
fn in_a_shared_group_an_instance_owns_its_address_whatever_the_port() {
    let route = shared_route();
    assert!(route.instances.contains_key(&instance(1)));
    for port in [1, PORT, u16::MAX] {
        assert!(route.owns(Target { ip: address(1), port }));
        assert!(!route.owns(Target { ip: address(77), port }));
    }
}
