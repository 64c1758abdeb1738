//! A transition is one attempt to move a route, from intent to outcome: what the ledger keeps of it, and
//! what becomes of its message. Which changes of that are legal says [`crate::ledger::change`].

use crate::actuation::health::HealthWatch;
use crate::evidence::desired::{Desired, Fact};
use crate::evidence::event::EventKey;
use crate::ledger::holds::Safety;
use crate::ledger::lease::Lease;
use crate::ledger::unresolved::{SourceConflict, UnresolvedEvent};
use crate::model::ids::{Generation, Hash, TransitionId};
use crate::model::names::RouteName;
use crate::model::outcome::{IN_PROGRESS_FOR, LEFT_TO_NEWER_FOR, Outcome};
use crate::model::route::Route;
use crate::model::time::Timestamp;

/// A route, its state, and the time of a decision.
#[derive(Clone, Copy, Debug)]
pub struct RouteContext<'a> {
    /// The route, as configured.
    pub route: &'a Route,
    /// Its state.
    pub control: &'a Assignment,
    /// When, by the wall clock.
    pub now: Timestamp,
}

/// The part of a route's state that decisions read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The fencing token of every ledger write.
    pub generation: Generation,
    /// Who is moving the route, if anyone.
    pub lease: Option<Lease>,
    /// Where it should point. Set with the intent, before any call, and kept when the attempt fails: what
    /// was announced orders what comes after.
    pub desired: Option<Desired>,
    /// Newer evidence that a safety rule holds. It moves the route once the rule is lifted.
    pub waiting: Option<Desired>,
    /// When a failover was last reported as failed: one that started before no longer outranks the sources.
    pub require_reading: Option<Timestamp>,
    /// The holds.
    pub safety: Safety,
    /// The last move, while its effect is awaited.
    pub health_watch: Option<HealthWatch>,
    /// The event with which the discovery sources of some worker have agreed since it was accepted (I3). While it is not
    /// the newest one, a source that contradicts that may just be lagging ([`crate::ledger::sources`]).
    pub agreed_with: Option<EventKey>,
    /// What had happened, by the evidence that the newest one replaced, where that is no fact itself:
    /// a failover that starts, or a command, makes no source newer (I3).
    pub replaced_fact: Option<Fact>,
    /// The newest event that could not be acted on (I9).
    pub unresolved_event: Option<UnresolvedEvent>,
    /// Discovery sources that contradict what is desired, or cannot tell (I9).
    pub source_conflict: Option<SourceConflict>,
}

impl Assignment {
    /// The newest evidence that the route knows of, applied or held. Only newer evidence moves it.
    #[must_use]
    pub fn newest(&self) -> Option<&Desired> {
        [self.desired.as_ref(), self.waiting.as_ref()]
            .into_iter()
            .flatten()
            .max_by_key(|desired| desired.evidence)
    }

    /// Whether pointing the route there changes its target.
    #[must_use]
    pub fn is_moved_by(&self, desired: &Desired) -> bool {
        let standing = self.desired.as_ref();
        standing.is_none_or(|standing| standing.target != desired.target)
    }

    /// Whether an earlier attempt at the event may have moved the route: one failed or died, and not all of them only
    /// waited, or the target changed since the event was first seen.
    #[must_use]
    pub fn may_be_moved_by(&self, event: &EventEntry) -> bool {
        event.attempts > 0 || self.is_moved_since(event.first_seen)
    }

    /// Whether the target changed at that time or later.
    #[must_use]
    pub fn is_moved_since(&self, at: Timestamp) -> bool {
        let last = self.safety.moves.last();
        last.is_some_and(|moved| *moved >= at)
    }
}

/// The end of a route's audit chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainHead {
    /// The sequence number of the last record; 0 before the first.
    pub seq: u64,
    /// The hash of the last record; zeros before the first.
    pub hash: Hash,
}

/// A route as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteState {
    /// Which route.
    pub route: RouteName,
    /// What decisions read.
    pub control: Assignment,
    /// Where its chain ends. Every committed record moves it, so it serves as the version of the state.
    pub chain: ChainHead,
}

impl RouteState {
    /// A route that the ledger has never seen.
    #[must_use]
    pub fn new(route: RouteName) -> Self {
        Self { route, control: Assignment::default(), chain: ChainHead::default() }
    }

    /// The lease, if it is held for this attempt.
    #[must_use]
    pub fn lease_of(&self, transition: TransitionId) -> Option<&Lease> {
        let lease = self.control.lease.as_ref();
        lease.filter(|lease| lease.transition == transition)
    }
}

/// What the ledger keeps of an event on a route: the idempotency record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// Which event, on which route.
    pub key: EventKey,
    /// The ARN it came with, if any. The same key with another ARN is another account's or Region's event.
    pub source_arn: Option<String>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// The last attempt at it.
    pub transition: TransitionId,
    /// How many attempts have begun.
    pub attempts: u32,
    /// Its terminal outcome, once there is one.
    pub settled: Option<Outcome>,
}

impl EventEntry {
    /// Of the event that a route points by: whether a message is on its way that will move the route, its own or
    /// that of the newer evidence which was received behind it, superseded it, and has yet to begin.
    #[must_use]
    pub fn is_in_progress(&self, now: Timestamp) -> bool {
        let left_for = match self.settled {
            None => IN_PROGRESS_FOR,
            Some(Outcome::Superseded) => LEFT_TO_NEWER_FOR,
            Some(_) => return false,
        };
        now.since(self.transition.began()) < left_for
    }

    /// The same of one that newer evidence of the same receive superseded: it will not move the route itself.
    #[must_use]
    pub fn is_left_to_newer(&self, now: Timestamp) -> bool {
        self.settled == Some(Outcome::Superseded) && self.is_in_progress(now)
    }
}
