//! Nobody changes an audit row, but whoever breaks the glass.

use serde_json::json;

use crate::policy::{Context, Decision, Policy};
use crate::stacks::{ROUTE, Stacks};
use crate::trial::Trial;

/// Every action that changes or removes a row, by whatever API.
const CHANGING: [&str; 8] = [
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PartiQLDelete",
    // A TTL deletes rows by itself, a deleted table all of them.
    "dynamodb:UpdateTimeToLive",
    "dynamodb:DeleteTable",
];

/// What could take the protection itself away.
const UNLOCKING: [&str; 3] = [
    "dynamodb:PutResourcePolicy",
    "dynamodb:DeleteResourcePolicy",
    "dynamodb:UpdateTable",
];

#[tokio::test]
async fn no_role_but_the_break_glass_one_can_change_or_delete_an_audit_row() {
    let trial = Trial::bare(&[ROUTE]).await;
    let stacks = Stacks::deployed_for(&trial);
    let account = trial.account().id();
    let table = format!("arn:aws:dynamodb:us-east-1:{account}:table/writerlink-audit");
    let of_table = Policy::of(&stacks.0["audit_policy"]);
    let anything =
        Policy::of(&json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}));
    let may = |own: &Policy, role: &str, action: &str| {
        let arn = format!("arn:aws:iam::{account}:role/writerlink-{role}-us-east-1");
        let context = Context::from([
            ("aws:PrincipalArn", arn),
            ("aws:RequestedRegion", "us-east-1".to_owned()),
        ]);
        of_table.decide(action, &table, &context) != Decision::Denied
            && own.decide(action, &table, &context) == Decision::Allowed
    };
    for action in CHANGING {
        for role in ["worker", "reader", "operator", "execution"] {
            assert!(!may(&stacks.role(role), role, action), "{role}: {action}");
        }
        assert!(
            !may(&anything, "administrator", action),
            "administrator: {action}"
        );
    }
    for action in UNLOCKING {
        for role in ["worker", "reader", "operator", "execution", "break-glass"] {
            assert!(!may(&stacks.role(role), role, action), "{role}: {action}");
        }
    }
    // The exception is real, or the rest would prove only that nobody can do anything.
    let glass = stacks.role("break-glass");
    assert!(may(&glass, "break-glass", "dynamodb:UpdateItem"));
    assert!(may(&glass, "break-glass", "dynamodb:DeleteItem"));
    assert!(may(
        &stacks.role("worker"),
        "worker",
        "dynamodb:PartiQLInsert"
    ));
    assert!(!may(
        &stacks.role("reader"),
        "reader",
        "dynamodb:PartiQLInsert"
    ));
}

#[tokio::test]
async fn only_a_rule_of_this_account_puts_events_into_the_queue_and_only_the_worker_takes_them_out()
{
    let trial = Trial::bare(&[ROUTE]).await;
    let stacks = Stacks::deployed_for(&trial);
    let account = trial.account().id();
    let attributes = &stacks.0["queues"]["writerlink.fifo"];
    let policy = serde_json::from_str(attributes["Policy"].as_str().unwrap()).unwrap();
    let (policy, queue) = (
        Policy::of(&policy),
        attributes["QueueArn"].as_str().unwrap(),
    );
    let service = |rule: &str, of: &str| {
        Context::from([
            ("aws:PrincipalIsAWSService", "true".to_owned()),
            ("aws:SecureTransport", "true".to_owned()),
            ("aws:SourceAccount", of.to_owned()),
            (
                "aws:SourceArn",
                format!("arn:aws:events:us-east-1:{of}:rule/{rule}"),
            ),
        ])
    };
    let role = |name: &str, tls: &str| {
        let arn = format!("arn:aws:iam::{account}:role/{name}");
        Context::from([
            ("aws:PrincipalIsAWSService", "false".to_owned()),
            ("aws:SecureTransport", tls.to_owned()),
            ("aws:PrincipalArn", arn),
        ])
    };
    let send = |context: &Context| policy.decide("sqs:SendMessage", queue, context);
    let receive = |context: &Context| policy.decide("sqs:ReceiveMessage", queue, context);
    assert_eq!(
        send(&service("writerlink-orders", account)),
        Decision::Allowed
    );
    assert_eq!(send(&service("other", account)), Decision::NotMentioned);
    assert_eq!(
        send(&service("writerlink-orders", "999999999999")),
        Decision::NotMentioned
    );
    let worker = "writerlink-worker-us-east-1";
    assert_eq!(send(&role(worker, "true")), Decision::Denied);
    assert_eq!(send(&role("administrator", "true")), Decision::Denied);
    assert_eq!(receive(&role("administrator", "true")), Decision::Denied);
    assert_eq!(receive(&role(worker, "false")), Decision::Denied);
    assert_eq!(
        receive(&role(worker, "true")),
        Decision::NotMentioned,
        "its own role allows it"
    );
}
