//! What can happen next: the steps of the workers and of the world around them.
//!
//! `Reconciler::attempt` is one asynchronous function. Here each stretch of it between two waits is one step,
//! and anything else may happen in between. What a step decides and builds comes from the domain's own
//! `decide`, `target_state`, `plan`, `RegisteredProof`, `ObservedListener`, `RegisteredIn`, `WeightChange`, `acquire`, `Hold`, `begin`, `extend`, `finish`,
//! `settle`, `note` and `disposition`.
//!
//! Nothing is assumed of the queue but that a message comes back until it is deleted: any visible message
//! may be received next, by either worker. What holds here holds the more for a FIFO queue.

use stateright::{Model, Property};

use super::carrying::Written;
use super::state::{
    Call, Doing, EVENTS, End, Faults, Group, Hand, Look, Mark, Matter, Opening, People, Phase, Row, Scene,
    State, TARGETS, WORKERS, Waiting, Weights, Worker,
};
use super::story::{Story, Wish};
use super::world::World;
use super::{properties, restoring};

/// A mistake that a worker could make. The model has to find each one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    DeregistersFirst,
    FinishesUnconditionally,
    TakesOverAtOnce,
    DeletesBeforeItFinishes,
    ForgetsTheOrderOfEvidence,
    TakesDrainingForRegistered,
    CountsItsHoldFromAfterTheWrite,
    IgnoresItsLease,
    TrustsASlowExtension,
    LengtheningGoesUnseen,
    AdmitsAnyAddress,
    MovesWhilePaused,
    PausesAmongCalls,
    ForgetsWhatItHoldsBack,
    HasNoTimer,
    FightsEvents,
    BelievesALaggingSource,
    ForgetsThePin,
    DoesNotCountItsMoves,
    KeepsItsCount,
    OverridesEveryRule,
    RebuildsTheHeadAlone,
    RebuildsNoLease,
    ShiftsToAColdGroup,
    TakesTheWeightAwayFirst,
}

/// The protocol as a state machine.
pub struct Protocol {
    pub world: World,
    pub faults: Faults,
    pub attempts_max: u32,
    pub bug: Option<Bug>,
}

impl Protocol {
    /// More attempts than faults can spoil, so that no event is given up.
    const ATTEMPTS_MAX: u32 = 9;

    pub fn new(story: Story, faults: Faults) -> Self {
        Self { world: World::new(story), faults, attempts_max: Self::ATTEMPTS_MAX, bug: None }
    }

    /// What people may order.
    pub fn ordered(mut self, wishes: &'static [Wish]) -> Self {
        self.world.wishes = wishes;
        self
    }

    pub fn with(mut self, bug: Bug) -> Self {
        if bug == Bug::AdmitsAnyAddress {
            self.world = World::new(Story::StrangerAdmitted);
        }
        self.bug = Some(bug);
        self
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }
}

/// One step. A worker is named by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Tick,
    Duplicate(usize),
    Receive(usize, usize),
    Lapse(usize),
    Crash(usize),
    Read(usize),
    Open(usize),
    WriteLands(usize),
    WriteLandsUnheard(usize),
    WriteFails(usize),
    Send(usize),
    Observe(usize),
    Answer(usize),
    AnswerIsLost(usize),
    CallFails(usize),
    Lengthened(usize),
    LengthenedUnheard(usize, Written),
    StandStill(usize),
    StandStillPastCheck(usize),
    WakeUp(usize),
    Finish(usize),
    FinishUnheard(usize),
    Dispose(usize),
    /// The timer of a worker looks, and this is what the sources say.
    Look(usize, Look),
    /// The route's row is put back to before its last record.
    PutBack,
    /// The route's row is deleted.
    Delete,
    /// A worker's timer finds the row behind its records.
    CatchUp(usize),
    /// A person pauses the route, or lets it go on.
    Toggle,
    /// A person gives one of the orders that there are (`World::wishes`).
    Give(usize),
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let told: &[u8] = match self.faults.lost {
            0 => &[0],
            _ => &[0, 1, 2, 4],
        };
        let starts = if self.world.weighted().is_some() { weighted_starts() } else { swap_starts() };
        let start = |never_told: u8, scene: Scene| State {
            route: super::state::Route::default(),
            before: None,
            records: None,
            events: [None; EVENTS],
            group: scene.group,
            weights: scene.weights,
            populated: scene.weights.contains(&true) || is_filled(&scene.group),
            people: People::default(),
            queue: [0, 1, 2].map(|event| match never_told & (1 << event) {
                0 => [Waiting::None, Waiting::Visible],
                _ => [Waiting::None; 2],
            }),
            never_told,
            told_twice: 0,
            workers: [Worker::default(); WORKERS],
            left: self.faults,
            marks: super::state::Marks::default(),
        };
        let starts = told.iter().flat_map(|told| starts.iter().map(|scene| start(*told, *scene)));
        starts.collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.may_tick() {
            actions.push(Action::Tick);
        }
        if state.left.duplicates > 0 {
            let again = |event: &usize| state.is_told(*event) && !state.is_told_twice(*event);
            actions.extend((0..EVENTS).filter(again).map(Action::Duplicate));
        }
        if state.left.toggles > 0 {
            actions.push(Action::Toggle);
        }
        restoring::losses(state, actions);
        actions.extend(self.orders(state).into_iter().map(Action::Give));
        for worker in 0..WORKERS {
            own_steps(state, worker, actions);
            faults(state, worker, actions);
            let looks = self.looks(state, worker).into_iter();
            actions.extend(looks.map(|look| Action::Look(worker, look)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = *last;
        self.step(&mut next, action);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }
}

/// A group with A in it, and an empty one.
fn swap_starts() -> Vec<Scene> {
    let mut full = [Row::Absent; TARGETS];
    full[0] = Row::Registered;
    let scene = |group| Scene { group, weights: Weights::default() };
    vec![scene(full), scene([Row::Absent; TARGETS])]
}

/// A serves and B is warm; B's group was emptied by hand; another's group has a share; nothing was ever set up.
fn weighted_starts() -> Vec<Scene> {
    use Row::{Absent, Draining, Registered};
    let scene = |group, weights| Scene { group, weights };
    vec![
        scene([Registered, Registered, Absent], [true, false, false]),
        scene([Registered, Draining, Absent], [true, false, false]),
        scene([Registered, Registered, Absent], [true, false, true]),
        scene([Absent; TARGETS], [false; TARGETS]),
    ]
}

/// Whether it holds a target.
fn is_filled(group: &Group) -> bool {
    group.contains(&Row::Registered)
}

/// What a worker may do next if nothing goes wrong.
fn own_steps(state: &State, worker: usize, actions: &mut Vec<Action>) {
    if state.workers[worker].stands_still {
        return actions.push(Action::WakeUp(worker));
    }
    match &state.workers[worker].doing {
        Doing::Nothing => {
            let visible = |event: &usize| state.queue[*event].contains(&Waiting::Visible);
            let events = (0..EVENTS).filter(visible);
            actions.extend(events.map(|event| Action::Receive(worker, event)));
        }
        Doing::Opening(opening) => actions.push(match opening.sent {
            Some(_) => Action::WriteLands(worker),
            None if state.workers[worker].seen.is_none() => Action::Read(worker),
            None => Action::Open(worker),
        }),
        Doing::Carrying(carrying) => match carrying.phase {
            Phase::About(_) => actions.push(Action::Send(worker)),
            Phase::Lengthening { .. } => actions.push(Action::Lengthened(worker)),
            Phase::Sent { call, .. } => {
                if call == Call::First && carrying.observed.is_none() {
                    actions.push(Action::Observe(worker));
                }
                if call != Call::First || !carrying.proof {
                    actions.push(Action::Answer(worker));
                }
            }
            Phase::StandsStill(_) => actions.push(Action::Answer(worker)),
            Phase::Finishing { .. } => actions.push(Action::Finish(worker)),
        },
        Doing::Ending(..) => actions.push(Action::Dispose(worker)),
    }
}

/// What may go wrong with a worker next.
fn faults(state: &State, worker: usize, actions: &mut Vec<Action>) {
    let left = &state.left;
    let Some(hand) = state.workers[worker].hand() else {
        return;
    };
    if left.lapses > 0 && hand.ours {
        actions.push(Action::Lapse(worker));
    }
    if left.crashes > 0 {
        actions.push(Action::Crash(worker));
    }
    let doing = &state.workers[worker].doing;
    if state.workers[worker].stands_still {
        return;
    }
    if left.stalls > 0 && is_between_waits(doing) {
        actions.push(Action::StandStill(worker));
    }
    let unanswered = left.unanswered > 0;
    match doing {
        Doing::Opening(Opening { sent: Some(_), .. }) if unanswered => {
            actions.extend([Action::WriteLandsUnheard(worker), Action::WriteFails(worker)]);
        }
        Doing::Carrying(carrying) => match carrying.phase {
            // The registration is answered; the look beside it may still fail.
            Phase::Sent { call: Call::First, .. } if unanswered && carrying.proof => {
                actions.push(Action::CallFails(worker));
            }
            Phase::Sent { .. } if unanswered => {
                actions.extend([Action::AnswerIsLost(worker), Action::CallFails(worker)]);
            }
            Phase::Lengthening { .. } if unanswered => {
                let fails = [Written::Yes, Written::No];
                actions.extend(fails.map(|written| Action::LengthenedUnheard(worker, written)));
            }
            Phase::Finishing { .. } if unanswered => {
                actions.extend([Action::FinishUnheard(worker), Action::WriteFails(worker)]);
            }
            Phase::About(
                Call::First | Call::Register | Call::Deregister | Call::Shift | Call::RegisterOther,
            ) if left.stalls > 0 => actions.push(Action::StandStillPastCheck(worker)),
            Phase::About(_)
            | Phase::Lengthening { .. }
            | Phase::Sent { .. }
            | Phase::StandsStill(_)
            | Phase::Finishing { .. } => {}
        },
        Doing::Nothing | Doing::Opening(_) | Doing::Ending(..) => {}
    }
}

/// Whether nothing of what the worker does is on its way.
fn is_between_waits(doing: &Doing) -> bool {
    match doing {
        Doing::Nothing => false,
        Doing::Opening(opening) => opening.sent.is_none(),
        Doing::Carrying(carrying) => {
            matches!(carrying.phase, Phase::About(_) | Phase::Finishing { .. })
        }
        Doing::Ending(..) => true,
    }
}

impl Protocol {
    fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Tick => state.tick(),
            Action::Look(worker, look) => {
                state.left.looks = state.left.looks.saturating_sub(1);
                self.look(state, worker, look);
            }
            Action::PutBack => restoring::put_back(state),
            Action::Delete => restoring::delete(state),
            Action::CatchUp(worker) => self.catch_up(state, worker),
            Action::Toggle => self.toggle(state),
            Action::Give(wish) => self.give(state, wish),
            Action::Duplicate(event) => {
                state.left.duplicates -= 1;
                state.told_twice |= 1 << event;
                state.put_back(event, Waiting::Visible);
            }
            Action::Receive(worker, event) => receive(state, worker, event),
            Action::Lapse(worker) => lapse(state, worker),
            Action::Crash(worker) => crash(state, worker),
            Action::Dispose(worker) => dispose(state, worker),
            Action::Read(worker) => super::ledger::remember(state, worker),
            Action::Open(worker) => self.open(state, worker),
            Action::WriteLands(worker) => self.write_lands(state, worker),
            Action::WriteLandsUnheard(worker) => self.write_lands_unheard(state, worker),
            Action::WriteFails(worker) => write_fails(state, worker),
            Action::Send(worker) => self.send(state, worker),
            Action::Observe(worker) => self.observe(state, worker),
            Action::Answer(worker) => self.answer(state, worker),
            Action::AnswerIsLost(worker) => self.answer_is_lost(state, worker),
            Action::CallFails(worker) => call_fails(state, worker),
            Action::Lengthened(worker) => self.lengthened(state, worker),
            Action::LengthenedUnheard(worker, written) => {
                self.lengthening_is_unheard(state, worker, written);
            }
            Action::StandStill(worker) => {
                state.left.stalls -= 1;
                state.workers[worker].stands_still = true;
            }
            Action::StandStillPastCheck(worker) => self.stand_still(state, worker),
            Action::WakeUp(worker) => state.workers[worker].stands_still = false,
            Action::Finish(worker) => self.finish(state, worker),
            Action::FinishUnheard(worker) => self.finish_unheard(state, worker),
        }
    }
}

fn receive(state: &mut State, worker: usize, event: usize) {
    state.take_visible(event);
    let settled = state.events[event].is_some_and(|entry| entry.settled.is_some());
    state.workers[worker].doing = Doing::Opening(Opening {
        hand: Hand {
            matter: Matter::Told(u8::try_from(event).unwrap()),
            ours: true,
            settled_before: settled,
        },
        known: None,
        tries: 0,
        sent: None,
    });
}

fn lapse(state: &mut State, worker: usize) {
    state.left.lapses -= 1;
    let hand = state.workers[worker].hand_mut().unwrap();
    hand.ours = false;
    let hand = *hand;
    put_back(state, hand, Waiting::Visible);
}

/// The process dies and another one starts in its place, with an empty memory. The message is visible at
/// once, sooner than in truth, which is the harder case for the lease.
fn crash(state: &mut State, worker: usize) {
    state.left.crashes -= 1;
    let hand = *state.workers[worker].hand().unwrap();
    state.workers[worker] = Worker::default();
    if hand.ours {
        put_back(state, hand, Waiting::Visible);
    }
}

/// The message goes back to the queue; what the timer saw has none.
fn put_back(state: &mut State, hand: Hand, copy: Waiting) {
    if let Some(event) = hand.event() {
        state.put_back(event, copy);
    }
}

fn dispose(state: &mut State, worker: usize) {
    let Doing::Ending(hand, end) = state.workers[worker].doing else {
        return;
    };
    state.workers[worker].doing = Doing::Nothing;
    match end {
        End::Settled | End::Duplicate | End::Fenced | End::DeadLetter => delete(state, hand),
        End::RetryAfter(ticks) | End::LeaseLost(ticks) => {
            if hand.ours {
                put_back(state, hand, Waiting::InvisibleFor(ticks));
            }
        }
    }
}

pub fn delete(state: &mut State, hand: Hand) {
    let Some(event) = hand.event() else {
        return;
    };
    let entry = state.events[event];
    if entry.is_none_or(|entry| entry.settled.is_none()) {
        state.marks.set(Mark::DeletedUnsettled);
    }
}

/// The worker is done with its message for now.
pub fn end(state: &mut State, worker: usize, hand: Hand, end: End) {
    state.workers[worker].announced = None;
    state.workers[worker].doing = Doing::Ending(hand, end);
}

/// A write that has no effect and no answer: nobody can say what is true, so the message comes back.
fn write_fails(state: &mut State, worker: usize) {
    state.left.unanswered -= 1;
    let hand = *state.workers[worker].hand().unwrap();
    let attempts = match &state.workers[worker].doing {
        Doing::Carrying(carrying) => carrying.attempts(),
        Doing::Opening(opening) => opening.next_attempt(),
        Doing::Nothing | Doing::Ending(..) => return,
    };
    end(state, worker, hand, super::world::pause(attempts));
}

/// A call that has no effect and no answer.
fn call_fails(state: &mut State, worker: usize) {
    state.left.unanswered -= 1;
    if let Doing::Carrying(carrying) = &mut state.workers[worker].doing {
        carrying.fails();
    }
}
