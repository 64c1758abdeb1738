//! Whether a route is where it should be, judged from what was read of it.
//!
//! Nobody is asked here, and nothing is repaired: this is the word for people. The timer judges by the same plan
//! ([`crate::actuation::plan`], [`crate::actuation::weights`]), and by its sources besides.

use std::time::Duration;

use crate::actuation::health::{HealthWatch, ServingState, advice, row_of, serves};
use crate::actuation::plan::plan;
use crate::actuation::relay;
use crate::actuation::relay::RelayReport;
use crate::actuation::weights::{ObservedListener, warm_targets};
use crate::decision::holds::unless_held_back;
use crate::decision::verdict::Decision;
use crate::evidence::desired::Desired;
use crate::ledger::lease::{Acquire, acquire};
use crate::ledger::state::{Assignment, RouteContext};
use crate::ledger::unresolved::{Awaits, UnresolvedEvent};
use crate::model::names::InstanceId;
use crate::model::outcome::IN_HAND_FOR;
use crate::model::reason::Reason;
use crate::model::route::{Relay, Route, Weighted};
use crate::model::target::{MoveMode, ObservedTarget, TargetHealth};
use crate::model::time::Timestamp;
use crate::named::named;
use crate::status::last_move::LastMove;

/// How a route stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum RouteHealth {
    /// It points where it should, and its target serves.
    InSync,
    /// It is on its way there.
    Converging,
    /// It does not point there, and a person or a safety rule holds it.
    Held,
    /// It does not point there, or its target does not serve, and nobody is at it right now.
    OutOfSync,
    /// Not enough is known to tell.
    Unknown,
}
named!(RouteHealth without parse);

/// How a route stands, and why that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// In a word.
    pub health: RouteHealth,
    /// Why, with the values that were compared.
    pub why: String,
}

impl Assessment {
    /// A judgement.
    #[must_use]
    pub fn new(health: RouteHealth, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { health, why }
    }
}

impl RouteHealth {
    /// Which of two words about one route is said: the one that asks for more.
    fn gravity(self) -> u8 {
        match self {
            Self::InSync => 0,
            Self::Converging => 1,
            Self::Held => 2,
            Self::Unknown => 3,
            Self::OutOfSync => 4,
        }
    }
}

impl Assessment {
    /// Both judgements of one route as one: the graver word, and this one's reason first.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        if other.health == RouteHealth::InSync || other.why == NOBODY_KNOWS {
            return self;
        }
        let health = if other.health.gravity() > self.health.gravity() { other.health } else { self.health };
        let why = format!("{}; besides, {}", self.why, other.why);
        Self { health, why }
    }
}

/// What the load balancer shows of a route, as far as it could be read.
#[derive(Clone, Copy, Debug)]
pub enum ActualState<'a> {
    /// The rows of its group.
    Group(&'a [ObservedTarget]),
    /// The listener's weights, and the rows of those groups that could be read.
    Weighted(&'a Weighted, &'a ObservedListener),
    /// What the relays of the route report.
    Relays(&'a Relay, &'a [RelayReport]),
    /// Nothing: it could not be read.
    Nothing,
}

/// Judges a route by its state in the ledger (`None` if the ledger has never seen it), by what the load balancer
/// shows, and by its last move as far as that is known. What is unresolved keeps a route from standing right,
/// whatever its group holds (I9).
#[must_use]
pub fn judge(
    route: &Route,
    control: Option<&Assignment>,
    shown: ActualState<'_>,
    last: Option<&LastMove>,
    now: Timestamp,
) -> Assessment {
    let found = held_against(route, control, shown, last, now);
    match control.and_then(|control| unresolved(route, control, now)) {
        None => found,
        Some(open) => open.and(&found),
    }
}

/// The same by what the load balancer shows alone.
fn held_against(
    route: &Route,
    control: Option<&Assignment>,
    shown: ActualState<'_>,
    last: Option<&LastMove>,
    now: Timestamp,
) -> Assessment {
    let known = control.and_then(|control| Some((control, goal(control, now)?)));
    let Some((control, goal)) = known else {
        return Assessment::new(RouteHealth::Unknown, NOBODY_KNOWS);
    };
    if let Some(moving) = in_hand(control, goal, now) {
        return moving;
    }
    let found = match shown {
        ActualState::Nothing => {
            let why =
                format!("it should point at {}; what the load balancer has could not be read", place(goal));
            return Assessment::new(RouteHealth::Unknown, why);
        }
        ActualState::Group(rows) => found_in_group(route, goal, rows),
        ActualState::Weighted(weighted, scene) => found_in_scene(route, weighted, goal, scene),
        ActualState::Relays(relay, reports) => {
            return found_at_relays(RouteContext { route, control, now }, (relay, reports), goal);
        }
    };
    match found {
        Found::Differs(how) => differs(RouteContext { route, control, now }, goal, &how, last),
        Found::Unread(instance) => {
            let why = format!("the target group of {instance} could not be read");
            Assessment::new(RouteHealth::Unknown, why)
        }
        Found::There(rows) => there(route, control, goal, rows, now),
    }
}

/// Said wherever the ledger knows nothing of a route.
pub const NOBODY_KNOWS: &str =
    "nothing has moved this route yet, so nobody knows where it should point; an event will say";

/// What of a route's state is unresolved, whatever the load balancer shows: an event that could not be acted on, and
/// discovery sources that contradict what is desired (I9). Every reader of the state asks this.
#[must_use]
pub fn unresolved(route: &Route, control: &Assignment, now: Timestamp) -> Option<Assessment> {
    let event = control.unresolved_event.as_ref();
    let event = event.map(|event| open_event(route, control, event, now));
    let conflict = control.source_conflict.as_ref().map(|conflict| {
        // Of sources that contradict an event nobody knows yet who is right; of a map that is out of date one does.
        let health =
            if conflict.reason == Reason::MapDiffers { RouteHealth::OutOfSync } else { RouteHealth::Unknown };
        Assessment::new(health, conflict.note.clone())
    });
    match (event, conflict) {
        (Some(event), Some(conflict)) => Some(event.and(&conflict)),
        (one, other) => one.or(other),
    }
}

/// Whether something about a route is unresolved so that it counts among those that diverged. An event that waits for
/// its turn does not, as long as its message is expected: the line moves on by itself.
#[must_use]
pub fn is_open(control: &Assignment, now: Timestamp) -> bool {
    let event = control.unresolved_event.as_ref();
    let in_line = |event: &&UnresolvedEvent| event.awaits() == Awaits::ItsTurn && event.comes_back(now);
    control.source_conflict.is_some() || event.is_some_and(|event| !in_line(&event))
}

fn open_event(route: &Route, control: &Assignment, event: &UnresolvedEvent, now: Timestamp) -> Assessment {
    let (awaits, at, note) = (event.awaits(), event.at, &event.note);
    let under_way = match awaits {
        Awaits::APerson => false,
        Awaits::ItsAddress => now.since(event.since) < IN_HAND_FOR,
        Awaits::ItsTurn => event.comes_back(now),
    };
    let goal = goal(control, now).map(|goal| &goal.instance);
    let health = match &event.names {
        _ if under_way => RouteHealth::Converging,
        Some(named) if goal != Some(named) => RouteHealth::OutOfSync,
        Some(_) | None => RouteHealth::Unknown,
    };
    // Most notes name the instance already.
    let named = event.names.as_ref();
    let named = named.filter(|named| !note.contains(named.as_str()));
    let named = named.map_or_else(String::new, |named| format!(" names {named} and"));
    let what = match awaits {
        Awaits::APerson => "could not be acted on",
        Awaits::ItsAddress => "waits for its address",
        Awaits::ItsTurn => "waits for its turn",
    };
    let remedy = if under_way {
        String::new()
    } else {
        let name = &route.name;
        format!(
            "; `writerlink swap {name} --to INSTANCE` moves the route, `writerlink ack {name}` leaves it where it is"
        )
    };
    let why = format!("the event of {at}{named} {what}: {note}{remedy}");
    Assessment::new(health, why)
}

/// Where the route should point: where it is pinned, else by the newest evidence, applied or held back.
#[must_use]
pub fn goal(control: &Assignment, now: Timestamp) -> Option<&Desired> {
    match control.safety.pinned(now) {
        Some(_) => control.desired.as_ref(),
        None => control.newest(),
    }
}

fn in_hand(control: &Assignment, goal: &Desired, now: Timestamp) -> Option<Assessment> {
    let lease = control.lease.as_ref()?;
    match acquire(Some(lease), now, Duration::ZERO) {
        Acquire::Free | Acquire::TakeOver => None,
        Acquire::Wait(_) => {
            let desired = control.desired.as_ref().unwrap_or(goal);
            let why = format!("{} is moving it to {}", lease.owner, place(desired));
            Some(Assessment::new(RouteHealth::Converging, why))
        }
    }
}

/// What the load balancer shows, held against where the route should point.
enum Found<'a> {
    /// It is there: the rows in which its target stands.
    There(&'a [ObservedTarget]),
    /// It is not, in these words.
    Differs(String),
    /// Nothing differs as far as could be read, but this instance's group could not.
    Unread(InstanceId),
}

fn found_in_group<'a>(route: &Route, goal: &Desired, rows: &'a [ObservedTarget]) -> Found<'a> {
    let plan = plan(route, goal, rows);
    if plan.is_empty() {
        return Found::There(rows);
    }
    let missing = plan.register.iter().map(|target| {
        let state = row_of(*target, rows).map(|row| row.health.as_str());
        format!("{target} is {}", state.unwrap_or("not registered"))
    });
    let extra = plan.deregister.iter();
    let extra = extra.map(|row| format!("{} is still registered ({})", row.target, row.health.as_str()));
    Found::Differs(missing.chain(extra).collect::<Vec<_>>().join(", "))
}

fn found_in_scene<'a>(
    route: &Route,
    weighted: &Weighted,
    goal: &Desired,
    scene: &'a ObservedListener,
) -> Found<'a> {
    let mut targets = warm_targets(route, weighted, goal, None);
    targets.retain(|instance, _| scene.rows.contains_key(instance));
    let missing = scene.missing(route, weighted, goal, &targets);
    if !missing.is_empty() {
        let weights = missing.weights.iter();
        let weights =
            weights.map(|wanted| format!("the weights are {} and should be {wanted}", scene.weights));
        let cold = missing.register.iter();
        let cold =
            cold.map(|(instance, target)| format!("{target} is not registered in the group of {instance}"));
        return Found::Differs(weights.chain(cold).collect::<Vec<_>>().join(", "));
    }
    let mut unread = weighted.groups.keys();
    if let Some(unread) = unread.find(|instance| !scene.rows.contains_key(*instance)) {
        return Found::Unread(unread.clone());
    }
    scene.rows.get(&goal.instance).map_or(Found::Unread(goal.instance.clone()), |rows| Found::There(rows))
}

/// A relay route is where its relays forward to. The ledger's word is theirs within a poll interval.
fn found_at_relays(
    RouteContext { route, control, now }: RouteContext<'_>,
    (relay, reports): (&Relay, &[RelayReport]),
    goal: &Desired,
) -> Assessment {
    let held = unless_held_back(route, control, goal.clone(), now, &[]);
    if let (Decision::Hold(_, brake), true) = (held, control.desired.as_ref() != Some(goal)) {
        let why = format!("it should point at {}; held: {}", place(goal), brake.note);
        return Assessment::new(RouteHealth::Held, why);
    }
    let live: Vec<&RelayReport> = relay::live(reports, relay, now).collect();
    if live.is_empty() {
        let seconds = relay.silent_limit.as_secs();
        let why = format!("no relay reported within {seconds} s, so what clients reach is not known");
        return Assessment::new(RouteHealth::Unknown, why);
    }
    let behind = live.iter().filter_map(|report| match report.routes.get(&route.name) {
        Some(applied) if applied.instance == goal.instance => None,
        Some(applied) => Some(format!("relay {} forwards to {}", report.relay, applied.instance)),
        None => Some(format!("relay {} has applied nothing", report.relay)),
    });
    let behind: Vec<String> = behind.collect();
    if behind.is_empty() {
        let why = format!("{} of {} relays forward to {}", live.len(), live.len(), place(goal));
        return Assessment::new(RouteHealth::InSync, why);
    }
    let why = format!("it should point at {}: {}", place(goal), behind.join(", "));
    let moved_at = control.follow.as_ref().map(|watch| watch.moved_at);
    let young = moved_at.is_some_and(|moved_at| now.since(moved_at) < relay.switch_limit);
    Assessment::new(if young { RouteHealth::Converging } else { RouteHealth::OutOfSync }, why)
}

/// A route that is not where it should be: somebody comes back to it in a moment, something holds it back, or it is
/// simply wrong.
fn differs(
    RouteContext { route, control, now }: RouteContext<'_>,
    goal: &Desired,
    how: &str,
    last: Option<&LastMove>,
) -> Assessment {
    if let Decision::Hold(_, brake) = unless_held_back(route, control, goal.clone(), now, &[]) {
        let why = format!("it should point at {}: {how}; held: {}", place(goal), brake.note);
        return Assessment::new(RouteHealth::Held, why);
    }
    let retried = last.filter(|last| last.is_retried() && now.since(last.at) < IN_HAND_FOR);
    if let Some(last) = retried {
        let why = format!(
            "attempt {} to move it to {} failed, and the next one follows: {}",
            last.attempt,
            place(goal),
            last.note
        );
        return Assessment::new(RouteHealth::Converging, why);
    }
    let why = format!("it should point at {}: {how}", place(goal));
    Assessment::new(RouteHealth::OutOfSync, why)
}

/// A route whose calls are all made: what is left is the load balancer's part.
fn there(
    route: &Route,
    control: &Assignment,
    goal: &Desired,
    rows: &[ObservedTarget],
    now: Timestamp,
) -> Assessment {
    if let Some(pin) = control.safety.pinned(now)
        && pin.target != goal.target
    {
        let why = format!("it points at {}, but is pinned to {}", place(goal), pin.instance);
        return Assessment::new(RouteHealth::Held, why);
    }
    let Some(row) = row_of(goal.target, rows) else {
        let why = format!("{} is not registered", place(goal));
        return Assessment::new(RouteHealth::OutOfSync, why);
    };
    let state = told(row);
    if goal.reach == MoveMode::Register {
        let why = format!(
            "{} is registered ({state}) beside the old one, until the failover completes",
            place(goal)
        );
        return Assessment::new(RouteHealth::Converging, why);
    }
    if serves(route.policy.serving_when, &row.health) {
        return Assessment::new(RouteHealth::InSync, format!("{} is {state}", place(goal)));
    }
    let follow = control.follow.as_ref().filter(|follow| follow.target == goal.target);
    if may_serve_yet(follow, row, route.policy.serving_limit, now) {
        let why = format!("{} is registered and does not serve yet: {state}", place(goal));
        return Assessment::new(RouteHealth::Converging, why);
    }
    let why = format!("{} does not serve: {state}; {}", place(goal), advice(row.reason.as_deref()));
    Assessment::new(RouteHealth::OutOfSync, why)
}

/// Whether the load balancer may still be on its way. What was never followed shows it by its state alone.
fn may_serve_yet(
    follow: Option<&HealthWatch>,
    row: &ObservedTarget,
    limit: Duration,
    now: Timestamp,
) -> bool {
    match follow {
        Some(follow) => follow.arrival == ServingState::Awaited && now.since(follow.moved_at) < limit,
        None => row.health == TargetHealth::Initial,
    }
}

fn told(row: &ObservedTarget) -> String {
    match &row.reason {
        Some(reason) => format!("{} ({reason})", row.health.as_str()),
        None => row.health.as_str().to_owned(),
    }
}

fn place(desired: &Desired) -> String {
    format!("{} at {}", desired.instance, desired.target)
}
