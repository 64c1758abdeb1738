//! Where a chain ends: its newest records, and whether the last one is the head of the route's state.

use crate::audit_chain::{ChainDefect, Verification};
use crate::ports::{AuditQuery, AuditReader, CallError, Ledger};
use writerlink_core::model::names::RouteName;
use writerlink_core::status::chain_end::ChainEnd;

/// How many of the newest rows are read where the newest one is not the head.
const ROWS_READ: u32 = 50;

/// How often row and state are read before the route counts as one that is being recorded about.
const READINGS: u32 = 5;

/// Compares a route's newest row with the head of its state. `None` if both moved with every reading: a route that is
/// being recorded about has no fault of this kind.
///
/// The two are read one after the other, and a worker may commit in between. So a difference counts only when the next
/// reading has the same row and the same head. Where they match, this costs one Query of a row and one `GetItem`.
///
/// # Errors
/// When one of them cannot be read: that says nothing about them.
pub async fn compared_end(
    ledger: &dyn Ledger,
    audit: &dyn AuditReader,
    route: &RouteName,
) -> Result<Option<ChainEnd>, CallError> {
    let query = AuditQuery::Newest { route: route.clone() };
    let mut before = None;
    for reading in 0..READINGS {
        let limit = if reading == 0 { 1 } else { ROWS_READ };
        let rows = audit.page(&query, limit, None).await?.end();
        let state = ledger.peek(route).await?;
        let head = state.map(|state| state.chain);
        let end = ChainEnd::of(head, &rows);
        let read = Some((head, rows.newest()));
        if end.matches() || read == before {
            return Ok(Some(end));
        }
        before = read;
    }
    Ok(None)
}

impl Verification {
    /// Whether records that stand after the head are there because the state was restored or deleted, rather than
    /// recorded since the head was read. What it finds is a fault like any other.
    ///
    /// # Errors
    /// When state or records cannot be read.
    pub async fn compare_end(
        &mut self,
        ledger: &dyn Ledger,
        audit: &dyn AuditReader,
    ) -> Result<(), CallError> {
        if self.fault.is_some() || self.chain.verified().seq <= self.head.seq {
            return Ok(());
        }
        let end = compared_end(ledger, audit, self.walk.route()).await?;
        let behind = end.and_then(|end| end.behind());
        self.fault = behind.map(ChainDefect::behind);
        Ok(())
    }
}
