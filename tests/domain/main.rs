//! What the pure domain promises, by values and by properties.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]
#![expect(clippy::panic, reason = "a test's helpers may fail loudly")]

mod audit;
mod decide;
mod event;
mod history;
mod plan;
mod transition;
mod values;
