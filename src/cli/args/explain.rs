//! What is to be explained.

use std::path::PathBuf;

use crate::cli::args::RecordRef;
use crate::cli::args::audit::record_ref;

/// What is to be explained.
#[derive(Clone, Debug, clap::Args)]
pub struct Explain {
    /// An event's key (64 hexadecimal digits), a transition's UUID, a record (ROUTE/SEQ), or a file with an event in
    /// any of its envelopes; - is standard input
    #[arg(value_name = "EVENT-KEY|TRANSITION-ID|ROUTE/SEQ|FILE", value_parser = subject)]
    pub subject: ExplainInput,
}

/// Something that happened, or that may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExplainInput {
    /// The event of what is recorded under this name.
    Recorded(RecordRef),
    /// An event that is told of in a file.
    File(PathBuf),
}

/// Never refused: what names nothing that can be on record is a file's name.
#[expect(clippy::unnecessary_wraps, reason = "the shape that clap asks for")]
fn subject(text: &str) -> Result<ExplainInput, String> {
    let recorded = record_ref(text).map(ExplainInput::Recorded);
    Ok(recorded.unwrap_or_else(|_| ExplainInput::File(text.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_a_key_nor_an_id_is_a_file() {
        let digits = "a".repeat(64);
        let named = |text| match subject(text) {
            Ok(ExplainInput::Recorded(named)) => Some(named),
            _ => None,
        };
        assert!(matches!(named(&digits), Some(RecordRef::Event(_))));
        let uuid = "01977f2e-8c3a-7b1d-9e0f-112233445566";
        assert!(matches!(named(uuid), Some(RecordRef::Transition(_))));
        assert!(matches!(named("orders/6"), Some(RecordRef::Record { .. })));
        for file in ["-", "failover.json", "a/b", &digits[1..]] {
            assert_eq!(subject(file), Ok(ExplainInput::File(file.into())));
        }
    }
}
