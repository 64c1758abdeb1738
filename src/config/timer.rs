//! What the worker does unasked, and how much of it: `[reconcile]` and `[safety]`.

use std::time::Duration;

use super::findings::{Findings, Found, Origin};
use super::section::{Limits, Section};

/// How routes are looked after when no event tells of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciling {
    /// How long after a look at a route the next one is due; without it there is no timer, and what no event
    /// tells of stays as it is.
    pub interval: Option<Duration>,
    /// How many routes a worker looks at in a second, whatever the interval asks for.
    pub looks_per_second: u32,
}

impl Default for Reconciling {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(INTERVAL_DEFAULT_SECONDS.into())),
            looks_per_second: 20,
        }
    }
}

const INTERVAL_DEFAULT_SECONDS: u32 = 30;

/// The routes a worker may move in a minute, when nobody says otherwise. The calls that register and deregister
/// share a bucket that refills at 4 a second for a whole account and Region (ELB User Guide, "Request throttling
/// for the Elastic Load Balancing API"): 240 calls a minute. Workers that want more than that, together, only wait
/// for each other.
pub const MOVES_PER_MINUTE_DEFAULT: u32 = 240;

/// No sooner than a reading can be confirmed, and an hour is no repair.
const INTERVAL: Limits = Limits {
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
    1..=MOVES_PER_MINUTE_DEFAULT,
    "the load balancer's API takes 240 registrations and deregistrations a minute from a whole account",
);

/// Reads `[reconcile]`.
pub(super) fn reconciling(section: &Section<'_>, findings: &mut Findings) -> Reconciling {
    section.knows(&["interval_seconds", "looks_per_second_max"], findings);
    let default = Reconciling::default();
    let field = "interval_seconds";
    let found = section.number(field, &INTERVAL, INTERVAL_DEFAULT_SECONDS, findings);
    let found = found.unwrap_or_else(|| Found {
        value: INTERVAL_DEFAULT_SECONDS,
        place: section.place(field, Origin::Default),
    });
    let interval = (found.value > 0).then(|| Duration::from_secs(found.value.into()));
    findings.understood(&found.place, shown(interval));
    Reconciling {
        interval,
        looks_per_second: section.number_or(
            "looks_per_second_max",
            &LOOKS,
            default.looks_per_second,
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
    section.number_or(field, &MOVES, MOVES_PER_MINUTE_DEFAULT, findings)
}
