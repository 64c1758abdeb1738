//! Where a time stands in a route's chain, which no index says.
//!
//! The times of a chain are of several clocks, which differ by [`CLOCK_SKEW_MAX`] at most: no record is older than one
//! before it by more than that. So halving the chain finds a place before which everything is older, and one
//! after which nothing is; a chain of a million records takes twenty questions for one record each.

use crate::cli::audit::{page, unreadable};
use crate::cli::failure::Failure;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::time::{CLOCK_SKEW_MAX, Timestamp};
use writerlink_engine::audit_chain::{ChainStep, ChainWalk, seq_of};
use writerlink_engine::ports::{AuditQuery, AuditReader, StoredRecord};

/// A record before which all are older than `instant`.
pub(super) async fn none_missed_since(
    audit: &dyn AuditReader,
    route: &RouteName,
    instant: Timestamp,
) -> Result<u64, Failure> {
    boundary(audit, route, instant.minus(CLOCK_SKEW_MAX)).await
}

/// A record from which on none is older than `instant`.
pub(super) async fn all_after(
    audit: &dyn AuditReader,
    route: &RouteName,
    instant: Timestamp,
) -> Result<u64, Failure> {
    boundary(audit, route, instant.plus(CLOCK_SKEW_MAX)).await
}

/// A record that is not older than `edge`, the one before it being older.
async fn boundary(audit: &dyn AuditReader, route: &RouteName, edge: Timestamp) -> Result<u64, Failure> {
    let newest = AuditQuery::Newest { route: route.clone() };
    let newest = page(audit, &newest, 1, None).await?;
    let Some(newest) = newest.rows.first() else {
        return Ok(1);
    };
    let (mut low, mut high) = (1, seq_of(newest).saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let part = ChainWalk::from(route.clone(), middle).up_to(Some(high - 1));
        match first_of(part.one_by_one(), audit).await? {
            Some(stored) if stored.record.entry.at < edge => low = stored.record.seq + 1,
            // Where records were removed there is none: what is before them decides.
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

async fn first_of(mut part: ChainWalk, audit: &dyn AuditReader) -> Result<Option<StoredRecord>, Failure> {
    loop {
        match part.go_on(audit).await.map_err(unreadable)? {
            ChainStep::Records(records) => return Ok(records.into_iter().next()),
            ChainStep::Missing { .. } | ChainStep::Unreadable(_) => {}
            ChainStep::End => return Ok(None),
        }
    }
}
