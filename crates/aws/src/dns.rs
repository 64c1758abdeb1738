//! The source that needs no permission: the name of the cluster's endpoint.
//!
//! Aurora's cluster endpoint is an alias of the writer's own endpoint, and RDS moves it with the writer. It
//! knows of the writer alone. After a failover it may lead here and there for half a minute, so one answer is
//! no truth yet: `evidence::discovery` waits until answers stand.

pub mod names;
pub mod no_address;
mod server;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::dns::names::{Alias, Families, Located, Names};
use crate::dns::no_address::NoAddress;
use writerlink_core::evidence::discovery::{Member, SourceReport};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::policy::Database;
use writerlink_core::model::route::Route;
use writerlink_engine::ports::AddressError;

/// What the second label of a cluster endpoint begins with; the rest is the same in every endpoint of the
/// account and Region (Aurora User Guide, "Amazon Aurora endpoint connections").
const CLUSTER: &str = "cluster-";

/// What it begins with in endpoints that are not the writer's: the reader endpoint, and custom ones.
const NOT_THE_WRITERS: [&str; 2] = ["cluster-ro-", "cluster-custom-"];

/// The source [`Dns`](writerlink_core::model::policy::DiscoverySource::Dns).
#[derive(Clone, Debug)]
pub struct DnsWitness {
    names: Names,
}

impl DnsWitness {
    /// A source that reads names by way of these servers.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self { names }
    }

    /// Who writes, by where the route's endpoint leads now.
    pub async fn ask(&self, route: &Route) -> SourceReport {
        let Some(endpoint) = &route.policy.endpoint else {
            return SourceReport::Unclear(format!(
                "route {} has no endpoint to read: set the cluster endpoint's name, or do not ask dns",
                route.name
            ));
        };
        let families = Families::of(&route.allowed_cidrs);
        match self.names.look_up(endpoint, families).await {
            Ok(found) => report(route, &found),
            Err(why) => SourceReport::Unclear(why.to_string()),
        }
    }

    /// The address of an instance by the name of its own endpoint, which follows from the cluster's.
    ///
    /// The name proves that the instance is of the account and Region of the cluster, and no more: whoever
    /// has RDS to ask asks RDS, and for the others `allowed_instances` and `allowed_cidrs` draw the line (I5).
    ///
    /// # Errors
    /// When there is no such name, now, or it cannot be looked up.
    pub async fn address(
        &self,
        route: &Route,
        instance: &InstanceId,
    ) -> Result<Option<IpAddr>, AddressError> {
        let Some(name) = own_endpoint(route, instance) else {
            return Ok(None);
        };
        let families = Families::of(&route.allowed_cidrs);
        match self.names.look_up(&name, families).await {
            Ok(found) => Ok(Some(found.ip)),
            Err(why @ NoAddress::Unknown(_)) => Err(AddressError::NoSuchName(why.into())),
            Err(why) => Err(AddressError::Failed(why.into())),
        }
    }

    /// Where the instances of the route's map are, by their own names, as far as those can be looked up.
    pub async fn addresses(&self, route: &Route) -> BTreeMap<InstanceId, IpAddr> {
        let mut looking = JoinSet::new();
        for instance in route.instances.keys().cloned() {
            let (this, route) = (self.clone(), route.clone());
            looking.spawn(async move {
                let found = this.address(&route, &instance).await.ok()??;
                Some((instance, found))
            });
        }
        let found = looking.join_all().await;
        found.into_iter().flatten().collect()
    }
}

fn report(route: &Route, found: &Located) -> SourceReport {
    let names: Vec<&str> = found.names.iter().map(|alias| alias.name.as_str()).collect();
    if let Some(name) = names.iter().find(|name| is_not_the_writers(name)) {
        return SourceReport::Unclear(format!(
            "{name} is a reader or custom endpoint, which never tells the writer: set the cluster endpoint"
        ));
    }
    let writer = Member { instance: instance_named(route, found), ip: found.ip };
    let readers = Vec::new();
    SourceReport::Members { writer, readers }
}

/// For how long what RDS says of a name may be kept: the longest TTL from the cluster's endpoint on, since an alias of
/// one's own in front of it may have any, and does not change with the writer.
pub(super) fn kept_for(names: &[Alias]) -> Duration {
    let endpoint = names.iter().position(|alias| domain_of(&alias.name).is_some());
    let of_rds = names.iter().skip(endpoint.unwrap_or_default());
    of_rds.map(|alias| alias.ttl).max().unwrap_or_default()
}

fn instance_named(route: &Route, found: &Located) -> Option<InstanceId> {
    let named = match route.policy.database {
        Database::Instance => {
            let source = route.source_name();
            source.and_then(|source| InstanceId::new(source.as_str()).ok())
        }
        Database::Cluster => instance_on_the_way(&found.names),
    };
    named.or_else(|| {
        let mut known = route.instances.iter();
        known.find_map(|(instance, ip)| (*ip == found.ip).then(|| instance.clone()))
    })
}

/// The instance whose endpoint a cluster endpoint is an alias of. Only the two names together tell: an
/// instance that is publicly accessible has further aliases, whose labels look like identifiers, too.
fn instance_on_the_way(names: &[Alias]) -> Option<InstanceId> {
    let cluster = names.iter().position(|alias| domain_of(&alias.name).is_some())?;
    let domain = domain_of(&names.get(cluster)?.name)?;
    let (instance, behind) = names.get(cluster + 1)?.name.split_once('.')?;
    (behind == domain).then(|| InstanceId::new(instance).ok()).flatten()
}

/// What stands behind the label of an instance in the name of its own endpoint:
/// `c1a2.us-east-1.rds.amazonaws.com`, from `aurora.cluster-c1a2.us-east-1.rds.amazonaws.com`.
fn domain_of(cluster_endpoint: &str) -> Option<&str> {
    let (_, rest) = cluster_endpoint.split_once('.')?;
    (!is_not_the_writers(cluster_endpoint)).then(|| rest.strip_prefix(CLUSTER)).flatten()
}

fn is_not_the_writers(endpoint: &str) -> bool {
    endpoint
        .split_once('.')
        .is_some_and(|(_, rest)| NOT_THE_WRITERS.iter().any(|kind| rest.starts_with(kind)))
}

/// The name of an instance's own endpoint, where it follows from what the route knows.
pub(crate) fn own_endpoint(route: &Route, instance: &InstanceId) -> Option<String> {
    let endpoint = route.policy.endpoint.as_deref()?.to_ascii_lowercase();
    match route.policy.database {
        Database::Cluster => {
            let domain = domain_of(&endpoint)?;
            Some(format!("{instance}.{domain}"))
        }
        Database::Instance => {
            let source = route.source_name()?;
            (source.as_str() == instance.as_str()).then_some(endpoint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER_ENDPOINT: &str = "aurora.cluster-c1a2.us-east-1.rds.amazonaws.com";

    fn way(names: &[&str]) -> Option<String> {
        let alias = |name: &&str| Alias { name: (*name).to_owned(), ttl: Duration::from_secs(5) };
        let names: Vec<Alias> = names.iter().map(alias).collect();
        instance_on_the_way(&names).map(|instance| instance.to_string())
    }

    #[test]
    fn a_cluster_endpoint_tells_the_instance_that_it_is_an_alias_of() {
        let instance = "db-2.c1a2.us-east-1.rds.amazonaws.com";
        assert_eq!(way(&[CLUSTER_ENDPOINT, instance]).as_deref(), Some("db-2"));
        let own_name = "db.example.com";
        let public = "ec2-52-1-2-3.compute-1.amazonaws.com";
        let all = [own_name, CLUSTER_ENDPOINT, instance, public];
        assert_eq!(way(&all).as_deref(), Some("db-2"));
    }

    #[test]
    fn what_an_alias_of_ones_own_keeps_does_not_count() {
        let names = |ttls: &[(&str, u64)]| -> Vec<Alias> {
            let alias = |(name, ttl): &(&str, u64)| Alias {
                name: (*name).to_owned(),
                ttl: Duration::from_secs(*ttl),
            };
            ttls.iter().map(alias).collect()
        };
        let instance = "db-2.c1a2.us-east-1.rds.amazonaws.com";
        let kept = |own, cluster, at| {
            let all = [("db.example.com", own), (CLUSTER_ENDPOINT, cluster), (instance, at)];
            kept_for(&names(&all)).as_secs()
        };
        assert_eq!(kept(3600, 5, 5), 5);
        assert_eq!(kept(5, 300, 5), 300);
        assert_eq!(kept(5, 5, 300), 300);
        assert_eq!(kept_for(&names(&[(instance, 60)])).as_secs(), 60);
        assert_eq!(kept_for(&[]), Duration::ZERO);
    }

    #[test]
    fn an_instance_may_be_called_like_its_cluster() {
        let instance = "aurora.c1a2.us-east-1.rds.amazonaws.com";
        assert_eq!(way(&[CLUSTER_ENDPOINT, instance]).as_deref(), Some("aurora"));
    }

    #[test]
    fn a_name_that_only_looks_like_an_instance_is_none() {
        let public = "ec2-52-1-2-3.compute-1.amazonaws.com";
        let elsewhere = "db-2.zzzz.us-east-1.rds.amazonaws.com";
        assert_eq!(way(&[CLUSTER_ENDPOINT]), None);
        assert_eq!(way(&[CLUSTER_ENDPOINT, public]), None);
        assert_eq!(way(&[CLUSTER_ENDPOINT, elsewhere]), None);
        assert_eq!(way(&["db.example.com", "db-2.example.com"]), None);
    }

    #[test]
    fn reader_and_custom_endpoints_are_never_taken_for_the_clusters() {
        for endpoint in [
            "aurora.cluster-ro-c1a2.us-east-1.rds.amazonaws.com",
            "mine.cluster-custom-c1a2.us-east-1.rds.amazonaws.com",
        ] {
            assert!(is_not_the_writers(endpoint));
            assert_eq!(domain_of(endpoint), None);
        }
        assert!(!is_not_the_writers(CLUSTER_ENDPOINT));
        assert_eq!(domain_of(CLUSTER_ENDPOINT), Some("c1a2.us-east-1.rds.amazonaws.com"));
    }
}
