//! The log of this process, all of it on standard error, since standard output is for results alone: lines of this
//! program's own code by `emf`, and those of the libraries underneath, the AWS SDK above all, as `tracing` writes them.

use std::io::{self, Write};
use std::sync::{Arc, LazyLock};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterFn, ParseError, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use crate::config::Env;
use crate::domain::provenance::InstallationName;
pub use crate::emf::LogFormat;
use crate::emf::{Installed, LineLayer, METRICS};
use crate::ports::Clock;
use crate::text::Shown;

/// The variable that says what is logged, and the one that Rust programs share, asked after it.
pub const FILTER_VARIABLES: [&str; 2] = ["WRITERLINK_LOG", "RUST_LOG"];

/// How the targets of this program's own code begin.
const OURS: &str = "writerlink";

/// What is logged of the libraries when nothing is said: what goes wrong.
const FILTER_DEFAULT: Level = Level::WARN;

/// What is logged of this program unless a filter says something about it: what it does.
const FILTER_OF_OURS: Level = Level::INFO;

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
static INSTALLATION: LazyLock<Installed> = LazyLock::new(Installed::default);

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

/// Starts the log of this process. A filter that is not understood is reported, and the log is started without it.
///
/// # Errors
/// [`TelemetryError`] when the filter is not understood, or a log was started before.
pub fn start(format: LogFormat, env: Env<'_>, clock: Arc<dyn Clock>) -> Result<(), TelemetryError> {
    let (filter, misread) = match filter(env) {
        Ok(filter) => (filter, None),
        Err(error) => (defaults(), Some(error)),
    };
    let ours = LineLayer::new(clock, format, Arc::clone(&INSTALLATION), Box::new(io::stderr()));
    let ours = ours.with_filter(of_ours(filter.clone(), format));
    let others = fmt::layer().with_ansi(false);
    let started = match format {
        LogFormat::Text => {
            let others = others.with_writer(|| Shown::lines(io::stderr()));
            registry().with(ours).with(others.with_filter(of_others(filter))).try_init()
        }
        LogFormat::Json => {
            let others = others.json().flatten_event(true);
            let others =
                others.with_writer(|| Named { name: INSTALLATION.get(), out: Shown::json(io::stderr()) });
            registry().with(ours).with(others.with_filter(of_others(filter))).try_init()
        }
    };
    started.map_err(|error| TelemetryError::Started(error.to_string()))?;
    misread.map_or(Ok(()), Err)
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(OURS)
}

/// What this program's own code logs. What becomes a metric is written whatever the filter says: an alarm on silence
/// must not be set off by a filter.
fn of_ours(filter: Targets, format: LogFormat) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    FilterFn::new(move |metadata| {
        let measured = format == LogFormat::Json && metadata.fields().field(METRICS).is_some();
        is_ours(metadata) && (measured || filter.would_enable(metadata.target(), metadata.level()))
    })
}

/// What libraries log, and our spans around it, which say for which route and event.
fn of_others(filter: Targets) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    FilterFn::new(move |metadata| {
        let concerns = metadata.is_span() || !is_ours(metadata);
        concerns && filter.would_enable(metadata.target(), metadata.level())
    })
}

fn defaults() -> Targets {
    Targets::new().with_default(FILTER_DEFAULT).with_target(OURS, FILTER_OF_OURS)
}

fn filter(env: Env<'_>) -> Result<Targets, TelemetryError> {
    let given = FILTER_VARIABLES
        .into_iter()
        .find_map(|variable| Some((variable, env(variable).filter(|v| !v.is_empty())?)));
    let Some((variable, value)) = given else {
        return Ok(defaults());
    };
    // By target and level; filters by span or field would need a regular expression engine.
    let filter = value.parse().map_err(|error: ParseError| TelemetryError::Filter {
        variable,
        value,
        why: error.to_string(),
    });
    let filter: Targets = filter?;
    let about_us =
        filter.default_level().is_some() || filter.iter().any(|(target, _)| target.starts_with(OURS));
    Ok(if about_us { filter } else { filter.with_target(OURS, FILTER_OF_OURS) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{Happening, Observer as _, TracingSink};

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
    fn a_filter_about_libraries_alone_leaves_our_own_lines_as_they_are() {
        let shown = |filter: &str| {
            let filter = super::filter(&|name| (name == "RUST_LOG").then(|| filter.to_owned())).unwrap();
            [Level::INFO, Level::DEBUG].map(|level| filter.would_enable("writerlink::worker", &level))
        };
        assert_eq!(shown("aws_smithy_runtime=debug"), [true, false]);
        assert_eq!(shown("writerlink::worker=debug"), [true, true]);
        assert_eq!(shown("aws_smithy_runtime=debug,writerlink=error"), [false, false]);
        assert_eq!(shown("error"), [false, false]);
        assert_eq!(shown("debug"), [true, true]);
    }

    #[test]
    fn what_becomes_a_metric_is_written_whatever_the_filter_says() {
        let written = |format| {
            let (out, lines) = io::pipe().unwrap();
            let clock = Arc::new(crate::system_clock::SystemClock::start());
            let layer = LineLayer::new(clock, format, Installed::default(), Box::new(lines));
            let silent = Targets::new().with_default(tracing_subscriber::filter::LevelFilter::OFF);
            let log = registry().with(layer.with_filter(of_ours(silent, format)));
            tracing::subscriber::with_default(log, || {
                TracingSink.tell(&Happening::Panicked("at a test"));
                tracing::error!(event = "stopped", "a line without a metric");
            });
            io::read_to_string(out).unwrap().lines().count()
        };
        assert_eq!(written(LogFormat::Json), 1);
        assert_eq!(written(LogFormat::Text), 0, "a person sees no metric");
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
