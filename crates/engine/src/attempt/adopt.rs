//! A person takes on what no program may decide: the chain goes on behind rows that do not verify.
//!
//! No row is changed or deleted. One new record, behind the newest row, names what could not be verified, and
//! continues the last record that could.

use std::sync::Arc;

use crate::attempt::provenance::RecordAuthor;
use crate::attempt::recover::RECOVERED_MAX;
use crate::attempt::states::{Committed, StateStore};
use crate::audit_chain::verify_newest;
use crate::ports::{AuditQuery, AuditReader, CallError, ErrorKind, Ledger, Ports};
use writerlink_core::ledger::chain::BrokenChain;
use writerlink_core::ledger::change;
use writerlink_core::ledger::rebuild::rebuilt;
use writerlink_core::ledger::record::{Entry, RecordKind, RecordedTrigger};
use writerlink_core::ledger::state::{ChainHead, RouteState};
use writerlink_core::model::reason::Cause;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::chain_end::ChainEnd;

/// What is wrong with a route's ledger that a person can take on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Rows behind the head do not continue it, from this one on.
    Behind(BrokenChain),
    /// More records continue the head than a worker applies by itself.
    TooMany(u64),
    /// Records that the state knows are not there.
    Missing {
        /// The first of them.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A record among the newest ones is not as it was written. It stops nothing.
    Altered(BrokenChain),
}

/// What an adoption would do, found out by reading alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The route's state as it stands.
    pub state: RouteState,
    /// The number of the newest row; 0 if there is none.
    pub newest: u64,
    /// What is wrong; none if nothing is that needs a person.
    pub trouble: Option<Trouble>,
    /// The state that would be taken on, at the last record that verifies.
    pub rebuilt: RouteState,
    /// How many rows behind that one are passed over.
    pub skipped: u64,
    /// How many records continue the head, which the next commit applies by itself.
    pub recovers: u64,
}

impl Adoption {
    /// The number of the record that the adoption writes.
    #[must_use]
    pub fn seq(&self) -> u64 {
        let next = self.rebuilt.chain.seq.saturating_add(1);
        next.saturating_add(self.skipped)
    }

    /// What does not verify, in words; of a ledger that needs no person, why not.
    #[must_use]
    pub fn what(&self) -> String {
        match &self.trouble {
            Some(Trouble::Behind(broken)) => {
                let last = self.newest;
                format!("{broken}; rows {} to {last} do not verify", self.rebuilt.chain.seq + 1)
            }
            Some(Trouble::TooMany(records)) => format!(
                "{records} records are behind the state, and verify; a worker applies at most {RECOVERED_MAX} by itself"
            ),
            Some(Trouble::Missing { from, to }) => {
                format!("records {from} to {to} are missing: the audit was restored, or rows were deleted")
            }
            Some(Trouble::Altered(broken)) => format!("{broken}; the route moves all the same"),
            None if self.recovers > 0 => format!(
                "{} records are behind the state, and verify: the next commit of a worker applies them",
                self.recovers
            ),
            None => "the state and the newest row agree".to_owned(),
        }
    }
}

/// What became of an adoption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It is recorded, and this is the route's state.
    Done(Box<RouteState>),
    /// Nothing is wrong that needs a person, and nothing was changed.
    Nothing(Box<Adoption>),
}

/// Who adopts, when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopting {
    /// When.
    pub at: Timestamp,
    /// Who, as AWS knows the caller.
    pub by: String,
    /// Why, in the person's words.
    pub reason: String,
}

/// Continues chains that no worker continues by itself, as a person asks for it.
pub struct LedgerRepair {
    ledger: Arc<dyn Ledger>,
    audit: Arc<dyn AuditReader>,
    states: StateStore,
}

impl LedgerRepair {
    /// A repair that writes as `author`.
    #[must_use]
    pub fn new(ports: &Ports, author: impl Into<RecordAuthor>) -> Self {
        Self {
            ledger: Arc::clone(&ports.ledger),
            audit: Arc::clone(&ports.audit),
            states: StateStore::new(ports, author.into()),
        }
    }

    /// What an adoption of the route's ledger would do. Writes nothing.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn adoption(&self, route: &Route) -> Result<Adoption, CallError> {
        let name = &route.name;
        let state = self.ledger.peek(name).await?;
        let state = state.unwrap_or_else(|| RouteState::new(name.clone()));
        let query = AuditQuery::Newest { route: name.clone() };
        let rows = self.audit.page(&query, 1, None).await?.end();
        let newest = rows.newest().map_or(0, |row| row.seq);
        let mut adoption =
            Adoption { rebuilt: state.clone(), state, newest, trouble: None, skipped: 0, recovers: 0 };
        let head = adoption.state.chain;
        adoption.trouble = match ChainEnd::of(Some(head), &rows) {
            ChainEnd::RowsBeyond { .. } => {
                let behind = self.follow_what_verifies(&mut adoption.rebuilt).await?;
                adoption.take(behind)
            }
            ChainEnd::RowsMissing { head, newest } => {
                Some(Trouble::Missing { from: newest.saturating_add(1), to: head })
            }
            ChainEnd::OtherRecord { seq } => Some(Trouble::Altered(BrokenChain::WrongHead(seq))),
            ChainEnd::Matches => self.altered(route, head).await?,
        };
        Ok(adoption)
    }

    async fn altered(&self, route: &Route, head: ChainHead) -> Result<Option<Trouble>, CallError> {
        let found = verify_newest(self.audit.as_ref(), route.name.clone(), head).await?;
        Ok(found.fault.map(|fault| Trouble::Altered(fault.broken)))
    }

    /// Continues the chain behind the newest row, with a record that names what could not be verified.
    ///
    /// # Errors
    /// When the ledger cannot be read or written, or somebody wrote to it meanwhile.
    pub async fn adopt(&self, route: &Route, who: &Adopting) -> Result<Adopted, CallError> {
        let adoption = self.adoption(route).await?;
        if adoption.trouble.is_none() {
            return Ok(Adopted::Nothing(Box::new(adoption)));
        }
        let entry = |state: &RouteState| Entry {
            trigger: Some(RecordedTrigger::Command {
                at: who.at,
                by: who.by.clone(),
                text: format!("adopt by {}: {}", who.by, who.reason),
            }),
            note: format!(
                "the chain goes on behind row {}, from record {}: {}",
                adoption.newest.max(adoption.rebuilt.chain.seq),
                adoption.rebuilt.chain.seq,
                adoption.what()
            ),
            ..self.states.entry_of_recovery(
                RecordKind::Adopted,
                state,
                route.group.arn.clone(),
                Cause::Operator,
            )
        };
        // Reading made no row of a route that has none; the updates need one.
        let mut state = self.ledger.load(&route.name).await?;
        // On another state the new record would leave a gap.
        if state.chain != adoption.state.chain {
            return Err(meanwhile());
        }
        let adopted = loop {
            let behind = self.states.rows_behind(&state, RECOVERED_MAX).await?;
            let applied = self.states.apply(state, &behind.records, |state, rebuilt, events| {
                if behind.more {
                    return change::catch_up(state, rebuilt, events);
                }
                change::adopt(state, rebuilt, events, (entry(rebuilt), adoption.skipped))
            });
            match applied.await? {
                Committed::Done(done) if behind.more => state = done,
                Committed::Done(done) => break done,
                Committed::Refused { .. } => return Err(meanwhile()),
            }
        };
        Ok(Adopted::Done(Box::new(adopted)))
    }

    /// Applies every record that continues the state, without writing anything; what stops them.
    async fn follow_what_verifies(&self, state: &mut RouteState) -> Result<Option<BrokenChain>, CallError> {
        loop {
            let behind = self.states.rows_behind(state, RECOVERED_MAX).await?;
            let hashed = behind.records.iter();
            let hashed = hashed.map(|stored| (&stored.record, stored.hash));
            *state = rebuilt(state, hashed).map_err(|error| {
                let why = error.to_string();
                CallError::without_a_reply("Adopt", ErrorKind::Invalid, why)
            })?;
            if !behind.more {
                return Ok(behind.fault);
            }
        }
    }
}

fn meanwhile() -> CallError {
    let why = "another process wrote to the route meanwhile; nothing was adopted: look at the plan again";
    CallError::without_a_reply("Adopt", ErrorKind::Unreachable, why)
}

impl Adoption {
    /// Takes what stopped the records that verify: the rows from there on are passed over.
    fn take(&mut self, stopped: Option<BrokenChain>) -> Option<Trouble> {
        let last = self.rebuilt.chain.seq;
        let applied = last.saturating_sub(self.state.chain.seq);
        match stopped {
            Some(broken) => {
                self.skipped = self.newest.saturating_sub(last);
                Some(Trouble::Behind(broken))
            }
            None if usize::try_from(applied).is_ok_and(|n| n > RECOVERED_MAX) => {
                Some(Trouble::TooMany(applied))
            }
            None => {
                self.recovers = applied;
                None
            }
        }
    }
}
