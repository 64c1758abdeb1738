//! From evidence to a decision: move the route, or settle the event without a call.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::aim::{about_order, about_truth};
use super::audit::Reason;
use super::event::{Claim, EventKey, Evidence, EvidenceOrder, RdsEvent};
use super::ground::Ground;
use super::plan::Reach;
use super::policy::Role;
use super::route::{InstanceId, OnStarted, Route};
use super::safety::{Brake, Rule, Safety};
use super::target::Target;
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
    /// No call: a safety rule holds the route back. Where it would have gone is kept for when it no longer does.
    Hold(Desired, Brake),
    /// No call: record this, and from now on let the witnesses outrank what was said before.
    Ask(Verdict),
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
/// `address` is that of the instance which an event or an order names, from the route's own map or from a
/// lookup of ours, never from the event (I5); `None` when the instance is not known.
#[must_use]
pub fn decide(
    route: &Route,
    control: &Control,
    evidence: &Evidence,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Decision {
    match &evidence.ground {
        Ground::Event(event) => about_event(&About {
            route,
            control,
            key: evidence.key,
            event,
            address,
            now,
        }),
        Ground::Truth(sighting) => about_truth(route, control, evidence.key, sighting, now),
        Ground::Order(order) => about_order(route, control, (evidence.key, order), address, now),
    }
}

/// How `older` evidence is settled without a call when `newer` evidence for the same route is at hand already: as it
/// would be after the newer one had moved the route. Nothing unless the newer one does move it, and unless that would
/// supersede the older one.
#[must_use]
pub fn superseded_by(
    route: &Route,
    control: &Control,
    older: &Evidence,
    (newer, address): (&Evidence, Option<IpAddr>),
    now: Timestamp,
) -> Option<Verdict> {
    let Decision::Move(desired) = decide(route, control, newer, address, now) else {
        return None;
    };
    // One that only registers leaves the old target where it is: the older one's is better.
    if desired.reach != Reach::Swap {
        return None;
    }
    let after = Control {
        desired: Some(desired),
        ..control.clone()
    };
    // What address the older one names is not asked: it comes after the question whether it is news.
    match decide(route, &after, older, None, now) {
        Decision::Settle(verdict) if verdict.outcome == Outcome::Superseded => {
            let note = format!("{}; it was received behind this one", verdict.note);
            Some(Verdict { note, ..verdict })
        }
        Decision::Settle(_) | Decision::Move(_) | Decision::Hold(..) | Decision::Ask(_) => None,
    }
}

/// An event and everything that it is held against.
struct About<'a> {
    route: &'a Route,
    control: &'a Control,
    key: EventKey,
    event: &'a RdsEvent,
    address: Option<IpAddr>,
    now: Timestamp,
}

/// The rules stand in the order in which a reader would want the first reason: what the event is, whether it
/// can be true, whether it is news, what it asks for, whether something holds the route back.
fn about_event(about: &About<'_>) -> Decision {
    let claim = match about.event.claim() {
        Ok(claim) => claim,
        Err(unnamed) => {
            let note = unnamed.to_string();
            return Verdict::new(Outcome::Rejected, Reason::NoInstanceNamed, note).into();
        }
    };
    let evidence = EvidenceOrder {
        at: about.event.at,
        rank: claim.rank(),
    };
    let (instance, reach) = match what_it_asks(about, claim) {
        Ok(asked) => asked,
        // Asking ends the trust in all that was said before the event's time; one from the future would end it
        // for good.
        Err(NoMove::Ask(asked)) => {
            return not_credible(about).map_or(Decision::Ask(asked), Decision::from);
        }
        Err(NoMove::Settle(verdict)) => return verdict.into(),
    };
    if let Some(verdict) = not_credible(about).or_else(|| not_news(about, (evidence, &instance))) {
        return verdict.into();
    }
    if let Some(verdict) = too_old(about) {
        return Decision::Ask(verdict);
    }
    match admit(about.route, &instance, about.address) {
        Err(verdict) => verdict.into(),
        Ok(target) => {
            let desired = Desired {
                instance,
                target,
                beside: BTreeSet::new(),
                reach,
                evidence,
                event: about.key,
            };
            unless_held_back(about.route, about.control, desired, about.now, &[])
        }
    }
}

/// The target of an instance at `address`, if the route may point there (I5).
pub(super) fn admit(
    route: &Route,
    instance: &InstanceId,
    address: Option<IpAddr>,
) -> Result<Target, Verdict> {
    let rejected = |reason, note| Err(Verdict::new(Outcome::Rejected, reason, note));
    let allowed = route.policy.allowed_instances.as_ref();
    if allowed.is_some_and(|allowed| !allowed.contains(instance)) {
        let note = format!(
            "instance {instance} is not one of allowed_instances of route {}",
            route.name
        );
        return rejected(Reason::InstanceNotAllowed, note);
    }
    let Some(ip) = address else {
        let note = format!(
            "instance {instance} is not one of route {}; add it under [route.instances]",
            route.name
        );
        return rejected(Reason::UnknownInstance, note);
    };
    if route.group_of(instance).is_none() {
        let note = format!(
            "instance {instance} has no target group on weighted route {}; make one for it, and add it under \
             [route.target_groups]",
            route.name
        );
        return rejected(Reason::UnknownInstance, note);
    }
    match route.admit(ip) {
        Some(target) => Ok(target),
        None => rejected(
            Reason::AddressNotAllowed,
            format!("address {ip} of instance {instance} is outside allowed_cidrs"),
        ),
    }
}

/// Moves, unless a safety rule that is not overridden holds the route back (I7).
#[must_use]
pub fn unless_held_back(
    route: &Route,
    control: &Control,
    desired: Desired,
    now: Timestamp,
    overrides: &[Rule],
) -> Decision {
    let safety = &control.safety;
    if let Some(brake) = safety.brake(route, &desired, now, overrides) {
        return Decision::Hold(desired, brake);
    }
    let standing = control.desired.as_ref();
    let changes = standing.is_none_or(|standing| standing.target != desired.target);
    if changes
        && safety.flaps(now, route.policy.flap_moves_max)
        && !overrides.contains(&Rule::Flapping)
    {
        let brake = Brake {
            rule: Rule::Flapping,
            note: format!("flapping: {}", Safety::flap_stop(now).reason),
        };
        return Decision::Hold(desired, brake);
    }
    Decision::Move(desired)
}

impl Brake {
    /// How an attempt ends that was held back, and what it would have done.
    #[must_use]
    pub fn verdict(&self, desired: &Desired) -> Verdict {
        let (outcome, reason) = match self.rule {
            Rule::Paused => (Outcome::Paused, Reason::Paused),
            Rule::Frozen => (Outcome::Paused, Reason::Frozen),
            Rule::Pinned => (Outcome::Paused, Reason::Pinned),
            Rule::Flapping => (Outcome::Paused, Reason::Flapping),
            Rule::Observing => (Outcome::Observed, Reason::Observing),
        };
        let note = format!(
            "{}; would move to {} at {}",
            self.note, desired.instance, desired.target
        );
        Verdict::new(outcome, reason, note)
    }
}

/// What a claim that points nowhere leads to.
enum NoMove {
    Ask(Verdict),
    Settle(Verdict),
}

fn what_it_asks(about: &About<'_>, claim: Claim) -> Result<(InstanceId, Reach), NoMove> {
    let ignored = |reason, note: String| Verdict::new(Outcome::Ignored, reason, note);
    let settled = |reason, note| Err(NoMove::Settle(ignored(reason, note)));
    match (claim, about.route.on_started) {
        (Claim::Started(_) | Claim::Completed(_) | Claim::Restored(_), _)
            if about.route.policy.role == Role::Readers =>
        {
            Err(NoMove::Ask(ignored(
                Reason::WitnessesAsked,
                "the writer moves, so the readers are others: the witnesses are asked".to_owned(),
            )))
        }
        (Claim::Completed(instance) | Claim::Restored(instance), _)
        | (Claim::Started(instance), OnStarted::Swap) => Ok((instance, Reach::Swap)),
        (Claim::Started(instance), OnStarted::Register) => Ok((instance, Reach::Register)),
        (Claim::Started(instance), OnStarted::Wait) => settled(
            Reason::WaitsForCompletion,
            format!(
                "failover to {instance} started; on_started = \"wait\" waits for its completion"
            ),
        ),
        (Claim::AskTruth, _) if about.route.policy.truth.is_empty() => settled(
            Reason::TruthUnknown,
            "the event does not say who writes, or where; a static map cannot tell either"
                .to_owned(),
        ),
        (Claim::AskTruth, _) => Err(NoMove::Ask(ignored(
            Reason::WitnessesAsked,
            "the event does not say who writes, or where: the witnesses are asked".to_owned(),
        ))),
        (Claim::Nothing, _) => {
            let what = match about.event.id {
                Some(id) => format!("{id} of a {}", about.event.kind),
                None => "an event without EventID".to_owned(),
            };
            settled(Reason::NotAFailover, format!("{what} moves no route"))
        }
    }
}

fn not_credible(about: &About<'_>) -> Option<Verdict> {
    let ahead = about.event.at.since(about.now);
    (ahead > EVENT_AHEAD_MAX && !planted(Bug::FutureIsBelieved)).then(|| {
        let note = format!(
            "the event's time {} is {} s ahead of the worker's clock; at most {} s are believed",
            about.event.at,
            ahead.as_secs(),
            EVENT_AHEAD_MAX.as_secs()
        );
        Verdict::new(Outcome::Rejected, Reason::FromTheFuture, note)
    })
}

/// I3: evidence that is not newer than what the route knows never moves it. The event that did is let
/// through, since its own half-done transition has to be resumed; and so is the same evidence for the same
/// instance, which a person hands in again after every attempt failed.
fn not_news(about: &About<'_>, (order, instance): (EvidenceOrder, &InstanceId)) -> Option<Verdict> {
    let known = about.control.newest()?;
    let news = order > known.evidence || planted(Bug::OrderDoesNotMatter);
    let same = order == known.evidence && *instance == known.instance;
    if known.event == about.key || news || same {
        return None;
    }
    let note = format!(
        "evidence of {} is not newer than that of {}, which points the route at {}",
        order.at, known.evidence.at, known.instance
    );
    Some(Verdict::new(
        Outcome::Superseded,
        Reason::EvidenceNotNewer,
        note,
    ))
}

/// Evidence of long ago says who wrote then. Where there are witnesses they are asked who writes now; a
/// static map has none, and follows the newest evidence there is.
fn too_old(about: &About<'_>) -> Option<Verdict> {
    let policy = &about.route.policy;
    let age = about.now.since(about.event.at);
    let resumed = about
        .control
        .newest()
        .is_some_and(|known| known.event == about.key);
    (age > policy.evidence_age_max && !policy.truth.is_empty() && !resumed).then(|| {
        let note = format!(
            "the event is {} s old, more than evidence_age_max_seconds = {}: the witnesses are asked",
            age.as_secs(),
            policy.evidence_age_max.as_secs()
        );
        Verdict::new(Outcome::Ignored, Reason::EvidenceTooOld, note)
    })
}
