//! The records that belong together, found in the audit: those of an event, and those of a transition.

use std::ops::ControlFlow;

use crate::ports::{AuditQuery, AuditReader, NoRecords, StoredRecord};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::lease::LEASE_DURATION;
use writerlink_core::model::ids::TransitionId;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::time::CLOCK_SKEW_MAX;

/// How many records are read at a time. A record with its steps has some 2 KB, and a page of `DynamoDB` at
/// most 1 MB, so that this is one round trip.
pub const PAGE_RECORDS: u32 = 100;

/// How many records a question may look at. Beyond it, it ends and says where to go on: a filter that
/// nothing fits must not read (and pay for) years of records unasked.
pub const SCAN_RECORDS_MAX: usize = 10_000;

/// Gives the records that answer a query to `take`, page by page, until it has enough or there are no more.
async fn read(
    audit: &dyn AuditReader,
    query: &AuditQuery,
    mut take: impl FnMut(Vec<StoredRecord>) -> ControlFlow<()>,
) -> Result<(), NoRecords> {
    let mut cursor = None;
    loop {
        let mut page = audit.page(query, PAGE_RECORDS, cursor.as_deref()).await?;
        cursor = page.next.take();
        if take(page.records()?).is_break() || cursor.is_none() {
            return Ok(());
        }
    }
}

fn break_if(enough: bool) -> ControlFlow<()> {
    if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Every record of an event, oldest first.
pub async fn of_event(audit: &dyn AuditReader, key: EventKey) -> Result<Vec<StoredRecord>, NoRecords> {
    let mut records = Vec::new();
    let take = |page| {
        records.extend(page);
        break_if(records.len() >= SCAN_RECORDS_MAX)
    };
    read(audit, &AuditQuery::Event { key }, take).await?;
    Ok(records)
}

/// Every record of a transition, oldest first; none when none was found on the day it began.
pub async fn of_transition(
    audit: &dyn AuditReader,
    transition: TransitionId,
) -> Result<Vec<StoredRecord>, NoRecords> {
    match any_of(audit, transition, SCAN_RECORDS_MAX).await? {
        Some(one) => around(audit, one).await,
        None => Ok(Vec::new()),
    }
}

/// Every record of the transition that the record at this place belongs to.
pub async fn of_the_transition_at(
    audit: &dyn AuditReader,
    route: RouteName,
    seq: u64,
) -> Result<Vec<StoredRecord>, NoRecords> {
    let query = AuditQuery::Chain { route, from_seq: seq, to_seq: Some(seq) };
    let records = audit.page(&query, 1, None).await?.records()?;
    match records.into_iter().next() {
        Some(one) => around(audit, one).await,
        None => Ok(Vec::new()),
    }
}

async fn around(audit: &dyn AuditReader, one: StoredRecord) -> Result<Vec<StoredRecord>, NoRecords> {
    let transition = one.record.entry.transition;
    let mut records = whole_event_of(audit, one).await?;
    records.retain(|stored| stored.record.entry.transition == transition);
    Ok(records)
}

/// Every record of the event that a record belongs to, that one included, oldest first.
pub async fn whole_event_of(
    audit: &dyn AuditReader,
    one: StoredRecord,
) -> Result<Vec<StoredRecord>, NoRecords> {
    let mut records = of_event(audit, one.record.entry.event_key).await?;
    // The index by event may lag behind the chain by a moment; what was just read there is not left out.
    if !records.iter().any(|stored| stored.record.seq == one.record.seq) {
        records.push(one);
        records.sort_by_key(|stored| stored.record.seq);
    }
    Ok(records)
}

/// Any record of a transition, among the newest `scan_max` of its day. Its id tells when it began, so it stands in
/// the index of that day; or of the next, if the record was written just after midnight.
pub async fn any_of(
    audit: &dyn AuditReader,
    transition: TransitionId,
    scan_max: usize,
) -> Result<Option<StoredRecord>, NoRecords> {
    let began = transition.began();
    let mut days = vec![began.day(), began.plus(LEASE_DURATION).day()];
    days.dedup();
    for day in days {
        let (mut found, mut scanned) = (None, 0);
        let take = |page: Vec<StoredRecord>| {
            scanned += page.len();
            // The day is read from its end: before the transition began there is nothing of it.
            let past = page.last().is_some_and(|last| last.record.entry.at.plus(CLOCK_SKEW_MAX) < began);
            found = page.into_iter().find(|stored| stored.record.entry.transition == transition);
            break_if(found.is_some() || past || scanned >= scan_max)
        };
        read(audit, &AuditQuery::Day { day }, take).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
