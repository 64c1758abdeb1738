//! What was measured since the process began, for whoever asks: the metrics of the log, as Prometheus reads them.
//!
//! The format (prometheus.io, "Exposition formats", text version 0.0.4) wants seconds, `_total` behind what only grows,
//! and one `HELP` and one `TYPE` before a metric's samples. Times are histograms of all routes together: by route
//! they would be hundreds of series each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::measure::{Amount, By, Kind, Metric, measured, metrics};
use crate::worker::{Happening, Observer};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What stands before every name.
const PREFIX: &str = "writerlink_";

/// The upper bounds of a histogram's buckets in milliseconds: from a quick call of `DynamoDB` to the ten minutes that a
/// load balancer may take until a target serves.
const BUCKETS_MS: [u64; 16] = [
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 180_000, 300_000,
    600_000,
];

/// Which route and which outcome a number is of; empty where it is not told apart by it.
type Labels = (String, &'static str);

/// How many times took how long.
#[derive(Clone, Debug, Default)]
struct Histogram {
    /// Of each bucket alone, the last one being for whatever took longer.
    counts: [u64; BUCKETS_MS.len() + 1],
    sum: Duration,
}

impl Histogram {
    fn add(&mut self, time: Duration) {
        let fits = |bound: &u64| time <= Duration::from_millis(*bound);
        let bucket = BUCKETS_MS.iter().position(fits);
        self.counts[bucket.unwrap_or(BUCKETS_MS.len())] += 1;
        self.sum += time;
    }
}

#[derive(Debug, Default)]
struct Numbers {
    counts: BTreeMap<&'static str, BTreeMap<Labels, u64>>,
    times: BTreeMap<&'static str, Histogram>,
}

/// Adds up what it is told.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Numbers>);

impl Observer for Tally {
    fn tell(&self, happening: &Happening<'_>) {
        let measured = measured(happening);
        let route = measured.route.unwrap_or_default();
        let outcome = measured.outcome.unwrap_or_default();
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (metric, amount) in &measured.values {
            match amount {
                Amount::Count(count) => {
                    let labels = labels(metric.by, route, outcome);
                    let sums = numbers.counts.entry(metric.name).or_default();
                    let sum = sums.entry(labels).or_default();
                    let count = u64::try_from(*count).unwrap_or(u64::MAX);
                    *sum = match metric.kind {
                        Kind::Gauge => count,
                        Kind::Counter | Kind::Time => sum.saturating_add(count),
                    };
                }
                Amount::Time(time) => numbers.times.entry(metric.name).or_default().add(*time),
            }
        }
    }
}

fn labels(by: By, route: &str, outcome: &'static str) -> Labels {
    match by {
        By::Nothing => Labels::default(),
        By::Route => (route.to_owned(), ""),
        By::RouteAndOutcome => (route.to_owned(), outcome),
    }
}

impl Tally {
    /// Everything there is to say, a metric after the other.
    #[must_use]
    pub fn text(&self) -> String {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for metric in metrics() {
            match metric.kind {
                Kind::Counter | Kind::Gauge => {
                    counted(&metric, numbers.counts.get(metric.name), &mut text);
                }
                Kind::Time => {
                    let times = numbers.times.get(metric.name).cloned();
                    timed(&metric, &times.unwrap_or_default(), &mut text);
                }
            }
        }
        text
    }
}

/// A number of the process itself, which no happening tells.
pub fn gauge(name: &str, help: &str, labels: &str, value: f64, text: &mut String) {
    let name = format!("{PREFIX}{name}");
    head(&name, help, "gauge", text);
    say(text, format_args!("{name}{labels} {value}"));
}

fn counted(metric: &Metric, sums: Option<&BTreeMap<Labels, u64>>, text: &mut String) {
    let (name, kind) = match metric.kind {
        Kind::Gauge => (format!("{PREFIX}{}", metric.name), "gauge"),
        Kind::Counter | Kind::Time => (format!("{PREFIX}{}_total", metric.name), "counter"),
    };
    head(&name, metric.help, kind, text);
    for (labels, sum) in sums.into_iter().flatten() {
        let labels = written(labels);
        say(text, format_args!("{name}{labels} {sum}"));
    }
    // A rate can be taken from the first time on only of what was 0 before it.
    if sums.is_none() && metric.by == By::Nothing {
        say(text, format_args!("{name} 0"));
    }
}

fn timed(metric: &Metric, histogram: &Histogram, text: &mut String) {
    let stem = metric.name.strip_suffix("_ms").unwrap_or(metric.name);
    let name = format!("{PREFIX}{stem}_seconds");
    head(&name, metric.help, "histogram", text);
    let mut so_far = 0;
    for (bound, count) in BUCKETS_MS.iter().zip(&histogram.counts) {
        so_far += count;
        let bound = Duration::from_millis(*bound).as_secs_f64();
        say(
            text,
            format_args!("{name}_bucket{{le=\"{bound}\"}} {so_far}"),
        );
    }
    let all: u64 = histogram.counts.iter().sum();
    let sum = histogram.sum.as_secs_f64();
    say(text, format_args!("{name}_bucket{{le=\"+Inf\"}} {all}"));
    say(text, format_args!("{name}_sum {sum}"));
    say(text, format_args!("{name}_count {all}"));
}

fn head(name: &str, help: &str, kind: &str, text: &mut String) {
    let help = help.trim();
    say(text, format_args!("# HELP {name} {help}"));
    say(text, format_args!("# TYPE {name} {kind}"));
}

/// Names of routes are plain by their own rule, and outcomes are ours: nothing in them has to be escaped.
fn written((route, outcome): &Labels) -> String {
    let pairs = [("route", route.as_str()), ("outcome", outcome)];
    let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    let given: Vec<String> = given
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    if given.is_empty() {
        return String::new();
    }
    format!("{{{}}}", given.join(","))
}

fn say(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let written = writeln!(text, "{line}");
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timer::Summary;

    fn lines_about(tally: &Tally, name: &str) -> Vec<String> {
        let text = tally.text();
        let about = text.lines().filter(|line| line.contains(name));
        about.map(str::to_owned).collect()
    }

    fn minute(looks: usize, diverged: usize) -> Happening<'static> {
        Happening::Summary(Summary {
            routes: 3,
            looks,
            diverged,
            ..Summary::default()
        })
    }

    #[test]
    fn what_happens_adds_up_and_what_is_so_at_the_moment_does_not() {
        let tally = Tally::default();
        for happening in [minute(10, 2), minute(7, 1)] {
            tally.tell(&happening);
        }
        assert!(lines_about(&tally, "looks").contains(&"writerlink_looks_total 17".to_owned()));
        assert_eq!(
            lines_about(&tally, "route_diverged")[1..],
            [
                "# TYPE writerlink_route_diverged gauge",
                "writerlink_route_diverged 1"
            ]
        );
    }

    #[test]
    fn a_histogram_counts_what_took_no_longer_than_its_bound() {
        let mut histogram = Histogram::default();
        for ms in [5, 6, 700_000] {
            histogram.add(Duration::from_millis(ms));
        }
        let mut text = String::new();
        timed(&crate::measure::BEGIN_MS, &histogram, &mut text);
        for line in [
            "writerlink_begin_seconds_bucket{le=\"0.005\"} 1",
            "writerlink_begin_seconds_bucket{le=\"0.01\"} 2",
            "writerlink_begin_seconds_bucket{le=\"600\"} 2",
            "writerlink_begin_seconds_bucket{le=\"+Inf\"} 3",
            "writerlink_begin_seconds_sum 700.011",
            "writerlink_begin_seconds_count 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_worker_that_has_seen_nothing_shows_its_own_counters_at_zero() {
        let text = Tally::default().text();
        assert!(text.contains("\nwriterlink_queue_failures_total 0\n"));
        assert!(!text.contains("\nwriterlink_attempts_total "), "{text}");
    }
}
