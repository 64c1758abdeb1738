//! What must hold, by the names of `design.md`, and what has to be seen for that to mean anything.

use stateright::Property;
use writerlink_core::model::reason::Rule;
use writerlink_core::model::target::MoveMode;

use super::protocol::Protocol;
use super::state::{
    Call, Carrying, Desired, Doing, EVENTS, End, Entry, Group, Hand, Look, Mark, Matter, OTHERS, Phase, Row,
    STRANGER, Settled, SourceSays, State, Why, Worker,
};
use super::story::{Does, When, Wish};

type Condition = fn(&Protocol, &State) -> bool;

/// What has to be seen, and the models in which it can be.
type Sight = (&'static str, fn(&Protocol) -> bool, Condition);

/// What is to be shown of a model.
pub fn all(model: &Protocol) -> Vec<Property<Protocol>> {
    let always = |(name, holds): (&'static str, Condition)| Property::always(name, holds);
    let mut all: Vec<_> = ALWAYS.into_iter().map(always).collect();
    let comes_to_rest: Condition = |model, state| {
        let left = &state.left;
        let done = (left.looks, left.toggles, left.orders) == (0, 0, 0);
        let done = done && state.records.is_none();
        done && state.is_at_rest() && converged(model, state) && is_looked_after(model, state)
    };
    all.push(Property::eventually("I2 converges", comes_to_rest));
    let sights = SOMETIMES.into_iter().chain(OF_WEIGHTS).chain(OF_ORDERS);
    let possible = sights.filter(|(_, may, _)| may(model));
    all.extend(possible.map(|(name, _, seen)| Property::sometimes(name, seen)));
    all
}

/// The chain of I8 is the ledger's own test.
const ALWAYS: [(&str, Condition); 20] = [
    ("I1 never empty", |model, state| {
        // A late call may empty the group: the load balancer knows no token. It is one call, and without
        // stalls there is none, so that this is absolute then.
        let excused = !state.populated || state.marks.has(Mark::LateCall);
        model.world.weighted().is_some() || excused || !is_empty(&state.group)
    }),
    ("I1 the weights are never all 0 again", |model, state| {
        // Not even a late call takes the last weight away.
        model.world.weighted().is_none() || !state.populated || state.weights.contains(&true)
    }),
    ("I1 a group has weight only with its instance's target in it", |model, state| {
        let is_filled = |place: usize| state.group[place] == Row::Registered;
        let weighty = (0..OTHERS).filter(|place| state.weights[*place]);
        model.world.weighted().is_none() || weighty.into_iter().all(is_filled)
    }),
    ("I2 at rest the group is where the newest evidence says", |model, state| {
        // By events alone, without the timer. A late call takes the timer, and so does a lost event.
        let faults = &model.faults;
        let by_events_alone = !model.world.has_witnesses()
            && (faults.looks, faults.toggles, faults.orders) == (0, 0, 0)
            && model.world.flap_moves_max == 0
            && !state.marks.has(Mark::LateCall);
        !(by_events_alone && state.is_at_rest()) || converged(model, state)
    }),
    ("I2 where the timer has nothing to do the group is right", |model, state| {
        let busy = state.route.lease.is_some_and(|lease| !lease.is_over());
        // A row that is behind its records is something to do.
        let rests = state.is_at_rest() && !busy && state.records.is_none();
        let content = rests.then(|| model.content_after_looks(state)).flatten();
        content.is_none_or(|state| converged(model, &state) && is_looked_after(model, &state))
    }),
    ("I3 evidence never goes back", |_, state| !state.marks.has(Mark::EvidenceWentBack)),
    ("I3, I10 a lagging source moves nothing", |_, state| !state.marks.has(Mark::MovedByALaggingSource)),
    ("a young event outranks the sources", |_, state| !state.marks.has(Mark::FoughtAYoungEvent)),
    ("I4 intent before effect", |_, state| !state.marks.has(Mark::EffectBeforeIntent)),
    ("I4 one terminal record", |_, state| !state.marks.has(Mark::TwoTerminalRecords)),
    ("I4 deleted only when settled", |_, state| !state.marks.has(Mark::DeletedUnsettled)),
    ("I5 no target but the route's own", |_, state| state.group[STRANGER] == Row::Absent),
    ("I6 writes conditional, calls under a lease", |_, state| {
        !state.marks.has(Mark::UnconditionalWrite) && !state.marks.has(Mark::CallWithoutLease)
    }),
    ("I7 no call of an attempt that began after the pause", |_, state| {
        !state.marks.has(Mark::CallWhilePaused)
    }),
    ("a paused route is moved by nothing but an order that names the pause", |_, state| {
        !state.marks.has(Mark::MovedPastAPause)
    }),
    ("a pinned route is moved elsewhere by nothing but an order that names the pin", |_, state| {
        !state.marks.has(Mark::MovedPastAPin)
    }),
    ("a route that flaps stops until somebody takes note", |_, state| {
        !state.marks.has(Mark::MovedWhileFlapping)
    }),
    ("the flap rule stops no route that may still move", |_, state| !state.marks.has(Mark::StoppedTooSoon)),
    ("what a person holds is held until a person lets it go", |_, state| {
        let (route, people) = (state.recorded(), &state.people);
        let pinned = route.pin.map(|pin| pin.place);
        (route.paused, pinned, route.flapping) == (people.paused, people.pinned, people.flapping)
    }),
    ("I8 a settled event costs no call", |_, state| !state.marks.has(Mark::CallForSettledEvent)),
];

const SOMETIMES: [Sight; 16] = [
    (
        "both workers carry out a move at once",
        |model| model.faults.stalls > 0 || model.faults.slow >= 3,
        |_, state| {
            let moves = |worker: &Worker| matches!(worker.doing, Doing::Carrying(_));
            state.workers.iter().all(moves)
        },
    ),
    ("a lease is taken over", is_cut_short, |_, state| carrying(state).any(|carrying| carrying.took_over)),
    (
        "a lease is lengthened",
        |model| model.faults.stalls > 0 || model.faults.slow >= 2,
        |_, state| carrying(state).any(|carrying| carrying.lengthened),
    ),
    ("a move is resumed", is_cut_short, |_, state| carrying(state).any(|carrying| carrying.attempts() > 1)),
    (
        "a lease is lost",
        |model| model.faults.stalls > 0 || model.faults.slow >= 3,
        |_, state| ending(state).any(|end| matches!(end, End::LeaseLost(_))),
    ),
    (
        "a finish is fenced off",
        |model| model.faults.stalls > 0 && model.faults.lapses > 0,
        |_, state| ending(state).any(|end| end == End::Fenced),
    ),
    (
        "an event comes again",
        |model| {
            let faults = &model.faults;
            faults.duplicates + faults.lapses + faults.crashes + faults.unanswered > 0
        },
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
    ("a late call takes effect", |model| model.faults.stalls > 0, |_, state| state.marks.has(Mark::LateCall)),
    (
        "the timer repairs a late effect",
        |model| model.faults.stalls > 0,
        |_, state| {
            let repairs = carrying(state).any(|carrying| carrying.why == Why::Repair);
            repairs && state.marks.has(Mark::LateCall)
        },
    ),
    (
        "a row that was put back is brought up to its records",
        |model| model.faults.restores > 0,
        |_, state| state.left.restores == 0 && state.records.is_none(),
    ),
    (
        "a paused event is held back",
        |model| model.faults.toggles > 0,
        |_, state| state.route.paused && state.route.waiting.is_some(),
    ),
    (
        "a paused event moves after the resume",
        |model| model.faults.toggles > 1,
        |_, state| carrying(state).any(|carrying| carrying.why == Why::HeldBack),
    ),
    (
        "a stale discovery is waited out",
        |model| model.faults.looks > 0,
        |model, state| {
            // The last event points the route at the writer, the sources lag behind it, and the timer waits.
            let writer = model.world.writer();
            let is_right = |desired: Desired| usize::from(desired.place) == writer && is_told(desired);
            let mut stale = Look::new(SourceSays::Early, true);
            stale.worth.against = state.route.newest().map(|newest| newest.key);
            let aim = model.aims_at(&state.route, (0, 0), stale);
            state.route.desired.is_some_and(is_right)
                && aim.is_some_and(|desired| model.world.place(desired.target) == writer)
        },
    ),
    (
        "a failover that failed ends the trust in its start",
        |model| model.faults.looks > 0,
        |model, state| {
            let asked = |carrying: &Carrying| match carrying.hand.matter {
                Matter::Told(_) | Matter::Ordered(_) => false,
                Matter::Seen(look) => {
                    look.trusts && carrying.why == Why::Sources && state.route.asked.is_some()
                }
            };
            !model.world.calls_off() || carrying(state).any(asked)
        },
    ),
    (
        "the sources move the route",
        |model| model.faults.looks > 0,
        |_, state| carrying(state).any(|carrying| carrying.why == Why::Sources),
    ),
];

fn is_cut_short(model: &Protocol) -> bool {
    model.faults.crashes + model.faults.unanswered + model.faults.stalls > 0
}

const OF_WEIGHTS: [Sight; 5] = [
    ("the weight moves", is_weighted, |_, state| {
        carrying(state).any(|carrying| is_sent(carrying, Call::Shift))
    }),
    ("a group that was emptied by hand is filled before it gets the weight", is_weighted, |_, state| {
        carrying(state).any(|carrying| carrying.proof && carrying.phase == Phase::About(Call::Shift))
    }),
    ("the other instance's group is filled again", is_weighted, |_, state| {
        carrying(state).any(|carrying| is_sent(carrying, Call::RegisterOther))
    }),
    (
        "the weight moves while a stale writer is about to wake up",
        |model| is_weighted(model) && model.faults.stalls > 0,
        |_, state| {
            let stale = |carrying: &Carrying| carrying.phase == Phase::StandsStill(Call::Shift);
            let moves = |carrying: &Carrying| is_sent(carrying, Call::Shift);
            carrying(state).any(stale) && carrying(state).any(moves)
        },
    ),
    (
        "a late call takes the weight back",
        |model| is_weighted(model) && model.faults.stalls > 0,
        |_, state| {
            let elsewhere = |desired: Desired| !state.weights[usize::from(desired.place)];
            state.marks.has(Mark::LateCall) && state.route.desired.is_some_and(elsewhere)
        },
    ),
];

fn is_weighted(model: &Protocol) -> bool {
    model.world.weighted().is_some()
}

fn is_sent(carrying: &Carrying, which: Call) -> bool {
    matches!(carrying.phase, Phase::Sent { call, .. } if call == which)
}

const OF_ORDERS: [Sight; 8] = [
    (
        "an event is held back by a pin",
        |model| {
            let outranked = |wish: &Wish| wish.when == When::BeforeTheSecond;
            wishes(model, |wish| matches!(wish.act, Does::Pin(_)) && outranked(wish))
        },
        |_, state| {
            let elsewhere = |waiting: Desired| state.people.pinned != Some(waiting.place);
            state.route.pin.is_some() && state.route.waiting.is_some_and(elsewhere)
        },
    ),
    (
        "what a pin held back moves the route once it is lifted",
        |model| {
            let alone = model.faults.toggles == 0 && model.world.flap_moves_max == 0;
            alone && model.faults.orders > 1 && wishes(model, |wish| wish.act == Does::Unpin)
        },
        |_, state| carrying(state).any(|carrying| carrying.why == Why::HeldBack),
    ),
    (
        "an override moves a paused route",
        |model| model.faults.toggles > 0 && names(model, Rule::Paused),
        |_, state| ordered(state).any(|carrying| carrying.from.paused),
    ),
    (
        "an override moves a pinned route",
        |model| {
            let pins = wishes(model, |wish| matches!(wish.act, Does::Pin(_)));
            model.faults.orders > 1 && pins && names(model, Rule::Pinned)
        },
        |_, state| state.marks.has(Mark::PinOverridden),
    ),
    (
        "an order is refused by a rule that it does not name",
        |model| model.faults.toggles > 0 && wishes(model, Wish::moves),
        |_, state| {
            let refused = |worker: &Worker| {
                matches!(
                    worker.doing,
                    Doing::Ending(Hand { matter: Matter::Ordered(_), .. }, End::DeadLetter)
                )
            };
            state.workers.iter().any(refused)
        },
    ),
    ("the flap rule stops a route", |model| model.world.flap_moves_max > 0, |_, state| state.route.flapping),
    (
        "the flap rule stops a route, and an ack lets it go on",
        |model| {
            let alone = model.faults.toggles == 0;
            alone && wishes(model, |wish| wish.act == Does::Acknowledge)
        },
        |_, state| {
            let goes_on = carrying(state).any(|carrying| carrying.why == Why::HeldBack);
            state.marks.has(Mark::Acknowledged) && goes_on
        },
    ),
    (
        "an override moves a route that the flap rule stopped",
        |model| names(model, Rule::Flapping),
        |_, state| ordered(state).any(|carrying| carrying.from.flapping),
    ),
];

fn wishes(model: &Protocol, is: impl Fn(&Wish) -> bool) -> bool {
    model.faults.orders > 0 && model.world.wishes.iter().any(is)
}

fn names(model: &Protocol, rule: Rule) -> bool {
    wishes(model, |wish| wish.overrides.contains(&rule))
}

/// The moves that a person ordered.
fn ordered(state: &State) -> impl Iterator<Item = &Carrying> {
    carrying(state).filter(|carrying| carrying.why == Why::Order)
}

fn carrying(state: &State) -> impl Iterator<Item = &Carrying> {
    state.workers.iter().filter_map(|worker| match &worker.doing {
        Doing::Carrying(carrying) => Some(carrying),
        Doing::Nothing | Doing::Opening(_) | Doing::Ending(..) => None,
    })
}

fn ending(state: &State) -> impl Iterator<Item = End> {
    state.workers.iter().filter_map(|worker| match worker.doing {
        Doing::Ending(_, end) => Some(end),
        Doing::Nothing | Doing::Opening(_) | Doing::Carrying(_) => None,
    })
}

fn is_empty(group: &Group) -> bool {
    !group.contains(&Row::Registered)
}

fn is_told(desired: Desired) -> bool {
    usize::from(desired.key) < EVENTS
}

/// I2: the group holds the writer alone, or the listener gives everything to it. Where nobody can be asked, the
/// writer is whom the newest event or order named; a route that something stops may stay where it is, and a
/// pinned one belongs where it is pinned.
fn converged(model: &Protocol, state: &State) -> bool {
    if is_stopped(state) || model.is_for_a_person(state) {
        return true;
    }
    let (place, reach) = if let Some(pinned) = state.people.pinned {
        (usize::from(pinned), MoveMode::Swap)
    } else if model.world.has_witnesses() {
        (model.world.writer(), MoveMode::Swap)
    } else if let Some(newest) = newest(model, state) {
        newest
    } else {
        return true;
    };
    let registered = |row: &Row| *row == Row::Registered;
    let there = registered(&state.group[place]);
    let alone = if model.world.weighted().is_some() {
        let weighty = |n: &usize| state.weights[*n];
        (0..state.weights.len()).filter(weighty).eq([place])
    } else {
        state.group.iter().filter(|row| registered(row)).count() == 1
    };
    there && (alone || reach == MoveMode::Register)
}

/// Where the newest event that came, or the newest order that was accepted, points the route.
fn newest(model: &Protocol, state: &State) -> Option<(usize, MoveMode)> {
    let told = (0..model.world.asked.len()).filter(|event| state.is_told(*event));
    let asked = told.filter_map(|event| model.world.asked[event].as_ref());
    let said = asked.map(|desired| {
        let place = model.world.place(desired.target);
        (desired.evidence, (place, desired.move_mode))
    });
    let moved = state.people.moved.into_iter().map(|(place, order)| {
        let evidence = model.world.order_at(order);
        (evidence, (usize::from(place), MoveMode::Swap))
    });
    let newest = said.chain(moved).max_by_key(|(evidence, _)| *evidence);
    newest.map(|(_, where_to)| where_to)
}

/// A person or the flap rule stops the route.
fn is_stopped(state: &State) -> bool {
    state.people.paused || state.people.flapping
}

/// Every group of a weighted route that was ever moved holds its instance's target.
fn is_looked_after(model: &Protocol, state: &State) -> bool {
    let is_filled = |place: usize| state.group[place] == Row::Registered;
    let nothing_to_see = model.world.weighted().is_none() || state.route.desired.is_none();
    nothing_to_see || is_stopped(state) || (0..OTHERS).all(is_filled)
}
