//! What can be seen of the databases: by RDS's API, and by the names of endpoints.
//!
//! Neither is the truth. For seconds after a failover the API may go on calling the old writer one, or say that
//! the cluster is failing over; and each look-up of an endpoint's name may give the old address or the new one,
//! as the name servers learn of it one by one. All of it follows from the world's seed. Between the names and a process
//! there may be a resolver that keeps answers ([`crate::databases::resolver`]).

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use crate::databases::resolver::{CachingResolver, Resolved};
use crate::databases::sight::{ApiFault, Lags, NameFault};
use crate::databases::{Cluster, Clusters, Lag, Placement, State};
use crate::faults::{lock, unreachable};
use writerlink_core::evidence::discovery::{Member, SourceReport};
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::policy::{Database, Role};
use writerlink_engine::ports::{CallError, ErrorKind};

/// What RDS's API is asked about a cluster, and about an instance.
const DESCRIBE_CLUSTERS: &str = "DescribeDBClusters";
pub(crate) const DESCRIBE_INSTANCES: &str = "DescribeDBInstances";

/// Where every endpoint's name ends.
const DOMAIN: &str = "abc123.us-east-1.rds.amazonaws.com";

/// The name that leads to the writer of a source: of a cluster, its writer endpoint.
#[must_use]
pub fn endpoint(database: Database, source: &SourceId) -> String {
    match database {
        Database::Cluster => format!("{source}.cluster-{DOMAIN}"),
        Database::Instance => format!("{source}.{DOMAIN}"),
    }
}

fn own_endpoint(instance: &InstanceId) -> String {
    format!("{instance}.{DOMAIN}")
}

/// How a process reads names.
#[derive(Clone, Copy)]
struct Names<'a> {
    /// Which of two servers answers a look-up: the one that knows, or (`true`) the one that does not yet.
    coin: &'a dyn Fn() -> bool,
    /// What stands in between.
    resolver: Option<&'a CachingResolver>,
}

impl Names<'_> {
    fn look_up(
        self,
        name: &str,
        now: Duration,
        upstream: impl FnOnce() -> Result<Resolved, CallError>,
    ) -> Result<IpAddr, CallError> {
        match self.resolver {
            None => upstream().map(|resolved| resolved.ip),
            Some(resolver) => resolver.look_up(name, now, upstream),
        }
    }
}

impl Cluster {
    /// What a process is told of an instance's own endpoint.
    fn place(&self, instance: &InstanceId, now: Duration, names: Names<'_>) -> Result<IpAddr, CallError> {
        let upstream = || {
            let ip = self.place_by_name(instance, now, names.coin)?;
            let alias_of = None;
            Ok(Resolved { ip, alias_of })
        };
        names.look_up(&own_endpoint(instance), now, upstream)
    }

    /// What the name servers say of an instance's own endpoint.
    fn place_by_name(
        &self,
        instance: &InstanceId,
        now: Duration,
        coin: &dyn Fn() -> bool,
    ) -> Result<IpAddr, CallError> {
        let places = self.members.get(instance);
        let fault = match self.kind {
            // The name that is broken is the cluster's.
            Database::Cluster => None,
            Database::Instance => self.seen.name_fault(now),
        };
        let place = match fault {
            None => places.and_then(|places| places.by_name(now, coin)),
            Some(NameFault::Stale) => places.and_then(|places| places.before(now, 1).or(places.now(now))),
            Some(fault) => return Err(fault.error()),
        };
        place.map(|Placement { ip, .. }| *ip).ok_or_else(|| NameFault::NoSuchName.error())
    }

    /// What the name servers say of the source's endpoint.
    fn behind_the_endpoint(&self, now: Duration, coin: &dyn Fn() -> bool) -> Result<Resolved, CallError> {
        let fault = self.seen.name_fault(now);
        let writer = match (self.kind, fault) {
            (Database::Instance, _) => self.writers.now(now),
            (Database::Cluster, None) => self.writers.by_name(now, coin),
            (Database::Cluster, Some(NameFault::Stale)) => {
                self.writers.before(now, 1).or(self.writers.now(now))
            }
            (Database::Cluster, Some(fault)) => return Err(fault.error()),
        };
        let writer = writer.ok_or_else(|| NameFault::NoSuchName.error())?;
        let ip = self.place_by_name(writer, now, coin)?;
        let alias_of = match self.kind {
            Database::Cluster => Some(own_endpoint(writer)),
            Database::Instance => None,
        };
        Ok(Resolved { ip, alias_of })
    }

    /// What RDS's API says, and the names that it mentions.
    fn by_api(&self, now: Duration, names: Names<'_>) -> Result<(Member, Vec<Member>), Refusal> {
        let fault = self.seen.api_fault(now);
        let writer = match fault {
            None => self.writers.by_api(now),
            Some(ApiFault::Stale) => self.writers.before(now, 1).or(self.writers.now(now)),
            Some(ApiFault::Status(status)) => {
                return Err(Refusal::Unclear(format!("is {status:?}")));
            }
            Some(ApiFault::NoWriter) => None,
            Some(ApiFault::NotFound) => return Err(Refusal::Error(ErrorKind::Missing)),
            Some(ApiFault::NoAnswer) => return Err(Refusal::Error(ErrorKind::Unreachable)),
        };
        let writer = writer.ok_or_else(|| Refusal::Unclear("has no writer".to_owned()))?;
        let member = |id: &InstanceId| {
            let ip = self.place(id, now, names);
            let ip = ip.map_err(|error| Refusal::Unclear(format!("has {id}, and {error}")))?;
            let instance = Some(id.clone());
            Ok(Member { instance, ip })
        };
        let others = self.members.keys().filter(|id| *id != writer);
        let readers: Result<Vec<Member>, Refusal> = others.map(member).collect();
        Ok((member(writer)?, readers?))
    }
}

/// Why RDS's API tells no writer.
enum Refusal {
    Unclear(String),
    Error(ErrorKind),
}

/// The call that tells about a source of this kind.
pub(crate) fn described_by(database: Database) -> &'static str {
    match database {
        Database::Cluster => DESCRIBE_CLUSTERS,
        Database::Instance => DESCRIBE_INSTANCES,
    }
}

fn not_found(database: Database, source: &SourceId) -> CallError {
    let (code, what) = match database {
        Database::Cluster => ("DBClusterNotFoundFault", "DBCluster"),
        Database::Instance => ("DBInstanceNotFound", "DBInstance"),
    };
    CallError {
        kind: ErrorKind::Missing,
        code: code.to_owned(),
        ..unreachable(described_by(database), &format!("{what} {source} not found."))
    }
}

impl Clusters {
    /// From now on sources notice changes this late.
    pub fn set_lags(&self, lags: Lags) {
        *lock(&self.lags) = lags;
    }

    /// For this long RDS's API has this fault about a database.
    pub fn break_api(&self, source: &SourceId, fault: ApiFault, lasting: Duration) {
        self.with_cluster(source, |found, now| {
            found.seen.api = Some((fault, now + lasting));
            Some(())
        });
    }

    /// For this long a database's endpoint has this fault: the cluster's own, and not those of its members, so
    /// that RDS and DNS can differ.
    pub fn break_names(&self, source: &SourceId, fault: NameFault, lasting: Duration) {
        self.with_cluster(source, |found, now| {
            found.seen.names = Some((fault, now + lasting));
            Some(())
        });
    }

    /// How late the sources of a change that is made now will notice.
    pub(super) fn lag(&self) -> Lag {
        let lags = lock(&self.lags).clone();
        let mut random = lock(&self.of_witnesses);
        let mut draw = |range: Range<u64>| {
            let none = range.is_empty();
            let drawn = if none { 0 } else { random.u64(range) };
            Duration::from_millis(drawn)
        };
        Lag { api: draw(lags.api_ms), names: draw(lags.names_ms) }
    }

    /// Whether RDS's API shows that something is under way: it does every other time.
    pub(super) fn shows(&self, status: &'static str) -> Option<&'static str> {
        self.coin().then_some(status)
    }

    fn coin(&self) -> bool {
        lock(&self.of_witnesses).bool()
    }

    /// What RDS's API says to a process about a source: its writer, and its readers if it is they who are asked for.
    pub fn describe(
        &self,
        by: &str,
        database: Database,
        source: &SourceId,
        role: Role,
    ) -> Result<SourceReport, CallError> {
        let resolver = self.askers.resolver(by);
        let names = Names { coin: &|| self.coin(), resolver: resolver.as_deref() };
        let asked = self
            .with_cluster(source, |found, now| (found.kind == database).then(|| found.by_api(now, names)));
        match asked.unwrap_or(Err(Refusal::Error(ErrorKind::Missing))) {
            Ok((writer, readers)) => Ok(SourceReport::Members {
                writer,
                readers: match role {
                    Role::Writer => Vec::new(),
                    Role::Readers => readers,
                },
            }),
            Err(Refusal::Unclear(why)) => Ok(SourceReport::Unclear(format!("{source} {why}"))),
            Err(Refusal::Error(ErrorKind::Missing)) => Err(not_found(database, source)),
            Err(Refusal::Error(_)) => Err(unreachable(described_by(database), "no answer in time")),
        }
    }

    /// The address behind a source's endpoint, or behind the own endpoint of a member, as a process is told.
    pub fn resolve(&self, by: &str, name: &str) -> Result<IpAddr, CallError> {
        let resolver = self.askers.resolver(by);
        let names = Names { coin: &|| self.coin(), resolver: resolver.as_deref() };
        self.with(|state, now| {
            let is_asked = |(id, found): (&SourceId, &Cluster)| endpoint(found.kind, id) == name;
            let upstream = || {
                if let Some(found) = state.clusters.iter().find(|pair| is_asked(*pair)) {
                    return found.1.behind_the_endpoint(now, names.coin);
                }
                let (found, member) = state
                    .owner(|id| own_endpoint(id) == name)
                    .ok_or_else(|| NameFault::NoSuchName.error())?;
                let ip = found.place_by_name(member, now, names.coin)?;
                let alias_of = None;
                Ok(Resolved { ip, alias_of })
            };
            names.look_up(name, now, upstream)
        })
    }

    /// The address of an instance by its own endpoint's name.
    pub fn resolve_member(&self, by: &str, instance: &InstanceId) -> Result<IpAddr, CallError> {
        self.resolve(by, &own_endpoint(instance))
    }

    /// The address of a member of a source, by RDS's word and its endpoint's name; `None` when it is none.
    pub fn member(
        &self,
        by: &str,
        source: &SourceId,
        instance: &InstanceId,
    ) -> Result<Option<IpAddr>, CallError> {
        let resolver = self.askers.resolver(by);
        let names = Names { coin: &|| self.coin(), resolver: resolver.as_deref() };
        let found = self.with_cluster(source, |found, now| {
            if let Some(ApiFault::NoAnswer) = found.seen.api_fault(now) {
                return Some(Err(unreachable(DESCRIBE_INSTANCES, "no answer in time")));
            }
            let known = found.members.contains_key(instance);
            known.then(|| found.place(instance, now, names))
        });
        found.transpose()
    }
}

impl State {
    fn owner(&self, is_it: impl Fn(&InstanceId) -> bool) -> Option<(&Cluster, &InstanceId)> {
        let mut owners = self.clusters.values().filter_map(|cluster| {
            let member = cluster.members.keys().find(|id| is_it(id))?;
            Some((cluster, member))
        });
        owners.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Fate, Fault};
    use crate::plans::Script;
    use crate::world::{World, WorldConfig, instances};
    use writerlink_core::evidence::discovery::Discovery;
    use writerlink_core::evidence::discovery::SourceReports;
    use writerlink_core::model::policy::DiscoverySource;
    use writerlink_core::model::route::Route;

    fn cluster() -> SourceId {
        SourceId::new("aurora").unwrap()
    }

    fn named(n: u8) -> InstanceId {
        InstanceId::new(&format!("aurora-{n}")).unwrap()
    }

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([10, 0, n, 11])
    }

    fn member(n: u8) -> Member {
        let instance = Some(named(n));
        Member { instance, ip: ip(n) }
    }

    /// A cluster of three and a route that asks both sources about it.
    fn seeded(seed: u64) -> (World, Route) {
        let world = World::new(WorldConfig { seed, ..WorldConfig::default() });
        let mut route = world.add_route("aurora", &instances("aurora", 3).unwrap()).unwrap();
        route.policy.discovery = [DiscoverySource::Rds, DiscoverySource::Dns].into();
        route.policy.endpoint = Some(endpoint(Database::Cluster, &cluster()));
        (world, route)
    }

    async fn asked(world: &World, route: &Route) -> SourceReports {
        world.databases(&world.process("w1")).ask(route).await
    }

    async fn said(world: &World, route: &Route, source: DiscoverySource) -> SourceReport {
        let SourceReports(said) = asked(world, route).await;
        let mut said = said.into_iter().filter(|(by, _)| *by == source);
        said.next().unwrap().1
    }

    fn writer(report: &SourceReport) -> Option<IpAddr> {
        match report {
            SourceReport::Members { writer, .. } => Some(writer.ip),
            SourceReport::Unclear(_) => None,
        }
    }

    async fn until(world: &World, at: Duration) {
        tokio::time::sleep(at.saturating_sub(world.fabric.time.elapsed())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn witnesses_of_a_quiet_cluster_agree_and_each_is_asked_by_one_call() {
        let (world, route) = seeded(1);
        let expected = Discovery::Members { writer: member(1), readers: Vec::new() };
        assert_eq!(asked(&world, &route).await.discovery(), expected);
        let journal = world.fabric.journal();
        let calls: Vec<_> = journal.iter().map(|effect| effect.call).collect();
        assert_eq!(calls, ["DescribeDBClusters", "ResolveName"]);
    }

    #[tokio::test(start_paused = true)]
    async fn readers_are_told_to_a_route_that_is_made_of_them() {
        let (world, mut route) = seeded(1);
        route.policy.role = Role::Readers;
        let SourceReport::Members { readers, .. } = said(&world, &route, DiscoverySource::Rds).await else {
            panic!("RDS can tell");
        };
        assert_eq!(readers, [member(2), member(3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_api_follows_a_failover_late_and_says_so_or_not() {
        let (mut stale, mut busy) = (0, 0);
        for seed in 0..40 {
            let (world, route) = seeded(seed);
            let failover = world.rds.fail_over(&cluster(), &named(2)).unwrap();
            until(&world, failover.promoted_at).await;
            match said(&world, &route, DiscoverySource::Rds).await {
                SourceReport::Unclear(why) => {
                    assert_eq!(why, "aurora is \"failing-over\"");
                    busy += 1;
                }
                told @ SourceReport::Members { .. } => {
                    stale += u32::from(writer(&told) == Some(ip(1)));
                }
            }
            until(&world, failover.promoted_at + Duration::from_secs(20)).await;
            assert_eq!(writer(&said(&world, &route, DiscoverySource::Rds).await), Some(ip(2)));
        }
        assert!(stale > 5 && busy > 5, "{stale} stale, {busy} busy");
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_name_flaps_after_a_failover_and_settles_in_30_seconds() {
        let (world, route) = seeded(1);
        let failover = world.rds.fail_over(&cluster(), &named(2)).unwrap();
        until(&world, failover.promoted_at).await;
        let mut seen = Vec::new();
        for _ in 0..20 {
            seen.extend(writer(&said(&world, &route, DiscoverySource::Dns).await));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let flaps = seen.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(flaps > 3, "{seen:?}");
        until(&world, failover.promoted_at + Duration::from_secs(30)).await;
        for _ in 0..20 {
            let settled = said(&world, &route, DiscoverySource::Dns).await;
            assert_eq!(writer(&settled), Some(ip(2)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_shows_the_same_flapping() {
        async fn seen(seed: u64) -> Vec<SourceReports> {
            let (world, route) = seeded(seed);
            world.rds.fail_over(&cluster(), &named(2)).unwrap();
            let mut readings = Vec::new();
            for _ in 0..40 {
                readings.push(asked(&world, &route).await);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            readings
        }
        assert_eq!(seen(3).await, seen(3).await);
        assert_ne!(seen(3).await, seen(4).await);
    }

    #[tokio::test(start_paused = true)]
    async fn without_lags_everyone_knows_at_the_promotion() {
        let (world, route) = seeded(1);
        world.rds.set_lags(Lags::NONE);
        let failover = world.rds.fail_over(&cluster(), &named(2)).unwrap();
        until(&world, failover.promoted_at).await;
        let expected = Discovery::Members { writer: member(2), readers: Vec::new() };
        assert_eq!(asked(&world, &route).await.discovery(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_the_api_is_unclear_and_never_an_answer() {
        let (world, route) = seeded(1);
        let cases = [
            (ApiFault::Status("modifying"), "aurora is \"modifying\""),
            (ApiFault::NoWriter, "aurora has no writer"),
            (
                ApiFault::NotFound,
                "DescribeDBClusters failed (missing, DBClusterNotFoundFault): DBCluster aurora not found.",
            ),
            (ApiFault::NoAnswer, "DescribeDBClusters failed (unreachable): no answer in time"),
        ];
        for (fault, why) in cases {
            world.rds.break_api(&cluster(), fault, Duration::from_secs(9));
            let told = said(&world, &route, DiscoverySource::Rds).await;
            assert_eq!(told, SourceReport::Unclear(why.to_owned()));
        }
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(writer(&said(&world, &route, DiscoverySource::Rds).await), Some(ip(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_a_name_is_unclear_and_leaves_the_api_alone() {
        let (world, route) = seeded(1);
        let cases = [
            (NameFault::NoSuchName, "ResolveName failed (missing, NXDOMAIN): there is no such name"),
            (NameFault::Empty, "ResolveName failed (missing, NOERROR): the name has no address"),
            (NameFault::NoAnswer, "ResolveName failed (unreachable): no server answers"),
        ];
        for (fault, why) in cases {
            world.rds.break_names(&cluster(), fault, Duration::from_secs(9));
            let told = said(&world, &route, DiscoverySource::Dns).await;
            assert_eq!(told, SourceReport::Unclear(why.to_owned()));
            assert_eq!(writer(&said(&world, &route, DiscoverySource::Rds).await), Some(ip(1)));
        }
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(writer(&said(&world, &route, DiscoverySource::Dns).await), Some(ip(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_name_or_api_disagrees_with_the_other_until_it_is_fixed() {
        let (world, route) = seeded(1);
        world.rds.set_lags(Lags::NONE);
        let failover = world.rds.fail_over(&cluster(), &named(2)).unwrap();
        until(&world, failover.completed.due).await;
        let half_a_minute = Duration::from_secs(30);
        world.rds.break_names(&cluster(), NameFault::Stale, half_a_minute);
        assert_eq!(writer(&said(&world, &route, DiscoverySource::Rds).await), Some(ip(2)));
        assert_eq!(writer(&said(&world, &route, DiscoverySource::Dns).await), Some(ip(1)));
        tokio::time::sleep(half_a_minute).await;
        world.rds.break_api(&cluster(), ApiFault::Stale, half_a_minute);
        assert_eq!(writer(&said(&world, &route, DiscoverySource::Rds).await), Some(ip(1)));
        assert_eq!(writer(&said(&world, &route, DiscoverySource::Dns).await), Some(ip(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_on_its_way_is_unclear_and_the_other_witness_is_heard() {
        let (world, route) = seeded(1);
        let refused = Fate::meets(Fault::Refused(ErrorKind::Throttled));
        world.fabric.set_plan(Box::new(Script::new().fate_at("w1", 0, refused)));
        let SourceReports(said) = asked(&world, &route).await;
        let throttled = "DescribeDBClusters failed (throttled, ThrottlingException): Rate exceeded";
        assert_eq!(said[0].1, SourceReport::Unclear(throttled.to_owned()));
        assert_eq!(writer(&said[1].1), Some(ip(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_about_nothing_cannot_tell_and_makes_no_call() {
        let (world, mut route) = seeded(1);
        route.policy.endpoint = None;
        route.source = writerlink_core::model::route::Source::Any;
        let reading = asked(&world, &route).await;
        assert!(matches!(reading.discovery(), Discovery::Unclear(_)));
        assert_eq!(reading.0.len(), 2);
        assert!(world.fabric.journal().is_empty());
    }
}
