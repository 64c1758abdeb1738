//! What an agent knows and answers, as a value.
//!
//! # Guarantees
//! - **Certain or nothing.** An answer comes from a strongly consistent read that is young enough; else there is none, and
//!   HAProxy keeps the state that it has.
//! - **Never back.** No answer comes from a generation below one that was answered before, as after a restore of the
//!   table: until the ledger has caught up there is no answer.
//! - **One usable server.** Of one route's instances exactly the desired one is answered as usable, from one reading.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use writerlink_core::actuation::relay::AppliedRoute;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Generation;
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;

/// What HAProxy is told about a server. Both words are always said: `up` alone does not lift a maintenance, and
/// maintenance is what a reload carries over (measured with HAProxy 2.6 and 3.2, docs/relay.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Usable: it is the desired instance.
    Up,
    /// Not usable.
    Down,
}

impl Answer {
    /// The line for HAProxy's agent-check. Without its newline HAProxy ignores it.
    #[must_use]
    pub fn line(self) -> &'static str {
        match self {
            Self::Up => "up ready\n",
            Self::Down => "down maint\n",
        }
    }
}

/// What the ledger says of a route, by the newest read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    instance: InstanceId,
    event: EventKey,
    generation: Generation,
    /// By the monotonic clock.
    read_at: Duration,
}

impl Wanted {
    fn is_young(&self, young: Duration, now: Duration) -> bool {
        now.saturating_sub(self.read_at) <= young
    }
}

/// One route.
#[derive(Clone, Debug)]
struct Known {
    instances: BTreeSet<InstanceId>,
    wanted: Option<Wanted>,
    /// The newest generation that was answered.
    answered: Generation,
    /// By which evidence each instance was answered last.
    heard: BTreeMap<InstanceId, EventKey>,
    applied: Option<AppliedRoute>,
}

/// A route whose servers change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaySwitch {
    /// Which route.
    pub route: RouteName,
    /// The instance that becomes usable.
    pub to: InstanceId,
    /// Every other one.
    pub others: Vec<InstanceId>,
}

/// Everything an agent knows.
#[derive(Clone, Debug)]
pub struct RelayAnswers {
    routes: BTreeMap<RouteName, Known>,
    /// How old a read may be to be answered from.
    young: Duration,
    asked_at: Option<Timestamp>,
}

impl RelayAnswers {
    /// An agent of these routes that has read nothing yet. A read serves answers for two poll intervals: the agent reads
    /// once an interval, and the read itself takes time.
    #[must_use]
    pub fn of(routes: &[Route], poll_interval: Duration) -> Self {
        let known = |route: &Route| {
            let known = Known {
                instances: route.instances.keys().cloned().collect(),
                wanted: None,
                answered: Generation::default(),
                heard: BTreeMap::new(),
                applied: None,
            };
            (route.name.clone(), known)
        };
        Self { routes: routes.iter().map(known).collect(), young: poll_interval * 2, asked_at: None }
    }

    /// Takes what a consistent read of `now` gave. What is to be pushed is a route whose usable server changes, or that has
    /// one for the first time.
    pub fn take(&mut self, state: &RouteState, now: Duration) -> Option<RelaySwitch> {
        let known = self.routes.get_mut(&state.route)?;
        let before = known.wanted.take();
        let generation = state.control.generation;
        let desired = state.control.desired.as_ref()?;
        if generation < known.answered || !known.instances.contains(&desired.instance) {
            return None;
        }
        let (instance, event) = (desired.instance.clone(), desired.event);
        known.wanted = Some(Wanted { instance: instance.clone(), event, generation, read_at: now });
        let same = before.is_some_and(|before| before.instance == instance);
        let heard = known.heard.values().any(|heard| *heard == event);
        (!same && !heard).then(|| RelaySwitch {
            route: state.route.clone(),
            others: known.instances.iter().filter(|other| **other != instance).cloned().collect(),
            to: instance,
        })
    }

    /// The answer about one server, if it is certain.
    pub fn answer(&mut self, route: &RouteName, instance: &InstanceId, now: Now) -> Option<Answer> {
        self.asked_at = Some(now.wall);
        let young = self.young;
        let known = self.routes.get_mut(route)?;
        let wanted = known.wanted.as_ref()?;
        if !known.instances.contains(instance) || !wanted.is_young(young, now.monotonic) {
            return None;
        }
        let answer = if wanted.instance == *instance { Answer::Up } else { Answer::Down };
        known.hears(std::slice::from_ref(instance), now.wall);
        Some(answer)
    }

    /// Whether a switch is still what the newest read says, and that read is young enough: an agent that stood still must
    /// not push what it knew before.
    #[must_use]
    pub fn is_current(&self, switch: &RelaySwitch, now: Duration) -> bool {
        let wanted = self.routes.get(&switch.route).and_then(|known| known.wanted.as_ref());
        wanted.is_some_and(|wanted| wanted.instance == switch.to && wanted.is_young(self.young, now))
    }

    /// A push that HAProxy accepted: it has heard of the whole route at once.
    pub fn pushed(&mut self, switch: &RelaySwitch, now: Timestamp) {
        if let Some(known) = self.routes.get_mut(&switch.route)
            && known.wanted.as_ref().is_some_and(|wanted| wanted.instance == switch.to)
        {
            let all: Vec<InstanceId> = known.instances.iter().cloned().collect();
            known.hears(&all, now);
        }
    }

    /// What HAProxy forwards each route to, as far as it has heard of the route whole.
    #[must_use]
    pub fn applied(&self) -> BTreeMap<RouteName, AppliedRoute> {
        let applied = |(name, known): (&RouteName, &Known)| Some((name.clone(), known.applied.clone()?));
        self.routes.iter().filter_map(applied).collect()
    }

    /// When HAProxy asked last.
    #[must_use]
    pub fn asked_at(&self) -> Option<Timestamp> {
        self.asked_at
    }
}

/// The present, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For reports.
    pub wall: Timestamp,
    /// For the age of a read.
    pub monotonic: Duration,
}

impl Known {
    fn hears(&mut self, instances: &[InstanceId], at: Timestamp) {
        let Some(wanted) = &self.wanted else {
            return;
        };
        self.answered = self.answered.max(wanted.generation);
        for instance in instances {
            self.heard.insert(instance.clone(), wanted.event);
        }
        let whole = self.instances.iter().all(|instance| self.heard.get(instance) == Some(&wanted.event));
        let known = self.applied.as_ref().is_some_and(|applied| applied.event == wanted.event);
        if whole && !known {
            self.applied = Some(AppliedRoute { instance: wanted.instance.clone(), event: wanted.event, at });
        }
    }
}
