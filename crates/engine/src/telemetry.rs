//! What a worker tells of itself: events, the metric line and the exposition for Prometheus.

pub mod event;
pub mod measure;
pub mod prometheus;
pub mod tracing_sink;
