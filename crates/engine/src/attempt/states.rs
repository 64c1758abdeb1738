//! The states of routes: read, remembered, and written together with the records that say why.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::attempt::memory::{Denied, Sighting, StateCache};
use crate::attempt::provenance::{RecordAuthor, RecordContext};
use crate::attempt::steps::{Steps, without_id};
use crate::attempt::{Task, bug, group_of};
use crate::ports::{AuditReader, CallError, Clock, Commit, Ledger, Ports};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::chain::BrokenChain;
use writerlink_core::ledger::change::{Change, StateUpdate};
use writerlink_core::ledger::record::{Entry, RecordKind};
use writerlink_core::ledger::state::{EventEntry, RouteState};
use writerlink_core::ledger::{change, record};
use writerlink_core::model::names::RouteName;

/// How often the same fault of a route is reported. It is met by every delivery and by every pass.
const REPORTED_EVERY: Duration = Duration::from_mins(1);

/// What became of a change that was to be committed, once the state knows all of its records.
pub(super) enum Committed {
    /// As [`Commit::Done`].
    Done(RouteState),
    /// As [`Commit::Refused`].
    Refused { state: RouteState, event: Option<EventEntry> },
}

/// What was found out about a route's ledger, for the log and the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerFinding {
    /// The state was behind its records and was rebuilt from them.
    Recovered {
        /// The number of the record that the state ended at.
        from: u64,
        /// That of the last record it was rebuilt from.
        to: u64,
    },
    /// Rows do not continue the state.
    Broken(BrokenChain),
}

/// What is to be reported of each route's ledger, and which fault was reported last.
#[derive(Debug, Default)]
struct News(Mutex<BTreeMap<RouteName, Told>>);

#[derive(Debug, Default)]
struct Told {
    next: Option<LedgerFinding>,
    last: Option<(BrokenChain, Duration)>,
}

impl News {
    fn with<T>(&self, route: &RouteName, take: impl FnOnce(&mut Told) -> T) -> T {
        let mut news = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        take(news.entry(route.clone()).or_default())
    }
}

/// Reads and writes the states of routes for one process, and rebuilds those that are behind their records.
pub struct StateStore {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) audit: Arc<dyn AuditReader>,
    pub(super) clock: Arc<dyn Clock>,
    author: RecordAuthor,
    cache: StateCache,
    news: News,
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

    /// The newest evidence of a route and where it points, as far as this process knows. It costs no read, and may be
    /// old.
    #[must_use]
    pub fn newest_evidence(&self, route: &RouteName) -> Option<(EventKey, IpAddr)> {
        let seen = self.cache.recall(route)?;
        let newest = seen.state.control.newest()?;
        Some((newest.event, newest.target.ip))
    }

    /// What was found out about the route's ledger since this was asked last.
    #[must_use]
    pub fn take_ledger_finding(&self, route: &RouteName) -> Option<LedgerFinding> {
        self.news.with(route, |told| told.next.take())
    }

    pub(super) fn report_recovered(&self, route: &RouteName, from: u64, to: u64) {
        self.news.with(route, |told| {
            told.next = Some(LedgerFinding::Recovered { from, to });
            told.last = None;
        });
    }

    pub(super) fn report_broken(&self, route: &RouteName, broken: &BrokenChain) {
        let now = self.clock.monotonic();
        self.news.with(route, |told| {
            let last = told.last.as_ref();
            let lately =
                last.is_some_and(|(last, at)| last == broken && now.saturating_sub(*at) < REPORTED_EVERY);
            if !lately {
                told.last = Some((broken.clone(), now));
                told.next = Some(LedgerFinding::Broken(broken.clone()));
            }
        });
    }

    /// Commits a change; a state that turns out to be behind its records is rebuilt, and the change is refused.
    pub(super) async fn write(&self, change: &Change) -> Result<Committed, CallError> {
        let committed = match self.ledger.commit(change).await? {
            Commit::Done(state) => Committed::Done(state),
            Commit::Refused { state, event } => Committed::Refused { state, event },
            Commit::PlaceTaken { state } => {
                let state = match change.entry() {
                    Some(entry) => {
                        let group = entry.target_group.clone();
                        // Seldom met, and large: it must not make the future of every commit larger.
                        Box::pin(self.recover(state, group, entry.cause)).await?
                    }
                    None => state,
                };
                let event = match change.event() {
                    Some(write) => self.ledger.event(&write.entry().key).await?,
                    None => None,
                };
                Committed::Refused { state, event }
            }
        };
        match &committed {
            Committed::Done(state) | Committed::Refused { state, .. } => {
                self.cache().remember(state.clone());
            }
        }
        Ok(committed)
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

    /// Commits a record of the timer. Returns the new state, or `None` when another process wrote first.
    pub(super) async fn note(
        &self,
        from: &RouteState,
        effect: StateUpdate,
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
            trigger: Some(record::RecordedTrigger::from(&task.evidence.trigger)),
            target_group: match &state.control.desired {
                Some(desired) => group_of(task.route, &desired.instance),
                None => task.route.group.arn.clone(),
            },
        };
        self.author.entry(about, state, kind)
    }

    /// Like `entry`, for a record without a lease. Its new generation fences off a lease holder.
    pub(super) fn entry_of_note(&self, task: &Task<'_>, state: &RouteState, kind: RecordKind) -> Entry {
        Entry { generation: state.control.generation.next(), attempt: 1, ..self.entry(task, state, kind) }
    }
}
