//! A route's target groups.

use writerlink::preflight::CheckStatus::{Fail, Pass, Skipped, Warn};
use writerlink::preflight::{CheckStatus, Subject};
use writerlink_core::model::target::TargetHealth;
use writerlink_engine::ports::ErrorKind;

use super::seen::{Case, DELAY, TERMINATION, unseen};

const UNHEALTHY: &str = "target_health_state.unhealthy.connection_termination.enabled";

#[test]
fn a_group_that_cannot_hold_a_database_fails() {
    let mut case = Case::good();
    assert_eq!((case.says("target type"), case.says("protocol")), (Pass, Pass));
    case.group().target_type = "instance".to_owned();
    assert_eq!(case.says("target type"), Fail);
    for protocol in ["TLS", "HTTP", "UDP"] {
        case.group().protocol = protocol.to_owned();
        assert_eq!(case.says("protocol"), Fail, "{protocol}");
    }
}

#[test]
fn a_port_that_is_not_the_routes_is_a_slip() {
    let mut case = Case::good();
    assert_eq!(case.says("port"), Pass);
    case.group().port = Some(5432);
    assert_eq!(case.says("port"), Warn);
}

#[test]
fn a_group_takes_addresses_of_its_own_family_alone() {
    let mut case = Case::good();
    assert_eq!(case.says("address family"), Pass);
    case.group().family = "ipv6".to_owned();
    assert_eq!(case.says("address family"), Fail);
}

#[test]
fn a_group_behind_no_listener_serves_nobody() {
    let mut case = Case::good();
    assert_eq!(case.says("in use"), Pass);
    case.group().balancers.clear();
    assert_eq!(case.says("in use"), Fail);
}

fn attributed(key: &str, value: &str, what: &str) -> CheckStatus {
    let mut case = Case::good();
    case.attribute(key, value);
    case.says(what)
}

#[test]
fn a_session_must_not_stay_on_the_demoted_writer() {
    let what = "connection termination";
    assert_eq!(attributed(TERMINATION, "true", what), Pass);
    assert_eq!(attributed(TERMINATION, "false", what), Fail);
    // AWS's default, where the attribute is not said at all.
    let mut case = Case::good();
    let attributes = case.route().groups[0].facts.attributes.as_mut().unwrap();
    attributes.remove(TERMINATION);
    assert_eq!(case.says(what), Fail);
    let mut readers = Case::with("role = \"readers\"\ndiscovery = \"rds\"");
    readers.attribute(TERMINATION, "false");
    assert_eq!(readers.says(what), Warn);
    assert_eq!(Case::weighted().says(what), Skipped);
}

#[test]
fn a_long_deregistration_delay_is_a_long_time_of_stale_reads() {
    for (delay, verdict) in [("0", Pass), ("30", Pass), ("31", Warn), ("300", Warn)] {
        assert_eq!(attributed(DELAY, delay, "deregistration delay"), verdict, "{delay}");
    }
}

#[test]
fn where_health_checks_fail_on_purpose_sessions_must_not_be_cut_for_it() {
    let what = "unhealthy termination";
    assert_eq!(attributed(UNHEALTHY, "true", what), Pass);
    let mut case = Case::with("serving_when = \"registered\"");
    assert_eq!(case.says(what), Pass);
    case.attribute(UNHEALTHY, "true");
    assert_eq!(case.says(what), Fail);
}

#[test]
fn a_database_knows_no_proxy_protocol_and_need_not_see_its_clients() {
    let key = "proxy_protocol_v2.enabled";
    assert_eq!(attributed(key, "false", "proxy protocol"), Pass);
    assert_eq!(attributed(key, "true", "proxy protocol"), Fail);
    let key = "preserve_client_ip.enabled";
    assert_eq!(attributed(key, "false", "client addresses"), Pass);
    assert_eq!(attributed(key, "true", "client addresses"), Warn);
}

#[test]
fn health_checks_and_what_the_route_waits_for_have_to_fit() {
    let checks = |serving_when: &str, port: &str, protocol: &str| {
        let mut case = Case::with(&format!("serving_when = \"{serving_when}\""));
        case.group().health_port = port.to_owned();
        case.group().health_protocol = protocol.to_owned();
        case.says("health checks")
    };
    assert_eq!(checks("healthy", "traffic-port", "TCP"), Pass);
    assert_eq!(checks("healthy", "3306", "TCP"), Pass);
    assert_eq!(checks("healthy", "40000", "TCP"), Warn);
    assert_eq!(checks("registered", "40000", "TCP"), Pass);
    assert_eq!(checks("healthy", "traffic-port", "HTTP"), Warn);
}

#[test]
fn a_group_ought_to_hold_a_target_and_the_load_balancer_to_use_it() {
    let mut case = Case::good();
    assert_eq!(case.says("targets"), Pass);
    let rows = case.route().groups[0].observed.as_mut().unwrap();
    rows[0].health = TargetHealth::Unused;
    assert_eq!(case.says("targets"), Fail);
    let rows = case.route().groups[0].observed.as_mut().unwrap();
    rows[0].health = TargetHealth::Draining;
    assert_eq!(case.says("targets"), Warn);
    case.route().groups[0].observed = Err(unseen(ErrorKind::Missing));
    assert_eq!(case.says("targets"), Fail);
}

#[test]
fn moving_is_not_tried_and_the_command_that_would_tell_is_named() {
    for (case, on) in
        [(Case::good(), "targetgroup/orders/73e2d6bc24d8a067"), (Case::weighted(), "listener/net/orders")]
    {
        assert_eq!(case.says("may move"), Skipped);
        let line = &case.lines("may move")[0];
        let fix = line.remedy.as_ref().unwrap();
        assert!(fix.contains("simulate-principal-policy") && fix.contains(on), "{fix}");
    }
}

#[test]
fn each_group_of_a_weighted_route_has_lines_of_its_own() {
    let case = Case::weighted();
    let subjects: Vec<String> =
        case.lines("target type").iter().map(|line| line.subject.to_string()).collect();
    assert_eq!(subjects, ["route orders, group of orders-1", "route orders, group of orders-2"]);
    let of_route = |line: &writerlink::preflight::Finding| matches!(line.subject, Subject::Route(_));
    assert!(Case::good().lines("target type").iter().all(of_route));
}

#[test]
fn who_sticks_to_a_target_goes_back_to_the_demoted_writer() {
    let key = "stickiness.enabled";
    assert_eq!(Case::good().says("stickiness"), Pass);
    assert_eq!(attributed(key, "false", "stickiness"), Pass);
    assert_eq!(attributed(key, "true", "stickiness"), Warn);
    let mut weighted = Case::weighted();
    assert_eq!(weighted.says("stickiness"), Pass);
    weighted.attribute(key, "true");
    assert_eq!(weighted.says("stickiness"), Fail);
}

#[test]
fn an_address_outside_the_groups_vpc_needs_a_zone_and_one_inside_none() {
    let case = |zone: Option<&str>, vpcs: [Option<&str>; 2]| {
        let mut case = Case::good();
        let route = case.route();
        route.route.group.availability_zone = zone.map(str::to_owned);
        for (member, vpc) in route.members.as_mut().unwrap().iter_mut().zip(vpcs) {
            member.vpc = vpc.map(str::to_owned);
        }
        case
    };
    let (own, other) = (Some("vpc-1"), Some("vpc-2"));
    for (zone, vpcs, verdict) in [
        (None, [own, own], Pass),
        (None, [own, None], Pass),
        (None, [own, other], Fail),
        (Some("all"), [other, other], Pass),
        (Some("all"), [own, other], Fail),
        (Some("us-east-1a"), [own, own], Pass),
        (None, [None, None], Skipped),
    ] {
        assert_eq!(case(zone, vpcs).says("VPC"), verdict, "{zone:?} {vpcs:?}");
    }
    let outside = case(None, [own, other]);
    assert!(outside.why("VPC").contains("orders-2 in vpc-2"));
    let fix = outside.lines("VPC")[0].remedy.clone().unwrap();
    assert!(fix.contains("availability_zone = \"all\""), "{fix}");
    let mut unsaid = case(None, [own, other]);
    unsaid.group().vpc = None;
    assert_eq!(unsaid.says("VPC"), Skipped);
}

#[test]
fn the_group_of_an_instance_is_held_against_that_instances_vpc() {
    let mut case = Case::weighted();
    assert_eq!(case.says("VPC"), Pass);
    case.route().members.as_mut().unwrap()[1].vpc = Some("vpc-2".to_owned());
    let failed: Vec<String> = case
        .lines("VPC")
        .iter()
        .filter(|line| line.verdict == Fail)
        .map(|line| line.subject.to_string())
        .collect();
    assert_eq!(failed, ["route orders, group of orders-2"]);
}
