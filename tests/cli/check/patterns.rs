//! Rules that filter by more than the source and the event id, and rules of hub accounts.

use serde_json::{Value, json};
use writerlink::preflight::CheckStatus;
use writerlink::preflight::CheckStatus::{Fail, Pass, Skipped, Unknown, Warn};

use super::seen::Case;

const CLUSTER: &str = "aurora-source";

/// The rules of the field that `check` once refused.
fn of_the_field(name: &str) -> Value {
    let rules: Value = serde_json::from_str(include_str!("cases/rules.json")).unwrap();
    assert!(rules[name].is_object(), "{name}");
    rules[name].clone()
}

/// An installation with this pattern in its one rule.
fn with(pattern: &Value) -> Case {
    let mut case = Case::following(CLUSTER);
    case.rule().pattern = Some(pattern.to_string());
    case
}

/// The pattern of a rule that lets everything of the cluster through, and asks this of its detail besides.
fn asking(detail: &Value) -> Case {
    let mut pattern = json!({
        "source": ["aws.rds"],
        "detail": {"SourceArn": ["arn:aws:rds:us-east-1:123456789012:cluster:aurora-source"]},
    });
    let fields = pattern["detail"].as_object_mut().unwrap();
    fields.extend(detail.as_object().unwrap().clone());
    with(&pattern)
}

fn says(case: &Case) -> (CheckStatus, CheckStatus) {
    (case.says("rule"), case.says("event ids"))
}

#[test]
fn a_rule_by_the_text_is_judged_by_the_wordings_that_are_known() {
    let case = with(&of_the_field("message-prefix"));
    assert_eq!(says(&case), (Pass, Warn));
    let why = case.why("event ids");
    for told in [
        "RDS-EVENT-0073 do not arrive",
        "not with \"Completed RDS initiated failover to DB instance: orders-1\"",
    ] {
        assert!(why.contains(told), "{told} in {why}");
    }
    let every = asking(&json!({"Message": [{"prefix": "Completed "}, {"prefix": "Started "},
        {"prefix": "Promoting "}, {"prefix": "Cluster failover failed"}]}));
    assert_eq!(says(&every), (Pass, Pass));
}

#[test]
fn a_rule_by_a_text_that_no_event_has_brings_nothing() {
    let case = asking(&json!({"Message": [{"prefix": "Failover complete"}]}));
    assert_eq!(case.says("rule"), Fail);
}

#[test]
fn a_rule_by_the_name_of_one_instance_misses_the_failover_to_another() {
    let case = asking(&json!({"Message": [{"wildcard": "*: orders-1*"}]}));
    assert_eq!(case.says("event ids"), Warn);
    assert!(case.why("event ids").contains("orders-2"));
}

#[test]
fn a_name_that_nobody_knows_cannot_be_compared() {
    let text = |text: &str| {
        let mut case = asking(&json!({"Message": [{"wildcard": text}], "EventID": ["RDS-EVENT-0071"]}));
        let route = case.route();
        route.route.instances.clear();
        route.addresses.clear();
        route.members = Ok(Vec::new());
        case
    };
    let unknown = text("*instance: db-7*");
    assert_eq!(unknown.says("rule"), Unknown);
    assert!(unknown.why("rule").contains("detail.Message"));
    assert_eq!(text("*failover to DB instance: *").says("rule"), Pass);
}

#[test]
fn a_rule_by_tags_is_neither_right_nor_wrong_and_names_the_field() {
    let case = with(&of_the_field("tags"));
    assert_eq!(says(&case), (Unknown, Skipped));
    let why = case.why("rule");
    assert!(why.contains("detail.Tags.writerlink"), "{why}");
    // What certainly does not arrive is told all the same.
    let mut pattern = of_the_field("tags");
    pattern["detail"]["EventID"] = json!(["RDS-EVENT-0073"]);
    let case = with(&pattern);
    assert_eq!(says(&case), (Unknown, Fail));
    assert!(case.why("event ids").contains("RDS-EVENT-0071"));
}

#[test]
fn a_second_rule_that_asks_for_less_settles_what_the_first_leaves_open() {
    let mut case = asking(&json!({}));
    let mut tagged = case.rule().clone();
    tagged.pattern = Some(of_the_field("tags").to_string());
    case.facts.rules.as_mut().unwrap().push(Ok(tagged));
    assert_eq!(says(&case), (Pass, Pass));
}

#[test]
fn a_rule_of_a_hub_account_is_a_warning_that_says_whose_events_it_brings() {
    let case = with(&of_the_field("hub-other-account"));
    assert_eq!(says(&case), (Warn, Pass));
    let line = &case.lines("rule")[0];
    assert!(line.why.contains("210987654321"), "{}", line.why);
    let arn = "source = \"arn:aws:rds:us-east-1:210987654321:cluster:aurora-source\"";
    assert!(line.remedy.as_ref().unwrap().contains(arn), "{line:?}");
}

#[test]
fn a_rule_of_another_region_is_told_like_one_of_another_account() {
    let pattern = json!({"source": ["aws.rds"], "region": ["eu-west-1"]});
    let case = with(&pattern);
    assert_eq!(case.says("rule"), Warn);
    assert!(case.why("rule").contains("eu-west-1"));
    // A rule for the right one is enough.
    let mut case = case;
    let mut own = case.rule().clone();
    own.pattern = Some(json!({"source": ["aws.rds"], "region": ["us-east-1"]}).to_string());
    case.facts.rules.as_mut().unwrap().push(Ok(own));
    assert_eq!(case.says("rule"), Pass);
}

#[test]
fn a_hub_rule_for_another_database_brings_nothing() {
    let mut pattern = of_the_field("hub-other-account");
    pattern["detail"]["SourceArn"] = json!(["arn:aws:rds:us-east-1:210987654321:cluster:another"]);
    assert_eq!(with(&pattern).says("rule"), Fail);
}

#[test]
fn a_field_that_no_event_of_rds_is_known_to_have_is_named() {
    let case = asking(&json!({"EventId": ["RDS-EVENT-0071"]}));
    assert_eq!(case.says("rule"), Unknown);
    assert!(case.why("rule").contains("detail.EventId"));
}

#[test]
fn an_operator_that_is_not_understood_leaves_it_open() {
    for way in [json!({"fuzzy": "RDS"}), json!({"prefix": 7}), json!(["RDS"])] {
        let case = asking(&json!({"EventID": [way]}));
        assert_eq!(case.says("rule"), Unknown, "{way}");
        assert!(case.why("rule").contains("detail.EventID"));
    }
}
