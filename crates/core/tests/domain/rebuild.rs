//! A state that is brought up to its records, by values.

use writerlink_core::ledger::change::{BeginRequest, EventWrite, adopt, begin, catch_up, recover};
use writerlink_core::ledger::lease::LEASE_DURATION;
use writerlink_core::ledger::rebuild::{CannotRebuild, rebuilt};
use writerlink_core::ledger::record::{AuditRecord, Entry, RecordKind};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::{Generation, Hash};

use super::values::{desired, entry, key, new_arrival, order, owner, route, second, transition_id};

fn fresh() -> RouteState {
    RouteState::new(route().name)
}

/// The record of an attempt that begins, and its hash.
fn begun(from: &RouteState) -> (AuditRecord, Hash) {
    let arrival = new_arrival(1);
    let taking = BeginRequest {
        owner: &owner(),
        desired: desired(2, order(10, 2), key(1)),
        arrival: Some(&arrival),
        order: None,
    };
    let change = begin(from, taking, entry(1, second(20), None)).unwrap();
    let record = AuditRecord {
        route: route().name,
        seq: change.seq(),
        prev: change.base().hash,
        entry: change.entry().unwrap().clone(),
        changes: Some(change.changes()),
    };
    (record, Hash::of("the record's text"))
}

fn told(kind: RecordKind, at: i64) -> Entry {
    Entry { kind, ..entry(9, second(at), None) }
}

#[test]
fn a_record_gives_back_the_entry_of_its_event() {
    let (record, _) = begun(&fresh());
    let known = record.event_entry().unwrap();
    assert_eq!(known.key, new_arrival(1).key);
    assert_eq!((known.first_seen, known.attempts), (second(20), 1));
    assert_eq!((known.transition, known.settled), (transition_id(1), None));
}

#[test]
fn a_record_that_does_not_say_what_it_changed_rebuilds_nothing() {
    let (mut record, hash) = begun(&fresh());
    record.changes = None;
    assert_eq!(rebuilt(&fresh(), [(&record, hash)]), Err(CannotRebuild(1)));
}

/// I6: its holder may have extended it until the moment its head was gone.
#[test]
fn a_rebuilt_lease_is_held_for_as_long_as_its_holder_may_think_so() {
    let (record, hash) = begun(&fresh());
    let goal = rebuilt(&fresh(), [(&record, hash)]).unwrap();
    let now = second(60);
    let change = recover(&fresh(), &goal, Vec::new(), told(RecordKind::Recovered, 60)).unwrap();
    let lease = change.to().lease.as_ref().unwrap();
    assert_eq!(lease.transition, transition_id(1));
    assert_eq!(lease.deadline, now.plus(LEASE_DURATION));
    assert!(change.to().generation > goal.control.generation);
}

#[test]
fn a_recovery_continues_the_last_record_and_fences_off_the_old_holder() {
    let (record, hash) = begun(&fresh());
    let goal = rebuilt(&fresh(), [(&record, hash)]).unwrap();
    let change = recover(&fresh(), &goal, Vec::new(), told(RecordKind::Recovered, 60)).unwrap();
    assert_eq!((change.base(), change.seq()), (goal.chain, 2));
    assert_eq!(change.to().desired, goal.control.desired);
    assert_eq!(change.entry().unwrap().generation, change.to().generation);
    // Applied to a state that has it already it changes nothing else.
    let record = AuditRecord {
        route: route().name,
        seq: 2,
        prev: hash,
        entry: change.entry().unwrap().clone(),
        changes: Some(change.changes()),
    };
    let once_more = rebuilt(&goal, [(&record, Hash::of("2"))]).unwrap();
    let mut expected = change.to().clone();
    expected.lease.clone_from(&goal.control.lease);
    assert_eq!(once_more.control, expected);
}

#[test]
fn an_adoption_passes_over_the_rows_that_do_not_verify() {
    let (record, hash) = begun(&fresh());
    let goal = rebuilt(&fresh(), [(&record, hash)]).unwrap();
    let entry = told(RecordKind::Adopted, 60);
    let change = adopt(&fresh(), &goal, Vec::new(), (entry, 3)).unwrap();
    assert_eq!((change.base(), change.seq()), (goal.chain, 5));
}

#[test]
fn a_step_on_the_way_has_no_record_and_no_new_generation() {
    let (record, hash) = begun(&fresh());
    let goal = rebuilt(&fresh(), [(&record, hash)]).unwrap();
    let change = catch_up(&fresh(), &goal, Vec::new()).unwrap();
    assert_eq!(change.entry(), None);
    assert_eq!((change.base(), change.to()), (goal.chain, &goal.control));
    assert_eq!(change.to().generation, Generation(1));
}

#[test]
fn the_entries_that_a_restored_state_lacks_are_written_with_it() {
    let (record, hash) = begun(&fresh());
    let goal = rebuilt(&fresh(), [(&record, hash)]).unwrap();
    let events = vec![EventWrite::Insert(record.event_entry().unwrap())];
    let step = catch_up(&fresh(), &goal, events.clone()).unwrap();
    assert_eq!(step.restored(), events);
    let entry = || told(RecordKind::Recovered, 50);
    let last = recover(&fresh(), &goal, events.clone(), entry()).unwrap();
    assert_eq!(last.restored(), events);
}
