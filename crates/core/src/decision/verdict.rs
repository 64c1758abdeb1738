//! What can be decided about evidence.

use crate::evidence::desired::Desired;
use crate::ledger::holds::Blocked;
use crate::model::outcome::Outcome;
use crate::model::reason::Reason;

/// What is to be done about a piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Move the route there.
    Move(Desired),
    /// No call: a safety rule holds the route. The desired target is kept until the rule is lifted.
    Hold(Desired, Blocked),
    /// No call: record this, and require a reading soon ([`crate::ledger::change::StateUpdate::of_asking`]).
    Ask(Verdict),
    /// No call: record this and be done.
    Settle(Verdict),
}

/// The outcome of an attempt, with its reason for programs and its note for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Why, as text.
    pub note: String,
}

impl Verdict {
    /// A verdict of this outcome, reason and note.
    #[must_use]
    pub fn new(outcome: Outcome, reason: Reason, note: impl Into<String>) -> Self {
        Self { outcome, reason, note: note.into() }
    }
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        Self::Settle(verdict)
    }
}

/// The value of a check that passed, with the values compared; or the decision.
pub(crate) type Ruled<T> = Result<(T, String), Box<Decision>>;

impl Decision {
    /// The verdict, if it ends an event that says something about the writer and was not acted on. Held evidence moves
    /// the route later, and a reading answers what requires one.
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
            | Reason::EventInFuture
            | Reason::NoSources
            | Reason::EvidenceTooOld
            | Reason::AddressUnavailable => true,
            // Answered by what the route knows already, or nothing about its writer.
            Reason::EvidenceNotNewer
            | Reason::AlreadyProcessed
            | Reason::NotAFailover
            | Reason::WaitsForCompletion
            // The ends of moves, and of held ones.
            | Reason::WriterMoved
            | Reason::NothingToDo
            | Reason::RegisteredFirst
            | Reason::CallFailed
            | Reason::NotConverged
            | Reason::LeaseLost
            | Reason::DriftRepaired
            | Reason::Paused
            | Reason::Frozen
            | Reason::Pinned
            | Reason::Observing
            | Reason::Flapping
            | Reason::TooManyMoves
            | Reason::AwaitsQuota
            | Reason::OperatorCommand
            | Reason::TargetHealthy
            | Reason::TargetNotHealthy
            | Reason::TargetRemoved
            | Reason::RelaysSwitched
            | Reason::RelaysNotSwitched
            // Of the discovery sources.
            | Reason::WriterChanged
            | Reason::SourcesAsked
            | Reason::SourcesUnclear
            | Reason::EventTrusted
            | Reason::SourcesAgree
            | Reason::SourcesContradict
            | Reason::WorkersDisagree
            | Reason::MapDiffers => false,
        }
    }
}
