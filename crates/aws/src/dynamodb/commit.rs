//! How a change is committed, and how one finds out whether it was.
//!
//! # One request
//! The conditional UPDATE of the route, the INSERT or conditional UPDATE of the event and the INSERT of the
//! record go out in one `ExecuteTransaction`. DynamoDB writes all of it or nothing.
//!
//! # When the answer is not a plain yes
//! A reply can be lost after the commit; the SDK then sends the request again, with the `ClientRequestToken` that
//! it drew for this call, and DynamoDB answers the second like the first. The token is the SDK's own and not
//! made of the change: for ten minutes DynamoDB answers a known token with success, whatever has happened
//! since, so a change committed again later would be told that its long gone state stands.
//!
//! Yet the answer may be a timeout, a cancellation, or a throttling that hides an earlier attempt which did
//! go through, and engines do not agree on the reasons of a cancellation. So *no* error is believed about
//! what was written: after any of them the event and the route are read, consistently, and that decides:
//!
//! 1. **The chain's head is ours.** The hash covers our owner, transition, time and place in the chain, so
//!    nobody else can have written it: [`Commit::Done`].
//! 2. **The route moved past our place.** Ours may be the record before the head: the holder's `finish` was
//!    committed, its reply lost, and another worker has begun since. The record in our place tells: ours,
//!    [`Commit::Done`]; another's, [`Commit::Refused`].
//! 3. **Our conditions can never hold again**: the head is another's, or the event is in other hands. Generation
//!    and `seq` only grow and a settled event stays settled, so a request of ours that is still on its way
//!    will be refused when it arrives: [`Commit::Refused`], for certain.
//! 4. **Our conditions still hold, and the reply says that a row stands in our record's place.** The state does not
//!    know that row: it was restored or deleted, or the row is foreign. [`Commit::PlaceTaken`]: the caller compares.
//! 5. **Our conditions still hold.** The request may be on its way and land any moment: `Err`. The caller
//!    tries again later from what it then reads.
//!
//! The event is read *before* the route. Both change in one transaction, so a route that still stands as
//! we knew it after the event was read means that the event was read as it stood then too; the other way
//! round, our own late write in between could look like somebody else's.
//!
//! An extension of a lease has no record and moves no head, so the old deadline is part of every condition:
//! an extension that was stuck on its way must not shorten a later one when it lands at last, after `finish`
//! none may bring the lease back (awslabs/dynamodb-lock-client issue 116), and a lease that was lengthened
//! since a contender read it is not taken over (issue 114).

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::execute_transaction::ExecuteTransactionError;
use aws_sdk_dynamodb::types::{CancellationReason, ParameterizedStatement};

use crate::dynamodb::items::{event_columns, event_version, new_event_columns, route_columns, route_version};
use crate::dynamodb::statements::{Statement, insert, update};
use crate::dynamodb::tables::{TableNames, unbuilt};
use crate::dynamodb::{DynamoLedger, EXECUTE_STATEMENT, failed, records};
use writerlink_core::ledger::change::{Change, EventWrite};
use writerlink_core::ledger::record::AuditRecord;
use writerlink_core::ledger::state::{ChainHead, EventEntry, RouteState};
use writerlink_core::model::ids::Hash;
use writerlink_engine::ports::{CallError, Commit, ErrorKind, Ledger as _};
use writerlink_engine::wire::record::canonical;

const EXECUTE_TRANSACTION: &str = "ExecuteTransaction";

/// Reasons of a cancellation that say nothing against the change itself (API reference of
/// `TransactionCanceledException`): another transaction was at the same items, or the table was busy.
const PASSING_REASONS: [&str; 4] =
    ["None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];

/// Why a request failed, as far as its reply says.
pub(super) struct Failed {
    error: CallError,
    /// A row stands where the record was to go. If the route's state stands too, it does not know that row.
    place_is_taken: bool,
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self { error, place_is_taken: false }
    }
}

/// A change with everything that follows from it.
pub(super) struct Intent<'a> {
    change: &'a Change,
    /// The route once the change is committed.
    pub(super) after: RouteState,
    record: Option<Written>,
}

/// A record in its place, as text.
struct Written {
    record: AuditRecord,
    canonical: String,
}

impl<'a> Intent<'a> {
    /// Puts the change's record in its place: behind the head of the state that the change was built on.
    pub(super) fn of(change: &'a Change) -> Self {
        let from = change.from();
        let mut chain = change.base();
        let record = change.entry().map(|entry| {
            let record = AuditRecord {
                route: from.route.clone(),
                seq: change.seq(),
                prev: chain.hash,
                entry: entry.clone(),
                changes: Some(change.changes()),
            };
            let canonical = canonical(&record);
            chain = ChainHead { seq: record.seq, hash: Hash::of(&canonical) };
            Written { record, canonical }
        });
        let after = RouteState { route: from.route.clone(), control: change.to().clone(), chain };
        Self { change, after, record }
    }

    fn route_update(&self, tables: &TableNames) -> Statement {
        update(&tables.state, route_columns(&self.after), route_version(self.change.from()))
    }

    fn event_writes(&self, tables: &TableNames) -> impl Iterator<Item = Statement> {
        let writes = self.change.event().into_iter().chain(self.change.restored());
        writes.map(|write| match write {
            EventWrite::Insert(entry) => insert(&tables.state, new_event_columns(entry)),
            EventWrite::Replace { from, to } => update(&tables.state, event_columns(to), event_version(from)),
        })
    }

    /// The record's statement is the last: see [`takes_the_place`].
    fn statements(&self, tables: &TableNames) -> Vec<Statement> {
        let mut statements = vec![self.route_update(tables)];
        statements.extend(self.event_writes(tables));
        statements.extend(self.record.as_ref().map(|written| {
            let columns = records::columns(&written.record, &written.canonical);
            insert(&tables.audit, columns)
        }));
        statements
    }

    /// Whether a request that is still on its way could take effect on what now stands.
    fn can_still_land(&self, state: &RouteState, event: Option<&EventEntry>) -> bool {
        let from = self.change.from();
        let route_stands = state.control.generation == from.control.generation
            && state.chain == from.chain
            && state.control.lease == from.control.lease;
        let event_stands = match self.change.event() {
            None => true,
            Some(EventWrite::Insert(_)) => event.is_none(),
            Some(EventWrite::Replace { from, .. }) => event.is_some_and(|event| {
                event.settled.is_none()
                    && event.transition == from.transition
                    && event.attempts == from.attempts
            }),
        };
        route_stands && event_stands
    }

    fn is_done(&self, state: &RouteState) -> bool {
        if self.record.is_some() { state.chain == self.after.chain } else { *state == self.after }
    }
}

impl DynamoLedger {
    /// Sends the change once (the SDK may send it again). An error says nothing about what was written.
    pub(super) async fn send(&self, intent: &Intent<'_>) -> Result<(), Failed> {
        let mut statements = intent.statements(&self.tables);
        match statements.pop() {
            Some(only) if statements.is_empty() => Ok(self.execute(only).await?),
            last => {
                statements.extend(last);
                self.transact(statements).await
            }
        }
    }

    async fn transact(&self, statements: Vec<Statement>) -> Result<(), Failed> {
        let statements: Vec<ParameterizedStatement> = statements
            .into_iter()
            .map(ParameterizedStatement::try_from)
            .collect::<Result<_, _>>()
            .map_err(|error| unbuilt(EXECUTE_TRANSACTION, &error))?;
        let transaction = self.client.execute_transaction().set_transact_statements(Some(statements));
        match transaction.send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let mut failed = Failed::from(failed(EXECUTE_TRANSACTION, &error));
                if let Some(reasons) = cancellation(&error) {
                    failed.error.kind = kind_of_cancellation(reasons);
                    failed.place_is_taken = takes_the_place(reasons);
                }
                Err(failed)
            }
        }
    }

    async fn execute(&self, statement: Statement) -> Result<(), CallError> {
        let execute = self
            .client
            .execute_statement()
            .statement(statement.text)
            .set_parameters(Some(statement.parameters));
        let reply = execute.send().await;
        reply.map(drop).map_err(|error| failed(EXECUTE_STATEMENT, &error))
    }

    /// Finds out what became of a change whose request ended in `error` (see the module's documentation).
    pub(super) async fn resolve(&self, intent: &Intent<'_>, failed: Failed) -> Result<Commit, CallError> {
        let Failed { error, place_is_taken } = failed;
        let Ok((state, event)) = self.standing(intent.change).await else {
            return Err(error);
        };
        if intent.is_done(&state) {
            return Ok(Commit::Done(state));
        }
        if intent.can_still_land(&state, event.as_ref()) {
            if place_is_taken {
                return Ok(Commit::PlaceTaken { state });
            }
            return Err(error);
        }
        if intent.record.is_some() && state.chain.seq > intent.after.chain.seq {
            let place = self.hash_at(&intent.after).await.map_err(|_| error)?;
            if place == Some(intent.after.chain.hash) {
                return Ok(Commit::Done(state));
            }
        }
        Ok(Commit::Refused { state, event })
    }

    async fn standing(&self, change: &Change) -> Result<(RouteState, Option<EventEntry>), CallError> {
        let event = match change.event() {
            Some(write) => self.event(&write.entry().key).await?,
            None => None,
        };
        // A row that was deleted is made anew: on none at all no later change could be written either.
        let state = self.load(&change.from().route).await?;
        Ok((state, event))
    }
}

fn cancellation(error: &SdkError<ExecuteTransactionError>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        ExecuteTransactionError::TransactionCanceledException(cancelled) => {
            Some(cancelled.cancellation_reasons())
        }
        _ => None,
    }
}

/// Whether a row stands in the place of the record, whose statement is the last one. AWS's word is `DuplicateItem`; ministack
/// calls the reason by the name of the exception, `DuplicateItemException`.
fn takes_the_place(reasons: &[CancellationReason]) -> bool {
    let last = reasons.last().and_then(CancellationReason::code);
    last.is_some_and(|code| code.starts_with("DuplicateItem"))
}

/// Used only when nothing was written and the change could still be: whether it is worth trying again. A
/// lasting reason then means a record that is too large.
fn kind_of_cancellation(reasons: &[CancellationReason]) -> ErrorKind {
    let passing = reasons.iter().all(|reason| PASSING_REASONS.contains(&reason.code().unwrap_or("None")));
    if passing { ErrorKind::Throttled } else { ErrorKind::Invalid }
}
