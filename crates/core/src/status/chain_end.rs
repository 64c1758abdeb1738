//! Whether the newest row of a route's audit is the record that the route's state calls its head.
//!
//! One transaction writes both. They differ only after a person restored or deleted one of the two tables, or wrote a
//! row by hand.

use crate::ledger::chain::BrokenChain;
use crate::ledger::state::ChainHead;
use crate::model::ids::Hash;
use crate::model::names::RouteName;
use crate::status::health::{Assessment, RouteHealth};

/// A row at the end of an audit chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndRow {
    /// Its place in the chain.
    pub seq: u64,
    /// How it is linked; absent if the row is no record, or not as it was written.
    pub link: Option<Link>,
}

/// The rows at the end of an audit chain, as far as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndRows {
    /// The newest first.
    pub newest_first: Vec<EndRow>,
    /// Whether there are older rows that were not read.
    pub more: bool,
}

impl EndRows {
    /// The newest row, if there is one.
    #[must_use]
    pub fn newest(&self) -> Option<EndRow> {
        self.newest_first.first().copied()
    }

    /// Whether every row after `seq` was read.
    fn covers(&self, seq: u64) -> bool {
        let oldest = self.newest_first.last();
        !self.more || oldest.is_some_and(|row| row.seq <= seq.saturating_add(1))
    }
}

/// What links a record to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The hash that it gives for the record before it.
    pub prev: Hash,
    /// The hash of its own text.
    pub hash: Hash,
}

/// Whether the rows after the head follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// Each of them follows the one before it.
    Follows,
    /// This one does not.
    BreaksAt(u64),
    /// There are more of them than were read.
    NotRead,
}

/// The newest row of a route's audit, compared with the head in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ChainEnd {
    /// They are the same record, or there is neither.
    Matches,
    /// Rows stand after the head: the state was restored to an earlier point or deleted, or rows were written by hand.
    #[strum(serialize = "records_beyond_head")]
    RowsBeyond {
        /// The head's number; absent if the route has no state.
        head: Option<u64>,
        /// The newest row's number.
        newest: u64,
        /// Whether the rows follow the head.
        rows: Continuation,
    },
    /// The newest row stands before the head: the audit was restored to an earlier point, or rows were deleted.
    #[strum(serialize = "records_missing")]
    RowsMissing {
        /// The head's number.
        head: u64,
        /// The newest row's number; 0 if there is no row.
        newest: u64,
    },
    /// The row in the head's place is another record.
    OtherRecord {
        /// Its number.
        seq: u64,
    },
}

impl ChainEnd {
    /// Compares the newest rows with the head of the route's state (`None` if it has no state).
    #[must_use]
    pub fn of(state: Option<ChainHead>, rows: &EndRows) -> Self {
        let head = state.unwrap_or_default();
        let newest = rows.newest().map_or(0, |row| row.seq);
        if newest > head.seq {
            return Self::RowsBeyond {
                head: state.map(|head| head.seq),
                newest,
                rows: continuation(head, rows),
            };
        }
        if newest < head.seq {
            return Self::RowsMissing { head: head.seq, newest };
        }
        let is_head = |row: EndRow| row.link.is_some_and(|link| link.hash == head.hash);
        if rows.newest().is_none_or(is_head) { Self::Matches } else { Self::OtherRecord { seq: newest } }
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn matches(&self) -> bool {
        *self == Self::Matches
    }

    /// The fault of a state that ends before its records.
    #[must_use]
    pub fn behind(&self) -> Option<BrokenChain> {
        match self {
            Self::RowsBeyond { head, newest, .. } => {
                Some(BrokenChain::Beyond { expected: head.unwrap_or(0), found: *newest })
            }
            Self::Matches | Self::RowsMissing { .. } | Self::OtherRecord { .. } => None,
        }
    }

    /// The name that programs read.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.into()
    }

    /// What differs and the likely cause; nothing if they match.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        Some(match self {
            Self::Matches => return None,
            Self::RowsBeyond { head, newest, rows } => {
                let state = match head {
                    Some(head) => {
                        format!("the audit has records up to {newest}, the route's state ends at {head}")
                    }
                    None => format!(
                        "the audit has records up to {newest}, and the route has no state: it was deleted"
                    ),
                };
                match rows {
                    Continuation::Follows if head.is_none() => state,
                    Continuation::Follows => {
                        format!("{state}: the state was restored to an earlier point")
                    }
                    Continuation::BreaksAt(seq) => format!(
                        "{state}, and record {seq} does not continue the one before it: nothing can be recorded, so \
                         the route does not move"
                    ),
                    Continuation::NotRead => {
                        format!("{state}; these are too many records to read here")
                    }
                }
            }
            Self::RowsMissing { head, newest } => format!(
                "the route's state ends at record {head}, the audit has records up to {newest}: the audit was restored \
                 to an earlier point, or records were deleted"
            ),
            Self::OtherRecord { seq } => format!(
                "record {seq} is not the one that the route's state ends with (its hash differs): a person replaced \
                 it, or restored one of the two tables"
            ),
        })
    }

    /// What a person has to do about it; nothing if they match.
    #[must_use]
    pub fn remedy(&self, route: &RouteName) -> Option<String> {
        let adopt = format!("`writerlink adopt {route} --reason TEXT`");
        Some(match self {
            Self::Matches => return None,
            Self::RowsBeyond { rows, .. } => match rows {
                Continuation::Follows => {
                    "nothing: the worker continues after the newest record by itself".to_owned()
                }
                Continuation::BreaksAt(seq) => format!(
                    "read the record (`writerlink audit show {route}/{seq}`); {adopt} lets the route go on after it"
                ),
                Continuation::NotRead => format!(
                    "`writerlink audit verify {route}` reads all of them; if it finds one that does not continue the \
                     chain, {adopt} lets the route go on"
                ),
            },
            Self::RowsMissing { .. } | Self::OtherRecord { .. } => format!(
                "compare with a backup of the audit; {adopt} records the difference and lets the route go on"
            ),
        })
    }

    /// The assessment of a route whose chain ends like this; nothing if they match (I9).
    #[must_use]
    pub fn assessment(&self, route: &RouteName) -> Option<Assessment> {
        let health = match self {
            Self::RowsBeyond { rows: Continuation::BreaksAt(_), .. } => RouteHealth::OutOfSync,
            Self::Matches | Self::RowsBeyond { .. } | Self::RowsMissing { .. } | Self::OtherRecord { .. } => {
                RouteHealth::Unknown
            }
        };
        let (difference, remedy) = (self.difference()?, self.remedy(route)?);
        Some(Assessment::new(health, format!("{difference}; to do: {remedy}")))
    }
}

/// Whether the rows after the head follow it.
fn continuation(head: ChainHead, rows: &EndRows) -> Continuation {
    if !rows.covers(head.seq) {
        return Continuation::NotRead;
    }
    let mut at = head;
    let oldest_first = rows.newest_first.iter().rev();
    for row in oldest_first.filter(|row| row.seq > head.seq) {
        let is_next = row.seq == at.seq.saturating_add(1);
        match row.link {
            Some(link) if is_next && link.prev == at.hash => {
                at = ChainHead { seq: row.seq, hash: link.hash };
            }
            Some(_) | None => return Continuation::BreaksAt(row.seq),
        }
    }
    Continuation::Follows
}
