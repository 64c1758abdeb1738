//! One wide line per attempt, in CloudWatch's Embedded Metric Format: the log line is the metric.
//!
//! The format (CloudWatch user guide, "Embedded metric format specification"): one JSON object a line, `_aws`
//! names the metrics, their values and dimensions stand at the root. With the `awslogs` driver a line becomes
//! a log event, so printing it is enough. Text from events appears only as a JSON string.
//!
//! Every metric has the installation for its first dimension, those of all routes together included: two installations
//! in one account share the namespace, and the one's sign of life must not keep the other's alarm quiet.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::domain::audit::{Reason, RecordKind, Step};
use crate::domain::provenance::InstallationName;
use crate::domain::route::Route;
use crate::domain::target::ObservedTarget;
use crate::domain::time::Timestamp;
use crate::domain::transition::Disposition;
use crate::measure::{
    ATTEMPT_MS, Amount, CALLS_THROTTLED, CHAIN_BROKEN, LEASE_LOST, Measured, Metric, NOT_SERVING,
    REGISTERED_MS, SWAPPED_MS, TRANSITIONS_FAILED, measured,
};
use crate::ports::{Clock, Message};
use crate::reconcile::{Ended, Noted, Report};
use crate::text::{clean, clean_json};
use crate::worker::{Happening, Observer};

/// The CloudWatch namespace of every metric.
pub const NAMESPACE: &str = "writerlink";

/// The dimension of every metric, and a field of every line.
pub const INSTALLATION: &str = "installation";

/// What an alarm looks at over all routes together: these are written by installation alone too, beside the dimensions
/// of their line. The others are not, since a series costs by the month.
const OF_ALL_ROUTES: [Metric; 5] =
    [TRANSITIONS_FAILED, LEASE_LOST, CALLS_THROTTLED, NOT_SERVING, CHAIN_BROKEN];

/// Milliseconds with three decimals: microseconds are the finest that says anything about a call.
#[expect(clippy::cast_precision_loss, reason = "exact up to 285 years in microseconds")]
fn ms(duration: Duration) -> Value {
    json!(duration.as_micros() as f64 / 1000.0)
}

/// The line for something that happened at `now`; single turns of the loop are not worth one.
#[must_use]
pub fn line(happening: &Happening<'_>, now: Timestamp, installation: &InstallationName) -> Option<Value> {
    let (mut fields, measured) = (words(happening)?, measured(happening));
    if !measured.values.is_empty() {
        emit(now, &mut fields, &measured);
    }
    Some(dated(now, Some(installation), fields))
}

/// What a line says besides its numbers.
fn words(happening: &Happening<'_>) -> Option<Map<String, Value>> {
    Some(match happening {
        Happening::Started { .. } | Happening::Turned | Happening::Received(_) => return None,
        Happening::Turns(_) => event("receiving", "info", "the receiving loop turns"),
        Happening::Attempt(report) => attempt(report),
        Happening::Ignored { message, reason } => of_message("message_ignored", message, reason),
        Happening::Malformed { message, reason } => of_message("message_malformed", message, reason),
        Happening::VisibilityLost { message, call } => of_message("visibility_lost", message, call),
        Happening::QueueFailed(error) => event("queue_failed", "warn", &error.to_string()),
        Happening::Panicked(what) => event("panicked", "error", what),
        Happening::Noted { route, noted } => of_timer(route, noted),
        Happening::LookFailed { route, error } => {
            let fields = event("look_failed", "warn", &error.to_string());
            of_route(route, fields)
        }
        Happening::MapNotCompared { route, error } => {
            let note = format!(
                "the maps of static routes are not compared with RDS: {error}; allow rds:DescribeDBInstances, name an \
                 endpoint, or write map_check = \"off\""
            );
            of_route(route, event("map_not_compared", "info", &note))
        }
        Happening::ChainBroken { route, broken } => {
            let mut fields = event("chain_broken", "error", &broken.to_string());
            fields.insert("first_bad_seq".into(), json!(broken.seq()));
            of_route(route, fields)
        }
        Happening::HttpNotAccepting { address, error } => http_not_accepting(*address, error),
        Happening::LedgerRecovered { route, from, to } => {
            let note = format!(
                "the state ended at record {from}, the audit at record {to}; the state was rebuilt from the records"
            );
            of_route(route, event("ledger_recovered", "warn", &note))
        }
        Happening::Summary(summary) => {
            let mut fields = event("minute", "info", "the timer goes round");
            fields.insert("routes".into(), json!(summary.routes));
            fields
        }
        Happening::Room { at_most, of } => {
            let (level, note) = if at_most < of {
                ("warn", "the ledger answers too slowly, or refuses: fewer groups are worked on at once")
            } else {
                ("info", "the ledger answers again: all groups have room")
            };
            event("room", level, note)
        }
        Happening::Stopping { within, receive_ends_within } => {
            event("stopping", "info", &stopping(*within, *receive_ends_within))
        }
        Happening::LetGo { receive_is_open, .. } => {
            let note = "the drain limit was over; the next delivery resumes what was let go of";
            let open =
                "; the receive was still open, and a message that it takes comes back after its visibility";
            event("let_go", "warn", &format!("{note}{}", if *receive_is_open { open } else { "" }))
        }
    })
}

fn http_not_accepting(address: SocketAddr, error: &io::Error) -> Map<String, Value> {
    let note = format!(
        "no connection can be accepted at {address}: {error}; the worker goes on; see who keeps connections to it \
         open, or let it open more files (ulimit -n)"
    );
    event("http_not_accepting", "warn", &note)
}

/// Why it does not end at once, to a person who waits for it.
fn stopping(within: Duration, receive_ends_within: Option<Duration>) -> String {
    let within = within.as_secs();
    let finishing = format!("finishing what is in hand, for at most {within} s");
    let Some(receive) = receive_ends_within else {
        return finishing;
    };
    let receive = receive.as_secs_f64().ceil();
    format!(
        "{finishing}; waiting up to {receive} s for the open receive, to which SQS would give the next event all the \
         same; a second signal ends it at once"
    )
}

fn of_route(route: &Route, mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.insert("route".into(), json!(route.name.as_str()));
    fields
}

/// What the timer recorded besides its attempts.
fn of_timer(route: &Route, noted: &Noted) -> Map<String, Value> {
    let level = match noted.kind {
        RecordKind::NotServing => "error",
        RecordKind::Noticed if noted.reason != Reason::SourcesAgree => "warn",
        _ => "info",
    };
    let mut fields = event(noted.kind.as_str(), level, &noted.note);
    fields.insert("reason".into(), json!(noted.reason.as_str()));
    of_route(route, fields)
}

fn event(name: &str, level: &str, note: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("level".into(), json!(level));
    fields.insert("event".into(), json!(name));
    fields.insert("note".into(), json!(note));
    fields
}

fn of_message(name: &str, message: &Message, note: &str) -> Map<String, Value> {
    let mut fields = event(name, "warn", note);
    fields.insert("message_id".into(), json!(message.id));
    fields.insert("message_group".into(), json!(message.group));
    fields.insert("receive_count".into(), json!(message.receive_count));
    fields
}

fn attempt(report: &Report) -> Map<String, Value> {
    let level = match report.ended {
        // Somebody has to look at what goes to the dead-letter queue.
        _ if report.ended.disposition() == Disposition::DeadLetter => "error",
        Ended::Settled(_)
        | Ended::Duplicate(_)
        | Ended::Nothing(_)
        | Ended::Busy(..)
        | Ended::Paced(_)
        | Ended::Waits(_, None) => "info",
        Ended::Waits(_, Some(_)) | Ended::Deferred(..) | Ended::Unavailable(..) | Ended::LeaseLost { .. } => {
            "warn"
        }
    };
    let mut fields = event("attempt", level, &report.ended.note());
    let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    put("route", json!(report.route.as_str()));
    put("outcome", json!(report.ended.as_str()));
    put("event_key", json!(report.event_key.to_string()));
    put("transition", json!(report.transition.to_string()));
    put("attempt", json!(report.attempt));
    put("resumed", json!(report.resumed));
    put("generation", json!(report.generation.map(|generation| generation.0)));
    put("instance", json!(report.desired.as_ref().map(|(instance, _)| instance.as_str())));
    put("target", json!(report.desired.as_ref().map(|(_, target)| target.to_string())));
    put("before", rows(&report.before));
    put("after", rows(&report.after));
    put("steps", report.steps.iter().map(step).collect());
    if let Ended::Settled(verdict) | Ended::Deferred(verdict, _) = &report.ended {
        put("reason", json!(verdict.reason.as_str()));
    }
    fields.extend(evidence(report));
    fields
}

/// What spoke for the move.
fn evidence(report: &Report) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    put("cause", json!(report.cause.as_str()));
    put("evidence_at", json!(report.told.at().to_string()));
    put("evidence", json!(report.told.said()));
    if let Some(event) = report.told.event() {
        put("event_id", json!(event.id.map(|id| id.to_string())));
        put("event_source", json!(event.source.as_str()));
    }
    fields
}

fn rows(observed: &[ObservedTarget]) -> Value {
    observed
        .iter()
        .map(|row| json!({"target": row.target.to_string(), "state": row.health.as_str()}))
        .collect()
}

fn step(step: &Step) -> Value {
    json!({
        "name": step.name,
        "start_ms": ms(step.start),
        "took_ms": ms(step.took),
        "request_id": step.request_id,
        "error": step.error,
    })
}

/// Puts metrics into a line. Each dimension set is the installation and a prefix of route and outcome, so that a metric
/// can be looked at with and without its last dimension; none of them is an id, which would make every event
/// a metric of its own. What an alarm looks at over all routes has a directive of the installation alone besides.
fn emit(now: Timestamp, fields: &mut Map<String, Value>, measured: &Measured<'_>) {
    let given = [Some(INSTALLATION), measured.route.map(|_| "route"), measured.outcome.map(|_| "outcome")];
    let dimensions: Vec<&str> = given.into_iter().flatten().collect();
    let (of_installation, by_route) = dimensions.split_at(1);
    let sets: Vec<&[&str]> = if by_route.is_empty() {
        vec![of_installation]
    } else {
        (2..=dimensions.len()).map(|n| &dimensions[..n]).collect()
    };
    let metrics = || measured.values.iter().map(|(metric, _)| *metric);
    let mut directives = vec![directive(&sets, metrics())];
    let of_all = |metric: &Metric| OF_ALL_ROUTES.contains(metric);
    if !by_route.is_empty() && metrics().any(|metric| of_all(&metric)) {
        directives.push(directive(&[of_installation], metrics().filter(of_all)));
    }
    let about = json!({"Timestamp": now.as_millis(), "CloudWatchMetrics": directives});
    fields.insert("_aws".into(), about);
    for (metric, amount) in &measured.values {
        let value = match amount {
            Amount::Count(count) => json!(count),
            Amount::Time(time) => ms(*time),
        };
        fields.insert(metric.name.to_owned(), value);
    }
}

fn directive(sets: &[&[&str]], metrics: impl Iterator<Item = Metric>) -> Value {
    let named = metrics.map(|metric| json!({"Name": metric.name, "Unit": metric.unit()}));
    let named: Vec<Value> = named.collect();
    json!({"Namespace": NAMESPACE, "Dimensions": sets, "Metrics": named})
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Embedded Metric Format.
    Json,
    /// For a person at a terminal.
    Text,
}

/// Writes a line for everything that happens.
pub struct LineWriter {
    clock: Arc<dyn Clock>,
    style: Style,
    installation: InstallationName,
    out: Mutex<Box<dyn Write + Send>>,
}

impl LineWriter {
    /// A writer to `out`.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        style: Style,
        installation: InstallationName,
        out: Box<dyn Write + Send>,
    ) -> Self {
        Self { clock, style, installation, out: Mutex::new(out) }
    }
}

impl LineWriter {
    /// Writes a line about the process itself, which is no metric.
    pub fn say(&self, level: &str, event: &str, note: &str) {
        let named = Some(&self.installation);
        self.write(&plain(self.clock.wall(), named, level, event, note));
    }

    fn write(&self, line: &Value) {
        let text = match self.style {
            Style::Json => clean_json(&line.to_string()),
            Style::Text => as_text(line),
        };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not stop a failover; the audit is in the ledger.
        drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    }
}

/// A line without a metric, of this level and event. It has no installation where no configuration was read that would
/// name it.
#[must_use]
pub fn plain(
    now: Timestamp,
    installation: Option<&InstallationName>,
    level: &str,
    name: &str,
    note: &str,
) -> Value {
    dated(now, installation, event(name, level, note))
}

fn dated(now: Timestamp, installation: Option<&InstallationName>, mut fields: Map<String, Value>) -> Value {
    if let Some(name) = installation {
        fields.insert(INSTALLATION.into(), json!(name.as_str()));
    }
    fields.insert("time".into(), json!(now.to_string()));
    Value::Object(fields)
}

impl Observer for LineWriter {
    fn tell(&self, happening: &Happening<'_>) {
        if let Some(line) = line(happening, self.clock.wall(), &self.installation) {
            self.write(&line);
        }
    }
}

fn as_text(line: &Value) -> String {
    let field = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    let words = ["time", "level", "event", "route", "outcome", "reason", "event_id", "instance"];
    let words = words.into_iter().map(field).filter(|word| !word.is_empty()).map(str::to_owned);
    let times = [ATTEMPT_MS.name, REGISTERED_MS.name, SWAPPED_MS.name];
    let times = times.into_iter().filter_map(|key| Some(format!("{key}={}", line.get(key)?)));
    // Debug escapes line breaks and quotes: an event's text cannot forge a line.
    let note = std::iter::once(format!("{:?}", field("note")));
    clean(&words.chain(times).chain(note).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Cause, Reason, Told};
    use crate::domain::decide::Verdict;
    use crate::domain::event::{EventKey, RdsEvent, SourceKind};
    use crate::domain::route::{RouteName, SourceId};
    use crate::domain::transition::{Outcome, TransitionId};

    fn report() -> Report {
        let event = RdsEvent {
            id: None,
            source: SourceId::new("orders").unwrap(),
            kind: SourceKind::Cluster,
            source_arn: None,
            at: Timestamp::EPOCH,
            message: "forged\n{\"_aws\": {}}".to_owned(),
        };
        let route = RouteName::new("orders").unwrap();
        let step = |name: &str, start, took| Step {
            name: name.to_owned(),
            start: Duration::from_millis(start),
            took: Duration::from_millis(took),
            request_id: None,
            error: None,
        };
        Report {
            event_key: EventKey::drawn(&route, event.at, 1),
            route,
            cause: Cause::Event,
            told: Told::Event(event),
            transition: TransitionId::from_parts(Timestamp::EPOCH, 7),
            attempt: 1,
            resumed: false,
            generation: None,
            desired: None,
            before: Vec::new(),
            after: Vec::new(),
            steps: vec![
                step("Begin", 0, 3),
                step("RegisterTargets", 3, 4),
                step("DescribeTargetHealth", 3, 2),
                step("DeregisterTargets", 7, 5),
                step("DescribeTargetHealth", 12, 2),
            ],
            took: Duration::from_micros(20_500),
            event_age: Duration::from_secs(5),
            ended: Ended::Settled(Verdict::new(Outcome::Swapped, Reason::WriterMoved, "moved")),
        }
    }

    fn installation() -> InstallationName {
        InstallationName::new("orders-prod").unwrap()
    }

    /// Every happening there is, one of each.
    fn lines() -> Vec<Value> {
        let report = report();
        let message = Message {
            id: "m".to_owned(),
            group: "orders".to_owned(),
            body: String::new(),
            receipt: "r".to_owned(),
            receive_count: 2,
            sent_at: Timestamp::EPOCH,
            first_received_at: Timestamp::EPOCH,
        };
        let error = crate::ports::CallError {
            call: "ReceiveMessage",
            kind: crate::ports::ErrorKind::Throttled,
            code: "ThrottlingException".to_owned(),
            message: "Rate exceeded".to_owned(),
            request_id: None,
        };
        let (message, reason) = (&message, "because");
        let happenings = [
            Happening::Attempt(&report),
            Happening::Ignored { message, reason },
            Happening::Malformed { message, reason },
            Happening::QueueFailed(&error),
            Happening::VisibilityLost { message, call: "DeleteMessage" },
            Happening::Panicked("at the disco"),
            Happening::Room { at_most: 32, of: 64 },
            Happening::LetGo { groups: 3, receive_is_open: true },
        ];
        let now = Timestamp::from_millis(1_778_108_865_884);
        happenings.iter().map(|happening| line(happening, now, &installation()).unwrap()).collect()
    }

    #[test]
    fn every_line_keeps_the_embedded_metric_format() {
        for line in lines() {
            let about = &line["_aws"];
            assert_eq!(about["Timestamp"], json!(1_778_108_865_884_i64));
            for directive in about["CloudWatchMetrics"].as_array().unwrap() {
                keeps_the_format(&line, directive);
            }
        }
    }

    #[test]
    fn every_series_and_every_line_names_its_installation() {
        for line in lines() {
            assert_eq!(line["installation"], json!("orders-prod"), "{line}");
            for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
                for set in directive["Dimensions"].as_array().unwrap() {
                    assert_eq!(set[0], json!("installation"), "{line}");
                }
            }
        }
        let said = plain(Timestamp::EPOCH, Some(&installation()), "info", "started", "version");
        assert_eq!(said["installation"], json!("orders-prod"));
    }

    #[test]
    fn a_dimension_more_makes_no_series_more() {
        let line = line(&Happening::Panicked("once"), Timestamp::EPOCH, &installation());
        let directives = line.unwrap()["_aws"]["CloudWatchMetrics"].clone();
        assert_eq!(directives.as_array().map(Vec::len), Some(1));
        assert_eq!(directives[0]["Dimensions"], json!([["installation"]]));
    }

    fn keeps_the_format(line: &Value, directive: &Value) {
        assert_eq!(directive["Namespace"], json!(NAMESPACE));
        for set in directive["Dimensions"].as_array().unwrap() {
            for dimension in set.as_array().unwrap() {
                let value = &line[dimension.as_str().unwrap()];
                assert!(value.is_string(), "{dimension} stands at the root as a string");
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(!metrics.is_empty() && metrics.len() <= 100);
        for metric in metrics {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{name} stands at the root as a number");
            let known = crate::measure::metrics().into_iter().find(|known| known.name == name).unwrap();
            assert_eq!(metric["Unit"], json!(known.unit()));
        }
    }

    #[test]
    fn metrics_over_all_routes_are_written_by_installation_alone_too() {
        let mut report = report();
        report.ended = Ended::Settled(Verdict::new(Outcome::Failed, Reason::CallFailed, "no"));
        report.steps[1].error = Some("RegisterTargets failed (throttled): no".to_owned());
        let line = line(&Happening::Attempt(&report), Timestamp::EPOCH, &installation()).unwrap();
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        let [by_route, of_all] = directives.as_slice() else { panic!("{directives:?}") };
        assert_eq!(
            by_route["Dimensions"],
            json!([["installation", "route"], ["installation", "route", "outcome"]])
        );
        assert_eq!(of_all["Dimensions"], json!([["installation"]]));
        let names = of_all["Metrics"].as_array().unwrap();
        let names: Vec<&Value> = names.iter().map(|metric| &metric["Name"]).collect();
        assert_eq!(names, ["transitions_failed", "calls_throttled"]);
    }

    #[test]
    fn an_attempt_tells_every_phase_in_milliseconds() {
        let line = &lines()[0];
        assert_eq!(line["attempt_ms"], json!(20.5));
        assert_eq!(line["event_age_ms"], json!(5000.0));
        assert_eq!(line["registered_ms"], json!(7.0));
        assert_eq!(line["swapped_ms"], json!(12.0));
        assert_eq!(line["begin_ms"], json!(3.0));
        assert_eq!(line["observe_ms"], json!(4.0), "a phase that comes twice is added up");
    }

    #[test]
    fn an_events_text_stays_inside_its_json_string_and_on_its_line() {
        let line = &lines()[0];
        let text = line.to_string();
        assert_eq!(text.lines().count(), 1);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["evidence"], json!("forged\n{\"_aws\": {}}"));
        assert_eq!(as_text(line).lines().count(), 1);
    }

    #[test]
    fn what_cannot_be_seen_is_escaped_in_both_styles_of_the_log() {
        let written = |style| {
            let (out, lines) = std::io::pipe().unwrap();
            let clock = Arc::new(crate::system_clock::SystemClock::start());
            let writer = LineWriter::new(clock, style, installation(), Box::new(lines));
            writer.say("warn", "told", "a\u{200B}b\u{2028}c\u{E0041}\u{FE0F}d");
            drop(writer);
            std::io::read_to_string(out).unwrap()
        };
        let json = written(Style::Json);
        assert!(json.contains(r"a\u200bb\u2028c\udb40\udc41\ufe0fd"), "{json}");
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["note"], json!("a\u{200B}b\u{2028}c\u{E0041}\u{FE0F}d"));
        let text = written(Style::Text);
        assert!(text.contains(r"a\u{200b}b\u{2028}c\u{e0041}\u{fe0f}d"), "{text}");
        assert_eq!((json.lines().count(), text.lines().count()), (1, 1));
    }

    #[test]
    fn a_stopping_worker_says_what_it_waits_for_and_is_no_metric() {
        let said = |receive_ends_within| {
            let within = Duration::from_secs(25);
            let stopping = Happening::Stopping { within, receive_ends_within };
            let line = line(&stopping, Timestamp::EPOCH, &installation()).unwrap();
            assert_eq!(line.get("_aws"), None);
            as_text(&line)
        };
        insta::assert_snapshot!(said(None), @r#"1970-01-01T00:00:00.000Z info stopping "finishing what is in hand, for at most 25 s""#);
        insta::assert_snapshot!(said(Some(Duration::from_millis(16_500))), @r#"1970-01-01T00:00:00.000Z info stopping "finishing what is in hand, for at most 25 s; waiting up to 17 s for the open receive, to which SQS would give the next event all the same; a second signal ends it at once""#);
    }

    #[test]
    fn no_dimension_is_an_id() {
        for line in lines() {
            for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
                let sets = directive["Dimensions"].as_array().unwrap();
                for name in sets.iter().flat_map(|set| set.as_array().unwrap()) {
                    let few = [INSTALLATION, "route", "outcome"];
                    assert!(few.contains(&name.as_str().unwrap()));
                }
            }
        }
    }
}
