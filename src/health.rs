//! Whether the worker's loop still turns and what it still waits for, and the client that asks a worker.
//!
//! ECS kills a task that answers badly, so the answer is about this process alone. An AWS service that cannot
//! be reached is no reason: a restart would not bring it back, and would let go of what is in hand.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ports::Clock;
use crate::worker::{Happening, Observer};

/// How long the loop may go without a turn: a receive waits 20 s, a failed one pauses 30 s at most, and a worker that was
/// told to stop ends within 115 s.
const STILL_AFTER: Duration = Duration::from_mins(2);

/// How long a health check waits for its answer; ECS gives it 5 s by default.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4096;

/// The pulse of a worker: when its loop last turned.
pub struct Pulse {
    clock: Arc<dyn Clock>,
    last_turn_ms: AtomicU64,
}

impl Pulse {
    /// A pulse that beats now.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let pulse = Self {
            clock,
            last_turn_ms: AtomicU64::new(0),
        };
        pulse.beat();
        Arc::new(pulse)
    }

    fn beat(&self) {
        self.last_turn_ms
            .store(self.monotonic_ms(), Ordering::Relaxed);
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long ago the loop last turned.
    #[must_use]
    pub fn still_for(&self) -> Duration {
        let last = self.last_turn_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.monotonic_ms().saturating_sub(last))
    }

    /// Whether it turned lately enough.
    #[must_use]
    pub fn is_beating(&self) -> bool {
        self.still_for() < STILL_AFTER
    }
}

impl Observer for Pulse {
    fn tell(&self, _: &Happening<'_>) {
        self.beat();
    }
}

/// What a worker needs once before it can be of use: that the ledger could be read, and that the queue has answered.
/// What fails later is no reason to be unready again: nobody else would do this worker's work. One that was told to stop
/// is not ready any more.
#[derive(Debug, Default)]
pub struct Readiness {
    ledger: AtomicBool,
    queue: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// Somebody has read the ledger.
    pub fn ledger_was_read(&self) {
        self.ledger.store(true, Ordering::Relaxed);
    }

    /// Whether the ledger was read.
    #[must_use]
    pub fn has_ledger(&self) -> bool {
        self.ledger.load(Ordering::Relaxed)
    }

    /// Whether it was told to stop, and takes no more.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether it takes messages.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.waits_for().is_empty()
    }

    /// What is still to come, by name.
    #[must_use]
    pub fn waits_for(&self) -> Vec<&'static str> {
        let queue = self.queue.load(Ordering::Relaxed);
        let parts = [("ledger", self.has_ledger()), ("queue", queue)];
        let missing = parts.into_iter().filter(|(_, there)| !there);
        missing.map(|(name, _)| name).collect()
    }
}

impl Observer for Readiness {
    fn tell(&self, happening: &Happening<'_>) {
        match happening {
            Happening::Received(_) => self.queue.store(true, Ordering::Relaxed),
            Happening::Attempt(report) if report.generation.is_some() => self.ledger_was_read(),
            Happening::Summary(summary) if summary.looks > summary.failed => self.ledger_was_read(),
            Happening::Stopping { .. } => self.stopping.store(true, Ordering::Relaxed),
            _ => {}
        }
    }
}

/// Asks the worker at `address`; `Ok` holds its answer when it is well.
///
/// # Errors
/// When nothing answers in time, or the answer is that the worker is stuck.
pub async fn ask(address: SocketAddr) -> io::Result<String> {
    let answer = tokio::time::timeout(ASK_TIMEOUT, exchange(address)).await;
    let answer = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or((answer.as_str(), ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        return Ok(body.trim().to_owned());
    }
    Err(io::Error::other(format!(
        "the worker answered {status}: {}",
        body.trim()
    )))
}

/// One HTTP/1.0 exchange: the answer ends with the connection, so there is nothing to parse but a line.
async fn exchange(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_string(&mut answer)
        .await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::domain::time::Timestamp;

    /// A clock that stands where it is put.
    #[derive(Default)]
    struct Still(Mutex<Duration>);

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

    /// A free port: one that the system just gave, and that nobody else was given since.
    async fn free_address() -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    #[test]
    fn a_worker_whose_loop_turns_is_well_and_one_that_stands_still_is_not() {
        let clock = Arc::new(Still::default());
        let pulse = Pulse::new(Arc::clone(&clock) as _);
        assert!(pulse.is_beating());
        *clock.0.lock().unwrap() = STILL_AFTER;
        assert!(!pulse.is_beating());
        pulse.tell(&Happening::Received(0));
        assert!(pulse.is_beating(), "a turn of the loop makes it well again");
    }

    #[test]
    fn a_worker_is_ready_once_ledger_and_queue_have_answered_and_says_what_it_waits_for() {
        let readiness = Readiness::default();
        assert_eq!(readiness.waits_for(), ["ledger", "queue"]);
        let minute = |looks, failed| {
            Happening::Summary(crate::timer::Summary {
                looks,
                failed,
                ..Default::default()
            })
        };
        readiness.tell(&minute(3, 3));
        assert_eq!(
            readiness.waits_for(),
            ["ledger", "queue"],
            "no look went well"
        );
        readiness.tell(&minute(3, 2));
        assert_eq!(readiness.waits_for(), ["queue"]);
        readiness.tell(&Happening::Received(0));
        assert_eq!(readiness.waits_for(), [""; 0]);
        assert!(readiness.is_ready());
    }

    #[test]
    fn a_stopping_worker_is_not_ready_and_well() {
        let clock = Arc::new(Still::default());
        let (pulse, readiness) = (Pulse::new(Arc::clone(&clock) as _), Readiness::default());
        readiness.ledger_was_read();
        readiness.tell(&Happening::Received(0));
        *clock.0.lock().unwrap() = STILL_AFTER;
        let stopping = Happening::Stopping {
            within: Duration::from_secs(115),
            receive_ends_within: Some(Duration::from_secs(20)),
        };
        readiness.tell(&stopping);
        pulse.tell(&stopping);
        assert!(!readiness.is_ready());
        assert!(
            pulse.is_beating(),
            "its drain is shorter than what a turn may take"
        );
    }

    #[tokio::test]
    async fn asking_where_nobody_listens_is_an_error() {
        let error = ask(free_address().await).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
