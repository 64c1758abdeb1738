//! The log of this process and of the libraries underneath, the AWS SDK above all: which events there are
//! lines for (`emf`). They go to standard error, since standard output is for results alone.

use std::io;
use std::sync::{Arc, LazyLock};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterFn, ParseError, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Env;
pub use crate::emf::LogFormat;
use crate::emf::{Installed, LineLayer, METRICS, Now, OURS};
use writerlink_core::model::provenance::InstallationName;

/// The variable with the log filter, and the one that Rust programs share, which is read after it.
pub const FILTER_VARIABLES: [&str; 2] = ["WRITERLINK_LOG", "RUST_LOG"];

/// The default level of libraries: warnings and errors.
const FILTER_DEFAULT: Level = Level::WARN;

/// The default level of this program.
const FILTER_OF_OURS: Level = Level::INFO;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not valid.
    #[error("the log filter {variable} = {value:?} is not understood: {why}")]
    Filter {
        /// The variable it came from.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is one already.
    #[error("a log was started before: {0}")]
    Started(String),
}

/// The installation of this process, as soon as its configuration was read. The log is started before, once.
static INSTALLATION: LazyLock<Installed> = LazyLock::new(Installed::default);

/// From now on every line in JSON names this installation.
pub fn name_lines_by(installation: &InstallationName) {
    // A process has one configuration; where a test reads two, the first one stays.
    drop(INSTALLATION.set(installation.clone()));
}

/// Starts the log of this process. A filter that is not understood is reported, and the log is started
/// without it.
///
/// # Errors
/// [`TelemetryError`] when the filter is not understood, or a log was started before.
pub fn start(format: LogFormat, env: Env<'_>, now: Now) -> Result<(), TelemetryError> {
    let (filter, misread) = match filter(env) {
        Ok(filter) => (filter, None),
        Err(error) => (defaults(), Some(error)),
    };
    let lines = LineLayer::new(now, format, Arc::clone(&INSTALLATION), Box::new(io::stderr()));
    let started = registry().with(lines.with_filter(shown(filter, format))).try_init();
    started.map_err(|error| TelemetryError::Started(error.to_string()))?;
    misread.map_or(Ok(()), Err)
}

/// The filter of lines. Lines with metrics are always written: a filter must not set off an alarm on silence.
fn shown(filter: Targets, format: LogFormat) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    FilterFn::new(move |metadata| {
        let (target, level) = (metadata.target(), metadata.level());
        let measured = target.starts_with(OURS) && metadata.fields().field(METRICS).is_some();
        filter.would_enable(target, level) || (measured && format == LogFormat::Json)
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
    use writerlink_core::model::time::Timestamp;
    use writerlink_engine::telemetry::event::EventSink as _;
    use writerlink_engine::telemetry::event::WorkerEvent;
    use writerlink_engine::telemetry::tracing_sink::TracingSink;

    fn chosen(pairs: &[(&str, &str)]) -> Result<String, String> {
        let env = |name: &str| {
            let pair = pairs.iter().find(|(known, _)| *known == name);
            pair.map(|(_, value)| (*value).to_owned())
        };
        filter(&env).map(|f| f.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn our_own_variable_outranks_the_shared_one_and_may_be_empty() {
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
    fn a_line_with_a_metric_is_written_whatever_the_filter_says() {
        let written = |format| {
            let (out, lines) = io::pipe().unwrap();
            let now = Box::new(|| Timestamp::EPOCH);
            let layer = LineLayer::new(now, format, Installed::default(), Box::new(lines));
            let silent = Targets::new().with_default(tracing_subscriber::filter::LevelFilter::OFF);
            let log = registry().with(layer.with_filter(super::shown(silent, format)));
            tracing::subscriber::with_default(log, || {
                TracingSink.record(&WorkerEvent::Panicked("at a test"));
                tracing::error!(event = "stopped", "a line without a metric");
            });
            io::read_to_string(out).unwrap().lines().count()
        };
        assert_eq!(written(LogFormat::Json), 1);
        assert_eq!(written(LogFormat::Text), 0, "a person sees no metric");
    }

    #[test]
    fn a_filter_that_is_not_understood_is_named_with_its_variable() {
        let error = chosen(&[("WRITERLINK_LOG", "writerlink=loud")]).unwrap_err();
        assert!(error.starts_with("the log filter WRITERLINK_LOG = \"writerlink=loud\""), "{error}");
    }
}
