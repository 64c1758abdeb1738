//! Whether the newest records of a route are as they were written (I8).
//!
//! `audit verify` follows a chain from its beginning. This is for the timer, which comes back again and again: what
//! is older was newest once.

use super::Reconciler;
use crate::domain::audit::{BrokenChain, ChainVerifier};
use crate::domain::route::RouteName;
use crate::domain::transition::ChainHead;
use crate::ports::{AuditQuery, CallError, ErrorKind, StoredRecord};

/// How many records are looked at: more than a route gets between two looks unless it is in trouble.
const NEWEST: u32 = 50;

/// How many are asked for: one more than there are, so that one Query is enough. A page that is full never says
/// that nothing follows (DynamoDB API reference, `LastEvaluatedKey`).
const PAGE: u32 = NEWEST + 1;

impl Reconciler {
    /// The first fault among a route's newest records, if there is one.
    ///
    /// A fault has to be found twice: a Query that is strongly consistent is still not isolated from a transaction as
    /// a whole (DynamoDB developer guide, "Transactions: How it works", isolation levels), and what this finds wakes
    /// somebody up.
    ///
    /// # Errors
    /// When state or records cannot be read.
    pub async fn verify_chain(&self, route: &RouteName) -> Result<Option<BrokenChain>, CallError> {
        match self.fault_in_chain(route).await? {
            None => Ok(None),
            Some(_) => self.fault_in_chain(route).await,
        }
    }

    /// The head is read before the records. What is recorded in the meantime then stands after the head and is no
    /// fault, while the other way round it would look as if the chain's end were missing.
    async fn fault_in_chain(&self, route: &RouteName) -> Result<Option<BrokenChain>, CallError> {
        let Some(state) = self.ledger.peek(route).await? else {
            return Ok(None);
        };
        let head = state.chain;
        let first = head.seq.saturating_sub(u64::from(NEWEST) - 1).max(1);
        let mut chain = Newest { first, at: None };
        let broken = self.follow_chain(route, &mut chain).await?;
        Ok(broken.or_else(|| chain.verifier().finish(head).err()))
    }

    async fn follow_chain(
        &self,
        route: &RouteName,
        chain: &mut Newest,
    ) -> Result<Option<BrokenChain>, CallError> {
        let mut limit = PAGE;
        loop {
            let query = AuditQuery::Chain {
                route: route.clone(),
                from_seq: chain.next(),
                to_seq: None,
            };
            let page = match self.audit.page(&query, limit, None).await {
                Ok(page) => page,
                // Somewhere in the page is a row that is no record any more: one at a time they show which.
                Err(error) if error.kind == ErrorKind::Invalid && limit > 1 => {
                    limit = 1;
                    continue;
                }
                Err(error) if error.kind == ErrorKind::Invalid => {
                    return Ok(Some(BrokenChain::Altered(chain.next(), error.message)));
                }
                Err(error) => return Err(error),
            };
            for stored in &page.records {
                if let Err(broken) = chain.take(stored) {
                    return Ok(Some(broken));
                }
            }
            if page.next.is_none() {
                return Ok(None);
            }
        }
    }
}

/// A chain that is followed from its `first` record of interest.
struct Newest {
    first: u64,
    at: Option<ChainHead>,
}

impl Newest {
    fn next(&self) -> u64 {
        self.at.map_or(self.first, |at| at.seq.saturating_add(1))
    }

    fn verifier(&self) -> ChainVerifier {
        self.at
            .map_or_else(ChainVerifier::default, ChainVerifier::after)
    }

    fn take(&mut self, stored: &StoredRecord) -> Result<(), BrokenChain> {
        let mut verifier = match self.at {
            None if self.first > 1 => ChainVerifier::after(ChainHead {
                seq: self.first - 1,
                // What is before the first one is taken at its word; it was verified when it was new itself.
                hash: stored.record.prev,
            }),
            None | Some(_) => self.verifier(),
        };
        self.at = Some(stored.follow(&mut verifier)?);
        Ok(())
    }
}
