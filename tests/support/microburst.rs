//! microburst: faults on the wire between the adapters and ministack.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::Account;
use super::ministack::Ministack;
use super::standin::{Program, Standin, http};

/// A running microburst, in front of the binary's ministack.
pub struct Microburst(Standin);

impl Microburst {
    /// The one of this test binary.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Microburst> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let program = Program { name: "microburst", health: "/_microburst/health" };
        let upstream = Ministack::shared().endpoint();
        Self(Standin::start(&program, |command, port| {
            command.args(["--upstream", &upstream, "--host", "127.0.0.1"]);
            command.args(["--port", &port.to_string()]);
        }))
    }

    /// Where to find it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    /// From now on `fault` befalls the account's calls of this operation, and nobody else's.
    pub fn befall(&self, account: &Account, operation: &str, fault: &Value) -> Rule {
        let mut rule = json!({
            "service": "*",
            "operation": operation,
            // The signature names the access key, and an access key is a test's own account.
            "headers": { "authorization": account.id() },
        });
        let fields = fault.as_object().expect("a fault is an object").clone();
        rule.as_object_mut().expect("so is a rule").extend(fields);
        let rules = json!([rule]).to_string();
        let added = self.control("PATCH", "/_microburst/rules", &rules);
        Rule(added[0]["id"].as_u64().expect("a rule has a number"))
    }

    /// How often a fault came to pass: how often the call was tried.
    pub fn times_fired(&self, rule: &Rule) -> usize {
        let path = format!("/_microburst/fired?rule_id={}", rule.0);
        let fired = self.control("GET", &path, "");
        fired.as_array().expect("a list of what fired").len()
    }

    /// The same for a fault that comes more often than microburst's log, which forgets, can hold.
    pub fn times_fired_in_all(&self, rule: &Rule) -> u64 {
        let stats = self.control("GET", "/_microburst/stats", "");
        let rules = stats["by_rule"].as_array().expect("a list of rules");
        let fired = rules.iter().find(|row| row["id"] == rule.0);
        fired.map_or(0, |row| row["fired"].as_u64().expect("a number"))
    }

    /// From now on nothing befalls the account any more.
    pub fn relent(&self, account: &Account) {
        let whose = json!([{ "headers": { "authorization": account.id() } }]).to_string();
        self.control("DELETE", "/_microburst/rules", &whose);
    }

    fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = http(self.0.port, method, path, body).expect("microburst answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).expect("an answer in JSON")
    }
}

/// A fault that was asked for.
pub struct Rule(u64);
