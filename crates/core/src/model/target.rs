//! What a target group holds: an address and a port, and how the load balancer sees it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::named::named;

/// One target of a group. Its identity is address and port together: the same address may be registered
/// several times with different ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The address, `Id` in the API.
    pub ip: IpAddr,
    /// The port. `DeregisterTargets` without it answers 200 and does nothing, so it is never optional here.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", SocketAddr::new(self.ip, self.port))
    }
}

/// `TargetHealth.State` of `DescribeTargetHealth`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[derive(strum::AsRefStr, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum TargetHealth {
    /// Registering, or before its first health check.
    Initial,
    /// Passing its checks.
    Healthy,
    /// Failing its checks; still registered.
    Unhealthy,
    /// Failing its checks, in the grace period before its connections are closed. Still registered, and
    /// back to `Healthy` if it recovers: a demoted writer that restarts as a reader does just that.
    #[strum(serialize = "unhealthy.draining")]
    UnhealthyDraining,
    /// The group is not used by a listener, or the target is not registered (the reason says which).
    Unused,
    /// Deregistering.
    Draining,
    /// Health checks are off.
    Unavailable,
    /// A state younger than this code, kept as the load balancer wrote it.
    #[strum(default, transparent)]
    Other(String),
}

impl TargetHealth {
    /// The state as the API spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.as_ref()
    }

    /// Reads the API's spelling; an unknown one is kept, since AWS has added states before.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.parse().unwrap_or_else(|_| Self::Other(text.to_owned()))
    }
}

/// The reason code of an `unused` row that is not registered at all.
const NOT_REGISTERED: &str = "Target.NotRegistered";

/// One row of `DescribeTargetHealth`. *Observed*, not *actual*: it is already old.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObservedTarget {
    /// Which target.
    pub target: Target,
    /// How the load balancer sees it.
    pub health: TargetHealth,
    /// `TargetHealth.Reason`, such as `Elb.RegistrationInProgress`.
    pub reason: Option<String>,
    /// The zone read back; sent again when the target is deregistered.
    pub availability_zone: Option<String>,
}

impl ObservedTarget {
    /// Whether the target is in the group. Only `draining` counts as gone (and a row that says itself
    /// that it is not registered): `unhealthy.draining` is still registered, and skipping it would leave
    /// a demoted writer in service once it recovers.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        match self.health {
            TargetHealth::Draining => false,
            TargetHealth::Unused => self.reason.as_deref() != Some(NOT_REGISTERED),
            TargetHealth::UnhealthyDraining
            | TargetHealth::Initial
            | TargetHealth::Healthy
            | TargetHealth::Unhealthy
            | TargetHealth::Unavailable
            | TargetHealth::Other(_) => true,
        }
    }
}

/// How far a transition goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum MoveMode {
    /// The desired target alone stays.
    Swap,
    /// The desired target joins; nothing leaves yet (`on_started = "register"`).
    Register,
}

named!(MoveMode);
