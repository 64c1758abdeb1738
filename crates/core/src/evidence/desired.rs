//! Where evidence says that a route should point.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::evidence::event::{EventKey, EvidenceOrder};
use crate::model::names::InstanceId;
use crate::model::target::{MoveMode, Target};

/// The desired target of a route, with the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The instance believed to be the writer.
    pub instance: InstanceId,
    /// Its target.
    pub target: Target,
    /// Further targets that belong in the group: the other readers of a route of role `readers`.
    pub additional_targets: BTreeSet<Target>,
    /// Whether it replaces the old target or joins it.
    pub move_mode: MoveMode,
    /// The order of that evidence: nothing older moves the route (I3).
    pub evidence: EvidenceOrder,
    /// The event of that evidence.
    pub event: EventKey,
}

impl Desired {
    /// Every target that belongs in the group, the desired one first.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = vec![self.target];
        targets.extend(&self.additional_targets);
        targets
    }
}

/// Evidence of what has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its event.
    pub event: EventKey,
    /// The address of the writer that it named.
    pub ip: IpAddr,
}
