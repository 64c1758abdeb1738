//! The instances that a route asks itself.

use writerlink::preflight::CheckStatus::{Fail, Pass, Skipped, Warn};
use writerlink_core::evidence::discovery::Member;
use writerlink_core::evidence::sql::ProbeAnswer;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::{SqlFacts, Unseen};

use super::seen::{Case, instance, unseen};

fn answers(n: u8, answer: ProbeAnswer) -> SqlFacts {
    SqlFacts {
        member: Member { instance: Some(instance(&format!("orders-{n}"))), ip: [10, 0, n, 10].into() },
        answer,
        user: "writerlink".to_owned(),
        encrypted: true,
        excess: Ok(Vec::new()),
    }
}

fn pair() -> Vec<SqlFacts> {
    vec![answers(1, ProbeAnswer::Writable), answers(2, ProbeAnswer::ReadOnly)]
}

fn case(instances: Vec<SqlFacts>) -> Case {
    let mut case = Case::good();
    case.route().sql = Some(Ok(instances));
    case
}

#[test]
fn instances_that_answer_pass_and_say_which_is_writable() {
    let case = case(pair());
    assert_eq!(case.says("sql"), Pass);
    let lines = case.findings().into_iter().filter(|finding| finding.check.what == "sql");
    let lines: Vec<String> = lines.map(|finding| finding.why).collect();
    assert_eq!(
        lines,
        [
            "orders-1 at 10.0.1.10 is writable, by its own word",
            "orders-2 at 10.0.2.10 is read-only, by its own word"
        ]
    );
}

#[test]
fn a_route_that_asks_no_instance_has_no_line_about_it() {
    let found = Case::good().findings();
    assert!(found.iter().all(|finding| finding.check.what != "sql"));
}

#[test]
fn an_instance_that_cannot_be_asked_fails_and_says_why() {
    let mut instances = pair();
    instances[1].answer = ProbeAnswer::Failed("no connection within 500 ms".to_owned());
    let case = case(instances);
    assert_eq!(case.says("sql"), Fail);
    assert_eq!(
        case.why("sql"),
        "orders-2 at 10.0.2.10 could not be asked as writerlink: no connection within 500 ms"
    );
}

#[test]
fn a_user_that_may_do_more_than_log_in_is_a_warning() {
    let mut instances = pair();
    instances[0].excess = Ok(vec!["GRANT SELECT ON *.*".to_owned()]);
    let case = case(instances);
    assert_eq!(case.says("sql"), Warn);
    assert!(case.why("sql").contains("GRANT SELECT ON *.*"), "{}", case.why("sql"));
}

#[test]
fn connections_in_the_clear_are_a_warning() {
    let mut instances = pair();
    for instance in &mut instances {
        instance.encrypted = false;
    }
    assert_eq!(case(instances).says("sql"), Warn);
}

#[test]
fn where_nobody_can_be_asked_nothing_is_taken_for_good() {
    let mut case = Case::good();
    case.route().sql = Some(Err(Unseen::NotHere("no instance can be asked here")));
    assert_eq!(case.says("sql"), Skipped);
    case.route().sql = Some(Err(unseen(ErrorKind::Denied)));
    assert_ne!(case.says("sql"), Pass);
}
