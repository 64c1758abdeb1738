//! Whether rules bring more than events.

use serde_json::json;
use writerlink::preflight::CheckStatus::{Pass, Unknown, Warn};
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::Unseen;
use writerlink_engine::wire::CALL_RECORDED;

use super::seen::{Case, unseen};

const WHAT: &str = "nothing but events";

/// A second rule with this pattern beside the good one.
fn beside(pattern: &serde_json::Value) -> Case {
    let mut case = Case::good();
    let mut rule = case.rule().clone();
    "audit-everything".clone_into(&mut rule.name);
    rule.pattern = Some(pattern.to_string());
    case.facts.rules.as_mut().unwrap().push(Ok(rule));
    case
}

#[test]
fn rules_that_bring_the_events_of_databases_alone_pass() {
    assert_eq!(Case::good().says(WHAT), Pass);
    for pattern in [
        json!({"source": ["aws.rds"], "detail-type": [{"prefix": "RDS "}]}),
        json!({"source": ["aws.rds"], "detail": {"EventID": ["RDS-EVENT-0071"]}}),
        json!({"source": ["aws.ec2"]}),
    ] {
        assert_eq!(beside(&pattern).says(WHAT), Pass, "{pattern}");
    }
}

#[test]
fn a_rule_that_also_brings_records_of_calls_is_named_with_its_remedy() {
    for pattern in [
        json!({"source": ["aws.rds"]}),
        json!({"source": [{"prefix": "aws."}], "account": ["123456789012"]}),
        json!({"source": ["aws.rds"], "detail-type": ["RDS DB Cluster Event", "AWS API Call via CloudTrail"]}),
        // Of the records it wants others than the one that is tried.
        json!({"detail-type": ["AWS API Call via CloudTrail"], "detail": {"eventName": ["StopDBCluster"]}}),
    ] {
        let case = beside(&pattern);
        assert_eq!(case.says(WHAT), Warn, "{pattern}");
        let lines = case.lines(WHAT);
        assert_eq!(lines.len(), 1, "one line for all routes");
        assert!(lines[0].why.starts_with("audit-everything "), "{}", lines[0].why);
        // What it names is what the worker ignores by that name.
        assert!(lines[0].why.contains(CALL_RECORDED), "{}", lines[0].why);
        assert!(lines[0].remedy.as_ref().unwrap().contains("detail-type"));
    }
}

#[test]
fn a_rule_that_sends_nothing_brings_nothing() {
    let everything = json!({"source": ["aws.rds"]});
    let mut case = beside(&everything);
    case.facts.rules.as_mut().unwrap()[1].as_mut().unwrap().state = "DISABLED".to_owned();
    assert_eq!(case.says(WHAT), Pass);
    let mut case = beside(&everything);
    let rule = case.facts.rules.as_mut().unwrap()[1].as_mut().unwrap();
    rule.targets.clear();
    assert_eq!(case.says(WHAT), Pass);
}

#[test]
fn a_rule_that_cannot_be_read_is_not_taken_for_good() {
    let mut case = Case::good();
    let good = case.rule().clone();
    case.facts.rules = Ok(vec![Ok(good), Err(unseen(ErrorKind::Denied))]);
    assert_eq!(case.says(WHAT), Unknown);
    let mut case = beside(&json!({"source": ["aws.rds"]}));
    let rules = case.facts.rules.as_mut().unwrap();
    rules.push(Err(unseen(ErrorKind::Denied)));
    assert_eq!(case.says(WHAT), Warn);
    // That nobody could list them is each route's own line.
    case.facts.rules = Err(Unseen::NotHere("no rules"));
    assert!(case.lines(WHAT).is_empty());
}
