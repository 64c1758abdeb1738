//! The queue's policy: whether it lets a route's rule send, as IAM would decide it.

use serde_json::{Value, json};
use writerlink::preflight::CheckStatus;
use writerlink::preflight::CheckStatus::{Fail, Pass, Unknown};

use super::seen::{Case, QUEUE};

const RULE: &str = "arn:aws:events:us-east-1:123456789012:rule/writerlink-orders";
const EVENTS: &str = "events.amazonaws.com";

/// A statement that lets the rule send, for tests to change.
fn allows() -> Value {
    json!({"Effect": "Allow", "Principal": {"Service": EVENTS}, "Action": "sqs:SendMessage", "Resource": QUEUE})
}

/// The same with this in the place of that.
fn but(field: &str, value: Value) -> Value {
    let mut statement = allows();
    statement[field] = value;
    statement
}

/// The same without a field, and with its contrary.
fn instead(field: &str, other: &str, value: Value) -> Value {
    let mut statement = but(other, value);
    statement.as_object_mut().unwrap().remove(field);
    statement
}

fn denies(statement: Value) -> Value {
    let mut statement = statement;
    statement["Effect"] = json!("Deny");
    statement
}

fn judged(statements: &[Value]) -> Case {
    let mut case = Case::good();
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    case.queue().policy = Ok(Some(policy.to_string()));
    case
}

fn says(statements: &[Value]) -> CheckStatus {
    judged(statements).says("policy")
}

fn when(condition: Value) -> CheckStatus {
    says(&[but("Condition", condition)])
}

fn denied_when(condition: Value) -> CheckStatus {
    says(&[allows(), denies(but("Condition", condition))])
}

#[test]
fn the_policies_of_the_field_that_let_nothing_through_fail() {
    let policies: Value = serde_json::from_str(include_str!("cases/policies.json")).unwrap();
    for (name, statements) in policies.as_object().unwrap() {
        let case = judged(statements.as_array().unwrap());
        assert_eq!(case.says("policy"), Fail, "{name}");
    }
    let why = |name: &str| judged(policies[name].as_array().unwrap()).why("policy");
    assert!(why("deny-all").contains("denied"), "{}", why("deny-all"));
    assert!(why("another-rule").contains("rule/another-rule"), "{}", why("another-rule"));
    assert!(why("another-queue").contains("other.fifo"), "{}", why("another-queue"));
}

#[test]
fn the_policy_of_the_templates_passes() {
    let any = |action: Value, condition: Value| json!({"Effect": "Deny", "Principal": "*", "Action": action, "Resource": QUEUE, "Condition": condition});
    let verdict = says(&[
        but(
            "Condition",
            json!({
                "StringEquals": {"aws:SourceAccount": "123456789012"},
                "ArnLike": {"aws:SourceArn": "arn:aws:events:us-east-1:123456789012:rule/writerlink-*"},
            }),
        ),
        any(json!("sqs:SendMessage"), json!({"Bool": {"aws:PrincipalIsAWSService": "false"}})),
        any(
            json!(["sqs:ReceiveMessage", "sqs:DeleteMessage"]),
            json!({"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/worker"}}),
        ),
        any(json!("sqs:*"), json!({"Bool": {"aws:SecureTransport": "false"}})),
    ]);
    assert_eq!(verdict, Pass);
}

#[test]
fn a_statement_counts_only_for_this_queue() {
    let other = QUEUE.replace("writerlink", "other");
    for (resource, verdict) in [
        (json!("*"), Pass),
        (json!(QUEUE.replace("writerlink", "writer????")), Pass),
        (json!([other, QUEUE]), Pass),
        (json!("arn:aws:sqs:*:123456789012:writerlink*"), Pass),
        (json!(other), Fail),
        (json!([]), Fail),
    ] {
        assert_eq!(says(&[but("Resource", resource.clone())]), verdict, "{resource}");
    }
    assert_eq!(says(&[instead("Resource", "NotResource", json!(other))]), Pass);
    assert_eq!(says(&[instead("Resource", "NotResource", json!(QUEUE))]), Fail);
    assert_eq!(says(&[allows(), denies(but("Resource", json!(other)))]), Pass);
}

#[test]
fn a_statement_counts_only_for_sending() {
    for (action, verdict) in [
        (json!("SQS:SendMessage"), Pass),
        (json!("sqs:send*"), Pass),
        (json!("sqs:SendMessag?"), Pass),
        (json!("*"), Pass),
        (json!(["sqs:ReceiveMessage", "sqs:GetQueueUrl"]), Fail),
    ] {
        assert_eq!(says(&[but("Action", action.clone())]), verdict, "{action}");
    }
    assert_eq!(says(&[instead("Action", "NotAction", json!("sqs:DeleteQueue"))]), Pass);
    assert_eq!(says(&[instead("Action", "NotAction", json!("sqs:Send*"))]), Fail);
    let denied = denies(instead("Action", "NotAction", json!("sqs:ReceiveMessage")));
    assert_eq!(says(&[allows(), denied]), Fail);
}

#[test]
fn a_statement_counts_only_for_whom_it_names() {
    for (principal, verdict) in [
        (json!("*"), Pass),
        (json!({"AWS": "*"}), Pass),
        (json!({"Service": ["sns.amazonaws.com", EVENTS]}), Pass),
        (json!({"Service": "sns.amazonaws.com"}), Fail),
        (json!({"AWS": "arn:aws:iam::123456789012:root"}), Fail),
    ] {
        assert_eq!(says(&[but("Principal", principal.clone())]), verdict, "{principal}");
    }
    let all_but = |who: Value| denies(instead("Principal", "NotPrincipal", who));
    assert_eq!(says(&[allows(), all_but(json!({"Service": EVENTS}))]), Pass);
    let role = json!({"AWS": "arn:aws:iam::123456789012:role/worker"});
    assert_eq!(says(&[allows(), all_but(role)]), Fail);
}

#[test]
fn a_condition_on_the_source_has_to_admit_the_rule() {
    let other = RULE.replace("orders", "billing");
    for operator in
        ["ArnEquals", "ArnLike", "StringEquals", "StringLike", "ForAnyValue:ArnLike", "ArnLikeIfExists"]
    {
        assert_eq!(when(json!({operator: {"AWS:sourcearn": RULE}})), Pass, "{operator}");
        assert_eq!(when(json!({operator: {"aws:SourceArn": [other, RULE]}})), Pass, "{operator}");
        assert_eq!(when(json!({operator: {"aws:SourceArn": other}})), Fail, "{operator}");
    }
    let any = RULE.replace("writerlink-orders", "writerlink-*");
    for (operator, verdict) in
        [("ArnEquals", Pass), ("ArnLike", Pass), ("StringLike", Pass), ("StringEquals", Fail)]
    {
        assert_eq!(when(json!({operator: {"aws:SourceArn": any}})), verdict, "{operator}");
    }
    for operator in ["ArnNotEquals", "ArnNotLike", "StringNotEquals", "StringNotLike"] {
        assert_eq!(denied_when(json!({operator: {"aws:SourceArn": RULE}})), Pass, "{operator}");
        assert_eq!(denied_when(json!({operator: {"aws:SourceArn": other}})), Fail, "{operator}");
    }
    let account = |id: &str| when(json!({"StringEqualsIgnoreCase": {"aws:SourceAccount": id}}));
    assert_eq!((account("123456789012"), account("999999999999")), (Pass, Fail));
}

#[test]
fn every_condition_of_a_statement_has_to_hold() {
    let both = |account: &str| {
        when(json!({"ArnLike": {"aws:SourceArn": RULE}, "StringEquals": {"aws:SourceAccount": account}}))
    };
    assert_eq!((both("123456789012"), both("999999999999")), (Pass, Fail));
}

#[test]
fn what_is_not_in_a_request_of_eventbridge_is_not_equal_to_anything() {
    let organisation = |operator: &str| json!({operator: {"aws:PrincipalOrgID": "o-1"}});
    assert_eq!(when(organisation("StringEquals")), Fail);
    assert_eq!(when(organisation("StringEqualsIfExists")), Pass);
    assert_eq!(denied_when(organisation("StringNotEquals")), Fail);
    let no_service = json!({
        "StringNotEquals": {"aws:PrincipalOrgID": "o-1"},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    });
    assert_eq!(denied_when(no_service), Pass);
    let null = |is: &str| denied_when(json!({"Null": {"aws:SourceVpce": is}}));
    assert_eq!((null("true"), null("false")), (Fail, Pass));
}

#[test]
fn what_is_not_understood_is_neither_good_nor_bad() {
    for condition in [
        json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        json!({"StringEquals": {"aws:PrincipalTag/team": "db"}}),
        json!({"StringEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}}),
        json!({"ArnResembles": {"aws:SourceArn": RULE}}),
    ] {
        assert_eq!(when(condition.clone()), Unknown, "{condition}");
        assert_eq!(denied_when(condition.clone()), Unknown, "{condition}");
    }
    let without = |field: &str| {
        let mut statement = allows();
        statement.as_object_mut().unwrap().remove(field);
        says(&[statement])
    };
    for field in ["Principal", "Action", "Resource"] {
        assert_eq!(without(field), Unknown, "{field}");
    }
    assert_eq!(says(&[but("Effect", json!("Perhaps"))]), Unknown);
    // Somebody else lets it through, and nobody denies it.
    let unclear = but("Condition", json!({"ArnResembles": {"aws:SourceArn": RULE}}));
    assert_eq!(says(&[unclear.clone(), allows()]), Pass);
    // What is denied is denied, whatever else is said.
    assert_eq!(says(&[unclear, allows(), denies(allows())]), Fail);
}

#[test]
fn the_rules_that_bring_a_routes_events_are_the_ones_that_count() {
    let only = |rule: &str| but("Condition", json!({"ArnEquals": {"aws:SourceArn": rule}}));
    let mut case = judged(&[only(RULE)]);
    let mut stranger = case.rule().clone();
    stranger.name = "of-somebody-else".to_owned();
    stranger.arn = Some(RULE.replace("writerlink-orders", "of-somebody-else"));
    stranger.pattern = Some(json!({"source": ["aws.ec2"]}).to_string());
    case.facts.rules.as_mut().unwrap().push(Ok(stranger.clone()));
    assert_eq!(case.says("policy"), Pass);
    // Where none brings any, each is held against the policy.
    case.rule().pattern.clone_from(&stranger.pattern);
    assert_eq!(case.says("policy"), Fail);
    assert!(case.why("policy").contains("of-somebody-else"));
}

#[test]
fn without_a_rule_a_policy_by_rules_cannot_be_judged() {
    let mut case = judged(&[but("Condition", json!({"ArnEquals": {"aws:SourceArn": RULE}}))]);
    case.facts.rules = Ok(Vec::new());
    assert_eq!(case.says("policy"), Unknown);
    let mut case = judged(&[allows()]);
    case.facts.rules = Ok(Vec::new());
    assert_eq!(case.says("policy"), Pass);
}
