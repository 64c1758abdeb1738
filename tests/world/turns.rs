//! Many routes fail over at once: who waits for whom at ELB's bucket, and what a wait may and may not cost.

#![expect(clippy::unwrap_used, reason = "a world that cannot be read fails the test that asked")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use writerlink_core::actuation::quota::Quota;
use writerlink_core::evidence::discovery::CONFIRM_EVERY;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::evidence::trigger::{CommandKind, OperatorCommand};
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::Strategy;
use writerlink_engine::attempt::{OperatorCommands, Ordered};
use writerlink_engine::ports::{Depth, ErrorKind, Ledger};
use writerlink_engine::timer::INTERVAL;
use writerlink_sim::event_bodies;
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::load_balancer::{Action, Mutation};
use writerlink_sim::target_group::{Difference, TargetDescription};
use writerlink_sim::world::WorldConfig;

use crate::rig::Rig;
use crate::rig::invariants::Invariants;

const SECOND: Duration = Duration::from_secs(1);

/// How many routes lie in the zone that fails: 120 calls, of which 20 are free and 100 take 25 s.
const ROUTES: usize = 60;

/// ELB's limit for the registrations of [`ROUTES`] alone, and for all of their calls.
const REGISTERED_BY: Duration = Duration::from_secs(10);
const DONE_BY: Duration = Duration::from_secs(25);

fn names(routes: usize) -> Vec<String> {
    (1..=routes).map(|n| format!("r{n:03}")).collect()
}

async fn zone_with(routes: usize, fleet: FleetConfig) -> Rig {
    let names = names(routes);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rig = Rig::with(&names, WorldConfig::default(), fleet).await;
    rig.every_call_takes(Duration::from_millis(20));
    rig
}

async fn zone() -> Rig {
    zone_with(ROUTES, FleetConfig::default()).await
}

fn fail_over(rig: &Rig) {
    for route in 0..rig.routes.len() {
        rig.fleet.world.deliver(&rig.started(route, 2, 0));
    }
}

fn moved(rig: &Rig) -> usize {
    let alone = |route: &usize| rig.registered(*route) == [rig.target(*route, 2)];
    (0..rig.routes.len()).filter(alone).count()
}

async fn until_drained(rig: &Rig, at_most: Duration) {
    let from = rig.fleet.world.fabric.time.elapsed();
    while rig.fleet.world.sqs.depth() != Depth::default() {
        let waited = rig.fleet.world.fabric.time.elapsed().saturating_sub(from);
        assert!(waited < at_most, "{:?} are left", rig.fleet.world.sqs.depth());
        tokio::time::sleep(SECOND / 10).await;
    }
}

fn changes(rig: &Rig, action: Action) -> Vec<Mutation> {
    let mutations = rig.fleet.world.elb.mutations().into_iter();
    mutations.filter(|m| m.action == action && m.difference != Difference::Unchanged).collect()
}

fn last(changes: &[Mutation]) -> Duration {
    changes.iter().map(|m| m.at).max().unwrap_or_default()
}

fn refused(rig: &Rig, workers: &[&str]) -> u64 {
    let elb = &rig.fleet.world.elb;
    let made: u64 = workers.iter().map(|name| elb.mutating_calls(name)).sum();
    made - u64::try_from(elb.mutations().len()).unwrap()
}

async fn state(rig: &Rig, route: usize) -> RouteState {
    let outsider = rig.fleet.world.process("outsider");
    let ledger = rig.fleet.dynamo.ledger(&outsider);
    let name = rig.routes[route].name.clone();
    ledger.peek(&name).await.unwrap().unwrap()
}

fn twentieth(limit: Duration) -> Duration {
    limit + limit / 20
}

#[tokio::test(start_paused = true)]
async fn all_routes_of_a_zone_register_before_the_first_deregisters() {
    let rig = zone().await;
    fail_over(&rig);
    let _worker = rig.start("w1");
    until_drained(&rig, twentieth(DONE_BY)).await;
    let (registered, deregistered) = (changes(&rig, Action::Register), changes(&rig, Action::Deregister));
    assert_eq!((registered.len(), deregistered.len()), (ROUTES, ROUTES));
    let first = deregistered.iter().map(|m| m.at).min().unwrap();
    assert!(last(&registered) <= first, "{:?} > {first:?}", last(&registered));
    assert!(last(&registered) <= twentieth(REGISTERED_BY));
    assert!(last(&deregistered) <= twentieth(DONE_BY));
    assert_eq!(refused(&rig, &["w1"]), 0, "no call is made to be refused");
    assert_eq!(moved(&rig), ROUTES);
}

#[tokio::test(start_paused = true)]
async fn a_wait_holds_no_lease_and_takes_no_attempt_of_the_events() {
    let rig = zone().await;
    fail_over(&rig);
    let _worker = rig.start("w1");
    tokio::time::sleep(REGISTERED_BY / 2).await;
    let first = state(&rig, 0).await;
    assert!(first.control.desired.is_some(), "its move is announced");
    assert_eq!(first.control.lease, None);
    assert_eq!(rig.registered(0).len(), 2, "registered, and not yet alone");
    until_drained(&rig, DONE_BY).await;
    let chain = rig.chain(0).await;
    let told: Vec<_> = chain
        .iter()
        .map(|s| (s.record.entry.kind, s.record.entry.attempt))
        .filter(|(kind, _)| *kind != RecordKind::TargetHealthy)
        .collect();
    assert_eq!(
        told,
        [
            (RecordKind::Started, 1),
            (RecordKind::Deferred, 1),
            (RecordKind::Resumed, 1),
            (RecordKind::Finished, 1)
        ]
    );
    assert_eq!(chain[1].record.entry.reason, Some(Reason::AwaitsQuota), "{}", chain[1].record.entry.note);
}

#[tokio::test(start_paused = true)]
async fn what_a_wait_costs_a_route_does_not_grow_with_how_many_wait() {
    let mut written = BTreeMap::new();
    for routes in [ROUTES, 3 * ROUTES] {
        let rig = zone_with(routes, FleetConfig::default()).await;
        fail_over(&rig);
        let _worker = rig.start("w1");
        until_drained(&rig, 4 * DONE_BY).await;
        let writes = rig.calls("w1").into_iter();
        let writes = writes.filter(|call| *call == "ExecuteTransaction").count();
        written.insert(routes, writes / routes);
    }
    assert!(written[&(3 * ROUTES)] <= written[&ROUTES] + 1, "writes a route: {written:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_in_the_wait_is_in_force_at_once_and_no_call_follows_it() {
    let rig = zone().await;
    fail_over(&rig);
    let _worker = rig.start("w1");
    tokio::time::sleep(REGISTERED_BY / 2).await;
    let person = rig.fleet.world.process("person");
    let commands = OperatorCommands::new(
        &rig.fleet.ports(&person),
        Owner::new("person"),
        FleetConfig::default().attempts,
    );
    let order = OperatorCommand {
        at: rig.fleet.world.fabric.time.now(),
        by: "person".to_owned(),
        reason: "a test".to_owned(),
        act: CommandKind::Pause { within: None },
        overrides: Vec::new(),
    };
    let ordered = commands.order(&rig.routes[0], &order).await.unwrap();
    assert!(matches!(ordered, Ordered::InForce(_)), "{ordered:?}");
    until_drained(&rig, DONE_BY).await;
    assert_eq!(rig.registered(0).len(), 2, "as it was when it was paused");
    assert_eq!(moved(&rig), ROUTES - 1);
    let story = rig.story(0).await;
    assert!(story.contains(&(RecordKind::Finished, Some(Outcome::Paused))), "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn newer_evidence_that_comes_in_the_wait_makes_the_older_one_need_no_call() {
    let rig = zone().await;
    fail_over(&rig);
    let _worker = rig.start("w1");
    tokio::time::sleep(SECOND).await;
    let waiting = ROUTES - 1;
    assert_eq!(rig.registered(waiting), [rig.target(waiting, 1)], "its turn is far away");
    rig.fleet.world.deliver(&rig.completed(waiting, 3, 1));
    until_drained(&rig, 2 * DONE_BY).await;
    assert_eq!(rig.registered(waiting), [rig.target(waiting, 3)]);
    let of_route = |m: &&Mutation| m.group == rig.routes[waiting].group.arn;
    let registered = changes(&rig, Action::Register);
    let registered: Vec<_> = registered.iter().filter(of_route).map(|m| m.target).collect();
    assert_eq!(registered, [rig.target(waiting, 3)], "the older one cost no call");
    let story = rig.story(waiting).await;
    assert_eq!(
        story[..4],
        [
            (RecordKind::Deferred, None),
            (RecordKind::Finished, Some(Outcome::Superseded)),
            (RecordKind::Started, None),
            (RecordKind::Deferred, None)
        ],
        "that the first one waits, and one terminal record each, in order"
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_while_it_waits_for_quota_leaves_nothing_stuck() {
    let rig = zone().await;
    let invariants = Invariants::watch(&rig);
    invariants.plan(Box::new(|_: &CallSite| Fate::in_a_round_trip(SECOND / 50)));
    for route in 0..ROUTES {
        let body = event_bodies::eventbridge(&rig.started(route, 2, 0));
        invariants.deliver(&rig, rig.routes[route].name.as_str(), &body);
    }
    let dying = rig.start("w1");
    tokio::time::sleep(REGISTERED_BY / 2).await;
    dying.process.kill();
    assert!(!dying.ended().await);
    let _worker = rig.start("w2");
    until_drained(&rig, 3 * DONE_BY).await;
    assert_eq!(moved(&rig), ROUTES);
    assert_eq!(invariants.verdict(&rig), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn two_workers_share_the_bucket_and_no_event_fails_for_it() {
    let rig = zone().await;
    fail_over(&rig);
    let _workers = [rig.start("w1"), rig.start("w2")];
    until_drained(&rig, 2 * DONE_BY).await;
    assert_eq!(moved(&rig), ROUTES);
    let ends = rig.told.ends();
    assert!(!ends.contains(&"Failed") && !ends.contains(&"Deferred"), "{ends:?}");
    assert!(rig.fleet.world.dead_letters.messages().is_empty());
    let refused = refused(&rig, &["w1", "w2"]);
    // Each believes at first that all of it is its own: the second burst of 20 is refused.
    assert!(refused <= 2 * 20, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_for_its_rate_is_no_failure_of_the_event() {
    let rig = zone_with(1, FleetConfig::default()).await;
    let elb = &rig.fleet.world.elb;
    // A person uses the bucket up, and again whenever there is something in it.
    let greedy = |times: usize| {
        for _ in 0..times {
            drop(elb.register("person", &rig.routes[0].group.arn, &[]));
        }
    };
    greedy(20);
    fail_over(&rig);
    let _worker = rig.start("w1");
    for _ in 0..6000 {
        greedy(1);
        tokio::time::sleep(SECOND / 100).await;
    }
    let refused = refused(&rig, &["w1"]);
    let attempts_max = FleetConfig::default().attempts.attempts_max;
    assert!(refused > attempts_max.into(), "{refused} in a minute without room");
    until_drained(&rig, 2 * 60 * SECOND).await;
    assert_eq!(moved(&rig), 1);
    assert!(rig.fleet.world.dead_letters.messages().is_empty());
}

const REFUSED_LOOK: &str =
    "DescribeTargetHealth failed (throttled, ThrottlingException): Rate exceeded; it comes back in ";

/// From now on no look is let through, until somebody says otherwise.
fn refuse_looks(rig: &Rig) -> Arc<AtomicBool> {
    let crowded = Arc::new(AtomicBool::new(true));
    let others_ask = Arc::clone(&crowded);
    let plan = move |site: &CallSite| {
        if site.call == "DescribeTargetHealth" && others_ask.load(Ordering::Relaxed) {
            Fate::meets(Fault::Refused(ErrorKind::Throttled))
        } else {
            Fate::in_a_round_trip(Duration::from_millis(20))
        }
    };
    rig.fleet.world.fabric.set_plan(Box::new(plan));
    crowded
}

/// For five minutes no look is let through; then the route is moved, as if nothing had been.
async fn looks_are_refused(rig: &Rig) {
    let crowded = refuse_looks(rig);
    fail_over(rig);
    let _worker = rig.start("w1");
    tokio::time::sleep(300 * SECOND).await;
    assert!(rig.fleet.world.dead_letters.messages().is_empty());
    let waited = rig.chain(0).await.pop().unwrap().record.entry;
    let seconds = waited.note.strip_prefix(REFUSED_LOOK);
    let waits = matches!(seconds, Some("6 s" | "7 s" | "8 s"));
    assert!(waits, "{}", waited.note);
    let reports = rig.told.reports();
    let ended = &reports.last().unwrap().ended;
    assert_eq!((ended.as_str(), ended.note()), ("Waits", waited.note));
    crowded.store(false, Ordering::Relaxed);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(rig.told.ends().last(), Some(&"Moved"));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_describe_call_is_no_failure_of_the_event() {
    looks_are_refused(&zone_with(1, FleetConfig::default()).await).await;
}

#[tokio::test(start_paused = true)]
async fn nor_is_it_where_calls_are_not_counted() {
    let mut fleet = FleetConfig::default();
    fleet.attempts.quota = None;
    looks_are_refused(&zone_with(1, fleet).await).await;
}

#[tokio::test(start_paused = true)]
async fn nor_is_it_on_a_weighted_route() {
    let mut rig = zone_with(1, FleetConfig::default()).await;
    rig.make_weighted(0);
    looks_are_refused(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waited_for_a_describe_call_records_what_it_found() {
    for weighted in [false, true] {
        let mut rig = zone_with(1, FleetConfig::default()).await;
        if weighted {
            rig.make_weighted(0);
        }
        rig.fleet.world.deliver(&rig.started(0, 2, 0));
        assert!(rig.run("w1").await);
        tokio::time::sleep(60 * SECOND).await;
        let crowded = refuse_looks(&rig);
        rig.fleet.world.deliver(&rig.completed(0, 2, 60));
        let _worker = rig.start("w2");
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(rig.told.ends().last(), Some(&"Waits"));
        crowded.store(false, Ordering::Relaxed);
        tokio::time::sleep(60 * SECOND).await;
        let ends = rig.told.ends();
        assert_eq!((ends[0], ends.last()), ("Moved", Some(&"AlreadyThere")));
    }
}

/// Every registration is refused for its rate, for ever.
fn no_room_at_all(rig: &Rig) {
    let plan = |site: &CallSite| match site.call {
        "RegisterTargets" => Fate::meets(Fault::Refused(ErrorKind::Throttled)),
        _ => Fate::in_a_round_trip(Duration::from_millis(20)),
    };
    rig.fleet.world.fabric.set_plan(Box::new(plan));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_never_gets_quota_is_settled_before_the_queue_drops_it() {
    let rig = zone_with(1, FleetConfig::default()).await;
    no_room_at_all(&rig);
    fail_over(&rig);
    assert!(rig.run("w1").await);
    let waited = rig.fleet.world.fabric.time.elapsed();
    assert!(waited > 4 * 60 * 60 * SECOND, "{waited:?}");
    assert_eq!(rig.told.ends().last(), Some(&"Failed"));
    let last = rig.chain(0).await.pop().unwrap().record.entry;
    assert_eq!((last.kind, last.outcome), (RecordKind::Finished, Some(Outcome::Failed)));
    let letters = rig.fleet.world.dead_letters.messages();
    assert_eq!(letters.len(), 1, "handed over by the worker, with its record");
}

#[tokio::test(start_paused = true)]
async fn three_minutes_without_quota_write_few_records_and_the_move_follows() {
    let rig = zone_with(1, FleetConfig::default()).await;
    no_room_at_all(&rig);
    fail_over(&rig);
    let _worker = rig.start("w1");
    tokio::time::sleep(180 * SECOND).await;
    let records = rig.chain(0).await.len();
    assert!(records < 64, "{records} records of one event that waits");
    rig.fleet.world.fabric.set_plan(Box::new(|_: &CallSite| Fate::in_a_round_trip(SECOND / 50)));
    tokio::time::sleep(12 * SECOND).await;
    assert_eq!(rig.told.ends().last(), Some(&"Moved"));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_weighted_route_fails_and_keeps_no_place_in_the_queue() {
    let mut rig = zone_with(2, FleetConfig::default()).await;
    rig.make_weighted(0);
    let group = rig.routes[0].group_of(&rig.instance(0, 2).id).unwrap().arn.clone();
    let elb = &rig.fleet.world.elb;
    elb.deregister("somebody", &group, &[TargetDescription::of(rig.target(0, 2), None)]).unwrap();
    tokio::time::sleep(400 * SECOND).await;
    no_room_at_all(&rig);
    rig.fleet.world.deliver(&rig.completed(0, 2, 390));
    let _worker = rig.start("w1");
    tokio::time::sleep(120 * SECOND).await;
    let reports = rig.told.reports();
    let reasons: Vec<_> = reports.iter().map(|report| report.ended.as_str()).collect();
    assert!(reasons.contains(&"Failed"), "{reasons:?}");
    assert!(!reasons.contains(&"Waits"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_weighted_route_does_not_wait_for_a_bucket_that_it_does_not_need() {
    let mut rig = zone().await;
    let weighted = ROUTES - 1;
    rig.make_weighted(weighted);
    fail_over(&rig);
    let _worker = rig.start("w1");
    tokio::time::sleep(SECOND).await;
    assert_eq!(rig.registered(weighted), [rig.target(weighted, 2)]);
    assert!(moved(&rig) < ROUTES / 2, "the others wait");
}

#[tokio::test(start_paused = true)]
async fn weights_changed_from_outside_are_repaired_while_others_wait_for_quota() {
    let mut rig = zone_with(4 * ROUTES, FleetConfig::default()).await;
    let weighted = 0;
    rig.make_weighted(weighted);
    let Strategy::Weighted(strategy) = rig.routes[weighted].strategy.clone() else {
        unreachable!("it was made so");
    };
    let elb = &rig.fleet.world.elb;
    let before = elb.weights(&strategy.listener);
    fail_over(&rig);
    let _worker = rig.start("w1");
    tokio::time::sleep(SECOND).await;
    assert_eq!(rig.registered(weighted), [rig.target(weighted, 2)]);
    elb.modify_listener("somebody", &strategy.listener, &before).unwrap();
    assert_eq!(rig.registered(weighted), [rig.target(weighted, 1)]);
    tokio::time::sleep(INTERVAL + 5 * SECOND).await;
    assert_eq!(rig.registered(weighted), [rig.target(weighted, 2)]);
    assert!(moved(&rig) < 3 * ROUTES, "the others wait");
}

#[tokio::test(start_paused = true)]
async fn routes_that_the_timer_moves_take_their_turns_too() {
    let mut fleet = FleetConfig::default();
    fleet.attempts.quota = Some(Quota { burst: 2, per_second: 1 });
    let mut rig = zone_with(ROUTES, fleet).await;
    for route in &mut rig.routes {
        route.policy.discovery = [DiscoverySource::Rds].into();
    }
    let _worker = rig.start("w1");
    tokio::time::sleep(60 * SECOND).await;
    let failed_over = rig.fleet.world.fabric.time.elapsed();
    for name in names(ROUTES) {
        let cluster = SourceId::new(&name).unwrap();
        let to = InstanceId::new(&format!("{name}-2")).unwrap();
        rig.fleet.world.rds.fail_over(&cluster, &to).unwrap();
    }
    tokio::time::sleep(5 * 60 * SECOND).await;
    assert_eq!(moved(&rig), ROUTES);
    assert_eq!(refused(&rig, &["w1"]), 0);
    // Nobody else comes back for a place that the timer took: it does so itself, in time, for both of its calls.
    let calls = u32::try_from(2 * ROUTES - 2).unwrap();
    let believed = INTERVAL + 3 * CONFIRM_EVERY;
    let done = last(&changes(&rig, Action::Deregister));
    assert!(done <= failed_over + calls * SECOND + believed, "{done:?}");
}

/// Both messages in one hand, the older one first; how the attempts end, and the mutating calls.
async fn in_one_hand(older: &RdsEvent, newer: &RdsEvent) -> (Vec<&'static str>, u64) {
    let rig = Rig::new(&["r001"]).await;
    rig.fleet.world.deliver(older);
    rig.fleet.world.deliver(newer);
    tokio::time::sleep(60 * SECOND).await;
    assert!(rig.run("w1").await);
    (rig.told.ends(), rig.fleet.world.elb.mutating_calls("w1"))
}

#[tokio::test(start_paused = true)]
async fn only_evidence_that_would_be_superseded_is_settled_without_its_calls() {
    let rig = Rig::new(&["r001"]).await;
    let started = |n, second| rig.started(0, n, second);
    let (ends, calls) = in_one_hand(&started(2, 0), &rig.completed(0, 3, 30)).await;
    assert_eq!((ends, calls), (vec!["Superseded", "Moved"], 2));
    // Older evidence behind it changes nothing for the one in hand.
    let (ends, calls) = in_one_hand(&started(2, 30), &started(3, 0)).await;
    assert_eq!((ends, calls), (vec!["Moved", "Superseded"], 2));
    // The same instance twice: the older one has the better place in the line, and asks for the same calls.
    let (ends, calls) = in_one_hand(&started(2, 0), &rig.completed(0, 2, 30)).await;
    assert_eq!((ends, calls), (vec!["Moved", "AlreadyThere"], 2));
    // What lies ahead of the clock the next worker may refuse.
    let ahead = rig.completed(0, 3, 65);
    let (ends, _) = in_one_hand(&started(2, 0), &ahead).await;
    assert_eq!(ends, ["Moved", "Moved"]);
    // An instance that is not the route's moves nothing, however new.
    let mut stranger = started(3, 30);
    stranger.message = "Started cross AZ failover to DB instance: stranger-1".to_owned();
    let (ends, calls) = in_one_hand(&started(2, 0), &stranger).await;
    assert_eq!((ends, calls), (vec!["Moved", "Rejected"], 2));
}

#[tokio::test(start_paused = true)]
async fn evidence_that_was_settled_before_supersedes_nothing() {
    let mut rig = Rig::new(&["r001"]).await;
    let known = rig.routes[0].instances.clone();
    let third = rig.instance(0, 3).id;
    rig.routes[0].instances.remove(&third);
    rig.fleet.world.deliver(&rig.completed(0, 3, 30));
    tokio::time::sleep(60 * SECOND).await;
    assert!(rig.run("w1").await);
    assert_eq!(rig.told.ends(), ["Rejected"]);
    // The map is mended; the same event is delivered again, behind an older one.
    rig.routes[0].instances = known;
    tokio::time::sleep(6 * 60 * SECOND).await;
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    rig.fleet.world.deliver(&rig.completed(0, 3, 30));
    assert!(rig.run("w2").await);
    assert_eq!(rig.told.ends(), ["Rejected", "Moved", "Duplicate"]);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}
