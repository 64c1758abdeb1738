//! DynamoDB in this process: no second ledger, but the SDK's HTTP connector, answered by dynoxide.
//!
//! The ledger's own client serialises, retries and parses as it does against AWS; only the socket is missing, and
//! the signature, which nobody here would check. So the statements, their conditions and the handling of lost replies are under test in every
//! simulated crash. Every request is one [`Process::call`], with its fate decided at the wire: each retry of
//! the SDK is a call of its own.
//!
//! # Caveats
//! The engine answers inline. Under `spawn_blocking` tokio's paused clock would stand still.
//! A request takes no simulated time but what its fate says.

mod glance;
mod restore;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region, StalledStreamProtectionConfig};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use dynoxide::actions::batch_get_item::{BatchGetItemRequest, BatchGetItemResponse};
use dynoxide::actions::execute_statement::ExecuteStatementRequest;
use dynoxide::actions::execute_transaction::{
    ExecuteTransactionRequest, ExecuteTransactionResponse, ParameterizedStatement,
};
use dynoxide::actions::get_item::{GetItemRequest, GetItemResponse};
use dynoxide::actions::query::{QueryRequest, QueryResponse};
use dynoxide::{AttributeValue, Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::dynamodb::restore::{Backup, LedgerTable};
use crate::process::Process;
use writerlink_aws::dynamodb::{DynamoLedger, TableNames, create_tables};
use writerlink_core::model::time::{CALL_TIMEOUT, Timestamp};
use writerlink_engine::ports::{CallError, Clock as _, ErrorKind};

/// How often the SDK sends a request before it gives up, as in production.
const ATTEMPTS: u32 = 3;

/// Between two attempts. The SDK multiplies it by a random number that cannot be seeded without the SDK's test
/// features; zero times anything is zero, so a run repeats exactly. It is also the harder case: three
/// attempts in no time meet the same short trouble.
const BACKOFF: Duration = Duration::ZERO;

/// The error of a call that an engine cannot answer.
const NO_ENGINE: &str = "OpenDatabase";

/// One engine, shared by all processes of a world, with the tables of one ledger.
#[derive(Clone)]
pub struct EmbeddedDynamo {
    engine: Database,
    tables: TableNames,
    tokens: bool,
}

impl fmt::Debug for EmbeddedDynamo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedDynamo").field("tables", &self.tables).finish_non_exhaustive()
    }
}

impl EmbeddedDynamo {
    /// A fresh engine in memory, with its tables.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn memory() -> Result<Self, CallError> {
        Self::with_tables(Database::memory()).await
    }

    /// An engine on a file, which is created, tables and all, when it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened or is no database.
    pub async fn file(path: &str) -> Result<Self, CallError> {
        Self::with_tables(Database::new(path)).await
    }

    /// The tables are made by the code of `writerlink setup`, by nobody's process: no fault can meet it and
    /// no call is counted.
    async fn with_tables(opened: dynoxide::Result<Database>) -> Result<Self, CallError> {
        let engine = opened
            .map_err(|error| CallError::without_a_reply(NO_ENGINE, ErrorKind::Invalid, error.to_string()))?;
        let tables = TableNames::default();
        let dynamo = Self { engine, tables, tokens: true };
        create_tables(&dynamo.client_outside(), &dynamo.tables).await?;
        Ok(dynamo)
    }

    /// Without the `ClientRequestToken` of transactions, for long runs in which no reply is lost: the engine keeps each
    /// token for ten minutes of *real* time and looks through all of them at each transaction.
    #[must_use]
    pub fn without_tokens(self) -> Self {
        Self { tokens: false, ..self }
    }

    /// The tables' names.
    #[must_use]
    pub fn tables(&self) -> &TableNames {
        &self.tables
    }

    /// The client of a process: its calls meet the process's faults, and it reads the process's clock.
    #[must_use]
    pub fn client(&self, process: &Arc<Process>) -> Client {
        self.client_of(Some(Arc::clone(process)))
    }

    /// A client that stands outside the world, for whoever sets it up, inspects it or tampers with it.
    #[must_use]
    pub fn client_outside(&self) -> Client {
        self.client_of(None)
    }

    /// The ledger and audit of a process.
    #[must_use]
    pub fn ledger(&self, process: &Arc<Process>) -> DynamoLedger {
        DynamoLedger::new(self.client(process), self.tables.clone())
    }

    fn client_of(&self, process: Option<Arc<Process>>) -> Client {
        let time = ProcessTime(process.clone());
        let connector =
            SharedHttpConnector::new(Connector { engine: self.engine.clone(), tokens: self.tokens, process });
        // The SDK keeps one budget of retries per service and Region in a static, so what one simulated world
        // spends another would lack. A partition of our own, without limit, keeps worlds apart.
        let partition = RetryPartition::custom("embedded").token_bucket(TokenBucket::unlimited()).build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(BACKOFF)
            .with_max_backoff(BACKOFF);
        let timeouts = TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).build();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .endpoint_url("http://dynamodb.embedded")
            .allow_no_auth()
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(retries)
            .retry_partition(partition)
            .timeout_config(timeouts)
            // It watches throughput with timers of its own; replies here come whole.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .sleep_impl(TokioSleep::new())
            .time_source(time)
            .build();
        Client::from_conf(config)
    }
}

/// The wall clock of a process, jumps included, as the SDK reads it; outside the world it is always the epoch.
#[derive(Debug)]
struct ProcessTime(Option<Arc<Process>>);

impl TimeSource for ProcessTime {
    fn now(&self) -> SystemTime {
        let wall = self.0.as_ref().map_or(Timestamp::EPOCH, |process| process.clock.wall());
        let millis = u64::try_from(wall.as_millis()).unwrap_or(0);
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }
}

/// Stands where the SDK expects a socket.
struct Connector {
    engine: Database,
    tokens: bool,
    process: Option<Arc<Process>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let action = match Action::of(&request, self.tokens) {
            Ok(action) => action,
            Err(refused) => return HttpConnectorFuture::ready(refused.into_response()),
        };
        let engine = self.engine.clone();
        let Some(process) = self.process.clone() else {
            return HttpConnectorFuture::ready((action.run)(&engine).into_response());
        };
        HttpConnectorFuture::new(async move {
            let Action { name, detail, run } = action;
            let reply = process.call(name, detail, move || Ok(run(&engine))).await;
            match reply {
                Ok(reply) => reply.into_response(),
                Err(failed) => Reply::of(&failed)?.into_response(),
            }
        })
    }
}

/// A request, read and ready to run.
struct Action {
    name: &'static str,
    /// What it is about, for the journal.
    detail: String,
    run: Box<dyn FnOnce(&Database) -> Reply + Send>,
}

impl Action {
    /// What `X-Amz-Target` names, such as `DynamoDB_20120810.GetItem`.
    fn of(request: &HttpRequest, tokens: bool) -> Result<Self, Reply> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let name = target.rsplit_once('.').map_or(target, |(_, name)| name);
        let body = request.body().bytes().unwrap_or_default();
        match name {
            "GetItem" => Self::new("GetItem", body, get_words, get_item),
            "BatchGetItem" => Self::new("BatchGetItem", body, batch_words, batch_get_item),
            "Query" => Self::new("Query", body, query_words, query),
            "ExecuteStatement" => {
                Self::new("ExecuteStatement", body, one_statement_words, Database::execute_statement)
            }
            "ExecuteTransaction" => Self::new(
                "ExecuteTransaction",
                body,
                transaction_words,
                if tokens { Database::execute_transaction } else { transact_without_token },
            ),
            _ => Self::of_setup(name, body),
        }
    }

    /// What the ledger never calls: setting up, and tampering in tests.
    fn of_setup(name: &str, body: &[u8]) -> Result<Self, Reply> {
        match name {
            "CreateTable" => Self::new("CreateTable", body, no_words, Database::create_table),
            "DescribeTable" => Self::new("DescribeTable", body, no_words, Database::describe_table),
            "DeleteTable" => Self::new("DeleteTable", body, no_words, Database::delete_table),
            "UpdateTimeToLive" => {
                Self::new("UpdateTimeToLive", body, no_words, Database::update_time_to_live)
            }
            "DescribeTimeToLive" => {
                Self::new("DescribeTimeToLive", body, no_words, Database::describe_time_to_live)
            }
            "PutItem" => Self::new("PutItem", body, no_words, Database::put_item),
            "UpdateItem" => Self::new("UpdateItem", body, no_words, Database::update_item),
            "DeleteItem" => Self::new("DeleteItem", body, no_words, Database::delete_item),
            "BatchWriteItem" => Self::new("BatchWriteItem", body, no_words, Database::batch_write_item),
            "Scan" => Self::new("Scan", body, no_words, Database::scan),
            other => Err(Reply::refused("UnknownOperationException", &format!("{other} is not served here"))),
        }
    }

    fn new<I, O>(
        name: &'static str,
        body: &[u8],
        words: fn(&I) -> String,
        serve: fn(&Database, I) -> dynoxide::Result<O>,
    ) -> Result<Self, Reply>
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + 'static,
    {
        let input: I = serde_json::from_slice(body)
            .map_err(|error| Reply::refused("SerializationException", &error.to_string()))?;
        let detail = words(&input);
        let run = Box::new(move |engine: &Database| Reply::from(serve(engine, input)));
        Ok(Self { name, detail, run })
    }
}

/// A read that does not ask for consistency may miss any write, however recent (Developer Guide, "DynamoDB read
/// consistency"). Here it misses all of them, so that a caller that needs the newest state and does not ask for it
/// fails every time, and not now and then.
fn get_item(engine: &Database, get: GetItemRequest) -> dynoxide::Result<GetItemResponse> {
    if get.consistent_read == Some(true) {
        return engine.get_item(get);
    }
    Ok(GetItemResponse::default())
}

/// The same for the tables of a batch, each of which asks for itself.
fn batch_get_item(engine: &Database, mut get: BatchGetItemRequest) -> dynoxide::Result<BatchGetItemResponse> {
    get.request_items.retain(|_, table| table.consistent_read == Some(true));
    if get.request_items.is_empty() {
        return Ok(BatchGetItemResponse::default());
    }
    engine.batch_get_item(get)
}

/// The same for a Query of a table. An index has no consistent reads, and nobody asks for one.
fn query(engine: &Database, query: QueryRequest) -> dynoxide::Result<QueryResponse> {
    if query.index_name.is_some() || query.consistent_read == Some(true) {
        return engine.query(query);
    }
    Ok(QueryResponse::default())
}

fn transact_without_token(
    engine: &Database,
    transaction: ExecuteTransactionRequest,
) -> dynoxide::Result<ExecuteTransactionResponse> {
    engine.execute_transaction(ExecuteTransactionRequest { client_request_token: None, ..transaction })
}

fn no_words<I>(_: &I) -> String {
    String::new()
}

fn get_words(get: &GetItemRequest) -> String {
    let key: Vec<&str> = get.key.values().filter_map(scalar).collect();
    format!("{} {}", get.table_name, key.join("/"))
}

fn batch_words(get: &BatchGetItemRequest) -> String {
    let keys = get.request_items.values().map(|table| table.keys.len());
    format!("{} items", keys.sum::<usize>())
}

fn query_words(query: &QueryRequest) -> String {
    let index = query.index_name.as_deref().unwrap_or("its key");
    format!("{} by {index}", query.table_name)
}

fn one_statement_words(statement: &ExecuteStatementRequest) -> String {
    let parameters = statement.parameters.as_deref().unwrap_or_default();
    statement_words(&statement.statement, parameters)
}

fn transaction_words(transaction: &ExecuteTransactionRequest) -> String {
    let words = |statement: &ParameterizedStatement| {
        let parameters = statement.parameters.as_deref().unwrap_or_default();
        statement_words(&statement.statement, parameters)
    };
    let statements: Vec<String> = transaction.transact_statements.iter().map(words).collect();
    statements.join(", ")
}

/// The verb, the table, and the item: the key of the `state` table wherever it stands among the parameters,
/// else the first two, a record's route and seq.
fn statement_words(text: &str, parameters: &[AttributeValue]) -> String {
    let verb = text.split(' ').next().unwrap_or_default();
    let table = text.split('"').nth(1).unwrap_or_default();
    let values = || parameters.iter().filter_map(scalar);
    let is_key = |value: &&str| value.starts_with("route#") || value.starts_with("event#");
    let item = match values().find(is_key) {
        Some(key) => key.to_owned(),
        None => values().take(2).collect::<Vec<_>>().join("/"),
    };
    format!("{verb} {table} {item}")
}

fn scalar(value: &AttributeValue) -> Option<&str> {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => Some(text),
        _ => None,
    }
}

/// A reply as it goes over the wire.
struct Reply {
    status: u16,
    body: String,
}

impl Reply {
    fn refused(code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "__type": code, "message": message });
        Self { status: 400, body: body.to_string() }
    }

    /// What a fault looks like on the wire: an error of DynamoDB's own, or no reply at all.
    fn of(failed: &CallError) -> Result<Self, ConnectorError> {
        let code = match failed.kind {
            ErrorKind::Throttled => "com.amazon.coral.availability#ThrottlingException",
            ErrorKind::Denied => "com.amazon.coral.service#AccessDeniedException",
            ErrorKind::Missing => "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            ErrorKind::Invalid => "com.amazon.coral.validate#ValidationException",
            ErrorKind::Unreachable => return Err(ConnectorError::timeout(failed.clone().into())),
        };
        Ok(Self::refused(code, &failed.message))
    }

    fn into_response(self) -> Result<HttpResponse, ConnectorError> {
        let status =
            StatusCode::try_from(self.status).map_err(|error| ConnectorError::other(error.into(), None))?;
        let mut response = HttpResponse::new(status, SdkBody::from(self.body));
        let headers = response.headers_mut();
        headers.insert("content-type", "application/x-amz-json-1.0");
        Ok(response)
    }
}

impl<O: Serialize> From<dynoxide::Result<O>> for Reply {
    fn from(result: dynoxide::Result<O>) -> Self {
        let reply = result.and_then(|output| {
            serde_json::to_string(&output)
                .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
        });
        match reply {
            Ok(body) => Self { status: 200, body },
            Err(error) => Self { status: error.status_code(), body: error.to_json() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::types::AttributeValue as Sent;

    #[tokio::test(start_paused = true)]
    async fn a_read_that_does_not_ask_for_consistency_misses_every_write() {
        let dynamo = EmbeddedDynamo::memory().await.unwrap();
        let (client, table) = (dynamo.client_outside(), dynamo.tables().state.clone());
        let key = || Sent::S("route#orders".to_owned());
        let put = client.put_item().table_name(&table).item("pk", key());
        put.send().await.unwrap();
        for consistent in [false, true] {
            let get = client.get_item().table_name(&table).key("pk", key());
            let got = get.consistent_read(consistent).send().await.unwrap();
            assert_eq!(got.item.is_some(), consistent);
            let query = client.query().table_name(&table);
            let query = query.key_condition_expression("pk = :pk");
            let query = query.expression_attribute_values(":pk", key());
            let found = query.consistent_read(consistent).send().await.unwrap();
            assert_eq!(found.items().len(), usize::from(consistent));
        }
    }
}
