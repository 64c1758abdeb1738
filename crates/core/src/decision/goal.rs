//! Where a route should point by the sources' word, or by a person's.
//!
//! The timer asks this of every route without any event. It follows the sources only when their word has
//! stood for a while, and never against an event of a moment ago: RDS's API and names lag behind a failover
//! that its events have already told of. A source behind a cache may lag for hours: one whose answer has not changed
//! since before the newest evidence never outranks that ([`crate::ledger::sources`]).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::decision::admission::admit;
use crate::decision::checks::{DecisionCheck, Trace, Tracer};
use crate::decision::holds::held_back;
use crate::decision::verdict::{Decision, Verdict};
use crate::evidence::desired::Desired;
use crate::evidence::discovery::{Discovery, Freshness, Member, Reading, STEADY_AFTER_A_MOVE, SourceReports};
use crate::evidence::event::{EventKey, EvidenceOrder, RANK_COMPLETED, RANK_ORDER, RANK_TRUTH};
use crate::evidence::sql::is_without_lag;
use crate::evidence::trigger::OperatorCommand;
use crate::ledger::sources::CONFLICT_AFTER;
use crate::ledger::state::{Assignment, RouteContext};
use crate::model::names::InstanceId;
use crate::model::outcome::Outcome;
use crate::model::policy::Role;
use crate::model::reason::Reason;
use crate::model::route::Route;
use crate::model::target::{MoveMode, Target};
use crate::model::time::Timestamp;

/// Where the timer should see a route point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetDecision {
    /// Where it points already: only a group that differs is to be put right.
    Keep(Desired),
    /// Elsewhere.
    Follow(Desired),
    /// Elsewhere, once the sources have said so often enough.
    Confirm,
    /// Nowhere new for now, for this reason.
    Wait(Verdict),
    /// Elsewhere, but a newer event that waits moves it there, or further: its message is on the way.
    LeftToEvent,
    /// Nobody has ever said anything about it.
    Unknown,
}

/// Where `route` should point, by everything that the ledger and the sources say.
///
/// No move goes past an event that waits for its turn or for an address (I10): the route would go there and back. The
/// event is not accepted yet, so what is older, or lags behind it, seems to be the newest that there is.
#[must_use]
pub fn aim(
    route: &Route,
    control: &Assignment,
    key: EventKey,
    seen: &Reading,
    now: Timestamp,
) -> TargetDecision {
    let pinned = control.safety.pinned(now).is_some();
    match aim_by_what_is_known(route, control, key, seen, now) {
        TargetDecision::Follow(desired) if !pinned && is_left_to_an_event(control, &desired, now) => {
            TargetDecision::LeftToEvent
        }
        aimed @ (TargetDecision::Keep(_)
        | TargetDecision::Follow(_)
        | TargetDecision::Confirm
        | TargetDecision::Wait(_)
        | TargetDecision::LeftToEvent
        | TargetDecision::Unknown) => aimed,
    }
}

/// Whether an event that waits will move the route elsewhere than there.
fn is_left_to_an_event(control: &Assignment, desired: &Desired, now: Timestamp) -> bool {
    let waits = control.unresolved_event.as_ref();
    let waits = waits.filter(|event| event.comes_back(now));
    waits.is_some_and(|event| event.names.as_ref() != Some(&desired.instance)) && control.is_moved_by(desired)
}

fn aim_by_what_is_known(
    route: &Route,
    control: &Assignment,
    key: EventKey,
    seen: &Reading,
    now: Timestamp,
) -> TargetDecision {
    if let Some(pin) = control.safety.pinned(now) {
        return match &control.desired {
            Some(standing) if standing.target == pin.target => TargetDecision::Keep(standing.clone()),
            standing => TargetDecision::Follow(Desired {
                instance: pin.instance.clone(),
                target: pin.target,
                beside: BTreeSet::new(),
                reach: MoveMode::Swap,
                evidence: newest_of(standing.as_ref(), pin.stop.since, RANK_ORDER),
                event: key,
            }),
        };
    }
    let known = control.newest();
    let members = match &seen.discovery {
        Discovery::NoSources => {
            return known.map_or(TargetDecision::Unknown, |known| follow(route, control, known));
        }
        Discovery::Unclear(why) => {
            return TargetDecision::Wait(Verdict::new(Outcome::Ignored, Reason::SourcesUnclear, why));
        }
        Discovery::Members { writer, readers } => wanted(route, known, writer, readers),
    };
    let (primary, beside) = match admitted(route, members) {
        Ok(admitted) => admitted,
        Err(verdict) => return TargetDecision::Wait(verdict),
    };
    let (instance, target) = primary;
    if known.map(|known| known.event) != seen.worth.against {
        // It was held against other evidence: the route has been moved since.
        return TargetDecision::Confirm;
    }
    if let Some(known) = known {
        let same = known.target == target && known.beside == beside && known.reach == MoveMode::Swap;
        if same || outranks_sources(route, control, known, now) || is_lagging(route, control, seen, now) {
            return follow(route, control, known);
        }
    }
    // Instances that are asked themselves do not flap as names do.
    let may_flap = known.filter(|_| !is_without_lag(&route.policy.discovery));
    if !stood_long_enough(may_flap, seen, now) {
        return TargetDecision::Confirm;
    }
    TargetDecision::Follow(Desired {
        instance,
        target,
        beside,
        reach: MoveMode::Swap,
        evidence: newest_of(known, seen.at, RANK_TRUTH),
        event: key,
    })
}

/// The newest evidence, where it is applied already and where it was held back; if the route may still point
/// there, since its configuration may be another one by now (I5).
fn follow(route: &Route, control: &Assignment, known: &Desired) -> TargetDecision {
    if let Err(verdict) = admit(route, &known.instance, Some(known.target.ip), &mut Tracer::default()) {
        return TargetDecision::Wait(verdict);
    }
    if control.desired.as_ref() == Some(known) {
        TargetDecision::Keep(known.clone())
    } else {
        TargetDecision::Follow(known.clone())
    }
}

/// Whether young evidence outranks the route's sources.
///
/// Sources without lag know better at once than an event of what has happened. A failover that only started, and a
/// command, say what is to be: they are trusted against every source, or the route would go there and back.
fn outranks_sources(route: &Route, control: &Assignment, known: &Desired, now: Timestamp) -> bool {
    let overtaken = known.evidence.rank == RANK_COMPLETED && is_without_lag(&route.policy.discovery);
    !overtaken && is_trusted(route, control, known, now)
}

/// Whether an event, or a person, said so too recently for the sources to know better.
#[must_use]
pub fn is_trusted(route: &Route, control: &Assignment, known: &Desired, now: Timestamp) -> bool {
    let EvidenceOrder { at, rank } = known.evidence;
    let called_off = rank < RANK_COMPLETED && control.require_reading.is_some_and(|failed| failed > at);
    rank != RANK_TRUTH && now.since(at) < route.policy.trust_event && !called_off
}

/// I3: an answer that has not changed since before the newest evidence is no newer than that. Where this worker cannot
/// tell, since it started later, the answer has to stand in its own readings for as long as an event is trusted, and
/// to be recorded for longer, so that any other worker whose sources agree with the evidence can object.
fn is_lagging(route: &Route, control: &Assignment, seen: &Reading, now: Timestamp) -> bool {
    match seen.worth.since {
        Freshness::Changed => false,
        Freshness::Unknown => !is_unopposed(route, control, seen, now),
        Freshness::Unchanged => true,
    }
}

fn is_unopposed(route: &Route, control: &Assignment, seen: &Reading, now: Timestamp) -> bool {
    let trust = route.policy.trust_event;
    let stood = seen.stood.is_some_and(|stood| stood >= trust);
    let told = control.source_conflict.as_ref().is_some_and(|conflict| {
        let for_long = now.since(conflict.since) >= trust.saturating_add(CONFLICT_AFTER);
        for_long && conflict.reason != Reason::WorkersDisagree
    });
    stood && told
}

/// What the sources say against the newest evidence, if they do: they name somebody else or one whom the route may not
/// point at, differ, or cannot tell. A pin is a person's word against them, on purpose.
#[must_use]
pub fn contradiction(
    route: &Route,
    control: &Assignment,
    reading: &SourceReports,
    seen: &Reading,
    now: Timestamp,
) -> Option<Verdict> {
    if control.safety.pinned(now).is_some() {
        return None;
    }
    let newest = control.newest();
    let members = match reading.discovery() {
        Discovery::NoSources => return None,
        Discovery::Unclear(why) => {
            return Some(Verdict::new(Outcome::Ignored, Reason::SourcesUnclear, why));
        }
        Discovery::Members { writer, readers } => wanted(route, newest, &writer, &readers),
    };
    let (primary, beside) = match admitted(route, members) {
        Ok(admitted) => admitted,
        Err(verdict) => return Some(verdict),
    };
    let known = newest.filter(|known| known.target != primary.1 || known.beside != beside)?;
    let why = match seen.worth.since {
        _ if outranks_sources(route, control, known, now) => "young evidence outranks the sources",
        Freshness::Unchanged => "their answer has not changed since before that, so it may be an old one",
        Freshness::Unknown => "this worker started later and cannot tell whether their answer is an old one",
        Freshness::Changed => "their answer has yet to stand for a while",
    };
    let note = format!(
        "{reading}, but the evidence of {} points the route at {known_instance}, and there it stays: {why}; if the \
         sources are right: writerlink swap {} --to {}",
        known.evidence.at,
        route.name,
        primary.0,
        known_instance = known.instance,
    );
    let (outcome, reason) = (Outcome::Ignored, Reason::SourcesContradict);
    Some(Verdict::new(outcome, reason, note))
}

/// A reading that would move the route has to stand; after a move by the sources' word, through the time in
/// which an endpoint's name has been seen to flap.
fn stood_long_enough(known: Option<&Desired>, seen: &Reading, now: Timestamp) -> bool {
    let just_moved = known.is_some_and(|known| {
        known.evidence.rank == RANK_TRUTH
            && now.since(known.evidence.at) < STEADY_AFTER_A_MOVE.saturating_mul(2)
    });
    let needed = if just_moved { STEADY_AFTER_A_MOVE } else { Duration::ZERO };
    seen.stood.is_some_and(|stood| stood >= needed)
}

/// Whom the route's role wants in the group: first the one that the group is known by.
fn wanted(route: &Route, known: Option<&Desired>, writer: &Member, readers: &[Member]) -> Vec<Member> {
    match route.policy.role {
        Role::Writer => vec![writer.clone()],
        Role::Readers if readers.is_empty() => vec![writer.clone()],
        Role::Readers => {
            let mut readers = readers.to_vec();
            let is_known = |m: &Member| known.is_some_and(|known| known.target.ip == m.ip);
            readers.sort_by_key(|member| (!is_known(member), member.clone()));
            readers
        }
    }
}

type Admitted = ((InstanceId, Target), BTreeSet<Target>);

/// The targets of members, if the route may point at every one of them (I5).
fn admitted(route: &Route, members: Vec<Member>) -> Result<Admitted, Verdict> {
    let mut targets = Vec::new();
    for member in members {
        let instance = name_of(route, &member)?;
        let target = admit(route, &instance, Some(member.ip), &mut Tracer::default())?;
        targets.push((instance, target));
    }
    let mut targets = targets.into_iter();
    let Some(primary) = targets.next() else {
        let note = "the sources name nobody";
        return Err(Verdict::new(Outcome::Ignored, Reason::SourcesUnclear, note));
    };
    Ok((primary, targets.map(|(_, target)| target).collect()))
}

/// The member's name, from whoever knows it: the source, else the route's own map.
fn name_of(route: &Route, member: &Member) -> Result<InstanceId, Verdict> {
    let mapped = || {
        let by_address = route.instances.iter().find(|(_, ip)| **ip == member.ip);
        by_address.map(|(instance, _)| instance.clone())
    };
    member.instance.clone().or_else(mapped).ok_or_else(|| {
        let note = format!(
            "address {} belongs to no instance known to route {}; add it under [route.instances], or let discovery \
             include \"rds\"",
            member.ip, route.name
        );
        Verdict::new(Outcome::Rejected, Reason::UnknownInstance, note)
    })
}

/// The order of evidence said at `at`, never older than what is known: the source's reader and whoever wrote
/// the known evidence went by clocks of their own.
fn newest_of(known: Option<&Desired>, at: Timestamp, rank: u8) -> EvidenceOrder {
    let Some(known) = known else {
        return EvidenceOrder { at, rank };
    };
    let at = at.max(known.evidence.at);
    known.evidence.max(EvidenceOrder { at, rank })
}

/// What is to be done about a reading for which the timer saw reason to act. The ledger may stand differently
/// than when it saw it.
pub(crate) fn about_reading(
    context: RouteContext<'_>,
    key: EventKey,
    seen: &Reading,
    trail: &mut Tracer,
) -> Decision {
    let aimed = match aim(context.route, context.control, key, seen, context.now) {
        TargetDecision::Keep(desired) | TargetDecision::Follow(desired) => {
            let said = match seen.said.as_str() {
                "" => "nobody is asked",
                said => said,
            };
            let to = &desired.instance;
            let compared = format_args!("{said}: the route is to point at {to}");
            let compared = trail.tell.words(compared);
            Ok((desired, compared))
        }
        TargetDecision::Wait(verdict) => Err(verdict),
        TargetDecision::LeftToEvent => Err(Verdict::new(
            Outcome::Superseded,
            Reason::EvidenceNotNewer,
            "a newer event waits, and moves the route next",
        )),
        TargetDecision::Confirm | TargetDecision::Unknown => Err(Verdict::new(
            Outcome::Superseded,
            Reason::EvidenceNotNewer,
            "the route was moved while it was looked at",
        )),
    };
    match trail.ask(DecisionCheck::Sources, aimed) {
        Ok(desired) => held_back(context, desired, &[], trail),
        Err(verdict) => verdict.into(),
    }
}

/// What is to be done about an order to move. A rule that holds the route back refuses it unless the order
/// names that rule.
pub(crate) fn about_order(
    context: RouteContext<'_>,
    key: EventKey,
    order: &OperatorCommand,
    address: Option<IpAddr>,
    trail: &mut Tracer,
) -> Decision {
    let ordered = trail
        .ask(DecisionCheck::OrdersAMove, instance_of(order, trail.tell))
        .and_then(|instance| Ok((instance, admit(context.route, instance, address, trail)?)));
    let (instance, target) = match ordered {
        Ok(ordered) => ordered,
        Err(verdict) => return verdict.into(),
    };
    let desired = Desired {
        instance: instance.clone(),
        target,
        beside: BTreeSet::new(),
        reach: MoveMode::Swap,
        evidence: newest_of(context.control.newest(), order.at, RANK_ORDER),
        event: key,
    };
    match held_back(context, desired, &order.overrides, trail) {
        Decision::Hold(desired, brake) => {
            let held = brake.verdict(&desired);
            let note = format!("{}; --override {} goes past it", held.note, brake.rule);
            Verdict::new(Outcome::Rejected, held.reason, note).into()
        }
        other @ (Decision::Move(_) | Decision::Ask(_) | Decision::Settle(_)) => other,
    }
}

fn instance_of(order: &OperatorCommand, tell: Trace) -> Result<(&InstanceId, String), Verdict> {
    let instance = order.act.instance().ok_or_else(|| {
        let note = format!("{} moves no route", order.act.as_str());
        Verdict::new(Outcome::Ignored, Reason::NotAFailover, note)
    })?;
    Ok((instance, tell.words(format_args!("{order}"))))
}
