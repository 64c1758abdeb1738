//! The checks, one after every effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::lease::{HOLDER_MARGIN, LEASE_DURATION};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::policy::Mode;
use writerlink_core::model::route::{Route, Strategy};
use writerlink_core::model::target::Target;
use writerlink_core::model::time::{CALL_TIMEOUT, CLOCK_SKEW_MAX};
use writerlink_engine::attempt::{AttemptResult, Report};
use writerlink_sim::clock::WorldTime;
use writerlink_sim::databases::Clusters;
use writerlink_sim::dynamodb::EmbeddedDynamo;
use writerlink_sim::faults::{Effect, Fault};
use writerlink_sim::listener::AppliedWeights;
use writerlink_sim::load_balancer::{Action, LoadBalancer, Mutation};
use writerlink_sim::queue::ABANDONED_RECEIVE;

use super::watched::{Announced, Watched};
use super::{ELB, MUTATING};

pub(super) struct Checker {
    pub(super) time: WorldTime,
    pub(super) elb: Arc<LoadBalancer>,
    pub(super) rds: Arc<Clusters>,
    pub(super) dynamo: EmbeddedDynamo,
    pub(super) routes: Vec<Watched>,
    /// The events of each well-formed message, by route.
    pub(super) messages: BTreeMap<String, Vec<(usize, EventKey)>>,
    pub(super) sent: BTreeMap<(String, u64), Duration>,
    pub(super) standstills: BTreeMap<String, Vec<(Duration, Duration)>>,
    pub(super) faults: BTreeMap<&'static str, u64>,
    /// When the last fault was over, as far as is known: a standstill ends, a late request arrives.
    pub(super) trouble_until: Duration,
    pub(super) mutations: usize,
    pub(super) weight_changes: usize,
    pub(super) violations: Vec<String>,
    pub(super) late_effects: u64,
    /// Whether the entries of events went back with their table.
    pub(super) events_restored: bool,
}

/// Whether a group or a listener is a route's.
fn owns(route: &Route, arn: &str) -> bool {
    match &route.strategy {
        Strategy::Swap | Strategy::Relay(_) => route.group.arn.as_str() == arn,
        Strategy::Weighted(weighted) => {
            let mut groups = weighted.groups.values();
            weighted.listener.as_str() == arn || groups.any(|group| group.arn.as_str() == arn)
        }
    }
}

impl Checker {
    pub(super) fn of(
        time: WorldTime,
        elb: Arc<LoadBalancer>,
        rds: Arc<Clusters>,
        dynamo: EmbeddedDynamo,
        routes: Vec<Watched>,
    ) -> Self {
        Self {
            time,
            elb,
            rds,
            dynamo,
            routes,
            messages: BTreeMap::new(),
            sent: BTreeMap::new(),
            standstills: BTreeMap::new(),
            faults: BTreeMap::new(),
            trouble_until: Duration::ZERO,
            mutations: 0,
            weight_changes: 0,
            violations: Vec::new(),
            late_effects: 0,
            events_restored: false,
        }
    }

    pub(super) fn note(&mut self, effect: &Effect, what: &str) {
        let Effect { at, process, nth, .. } = effect;
        let (call, fault) = (effect.call, effect.fault);
        self.violations
            .push(format!("{what}: {call} ({nth} of {process}, {fault:?}) at {at:?}: {}", effect.detail));
    }

    pub(super) fn check(&mut self, effect: &Effect) {
        if effect.fault == Fault::DiesBefore {
            return;
        }
        // What was refused wrote nothing; only a call of the load balancer had to be announced all the same.
        let refused = matches!(effect.fault, Fault::Refused(_));
        match effect.call {
            call if MUTATING.contains(&call) => self.check_elb(effect),
            _ if refused => {}
            "ExecuteTransaction" | "ExecuteStatement" => self.check_ledger(effect),
            "DeleteMessage" | "SendMessage" => {
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
        let Some(n) = self.routes.iter().position(|w| words.contains(&name(w).as_str())) else {
            return;
        };
        let route = &self.routes[n].route.name;
        let state = match self.dynamo.glance_at_route(route) {
            Ok(Some(state)) => state,
            // Deleted, and not made anew yet.
            Ok(None) if self.routes[n].is_behind => return,
            Ok(None) | Err(_) => return self.note(effect, "the ledger cannot be read"),
        };
        if let Some(desired) = &state.control.desired {
            let named = &mut self.routes[n].named;
            if named.last().is_none_or(|(_, instance)| *instance != desired.instance) {
                named.push((effect.at, desired.instance.clone()));
            }
        }
        let was_behind = self.routes[n].is_behind;
        if self.is_still_behind(effect, n, &state) {
            return;
        }
        let before = std::mem::replace(&mut self.routes[n].state, state);
        if was_behind {
            self.check_recovered(effect, n, &before);
        }
        if self.routes[n].state.chain != before.chain {
            self.routes[n].history.push(before.clone());
        }
        self.routes[n].before = before.control.clone();
        let now = &self.routes[n].state;
        if now.control.generation < before.control.generation || now.chain.seq < before.chain.seq {
            self.note(effect, "I6: generation or seq fell");
        }
        let evidence = |s: &RouteState| s.control.desired.as_ref().map(|d| d.evidence);
        if evidence(&self.routes[n].state) < evidence(&before) {
            self.note(effect, "I3: the evidence fell");
        }
        self.check_evidence(effect, n, &before);
        if self.routes[n].state.chain.seq > before.chain.seq {
            self.take_records(effect, n, before.chain.seq + 1);
        }
        let watched = &mut self.routes[n];
        if let Some(lease) = &watched.state.control.lease
            && before.control.lease.as_ref() != Some(lease)
            && let Some(attempt) = watched.attempts.iter_mut().find(|a| a.transition == lease.transition)
        {
            attempt.grants.push(effect.at);
        }
    }

    /// Takes every record that is there, a head that does not know of it notwithstanding.
    fn take_records(&mut self, effect: &Effect, n: usize, from_seq: u64) {
        let now = self.time.at(effect.at);
        for seq in from_seq.. {
            match self.dynamo.glance_at_record(&self.routes[n].route.name, seq) {
                Ok(Some(Ok(stored))) => {
                    if let Err(broken) = self.routes[n].take(&stored, now) {
                        self.note(effect, &broken);
                    }
                }
                Ok(None) => return,
                Ok(Some(Err(_))) | Err(_) => return self.note(effect, "the audit cannot be read"),
            }
        }
    }

    /// Nobody but the dead leaves a receive behind: what it takes is hidden although another worker waits for it.
    pub(super) fn check_receives(&mut self, journal: &[Effect]) {
        let abandoned = journal.iter().filter(|e| e.call == ABANDONED_RECEIVE);
        for effect in abandoned.filter(|e| e.fault == Fault::None) {
            self.note(effect, "a worker that lived dropped its receive");
        }
    }

    /// I4: what is deleted, or moved to the dead-letter queue, is settled on every route it concerns.
    pub(super) fn check_disposal(&mut self, call: &str, id: &str) {
        for (n, key) in self.messages.get(id).cloned().unwrap_or_default() {
            let watched = &self.routes[n];
            let recorded = watched.settled.contains_key(&key);
            let entry = self.dynamo.glance_at_event(&key);
            // What was recorded before a restore, and is deleted after it, has its entry back once the route has caught up.
            let known = self.events_restored || matches!(&entry, Ok(Some(entry)) if entry.settled.is_some());
            if !(recorded && known) {
                let route = &watched.route.name;
                let what = format!("I4: {call} of {id}, but event {key} is not settled on {route}");
                self.violations.push(what);
            }
        }
    }

    fn check_elb(&mut self, effect: &Effect) {
        let arn = effect.detail.split(' ').next().unwrap_or_default();
        let Some(n) = self.routes.iter().position(|w| owns(&w.route, arn)) else {
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
            self.note(effect, "I6: the call did not fit the lease when it was sent");
        }
        let mutations = self.elb.mutations();
        let new: Vec<Mutation> = mutations[self.mutations..].to_vec();
        self.mutations = mutations.len();
        let changes = self.elb.weight_changes();
        let weighed: Vec<AppliedWeights> = changes[self.weight_changes..].to_vec();
        self.weight_changes = changes.len();
        if new.is_empty() && weighed.is_empty() {
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
        for change in &weighed {
            self.check_weights(effect, n, (&attempt, holds), change);
        }
    }

    /// I1 of a weighted route: never all 0, no weight without a target, and the one that was announced.
    fn check_weights(
        &mut self,
        effect: &Effect,
        n: usize,
        (attempt, holds): (&Announced, bool),
        change: &AppliedWeights,
    ) {
        let route = &self.routes[n].route;
        let Strategy::Weighted(weighted) = &route.strategy else {
            return self.note(effect, "I5: a listener of a route that has none");
        };
        let mut targets = BTreeSet::new();
        for group in change.after.in_service() {
            let owner = weighted.groups.iter().find(|(_, own)| own.arn == *group);
            let ip = owner.and_then(|(instance, _)| route.instances.get(instance));
            let target = ip.map(|ip| Target { ip: *ip, port: route.port });
            targets.extend(target.filter(|t| self.elb.registered(group).contains(t)));
        }
        if targets.len() != change.after.in_service().len() || targets.is_empty() {
            self.note(effect, "I1: a weight without a target, or no weight at all");
        }
        if holds && !targets.contains(&attempt.desired) {
            self.note(effect, "I4: another target was announced");
        }
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
        let follows = desired.is_some_and(|desired| desired.target == attempt.desired);
        let weighted = matches!(watched.route.strategy, Strategy::Weighted(_));
        let known: BTreeSet<_> = watched.route.instances.values().copied().collect();
        let port = watched.route.port;
        let safety = &watched.state.control.safety;
        // Its time may be another's by as much as clocks differ.
        let soon = self.time.at(effect.at + CLOCK_SKEW_MAX);
        let stopped = safety.stopped_since(soon).is_some() || safety.flapping.is_some();
        let held_back = stopped || watched.route.policy.mode == Mode::Observe;
        if holds && held_back {
            self.note(effect, "I7: a route that is held back is moved");
        }
        if emptied && !disturbed && !weighted {
            self.note(effect, "I1: the group is empty");
        }
        if holds && !follows {
            self.note(effect, "I3: the route points elsewhere");
        }
        for mutation in new {
            let target = mutation.target;
            match mutation.action {
                Action::Register if target.port != port || !known.contains(&target.ip) => {
                    self.note(effect, "I5: the target is none of the route's");
                }
                // The other instances' own groups are kept warm.
                Action::Register if target != attempt.desired && !weighted => {
                    self.note(effect, "I4: another target was announced");
                }
                Action::Deregister if weighted => {
                    self.note(effect, "I1: a weighted route deregisters nothing");
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
    pub(super) fn check_chains(&mut self) {
        for watched in &self.routes {
            let ended = match self.dynamo.glance_at_route(&watched.route.name) {
                Ok(state) => {
                    let head = state.map(|state| state.chain).unwrap_or_default();
                    watched.chain.finish(head).map_err(|e| e.to_string())
                }
                Err(_) => Err("the ledger cannot be read".to_owned()),
            };
            if let Err(broken) = ended {
                let route = &watched.route.name;
                self.violations.push(format!("I8: chain of {route}: {broken}"));
            }
        }
    }

    /// I8: the delivery of a settled event costs no ELB call.
    pub(super) fn check_reports(&mut self, reports: &[Report]) {
        for report in reports {
            let asked = report.steps.iter().any(|s| ELB.contains(&s.name.as_str()));
            if matches!(report.ended, AttemptResult::Duplicate(_)) && asked {
                let what = format!("I8: a duplicate cost an ELB call: {report:?}");
                self.violations.push(what);
            }
        }
    }
}
