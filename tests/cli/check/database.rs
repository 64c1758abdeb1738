//! The databases of a route.

use writerlink::preflight::CheckStatus::{Fail, Pass, Skipped, Unknown, Warn};
use writerlink_core::evidence::discovery::{Member, SourceReport, SourceReports};
use writerlink_core::model::policy::DiscoverySource;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::Switch;

use super::seen::{Case, error, instance, unseen};

#[test]
fn an_instances_address_must_be_known_and_lie_in_the_allowed_ranges() {
    let address = |found| {
        let mut case = Case::good();
        case.route().addresses.insert(instance("orders-2"), found);
        case.says("address")
    };
    assert_eq!(address(Ok(Some("10.0.2.10".parse().unwrap()))), Pass);
    assert_eq!(address(Ok(Some("203.0.113.9".parse().unwrap()))), Fail);
    assert_eq!(address(Ok(None)), Fail);
    assert_eq!(address(Err(error(ErrorKind::Missing))), Fail);
    assert_eq!(address(Err(error(ErrorKind::Denied))), Unknown);
    assert_eq!(address(Err(error(ErrorKind::Unreachable))), Unknown);
}

#[test]
fn a_source_must_answer_with_an_address_that_the_route_allows() {
    let says = |report: Option<SourceReport>| {
        let mut case = Case::good();
        case.route().reading =
            SourceReports(report.map(|said| (DiscoverySource::Rds, said)).into_iter().collect());
        case.says("discovery")
    };
    let writer = |ip: &str| SourceReport::Members {
        writer: Member { instance: Some(instance("orders-1")), ip: ip.parse().unwrap() },
        readers: Vec::new(),
    };
    assert_eq!(says(None), Pass);
    assert_eq!(says(Some(writer("10.0.1.10"))), Pass);
    assert_eq!(says(Some(writer("203.0.113.9"))), Fail);
    assert_eq!(says(Some(SourceReport::Unclear("denied".to_owned()))), Warn);
}

#[test]
fn a_map_that_is_not_what_rds_has_fails_and_says_where() {
    let map = |change: fn(&mut Case)| {
        let mut case = Case::good();
        change(&mut case);
        (case.says("instances"), case.why("instances"))
    };
    assert_eq!(map(|_| ()).0, Pass);
    for (change, told) in [
        (
            (|case| case.route().members.as_mut().unwrap().truncate(1)) as fn(&mut Case),
            "RDS has no instance orders-2",
        ),
        (
            |case| {
                case.route().members.as_mut().unwrap()[1].address = Ok("10.0.2.99".parse().unwrap());
            },
            "orders-2 is at 10.0.2.99, but [route.instances] has 10.0.2.10",
        ),
        (
            |case| {
                let gone = case.route().route.instances.remove(&instance("orders-2"));
                assert!(gone.is_some());
            },
            "orders-2 is missing in [route.instances]",
        ),
        (|case| case.route().members = Ok(Vec::new()), "RDS has no instance"),
    ] {
        let (verdict, why) = map(change);
        assert_eq!(verdict, Fail, "{told}");
        assert!(why.contains(told), "{why}");
    }
}

#[test]
fn an_instance_that_the_route_may_not_have_need_not_be_in_its_map() {
    let mut case = Case::good();
    case.route().route.instances.remove(&instance("orders-2"));
    case.route().route.policy.allowed_instances = Some([instance("orders-1")].into());
    assert_eq!(case.says("instances"), Pass);
}

#[test]
fn whether_the_map_is_right_is_not_known_without_rds() {
    let mut case = Case::good();
    case.route().members = Err(unseen(ErrorKind::Denied));
    assert_eq!(case.says("instances"), Unknown);
}

#[test]
fn where_an_instance_is_stays_open_when_its_endpoint_cannot_be_looked_up() {
    let mut case = Case::good();
    case.route().members.as_mut().unwrap()[1].address = Err(unseen(ErrorKind::Unreachable));
    assert_eq!(case.says("instances"), Unknown);
    // What is wrong anyway is told first.
    case.route().members.as_mut().unwrap()[0].address = Ok("10.0.9.9".parse().unwrap());
    assert_eq!(case.says("instances"), Fail);
}

#[test]
fn a_cluster_without_vpc_networking_fails_and_is_not_unclear_besides() {
    let without = |networking| {
        let mut case = Case::with("discovery = \"rds\"");
        let route = case.route();
        route.vpc_networking = networking;
        let unclear = SourceReport::Unclear("the cluster orders has no VPC networking".to_owned());
        route.reading = SourceReports([(DiscoverySource::Rds, unclear)].into());
        (case.says("VPC networking"), case.says("discovery"))
    };
    assert_eq!(without(Ok(Switch::On)), (Pass, Warn));
    assert_eq!(without(Ok(Switch::Off)), (Fail, Skipped));
    let denied = Err(unseen(ErrorKind::Denied));
    assert_eq!(without(denied), (Unknown, Warn));
    // That there is no such cluster is told by the line of its instances.
    let mut case = Case::good();
    case.route().vpc_networking = Err(unseen(ErrorKind::Missing));
    case.route().members = Ok(Vec::new());
    assert_eq!(case.lines("VPC networking"), []);
    assert_eq!(case.says("instances"), Fail);
}
