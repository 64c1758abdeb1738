//! `ChainEnd`: the audit's newest row, held against the head in the route's state.

use proptest::prelude::*;
use writerlink_core::ledger::state::ChainHead;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::RouteName;
use writerlink_core::status::chain_end::{ChainEnd, Continuation, EndRow, EndRows, Link};
use writerlink_core::status::health::RouteHealth;

/// The head after so many records of a sound chain.
fn head(seq: u64) -> ChainHead {
    match seq {
        0 => ChainHead::default(),
        seq => ChainHead { seq, hash: Hash::of(&format!("record {seq}")) },
    }
}

fn row(seq: u64) -> EndRow {
    EndRow { seq, link: Some(Link { prev: head(seq - 1).hash, hash: head(seq).hash }) }
}

/// The rows of a sound chain, all of them.
fn rows(newest: u64) -> EndRows {
    EndRows { newest_first: (1..=newest).rev().map(row).collect(), more: false }
}

/// The newest rows of it, at most this many.
fn newest(newest: u64, limit: usize) -> EndRows {
    let mut rows = rows(newest);
    rows.more = rows.newest_first.len() >= limit;
    rows.newest_first.truncate(limit);
    rows
}

fn beyond(head: Option<u64>, newest: u64, rows: Continuation) -> ChainEnd {
    ChainEnd::RowsBeyond { head, newest, rows }
}

#[test]
fn a_chain_that_ends_where_the_state_says_matches() {
    for seq in [0, 1, 7] {
        assert_eq!(ChainEnd::of(Some(head(seq)), &rows(seq)), ChainEnd::Matches, "{seq}");
    }
    assert_eq!(ChainEnd::of(Some(head(7)), &newest(7, 1)), ChainEnd::Matches);
    let unknown_route = ChainEnd::of(None, &EndRows::default());
    assert_eq!(unknown_route, ChainEnd::Matches);
}

#[test]
fn rows_after_the_head_of_a_restored_state_follow_it() {
    for at in 0..7 {
        let end = ChainEnd::of(Some(head(at)), &rows(7));
        assert_eq!(end, beyond(Some(at), 7, Continuation::Follows), "{at}");
    }
}

#[test]
fn rows_of_a_route_without_state_are_rows_beyond_the_head() {
    let end = ChainEnd::of(None, &rows(3));
    assert_eq!(end, beyond(None, 3, Continuation::Follows));
}

#[test]
fn a_foreign_row_after_the_head_does_not_follow_it() {
    let link = Link { prev: Hash::of("of somebody else"), hash: Hash::of("a row of his own") };
    for link in [Some(link), None] {
        let mut all = rows(6);
        all.newest_first[0].link = link;
        let end = ChainEnd::of(Some(head(5)), &all);
        assert_eq!(end, beyond(Some(5), 6, Continuation::BreaksAt(6)));
        // Behind rows that do follow it breaks the chain just as well.
        let end = ChainEnd::of(Some(head(3)), &all);
        assert_eq!(end, beyond(Some(3), 6, Continuation::BreaksAt(6)));
    }
}

#[test]
fn a_row_that_leaves_a_number_out_does_not_follow_the_head() {
    let mut all = rows(7);
    all.newest_first.remove(1);
    let end = ChainEnd::of(Some(head(5)), &all);
    assert_eq!(end, beyond(Some(5), 7, Continuation::BreaksAt(7)));
}

#[test]
fn rows_that_were_not_read_down_to_the_head_are_not_called_sound() {
    for (limit, rows) in [(1, Continuation::NotRead), (2, Continuation::NotRead), (3, Continuation::Follows)]
    {
        let end = ChainEnd::of(Some(head(4)), &newest(7, limit));
        assert_eq!(end, beyond(Some(4), 7, rows), "{limit}");
    }
    // Where there are no older rows the missing ones are not there.
    let few = EndRows { more: false, ..newest(7, 2) };
    let end = ChainEnd::of(Some(head(4)), &few);
    assert_eq!(end, beyond(Some(4), 7, Continuation::BreaksAt(6)));
}

#[test]
fn an_audit_that_ends_before_the_head_lacks_records() {
    for there in 0..5 {
        let missing = ChainEnd::RowsMissing { head: 5, newest: there };
        assert_eq!(ChainEnd::of(Some(head(5)), &rows(there)), missing);
    }
}

#[test]
fn another_record_in_the_place_of_the_head_is_told() {
    let other = ChainEnd::OtherRecord { seq: 5 };
    let mut all = rows(5);
    all.newest_first[0].link = Some(Link { prev: head(4).hash, hash: Hash::of("another record 5") });
    assert_eq!(ChainEnd::of(Some(head(5)), &all), other);
    // A row that is no record, or was altered, is not the head either.
    all.newest_first[0].link = None;
    assert_eq!(ChainEnd::of(Some(head(5)), &all), other);
}

#[test]
fn every_difference_has_a_judgement_that_says_what_to_do() {
    let route = RouteName::new("orders").unwrap();
    assert_eq!(ChainEnd::Matches.assessment(&route), None);
    for (end, standing, adopt) in [
        (beyond(Some(5), 7, Continuation::Follows), RouteHealth::Unknown, false),
        (beyond(None, 7, Continuation::Follows), RouteHealth::Unknown, false),
        (beyond(Some(5), 7, Continuation::BreaksAt(6)), RouteHealth::OutOfSync, true),
        (beyond(Some(5), 99, Continuation::NotRead), RouteHealth::Unknown, true),
        (ChainEnd::RowsMissing { head: 7, newest: 5 }, RouteHealth::Unknown, true),
        (ChainEnd::OtherRecord { seq: 5 }, RouteHealth::Unknown, true),
    ] {
        let judged = end.assessment(&route).unwrap();
        assert_eq!(judged.health, standing, "{}", judged.why);
        let command = "`writerlink adopt orders --reason TEXT`";
        assert_eq!(judged.why.contains(command), adopt, "{}", judged.why);
        assert!(judged.why.contains("; to do: "), "{}", judged.why);
    }
}

proptest! {
    /// Nothing but the very record of the head passes for it.
    #[test]
    fn only_the_same_number_and_hash_match(at in 0_u64..9, there in 0_u64..9, limit in 1_usize..12) {
        let end = ChainEnd::of(Some(head(at)), &newest(there, limit));
        prop_assert_eq!(end.matches(), at == there);
    }
}
