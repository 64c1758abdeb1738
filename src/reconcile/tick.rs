//! One look at a route by the timer: what its witnesses say, what its group holds, and what that asks for.
//!
//! Only differences cost writes: a route that is right costs one read of the ledger, one question to each
//! witness and one `DescribeTargetHealth` (a weighted one: `DescribeListeners`, and one for each of its groups).

use std::time::Duration;

use super::conflict::{Contradicted, Said};
use super::map::MapWatch;
use super::recover::Committed;
use super::together::Together;
use super::weights::truth_of;
use super::{Ended, NothingInHand, Reconciler, Report, Task, bug, group_of};
use crate::domain::aim::{Aim, RANK_TRUTH, aim, contradiction};
use crate::domain::audit::{Cause, Entry, Reason, RecordKind};
use crate::domain::change::{self, Effect};
use crate::domain::decide::{Decision, Verdict, unless_held_back};
use crate::domain::event::{EventKey, Evidence};
use crate::domain::follow::{Arrival, Seen, Sign};
use crate::domain::ground::Ground;
use crate::domain::lease::Acquire;
use crate::domain::route::Route;
use crate::domain::sources::Sources;
use crate::domain::standing::is_open;
use crate::domain::target::{ObservedTarget, Target};
use crate::domain::time::Timestamp;
use crate::domain::transition::{Control, Desired, Outcome, RouteState, doubled};
use crate::ports::CallError;

/// What one worker's timer remembers of a route between its looks.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the route, and no two of them make a state"
)]
#[derive(Debug, Default)]
pub struct Watched {
    pub(super) sources: Sources,
    pub(super) contradicted: Contradicted,
    /// What was recorded last about a difference that is not acted on, so that it is recorded once.
    noticed: Option<(Reason, Option<Target>)>,
    /// Whether the place that the route has in the line is of our own asking: nobody but us comes back for it.
    waits_itself: bool,
    /// The repairs that failed, one after another.
    failed: FailedRepairs,
    /// Since when the route has been paused or frozen.
    pub stopped_since: Option<Timestamp>,
    /// Whether the flap rule stops it.
    pub is_flapping: bool,
    /// Whether something about it is unresolved (I9).
    pub is_unresolved: bool,
    /// Whether its state was compared with its newest record since this worker began: before that nobody can tell whether
    /// the state was restored.
    is_compared: bool,
    /// The comparisons of its map.
    pub(super) map: MapWatch,
}

impl Watched {
    /// Keeps what the summary tells of the route's state, whatever comes of the look.
    pub(super) fn see(&mut self, control: &Control, now: Timestamp) {
        let safety = &control.safety;
        self.stopped_since = safety.stopped_since(now);
        self.is_flapping = safety.flapping.as_ref().is_some_and(|stop| stop.holds(now));
        self.is_unresolved = is_open(control, now);
        let conflict = control.source_conflict.as_ref();
        self.map.differs = conflict.is_some_and(|conflict| conflict.reason == Reason::MapDiffers);
    }

    /// Whether its sources contradict what is desired for long enough, by this worker's own readings.
    #[must_use]
    pub fn is_contradicted(&self) -> bool {
        self.contradicted.lasts
    }

    /// Whether the sources say something else than what is desired. Counted once that lasts.
    #[must_use]
    pub fn waits_for_sources(&self) -> bool {
        self.contradicted.is_one()
    }
}

/// What a look led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The route is as it should be.
    Right,
    /// It is, and its last move is still followed.
    Following(Arrival),
    /// The witnesses say something new: they are to be asked again soon.
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
pub struct Noted {
    /// What kind of record.
    pub kind: RecordKind,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub note: String,
    /// How long what was seen took.
    pub took: Option<Duration>,
}

impl Reconciler {
    /// Looks at a route, and puts it right if it has to be and may be. What was recorded on the way goes to
    /// `noted`.
    pub async fn look(&self, route: &Route, watched: &mut Watched, noted: &mut Vec<Noted>) -> Look {
        let alone = Together::default();
        Box::pin(self.look_with(&alone, route, watched, noted)).await
    }

    /// The same as one of several looks that begin together.
    pub async fn look_with(
        &self,
        together: &Together,
        route: &Route,
        watched: &mut Watched,
        noted: &mut Vec<Noted>,
    ) -> Look {
        match Box::pin(self.try_to_look(together, route, watched, noted)).await {
            Ok(look) => look,
            Err(error) => Look::Failed(error),
        }
    }

    async fn try_to_look(
        &self,
        together: &Together,
        route: &Route,
        watched: &mut Watched,
        noted: &mut Vec<Noted>,
    ) -> Result<Look, CallError> {
        let known = self.recall(&route.name).map(|seen| seen.state.chain.seq);
        let read = self.read_with(&route.name, together);
        let (sighting, reading) = tokio::join!(read, self.databases.ask(route));
        let mut sighting = sighting?;
        let seq = sighting.state.chain.seq;
        // A state that went back was restored. Of one that this worker sees for the first time nobody can tell.
        let went_back = known.is_some_and(|known| seq < known);
        if went_back || !watched.is_compared {
            Box::pin(self.recover_if_behind(route)).await?;
            watched.is_compared = true;
            sighting = self.recall(&route.name).unwrap_or(sighting);
        }
        let (now, monotonic) = (self.clock.wall(), self.clock.monotonic());
        watched.see(&sighting.state.control, now);
        if let Acquire::Wait(_) = self.acquirable(&sighting) {
            return Ok(Look::Busy);
        }
        let control = &sighting.state.control;
        let times = (now, monotonic);
        let seen = watched.sources.take((route, control), &reading, times);
        let key = EventKey::drawn(&route.name, now, self.clock.random());
        let evidence = Evidence { key, ground: Ground::Truth(seen.clone()) };
        let began = (Cause::Reconcile, now);
        let mut looking =
            Looking { task: self.task(route, &evidence, began, &NothingInHand), state: sighting.state };
        let said = Said {
            reading: &reading,
            against: contradiction(route, &looking.state.control, (&reading, &seen), now),
            times,
        };
        let aimed = aim(route, &looking.state.control, key, &seen, now);
        self.tell_of_sources(&mut looking, watched, &said, noted).await?;
        match aimed {
            Aim::Unknown => Ok(Look::Right),
            Aim::Confirm => Ok(Look::Confirm),
            Aim::LeftToEvent => {
                self.tell_of_last_move(&mut looking, noted).await?;
                Ok(Look::Queued)
            }
            Aim::Wait(verdict) if said.against.as_ref() == Some(&verdict) => {
                self.tell_of_last_move(&mut looking, noted).await?;
                Ok(Look::Waits(verdict))
            }
            Aim::Wait(verdict) => {
                self.tell_of_last_move(&mut looking, noted).await?;
                let held = HeldBack { verdict, target: None, effect: Effect::None };
                self.wait(looking, watched, held, noted).await
            }
            Aim::Keep(desired) | Aim::Follow(desired) => {
                if desired.event == key && desired.evidence.rank == RANK_TRUTH {
                    watched.sources.made(key);
                }
                self.compare(looking, watched, desired, noted).await
            }
        }
    }

    async fn compare(
        &self,
        mut looking: Looking<'_>,
        watched: &mut Watched,
        desired: Desired,
        noted: &mut Vec<Noted>,
    ) -> Result<Look, CallError> {
        let route = looking.task.route;
        let truth = truth_of(&looking.task.evidence.ground);
        if desired == *looking.state.control.desired.as_ref().unwrap_or(&desired)
            && !watched.waits_itself
            && self.awaits_its_turn(&route.name)
        {
            return Ok(Look::Queued);
        }
        let sight = self.sight(route, &desired, truth).await?;
        // Of a group that could not be read nobody can say that its target is not there.
        if sight.unread.is_none() {
            self.tell_signs(&mut looking, &sight.rows, noted).await?;
        }
        let control = &looking.state.control;
        let points_there = control.desired.as_ref() == Some(&desired) || control.desired.is_none();
        if sight.is_right() && points_there {
            watched.noticed = None;
            watched.waits_itself = false;
            watched.failed = FailedRepairs::default();
            if let Some(error) = sight.unread {
                return Err(error);
            }
            return Ok(match &looking.state.control.follow {
                Some(follow) => Look::Following(follow.arrival),
                None => Look::Right,
            });
        }
        if points_there && let Some(look) = self.in_hand(&desired).await? {
            return Ok(look);
        }
        // What an event left behind can wait; those whose failover is under way cannot.
        let left_behind = points_there && sight.plan.register.is_empty() && sight.weights.is_none();
        if left_behind && !watched.waits_itself && self.somebody_waits() {
            return Ok(Look::Queued);
        }
        match unless_held_back(route, control, desired, self.clock.wall(), &[]) {
            Decision::Hold(desired, brake) => {
                let held = HeldBack {
                    verdict: brake.verdict(&desired),
                    target: Some(desired.target),
                    effect: Effect::Keeps(desired, brake.rule),
                };
                self.wait(looking, watched, held, noted).await
            }
            Decision::Move(desired) if watched.failed.hold_back(desired.target, self.clock.monotonic()) => {
                let note = "repairs failed one after another; the next one follows";
                let verdict = Verdict::new(Outcome::Failed, Reason::CallFailed, note);
                Ok(Look::Waits(verdict))
            }
            Decision::Move(_) | Decision::Ask(_) | Decision::Settle(_) => {
                watched.noticed = None;
                let evidence = looking.task.evidence;
                let cause = (Cause::Reconcile, Some(looking.state.chain));
                let attempt = self.attempt_seen(route, evidence, cause, &NothingInHand);
                let report = attempt.await;
                watched.failed.take(&report, self.clock.monotonic());
                let has_a_place = self.awaits_its_turn(&route.name);
                watched.waits_itself = has_a_place && matches!(report.ended, Ended::Waits(..));
                Ok(Look::Acted(Box::new(report)))
            }
        }
    }

    /// Whether what points the route there is still being worked on: its last attempt was a moment ago and moved
    /// nothing. A message brings it back, and two who call in turn where calls are refused for their rate get both
    /// of them refused more.
    async fn in_hand(&self, desired: &Desired) -> Result<Option<Look>, CallError> {
        if desired.evidence.rank >= RANK_TRUTH {
            return Ok(None);
        }
        let entry = self.ledger.event(&desired.event).await?;
        let now = self.clock.wall();
        let entry = entry.filter(|entry| entry.is_in_hand(now));
        Ok(entry.map(|entry| if entry.is_left_to_newer(now) { Look::LeftToNewer } else { Look::Busy }))
    }

    /// Records once why a route that differs is not put right.
    async fn wait(
        &self,
        looking: Looking<'_>,
        watched: &mut Watched,
        held: HeldBack,
        noted: &mut Vec<Noted>,
    ) -> Result<Look, CallError> {
        let HeldBack { verdict, target, effect } = held;
        let what = Some((verdict.reason, target));
        if watched.noticed != what {
            let mut entry = self.entry_of_note(&looking.task, &looking.state, RecordKind::Noticed);
            entry.reason = Some(verdict.reason);
            entry.note.clone_from(&verdict.note);
            if self.note(&looking.state, effect, entry).await?.is_some() {
                watched.noticed = what;
                noted.push(Noted {
                    kind: RecordKind::Noticed,
                    reason: verdict.reason,
                    note: verdict.note.clone(),
                    took: None,
                });
            }
        }
        Ok(Look::Waits(verdict))
    }

    /// Looks at the group of the last move, while that is followed and nothing else makes anybody look.
    async fn tell_of_last_move(
        &self,
        looking: &mut Looking<'_>,
        noted: &mut Vec<Noted>,
    ) -> Result<(), CallError> {
        let route = looking.task.route;
        let Some(follow) = &looking.state.control.follow else {
            return Ok(());
        };
        let group = route.group_of(&follow.instance).unwrap_or(&route.group);
        let observed = self.groups.observe(group).await?.value;
        self.tell_signs(looking, &observed, noted).await
    }

    /// Records everything that is to be said of the last move. Another worker's timer may be first: then its
    /// word stands.
    async fn tell_signs(
        &self,
        looking: &mut Looking<'_>,
        observed: &[ObservedTarget],
        noted: &mut Vec<Noted>,
    ) -> Result<(), CallError> {
        while let Some(follow) = looking.state.control.follow.clone() {
            let now = self.clock.wall();
            let Some(sign) = follow.look(&looking.task.route.policy, observed, now) else {
                return Ok(());
            };
            let Sign { what, note, rest } = sign;
            let (kind, reason, took) = match what {
                Seen::Serving(took) => (RecordKind::Serving, Reason::TargetServes, took),
                Seen::NotServing(took) => (RecordKind::NotServing, Reason::TargetDoesNotServe, took),
                Seen::Drained(took) => (RecordKind::Drained, Reason::TargetGone, took),
            };
            let mut entry = self.entry_of_note(&looking.task, &looking.state, kind);
            entry.transition = follow.transition;
            entry.event_key = follow.key;
            entry.told = None;
            entry.target_group = group_of(looking.task.route, &follow.instance);
            entry.desired = Some((follow.instance.clone(), follow.target));
            entry.after = observed.to_vec();
            entry.reason = Some(reason);
            entry.note.clone_from(&note);
            let effect = Effect::Follows(rest);
            match self.note(&looking.state, effect, entry).await? {
                None => return Ok(()),
                Some(state) => looking.state = state,
            }
            let took = Some(took);
            noted.push(Noted { kind, reason, note, took });
        }
        Ok(())
    }

    /// Commits a record of the timer's; the state after it, or nothing when somebody else wrote first.
    pub(super) async fn note(
        &self,
        from: &RouteState,
        effect: Effect,
        entry: Entry,
    ) -> Result<Option<RouteState>, CallError> {
        let change = change::note(from, effect, entry).map_err(|e| bug(&e))?;
        let (kept, written) = match Box::pin(self.write(&change)).await? {
            Committed::Done(state) => (state.clone(), Some(state)),
            Committed::Refused { state, .. } => (state, None),
        };
        self.remember(kept);
        Ok(written)
    }
}

/// So many repairs may fail one after another before the next one has to wait.
const REPAIRS_AT_ONCE: u32 = 3;

/// The first and the longest wait for it.
const REPAIR_AGAIN: Duration = Duration::from_secs(10);
const REPAIR_AGAIN_MOST: Duration = Duration::from_mins(5);

/// Repairs of a route that failed. Nobody counts the attempts of what nobody delivers, each leaves two records for ever,
/// and the calls are missing elsewhere. The looks go on: there may be news.
#[derive(Debug, Default)]
struct FailedRepairs {
    /// Where they were to bring the route.
    to: Option<Target>,
    times: u32,
    not_before: Duration,
}

impl FailedRepairs {
    fn hold_back(&self, to: Target, now: Duration) -> bool {
        self.to == Some(to) && now < self.not_before
    }

    fn take(&mut self, report: &Report, now: Duration) {
        match report.ended {
            Ended::Settled(_) => *self = Self::default(),
            Ended::Deferred(..) | Ended::Waits(_, Some(_)) => {
                let to = report.desired.as_ref().map(|(_, target)| *target);
                let before = if self.to == to { self.times } else { 0 };
                let times = before + 1;
                let wait = match times.checked_sub(REPAIRS_AT_ONCE) {
                    None | Some(0) => Duration::ZERO,
                    Some(beyond) => doubled(REPAIR_AGAIN, beyond).min(REPAIR_AGAIN_MOST),
                };
                *self = Self { to, times, not_before: now + wait };
            }
            // It did not come to a call, or nobody knows.
            _ => {}
        }
    }
}

/// Why a route that differs is left as it is.
struct HeldBack {
    verdict: Verdict,
    /// Where it would have gone.
    target: Option<Target>,
    /// What the record of it changes.
    effect: Effect,
}

/// A route that is looked at.
pub(super) struct Looking<'a> {
    pub(super) task: Task<'a>,
    pub(super) state: RouteState,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::Told;
    use crate::domain::route::{InstanceId, RouteName};
    use crate::domain::safety::Stop;
    use crate::domain::transition::TransitionId;

    #[test]
    fn a_route_flaps_as_long_as_its_protection_holds() {
        let until = Timestamp::EPOCH.plus(Duration::from_mins(1));
        let mut control = Control::default();
        control.safety.flapping = Some(Stop {
            by: "writerlink".to_owned(),
            reason: "six moves".to_owned(),
            since: Timestamp::EPOCH,
            until: Some(until),
        });
        let mut watched = Watched::default();
        for (now, flaps) in [(Timestamp::EPOCH, true), (until, false)] {
            watched.see(&control, now);
            assert_eq!(watched.is_flapping, flaps);
        }
    }

    /// The report of a repair that was to bring the route to the `last` address, and ended like this.
    fn repair_of(last: u8, ended: Ended) -> Report {
        let name = RouteName::new("orders").unwrap();
        let target = Target { ip: [10, 0, 1, last].into(), port: 3306 };
        let (at, said) = (Timestamp::EPOCH, String::new());
        Report {
            event_key: EventKey::drawn(&name, at, 1),
            route: name,
            cause: Cause::Reconcile,
            told: Told::Truth { at, said },
            transition: TransitionId::from_parts(at, 7),
            attempt: 1,
            resumed: false,
            generation: None,
            desired: Some((InstanceId::new("db-1").unwrap(), target)),
            before: Vec::new(),
            after: Vec::new(),
            steps: Vec::new(),
            took: Duration::ZERO,
            event_age: Duration::ZERO,
            ended,
        }
    }

    #[test]
    fn failed_repairs_count_for_one_target_and_a_success_clears_them() {
        let failed = || {
            let verdict = Verdict::new(Outcome::Failed, Reason::CallFailed, "no");
            Ended::Deferred(verdict, Duration::ZERO)
        };
        let target = |last| repair_of(last, failed()).desired.unwrap().1;
        let mut repairs = FailedRepairs::default();
        for _ in 0..REPAIRS_AT_ONCE {
            assert!(!repairs.hold_back(target(1), Duration::ZERO));
            repairs.take(&repair_of(1, failed()), Duration::ZERO);
        }
        repairs.take(&repair_of(1, failed()), Duration::ZERO);
        assert!(repairs.hold_back(target(1), Duration::ZERO));
        assert!(!repairs.hold_back(target(2), Duration::ZERO), "news");
        // The first failure at another target is the first one of it.
        repairs.take(&repair_of(2, failed()), Duration::ZERO);
        assert!(!repairs.hold_back(target(2), Duration::ZERO));
        assert!(!repairs.hold_back(target(1), Duration::ZERO));
        repairs.times = REPAIRS_AT_ONCE + 5;
        let well = Verdict::new(Outcome::Swapped, Reason::GroupDiffered, "there");
        repairs.take(&repair_of(2, Ended::Settled(well)), Duration::ZERO);
        assert_eq!(repairs.times, 0);
    }
}
