//! Whether the addresses in a route's map are still those of its instances.
//!
//! An instance keeps its address through every failover, but not when its cluster is moved to another subnet group or
//! its host is replaced, and no failover event reports that. An events-only route would move its clients to an
//! address where nothing answers. So the map is compared from time to time with RDS or DNS. This moves no route: only a
//! person changes the map.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::names::InstanceId;
use crate::model::policy::{DiscoverySource, MapCheck};
use crate::model::route::Route;

/// What the map of a route is compared with. Nothing if the route has no map, or has discovery sources.
#[must_use]
pub fn compared_with(route: &Route) -> Option<DiscoverySource> {
    if route.instances.is_empty() || !route.policy.discovery.is_empty() {
        return None;
    }
    let dns = route.policy.endpoint.as_ref().map(|_| DiscoverySource::Dns);
    let rds = route.source_of_rds().ok().map(|_| DiscoverySource::Rds);
    match route.policy.map_check {
        MapCheck::Auto => dns.or(rds),
        MapCheck::Rds => rds,
        MapCheck::Dns => dns,
        MapCheck::Off => None,
    }
}

/// An instance that is not where the map says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    /// Which instance.
    pub instance: InstanceId,
    /// Where the map says that it is.
    pub mapped: IpAddr,
    /// Where it is.
    pub actual: IpAddr,
}

impl fmt::Display for Drifted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, mapped, actual } = self;
        write!(f, "{instance} is at {actual}, not at {mapped} as the map says")
    }
}

/// The instances of the route's map that were found elsewhere. One that was not found says nothing.
#[must_use]
pub fn drifted(route: &Route, found: &BTreeMap<InstanceId, IpAddr>) -> Vec<Drifted> {
    let mapped = route.instances.iter();
    mapped
        .filter_map(|(instance, mapped)| {
            let actual = found.get(instance).filter(|actual| *actual != mapped)?;
            Some(Drifted { instance: instance.clone(), mapped: *mapped, actual: *actual })
        })
        .collect()
}

/// What differs and what to do, in one sentence.
#[must_use]
pub fn describe(route: &Route, by: DiscoverySource, drifted: &[Drifted]) -> String {
    let each: Vec<String> = drifted.iter().map(Drifted::to_string).collect();
    format!(
        "{by} says that {}: a failover there would lead clients to the wrong address; correct [route.instances] of \
         route {} and restart the workers",
        each.join(", "),
        route.name
    )
}

/// How many comparisons in a row have to find the same: a name server may be stale.
pub const COMPARISONS: u32 = 3;

/// The comparisons of one route so far, as one worker made them.
#[derive(Clone, Debug, Default)]
pub struct Comparisons {
    newest: Option<Vec<Drifted>>,
    agreeing: u32,
}

impl Comparisons {
    /// Takes the next comparison. One that did not find an instance which was elsewhere before says nothing.
    pub fn take(&mut self, route: &Route, found: &BTreeMap<InstanceId, IpAddr>) {
        let mut before = self.newest.iter().flatten();
        if before.any(|before| !found.contains_key(&before.instance)) {
            return;
        }
        let drifted = drifted(route, found);
        if self.newest.as_ref() == Some(&drifted) {
            self.agreeing = self.agreeing.saturating_add(1);
        } else {
            self.newest = Some(drifted);
            self.agreeing = 1;
        }
    }

    /// Whether the newest comparison found that the map holds.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.newest.as_ref().is_none_or(Vec::is_empty)
    }

    /// What differs, once enough comparisons have found the same; empty if nothing does.
    #[must_use]
    pub fn stands(&self) -> Option<&[Drifted]> {
        let newest = self.newest.as_deref()?;
        (self.agreeing >= COMPARISONS).then_some(newest)
    }
}

/// How long after `route`'s worker began its first comparison follows: the routes of a worker are spread over the time
/// between two of them by their names, and every worker spreads them alike.
#[must_use]
pub fn first_after(route: &Route, every: Duration) -> Duration {
    let name = route.name.as_str().bytes();
    let hash = name.fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    // Names of one fleet differ by a digit: a large odd factor spreads their hashes over the upper ten bits.
    every * (hash.wrapping_mul(0x9E37_79B9) >> 22) / 1024
}
