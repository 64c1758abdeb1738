//! Tolerant where AWS varies, and what is ignored with a reason.

use serde_json::{Value, json};
use writerlink_core::evidence::event::{Claim, EventId, RdsEvent};
use writerlink_core::model::source_arn::SourceKind;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::wire::DETAIL_TYPES;

use super::samples::{
    envelope, event, eventbridge, events, ignored, notification, refused, sample, with, with_detail, without,
    without_detail,
};

#[test]
fn an_event_without_tags_or_with_unknown_keys_is_the_same_event() {
    let expected = event(&eventbridge());
    assert_eq!(event(&without_detail("Tags")), expected);
    let unknown = json!({"a": [1, {"b": null}]});
    assert_eq!(event(&with_detail("Since2031", unknown.clone())), expected);
    let mut body = eventbridge();
    body["replay-name"] = unknown;
    assert_eq!(event(&body), expected);
    assert_eq!(event(&without(notification(), "Identifier Link")), event(&notification()));
    assert_eq!(event(&without(notification(), "Tags")), event(&notification()));
}

#[test]
fn an_event_without_event_id_has_none_and_claims_nothing() {
    for body in
        [without_detail("EventID"), with_detail("EventID", Value::Null), without(notification(), "Event ID")]
    {
        let event = event(&body);
        assert_eq!(event.id, None, "{body}");
        assert_eq!(event.claim(), Ok(Claim::Nothing));
    }
}

#[test]
fn an_event_without_arn_takes_its_source_from_the_identifier() {
    let expected = RdsEvent { source_arn: None, ..event(&eventbridge()) };
    assert_eq!(event(&without(notification(), "Source ARN")), expected);
    // EventBridge's envelope has account and Region besides.
    let bare = RdsEvent { source_arn: None, ..event(&without_detail("SourceArn")) };
    assert_eq!(bare, expected);
}

#[test]
fn an_event_without_identifier_takes_its_source_from_the_arn() {
    assert_eq!(event(&without_detail("SourceIdentifier")), event(&eventbridge()));
    assert_eq!(event(&without(notification(), "Source ID")), event(&notification()));
}

#[test]
fn every_url_in_front_of_an_event_id_is_read_over() {
    for url in [
        "http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#",
        "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.html#",
        "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html#",
        "https://docs.example/a#b#",
        "",
    ] {
        let id = json!(format!("{url}RDS-EVENT-0073"));
        assert_eq!(event(&with("Event ID", id)).id, Some(EventId::STARTED_CROSS_AZ), "{url}");
    }
}

#[test]
fn the_prefix_and_the_case_of_an_identifier_do_not_matter() {
    for spelling in ["rds:aurora-source", "Aurora-Source", "aurora-source"] {
        let body = with_detail("SourceIdentifier", json!(spelling));
        assert_eq!(event(&body), event(&eventbridge()), "{spelling}");
    }
}

#[test]
fn both_spellings_of_a_source_type_are_read_in_both_forms() {
    for (spelling, kind) in [
        ("CLUSTER", SourceKind::Cluster),
        ("db-cluster", SourceKind::Cluster),
        ("DB_INSTANCE", SourceKind::Instance),
        ("db-instance", SourceKind::Instance),
        ("BLUE_GREEN_DEPLOYMENT", SourceKind::BlueGreenDeployment),
        ("blue-green-deployment", SourceKind::BlueGreenDeployment),
        ("DB_PARAM", SourceKind::Other),
        ("db-snapshot", SourceKind::Other),
    ] {
        let mut bridge = without_detail("SourceArn");
        bridge["detail"]["SourceType"] = json!(spelling);
        assert_eq!(event(&bridge).kind, kind);
        let mut message = without(notification(), "Source ARN");
        message["Event Source"] = json!(spelling);
        assert_eq!(event(&message).kind, kind);
    }
}

#[test]
fn the_date_of_the_detail_wins_over_the_time_of_the_envelope() {
    let mut body = eventbridge();
    body["time"] = json!("2030-01-01T00:00:00Z");
    assert_eq!(event(&body), event(&eventbridge()));
    body["time"] = json!(false);
    assert_eq!(event(&body), event(&eventbridge()));
}

#[test]
fn without_a_date_the_time_of_the_envelope_counts() {
    let at = event(&without_detail("Date")).at;
    assert_eq!(at, Timestamp::parse("2026-05-06T23:07:45Z").unwrap());
}

#[test]
fn a_date_that_cannot_be_read_is_not_replaced_by_the_coarser_time() {
    let error = refused(&with_detail("Date", json!("yesterday")));
    assert_eq!(
        error.to_string(),
        "detail.Date: expected a time such as 2026-05-06T23:07:45.884Z or 2026-05-06 23:07:45.884, \
         found \"yesterday\""
    );
}

#[test]
fn a_time_with_an_offset_is_that_instant_in_both_forms() {
    let at = Timestamp::parse("2026-05-06T23:07:45.884Z").unwrap();
    for text in ["2026-05-07T01:07:45.884+02:00", "2026-05-06 19:07:45.884-04:00"] {
        assert_eq!(event(&with_detail("Date", json!(text))).at, at, "{text}");
        assert_eq!(event(&with("Event Time", json!(text))).at, at, "{text}");
    }
}

#[test]
fn a_day_without_a_time_is_no_time_since_midnight_would_be_a_guess() {
    for text in ["2026-05-06", "23:07:45", "", "1778108865884"] {
        assert_eq!(refused(&with_detail("Date", json!(text))).place, "detail.Date");
        assert_eq!(refused(&with("Event Time", json!(text))).place, "Event Time");
    }
}

#[test]
fn a_message_in_any_script_is_kept_as_it_is() {
    let text = "DB instance: a\u{301} \u{202e} \"\\\u{0} 数据库 🦀";
    assert_eq!(event(&with("Event Message", json!(text))).message, text);
    assert_eq!(event(&with_detail("Message", json!(text))).message, text);
}

#[test]
fn white_space_and_a_byte_order_mark_around_the_body_do_not_matter() {
    let body = format!("\u{feff}\r\n {}\n\n", eventbridge());
    assert_eq!(events(&body), [event(&eventbridge())]);
}

#[test]
fn a_blue_green_deployment_is_named_by_its_deployment_id() {
    let event = event(&sample("blue-green-tasks-completed.eventbridge.json"));
    assert_eq!(event.source.as_str(), "bgd-hdqs3ik6vrwgutsn");
    assert_eq!(event.kind, SourceKind::BlueGreenDeployment);
}

#[test]
fn the_greeting_of_a_new_subscription_is_ignored_raw_or_wrapped() {
    let text = "This is a message to notify that RDS will attempt to send you event notifications of \
                type db-cluster to the topic arn:aws:sns:eu-west-1:123456789012:t.";
    let reason = "the greeting of RDS on a new subscription";
    assert_eq!(ignored(text), reason);
    assert_eq!(ignored(&envelope(text).to_string()), reason);
}

#[test]
fn a_confirmation_of_sns_is_ignored_and_says_who_has_to_act() {
    for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        let reason = ignored(&json!({"Type": kind, "Message": "You have chosen"}).to_string());
        assert!(reason.contains(kind) && reason.contains("SubscribeURL"), "{reason}");
    }
}

#[test]
fn an_event_of_another_service_is_ignored_whatever_its_detail() {
    let mut body = eventbridge();
    body["source"] = json!("custom.rds");
    body["detail"] = json!(7);
    assert_eq!(ignored(&body.to_string()), "an EventBridge event of \"custom.rds\", not of aws.rds");
}

#[test]
fn a_record_of_a_call_to_rds_is_ignored_and_says_what_it_is() {
    let reason = ignored(&sample("cloudtrail-call-of-rds.eventbridge.json").to_string());
    assert_eq!(
        reason,
        "detail-type \"AWS API Call via CloudTrail\": a record of a call to RDS, which is no event of a database; to keep \
         such records out, name the detail-types of events in the rule's pattern (`writerlink check` names the rule)"
    );
}

#[test]
fn a_detail_type_that_is_not_known_is_ignored_whatever_its_detail() {
    for detail_type in ["RDS Recommendation Event", "rds db cluster event", "RDS DB Cluster Event ", ""] {
        let mut body = eventbridge();
        body["detail-type"] = json!(detail_type);
        let whole = ignored(&body.to_string());
        assert!(whole.contains(&format!("{detail_type:?}")), "{whole}");
        body["detail"] = json!(7);
        assert_eq!(ignored(&body.to_string()), whole);
        assert_eq!(ignored(&without(body, "detail").to_string()), whole);
    }
}

#[test]
fn every_detail_type_that_rds_documents_is_read() {
    for detail_type in DETAIL_TYPES {
        let mut body = eventbridge();
        body["detail-type"] = json!(detail_type);
        assert_eq!(event(&body), event(&eventbridge()), "{detail_type}");
    }
}

#[test]
fn a_record_of_a_call_says_the_same_in_every_envelope() {
    let record = sample("cloudtrail-call-of-rds.eventbridge.json").to_string();
    let reason = ignored(&record);
    assert_eq!(ignored(&envelope(&record).to_string()), reason);
    let invocation = json!({"Records": [{"Sns": envelope(&record)}]});
    assert_eq!(ignored(&invocation.to_string()), reason);
}

#[test]
fn a_snapshot_whose_name_is_no_identifier_is_ignored_and_quoted() {
    let mut body = without(notification(), "Source ARN");
    body["Event Source"] = json!("db-snapshot");
    body["Source ID"] = json!("rds:a:b.c");
    let reason = ignored(&body.to_string());
    assert!(reason.contains("Source ID") && reason.contains("\"rds:a:b.c\""), "{reason}");
}

#[test]
fn a_cluster_with_such_a_name_is_refused_since_it_may_be_a_lost_failover() {
    let mut body = without(notification(), "Source ARN");
    body["Source ID"] = json!("rds:a:b.c");
    assert_eq!(refused(&body).place, "Source ID");
}
