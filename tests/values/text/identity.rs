//! Which database a delivery is about: by its ARN, and what else it says must agree with that (I5).

use serde_json::{Value, json};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::evidence::identity::Agreement;
use writerlink_core::model::source_arn::{SourceArn, SourceKind};
use writerlink_engine::wire::{Parsed, parse};

use super::corpus;
use super::samples::{
    STARTED, event, eventbridge, ignored, notification, refused, route, sample, with, with_detail, without,
    without_detail,
};

const OWN: &str = "arn:aws:rds:us-east-1:123456789012:cluster:aurora-source";

fn with_envelope(mut body: Value, key: &str, value: &str) -> Value {
    body[key] = json!(value);
    body
}

fn arn_of(body: &Value) -> Option<String> {
    event(body).source_arn.as_ref().map(SourceArn::to_string)
}

#[test]
fn every_delivery_of_the_corpus_agrees_with_itself() {
    for (name, text) in corpus::all() {
        assert!(parse(&text).is_ok(), "{name}");
    }
}

#[test]
fn an_envelope_of_another_account_or_region_than_the_arns_is_refused() {
    for (key, found, named) in [
        ("account", "210987654321", "the account of"),
        ("region", "eu-west-1", "the Region of"),
        ("region", "", "the Region of"),
    ] {
        let error = refused(&with_envelope(eventbridge(), key, found));
        assert_eq!(error.place, key);
        let expected = format!("{named} the source that \"{OWN}\" names");
        assert_eq!((error.expected, error.found), (expected, format!("\"{found}\"")));
    }
}

#[test]
fn an_arn_of_another_kind_than_the_source_type_is_refused() {
    let error = refused(&with_detail("SourceType", json!("DB_INSTANCE")));
    assert_eq!(error.place, "detail.SourceType");
    assert_eq!(error.found, "\"DB_INSTANCE\"");
    let error = refused(&with("Event Source", json!("db-instance")));
    assert_eq!(error.place, "Event Source");
    // An instance may be called like its cluster.
    let arn = "arn:aws:rds:us-east-1:123456789012:db:aurora-source";
    let error = refused(&with("Source ARN", json!(arn)));
    assert_eq!(error.place, "Event Source");
}

#[test]
fn what_moves_no_route_is_ignored_however_it_contradicts_itself() {
    let snapshot = sample("cluster-snapshot.eventbridge.json").to_string();
    let elsewhere = snapshot.replace("\"account\":\"123456789012\"", "\"account\":\"210987654321\"");
    assert_ne!(snapshot, elsewhere);
    assert!(ignored(&elsewhere).starts_with("an event of neither a cluster"));
}

#[test]
fn an_event_that_was_forwarded_to_a_hub_keeps_its_account_and_region() {
    let text = eventbridge().to_string();
    let forwarded = text.replace("123456789012", "210987654321").replace("us-east-1", "eu-west-1");
    let forwarded: Value = serde_json::from_str(&forwarded).unwrap();
    let arn = "arn:aws:rds:eu-west-1:210987654321:cluster:aurora-source";
    assert_eq!(arn_of(&forwarded).as_deref(), Some(arn));
}

#[test]
fn a_drill_is_for_the_database_of_its_arn_wherever_it_was_put_on_the_bus() {
    let drill = with_envelope(eventbridge(), "source", "writerlink.drill");
    let drill = with_envelope(drill, "account", "210987654321").to_string();
    let Ok(Parsed::Drill(events)) = parse(&drill) else {
        panic!("no drill: {drill}");
    };
    assert_eq!(events, [event(&eventbridge())]);
}

#[test]
fn without_an_arn_the_envelope_says_account_and_region() {
    let bare = without_detail("SourceArn");
    let built = "arn::rds:us-east-1:123456789012:cluster:aurora-source";
    assert_eq!(arn_of(&bare).as_deref(), Some(built));
    let only_region = without(bare.clone(), "account");
    let built = "arn::rds:us-east-1::cluster:aurora-source";
    assert_eq!(arn_of(&only_region).as_deref(), Some(built));
    let nothing = without(only_region, "region");
    assert_eq!(arn_of(&nothing), None);
    let elsewhere = with_envelope(bare.clone(), "region", "eu-west-1");
    assert!(route().follows(&event(&bare)));
    assert!(!route().follows(&event(&elsewhere)));
    let error = refused(&with_envelope(bare, "account", "12345"));
    assert_eq!(error.place, "account");
}

#[test]
fn an_sns_message_without_an_arn_says_kind_and_name_alone() {
    let old = event(&without(notification(), "Source ARN"));
    assert_eq!(old.source_arn, None);
    assert_eq!((old.kind, old.source.as_str()), (SourceKind::Cluster, "aurora-source"));
    let route = route();
    assert!(route.follows(&old));
    let unsaid = route.compare(&old).0;
    let unsaid = unsaid.iter().filter(|part| part.agreement() == Agreement::NotSaid);
    assert_eq!(unsaid.count(), 3);
}

#[test]
fn one_failover_has_one_key_with_and_without_its_arn_in_every_envelope() {
    let route = route();
    let mut told: Vec<_> = STARTED.iter().map(|name| event(&sample(name))).collect();
    told.push(event(&without(notification(), "Source ARN")));
    told.push(event(&without_detail("SourceArn")));
    let mut keys: Vec<EventKey> = told.iter().map(|event| EventKey::of(&route, event)).collect();
    keys.dedup();
    assert_eq!(keys.len(), 1, "{told:?}");
}
