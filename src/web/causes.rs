//! What could not be read, by its cause: one banner for one cause, whatever it kept from being read.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::web::parts;
use crate::web::parts::badge;
use crate::web::tone::Tone;
use writerlink_engine::ports::{ErrorKind, NO_CREDENTIALS, NoRecords};
use writerlink_engine::survey::{QueueSurvey, RouteSurvey, Unread};

/// How many causes are shown, and how many characters of an error.
const CAUSES_SHOWN: usize = 4;
const ERROR_CHARS_MAX: usize = 400;

/// Why something could not be read. Calls that fail in the same way have the same cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ReadFailure {
    NoCredentials,
    Calls(ErrorKind),
    Other(String),
}

impl ReadFailure {
    fn of(why: &Unread) -> Self {
        match why {
            Unread::Call(error) if error.code == NO_CREDENTIALS => Self::NoCredentials,
            Unread::Call(error) => Self::Calls(error.kind),
            Unread::Other(text) => Self::Other(text.clone()),
        }
    }

    /// What happened, and what to do.
    fn in_words(&self) -> (&str, &'static str) {
        let check = "run `writerlink check` as the worker does: it names what is missing";
        match self {
            Self::NoCredentials => ("there are no AWS credentials", check),
            Self::Calls(ErrorKind::Unreachable) => (
                "AWS does not answer",
                "check the worker's network path to AWS, and the AWS Health Dashboard",
            ),
            Self::Calls(ErrorKind::Throttled) => (
                "AWS refuses calls for their rate",
                "wait; if it stays, close other pages and `status --watch`",
            ),
            Self::Calls(ErrorKind::Denied) => ("AWS denies the calls", check),
            Self::Calls(ErrorKind::Missing) => ("a resource does not exist", check),
            Self::Calls(ErrorKind::Invalid) => ("AWS refuses the calls as invalid", check),
            Self::Other(text) => (text, "see `writerlink status`, or the worker's log"),
        }
    }
}

/// What one cause kept from being read.
#[derive(Default)]
struct Kept {
    /// The first error, as the call gave it.
    example: String,
    /// How often each part could not be read.
    parts: BTreeMap<&'static str, usize>,
}

/// The causes of everything that could not be read.
#[derive(Default)]
pub(super) struct Causes(BTreeMap<ReadFailure, Kept>);

impl Causes {
    fn add(&mut self, part: &'static str, why: &Unread) {
        let kept = self.0.entry(ReadFailure::of(why)).or_default();
        *kept.parts.entry(part).or_default() += 1;
        if kept.example.is_empty() && matches!(why, Unread::Call(_)) {
            kept.example = why.to_string();
        }
    }

    /// What could not be read of a route.
    pub(super) fn add_route(&mut self, survey: &RouteSurvey) {
        let parts = [
            ("state", survey.state.as_ref().err()),
            ("records", survey.records.as_ref().err()),
            ("listener weights", survey.weights.as_ref().and_then(|weights| weights.as_ref().err())),
            ("relay reports", survey.relays.as_ref().err()),
        ];
        let groups = survey.groups.iter().map(|group| ("target group", group.rows.as_ref().err()));
        for (part, why) in parts.into_iter().chain(groups) {
            if let Some(why) = why {
                self.add(part, why);
            }
        }
        // State and records that could not be read have said why.
        if let (Ok(_), Ok(_), Err(why)) = (&survey.state, &survey.records, &survey.chain_end) {
            self.add("end of the chain", why);
        }
    }

    pub(super) fn add_queue(&mut self, queue: &QueueSurvey) {
        let parts =
            [("queue", queue.depth.as_ref().err()), ("dead letters", queue.dead_letters.as_ref().err())];
        for (part, why) in parts {
            if let Some(why) = why {
                self.add(part, why);
            }
        }
    }

    pub(super) fn add_records(&mut self, part: &'static str, why: &NoRecords) {
        let why = match why {
            NoRecords::Call(error) => Unread::Call(error.clone()),
            NoRecords::Row(row) => Unread::Other(row.to_string()),
        };
        self.add(part, &why);
    }

    /// A banner for each cause.
    pub(super) fn banners(&self) -> Markup {
        let more = self.0.len().saturating_sub(CAUSES_SHOWN);
        html! {
            @for (cause, kept) in self.0.iter().take(CAUSES_SHOWN) {
                @let (what, remedy) = cause.in_words();
                div class="banner" {
                    p {
                        (badge(Tone::Unknown, "Not read")) ": " (parts::cut(what, ERROR_CHARS_MAX, "…"))
                        ". To do: " (remedy) "."
                    }
                    p { "This could not be read: " (kept.in_words()) "." }
                    @if !kept.example.is_empty() {
                        p.dim { (parts::cut(&kept.example, ERROR_CHARS_MAX, "…")) }
                    }
                }
            }
            @if more > 0 { p { "and " (more) " more causes; see `writerlink status`" } }
        }
    }
}

impl Kept {
    /// `state (30 times), queue`.
    fn in_words(&self) -> String {
        let words = self.parts.iter().map(|(part, count)| match count {
            1 => (*part).to_owned(),
            count => format!("{part} ({count} times)"),
        });
        words.collect::<Vec<_>>().join(", ")
    }
}
