//! infra/trail-alarms.yaml: each alarm's filters pick what is done to ours, and nothing that is done to somebody else's.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::filter_pattern::picks;
use crate::stacks::resolved;

const ACCOUNT: &str = "123456789012";
/// Somebody else's.
const OTHER: &str = "999999999999";

const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

/// What is made of the template for an installation in eu-west-1 whose trail is in us-east-1.
fn made() -> Value {
    let key = format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{KEY}");
    let all = resolved(&json!({"trail-alarms": {"KeyArn": key, "TrailLogGroupName": "trail"}}));
    all["trail-alarms"].clone()
}

/// A record as `CloudTrail` writes it (its user guide, and those of KMS, SQS and DynamoDB, have whole ones).
fn record(source: &str, name: &str, parameters: &Value) -> Value {
    json!({
        "eventVersion": "1.08",
        "userIdentity": {"type": "AssumedRole", "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/administrator/alice")},
        "eventTime": "2026-11-30T18:58:30Z",
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "eu-west-1",
        "requestParameters": parameters,
        "responseElements": null,
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    })
}

/// The metrics that a record counts in.
fn counted(made: &Value, record: &Value) -> BTreeSet<String> {
    let filters = made.as_object().unwrap().values();
    let filters = filters.filter(|resource| resource["FilterPattern"].is_string());
    let picking = filters.filter(|filter| picks(filter["FilterPattern"].as_str().unwrap(), record));
    let metric = |filter: &Value| {
        let metric = &filter["MetricTransformations"][0]["MetricName"];
        metric.as_str().unwrap().to_owned()
    };
    picking.map(metric).collect()
}

fn table(name: &str) -> String {
    format!("arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/{name}")
}

fn url(account: &str, queue: &str) -> String {
    format!("https://sqs.eu-west-1.amazonaws.com/{account}/{queue}")
}

fn role(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:role/{name}")
}

/// What is done to ours, and the metric that it counts in.
fn ours() -> Vec<(&'static str, Value)> {
    let mut records = vec![(
        "break_glass_taken",
        record(
            "sts",
            "AssumeRole",
            &json!({"roleArn": role(ACCOUNT, "writerlink-break-glass-eu-west-1"), "roleSessionName": "alice"}),
        ),
    )];
    for name in ["writerlink-audit", "writerlink-state"] {
        for call in ["PutResourcePolicy", "DeleteResourcePolicy"] {
            let what = json!({"resourceArn": table(name)});
            records.push(("ledger_unprotected", record("dynamodb", call, &what)));
        }
        for call in ["DeleteTable", "UpdateTable", "UpdateContinuousBackups", "UpdateTimeToLive"] {
            for spelling in [name.to_owned(), table(name)] {
                let what = json!({"tableName": spelling});
                records.push(("ledger_unprotected", record("dynamodb", call, &what)));
            }
        }
    }
    let arn = format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{KEY}");
    for call in ["ScheduleKeyDeletion", "DisableKey", "PutKeyPolicy"] {
        for id in [KEY, &arn] {
            let what = json!({"keyId": id, "pendingWindowInDays": 7});
            records.push(("key_ended", record("kms", call, &what)));
        }
    }
    for (call, what) in [
        ("DisableRule", json!({"name": "writerlink-orders"})),
        ("DeleteRule", json!({"name": "writerlink-orders"})),
        ("PutRule", json!({"name": "writerlink-orders", "state": "DISABLED"})),
        ("RemoveTargets", json!({"rule": "writerlink-orders", "ids": ["queue"]})),
    ] {
        records.push(("rule_ended", record("events", call, &what)));
    }
    for call in ["PurgeQueue", "DeleteQueue"] {
        for queue in ["writerlink.fifo", "writerlink-dlq.fifo", "writerlink-orders-rule-dlq"] {
            let what = json!({"queueUrl": url(ACCOUNT, queue)});
            records.push(("queue_emptied", record("sqs", call, &what)));
        }
    }
    records
}

#[test]
fn what_is_done_to_ours_is_counted_by_the_one_alarm_that_is_about_it() {
    let made = made();
    for (metric, record) in ours() {
        assert_eq!(counted(&made, &record), BTreeSet::from([metric.to_owned()]), "{record}");
        let mut denied = record.clone();
        denied["errorCode"] = json!("AccessDenied");
        assert_eq!(counted(&made, &denied).len(), 1, "who tries is worth a look: {denied}");
    }
}

/// What is done to other resources, and to ours without harm.
fn others() -> Vec<Value> {
    let glass = "writerlink-break-glass-eu-west-1";
    let orders = table("orders");
    let arns = |key: &str, values: &[&str]| {
        let each = values.iter().map(|value| json!({key: value}));
        each.collect::<Vec<_>>()
    };
    let roles = [
        role(ACCOUNT, "writerlink-operator-eu-west-1"),
        role(OTHER, glass),
        role(ACCOUNT, "other-break-glass-eu-west-1"),
    ];
    let queues = [
        url(ACCOUNT, "orders.fifo"),
        url(ACCOUNT, "writerlink-test.fifo").replace(ACCOUNT, OTHER),
        url(OTHER, "writerlink.fifo"),
    ];
    let ours = url(ACCOUNT, "writerlink.fifo");
    let table_of_others = table("writerlink-audit").replace(ACCOUNT, OTHER);
    let key = "99999999-12ab-34cd-56ef-1234567890ab";
    let enabled = json!({"name": "writerlink-orders", "state": "ENABLED"});
    let calls: [(&str, &str, Vec<Value>); 13] = [
        ("sts", "AssumeRole", arns("roleArn", &roles.each_ref().map(String::as_str))),
        ("sts", "AssumeRole", vec![Value::Null]),
        ("dynamodb", "PutResourcePolicy", arns("resourceArn", &[&orders, &table_of_others])),
        ("dynamodb", "UpdateTable", arns("tableName", &["orders", "my-writerlink-audit"])),
        ("dynamodb", "DescribeTable", arns("tableName", &["writerlink-audit"])),
        ("dynamodb", "CreateTable", arns("tableName", &["writerlink-audit"])),
        ("kms", "DisableKey", arns("keyId", &[key])),
        ("kms", "Decrypt", arns("keyId", &[KEY])),
        ("events", "DisableRule", arns("name", &["nightly-report"])),
        ("events", "PutRule", vec![enabled]),
        ("events", "RemoveTargets", arns("rule", &["nightly-report"])),
        ("sqs", "PurgeQueue", arns("queueUrl", &queues.each_ref().map(String::as_str))),
        ("sqs", "ReceiveMessage", arns("queueUrl", &[&ours])),
    ];
    let each = calls.into_iter().flat_map(|(source, name, all)| {
        all.into_iter().map(move |parameters| record(source, name, &parameters))
    });
    let waf = record("wafv2", "DeleteRule", &json!({"name": "writerlink-orders"}));
    each.chain([waf]).collect()
}

/// The same names in another account or Region, where the call gives the name alone.
fn namesakes() -> Vec<Value> {
    let mut records = Vec::new();
    for (_, record) in ours() {
        let given = |key: &str| record["requestParameters"][key].as_str();
        let named = ["tableName", "name", "rule"].into_iter().find_map(given);
        let (mut account, mut region) = (record.clone(), record.clone());
        account["recipientAccountId"] = json!(OTHER);
        region["awsRegion"] = json!("us-east-1");
        if named.is_some_and(|name| !name.contains(':')) {
            records.push(account);
            records.push(region);
        } else if given("queueUrl").is_some() {
            records.push(region);
        }
    }
    records
}

#[test]
fn what_is_done_to_something_else_is_counted_by_none() {
    let made = made();
    for record in others().into_iter().chain(namesakes()) {
        assert_eq!(counted(&made, &record), BTreeSet::new(), "{record}");
    }
}

#[test]
fn every_filter_counts_for_an_alarm_of_this_installation_alone() {
    let made = made();
    let resources = made.as_object().unwrap();
    let mut looked_at = BTreeSet::new();
    for resource in resources.values() {
        if resource["AlarmName"].is_string() {
            assert_eq!(resource["Namespace"], "writerlink-trail");
            looked_at.insert(resource["MetricName"].clone().to_string());
        }
    }
    let mut written = BTreeSet::new();
    for resource in resources.values() {
        for metric in resource["MetricTransformations"].as_array().into_iter().flatten() {
            assert_eq!(metric["MetricNamespace"], "writerlink-trail");
            written.insert(metric["MetricName"].to_string());
            assert_eq!(resource["LogGroupName"], "trail");
        }
    }
    assert_eq!(looked_at, written);
    assert_eq!(written.len(), 5);
}
