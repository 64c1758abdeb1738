//! Writes that are refused before they change anything, to learn whether the caller may write.
//!
//! IAM is asked before the condition, so who may not is told `AccessDeniedException`, and who may is told that the
//! condition does not hold. Nothing is written either way:
//!
//! | right | call | why nothing changes |
//! |---|---|---|
//! | `UpdateState`, `ChangeAudit` | one `ExecuteStatement`: UPDATE of an item that never is, with a generation (a hash) that none has | a PartiQL UPDATE changes no item that does not fit, and makes none |
//! | `InsertState`, `AppendAudit` | one `ExecuteTransaction`: an INSERT, beside an UPDATE as above | a transaction is done whole or not at all |
//!
//! Sources: DynamoDB developer guide, "PartiQL update statements for DynamoDB", "Performing transactions with PartiQL
//! for DynamoDB". A refused write still costs its write units, a few millionths of a dollar.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::execute_transaction::ExecuteTransactionError;
use aws_sdk_dynamodb::types::{AttributeValue, ParameterizedStatement};

use crate::dynamodb::statements::{Statement, insert, update};
use crate::dynamodb::{TableNames, unbuilt};
use crate::error::{call_error, invalid};
use writerlink_engine::ports::installation::{Right, Seen};
use writerlink_engine::ports::{CallError, ErrorKind};
use writerlink_engine::schema::PK;

const EXECUTE_STATEMENT: &str = "ExecuteStatement";
const EXECUTE_TRANSACTION: &str = "ExecuteTransaction";

/// The key of what never is: a route's begins with `route#`, an event's with `event#`.
const NEVER: &str = "check#never";

/// What no item has: a generation begins at 0 and grows.
const NO_GENERATION: &str = "-1";

/// A route that cannot be: its name has a character that no route's may have.
const NO_ROUTE: &str = "check#never";

/// How DynamoDB says that a condition does not hold, as an error and (without its end) as the reason of a cancelled
/// transaction. Engines spell the reason either way.
const NOT_HOLDING: &str = "ConditionalCheckFailed";

/// The same for what is not allowed.
const NOT_ALLOWED: &str = "AccessDenied";

/// Where the update stands in a transaction.
const THE_UPDATE: usize = 1;

/// Whether the caller has this right.
pub(super) async fn may(client: &Client, tables: &TableNames, right: Right) -> Seen<()> {
    match right {
        Right::UpdateState => alone(client, impossible_update(&tables.state)).await,
        Right::ChangeAudit => alone(client, impossible_change(&tables.audit)).await,
        Right::InsertState => {
            let columns = vec![(PK, AttributeValue::S(NEVER.to_owned() + "#insert"))];
            together(client, insert(&tables.state, columns), &tables.state).await
        }
        Right::AppendAudit => together(client, insert(&tables.audit, record_key()), &tables.state).await,
        // They are tried by being used: by the ledger's own reading side.
        Right::ReadState | Right::ReadAudit | Right::ReadAuditByDay | Right::ReadAuditByEvent => {
            let message = "a right to read is tried by reading".to_owned();
            Err(invalid(EXECUTE_STATEMENT, "NotTried", message).into())
        }
    }
}

fn impossible_update(table: &str) -> Statement {
    let generation = AttributeValue::N(NO_GENERATION.to_owned());
    let set = vec![("generation", generation.clone())];
    let when = vec![(PK, AttributeValue::S(NEVER.to_owned())), ("generation", generation)];
    update(table, set, when)
}

fn impossible_change(table: &str) -> Statement {
    let nothing = AttributeValue::S(NEVER.to_owned());
    let set = vec![("note", nothing.clone())];
    let mut when = record_key();
    when.push(("hash", nothing));
    update(table, set, when)
}

fn record_key() -> Vec<(&'static str, AttributeValue)> {
    vec![("route", AttributeValue::S(NO_ROUTE.to_owned())), ("seq", AttributeValue::N("0".to_owned()))]
}

async fn alone(client: &Client, statement: Statement) -> Seen<()> {
    let tried =
        client.execute_statement().statement(statement.text).set_parameters(Some(statement.parameters));
    let Err(error) = tried.send().await else {
        return Err(done(EXECUTE_STATEMENT).into());
    };
    let error = call_error(EXECUTE_STATEMENT, &error);
    if error.code.starts_with(NOT_HOLDING) {
        return Ok(());
    }
    Err(error.into())
}

/// An insert that is undone with the whole transaction, by an update that cannot be. The update is of the state
/// table, so who may not do that is told the same: there is no other way to hold back an INSERT.
async fn together(client: &Client, insert: Statement, state: &str) -> Seen<()> {
    let statements = [insert, impossible_update(state)]
        .into_iter()
        .map(ParameterizedStatement::try_from)
        .collect::<Result<_, _>>()
        .map_err(|error| unbuilt(EXECUTE_TRANSACTION, &error))?;
    let tried = client.execute_transaction().set_transact_statements(Some(statements));
    let Err(refusal) = tried.send().await else {
        return Err(done(EXECUTE_TRANSACTION).into());
    };
    let error = call_error(EXECUTE_TRANSACTION, &refusal);
    let Some(ExecuteTransactionError::TransactionCanceledException(cancelled)) = refusal.as_service_error()
    else {
        return Err(error.into());
    };
    let reasons = cancelled.cancellation_reasons().iter();
    let codes: Vec<&str> = reasons.map(|why| why.code().unwrap_or_default()).collect();
    if codes.iter().any(|code| code.starts_with(NOT_ALLOWED)) {
        let kind = ErrorKind::Denied;
        return Err(CallError { kind, ..error }.into());
    }
    // Cancelled for another reason (another transaction in the way, its rate), it says nothing of the right.
    match codes.get(THE_UPDATE) {
        Some(code) if code.starts_with(NOT_HOLDING) => Ok(()),
        Some(_) | None => Err(error.into()),
    }
}

/// What cannot be: an engine that does not know conditions.
fn done(call: &'static str) -> CallError {
    invalid(
        call,
        "ConditionIgnored",
        "a write was done whose condition cannot hold: this is no DynamoDB".to_owned(),
    )
}
