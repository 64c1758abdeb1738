//! The walk along a chain: what it meets in a table with holes, with rows that are no records, and with pages.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use writerlink_core::model::names::RouteName;
use writerlink_engine::audit_chain::{ChainStep, ChainWalk};
use writerlink_engine::ports::{AuditQuery, AuditReader, CallError, Page, Row, StoredRecord, UnreadableRow};

use super::archive::moved;

/// A table with a record that cannot be seen the first time, although the one after it can (two transactions were
/// committed while the Query read), and with rows that are no records; no record has the number 0.
#[derive(Default)]
struct Harmed {
    records: Vec<StoredRecord>,
    unseen: u64,
    spoiled: BTreeSet<u64>,
    /// The records of a reply at most.
    reply_holds: usize,
    asked: AtomicU32,
}

impl Harmed {
    fn row(&self, stored: &StoredRecord) -> Row {
        let seq = stored.record.seq;
        if !self.spoiled.contains(&seq) {
            return Ok(stored.clone());
        }
        Err(UnreadableRow { route: stored.record.route.to_string(), seq, why: "no record".to_owned() })
    }
}

#[async_trait]
impl AuditReader for Harmed {
    async fn page(&self, query: &AuditQuery, limit: u32, _: Option<&str>) -> Result<Page, CallError> {
        let AuditQuery::Chain { from_seq, .. } = query else {
            panic!("a walk reads a chain");
        };
        let first = self.asked.fetch_add(1, Ordering::Relaxed) == 0;
        let seen = |stored: &&StoredRecord| {
            let seq = stored.record.seq;
            seq >= *from_seq && !(first && seq == self.unseen)
        };
        let mut rest = self.records.iter().filter(seen);
        let most = self.reply_holds.min(limit as usize);
        let rows = rest.by_ref().take(most).map(|s| self.row(s)).collect();
        let next = rest.next().map(|_| String::new());
        Ok(Page { rows, next })
    }
}

/// A table of so many records.
async fn table(records: u64) -> Harmed {
    let desk = moved(&["orders"], records.div_ceil(2)).await;
    let mut records_there = desk.rig.chain(0).await;
    records_there.truncate(usize::try_from(records).unwrap());
    Harmed { records: records_there, reply_holds: 5, ..Harmed::default() }
}

/// What a walk meets, in short.
async fn met(audit: &dyn AuditReader, mut walk: ChainWalk) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match walk.go_on(audit).await.unwrap() {
            ChainStep::Records(records) => {
                assert!(!records.is_empty());
                all.extend(records.iter().map(|stored| stored.record.seq.to_string()));
            }
            ChainStep::Missing { expected, found } => all.push(format!("{expected}..{found}")),
            ChainStep::Unreadable(row) => all.push(format!("{}?", row.seq)),
            ChainStep::End => return all,
        }
    }
}

fn from_the_first() -> ChainWalk {
    ChainWalk::from(RouteName::new("orders").unwrap(), 1)
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_query_missed_is_not_missing() {
    for unseen in 1..=4 {
        let audit = Harmed { unseen, ..table(4).await };
        let expected: &[&str] = if unseen == 4 { &["1", "2", "3"] } else { &["1", "2", "3", "4"] };
        assert_eq!(met(&audit, from_the_first()).await, expected, "{unseen}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_missing_twice_is_missing() {
    let mut audit = table(6).await;
    audit.records.retain(|stored| ![1, 4].contains(&stored.record.seq));
    let expected = ["1..2", "2", "3", "4..5", "5", "6"];
    assert_eq!(met(&audit, from_the_first()).await, expected);
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_no_records_cost_no_request_and_hide_no_other_row() {
    for spoiled in [vec![1], vec![2, 3], vec![5, 6], vec![12], (1..=12).collect()] {
        let audit = Harmed { spoiled: spoiled.iter().copied().collect(), ..table(12).await };
        let expected: Vec<String> = (1..=12)
            .map(|seq| if spoiled.contains(&seq) { format!("{seq}?") } else { seq.to_string() })
            .collect();
        assert_eq!(met(&audit, from_the_first()).await, expected);
        assert_eq!(audit.asked.load(Ordering::Relaxed), 3, "five rows a page");
        let one_by_one = from_the_first().one_by_one();
        assert_eq!(met(&audit, one_by_one).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_between_two_numbers_is_told_and_passed() {
    /// The table of 3 records, with a row that somebody put behind the second.
    struct Stuffed(Harmed);
    #[async_trait]
    impl AuditReader for Stuffed {
        async fn page(
            &self,
            query: &AuditQuery,
            limit: u32,
            cursor: Option<&str>,
        ) -> Result<Page, CallError> {
            let mut page = self.0.page(query, limit, cursor).await?;
            if page.rows.len() > 2 {
                page.rows.insert(
                    2,
                    Err(UnreadableRow {
                        route: "orders".to_owned(),
                        seq: 0,
                        why: "it stands in place 2.5".to_owned(),
                    }),
                );
            }
            Ok(page)
        }
    }
    let audit = Stuffed(table(3).await);
    assert_eq!(met(&audit, from_the_first()).await, ["1", "2", "0?", "3"]);
}
