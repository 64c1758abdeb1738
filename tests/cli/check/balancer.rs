//! The load balancers in front of a route's groups.

use writerlink::preflight::CheckStatus::{Fail, Pass, Unknown, Warn};
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::Switch;

use super::seen::{BALANCER, CROSS_ZONE, Case, unseen};

#[test]
fn only_a_network_load_balancer_can_stand_before_a_database() {
    let mut case = Case::good();
    assert_eq!(case.says("load balancer"), Pass);
    case.balancer().kind = "application".to_owned();
    assert_eq!(case.says("load balancer"), Fail);
    let denied = Err(unseen(ErrorKind::Denied));
    case.route().balancers.insert(BALANCER.to_owned(), denied);
    assert_eq!(case.says("load balancer"), Unknown);
}

#[test]
fn the_load_balancer_has_the_zone_of_every_instance_that_may_write() {
    let mut case = Case::good();
    assert_eq!(case.says("Availability Zones"), Pass);
    case.balancer().zones.remove("us-east-1b");
    assert_eq!(case.says("Availability Zones"), Fail);
    let why = case.why("Availability Zones");
    assert!(why.contains("orders-2 in us-east-1b"), "{why}");
}

#[test]
fn the_load_balancers_zone_of_a_target_counts_where_rds_has_none() {
    let mut case = Case::good();
    case.route().members = Err(unseen(ErrorKind::Denied));
    assert_eq!(case.says("Availability Zones"), Unknown);
    let zone = |case: &mut Case, zone: &str| {
        let rows = case.route().groups[0].observed.as_mut().unwrap();
        rows[0].availability_zone = Some(zone.to_owned());
    };
    zone(&mut case, "us-east-1a");
    assert_eq!(case.says("Availability Zones"), Pass);
    zone(&mut case, "us-east-1c");
    assert_eq!(case.says("Availability Zones"), Fail);
    // A target in another VPC has no zone.
    zone(&mut case, "all");
    assert_eq!(case.says("Availability Zones"), Unknown);
}

#[test]
fn endpoints_of_every_zone_reach_the_one_writer() {
    let mut case = Case::good();
    assert_eq!(case.says("cross-zone"), Pass);
    // The group's word counts before the load balancer's.
    case.attribute(CROSS_ZONE, "false");
    assert_eq!(case.says("cross-zone"), Warn);
    case.attribute(CROSS_ZONE, "use_load_balancer_configuration");
    assert_eq!(case.says("cross-zone"), Pass);
    case.balancer().attributes = Ok([].into());
    assert_eq!(case.says("cross-zone"), Warn);
    case.balancer().zones.remove("us-east-1b");
    assert_eq!(case.says("cross-zone"), Pass);
}

#[test]
fn security_groups_that_are_asked_about_private_link_drop_its_consumers() {
    let what = "PrivateLink inbound rules";
    let with = |setting: Option<Switch>| {
        let mut case = Case::good();
        case.balancer().inbound_rules_on_private_link = setting;
        case
    };
    assert_eq!(with(Some(Switch::Off)).says(what), Pass);
    assert_eq!(with(Some(Switch::On)).says(what), Warn);
    assert!(with(Some(Switch::On)).why(what).contains("sg-1"));
    // Unless it is turned off it is on, and without a security group there is nothing to ask.
    let mut case = with(None);
    assert_eq!(case.says(what), Warn);
    case.balancer().security_groups.clear();
    assert_eq!(case.says(what), Pass);
}
