//! What is known of the databases: the route's own map, and whoever the route asks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use async_trait::async_trait;

use crate::dns::DnsWitness;
use crate::dns::names::Names;
use crate::rds::RdsWitness;
use crate::sql::SqlSource;
use writerlink_core::evidence::discovery::{SourceReport, SourceReports};
use writerlink_core::evidence::drift::compared_with;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::route::Route;
use writerlink_engine::ports::{AddressError, CallError, Databases};

/// The map and the sources of every route. A route that asks nobody gets what
/// [`StaticMap`](writerlink_engine::ports::StaticMap) gives, and costs no call.
#[derive(Clone, Debug)]
pub struct AwsDatabases {
    rds: RdsWitness,
    dns: DnsWitness,
    sql: Option<SqlSource>,
}

impl AwsDatabases {
    /// Asks RDS by way of this client, and these servers for names.
    #[must_use]
    pub fn new(client: aws_sdk_rds::Client, names: Names) -> Self {
        Self { rds: RdsWitness::new(client, names.clone()), dns: DnsWitness::new(names), sql: None }
    }

    /// The same, with the instances themselves to ask.
    #[must_use]
    pub fn with_sql(self, sql: Option<SqlSource>) -> Self {
        Self { sql, ..self }
    }

    async fn report(
        &self,
        route: &Route,
        source: DiscoverySource,
    ) -> Option<(DiscoverySource, SourceReport)> {
        if !route.policy.discovery.contains(&source) {
            return None;
        }
        let said = match source {
            DiscoverySource::Rds => self.rds.ask(route).await,
            DiscoverySource::Dns => self.dns.ask(route).await,
            DiscoverySource::Sql => match &self.sql {
                Some(sql) => sql.ask(route).await,
                None => SourceReport::Unclear("the configuration has no [sql] to log in with".to_owned()),
            },
        };
        Some((source, said))
    }
}

#[async_trait]
impl Databases for AwsDatabases {
    /// From the route's map, which a person wrote; else from RDS, which knows who is a member; else from the
    /// name that the instance has to have. A route that asks RDS gets no address by name alone: what RDS does
    /// not know, or cannot say now, must not come in by another door (I5).
    async fn address(&self, route: &Route, instance: &InstanceId) -> Result<Option<IpAddr>, AddressError> {
        if let Some(ip) = route.instances.get(instance) {
            return Ok(Some(*ip));
        }
        let discovery = &route.policy.discovery;
        // The instances of a route that asks them and has no map of its own are those that RDS lists.
        if discovery.contains(&DiscoverySource::Rds) || discovery.contains(&DiscoverySource::Sql) {
            Ok(self.rds.address(route, instance).await?)
        } else if discovery.contains(&DiscoverySource::Dns) {
            self.dns.address(route, instance).await
        } else {
            Ok(None)
        }
    }

    async fn ask(&self, route: &Route) -> SourceReports {
        // At the same time: two that speak of different moments would seem to differ.
        let (rds, dns, sql) = tokio::join!(
            self.report(route, DiscoverySource::Rds),
            self.report(route, DiscoverySource::Dns),
            self.report(route, DiscoverySource::Sql),
        );
        SourceReports([rds, dns, sql].into_iter().flatten().collect())
    }

    async fn addresses(&self, route: &Route) -> Result<BTreeMap<InstanceId, IpAddr>, CallError> {
        match compared_with(route) {
            Some(DiscoverySource::Rds) => self.rds.addresses(route).await,
            Some(DiscoverySource::Dns) => Ok(self.dns.addresses(route).await),
            // A map is compared with names or with RDS, never with itself.
            Some(DiscoverySource::Sql) | None => Ok(BTreeMap::new()),
        }
    }
}
