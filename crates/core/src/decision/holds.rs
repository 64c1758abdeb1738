//! Holds: what keeps a decided move from being made (I7).

use crate::decision::checks::{DecisionCheck, Trace, Tracer};
use crate::decision::verdict::{Decision, Ruled};
use crate::evidence::desired::Desired;
use crate::ledger::holds::{ActiveSuspension, Blocked, FLAP_WITHIN, Safety};
use crate::ledger::state::{Assignment, RouteContext};
use crate::model::reason::Rule;
use crate::model::route::Route;
use crate::model::time::Timestamp;

/// Decides to move, unless a safety rule that is not overridden holds the route (I7).
#[must_use]
pub fn hold_or_move(
    route: &Route,
    control: &Assignment,
    desired: Desired,
    now: Timestamp,
    overrides: &[Rule],
) -> Decision {
    let tracer = &mut Tracer::default();
    check_holds(RouteContext { route, control, now }, desired, overrides, tracer)
}

/// As [`hold_or_move`], with each check recorded.
pub(crate) fn check_holds(
    context: RouteContext<'_>,
    desired: Desired,
    overrides: &[Rule],
    tracer: &mut Tracer,
) -> Decision {
    let trace = tracer.trace;
    for rule in Rule::IN_ORDER {
        let held = context.control.safety.held_by(rule, context.route, context.now);
        let free = check_rule(rule, held, &desired, overrides, trace);
        if let Err(held) = tracer.ask(DecisionCheck::Free(rule), free) {
            return *held;
        }
    }
    let checked = check_flapping(context, &desired, overrides, trace);
    match tracer.ask(DecisionCheck::FewMoves, checked) {
        Ok(()) => Decision::Move(desired),
        Err(held) => *held,
    }
}

fn check_rule(
    rule: Rule,
    held: Option<ActiveSuspension<'_>>,
    desired: &Desired,
    overrides: &[Rule],
    trace: Trace,
) -> Ruled<()> {
    let Some(held) = held else {
        let free = match rule {
            Rule::Frozen => "no freeze is in force",
            Rule::Paused => "no pause is in force",
            Rule::Flapping => "flap protection does not hold it",
            Rule::Pinned => "it is not pinned",
            Rule::Observing => "mode = \"enforce\"",
        };
        return Ok(((), trace.words(format_args!("{free}"))));
    };
    if !held.keeps_from(desired.target) {
        return Ok(((), trace.words(format_args!("{held}, which is the desired target"))));
    }
    if overrides.contains(&rule) {
        return Ok(((), trace.words(format_args!("{held}; the command overrides it"))));
    }
    let note = held.to_string();
    Err(Box::new(Decision::Hold(desired.clone(), Blocked { rule, note })))
}

fn check_flapping(
    RouteContext { route, control, now }: RouteContext<'_>,
    desired: &Desired,
    overrides: &[Rule],
    trace: Trace,
) -> Ruled<()> {
    let standing = control.desired.as_ref();
    if standing.is_some_and(|standing| standing.target == desired.target) {
        let target = desired.target;
        return Ok(((), trace.words(format_args!("its target stays {target}"))));
    }
    let (safety, max) = (&control.safety, route.policy.flap_moves_max);
    let flaps = safety.flaps(now, max);
    if flaps && !overrides.contains(&Rule::Flapping) {
        let blocked =
            Blocked { rule: Rule::Flapping, note: format!("flapping: {}", Safety::flap_stop(now).reason) };
        return Err(Box::new(Decision::Hold(desired.clone(), blocked)));
    }
    let overridden = if flaps { "; the command overrides it" } else { "" };
    let compared = trace.words(format_args!(
        "changes of target in the last {} minutes: {}; flap_moves_max = {max}{overridden}",
        FLAP_WITHIN.as_secs() / 60,
        safety.moves_lately(now)
    ));
    Ok(((), compared))
}
