//! The embedded simulation as `check` sees it: what it has of an installation, and for the rest that it has none.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::databases::Clusters;
use crate::fleet::Fleet;
use crate::health::Probe;
use crate::load_balancer::LoadBalancer;
use crate::queue::FifoQueue;
use writerlink_aws::installation::tables;
use writerlink_core::model::names::{ListenerArn, TargetGroupArn};
use writerlink_core::model::route::Route;
use writerlink_engine::ports::installation::{
    BalancerFacts, DeadLetters, DescribedGroup, Environment, GroupFacts, Identity, Installation,
    ListenerRule, MemberFacts, NameFacts, QueueFacts, Redrive, Right, RuleFacts, Seen, Switch, TableFacts,
    Unseen,
};

/// The one load balancer of a world.
const BALANCER: &str = "the load balancer in memory";

/// A port that nobody answers on, as HeatWave's instructions have it.
const NOBODYS_PORT: &str = "40000";

const NO_ACCOUNT: Unseen = Unseen::NotHere("the embedded simulation has no accounts");
const NO_CLOCK: Unseen = Unseen::NotHere("the embedded simulation has one clock");
const NO_IAM: Unseen = Unseen::NotHere("the embedded simulation refuses nobody anything");
const NO_KEYS: Unseen = Unseen::NotHere("the embedded simulation has no keys");
const NO_BACKUPS: Unseen = Unseen::NotHere("the embedded simulation has no backups");
const NO_RULES: Unseen = Unseen::NotHere("in the embedded simulation events arrive by themselves");
const NO_RESOLVERS: Unseen = Unseen::NotHere("the embedded simulation has no resolvers");
const NO_ATTRIBUTES: Unseen = Unseen::NotHere("the load balancer in memory has no attributes");

/// What `check` can ask of a world.
pub struct WorldInstallation {
    queue: Arc<FifoQueue>,
    load_balancer: Arc<LoadBalancer>,
    databases: Arc<Clusters>,
    tables: aws_sdk_dynamodb::Client,
}

impl WorldInstallation {
    /// That of the fleet's world.
    #[must_use]
    pub fn of(fleet: &Fleet) -> Self {
        Self {
            queue: Arc::clone(&fleet.world.sqs),
            load_balancer: Arc::clone(&fleet.world.elb),
            databases: Arc::clone(&fleet.world.rds),
            tables: fleet.dynamo.client_outside(),
        }
    }
}

#[async_trait]
impl Installation for WorldInstallation {
    fn environment(&self) -> Environment {
        Environment::default()
    }

    async fn identity(&self) -> Identity {
        Identity { arn: Err(NO_ACCOUNT), clock: Err(NO_CLOCK) }
    }

    async fn queue(&self) -> Seen<QueueFacts> {
        let config = self.queue.config();
        let redrive = self.queue.redrive_to.as_ref().map(|letters| Redrive {
            dead_letters: letters.name().to_owned(),
            receives_max: config.max_receive_count,
            seen: Ok(DeadLetters {
                fifo: true,
                messages: u64::try_from(letters.messages().len()).unwrap_or(u64::MAX),
            }),
        });
        Ok(QueueFacts {
            arn: self.queue.name().to_owned(),
            fifo: true,
            content_based_deduplication: true,
            visibility: Some(config.visibility),
            redrive,
            encryption: Err(NO_KEYS),
            policy: Err(NO_IAM),
        })
    }

    async fn rules(&self, _: &str) -> Seen<Vec<Seen<RuleFacts>>> {
        Err(NO_RULES)
    }

    async fn table(&self, name: &str) -> TableFacts {
        TableFacts { recovery: Err(NO_BACKUPS), ..tables::look(&self.tables, name).await }
    }

    async fn may(&self, _: Right) -> Seen<()> {
        Err(NO_IAM)
    }

    async fn group(&self, group: &TargetGroupArn) -> GroupFacts {
        let spec = self.load_balancer.spec(group);
        GroupFacts {
            described: spec.map_err(Unseen::from).map(|spec| DescribedGroup {
                target_type: "ip".to_owned(),
                protocol: "TCP".to_owned(),
                port: Some(spec.port),
                family: "ipv4".to_owned(),
                vpc: None,
                health_port: match self.load_balancer.probe() {
                    Probe::Answered => "traffic-port".to_owned(),
                    Probe::NeverAnswered => NOBODYS_PORT.to_owned(),
                },
                health_protocol: "TCP".to_owned(),
                health_interval: None,
                balancers: vec![BALANCER.to_owned()],
            }),
            attributes: Err(NO_ATTRIBUTES),
        }
    }

    async fn balancer(&self, _: &str) -> Seen<BalancerFacts> {
        Ok(BalancerFacts {
            kind: "network".to_owned(),
            zones: self.load_balancer.zones(),
            security_groups: Vec::new(),
            inbound_rules_on_private_link: None,
            attributes: Ok(BTreeMap::new()),
        })
    }

    async fn listener_rules(&self, _: &ListenerArn) -> Seen<Vec<ListenerRule>> {
        Ok(Vec::new())
    }

    async fn vpc_networking(&self, _: &Route) -> Seen<Switch> {
        Ok(Switch::On)
    }

    async fn members(&self, route: &Route) -> Seen<Vec<MemberFacts>> {
        let source = route.source_of_rds().map_err(Unseen::NotHere)?;
        let instances = self.databases.instances(source).into_iter();
        let members = instances.map(|instance| MemberFacts {
            instance: instance.id,
            zone: Some(instance.zone),
            vpc: None,
            address: Ok(instance.ip),
        });
        Ok(members.collect())
    }

    async fn names(&self, route: &Route) -> Seen<Vec<NameFacts>> {
        if route.policy.discovery.is_empty() {
            return Ok(Vec::new());
        }
        Err(NO_RESOLVERS)
    }
}
