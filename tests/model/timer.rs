//! What happens without any event: the timer's looks (`Reconciler::look`) and a person's orders
//! (`Reconciler::order`).

use writerlink::domain::aim::{Aim, aim};
use writerlink::domain::audit::RecordKind;
use writerlink::domain::change::{self, Effect};
use writerlink::domain::decide::{Decision, unless_held_back};
use writerlink::domain::ground::{Act, Order};
use writerlink::domain::lease::{Acquire, acquire};
use writerlink::domain::plan::plan;
use writerlink::domain::route::Route as Served;
use writerlink::domain::safety::Safety;
use writerlink::domain::transition::{Control, Desired};

use super::ledger::remember;
use super::protocol::{Bug, Protocol};
use super::state::{
    Doing, Hand, Look, Matter, Opening, Reading, Route, State, Transition, WORKERS,
};
use super::world::{World, ticks};

/// The worker whose timer looks when everything is at rest: one is enough, and the other one may look before.
const LAST_LOOKER: usize = 0;

/// The clock by which an order is given: the one that is ahead, which takes a lease for dead the soonest.
const CLOCK_OF_ORDERS: usize = WORKERS - 1;

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
    /// What is only noticed is left out: its record moves the chain as a settled event's does.
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
        if points_there && plan(served, &desired, &observed).is_empty() {
            return;
        }
        let now = World::wall(worker, 0);
        let decision = unless_held_back(served, &self.heeded(&control), desired, now, &[]);
        if let Decision::Move(_) = decision {
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
            Aim::Confirm | Aim::Wait(_) | Aim::Unknown => None,
        }
    }

    /// The route as an attempt at this finds it configured.
    pub fn served(&self, matter: Matter) -> &Served {
        match matter {
            Matter::Seen(look) if self.has(Bug::FightsEvents) => {
                let trusts = false;
                self.world.served(Matter::Seen(Look { trusts, ..look }))
            }
            Matter::Seen(_) | Matter::Told(_) => self.world.served(matter),
        }
    }

    /// Whether the timer, once nothing else happens any more, finds nothing to do.
    pub fn timer_is_content(&self, state: &State) -> bool {
        let mut next = *state;
        self.look(&mut next, LAST_LOOKER, self.last_look());
        next.workers[LAST_LOOKER].doing == Doing::Nothing
    }

    /// The state by which it is decided whether something holds the route back.
    pub fn heeded(&self, control: &Control) -> Control {
        let mut heeded = control.clone();
        if self.has(Bug::MovesWhilePaused) {
            heeded.safety = Safety::default();
        }
        heeded
    }

    /// A person pauses the route, or ends the pause, where no attempt is under way.
    pub fn toggle(&self, state: &mut State) {
        let from = self.world.state(&state.route);
        let lease = from.control.lease.as_ref();
        let now = World::wall(CLOCK_OF_ORDERS, 0);
        let under_way = matches!(acquire(lease, now, ticks(0)), Acquire::Wait(_));
        if under_way && !self.has(Bug::PausesAmongCalls) {
            return;
        }
        state.left.toggles -= 1;
        let act = if state.route.paused {
            Act::Resume
        } else {
            Act::Pause { within: None }
        };
        let order = Order {
            at: now,
            by: String::new(),
            reason: String::new(),
            act,
            overrides: Vec::new(),
        };
        let none = Transition::default();
        let mut told = self.world.told(CLOCK_OF_ORDERS, NOBODYS, none, 0);
        told.kind = RecordKind::Ordered;
        let change = change::note(&from, Effect::Obeys(order), told).unwrap();
        self.commit(state, CLOCK_OF_ORDERS, None, &change);
    }
}

/// An order is no worker's matter; its record needs a key.
const NOBODYS: Matter = Matter::Seen(Look {
    reading: Reading::Silent,
    number: 0,
    trusts: false,
});
