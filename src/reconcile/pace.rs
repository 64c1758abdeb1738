//! How many routes a worker may move in a minute.
//!
//! An Availability Zone that fails moves many routes at once, and so does a mistake: this bounds both by what the
//! operator allows. It counts this worker's own moves on its own clock; what is over the limit comes back.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::opening::Opening;
use super::report::Ended;
use super::{Reconciler, Task, bug, group_of};
use crate::domain::audit::{Cause, Reason, RecordKind};
use crate::domain::change::{self, Arrival, Effect};
use crate::domain::decide::Decision;
use crate::domain::event::EventKey;
use crate::domain::ground::Ground;
use crate::domain::transition::{Desired, RouteState};
use crate::domain::unresolved::UnresolvedEvent;
use crate::ports::CallError;

/// The time in which moves are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// The moves of the last minute, and whose wait is on record already.
#[derive(Debug, Default)]
pub(super) struct Pace {
    moves: VecDeque<Duration>,
    waiting: BTreeSet<EventKey>,
}

impl Pace {
    /// Whether there is room for one more move in this minute; how long until there is if there is none.
    fn has_room(&mut self, now: Duration, max: u32) -> Result<(), Duration> {
        while self.moves.front().is_some_and(|at| now.saturating_sub(*at) >= WINDOW) {
            self.moves.pop_front();
        }
        if self.moves.len() < usize::try_from(max).unwrap_or(usize::MAX) {
            return Ok(());
        }
        let oldest = self.moves.front().copied().unwrap_or(now);
        Err((oldest + WINDOW).saturating_sub(now))
    }
}

impl Reconciler {
    /// Holds back a new move that would be one too many in this minute. What is resumed or repaired, and what a
    /// person orders, is not counted: none of it moves a route that was right. Its first wait is recorded.
    pub(super) async fn paced(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        arrival: Option<&Arrival>,
        decision: &Decision,
    ) -> Result<Option<Opening>, CallError> {
        let Some(desired) = counted(task, from, decision) else {
            return Ok(None);
        };
        let key = task.evidence.key;
        let now = self.clock.monotonic();
        let (wait, first) = {
            let mut pace = self.pace();
            match pace.has_room(now, self.limits.moves_per_minute_max) {
                Ok(()) => return Ok(None),
                Err(wait) => (wait, pace.waiting.insert(key)),
            }
        };
        let ended = Ended::Paced(wait.max(Duration::from_secs(1)));
        if first && arrival.is_some() {
            let mut entry = self.entry(task, from, RecordKind::Deferred);
            entry.generation = from.control.generation.next();
            entry.target_group = group_of(task.route, &desired.instance);
            entry.desired = Some((desired.instance.clone(), desired.target));
            entry.reason = Some(Reason::TooManyMoves);
            entry.note = format!("{}; it comes back in {} s", ended.note(), wait.as_secs());
            let why = Reason::TooManyMoves;
            let waiting = UnresolvedEvent::waiting(&from.control, task.evidence, why, &entry.note, entry.at);
            // What a person hands in nobody delivers again.
            let waiting = waiting.filter(|_| task.cause == Cause::Event);
            let effect = waiting.map_or(Effect::None, Effect::Refuses);
            let change = change::note(from, effect, entry).map_err(|e| bug(&e))?;
            self.commit(&task.steps, "Note", &change).await?;
        }
        Ok(Some(Opening::Ended(ended)))
    }

    /// Counts a move that is about to be announced: not before its turn, since what waits moves nothing.
    pub(super) fn count_the_move(&self, task: &Task<'_>, from: &RouteState, decision: &Decision) {
        if counted(task, from, decision).is_some() {
            let mut pace = self.pace();
            pace.moves.push_back(self.clock.monotonic());
            pace.waiting.remove(&task.evidence.key);
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a decision moves the route to, if it is a move that counts.
fn counted<'a>(task: &Task<'_>, from: &RouteState, decision: &'a Decision) -> Option<&'a Desired> {
    let Decision::Move(desired) = decision else {
        return None;
    };
    let moves = from.control.is_moved_by(desired);
    (moves && !matches!(task.evidence.ground, Ground::Order(_))).then_some(desired)
}

/// The pace of a reconciler.
pub(super) type SharedPace = Mutex<Pace>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_room_for_so_many_moves_and_says_when_the_next_one_fits() {
        let at = Duration::from_secs;
        let mut pace = Pace::default();
        let mut move_at = |second| {
            let room = pace.has_room(at(second), 2);
            if room.is_ok() {
                pace.moves.push_back(at(second));
            }
            room
        };
        assert_eq!(move_at(0), Ok(()));
        assert_eq!(move_at(20), Ok(()));
        assert_eq!(move_at(30), Err(at(30)));
        assert_eq!(move_at(60), Ok(()));
        assert_eq!(move_at(61), Err(at(19)));
    }
}
