//! What a scene is made of. The story writes it, the teller shows it.

use std::time::Duration;

use serde::Serialize;

use crate::cli::render::{Row, or_dash};
use writerlink_core::model::target::ObservedTarget;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::attempt::Report;
use writerlink_sim::faults::Effect;

/// Something that happened, with everything there is to tell of it.
pub(super) struct Scene {
    /// None for what goes on without anybody doing anything.
    pub(super) title: Option<&'static str>,
    /// When it begins, since the world began.
    pub(super) at: Duration,
    pub(super) beats: Vec<Beat>,
}

/// One thing in a scene.
pub(super) enum Beat {
    /// Somebody, and what there is to say of it.
    Said(&'static str, String),
    /// An attempt of a worker, and how long after the message's arrival it began.
    Attempt { worker: &'static str, report: Box<Report>, began: Duration },
    /// What a worker did that told nothing any more.
    LastCalls { worker: &'static str, arrived: Duration, effects: Vec<Effect> },
    /// The group, at several times.
    Group(Vec<Sighting>),
}

/// The group as it was at some time.
pub(super) struct Sighting {
    pub(super) when: &'static str,
    pub(super) rows: Vec<ObservedTarget>,
}

impl Scene {
    pub(super) fn new(title: &'static str, at: Duration) -> Self {
        let (title, beats) = (Some(title), Vec::new());
        Self { title, at, beats }
    }

    pub(super) fn meanwhile(at: Duration) -> Self {
        let (title, beats) = (None, Vec::new());
        Self { title, at, beats }
    }

    pub(super) fn say(&mut self, who: &'static str, text: impl Into<String>) {
        self.beats.push(Beat::Said(who, text.into()));
    }
}

/// What became of one message, for programs.
#[derive(Default, Serialize)]
pub(super) struct StepRow {
    pub(super) name: &'static str,
    pub(super) event_key: Option<String>,
    pub(super) outcome: String,
    pub(super) registered_ms: Option<u64>,
    pub(super) moved_ms: Option<u64>,
}

impl Row for StepRow {
    fn cells(&self) -> Vec<(&'static str, String)> {
        let ms = |ms: Option<u64>| or_dash(ms.map(|ms| format!("{ms} ms")));
        vec![
            ("STEP", self.name.to_owned()),
            ("OUTCOME", self.outcome.clone()),
            ("REGISTERED", ms(self.registered_ms)),
            ("SWAPPED", ms(self.moved_ms)),
        ]
    }
}

/// `23:00:31`.
pub(super) fn time_of_day(at: Timestamp) -> String {
    at.to_string().chars().skip(11).take(8).collect()
}
