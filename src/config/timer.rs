//! What the worker does without an event, and its limits: `[reconcile]` and `[safety]`.

use std::time::Duration;

use crate::config::section::{Number, Section, seconds};
use writerlink_core::actuation::quota::{Quota, REGISTRATIONS_BURST, REGISTRATIONS_PER_SECOND};
use writerlink_engine::attempt::MOVES_PER_MINUTE_MAX;
use writerlink_engine::timer::{INTERVAL, PASSES_PER_SECOND_MAX, Reconciling, SQL_INTERVAL};

/// At least as long as a reading needs to be confirmed; an hour would be too late for a repair.
const INTERVAL_SECONDS: Number = Number::new(
    "interval_seconds",
    5..=3600,
    seconds(INTERVAL),
    "more frequent passes only cost calls, and rarer ones miss a lost event for hours",
)
.or_zero("no reconcile passes (then nothing repairs a lost event)");

/// `DescribeTargetHealth` refills at 50 a second for a whole account and Region (ELB User Guide, as above),
/// and two workers run.
const RECONCILE_PASSES: Number = Number::new(
    "describe_calls_per_second_max",
    1..=50,
    PASSES_PER_SECOND_MAX,
    "DescribeTargetHealth allows 50 calls a second to a whole account, including those for events",
);

const MOVES: Number = Number::new(
    "moves_per_minute_max",
    1..=60_000,
    MOVES_PER_MINUTE_MAX,
    "with 0 no route could move, and the load balancer's API allows at most 260 registrations in a minute unless \
          AWS has raised that",
);

/// AWS raises it on request; more than a thousand would be a mistake.
const RATE: Number = Number::new("registrations_per_second", 1..=1000, REGISTRATIONS_PER_SECOND, "it is the account's quota for RegisterTargets and DeregisterTargets together, 4 unless AWS has raised it").or_zero("no quota queue (then calls are made at once, and AWS may refuse them)");

/// With less than two a bucket is full whenever it has a token, and a full bucket grants every caller.
const BURST: Number = Number::new(
    "registrations_burst",
    2..=1000,
    REGISTRATIONS_BURST,
    "it is how many of these calls the account may make at once, 20 unless AWS has raised it",
);

/// Reads `[reconcile]`. An interval of 0 is shown with its consequence.
pub(super) fn reconciling(section: &Section<'_>) -> (Reconciling, Option<Quota>) {
    let shown = |seconds: &u32| match seconds {
        0 => "0: no reconcile passes, so nothing repairs a lost event".to_owned(),
        seconds => seconds.to_string(),
    };
    let interval = section.number_shown(&INTERVAL_SECONDS, shown);
    let reconciling = Reconciling {
        interval: (interval > 0).then(|| Duration::from_secs(interval.into())),
        describe_calls_per_second_max: section.number(&RECONCILE_PASSES),
        sql_interval: SQL_INTERVAL,
    };
    let per_second = section.number(&RATE);
    let burst = section.number(&BURST);
    section.has_no_others();
    let quota = (per_second > 0).then_some(Quota { burst, per_second });
    (reconciling, quota)
}

/// Reads `[safety]`: the routes that a worker may move in a minute.
pub(super) fn moves_per_minute(section: &Section<'_>) -> u32 {
    let moves = section.number(&MOVES);
    section.has_no_others();
    moves
}
