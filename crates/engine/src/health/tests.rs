use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::telemetry::event::Summary;
use writerlink_core::model::time::Timestamp;

/// A clock that stands where it is put.
#[derive(Default)]
struct Still(Mutex<Duration>);

impl Still {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

#[async_trait]
impl Clock for Still {
    fn wall(&self) -> Timestamp {
        Timestamp::EPOCH
    }
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
    async fn sleep(&self, _: Duration) {}
    fn random(&self) -> u128 {
        0
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// A worker that has just started.
fn started(with_timer: bool) -> (Arc<Still>, Liveness) {
    let clock = Arc::new(Still::default());
    let liveness = Liveness::new(Arc::clone(&clock) as _);
    liveness.record(&WorkerEvent::Started { with_timer });
    (clock, liveness)
}

fn summary(oldest_pass: Option<Duration>) -> WorkerEvent<'static> {
    WorkerEvent::Summary(Summary { oldest_pass, ..Summary::default() })
}

fn silent(liveness: &Liveness) -> Vec<WorkerComponent> {
    let silences = liveness.silences();
    silences.iter().map(|silence| silence.part).collect()
}

#[test]
fn the_timer_does_not_speak_for_the_receiving_loop() {
    let (clock, liveness) = started(true);
    clock.advance(RECEIVING_SILENT_MAX.saturating_sub(SECOND));
    liveness.record(&summary(None));
    assert_eq!(silent(&liveness), []);
    clock.advance(SECOND);
    assert_eq!(silent(&liveness), [WorkerComponent::ReceiveLoop]);
    liveness.record(&WorkerEvent::LoopPassed);
    assert_eq!(silent(&liveness), [], "one turn makes it well again");
}

#[test]
fn the_receiving_loop_does_not_speak_for_the_timer() {
    let (clock, liveness) = started(true);
    clock.advance(TIMER_SILENT_MAX);
    liveness.record(&WorkerEvent::LoopPassed);
    assert_eq!(silent(&liveness), [WorkerComponent::Timer]);
    liveness.record(&summary(None));
    assert_eq!(silent(&liveness), []);
}

#[test]
fn a_timer_that_goes_round_beside_a_look_without_end_is_unwell() {
    let (clock, liveness) = started(true);
    let mut age = Duration::ZERO;
    while age < PASS_AGE_MAX {
        assert_eq!(silent(&liveness), [], "{age:?}");
        clock.advance(SUMMARY_EVERY);
        age += SUMMARY_EVERY;
        liveness.record(&WorkerEvent::LoopPassed);
        liveness.record(&summary(Some(age)));
    }
    assert_eq!(silent(&liveness), [WorkerComponent::ReconcilePass]);
    liveness.record(&summary(None));
    assert_eq!(silent(&liveness), []);
}

#[test]
fn a_worker_without_a_timer_is_well_without_one() {
    let (clock, liveness) = started(false);
    clock.advance(TIMER_SILENT_MAX * 10);
    liveness.record(&WorkerEvent::LoopPassed);
    assert_eq!(silent(&liveness), []);
    assert_eq!(liveness.timer_silent_for(), None);
}

#[test]
fn a_call_of_the_queue_or_an_attempt_is_no_turn_of_the_receiving_loop() {
    let (clock, liveness) = started(false);
    clock.advance(RECEIVING_SILENT_MAX);
    let error = crate::ports::CallError::without_a_reply(
        "DeleteMessage",
        crate::ports::ErrorKind::Unreachable,
        "no answer",
    );
    liveness.record(&WorkerEvent::QueueFailed(&error));
    liveness.record(&WorkerEvent::Panicked("at a test"));
    assert_eq!(silent(&liveness), [WorkerComponent::ReceiveLoop]);
}

#[test]
fn a_stopping_worker_is_well_until_it_should_have_ended() {
    let (clock, liveness) = started(true);
    let within = Duration::from_secs(115);
    clock.advance(RECEIVING_SILENT_MAX);
    liveness.record(&WorkerEvent::Stopping { within, receive_ends_within: Some(20 * SECOND) });
    clock.advance(within);
    assert_eq!(silent(&liveness), [], "it finishes what is in hand");
    clock.advance(ENDS_LATE_MAX);
    assert_eq!(silent(&liveness), [WorkerComponent::Stop]);
}

#[test]
fn a_silence_is_told_with_its_length_and_its_limit() {
    let (clock, liveness) = started(false);
    clock.advance(RECEIVING_SILENT_MAX + 10 * SECOND);
    let told = liveness.silences()[0].to_string();
    assert_eq!(told, "the receive loop has made no progress for 130 s (120 s at most)");
}

#[test]
fn a_worker_is_ready_once_ledger_and_queue_answered_or_names_the_missing() {
    let readiness = Readiness::default();
    assert_eq!(readiness.waits_for(), ["ledger", "queue"]);
    let minute = |passes, failed| WorkerEvent::Summary(Summary { passes, failed, ..Default::default() });
    readiness.record(&minute(3, 3));
    assert_eq!(readiness.waits_for(), ["ledger", "queue"], "no look went well");
    readiness.record(&minute(3, 2));
    assert_eq!(readiness.waits_for(), ["queue"]);
    readiness.record(&WorkerEvent::Received(0));
    assert_eq!(readiness.waits_for(), [""; 0]);
    assert!(readiness.is_ready());
}

#[test]
fn a_stopping_worker_is_not_ready() {
    let readiness = Readiness::default();
    readiness.ledger_was_read();
    readiness.record(&WorkerEvent::Received(0));
    assert!(readiness.is_ready());
    readiness.record(&WorkerEvent::Stopping {
        within: Duration::from_secs(115),
        receive_ends_within: Some(Duration::from_secs(20)),
    });
    assert!(!readiness.is_ready());
}

#[tokio::test]
async fn asking_where_nobody_listens_is_an_error() {
    // A free port: one that the system just gave, and that nobody else was given since.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = ask(address).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}
