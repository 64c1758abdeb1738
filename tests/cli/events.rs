//! What reaches the queue and is no failover event of a route's source: records of API calls, blue/green switchovers,
//! events of long ago. The real worker and the real commands, in the embedded world, under paused time.
#![expect(clippy::unwrap_used, reason = "a test stops where a step fails")]

use std::net::IpAddr;
use std::time::Duration;

use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::source_arn::SourceArn;
use writerlink_core::model::target::Target;
use writerlink_sim::databases::{Instance, Lags, Switchover, TimedEvent};
use writerlink_sim::event_bodies::eventbridge;
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::world::WorldConfig;

use crate::desk::Desk;
use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// `CloudTrail`'s record of a call, as EventBridge brings it under the source `aws.rds`.
const CALL: &str = include_str!("../corpus/cloudtrail-call-of-rds.eventbridge.json");

fn source(name: &str) -> SourceId {
    SourceId::new(name).unwrap()
}

async fn pass_until(rig: &Rig, at: Duration) {
    tokio::time::sleep(at.saturating_sub(rig.fleet.world.fabric.time.elapsed())).await;
}

/// Routes of clusters that ask RDS and nobody else. The timer is as good as off, so that what happens comes from events.
async fn asking(names: &[&str]) -> Rig {
    let mut fleet = FleetConfig::default();
    fleet.limits.reconciling.interval = Some(100 * DAY);
    let mut rig = Rig::with(names, WorldConfig::default(), fleet).await;
    rig.fleet.world.rds.set_lags(Lags::NONE);
    for route in &mut rig.routes {
        route.policy.discovery = [DiscoverySource::Rds].into();
        // Where a name leads changes with the switchover, so no map can say it.
        route.instances.clear();
    }
    rig
}

/// The hosts of a green copy of the first route's cluster.
const GREEN: [u8; 3] = [101, 102, 103];

fn green_ip(n: usize) -> IpAddr {
    let subnet = u8::try_from(n).unwrap();
    IpAddr::from([10, 0, subnet, GREEN[n - 1]])
}

/// Begins a switchover of the first route's cluster to a green one.
fn switch_over(rig: &Rig) -> Switchover {
    let blue = source(rig.routes[0].name.as_str());
    let green = source(&format!("{blue}-green-x7f3k2"));
    let host = |n: usize| Instance {
        id: InstanceId::new(&format!("{blue}-{n}-green-a")).unwrap(),
        ip: green_ip(n),
        zone: rig.instance(0, n).zone,
    };
    let rds = &rig.fleet.world.rds;
    rds.add(&green, &[host(1), host(2), host(3)]);
    rds.switch_over(&blue, &green).unwrap()
}

async fn deliver_when_due(rig: &Rig, told: &TimedEvent) {
    pass_until(rig, told.due).await;
    rig.fleet.world.deliver(&told.event);
}

async fn reasons(rig: &Rig, route: usize) -> Vec<(Outcome, Reason)> {
    let chain = rig.chain(route).await;
    let entries = chain.into_iter().map(|stored| stored.record.entry);
    entries
        .filter(|entry| entry.kind == RecordKind::Finished)
        .filter_map(|entry| Some((entry.outcome?, entry.reason?)))
        .collect()
}

fn lines(rig: &Rig) -> String {
    rig.told.lines.lock().unwrap().join("\n")
}

fn dead_letters(rig: &Rig) -> usize {
    rig.fleet.world.dead_letters.messages().len()
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_call_is_deleted_with_a_reason_and_is_no_dead_letter() {
    let rig = Rig::new(&["aurora-source"]).await;
    rig.fleet.world.sqs.send("aurora-source", CALL);
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(rig.run("w1").await);
    assert_eq!(dead_letters(&rig), 0);
    let lines = lines(&rig);
    assert!(lines.contains("Ignored"), "{lines}");
    assert!(lines.contains("AWS API Call via CloudTrail"), "{lines}");
    // The event behind it in the group is followed.
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_switchover_asks_the_route_that_it_names_and_leaves_others_alone() {
    let rig = asking(&["orders", "orders-green", "parts"]).await;
    let _worker = rig.start("w1");
    tokio::time::sleep(HOUR).await;
    let before = rig.fleet.world.fabric.journal().len();
    let switchover = switch_over(&rig);
    for told in &switchover.events {
        deliver_when_due(&rig, told).await;
    }
    pass_until(&rig, switchover.renamed_at + 10 * SECOND).await;
    let green = Target { ip: green_ip(1), port: rig.routes[0].port };
    assert_eq!(rig.registered(0), [green]);
    let journal = rig.fleet.world.fabric.journal();
    // Reading chains now and then is the timer's own business; RDS and the load balancer are asked about one route.
    let mut asked = journal[before..].iter().filter(|e| e.call.starts_with("Describe"));
    let other = asked.find(|e| e.detail.contains("orders-green/") || e.detail.contains("parts"));
    assert!(other.is_none(), "{other:?}");
    assert_eq!(dead_letters(&rig), 0);
    // 0247 and 0260 name the route and ask; 0259 asks nothing, and 0248 names nobody.
    let told = lines(&rig);
    for reason in ["RDS-EVENT-0259", "names no database"] {
        assert!(told.contains(reason), "{told}");
    }
    assert!(!told.contains("source bgd-"), "{told}");
    let of_route = reasons(&rig, 0).await;
    let asked = (Outcome::Ignored, Reason::SourcesAsked);
    assert_eq!(of_route.iter().filter(|end| **end == asked).count(), 2);
    assert_eq!(of_route.last().unwrap().1, Reason::WriterChanged);
    for other in [1, 2] {
        assert_eq!(reasons(&rig, other).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_switchover_elsewhere_asks_nobody() {
    for (own, other) in [("us-east-1", "eu-west-1"), ("123456789012", "210987654321")] {
        let rig = asking(&["orders"]).await;
        let switchover = switch_over(&rig);
        let completed = &switchover.events[2].event;
        let arn = format!("arn:aws:rds:us-east-1:123456789012:deployment:{}", switchover.deployment);
        let elsewhere =
            RdsEvent { source_arn: SourceArn::parse(&arn.replace(own, other)).ok(), ..completed.clone() };
        pass_until(&rig, switchover.events[2].due).await;
        rig.fleet.world.deliver(&elsewhere);
        assert!(rig.run("w1").await);
        assert_eq!(reasons(&rig, 0).await, []);
        let lines = lines(&rig);
        assert!(lines.contains("no route has one of them in"), "{lines}");
        assert_eq!(dead_letters(&rig), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_of_events_alone_records_that_it_cannot_tell_a_switchover() {
    let rig = Rig::new(&["orders"]).await;
    let switchover = switch_over(&rig);
    deliver_when_due(&rig, &switchover.events[2]).await;
    assert!(rig.run("w1").await);
    let cannot_tell = (Outcome::Ignored, Reason::NoSources);
    assert_eq!(reasons(&rig, 0).await, [cannot_tell]);
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn after_a_weekend_without_a_worker_a_static_map_follows_the_failover() {
    let rig = Rig::new(&["orders"]).await;
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    rig.fleet.world.deliver(&rig.completed(0, 2, 30));
    tokio::time::sleep(3 * DAY).await;
    assert!(rig.run("w1").await);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(dead_letters(&rig), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_sqs_could_not_have_kept_is_refused_by_a_static_map() {
    let rig = Rig::new(&["orders"]).await;
    let old = rig.completed(0, 2, 0);
    tokio::time::sleep(207 * DAY).await;
    rig.fleet.world.deliver(&old);
    assert!(rig.run("w1").await);
    let refused = (Outcome::Rejected, Reason::EvidenceTooOld);
    assert_eq!(reasons(&rig, 0).await, [refused]);
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(dead_letters(&rig), 1);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_replays_an_event_of_long_ago_is_told_to_swap() {
    let desk = Desk::with(&["orders"]).await;
    let file = desk.file_with(&eventbridge(&desk.rig.completed(0, 2, 0)));
    desk.pass(207 * DAY).await;
    let planned = desk.says(&format!("plan --event {file} --output json")).await;
    let note = planned.rows("plan")[0]["note"].as_str().unwrap().to_owned();
    assert!(note.contains("writerlink swap orders --to orders-2"), "{note}");
    let replayed = desk.says(&format!("replay {file}")).await;
    assert_eq!(replayed.code, 5, "{}", replayed.err);
    let told = replayed.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("EvidenceTooOld"), "{told}");
    assert_eq!(desk.mutating_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn commands_say_which_route_a_switchover_names_and_why() {
    let desk = Desk::with(&["orders", "parts"]).await;
    let switchover = switch_over(&desk.rig);
    let completed = &switchover.events[2].event;
    let file = desk.file_with(&eventbridge(completed));
    desk.pass(switchover.events[2].due).await;
    let planned = desk.says(&format!("plan --event {file} --output json")).await;
    let rows = planned.rows("plan");
    let reason = |row: &serde_json::Value| row["reason"].as_str().unwrap().to_owned();
    assert_eq!(rows.iter().map(reason).collect::<Vec<_>>(), ["NoSources"]);
    assert_eq!(rows[0]["route"], "orders");
    let explained = desk.says(&format!("explain {file}")).await;
    let concern = "concern  its text names the route's source, which is a reason to ask and no evidence";
    assert!(explained.out.contains(concern), "{}", explained.out);
    assert!(!explained.out.contains("route parts"), "{}", explained.out);
    let replayed = desk.says(&format!("replay {file} --output json")).await;
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    assert_eq!(replayed.rows("replayed")[0]["reason"], "NoSources");
}

#[tokio::test(start_paused = true)]
async fn no_command_advises_a_deployment_as_the_source_of_a_route() {
    let desk = Desk::with(&["parts"]).await;
    let green = source("orders-green-x7f3k2");
    let rds = &desk.rig.fleet.world.rds;
    rds.add(&source("orders"), &[desk.rig.instance(0, 1)]);
    rds.add(&green, &[desk.rig.instance(0, 2)]);
    let switchover = rds.switch_over(&source("orders"), &green).unwrap();
    desk.pass(switchover.events[3].due).await;
    // 0260 names databases that no route follows; 0248 names none.
    for told in [&switchover.events[2], &switchover.events[3]] {
        let file = desk.file_with(&eventbridge(&told.event));
        for command in ["plan --event", "explain", "replay"] {
            let said = desk.says(&format!("{command} {file}")).await;
            assert_eq!(said.code, 1, "{command}: {}", said.out);
            let told = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(told.contains("concerns no route"), "{told}");
            assert!(!told.contains("name it as the source"), "{told}");
        }
    }
}
