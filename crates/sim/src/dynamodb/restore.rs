//! A table restored to an earlier point, rows deleted, rows that somebody else wrote: what happens to a ledger by
//! other hands than its workers'.
//!
//! None of it is a call of a process: no fault meets it, and no watcher is told.

use std::collections::HashMap;

use dynoxide::AttributeValue as Held;
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::put_item::PutItemRequest;
use dynoxide::actions::scan::ScanRequest;

use crate::dynamodb::EmbeddedDynamo;
use writerlink_aws::dynamodb::{items, records};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::model::names::RouteName;
use writerlink_engine::ports::{CallError, ErrorKind};
use writerlink_engine::schema::{AUDIT, STATE, Table};

type Row = HashMap<String, Held>;

/// One of the ledger's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerTable {
    /// Routes and events.
    State,
    /// The records.
    Audit,
}

/// A table as it stood at some time.
#[derive(Clone, Debug)]
pub struct Backup {
    table: LedgerTable,
    rows: Vec<Row>,
}

impl EmbeddedDynamo {
    /// Everything that a table holds now.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn backup(&self, table: LedgerTable) -> Result<Backup, CallError> {
        Ok(Backup { table, rows: self.rows(table)? })
    }

    /// Makes the backup's table hold what it held then, and nothing else.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn restore(&self, backup: &Backup) -> Result<(), CallError> {
        self.empty(backup.table)?;
        for row in &backup.rows {
            self.put(backup.table, row.clone())?;
        }
        Ok(())
    }

    /// Makes a route's row of the `state` table what it was then; it is deleted if the route had none.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn restore_route(&self, backup: &Backup, route: &RouteName) -> Result<(), CallError> {
        self.delete_route(route)?;
        let key = crate::dynamodb::glance::held(items::route_pk(route));
        let mut rows = backup.rows.iter();
        match rows.find(|row| row.get(items::PK) == key.as_ref()) {
            Some(row) => self.put(LedgerTable::State, row.clone()),
            None => Ok(()),
        }
    }

    /// Deletes every row of a table.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn empty(&self, table: LedgerTable) -> Result<(), CallError> {
        let keys: Vec<&str> = schema(table).keys.attributes().map(|(name, _)| name).collect();
        for mut row in self.rows(table)? {
            row.retain(|name, _| keys.contains(&name.as_str()));
            self.delete(table, row)?;
        }
        Ok(())
    }

    /// Deletes a route's row of the `state` table.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn delete_route(&self, route: &RouteName) -> Result<(), CallError> {
        self.delete_state(items::route_pk(route))
    }

    /// Deletes an event's row of the `state` table.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn delete_event(&self, key: &EventKey) -> Result<(), CallError> {
        self.delete_state(items::event_pk(key))
    }

    /// Puts a row into a place of a route's chain that no worker wrote; its text is this.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn put_foreign_row(&self, route: &RouteName, seq: u64, text: &str) -> Result<(), CallError> {
        let key = records::key(route, seq).into_iter();
        let key =
            key.filter_map(|(name, value)| Some((name.to_owned(), crate::dynamodb::glance::held(value)?)));
        let mut row: Row = key.collect();
        row.insert("record".to_owned(), Held::S(text.to_owned()));
        self.put(LedgerTable::Audit, row)
    }

    fn delete_state(&self, key: aws_sdk_dynamodb::types::AttributeValue) -> Result<(), CallError> {
        let key = crate::dynamodb::glance::held(key).map(|key| (items::PK.to_owned(), key));
        self.delete(LedgerTable::State, key.into_iter().collect())
    }

    fn rows(&self, table: LedgerTable) -> Result<Vec<Row>, CallError> {
        let mut rows = Vec::new();
        let mut from = None;
        loop {
            let page = self.engine.scan(ScanRequest {
                table_name: self.name(table),
                exclusive_start_key: from.take(),
                ..ScanRequest::default()
            });
            let page = page.map_err(|error| refused("Scan", &error.to_string()))?;
            rows.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(rows);
            }
        }
    }

    fn put(&self, table: LedgerTable, item: Row) -> Result<(), CallError> {
        let put = self.engine.put_item(PutItemRequest {
            table_name: self.name(table),
            item,
            ..PutItemRequest::default()
        });
        put.map(drop).map_err(|error| refused("PutItem", &error.to_string()))
    }

    fn delete(&self, table: LedgerTable, key: Row) -> Result<(), CallError> {
        let delete = self.engine.delete_item(DeleteItemRequest {
            table_name: self.name(table),
            key,
            ..DeleteItemRequest::default()
        });
        delete.map(drop).map_err(|error| refused("DeleteItem", &error.to_string()))
    }

    fn name(&self, table: LedgerTable) -> String {
        match table {
            LedgerTable::State => self.tables.state.clone(),
            LedgerTable::Audit => self.tables.audit.clone(),
        }
    }
}

fn schema(table: LedgerTable) -> Table {
    match table {
        LedgerTable::State => STATE,
        LedgerTable::Audit => AUDIT,
    }
}

fn refused(call: &'static str, why: &str) -> CallError {
    CallError::without_a_reply(call, ErrorKind::Invalid, why)
}
