//! The head in a route's state, compared with its newest audit row.

use writerlink::domain::audit::Hash;
use writerlink::domain::head::{HeadCheck, NewestRow};
use writerlink::domain::transition::ChainHead;

fn head(seq: u64) -> ChainHead {
    ChainHead {
        seq,
        hash: Hash::of(&seq.to_string()),
    }
}

fn row(seq: u64) -> NewestRow {
    NewestRow {
        seq,
        hash: Some(Hash::of(&seq.to_string())),
    }
}

#[test]
fn a_state_and_an_audit_that_end_at_the_same_record_match() {
    assert_eq!(HeadCheck::of(head(7), Some(row(7))), HeadCheck::Matches);
    let nothing = HeadCheck::of(ChainHead::default(), None);
    assert_eq!(nothing, HeadCheck::Matches);
}

#[test]
fn rows_behind_the_head_of_the_state_are_ahead_of_it() {
    for head_seq in [0, 1, 6] {
        let ahead = HeadCheck::RowsAhead {
            head: head_seq,
            newest: 7,
        };
        assert_eq!(HeadCheck::of(head(head_seq), Some(row(7))), ahead);
    }
}

#[test]
fn a_row_that_the_state_knows_and_the_audit_lacks_is_missing() {
    let missing = |newest| HeadCheck::RowsMissing { head: 7, newest };
    assert_eq!(HeadCheck::of(head(7), Some(row(6))), missing(6));
    assert_eq!(HeadCheck::of(head(7), None), missing(0));
}

#[test]
fn a_row_at_the_head_that_is_another_or_unreadable_does_not_match() {
    for hash in [None, Some(Hash::of("another"))] {
        let found = HeadCheck::of(head(7), Some(NewestRow { seq: 7, hash }));
        assert_eq!(found, HeadCheck::OtherRecord { seq: 7 });
    }
}
