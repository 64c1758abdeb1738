//! Receives messages, keeps them invisible while they are worked on, and disposes of them.
//!
//! Groups run in parallel, the messages of a group in order. A message that is not processed blocks its
//! group: it becomes visible again after its pause, and those behind it are given back at once, since FIFO
//! lets none of them pass it. A worker that is to stop begins no other receive, and lets the open one end: SQS
//! would hand the next messages to a dropped one too, and hide them. Work in progress is finished, or released after
//! a limit and resumed by the worker that receives it next (`stopping`).

mod drill;
mod hand;
mod shedding;
mod stopping;
mod turns;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::telemetry::event::{EventSink, WorkerEvent};
use crate::worker::hand::MessageBatch;
pub use crate::worker::turns::TURN_LONGEST;
use crate::worker::turns::Turns;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tracing::{Instrument as _, info_span};

use crate::attempt::{AttemptResult, DryRun, InFlight, Reconciler};
use crate::ports::{CallError, Clock, Depth, Extended, Message, Ports, Queue};
use crate::timer::{Reconciling, Timer, Wake};
use crate::wire;
use crate::wire::Parsed;
use writerlink_core::actuation::room::ConcurrencyLimit;
use writerlink_core::evidence::event::{Claim, RdsEvent};
use writerlink_core::evidence::routing;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::model::outcome::{Disposition, retry_after};
use writerlink_core::model::reason::Cause;
use writerlink_core::model::route::Route;
use writerlink_core::model::source_arn::SourceKind;

/// How many messages one receive may bring: the most SQS gives.
const RECEIVE_MAX: u32 = 10;

/// How long one receive waits: the longest SQS allows, so an idle worker makes three calls a minute.
pub const RECEIVE_WAIT: Duration = Duration::from_secs(20);

/// How long one receive waits when the worker is to stop on an empty queue.
const RECEIVE_WAIT_DRAINING: Duration = Duration::from_secs(1);

/// How long a message stays invisible from each renewal. Longer than a lease may be waited for
/// (`lease::LEASE_DURATION` + `writerlink_core::model::time::CLOCK_SKEW_MAX`), so that the next delivery after a crash finds the
/// route free.
pub const VISIBILITY: Duration = Duration::from_secs(30);

/// How old a renewal may get before it is made again. Less than what a lease may use up before it is
/// lengthened, so that lengthening one always lengthens the other.
const VISIBILITY_RENEW_AFTER: Duration = Duration::from_secs(5);

/// What the worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Waits for more, until it is stopped.
    Stopped,
    /// Stops when the queue is empty and nothing is in flight.
    Drained,
}

/// Limits of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many groups are worked on at the same time.
    pub groups_max: usize,
    /// To how many that may fall while the ledger is too slow for more.
    pub groups_min: usize,
    /// How long work in progress may take after a stop signal.
    pub drain_timeout: Duration,
    /// The settings of the reconcile timer.
    pub reconciling: Reconciling,
}

/// The worker: one per process.
#[derive(Clone)]
pub struct Worker {
    queue: Arc<dyn Queue>,
    reconciler: Arc<Reconciler>,
    dry_run: Arc<DryRun>,
    timer: Arc<Timer>,
    routes: Arc<[Route]>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn EventSink>,
    limits: Limits,
    wakes: Option<mpsc::UnboundedSender<Wake>>,
    /// Notified when a group in progress advances.
    progress: Arc<Notify>,
    room: Arc<Mutex<ConcurrencyLimit>>,
    /// The deadline of the drain, after a stop signal.
    ends_at: Arc<OnceLock<Duration>>,
}

impl Worker {
    /// A worker for `routes`.
    #[must_use]
    pub fn new(
        ports: &Ports,
        reconciler: Arc<Reconciler>,
        routes: Arc<[Route]>,
        observer: Arc<dyn EventSink>,
        limits: Limits,
    ) -> Self {
        let (watching, watched) = (Arc::clone(&reconciler), Arc::clone(&routes));
        let timer = Timer::new(ports, watching, watched, Arc::clone(&observer), limits.reconciling);
        Self {
            queue: Arc::clone(&ports.queue),
            clock: Arc::clone(&ports.clock),
            dry_run: Arc::new(DryRun::new(ports)),
            timer: Arc::new(timer),
            reconciler,
            routes,
            observer,
            limits,
            wakes: None,
            progress: Arc::default(),
            room: Arc::new(Mutex::new(ConcurrencyLimit::new(limits.groups_min, limits.groups_max))),
            ends_at: Arc::default(),
        }
    }

    /// Works until `shutdown` is ready (or, with [`Until::Drained`], until the queue is empty), then finishes
    /// work in progress within the drain limit. Returns how many groups it had to release.
    pub async fn run(&self, until: Until, shutdown: impl Future<Output = ()>) -> usize {
        let mut groups = JoinSet::new();
        let mut timer = JoinSet::new();
        let worker = match until {
            Until::Stopped => self.with_timer(&mut timer),
            // One pass over the queue is no watch.
            Until::Drained => self.clone(),
        };
        let with_timer = !timer.is_empty();
        self.record(&WorkerEvent::Started { with_timer });
        let warming = worker.clone();
        groups.spawn(async move { warming.warm_up().await });
        tokio::pin!(shutdown);
        let (mut failures, mut turns) = (0, Turns::default());
        let open = loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break None,
                () = worker.room(&mut groups, &mut turns) => {}
            }
            let mut receive = self.open_receive(until, groups.len());
            let received = tokio::select! {
                biased;
                () = &mut shutdown => break Some(receive),
                received = &mut receive.reply => received,
            };
            self.turned(&mut turns);
            match received {
                Err(error) => {
                    self.record(&WorkerEvent::QueueFailed(&error));
                    failures += 1;
                    let pause = retry_after(failures, self.clock.random());
                    tokio::select! {
                        biased;
                        () = &mut shutdown => break None,
                        () = self.clock.sleep(pause) => {}
                    }
                }
                Ok(messages) => {
                    failures = 0;
                    let none = messages.is_empty();
                    worker.begin(messages, &mut groups);
                    if none && until == Until::Drained && groups.is_empty() && self.is_empty().await {
                        return 0;
                    }
                }
            }
        };
        // Closes the timer's channel: the timer ends after the passes in progress.
        drop(worker);
        self.stop(open, groups, timer).await
    }

    /// A worker whose attempts wake its own timer. The timer runs until all senders are dropped.
    fn with_timer(&self, tasks: &mut JoinSet<()>) -> Self {
        if self.limits.reconciling.interval.is_none() {
            return self.clone();
        }
        let (wakes, receiver) = mpsc::unbounded_channel();
        tasks.spawn(Arc::clone(&self.timer).run(receiver));
        Self { wakes: Some(wakes), ..self.clone() }
    }

    /// Requests an early pass. Does nothing if the timer has ended.
    fn wake(&self, wake: Wake) {
        if let Some(wakes) = &self.wakes {
            drop(wakes.send(wake));
        }
    }

    /// Reads every route's state while the first receive waits, which saves each route's first attempt a
    /// round trip. Where it fails the attempt reads for itself.
    async fn warm_up(&self) {
        for route in self.routes.iter() {
            if self.reconciler.warm_up(&route.name).await.is_err() {
                return;
            }
            self.progress.notify_one();
        }
    }

    /// Waits until there is room for another group. Nothing is received meanwhile, and progress of a group takes the
    /// place of a receive: while a long hand is worked off, the loop is as it should be.
    async fn room(&self, groups: &mut JoinSet<()>, turns: &mut Turns) {
        while groups.len() >= self.places() {
            tokio::select! {
                biased;
                ended = groups.join_next() => self.note_panic(ended),
                () = self.progress.notified() => {}
            }
            self.turned(turns);
        }
        while let Some(ended) = groups.try_join_next() {
            self.note_panic(Some(ended));
        }
    }

    /// Begins to work on what was received, each group in a task of its own.
    fn begin(&self, messages: Vec<Message>, groups: &mut JoinSet<()>) {
        self.record(&WorkerEvent::Received(messages.len()));
        if may_be_more(&messages) {
            self.reconciler.queue().more_may_come();
        }
        for group in in_groups(messages) {
            let worker = self.clone();
            groups.spawn(async move { worker.work_on(group).await });
        }
    }

    async fn is_empty(&self) -> bool {
        match self.queue.depth().await {
            Ok(depth) => depth == Depth::default(),
            Err(error) => {
                self.record(&WorkerEvent::QueueFailed(&error));
                false
            }
        }
    }

    fn note_panic(&self, ended: Option<Result<(), tokio::task::JoinError>>) {
        if let Some(Err(error)) = ended
            && error.is_panic()
        {
            self.record(&WorkerEvent::Panicked(&error.to_string()));
        }
    }

    /// Works on the messages of one group, in order, until one is not processed. None is begun that could not be
    /// finished any more: another worker can have it at once.
    async fn work_on(&self, messages: Vec<Message>) {
        let hand = MessageBatch::new(self, messages);
        while let Some(message) = hand.first() {
            if !self.has_time_for_an_attempt() {
                return hand.give_back().await;
            }
            hand.keep().await;
            let span = info_span!("message", message_id = message.id, message_group = message.group);
            let disposition = self.handle(&message, &hand).instrument(span).await;
            hand.drop_first();
            self.dispose(&message, disposition).await;
            if let Disposition::RetryAfter(_) = disposition {
                hand.give_back().await;
                return;
            }
        }
    }

    /// Settles one message's events, each on every route that it concerns.
    async fn handle(&self, message: &Message, hand: &MessageBatch<'_>) -> Disposition {
        let events = match wire::parse(&message.body) {
            Ok(Parsed::Events(events)) => events,
            Ok(Parsed::Drill(events)) => {
                for told in drill::told(&self.dry_run, &self.routes, &events).await {
                    let reason = &told;
                    self.record(&WorkerEvent::Ignored { message, reason });
                }
                return Disposition::Delete;
            }
            Ok(Parsed::Ignored(reason)) => {
                self.record(&WorkerEvent::Ignored { message, reason: &reason });
                return Disposition::Delete;
            }
            Err(malformed) => {
                let reason = malformed.to_string();
                self.record(&WorkerEvent::Malformed { message, reason: &reason });
                return Disposition::DeadLetter;
            }
        };
        let mut worst = Disposition::Delete;
        for event in &events {
            let concerned = routing::concerned(&self.routes, event);
            for (route, _) in &concerned {
                let asked = self.attempt(route, event, hand).await;
                worst = worst.and(asked);
            }
            if concerned.is_empty() {
                let asks = event.claim() == Ok(Claim::RequireReading);
                if event.kind == SourceKind::Instance && asks && self.is_near(event) {
                    // It may be a member of a route's cluster, which it does not say.
                    self.wake(Wake::Every);
                }
                let reason = &routing::why_no_route(&self.routes, event).to_string();
                self.record(&WorkerEvent::Ignored { message, reason });
            }
        }
        worst
    }

    /// Whether an event that no route follows may still be about something that a route's database depends on: an
    /// instance of it, a deployment. What happens in another account or Region is not.
    fn is_near(&self, event: &RdsEvent) -> bool {
        let mut routes = self.routes.iter();
        routes.any(|route| !route.compare(event).is_elsewhere())
    }

    async fn attempt(&self, route: &Route, event: &RdsEvent, hand: &MessageBatch<'_>) -> Disposition {
        let evidence = Evidence::new(route, event.clone());
        let report = self.reconciler.attempt(route, &evidence, Cause::Event, hand).await;
        self.progress.notify_one();
        self.learn(&report);
        if let Some(news) = self.reconciler.states().take_ledger_finding(&route.name) {
            self.record(&WorkerEvent::of_ledger(route, &news));
        }
        let waits = matches!(report.ended, AttemptResult::Waits(..));
        // It was recorded at its first delivery, and nothing has changed since.
        let is_recorded = waits && report.steps.is_empty() && hand.deliveries() > 1;
        if !is_recorded {
            self.record(&WorkerEvent::Attempt(&report));
        }
        // Nor is there anything to be seen before its turn.
        if !waits {
            self.wake(Wake::Route(route.name.clone()));
        }
        match report.ended {
            // Whoever holds the route is done long before its lease is over, unless it died.
            AttemptResult::Busy(_, at_most) => {
                let pause = retry_after(hand.deliveries(), self.clock.random());
                Disposition::RetryAfter(pause.min(at_most))
            }
            ended => ended.disposition(),
        }
    }

    /// Deletes, delays or dead-letters a message. A failed call loses nothing: the message is redelivered, and its
    /// events are found processed.
    async fn dispose(&self, message: &Message, disposition: Disposition) {
        let (call, kept) = match disposition {
            Disposition::Delete => ("DeleteMessage", self.queue.delete(message).await),
            Disposition::DeadLetter => ("SendMessage", self.queue.dead_letter(message).await),
            Disposition::RetryAfter(pause) => {
                ("ChangeMessageVisibility", self.queue.change_visibility(message, pause).await)
            }
        };
        self.note_kept(message, call, kept);
    }

    fn note_kept(&self, message: &Message, call: &'static str, kept: Result<Extended, CallError>) {
        match kept {
            Ok(Extended::Ours) => {}
            Ok(Extended::Gone) => self.record(&WorkerEvent::VisibilityLost { message, call }),
            Err(error) => self.record(&WorkerEvent::QueueFailed(&error)),
        }
    }

    fn record(&self, happening: &WorkerEvent<'_>) {
        self.observer.record(happening);
    }
}

/// Whether behind these messages there may be more that nobody has seen: what comes back is known already.
fn may_be_more(messages: &[Message]) -> bool {
    let full = u32::try_from(messages.len()).is_ok_and(|n| n >= RECEIVE_MAX);
    full && messages.iter().any(|message| message.receive_count == 1)
}

/// The messages by group, each group in the order it was received.
fn in_groups(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut groups: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for message in messages {
        groups.entry(message.group.clone()).or_default().push(message);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use writerlink_core::model::time::Timestamp;

    fn messages(receive_counts: &[u32]) -> Vec<Message> {
        let message = |receive_count: &u32| Message {
            id: "m".to_owned(),
            group: "orders".to_owned(),
            body: String::new(),
            receipt: "r".to_owned(),
            receive_count: *receive_count,
            sent_at: Timestamp::EPOCH,
            first_received_at: Timestamp::EPOCH,
        };
        receive_counts.iter().map(message).collect()
    }

    #[test]
    fn more_may_come_behind_a_full_receive_with_something_new() {
        assert!(may_be_more(&messages(&[2, 2, 2, 2, 2, 2, 2, 2, 2, 1])));
        assert!(!may_be_more(&messages(&[2; 10])), "all of it came back");
        assert!(!may_be_more(&messages(&[1; 9])), "the queue had no more");
    }
}
