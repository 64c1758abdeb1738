//! The ledger on DynamoDB: routes and events in `state`, records in `audit`.
//!
//! | table | key | what |
//! |---|---|---|
//! | `state` | `pk` | `route#NAME`: generation, lease, desired target, chain head; `event#KEY`: the idempotency record |
//! | `audit` | `route`, `seq` | one record each; indexes `by-day` (`day`, `at_route_seq`) and `by-event` (`event_key`, `seq`) |
//! | `state` | `pk` | `relay#00` to `relay#15`: what relays report; written by their agents alone |
//!
//! The worker uses `GetItem`, `BatchGetItem`, `Query`, `ExecuteStatement` and `ExecuteTransaction`, so its role needs no `PutItem`, `UpdateItem`, `DeleteItem` or `BatchWriteItem` (see `statements`). The
//! one code serves AWS, a stand-in, and the engine of the embedded world.

pub mod audit;
mod commit;

pub mod items;
pub mod records;
mod relay;
pub(super) mod statements;
mod tables;

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use items::{FromItem, Item, MalformedItem, PK, event_pk, route_columns, route_pk};

use crate::error::call_error;
pub(super) use tables::unbuilt;
pub use tables::{TableNames, create_tables, table_exists};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::change::Change;
use writerlink_core::ledger::state::{EventEntry, RouteState};
use writerlink_core::model::names::RouteName;
use writerlink_engine::ports::{CallError, Commit, ErrorKind, Ledger, STATES_PER_READ};

const GET_ITEM: &str = "GetItem";
const BATCH_GET_ITEM: &str = "BatchGetItem";

const EXECUTE_STATEMENT: &str = "ExecuteStatement";

/// The ledger and its audit, on two tables.
#[derive(Clone, Debug)]
pub struct DynamoLedger {
    client: Client,
    tables: TableNames,
}

impl DynamoLedger {
    /// A ledger on existing tables.
    #[must_use]
    pub fn new(client: Client, tables: TableNames) -> Self {
        Self { client, tables }
    }

    async fn item(&self, pk: AttributeValue) -> Result<Option<Item>, CallError> {
        let get = self.client.get_item().table_name(&self.tables.state).key(PK, pk).consistent_read(true);
        let reply = get.send().await;
        reply.map(|reply| reply.item).map_err(|error| failed(GET_ITEM, &error))
    }

    async fn state(&self, route: &RouteName) -> Result<Option<RouteState>, CallError> {
        let item = self.item(route_pk(route)).await?;
        let state = item.as_ref().map(RouteState::from_item);
        state.transpose().map_err(|error| malformed(&error))
    }

    /// Makes the item of a route that was never seen. Losing the race for it is as good as winning.
    async fn create(&self, route: &RouteName) -> Result<(), CallError> {
        let mut columns = vec![(PK, route_pk(route))];
        columns.extend(route_columns(&RouteState::new(route.clone())));
        let statement = statements::insert(&self.tables.state, columns);
        let insert = self
            .client
            .execute_statement()
            .statement(statement.text)
            .set_parameters(Some(statement.parameters));
        match insert.send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let lost = error.as_service_error().is_some_and(|service| {
                    service.is_duplicate_item_exception() || service.is_conditional_check_failed_exception()
                });
                if lost { Ok(()) } else { Err(failed(EXECUTE_STATEMENT, &error)) }
            }
        }
    }
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn load(&self, route: &RouteName) -> Result<RouteState, CallError> {
        if let Some(state) = self.state(route).await? {
            return Ok(state);
        }
        self.create(route).await?;
        self.state(route).await?.ok_or_else(|| {
            CallError::without_a_reply(
                GET_ITEM,
                ErrorKind::Unreachable,
                format!("the item of route {route} was just written and is not there"),
            )
        })
    }

    async fn load_known(&self, routes: &[RouteName]) -> Result<Vec<RouteState>, CallError> {
        let mut keys = KeysAndAttributes::builder().consistent_read(true);
        for route in routes.iter().take(STATES_PER_READ) {
            keys = keys.keys(HashMap::from([(PK.to_owned(), route_pk(route))]));
        }
        let keys = keys.build().map_err(|error| invalid(BATCH_GET_ITEM, &error))?;
        let get = self.client.batch_get_item();
        let reply = get.request_items(&self.tables.state, keys).send().await;
        let reply = reply.map_err(|error| failed(BATCH_GET_ITEM, &error))?;
        let items = reply.responses.unwrap_or_default().into_values().flatten();
        // An item that cannot be read is told by the look that reads it alone.
        let states = items.filter_map(|item| RouteState::from_item(&item).ok());
        Ok(states.collect())
    }

    async fn peek(&self, route: &RouteName) -> Result<Option<RouteState>, CallError> {
        self.state(route).await
    }

    async fn event(&self, key: &EventKey) -> Result<Option<EventEntry>, CallError> {
        let item = self.item(event_pk(key)).await?;
        let entry = item.as_ref().map(EventEntry::from_item);
        entry.transpose().map_err(|error| malformed(&error))
    }

    async fn commit(&self, change: &Change) -> Result<Commit, CallError> {
        let intent = commit::Intent::of(change);
        match self.send(&intent).await {
            Ok(()) => Ok(Commit::Done(intent.after)),
            Err(error) => self.resolve(&intent, error).await,
        }
    }
}

/// The classified error of a call, with the remedy when the tables are not there.
fn failed<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let mut failed = call_error(call, error);
    if failed.kind == ErrorKind::Missing {
        failed.message.push_str("; `writerlink setup` creates the ledger's tables");
    }
    failed
}

fn invalid(call: &'static str, error: &BuildError) -> CallError {
    CallError::without_a_reply(call, ErrorKind::Invalid, error.to_string())
}

/// A row that cannot be read, as the port tells it.
#[must_use]
pub fn malformed(error: &MalformedItem) -> CallError {
    CallError::without_a_reply(GET_ITEM, ErrorKind::Invalid, error.to_string())
}
