//! A survey as JSON: one shape for `status` and for the page of `run`.
//!
//! The domain knows no serialization, so these are its serializable counterparts. A field that is absent is `null`;
//! what could not be read is told under `unread`, with the part's name.

mod build;

use serde::Serialize;

/// The version of this document. It grows when a field is removed or changes its meaning.
pub const VERSION: u32 = 1;

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct SurveyView {
    /// [`VERSION`].
    pub version: u32,
    /// When it was read.
    pub at: String,
    /// The installation, by the configuration of whoever asks.
    pub installation: String,
    /// The hash of that configuration.
    pub config_hash: String,
    /// Under which configuration a worker wrote a record last; absent where it has written none of these routes.
    pub worker: Option<WorkerView>,
    /// The routes.
    pub routes: Vec<RouteView>,
    /// The queue.
    pub queue: QueueView,
}

/// What a worker's newest record says of the worker.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerView {
    /// The record, as `audit show` finds it.
    pub record: String,
    /// When it was written.
    pub at: String,
    /// How long ago.
    pub age_ms: u64,
    /// Which process wrote it.
    pub owner: String,
    /// In the name of which installation; records of 0.1.0 do not say.
    pub installation: Option<String>,
    /// Under which configuration.
    pub config_hash: Option<String>,
    /// Whether both are those of whoever asks.
    pub same: Option<bool>,
}

/// A part that could not be read.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadView {
    /// Which part: `state`, `records`, `chain_end`, `listener`, `queue`, `dead_letters`, or a group's ARN.
    pub part: String,
    /// Why.
    pub error: String,
}

/// The queue's approximate counts.
#[derive(Clone, Debug, Serialize)]
pub struct QueueView {
    /// Waiting.
    pub visible: Option<u64>,
    /// Received, and not deleted yet.
    pub in_flight: Option<u64>,
    /// In the dead-letter queue.
    pub dead_letters: Option<u64>,
    /// What could not be read.
    pub unread: Vec<UnreadView>,
}

/// One route.
#[derive(Clone, Debug, Serialize)]
pub struct RouteView {
    /// Its name.
    pub route: String,
    /// `right`, `moving`, `wrong` or `unknown`.
    pub standing: &'static str,
    /// Why that is said.
    pub why: String,
    /// When it was read.
    pub at: String,
    /// `swap` or `weighted`.
    pub strategy: &'static str,
    /// `enforce` or `observe`.
    pub mode: &'static str,
    /// Where the ledger says that it points.
    pub desired: Option<DesiredView>,
    /// Newer evidence that is held back.
    pub waiting: Option<DesiredView>,
    /// The newest event that could not be acted on.
    pub unresolved_event: Option<UnresolvedEventView>,
    /// Discovery sources that contradict what is desired, or cannot tell.
    pub source_conflict: Option<SourceConflictView>,
    /// What holds it back now.
    pub held_back: Vec<HeldView>,
    /// How often its target changed in the last ten minutes.
    pub moves_lately: usize,
    /// Who is moving it.
    pub lease: Option<LeaseView>,
    /// The last move, while its effect is still to be seen.
    pub follow: Option<FollowView>,
    /// The listener of a weighted route.
    pub listener: Option<String>,
    /// Its target groups.
    pub groups: Vec<GroupView>,
    /// The last attempt that took the route.
    pub last_move: Option<MoveView>,
    /// The newest record of any kind.
    pub latest: Option<LatestView>,
    /// Where its audit chain ends.
    pub chain: Option<ChainView>,
    /// Whether the audit ends there too; absent when one of the two could not be read.
    pub chain_end: Option<ChainEndView>,
    /// What could not be read.
    pub unread: Vec<UnreadView>,
}

/// Where a route should point.
#[derive(Clone, Debug, Serialize)]
pub struct DesiredView {
    /// Which instance.
    pub instance: String,
    /// Its target.
    pub target: String,
    /// Further targets that belong in the group.
    pub beside: Vec<String>,
    /// `swap`, or `register` while the old one stays.
    pub reach: &'static str,
    /// When the evidence was said.
    pub evidence_at: String,
    /// The event that said so.
    pub event_key: String,
}

/// An event that could not be acted on.
#[derive(Clone, Debug, Serialize)]
pub struct UnresolvedEventView {
    /// Which one.
    pub event_key: String,
    /// The event's own time.
    pub event_at: String,
    /// When it was first recorded so.
    pub since: String,
    /// The instance that it names, if it names one.
    pub instance: Option<String>,
    /// How it was settled; absent while its message comes back.
    pub outcome: Option<&'static str>,
    /// Why it could not be acted on.
    pub reason: &'static str,
    /// In words.
    pub note: String,
}

/// Discovery sources that contradict what is desired.
#[derive(Clone, Debug, Serialize)]
pub struct SourceConflictView {
    /// Since when.
    pub since: String,
    /// In a word.
    pub reason: &'static str,
    /// What each of them says.
    pub note: String,
    /// The process that saw it.
    pub by: String,
}

/// A rule that is in force.
#[derive(Clone, Debug, Serialize)]
pub struct HeldView {
    /// `paused`, `frozen`, `pinned`, `observing` or `flapping`.
    pub rule: &'static str,
    /// Who set it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Option<String>,
    /// Until when; until it is lifted if absent.
    pub until: Option<String>,
    /// Where it is pinned.
    pub instance: Option<String>,
    /// All of that in one sentence.
    pub note: String,
}

/// A lease.
#[derive(Clone, Debug, Serialize)]
pub struct LeaseView {
    /// Who holds it.
    pub owner: String,
    /// For which attempt.
    pub transition: String,
    /// Its deadline, by the holder's clock.
    pub until: String,
    /// How long it still holds.
    pub left_ms: u64,
    /// After how long another worker may take the route over at the latest.
    pub free_in_ms: u64,
}

/// A move whose effect is still to be seen.
#[derive(Clone, Debug, Serialize)]
pub struct FollowView {
    /// Its instance.
    pub instance: String,
    /// Its target.
    pub target: String,
    /// `awaited`, `overdue` or `serving`.
    pub arrival: &'static str,
    /// Old targets that are not gone yet.
    pub leaving: Vec<String>,
}

/// A target group.
#[derive(Clone, Debug, Serialize)]
pub struct GroupView {
    /// Whose it is, on a weighted route.
    pub instance: Option<String>,
    /// Which one.
    pub target_group: String,
    /// Its weight, on a weighted route.
    pub weight: Option<u16>,
    /// Its rows; absent when they could not be read.
    pub targets: Option<Vec<TargetView>>,
}

/// A row of a target group.
#[derive(Clone, Debug, Serialize)]
pub struct TargetView {
    /// Address and port.
    pub target: String,
    /// Its state, as the load balancer spells it.
    pub state: String,
    /// The load balancer's reason for it.
    pub reason: Option<String>,
    /// Its zone.
    pub availability_zone: Option<String>,
    /// Which instance it is, by the route's map and by where the route points.
    pub instance: Option<String>,
    /// Whether the route should point at it.
    pub desired: bool,
}

/// A move.
#[derive(Clone, Debug, Serialize)]
pub struct MoveView {
    /// Which attempt.
    pub transition: String,
    /// Its newest record, as `audit show` finds it.
    pub record: String,
    /// On which evidence.
    pub event_key: String,
    /// What made it happen.
    pub cause: &'static str,
    /// The how manieth attempt at it.
    pub attempt: u32,
    /// Where to.
    pub instance: Option<String>,
    /// Where to.
    pub target: Option<String>,
    /// When its newest record was written.
    pub at: String,
    /// How long ago.
    pub age_ms: u64,
    /// `started`, `resumed`, `deferred` or `finished`.
    pub state: &'static str,
    /// How it ended, if it did.
    pub outcome: Option<&'static str>,
    /// Why.
    pub reason: Option<&'static str>,
    /// In words.
    pub note: String,
    /// When the evidence was said.
    pub evidence_at: String,
    /// What was reached when.
    pub phases: Vec<PhaseView>,
}

/// Something that a move reached.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseView {
    /// What.
    pub name: &'static str,
    /// When.
    pub at: String,
    /// How long after the evidence was said.
    pub after_ms: u64,
}

/// The newest record.
#[derive(Clone, Debug, Serialize)]
pub struct LatestView {
    /// As `audit show` finds it.
    pub record: String,
    /// When it was written.
    pub at: String,
    /// How long ago.
    pub age_ms: u64,
    /// Its kind.
    pub kind: &'static str,
    /// Its outcome, if it settles something.
    pub outcome: Option<&'static str>,
    /// Why.
    pub reason: Option<&'static str>,
    /// In words.
    pub note: String,
}

/// The end of a chain.
#[derive(Clone, Debug, Serialize)]
pub struct ChainView {
    /// The last record's number.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

/// The audit's newest row, compared with the head in the route's state.
#[derive(Clone, Debug, Serialize)]
pub struct ChainEndView {
    /// `matches`, `records_beyond_head`, `records_missing` or `other_record`.
    pub found: &'static str,
    /// The newest row's number; 0 if there is no row.
    pub newest_seq: u64,
    /// What differs; absent if they match.
    pub difference: Option<String>,
    /// What to do about it; absent if they match.
    pub remedy: Option<String>,
}
