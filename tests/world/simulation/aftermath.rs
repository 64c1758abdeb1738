//! After the storm: what the timer alone makes right, what is left to a person, and whether every route is where it
//! belongs in the end.

#![expect(clippy::unwrap_used, reason = "a world without a writer is a fault of the test")]

use std::collections::BTreeSet;
use std::time::Duration;

use writerlink_core::evidence::discovery::STEADY_AFTER_A_MOVE;
use writerlink_core::evidence::event::{Claim, EvidenceOrder, RANK_COMMAND, RdsEvent};
use writerlink_core::ledger::sources::{CONFLICT_AFTER, RDS_LAGS_AT_MOST};
use writerlink_core::model::policy::{Mode, TRUST_EVENT};
use writerlink_core::model::reason::Rule;
use writerlink_core::model::route::{OnStarted, Route};
use writerlink_core::model::target::Target;
use writerlink_core::model::time::CALL_TIMEOUT;

use writerlink_sim::faults::Fault;

use super::script::{MIN_TTL_MAX, PersonsAct};
use super::stage::{LOOK_EVERY, Stage, source};

/// From when nothing holds routes back any more until the timer alone has made them right: an event or an
/// order outranks the sources for a while, those have to be steady for longer after a move, and a look may have
/// failed so often that the next one is five minutes away. A resolver keeps what it was told until then, RDS's API is not
/// believed before no API lags for so long, and who cannot tell how old an answer is gives the others time to object.
const HEALED_WITHIN: Duration = TRUST_EVENT
    .saturating_mul(2)
    .saturating_add(STEADY_AFTER_A_MOVE.saturating_mul(2))
    .saturating_add(CONFLICT_AFTER)
    .saturating_add(Duration::from_mins(6))
    .saturating_add(MIN_TTL_MAX)
    .saturating_add(RDS_LAGS_AT_MOST);

/// The calls by which a pass reads the states of routes.
const STATE_READS: [&str; 2] = ["GetItem", "BatchGetItem"];

/// From a person's word until the route is there.
const ORDERED_WITHIN: Duration = Duration::from_mins(1);

impl Stage {
    /// After the storm somebody lifts everything that holds routes back, and then the timer alone has to make
    /// them right: no event comes any more. Says how many were not right before.
    pub(crate) async fn repair(&mut self) -> u64 {
        let routes = 0..self.rig.routes.len();
        let wrong = routes.clone().filter(|n| !self.is_right(*n)).count();
        let from = self.now();
        loop {
            // A move that is let go may be the one too many: then the flap rule stops it, and is lifted too.
            for route in routes.clone() {
                for act in self.invariants.stops(route).into_iter().map(lifted) {
                    self.order(route, act);
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
            if routes.clone().all(|n| self.is_right(n)) || self.now() > from + HEALED_WITHIN {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            self.look_after_workers();
        }
        for route in routes {
            self.say_where_it_belongs(route).await;
        }
        u64::try_from(wrong).unwrap()
    }

    /// What no source can tell is left to a person, if it is shown (I9): the newest evidence points elsewhere, and no
    /// source of a process that lives has shown that since.
    async fn say_where_it_belongs(&mut self, n: usize) {
        let living: BTreeSet<String> = self
            .slots
            .iter()
            .filter_map(|slot| slot.running.as_ref())
            .map(|running| running.process.name.clone())
            .collect();
        let journal = self.rig.fleet.world.fabric.journal().into_iter();
        let states: Vec<(String, Duration)> = journal
            .filter(|effect| STATE_READS.contains(&effect.call))
            .filter(|effect| matches!(effect.fault, Fault::None | Fault::Stall(_)))
            .map(|effect| (effect.process, effect.at))
            .collect();
        let is_shown = self.invariants.is_for_a_person(n, |heard| {
            // A pass that could not read the route's state has nothing to compare a reading with.
            living.contains(&heard.by)
                && states.iter().any(|(by, at)| *by == heard.by && heard.at.abs_diff(*at) <= CALL_TIMEOUT)
        });
        if self.is_right(n) || self.rig.routes[n].policy.discovery.is_empty() || !is_shown {
            return;
        }
        self.told_by_hand += 1;
        let writer = self.rig.fleet.world.rds.writer(&source(n)).unwrap().id;
        let members = 1..=3;
        let is_writer = |m: &usize| self.rig.instance(n, *m).id == writer;
        let member = members.into_iter().find(is_writer).unwrap();
        self.order(n, PersonsAct::Swap(member));
        tokio::time::sleep(ORDERED_WITHIN).await;
    }

    pub(crate) fn judge(&mut self) {
        for n in 0..self.rig.routes.len() {
            if !self.is_right(n) {
                let (route, goal) = (&self.rig.routes[n].name, self.goal(n));
                let held = self.rig.registered(n);
                let what = format!("I2: {route} holds {held:?} and should hold {goal:?}");
                self.invariants.violated(what);
            }
        }
    }

    /// Where a route's group has to be in the end, and whether nothing else may stay.
    fn goal(&self, n: usize) -> (Target, bool) {
        let route = &self.rig.routes[n];
        let first = self.rig.target(n, 1);
        if route.policy.mode == Mode::Observe {
            return (first, true);
        }
        if !route.policy.discovery.is_empty() {
            let writer = self.rig.fleet.world.rds.writer(&source(n)).unwrap();
            let target = Target { ip: writer.ip, port: route.port };
            return (target, true);
        }
        let newest = self.newest(n);
        // Nobody delivers a person's word: what the ledger knows of it is all there is.
        let ordered = self.invariants.desired(n).filter(|desired| {
            let older = newest.as_ref().is_none_or(|(order, _)| *order < desired.evidence);
            desired.evidence.rank == RANK_COMMAND && older
        });
        match (ordered, newest) {
            (Some(desired), _) => (desired.target, true),
            (None, Some((_, goal))) => goal,
            (None, None) => (first, true),
        }
    }

    /// The newest event that moves a route without sources, and where to.
    fn newest(&self, n: usize) -> Option<(EvidenceOrder, (Target, bool))> {
        let route = &self.rig.routes[n];
        let followed = self.told.iter().filter(|e| route.follows(e));
        let moving = followed.filter_map(|event| evidence(route, event));
        moving.max_by_key(|(order, _)| *order)
    }

    fn is_right(&self, n: usize) -> bool {
        let held = self.rig.registered(n);
        match self.goal(n) {
            (target, true) => held == [target],
            (target, false) => held.contains(&target),
        }
    }
}

/// What lifts a rule.
fn lifted(rule: Rule) -> PersonsAct {
    match rule {
        Rule::Paused => PersonsAct::Resume,
        Rule::Frozen => PersonsAct::Unfreeze,
        Rule::Pinned => PersonsAct::Unpin,
        Rule::Flapping | Rule::Observing => PersonsAct::Acknowledge,
    }
}

/// What an event asks of a route, said a second time and independently of `decision::event`.
fn evidence(route: &Route, event: &RdsEvent) -> Option<(EvidenceOrder, (Target, bool))> {
    let claim = event.claim().ok()?;
    let alone = match (&claim, route.on_started) {
        (Claim::Completed(_) | Claim::Restored(_), _) | (Claim::Started(_), OnStarted::Swap) => true,
        (Claim::Started(_), OnStarted::Register) => false,
        (Claim::Started(_), OnStarted::Wait) | (Claim::RequireReading | Claim::Nothing, _) => {
            return None;
        }
    };
    let ip = *route.instances.get(claim.instance()?)?;
    let order = EvidenceOrder { at: event.at, rank: claim.rank() };
    let target = Target { ip, port: route.port };
    Some((order, (target, alone)))
}
