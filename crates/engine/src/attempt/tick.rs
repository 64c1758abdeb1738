//! One look at a route by the timer: what its sources say, what its group holds, and what that asks for.
//!
//! Only differences cost writes: a route that is right costs one read of the ledger, one question to each
//! source and one `DescribeTargetHealth` (a weighted one: `DescribeListeners`, and one for each of its groups).

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::together::Together;
use crate::attempt::watched::{RouteWatch, Said};
use crate::attempt::weights::{RouteReader, discovery_of};
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
use writerlink_core::model::route::Route;
use writerlink_core::model::target::{ObservedTarget, Target};

/// What a look led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassResult {
    /// The route is as it should be.
    Right,
    /// It is, and its last move is still followed.
    Following(ServingState),
    /// The sources say something new: they are to be asked again soon.
    Confirm,
    /// It differs, and something holds it back.
    Waits(Verdict),
    /// Somebody is moving it.
    Busy,
    /// Its next call, or the event that will make it, waits: whoever asked for that comes back for it.
    Queued,
    /// It differs from what the ledger says, by an event that newer evidence superseded and that has yet to move it.
    LeftToNewer,
    /// It was put right, or that was tried.
    Acted(Box<Report>),
    /// It could not be looked at.
    Failed(CallError),
}

/// Something that the timer recorded besides its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerRecord {
    /// What kind of record.
    pub kind: RecordKind,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub note: String,
    /// How long what was seen took.
    pub took: Option<Duration>,
}

impl TimerRecord {
    pub(super) fn noticed(reason: Reason, note: String) -> Self {
        Self { kind: RecordKind::DriftDetected, reason, note, took: None }
    }
}

/// Looks at routes, and has an attempt put right what is not.
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

    /// Looks at a route, as one of several looks that begin together, and puts it right if it has to be and may be. What
    /// was recorded on the way goes to `noted`.
    pub async fn look_with(
        &self,
        together: &Together,
        route: &Route,
        watched: &mut RouteWatch,
        noted: &mut Vec<TimerRecord>,
    ) -> PassResult {
        let look = Box::pin(self.try_to_look(together, route, watched, noted));
        look.await.unwrap_or_else(PassResult::Failed)
    }

    async fn try_to_look(
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
        let mut looking = PassContext { task, state: stored.state, watched, noted };
        let said = Said {
            reading: &reading,
            against: contradiction(route, &looking.state.control, &reading, &seen, now),
            times,
        };
        let aimed = target_state(route, &looking.state.control, key, &seen, now);
        self.tell_of_sources(&mut looking, &said).await?;
        match aimed {
            TargetDecision::Unknown => Ok(PassResult::Right),
            TargetDecision::Confirm => Ok(PassResult::Confirm),
            TargetDecision::LeftToEvent => {
                self.tell_of_last_move(&mut looking).await?;
                Ok(PassResult::Queued)
            }
            TargetDecision::Wait(verdict) if said.against.as_ref() == Some(&verdict) => {
                self.tell_of_last_move(&mut looking).await?;
                Ok(PassResult::Waits(verdict))
            }
            TargetDecision::Wait(verdict) => {
                self.tell_of_last_move(&mut looking).await?;
                self.wait(looking, HeldBack { verdict, target: None, effect: StateUpdate::None }).await
            }
            TargetDecision::Keep(desired) | TargetDecision::Follow(desired) => {
                if desired.event == key && desired.evidence.rank == RANK_READING {
                    looking.watched.sources.made(key);
                }
                self.compare(looking, desired).await
            }
        }
    }

    async fn compare(&self, mut looking: PassContext<'_>, desired: Desired) -> Result<PassResult, CallError> {
        let (route, evidence) = (looking.task.route, looking.task.evidence);
        if desired == *looking.state.control.desired.as_ref().unwrap_or(&desired)
            && !looking.watched.waits_itself
            && self.queue.awaits_its_turn(&route.name)
        {
            return Ok(PassResult::Queued);
        }
        let sight = self.reader.sight(route, &desired, discovery_of(&evidence.trigger)).await?;
        // Of a group that could not be read nobody can say that its target is not there.
        if sight.unread.is_none() {
            self.tell_signs(&mut looking, &sight.rows).await?;
        }
        let control = &looking.state.control;
        let points_there = control.desired.as_ref() == Some(&desired) || control.desired.is_none();
        if sight.is_right() && points_there {
            looking.watched.is_put_right();
            if let Some(error) = sight.unread {
                return Err(error);
            }
            return Ok(match &control.health_watch {
                Some(follow) => PassResult::Following(follow.arrival),
                None => PassResult::Right,
            });
        }
        if points_there && let Some(look) = self.in_hand(&desired).await? {
            return Ok(look);
        }
        // What an event left behind can wait; those whose failover is under way cannot.
        let left_behind = points_there && sight.plan.register.is_empty() && sight.weights.is_none();
        if left_behind && !looking.watched.waits_itself && self.queue.somebody_waits() {
            return Ok(PassResult::Queued);
        }
        match hold_or_move(route, control, desired, self.clock.wall(), &[]) {
            Decision::Hold(desired, blocked) => {
                let held = HeldBack {
                    verdict: blocked.verdict(&desired),
                    target: Some(desired.target),
                    effect: StateUpdate::Defer(desired, blocked.rule),
                };
                self.wait(looking, held).await
            }
            Decision::Move(desired)
                if looking.watched.failed.hold_back(desired.target, self.clock.monotonic()) =>
            {
                let note = "repairs failed one after another; the next one follows";
                let verdict = Verdict::new(Outcome::Failed, Reason::CallFailed, note);
                Ok(PassResult::Waits(verdict))
            }
            Decision::Move(_) | Decision::Ask(_) | Decision::Settle(_) => Ok(self.put_right(looking).await),
        }
    }

    async fn put_right(&self, looking: PassContext<'_>) -> PassResult {
        let PassContext { task, state, watched, .. } = looking;
        watched.noticed = None;
        let report = self.attempts.attempt_seen(task.route, task.evidence, state.chain).await;
        watched.failed.take(&report, self.clock.monotonic());
        let has_a_place = self.queue.awaits_its_turn(&task.route.name);
        watched.waits_itself = has_a_place && matches!(report.ended, AttemptResult::Waits(..));
        PassResult::Acted(Box::new(report))
    }

    /// Whether what points the route there is still being worked on: its last attempt was a moment ago and moved
    /// nothing. A message brings it back, and two who call in turn where calls are refused for their rate get both
    /// of them refused more.
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

    /// Records once why a route that differs is not put right.
    async fn wait(&self, mut looking: PassContext<'_>, held: HeldBack) -> Result<PassResult, CallError> {
        let HeldBack { verdict, target, effect } = held;
        let what = Some((verdict.reason, target));
        if looking.watched.noticed != what {
            let noted = TimerRecord::noticed(verdict.reason, verdict.note.clone());
            let entry = self.states.entry_of_note(&looking.task, &looking.state, noted.kind);
            if self.record(&mut looking, noted, effect, entry).await? {
                looking.watched.noticed = what;
            }
        }
        Ok(PassResult::Waits(verdict))
    }

    /// Commits a record of what is noted, and keeps that for the log; `false` when somebody else wrote first.
    pub(super) async fn record(
        &self,
        looking: &mut PassContext<'_>,
        noted: TimerRecord,
        effect: StateUpdate,
        entry: Entry,
    ) -> Result<bool, CallError> {
        let entry = Entry { reason: Some(noted.reason), note: noted.note.clone(), ..entry };
        let Some(state) = self.states.note(&looking.state, effect, entry).await? else {
            return Ok(false);
        };
        looking.state = state;
        looking.noted.push(noted);
        Ok(true)
    }

    /// Looks at the group of the last move, while that is followed and nothing else makes anybody look.
    async fn tell_of_last_move(&self, looking: &mut PassContext<'_>) -> Result<(), CallError> {
        let route = looking.task.route;
        let Some(follow) = &looking.state.control.health_watch else {
            return Ok(());
        };
        let group = route.group_of(&follow.instance).unwrap_or(&route.group);
        let observed = self.reader.rows(group).await?;
        self.tell_signs(looking, &observed).await
    }

    /// Records everything that is to be said of the last move. Another worker's timer may be first: then its
    /// word stands.
    async fn tell_signs(
        &self,
        looking: &mut PassContext<'_>,
        observed: &[ObservedTarget],
    ) -> Result<(), CallError> {
        while let Some(follow) = looking.state.control.health_watch.clone() {
            let now = self.clock.wall();
            let Some(sign) = follow.next_update(&looking.task.route.policy, observed, now) else {
                return Ok(());
            };
            let HealthUpdate { what, note, rest } = sign;
            let (kind, reason, took) = match what {
                HealthEvent::Serving(took) => (RecordKind::TargetHealthy, Reason::TargetHealthy, took),
                HealthEvent::NotServing(took) => {
                    (RecordKind::TargetNotHealthy, Reason::TargetNotHealthy, took)
                }
                HealthEvent::Drained(took) => (RecordKind::TargetRemoved, Reason::TargetRemoved, took),
            };
            let mut entry = self.states.entry_of_note(&looking.task, &looking.state, kind);
            entry.transition = follow.transition;
            entry.event_key = follow.key;
            entry.trigger = None;
            entry.target_group = group_of(looking.task.route, &follow.instance);
            entry.desired = Some((follow.instance.clone(), follow.target));
            entry.after = observed.to_vec();
            let noted = TimerRecord { kind, reason, note, took: Some(took) };
            if !self.record(looking, noted, StateUpdate::WatchHealth(rest), entry).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Why a route that differs is left as it is.
struct HeldBack {
    verdict: Verdict,
    /// Where it would have gone.
    target: Option<Target>,
    /// What the record of it changes.
    effect: StateUpdate,
}

/// A route that is looked at.
pub(super) struct PassContext<'a> {
    pub(super) task: Task<'a>,
    pub(super) state: RouteState,
    pub(super) watched: &'a mut RouteWatch,
    pub(super) noted: &'a mut Vec<TimerRecord>,
}
