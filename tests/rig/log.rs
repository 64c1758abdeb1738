//! What workers log, as CloudWatch gets it.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Value;
use tracing::dispatcher::{Dispatch, with_default};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use writerlink::emf::{LineLayer, LogFormat};
use writerlink_core::model::provenance::InstallationName;
use writerlink_engine::ports::Clock;
use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};
use writerlink_engine::telemetry::tracing_sink::TracingSink;

/// A log that is kept in memory.
#[derive(Clone, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    /// Takes what was written.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }

    /// What writes here by this clock.
    pub(crate) fn dispatch(
        &self,
        clock: Arc<dyn Clock>,
        format: LogFormat,
        installation: Option<&InstallationName>,
    ) -> Dispatch {
        let installation = installation.cloned().map_or_else(OnceLock::new, OnceLock::from);
        let lines = LineLayer::new(
            Box::new(move || clock.wall()),
            format,
            Arc::new(installation),
            Box::new(self.clone()),
        );
        // As the program logs unless a filter says otherwise.
        Dispatch::new(tracing_subscriber::registry().with(lines.with_filter(LevelFilter::INFO)))
    }
}

/// The log of workers of one installation, in JSON.
pub(crate) struct Log {
    dispatch: Dispatch,
    buffer: Buffer,
    lines: Mutex<Vec<Value>>,
}

impl Log {
    pub(crate) fn of(clock: Arc<dyn Clock>, installation: &InstallationName) -> Self {
        let buffer = Buffer::default();
        let dispatch = buffer.dispatch(clock, LogFormat::Json, Some(installation));
        Self { dispatch, buffer, lines: Mutex::default() }
    }

    /// Every line so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let mut lines = self.lines.lock().unwrap();
        let line = |line| serde_json::from_str::<Value>(line).unwrap();
        lines.extend(self.buffer.take().lines().map(line));
        lines.clone()
    }
}

impl EventSink for Log {
    fn record(&self, happening: &WorkerEvent<'_>) {
        with_default(&self.dispatch, || TracingSink.record(happening));
    }
}
