//! The worker's own lines against CloudWatch's "Embedded metric format specification", limit by limit.

use std::collections::BTreeSet;

use serde_json::Value;
use writerlink::emf;
use writerlink_engine::telemetry::measure;

use crate::stacks::ROUTE;
use crate::trial::{Trial, completed};
use crate::troubles;

/// What a unit may be (`MetricDatum`, CloudWatch API reference).
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// The largest log event (`PutLogEvents`), which a line has to fit.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A metric and the names of one of its dimension sets.
pub(crate) type Series = (String, BTreeSet<String>);

/// Holds one line against the specification, and says which series it adds to.
pub(crate) fn series_of(line: &Value) -> Vec<Series> {
    assert!(line.to_string().len() <= LINE_BYTES_MAX);
    let Some(about) = line.get("_aws") else {
        return Vec::new();
    };
    let at = about["Timestamp"].as_i64().expect("milliseconds since 1970, a whole number");
    assert!(at > 1_000_000_000_000, "{at} are no milliseconds");
    let directives = about["CloudWatchMetrics"].as_array().expect("a list");
    directives.iter().flat_map(|directive| directive_of(line, directive)).collect()
}

fn directive_of(line: &Value, directive: &Value) -> Vec<Series> {
    name(&directive["Namespace"], 1024);
    let sets = directive["Dimensions"].as_array().expect("a list of sets");
    assert!(!sets.is_empty(), "without a set no metric comes of it");
    let sets: Vec<BTreeSet<String>> = sets.iter().map(|set| dimensions_of(line, set)).collect();
    let metrics = directive["Metrics"].as_array().expect("a list of metrics");
    assert!((1..=100).contains(&metrics.len()), "{} metrics", metrics.len());
    let mut series = Vec::new();
    for metric in metrics {
        let metric_name = name(&metric["Name"], 1024);
        assert!(metric_name != "_aws", "a member of its own");
        let unit = metric["Unit"].as_str().expect("a unit");
        assert!(UNITS.contains(&unit), "{unit}");
        let value = line[&metric_name].as_f64().expect("a number at the root");
        assert!(value.is_finite() && value.abs() < 1e108, "{metric_name} is {value}");
        series.extend(sets.iter().map(|set| (metric_name.clone(), set.clone())));
    }
    let names: BTreeSet<&str> = series.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), metrics.len(), "each metric once");
    series
}

fn dimensions_of(line: &Value, set: &Value) -> BTreeSet<String> {
    let set = set.as_array().expect("a set is a list");
    assert!(set.len() <= 30, "{} dimensions", set.len());
    let mut names = BTreeSet::new();
    for dimension in set {
        let dimension = name(dimension, 250);
        assert!(!dimension.starts_with(':'), "{dimension}");
        name(&line[&dimension], 1024);
        names.insert(dimension);
    }
    names
}

/// A text of so many characters of ASCII at most, that is not blank.
fn name(value: &Value, most: usize) -> String {
    let text = value.as_str().unwrap_or_else(|| panic!("no text: {value}"));
    assert!((1..=most).contains(&text.len()) && text.is_ascii(), "{text:?}");
    assert!(!text.trim().is_empty());
    text.to_owned()
}

/// The lines of a worker that moved a route, ignored a message and could not read another; and of those that met
/// every trouble.
pub(crate) async fn lines_of_a_worker() -> Vec<Value> {
    let trial = Trial::ready().await;
    trial.send(ROUTE, &completed(ROUTE, 2, 1)).await;
    trial.send(ROUTE, &completed("nobody", 2, 1)).await;
    trial.send(ROUTE, "no event at all").await;
    let worked = trial.says("run --drain --log json");
    assert_eq!(worked.code, 0, "{}", worked.err);
    let mut lines = worked.log();
    lines.extend(troubles::lines(&troubles::installation()));
    lines
}

#[tokio::test]
async fn every_line_of_a_real_worker_keeps_the_specification() {
    let lines = lines_of_a_worker().await;
    for line in &lines {
        assert_eq!(line[emf::INSTALLATION], "writerlink", "{line}");
    }
    let series: BTreeSet<Series> = lines.iter().flat_map(series_of).collect();
    let seen: BTreeSet<&str> = series.iter().map(|(name, _)| name.as_str()).collect();
    for metric in
        [measure::ATTEMPTS, measure::MOVED_MS, measure::MESSAGES_IGNORED, measure::MESSAGES_MALFORMED]
    {
        assert!(seen.contains(metric.name), "{} in {seen:?}", metric.name);
    }
    let known: BTreeSet<&str> = measure::metrics().iter().map(|metric| metric.name).collect();
    assert!(seen.is_subset(&known), "{seen:?} of {known:?}");
    // Route and outcome have a handful of values each, the installation one; an id would make every event a metric of
    // its own.
    for (name, set) in &series {
        let few = ["installation", "route", "outcome"].map(str::to_owned);
        assert!(set.is_subset(&few.into()), "{name} by {set:?}");
        assert!(set.contains(emf::INSTALLATION), "{name} by {set:?}");
    }
}
