//! SNS: the message RDS publishes to a topic, and the envelope SNS puts around any message.
//!
//! RDS documents the message's meaning ("Amazon RDS event notification tags and attributes", Aurora User
//! Guide) but not its keys; these are those of real messages since 2017. The envelope is that of the SNS
//! Developer Guide, "Fanout Amazon SNS notifications to Amazon SQS queues for asynchronous processing".

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::facts::{Facts, Sender};
use crate::wire::field::{Malformed, Place, object, quoted};
use crate::wire::{Depth, Parsed};

/// How the first message on a new subscription begins. It is plain text, "This is a message to notify that
/// RDS will attempt to send you event notifications of type db-cluster to the topic ...".
const FIRST_MESSAGE: &str = "This is a message to notify";

/// Whether `text` is RDS's greeting on a new subscription.
pub(super) fn is_first_message(text: &str) -> bool {
    text.starts_with(FIRST_MESSAGE)
}

/// The message of RDS. Its keys have spaces, as its first readers were people.
#[derive(Deserialize)]
struct Notification<'a> {
    #[serde(borrow, rename = "Event Source")]
    event_source: Option<&'a RawValue>,
    #[serde(borrow, rename = "Event Time")]
    event_time: Option<&'a RawValue>,
    #[serde(borrow, rename = "Source ID")]
    source_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "Source ARN")]
    source_arn: Option<&'a RawValue>,
    #[serde(borrow, rename = "Event ID")]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "Event Message")]
    event_message: Option<&'a RawValue>,
}

/// Reads the message that RDS publishes.
pub(super) fn read_notification(place: &Place<'_>, json: &str) -> Result<Parsed, Malformed> {
    let notification: Notification<'_> = object(place, json)?;
    let facts = Facts {
        kind: place.field("Event Source", notification.event_source),
        arn: place.field("Source ARN", notification.source_arn),
        sender: Sender::unknown(),
        identifier: place.field("Source ID", notification.source_id),
        id: place.field("Event ID", notification.event_id),
        at: place.field("Event Time", notification.event_time),
        message: place.field("Event Message", notification.event_message),
    };
    facts.read()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

/// Takes a message out of the envelope of SNS and reads it.
pub(super) fn read_envelope(place: &Place<'_>, json: &str, depth: Depth) -> Result<Parsed, Malformed> {
    let envelope: Envelope<'_> = object(place, json)?;
    let kind = place.field("Type", envelope.r#type);
    match kind.required_text()?.as_str() {
        "Notification" => {
            let message = place.field("Message", envelope.message);
            let text = message.required_text()?;
            crate::wire::read(&message.place, &text, depth.deeper(&message.place)?)
        }
        confirmation @ ("SubscriptionConfirmation" | "UnsubscribeConfirmation") => Ok(Parsed::Ignored(
            format!("a {confirmation} of SNS; the owner of the queue has to open its SubscribeURL"),
        )),
        other => Err(Malformed::at(&kind.place, "\"Notification\" or a confirmation of SNS", quoted(other))),
    }
}
