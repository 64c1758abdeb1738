//! A table of the ledger, as it is.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, KeySchemaElement, KeyType, PointInTimeRecoveryStatus, TableDescription,
    TimeToLiveStatus,
};

use crate::error::{call_error, invalid};
use writerlink_engine::ports::installation::{DescribedTable, IndexFacts, Seen, Switch, TableFacts};

const DESCRIBE_TABLE: &str = "DescribeTable";
const DESCRIBE_BACKUPS: &str = "DescribeContinuousBackups";
const DESCRIBE_TTL: &str = "DescribeTimeToLive";

/// For the embedded world too, whose engine is asked the same way.
pub async fn look(client: &Client, name: &str) -> TableFacts {
    let (described, recovery, expiry) =
        tokio::join!(described(client, name), recovery(client, name), expiry(client, name));
    TableFacts { described, recovery, expiry }
}

async fn described(client: &Client, name: &str) -> Seen<DescribedTable> {
    let said = client.describe_table().table_name(name).send().await;
    let said = said.map_err(|error| call_error(DESCRIBE_TABLE, &error))?;
    let Some(table) = said.table() else {
        let message = format!("DynamoDB said nothing of the table {name}");
        return Err(invalid(DESCRIBE_TABLE, "NoTable", message).into());
    };
    let status = table.table_status().map(|status| status.as_str().to_owned());
    Ok(DescribedTable {
        status: status.unwrap_or_default(),
        keys: keys(table.key_schema(), table.attribute_definitions()),
        indexes: indexes(table),
        deletion_protection: table.deletion_protection_enabled().unwrap_or(false).into(),
        replicas: table
            .replicas()
            .iter()
            .map(|replica| replica.region_name().unwrap_or_default().to_owned())
            .collect(),
        consistency: table.multi_region_consistency().map(|consistency| consistency.as_str().to_owned()),
    })
}

fn indexes(table: &TableDescription) -> std::collections::BTreeMap<String, IndexFacts> {
    let attributes = table.attribute_definitions();
    let indexes = table.global_secondary_indexes().iter();
    let index = indexes.map(|index| {
        let projection = index.projection().and_then(|p| p.projection_type());
        let facts = IndexFacts {
            keys: keys(index.key_schema(), attributes),
            projection: projection.map_or(String::new(), |kind| kind.as_str().to_owned()),
        };
        (index.index_name().unwrap_or_default().to_owned(), facts)
    });
    index.collect()
}

/// Names and types, the hash first, however the service orders them.
fn keys(schema: &[KeySchemaElement], attributes: &[AttributeDefinition]) -> Vec<(String, String)> {
    let kind_of = |name: &str| {
        let mut named = attributes.iter().filter(|a| a.attribute_name() == name);
        named.next().map_or("", |a| a.attribute_type().as_str())
    };
    let mut keys: Vec<_> = schema.iter().collect();
    keys.sort_by_key(|key| *key.key_type() != KeyType::Hash);
    keys.into_iter()
        .map(KeySchemaElement::attribute_name)
        .map(|name| (name.to_owned(), kind_of(name).to_owned()))
        .collect()
}

async fn recovery(client: &Client, name: &str) -> Seen<Switch> {
    let said = client.describe_continuous_backups().table_name(name);
    let said = said.send().await;
    let said = said.map_err(|error| call_error(DESCRIBE_BACKUPS, &error))?;
    let recovery = said
        .continuous_backups_description()
        .and_then(|backups| backups.point_in_time_recovery_description())
        .and_then(|recovery| recovery.point_in_time_recovery_status());
    Ok(Switch::from(recovery == Some(&PointInTimeRecoveryStatus::Enabled)))
}

async fn expiry(client: &Client, name: &str) -> Seen<Option<String>> {
    let said = client.describe_time_to_live().table_name(name).send().await;
    let said = said.map_err(|error| call_error(DESCRIBE_TTL, &error))?;
    let Some(expiry) = said.time_to_live_description() else {
        return Ok(None);
    };
    let on =
        matches!(expiry.time_to_live_status(), Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
    Ok(on.then(|| expiry.attribute_name().unwrap_or_default().to_owned()))
}
