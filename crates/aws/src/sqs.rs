//! The queue of events: an SQS FIFO queue and its dead-letter queue.

pub(super) mod facts;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName, QueueAttributeName};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use uuid::Uuid;

use crate::config::longer_by;
use crate::error::{call_error, invalid};
use crate::sqs::facts::{GET_QUEUE_ATTRIBUTES, attributes};
pub use crate::sqs::facts::{OpenError, QueueSettings};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::{CallError, Depth, Extended, Message, Queue};

const RECEIVE_MESSAGE: &str = "ReceiveMessage";
const CHANGE_MESSAGE_VISIBILITY: &str = "ChangeMessageVisibility";
const DELETE_MESSAGE: &str = "DeleteMessage";
const SEND_MESSAGE: &str = "SendMessage";

/// The most messages one receive may bring, and the longest it may wait (SQS API reference, `ReceiveMessage`).
const RECEIVE_MAX: u32 = 10;
const RECEIVE_WAIT_MAX: Duration = Duration::from_secs(20);

/// The longest a message may stay invisible: twelve hours (SQS API reference, `ChangeMessageVisibility`).
const VISIBILITY_MAX: Duration = Duration::from_hours(12);

/// What AWS answers when a handle is no longer good. The service model lists the first two; a FIFO queue
/// refuses an expired handle with the third ("Reason: The receipt handle has expired", aws-sdk-js #1279;
/// "Message does not exist or is not available for visibility timeout change", taskq #29). The handle is
/// the only parameter left that can be wrong: the visibility is held inside its range before it is sent,
/// and a message kept invisible for more than twelve hours in sum is not ours any more either.
const GONE: &[&str] = &[
    "AWS.SimpleQueueService.MessageNotInflight",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
    "InvalidParameterValue",
    "InvalidParameterValueException",
];

/// A queue behind the SQS API.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    facts: QueueSettings,
}

impl SqsQueue {
    /// A queue whose facts are known.
    #[must_use]
    pub fn new(client: Client, facts: QueueSettings) -> Self {
        Self { client, facts }
    }

    /// Looks a queue up by its name or its URL, and refuses one that the worker cannot live with.
    pub async fn open(client: Client, name_or_url: &str) -> Result<Self, OpenError> {
        let facts = facts::look_up(&client, name_or_url).await?;
        Ok(Self { client, facts })
    }

    /// What is known of the queue.
    #[must_use]
    pub fn facts(&self) -> &QueueSettings {
        &self.facts
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<Message>, CallError> {
        let wait = wait.min(RECEIVE_WAIT_MAX);
        let limits = longer_by(self.client.config().timeout_config(), wait);
        // A receive whose reply is lost has taken its messages, and their groups stand still until they
        // are visible again. SQS answers a second receive under the same attempt id with the same
        // messages, so the SDK's own retry heals that (SQS API reference, ReceiveRequestAttemptId).
        let attempt = Uuid::now_v7().to_string();
        let output = self
            .client
            .receive_message()
            .queue_url(&self.facts.url)
            .max_number_of_messages(whole(u64::from(max.clamp(1, RECEIVE_MAX))))
            .wait_time_seconds(whole(wait.as_secs()))
            .receive_request_attempt_id(attempt)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .customize()
            .config_override(aws_sdk_sqs::config::Builder::new().timeout_config(limits))
            .send()
            .await
            .map_err(|error| call_error(RECEIVE_MESSAGE, &error))?;
        output.messages.unwrap_or_default().into_iter().map(message).collect()
    }

    async fn change_visibility(
        &self,
        message: &Message,
        visibility: Duration,
    ) -> Result<Extended, CallError> {
        let sent = self
            .client
            .change_message_visibility()
            .queue_url(&self.facts.url)
            .receipt_handle(&message.receipt)
            .visibility_timeout(whole_seconds_up(visibility.min(VISIBILITY_MAX)))
            .send()
            .await;
        kept(CHANGE_MESSAGE_VISIBILITY, sent)
    }

    async fn delete(&self, message: &Message) -> Result<Extended, CallError> {
        let sent = self
            .client
            .delete_message()
            .queue_url(&self.facts.url)
            .receipt_handle(&message.receipt)
            .send()
            .await;
        kept(DELETE_MESSAGE, sent)
    }

    async fn dead_letter(&self, message: &Message) -> Result<Extended, CallError> {
        self.client
            .send_message()
            .queue_url(&self.facts.dead_letter_url)
            .message_body(&message.body)
            .message_group_id(&message.group)
            .message_deduplication_id(&message.id)
            .send()
            .await
            .map_err(|error| call_error(SEND_MESSAGE, &error))?;
        // A crash here leaves the message in both queues. Its next receive sends it again, which the
        // deduplication id makes harmless for five minutes; later the dead-letter queue holds it twice.
        self.delete(message).await
    }

    async fn depth(&self) -> Result<Depth, CallError> {
        depth_of(&self.client, &self.facts.url).await
    }

    async fn dead_letters(&self) -> Result<Depth, CallError> {
        depth_of(&self.client, &self.facts.dead_letter_url).await
    }
}

async fn depth_of(client: &Client, url: &str) -> Result<Depth, CallError> {
    let attributes = attributes(client, url).await?;
    let count = |name| {
        let text: Option<&String> = attributes.get(&name);
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| unreadable(GET_QUEUE_ATTRIBUTES, name.as_str(), text.map(String::as_str)))
    };
    Ok(Depth {
        visible: count(QueueAttributeName::ApproximateNumberOfMessages)?,
        in_flight: count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)?,
    })
}

/// What a call about a handle says about the message.
fn kept<T, E>(call: &'static str, sent: Result<T, SdkError<E, HttpResponse>>) -> Result<Extended, CallError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match sent {
        Ok(_) => Ok(Extended::Ours),
        Err(error) if error.code().is_some_and(|code| GONE.contains(&code)) => Ok(Extended::Gone),
        Err(error) => Err(call_error(call, &error)),
    }
}

/// Everything about a message is asked for and always sent; one that lacks a part cannot be handled, and
/// goes to the dead-letter queue by the queue's own redrive.
fn message(received: SqsMessage) -> Result<Message, CallError> {
    let attributes = received.attributes.unwrap_or_default();
    let attribute = |name: MessageSystemAttributeName| {
        let text = attributes.get(&name);
        text.ok_or_else(|| unreadable(RECEIVE_MESSAGE, name.as_str(), None))
    };
    let part = |name, text: Option<String>| text.ok_or_else(|| unreadable(RECEIVE_MESSAGE, name, None));
    let count = attribute(MessageSystemAttributeName::ApproximateReceiveCount)?;
    let time = |name: MessageSystemAttributeName| {
        let text = attribute(name.clone())?;
        text.parse()
            .map(Timestamp::from_millis)
            .map_err(|_| unreadable(RECEIVE_MESSAGE, name.as_str(), Some(text)))
    };
    Ok(Message {
        id: part("MessageId", received.message_id)?,
        group: attribute(MessageSystemAttributeName::MessageGroupId)?.clone(),
        body: part("Body", received.body)?,
        receipt: part("ReceiptHandle", received.receipt_handle)?,
        receive_count: count
            .parse()
            .map_err(|_| unreadable(RECEIVE_MESSAGE, "ApproximateReceiveCount", Some(count)))?,
        sent_at: time(MessageSystemAttributeName::SentTimestamp)?,
        first_received_at: time(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp)?,
    })
}

/// A reply that lacks what the call is for.
pub(super) fn unreadable(call: &'static str, name: &str, value: Option<&str>) -> CallError {
    let message = match value {
        Some(value) => format!("{name} is {value:?}, which cannot be read"),
        None => format!("{name} is missing"),
    };
    invalid(call, "UnreadableReply", message)
}

/// Seconds rounded up: a message must not become visible sooner than was asked for, and only zero means
/// "at once".
fn whole_seconds_up(duration: Duration) -> i32 {
    whole(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

/// The API's integer; every caller has bounded the value before.
fn whole(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
