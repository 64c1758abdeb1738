//! What DynamoDB would charge for what a world's journal tells.
//!
//! Sizes and rounding are the DynamoDB developer guide's ("DynamoDB item sizes and formats", "DynamoDB Transactions: How it
//! works"): a transactional write takes two units for each KB of the item, a strongly consistent read one for each
//! 4 KB of all that a request reads. That an index takes one unit for each KB of what it repeats, transaction or not, is our
//! reading of the same guide; both indexes of the audit repeat the whole record.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use writerlink_sim::dynamodb::EmbeddedDynamo;
use writerlink_sim::faults::Effect;

const WRITE_UNIT_BYTES: u64 = 1024;
pub(crate) const READ_UNIT_BYTES: u64 = 4096;
const TRANSACTIONAL: u64 = 2;
const AUDIT_INDEXES: u64 = 2;

/// The records that the timer's verification of a chain reads (`engine/src/attempt/chain_check.rs`) of a route that has so many.
const CHAIN_READ: u64 = 50;

/// Request units.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Units {
    pub(crate) write: u64,
    pub(crate) read: u64,
}

/// How large the items of a ledger are.
pub(crate) struct Sizes {
    state: BTreeMap<String, u64>,
    audit: BTreeMap<String, u64>,
}

impl Sizes {
    /// As they are now. Those of `state` are rewritten by every change and hardly differ in size.
    pub(crate) async fn of(dynamo: &EmbeddedDynamo) -> Self {
        let state = items(dynamo, &dynamo.tables().state).await;
        let audit = items(dynamo, &dynamo.tables().audit).await;
        let text = |item: &Item, name: &str| match &item[name] {
            AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
            other => format!("{other:?}"),
        };
        let of_record = |item: &Item| format!("{}/{}", text(item, "route"), text(item, "seq"));
        Self {
            state: state.iter().map(|item| (text(item, "pk"), size(item))).collect(),
            audit: audit.iter().map(|item| (of_record(item), size(item))).collect(),
        }
    }

    /// The mean size of a record.
    pub(crate) fn record(&self) -> u64 {
        let count = u64::try_from(self.audit.len()).unwrap().max(1);
        self.audit.values().sum::<u64>() / count
    }

    /// The units of everything in a journal.
    pub(crate) fn units(&self, journal: &[Effect]) -> Units {
        let mut units = Units::default();
        for effect in journal {
            match effect.call {
                "ExecuteTransaction" | "ExecuteStatement" => {
                    let factor = if effect.call == "ExecuteTransaction" { TRANSACTIONAL } else { 1 };
                    units.write += effect.detail.split(", ").map(|s| self.written(s, factor)).sum::<u64>();
                }
                "GetItem" => {
                    let key = effect.detail.split(' ').nth(1).unwrap_or_default();
                    units.read += self.state.get(key).copied().unwrap_or(1).div_ceil(READ_UNIT_BYTES);
                }
                "Query" => units.read += (CHAIN_READ * self.record()).div_ceil(READ_UNIT_BYTES),
                _ => {}
            }
        }
        units
    }

    /// The journal tells a statement as verb, table and key.
    fn written(&self, statement: &str, factor: u64) -> u64 {
        let key = statement.split(' ').nth(2).unwrap_or_default();
        if let Some(bytes) = self.audit.get(key) {
            return bytes.div_ceil(WRITE_UNIT_BYTES) * (factor + AUDIT_INDEXES);
        }
        self.state.get(key).copied().unwrap_or(1).div_ceil(WRITE_UNIT_BYTES) * factor
    }
}

pub(crate) type Item = std::collections::HashMap<String, AttributeValue>;

pub(crate) async fn items(dynamo: &EmbeddedDynamo, table: &str) -> Vec<Item> {
    let client = dynamo.client_outside();
    let pages = client.scan().table_name(table).into_paginator().items().send();
    pages.collect::<Result<Vec<Item>, _>>().await.unwrap()
}

pub(crate) fn size(item: &Item) -> u64 {
    let bytes: usize = item.iter().map(|(name, value)| name.len() + value_size(value)).sum();
    u64::try_from(bytes).unwrap()
}

/// The ledger writes no other kinds.
fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        _ => 1,
    }
}
