//! Whether rules also forward `CloudTrail`'s records of calls to RDS, which have the same `source` as events.

use serde_json::{Value, json};

use crate::config::Config;
use crate::preflight::caller::{Place, place_of};
use crate::preflight::finding::{Check, CheckFindings, Subject};
use crate::preflight::pattern::{Lets, lets};
use writerlink_engine::ports::installation::{Facts, RuleFacts};

/// The `detail-type` of such records.
const CALL_RECORDED: &str = "AWS API Call via CloudTrail";

const CALLS: Check =
    Check::aws("nothing but events", "EventBridge reference, \"Amazon Relational Database Service events\"");

/// One line about all rules that send to the queue; none if they could not be listed, which each route's line
/// reports.
pub(super) fn judge(facts: &Facts, config: &Config, findings: &mut CheckFindings) {
    let (Ok(rules), Ok(queue)) = (&facts.rules, &facts.queue) else {
        return;
    };
    let mut lines = findings.about(Subject::Queue(config.queue.to_string()));
    let call = call(place_of(&queue.arn).unwrap_or_default());
    let seen = rules.iter().flatten();
    let bring = seen.filter(|rule| brings_calls(rule, &call));
    let bring: Vec<&str> = bring.map(|rule| rule.name.as_str()).collect();
    if bring.is_empty() {
        return match rules.iter().find_map(|rule| rule.as_ref().err()) {
            Some(unseen) => lines.unseen(CALLS, unseen),
            None => lines.pass(CALLS, "no rule forwards CloudTrail's records of calls to RDS"),
        };
    }
    let why = format!(
        "{} also forwards CloudTrail's records of calls to RDS ({CALL_RECORDED:?}): these are no events, and they delay \
         the events behind them in the queue",
        bring.join(", ")
    );
    let fix = "add \"detail-type\": [\"RDS DB Cluster Event\", \"RDS DB Instance Event\"] to the rule's pattern (as in \
               infra/route.yaml)";
    lines.warn(CALLS, why, fix);
}

/// Whether an enabled rule lets a record of a call through, or names such records and lets some of them
/// through.
fn brings_calls(rule: &RuleFacts, call: &Value) -> bool {
    let Some(pattern) = &rule.pattern else {
        return false;
    };
    let named = serde_json::from_str::<Value>(pattern).is_ok_and(|pattern| {
        let types = pattern["detail-type"].as_array();
        types.is_some_and(|types| types.iter().any(|one| one == CALL_RECORDED))
    });
    let sends = rule.state.starts_with("ENABLED") && !rule.targets.is_empty();
    sends && (named || lets(pattern, call) == Lets::Through)
}

/// A record of a call, as EventBridge gets it from `CloudTrail`.
fn call(place: Place<'_>) -> Value {
    let Place { region, account, .. } = place;
    json!({
        "version": "0",
        "id": "36eb8523-97d0-4518-b33d-ee3579ff19f0",
        "detail-type": CALL_RECORDED,
        "source": "aws.rds",
        "account": account,
        "time": "2026-05-06T23:07:45Z",
        "region": region,
        "resources": [],
        "detail": {
            "eventSource": "rds.amazonaws.com",
            "eventName": "FailoverDBCluster",
            "awsRegion": region,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": account,
        },
    })
}
