//! The source that knows: RDS's API says who writes, and the name of that instance's own endpoint where.
//!
//! The instance's endpoint and not the cluster's, whose alias moves some time after the writer. RDS tells no
//! address in its API, only names. No call here changes anything.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_sdk_rds::Client;
use aws_sdk_rds::types::{DbCluster, DbInstance, Filter};
use tokio::task::JoinSet;

use crate::dns::names::{Families, Names};
use crate::error::{call_error, invalid};
use writerlink_core::evidence::discovery::{Member, SourceReport};
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::policy::{Database, Role};
use writerlink_core::model::route::Route;
use writerlink_engine::ports::installation::{MemberFacts, Seen, Switch, Unseen};
use writerlink_engine::ports::{CallError, ErrorKind};

const DESCRIBE_DB_CLUSTERS: &str = "DescribeDBClusters";
const DESCRIBE_DB_INSTANCES: &str = "DescribeDBInstances";

/// The filter of `DescribeDBInstances` that leaves the instances of one cluster.
const OF_CLUSTER: &str = "db-cluster-id";

/// The statuses in which a cluster's roles stand. In every other one they are being changed
/// (`failing-over`, `promoting`, `upgrading`, `modifying` …) or there is no writer (`stopped`, `creating` …),
/// and one that AWS invents tomorrow is not taken for steady. Source: Aurora User Guide,
/// "Viewing DB cluster status".
const CLUSTER_STANDS: &[&str] = &[
    "available",
    "backing-up",
    "configuring-iam-database-auth",
    "resetting-master-credentials",
    "storage-config-upgrade",
    "storage-initialization",
    "storage-optimization",
    "update-iam-db-auth",
];

/// The statuses in which an instance keeps its role and its address. Source: RDS User Guide, "Viewing Amazon
/// RDS DB instance status".
const INSTANCE_STANDS: &[&str] = &[
    "available",
    "backing-up",
    "configuring-enhanced-monitoring",
    "configuring-iam-database-auth",
    "configuring-log-exports",
    "resetting-master-credentials",
    "storage-config-upgrade",
    "storage-full",
    "storage-initialization",
    "storage-optimization",
];

/// The statuses of an instance that does not serve yet, or no more: it is no reader.
const INSTANCE_IS_NONE: &[&str] = &["creating", "delete-precheck", "deleting", "failed", "restore-error"];

/// The source [`Rds`](writerlink_core::model::policy::DiscoverySource::Rds).
#[derive(Clone, Debug)]
pub struct RdsWitness {
    client: Client,
    names: Names,
}

impl RdsWitness {
    /// A source that asks by way of this client, and these servers for the names of endpoints.
    #[must_use]
    pub fn new(client: Client, names: Names) -> Self {
        Self { client, names }
    }

    /// Who writes and who only reads, by RDS's word. Each call and each look-up takes `writerlink_core::model::time::CALL_TIMEOUT`
    /// at most.
    pub async fn ask(&self, route: &Route) -> SourceReport {
        let source = match route.source_of_rds() {
            Ok(source) => source,
            Err(why) => {
                let name = &route.name;
                return SourceReport::Unclear(format!(
                    "route {name} has no source to ask RDS about ({why}): set its source, or do not ask rds"
                ));
            }
        };
        let asked = match route.policy.database {
            Database::Cluster => self.cluster(route, source).await,
            Database::Instance => self.instance(route, source).await,
        };
        asked.unwrap_or_else(SourceReport::Unclear)
    }

    /// The address of an instance that RDS says is of the route's source (I5); `None` when it is not.
    ///
    /// That it is not is final, also for an instance that was promoted a moment ago: `DescribeDBInstances` has an
    /// instance and its cluster from its creation on, minutes before it can be promoted. What lags after a promotion is
    /// `DescribeDBClusters`, which is not asked here. And one that RDS knows is never given up for its name: a name that
    /// does not exist then is an error like any other.
    ///
    /// # Errors
    /// When RDS or the name servers cannot be asked, or the instance has no address.
    pub async fn address(&self, route: &Route, instance: &InstanceId) -> Result<Option<IpAddr>, CallError> {
        let Ok(source) = route.source_of_rds() else {
            return Ok(None);
        };
        let row = match self.describe(instance.as_str()).await {
            Ok(row) => row,
            Err(error) if error.kind == ErrorKind::Missing => return Ok(None),
            Err(error) => return Err(error),
        };
        if !row.is_of(route.policy.database, source) {
            return Ok(None);
        }
        let Some(endpoint) = &row.endpoint else {
            return Err(invalid(DESCRIBE_DB_INSTANCES, "NoEndpoint", row.homeless()));
        };
        let families = Families::of(&route.allowed_cidrs);
        let found = self.names.look_up(endpoint, families).await?;
        Ok(Some(found.ip))
    }

    /// The instances of the route's source and where each is, whatever their roles are: for whoever compares them with
    /// what the configuration says.
    ///
    /// # Errors
    /// When RDS cannot be asked, or the route has no source to ask about.
    pub async fn seen(&self, route: &Route) -> Seen<Vec<MemberFacts>> {
        let rows = self.rows(route).await?;
        let families = Families::of(&route.allowed_cidrs);
        let mut seen = Vec::new();
        for row in rows {
            let address = match &row.endpoint {
                Some(endpoint) => {
                    let found = self.names.look_up(endpoint, families).await;
                    found.map(|found| found.ip).map_err(CallError::from)
                }
                None => Err(invalid(DESCRIBE_DB_INSTANCES, "NoEndpoint", row.homeless())),
            };
            seen.push(MemberFacts {
                instance: row.instance,
                zone: row.zone,
                vpc: row.vpc,
                address: address.map_err(Unseen::from),
            });
        }
        seen.sort_by(|a, b| a.instance.cmp(&b.instance));
        Ok(seen)
    }

    /// Whether the route's source has addresses in a VPC. A cluster can be without, an instance by itself cannot.
    ///
    /// # Errors
    /// When RDS cannot be asked, does not list the cluster, or the route has no source to ask about.
    pub async fn vpc_networking(&self, route: &Route) -> Seen<Switch> {
        let source = route.source_of_rds().map_err(Unseen::NotHere)?;
        match route.policy.database {
            Database::Instance => Ok(Switch::On),
            Database::Cluster => {
                let row = self.cluster_row(source).await?;
                let row = row.ok_or_else(|| CallError {
                    kind: ErrorKind::Missing,
                    ..invalid(DESCRIBE_DB_CLUSTERS, "NoCluster", unlisted(source))
                })?;
                Ok(Switch::from(has_vpc_networking(&row)))
            }
        }
    }

    /// The names of the endpoints of the same instances.
    ///
    /// # Errors
    /// As for [`seen`](Self::seen).
    pub async fn endpoints(&self, route: &Route) -> Seen<Vec<String>> {
        let rows = self.rows(route).await?;
        Ok(rows.into_iter().filter_map(|row| row.endpoint).collect())
    }

    /// The instances of the route's source with the names of their endpoints and their addresses, whatever their
    /// roles and statuses are. One whose name leads nowhere now is left out.
    ///
    /// # Errors
    /// Why RDS cannot be asked, in words.
    pub async fn hosts(&self, route: &Route) -> Result<Vec<(InstanceId, String, IpAddr)>, String> {
        let source = route.source_of_rds()?;
        let rows = self.rows_of(route, source).await.map_err(|error| error.to_string())?;
        let families = Families::of(&route.allowed_cidrs);
        let mut looking = JoinSet::new();
        for row in rows {
            let names = self.names.clone();
            looking.spawn(async move {
                let name = row.endpoint?;
                let found = names.look_up(&name, families).await.ok()?;
                Some((row.instance, name, found.ip))
            });
        }
        let found = looking.join_all().await;
        Ok(found.into_iter().flatten().collect())
    }

    async fn rows(&self, route: &Route) -> Seen<Vec<Row>> {
        let source = route.source_of_rds().map_err(Unseen::NotHere)?;
        Ok(self.rows_of(route, source).await?)
    }

    async fn rows_of(&self, route: &Route, source: &SourceId) -> Result<Vec<Row>, CallError> {
        Ok(match route.policy.database {
            Database::Cluster => self.members(source).await?,
            Database::Instance => vec![self.describe(source.as_str()).await?],
        })
    }

    /// Where the instances of the route's map are, as far as RDS lists them and their names can be looked up.
    ///
    /// # Errors
    /// When RDS cannot be asked.
    pub async fn addresses(&self, route: &Route) -> Result<BTreeMap<InstanceId, IpAddr>, CallError> {
        let Ok(source) = route.source_of_rds() else {
            return Ok(BTreeMap::new());
        };
        let rows = self.rows_of(route, source).await?;
        let families = Families::of(&route.allowed_cidrs);
        let mut looking = JoinSet::new();
        let mapped = |row: &Row| route.instances.contains_key(&row.instance);
        for row in rows.into_iter().filter(mapped) {
            let names = self.names.clone();
            looking.spawn(async move {
                let found = names.look_up(row.endpoint.as_deref()?, families).await;
                Some((row.instance, found.ok()?.ip))
            });
        }
        let found = looking.join_all().await;
        Ok(found.into_iter().flatten().collect())
    }

    async fn cluster(&self, route: &Route, source: &SourceId) -> Result<SourceReport, String> {
        let named = self.writer(source).await?;
        if let (Role::Writer, Some(ip)) = (route.policy.role, route.instances.get(&named)) {
            // The route's own map says where; RDS was asked who. One call less, and no name that lags behind.
            return Ok(SourceReport::Members {
                writer: Member { instance: Some(named), ip: *ip },
                readers: Vec::new(),
            });
        }
        let rows = match route.policy.role {
            Role::Writer => vec![self.describe(named.as_str()).await.map_err(|error| error.to_string())?],
            Role::Readers => self.members(source).await.map_err(|error| error.to_string())?,
        };
        let (writers, readers): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.instance == named);
        let Some(writer) = writers.first() else {
            return Err(format!(
                "the cluster {source} has the writer {named}, which is not among its instances"
            ));
        };
        let families = Families::of(&route.allowed_cidrs);
        Ok(SourceReport::Members {
            writer: self.standing(writer, families).await?,
            readers: self.located(readers, families).await?,
        })
    }

    async fn instance(&self, route: &Route, source: &SourceId) -> Result<SourceReport, String> {
        let row = self.describe(source.as_str()).await.map_err(|error| error.to_string())?;
        let families = Families::of(&route.allowed_cidrs);
        let writer = self.standing(&row, families).await?;
        let readers = Vec::new();
        Ok(SourceReport::Members { writer, readers })
    }

    /// The one member that RDS calls the writer of a cluster whose roles stand.
    async fn writer(&self, source: &SourceId) -> Result<InstanceId, String> {
        let found = self.cluster_row(source).await;
        let Some(cluster) = found.map_err(|error| error.to_string())? else {
            return Err(unlisted(source));
        };
        if !has_vpc_networking(&cluster) {
            return Err(format!(
                "the cluster {source} has no VPC networking, so no instance of it has an address that a target group could \
                 hold: enable it (ModifyDBCluster, EnableVPCNetworking), or name another cluster"
            ));
        }
        let status = cluster.status().unwrap_or_default();
        if !CLUSTER_STANDS.contains(&status) {
            return Err(format!("the cluster {source} is {status:?}"));
        }
        only_writer(&cluster).map_err(|why| format!("the cluster {source} has {why}"))
    }

    async fn cluster_row(&self, source: &SourceId) -> Result<Option<DbCluster>, CallError> {
        let asked = self.client.describe_db_clusters();
        let asked = asked.db_cluster_identifier(source.as_str()).send().await;
        let output = asked.map_err(|error| call_error(DESCRIBE_DB_CLUSTERS, &error))?;
        Ok(output.db_clusters().first().cloned())
    }

    async fn describe(&self, instance: &str) -> Result<Row, CallError> {
        let asked = self.client.describe_db_instances();
        let output = asked
            .db_instance_identifier(instance)
            .send()
            .await
            .map_err(|error| call_error(DESCRIBE_DB_INSTANCES, &error))?;
        let Some(row) = output.db_instances().first() else {
            let message = format!("RDS lists no instance {instance}");
            return Err(CallError {
                kind: ErrorKind::Missing,
                ..invalid(DESCRIBE_DB_INSTANCES, "NoInstance", message)
            });
        };
        Row::read(row)
    }

    /// All instances of a cluster.
    async fn members(&self, source: &SourceId) -> Result<Vec<Row>, CallError> {
        let of_cluster = Filter::builder().name(OF_CLUSTER).values(source.as_str());
        let mut pages =
            self.client.describe_db_instances().filters(of_cluster.build()).into_paginator().send();
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| call_error(DESCRIBE_DB_INSTANCES, &error))?;
            for row in page.db_instances() {
                rows.push(Row::read(row)?);
            }
        }
        Ok(rows)
    }

    /// An instance that keeps its role and address, and where it is.
    async fn standing(&self, row: &Row, families: Families) -> Result<Member, String> {
        if !INSTANCE_STANDS.contains(&row.status.as_str()) {
            let Row { instance, status, .. } = row;
            return Err(format!("the instance {instance} is {status:?}"));
        }
        member(&self.names, row, families).await
    }

    /// The readers and where they are. One that restarts, or is being modified, keeps its place: the health
    /// checks see sooner than RDS's status when it serves again, and a status must not empty a group.
    async fn located(&self, rows: Vec<Row>, families: Families) -> Result<Vec<Member>, String> {
        let mut looking = JoinSet::new();
        let there = |row: &Row| !INSTANCE_IS_NONE.contains(&row.status.as_str());
        for row in rows.into_iter().filter(there) {
            let names = self.names.clone();
            looking.spawn(async move { member(&names, &row, families).await });
        }
        let mut readers = Vec::new();
        while let Some(found) = looking.join_next().await {
            readers.push(found.map_err(|error| format!("a look-up broke off: {error}"))??);
        }
        readers.sort_unstable();
        Ok(readers)
    }
}

async fn member(names: &Names, row: &Row, families: Families) -> Result<Member, String> {
    let Some(endpoint) = &row.endpoint else {
        return Err(row.homeless());
    };
    let found = names.look_up(endpoint, families).await;
    let found = found.map_err(|why| why.to_string())?;
    Ok(Member { instance: Some(row.instance.clone()), ip: found.ip })
}

fn unlisted(source: &SourceId) -> String {
    format!("RDS lists no cluster {source}")
}

/// Only of a cluster that can be without does RDS say so.
fn has_vpc_networking(cluster: &DbCluster) -> bool {
    cluster.vpc_networking_enabled() != Some(false)
}

/// While a failover is under way, RDS may call nobody the writer, or two.
fn only_writer(cluster: &DbCluster) -> Result<InstanceId, String> {
    let names: Vec<&str> = cluster
        .db_cluster_members()
        .iter()
        .filter(|member| member.is_cluster_writer() == Some(true))
        .map(|member| member.db_instance_identifier().unwrap_or_default())
        .collect();
    match names.as_slice() {
        [] => Err("no writer".to_owned()),
        [name] => InstanceId::new(name).map_err(|error| format!("a writer without a name: {error}")),
        names => Err(format!("{} writers: {}", names.len(), names.join(", "))),
    }
}

/// What counts of an instance.
#[derive(Debug)]
struct Row {
    instance: InstanceId,
    status: String,
    endpoint: Option<String>,
    cluster: Option<String>,
    zone: Option<String>,
    vpc: Option<String>,
}

impl Row {
    fn read(row: &DbInstance) -> Result<Self, CallError> {
        let id = row.db_instance_identifier().unwrap_or_default();
        let instance = InstanceId::new(id)
            .map_err(|error| invalid(DESCRIBE_DB_INSTANCES, "InvalidIdentifier", error.to_string()))?;
        let endpoint = row.endpoint().and_then(|endpoint| endpoint.address());
        let subnets = row.db_subnet_group();
        Ok(Self {
            instance,
            status: row.db_instance_status().unwrap_or_default().to_owned(),
            endpoint: endpoint.map(str::to_owned),
            cluster: row.db_cluster_identifier().map(str::to_owned),
            zone: row.availability_zone().map(str::to_owned),
            vpc: subnets.and_then(|of| of.vpc_id()).map(str::to_owned),
        })
    }

    /// Whether it is the source, or a member of it.
    fn is_of(&self, database: Database, source: &SourceId) -> bool {
        match database {
            Database::Cluster => self.cluster.as_deref() == Some(source.as_str()),
            Database::Instance => self.instance.as_str() == source.as_str(),
        }
    }

    fn homeless(&self) -> String {
        let Self { instance, status, .. } = self;
        format!("the instance {instance} has no endpoint (its status is {status:?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_status_of_a_failover_counts_as_standing() {
        for status in [
            "failing-over",
            "promoting",
            "upgrading",
            "modifying",
            "maintenance",
            "renaming",
            "starting",
            "stopped",
            "stopping",
            "creating",
            "deleting",
            "migrating",
            "inaccessible-encryption-credentials",
            "",
        ] {
            assert!(!CLUSTER_STANDS.contains(&status), "{status}");
            assert!(!INSTANCE_STANDS.contains(&status), "{status}");
        }
        for status in ["rebooting", "failed", "moving-to-vpc", "converting-to-vpc"] {
            assert!(!INSTANCE_STANDS.contains(&status), "{status}");
        }
    }

    #[test]
    fn who_is_no_reader_does_not_stand_either() {
        for status in INSTANCE_IS_NONE {
            assert!(!INSTANCE_STANDS.contains(status), "{status}");
        }
    }
}
