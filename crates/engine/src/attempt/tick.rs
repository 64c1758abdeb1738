//! One reconcile pass over a route: reads its sources and its group, and repairs a difference.
//!
//! Only differences cost writes. A route in sync costs one read of the ledger, one reading of each source and one
//! `DescribeTargetHealth`; a weighted one costs `DescribeListeners` and one `DescribeTargetHealth` for each group.

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::together::Together;
use crate::attempt::watched::{RouteWatch, Said};
use crate::attempt::weights::{ObservedRoute, RouteReader, discovery_of};
use crate::attempt::{
    AttemptResult, NoMessage, Reconciler, Report, SharedQuotaQueue, StateStore, Task, group_of,
};
use crate::ports::{CallError, Clock, Databases, Ports};
use writerlink_core::actuation::health::{HealthEvent, HealthUpdate, ServingState};
use writerlink_core::decision::goal::{TargetDecision, contradiction, target_state};
use writerlink_core::decision::holds::hold_or_move;
use writerlink_core::decision::verdict::{Decision, Verdict};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::{EventKey, RANK_READING};
use writerlink_core::evidence::trigger::{Evidence, Trigger};
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::lease::Acquire;
use writerlink_core::ledger::record::{Entry, RecordKind};
use writerlink_core::ledger::state::{RouteContext, RouteState};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::route::{Route, Strategy};
use writerlink_core::model::target::Target;

/// The result of a reconcile pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassResult {
    /// The group holds the desired target.
    InSync,
    /// As `InSync`, and the health watch of the last move is not over.
    WatchingHealth(ServingState),
    /// The sources show a new writer: a second reading has to confirm it.
    Confirm,
    /// It differs, and a hold or a safety rule keeps it so.
    Waits(Verdict),
    /// An attempt holds its lease, or its event is in progress.
    Busy,
    /// Its next call, or the event that will make it, waits: whoever asked for that comes back for it.
    Queued,
    /// It differs from what the ledger says, by an event that newer evidence superseded and that has yet to move it.
    LeftToNewer,
    /// An attempt was made to repair it.
    Acted(Box<Report>),
    /// A read failed.
    Failed(CallError),
}

/// A record that the timer wrote, besides those of its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerRecord {
    /// What the record tells.
    pub kind: RecordKind,
    /// Why.
    pub reason: Reason,
    /// The same in words.
    pub note: String,
    /// How long the target took to become healthy or to be removed.
    pub took: Option<Duration>,
}

impl TimerRecord {
    pub(super) fn drift(reason: Reason, note: String) -> Self {
        Self { kind: RecordKind::DriftDetected, reason, note, took: None }
    }
}

/// Runs reconcile passes, and repairs drift through attempts.
pub struct PeriodicPass {
    attempts: Arc<Reconciler>,
    queue: Arc<SharedQuotaQueue>,
    pub(super) states: Arc<StateStore>,
    databases: Arc<dyn Databases>,
    reader: RouteReader,
    clock: Arc<dyn Clock>,
}

impl PeriodicPass {
    /// Passes that act by way of `attempts`.
    #[must_use]
    pub fn new(ports: &Ports, attempts: Arc<Reconciler>) -> Self {
        Self {
            queue: Arc::clone(attempts.queue()),
            states: Arc::clone(attempts.states()),
            attempts,
            databases: Arc::clone(&ports.databases),
            reader: RouteReader::new(ports),
            clock: Arc::clone(&ports.clock),
        }
    }

    /// Runs a pass over a route, as one of a batch whose states are read `together`. Repairs drift unless a hold
    /// forbids it. Appends what it recorded to `noted`.
    pub async fn run_pass(
        &self,
        together: &Together,
        route: &Route,
        watched: &mut RouteWatch,
        noted: &mut Vec<TimerRecord>,
    ) -> PassResult {
        let look = Box::pin(self.try_pass(together, route, watched, noted));
        look.await.unwrap_or_else(PassResult::Failed)
    }

    async fn try_pass(
        &self,
        together: &Together,
        route: &Route,
        watched: &mut RouteWatch,
        noted: &mut Vec<TimerRecord>,
    ) -> Result<PassResult, CallError> {
        let known = self.states.cache().recall(&route.name).map(|seen| seen.state.chain.seq);
        let read = self.states.read_with(&route.name, together);
        let (stored, reading) = tokio::join!(read, self.databases.ask(route));
        let mut stored = stored?;
        let seq = stored.state.chain.seq;
        // A state that went back was restored. Of one that this worker sees for the first time nobody can tell.
        let went_back = known.is_some_and(|known| seq < known);
        if went_back || !watched.is_compared {
            Box::pin(self.states.recover_if_behind(route)).await?;
            watched.is_compared = true;
            stored = self.states.cache().recall(&route.name).unwrap_or(stored);
        }
        let (now, monotonic) = (self.clock.wall(), self.clock.monotonic());
        watched.see(&stored.state.control, now);
        if let Acquire::Wait(_) = self.states.cache().acquirable(&stored) {
            return Ok(PassResult::Busy);
        }
        let control = &stored.state.control;
        let times = (now, monotonic);
        let seen = watched.sources.take(RouteContext { route, control, now }, &reading, monotonic);
        let key = EventKey::random(&route.name, now, self.clock.random());
        let evidence = Evidence { key, trigger: Trigger::Reading(seen.clone()) };
        let task = Task::begin(&self.clock, route, &evidence, Cause::Reconcile, &NoMessage);
        let mut context = PassContext { task, state: stored.state, watched, noted };
        let said = Said {
            reading: &reading,
            against: contradiction(route, &context.state.control, &reading, &seen, now),
            times,
        };
        let aimed = target_state(route, &context.state.control, key, &seen, now);
        self.record_source_conflict(&mut context, &said).await?;
        match aimed {
            TargetDecision::Unknown => Ok(PassResult::InSync),
            TargetDecision::Confirm => Ok(PassResult::Confirm),
            TargetDecision::LeftToEvent => {
                self.record_health_of_last_move(&mut context).await?;
                Ok(PassResult::Queued)
            }
            TargetDecision::Wait(verdict) if said.against.as_ref() == Some(&verdict) => {
                self.record_health_of_last_move(&mut context).await?;
                Ok(PassResult::Waits(verdict))
            }
            TargetDecision::Wait(verdict) => {
                self.record_health_of_last_move(&mut context).await?;
                self.wait(context, HeldDrift { verdict, target: None, effect: StateUpdate::None }).await
            }
            TargetDecision::Keep(desired) | TargetDecision::Follow(desired) => {
                if desired.event == key && desired.evidence.rank == RANK_READING {
                    context.watched.sources.made(key);
                }
                self.compare(context, desired).await
            }
        }
    }

    async fn compare(&self, mut context: PassContext<'_>, desired: Desired) -> Result<PassResult, CallError> {
        let (route, evidence) = (context.task.route, context.task.evidence);
        if desired == *context.state.control.desired.as_ref().unwrap_or(&desired)
            && !context.watched.awaits_quota
            && self.queue.awaits_its_turn(&route.name)
        {
            return Ok(PassResult::Queued);
        }
        let observed_route =
            self.reader.observe_route(route, &desired, discovery_of(&evidence.trigger)).await?;
        if let Strategy::Relay(relay) = &route.strategy {
            context.watched.has_no_relay = self.reader.relays.none_is_live(&observed_route.relays, relay);
        }
        // A group that could not be read proves nothing about its targets.
        if observed_route.unread.is_none() {
            self.record_health(&mut context, &observed_route).await?;
        }
        let control = &context.state.control;
        // Without evidence a group that holds the target is right already. Relays have nothing but the ledger to go by.
        let points_there = match &control.desired {
            Some(standing) => *standing == desired,
            None => !matches!(route.strategy, Strategy::Relay(_)),
        };
        if observed_route.is_right() && points_there {
            context.watched.clear_drift();
            if let Some(error) = observed_route.unread {
                return Err(error);
            }
            return Ok(match &control.health_watch {
                Some(follow) => PassResult::WatchingHealth(follow.arrival),
                None => PassResult::InSync,
            });
        }
        if points_there && let Some(look) = self.in_hand(&desired).await? {
            return Ok(look);
        }
        // What an event left behind can wait; those whose failover is under way cannot.
        let left_behind =
            points_there && observed_route.plan.register.is_empty() && observed_route.weights.is_none();
        if left_behind && !context.watched.awaits_quota && self.queue.somebody_waits() {
            return Ok(PassResult::Queued);
        }
        match hold_or_move(route, control, desired, self.clock.wall(), &[]) {
            Decision::Hold(desired, blocked) => {
                let held = HeldDrift {
                    verdict: blocked.verdict(&desired),
                    target: Some(desired.target),
                    effect: StateUpdate::Defer(desired, blocked.rule),
                };
                self.wait(context, held).await
            }
            Decision::Move(desired)
                if context.watched.failed.hold_back(desired.target, self.clock.monotonic()) =>
            {
                let note = "repairs failed one after another; the next one follows";
                let verdict = Verdict::new(Outcome::Failed, Reason::CallFailed, note);
                Ok(PassResult::Waits(verdict))
            }
            Decision::Move(_) | Decision::Ask(_) | Decision::Settle(_) => Ok(self.repair(context).await),
        }
    }

    async fn repair(&self, context: PassContext<'_>) -> PassResult {
        let PassContext { task, state, watched, .. } = context;
        watched.recorded_drift = None;
        let report = self.attempts.attempt_if_unchanged(task.route, task.evidence, state.chain).await;
        watched.failed.take(&report, self.clock.monotonic());
        let has_a_place = self.queue.awaits_its_turn(&task.route.name);
        watched.awaits_quota = has_a_place && matches!(report.ended, AttemptResult::Waits(..));
        PassResult::Acted(Box::new(report))
    }

    /// Whether the desired target's own event is still in progress: its last attempt was a moment ago and moved
    /// nothing. Its message is redelivered. A repair at the same time would only cause more throttling.
    async fn in_hand(&self, desired: &Desired) -> Result<Option<PassResult>, CallError> {
        if desired.evidence.rank >= RANK_READING {
            return Ok(None);
        }
        let entry = self.states.event(&desired.event).await?;
        let now = self.clock.wall();
        let entry = entry.filter(|entry| entry.is_in_progress(now));
        Ok(entry.map(
            |entry| if entry.is_left_to_newer(now) { PassResult::LeftToNewer } else { PassResult::Busy },
        ))
    }

    /// Records once why a route that differs is not repaired.
    async fn wait(&self, mut context: PassContext<'_>, held: HeldDrift) -> Result<PassResult, CallError> {
        let HeldDrift { verdict, target, effect } = held;
        let what = Some((verdict.reason, target));
        if context.watched.recorded_drift != what {
            let noted = TimerRecord::drift(verdict.reason, verdict.note.clone());
            let entry = self.states.entry_of_note(&context.task, &context.state, noted.kind);
            if self.record(&mut context, noted, effect, entry).await? {
                context.watched.recorded_drift = what;
            }
        }
        Ok(PassResult::Waits(verdict))
    }

    /// Commits the record and keeps it for the log; `false` when another worker wrote first.
    pub(super) async fn record(
        &self,
        context: &mut PassContext<'_>,
        noted: TimerRecord,
        effect: StateUpdate,
        entry: Entry,
    ) -> Result<bool, CallError> {
        let entry = Entry { reason: Some(noted.reason), note: noted.note.clone(), ..entry };
        let Some(state) = self.states.note(&context.state, effect, entry).await? else {
            return Ok(false);
        };
        context.state = state;
        context.noted.push(noted);
        Ok(true)
    }

    /// Updates the health watch in a pass that does not read the group otherwise.
    async fn record_health_of_last_move(&self, context: &mut PassContext<'_>) -> Result<(), CallError> {
        let route = context.task.route;
        let Some(follow) = &context.state.control.health_watch else {
            return Ok(());
        };
        let observed = match &route.strategy {
            Strategy::Relay(_) => {
                let relays = self.reader.relays.reports().await?.to_vec();
                ObservedRoute { relays, ..ObservedRoute::default() }
            }
            Strategy::Swap | Strategy::Weighted(_) => {
                let group = route.group_of(&follow.instance).unwrap_or(&route.group);
                ObservedRoute { rows: self.reader.rows(group).await?, ..ObservedRoute::default() }
            }
        };
        self.record_health(context, &observed).await
    }

    /// Records each health event of the last move. If another worker's timer wrote first, its record counts.
    async fn record_health(
        &self,
        context: &mut PassContext<'_>,
        observed: &ObservedRoute,
    ) -> Result<(), CallError> {
        let route = context.task.route;
        while let Some(follow) = context.state.control.health_watch.clone() {
            let now = self.clock.wall();
            let sign = match &route.strategy {
                Strategy::Relay(relay) => follow.switched((&route.name, relay), &observed.relays, now),
                Strategy::Swap | Strategy::Weighted(_) => {
                    follow.next_update(&route.policy, &observed.rows, now)
                }
            };
            let Some(sign) = sign else {
                return Ok(());
            };
            let HealthUpdate { what, note, rest } = sign;
            let (kind, reason, took) = match what {
                HealthEvent::Serving(took) => (RecordKind::TargetHealthy, Reason::TargetHealthy, took),
                HealthEvent::NotServing(took) => {
                    (RecordKind::TargetNotHealthy, Reason::TargetNotHealthy, took)
                }
                HealthEvent::Drained(took) => (RecordKind::TargetRemoved, Reason::TargetRemoved, took),
                HealthEvent::Switched(took) => (RecordKind::RelaysSwitched, Reason::RelaysSwitched, took),
                HealthEvent::NotSwitched(took) => (RecordKind::NotSwitched, Reason::RelaysNotSwitched, took),
            };
            let mut entry = self.states.entry_of_note(&context.task, &context.state, kind);
            entry.transition = follow.transition;
            entry.event_key = follow.key;
            entry.trigger = None;
            entry.target_group = group_of(route, &follow.instance);
            entry.desired = Some((follow.instance.clone(), follow.target));
            entry.after.clone_from(&observed.rows);
            let noted = TimerRecord { kind, reason, note, took: Some(took) };
            if !self.record(context, noted, StateUpdate::WatchHealth(rest), entry).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Why drift is not repaired.
struct HeldDrift {
    verdict: Verdict,
    /// The target that it would have moved to.
    target: Option<Target>,
    /// The change of state that its record commits.
    effect: StateUpdate,
}

/// One pass over one route.
pub(super) struct PassContext<'a> {
    pub(super) task: Task<'a>,
    pub(super) state: RouteState,
    pub(super) watched: &'a mut RouteWatch,
    pub(super) noted: &'a mut Vec<TimerRecord>,
}
