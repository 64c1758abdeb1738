//! The names of endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use writerlink_aws::databases::AwsDatabases;
use writerlink_aws::dns::names::{Names, Patience};
use writerlink_core::evidence::discovery::{Member, ReadingHistory, SourceReport, SourceReports};
use writerlink_core::model::names::{InstanceId, RouteName, SourceId};
use writerlink_core::model::policy::{Database, DiscoverySource, Policy};
use writerlink_core::model::route::{OnStarted, Route, Source, Strategy};
use writerlink_engine::ports::{AddressError, CallError, Databases, ErrorKind, NO_SUCH_NAME};

use super::elbv2::{NOWHERE, group};
use crate::support::Account;
use crate::support::dns::NameServer;

pub(crate) const ENDPOINT: &str = "aurora.cluster-c1a2.us-east-1.rds.amazonaws.com";

/// The discard port, where nobody listens: an adapter that calls RDS from here fails.
const NO_RDS: &str = "http://127.0.0.1:9";

/// The name of an instance's own endpoint.
pub(crate) fn at_home(instance: &str) -> String {
    format!("{instance}.c1a2.us-east-1.rds.amazonaws.com")
}

pub(crate) fn instance(name: &str) -> InstanceId {
    InstanceId::new(name).unwrap()
}

pub(crate) fn member(name: &str, ip: &str) -> Member {
    Member { instance: Some(instance(name)), ip: ip.parse().unwrap() }
}

pub(crate) fn says(writer: Member, readers: Vec<Member>) -> SourceReport {
    SourceReport::Members { writer, readers }
}

/// A route of the cluster `aurora` that asks these sources and knows no address by itself.
pub(crate) fn route(discovery: &[DiscoverySource]) -> Route {
    Route {
        name: RouteName::new("orders").unwrap(),
        source: Source::Named(SourceId::new("aurora").unwrap()),
        strategy: Strategy::Swap,
        group: group(NOWHERE),
        port: 3306,
        instances: BTreeMap::new(),
        allowed_cidrs: vec!["10.0.0.0/8".parse().unwrap()],
        exclusive: true,
        on_started: OnStarted::Swap,
        policy: Policy {
            discovery: discovery.iter().copied().collect::<BTreeSet<_>>(),
            endpoint: Some(ENDPOINT.to_owned()),
            ..Policy::default()
        },
    }
}

pub(crate) async fn databases(rds: &str, server: &NameServer) -> AwsDatabases {
    let patience = Patience::default();
    patient(rds, server, patience).await
}

pub(crate) fn names(server: &NameServer) -> Names {
    Names::of(&[server.address()], Patience::default()).unwrap()
}

async fn patient(rds: &str, server: &NameServer, patience: Patience) -> AwsDatabases {
    let names = Names::of(&[server.address()], patience).unwrap();
    let config = Account::fresh().config(rds).await;
    AwsDatabases::new(aws_sdk_rds::Client::new(&config), names)
}

async fn reading(server: &NameServer, route: &Route) -> SourceReports {
    databases(NO_RDS, server).await.ask(route).await
}

async fn report(server: &NameServer, route: &Route) -> SourceReport {
    let SourceReports(said) = reading(server, route).await;
    let [(DiscoverySource::Dns, report)] = said.as_slice() else {
        panic!("dns alone is asked: {said:?}");
    };
    report.clone()
}

async fn unclear(server: &NameServer, route: &Route) -> String {
    match report(server, route).await {
        SourceReport::Unclear(why) => why,
        told @ SourceReport::Members { .. } => panic!("{told:?}"),
    }
}

async fn address(server: &NameServer, route: &Route, name: &str) -> Result<Option<IpAddr>, AddressError> {
    let databases = databases(NO_RDS, server).await;
    databases.address(route, &instance(name)).await
}

/// Why the address cannot be had now, where that says nothing of whether there is one.
async fn failed(server: &NameServer, route: &Route, name: &str) -> CallError {
    match address(server, route, name).await {
        Err(AddressError::Failed(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A cluster whose endpoint is an alias of `db-2`.
fn cluster() -> NameServer {
    let server = NameServer::start();
    server.alias(ENDPOINT, &at_home("db-2"));
    server.addresses(&at_home("db-1"), &["10.0.1.10"]);
    server.addresses(&at_home("db-2"), &["10.0.2.10"]);
    server
}

#[tokio::test]
async fn the_cluster_endpoint_tells_the_writer_by_name_and_address() {
    let told = report(&cluster(), &route(&[DiscoverySource::Dns])).await;
    assert_eq!(told, says(member("db-2", "10.0.2.10"), vec![]));
}

#[tokio::test]
async fn an_alias_of_ones_own_leads_by_the_cluster_endpoint_to_the_instance() {
    let server = cluster();
    server.alias("db.example.com", ENDPOINT);
    let mut route = route(&[DiscoverySource::Dns]);
    route.policy.endpoint = Some("db.example.com".to_owned());
    let told = report(&server, &route).await;
    assert_eq!(told, says(member("db-2", "10.0.2.10"), vec![]));
}

#[tokio::test]
async fn an_endpoint_without_an_alias_takes_the_instance_from_the_routes_map() {
    let server = NameServer::start();
    server.addresses(ENDPOINT, &["10.0.2.10"]);
    let mut route = route(&[DiscoverySource::Dns]);
    let nameless = Member { instance: None, ip: "10.0.2.10".parse().unwrap() };
    assert_eq!(report(&server, &route).await, says(nameless, vec![]));
    let known = [("db-1", "10.0.1.10"), ("db-2", "10.0.2.10")];
    route.instances = known.map(|(name, ip)| (instance(name), ip.parse().unwrap())).into();
    let told = report(&server, &route).await;
    assert_eq!(told, says(member("db-2", "10.0.2.10"), vec![]));
}

#[tokio::test]
async fn a_multi_az_instance_keeps_its_name_and_gets_another_address() {
    let server = NameServer::start();
    let mut route = route(&[DiscoverySource::Dns]);
    route.policy.database = Database::Instance;
    route.policy.endpoint = Some(at_home("aurora"));
    for ip in ["10.0.1.10", "10.0.2.10"] {
        server.addresses(&at_home("aurora"), &[ip]);
        let told = report(&server, &route).await;
        assert_eq!(told, says(member("aurora", ip), vec![]));
        let found = address(&server, &route, "aurora").await;
        assert_eq!(found, Ok(Some(ip.parse().unwrap())));
    }
    assert_eq!(address(&server, &route, "another").await, Ok(None));
}

#[tokio::test]
async fn what_is_no_single_address_is_unclear_in_words() {
    let server = NameServer::start();
    let route = route(&[DiscoverySource::Dns]);
    let unknown = |name: &str| format!("{name} does not exist (NXDOMAIN)");
    assert_eq!(unclear(&server, &route).await, unknown(ENDPOINT));

    server.alias(ENDPOINT, &at_home("db-9"));
    assert_eq!(unclear(&server, &route).await, unknown(&at_home("db-9")));

    server.addresses(ENDPOINT, &[]);
    assert_eq!(
        unclear(&server, &route).await,
        format!("{ENDPOINT} has no address of a family that allowed_cidrs holds (an empty answer)")
    );
    server.addresses(ENDPOINT, &["10.0.2.10", "10.0.1.10"]);
    assert_eq!(
        unclear(&server, &route).await,
        format!("{ENDPOINT} has 2 addresses (10.0.1.10, 10.0.2.10): which one counts cannot be told")
    );
    for (code, name) in [
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::NotAuth, "NOTAUTH"),
    ] {
        server.code(ENDPOINT, code);
        assert_eq!(unclear(&server, &route).await, format!("the name server answers {name} for {ENDPOINT}"));
    }
}

#[tokio::test]
async fn a_silent_name_server_is_not_waited_for_longer_than_a_call_may_take() {
    let server = NameServer::start();
    server.silence(ENDPOINT);
    let route = route(&[DiscoverySource::Dns]);
    let short = Duration::from_millis(50);
    for (attempt, whole, why) in
        [(short, short * 100, "request timed out"), (short * 100, short, "it took longer than 50ms")]
    {
        let databases = patient(NO_RDS, &server, Patience { attempt, whole }).await;
        let expected = SourceReport::Unclear(format!("no answer for {ENDPOINT}: {why}"));
        let SourceReports(said) = databases.ask(&route).await;
        assert_eq!(said, [(DiscoverySource::Dns, expected)]);
    }
}

#[tokio::test]
async fn one_name_server_that_says_nothing_is_made_up_for_by_another() {
    let (silent, server) = (NameServer::start(), cluster());
    silent.silence(ENDPOINT);
    let servers = [silent.address(), server.address()];
    let names = Names::of(&servers, Patience::default()).unwrap();
    let config = Account::fresh().config(NO_RDS).await;
    let databases = AwsDatabases::new(aws_sdk_rds::Client::new(&config), names);
    let SourceReports(said) = databases.ask(&route(&[DiscoverySource::Dns])).await;
    let expected = says(member("db-2", "10.0.2.10"), vec![]);
    assert_eq!(said, [(DiscoverySource::Dns, expected)]);
}

/// Every answer of the server may be used again for an hour.
#[tokio::test]
async fn no_answer_is_remembered_neither_an_address_nor_its_absence() {
    let server = NameServer::start();
    let databases = databases(NO_RDS, &server).await;
    let route = route(&[DiscoverySource::Dns]);
    let ask = async || databases.ask(&route).await.0.remove(0).1;
    for _ in 0..2 {
        server.code(ENDPOINT, ResponseCode::NXDomain);
        assert!(matches!(ask().await, SourceReport::Unclear(_)));
        server.addresses(ENDPOINT, &[]);
        assert!(matches!(ask().await, SourceReport::Unclear(_)));
        for (name, ip) in [("db-1", "10.0.1.10"), ("db-2", "10.0.2.10")] {
            server.alias(ENDPOINT, &at_home(name));
            server.addresses(&at_home(name), &[ip]);
            assert_eq!(ask().await, says(member(name, ip), vec![]));
        }
        server.addresses(&at_home("db-2"), &["10.0.2.99"]);
        assert_eq!(
            ask().await,
            says(member("db-2", "10.0.2.99"), vec![]),
            "the alias stayed, the address did not"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_leads_here_and_there_never_becomes_steady() {
    let server = cluster();
    let databases = databases(NO_RDS, &server).await;
    let route = route(&[DiscoverySource::Dns]);
    let mut readings = ReadingHistory::default();
    for second in 0..12 {
        let writer = if second % 3 == 0 { "db-1" } else { "db-2" };
        server.alias(ENDPOINT, &at_home(writer));
        let discovery = databases.ask(&route).await.discovery();
        readings.take(discovery, Duration::from_secs(second));
        assert_eq!(readings.stood(), None, "{second}");
    }
}

#[tokio::test]
async fn a_route_is_asked_for_in_the_families_that_it_allows_and_no_other() {
    let server = NameServer::start();
    server.addresses(ENDPOINT, &["10.0.2.10", "2001:db8::10"]);
    let mut route = route(&[DiscoverySource::Dns]);
    for (cidr, ip, family) in
        [("10.0.0.0/8", "10.0.2.10", RecordType::A), ("2001:db8::/32", "2001:db8::10", RecordType::AAAA)]
    {
        let before = server.asked().len();
        route.allowed_cidrs = vec![cidr.parse().unwrap()];
        let SourceReport::Members { writer, .. } = report(&server, &route).await else {
            panic!("{family} is there");
        };
        assert_eq!(writer.ip, ip.parse::<IpAddr>().unwrap());
        let asked = server.asked().split_off(before);
        assert!(!asked.is_empty());
        assert!(asked.iter().all(|(_, asked)| *asked == family), "{asked:?}");
    }
}

#[tokio::test]
async fn a_route_of_both_families_takes_the_one_that_there_is_and_never_chooses() {
    let server = NameServer::start();
    let mut route = route(&[DiscoverySource::Dns]);
    route.allowed_cidrs = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    for ip in ["10.0.2.10", "2001:db8::10"] {
        server.addresses(ENDPOINT, &[ip]);
        let SourceReport::Members { writer, .. } = report(&server, &route).await else {
            panic!("{ip} is there");
        };
        assert_eq!(writer.ip, ip.parse::<IpAddr>().unwrap());
    }
    server.addresses(ENDPOINT, &["10.0.2.10", "2001:db8::10"]);
    let why = unclear(&server, &route).await;
    assert!(why.contains("2 addresses (10.0.2.10, 2001:db8::10)"), "{why}");
    server.addresses(ENDPOINT, &[]);
    assert!(unclear(&server, &route).await.contains("an empty answer"));
}

#[tokio::test]
async fn a_reader_endpoint_is_never_taken_for_the_writer() {
    let server = cluster();
    let reader = "aurora.cluster-ro-c1a2.us-east-1.rds.amazonaws.com";
    server.alias(reader, &at_home("db-1"));
    server.alias("reports.example.com", reader);
    let mut route = route(&[DiscoverySource::Dns]);
    for endpoint in [reader, "reports.example.com"] {
        route.policy.endpoint = Some(endpoint.to_owned());
        let why = unclear(&server, &route).await;
        assert!(why.ends_with("set the cluster endpoint"), "{why}");
        assert_eq!(address(&server, &route, "db-1").await, Ok(None));
    }
}

#[tokio::test]
async fn a_route_without_an_endpoint_is_told_what_is_missing() {
    let mut route = route(&[DiscoverySource::Dns]);
    route.policy.endpoint = None;
    let server = cluster();
    assert_eq!(
        unclear(&server, &route).await,
        "route orders has no endpoint to read: set the cluster endpoint's name, or do not ask dns"
    );
    assert_eq!(address(&server, &route, "db-2").await, Ok(None));
}

#[tokio::test]
async fn an_instance_is_found_by_the_name_that_its_cluster_gives_it() {
    let server = cluster();
    let route = route(&[DiscoverySource::Dns]);
    let found = address(&server, &route, "db-1").await;
    assert_eq!(found, Ok(Some("10.0.1.10".parse().unwrap())));
}

#[tokio::test]
async fn a_derived_name_that_does_not_exist_is_told_apart_from_a_stranger() {
    let server = cluster();
    let mut route = route(&[DiscoverySource::Dns]);
    let Err(AddressError::NoSuchName(error)) = address(&server, &route, "db-9").await else {
        panic!("the name is missing");
    };
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Missing, NO_SUCH_NAME));
    let missing = format!("{} does not exist (NXDOMAIN)", at_home("db-9"));
    assert_eq!(error.message, missing);
    // What a later answer says counts, whatever an earlier one said.
    server.addresses(&at_home("db-9"), &["10.0.9.10"]);
    let found = address(&server, &route, "db-9").await;
    assert_eq!(found, Ok(Some("10.0.9.10".parse().unwrap())));
    // Of an instance that stands for itself no other one can be a member.
    route.policy.database = Database::Instance;
    assert_eq!(address(&server, &route, "db-9").await, Ok(None));
}

#[tokio::test]
async fn an_address_that_cannot_be_had_now_is_an_error_and_not_nobody() {
    let server = cluster();
    let route = route(&[DiscoverySource::Dns]);
    server.code(&at_home("db-1"), ResponseCode::ServFail);
    let error = failed(&server, &route, "db-1").await;
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(
        error.to_string(),
        format!(
            "DnsLookup failed (unreachable, SERVFAIL): the name server answers SERVFAIL for {}",
            at_home("db-1")
        )
    );
    server.addresses(&at_home("db-1"), &["10.0.1.10", "10.0.1.11"]);
    let error = failed(&server, &route, "db-1").await;
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Invalid, "ManyAddresses"));
    server.addresses(&at_home("db-1"), &[]);
    let error = failed(&server, &route, "db-1").await;
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Missing, "NODATA"));
}

#[tokio::test]
async fn what_the_map_says_is_looked_up_nowhere() {
    let server = cluster();
    let mut route = route(&[DiscoverySource::Dns]);
    let mapped: IpAddr = "10.9.9.9".parse().unwrap();
    route.instances.insert(instance("db-2"), mapped);
    assert_eq!(address(&server, &route, "db-2").await, Ok(Some(mapped)));
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn a_route_that_asks_nobody_has_its_map_and_costs_no_question() {
    let server = cluster();
    let mut route = route(&[]);
    let mapped: IpAddr = "10.9.9.9".parse().unwrap();
    route.instances.insert(instance("db-1"), mapped);
    assert_eq!(reading(&server, &route).await, SourceReports::default());
    assert_eq!(address(&server, &route, "db-1").await, Ok(Some(mapped)));
    assert_eq!(address(&server, &route, "db-2").await, Ok(None));
    assert_eq!(server.asked(), []);
}
