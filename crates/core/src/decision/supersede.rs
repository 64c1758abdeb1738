//! Older evidence when newer evidence of the same route has been received too.

use std::net::IpAddr;

use crate::decision::event::decide;
use crate::decision::verdict::{Decision, Verdict};
use crate::evidence::trigger::Evidence;
use crate::ledger::state::{Assignment, RouteContext};
use crate::model::outcome::Outcome;
use crate::model::target::MoveMode;

/// The verdict on `older` evidence when `newer` evidence for the same route has been received: the one that it would
/// get after the newer one had moved the route. Nothing unless the newer one moves the route and supersedes it.
#[must_use]
pub fn superseded_by(
    RouteContext { route, control, now }: RouteContext<'_>,
    older: &Evidence,
    newer: &Evidence,
    address: Option<IpAddr>,
) -> Option<Verdict> {
    let Decision::Move(desired) = decide(route, control, newer, address, now) else {
        return None;
    };
    // One that only registers leaves the old target where it is: the older one's is better.
    if desired.move_mode != MoveMode::Swap {
        return None;
    }
    let after = Assignment { desired: Some(desired), ..control.clone() };
    // No address is needed: the check whether the evidence is newer comes first.
    match decide(route, &after, older, None, now) {
        Decision::Settle(verdict) if verdict.outcome == Outcome::Superseded => {
            let at = newer.trigger.at();
            let note = format!("evidence of {at} was received behind this one, and is tried next");
            Some(Verdict { note, ..verdict })
        }
        Decision::Settle(_) | Decision::Move(_) | Decision::Hold(..) | Decision::Ask(_) => None,
    }
}
