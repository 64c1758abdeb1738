//! What became of an order, as rows, as failures, and as the way the process ends.

use std::time::Duration;

use serde::Serialize;

use crate::cli::Session;
use crate::cli::args::Output;
use crate::cli::failure::{Exit, Failure};
use crate::cli::orders::carry::{CommandResult, Done, busy};
use crate::cli::orders::foresee::{lifts, still_holding};
use crate::cli::render::{Listing, Row, millis, or_dash};
use crate::cli::replay::{reason, worse};
use writerlink_core::decision::verdict::Verdict;
use writerlink_core::evidence::trigger::{CommandKind, OperatorCommand};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Reason, Rule};
use writerlink_core::model::route::Route;
use writerlink_engine::attempt::{AttemptResult, Ordered, Report};

/// What became of an order on one route.
#[derive(Default, Serialize)]
struct OrderRow {
    route: String,
    order: &'static str,
    outcome: &'static str,
    reason: Option<&'static str>,
    instance: Option<String>,
    target: Option<String>,
    until: Option<String>,
    by: String,
    took_ms: u64,
    /// What `audit show` finds it by.
    id: Option<String>,
    note: String,
}

impl Row for OrderRow {
    fn cells(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ROUTE", self.route.clone()),
            ("ORDER", self.order.to_owned()),
            ("OUTCOME", self.outcome.to_owned()),
            ("TARGET", or_dash(self.target.as_ref())),
            ("TOOK", format!("{} ms", self.took_ms)),
            ("NOTE", self.note.clone()),
        ]
    }
}

/// Writes a row for every route, tells why where the order is not in force, and ends as the worst of them.
pub(super) fn all(
    done: &[Done],
    order: &OperatorCommand,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let rows: Vec<OrderRow> = done.iter().map(|one| row(one, order)).collect();
    Listing::of("ordered", &rows).write(output, session.out)?;
    let mut exit = Exit::Done;
    for one in done {
        if let Some(failure) = failure(one, order) {
            exit = worse(exit, crate::cli::tell(&failure, session));
        }
    }
    Ok(exit)
}

fn row(done: &Done, order: &OperatorCommand) -> OrderRow {
    let until = order.act.within().map(|within| order.at.plus(within));
    let blank = OrderRow {
        route: done.route.name.to_string(),
        order: order.act.as_str(),
        outcome: "Unavailable",
        reason: None,
        instance: order.act.instance().map(ToString::to_string),
        target: None,
        until: until.map(|until| until.to_string()),
        by: order.by.clone(),
        took_ms: millis(done.took),
        id: None,
        note: String::new(),
    };
    match &done.became {
        CommandResult::Ordered(Ordered::InForce(state)) => OrderRow {
            outcome: "InForce",
            reason: Some(Reason::OperatorCommand.as_str()),
            id: Some(format!("{}/{}", state.route, state.chain.seq)),
            note: in_force(&done.route, state, order),
            ..blank
        },
        CommandResult::Ordered(Ordered::Busy(owner, most)) => {
            OrderRow { outcome: "Busy", note: held_by(owner.as_str(), *most), ..blank }
        }
        CommandResult::Ordered(Ordered::Attempted(report)) => attempted(report, blank),
        CommandResult::Nothing(why) => OrderRow { outcome: "Nothing", note: why.clone(), ..blank },
        CommandResult::Failed(error) => OrderRow { note: error.to_string(), ..blank },
    }
}

fn attempted(report: &Report, blank: OrderRow) -> OrderRow {
    let desired = report.desired.as_ref();
    // An attempt that never had the route has left no record to be found.
    let recorded = match report.ended {
        AttemptResult::Busy(..)
        | AttemptResult::Paced(_)
        | AttemptResult::Waits(..)
        | AttemptResult::Unavailable(..) => desired.is_some(),
        AttemptResult::Settled(_)
        | AttemptResult::Duplicate(_)
        | AttemptResult::Nothing(_)
        | AttemptResult::Deferred(..)
        | AttemptResult::LeaseLost { .. } => true,
    };
    OrderRow {
        outcome: report.ended.as_str(),
        reason: reason(&report.ended).map(Reason::as_str),
        target: desired.map(|(_, target)| target.to_string()),
        id: recorded.then(|| report.transition.to_string()),
        note: match &report.ended {
            AttemptResult::Busy(owner, most) => held_by(owner.as_str(), *most),
            ended => ended.note(),
        },
        ..blank
    }
}

/// The order in full; for one that lifts something also what holds the route back still.
fn in_force(route: &Route, state: &RouteState, order: &OperatorCommand) -> String {
    let mut parts = vec![order.to_string()];
    if lifts(&order.act) {
        parts.extend(still_holding(route, &state.control.safety, order.at));
    }
    parts.join("; ")
}

fn held_by(owner: &str, most: Duration) -> String {
    // Rounded up: who comes back after that long must not be early.
    format!("the route is held by {owner} for at most {} s", most.as_secs() + 1)
}

/// Why the order is not in force on this route, if it is not.
fn failure(done: &Done, order: &OperatorCommand) -> Option<Failure> {
    if let Some((owner, most)) = busy(&done.became) {
        return Some(Failure::told(
            not_done(&done.route.name, &order.act),
            held_by(owner.as_str(), most),
            "give the order again, or let it wait longer, as with --wait 2m",
            Exit::LeaseHeld,
        ));
    }
    match &done.became {
        CommandResult::Failed(error) => {
            let doing = format!("ordering {} of route {}", order.act.as_str(), done.route.name);
            Some(Failure::call(&doing, error.clone()))
        }
        CommandResult::Ordered(Ordered::Attempted(report)) => of_attempt(report, order),
        CommandResult::Ordered(Ordered::InForce(_) | Ordered::Busy(..)) | CommandResult::Nothing(_) => None,
    }
}

fn of_attempt(report: &Report, order: &OperatorCommand) -> Option<Failure> {
    let route = &report.route;
    let exit_by = |verdict: &Verdict| match verdict.reason {
        Reason::NotConverged => Exit::NotConverged,
        _ => Exit::Error,
    };
    let (why, exit) = match &report.ended {
        AttemptResult::Settled(verdict) => match verdict.outcome {
            Outcome::Rejected | Outcome::Paused | Outcome::Observed => {
                return Some(refusal(route, order, verdict));
            }
            Outcome::Failed => (verdict.note.clone(), exit_by(verdict)),
            Outcome::Moved
            | Outcome::Registered
            | Outcome::AlreadyThere
            | Outcome::Superseded
            | Outcome::Duplicate
            | Outcome::Ignored => return None,
        },
        AttemptResult::Deferred(verdict, _) => (verdict.note.clone(), exit_by(verdict)),
        AttemptResult::Unavailable(error, _) => {
            let doing = format!("ordering {} of route {route}", order.act.as_str());
            return Some(Failure::call(&doing, error.clone()));
        }
        ended @ (AttemptResult::Busy(..)
        | AttemptResult::Paced(_)
        | AttemptResult::Waits(..)
        | AttemptResult::Duplicate(_)
        | AttemptResult::Nothing(_)
        | AttemptResult::LeaseLost { .. }) => (ended.note(), Exit::Error),
    };
    Some(Failure::told(
        format!("route {route} is not where it was ordered to be"),
        why,
        format!(
            "`writerlink plan {route}` shows what is missing, and a worker's timer does it; or give the order again"
        ),
        exit,
    ))
}

/// An order that a rule forbids, and what would go past it.
pub(super) fn refused(route: &Route, order: &OperatorCommand, verdict: &Verdict) -> Failure {
    refusal(&route.name, order, verdict)
}

fn refusal(route: &RouteName, order: &OperatorCommand, verdict: &Verdict) -> Failure {
    let fix = match rule(verdict.reason) {
        Some(rule) => past(route, order, rule),
        None => "no --override goes past this: name another instance, or correct the route's instances, \
                 allowed_instances or allowed_cidrs"
            .to_owned(),
    };
    Failure::told(not_done(route, &order.act), verdict.note.clone(), fix, Exit::Refused)
}

/// How to lift the rule, and how to go past it this once.
fn past(route: &RouteName, order: &OperatorCommand, rule: Rule) -> String {
    let lift = match rule {
        Rule::Paused => format!("`writerlink resume {route}` ends the pause"),
        Rule::Frozen => "`writerlink unfreeze` ends the freeze".to_owned(),
        Rule::Pinned => format!("`writerlink unpin {route}` ends the pin"),
        Rule::Flapping => format!("`writerlink ack {route}` lets it go on"),
        Rule::Observing => format!("mode = \"enforce\" of route {route} lets it act"),
    };
    format!("{lift}; `{}` goes past it this once", typed(route, order, rule))
}

/// The same order with one override more, as it is typed.
fn typed(route: &RouteName, order: &OperatorCommand, rule: Rule) -> String {
    let mut words = vec![format!("writerlink {} {route}", order.act.as_str())];
    let to = order.act.instance();
    words.extend(to.map(|instance| format!("--to {instance}")));
    let within = order.act.within();
    words.extend(within.map(|within| format!("--for {}s", within.as_secs())));
    let named = order.overrides.iter().chain([&rule]);
    words.extend(named.map(|rule| format!("--override {rule}")));
    let reason = order.reason.replace('\'', r"'\''");
    words.push(format!("--reason '{reason}'"));
    words.join(" ")
}

/// The rule that this reason names.
fn rule(reason: Reason) -> Option<Rule> {
    let rule_of = |rule: &Rule| match rule {
        Rule::Paused => Reason::Paused,
        Rule::Frozen => Reason::Frozen,
        Rule::Pinned => Reason::Pinned,
        Rule::Observing => Reason::Observing,
        Rule::Flapping => Reason::Flapping,
    };
    Rule::ALL.into_iter().find(|rule| rule_of(rule) == reason)
}

fn not_done(route: &RouteName, act: &CommandKind) -> String {
    let done = match act {
        CommandKind::Swap(_) => "moved",
        CommandKind::Pin { .. } => "pinned",
        CommandKind::Unpin => "unpinned",
        CommandKind::Pause { .. } => "paused",
        CommandKind::Resume => "resumed",
        CommandKind::Freeze { .. } => "frozen",
        CommandKind::Unfreeze => "unfrozen",
        CommandKind::Acknowledge => "acknowledged",
    };
    format!("route {route} was not {done}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use writerlink_core::model::names::InstanceId;
    use writerlink_core::model::time::Timestamp;

    fn order(act: CommandKind) -> OperatorCommand {
        OperatorCommand {
            at: Timestamp::EPOCH,
            by: "ada".to_owned(),
            reason: "it's urgent".to_owned(),
            act,
            overrides: vec![Rule::Frozen],
        }
    }

    #[test]
    fn every_rule_says_how_it_is_lifted_and_what_goes_past_it() {
        let route = RouteName::new("orders").unwrap();
        let instance = InstanceId::new("db-2").unwrap();
        let within = Some(Duration::from_hours(2));
        let order = order(CommandKind::Pin { instance, within });
        for name in Rule::ALL {
            let reason = Reason::parse(match name {
                Rule::Paused => "Paused",
                Rule::Frozen => "Frozen",
                Rule::Pinned => "Pinned",
                Rule::Observing => "Observing",
                Rule::Flapping => "Flapping",
            });
            assert_eq!(rule(reason.unwrap()), Some(name));
            let past = past(&route, &order, name);
            let typed = format!(
                "; `writerlink pin orders --to db-2 --for 7200s --override frozen --override {name} \
                 --reason 'it'\\''s urgent'` goes past it this once"
            );
            assert!(past.ends_with(&typed), "{past}");
        }
        assert_eq!(rule(Reason::UnknownInstance), None);
    }
}
