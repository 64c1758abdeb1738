//! The queue of events, as it is.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName::{self, self as Name};

use crate::sqs::facts::{
    Attributes, GET_QUEUE_ATTRIBUTES, RedrivePolicy, account_and_name, attributes, queue_url, url_of,
};
use crate::sqs::unreadable;
use writerlink_engine::ports::CallError;
use writerlink_engine::ports::installation::{DeadLetters, Encryption, QueueFacts, Redrive, Seen};

const TRUE: &str = "true";

pub(super) async fn look(client: &Client, name_or_url: &str) -> Seen<QueueFacts> {
    let url = url_of(client, name_or_url).await?;
    let found = attributes(client, &url).await?;
    let arn = found.get(&Name::QueueArn).cloned();
    let redrive = match found.get(&Name::RedrivePolicy) {
        Some(text) => Some(redrive(client, text).await?),
        None => None,
    };
    Ok(QueueFacts {
        arn: arn.ok_or_else(|| unreadable(GET_QUEUE_ATTRIBUTES, "QueueArn", None))?,
        fifo: is_on(&found, &Name::FifoQueue),
        content_based_deduplication: is_on(&found, &Name::ContentBasedDeduplication),
        visibility: found
            .get(&Name::VisibilityTimeout)
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs),
        redrive,
        encryption: Ok(encryption(&found)),
        policy: Ok(found.get(&Name::Policy).cloned()),
    })
}

fn is_on(found: &Attributes, name: &QueueAttributeName) -> bool {
    found.get(name).is_some_and(|value| value == TRUE)
}

async fn redrive(client: &Client, text: &str) -> Result<Redrive, CallError> {
    let unreadable = || unreadable(GET_QUEUE_ATTRIBUTES, "RedrivePolicy", Some(text));
    let policy = RedrivePolicy::parse(text).ok_or_else(unreadable)?;
    Ok(Redrive {
        receives_max: policy.max_receive_count,
        seen: dead_letters(client, &policy.dead_letter_target_arn).await,
        dead_letters: policy.dead_letter_target_arn,
    })
}

async fn dead_letters(client: &Client, arn: &str) -> Seen<DeadLetters> {
    let (account, name) = account_and_name(arn)
        .ok_or_else(|| unreadable(GET_QUEUE_ATTRIBUTES, "deadLetterTargetArn", Some(arn)))?;
    let url = queue_url(client, name, Some(account)).await?;
    let found = attributes(client, &url).await?;
    let messages = found.get(&Name::ApproximateNumberOfMessages);
    Ok(DeadLetters {
        fifo: is_on(&found, &Name::FifoQueue),
        messages: messages.and_then(|count| count.parse().ok()).unwrap_or(0),
    })
}

fn encryption(found: &Attributes) -> Encryption {
    match found.get(&Name::KmsMasterKeyId) {
        Some(key) if !key.is_empty() => Encryption::Kms(key.clone()),
        _ if is_on(found, &Name::SqsManagedSseEnabled) => Encryption::Sqs,
        _ => Encryption::Nothing,
    }
}
