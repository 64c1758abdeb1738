//! The faults between the workers and the stand-in.
//!
//! Which call meets one is drawn by microburst, which takes no seed: a run with the same seed has the same story
//! and the same deeds, not the same interleaving.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use writerlink_aws::config::Timeouts;

use crate::support::Account;
use crate::support::microburst::{Microburst, Rule};

/// The calls that change something, whose reply may be lost after they did.
const CHANGING: [&str; 7] = [
    "RegisterTargets",
    "DeregisterTargets",
    "ExecuteTransaction",
    "ExecuteStatement",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "SendMessage",
];

/// The calls that change nothing (a receive apart, which is treated more gently: the stand-in does not know
/// `ReceiveRequestAttemptId`, so a lost reply costs its groups 30 s).
const READING: [&str; 3] = ["DescribeTargetHealth", "GetItem", "GetQueueAttributes"];

const RECEIVE: &str = "ReceiveMessage";

/// A wire with faults.
pub(crate) struct Wire {
    rules: Vec<(&'static str, Rule)>,
}

impl Wire {
    /// A wire without faults so far, to be used once: microburst looks a service up at its first call, which
    /// takes longer on a slow machine than a worker waits.
    pub(crate) async fn warm(account: &Account) {
        let patient = Timeouts {
            connect: Duration::from_mins(1),
            attempt: Duration::from_mins(1),
            operation: Duration::from_mins(2),
        };
        let endpoint = Microburst::shared().endpoint();
        let sdk = account.config_within(&endpoint, patient).await;
        let sqs = aws_sdk_sqs::Client::new(&sdk);
        sqs.list_queues().send().await.unwrap();
        let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
        dynamodb.list_tables().send().await.unwrap();
        let elbv2 = aws_sdk_elasticloadbalancingv2::Client::new(&sdk);
        elbv2.describe_target_groups().send().await.unwrap();
    }

    /// From now on the account's calls through microburst meet faults. One in a hundred calls fails with all its
    /// three tries, so that a whole attempt fails now and then.
    pub(crate) fn with_faults(account: &Account) -> Self {
        let mut wire = Self { rules: Vec::new() };
        let reset = json!({ "reset": true });
        let unavailable = json!({ "error": { "code": "ServiceUnavailable", "status": 503 } });
        let lost = json!({ "response": { "abort_bytes": 0 } });
        // Less than an attempt of the SDK may take (2 s): what it gave up on must not arrive later.
        let slow = json!({ "latency": { "min": 50, "max": 900 } });
        for operation in CHANGING {
            wire.add(account, operation, "reply lost", (0.07, &lost));
        }
        for operation in CHANGING.into_iter().chain(READING) {
            wire.add(account, operation, "throttled", (0.08, &throttled(operation)));
            wire.add(account, operation, "503", (0.06, &unavailable));
            wire.add(account, operation, "reset", (0.05, &reset));
            wire.add(account, operation, "slow", (0.50, &slow));
        }
        wire.add(account, RECEIVE, "throttled", (0.03, &throttled(RECEIVE)));
        wire.add(account, RECEIVE, "reset", (0.02, &reset));
        wire
    }

    fn add(&mut self, account: &Account, operation: &str, kind: &'static str, fault: (f64, &Value)) {
        let (probability, fault) = fault;
        let mut fault = fault.clone();
        fault["probability"] = json!(probability);
        let rule = Microburst::shared().befall(account, operation, &fault);
        self.rules.push((kind, rule));
    }

    /// How many faults came to pass, by kind.
    pub(crate) fn fired(&self) -> BTreeMap<&'static str, u64> {
        let mut fired = BTreeMap::new();
        for (kind, rule) in &self.rules {
            let times = Microburst::shared().times_fired_in_all(rule);
            *fired.entry(*kind).or_default() += times;
        }
        fired
    }
}

/// Refused for its rate. As AWS says it, but for SQS: microburst puts the prefix of the old protocol before the code
/// (AWS has none there), which the SDK's retries do not know. So one throttling is enough to fail a call of SQS,
/// which is harder on the workers than AWS is.
fn throttled(operation: &str) -> Value {
    let code = match operation {
        "RegisterTargets" | "DeregisterTargets" | "DescribeTargetHealth" => "Throttling",
        "ExecuteTransaction" | "ExecuteStatement" | "GetItem" => "ThrottlingException",
        _ => "RequestThrottled",
    };
    json!({ "error": { "code": code, "message": "Rate exceeded", "status": 400 } })
}
