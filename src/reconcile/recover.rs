//! A route whose state does not know all of its records: restored to an earlier point, or deleted.
//!
//! Nothing can be committed on such a state, since a row stands where the next record would go. So nothing wrong is
//! done on it either. What the records say is applied to the state, in one conditional update with one record that
//! says so, and whoever was refused looks again. Rows that do not continue the state are for a person
//! (`writerlink adopt`): the state stays, and the fault is reported.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Reconciler, bug};
use crate::audit_chain::{Fault, Follower, Met, Walk, compared_end, verify_newest};
use crate::domain::audit::{AuditRecord, BrokenChain, Cause, Entry, RecordKind};
use crate::domain::chain_end::ChainEnd;
use crate::domain::change::{self, Change, EventWrite};
use crate::domain::event::EventKey;
use crate::domain::rebuild::rebuilt;
use crate::domain::route::{Route, RouteName, TargetGroupArn};
use crate::domain::transition::{ChainHead, EventEntry, RouteState, TransitionId};
use crate::ports::{CallError, Commit, ErrorKind, StoredRecord};

/// More records behind a state are for a person: reading them would take longer than a message may wait.
pub const RECOVERED_MAX: usize = 1000;

/// So many records are applied at once. Each may have an event's entry to be written with it, and DynamoDB takes 100
/// statements in a transaction.
const AT_ONCE: usize = 90;

/// How often the same fault of a route is reported. It is met by every delivery and by every pass.
const REPORTED_EVERY: Duration = Duration::from_mins(1);

/// The code of a commit that was refused since rows behind the head do not continue it. No service has this code.
pub const CHAIN_BROKEN: &str = "ChainBroken";

/// What became of a change that was to be committed, once the state knows all of its records.
pub(super) enum Committed {
    /// As [`Commit::Done`].
    Done(RouteState),
    /// As [`Commit::Refused`].
    Refused { state: RouteState, event: Option<EventEntry> },
}

/// What was found out about a route's ledger, for the log and the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerNews {
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
pub(super) struct News(Mutex<BTreeMap<RouteName, Told>>);

#[derive(Debug, Default)]
struct Told {
    next: Option<LedgerNews>,
    last: Option<(BrokenChain, Duration)>,
}

impl News {
    fn with<T>(&self, route: &RouteName, take: impl FnOnce(&mut Told) -> T) -> T {
        let mut news = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        take(news.entry(route.clone()).or_default())
    }
}

impl Reconciler {
    /// What was found out about the route's ledger since this was asked last.
    #[must_use]
    pub fn take_ledger_news(&self, route: &RouteName) -> Option<LedgerNews> {
        self.news.with(route, |told| told.next.take())
    }

    pub(super) fn report_broken(&self, route: &RouteName, broken: &BrokenChain) {
        let now = self.clock.monotonic();
        self.news.with(route, |told| {
            let last = told.last.as_ref();
            let lately =
                last.is_some_and(|(last, at)| last == broken && now.saturating_sub(*at) < REPORTED_EVERY);
            if !lately {
                told.last = Some((broken.clone(), now));
                told.next = Some(LedgerNews::Broken(broken.clone()));
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
                self.remember(state.clone());
            }
        }
        Ok(committed)
    }

    /// The first fault among a route's newest records, if there is one that no adoption has taken on: whether they are
    /// as they were written and end at the head of its state (I8).
    ///
    /// # Errors
    /// When state or records cannot be read.
    pub async fn verify_chain(&self, route: &RouteName) -> Result<Option<BrokenChain>, CallError> {
        let (ledger, audit) = (self.ledger.as_ref(), self.audit.as_ref());
        let head = self.head_of(route).await?;
        let found = verify_newest(audit, route.clone(), head).await?;
        if let Some(fault) = found.fault {
            return Ok(Some(fault.broken));
        }
        if found.last.seq <= head.seq {
            return Ok(None);
        }
        let end = compared_end(ledger, audit, route).await?;
        Ok(end.and_then(|end| end.behind()))
    }

    /// Where a route's state ends; before the first record if it has none.
    async fn head_of(&self, route: &RouteName) -> Result<ChainHead, CallError> {
        let state = self.ledger.peek(route).await?;
        Ok(state.map_or_else(ChainHead::default, |state| state.chain))
    }

    /// As [`verify_chain`](Self::verify_chain), and a state that is behind records which are in order is rebuilt.
    ///
    /// # Errors
    /// When the ledger cannot be read or written, or rows do not continue the state.
    pub async fn keep_chain(&self, route: &Route) -> Result<Option<BrokenChain>, CallError> {
        let head = self.head_of(&route.name).await?;
        let found = verify_newest(self.audit.as_ref(), route.name.clone(), head).await?;
        if found.fault.is_none() && found.last.seq > head.seq {
            self.recover_if_behind(route).await?;
        }
        Ok(found.fault.map(|fault| fault.broken))
    }

    /// Compares a route's state with its newest audit row, and rebuilds a state that is behind.
    ///
    /// # Errors
    /// When the ledger cannot be read or written, or rows do not continue the state.
    pub async fn recover_if_behind(&self, route: &Route) -> Result<(), CallError> {
        let name = &route.name;
        let end = compared_end(self.ledger.as_ref(), self.audit.as_ref(), name).await?;
        if let Some(ChainEnd::RowsBeyond { .. }) = end {
            let state = self.ledger.load(name).await?;
            let group = route.group.arn.clone();
            let state = Box::pin(self.recover(state, group, Cause::Reconcile)).await?;
            self.remember(state);
        }
        Ok(())
    }

    async fn recover(
        &self,
        state: RouteState,
        group: TargetGroupArn,
        cause: Cause,
    ) -> Result<RouteState, CallError> {
        let route = state.route.clone();
        let behind = self.rows_behind(&state, RECOVERED_MAX).await?;
        if let Some(broken) = behind.is_for_a_person(&state) {
            self.report_broken(&route, &broken);
            return Err(chain_broken(&route, &broken));
        }
        let records = behind.records;
        let from = state.chain.seq;
        // Another worker was faster.
        let Some(to) = records.last().map(|last| last.record.seq) else {
            return self.ledger.load(&route).await;
        };
        let entry = |state: &RouteState| Entry {
            note: format!(
                "the state ended at record {from}, the audit at record {to}: the state was rebuilt from the records \
                 after {from}; only how often a lease was extended is not recorded"
            ),
            ..self.entry_of_recovery(RecordKind::Recovered, state, group.clone(), cause)
        };
        let applied = self.apply(state, &records, |state, rebuilt, events| {
            change::recover(state, rebuilt, events, entry(rebuilt))
        });
        let state = match applied.await? {
            Committed::Done(state) => state,
            // Another worker was faster, and this is what it left.
            Committed::Refused { state, .. } => return Ok(state),
        };
        self.news.with(&route, |told| {
            told.next = Some(LedgerNews::Recovered { from, to });
            told.last = None;
        });
        Ok(state)
    }

    /// Applies records to a state, so many at once; the last change is `last`'s.
    pub(super) async fn apply(
        &self,
        mut state: RouteState,
        records: &[StoredRecord],
        last: impl Fn(&RouteState, &RouteState, Vec<EventWrite>) -> Result<Change, change::IllegalChange>,
    ) -> Result<Committed, CallError> {
        let mut rest = records;
        loop {
            let (now, later) = rest.split_at(rest.len().min(AT_ONCE));
            rest = later;
            let hashed = now.iter().map(|stored| (&stored.record, stored.hash));
            let goal = rebuilt(&state, hashed).map_err(|error| unreadable(&error.to_string()))?;
            let events = self.events_lacking(now).await?;
            let change = if rest.is_empty() {
                last(&state, &goal, events)
            } else {
                change::catch_up(&state, &goal, events)
            };
            let change = change.map_err(|illegal| bug(&illegal))?;
            match self.ledger.commit(&change).await? {
                Commit::Done(done) if !rest.is_empty() => state = done,
                Commit::Done(done) => return Ok(Committed::Done(done)),
                Commit::Refused { state, event } => {
                    return Ok(Committed::Refused { state, event });
                }
                Commit::PlaceTaken { .. } => {
                    return Err(unreadable("more rows came while the state was rebuilt"));
                }
            }
        }
    }

    /// The entries of events that these records wrote and the state does not have so: each event has one terminal
    /// record (I4), and it is the entry that stops a second one.
    async fn events_lacking(&self, records: &[StoredRecord]) -> Result<Vec<EventWrite>, CallError> {
        let entries = records.iter().filter_map(|stored| stored.record.event_entry());
        let newest: BTreeMap<EventKey, EventEntry> = entries.map(|entry| (entry.key, entry)).collect();
        let mut writes = Vec::new();
        for (key, entry) in newest {
            match self.ledger.event(&key).await? {
                None => writes.push(EventWrite::Insert(entry)),
                Some(known) if known == entry || known.settled.is_some() => {}
                Some(from) => writes.push(EventWrite::Replace { from, to: entry }),
            }
        }
        Ok(writes)
    }

    /// What a record says that no attempt and no event stands behind.
    pub(super) fn entry_of_recovery(
        &self,
        kind: RecordKind,
        state: &RouteState,
        target_group: TargetGroupArn,
        cause: Cause,
    ) -> Entry {
        let (now, random) = (self.clock.wall(), self.clock.random());
        let desired = state.control.desired.as_ref();
        Entry {
            kind,
            at: now,
            transition: TransitionId::from_parts(now, random),
            attempt: 1,
            generation: state.control.generation.next(),
            owner: self.owner.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            provenance: self.provenance.clone(),
            cause,
            event_key: EventKey::drawn(&state.route, now, random),
            told: None,
            target_group,
            desired: desired.map(|desired| (desired.instance.clone(), desired.target)),
            before: Vec::new(),
            after: Vec::new(),
            steps: Vec::new(),
            outcome: None,
            reason: None,
            note: String::new(),
        }
    }

    /// The first `most` records behind the head of a state that continue it, and what stops them.
    pub(super) async fn rows_behind(&self, state: &RouteState, most: usize) -> Result<Behind, CallError> {
        let first = state.chain.seq.saturating_add(1);
        let mut walk = Walk::from(state.route.clone(), first);
        let mut chain = Follower::after(state.chain);
        let mut behind = Behind::default();
        while behind.fault.is_none() && !behind.more {
            behind.fault = match walk.go_on(self.audit.as_ref()).await? {
                Met::End => return Ok(behind),
                Met::Missing { expected, found } => Some(Fault::missing(expected, found).broken),
                Met::Unreadable(row) => Some(Fault::unreadable(&row).broken),
                Met::Records(records) => behind.take(records, &mut chain, most),
            };
        }
        Ok(behind)
    }
}

/// Rows behind the head of a state.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// Those that continue it, in order.
    pub(super) records: Vec<StoredRecord>,
    /// Why the next row does not.
    pub(super) fault: Option<BrokenChain>,
    /// Whether there are more than were asked for.
    pub(super) more: bool,
}

impl Behind {
    /// Why a worker does not apply them by itself.
    fn is_for_a_person(&self, state: &RouteState) -> Option<BrokenChain> {
        let first = state.chain.seq.saturating_add(1);
        let why = format!("more than {RECOVERED_MAX} records are behind it");
        let too_many = self.more.then_some(BrokenChain::NotRebuilt(first, why));
        self.fault.clone().or(too_many)
    }

    fn take(&mut self, records: Vec<StoredRecord>, chain: &mut Follower, most: usize) -> Option<BrokenChain> {
        for stored in records {
            if self.records.len() >= most {
                self.more = true;
                return None;
            }
            if let Err(fault) = chain.take(&stored) {
                return Some(fault.broken);
            }
            if let Some(broken) = not_rebuilt(&stored.record) {
                return Some(broken);
            }
            self.records.push(stored);
        }
        None
    }
}

fn not_rebuilt(record: &AuditRecord) -> Option<BrokenChain> {
    let why = "it does not say what it changed: an older version wrote it";
    let none = record.changes.is_none();
    none.then(|| BrokenChain::NotRebuilt(record.seq, why.to_owned()))
}

fn unreadable(why: &str) -> CallError {
    CallError::without_a_reply("Recover", ErrorKind::Unreachable, why)
}

fn chain_broken(route: &RouteName, broken: &BrokenChain) -> CallError {
    CallError {
        code: CHAIN_BROKEN.to_owned(),
        ..CallError::without_a_reply(
            "Recover",
            ErrorKind::Invalid,
            format!(
                "audit rows behind the state of route {route} do not continue it ({broken}), so nothing can be \
                 committed; see what `writerlink adopt {route} --reason TEXT --dry-run` would do"
            ),
        )
    }
}
