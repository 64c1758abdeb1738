//! An attempt that holds its route: `Reconciler::carry_out` and its calls.

use writerlink_core::actuation::plan::{Plan, RegisteredProof, plan};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::Change;
use writerlink_core::ledger::lease::Hold;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::EventEntry;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Rule;
use writerlink_core::model::target::MoveMode;

use super::ledger::{Commit, remember};
use super::protocol::{Bug, Protocol, delete, end};
use super::state::{Call, Carrying, Doing, End, Group, Mark, Phase, Row, Scene, State};
use super::world::{World, end_of, pause, small_outcome, ticks};

/// `attempt::calls::ROUNDS_MAX`.
pub const ROUNDS_MAX: u8 = 3;

/// Whether a write without an answer took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Yes,
    No,
}

impl Carrying {
    /// No more calls. What was observed plays no part any more.
    pub fn stop(&mut self, arrived: bool) {
        self.phase = Phase::Finishing { arrived };
        self.observed = None;
        self.proof = false;
        self.changed = false;
        self.rounds = 0;
    }

    /// Which attempt it is, counting from 1; what the timer begins is not counted.
    pub fn attempts(&self) -> u8 {
        self.entry.map_or(1, |entry| entry.attempts)
    }
}

/// What has to be true whenever a call is made (I6, I8).
fn watch_call(state: &mut State, carrying: &Carrying) {
    if !state.recorded().held_for(carrying.transition) {
        state.marks.set(Mark::CallWithoutLease);
    }
    if carrying.hand.settled_before {
        state.marks.set(Mark::CallForSettledEvent);
    }
}

fn lease_lost(state: &mut State, worker: usize, carrying: &Carrying) {
    if let End::RetryAfter(ticks) = pause(1) {
        end(state, worker, carrying.hand, End::LeaseLost(ticks));
    }
}

fn lengthening(state: &State, worker: usize) -> Option<(Carrying, Call, u8)> {
    match state.workers[worker].doing {
        Doing::Carrying(carrying) => match carrying.phase {
            Phase::Lengthening { call, age } => Some((carrying, call, age)),
            Phase::About(_) | Phase::Sent { .. } | Phase::StandsStill(_) | Phase::Finishing { .. } => None,
        },
        Doing::Nothing | Doing::Opening(_) | Doing::Ending(..) => None,
    }
}

impl Protocol {
    /// Makes the next call, if its whole timeout fits the lease: `Reconciler::ensure_lease`, then the call.
    pub fn send(&self, state: &mut State, worker: usize) {
        if let Some((carrying, call)) = self.checked(state, worker) {
            let carrying = self.sent(state, carrying, call);
            state.workers[worker].doing = Doing::Carrying(carrying);
        }
    }

    /// The check passes, and then the worker stands still before its socket has the bytes.
    pub fn stand_still(&self, state: &mut State, worker: usize) {
        if let Some((mut carrying, call)) = self.checked(state, worker) {
            state.left.stalls -= 1;
            carrying.phase = Phase::StandsStill(call);
            state.workers[worker].doing = Doing::Carrying(carrying);
        }
    }

    /// The call that the lease allows now; none when the lease has to be lengthened first, or is lost.
    fn checked(&self, state: &mut State, worker: usize) -> Option<(Carrying, Call)> {
        let Doing::Carrying(mut carrying) = state.workers[worker].doing else {
            return None;
        };
        let Phase::About(call) = carrying.phase else {
            return None;
        };
        let hold = Hold::granted(ticks(0));
        let age = ticks(carrying.hold);
        if hold.fits_a_call(age) || self.has(Bug::IgnoresItsLease) {
            watch_call(state, &carrying);
            return Some((carrying, call));
        }
        if hold.left(age).is_zero() {
            lease_lost(state, worker, &carrying);
        } else {
            carrying.phase = Phase::Lengthening { call, age: 0 };
            state.workers[worker].doing = Doing::Carrying(carrying);
        }
        None
    }

    /// The longer lease is written. The call follows at once, if it still fits: the write took its time.
    pub fn lengthened(&self, state: &mut State, worker: usize) {
        let Some((mut carrying, call, age)) = lengthening(state, worker) else {
            return;
        };
        let committed = self.lengthen(state, worker, &carrying, age);
        remember(state, worker);
        carrying.from = state.route;
        carrying.hold = age;
        carrying.lengthened = true;
        let fits = Hold::granted(ticks(0)).fits_a_call(ticks(age));
        if matches!(committed, Commit::Refused(_)) || !(fits || self.has(Bug::TrustsASlowExtension)) {
            return lease_lost(state, worker, &carrying);
        }
        watch_call(state, &carrying);
        let carrying = self.sent(state, carrying, call);
        state.workers[worker].doing = Doing::Carrying(carrying);
    }

    /// The longer lease is written and nobody hears of it, or it is not written at all.
    pub fn lengthening_is_unheard(&self, state: &mut State, worker: usize, written: Written) {
        let Some((carrying, _, age)) = lengthening(state, worker) else {
            return;
        };
        state.left.unanswered -= 1;
        match written {
            Written::Yes => {
                self.lengthen(state, worker, &carrying, age);
            }
            Written::No => {}
        }
        lease_lost(state, worker, &carrying);
    }

    fn lengthen(&self, state: &mut State, worker: usize, carrying: &Carrying, ago: u8) -> Commit {
        let from = self.world.state(&carrying.from);
        let id = self.world.transition(carrying.transition);
        let longer = change::extend(&from, id, World::wall(worker, ago)).unwrap();
        self.commit(state, worker, carrying.hand.event(), &longer)
    }

    fn sent(&self, state: &State, mut carrying: Carrying, call: Call) -> Carrying {
        match call {
            Call::Look => self.plan_on(&mut carrying, state.scene()),
            Call::LookAtOther => self.look_at_other(&mut carrying, state.scene()),
            Call::First | Call::Register | Call::Deregister | Call::Shift | Call::RegisterOther => {
                carrying.phase = Phase::Sent { call, age: 0 }
            }
        }
        carrying
    }

    /// The look that goes with the first registration.
    pub fn observe(&self, state: &mut State, worker: usize) {
        let scene = state.scene();
        if let Doing::Carrying(carrying) = &mut state.workers[worker].doing {
            if carrying.proof {
                self.plan_on(carrying, scene);
            } else {
                carrying.observed = Some(scene);
            }
        }
    }

    /// A call takes effect and its answer arrives. That of a worker that stood still may come late.
    pub fn answer(&self, state: &mut State, worker: usize) {
        let Doing::Carrying(mut carrying) = state.workers[worker].doing else {
            return;
        };
        let Some(call) = self.take_effect(state, worker, &carrying) else {
            return;
        };
        if self.world.weighted().is_some() {
            self.weighted_answer(&mut carrying, call);
        } else {
            self.swap_answer(&mut carrying, call);
        }
        state.workers[worker].doing = Doing::Carrying(carrying);
    }

    /// Which call follows an answer.
    fn swap_answer(&self, carrying: &mut Carrying, call: Call) {
        match call {
            Call::First => {
                carrying.proof = true;
                carrying.phase = Phase::Sent { call, age: 0 };
                if let Some(scene) = carrying.observed {
                    self.plan_on(carrying, scene);
                }
            }
            Call::Register => {
                let others = !self.missing(carrying).deregister.is_empty();
                carrying.proof = others;
                carrying.phase = Phase::About(if others { Call::Deregister } else { Call::Look });
            }
            Call::Look | Call::Deregister | Call::Shift | Call::LookAtOther | Call::RegisterOther => {
                carrying.proof = false;
                carrying.phase = Phase::About(Call::Look);
            }
        }
    }

    pub fn answer_is_lost(&self, state: &mut State, worker: usize) {
        let Doing::Carrying(mut carrying) = state.workers[worker].doing else {
            return;
        };
        state.left.unanswered -= 1;
        if self.take_effect(state, worker, &carrying).is_some() {
            carrying.fails();
            state.workers[worker].doing = Doing::Carrying(carrying);
        }
    }

    /// What a call does to the group, and the marks it leaves when it should not have (I4, I6).
    fn take_effect(&self, state: &mut State, worker: usize, carrying: &Carrying) -> Option<Call> {
        let (call, stood_still) = match carrying.phase {
            Phase::Sent { call, .. } => (call, false),
            Phase::StandsStill(call) => (call, true),
            Phase::About(_) | Phase::Lengthening { .. } | Phase::Finishing { .. } => return None,
        };
        if state.workers[worker].announced != Some(carrying.transition) {
            state.marks.set(Mark::EffectBeforeIntent);
        }
        if !state.recorded().held_for(carrying.transition) {
            let late = if stood_still { Mark::LateCall } else { Mark::CallWithoutLease };
            state.marks.set(late);
        }
        let may = self.world.named(carrying.hand.matter).contains(&Rule::Paused);
        if state.recorded().paused && !may && state.recorded().held_for(carrying.transition) {
            state.marks.set(Mark::CallWhilePaused);
        }
        if self.world.weighted().is_some() {
            self.take_weighted_effect(state, carrying, call);
        } else {
            self.take_swap_effect(state, carrying, call);
        }
        Some(call)
    }

    /// What a call does to the group of a route that is swapped.
    fn take_swap_effect(&self, state: &mut State, carrying: &Carrying, call: Call) {
        let desired = self.desired(carrying).target;
        match call {
            Call::First | Call::Register => {
                state.group[self.world.place(desired)] = Row::Registered;
                state.populated = true;
            }
            Call::Deregister => {
                let present = RegisteredProof::registered(desired);
                for other in self.missing(carrying).deregister {
                    let row = &mut state.group[self.world.place(other.target)];
                    if other.target != present.target() && *row == Row::Registered {
                        *row = Row::Draining;
                    }
                }
            }
            Call::Look | Call::Shift | Call::LookAtOther | Call::RegisterOther => {}
        }
    }

    pub fn desired(&self, carrying: &Carrying) -> Desired {
        self.world.state(&carrying.from).control.desired.unwrap()
    }

    fn missing(&self, carrying: &Carrying) -> Plan {
        let observed = self.observed(&carrying.observed.unwrap_or_default().group);
        plan(&self.world.route, &self.desired(carrying), &observed)
    }

    fn observed(&self, group: &Group) -> Vec<writerlink_core::model::target::ObservedTarget> {
        let mut group = *group;
        if self.has(Bug::TakesDrainingForRegistered) {
            for row in &mut group {
                if *row == Row::Draining {
                    *row = Row::Registered;
                }
            }
        }
        self.world.observed(&group)
    }

    /// One round of `Reconciler::bring_there`: what is missing, and which call is next.
    fn plan_on(&self, carrying: &mut Carrying, scene: Scene) {
        if self.world.weighted().is_some() {
            return self.shift_on(carrying, scene);
        }
        carrying.observed = Some(scene);
        let plan = self.missing(carrying);
        if plan.is_empty() || carrying.rounds == ROUNDS_MAX {
            return carrying.stop(plan.is_empty());
        }
        carrying.rounds += 1;
        let target = self.desired(carrying).target;
        let seen = RegisteredProof::observed(target, &self.observed(&scene.group)).is_some();
        carrying.proof |= seen;
        let leaving = !plan.deregister.is_empty();
        let hasty = self.has(Bug::DeregistersFirst) && leaving;
        carrying.phase = Phase::About(match (carrying.proof || hasty, leaving) {
            (false, _) => Call::Register,
            (true, true) => Call::Deregister,
            (true, false) => Call::Look,
        });
    }

    /// The terminal record, or the deferral while there are attempts left.
    pub fn finish(&self, state: &mut State, worker: usize) {
        let Some((mut carrying, outcome, change)) = self.finishing(state, worker) else {
            return;
        };
        if self.has(Bug::DeletesBeforeItFinishes) && carrying.hand.ours {
            delete(state, carrying.hand);
            carrying.hand.ours = false;
        }
        let again = pause(carrying.attempts());
        let committed = self.commit(state, worker, carrying.hand.event(), &change);
        remember(state, worker);
        let ended = match (committed, outcome) {
            (Commit::Done, None) => again,
            (Commit::Done, Some(outcome)) => end_of(small_outcome(outcome), End::Settled),
            (Commit::Refused(known), _) => match known.and_then(|entry| entry.settled) {
                Some(settled) => end_of(settled, End::Fenced),
                None => return lease_lost(state, worker, &carrying),
            },
        };
        end(state, worker, carrying.hand, ended);
    }

    pub fn finish_unheard(&self, state: &mut State, worker: usize) {
        let Some((carrying, _, change)) = self.finishing(state, worker) else {
            return;
        };
        state.left.unanswered -= 1;
        self.commit(state, worker, carrying.hand.event(), &change);
        let again = pause(carrying.attempts());
        end(state, worker, carrying.hand, again);
    }

    fn finishing(&self, state: &State, worker: usize) -> Option<(Carrying, Option<Outcome>, Change)> {
        let Doing::Carrying(carrying) = state.workers[worker].doing else {
            return None;
        };
        let Phase::Finishing { arrived } = carrying.phase else {
            return None;
        };
        let attempts = u32::from(carrying.attempts());
        let outcome = match (arrived, self.desired(&carrying).move_mode) {
            (true, MoveMode::Swap) => Some(Outcome::Moved),
            (true, MoveMode::Register) => Some(Outcome::Registered),
            (false, _) => {
                let gives_up = carrying.entry.is_some() && attempts >= self.attempts_max;
                gives_up.then_some(Outcome::Failed)
            }
        };
        let mut told = self.world.told(worker, carrying.hand.matter, carrying.transition, 0);
        told.kind = match outcome {
            Some(_) => RecordKind::Finished,
            None => RecordKind::Deferred,
        };
        told.attempt = attempts;
        told.outcome = outcome;
        let from = self.world.state(&carrying.from);
        let event = carrying.hand.event().zip(carrying.entry);
        let entry: Option<EventEntry> = event.map(|(event, entry)| self.world.entry(event, &entry));
        let change = change::finish(&from, entry.as_ref(), told).unwrap();
        Some((carrying, outcome, change))
    }
}
