//! What must hold, by the names of `design.md`, and what has to be seen for that to mean anything.

use stateright::Property;
use writerlink::domain::plan::Reach;

use super::protocol::Protocol;
use super::state::{
    Carrying, Doing, End, Entry, Faults, Group, Mark, Row, STRANGER, Settled, State, Worker,
};

type Condition = fn(&Protocol, &State) -> bool;

/// What has to be seen, and the faults without which it cannot be.
type Sight = (&'static str, fn(&Faults) -> bool, Condition);

/// What is to be shown of a model with these faults.
pub fn all(faults: &Faults) -> Vec<Property<Protocol>> {
    let always = |(name, holds): (&'static str, Condition)| Property::always(name, holds);
    let mut all: Vec<_> = ALWAYS.into_iter().map(always).collect();
    let comes_to_rest: Condition = |model, state| state.is_at_rest() && converged(model, state);
    all.push(Property::eventually("I2 converges", comes_to_rest));
    let possible = SOMETIMES.into_iter().filter(|(_, may, _)| may(faults));
    all.extend(possible.map(|(name, _, seen)| Property::sometimes(name, seen)));
    all
}

/// I7 (paused means no call) comes with the pause; the chain of I8 is the ledger's own test.
const ALWAYS: [(&str, Condition); 9] = [
    ("I1 never empty", |_, state| {
        // A late call may empty the group: the load balancer knows no token. It is one call, and without
        // stalls there is none, so that this is absolute then.
        !state.populated || state.marks.has(Mark::LateCall) || !is_empty(&state.group)
    }),
    (
        "I2 at rest the group is where the newest evidence says",
        |model, state| !state.is_at_rest() || converged(model, state),
    ),
    ("I3 evidence never goes back", |_, state| {
        !state.marks.has(Mark::EvidenceWentBack)
    }),
    ("I4 intent before effect", |_, state| {
        !state.marks.has(Mark::EffectBeforeIntent)
    }),
    ("I4 one terminal record", |_, state| {
        !state.marks.has(Mark::TwoTerminalRecords)
    }),
    ("I4 deleted only when settled", |_, state| {
        !state.marks.has(Mark::DeletedUnsettled)
    }),
    ("I5 no target but the route's own", |_, state| {
        state.group[STRANGER] == Row::Absent
    }),
    ("I6 writes conditional, calls under a lease", |_, state| {
        !state.marks.has(Mark::UnconditionalWrite) && !state.marks.has(Mark::CallWithoutLease)
    }),
    ("I8 a settled event costs no call", |_, state| {
        !state.marks.has(Mark::CallForSettledEvent)
    }),
];

const SOMETIMES: [Sight; 9] = [
    (
        "both workers carry out a move at once",
        |faults| faults.stalls > 0 || faults.slow >= 3,
        |_, state| {
            let moves = |worker: &Worker| matches!(worker.doing, Doing::Carrying(_));
            state.workers.iter().all(moves)
        },
    ),
    (
        "a lease is taken over",
        |faults| faults.crashes + faults.unanswered + faults.stalls > 0,
        |_, state| carrying(state).any(|carrying| carrying.took_over),
    ),
    (
        "a lease is lengthened",
        |faults| faults.stalls > 0 || faults.slow >= 2,
        |_, state| carrying(state).any(|carrying| carrying.lengthened),
    ),
    (
        "a move is resumed",
        |faults| faults.crashes + faults.unanswered + faults.stalls > 0,
        |_, state| carrying(state).any(|carrying| carrying.entry.attempts > 1),
    ),
    (
        "a lease is lost",
        |faults| faults.stalls > 0 || faults.slow >= 3,
        |_, state| ending(state).any(|end| matches!(end, End::LeaseLost(_))),
    ),
    (
        "a finish is fenced off",
        |faults| faults.stalls > 0 && faults.lapses > 0,
        |_, state| ending(state).any(|end| end == End::Fenced),
    ),
    (
        "an event comes again",
        |faults| faults.duplicates + faults.lapses + faults.crashes + faults.unanswered > 0,
        |_, state| ending(state).any(|end| end == End::Duplicate),
    ),
    (
        "an event is superseded",
        |_| true,
        |_, state| {
            let superseded = |entry: &Entry| entry.settled == Some(Settled::Superseded);
            state.events.iter().flatten().any(superseded)
        },
    ),
    (
        "a late call takes effect",
        |faults| faults.stalls > 0,
        |_, state| state.marks.has(Mark::LateCall),
    ),
];

fn carrying(state: &State) -> impl Iterator<Item = &Carrying> {
    state
        .workers
        .iter()
        .filter_map(|worker| match &worker.doing {
            Doing::Carrying(carrying) => Some(carrying),
            Doing::Nothing | Doing::Opening(_) | Doing::Ending(..) => None,
        })
}

fn ending(state: &State) -> impl Iterator<Item = End> {
    state
        .workers
        .iter()
        .filter_map(|worker| match worker.doing {
            Doing::Ending(_, end) => Some(end),
            Doing::Nothing | Doing::Opening(_) | Doing::Carrying(_) => None,
        })
}

fn is_empty(group: &Group) -> bool {
    !group.contains(&Row::Registered)
}

/// I2, for the evidence that came. After a late call it takes the next event, or the timer.
fn converged(model: &Protocol, state: &State) -> bool {
    let told = (0..model.world.asked.len()).filter(|event| state.is_told(*event));
    let asked = told.filter_map(|event| model.world.asked[event].as_ref());
    let Some(newest) = asked.max_by_key(|desired| desired.evidence) else {
        return true;
    };
    let registered = |row: &Row| *row == Row::Registered;
    let there = registered(&state.group[model.world.place(newest.target)]);
    let alone = state.group.iter().filter(|row| registered(row)).count() == 1;
    state.marks.has(Mark::LateCall) || (there && (alone || newest.reach == Reach::Register))
}
