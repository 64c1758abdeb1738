//! What triggers a decision: an event, a reading of the sources, or an operator's command.

use std::fmt;
use std::time::Duration;

use crate::evidence::discovery::Reading;
use crate::evidence::event::{EventKey, RdsEvent};
use crate::model::names::{InstanceId, RouteName};
use crate::model::reason::Rule;
use crate::model::route::Route;
use crate::model::time::Timestamp;

/// What triggers a decision, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An event of RDS. It arrives at least once, so the ledger keeps an entry of it.
    Event(RdsEvent),
    /// A reading of the discovery sources.
    Reading(Reading),
    /// An operator's command.
    Command(OperatorCommand),
}

impl Trigger {
    /// Its own time, by the clock of its origin: what orders evidence.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Event(event) => event.at,
            Self::Reading(reading) => reading.at,
            Self::Command(command) => command.at,
        }
    }

    /// The event, if it is one.
    #[must_use]
    pub fn event(&self) -> Option<&RdsEvent> {
        match self {
            Self::Event(event) => Some(event),
            Self::Reading(_) | Self::Command(_) => None,
        }
    }

    /// The content as one text.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Event(event) => event.message.clone(),
            Self::Reading(reading) => reading.said.clone(),
            Self::Command(command) => command.to_string(),
        }
    }
}

/// A command of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorCommand {
    /// When it was given.
    pub at: Timestamp,
    /// Who: the caller's identity as AWS knows it, or the name of the account on the machine.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// What to do.
    pub act: CommandKind,
    /// The safety rules that the command overrides.
    pub overrides: Vec<Rule>,
}

/// The commands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum CommandKind {
    /// Point the route at this instance now.
    Swap(InstanceId),
    /// Point the route at this instance and keep it there.
    Pin {
        /// Which.
        instance: InstanceId,
        /// For how long; until `unpin` if absent.
        within: Option<Duration>,
    },
    /// Let the route follow its evidence again.
    Unpin,
    /// Make no call for the route.
    Pause {
        /// For how long; until `resume` if absent.
        within: Option<Duration>,
    },
    /// End a pause.
    Resume,
    /// A pause of every route, which `resume` of one does not end.
    Freeze {
        /// For how long; until `unfreeze` if absent.
        within: Option<Duration>,
    },
    /// End a freeze.
    Unfreeze,
    /// End the hold of flap protection, or resolve an event.
    #[strum(serialize = "ack")]
    Acknowledge,
}

impl CommandKind {
    /// The name on the command line.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.into()
    }

    /// The instance it names.
    #[must_use]
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Swap(instance) | Self::Pin { instance, .. } => Some(instance),
            Self::Unpin
            | Self::Pause { .. }
            | Self::Resume
            | Self::Freeze { .. }
            | Self::Unfreeze
            | Self::Acknowledge => None,
        }
    }

    /// For how long it holds.
    #[must_use]
    pub fn within(&self) -> Option<Duration> {
        match self {
            Self::Pin { within, .. } | Self::Pause { within } | Self::Freeze { within } => *within,
            Self::Swap(_) | Self::Unpin | Self::Resume | Self::Unfreeze | Self::Acknowledge => None,
        }
    }
}

impl fmt::Display for OperatorCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.act.as_str())?;
        if let Some(instance) = self.act.instance() {
            write!(f, " to {instance}")?;
        }
        if let Some(within) = self.act.within() {
            write!(f, " until {}", self.at.plus(within))?;
        }
        for rule in &self.overrides {
            write!(f, ", overriding {rule}")?;
        }
        write!(f, " by {}: {}", self.by, self.reason)
    }
}

/// A trigger about one route, with its identity there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its identity on this route.
    pub key: EventKey,
    /// The trigger.
    pub trigger: Trigger,
}

impl Evidence {
    /// The instance that an event or a command names, if any. A reading has its members instead.
    #[must_use]
    pub fn names(&self) -> Option<InstanceId> {
        match &self.trigger {
            Trigger::Event(event) => event.claim().ok()?.instance().cloned(),
            Trigger::Command(command) => command.act.instance().cloned(),
            Trigger::Reading(_) => None,
        }
    }

    /// The event as evidence about `route`.
    #[must_use]
    pub fn new(route: &Route, event: RdsEvent) -> Self {
        Self { key: EventKey::of(route, &event), trigger: Trigger::Event(event) }
    }

    /// A reading or command of now as evidence about `route`. It is never delivered twice, so `random` makes its identity.
    #[must_use]
    pub fn now(route: &RouteName, trigger: Trigger, random: u128) -> Self {
        Self { key: EventKey::random(route, trigger.at(), random), trigger }
    }
}
