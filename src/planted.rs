//! Bugs on purpose: each is one small switch, there only in a build with the feature `bug-zoo`.
//!
//! A test that has never failed proves little. The zoo turns one bug on at a time and asks which of the
//! methods (crash matrix, simulation, model, property tests) catches it; `docs/correctness.md` has the table.
//! Without the feature [`planted`] is `false` at compile time, and nothing of a bug is in the program.

/// A bug that somebody made, or could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// Deregisters the old target before it registers the new one: the Lambda, and AWS's own controller.
    DeregistersFirst,
    /// Takes an unanswered `RegisterTargets` for a registered target.
    LostReplyIsSuccess,
    /// Does not look at the group again after the calls.
    NoLastLook,
    /// Trusts `TargetHealthDescriptions[0]` to be the old target: the Lambda.
    TrustsTheFirstRow,
    /// Counts a draining row as registered.
    DrainingIsPresent,
    /// Counts `unhealthy.draining` as gone: aws-load-balancer-controller's `IsDraining`.
    UnhealthyDrainingIsGone,
    /// Compares targets by address alone.
    PortDoesNotMatter,
    /// Deregisters targets of others in a group that is not exclusive.
    StrangersGoToo,
    /// Lets older evidence move the route.
    OrderDoesNotMatter,
    /// Ranks what started above what completed.
    StartedBeatsCompleted,
    /// Believes an event from the future, which makes every later one look old.
    FutureIsBelieved,
    /// Registers an address outside `allowed_cidrs`.
    CidrsDoNotMatter,
    /// Takes an address that stands in the event's text.
    AddressFromTheEvent,
    /// Tells events apart by the queue's message id.
    KeyOfTheMessage,
    /// Takes over a lease that is held.
    TakesOverAtOnce,
    /// Takes over at the deadline, as if all clocks were one.
    TakesOverAtTheDeadline,
    /// Makes a call that can outlast the lease.
    CallOutlivesTheLease,
    /// Goes on after its lease is over.
    GoesOnAfterTheLease,
    /// Measures its lease on the wall clock, which jumps.
    LeaseOnTheWallClock,
    /// Writes without a condition on the generation, the chain or the lease.
    NoFence,
    /// Takes over a lease that was lengthened since it was read: dynamodb-lock-client #114.
    StaleSteal,
    /// A lengthening that arrives after the release brings the lease back: dynamodb-lock-client #116.
    RevivesTheLease,
    /// Asks the load balancer before the event is known to be new.
    LooksBeforeItAnnounces,
    /// Registers before the intent is committed: an audit written after the effect.
    ActsBeforeItAnnounces,
    /// Takes an event that was left half done for one that is settled.
    ForgetsToResume,
    /// Never gives up on an event.
    NeverGivesUp,
    /// Deletes the message before its event is settled.
    DeletesFirst,
    /// Goes on with the group behind a message that is not settled.
    GroupIsNotHeldBack,
    /// Lets a malformed message come back instead of sending it to the dead-letter queue.
    MalformedComesBack,
    /// Deletes the message of a failed event.
    FailedIsDeleted,
    /// Does not keep messages invisible while it works on them.
    VisibilityRunsOut,
    /// Keeps the messages behind one that is not settled.
    RestIsNotReleased,
    /// Drops what is in hand when it is told to stop.
    StopsAtOnce,
    /// Drops its open receive when it is told to stop.
    DropsTheOpenReceive,
    /// Disposes of a message as its last route asks, whatever the others do.
    LastRouteDecides,
    /// Takes a commit whose reply was lost for a refused one.
    LostCommitIsRefused,
    /// Leaves a gap in the chain with every record.
    SkipsASeq,
    /// Does not link a record to the one before it.
    ForgetsThePrevious,
    /// Moves a route that is paused or frozen.
    PausedMovesAll,
    /// Makes calls for a route that only observes.
    ObserverActs,
    /// Follows evidence away from the instance that a route is pinned to.
    PinIsForgotten,
    /// Moves a route as often as it is told to.
    FlapsFreely,
    /// Believes the witnesses against an event of a moment ago.
    TimerFightsEvents,
    /// Believes a source whose answer has not changed since before the newest evidence.
    LaggingIsBelieved,
    /// Takes an event that asks for the writer for the end of the trust in what was said before.
    AskingRetracts,
    /// Counts readings that were taken before the route was moved.
    OldReadingsCount,
    /// Moves on a single reading of the witnesses.
    OneReadingIsTruth,
    /// Repairs a group that was looked at in the middle of another worker's move.
    RepairsWhatItDidNotSee,
    /// Carries out an event that newer evidence in hand has superseded.
    CarriesOutSuperseded,
    /// Follows every event of a source of the same name, whatever its kind, account and Region.
    NamesAreIdentity,
    /// Moves a route by what is older than, or lags behind, an event that waits for its turn or for an address.
    TimerPassesWaitingEvent,
    /// Leaves a state that was restored to an earlier point as it is: version 0.1.0.
    StaysBehindItsRecords,
    /// Rebuilds a restored state, but not the entries of its events.
    ForgetsRestoredEvents,
}

impl Bug {
    /// The whole zoo.
    pub const ALL: [Self; 53] = [
        Self::DeregistersFirst,
        Self::LostReplyIsSuccess,
        Self::NoLastLook,
        Self::TrustsTheFirstRow,
        Self::DrainingIsPresent,
        Self::UnhealthyDrainingIsGone,
        Self::PortDoesNotMatter,
        Self::StrangersGoToo,
        Self::OrderDoesNotMatter,
        Self::StartedBeatsCompleted,
        Self::FutureIsBelieved,
        Self::CidrsDoNotMatter,
        Self::AddressFromTheEvent,
        Self::KeyOfTheMessage,
        Self::TakesOverAtOnce,
        Self::TakesOverAtTheDeadline,
        Self::CallOutlivesTheLease,
        Self::GoesOnAfterTheLease,
        Self::LeaseOnTheWallClock,
        Self::NoFence,
        Self::StaleSteal,
        Self::RevivesTheLease,
        Self::LooksBeforeItAnnounces,
        Self::ActsBeforeItAnnounces,
        Self::ForgetsToResume,
        Self::NeverGivesUp,
        Self::DeletesFirst,
        Self::GroupIsNotHeldBack,
        Self::MalformedComesBack,
        Self::FailedIsDeleted,
        Self::VisibilityRunsOut,
        Self::RestIsNotReleased,
        Self::StopsAtOnce,
        Self::DropsTheOpenReceive,
        Self::LastRouteDecides,
        Self::LostCommitIsRefused,
        Self::SkipsASeq,
        Self::ForgetsThePrevious,
        Self::PausedMovesAll,
        Self::ObserverActs,
        Self::PinIsForgotten,
        Self::FlapsFreely,
        Self::TimerFightsEvents,
        Self::LaggingIsBelieved,
        Self::AskingRetracts,
        Self::OldReadingsCount,
        Self::OneReadingIsTruth,
        Self::RepairsWhatItDidNotSee,
        Self::CarriesOutSuperseded,
        Self::NamesAreIdentity,
        Self::TimerPassesWaitingEvent,
        Self::StaysBehindItsRecords,
        Self::ForgetsRestoredEvents,
    ];
}

/// Whether this bug is turned on: the one that the variable `BUG` names, for the whole process.
#[cfg(feature = "bug-zoo")]
pub(crate) fn planted(bug: Bug) -> bool {
    *ACTIVE == Some(bug)
}

/// Whether this bug is turned on: never, in this build.
#[cfg(not(feature = "bug-zoo"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

/// Read once, so that a bug cannot come and go while a test runs.
#[cfg(feature = "bug-zoo")]
static ACTIVE: std::sync::LazyLock<Option<Bug>> = std::sync::LazyLock::new(|| {
    let name = std::env::var_os("BUG")?;
    let named = |bug: &Bug| *format!("{bug:?}") == *name;
    Bug::ALL.into_iter().find(named)
});
