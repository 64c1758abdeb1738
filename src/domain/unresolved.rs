//! What is unresolved about a route (I9): evidence that was refused or that waits, and discovery sources that
//! contradict it or cannot tell.
//!
//! Both are part of the route's state, so that every reader of the state shows them, after any restart and from any
//! process. Nothing is "in-sync" while one of them stands.

use super::audit::Reason;
use super::event::EventKey;
use super::lease::Owner;
use super::time::Timestamp;
use super::transition::Desired;

/// The newest event that could not be acted on: it was refused, or it waits for something that may never come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnresolvedEvent {
    /// Which event, on this route.
    pub key: EventKey,
    /// The event's own time.
    pub at: Timestamp,
    /// When it was first recorded so.
    pub since: Timestamp,
    /// Why it could not be acted on.
    pub reason: Reason,
    /// The same in words, with what to do.
    pub note: String,
}

impl UnresolvedEvent {
    /// Whether evidence that the route accepted since answers the event: it is not older.
    #[must_use]
    pub fn is_answered_by(&self, accepted: &Desired) -> bool {
        accepted.evidence.at >= self.at
    }
}

/// Discovery sources that contradict the newest accepted evidence, or one another, or cannot tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConflict {
    /// Since when, by the clock of the process that saw it.
    pub since: Timestamp,
    /// In a word.
    pub reason: Reason,
    /// What each source says, and what is done about it.
    pub note: String,
    /// The process that saw it. Workers may stand behind different resolvers.
    pub by: Owner,
}
