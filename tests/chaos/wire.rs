//! The faults between the workers and the stand-in.
//!
//! Which call meets one is drawn by microburst, which takes no seed: a run with the same seed has the same story
//! and the same deeds, not the same interleaving.

use std::collections::BTreeMap;

use serde_json::{Value, json};

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
    /// From now on the account's calls through microburst meet faults.
    pub(crate) fn with_faults(account: &Account) -> Self {
        let mut wire = Self { rules: Vec::new() };
        for operation in CHANGING.into_iter().chain(READING) {
            wire.add(
                account,
                operation,
                "throttled",
                (0.05, &throttled(operation)),
            );
            let unavailable = json!({ "error": { "code": "ServiceUnavailable", "status": 503 } });
            wire.add(account, operation, "503", (0.04, &unavailable));
            wire.add(
                account,
                operation,
                "reset",
                (0.03, &json!({ "reset": true })),
            );
            // Less than an attempt of the SDK may take (2 s): what it gave up on must not arrive later.
            let slow = json!({ "latency": { "min": 50, "max": 700 } });
            wire.add(account, operation, "slow", (0.30, &slow));
        }
        for operation in CHANGING {
            let lost = json!({ "response": { "abort_bytes": 0 } });
            wire.add(account, operation, "reply lost", (0.05, &lost));
        }
        wire.add(account, RECEIVE, "throttled", (0.03, &throttled(RECEIVE)));
        wire.add(account, RECEIVE, "reset", (0.02, &json!({ "reset": true })));
        wire
    }

    fn add(
        &mut self,
        account: &Account,
        operation: &str,
        kind: &'static str,
        fault: (f64, &Value),
    ) {
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

/// Refused for its rate, as the service of this call says it.
fn throttled(operation: &str) -> Value {
    let code = match operation {
        "RegisterTargets" | "DeregisterTargets" | "DescribeTargetHealth" => "Throttling",
        "ExecuteTransaction" | "ExecuteStatement" | "GetItem" => "ThrottlingException",
        _ => "RequestThrottled",
    };
    json!({ "error": { "code": code, "message": "Rate exceeded", "status": 400 } })
}
