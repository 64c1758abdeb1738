//! The log: one line for every event of `tracing`.
//!
//! In JSON an event of ours with numbers is a line in CloudWatch's Embedded Metric Format: the log line is
//! the metric. The format (CloudWatch user guide, "Embedded metric format specification"): one JSON object a
//! line, `_aws` names the metrics, their values and dimensions stand at the root. With the `awslogs` driver a
//! line becomes a log event, so printing it is enough. Text from events appears only as a JSON string.
//!
//! Every metric has the installation for its first dimension, those of all routes together included: two
//! installations in one account share the namespace, and one's sign of life must not silence the other's
//! alarm.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use writerlink_core::model::provenance::InstallationName;
use writerlink_core::model::time::Timestamp;
pub use writerlink_engine::telemetry::measure::INSTALLATION;
use writerlink_engine::telemetry::measure::{
    ATTEMPT_MS, CALLS_THROTTLED, CHAIN_BROKEN, LEASE_LOST, MOVED_MS, Metric, REGISTERED_MS,
    RELAYS_NOT_SWITCHED, TARGETS_NOT_HEALTHY, TRANSITIONS_FAILED, metrics,
};
use writerlink_engine::text::{clean, clean_json};

/// The CloudWatch namespace of every metric.
pub const NAMESPACE: &str = "writerlink";

/// How the targets of this program's own code begin.
pub const OURS: &str = "writerlink";

/// The field that holds an event's numbers: `{"by": [fields], "values": {metric: number}}`.
pub const METRICS: &str = "metrics";

/// The fields whose text is JSON, since `tracing` has neither lists nor maps.
const NESTED: [&str; 4] = [METRICS, "before", "after", "steps"];

/// The metrics of alarms over all routes: these are also written by installation alone, beside the dimensions
/// of their line. The others are not, because each series costs by the month.
const OF_ALL_ROUTES: [Metric; 6] =
    [TRANSITIONS_FAILED, LEASE_LOST, CALLS_THROTTLED, TARGETS_NOT_HEALTHY, RELAYS_NOT_SWITCHED, CHAIN_BROKEN];

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line, for tools
    Json,
}

/// The installation of the lines, as soon as the configuration was read.
pub type Installed = Arc<OnceLock<InstallationName>>;

/// The time at which a line is written.
pub type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Writes a line for every event. Fields that an event lacks come from its spans, the innermost first.
pub struct LineLayer {
    now: Now,
    format: LogFormat,
    installation: Installed,
    out: Mutex<Box<dyn Write + Send>>,
}

impl LineLayer {
    /// A layer that writes to `out`.
    #[must_use]
    pub fn new(now: Now, format: LogFormat, installation: Installed, out: Box<dyn Write + Send>) -> Self {
        Self { now, format, installation, out: Mutex::new(out) }
    }

    fn line(&self, event: &Event<'_>) -> Map<String, Value> {
        let now = (self.now)();
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields(mut line) = fields;
        if !target.starts_with(OURS) {
            line.insert("target".into(), json!(target));
        } else if let Some(numbers) = line.remove(METRICS) {
            add_metrics(now, &mut line, &numbers);
        }
        if let Some(name) = self.installation.get() {
            line.insert(INSTALLATION.into(), json!(name.as_str()));
        }
        line.insert("level".into(), json!(level.as_str().to_lowercase()));
        line.insert("time".into(), json!(now.to_string()));
        line
    }

    fn write(&self, line: &Map<String, Value>) {
        let text = match self.format {
            LogFormat::Json => clean_json(&json!(line).to_string()),
            LogFormat::Text => as_text(line),
        };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not stop a failover; the audit is in the ledger.
        drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LineLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = self.line(event);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Fields(of_span)) = span.extensions().get() {
                for (name, value) in of_span {
                    line.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        self.write(&line);
    }
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = if field.name() == "message" { "note" } else { field.name() };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, text: &str) {
        let parsed = NESTED.contains(&field.name()).then(|| serde_json::from_str(text).ok()).flatten();
        self.put(field, parsed.unwrap_or_else(|| json!(text)));
    }

    fn record_u64(&mut self, field: &Field, number: u64) {
        self.put(field, json!(number));
    }

    fn record_i64(&mut self, field: &Field, number: i64) {
        self.put(field, json!(number));
    }

    fn record_bool(&mut self, field: &Field, flag: bool) {
        self.put(field, json!(flag));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(format!("{value:?}")));
    }
}

/// Puts metrics into a line. Each dimension set is the installation and a prefix of route and outcome, so
/// that a metric can be read with and without its last dimension. None of them is an id, which would make
/// every event a metric of its own. Metrics of alarms over all routes also have a directive of the
/// installation alone.
fn add_metrics(now: Timestamp, line: &mut Map<String, Value>, numbers: &Value) {
    let by = numbers["by"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let dimensions: Vec<&str> = [INSTALLATION].into_iter().chain(by).collect();
    let of_installation = &dimensions[..1];
    let values = numbers["values"].as_object().cloned().unwrap_or_default();
    let measured = || metrics().into_iter().filter(|metric| values.contains_key(metric.name));
    let of_all = |metric: &Metric| OF_ALL_ROUTES.contains(metric);
    // By route, and by route and outcome; what is of no route is of the installation.
    let shortest = dimensions.len().min(2);
    let sets: Vec<&[&str]> = (shortest..=dimensions.len()).map(|n| &dimensions[..n]).collect();
    let mut directives = vec![directive(&sets, measured())];
    if dimensions.len() > 1 && measured().any(|metric| of_all(&metric)) {
        directives.push(directive(&[of_installation], measured().filter(of_all)));
    }
    let about = json!({"Timestamp": now.as_millis(), "CloudWatchMetrics": directives});
    line.insert("_aws".into(), about);
    line.extend(values);
}

fn directive(sets: &[&[&str]], metrics: impl Iterator<Item = Metric>) -> Value {
    let named = metrics.map(|metric| json!({"Name": metric.name, "Unit": metric.unit()}));
    let named: Vec<Value> = named.collect();
    json!({"Namespace": NAMESPACE, "Dimensions": sets, "Metrics": named})
}

fn as_text(line: &Map<String, Value>) -> String {
    let field = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    // A library's lines have fields of its own.
    let of_library = !line.contains_key("event");
    let words: &[&str] = if of_library {
        &["time", "level", "target", "route"]
    } else {
        &["time", "level", "event", "route", "outcome", "reason", "event_id", "instance"]
    };
    let times = [ATTEMPT_MS.name, REGISTERED_MS.name, MOVED_MS.name];
    let is_shown = |key: &str| {
        if of_library {
            !words.contains(&key) && key != "note" && key != INSTALLATION
        } else {
            times.contains(&key)
        }
    };
    let words = words.iter().map(|key| field(key)).filter(|word| !word.is_empty()).map(str::to_owned);
    let values = line.iter().filter(|(key, _)| is_shown(key)).map(|(key, value)| format!("{key}={value}"));
    // Debug escapes line breaks and quotes: an event's text cannot forge a line.
    let note = std::iter::once(format!("{:?}", field("note")));
    clean(&words.chain(values).chain(note).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry;

    use super::*;
    use writerlink_core::decision::verdict::Verdict;
    use writerlink_core::evidence::event::{EventKey, RdsEvent};
    use writerlink_core::ledger::record::RecordedTrigger;
    use writerlink_core::ledger::record::Step;
    use writerlink_core::model::ids::TransitionId;
    use writerlink_core::model::names::{RouteName, SourceId};
    use writerlink_core::model::outcome::Outcome;
    use writerlink_core::model::reason::{Cause, Reason};
    use writerlink_core::model::source_arn::SourceKind;
    use writerlink_engine::attempt::AttemptResult;
    use writerlink_engine::attempt::Report;
    use writerlink_engine::ports::Message;
    use writerlink_engine::telemetry::event::EventSink as _;
    use writerlink_engine::telemetry::event::WorkerEvent;
    use writerlink_engine::telemetry::tracing_sink::TracingSink;

    const NOW: i64 = 1_778_108_865_884;

    /// What is written while `act` runs.
    fn written(format: LogFormat, act: impl FnOnce()) -> String {
        let (out, lines) = std::io::pipe().unwrap();
        let installation = Arc::new(OnceLock::from(InstallationName::new("orders-prod").unwrap()));
        let now = Box::new(|| Timestamp::from_millis(NOW));
        let layer = LineLayer::new(now, format, installation, Box::new(lines));
        tracing::subscriber::with_default(registry().with(layer), act);
        std::io::read_to_string(out).unwrap()
    }

    fn line(event: &WorkerEvent<'_>) -> Value {
        serde_json::from_str(&written(LogFormat::Json, || TracingSink.record(event))).unwrap()
    }

    fn text(event: &WorkerEvent<'_>) -> String {
        written(LogFormat::Text, || TracingSink.record(event))
    }

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
            event_key: EventKey::random(&route, event.at, 1),
            route,
            cause: Cause::Event,
            told: RecordedTrigger::Event(event),
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
            ended: AttemptResult::Settled(Verdict::new(Outcome::Moved, Reason::WriterMoved, "moved")),
        }
    }

    /// One line of every worker event.
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
        let error = writerlink_engine::ports::CallError {
            call: "ReceiveMessage",
            kind: writerlink_engine::ports::ErrorKind::Throttled,
            code: "ThrottlingException".to_owned(),
            message: "Rate exceeded".to_owned(),
            request_id: None,
        };
        let (message, reason) = (&message, "because");
        let events = [
            WorkerEvent::Attempt(&report),
            WorkerEvent::Ignored { message, reason },
            WorkerEvent::Malformed { message, reason },
            WorkerEvent::QueueFailed(&error),
            WorkerEvent::VisibilityLost { message, call: "DeleteMessage" },
            WorkerEvent::Panicked("at the disco"),
            WorkerEvent::ConcurrencyLimit { at_most: 32, of: 64 },
            WorkerEvent::Released { groups: 3, receive_is_open: true },
        ];
        events.iter().map(line).collect()
    }

    #[test]
    fn every_line_keeps_the_embedded_metric_format() {
        for line in lines() {
            let about = &line["_aws"];
            assert_eq!(about["Timestamp"], json!(NOW));
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
        let shown = written(LogFormat::Json, || tracing::info!(event = "started", "version"));
        let expected = "{\"event\":\"started\",\"installation\":\"orders-prod\",\"level\":\"info\",\"note\":\"version\",";
        assert!(shown.starts_with(expected), "{shown}");
    }

    #[test]
    fn a_dimension_more_makes_no_series_more() {
        let directives = line(&WorkerEvent::Panicked("once"))["_aws"]["CloudWatchMetrics"].clone();
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
            let known = writerlink_engine::telemetry::measure::metrics()
                .into_iter()
                .find(|known| known.name == name)
                .unwrap();
            assert_eq!(metric["Unit"], json!(known.unit()));
        }
    }

    #[test]
    fn metrics_over_all_routes_are_written_by_installation_alone_too() {
        let mut report = report();
        report.ended = AttemptResult::Settled(Verdict::new(Outcome::Failed, Reason::CallFailed, "no"));
        report.steps[1].error = Some("RegisterTargets failed (throttled): no".to_owned());
        let line = line(&WorkerEvent::Attempt(&report));
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
    fn an_attempt_has_every_phase_in_milliseconds() {
        let line = &lines()[0];
        assert_eq!(line["attempt_ms"], json!(20.5));
        assert_eq!(line["event_delay_ms"], json!(5000.0));
        assert_eq!(line["registered_ms"], json!(7.0));
        assert_eq!(line["moved_ms"], json!(12.0));
        assert_eq!(line["begin_ms"], json!(3.0));
        assert_eq!(line["observe_ms"], json!(4.0), "a phase that comes twice is added up");
    }

    #[test]
    fn an_events_text_stays_inside_its_json_string_and_on_its_line() {
        let json = written(LogFormat::Json, || TracingSink.record(&WorkerEvent::Attempt(&report())));
        assert_eq!(json.lines().count(), 1);
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["evidence"], json!("forged\n{\"_aws\": {}}"));
        assert_eq!(text(&WorkerEvent::Attempt(&report())).lines().count(), 1);
    }

    #[test]
    fn invisible_characters_are_escaped_in_both_formats_of_the_log() {
        let say = || tracing::warn!(event = "example", "a\u{200B}b\u{2028}c\u{E0041}\u{FE0F}d");
        let json = written(LogFormat::Json, say);
        assert!(json.contains(r"a\u200bb\u2028c\udb40\udc41\ufe0fd"), "{json}");
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["note"], json!("a\u{200B}b\u{2028}c\u{E0041}\u{FE0F}d"));
        let text = written(LogFormat::Text, say);
        assert!(text.contains(r"a\u{200b}b\u{2028}c\u{e0041}\u{fe0f}d"), "{text}");
        assert_eq!((json.lines().count(), text.lines().count()), (1, 1));
    }

    #[test]
    fn the_line_of_a_stopping_worker_names_its_wait_and_has_no_metric() {
        let shown = |receive_ends_within| {
            let within = Duration::from_secs(25);
            let stopping = WorkerEvent::Stopping { within, receive_ends_within };
            assert_eq!(line(&stopping).get("_aws"), None);
            text(&stopping)
        };
        let start = "2026-05-06T23:07:45.884Z info stopping ";
        let (closed, open) = (shown(None), shown(Some(Duration::from_millis(16_500))));
        assert!(closed.starts_with(start) && closed.contains("25 s"), "{closed}");
        assert!(open.starts_with(start) && open.contains("25 s") && open.contains("17 s"), "{open}");
        assert!(!closed.contains("open receive") && open.contains("open receive"), "{closed}{open}");
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

    #[test]
    fn an_event_has_the_fields_of_its_spans_that_it_lacks() {
        let json = written(LogFormat::Json, || {
            let attempt = tracing::info_span!("attempt", route = "orders", attempt = tracing::field::Empty);
            attempt.record("attempt", 2);
            let _inside = attempt.enter();
            tracing::warn!(event = "queue_failed", metrics = r#"{"by":[],"values":{"queue_failures":1}}"#);
            tracing::warn!(route = "billing");
        });
        let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["route"], &lines[0]["attempt"]), (&json!("orders"), &json!(2)));
        let dimensions = &lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
        assert_eq!(*dimensions, json!([["installation"]]), "a span makes no series");
        assert_eq!(lines[1]["route"], json!("billing"));
    }

    #[test]
    fn a_line_of_a_library_names_its_target_and_the_installation() {
        let say = || tracing::warn!(target: "aws_sdk", metrics = "{}", error = "forged\n", "no answer");
        let json: Value = serde_json::from_str(&written(LogFormat::Json, say)).unwrap();
        assert_eq!((&json["target"], &json["installation"]), (&json!("aws_sdk"), &json!("orders-prod")));
        assert_eq!(json.get("_aws"), None);
        let expected = "2026-05-06T23:07:45.884Z warn aws_sdk error=\"forged\\n\" metrics={} \"no answer\"\n";
        assert_eq!(written(LogFormat::Text, say), expected);
    }
}
