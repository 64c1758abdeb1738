//! The two tables, for a trial account, a stand-in or the embedded world. Production makes them with a template.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};

use crate::error::call_error;
use writerlink_engine::ports::{CallError, ErrorKind};
use writerlink_engine::schema::{AUDIT, Attribute, Keys, STATE, Table};

/// What the two tables are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableNames {
    /// Routes and events.
    pub state: String,
    /// The records.
    pub audit: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self { state: "writerlink-state".into(), audit: "writerlink-audit".into() }
    }
}

const CREATE: &str = "CreateTable";
const DESCRIBE: &str = "DescribeTable";

/// How long a new table may take to become ACTIVE; AWS takes some ten seconds.
const ACTIVE_WITHIN: Duration = Duration::from_mins(2);

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Creates what is missing of the two tables, and returns when both are ACTIVE. What exists is left alone,
/// so it can be called again after a failure in the middle.
///
/// # Errors
/// When a call fails, or a table is not ACTIVE in time.
pub async fn create_tables(client: &Client, names: &TableNames) -> Result<(), CallError> {
    if status(client, &names.state).await?.is_none() {
        create(table(client, &names.state, &STATE)).await?;
    }
    if status(client, &names.audit).await?.is_none() {
        create(table(client, &names.audit, &AUDIT)).await?;
    }
    for table in [&names.state, &names.audit] {
        wait_until_active(client, table).await?;
    }
    match STATE.expiry {
        Some(attribute) => expire_events(client, &names.state, attribute).await,
        None => Ok(()),
    }
}

fn table(client: &Client, name: &str, table: &Table) -> Result<CreateTableFluentBuilder, BuildError> {
    let indexed = table.indexes.iter().map(|(_, keys)| *keys);
    let attributes: BTreeSet<Attribute> =
        std::iter::once(table.keys).chain(indexed).flat_map(|keys| keys.attributes()).collect();
    let mut create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema(&table.keys)?));
    for (name, kind) in attributes {
        create = create.attribute_definitions(attribute(name, kind)?);
    }
    for (name, keys) in table.indexes {
        create = create.global_secondary_indexes(index(name, keys)?);
    }
    Ok(create)
}

fn attribute(name: &str, kind: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::from(kind))
        .build()
}

fn key_schema(keys: &Keys) -> Result<Vec<KeySchemaElement>, BuildError> {
    let element = |((name, _), kind): (Attribute, KeyType)| {
        let element = KeySchemaElement::builder().attribute_name(name);
        element.key_type(kind).build()
    };
    let kinds = [KeyType::Hash, KeyType::Range];
    keys.attributes().zip(kinds).map(element).collect()
}

fn index(name: &str, keys: &Keys) -> Result<GlobalSecondaryIndex, BuildError> {
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(key_schema(keys)?))
        .projection(all)
        .build()
}

async fn create(table: Result<CreateTableFluentBuilder, BuildError>) -> Result<(), CallError> {
    let table = table.map_err(|error| unbuilt(CREATE, &error))?;
    match table.send().await {
        Ok(_) => Ok(()),
        // Somebody else's setup was faster, or our own retry: the wait below is for both.
        Err(error)
            if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) =>
        {
            Ok(())
        }
        Err(error) => Err(call_error(CREATE, &error)),
    }
}

/// Whether a table is there, whatever its state.
///
/// # Errors
/// When the call fails.
pub async fn table_exists(client: &Client, table: &str) -> Result<bool, CallError> {
    status(client, table).await.map(|status| status.is_some())
}

async fn status(client: &Client, table: &str) -> Result<Option<TableStatus>, CallError> {
    match client.describe_table().table_name(table).send().await {
        Ok(reply) => Ok(reply.table.and_then(|table| table.table_status)),
        Err(error) => match call_error(DESCRIBE, &error) {
            missing if missing.kind == ErrorKind::Missing => Ok(None),
            failed => Err(failed),
        },
    }
}

async fn wait_until_active(client: &Client, table: &str) -> Result<(), CallError> {
    let looking = async {
        while status(client, table).await? != Some(TableStatus::Active) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    };
    let timely = tokio::time::timeout(ACTIVE_WITHIN, looking).await;
    timely.unwrap_or_else(|_| {
        Err(CallError::without_a_reply(
            DESCRIBE,
            ErrorKind::Unreachable,
            format!("table {table} is not ACTIVE after {} s", ACTIVE_WITHIN.as_secs()),
        ))
    })
}

async fn expire_events(client: &Client, table: &str, attribute: &str) -> Result<(), CallError> {
    let described = client.describe_time_to_live().table_name(table).send();
    let described = described.await.map_err(|error| call_error("DescribeTimeToLive", &error))?;
    let status = described.time_to_live_description.and_then(|ttl| ttl.time_to_live_status);
    // Enabling it twice is an error in DynamoDB.
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let ttl = TimeToLiveSpecification::builder()
        .attribute_name(attribute)
        .enabled(true)
        .build()
        .map_err(|error| unbuilt("UpdateTimeToLive", &error))?;
    let update = client.update_time_to_live().table_name(table).time_to_live_specification(ttl);
    let updated = update.send().await;
    updated.map(drop).map_err(|error| call_error("UpdateTimeToLive", &error))
}

/// A request that could not even be put together.
pub(crate) fn unbuilt(call: &'static str, error: &BuildError) -> CallError {
    CallError::without_a_reply(call, ErrorKind::Invalid, error.to_string())
}
