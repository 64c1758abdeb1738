//! The words that are stored and shown: each name reads back as itself, and nothing says nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use writerlink_core::evidence::discovery::Discovery;
use writerlink_core::evidence::routing::Concern;
use writerlink_core::evidence::trigger::{CommandKind, Trigger};
use writerlink_core::ledger::lease::{HOLDER_MARGIN, Hold, LEASE_DURATION};
use writerlink_core::ledger::record::{Entry, RecordedTrigger, Step};
use writerlink_core::model::ids::Owner;
use writerlink_core::model::reason::{Reason, Rule};
use writerlink_core::model::target::MoveMode;
use writerlink_core::model::time::CALL_TIMEOUT;

use super::values::{STARTED, entry, event, instance, ordered, second, seen_once};

fn step(name: &str, (start, took): (u64, u64), error: Option<&str>) -> Step {
    Step {
        name: name.to_owned(),
        start: Duration::from_millis(start),
        took: Duration::from_millis(took),
        request_id: None,
        error: error.map(str::to_owned),
    }
}

#[test]
fn only_an_accepted_call_that_changes_the_load_balancer_changed_it() {
    for name in ["RegisterTargets", "DeregisterTargets", "ModifyListener"] {
        assert!(step(name, (0, 1), None).has_changed_something(), "{name}");
        assert!(!step(name, (0, 1), Some("Throttling")).has_changed_something());
    }
    assert!(!step("DescribeTargetHealth", (0, 1), None).has_changed_something());
}

#[test]
fn an_attempt_took_until_the_end_of_the_step_that_ended_last() {
    let mut told: Entry = entry(1, second(0), None);
    assert_eq!(told.took(), Duration::ZERO);
    // Two calls at the same time: the first one ends after the second.
    told.steps = vec![step("RegisterTargets", (5, 90), None), step("DescribeTargetHealth", (40, 20), None)];
    assert_eq!(told.took(), Duration::from_millis(95));
}

#[test]
fn a_record_keeps_what_was_said_and_only_an_event_is_one() {
    let text = "failover to DB instance: db-2";
    let event = event(STARTED, text, second(3));
    let told = RecordedTrigger::Event(event.clone());
    assert_eq!(told.text(), text);
    assert_eq!(told.event(), Some(&event));
    let (at, by) = (second(3), "ana".to_owned());
    let said = || "rds says so".to_owned();
    for told in
        [RecordedTrigger::Reading { at, text: said() }, RecordedTrigger::Command { at, by, text: said() }]
    {
        assert_eq!(told.text(), "rds says so");
        assert_eq!((told.event(), told.at()), (None, at));
    }
}

#[test]
fn a_trigger_is_told_as_event_text_reading_or_order() {
    let text = "failover to DB instance: db-2";
    let event = event(STARTED, text, second(3));
    assert_eq!(Trigger::Event(event).text(), text);
    let seen = seen_once(Discovery::NoSources, second(3));
    assert_eq!(Trigger::Reading(seen).text(), "rds says so");
    let order = ordered(CommandKind::Swap(instance(2)), second(3), &[]);
    assert_eq!(Trigger::Command(order).text(), "swap to db-2 by ana: a drill");
}

#[test]
fn stored_names_of_owners_moves_and_concerns_are_these() {
    let concerns = [Concern::Source, Concern::NamedInText];
    assert_eq!(concerns.map(Concern::as_str), ["source", "named-in-text"]);
    assert_eq!(Owner::new("task:7:ab").as_str(), "task:7:ab");
    assert_eq!(MoveMode::ALL.map(MoveMode::as_str), ["swap", "register"]);
    for move_mode in MoveMode::ALL {
        assert_eq!(MoveMode::parse(move_mode.as_str()), Some(move_mode));
    }
    assert_eq!(MoveMode::parse("Swap"), None);
    for rule in Rule::ALL {
        assert_eq!(Rule::parse(rule.as_str()), Some(rule));
    }
    assert_eq!(Rule::parse("any"), None);
}

#[test]
fn every_reason_has_a_meaning_of_its_own() {
    let meanings: BTreeSet<_> = Reason::ALL.map(Reason::meaning).into();
    assert_eq!(meanings.len(), Reason::ALL.len());
    // They are the variants' comments: a comment of two lines would bring its line ends along.
    assert!(meanings.iter().all(|meaning| !meaning.is_empty() && !meaning.contains('\n')));
    let of_the_longest = Reason::AwaitsQuota.meaning();
    assert!(of_the_longest.ends_with("this one waits for its own, or was refused"), "{of_the_longest}");
    assert!(meanings.iter().all(|meaning| meaning.contains(' ')));
}

#[test]
fn a_call_is_made_only_if_the_whole_of_it_fits_the_lease() {
    let hold = Hold::granted(Duration::from_secs(100));
    let fits = LEASE_DURATION.saturating_sub(HOLDER_MARGIN + CALL_TIMEOUT);
    let last = Duration::from_secs(100) + fits;
    assert!(hold.fits_a_call(last));
    assert!(!hold.fits_a_call(last + Duration::from_millis(1)));
    assert!(!hold.fits_a_call(last + CALL_TIMEOUT));
}
