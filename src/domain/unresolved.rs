//! What is unresolved about a route (I9): evidence that was refused or that waits, and discovery sources that
//! contradict it or cannot tell.
//!
//! Both are part of the route's state, so that every reader of the state shows them, after any restart and from any
//! process. Nothing is "in-sync" while one of them stands. How it is judged says [`super::standing`].

use super::audit::Reason;
use super::decide::{Decision, Verdict};
use super::event::{EventKey, Evidence};
use super::lease::Owner;
use super::route::InstanceId;
use super::time::Timestamp;
use super::transition::{Control, Desired, LEFT_TO_NEWER_FOR, Outcome};

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
    /// How it was settled; nothing while its message comes back.
    pub outcome: Option<Outcome>,
    /// Why it could not be acted on.
    pub reason: Reason,
    /// The same in words, with what to do.
    pub note: String,
}

/// What an unresolved event waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// For somebody who resolves it: it is settled, and nobody delivers it again.
    APerson,
    /// For the address of its instance.
    ItsAddress,
    /// For its turn at the load balancer, or for the pace of moves.
    ItsTurn,
}

impl Decision {
    /// The verdict, if it settles an event that says something about the writer and was not acted on. What is held back
    /// is kept and moves the route later, and what the discovery sources are asked about is theirs to answer.
    #[must_use]
    pub fn leaves_unresolved(&self) -> Option<&Verdict> {
        match self {
            Self::Settle(verdict) => verdict.leaves_unresolved().then_some(verdict),
            Self::Move(_) | Self::Hold(..) | Self::Ask(_) => None,
        }
    }
}

impl Verdict {
    fn leaves_unresolved(&self) -> bool {
        if self.outcome == Outcome::Failed {
            return true;
        }
        match self.reason {
            Reason::UnknownInstance
            | Reason::InstanceNotAllowed
            | Reason::AddressNotAllowed
            | Reason::NoInstanceNamed
            | Reason::FromTheFuture
            | Reason::TruthUnknown
            | Reason::EvidenceTooOld
            | Reason::AddressUnavailable => true,
            // Answered by what the route knows already, or nothing about its writer.
            Reason::EvidenceNotNewer
            | Reason::SettledBefore
            | Reason::NotAFailover
            | Reason::WaitsForCompletion
            // The ends of moves, and of what was held back.
            | Reason::WriterMoved
            | Reason::NothingToDo
            | Reason::RegisteredFirst
            | Reason::CallFailed
            | Reason::NotConverged
            | Reason::LeaseLost
            | Reason::GroupDiffered
            | Reason::Paused
            | Reason::Frozen
            | Reason::Pinned
            | Reason::Observing
            | Reason::Flapping
            | Reason::TooManyMoves
            | Reason::AwaitsTurn
            | Reason::Ordered
            | Reason::TargetServes
            | Reason::TargetDoesNotServe
            | Reason::TargetGone
            // Of the discovery sources.
            | Reason::TruthMoved
            | Reason::WitnessesAsked
            | Reason::TruthUnclear
            | Reason::EventTrusted
            | Reason::SourcesAgree
            | Reason::SourcesContradict
            | Reason::WorkersDisagree
            | Reason::MapDiffers => false,
        }
    }
}

impl UnresolvedEvent {
    /// The event of `evidence`, if it is settled by this decision and was not acted on; nothing if it is no event, or if
    /// evidence that the route has accepted answers it.
    #[must_use]
    pub fn refused(
        control: &Control,
        evidence: &Evidence,
        decision: &Decision,
        now: Timestamp,
    ) -> Option<Self> {
        let verdict = decision.leaves_unresolved()?;
        let event = Self::of(control, evidence, verdict.reason, &verdict.note, now)?;
        Some(Self { outcome: Some(verdict.outcome), ..event })
    }

    /// The event of `evidence`, whose message comes back, if a record of that changes anything: not if the state says
    /// so already, or tells of a newer event.
    #[must_use]
    pub fn waiting(
        control: &Control,
        evidence: &Evidence,
        reason: Reason,
        note: &str,
        now: Timestamp,
    ) -> Option<Self> {
        let waiting = Self::of(control, evidence, reason, note, now)?;
        let known = control.unresolved_event.as_ref();
        known.is_none_or(|known| known.at < waiting.at).then_some(waiting)
    }

    /// The event as one that is not settled.
    fn of(
        control: &Control,
        evidence: &Evidence,
        reason: Reason,
        note: &str,
        now: Timestamp,
    ) -> Option<Self> {
        let event = evidence.ground.event()?;
        // Held to a time that lies ahead, nothing that is true would ever be newer.
        let at = event.at.min(now);
        let mut accepted = control.newest().into_iter();
        if accepted.any(|known| known.evidence.at > at || known.event == evidence.key) {
            return None;
        }
        let before = control.unresolved_event.as_ref();
        let before = before.filter(|before| before.key == evidence.key);
        Some(Self {
            key: evidence.key,
            at,
            since: before.map_or(now, |before| before.since),
            names: evidence.names(),
            outcome: None,
            reason,
            note: note.to_owned(),
        })
    }

    /// Whether evidence that the route accepted since answers the event: it is not older.
    #[must_use]
    pub fn is_answered_by(&self, accepted: &Desired) -> bool {
        accepted.evidence.at >= self.at
    }

    /// What it waits for.
    #[must_use]
    pub fn awaits(&self) -> Awaits {
        match self.outcome {
            Some(_) => Awaits::APerson,
            None if self.reason == Reason::AddressUnavailable => Awaits::ItsAddress,
            None => Awaits::ItsTurn,
        }
    }

    /// Whether its message is still expected, and will move the route: nobody else has to meanwhile.
    #[must_use]
    pub fn comes_back(&self, now: Timestamp) -> bool {
        match self.awaits() {
            Awaits::APerson => false,
            Awaits::ItsAddress | Awaits::ItsTurn => now.since(self.since) < LEFT_TO_NEWER_FOR,
        }
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

impl SourceConflict {
    /// Whether a move leaves it as it is: no move mends the route's map.
    #[must_use]
    pub fn outlasts_a_move(&self) -> bool {
        self.reason == Reason::MapDiffers
    }
}
