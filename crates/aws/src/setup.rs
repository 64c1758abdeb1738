//! Creates the queues for a trial account or a stand-in. In production a template is to say the same.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::create_queue::CreateQueueError;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::error::call_error;
use crate::sqs::facts::{
    Attributes, GET_QUEUE_ATTRIBUTES, QueueSettings, RedrivePolicy, attributes, queue_url,
};
use crate::sqs::unreadable;
use writerlink_engine::ports::{CallError, ErrorKind};

const CREATE_QUEUE: &str = "CreateQueue";

/// How long a received message stays invisible. Longer than a crashed worker's lease can block its route
/// (lease and clock skew, see `ledger::lease`), so that the next delivery finds the route free.
pub const VISIBILITY: Duration = Duration::from_secs(30);

/// How long an unhandled message is kept: fourteen days, the most SQS allows. A dead-lettered failover is
/// read by people, and they may be on holiday.
pub const RETENTION: Duration = Duration::from_hours(14 * 24);

/// After how many receives SQS itself dead-letters a message. Attempts are counted in the ledger, and the
/// worker dead-letters by its own rule long before; this is the backstop for a message that kills its
/// worker each time. It counts deliveries that could not even be recorded: while the ledger is away a message
/// comes back every thirty seconds, and those behind it in its group with it, so 100 would empty the queue
/// into the dead-letter queue, unsettled, in less than an hour. The most that SQS takes lasts six hours.
pub const RECEIVES_MAX: u32 = 1000;

/// What a FIFO queue's name ends in.
const FIFO_SUFFIX: &str = ".fifo";

/// Why the queues could not be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// SQS takes no other name for a FIFO queue.
    #[error("{name:?} cannot be a FIFO queue: its name has to end in {FIFO_SUFFIX}")]
    NotAFifoName {
        /// What was given.
        name: String,
    },
    /// It is there already, and is not changed behind its owner's back.
    #[error("{name} exists with {attribute} {found:?} instead of {wanted:?}")]
    Differs {
        /// Which queue.
        name: String,
        /// Which attribute.
        attribute: String,
        /// What it is.
        found: String,
        /// What it would have to be.
        wanted: String,
    },
}

/// Whether a queue of this name is there, whatever it is like.
pub async fn queue_exists(client: &Client, name: &str) -> Result<bool, CallError> {
    match queue_url(client, name, None).await {
        Ok(_) => Ok(true),
        Err(missing) if missing.kind == ErrorKind::Missing => Ok(false),
        Err(error) => Err(error),
    }
}

/// After it the FIFO queue `name` and its dead-letter queue exist as the worker needs them. Queues that are
/// there already and the same are left alone; a different one is an error, and nothing is changed.
pub async fn ensure_queues(client: &Client, name: &str) -> Result<QueueSettings, SetupError> {
    let dead_letter_name = dead_letter_name(name)?;
    let dead_letter_url = ensure(client, &dead_letter_name, dead_letter_attributes()).await?;
    let arn = attributes(client, &dead_letter_url)
        .await?
        .remove(&QueueAttributeName::QueueArn)
        .ok_or_else(|| unreadable(GET_QUEUE_ATTRIBUTES, "QueueArn", None))?;
    let url = ensure(client, name, queue_attributes(arn)).await?;
    Ok(QueueSettings { url, dead_letter_url, visibility: VISIBILITY })
}

/// `failovers.fifo` has `failovers-dlq.fifo`.
pub fn dead_letter_name(name: &str) -> Result<String, SetupError> {
    match name.strip_suffix(FIFO_SUFFIX) {
        Some(stem) if !stem.is_empty() => Ok(format!("{stem}-dlq{FIFO_SUFFIX}")),
        Some(_) | None => Err(SetupError::NotAFifoName { name: name.to_owned() }),
    }
}

/// What both have. Without content-based deduplication EventBridge refuses the queue as a target
/// (botocore service model events, Target.SqsParameters).
fn dead_letter_attributes() -> Attributes {
    HashMap::from([
        (QueueAttributeName::FifoQueue, "true".to_owned()),
        (QueueAttributeName::ContentBasedDeduplication, "true".to_owned()),
        (QueueAttributeName::MessageRetentionPeriod, RETENTION.as_secs().to_string()),
    ])
}

fn queue_attributes(dead_letter_target_arn: String) -> Attributes {
    let redrive = RedrivePolicy { dead_letter_target_arn, max_receive_count: RECEIVES_MAX };
    let mut wanted = dead_letter_attributes();
    wanted.insert(QueueAttributeName::VisibilityTimeout, VISIBILITY.as_secs().to_string());
    wanted.insert(QueueAttributeName::RedrivePolicy, redrive.to_json());
    wanted
}

/// Creates a queue or finds it the same. `CreateQueue` itself is idempotent, but it compares the redrive
/// policy as text: a queue that a template made with other spaces would count as different.
async fn ensure(client: &Client, name: &str, wanted: Attributes) -> Result<String, SetupError> {
    let created = client.create_queue().queue_name(name).set_attributes(Some(wanted.clone())).send().await;
    match created {
        Ok(output) => Ok(output.queue_url.ok_or_else(|| unreadable(CREATE_QUEUE, "QueueUrl", None))?),
        Err(error) if error.as_service_error().is_some_and(CreateQueueError::is_queue_name_exists) => {
            let url = queue_url(client, name, None).await?;
            let found = attributes(client, &url).await?;
            match difference(name, &found, &wanted) {
                Some(differs) => Err(differs),
                None => Ok(url),
            }
        }
        Err(error) => Err(call_error(CREATE_QUEUE, &error).into()),
    }
}

fn difference(name: &str, found: &Attributes, wanted: &Attributes) -> Option<SetupError> {
    wanted.iter().find_map(|(attribute, wanted)| {
        let found = found.get(attribute).map_or("", String::as_str);
        let same = if *attribute == QueueAttributeName::RedrivePolicy {
            RedrivePolicy::parse(found) == RedrivePolicy::parse(wanted)
        } else {
            found == wanted
        };
        (!same).then(|| SetupError::Differs {
            name: name.to_owned(),
            attribute: attribute.as_str().to_owned(),
            found: found.to_owned(),
            wanted: wanted.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use writerlink_core::ledger::lease::LEASE_DURATION;
    use writerlink_core::model::time::CLOCK_SKEW_MAX;

    #[test]
    fn a_crashed_workers_route_is_free_when_its_message_comes_back() {
        assert!(LEASE_DURATION + CLOCK_SKEW_MAX < VISIBILITY);
    }

    #[test]
    fn the_dead_letter_queue_is_named_after_its_queue() {
        assert_eq!(dead_letter_name("failovers.fifo").unwrap(), "failovers-dlq.fifo");
        assert!(dead_letter_name("failovers").is_err());
        assert!(dead_letter_name(".fifo").is_err());
    }

    #[test]
    fn a_redrive_policy_is_compared_by_what_it_says_and_not_as_text() {
        let arn = "arn:aws:sqs:us-east-1:1:failovers-dlq.fifo";
        let wanted = queue_attributes(arn.to_owned());
        let mut found = wanted.clone();
        let other_text = format!(r#"{{ "maxReceiveCount": "1000", "deadLetterTargetArn": "{arn}" }}"#);
        found.insert(QueueAttributeName::RedrivePolicy, other_text);
        assert_eq!(difference("failovers.fifo", &found, &wanted), None);
        found.insert(QueueAttributeName::RedrivePolicy, "{}".to_owned());
        assert!(difference("failovers.fifo", &found, &wanted).is_some());
    }
}
