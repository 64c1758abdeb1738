//! How many routes a worker may move in a minute.
//!
//! An Availability Zone that fails moves many routes at once, and so does a mistake: this bounds both by what the
//! operator allows. It counts this worker's own moves on its own clock; what is over the limit comes back.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::attempt::report::AttemptResult;
use crate::attempt::{Reconciler, Task, bug, group_of};
use crate::ports::CallError;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::evidence::trigger::Trigger;
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::{EventDelivery, StateUpdate};
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::RouteState;
use writerlink_core::ledger::unresolved::UnresolvedEvent;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::route::Strategy;

/// The time in which moves are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// The moves of the last minute, and whose wait is on record already.
#[derive(Debug)]
pub(super) struct MoveLimiter {
    max: u32,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    moves: VecDeque<Duration>,
    waiting: BTreeSet<EventKey>,
}

/// A minute that has no room for one more move.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRoom {
    /// How long until there is some.
    wait: Duration,
    /// Whether the event waits for the first time.
    is_first: bool,
}

impl MoveLimiter {
    pub(super) fn new(max: u32) -> Self {
        Self { max, counted: Mutex::default() }
    }

    /// Whether there is room for one more move in this minute, for the sake of this event.
    fn has_room(&self, now: Duration, key: EventKey) -> Result<(), NoRoom> {
        let mut counted = self.counted();
        let moves = &mut counted.moves;
        while moves.front().is_some_and(|at| now.saturating_sub(*at) >= WINDOW) {
            moves.pop_front();
        }
        if moves.len() < usize::try_from(self.max).unwrap_or(usize::MAX) {
            return Ok(());
        }
        let oldest = moves.front().copied().unwrap_or(now);
        let wait = (oldest + WINDOW).saturating_sub(now);
        Err(NoRoom { wait, is_first: counted.waiting.insert(key) })
    }

    fn count(&self, now: Duration, key: EventKey) {
        let mut counted = self.counted();
        counted.moves.push_back(now);
        counted.waiting.remove(&key);
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reconciler {
    /// Holds back a new move that would be one too many in this minute. What is resumed or repaired, and what a
    /// person orders, is not counted: none of it moves a route that was right. Its first wait is recorded.
    pub(super) async fn paced(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        arrival: Option<&EventDelivery>,
        decision: &Decision,
    ) -> Result<Option<AttemptResult>, CallError> {
        let Some(desired) = counted(task, from, decision) else {
            return Ok(None);
        };
        let now = self.clock.monotonic();
        let Err(NoRoom { wait, is_first }) = self.pace.has_room(now, task.evidence.key) else {
            return Ok(None);
        };
        let ended = AttemptResult::Paced(wait.max(Duration::from_secs(1)));
        if is_first && arrival.is_some() {
            let mut entry = self.states.entry(task, from, RecordKind::Deferred);
            entry.generation = from.control.generation.next();
            entry.target_group = group_of(task.route, &desired.instance);
            entry.desired = Some((desired.instance.clone(), desired.target));
            entry.reason = Some(Reason::TooManyMoves);
            entry.note = format!("{}; it comes back in {} s", ended.note(), wait.as_secs());
            let why = Reason::TooManyMoves;
            let waiting = UnresolvedEvent::waiting(&from.control, task.evidence, why, &entry.note, entry.at);
            // What a person hands in nobody delivers again.
            let waiting = waiting.filter(|_| task.cause == Cause::Event);
            let effect = waiting.map_or(StateUpdate::None, StateUpdate::Refuses);
            let change = change::note(from, effect, entry).map_err(|e| bug(&e))?;
            self.states.commit(&task.steps, "Note", &change).await?;
        }
        Ok(Some(ended))
    }

    /// Counts a move that is about to be announced: not before its turn, since what waits moves nothing.
    pub(super) fn count_the_move(&self, task: &Task<'_>, from: &RouteState, decision: &Decision) {
        if counted(task, from, decision).is_some() {
            self.pace.count(self.clock.monotonic(), task.evidence.key);
        }
    }
}

/// Where a decision moves the route to, if it is a move that counts.
fn counted<'a>(task: &Task<'_>, from: &RouteState, decision: &'a Decision) -> Option<&'a Desired> {
    let Decision::Move(desired) = decision else {
        return None;
    };
    // What bounds moves is the account's quota of registrations, and relays register nothing.
    if let Strategy::Relay(_) = task.route.strategy {
        return None;
    }
    let moves = from.control.is_moved_by(desired);
    (moves && !matches!(task.evidence.trigger, Trigger::Command(_))).then_some(desired)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_room_for_so_many_moves_and_says_when_the_next_one_fits() {
        let at = Duration::from_secs;
        let pace = MoveLimiter::new(2);
        let key = EventKey::parse(&"1".repeat(64)).unwrap();
        let move_at = |second| {
            let room = pace.has_room(at(second), key);
            if room.is_ok() {
                pace.count(at(second), key);
            }
            room.map_err(|none| none.wait)
        };
        assert_eq!(move_at(0), Ok(()));
        assert_eq!(move_at(20), Ok(()));
        assert_eq!(move_at(30), Err(at(30)));
        assert_eq!(move_at(60), Ok(()));
        assert_eq!(move_at(61), Err(at(19)));
    }
}
