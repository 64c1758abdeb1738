//! Keeps a Network Load Balancer target group pointed at the current writer of an Aurora or RDS database.
//!
//! # Layout
//! `domain` says what an event means, what to do and what is recorded; `ports` what is needed from outside;
//! `aws` and `embedded` are the two worlds behind the ports. See ARCHITECTURE.md.
pub mod aws;
pub mod domain;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod ports;
