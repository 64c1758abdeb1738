//! The metrics by name. The alarms refer to these alone.

/// What a metric's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Things that happened: they add up.
    Counter,
    /// How many there are at the moment: the newest number counts.
    Gauge,
    /// How long something took.
    Time,
}

/// A metric, whoever keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in the log, where it is the key at the root of the line.
    pub name: &'static str,
    /// What its numbers mean.
    pub kind: Kind,
    /// Whether it is counted for each route, where series cost nothing by the month.
    pub by: By,
    /// One sentence about it.
    pub help: &'static str,
}

/// By what a metric is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By nothing: it is the worker's.
    Nothing,
    /// By route.
    Route,
    /// By route and outcome.
    RouteAndOutcome,
}

impl Metric {
    /// Its unit, as CloudWatch spells it.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Counter | Kind::Gauge => "Count",
            Kind::Time => "Milliseconds",
        }
    }
}

/// The sentence about a metric is its documentation here and its help text elsewhere, and a metric that is named is
/// listed.
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

        /// Every metric there is; the alarms refer to these alone.
        #[must_use]
        pub fn metrics() -> Vec<Metric> {
            vec![$($name),+]
        }
    };
}

metrics! {
    /// Attempts made, by route and outcome.
    ATTEMPTS = Counter "attempts" by RouteAndOutcome;
    /// How long an attempt took in all.
    ATTEMPT_MS = Time "attempt_ms" by Nothing;
    /// How old the event was when the attempt began: the delay of RDS, EventBridge and the queue.
    EVENT_DELAY_MS = Time "event_delay_ms" by Nothing;
    /// From the start of an attempt to the load balancer's word that the target is registered.
    REGISTERED_MS = Time "registered_ms" by Nothing;
    /// From the start of an attempt to its word that the others are deregistered, or that the weights are moved.
    MOVED_MS = Time "moved_ms" by Nothing;
    /// Messages that were no events of ours.
    MESSAGES_IGNORED = Counter "messages_ignored" by Nothing;
    /// Messages that could not be read and went to the dead-letter queue.
    MESSAGES_MALFORMED = Counter "messages_malformed" by Nothing;
    /// Calls of the queue that failed.
    QUEUE_FAILURES = Counter "queue_failures" by Nothing;
    /// Messages whose visibility ended while they were worked on.
    VISIBILITY_LOST = Counter "visibility_lost" by Nothing;
    /// Tasks that panicked: a bug.
    PANICS = Counter "panics" by Nothing;
    /// Attempts whose event was settled as Failed. Whoever gives an order sees for himself how it ended, and what a
    /// look of the timer cannot put right is a route that diverged.
    TRANSITIONS_FAILED = Counter "transitions_failed" by Route;
    /// Attempts that ended because the lease was over or taken over.
    LEASE_LOST = Counter "lease_lost" by Route;
    /// Calls that were refused for their rate.
    CALLS_THROTTLED = Counter "calls_throttled" by Nothing;
    /// From the evidence to the first look at which the new target served.
    TARGET_HEALTHY_MS = Time "target_healthy_ms" by Nothing;
    /// New targets that did not serve in time.
    TARGETS_NOT_HEALTHY = Counter "targets_not_healthy" by Route;
    /// From the end of the move to the first look at which an old target was gone.
    TARGET_REMOVED_MS = Time "target_removed_ms" by Nothing;
    /// Turns of a worker's receiving loop, its sign of life: receives that returned or failed, and, while every place is
    /// taken, progress of the groups in hand. The timer does not count.
    RECEIVE_LOOP_PASSES = Counter "receive_loop_passes" by Nothing;
    /// Looks of the timer.
    RECONCILE_PASSES = Counter "reconcile_passes" by Nothing;
    /// Looks that could not be made.
    RECONCILE_FAILURES = Counter "reconcile_failures" by Nothing;
    /// Routes that differ from what their sources say and stay so, and that no person holds back; and those with an
    /// event that could not be acted on, with discovery sources that contradict it, or with a broken chain of records.
    ROUTES_OUT_OF_SYNC = Gauge "routes_out_of_sync" by Nothing;
    /// Routes paused or frozen for more than an hour.
    PAUSED_TOO_LONG = Gauge "paused_too_long" by Nothing;
    /// Routes stopped by the flap rule.
    FLAP_PROTECTED = Gauge "flap_protected" by Nothing;
    /// From the evidence to the time when every relay forwarded to the new instance.
    RELAYS_SWITCHED_MS = Time "relays_switched_ms" by Nothing;
    /// Moves that a relay had not applied in time.
    RELAYS_NOT_SWITCHED = Counter "relays_not_switched" by Route;
    /// Relay routes of which no relay reported in time, or was asked by its HAProxy.
    ROUTES_WITHOUT_RELAY = Gauge "routes_without_relay" by Nothing;
    /// Chains of records that were found broken.
    CHAIN_BROKEN = Counter "chain_broken" by Route;
    /// Attempts held back by a safety rule.
    HELD_BACK = Counter "held_back" by Route;
    /// Groups let go of at the end of the drain limit.
    GROUPS_RELEASED = Counter "groups_released" by Nothing;
    /// Groups worked on at once at most, each time that the ledger was too slow for more or is not any more.
    GROUPS_AT_ONCE = Gauge "groups_at_once" by Nothing;
    /// How long an attempt's intent took to be committed.
    BEGIN_MS = Time "begin_ms" by Nothing;
    /// How long an attempt's calls of `RegisterTargets` took.
    REGISTER_MS = Time "register_ms" by Nothing;
    /// How long an attempt's calls of `DeregisterTargets` took.
    DEREGISTER_MS = Time "deregister_ms" by Nothing;
    /// How long an attempt's calls of `DescribeTargetHealth` took.
    OBSERVE_MS = Time "observe_ms" by Nothing;
    /// How long an attempt's calls of `DescribeListeners` took.
    LISTENER_MS = Time "listener_ms" by Nothing;
    /// How long an attempt's calls of `ModifyListener` took.
    MODIFY_LISTENER_MS = Time "modify_listener_ms" by Nothing;
    /// How long an attempt's lease took to be lengthened.
    EXTEND_LEASE_MS = Time "extend_lease_ms" by Nothing;
    /// How long an attempt's outcome took to be committed.
    FINISH_MS = Time "finish_ms" by Nothing;
}

/// The phases of an attempt, each a metric: the step's name and the metric. A phase that comes twice in an attempt
/// is added up.
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
