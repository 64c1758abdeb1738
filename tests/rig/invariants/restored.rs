//! What a restored table changes, and what it must not: no record is lost or rewritten by us (I8), a state that was
//! put back regains what its records say (I3), and an event keeps its one terminal record (I4).
//!
//! The checker keeps every state that a route has had. While a route's row ends before its records, whatever stands
//! there has to be one of them. The record that ends that has to leave the state as it was before the loss.

use std::time::Duration;

use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::{Assignment, RouteState};
use writerlink_core::model::ids::Generation;
use writerlink_sim::dynamodb::{Backup, EmbeddedDynamo, LedgerTable};
use writerlink_sim::faults::Effect;

use super::Invariants;
use super::checker::Checker;

/// What somebody restores or deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// A route's row goes back to what it was.
    Row(usize),
    /// A route's row is deleted.
    Deleted(usize),
    /// The whole table of states and events goes back.
    States,
    /// The table of records goes back: the newest ones are gone.
    Records,
}

/// Both tables at one time.
pub(crate) struct Backups {
    pub(crate) state: Backup,
    pub(crate) audit: Backup,
}

impl Backups {
    pub(crate) fn of(dynamo: &EmbeddedDynamo) -> Self {
        let backup = |table| dynamo.backup(table).unwrap();
        Self { state: backup(LedgerTable::State), audit: backup(LedgerTable::Audit) }
    }
}

impl Invariants {
    /// Loses what was written since the backup.
    pub(crate) fn lose(&self, loss: Loss, backups: &Backups) {
        let now = self.fabric.time.elapsed();
        self.checker.lock().unwrap().lose(loss, backups, now);
    }
}

impl Checker {
    fn lose(&mut self, loss: Loss, backups: &Backups, now: Duration) {
        let dynamo = self.dynamo.clone();
        let today = dynamo.backup(LedgerTable::State).unwrap();
        let name = |n: usize| self.routes[n].route.name.clone();
        let restored = match loss {
            Loss::Row(n) => dynamo.restore_route(&backups.state, &name(n)),
            Loss::Deleted(n) => dynamo.delete_route(&name(n)),
            Loss::States => dynamo.restore(&backups.state),
            Loss::Records => dynamo.restore(&backups.audit),
        };
        restored.unwrap();
        self.events_restored |= loss == Loss::States;
        let mut something_is_gone = loss == Loss::Records;
        for n in 0..self.routes.len() {
            if self.falls_behind(n) {
                something_is_gone = true;
            } else {
                // Where no record is lost, nothing shows that a lease was extended: a restore of that alone is none.
                let name = &self.routes[n].route.name;
                dynamo.restore_route(&today, name).unwrap();
            }
        }
        if something_is_gone {
            *self.faults.entry("restored").or_default() += 1;
            self.trouble_until = self.trouble_until.max(now);
        }
    }

    /// Notes that a route's row ends before its records; whether it does.
    fn falls_behind(&mut self, n: usize) -> bool {
        let row = self.dynamo.glance_at_route(&self.routes[n].route.name);
        let seq = row.unwrap().map_or(0, |state| state.chain.seq);
        let watched = &mut self.routes[n];
        watched.is_behind = seq < watched.state.chain.seq;
        watched.is_behind
    }

    /// Whether a row that was read is still behind its records. What stands there then has stood there before.
    pub(super) fn is_still_behind(&mut self, effect: &Effect, n: usize, now: &RouteState) -> bool {
        let watched = &mut self.routes[n];
        if !watched.is_behind {
            return false;
        }
        if now.chain.seq > watched.state.chain.seq {
            watched.is_behind = false;
            return false;
        }
        let nothing = RouteState::new(watched.route.name.clone());
        let is_one = {
            let mut known = watched.history.iter().chain([&nothing, &watched.state]);
            let known = known.find(|known| known.chain == now.chain);
            known.is_some_and(|known| unleased(&known.control) == unleased(&now.control))
        };
        if !is_one {
            self.note(effect, "I3: a state that was put back is none that the route has had");
        }
        true
    }

    /// Whether a route that has caught up is what it was before.
    pub(super) fn check_recovered(&mut self, effect: &Effect, n: usize, before: &RouteState) {
        let watched = &self.routes[n];
        let place = before.chain.seq + 1;
        if watched.state.chain.seq != place {
            return;
        }
        let record = self.dynamo.glance_at_record(&watched.route.name, place);
        let is_recovery = matches!(
            &record,
            Ok(Some(Ok(stored))) if stored.record.entry.kind == RecordKind::Recovered
        );
        if is_recovery && unleased(&before.control) != unleased(&watched.state.control) {
            self.note(effect, "I3: a recovered state is not what it was");
        }
    }
}

/// What of a state its records say: a lease may have been extended since, and a recovery counts the generation on.
fn unleased(control: &Assignment) -> Assignment {
    Assignment { lease: None, generation: Generation::default(), ..control.clone() }
}
