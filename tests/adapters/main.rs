//! The adapters for SQS, ELBv2, RDS and DNS, over the wire: against ministack, through microburst where the wire
//! fails, and against scripted answers in AWS's own words where neither can show a case. And the program itself,
//! as a process, against the same stand-ins (`wire`).
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audit;
mod dns;
mod drift;
mod elbv2;
mod faults;
mod idle;
mod installation;
mod ledger;
mod ledger_scripted;
mod listeners;
mod rds;
mod relay;
mod resolvers;
mod sql;
mod sqs;
mod sqs_scripted;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
#[path = "../support/trial.rs"]
#[allow(dead_code, reason = "the templates' tests and the chaos use the rest of it")]
mod trial;
mod wire;
