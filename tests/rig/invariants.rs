//! I1 to I8, checked after every effect in a world, whoever caused it.
//!
//! The checker reads the whole truth (the ledger's engine, the load balancer, the journal) and never takes a
//! worker's word. It notes what is violated and never panics: an effect may have no caller left to notice.
//!
//! # The one excuse
//! No ELB call can be fenced. A call that was stuck on its way (`Fault::Late`), or was made by a process that
//! had stood still (`Fault::Stall`), may land when its attempt no longer holds the route. Such an effect is
//! counted as *late* and may undo a newer move until the next event; nothing else is excused.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use writerlink::aws::dynamodb::DynamoLedger;
use writerlink::domain::audit::{ChainVerifier, Hash, Reason, RecordKind};
use writerlink::domain::event::EventKey;
use writerlink::domain::lease::{CALL_TIMEOUT, CLOCK_SKEW_MAX, HOLDER_MARGIN, LEASE_DURATION};
use writerlink::domain::route::Route;
use writerlink::domain::target::Target;
use writerlink::domain::transition::{Outcome, RouteState, TransitionId};
use writerlink::embedded::faults::{Effect, Fabric, Fate, Fault, FaultPlan, Site};
use writerlink::embedded::load_balancer::{Action, LoadBalancer, Mutation};
use writerlink::ports::{Audit, AuditQuery, Ledger, StoredRecord};
use writerlink::reconcile::{Ended, Report};
use writerlink::wire::{self, Parsed};
use writerlink::worker::VISIBILITY;

use super::Rig;

/// More records than one change writes, so that one page always reaches the head.
const PAGE: u32 = 100;

/// From the end of the last fault until a route is right: the message of a dead worker becomes visible, the
/// lease it held runs out by any clock, a pause of at most thirty seconds passes, and the ten calls of a
/// whole attempt are made, each as slow as it may be.
pub(crate) const CONVERGES_WITHIN: Duration = VISIBILITY
    .saturating_add(LEASE_DURATION)
    .saturating_add(CLOCK_SKEW_MAX)
    .saturating_add(Duration::from_secs(30))
    .saturating_add(CALL_TIMEOUT.saturating_mul(10));

/// The calls of the load balancer.
pub(crate) const ELB: [&str; 3] = [
    "DescribeTargetHealth",
    "RegisterTargets",
    "DeregisterTargets",
];

/// An attempt as the ledger announced it.
#[derive(Clone, Debug)]
struct Announced {
    by: String,
    transition: TransitionId,
    event: EventKey,
    desired: Target,
    /// When its lease was granted, and each time it was lengthened: when the write took effect, which is
    /// never before the holder began to count.
    grants: Vec<Duration>,
}

/// A route as the checker knows it.
struct Watched {
    route: Route,
    registered: BTreeSet<Target>,
    state: RouteState,
    chain: ChainVerifier,
    attempts: Vec<Announced>,
    settled: BTreeMap<EventKey, Outcome>,
    /// Events whose words came from another account: recorded, without an entry of their own.
    foreign: BTreeSet<EventKey>,
    last_late: Option<Duration>,
    last_change: Duration,
}

struct Checker {
    elb: Arc<LoadBalancer>,
    ledger: DynamoLedger,
    routes: Vec<Watched>,
    /// The events of each well-formed message, by route.
    messages: BTreeMap<String, Vec<(usize, EventKey)>>,
    sent: BTreeMap<(String, u64), Duration>,
    standstills: BTreeMap<String, Vec<(Duration, Duration)>>,
    faults: BTreeMap<&'static str, u64>,
    /// When the last fault was over, as far as is known: a standstill ends, a late request arrives.
    trouble_until: Duration,
    mutations: usize,
    violations: Vec<String>,
    late_effects: u64,
}

/// The checker of one world, shared with its watcher and its plan.
#[derive(Clone)]
pub(crate) struct Invariants {
    fabric: Arc<Fabric>,
    checker: Arc<Mutex<Checker>>,
    /// Told whenever a process begins to stand still.
    pub(crate) standstill: Arc<Notify>,
}

/// Polls a future once. Outside of the world the embedded DynamoDB answers inline, so once is enough; tokio's
/// cooperative budget must not tell otherwise.
fn inline<T>(future: impl Future<Output = T>) -> Option<T> {
    let future = pin!(tokio::task::unconstrained(future));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Invariants {
    /// Watches a rig's world from now on. The routes have to be complete.
    pub(crate) fn watch(rig: &Rig) -> Self {
        let world = &rig.fleet.world;
        let dynamo = &rig.fleet.dynamo;
        let ledger = DynamoLedger::new(dynamo.client_outside(), dynamo.tables().clone());
        let routes = rig.routes.iter().map(|route| Watched {
            registered: world.elb.registered(&route.group.arn),
            state: RouteState::new(route.name.clone()),
            chain: ChainVerifier::default(),
            attempts: Vec::new(),
            settled: BTreeMap::new(),
            foreign: BTreeSet::new(),
            last_late: None,
            last_change: Duration::ZERO,
            route: route.clone(),
        });
        let checker = Arc::new(Mutex::new(Checker {
            elb: Arc::clone(&world.elb),
            ledger,
            routes: routes.collect(),
            messages: BTreeMap::new(),
            sent: BTreeMap::new(),
            standstills: BTreeMap::new(),
            faults: BTreeMap::new(),
            trouble_until: Duration::ZERO,
            mutations: 0,
            violations: Vec::new(),
            late_effects: 0,
        }));
        let watching = Arc::clone(&checker);
        let watcher = move |effect: &Effect| watching.lock().unwrap().check(effect);
        world.fabric.watch(Box::new(watcher));
        Self {
            fabric: Arc::clone(&world.fabric),
            checker,
            standstill: Arc::default(),
        }
    }

    /// Sets the plan of the world, and notes when each call is sent and which faults it meets.
    pub(crate) fn plan(&self, mut plan: Box<dyn FaultPlan>) {
        let this = self.clone();
        let observed = move |site: &Site| {
            let fate = plan.fate(site);
            this.note_sending(site, fate);
            fate
        };
        self.fabric.set_plan(Box::new(observed));
    }

    fn note_sending(&self, site: &Site, fate: Fate) {
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
                let followers = routes.filter(|(_, route)| route.follows(&event.source));
                keys.extend(followers.map(|(n, route)| (n, EventKey::of(&route.name, event))));
            }
            checker.messages.insert(id, keys);
        }
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

    /// Whether a late effect hit the route after its last attempt began: then nobody has seen it yet, and the
    /// group is right from the next event on.
    pub(crate) fn was_disturbed(&self, route: usize) -> bool {
        let checker = self.checker.lock().unwrap();
        let watched = &checker.routes[route];
        let began = watched.attempts.last().and_then(|a| a.grants.first());
        watched
            .last_late
            .is_some_and(|at| began.is_none_or(|began| at >= *began))
    }

    /// How an event was settled on a route.
    pub(crate) fn settled(&self, route: usize, key: EventKey) -> Option<Outcome> {
        let checker = self.checker.lock().unwrap();
        checker.routes[route].settled.get(&key).copied()
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

impl Checker {
    fn note(&mut self, effect: &Effect, what: &str) {
        let Effect {
            at, process, nth, ..
        } = effect;
        let (call, fault) = (effect.call, effect.fault);
        self.violations.push(format!(
            "{what}: {call} ({nth} of {process}, {fault:?}) at {at:?}: {}",
            effect.detail
        ));
    }

    fn check(&mut self, effect: &Effect) {
        if effect.fault == Fault::DiesBefore {
            return;
        }
        match effect.call {
            "ExecuteTransaction" | "ExecuteStatement" => self.check_ledger(effect),
            call if ELB.contains(&call) => self.check_elb(effect),
            "DeleteMessage" | "SendMessage" if !matches!(effect.fault, Fault::Refused(_)) => {
                let id = effect.detail.split(' ').next().unwrap_or_default();
                self.check_disposal(effect.call, id);
            }
            _ => {}
        }
    }

    /// I3, I4, I6 and I8 in the ledger, as soon as something was written there.
    fn check_ledger(&mut self, effect: &Effect) {
        let name = |w: &Watched| format!("route#{}", w.route.name);
        let words: Vec<&str> = effect.detail.split([' ', ',']).collect();
        let Some(n) = self
            .routes
            .iter()
            .position(|w| words.contains(&name(w).as_str()))
        else {
            return;
        };
        let route = &self.routes[n].route.name;
        let Some(Ok(state)) = inline(self.ledger.load(route)) else {
            return self.note(effect, "the ledger cannot be read");
        };
        let before = std::mem::replace(&mut self.routes[n].state, state);
        let now = &self.routes[n].state;
        if now.control.generation < before.control.generation || now.chain.seq < before.chain.seq {
            self.note(effect, "I6: generation or seq fell");
        }
        let evidence = |s: &RouteState| s.control.desired.as_ref().map(|d| d.evidence);
        if evidence(&self.routes[n].state) < evidence(&before) {
            self.note(effect, "I3: the evidence fell");
        }
        if self.routes[n].state.chain.seq > before.chain.seq {
            self.take_records(effect, n, before.chain.seq + 1);
        }
        let watched = &mut self.routes[n];
        if let Some(lease) = &watched.state.control.lease
            && before.control.lease.as_ref() != Some(lease)
            && let Some(attempt) = watched
                .attempts
                .iter_mut()
                .find(|a| a.transition == lease.transition)
        {
            attempt.grants.push(effect.at);
        }
    }

    fn take_records(&mut self, effect: &Effect, n: usize, from_seq: u64) {
        let query = AuditQuery::Chain {
            route: self.routes[n].route.name.clone(),
            from_seq,
            to_seq: None,
        };
        let Some(Ok(page)) = inline(self.ledger.page(&query, PAGE, None)) else {
            return self.note(effect, "the audit cannot be read");
        };
        for stored in page.records {
            if let Err(broken) = self.routes[n].take(&stored) {
                self.note(effect, &broken);
            }
        }
    }

    /// I4: what is deleted, or moved to the dead-letter queue, is settled on every route it concerns.
    fn check_disposal(&mut self, call: &str, id: &str) {
        for (n, key) in self.messages.get(id).cloned().unwrap_or_default() {
            let watched = &self.routes[n];
            let recorded = watched.settled.contains_key(&key) || watched.foreign.contains(&key);
            let entry = inline(self.ledger.event(&key));
            let known = matches!(&entry, Some(Ok(Some(entry))) if entry.settled.is_some());
            if !(recorded && (known || watched.foreign.contains(&key))) {
                let route = &watched.route.name;
                let what = format!("I4: {call} of {id}, but event {key} is not settled on {route}");
                self.violations.push(what);
            }
        }
    }

    fn check_elb(&mut self, effect: &Effect) {
        let arn = effect.detail.split(' ').next().unwrap_or_default();
        let Some(n) = self
            .routes
            .iter()
            .position(|w| w.route.group.arn.as_str() == arn)
        else {
            return self.note(effect, "I5: a group that is no route's");
        };
        let key = (effect.process.clone(), effect.nth);
        let sent = self.sent.get(&key).copied().unwrap_or(effect.at);
        let attempt = self.routes[n].attempt_of(&effect.process, sent).cloned();
        let Some((attempt, granted)) = attempt.and_then(|a| {
            let granted = a.grants.iter().rfind(|at| **at <= sent).copied();
            granted.map(|at| (a, at))
        }) else {
            return self.note(effect, "I4: no attempt was announced before the call");
        };
        let mut standstills = self.standstills.get(&effect.process).into_iter().flatten();
        let stood_still = standstills.any(|(from, to)| *to > granted && *from <= effect.at);
        let excused = stood_still || matches!(effect.fault, Fault::Late(_));
        if sent + CALL_TIMEOUT + HOLDER_MARGIN > granted + LEASE_DURATION && !stood_still {
            self.note(
                effect,
                "I6: the call did not fit the lease when it was sent",
            );
        }
        let mutations = self.elb.mutations();
        let new: Vec<Mutation> = mutations[self.mutations..].to_vec();
        self.mutations = mutations.len();
        if new.is_empty() {
            return;
        }
        let lease = self.routes[n].state.control.lease.as_ref();
        let holds = lease.is_some_and(|lease| lease.transition == attempt.transition)
            && effect.at <= granted + LEASE_DURATION;
        if !holds && excused {
            self.late_effects += 1;
            self.routes[n].last_late = Some(effect.at);
        } else if !holds {
            self.note(effect, "I6: the attempt does not hold the route");
        }
        self.check_mutations(effect, n, (&attempt, holds), &new);
    }

    /// I1, I3, I4 and I5 for a call that was accepted.
    fn check_mutations(
        &mut self,
        effect: &Effect,
        n: usize,
        (attempt, holds): (&Announced, bool),
        new: &[Mutation],
    ) {
        let registered = self.elb.registered(&self.routes[n].route.group.arn);
        let watched = &mut self.routes[n];
        let emptied = registered.is_empty() && !watched.registered.is_empty();
        if registered != watched.registered {
            watched.last_change = effect.at;
            watched.registered.clone_from(&registered);
        }
        let began = attempt.grants.first().copied().unwrap_or_default();
        // A late effect may have taken the desired target away behind the attempt's back.
        let disturbed = watched.last_late.is_some_and(|at| at >= began);
        let desired = watched.state.control.desired.as_ref();
        let follows = desired.is_some_and(|desired| desired.event == attempt.event);
        let known: BTreeSet<_> = watched.route.instances.values().copied().collect();
        let port = watched.route.port;
        if emptied && !disturbed {
            self.note(effect, "I1: the group is empty");
        }
        if holds && !follows {
            self.note(effect, "I3: the route's evidence is another's");
        }
        for mutation in new {
            let target = mutation.target;
            match mutation.action {
                Action::Register if target.port != port || !known.contains(&target.ip) => {
                    self.note(effect, "I5: the target is none of the route's");
                }
                Action::Register if target != attempt.desired => {
                    self.note(effect, "I4: another target was announced");
                }
                Action::Deregister if target == attempt.desired => {
                    self.note(effect, "I1: the desired target is deregistered");
                }
                Action::Deregister if !registered.contains(&attempt.desired) && !disturbed => {
                    self.note(effect, "I1: the desired target is not registered");
                }
                Action::Register | Action::Deregister => {}
            }
        }
    }

    /// I8: every chain ends at its head.
    fn check_chains(&mut self) {
        for watched in &self.routes {
            let head = inline(self.ledger.load(&watched.route.name));
            let ended = match head {
                Some(Ok(state)) => watched.chain.finish(state.chain).map_err(|e| e.to_string()),
                _ => Err("the ledger cannot be read".to_owned()),
            };
            if let Err(broken) = ended {
                let route = &watched.route.name;
                self.violations
                    .push(format!("I8: chain of {route}: {broken}"));
            }
        }
    }

    /// I8: the delivery of a settled event costs no ELB call.
    fn check_reports(&mut self, reports: &[Report]) {
        for report in reports {
            let asked = report.steps.iter().any(|s| ELB.contains(&s.name.as_str()));
            if matches!(report.ended, Ended::Duplicate(_)) && asked {
                let what = format!("I8: a duplicate cost an ELB call: {report:?}");
                self.violations.push(what);
            }
        }
    }
}

impl Watched {
    /// The attempt that a process was at when it sent a call: its last one announced by then.
    fn attempt_of(&self, process: &str, sent: Duration) -> Option<&Announced> {
        let mut attempts = self.attempts.iter().rev();
        attempts.find(|a| a.by == process && a.grants.first().is_some_and(|at| *at <= sent))
    }

    fn take(&mut self, stored: &StoredRecord) -> Result<(), String> {
        let (record, entry) = (&stored.record, &stored.record.entry);
        if !stored.altered.is_empty() || Hash::of(&stored.canonical) != stored.hash {
            return Err(format!("I8: record {} is not what was hashed", record.seq));
        }
        let taken = self.chain.take(record.seq, record.prev, stored.hash);
        taken.map_err(|broken| format!("I8: {broken}"))?;
        match (entry.kind, &entry.desired) {
            (RecordKind::Started | RecordKind::Resumed, Some((_, desired))) => {
                self.attempts.push(Announced {
                    by: entry.owner.as_str().to_owned(),
                    transition: entry.transition,
                    event: entry.event_key,
                    desired: *desired,
                    grants: Vec::new(),
                });
            }
            (RecordKind::Started | RecordKind::Resumed, None) => {
                return Err("I4: a move is announced without its target".to_owned());
            }
            (RecordKind::Deferred | RecordKind::Finished, _) => {}
        }
        match entry.outcome {
            Some(_) if entry.reason == Some(Reason::PayloadDiffers) => {
                self.foreign.insert(entry.event_key);
            }
            Some(outcome) if self.settled.insert(entry.event_key, outcome).is_some() => {
                return Err(format!(
                    "I4: a second terminal record for {}",
                    entry.event_key
                ));
            }
            Some(_) | None => {}
        }
        Ok(())
    }
}
