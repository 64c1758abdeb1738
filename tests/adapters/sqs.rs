//! The queue, against ministack.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use writerlink_aws::config::Timeouts;
use writerlink_aws::setup;
use writerlink_aws::setup::SetupError;
use writerlink_aws::sqs::{OpenError, QueueSettings, SqsQueue};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::{Depth, ErrorKind, Extended, Message, Queue};

use crate::support::Account;
use crate::support::ministack::Ministack;

pub(crate) const NAME: &str = "failovers.fifo";
const NOW: Duration = Duration::ZERO;

/// A queue in an account of its own, and a client for what the port cannot do.
struct Fixture {
    queue: SqsQueue,
    client: Client,
}

impl Fixture {
    async fn fresh() -> Self {
        let client = client().await;
        setup::ensure_queues(&client, NAME).await.unwrap();
        let queue = SqsQueue::open(client.clone(), NAME).await.unwrap();
        Self { queue, client }
    }

    async fn send(&self, group: &str, body: &str) {
        let url = &self.queue.facts().url;
        let message = self.client.send_message().queue_url(url);
        let message = message.message_group_id(group).message_body(body);
        message.send().await.unwrap();
    }

    async fn receive(&self, max: u32) -> Vec<Message> {
        self.queue.receive(max, NOW).await.unwrap()
    }

    async fn receive_one(&self) -> Message {
        let mut messages = self.receive(1).await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }
}

async fn client() -> Client {
    let endpoint = Ministack::shared().endpoint();
    Client::new(&Account::fresh().config(&endpoint).await)
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

#[tokio::test]
async fn messages_of_a_group_come_in_the_order_they_were_sent() {
    let fixture = Fixture::fresh().await;
    for body in ["first", "second", "third"] {
        fixture.send("orders", body).await;
    }
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let messages = fixture.receive(10).await;
        assert!(!messages.is_empty(), "only {seen:?} came");
        for message in messages {
            assert_eq!(message.group, "orders");
            assert_eq!(fixture.queue.delete(&message).await.unwrap(), Extended::Ours);
            seen.push(message.body);
        }
    }
    assert_eq!(seen, ["first", "second", "third"]);
}

#[tokio::test]
async fn a_group_with_a_message_in_hand_gives_no_more_while_others_do() {
    let fixture = Fixture::fresh().await;
    fixture.send("orders", "first").await;
    let in_hand = fixture.receive_one().await;
    fixture.send("orders", "second").await;
    fixture.send("billing", "other").await;
    assert_eq!(bodies(&fixture.receive(10).await), ["other"]);
    assert!(fixture.receive(10).await.is_empty());

    fixture.queue.delete(&in_hand).await.unwrap();
    assert_eq!(bodies(&fixture.receive(10).await), ["second"]);
}

#[tokio::test]
async fn a_message_that_is_given_back_comes_again_and_counts_its_receives() {
    let fixture = Fixture::fresh().await;
    fixture.send("orders", "failover").await;
    let first = fixture.receive_one().await;
    assert!(fixture.receive(10).await.is_empty(), "it is invisible");
    let kept = fixture.queue.change_visibility(&first, NOW).await.unwrap();
    assert_eq!(kept, Extended::Ours);

    let again = fixture.receive_one().await;
    assert_eq!(again.id, first.id);
    assert_eq!((first.receive_count, again.receive_count), (1, 2));
    assert_eq!(again.sent_at, first.sent_at);
    assert!(again.sent_at > Timestamp::EPOCH);
    assert_eq!(again.first_received_at, first.first_received_at);
    assert!(again.first_received_at > Timestamp::EPOCH);
}

#[tokio::test]
async fn a_handle_from_an_earlier_receive_is_gone_and_not_an_error() {
    let fixture = Fixture::fresh().await;
    fixture.send("orders", "failover").await;
    let first = fixture.receive_one().await;
    fixture.queue.change_visibility(&first, NOW).await.unwrap();
    let again = fixture.receive_one().await;
    assert_eq!(fixture.queue.delete(&first).await.unwrap(), Extended::Gone);
    let later = Duration::from_mins(1);
    let kept = fixture.queue.change_visibility(&first, later).await;
    assert_eq!(kept.unwrap(), Extended::Gone);

    assert_eq!(fixture.queue.delete(&again).await.unwrap(), Extended::Ours);
    assert_eq!(fixture.queue.delete(&again).await.unwrap(), Extended::Gone);
}

#[tokio::test]
async fn a_dead_lettered_message_leaves_the_queue_and_keeps_its_body_and_group() {
    let fixture = Fixture::fresh().await;
    fixture.send("orders", r#"{"not":"an event"}"#).await;
    let message = fixture.receive_one().await;
    assert_eq!(fixture.queue.dead_letter(&message).await.unwrap(), Extended::Ours);
    assert_eq!(fixture.queue.depth().await.unwrap(), Depth::default());

    let facts = fixture.queue.facts().clone();
    let dead_letters =
        SqsQueue::new(fixture.client.clone(), QueueSettings { url: facts.dead_letter_url.clone(), ..facts });
    let dead = dead_letters.receive(10, NOW).await.unwrap();
    assert_eq!(bodies(&dead), [r#"{"not":"an event"}"#]);
    assert_eq!(dead[0].group, "orders");
}

#[tokio::test]
async fn a_message_dead_lettered_twice_is_in_the_dead_letter_queue_once() {
    let fixture = Fixture::fresh().await;
    fixture.send("orders", "poison").await;
    let message = fixture.receive_one().await;
    fixture.queue.dead_letter(&message).await.unwrap();
    assert_eq!(fixture.queue.dead_letter(&message).await.unwrap(), Extended::Gone);

    let url = fixture.queue.facts().dead_letter_url.clone();
    let facts = QueueSettings { url, ..fixture.queue.facts().clone() };
    let depth = SqsQueue::new(fixture.client.clone(), facts).depth().await;
    assert_eq!(depth.unwrap().visible, 1);
}

#[tokio::test]
async fn two_dead_letters_of_a_group_are_both_in_the_dead_letter_queue() {
    let fixture = Fixture::fresh().await;
    for body in ["poison", "more poison"] {
        fixture.send("orders", body).await;
        let message = fixture.receive_one().await;
        fixture.queue.dead_letter(&message).await.unwrap();
    }
    let depth = fixture.queue.dead_letters().await.unwrap();
    assert_eq!(depth.visible, 2);
    assert_eq!(fixture.queue.depth().await.unwrap(), Depth::default());
}

#[tokio::test]
async fn the_depth_tells_waiting_messages_from_those_in_hand() {
    let fixture = Fixture::fresh().await;
    fixture.send("orders", "failover").await;
    fixture.send("billing", "failover of another route").await;
    fixture.receive_one().await;
    let expected = Depth { visible: 1, in_flight: 1 };
    assert_eq!(fixture.queue.depth().await.unwrap(), expected);
}

#[tokio::test]
async fn a_long_poll_may_take_longer_than_any_other_call() {
    let limits = Timeouts {
        connect: Duration::from_millis(500),
        attempt: Duration::from_millis(800),
        operation: Duration::from_millis(900),
    };
    let endpoint = Ministack::shared().endpoint();
    let config = Account::fresh().config_within(&endpoint, limits).await;
    let hasty = Client::new(&config);
    setup::ensure_queues(&hasty, NAME).await.unwrap();
    let queue = SqsQueue::open(hasty, NAME).await.unwrap();
    let messages = queue.receive(1, Duration::from_secs(1)).await.unwrap();
    assert_eq!(messages, []);
}

#[tokio::test]
async fn a_queue_is_opened_by_its_name_or_its_url_alike() {
    let fixture = Fixture::fresh().await;
    let facts = fixture.queue.facts();
    assert_eq!(facts.visibility, setup::VISIBILITY);
    assert!(facts.dead_letter_url.ends_with("failovers-dlq.fifo"));
    let by_url = SqsQueue::open(fixture.client.clone(), &facts.url).await;
    assert_eq!(by_url.unwrap().facts(), facts);
}

#[tokio::test]
async fn a_queue_that_keeps_no_order_is_refused() {
    let client = client().await;
    client.create_queue().queue_name("plain").send().await.unwrap();
    let refused = SqsQueue::open(client, "plain").await.unwrap_err();
    assert!(matches!(refused, OpenError::NotFifo { .. }), "{refused}");
}

#[tokio::test]
async fn a_queue_without_a_dead_letter_queue_is_refused() {
    let client = client().await;
    let create = client.create_queue().queue_name(NAME);
    let create = create.attributes(QueueAttributeName::FifoQueue, "true");
    create.send().await.unwrap();
    let refused = SqsQueue::open(client, NAME).await.unwrap_err();
    assert!(matches!(refused, OpenError::NoDeadLetterQueue { .. }), "{refused}");
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_missing_in_the_services_own_words() {
    let refused = SqsQueue::open(client().await, "nowhere.fifo").await.unwrap_err();
    let OpenError::Call(error) = refused else {
        panic!("{refused}");
    };
    assert_eq!(error.call, "GetQueueUrl");
    assert_eq!(error.kind, ErrorKind::Missing);
    assert_eq!(error.code, "AWS.SimpleQueueService.NonExistentQueue");
    assert!(error.request_id.is_some());
}

#[tokio::test]
async fn queues_are_created_once_and_found_the_same_afterwards() {
    let client = client().await;
    let created = setup::ensure_queues(&client, NAME).await.unwrap();
    let found = setup::ensure_queues(&client, NAME).await.unwrap();
    assert_eq!(created, found);
}

#[tokio::test]
async fn a_queue_that_is_there_but_different_is_named_and_left_alone() {
    let client = client().await;
    let facts = setup::ensure_queues(&client, NAME).await.unwrap();
    let change = client.set_queue_attributes().queue_url(&facts.url);
    let change = change.attributes(QueueAttributeName::VisibilityTimeout, "5");
    change.send().await.unwrap();
    let refused = setup::ensure_queues(&client, NAME).await.unwrap_err();
    assert_eq!(
        refused,
        SetupError::Differs {
            name: NAME.to_owned(),
            attribute: "VisibilityTimeout".to_owned(),
            found: "5".to_owned(),
            wanted: "30".to_owned(),
        }
    );
}
