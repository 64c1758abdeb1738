//! How a worker stops: what its open receive brings is lost for nobody.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rig;

use std::time::Duration;

use rig::Rig;
use writerlink::embedded::fleet::Running;

const SECOND: Duration = Duration::from_secs(1);

/// A worker that was told to stop this long after it began, its first receive being open; another one that began a
/// second later; and an event that came this long after the signal.
async fn stopped(told_at: Duration, event_after: Duration) -> (Rig, Running, Running) {
    let rig = Rig::new(&["orders"]).await;
    let first = rig.start("w1");
    tokio::time::sleep(told_at).await;
    first.stop();
    tokio::time::sleep(event_after.min(SECOND)).await;
    let second = rig.start("w2");
    tokio::time::sleep(event_after.saturating_sub(SECOND)).await;
    rig.fleet.world.deliver(&rig.completed(0, 2, 60));
    (rig, first, second)
}

#[tokio::test(start_paused = true)]
async fn an_event_after_a_stop_is_carried_out_within_a_second() {
    for event_after in [0, 1, 3, 9, 11, 15, 18, 19] {
        let (rig, _first, _second) = stopped(SECOND, event_after * SECOND).await;
        tokio::time::sleep(SECOND).await;
        assert_eq!(
            rig.registered(0),
            [rig.target(0, 2)],
            "the event came {event_after} s after the signal"
        );
    }
}
