//! Keeps a Network Load Balancer target group pointed at the current writer of an Aurora or RDS database.
//!
//! # Layout
//! `domain` says what an event means, what to do and what is recorded; `ports` what is needed from outside;
//! `aws` and `embedded` are the two worlds behind the ports. See ARCHITECTURE.md.
pub mod audit_chain;
pub mod aws;
pub mod check;
pub mod cli;
pub mod config;
pub mod connect;
pub mod domain;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod emf;
pub mod health;
pub mod measure;
pub mod ports;
pub mod reconcile;
pub mod records;
pub mod schema;
pub mod survey;
pub mod system_clock;
pub mod tally;
pub mod telemetry;
pub mod text;
pub mod timer;
pub mod web;
pub mod wire;
pub mod worker;
