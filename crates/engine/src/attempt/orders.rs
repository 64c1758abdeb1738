//! A person's orders: the same lease, the same record, the same refusals.

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::opening::COMMIT_TRIES;
use crate::attempt::states::Committed;
use crate::attempt::{Attempts, NoMessage, Reconciler, RecordAuthor, Report, StateStore, Task, bug};
use crate::ports::{CallError, Clock, Ports};
use writerlink_core::evidence::trigger::{CommandKind, Evidence, OperatorCommand, Trigger};
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::lease::Acquire;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::route::Route;

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ordered {
    /// It moves the route: this is the attempt.
    Attempted(Box<Report>),
    /// It is in force from here on: no attempt that began before it is still under way.
    InForce(Box<RouteState>),
    /// An attempt is under way, and no order comes between its calls (I7). It ends soon.
    Busy(Owner, Duration),
}

/// Carries out what a person orders: by an attempt where the route moves, else by one record.
pub struct OperatorCommands {
    attempts: Reconciler,
    states: Arc<StateStore>,
    clock: Arc<dyn Clock>,
}

impl OperatorCommands {
    /// Those of a process that writes as `author`.
    #[must_use]
    pub fn new(ports: &Ports, author: impl Into<RecordAuthor>, limits: Attempts) -> Self {
        let attempts = Reconciler::new(ports, author, limits);
        Self { states: Arc::clone(attempts.states()), clock: Arc::clone(&ports.clock), attempts }
    }

    /// Carries out an order about one route.
    ///
    /// A pause takes effect only where no attempt is under way: one that had announced a move could otherwise
    /// make its next call after the pause. So a held lease is waited for, by whoever gave the order.
    ///
    /// # Errors
    /// When the ledger cannot be reached, or other workers were faster every time.
    pub async fn order(&self, route: &Route, order: &OperatorCommand) -> Result<Ordered, CallError> {
        let trigger = Trigger::Command(order.clone());
        let evidence = Evidence::now(&route.name, trigger, self.clock.random());
        match order.act {
            CommandKind::Swap(_) | CommandKind::Pin { .. } => {
                let attempt = self.attempts.attempt(route, &evidence, Cause::Operator, &NoMessage);
                Ok(Ordered::Attempted(Box::new(attempt.await)))
            }
            CommandKind::Unpin
            | CommandKind::Pause { .. }
            | CommandKind::Resume
            | CommandKind::Freeze { .. }
            | CommandKind::Unfreeze
            | CommandKind::Acknowledge => self.obey(route, order, &evidence).await,
        }
    }

    async fn obey(
        &self,
        route: &Route,
        order: &OperatorCommand,
        evidence: &Evidence,
    ) -> Result<Ordered, CallError> {
        let task = Task::begin(&self.clock, route, evidence, Cause::Operator, &NoMessage);
        let mut refused = None;
        for _ in 0..COMMIT_TRIES {
            let seen = self.states.read(&route.name).await?;
            let lease = seen.state.control.lease.as_ref();
            if let (Some(lease), Acquire::Wait(wait)) = (lease, self.states.cache().acquirable(&seen)) {
                return Ok(Ordered::Busy(lease.owner.clone(), wait));
            }
            let mut entry = self.states.entry_of_note(&task, &seen.state, RecordKind::Command);
            entry.reason = Some(Reason::OperatorCommand);
            entry.note = order.to_string();
            let effect = StateUpdate::Apply(order.clone());
            let change = change::note(&seen.state, effect, entry).map_err(|e| bug(&e))?;
            match self.states.commit(&task.steps, "Order", &change).await? {
                Committed::Done(state) => return Ok(Ordered::InForce(Box::new(state))),
                Committed::Refused { state, .. } => refused = Some(state),
            }
        }
        let owner = refused.and_then(|state| state.control.lease.map(|lease| lease.owner));
        let owner = owner.unwrap_or_else(|| Owner::new("other workers"));
        Ok(Ordered::Busy(owner, Duration::from_secs(1)))
    }
}
