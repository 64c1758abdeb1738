//! An event that waits for its turn or for an address: nothing else moves the route past it.

use writerlink_core::decision::goal::TargetDecision;
use writerlink_core::evidence::discovery::Discovery;
use writerlink_core::evidence::event::RANK_READING;
use writerlink_core::ledger::state::Assignment;
use writerlink_core::ledger::unresolved::UnresolvedEvent;
use writerlink_core::model::outcome::{LEFT_TO_NEWER_FOR, Outcome};
use writerlink_core::model::reason::Reason;

use super::aim::{aimed, followed, kept, pinned_to};
use super::values::{
    asking_route, desired, instance, key, members, order, pointing_at, route, second, seen_once, steady,
};

/// The route points at `db-1`, and an event of second 100 that names `db-3` has waited since then.
fn passed_by(control: Assignment, reason: Reason, outcome: Option<Outcome>) -> Assignment {
    let event = UnresolvedEvent {
        key: key(7),
        at: second(100),
        since: second(100),
        names: Some(instance(3)),
        outcome,
        reason,
        note: String::new(),
    };
    Assignment { unresolved_event: Some(event), ..control }
}

/// Evidence for `db-2` was held back, and nothing holds it back any more.
fn resumed() -> Assignment {
    Assignment { waiting: Some(desired(2, order(50, 2), key(8))), ..pointing_at(1, order(10, 2)) }
}

#[test]
fn no_move_goes_past_an_event_that_waits() {
    let lagging = steady(members(2, &[]), second(110));
    let silent = seen_once(Discovery::NoSources, second(110));
    for reason in [Reason::AwaitsQuota, Reason::TooManyMoves, Reason::AddressUnavailable] {
        let waits = |control| passed_by(control, reason, None);
        assert_eq!(aimed(&route(), &waits(resumed()), &silent), TargetDecision::LeftToEvent);
        let old = pointing_at(1, order(10, RANK_READING));
        let target_state = aimed(&asking_route(), &waits(old), &lagging);
        assert_eq!(target_state, TargetDecision::LeftToEvent, "{reason}");
    }
}

#[test]
fn an_event_that_waits_for_nothing_any_more_stops_no_move() {
    let silent = |now| seen_once(Discovery::NoSources, now);
    let refused = passed_by(resumed(), Reason::UnknownInstance, Some(Outcome::Rejected));
    let waits = passed_by(resumed(), Reason::AwaitsQuota, None);
    let late = second(100).plus(LEFT_TO_NEWER_FOR);
    for (control, now) in [(refused, second(110)), (waits, late)] {
        let target_state = aimed(&route(), &control, &silent(now));
        assert_eq!(Some(followed(target_state)), control.waiting);
    }
}

#[test]
fn sources_that_say_what_the_event_says_need_not_wait_for_it() {
    let old = passed_by(pointing_at(1, order(10, RANK_READING)), Reason::AddressUnavailable, None);
    let agrees = steady(members(3, &[]), second(110));
    assert_eq!(followed(aimed(&asking_route(), &old, &agrees)).instance, instance(3));
}

#[test]
fn a_group_is_repaired_while_an_event_waits_and_a_pin_goes_before_it() {
    let silent = seen_once(Discovery::NoSources, second(110));
    let mut control = passed_by(pointing_at(1, order(10, 2)), Reason::AwaitsQuota, None);
    assert_eq!(kept(aimed(&route(), &control, &silent)).instance, instance(1));
    control.safety = pinned_to(2, second(105), None);
    assert_eq!(followed(aimed(&route(), &control, &silent)).instance, instance(2));
}
