//! Why something is recorded, and what made it happen: closed lists, so that they can be counted and searched.

use std::fmt;

/// Why an attempt ended as it did: a closed list, so that it can be counted and searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The failover began, or was told complete, and the group follows it.
    WriterMoved,
    /// The group already held the desired target alone.
    NothingToDo,
    /// The failover began and `on_started` says to register only.
    RegisteredFirst,
    /// The failover began and `on_started` says to wait for its completion.
    WaitsForCompletion,
    /// The event's id is none that moves a route.
    NotAFailover,
    /// The event says that the writer has to be asked for, and the route has only its static map.
    TruthUnknown,
    /// Newer evidence already moved the route.
    EvidenceNotNewer,
    /// The event was settled before.
    SettledBefore,
    /// The event's text names no instance.
    NoInstanceNamed,
    /// The named instance is not one of the route's.
    UnknownInstance,
    /// The address lies outside `allowed_cidrs`.
    AddressNotAllowed,
    /// The event's time lies in the future.
    FromTheFuture,
    /// A call of the load balancer failed.
    CallFailed,
    /// The group was not as desired after the calls.
    NotConverged,
    /// The lease could not be kept.
    LeaseLost,
    /// The witnesses agree on another writer than the route points at.
    TruthMoved,
    /// The group was not what the route points at: a hand-made change, or a move left half done.
    GroupDiffered,
    /// The event says that the writer has to be asked for: the timer asks the route's witnesses.
    WitnessesAsked,
    /// The event is too old to be believed; the timer asks the route's witnesses, if it has any.
    EvidenceTooOld,
    /// The witnesses differ, or one of them cannot tell.
    TruthUnclear,
    /// The witnesses contradict an event that is young enough to outrank them.
    EventTrusted,
    /// The discovery sources agree with the newest evidence.
    SourcesAgree,
    /// The discovery sources name another writer than the newest evidence, and cannot outrank it.
    SourcesContradict,
    /// The sources of one worker contradict the newest evidence, those of another agree with it.
    WorkersDisagree,
    /// The instance is not one of `allowed_instances`.
    InstanceNotAllowed,
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
    /// The worker has moved as many routes this minute as it may.
    TooManyMoves,
    /// The rest of the move waits: for its turn at the load balancer's bucket, or since a call was refused for its rate.
    AwaitsTurn,
    /// A person ordered it.
    Ordered,
    /// The new target serves.
    TargetServes,
    /// The new target does not serve in time.
    TargetDoesNotServe,
    /// An old target is gone.
    TargetGone,
    /// The address of the named instance could not be looked up.
    AddressUnavailable,
    /// An address in the route's map is not the one that the instance has.
    MapDiffers,
}

impl Reason {
    /// Every reason, for whoever lists or parses them.
    pub const ALL: [Self; 38] = [
        Self::WriterMoved,
        Self::NothingToDo,
        Self::RegisteredFirst,
        Self::WaitsForCompletion,
        Self::NotAFailover,
        Self::TruthUnknown,
        Self::EvidenceNotNewer,
        Self::SettledBefore,
        Self::NoInstanceNamed,
        Self::UnknownInstance,
        Self::AddressNotAllowed,
        Self::FromTheFuture,
        Self::CallFailed,
        Self::NotConverged,
        Self::LeaseLost,
        Self::TruthMoved,
        Self::GroupDiffered,
        Self::WitnessesAsked,
        Self::EvidenceTooOld,
        Self::TruthUnclear,
        Self::EventTrusted,
        Self::SourcesAgree,
        Self::SourcesContradict,
        Self::WorkersDisagree,
        Self::InstanceNotAllowed,
        Self::Paused,
        Self::Frozen,
        Self::Pinned,
        Self::Observing,
        Self::Flapping,
        Self::TooManyMoves,
        Self::AwaitsTurn,
        Self::Ordered,
        Self::TargetServes,
        Self::TargetDoesNotServe,
        Self::TargetGone,
        Self::AddressUnavailable,
        Self::MapDiffers,
    ];

    /// Its name, as recorded.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WriterMoved => "WriterMoved",
            Self::NothingToDo => "NothingToDo",
            Self::RegisteredFirst => "RegisteredFirst",
            Self::WaitsForCompletion => "WaitsForCompletion",
            Self::NotAFailover => "NotAFailover",
            Self::TruthUnknown => "TruthUnknown",
            Self::EvidenceNotNewer => "EvidenceNotNewer",
            Self::SettledBefore => "SettledBefore",
            Self::NoInstanceNamed => "NoInstanceNamed",
            Self::UnknownInstance => "UnknownInstance",
            Self::AddressNotAllowed => "AddressNotAllowed",
            Self::FromTheFuture => "FromTheFuture",
            Self::CallFailed => "CallFailed",
            Self::NotConverged => "NotConverged",
            Self::LeaseLost => "LeaseLost",
            Self::TruthMoved => "TruthMoved",
            Self::GroupDiffered => "GroupDiffered",
            Self::WitnessesAsked => "WitnessesAsked",
            Self::EvidenceTooOld => "EvidenceTooOld",
            Self::TruthUnclear => "TruthUnclear",
            Self::EventTrusted => "EventTrusted",
            Self::SourcesAgree => "SourcesAgree",
            Self::SourcesContradict => "SourcesContradict",
            Self::WorkersDisagree => "WorkersDisagree",
            Self::InstanceNotAllowed => "InstanceNotAllowed",
            Self::Paused => "Paused",
            Self::Frozen => "Frozen",
            Self::Pinned => "Pinned",
            Self::Observing => "Observing",
            Self::Flapping => "Flapping",
            Self::TooManyMoves => "TooManyMoves",
            Self::AwaitsTurn => "AwaitsTurn",
            Self::Ordered => "Ordered",
            Self::TargetServes => "TargetServes",
            Self::TargetDoesNotServe => "TargetDoesNotServe",
            Self::TargetGone => "TargetGone",
            Self::AddressUnavailable => "AddressUnavailable",
            Self::MapDiffers => "MapDiffers",
        }
    }

    /// What it says, in a sentence without the values of the case.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::WriterMoved => "the event says who writes, and the group follows",
            Self::NothingToDo => "the group already held the desired target alone",
            Self::RegisteredFirst => "on_started says to register the coming writer and to keep the old one",
            Self::WaitsForCompletion => "on_started says to wait until the failover completes",
            Self::NotAFailover => "an event with this id moves no route",
            Self::TruthUnknown => "who writes has to be asked for, and the route has nobody to ask",
            Self::EvidenceNotNewer => "newer evidence has moved the route already, or holds it",
            Self::SettledBefore => "the event was settled before: one event has one outcome",
            Self::NoInstanceNamed => "an instance should be named in the event's text, and is not",
            Self::UnknownInstance => "the named instance is not one of the route's",
            Self::AddressNotAllowed => "the address lies outside allowed_cidrs",
            Self::FromTheFuture => "the event's time lies further ahead than clocks can differ",
            Self::CallFailed => "a call of the load balancer failed",
            Self::NotConverged => "the group was not as desired after every round of calls",
            Self::LeaseLost => "the lease was over before the attempt was",
            Self::TruthMoved => "the witnesses agree on another writer than the route pointed at",
            Self::GroupDiffered => "the group was not what the route points at, and was put right",
            Self::WitnessesAsked => "the event does not say who writes, so the witnesses are asked",
            Self::EvidenceTooOld => "an event of long ago says who wrote then, and not who writes now",
            Self::TruthUnclear => "the witnesses differ or cannot tell, which is waited out",
            Self::EventTrusted => "a young event outranks the witnesses, whose word lags behind it",
            Self::SourcesAgree => "the discovery sources agree with the newest evidence",
            Self::SourcesContradict => {
                "the discovery sources name another writer than the newest evidence, which stands until they change"
            }
            Self::WorkersDisagree => {
                "the sources of two workers differ: a resolver in front of one of them lags"
            }
            Self::InstanceNotAllowed => "the instance is not one of allowed_instances",
            Self::Paused => "a person paused the route",
            Self::Frozen => "a person froze every route",
            Self::Pinned => "a person pinned the route elsewhere",
            Self::Observing => "the route only observes",
            Self::Flapping => "the route was moved too often in a short time",
            Self::TooManyMoves => "the worker has moved as many routes this minute as it may",
            Self::AwaitsTurn => {
                "calls of the load balancer take turns by the account's quotas, and this one waits for its own, or was refused"
            }
            Self::Ordered => "a person ordered it",
            Self::TargetServes => "the new target serves",
            Self::TargetDoesNotServe => "the new target does not serve in time",
            Self::TargetGone => "an old target is gone",
            Self::AddressUnavailable => "the address of the named instance could not be looked up",
            Self::MapDiffers => "an address in the route's map is not the one that the instance has",
        }
    }

    /// Reads a recorded name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What made an attempt happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl Cause {
    /// Every cause, for whoever lists or parses them.
    pub const ALL: [Self; 4] = [Self::Event, Self::Replay, Self::Reconcile, Self::Operator];

    /// Its name, as recorded.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Replay => "replay",
            Self::Reconcile => "reconcile",
            Self::Operator => "operator",
        }
    }

    /// Reads a recorded name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}
