//! The queue, against AWS's own words: ministack lets an expired handle delete, and bounds nothing.

use std::time::Duration;

use aws_sdk_sqs::Client;
use writerlink::aws::setup;
use writerlink::aws::sqs::{QueueFacts, SqsQueue};
use writerlink::domain::time::Timestamp;
use writerlink::ports::{ErrorKind, Kept, Message, Queue};

use crate::sqs::NAME;
use crate::support::Account;
use crate::support::stub::{Answer, Stub};

const NOW: Duration = Duration::ZERO;

/// A queue behind a scripted endpoint.
async fn scripted(answer: Answer) -> (SqsQueue, Stub) {
    let stub = Stub::answering(answer);
    let config = Account::fresh().config(&stub.endpoint()).await;
    let facts = QueueFacts {
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
        (
            "MessageNotInflight",
            "AWS.SimpleQueueService.MessageNotInflight",
        ),
        ("InvalidParameterValueException", "InvalidParameterValue"),
    ];
    for (shape, code) in refusals {
        let (queue, _stub) = scripted(Answer::sqs_error(shape, code)).await;
        assert_eq!(
            queue.delete(&message()).await.unwrap(),
            Kept::Gone,
            "{code}"
        );
        let kept = queue.change_visibility(&message(), NOW).await;
        assert_eq!(kept.unwrap(), Kept::Gone, "{code}");
    }
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_sent_leaves_the_message_where_it_is() {
    let refusal = Answer::sqs_error(
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
    );
    let (queue, stub) = scripted(refusal).await;
    let error = queue.dead_letter(&message()).await.unwrap_err();
    assert_eq!(
        (error.call, error.kind),
        ("SendMessage", ErrorKind::Missing)
    );
    assert_eq!(stub.asked().len(), 1, "no DeleteMessage follows");
}

#[tokio::test]
async fn a_visibility_is_rounded_up_to_whole_seconds_and_held_inside_what_sqs_takes() {
    let (queue, stub) = scripted(Answer::sqs("{}")).await;
    for visibility in [NOW, Duration::from_millis(1_200), Duration::from_hours(13)] {
        queue
            .change_visibility(&message(), visibility)
            .await
            .unwrap();
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

#[tokio::test]
async fn a_message_that_lacks_a_part_is_an_error_that_names_it() {
    let without_group = r#"{"Messages":[{"MessageId":"m-1","ReceiptHandle":"h","Body":"b",
        "Attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"5"}}]}"#;
    let (queue, _stub) = scripted(Answer::sqs(without_group)).await;
    let error = queue.receive(1, NOW).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(error.message, "MessageGroupId is missing");
}
