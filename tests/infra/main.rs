//! What infra/ says, held against what the code does: deployed on ministack, recorded on the wire, compared.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod alarms;
mod append_only;
mod check;
mod drill;
mod embedded_metrics;
mod filter_pattern;
mod grants;
mod lint;
mod permissions;
mod policy;
mod recorder;
mod relay_role;
#[path = "../rig/mod.rs"]
mod rig;
mod stacks;
#[path = "../support/mod.rs"]
mod support;
mod terraform;
mod tidy;
mod tools;
mod trail;
#[allow(dead_code, reason = "the wire tests use the rest of it")]
#[path = "../support/trial.rs"]
mod trial;
mod troubles;
mod two_installations;
