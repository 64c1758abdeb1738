//! Fields whose value is one of a few words.

use super::section::Rule;
use crate::domain::policy::{Database, MapCheck, Mode, Role, ServingWhen};
use crate::domain::route::OnStarted;

/// A choice that a person writes as a word.
pub(super) trait Word: Copy + Default + PartialEq + 'static {
    /// How it is read, and what each word means.
    const RULE: Rule<Self>;

    /// The word for it.
    fn word(self) -> &'static str;

    /// The choice that `text` names, among `all` of them.
    fn read(text: &str, all: &[Self]) -> Result<Self, String> {
        let found = all.iter().find(|choice| choice.word() == text);
        found.copied().ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|choice| choice.word()).collect();
            none_of(&words)
        })
    }
}

/// "this is none of swap, register and wait".
fn none_of(words: &[&str]) -> String {
    match words {
        [others @ .., last] if !others.is_empty() => {
            format!("this is none of {} and {last}", others.join(", "))
        }
        few => format!("this is not {}", few.join("")),
    }
}

impl Word for OnStarted {
    const RULE: Rule<Self> = Rule {
        parse: |text| Self::read(text, &[Self::Swap, Self::Register, Self::Wait]),
        fix: "write \"swap\" (at once), \"register\" (keep the old one until completed) or \"wait\"",
    };

    fn word(self) -> &'static str {
        match self {
            Self::Swap => "swap",
            Self::Register => "register",
            Self::Wait => "wait",
        }
    }
}

impl Word for Mode {
    const RULE: Rule<Self> = Rule {
        parse: |text| Self::read(text, &[Self::Enforce, Self::Observe]),
        fix: "write \"enforce\" (the group follows the writer) or \"observe\" (only record what would be done)",
    };

    fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

impl Word for MapCheck {
    const RULE: Rule<Self> = Rule {
        parse: |text| Self::read(text, &[Self::Auto, Self::Rds, Self::Dns, Self::Off]),
        fix: "write \"auto\" (DNS where there is an endpoint, else RDS), \"rds\", \"dns\" or \"off\"",
    };

    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Rds => "rds",
            Self::Dns => "dns",
            Self::Off => "off",
        }
    }
}

impl Word for Database {
    const RULE: Rule<Self> = Rule {
        parse: |text| Self::read(text, &[Self::Cluster, Self::Instance]),
        fix: "write \"cluster\" (Aurora, Multi-AZ DB cluster) or \"instance\" (Multi-AZ DB instance)",
    };

    fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Instance => "instance",
        }
    }
}

impl Word for Role {
    const RULE: Rule<Self> = Rule {
        parse: |text| Self::read(text, &[Self::Writer, Self::Readers]),
        fix: "write \"writer\" or \"readers\" (the writer only where there is no reader)",
    };

    fn word(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Readers => "readers",
        }
    }
}

impl Word for ServingWhen {
    const RULE: Rule<Self> = Rule {
        parse: |text| Self::read(text, &[Self::Healthy, Self::Registered]),
        fix: "write \"healthy\" (its checks pass) or \"registered\" (for checks that fail on purpose)",
    };

    fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Registered => "registered",
        }
    }
}
