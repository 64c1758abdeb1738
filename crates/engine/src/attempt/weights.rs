//! The calls of an attempt on a weighted route: look, move the listener's weights, look again.
//!
//! Every instance's target is registered all the time, in a group of its own. So the first look usually finds the
//! desired one there, which is the proof that the one call of the move asks for (I1), and costs no registration.
//! Nothing is ever deregistered: what leaves service does so at weight 0, and stays warm for the way back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::attempt::calls::{ROUNDS_MAX, Stopped};
use crate::attempt::relays::RelayReader;
use crate::attempt::report::Report;
use crate::attempt::{Held, Reconciler, Task, why_moved};
use crate::ports::{CallError, ErrorKind, Listeners, Ports, TargetGroups};
use writerlink_core::actuation::plan::{Plan, plan};
use writerlink_core::actuation::relay::RelayReport;
use writerlink_core::actuation::weights::{
    Missing, ObservedListener, RegisteredIn, WeightChange, Weights, warm_targets,
};
use writerlink_core::decision::verdict::Verdict;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::discovery::Discovery;
use writerlink_core::evidence::trigger::Trigger;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::{Route, Strategy, TargetGroup, Weighted};
use writerlink_core::model::target::{MoveMode, ObservedTarget, Target};

/// A weighted route's attempt: what it is about, and what the load balancer showed first.
struct Moving<'a> {
    weighted: &'a Weighted,
    /// The desired instance's group.
    group: &'a TargetGroup,
    /// The target that each group should hold.
    targets: BTreeMap<InstanceId, Target>,
}

/// What was done.
struct Moved {
    before: Weights,
    after: Weights,
    /// Whether anything had to be changed for the desired instance.
    changed: bool,
    /// Instances whose targets were missing from their own groups and are registered again.
    rewarmed: Vec<InstanceId>,
    /// Why the other instances could not be looked after, if they could not.
    cold: Option<CallError>,
}

impl Reconciler {
    /// Gives the weight to the desired instance's group; says how that ended.
    pub(super) async fn shift_there(
        &self,
        task: &Task<'_>,
        weighted: &Weighted,
        held: &mut Held,
        report: &mut Report,
    ) -> Result<Verdict, Stopped> {
        let desired = &held.desired;
        let Some(group) = weighted.groups.get(&desired.instance) else {
            return Err(no_group(task.route, &desired.instance).into());
        };
        let discovery = discovery_of(&task.evidence.trigger);
        let moving =
            Moving { weighted, group, targets: warm_targets(task.route, weighted, desired, discovery) };
        let mut moved = self.move_weights(task, &moving, held, report).await?;
        match self.warm_the_others(task, &moving, held).await {
            Ok(rewarmed) => moved.rewarmed = rewarmed,
            // The move itself is done, and the timer looks after the rest: its attempt is about nothing else,
            // and there the failure counts.
            Err(Stopped::Failed(error)) if moved.changed => moved.cold = Some(error),
            Err(stopped) => return Err(stopped),
        }
        Ok(told(task, held, &moved, &report.after))
    }

    /// I1: no weight is moved without [`RegisteredIn`], which is asked for anew in every round. I6: no call is made unless
    /// its whole timeout fits the lease.
    async fn move_weights(
        &self,
        task: &Task<'_>,
        moving: &Moving<'_>,
        held: &mut Held,
        report: &mut Report,
    ) -> Result<Moved, Stopped> {
        let mut scene = self.look_at_desired(task, moving, held).await?;
        report.before = scene.all_rows();
        let before = scene.weights.clone();
        let mut changed = held.may_be_moved;
        for _ in 0..ROUNDS_MAX {
            if missing(task.route, moving, held, &scene).is_empty() {
                break;
            }
            changed = true;
            let warm = self.ensure_warm(task, moving, held, &scene).await?;
            let shift = match held.desired.move_mode {
                MoveMode::Register => None,
                MoveMode::Swap => WeightChange::to(&warm, task.route, moving.weighted, &scene.weights),
            };
            if let Some(shift) = shift {
                self.ensure_lease(task, held).await?;
                let setting = self.listeners.set_weights(&moving.weighted.listener, &shift);
                task.steps.call("ModifyListener", setting).await?;
            }
            scene = self.look_at_desired(task, moving, held).await?;
        }
        report.after = scene.all_rows();
        let left = missing(task.route, moving, held, &scene);
        if !left.is_empty() {
            return Err(Stopped::NotConverged(still_missing(&left, &scene)));
        }
        Ok(Moved { before, after: scene.weights, changed, rewarmed: Vec::new(), cold: None })
    }

    /// The weights and the desired instance's group, at the same time.
    async fn look_at_desired(
        &self,
        task: &Task<'_>,
        moving: &Moving<'_>,
        held: &mut Held,
    ) -> Result<ObservedListener, Stopped> {
        self.ensure_lease(task, held).await?;
        let (rows, weights) = tokio::join!(
            task.steps.call("DescribeTargetHealth", self.groups.observe(moving.group)),
            task.steps.call("DescribeListeners", self.listeners.weights(&moving.weighted.listener)),
        );
        let rows = [(held.desired.instance.clone(), rows?)].into();
        let weights = weights?;
        Ok(ObservedListener { weights, rows })
    }

    /// The proof that the desired group may get the weight: its target was seen there, or is registered now.
    async fn ensure_warm(
        &self,
        task: &Task<'_>,
        moving: &Moving<'_>,
        held: &mut Held,
        scene: &ObservedListener,
    ) -> Result<RegisteredIn, Stopped> {
        let target = held.desired.target;
        if let Some(warm) = RegisteredIn::observed(moving.group, target, &scene.all_rows()) {
            return Ok(warm);
        }
        self.ensure_lease(task, held).await?;
        self.queue.count_a_call();
        let targets = [target];
        let registering = self.groups.register(moving.group, &targets);
        task.steps.call("RegisterTargets", registering).await?;
        Ok(RegisteredIn::registered(moving.group, target))
    }

    /// Registers what is missing from the other instances' groups, once nobody waits for it any more; says whose
    /// targets those were.
    async fn warm_the_others(
        &self,
        task: &Task<'_>,
        moving: &Moving<'_>,
        held: &mut Held,
    ) -> Result<Vec<InstanceId>, Stopped> {
        let (mut rewarmed, mut unread) = (Vec::new(), None);
        for (instance, target) in &moving.targets {
            let group = moving.weighted.groups.get(instance);
            let Some(group) = group.filter(|_| *instance != held.desired.instance) else {
                continue;
            };
            self.ensure_lease(task, held).await?;
            let read = self.groups.observe(group);
            let rows = match task.steps.call("DescribeTargetHealth", read).await {
                Ok(rows) => rows,
                Err(error) => {
                    unread = Some(error);
                    continue;
                }
            };
            if RegisteredIn::observed(group, *target, &rows).is_none() {
                self.ensure_lease(task, held).await?;
                self.queue.count_a_call();
                let targets = [*target];
                let registering = self.groups.register(group, &targets);
                task.steps.call("RegisterTargets", registering).await?;
                rewarmed.push(instance.clone());
            }
        }
        unread.map_or(Ok(rewarmed), |error| Err(error.into()))
    }
}

/// Shows what the load balancer has of a route, to who only looks.
pub(super) struct RouteReader {
    groups: Arc<dyn TargetGroups>,
    listeners: Arc<dyn Listeners>,
    pub(super) relays: RelayReader,
}

impl RouteReader {
    pub(super) fn new(ports: &Ports) -> Self {
        let (groups, listeners) = (Arc::clone(&ports.groups), Arc::clone(&ports.listeners));
        Self { groups, listeners, relays: RelayReader::new(ports) }
    }

    /// The rows of one group.
    pub(super) async fn rows(&self, group: &TargetGroup) -> Result<Vec<ObservedTarget>, CallError> {
        Ok(self.groups.observe(group).await?.value)
    }

    /// What the load balancer shows of a route, and what is missing of it.
    pub(super) async fn observe_route(
        &self,
        route: &Route,
        desired: &Desired,
        discovery: Option<&Discovery>,
    ) -> Result<ObservedRoute, CallError> {
        let weighted = match &route.strategy {
            Strategy::Swap => {
                let rows = self.rows(&route.group).await?;
                let plan = plan(route, desired, &rows);
                return Ok(ObservedRoute { rows, plan, ..ObservedRoute::default() });
            }
            // The relays' group holds the relays, and what they forward to is nothing that a call could repair.
            Strategy::Relay(_) => {
                let relays = self.relays.reports().await?.to_vec();
                return Ok(ObservedRoute { relays, ..ObservedRoute::default() });
            }
            Strategy::Weighted(weighted) => weighted,
        };
        let mut scene = ObservedListener {
            weights: self.listeners.weights(&weighted.listener).await?.value,
            rows: BTreeMap::new(),
        };
        let mut unread = None;
        for (instance, group) in &weighted.groups {
            match self.rows(group).await {
                Ok(rows) => drop(scene.rows.insert(instance.clone(), rows)),
                Err(error) if *instance == desired.instance => return Err(error),
                Err(error) => unread = Some(error),
            }
        }
        let mut targets = warm_targets(route, weighted, desired, discovery);
        targets.retain(|instance, _| scene.rows.contains_key(instance));
        let missing = scene.missing(route, weighted, desired, &targets);
        Ok(ObservedRoute {
            rows: scene.all_rows(),
            relays: Vec::new(),
            plan: Plan { register: missing.register.into_values().collect(), deregister: Vec::new() },
            weights: missing.weights.map(|wanted| (scene.weights, wanted)),
            unread,
        })
    }
}

/// A route as somebody saw it who only looks.
#[derive(Default)]
pub(super) struct ObservedRoute {
    /// The rows of its groups.
    pub(super) rows: Vec<ObservedTarget>,
    /// What the relays of a relay route report.
    pub(super) relays: Vec<RelayReport>,
    /// Targets to be registered and deregistered.
    pub(super) plan: Plan,
    /// The weights that stand and those that should, where they differ.
    pub(super) weights: Option<(Weights, Weights)>,
    /// Why nothing is known of the group of an instance that the route does not point at: what clients reach does not
    /// depend on it.
    pub(super) unread: Option<CallError>,
}

impl ObservedRoute {
    pub(super) fn is_right(&self) -> bool {
        self.plan.is_empty() && self.weights.is_none()
    }
}

/// What the sources said, where it was they who spoke.
pub(super) fn discovery_of(trigger: &Trigger) -> Option<&Discovery> {
    match trigger {
        Trigger::Reading(reading) => Some(&reading.discovery),
        Trigger::Event(_) | Trigger::Command(_) => None,
    }
}

/// What is missing for the desired instance itself.
fn missing(route: &Route, moving: &Moving<'_>, held: &Held, scene: &ObservedListener) -> Missing {
    let desired = &held.desired;
    let own = [(desired.instance.clone(), desired.target)].into();
    scene.missing(route, moving.weighted, desired, &own)
}

fn still_missing(left: &Missing, scene: &ObservedListener) -> String {
    let wanted = left
        .weights
        .as_ref()
        .map_or_else(|| "which is right".to_owned(), |wanted| format!("wanted: {wanted}"));
    format!(
        "after every round of calls {} targets to register were left, and the weights were {} ({wanted})",
        left.register.len(),
        scene.weights
    )
}

/// Only a configuration that changed under a move in progress leads here: `decide` admits no such instance.
fn no_group(route: &Route, instance: &InstanceId) -> CallError {
    CallError {
        call: "ModifyListener",
        kind: ErrorKind::Invalid,
        code: "NoTargetGroup".to_owned(),
        message: format!(
            "instance {instance} has no target group on weighted route {}; add it under [route.target_groups]",
            route.name
        ),
        request_id: None,
    }
}

/// How a weighted move that arrived is told, with the weights before and after.
fn told(task: &Task<'_>, held: &Held, moved: &Moved, after: &[ObservedTarget]) -> Verdict {
    let desired = &held.desired;
    let to = format!("{} at {}", desired.instance, desired.target);
    // Who else is registered again moves nobody's connections: the desired instance was in place all along.
    let in_place = match moved.rewarmed.as_slice() {
        [] => Reason::NothingToDo,
        [_, ..] => Reason::DriftRepaired,
    };
    let (outcome, reason, what) = match (moved.changed, desired.move_mode) {
        (false, MoveMode::Swap) => {
            (Outcome::AlreadyThere, in_place, format!("the listener already gives everything to {to}"))
        }
        (false, MoveMode::Register) => (
            Outcome::AlreadyThere,
            in_place,
            format!("{to} is registered already, and the weights stay until the failover completes"),
        ),
        (true, MoveMode::Swap) => (
            Outcome::Moved,
            why_moved(task, held.pointed_here),
            format!("the listener gives everything to {to}"),
        ),
        (true, MoveMode::Register) => (
            Outcome::Registered,
            Reason::RegisteredFirst,
            format!("{to} is registered; the weights stay until the failover completes"),
        ),
    };
    let strangers = after.iter().filter(|row| row.is_registered() && row.target != desired.target);
    let strangers = strangers.map(|row| {
        format!("its group also holds {}, which no weighted route deregisters: do so by hand", row.target)
    });
    let mut parts = vec![what, weights_told(moved)];
    parts.extend(others_told(moved));
    parts.extend(strangers);
    Verdict::new(outcome, reason, parts.join("; "))
}

fn others_told(moved: &Moved) -> Option<String> {
    if let Some(error) = &moved.cold {
        return Some(format!("the other instances' groups are left to the timer: {error}"));
    }
    let names: Vec<&str> = moved.rewarmed.iter().map(InstanceId::as_str).collect();
    (!names.is_empty())
        .then(|| format!("missing from their own groups and registered again: {}", names.join(", ")))
}

fn weights_told(moved: &Moved) -> String {
    if moved.before == moved.after {
        format!("weights: {}", moved.after)
    } else {
        format!("weights before: {}; after: {}", moved.before, moved.after)
    }
}
