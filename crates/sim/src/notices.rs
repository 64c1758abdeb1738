//! What RDS says besides a cluster's failover: the events' ids and their texts.
//!
//! Sources: RDS User Guide and Aurora User Guide, "Amazon RDS event categories and event messages". A text that was
//! captured stands as it was captured; most of those lack the final full stop that the guides' tables have.

use writerlink_core::evidence::event::EventId;
use writerlink_core::model::names::{InstanceId, SourceId};

/// One thing that RDS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// 0004, of an instance.
    Shutdown,
    /// 0006, of an instance: its host may be another one.
    Restarted,
    /// 0013, of a Multi-AZ instance.
    StandbyFailoverStarted,
    /// 0015, of a Multi-AZ instance: the older wording of 0049.
    StandbyFailoverSpreads,
    /// 0034, of a Multi-AZ instance: nothing moves.
    StandbyFailoverAbandoned,
    /// 0049, of a Multi-AZ instance.
    StandbyFailoverCompleted,
    /// 0050, of a Multi-AZ instance that goes back to its zone.
    ActivationStarted,
    /// 0051.
    ActivationCompleted,
    /// 0065, of a Multi-AZ instance.
    PartialFailoverRecovered,
    /// 0422, of an instance whose host will be another one.
    HostReplacement(InstanceId),
    /// 0247, of a blue/green deployment.
    SwitchoverStarted(Renaming),
    /// 0248.
    SwitchoverCompleted,
    /// 0249: nothing was renamed.
    SwitchoverCanceled,
    /// 0250, of a deployment of an instance.
    InstanceSwitchoverStarted(Renaming),
    /// 0251.
    InstanceSwitchoverCompleted(Renaming),
    /// 0259, of a deployment of a cluster.
    ClusterSwitchoverStarted(Renaming),
    /// 0260.
    ClusterSwitchoverCompleted(Renaming),
}

/// What a blue/green switchover renames: green is called blue from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming {
    /// What the name belonged to.
    pub blue: SourceId,
    /// What takes its name.
    pub green: SourceId,
    /// What blue is called from then on.
    pub blue_old: SourceId,
}

impl Renaming {
    fn started(&self, what: &str) -> String {
        let Self { blue, green, .. } = self;
        format!("Switchover from {what}{blue} to {green} started.")
    }

    fn completed(&self, what: &str) -> String {
        let Self { blue, green, blue_old } = self;
        format!(
            "Switchover from {what}{blue} to {green} completed. Renamed {blue} to {blue_old} and {green} to {blue}."
        )
    }
}

impl Notice {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> Option<EventId> {
        EventId::parse(match self {
            Self::Shutdown => "RDS-EVENT-0004",
            Self::Restarted => "RDS-EVENT-0006",
            Self::StandbyFailoverStarted => "RDS-EVENT-0013",
            Self::StandbyFailoverSpreads => "RDS-EVENT-0015",
            Self::StandbyFailoverAbandoned => "RDS-EVENT-0034",
            Self::StandbyFailoverCompleted => "RDS-EVENT-0049",
            Self::ActivationStarted => "RDS-EVENT-0050",
            Self::ActivationCompleted => "RDS-EVENT-0051",
            Self::PartialFailoverRecovered => "RDS-EVENT-0065",
            Self::HostReplacement(_) => "RDS-EVENT-0422",
            Self::SwitchoverStarted(_) => "RDS-EVENT-0247",
            Self::SwitchoverCompleted => "RDS-EVENT-0248",
            Self::SwitchoverCanceled => "RDS-EVENT-0249",
            Self::InstanceSwitchoverStarted(_) => "RDS-EVENT-0250",
            Self::InstanceSwitchoverCompleted(_) => "RDS-EVENT-0251",
            Self::ClusterSwitchoverStarted(_) => "RDS-EVENT-0259",
            Self::ClusterSwitchoverCompleted(_) => "RDS-EVENT-0260",
        })
    }

    /// The event's text.
    #[must_use]
    pub fn message(&self) -> String {
        let text = match self {
            Self::Shutdown => "DB instance shutdown",
            Self::Restarted => "DB instance restarted",
            Self::StandbyFailoverStarted => "Multi-AZ instance failover started.",
            Self::StandbyFailoverSpreads => {
                "Multi-AZ failover to standby complete - DNS propagation may take a few minutes."
            }
            Self::StandbyFailoverAbandoned => {
                "Abandoning user requested failover since a failover recently occurred on the database instance."
            }
            Self::StandbyFailoverCompleted => "Multi-AZ instance failover completed",
            Self::ActivationStarted => "Multi-AZ instance activation started.",
            Self::ActivationCompleted => "Multi-AZ instance activation completed.",
            Self::PartialFailoverRecovered => "Recovered from partial failover.",
            Self::HostReplacement(instance) => {
                return format!(
                    "RDS will replace the host of DB instance {instance} due to a pending maintenance action."
                );
            }
            Self::SwitchoverStarted(names) => return names.started(""),
            Self::SwitchoverCompleted => "Switchover completed on blue/green deployment.",
            Self::SwitchoverCanceled => "Switchover canceled on blue/green deployment.",
            Self::InstanceSwitchoverStarted(names) => return names.started("primary "),
            Self::InstanceSwitchoverCompleted(names) => return names.completed("primary "),
            Self::ClusterSwitchoverStarted(names) => return names.started("DB cluster "),
            Self::ClusterSwitchoverCompleted(names) => return names.completed("DB cluster "),
        };
        text.to_owned()
    }
}

/// The category of an event. A real event without an id has the category "empty".
#[must_use]
pub fn category(id: Option<EventId>) -> &'static str {
    let Some(id) = id else { return "empty" };
    match id.to_string().as_str() {
        "RDS-EVENT-0004" | "RDS-EVENT-0006" => "availability",
        "RDS-EVENT-0422" => "maintenance",
        "RDS-EVENT-0247" | "RDS-EVENT-0248" | "RDS-EVENT-0249" | "RDS-EVENT-0250" | "RDS-EVENT-0251"
        | "RDS-EVENT-0259" | "RDS-EVENT-0260" => "notification",
        _ => "failover",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_notice_has_an_id_and_a_text_of_its_own() {
        let source = |name: &str| SourceId::new(name).unwrap();
        let renaming =
            Renaming { blue: source("blue"), green: source("green"), blue_old: source("blue-old1") };
        let names = || renaming.clone();
        let all = [
            Notice::Shutdown,
            Notice::Restarted,
            Notice::StandbyFailoverStarted,
            Notice::StandbyFailoverSpreads,
            Notice::StandbyFailoverAbandoned,
            Notice::StandbyFailoverCompleted,
            Notice::ActivationStarted,
            Notice::ActivationCompleted,
            Notice::PartialFailoverRecovered,
            Notice::HostReplacement(InstanceId::new("db-1").unwrap()),
            Notice::SwitchoverStarted(names()),
            Notice::SwitchoverCompleted,
            Notice::SwitchoverCanceled,
            Notice::InstanceSwitchoverStarted(names()),
            Notice::InstanceSwitchoverCompleted(names()),
            Notice::ClusterSwitchoverStarted(names()),
            Notice::ClusterSwitchoverCompleted(names()),
        ];
        let ids: BTreeSet<_> = all.iter().filter_map(Notice::id).collect();
        let texts: BTreeSet<_> = all.iter().map(Notice::message).collect();
        assert_eq!((ids.len(), texts.len()), (all.len(), all.len()));
    }

    #[test]
    fn an_event_without_an_id_has_the_category_empty() {
        assert_eq!(category(None), "empty");
        assert_eq!(category(Some(EventId::FAILOVER_COMPLETED)), "failover");
    }
}
