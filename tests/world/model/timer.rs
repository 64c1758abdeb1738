//! What happens without any event: the timer's looks (`PeriodicPass::run_pass`).

use writerlink_core::actuation::plan::plan;
use writerlink_core::decision::goal::{TargetDecision, target_state};
use writerlink_core::decision::holds::hold_or_move;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::lease::{Acquire, acquire};
use writerlink_core::ledger::record::{Entry as Told, RecordKind};
use writerlink_core::model::route::Route as Served;

use super::ledger::remember;
use super::protocol::{Bug, Protocol};
use super::state::{Doing, Hand, Look, Matter, Opening, Route, SourceSays, State, Transition, WORKERS};
use super::world::{World, ticks};

impl Protocol {
    /// How a worker's timer may look now: as the faults allow at any time, and as it must when nothing else
    /// happens any more.
    pub fn looks(&self, state: &State, worker: usize) -> Vec<Look> {
        let idle = &state.workers[worker];
        if idle.doing != Doing::Nothing || idle.stands_still || self.has(Bug::HasNoTimer) {
            return Vec::new();
        }
        let look = Look::new;
        if state.left.looks == 0 {
            let last = self.looks_last(worker) && state.is_at_rest();
            return last.then(|| self.last_look()).into_iter().collect();
        }
        if !self.world.has_witnesses() {
            return vec![look(SourceSays::Silent, true)];
        }
        let mut looks = vec![look(SourceSays::Unclear, false)];
        for reading in [SourceSays::Early, SourceSays::Stale, SourceSays::True] {
            looks.extend([look(reading, true), look(reading, false)]);
        }
        looks
    }

    /// Whose timers look when everything is at rest: one is enough where nobody is asked, and the other one may look
    /// before. Where sources are asked each worker remembers its own.
    fn looks_last(&self, worker: usize) -> bool {
        worker == 0 || self.world.has_witnesses()
    }

    /// What the timer sees in the end: the truth, once no event is young any more.
    fn last_look(&self) -> Look {
        let reading = if self.world.has_witnesses() { SourceSays::True } else { SourceSays::Silent };
        Look::new(reading, false)
    }

    /// One look: the ledger and the sources at the same time, then the group, then what differs is attempted.
    /// What is only noticed is written where it changes more than the chain, which a settled event's record moves too.
    pub fn look(&self, state: &mut State, worker: usize, look: Look) {
        remember(state, worker);
        let look = Look { number: self.world.next_number(&state.route), ..look };
        let since = state.workers[worker].seen.map_or(0, |seen| seen.since);
        if self.is_busy(&state.route, (worker, since)) {
            return;
        }
        let look = self.hear(state, worker, look);
        self.tell_of_agreement(state, worker, look);
        let since = state.workers[worker].seen.map_or(0, |seen| seen.since);
        let Some(desired) = self.aims_at(&state.route, (worker, since), look) else {
            return;
        };
        let control = self.world.state_for(Matter::Seen(look), &state.route).control;
        let points_there = control.desired.as_ref().is_none_or(|old| *old == desired);
        let served = self.served(Matter::Seen(look));
        let observed = self.world.observed(&state.group);
        let is_right = match self.world.weighted() {
            None => plan(served, &desired, &observed).is_empty(),
            Some(_) => self.weighted_is_right(&desired, Matter::Seen(look), &state.scene()),
        };
        if points_there && is_right {
            return;
        }
        let now = World::wall(worker, 0);
        let decision = hold_or_move(served, &self.heeded(&control), desired, now, &[]);
        match decision {
            Decision::Move(_) => {
                state.workers[worker].doing = Doing::Opening(Opening {
                    hand: Hand { matter: Matter::Seen(look), ours: false, settled_before: false },
                    known: None,
                    tries: 0,
                    sent: None,
                });
            }
            Decision::Hold(desired, blocked) => {
                self.keep(state, (worker, look), StateUpdate::Defer(desired, blocked.rule));
            }
            Decision::Ask(_) | Decision::Settle(_) => {}
        }
    }

    /// Records what a safety rule holds back (`PeriodicPass::wait`), if the route does not know it yet.
    fn keep(&self, state: &mut State, (worker, look): (usize, Look), effect: StateUpdate) {
        let from = self.world.state(&state.route);
        let told = self.noticed(worker, look);
        let change = change::note(&from, effect, told).unwrap();
        let news = change.to().waiting != from.control.waiting || change.to().safety != from.control.safety;
        if news && !self.has(Bug::ForgetsWhatItHoldsBack) {
            self.commit(state, worker, None, &change);
            remember(state, worker);
        }
    }

    /// The record of something that a look noticed.
    pub fn noticed(&self, worker: usize, look: Look) -> Told {
        let none = Transition::default();
        let told = self.world.told(worker, Matter::Seen(look), none, 0);
        Told { kind: RecordKind::DriftDetected, ..told }
    }

    /// Whether somebody moves the route.
    fn is_busy(&self, route: &Route, (worker, since): (usize, u8)) -> bool {
        let control = self.world.state(route).control;
        let now = World::wall(worker, 0);
        matches!(acquire(control.lease.as_ref(), now, ticks(since)), Acquire::Wait(_))
    }

    /// Where a look sees the route point, if it sees it anywhere; not while somebody moves it.
    pub fn aims_at(&self, route: &Route, (worker, since): (usize, u8), look: Look) -> Option<Desired> {
        if self.is_busy(route, (worker, since)) {
            return None;
        }
        let now = World::wall(worker, 0);
        let matter = Matter::Seen(look);
        let control = self.world.state_for(matter, route).control;
        let key = self.world.speaks(matter).key;
        let seen = self.world.reading(look);
        match target_state(self.served(matter), &control, key, &seen, now) {
            TargetDecision::Keep(desired) | TargetDecision::Follow(desired) => Some(desired),
            TargetDecision::Confirm
            | TargetDecision::LeftToEvent
            | TargetDecision::Wait(_)
            | TargetDecision::Unknown => None,
        }
    }

    /// The route as an attempt at this finds it configured.
    pub fn served(&self, matter: Matter) -> &Served {
        match matter {
            Matter::Seen(look) if self.has(Bug::FightsEvents) => {
                let trusts = false;
                self.world.served(Matter::Seen(Look { trusts, ..look }))
            }
            Matter::Seen(_) | Matter::Told(_) | Matter::Ordered(_) => self.world.served(matter),
        }
    }

    /// What is so once the timers have looked and nothing else happens any more, if they find nothing to do.
    pub fn content_after_looks(&self, state: &State) -> Option<State> {
        let mut next = *state;
        for worker in (0..WORKERS).filter(|worker| self.looks_last(*worker)) {
            self.look(&mut next, worker, self.last_look());
            if next.workers[worker].doing != Doing::Nothing || next.route != state.route {
                return None;
            }
        }
        Some(next)
    }
}
