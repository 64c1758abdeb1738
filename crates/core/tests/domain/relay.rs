//! Relay routes: a move is one commit, and relays' reports say when it reached clients.

use std::time::Duration;

use proptest::prelude::*;
use writerlink_core::actuation::health::{HealthEvent, HealthWatch, ServingState};
use writerlink_core::actuation::relay::{AppliedRoute, RelayName, RelayReport};
use writerlink_core::ledger::change::{BeginRequest, EventWrite, IllegalChange, switch};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Generation;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::route::{Relay, RelayProfile, SILENT_LIMIT, SWITCH_LIMIT};
use writerlink_core::model::time::Timestamp;

use super::values::{
    desired, entry, instance, key, new_arrival, order, owner, route, second, target, transition_id,
};

const RELAY: Relay = Relay {
    listen: 3306,
    profile: RelayProfile::Application,
    switch_limit: SWITCH_LIMIT,
    silent_limit: SILENT_LIMIT,
};

fn watch() -> HealthWatch {
    HealthWatch {
        transition: transition_id(1),
        key: key(2),
        instance: instance(2),
        target: target(2),
        since: second(100),
        moved_at: second(101),
        arrival: ServingState::Awaited,
        leaving: Vec::new(),
    }
}

/// A report of `at`, by a relay that applied the evidence `applied` half a second after it.
fn report(name: &str, at: i64, applied: Option<u8>) -> RelayReport {
    let applied = applied.map(|number| {
        let at = second(100).plus(Duration::from_millis(500));
        (route().name, AppliedRoute { instance: instance(number), event: key(number), at })
    });
    RelayReport {
        relay: RelayName::new(name).unwrap(),
        at: second(at),
        asked_at: Some(second(at)),
        routes: applied.into_iter().collect(),
    }
}

fn switched(reports: &[RelayReport], now: i64) -> Option<HealthEvent> {
    let update = watch().switched((&route().name, &RELAY), reports, second(now));
    update.map(|update| update.what)
}

#[test]
fn a_move_reached_clients_when_every_live_relay_applied_it() {
    let (done, behind) = (report("a", 103, Some(2)), report("b", 103, Some(1)));
    assert_eq!(switched(&[done.clone(), behind.clone()], 103), None);
    assert_eq!(
        switched(std::slice::from_ref(&done), 103),
        Some(HealthEvent::Switched(Duration::from_millis(500)))
    );
    // A relay that stopped to report does not keep the others waiting.
    let silent = RelayReport { at: second(103 - 60), ..behind };
    assert!(matches!(switched(&[done, silent], 103), Some(HealthEvent::Switched(_))));
}

#[test]
fn a_relay_whose_haproxy_fell_silent_proves_nothing() {
    let deaf = RelayReport { asked_at: None, ..report("a", 103, Some(2)) };
    assert_eq!(switched(&[deaf], 103), None);
    let fell_silent = RelayReport { asked_at: Some(second(40)), ..report("a", 103, Some(2)) };
    assert_eq!(switched(&[fell_silent], 103), None);
}

#[test]
fn a_move_that_no_relay_applied_in_time_is_reported_once_with_the_reason() {
    let limit = 101 + 10;
    assert_eq!(switched(&[], limit - 1), None);
    let update = watch().switched((&route().name, &RELAY), &[], second(limit)).unwrap();
    assert_eq!(update.what, HealthEvent::NotSwitched(Duration::from_secs(11)));
    assert!(update.note.contains("no relay reports"), "{}", update.note);
    let rest = update.rest.unwrap();
    assert_eq!(rest.switched((&route().name, &RELAY), &[], second(limit + 100)), None, "once");
    let late = [report("a", limit + 100, Some(2))];
    let late = rest.switched((&route().name, &RELAY), &late, second(limit + 100)).unwrap();
    assert!(matches!(late.what, HealthEvent::Switched(_)), "it may still come");
    assert_eq!(late.rest, None);
}

#[test]
fn a_name_of_a_relay_holds_no_character_that_a_table_could_not_show() {
    for good in ["a", "task/0123456789abcdef", "ip-10-0-1-2.ec2.internal"] {
        assert!(RelayName::new(good).is_ok(), "{good}");
    }
    for bad in ["", "a b", "é", &"x".repeat(65)] {
        assert!(RelayName::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_switch_settles_its_event_takes_no_lease_and_is_watched() {
    let (owner, arrival) = (owner(), new_arrival(2));
    let from = RouteState::new(route().name);
    let wanted = desired(2, order(20, 1), key(2));
    let taking =
        BeginRequest { owner: &owner, desired: wanted.clone(), arrival: Some(&arrival), order: None };
    let change = switch(&from, taking, entry(5, second(21), Some(Outcome::Moved))).unwrap();
    let to = change.to();
    assert_eq!((to.generation, &to.lease), (Generation(1), &None));
    assert_eq!(to.desired.as_ref(), Some(&wanted));
    assert_eq!(to.safety.moves, [second(21)], "it counts for flap protection");
    let watch = to.health_watch.as_ref().unwrap();
    assert_eq!((watch.since, watch.moved_at, watch.target), (second(20), second(21), target(2)));
    let Some(EventWrite::Insert(event)) = change.event() else { panic!("{:?}", change.event()) };
    assert_eq!(event.settled, Some(Outcome::Moved));
}

#[test]
fn older_evidence_switches_nothing() {
    let owner = owner();
    let mut from = RouteState::new(route().name);
    from.control.desired = Some(desired(1, order(10, 1), key(1)));
    let older =
        BeginRequest { owner: &owner, desired: desired(2, order(9, 2), key(2)), arrival: None, order: None };
    let refused = switch(&from, older, entry(5, second(21), Some(Outcome::Moved)));
    assert_eq!(refused, Err(IllegalChange::EvidenceRegresses(second(9), second(10))));
}

proptest! {
    /// Whatever relays report, "switched" is never said while a live relay has not applied the evidence.
    #[test]
    fn switched_is_never_recorded_while_a_live_relay_is_behind(
        relays in prop::collection::vec((0..120_i64, prop::option::of(1..=3_u8), prop::option::of(0..120_i64)), 0..5),
        now in 100..130_i64,
    ) {
        let reports: Vec<RelayReport> = relays.iter().enumerate().map(|(n, (at, applied, asked))| RelayReport {
            asked_at: asked.map(second),
            ..report(&format!("r{n}"), (*at).min(now), *applied)
        }).collect();
        let now: Timestamp = second(now);
        let update = watch().switched((&route().name, &RELAY), &reports, now);
        if let Some(HealthEvent::Switched(_)) = update.map(|update| update.what) {
            let live = reports.iter().filter(|report| report.is_live(SILENT_LIMIT, now));
            let all = live.clone().all(|report| report.routes.get(&route().name).is_some_and(|a| a.event == key(2)));
            prop_assert!(all && live.count() > 0);
        }
    }
}
