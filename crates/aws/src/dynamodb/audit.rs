//! Reading the records: one Query a page, never a Scan.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::base64;

use crate::dynamodb::items::{Item, number, string};
use crate::dynamodb::records::{AT_ROUTE_SEQ, HASH, RECORD, ROUTE, SEQ, columns, day_place};
use crate::dynamodb::{DynamoLedger, failed};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Hash;
use writerlink_engine::ports::{
    AuditQuery, AuditReader, CallError, ErrorKind, NoRecords, Page, Row, StoredRecord, UnreadableRow,
};
use writerlink_engine::schema::{BY_DAY, BY_EVENT};
use writerlink_engine::wire::record::parse;

const QUERY: &str = "Query";

#[async_trait]
impl AuditReader for DynamoLedger {
    /// A page may be shorter than `limit`, and the last one empty: a Query cannot tell that nothing follows.
    /// Only the absence of [`Page::next`] means the end.
    async fn page(&self, query: &AuditQuery, limit: u32, cursor: Option<&str>) -> Result<Page, CallError> {
        let start = cursor.map(start_key).transpose()?;
        let Some(request) = self.request(query) else {
            return Ok(Page::default());
        };
        // DynamoDB's limit is a positive i32.
        let limit = i32::try_from(limit).unwrap_or(i32::MAX).max(1);
        let request = request.limit(limit).set_exclusive_start_key(start);
        let reply = request.send().await;
        let reply = reply.map_err(|error| failed(QUERY, &error))?;
        Ok(Page {
            rows: reply.items().iter().map(row).collect(),
            next: reply.last_evaluated_key().map(cursor_of),
        })
    }
}

impl DynamoLedger {
    /// The request of a query; none when its range is empty, which DynamoDB refuses as an error.
    fn request(&self, query: &AuditQuery) -> Option<QueryFluentBuilder> {
        let request = self.client.query().table_name(&self.tables.audit);
        Some(match query {
            AuditQuery::Chain { route, from_seq, to_seq } => {
                let to_seq = to_seq.unwrap_or(u64::MAX);
                if *from_seq > to_seq {
                    return None;
                }
                request
                    .key_condition_expression("#k = :k AND #s BETWEEN :from AND :to")
                    .expression_attribute_names("#k", ROUTE)
                    .expression_attribute_names("#s", SEQ)
                    .expression_attribute_values(":k", string(route))
                    .expression_attribute_values(":from", number(from_seq))
                    .expression_attribute_values(":to", number(to_seq))
                    .consistent_read(true)
            }
            AuditQuery::Newest { route } => {
                equal(request, ROUTE, string(route)).scan_index_forward(false).consistent_read(true)
            }
            // An index is read as it is: only a table can be read consistently.
            AuditQuery::Day { day } => {
                equal(request, "day", string(day)).index_name(BY_DAY).scan_index_forward(false)
            }
            AuditQuery::NewestFrom { route, seq } => request
                .key_condition_expression("#k = :k AND #s <= :from")
                .expression_attribute_names("#k", ROUTE)
                .expression_attribute_names("#s", SEQ)
                .expression_attribute_values(":k", string(route))
                .expression_attribute_values(":from", number(seq))
                .scan_index_forward(false)
                .consistent_read(true),
            AuditQuery::DayBefore { day, at, record } => request
                .index_name(BY_DAY)
                .key_condition_expression("#k = :k AND #s < :before")
                .expression_attribute_names("#k", "day")
                .expression_attribute_names("#s", AT_ROUTE_SEQ)
                .expression_attribute_values(":k", string(day))
                .expression_attribute_values(":before", string(day_place(*at, record.as_ref())))
                .scan_index_forward(false),
            AuditQuery::Event { key } => equal(request, "event_key", string(key)).index_name(BY_EVENT),
        })
    }

    /// The hash of the record at the head of `state`'s chain, if there is a record in that place.
    pub(super) async fn hash_at(&self, state: &RouteState) -> Result<Option<Hash>, NoRecords> {
        let seq = state.chain.seq;
        let query = AuditQuery::Chain { route: state.route.clone(), from_seq: seq, to_seq: Some(seq) };
        let records = self.page(&query, 1, None).await?.records()?;
        Ok(records.first().map(|record| record.hash))
    }
}

fn equal(request: QueryFluentBuilder, name: &str, value: AttributeValue) -> QueryFluentBuilder {
    request
        .key_condition_expression("#k = :k")
        .expression_attribute_names("#k", name)
        .expression_attribute_values(":k", value)
}

/// Reads a row, and compares every column with what the canonical text says it should be. A hash column that
/// is no hash reads as zeros, which no text has. A text that belongs to another place is no record in this one.
pub fn row(item: &Item) -> Row {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let route = text(ROUTE).map_or("?", String::as_str);
    let place = item.get(SEQ).and_then(|value| value.as_n().ok());
    let place = place.map_or("?", String::as_str);
    let unreadable =
        |why| UnreadableRow { route: route.to_owned(), seq: place.parse().unwrap_or_default(), why };
    let canonical = text(RECORD).cloned().unwrap_or_default();
    let record = parse(&canonical).map_err(|error| unreadable(error.to_string()))?;
    let (of, seq) = (record.route.as_str(), record.seq.to_string());
    if (of, seq.as_str()) != (route, place) {
        let why = format!("it stands in place {place}, its text is that of record {seq} of route {of}");
        return Err(unreadable(why));
    }
    let mut expected: BTreeMap<&str, AttributeValue> = columns(&record, &canonical).into_iter().collect();
    let mut altered: Vec<String> = Vec::new();
    for (name, value) in item {
        if expected.remove(name.as_str()).as_ref() != Some(value) {
            altered.push(name.clone());
        }
    }
    // What is left was taken away.
    altered.extend(expected.into_keys().map(str::to_owned));
    altered.sort_unstable();
    let hash = text(HASH).and_then(|text| Hash::parse(text));
    Ok(StoredRecord { record, canonical, hash: hash.unwrap_or_default(), altered })
}

/// A key of a table or an index, all strings and numbers, as text that says nothing to a person.
fn cursor_of(key: &Item) -> String {
    let key: BTreeMap<&str, (char, &str)> = key
        .iter()
        .filter_map(|(name, value)| {
            let value = match value {
                AttributeValue::S(text) => ('S', text.as_str()),
                AttributeValue::N(text) => ('N', text.as_str()),
                _ => return None,
            };
            Some((name.as_str(), value))
        })
        .collect();
    base64::encode(serde_json::to_string(&key).unwrap_or_default())
}

fn start_key(cursor: &str) -> Result<Item, CallError> {
    let read = || -> Option<BTreeMap<String, (char, String)>> {
        serde_json::from_slice(&base64::decode(cursor).ok()?).ok()
    };
    let key = read().ok_or_else(|| invalid(format!("{cursor:?} is no cursor of the audit")))?;
    let attribute = |(name, (kind, text))| match kind {
        'N' => (name, AttributeValue::N(text)),
        _ => (name, AttributeValue::S(text)),
    };
    Ok(key.into_iter().map(attribute).collect())
}

fn invalid(message: String) -> CallError {
    CallError::without_a_reply(QUERY, ErrorKind::Invalid, message)
}
