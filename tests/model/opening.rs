//! An attempt up to its announcement: `Reconciler::open`.

use writerlink::domain::audit::RecordKind;
use writerlink::domain::change::{self, Arrival, Change};
use writerlink::domain::decide::{Decision, decide};
use writerlink::domain::lease::{Acquire, acquire};

use super::ledger::{Commit, remember};
use super::protocol::{Bug, Protocol, end};
use super::state::{Call, Carrying, Doing, End, Entry, Opening, Phase, Route, State, Transition};
use super::world::{World, end_of, in_ticks, pause, small_outcome, ticks};

/// `reconcile::COMMIT_TRIES`.
const COMMIT_TRIES: u8 = 4;

impl Opening {
    pub fn next_attempt(&self) -> u8 {
        self.known.map_or(1, |entry| entry.attempts + 1)
    }
}

impl Protocol {
    /// Up to the write: on what is remembered, which is a guess.
    pub fn open(&self, state: &mut State, worker: usize) {
        let Doing::Opening(mut opening) = state.workers[worker].doing else {
            return;
        };
        let settled = opening.known.and_then(|entry| entry.settled);
        if let Some(settled) = settled {
            let ended = end_of(settled, End::Duplicate);
            return end(state, worker, opening.hand, ended);
        }
        let seen = state.workers[worker].seen.unwrap();
        let remembered = self.world.state(&seen.route);
        let lease = remembered.control.lease.as_ref();
        if let Acquire::Wait(wait) = acquire(lease, World::wall(worker, 0), ticks(seen.since))
            && !self.has(Bug::TakesOverAtOnce)
        {
            remember(state, worker);
            return if state.route == seen.route {
                let ended = End::RetryAfter(in_ticks(wait));
                end(state, worker, opening.hand, ended);
            } else {
                look_again(state, worker, opening, None);
            };
        }
        opening.sent = Some(0);
        state.workers[worker].doing = Doing::Opening(opening);
    }

    pub fn write_lands(&self, state: &mut State, worker: usize) {
        let Doing::Opening(opening) = state.workers[worker].doing else {
            return;
        };
        let event = usize::from(opening.hand.event);
        let before = state.workers[worker].seen.unwrap().route;
        let (change, decision) = self.opening_change(worker, &opening, &before);
        if let Commit::Refused(known) = self.commit(state, worker, event, &change) {
            remember(state, worker);
            return look_again(state, worker, opening, known);
        }
        remember(state, worker);
        match decision {
            Decision::Settle(verdict) => {
                let settled = small_outcome(verdict.outcome);
                end(state, worker, opening.hand, end_of(settled, End::Settled));
            }
            Decision::Move(desired) => {
                let pointed = self.world.state(&before).control.desired;
                let pointed_here = pointed.is_some_and(|old| old.target == desired.target);
                let carrying = self.taken(state, opening, &before, pointed_here);
                state.workers[worker].doing = Doing::Carrying(carrying);
            }
        }
    }

    fn taken(&self, state: &State, opening: Opening, before: &Route, looks: bool) -> Carrying {
        let from = state.route;
        let first = if looks || self.has(Bug::DeregistersFirst) {
            Call::Look
        } else {
            Call::First
        };
        let entry: Entry = state.events[usize::from(opening.hand.event)].unwrap();
        Carrying {
            hand: opening.hand,
            transition: entry.transition,
            from,
            hold: match self.bug {
                Some(Bug::CountsItsHoldFromAfterTheWrite) => 0,
                _ => opening.sent.unwrap(),
            },
            entry,
            took_over: before.lease.is_some(),
            lengthened: false,
            rounds: 0,
            proof: false,
            observed: None,
            phase: Phase::About(first),
        }
    }

    /// The write takes effect, and its worker never hears of it.
    pub fn write_lands_unheard(&self, state: &mut State, worker: usize) {
        let Doing::Opening(opening) = state.workers[worker].doing else {
            return;
        };
        state.left.unanswered -= 1;
        let event = usize::from(opening.hand.event);
        let before = state.workers[worker].seen.unwrap().route;
        let (change, _) = self.opening_change(worker, &opening, &before);
        self.commit(state, worker, event, &change);
        end(state, worker, opening.hand, pause(opening.next_attempt()));
    }

    fn opening_change(
        &self,
        worker: usize,
        opening: &Opening,
        before: &Route,
    ) -> (Change, Decision) {
        let event = usize::from(opening.hand.event);
        let mut from = self.world.state(before);
        if self.has(Bug::ForgetsTheOrderOfEvidence) {
            from.control.desired = None;
        }
        let arrival = Arrival {
            key: self.world.evidence[event].key,
            source_arn: None,
            known: opening.known.map(|entry| self.world.entry(event, &entry)),
        };
        let ago = opening.sent.unwrap();
        let decision = decide(
            &self.world.route,
            &from.control,
            &self.world.evidence[event],
            self.world.addresses[event],
            World::wall(worker, ago),
        );
        let transition = Transition::of(before.generation + 1, worker);
        let mut told = self.world.told(worker, event, transition, ago);
        told.generation = from.control.generation.next();
        told.attempt = arrival.next_attempt();
        let change = match &decision {
            Decision::Move(desired) => {
                told.kind = match arrival.known {
                    None => RecordKind::Started,
                    Some(_) => RecordKind::Resumed,
                };
                let owner = &self.world.owners[worker];
                change::begin(&from, owner, desired.clone(), &arrival, told)
            }
            Decision::Settle(verdict) => {
                told.outcome = Some(verdict.outcome);
                change::settle(&from, &arrival, told)
            }
        };
        (change.unwrap(), decision)
    }
}

/// The ledger stands differently than remembered: once more on what it said, a bounded number of times.
fn look_again(state: &mut State, worker: usize, opening: Opening, known: Option<Entry>) {
    let opening = Opening {
        known: known.or(opening.known),
        tries: opening.tries + 1,
        sent: None,
        ..opening
    };
    if opening.tries < COMMIT_TRIES {
        state.workers[worker].doing = Doing::Opening(opening);
    } else {
        end(state, worker, opening.hand, pause(opening.next_attempt()));
    }
}
