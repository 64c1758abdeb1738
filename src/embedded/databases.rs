//! Aurora clusters: their instances, who writes, and the events of a failover.
//!
//! Sources: Aurora User Guide, "Amazon RDS event categories and event messages" and "High availability for
//! Amazon Aurora"; the time between started and completed is from captured events (13 to 38 s).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::clock::WorldTime;
use super::faults::lock;
use crate::domain::event::{EventId, RdsEvent, SourceKind};
use crate::domain::route::{InstanceId, Source, SourceId};

/// From "Started failover" until the new writer writes.
const PROMOTION_MS: Range<u64> = 3_000..15_000;

/// From "Started failover" to "Completed failover".
const COMPLETION_MS: Range<u64> = 20_000..40_000;

/// Between two failovers of one cluster, should the second one overtake the first.
const NEXT_FAILOVER: Duration = Duration::from_secs(1);

/// An instance of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its identifier.
    pub id: InstanceId,
    /// What its endpoint resolves to.
    pub ip: IpAddr,
    /// Where it runs.
    pub zone: String,
}

/// An event of RDS and when RDS sends it. Delivery may take minutes more, or never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedEvent {
    /// In true time since the world began.
    pub due: Duration,
    /// The event; `event_bodies` writes it in each of its forms.
    pub event: RdsEvent,
}

/// A failover and what RDS says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    /// When the writer changes, in true time since the world began.
    pub promoted_at: Duration,
    /// "Started failover", due now.
    pub started: TimedEvent,
    /// "Completed failover", due after the promotion.
    pub completed: TimedEvent,
}

#[derive(Debug)]
struct Cluster {
    instances: BTreeMap<InstanceId, Instance>,
    /// Who writes from when on, in order; the last ones may lie in the future.
    writers: Vec<(Duration, InstanceId)>,
    last_completed: Duration,
}

impl Cluster {
    fn writer(&self, now: Duration) -> Option<&InstanceId> {
        let mut so_far = self.writers.iter().rev();
        so_far
            .find(|(from, _)| *from <= now)
            .map(|(_, writer)| writer)
    }

    fn zone(&self, instance: &InstanceId) -> Option<&str> {
        self.instances.get(instance).map(|i| i.zone.as_str())
    }
}

/// The clusters of a world, shared by all its processes.
#[derive(Debug)]
pub struct Clusters {
    time: WorldTime,
    random: Mutex<fastrand::Rng>,
    by_id: Mutex<BTreeMap<SourceId, Cluster>>,
}

impl Clusters {
    /// No clusters yet; `seed` decides how long failovers take.
    #[must_use]
    pub fn new(time: WorldTime, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            time,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            by_id: Mutex::default(),
        })
    }

    /// Adds a cluster, or replaces it. The first instance is the writer.
    pub fn add(&self, cluster: &SourceId, instances: &[Instance]) {
        let writer = instances.first().map(|i| (Duration::ZERO, i.id.clone()));
        let keyed = instances.iter().map(|i| (i.id.clone(), i.clone()));
        let added = Cluster {
            instances: keyed.collect(),
            writers: writer.into_iter().collect(),
            last_completed: Duration::ZERO,
        };
        lock(&self.by_id).insert(cluster.clone(), added);
    }

    /// The writer of a cluster now: what I2 compares a group with.
    #[must_use]
    pub fn writer(&self, cluster: &SourceId) -> Option<Instance> {
        let clusters = lock(&self.by_id);
        let cluster = clusters.get(cluster)?;
        let writer = cluster.writer(self.time.elapsed())?;
        cluster.instances.get(writer).cloned()
    }

    /// The instances of a cluster.
    #[must_use]
    pub fn instances(&self, cluster: &SourceId) -> Vec<Instance> {
        let clusters = lock(&self.by_id);
        let cluster = clusters.get(cluster);
        cluster.map_or_else(Vec::new, |c| c.instances.values().cloned().collect())
    }

    /// Gives an instance another address, as a replaced host does.
    pub fn set_address(&self, cluster: &SourceId, instance: &InstanceId, ip: IpAddr) {
        let mut clusters = lock(&self.by_id);
        let instance = clusters
            .get_mut(cluster)
            .and_then(|cluster| cluster.instances.get_mut(instance));
        if let Some(instance) = instance {
            instance.ip = ip;
        }
    }

    /// The address of an instance, if it is one of the source's.
    #[must_use]
    pub fn address(&self, source: &Source, instance: &InstanceId) -> Option<IpAddr> {
        let clusters = lock(&self.by_id);
        let mut members = clusters
            .iter()
            .filter(|(id, _)| match source {
                Source::Any => true,
                Source::Named(named) => *id == named,
            })
            .filter_map(|(_, cluster)| cluster.instances.get(instance));
        members.next().map(|member| member.ip)
    }

    /// Begins a failover now. The writer changes between the two events, and RDS sends each of them once,
    /// at best. A second failover completes after the first. `None` when there is no such instance.
    pub fn fail_over(&self, cluster: &SourceId, to: &InstanceId) -> Option<Failover> {
        let now = self.time.elapsed();
        let mut clusters = lock(&self.by_id);
        let found = clusters.get_mut(cluster)?;
        let zone = found.zone(to)?;
        let same_zone = found.writer(now).and_then(|writer| found.zone(writer)) == Some(zone);
        let (started_id, place) = if same_zone {
            (EventId::STARTED_SAME_AZ, "same AZ")
        } else {
            (EventId::STARTED_CROSS_AZ, "cross AZ")
        };
        let last_promotion = found.writers.last().map(|(at, _)| *at).unwrap_or_default();
        let promoted_at = (now + self.draw(PROMOTION_MS)).max(last_promotion + NEXT_FAILOVER);
        let completed_at =
            (now + self.draw(COMPLETION_MS)).max(found.last_completed + NEXT_FAILOVER);
        found.writers.push((promoted_at, to.clone()));
        found.last_completed = completed_at;
        let started = format!("Started {place} failover to DB instance: {to}");
        let completed = format!("Completed failover to DB instance: {to}");
        Some(Failover {
            promoted_at,
            started: self.event(cluster, now, started_id, started),
            completed: self.event(
                cluster,
                completed_at,
                EventId::FAILOVER_COMPLETED,
                completed,
            ),
        })
    }

    /// The failover that is under way fails, or none can be begun: the writer stays who it is.
    pub fn failover_failed(&self, cluster: &SourceId) -> TimedEvent {
        let now = self.time.elapsed();
        if let Some(found) = lock(&self.by_id).get_mut(cluster) {
            found.writers.retain(|(at, _)| *at <= now);
        }
        let message =
            "Cluster failover failed, check the health of your cluster instances and try again.";
        self.event(cluster, now, EventId::FAILOVER_FAILED, message.to_owned())
    }

    /// The previous writer writes again from now on: the one before the failover that is under way, else
    /// the one before the last. `None` when there is none.
    pub fn promote_previous_primary(&self, cluster: &SourceId) -> Option<TimedEvent> {
        let now = self.time.elapsed();
        let mut clusters = lock(&self.by_id);
        let writers = &mut clusters.get_mut(cluster)?.writers;
        let planned = writers.len();
        writers.retain(|(at, _)| *at <= now);
        let back = if writers.len() < planned { 1 } else { 2 };
        let (_, previous) = writers.get(writers.len().checked_sub(back)?)?.clone();
        let message = format!("Promoting previous primary again: {previous}.");
        writers.push((now, previous));
        Some(self.event(cluster, now, EventId::PREVIOUS_PRIMARY_PROMOTED, message))
    }

    fn event(&self, cluster: &SourceId, due: Duration, id: EventId, message: String) -> TimedEvent {
        let event = RdsEvent {
            id: Some(id),
            source: cluster.clone(),
            kind: SourceKind::Cluster,
            source_arn: Some(format!(
                "arn:aws:rds:us-east-1:123456789012:cluster:{cluster}"
            )),
            at: self.time.at(due),
            message,
        };
        TimedEvent { due, event }
    }

    fn draw(&self, milliseconds: Range<u64>) -> Duration {
        Duration::from_millis(lock(&self.random).u64(milliseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Claim;
    use crate::embedded::world::{World, WorldConfig, instances};

    fn cluster() -> SourceId {
        SourceId::new("aurora").unwrap()
    }

    fn named(n: u8) -> InstanceId {
        InstanceId::new(&format!("aurora-{n}")).unwrap()
    }

    fn world() -> World {
        seeded(1)
    }

    fn seeded(seed: u64) -> World {
        let world = World::new(WorldConfig {
            seed,
            ..WorldConfig::default()
        });
        world.rds.add(&cluster(), &instances("aurora", 3).unwrap());
        world
    }

    fn writer(world: &World) -> InstanceId {
        world.rds.writer(&cluster()).unwrap().id
    }

    async fn until(world: &World, at: Duration) {
        tokio::time::sleep(at.saturating_sub(world.fabric.time.elapsed())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_writer_changes_between_the_two_events_of_a_failover() {
        let world = world();
        tokio::time::sleep(Duration::from_mins(1)).await;
        let failover = world.rds.fail_over(&cluster(), &named(2)).unwrap();
        assert_eq!(failover.started.due, Duration::from_mins(1));
        assert_eq!(failover.started.event.claim(), Ok(Claim::Started(named(2))));
        assert_eq!(failover.started.event.id, Some(EventId::STARTED_CROSS_AZ));
        assert_eq!(failover.started.event.at, world.fabric.time.now());
        until(
            &world,
            failover
                .promoted_at
                .saturating_sub(Duration::from_millis(1)),
        )
        .await;
        assert_eq!(writer(&world), named(1));
        until(&world, failover.promoted_at).await;
        assert_eq!(writer(&world), named(2));
        let took = failover.completed.due.saturating_sub(failover.started.due);
        assert!((20..40).contains(&took.as_secs()), "{took:?}");
        assert!(failover.promoted_at < failover.completed.due);
        assert_eq!(
            failover.completed.event.claim(),
            Ok(Claim::Completed(named(2)))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_failover_within_a_zone_says_so() {
        let world = world();
        let mut members = instances("aurora", 2).unwrap();
        members[1].zone = members[0].zone.clone();
        world.rds.add(&cluster(), &members);
        let failover = world.rds.fail_over(&cluster(), &named(2)).unwrap();
        assert_eq!(failover.started.event.id, Some(EventId::STARTED_SAME_AZ));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_failovers_the_second_one_prevails_and_completes_last() {
        for seed in 0..20 {
            let world = seeded(seed);
            let first = world.rds.fail_over(&cluster(), &named(2)).unwrap();
            let second = world.rds.fail_over(&cluster(), &named(3)).unwrap();
            assert!(first.promoted_at < second.promoted_at);
            assert!(first.completed.event.at < second.completed.event.at);
            until(&world, second.completed.due).await;
            assert_eq!(writer(&world), named(3));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_failover_leaves_the_writer() {
        let world = world();
        let failover = world.rds.fail_over(&cluster(), &named(2)).unwrap();
        let event = world.rds.failover_failed(&cluster()).event;
        assert_eq!(event.claim(), Ok(Claim::AskTruth));
        until(&world, failover.completed.due).await;
        assert_eq!(writer(&world), named(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_previous_primary_is_promoted_again_before_or_after_the_promotion() {
        let world = world();
        assert_eq!(world.rds.promote_previous_primary(&cluster()), None);
        let failover = world.rds.fail_over(&cluster(), &named(2)).unwrap();
        let event = world
            .rds
            .promote_previous_primary(&cluster())
            .unwrap()
            .event;
        assert_eq!(event.claim(), Ok(Claim::Restored(named(1))));
        until(&world, failover.completed.due).await;
        assert_eq!(writer(&world), named(1));

        let failover = world.rds.fail_over(&cluster(), &named(3)).unwrap();
        until(&world, failover.promoted_at).await;
        let event = world
            .rds
            .promote_previous_primary(&cluster())
            .unwrap()
            .event;
        assert_eq!(event.claim(), Ok(Claim::Restored(named(1))));
        assert_eq!(writer(&world), named(1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_known_for_members_of_the_routes_source_alone() {
        let world = world();
        let route = world
            .add_route("other", &instances("other", 1).unwrap())
            .unwrap();
        let process = world.process("w1");
        let databases = world.databases(&process);
        let own = InstanceId::new("other-1").unwrap();
        let ip = IpAddr::from([10, 0, 1, 11]);
        assert_eq!(databases.address(&route, &own).await, Ok(Some(ip)));
        assert_eq!(databases.address(&route, &named(1)).await, Ok(None));
        let any = crate::domain::route::Route {
            source: Source::Any,
            ..route
        };
        assert_eq!(
            databases.address(&any, &named(2)).await,
            Ok(Some(IpAddr::from([10, 0, 2, 11])))
        );
        let moved = IpAddr::from([10, 0, 2, 99]);
        world.rds.set_address(&cluster(), &named(2), moved);
        assert_eq!(databases.address(&any, &named(2)).await, Ok(Some(moved)));
        assert_eq!(world.fabric.journal()[0].call, "DescribeDBInstances");
    }
}
