//! A route: one source database, one target group, and the addresses that may stand in it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::model::names::{InstanceId, ListenerArn, RouteName, SourceId, TargetGroupArn};
use crate::model::policy::{Database, Policy};
use crate::model::source_arn::{Followed, SourceArn, SourceKind};
use crate::model::target::Target;

/// Where a route's targets live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// Which group.
    pub arn: TargetGroupArn,
    /// The zone to register with; `all` is required for an address outside the group's VPC (a peered one),
    /// and none is right for an address inside it, which AWS places by itself.
    pub availability_zone: Option<String>,
}

/// How a route is moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// One target group, whose target is swapped.
    #[default]
    Swap,
    /// One target group for each instance, among which the listener's weights are moved.
    Weighted(Weighted),
    /// Relays (HAProxy) in the data path, which forward to the instance that the ledger names. The load balancer's
    /// targets are the relays and never change.
    Relay(Relay),
}

/// How relays serve a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The port on which a relay takes this route's clients.
    pub listen: u16,
    /// What its clients are.
    pub profile: RelayProfile,
    /// How long relays may take to apply a move before that is recorded as a problem.
    pub switch_limit: Duration,
    /// After how long without a report a relay is silent.
    pub silent_limit: Duration,
}

/// How long relays may take to apply a move, unless the configuration says otherwise: many poll intervals.
pub const SWITCH_LIMIT: Duration = Duration::from_secs(10);

/// After how long without a report a relay is silent, unless the configuration says otherwise: two reports were missed.
pub const SILENT_LIMIT: Duration = Duration::from_mins(1);

/// For which clients a relay holds new connections, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayProfile {
    /// Replication and change data capture: a new connection waits until exactly one server has been usable for a
    /// second on end, for at most 50 s. Each new connection waits that second.
    #[default]
    Replication,
    /// Applications: a new connection waits until exactly one server is usable.
    Application,
}

/// Where a weighted route's targets live: every one of them registered and health-checked all the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// Whose default action forwards to the groups.
    pub listener: ListenerArn,
    /// The group of each instance.
    pub groups: BTreeMap<InstanceId, TargetGroup>,
}

/// Which source's events move a route. Whether it is a cluster or an instance, its policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Any source in the target group's account and Region: the Lambda's configuration, which never looked at the name.
    Any,
    /// This one, in the target group's account and Region.
    Named(SourceId),
    /// This one, in another account or Region, whose events are forwarded to the queue. RDS cannot be asked about it:
    /// calls go to the target group's account and Region, where the same name is another database.
    Elsewhere(SourceArn),
}

/// What a *started* failover does (events 0072 and 0073). A completed one always swaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStarted {
    /// Move at once: the named instance is the coming writer, and the NLB needs minutes to register it.
    #[default]
    Swap,
    /// Register the named instance, keep the old one until the failover completes.
    Register,
    /// Do nothing until it completes.
    Wait,
}

/// One source database and the target group that follows its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name, the key of everything recorded about it.
    pub name: RouteName,
    /// Whose events move it.
    pub source: Source,
    /// How it is moved.
    pub strategy: Strategy,
    /// The group that follows. A weighted route has one for each instance; then this is the one of its first
    /// instance, by which the route is known where no instance is. Of a relay route: the group in which the relays
    /// stand, which is never changed.
    pub group: TargetGroup,
    /// The port of every target registered for this route.
    pub port: u16,
    /// The address of each instance that may become the writer.
    pub instances: BTreeMap<InstanceId, IpAddr>,
    /// Where an address has to lie to be registered, whoever names it.
    pub allowed_cidrs: Vec<IpNet>,
    /// Whether the group belongs to this route alone. If not, targets of others are left alone.
    pub exclusive: bool,
    /// What a started failover does.
    pub on_started: OnStarted,
    /// Its sources and safety rules.
    pub policy: Policy,
}

impl Route {
    /// What the route follows, whole (I5).
    #[must_use]
    pub fn followed(&self) -> Followed<'_> {
        let kind = match self.policy.database {
            Database::Cluster => SourceKind::Cluster,
            Database::Instance => SourceKind::Instance,
        };
        let location = match &self.source {
            Source::Any | Source::Named(_) => self.group.arn.location(),
            Source::Elsewhere(arn) => arn.location(),
        };
        let name = self.source_name();
        Followed { kind, name, location }
    }

    /// The identifier of the source, wherever it is; none where any will do.
    #[must_use]
    pub fn source_name(&self) -> Option<&SourceId> {
        match &self.source {
            Source::Any => None,
            Source::Named(name) => Some(name),
            Source::Elsewhere(arn) => Some(arn.name()),
        }
    }

    /// The identifier by which RDS can be asked about the source.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn source_of_rds(&self) -> Result<&SourceId, &'static str> {
        match &self.source {
            Source::Named(name) => Ok(name),
            Source::Any => Err("the route takes events of any source"),
            Source::Elsewhere(_) => {
                Err("the route's source is of another account or Region, where RDS is not asked")
            }
        }
    }

    /// The group that an instance's target belongs in; none for an instance to which a weighted route gives none.
    #[must_use]
    pub fn group_of(&self, instance: &InstanceId) -> Option<&TargetGroup> {
        match &self.strategy {
            Strategy::Swap | Strategy::Relay(_) => Some(&self.group),
            Strategy::Weighted(weighted) => weighted.groups.get(instance),
        }
    }

    /// The target for an instance at `ip`, if the address lies where this route may point (I5).
    #[must_use]
    pub fn admit(&self, ip: IpAddr) -> Option<Target> {
        let allowed = self.allowed_cidrs.iter().any(|cidr| cidr.contains(&ip));
        allowed.then_some(Target { ip, port: self.port })
    }

    /// Whether a registered target is this route's to deregister: every one of an exclusive group, else
    /// only the addresses of its own instances, whatever their port.
    #[must_use]
    pub fn owns(&self, target: Target) -> bool {
        self.exclusive || self.instances.values().any(|ip| *ip == target.ip)
    }
}
