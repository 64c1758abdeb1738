//! What a stretch of work cost this process.

use std::fs;
use std::time::{Duration, Instant};

/// Linux's page on x86-64 and on the Graviton images of ECS.
const PAGE_BYTES: u64 = 4096;

/// Real time and the thread's CPU time since it was started. The benchmarks run on one thread, tokio's included.
pub(crate) struct Meter {
    wall: Instant,
    cpu: Duration,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { wall: now(), cpu: cpu() }
    }

    pub(crate) fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    pub(crate) fn cpu(&self) -> Duration {
        cpu().saturating_sub(self.cpu)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "real time is what a benchmark measures; the world's own clock is paused"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// In nanoseconds, brought up to date at every tick of the kernel: good for stretches, not for single moments.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// The resident memory of this process, in MiB.
pub(crate) fn resident_mib() -> f64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    mib(pages * PAGE_BYTES)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people, with one decimal")]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// So many for each of `count`.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn each(total: f64, count: u64) -> f64 {
    total / count as f64
}

/// The value below which this part of them lies, after sorting.
pub(crate) fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * percent / 100).min(last)).copied().unwrap_or_default()
}

/// Milliseconds with two decimals.
pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1e3)
}

/// Microseconds.
pub(crate) fn us(seconds: f64) -> String {
    format!("{:.0}", seconds * 1e6)
}
