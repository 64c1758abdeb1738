//! One cause is one line, however many calls fail because of it.

use writerlink::preflight::CheckStatus;
use writerlink::preflight::CheckStatus::{Fail, Pass, Skipped, Unknown, Warn};
use writerlink_engine::ports::installation::{Right, Unseen};
use writerlink_engine::ports::{CallError, ErrorKind};

use super::seen::{Case, unseen};

/// An installation of which every call fails like this, in words of its own.
fn failing(mut case: Case, kind: ErrorKind) -> Case {
    let mut calls = 0;
    let mut why = || {
        calls += 1;
        Unseen::Refused(error(kind, &format!("in the words of call {calls}")))
    };
    let facts = &mut case.facts;
    facts.queue = Err(why());
    facts.rules = Err(why());
    for table in [&mut facts.state, &mut facts.audit] {
        table.described = Err(why());
        table.recovery = Err(why());
        table.expiry = Err(why());
    }
    for (_, seen) in &mut facts.rights {
        *seen = Err(why());
    }
    for route in &mut facts.routes {
        for group in &mut route.groups {
            group.facts.described = Err(why());
            group.facts.attributes = Err(why());
            group.observed = Err(why());
        }
        route.balancers.clear();
        route.members = Err(why());
        route.vpc_networking = Err(why());
        route.chain_end = Err(why());
        if route.weights.is_some() {
            route.weights = Some(Err(why()));
            route.listener_rules = Some(Err(why()));
        }
    }
    case
}

fn error(kind: ErrorKind, message: &str) -> CallError {
    CallError { message: message.to_owned(), ..super::seen::error(kind) }
}

/// The lines that are not right, as `what: verdict`.
fn complaints(case: &Case) -> Vec<String> {
    let findings = case.findings();
    let told = findings.iter().filter(|line| !matches!(line.verdict, Pass | Skipped));
    told.map(|line| format!("{}: {}", line.check.what, line.verdict.as_str())).collect()
}

/// How many lines say that they were not read.
fn unread(case: &Case) -> usize {
    let findings = case.findings();
    let unread = findings.iter().filter(|line| line.why.starts_with("not read"));
    unread.count()
}

#[test]
fn credentials_that_do_not_hold_are_one_finding() {
    for case in [Case::good(), Case::weighted()] {
        let mut case = failing(case, ErrorKind::Denied);
        case.facts.identity.arn = Err(unseen(ErrorKind::Denied));
        assert_eq!(complaints(&case), ["identity: fail"]);
        // The rights, the queue, two tables, the route: each subject says once where to look.
        assert_eq!(unread(&case), 5);
        assert_eq!(case.why("is there"), "not read (see caller: identity)");
        assert_eq!(case.says("target group"), Skipped);
    }
}

#[test]
fn that_nothing_answers_is_one_finding() {
    let mut case = failing(Case::weighted(), ErrorKind::Unreachable);
    case.facts.identity.arn = Err(unseen(ErrorKind::Unreachable));
    assert_eq!(complaints(&case), ["identity: fail"]);
    // What did answer is told as ever.
    let mut group = Case::weighted().route().groups[0].clone();
    group.facts.attributes = Err(unseen(ErrorKind::Unreachable));
    case.route().groups[0] = group;
    assert_eq!(case.says("target type"), Pass);
    assert_eq!(case.why("connection termination"), "not read (see caller: identity)");
}

#[test]
fn the_wrong_region_is_one_finding_whatever_the_calls_say() {
    for kind in [ErrorKind::Missing, ErrorKind::Invalid] {
        let mut case = failing(Case::good(), kind);
        case.facts.environment.region = Some("eu-west-1".to_owned());
        assert_eq!(complaints(&case), ["Region: fail"], "{kind:?}");
    }
    // What is found there all the same is judged as ever.
    let mut case = failing(Case::good(), ErrorKind::Missing);
    case.facts.environment.region = Some("eu-west-1".to_owned());
    case.facts.queue = Case::good().facts.queue;
    case.queue().fifo = false;
    assert_eq!(case.says("FIFO"), Fail);
}

#[test]
fn a_caller_of_another_account_is_one_finding() {
    for kind in [ErrorKind::Missing, ErrorKind::Denied] {
        let mut case = failing(Case::good(), kind);
        case.facts.identity.arn = Ok("arn:aws:iam::999999999999:user/ada".to_owned());
        assert_eq!(complaints(&case), ["account of the routes: fail"], "{kind:?}");
    }
}

#[test]
fn one_route_of_two_in_another_region_explains_its_own_failures_alone() {
    let mut case = failing(Case::good(), ErrorKind::Missing);
    let mut there = Case::good().facts.routes.remove(0);
    there.route.name = writerlink_core::model::names::RouteName::new("there").unwrap();
    case.facts.routes.push(there);
    let here = case.facts.routes[0].groups[0].arn.as_str().replace("us-east-1", "eu-west-1");
    case.facts.routes[0].groups[0].arn = writerlink_core::model::names::TargetGroupArn::new(&here).unwrap();
    let complaints = complaints(&case);
    assert!(complaints.contains(&"Region: fail".to_owned()), "{complaints:?}");
    assert_eq!(case.says("is there"), Fail, "the other route's worker needs them");
    assert_eq!(case.says("target group"), Skipped);
    assert_eq!(case.says("target type"), Pass);
}

fn right(case: &Case, right: Right) -> usize {
    let of = |(of, _): &(Right, _)| *of == right;
    case.facts.rights.iter().position(of).unwrap()
}

#[test]
fn a_table_that_is_not_there_is_told_by_its_own_line_alone() {
    let mut case = Case::good();
    case.facts.state.described = Err(unseen(ErrorKind::Missing));
    for of in [Right::ReadState, Right::UpdateState, Right::InsertState, Right::AppendAudit] {
        let at = right(&case, of);
        case.facts.rights[at].1 = Err(unseen(ErrorKind::Missing));
    }
    assert_eq!(complaints(&case), ["is there: fail"]);
    // Of a right that is missing by itself it says nothing.
    let at = right(&case, Right::ReadState);
    case.facts.rights[at].1 = Err(unseen(ErrorKind::Denied));
    assert_eq!(case.says("may read the state"), Warn);
}

#[test]
fn what_describing_a_table_is_denied_for_says_nothing_of_reading_it() {
    let mut case = Case::good();
    case.facts.state.described = Err(unseen(ErrorKind::Denied));
    let at = right(&case, Right::ReadState);
    case.facts.rights[at].1 = Err(unseen(ErrorKind::Denied));
    assert_eq!(case.says("is there"), Unknown);
    assert_eq!(case.says("may read the state"), Warn);
}

#[test]
fn a_group_that_is_not_there_is_told_once() {
    let mut case = Case::good();
    let group = &mut case.route().groups[0];
    group.facts.described = Err(unseen(ErrorKind::Missing));
    group.facts.attributes = Err(unseen(ErrorKind::Missing));
    group.observed = Err(unseen(ErrorKind::Missing));
    assert_eq!(complaints(&case), ["target group: fail"]);
}

#[test]
fn a_service_that_does_not_answer_is_told_where_it_was_met_first() {
    let mut case = Case::weighted();
    for group in &mut case.route().groups {
        group.facts.described = Err(unseen(ErrorKind::Unreachable));
        group.observed = Err(unseen(ErrorKind::Unreachable));
    }
    let verdicts: Vec<CheckStatus> = case.lines("target group").iter().map(|l| l.verdict).collect();
    assert_eq!(verdicts, [Unknown, Skipped]);
    let why = &case.lines("target group")[1].why;
    assert!(why.contains("group of orders-1: target group"), "{why}");
    // Another reason is another finding.
    let other = Unseen::Refused(error(ErrorKind::Unreachable, "refused by a proxy"));
    case.route().groups[1].facts.described = Err(other);
    let lines = case.lines("target group");
    assert!(lines.iter().all(|line| line.verdict == Unknown), "{lines:?}");
}
