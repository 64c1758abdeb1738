//! The metrics by name. The alarms use no other.

/// How a metric's values are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A count of events: values add up.
    Counter,
    /// A current number: the newest value counts.
    Gauge,
    /// A duration in milliseconds.
    Time,
}

/// A metric, for CloudWatch and for Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in the log, where it is the key at the root of the line.
    pub name: &'static str,
    /// How its values are combined.
    pub kind: Kind,
    /// Its dimensions in Prometheus. CloudWatch bills each series by the month, so there it has none.
    pub by: By,
    /// One sentence: what it counts or measures.
    pub help: &'static str,
}

/// The dimensions of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// None: one series for the worker.
    Nothing,
    /// By route.
    Route,
    /// By route and outcome.
    RouteAndOutcome,
}

impl Metric {
    /// The unit, as CloudWatch spells it.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Counter | Kind::Gauge => "Count",
            Kind::Time => "Milliseconds",
        }
    }
}

/// Uses one sentence as documentation and as help text, and lists every metric that it declares.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $name:ident = $kind:ident $text:literal by $by:ident;)+) => {
        $(
            $(#[doc = $help])+
            pub const $name: Metric = Metric {
                name: $text,
                kind: Kind::$kind,
                by: By::$by,
                help: concat!($($help),+),
            };
        )+

        /// Every metric. The alarms use no other.
        #[must_use]
        pub fn metrics() -> Vec<Metric> {
            vec![$($name),+]
        }
    };
}

metrics! {
    /// Attempts made, by route and outcome.
    ATTEMPTS = Counter "attempts" by RouteAndOutcome;
    /// How long an attempt took.
    ATTEMPT_MS = Time "attempt_ms" by Nothing;
    /// Age of the event when the attempt began: the delay of RDS, EventBridge and the queue.
    EVENT_DELAY_MS = Time "event_delay_ms" by Nothing;
    /// From the start of an attempt until the load balancer has registered the target.
    REGISTERED_MS = Time "registered_ms" by Nothing;
    /// From the start of an attempt until the old targets are deregistered or the weights are changed.
    MOVED_MS = Time "moved_ms" by Nothing;
    /// Messages that are not events of a configured route.
    MESSAGES_IGNORED = Counter "messages_ignored" by Nothing;
    /// Messages that could not be parsed and went to the dead-letter queue.
    MESSAGES_MALFORMED = Counter "messages_malformed" by Nothing;
    /// Failed calls to the queue.
    QUEUE_FAILURES = Counter "queue_failures" by Nothing;
    /// Messages whose visibility timeout ended while they were processed.
    VISIBILITY_LOST = Counter "visibility_lost" by Nothing;
    /// Tasks that panicked, each of them a bug.
    PANICS = Counter "panics" by Nothing;
    /// Attempts whose event was processed with outcome Failed.
    TRANSITIONS_FAILED = Counter "transitions_failed" by Route;
    /// Attempts that ended because the lease expired or another worker took it over.
    LEASE_LOST = Counter "lease_lost" by Route;
    /// AWS calls that were throttled.
    CALLS_THROTTLED = Counter "calls_throttled" by Nothing;
    /// From the event or reading until a reconcile pass first saw the new target healthy.
    TARGET_HEALTHY_MS = Time "target_healthy_ms" by Nothing;
    /// New targets that did not become healthy in time.
    TARGETS_NOT_HEALTHY = Counter "targets_not_healthy" by Route;
    /// From the end of the move until a reconcile pass first saw an old target removed.
    TARGET_REMOVED_MS = Time "target_removed_ms" by Nothing;
    /// Passes of the receive loop: receives that returned or failed, or progress of groups while all slots are taken.
    RECEIVE_LOOP_PASSES = Counter "receive_loop_passes" by Nothing;
    /// Reconcile passes of the timer.
    RECONCILE_PASSES = Counter "reconcile_passes" by Nothing;
    /// Reconcile passes that failed.
    RECONCILE_FAILURES = Counter "reconcile_failures" by Nothing;
    /// Routes that are out of sync, have an unresolved event or a source conflict, or have a broken audit chain.
    ROUTES_OUT_OF_SYNC = Gauge "routes_out_of_sync" by Nothing;
    /// Routes paused or frozen for more than an hour.
    PAUSED_TOO_LONG = Gauge "paused_too_long" by Nothing;
    /// Routes held by flap protection.
    FLAP_PROTECTED = Gauge "flap_protected" by Nothing;
    /// From the event or reading until every relay forwarded to the new instance.
    RELAYS_SWITCHED_MS = Time "relays_switched_ms" by Nothing;
    /// Moves that a relay had not applied in time.
    RELAYS_NOT_SWITCHED = Counter "relays_not_switched" by Route;
    /// Relay routes without a relay that reports and is asked by its HAProxy.
    ROUTES_WITHOUT_RELAY = Gauge "routes_without_relay" by Nothing;
    /// Audit chains that were found broken.
    CHAIN_BROKEN = Counter "chain_broken" by Route;
    /// Attempts stopped by a hold.
    ATTEMPTS_HELD = Counter "attempts_held" by Route;
    /// Message groups released unfinished at the end of the drain limit.
    GROUPS_RELEASED = Counter "groups_released" by Nothing;
    /// Limit on message groups processed at once, recorded whenever ledger latency changes it.
    GROUP_CONCURRENCY_LIMIT = Gauge "group_concurrency_limit" by Nothing;
    /// How long it took to commit an attempt's intent.
    BEGIN_MS = Time "begin_ms" by Nothing;
    /// How long an attempt's `RegisterTargets` calls took.
    REGISTER_MS = Time "register_ms" by Nothing;
    /// How long an attempt's `DeregisterTargets` calls took.
    DEREGISTER_MS = Time "deregister_ms" by Nothing;
    /// How long an attempt's `DescribeTargetHealth` calls took.
    OBSERVE_MS = Time "observe_ms" by Nothing;
    /// How long an attempt's `DescribeListeners` calls took.
    LISTENER_MS = Time "listener_ms" by Nothing;
    /// How long an attempt's `ModifyListener` calls took.
    MODIFY_LISTENER_MS = Time "modify_listener_ms" by Nothing;
    /// How long it took to extend an attempt's lease.
    EXTEND_LEASE_MS = Time "extend_lease_ms" by Nothing;
    /// How long it took to commit an attempt's outcome.
    FINISH_MS = Time "finish_ms" by Nothing;
}

/// The phases of an attempt: the step's name and the metric of its duration. A step that is repeated in one attempt
/// counts with its sum.
pub const PHASES: [(&str, Metric); 8] = [
    ("Begin", BEGIN_MS),
    ("RegisterTargets", REGISTER_MS),
    ("DeregisterTargets", DEREGISTER_MS),
    ("DescribeTargetHealth", OBSERVE_MS),
    ("DescribeListeners", LISTENER_MS),
    ("ModifyListener", MODIFY_LISTENER_MS),
    ("ExtendLease", EXTEND_LEASE_MS),
    ("Finish", FINISH_MS),
];
