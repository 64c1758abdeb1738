//! The measurements of a worker event, in one place: the log's metrics (`emf`) and `/metrics` (`prometheus`) cannot
//! differ.

mod metrics;

use std::time::Duration;

use crate::attempt::{AttemptResult, Report, TimerRecord};
use crate::ports::{CallError, ErrorKind};
use crate::telemetry::event::{Summary, WorkerEvent};
pub use crate::telemetry::measure::metrics::*;
use writerlink_core::ledger::record::{RecordKind, Step};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;

/// The dimension of every metric, and a field of every line.
pub const INSTALLATION: &str = "installation";

/// A number of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A count.
    Count(usize),
    /// A duration.
    Time(Duration),
}

/// Measurements, with the route and outcome that they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured<'a> {
    /// The route, unless they are the worker's.
    pub route: Option<&'a str>,
    /// The outcome, if they are an attempt's.
    pub outcome: Option<&'static str>,
    /// The numbers.
    pub values: Vec<(Metric, Amount)>,
}

/// Measures what happened.
#[must_use]
pub fn measured<'a>(happening: &WorkerEvent<'a>) -> Measured<'a> {
    match happening {
        WorkerEvent::Started { .. }
        | WorkerEvent::LoopPassed
        | WorkerEvent::Received(_)
        | WorkerEvent::HttpNotAccepting { .. }
        | WorkerEvent::Stopping { .. }
        | WorkerEvent::MapNotCompared { .. }
        | WorkerEvent::PassEnded { .. }
        | WorkerEvent::LedgerRecovered { .. } => Measured::default(),
        WorkerEvent::LoopPasses(turns) => of_worker(vec![(RECEIVE_LOOP_PASSES, Amount::Count(*turns))]),
        WorkerEvent::Attempt(report) => Measured {
            route: Some(report.route.as_str()),
            outcome: Some(report.ended.as_str()),
            values: of_attempt(report),
        },
        WorkerEvent::Ignored { .. } => once(MESSAGES_IGNORED),
        WorkerEvent::Malformed { .. } => once(MESSAGES_MALFORMED),
        WorkerEvent::VisibilityLost { .. } => once(VISIBILITY_LOST),
        WorkerEvent::QueueFailed(error) => of_worker(vec![one(QUEUE_FAILURES), throttled(error)]),
        WorkerEvent::Panicked(_) => once(PANICS),
        WorkerEvent::TimerRecorded { route, noted } => Measured {
            route: Some(route.name.as_str()),
            outcome: None,
            values: of_note(noted).into_iter().collect(),
        },
        WorkerEvent::ReconcileFailed { error, .. } => of_worker(vec![throttled(error)]),
        WorkerEvent::ChainBroken { route, .. } => {
            Measured { route: Some(route.name.as_str()), outcome: None, values: vec![one(CHAIN_BROKEN)] }
        }
        WorkerEvent::Summary(summary) => of_worker(of_summary(summary)),
        WorkerEvent::ConcurrencyLimit { at_most, .. } => {
            of_worker(vec![(GROUP_CONCURRENCY_LIMIT, Amount::Count(*at_most))])
        }
        WorkerEvent::Released { groups, .. } => of_worker(vec![(GROUPS_RELEASED, Amount::Count(*groups))]),
    }
}

fn one(metric: Metric) -> (Metric, Amount) {
    (metric, Amount::Count(1))
}

fn once(metric: Metric) -> Measured<'static> {
    of_worker(vec![one(metric)])
}

fn of_worker(values: Vec<(Metric, Amount)>) -> Measured<'static> {
    Measured { values, ..Measured::default() }
}

fn throttled(error: &CallError) -> (Metric, Amount) {
    let count = usize::from(error.kind == ErrorKind::Throttled);
    (CALLS_THROTTLED, Amount::Count(count))
}

fn of_note(noted: &TimerRecord) -> Option<(Metric, Amount)> {
    let took = Amount::Time(noted.took.unwrap_or_default());
    match noted.kind {
        RecordKind::TargetHealthy => Some((TARGET_HEALTHY_MS, took)),
        RecordKind::TargetRemoved => Some((TARGET_REMOVED_MS, took)),
        RecordKind::TargetNotHealthy => Some(one(TARGETS_NOT_HEALTHY)),
        RecordKind::RelaysSwitched => Some((RELAYS_SWITCHED_MS, took)),
        RecordKind::NotSwitched => Some(one(RELAYS_NOT_SWITCHED)),
        RecordKind::DriftDetected if noted.reason == Reason::SourcesAgree => None,
        RecordKind::DriftDetected => Some(one(ATTEMPTS_HELD)),
        RecordKind::Started
        | RecordKind::Resumed
        | RecordKind::Deferred
        | RecordKind::Finished
        | RecordKind::Command
        | RecordKind::Recovered
        | RecordKind::Adopted => None,
    }
}

fn of_summary(summary: &Summary) -> Vec<(Metric, Amount)> {
    let counted = [
        (RECONCILE_PASSES, summary.passes),
        (RECONCILE_FAILURES, summary.failed),
        (ROUTES_OUT_OF_SYNC, summary.out_of_sync),
        (PAUSED_TOO_LONG, summary.paused_long),
        (FLAP_PROTECTED, summary.flap_protected),
        (ROUTES_WITHOUT_RELAY, summary.without_relay),
    ];
    counted.map(|(metric, count)| (metric, Amount::Count(count))).into()
}

fn of_attempt(report: &Report) -> Vec<(Metric, Amount)> {
    let mut values = vec![one(ATTEMPTS)];
    let mut took = |metric, time: Option<Duration>| {
        values.extend(time.map(|time| (metric, Amount::Time(time))));
    };
    took(ATTEMPT_MS, Some(report.took));
    took(EVENT_DELAY_MS, report.told.event().map(|_| report.event_age));
    took(REGISTERED_MS, report.registered());
    took(MOVED_MS, report.swapped());
    for (name, metric) in PHASES {
        let of_phase = |step: &&Step| step.name == name;
        let phase = || report.steps.iter().filter(of_phase);
        let sum = phase().map(|step| step.took).sum();
        took(metric, phase().next().map(|_| sum));
    }
    values.extend(how_it_failed(report));
    values
}

/// The failure counters of an attempt, which alarms use.
fn how_it_failed(report: &Report) -> impl Iterator<Item = (Metric, Amount)> {
    let failed = |outcome| outcome == Some(Outcome::Failed);
    let throttled = |step: &&Step| {
        let error = step.error.as_deref().unwrap_or_default();
        error.contains(ErrorKind::Throttled.as_str())
    };
    let throttled = report.steps.iter().filter(throttled).count();
    let held = |outcome| matches!(outcome, Some(Outcome::Paused | Outcome::Observed));
    let lost = matches!(report.ended, AttemptResult::LeaseLost { .. });
    let outcome = report.ended.outcome();
    let counted = [
        (TRANSITIONS_FAILED, usize::from(failed(outcome))),
        (ATTEMPTS_HELD, usize::from(held(outcome))),
        (LEASE_LOST, usize::from(lost)),
        (CALLS_THROTTLED, throttled),
    ];
    let happened = counted.into_iter().filter(|(_, count)| *count > 0);
    happened.map(|(metric, count)| (metric, Amount::Count(count)))
}
