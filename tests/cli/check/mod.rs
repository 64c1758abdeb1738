//! What the preflight makes of what it saw: one promise a test, both sides.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod balancer;
mod caller;
mod calls;
mod chain;
mod database;
mod group;
mod patterns;
mod policy;
mod queue;
mod relays;
mod resolver;
mod rules;
mod seen;
mod sql;
mod tables;
mod unread;
mod weights;
