//! The ledger seen from outside the world: counted, cut back, filled.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::capacity::{Item, items};
use super::stage::Stage;

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
        for record in records {
            let route = text(&record, "route");
            if seq(&record) + kept <= newest[&route] {
                remove(&client, audit, &record, &["route", "seq"]).await;
            }
        }
        for item in items(dynamo, state).await {
            if text(&item, "pk").starts_with("event#") {
                remove(&client, state, &item, &["pk"]).await;
            }
        }
    }
}

async fn remove(client: &Client, table: &str, item: &Item, key: &[&str]) {
    let mut delete = client.delete_item().table_name(table);
    for name in key {
        delete = delete.key(*name, item[*name].clone());
    }
    delete.send().await.unwrap();
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
