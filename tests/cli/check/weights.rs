//! A weighted route's listener.

use std::time::Duration;

use writerlink::preflight::CheckStatus::{Fail, Pass, Unknown, Warn};
use writerlink_core::actuation::weights::{Stickiness, Weight, Weights};
use writerlink_core::model::names::TargetGroupArn;
use writerlink_core::model::target::TargetHealth;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::ListenerRule;

use super::seen::{Case, unseen};

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
    assert!(case.why("listener").contains("orders-2"), "{}", case.why("listener"));
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

#[test]
fn a_listener_to_whose_groups_clients_stick_fails() {
    for (stickiness, verdict) in [
        (None, Pass),
        (Some(Stickiness::Off), Pass),
        (Some(Stickiness::On(None)), Fail),
        (Some(Stickiness::On(Some(Duration::from_mins(1)))), Fail),
    ] {
        let mut case = Case::weighted();
        weights(&mut case).stickiness = stickiness;
        assert_eq!(case.says("stickiness"), verdict, "{stickiness:?}");
    }
}

#[test]
fn a_rule_that_forwards_to_a_group_of_the_route_goes_past_its_weights() {
    let rule = |group: &str| ListenerRule { priority: "7".to_owned(), groups: [group.to_owned()].into() };
    let with = |rules| {
        let mut case = Case::weighted();
        case.route().listener_rules = Some(rules);
        case
    };
    let own = Case::weighted().route().groups[1].arn.to_string();
    let what = "listener rules";
    assert_eq!(with(Ok(Vec::new())).says(what), Pass);
    assert_eq!(with(Ok(vec![rule("another")])).says(what), Pass);
    let past = with(Ok(vec![rule("another"), rule(&own)]));
    assert_eq!(past.says(what), Fail);
    assert!(past.why(what).starts_with("7 "), "{}", past.why(what));
    assert_eq!(with(Err(unseen(ErrorKind::Denied))).says(what), Unknown);
    // A route that swaps moves what every rule forwards to.
    assert_eq!(Case::good().lines(what), []);
}
