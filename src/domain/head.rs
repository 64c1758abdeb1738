//! A route's state and its audit rows, compared: do they end at the same record?
//!
//! State and records are written in one transaction, so they end at the same record unless a table was restored to
//! an earlier point, a row was deleted, or somebody else wrote a row.

use super::audit::Hash;
use super::transition::ChainHead;

/// The newest row of a route in the audit table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestRow {
    /// Its number.
    pub seq: u64,
    /// The SHA-256 of its text, computed and not the stored one; none if the row cannot be read.
    pub hash: Option<Hash>,
}

/// How the head in a route's state compares with the newest audit row.
///
/// The two are read one after the other, and another worker may commit in between. A reader who sees a difference
/// reads both again before reporting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadCheck {
    /// They end at the same record.
    #[error("the state and the audit end at the same record")]
    Matches,
    /// The audit has records that the state does not know: the state was restored or deleted, or a row is foreign.
    /// The next commit recovers them if they verify, and reports the chain as broken if they do not.
    #[error("the state ends at record {head}, the audit at {newest}")]
    RowsAhead {
        /// The number in the state.
        head: u64,
        /// The number of the newest row.
        newest: u64,
    },
    /// Records that the state knows are not there: the audit was restored to an earlier point, or rows were deleted.
    /// The route goes on; its chain has a gap.
    #[error(
        "the state ends at record {head}, but the newest audit row is {newest}: rows are missing"
    )]
    RowsMissing {
        /// The number in the state.
        head: u64,
        /// The number of the newest row; 0 if there is none.
        newest: u64,
    },
    /// The row at the head is not the one that the state was written with.
    #[error("audit row {seq} is not the record that the state ends at")]
    OtherRecord {
        /// Its number.
        seq: u64,
    },
}

impl HeadCheck {
    /// Compares the head in a route's state (the default for a deleted row) with the newest row.
    #[must_use]
    pub fn of(head: ChainHead, newest: Option<NewestRow>) -> Self {
        let found = newest.map_or(0, |row| row.seq);
        match found.cmp(&head.seq) {
            std::cmp::Ordering::Greater => Self::RowsAhead {
                head: head.seq,
                newest: found,
            },
            std::cmp::Ordering::Less => Self::RowsMissing {
                head: head.seq,
                newest: found,
            },
            std::cmp::Ordering::Equal => match newest {
                Some(row) if row.hash != Some(head.hash) => Self::OtherRecord { seq: row.seq },
                Some(_) | None => Self::Matches,
            },
        }
    }
}
