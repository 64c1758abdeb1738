//! What is to be explained.

use std::path::PathBuf;

use crate::domain::event::EventKey;
use crate::domain::transition::TransitionId;

/// What is to be explained.
#[derive(Clone, Debug, clap::Args)]
pub struct Explain {
    /// An event's key (64 hexadecimal digits), a transition's UUID, or a file with an event in any of its
    /// envelopes; - is standard input
    #[arg(value_name = "EVENT-KEY|TRANSITION-ID|FILE", value_parser = subject)]
    pub subject: Subject,
}

/// Something that happened, or that may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An event that was recorded.
    Event(EventKey),
    /// The event of this transition.
    Transition(TransitionId),
    /// An event that is told of in a file.
    File(PathBuf),
}

/// Never refused: what is neither a key nor a transition's id is a file's name.
#[expect(clippy::unnecessary_wraps, reason = "the shape that clap asks for")]
fn subject(text: &str) -> Result<Subject, String> {
    let event = EventKey::parse(text).map(Subject::Event);
    let named = event.or_else(|| TransitionId::parse(text).map(Subject::Transition));
    Ok(named.unwrap_or_else(|| Subject::File(text.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_a_key_nor_an_id_is_a_file() {
        let digits = "a".repeat(64);
        assert!(matches!(subject(&digits), Ok(Subject::Event(_))));
        let uuid = "01977f2e-8c3a-7b1d-9e0f-112233445566";
        assert!(matches!(subject(uuid), Ok(Subject::Transition(_))));
        for file in ["-", "failover.json", "a/b", &digits[1..]] {
            assert_eq!(subject(file), Ok(Subject::File(file.into())));
        }
    }
}
