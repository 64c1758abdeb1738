//! The ledger of the model: one conditional write at a time, as `ports::Ledger` promises it.

use writerlink_core::ledger::change::{Change, EventWrite};
use writerlink_core::ledger::record::RecordKind;

use super::protocol::{Bug, Protocol};
use super::state::{Desired, Entry, Mark, Sighting, State};

/// `ports::Commit`, in small.
pub enum Commit {
    Done,
    Refused(Option<Entry>),
}

impl Protocol {
    /// Commits a change for `worker`, and watches what is written (I3, I4, I6).
    pub fn commit(&self, state: &mut State, worker: usize, event: Option<usize>, change: &Change) -> Commit {
        let control = &change.from().control;
        let from = self.world.small_route(control, state.route.seq);
        let same_lease = from.lease == state.route.lease || self.has(Bug::LengtheningGoesUnseen);
        let stands = from.generation == state.route.generation
            && change.from().chain.seq == u64::from(state.route.seq)
            && same_lease;
        let event_stands = match change.event() {
            None => true,
            Some(EventWrite::Insert(_)) => known(state, event).is_none(),
            Some(EventWrite::Replace { from, .. }) => {
                known(state, event) == Some(self.world.small_entry(from))
            }
        };
        let finishes = control.lease.is_some() && change.to().lease.is_none();
        let forced = finishes && self.has(Bug::FinishesUnconditionally);
        if !(stands && event_stands || forced) {
            return Commit::Refused(known(state, event));
        }
        if !stands {
            state.marks.set(Mark::UnconditionalWrite);
        }
        // A row stands where the record would go (`ports::Commit::PlaceTaken`).
        if state.records.is_some() && change.entry().is_some() {
            self.catch_up(state, worker);
            return Commit::Refused(known(state, event));
        }
        self.write(state, worker, event, change);
        Commit::Done
    }

    fn write(&self, state: &mut State, worker: usize, event: Option<usize>, change: &Change) {
        let recorded = u8::from(change.entry().is_some());
        let after = self.world.small_route(change.to(), state.route.seq + recorded);
        let order = |desired: Option<Desired>| desired.map(|desired| desired.order);
        let before = state.route;
        if order(after.desired) < order(before.desired) || order(after.newest()) < order(before.newest()) {
            state.marks.set(Mark::EvidenceWentBack);
        }
        if let Some(entry) = change.entry() {
            let terminal = entry.outcome.is_some();
            if terminal && known(state, event).is_some_and(|e| e.settled.is_some()) {
                state.marks.set(Mark::TwoTerminalRecords);
            }
            if matches!(entry.kind, RecordKind::Started | RecordKind::Resumed) {
                state.workers[worker].announced = after.lease.map(|lease| lease.transition);
                if let Some(hand) = state.workers[worker].hand().copied() {
                    self.watch_move(state, hand.matter, (&before, &after));
                }
            }
        }
        self.watch_evidence(state, worker, (&before, &after));
        if let (Some(write), Some(event)) = (change.event(), event) {
            state.events[event] = Some(self.world.small_entry(write.entry()));
        }
        let stops = after.flapping && !before.flapping;
        if stops && state.people.changes < self.world.flap_moves_max {
            state.marks.set(Mark::StoppedTooSoon);
        }
        state.people.flapping |= after.flapping;
        if recorded > 0 && state.left.restores > 0 {
            state.before = Some(before);
        }
        state.route = after;
    }
}

fn known(state: &State, event: Option<usize>) -> Option<Entry> {
    state.events[event?]
}

/// What `StateCache::remember` does: a state that was known already keeps the time it was first seen.
pub fn remember(state: &mut State, worker: usize) {
    let route = state.route;
    let seen = &mut state.workers[worker].seen;
    if seen.is_none_or(|reading| reading.route != route) {
        *seen = Some(Sighting { route, since: 0 });
    }
}
