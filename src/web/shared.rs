//! Reads that viewers share: viewers must not use up the API quotas that the worker needs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use writerlink_engine::ports::Clock;

/// How long a read is shared: a page that is reloaded all the time costs as much as one that is opened six
/// times a minute. Every state of the load balancer lasts longer than ten seconds.
pub const REFRESHED_EVERY: Duration = Duration::from_secs(10);

/// How many answers are cached: the last pages that were viewed.
const CACHED_MAX: usize = 32;

/// How reads are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CachePolicy {
    /// How long an answer is shared.
    pub(super) keep: Duration,
    /// How long after one read the next one begins at the earliest.
    pub(super) gap: Duration,
}

/// Answers by key. There is one read at a time; requests for the same key meanwhile share its answer.
pub(super) struct Shared<K, V> {
    clock: Arc<dyn Clock>,
    pace: CachePolicy,
    kept: Arc<Mutex<Cached<K, V>>>,
}

struct Cached<K, V> {
    answers: VecDeque<(K, Duration, Arc<V>)>,
    next_read: Duration,
}

impl<K, V> Shared<K, V>
where
    K: PartialEq + Send + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(clock: Arc<dyn Clock>, pace: CachePolicy) -> Self {
        let kept = Cached { answers: VecDeque::new(), next_read: Duration::ZERO };
        Self { clock, pace, kept: Arc::new(Mutex::new(kept)) }
    }

    /// The answer to `key`: the cached one while it is fresh, otherwise the result of `read`. `None` if the
    /// read panicked.
    pub(super) async fn get(&self, key: K, read: impl Future<Output = V> + Send + 'static) -> Option<Arc<V>> {
        let mut kept = Arc::clone(&self.kept).lock_owned().await;
        if let Some(fresh) = kept.fresh(&key, self.clock.monotonic(), self.pace.keep) {
            return Some(fresh);
        }
        let (clock, pace) = (Arc::clone(&self.clock), self.pace);
        // A task of its own: a viewer who disconnects drops this future, and one who reconnects all the time
        // would start a read each time and never leave an answer.
        let reading = tokio::spawn(async move {
            let wait = kept.next_read.saturating_sub(clock.monotonic());
            clock.sleep(wait).await;
            let answer = Arc::new(read.await);
            let now = clock.monotonic();
            kept.next_read = now + pace.gap;
            kept.put(key, now, Arc::clone(&answer));
            answer
        });
        reading.await.ok()
    }
}

impl<K: PartialEq, V> Cached<K, V> {
    fn fresh(&self, key: &K, now: Duration, keep: Duration) -> Option<Arc<V>> {
        let kept = self.answers.iter().find(|(known, ..)| known == key);
        let fresh = kept.filter(|(_, read, _)| now.saturating_sub(*read) < keep);
        fresh.map(|(.., answer)| Arc::clone(answer))
    }

    fn put(&mut self, key: K, now: Duration, answer: Arc<V>) {
        self.answers.retain(|(known, ..)| *known != key);
        if self.answers.len() >= CACHED_MAX {
            self.answers.pop_front();
        }
        self.answers.push_back((key, now, answer));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use writerlink_core::model::time::Timestamp;

    /// Tokio's own clock, which a test pauses.
    struct Paused(tokio::time::Instant);

    #[async_trait]
    impl Clock for Paused {
        fn wall(&self) -> Timestamp {
            Timestamp::EPOCH
        }
        fn monotonic(&self) -> Duration {
            self.0.elapsed()
        }
        async fn sleep(&self, duration: Duration) {
            tokio::time::sleep(duration).await;
        }
        fn random(&self) -> u128 {
            0
        }
    }

    const PACE: CachePolicy = CachePolicy { keep: Duration::from_secs(10), gap: Duration::from_secs(2) };

    struct Viewers {
        shared: Shared<u32, usize>,
        reads: Arc<AtomicUsize>,
    }

    impl Viewers {
        fn new() -> Self {
            #[expect(clippy::disallowed_methods, reason = "tokio's clock, paused by the test")]
            let clock = Arc::new(Paused(tokio::time::Instant::now()));
            Self { shared: Shared::new(clock, PACE), reads: Arc::default() }
        }

        async fn ask(&self, key: u32) -> Option<Arc<usize>> {
            let reads = Arc::clone(&self.reads);
            let read = async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                reads.fetch_add(1, Ordering::Relaxed)
            };
            self.shared.get(key, read).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reading_all_pages_keeps_to_the_pace_and_to_bounded_memory() {
        let viewers = Viewers::new();
        let began = viewers.shared.clock.monotonic();
        for page in 0..40 {
            viewers.ask(page).await;
        }
        let took = viewers.shared.clock.monotonic().saturating_sub(began);
        assert!(took >= PACE.gap * 39, "{took:?}");
        assert_eq!(viewers.shared.kept.lock().await.answers.len(), CACHED_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_who_disconnects_leaves_the_answer_for_the_next() {
        let viewers = Viewers::new();
        let gone = tokio::time::timeout(Duration::from_millis(500), viewers.ask(1)).await;
        assert!(gone.is_err());
        assert_eq!(viewers.ask(1).await, Some(0.into()));
    }
}
