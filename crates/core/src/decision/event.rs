//! From evidence to a decision: move the route, or finish the event without a call.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::decision::admission::admit;
use crate::decision::checks::{DecisionCheck, DecisionTrace, Trace, Tracer};
use crate::decision::goal::{decide_command, decide_reading};
use crate::decision::holds::check_holds;
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
/// synchronization": "used by various AWS services"; the task metadata endpoint gives a task's `ClockErrorBound`, in
/// milliseconds), so 10 s are thousands of times what is real there. A host elsewhere needs NTP, which the lease needs too.
pub const EVENT_AHEAD_MAX: Duration = CLOCK_SKEW_MAX;

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// Decides about `evidence` for a route whose state is `control`: the decision at the end of [`trace`].
///
/// `address` is that of the instance which an event or a command names, from the route's own map or from a
/// lookup of ours, never from the event (I5); `None` when the instance is not known.
#[must_use]
pub fn decide(
    route: &Route,
    control: &Assignment,
    evidence: &Evidence,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Decision {
    let tracer = &mut Tracer::default();
    decide_traced(RouteContext { route, control, now }, evidence, address, tracer)
}

/// Decides as [`decide`], and returns every check on the way.
#[must_use]
pub fn trace(
    route: &Route,
    control: &Assignment,
    evidence: &Evidence,
    address: Option<IpAddr>,
    now: Timestamp,
) -> DecisionTrace {
    let mut tracer = Tracer { trace: Trace::On, ..Tracer::default() };
    let decision = decide_traced(RouteContext { route, control, now }, evidence, address, &mut tracer);
    DecisionTrace { asked: tracer.asked, decision }
}

fn decide_traced(
    context: RouteContext<'_>,
    evidence: &Evidence,
    address: Option<IpAddr>,
    tracer: &mut Tracer,
) -> Decision {
    let key = evidence.key;
    match &evidence.trigger {
        Trigger::Event(event) => {
            let RouteContext { route, control, now } = context;
            let about = About { route, control, key, event, address, now, trace: tracer.trace };
            decide_event(&about, tracer)
        }
        Trigger::Reading(reading) => decide_reading(context, key, reading, tracer),
        Trigger::Command(command) => decide_command(context, key, command, address, tracer),
    }
}

/// An event and everything that it is compared with.
struct About<'a> {
    route: &'a Route,
    control: &'a Assignment,
    key: EventKey,
    event: &'a RdsEvent,
    address: Option<IpAddr>,
    now: Timestamp,
    trace: Trace,
}

fn decide_event(about: &About<'_>, tracer: &mut Tracer) -> Decision {
    match desired_by_event(about, tracer) {
        Ok(desired) => {
            let context = RouteContext { route: about.route, control: about.control, now: about.now };
            check_holds(context, desired, &[], tracer)
        }
        Err(decision) => *decision,
    }
}

/// The checks run in the order in which a reader wants the first reason: what the event is, whether it can be true,
/// whether it is newer, what it requires. The holds come after them.
fn desired_by_event(about: &About<'_>, tracer: &mut Tracer) -> Result<Desired, Box<Decision>> {
    let claim = tracer.ask(DecisionCheck::NamesAnInstance, names_an_instance(about))?;
    let evidence = EvidenceOrder { at: about.event.at, rank: claim.rank() };
    let asked = tracer.ask(DecisionCheck::AsksForSomething, what_it_asks(about, claim))?;
    // Before a reading too: a failed failover ends the trust in failovers that started before it. One from the future
    // would end it for good.
    tracer.ask(DecisionCheck::NotFromTheFuture, is_credible(about))?;
    let (instance, move_mode) =
        tracer.ask(DecisionCheck::SaysWhoWrites, says_who_writes(asked, about.trace))?;
    tracer.ask(DecisionCheck::News, is_news(about, evidence, &instance))?;
    tracer.ask(DecisionCheck::Young, is_young(about, &instance))?;
    let target = admit(about.route, &instance, about.address, tracer)?;
    Ok(Desired {
        instance,
        target,
        additional_targets: BTreeSet::new(),
        move_mode,
        evidence,
        event: about.key,
    })
}

impl Blocked {
    /// The verdict of an attempt that is held, with the move that it would have made.
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
    let compared = match about.trace {
        Trace::Off => String::new(),
        Trace::On => {
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

/// What an event requires.
enum Asks {
    /// That the route points at this instance.
    Point(InstanceId, MoveMode),
    /// That the sources say where it points.
    Sources(Verdict),
}

fn what_it_asks(about: &About<'_>, claim: Claim) -> Ruled<Asks> {
    let ignored = |reason, note: String| Verdict::new(Outcome::Ignored, reason, note);
    let ignore = |reason, note| Err(ignored(reason, note).into());
    let ask = |note: &str| {
        let asked = Asks::Sources(ignored(Reason::SourcesAsked, note.to_owned()));
        let compared = about.trace.words(format_args!("it is a reason to ask the sources"));
        Ok((asked, compared))
    };
    let point = |instance: InstanceId, move_mode, why: &str| {
        let how = match move_mode {
            MoveMode::Swap => "alone",
            MoveMode::Register => "beside the old one",
        };
        let to = format_args!("{why}: the route is to point at {instance} {how}");
        let compared = about.trace.words(to);
        Ok((Asks::Point(instance, move_mode), compared))
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
        (Claim::Started(instance), OnStarted::Wait) => ignore(
            Reason::WaitsForCompletion,
            format!("failover to {instance} started; on_started = \"wait\" waits for its completion"),
        ),
        (Claim::RequireReading, _) if about.route.policy.discovery.is_empty() => ignore(
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
            ignore(Reason::NotAFailover, format!("{what} moves no route"))
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
    Ok(((), about.trace.words(compared)))
}

fn says_who_writes(asks: Asks, trace: Trace) -> Ruled<(InstanceId, MoveMode)> {
    match asks {
        Asks::Point(instance, move_mode) => {
            let compared = trace.words(format_args!("{instance}, by the event itself"));
            Ok(((instance, move_mode), compared))
        }
        Asks::Sources(verdict) => Err(Box::new(Decision::Ask(verdict))),
    }
}

/// I3: evidence that is not newer than the route's newest never moves it. The event that set it passes, since its own
/// transition may be half done. So does the same evidence for the same instance, which a person replays after every
/// attempt failed.
fn is_news(about: &About<'_>, order: EvidenceOrder, instance: &InstanceId) -> Ruled<()> {
    let passed = |words: std::fmt::Arguments<'_>| Ok(((), about.trace.words(words)));
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

/// Old evidence names the writer of that time. With sources, a reading names the writer of now. Without them a person
/// has to name it.
fn is_young(about: &About<'_>, instance: &InstanceId) -> Ruled<()> {
    let policy = &about.route.policy;
    let age = about.now.since(about.event.at);
    let (seconds, max) = (age.as_secs(), policy.evidence_age_limit().as_secs());
    let passed = |but: &str| {
        let compared = format_args!("the event is {seconds} s old; evidence_age_max_seconds = {max}{but}");
        Ok(((), about.trace.words(compared)))
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
            "{old}: after {days} days another instance may write, and this route has no sources; if {instance} is the \
             writer, `writerlink swap {route} --to {instance}`"
        );
        return Err(Verdict::new(Outcome::Rejected, Reason::EvidenceTooOld, note).into());
    }
    let note = format!("{old}: the sources are asked");
    let verdict = Verdict::new(Outcome::Ignored, Reason::EvidenceTooOld, note);
    Err(Box::new(Decision::Ask(verdict)))
}
