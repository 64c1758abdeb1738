//! What happens to databases besides a cluster's failover, and what RDS says of it.
//!
//! In each of them an identifier stays what it was and leads somewhere else: a Multi-AZ instance goes to its
//! standby's address, a replaced host has an address of its own, and after a blue/green switchover green is called
//! what blue was called. None of these events names an instance that a route could move to: they are reasons to ask.
//!
//! Sources: RDS User Guide, "Failing over a Multi-AZ DB instance" and "Switching a blue/green deployment"; the times
//! from captured events (two of them with milliseconds).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use crate::databases::{Cluster, Clusters, Instance, Lag, Placement, State, TimedEvent, Timeline};
use crate::faults::lock;
use crate::notices::{Notice, Renaming};
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::policy::Database;
use writerlink_core::model::source_arn::SourceKind;

/// From "failover started" until the standby serves, which is when the instance is said to have restarted: 14.5 to
/// 16.4 s in three captures.
const STANDBY_SERVES_MS: Range<u64> = 14_000..17_000;

/// From "failover started" to "failover completed": 35 to 50 s in three captures.
const STANDBY_COMPLETES_MS: Range<u64> = 34_000..50_000;

/// From the announcement until the instance runs on its new host. Nobody promises a time.
const HOST_REPLACED_MS: Range<u64> = 60_000..300_000;

/// From the start of a switchover until the names have changed: "typically under a minute".
const SWITCHOVER_MS: Range<u64> = 15_000..50_000;

/// From the change of names until the deployment as a whole is said to be done.
const SWITCHOVER_TOLD: Duration = Duration::from_secs(2);

/// What green instances and clusters are called besides their name.
const GREEN: &str = "-green-";

/// A Multi-AZ instance's failover and what RDS says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandbyFailover {
    /// When the address changes, in true time since the world began.
    pub promoted_at: Duration,
    /// 0013, due now.
    pub started: TimedEvent,
    /// 0006, due when the standby serves.
    pub restarted: TimedEvent,
    /// 0049, due last.
    pub completed: TimedEvent,
}

/// A replaced host and what RDS says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReplacement {
    /// When the address changes, in true time since the world began.
    pub moved_at: Duration,
    /// 0422, due now.
    pub announced: TimedEvent,
    /// 0006, due when the instance runs on its new host.
    pub restarted: TimedEvent,
}

/// A blue/green switchover and what RDS says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switchover {
    /// When the names change, in true time since the world began.
    pub renamed_at: Duration,
    /// The deployment (`bgd-…`), which is the source of all its events.
    pub deployment: SourceId,
    /// What is renamed.
    pub renaming: Renaming,
    /// 0247 and 0259 (of an instance: 0250), due now; then 0260 (0251) and 0248.
    pub events: Vec<TimedEvent>,
}

/// A change of names that has been decided and not yet happened.
#[derive(Debug)]
pub(super) struct Planned {
    at: Duration,
    renaming: Renaming,
    lag: Lag,
}

impl Clusters {
    /// Adds a DB instance that stands for itself, or replaces it. With a standby it is a Multi-AZ instance.
    pub fn add_instance(&self, instance: &Instance, standby: Option<Placement>) {
        let mut added = Cluster::of(Database::Instance, std::slice::from_ref(instance));
        added.standby = standby;
        if let Ok(source) = SourceId::new(instance.id.as_str()) {
            self.with(|state, _| state.clusters.insert(source, added));
        }
    }

    /// What RDS says of a source of this kind, for whoever delivers it without its cause.
    #[must_use]
    pub fn says(&self, kind: SourceKind, source: &SourceId, notice: &Notice) -> TimedEvent {
        self.will_say((kind, source), self.time.elapsed(), notice)
    }

    /// Begins a failover of a Multi-AZ instance now: the standby's address becomes the instance's, and the
    /// instance that failed is the next standby. `None` when there is no standby.
    pub fn fail_over_instance(&self, instance: &SourceId) -> Option<StandbyFailover> {
        self.with_cluster(instance, |found, now| {
            let standby = found.standby.clone()?;
            let writer = found.writers.now(now)?.clone();
            let places = found.members.get_mut(&writer)?;
            let serves_at = now + self.draw(STANDBY_SERVES_MS);
            let completed_at = now + self.draw(STANDBY_COMPLETES_MS);
            let lag = self.lag();
            found.standby = places.now(now).cloned();
            places.push(serves_at, standby, lag);
            found.seen.busy(self.shows("rebooting"), serves_at + lag.api);
            let event = |due, notice| self.will_say((SourceKind::Instance, instance), due, &notice);
            Some(StandbyFailover {
                promoted_at: serves_at,
                started: event(now, Notice::StandbyFailoverStarted),
                restarted: event(serves_at, Notice::Restarted),
                completed: event(completed_at, Notice::StandbyFailoverCompleted),
            })
        })
    }

    /// Announces now that an instance of a source gets another host, at `ip`, and lets it happen. The instance
    /// keeps its role: one that writes goes on writing there. `None` when there is no such instance.
    pub fn replace_host(
        &self,
        source: &SourceId,
        instance: &InstanceId,
        ip: IpAddr,
    ) -> Option<HostReplacement> {
        let own = SourceId::new(instance.as_str()).ok()?;
        self.with_cluster(source, |found, now| {
            let places = found.members.get_mut(instance)?;
            let zone = places.now(now)?.zone.clone();
            let moved_at = now + self.draw(HOST_REPLACED_MS);
            places.push(moved_at, Placement { ip, zone }, self.lag());
            let event = |due, notice| self.will_say((SourceKind::Instance, &own), due, &notice);
            Some(HostReplacement {
                moved_at,
                announced: event(now, Notice::HostReplacement(instance.clone())),
                restarted: event(moved_at, Notice::Restarted),
            })
        })
    }

    /// Begins a blue/green switchover now: `green` and its instances are called what `blue` and its instances
    /// are called, and those `…-old1`. `None` when one of them does not exist or they are of two kinds.
    pub fn switch_over(&self, blue: &SourceId, green: &SourceId) -> Option<Switchover> {
        let renaming = Renaming {
            blue: blue.clone(),
            green: green.clone(),
            blue_old: SourceId::new(&format!("{blue}-old1")).ok()?,
        };
        self.with(|state, now| {
            let kind = state.clusters.get(blue)?.kind;
            let same = state.clusters.get(green)?.kind == kind;
            let renamed_at = now + same.then(|| self.draw(SWITCHOVER_MS))?;
            let deployment = self.deployment()?;
            state.planned.push(Planned { at: renamed_at, renaming: renaming.clone(), lag: self.lag() });
            let event = |due, notice: Notice| {
                self.will_say((SourceKind::BlueGreenDeployment, &deployment), due, &notice)
            };
            let names = || renaming.clone();
            let (started, completed) = match kind {
                Database::Cluster => {
                    (Notice::ClusterSwitchoverStarted(names()), Notice::ClusterSwitchoverCompleted(names()))
                }
                Database::Instance => {
                    (Notice::InstanceSwitchoverStarted(names()), Notice::InstanceSwitchoverCompleted(names()))
                }
            };
            let events = vec![
                event(now, Notice::SwitchoverStarted(names())),
                event(now, started),
                event(renamed_at, completed),
                event(renamed_at + SWITCHOVER_TOLD, Notice::SwitchoverCompleted),
            ];
            Some(Switchover { renamed_at, deployment, renaming: names(), events })
        })
    }

    fn deployment(&self) -> Option<SourceId> {
        let mut random = lock(&self.random);
        let id: String = (0..16).map(|_| random.lowercase()).collect();
        SourceId::new(&format!("bgd-{id}")).ok()
    }

    fn will_say(
        &self,
        (kind, source): (SourceKind, &SourceId),
        due: Duration,
        notice: &Notice,
    ) -> TimedEvent {
        let event = RdsEvent {
            id: notice.id(),
            source: source.clone(),
            kind,
            // The form that is delivered has the ARN of the kind.
            source_arn: None,
            at: self.time.at(due),
            message: notice.message(),
        };
        TimedEvent { due, event }
    }
}

impl State {
    /// Lets happen what was decided and is due.
    pub(super) fn catch_up(&mut self, now: Duration) {
        self.planned.sort_by_key(|planned| planned.at);
        let due = self.planned.partition_point(|planned| planned.at <= now);
        let due: Vec<Planned> = self.planned.drain(..due).collect();
        for planned in due {
            self.rename(planned);
        }
    }

    fn rename(&mut self, Planned { at, renaming, lag }: Planned) {
        let (Some(blue), Some(green)) =
            (self.clusters.remove(&renaming.blue), self.clusters.remove(&renaming.green))
        else {
            return;
        };
        let new = succession(&blue, &green, (at, lag));
        self.clusters.insert(renaming.blue, new);
        self.clusters.insert(renaming.blue_old, blue.called_old());
    }
}

/// Green under blue's name: whoever looked at the name saw blue until now, and some see blue for a while longer.
fn succession(blue: &Cluster, green: &Cluster, (at, lag): (Duration, Lag)) -> Cluster {
    let mut new = Cluster::of(green.kind, &[]);
    for (id, places) in &green.members {
        let (name, Some(place)) = (blue_name(id), places.now(at)) else {
            continue;
        };
        let former = blue.members.get(&name).and_then(|places| places.now(at));
        let mut places = former.cloned().map(Timeline::always).unwrap_or_default();
        places.push(at, place.clone(), lag);
        new.members.insert(name, places);
    }
    let former = blue.writers.now(at).cloned();
    new.writers = former.map(Timeline::always).unwrap_or_default();
    if let Some(writer) = green.writers.now(at) {
        new.writers.push(at, blue_name(writer), lag);
    }
    new.standby.clone_from(&green.standby);
    new.last_completed = blue.last_completed;
    new
}

/// `db-1` of `db-1-green-x7f3k2`.
fn blue_name(green: &InstanceId) -> InstanceId {
    let name = green.as_str().split(GREEN).next().unwrap_or_default();
    InstanceId::new(name).unwrap_or_else(|_| green.clone())
}

impl Cluster {
    fn called_old(self) -> Self {
        let old = |id: &InstanceId| InstanceId::new(&format!("{id}-old1")).unwrap_or_else(|_| id.clone());
        let mut members = BTreeMap::new();
        for (id, places) in self.members {
            members.insert(old(&id), places);
        }
        Self { members, writers: self.writers.renamed(old), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databases::{Lags, endpoint};
    use crate::world::{World, WorldConfig, instances};
    use writerlink_core::evidence::discovery::Member;
    use writerlink_core::evidence::discovery::SourceReport;
    use writerlink_core::evidence::event::Claim;
    use writerlink_core::model::policy::Role;

    fn source(name: &str) -> SourceId {
        SourceId::new(name).unwrap()
    }

    fn instance(name: &str, third: u8) -> Instance {
        Instance {
            id: InstanceId::new(name).unwrap(),
            ip: IpAddr::from([10, 0, third, 11]),
            zone: format!("us-east-1{}", char::from(b'a' + third)),
        }
    }

    fn told_at(world: &World, database: Database, source: &SourceId) -> Option<IpAddr> {
        match world.rds.describe("w1", database, source, Role::Writer).unwrap() {
            SourceReport::Members { writer, .. } => Some(writer.ip),
            SourceReport::Unclear(_) => None,
        }
    }

    fn written(events: &[&TimedEvent]) -> Vec<String> {
        let line = |told: &&TimedEvent| {
            let RdsEvent { id, source, message, .. } = &told.event;
            assert!(matches!(told.event.claim(), Ok(Claim::RequireReading | Claim::Nothing)));
            format!("{} {source}: {message}", id.unwrap())
        };
        events.iter().map(line).collect()
    }

    async fn until(world: &World, at: Duration) {
        tokio::time::sleep(at.saturating_sub(world.fabric.time.elapsed())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_multi_az_instance_keeps_its_name_and_moves_to_its_standby_and_back() {
        let world = World::new(WorldConfig::default());
        world.rds.set_lags(Lags::NONE);
        let (orders, old) = (source("orders"), instance("orders", 1));
        let standby = instance("orders", 2);
        let Instance { ip, zone, .. } = standby.clone();
        world.rds.add_instance(&old, Some(Placement { ip, zone }));
        let failover = world.rds.fail_over_instance(&orders).unwrap();
        until(&world, failover.promoted_at).await;
        assert_eq!(world.rds.writer(&orders), Some(standby.clone()));
        let told = told_at(&world, Database::Instance, &orders);
        assert_eq!(told, Some(standby.ip));
        let name = endpoint(Database::Instance, &orders);
        assert_eq!(world.rds.resolve("w1", &name), Ok(standby.ip));
        insta::assert_snapshot!(written(&[&failover.started, &failover.restarted, &failover.completed]).join("\n"), @r#"
        RDS-EVENT-0013 orders: Multi-AZ instance failover started.
        RDS-EVENT-0006 orders: DB instance restarted
        RDS-EVENT-0049 orders: Multi-AZ instance failover completed
        "#);
        let took = failover.completed.due.saturating_sub(failover.promoted_at);
        assert!((17..36).contains(&took.as_secs()), "{took:?}");
        until(&world, failover.completed.due).await;
        let back = world.rds.fail_over_instance(&orders).unwrap();
        until(&world, back.promoted_at).await;
        assert_eq!(world.rds.writer(&orders), Some(old));
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_without_a_standby_fails_over_to_nobody_and_is_no_cluster() {
        let world = World::new(WorldConfig::default());
        world.rds.add_instance(&instance("orders", 1), None);
        let orders = source("orders");
        assert_eq!(world.rds.fail_over_instance(&orders), None);
        let asked = world.rds.describe("w1", Database::Cluster, &orders, Role::Writer);
        assert_eq!(asked.unwrap_err().code, "DBClusterNotFoundFault");
    }

    #[tokio::test(start_paused = true)]
    async fn a_replaced_host_changes_the_address_and_not_the_writer() {
        let world = World::new(WorldConfig::default());
        let aurora = source("aurora");
        world.rds.add(&aurora, &instances("aurora", 2).unwrap());
        let writer = InstanceId::new("aurora-1").unwrap();
        let ip = IpAddr::from([10, 0, 1, 99]);
        let replaced = world.rds.replace_host(&aurora, &writer, ip).unwrap();
        until(&world, replaced.moved_at).await;
        let now = world.rds.writer(&aurora).unwrap();
        assert_eq!((now.id, now.ip), (writer, ip));
        until(&world, replaced.moved_at + Duration::from_secs(30)).await;
        assert_eq!(told_at(&world, Database::Cluster, &aurora), Some(ip));
        insta::assert_snapshot!(written(&[&replaced.announced, &replaced.restarted]).join("\n"), @r#"
        RDS-EVENT-0422 aurora-1: RDS will replace the host of DB instance aurora-1 due to a pending maintenance action.
        RDS-EVENT-0006 aurora-1: DB instance restarted
        "#);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_blue_green_switchover_the_same_names_lead_to_other_hosts() {
        let world = World::new(WorldConfig::default());
        let (blue, green) = (source("aurora"), source("aurora-green-x7f3k2"));
        world.rds.add(&blue, &instances("aurora", 2).unwrap());
        // Green's writer is its second instance: roles are not renamed along.
        let greens = [instance("aurora-2-green-b", 12), instance("aurora-1-green-a", 11)];
        world.rds.add(&green, &greens);
        let switchover = world.rds.switch_over(&blue, &green).unwrap();
        let moment = Duration::from_millis(1);
        until(&world, switchover.renamed_at.saturating_sub(moment)).await;
        assert_eq!(world.rds.writer(&blue).unwrap().id.as_str(), "aurora-1");
        until(&world, switchover.renamed_at).await;
        let now = world.rds.writer(&blue).unwrap();
        assert_eq!((now.id.as_str(), now.ip), ("aurora-2", greens[0].ip));
        assert_eq!(world.rds.writer(&green), None);
        let old = world.rds.writer(&source("aurora-old1")).unwrap();
        assert_eq!(old.id.as_str(), "aurora-1-old1");
        until(&world, switchover.renamed_at + Duration::from_secs(30)).await;
        let writer = Member { instance: Some(InstanceId::new("aurora-2").unwrap()), ip: greens[0].ip };
        let asked = world.rds.describe("w1", Database::Cluster, &blue, Role::Writer);
        let readers = Vec::new();
        assert_eq!(asked, Ok(SourceReport::Members { writer, readers }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_switchovers_events_come_from_the_deployment_and_not_from_the_cluster() {
        let world = World::new(WorldConfig::default());
        let (blue, green) = (source("aurora"), source("aurora-green-x7f3k2"));
        world.rds.add(&blue, &instances("aurora", 1).unwrap());
        world.rds.add(&green, &instances("aurora-green", 1).unwrap());
        let switchover = world.rds.switch_over(&blue, &green).unwrap();
        let deployment = switchover.deployment.as_str();
        assert!(deployment.starts_with("bgd-"), "{deployment}");
        let events: Vec<&TimedEvent> = switchover.events.iter().collect();
        let text = written(&events).join("\n").replace(deployment, "bgd-ID");
        insta::assert_snapshot!(text, @r#"
        RDS-EVENT-0247 bgd-ID: Switchover from aurora to aurora-green-x7f3k2 started.
        RDS-EVENT-0259 bgd-ID: Switchover from DB cluster aurora to aurora-green-x7f3k2 started.
        RDS-EVENT-0260 bgd-ID: Switchover from DB cluster aurora to aurora-green-x7f3k2 completed. Renamed aurora to aurora-old1 and aurora-green-x7f3k2 to aurora.
        RDS-EVENT-0248 bgd-ID: Switchover completed on blue/green deployment.
        "#);
        let nobody = source("nobody");
        assert_eq!(world.rds.switch_over(&blue, &nobody), None);
    }

    #[tokio::test(start_paused = true)]
    async fn right_after_a_switchover_the_endpoint_leads_to_blue_or_to_green() {
        let world = World::new(WorldConfig::default());
        let (blue, green) = (source("aurora"), source("aurora-green-x7f3k2"));
        world.rds.add(&blue, &[instance("aurora-1", 1)]);
        world.rds.add(&green, &[instance("aurora-1-green-a", 11)]);
        let switchover = world.rds.switch_over(&blue, &green).unwrap();
        until(&world, switchover.renamed_at).await;
        let name = endpoint(Database::Cluster, &blue);
        let mut seen: Vec<IpAddr> = (0..40).map(|_| world.rds.resolve("w1", &name).unwrap()).collect();
        seen.sort_unstable();
        seen.dedup();
        let both = [[10, 0, 1, 11], [10, 0, 11, 11]].map(IpAddr::from);
        assert_eq!(seen, both);
    }
}
