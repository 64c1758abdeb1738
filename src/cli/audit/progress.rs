//! How far a long read is, for a person who waits for it.

use std::io;

use crate::cli::{Answers, Session};
use crate::telemetry::LogFormat;

/// A line on standard error that is written over again and again, and is gone at the end. There is none unless a
/// person is at the terminal: a log keeps every version of such a line.
pub(super) struct Progress {
    watched: bool,
    shown: usize,
}

impl Progress {
    pub(super) fn new(session: &Session<'_>) -> Self {
        Self { watched: session.answers == Answers::Person && session.log == LogFormat::Text, shown: 0 }
    }

    /// Shows this instead of what was shown before.
    pub(super) fn show(&mut self, text: &str, session: &mut Session<'_>) -> io::Result<()> {
        if !self.watched {
            return Ok(());
        }
        let width = self.shown;
        self.shown = text.chars().count();
        write!(session.err, "\r{text:<width$}")?;
        session.err.flush()
    }

    /// Makes room for other words.
    pub(super) fn clear(&mut self, session: &mut Session<'_>) -> io::Result<()> {
        let width = std::mem::take(&mut self.shown);
        if width == 0 {
            return Ok(());
        }
        write!(session.err, "\r{:width$}\r", "")?;
        session.err.flush()
    }
}
