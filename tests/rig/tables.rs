//! What somebody with a key to the tables does to them: rows are put back, taken away, and written by hand.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::Rig;

/// An item of a table, as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

impl Rig {
    fn state_key(&self, route: usize) -> AttributeValue {
        AttributeValue::S(format!("route#{}", self.routes[route].name))
    }

    /// The state row of a route as it is now.
    pub(crate) async fn state_row(&self, route: usize) -> Item {
        let dynamo = &self.fleet.dynamo;
        let get = dynamo.client_outside().get_item();
        let get = get.table_name(&dynamo.tables().state).consistent_read(true);
        let reply = get.key("pk", self.state_key(route)).send().await.unwrap();
        reply.item.unwrap()
    }

    /// Writes a state row as it once was.
    pub(crate) async fn restore_state_row(&self, row: &Item) {
        let dynamo = &self.fleet.dynamo;
        let put = dynamo.client_outside().put_item();
        let put = put.table_name(&dynamo.tables().state);
        put.set_item(Some(row.clone())).send().await.unwrap();
    }

    /// Deletes the state row of a route.
    pub(crate) async fn delete_state_row(&self, route: usize) {
        let dynamo = &self.fleet.dynamo;
        let delete = dynamo.client_outside().delete_item();
        let delete = delete.table_name(&dynamo.tables().state);
        delete.key("pk", self.state_key(route)).send().await.unwrap();
    }

    fn audit_key(&self, route: usize, seq: u64) -> [(&'static str, AttributeValue); 2] {
        let name = self.routes[route].name.to_string();
        [("route", AttributeValue::S(name)), ("seq", AttributeValue::N(seq.to_string()))]
    }

    /// A row of the audit.
    pub(crate) async fn audit_row(&self, route: usize, seq: u64) -> Item {
        let dynamo = &self.fleet.dynamo;
        let mut get = dynamo.client_outside().get_item();
        get = get.table_name(&dynamo.tables().audit).consistent_read(true);
        for (name, value) in self.audit_key(route, seq) {
            get = get.key(name, value);
        }
        get.send().await.unwrap().item.unwrap()
    }

    /// Deletes a row of the audit.
    pub(crate) async fn delete_audit_row(&self, route: usize, seq: u64) {
        let dynamo = &self.fleet.dynamo;
        let mut delete = dynamo.client_outside().delete_item();
        delete = delete.table_name(&dynamo.tables().audit);
        for (name, value) in self.audit_key(route, seq) {
            delete = delete.key(name, value);
        }
        delete.send().await.unwrap();
    }

    /// Writes the copy of a row in another place of the chain, as whoever may insert could.
    pub(crate) async fn copy_audit_row(&self, route: usize, from: u64, to: u64) {
        let mut row = self.audit_row(route, from).await;
        let place = self.audit_key(route, to);
        row.extend(place.map(|(name, value)| (name.to_owned(), value)));
        self.put_audit_row(row).await;
    }

    /// Writes a row of the audit as it once was.
    pub(crate) async fn put_audit_row(&self, row: Item) {
        let dynamo = &self.fleet.dynamo;
        let put = dynamo.client_outside().put_item();
        let put = put.table_name(&dynamo.tables().audit);
        put.set_item(Some(row)).send().await.unwrap();
    }
}
