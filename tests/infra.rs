//! What infra/ says, held against what the code does: deployed on ministack, recorded on the wire, compared.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "infra/alarms.rs"]
mod alarms;
#[path = "infra/append_only.rs"]
mod append_only;
#[path = "infra/check.rs"]
mod check;
#[path = "infra/drill.rs"]
mod drill;
#[path = "infra/embedded_metrics.rs"]
mod embedded_metrics;
#[path = "infra/filter_pattern.rs"]
mod filter_pattern;
#[path = "infra/grants.rs"]
mod grants;
#[path = "infra/lint.rs"]
mod lint;
#[path = "infra/permissions.rs"]
mod permissions;
#[path = "infra/policy.rs"]
mod policy;
#[path = "infra/recorder.rs"]
mod recorder;
mod rig;
#[path = "infra/stacks.rs"]
mod stacks;
mod support;
#[path = "infra/trail.rs"]
mod trail;
#[allow(dead_code, reason = "the wire tests use the rest of it")]
#[path = "wire/trial.rs"]
mod trial;
#[path = "infra/troubles.rs"]
mod troubles;
#[path = "infra/two_installations.rs"]
mod two_installations;
