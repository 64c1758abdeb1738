//! A survey as JSON: one shape for `status` and for the page of `run`.
//!
//! The domain knows no serialization, so these are its serializable counterparts. A field that is absent is `null`;
//! what could not be read is listed under `unread`, with the part's name.

#![expect(missing_docs, reason = "the names are those of the document; a field that needs more says more")]

mod build;

use serde::Serialize;

/// The version of this document. It grows when a field is removed or changes its meaning.
pub const VERSION: u32 = 2;

#[derive(Clone, Debug, Serialize)]
pub struct SurveyView {
    pub version: u32,
    pub at: String,
    /// The installation, by the configuration of the reader.
    pub installation: String,
    /// The hash of that configuration.
    pub config_hash: String,
    /// The worker that wrote the newest record of these routes; absent if no record was written by a worker.
    pub worker: Option<WorkerView>,
    pub routes: Vec<RouteView>,
    pub queue: QueueView,
}

/// The worker, by its newest record.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerView {
    /// The record's name for `audit show`.
    pub record: String,
    pub at: String,
    pub age_ms: u64,
    pub owner: String,
    /// The worker's installation; absent in records that do not name one.
    pub installation: Option<String>,
    pub config_hash: Option<String>,
    /// Whether both equal the reader's.
    pub same: Option<bool>,
}

/// A part that could not be read.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadView {
    /// Which part: `state`, `records`, `chain_end`, `listener`, `queue`, `dead_letters`, or a group's ARN.
    pub part: String,
    pub error: String,
}

/// The queue's approximate counts.
#[derive(Clone, Debug, Serialize)]
pub struct QueueView {
    pub visible: Option<u64>,
    /// Received, and not deleted yet.
    pub in_flight: Option<u64>,
    /// In the dead-letter queue.
    pub dead_letters: Option<u64>,
    /// What could not be read.
    pub unread: Vec<UnreadView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RouteView {
    pub route: String,
    /// `in-sync`, `converging`, `held`, `out-of-sync` or `unknown`.
    pub state: &'static str,
    pub why: String,
    pub at: String,
    /// `swap` or `weighted`.
    pub strategy: &'static str,
    /// `enforce` or `observe`.
    pub mode: &'static str,
    /// The desired target, by the ledger.
    pub desired: Option<DesiredView>,
    /// Newer evidence that a hold keeps from being applied.
    pub pending: Option<DesiredView>,
    /// The newest event that could not be acted on.
    pub unresolved_event: Option<UnresolvedEventView>,
    /// Discovery sources that contradict what is desired, or that do not agree.
    pub source_conflict: Option<SourceConflictView>,
    /// The holds in force.
    pub holds: Vec<HoldView>,
    /// How often its target changed in the last ten minutes.
    pub recent_moves: usize,
    /// The worker that moves it now.
    pub lease: Option<LeaseView>,
    /// The last move, until its target is healthy and the old ones are removed.
    pub health_watch: Option<HealthWatchView>,
    /// The listener of a weighted route.
    pub listener: Option<String>,
    pub groups: Vec<GroupView>,
    /// What the relays of a relay route report.
    pub relays: Vec<RelayView>,
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

/// The desired target of a route.
#[derive(Clone, Debug, Serialize)]
pub struct DesiredView {
    pub instance: String,
    pub target: String,
    /// Further targets that belong in the group.
    pub additional_targets: Vec<String>,
    /// `swap`, or `register` while the old one stays.
    pub move_mode: &'static str,
    pub evidence_at: String,
    /// The event that is its evidence.
    pub event_key: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct UnresolvedEventView {
    pub event_key: String,
    pub event_at: String,
    /// When it was first recorded so.
    pub since: String,
    pub instance: Option<String>,
    /// How it was processed; absent while its message is redelivered.
    pub outcome: Option<&'static str>,
    pub reason: &'static str,
    pub note: String,
}

/// Discovery sources that contradict what is desired.
#[derive(Clone, Debug, Serialize)]
pub struct SourceConflictView {
    pub since: String,
    pub reason: &'static str,
    pub note: String,
    pub by: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct HoldView {
    /// `paused`, `frozen`, `pinned`, `observing` or `flapping`.
    pub rule: &'static str,
    pub by: Option<String>,
    pub reason: Option<String>,
    pub since: Option<String>,
    /// Until when; until it is lifted if absent.
    pub until: Option<String>,
    pub instance: Option<String>,
    /// All of that in one sentence.
    pub note: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct LeaseView {
    pub owner: String,
    pub transition: String,
    /// Its deadline, by the holder's clock.
    pub until: String,
    /// How long it still holds.
    pub left_ms: u64,
    /// After how long another worker may take the route over at the latest.
    pub free_in_ms: u64,
}

/// A move whose target is not known to be healthy, or whose old targets are not removed yet.
#[derive(Clone, Debug, Serialize)]
pub struct HealthWatchView {
    pub instance: String,
    pub target: String,
    /// `awaited`, `overdue` or `serving`.
    pub serving_state: &'static str,
    /// Old targets that are still in the group.
    pub old_targets: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct GroupView {
    /// The instance that it belongs to, on a weighted route.
    pub instance: Option<String>,
    pub target_group: String,
    /// Its weight, on a weighted route.
    pub weight: Option<u16>,
    /// Its rows; absent when they could not be read.
    pub targets: Option<Vec<TargetView>>,
}

/// What one relay reports about the route.
#[derive(Clone, Debug, Serialize)]
pub struct RelayView {
    pub relay: String,
    /// When it reported last.
    pub at: String,
    pub age_ms: u64,
    /// When its HAProxy asked last.
    pub asked_at: Option<String>,
    /// Whether both are recent.
    pub live: bool,
    /// Which instance it forwards to; absent while it has applied nothing.
    pub instance: Option<String>,
    /// Since when.
    pub applied_at: Option<String>,
    /// Whether the route should point there.
    pub desired: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct TargetView {
    pub target: String,
    /// Its state, as the load balancer spells it.
    pub state: String,
    /// The load balancer's reason for it.
    pub reason: Option<String>,
    pub availability_zone: Option<String>,
    /// The instance, by the desired target or the route's map.
    pub instance: Option<String>,
    /// Whether it is a desired target.
    pub desired: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct MoveView {
    pub transition: String,
    /// Its newest record's name for `audit show`.
    pub record: String,
    pub event_key: String,
    pub cause: &'static str,
    pub attempt: u32,
    pub instance: Option<String>,
    pub target: Option<String>,
    /// When its newest record was written.
    pub at: String,
    pub age_ms: u64,
    /// `started`, `resumed`, `deferred` or `finished`.
    pub state: &'static str,
    pub outcome: Option<&'static str>,
    pub reason: Option<&'static str>,
    pub note: String,
    pub evidence_at: String,
    /// When each phase was reached.
    pub phases: Vec<PhaseView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PhaseView {
    pub name: &'static str,
    pub at: String,
    /// How long after the evidence.
    pub after_ms: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct LatestView {
    /// Its name for `audit show`.
    pub record: String,
    pub at: String,
    pub age_ms: u64,
    pub kind: &'static str,
    pub outcome: Option<&'static str>,
    pub reason: Option<&'static str>,
    pub note: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct ChainView {
    pub seq: u64,
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
