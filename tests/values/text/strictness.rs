//! Strict on what decides.

use serde_json::json;
use writerlink_engine::wire::{DETAIL_TYPES, parse};

use super::samples::{
    envelope, eventbridge, notification, refused, with, with_detail, without, without_detail,
};

#[test]
fn an_arn_and_an_identifier_that_disagree_are_refused() {
    let error = refused(&with_detail("SourceIdentifier", json!("other-cluster")));
    assert_eq!(
        error.to_string(),
        "detail.SourceIdentifier: expected the source that \
         \"arn:aws:rds:us-east-1:123456789012:cluster:aurora-source\" names, found \"other-cluster\""
    );
}

#[test]
fn an_arn_that_is_none_of_rds_is_refused() {
    for arn in [
        "",
        "aurora-source",
        "arn:aws:rds:us-east-1:123456789012:aurora-source",
        "arn:aws:ec2:us-east-1:123456789012:cluster:aurora-source",
        "arn:aws:rds:us-east-1:123456789012:cluster:",
        "arn:aws:rds:us-east-1:123456789012:cluster:10.0.0.9",
    ] {
        let error = refused(&with_detail("SourceArn", json!(arn)));
        assert_eq!(error.place, "detail.SourceArn", "{arn}");
    }
}

#[test]
fn a_source_that_nothing_names_is_refused() {
    let mut body = without_detail("SourceArn");
    body["detail"] = without(body["detail"].take(), "SourceIdentifier");
    assert_eq!(
        refused(&body).to_string(),
        "detail.SourceIdentifier: expected an RDS identifier, found nothing"
    );
}

#[test]
fn an_event_id_that_cannot_be_read_is_refused_and_quoted() {
    for id in [
        "",
        "RDS-EVENT-",
        "RDS-EVENT-73",
        "RDS-EVENT-007",
        "RDS-EVENT-00730",
        "RDS-EVENT-00x3",
        "rds-event-0073",
        "0073",
        "RDS-EVENT-0073#",
    ] {
        for error in [refused(&with_detail("EventID", json!(id))), refused(&with("Event ID", json!(id)))] {
            let told = error.to_string();
            assert!(told.contains("RDS-EVENT-0073") && told.contains(id), "{told}");
        }
    }
    assert_eq!(refused(&with_detail("EventID", json!(73))).place, "detail.EventID");
}

#[test]
fn whatever_decides_must_be_there_and_be_a_string() {
    for key in ["SourceType", "Message"] {
        assert_eq!(
            refused(&without_detail(key)).to_string(),
            format!("detail.{key}: expected a string, found nothing")
        );
    }
    for key in ["Event Source", "Event Time", "Event Message"] {
        assert_eq!(
            refused(&without(notification(), key)).to_string(),
            format!("{key}: expected a string, found nothing")
        );
    }
    for value in [json!(1), json!(true), json!(["x"]), json!({"x": 1}), json!(-0.5)] {
        for key in ["SourceType", "SourceArn", "SourceIdentifier", "Date", "Message", "EventID"] {
            let error = refused(&with_detail(key, value.clone()));
            assert_eq!(error.to_string(), format!("detail.{key}: expected a string, found {value}"));
        }
    }
}

#[test]
fn an_event_of_a_known_type_that_lacks_what_decides_is_refused() {
    for detail_type in DETAIL_TYPES {
        for key in ["SourceType", "Message"] {
            let mut body = without_detail(key);
            body["detail-type"] = json!(detail_type);
            assert_eq!(refused(&body).place, format!("detail.{key}"), "{detail_type}");
        }
        let mut body = without(eventbridge(), "detail");
        body["detail-type"] = json!(detail_type);
        assert_eq!(refused(&body).place, "detail", "{detail_type}");
    }
}

#[test]
fn a_detail_type_that_is_no_string_is_refused() {
    for value in [json!(1), json!(true), json!(["RDS DB Cluster Event"]), json!({})] {
        let mut body = eventbridge();
        body["detail-type"] = value.clone();
        let error = refused(&body).to_string();
        assert_eq!(error, format!("detail-type: expected a string, found {value}"));
    }
}

#[test]
fn without_a_detail_type_nothing_is_an_eventbridge_event() {
    // Whoever reshapes events on their way has to keep it: without it a record of a call looks like an event.
    for body in [without(eventbridge(), "detail-type"), {
        let mut body = eventbridge();
        body["detail-type"] = json!(null);
        body
    }] {
        let error = refused(&body);
        assert_eq!(error.place, "the body");
        assert!(error.expected.contains("\"detail-type\""), "{error}");
    }
}

#[test]
fn a_time_that_neither_date_nor_time_gives_is_refused() {
    let body = without(without_detail("Date"), "time");
    assert_eq!(refused(&body).to_string(), "detail.Date: expected a string, found nothing");
}

#[test]
fn a_key_that_decides_and_comes_twice_is_refused() {
    let once = notification().to_string();
    let twice = once.replacen('{', r#"{"Event Message":"failover to DB instance: evil","#, 1);
    let error = parse(&twice).unwrap_err().to_string();
    assert!(error.contains("duplicate field `Event Message`"), "{error}");
}

#[test]
fn an_array_in_the_place_of_an_object_is_refused() {
    // Each would be read by position if it were allowed to be a list.
    let mut body = eventbridge();
    let date = "2026-05-06T23:07:45Z";
    body["detail"] = json!(["CLUSTER", null, date, "m", "aurora-source", null]);
    assert_eq!(refused(&body).place, "detail");
    let record = json!([envelope(&notification().to_string())]);
    assert_eq!(refused(&json!({"Records": [record]})).place, "Records[0]");
    assert_eq!(refused(&json!([eventbridge()])).place, "the body");
}

#[test]
fn what_is_none_of_the_forms_is_refused_and_told_which_there_are() {
    let error = refused(&json!({"hello": "world"})).to_string();
    for part in ["the body", "detail-type", "Event Source", "Type", "Records", r#"{"hello":"world"}"#] {
        assert!(error.contains(part), "{error}");
    }
    for text in ["", " ", "null", "hello", "\"x\"", "[]", "{", "{}{}"] {
        assert_eq!(parse(text).unwrap_err().place, "the body", "{text}");
    }
}

#[test]
fn an_unknown_type_of_sns_message_is_refused() {
    let error = refused(&json!({"Type": "Fanfare", "Message": "m"}));
    assert_eq!((error.place.as_str(), error.found.as_str()), ("Type", "\"Fanfare\""));
    let error = refused(&json!({"Type": "Notification", "Message": {"Event Source": "db-cluster"}}));
    assert_eq!(error.place, "Message");
}
