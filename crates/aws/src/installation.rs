//! What `check` asks of AWS, and of nobody else: settings that the worker lives on and never reads.
//!
//! Everything here is a look-up, but for [`tries`], whose writes are refused before they change anything.

mod groups;
mod listener;
mod queue;
mod resolvers;
mod rules;
pub mod tables;
mod tries;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;

use crate::dns::names::Names;
use crate::dynamodb::TableNames;
use crate::identity;
use crate::rds::RdsWitness;
use crate::sql::SqlSource;
use writerlink_core::model::names::{ListenerArn, TargetGroupArn};
use writerlink_core::model::route::Route;
use writerlink_engine::ports::Clock;
use writerlink_engine::ports::installation::{
    BalancerFacts, Environment, GroupFacts, Identity, Installation, ListenerRule, MemberFacts, NameFacts,
    QueueFacts, Right, RuleFacts, Seen, SqlFacts, Switch, TableFacts, Unseen,
};

/// Why nothing is known of names.
const NO_RESOLVER: Unseen = Unseen::NotHere("there is no name server to ask");

/// An installation in an account and Region of AWS.
pub struct AwsInstallation {
    clients: Clients,
    databases: Option<(RdsWitness, Names)>,
    clock: Arc<dyn Clock>,
    what: What,
    sql: Option<SqlSource>,
}

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct What {
    /// The queue, by its name or URL.
    pub queue: String,
    /// The ledger's tables.
    pub tables: TableNames,
    /// The variables that point the SDK elsewhere, and where to.
    pub endpoints: Vec<(String, String)>,
}

struct Clients {
    region: Option<String>,
    dynamodb: aws_sdk_dynamodb::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    events: aws_sdk_eventbridge::Client,
    sqs: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
}

impl AwsInstallation {
    /// An installation by way of this configuration. Without name servers RDS's instances are not looked at, since
    /// where they are is what counts of them.
    #[must_use]
    pub fn new(sdk: &SdkConfig, what: What, names: Option<Names>, clock: Arc<dyn Clock>) -> Self {
        let databases = names.map(|names| {
            let client = aws_sdk_rds::Client::new(sdk);
            (RdsWitness::new(client, names.clone()), names)
        });
        Self {
            clients: Clients {
                region: sdk.region().map(ToString::to_string),
                dynamodb: aws_sdk_dynamodb::Client::new(sdk),
                elb: aws_sdk_elasticloadbalancingv2::Client::new(sdk),
                events: aws_sdk_eventbridge::Client::new(sdk),
                sqs: aws_sdk_sqs::Client::new(sdk),
                sts: aws_sdk_sts::Client::new(sdk),
            },
            databases,
            clock,
            what,
            sql: None,
        }
    }

    /// The same, with the instances themselves to ask.
    #[must_use]
    pub fn with_sql(self, sql: Option<SqlSource>) -> Self {
        Self { sql, ..self }
    }
}

#[async_trait]
impl Installation for AwsInstallation {
    fn environment(&self) -> Environment {
        Environment { endpoints: self.what.endpoints.clone(), region: self.clients.region.clone() }
    }

    async fn identity(&self) -> Identity {
        identity::seen(&self.clients.sts, self.clock.as_ref()).await
    }

    async fn queue(&self) -> Seen<QueueFacts> {
        queue::look(&self.clients.sqs, &self.what.queue).await
    }

    async fn rules(&self, queue: &str) -> Seen<Vec<Seen<RuleFacts>>> {
        rules::look(&self.clients.events, queue).await
    }

    async fn table(&self, name: &str) -> TableFacts {
        tables::look(&self.clients.dynamodb, name).await
    }

    async fn may(&self, right: Right) -> Seen<()> {
        tries::may(&self.clients.dynamodb, &self.what.tables, right).await
    }

    async fn group(&self, group: &TargetGroupArn) -> GroupFacts {
        groups::group(&self.clients.elb, group).await
    }

    async fn balancer(&self, arn: &str) -> Seen<BalancerFacts> {
        groups::balancer(&self.clients.elb, arn).await
    }

    async fn listener_rules(&self, listener: &ListenerArn) -> Seen<Vec<ListenerRule>> {
        listener::rules(&self.clients.elb, listener).await
    }

    async fn members(&self, route: &Route) -> Seen<Vec<MemberFacts>> {
        match &self.databases {
            Some((rds, _)) => rds.seen(route).await,
            None => Err(NO_RESOLVER),
        }
    }

    async fn vpc_networking(&self, route: &Route) -> Seen<Switch> {
        match &self.databases {
            Some((rds, _)) => rds.vpc_networking(route).await,
            None => Err(NO_RESOLVER),
        }
    }

    async fn names(&self, route: &Route) -> Seen<Vec<NameFacts>> {
        match &self.databases {
            Some((rds, names)) => resolvers::look(names, rds, route).await,
            None => Err(NO_RESOLVER),
        }
    }

    async fn sql(&self, route: &Route) -> Seen<Vec<SqlFacts>> {
        match &self.sql {
            Some(sql) => sql.look(route).await,
            None => Err(NO_RESOLVER),
        }
    }
}
