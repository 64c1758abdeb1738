//! Two installations in one account: whose line an alarm sees.
//!
//! The whole way is gone: the template's `Name` to the task's environment, from there to the worker's lines, and from
//! the template's alarms back to those lines, by CloudWatch's own rule for Embedded Metric Format: a document publishes to
//! a metric when namespace, name and all dimensions with their values are the same.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use writerlink::config::CONFIG_TEXT_VARIABLE;
use writerlink::{config, emf};
use writerlink_core::model::provenance::InstallationName;

use crate::rig::in_its_own_runtime;
use crate::stacks::templates;
use crate::troubles;
use crate::troubles::Workers;

const MINUTE: Duration = Duration::from_mins(1);

/// The route has the same name in both, so that nothing but the installation tells them apart.
const ROUTE: &str = "orders";

/// Both workers have the same file.
const CONFIG: &str = r#"
[[route]]
source = "orders"
target_group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067"
[route.instances]
orders-1 = "10.0.1.11"
"#;

/// The stacks of one installation, with what `CloudFormation` would make of their parameters.
struct Installed {
    templates: Value,
    /// What stands for `Ref` and in `Fn::Sub`.
    values: BTreeMap<&'static str, String>,
    /// What the worker's stack exports.
    exports: BTreeMap<String, Value>,
}

impl Installed {
    fn under(name: &str) -> Self {
        let stack = format!("stack-of-{name}");
        let mut installed = Self {
            templates: templates(),
            values: BTreeMap::from([
                ("Name", name.to_owned()),
                ("AWS::StackName", stack.clone()),
                ("WriterlinkStack", stack),
                ("RouteName", ROUTE.to_owned()),
            ]),
            exports: BTreeMap::new(),
        };
        let outputs = &installed.templates["writerlink.yaml"]["Outputs"]["Name"];
        let export = installed.rendered(&outputs["Export"]["Name"]);
        let value = installed.rendered(&outputs["Value"]);
        installed.exports.insert(export.as_str().unwrap().to_owned(), value);
        installed
    }

    /// A part of a template with its intrinsic functions carried out, as far as no resource has to exist for it.
    fn rendered(&self, part: &Value) -> Value {
        match part {
            Value::Object(fields) if fields.len() == 1 => {
                let (function, argument) = fields.iter().next().unwrap();
                let text = self.rendered(argument);
                let text = text.as_str();
                let made = match (function.as_str(), text) {
                    ("Ref", Some(name)) => self.values.get(name).cloned().map(Value::from),
                    ("Fn::Sub", Some(text)) => Some(self.substituted(text).into()),
                    ("Fn::ImportValue", Some(name)) => self.exports.get(name).cloned(),
                    _ => None,
                };
                made.unwrap_or_else(|| part.clone())
            }
            Value::Object(fields) => {
                let rendered = fields.iter();
                rendered.map(|(key, value)| (key.clone(), self.rendered(value))).collect()
            }
            Value::Array(parts) => parts.iter().map(|part| self.rendered(part)).collect(),
            plain => plain.clone(),
        }
    }

    fn substituted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.values {
            text = text.replace(&format!("${{{name}}}"), value);
        }
        text
    }

    /// The alarms on metrics of ours, by name.
    fn alarms(&self) -> BTreeMap<String, Alarm> {
        let mut alarms = BTreeMap::new();
        for template in self.templates.as_object().unwrap().values() {
            for (name, resource) in template["Resources"].as_object().unwrap() {
                let properties = &resource["Properties"];
                if resource["Type"] == "AWS::CloudWatch::Alarm" && properties["Namespace"] == emf::NAMESPACE {
                    alarms.insert(name.clone(), Alarm::of(&self.rendered(properties)));
                }
            }
        }
        assert!(alarms.len() >= 11, "{} alarms", alarms.len());
        alarms
    }

    /// The name that the worker of this installation has: from its task's environment, read as it reads it.
    fn worker(&self) -> InstallationName {
        let resources = &self.templates["writerlink.yaml"]["Resources"];
        let container = &resources["TaskDefinition"]["Properties"]["ContainerDefinitions"][0];
        let environment = self.rendered(&container["Environment"]);
        let environment = environment.as_array().unwrap();
        let env = |name: &str| {
            if name == CONFIG_TEXT_VARIABLE {
                return Some(CONFIG.to_owned());
            }
            let mut given = environment.iter();
            let given = given.find(|variable| variable["Name"] == name)?;
            given["Value"].as_str().map(str::to_owned)
        };
        let config = config::read(None, &env).unwrap().config;
        config.provenance.installation
    }
}

/// An alarm's metric, and when it goes off.
#[derive(Clone, Debug)]
struct Alarm {
    metric: String,
    dimensions: BTreeMap<String, String>,
    period: Duration,
    periods: usize,
    threshold: f64,
    /// Whether it goes off below the threshold; else above it.
    below: bool,
    silence_is_bad: bool,
}

impl Alarm {
    fn of(properties: &Value) -> Self {
        let text = |value: &Value| {
            let text = value.as_str();
            text.unwrap_or_else(|| panic!("not rendered: {value}")).to_owned()
        };
        let dimensions = properties["Dimensions"].as_array().into_iter().flatten();
        Self {
            metric: text(&properties["MetricName"]),
            dimensions: dimensions.map(|d| (text(&d["Name"]), text(&d["Value"]))).collect(),
            period: Duration::from_secs(properties["Period"].as_u64().unwrap()),
            periods: usize::try_from(properties["EvaluationPeriods"].as_u64().unwrap()).unwrap(),
            threshold: properties["Threshold"].as_f64().unwrap(),
            below: properties["ComparisonOperator"] == "LessThanThreshold",
            silence_is_bad: properties["TreatMissingData"] == "breaching",
        }
    }

    /// What a document publishes to the metric of this alarm: time and value.
    fn sees(&self, line: &Value) -> Option<(i64, f64)> {
        let about = line.get("_aws")?;
        let mut directives = about["CloudWatchMetrics"].as_array()?.iter();
        directives.find(|directive| {
            let named = |metric: &Value| metric["Name"] == self.metric.as_str();
            let dimensions = |set: &Value| {
                let set = set.as_array().unwrap().iter().map(|n| n.as_str().unwrap());
                let pairs = set.map(|n| (n.to_owned(), line[n].as_str().unwrap().to_owned()));
                pairs.collect::<BTreeMap<String, String>>() == self.dimensions
            };
            directive["Namespace"] == emf::NAMESPACE
                && directive["Metrics"].as_array().unwrap().iter().any(named)
                && directive["Dimensions"].as_array().unwrap().iter().any(dimensions)
        })?;
        Some((about["Timestamp"].as_i64()?, line[&self.metric].as_f64()?))
    }

    /// Whether it is in alarm at this time, by the sums of its last periods.
    fn is_off_at(&self, now: i64, lines: &[Value]) -> bool {
        let period = i64::try_from(self.period.as_millis()).unwrap();
        let seen: Vec<(i64, f64)> = lines.iter().filter_map(|line| self.sees(line)).collect();
        let breaches = |n: usize| {
            let end = now - period * i64::try_from(n).unwrap();
            let within = |(at, _): &&(i64, f64)| (end - period..end).contains(at);
            let values: Vec<f64> = seen.iter().filter(within).map(|(_, value)| *value).collect();
            let sum: f64 = values.iter().sum();
            if values.is_empty() {
                self.silence_is_bad
            } else if self.below {
                sum < self.threshold
            } else {
                sum > self.threshold
            }
        };
        (0..self.periods).all(breaches)
    }
}

/// The same without the dimension of the installation, on either side: as it was before there was one.
fn blind(alarm: &Alarm, lines: &[Value]) -> (Alarm, Vec<Value>) {
    let mut alarm = alarm.clone();
    alarm.dimensions.remove(emf::INSTALLATION);
    let mut lines = lines.to_vec();
    let directives = lines.iter_mut().filter_map(|line| line["_aws"]["CloudWatchMetrics"].as_array_mut());
    for directive in directives.flatten() {
        for set in directive["Dimensions"].as_array_mut().unwrap() {
            set.as_array_mut().unwrap().retain(|name| name != emf::INSTALLATION);
        }
    }
    (alarm, lines)
}

/// What a worker writes in every trouble, and when it panics.
fn lines(of: &InstallationName) -> Vec<Value> {
    let mut lines = troubles::lines(of);
    lines.extend(troubles::panicked(of));
    lines
}

/// What an idle worker writes in so many minutes, and then it is stopped.
fn lines_of_an_idle_worker(of: &InstallationName, minutes: u32) -> Vec<Value> {
    let of = of.clone();
    let all = move || {
        in_its_own_runtime(async {
            let workers = Workers::new(&of).await;
            let worker = workers.worker("w1");
            tokio::time::sleep(MINUTE * minutes).await;
            worker.stop();
            assert!(worker.ended().await, "it ends when it is stopped");
            workers.lines()
        })
    };
    thread::spawn(all).join().unwrap()
}

#[test]
fn an_alarm_sees_what_its_own_installation_writes_and_nothing_else() {
    let installed = ["writerlink", "orders-prod"].map(Installed::under);
    let names = installed.each_ref().map(Installed::worker);
    assert_eq!(names.each_ref().map(InstallationName::as_str), ["writerlink", "orders-prod"]);
    let written = names.each_ref().map(lines);
    for (own, other) in [(0, 1), (1, 0)] {
        for (alarm_name, alarm) in installed[own].alarms() {
            let seen = |lines: &[Value]| {
                let seen = lines.iter().filter_map(|line| alarm.sees(line));
                seen.filter(|(_, value)| *value > 0.0).count()
            };
            let (mine, theirs) = (seen(&written[own]), seen(&written[other]));
            assert!(mine > 0, "{alarm_name} of {}: {alarm:?}", names[own]);
            assert_eq!(theirs, 0, "{alarm_name} of {}: {alarm:?}", names[own]);
        }
    }
}

#[test]
fn a_silent_worker_sets_off_its_alarm_while_another_runs() {
    let installed = ["writerlink", "orders-prod"].map(Installed::under);
    let names = installed.each_ref().map(Installed::worker);
    for (silent, going_on) in [(0, 1), (1, 0)] {
        let mut lines = lines_of_an_idle_worker(&names[silent], 10);
        let start = lines[0]["_aws"]["Timestamp"].as_i64().unwrap();
        lines.extend(lines_of_an_idle_worker(&names[going_on], 20));
        let at = |minute: i64| start + minute * 60_000;
        let mut judged = 0;
        for (name, alarm) in installed[silent].alarms() {
            if !alarm.silence_is_bad {
                continue;
            }
            let others = &installed[going_on].alarms()[&name];
            assert_eq!(alarm.metric, others.metric, "one metric, distinguished by dimension alone");
            for (minute, mine) in [(5, false), (9, false), (16, true), (19, true)] {
                let off = (alarm.is_off_at(at(minute), &lines), others.is_off_at(at(minute), &lines));
                assert_eq!(off, (mine, false), "{name} at minute {minute}");
            }
            let (alarm, lines) = blind(&alarm, &lines);
            assert!(
                !alarm.is_off_at(at(16), &lines),
                "without the dimension the other worker keeps it quiet, or this test shows nothing"
            );
            judged += 1;
        }
        assert!(judged > 0, "no alarm on silence");
    }
}
