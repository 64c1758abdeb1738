//! The same event in every envelope.

use serde_json::{Value, json};
use writerlink_core::evidence::event::{Claim, EventId, EventKey, RdsEvent};
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::source_arn::{SourceArn, SourceKind};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::wire::{Parsed, parse};

use super::corpus;
use super::samples::{
    STARTED, envelope, event, eventbridge, events, ignored, notification, refused, route, sample, with,
};

#[test]
fn four_deliveries_of_one_started_failover_are_one_event() {
    let expected = RdsEvent {
        id: Some(EventId::STARTED_CROSS_AZ),
        source: SourceId::new("aurora-source").unwrap(),
        kind: SourceKind::Cluster,
        source_arn: SourceArn::parse("arn:aws:rds:us-east-1:123456789012:cluster:aurora-source").ok(),
        at: Timestamp::parse("2026-05-06T23:07:45.884Z").unwrap(),
        message: "Started cross AZ failover to DB instance: aurora-source-instance-2".to_owned(),
    };
    let route = route();
    for name in STARTED {
        let found = event(&sample(name));
        assert_eq!(found, expected, "{name}");
        assert_eq!(EventKey::of(&route, &found), EventKey::of(&route, &expected));
    }
}

#[test]
fn a_completed_failover_names_the_instance_later_and_is_another_event() {
    let started = event(&eventbridge());
    let completed = event(&sample("aurora-failover-completed.eventbridge.json"));
    let writer = InstanceId::new("aurora-source-instance-2").unwrap();
    assert_eq!(started.claim(), Ok(Claim::Started(writer.clone())));
    assert_eq!(completed.claim(), Ok(Claim::Completed(writer)));
    assert_eq!(completed.at.since(started.at).as_millis(), 38_368);
    let route = route();
    assert_ne!(EventKey::of(&route, &started), EventKey::of(&route, &completed));
}

#[test]
fn every_delivery_of_the_corpus_is_read_as_what_it_is() {
    let deliveries = corpus::all();
    let read = deliveries.iter().map(|(name, text)| format!("{name}: {}", told(text)));
    insta::assert_snapshot!("corpus", read.collect::<Vec<_>>().join("\n"));
}

fn told(text: &str) -> String {
    match parse(text) {
        Err(malformed) => panic!("{malformed}"),
        Ok(Parsed::Ignored(reason)) => format!("ignored, {reason}"),
        Ok(Parsed::Drill(events)) => panic!("nobody captured a drill: {events:?}"),
        Ok(Parsed::Events(events)) => {
            let told = events.iter().map(|event| {
                let id = event.id.map_or("no id".to_owned(), |id| id.to_string());
                let claim = event.claim().unwrap();
                format!("{id} of {} {} at {}: {claim:?}", event.kind, event.source, event.at)
            });
            told.collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn an_eventbridge_event_that_came_by_way_of_a_topic_is_unwrapped() {
    let wrapped = envelope(&eventbridge().to_string());
    assert_eq!(event(&wrapped), event(&eventbridge()));
}

#[test]
fn records_of_one_lambda_invocation_are_events_of_their_own_in_order() {
    let completed = corpus::text("aurora-failover-completed.eventbridge.json");
    let greeting = "This is a message to notify that RDS will attempt";
    let records: Vec<Value> = [notification().to_string(), greeting.to_owned(), completed]
        .iter()
        .map(|message| json!({"EventSource": "aws:sns", "Sns": envelope(message)}))
        .collect();
    let ids: Vec<_> =
        events(&json!({"Records": records}).to_string()).into_iter().map(|event| event.id).collect();
    assert_eq!(ids, [Some(EventId::STARTED_CROSS_AZ), Some(EventId::FAILOVER_COMPLETED)]);
}

#[test]
fn one_unreadable_record_refuses_the_invocation_and_is_named() {
    let good = json!({"Sns": envelope(&notification().to_string())});
    let bad = json!({"Sns": envelope(&with("Event Time", json!(17)).to_string())});
    let error = refused(&json!({"Records": [good, bad]}));
    assert_eq!(error.to_string(), "Records[1].Sns.Message.Event Time: expected a string, found 17");
}

#[test]
fn an_invocation_without_records_is_ignored() {
    assert_eq!(ignored(r#"{"Records": []}"#), "Records is empty");
}

#[test]
fn records_of_another_event_source_are_refused() {
    let error = refused(&json!({"Records": [{"eventSource": "aws:s3", "s3": {}}]}));
    assert_eq!(
        error.to_string(),
        "Records[0].Sns: expected the envelope of SNS (other event sources are not read), found nothing"
    );
}

#[test]
fn a_drill_says_what_the_event_says_and_is_told_apart_in_every_envelope() {
    let text = sample("aurora-failover-started.eventbridge.json").to_string();
    let drill = text.replace("\"aws.rds\"", "\"writerlink.drill\"");
    assert_eq!(parse(&drill), Ok(Parsed::Drill(events(&text))));
    let envelope = json!({"Type": "Notification", "Message": drill});
    assert_eq!(parse(&envelope.to_string()), Ok(Parsed::Drill(events(&text))));
    let invocation = json!({"Records": [{"Sns": envelope}]});
    assert!(ignored(&invocation.to_string()).contains("a drill"));
}
