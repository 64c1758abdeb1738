//! Fewer groups at once while the ledger is too slow for as many (`actuation::room`).
//!
//! What finds no room is not received: its visibility does not run, it is not counted as delivered, and its group keeps
//! its order. Work in progress continues, and so do its renewals, reconcile passes and commands.

use std::sync::PoisonError;

use crate::attempt::{AttemptResult, Report};
use crate::ports::{CallError, ErrorKind};
use crate::telemetry::event::WorkerEvent;
use crate::worker::{RECEIVE_MAX, Worker};
use writerlink_core::actuation::room::ConcurrencyLimit;

/// The calls of the ledger. A look-up that fails says nothing about it.
const OF_THE_LEDGER: [&str; 4] = ["GetItem", "Query", "ExecuteStatement", "ExecuteTransaction"];

impl Worker {
    fn with_room<T>(&self, look: impl FnOnce(&mut ConcurrencyLimit) -> T) -> T {
        look(&mut self.room.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many groups may be worked on at once.
    pub(super) fn places(&self) -> usize {
        self.with_room(|room| room.places())
    }

    /// How many messages the next receive may bring: each may be of another group.
    pub(super) fn messages_wanted(&self, groups: usize) -> u32 {
        let free = self.with_room(|room| {
            let free = room.places().saturating_sub(groups);
            room.is_cut().then_some(free)
        });
        let free = free.map(|free| u32::try_from(free).unwrap_or(RECEIVE_MAX));
        free.map_or(RECEIVE_MAX, |free| free.clamp(1, RECEIVE_MAX))
    }

    /// Learns from an attempt whether the ledger keeps up.
    pub(super) fn learn(&self, report: &Report) {
        let now = self.clock.monotonic();
        let changed = match &report.ended {
            AttemptResult::Unavailable(error, _) if is_too_much(error) => {
                self.with_room(|room| room.unanswered(now))
            }
            AttemptResult::Settled(_) | AttemptResult::Duplicate(_) | AttemptResult::Deferred(..) => {
                self.with_room(ConcurrencyLimit::answered)
            }
            // Only its first delivery writes a record; later ones may have made no call.
            AttemptResult::Waits(..) if !report.steps.is_empty() => {
                self.with_room(ConcurrencyLimit::answered)
            }
            AttemptResult::Waits(..)
            | AttemptResult::Unavailable(..)
            | AttemptResult::Nothing(_)
            | AttemptResult::Paced(_)
            | AttemptResult::Busy(..)
            | AttemptResult::LeaseLost { .. } => false,
        };
        if changed {
            let (at_most, of) = (self.places(), self.limits.groups_max);
            self.record(&WorkerEvent::ConcurrencyLimit { at_most, of });
        }
    }
}

fn is_too_much(error: &CallError) -> bool {
    let overloaded = matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Throttled);
    overloaded && OF_THE_LEDGER.contains(&error.call)
}
