//! The adapters for SQS, ELBv2, RDS and DNS, over the wire: against ministack, through microburst where the wire
//! fails, and against scripted answers in AWS's own words where neither can show a case.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "adapters/audit.rs"]
mod audit;
#[path = "adapters/dns.rs"]
mod dns;
#[path = "adapters/drift.rs"]
mod drift;
#[path = "adapters/elbv2.rs"]
mod elbv2;
#[path = "adapters/faults.rs"]
mod faults;
#[path = "adapters/idle.rs"]
mod idle;
#[path = "adapters/installation.rs"]
mod installation;
#[path = "adapters/ledger_scripted.rs"]
mod ledger_scripted;
#[path = "adapters/listeners.rs"]
mod listeners;
#[path = "adapters/rds.rs"]
mod rds;
#[path = "adapters/resolvers.rs"]
mod resolvers;
#[path = "adapters/sqs.rs"]
mod sqs;
#[path = "adapters/sqs_scripted.rs"]
mod sqs_scripted;
mod support;
#[path = "adapters/surroundings.rs"]
mod surroundings;
