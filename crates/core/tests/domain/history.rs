//! Whole histories: any evidence, in any order, through attempts that finish, are deferred or die.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use writerlink_core::decision::event::decide;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::{EventKey, EvidenceOrder};
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::ledger::change::{
    BeginRequest, Change, EventDelivery, StateUpdate, begin, extend, finish, settle,
};
use writerlink_core::ledger::state::{EventEntry, RouteState};
use writerlink_core::model::ids::Generation;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::route::{OnStarted, Route};

use super::values::{COMPLETED, STARTED, entry, evidence, owner, route, second, transition_id};

/// How an attempt ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Finished,
    Deferred,
    Died,
}

/// A delivery: what it tells, and how the first attempts at it end. The last one finishes.
#[derive(Clone, Debug)]
struct Delivery {
    evidence: Evidence,
    endings: Vec<Ending>,
}

/// A ledger that commits a change as the real one does: only onto the state and the event it was built on.
struct Ledger {
    state: RouteState,
    events: BTreeMap<EventKey, EventEntry>,
}

impl Ledger {
    fn commit(&mut self, change: &Change) {
        assert_eq!(change.from(), &self.state);
        let (before, after) = (&self.state.control, change.to());
        assert!(after.generation >= before.generation, "I6: the generation never falls");
        let order = |control: &writerlink_core::ledger::state::Assignment| {
            control.newest().map(|known| known.evidence)
        };
        assert!(order(after) >= order(before), "I3: evidence never regresses");
        if let Some(write) = change.event() {
            let entry = write.entry();
            let old = self.events.insert(entry.key, entry.clone());
            assert_eq!(old.and_then(|old| old.settled), None, "I4: settled once, settled for good");
        }
        self.state.control = after.clone();
    }
}

/// Handles one delivery as a worker would; gives it back when it has to come again.
fn handle(ledger: &mut Ledger, route: &Route, mut delivery: Delivery, number: u128) -> Option<Delivery> {
    let evidence = &delivery.evidence;
    let arrival = EventDelivery {
        key: evidence.key,
        source_arn: None,
        known: ledger.events.get(&evidence.key).cloned(),
    };
    if arrival.known.as_ref().is_some_and(|known| known.settled.is_some()) {
        return None;
    }
    let now = second(10_000);
    let claim = evidence.trigger.event().unwrap().claim().unwrap();
    let address = claim.instance().and_then(|name| route.instances.get(name).copied());
    let desired = match decide(route, &ledger.state.control, evidence, address, now) {
        Decision::Settle(verdict) => {
            let told = entry(number, now, Some(verdict.outcome));
            let change = settle(&ledger.state, &arrival, StateUpdate::None, told).unwrap();
            ledger.commit(&change);
            return None;
        }
        Decision::Hold(desired, blocked) => {
            let told = entry(number, now, Some(blocked.verdict(&desired).outcome));
            let effect = StateUpdate::Defer(desired, blocked.rule);
            let change = settle(&ledger.state, &arrival, effect, told).unwrap();
            ledger.commit(&change);
            return None;
        }
        Decision::Ask(verdict) => panic!("no event here asks for the discovery: {verdict:?}"),
        Decision::Move(desired) => desired,
    };
    let told = entry(number, now, None);
    let taking = BeginRequest { owner: &owner(), desired, arrival: Some(&arrival), order: None };
    let change = begin(&ledger.state, taking, told).unwrap();
    ledger.commit(&change);
    let ending = delivery.endings.pop().unwrap_or(Ending::Finished);
    let outcome = match ending {
        Ending::Died => return Some(delivery),
        Ending::Deferred => None,
        Ending::Finished => Some(Outcome::Moved),
    };
    let change = extend(&ledger.state, transition_id(number), now).unwrap();
    ledger.commit(&change);
    let in_hand = ledger.events[&delivery.evidence.key].clone();
    let change = finish(&ledger.state, Some(&in_hand), entry(number, now, outcome)).unwrap();
    ledger.commit(&change);
    outcome.is_none().then_some(delivery)
}

/// Folds deliveries until none is left.
fn fold(route: &Route, deliveries: Vec<Delivery>) -> Ledger {
    let mut ledger = Ledger { state: RouteState::new(route.name.clone()), events: BTreeMap::new() };
    let mut queue = VecDeque::from(deliveries);
    let mut number = 0;
    while let Some(delivery) = queue.pop_front() {
        number += 1;
        queue.extend(handle(&mut ledger, route, delivery, number));
    }
    ledger
}

/// The order of what could move `route`: its instances, and not the started ones when it waits.
fn moving_orders(route: &Route, deliveries: &[Delivery]) -> Vec<(EvidenceOrder, EventKey)> {
    let moves = |delivery: &&Delivery| {
        let claim = delivery.evidence.trigger.event().unwrap().claim().unwrap();
        let known = claim.instance().is_some_and(|name| route.instances.contains_key(name));
        known && (claim.rank() == 2 || route.on_started != OnStarted::Wait)
    };
    let moving = deliveries.iter().filter(moves);
    let order = |delivery: &Delivery| EvidenceOrder {
        at: delivery.evidence.trigger.at(),
        rank: delivery.evidence.trigger.event().unwrap().claim().unwrap().rank(),
    };
    moving.map(|delivery| (order(delivery), delivery.evidence.key)).collect()
}

fn any_delivery() -> impl Strategy<Value = Delivery> {
    let id = prop_oneof![Just(STARTED), Just(COMPLETED)];
    let ending = prop_oneof![Just(Ending::Finished), Just(Ending::Deferred), Just(Ending::Died)];
    // Instance 4 is none of the route's; few instants, so that many deliveries share one.
    let evidence = (id, 1..=4_u8, 0..8_i64).prop_map(|(id, number, at)| evidence(id, number, second(at)));
    (evidence, prop::collection::vec(ending, 0..3))
        .prop_map(|(evidence, endings)| Delivery { evidence, endings })
}

fn any_route() -> impl Strategy<Value = Route> {
    let on_started = prop_oneof![Just(OnStarted::Swap), Just(OnStarted::Register), Just(OnStarted::Wait)];
    on_started.prop_map(|on_started| Route { on_started, ..route() })
}

proptest! {
    #[test]
    fn any_order_of_any_evidence_ends_at_the_newest(
        route in any_route(), deliveries in prop::collection::vec(any_delivery(), 0..12),
    ) {
        let moving = moving_orders(&route, &deliveries);
        let newest = moving.iter().map(|(order, _)| *order).max();
        let ledger = fold(&route, deliveries);
        // So many moves in one minute may flap: then the newest is kept, and waits.
        let desired = ledger.state.control.newest();
        prop_assert_eq!(desired.map(|desired| desired.evidence), newest);
        if let Some(desired) = desired {
            prop_assert!(moving.contains(&(desired.evidence, desired.event)));
            prop_assert_eq!(Some(&desired.target.ip), route.instances.get(&desired.instance));
        }
        prop_assert!(ledger.events.values().all(|event| event.settled.is_some()));
    }

    #[test]
    fn any_order_of_evidence_ends_at_one_instance_unless_two_are_equally_new(
        deliveries in prop::collection::vec(any_delivery(), 0..12)
            .prop_flat_map(|deliveries| (Just(deliveries.clone()), Just(deliveries).prop_shuffle())),
    ) {
        let (one, other) = deliveries;
        let moving = moving_orders(&route(), &one);
        let newest = moving.iter().map(|(order, _)| *order).max();
        let mut candidates: Vec<EventKey> = moving
            .iter()
            .filter(|(order, _)| Some(*order) == newest)
            .map(|(_, key)| *key)
            .collect();
        candidates.sort();
        candidates.dedup();
        let end = |deliveries| fold(&route(), deliveries).state.control.newest().cloned();
        let (one, other) = (end(one), end(other));
        if candidates.len() < 2 {
            prop_assert_eq!(one, other);
        } else {
            let evidence = |desired: Option<Desired>| desired.map(|desired| desired.evidence);
            prop_assert_eq!(evidence(one), evidence(other));
        }
    }

    #[test]
    fn a_delivery_that_comes_again_changes_nothing(
        deliveries in prop::collection::vec(any_delivery(), 0..8),
    ) {
        let once = fold(&route(), deliveries.clone());
        let twice = fold(&route(), [deliveries.clone(), deliveries].concat());
        prop_assert_eq!(once.state.control.newest(), twice.state.control.newest());
        prop_assert!(twice.state.control.generation > Generation::default() || once.events.is_empty());
        prop_assert_eq!(
            once.events.keys().collect::<Vec<_>>(),
            twice.events.keys().collect::<Vec<_>>()
        );
    }
}
