//! What newer evidence makes of older evidence when both are at hand.

use std::net::IpAddr;

use crate::decision::event::decide;
use crate::decision::verdict::{Decision, Verdict};
use crate::evidence::trigger::Evidence;
use crate::ledger::state::{Assignment, RouteContext};
use crate::model::outcome::Outcome;
use crate::model::target::MoveMode;

/// How `older` evidence is settled without a call when `newer` evidence for the same route is at hand already: as it
/// would be after the newer one had moved the route. Nothing unless the newer one does move it, and unless that would
/// supersede the older one.
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
    if desired.reach != MoveMode::Swap {
        return None;
    }
    let after = Assignment { desired: Some(desired), ..control.clone() };
    // What address the older one names is not asked: it comes after the question whether it is news.
    match decide(route, &after, older, None, now) {
        Decision::Settle(verdict) if verdict.outcome == Outcome::Superseded => {
            let at = newer.ground.at();
            let note = format!("evidence of {at} was received behind this one, and is tried next");
            Some(Verdict { note, ..verdict })
        }
        Decision::Settle(_) | Decision::Move(_) | Decision::Hold(..) | Decision::Ask(_) => None,
    }
}
