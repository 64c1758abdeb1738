//! What `check` asks of a listener's rules, a cluster's networking and a table's replicas, in AWS's own words.

use std::sync::Arc;

use writerlink_aws::dynamodb::TableNames;
use writerlink_aws::installation::{AwsInstallation, What};
use writerlink_core::evidence::discovery::{SourceReport, SourceReports};
use writerlink_core::model::names::ListenerArn;
use writerlink_core::model::policy::{Database, DiscoverySource};
use writerlink_core::model::route::Route;
use writerlink_engine::ports::installation::{Installation, ListenerRule, Seen, Switch, Unseen};
use writerlink_engine::ports::{Databases as _, ErrorKind};
use writerlink_engine::system_clock::SystemClock;

use super::dns;
use super::sqs::NAME;
use crate::support::Account;
use crate::support::dns::NameServer;
use crate::support::stub::{Answer, Stub};

const LISTENER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/db/50dc6c495c0c9188/f2f7dc8efc522ab2";

async fn on(stub: &Stub) -> AwsInstallation {
    let what = What { queue: NAME.to_owned(), tables: TableNames::default(), endpoints: Vec::new() };
    let sdk = Account::fresh().config(&stub.endpoint()).await;
    let names = dns::names(&NameServer::start());
    AwsInstallation::new(&sdk, what, Some(names), Arc::new(SystemClock::start()))
}

fn refused<T: std::fmt::Debug>(seen: Seen<T>) -> ErrorKind {
    match seen {
        Err(Unseen::Refused(error)) => error.kind,
        other => panic!("{other:?}"),
    }
}

/// A rule that forwards to several groups, by their weights.
fn rule(priority: &str, is_default: bool, groups: &[&str]) -> String {
    let tuple =
        |arn: &&str| format!("<member><TargetGroupArn>{arn}</TargetGroupArn><Weight>1</Weight></member>");
    let tuples: String = groups.iter().map(tuple).collect();
    format!(
        "<member><Priority>{priority}</Priority><IsDefault>{is_default}</IsDefault><Actions><member><Type>forward</Type>\
         <ForwardConfig><TargetGroups>{tuples}</TargetGroups></ForwardConfig></member></Actions></member>"
    )
}

#[tokio::test]
async fn the_rules_of_a_listener_are_read_to_the_last_page_but_for_the_default() {
    let old = "<member><Priority>9</Priority><Actions><member><Type>forward</Type><TargetGroupArn>third</TargetGroupArn>\
               </member></Actions></member>";
    let page = |rules: &str, marker: &str| {
        Answer::elbv2("DescribeRules", &format!("<Rules>{rules}</Rules>{marker}"))
    };
    let first = rule("7", false, &["first", "second"]) + &rule("default", true, &["first"]);
    let stub = Stub::scripted(vec![
        ("Marker=next", page(old, "")),
        ("Action=DescribeRules", page(&first, "<NextMarker>next</NextMarker>")),
    ]);
    let listener = ListenerArn::new(LISTENER).unwrap();
    let rules = on(&stub).await.listener_rules(&listener).await;
    let rule = |priority: &str, groups: &[&str]| ListenerRule {
        priority: priority.to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
    };
    assert_eq!(rules, Ok(vec![rule("7", &["first", "second"]), rule("9", &["third"])]));
    assert!(stub.asked()[0].contains("ListenerArn=arn"), "{:?}", stub.asked());
}

/// What RDS says of a cluster with this among its fields.
async fn networking(route: &Route, fields: &str) -> Seen<Switch> {
    let clusters = format!("<DBClusters>{fields}</DBClusters>");
    let stub = Stub::answering(Answer::rds("DescribeDBClusters", &clusters));
    on(&stub).await.vpc_networking(route).await
}

#[tokio::test]
async fn only_a_cluster_that_says_so_is_without_vpc_networking() {
    let route = dns::route(&[DiscoverySource::Rds]);
    let of = |field: &str| {
        format!("<DBCluster><DBClusterIdentifier>aurora</DBClusterIdentifier>{field}</DBCluster>")
    };
    let said = |value: &str| of(&format!("<VPCNetworkingEnabled>{value}</VPCNetworkingEnabled>"));
    assert_eq!(networking(&route, &of("")).await, Ok(Switch::On));
    assert_eq!(networking(&route, &said("true")).await, Ok(Switch::On));
    assert_eq!(networking(&route, &said("false")).await, Ok(Switch::Off));
    assert_eq!(refused(networking(&route, "").await), ErrorKind::Missing);
}

#[tokio::test]
async fn an_instance_by_itself_is_always_in_a_vpc_and_nobody_is_asked() {
    let mut route = dns::route(&[DiscoverySource::Rds]);
    route.policy.database = Database::Instance;
    let stub = Stub::answering(Answer::rds("DescribeDBClusters", ""));
    assert_eq!(on(&stub).await.vpc_networking(&route).await, Ok(Switch::On));
    assert_eq!(stub.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_instance_comes_with_the_vpc_of_its_subnets() {
    let row = "<DBInstance><DBInstanceIdentifier>db-1</DBInstanceIdentifier><DBInstanceStatus>available</DBInstanceStatus>\
               <DBSubnetGroup><DBSubnetGroupName>private</DBSubnetGroupName><VpcId>vpc-1</VpcId></DBSubnetGroup></DBInstance>";
    let rows = format!("<DBInstances>{row}</DBInstances>");
    let stub = Stub::answering(Answer::rds("DescribeDBInstances", &rows));
    let members = on(&stub).await.members(&dns::route(&[DiscoverySource::Rds])).await;
    assert_eq!(members.unwrap()[0].vpc.as_deref(), Some("vpc-1"));
}

#[tokio::test]
async fn the_replicas_of_a_global_table_and_their_consistency_are_read() {
    let table = |fields: &str| {
        let table = format!(r#"{{"Table": {{"TableStatus": "ACTIVE"{fields}}}}}"#);
        Stub::answering(Answer::sqs(&table))
    };
    let replicas = r#", "Replicas": [{"RegionName": "eu-west-1", "ReplicaStatus": "ACTIVE"}]"#;
    let strong = format!(r#"{replicas}, "MultiRegionConsistency": "STRONG""#);
    for (fields, regions, consistency) in [
        ("", Vec::new(), None),
        (replicas, vec!["eu-west-1"], None),
        (strong.as_str(), vec!["eu-west-1"], Some("STRONG")),
    ] {
        let seen = on(&table(fields)).await.table("writerlink-state").await;
        let described = seen.described.unwrap();
        assert_eq!(Vec::from_iter(&described.replicas), regions);
        assert_eq!(described.consistency.as_deref(), consistency);
    }
}

#[tokio::test]
async fn a_witness_says_that_a_cluster_has_no_vpc_networking_and_what_to_do() {
    let cluster = "<DBClusters><DBCluster><DBClusterIdentifier>aurora</DBClusterIdentifier><Status>available</Status>\
                   <VPCNetworkingEnabled>false</VPCNetworkingEnabled></DBCluster></DBClusters>";
    let stub = Stub::answering(Answer::rds("DescribeDBClusters", cluster));
    let databases = dns::databases(&stub.endpoint(), &NameServer::start()).await;
    let SourceReports(said) = databases.ask(&dns::route(&[DiscoverySource::Rds])).await;
    let [(DiscoverySource::Rds, SourceReport::Unclear(why))] = said.as_slice() else {
        panic!("{said:?}");
    };
    for part in ["no VPC networking", "EnableVPCNetworking"] {
        assert!(why.contains(part), "{why}");
    }
}
