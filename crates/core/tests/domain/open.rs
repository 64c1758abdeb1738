//! `assess`, of a route about which something is unresolved (I9).

use std::time::Duration;

use writerlink_core::ledger::holds::Pin;
use writerlink_core::ledger::state::Assignment;
use writerlink_core::ledger::unresolved::{SourceConflict, UnresolvedEvent};
use writerlink_core::model::outcome::{IN_PROGRESS_FOR, LEFT_TO_NEWER_FOR, Outcome};
use writerlink_core::model::reason::Reason;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::health::{ActualState, NO_EVENT_YET, RouteHealth, assess, is_open};

use super::route_health::{NOW, judged, pointing, says, stop};
use super::values::{healthy, instance, key, owner, route, second, target};

/// An event of second 200 that names `db-{number}`, or nobody; recorded a second later.
fn open_event(names: Option<u8>, outcome: Option<Outcome>, reason: Reason) -> UnresolvedEvent {
    UnresolvedEvent {
        key: key(7),
        at: second(200),
        since: second(201),
        names: names.map(instance),
        outcome,
        reason,
        note: "it is so".to_owned(),
    }
}

fn refused_event(names: Option<u8>) -> UnresolvedEvent {
    open_event(names, Some(Outcome::Rejected), Reason::UnknownInstance)
}

fn with_event(event: UnresolvedEvent) -> Assignment {
    Assignment { unresolved_event: Some(event), ..pointing() }
}

fn with_conflict(reason: Reason) -> Assignment {
    Assignment {
        source_conflict: Some(SourceConflict {
            since: second(900),
            reason,
            note: "dns says db-1".to_owned(),
            by: owner(),
        }),
        ..pointing()
    }
}

#[test]
fn an_event_for_another_instance_puts_the_route_out_of_sync_with_advice() {
    let why = "the event of 2026-05-06T23:03:20.000Z names db-9 and could not be acted on: it is so; `writerlink swap \
               orders --to INSTANCE` moves the route, `writerlink ack orders` leaves it where it is";
    let control = with_event(refused_event(Some(9)));
    assert_eq!(judged(&control, &[healthy(2)]), says(RouteHealth::OutOfSync, why));
}

#[test]
fn an_event_that_names_nobody_or_the_same_instance_makes_a_route_unknown() {
    for names in [None, Some(2)] {
        let control = with_event(refused_event(names));
        let open = judged(&control, &[healthy(2)]);
        assert_eq!(open.health, RouteHealth::Unknown, "{}", open.why);
        assert!(open.why.contains("`writerlink ack orders`"), "{}", open.why);
    }
}

#[test]
fn a_refused_event_is_seen_on_a_route_that_has_never_moved() {
    let never = |names| Assignment { unresolved_event: Some(refused_event(names)), ..Assignment::default() };
    let wrong = judged(&never(Some(9)), &[healthy(1)]);
    assert_eq!(wrong.health, RouteHealth::OutOfSync, "{}", wrong.why);
    assert!(!wrong.why.contains(NO_EVENT_YET), "{}", wrong.why);
    assert_eq!(judged(&never(None), &[healthy(1)]).health, RouteHealth::Unknown);
}

#[test]
fn a_group_that_differs_is_told_beside_the_event() {
    let both = judged(&with_event(refused_event(None)), &[healthy(1)]);
    assert_eq!(both.health, RouteHealth::OutOfSync);
    let parts: Vec<&str> = both.why.split("; besides, ").collect();
    assert!(parts[0].starts_with("the event of"), "{}", both.why);
    assert!(parts[1].starts_with("desired: db-2"), "{}", both.why);
}

#[test]
fn a_group_that_could_not_be_read_hides_no_refused_event() {
    let control = with_event(refused_event(Some(9)));
    let open = assess(&route(), Some(&control), ActualState::Nothing, None, second(NOW));
    assert_eq!(open.health, RouteHealth::OutOfSync, "{}", open.why);
}

#[test]
fn a_pin_does_not_hide_an_event_that_came_after_it() {
    let mut control = with_event(refused_event(Some(9)));
    control.safety.pin = Some(Pin { instance: instance(2), target: target(2), stop: stop() });
    assert_eq!(judged(&control, &[healthy(2)]).health, RouteHealth::OutOfSync);
}

#[test]
fn an_event_that_waits_is_moving_for_as_long_as_its_message_is_expected() {
    let waits = |reason, now: Timestamp| {
        let control = with_event(open_event(Some(3), None, reason));
        let shown = [healthy(2)];
        let judged = assess(&route(), Some(&control), ActualState::Group(&shown), None, now);
        (judged.health, is_open(&control, now))
    };
    let turn = second(201).plus(LEFT_TO_NEWER_FOR);
    let address = second(201).plus(IN_PROGRESS_FOR);
    let just = Duration::from_millis(1);
    for (reason, limit, counted) in [
        (Reason::AwaitsQuota, turn, false),
        (Reason::TooManyMoves, turn, false),
        (Reason::AddressUnavailable, address, true),
    ] {
        assert_eq!(waits(reason, limit.minus(just)), (RouteHealth::Converging, counted));
        assert_eq!(waits(reason, limit), (RouteHealth::OutOfSync, true), "{reason}");
    }
}

#[test]
fn sources_in_conflict_leave_a_route_unknown_and_a_map_that_differs_wrong() {
    for (reason, standing) in [
        (Reason::SourcesUnclear, RouteHealth::Unknown),
        (Reason::EventTrusted, RouteHealth::Unknown),
        (Reason::MapDiffers, RouteHealth::OutOfSync),
    ] {
        let control = with_conflict(reason);
        let judged = judged(&control, &[healthy(2)]);
        assert_eq!(judged, says(standing, "dns says db-1"), "{reason}");
        assert!(is_open(&control, second(NOW)));
    }
}

#[test]
fn an_event_and_a_conflict_are_both_told() {
    let control =
        Assignment { unresolved_event: Some(refused_event(None)), ..with_conflict(Reason::SourcesUnclear) };
    let both = judged(&control, &[healthy(2)]);
    assert_eq!(both.health, RouteHealth::Unknown);
    assert!(both.why.ends_with("; besides, dns says db-1"), "{}", both.why);
}
