//! A route's chain of records, read page by page and held together: by `audit verify`, `export` and `tail`, and by the
//! timer, again and again (I8).

mod end;

use std::collections::VecDeque;
use std::mem::{replace, take};

pub use crate::audit_chain::end::compared_end;
use crate::ports::{Audit, AuditQuery, CallError, Row, StoredRecord, UnreadableRow};
use writerlink_core::ledger::chain::{BrokenChain, ChainVerifier};
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::ChainHead;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::RouteName;

/// The records of a page at most: more than a reply holds, which DynamoDB ends at 1 MB (developer guide, "Query": some five hundred
/// of ours). Whoever walks reads them all anyway, and each page is a round trip.
const RECORDS_AT_ONCE: u32 = 1000;

/// How many records the timer looks at: more than a route gets between two looks unless it is in trouble. What is older
/// was newest once.
const NEWEST: u64 = 50;

/// What comes next in a chain.
#[derive(Debug)]
pub enum ChainStep {
    /// Records that follow each other, by their numbers.
    Records(Vec<StoredRecord>),
    /// Records that are not there, although a later one is. They were looked for twice.
    Missing {
        /// The first of them.
        expected: u64,
        /// The record that is there instead.
        found: u64,
    },
    /// A row that is no record any more.
    Unreadable(UnreadableRow),
    /// Nothing, for now. Who asks again later gets what was recorded in the meantime.
    End,
}

/// A place in a route's chain, and the way from there.
#[derive(Debug)]
pub struct ChainWalk {
    route: RouteName,
    next: u64,
    to: Option<u64>,
    page: u32,
    /// What was read and not given out yet.
    read: VecDeque<Row>,
    /// The record before which others were missing when it was first met.
    doubted: Option<u64>,
    at_end: bool,
}

impl ChainWalk {
    /// A walk that begins with this record.
    #[must_use]
    pub fn from(route: RouteName, seq: u64) -> Self {
        Self {
            route,
            next: seq.max(1),
            to: None,
            page: RECORDS_AT_ONCE,
            read: VecDeque::new(),
            doubted: None,
            at_end: false,
        }
    }

    /// The same, and it ends with this one.
    #[must_use]
    pub fn up_to(self, to: Option<u64>) -> Self {
        Self { to, ..self }
    }

    /// The same for whoever wants a single record: a page is one.
    #[must_use]
    pub fn one_by_one(self) -> Self {
        Self { page: 1, ..self }
    }

    /// Whose chain it is.
    #[must_use]
    pub fn route(&self) -> &RouteName {
        &self.route
    }

    /// One Query at most, or two where records seem to be missing.
    ///
    /// What seems to be missing is looked for again: a Query that is strongly consistent is not isolated from a
    /// transaction as a whole (DynamoDB developer guide, "Transactions: How it works", isolation levels), so that of two
    /// records written while it runs it may see the second alone. By the second look both are there.
    ///
    /// # Errors
    /// When the records cannot be read; a row that is none is no error.
    pub async fn go_on(&mut self, audit: &dyn Audit) -> Result<ChainStep, CallError> {
        loop {
            if self.read.is_empty() {
                if take(&mut self.at_end) {
                    return Ok(ChainStep::End);
                }
                self.read_a_page(audit).await?;
            }
            let Some(found) = self.read.front().map(seq_of) else {
                self.at_end = false;
                return Ok(ChainStep::End);
            };
            if found > self.next {
                if self.doubted != Some(found) {
                    self.doubted = Some(found);
                    self.read.clear();
                    self.at_end = false;
                    continue;
                }
                let expected = replace(&mut self.next, found);
                return Ok(ChainStep::Missing { expected, found });
            }
            self.doubted = None;
            return Ok(self.take_what_follows());
        }
    }

    async fn read_a_page(&mut self, audit: &dyn Audit) -> Result<(), CallError> {
        let query = AuditQuery::Chain { route: self.route.clone(), from_seq: self.next, to_seq: self.to };
        let page = audit.page(&query, self.page, None).await?;
        self.at_end = page.next.is_none();
        self.read = page.rows.into();
        Ok(())
    }

    /// The row at the front if it is no record, else the records there as far as each is the next one.
    fn take_what_follows(&mut self) -> ChainStep {
        if let Some(Err(row)) = self.read.pop_front_if(|row| row.is_err()) {
            self.next = self.next.max(row.seq.saturating_add(1));
            return ChainStep::Unreadable(row);
        }
        let numbered = self.read.iter().zip(self.next..);
        let follow = numbered.take_while(|(row, seq)| row.is_ok() && seq_of(row) == *seq);
        let records: Vec<_> = (self.read.drain(..follow.count())).flatten().collect();
        self.next += u64::try_from(records.len()).unwrap_or(u64::MAX);
        ChainStep::Records(records)
    }
}

/// Where a row stands in its chain.
#[must_use]
pub fn seq_of(row: &Row) -> u64 {
    row.as_ref().map_or_else(|row| row.seq, |stored| stored.record.seq)
}

/// What is wrong with a chain, and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, and how.
    pub broken: BrokenChain,
    /// What should have stood there.
    pub expected: String,
    /// What did.
    pub found: String,
}

impl Fault {
    /// Records are missing between two others.
    #[must_use]
    pub fn missing(expected: u64, found: u64) -> Self {
        let broken = BrokenChain::Gap { expected, found };
        Self::of(broken, format!("record {expected}"), format!("record {found}"))
    }

    /// A row that is no record any more.
    #[must_use]
    pub fn unreadable(row: &UnreadableRow) -> Self {
        let broken = BrokenChain::Altered(row.seq, row.to_string());
        Self::of(broken, "a record".to_owned(), row.to_string())
    }

    /// Whether it lies between the record `last` and the one after it, rather than in either.
    #[must_use]
    pub fn is_at_the_seam_with(&self, last: u64) -> bool {
        matches!(self.broken, BrokenChain::WrongPrevious(seq) if seq == last + 1)
    }

    /// Records stand after the head.
    fn behind(broken: BrokenChain) -> Self {
        let seq = broken.seq();
        let ends = "nothing after the end of the state".to_owned();
        Self::of(broken, ends, format!("record {seq}"))
    }

    fn of(broken: BrokenChain, expected: String, found: String) -> Self {
        Self { broken, expected, found }
    }

    /// What a record that does not follow `before` has instead.
    fn at(broken: BrokenChain, before: ChainHead, stored: &StoredRecord) -> Self {
        let hashes = |name: &str, expected: Hash, found: Hash| {
            (format!("{name} {expected}"), format!("{name} {found}"))
        };
        let now = Hash::of(&stored.canonical);
        let (expected, found) = match &broken {
            BrokenChain::WrongPrevious(_) => hashes("prev_hash", before.hash, stored.record.prev),
            BrokenChain::Altered(..) if now != stored.hash => hashes("hash", stored.hash, now),
            BrokenChain::Altered(_, parts) => {
                ("the columns that its text has".to_owned(), format!("others in {parts}"))
            }
            BrokenChain::Gap { expected, found }
            | BrokenChain::Truncated { expected, found }
            | BrokenChain::Beyond { expected, found } => {
                (format!("record {expected}"), format!("record {found}"))
            }
            BrokenChain::WrongHead(_) => hashes("hash", before.hash, now),
            BrokenChain::NotRebuilt(seq, why) => (format!("record {seq}"), why.clone()),
        };
        Self::of(broken, expected, found)
    }

    fn at_end(broken: BrokenChain, last: ChainHead, head: ChainHead) -> Self {
        let nothing = "nothing after the last record".to_owned();
        let (expected, found) = if last.seq == head.seq {
            (format!("hash {}", head.hash), format!("hash {}", last.hash))
        } else {
            (format!("record {}", head.seq), nothing)
        };
        Self::of(broken, expected, found)
    }
}

/// Follows a chain and knows how far it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Follower {
    /// The last record that was in order; none if the next one is taken at its word about what was before it.
    at: Option<ChainHead>,
    last: ChainHead,
    /// How many were in order.
    pub records: u64,
}

impl Follower {
    /// From this record on. The first of a chain follows nothing, and has to say so; any other is believed about the
    /// one before it.
    #[must_use]
    pub fn from(seq: u64) -> Self {
        if seq <= 1 { Self::after(ChainHead::default()) } else { Self::anywhere() }
    }

    /// From behind a record that is known.
    #[must_use]
    pub fn after(head: ChainHead) -> Self {
        Self { at: Some(head), last: head, records: 0 }
    }

    /// From any record: what it says of the one before it is believed.
    #[must_use]
    pub fn anywhere() -> Self {
        Self::default()
    }

    /// The last record that was in order.
    #[must_use]
    pub fn verified(&self) -> ChainHead {
        self.last
    }

    /// Takes the next record. After a fault the one after it is believed again, so that every fault is one.
    pub fn take(&mut self, stored: &StoredRecord) -> Result<(), Fault> {
        let before = self
            .at
            .take()
            .unwrap_or(ChainHead { seq: stored.record.seq.saturating_sub(1), hash: stored.record.prev });
        let mut verifier = ChainVerifier::after(before);
        let followed = stored.follow(&mut verifier);
        let head = followed.map_err(|broken| Fault::at(broken, before, stored))?;
        self.at = Some(head);
        self.last = head;
        self.records += 1;
        Ok(())
    }

    /// Holds the end against the head that the route's state keeps.
    fn finish(&self, head: ChainHead) -> Result<(), Fault> {
        let last = self.verified();
        let end = ChainVerifier::after(last).finish(head);
        end.map(drop).map_err(|broken| Fault::at_end(broken, last, head))
    }
}

/// A chain that is followed to its head, until there is a fault.
///
/// The head has to be read before the records. What is recorded in the meantime then stands after the head and is
/// no fault, while the other way round it would look as if the chain's end were missing.
#[derive(Debug)]
pub struct Verification {
    walk: ChainWalk,
    head: ChainHead,
    /// How far it came.
    pub chain: Follower,
    /// What it found.
    pub fault: Option<Fault>,
    end_was_doubted: bool,
}

impl Verification {
    /// Of the records of a walk, which follow what `chain` says.
    #[must_use]
    pub fn of(walk: ChainWalk, chain: Follower, head: ChainHead) -> Self {
        Self { walk, head, chain, fault: None, end_was_doubted: false }
    }

    /// Takes what comes next; `false` once there is a fault, or no more to come.
    ///
    /// # Errors
    /// When the records cannot be read: that says nothing about them.
    pub async fn go_on(&mut self, audit: &dyn Audit) -> Result<bool, CallError> {
        match self.walk.go_on(audit).await? {
            ChainStep::Records(records) => {
                let mut faults = records.iter().map(|stored| self.chain.take(stored).err());
                self.fault = faults.find_map(|fault| fault);
            }
            ChainStep::Missing { expected, found } => self.fault = Some(Fault::missing(expected, found)),
            ChainStep::Unreadable(row) => self.fault = Some(Fault::unreadable(&row)),
            ChainStep::End => return Ok(self.end()),
        }
        Ok(self.fault.is_none())
    }

    /// Whether to look again: a record at the end that seems to be missing is looked for twice, like any other.
    fn end(&mut self) -> bool {
        let (last, head) = (self.chain.verified().seq, self.head);
        // A part of a chain has an end of its own.
        if self.walk.to.is_some_and(|to| last >= to && to != head.seq) {
            return false;
        }
        if last < head.seq && !replace(&mut self.end_was_doubted, true) {
            return true;
        }
        self.fault = self.chain.finish(head).err();
        false
    }
}

/// What was found of the end of a chain.
#[derive(Debug)]
pub struct Verified {
    /// The first fault that no adoption has taken on.
    pub fault: Option<Fault>,
    /// The last record that is in order. It may lie behind the head that the state keeps.
    pub last: ChainHead,
}

/// Verifies a route's newest records; `head` was read before.
///
/// # Errors
/// When the records cannot be read.
pub async fn verify_newest(
    audit: &dyn Audit,
    route: RouteName,
    head: ChainHead,
) -> Result<Verified, CallError> {
    let first = head.seq.saturating_sub(NEWEST - 1).max(1);
    let mut verified = verify_from(audit, &route, first, Follower::from(first), head).await?;
    let mut last = 0;
    while let Some(found) = &verified.fault {
        let adopted = adopted_after(audit, &route, &found.broken).await?;
        let Some(adopted) = adopted.filter(|adopted| *adopted > last) else {
            break;
        };
        last = adopted;
        verified = verify_from(audit, &route, adopted, Follower::anywhere(), head).await?;
    }
    Ok(verified)
}

/// Verifies the records from one on.
///
/// # Errors
/// When the records cannot be read.
pub async fn verify_from(
    audit: &dyn Audit,
    route: &RouteName,
    first: u64,
    chain: Follower,
    head: ChainHead,
) -> Result<Verified, CallError> {
    let walk = ChainWalk::from(route.clone(), first);
    let mut verification = Verification::of(walk, chain, head);
    while verification.go_on(audit).await? {}
    Ok(Verified { last: verification.chain.verified(), fault: verification.fault })
}

/// The number of the first intact record behind a fault with which a person had the chain continued.
///
/// # Errors
/// When the records cannot be read.
pub async fn adopted_after(
    audit: &dyn Audit,
    route: &RouteName,
    broken: &BrokenChain,
) -> Result<Option<u64>, CallError> {
    let mut walk = ChainWalk::from(route.clone(), broken.seq());
    // The adoption itself may follow right behind missing rows, or be the record that does not continue an older one.
    let is_adoption = |stored: &StoredRecord| {
        stored.record.entry.kind == RecordKind::Adopted && stored.altered_parts().is_none()
    };
    loop {
        match walk.go_on(audit).await? {
            ChainStep::Records(records) => {
                if let Some(stored) = records.iter().find(|stored| is_adoption(stored)) {
                    return Ok(Some(stored.record.seq));
                }
            }
            ChainStep::Missing { .. } | ChainStep::Unreadable(_) => {}
            ChainStep::End => return Ok(None),
        }
    }
}
