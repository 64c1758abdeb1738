//! Texts to start from, and what is expected of reading them.

use serde_json::{Value, json};
use writerlink::config;
use writerlink::config::CONFIG_TEXT_VARIABLE;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::model::route::Route;
use writerlink_engine::wire::{Malformed, Parsed, parse};

use super::corpus;

pub(crate) const STARTED: [&str; 4] = [
    "aurora-failover-started.eventbridge.json",
    "aurora-failover-started.rds-sns.json",
    "aurora-failover-started.sqs-sns-envelope.json",
    "aurora-failover-started.lambda-sns.json",
];

/// A route of the cluster that the samples are about.
pub(crate) fn route() -> Route {
    let text = r#"
        [[route]]
        name = "orders"
        source = "aurora-source"
        target_group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067"
        [route.instances]
        aurora-source-instance-1 = "10.0.1.10"
        aurora-source-instance-2 = "10.0.2.10"
    "#;
    let env = |name: &str| (name == CONFIG_TEXT_VARIABLE).then(|| text.to_owned());
    let mut config = config::read(None, &env).unwrap().config;
    config.routes.remove(0)
}

pub(crate) fn events(body: &str) -> Vec<RdsEvent> {
    match parse(body) {
        Ok(Parsed::Events(events)) => events,
        other => panic!("expected events, got {other:?}"),
    }
}

pub(crate) fn event(body: &Value) -> RdsEvent {
    let mut events = events(&body.to_string());
    assert_eq!(events.len(), 1, "{body}");
    events.remove(0)
}

pub(crate) fn ignored(body: &str) -> String {
    match parse(body) {
        Ok(Parsed::Ignored(reason)) => reason,
        other => panic!("expected a delivery to ignore, got {other:?}"),
    }
}

pub(crate) fn refused(body: &Value) -> Malformed {
    parse(&body.to_string()).unwrap_err()
}

pub(crate) fn sample(name: &str) -> Value {
    serde_json::from_str(&corpus::text(name)).unwrap()
}

/// The started failover as EventBridge tells it.
pub(crate) fn eventbridge() -> Value {
    sample(STARTED[0])
}

/// The same as RDS publishes it to SNS.
pub(crate) fn notification() -> Value {
    sample(STARTED[1])
}

/// `body` with something else under `key` of its `detail`.
pub(crate) fn with_detail(key: &str, value: Value) -> Value {
    let mut body = eventbridge();
    body["detail"][key] = value;
    body
}

pub(crate) fn with(key: &str, value: Value) -> Value {
    let mut body = notification();
    body[key] = value;
    body
}

pub(crate) fn without(mut object: Value, key: &str) -> Value {
    object.as_object_mut().unwrap().remove(key).unwrap();
    object
}

pub(crate) fn without_detail(key: &str) -> Value {
    let mut body = eventbridge();
    body["detail"] = without(body["detail"].take(), key);
    body
}

pub(crate) fn envelope(message: &str) -> Value {
    json!({"Type": "Notification", "MessageId": "m", "Message": message})
}
