//! The world's time, and each process's own idea of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::Clock;

/// The true time of a world: an origin on the calendar plus tokio's (paused) clock.
#[derive(Clone, Copy, Debug)]
pub struct WorldTime {
    origin: Instant,
    start: Timestamp,
}

impl WorldTime {
    /// A world that begins now, at `start` of its own calendar.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the embedded world's clock is tokio's paused one")]
    pub fn starting(start: Timestamp) -> Self {
        Self { origin: Instant::now(), start }
    }

    /// How long the world has run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The true time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(self.elapsed())
    }

    /// The true time when the world has run this long.
    #[must_use]
    pub fn at(&self, elapsed: Duration) -> Timestamp {
        self.start.plus(elapsed)
    }
}

/// A process's clock: the world's, off by a skew that can be changed at any moment (a jump).
#[derive(Debug)]
pub struct SkewedClock {
    world: WorldTime,
    skew_ms: AtomicI64,
    random: Mutex<fastrand::Rng>,
}

impl SkewedClock {
    /// A clock that shows the world's time; `seed` decides its random bits.
    #[must_use]
    pub fn new(world: WorldTime, seed: u64) -> Self {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        Self { world, skew_ms: AtomicI64::new(0), random }
    }

    /// Sets how far the wall clock is off. The monotonic clock never jumps.
    pub fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for SkewedClock {
    fn wall(&self) -> Timestamp {
        let skew_ms = self.skew_ms.load(Ordering::Relaxed);
        Timestamp::from_millis(self.world.now().as_millis().saturating_add(skew_ms))
    }

    fn monotonic(&self) -> Duration {
        self.world.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> u128 {
        let mut random = self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        random.u128(..)
    }
}
