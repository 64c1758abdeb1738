//! What the sources' word may do to a route (I3, I10), held against what each process really heard.
//!
//! It is said a second time here, out of the world's own notes and without the worker's memory: readings count from after
//! the last move, young evidence outranks them, and an answer that has not changed since before the newest evidence moves
//! nothing. A route that is moved back by such an answer goes there and back.

use std::time::Duration;

use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::{RANK_COMMAND, RANK_COMPLETED, RANK_READING};
use writerlink_core::evidence::sql::{is_without_lag, steady_readings};
use writerlink_core::ledger::sources::RDS_LAGS_AT_MOST;
use writerlink_core::ledger::state::{Assignment, RouteState};
use writerlink_core::model::policy::{DiscoverySource, Role};
use writerlink_core::model::reason::Reason;
use writerlink_core::model::time::CLOCK_SKEW_MAX;
use writerlink_sim::databases::Heard;
use writerlink_sim::faults::Effect;

use super::checker::Checker;

/// Evidence that a route accepted, and when the ledger said so first.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) at: Duration,
    pub(super) known: Desired,
}

impl Checker {
    /// Notes what is new about the route's evidence, and holds it against what was heard if the sources said it.
    pub(super) fn check_evidence(&mut self, effect: &Effect, n: usize, before: &RouteState) {
        let (old, new) = (&before.control, &self.routes[n].state.control);
        let moved = old.desired.as_ref().map(|d| d.target) != new.desired.as_ref().map(|d| d.target);
        let newest = |control: &Assignment| control.newest().map(|known| known.event);
        let accepted = new.newest().filter(|_| newest(old) != newest(new)).cloned();
        if let Some(known) = &accepted
            && known.evidence.rank == RANK_READING
            && self.routes[n].route.policy.role == Role::Writer
            && let Err(broken) = self.judge_the_sources(effect, n, (&before.control, known))
        {
            self.note(effect, &broken);
        }
        let watched = &mut self.routes[n];
        if let Some(known) = accepted {
            watched.accepted.push(Accepted { at: effect.at, known });
        }
        if moved {
            watched.moved_at = effect.at;
        }
    }

    /// Whether the sources of the process that says so may move the route there.
    fn judge_the_sources(
        &self,
        effect: &Effect,
        n: usize,
        (control, said): (&Assignment, &Desired),
    ) -> Result<(), String> {
        let watched = &self.routes[n];
        let route = &watched.route;
        let heard = self.rds.heard(&route.name, Duration::ZERO);
        let heard: Vec<Heard> = heard.into_iter().filter(|h| h.by == effect.process).collect();
        let case = Case { heard: &heard, said, trust: route.policy.trust_event, now: effect.at };
        for of in &route.policy.discovery {
            let since_the_move = |h: &&Heard| h.of == *of && h.at > watched.moved_at;
            let readings = heard.iter().filter(since_the_move);
            let agreeing = readings.filter(|h| h.ip == said.target.ip).count();
            if agreeing < steady_readings(&route.policy.discovery) {
                return Err(format!("I3: only {agreeing} readings of {of} since the last move"));
            }
        }
        let Some(newest) = watched.accepted.last() else {
            return Ok(());
        };
        let evidence = newest.known.evidence;
        let age = self.time.at(effect.at).since(evidence.at);
        // Instances that are asked themselves know better at once than an event of what has happened.
        let without_lag = is_without_lag(&route.policy.discovery);
        let completed = evidence.rank == RANK_COMPLETED && !without_lag;
        let outranks = completed || evidence.rank == RANK_COMMAND;
        let elsewhere = newest.known.target != said.target;
        if outranks && elsewhere && age + CLOCK_SKEW_MAX < case.trust {
            return Err(format!("I3: evidence of {age:?} ago is contradicted"));
        }
        if without_lag {
            return Ok(());
        }
        // A failover that started, or an order, leaves the evidence before it what it was.
        let is_fact = |accepted: &&Accepted| {
            let rank = accepted.known.evidence.rank;
            let agreed = control.agreed_with == Some(accepted.known.event);
            rank == RANK_COMPLETED || rank == RANK_READING || (rank < RANK_COMPLETED && agreed)
        };
        let fact = watched.accepted.iter().rev().find(is_fact);
        match fact.filter(|fact| fact.known.target != said.target) {
            Some(fact) => self.judge_the_change(&case, fact, (newest, control)),
            None => Ok(()),
        }
    }

    /// I3 in its own words: the answer changed since before the event, or agreed with it. What the sources said
    /// themselves is as old as its record.
    fn judge_the_change(
        &self,
        case: &Case<'_>,
        fact: &Accepted,
        (newest, control): (&Accepted, &Assignment),
    ) -> Result<(), String> {
        let began = self.time.at(Duration::ZERO);
        let since = match fact.known.evidence.rank {
            RANK_READING => fact.at,
            _ => fact.at.min(fact.known.evidence.at.since(began)),
        };
        if case.heard.iter().any(|h| case.is_another(h, since)) {
            return Ok(());
        }
        let age = self.time.at(case.now).since(fact.known.evidence.at);
        let rds = case.heard.iter().any(|h| h.of == DiscoverySource::Rds);
        if rds && age + CLOCK_SKEW_MAX >= RDS_LAGS_AT_MOST {
            return Ok(());
        }
        let was_there = case.heard.iter().any(|h| h.at < since);
        let is_newest = newest.known.event == fact.known.event;
        let agreed = control.agreed_with == Some(fact.known.event);
        // That a process heard an answer does not mean that it remembers it: while a move is under way, or the ledger is
        // away, there is nothing to hold it against.
        if (is_newest && !agreed) || (!is_newest && was_there) {
            return Err("I3: a lagging source moves the route".to_owned());
        }
        // A process that started later goes by what stood for long, and was recorded, and nobody objected to. What an
        // order or a start has replaced it cannot know of.
        let first = case.heard.iter().map(|h| h.at).min().unwrap_or_default();
        let told = control.source_conflict.as_ref();
        let unopposed = told.is_some_and(|told| told.reason != Reason::WorkersDisagree);
        if !is_newest || (unopposed && case.now.saturating_sub(first) >= case.trust) {
            return Ok(());
        }
        Err("I3: a source that may lag moves the route too soon".to_owned())
    }
}

struct Case<'a> {
    /// What the process heard.
    heard: &'a [Heard],
    /// Where it moves the route by that.
    said: &'a Desired,
    trust: Duration,
    now: Duration,
}

impl Case<'_> {
    /// Whether this is another answer than the one that moves the route, and not from before the last one of its source
    /// that was heard before that time.
    fn is_another(&self, heard: &Heard, since: Duration) -> bool {
        let before = self.heard.iter().filter(|h| h.of == heard.of && h.at < since);
        let from = before.map(|h| h.at).max().unwrap_or_default();
        heard.at >= from && heard.ip != self.said.target.ip
    }
}
