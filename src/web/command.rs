//! An operator's command, as the page shows it.

use maud::{Markup, html};

use crate::web::parts::cut;
use writerlink_core::ledger::record::RecordedTrigger;

/// An operator's command as it is recorded: command, until when, who, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandText {
    /// `pause until 2026-05-06T23:00:00.000Z`.
    command: String,
    by: String,
    reason: String,
}

impl CommandText {
    /// Of a trigger, if it is a command.
    pub(super) fn of(trigger: &RecordedTrigger) -> Option<Self> {
        let RecordedTrigger::Command { by, text, .. } = trigger else {
            return None;
        };
        let (command, reason) = text.split_once(&format!(" by {by}: ")).unwrap_or((text, ""));
        Some(Self { command: command.to_owned(), by: by.clone(), reason: reason.to_owned() })
    }

    pub(super) fn shown(&self) -> Markup {
        let short = |text: &str| cut(text, COMMAND_CHARS_MAX, "…");
        html! {
            div { strong { (short(&self.command)) } " by " (short(&self.by)) }
            @if !self.reason.is_empty() { div { span.dim { "reason: " (short(&self.reason)) } } }
        }
    }
}

/// How many characters of each part of a command are shown.
const COMMAND_CHARS_MAX: usize = 200;
