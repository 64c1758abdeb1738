//! `plan`: what would be done. Reads alone.

use serde::Serialize;

use crate::cli::args::{Global, PlanArgs as Wanted};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Row, or_dash};
use crate::cli::{Session, configured, intake};
use crate::config::Config;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::model::route::{Route, Strategy};
use writerlink_core::model::target::{MoveMode, ObservedTarget, Target};
use writerlink_core::status::health::NO_EVENT_YET;
use writerlink_engine::attempt::{DryRun, Preview, RouteOutlook};
use writerlink_engine::ports::CallError;
use writerlink_engine::wire::Parsed;

/// What would happen to one target of a route; a route that would not move has one row without a target.
#[derive(Clone, Default, Serialize)]
pub(super) struct PlanRow {
    route: String,
    decision: &'static str,
    reason: Option<&'static str>,
    action: &'static str,
    target: Option<String>,
    state: Option<String>,
    instance: Option<String>,
    note: String,
}

impl Row for PlanRow {
    fn cells(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ROUTE", self.route.clone()),
            ("DECISION", self.decision.to_owned()),
            ("ACTION", self.action.to_owned()),
            ("TARGET", or_dash(self.target.as_ref())),
            ("STATE", or_dash(self.state.as_ref())),
            ("NOTE", self.note.clone()),
        ]
    }
}

/// Shows what would be done.
pub(super) async fn run(
    wanted: &Wanted,
    global: &Global,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let previews = match (&wanted.route, &wanted.event) {
        (Some(name), _) => {
            let route = configured(&config, name)?;
            let dry_run = dry_run(&config, session).await?;
            let standing = dry_run.standing(route).await;
            let standing = standing.map_err(|error| looking(route, error))?;
            vec![(route, standing)]
        }
        (None, Some(file)) => match intake::read(file, session)? {
            Parsed::Events(events) | Parsed::Drill(events) => {
                let followed = intake::followed(&events, &config)?;
                let dry_run = dry_run(&config, session).await?;
                let mut previews = Vec::new();
                for (route, evidence) in followed {
                    let preview = dry_run.preview(route, &evidence).await;
                    let outlook = RouteOutlook {
                        preview: Some(preview.map_err(|error| looking(route, error))?),
                        unresolved: None,
                    };
                    previews.push((route, outlook));
                }
                previews
            }
            Parsed::Ignored(why) => {
                let text = format!("no route would move: {why}");
                session.remark(&text)?;
                Vec::new()
            }
        },
        // Wrong usage, which the arguments' own rules refuse.
        (None, None) => Vec::new(),
    };
    let rows: Vec<PlanRow> =
        previews.iter().flat_map(|(route, outlook)| outlook_rows(route, outlook)).collect();
    Listing::of("plan", &rows).write(global.output, session.out)?;
    let to_do = previews.iter().any(|(_, outlook)| !outlook.is_clear());
    Ok(if to_do && wanted.detailed_exitcode { Exit::PlanNotEmpty } else { Exit::Done })
}

/// What only looks.
pub(super) async fn dry_run(config: &Config, session: &Session<'_>) -> Result<DryRun, Failure> {
    Ok(DryRun::new(&session.connect.ports(config).await?))
}

pub(super) fn looking(route: &Route, error: CallError) -> Failure {
    Failure::call(&format!("looking at route {}", route.name), error)
}

impl PlanRow {
    /// A row without a target.
    pub(super) fn new(route: &Route, decision: &'static str, action: &'static str, note: String) -> Self {
        Self {
            route: route.name.to_string(),
            decision,
            reason: None,
            action,
            target: None,
            state: None,
            instance: None,
            note,
        }
    }
}

/// What would become of a route, and what of it no worker mends.
fn outlook_rows(route: &Route, outlook: &RouteOutlook) -> Vec<PlanRow> {
    let mut rows = rows(route, outlook.preview.as_ref());
    let unresolved = outlook.unresolved.as_ref();
    rows.extend(unresolved.map(|open| PlanRow::new(route, "Unresolved", "nothing", open.why.clone())));
    rows
}

/// What would become of a route, target by target.
pub(super) fn rows(route: &Route, preview: Option<&Preview>) -> Vec<PlanRow> {
    let row = |decision, action, note| PlanRow::new(route, decision, action, note);
    let Some(preview) = preview else {
        return vec![row("Unknown", "nothing", NO_EVENT_YET.to_owned())];
    };
    // Where nothing is to be called the route is where it should be.
    let decision = if preview.is_in_place() { "InPlace" } else { "Move" };
    match &preview.decision {
        Decision::Settle(verdict) | Decision::Ask(verdict) => vec![PlanRow {
            reason: Some(verdict.reason.as_str()),
            ..row(verdict.outcome.as_str(), "nothing", verdict.note.clone())
        }],
        Decision::Hold(desired, blocked) => {
            let verdict = blocked.verdict(desired);
            vec![PlanRow {
                reason: Some(verdict.reason.as_str()),
                target: Some(desired.target.to_string()),
                instance: Some(desired.instance.to_string()),
                ..row(verdict.outcome.as_str(), "nothing", verdict.note)
            }]
        }
        Decision::Move(desired) => {
            let targets = actions(preview, desired).into_iter();
            let targets = targets.map(|(action, target, state)| PlanRow {
                target: Some(target.to_string()),
                state: Some(state),
                instance: Some(desired.instance.to_string()),
                ..row(decision, action, note(preview, desired))
            });
            let weights = preview.weights.iter().map(|(before, after)| PlanRow {
                instance: Some(desired.instance.to_string()),
                ..row(decision, "weigh", format!("{before} -> {after}"))
            });
            let relays = matches!(route.strategy, Strategy::Relay(_)).then(|| PlanRow {
                target: Some(desired.target.to_string()),
                instance: Some(desired.instance.to_string()),
                ..row(decision, if preview.switches { "switch" } else { "keep" }, note(preview, desired))
            });
            targets.chain(weights).chain(relays).collect()
        }
    }
}

/// What would become of every target that is there or should be, in the order of the calls.
fn actions(preview: &Preview, desired: &Desired) -> Vec<(&'static str, Target, String)> {
    let state_of = |target: Target| preview.observed.iter().find(|row| row.target == target);
    let registered = preview.plan.register.iter().map(|target| {
        let state = state_of(*target).map_or("absent", |row| row.health.as_str());
        ("register", *target, state.to_owned())
    });
    let rest = preview.observed.iter().filter(|row| !preview.plan.register.contains(&row.target));
    let rest = rest.map(|row| {
        let action = if preview.plan.deregister.contains(row) {
            "deregister"
        } else if row.target == desired.target {
            "keep"
        } else {
            "leave"
        };
        (action, row.target, state(row))
    });
    registered.chain(rest).collect()
}

fn state(row: &ObservedTarget) -> String {
    row.health.as_str().to_owned()
}

fn note(preview: &Preview, desired: &Desired) -> String {
    let how = match desired.move_mode {
        MoveMode::Swap => "alone",
        MoveMode::Register => "beside the others",
    };
    let wanted = format!("{} {how}, by evidence of {}", desired.instance, desired.evidence.at);
    match &preview.held {
        None => wanted,
        Some((owner, wait)) => {
            format!("{wanted}; held by {owner} for at most {} s", wait.as_secs())
        }
    }
}
