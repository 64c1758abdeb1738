//! The states of routes: read, remembered, and written together with the records that say why.

use std::sync::Arc;

use super::map::Denied;
use super::memory::{Sighting, StateCache};
use super::provenance::{RecordAuthor, RecordContext};
use super::recover::{Committed, News};
use super::steps::{Steps, without_id};
use super::{Task, bug, group_of};
use crate::domain::audit::{Entry, RecordKind, Told};
use crate::domain::change::{self, Change, Effect};
use crate::domain::event::EventKey;
use crate::domain::route::RouteName;
use crate::domain::transition::{EventEntry, RouteState};
use crate::ports::{Audit, CallError, Clock, Ledger, Ports};

/// Reads and writes the states of routes for one process, and rebuilds those that are behind their records.
pub struct StateStore {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) audit: Arc<dyn Audit>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) author: RecordAuthor,
    cache: StateCache,
    pub(super) news: News,
    pub(super) reads_alone: Denied,
}

impl StateStore {
    /// A store that has read nothing yet. It writes as `author`.
    #[must_use]
    pub fn new(ports: &Ports, author: RecordAuthor) -> Self {
        Self {
            ledger: Arc::clone(&ports.ledger),
            audit: Arc::clone(&ports.audit),
            clock: Arc::clone(&ports.clock),
            author,
            cache: StateCache::new(Arc::clone(&ports.clock)),
            news: News::default(),
            reads_alone: Denied::default(),
        }
    }

    /// Who writes.
    pub(super) fn author(&self) -> &RecordAuthor {
        &self.author
    }

    /// The states as they were last seen.
    pub(super) fn cache(&self) -> &StateCache {
        &self.cache
    }

    /// Reads a route's state. A route that was never seen gets one.
    pub(super) async fn read(&self, route: &RouteName) -> Result<Sighting, CallError> {
        let state = self.ledger.load(route).await?;
        Ok(self.cache.remember(state))
    }

    /// What the ledger knows of an event.
    pub(super) async fn event(&self, key: &EventKey) -> Result<Option<EventEntry>, CallError> {
        self.ledger.event(key).await
    }

    /// Commits a change as a step of an attempt.
    pub(super) async fn commit(
        &self,
        steps: &Steps,
        name: &str,
        change: &Change,
    ) -> Result<Committed, CallError> {
        // Boxed: an attempt waits for several of them, one after another, and each would be part of its future.
        let commit = async { Box::pin(self.write(change)).await.map(without_id) };
        steps.call(name, commit).await
    }

    /// Commits a record of the timer's; the state after it, or nothing when somebody else wrote first.
    pub(super) async fn note(
        &self,
        from: &RouteState,
        effect: Effect,
        entry: Entry,
    ) -> Result<Option<RouteState>, CallError> {
        let change = change::note(from, effect, entry).map_err(|e| bug(&e))?;
        Ok(match Box::pin(self.write(&change)).await? {
            Committed::Done(state) => Some(state),
            Committed::Refused { .. } => None,
        })
    }

    /// What a record of this attempt says, whatever kind it is.
    pub(super) fn entry(&self, task: &Task<'_>, state: &RouteState, kind: RecordKind) -> Entry {
        let about = RecordContext {
            at: self.clock.wall(),
            transition: task.transition,
            cause: task.cause,
            event_key: task.evidence.key,
            told: Some(Told::from(&task.evidence.ground)),
            target_group: match &state.control.desired {
                Some(desired) => group_of(task.route, &desired.instance),
                None => task.route.group.arn.clone(),
            },
        };
        self.author.entry(about, state, kind)
    }

    /// The same for a record that nobody's lease stands behind: it fences off whoever held one.
    pub(super) fn entry_of_note(&self, task: &Task<'_>, state: &RouteState, kind: RecordKind) -> Entry {
        Entry { generation: state.control.generation.next(), attempt: 1, ..self.entry(task, state, kind) }
    }
}
