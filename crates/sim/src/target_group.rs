//! One target group: which targets it holds, and where each is between registration and departure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::health::{Answers, Health, HealthChecks};
use writerlink_core::model::target::{ObservedTarget, Target, TargetHealth};

/// A deregistered target may get new connections this long, whatever the delay says, while the change
/// propagates (containers-roadmap #470); its row stays at least as long.
pub const PROPAGATION: Duration = Duration::from_mins(2);

/// Where an address has to lie to be a target (`RegisterTargets` in the API reference).
const TARGET_RANGES: [&str; 4] = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"];

/// A target as the API takes it. The port may be left out, and that is the trap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetDescription {
    /// `Id`.
    pub ip: IpAddr,
    /// `Port`.
    pub port: Option<u16>,
    /// `AvailabilityZone`.
    pub availability_zone: Option<String>,
}

impl TargetDescription {
    /// A target with its port, and the zone if there is one to send.
    #[must_use]
    pub fn of(target: Target, availability_zone: Option<String>) -> Self {
        Self { ip: target.ip, port: Some(target.port), availability_zone }
    }
}

/// What a target group is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroupSpec {
    /// The port of a target that is registered without one.
    pub port: u16,
    /// The subnets of the group's VPC and the zone of each.
    pub subnets: BTreeMap<IpNet, String>,
}

/// Whether a call changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The target joined or left.
    Changed,
    /// It was that way already.
    Unchanged,
}

/// How far along a target is. A drain that is cancelled does not start it anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// When its registration is complete.
    pub(super) registered_by: Duration,
    /// When there is a first verdict on its health.
    pub(super) checked_by: Duration,
}

impl Progress {
    /// That of a target which has been there since before the world began.
    pub(super) const COMPLETE: Self = Self { registered_by: Duration::ZERO, checked_by: Duration::ZERO };
}

#[derive(Clone, Debug)]
struct Row {
    zone: String,
    progress: Progress,
    draining_since: Option<Duration>,
}

impl Row {
    fn is_ready(&self, now: Duration) -> bool {
        self.draining_since.is_none() && self.progress.registered_by <= now
    }
}

/// A target group as the load balancer keeps it.
#[derive(Debug)]
pub(super) struct Group {
    spec: TargetGroupSpec,
    rows: BTreeMap<Target, Row>,
}

impl Group {
    pub(super) fn empty(spec: TargetGroupSpec) -> Self {
        let rows = BTreeMap::new();
        Self { spec, rows }
    }

    pub(super) fn spec(&self) -> &TargetGroupSpec {
        &self.spec
    }

    /// The target that a description means and the zone it belongs to; `None` when it cannot be a target.
    /// Inside the VPC the subnet tells the zone; outside of it the caller has to.
    pub(super) fn place(&self, description: &TargetDescription) -> Option<(Target, String)> {
        let TargetDescription { ip, port, .. } = description;
        let allowed = TARGET_RANGES
            .iter()
            .filter_map(|range| range.parse::<IpNet>().ok())
            .any(|range| range.contains(ip));
        let mut subnets = self.spec.subnets.iter();
        let own = subnets.find(|(subnet, _)| subnet.contains(ip));
        let zone = own.map(|(_, zone)| zone.clone());
        let zone = zone.or_else(|| description.availability_zone.clone())?;
        let port = port.unwrap_or(self.spec.port);
        (allowed && port != 0).then_some((Target { ip: *ip, port }, zone))
    }

    /// Registers a target. One that is registered stays as it was; one that drains is back in service, as
    /// far along as it had been (ansible PR #58995 saw `draining` become `healthy` at once).
    pub(super) fn admit(&mut self, target: Target, zone: String, progress: Progress) -> Difference {
        if let Some(row) = self.rows.get_mut(&target) {
            return match row.draining_since.take() {
                Some(_) => Difference::Changed,
                None => Difference::Unchanged,
            };
        }
        let row = Row { zone, progress, draining_since: None };
        self.rows.insert(target, row);
        Difference::Changed
    }

    /// Deregisters a target. One that drains already keeps its deadline.
    pub(super) fn dismiss(&mut self, target: Target, now: Duration) -> Difference {
        match self.rows.get_mut(&target) {
            Some(row) if row.draining_since.is_none() => {
                row.draining_since = Some(now);
                Difference::Changed
            }
            Some(_) | None => Difference::Unchanged,
        }
    }

    /// Forgets the targets whose drain is over.
    pub(super) fn settle(&mut self, now: Duration, drain: Duration) {
        self.rows.retain(|_, row| row.draining_since.is_none_or(|since| now < since + drain));
    }

    pub(super) fn observed(
        &self,
        checks: &HealthChecks,
        answers: &Answers,
        now: Duration,
    ) -> Vec<ObservedTarget> {
        let shown = |(target, row): (&Target, &Row)| {
            let (health, reason) = health(row, target.ip, (checks, answers), now);
            ObservedTarget {
                target: *target,
                health,
                reason: reason.map(str::to_owned),
                availability_zone: Some(row.zone.clone()),
            }
        };
        self.rows.iter().map(shown).collect()
    }

    /// The targets whose registration is complete and that are not draining.
    pub(super) fn ready(&self, now: Duration) -> BTreeSet<Target> {
        let ready = self.rows.iter().filter(|(_, row)| row.is_ready(now));
        ready.map(|(target, _)| *target).collect()
    }

    /// The targets that were in service and left less than [`PROPAGATION`] ago.
    pub(super) fn lingering(&self, now: Duration) -> BTreeSet<Target> {
        let left = |row: &Row| {
            row.draining_since
                .is_some_and(|since| row.progress.registered_by <= since && now < since + PROPAGATION)
        };
        let lingering = self.rows.iter().filter(|(_, row)| left(row));
        lingering.map(|(target, _)| *target).collect()
    }
}

fn health(row: &Row, ip: IpAddr, checked: (&HealthChecks, &Answers), now: Duration) -> Health {
    let (checks, answers) = checked;
    if row.draining_since.is_some() {
        let reason = "Target.DeregistrationInProgress";
        return (TargetHealth::Draining, Some(reason));
    }
    if now < row.progress.registered_by {
        let reason = "Elb.RegistrationInProgress";
        return (TargetHealth::Initial, Some(reason));
    }
    answers.health(checks, ip, row.progress.checked_by, now)
}
