//! RDS's API: ministack for a failover over the wire, a script for statuses and AWS's own words.

use std::net::IpAddr;

use aws_sdk_rds::Client;
use writerlink_aws::databases::AwsDatabases;
use writerlink_core::evidence::discovery::{Discovery, SourceReport, SourceReports};
use writerlink_core::model::names::SourceId;
use writerlink_core::model::policy::{Database, DiscoverySource, Role};
use writerlink_core::model::route::{Route, Source};
use writerlink_core::model::source_arn::SourceArn;
use writerlink_engine::ports::{AddressError, CallError, Databases, ErrorKind};

use super::dns;
use super::dns::{ENDPOINT, at_home, databases, instance, member, route, says};
use crate::support::Account;
use crate::support::dns::NameServer;
use crate::support::ministack::Ministack;
use crate::support::stub::{Answer, Stub};

const CLUSTERS: &str = "Action=DescribeDBClusters";
pub(crate) const INSTANCES: &str = "Action=DescribeDBInstances";

fn asks_rds() -> Route {
    route(&[DiscoverySource::Rds])
}

/// What RDS says about the cluster: its status, and its members with whether each is the writer.
fn cluster(status: &str, members: &[(&str, bool)]) -> (&'static str, Answer) {
    let members = members.iter().map(|(name, writes)| {
        format!(
            "<DBClusterMember><DBInstanceIdentifier>{name}</DBInstanceIdentifier>\
             <IsClusterWriter>{writes}</IsClusterWriter></DBClusterMember>"
        )
    });
    let members: Vec<String> = members.collect();
    let result = format!(
        "<DBClusters><DBCluster><DBClusterIdentifier>aurora</DBClusterIdentifier><Status>{status}</Status>\
         <DBClusterMembers>{}</DBClusterMembers></DBCluster></DBClusters>",
        members.concat()
    );
    (CLUSTERS, Answer::rds("DescribeDBClusters", &result))
}

/// What RDS says about an instance of the cluster.
pub(crate) fn row(name: &str, status: &str) -> String {
    row_of("aurora", name, status)
}

fn row_of(cluster: &str, name: &str, status: &str) -> String {
    let endpoint = format!("<Endpoint><Address>{}</Address></Endpoint>", at_home(name));
    homeless(cluster, name, status).replace("<End/>", &endpoint)
}

/// The same for one that has no endpoint.
pub(crate) fn homeless(cluster: &str, name: &str, status: &str) -> String {
    format!(
        "<DBInstance><DBInstanceIdentifier>{name}</DBInstanceIdentifier><DBInstanceStatus>{status}\
         </DBInstanceStatus><DBClusterIdentifier>{cluster}</DBClusterIdentifier><End/></DBInstance>"
    )
}

pub(crate) fn instances(rows: &[String]) -> Answer {
    page(rows, "")
}

fn page(rows: &[String], marker: &str) -> Answer {
    let rows = rows.concat().replace("<End/>", "");
    let result = format!("<DBInstances>{rows}</DBInstances>{marker}");
    Answer::rds("DescribeDBInstances", &result)
}

/// Names for three instances.
pub(crate) fn names() -> NameServer {
    let server = NameServer::start();
    server.addresses(&at_home("db-1"), &["10.0.1.10"]);
    server.addresses(&at_home("db-2"), &["10.0.2.10"]);
    server.addresses(&at_home("db-3"), &["10.0.3.10"]);
    server
}

/// A cluster in which `db-2` writes, and this about the instances.
fn standing(rows: &[String]) -> Stub {
    Stub::scripted(vec![
        cluster("available", &[("db-1", false), ("db-2", true), ("db-3", false)]),
        (INSTANCES, instances(rows)),
    ])
}

async fn report(stub: &Stub, route: &Route) -> SourceReport {
    let databases = databases(&stub.endpoint(), &names()).await;
    let SourceReports(said) = databases.ask(route).await;
    let [(DiscoverySource::Rds, report)] = said.as_slice() else {
        panic!("rds alone is asked: {said:?}");
    };
    report.clone()
}

async fn unclear(stub: &Stub, route: &Route) -> String {
    match report(stub, route).await {
        SourceReport::Unclear(why) => why,
        told @ SourceReport::Members { .. } => panic!("{told:?}"),
    }
}

async fn address(stub: &Stub, route: &Route, name: &str) -> Result<Option<IpAddr>, AddressError> {
    let databases = databases(&stub.endpoint(), &names()).await;
    databases.address(route, &instance(name)).await
}

/// Why the address cannot be had now, where that says nothing of whether there is one.
fn failed(found: Result<Option<IpAddr>, AddressError>) -> CallError {
    match found {
        Err(AddressError::Failed(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_writer_is_who_rds_says_at_the_address_of_its_own_endpoint() {
    let stub = standing(&[row("db-2", "available")]);
    let told = report(&stub, &asks_rds()).await;
    assert_eq!(told, says(member("db-2", "10.0.2.10"), vec![]));
    let asked = stub.asked();
    assert_eq!(asked.len(), 2, "two calls, whatever the size of the cluster");
    assert!(asked[0].contains("DBClusterIdentifier=aurora"), "{asked:?}");
    assert!(asked[1].contains("DBInstanceIdentifier=db-2"), "{asked:?}");
}

#[tokio::test]
async fn a_cluster_whose_roles_are_changing_is_unclear_with_its_status() {
    for status in ["failing-over", "promoting", "upgrading", "stopped", "invented-tomorrow"] {
        let stub = Stub::scripted(vec![cluster(status, &[("db-1", true)])]);
        assert_eq!(unclear(&stub, &asks_rds()).await, format!("the cluster aurora is {status:?}"));
    }
}

#[tokio::test]
async fn a_cluster_without_a_writer_or_with_two_is_unclear() {
    for (members, why) in [
        (&[("db-1", false), ("db-2", false)][..], "no writer"),
        (&[], "no writer"),
        (&[("db-1", true), ("db-2", true)], "2 writers: db-1, db-2"),
    ] {
        let stub = Stub::scripted(vec![cluster("available", members)]);
        let expected = format!("the cluster aurora has {why}");
        assert_eq!(unclear(&stub, &asks_rds()).await, expected);
    }
}

#[tokio::test]
async fn a_writer_that_restarts_or_has_no_endpoint_is_unclear() {
    let stub = standing(&[row("db-2", "rebooting")]);
    let expected = r#"the instance db-2 is "rebooting""#;
    assert_eq!(unclear(&stub, &asks_rds()).await, expected);

    let stub = standing(&[homeless("aurora", "db-2", "available")]);
    let expected = r#"the instance db-2 has no endpoint (its status is "available")"#;
    assert_eq!(unclear(&stub, &asks_rds()).await, expected);
}

#[tokio::test]
async fn a_writer_whose_endpoint_does_not_resolve_is_unclear() {
    let stub = Stub::scripted(vec![
        cluster("available", &[("db-9", true)]),
        (INSTANCES, instances(&[row("db-9", "available")])),
    ]);
    assert_eq!(unclear(&stub, &asks_rds()).await, format!("{} does not exist (NXDOMAIN)", at_home("db-9")));
}

#[tokio::test]
async fn what_rds_refuses_is_unclear_in_its_own_words() {
    let throttled = Answer::rds_error(400, "Throttling", "Rate exceeded");
    let denied = "User: arn:aws:sts::1:assumed-role/w/t is not authorized to perform: rds:DescribeDBClusters";
    let denied = Answer::rds_error(403, "AccessDenied", denied);
    let missing = "DBCluster aurora not found.";
    let missing = Answer::rds_error(404, "DBClusterNotFoundFault", missing);
    for (answer, words) in [
        (throttled.clone(), "DescribeDBClusters failed (throttled, Throttling): Rate exceeded"),
        (
            denied,
            "DescribeDBClusters failed (denied, AccessDenied): User: arn:aws:sts::1:assumed-role/w/t \
             is not authorized to perform: rds:DescribeDBClusters",
        ),
        (missing, "DescribeDBClusters failed (missing, DBClusterNotFoundFault): DBCluster aurora not found."),
    ] {
        let stub = Stub::scripted(vec![(CLUSTERS, answer)]);
        assert_eq!(unclear(&stub, &asks_rds()).await, words);
    }
    let stub = Stub::scripted(vec![cluster("available", &[("db-1", true)]), (INSTANCES, throttled)]);
    assert_eq!(
        unclear(&stub, &asks_rds()).await,
        "DescribeDBInstances failed (throttled, Throttling): Rate exceeded"
    );
}

#[tokio::test]
async fn a_route_of_any_source_is_told_that_it_cannot_be_asked_for() {
    let route = Route { source: Source::Any, ..asks_rds() };
    let stub = standing(&[]);
    assert_eq!(
        unclear(&stub, &route).await,
        "route orders has no source to ask RDS about (the route takes events of any source): set its source, or do not ask rds"
    );
    assert_eq!(address(&stub, &route, "db-1").await, Ok(None));
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn a_source_of_another_region_is_never_asked_about_by_its_name() {
    let arn = "arn:aws:rds:eu-west-1:123456789012:cluster:aurora";
    let route = Route { source: Source::Elsewhere(SourceArn::parse(arn).unwrap()), ..asks_rds() };
    let stub = standing(&[]);
    let why = unclear(&stub, &route).await;
    assert!(why.contains("another account or Region"), "{why}");
    assert_eq!(address(&stub, &route, "db-1").await, Ok(None));
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn a_route_of_readers_hears_of_every_reader_in_one_call_and_its_pages() {
    let marker = "<Marker>m-1</Marker>";
    let stub = Stub::scripted(vec![
        cluster("available", &[("db-1", false), ("db-2", true), ("db-3", false)]),
        ("Marker=m-1", instances(&[row("db-1", "available")])),
        (INSTANCES, page(&[row("db-3", "available"), row("db-2", "available")], marker)),
    ]);
    let mut route = asks_rds();
    route.policy.role = Role::Readers;
    let readers = vec![member("db-1", "10.0.1.10"), member("db-3", "10.0.3.10")];
    let told = report(&stub, &route).await;
    assert_eq!(told, says(member("db-2", "10.0.2.10"), readers));
    let asked = stub.asked();
    assert_eq!(asked.len(), 3);
    let filter = "Filters.Filter.1.Name=db-cluster-id&Filters.Filter.1.Values.Value.1=aurora";
    assert!(asked[1].contains(filter), "{asked:?}");
}

#[tokio::test]
async fn a_restarted_reader_keeps_its_place_and_a_new_or_deleted_one_has_none() {
    let mut route = asks_rds();
    route.policy.role = Role::Readers;
    for (status, counts) in [
        ("rebooting", true),
        ("modifying", true),
        ("creating", false),
        ("deleting", false),
        ("failed", false),
    ] {
        let stub = standing(&[row("db-1", status), row("db-2", "available"), row("db-3", "available")]);
        let mut readers = vec![member("db-3", "10.0.3.10")];
        if counts {
            readers.insert(0, member("db-1", "10.0.1.10"));
        }
        let told = report(&stub, &route).await;
        assert_eq!(told, says(member("db-2", "10.0.2.10"), readers), "{status}");
    }
}

#[tokio::test]
async fn a_reader_whose_address_is_not_to_be_had_makes_all_unclear() {
    let mut route = asks_rds();
    route.policy.role = Role::Readers;
    let stub = standing(&[row("db-2", "available"), row("db-9", "available")]);
    assert_eq!(unclear(&stub, &route).await, format!("{} does not exist (NXDOMAIN)", at_home("db-9")));
    let unborn = homeless("aurora", "db-3", "rebooting");
    let stub = standing(&[row("db-2", "available"), unborn]);
    let expected = r#"the instance db-3 has no endpoint (its status is "rebooting")"#;
    assert_eq!(unclear(&stub, &route).await, expected);
}

#[tokio::test]
async fn a_writer_that_is_not_among_the_instances_is_unclear() {
    let mut route = asks_rds();
    route.policy.role = Role::Readers;
    let stub = standing(&[row("db-1", "available")]);
    assert_eq!(
        unclear(&stub, &route).await,
        "the cluster aurora has the writer db-2, which is not among its instances"
    );
}

#[tokio::test]
async fn a_multi_az_instance_is_its_own_writer_wherever_its_endpoint_leads() {
    let mut route = asks_rds();
    route.policy.database = Database::Instance;
    route.source = Source::Named(SourceId::new("db-1").unwrap());
    let stub = Stub::scripted(vec![(INSTANCES, instances(&[row("db-1", "available")]))]);
    let told = report(&stub, &route).await;
    assert_eq!(told, says(member("db-1", "10.0.1.10"), vec![]));
    let found = address(&stub, &route, "db-1").await;
    assert_eq!(found, Ok(Some("10.0.1.10".parse().unwrap())));

    let stub = Stub::scripted(vec![(INSTANCES, instances(&[row("db-1", "rebooting")]))]);
    let expected = r#"the instance db-1 is "rebooting""#;
    assert_eq!(unclear(&stub, &route).await, expected);
    let stub = Stub::scripted(vec![(INSTANCES, instances(&[row("db-2", "available")]))]);
    assert_eq!(address(&stub, &route, "db-2").await, Ok(None));
}

#[tokio::test]
async fn the_address_of_a_member_is_found_in_whatever_status_it_is() {
    for status in ["available", "rebooting", "creating"] {
        let stub = standing(&[row("db-3", status)]);
        let found = address(&stub, &asks_rds(), "db-3").await;
        assert_eq!(found, Ok(Some("10.0.3.10".parse().unwrap())));
    }
}

#[tokio::test]
async fn an_instance_of_another_cluster_has_no_address_for_this_route() {
    let stub = standing(&[row_of("another", "db-1", "available")]);
    assert_eq!(address(&stub, &asks_rds(), "db-1").await, Ok(None));
}

#[tokio::test]
async fn what_rds_cannot_say_now_is_an_error_and_never_looked_for_in_names() {
    let throttled = Answer::rds_error(400, "Throttling", "Rate exceeded");
    let stub = Stub::scripted(vec![(INSTANCES, throttled)]);
    let both = route(&[DiscoverySource::Rds, DiscoverySource::Dns]);
    let error = failed(address(&stub, &both, "db-1").await);
    assert_eq!((error.call, error.kind), ("DescribeDBInstances", ErrorKind::Throttled));
    assert_eq!(error.request_id.as_deref(), Some("r-1"));

    let stub = standing(&[homeless("aurora", "db-1", "creating")]);
    let error = failed(address(&stub, &both, "db-1").await);
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Invalid, "NoEndpoint"));
}

#[tokio::test]
async fn a_member_of_rds_is_never_given_up_for_its_name() {
    let stub = standing(&[row("db-9", "available")]);
    let error = failed(address(&stub, &asks_rds(), "db-9").await);
    assert_eq!(error.message, format!("{} does not exist (NXDOMAIN)", at_home("db-9")));
}

#[tokio::test]
async fn both_witnesses_of_a_route_are_heard() {
    let stub = standing(&[row("db-2", "available")]);
    let server = names();
    let databases = databases(&stub.endpoint(), &server).await;
    let both = route(&[DiscoverySource::Rds, DiscoverySource::Dns]);
    server.alias(ENDPOINT, &at_home("db-1"));
    let Discovery::Unclear(why) = databases.ask(&both).await.discovery() else {
        panic!("the endpoint still leads to the old writer");
    };
    assert_eq!(why, "the sources differ: rds says db-2 at 10.0.2.10, dns says db-1 at 10.0.1.10");
    server.alias(ENDPOINT, &at_home("db-2"));
    let expected = Discovery::Members { writer: member("db-2", "10.0.2.10"), readers: vec![] };
    assert_eq!(databases.ask(&both).await.discovery(), expected);
}

/// A cluster in ministack, which gives every instance the endpoint `localhost`.
async fn in_ministack(client: &Client, cluster: &str, members: &[&str]) {
    client
        .create_db_cluster()
        .db_cluster_identifier(cluster)
        .engine("aurora-mysql")
        .master_username("admin")
        .master_user_password("not-a-secret")
        .send()
        .await
        .unwrap();
    for member in members {
        client
            .create_db_instance()
            .db_instance_identifier(*member)
            .db_cluster_identifier(cluster)
            .db_instance_class("db.r6g.large")
            .engine("aurora-mysql")
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_failover_over_the_wire_changes_the_writer_and_nothing_else() {
    let endpoint = Ministack::shared().endpoint();
    let config = Account::fresh().config(&endpoint).await;
    let client = Client::new(&config);
    in_ministack(&client, "aurora", &["db-1", "db-2"]).await;
    in_ministack(&client, "another", &["other-1"]).await;
    let names = dns::names(&NameServer::start());
    let databases = AwsDatabases::new(client.clone(), names);
    let mut route = asks_rds();
    route.policy.role = Role::Readers;
    for (writer, reader) in [("db-1", "db-2"), ("db-2", "db-1")] {
        let SourceReports(said) = databases.ask(&route).await;
        let expected = says(member(writer, "127.0.0.1"), vec![member(reader, "127.0.0.1")]);
        assert_eq!(said, [(DiscoverySource::Rds, expected)]);
        client
            .failover_db_cluster()
            .db_cluster_identifier("aurora")
            .target_db_instance_identifier(reader)
            .send()
            .await
            .unwrap();
    }
    let ip: IpAddr = "127.0.0.1".parse().unwrap();
    for (name, found) in [("db-1", Some(ip)), ("other-1", None), ("nobody", None)] {
        assert_eq!(databases.address(&route, &instance(name)).await, Ok(found));
    }
    let source = Source::Named(SourceId::new("nowhere").unwrap());
    let Discovery::Unclear(why) = databases.ask(&Route { source, ..route }).await.discovery() else {
        panic!("there is no such cluster");
    };
    let expected = "rds: DescribeDBClusters failed (missing, DBClusterNotFoundFault)";
    assert!(why.starts_with(expected), "{why}");
}
