//! Why something is recorded, and what made it happen: closed lists, so that they can be counted and searched.

use crate::named::named;

/// Why an attempt ended as it did: a closed list, so that it can be counted and searched. The comment of a variant is
/// published as its meaning ([`Reason::meaning`]), word for word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display, strum::EnumMessage)]
#[expect(clippy::doc_markdown, reason = "the comments are published as they stand")]
pub enum Reason {
    /// the event says who writes, and the group follows
    WriterMoved,
    /// the group already held the desired target alone
    NothingToDo,
    /// on_started says to register the coming writer and to keep the old one
    RegisteredFirst,
    /// on_started says to wait until the failover completes
    WaitsForCompletion,
    /// an event with this id moves no route
    NotAFailover,
    /// who writes has to be asked for, and the route has nobody to ask
    TruthUnknown,
    /// newer evidence has moved the route already, or holds it
    EvidenceNotNewer,
    /// the event was settled before: one event has one outcome
    SettledBefore,
    /// an instance should be named in the event's text, and is not
    NoInstanceNamed,
    /// the named instance is not one of the route's
    UnknownInstance,
    /// the address lies outside allowed_cidrs
    AddressNotAllowed,
    /// the event's time lies further ahead than clocks can differ
    FromTheFuture,
    /// a call of the load balancer failed
    CallFailed,
    /// the group was not as desired after every round of calls
    NotConverged,
    /// the lease was over before the attempt was
    LeaseLost,
    /// the witnesses agree on another writer than the route pointed at
    TruthMoved,
    /// the group was not what the route points at, and was put right
    GroupDiffered,
    /// the event does not say who writes, so the witnesses are asked
    WitnessesAsked,
    /// an event of long ago says who wrote then, and not who writes now
    EvidenceTooOld,
    /// the witnesses differ or cannot tell, which is waited out
    TruthUnclear,
    /// a young event outranks the witnesses, whose word lags behind it
    EventTrusted,
    /// the discovery sources agree with the newest evidence
    SourcesAgree,
    /// the discovery sources name another writer than the newest evidence, which stands until they change
    SourcesContradict,
    /// the sources of two workers differ: a resolver in front of one of them lags
    WorkersDisagree,
    /// the instance is not one of allowed_instances
    InstanceNotAllowed,
    /// a person paused the route
    Paused,
    /// a person froze every route
    Frozen,
    /// a person pinned the route elsewhere
    Pinned,
    /// the route only observes
    Observing,
    /// the route was moved too often in a short time
    Flapping,
    /// the worker has moved as many routes this minute as it may
    TooManyMoves,
    #[doc = " calls of the load balancer take turns by the account's quotas, and this one waits for its \
             own, or was refused"]
    AwaitsTurn,
    /// a person ordered it
    Ordered,
    /// the new target serves
    TargetServes,
    /// the new target does not serve in time
    TargetDoesNotServe,
    /// an old target is gone
    TargetGone,
    /// the address of the named instance could not be looked up
    AddressUnavailable,
    /// an address in the route's map is not the one that the instance has
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
