//! Weighted routes: one target group for each instance, all warm, among which the listener's weights are moved.
//!
//! The real worker in the embedded world, under paused time. A watcher checks after every effect that the weights are
//! never all 0 and that no group has the weight without its instance's target in it (I1).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use writerlink_core::actuation::plan::RegisteredProof;
use writerlink_core::actuation::weights::{Weight, Weights};
use writerlink_core::evidence::discovery::{Member, SourceReport, SourceReports};
use writerlink_core::evidence::event::{EventId, EventKey};
use writerlink_core::evidence::trigger::{CommandKind, Evidence, OperatorCommand, Trigger};
use writerlink_core::ledger::lease::LEASE_DURATION;
use writerlink_core::ledger::record::{Entry, RecordKind};
use writerlink_core::model::ids::Owner;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::outcome::{IN_PROGRESS_FOR, Outcome};
use writerlink_core::model::policy::{DiscoverySource, Mode};
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::route::{OnStarted, Route, Strategy, TargetGroup, Weighted};
use writerlink_core::model::target::{ObservedTarget, Target};
use writerlink_core::model::time::CLOCK_SKEW_MAX;
use writerlink_engine::attempt::{
    Attempts, DryRun, MOVES_PER_MINUTE_MAX, NoMessage, OperatorCommands, PassResult, PeriodicPass,
    Reconciler, RouteWatch, Together,
};
use writerlink_engine::ports::{AddressError, CallError, Databases, ErrorKind, Ports, Reply, TargetGroups};
use writerlink_engine::timer::INTERVAL;
use writerlink_engine::worker::{Until, VISIBILITY, Worker};
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::listener::{AppliedWeights, WEIGHTS_PROPAGATION};
use writerlink_sim::load_balancer::LoadBalancer;
use writerlink_sim::target_group::TargetDescription;
use writerlink_sim::world::{WorldConfig, instances};

use crate::rig::Rig;

const ROUTE: &str = "orders";
const OPERATOR: &str = "operator";

const ATTEMPTS: Attempts =
    Attempts { attempts_max: 6, moves_per_minute_max: MOVES_PER_MINUTE_MAX, quota: None };

/// The calls that change something at the load balancer.
const MUTATING: [&str; 3] = ["RegisterTargets", "DeregisterTargets", "ModifyListener"];

/// A rig with one weighted route, watched.
struct Scales {
    rig: Rig,
    violations: Arc<Mutex<Vec<String>>>,
}

impl Scales {
    async fn new() -> Self {
        let none: [&str; 0] = [];
        let mut rig = Rig::with(&none, WorldConfig::default(), FleetConfig::default()).await;
        let members = instances(ROUTE, 3).unwrap();
        let route = rig.fleet.world.add_weighted_route(ROUTE, &members).unwrap();
        rig.routes.push(route);
        let violations = watch(&rig);
        Self { rig, violations }
    }

    fn route(&self) -> &Route {
        &self.rig.routes[0]
    }

    fn weighted(&self) -> &Weighted {
        weighted(self.route())
    }

    fn elb(&self) -> &LoadBalancer {
        &self.rig.fleet.world.elb
    }

    /// The weights of the three instances' groups.
    fn weights(&self) -> Vec<u16> {
        let standing = self.elb().weights(&self.weighted().listener);
        let groups = self.weighted().groups.values();
        groups.map(|group| standing.of(&group.arn).map_or(0, Weight::get)).collect()
    }

    /// Everything as it should be, instance `n` having the weight.
    fn assert_points_at(&self, n: usize) {
        let mut expected = vec![0; 3];
        expected[n - 1] = 100;
        assert_eq!(self.weights(), expected);
        for (n, group) in (1..).zip(self.weighted().groups.values()) {
            let held = self.elb().registered(&group.arn);
            assert_eq!(held, [self.rig.target(0, n)].into());
        }
    }

    /// Sets weights by hand, as a person does in the console.
    fn set_by_hand(&self, weights: [u16; 3]) {
        let mut standing = self.elb().weights(&self.weighted().listener);
        for (group, weight) in self.weighted().groups.values().zip(weights) {
            let weight = Weight::new(weight).unwrap();
            standing.groups.insert(group.arn.clone(), weight);
        }
        let listener = &self.weighted().listener;
        let set = self.elb().modify_listener(OPERATOR, listener, &standing);
        set.unwrap();
    }

    fn deregister_by_hand(&self, n: usize) {
        let group = self.weighted().groups.values().nth(n - 1).unwrap();
        let target = [TargetDescription::of(self.rig.target(0, n), None)];
        let done = self.elb().deregister(OPERATOR, &group.arn, &target);
        done.unwrap();
    }

    /// The last terminal record.
    async fn last_end(&self) -> Entry {
        let chain = self.rig.chain(0).await.into_iter();
        let mut entries = chain.map(|stored| stored.record.entry);
        let last = entries.rfind(|entry| entry.kind == RecordKind::Finished);
        last.unwrap()
    }

    /// How many calls of a process changed, or would have changed, the load balancer.
    fn mutating_calls(&self, process: &str) -> usize {
        let calls = self.rig.calls(process);
        calls.iter().filter(|call| MUTATING.contains(call)).count()
    }

    fn ports(&self, name: &str) -> Ports {
        self.rig.fleet.ports(&self.rig.fleet.world.process(name))
    }

    fn sound(&self) {
        let violations = self.violations.lock().unwrap();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

fn weighted(route: &Route) -> &Weighted {
    match &route.strategy {
        Strategy::Weighted(weighted) => weighted,
        Strategy::Swap | Strategy::Relay(_) => panic!("the route is weighted"),
    }
}

/// Notes whenever an effect leaves the weights all 0, or a worker gives the weight to a group without its target.
fn watch(rig: &Rig) -> Arc<Mutex<Vec<String>>> {
    let violations: Arc<Mutex<Vec<String>>> = Arc::default();
    let (noted, elb) = (Arc::clone(&violations), Arc::clone(&rig.fleet.world.elb));
    let route = rig.routes[0].clone();
    let watcher = move |effect: &writerlink_sim::faults::Effect| {
        let weighted = weighted(&route);
        let weights = elb.weights(&weighted.listener);
        let in_service = weights.in_service();
        if in_service.is_empty() {
            let what = format!("I1: all weights are 0 after {effect:?}");
            noted.lock().unwrap().push(what);
        }
        if effect.call == "DeregisterTargets" && effect.process != OPERATOR {
            let what = format!("a weighted route deregistered: {effect:?}");
            noted.lock().unwrap().push(what);
        }
        if effect.call == "ModifyListener" {
            for (instance, group) in &weighted.groups {
                let ip = route.instances[instance];
                let target = Target { ip, port: route.port };
                let present = RegisteredProof::observed(target, &elb.rows(&group.arn));
                if in_service.contains(&group.arn) && present.is_none() {
                    let what = format!("I1: {instance} has weight and no target: {effect:?}");
                    noted.lock().unwrap().push(what);
                }
            }
        }
    };
    rig.fleet.world.fabric.watch(Box::new(watcher));
    violations
}

#[tokio::test(start_paused = true)]
async fn a_failover_moves_the_weight_by_one_call_and_registers_nothing() {
    let scales = Scales::new().await;
    scales.assert_points_at(1);
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w1").await);
    scales.assert_points_at(2);
    assert_eq!(scales.mutating_calls("w1"), 1);
    let end = scales.last_end().await;
    assert_eq!((end.outcome, end.reason), (Some(Outcome::Moved), Some(Reason::WriterMoved)));
    assert_eq!(
        end.note,
        "the listener gives everything to orders-2 at 10.0.2.11:3306; \
         weights before: orders-1 100, orders-2 0, orders-3 0; after: orders-1 0, orders-2 100, orders-3 0"
    );
    let group = scales.weighted().groups.values().nth(1).unwrap();
    assert_eq!(end.target_group, group.arn, "the group that has the weight");
    let modified = end.steps.iter().find(|s| s.name == "ModifyListener");
    assert!(modified.unwrap().request_id.is_some());
    assert!(end.steps.iter().any(|s| s.name == "DescribeListeners"));
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn the_weight_is_moved_after_three_round_trips() {
    let scales = Scales::new().await;
    let round_trip = Duration::from_millis(100);
    scales.rig.every_call_takes(round_trip);
    let worker = scales.rig.start("w1");
    tokio::time::sleep(Duration::from_secs(5)).await;
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let report = scales.rig.told.reports().pop().unwrap();
    assert_eq!(report.swapped(), Some(3 * round_trip));
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn new_connections_always_have_a_group_and_soon_reach_the_new_writer() {
    let scales = Scales::new().await;
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w1").await);
    let listener = &scales.weighted().listener;
    let reached = || scales.elb().reached_through(listener);
    let (old, new) = (scales.rig.target(0, 1), scales.rig.target(0, 2));
    let both: BTreeSet<Target> = [old, new].into();
    assert_eq!(reached(), both, "the switch is not instant");
    tokio::time::sleep(WEIGHTS_PROPAGATION).await;
    assert_eq!(reached(), [new].into());
}

#[tokio::test(start_paused = true)]
async fn the_warm_target_is_recorded_as_serving_by_the_next_look() {
    let scales = Scales::new().await;
    let worker = scales.rig.start("w1");
    tokio::time::sleep(Duration::from_secs(40)).await;
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 40));
    tokio::time::sleep(Duration::from_secs(10)).await;
    worker.stop();
    assert!(worker.ended().await);
    let chain = scales.rig.chain(0).await;
    let serving = chain.iter().map(|s| &s.record.entry);
    let serving: Vec<_> = serving.filter(|e| e.kind == RecordKind::TargetHealthy).collect();
    assert_eq!(serving.len(), 1, "said once");
    let group = scales.weighted().groups.values().nth(1).unwrap();
    assert_eq!(serving[0].target_group, group.arn);
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_event_of_a_weighted_route_costs_no_elb_call() {
    let scales = Scales::new().await;
    let event = scales.rig.started(0, 2, 0);
    scales.rig.fleet.world.deliver(&event);
    assert!(scales.rig.run("w1").await);
    let body = writerlink_sim::event_bodies::sns_envelope(&event);
    scales.rig.fleet.world.sqs.send(ROUTE, &body);
    assert!(scales.rig.run("w2").await);
    let calls = scales.rig.calls("w2");
    let asked = ["DescribeTargetHealth", "DescribeListeners"];
    let elb = calls.iter().filter(|call| asked.contains(call) || MUTATING.contains(call));
    assert_eq!(elb.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_weight_changed_by_hand_is_put_back_by_the_timer() {
    let scales = Scales::new().await;
    let worker = scales.rig.start("w1");
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    tokio::time::sleep(INTERVAL).await;
    scales.assert_points_at(2);
    scales.set_by_hand([50, 50, 0]);
    tokio::time::sleep(INTERVAL + Duration::from_secs(5)).await;
    scales.assert_points_at(2);
    let end = scales.last_end().await;
    assert_eq!((end.cause, end.reason), (Cause::Reconcile, Some(Reason::DriftRepaired)));
    assert!(end.note.contains("before: orders-1 50, orders-2 50, orders-3 0"), "{}", end.note);
    drop(worker);
    scales.sound();
}

/// The load balancer, which lets nobody look at one of its groups.
struct OneIsHidden(Arc<dyn TargetGroups>, TargetGroup);

#[async_trait]
impl TargetGroups for OneIsHidden {
    async fn observe(&self, group: &TargetGroup) -> Result<Reply<Vec<ObservedTarget>>, CallError> {
        if *group == self.1 {
            let call = "DescribeTargetHealth";
            return Err(CallError::without_a_reply(call, ErrorKind::Denied, "no"));
        }
        self.0.observe(group).await
    }

    async fn register(&self, group: &TargetGroup, targets: &[Target]) -> Result<Reply<()>, CallError> {
        self.0.register(group, targets).await
    }

    async fn deregister(
        &self,
        group: &TargetGroup,
        targets: &[ObservedTarget],
        present: &RegisteredProof,
    ) -> Result<Reply<()>, CallError> {
        self.0.deregister(group, targets, present).await
    }
}

/// Somebody who may not look at the `n`th instance's group.
fn without_sight_of(scales: &Scales, n: usize) -> PeriodicPass {
    let hidden = scales.weighted().groups.values().nth(n - 1).unwrap();
    let ports = scales.ports("w2");
    let groups = OneIsHidden(Arc::clone(&ports.groups), hidden.clone());
    let groups = Arc::new(groups);
    let ports = Ports { groups, ..ports };
    PeriodicPass::new(&ports, Arc::new(Reconciler::new(&ports, Owner::new("w2"), ATTEMPTS)))
}

#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_be_read_keeps_no_other_one_cold() {
    let scales = Scales::new().await;
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w1").await);
    scales.deregister_by_hand(3);
    let pass = without_sight_of(&scales, 1);
    let (mut watched, mut noted) = (RouteWatch::default(), Vec::new());
    pass.run_pass(&Together::default(), scales.route(), &mut watched, &mut noted).await;
    scales.assert_points_at(2);
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn weights_are_put_right_while_a_group_without_weight_cannot_be_read() {
    let scales = Scales::new().await;
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w1").await);
    scales.set_by_hand([100, 0, 0]);
    let pass = without_sight_of(&scales, 3);
    let mut watched = RouteWatch::default();
    let mut look = async || {
        let mut noted = Vec::new();
        pass.run_pass(&Together::default(), scales.route(), &mut watched, &mut noted).await
    };
    let acted = look().await;
    assert!(matches!(acted, PassResult::Acted(_)), "{acted:?}");
    scales.assert_points_at(2);
    // When all the rest is right, what there is to say is that it cannot be read.
    let failed = look().await;
    assert!(matches!(failed, PassResult::Failed(_)), "{failed:?}");
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn a_target_missing_from_a_group_at_weight_0_is_registered_in_advance() {
    let scales = Scales::new().await;
    let worker = scales.rig.start("w1");
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    tokio::time::sleep(INTERVAL).await;
    scales.deregister_by_hand(3);
    tokio::time::sleep(INTERVAL + Duration::from_secs(5)).await;
    scales.assert_points_at(2);
    let end = scales.last_end().await;
    assert!(end.note.ends_with("registered again: orders-3"), "{}", end.note);
    assert_eq!((end.outcome, end.reason), (Some(Outcome::AlreadyThere), Some(Reason::DriftRepaired)));
    drop(worker);
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn a_cold_group_gets_its_target_before_the_weight() {
    let scales = Scales::new().await;
    scales.deregister_by_hand(2);
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w1").await);
    scales.assert_points_at(2);
    let calls = scales.rig.calls("w1");
    let nth = |name: &str| calls.iter().position(|call| *call == name).unwrap();
    assert!(nth("RegisterTargets") < nth("ModifyListener"), "{calls:?}");
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_is_refused_for_ever_never_moves_the_weight() {
    let scales = Scales::new().await;
    scales.deregister_by_hand(2);
    let plan = |site: &CallSite| match site.call {
        "RegisterTargets" => Fate::meets(Fault::Refused(ErrorKind::Invalid)),
        _ => Fate::WORKS,
    };
    scales.rig.fleet.world.fabric.set_plan(Box::new(plan));
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w1").await);
    assert_eq!(scales.weights(), [100, 0, 0]);
    assert!(!scales.rig.calls("w1").contains(&"ModifyListener"));
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn another_instance_that_cannot_be_registered_does_not_fail_the_move() {
    let scales = Scales::new().await;
    scales.deregister_by_hand(3);
    let plan = |site: &CallSite| match site.call {
        "RegisterTargets" => Fate::meets(Fault::Refused(ErrorKind::Throttled)),
        _ => Fate::WORKS,
    };
    scales.rig.fleet.world.fabric.set_plan(Box::new(plan));
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w1").await);
    assert_eq!(scales.weights(), [0, 100, 0]);
    let end = scales.last_end().await;
    assert_eq!(end.outcome, Some(Outcome::Moved));
    assert!(end.note.contains("left to the timer"), "{}", end.note);
}

#[tokio::test(start_paused = true)]
async fn on_started_register_registers_the_next_writer_and_moves_no_weight() {
    let mut scales = Scales::new().await;
    scales.rig.routes[0].on_started = OnStarted::Register;
    scales.deregister_by_hand(2);
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w1").await);
    scales.assert_points_at(1);
    scales.rig.fleet.world.deliver(&scales.rig.completed(0, 2, 30));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(scales.rig.run("w2").await);
    scales.assert_points_at(2);
    assert_eq!(scales.rig.told.ends(), ["Registered", "Moved"]);
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_a_group_is_rejected_with_the_remedy() {
    let mut scales = Scales::new().await;
    let orders_3 = scales.rig.instance(0, 3).id;
    let Strategy::Weighted(weighted) = &mut scales.rig.routes[0].strategy else {
        panic!("the route is weighted")
    };
    weighted.groups.remove(&orders_3);
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 3, 0));
    assert!(scales.rig.run("w1").await);
    assert_eq!(scales.weights(), [100, 0]);
    let end = scales.last_end().await;
    assert_eq!((end.outcome, end.reason), (Some(Outcome::Rejected), Some(Reason::UnknownInstance)));
    assert!(end.note.contains("[route.target_groups]"), "{}", end.note);
}

#[tokio::test(start_paused = true)]
async fn observing_makes_no_mutating_call_and_says_where_it_would_have_gone() {
    let mut scales = Scales::new().await;
    scales.rig.routes[0].policy.mode = Mode::Observe;
    let worker = scales.rig.start("w1");
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    tokio::time::sleep(3 * INTERVAL).await;
    scales.assert_points_at(1);
    assert_eq!(scales.mutating_calls("w1"), 0);
    let chain = scales.rig.chain(0).await;
    let told = chain.iter().map(|s| &s.record.entry.note);
    assert!(
        told.clone().any(|note| note.contains("would move to orders-2")),
        "{:?}",
        told.collect::<Vec<_>>()
    );
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_paused_route_makes_no_mutating_call_whatever_is_changed_by_hand() {
    let scales = Scales::new().await;
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w0").await);
    let order = OperatorCommand {
        at: scales.rig.fleet.world.fabric.time.now(),
        by: "ana".to_owned(),
        reason: "maintenance".to_owned(),
        act: CommandKind::Pause { within: None },
        overrides: Vec::new(),
    };
    let commands = OperatorCommands::new(&scales.ports("person"), Owner::new("person"), ATTEMPTS);
    commands.order(scales.route(), &order).await.unwrap();
    scales.set_by_hand([0, 0, 100]);
    let worker = scales.rig.start("w1");
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 1, 60));
    tokio::time::sleep(3 * INTERVAL).await;
    assert_eq!(scales.weights(), [0, 0, 100]);
    assert_eq!(scales.mutating_calls("w1"), 0);
    drop(worker);
}

/// How an attempt ends that finds the weight where it should be, or brings it there; `Duplicate` when the struck
/// worker had settled the event and never learnt so.
const ARRIVED: [&str; 3] = ["Moved", "AlreadyThere", "Duplicate"];

/// A failover whose every call is struck by every fault, one at a time; a fresh worker follows.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_of_a_weighted_move_never_leaves_weight_nowhere() {
    let clean = struck(None).await;
    let strikes = [
        Fault::DiesBefore,
        Fault::DiesAfter,
        Fault::ReplyLost,
        Fault::Refused(ErrorKind::Throttled),
        Fault::Stall(Duration::from_secs(40)),
        Fault::Late(Duration::from_secs(20)),
    ];
    let mut points = 0;
    for (nth, call) in clean {
        for fault in strikes {
            struck(Some((nth, call, fault))).await;
            points += 1;
        }
    }
    assert!(points >= 60, "only {points} points: the story lost its calls");
}

/// The calls of the first worker, with their numbers. The desired group is cold at first, so that a registration is
/// among them.
async fn struck(strike: Option<(u64, &'static str, Fault)>) -> Vec<(u64, &'static str)> {
    let scales = Scales::new().await;
    scales.deregister_by_hand(2);
    let plan = move |site: &CallSite| match strike {
        Some((nth, _, fault)) if site.process == "w1" && site.nth == nth => Fate::meets(fault),
        Some(_) | None => Fate::WORKS,
    };
    scales.rig.fleet.world.fabric.set_plan(Box::new(plan));
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    let first = scales.rig.start("w1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = scales.rig.start("w2");
    // The message of a dead worker becomes visible, its lease runs out by any clock, and the timer has looked.
    let within = VISIBILITY + LEASE_DURATION + CLOCK_SKEW_MAX + 2 * INTERVAL;
    tokio::time::sleep(within).await;
    second.stop();
    first.stop();
    scales.assert_points_at(2);
    let (ends, violations) = (scales.rig.told.ends(), scales.violations.lock().unwrap());
    assert!(violations.is_empty(), "{strike:?}: {violations:#?}");
    assert!(ends.iter().any(|end| ARRIVED.contains(end)), "{strike:?}: {ends:?}");
    let journal = scales.rig.fleet.world.fabric.journal();
    let own = journal.iter().filter(|effect| effect.process == "w1");
    own.take_while(|effect| effect.call != "DeleteMessage").map(|effect| (effect.nth, effect.call)).collect()
}

/// RDS, saying the same to everyone who asks: the second instance writes.
struct SecondWrites(Vec<Member>);

#[async_trait]
impl Databases for SecondWrites {
    async fn address(&self, _: &Route, _: &InstanceId) -> Result<Option<IpAddr>, AddressError> {
        Ok(None)
    }

    async fn ask(&self, _: &Route) -> SourceReports {
        let mut readers = self.0.clone();
        let writer = readers.remove(1);
        SourceReports(vec![(DiscoverySource::Rds, SourceReport::Members { writer, readers })])
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_event_of_a_weighted_route_is_repaired_within_one_interval() {
    let mut scales = Scales::new().await;
    scales.rig.routes[0].policy.discovery = [DiscoverySource::Rds].into();
    // Where RDS is asked no map is needed: the addresses of the readers come from it too.
    let members = std::mem::take(&mut scales.rig.routes[0].instances);
    let members = members.into_iter().map(|(instance, ip)| Member { instance: Some(instance), ip });
    scales.deregister_by_hand(3);
    let process = scales.rig.fleet.world.process("w1");
    let ports =
        Ports { databases: Arc::new(SecondWrites(members.collect())), ..scales.rig.fleet.ports(&process) };
    let reconciler = Reconciler::new(&ports, Owner::new("w1"), ATTEMPTS);
    let worker = Worker::new(
        &ports,
        Arc::new(reconciler),
        scales.rig.routes.as_slice().into(),
        Arc::clone(&scales.rig.told) as _,
        FleetConfig::default().limits,
    );
    let within = tokio::time::sleep(INTERVAL + Duration::from_secs(5));
    worker.run(Until::Stopped, within).await;
    scales.assert_points_at(2);
    assert_eq!(scales.last_end().await.reason, Some(Reason::WriterChanged));
}

#[tokio::test(start_paused = true)]
async fn the_timer_finishes_a_weighted_move_that_a_dead_worker_left_half_done() {
    let scales = Scales::new().await;
    let plan = |site: &CallSite| match (site.process.as_str(), site.call) {
        ("w1", "ModifyListener") => Fate::meets(Fault::DiesBefore),
        _ => Fate::WORKS,
    };
    scales.rig.fleet.world.fabric.set_plan(Box::new(plan));
    let event = scales.rig.event(0, EventId::STARTED_CROSS_AZ, 2, 0);
    let evidence = Evidence { key: EventKey::of(scales.route(), &event), trigger: Trigger::Event(event) };
    let reconciler = Reconciler::new(&scales.ports("w1"), Owner::new("w1"), ATTEMPTS);
    let attempt = reconciler.attempt(scales.route(), &evidence, Cause::Event, &NoMessage);
    let died = tokio::time::timeout(Duration::from_mins(1), attempt).await;
    assert!(died.is_err(), "it never learns of anything again");
    assert_eq!(scales.weights(), [100, 0, 0]);
    let worker = scales.rig.start("w2");
    tokio::time::sleep(IN_PROGRESS_FOR + INTERVAL + Duration::from_secs(5)).await;
    scales.assert_points_at(2);
    drop(worker);
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn foreign_groups_in_an_action_keep_their_weight_on_a_shared_listener() {
    for exclusive in [false, true] {
        let mut scales = Scales::new().await;
        scales.rig.routes[0].exclusive = exclusive;
        let stranger = scales.rig.fleet.world.add_route("stranger", &instances("stranger", 1).unwrap());
        let stranger = stranger.unwrap().group.arn;
        let mut standing: Weights = scales.elb().weights(&scales.weighted().listener);
        standing.groups.insert(stranger.clone(), Weight::new(7).unwrap());
        let listener = &scales.weighted().listener;
        scales.elb().modify_listener(OPERATOR, listener, &standing).unwrap();
        scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
        assert!(scales.rig.run("w1").await);
        scales.assert_points_at(2);
        let kept = scales.elb().weights(listener).of(&stranger).map(Weight::get);
        assert_eq!(kept, Some(if exclusive { 0 } else { 7 }));
    }
}

#[tokio::test(start_paused = true)]
async fn the_timer_repairs_a_weighted_move_that_a_late_older_call_undid() {
    let scales = Scales::new().await;
    let late = Duration::from_mins(1);
    let mut seen = 0;
    let plan = move |site: &CallSite| {
        seen += u32::from(site.call == "ModifyListener");
        if site.call == "ModifyListener" && seen == 1 { Fate::meets(Fault::Late(late)) } else { Fate::WORKS }
    };
    scales.rig.fleet.world.fabric.set_plan(Box::new(plan));
    let worker = scales.rig.start("w1");
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    tokio::time::sleep(Duration::from_secs(40)).await;
    scales.assert_points_at(2);
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 3, 40));
    tokio::time::sleep(Duration::from_secs(10)).await;
    scales.assert_points_at(3);
    let undone = |changes: &[AppliedWeights]| {
        let last = changes.last().map(|change| change.after.clone());
        let second = scales.weighted().groups.values().nth(1).unwrap();
        last.and_then(|weights| weights.of(&second.arn)) == Some(Weight::WHOLE)
    };
    let mut was_undone = false;
    for _ in 0..INTERVAL.as_secs() + 15 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        was_undone |= undone(&scales.elb().weight_changes());
    }
    assert!(was_undone, "the late call arrived");
    scales.assert_points_at(3);
    drop(worker);
    scales.sound();
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_the_weights_before_and_after_and_changes_nothing() {
    let scales = Scales::new().await;
    scales.rig.fleet.world.deliver(&scales.rig.started(0, 2, 0));
    assert!(scales.rig.run("w1").await);
    let planner = DryRun::new(&scales.ports("planner"));
    let standing = planner.standing(scales.route()).await.unwrap();
    let standing = standing.preview.unwrap();
    assert!(standing.is_in_place());
    scales.set_by_hand([100, 0, 0]);
    scales.deregister_by_hand(3);
    let standing = planner.standing(scales.route()).await.unwrap();
    let standing = standing.preview.unwrap();
    assert!(!standing.is_in_place());
    let (before, after) = standing.weights.unwrap();
    assert_eq!(before.to_string(), "orders-1 100, orders-2 0, orders-3 0");
    assert_eq!(after.to_string(), "orders-1 0, orders-2 100, orders-3 0");
    assert_eq!(standing.plan.register, [scales.rig.target(0, 3)]);
    assert_eq!(scales.mutating_calls("planner"), 0);
}
