//! What the preflight makes of what it saw: one promise a test, both sides.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod balancer;
mod caller;
mod calls;
mod database;
mod group;
mod queue;
mod rules;
mod seen;
mod tables;
mod weights;
