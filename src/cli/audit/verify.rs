//! `audit verify`: whether any record was changed or left out (I8).

use serde::Serialize;

use super::{PAGE_RECORDS, page};
use crate::cli::args::Output;
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Row};
use crate::cli::{Books, Session};
use crate::domain::audit::{BrokenChain, ChainVerifier, Hash};
use crate::domain::route::RouteName;
use crate::domain::transition::ChainHead;
use crate::ports::{Audit, AuditQuery, StoredRecord};

/// What there is to say of one chain.
#[derive(Serialize)]
pub(in crate::cli) struct Verdict {
    route: String,
    pub(in crate::cli) intact: bool,
    pub(in crate::cli) records: u64,
    head_seq: u64,
    pub(in crate::cli) head_hash: String,
    first_bad_seq: Option<u64>,
    pub(in crate::cli) fault: Option<String>,
}

impl Row for Verdict {
    const COLUMNS: &'static [&'static str] = &["ROUTE", "RECORDS", "VERDICT", "HEAD"];
    const FIELDS: &'static [&'static str] = &[
        "route",
        "intact",
        "records",
        "head_seq",
        "head_hash",
        "first_bad_seq",
        "fault",
    ];

    fn cells(&self) -> Vec<String> {
        let verdict = match &self.fault {
            None => "intact".to_owned(),
            Some(fault) => format!("BROKEN: {fault}"),
        };
        let head = format!("{} {}", self.head_seq, self.head_hash);
        vec![self.route.clone(), self.records.to_string(), verdict, head]
    }
}

/// Verifies the chains of `routes`. What was found is written even if a later chain cannot be read.
pub(super) async fn run(
    books: &Books,
    routes: &[RouteName],
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let mut verdicts = Vec::new();
    let mut failed = None;
    for route in routes {
        match verify(books, route).await {
            Ok(verdict) => verdicts.push(verdict),
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    let rows = Listing {
        name: "routes",
        rows: &verdicts,
        next: None,
    };
    rows.write(output, session.out)?;
    match (broken(&verdicts), failed) {
        (Some(failure), _) | (None, Some(failure)) => Err(failure),
        (None, None) => Ok(Exit::Done),
    }
}

fn broken(verdicts: &[Verdict]) -> Option<Failure> {
    let faults: Vec<String> = verdicts
        .iter()
        .filter_map(|verdict| Some(format!("{}/{}", verdict.route, verdict.first_bad_seq?)))
        .collect();
    (!faults.is_empty()).then(|| Failure::Told {
        what: format!(
            "records are not as they were written, from {} on",
            faults.join(" and ")
        ),
        why: "somebody with access to the tables changed or removed them: writerlink cannot"
            .to_owned(),
        fix: "find who wrote to the tables (CloudTrail data events), and compare with a backup"
            .to_owned(),
        exit: Exit::Unverified,
    })
}

/// Follows one chain from its first record to the head, a page at a time: its length does not matter.
///
/// The head is read before the records. What is recorded in the meantime then stands after the head and is
/// no fault, while the other way round it would look as if the chain's end were missing.
pub(in crate::cli) async fn verify(books: &Books, route: &RouteName) -> Result<Verdict, Failure> {
    let head = head(books, route).await?;
    let mut chain = Follower::default();
    let query = AuditQuery::Chain {
        route: route.clone(),
        from_seq: 1,
        to_seq: None,
    };
    let broken = follow(books.audit.as_ref(), &query, &mut chain)
        .await?
        .or_else(|| chain.verifier.finish(head).err());
    Ok(Verdict {
        route: route.to_string(),
        intact: broken.is_none(),
        records: chain.verified.seq,
        head_seq: chain.verified.seq.max(head.seq),
        head_hash: chain.head_hash(head).to_string(),
        first_bad_seq: broken.as_ref().map(BrokenChain::seq),
        fault: broken.map(|broken| broken.to_string()),
    })
}

async fn head(books: &Books, route: &RouteName) -> Result<ChainHead, Failure> {
    // Whoever verifies may only read: a route that was never seen is not made here.
    let state = books.ledger.peek(route).await;
    let state = state.map_err(|error| Failure::call("reading the route's state", error))?;
    Ok(state.map_or_else(ChainHead::default, |state| state.chain))
}

/// A verifier, and how far it came.
#[derive(Default)]
struct Follower {
    verifier: ChainVerifier,
    verified: ChainHead,
}

impl Follower {
    fn take(&mut self, stored: &StoredRecord) -> Result<(), BrokenChain> {
        self.verified = stored.follow(&mut self.verifier)?;
        Ok(())
    }

    fn head_hash(&self, head: ChainHead) -> Hash {
        if self.verified.seq > head.seq {
            self.verified.hash
        } else {
            head.hash
        }
    }
}

/// The first fault, if any, of the records one after the other.
async fn follow(
    audit: &dyn Audit,
    query: &AuditQuery,
    chain: &mut Follower,
) -> Result<Option<BrokenChain>, Failure> {
    let mut cursor = None;
    loop {
        let page = page(audit, query, PAGE_RECORDS, cursor.as_deref()).await?;
        for stored in &page.records {
            if let Err(broken) = chain.take(stored) {
                return Ok(Some(broken));
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(None);
        }
    }
}
