//! The keys of the ledger's two tables: what `setup` makes and what `check` looks for.

/// An attribute of a key, and DynamoDB's letter for its type.
pub type Attribute = (&'static str, &'static str);

/// A table's, or an index's, keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What items are spread by.
    pub hash: Attribute,
    /// What items of one hash are ordered by.
    pub range: Option<Attribute>,
}

impl Keys {
    /// Both, the hash first.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> + use<> {
        std::iter::once(self.hash).chain(self.range)
    }
}

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its keys.
    pub keys: Keys,
    /// Its indexes, each of which holds whole records.
    pub indexes: &'static [(&'static str, Keys)],
    /// The attribute by which DynamoDB may delete items: housekeeping, never a lock.
    pub expiry: Option<&'static str>,
}

/// The key of the table of routes and events.
pub const PK: &str = "pk";

/// The audit's index by day.
pub const BY_DAY: &str = "by-day";

/// The audit's index by event.
pub const BY_EVENT: &str = "by-event";

/// Routes and events.
pub const STATE: Table =
    Table { keys: Keys { hash: (PK, "S"), range: None }, indexes: &[], expiry: Some("expires_at") };

/// The records, which nothing deletes.
pub const AUDIT: Table = Table {
    keys: Keys { hash: ("route", "S"), range: Some(("seq", "N")) },
    indexes: &[
        (BY_DAY, Keys { hash: ("day", "S"), range: Some(("at_route_seq", "S")) }),
        (BY_EVENT, Keys { hash: ("event_key", "S"), range: Some(("seq", "N")) }),
    ],
    expiry: None,
};
