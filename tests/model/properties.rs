//! What must hold, by the names of `design.md`, and what has to be seen for that to mean anything.

use stateright::Property;
use writerlink::domain::plan::Reach;

use super::protocol::Protocol;
use super::state::{
    Carrying, Desired, Doing, End, Entry, Faults, Group, Look, Mark, Matter, Reading, Row,
    STRANGER, Settled, State, Why, Worker,
};

type Condition = fn(&Protocol, &State) -> bool;

/// What has to be seen, and the faults without which it cannot be.
type Sight = (&'static str, fn(&Faults) -> bool, Condition);

/// What is to be shown of a model with these faults.
pub fn all(faults: &Faults) -> Vec<Property<Protocol>> {
    let always = |(name, holds): (&'static str, Condition)| Property::always(name, holds);
    let mut all: Vec<_> = ALWAYS.into_iter().map(always).collect();
    let comes_to_rest: Condition = |model, state| {
        let done = state.left.looks == 0 && state.left.toggles == 0;
        done && state.is_at_rest() && converged(model, state)
    };
    all.push(Property::eventually("I2 converges", comes_to_rest));
    let possible = SOMETIMES.into_iter().filter(|(_, may, _)| may(faults));
    all.extend(possible.map(|(name, _, seen)| Property::sometimes(name, seen)));
    all
}

/// The chain of I8 is the ledger's own test.
const ALWAYS: [(&str, Condition); 12] = [
    ("I1 never empty", |_, state| {
        // A late call may empty the group: the load balancer knows no token. It is one call, and without
        // stalls there is none, so that this is absolute then.
        !state.populated || state.marks.has(Mark::LateCall) || !is_empty(&state.group)
    }),
    (
        "I2 at rest the group is where the newest evidence says",
        |model, state| {
            // By events alone, without the timer. A late call takes the timer, and so does a lost event.
            let by_events_alone = !model.world.has_witnesses()
                && (model.faults.looks, model.faults.toggles) == (0, 0)
                && !state.marks.has(Mark::LateCall);
            !(by_events_alone && state.is_at_rest()) || converged(model, state)
        },
    ),
    (
        "I2 where the timer has nothing to do the group is right",
        |model, state| {
            let busy = state.route.lease.is_some_and(|lease| !lease.is_over());
            let nothing_to_do = state.is_at_rest() && !busy && model.timer_is_content(state);
            !nothing_to_do || converged(model, state)
        },
    ),
    ("I3 evidence never goes back", |_, state| {
        !state.marks.has(Mark::EvidenceWentBack)
    }),
    ("a young event outranks the witnesses", |_, state| {
        !state.marks.has(Mark::FoughtAYoungEvent)
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
    (
        "I7 no call of an attempt that began after the pause",
        |_, state| !state.marks.has(Mark::CallWhilePaused),
    ),
    ("I8 a settled event costs no call", |_, state| {
        !state.marks.has(Mark::CallForSettledEvent)
    }),
];

const SOMETIMES: [Sight; 15] = [
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
        |_, state| carrying(state).any(|carrying| carrying.attempts() > 1),
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
    (
        "the timer repairs a late effect",
        |faults| faults.stalls > 0,
        |_, state| {
            let repairs = carrying(state).any(|carrying| carrying.why == Why::Repair);
            repairs && state.marks.has(Mark::LateCall)
        },
    ),
    (
        "a paused event is held back",
        |faults| faults.toggles > 0,
        |_, state| state.route.paused && state.route.waiting.is_some(),
    ),
    (
        "a paused event moves after the resume",
        |faults| faults.toggles > 1,
        |_, state| carrying(state).any(|carrying| carrying.why == Why::HeldBack),
    ),
    (
        "a stale truth is waited out",
        |faults| faults.looks > 0,
        |model, state| {
            // The last event points the route at the writer, the witnesses lag behind it, and the timer waits.
            let writer = model.world.writer();
            let is_right =
                |desired: Desired| usize::from(desired.place) == writer && desired.event.is_some();
            let stale = Look {
                reading: Reading::Early,
                number: 0,
                trusts: true,
            };
            let aim = model.aims_at(&state.route, (0, 0), stale);
            state.route.desired.is_some_and(is_right)
                && aim.is_some_and(|desired| model.world.place(desired.target) == writer)
        },
    ),
    (
        "being asked ends the trust in what was said before",
        |faults| faults.looks > 0,
        |model, state| {
            let asked = |carrying: &Carrying| match carrying.hand.matter {
                Matter::Told(_) => false,
                Matter::Seen(look) => {
                    look.trusts && carrying.why == Why::Witnesses && state.route.asked.is_some()
                }
            };
            !model.world.asks() || carrying(state).any(asked)
        },
    ),
    (
        "the witnesses move the route",
        |faults| faults.looks > 0,
        |_, state| carrying(state).any(|carrying| carrying.why == Why::Witnesses),
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

/// I2: the group holds the writer alone. Where nobody can be asked, the writer is whom the newest event that
/// came named; a paused route may stay where it is.
fn converged(model: &Protocol, state: &State) -> bool {
    if state.route.paused {
        return true;
    }
    let told = (0..model.world.asked.len()).filter(|event| state.is_told(*event));
    let asked = told.filter_map(|event| model.world.asked[event].as_ref());
    let (place, reach) = if model.world.has_witnesses() {
        (model.world.writer(), Reach::Swap)
    } else if let Some(newest) = asked.max_by_key(|desired| desired.evidence) {
        (model.world.place(newest.target), newest.reach)
    } else {
        return true;
    };
    let registered = |row: &Row| *row == Row::Registered;
    let there = registered(&state.group[place]);
    let alone = state.group.iter().filter(|row| registered(row)).count() == 1;
    there && (alone || reach == Reach::Register)
}
