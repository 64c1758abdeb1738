//! Whether the addresses of a route's map hold, and when that is believed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use writerlink_core::evidence::drift::{
    COMPARISONS, Comparisons, Drifted, compared_with, describe, drifted, first_after,
};
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::policy::{DiscoverySource, MapCheck};
use writerlink_core::model::route::{Route, Source};

use super::values::{address, asking_route, instance, route};

fn with(map_check: MapCheck, endpoint: bool, source: bool) -> Option<DiscoverySource> {
    let mut route = route();
    route.policy.map_check = map_check;
    route.policy.endpoint = endpoint.then(|| "db.cluster-x.example.com".to_owned());
    if !source {
        route.source = Source::Any;
    }
    compared_with(&route)
}

#[test]
fn a_map_is_compared_with_dns_if_there_is_an_endpoint_else_with_rds() {
    let (rds, dns) = (Some(DiscoverySource::Rds), Some(DiscoverySource::Dns));
    for (map_check, endpoint, source, expected) in [
        (MapCheck::Auto, true, true, dns),
        (MapCheck::Auto, false, true, rds),
        (MapCheck::Auto, false, false, None),
        (MapCheck::Rds, true, true, rds),
        (MapCheck::Rds, true, false, None),
        (MapCheck::Dns, true, false, dns),
        (MapCheck::Dns, false, true, None),
        (MapCheck::Off, true, true, None),
    ] {
        let by = with(map_check, endpoint, source);
        assert_eq!(by, expected, "{map_check:?} {endpoint} {source}");
    }
}

#[test]
fn a_route_that_asks_or_has_no_map_is_compared_with_nobody() {
    assert_eq!(compared_with(&asking_route()), None);
    let without = Route { instances: BTreeMap::new(), ..route() };
    assert_eq!(compared_with(&without), None);
}

/// Where instances were found: by their number, and the last number of their address.
fn found(pairs: &[(u8, u8)]) -> BTreeMap<InstanceId, IpAddr> {
    let pair = |(number, last): &(u8, u8)| (instance(*number), address(*last));
    pairs.iter().map(pair).collect()
}

fn elsewhere(number: u8, last: u8) -> Drifted {
    Drifted { instance: instance(number), mapped: address(number), actual: address(last) }
}

#[test]
fn an_instance_elsewhere_is_drift_and_one_that_was_not_found_is_not() {
    assert_eq!(drifted(&route(), &found(&[(1, 1), (2, 9)])), [elsewhere(2, 9)]);
    assert_eq!(drifted(&route(), &found(&[(1, 1), (2, 2), (3, 3)])), []);
    assert_eq!(drifted(&route(), &found(&[(7, 7)])), [], "not in the map");
}

#[test]
fn the_words_name_the_instance_both_addresses_and_the_remedy() {
    assert_eq!(
        describe(&route(), DiscoverySource::Rds, &[elsewhere(2, 9)]),
        "rds says that db-2 is at 10.0.0.9, not at 10.0.0.2 as the map says: a failover there would lead clients to the \
         wrong address; correct [route.instances] of route orders and restart the workers"
    );
}

/// The comparisons after these, each of which found every instance of the map.
fn after(rounds: &[&[(u8, u8)]]) -> Comparisons {
    let mut comparisons = Comparisons::default();
    for round in rounds {
        comparisons.take(&route(), &found(round));
    }
    comparisons
}

#[test]
fn a_difference_is_believed_after_three_comparisons_in_a_row() {
    assert_eq!(COMPARISONS, 3);
    let (same, moved, further) = ([(2, 2)], [(2, 9)], [(2, 8)]);
    assert_eq!(after(&[&moved, &moved]).stands(), None);
    let three = after(&[&same, &moved, &moved, &moved]);
    assert_eq!(three.stands(), Some(&[elsewhere(2, 9)][..]));
    assert_eq!(after(&[&moved, &moved, &further]).stands(), None);
    assert_eq!(after(&[&moved, &same, &same, &same]).stands(), Some(&[][..]));
    assert!(after(&[&moved, &same]).agrees() && !after(&[&moved]).agrees());
}

#[test]
fn a_comparison_that_does_not_find_what_differed_says_nothing() {
    let (moved, silent) = ([(2, 9)], [(1, 1)]);
    let three = after(&[&moved, &silent, &moved, &silent, &moved]);
    assert_eq!(three.stands(), Some(&[elsewhere(2, 9)][..]));
    assert!(!after(&[&moved, &silent, &silent, &silent]).agrees());
}

#[test]
fn the_drift_checks_of_a_workers_routes_are_spread_over_the_interval() {
    let every = Duration::from_mins(5);
    let named = |n: u32| Route { name: RouteName::new(&format!("route-{n:03}")).unwrap(), ..route() };
    let firsts: Vec<Duration> = (0..100).map(|n| first_after(&named(n), every)).collect();
    assert!(firsts.iter().all(|first| *first < every));
    for quarter in 0..4 {
        let within = every * quarter / 4..every * (quarter + 1) / 4;
        let share = firsts.iter().filter(|first| within.contains(*first)).count();
        assert!(share > 5, "quarter {quarter}: {share} of 100");
    }
}
