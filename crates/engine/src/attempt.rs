//! One attempt: bring a route to where a piece of evidence says its writer is.
//!
//! This is the one place where deciding and acting alternate. The order of its round trips carries the
//! invariants:
//!
//! 1. **announce** — one transaction takes the route, the event and the lease, and writes the record that
//!    says what is about to happen (I4). Nothing was asked of the load balancer yet, so an event that turns
//!    out to be processed already costs no ELB call at all (I8).
//! 2. **register** — and observe at the same time. Registering what is registered changes nothing, so
//!    there is no need to look first; only where the route already points at this target does looking
//!    first save the call (the bucket of 20 registrations is shared by an account).
//! 3. **deregister** the others, with the proof that the desired one is present (I1).
//! 4. **observe** again, and plan again if the group is not right, a bounded number of times.
//! 5. **finish** — the terminal record, the event settled, the lease freed, in one transaction.
//!
//! Registering and deregistering share a quota with other routes (`turns.rs`). Before its intent is recorded a move
//! waits for quota; after that, a move that has to wait releases the route.
//!
//! From the message to the registered target are two round trips, to the deregistered one three. On a weighted
//! route (`weights.rs`) the target is registered already: it takes three to the moved weights, a read among them.

mod adopt;
mod ahead;
mod calls;
mod chain_check;
mod conflict;
mod map;
mod memory;
mod opening;
mod orders;
mod pace;
mod preview;
mod provenance;
mod recover;
mod relays;
mod report;
mod states;
mod steps;
mod tick;
mod together;
mod turns;
mod waiting;
mod watched;
mod weights;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::field::Empty;

pub use crate::attempt::adopt::{Adopted, Adopting, Adoption, LedgerRepair, Trouble};
use crate::attempt::calls::Stopped;
pub use crate::attempt::chain_check::ChainCheck;
pub use crate::attempt::map::{COMPARE_EVERY, MapComparison};
pub use crate::attempt::orders::{OperatorCommands, Ordered};
use crate::attempt::pace::MoveLimiter;
pub use crate::attempt::preview::{DryRun, Preview, RouteOutlook};
pub use crate::attempt::provenance::RecordAuthor;
pub use crate::attempt::recover::{CHAIN_BROKEN, RECOVERED_MAX};
pub use crate::attempt::report::AttemptResult;
pub use crate::attempt::report::Report;
use crate::attempt::states::Committed;
pub use crate::attempt::states::{LedgerFinding, StateStore};
use crate::attempt::steps::Steps;
pub use crate::attempt::tick::PassResult;
pub use crate::attempt::tick::PeriodicPass;
pub use crate::attempt::tick::TimerRecord;
pub use crate::attempt::together::Together;
use crate::attempt::turns::Permit;
pub use crate::attempt::turns::SharedQuotaQueue;
pub use crate::attempt::watched::RouteWatch;
use crate::ports::{CallError, Clock, Databases, ErrorKind, Listeners, Ports, TargetGroups};
use writerlink_core::actuation::quota::{Quota, REGISTRATIONS_BURST, REGISTRATIONS_PER_SECOND};
use writerlink_core::decision::verdict::Verdict;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::trigger::{Evidence, Trigger};
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::IllegalChange;
use writerlink_core::ledger::lease::Hold;
use writerlink_core::ledger::record::{Entry, RecordKind};
use writerlink_core::ledger::state::{ChainHead, EventEntry, RouteState};
use writerlink_core::model::ids::TransitionId;
use writerlink_core::model::names::{InstanceId, RouteName, TargetGroupArn};
use writerlink_core::model::outcome::{Outcome, retry_after};
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::route::{Route, Strategy};
use writerlink_core::model::target::MoveMode;
use writerlink_core::model::time::Timestamp;

/// Keeps what the attempt works on out of other workers' hands. Called whenever the lease is lengthened, so
/// that lease and visibility live and die together: one heartbeat, made by the attempt itself between its
/// calls. A heartbeat of its own would go on beating for a worker that is stuck, and could revive what was
/// just released.
#[async_trait]
pub trait InFlight: Send + Sync {
    /// Extends the visibility of the messages in progress to a whole timeout from now, unless that was done a
    /// moment ago.
    async fn keep(&self);

    /// How often the message was delivered, this time included: what paces the retries while the ledger,
    /// which counts the attempts, cannot be reached.
    fn deliveries(&self) -> u32;

    /// When the message was delivered for the first time; `None` if it is never redelivered.
    fn first_delivery(&self) -> Option<Timestamp> {
        None
    }

    /// Evidence for the same route in the messages behind this one, oldest first: what was received with it.
    fn behind(&self, _route: &Route) -> Vec<Evidence> {
        Vec::new()
    }
}

/// Nothing to keep: the event came from a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMessage;

#[async_trait]
impl InFlight for NoMessage {
    async fn keep(&self) {}

    fn deliveries(&self) -> u32 {
        1
    }
}

/// Makes attempts: begin, calls, finish, settle.
pub struct Reconciler {
    groups: Arc<dyn TargetGroups>,
    listeners: Arc<dyn Listeners>,
    databases: Arc<dyn Databases>,
    clock: Arc<dyn Clock>,
    attempts_max: u32,
    states: Arc<StateStore>,
    pace: MoveLimiter,
    queue: Arc<SharedQuotaQueue>,
}

/// How often an event is tried, and how many routes a worker moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// After so many failed attempts an event is recorded as Failed. A call refused for its rate is none.
    pub attempts_max: u32,
    /// So many routes are moved in a minute; what is over it waits.
    pub moves_per_minute_max: u32,
    /// How many targets the account may register and deregister; none: calls are made as they come, and refused.
    pub quota: Option<Quota>,
}

/// What one attempt is about.
struct Task<'a> {
    route: &'a Route,
    evidence: &'a Evidence,
    cause: Cause,
    began: Timestamp,
    transition: TransitionId,
    /// Where the route's chain ended when its group was looked at, if that was before the attempt.
    expected_head: Option<ChainHead>,
    in_hand: &'a dyn InFlight,
    steps: Steps,
}

/// A route that this attempt holds.
struct Held {
    state: RouteState,
    hold: Hold,
    /// The event in progress, if it came from the queue.
    event: Option<EventEntry>,
    desired: Desired,
    /// Whether the route pointed at this very target before: then looking first may save the call.
    pointed_here: bool,
    /// Whether an earlier attempt at the event may have moved it there already.
    may_be_moved: bool,
    /// Leave to make the first call, if the route waited for it before it was taken.
    leave: Option<Permit>,
}

/// What the bucket of registrations gives in its best minute, while the deregistrations wait: so a worker that follows
/// its quota is never held back by this, unless somebody sets it lower.
pub const MOVES_PER_MINUTE_MAX: u32 = REGISTRATIONS_BURST + 60 * REGISTRATIONS_PER_SECOND;

impl<'a> Task<'a> {
    /// The task of an attempt, a pass or a command that begins now.
    fn begin(
        clock: &Arc<dyn Clock>,
        route: &'a Route,
        evidence: &'a Evidence,
        cause: Cause,
        in_hand: &'a dyn InFlight,
    ) -> Self {
        let began = clock.wall();
        Self {
            route,
            evidence,
            cause,
            began,
            transition: TransitionId::from_parts(began, clock.random()),
            expected_head: None,
            in_hand,
            steps: Steps::begin(Arc::clone(clock)),
        }
    }
}

impl Reconciler {
    /// A reconciler that has seen nothing yet. It writes as `author`.
    #[must_use]
    pub fn new(ports: &Ports, author: impl Into<RecordAuthor>, limits: Attempts) -> Self {
        let clock = || Arc::clone(&ports.clock);
        Self {
            groups: Arc::clone(&ports.groups),
            listeners: Arc::clone(&ports.listeners),
            databases: Arc::clone(&ports.databases),
            clock: clock(),
            attempts_max: limits.attempts_max,
            states: Arc::new(StateStore::new(ports, author.into())),
            pace: MoveLimiter::new(limits.moves_per_minute_max),
            queue: Arc::new(SharedQuotaQueue::new(clock(), limits.quota)),
        }
    }

    /// The states that its attempts read and write.
    #[must_use]
    pub fn states(&self) -> &Arc<StateStore> {
        &self.states
    }

    /// The line in which its attempts wait for the account's quota.
    #[must_use]
    pub fn queue(&self) -> &Arc<SharedQuotaQueue> {
        &self.queue
    }

    /// Reads the state of `route`, so that its first attempt saves a round trip.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn warm_up(&self, route: &RouteName) -> Result<(), CallError> {
        self.states.read(route).await.map(drop)
    }

    /// Makes one attempt at `evidence` and says how it ended. Never waits for the load balancer's health
    /// checks, and never for another worker.
    pub async fn attempt(
        &self,
        route: &Route,
        evidence: &Evidence,
        cause: Cause,
        in_hand: &dyn InFlight,
    ) -> Report {
        self.carry_through(Task::begin(&self.clock, route, evidence, cause, in_hand)).await
    }

    /// Like `attempt`, but only if the chain head is still `expected_head`. Otherwise another worker is moving the
    /// route, and the caller's read of it is stale.
    async fn attempt_if_unchanged(
        &self,
        route: &Route,
        evidence: &Evidence,
        expected_head: ChainHead,
    ) -> Report {
        let task = Task::begin(&self.clock, route, evidence, Cause::Reconcile, &NoMessage);
        self.carry_through(Task { expected_head: Some(expected_head), ..task }).await
    }

    #[tracing::instrument(name = "attempt", skip_all, fields(
        route = task.route.name.as_str(), event_key = %task.evidence.key, transition = %task.transition, attempt = Empty
    ))]
    async fn carry_through(&self, task: Task<'_>) -> Report {
        let mut report = Report::of(&task);
        report.ended = match self.open(&task, &mut report).await {
            Ok(held) => self.carry_out(&task, *held, &mut report).await,
            Err(ended) => ended,
        };
        report.steps = task.steps.so_far();
        report.took = task.steps.elapsed();
        report
    }

    /// Makes the calls and writes down how they went.
    async fn carry_out(&self, task: &Task<'_>, mut held: Held, report: &mut Report) -> AttemptResult {
        report.generation = Some(held.state.control.generation);
        report.desired = Some((held.desired.instance.clone(), held.desired.target));
        let ended = match &task.route.strategy {
            Strategy::Swap => {
                let changed = self.bring_there(task, &mut held, report).await;
                changed.map(|changed| arrived(task, &held, changed))
            }
            Strategy::Weighted(weighted) => self.shift_there(task, weighted, &mut held, report).await,
            // Not reached: the commit that begins the move of a relay route has ended it (`BeginResult::Switched`).
            Strategy::Relay(_) => Ok(switched(&held.desired, true, why_moved(task, held.pointed_here))),
        };
        let verdict = match ended {
            Ok(verdict) => verdict,
            Err(Stopped::LeaseLost) => return self.lease_lost(task, None),
            Err(Stopped::Waits(pause)) => {
                let waits = AttemptResult::Waits(pause, None);
                return self.let_go_for_now(task, &held, waits, report).await;
            }
            Err(Stopped::Failed(error)) if self.queue.asks_again(task, &error) => {
                let pause = self.queue.after_a_refusal(task, &held, &error);
                let waits = AttemptResult::Waits(pause, Some(error));
                return self.let_go_for_now(task, &held, waits, report).await;
            }
            Err(Stopped::Failed(error)) => {
                Verdict::new(Outcome::Failed, Reason::CallFailed, error.to_string())
            }
            Err(Stopped::NotConverged(left)) => Verdict::new(Outcome::Failed, Reason::NotConverged, left),
        };
        self.finish(task, &held, verdict, report).await
    }

    /// Commits the event's outcome, or defers the event to its next delivery while there are attempts left.
    async fn finish(&self, task: &Task<'_>, held: &Held, verdict: Verdict, report: &Report) -> AttemptResult {
        let failed = verdict.outcome == Outcome::Failed;
        // Without a message, the next reconcile pass or the operator retries.
        let attempts = held.event.as_ref().map(|event| event.attempts);
        let again = failed && attempts.is_none_or(|n| n < self.attempts_max);
        let kind = if again { RecordKind::Deferred } else { RecordKind::Finished };
        let mut entry = self.entry_of_calls(task, held, kind, report);
        entry.outcome = (!again).then_some(verdict.outcome);
        entry.reason = Some(verdict.reason);
        entry.note.clone_from(&verdict.note);
        // By the ledger's own count: a message that waited for its turn was delivered more often than its event failed.
        let pause = retry_after(entry.attempt, self.clock.random());
        let ended =
            if again { AttemptResult::Deferred(verdict, pause) } else { AttemptResult::Settled(verdict) };
        let closed = self.close(task, held, entry, ended).await;
        closed.unwrap_or_else(|error| AttemptResult::Unavailable(error, pause))
    }

    /// Writes the last record of an attempt and frees its route: then it ended like this.
    async fn close(
        &self,
        task: &Task<'_>,
        held: &Held,
        entry: Entry,
        ended: AttemptResult,
    ) -> Result<AttemptResult, CallError> {
        let change = change::finish(&held.state, held.event.as_ref(), entry);
        let change = change.map_err(|illegal| bug(&illegal))?;
        Ok(match self.states.commit(&task.steps, "Finish", &change).await? {
            Committed::Done(_) => ended,
            // Refused by the generation: another attempt took the route over. Its word stands; there is
            // nothing to write again, only to read.
            Committed::Refused { event, .. } => self.lease_lost(task, event.and_then(|event| event.settled)),
        })
    }

    /// What the last record of an attempt says of the calls that it made.
    fn entry_of_calls(&self, task: &Task<'_>, held: &Held, kind: RecordKind, report: &Report) -> Entry {
        Entry {
            attempt: held.event.as_ref().map_or(1, |event| event.attempts),
            desired: report.desired.clone(),
            before: report.before.clone(),
            after: report.after.clone(),
            steps: task.steps.so_far(),
            ..self.states.entry(task, &held.state, kind)
        }
    }

    fn pause(&self, task: &Task<'_>, attempt: u32) -> Duration {
        retry_after(attempt.max(task.in_hand.deliveries()), self.clock.random())
    }

    fn lease_lost(&self, task: &Task<'_>, settled: Option<Outcome>) -> AttemptResult {
        AttemptResult::LeaseLost { settled, again_after: self.pause(task, 1) }
    }
}

/// The group that a record about this instance names.
fn group_of(route: &Route, instance: &InstanceId) -> TargetGroupArn {
    let group = route.group_of(instance).unwrap_or(&route.group);
    group.arn.clone()
}

/// What a move is put down to.
fn why_moved(task: &Task<'_>, pointed_here: bool) -> Reason {
    match &task.evidence.trigger {
        Trigger::Event(_) => Reason::WriterMoved,
        Trigger::Reading(_) if pointed_here => Reason::DriftRepaired,
        Trigger::Reading(_) => Reason::WriterChanged,
        Trigger::Command(_) => Reason::OperatorCommand,
    }
}

/// How the move of a relay route ends: with its commit.
fn switched(desired: &Desired, changed: bool, reason: Reason) -> Verdict {
    let to = format!("{} at {}", desired.instance, desired.target);
    if changed {
        return Verdict::new(Outcome::Moved, reason, format!("relays are to forward to {to}"));
    }
    Verdict::new(Outcome::AlreadyThere, Reason::NothingToDo, format!("relays forward to {to} already"))
}

/// The verdict of a completed move.
fn arrived(task: &Task<'_>, held: &Held, changed: bool) -> Verdict {
    let desired = &held.desired;
    let to = format!("{} at {}", desired.instance, desired.target);
    let reason = why_moved(task, held.pointed_here);
    match (changed, desired.move_mode) {
        (false, _) => {
            Verdict::new(Outcome::AlreadyThere, Reason::NothingToDo, format!("the group already holds {to}"))
        }
        (true, MoveMode::Swap) if desired.additional_targets.is_empty() => {
            Verdict::new(Outcome::Moved, reason, format!("the group holds {to} and no other writer"))
        }
        (true, MoveMode::Swap) => Verdict::new(
            Outcome::Moved,
            reason,
            format!("the group holds {to} and {} other readers", desired.additional_targets.len()),
        ),
        (true, MoveMode::Register) => Verdict::new(
            Outcome::Registered,
            Reason::RegisteredFirst,
            format!("{to} is registered; the old target stays until the failover completes"),
        ),
    }
}

/// An illegal change is a fault of this program. It is reported like a refused call, so that the message
/// stays and the log says what happened.
fn bug(illegal: &IllegalChange) -> CallError {
    CallError {
        call: "Commit",
        kind: ErrorKind::Invalid,
        code: "IllegalChange".to_owned(),
        message: illegal.to_string(),
        request_id: None,
    }
}
