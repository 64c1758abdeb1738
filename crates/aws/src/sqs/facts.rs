//! What the worker has to know of its queue, and whether it can live with it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;

use crate::error::call_error;
use crate::sqs::unreadable;
use writerlink_engine::ports::CallError;

const GET_QUEUE_URL: &str = "GetQueueUrl";
pub(crate) const GET_QUEUE_ATTRIBUTES: &str = "GetQueueAttributes";

/// What the worker has to know of its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// The queue.
    pub url: String,
    /// Where its messages go that nobody can handle.
    pub dead_letter_url: String,
    /// How long a received message stays invisible unless told otherwise.
    pub visibility: Duration,
}

/// Why a queue cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A standard queue keeps no order, and hands out a route's messages at the same time.
    #[error("{queue} is not a FIFO queue: a route's events need their order")]
    NotFifo {
        /// Which.
        queue: String,
    },
    /// Without one, a message that cannot be handled blocks its group for good.
    #[error("{queue} has no dead-letter queue: one bad message would block its group for days")]
    NoDeadLetterQueue {
        /// Which.
        queue: String,
    },
    /// The service said something that cannot be read.
    #[error("{queue}: {attribute} is {value:?}, which cannot be read")]
    Unreadable {
        /// Which.
        queue: String,
        /// Which attribute.
        attribute: &'static str,
        /// What it holds.
        value: String,
    },
}

/// The attribute `RedrivePolicy`, JSON in a string.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedrivePolicy {
    /// The dead-letter queue.
    pub dead_letter_target_arn: String,
    /// After how many receives SQS itself moves a message. AWS writes a number, and takes a string too.
    #[serde(deserialize_with = "number_or_text")]
    pub max_receive_count: u32,
}

impl RedrivePolicy {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(crate) fn to_json(&self) -> String {
        let Self { dead_letter_target_arn, max_receive_count } = self;
        serde_json::json!({
            "deadLetterTargetArn": dead_letter_target_arn,
            "maxReceiveCount": max_receive_count,
        })
        .to_string()
    }
}

fn number_or_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u32),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(count) => Ok(count),
        Either::Text(count) => count.parse().map_err(serde::de::Error::custom),
    }
}

/// The facts of a queue that has what the worker needs: an order, and a place for what cannot be handled.
pub(super) async fn look_up(client: &Client, name_or_url: &str) -> Result<QueueSettings, OpenError> {
    let url = url_of(client, name_or_url).await?;
    let attributes = attributes(client, &url).await?;
    if attributes.get(&QueueAttributeName::FifoQueue).map(String::as_str) != Some("true") {
        return Err(OpenError::NotFifo { queue: url });
    }
    Ok(QueueSettings {
        dead_letter_url: dead_letter_url(client, &url, &attributes).await?,
        visibility: visibility(&url, &attributes)?,
        url,
    })
}

/// The URL of a queue that is named by its name or its URL.
pub(crate) async fn url_of(client: &Client, name_or_url: &str) -> Result<String, CallError> {
    if name_or_url.contains("://") {
        return Ok(name_or_url.to_owned());
    }
    queue_url(client, name_or_url, None).await
}

pub(crate) async fn queue_url(
    client: &Client,
    name: &str,
    account: Option<&str>,
) -> Result<String, CallError> {
    let output = client
        .get_queue_url()
        .queue_name(name)
        .set_queue_owner_aws_account_id(account.map(str::to_owned))
        .send()
        .await
        .map_err(|error| call_error(GET_QUEUE_URL, &error))?;
    output.queue_url.ok_or_else(|| unreadable(GET_QUEUE_URL, "QueueUrl", None))
}

pub(crate) type Attributes = HashMap<QueueAttributeName, String>;

pub(crate) async fn attributes(client: &Client, url: &str) -> Result<Attributes, CallError> {
    let output = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .map_err(|error| call_error(GET_QUEUE_ATTRIBUTES, &error))?;
    Ok(output.attributes.unwrap_or_default())
}

/// A queue's account and name, out of `arn:aws:sqs:REGION:ACCOUNT:NAME`.
pub(crate) fn account_and_name(arn: &str) -> Option<(&str, &str)> {
    let (rest, name) = arn.rsplit_once(':')?;
    let (_, account) = rest.rsplit_once(':')?;
    Some((account, name))
}

/// The dead-letter queue that a queue's redrive policy names.
async fn dead_letter_url(client: &Client, url: &str, attributes: &Attributes) -> Result<String, OpenError> {
    let queue = || url.to_owned();
    let Some(text) = attributes.get(&QueueAttributeName::RedrivePolicy) else {
        return Err(OpenError::NoDeadLetterQueue { queue: queue() });
    };
    let unreadable =
        || OpenError::Unreadable { queue: queue(), attribute: "RedrivePolicy", value: text.clone() };
    let policy = RedrivePolicy::parse(text).ok_or_else(unreadable)?;
    let (account, name) = account_and_name(&policy.dead_letter_target_arn).ok_or_else(unreadable)?;
    Ok(queue_url(client, name, Some(account)).await?)
}

fn visibility(url: &str, attributes: &Attributes) -> Result<Duration, OpenError> {
    let text = attributes.get(&QueueAttributeName::VisibilityTimeout).map_or("", String::as_str);
    let seconds = text.parse().map_err(|_| OpenError::Unreadable {
        queue: url.to_owned(),
        attribute: "VisibilityTimeout",
        value: text.to_owned(),
    })?;
    Ok(Duration::from_secs(seconds))
}
