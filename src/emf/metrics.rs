//! The metrics, as CloudWatch knows them. The alarms refer to these alone.

/// The CloudWatch namespace of every metric.
pub const NAMESPACE: &str = "writerlink";

/// A metric, as CloudWatch knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, and the key at the root of the line.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
}

const fn count(name: &'static str) -> Metric {
    Metric {
        name,
        unit: "Count",
    }
}

const fn milliseconds(name: &'static str) -> Metric {
    Metric {
        name,
        unit: "Milliseconds",
    }
}

/// Attempts made, by route and outcome.
pub const ATTEMPTS: Metric = count("attempts");
/// How long an attempt took in all.
pub const ATTEMPT_MS: Metric = milliseconds("attempt_ms");
/// How old the event was when the attempt began: the delay of RDS, EventBridge and the queue.
pub const EVENT_AGE_MS: Metric = milliseconds("event_age_ms");
/// From the start of an attempt to the load balancer's word that the target is registered.
pub const REGISTERED_MS: Metric = milliseconds("registered_ms");
/// From the start of an attempt to its word that the others are deregistered.
pub const SWAPPED_MS: Metric = milliseconds("swapped_ms");
/// Messages that were no events of ours.
pub const MESSAGES_IGNORED: Metric = count("messages_ignored");
/// Messages that could not be read and went to the dead-letter queue.
pub const MESSAGES_MALFORMED: Metric = count("messages_malformed");
/// Calls of the queue that failed.
pub const QUEUE_FAILURES: Metric = count("queue_failures");
/// Messages whose visibility ended while they were worked on.
pub const VISIBILITY_LOST: Metric = count("visibility_lost");
/// Tasks that panicked: a bug.
pub const PANICS: Metric = count("panics");
/// Attempts whose event was settled as Failed. Whoever gives an order sees for himself how it ended, and what a look of
/// the timer cannot put right is [`ROUTE_DIVERGED`].
pub const TRANSITIONS_FAILED: Metric = count("transitions_failed");
/// Attempts that ended because the lease was over or taken over.
pub const LEASE_LOST: Metric = count("lease_lost");
/// Calls that were refused for their rate.
pub const CALLS_THROTTLED: Metric = count("calls_throttled");
/// From the evidence to the first look at which the new target served.
pub const SERVING_MS: Metric = milliseconds("serving_ms");
/// New targets that did not serve in time.
pub const NOT_SERVING: Metric = count("not_serving");
/// From the end of the move to the first look at which an old target was gone.
pub const DRAINED_MS: Metric = milliseconds("drained_ms");
/// Minutes of a worker's timer: its sign of life.
pub const WORKER_TURNS: Metric = count("worker_turns");
/// Looks of the timer.
pub const LOOKS: Metric = count("looks");
/// Looks that could not be made.
pub const LOOKS_FAILED: Metric = count("looks_failed");
/// Routes that differ from what their witnesses say and stay so, and that no person holds back.
pub const ROUTE_DIVERGED: Metric = count("route_diverged");
/// Routes paused or frozen for more than an hour.
pub const PAUSED_TOO_LONG: Metric = count("paused_too_long");
/// Routes stopped by the flap rule.
pub const ANTI_FLAP: Metric = count("anti_flap");
/// Chains of records that were found broken.
pub const CHAIN_BROKEN: Metric = count("chain_broken");
/// Attempts held back by a safety rule.
pub const HELD_BACK: Metric = count("held_back");
/// Groups let go of at the end of the drain limit.
pub const LET_GO: Metric = count("groups_let_go");

/// What an alarm looks at over all routes together: these are written without a dimension too, beside those of their
/// line. The others are not, since a series costs by the month.
pub(super) const OF_ALL_ROUTES: [Metric; 5] = [
    TRANSITIONS_FAILED,
    LEASE_LOST,
    CALLS_THROTTLED,
    NOT_SERVING,
    CHAIN_BROKEN,
];

/// The phases of an attempt, each a metric: the step's name and the metric's. A phase that comes twice in an
/// attempt is added up.
pub(super) const PHASES: [(&str, Metric); 6] = [
    ("Begin", milliseconds("begin_ms")),
    ("RegisterTargets", milliseconds("register_ms")),
    ("DeregisterTargets", milliseconds("deregister_ms")),
    ("DescribeTargetHealth", milliseconds("observe_ms")),
    ("ExtendLease", milliseconds("extend_lease_ms")),
    ("Finish", milliseconds("finish_ms")),
];

/// Every metric there is; the alarms refer to these alone.
#[must_use]
pub fn metrics() -> Vec<Metric> {
    let mut all = vec![
        ATTEMPTS,
        ATTEMPT_MS,
        EVENT_AGE_MS,
        REGISTERED_MS,
        SWAPPED_MS,
        MESSAGES_IGNORED,
        MESSAGES_MALFORMED,
        QUEUE_FAILURES,
        VISIBILITY_LOST,
        PANICS,
        TRANSITIONS_FAILED,
        LEASE_LOST,
        CALLS_THROTTLED,
        SERVING_MS,
        NOT_SERVING,
        DRAINED_MS,
        WORKER_TURNS,
        LOOKS,
        LOOKS_FAILED,
        ROUTE_DIVERGED,
        PAUSED_TOO_LONG,
        ANTI_FLAP,
        CHAIN_BROKEN,
        HELD_BACK,
        LET_GO,
    ];
    all.extend(PHASES.map(|(_, metric)| metric));
    all
}
