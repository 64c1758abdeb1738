//! Holds: what keeps a decided move from being made (I7).

use crate::decision::checks::{DecisionCheck, Trace, Tracer};
use crate::decision::verdict::{Decision, Ruled};
use crate::evidence::desired::Desired;
use crate::ledger::holds::{ActiveSuspension, Blocked, FLAP_WITHIN, Safety};
use crate::ledger::state::{Assignment, RouteContext};
use crate::model::reason::Rule;
use crate::model::route::Route;
use crate::model::time::Timestamp;

/// Moves, unless a safety rule that is not overridden holds the route back (I7).
#[must_use]
pub fn unless_held_back(
    route: &Route,
    control: &Assignment,
    desired: Desired,
    now: Timestamp,
    overrides: &[Rule],
) -> Decision {
    let trail = &mut Tracer::default();
    held_back(RouteContext { route, control, now }, desired, overrides, trail)
}

/// The same, telling what was asked.
pub(crate) fn held_back(
    context: RouteContext<'_>,
    desired: Desired,
    overrides: &[Rule],
    trail: &mut Tracer,
) -> Decision {
    let tell = trail.tell;
    for rule in Rule::IN_ORDER {
        let held = context.control.safety.held_by(rule, context.route, context.now);
        let free = lets_go(rule, held, &desired, overrides, tell);
        if let Err(held) = trail.ask(DecisionCheck::Free(rule), free) {
            return *held;
        }
    }
    let few = few_moves(context, &desired, overrides, tell);
    match trail.ask(DecisionCheck::FewMoves, few) {
        Ok(()) => Decision::Move(desired),
        Err(held) => *held,
    }
}

fn lets_go(
    rule: Rule,
    held: Option<ActiveSuspension<'_>>,
    desired: &Desired,
    overrides: &[Rule],
    tell: Trace,
) -> Ruled<()> {
    let Some(held) = held else {
        let free = match rule {
            Rule::Frozen => "no freeze is in force",
            Rule::Paused => "no pause is in force",
            Rule::Flapping => "the flap rule has not stopped it",
            Rule::Pinned => "it is not pinned",
            Rule::Observing => "mode = \"enforce\"",
        };
        return Ok(((), tell.words(format_args!("{free}"))));
    };
    if !held.keeps_from(desired.target) {
        return Ok(((), tell.words(format_args!("{held}; that is where it goes"))));
    }
    if overrides.contains(&rule) {
        return Ok(((), tell.words(format_args!("{held}; the order overrides it"))));
    }
    let note = held.to_string();
    Err(Box::new(Decision::Hold(desired.clone(), Blocked { rule, note })))
}

fn few_moves(
    RouteContext { route, control, now }: RouteContext<'_>,
    desired: &Desired,
    overrides: &[Rule],
    tell: Trace,
) -> Ruled<()> {
    let standing = control.desired.as_ref();
    if standing.is_some_and(|standing| standing.target == desired.target) {
        let target = desired.target;
        return Ok(((), tell.words(format_args!("its target stays {target}"))));
    }
    let (safety, max) = (&control.safety, route.policy.flap_moves_max);
    let flaps = safety.flaps(now, max);
    if flaps && !overrides.contains(&Rule::Flapping) {
        let brake =
            Blocked { rule: Rule::Flapping, note: format!("flapping: {}", Safety::flap_stop(now).reason) };
        return Err(Box::new(Decision::Hold(desired.clone(), brake)));
    }
    let overridden = if flaps { "; the order overrides it" } else { "" };
    let compared = tell.words(format_args!(
        "changes of target in the last {} minutes: {}; flap_moves_max = {max}{overridden}",
        FLAP_WITHIN.as_secs() / 60,
        safety.moves_lately(now)
    ));
    Ok(((), compared))
}
