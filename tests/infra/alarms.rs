//! Every alarm uses a metric that the code writes, and has a section in the runbook.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use writerlink::emf;
use writerlink_engine::telemetry::measure;

use crate::embedded_metrics::{Series, lines_of_a_worker, series_of};
use crate::stacks::templates;
use crate::troubles::{installation, panicked};

/// The least number of alarms.
const ALARMS_MIN: usize = 12;

/// How many of them use our metrics.
const OF_OURS_MIN: usize = 11;

fn alarms() -> BTreeMap<String, Value> {
    let mut alarms = BTreeMap::new();
    for template in templates().as_object().unwrap().values() {
        for (name, resource) in template["Resources"].as_object().unwrap() {
            if resource["Type"] == "AWS::CloudWatch::Alarm" {
                alarms.insert(name.clone(), resource["Properties"].clone());
            }
        }
    }
    assert!(alarms.len() >= ALARMS_MIN, "{} alarms", alarms.len());
    alarms
}

/// Our metric that an alarm uses, and its dimensions.
fn series(alarm: &Value) -> Option<Series> {
    let ours = alarm["Namespace"] == emf::NAMESPACE;
    let names = alarm["Dimensions"].as_array().into_iter().flatten();
    let names = names.map(|dimension| dimension["Name"].as_str().unwrap().to_owned());
    let metric = alarm["MetricName"].as_str().unwrap().to_owned();
    ours.then(|| (metric, names.collect()))
}

#[tokio::test]
async fn every_alarm_uses_a_series_that_the_code_writes() {
    let mut lines = lines_of_a_worker().await;
    lines.extend(panicked(&installation()));
    // A series of zeros sets off no alarm, so it counts as not written.
    let counted = |line: &Value, (metric, _): &Series| line[metric].as_f64() > Some(0.0);
    let written: BTreeSet<Series> = lines
        .iter()
        .flat_map(|line| {
            let series = series_of(line).into_iter();
            series.filter(|series| counted(line, series))
        })
        .collect();
    let mut checked = 0;
    for (name, alarm) in alarms() {
        let Some(series) = series(&alarm) else {
            continue;
        };
        assert!(written.contains(&series), "{name}: {series:?} is not among {written:?}");
        checked += 1;
    }
    assert!(checked >= OF_OURS_MIN, "{checked}");
}

#[test]
fn the_dashboard_shows_only_metrics_that_the_code_writes() {
    let dashboard = &templates()["writerlink.yaml"]["Resources"]["Dashboard"]["Properties"]["DashboardBody"];
    let text = dashboard["Fn::Sub"].as_str().unwrap();
    // Without its variables it has to be JSON, or CloudWatch would show an empty page.
    let body: Value = serde_json::from_str(text).expect("the dashboard's body is JSON");
    let known: BTreeSet<&str> = measure::metrics().iter().map(|metric| metric.name).collect();
    let mut shown = BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            if let (Some(namespace), Some(name)) = (metric[0].as_str(), metric[1].as_str())
                && namespace == emf::NAMESPACE
            {
                let of_this_one = (&metric[2], &metric[3]);
                let wanted = (&emf::INSTALLATION.into(), &"${Name}".into());
                assert_eq!(of_this_one, wanted, "{metric}");
                shown.insert(name.to_owned());
            }
            let search = metric[0]["expression"].as_str();
            if let Some(search) = search {
                assert!(search.contains("{writerlink,installation,"), "{search}");
                assert!(search.contains("installation=\"${Name}\""), "{search}");
            }
            let named = search.and_then(|search| search.split('"').nth(1));
            shown.extend(named.map(str::to_owned));
        }
    }
    assert!(shown.len() >= 5, "{shown:?}");
    for name in shown {
        assert!(known.contains(name.as_str()), "nothing writes {name}");
    }
}

#[test]
fn every_alarm_has_a_section_in_the_runbook_and_every_section_an_alarm() {
    let runbook = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbook.md");
    let runbook = std::fs::read_to_string(runbook).unwrap();
    let anchor = |heading: &str| heading.to_lowercase().replace(' ', "-");
    let sections: BTreeSet<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(anchor).collect();
    let mut named = BTreeSet::new();
    for (name, alarm) in alarms() {
        let text = alarm["AlarmDescription"].as_str().unwrap();
        let (_, section) = text.split_once("docs/runbook.md#").unwrap_or_else(|| panic!("{name}: {text}"));
        let said = alarm["AlarmName"].to_string();
        assert!(said.contains(section), "{name} is called {said} and points to {section}");
        named.insert(section.to_owned());
    }
    assert_eq!(named, sections);
}

#[test]
fn every_section_of_the_runbook_begins_with_a_severity() {
    let runbook = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbook.md");
    let runbook = std::fs::read_to_string(runbook).unwrap();
    for section in runbook.split("\n### ").skip(1) {
        let (heading, text) = section.split_once("\n\n").unwrap();
        let severity = text.strip_prefix("**Severity ").and_then(|rest| rest.chars().next());
        assert!(severity.is_some_and(|severity| ('1'..='3').contains(&severity)), "{heading}");
    }
}

#[test]
fn an_alarm_on_silence_takes_missing_data_as_breaching_and_no_other_does() {
    for (name, alarm) in alarms() {
        let about_silence = alarm["ComparisonOperator"] == "LessThanThreshold";
        let worst = alarm["TreatMissingData"] == "breaching";
        assert_eq!(about_silence, worst, "{name}");
        assert_eq!(alarm["AlarmActions"]["Fn::If"][0], "HasAlarmTopic", "{name}");
    }
}
