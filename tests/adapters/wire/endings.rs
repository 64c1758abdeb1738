//! How the worker starts, stops, and says how it is.

use std::net::TcpListener;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use writerlink_engine::ports::Clock as _;
use writerlink_engine::system_clock::SystemClock;

use crate::trial::{Background, ELB_ENDPOINT, OLD, Silence, Trial, completed};

/// Less than an abandoned receive costs: a message that it took is hidden for 30 s. `make stop` has the figures.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A worker whose receive is open: it has carried out an event, and the next receive was sent before that.
async fn polling(trial: &Trial) -> (Background, String) {
    let worker = Background::start(&mut trial.command("run --log json"));
    let started = worker.wait_for("started");
    let first = completed("aurora-source", 2, 1);
    trial.send("aurora-source", &first).await;
    worker.wait_for("Moved");
    (worker, started)
}

#[tokio::test]
async fn sigterm_ends_a_worker_with_0_once_its_open_receive_has_ended() {
    let trial = Trial::ready().await;
    let (worker, started) = polling(&trial).await;
    for part in [
        "aurora-source",
        "writerlink.fifo",
        env!("CARGO_PKG_VERSION"),
        "installation writerlink",
        &format!("config {}", trial.config_hash()),
    ] {
        assert!(started.contains(part), "{started}");
    }
    worker.signal("-TERM");
    let stopping = worker.wait_for("stopping");
    assert!(stopping.contains("s for the open receive"), "{stopping}");
    // What ends the receive is carried out too: nobody else is there.
    let second = completed("aurora-source", 1, 2);
    trial.send("aurora-source", &second).await;
    let (code, took) = worker.ends();
    assert_eq!(code, Some(0));
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(trial.group_holds().await, [OLD]);
}

#[tokio::test]
async fn an_event_that_comes_while_one_of_two_workers_stops_is_not_hidden() {
    for _ in 0..3 {
        let trial = Trial::ready().await;
        let (first, _) = polling(&trial).await;
        trial.move_health_port();
        let second = Background::start(&mut trial.command("run --log json"));
        second.wait_for("started");
        first.signal("-TERM");
        first.wait_for("stopping");
        let event = completed("aurora-source", 1, 2);
        trial.send("aurora-source", &event).await;
        let clock = SystemClock::start();
        while trial.group_holds().await != [OLD] {
            assert!(clock.monotonic() < AT_ONCE, "nobody has the event");
        }
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_at_once_with_work_in_hand() {
    let trial = Trial::ready().await;
    trial.send("aurora-source", &completed("aurora-source", 2, 1)).await;
    let silence = Silence::start();
    let mut command = trial.command("run");
    let worker = Background::start(command.env(ELB_ENDPOINT, silence.endpoint()));
    let _call = silence.wait_for_a_call();
    worker.signal("-TERM");
    worker.wait_for("stopping");
    worker.signal("-INT");
    let (code, _) = worker.ends();
    assert_eq!(code, Some(1));
    assert_eq!(trial.group_holds().await, [OLD], "nothing was lost");
}

#[tokio::test]
async fn the_health_check_is_well_while_the_worker_works_and_not_after() {
    let trial = Trial::ready().await;
    let worker = Background::start(&mut trial.command("run"));
    worker.wait_for("started");
    let well = trial.says("healthcheck --output json");
    assert_eq!(well.code, 0, "{}", well.err);
    assert_eq!(well.json()["health"][0]["status"], "ok");
    worker.signal("-INT");
    worker.wait_for("stopping");
    let stopping = trial.says("healthcheck");
    assert_eq!(stopping.code, 0, "{}", stopping.err);
    worker.signal("-TERM");
    assert_eq!(worker.ends().0, Some(1));
    let gone = trial.says("healthcheck");
    assert_eq!(gone.code, 1);
    assert!(gone.out.contains("unwell"), "{}", gone.out);
    assert!(gone.err.contains("is not well"), "{}", gone.err);
}

#[tokio::test]
async fn a_port_in_use_stops_the_start_and_says_what_to_do() {
    let trial = Trial::ready().await;
    let _taken = TcpListener::bind(("127.0.0.1", trial.health_port())).unwrap();
    let said = trial.says("run");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("worker.health_address to a free port"), "{}", said.err);
    let said = trial.says("run --log json");
    assert_eq!(said.log()[0]["event"], "failed", "{}", said.err);
}

#[tokio::test]
async fn a_visibility_timeout_shorter_than_a_dead_workers_lease_is_refused() {
    let trial = Trial::ready().await;
    let hasty = trial.sqs().set_queue_attributes().queue_url(trial.queue_url().await);
    let hasty = hasty.attributes(QueueAttributeName::VisibilityTimeout, "29");
    hasty.send().await.unwrap();
    let said = trial.says("run --drain");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("--attributes VisibilityTimeout=30"), "{}", said.err);
}

#[tokio::test]
async fn without_setup_the_worker_says_so_instead_of_waiting() {
    let trial = Trial::bare(&["aurora-source"]).await;
    let said = trial.says("run");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("writerlink setup"), "{}", said.err);
}
