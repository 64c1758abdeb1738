//! One RDS event in each of the forms in which it reaches the queue.
//!
//! Sources: Aurora User Guide, "Amazon RDS event notification" samples; SNS Developer Guide, "Fanout to
//! Amazon SQS queues" (the envelope) and "Raw message delivery"; bodies captured in public repositories.

use serde_json::{Value, json};

use crate::notices::category;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::{ArnPart, SourceId};
use writerlink_core::model::source_arn::{SourceArn, SourceKind};

/// Where everything of a world is, its target groups too.
pub(super) const ACCOUNT: &str = "123456789012";
pub(super) const REGION: &str = "us-east-1";

/// The event as EventBridge sends it.
#[must_use]
pub fn eventbridge(event: &RdsEvent) -> String {
    let detail_type = match event.kind {
        SourceKind::Cluster => "RDS DB Cluster Event",
        SourceKind::Instance => "RDS DB Instance Event",
        SourceKind::BlueGreenDeployment => "RDS Blue Green Deployment Event",
        SourceKind::Other => "RDS DB Parameter Group Event",
    };
    let source_type = match event.kind {
        SourceKind::Cluster | SourceKind::Instance | SourceKind::BlueGreenDeployment => event.kind.as_str(),
        SourceKind::Other => "DB_PARAM",
    };
    // EventBridge keeps the account and Region of the database, on whichever bus the event ends.
    let location = event.source_arn.as_ref().map(SourceArn::location);
    let or = |part: ArnPart, own: &'static str| {
        let said = location.and_then(|location| location.part(part));
        said.unwrap_or(own).to_owned()
    };
    let mut detail = json!({
        "EventCategories": [category(event.id)],
        "SourceType": source_type,
        "SourceArn": source_arn(event),
        "Date": event.at.to_string(),
        "Message": event.message,
        "SourceIdentifier": event.source.as_str(),
    });
    if let Some(id) = event.id {
        detail["EventID"] = Value::String(id.to_string());
    }
    // `time` is the event's time cut to the second.
    let second: String = event.at.to_string().chars().take(19).collect();
    json!({
        "version": "0",
        "id": envelope_id(event),
        "detail-type": detail_type,
        "source": "aws.rds",
        "account": or(ArnPart::Account, ACCOUNT),
        "time": format!("{second}Z"),
        "region": or(ArnPart::Region, REGION),
        "resources": [source_arn(event)],
        "detail": detail,
    })
    .to_string()
}

/// The event as RDS publishes it to SNS, which is also the queue's body under raw message delivery.
#[must_use]
pub fn rds_sns(event: &RdsEvent) -> String {
    let event_source = match event.kind {
        SourceKind::Cluster => "db-cluster",
        SourceKind::Instance => "db-instance",
        SourceKind::BlueGreenDeployment => "blue-green-deployment",
        SourceKind::Other => "db-parameter-group",
    };
    let id = event.id.map(|id| id.to_string()).unwrap_or_default();
    let help = "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html";
    json!({
        "Event Source": event_source,
        // UTC without saying so.
        "Event Time": event.at.to_string().replace('T', " ").replace('Z', ""),
        "Identifier Link": format!("https://console.aws.amazon.com/rds/home?region={REGION}"),
        "Source ID": event.source.as_str(),
        "Source ARN": source_arn(event),
        "Event ID": format!("{help}#{id}"),
        "Event Message": event.message,
        "Tags": {},
    })
    .to_string()
}

/// The event as SNS delivers it to a queue without raw message delivery: the body within a string.
#[must_use]
pub fn sns_envelope(event: &RdsEvent) -> String {
    let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:rds-failover");
    json!({
        "Type": "Notification",
        "MessageId": envelope_id(event),
        "TopicArn": topic,
        "Subject": "RDS Notification Message",
        "Message": rds_sns(event),
        "Timestamp": event.at.to_string(),
        "SignatureVersion": "1",
        "Signature": "none",
        "SigningCertURL": format!("https://sns.{REGION}.amazonaws.com/none.pem"),
        "UnsubscribeURL": format!("https://sns.{REGION}.amazonaws.com/none"),
    })
    .to_string()
}

fn source_arn(event: &RdsEvent) -> String {
    let resource = match event.kind {
        SourceKind::Cluster => "cluster",
        SourceKind::Instance => "db",
        SourceKind::BlueGreenDeployment => "deployment",
        SourceKind::Other => "pg",
    };
    let own = event.source_arn.as_ref().map(ToString::to_string);
    own.unwrap_or_else(|| format!("arn:aws:rds:{REGION}:{ACCOUNT}:{resource}:{}", event.source))
}

/// The ARN of a cluster in the world's account and Region.
#[must_use]
pub fn cluster_arn(cluster: &SourceId) -> Option<SourceArn> {
    let text = format!("arn:aws:rds:{REGION}:{ACCOUNT}:cluster:{cluster}");
    SourceArn::parse(&text).ok()
}

/// An id in the shape of a UUID, the same for the same event: a second delivery is a copy to the letter.
fn envelope_id(event: &RdsEvent) -> String {
    let text = format!("{} {:?} {} {}", event.source, event.id, event.at, event.message);
    let mut hex = Hash::of(&text).to_string();
    hex.truncate(32);
    uuid::Uuid::try_parse(&hex).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notices::Notice;
    use writerlink_core::evidence::event::EventId;
    use writerlink_core::model::time::Timestamp;

    fn event() -> RdsEvent {
        RdsEvent {
            id: Some(EventId::STARTED_CROSS_AZ),
            source: SourceId::new("aurora-source").unwrap(),
            kind: SourceKind::Cluster,
            source_arn: None,
            at: Timestamp::parse("2026-05-06T23:07:45.884Z").unwrap(),
            message: "Started cross AZ failover to DB instance: aurora-source-instance-2".to_owned(),
        }
    }

    fn read(body: &str) -> Value {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn the_eventbridge_form_has_the_fields_of_a_captured_event() {
        let body = read(&eventbridge(&event()));
        let arn = "arn:aws:rds:us-east-1:123456789012:cluster:aurora-source";
        assert_eq!(body["detail-type"], "RDS DB Cluster Event");
        assert_eq!(body["time"], "2026-05-06T23:07:45Z");
        assert_eq!(body["resources"][0], arn);
        let expected = json!({
            "EventCategories": ["failover"],
            "SourceType": "CLUSTER",
            "SourceArn": arn,
            "Date": "2026-05-06T23:07:45.884Z",
            "Message": event().message,
            "SourceIdentifier": "aurora-source",
            "EventID": "RDS-EVENT-0073",
        });
        assert_eq!(body["detail"], expected);
    }

    #[test]
    fn an_event_without_an_id_has_no_such_key() {
        let nameless = RdsEvent { id: None, ..event() };
        let body = read(&eventbridge(&nameless));
        assert_eq!(body["detail"].get("EventID"), None);
        assert_eq!(body["detail"]["EventCategories"][0], "empty");
    }

    #[test]
    fn the_sns_form_has_a_time_without_a_zone_and_the_id_behind_a_hash_sign() {
        let body = read(&rds_sns(&event()));
        assert_eq!(body["Event Source"], "db-cluster");
        assert_eq!(body["Event Time"], "2026-05-06 23:07:45.884");
        assert!(body["Event ID"].as_str().unwrap().ends_with("#RDS-EVENT-0073"));
        assert_eq!(body["Source ID"], "aurora-source");
    }

    #[test]
    fn the_envelope_carries_the_sns_form_as_a_string() {
        let body = read(&sns_envelope(&event()));
        assert_eq!(body["Type"], "Notification");
        assert_eq!(body["Message"].as_str(), Some(rds_sns(&event()).as_str()));
    }

    #[test]
    fn the_same_event_has_the_same_body_and_another_one_has_another_id() {
        let later = RdsEvent { at: Timestamp::EPOCH, ..event() };
        assert_eq!(eventbridge(&event()), eventbridge(&event()));
        assert_ne!(read(&eventbridge(&event()))["id"], read(&eventbridge(&later))["id"]);
    }

    #[test]
    fn a_notice_of_a_deployment_has_the_fields_of_a_captured_one() {
        let notice = Notice::SwitchoverCompleted;
        let told = RdsEvent {
            id: notice.id(),
            source: SourceId::new("bgd-hdqs3ik6vrwgutsn").unwrap(),
            kind: SourceKind::BlueGreenDeployment,
            message: notice.message(),
            ..event()
        };
        let body = read(&eventbridge(&told));
        assert_eq!(body["detail-type"], "RDS Blue Green Deployment Event");
        let expected = json!({
            "EventCategories": ["notification"],
            "SourceType": "BLUE_GREEN_DEPLOYMENT",
            "SourceArn": "arn:aws:rds:us-east-1:123456789012:deployment:bgd-hdqs3ik6vrwgutsn",
            "Date": "2026-05-06T23:07:45.884Z",
            "Message": "Switchover completed on blue/green deployment.",
            "SourceIdentifier": "bgd-hdqs3ik6vrwgutsn",
            "EventID": "RDS-EVENT-0248",
        });
        assert_eq!(body["detail"], expected);
    }

    #[test]
    fn a_notice_of_an_instance_has_its_category_and_the_arn_of_an_instance() {
        let notice = Notice::StandbyFailoverStarted;
        let told =
            RdsEvent { id: notice.id(), kind: SourceKind::Instance, message: notice.message(), ..event() };
        let body = read(&eventbridge(&told));
        assert_eq!(body["detail-type"], "RDS DB Instance Event");
        assert_eq!(body["detail"]["EventID"], "RDS-EVENT-0013");
        assert_eq!(body["detail"]["EventCategories"], json!(["failover"]));
        let arn = "arn:aws:rds:us-east-1:123456789012:db:aurora-source";
        assert_eq!(body["resources"][0], arn);
        let restarted = Notice::Restarted.id();
        assert_eq!(category(restarted), "availability");
    }
}
