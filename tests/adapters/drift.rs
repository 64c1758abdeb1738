//! Where the instances of a map are, by RDS and by the names of their own endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hickory_resolver::proto::op::ResponseCode;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::policy::MapCheck;
use writerlink_core::model::route::{Route, Source};
use writerlink_engine::ports::{CallError, Databases as _, ErrorKind};

use super::dns::{at_home, databases, instance, route};
use super::rds::{INSTANCES, homeless, instances, names, row};
use crate::support::dns::NameServer;
use crate::support::stub::{Answer, Stub};

/// A events-only route of three instances whose map is compared with whom this says.
fn mapped(map_check: MapCheck) -> Route {
    let entry = |(name, ip): (&str, &str)| (instance(name), ip.parse().unwrap());
    let map = [("db-1", "10.0.1.10"), ("db-2", "10.0.2.99"), ("db-7", "10.0.7.10")];
    let mut route = route(&[]);
    route.instances = map.into_iter().map(entry).collect();
    route.policy.map_check = map_check;
    route
}

fn at(pairs: &[(&str, &str)]) -> BTreeMap<InstanceId, IpAddr> {
    let pair = |(name, ip): &(&str, &str)| (instance(name), ip.parse().unwrap());
    pairs.iter().map(pair).collect()
}

async fn found(
    stub: &Stub,
    server: &NameServer,
    route: &Route,
) -> Result<BTreeMap<InstanceId, IpAddr>, CallError> {
    databases(&stub.endpoint(), server).await.addresses(route).await
}

#[tokio::test]
async fn rds_tells_in_one_call_where_the_instances_of_a_map_are() {
    let rows = ["db-1", "db-2", "db-3"].map(|name| row(name, "available"));
    let stub = Stub::scripted(vec![(INSTANCES, instances(&rows))]);
    let found = found(&stub, &names(), &mapped(MapCheck::Rds)).await.unwrap();
    // db-3 is not in the map, and db-7 is none of RDS's.
    assert_eq!(found, at(&[("db-1", "10.0.1.10"), ("db-2", "10.0.2.10")]));
    let asked = stub.asked();
    assert_eq!(asked.len(), 1);
    let filter = "Filters.Filter.1.Name=db-cluster-id&Filters.Filter.1.Values.Value.1=aurora";
    assert!(asked[0].contains(filter), "{asked:?}");
}

#[tokio::test]
async fn an_instance_without_an_endpoint_or_a_name_that_resolves_is_left_out() {
    let rows = [homeless("aurora", "db-1", "creating"), row("db-2", "available")];
    let stub = Stub::scripted(vec![(INSTANCES, instances(&rows))]);
    let server = names();
    server.code(&at_home("db-2"), ResponseCode::ServFail);
    let found = found(&stub, &server, &mapped(MapCheck::Rds)).await;
    assert_eq!(found, Ok(BTreeMap::new()));
}

#[tokio::test]
async fn a_role_that_may_not_ask_rds_is_denied_and_not_told_that_all_is_well() {
    let denied = Answer::rds_error(403, "AccessDenied", "is not authorized to perform");
    let stub = Stub::scripted(vec![(INSTANCES, denied)]);
    let error = found(&stub, &names(), &mapped(MapCheck::Rds)).await.unwrap_err();
    assert_eq!((error.call, error.kind), ("DescribeDBInstances", ErrorKind::Denied));
}

#[tokio::test]
async fn names_tell_where_the_instances_are_without_a_call_of_rds() {
    let stub = Stub::scripted(Vec::new());
    for map_check in [MapCheck::Auto, MapCheck::Dns] {
        let found = found(&stub, &names(), &mapped(map_check)).await.unwrap();
        assert_eq!(found, at(&[("db-1", "10.0.1.10"), ("db-2", "10.0.2.10")]));
    }
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn a_map_that_nobody_is_to_be_asked_about_costs_no_call() {
    let any_source = Route { source: Source::Any, ..mapped(MapCheck::Rds) };
    let stub = Stub::scripted(Vec::new());
    for route in [mapped(MapCheck::Off), any_source] {
        let found = found(&stub, &NameServer::start(), &route).await;
        assert_eq!(found, Ok(BTreeMap::new()));
    }
    assert!(stub.asked().is_empty());
}
