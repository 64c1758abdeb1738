//! The questions that a decision asks, in their order, and how each was answered.
//!
//! A decision is the last word of its walk: whoever explains one shows the very walk that made it, so that the two
//! cannot tell different stories.

use std::fmt;

use crate::decision::verdict::{Decision, Verdict};
use crate::model::reason::{Reason, Rule};
use crate::named::named;

/// What is asked about a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum DecisionCheck {
    /// Was the event settled before?
    New,
    /// Is an instance named where its id says that one is?
    NamesAnInstance,
    /// Does it ask for anything?
    AsksForSomething,
    /// Can it have happened already?
    NotFromTheFuture,
    /// Does it say itself who writes, or do the sources have to?
    SaysWhoWrites,
    /// Is it newer than what the route knows?
    News,
    /// Is it young enough to be believed?
    Young,
    /// What do the sources say, and for how long have they said so?
    Sources,
    /// Does the order move anything?
    OrdersAMove,
    /// Is the instance one of `allowed_instances`?
    InstanceAllowed,
    /// Is there an address for it?
    AddressKnown,
    /// Has it a target group of its own, on a weighted route?
    HasAGroup,
    /// Does the address lie in `allowed_cidrs`?
    AddressAllowed,
    /// Does this safety rule let the route go?
    Free(Rule),
    /// Would one more move be one too many?
    FewMoves,
}

impl DecisionCheck {
    /// Every question, in the order in which they are asked.
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

    /// The question at which evidence stops for this reason; none for what is decided elsewhere.
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

    /// Its name.
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

/// Whether the evidence got past a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum CheckResult {
    /// It did.
    Pass,
    /// It did not: the decision fell here.
    Stop,
}
named!(CheckResult without parse);

/// A question that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRecord {
    /// Which.
    pub question: DecisionCheck,
    /// How it was answered.
    pub answer: CheckResult,
    /// The values that were compared, in words.
    pub compared: String,
}

/// A decision and everything that was asked on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionTrace {
    /// Every question that was asked, in order. The last one is a stop unless the decision is to move.
    pub asked: Vec<CheckRecord>,
    /// Where it led.
    pub decision: Decision,
}

impl DecisionTrace {
    /// The walk of evidence that does not get past this question.
    #[must_use]
    pub fn stopped(question: DecisionCheck, verdict: Verdict) -> Self {
        let asked = CheckRecord { question, answer: CheckResult::Stop, compared: verdict.note.clone() };
        Self { asked: vec![asked], decision: verdict.into() }
    }

    /// The same walk with another verdict where it stopped.
    #[must_use]
    pub fn stopped_by(mut self, verdict: Verdict) -> Self {
        if let Some(last) = self.asked.last_mut() {
            last.compared.clone_from(&verdict.note);
        }
        self.decision = verdict.into();
        self
    }

    /// The same walk behind a question that was passed before it.
    #[must_use]
    pub fn behind(mut self, question: DecisionCheck, compared: impl Into<String>) -> Self {
        let asked = CheckRecord { question, answer: CheckResult::Pass, compared: compared.into() };
        self.asked.insert(0, asked);
        self
    }
}

/// Whether anybody wants to know what was compared. The answers are the same; only the words cost time, and a worker
/// that decides needs none for a question that is passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Nobody does.
    #[default]
    Silent,
    /// Somebody does.
    Aloud,
}

impl Trace {
    /// The words, if anybody wants them.
    pub(crate) fn words(self, words: fmt::Arguments<'_>) -> String {
        match self {
            Self::Silent => String::new(),
            Self::Aloud => words.to_string(),
        }
    }
}

/// The questions asked so far; none are kept where nobody wants to know.
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    pub(crate) tell: Trace,
    pub(crate) asked: Vec<CheckRecord>,
}

/// What stopped a walk, in the words that are recorded.
pub(crate) trait Stopped {
    /// The words.
    fn words(&self) -> &str;
}

impl Stopped for Verdict {
    fn words(&self) -> &str {
        &self.note
    }
}

/// Boxed: nearly every question is passed.
impl Stopped for Box<Decision> {
    fn words(&self) -> &str {
        match self.as_ref() {
            Decision::Settle(verdict) | Decision::Ask(verdict) => &verdict.note,
            Decision::Hold(_, brake) => &brake.note,
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
    /// Writes down how a question was answered: with what was compared, or with what stopped the walk.
    pub(crate) fn ask<T, S: Stopped>(
        &mut self,
        question: DecisionCheck,
        answered: Result<(T, String), S>,
    ) -> Result<T, S> {
        if self.tell == Trace::Silent {
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
