//! The preflight: whether the resources around the program are as the configuration requires.
//!
//! [`gather`](gather::gather) reads through an [`Installation`] and the worker's own ports, and returns
//! [`Facts`]; [`judge`] turns facts into [`Finding`]s. **Architecture invariant:** judging is pure: no
//! call, no clock, no environment. A failed read is a fact too, and never counts as good.

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

mod relays;

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
pub use crate::preflight::gather::{Wanted, Writes, gather};
use crate::preflight::relays::RelayCheck;
use writerlink_engine::ports::installation::Facts;

/// The findings about these facts, in the order in which an event travels.
#[must_use]
pub fn judge(facts: &Facts, config: &Config) -> Vec<Finding> {
    let mut findings = CheckFindings::default();
    let explained = unread::explained(facts);
    let facts = &explained.facts;
    caller::judge(facts, &mut findings);
    queue::judge(facts, config, &mut findings);
    calls::judge(facts, config, &mut findings);
    tables::judge(facts, config, &mut findings);
    for route in &facts.routes {
        if let Some(at) = explained.routes.get(&route.route.name) {
            group::unread(route, at, &mut findings);
            continue;
        }
        rules::judge(route, facts, config, &mut findings);
        database::judge(route, &mut findings);
        resolver::judge(route, &mut findings);
        match RelayCheck::of(&route.route, config.relay.alive_port, facts.at) {
            Some(check) => check.judge(route, &mut findings),
            None => group::judge(route, &mut findings),
        }
        weights::judge(route, &mut findings);
        balancer::judge(route, &mut findings);
        chain::judge(route, &mut findings);
    }
    findings.all
}
