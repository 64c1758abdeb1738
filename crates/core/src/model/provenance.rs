//! Which installation did something, and under which configuration: what every record, metric and page carries.

use std::fmt;

use crate::model::ids::Hash;

/// The longest name. It is that of a `DynamoDB` table, from whose name it is taken if the configuration gives none;
/// a dimension of `CloudWatch` may have 1,024 characters.
const NAME_LENGTH_MAX: usize = 255;

/// How many hexadecimal digits of a hash are kept: enough to tell apart whatever one installation is ever configured
/// with, short enough to be compared by eye.
const HASH_DIGITS: usize = 12;

/// The name of an installation: what shares a queue and a ledger. It is a dimension of every metric, so that of two
/// installations in one account neither speaks for the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstallationName(String);

impl InstallationName {
    /// What a name may be.
    pub const RULE: &'static str = "an installation's name has 1 to 255 letters, digits, '-', '_' or '.'";

    /// A name that is good for a metric's dimension, a Prometheus label and a log.
    ///
    /// # Errors
    /// [`InstallationName::RULE`], when it is not kept.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let fits = (1..=NAME_LENGTH_MAX).contains(&text.len());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if fits && text.bytes().all(plain) { Ok(Self(text.to_owned())) } else { Err(Self::RULE) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstallationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first twelve hexadecimal digits of the SHA-256 of a configuration's text.
///
/// It is the hash of the text as it was read, comments included: `sha256sum writerlink.toml` gives the same digits, today
/// and to an auditor in ten years, without this program and whatever its version made of a default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigHash(String);

impl ConfigHash {
    /// The hash of this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut digits = Hash::of(text).to_string();
        digits.truncate(HASH_DIGITS);
        Self(digits)
    }

    /// Reads twelve hexadecimal digits, as they are recorded.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_one = text.len() == HASH_DIGITS && text.bytes().all(digit);
        is_one.then(|| Self(text.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfigHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which installation, and under which configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Which installation.
    pub installation: InstallationName,
    /// The hash of the configuration that the process was started with.
    pub config: ConfigHash,
}
