//! What a worker reports to the log, the metrics and the demo.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::attempt::{LedgerFinding, Report, TimerRecord};
use crate::ports::{CallError, Message};
use writerlink_core::ledger::chain::BrokenChain;
use writerlink_core::model::route::Route;

/// An event that the log, the metrics or the demo use.
#[derive(Clone, Debug)]
pub enum WorkerEvent<'a> {
    /// The worker began to work.
    Started {
        /// Whether this worker has a reconcile timer.
        with_timer: bool,
    },
    /// The receive loop made progress: a receive returned or failed, or a group in progress did while
    /// all slots are taken.
    LoopPassed,
    /// The passes of the receive loop since the last such event: once a minute, unless there were none.
    LoopPasses(usize),
    /// A receive came back with this many messages.
    Received(usize),
    /// An attempt ended.
    Attempt(&'a Report),
    /// A message is not an event of a configured route; it is deleted.
    Ignored {
        /// The message.
        message: &'a Message,
        /// Why.
        reason: &'a str,
    },
    /// A message cannot be read; it goes to the dead-letter queue.
    Malformed {
        /// The message.
        message: &'a Message,
        /// Why, with the place.
        reason: &'a str,
    },
    /// A call of the queue failed. The queue redelivers the message concerned.
    QueueFailed(&'a CallError),
    /// A message's visibility timeout ended during its processing. It is redelivered, which is harmless.
    VisibilityLost {
        /// The message.
        message: &'a Message,
        /// The call that failed because of it.
        call: &'static str,
    },
    /// A task of the worker panicked. Its messages are redelivered.
    Panicked(&'a str),
    /// The timer recorded something besides its attempts.
    TimerRecorded {
        /// The route.
        route: &'a Route,
        /// The record.
        noted: &'a TimerRecord,
    },
    /// A reconcile pass of a route failed.
    ReconcileFailed {
        /// The route.
        route: &'a Route,
        /// Why.
        error: &'a CallError,
    },
    /// The instance map of an events-only route cannot be compared with RDS: the call is refused.
    MapNotCompared {
        /// The route.
        route: &'a Route,
        /// Why.
        error: &'a CallError,
    },
    /// A reconcile pass of a route ended. Only the page uses it: it reads routes that differ first.
    PassEnded {
        /// The route.
        route: &'a Route,
        /// Whether it differs from the desired target, or has something unresolved.
        differs: bool,
    },
    /// A route's audit chain is broken.
    ChainBroken {
        /// The route.
        route: &'a Route,
        /// Where, and how.
        broken: &'a BrokenChain,
    },
    /// The HTTP server cannot accept connections. Reported at once, then once a minute while it lasts.
    HttpNotAccepting {
        /// Where it listens.
        address: SocketAddr,
        /// Why.
        error: &'a io::Error,
    },
    /// A route's state was behind its records, and was rebuilt from them.
    LedgerRecovered {
        /// The route.
        route: &'a Route,
        /// The number of the record that it ended at.
        from: u64,
        /// That of the last record it was rebuilt from.
        to: u64,
    },
    /// The state of all routes, once a minute.
    Summary(Summary),
    /// The limit on groups processed at once changed, because of the ledger's latency.
    ConcurrencyLimit {
        /// The limit from now on.
        at_most: usize,
        /// The configured maximum.
        of: usize,
    },
    /// The worker received a stop signal.
    Stopping {
        /// How long work in progress may take.
        within: Duration,
        /// How long the open receive may take to end; none if none is open.
        receive_ends_within: Option<Duration>,
    },
    /// Groups were released unfinished at the end of the drain limit.
    Released {
        /// How many groups.
        groups: usize,
        /// Whether the receive had not ended either.
        receive_is_open: bool,
    },
}

impl<'a> WorkerEvent<'a> {
    /// The event for a finding about a route's ledger.
    #[must_use]
    pub fn of_ledger(route: &'a Route, finding: &'a LedgerFinding) -> Self {
        match finding {
            LedgerFinding::Broken(broken) => Self::ChainBroken { route, broken },
            LedgerFinding::Recovered { from, to } => Self::LedgerRecovered { route, from: *from, to: *to },
        }
    }
}

/// Receives the worker's events.
pub trait EventSink: Send + Sync {
    /// Records the event. Must not block.
    fn record(&self, happening: &WorkerEvent<'_>);
}

/// Several sinks, called in order.
pub struct EventSinks(pub Vec<Arc<dyn EventSink>>);

impl EventSink for EventSinks {
    fn record(&self, happening: &WorkerEvent<'_>) {
        self.0.iter().for_each(|sink| sink.record(happening));
    }
}

/// The state of a worker's routes, once a minute. It also proves that the timer is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many routes.
    pub routes: usize,
    /// Reconcile passes since the last summary.
    pub passes: usize,
    /// Of these, how many failed.
    pub failed: usize,
    /// Routes that are out of sync, have an unresolved event or a source conflict, or have a broken audit chain.
    pub out_of_sync: usize,
    /// Routes paused or frozen for more than [`PAUSED_LONG`].
    pub paused_long: usize,
    /// Routes held by flap protection.
    pub flap_protected: usize,
    /// Relay routes of which no relay works.
    pub without_relay: usize,
    /// Age of the oldest reconcile pass or chain verification in progress.
    pub oldest_pass: Option<Duration>,
}
