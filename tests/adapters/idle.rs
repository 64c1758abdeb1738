//! What a worker costs while it waits: an open receive has to sleep until its reply comes.

use std::future::poll_fn;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use writerlink_aws::setup;
use writerlink_aws::sqs::{QueueSettings, SqsQueue};
use writerlink_engine::ports::Queue as _;

use crate::support::Account;

const WAIT: Duration = Duration::from_secs(20);

/// Answers a receive after its whole wait, as SQS does while the queue is empty.
#[derive(Debug)]
struct LongPoll;

impl HttpConnector for LongPoll {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(async {
            tokio::time::sleep(WAIT).await;
            let ok = StatusCode::try_from(200).unwrap();
            Ok(HttpResponse::new(ok, SdkBody::from("{}")))
        })
    }
}

#[tokio::test]
async fn an_open_receive_wakes_for_its_reply_alone() {
    let config = Account::fresh().config("http://sqs.invalid").await;
    let connector = SharedHttpConnector::new(LongPoll);
    let http_client = http_client_fn(move |_, _| connector.clone());
    let config = Builder::from(&config).http_client(http_client).build();
    let facts = QueueSettings {
        url: "http://sqs.invalid/1/failovers.fifo".to_owned(),
        dead_letter_url: "http://sqs.invalid/1/failovers-dlq.fifo".to_owned(),
        visibility: setup::VISIBILITY,
    };
    let queue = SqsQueue::new(Client::from_conf(config), facts);
    tokio::time::pause();

    let mut receive = queue.receive(10, WAIT);
    let mut polls = 0;
    let received = poll_fn(|cx| {
        polls += 1;
        receive.as_mut().poll(cx)
    })
    .await;

    assert_eq!(received, Ok(Vec::new()));
    // The SDK watches the pace of uploads ten times a second if it is left to, and polls twice each time.
    assert!(polls <= 5, "{polls} polls in {WAIT:?}");
}
