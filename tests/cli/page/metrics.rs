//! What machines are told: `/metrics`, `/healthz` and `/readyz`.

use std::collections::{BTreeMap, BTreeSet};

use writerlink_engine::ports::ErrorKind;
use writerlink_engine::telemetry::event::EventSink as _;
use writerlink_engine::telemetry::event::WorkerEvent;
use writerlink_engine::telemetry::measure;
use writerlink_engine::telemetry::measure::{By, Kind};
use writerlink_sim::faults::{CallSite, Fate, Fault, no_faults};

use super::world::Shown;
use crate::rig::Rig;

/// The label that every series has.
const OF_INSTALLATION: &str = "installation=\"orders-prod\"";

/// Samples by name and labels.
#[derive(Debug, Default)]
struct Samples {
    kinds: BTreeMap<String, String>,
    values: BTreeMap<String, f64>,
}

impl Samples {
    /// Reads the text format of `OpenMetrics` 1.0.
    ///
    /// # Panics
    /// When a line is none of it, a metric has no `HELP` and `TYPE` before its samples or has them twice, or a sample
    /// comes twice.
    fn of(text: &str) -> Self {
        let mut samples = Self::default();
        let mut helped = BTreeSet::new();
        let text = text.strip_suffix("# EOF\n").expect("the end of the text");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, sentence) = help.split_once(' ').unwrap();
                assert!(helped.insert(name), "{line}");
                assert!(!sentence.trim().is_empty() && !sentence.contains('\\'), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(helped.contains(name), "{line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let twice = samples.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(twice, None, "{line}");
            } else {
                samples.take(line);
            }
        }
        samples
    }

    fn take(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        assert!(name.bytes().all(legal), "{line}");
        let (last, _) = self.kinds.last_key_value().expect("a type before a sample");
        let endings = ["_total", "_bucket", "_sum", "_count"].into_iter();
        let stems = endings.filter_map(|ending| name.strip_suffix(ending));
        let known = stems.chain([name]).any(|name| self.kinds.contains_key(name));
        assert!(known, "{line} after {last}");
        let twice = self.values.insert(series.to_owned(), value.parse().unwrap());
        assert_eq!(twice, None, "{line}");
    }

    /// Of the series with these labels and that of the installation.
    fn value(&self, series: &str) -> Option<f64> {
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let comma = if labels == "}" { "" } else { "," };
        let series = format!("{name}{{{OF_INSTALLATION}{comma}{labels}");
        self.values.get(&series).copied()
    }
}

impl Samples {
    /// Of a metric, whatever its labels.
    fn sum(&self, name: &str) -> f64 {
        let of_it = |series: &str| series.split('{').next() == Some(name);
        let values = self.values.iter().filter(|(series, _)| of_it(series));
        values.map(|(_, value)| value).sum()
    }
}

async fn metrics(shown: &Shown) -> Samples {
    let answer = shown.get("/metrics").await;
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    Samples::of(&answer.body)
}

#[tokio::test(start_paused = true)]
async fn the_metrics_are_those_of_the_log_in_prometheus_own_words() {
    let shown = Shown::after_a_day().await;
    let samples = metrics(&shown).await;
    for metric in measure::metrics() {
        let (name, kind) = match metric.kind {
            Kind::Counter => (format!("writerlink_{}", metric.name), "counter"),
            Kind::Gauge => (format!("writerlink_{}", metric.name), "gauge"),
            Kind::Time => {
                let stem = metric.name.strip_suffix("_ms").unwrap();
                (format!("writerlink_{stem}_seconds"), "histogram")
            }
        };
        let found = samples.kinds.get(&name).map(String::as_str);
        // A metric by route without a series is left out.
        assert!(found == Some(kind) || found.is_none() && metric.by != By::Nothing, "{name}");
    }
    let version = concat!("writerlink_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    assert_eq!(samples.value(version), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn every_series_has_the_label_of_the_installation() {
    let shown = Shown::after_a_day().await;
    let samples = metrics(&shown).await;
    assert!(samples.values.len() > 100, "{}", samples.values.len());
    for series in samples.values.keys() {
        let (_, labels) = series.split_once('{').unwrap_or_default();
        let labels = labels.trim_end_matches('}').split(',');
        let of_installation: Vec<&str> = labels.filter(|label| label.starts_with("installation=")).collect();
        assert_eq!(of_installation, [OF_INSTALLATION], "{series}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_here_is_what_the_log_counted() {
    let shown = Shown::after_a_day().await;
    let samples = metrics(&shown).await;
    let log = shown.log.lines();
    let mut happened = 0;
    for metric in measure::metrics() {
        let values: Vec<f64> = log.iter().filter_map(|line| line[metric.name].as_f64()).collect();
        let (found, expected) = match metric.kind {
            Kind::Counter => (samples.sum(&format!("writerlink_{}_total", metric.name)), values.iter().sum()),
            Kind::Gauge => {
                let last = values.last().copied().unwrap_or_default();
                (samples.sum(&format!("writerlink_{}", metric.name)), last)
            }
            Kind::Time => {
                let stem = metric.name.strip_suffix("_ms").unwrap();
                let seconds = values.iter().sum::<f64>() / 1000.0;
                (samples.sum(&format!("writerlink_{stem}_seconds_sum")), seconds)
            }
        };
        assert!((found - expected).abs() < 0.001, "{}: {found} {expected}", metric.name);
        happened += usize::from(expected > 0.0);
    }
    assert!(happened >= 12, "{happened}");
    let swapped = "writerlink_attempts_total{route=\"orders\",outcome=\"Moved\"}";
    assert_eq!(samples.value(swapped), Some(3.0));
}

#[tokio::test(start_paused = true)]
async fn a_histogram_only_grows_towards_its_end_and_ends_with_all() {
    let shown = Shown::after_a_day().await;
    let samples = metrics(&shown).await;
    let histograms = samples.kinds.iter().filter(|(_, kind)| *kind == "histogram");
    let mut filled = 0;
    for (name, _) in histograms {
        let all = samples.value(&format!("{name}_count")).unwrap();
        let start = format!("{name}_bucket{{{OF_INSTALLATION},le=\"");
        let buckets = samples.values.iter().filter(|(series, _)| series.starts_with(&start));
        let mut by_bound: Vec<(f64, f64)> = buckets
            .map(|(series, count)| {
                let bound = series.strip_prefix(&start).unwrap();
                let bound = bound.strip_suffix("\"}").unwrap();
                (bound.parse().unwrap_or(f64::INFINITY), *count)
            })
            .collect();
        by_bound.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        assert!(by_bound.is_sorted_by_key(|(_, count)| *count), "{name}");
        assert_eq!(by_bound.last(), Some(&(f64::INFINITY, all)), "{name}");
        filled += usize::from(all > 0.0);
    }
    assert!(filled >= 8, "{filled}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_ready_once_ledger_and_queue_answered_or_names_the_missing() {
    let shown = Shown::of(Rig::new(&["orders"]).await).await;
    let down = |site: &CallSite| match site.call {
        "GetItem" => Fate::meets(Fault::Refused(ErrorKind::Unreachable)),
        _ => Fate::WORKS,
    };
    shown.rig.fleet.world.fabric.set_plan(Box::new(down));
    let waiting = shown.get("/readyz").await;
    assert_eq!(waiting.status, 503);
    assert_eq!(waiting.body, "{\"status\":\"waiting\",\"for\":[\"ledger\",\"queue\"]}\n");
    let asked = shown.rig.calls("page").len();
    shown.get("/readyz").await;
    assert_eq!(shown.rig.calls("page").len(), asked, "asking is not asking AWS");
    shown.rig.fleet.world.fabric.set_plan(no_faults());
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let waiting = shown.get("/readyz").await;
    assert_eq!(waiting.body, "{\"status\":\"waiting\",\"for\":[\"queue\"]}\n");
    assert_eq!(metrics(&shown).await.value("writerlink_ready"), Some(0.0));
    shown.probes.record(&WorkerEvent::Received(0));
    let ready = shown.get("/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "{\"status\":\"ready\"}\n"));
    assert_eq!(metrics(&shown).await.value("writerlink_ready"), Some(1.0));
    shown.probes.record(&WorkerEvent::Stopping {
        within: std::time::Duration::from_secs(25),
        receive_ends_within: None,
    });
    let stopping = shown.get("/readyz").await;
    assert_eq!((stopping.status, stopping.body.as_str()), (503, "{\"status\":\"stopping\"}\n"));
    assert_eq!(shown.get("/healthz").await.status, 200);
    assert_eq!(metrics(&shown).await.value("writerlink_ready"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn the_newest_transition_of_each_route_is_a_series() {
    let shown = Shown::after_a_day().await;
    let body = shown.get("/metrics").await.body;
    let series: Vec<&str> =
        body.lines().filter(|line| line.starts_with("writerlink_transition_info{")).collect();
    let of_route = |route: &str| {
        let label = format!("route=\"{route}\"");
        series.iter().filter(|line| line.contains(&label)).copied().collect::<Vec<_>>()
    };
    let orders = of_route("orders");
    assert_eq!(orders.len(), 1, "{series:?}");
    let newest = shown.transition_with(0, "onerror").await;
    let transition = format!("transition=\"{newest}\"");
    for part in [transition.as_str(), "outcome=\"Moved\"", "cause=\"event\"", "to=\"orders-2\"", "} 1"] {
        assert!(orders[0].contains(part), "{part}: {}", orders[0]);
    }
    assert_eq!(of_route("billing").len(), 1, "{series:?}");
}
