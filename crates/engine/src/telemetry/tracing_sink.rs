//! Worker events as `tracing` events: the fields of the log lines, and the numbers that become metrics.
//!
//! `tracing` knows numbers, flags and text. Lists and maps are JSON in a field, and the log's layer (`emf`) unwraps
//! the fields that it names in `NESTED`.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tracing::{Level, debug, error, info, warn};

use crate::attempt::{AttemptResult, Report, TimerRecord};
use crate::ports::Message;
use crate::telemetry::event::{EventSink, Summary, WorkerEvent};
use crate::telemetry::measure::{Amount, measured};
use writerlink_core::ledger::record::{RecordKind, Step};
use writerlink_core::model::outcome::Disposition;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::target::ObservedTarget;

/// Writes worker events to `tracing`.
#[derive(Clone, Copy, Debug)]
pub struct TracingSink;

/// An event whose level is known only when it happens. A call site of `tracing` has one level, so there are three.
macro_rules! event_at {
    ($level:expr, $($fields:tt)+) => {
        match $level {
            Level::ERROR => error!($($fields)+),
            Level::WARN => warn!($($fields)+),
            _ => info!($($fields)+),
        }
    };
}

impl EventSink for TracingSink {
    fn record(&self, happening: &WorkerEvent<'_>) {
        let metrics = || metrics(happening);
        match happening {
            WorkerEvent::Started { .. } | WorkerEvent::PassEnded { .. } => {}
            WorkerEvent::LoopPassed => debug!("the receive loop made progress"),
            WorkerEvent::Received(messages) => debug!(messages, "a receive returned"),
            WorkerEvent::LoopPasses(_) => {
                info!(event = "receive_loop", metrics = metrics(), "the receive loop is running");
            }
            WorkerEvent::Attempt(report) => attempt(report, metrics),
            WorkerEvent::Ignored { message, reason } => {
                of_message("message_ignored", message, metrics().as_deref(), reason);
            }
            WorkerEvent::Malformed { message, reason } => {
                of_message("message_malformed", message, metrics().as_deref(), reason);
            }
            WorkerEvent::VisibilityLost { message, call } => {
                of_message("visibility_lost", message, metrics().as_deref(), call);
            }
            WorkerEvent::QueueFailed(error) => warn!(event = "queue_failed", metrics = metrics(), "{error}"),
            WorkerEvent::Panicked(what) => error!(event = "panicked", metrics = metrics(), "{what}"),
            WorkerEvent::TimerRecorded { route, noted } => recorded(route.name.as_str(), noted, metrics),
            WorkerEvent::ReconcileFailed { route, error } => {
                let route = route.name.as_str();
                warn!(event = "reconcile_failed", metrics = metrics(), route, "{error}");
            }
            WorkerEvent::MapNotCompared { route, error } => info!(
                event = "map_not_compared",
                route = route.name.as_str(),
                "the instance map is not compared with RDS: {error}; allow rds:DescribeDBInstances, name an endpoint, or \
                 set map_check = \"off\""
            ),
            WorkerEvent::ChainBroken { route, broken } => {
                let (route, first_bad_seq) = (route.name.as_str(), broken.seq());
                error!(event = "chain_broken", metrics = metrics(), route, first_bad_seq, "{broken}");
            }
            WorkerEvent::HttpNotAccepting { address, error } => not_accepting(*address, error),
            WorkerEvent::LedgerRecovered { route, from, to } => warn!(
                event = "ledger_recovered",
                route = route.name.as_str(),
                "the state ended at record {from}, the audit at record {to}; the state was rebuilt from the records"
            ),
            WorkerEvent::Summary(Summary { routes, .. }) => {
                info!(
                    event = "reconcile_summary",
                    metrics = metrics(),
                    routes,
                    "reconcile passes of the last minute"
                );
            }
            WorkerEvent::ConcurrencyLimit { at_most, of } if at_most < of => warn!(
                event = "concurrency_limit",
                metrics = metrics(),
                "the ledger is slow or throttles: at most {at_most} of {of} groups are processed at once"
            ),
            WorkerEvent::ConcurrencyLimit { .. } => {
                info!(
                    event = "concurrency_limit",
                    metrics = metrics(),
                    "the ledger has recovered: no limit on groups"
                );
            }
            WorkerEvent::Stopping { within, receive_ends_within } => {
                info!(event = "stopping", "{}", stopping(*within, *receive_ends_within));
            }
            WorkerEvent::Released { receive_is_open, .. } => {
                warn!(event = "released", metrics = metrics(), "{}", released(*receive_is_open));
            }
        }
    }
}

fn of_message(event: &str, message: &Message, metrics: Option<&str>, note: &str) {
    let Message { id, group, receive_count, .. } = message;
    warn!(event, metrics, message_id = id, message_group = group, receive_count, "{note}");
}

fn attempt(report: &Report, metrics: impl Fn() -> Option<String>) {
    let desired = report.desired.as_ref();
    let told = report.told.event();
    let reason = match &report.ended {
        AttemptResult::Settled(verdict) | AttemptResult::Deferred(verdict, _) => {
            Some(verdict.reason.as_str())
        }
        _ => None,
    };
    event_at!(
        level_of_attempt(&report.ended),
        event = "attempt",
        metrics = metrics(),
        route = report.route.as_str(),
        outcome = report.ended.as_str(),
        event_key = %report.event_key,
        transition = %report.transition,
        attempt = report.attempt,
        resumed = report.resumed,
        generation = report.generation.map(|generation| generation.0),
        instance = desired.map(|(instance, _)| instance.as_str()),
        target = desired.map(|(_, target)| target.to_string()),
        before = targets(&report.before),
        after = targets(&report.after),
        steps = steps(&report.steps),
        reason,
        cause = report.cause.as_str(),
        evidence_at = %report.told.at(),
        evidence = report.told.text(),
        event_id = told.and_then(|event| event.id).map(|id| id.to_string()),
        event_source = told.map(|event| event.source.as_str()),
        "{}",
        report.ended.note()
    );
}

fn level_of_attempt(ended: &AttemptResult) -> Level {
    match ended {
        // A person has to examine a dead letter.
        _ if ended.disposition() == Disposition::DeadLetter => Level::ERROR,
        AttemptResult::Settled(_)
        | AttemptResult::Duplicate(_)
        | AttemptResult::Nothing(_)
        | AttemptResult::Busy(..)
        | AttemptResult::Paced(_)
        | AttemptResult::Waits(_, None) => Level::INFO,
        AttemptResult::Waits(_, Some(_))
        | AttemptResult::Deferred(..)
        | AttemptResult::Unavailable(..)
        | AttemptResult::LeaseLost { .. } => Level::WARN,
    }
}

/// Records of the timer that are not attempts.
fn recorded(route: &str, noted: &TimerRecord, metrics: impl Fn() -> Option<String>) {
    let level = match noted.kind {
        RecordKind::TargetNotHealthy | RecordKind::NotSwitched => Level::ERROR,
        RecordKind::DriftDetected if noted.reason != Reason::SourcesAgree => Level::WARN,
        _ => Level::INFO,
    };
    let (event, reason) = (noted.kind.as_str(), noted.reason.as_str());
    event_at!(level, event, metrics = metrics(), route, reason, "{}", noted.note);
}

fn not_accepting(address: SocketAddr, error: &std::io::Error) {
    warn!(
        event = "http_not_accepting",
        "cannot accept connections at {address}: {error}; the worker keeps running; find out which clients keep \
         connections open, or raise the limit on open files (ulimit -n)"
    );
}

/// Why the process does not end at once.
fn stopping(within: Duration, receive_ends_within: Option<Duration>) -> String {
    let within = within.as_secs();
    let finishing = format!("finishing work in progress, for at most {within} s");
    let Some(receive) = receive_ends_within else {
        return finishing;
    };
    let receive = receive.as_secs_f64().ceil();
    format!(
        "{finishing}; waiting up to {receive} s for the open receive, to which SQS would give the next event all the \
         same; a second signal ends it at once"
    )
}

fn released(receive_is_open: bool) -> String {
    let note = "the drain limit was reached; the released groups resume at their next delivery";
    let open =
        "; a receive was still open, and a message that it took is redelivered after its visibility timeout";
    format!("{note}{}", if receive_is_open { open } else { "" })
}

/// The event's numbers by metric, and the fields that are their dimensions; `None` if it has no numbers.
fn metrics(happening: &WorkerEvent<'_>) -> Option<String> {
    let measured = measured(happening);
    let by = [measured.route.map(|_| "route"), measured.outcome.map(|_| "outcome")];
    let by: Vec<&str> = by.into_iter().flatten().collect();
    let number = |amount: &Amount| match amount {
        Amount::Count(count) => json!(count),
        Amount::Time(time) => ms(*time),
    };
    let values = measured.values.iter();
    let values: Map<String, Value> =
        values.map(|(metric, amount)| (metric.name.to_owned(), number(amount))).collect();
    (!values.is_empty()).then(|| json!({"by": by, "values": values}).to_string())
}

fn targets(observed: &[ObservedTarget]) -> String {
    let row = |row: &ObservedTarget| json!({"target": row.target.to_string(), "state": row.health.as_str()});
    observed.iter().map(row).collect::<Value>().to_string()
}

fn steps(steps: &[Step]) -> String {
    let step = |step: &Step| {
        json!({
            "name": step.name,
            "start_ms": ms(step.start),
            "took_ms": ms(step.took),
            "request_id": step.request_id,
            "error": step.error,
        })
    };
    steps.iter().map(step).collect::<Value>().to_string()
}

/// Milliseconds with three decimals: microseconds are the finest that says anything about a call.
#[expect(clippy::cast_precision_loss, reason = "exact up to 285 years in microseconds")]
fn ms(duration: Duration) -> Value {
    json!(duration.as_micros() as f64 / 1000.0)
}
