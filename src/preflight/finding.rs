//! One line of the preflight.

use std::collections::BTreeMap;
use std::fmt;

use writerlink_core::model::names::RouteName;
use writerlink_engine::ports::installation::Unseen;
use writerlink_engine::ports::{CallError, ErrorKind};

/// What came of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum CheckStatus {
    /// It is as it should be.
    Pass,
    /// It works, and something about it will hurt one day.
    Warn,
    /// Failovers are not followed, or not safely.
    Fail,
    /// It could not be read.
    Unknown,
    /// There is nothing to read here, or reading it would change something.
    Skipped,
}

impl CheckStatus {
    /// Every verdict, for whoever counts them.
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
    /// Whoever runs the check, and from where.
    Caller,
    /// The queue of events.
    Queue(String),
    /// A table of the ledger.
    Table(String),
    /// A route, with all that is its own.
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

/// What is checked, and the page that says how AWS behaves where that is the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// In a few words that do not change: programs know the line by them.
    pub what: &'static str,
    /// The page of AWS's documents, or the issue where it was measured.
    pub source: Option<&'static str>,
}

impl Check {
    /// A check of our own.
    pub(super) const fn ours(what: &'static str) -> Self {
        let source = None;
        Self { what, source }
    }

    /// A check of how AWS behaves, by this page.
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
    /// What came of it.
    pub verdict: CheckStatus,
    /// What was found, and what follows from it.
    pub why: String,
    /// What to do; none where nothing is to be done.
    pub remedy: Option<String>,
}

/// The lines so far.
#[derive(Debug, Default)]
pub(super) struct CheckFindings {
    pub(super) findings: Vec<Finding>,
    /// Why nobody answered, and where it was told first.
    out_of_reach: BTreeMap<String, String>,
}

impl CheckFindings {
    /// The lines that follow are about this.
    pub(super) fn about(&mut self, subject: Subject) -> Lines<'_> {
        Lines { sheet: self, subject }
    }
}

/// The lines about one subject.
pub(super) struct Lines<'s> {
    sheet: &'s mut CheckFindings,
    subject: Subject,
}

impl Lines<'_> {
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

    /// Passes if it holds; else fails like this.
    pub(super) fn require(&mut self, check: Check, (holds, found): (bool, String), (why, fix): (&str, &str)) {
        if holds {
            self.pass(check, found);
        } else {
            self.fail(check, format!("{found}: {why}"), fix);
        }
    }

    /// Of what could not be seen: something that is not there fails, everything else is not known.
    pub(super) fn unseen(&mut self, check: Check, unseen: &Unseen) {
        match unseen {
            Unseen::NotHere(why) => self.skipped(check, *why, None),
            Unseen::Told(at) => self.told(check, at),
            Unseen::Refused(error) if self.is_known(check, error) => {}
            Unseen::Refused(error) => self.refused(check, error),
        }
    }

    /// Of what could not be read for a reason that stands elsewhere: once for each subject.
    pub(super) fn told(&mut self, check: Check, at: &str) {
        let why = format!("not read (see {at})");
        let last = self.sheet.findings.last();
        let again = last.is_some_and(|last| last.subject == self.subject && last.why == why);
        if !again {
            self.skipped(check, why, None);
        }
    }

    /// Whether the same was said of another call already: where nobody answers, every call says so. If it was, the line
    /// of this check says where.
    pub(super) fn is_known(&mut self, check: Check, error: &CallError) -> bool {
        if error.kind != ErrorKind::Unreachable {
            return false;
        }
        let here = format!("{}: {}", self.subject, check.what);
        if let Some(first) = self.sheet.out_of_reach.get(&error.message) {
            let first = first.clone();
            self.told(check, &first);
            return true;
        }
        self.sheet.out_of_reach.insert(error.message.clone(), here);
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
                "look at what is named there by hand, and report it if it is as it should be",
            ),
        }
    }

    fn line(&mut self, check: Check, verdict: CheckStatus, why: String, remedy: Option<String>) {
        self.sheet.findings.push(Finding { subject: self.subject.clone(), check, verdict, why, remedy });
    }
}
