//! What reading a configuration finds: values that were understood, and faults.

use std::cell::RefCell;
use std::fmt;

use crate::config::{Config, ConfigError, Loaded, ReadFrom};

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// This line of the file.
    Line(usize),
    /// This environment variable.
    Variable(&'static str),
    /// It was not given.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A field and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) field: String,
    pub(super) origin: Origin,
}

/// A value and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One value as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, such as `route.orders.port`.
    pub field: String,
    /// The value.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// One thing that is wrong. Shown as three lines: where and what, why, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `writerlink.toml:14`, or `variable IP_DICT`.
    pub place: String,
    /// The line or variable.
    pub origin: Origin,
    /// Which field.
    pub field: String,
    /// What was given, as it was written.
    pub value: Option<String>,
    /// What is wrong with it.
    pub why: String,
    /// What to do.
    pub fix: String,
}

/// How much of a value is quoted. It may be a whole misplaced table.
const QUOTED_CHARS_MAX: usize = 100;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        // A variable is place and field in one.
        if !matches!(self.origin, Origin::Variable(name) if name == self.field) {
            write!(f, ": {}", self.field)?;
        }
        if let Some(value) = &self.value {
            write!(f, " = {}", quoted(value))?;
        }
        write!(f, "\n  why: {}\n  fix: {}", self.why, self.fix)
    }
}

fn quoted(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(QUOTED_CHARS_MAX).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    short
}

/// Collects what is found on the way, so that one fault does not hide the next.
#[derive(Debug)]
pub(super) struct Findings {
    from: ReadFrom,
    /// `None` where they are not shown.
    settings: Option<RefCell<Vec<Setting>>>,
    faults: RefCell<Vec<Diagnostic>>,
}

impl Findings {
    pub(super) fn new(from: ReadFrom) -> Self {
        Self { from, settings: Some(RefCell::default()), faults: RefCell::default() }
    }

    /// The same without the values: a thousand routes have twenty-five thousand of them, which a worker would
    /// keep 4 MB for.
    pub(super) fn of_faults(from: ReadFrom) -> Self {
        Self { settings: None, ..Self::new(from) }
    }

    pub(super) fn understood(&self, place: &Place, value: impl fmt::Display) {
        if let Some(settings) = &self.settings {
            settings.borrow_mut().push(Setting {
                field: place.field.clone(),
                value: value.to_string(),
                origin: place.origin,
            });
        }
    }

    pub(super) fn fault(
        &self,
        place: &Place,
        value: Option<&str>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let at = match (&self.from, place.origin) {
            (ReadFrom::File(path), Origin::Line(line)) => format!("{}:{line}", path.display()),
            (_, Origin::Variable(name)) => format!("variable {name}"),
            (from, Origin::Line(_) | Origin::Default) => from.to_string(),
        };
        self.faults.borrow_mut().push(Diagnostic {
            place: at,
            origin: place.origin,
            field: place.field.clone(),
            value: value.map(str::to_owned),
            why: why.into(),
            fix: fix.into(),
        });
    }

    /// The configuration if nothing was wrong, else everything that was, from top to bottom.
    pub(super) fn conclude(self, config: Option<Config>) -> Result<Loaded, ConfigError> {
        let mut faults = self.faults.into_inner();
        match config {
            Some(config) if faults.is_empty() => Ok(Loaded {
                config,
                from: self.from,
                settings: self.settings.map(RefCell::into_inner).unwrap_or_default(),
                unused: Vec::new(),
            }),
            _ => {
                faults.sort_by_key(|fault| fault.origin);
                Err(ConfigError::Faulty { from: self.from, faults })
            }
        }
    }
}
