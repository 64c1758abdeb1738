//! What was measured since the process began, for whoever asks: the metrics of the log, as Prometheus reads them.
//!
//! The format (prometheus.io, "Exposition formats", text version 0.0.4) wants seconds, `_total` behind what only grows,
//! and one `HELP` and one `TYPE` before a metric's samples. Times are histograms of all routes together: by route
//! they would be hundreds of series each.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::provenance::InstallationName;
use crate::emf::INSTALLATION;
use crate::measure::{Amount, By, Kind, Metric, measured, metrics};
use crate::worker::{Happening, Observer};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What stands before every name.
const PREFIX: &str = "writerlink_";

/// The upper bounds of a histogram's buckets in milliseconds: from a quick call of `DynamoDB` to the ten minutes that a
/// load balancer may take until a target serves.
const BUCKETS_MS: [u64; 16] =
    [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 180_000, 300_000, 600_000];

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
#[derive(Debug)]
pub struct Tally {
    installation: InstallationName,
    numbers: Mutex<Numbers>,
}

impl Observer for Tally {
    fn tell(&self, happening: &Happening<'_>) {
        let measured = measured(happening);
        let route = measured.route.unwrap_or_default();
        let outcome = measured.outcome.unwrap_or_default();
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
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
    /// Numbers of this installation, none of them counted yet.
    #[must_use]
    pub fn of(installation: InstallationName) -> Self {
        Self { installation, numbers: Mutex::default() }
    }

    /// Everything there is to say, a metric after the other.
    #[must_use]
    pub fn text(&self) -> String {
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = self.page();
        for metric in metrics() {
            match metric.kind {
                Kind::Counter | Kind::Gauge => {
                    counted(&metric, numbers.counts.get(metric.name), &mut page);
                }
                Kind::Time => {
                    let times = numbers.times.get(metric.name).cloned();
                    timed(&metric, &times.unwrap_or_default(), &mut page);
                }
            }
        }
        page.text
    }

    /// A number of the process itself, which no happening tells.
    #[must_use]
    pub fn gauge(&self, name: &str, help: &str, label: Option<(&str, &str)>, value: f64) -> String {
        let name = format!("{PREFIX}{name}");
        let mut page = self.page();
        page.head(&name, help, "gauge");
        page.sample(&name, label.as_slice(), value);
        page.text
    }

    fn page(&self) -> Page<'_> {
        Page { installation: &self.installation, text: String::new() }
    }
}

/// The text, as far as it is written. Every series of it has the label of the installation.
struct Page<'a> {
    installation: &'a InstallationName,
    text: String,
}

impl Page<'_> {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let help = help.trim();
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// Names of installations and routes are plain by their own rules, and the other labels are ours: nothing in them has
    /// to be escaped.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let of_all = [(INSTALLATION, self.installation.as_str())];
        let all = [&of_all[..], labels].concat();
        let written: Vec<String> = all.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        self.line(format_args!("{name}{{{}}} {value}", written.join(",")));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let written = writeln!(self.text, "{line}");
        debug_assert!(written.is_ok());
    }
}

fn counted(metric: &Metric, sums: Option<&BTreeMap<Labels, u64>>, page: &mut Page<'_>) {
    let (name, kind) = match metric.kind {
        Kind::Gauge => (format!("{PREFIX}{}", metric.name), "gauge"),
        Kind::Counter | Kind::Time => (format!("{PREFIX}{}_total", metric.name), "counter"),
    };
    page.head(&name, metric.help, kind);
    for ((route, outcome), sum) in sums.into_iter().flatten() {
        let pairs = [("route", route.as_str()), ("outcome", *outcome)];
        let given: Vec<(&str, &str)> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        page.sample(&name, &given, sum);
    }
    // A rate can be taken from the first time on only of what was 0 before it.
    if sums.is_none() && metric.by == By::Nothing {
        page.sample(&name, &[], 0);
    }
}

fn timed(metric: &Metric, histogram: &Histogram, page: &mut Page<'_>) {
    let stem = metric.name.strip_suffix("_ms").unwrap_or(metric.name);
    let name = format!("{PREFIX}{stem}_seconds");
    let bucket = format!("{name}_bucket");
    page.head(&name, metric.help, "histogram");
    let mut so_far = 0;
    for (bound, count) in BUCKETS_MS.iter().zip(&histogram.counts) {
        so_far += count;
        let bound = Duration::from_millis(*bound).as_secs_f64().to_string();
        page.sample(&bucket, &[("le", &bound)], so_far);
    }
    let all: u64 = histogram.counts.iter().sum();
    let sum = histogram.sum.as_secs_f64();
    page.sample(&bucket, &[("le", "+Inf")], all);
    page.sample(&format!("{name}_sum"), &[], sum);
    page.sample(&format!("{name}_count"), &[], all);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timer::Summary;

    fn tally() -> Tally {
        Tally::of(InstallationName::new("w").unwrap())
    }

    fn lines_about(tally: &Tally, name: &str) -> Vec<String> {
        let text = tally.text();
        let about = text.lines().filter(|line| line.contains(name));
        about.map(str::to_owned).collect()
    }

    fn minute(looks: usize, diverged: usize) -> Happening<'static> {
        Happening::Summary(Summary { routes: 3, looks, diverged, ..Summary::default() })
    }

    #[test]
    fn what_happens_adds_up_and_what_is_so_at_the_moment_does_not() {
        let tally = tally();
        for happening in [minute(10, 2), minute(7, 1)] {
            tally.tell(&happening);
        }
        assert!(
            lines_about(&tally, "looks")
                .contains(&r#"writerlink_looks_total{installation="w"} 17"#.to_owned())
        );
        assert_eq!(
            lines_about(&tally, "route_diverged")[1..],
            ["# TYPE writerlink_route_diverged gauge", r#"writerlink_route_diverged{installation="w"} 1"#]
        );
    }

    #[test]
    fn a_histogram_counts_what_took_no_longer_than_its_bound() {
        let mut histogram = Histogram::default();
        for ms in [5, 6, 700_000] {
            histogram.add(Duration::from_millis(ms));
        }
        let tally = tally();
        let mut page = tally.page();
        timed(&crate::measure::BEGIN_MS, &histogram, &mut page);
        let text = page.text;
        for line in [
            r#"writerlink_begin_seconds_bucket{installation="w",le="0.005"} 1"#,
            r#"writerlink_begin_seconds_bucket{installation="w",le="0.01"} 2"#,
            r#"writerlink_begin_seconds_bucket{installation="w",le="600"} 2"#,
            r#"writerlink_begin_seconds_bucket{installation="w",le="+Inf"} 3"#,
            r#"writerlink_begin_seconds_sum{installation="w"} 700.011"#,
            r#"writerlink_begin_seconds_count{installation="w"} 3"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_worker_that_has_seen_nothing_shows_its_own_counters_at_zero() {
        let text = tally().text();
        assert!(text.contains("\nwriterlink_queue_failures_total{installation=\"w\"} 0\n"));
        assert!(!text.contains("\nwriterlink_attempts_total{"), "{text}");
    }
}
