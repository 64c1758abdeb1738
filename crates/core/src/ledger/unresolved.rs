//! What is unresolved about a route (I9): evidence that was refused or that waits, and discovery sources that
//! contradict it or cannot tell.
//!
//! Both are part of the route's state, so that every reader of the state shows them, after any restart and from any
//! process. Nothing is "in-sync" while one of them stands. [`crate::status::health`] assesses it.

use crate::evidence::desired::Desired;
use crate::evidence::event::EventKey;
use crate::model::ids::Owner;
use crate::model::names::InstanceId;
use crate::model::outcome::{LEFT_TO_NEWER_FOR, Outcome};
use crate::model::reason::Reason;
use crate::model::time::Timestamp;

/// The newest event that could not be acted on: it was refused, or it waits for something that may never come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnresolvedEvent {
    /// Which event, on this route.
    pub key: EventKey,
    /// The event's own time; of one from the future, when it was refused.
    pub at: Timestamp,
    /// When it was first recorded so.
    pub since: Timestamp,
    /// The instance that it names, if it names one.
    pub names: Option<InstanceId>,
    /// Its outcome; nothing while its message comes back.
    pub outcome: Option<Outcome>,
    /// Why it could not be acted on.
    pub reason: Reason,
    /// The reason as text, with what to do.
    pub note: String,
}

/// What an unresolved event waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// For an operator who resolves it: it is processed, and not delivered again.
    Operator,
    /// For the address of its instance.
    Address,
    /// For the load balancer's quota, or for the pace of moves.
    Quota,
}

impl UnresolvedEvent {
    /// Whether evidence that the route accepted since answers the event: it is not older.
    #[must_use]
    pub fn is_answered_by(&self, accepted: &Desired) -> bool {
        accepted.evidence.at >= self.at
    }

    /// What it waits for.
    #[must_use]
    pub fn awaits(&self) -> Awaits {
        match self.outcome {
            Some(_) => Awaits::Operator,
            None if self.reason == Reason::AddressUnavailable => Awaits::Address,
            None => Awaits::Quota,
        }
    }

    /// Whether its message is still expected and will move the route, so that nothing else has to.
    #[must_use]
    pub fn comes_back(&self, now: Timestamp) -> bool {
        match self.awaits() {
            Awaits::Operator => false,
            Awaits::Address | Awaits::Quota => now.since(self.since) < LEFT_TO_NEWER_FOR,
        }
    }
}

/// Discovery sources that contradict the newest accepted evidence, or one another, or cannot tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConflict {
    /// Since when, by the clock of the process that saw it.
    pub since: Timestamp,
    /// Why, for programs.
    pub reason: Reason,
    /// What each source says, and what is done about it.
    pub note: String,
    /// The process that saw it. Workers may stand behind different resolvers.
    pub by: Owner,
}

impl SourceConflict {
    /// Whether a move leaves it as it is: no move repairs the route's map.
    #[must_use]
    pub fn outlasts_a_move(&self) -> bool {
        self.reason == Reason::MapDiffers
    }
}
