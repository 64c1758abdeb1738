//! How a string of the file becomes a value, and the fields whose value is one of a few words.

use writerlink_core::model::policy::{Database, MapCheck, Mode, Role, ServingWhen};
use writerlink_core::model::route::OnStarted;

/// Parses a string into a value.
pub(super) struct Rule<T> {
    /// The value, or the rule that the string breaks.
    pub(super) parse: fn(&str) -> Result<T, String>,
    /// What to write instead.
    pub(super) fix: &'static str,
}

/// A choice that a person writes as a word.
pub(super) trait Keyword: Copy + Default + PartialEq + 'static {
    /// Every choice.
    const ALL: &'static [Self];

    /// What each word means.
    const FIX: &'static str;

    /// How it is read.
    const RULE: Rule<Self> = Rule { parse: Self::read, fix: Self::FIX };

    /// The word for it.
    fn word(self) -> &'static str;

    /// The choice that `text` names.
    fn read(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|choice| choice.word() == text);
        found.copied().ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|choice| choice.word()).collect();
            expected(&words)
        })
    }
}

/// "expected swap, register or wait".
fn expected(words: &[&str]) -> String {
    match words {
        [others @ .., last] if !others.is_empty() => {
            format!("expected {} or {last}", others.join(", "))
        }
        few => format!("expected {}", few.join("")),
    }
}

/// Gives a type its words, each written once; the compiler finds the choice that has none.
macro_rules! words {
    ($type:ty: $($choice:ident = $word:literal),+; $fix:literal) => {
        impl Keyword for $type {
            const ALL: &'static [Self] = &[$(Self::$choice),+];
            const FIX: &'static str = $fix;

            fn word(self) -> &'static str {
                match self {
                    $(Self::$choice => $word),+
                }
            }
        }
    };
}
pub(super) use words;

words!(OnStarted: Swap = "swap", Register = "register", Wait = "wait";
    "write \"swap\" (at once), \"register\" (keep the old one until completed) or \"wait\"");
words!(Mode: Enforce = "enforce", Observe = "observe";
    "write \"enforce\" (the group follows the writer) or \"observe\" (only record what would be done)");
words!(MapCheck: Auto = "auto", Rds = "rds", Dns = "dns", Off = "off";
    "write \"auto\" (DNS where there is an endpoint, else RDS), \"rds\", \"dns\" or \"off\"");
words!(Database: Cluster = "cluster", Instance = "instance";
    "write \"cluster\" (Aurora, Multi-AZ DB cluster) or \"instance\" (Multi-AZ DB instance)");
words!(Role: Writer = "writer", Readers = "readers";
    "write \"writer\" or \"readers\" (the writer only where there is no reader)");
words!(ServingWhen: Healthy = "healthy", Registered = "registered";
    "write \"healthy\" (its checks pass) or \"registered\" (for checks that fail on purpose)");
