//! Whether a route is in sync, assessed from what was read of it.
//!
//! This is the state that people see. It makes no call. The reconcile pass compares with the same plans
//! ([`crate::actuation::plan`], [`crate::actuation::weights`]) and reads the discovery sources too.

use std::time::Duration;

use crate::actuation::health::{HealthWatch, ServingState, advice, row_of, serves};
use crate::actuation::plan::plan;
use crate::actuation::relay;
use crate::actuation::relay::RelayReport;
use crate::actuation::weights::{ObservedListener, warm_targets};
use crate::decision::holds::hold_or_move;
use crate::decision::verdict::Decision;
use crate::evidence::desired::Desired;
use crate::ledger::lease::{Acquire, acquire};
use crate::ledger::state::{Assignment, RouteContext};
use crate::ledger::unresolved::{Awaits, UnresolvedEvent};
use crate::model::names::InstanceId;
use crate::model::outcome::IN_PROGRESS_FOR;
use crate::model::reason::Reason;
use crate::model::route::{Relay, Route, Weighted};
use crate::model::target::{MoveMode, ObservedTarget, TargetHealth};
use crate::model::time::Timestamp;
use crate::named::named;
use crate::status::last_move::LastMove;

/// The state of a route, as published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum RouteHealth {
    /// Actual is desired, and the target serves.
    InSync,
    /// A move is in progress, or the load balancer is still applying one.
    Converging,
    /// Actual differs from desired, and a person or a safety rule holds the route.
    Held,
    /// Actual differs from desired, or the target does not serve, and nothing is in progress.
    OutOfSync,
    /// Too little could be read.
    Unknown,
}
named!(RouteHealth without parse);

/// The state of a route, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The state.
    pub health: RouteHealth,
    /// Why, with the values that were compared.
    pub why: String,
}

impl Assessment {
    /// An assessment with its reason.
    #[must_use]
    pub fn new(health: RouteHealth, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { health, why }
    }
}

impl RouteHealth {
    /// Of two states of one route the graver one is shown; of several routes the gravest first.
    #[must_use]
    pub fn gravity(self) -> u8 {
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
    /// Two assessments of one route as one: the graver state, and this one's reason first.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        if other.health == RouteHealth::InSync || other.why == NO_EVENT_YET {
            return self;
        }
        let health = if other.health.gravity() > self.health.gravity() { other.health } else { self.health };
        let why = format!("{}; besides, {}", self.why, other.why);
        Self { health, why }
    }
}

/// The actual state of a route at the load balancer, as far as it could be read.
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

/// Assesses a route by its state in the ledger (`None` if the ledger has none), by the load balancer's actual state,
/// and by its last move if that is known. A route with something unresolved is never in sync, whatever its group
/// holds (I9).
#[must_use]
pub fn assess(
    route: &Route,
    control: Option<&Assignment>,
    shown: ActualState<'_>,
    last: Option<&LastMove>,
    now: Timestamp,
) -> Assessment {
    let found = compare_actual(route, control, shown, last, now);
    match control.and_then(|control| unresolved(route, control, now)) {
        None => found,
        Some(open) => open.and(&found),
    }
}

/// The assessment by the load balancer's actual state alone.
fn compare_actual(
    route: &Route,
    control: Option<&Assignment>,
    shown: ActualState<'_>,
    last: Option<&LastMove>,
    now: Timestamp,
) -> Assessment {
    let known = control.and_then(|control| Some((control, desired_target(control, now)?)));
    let Some((control, desired)) = known else {
        return Assessment::new(RouteHealth::Unknown, NO_EVENT_YET);
    };
    if let Some(moving) = move_in_progress(control, desired, now) {
        return moving;
    }
    let found = match shown {
        ActualState::Nothing => {
            let why = format!("desired: {}; actual: could not be read", place(desired));
            return Assessment::new(RouteHealth::Unknown, why);
        }
        ActualState::Group(rows) => found_in_group(route, desired, rows),
        ActualState::Weighted(weighted, scene) => found_in_listener(route, weighted, desired, scene),
        ActualState::Relays(relay, reports) => {
            return found_at_relays(RouteContext { route, control, now }, (relay, reports), desired);
        }
    };
    match found {
        Found::Differs(how) => differs(RouteContext { route, control, now }, desired, &how, last),
        Found::Unread(instance) => {
            let why = format!("the target group of {instance} could not be read");
            Assessment::new(RouteHealth::Unknown, why)
        }
        Found::There(rows) => there(route, control, desired, rows, now),
    }
}

/// The reason wherever the ledger has no evidence for a route.
pub const NO_EVENT_YET: &str =
    "no event or reading yet, so the desired target is unknown; the first one names it";

/// What of a route's state is unresolved, whatever the load balancer has: an event that could not be acted on, and
/// discovery sources that contradict the desired target (I9). Every reader of the state calls this.
#[must_use]
pub fn unresolved(route: &Route, control: &Assignment, now: Timestamp) -> Option<Assessment> {
    let event = control.unresolved_event.as_ref();
    let event = event.map(|event| open_event(route, control, event, now));
    let conflict = control.source_conflict.as_ref().map(|conflict| {
        // Sources that contradict an event may be the stale side. A map that differs is always wrong.
        let health =
            if conflict.reason == Reason::MapDiffers { RouteHealth::OutOfSync } else { RouteHealth::Unknown };
        Assessment::new(health, conflict.note.clone())
    });
    match (event, conflict) {
        (Some(event), Some(conflict)) => Some(event.and(&conflict)),
        (one, other) => one.or(other),
    }
}

/// Whether the route counts as unresolved. An event that waits for quota does not, as long as its message is expected:
/// the queue moves on without a person.
#[must_use]
pub fn is_open(control: &Assignment, now: Timestamp) -> bool {
    let event = control.unresolved_event.as_ref();
    let queued = |event: &&UnresolvedEvent| event.awaits() == Awaits::Quota && event.comes_back(now);
    control.source_conflict.is_some() || event.is_some_and(|event| !queued(&event))
}

fn open_event(route: &Route, control: &Assignment, event: &UnresolvedEvent, now: Timestamp) -> Assessment {
    let (awaits, at, note) = (event.awaits(), event.at, &event.note);
    let in_progress = match awaits {
        Awaits::Operator => false,
        Awaits::Address => now.since(event.since) < IN_PROGRESS_FOR,
        Awaits::Quota => event.comes_back(now),
    };
    let desired = desired_target(control, now).map(|desired| &desired.instance);
    let health = match &event.names {
        _ if in_progress => RouteHealth::Converging,
        Some(named) if desired != Some(named) => RouteHealth::OutOfSync,
        Some(_) | None => RouteHealth::Unknown,
    };
    // Most notes name the instance already.
    let named = event.names.as_ref();
    let named = named.filter(|named| !note.contains(named.as_str()));
    let named = named.map_or_else(String::new, |named| format!(" names {named} and"));
    let what = match awaits {
        Awaits::Operator => "could not be acted on",
        Awaits::Address => "waits for its address",
        Awaits::Quota => "waits for its turn",
    };
    let remedy = if in_progress {
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

/// The desired target: the pin, else the newest evidence, applied or held.
#[must_use]
pub fn desired_target(control: &Assignment, now: Timestamp) -> Option<&Desired> {
    match control.safety.pinned(now) {
        Some(_) => control.desired.as_ref(),
        None => control.newest(),
    }
}

fn move_in_progress(control: &Assignment, desired: &Desired, now: Timestamp) -> Option<Assessment> {
    let lease = control.lease.as_ref()?;
    match acquire(Some(lease), now, Duration::ZERO) {
        Acquire::Free | Acquire::TakeOver => None,
        Acquire::Wait(_) => {
            let applied = control.desired.as_ref().unwrap_or(desired);
            let why = format!("{} is moving it to {}", lease.owner, place(applied));
            Some(Assessment::new(RouteHealth::Converging, why))
        }
    }
}

/// The actual state compared with the desired one.
enum Found<'a> {
    /// They are the same: the rows of the group that has the desired target.
    There(&'a [ObservedTarget]),
    /// They differ: how.
    Differs(String),
    /// Nothing differs as far as could be read, but this instance's group could not.
    Unread(InstanceId),
}

fn found_in_group<'a>(route: &Route, desired: &Desired, rows: &'a [ObservedTarget]) -> Found<'a> {
    let plan = plan(route, desired, rows);
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

fn found_in_listener<'a>(
    route: &Route,
    weighted: &Weighted,
    desired: &Desired,
    listener: &'a ObservedListener,
) -> Found<'a> {
    let mut targets = warm_targets(route, weighted, desired, None);
    targets.retain(|instance, _| listener.rows.contains_key(instance));
    let missing = listener.missing(route, weighted, desired, &targets);
    if !missing.is_empty() {
        let weights = missing.weights.iter();
        let weights =
            weights.map(|wanted| format!("the weights are {} and should be {wanted}", listener.weights));
        let cold = missing.register.iter();
        let cold =
            cold.map(|(instance, target)| format!("{target} is not registered in the group of {instance}"));
        return Found::Differs(weights.chain(cold).collect::<Vec<_>>().join(", "));
    }
    let mut unread = weighted.groups.keys();
    if let Some(unread) = unread.find(|instance| !listener.rows.contains_key(*instance)) {
        return Found::Unread(unread.clone());
    }
    listener
        .rows
        .get(&desired.instance)
        .map_or(Found::Unread(desired.instance.clone()), |rows| Found::There(rows))
}

/// A relay route is where its relays forward to. The ledger's word is theirs within a poll interval.
fn found_at_relays(
    RouteContext { route, control, now }: RouteContext<'_>,
    (relay, reports): (&Relay, &[RelayReport]),
    desired: &Desired,
) -> Assessment {
    let held = hold_or_move(route, control, desired.clone(), now, &[]);
    if let (Decision::Hold(_, blocked), true) = (held, control.desired.as_ref() != Some(desired)) {
        let why = format!("desired: {}; held: {}", place(desired), blocked.note);
        return Assessment::new(RouteHealth::Held, why);
    }
    let live: Vec<&RelayReport> = relay::live(reports, relay, now).collect();
    if live.is_empty() {
        let seconds = relay.silent_limit.as_secs();
        let why = format!("no relay reported within {seconds} s, so what clients reach is not known");
        return Assessment::new(RouteHealth::Unknown, why);
    }
    let behind = live.iter().filter_map(|report| match report.routes.get(&route.name) {
        Some(applied) if applied.instance == desired.instance => None,
        Some(applied) => Some(format!("relay {} forwards to {}", report.relay, applied.instance)),
        None => Some(format!("relay {} has applied nothing", report.relay)),
    });
    let behind: Vec<String> = behind.collect();
    if behind.is_empty() {
        let why = format!("{} of {} relays forward to {}", live.len(), live.len(), place(desired));
        return Assessment::new(RouteHealth::InSync, why);
    }
    let why = format!("desired: {}; actual: {}", place(desired), behind.join(", "));
    let moved_at = control.health_watch.as_ref().map(|watch| watch.moved_at);
    let young = moved_at.is_some_and(|moved_at| now.since(moved_at) < relay.switch_limit);
    Assessment::new(if young { RouteHealth::Converging } else { RouteHealth::OutOfSync }, why)
}

/// A route whose actual state differs: held, retried in a moment, or out of sync.
fn differs(
    RouteContext { route, control, now }: RouteContext<'_>,
    desired: &Desired,
    how: &str,
    last: Option<&LastMove>,
) -> Assessment {
    if let Decision::Hold(_, blocked) = hold_or_move(route, control, desired.clone(), now, &[]) {
        let why = format!("desired: {}; actual: {how}; held: {}", place(desired), blocked.note);
        return Assessment::new(RouteHealth::Held, why);
    }
    let retried = last.filter(|last| last.is_retried() && now.since(last.at) < IN_PROGRESS_FOR);
    if let Some(last) = retried {
        let why = format!(
            "attempt {} to move it to {} failed and is retried: {}",
            last.attempt,
            place(desired),
            last.note
        );
        return Assessment::new(RouteHealth::Converging, why);
    }
    let why = format!("desired: {}; actual: {how}", place(desired));
    Assessment::new(RouteHealth::OutOfSync, why)
}

/// A route whose calls are all made: only the load balancer has work left.
fn there(
    route: &Route,
    control: &Assignment,
    desired: &Desired,
    rows: &[ObservedTarget],
    now: Timestamp,
) -> Assessment {
    if let Some(pin) = control.safety.pinned(now)
        && pin.target != desired.target
    {
        let why = format!("desired: pinned to {}; actual: {}", pin.instance, place(desired));
        return Assessment::new(RouteHealth::Held, why);
    }
    let Some(row) = row_of(desired.target, rows) else {
        let why = format!("{} is not registered", place(desired));
        return Assessment::new(RouteHealth::OutOfSync, why);
    };
    let state = health_of(row);
    if desired.move_mode == MoveMode::Register {
        let why = format!(
            "{} is registered ({state}) beside the old one, until the failover completes",
            place(desired)
        );
        return Assessment::new(RouteHealth::Converging, why);
    }
    if serves(route.policy.serving_when, &row.health) {
        return Assessment::new(RouteHealth::InSync, format!("{} is {state}", place(desired)));
    }
    let follow = control.health_watch.as_ref().filter(|follow| follow.target == desired.target);
    if may_serve_yet(follow, row, route.policy.serving_limit, now) {
        let why = format!("{} is registered and does not serve yet: {state}", place(desired));
        return Assessment::new(RouteHealth::Converging, why);
    }
    let why = format!("{} does not serve: {state}; {}", place(desired), advice(row.reason.as_deref()));
    Assessment::new(RouteHealth::OutOfSync, why)
}

/// Whether the target may still become healthy. Without a watch the row's own state decides.
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

fn health_of(row: &ObservedTarget) -> String {
    match &row.reason {
        Some(reason) => format!("{} ({reason})", row.health.as_str()),
        None => row.health.as_str().to_owned(),
    }
}

fn place(desired: &Desired) -> String {
    format!("{} at {}", desired.instance, desired.target)
}
