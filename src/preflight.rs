//! The preflight: whether what stands around the program is what the configuration counts on.
//!
//! [`gather`](gather::look) asks, by way of an [`Installation`] and the worker's own ports, and keeps what it was
//! told as [`facts`]; [`judge`] turns facts into [`Finding`]s. **Architecture invariant:** judging is pure: no
//! call, no clock, no environment; what could not be seen is a fact like any other, and never taken for good.

mod balancer;

mod caller;

mod calls;

mod chain;

mod database;

pub mod finding;

mod gather;

mod glob;

mod group;

mod pattern;

mod policy;

mod probe;

mod queue;

mod resolver;

mod rules;
mod sql;

mod tables;

mod unread;

mod weights;

use crate::config::Config;
pub use crate::preflight::caller::other_region;
use crate::preflight::finding::CheckFindings;
pub use crate::preflight::finding::{CheckStatus, Finding, Subject};
pub use crate::preflight::gather::{Wanted, Writes, look};
use writerlink_engine::ports::installation::Facts;

/// Everything that can be said about these facts, in the order in which an event travels.
#[must_use]
pub fn judge(facts: &Facts, config: &Config) -> Vec<Finding> {
    let mut sheet = CheckFindings::default();
    let explained = unread::explained(facts);
    let facts = &explained.facts;
    caller::judge(facts, &mut sheet);
    queue::judge(facts, config, &mut sheet);
    calls::judge(facts, config, &mut sheet);
    tables::judge(facts, config, &mut sheet);
    for route in &facts.routes {
        if let Some(at) = explained.routes.get(&route.route.name) {
            group::unread(route, at, &mut sheet);
            continue;
        }
        rules::judge(route, facts, config, &mut sheet);
        database::judge(route, &mut sheet);
        resolver::judge(route, &mut sheet);
        group::judge(route, &mut sheet);
        weights::judge(route, &mut sheet);
        balancer::judge(route, &mut sheet);
        chain::judge(route, &mut sheet);
    }
    sheet.findings
}
