//! The databases: their instances, who writes, where each one is, and what RDS says about it.
//!
//! The truth is here. What a source sees of it is in `sources`: RDS's API and the names of
//! endpoints notice a change some time later, and each at its own time. What happens besides a cluster's failover
//! (a Multi-AZ instance's, a replaced host, a blue/green switchover) is in `incidents`. An event that is lost is
//! one that nobody delivers.
//!
//! Sources: Aurora User Guide, "Amazon RDS event categories and event messages" and "High availability for
//! Amazon Aurora"; the time between started and completed is from captured events (13 to 38 s).

mod incidents;
mod resolver;
mod sight;
mod sources;
mod sql;
mod timeline;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::WorldTime;
use crate::databases::incidents::Planned;
pub use crate::databases::incidents::{HostReplacement, StandbyFailover, Switchover};
use crate::databases::resolver::Askers;
pub use crate::databases::resolver::{CachingResolver, Heard, ResolverConfig};
pub(super) use crate::databases::sight::RESOLVE;
pub use crate::databases::sight::{ApiFault, Lags, NameFault};
pub use crate::databases::sources::endpoint;
pub(super) use crate::databases::sources::{DESCRIBE_INSTANCES, described_by};
pub(super) use crate::databases::sql::PROBE;
pub use crate::databases::sql::SqlFault;
use crate::databases::timeline::{Lag, Timeline};
use crate::event_bodies::cluster_arn;
use crate::faults::lock;
use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::policy::Database;
use writerlink_core::model::source_arn::SourceKind;

/// From "Started failover" until the new writer writes.
const PROMOTION_MS: Range<u64> = 3_000..15_000;

/// From "Started failover" to "Completed failover".
const COMPLETION_MS: Range<u64> = 20_000..40_000;

/// Between two failovers of one cluster, should the second one overtake the first.
const NEXT_FAILOVER: Duration = Duration::from_secs(1);

/// Keeps what sources do apart from how long failovers take, under one seed.
const OF_WITNESSES: u64 = 0x9E37_79B9_7F4A_7C15;

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

/// Where an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
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

/// A cluster, or an instance that stands for itself: a cluster of one, whose writer never changes and whose
/// place does.
#[derive(Debug, Default)]
struct Cluster {
    kind: Database,
    members: BTreeMap<InstanceId, Timeline<Placement>>,
    /// Who writes from when on.
    writers: Timeline<InstanceId>,
    /// Where a Multi-AZ instance goes next.
    standby: Option<Placement>,
    last_completed: Duration,
    seen: sight::Seen,
}

impl Cluster {
    fn of(kind: Database, instances: &[Instance]) -> Self {
        let placed = |i: &Instance| {
            let (ip, zone) = (i.ip, i.zone.clone());
            (i.id.clone(), Timeline::always(Placement { ip, zone }))
        };
        let writer = instances.first().map(|i| Timeline::always(i.id.clone()));
        Self {
            kind,
            members: instances.iter().map(placed).collect(),
            writers: writer.unwrap_or_default(),
            ..Self::default()
        }
    }

    fn instance(&self, id: &InstanceId, now: Duration) -> Option<Instance> {
        let Placement { ip, zone } = self.members.get(id)?.now(now)?.clone();
        let id = id.clone();
        Some(Instance { id, ip, zone })
    }
}

#[derive(Debug, Default)]
struct State {
    clusters: BTreeMap<SourceId, Cluster>,
    planned: Vec<Planned>,
}

/// The databases of a world, shared by all its processes.
#[derive(Debug)]
pub struct Clusters {
    time: WorldTime,
    random: Mutex<fastrand::Rng>,
    lags: Mutex<Lags>,
    of_witnesses: Mutex<fastrand::Rng>,
    state: Mutex<State>,
    askers: Askers,
}

impl Clusters {
    /// No databases yet; `seed` decides how long failovers take, and what their sources see of them.
    #[must_use]
    pub fn new(time: WorldTime, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            time,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            lags: Mutex::default(),
            of_witnesses: Mutex::new(fastrand::Rng::with_seed(seed ^ OF_WITNESSES)),
            state: Mutex::default(),
            askers: Askers::default(),
        })
    }

    /// Adds a cluster, or replaces it. The first instance is the writer.
    pub fn add(&self, cluster: &SourceId, instances: &[Instance]) {
        let added = Cluster::of(Database::Cluster, instances);
        self.with(|state, _| state.clusters.insert(cluster.clone(), added));
    }

    /// Looks at the databases, or changes them, as they are now.
    fn with<T>(&self, look: impl FnOnce(&mut State, Duration) -> T) -> T {
        let now = self.time.elapsed();
        let mut state = lock(&self.state);
        state.catch_up(now);
        look(&mut state, now)
    }

    fn with_cluster<T>(
        &self,
        cluster: &SourceId,
        look: impl FnOnce(&mut Cluster, Duration) -> Option<T>,
    ) -> Option<T> {
        self.with(|state, now| look(state.clusters.get_mut(cluster)?, now))
    }

    /// The writer of a cluster now: what I2 compares a group with.
    #[must_use]
    pub fn writer(&self, cluster: &SourceId) -> Option<Instance> {
        self.with_cluster(cluster, |found, now| found.instance(found.writers.now(now)?, now))
    }

    /// The instances of a cluster.
    #[must_use]
    pub fn instances(&self, cluster: &SourceId) -> Vec<Instance> {
        let all = self.with_cluster(cluster, |found, now| {
            let ids = found.members.keys();
            Some(ids.filter_map(|id| found.instance(id, now)).collect())
        });
        all.unwrap_or_default()
    }

    /// Gives an instance another address, and everyone knows at once. [`Self::replace_host`] is how it happens.
    pub fn set_address(&self, cluster: &SourceId, instance: &InstanceId, ip: IpAddr) {
        self.with_cluster(cluster, |found, now| {
            let places = found.members.get_mut(instance)?;
            let zone = places.now(now)?.zone.clone();
            places.push(now, Placement { ip, zone }, Lag::default());
            Some(())
        });
    }

    /// Begins a failover now. The writer changes between the two events, and RDS sends each of them once,
    /// at best. A second failover completes after the first. `None` when there is no such instance.
    pub fn fail_over(&self, cluster: &SourceId, to: &InstanceId) -> Option<Failover> {
        self.with_cluster(cluster, |found, now| {
            let zone = found.instance(to, now)?.zone;
            let writer = found.writers.now(now);
            let from = writer.and_then(|writer| found.instance(writer, now));
            let (started_id, place) = if from.is_some_and(|from| from.zone == zone) {
                (EventId::STARTED_SAME_AZ, "same AZ")
            } else {
                (EventId::STARTED_CROSS_AZ, "cross AZ")
            };
            let last_promotion = found.writers.last_change();
            let promoted_at = (now + self.draw(PROMOTION_MS)).max(last_promotion + NEXT_FAILOVER);
            let completed_at = (now + self.draw(COMPLETION_MS)).max(found.last_completed + NEXT_FAILOVER);
            let lag = self.lag();
            found.writers.push(promoted_at, to.clone(), lag);
            found.last_completed = completed_at;
            found.seen.busy(self.shows("failing-over"), promoted_at + lag.api);
            found.seen.nobody_writes_until = promoted_at;
            let started = format!("Started {place} failover to DB instance: {to}");
            let completed = format!("Completed failover to DB instance: {to}");
            let event = |due, id, message| self.event(cluster, due, id, message);
            Some(Failover {
                promoted_at,
                started: event(now, started_id, started),
                completed: event(completed_at, EventId::FAILOVER_COMPLETED, completed),
            })
        })
    }

    /// The failover that is under way fails, or none can be begun: the writer stays who it is.
    pub fn failover_failed(&self, cluster: &SourceId) -> TimedEvent {
        let now = self.time.elapsed();
        self.with_cluster(cluster, |found, now| {
            found.writers.call_off(now);
            found.seen.busy(None, now);
            found.seen.nobody_writes_until = now;
            Some(())
        });
        let message = "Cluster failover failed, check the health of your cluster instances and try again.";
        self.event(cluster, now, EventId::FAILOVER_FAILED, message.to_owned())
    }

    /// The previous writer writes again from now on: the one before the failover that is under way, else
    /// the one before the last. `None` when there is none.
    pub fn promote_previous_primary(&self, cluster: &SourceId) -> Option<TimedEvent> {
        self.with_cluster(cluster, |found, now| {
            let changes = usize::from(found.writers.call_off(now) == 0);
            let previous = found.writers.before(now, changes)?.clone();
            let message = format!("Promoting previous primary again: {previous}.");
            found.writers.push(now, previous, self.lag());
            found.seen.busy(None, now);
            found.seen.nobody_writes_until = now;
            Some(self.event(cluster, now, EventId::PREVIOUS_PRIMARY_PROMOTED, message))
        })
    }

    fn event(&self, cluster: &SourceId, due: Duration, id: EventId, message: String) -> TimedEvent {
        let event = RdsEvent {
            id: Some(id),
            source: cluster.clone(),
            kind: SourceKind::Cluster,
            source_arn: cluster_arn(cluster),
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
    use crate::world::{World, WorldConfig, instances};
    use writerlink_core::evidence::discovery::SourceReports;
    use writerlink_core::evidence::event::Claim;
    use writerlink_core::model::policy::DiscoverySource;
    use writerlink_core::model::route::{Route, Source};
    use writerlink_engine::ports::AddressError;

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
        let world = World::new(WorldConfig { seed, ..WorldConfig::default() });
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
        until(&world, failover.promoted_at.saturating_sub(Duration::from_millis(1))).await;
        assert_eq!(writer(&world), named(1));
        until(&world, failover.promoted_at).await;
        assert_eq!(writer(&world), named(2));
        let took = failover.completed.due.saturating_sub(failover.started.due);
        assert!((20..40).contains(&took.as_secs()), "{took:?}");
        assert!(failover.promoted_at < failover.completed.due);
        assert_eq!(failover.completed.event.claim(), Ok(Claim::Completed(named(2))));
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
        assert_eq!(event.claim(), Ok(Claim::RequireReading));
        until(&world, failover.completed.due).await;
        assert_eq!(writer(&world), named(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_previous_primary_is_promoted_again_before_or_after_the_promotion() {
        let world = world();
        assert_eq!(world.rds.promote_previous_primary(&cluster()), None);
        let failover = world.rds.fail_over(&cluster(), &named(2)).unwrap();
        let event = world.rds.promote_previous_primary(&cluster()).unwrap().event;
        assert_eq!(event.claim(), Ok(Claim::Restored(named(1))));
        until(&world, failover.completed.due).await;
        assert_eq!(writer(&world), named(1));

        let failover = world.rds.fail_over(&cluster(), &named(3)).unwrap();
        until(&world, failover.promoted_at).await;
        let event = world.rds.promote_previous_primary(&cluster()).unwrap().event;
        assert_eq!(event.claim(), Ok(Claim::Restored(named(1))));
        assert_eq!(writer(&world), named(1));
    }

    /// A route that has no map and asks `discovery`.
    fn asking(world: &World, discovery: &[DiscoverySource]) -> Route {
        let members = instances("other", 1).unwrap();
        let route = world.add_route("other", &members).unwrap();
        let mut policy = route.policy.clone();
        policy.discovery = discovery.iter().copied().collect();
        Route { instances: BTreeMap::new(), policy, ..route }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_known_for_members_of_the_routes_source_alone() {
        let world = world();
        let route = asking(&world, &[DiscoverySource::Rds]);
        let databases = world.databases(&world.process("w1"));
        let own = InstanceId::new("other-1").unwrap();
        let ip = IpAddr::from([10, 0, 1, 11]);
        assert_eq!(databases.address(&route, &own).await, Ok(Some(ip)));
        assert_eq!(databases.address(&route, &named(1)).await, Ok(None));
        let moved = IpAddr::from([10, 0, 1, 99]);
        let source = SourceId::new("other").unwrap();
        world.rds.set_address(&source, &own, moved);
        assert_eq!(databases.address(&route, &own).await, Ok(Some(moved)));
        assert_eq!(world.fabric.journal()[0].call, "DescribeDBInstances");
        let any = Route { source: Source::Any, ..route };
        assert_eq!(databases.address(&any, &own).await, Ok(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_that_asks_dns_finds_an_instance_by_its_own_endpoint() {
        let world = world();
        let route = asking(&world, &[DiscoverySource::Dns]);
        let databases = world.databases(&world.process("w1"));
        let own = InstanceId::new("other-1").unwrap();
        let ip = IpAddr::from([10, 0, 1, 11]);
        assert_eq!(databases.address(&route, &own).await, Ok(Some(ip)));
        let nobody = InstanceId::new("nobody").unwrap();
        // A name that does not exist may be one of tomorrow's.
        let missing = databases.address(&route, &nobody).await;
        assert!(matches!(missing, Err(AddressError::NoSuchName(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_routes_own_map_comes_first_and_costs_no_call() {
        let world = world();
        let members = instances("other", 1).unwrap();
        let route = world.add_route("other", &members).unwrap();
        let databases = world.databases(&world.process("w1"));
        let moved = IpAddr::from([10, 0, 1, 99]);
        let (source, own) = (SourceId::new("other").unwrap(), &members[0].id);
        world.rds.set_address(&source, own, moved);
        let known = databases.address(&route, own).await;
        assert_eq!(known, Ok(Some(members[0].ip)));
        assert_eq!(databases.address(&route, &named(1)).await, Ok(None));
        assert_eq!(databases.ask(&route).await, SourceReports::default());
        assert!(world.fabric.journal().is_empty());
    }
}
