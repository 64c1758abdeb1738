//! What the worker promises, told as scenarios: the real worker, in the embedded world, under paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use writerlink_core::evidence::event::EventId;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::route::OnStarted;
use writerlink_core::model::target::TargetHealth;
use writerlink_engine::attempt::{NoMessage, Reconciler, Report};
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::worker::RECEIVE_WAIT;
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::world::WorldConfig;

use crate::rig::Rig;

const STARTED: (RecordKind, Option<Outcome>) = (RecordKind::Started, None);
const RESUMED: (RecordKind, Option<Outcome>) = (RecordKind::Resumed, None);
const DEFERRED: (RecordKind, Option<Outcome>) = (RecordKind::Deferred, None);

fn finished(outcome: Outcome) -> (RecordKind, Option<Outcome>) {
    (RecordKind::Finished, Some(outcome))
}

/// A plan that gives `fault` to every call of this name, and works otherwise.
fn always(call: &'static str, fault: Fault) -> Box<dyn writerlink_sim::faults::FaultPlan> {
    Box::new(move |site: &CallSite| if site.call == call { Fate::meets(fault) } else { Fate::WORKS })
}

/// A plan that gives `fault` to the `nth` call of this name (from 1), and works otherwise.
fn once(call: &'static str, nth: u32, fault: Fault) -> Box<dyn writerlink_sim::faults::FaultPlan> {
    let mut seen = 0;
    Box::new(move |site: &CallSite| {
        seen += u32::from(site.call == call);
        if site.call == call && seen == nth { Fate::meets(fault) } else { Fate::WORKS }
    })
}

/// From the beginning of the world until then every call of the ledger is refused.
fn the_ledger_refuses_until(rig: &Rig, end: Duration, kind: ErrorKind) {
    let fabric = &rig.fleet.world.fabric;
    let time = fabric.time;
    fabric.set_plan(Box::new(move |site: &CallSite| {
        let calls = ["GetItem", "ExecuteTransaction", "ExecuteStatement"];
        if calls.contains(&site.call) && time.elapsed() < end {
            Fate::meets(Fault::Refused(kind))
        } else {
            Fate::WORKS
        }
    }));
}

#[tokio::test(start_paused = true)]
async fn a_started_failover_moves_the_group_and_the_ledger_tells_it() {
    let rig = Rig::new(&["orders"]).await;
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(rig.run("w1").await);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(rig.story(0).await, [STARTED, finished(Outcome::Moved)]);
    let chain = rig.chain(0).await;
    let end = &chain[1].record.entry;
    assert_eq!(end.before[0].target, rig.target(0, 1));
    let still: Vec<_> = end.after.iter().filter(|row| row.is_registered()).collect();
    assert_eq!(still[0].target, rig.target(0, 2));
    assert_eq!(end.trigger.as_ref().unwrap().text(), "Started cross AZ failover to DB instance: orders-2");
    assert!(end.steps.iter().any(|step| step.name == "RegisterTargets" && step.request_id.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_swap_registers_after_two_round_trips_and_deregisters_after_three() {
    let mut fleet = FleetConfig::default();
    fleet.limits.reconciling.interval = None;
    let rig = Rig::with(&["orders"], WorldConfig::default(), fleet).await;
    let round_trip = Duration::from_millis(100);
    rig.every_call_takes(round_trip);
    let worker = rig.start("w1");
    tokio::time::sleep(Duration::from_secs(5)).await;
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let report = rig.told.reports().pop().unwrap();
    assert_eq!(report.registered(), Some(2 * round_trip));
    assert_eq!(report.swapped(), Some(3 * round_trip));
    assert_eq!(report.took, 5 * round_trip, "observe again, then finish");
    let mutating: Vec<_> = rig
        .calls("w1")
        .into_iter()
        .filter(|call| !matches!(*call, "ReceiveMessage" | "GetItem" | "ExecuteStatement"))
        .collect();
    let mut expected = vec!["ExecuteTransaction", "DescribeTargetHealth", "RegisterTargets"];
    expected.extend(["DeregisterTargets", "DescribeTargetHealth", "ExecuteTransaction"]);
    expected.push("DeleteMessage");
    let mut in_any_order = mutating.clone();
    in_any_order[1..3].sort_unstable();
    assert_eq!(in_any_order, expected);
    drop(worker);
}

/// Each worker's timer reads every route's state, so what another one did is old news after an interval.
#[tokio::test(start_paused = true)]
async fn a_route_that_another_worker_moved_costs_no_round_trips_after_a_pass() {
    let rig = Rig::new(&["orders"]).await;
    let round_trip = Duration::from_millis(100);
    rig.every_call_takes(round_trip);
    let workers = [rig.start("w1"), rig.start("w2")];
    tokio::time::sleep(Duration::from_secs(5)).await;
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_mins(10)).await;
    rig.fleet.world.deliver(&rig.completed(0, 3, 590));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let registered = |worker| {
        let calls = rig.calls(worker);
        calls.iter().filter(|c| **c == "RegisterTargets").count()
    };
    assert_eq!([registered("w1"), registered("w2")], [1, 1]);
    let reports = rig.told.reports();
    let took: Vec<_> = reports.iter().map(Report::registered).collect();
    assert_eq!(took, [Some(2 * round_trip), Some(2 * round_trip)]);
    drop(workers);
}

#[tokio::test(start_paused = true)]
async fn the_same_event_delivered_twice_costs_no_elb_call_the_second_time() {
    let rig = Rig::new(&["orders"]).await;
    let event = rig.started(0, 2, 0);
    rig.fleet.world.deliver(&event);
    assert!(rig.run("w1").await);
    let before = rig.load_balancer_calls();
    // As SNS tells the same event: another text, so the queue's own deduplication does not see it.
    let body = writerlink_sim::event_bodies::sns_envelope(&event);
    rig.fleet.world.sqs.send("orders", &body);
    assert!(rig.run("w2").await, "a worker that has not heard of the first delivery");
    assert_eq!(rig.load_balancer_calls(), before);
    assert_eq!(rig.told.ends(), ["Moved", "Duplicate"]);
    assert_eq!(rig.story(0).await.len(), 2, "one terminal record per event");
}

#[tokio::test(start_paused = true)]
async fn an_older_event_that_arrives_late_moves_nothing_and_is_recorded() {
    let rig = Rig::new(&["orders"]).await;
    rig.fleet.world.deliver(&rig.completed(0, 3, 50));
    rig.fleet.world.deliver(&rig.started(0, 2, 40));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(rig.run("w1").await);
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
    let story = rig.story(0).await;
    assert_eq!(story, [STARTED, finished(Outcome::Moved), finished(Outcome::Superseded)]);
}

#[tokio::test(start_paused = true)]
async fn the_completed_event_confirms_what_the_started_one_did() {
    let rig = Rig::new(&["orders"]).await;
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(rig.run("w1").await);
    tokio::time::sleep(Duration::from_secs(30)).await;
    rig.fleet.world.deliver(&rig.completed(0, 2, 30));
    assert!(rig.run("w2").await);
    assert_eq!(rig.told.ends(), ["Moved", "AlreadyThere"]);
    let registrations = [rig.calls("w1"), rig.calls("w2")]
        .iter()
        .flatten()
        .filter(|call| **call == "RegisterTargets")
        .count();
    assert_eq!(registrations, 1, "what is there is looked at, not registered again");
}

#[tokio::test(start_paused = true)]
async fn a_failing_register_never_leads_to_a_deregistration_and_ends_as_failed() {
    let rig = Rig::new(&["orders"]).await;
    let refused = Fault::Refused(ErrorKind::Invalid);
    rig.fleet.world.fabric.set_plan(always("RegisterTargets", refused));
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(rig.run("w1").await);
    assert_eq!(rig.registered(0), [rig.target(0, 1)], "the group keeps its old target");
    assert!(!rig.calls("w1").contains(&"DeregisterTargets"));
    let story = rig.story(0).await;
    assert_eq!(story.first(), Some(&STARTED));
    assert_eq!(story[1], DEFERRED);
    assert_eq!(story.last(), Some(&finished(Outcome::Failed)));
    assert_eq!(story.iter().filter(|(kind, _)| *kind == RecordKind::Resumed).count(), 5);
    let end = rig.chain(0).await.pop().unwrap().record.entry;
    assert_eq!(end.reason, Some(Reason::CallFailed));
    assert!(end.note.contains("InvalidTarget"), "{}", end.note);
    assert_eq!(rig.fleet.world.dead_letters.messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_message_is_dead_lettered_at_once_and_blocks_nobody() {
    let rig = Rig::new(&["orders"]).await;
    rig.fleet.world.sqs.send("orders", r#"{"detail-type": "RDS DB Cluster Event", "source": "aws.rds"}"#);
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(rig.run("w1").await);
    assert_eq!(rig.fleet.world.dead_letters.messages().len(), 1);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let lines = rig.told.lines.lock().unwrap().clone();
    assert!(lines.iter().any(|line| line.starts_with("Malformed")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_not_the_routes_is_rejected_without_a_call() {
    let rig = Rig::new(&["orders"]).await;
    let mut event = rig.started(0, 2, 0);
    event.message = "Started cross AZ failover to DB instance: stranger-9".into();
    rig.fleet.world.deliver(&event);
    assert!(rig.run("w1").await);
    assert_eq!(rig.load_balancer_calls(), 0);
    assert_eq!(rig.story(0).await, [finished(Outcome::Rejected)]);
    assert_eq!(rig.fleet.world.dead_letters.messages().len(), 1, "it needs a person");
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_holds_its_group_back_and_releases_the_rest() {
    let rig = Rig::new(&["orders", "billing"]).await;
    rig.fleet.world.fabric.set_plan(once("RegisterTargets", 1, Fault::Refused(ErrorKind::Unreachable)));
    // The one behind is older: newer evidence would make the first one need no call at all.
    rig.fleet.world.deliver(&rig.completed(0, 3, 30));
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(rig.run("w1").await);
    assert_eq!(rig.told.ends(), ["Deferred", "Moved", "Superseded"], "in the order of the group");
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
    let released = rig.calls("w1").iter().filter(|c| **c == "ChangeMessageVisibility").count();
    assert_eq!(released, 2, "the failed one to its pause, the one behind it to now");
}

#[tokio::test(start_paused = true)]
async fn a_worker_killed_before_deregistering_is_resumed_by_the_next_delivery() {
    let rig = Rig::new(&["orders"]).await;
    rig.fleet.world.fabric.set_plan(once("DeregisterTargets", 1, Fault::DiesBefore));
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(!rig.run("w1").await, "it dies");
    assert_eq!(rig.registered(0).len(), 2, "half done: never empty, not yet right");
    assert!(rig.run("w2").await);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(rig.story(0).await, [STARTED, RESUMED, finished(Outcome::Moved)]);
}

/// By the wall clock of the one who died it would be held for 34 seconds.
#[tokio::test(start_paused = true)]
async fn a_lease_that_stands_still_is_taken_over_whatever_its_clock_said() {
    let rig = Rig::new(&["orders"]).await;
    let fabric = &rig.fleet.world.fabric;
    fabric.set_plan(once("RegisterTargets", 1, Fault::DiesBefore));
    let event = rig.started(0, 2, 0);
    rig.fleet.world.deliver(&event);
    let worker = rig.start("w1");
    worker.process.clock.set_skew_ms(9_000);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!worker.process.is_alive());
    let person = rig.fleet.world.process("person");
    let attempts = FleetConfig::default().attempts;
    let reconciler = Reconciler::new(&rig.fleet.ports(&person), Owner::new("person"), attempts);
    let evidence = Evidence::new(&rig.routes[0], event);
    let mut ends = Vec::new();
    for wait in [0, 10, 7] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let route = &rig.routes[0];
        let attempt = reconciler.attempt(route, &evidence, Cause::Replay, &NoMessage);
        ends.push(attempt.await.ended.as_str());
    }
    assert_eq!(ends, ["Busy", "Busy", "Moved"]);
    drop(worker);
}

/// Who resumes a move finds nothing to do, and tells what the event did all the same.
#[tokio::test(start_paused = true)]
async fn a_move_whose_worker_died_after_its_last_call_is_told_as_a_move() {
    let rig = Rig::new(&["orders"]).await;
    let fabric = &rig.fleet.world.fabric;
    fabric.set_plan(once("DeregisterTargets", 1, Fault::DiesAfter));
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(!rig.run("w1").await, "it dies");
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert!(rig.run("w2").await);
    let story = [STARTED, RESUMED, finished(Outcome::Moved)];
    assert_eq!(rig.story(0).await, story);
}

#[tokio::test(start_paused = true)]
async fn a_failback_while_the_old_target_still_drains_takes_it_back() {
    let rig = Rig::new(&["orders"]).await;
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(rig.run("w1").await);
    tokio::time::sleep(Duration::from_mins(1)).await;
    let back = rig.event(0, EventId::PREVIOUS_PRIMARY_PROMOTED, 1, 60);
    rig.fleet.world.deliver(&back);
    assert!(rig.run("w2").await);
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    let rows = rig.fleet.world.elb.rows(&rig.routes[0].group.arn);
    let draining: Vec<_> = rows.iter().filter(|row| row.health == TargetHealth::Draining).collect();
    assert_eq!(draining[0].target, rig.target(0, 2));
}

#[tokio::test(start_paused = true)]
async fn on_started_register_keeps_the_old_target_until_the_failover_completes() {
    let mut rig = Rig::new(&["orders"]).await;
    rig.routes[0].on_started = OnStarted::Register;
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(rig.run("w1").await);
    assert_eq!(rig.registered(0), [rig.target(0, 1), rig.target(0, 2)]);
    rig.fleet.world.deliver(&rig.completed(0, 2, 30));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(rig.run("w2").await);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(rig.told.ends(), ["Registered", "Moved"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_slower_than_a_lease_lengthens_lease_and_visibility_together() {
    let rig = Rig::new(&["orders"]).await;
    rig.every_call_takes(Duration::from_millis(4900));
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    let (one, other) = (rig.start("w1"), rig.start("w2"));
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(rig.told.ends(), ["Moved"], "nobody else received the message meanwhile");
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let calls = [rig.calls("w1"), rig.calls("w2")].concat();
    assert!(calls.contains(&"ExecuteStatement"), "the lease was lengthened");
    assert!(calls.contains(&"ChangeMessageVisibility"), "so was the visibility");
    drop((one, other));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_wakes_after_its_lease_makes_no_elb_call_and_reports_it() {
    let rig = Rig::new(&["orders"]).await;
    let stall = Fault::Stall(Duration::from_mins(1));
    rig.fleet.world.fabric.set_plan(once("RegisterTargets", 1, stall));
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    let sleeper = rig.start("w1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other = rig.start("w2");
    tokio::time::sleep(Duration::from_mins(5)).await;
    // The other worker's timer is sooner than the message; which then finds the move done.
    let ends = rig.told.ends();
    assert_eq!(ends.last(), Some(&"LeaseLost"), "{ends:?}");
    assert!(ends[..ends.len() - 1].iter().all(|end| *end == "Moved"), "{ends:?}");
    let late: Vec<_> = rig.calls("w1").into_iter().filter(|c| *c == "DeregisterTargets").collect();
    assert_eq!(late, Vec::<&str>::new());
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    drop((sleeper, other));
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_ledger_means_no_call_and_no_lost_message() {
    let rig = Rig::new(&["orders"]).await;
    let ten_minutes = Duration::from_mins(10);
    the_ledger_refuses_until(&rig, ten_minutes, ErrorKind::Throttled);
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    let worker = rig.start("w1");
    tokio::time::sleep(Duration::from_secs(590)).await;
    assert_eq!(rig.load_balancer_calls(), 0);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(rig.fleet.world.dead_letters.messages().len(), 0);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_asked_to_stop_finishes_what_is_in_hand() {
    let rig = Rig::new(&["orders"]).await;
    rig.every_call_takes(Duration::from_secs(1));
    let worker = rig.start("w1");
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    worker.stop();
    assert!(worker.ended().await);
    assert_eq!(rig.told.ends(), ["Moved"]);
    assert_eq!(rig.fleet.world.sqs.depth().in_flight, 0, "and deletes its message");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_finish_in_time_lets_go_and_the_next_one_resumes() {
    let mut fleet = FleetConfig::default();
    fleet.limits.drain_timeout = Duration::from_secs(2);
    let rig = Rig::with(&["orders"], WorldConfig::default(), fleet).await;
    rig.every_call_takes(Duration::from_secs(4));
    let worker = rig.start("w1");
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_secs(13)).await;
    worker.stop();
    assert!(worker.ended().await);
    assert!(rig.told.lines.lock().unwrap().iter().any(|line| line.starts_with("Released")));
    assert!(rig.run("w2").await);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn two_workers_settle_200_events_over_20_routes_exactly_once_each() {
    let names: Vec<String> = (0..20).map(|n| format!("route-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rig = Rig::new(&names).await;
    rig.every_call_takes(Duration::from_millis(20));
    let workers = (rig.start("w1"), rig.start("w2"));
    for round in 0..10_u64 {
        for route in 0..names.len() {
            let n = 1 + usize::try_from(round + 1).unwrap() % 3;
            rig.fleet.world.deliver(&rig.completed(route, n, 180 * round));
        }
        // More often than this would be a flap, and stop the routes.
        tokio::time::sleep(Duration::from_mins(3)).await;
    }
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(rig.fleet.world.sqs.depth(), writerlink_engine::ports::Depth::default());
    for route in 0..names.len() {
        assert_eq!(rig.registered(route), [rig.target(route, 2)]);
        let terminal = rig.story(route).await.iter().filter(|(_, o)| o.is_some()).count();
        assert_eq!(terminal, 10, "one terminal record per event");
    }
    drop(workers);
}

#[tokio::test(start_paused = true)]
async fn a_renewed_lease_is_not_taken_over_on_its_old_deadline() {
    let mut fleet = FleetConfig::default();
    fleet.limits.groups_max = 1;
    let rig = Rig::with(&["orders"], WorldConfig::default(), fleet).await;
    let slow = |site: &CallSite| match (site.process.as_str(), site.call) {
        ("w1", "RegisterTargets" | "DeregisterTargets" | "DescribeTargetHealth") => {
            Fate::in_a_round_trip(Duration::from_millis(4900))
        }
        ("w1", "ExecuteTransaction" | "ExecuteStatement") => Fate::in_a_round_trip(Duration::from_secs(2)),
        _ => Fate::WORKS,
    };
    rig.fleet.world.fabric.set_plan(Box::new(slow));
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    let first = rig.start("w1");
    tokio::time::sleep(Duration::from_millis(3500)).await;
    // Another group, so that the queue does not keep the two apart: only the lease does.
    let newer = writerlink_sim::event_bodies::sns_envelope(&rig.completed(0, 3, 2));
    rig.fleet.world.sqs.send("by-sns", &newer);
    let second = rig.start("w2");
    tokio::time::sleep(Duration::from_mins(2)).await;
    let ends = rig.told.ends();
    assert!(!ends.contains(&"LeaseLost"), "{ends:?}");
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
    drop((first, second));
}

#[tokio::test(start_paused = true)]
async fn no_elb_call_is_made_on_a_lease_whose_lengthening_took_too_long() {
    let rig = Rig::new(&["orders"]).await;
    let slow = |site: &CallSite| match site.call {
        "RegisterTargets" | "DeregisterTargets" | "DescribeTargetHealth" => {
            Fate::in_a_round_trip(Duration::from_millis(4900))
        }
        // The lease is lengthened at once, and the reply takes its time.
        "ExecuteStatement" => Fate { after: Duration::from_secs(4), ..Fate::meets(Fault::ReplyLost) },
        "GetItem" => Fate::in_a_round_trip(Duration::from_millis(4800)),
        _ => Fate::WORKS,
    };
    let worker = rig.start("w1");
    tokio::time::sleep(Duration::from_mins(1)).await;
    rig.fleet.world.fabric.set_plan(Box::new(slow));
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_mins(3)).await;
    let lengthened = "the lease was lengthened, and what was left of it was too short for a call";
    for report in rig.told.reports() {
        let steps = report.steps.iter();
        let extended = steps.clone().find(|step| step.name == "ExtendLease");
        if let Some(extended) = extended {
            let fits = extended.start + Duration::from_secs(8);
            let late = steps.filter(|s| s.start >= extended.start && s.name != "Finish");
            for step in late {
                assert!(step.start <= fits, "{lengthened}: {step:?}");
            }
        }
    }
    assert!(!rig.told.reports().is_empty());
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn many_messages_in_hand_are_kept_invisible_in_the_time_that_one_takes() {
    let rig = Rig::new(&["orders"]).await;
    let slow = |site: &CallSite| match site.call {
        "RegisterTargets" | "DeregisterTargets" | "DescribeTargetHealth" | "ChangeMessageVisibility" => {
            Fate::in_a_round_trip(Duration::from_millis(4900))
        }
        _ => Fate::WORKS,
    };
    rig.fleet.world.fabric.set_plan(Box::new(slow));
    // The newest one first: nothing behind it supersedes it.
    for second in (0..6).rev() {
        rig.fleet.world.deliver(&rig.started(0, 2, second));
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let worker = rig.start("w1");
    tokio::time::sleep(Duration::from_mins(1)).await;
    let first = rig.told.reports().swap_remove(0);
    assert_eq!(first.ended.as_str(), "Moved");
    assert_eq!(first.took, Duration::from_millis(19_600), "four round trips");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn failed_receives_get_rarer_and_one_that_works_begins_anew() {
    let rig = Rig::new(&["orders"]).await;
    let asked_at = Arc::new(Mutex::new(Vec::new()));
    let (keep, fabric) = (Arc::clone(&asked_at), &rig.fleet.world.fabric);
    let time = fabric.time;
    fabric.set_plan(Box::new(move |site: &CallSite| {
        if site.call != "ReceiveMessage" {
            return Fate::WORKS;
        }
        let mut asked_at = keep.lock().unwrap();
        asked_at.push(time.elapsed());
        match asked_at.len() {
            1..=5 | 7 => Fate::meets(Fault::Refused(ErrorKind::Unreachable)),
            _ => Fate::WORKS,
        }
    }));
    let worker = rig.start("w1");
    tokio::time::sleep(Duration::from_mins(5)).await;
    let asked_at = asked_at.lock().unwrap();
    // A receive of this world ends, and fails, when its wait is over.
    let gaps = asked_at.windows(2).map(|two| two[1].saturating_sub(two[0] + RECEIVE_WAIT));
    let gaps: Vec<Duration> = gaps.collect();
    let seconds = [(0, 1), (1, 2), (2, 4), (4, 8), (8, 16)];
    for (gap, (above, most)) in gaps.iter().zip(seconds) {
        let (above, most) = (Duration::from_secs(above), Duration::from_secs(most));
        assert!(*gap > above && *gap <= most, "{gaps:?}");
    }
    assert!(gaps[6] <= Duration::from_secs(1), "{gaps:?}");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn no_receive_begins_while_as_many_groups_as_allowed_are_worked_on() {
    let mut fleet = FleetConfig::default();
    fleet.limits.groups_max = 1;
    let rig = Rig::with(&["orders", "billing"], WorldConfig::default(), fleet).await;
    rig.fleet.world.fabric.set_plan(Box::new(|site: &CallSite| {
        if site.call == "RegisterTargets" {
            Fate::in_a_round_trip(Duration::from_secs(4))
        } else {
            Fate::WORKS
        }
    }));
    let worker = rig.start("w1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.fleet.world.deliver(&rig.started(1, 2, 0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let depth = rig.fleet.world.sqs.depth();
    assert_eq!((depth.visible, depth.in_flight), (1, 1));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(rig.registered(1), [rig.target(1, 2)]);
    drop(worker);
}

/// SQS opens a group as soon as its first message is deleted: what is behind it must be invisible by then.
#[tokio::test(start_paused = true)]
async fn all_messages_of_a_slow_hand_are_kept_invisible_to_its_end() {
    let rig = Rig::new(&["orders"]).await;
    // The newest one first: nothing behind it supersedes it.
    for second in (0..3).rev() {
        rig.fleet.world.deliver(&rig.started(0, 2, second));
    }
    rig.every_call_takes(Duration::from_millis(4900));
    let worker = rig.start("w1");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let other = rig.start("w2");
    tokio::time::sleep(Duration::from_mins(5)).await;
    let reports = rig.told.reports();
    let first = &reports[0];
    assert!(first.took > Duration::from_secs(25), "{:?}", first.took);
    assert_eq!(rig.told.ends(), ["Moved", "Superseded", "Superseded"]);
    for stored in rig.chain(0).await {
        let entry = &stored.record.entry;
        let by_w1 = entry.outcome.is_none() || entry.owner == Owner::new("w1");
        assert!(by_w1, "{} settled {}", entry.owner, entry.event_key);
    }
    let lost = rig.told.lines.lock().unwrap().clone();
    assert!(!lost.iter().any(|line| line.contains("VisibilityLost")), "{lost:?}");
    drop((worker, other));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_hours_never_dead_letters_an_unsettled_event() {
    let rig = Rig::new(&["orders"]).await;
    let four_hours = Duration::from_hours(4);
    the_ledger_refuses_until(&rig, four_hours, ErrorKind::Unreachable);
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    let worker = rig.start("w1");
    tokio::time::sleep(four_hours + Duration::from_mins(2)).await;
    assert_eq!(rig.fleet.world.dead_letters.messages().len(), 0);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_back_does_not_lengthen_a_lease() {
    let rig = Rig::new(&["orders"]).await;
    rig.every_call_takes(Duration::from_millis(4900));
    let worker = rig.start("w1");
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_secs(12)).await;
    worker.process.clock.set_skew_ms(-60_000);
    tokio::time::sleep(Duration::from_mins(2)).await;
    let report = rig.told.reports().swap_remove(0);
    let start_of = |name: &str| report.steps.iter().find(|s| s.name == name).map(|s| s.start);
    let first = start_of("ExtendLease");
    let fits = start_of("Begin").unwrap() + Duration::from_secs(8);
    let on_the_first_lease = report
        .steps
        .iter()
        .filter(|s| s.name.ends_with("Targets") || s.name == "DescribeTargetHealth")
        .filter(|s| first.is_none_or(|at| s.start < at));
    for step in on_the_first_lease {
        assert!(step.start <= fits, "a call that could outlast the lease: {step:?}");
    }
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn an_address_in_an_events_text_is_never_used() {
    let rig = Rig::new(&["orders"]).await;
    let mut event = rig.started(0, 2, 0);
    event.message += " now at 10.0.2.99 (port 3306)";
    rig.fleet.world.deliver(&event);
    assert!(rig.run("w1").await);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let registered = rig.fleet.world.elb.mutations();
    assert!(registered.iter().all(|m| m.target.ip.to_string() != "10.0.2.99"));
}

#[tokio::test(start_paused = true)]
async fn a_person_repairs_an_event_whose_attempts_all_failed_by_replaying_it() {
    let rig = Rig::new(&["orders"]).await;
    let refused = Fault::Refused(ErrorKind::Denied);
    let fabric = &rig.fleet.world.fabric;
    fabric.set_plan(always("RegisterTargets", refused));
    let event = rig.started(0, 2, 0);
    rig.fleet.world.deliver(&event);
    assert!(rig.run("w1").await);
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    fabric.set_plan(writerlink_sim::faults::no_faults());
    let person = rig.fleet.world.process("person");
    let attempts = FleetConfig::default().attempts;
    let reconciler = Reconciler::new(&rig.fleet.ports(&person), Owner::new("person"), attempts);
    let mut again = Evidence::new(&rig.routes[0], event);
    again.key = again.key.for_replay(7);
    let report = reconciler.attempt(&rig.routes[0], &again, Cause::Replay, &NoMessage);
    assert_eq!(report.await.ended.as_str(), "Moved");
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let ends: Vec<_> = rig.story(0).await.into_iter().filter_map(|(_, end)| end).collect();
    assert_eq!(ends, [Outcome::Failed, Outcome::Moved]);
}
