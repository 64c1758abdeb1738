//! A weighted route's listener.

use writerlink::check::Verdict::{Fail, Pass, Unknown, Warn};
use writerlink::domain::route::TargetGroupArn;
use writerlink::domain::target::TargetHealth;
use writerlink::domain::weights::{Weight, Weights};
use writerlink::ports::ErrorKind;

use crate::seen::{Case, unseen};

fn weights(case: &mut Case) -> &mut Weights {
    case.route().weights.as_mut().unwrap().as_mut().unwrap()
}

#[test]
fn a_listener_that_cannot_carry_weights_fails_in_its_own_words() {
    let mut case = Case::weighted();
    assert_eq!(case.says("listener"), Pass);
    case.route().weights = Some(Err(unseen(ErrorKind::Invalid)));
    assert_eq!(case.says("listener"), Fail);
    case.route().weights = Some(Err(unseen(ErrorKind::Missing)));
    assert_eq!(case.says("listener"), Fail);
    case.route().weights = Some(Err(unseen(ErrorKind::Denied)));
    assert_eq!(case.says("listener"), Unknown);
}

#[test]
fn every_instances_group_has_its_place_in_the_listener() {
    let mut case = Case::weighted();
    let second = case.route().groups[1].arn.clone();
    weights(&mut case).groups.remove(&second);
    assert_eq!(case.says("listener"), Fail);
    assert!(
        case.why("listener").contains("orders-2"),
        "{}",
        case.why("listener")
    );
}

#[test]
fn one_group_has_the_weight_neither_none_nor_several() {
    let mut case = Case::weighted();
    assert_eq!(case.says("weights"), Pass);
    for weight in weights(&mut case).groups.values_mut() {
        *weight = Weight::NONE;
    }
    assert_eq!(case.says("weights"), Fail);
    for weight in weights(&mut case).groups.values_mut() {
        *weight = Weight::WHOLE;
    }
    assert_eq!(case.says("weights"), Fail);
}

#[test]
fn a_group_of_somebody_else_is_told_where_the_route_would_take_its_weight() {
    let mut case = Case::weighted();
    assert_eq!(case.says("other groups"), Pass);
    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/x/0000000000000000";
    let arn = TargetGroupArn::new(arn).unwrap();
    weights(&mut case).groups.insert(arn, Weight::NONE);
    assert_eq!(case.says("other groups"), Warn);
    case.route().route.exclusive = false;
    assert_eq!(case.says("other groups"), Pass);
}

#[test]
fn every_instance_waits_registered_in_its_own_group() {
    let mut case = Case::weighted();
    assert_eq!(case.says("warm"), Pass);
    let rows = case.route().groups[1].observed.as_mut().unwrap();
    rows[0].health = TargetHealth::Draining;
    assert_eq!(case.says("warm"), Warn);
    case.route().groups[1].observed = Ok(Vec::new());
    assert_eq!(case.says("warm"), Warn);
}
