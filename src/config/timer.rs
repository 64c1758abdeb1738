//! What the worker does unasked, and how much of it: `[reconcile]` and `[safety]`.

use std::time::Duration;

use super::findings::{Findings, Found, Origin};
use super::section::{Limits, Section};
use crate::reconcile::MOVES_PER_MINUTE_MAX;
use crate::timer::{INTERVAL, LOOKS_PER_SECOND_MAX, Reconciling};

/// No sooner than a reading can be confirmed, and an hour is no repair.
const INTERVALS: Limits = Limits {
    range: 5..=3600,
    why: "looks more often than that only cost calls, and fewer leave a lost event unnoticed for hours",
    zero: Some("no timer at all (then nothing mends a lost event)"),
};

/// `DescribeTargetHealth` refills at 50 a second for a whole account and Region (ELB User Guide, as above), and
/// two workers run.
const LOOKS: Limits = Limits::within(
    1..=50,
    "DescribeTargetHealth allows 50 calls a second to a whole account, events' own looks included",
);

const MOVES: Limits = Limits::within(
    1..=MOVES_PER_MINUTE_MAX,
    "the load balancer's API takes 240 registrations and deregistrations a minute from a whole account",
);

/// Reads `[reconcile]`.
pub(super) fn reconciling(section: &Section<'_>, findings: &mut Findings) -> Reconciling {
    section.knows(&["interval_seconds", "looks_per_second_max"], findings);
    let default = u32::try_from(INTERVAL.as_secs()).unwrap_or(u32::MAX);
    let field = "interval_seconds";
    let found = section.number(field, &INTERVALS, default, findings);
    let found = found.unwrap_or_else(|| Found {
        value: default,
        place: section.place(field, Origin::Default),
    });
    let interval = (found.value > 0).then(|| Duration::from_secs(found.value.into()));
    findings.understood(&found.place, shown(interval));
    Reconciling {
        interval,
        looks_per_second_max: section.number_or(
            "looks_per_second_max",
            &LOOKS,
            LOOKS_PER_SECOND_MAX,
            findings,
        ),
    }
}

/// An interval as it is shown: whoever turns the timer off is told once more what that costs.
pub(super) fn shown(interval: Option<Duration>) -> String {
    match interval {
        Some(interval) => interval.as_secs().to_string(),
        None => "0: no timer, so nothing mends a lost event".to_owned(),
    }
}

/// Reads `[safety]`: the routes that a worker may move in a minute.
pub(super) fn moves_per_minute(section: &Section<'_>, findings: &mut Findings) -> u32 {
    let field = "moves_per_minute_max";
    section.knows(&[field], findings);
    section.number_or(field, &MOVES, MOVES_PER_MINUTE_MAX, findings)
}
