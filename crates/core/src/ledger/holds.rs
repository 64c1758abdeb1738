//! What holds a route: an operator's pause, freeze or pin, and flap protection.
//!
//! All of it stands in the route's own state in the ledger, whose every change moves the chain's head: a
//! worker that has not read a pause builds its change on a head that is gone, and is refused (I7). A
//! global flag beside the routes could not be part of that condition.

use std::fmt;
use std::time::Duration;

use crate::model::names::InstanceId;
use crate::model::policy::Mode;
use crate::model::reason::Rule;
use crate::model::route::Route;
use crate::model::target::Target;
use crate::model::time::Timestamp;

/// A hold by an operator or by flap protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Who set it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; until it is lifted if absent.
    pub until: Option<Timestamp>,
}

impl Suspension {
    /// Whether it still holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl fmt::Display for Suspension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by {} since {}", self.by, self.since)?;
        match self.until {
            Some(until) => write!(f, " until {until}: {}", self.reason),
            None => write!(f, ": {}", self.reason),
        }
    }
}

/// Where a person holds a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// At which instance.
    pub instance: InstanceId,
    /// Its target when it was pinned.
    pub target: Target,
    /// Who, why, until when.
    pub stop: Suspension,
}

fn stopped(stop: Option<&Suspension>, now: Timestamp) -> Option<&Suspension> {
    stop.filter(|stop| stop.holds(now))
}

/// The holds of a route, as the ledger keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    /// A pause of this route.
    pub pause: Option<Suspension>,
    /// A pause of every route.
    pub freeze: Option<Suspension>,
    /// Flap protection's hold, until an operator acknowledges it.
    pub flapping: Option<Suspension>,
    /// Where it is pinned.
    pub pin: Option<Pin>,
    /// When the route last changed its target: the newest [`MOVES_KEPT`], oldest first.
    pub moves: Vec<Timestamp>,
}

/// How many changes of target a route remembers: the most that its configuration may allow.
pub const MOVES_KEPT: usize = 20;

/// The time in which moves are counted.
pub const FLAP_WITHIN: Duration = Duration::from_mins(10);

/// A rule that is in force on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveSuspension<'a> {
    /// Which rule.
    pub rule: Rule,
    /// Who, why, until when; absent for what the configuration says.
    pub stop: Option<&'a Suspension>,
    /// Where the route is kept, if it is a pin.
    pub pin: Option<&'a Pin>,
}

impl ActiveSuspension<'_> {
    /// Whether it keeps the route from going there: a pin does not keep it from where it is pinned.
    #[must_use]
    pub fn keeps_from(&self, target: Target) -> bool {
        self.pin.is_none_or(|pin| pin.target != target)
    }
}

impl fmt::Display for ActiveSuspension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pin, self.stop) {
            (Some(pin), _) => write!(f, "pinned to {} {}", pin.instance, pin.stop),
            (None, Some(stop)) => write!(f, "{} {stop}", self.rule),
            (None, None) => f.write_str("the route only observes"),
        }
    }
}

/// A rule that holds a route, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Which rule.
    pub rule: Rule,
    /// Who, why, until when.
    pub note: String,
}

impl Safety {
    /// Every rule that is in force now, in the order in which they are checked.
    #[must_use]
    pub fn in_force(&self, route: &Route, now: Timestamp) -> Vec<ActiveSuspension<'_>> {
        let rules = Rule::IN_ORDER.into_iter();
        rules.filter_map(|rule| self.held_by(rule, route, now)).collect()
    }

    /// The rule, if it is in force now.
    pub(crate) fn held_by(&self, rule: Rule, route: &Route, now: Timestamp) -> Option<ActiveSuspension<'_>> {
        let (stop, pin) = match rule {
            Rule::Frozen => (Some(stopped(self.freeze.as_ref(), now)?), None),
            Rule::Paused => (Some(stopped(self.pause.as_ref(), now)?), None),
            Rule::Flapping => (Some(stopped(self.flapping.as_ref(), now)?), None),
            Rule::Pinned => {
                let pin = self.pinned(now)?;
                (Some(&pin.stop), Some(pin))
            }
            Rule::Observing => (route.policy.mode == Mode::Observe).then_some((None, None))?,
        };
        Some(ActiveSuspension { rule, stop, pin })
    }

    /// The pin that holds now.
    #[must_use]
    pub fn pinned(&self, now: Timestamp) -> Option<&Pin> {
        let pin = self.pin.as_ref();
        pin.filter(|pin| pin.stop.holds(now))
    }

    /// Since when an operator holds the route by a pause or a freeze.
    #[must_use]
    pub fn stopped_since(&self, now: Timestamp) -> Option<Timestamp> {
        let stops = [self.freeze.as_ref(), self.pause.as_ref()];
        let holding = stops.into_iter().flatten().filter(|stop| stop.holds(now));
        holding.map(|stop| stop.since).min()
    }

    /// Whether one more change of target now would be one too many, where `max` are allowed; 0 allows any
    /// number.
    #[must_use]
    pub fn flaps(&self, now: Timestamp, max: u32) -> bool {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        max > 0 && self.moves_lately(now) >= max
    }

    /// How often the route changed its target in the time in which moves are counted.
    #[must_use]
    pub fn moves_lately(&self, now: Timestamp) -> usize {
        let moves = self.moves.iter();
        moves.filter(|at| now.since(**at) < FLAP_WITHIN).count()
    }

    /// The same with one more change of target.
    #[must_use]
    pub fn moved(&self, now: Timestamp) -> Self {
        let mut moves = self.moves.clone();
        moves.push(now);
        let dropped = moves.len().saturating_sub(MOVES_KEPT);
        moves.drain(..dropped);
        Self { moves, ..self.clone() }
    }

    /// The hold of a route that was moved too often.
    #[must_use]
    pub fn flap_stop(now: Timestamp) -> Suspension {
        Suspension {
            by: "writerlink".to_owned(),
            reason: format!(
                "moved too often in {} minutes; `writerlink ack` lets it go on",
                FLAP_WITHIN.as_secs() / 60
            ),
            since: now,
            until: None,
        }
    }
}
