//! The target state of a route by a reading of its discovery sources, or by an operator's command.
//!
//! Each reconcile pass computes it, without any event. A reading moves the route only once it has been stable for a
//! while, and never against a recent event: RDS's API and names lag behind its own failover events. A source behind a
//! cache may lag for hours, so an answer that has not changed since before the newest evidence never outranks it
//! ([`crate::ledger::sources`]).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::decision::admission::admit;
use crate::decision::checks::{DecisionCheck, Trace, Tracer};
use crate::decision::holds::check_holds;
use crate::decision::verdict::{Decision, Verdict};
use crate::evidence::desired::Desired;
use crate::evidence::discovery::{Discovery, Freshness, Member, Reading, STEADY_AFTER_A_MOVE, SourceReports};
use crate::evidence::event::{EventKey, EvidenceOrder, RANK_COMMAND, RANK_COMPLETED, RANK_READING};
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

/// What a reconcile pass should do about a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetDecision {
    /// Desired is applied already: only drift is repaired.
    Keep(Desired),
    /// Move it there.
    Follow(Desired),
    /// Read again: the sources name another target, but not for long enough.
    Confirm,
    /// Change nothing for now, for this reason.
    Wait(Verdict),
    /// Leave the move to a newer event that waits: its message is on the way.
    LeftToEvent,
    /// There is no evidence yet.
    Unknown,
}

/// The target state of `route`, by the ledger and the sources.
///
/// No move overtakes an event that waits for quota or for an address (I10): the route would go there and back. The
/// waiting event is not accepted yet, so older or lagging evidence seems to be the newest.
#[must_use]
pub fn target_state(
    route: &Route,
    control: &Assignment,
    key: EventKey,
    reading: &Reading,
    now: Timestamp,
) -> TargetDecision {
    let pinned = control.safety.pinned(now).is_some();
    match target_by_evidence(route, control, key, reading, now) {
        TargetDecision::Follow(desired) if !pinned && is_left_to_an_event(control, &desired, now) => {
            TargetDecision::LeftToEvent
        }
        state @ (TargetDecision::Keep(_)
        | TargetDecision::Follow(_)
        | TargetDecision::Confirm
        | TargetDecision::Wait(_)
        | TargetDecision::LeftToEvent
        | TargetDecision::Unknown) => state,
    }
}

/// Whether an event that waits will move the route elsewhere than there.
fn is_left_to_an_event(control: &Assignment, desired: &Desired, now: Timestamp) -> bool {
    let waits = control.unresolved_event.as_ref();
    let waits = waits.filter(|event| event.comes_back(now));
    waits.is_some_and(|event| event.names.as_ref() != Some(&desired.instance)) && control.is_moved_by(desired)
}

fn target_by_evidence(
    route: &Route,
    control: &Assignment,
    key: EventKey,
    reading: &Reading,
    now: Timestamp,
) -> TargetDecision {
    if let Some(pin) = control.safety.pinned(now) {
        return match &control.desired {
            Some(standing) if standing.target == pin.target => TargetDecision::Keep(standing.clone()),
            standing => TargetDecision::Follow(Desired {
                instance: pin.instance.clone(),
                target: pin.target,
                additional_targets: BTreeSet::new(),
                move_mode: MoveMode::Swap,
                evidence: newest_of(standing.as_ref(), pin.stop.since, RANK_COMMAND),
                event: key,
            }),
        };
    }
    let known = control.newest();
    let members = match &reading.discovery {
        Discovery::NoSources => {
            return known.map_or(TargetDecision::Unknown, |known| keep_or_follow(route, control, known));
        }
        Discovery::Unclear(why) => {
            return TargetDecision::Wait(Verdict::new(Outcome::Ignored, Reason::SourcesUnclear, why));
        }
        Discovery::Members { writer, readers } => wanted(route, known, writer, readers),
    };
    let (primary, additional_targets) = match admitted(route, members) {
        Ok(admitted) => admitted,
        Err(verdict) => return TargetDecision::Wait(verdict),
    };
    let (instance, target) = primary;
    if known.map(|known| known.event) != reading.worth.against {
        // The reading was compared with older evidence: the route has moved since.
        return TargetDecision::Confirm;
    }
    if let Some(known) = known {
        let same = known.target == target
            && known.additional_targets == additional_targets
            && known.move_mode == MoveMode::Swap;
        if same || outranks_sources(route, control, known, now) || is_lagging(route, control, reading, now) {
            return keep_or_follow(route, control, known);
        }
    }
    // Instances that are asked themselves do not flap as names do.
    let may_flap = known.filter(|_| !is_without_lag(&route.policy.discovery));
    if !is_stable(may_flap, reading, now) {
        return TargetDecision::Confirm;
    }
    TargetDecision::Follow(Desired {
        instance,
        target,
        additional_targets,
        move_mode: MoveMode::Swap,
        evidence: newest_of(known, reading.at, RANK_READING),
        event: key,
    })
}

/// The newest evidence, applied or held, if the configuration still allows its target (I5).
fn keep_or_follow(route: &Route, control: &Assignment, known: &Desired) -> TargetDecision {
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
/// command, announce what is to be: they are trusted against every source, or the route would go there and back.
fn outranks_sources(route: &Route, control: &Assignment, known: &Desired, now: Timestamp) -> bool {
    let overtaken = known.evidence.rank == RANK_COMPLETED && is_without_lag(&route.policy.discovery);
    !overtaken && is_trusted(route, control, known, now)
}

/// Whether an event or a command is so recent that it outranks the sources.
#[must_use]
pub fn is_trusted(route: &Route, control: &Assignment, known: &Desired, now: Timestamp) -> bool {
    let EvidenceOrder { at, rank } = known.evidence;
    let called_off = rank < RANK_COMPLETED && control.require_reading.is_some_and(|failed| failed > at);
    rank != RANK_READING && now.since(at) < route.policy.trust_event && !called_off
}

/// I3: an answer that has not changed since before the newest evidence is no newer than that. A worker that started
/// later cannot compare. Then the answer must be stable in its own readings for `trust_event`, and recorded as a conflict
/// for longer, so that another worker whose sources agree with the evidence can object.
fn is_lagging(route: &Route, control: &Assignment, reading: &Reading, now: Timestamp) -> bool {
    match reading.worth.since {
        Freshness::Changed => false,
        Freshness::Unknown => !is_unopposed(route, control, reading, now),
        Freshness::Unchanged => true,
    }
}

fn is_unopposed(route: &Route, control: &Assignment, reading: &Reading, now: Timestamp) -> bool {
    let trust = route.policy.trust_event;
    let stood = reading.stood.is_some_and(|stood| stood >= trust);
    let recorded = control.source_conflict.as_ref().is_some_and(|conflict| {
        let for_long = now.since(conflict.since) >= trust.saturating_add(CONFLICT_AFTER);
        for_long && conflict.reason != Reason::WorkersDisagree
    });
    stood && recorded
}

/// How the sources contradict the newest evidence: another writer, one that the route may not point at, different
/// answers, or no clear one. A pinned route has no contradiction: a person chose its target.
#[must_use]
pub fn contradiction(
    route: &Route,
    control: &Assignment,
    reports: &SourceReports,
    reading: &Reading,
    now: Timestamp,
) -> Option<Verdict> {
    if control.safety.pinned(now).is_some() {
        return None;
    }
    let newest = control.newest();
    let members = match reports.discovery() {
        Discovery::NoSources => return None,
        Discovery::Unclear(why) => {
            return Some(Verdict::new(Outcome::Ignored, Reason::SourcesUnclear, why));
        }
        Discovery::Members { writer, readers } => wanted(route, newest, &writer, &readers),
    };
    let (primary, additional_targets) = match admitted(route, members) {
        Ok(admitted) => admitted,
        Err(verdict) => return Some(verdict),
    };
    let known =
        newest.filter(|known| known.target != primary.1 || known.additional_targets != additional_targets)?;
    let why = match reading.worth.since {
        _ if outranks_sources(route, control, known, now) => "young evidence outranks the sources",
        Freshness::Unchanged => "their answer has not changed since before that, so it may be an old one",
        Freshness::Unknown => "this worker started later and cannot tell whether their answer is an old one",
        Freshness::Changed => "their answer has yet to stand for a while",
    };
    let note = format!(
        "{reports}, but the evidence of {} points the route at {known_instance}, and the route stays there: {why}; if the \
         sources are right: writerlink swap {} --to {}",
        known.evidence.at,
        route.name,
        primary.0,
        known_instance = known.instance,
    );
    let (outcome, reason) = (Outcome::Ignored, Reason::SourcesContradict);
    Some(Verdict::new(outcome, reason, note))
}

/// A reading that moves the route must be stable. After a move by the sources it must outlast the time in which an
/// endpoint's name has been seen to flap.
fn is_stable(known: Option<&Desired>, reading: &Reading, now: Timestamp) -> bool {
    let just_moved = known.is_some_and(|known| {
        known.evidence.rank == RANK_READING
            && now.since(known.evidence.at) < STEADY_AFTER_A_MOVE.saturating_mul(2)
    });
    let needed = if just_moved { STEADY_AFTER_A_MOVE } else { Duration::ZERO };
    reading.stood.is_some_and(|stood| stood >= needed)
}

/// The members that the role wants in the group, the current one first.
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
        let note = "the sources name no member";
        return Err(Verdict::new(Outcome::Ignored, Reason::SourcesUnclear, note));
    };
    Ok((primary, targets.map(|(_, target)| target).collect()))
}

/// The member's name, from the source or else from the route's map.
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

/// The order of evidence of `at`, never older than the newest: the two may come from different clocks.
fn newest_of(known: Option<&Desired>, at: Timestamp, rank: u8) -> EvidenceOrder {
    let Some(known) = known else {
        return EvidenceOrder { at, rank };
    };
    let at = at.max(known.evidence.at);
    known.evidence.max(EvidenceOrder { at, rank })
}

/// Decides about a reading. The state may have changed since the reconcile pass read it.
pub(crate) fn decide_reading(
    context: RouteContext<'_>,
    key: EventKey,
    reading: &Reading,
    tracer: &mut Tracer,
) -> Decision {
    let state = match target_state(context.route, context.control, key, reading, context.now) {
        TargetDecision::Keep(desired) | TargetDecision::Follow(desired) => {
            let said = match reading.said.as_str() {
                "" => "no sources",
                said => said,
            };
            let to = &desired.instance;
            let compared = format_args!("{said}: the route is to point at {to}");
            let compared = tracer.trace.words(compared);
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
            "the route was moved during this reconcile pass",
        )),
    };
    match tracer.ask(DecisionCheck::Sources, state) {
        Ok(desired) => check_holds(context, desired, &[], tracer),
        Err(verdict) => verdict.into(),
    }
}

/// Decides about a command to move. A rule that holds the route rejects it unless the command overrides that rule.
pub(crate) fn decide_command(
    context: RouteContext<'_>,
    key: EventKey,
    command: &OperatorCommand,
    address: Option<IpAddr>,
    tracer: &mut Tracer,
) -> Decision {
    let admitted = tracer
        .ask(DecisionCheck::OrdersAMove, instance_of(command, tracer.trace))
        .and_then(|instance| Ok((instance, admit(context.route, instance, address, tracer)?)));
    let (instance, target) = match admitted {
        Ok(admitted) => admitted,
        Err(verdict) => return verdict.into(),
    };
    let desired = Desired {
        instance: instance.clone(),
        target,
        additional_targets: BTreeSet::new(),
        move_mode: MoveMode::Swap,
        evidence: newest_of(context.control.newest(), command.at, RANK_COMMAND),
        event: key,
    };
    match check_holds(context, desired, &command.overrides, tracer) {
        Decision::Hold(desired, blocked) => {
            let held = blocked.verdict(&desired);
            let note = format!("{}; --override {} goes past it", held.note, blocked.rule);
            Verdict::new(Outcome::Rejected, held.reason, note).into()
        }
        other @ (Decision::Move(_) | Decision::Ask(_) | Decision::Settle(_)) => other,
    }
}

fn instance_of(command: &OperatorCommand, trace: Trace) -> Result<(&InstanceId, String), Verdict> {
    let instance = command.act.instance().ok_or_else(|| {
        let note = format!("{} moves no route", command.act.as_str());
        Verdict::new(Outcome::Ignored, Reason::NotAFailover, note)
    })?;
    Ok((instance, trace.words(format_args!("{command}"))))
}
