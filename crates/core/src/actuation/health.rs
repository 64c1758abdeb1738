//! After the calls: whether the new target is healthy, and whether the old one is removed.
//!
//! The load balancer takes minutes for both (3 to 5 for a registration, by AWS Support in
//! aws-load-balancer-controller issue 1834), so no lease is held meanwhile. Each reconcile pass checks, and each result
//! is recorded once.

use std::time::Duration;

use crate::evidence::event::EventKey;
use crate::model::ids::TransitionId;
use crate::model::names::InstanceId;
use crate::model::policy::{Policy, ServingWhen};
use crate::model::target::{ObservedTarget, Target, TargetHealth};
use crate::model::time::Timestamp;
use crate::named::named;

/// A move whose effect at the load balancer is still awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthWatch {
    /// Which attempt made it.
    pub transition: TransitionId,
    /// On which evidence.
    pub key: EventKey,
    /// Which instance the route was pointed at.
    pub instance: InstanceId,
    /// And its target.
    pub target: Target,
    /// The evidence's time: outages are counted from it.
    pub since: Timestamp,
    /// When the attempt ended.
    pub moved_at: Timestamp,
    /// What was recorded about the new target so far.
    pub arrival: ServingState,
    /// The old targets that are not gone yet.
    pub leaving: Vec<Target>,
}

/// What was recorded about a new target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum ServingState {
    /// Nothing yet.
    Awaited,
    /// That it does not serve within the limit. It may yet.
    Overdue,
    /// That it serves.
    Serving,
}
named!(ServingState);

/// A result to record about a move, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthUpdate {
    /// What.
    pub what: HealthEvent,
    /// The result as text, with what to do.
    pub note: String,
    /// What is still awaited after it.
    pub rest: Option<HealthWatch>,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthEvent {
    /// The new target serves, this long after the evidence's time.
    Serving(Duration),
    /// It does not, this long after.
    NotServing(Duration),
    /// An old target is gone, this long after the attempt ended.
    Drained(Duration),
    /// Every relay forwards to the new instance, this long after the evidence was said.
    Switched(Duration),
    /// One does not, this long after.
    NotSwitched(Duration),
}

impl HealthWatch {
    /// The next result to record, by the load balancer's state now.
    #[must_use]
    pub fn next_update(
        &self,
        policy: &Policy,
        observed: &[ObservedTarget],
        now: Timestamp,
    ) -> Option<HealthUpdate> {
        self.arrived(policy, observed, now)
            .or_else(|| self.drained(observed, now))
            .or_else(|| self.overdue(policy, observed, now))
    }

    fn arrived(&self, policy: &Policy, observed: &[ObservedTarget], now: Timestamp) -> Option<HealthUpdate> {
        let row = row_of(self.target, observed)?;
        if self.arrival == ServingState::Serving || !serves(policy.serving_when, &row.health) {
            return None;
        }
        let took = now.since(self.since);
        let rest = self.with_arrival(ServingState::Serving);
        Some(HealthUpdate {
            what: HealthEvent::Serving(took),
            note: format!(
                "{} at {} serves, {} s after the evidence ({})",
                self.instance,
                self.target,
                took.as_secs(),
                row.health.as_str()
            ),
            rest: rest.unless_done(),
        })
    }

    fn drained(&self, observed: &[ObservedTarget], now: Timestamp) -> Option<HealthUpdate> {
        let gone = |target: &Target| row_of(*target, observed).is_none();
        let target = self.leaving.iter().copied().find(gone)?;
        let took = now.since(self.moved_at);
        let mut rest = self.clone();
        rest.leaving.retain(|left| *left != target);
        Some(HealthUpdate {
            what: HealthEvent::Drained(took),
            note: format!("{target} is gone, {} s after it was deregistered", took.as_secs()),
            rest: rest.unless_done(),
        })
    }

    fn overdue(&self, policy: &Policy, observed: &[ObservedTarget], now: Timestamp) -> Option<HealthUpdate> {
        let waited = now.since(self.moved_at);
        if self.arrival != ServingState::Awaited || waited < policy.serving_limit {
            return None;
        }
        let row = row_of(self.target, observed);
        let state = row.map_or("not registered", |row| row.health.as_str());
        let reason = row.and_then(|row| row.reason.as_deref());
        Some(HealthUpdate {
            what: HealthEvent::NotServing(now.since(self.since)),
            note: format!(
                "{} at {} does not serve {} s after the move: {state}{}; {}",
                self.instance,
                self.target,
                waited.as_secs(),
                reason.map_or_else(String::new, |reason| format!(" ({reason})")),
                advice(reason)
            ),
            rest: self.with_arrival(ServingState::Overdue).unless_done(),
        })
    }

    fn with_arrival(&self, arrival: ServingState) -> Self {
        Self { arrival, ..self.clone() }
    }

    fn unless_done(self) -> Option<Self> {
        let done = self.arrival == ServingState::Serving && self.leaving.is_empty();
        (!done).then_some(self)
    }
}

pub(crate) fn row_of(target: Target, observed: &[ObservedTarget]) -> Option<&ObservedTarget> {
    observed.iter().find(|row| row.target == target)
}

/// Whether a target in this state serves, by what the route counts as serving.
pub(crate) fn serves(when: ServingWhen, health: &TargetHealth) -> bool {
    match (when, health) {
        (_, TargetHealth::Healthy | TargetHealth::Unavailable)
        | (
            ServingWhen::Registered,
            TargetHealth::Unhealthy | TargetHealth::UnhealthyDraining | TargetHealth::Other(_),
        ) => true,
        (_, TargetHealth::Initial | TargetHealth::Unused | TargetHealth::Draining)
        | (
            ServingWhen::Healthy,
            TargetHealth::Unhealthy | TargetHealth::UnhealthyDraining | TargetHealth::Other(_),
        ) => false,
    }
}

/// What to do about a target that does not serve, by the reason code of `DescribeTargetHealth`
/// (Network Load Balancer guide, "Target health status").
#[must_use]
pub fn advice(reason: Option<&str>) -> &'static str {
    match reason {
        Some("Elb.RegistrationInProgress") => {
            "the load balancer is still registering it: wait, and ask AWS Support after ten minutes"
        }
        Some("Elb.InitialHealthChecking") => {
            "its first health checks are running: compare their interval and threshold with the limit"
        }
        Some("Target.FailedHealthChecks" | "Target.Timeout") => {
            "its health checks fail: check the database's security group (the load balancer's addresses need \
             the port), its status, and max_connect_errors"
        }
        Some("Target.NotInUse") => {
            "no enabled zone reaches it: enable its Availability Zone on the load balancer or turn cross-zone \
             load balancing on, and see that a listener forwards to the group"
        }
        Some("Target.IpUnusable") => "its address is the load balancer's own: correct the instance map",
        Some("Target.InvalidState") => "the instance behind it is stopped: start it, or fail over",
        Some("Target.NotRegistered") => {
            "it was deregistered by another caller: the next reconcile pass registers it, unless the route is held"
        }
        Some("Target.HealthCheckDisabled") => "health checks are off: set serving_when = \"registered\"",
        Some("Elb.InternalError") => "the load balancer reports an internal error: ask AWS Support",
        Some(_) | None => "check the target in the console: Target Groups, Targets, Health status details",
    }
}
