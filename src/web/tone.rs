//! How a state, a record or a transition is rated.

use writerlink_core::ledger::record::RecordKind;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::status::health::RouteHealth;

/// The rating of a state or record: a CSS class with a colour, repeated by a sign and a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// A person has to act.
    Bad,
    /// Held by a rule or a person.
    Held,
    /// In progress.
    UnderWay,
    /// Nothing had to be done.
    Plain,
    /// It could not be determined.
    Unknown,
    /// A person has to look, though no client is affected by it alone.
    Warning,
}

impl Tone {
    /// The sign beside the word.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✕",
            Self::Held => "‖",
            Self::UnderWay => "→",
            Self::Plain => "·",
            Self::Unknown => "?",
            Self::Warning => "!",
        }
    }

    /// Of a record, or of an attempt by its last one.
    pub(super) fn of(kind: RecordKind, outcome: Option<Outcome>) -> Self {
        match outcome {
            Some(Outcome::Moved | Outcome::Registered) => Self::Good,
            Some(Outcome::Failed | Outcome::Rejected) => Self::Bad,
            Some(Outcome::Paused | Outcome::Observed) => Self::Held,
            Some(Outcome::AlreadyThere | Outcome::Superseded | Outcome::Duplicate | Outcome::Ignored) => {
                Self::Plain
            }
            None => Self::of_kind(kind),
        }
    }

    fn of_kind(kind: RecordKind) -> Self {
        match kind {
            RecordKind::TargetHealthy | RecordKind::RelaysSwitched => Self::Good,
            RecordKind::TargetNotHealthy | RecordKind::NotSwitched => Self::Bad,
            RecordKind::DriftDetected | RecordKind::Recovered | RecordKind::Adopted => Self::Held,
            RecordKind::Started | RecordKind::Resumed | RecordKind::Deferred => Self::UnderWay,
            RecordKind::Finished | RecordKind::Command | RecordKind::TargetRemoved => Self::Plain,
        }
    }

    /// Of a route.
    pub(super) fn of_route(health: RouteHealth) -> Self {
        match health {
            RouteHealth::InSync => Self::Good,
            RouteHealth::Converging => Self::UnderWay,
            RouteHealth::Held => Self::Held,
            RouteHealth::OutOfSync => Self::Bad,
            RouteHealth::Unknown => Self::Unknown,
        }
    }
}
