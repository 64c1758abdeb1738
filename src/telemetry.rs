//! The log of the libraries underneath, the AWS SDK above all: on standard error, since standard output is
//! for results alone. What this program does itself is told by `emf`, whatever the filter says.

use std::io::{self, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use crate::config::Env;
use crate::domain::provenance::InstallationName;
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

/// Whose process this is, as soon as its configuration was read. The log is started before, and of it there is one.
static INSTALLATION: OnceLock<InstallationName> = OnceLock::new();

/// From now on every line in JSON names this installation.
pub fn name_lines_by(installation: &InstallationName) {
    // A process has one configuration; where a test reads two, the first one stays.
    drop(INSTALLATION.set(installation.clone()));
}

/// Puts the installation's name into each JSON object that comes through. The log's layer writes a whole line at once.
struct Named<'a, W> {
    name: Option<&'a InstallationName>,
    out: W,
}

impl<W: Write> Write for Named<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(line).unwrap_or_default();
        match (self.name, text.strip_prefix('{')) {
            // A name is plain by its own rule: nothing in it has to be escaped.
            (Some(name), Some(rest)) => write!(self.out, "{{\"installation\":\"{name}\",{rest}")?,
            _ => self.out.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
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
            let lines = lines.json().flatten_event(true);
            let lines =
                lines.with_writer(|| Named { name: INSTALLATION.get(), out: Shown::json(io::stderr()) });
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
    value.parse().map_err(|error: ParseError| TelemetryError::Filter {
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
        filter(&env).map(|f| f.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn our_own_variable_outranks_the_shared_one_and_an_empty_one_is_none() {
        assert_eq!(chosen(&[("RUST_LOG", "debug")]).unwrap(), "debug");
        let both = [("RUST_LOG", "debug"), ("WRITERLINK_LOG", "error")];
        assert_eq!(chosen(&both).unwrap(), "error");
        assert!(chosen(&[("WRITERLINK_LOG", "")]).unwrap().contains("warn"));
    }

    #[test]
    fn a_line_of_a_library_names_the_installation_too() {
        let name = InstallationName::new("orders-prod").unwrap();
        let mut written = Vec::new();
        let line = "{\"level\":\"WARN\",\"message\":\"{\"}\n";
        let mut named = Named { name: Some(&name), out: &mut written };
        named.write_all(line.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "{\"installation\":\"orders-prod\",\"level\":\"WARN\",\"message\":\"{\"}\n"
        );
    }

    #[test]
    fn a_filter_that_is_not_understood_is_named_with_its_variable() {
        let error = chosen(&[("WRITERLINK_LOG", "writerlink=loud")]).unwrap_err();
        assert!(error.starts_with("the log filter WRITERLINK_LOG = \"writerlink=loud\""), "{error}");
    }
}
