//! Which calls bring a target group to its desired target.
//!
//! The order is the point: register first, deregister later (I1). AWS's own load balancer controller
//! deregisters first, and so does the Lambda this program replaces; for pods that is a blip, for a database
//! writer it is an outage when the second call is refused.

use crate::evidence::desired::Desired;
use crate::model::route::Route;
use crate::model::target::{MoveMode, ObservedTarget, Target};

/// The calls that are missing: first every `register`, then every `deregister`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Targets to register.
    pub register: Vec<Target>,
    /// Targets to deregister, as they were observed.
    pub deregister: Vec<ObservedTarget>,
}

impl Plan {
    /// Whether the group is as it should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.register.is_empty() && self.deregister.is_empty()
    }
}

/// The difference between the group as it should be and as it was observed.
///
/// From any observed set, applying `register` and then `deregister` leaves the desired target and those
/// beside it registered, and (with [`MoveMode::Swap`]) nothing else of this route's. Re-planning after any prefix
/// of the calls gives the rest of them: a crash in between loses nothing.
#[must_use]
pub fn plan(route: &Route, desired: &Desired, observed: &[ObservedTarget]) -> Plan {
    let belongs = |target: Target| target == desired.target || desired.additional_targets.contains(&target);
    let wanted = std::iter::once(&desired.target).chain(&desired.additional_targets).copied();
    let register = wanted.filter(|target| RegisteredProof::observed(*target, observed).is_none()).collect();
    let deregister = match desired.move_mode {
        MoveMode::Register => Vec::new(),
        MoveMode::Swap => observed
            .iter()
            .filter(|row| row.is_registered() && !belongs(row.target) && route.owns(row.target))
            .cloned()
            .collect(),
    };
    Plan { register, deregister }
}

/// Proof that the desired target is registered and not draining. Without one nothing can be deregistered:
/// `TargetGroups::deregister` asks for it, so I1 is a matter of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredProof(Target);

impl RegisteredProof {
    /// Proof by having seen it.
    #[must_use]
    pub fn observed(desired: Target, observed: &[ObservedTarget]) -> Option<Self> {
        let seen = observed.iter().any(|row| row.target == desired && row.is_registered());
        seen.then_some(Self(desired))
    }

    /// Proof by the load balancer's reply to `RegisterTargets`. Call this on success alone: a lost reply
    /// proves nothing, and the group is to be observed again.
    #[must_use]
    pub fn registered(desired: Target) -> Self {
        Self(desired)
    }

    /// The target that is present.
    #[must_use]
    pub fn target(&self) -> Target {
        self.0
    }
}
