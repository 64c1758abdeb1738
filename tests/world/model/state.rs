//! The state of the model: small, flat values that are copied and hashed by the million.
//!
//! Times are relative to now, in ticks, and are held at the value beyond which they make no difference. So
//! the space is finite without a last tick.

use super::hearing::{Hearsay, Memory, Worth};

/// How many workers there are.
pub const WORKERS: usize = 2;

/// How many events are told.
pub const EVENTS: usize = 3;

/// How many targets can stand in the group: two that may, one that may not (I5).
pub const TARGETS: usize = 3;

/// The place of the target that no event may bring in.
pub const STRANGER: usize = 2;

/// A deadline this far behind is over for every contender, whatever its clock.
const DEADLINE_OVER: i8 = -2;

/// A hold this old is over.
pub const HOLD_OVER: u8 = 3;

/// A lease seen to stand still for this long may be taken over.
const STOOD_STILL: u8 = 4;

/// A write of the ledger has landed by this age, or never does.
const WRITE_LANDED_BY: u8 = 3;

/// A call of the load balancer has ended by this age, unless its worker stands still.
const CALL_ENDED_BY: u8 = 1;

/// The identity of a transition: twice the generation it began under, plus the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transition(pub u8);

impl Transition {
    pub fn of(generation: u8, worker: usize) -> Self {
        Self(generation * 2 + u8::try_from(worker).unwrap())
    }

    pub fn worker(self) -> usize {
        usize::from(self.0 % 2)
    }
}

/// `ledger::lease::Lease`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    pub transition: Transition,
    pub deadline: i8,
}

impl Lease {
    /// Whether every contender may take over, whatever its clock.
    pub fn is_over(&self) -> bool {
        self.deadline <= DEADLINE_OVER
    }
}

/// `ledger::state::RouteState`; the chain is its `seq` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Route {
    pub generation: u8,
    pub seq: u8,
    pub lease: Option<Lease>,
    pub desired: Option<Desired>,
    /// What a safety rule holds back.
    pub waiting: Option<Desired>,
    /// The newest event by which a failover failed.
    pub asked: Option<u8>,
    /// Whether the sources of some worker have agreed with the newest evidence.
    pub agreed: bool,
    pub paused: bool,
    /// Where a person holds it.
    pub pin: Option<Pinned>,
    /// Whether the flap rule stops it.
    pub flapping: bool,
    /// The changes of target that the flap rule counts, up to the most that it allows.
    pub moves: u8,
}

/// `ledger::holds::Pin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pinned {
    pub place: u8,
    /// The place of its order in the order of all evidence.
    pub since: u8,
}

/// `evidence::desired::Desired`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Desired {
    /// The place of its target in the group.
    pub place: u8,
    /// The place of its evidence in the order of all evidence (`World::orders`).
    pub order: u8,
    /// Whose word it is (`World::key`): an event's, or what the sources or a person said.
    pub key: u8,
    /// Whether the old target stays beside it.
    pub registers: bool,
}

impl Route {
    /// `ledger::state::Assignment::newest`.
    pub fn newest(&self) -> Option<Desired> {
        let known = [self.desired, self.waiting];
        known.into_iter().flatten().max_by_key(|known| known.order)
    }

    fn age(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.deadline = (lease.deadline - 1).max(DEADLINE_OVER);
        }
    }

    pub fn held_for(&self, transition: Transition) -> bool {
        self.lease.is_some_and(|lease| lease.transition == transition)
    }
}

/// `model::outcome::Outcome`, those that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    Moved,
    Superseded,
    Rejected,
    Failed,
    Other,
}

/// `ledger::state::EventEntry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub transition: Transition,
    pub attempts: u8,
    pub settled: Option<Settled>,
}

/// One row of the target group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Row {
    #[default]
    Absent,
    Registered,
    Draining,
}

/// The target group. On a weighted route: for each instance the row of its target in its own group.
pub type Group = [Row; TARGETS];

/// The place in a weighted listener's action of the group that is nobody's of the route.
pub const OTHERS: usize = 2;

/// Which groups of a weighted route's listener have weight; the last one is another's.
pub type Weights = [bool; TARGETS];

/// What the load balancer shows at a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scene {
    pub group: Group,
    /// Of a weighted route; nothing else has any.
    pub weights: Weights,
}

/// A copy of a message in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Waiting {
    #[default]
    None,
    Visible,
    InvisibleFor(u8),
}

/// The copies of an event's message that no worker has in hand; sorted, since they are all alike.
pub type Copies = [Waiting; 2];

/// The last read of the ledger, and since when it has stood unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sighting {
    pub route: Route,
    pub since: u8,
}

/// What the sources say together when the timer asks them, as steady truth: three readings are one here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceSays {
    /// There are none: the route has its map alone.
    Silent,
    /// They were asked between the first event and the second, and say what was so then.
    Early,
    /// They lag: they say what was so before the last event.
    Stale,
    /// They differ.
    Unclear,
    /// They say what is so.
    True,
}

/// A steady reading, and what the timer thinks of the event before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    pub reading: SourceSays,
    /// The how manieth reading after all events that moves the route.
    pub number: u8,
    /// Whether the newest event is young enough to outrank it.
    pub trusts: bool,
    /// What the answer is worth to the worker that heard it.
    pub worth: Worth,
}

/// What an attempt is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Matter {
    Told(u8),
    Seen(Look),
    Ordered(Given),
}

/// An order that moves the route, as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Given {
    /// Which of those that people may give (`World::wishes`).
    pub wish: u8,
    /// The place of its time in the order of all evidence.
    pub at: u8,
}

/// A message in hand, what the timer saw, or an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hand {
    pub matter: Matter,
    /// Not once its visibility has lapsed: another worker may have it too.
    pub ours: bool,
    /// Whether the event had been settled when the message was received: then it may cost no call (I8).
    pub settled_before: bool,
}

impl Hand {
    pub fn event(&self) -> Option<usize> {
        match self.matter {
            Matter::Told(event) => Some(event.into()),
            Matter::Seen(_) | Matter::Ordered(_) => None,
        }
    }
}

/// An attempt that has not taken its route yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opening {
    pub hand: Hand,
    pub known: Option<Entry>,
    pub tries: u8,
    /// The age of the write that is on its way.
    pub sent: Option<u8>,
}

/// A call of the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Register and observe at the same time.
    First,
    Look,
    Register,
    Deregister,
    /// Moves a weighted route's weight.
    Shift,
    /// Looks at the group of a weighted route's other instance, once the weight is where it should be.
    LookAtOther,
    RegisterOther,
}

/// How far a holder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    About(Call),
    /// The lease is being lengthened first.
    Lengthening {
        call: Call,
        age: u8,
    },
    Sent {
        call: Call,
        age: u8,
    },
    /// Between the check of the lease and the socket the worker stands still.
    StandsStill(Call),
    Finishing {
        arrived: bool,
    },
}

/// Why an attempt moves the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// An event says so.
    Event,
    /// The sources do.
    Sources,
    /// The timer takes up what was held back.
    HeldBack,
    /// It points there already, and its group differs.
    Repair,
    /// A person does.
    Order,
}

/// An attempt that has taken its route.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the attempt, and no two of them make a state"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Carrying {
    pub hand: Hand,
    pub transition: Transition,
    pub from: Route,
    /// The age of the hold, from before the write that granted it.
    pub hold: u8,
    /// The event in hand, if it is one.
    pub entry: Option<Entry>,
    pub why: Why,
    pub took_over: bool,
    pub lengthened: bool,
    pub rounds: u8,
    pub proof: bool,
    /// On a weighted route: whether anything had to be changed for the desired instance.
    pub changed: bool,
    pub observed: Option<Scene>,
    pub phase: Phase,
}

/// What becomes of the message, and why: the reason is kept for the `sometimes` properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    Settled,
    Duplicate,
    /// The finish was refused, and another attempt has settled the event.
    Fenced,
    DeadLetter,
    RetryAfter(u8),
    /// The lease was over; the message comes back.
    LeaseLost(u8),
}

/// What a worker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Doing {
    #[default]
    Nothing,
    Opening(Opening),
    Carrying(Carrying),
    Ending(Hand, End),
}

/// A worker: what it remembers and what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Worker {
    pub seen: Option<Sighting>,
    pub memory: Option<Memory>,
    pub heard: Hearsay,
    pub doing: Doing,
    /// Between two steps the whole process stands still (a paused container, a host out of memory).
    pub stands_still: bool,
    /// The transition that the ledger has announced for what it does now.
    pub announced: Option<Transition>,
}

impl Worker {
    pub fn hand(&self) -> Option<&Hand> {
        match &self.doing {
            Doing::Nothing => None,
            Doing::Opening(opening) => Some(&opening.hand),
            Doing::Carrying(carrying) => Some(&carrying.hand),
            Doing::Ending(hand, _) => Some(hand),
        }
    }

    pub fn hand_mut(&mut self) -> Option<&mut Hand> {
        match &mut self.doing {
            Doing::Nothing => None,
            Doing::Opening(opening) => Some(&mut opening.hand),
            Doing::Carrying(carrying) => Some(&mut carrying.hand),
            Doing::Ending(hand, _) => Some(hand),
        }
    }

    /// Whether it is at work, so that time that passes now is time that its work takes.
    fn is_at_work(&self) -> bool {
        let past_its_check =
            matches!(&self.doing, Doing::Carrying(Carrying { phase: Phase::StandsStill(_), .. }));
        !(self.doing == Doing::Nothing || self.stands_still || past_its_check)
    }

    /// Whether a call or a write must end before the clock moves on.
    fn holds_the_clock(&self) -> bool {
        match &self.doing {
            Doing::Opening(opening) => opening.sent == Some(WRITE_LANDED_BY),
            Doing::Carrying(carrying) => {
                let phase = &carrying.phase;
                matches!(phase, Phase::Sent { age, .. } if *age == CALL_ENDED_BY)
                    || matches!(phase, Phase::Lengthening { age, .. } if *age == WRITE_LANDED_BY)
            }
            Doing::Nothing | Doing::Ending(..) => false,
        }
    }

    fn age(&mut self) {
        if let Some(seen) = &mut self.seen {
            seen.route.age();
            // How long a free route has been seen free plays no part.
            if seen.route.lease.is_some() {
                seen.since = (seen.since + 1).min(STOOD_STILL);
            }
        }
        match &mut self.doing {
            Doing::Nothing | Doing::Ending(..) => {}
            Doing::Opening(opening) => {
                if let Some(age) = &mut opening.sent {
                    *age += 1;
                }
            }
            Doing::Carrying(carrying) => carrying.age(),
        }
    }
}

impl Carrying {
    fn age(&mut self) {
        self.from.age();
        match &mut self.phase {
            // From here on the lease plays no part: the ledger's condition decides.
            Phase::Finishing { .. } => return,
            Phase::Sent { age, .. } | Phase::Lengthening { age, .. } => *age += 1,
            Phase::About(_) | Phase::StandsStill(_) => {}
        }
        self.hold = (self.hold + 1).min(HOLD_OVER);
    }
}

/// How many faults are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Events that are never told. Drawn at the beginning.
    pub lost: u8,
    /// Messages sent twice.
    pub duplicates: u8,
    /// Messages that become visible while they are worked on.
    pub lapses: u8,
    /// Workers that die.
    pub crashes: u8,
    /// Calls and writes without a reply, with and without effect.
    pub unanswered: u8,
    /// Workers that stand still for as long as they like. One that does so between its check and its
    /// socket makes a call after its lease.
    pub stalls: u8,
    /// Ticks that work takes. While nobody works, time passes freely.
    pub slow: u8,
    /// Looks of the timer at any time. At rest it looks without being counted.
    pub looks: u8,
    /// A person's pause and resume.
    pub toggles: u8,
    /// Further orders (`World::wishes`).
    pub orders: u8,
    /// Rows of the route that are put back or deleted.
    pub restores: u8,
}

/// A broken promise that only the step shows, not the state after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    EvidenceWentBack = 1,
    EffectBeforeIntent = 2,
    TwoTerminalRecords = 4,
    DeletedUnsettled = 8,
    UnconditionalWrite = 16,
    CallWithoutLease = 32,
    CallForSettledEvent = 64,
    /// No broken promise: a stalled worker's call took effect when its lease was another's.
    LateCall = 128,
    CallWhilePaused = 256,
    FoughtAYoungEvent = 512,
    MovedByALaggingSource = 65536,
    MovedPastAPause = 1024,
    MovedPastAPin = 2048,
    MovedWhileFlapping = 4096,
    StoppedTooSoon = 32768,
    /// No broken promise: an order that names the rule went past it.
    PinOverridden = 8192,
    /// No broken promise: a person took note that the flap rule stopped the route.
    Acknowledged = 16384,
}

/// The marks so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(u32);

impl Marks {
    pub fn set(&mut self, mark: Mark) {
        self.0 |= mark as u32;
    }

    pub fn has(self, mark: Mark) -> bool {
        self.0 & mark as u32 != 0
    }
}

/// What the people who gave the orders would tell, whatever the ledger has made of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct People {
    pub paused: bool,
    /// The place that the route is pinned to.
    pub pinned: Option<u8>,
    /// The newest order that moved the route: the place, and that of its evidence.
    pub moved: Option<(u8, u8)>,
    /// Whether the flap rule has stopped the route and nobody has taken note.
    pub flapping: bool,
    /// How often the target changed since somebody took note last, up to the most that is allowed.
    pub changes: u8,
}

/// The world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub route: Route,
    /// What it was before its last record; kept as long as it may be put back.
    pub before: Option<Route>,
    /// What its records say, while its row is behind them.
    pub records: Option<Route>,
    pub events: [Option<Entry>; EVENTS],
    pub group: Group,
    /// Of a weighted route's listener.
    pub weights: Weights,
    /// Whether the group ever held a target; on a weighted route, whether any group ever had weight.
    pub populated: bool,
    pub people: People,
    pub queue: [Copies; EVENTS],
    /// Which events are never told, and which are told twice, as bits.
    pub never_told: u8,
    pub told_twice: u8,
    pub workers: [Worker; WORKERS],
    pub left: Faults,
    pub marks: Marks,
}

impl State {
    /// The route by its records, whatever has become of its row.
    pub fn recorded(&self) -> &Route {
        self.records.as_ref().unwrap_or(&self.route)
    }

    /// Nobody has anything to do.
    pub fn is_at_rest(&self) -> bool {
        let idle = |worker: &Worker| worker.doing == Doing::Nothing;
        self.workers.iter().all(idle) && self.queue.iter().flatten().all(|c| *c == Waiting::None)
    }

    pub fn scene(&self) -> Scene {
        Scene { group: self.group, weights: self.weights }
    }

    pub fn is_told(&self, event: usize) -> bool {
        self.never_told & (1 << event) == 0
    }

    pub fn is_told_twice(&self, event: usize) -> bool {
        self.told_twice & (1 << event) != 0
    }

    /// Whether five seconds may pass: nothing has to end before, and there is something to wait for.
    pub fn may_tick(&self) -> bool {
        let works = self.workers.iter().any(Worker::is_at_work);
        let waits = |copy: &Waiting| matches!(copy, Waiting::InvisibleFor(_));
        // Nobody but the timer comes back for a route that its worker left behind without a message.
        let left_behind = self.is_at_rest() && self.route.lease.is_some_and(|l| !l.is_over());
        let all_wait = !works && (self.queue.iter().flatten().any(waits) || left_behind);
        let held_up = self.workers.iter().any(Worker::holds_the_clock);
        !held_up && (all_wait || works && self.left.slow > 0)
    }

    /// Five seconds pass.
    pub fn tick(&mut self) {
        if self.workers.iter().any(Worker::is_at_work) {
            self.left.slow -= 1;
        }
        self.route.age();
        let kept = [&mut self.before, &mut self.records];
        kept.into_iter().flatten().for_each(Route::age);
        self.workers.iter_mut().for_each(Worker::age);
        for copies in &mut self.queue {
            for copy in copies.iter_mut() {
                *copy = match *copy {
                    Waiting::InvisibleFor(0 | 1) => Waiting::Visible,
                    Waiting::InvisibleFor(ticks) => Waiting::InvisibleFor(ticks - 1),
                    other @ (Waiting::None | Waiting::Visible) => other,
                };
            }
            copies.sort_unstable();
        }
    }

    /// Puts a copy of an event's message back into the queue.
    pub fn put_back(&mut self, event: usize, copy: Waiting) {
        let copies = &mut self.queue[event];
        let free = copies.iter_mut().find(|c| **c == Waiting::None);
        *free.expect("an event has at most two copies") = copy;
        copies.sort_unstable();
    }

    pub fn take_visible(&mut self, event: usize) -> bool {
        let copies = &mut self.queue[event];
        let Some(copy) = copies.iter_mut().find(|c| **c == Waiting::Visible) else {
            return false;
        };
        *copy = Waiting::None;
        copies.sort_unstable();
        true
    }
}
