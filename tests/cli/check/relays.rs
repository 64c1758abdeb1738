//! A relay route: its target group leads to relays, and those report.

use std::time::Duration;

use writerlink::preflight::CheckStatus::{Fail, Pass, Warn};
use writerlink_core::model::route::SILENT_LIMIT;
use writerlink_engine::ports::ErrorKind;

use super::seen::{Case, LISTEN, RELAY_IPS, registered, unseen};

const TARGETS: &str = "relays in the target group";
const REPORTS: &str = "relays that report";

#[test]
fn two_relays_that_are_registered_and_report_pass() {
    let case = Case::relayed();
    let checks = [TARGETS, REPORTS, "protocol", "in use", "health checks", "stickiness", "proxy protocol"];
    for what in checks {
        assert_eq!(case.says(what), Pass, "{what}: {}", case.why(what));
    }
    assert_eq!(case.why(REPORTS), "relay-a, relay-b");
}

#[test]
fn what_a_database_behind_a_group_needs_is_not_asked_of_relays() {
    let found = Case::relayed().findings();
    let of_databases = ["target type", "port", "connection termination", "deregistration delay", "may move"];
    let asked = found.iter().find(|finding| of_databases.contains(&finding.check.what));
    assert!(asked.is_none(), "{asked:?}");
}

#[test]
fn a_group_without_relays_fails_and_one_relay_is_a_warning() {
    let mut case = Case::relayed();
    case.route().groups[0].observed = Ok(vec![registered(RELAY_IPS[0], LISTEN)]);
    assert_eq!(case.says(TARGETS), Warn);
    case.route().groups[0].observed = Ok(Vec::new());
    assert_eq!(case.says(TARGETS), Fail);
    case.route().groups[0].observed = Err(unseen(ErrorKind::Denied));
    assert_ne!(case.says(TARGETS), Pass);
}

#[test]
fn relays_on_another_port_than_listen_fail_by_name() {
    let mut case = Case::relayed();
    case.route().groups[0].observed = Ok(RELAY_IPS.map(|ip| registered(ip, 3306)).into());
    assert_eq!(case.says(TARGETS), Fail);
    assert!(case.why(TARGETS).contains("10.0.8.4:3306"), "{}", case.why(TARGETS));
}

#[test]
fn a_health_check_elsewhere_than_the_alive_port_is_a_warning() {
    let mut case = Case::relayed();
    "traffic-port".clone_into(&mut case.group().health_port);
    assert_eq!(case.says("health checks"), Warn);
}

#[test]
fn relays_that_fall_silent_are_not_counted() {
    let mut case = Case::relayed();
    case.facts.at = case.facts.at.plus(SILENT_LIMIT);
    assert_eq!(case.says(REPORTS), Fail);
    let now = case.facts.at;
    let reports = case.route().relays.as_mut().unwrap().as_mut().unwrap();
    (reports[0].at, reports[0].asked_at) = (now, Some(now));
    assert_eq!(case.says(REPORTS), Warn);
    reports_of(&mut case)[1].at = now;
    assert_eq!(case.says(REPORTS), Warn, "its agent reports that HAProxy does not ask");
    reports_of(&mut case)[1].asked_at = Some(now.minus(Duration::from_secs(1)));
    assert_eq!(case.says(REPORTS), Pass);
}

fn reports_of(case: &mut Case) -> &mut Vec<writerlink_core::actuation::relay::RelayReport> {
    case.route().relays.as_mut().unwrap().as_mut().unwrap()
}

#[test]
fn reports_that_cannot_be_read_are_not_taken_for_good() {
    let mut case = Case::relayed();
    case.route().relays = Some(Err(unseen(ErrorKind::Denied)));
    assert_ne!(case.says(REPORTS), Pass);
}
