//! The ports on AWS.
//!
//! **Invariants of this room:** no SDK type leaves it; every failure goes through the one classifier in
//! [`error`]; nothing here retries, since the SDK does, inside the time that [`config`] gives it.

pub mod config;
pub mod databases;
pub mod dns;
pub mod dynamodb;
pub mod elbv2;
pub mod error;
pub mod haproxy;
pub mod identity;
pub mod installation;
pub mod listeners;
pub mod rds;
pub mod setup;
pub mod sql;
pub mod sqs;
