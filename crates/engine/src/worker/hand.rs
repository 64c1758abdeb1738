//! What a worker has of one group: kept invisible together, looked through for newer evidence, given back in order.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::attempt::InFlight;
use crate::ports::Message;
use crate::wire;
use crate::wire::Parsed;
use crate::worker::{VISIBILITY, VISIBILITY_RENEW_AFTER, Worker};
use writerlink_core::evidence::routing;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;

/// The messages of one group that are not disposed of yet, kept invisible together.
pub(super) struct MessageBatch<'a> {
    worker: &'a Worker,
    held: Mutex<Held>,
}

struct Held {
    messages: Vec<Message>,
    renewed: Duration,
}

impl<'a> MessageBatch<'a> {
    pub(super) fn new(worker: &'a Worker, messages: Vec<Message>) -> Self {
        let renewed = worker.clock.monotonic();
        Self { worker, held: Mutex::new(Held { messages, renewed }) }
    }

    pub(super) fn first(&self) -> Option<Message> {
        self.with(|held| held.messages.first().cloned())
    }

    pub(super) fn drop_first(&self) {
        self.with(|held| drop(held.messages.remove(0)));
    }

    fn with<T>(&self, look: impl FnOnce(&mut Held) -> T) -> T {
        look(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives back what was not begun, so that it can be received as soon as the group's head is processed.
    pub(super) async fn give_back(&self) {
        let messages = self.with(|held| std::mem::take(&mut held.messages));
        self.set_visibility(messages, Duration::ZERO).await;
    }

    /// All at once: the group stands still until the last one has changed. An attempt waits for this with its lease
    /// running, a worker that stops has little time, and one after another ten slow calls would outlast either.
    async fn set_visibility(&self, messages: Vec<Message>, visibility: Duration) {
        let mut changes = JoinSet::new();
        for message in messages {
            let worker = self.worker.clone();
            changes.spawn(async move {
                let kept = worker.queue.change_visibility(&message, visibility).await;
                worker.note_kept(&message, "ChangeMessageVisibility", kept);
            });
        }
        while changes.join_next().await.is_some() {}
    }
}

#[async_trait]
impl InFlight for MessageBatch<'_> {
    fn deliveries(&self) -> u32 {
        self.with(|held| held.messages.first().map_or(1, |message| message.receive_count))
    }

    fn first_delivery(&self) -> Option<Timestamp> {
        let first = self.first();
        first.map(|message| message.first_received_at)
    }

    fn behind(&self, route: &Route) -> Vec<Evidence> {
        let bodies: Vec<String> = self.with(|held| {
            let behind = held.messages.iter().skip(1);
            behind.map(|message| message.body.clone()).collect()
        });
        let parsed = bodies.iter().map(|body| wire::parse(body));
        let events = parsed.flat_map(|parsed| match parsed {
            Ok(Parsed::Events(events)) => events,
            Ok(Parsed::Drill(_) | Parsed::Ignored(_)) | Err(_) => Vec::new(),
        });
        let concerning = events.filter(|event| routing::concern(route, event).is_some());
        concerning.map(|event| Evidence::new(route, event)).collect()
    }

    async fn keep(&self) {
        self.worker.progress.notify_one();
        let now = self.worker.clock.monotonic();
        let messages = self.with(|held| {
            let fresh = now.saturating_sub(held.renewed) < VISIBILITY_RENEW_AFTER;
            if fresh {
                return Vec::new();
            }
            held.renewed = now;
            held.messages.clone()
        });
        self.set_visibility(messages, VISIBILITY).await;
    }
}
