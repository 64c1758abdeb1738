//! A chain read from a record on, page by page: its length does not matter.

use crate::domain::route::RouteName;
use crate::ports::{Audit, AuditQuery, CallError, ErrorKind, StoredRecord};

/// The records of a page at most: more than a reply holds, which DynamoDB ends at 1 MB (developer guide, "Query": some five hundred
/// of ours). Whoever walks reads them all anyway, and each page is a round trip.
const RECORDS_AT_ONCE: u32 = 1000;

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
            limit: RECORDS_AT_ONCE,
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
                // Halved until the row stands alone, and doubled again with every page that can be read.
                Err(error) if is_of_a_row(&error) && self.limit > 1 => self.limit /= 2,
                Err(error) if is_of_a_row(&error) => {
                    let seq = self.next;
                    self.next += 1;
                    self.limit = RECORDS_AT_ONCE;
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
        self.limit = self.limit.saturating_mul(2).min(RECORDS_AT_ONCE);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::cli::audit::tests::chain_of;
    use crate::ports::Page;

    /// A table with a record that cannot be seen the first time, although the one after it can (two transactions were
    /// committed while the Query read), or with a row that is no record; no record has the number 0.
    #[derive(Default)]
    struct Harmed {
        records: Vec<StoredRecord>,
        unseen: u64,
        spoiled: u64,
        asked: AtomicU32,
    }

    #[async_trait]
    impl Audit for Harmed {
        async fn page(
            &self,
            query: &AuditQuery,
            limit: u32,
            _: Option<&str>,
        ) -> Result<Page, CallError> {
            let AuditQuery::Chain { from_seq, .. } = query else {
                panic!("a walk reads a chain");
            };
            let first = self.asked.fetch_add(1, Ordering::Relaxed) == 0;
            let seen = |stored: &&StoredRecord| {
                let seq = stored.record.seq;
                seq >= *from_seq && !(first && seq == self.unseen)
            };
            let mut rest = self.records.iter().filter(seen);
            let records: Vec<_> = rest.by_ref().take(limit as usize).cloned().collect();
            if records
                .iter()
                .any(|stored| stored.record.seq == self.spoiled)
            {
                return Err(CallError::without_a_reply(
                    "Query",
                    ErrorKind::Invalid,
                    "no record",
                ));
            }
            let next = rest.next().map(|_| String::new());
            Ok(Page { records, next })
        }
    }

    /// What a walk meets, in short.
    async fn met(audit: &dyn Audit) -> Vec<String> {
        let mut walk = Walk::from(RouteName::new("orders").unwrap(), 1);
        let mut all = Vec::new();
        loop {
            match walk.go_on(audit).await.unwrap() {
                Met::Records(records) => {
                    all.extend(records.iter().map(|stored| stored.record.seq.to_string()));
                }
                Met::Missing { expected, found } => all.push(format!("{expected}..{found}")),
                Met::Unreadable { seq, .. } => all.push(format!("{seq}?")),
                Met::End => return all,
            }
        }
    }

    #[tokio::test]
    async fn a_record_that_a_query_missed_is_not_missing() {
        for unseen in 1..=4 {
            let audit = Harmed {
                records: chain_of("orders", 4),
                unseen,
                ..Harmed::default()
            };
            let expected = if unseen == 4 {
                vec!["1", "2", "3"]
            } else {
                vec!["1", "2", "3", "4"]
            };
            assert_eq!(met(&audit).await, expected, "{unseen}");
        }
    }

    #[tokio::test]
    async fn a_row_that_is_no_record_is_found_in_a_few_requests_and_the_others_are_read() {
        for spoiled in [1, 2, 250, 300] {
            let audit = Harmed {
                records: chain_of("orders", 300),
                spoiled,
                ..Harmed::default()
            };
            let met = met(&audit).await;
            assert_eq!(met.len(), 300);
            let row = &met[usize::try_from(spoiled).unwrap() - 1];
            assert_eq!(*row, format!("{spoiled}?"));
            let asked = audit.asked.load(Ordering::Relaxed);
            assert!(asked <= 40, "{asked} requests for row {spoiled}");
        }
    }

    #[tokio::test]
    async fn a_record_that_is_missing_twice_is_missing() {
        let mut records = chain_of("orders", 6);
        records.retain(|stored| ![1, 4].contains(&stored.record.seq));
        let audit = Harmed {
            records,
            ..Harmed::default()
        };
        assert_eq!(met(&audit).await, ["1..2", "2", "3", "4..5", "5", "6"]);
    }
}
