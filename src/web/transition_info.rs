//! `writerlink_transition_info`: the newest transition of each route, for annotations beside the other
//! metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use writerlink_core::model::names::RouteName;
use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};

/// The labels of one series.
type Labels = Vec<(&'static str, String)>;

/// The newest transition of each route that this process made. One series a route: a new transition
/// replaces the last one, so their number stays that of the routes.
#[derive(Debug, Default)]
pub(super) struct NewestTransitions(Mutex<BTreeMap<RouteName, Labels>>);

impl NewestTransitions {
    /// Adds the series to a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let family = Family::<Labels, Gauge>::default();
        for labels in newest.values() {
            family.get_or_create(labels).set(1);
        }
        let help = "The newest transition of each route since the worker started, with its outcome; always 1";
        registry.register("transition_info", help, family);
    }
}

impl EventSink for NewestTransitions {
    fn record(&self, happening: &WorkerEvent<'_>) {
        let WorkerEvent::Attempt(report) = happening else {
            return;
        };
        // An attempt without a generation never had the route.
        if report.generation.is_none() {
            return;
        }
        let to = report.desired.as_ref().map_or("", |(instance, _)| instance.as_str());
        let labels = vec![
            ("route", report.route.to_string()),
            ("transition", report.transition.to_string()),
            ("outcome", report.ended.as_str().to_owned()),
            ("cause", report.cause.to_string()),
            ("to", to.to_owned()),
        ];
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.insert(report.route.clone(), labels);
    }
}
