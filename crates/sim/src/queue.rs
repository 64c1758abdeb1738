//! An SQS FIFO queue: groups, visibility, deduplication, redrive, long polling.
//!
//! Sources: SQS Developer Guide, "FIFO queue and message group ID", "Exactly-once processing", "FIFO
//! queues understanding logic", and the API reference of `ReceiveMessage`, `ChangeMessageVisibility`
//! and `DeleteMessage`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::WorldTime;
use crate::faults::lock;
use crate::fifo::{Receive, State, Stored};
use writerlink_core::model::ids::Hash;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::{CallError, Depth, ErrorKind, Extended, Message};

/// How long a copy of a message is dropped, counted from the message itself, received and deleted or not.
pub const DEDUPLICATION_INTERVAL: Duration = Duration::from_mins(5);

/// The most messages of one receive.
pub const RECEIVE_MAX: u32 = 10;

/// How many processes that were served are remembered: more than wait at the same time.
const SERVED_MAX: usize = 64;

/// The longest a receive waits.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// What the journal calls a receive that took messages when its process was dead, or had dropped it.
pub const ABANDONED_RECEIVE: &str = "abandoned ReceiveMessage";

/// The longest a message stays invisible, counted from its receive, whatever is asked for.
pub const INVISIBLE_MAX: Duration = Duration::from_hours(12);

/// How a queue is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// How long a received message is invisible to others.
    pub visibility: Duration,
    /// How often a message is received before it goes to the dead-letter queue instead.
    pub max_receive_count: u32,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            visibility: Duration::from_secs(30),
            // As `aws::setup` makes it.
            max_receive_count: 1000,
        }
    }
}

/// Where a message is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// It can be received, unless another one of its group is in flight.
    Visible,
    /// Somebody has it, until then.
    InFlight {
        /// In true time since the world began.
        until: Duration,
    },
}

/// A message as nobody but a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Its id.
    pub id: String,
    /// Its group.
    pub group: String,
    /// Its text.
    pub body: String,
    /// What its copies are recognized by; of a message that a worker moved here, the id it had.
    pub deduplication_id: String,
    /// How often it was received.
    pub receive_count: u32,
    /// When it was sent to this queue.
    pub sent_at: Timestamp,
    /// Where it is in its life.
    pub state: MessageState,
}

/// A FIFO queue with content-based deduplication, shared by all processes of a world.
#[derive(Debug)]
pub struct FifoQueue {
    name: String,
    time: WorldTime,
    config: QueueConfig,
    pub(super) redrive_to: Option<Arc<FifoQueue>>,
    state: Mutex<State>,
    changed: Notify,
    /// The processes that were served, the last one at the end.
    served: Mutex<VecDeque<String>>,
}

impl FifoQueue {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is set up.
    #[must_use]
    pub fn config(&self) -> &QueueConfig {
        &self.config
    }

    /// An empty queue whose messages go to `redrive_to` when they were received too often. `name` is part
    /// of its messages' ids.
    #[must_use]
    pub fn new(name: &str, time: WorldTime, config: QueueConfig, redrive_to: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            time,
            config,
            redrive_to,
            state: Mutex::default(),
            changed: Notify::new(),
            served: Mutex::default(),
        })
    }

    /// Sends a message, as EventBridge does: a body seen within the deduplication interval is dropped, and
    /// the id is that of the first.
    pub fn send(&self, group: &str, body: &str) -> String {
        // Content-based deduplication: SHA-256 of the body, and of nothing else.
        self.send_with_dedup(group, body, &Hash::of(body).to_string())
    }

    /// Sends a message with a deduplication id of the sender's.
    pub fn send_with_dedup(&self, group: &str, body: &str, dedup_id: &str) -> String {
        let now = self.time.elapsed();
        let mut state = lock(&self.state);
        // Before the interval has gone by once, nothing is too old.
        if let Some(from) = now.checked_sub(DEDUPLICATION_INTERVAL) {
            state.forget_seen(from);
        }
        if let Some(id) = state.seen(dedup_id) {
            return id.clone();
        }
        let id = format!("{}-{:06}", self.name, state.sent + 1);
        let message = Stored {
            id: id.clone(),
            group: group.to_owned(),
            body: body.to_owned(),
            deduplication_id: dedup_id.to_owned(),
            sent_at: self.time.now(),
            first_received_at: None,
            receive_count: 0,
            receive: None,
        };
        state.remember(&message, now);
        self.append(&mut state, message);
        id
    }

    /// Everything in the queue, in the order of sending.
    #[must_use]
    pub fn messages(&self) -> Vec<QueuedMessage> {
        let shown = |(stored, flies): (&Stored, bool)| QueuedMessage {
            id: stored.id.clone(),
            group: stored.group.clone(),
            body: stored.body.clone(),
            deduplication_id: stored.deduplication_id.clone(),
            receive_count: stored.receive_count,
            sent_at: stored.sent_at,
            state: match &stored.receive {
                Some(receive) if flies => MessageState::InFlight { until: receive.invisible_until },
                _ => MessageState::Visible,
            },
        };
        self.state_now().all().map(shown).collect()
    }

    /// What lies in the dead-letter queue; nothing when there is none.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<QueuedMessage> {
        self.redrive_to.as_ref().map(|queue| queue.messages()).unwrap_or_default()
    }

    /// The ids of the messages deleted so far, in order.
    #[must_use]
    pub fn deleted(&self) -> Vec<String> {
        lock(&self.state).deleted.clone()
    }

    /// Drops the list of what was deleted so far.
    pub(super) fn forget(&self) {
        lock(&self.state).deleted = Vec::new();
    }

    /// How full the queue is. Messages behind one in flight count as visible, as AWS counts them.
    #[must_use]
    pub fn depth(&self) -> Depth {
        let (visible, in_flight) = self.state_now().depth();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Depth { visible: count(visible), in_flight: count(in_flight) }
    }

    /// The state at this moment: what has come back by itself is back.
    fn state_now(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.settle(self.time.elapsed());
        state
    }

    fn append(&self, state: &mut State, message: Stored) {
        state.append(message);
        self.changed.notify_waiters();
    }

    /// Takes up to `max` messages: of the group that waits longest as many as there are, then of the next.
    pub(super) fn take(&self, max: u32) -> Vec<Message> {
        let mut state = self.state_now();
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let (mut taken, mut worn_out) = (Vec::new(), Vec::new());
        for place in state.open_places() {
            if taken.len() >= max {
                break;
            }
            if self.is_worn_out(&state, place) {
                worn_out.push(place);
            } else {
                taken.push(place);
            }
        }
        for place in worn_out {
            self.redrive(&mut state, place);
        }
        let hand_over = |place| self.hand_over(&mut state, place);
        taken.into_iter().filter_map(hand_over).collect()
    }

    /// The same for a process, which was served last then.
    pub(super) fn serve(&self, process: &str, max: u32) -> Vec<Message> {
        let taken = self.take(max);
        if !taken.is_empty() {
            let mut served = lock(&self.served);
            served.retain(|name| name != process);
            served.push_back(process.to_owned());
            if served.len() > SERVED_MAX {
                served.pop_front();
            }
        }
        taken
    }

    /// Lets those who were served longer ago go first. SQS documents no preference among those who wait at the same
    /// moment, and in a world without chance the first one would be the same for ever.
    pub(super) async fn let_others_go_first(&self, process: &str) {
        let place = lock(&self.served).iter().position(|name| name == process);
        for _ in 0..place.map_or(0, |place| place + 1) {
            tokio::task::yield_now().await;
        }
    }

    /// Whether a message was received too often to be received again.
    fn is_worn_out(&self, state: &State, place: u64) -> bool {
        let received = state.get(place).map_or(0, |message| message.receive_count);
        self.redrive_to.is_some() && received >= self.config.max_receive_count
    }

    fn hand_over(&self, state: &mut State, place: u64) -> Option<Message> {
        let now = self.time.elapsed();
        let stored = state.get_mut(place)?;
        stored.receive_count += 1;
        let message = Message {
            id: stored.id.clone(),
            group: stored.group.clone(),
            body: stored.body.clone(),
            receipt: format!("{}#{}", stored.id, stored.receive_count),
            receive_count: stored.receive_count,
            sent_at: stored.sent_at,
            first_received_at: *stored.first_received_at.get_or_insert_with(|| self.time.now()),
        };
        let receive = Receive {
            receipt: message.receipt.clone(),
            at: now,
            invisible_until: now + self.config.visibility,
        };
        state.hold(place, receive);
        Some(message)
    }

    /// A redriven message keeps its id; the time of sending starts anew on a FIFO dead-letter queue.
    fn redrive(&self, state: &mut State, place: u64) {
        let (Some(dead_letters), Some(message)) = (&self.redrive_to, state.remove(place)) else {
            return;
        };
        let moved = Stored {
            sent_at: self.time.now(),
            first_received_at: None,
            receive_count: 0,
            receive: None,
            ..message
        };
        dead_letters.append(&mut lock(&dead_letters.state), moved);
    }

    pub(super) fn change_visibility(&self, message: &Message, by: Duration) -> Result<Extended, CallError> {
        let now = self.time.elapsed();
        let mut state = self.state_now();
        let Some((place, receive)) = state.receive_of(message) else {
            return Ok(Extended::Gone);
        };
        if now + by > receive.at + INVISIBLE_MAX {
            let message = "the total visibility timeout is beyond the limit of 12 hours";
            return Err(invalid("ChangeMessageVisibility", message));
        }
        let receive = Receive { invisible_until: now + by, ..receive.clone() };
        state.hold(place, receive);
        self.changed.notify_waiters();
        Ok(Extended::Ours)
    }

    /// On a FIFO queue a delete after the end of the visibility fails; nothing is changed.
    pub(super) fn delete(&self, message: &Message) -> Extended {
        let mut state = self.state_now();
        let Some((place, _)) = state.receive_of(message) else {
            return Extended::Gone;
        };
        state.remove(place);
        state.deleted.push(message.id.clone());
        // The next one of its group may be free now.
        self.changed.notify_waiters();
        Extended::Ours
    }

    /// Waits until something can be received, at most until `deadline`.
    pub(super) async fn available(&self, deadline: Duration) {
        loop {
            // Made before the look: a message that comes in between is not missed.
            let changed = self.changed.notified();
            let now = self.time.elapsed();
            let next_return = {
                let state = self.state_now();
                if now >= deadline || state.open_places().next().is_some() {
                    return;
                }
                state.next_return()
            };
            let look_again = next_return.map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep(look_again.saturating_sub(now)) => {}
            }
        }
    }
}

pub(super) fn invalid(call: &'static str, message: &str) -> CallError {
    CallError {
        code: "InvalidParameterValue".to_owned(),
        ..CallError::without_a_reply(call, ErrorKind::Invalid, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{CallSite, Fate, Fault};
    use crate::plans::Script;
    use crate::process::Process;
    use crate::world::{World, WorldConfig};
    use writerlink_engine::ports::Queue;

    const AT_ONCE: Duration = Duration::ZERO;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn worker(world: &World, name: &str) -> (Arc<Process>, Arc<dyn Queue>) {
        let process = world.process(name);
        let queue = world.queue(&process);
        (process, queue)
    }

    fn world() -> (World, Arc<dyn Queue>) {
        let world = World::new(WorldConfig::default());
        let (_, queue) = worker(&world, "w1");
        (world, queue)
    }

    fn bodies(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|m| m.body.as_str()).collect()
    }

    async fn after(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_is_blocked_while_one_of_its_messages_is_in_flight() {
        let (world, queue) = world();
        world.sqs.send("a", "1");
        let first = queue.receive(1, AT_ONCE).await.unwrap();
        world.sqs.send("a", "2");
        world.sqs.send("b", "3");
        assert_eq!(bodies(&first), ["1"]);
        assert_eq!(bodies(&queue.receive(10, AT_ONCE).await.unwrap()), ["3"]);
        queue.delete(&first[0]).await.unwrap();
        assert_eq!(bodies(&queue.receive(10, AT_ONCE).await.unwrap()), ["2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn several_messages_of_one_group_come_in_one_receive_in_order() {
        let (world, queue) = world();
        for (group, body) in [("b", "1"), ("a", "2"), ("b", "3"), ("b", "4"), ("a", "5")] {
            world.sqs.send(group, body);
        }
        let taken = queue.receive(4, AT_ONCE).await.unwrap();
        assert_eq!(bodies(&taken), ["1", "3", "4", "2"]);
        assert!(queue.receive(10, AT_ONCE).await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_given_back_comes_again_before_those_behind_it() {
        let (world, queue) = world();
        world.sqs.send("a", "1");
        world.sqs.send("a", "2");
        let first = queue.receive(1, AT_ONCE).await.unwrap();
        let kept = queue.change_visibility(&first[0], AT_ONCE).await.unwrap();
        assert_eq!(kept, Extended::Ours);
        let again = queue.receive(10, AT_ONCE).await.unwrap();
        assert_eq!(bodies(&again), ["1", "2"]);
        assert_eq!(again[0].receive_count, 2);
        assert_eq!(again[0].id, first[0].id);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_stays_blocked_until_the_last_of_a_batch_is_back() {
        let (world, queue) = world();
        world.sqs.send("a", "1");
        world.sqs.send("a", "2");
        let taken = queue.receive(10, AT_ONCE).await.unwrap();
        queue.change_visibility(&taken[0], AT_ONCE).await.unwrap();
        assert!(queue.receive(10, AT_ONCE).await.unwrap().is_empty());
        queue.delete(&taken[1]).await.unwrap();
        assert_eq!(bodies(&queue.receive(10, AT_ONCE).await.unwrap()), ["1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_visible_again_when_its_visibility_ends_and_not_before() {
        let (world, queue) = world();
        world.sqs.send("a", "1");
        queue.receive(1, AT_ONCE).await.unwrap();
        after(Duration::from_millis(29_999)).await;
        assert!(queue.receive(1, AT_ONCE).await.unwrap().is_empty());
        after(Duration::from_millis(1)).await;
        assert_eq!(queue.receive(1, AT_ONCE).await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_visibility_counts_at_once_and_ends_at_the_next_receive() {
        let (world, queue) = world();
        world.sqs.send("a", "1");
        let taken = queue.receive(1, AT_ONCE).await.unwrap();
        after(seconds(20)).await;
        queue.change_visibility(&taken[0], seconds(60)).await.unwrap();
        after(seconds(59)).await;
        assert!(queue.receive(1, AT_ONCE).await.unwrap().is_empty());
        after(seconds(1)).await;
        queue.receive(1, AT_ONCE).await.unwrap();
        let until = world.fabric.time.elapsed() + seconds(30);
        assert_eq!(world.sqs.messages()[0].state, MessageState::InFlight { until });
    }

    #[tokio::test(start_paused = true)]
    async fn no_message_is_invisible_for_more_than_twelve_hours() {
        let (world, queue) = world();
        world.sqs.send("a", "1");
        let taken = queue.receive(1, AT_ONCE).await.unwrap();
        let error = queue.change_visibility(&taken[0], INVISIBLE_MAX + seconds(1)).await;
        assert_eq!(error.unwrap_err().kind, ErrorKind::Invalid);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_deleted_after_its_visibility_ended_is_not_deleted() {
        let (world, queue) = world();
        world.sqs.send("a", "1");
        let taken = queue.receive(1, AT_ONCE).await.unwrap();
        after(seconds(30)).await;
        assert_eq!(queue.delete(&taken[0]).await, Ok(Extended::Gone));
        let change = queue.change_visibility(&taken[0], seconds(9)).await;
        assert_eq!(change, Ok(Extended::Gone));
        assert_eq!(world.sqs.depth(), Depth { visible: 1, in_flight: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn the_handle_of_an_earlier_receive_is_good_for_nothing() {
        let (world, queue) = world();
        let (_, other) = worker(&world, "w2");
        world.sqs.send("a", "1");
        let earlier = queue.receive(1, AT_ONCE).await.unwrap();
        after(seconds(30)).await;
        let later = other.receive(1, AT_ONCE).await.unwrap();
        assert_eq!(queue.delete(&earlier[0]).await, Ok(Extended::Gone));
        let change = queue.change_visibility(&earlier[0], AT_ONCE).await;
        assert_eq!(change, Ok(Extended::Gone));
        assert_eq!(other.delete(&later[0]).await, Ok(Extended::Ours));
        assert_eq!(world.sqs.deleted(), [later[0].id.clone()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_within_five_minutes_is_dropped_even_after_deletion() {
        let (world, queue) = world();
        let id = world.sqs.send("a", "1");
        let taken = queue.receive(1, AT_ONCE).await.unwrap();
        queue.delete(&taken[0]).await.unwrap();
        after(Duration::from_millis(299_999)).await;
        assert_eq!(world.sqs.send("b", "1"), id, "whatever its group");
        assert!(world.sqs.messages().is_empty());
        after(Duration::from_millis(1)).await;
        assert_ne!(world.sqs.send("a", "1"), id);
        assert_eq!(world.sqs.messages().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_explicit_deduplication_id_replaces_that_of_the_body() {
        let (world, _) = world();
        let id = world.sqs.send_with_dedup("a", "1", "x");
        assert_eq!(world.sqs.send_with_dedup("a", "2", "x"), id);
        assert_ne!(world.sqs.send_with_dedup("a", "1", "y"), id);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_received_too_often_goes_to_the_dead_letter_queue_with_its_id() {
        let mut config = WorldConfig::default();
        config.queue.max_receive_count = 2;
        let world = World::new(config);
        let (_, queue) = worker(&world, "w1");
        let id = world.sqs.send("a", "1");
        world.sqs.send("a", "2");
        for _ in 0..2 {
            let taken = queue.receive(1, AT_ONCE).await.unwrap();
            assert_eq!(bodies(&taken), ["1"]);
            queue.change_visibility(&taken[0], AT_ONCE).await.unwrap();
        }
        assert_eq!(bodies(&queue.receive(1, AT_ONCE).await.unwrap()), ["2"]);
        let dead = world.sqs.dead_letters();
        assert_eq!((dead.len(), &dead[0].id), (1, &id));
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_dead_lettered_by_a_dying_worker_is_in_both_queues_a_while() {
        let (world, _) = world();
        // Calls 0 and 1 are the receive and the send; the delete is where it dies.
        let script = Script::new().at("w2", 2, Fault::DiesBefore);
        world.fabric.set_plan(Box::new(script));
        let id = world.sqs.send("a", "poison");
        let (process, queue) = worker(&world, "w2");
        let work = async {
            let taken = queue.receive(1, AT_ONCE).await.unwrap();
            queue.dead_letter(&taken[0]).await
        };
        assert_eq!(process.run(work).await, None);
        assert_eq!(world.sqs.messages().len(), 1);
        assert_eq!(world.sqs.dead_letters().len(), 1);

        let (_, successor) = worker(&world, "w3");
        let again = successor.receive(1, WAIT_MAX).await.unwrap();
        assert!(again.is_empty(), "still invisible");
        let again = successor.receive(1, WAIT_MAX).await.unwrap();
        assert_eq!(successor.dead_letter(&again[0]).await, Ok(Extended::Ours));
        assert!(world.sqs.messages().is_empty());
        let dead = world.sqs.dead_letters();
        assert_eq!((dead.len(), &dead[0].deduplication_id), (1, &id));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_poll_ends_empty_at_its_time_and_is_no_timeout() {
        let (world, queue) = world();
        let taken = queue.receive(10, WAIT_MAX).await.unwrap();
        assert!(taken.is_empty());
        assert_eq!(world.fabric.time.elapsed(), WAIT_MAX);
        assert_eq!(world.fabric.journal().len(), 1, "one call");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_poll_wakes_when_a_message_arrives() {
        let (world, queue) = world();
        let send = async {
            after(seconds(7)).await;
            world.sqs.send("a", "1");
        };
        let (taken, ()) = tokio::join!(queue.receive(10, WAIT_MAX), send);
        assert_eq!(bodies(&taken.unwrap()), ["1"]);
        assert_eq!(world.fabric.time.elapsed(), seconds(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_poll_wakes_when_a_group_is_unblocked() {
        let (world, queue) = world();
        world.sqs.send("a", "1");
        world.sqs.send("a", "2");
        let first = queue.receive(1, AT_ONCE).await.unwrap();
        let release = async {
            after(seconds(3)).await;
            queue.delete(&first[0]).await.unwrap();
        };
        let (taken, ()) = tokio::join!(queue.receive(10, WAIT_MAX), release);
        assert_eq!(bodies(&taken.unwrap()), ["2"]);
        assert_eq!(world.fabric.time.elapsed(), seconds(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_poll_wakes_when_a_message_becomes_visible_again() {
        let (world, queue) = world();
        world.sqs.send("a", "1");
        queue.receive(1, AT_ONCE).await.unwrap();
        after(seconds(15)).await;
        let taken = queue.receive(10, WAIT_MAX).await.unwrap();
        assert_eq!(taken[0].receive_count, 2);
        assert_eq!(world.fabric.time.elapsed(), seconds(30));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_waiters_one_gets_the_message_and_the_other_waits_on() {
        let (world, one) = world();
        let (_, two) = worker(&world, "w2");
        // With time on the way both calls are made before either one arrives.
        let round_trip = Fate::in_a_round_trip(Duration::from_millis(100));
        world.fabric.set_plan(Box::new(move |_: &CallSite| round_trip));
        let send = async {
            after(seconds(5)).await;
            world.sqs.send("a", "1");
            after(seconds(5)).await;
            world.sqs.send("b", "2");
        };
        let (one, two, ()) = tokio::join!(one.receive(10, WAIT_MAX), two.receive(10, WAIT_MAX), send);
        let taken = [one.unwrap(), two.unwrap()].concat();
        let mut got = bodies(&taken);
        got.sort_unstable();
        assert_eq!(got, ["1", "2"]);
        let calls = world.fabric.journal().len();
        assert_eq!(calls, 3, "one call came too late");
    }

    /// Drops a receive, or lets its process die, three seconds after it was begun.
    async fn abandon(world: &World, name: &str, dies: bool) {
        let (process, queue) = worker(world, name);
        let receive = tokio::spawn({
            let process = Arc::clone(&process);
            async move { process.run(queue.receive(10, WAIT_MAX)).await }
        });
        after(seconds(3)).await;
        if dies {
            process.kill();
        } else {
            receive.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_receive_takes_the_next_message_for_nobody() {
        for dies in [false, true] {
            let (world, queue) = world();
            abandon(&world, "w2", dies).await;
            let receives = tokio::spawn(async move {
                let first = queue.receive(10, WAIT_MAX).await.unwrap();
                (first, queue.receive(10, WAIT_MAX).await.unwrap())
            });
            after(seconds(3)).await;
            world.sqs.send("a", "1");
            let (first, second) = receives.await.unwrap();
            assert_eq!(first, [], "it is hidden, dies {dies}");
            assert_eq!((bodies(&second), second[0].receive_count), (vec!["1"], 2));
            assert_eq!(world.fabric.time.elapsed(), seconds(36));
            let journal = world.fabric.journal();
            let abandoned = journal.iter().filter(|e| e.call == ABANDONED_RECEIVE);
            let faults: Vec<Fault> = abandoned.map(|effect| effect.fault).collect();
            let fault = if dies { Fault::DiesAfter } else { Fault::None };
            assert_eq!(faults, [fault]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_receive_ends_with_its_wait() {
        let (world, queue) = world();
        abandon(&world, "w2", true).await;
        after(WAIT_MAX).await;
        world.sqs.send("a", "1");
        assert_eq!(queue.receive(10, AT_ONCE).await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_receive_that_has_ended_takes_nothing_more() {
        let (world, queue) = world();
        assert_eq!(queue.receive(10, seconds(1)).await, Ok(Vec::new()));
        world.sqs.send("a", "1");
        assert_eq!(queue.receive(10, AT_ONCE).await.unwrap().len(), 1);
        assert_eq!(world.fabric.journal().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_always_waits_is_served_in_turn() {
        let world = World::new(WorldConfig::default());
        let round_trip = Fate::in_a_round_trip(Duration::from_millis(100));
        world.fabric.set_plan(Box::new(move |_: &CallSite| round_trip));
        let served: Arc<Mutex<Vec<&str>>> = Arc::default();
        for name in ["w1", "w2", "w3"] {
            let (_, queue) = worker(&world, name);
            let served = Arc::clone(&served);
            tokio::spawn(async move {
                loop {
                    let got = queue.receive(10, WAIT_MAX).await.unwrap();
                    lock(&served).extend(got.iter().map(|_| name));
                }
            });
        }
        for n in 1..=6 {
            after(seconds(3)).await;
            world.sqs.send(&format!("g{n}"), &n.to_string());
        }
        after(seconds(3)).await;
        assert_eq!(*lock(&served), ["w1", "w2", "w3", "w1", "w2", "w3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_process_received_when_it_died_comes_back_after_its_visibility() {
        let (world, _) = world();
        let (process, queue) = worker(&world, "w2");
        let plan = Script::new().fate_at("w2", 0, Fate::meets(Fault::DiesAfter));
        world.fabric.set_plan(Box::new(plan));
        world.sqs.send("a", "1");
        assert_eq!(process.run(queue.receive(1, AT_ONCE)).await, None);
        assert_eq!(world.sqs.depth(), Depth { visible: 0, in_flight: 1 });
        after(seconds(30)).await;
        assert_eq!(world.sqs.depth(), Depth { visible: 1, in_flight: 0 });
    }
}
