//! An attempt up to its announcement: `Reconciler::open`.

use writerlink_core::decision::event::decide;
use writerlink_core::decision::verdict::{Decision, Verdict};
use writerlink_core::evidence::event::{RANK_COMPLETED, RANK_READING};
use writerlink_core::evidence::trigger::Trigger;
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::{BeginRequest, Change, EventDelivery, StateUpdate};
use writerlink_core::ledger::lease::{Acquire, acquire};
use writerlink_core::ledger::record::RecordKind;

use super::ledger::{Commit, remember};
use super::protocol::{Bug, Protocol, end};
use super::state::{
    Call, Carrying, Doing, End, Entry, Mark, Matter, Opening, Phase, Route, State, Transition, Why,
};
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
        // The timer saw a reason to act that is gone: nothing is written.
        let is_gone = self.opening_change(worker, &opening, &seen.route).is_none();
        state.workers[worker].doing = if is_gone { Doing::Nothing } else { Doing::Opening(opening) };
    }

    pub fn write_lands(&self, state: &mut State, worker: usize) {
        let Doing::Opening(opening) = state.workers[worker].doing else {
            return;
        };
        let event = opening.hand.event();
        let before = state.workers[worker].seen.unwrap().route;
        let (change, decision) = self.opening_change(worker, &opening, &before).unwrap();
        if let Commit::Refused(known) = self.commit(state, worker, event, &change) {
            remember(state, worker);
            return look_again(state, worker, opening, known);
        }
        remember(state, worker);
        match decision {
            Decision::Settle(verdict) | Decision::Ask(verdict) => {
                settled(state, worker, &opening, &verdict);
            }
            Decision::Hold(desired, blocked) => {
                settled(state, worker, &opening, &blocked.verdict(&desired));
            }
            Decision::Move(_) => {
                let carrying = self.taken(state, opening, &before);
                watch_trust(&self.world, state, &carrying, &before);
                state.workers[worker].doing = Doing::Carrying(carrying);
            }
        }
    }

    fn taken(&self, state: &State, opening: Opening, before: &Route) -> Carrying {
        let from = state.route;
        let desired = from.desired.unwrap();
        let pointed_here = before.desired.is_some_and(|old| old.place == desired.place);
        let looks_first = pointed_here || self.world.weighted().is_some() || self.has(Bug::DeregistersFirst);
        let first = if looks_first { Call::Look } else { Call::First };
        let why = match opening.hand.matter {
            Matter::Told(_) => Why::Event,
            Matter::Seen(_) if before.waiting == from.desired => Why::HeldBack,
            Matter::Seen(_) if before.desired == from.desired => Why::Repair,
            Matter::Seen(_) => Why::Sources,
            Matter::Ordered(_) => Why::Order,
        };
        let entry = opening.hand.event().and_then(|event| state.events[event]);
        let resumed = entry.is_some_and(|entry| entry.attempts > 1);
        Carrying {
            hand: opening.hand,
            transition: from.lease.unwrap().transition,
            why,
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
            changed: self.world.weighted().is_some() && resumed,
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
        let event = opening.hand.event();
        let before = state.workers[worker].seen.unwrap().route;
        let (change, _) = self.opening_change(worker, &opening, &before).unwrap();
        self.commit(state, worker, event, &change);
        end(state, worker, opening.hand, pause(opening.next_attempt()));
    }

    /// What is written, by the domain's own decision; nothing where the timer has no reason any more.
    fn opening_change(&self, worker: usize, opening: &Opening, before: &Route) -> Option<(Change, Decision)> {
        let matter = opening.hand.matter;
        let mut from = self.world.state(before);
        let mut judged = self.world.state_for(matter, before).control;
        if self.has(Bug::ForgetsTheOrderOfEvidence) {
            for control in [&mut from.control, &mut judged] {
                (control.desired, control.waiting) = (None, None);
            }
        }
        let arrival = opening.hand.event().map(|event| EventDelivery {
            key: self.world.evidence[event].key,
            source_arn: None,
            known: opening.known.map(|entry| self.world.entry(event, &entry)),
        });
        let ago = opening.sent.unwrap();
        let evidence = self.world.speaks(matter);
        let decision = decide(
            self.served(matter),
            &self.heeded(&judged),
            &self.heard(&evidence),
            self.world.address(matter),
            World::wall(worker, ago),
        );
        let transition = Transition::of(before.generation + 1, worker);
        let mut told = self.world.told(worker, matter, transition, ago);
        told.generation = from.control.generation.next();
        told.attempt = opening.next_attempt().into();
        let (verdict, effect) = match &decision {
            Decision::Move(desired) => {
                told.kind = match opening.known {
                    None => RecordKind::Started,
                    Some(_) => RecordKind::Resumed,
                };
                let taking = BeginRequest {
                    owner: &self.world.owners[worker],
                    desired: desired.clone(),
                    arrival: arrival.as_ref(),
                    order: match &evidence.trigger {
                        Trigger::Command(order) => Some(order),
                        Trigger::Event(_) | Trigger::Reading(_) => None,
                    },
                };
                let change = change::begin(&from, taking, told).unwrap();
                return Some((change, decision));
            }
            Decision::Settle(_) if matches!(matter, Matter::Seen(_)) => return None,
            Decision::Settle(verdict) => (verdict.clone(), StateUpdate::None),
            Decision::Hold(desired, blocked) if self.has(Bug::ForgetsWhatItHoldsBack) => {
                (blocked.verdict(desired), StateUpdate::None)
            }
            Decision::Hold(desired, blocked) => {
                let kept = StateUpdate::Defer(desired.clone(), blocked.rule);
                (blocked.verdict(desired), kept)
            }
            Decision::Ask(verdict) => (verdict.clone(), StateUpdate::of_asking(&evidence.trigger)),
        };
        told.outcome = Some(verdict.outcome);
        let change = match &arrival {
            Some(arrival) => change::settle(&from, arrival, effect, told),
            None => change::note(&from, effect, told),
        };
        Some((change.unwrap(), decision))
    }
}

/// A look at a time at which the newest event or order is trusted moves the route nowhere else, unless the failover
/// that had started failed later.
fn watch_trust(world: &World, state: &mut State, carrying: &Carrying, before: &Route) {
    let trusted = match carrying.hand.matter {
        Matter::Told(_) | Matter::Ordered(_) => false,
        Matter::Seen(look) => look.trusts,
    };
    let known = before.newest().map(|known| world.evidence_of(known));
    let told = known.filter(|evidence| evidence.rank != RANK_READING);
    let asked = before.asked.map(|event| world.evidence[usize::from(event)].trigger.at());
    let stands =
        told.is_some_and(|told| told.rank >= RANK_COMPLETED || asked.is_none_or(|asked| asked <= told.at));
    if trusted && stands && carrying.why == Why::Sources {
        state.marks.set(Mark::FoughtAYoungEvent);
    }
}

/// Evidence that led to no call is done with.
fn settled(state: &mut State, worker: usize, opening: &Opening, verdict: &Verdict) {
    let settled = small_outcome(verdict.outcome);
    end(state, worker, opening.hand, end_of(settled, End::Settled));
}

/// The ledger stands differently than remembered: once more on what it said, a bounded number of times.
fn look_again(state: &mut State, worker: usize, opening: Opening, known: Option<Entry>) {
    let opening = Opening { known: known.or(opening.known), tries: opening.tries + 1, sent: None, ..opening };
    if opening.tries < COMMIT_TRIES {
        state.workers[worker].doing = Doing::Opening(opening);
    } else {
        end(state, worker, opening.hand, pause(opening.next_attempt()));
    }
}
