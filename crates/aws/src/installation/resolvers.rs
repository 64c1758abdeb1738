//! What each resolver says of the names that a route lives on.

use std::time::Duration;

use crate::dns::kept_for;
use crate::dns::names::{Families, Located, Names};
use crate::dns::no_address::NoAddress;
use crate::rds::RdsWitness;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::route::Route;
use writerlink_engine::ports::CallError;
use writerlink_engine::ports::installation::{NameAnswer, NameFacts, Seen};

/// Asks every resolver twice: one that raises TTLs may show it from the second answer on, which comes from its cache
/// (dnsmasq's min-cache-ttl).
pub(super) async fn look(names: &Names, rds: &RdsWitness, route: &Route) -> Seen<Vec<NameFacts>> {
    let families = Families::of(&route.allowed_cidrs);
    let mut facts = Vec::new();
    for name in names_of(rds, route).await? {
        let ask = async || names.look_up_at_each(&name, families).await;
        let first = ask().await.map_err(CallError::from)?;
        let second = ask().await.map_err(CallError::from)?;
        for ((resolver, first), (_, second)) in first.into_iter().zip(second) {
            let answer = longer(first, second).map_err(CallError::from);
            facts.push(NameFacts { resolver, name: name.clone(), answer: answer.map_err(Into::into) });
        }
    }
    Ok(facts)
}

/// The names that tell where a route's instances are; none where its map alone does.
async fn names_of(rds: &RdsWitness, route: &Route) -> Seen<Vec<String>> {
    let discovery = &route.policy.discovery;
    let mut names = Vec::new();
    if discovery.contains(&DiscoverySource::Dns) {
        names.extend(route.policy.endpoint.clone());
    }
    let listed = discovery.contains(&DiscoverySource::Sql) && route.instances.is_empty();
    if discovery.contains(&DiscoverySource::Rds) || listed {
        names.extend(rds.endpoints(route).await?);
    }
    Ok(names)
}

/// The newer answer, and the longer time for which one of the two may be kept.
fn longer(
    first: Result<Located, NoAddress>,
    second: Result<Located, NoAddress>,
) -> Result<NameAnswer, NoAddress> {
    let (first, second) = (first?, second?);
    let kept: Duration = kept_for(&first.names).max(kept_for(&second.names));
    Ok(NameAnswer { ip: second.ip, kept })
}
