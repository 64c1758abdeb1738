//! What happens without any event: the timer's looks (`Reconciler::look`).

use writerlink::domain::aim::{Aim, aim};
use writerlink::domain::audit::RecordKind;
use writerlink::domain::change::{self, Effect};
use writerlink::domain::decide::{Decision, unless_held_back};
use writerlink::domain::lease::{Acquire, acquire};
use writerlink::domain::plan::plan;
use writerlink::domain::route::Route as Served;
use writerlink::domain::transition::Desired;

use super::ledger::remember;
use super::protocol::{Bug, Protocol};
use super::state::{Doing, Hand, Look, Matter, Opening, Reading, Route, State, Transition};
use super::world::{World, ticks};

/// The worker whose timer looks when everything is at rest: one is enough, and the other one may look before.
const LAST_LOOKER: usize = 0;

impl Protocol {
    /// How a worker's timer may look now: as the faults allow at any time, and as it must when nothing else
    /// happens any more.
    pub fn looks(&self, state: &State, worker: usize) -> Vec<Look> {
        let idle = &state.workers[worker];
        if idle.doing != Doing::Nothing || idle.stands_still || self.has(Bug::HasNoTimer) {
            return Vec::new();
        }
        let look = |reading, trusts| Look {
            reading,
            number: 0,
            trusts,
        };
        if state.left.looks == 0 {
            let last = worker == LAST_LOOKER && state.is_at_rest();
            return last.then(|| self.last_look()).into_iter().collect();
        }
        if !self.world.has_witnesses() {
            return vec![look(Reading::Silent, true)];
        }
        let mut looks = vec![look(Reading::Unclear, false)];
        for reading in [Reading::Early, Reading::Stale, Reading::True] {
            looks.extend([look(reading, true), look(reading, false)]);
        }
        looks
    }

    /// What the timer sees in the end: the truth, once no event is young any more.
    fn last_look(&self) -> Look {
        let reading = if self.world.has_witnesses() {
            Reading::True
        } else {
            Reading::Silent
        };
        Look {
            reading,
            number: 0,
            trusts: false,
        }
    }

    /// One look: the ledger and the witnesses at the same time, then the group, then what differs is attempted.
    /// What is only noticed is written where it changes more than the chain, which a settled event's record moves too.
    pub fn look(&self, state: &mut State, worker: usize, look: Look) {
        remember(state, worker);
        let look = Look {
            number: self.world.next_number(&state.route),
            ..look
        };
        let since = state.workers[worker].seen.map_or(0, |seen| seen.since);
        let Some(desired) = self.aims_at(&state.route, (worker, since), look) else {
            return;
        };
        let control = self.world.state(&state.route).control;
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
        let decision = unless_held_back(served, &self.heeded(&control), desired, now, &[]);
        match decision {
            Decision::Move(_) => {
                state.workers[worker].doing = Doing::Opening(Opening {
                    hand: Hand {
                        matter: Matter::Seen(look),
                        ours: false,
                        settled_before: false,
                    },
                    known: None,
                    tries: 0,
                    sent: None,
                });
            }
            Decision::Hold(desired, brake) => {
                self.keep(state, (worker, look), Effect::Keeps(desired, brake.rule));
            }
            Decision::Ask(_) | Decision::Settle(_) => {}
        }
    }

    /// Records what a safety rule holds back (`Reconciler::wait`), if the route does not know it yet.
    fn keep(&self, state: &mut State, (worker, look): (usize, Look), effect: Effect) {
        let from = self.world.state(&state.route);
        let none = Transition::default();
        let mut told = self.world.told(worker, Matter::Seen(look), none, 0);
        told.kind = RecordKind::Noticed;
        let change = change::note(&from, effect, told).unwrap();
        let news = change.to().waiting != from.control.waiting
            || change.to().safety != from.control.safety;
        if news && !self.has(Bug::ForgetsWhatItHoldsBack) {
            self.commit(state, worker, None, &change);
            remember(state, worker);
        }
    }

    /// Where a look sees the route point, if it sees it anywhere; not while somebody moves it.
    pub fn aims_at(
        &self,
        route: &Route,
        (worker, since): (usize, u8),
        look: Look,
    ) -> Option<Desired> {
        let control = self.world.state(route).control;
        let now = World::wall(worker, 0);
        if let Acquire::Wait(_) = acquire(control.lease.as_ref(), now, ticks(since)) {
            return None;
        }
        let matter = Matter::Seen(look);
        let key = self.world.speaks(matter).key;
        let seen = self.world.sighting(look);
        match aim(self.served(matter), &control, key, &seen, now) {
            Aim::Keep(desired) | Aim::Follow(desired) => Some(desired),
            Aim::Confirm | Aim::LeftToEvent | Aim::Wait(_) | Aim::Unknown => None,
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

    /// Whether the timer, once nothing else happens any more, finds nothing to do.
    pub fn timer_is_content(&self, state: &State) -> bool {
        let mut next = *state;
        self.look(&mut next, LAST_LOOKER, self.last_look());
        next.workers[LAST_LOOKER].doing == Doing::Nothing && next.route == state.route
    }
}
