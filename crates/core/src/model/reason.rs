//! Why something is recorded, and what made it happen: closed lists, so that they can be counted and searched.

use crate::named::named;

/// Why an attempt ended as it did: a closed list, so that it can be counted and searched. The comment of a variant is
/// published as its meaning ([`Reason::meaning`]), word for word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display, strum::EnumMessage)]
#[expect(clippy::doc_markdown, reason = "the comments are published as they stand")]
pub enum Reason {
    /// the event names the writer, and the route moved to it
    WriterMoved,
    /// the group already held the desired target alone
    NothingToDo,
    /// on_started says to register the coming writer and to keep the old one
    RegisteredFirst,
    /// on_started says to wait until the failover completes
    WaitsForCompletion,
    /// an event with this id moves no route
    NotAFailover,
    /// the event does not name the writer, and the route has no discovery source to ask
    NoSources,
    /// newer evidence already moved the route, or a pin holds it
    EvidenceNotNewer,
    /// the event was processed before: one event has one outcome
    AlreadyProcessed,
    /// the event's text names no instance
    NoInstanceNamed,
    /// the named instance is not one of the route's
    UnknownInstance,
    /// the address lies outside allowed_cidrs
    AddressNotAllowed,
    /// the event's time is further ahead than clocks can differ
    EventInFuture,
    /// a call of the load balancer failed
    CallFailed,
    /// the group was not as desired after every round of calls
    NotConverged,
    /// the lease ended before the attempt
    LeaseLost,
    /// the discovery sources agree on another writer than the route's
    WriterChanged,
    /// the load balancer differed from the desired target, and was repaired
    DriftRepaired,
    /// the event does not name the writer, so the discovery sources are asked
    SourcesAsked,
    /// the event is too old to say who the writer is now
    EvidenceTooOld,
    /// the discovery sources differ or give no clear answer; the route waits
    SourcesUnclear,
    /// a recent event outranks the discovery sources, which lag behind it
    EventTrusted,
    /// the discovery sources agree with the newest evidence
    SourcesAgree,
    /// the discovery sources name another writer than the newest evidence, which stands until they change
    SourcesContradict,
    /// the sources of two workers differ: a resolver in front of one of them lags
    WorkersDisagree,
    /// the instance is not one of allowed_instances
    InstanceNotAllowed,
    /// an operator paused the route
    Paused,
    /// an operator froze all routes
    Frozen,
    /// an operator pinned the route to another instance
    Pinned,
    /// the route is in observe mode
    Observing,
    /// the route was moved too often in a short time
    Flapping,
    /// the worker reached moves_per_minute_max
    TooManyMoves,
    #[doc = " calls of the load balancer take turns by the account's quotas, and this one waits for its \
             own, or was refused"]
    AwaitsQuota,
    /// an operator command
    OperatorCommand,
    /// the new target is healthy
    TargetHealthy,
    /// the new target did not become healthy in time
    TargetNotHealthy,
    /// an old target is removed
    TargetRemoved,
    /// every relay forwards to the new instance
    RelaysSwitched,
    /// a relay does not forward to the new instance in time
    RelaysNotSwitched,
    /// the address of the named instance could not be looked up
    AddressUnavailable,
    /// an address in \[route.instances\] is not the one that the instance has
    MapDiffers,
}
named!(Reason);

impl Reason {
    /// What it says, in a sentence without the values of the case.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        strum::EnumMessage::get_documentation(&self).unwrap_or_default()
    }
}

/// What made an attempt happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Cause {
    /// An event from the queue.
    Event,
    /// An event that a person handed in (`writerlink replay`).
    Replay,
    /// The timer, without any event.
    Reconcile,
    /// A person's order.
    Operator,
}
named!(Cause);

/// A safety rule, as an override names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Rule {
    /// The route is paused.
    Paused,
    /// Every route is frozen.
    Frozen,
    /// The route is pinned to another instance.
    Pinned,
    /// The route only observes.
    Observing,
    /// The route was moved too often in a short time.
    Flapping,
}

named!(Rule);

impl Rule {
    /// Every rule, in the order in which they are asked: the first that holds gives the reason.
    pub const IN_ORDER: [Self; 5] =
        [Self::Frozen, Self::Paused, Self::Flapping, Self::Pinned, Self::Observing];
}
