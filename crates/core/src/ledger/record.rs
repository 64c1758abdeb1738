//! What is recorded, and the chain that shows that nothing was changed or left out (I8).

use crate::evidence::event::{EventKey, RdsEvent};
use crate::evidence::trigger::Trigger;
use crate::ledger::changes::Changes;
use crate::model::ids::{Generation, Hash, Owner, TransitionId};
use crate::model::names::{InstanceId, RouteName, TargetGroupArn};
use crate::model::outcome::Outcome;
use crate::model::provenance::Provenance;
pub use crate::model::reason::{Cause, Reason};
use crate::model::target::{ObservedTarget, Target};
use crate::model::time::Timestamp;
use crate::named::named;
use std::sync::Arc;
use std::time::Duration;

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum RecordKind {
    /// An attempt begins; no call has been made yet.
    Started,
    /// An attempt begins at an event that an earlier attempt left half done.
    Resumed,
    /// An attempt ended without an outcome; the event's next delivery tries again.
    Deferred,
    /// The event is processed.
    Finished,
    /// An operator gave a command.
    Command,
    /// A reconcile pass found drift that it waits out or may not repair.
    DriftDetected,
    /// The new target serves.
    TargetHealthy,
    /// The new target does not serve although it should by now.
    TargetNotHealthy,
    /// An old target is gone.
    TargetRemoved,
    /// Every relay forwards to the new instance.
    RelaysSwitched,
    /// A relay does not forward to the new instance although it should by now.
    NotSwitched,
    /// The state was behind its records and was rebuilt from them.
    Recovered,
    /// A person had the chain continued behind rows that do not verify.
    Adopted,
}

named!(RecordKind);

/// One step of an attempt: which call, when, how long, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The step's name, such as `RegisterTargets`.
    pub name: String,
    /// From the start of the attempt.
    pub start: Duration,
    /// How long it took.
    pub took: Duration,
    /// The request id of the AWS call.
    pub request_id: Option<String>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Step {
    /// Whether it is a call of the load balancer that was accepted and is made to change something.
    #[must_use]
    pub fn has_changed_something(&self) -> bool {
        let changing = ["RegisterTargets", "DeregisterTargets", "ModifyListener"];
        self.error.is_none() && changing.contains(&self.name.as_str())
    }
}

/// What triggered a record, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedTrigger {
    /// An event, whole.
    Event(RdsEvent),
    /// A reading of the sources, as text.
    Reading {
        /// When they were read.
        at: Timestamp,
        /// The reading.
        text: String,
    },
    /// An operator's command.
    Command {
        /// When.
        at: Timestamp,
        /// Who.
        by: String,
        /// The command, as text.
        text: String,
    },
}

impl RecordedTrigger {
    /// The trigger's own time.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Event(event) => event.at,
            Self::Reading { at, .. } | Self::Command { at, .. } => *at,
        }
    }

    /// The trigger as text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Event(event) => &event.message,
            Self::Reading { text: said, .. } | Self::Command { text: said, .. } => said,
        }
    }

    /// The event, if it is one.
    #[must_use]
    pub fn event(&self) -> Option<&RdsEvent> {
        match self {
            Self::Event(event) => Some(event),
            Self::Reading { .. } | Self::Command { .. } => None,
        }
    }
}

impl From<&Trigger> for RecordedTrigger {
    fn from(trigger: &Trigger) -> Self {
        match trigger {
            Trigger::Event(event) => Self::Event(event.clone()),
            Trigger::Reading(reading) => Self::Reading { at: reading.at, text: reading.said.clone() },
            Trigger::Command(order) => {
                Self::Command { at: order.at, by: order.by.clone(), text: order.to_string() }
            }
        }
    }
}

/// The content of a record, before it has its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What kind of record.
    pub kind: RecordKind,
    /// When, by the writer's wall clock.
    pub at: Timestamp,
    /// Which attempt.
    pub transition: TransitionId,
    /// The attempt number at the event, from 1.
    pub attempt: u32,
    /// The fencing token it was written under.
    pub generation: Generation,
    /// Which process.
    pub owner: Owner,
    /// Which version of this program.
    pub version: String,
    /// Which installation, and under which configuration; records of 0.1.0 do not say. Shared: it is the same in every
    /// record of a process.
    pub provenance: Option<Arc<Provenance>>,
    /// What made it happen.
    pub cause: Cause,
    /// The evidence's identity on this route.
    pub event_key: EventKey,
    /// What triggered it, with its text; a record of a move's health refers to it by the key alone.
    pub trigger: Option<RecordedTrigger>,
    /// Which group.
    pub target_group: TargetGroupArn,
    /// Where the route should point: instance and target.
    pub desired: Option<(InstanceId, Target)>,
    /// The group before the calls, as far as it was observed.
    pub before: Vec<ObservedTarget>,
    /// The group after them.
    pub after: Vec<ObservedTarget>,
    /// What was done.
    pub steps: Vec<Step>,
    /// How it ended; only a record that ends its event has one.
    pub outcome: Option<Outcome>,
    /// Why.
    pub reason: Option<Reason>,
    /// The reason as text, with the values that mattered.
    pub note: String,
}

impl Entry {
    /// From the start of the attempt to the end of its last step.
    #[must_use]
    pub fn took(&self) -> Duration {
        let ends = self.steps.iter().map(|step| step.start + step.took);
        ends.max().unwrap_or_default()
    }
}

/// An entry in its place in a route's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Whose chain.
    pub route: RouteName,
    /// Its place, from 1, without gaps.
    pub seq: u64,
    /// The hash of the record before it.
    pub prev: Hash,
    /// Its content.
    pub entry: Entry,
    /// What its commit changed; none in a record of a version that did not keep it.
    pub changes: Option<Changes>,
}
