//! What a person holds in hands: the output of AWS's commands, with deliveries or events in it.
//!
//! The worker reads none of these forms. Here each delivery is taken out and read as if it came alone.

use serde::Deserialize;
use serde_json::{Value, json};

use writerlink_engine::wire::{Malformed, Parsed, parse, parse_bytes};

/// `aws sqs receive-message`, a Lambda's invocation by SQS, or `aws rds describe-events`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Held {
    Received {
        #[serde(rename = "Messages")]
        messages: Vec<Message>,
    },
    Invoked {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    Described {
        #[serde(rename = "Events")]
        events: Vec<Described>,
    },
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "Body")]
    body: String,
}

/// Of a message from SQS alone: one from SNS has another key, and is a form that the worker reads.
#[derive(Deserialize)]
struct Record {
    body: String,
}

/// An event as RDS's API describes it: without an id.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    source_identifier: String,
    source_arn: String,
    message: String,
    date: String,
    #[serde(default)]
    event_categories: Vec<String>,
}

/// How the texts of events begin that move a route or ask for a reading, and their ids. RDS User Guide and Aurora User
/// Guide, "Amazon RDS event categories and event messages"; texts from captured events.
const KNOWN_TEXTS: [(&str, &str, &str); 8] = [
    ("cluster", "Completed failover to DB instance:", "RDS-EVENT-0071"),
    ("cluster", "Started same AZ failover to DB instance:", "RDS-EVENT-0072"),
    ("cluster", "Started cross AZ failover to DB instance:", "RDS-EVENT-0073"),
    ("cluster", "Promoting previous primary again:", "RDS-EVENT-0070"),
    ("cluster", "Cluster failover failed", "RDS-EVENT-0069"),
    ("db", "Multi-AZ instance failover started", "RDS-EVENT-0013"),
    ("db", "Multi-AZ instance failover completed", "RDS-EVENT-0049"),
    ("db", "DB instance restarted", "RDS-EVENT-0006"),
];

/// Reads what a person handed in.
///
/// # Errors
/// [`Malformed`] as the worker's own reader says it, of the first delivery that cannot be read.
pub(super) fn read(body: &[u8]) -> Result<Parsed, Malformed> {
    match serde_json::from_slice(body) {
        Ok(Held::Received { messages }) => {
            together(messages.iter().map(|message| parse(&message.body)), "no message was received")
        }
        Ok(Held::Invoked { records }) => {
            together(records.iter().map(|record| parse(&record.body)), "the invocation has no record")
        }
        Ok(Held::Described { events }) => together(events.iter().map(described), "RDS describes no event"),
        Err(_) => parse_bytes(body),
    }
}

/// Every event of several deliveries; if there is none, why the last one is ignored.
fn together(
    deliveries: impl Iterator<Item = Result<Parsed, Malformed>>,
    nothing: &str,
) -> Result<Parsed, Malformed> {
    let (mut events, mut drills, mut ignored) = (Vec::new(), Vec::new(), nothing.to_owned());
    for delivery in deliveries {
        match delivery? {
            Parsed::Events(more) => events.extend(more),
            Parsed::Drill(more) => drills.extend(more),
            Parsed::Ignored(why) => ignored = why,
        }
    }
    Ok(match (events.is_empty(), drills.is_empty()) {
        (false, _) => Parsed::Events(events),
        (true, false) => Parsed::Drill(drills),
        (true, true) => Parsed::Ignored(ignored),
    })
}

/// An event of RDS's API as EventBridge would have brought it, read as such.
fn described(event: &Described) -> Result<Parsed, Malformed> {
    let part = |n: usize| event.source_arn.split(':').nth(n).unwrap_or_default();
    let kind = part(5);
    let known = KNOWN_TEXTS.iter().find(|(of, text, _)| *of == kind && event.message.starts_with(text));
    let Some((_, _, id)) = known else {
        return Ok(Parsed::Ignored(format!(
            "RDS's API gives an event no id, and no event that moves a route reads \"{}\"",
            event.message
        )));
    };
    let (detail_type, source_type) = if kind == "cluster" {
        ("RDS DB Cluster Event", "CLUSTER")
    } else {
        ("RDS DB Instance Event", "DB_INSTANCE")
    };
    let body: Value = json!({
        "version": "0",
        "detail-type": detail_type,
        "source": "aws.rds",
        "account": part(4),
        "region": part(3),
        "time": event.date,
        "resources": [event.source_arn],
        "detail": {
            "EventCategories": event.event_categories,
            "SourceType": source_type,
            "SourceArn": event.source_arn,
            "Date": event.date,
            "Message": event.message,
            "SourceIdentifier": event.source_identifier,
            "EventID": id,
        },
    });
    parse(&body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    use writerlink_core::evidence::event::EventId;

    const EVENT: &str = include_str!("../../../tests/corpus/aurora-failover-started.eventbridge.json");

    fn events(body: &Value) -> Vec<writerlink_core::evidence::event::RdsEvent> {
        match read(body.to_string().as_bytes()).unwrap() {
            Parsed::Events(events) => events,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn messages_that_the_cli_received_are_read_one_by_one() {
        let alone = events(&serde_json::from_str(EVENT).unwrap());
        let received =
            json!({"Messages": [{"MessageId": "1", "Body": EVENT}, {"MessageId": "2", "Body": EVENT}]});
        assert_eq!(events(&received), [alone.clone(), alone.clone()].concat());
        let invoked = json!({"Records": [{"messageId": "1", "body": EVENT, "eventSource": "aws:sqs"}]});
        assert_eq!(events(&invoked), alone);
    }

    fn described_event(kind: &str, message: &str) -> Value {
        json!({
            "SourceIdentifier": "aurora-source",
            "SourceType": "db-cluster",
            "Message": message,
            "EventCategories": ["failover"],
            "Date": "2026-05-06T23:08:21.123000+00:00",
            "SourceArn": format!("arn:aws:rds:us-east-1:123456789012:{kind}:aurora-source"),
        })
    }

    #[test]
    fn an_event_that_rds_describes_gets_the_id_of_its_text() {
        for (kind, text, id) in KNOWN_TEXTS {
            let message = format!("{text} aurora-source-instance-2");
            let read = events(&json!({"Events": [described_event(kind, &message)]}));
            assert_eq!(read[0].id, EventId::parse(id), "{text}");
            assert_eq!(read[0].message, message);
            assert_eq!(read[0].at.to_string(), "2026-05-06T23:08:21.123Z");
            let arn = format!("arn:aws:rds:us-east-1:123456789012:{kind}:aurora-source");
            assert_eq!(read[0].source_arn.as_ref().unwrap().to_string(), arn);
        }
    }

    #[test]
    fn described_events_of_other_texts_are_left_out_and_named_if_alone() {
        let failover = described_event("cluster", "Completed failover to DB instance: b");
        let backup = described_event("db", "Backing up DB instance");
        assert_eq!(events(&json!({"Events": [backup, failover]})).len(), 1);
        let alone = json!({"Events": [backup]}).to_string();
        let Parsed::Ignored(why) = read(alone.as_bytes()).unwrap() else { panic!("it was read") };
        assert!(why.contains("Backing up DB instance"), "{why}");
    }

    #[test]
    fn what_is_empty_says_so_and_what_cannot_be_read_is_malformed() {
        for (body, says) in [
            (json!({"Messages": []}), "no message was received"),
            (json!({"Events": []}), "RDS describes no event"),
        ] {
            assert_eq!(read(body.to_string().as_bytes()).unwrap(), Parsed::Ignored(says.to_owned()));
        }
        assert!(read(br#"{"Messages": [{"Body": "{}"}]}"#).is_err());
        assert!(read(b"no event").is_err());
    }
}
