//! Findings: the lines of the preflight.

use std::collections::BTreeMap;
use std::fmt;

use writerlink_core::model::names::RouteName;
use writerlink_engine::ports::installation::{RouteFacts, Seen, Unseen};
use writerlink_engine::ports::{CallError, ErrorKind};

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum CheckStatus {
    /// It is as it should be.
    Pass,
    /// It works, with a risk.
    Warn,
    /// Failovers are not followed, or not safely.
    Fail,
    /// It could not be read.
    Unknown,
    /// There is nothing to read, or reading would change something.
    Skipped,
}

impl CheckStatus {
    /// Every status, worst first, for counts.
    pub const ALL: [Self; 5] = [Self::Fail, Self::Warn, Self::Unknown, Self::Skipped, Self::Pass];

    /// Its name, as written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The caller: credentials, Region and clock.
    Caller,
    /// The queue of events.
    Queue(String),
    /// A table of the ledger.
    Table(String),
    /// A route and its own resources.
    Route(RouteName),
    /// One of the target groups of a weighted route, by the instance whose group it is.
    Group(RouteName, String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller => f.write_str("caller"),
            Self::Queue(name) => write!(f, "queue {name}"),
            Self::Table(name) => write!(f, "table {name}"),
            Self::Route(name) => write!(f, "route {name}"),
            Self::Group(route, instance) => write!(f, "route {route}, group of {instance}"),
        }
    }
}

/// What is checked, and the page of AWS's documentation that is the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// A short, stable name: programs identify the line by it.
    pub what: &'static str,
    /// The page of AWS's documentation, or the issue where it was measured.
    pub source: Option<&'static str>,
}

impl Check {
    /// A check without a page of AWS.
    pub(super) const fn ours(what: &'static str) -> Self {
        let source = None;
        Self { what, source }
    }

    /// A check of AWS's behaviour, with its page.
    pub(super) const fn aws(what: &'static str, source: &'static str) -> Self {
        let source = Some(source);
        Self { what, source }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// What was checked.
    pub check: Check,
    /// Its result.
    pub verdict: CheckStatus,
    /// What was found, and the consequence.
    pub why: String,
    /// What to do; `None` if nothing.
    pub remedy: Option<String>,
}

/// The lines so far.
#[derive(Debug, Default)]
pub(super) struct CheckFindings {
    pub(super) all: Vec<Finding>,
    /// Each network error, and the line that reported it first.
    out_of_reach: BTreeMap<String, String>,
}

impl CheckFindings {
    /// The lines that follow are about this.
    pub(super) fn about(&mut self, subject: Subject) -> Lines<'_> {
        Lines { findings: self, subject }
    }

    /// The lines that follow are about this route.
    pub(super) fn about_route(&mut self, facts: &RouteFacts) -> Lines<'_> {
        self.about(Subject::Route(facts.route.name.clone()))
    }
}

/// A value that a check found, before it is judged.
pub(super) struct FoundValue<'l, 's> {
    lines: &'l mut Lines<'s>,
    check: Check,
    found: String,
}

impl FoundValue<'_, '_> {
    /// Passes if it holds; otherwise fails.
    pub(super) fn require(self, holds: bool, why: &str, fix: &str) {
        let Self { lines, check, found } = self;
        if holds {
            lines.pass(check, found);
        } else {
            lines.fail(check, format!("{found}: {why}"), fix);
        }
    }
}

/// The lines about one subject.
pub(super) struct Lines<'s> {
    findings: &'s mut CheckFindings,
    subject: Subject,
}

impl<'s> Lines<'s> {
    pub(super) fn pass(&mut self, check: Check, why: impl Into<String>) {
        self.line(check, CheckStatus::Pass, why.into(), None);
    }

    pub(super) fn warn(&mut self, check: Check, why: impl Into<String>, fix: impl Into<String>) {
        self.line(check, CheckStatus::Warn, why.into(), Some(fix.into()));
    }

    pub(super) fn fail(&mut self, check: Check, why: impl Into<String>, fix: impl Into<String>) {
        self.line(check, CheckStatus::Fail, why.into(), Some(fix.into()));
    }

    pub(super) fn unknown(&mut self, check: Check, why: impl Into<String>, fix: impl Into<String>) {
        self.line(check, CheckStatus::Unknown, why.into(), Some(fix.into()));
    }

    pub(super) fn skipped(&mut self, check: Check, why: impl Into<String>, fix: Option<String>) {
        self.line(check, CheckStatus::Skipped, why.into(), fix);
    }

    /// A value with a condition: [`FoundValue::require`] reports it.
    pub(super) fn found(&mut self, check: Check, found: impl Into<String>) -> FoundValue<'_, 's> {
        FoundValue { lines: self, check, found: found.into() }
    }

    /// What was read. A failed read is reported.
    pub(super) fn read<'f, T>(&mut self, check: Check, seen: &'f Seen<T>) -> Option<&'f T> {
        match seen {
            Ok(value) => Some(value),
            Err(unseen) => {
                self.unseen(check, unseen);
                None
            }
        }
    }

    /// For a failed read: a missing resource fails, every other error is unknown.
    pub(super) fn unseen(&mut self, check: Check, unseen: &Unseen) {
        match unseen {
            Unseen::NotHere(why) => self.skipped(check, *why, None),
            Unseen::Told(at) => self.reported_at(check, at),
            Unseen::Refused(error) if self.is_known(check, error) => {}
            Unseen::Refused(error) => self.refused(check, error),
        }
    }

    /// For a read that failed for a reason that another line reports: once for each subject.
    pub(super) fn reported_at(&mut self, check: Check, at: &str) {
        let why = format!("not read (see {at})");
        let last = self.findings.all.last();
        let again = last.is_some_and(|last| last.subject == self.subject && last.why == why);
        if !again {
            self.skipped(check, why, None);
        }
    }

    /// Whether another line has reported the same network error. If so, the line of this check refers to it.
    pub(super) fn is_known(&mut self, check: Check, error: &CallError) -> bool {
        if error.kind != ErrorKind::Unreachable {
            return false;
        }
        let here = format!("{}: {}", self.subject, check.what);
        if let Some(first) = self.findings.out_of_reach.get(&error.message) {
            let first = first.clone();
            self.reported_at(check, &first);
            return true;
        }
        self.findings.out_of_reach.insert(error.message.clone(), here);
        false
    }

    fn refused(&mut self, check: Check, error: &CallError) {
        let why = error.to_string();
        match error.kind {
            ErrorKind::Missing => self.fail(
                check,
                why,
                "create it, or correct its name, account or Region in the configuration",
            ),
            ErrorKind::Denied => self.unknown(
                check,
                why,
                "run check with the operator's role of infra/people.yaml, which may make this call",
            ),
            ErrorKind::Unreachable | ErrorKind::Throttled => {
                self.unknown(check, why, "run check again; if it stays, check the network and the endpoint");
            }
            ErrorKind::Invalid => self.unknown(
                check,
                why,
                "check the named resource by hand, and report a bug if it is correct",
            ),
        }
    }

    fn line(&mut self, check: Check, verdict: CheckStatus, why: String, remedy: Option<String>) {
        self.findings.all.push(Finding { subject: self.subject.clone(), check, verdict, why, remedy });
    }
}
