//! What the engine holds, read by its own hand: no client, no call, no fault.
//!
//! For a checker that looks after every effect: by way of the SDK its reads cost more than the work they check.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue as Sent;
use dynoxide::AttributeValue as Held;
use dynoxide::actions::get_item::GetItemRequest;

use crate::dynamodb::EmbeddedDynamo;
use writerlink_aws::dynamodb::items::{FromItem, Item, PK, event_pk, route_pk};
use writerlink_aws::dynamodb::{audit, malformed, records};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::state::{EventEntry, RouteState};
use writerlink_core::model::names::RouteName;
use writerlink_engine::ports::{CallError, ErrorKind, Row};

impl EmbeddedDynamo {
    /// A route as it stands, if it was ever seen.
    ///
    /// # Errors
    /// When the engine refuses, or holds what the ledger never writes.
    pub fn glance_at_route(&self, route: &RouteName) -> Result<Option<RouteState>, CallError> {
        let key = [(PK, route_pk(route))];
        let item = self.glance(&self.tables.state, key)?;
        let state = item.as_ref().map(RouteState::from_item);
        state.transpose().map_err(|error| malformed(&error))
    }

    /// What is known of an event.
    ///
    /// # Errors
    /// As [`EmbeddedDynamo::glance_at_route`].
    pub fn glance_at_event(&self, key: &EventKey) -> Result<Option<EventEntry>, CallError> {
        let item = self.glance(&self.tables.state, [(PK, event_pk(key))])?;
        let entry = item.as_ref().map(EventEntry::from_item);
        entry.transpose().map_err(|error| malformed(&error))
    }

    /// The row in a place of a route's chain.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn glance_at_record(&self, route: &RouteName, seq: u64) -> Result<Option<Row>, CallError> {
        let item = self.glance(&self.tables.audit, records::key(route, seq))?;
        Ok(item.as_ref().map(audit::row))
    }

    fn glance<const N: usize>(&self, table: &str, key: [(&str, Sent); N]) -> Result<Option<Item>, CallError> {
        let key = key.into_iter().filter_map(|(name, value)| Some((name.to_owned(), held(value)?))).collect();
        let request = GetItemRequest { table_name: table.to_owned(), key, ..GetItemRequest::default() };
        let reply = self.engine.get_item(request);
        let reply = reply.map_err(|error| unreadable(error.to_string()))?;
        reply.item.map(sent).transpose()
    }
}

pub(super) fn held(value: Sent) -> Option<Held> {
    match value {
        Sent::S(text) => Some(Held::S(text)),
        Sent::N(text) => Some(Held::N(text)),
        _ => None,
    }
}

/// An item as the SDK would hand it over.
fn sent(item: HashMap<String, Held>) -> Result<Item, CallError> {
    let attribute = |(name, value)| {
        let value = match value {
            Held::S(text) => Sent::S(text),
            Held::N(text) => Sent::N(text),
            Held::NULL(null) => Sent::Null(null),
            other => return Err(unreadable(format!("attribute {name} is {other:?}"))),
        };
        Ok((name, value))
    };
    item.into_iter().map(attribute).collect()
}

fn unreadable(message: String) -> CallError {
    CallError::without_a_reply("GetItem", ErrorKind::Invalid, message)
}
