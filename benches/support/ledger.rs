//! The ledger seen from outside the world: counted, cut back, filled.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use writerlink_sim::dynamodb::EmbeddedDynamo;

use super::capacity::{Item, items};
use super::stage::Stage;

/// The most items of one `BatchWriteItem`.
const BATCH: usize = 25;

impl Stage {
    /// How many records there are.
    pub(crate) async fn records(&self) -> usize {
        let dynamo = &self.fleet.dynamo;
        items(dynamo, &dynamo.tables().audit).await.len()
    }

    /// Removes all but the newest `kept` records of each route, and every event's entry, as nobody could in AWS: what
    /// is measured with it is the worker, and not the engine that stands for DynamoDB. The world forgets its history too.
    pub(crate) async fn cut_back(&self, kept: u64) {
        self.fleet.world.forget_history();
        let dynamo = &self.fleet.dynamo;
        let client = dynamo.client_outside();
        let (state, audit) = (&dynamo.tables().state, &dynamo.tables().audit);
        let records = items(dynamo, audit).await;
        let mut newest: BTreeMap<String, u64> = BTreeMap::new();
        for record in &records {
            let last = newest.entry(text(record, "route")).or_default();
            *last = seq(record).max(*last);
        }
        let old = |record: &Item| seq(record) + kept <= newest[&text(record, "route")];
        let old: Vec<Item> = records.into_iter().filter(old).collect();
        remove(&client, audit, &old, &["route", "seq"]).await;
        let is_event = |item: &Item| text(item, "pk").starts_with("event#");
        let entries: Vec<Item> = items(dynamo, state).await.into_iter().filter(is_event).collect();
        remove(&client, state, &entries, &["pk"]).await;
    }
}

/// Copies a table's rows to another engine, as they are.
pub(crate) async fn copy(from: &EmbeddedDynamo, to: &Client, table: &str) {
    let put = |item: Item| {
        let put = PutRequest::builder().set_item(Some(item)).build();
        WriteRequest::builder().put_request(put.unwrap()).build()
    };
    let rows = items(from, table).await;
    for batch in rows.chunks(BATCH) {
        write(to, table, batch.iter().cloned().map(put).collect()).await;
    }
}

async fn write(client: &Client, table: &str, batch: Vec<WriteRequest>) {
    let write = client.batch_write_item().request_items(table, batch);
    let left = write.send().await.unwrap().unprocessed_items;
    assert!(left.unwrap_or_default().is_empty(), "a row was not taken");
}

async fn remove(client: &Client, table: &str, items: &[Item], key: &[&str]) {
    let delete = |item: &Item| {
        let key = key.iter().map(|name| ((*name).to_owned(), item[*name].clone()));
        let delete = DeleteRequest::builder().set_key(Some(key.collect())).build();
        WriteRequest::builder().delete_request(delete.unwrap()).build()
    };
    for batch in items.chunks(BATCH) {
        write(client, table, batch.iter().map(delete).collect()).await;
    }
}

fn text(item: &Item, name: &str) -> String {
    match &item[name] {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn seq(item: &Item) -> u64 {
    text(item, "seq").parse().unwrap()
}
