//! What was measured since the process began, for whoever asks: the metrics of the log, as Prometheus reads them.
//!
//! The format (`OpenMetrics` 1.0) wants seconds, `_total` behind what only grows, and `HELP` and `TYPE` before a
//! metric's samples. Times are histograms of all routes together: by route they would be hundreds of series each.

use std::collections::HashMap;
use std::fmt;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::telemetry::event::{EventSink, WorkerEvent};
use crate::telemetry::measure::{Amount, By, INSTALLATION, Kind, Metric, measured, metrics};
use writerlink_core::model::provenance::InstallationName;

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The upper bounds of a histogram's buckets in seconds: from a quick call of `DynamoDB` to the ten minutes that a
/// load balancer may take until a target serves.
const BUCKETS_S: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 300.0, 600.0];

/// Which route and which outcome a number is of, where it is told apart by them.
type Labels = Vec<(&'static str, String)>;

/// The numbers of one metric.
#[derive(Debug)]
enum Numbers {
    Counter(Family<Labels, Counter>),
    Gauge(Family<Labels, Gauge>),
    Time(Histogram),
}

/// Adds up what it is told.
#[derive(Debug)]
pub struct Tally {
    installation: InstallationName,
    registry: Registry,
    numbers: HashMap<&'static str, Numbers>,
}

impl EventSink for Tally {
    fn record(&self, happening: &WorkerEvent<'_>) {
        let measured = measured(happening);
        for (metric, amount) in &measured.values {
            let labels = || labels(metric.by, measured.route, measured.outcome);
            match (self.numbers.get(metric.name), amount) {
                (Some(Numbers::Counter(family)), Amount::Count(count)) => {
                    family.get_or_create(&labels()).inc_by(u64::try_from(*count).unwrap_or(u64::MAX));
                }
                (Some(Numbers::Gauge(family)), Amount::Count(count)) => {
                    family.get_or_create(&labels()).set(i64::try_from(*count).unwrap_or(i64::MAX));
                }
                (Some(Numbers::Time(histogram)), Amount::Time(time)) => {
                    histogram.observe(time.as_secs_f64());
                }
                (Some(Numbers::Counter(_) | Numbers::Gauge(_)), Amount::Time(_))
                | (Some(Numbers::Time(_)), Amount::Count(_))
                | (None, _) => debug_assert!(false, "{metric:?} is measured in another unit"),
            }
        }
    }
}

fn labels(by: By, route: Option<&str>, outcome: Option<&str>) -> Labels {
    let (route, outcome) = (("route", route), ("outcome", outcome));
    let told_apart_by = match by {
        By::Nothing => vec![],
        By::Route => vec![route],
        By::RouteAndOutcome => vec![route, outcome],
    };
    let given = told_apart_by.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned())));
    given.collect()
}

impl Tally {
    /// Numbers of this installation, none of them counted yet.
    #[must_use]
    pub fn of(installation: InstallationName) -> Self {
        let mut registry = registry_of(&installation);
        let numbers = metrics().into_iter().map(|metric| (metric.name, register(metric, &mut registry)));
        let numbers = numbers.collect();
        Self { installation, registry, numbers }
    }

    /// A registry for numbers of the process itself, which no happening tells. Every series of it has the label of the
    /// installation.
    #[must_use]
    pub fn registry(&self) -> Registry {
        registry_of(&self.installation)
    }

    /// Everything there is to say: the metrics, and what is in `process`.
    ///
    /// # Errors
    /// None: writing to a string cannot fail.
    pub fn text(&self, process: &Registry) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, process)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

fn registry_of(installation: &InstallationName) -> Registry {
    let label = (INSTALLATION.into(), installation.as_str().to_owned().into());
    Registry::with_prefix_and_labels("writerlink", [label].into_iter())
}

fn register(metric: Metric, registry: &mut Registry) -> Numbers {
    // The registry ends the sentence itself.
    let help = metric.help.trim().trim_end_matches('.');
    match metric.kind {
        Kind::Counter => {
            let family = family(metric.by);
            registry.register(metric.name, help, family.clone());
            Numbers::Counter(family)
        }
        Kind::Gauge => {
            let family = family(metric.by);
            registry.register(metric.name, help, family.clone());
            Numbers::Gauge(family)
        }
        Kind::Time => {
            let histogram = Histogram::new(BUCKETS_S);
            let stem = metric.name.strip_suffix("_ms").unwrap_or(metric.name);
            registry.register(format!("{stem}_seconds"), help, histogram.clone());
            Numbers::Time(histogram)
        }
    }
}

/// The series of a metric. What is told apart by nothing begins with 0: without it, a rate could not be taken from the
/// first time on.
fn family<M: Default>(by: By) -> Family<Labels, M> {
    let family = Family::default();
    if by == By::Nothing {
        drop(family.get_or_create(&Labels::new()));
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::event::Summary;

    fn tally() -> Tally {
        Tally::of(InstallationName::new("w").unwrap())
    }

    #[test]
    fn a_counter_adds_up_and_a_gauge_keeps_the_newest_number() {
        let tally = tally();
        for (passes, out_of_sync) in [(10, 2), (7, 1)] {
            tally.record(&WorkerEvent::Summary(Summary {
                routes: 3,
                passes,
                out_of_sync,
                ..Summary::default()
            }));
        }
        let text = tally.text(&tally.registry()).unwrap();
        assert!(text.contains("\nwriterlink_reconcile_passes_total{installation=\"w\"} 17\n"), "{text}");
        let gauge = "# TYPE writerlink_routes_out_of_sync gauge\nwriterlink_routes_out_of_sync{installation=\"w\"} 1\n";
        assert!(text.contains(gauge), "{text}");
    }

    #[test]
    fn a_worker_that_has_seen_nothing_shows_its_own_counters_at_zero() {
        let tally = tally();
        let text = tally.text(&tally.registry()).unwrap();
        assert!(text.contains("\nwriterlink_queue_failures_total{installation=\"w\"} 0\n"));
        assert!(
            text.contains("\nwriterlink_begin_seconds_bucket{installation=\"w\",le=\"600.0\"} 0\n"),
            "{text}"
        );
        assert!(!text.contains("\nwriterlink_attempts_total{"), "{text}");
    }
}
