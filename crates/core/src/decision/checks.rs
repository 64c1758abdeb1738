//! The checks of a decision, in their order, and the result of each.
//!
//! `explain` shows the very trace that made the decision, so the two cannot differ.

use std::fmt;

use crate::decision::verdict::{Decision, Verdict};
use crate::model::reason::{Reason, Rule};
use crate::named::named;

/// A check of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum DecisionCheck {
    /// Was the event processed before?
    New,
    /// Does the text name an instance where the event id promises one?
    NamesAnInstance,
    /// Does it require anything?
    AsksForSomething,
    /// Can it have happened already?
    NotFromTheFuture,
    /// Does it name the writer itself, or is a reading required?
    SaysWhoWrites,
    /// Is it newer than the route's newest evidence?
    News,
    /// Is it younger than `evidence_age_max_seconds`?
    Young,
    /// Do the sources name a writer, and is the reading stable?
    Sources,
    /// Does the command move anything?
    OrdersAMove,
    /// Is the instance one of `allowed_instances`?
    InstanceAllowed,
    /// Is there an address for it?
    AddressKnown,
    /// Has it a target group of its own, on a weighted route?
    HasAGroup,
    /// Does the address lie in `allowed_cidrs`?
    AddressAllowed,
    /// Is this safety rule not in force?
    Free(Rule),
    /// Does flap protection allow one more move?
    FewMoves,
}

impl DecisionCheck {
    /// Every check, in their order.
    pub const ALL: [Self; 19] = [
        Self::New,
        Self::NamesAnInstance,
        Self::AsksForSomething,
        Self::NotFromTheFuture,
        Self::SaysWhoWrites,
        Self::News,
        Self::Young,
        Self::Sources,
        Self::OrdersAMove,
        Self::InstanceAllowed,
        Self::AddressKnown,
        Self::HasAGroup,
        Self::AddressAllowed,
        Self::Free(Rule::IN_ORDER[0]),
        Self::Free(Rule::IN_ORDER[1]),
        Self::Free(Rule::IN_ORDER[2]),
        Self::Free(Rule::IN_ORDER[3]),
        Self::Free(Rule::IN_ORDER[4]),
        Self::FewMoves,
    ];

    /// The check that gives this reason; nothing for a reason that another part decides.
    #[must_use]
    pub fn of(reason: Reason) -> Option<Self> {
        Some(match reason {
            Reason::AlreadyProcessed => Self::New,
            Reason::NoInstanceNamed => Self::NamesAnInstance,
            Reason::NotAFailover | Reason::WaitsForCompletion | Reason::NoSources => Self::AsksForSomething,
            Reason::EventInFuture => Self::NotFromTheFuture,
            Reason::SourcesAsked => Self::SaysWhoWrites,
            Reason::EvidenceNotNewer => Self::News,
            Reason::EvidenceTooOld => Self::Young,
            Reason::SourcesUnclear
            | Reason::EventTrusted
            | Reason::SourcesContradict
            | Reason::WorkersDisagree => Self::Sources,
            Reason::InstanceNotAllowed => Self::InstanceAllowed,
            Reason::UnknownInstance | Reason::AddressUnavailable => Self::AddressKnown,
            Reason::AddressNotAllowed => Self::AddressAllowed,
            Reason::Frozen => Self::Free(Rule::Frozen),
            Reason::Paused => Self::Free(Rule::Paused),
            Reason::Flapping => Self::Free(Rule::Flapping),
            Reason::Pinned => Self::Free(Rule::Pinned),
            Reason::Observing => Self::Free(Rule::Observing),
            Reason::WriterMoved
            | Reason::NothingToDo
            | Reason::RegisteredFirst
            | Reason::CallFailed
            | Reason::NotConverged
            | Reason::LeaseLost
            | Reason::WriterChanged
            | Reason::SourcesAgree
            | Reason::DriftRepaired
            | Reason::TooManyMoves
            | Reason::AwaitsQuota
            | Reason::OperatorCommand
            | Reason::TargetHealthy
            | Reason::TargetNotHealthy
            | Reason::TargetRemoved
            | Reason::RelaysSwitched
            | Reason::RelaysNotSwitched
            | Reason::MapDiffers => return None,
        })
    }

    /// The name, as published.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let Self::Free(rule) = self else {
            return self.into();
        };
        match rule {
            Rule::Frozen => "not-frozen",
            Rule::Paused => "not-paused",
            Rule::Flapping => "not-flapping",
            Rule::Pinned => "not-pinned",
            Rule::Observing => "not-observing",
        }
    }
}

impl fmt::Display for DecisionCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum CheckResult {
    /// Passed.
    Pass,
    /// Not passed: the decision was made here.
    Stop,
}
named!(CheckResult without parse);

/// A check that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRecord {
    /// Which check.
    pub question: DecisionCheck,
    /// Its result.
    pub answer: CheckResult,
    /// The values that were compared, as text.
    pub compared: String,
}

/// A decision and every check on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionTrace {
    /// Every check that ran, in order. The last one is a stop unless the decision is to move.
    pub asked: Vec<CheckRecord>,
    /// The decision.
    pub decision: Decision,
}

impl DecisionTrace {
    /// The trace of evidence that stops at this check.
    #[must_use]
    pub fn stopped(question: DecisionCheck, verdict: Verdict) -> Self {
        let asked = CheckRecord { question, answer: CheckResult::Stop, compared: verdict.note.clone() };
        Self { asked: vec![asked], decision: verdict.into() }
    }

    /// The same trace with another verdict where it stopped.
    #[must_use]
    pub fn stopped_by(mut self, verdict: Verdict) -> Self {
        if let Some(last) = self.asked.last_mut() {
            last.compared.clone_from(&verdict.note);
        }
        self.decision = verdict.into();
        self
    }

    /// The same trace after a check that passed.
    #[must_use]
    pub fn behind(mut self, question: DecisionCheck, compared: impl Into<String>) -> Self {
        let asked = CheckRecord { question, answer: CheckResult::Pass, compared: compared.into() };
        self.asked.insert(0, asked);
        self
    }
}

/// Whether the compared values are recorded. The decision is the same. Only the text costs time, and a worker needs
/// none for a check that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Not recorded.
    #[default]
    Off,
    /// Recorded.
    On,
}

impl Trace {
    /// The text, if it is recorded.
    pub(crate) fn words(self, words: fmt::Arguments<'_>) -> String {
        match self {
            Self::Off => String::new(),
            Self::On => words.to_string(),
        }
    }
}

/// The checks so far; empty with [`Trace::Off`].
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    pub(crate) trace: Trace,
    pub(crate) asked: Vec<CheckRecord>,
}

/// What stopped a decision, as the text that is recorded.
pub(crate) trait Stopped {
    /// The text.
    fn words(&self) -> &str;
}

impl Stopped for Verdict {
    fn words(&self) -> &str {
        &self.note
    }
}

/// Boxed: nearly every check passes.
impl Stopped for Box<Decision> {
    fn words(&self) -> &str {
        match self.as_ref() {
            Decision::Settle(verdict) | Decision::Ask(verdict) => &verdict.note,
            Decision::Hold(_, blocked) => &blocked.note,
            Decision::Move(_) => "it moves",
        }
    }
}

impl From<Verdict> for Box<Decision> {
    fn from(verdict: Verdict) -> Self {
        Self::new(verdict.into())
    }
}

impl Tracer {
    /// Records a check: the values compared, or what stopped the decision.
    pub(crate) fn ask<T, S: Stopped>(
        &mut self,
        question: DecisionCheck,
        answered: Result<(T, String), S>,
    ) -> Result<T, S> {
        if self.trace == Trace::Off {
            return answered.map(|(value, _)| value);
        }
        let (answer, compared, answered) = match answered {
            Ok((value, compared)) => (CheckResult::Pass, compared, Ok(value)),
            Err(stop) => (CheckResult::Stop, stop.words().to_owned(), Err(stop)),
        };
        self.asked.push(CheckRecord { question, answer, compared });
        answered
    }
}
