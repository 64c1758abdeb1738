//! A whole world: the services, their time, and the processes that use them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use ipnet::IpNet;

use crate::clients::{ClustersClient, LoadBalancerClient, QueueClient};
use crate::clock::WorldTime;
use crate::databases::{Clusters, Instance, Placement};
use crate::event_bodies;
use crate::event_bodies::{ACCOUNT, REGION};
use crate::faults::{Fabric, lock};
use crate::load_balancer::listeners::ListenersClient;
use crate::load_balancer::{LoadBalancer, LoadBalancerConfig};
use crate::process::Process;
use crate::queue::{FifoQueue, QueueConfig};
use crate::target_group::TargetGroupSpec;
use writerlink_core::actuation::weights::{Weight, Weights};
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::model::names::{
    InstanceId, InvalidName, ListenerArn, RouteName, SourceId, TargetGroupArn,
};
use writerlink_core::model::policy::{Database, DiscoverySource, Policy};
use writerlink_core::model::route::{
    OnStarted, Relay, RelayProfile, Route, SILENT_LIMIT, SWITCH_LIMIT, Source, Strategy, TargetGroup,
    Weighted,
};
use writerlink_core::model::target::Target;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::{CallError, Databases, Listeners, Queue, TargetGroups};

/// What a world is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldConfig {
    /// The calendar's time when it begins.
    pub start: Timestamp,
    /// Decides every process's random bits, and how long failovers take.
    pub seed: u64,
    /// The queue of events.
    pub queue: QueueConfig,
    /// The load balancer.
    pub load_balancer: LoadBalancerConfig,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            // 2026-05-06T23:00:00Z, minutes before the sample events.
            start: Timestamp::from_millis(1_778_108_400_000),
            seed: 1,
            queue: QueueConfig::default(),
            load_balancer: LoadBalancerConfig::default(),
        }
    }
}

/// A route that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// A name of it is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Its writer's address cannot be a target.
    #[error(transparent)]
    Target(#[from] CallError),
    /// There is no instance that could write.
    #[error("a cluster needs an instance")]
    NoInstance,
}

/// What every route of a world listens on.
pub const PORT: u16 = 3306;

/// The services of a world and its fabric. It has to be made on the runtime whose clock is to be its own.
pub struct World {
    /// Time, faults and journal.
    pub fabric: Arc<Fabric>,
    /// The queue of events.
    pub sqs: Arc<FifoQueue>,
    /// The queue of dead letters.
    pub dead_letters: Arc<FifoQueue>,
    /// The load balancer.
    pub elb: Arc<LoadBalancer>,
    /// The databases.
    pub rds: Arc<Clusters>,
    seeds: Mutex<fastrand::Rng>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("fabric", &self.fabric).finish_non_exhaustive()
    }
}

impl World {
    /// A world that begins now, without routes, faults or processes.
    #[must_use]
    pub fn new(config: WorldConfig) -> Self {
        let time = WorldTime::starting(config.start);
        let mut seeds = fastrand::Rng::with_seed(config.seed);
        let dead_letters = FifoQueue::new("dlq", time, QueueConfig::default(), None);
        let redrive_to = Some(Arc::clone(&dead_letters));
        Self {
            fabric: Fabric::new(time),
            sqs: FifoQueue::new("msg", time, config.queue, redrive_to),
            dead_letters,
            elb: LoadBalancer::new(time, config.load_balancer),
            rds: Clusters::new(time, seeds.u64(..)),
            seeds: Mutex::new(seeds),
        }
    }

    /// Starts a process. One that replaces a dead one is a new process, and had better have a new name,
    /// since faults are planned by name.
    #[must_use]
    pub fn process(&self, name: &str) -> Arc<Process> {
        let seed = lock(&self.seeds).u64(..);
        Process::start(&self.fabric, name, seed)
    }

    /// The queue as a process sees it.
    #[must_use]
    pub fn queue(&self, process: &Arc<Process>) -> Arc<dyn Queue> {
        Arc::new(QueueClient { process: Arc::clone(process), queue: Arc::clone(&self.sqs) })
    }

    /// The load balancer as a process sees it.
    #[must_use]
    pub fn target_groups(&self, process: &Arc<Process>) -> Arc<dyn TargetGroups> {
        Arc::new(LoadBalancerClient { process: Arc::clone(process), load_balancer: Arc::clone(&self.elb) })
    }

    /// The load balancer's listeners as a process sees them.
    #[must_use]
    pub fn listeners(&self, process: &Arc<Process>) -> Arc<dyn Listeners> {
        Arc::new(ListenersClient { process: Arc::clone(process), load_balancer: Arc::clone(&self.elb) })
    }

    /// The databases as a process sees them.
    #[must_use]
    pub fn databases(&self, process: &Arc<Process>) -> Arc<dyn Databases> {
        Arc::new(ClustersClient { process: Arc::clone(process), clusters: Arc::clone(&self.rds) })
    }

    /// Makes a cluster and a target group of the same name, and the route between them. The first instance
    /// is the writer, and its address has been in the group for long.
    ///
    /// # Errors
    /// When the name is not one, there is no instance, or the writer's address cannot be a target.
    pub fn add_route(&self, name: &str, instances: &[Instance]) -> Result<Route, NoRoute> {
        let writer = instances.first().ok_or(NoRoute::NoInstance)?;
        let group = self.add_group(name, writer.ip, instances)?;
        self.follow_cluster(name, instances, group)
    }

    /// Makes a cluster, and the route that moves `group` after it.
    fn follow_cluster(
        &self,
        name: &str,
        instances: &[Instance],
        group: TargetGroup,
    ) -> Result<Route, NoRoute> {
        let cluster = SourceId::new(name)?;
        self.rds.add(&cluster, instances);
        Ok(Route {
            name: RouteName::new(name)?,
            source: Source::Named(cluster),
            strategy: Strategy::Swap,
            group,
            port: PORT,
            instances: instances.iter().map(|i| (i.id.clone(), i.ip)).collect(),
            allowed_cidrs: subnets(instances).into_keys().collect(),
            exclusive: true,
            on_started: OnStarted::Swap,
            policy: Policy::default(),
        })
    }

    /// Makes a target group in which the target at `ip` has been for long.
    fn add_group(&self, name: &str, ip: IpAddr, instances: &[Instance]) -> Result<TargetGroup, NoRoute> {
        let arn = TargetGroupArn::new(&format!(
            "arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{name}/73e2d6bc24d8a067"
        ))?;
        let (port, subnets) = (PORT, subnets(instances));
        self.elb.create_group(&arn, TargetGroupSpec { port, subnets });
        self.elb.install(&arn, Target { ip, port })?;
        Ok(TargetGroup { arn, availability_zone: None })
    }

    /// Makes a cluster, a target group for each of its instances, a listener, and the weighted route between them.
    /// Every instance's address has been in its own group for long; the first one writes, and has the weight.
    ///
    /// # Errors
    /// As [`World::add_route`].
    pub fn add_weighted_route(&self, name: &str, instances: &[Instance]) -> Result<Route, NoRoute> {
        let writer = instances.first().ok_or(NoRoute::NoInstance)?;
        let listener = ListenerArn::new(&format!(
            "arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:listener/net/{name}/50dc6c495c0c9188/f2f7dc8efc522ab2"
        ))?;
        let (mut groups, mut weights) = (BTreeMap::new(), Weights::default());
        for instance in instances {
            let group = self.add_group(instance.id.as_str(), instance.ip, instances)?;
            weights.groups.insert(group.arn.clone(), Weight::NONE);
            groups.insert(instance.id.clone(), group);
        }
        let writer = groups.get(&writer.id).ok_or(NoRoute::NoInstance)?.clone();
        weights.groups.insert(writer.arn.clone(), Weight::WHOLE);
        self.elb.create_listener(&listener, weights);
        Ok(Route {
            strategy: Strategy::Weighted(Weighted { listener, groups }),
            ..self.follow_cluster(name, instances, writer)?
        })
    }

    /// Makes a cluster and the relay route in front of it. The group stands for the relays, which nobody registers.
    ///
    /// # Errors
    /// As [`World::add_route`].
    pub fn add_relay_route(&self, name: &str, listen: u16, instances: &[Instance]) -> Result<Route, NoRoute> {
        let relay = Relay {
            listen,
            profile: RelayProfile::Application,
            switch_limit: SWITCH_LIMIT,
            silent_limit: SILENT_LIMIT,
        };
        let route = self.add_route(name, instances)?;
        Ok(Route { strategy: Strategy::Relay(relay), on_started: OnStarted::Wait, ..route })
    }

    /// Makes a Multi-AZ instance and a target group of the same name, and the route between them, which asks RDS:
    /// a map would be wrong after the first failover. The first place is where the instance is and has been
    /// for long, the second one its standby's.
    ///
    /// # Errors
    /// When the name is not one, or the first address cannot be a target.
    pub fn add_instance_route(&self, name: &str, places: [Placement; 2]) -> Result<Route, NoRoute> {
        let [primary, standby] = places;
        let at = |name: &str, place: &Placement| {
            let Placement { ip, zone } = place.clone();
            let id = InstanceId::new(name)?;
            Ok::<_, InvalidName>(Instance { id, ip, zone })
        };
        let instance = at(name, &primary)?;
        // The group has to have the subnets of both.
        let both = [instance.clone(), at(&format!("{name}-standby"), &standby)?];
        let route = self.add_route(name, &both)?;
        self.rds.add_instance(&instance, Some(standby));
        let policy = Policy {
            database: Database::Instance,
            discovery: [DiscoverySource::Rds].into(),
            ..Policy::default()
        };
        Ok(Route { instances: BTreeMap::new(), policy, ..route })
    }

    /// Drops what the world keeps for whoever inspects it: its journal, the ids of deleted messages, the load
    /// balancer's log of changes. A long run would otherwise measure the world's memory instead of a worker's.
    pub fn forget_history(&self) {
        self.fabric.forget();
        self.sqs.forget();
        self.elb.forget();
    }

    /// Delivers an event as an EventBridge rule does, with the source as the message's group.
    pub fn deliver(&self, event: &RdsEvent) -> String {
        let body = event_bodies::eventbridge(event);
        self.sqs.send(event.source.as_str(), &body)
    }
}

/// The subnet of each instance, 256 addresses around its own, in its zone.
fn subnets(instances: &[Instance]) -> BTreeMap<IpNet, String> {
    let around = |ip: IpAddr| IpNet::new(ip, if ip.is_ipv4() { 24 } else { 64 });
    instances.iter().filter_map(|i| Some((around(i.ip).ok()?.trunc(), i.zone.clone()))).collect()
}

/// The instances `name-1`, `name-2` and so on of a cluster, each in a zone and a subnet of its own:
/// 10.0.1.11, 10.0.2.11 and so on.
///
/// # Errors
/// When `name` is no RDS identifier.
pub fn instances(name: &str, count: u8) -> Result<Vec<Instance>, InvalidName> {
    let instance = |n: u8| {
        Ok(Instance {
            id: InstanceId::new(&format!("{name}-{n}"))?,
            ip: IpAddr::from([10, 0, n, 11]),
            zone: format!("us-east-1{}", char::from(b'a' + (n - 1) % 6)),
        })
    };
    (1..=count).map(instance).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use writerlink_core::evidence::discovery::{Discovery, Member};

    #[tokio::test(start_paused = true)]
    async fn a_route_begins_with_its_writer_in_service() {
        let world = World::new(WorldConfig::default());
        let members = instances("aurora", 3).unwrap();
        let route = world.add_route("aurora", &members).unwrap();
        let writer = Target { ip: members[0].ip, port: PORT };
        assert_eq!(world.elb.serving(&route.group.arn), [writer].into());
        assert_eq!(world.rds.writer(&SourceId::new("aurora").unwrap()).as_ref(), members.first());
        for member in &members {
            assert_eq!(route.instances.get(&member.id), Some(&member.ip));
            assert!(route.admit(member.ip).is_some());
        }
        assert_eq!(world.fabric.time.now().to_string(), "2026-05-06T23:00:00.000Z");
        assert!(world.elb.mutations().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_multi_az_route_finds_its_instance_at_the_standbys_address() {
        let world = World::new(WorldConfig::default());
        let place = |n: u8| Placement {
            ip: IpAddr::from([10, 0, n, 11]),
            zone: format!("us-east-1{}", char::from(b'a' + n)),
        };
        let route = world.add_instance_route("orders", [place(1), place(2)]).unwrap();
        let failover = world.rds.fail_over_instance(&SourceId::new("orders").unwrap()).unwrap();
        tokio::time::sleep(failover.promoted_at + Duration::from_secs(30)).await;
        let reading = world.databases(&world.process("w1")).ask(&route).await;
        let writer = Member { instance: InstanceId::new("orders").ok(), ip: place(2).ip };
        let readers = Vec::new();
        assert_eq!(reading.discovery(), Discovery::Members { writer, readers });
        let target = route.admit(place(2).ip).unwrap();
        let groups = world.target_groups(&world.process("w2"));
        let registered = groups.register(&route.group, &[target]).await;
        assert!(registered.is_ok(), "{registered:?}");
        assert_eq!(world.fabric.journal()[0].call, "DescribeDBInstances");
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_without_instances_is_refused() {
        let world = World::new(WorldConfig::default());
        assert_eq!(world.add_route("aurora", &[]), Err(NoRoute::NoInstance));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_delivered_twice_is_one_message_in_its_sources_group() {
        let world = World::new(WorldConfig::default());
        world.add_route("aurora", &instances("aurora", 2).unwrap()).unwrap();
        let cluster = SourceId::new("aurora").unwrap();
        let to = InstanceId::new("aurora-2").unwrap();
        let failover = world.rds.fail_over(&cluster, &to).unwrap();
        let id = world.deliver(&failover.started.event);
        assert_eq!(world.deliver(&failover.started.event), id);
        let process = world.process("w1");
        let queue = world.queue(&process);
        let taken = queue.receive(10, Duration::ZERO).await.unwrap();
        assert_eq!((taken.len(), taken[0].group.as_str()), (1, "aurora"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_makes_the_same_world() {
        let drawn = |seed| {
            let world = World::new(WorldConfig { seed, ..WorldConfig::default() });
            let clock = Arc::clone(&world.process("w1").clock);
            writerlink_engine::ports::Clock::random(clock.as_ref())
        };
        assert_eq!(drawn(3), drawn(3));
        assert_ne!(drawn(3), drawn(4));
    }
}
