//! The log of the libraries underneath, the AWS SDK above all: on standard error, since standard output is
//! for results alone. What this program does itself is told by `emf`, whatever the filter says.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use crate::config::Env;
use crate::text::Shown;

/// The variable that says what is logged, and the one that Rust programs share, asked after it.
pub const FILTER_VARIABLES: [&str; 2] = ["WRITERLINK_LOG", "RUST_LOG"];

/// What is logged when nothing is said: what goes wrong.
const FILTER_DEFAULT: &str = "warn";

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line, for tools
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error("the log filter {variable} = {value:?} is not understood: {why}")]
    Filter {
        /// The variable it came from.
        variable: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is one already.
    #[error("a log was started before: {0}")]
    Started(String),
}

/// Starts the log of this process.
///
/// # Errors
/// [`TelemetryError`] when the filter is not understood, or a log was started before.
pub fn start(format: LogFormat, env: Env<'_>) -> Result<(), TelemetryError> {
    let filter = filter(env)?;
    let lines = fmt::layer().with_ansi(false);
    let started = match format {
        LogFormat::Text => {
            let lines = lines.with_writer(|| Shown::lines(io::stderr()));
            registry().with(lines.with_filter(filter)).try_init()
        }
        LogFormat::Json => {
            let lines = lines.with_writer(|| Shown::json(io::stderr()));
            let lines = lines.json().flatten_event(true);
            registry().with(lines.with_filter(filter)).try_init()
        }
    };
    started.map_err(|error| TelemetryError::Started(error.to_string()))
}

fn filter(env: Env<'_>) -> Result<Targets, TelemetryError> {
    let given = FILTER_VARIABLES
        .into_iter()
        .find_map(|variable| Some((variable, env(variable).filter(|v| !v.is_empty())?)));
    let (variable, value) = given.unwrap_or(("default", FILTER_DEFAULT.to_owned()));
    // By target and level; filters by span or field would need a regular expression engine.
    value
        .parse()
        .map_err(|error: ParseError| TelemetryError::Filter {
            variable,
            value,
            why: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(pairs: &[(&str, &str)]) -> Result<String, String> {
        let env = |name: &str| {
            let pair = pairs.iter().find(|(known, _)| *known == name);
            pair.map(|(_, value)| (*value).to_owned())
        };
        filter(&env)
            .map(|f| f.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn our_own_variable_outranks_the_shared_one_and_an_empty_one_is_none() {
        assert_eq!(chosen(&[("RUST_LOG", "debug")]).unwrap(), "debug");
        let both = [("RUST_LOG", "debug"), ("WRITERLINK_LOG", "error")];
        assert_eq!(chosen(&both).unwrap(), "error");
        assert!(chosen(&[("WRITERLINK_LOG", "")]).unwrap().contains("warn"));
    }

    #[test]
    fn a_filter_that_is_not_understood_is_named_with_its_variable() {
        let error = chosen(&[("WRITERLINK_LOG", "writerlink=loud")]).unwrap_err();
        assert!(
            error.starts_with("the log filter WRITERLINK_LOG = \"writerlink=loud\""),
            "{error}"
        );
    }
}
