//! The role of a relay's agent (infra/relay.yaml), against what the agent asks for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::policy::{Context, Decision, Policy, matches};
use crate::recorder::{Call, Recorder};
use crate::stacks::{ROUTE, parameters, resolved};
use crate::trial::{Background, Trial, completed, free_port};

const ACCOUNT: &str = "123456789012";

/// What `infra/relay.yaml` gives the agent.
fn policy() -> Policy {
    let digest = "0123456789abcdef".repeat(4);
    let group =
        format!("arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:targetgroup/orders/73e2d6bc24d8a067");
    let mut all = parameters(ACCOUNT);
    all["relay"] = json!({
        "Image": format!("{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/writerlink@sha256:{digest}"),
        "HaproxyImage": format!("haproxy@sha256:{digest}"),
        "VpcId": "vpc-12345678",
        "SubnetIds": "subnet-12345678,subnet-87654321",
        "DatabaseCidr": "10.0.0.0/16",
        "LoadBalancerSecurityGroupId": "sg-0123456789abcdef0",
        "Listen1": "3306",
        "TargetGroup1": group,
    });
    let made = resolved(&all);
    let policies = made["relay"]["RelayRole"]["Policies"].as_array().unwrap();
    let documents: Vec<Value> = policies.iter().map(|policy| policy["PolicyDocument"].clone()).collect();
    Policy::of(&Value::Array(documents))
}

/// The calls of an agent that reads a route's state, switches, and reports.
async fn calls() -> BTreeSet<Call> {
    let trial = Trial::ready().await;
    trial.with_route_setting("strategy = \"relay\"\nrelay = { listen = 3307 }");
    trial.with_table(&format!(
        "[relay]\nagent_address = \"127.0.0.1:{}\"\nadmin_socket = \"{}\"\n",
        free_port(),
        trial.file_with("HAProxy is not here"),
    ));
    trial.send(ROUTE, &completed(ROUTE, 2, 1)).await;
    assert_eq!(trial.says("run --drain").code, 0);
    let recorder = Recorder::start(trial.account());
    let mut agent = trial.command("relay --name relay-a --log json");
    agent.env("AWS_ENDPOINT_URL", recorder.endpoint());
    let agent = Background::start(&mut agent);
    // It read the state; HAProxy is not there to take what it says.
    agent.wait_for("\"event\":\"not_pushed\"");
    while !trial.says("status aurora-source").out.contains("relay-a") {}
    agent.signal("-TERM");
    assert_eq!(agent.ends().0, Some(0));
    recorder.calls()
}

fn context(key: &str) -> Context {
    Context::from([
        ("dynamodb:LeadingKeys", key.to_owned()),
        ("kms:ViaService", "dynamodb.us-east-1.amazonaws.com".to_owned()),
    ])
}

#[tokio::test]
async fn the_agents_role_has_what_it_asks_for_and_nothing_that_it_does_not() {
    let (policy, calls) = (policy(), calls().await);
    let asked: BTreeSet<&str> = calls.iter().map(|(action, _)| action.as_str()).collect();
    assert!(asked.contains("dynamodb:PutItem"), "{calls:?}");
    for (action, on) in &calls {
        let on = on.replace(on.split(':').nth(4).unwrap(), ACCOUNT);
        let key = if action == "dynamodb:PutItem" { "relay#03" } else { "route#aurora-source" };
        assert_eq!(policy.decide(action, &on, &context(key)), Decision::Allowed, "{action} on {on}");
    }
    for (action, _) in policy.grants() {
        let is_asked = calls.iter().any(|(asked, _)| matches(&action, asked));
        // DynamoDB asks KMS in the caller's name; it is never on our wire.
        assert!(is_asked || action == "kms:Decrypt", "{action} is not asked for");
    }
}

#[test]
fn an_agent_may_replace_no_more_than_reports() {
    let policy = policy();
    let table = format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/writerlink-state");
    let may = |action, key| policy.decide(action, &table, &context(key)) == Decision::Allowed;
    assert!(may("dynamodb:PutItem", "relay#00"));
    assert!(!may("dynamodb:PutItem", "route#orders"));
    assert!(!may("dynamodb:GetItem", "event#0"));
    for action in ["dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Scan", "dynamodb:PartiQLInsert"] {
        assert!(!may(action, "relay#00"), "{action}");
    }
}
