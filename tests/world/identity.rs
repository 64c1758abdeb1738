//! Whose event it is, told as scenarios: the real worker in the embedded world, among databases of the same name.
//! The files of `tests/cases` are events and a configuration as a person sent them in.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use writerlink::config;
use writerlink::config::CONFIG_TEXT_VARIABLE;
use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::policy::{DiscoverySource, Policy};
use writerlink_core::model::route::{Route, Source};
use writerlink_core::model::source_arn::{SourceArn, SourceKind};
use writerlink_core::model::target::Target;
use writerlink_core::model::time::Timestamp;
use writerlink_sim::databases::{ApiFault, Instance};
use writerlink_sim::event_bodies::{eventbridge, rds_sns};
use writerlink_sim::fleet::{Fleet, FleetConfig};
use writerlink_sim::target_group::TargetGroupSpec;
use writerlink_sim::world::{WorldConfig, instances};

use crate::rig::Rig;

const REGION: &str = "arn:aws:rds:eu-west-1:123456789012:cluster:orders";
const ACCOUNT: &str = "arn:aws:rds:us-east-1:210987654321:cluster:orders";
const PARTITION: &str = "arn:aws-cn:rds:us-east-1:123456789012:cluster:orders";

/// The same words about the database with this ARN.
fn of(arn: &str, event: RdsEvent) -> RdsEvent {
    let arn = SourceArn::parse(arn).unwrap();
    RdsEvent { kind: arn.kind(), source: arn.name().clone(), source_arn: Some(arn), ..event }
}

fn lines(rig: &Rig) -> String {
    rig.told.lines.lock().unwrap().join("\n")
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_failover_of_the_same_name_elsewhere_moves_nothing_and_says_why() {
    for (arn, differs) in [
        (REGION, "its Region is eu-west-1, not us-east-1"),
        (ACCOUNT, "its account is 210987654321, not 123456789012"),
        (PARTITION, "its partition is aws-cn, not aws"),
    ] {
        let rig = Rig::new(&["orders"]).await;
        let event = of(arn, rig.completed(0, 2, 0));
        rig.fleet.world.deliver(&event);
        rig.fleet.world.sqs.send("by-sns", &rds_sns(&event));
        assert!(rig.run("w1").await);
        assert_eq!(rig.registered(0), [rig.target(0, 1)], "{arn}");
        assert_eq!(rig.load_balancer_calls(), 0);
        assert!(rig.chain(0).await.is_empty());
        let told = lines(&rig);
        assert_eq!(told.matches(differs).count(), 2, "{told}");
        let remedy = format!("write source = \\\"{arn}\\\"");
        assert_eq!(told.matches(&remedy).count(), 2, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_clusters_of_one_name_in_two_regions_each_move_their_own_route() {
    let mut rig = Rig::new(&["orders", "orders-eu"]).await;
    rig.routes[1].source = Source::Elsewhere(SourceArn::parse(REGION).unwrap());
    let here = rig.completed(0, 2, 0);
    let there = of(REGION, rig.completed(1, 3, 0));
    // The same words at the same moment: only the ARN tells them apart.
    let nowhere = of(ACCOUNT, rig.completed(0, 3, 1));
    for event in [&here, &there, &nowhere] {
        rig.fleet.world.deliver(event);
    }
    assert!(rig.run("w1").await);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(rig.registered(1), [rig.target(1, 3)]);
    for route in 0..2 {
        let chain = rig.chain(route).await;
        let settled = chain.iter().filter(|s| s.record.entry.outcome.is_some());
        assert_eq!(settled.count(), 1, "one event, one terminal record");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_without_its_arn_costs_no_call() {
    let rig = Rig::new(&["orders"]).await;
    let event = rig.completed(0, 2, 0);
    rig.fleet.world.deliver(&event);
    assert!(rig.run("w1").await);
    let calls = rig.load_balancer_calls();
    let mut old: serde_json::Value = serde_json::from_str(&rds_sns(&event)).unwrap();
    old.as_object_mut().unwrap().remove("Source ARN").unwrap();
    let mut bare: serde_json::Value = serde_json::from_str(&eventbridge(&event)).unwrap();
    let detail = bare["detail"].as_object_mut().unwrap();
    detail.remove("SourceArn").unwrap();
    for (group, body) in [("by-sns", old), ("bare", bare)] {
        rig.fleet.world.sqs.send(group, &body.to_string());
    }
    assert!(rig.run("w2").await);
    assert_eq!(rig.told.ends(), ["Moved", "Duplicate", "Duplicate"]);
    assert_eq!(rig.load_balancer_calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn an_old_sns_message_without_an_arn_still_moves_its_route() {
    for source in [Source::Any, Source::Named(SourceId::new("orders").unwrap())] {
        let mut rig = Rig::new(&["orders"]).await;
        rig.routes[0].source = source;
        let mut body: serde_json::Value = serde_json::from_str(&rds_sns(&rig.started(0, 2, 0))).unwrap();
        body.as_object_mut().unwrap().remove("Source ARN").unwrap();
        rig.fleet.world.sqs.send("by-sns", &body.to_string());
        assert!(rig.run("w1").await);
        assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    }
}

/// How often RDS was asked about the route's cluster within 5 s of an event that no route follows.
async fn looks_after(arn: &str) -> usize {
    let mut rig = Rig::new(&["orders"]).await;
    rig.routes[0].policy = Policy { discovery: [DiscoverySource::Rds].into(), ..Policy::default() };
    let _worker = rig.start("w1");
    let looks = |rig: &Rig| {
        let calls = rig.calls("w1");
        calls.iter().filter(|call| **call == "DescribeDBClusters").count()
    };
    // The timer's own look is over, and the next one is half a minute away.
    while looks(&rig) < 2 {
        pass(Duration::from_secs(1)).await;
    }
    pass(Duration::from_secs(10)).await;
    let before = looks(&rig);
    let restarted = RdsEvent {
        id: EventId::parse("RDS-EVENT-0006"),
        message: "DB instance restarted".to_owned(),
        ..rig.completed(0, 1, 20)
    };
    rig.fleet.world.deliver(&of(arn, restarted));
    pass(Duration::from_secs(5)).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    looks(&rig) - before
}

#[tokio::test(start_paused = true)]
async fn only_an_instance_of_the_same_account_and_region_is_a_reason_to_look() {
    let member = "arn:aws:rds:us-east-1:123456789012:db:orders-2";
    assert_eq!(looks_after(member).await, 1);
    assert_eq!(looks_after("arn:aws:rds:eu-west-1:123456789012:db:orders-2").await, 0);
    assert_eq!(looks_after("arn:aws:rds:us-east-1:210987654321:db:orders-2").await, 0);
}

const OTHER_REGION: &str = include_str!("../cases/02-same-cluster-name-other-region.json");
const OTHER_ACCOUNT: &str = include_str!("../cases/02b-same-cluster-name-other-account.json");
const FAILOVER: &str = include_str!("../cases/04-1-cluster-failover.json");
const RESTARTED: &str = include_str!("../cases/04-2-instance-of-the-same-name-restarted.json");
const CONFIG: &str = include_str!("../cases/04-config.toml");

/// A world at the time of the cases, with a cluster of two instances that the route follows.
async fn world_of(route: Route, names: [&str; 2]) -> Rig {
    let world =
        WorldConfig { start: Timestamp::parse("2026-11-30T14:37:00Z").unwrap(), ..WorldConfig::default() };
    let fleet = Fleet::new(world, FleetConfig::default()).await.unwrap();
    let mut members = instances("db", 2).unwrap();
    for (n, (member, name)) in (1..).zip(members.iter_mut().zip(names)) {
        member.id = InstanceId::new(name).unwrap();
        member.ip = IpAddr::from([10, 0, n, 10]);
    }
    let subnet = |i: &Instance| {
        let subnet = ipnet::IpNet::new(i.ip, 24).unwrap();
        (subnet.trunc(), i.zone.clone())
    };
    let spec = TargetGroupSpec { port: route.port, subnets: members.iter().map(subnet).collect() };
    fleet.world.rds.add(route.source_name().unwrap(), &members);
    fleet.world.elb.create_group(&route.group.arn, spec);
    let first = Target { ip: members[0].ip, port: route.port };
    fleet.world.elb.install(&route.group.arn, first).unwrap();
    Rig { fleet, routes: vec![route], told: Arc::default() }
}

fn registered(rig: &Rig) -> Vec<IpAddr> {
    rig.registered(0).iter().map(|target| target.ip).collect()
}

fn configured(text: &str) -> Route {
    let env = |name: &str| (name == CONFIG_TEXT_VARIABLE).then(|| text.to_owned());
    let mut config = config::read(None, &env).unwrap().config;
    config.routes.remove(0)
}

#[tokio::test(start_paused = true)]
async fn the_restart_of_an_instance_named_like_its_cluster_moves_nothing() {
    let route = configured(CONFIG);
    let cluster = route.source_name().unwrap().clone();
    let rig = world_of(route, ["sample-cluster", "sample-cluster2"]).await;
    let _worker = rig.start("w1");
    pass(Duration::from_secs(11)).await;
    let coming = InstanceId::new("sample-cluster2").unwrap();
    rig.fleet.world.rds.fail_over(&cluster, &coming).unwrap();
    // RDS's API lags behind, as it may, and still calls the demoted instance the writer.
    let lasting = Duration::from_mins(2);
    rig.fleet.world.rds.break_api(&cluster, ApiFault::Stale, lasting);
    rig.fleet.world.sqs.send("sample-cluster", FAILOVER);
    pass(Duration::from_secs(46)).await;
    assert_eq!(registered(&rig), [IpAddr::from([10, 0, 2, 10])]);
    rig.fleet.world.sqs.send("sample-cluster", RESTARTED);
    for _ in 0..60 {
        pass(Duration::from_secs(10)).await;
        assert_eq!(registered(&rig), [IpAddr::from([10, 0, 2, 10])]);
    }
    assert_eq!(rig.told.ends(), ["Moved"]);
    let told = lines(&rig);
    let why = "route sample-cluster does not follow DB_INSTANCE sample-cluster: its kind is DB_INSTANCE, not CLUSTER";
    assert!(told.contains(why), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_cases_of_another_region_and_account_move_nothing() {
    let group =
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/aurora-source/4jqddzdesss3sz02";
    let text = format!(
        "[[route]]\nsource = \"aurora-source\"\ntarget_group = \"{group}\"\n[route.instances]\n\
         aurora-source-instance-1 = \"10.0.1.10\"\naurora-source-instance-2 = \"10.0.2.10\"\n"
    );
    for case in [OTHER_REGION, OTHER_ACCOUNT] {
        let names = ["aurora-source-instance-1", "aurora-source-instance-2"];
        let rig = world_of(configured(&text), names).await;
        pass(Duration::from_mins(6)).await;
        rig.fleet.world.sqs.send("aurora-source", case);
        assert!(rig.run("w1").await);
        assert_eq!(registered(&rig), [IpAddr::from([10, 0, 1, 10])]);
        assert_eq!(rig.load_balancer_calls(), 0);
        // The same event of the route's own cluster does move it.
        let own = case.replace("210987654321", "123456789012").replace("eu-west-1", "us-east-1");
        rig.fleet.world.sqs.send("aurora-source", &own);
        assert!(rig.run("w2").await);
        assert_eq!(registered(&rig), [IpAddr::from([10, 0, 2, 10])]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drill_for_another_region_is_told_as_such_and_moves_nothing() {
    let rig = Rig::new(&["orders"]).await;
    let event = of(REGION, rig.completed(0, 2, 0));
    assert_eq!(event.kind, SourceKind::Cluster);
    let drill = eventbridge(&event).replace("\"aws.rds\"", "\"writerlink.drill\"");
    rig.fleet.world.sqs.send("orders", &drill);
    assert!(rig.run("w1").await);
    let told = lines(&rig);
    assert!(told.contains("a drill; route orders does not follow"), "{told}");
    assert_eq!(rig.load_balancer_calls(), 0);
}
