//! From evidence to a decision: move the route, or settle the event without a call.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::decision::admission::admit;
use crate::decision::checks::{DecisionCheck, DecisionTrace, Trace, Tracer};
use crate::decision::goal::{about_order, about_reading};
use crate::decision::holds::held_back;
use crate::decision::verdict::{Decision, Ruled, Verdict};
use crate::evidence::desired::Desired;
use crate::evidence::event::{Claim, EventKey, EvidenceOrder, RdsEvent};
use crate::evidence::trigger::{Evidence, Trigger};
use crate::ledger::holds::Blocked;
use crate::ledger::state::{Assignment, RouteContext};
use crate::model::names::InstanceId;
use crate::model::outcome::Outcome;
use crate::model::policy::Role;
use crate::model::reason::{Reason, Rule};
use crate::model::route::{OnStarted, Route};
use crate::model::target::MoveMode;
use crate::model::time::{CLOCK_SKEW_MAX, Timestamp};

/// How far an event's time may lie ahead of our clock: as far as two clocks may be apart. Events are ordered by their
/// own time, so an accepted event makes every real failover look old until its time has come; on a route that nothing
/// but events moves, such a failover is lost for good. The limit is therefore as small as clocks allow. RDS and the
/// host of a Fargate task both follow the Amazon Time Sync Service (EC2 User Guide, "Precision clock and time
/// synchronization": "used by various AWS services"; the task metadata endpoint tells a task's `ClockErrorBound`, in
/// milliseconds), so 10 s are thousands of times what is real there. A host elsewhere needs NTP, which the lease needs too.
pub const EVENT_AHEAD_MAX: Duration = CLOCK_SKEW_MAX;

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// Decides about `evidence` for a route whose state is `control`: the last word of [`walk`].
///
/// `address` is that of the instance which an event or an order names, from the route's own map or from a
/// lookup of ours, never from the event (I5); `None` when the instance is not known.
#[must_use]
pub fn decide(
    route: &Route,
    control: &Assignment,
    evidence: &Evidence,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Decision {
    let trail = &mut Tracer::default();
    decided(RouteContext { route, control, now }, evidence, address, trail)
}

/// Decides, and tells every question that was asked on the way.
#[must_use]
pub fn walk(
    route: &Route,
    control: &Assignment,
    evidence: &Evidence,
    address: Option<IpAddr>,
    now: Timestamp,
) -> DecisionTrace {
    let mut trail = Tracer { tell: Trace::Aloud, ..Tracer::default() };
    let decision = decided(RouteContext { route, control, now }, evidence, address, &mut trail);
    DecisionTrace { asked: trail.asked, decision }
}

fn decided(
    context: RouteContext<'_>,
    evidence: &Evidence,
    address: Option<IpAddr>,
    trail: &mut Tracer,
) -> Decision {
    let key = evidence.key;
    match &evidence.ground {
        Trigger::Event(event) => {
            let RouteContext { route, control, now } = context;
            let about = About { route, control, key, event, address, now, tell: trail.tell };
            about_event(&about, trail)
        }
        Trigger::Reading(seen) => about_reading(context, key, seen, trail),
        Trigger::Command(order) => about_order(context, key, order, address, trail),
    }
}

/// An event and everything that it is held against.
struct About<'a> {
    route: &'a Route,
    control: &'a Assignment,
    key: EventKey,
    event: &'a RdsEvent,
    address: Option<IpAddr>,
    now: Timestamp,
    tell: Trace,
}

fn about_event(about: &About<'_>, trail: &mut Tracer) -> Decision {
    match where_it_points(about, trail) {
        Ok(desired) => {
            let context = RouteContext { route: about.route, control: about.control, now: about.now };
            held_back(context, desired, &[], trail)
        }
        Err(decision) => *decision,
    }
}

/// The questions stand in the order in which a reader would want the first reason: what the event is, whether it
/// can be true, whether it is news, what it asks for; whether something holds the route back comes after them.
fn where_it_points(about: &About<'_>, trail: &mut Tracer) -> Result<Desired, Box<Decision>> {
    let claim = trail.ask(DecisionCheck::NamesAnInstance, names_an_instance(about))?;
    let evidence = EvidenceOrder { at: about.event.at, rank: claim.rank() };
    let asked = trail.ask(DecisionCheck::AsksForSomething, what_it_asks(about, claim))?;
    // Before the sources are asked, too: a failover that failed ends the trust in those that started before its
    // time, and one from the future would end it for good.
    trail.ask(DecisionCheck::NotFromTheFuture, is_credible(about))?;
    let (instance, reach) = trail.ask(DecisionCheck::SaysWhoWrites, says_who_writes(asked, about.tell))?;
    trail.ask(DecisionCheck::News, is_news(about, evidence, &instance))?;
    trail.ask(DecisionCheck::Young, is_young(about, &instance))?;
    let target = admit(about.route, &instance, about.address, trail)?;
    Ok(Desired { instance, target, beside: BTreeSet::new(), reach, evidence, event: about.key })
}

impl Blocked {
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
        let note = format!("{}; would move to {} at {}", self.note, desired.instance, desired.target);
        Verdict::new(outcome, reason, note)
    }
}

fn names_an_instance(about: &About<'_>) -> Ruled<Claim> {
    let event = about.event;
    let claim = event.claim().map_err(|unnamed| {
        let note = unnamed.to_string();
        Verdict::new(Outcome::Rejected, Reason::NoInstanceNamed, note)
    })?;
    let compared = match about.tell {
        Trace::Silent => String::new(),
        Trace::Aloud => {
            let id = event.id.map(|id| id.to_string());
            let id = id.unwrap_or_else(|| "an event without EventID".to_owned());
            let what = claimed(&claim);
            format!("{id} of {} {}: {what}", event.kind, event.source)
        }
    };
    Ok((claim, compared))
}

fn claimed(claim: &Claim) -> String {
    match claim {
        Claim::Started(instance) => format!("a failover to {instance} started"),
        Claim::Completed(instance) => format!("a failover to {instance} completed"),
        Claim::Restored(instance) => format!("{instance} is the writer again"),
        Claim::RequireReading => "who writes, or where, may have changed".to_owned(),
        Claim::Nothing => "nothing about the writer".to_owned(),
    }
}

/// What an event asks for.
enum Asks {
    /// That the route points at this instance.
    Point(InstanceId, MoveMode),
    /// That the sources say where it points.
    Sources(Verdict),
}

fn what_it_asks(about: &About<'_>, claim: Claim) -> Ruled<Asks> {
    let ignored = |reason, note: String| Verdict::new(Outcome::Ignored, reason, note);
    let settled = |reason, note| Err(ignored(reason, note).into());
    let ask = |note: &str| {
        let asked = Asks::Sources(ignored(Reason::SourcesAsked, note.to_owned()));
        let compared = about.tell.words(format_args!("it is a reason to ask the sources"));
        Ok((asked, compared))
    };
    let point = |instance: InstanceId, reach, why: &str| {
        let how = match reach {
            MoveMode::Swap => "alone",
            MoveMode::Register => "beside the old one",
        };
        let to = format_args!("{why}: the route is to point at {instance} {how}");
        let compared = about.tell.words(to);
        Ok((Asks::Point(instance, reach), compared))
    };
    match (claim, about.route.on_started) {
        (Claim::Started(_) | Claim::Completed(_) | Claim::Restored(_), _)
            if about.route.policy.role == Role::Readers =>
        {
            ask("the writer moves, so the readers are others: the sources are asked")
        }
        (Claim::Completed(instance) | Claim::Restored(instance), _) => {
            point(instance, MoveMode::Swap, "it is over")
        }
        (Claim::Started(instance), OnStarted::Swap) => {
            point(instance, MoveMode::Swap, "on_started = \"swap\"")
        }
        (Claim::Started(instance), OnStarted::Register) => {
            point(instance, MoveMode::Register, "on_started = \"register\"")
        }
        (Claim::Started(instance), OnStarted::Wait) => settled(
            Reason::WaitsForCompletion,
            format!("failover to {instance} started; on_started = \"wait\" waits for its completion"),
        ),
        (Claim::RequireReading, _) if about.route.policy.discovery.is_empty() => settled(
            Reason::NoSources,
            "the event does not say who writes, or where; and the route has no discovery source".to_owned(),
        ),
        (Claim::RequireReading, _) => {
            ask("the event does not say who writes, or where: the sources are asked")
        }
        (Claim::Nothing, _) => {
            let what = match about.event.id {
                Some(id) => format!("{id} of a {}", about.event.kind),
                None => "an event without EventID".to_owned(),
            };
            settled(Reason::NotAFailover, format!("{what} moves no route"))
        }
    }
}

fn is_credible(about: &About<'_>) -> Ruled<()> {
    let (at, now) = (about.event.at, about.now);
    let ahead = at.since(now);
    if ahead > EVENT_AHEAD_MAX {
        let note = format!(
            "the event's time {at} is {} s ahead of the worker's clock; at most {} s are believed",
            ahead.as_secs(),
            EVENT_AHEAD_MAX.as_secs()
        );
        return Err(Verdict::new(Outcome::Rejected, Reason::EventInFuture, note).into());
    }
    let compared = format_args!("its time is {at}, and the clock says {now}");
    Ok(((), about.tell.words(compared)))
}

fn says_who_writes(asks: Asks, tell: Trace) -> Ruled<(InstanceId, MoveMode)> {
    match asks {
        Asks::Point(instance, reach) => {
            let compared = tell.words(format_args!("{instance}, by the event itself"));
            Ok(((instance, reach), compared))
        }
        Asks::Sources(verdict) => Err(Box::new(Decision::Ask(verdict))),
    }
}

/// I3: evidence that is not newer than what the route knows never moves it. The event that did is let
/// through, since its own half-done transition has to be resumed; and so is the same evidence for the same
/// instance, which a person hands in again after every attempt failed.
fn is_news(about: &About<'_>, order: EvidenceOrder, instance: &InstanceId) -> Ruled<()> {
    let passed = |words: std::fmt::Arguments<'_>| Ok(((), about.tell.words(words)));
    let Some(known) = about.control.newest() else {
        return passed(format_args!("the route knows of no evidence yet"));
    };
    if known.event == about.key {
        return passed(format_args!("it is the event that points the route there"));
    }
    let (said_at, known_at, there) = (order.at, known.evidence.at, &known.instance);
    if order > known.evidence {
        return passed(format_args!(
            "evidence of {said_at} is newer than that of {known_at}, which points the route at {there}"
        ));
    }
    if order == known.evidence && instance == there {
        return passed(format_args!(
            "evidence of {said_at} points the route at {there}, as what is known does"
        ));
    }
    let note = format!(
        "evidence of {said_at} is not newer than that of {known_at}, which points the route at {there}"
    );
    Err(Verdict::new(Outcome::Superseded, Reason::EvidenceNotNewer, note).into())
}

/// Evidence of long ago says who wrote then. Where there are sources they are asked who writes now; where there are
/// none nobody knows, and a person has to say.
fn is_young(about: &About<'_>, instance: &InstanceId) -> Ruled<()> {
    let policy = &about.route.policy;
    let age = about.now.since(about.event.at);
    let (seconds, max) = (age.as_secs(), policy.evidence_age_limit().as_secs());
    let passed = |but: &str| {
        let compared = format_args!("the event is {seconds} s old; evidence_age_max_seconds = {max}{but}");
        Ok(((), about.tell.words(compared)))
    };
    if age <= policy.evidence_age_limit() {
        return passed("");
    }
    let mut known = about.control.newest().into_iter();
    if known.any(|known| known.event == about.key) {
        return passed(", but it points the route there already");
    }
    let old = format!("the event is {seconds} s old, more than evidence_age_max_seconds = {max}");
    if policy.discovery.is_empty() {
        let (days, route) = (seconds / SECONDS_OF_A_DAY, &about.route.name);
        let note = format!(
            "{old}: after {days} days somebody else may write, and this route has nobody to ask; if {instance} is the \
             writer, `writerlink swap {route} --to {instance}`"
        );
        return Err(Verdict::new(Outcome::Rejected, Reason::EvidenceTooOld, note).into());
    }
    let note = format!("{old}: the sources are asked");
    let verdict = Verdict::new(Outcome::Ignored, Reason::EvidenceTooOld, note);
    Err(Box::new(Decision::Ask(verdict)))
}
