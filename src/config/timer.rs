//! What the worker does unasked, and how much of it: `[reconcile]` and `[safety]`.

use std::time::Duration;

use super::findings::{Findings, Found, Origin};
use super::section::{Limits, Section};
use crate::domain::turns::{Quota, REGISTRATIONS_BURST, REGISTRATIONS_PER_SECOND};
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
    1..=60_000,
    "a worker that may move no route keeps none right, and the load balancer's API allows 260 registrations in its \
     best minute unless AWS has raised that",
);

const RATE: &str = "registrations_per_second";
const BURST: &str = "registrations_burst";

/// AWS raises it for an account that asks; a thousand would be a mistake.
const RATES: Limits = Limits {
    range: 1..=1000,
    why: "it is the account's quota for RegisterTargets and DeregisterTargets together, 4 unless AWS has raised it",
    zero: Some("no line (then calls are made as they come, and refused)"),
};

/// With less than two a bucket is full whenever there is a token, and a full one is for whoever asks.
const BURSTS: Limits = Limits::within(
    2..=1000,
    "it is how many of these calls the account may make at once, 20 unless AWS has raised it",
);

/// Reads the quota of `[reconcile]`.
pub(super) fn quota(section: &Section<'_>, findings: &mut Findings) -> Option<Quota> {
    let default = REGISTRATIONS_PER_SECOND;
    let per_second = section.number_or(RATE, &RATES, default, findings);
    let burst = section.number_or(BURST, &BURSTS, REGISTRATIONS_BURST, findings);
    (per_second > 0).then_some(Quota { burst, per_second })
}

/// Reads `[reconcile]`.
pub(super) fn reconciling(section: &Section<'_>, findings: &mut Findings) -> Reconciling {
    let known = ["interval_seconds", "looks_per_second_max", RATE, BURST];
    section.knows(&known, findings);
    let default = u32::try_from(INTERVAL.as_secs()).unwrap_or(u32::MAX);
    let field = "interval_seconds";
    let found = section.number(field, &INTERVALS, default, findings);
    let found =
        found.unwrap_or_else(|| Found { value: default, place: section.place(field, Origin::Default) });
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
