//! The reports of relays: items `relay#00` to `relay#15` of the `state` table.
//!
//! A relay takes a place of its own by a condition, so that all reports can be read in one request, without a Scan. A
//! report of R routes has about 150 x R bytes: one write unit for each KiB of it, every 30 s and at each change.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use crate::dynamodb::items::{Item, string};
use crate::dynamodb::{BATCH_GET_ITEM, DynamoLedger, PK, failed, invalid};
use writerlink_core::actuation::relay::{RELAYS_MAX, RelayName, RelayReport};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::{CallError, ErrorKind, RelayReports, Relays};
use writerlink_engine::wire::relay;

const PUT_ITEM: &str = "PutItem";

const RELAY: &str = "relay";
const AT: &str = "at";
const ASKED_AT: &str = "asked_at";
const ROUTES: &str = "routes";

/// After this long without a report a place is anybody's: its relay is gone, or would be unknown by now anyway.
const PLACE_KEPT: Duration = Duration::from_mins(10);

fn pk(place: u8) -> AttributeValue {
    AttributeValue::S(format!("relay#{place:02}"))
}

/// The place that a relay tries first: relays with different names seldom meet.
fn first_place(name: &RelayName) -> u8 {
    let sum = name.as_str().bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    sum % RELAYS_MAX
}

fn report_of(item: &Item) -> Option<RelayReport> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    Some(RelayReport {
        relay: RelayName::new(text(RELAY)?).ok()?,
        at: Timestamp::parse(text(AT)?)?,
        asked_at: match item.get(ASKED_AT)? {
            AttributeValue::S(at) => Some(Timestamp::parse(at)?),
            _ => None,
        },
        routes: relay::read(text(ROUTES)?)?,
    })
}

#[async_trait]
impl Relays for DynamoLedger {
    async fn reports(&self) -> Result<Vec<RelayReport>, CallError> {
        let mut keys = KeysAndAttributes::builder().consistent_read(true);
        for place in 0..RELAYS_MAX {
            keys = keys.keys(HashMap::from([(PK.to_owned(), pk(place))]));
        }
        let keys = keys.build().map_err(|error| invalid(BATCH_GET_ITEM, &error))?;
        let get = self.client.batch_get_item().request_items(&self.tables.state, keys);
        let reply = get.send().await.map_err(|error| failed(BATCH_GET_ITEM, &error))?;
        if reply.unprocessed_keys().is_some_and(|left| !left.is_empty()) {
            let note = "DynamoDB left out some of the relays' reports";
            return Err(CallError::without_a_reply(BATCH_GET_ITEM, ErrorKind::Throttled, note));
        }
        let items = reply.responses.unwrap_or_default().into_values().flatten();
        let read = |item: Item| {
            report_of(&item).ok_or_else(|| {
                let note = format!("the report {:?} is not one that this version writes", item.get(PK));
                CallError::without_a_reply(BATCH_GET_ITEM, ErrorKind::Invalid, note)
            })
        };
        items.map(read).collect()
    }
}

#[async_trait]
impl RelayReports for DynamoLedger {
    async fn report(&self, report: &RelayReport) -> Result<(), CallError> {
        let first = first_place(&report.relay);
        // Its own place before any free one: else a relay that restarts would take a second.
        for own_alone in [true, false] {
            for n in 0..RELAYS_MAX {
                if self.put((first + n) % RELAYS_MAX, report, own_alone).await? {
                    return Ok(());
                }
                // A relay takes the first free place after its own, so nothing of it lies behind a place that nobody took.
            }
        }
        let note = format!("all {RELAYS_MAX} places for reports are taken; stop relays that are not needed");
        Err(CallError::without_a_reply(PUT_ITEM, ErrorKind::Invalid, note))
    }
}

impl DynamoLedger {
    /// Writes a report in one place, if that is the relay's own or may be taken; whether it was written.
    async fn put(&self, place: u8, report: &RelayReport, own_alone: bool) -> Result<bool, CallError> {
        let asked_at = report.asked_at.map_or(AttributeValue::Null(true), string);
        let put = self.client.put_item().table_name(&self.tables.state);
        let put = put.item(PK, pk(place)).item(RELAY, string(&report.relay)).item(AT, string(report.at));
        let put = put.item(ASKED_AT, asked_at).item(ROUTES, AttributeValue::S(relay::text(&report.routes)));
        let put = put.expression_attribute_names("#relay", RELAY);
        let put = put.expression_attribute_values(":me", string(&report.relay));
        let put = if own_alone {
            put.condition_expression("#relay = :me")
        } else {
            let old = Timestamp::from_millis(
                report.at.as_millis() - i64::try_from(PLACE_KEPT.as_millis()).unwrap_or(0),
            );
            put.condition_expression("attribute_not_exists(pk) OR #relay = :me OR #at < :old")
                .expression_attribute_names("#at", AT)
                .expression_attribute_values(":old", string(old))
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed(PUT_ITEM, &error)),
        }
    }
}
