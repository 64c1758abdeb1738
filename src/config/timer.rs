//! What the worker does unasked, and how much of it: `[reconcile]` and `[safety]`.

use std::time::Duration;

use crate::config::findings::Findings;
use crate::config::section::{Number, Section, seconds};
use writerlink_core::actuation::quota::{Quota, REGISTRATIONS_BURST, REGISTRATIONS_PER_SECOND};
use writerlink_engine::attempt::MOVES_PER_MINUTE_MAX;
use writerlink_engine::timer::{INTERVAL, LOOKS_PER_SECOND_MAX, Reconciling, SQL_INTERVAL};

/// No sooner than a reading can be confirmed, and an hour is no repair.
const INTERVAL_SECONDS: Number = Number {
    field: "interval_seconds",
    range: 5..=3600,
    why: "looks more often than that only cost calls, and fewer leave a lost event unnoticed for hours",
    zero: Some("no timer at all (then nothing mends a lost event)"),
    default: seconds(INTERVAL),
};

/// `DescribeTargetHealth` refills at 50 a second for a whole account and Region (ELB User Guide, as above), and
/// two workers run.
const RECONCILE_PASSES: Number = Number {
    field: "describe_calls_per_second_max",
    range: 1..=50,
    why: "DescribeTargetHealth allows 50 calls a second to a whole account, events' own looks included",
    zero: None,
    default: LOOKS_PER_SECOND_MAX,
};

const MOVES: Number = Number {
    field: "moves_per_minute_max",
    range: 1..=60_000,
    why: "a worker that may move no route keeps none right, and the load balancer's API allows 260 registrations in \
          its best minute unless AWS has raised that",
    zero: None,
    default: MOVES_PER_MINUTE_MAX,
};

/// AWS raises it for an account that asks; a thousand would be a mistake.
const RATE: Number = Number {
    field: "registrations_per_second",
    range: 1..=1000,
    why: "it is the account's quota for RegisterTargets and DeregisterTargets together, 4 unless AWS has raised it",
    zero: Some("no line (then calls are made as they come, and refused)"),
    default: REGISTRATIONS_PER_SECOND,
};

/// With less than two a bucket is full whenever there is a token, and a full one is for whoever asks.
const BURST: Number = Number {
    field: "registrations_burst",
    range: 2..=1000,
    why: "it is how many of these calls the account may make at once, 20 unless AWS has raised it",
    zero: None,
    default: REGISTRATIONS_BURST,
};

/// Reads `[reconcile]`. Whoever turns the timer off is told once more what that costs.
pub(super) fn reconciling(section: &Section<'_>, findings: &mut Findings) -> (Reconciling, Option<Quota>) {
    let shown = |seconds: &u32| match seconds {
        0 => "0: no timer, so nothing mends a lost event".to_owned(),
        seconds => seconds.to_string(),
    };
    let interval = section.number_shown(&INTERVAL_SECONDS, shown, findings);
    let reconciling = Reconciling {
        interval: (interval > 0).then(|| Duration::from_secs(interval.into())),
        describe_calls_per_second_max: section.number(&RECONCILE_PASSES, findings),
        sql_interval: SQL_INTERVAL,
    };
    let per_second = section.number(&RATE, findings);
    let burst = section.number(&BURST, findings);
    section.has_no_others(findings);
    let quota = (per_second > 0).then_some(Quota { burst, per_second });
    (reconciling, quota)
}

/// Reads `[safety]`: the routes that a worker may move in a minute.
pub(super) fn moves_per_minute(section: &Section<'_>, findings: &mut Findings) -> u32 {
    let moves = section.number(&MOVES, findings);
    section.has_no_others(findings);
    moves
}
