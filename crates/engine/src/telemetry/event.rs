//! What a worker tells: to the log, the metrics, and the demo's story.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::attempt::{LedgerNews, Report, TimerRecord};
use crate::ports::{CallError, Message};
use writerlink_core::ledger::chain::BrokenChain;
use writerlink_core::model::route::Route;

/// What happened, for the log, the metrics and the demo's story.
#[derive(Clone, Debug)]
pub enum WorkerEvent<'a> {
    /// The worker began to work.
    Started {
        /// Whether a timer of its own looks at its routes.
        with_timer: bool,
    },
    /// The receiving loop turned: a receive returned or failed, or, while every place is taken, a group in hand got
    /// further.
    Turned,
    /// The turns of the receiving loop since this was told last: once a minute, as long as there are any.
    Turns(usize),
    /// A receive came back with this many messages.
    Received(usize),
    /// An attempt ended.
    Attempt(&'a Report),
    /// A message is no event of ours; it is deleted.
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
    /// A call of the queue failed. The message concerned comes back by itself.
    QueueFailed(&'a CallError),
    /// The visibility of a message ended while it was worked on: it will be delivered again, harmlessly.
    VisibilityLost {
        /// The message.
        message: &'a Message,
        /// The call that found out.
        call: &'static str,
    },
    /// A task of the worker panicked. Its messages come back.
    Panicked(&'a str),
    /// The timer recorded something besides its attempts.
    Noted {
        /// About which route.
        route: &'a Route,
        /// What.
        noted: &'a TimerRecord,
    },
    /// The timer could not look at a route.
    LookFailed {
        /// Which.
        route: &'a Route,
        /// Why.
        error: &'a CallError,
    },
    /// The map of a events-only route is not compared with anything, since whoever would be asked refuses.
    MapNotCompared {
        /// Which was to be compared.
        route: &'a Route,
        /// Why it is not.
        error: &'a CallError,
    },
    /// Records of a route are not as they were written.
    ChainBroken {
        /// Which.
        route: &'a Route,
        /// Where, and how.
        broken: &'a BrokenChain,
    },
    /// The HTTP server cannot accept connections at the moment. Told when that begins, and once a minute while it lasts.
    HttpNotAccepting {
        /// Where it listens.
        address: SocketAddr,
        /// Why.
        error: &'a io::Error,
    },
    /// A route's state was behind its records, and was rebuilt from them.
    LedgerRecovered {
        /// Which.
        route: &'a Route,
        /// The number of the record that it ended at.
        from: u64,
        /// That of the last record it was rebuilt from.
        to: u64,
    },
    /// A minute went by: how the routes are.
    Summary(Summary),
    /// The ledger was too slow for so many groups at once, or all of them have room again.
    Room {
        /// How many are worked on at most from now on.
        at_most: usize,
        /// How many there could be.
        of: usize,
    },
    /// The worker was told to stop.
    Stopping {
        /// How long what is in hand may take.
        within: Duration,
        /// How long the open receive may take to end; none if none is open.
        receive_ends_within: Option<Duration>,
    },
    /// Work was let go of at the end of the drain limit.
    Released {
        /// How many groups.
        groups: usize,
        /// Whether the receive had not ended either.
        receive_is_open: bool,
    },
}

impl<'a> WorkerEvent<'a> {
    /// What was found out about a route's ledger.
    #[must_use]
    pub fn of_ledger(route: &'a Route, news: &'a LedgerNews) -> Self {
        match news {
            LedgerNews::Broken(broken) => Self::ChainBroken { route, broken },
            LedgerNews::Recovered { from, to } => Self::LedgerRecovered { route, from: *from, to: *to },
        }
    }
}

/// Is told everything worth a line.
pub trait EventSink: Send + Sync {
    /// Something happened. Must not block.
    fn tell(&self, happening: &WorkerEvent<'_>);
}

/// Several observers, told in order.
pub struct EventSinks(pub Vec<Arc<dyn EventSink>>);

impl EventSink for EventSinks {
    fn tell(&self, happening: &WorkerEvent<'_>) {
        self.0.iter().for_each(|observer| observer.tell(happening));
    }
}

/// How the routes of a worker are, told once a minute: also the sign that its timer is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many routes.
    pub routes: usize,
    /// Looks since the last summary.
    pub looks: usize,
    /// Of these, how many failed.
    pub failed: usize,
    /// Routes that differ and are held back by something else than a person, or cannot be put right, and those about
    /// which something is unresolved: a chain of records that is broken, too.
    pub diverged: usize,
    /// Routes paused or frozen for more than [`PAUSED_LONG`].
    pub paused_long: usize,
    /// Routes stopped by the flap rule.
    pub flapping: usize,
    /// Relay routes of which no relay works.
    pub without_relay: usize,
    /// How long ago the oldest look began that is under way, or the verification of a chain.
    pub oldest_look: Option<Duration>,
}
