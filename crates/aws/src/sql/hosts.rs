//! Which instances a route has, and where each of them is asked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::dns::own_endpoint;
use crate::rds::RdsWitness;
use writerlink_core::evidence::discovery::Member;
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::route::Route;
use writerlink_engine::ports::Clock;

/// How often RDS is asked again which instances a route has. A new reader is no writer for minutes.
const LISTED_EVERY: Duration = Duration::from_secs(30);

/// An instance to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) instance: InstanceId,
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    /// The name of its own endpoint: what its certificate says, and what a token is signed for.
    pub(super) name: Option<String>,
}

impl Host {
    pub(super) fn member(&self) -> Member {
        Member { instance: Some(self.instance.clone()), ip: self.ip }
    }

    /// What the server's certificate has to name: the endpoint, where that is known, else the address itself.
    pub(super) fn server_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.ip.to_string())
    }
}

/// What RDS listed for a route, and when.
struct Listed {
    hosts: Vec<Host>,
    at: Duration,
}

/// The instances of routes.
pub(super) struct Hosts {
    rds: RdsWitness,
    listed: Arc<Mutex<BTreeMap<RouteName, Listed>>>,
    clock: Arc<dyn Clock>,
}

impl Hosts {
    pub(super) fn new(rds: RdsWitness, clock: Arc<dyn Clock>) -> Self {
        Self { rds, listed: Arc::default(), clock }
    }

    /// From the route's map, which a person wrote; else from RDS, whose list is kept while it is asked anew: a
    /// reading must not wait for an API, and least of all during a failover.
    pub(super) async fn of(&self, route: &Route) -> Result<Vec<Host>, String> {
        if !route.instances.is_empty() {
            let host = |(instance, ip): (&InstanceId, &IpAddr)| Host {
                instance: instance.clone(),
                ip: *ip,
                port: route.port,
                name: own_endpoint(route, instance),
            };
            return Ok(route.instances.iter().map(host).collect());
        }
        match self.take_listed(&route.name) {
            Some((hosts, true)) => Ok(hosts),
            Some((hosts, false)) => {
                let (rds, listed, route) = (self.rds.clone(), Arc::clone(&self.listed), route.clone());
                let now = self.clock.monotonic();
                tokio::spawn(async move { drop(list(&rds, &listed, &route, now).await) });
                Ok(hosts)
            }
            None => list(&self.rds, &self.listed, route, self.clock.monotonic()).await,
        }
    }

    /// What was listed last, and whether that is new enough. Whoever finds that it is not asks anew, alone.
    fn take_listed(&self, route: &RouteName) -> Option<(Vec<Host>, bool)> {
        let now = self.clock.monotonic();
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = listed.get_mut(route)?;
        let is_new = now.saturating_sub(known.at) < LISTED_EVERY;
        if !is_new {
            known.at = now;
        }
        Some((known.hosts.clone(), is_new))
    }
}

async fn list(
    rds: &RdsWitness,
    listed: &Mutex<BTreeMap<RouteName, Listed>>,
    route: &Route,
    now: Duration,
) -> Result<Vec<Host>, String> {
    let found = rds.hosts(route).await?;
    let host = |(instance, name, ip): (InstanceId, String, IpAddr)| Host {
        instance,
        ip,
        port: route.port,
        name: Some(name),
    };
    let hosts: Vec<Host> = found.into_iter().map(host).collect();
    let mut listed = listed.lock().unwrap_or_else(PoisonError::into_inner);
    listed.insert(route.name.clone(), Listed { hosts: hosts.clone(), at: now });
    Ok(hosts)
}
