//! The queue, against AWS's own words: ministack lets an expired handle delete, and bounds nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_sqs::Client;
use writerlink_aws::setup;
use writerlink_aws::sqs::{QueueSettings, SqsQueue};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::{ErrorKind, Extended, Message, Queue};

use crate::sqs::NAME;
use crate::support::Account;
use crate::support::stub::{Answer, Stub};

const NOW: Duration = Duration::ZERO;

/// A queue behind a scripted endpoint.
async fn scripted(answer: Answer) -> (SqsQueue, Stub) {
    let stub = Stub::answering(answer);
    let config = Account::fresh().config(&stub.endpoint()).await;
    let facts = QueueSettings {
        url: format!("{}/1/{NAME}", stub.endpoint()),
        dead_letter_url: format!("{}/1/failovers-dlq.fifo", stub.endpoint()),
        visibility: setup::VISIBILITY,
    };
    (SqsQueue::new(Client::new(&config), facts), stub)
}

fn message() -> Message {
    Message {
        id: "m-1".to_owned(),
        group: "orders".to_owned(),
        body: "failover".to_owned(),
        receipt: "handle".to_owned(),
        receive_count: 1,
        sent_at: Timestamp::EPOCH,
        first_received_at: Timestamp::EPOCH,
    }
}

#[tokio::test]
async fn every_way_in_which_aws_refuses_a_stale_handle_is_gone() {
    let refusals = [
        ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
        ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
        ("InvalidParameterValueException", "InvalidParameterValue"),
    ];
    for (shape, code) in refusals {
        let (queue, _stub) = scripted(Answer::sqs_error(shape, code)).await;
        assert_eq!(queue.delete(&message()).await.unwrap(), Extended::Gone, "{code}");
        let kept = queue.change_visibility(&message(), NOW).await;
        assert_eq!(kept.unwrap(), Extended::Gone, "{code}");
    }
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_sent_leaves_the_message_where_it_is() {
    let refusal = Answer::sqs_error("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue");
    let (queue, stub) = scripted(refusal).await;
    let error = queue.dead_letter(&message()).await.unwrap_err();
    assert_eq!((error.call, error.kind), ("SendMessage", ErrorKind::Missing));
    assert_eq!(stub.asked().len(), 1, "no DeleteMessage follows");
}

#[tokio::test]
async fn a_visibility_is_rounded_up_to_seconds_and_clamped_to_what_sqs_takes() {
    let (queue, stub) = scripted(Answer::sqs("{}")).await;
    for visibility in [NOW, Duration::from_millis(1_200), Duration::from_hours(13)] {
        queue.change_visibility(&message(), visibility).await.unwrap();
    }
    let sent: Vec<u64> = stub
        .asked()
        .iter()
        .map(|body| serde_json::from_str::<serde_json::Value>(body).unwrap())
        .map(|body| body["VisibilityTimeout"].as_u64().unwrap())
        .collect();
    assert_eq!(sent, [0, 2, 43_200]);
}

#[tokio::test]
async fn a_receive_asks_for_no_more_than_sqs_gives_and_names_its_attempt() {
    let (queue, stub) = scripted(Answer::sqs("{}")).await;
    let messages = queue.receive(100, Duration::from_mins(1)).await.unwrap();
    assert_eq!(messages, []);
    let asked: serde_json::Value = serde_json::from_str(&stub.asked()[0]).unwrap();
    assert_eq!(asked["MaxNumberOfMessages"], 10);
    assert_eq!(asked["WaitTimeSeconds"], 20);
    assert!(asked["ReceiveRequestAttemptId"].is_string());
}

/// For five minutes SQS answers an attempt's id with the messages that it answered first.
#[tokio::test]
async fn every_receive_has_an_attempt_id_of_its_own() {
    let (queue, stub) = scripted(Answer::sqs("{}")).await;
    for _ in 0..3 {
        queue.receive(10, NOW).await.unwrap();
    }
    let (again, other) = scripted(Answer::sqs("{}")).await;
    again.receive(10, NOW).await.unwrap();
    let ids: BTreeSet<String> = [stub.asked(), other.asked()]
        .concat()
        .iter()
        .map(|body| serde_json::from_str::<serde_json::Value>(body).unwrap())
        .map(|body| body["ReceiveRequestAttemptId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
}

/// A receive whose reply is lost is healed by asking again under the same id.
#[tokio::test]
async fn a_receive_that_the_sdk_repeats_keeps_its_attempt_id() {
    let (queue, stub) = scripted(Answer::unavailable()).await;
    queue.receive(10, NOW).await.unwrap_err();
    let asked = stub.asked();
    assert!(asked.len() > 1, "the SDK asks again");
    let first = &asked[0];
    assert!(asked.iter().all(|body| body == first), "{asked:?}");
}

/// The deduplication id is the message's own: with one for the group the second dead letter would vanish.
#[tokio::test]
async fn a_dead_letter_is_deduplicated_by_its_message_and_ordered_by_its_group() {
    let sent = r#"{"MessageId":"d-1","MD5OfMessageBody":"x"}"#;
    let (queue, stub) = scripted(Answer::sqs(sent)).await;
    let other = Message { id: "m-2".to_owned(), ..message() };
    for message in [message(), other] {
        queue.dead_letter(&message).await.unwrap();
    }
    let sent: Vec<serde_json::Value> = stub
        .asked()
        .iter()
        .map(|body| serde_json::from_str::<serde_json::Value>(body).unwrap())
        .filter(|body| body.get("MessageBody").is_some())
        .collect();
    let of = |name: &str| -> Vec<&str> { sent.iter().map(|s| s[name].as_str().unwrap()).collect() };
    assert_eq!(of("MessageDeduplicationId"), ["m-1", "m-2"]);
    assert_eq!(of("MessageGroupId"), ["orders", "orders"]);
    assert_eq!(of("MessageBody"), ["failover", "failover"]);
    assert!(of("QueueUrl")[0].ends_with("failovers-dlq.fifo"));
}

#[tokio::test]
async fn every_part_of_a_message_is_taken_from_its_own_attribute() {
    let whole = r#"{"Messages":[{"MessageId":"m-1","ReceiptHandle":"h","Body":"b",
        "Attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"5","MessageGroupId":"orders",
        "ApproximateFirstReceiveTimestamp":"7"}}]}"#;
    let (queue, _stub) = scripted(Answer::sqs(whole)).await;
    let expected = Message {
        body: "b".to_owned(),
        receipt: "h".to_owned(),
        receive_count: 3,
        sent_at: Timestamp::from_millis(5),
        first_received_at: Timestamp::from_millis(7),
        ..message()
    };
    assert_eq!(queue.receive(1, NOW).await.unwrap(), [expected]);
}

/// The dead-letter queue may be of another account than the one that asks.
#[tokio::test]
async fn the_dead_letter_queue_is_looked_up_in_the_account_that_its_arn_names() {
    let arn = "arn:aws:sqs:us-east-1:999999999999:failovers-dlq.fifo";
    let attributes = serde_json::json!({"Attributes": {
        "FifoQueue": "true",
        "VisibilityTimeout": "30",
        "RedrivePolicy": format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1000}}"#),
    }});
    let stub = Stub::scripted(vec![
        ("AttributeNames", Answer::sqs(&attributes.to_string())),
        ("", Answer::sqs(r#"{"QueueUrl":"http://localhost/9/q"}"#)),
    ]);
    let config = Account::fresh().config(&stub.endpoint()).await;
    let queue = SqsQueue::open(Client::new(&config), NAME).await.unwrap();
    assert_eq!(queue.facts().visibility, Duration::from_secs(30));
    let asked = stub.asked();
    let last: serde_json::Value = serde_json::from_str(&asked[asked.len() - 1]).unwrap();
    assert_eq!(last["QueueName"], "failovers-dlq.fifo");
    assert_eq!(last["QueueOwnerAWSAccountId"], "999999999999");
}

#[tokio::test]
async fn a_message_that_lacks_a_part_is_an_error_that_names_it() {
    let without_group = r#"{"Messages":[{"MessageId":"m-1","ReceiptHandle":"h","Body":"b",
        "Attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"5"}}]}"#;
    let (queue, _stub) = scripted(Answer::sqs(without_group)).await;
    let error = queue.receive(1, NOW).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(error.message, "MessageGroupId is missing");
}
