//! The program itself, over the wire: its binary against ministack, as a person or ECS would start it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audit;
mod commands;
mod deliveries;
mod endings;
mod http;
mod lambda;
mod orders;
mod resolver;
mod status;
mod together;
mod without_events;
