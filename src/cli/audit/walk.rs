//! A chain read from a record on, page by page: its length does not matter.

use super::PAGE_RECORDS;
use crate::domain::route::RouteName;
use crate::ports::{Audit, AuditQuery, CallError, ErrorKind, StoredRecord};

/// What comes next in a chain.
#[derive(Debug)]
pub(super) enum Met {
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
    Unreadable {
        /// Where it stands.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing, for now. Who asks again later gets what was recorded in the meantime.
    End,
}

/// A place in a route's chain, and the way from there.
pub(super) struct Walk {
    route: RouteName,
    next: u64,
    to: Option<u64>,
    limit: u32,
    /// The record before which others were missing when it was first met.
    doubted: Option<u64>,
    at_end: bool,
}

impl Walk {
    /// A walk that begins with this record.
    pub(super) fn from(route: RouteName, seq: u64) -> Self {
        Self {
            route,
            next: seq.max(1),
            to: None,
            limit: PAGE_RECORDS,
            doubted: None,
            at_end: false,
        }
    }

    /// The same, and it ends with this one.
    pub(super) fn up_to(self, to: Option<u64>) -> Self {
        Self { to, ..self }
    }

    /// Whose chain it is.
    pub(super) fn route(&self) -> &RouteName {
        &self.route
    }

    /// One Query, or two where something is wrong.
    ///
    /// What seems to be missing is looked for again: a Query that is strongly consistent is not isolated from a
    /// transaction as a whole (DynamoDB developer guide, "Transactions: How it works", isolation levels), so that of two
    /// records written while it runs it may see the second alone. By the second look both are there.
    pub(super) async fn go_on(&mut self, audit: &dyn Audit) -> Result<Met, CallError> {
        loop {
            if std::mem::take(&mut self.at_end) {
                return Ok(Met::End);
            }
            let query = AuditQuery::Chain {
                route: self.route.clone(),
                from_seq: self.next,
                to_seq: self.to,
            };
            match audit.page(&query, self.limit, None).await {
                Ok(page) => {
                    self.at_end = page.next.is_none();
                    if let Some(met) = self.take(page.records) {
                        return Ok(met);
                    }
                }
                Err(error) if is_of_a_row(&error) && self.limit > 1 => self.limit = 1,
                Err(error) if is_of_a_row(&error) => {
                    let seq = self.next;
                    self.next += 1;
                    self.limit = PAGE_RECORDS;
                    return Ok(Met::Unreadable {
                        seq,
                        why: error.message,
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What a page begins with; none if it has to be read again.
    fn take(&mut self, mut records: Vec<StoredRecord>) -> Option<Met> {
        let Some(found) = records.first().map(|stored| stored.record.seq) else {
            self.at_end = false;
            return Some(Met::End);
        };
        if found != self.next {
            self.at_end = false;
            if self.doubted != Some(found) {
                self.doubted = Some(found);
                return None;
            }
            let expected = std::mem::replace(&mut self.next, found);
            return Some(Met::Missing { expected, found });
        }
        self.doubted = None;
        self.limit = PAGE_RECORDS;
        let numbers = records.iter().zip(self.next..);
        let in_order = numbers.take_while(|(stored, seq)| stored.record.seq == *seq);
        let in_order = in_order.count();
        if in_order < records.len() {
            self.at_end = false;
            records.truncate(in_order);
        }
        self.next += u64::try_from(in_order).unwrap_or(u64::MAX);
        Some(Met::Records(records))
    }
}

/// Somewhere in the page is a row that is no record: the error is ours, since the service's have a code.
fn is_of_a_row(error: &CallError) -> bool {
    error.kind == ErrorKind::Invalid && error.code.is_empty()
}
