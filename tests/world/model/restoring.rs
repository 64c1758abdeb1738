//! A route's row that is put back to before its last record, or deleted, and how it catches up
//! (`engine/src/attempt/recover.rs`). The records stay: they are what the route is brought up to.

use writerlink_core::ledger::change;
use writerlink_core::ledger::record::RecordKind;

use super::orders::NOBODYS;
use super::protocol::{Action, Bug, Protocol};
use super::state::{Mark, Route, State, Transition};

/// How the row may be lost, and who may bring it up to its records.
pub fn losses(state: &State, actions: &mut Vec<Action>) {
    if state.records.is_some() {
        // The timer of any worker compares the two.
        return actions.extend((0..state.workers.len()).map(Action::CatchUp));
    }
    if state.left.restores > 0 && state.route.seq > 0 {
        actions.push(Action::Delete);
        actions.extend(state.before.map(|_| Action::PutBack));
    }
}

/// The row is what it was before its last record.
pub fn put_back(state: &mut State) {
    if let Some(before) = state.before {
        lose(state, before);
    }
}

/// The row is deleted; whoever loads it makes it anew.
pub fn delete(state: &mut State) {
    lose(state, Route::default());
}

impl Protocol {
    /// The route is what its records say, in one conditional write with a record of its own.
    pub fn catch_up(&self, state: &mut State, worker: usize) {
        let Some(records) = state.records.take() else {
            return;
        };
        let from = self.world.state(&state.route);
        let rebuilt = match self.bug {
            Some(Bug::RebuildsTheHeadAlone) => Route { generation: records.generation, ..state.route },
            Some(Bug::RebuildsNoLease) => Route { lease: None, ..records },
            _ => records,
        };
        let mut told = self.world.told(worker, NOBODYS, Transition::default(), 0);
        told.kind = RecordKind::Recovered;
        let change = change::recover(&from, &self.world.state(&rebuilt), Vec::new(), told).unwrap();
        state.route = self.world.small_route(change.to(), records.seq + 1);
        let order = |route: &Route| route.newest().map(|newest| newest.order);
        if order(&state.route) < order(&records) {
            state.marks.set(Mark::EvidenceWentBack);
        }
    }
}

fn lose(state: &mut State, row: Route) {
    state.left.restores -= 1;
    state.records = Some(state.route);
    state.before = None;
    state.route = row;
}
