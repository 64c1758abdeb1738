//! A drill: an event comes all the way that a failover's would, and ends in a dry run.

use crate::attempt::{DryRun, Preview};
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::evidence::routing;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::model::route::Route;

/// What each route would do, a sentence a route and event. Nothing is written and nothing is moved, and one that
/// cannot be told is not tried again: whoever drills is there to do that.
pub(super) async fn told(dry_run: &DryRun, routes: &[Route], events: &[RdsEvent]) -> Vec<String> {
    let mut told = Vec::new();
    for event in events {
        let concerned = routing::concerned(routes, event);
        for (route, _) in &concerned {
            let evidence = Evidence::new(route, event.clone());
            let would = match dry_run.preview(route, &evidence).await {
                Ok(preview) => would(&preview),
                Err(error) => format!("cannot be told: {error}"),
            };
            told.push(format!("a drill; route {}: {would}", route.name));
        }
        if concerned.is_empty() {
            told.push(format!("a drill; {}", routing::why_no_route(routes, event)));
        }
    }
    told
}

fn would(preview: &Preview) -> String {
    let desired = match &preview.decision {
        Decision::Settle(verdict) | Decision::Ask(verdict) => {
            return format!("would be settled as {}: {}", verdict.outcome, verdict.note);
        }
        Decision::Hold(desired, blocked) => {
            let verdict = blocked.verdict(desired);
            return format!("would be settled as {}: {}", verdict.outcome, verdict.note);
        }
        Decision::Move(desired) => desired,
    };
    let to = format!("{} at {}", desired.instance, desired.target);
    if preview.plan.is_empty() {
        return format!("already holds {to}");
    }
    let register = preview.plan.register.iter().map(ToString::to_string);
    let deregister = preview.plan.deregister.iter();
    let deregister = deregister.map(|row| row.target.to_string());
    format!(
        "would move to {to}: register [{}], deregister [{}]",
        register.collect::<Vec<_>>().join(", "),
        deregister.collect::<Vec<_>>().join(", ")
    )
}
