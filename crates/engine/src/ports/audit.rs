//! The audit's reading side: records as they stand in the table, and how they are asked for.

use async_trait::async_trait;

use crate::ports::CallError;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::chain::{BrokenChain, ChainVerifier};
use writerlink_core::ledger::record::AuditRecord;
use writerlink_core::ledger::state::ChainHead;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::chain_end::{EndRow, EndRows, Link};

/// One stored record, with what is needed to verify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The record as a value.
    pub record: AuditRecord,
    /// The canonical text whose SHA-256 is `hash`.
    pub canonical: String,
    /// The hash stored beside it.
    pub hash: Hash,
    /// Columns that differ from the canonical text, by name: somebody edited them.
    pub altered: Vec<String>,
}

impl StoredRecord {
    /// Which parts of it are not what was written: its columns, or the text itself.
    #[must_use]
    pub fn altered_parts(&self) -> Option<String> {
        self.altered_if_hashed(Hash::of(&self.canonical))
    }

    fn altered_if_hashed(&self, hash: Hash) -> Option<String> {
        let mut parts = self.altered.clone();
        let column = "hash".to_owned();
        if hash != self.hash && !parts.contains(&column) {
            parts.push(column);
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Hands it to a verifier as the next of its chain; where the chain stands then.
    ///
    /// # Errors
    /// [`BrokenChain`] when it was altered, or does not follow.
    pub fn follow(&self, verifier: &mut ChainVerifier) -> Result<ChainHead, BrokenChain> {
        let seq = self.record.seq;
        // Of the text itself, not the hash stored beside it: whoever edits the one can edit the other.
        let hash = Hash::of(&self.canonical);
        if let Some(parts) = self.altered_if_hashed(hash) {
            return Err(BrokenChain::Altered(seq, parts));
        }
        verifier.take(seq, self.record.prev, hash)?;
        Ok(ChainHead { seq, hash })
    }
}

/// Which records, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditQuery {
    /// A route's records with `seq` in this range, oldest first.
    Chain {
        /// Whose.
        route: RouteName,
        /// From this seq on.
        from_seq: u64,
        /// Up to this one, if given.
        to_seq: Option<u64>,
    },
    /// A route's records, newest first.
    Newest {
        /// Whose.
        route: RouteName,
    },
    /// All routes' records of a UTC day, newest first.
    Day {
        /// `2026-05-06`.
        day: String,
    },
    /// A route's records from this one down, newest first.
    NewestFrom {
        /// Whose.
        route: RouteName,
        /// The newest one that is wanted.
        seq: u64,
    },
    /// All routes' records of a UTC day that stand before a place in it, newest first.
    DayBefore {
        /// `2026-05-06`.
        day: String,
        /// Only what is older than this; what is of this very time, only if it stands before `record`.
        at: Timestamp,
        /// A record of that time, if the place is one: the records of one time stand by route and seq.
        record: Option<(RouteName, u64)>,
    },
    /// All records of an event, oldest first.
    Event {
        /// Which.
        key: EventKey,
    },
}

/// A row of the audit's table.
pub type Row = Result<StoredRecord, UnreadableRow>;

/// A row that is no record, since somebody changed it. The call that read it worked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} of route {route} cannot be read: {why}")]
pub struct UnreadableRow {
    /// Whose chain it stands in.
    pub route: String,
    /// Where; 0 if its place is no number of a record.
    pub seq: u64,
    /// What is wrong with it.
    pub why: String,
}

/// A page of rows and where the next one begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// Hand this in again for the next page; absent on the last.
    pub next: Option<String>,
}

/// A row as the end of its chain is compared: a record that was altered is none.
fn end_row(row: &Row) -> EndRow {
    match row {
        Ok(stored) => {
            let link = Link { prev: stored.record.prev, hash: Hash::of(&stored.canonical) };
            EndRow {
                seq: stored.record.seq,
                link: stored.altered_if_hashed(link.hash).is_none().then_some(link),
            }
        }
        Err(row) => EndRow { seq: row.seq, link: None },
    }
}

impl Page {
    /// The rows of a page of [`AuditQuery::Newest`], as the end of their chain.
    #[must_use]
    pub fn end(&self) -> EndRows {
        EndRows { newest_first: self.rows.iter().map(end_row).collect(), more: self.next.is_some() }
    }

    /// The records, for those who can do nothing without one of them.
    ///
    /// # Errors
    /// The first row that is none.
    pub fn records(self) -> Result<Vec<StoredRecord>, UnreadableRow> {
        self.rows.into_iter().collect()
    }
}

/// Why there are no records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRecords {
    /// They could not be read.
    #[error(transparent)]
    Call(#[from] CallError),
    /// One of them is none any more.
    #[error(transparent)]
    Row(#[from] UnreadableRow),
}

/// The audit's reading side: one Query a page, never a Scan.
#[async_trait]
pub trait AuditReader: Send + Sync {
    /// A page of at most `limit` rows. What the service refuses is an error, and what a row holds is a value: the two are
    /// never taken for each other.
    async fn page(&self, query: &AuditQuery, limit: u32, cursor: Option<&str>) -> Result<Page, CallError>;
}
