//! From evidence to a decision: move the route, or settle the event without a call.

use std::net::IpAddr;
use std::time::Duration;

use super::audit::Reason;
use super::event::{Claim, Evidence, EvidenceOrder};
use super::plan::Reach;
use super::route::{InstanceId, OnStarted, Route};
use super::time::Timestamp;
use super::transition::{Control, Desired, Outcome};
use crate::planted::{Bug, planted};

/// How far an event's time may lie ahead of our clock. Beyond that it is no clock's fault; and since events
/// are ordered by their own time, accepting it would make every later event look old.
pub const EVENT_AHEAD_MAX: Duration = Duration::from_mins(1);

/// What is to be done about a piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Bring the group there.
    Move(Desired),
    /// No call: record this and be done.
    Settle(Verdict),
}

/// The outcome of an attempt with its reason, once for counting and once for reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Why, in words.
    pub note: String,
}

impl Verdict {
    /// A verdict.
    #[must_use]
    pub fn new(outcome: Outcome, reason: Reason, note: impl Into<String>) -> Self {
        Self {
            outcome,
            reason,
            note: note.into(),
        }
    }
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        Self::Settle(verdict)
    }
}

/// Decides about `evidence` for a route whose state is `control`.
///
/// `address` is the named instance's, from the route's own map or from a lookup of ours, never from the
/// event (I5); `None` when the instance is not known. The rules stand in the order in which a reader would
/// want the first reason: what the event is, whether it can be true, whether it is news, what it asks for.
#[must_use]
pub fn decide(
    route: &Route,
    control: &Control,
    evidence: &Evidence,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Decision {
    let claim = match evidence.event.claim() {
        Ok(claim) => claim,
        Err(unnamed) => {
            let note = unnamed.to_string();
            return Verdict::new(Outcome::Rejected, Reason::NoInstanceNamed, note).into();
        }
    };
    let order = EvidenceOrder {
        at: evidence.event.at,
        rank: claim.rank(),
    };
    let (instance, reach) = match what_it_asks(route, evidence, claim) {
        Ok(asked) => asked,
        Err(verdict) => return verdict.into(),
    };
    if let Some(verdict) =
        not_credible(evidence, now).or_else(|| not_news(control, evidence, (order, &instance)))
    {
        return verdict.into();
    }
    let Some(ip) = address else {
        let note = format!(
            "instance {instance} is not one of route {}; add it under [route.instances]",
            route.name
        );
        return Verdict::new(Outcome::Rejected, Reason::UnknownInstance, note).into();
    };
    let Some(target) = route.admit(ip) else {
        let note = format!("address {ip} of instance {instance} is outside allowed_cidrs");
        return Verdict::new(Outcome::Rejected, Reason::AddressNotAllowed, note).into();
    };
    Decision::Move(Desired {
        instance,
        target,
        reach,
        evidence: order,
        event: evidence.key,
    })
}

fn what_it_asks(
    route: &Route,
    evidence: &Evidence,
    claim: Claim,
) -> Result<(InstanceId, Reach), Verdict> {
    match (claim, route.on_started) {
        (Claim::Completed(instance) | Claim::Restored(instance), _)
        | (Claim::Started(instance), OnStarted::Swap) => Ok((instance, Reach::Swap)),
        (Claim::Started(instance), OnStarted::Register) => Ok((instance, Reach::Register)),
        (Claim::Started(instance), OnStarted::Wait) => Err(Verdict::new(
            Outcome::Ignored,
            Reason::WaitsForCompletion,
            format!(
                "failover to {instance} started; on_started = \"wait\" waits for its completion"
            ),
        )),
        (Claim::FailedOver, _) => Err(Verdict::new(
            Outcome::Ignored,
            Reason::TruthUnknown,
            "the failover failed and the event names no writer; a static map cannot tell who it is",
        )),
        (Claim::Nothing, _) => {
            let what = match evidence.event.id {
                Some(id) => format!("{id} of a {}", evidence.event.kind),
                None => "an event without EventID".to_owned(),
            };
            let note = format!("{what} moves no route");
            Err(Verdict::new(Outcome::Ignored, Reason::NotAFailover, note))
        }
    }
}

fn not_credible(evidence: &Evidence, now: Timestamp) -> Option<Verdict> {
    let ahead = evidence.event.at.since(now);
    (ahead > EVENT_AHEAD_MAX && !planted(Bug::FutureIsBelieved)).then(|| {
        let note = format!(
            "the event's time {} is {} s ahead of the worker's clock; at most {} s are believed",
            evidence.event.at,
            ahead.as_secs(),
            EVENT_AHEAD_MAX.as_secs()
        );
        Verdict::new(Outcome::Rejected, Reason::FromTheFuture, note)
    })
}

/// I3: evidence that is not newer than what moved the route never moves it. The event that did is let
/// through, since its own half-done transition has to be resumed; and so is the same evidence for the same
/// instance, which a person hands in again after every attempt failed.
fn not_news(
    control: &Control,
    evidence: &Evidence,
    (order, instance): (EvidenceOrder, &InstanceId),
) -> Option<Verdict> {
    let standing = control.desired.as_ref()?;
    let news = order > standing.evidence || planted(Bug::OrderDoesNotMatter);
    let same = order == standing.evidence && *instance == standing.instance;
    if standing.event == evidence.key || news || same {
        return None;
    }
    let note = format!(
        "evidence of {} is not newer than that of {}, which points the route at {}",
        order.at, standing.evidence.at, standing.instance
    );
    Some(Verdict::new(
        Outcome::Superseded,
        Reason::EvidenceNotNewer,
        note,
    ))
}
