//! An event of RDS as EventBridge delivers it.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-rds.html>, samples in the Aurora User
//! Guide, pages "Overview of Amazon RDS event notification" and "Creating a rule that triggers on an
//! Amazon Aurora event".

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::Parsed;
use crate::wire::facts::{Facts, Sender};
use crate::wire::field::{Malformed, Place, object, quoted};

/// The `source` of every event of RDS (and of `DocumentDB` and Neptune, which share it).
const SOURCE: &str = "aws.rds";

/// The `source` of a drill: an event of RDS in everything else, put on the bus by a person. `PutEvents` refuses
/// `aws.rds` to everybody, so a drill cannot be mistaken for an event of RDS, nor be made into one.
pub const DRILL_SOURCE: &str = "writerlink.drill";

/// The `detail-type` of every event that RDS itself sends (EventBridge reference, "Amazon Relational Database Service
/// events"). Under the same `source` come `CloudTrail`'s records of calls to RDS, which are no events of a database and
/// have another `detail`; and AWS may add a type at any time.
pub const DETAIL_TYPES: [&str; 11] = [
    "RDS DB Cluster Event",
    "RDS DB Instance Event",
    "RDS Blue Green Deployment Event",
    "RDS DB Cluster Snapshot Event",
    "RDS DB Snapshot Event",
    "RDS DB Parameter Group Event",
    "RDS DB Security Group Event",
    "RDS DB Proxy Event",
    "RDS DB Shard Group Event",
    "RDS Custom Engine Version Event",
    "RDS Zero ETL Event",
];

/// The `detail-type` of `CloudTrail`'s records: somebody called the API of RDS.
pub const CALL_RECORDED: &str = "AWS API Call via CloudTrail";

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    account: Option<&'a RawValue>,
    #[serde(borrow)]
    region: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Detail<'a> {
    #[serde(borrow)]
    source_type: Option<&'a RawValue>,
    #[serde(borrow)]
    source_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    date: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    source_identifier: Option<&'a RawValue>,
    #[serde(borrow, rename = "EventID")]
    event_id: Option<&'a RawValue>,
}

pub(super) fn read(place: &Place<'_>, json: &str) -> Result<Parsed, Malformed> {
    let envelope: Envelope<'_> = object(place, json)?;
    let source = place.field("source", envelope.source).required_text()?;
    let drill = source == DRILL_SOURCE;
    if source != SOURCE && !drill {
        let reason = format!("an EventBridge event of {}, not of {SOURCE}", quoted(&source));
        return Ok(Parsed::Ignored(reason));
    }
    let detail_type = place.field("detail-type", envelope.detail_type);
    let detail_type = detail_type.required_text()?;
    if !DETAIL_TYPES.contains(&detail_type.as_str()) {
        return Ok(Parsed::Ignored(no_event_of_rds(&detail_type)));
    }
    let within = place.key("detail");
    let detail = place.field("detail", envelope.detail);
    let detail: Detail<'_> = object(&within, detail.required_json("a JSON object")?)?;
    // `time` is `Date` without its milliseconds, and milliseconds are what orders a failover's events.
    let at = match (detail.date, envelope.time) {
        (None, Some(time)) => place.field("time", Some(time)),
        (date, _) => within.field("Date", date),
    };
    let sender = if drill {
        Sender::unknown()
    } else {
        Sender::is_the_database(
            place.field("account", envelope.account),
            place.field("region", envelope.region),
        )
    };
    let facts = Facts {
        kind: within.field("SourceType", detail.source_type),
        arn: within.field("SourceArn", detail.source_arn),
        sender,
        identifier: within.field("SourceIdentifier", detail.source_identifier),
        id: within.field("EventID", detail.event_id),
        at,
        message: within.field("Message", detail.message),
    };
    match facts.read()? {
        Parsed::Events(events) if drill => Ok(Parsed::Drill(events)),
        parsed => Ok(parsed),
    }
}

/// Why what has this `detail-type` is ignored, whatever stands in it.
fn no_event_of_rds(detail_type: &str) -> String {
    let shown = quoted(detail_type);
    if detail_type == CALL_RECORDED {
        return format!(
            "detail-type {shown}: a record of a call to RDS, which is no event of a database; to keep such records out, \
             name the detail-types of events in the rule's pattern (`writerlink check` names the rule)"
        );
    }
    format!("detail-type {shown}, which is none of the events of RDS that are known")
}
