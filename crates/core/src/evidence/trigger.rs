//! What speaks for a move: an event, the sources' word, or a person's.

use std::fmt;
use std::time::Duration;

use crate::evidence::discovery::Reading;
use crate::evidence::event::{EventKey, RdsEvent};
use crate::model::names::{InstanceId, RouteName};
use crate::model::reason::Rule;
use crate::model::route::Route;
use crate::model::time::Timestamp;

/// What speaks for a move, kept as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An event of RDS. It arrives at least once, so the ledger keeps an entry of it.
    Event(RdsEvent),
    /// What the sources said when the timer asked them.
    Reading(Reading),
    /// What a person ordered.
    Command(OperatorCommand),
}

impl Trigger {
    /// When it was said, by whoever's clock said it: what orders evidence.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Event(event) => event.at,
            Self::Reading(reading) => reading.at,
            Self::Command(order) => order.at,
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

    /// What was said, as one text.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Event(event) => event.message.clone(),
            Self::Reading(reading) => reading.said.clone(),
            Self::Command(order) => order.to_string(),
        }
    }
}

/// What a person orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorCommand {
    /// When.
    pub at: Timestamp,
    /// Who: the caller's identity as AWS knows it, or the name of the account on the machine.
    pub by: String,
    /// Why, in the person's words.
    pub reason: String,
    /// What.
    pub act: CommandKind,
    /// The safety rules that the order overrides, each named.
    pub overrides: Vec<Rule>,
}

/// What can be ordered.
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
    /// Take note that the route swapped too often, and let it go on.
    #[strum(serialize = "ack")]
    Acknowledge,
}

impl CommandKind {
    /// Its name: that of the command.
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

/// What speaks for a move of one route, with its identity there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its identity on this route.
    pub key: EventKey,
    /// What was said.
    pub ground: Trigger,
}

impl Evidence {
    /// The instance that an event or an order names, if it names one. Sources name what they see in words of their own.
    #[must_use]
    pub fn names(&self) -> Option<InstanceId> {
        match &self.ground {
            Trigger::Event(event) => event.claim().ok()?.instance().cloned(),
            Trigger::Command(order) => order.act.instance().cloned(),
            Trigger::Reading(_) => None,
        }
    }

    /// The event as evidence about `route`.
    #[must_use]
    pub fn new(route: &Route, event: RdsEvent) -> Self {
        Self { key: EventKey::of(route, &event), ground: Trigger::Event(event) }
    }

    /// What was seen or ordered just now as evidence about `route`. Nobody delivers it twice, so `random`
    /// alone makes its identity.
    #[must_use]
    pub fn now(route: &RouteName, ground: Trigger, random: u128) -> Self {
        Self { key: EventKey::drawn(route, ground.at(), random), ground }
    }
}
