//! What an order would do, found out by reading alone.

use crate::cli::failure::Failure;
use crate::cli::plan::{PlanRow, looking, rows};
use writerlink_core::decision::verdict::{Decision, Verdict};
use writerlink_core::evidence::trigger::{CommandKind, Evidence, OperatorCommand, Trigger};
use writerlink_core::ledger::holds::Safety;
use writerlink_core::ledger::state::{Assignment, RouteState};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::attempt::DryRun;
use writerlink_engine::ports::Ports;

/// What an order would do to one route.
pub(super) struct Foreseen<'a> {
    pub(super) route: &'a Route,
    pub(super) rows: Vec<PlanRow>,
    pub(super) outlook: Outlook,
}

/// In a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It would be carried out.
    Acts,
    /// There is nothing to lift.
    Nothing,
    /// A rule would refuse it.
    Refused(Verdict),
}

/// What `order` would do to each of the routes. A move is held against the ledger and the group; everything else
/// against the ledger alone, so that a route can be stopped while the load balancer does not answer.
pub(super) async fn foresee<'a>(
    ports: &Ports,
    routes: &[&'a Route],
    order: &OperatorCommand,
) -> Result<Vec<Foreseen<'a>>, Failure> {
    let dry_run = DryRun::new(ports);
    let mut foreseen = Vec::new();
    for route in routes.iter().copied() {
        foreseen.push(match &order.act {
            CommandKind::Swap(_) | CommandKind::Pin { .. } => {
                let trigger = Trigger::Command(order.clone());
                let evidence = Evidence::now(&route.name, trigger, ports.clock.random());
                let preview = dry_run.preview(route, &evidence).await;
                let preview = preview.map_err(|error| looking(route, error))?;
                Foreseen { route, rows: rows(route, Some(&preview)), outlook: outlook(preview.decision) }
            }
            CommandKind::Unpin
            | CommandKind::Pause { .. }
            | CommandKind::Resume
            | CommandKind::Freeze { .. }
            | CommandKind::Unfreeze
            | CommandKind::Acknowledge => {
                let state = ports.ledger.peek(&route.name).await;
                let state = state.map_err(|error| looking(route, error))?;
                stop_or_lift(route, order, state.as_ref())
            }
        });
    }
    Ok(foreseen)
}

fn outlook(decision: Decision) -> Outlook {
    match decision {
        Decision::Settle(verdict) if verdict.outcome == Outcome::Rejected => Outlook::Refused(verdict),
        Decision::Hold(desired, blocked) => Outlook::Refused(blocked.verdict(&desired)),
        Decision::Settle(_) | Decision::Ask(_) => Outlook::Nothing,
        Decision::Move(_) => Outlook::Acts,
    }
}

fn stop_or_lift<'a>(route: &'a Route, order: &OperatorCommand, state: Option<&RouteState>) -> Foreseen<'a> {
    let standing = state.and_then(|state| standing(route, &order.act, &state.control, order.at));
    let lifts = lifts(&order.act);
    if lifts && standing.is_none() {
        let safety = state.map(|state| &state.control.safety);
        let note = nothing_to_lift(route, &order.act, safety, order.at);
        return Foreseen {
            route,
            rows: vec![PlanRow::new(route, "Nothing", "nothing", note)],
            outlook: Outlook::Nothing,
        };
    }
    let mut parts = Vec::new();
    if !lifts {
        let until = order
            .act
            .within()
            .map_or_else(|| "it is lifted".to_owned(), |within| order.at.plus(within).to_string());
        parts.push(format!("no call for the route until {until}"));
    }
    if let Some(standing) = standing {
        let verb = match &order.act {
            CommandKind::Acknowledge => "acknowledges",
            _ if lifts => "lifts",
            _ => "replaces",
        };
        parts.push(format!("{verb}: {standing}"));
    }
    if let Some(waiting) = state.and_then(|state| state.control.waiting.as_ref()) {
        let (instance, target) = (&waiting.instance, waiting.target);
        let said_at = waiting.evidence.at;
        parts.push(format!("held back is a move to {instance} at {target}, by evidence of {said_at}"));
    }
    Foreseen {
        route,
        rows: vec![PlanRow::new(route, "Order", order.act.as_str(), parts.join("; "))],
        outlook: Outlook::Acts,
    }
}

/// Whether the order ends what another one began.
pub(super) fn lifts(act: &CommandKind) -> bool {
    match act {
        CommandKind::Unpin | CommandKind::Resume | CommandKind::Unfreeze | CommandKind::Acknowledge => true,
        CommandKind::Swap(_)
        | CommandKind::Pin { .. }
        | CommandKind::Pause { .. }
        | CommandKind::Freeze { .. } => false,
    }
}

/// What stands now of the kind that the order sets or lifts.
pub(super) fn standing(
    route: &Route,
    act: &CommandKind,
    control: &Assignment,
    now: Timestamp,
) -> Option<String> {
    let in_force = in_force(route, act, &control.safety, now);
    let event = control.unresolved_event.as_ref().filter(|_| *act == CommandKind::Acknowledge);
    let event = event.map(|event| {
        let (at, note) = (event.at, &event.note);
        format!("the event of {at}, which could not be acted on: {note}")
    });
    match (in_force, event) {
        (Some(in_force), Some(event)) => Some(format!("{in_force}; {event}")),
        (one, other) => one.or(other),
    }
}

/// The rule of that kind that holds the route back now.
pub(super) fn in_force(route: &Route, act: &CommandKind, safety: &Safety, now: Timestamp) -> Option<String> {
    let holding = |stop: &&writerlink_core::ledger::holds::Suspension| stop.holds(now);
    match act {
        CommandKind::Pause { .. } | CommandKind::Resume => {
            let stop = safety.pause.as_ref().filter(holding);
            stop.map(|stop| format!("paused {stop}"))
        }
        CommandKind::Freeze { .. } | CommandKind::Unfreeze => {
            let stop = safety.freeze.as_ref().filter(holding);
            stop.map(|stop| format!("frozen {stop}"))
        }
        CommandKind::Pin { .. } | CommandKind::Unpin => {
            let pin = safety.pinned(now);
            pin.map(|pin| format!("pinned to {} {}", pin.instance, pin.stop))
        }
        CommandKind::Acknowledge => match &safety.flapping {
            Some(stop) => Some(format!("flapping {stop}")),
            None if safety.flaps(now, route.policy.flap_moves_max) => {
                Some(format!("{} moves", safety.moves.len()))
            }
            None => None,
        },
        CommandKind::Swap(_) => None,
    }
}

/// What holds a route still, each with the command that lifts it.
pub(super) fn still_holding(route: &Route, safety: &Safety, now: Timestamp) -> Vec<String> {
    let kinds = [CommandKind::Unfreeze, CommandKind::Resume, CommandKind::Acknowledge, CommandKind::Unpin];
    let still = kinds.into_iter().filter_map(|lift| {
        let holds = in_force(route, &lift, safety, now)?;
        let command = match lift {
            CommandKind::Unfreeze => "writerlink unfreeze".to_owned(),
            other => format!("writerlink {} {}", other.as_str(), route.name),
        };
        Some(format!("still {holds} (`{command}` lifts it)"))
    });
    still.collect()
}

/// Why a route is left as it is, and what holds it all the same.
pub(super) fn nothing_to_lift(
    route: &Route,
    act: &CommandKind,
    safety: Option<&Safety>,
    now: Timestamp,
) -> String {
    let mut parts = vec![nothing_of_its_kind(act).to_owned()];
    parts.extend(safety.into_iter().flat_map(|safety| still_holding(route, safety, now)));
    parts.join("; ")
}

fn nothing_of_its_kind(act: &CommandKind) -> &'static str {
    match act {
        CommandKind::Resume => "it is not paused",
        CommandKind::Unfreeze => "it is not frozen",
        CommandKind::Unpin => "it is not pinned",
        CommandKind::Acknowledge => "it was not moved too often, and no event is unresolved",
        CommandKind::Swap(_)
        | CommandKind::Pin { .. }
        | CommandKind::Pause { .. }
        | CommandKind::Freeze { .. } => "there is nothing to do",
    }
}
