//! I1 to I8, checked after every effect in a world, whoever caused it.
//!
//! The checker reads the whole truth (the ledger's engine, the load balancer, the journal) and never takes a
//! worker's word. It notes what is violated and never panics: an effect may have no caller left to notice.
//!
//! # The one excuse
//! No ELB call can be fenced. A call that was stuck on its way (`Fault::Late`), or was made by a process that
//! had stood still (`Fault::Stall`), may land when its attempt no longer holds the route. Such an effect is
//! counted as *late* and may undo a newer move until the next event; nothing else is excused.

mod checker;
pub(crate) mod restored;
mod sources;
mod watched;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::lease::LEASE_DURATION;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::reason::Rule;
use writerlink_core::model::time::{CALL_TIMEOUT, CLOCK_SKEW_MAX};
use writerlink_engine::wire;
use writerlink_engine::wire::Parsed;
use writerlink_engine::worker::{RECEIVE_WAIT, VISIBILITY};
use writerlink_sim::databases::Heard;
use writerlink_sim::faults::{CallSite, Effect, Fabric, Fate, Fault, FaultPlan};

use self::checker::Checker;
use self::watched::Watched;
use super::Rig;

/// From the end of the last fault until a route is right: the message that a dead worker had, or that its open receive
/// took since, becomes visible, the lease it held runs out by any clock, a pause of at most thirty seconds passes, and the ten calls of a
/// whole attempt are made, each as slow as it may be.
pub(crate) const CONVERGES_WITHIN: Duration = VISIBILITY
    .saturating_add(LEASE_DURATION)
    .saturating_add(CLOCK_SKEW_MAX)
    .saturating_add(Duration::from_secs(30))
    .saturating_add(CALL_TIMEOUT.saturating_mul(10));

/// The calls of the load balancer.
pub(crate) const ELB: [&str; 5] =
    ["DescribeTargetHealth", "RegisterTargets", "DeregisterTargets", "DescribeListeners", "ModifyListener"];

/// Those of them that change something: each has to be announced (I4). The timer looks without a word.
pub(crate) const MUTATING: [&str; 3] = ["RegisterTargets", "DeregisterTargets", "ModifyListener"];

/// The checker of one world, shared with its watcher and its plan.
#[derive(Clone)]
pub(crate) struct Invariants {
    fabric: Arc<Fabric>,
    checker: Arc<Mutex<Checker>>,
    /// Told whenever a process begins to stand still.
    pub(crate) standstill: Arc<Notify>,
}

impl Invariants {
    /// Watches a rig's world from now on. The routes have to be complete.
    pub(crate) fn watch(rig: &Rig) -> Self {
        let world = &rig.fleet.world;
        let routes = rig.routes.iter();
        let routes = routes.map(|route| Watched::of(route, &world.elb)).collect();
        let elb = Arc::clone(&world.elb);
        let checker = Arc::new(Mutex::new(Checker::of(
            world.fabric.time,
            elb,
            Arc::clone(&world.rds),
            rig.fleet.dynamo.clone(),
            routes,
        )));
        let watching = Arc::clone(&checker);
        let watcher = move |effect: &Effect| watching.lock().unwrap().check(effect);
        world.fabric.watch(Box::new(watcher));
        Self { fabric: Arc::clone(&world.fabric), checker, standstill: Arc::default() }
    }

    /// Sets the plan of the world, and notes when each call is sent and which faults it meets.
    pub(crate) fn plan(&self, mut plan: Box<dyn FaultPlan>) {
        let this = self.clone();
        let observed = move |site: &CallSite| {
            let fate = plan.fate(site);
            this.note_sending(site, fate);
            fate
        };
        self.fabric.set_plan(Box::new(observed));
    }

    fn note_sending(&self, site: &CallSite, fate: Fate) {
        let now = self.fabric.time.elapsed();
        let mut checker = self.checker.lock().unwrap();
        let (mut sent, mut over) = (now, now + fate.before + fate.after);
        match fate.fault {
            Fault::Stall(by) => {
                let still = checker.standstills.entry(site.process.clone()).or_default();
                still.push((now, now + by));
                self.standstill.notify_one();
                (sent, over) = (now + by, over + by);
            }
            Fault::Late(by) => over += by,
            Fault::None => over = Duration::ZERO,
            Fault::Refused(_) | Fault::ReplyLost | Fault::DiesBefore | Fault::DiesAfter => {}
        }
        if let Some(kind) = kind_of(fate.fault) {
            *checker.faults.entry(kind).or_default() += 1;
        }
        checker.trouble_until = checker.trouble_until.max(over);
        if ELB.contains(&site.call) {
            checker.sent.insert((site.process.clone(), site.nth), sent);
        }
    }

    /// Sends a message to the queue and remembers which events it carries.
    pub(crate) fn deliver(&self, rig: &Rig, group: &str, body: &str) {
        let id = rig.fleet.world.sqs.send(group, body);
        if let Ok(Parsed::Events(events)) = wire::parse(body) {
            let mut checker = self.checker.lock().unwrap();
            let mut keys = Vec::new();
            for event in &events {
                let routes = checker.routes.iter().map(|w| &w.route).enumerate();
                let followers = routes.filter(|(_, route)| route.follows(event));
                keys.extend(followers.map(|(n, route)| (n, EventKey::of(route, event))));
            }
            checker.messages.insert(id, keys);
        }
    }

    /// The `state` table was restored to an earlier point: a route's state is behind its records until it has recovered.
    pub(crate) fn restored(&self, route: usize) {
        self.checker.lock().unwrap().routes[route].is_behind = true;
    }

    /// When the last fault so far was over.
    pub(crate) fn trouble_until(&self) -> Duration {
        self.checker.lock().unwrap().trouble_until
    }

    /// The faults met so far, by kind.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.checker.lock().unwrap().faults.clone()
    }

    /// How many effects were late so far.
    pub(crate) fn late_effects(&self) -> u64 {
        self.checker.lock().unwrap().late_effects
    }

    /// When the registered set of a route last changed.
    pub(crate) fn last_change(&self, route: usize) -> Duration {
        self.checker.lock().unwrap().routes[route].last_change
    }

    /// Which instance the ledger named for a route, from when.
    pub(crate) fn named(&self, route: usize) -> Vec<(Duration, InstanceId)> {
        self.checker.lock().unwrap().routes[route].named.clone()
    }

    /// Where the ledger says that a route should point, rules that hold it back aside.
    pub(crate) fn desired(&self, route: usize) -> Option<Desired> {
        let checker = self.checker.lock().unwrap();
        checker.routes[route].state.control.newest().cloned()
    }

    /// Whether a route stands at evidence that no source of a living process has shown since it was accepted, and the
    /// ledger says that they contradict it: a case for a person.
    pub(crate) fn is_for_a_person(&self, route: usize, counts: impl Fn(&Heard) -> bool) -> bool {
        let checker = self.checker.lock().unwrap();
        let watched = &checker.routes[route];
        let shown = watched.state.control.source_conflict.is_some();
        watched.accepted.last().is_some_and(|newest| {
            let heard = checker.rds.heard(&watched.route.name, newest.at);
            let mut heard = heard.iter().filter(|heard| counts(heard));
            shown && heard.all(|heard| heard.ip != newest.known.target.ip)
        })
    }

    /// What holds a route back that somebody can lift.
    pub(crate) fn stops(&self, route: usize) -> Vec<Rule> {
        let checker = self.checker.lock().unwrap();
        let safety = &checker.routes[route].state.control.safety;
        let stops = [
            (Rule::Paused, safety.pause.is_some()),
            (Rule::Frozen, safety.freeze.is_some()),
            (Rule::Pinned, safety.pin.is_some()),
            (Rule::Flapping, safety.flapping.is_some()),
        ];
        let held = stops.into_iter().filter(|(_, held)| *held);
        held.map(|(rule, _)| rule).collect()
    }

    /// Adds a violation that the caller found.
    pub(crate) fn violated(&self, what: String) {
        self.checker.lock().unwrap().violations.push(what);
    }

    /// What can only be said at the end, then everything that was violated.
    pub(crate) fn verdict(&self, rig: &Rig) -> Vec<String> {
        let mut checker = self.checker.lock().unwrap();
        checker.check_chains();
        checker.check_reports(&rig.told.reports());
        if rig.fleet.config.limits.drain_timeout > RECEIVE_WAIT {
            checker.check_receives(&rig.fleet.world.fabric.journal());
        }
        let dead: Vec<String> = rig
            .fleet
            .world
            .dead_letters
            .messages()
            .into_iter()
            // A message that SQS moved by itself keeps its id; one that a worker moved has it here.
            .flat_map(|letter| [letter.id, letter.deduplication_id])
            .filter(|id| checker.messages.contains_key(id))
            .collect();
        for id in dead {
            checker.check_disposal("the dead-letter queue", &id);
        }
        checker.violations.clone()
    }
}

/// The fault's name in figures.
fn kind_of(fault: Fault) -> Option<&'static str> {
    Some(match fault {
        Fault::None => return None,
        Fault::Refused(_) => "refused",
        Fault::ReplyLost => "reply lost",
        Fault::Late(_) => "late",
        Fault::Stall(_) => "stall",
        Fault::DiesBefore => "dies before",
        Fault::DiesAfter => "dies after",
    })
}
