//! A route: one source database, one target group, and the addresses that may stand in it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::event::{RdsEvent, SourceKind};
use super::identity::{Comparison, Followed, Location, SourceArn, is_account};
use super::policy::{Database, Policy};
use super::target::Target;

/// An identifier that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {rule}")]
pub struct InvalidName {
    /// What kind of identifier.
    pub what: &'static str,
    /// What was given.
    pub value: String,
    /// What it has to be.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The route's name: the key of its state and of its audit chain.
    RouteName
}
name! {
    /// An RDS cluster, instance or deployment identifier, lower case as RDS stores it.
    SourceId
}
name! {
    /// A DB instance identifier, lower case as RDS stores it.
    InstanceId
}
name! {
    /// The ARN of a target group.
    TargetGroupArn
}
name! {
    /// The ARN of a Network Load Balancer's listener.
    ListenerArn
}

/// Longest name of a route: it is part of a DynamoDB key, and it has to fit a table's column.
pub const ROUTE_NAME_LENGTH_MAX: usize = 64;

impl RouteName {
    /// A name from what a person wrote.
    ///
    /// # Errors
    /// When it is empty, too long, or has other characters than lower-case letters, digits, `-` and `_`.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let fits = !text.is_empty() && text.len() <= ROUTE_NAME_LENGTH_MAX;
        let plain =
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if fits && plain {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            what: "route name",
            value: text.to_owned(),
            rule: "1 to 64 lower-case letters, digits, '-' or '_'",
        })
    }
}

/// The rule of RDS for identifiers of clusters and instances, and the length of the longest kind we meet.
const RDS_IDENTIFIER_RULE: &str = "a letter first, then letters, digits and '-', at most 63 characters";
const RDS_IDENTIFIER_LENGTH_MAX: usize = 63;

fn rds_identifier(what: &'static str, text: &str) -> Result<String, InvalidName> {
    let lower = text.to_ascii_lowercase();
    let starts = lower.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let plain = lower.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if starts && plain && lower.len() <= RDS_IDENTIFIER_LENGTH_MAX {
        return Ok(lower);
    }
    Err(InvalidName { what, value: text.to_owned(), rule: RDS_IDENTIFIER_RULE })
}

impl SourceId {
    /// An identifier as an event or a person writes it; old events carry an `rds:` prefix.
    ///
    /// # Errors
    /// When it is no RDS identifier.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        rds_identifier("source identifier", text.strip_prefix("rds:").unwrap_or(text)).map(Self)
    }
}

impl InstanceId {
    /// An identifier as an event or a person writes it.
    ///
    /// # Errors
    /// When it is no RDS identifier.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        rds_identifier("instance identifier", text).map(Self)
    }
}

/// Whether `text` is an ARN of the load balancers' service whose resource begins with `kind`.
fn is_load_balancing_arn(text: &str, kind: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "elasticloadbalancing", region, account, resource] => {
            !partition.is_empty()
                && !region.is_empty()
                && is_account(account)
                && resource.strip_prefix(kind).is_some_and(|rest| rest.contains('/'))
        }
        _ => false,
    }
}

impl TargetGroupArn {
    /// An ARN such as `arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db/73e2d6bc24d8a067`.
    ///
    /// # Errors
    /// When it is no ARN of a target group.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if is_load_balancing_arn(text, "targetgroup/") {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            what: "target group ARN",
            value: text.to_owned(),
            rule: "arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID",
        })
    }

    /// Where the group is. Whoever moves it calls there, and the route's database is there too if nothing else is said.
    #[must_use]
    pub fn location(&self) -> Location<'_> {
        Location::in_arn(&self.0)
    }
}

impl ListenerArn {
    /// An ARN such as
    /// `arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/db/50dc6c495c0c9188/f2f7dc8efc522ab2`.
    ///
    /// # Errors
    /// When it is no ARN of a Network Load Balancer's listener.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if is_load_balancing_arn(text, "listener/net/") {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            what: "listener ARN of a Network Load Balancer",
            value: text.to_owned(),
            rule: "arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener/net/NAME/ID/ID",
        })
    }

    /// Where the listener is.
    #[must_use]
    pub fn location(&self) -> Location<'_> {
        Location::in_arn(&self.0)
    }
}

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
    /// instance, by which the route is known where no instance is.
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
    /// By whose word it moves, and what holds it back.
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

    /// An event held against what the route follows.
    #[must_use]
    pub fn compare<'a>(&'a self, event: &'a RdsEvent) -> Comparison<'a> {
        Comparison::of(event, self.followed())
    }

    /// Whether an event is this route's business.
    #[must_use]
    pub fn follows(&self, event: &RdsEvent) -> bool {
        self.compare(event).agrees()
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
            Strategy::Swap => Some(&self.group),
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
