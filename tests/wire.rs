//! The program itself, over the wire: its binary against ministack, as a person or ECS would start it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "wire/audit.rs"]
mod audit;
#[path = "wire/commands.rs"]
mod commands;
#[path = "wire/deliveries.rs"]
mod deliveries;
#[path = "wire/endings.rs"]
mod endings;
#[path = "wire/http.rs"]
mod http;
#[path = "wire/lambda.rs"]
mod lambda;
#[path = "wire/orders.rs"]
mod orders;
#[path = "wire/resolver.rs"]
mod resolver;
#[path = "wire/status.rs"]
mod status;
mod support;
#[path = "wire/together.rs"]
mod together;
#[path = "wire/trial.rs"]
mod trial;
#[path = "wire/without_events.rs"]
mod without_events;
