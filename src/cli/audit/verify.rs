//! `audit verify`: whether any record was changed or left out (I8).

use std::io;

use serde::Serialize;

use crate::cli::args::{Output, Verify};
use crate::cli::audit::chain::{IN_THE_TABLE, broken};
use crate::cli::audit::progress::Progress;
use crate::cli::audit::{AuditContext, unreadable};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Row};
use crate::cli::{ReadPorts, Session};
use writerlink_core::ledger::state::ChainHead;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::RouteName;
use writerlink_engine::audit_chain::{
    ChainDefect, ChainStep, ChainWalk, Follower, Verification, adopted_after, compared_end, verify_from,
};
use writerlink_engine::ports::{AuditReader, CallError};

/// How much of a hash a table shows: enough to tell two apart at a glance. JSON and CSV have it whole.
const HASH_DIGITS: usize = 16;

/// What there is to say of one chain.
#[derive(Default, Serialize)]
pub(in crate::cli) struct Verdict {
    route: String,
    pub(in crate::cli) intact: bool,
    pub(in crate::cli) records: u64,
    from_seq: u64,
    to_seq: u64,
    head_seq: u64,
    pub(in crate::cli) head_hash: String,
    first_bad_seq: Option<u64>,
    pub(in crate::cli) fault: Option<String>,
    expected: Option<String>,
    found: Option<String>,
    remedy: Option<String>,
}

impl Row for Verdict {
    fn cells(&self) -> Vec<(&'static str, String)> {
        let whole = self.from_seq <= 1 && self.to_seq == self.head_seq;
        let verdict = match &self.fault {
            Some(fault) => format!("BROKEN: {fault}"),
            None if whole => "intact".to_owned(),
            None => format!("intact from {} to {}", self.from_seq, self.to_seq),
        };
        let hash: String = self.head_hash.chars().take(HASH_DIGITS).collect();
        let head = format!("{} {hash}…", self.head_seq);
        vec![
            ("ROUTE", self.route.clone()),
            ("RECORDS", self.records.to_string()),
            ("VERDICT", verdict),
            ("HEAD", head),
        ]
    }
}

impl Verdict {
    /// Of a chain that was followed from a record until there was a fault, or an end; `head` is where it should end.
    pub(super) fn of(
        route: &RouteName,
        (from, chain): (u64, &Follower),
        head: ChainHead,
        fault: Option<&ChainDefect>,
    ) -> Self {
        let last = chain.verified();
        let head = if last.seq > head.seq { last } else { head };
        Self {
            route: route.to_string(),
            intact: fault.is_none(),
            records: chain.records,
            from_seq: from,
            to_seq: last.seq,
            head_seq: head.seq,
            head_hash: head.hash.to_string(),
            first_bad_seq: fault.map(|fault| fault.broken.seq()),
            fault: fault.map(|fault| fault.broken.to_string()),
            expected: fault.map(|fault| fault.expected.clone()),
            found: fault.map(|fault| fault.found.clone()),
            remedy: None,
        }
    }
}

/// Writes verdicts, and what they come to.
pub(super) fn tell(
    judged: Vec<Judged>,
    (why, fix): (&str, &str),
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let judged = judged.into_iter().map(|judged| (judged.verdict, judged.fault));
    let (verdicts, faults): (Vec<Verdict>, Vec<Option<ChainDefect>>) = judged.unzip();
    Listing::of("routes", &verdicts).write(output, session.out)?;
    let faults = verdicts.iter().zip(&faults).filter_map(|(verdict, fault)| {
        Some((verdict.route.as_str(), fault.as_ref()?, verdict.remedy.as_deref()))
    });
    match broken(faults, (why, fix)) {
        Some(failure) => Err(failure),
        None => Ok(Exit::Done),
    }
}

/// A verdict with what it is based on.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) fault: Option<ChainDefect>,
}

/// Verifies the chains that are asked for. What was found is written even if a later chain cannot be read.
pub(super) async fn run(
    desk: &AuditContext<'_>,
    wanted: &Verify,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let routes = desk.routes(&wanted.routes).await?;
    let range = Range::of(wanted, &routes)?;
    let mut progress = Progress::new(session);
    let (mut judged, mut failed) = (Vec::new(), None);
    for route in &routes {
        let mut seen = |far: &str| progress.show(far, session);
        match judge(desk.books, route, range, &mut seen).await {
            Ok(one) => judged.push(one),
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    progress.clear(session)?;
    let told = tell(judged, IN_THE_TABLE, output, session)?;
    failed.map_or(Ok(told), Err)
}

/// Follows one whole chain.
#[cfg(feature = "embedded")]
pub(in crate::cli) async fn verify(books: &ReadPorts, route: &RouteName) -> Result<Verdict, Failure> {
    let judged = judge(books, route, Range::default(), &mut |_| Ok(())).await?;
    Ok(judged.verdict)
}

/// Which part of a chain.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    from: Option<u64>,
    to: Option<u64>,
}

impl Range {
    fn of(wanted: &Verify, routes: &[RouteName]) -> Result<Self, Failure> {
        let (from, to) = (wanted.from, wanted.to);
        if (from.is_some() || to.is_some()) && routes.len() != 1 {
            let why = format!("it would be one of {} routes", routes.len());
            return Err(no_range(why, "name one ROUTE"));
        }
        if let (Some(first), Some(last)) = (from, to)
            && first > last
        {
            let why = format!("--from {first} is after --to {last}");
            return Err(no_range(why, "exchange the two"));
        }
        Ok(Self { from, to })
    }

    fn is_of(self, route: &RouteName, head: ChainHead) -> Result<(), Failure> {
        let last = self.to.or(self.from).unwrap_or_default();
        if last <= head.seq {
            return Ok(());
        }
        let why = format!("{route} has {} records", head.seq);
        Err(no_range(why, "ask for one that there is"))
    }
}

fn no_range(why: String, fix: &str) -> Failure {
    Failure::told("there is no such range of records", why, fix.to_owned(), Exit::Usage)
}

/// Follows a chain to the head, or to the end of the range.
async fn judge(
    books: &ReadPorts,
    route: &RouteName,
    range: Range,
    seen: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<Judged, Failure> {
    let audit = books.audit.as_ref();
    let head = head(books, route).await?;
    range.is_of(route, head)?;
    let from = range.from.unwrap_or(1);
    let anchored = anchored(audit, route, from).await.map_err(unreadable)?;
    let walk = ChainWalk::from(route.clone(), from).up_to(range.to);
    let (chain, fault) = match anchored {
        Err(fault) => (Follower::anywhere(), Some(fault)),
        Ok(anchor) => {
            let mut verification = Verification::of(walk, anchor, head);
            while verification.go_on(audit).await.map_err(unreadable)? {
                let at = verification.chain.verified().seq;
                seen(&format!("{route}: {at} of {} records", head.seq))?;
            }
            if range.to.is_none() {
                let compared = verification.compare_end(books.ledger.as_ref(), audit);
                compared.await.map_err(unreadable)?;
            }
            (verification.chain, verification.fault)
        }
    };
    let mut verdict = Verdict::of(route, (from, &chain), head, fault.as_ref());
    if let Some(fault) = &fault {
        let after = after_adoption(audit, route, fault, head).await;
        let after = after.map_err(unreadable)?;
        if let (Some(fault), Some(after)) = (&mut verdict.fault, after) {
            *fault = format!("{fault}; {after}");
        }
    }
    if fault.is_some() && range.to.is_none() {
        let compared = compared_end(books.ledger.as_ref(), audit, route).await;
        let end = compared.map_err(unreadable)?;
        verdict.remedy = end.and_then(|end| end.remedy(route));
    }
    Ok(Judged { verdict, fault })
}

/// What is to be said of the records behind a fault that a person has adopted.
async fn after_adoption(
    audit: &dyn AuditReader,
    route: &RouteName,
    fault: &ChainDefect,
    head: ChainHead,
) -> Result<Option<String>, CallError> {
    let Some(adopted) = adopted_after(audit, route, &fault.broken).await? else {
        return Ok(None);
    };
    let next = verify_from(audit, route, adopted, Follower::anywhere(), head).await?;
    let rest = match next.fault {
        None => "and from there on the chain is intact".to_owned(),
        Some(next) => format!("and behind that {}", next.broken),
    };
    Ok(Some(format!("record {adopted} adopted that, {rest}")))
}

/// A follower for a chain that is read from a record on: the one before it is where it begins.
async fn anchored(
    audit: &dyn AuditReader,
    route: &RouteName,
    from: u64,
) -> Result<Result<Follower, ChainDefect>, CallError> {
    if from <= 1 {
        return Ok(Ok(Follower::from(from)));
    }
    let before = from - 1;
    let mut walk = ChainWalk::from(route.clone(), before).up_to(Some(before));
    Ok(match walk.go_on(audit).await? {
        ChainStep::Records(records) => records
            .first()
            .map(|stored| {
                let hash = Hash::of(&stored.canonical);
                Follower::after(ChainHead { seq: before, hash })
            })
            .ok_or_else(|| ChainDefect::missing(before, from)),
        ChainStep::Missing { .. } | ChainStep::End => Err(ChainDefect::missing(before, from)),
        ChainStep::Unreadable(row) => Err(ChainDefect::unreadable(&row)),
    })
}

/// Where a route's chain ends, by its state.
pub(super) async fn head(books: &ReadPorts, route: &RouteName) -> Result<ChainHead, Failure> {
    // Whoever verifies may only read: a route that was never seen is not made here.
    let state = books.ledger.peek(route).await;
    let state = state.map_err(|error| Failure::call("reading the route's state", error))?;
    Ok(state.map_or_else(ChainHead::default, |state| state.chain))
}
