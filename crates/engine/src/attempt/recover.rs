//! A route whose state does not know all of its records: restored to an earlier point, or deleted.
//!
//! Nothing can be committed on such a state, since a row stands where the next record would go. So nothing wrong is
//! done on it either. What the records say is applied to the state, in one conditional update with one record that
//! says so, and whoever was refused looks again. Rows that do not continue the state are for a person
//! (`writerlink adopt`): the state stays, and the fault is reported.

use std::collections::BTreeMap;

use crate::attempt::bug;
use crate::attempt::provenance::RecordContext;
use crate::attempt::states::{Committed, StateStore};
use crate::audit_chain::{ChainDefect, ChainStep, ChainWalk, Follower, compared_end};
use crate::ports::{CallError, Commit, ErrorKind, StoredRecord};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::chain::BrokenChain;
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::{Change, EventWrite};
use writerlink_core::ledger::rebuild::rebuilt;
use writerlink_core::ledger::record::{AuditRecord, Entry, RecordKind};
use writerlink_core::ledger::state::{EventEntry, RouteState};
use writerlink_core::model::ids::TransitionId;
use writerlink_core::model::names::{RouteName, TargetGroupArn};
use writerlink_core::model::reason::Cause;
use writerlink_core::model::route::Route;
use writerlink_core::status::chain_end::ChainEnd;

/// More records behind a state are for a person: reading them would take longer than a message may wait.
pub const RECOVERED_MAX: usize = 1000;

/// So many records are applied at once. Each may have an event's entry to be written with it, and DynamoDB takes 100
/// statements in a transaction.
const AT_ONCE: usize = 90;

/// The code of a commit that was refused since rows behind the head do not continue it. No service has this code.
pub const CHAIN_BROKEN: &str = "ChainBroken";

impl StateStore {
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
            self.cache().remember(state);
        }
        Ok(())
    }

    pub(super) async fn recover(
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
        self.report_recovered(&route, from, to);
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
        let about = RecordContext {
            at: now,
            transition: TransitionId::from_parts(now, random),
            cause,
            event_key: EventKey::random(&state.route, now, random),
            trigger: None,
            target_group,
        };
        Entry {
            attempt: 1,
            generation: state.control.generation.next(),
            desired: desired.map(|desired| (desired.instance.clone(), desired.target)),
            ..self.author().entry(about, state, kind)
        }
    }

    /// The first `most` records behind the head of a state that continue it, and what stops them.
    pub(super) async fn rows_behind(&self, state: &RouteState, most: usize) -> Result<Behind, CallError> {
        let first = state.chain.seq.saturating_add(1);
        let mut walk = ChainWalk::from(state.route.clone(), first);
        let mut chain = Follower::after(state.chain);
        let mut behind = Behind::default();
        while behind.fault.is_none() && !behind.more {
            behind.fault = match walk.go_on(self.audit.as_ref()).await? {
                ChainStep::End => return Ok(behind),
                ChainStep::Missing { expected, found } => Some(ChainDefect::missing(expected, found).broken),
                ChainStep::Unreadable(row) => Some(ChainDefect::unreadable(&row).broken),
                ChainStep::Records(records) => behind.take(records, &mut chain, most),
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
