//! What keeps sources from seeing: how late they notice, and what a test breaks on purpose.

use std::ops::Range;
use std::time::Duration;

use crate::databases::sql::SqlFault;
use crate::faults::unreachable;
use writerlink_engine::ports::{CallError, ErrorKind};

/// A look-up of a name.
pub(crate) const RESOLVE: &str = "ResolveName";

/// How long after a change its sources notice, in milliseconds, drawn anew for each change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lags {
    /// For how long RDS's API shows what was before, or that something is under way.
    pub api_ms: Range<u64>,
    /// For how long a name gives the old address or the new one, at each look-up anew.
    pub names_ms: Range<u64>,
}

impl Lags {
    /// Everyone notices at once.
    pub const NONE: Self = Self { api_ms: 0..0, names_ms: 0..0 };
}

impl Default for Lags {
    /// A cluster's endpoint was seen to flap for 20 to 30 s after a failover. Of the API AWS says nothing.
    fn default() -> Self {
        Self { api_ms: 0..20_000, names_ms: 20_000..30_000 }
    }
}

/// What is wrong with RDS's API, as far as one database is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// It shows this status, such as `modifying`, and not `available`.
    Status(&'static str),
    /// It lists the members and calls none of them the writer.
    NoWriter,
    /// It still shows what was before the last change.
    Stale,
    /// It does not know the database.
    NotFound,
    /// It does not answer.
    NoAnswer,
}

/// What is wrong with the names of one database's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// NXDOMAIN: there is no such name.
    NoSuchName,
    /// NOERROR, and no address.
    Empty,
    /// Still what was before the last change.
    Stale,
    /// No server answers.
    NoAnswer,
}

/// What is special about the sight of one database, each until a moment of true time.
#[derive(Debug, Default)]
pub(super) struct Seen {
    busy: Option<(&'static str, Duration)>,
    pub(super) api: Option<(ApiFault, Duration)>,
    pub(super) names: Option<(NameFault, Duration)>,
    pub(super) sql: Option<(SqlFault, Duration)>,
    /// The end of a failover that is under way: until then the old writer refuses, and the new one does not write yet.
    pub(super) nobody_writes_until: Duration,
}

impl Seen {
    /// From now on RDS's API shows this status, or none, until then.
    pub(super) fn busy(&mut self, status: Option<&'static str>, until: Duration) {
        self.busy = status.map(|status| (status, until));
    }

    pub(super) fn api_fault(&self, now: Duration) -> Option<ApiFault> {
        let broken = self.api.as_ref().filter(|(_, until)| now < *until);
        let busy = self.busy.filter(|(_, until)| now < *until);
        let broken = broken.map(|(fault, _)| fault.clone());
        broken.or(busy.map(|(status, _)| ApiFault::Status(status)))
    }

    pub(super) fn name_fault(&self, now: Duration) -> Option<NameFault> {
        let broken = self.names.filter(|(_, until)| now < *until);
        broken.map(|(fault, _)| fault)
    }
}

impl NameFault {
    /// What a look-up of the name ends with.
    pub(super) fn error(self) -> CallError {
        let (kind, code, message) = match self {
            Self::NoSuchName => (ErrorKind::Missing, "NXDOMAIN", "there is no such name"),
            Self::Empty => (ErrorKind::Missing, "NOERROR", "the name has no address"),
            // A name that is stale resolves; nothing is wrong with the look-up itself.
            Self::Stale | Self::NoAnswer => return unreachable(RESOLVE, "no server answers"),
        };
        CallError { kind, code: code.to_owned(), ..unreachable(RESOLVE, message) }
    }
}
