//! The preflight: whether what stands around the program is what the configuration counts on.
//!
//! [`gather`](gather::look) asks, by way of an [`Installation`] and the worker's own ports, and keeps what it was
//! told as [`facts`]; [`judge`] turns facts into [`Finding`]s. **Architecture invariant:** judging is pure: no
//! call, no clock, no environment; what could not be seen is a fact like any other, and never taken for good.

mod balancer;
mod caller;
mod calls;
mod database;
pub mod facts;
pub mod finding;
mod gather;
mod group;
mod pattern;
mod queue;
mod rules;
mod tables;
mod weights;

use async_trait::async_trait;

use self::facts::{
    BalancerFacts, Environment, Facts, GroupFacts, Identity, MemberFacts, QueueFacts, Right,
    RuleFacts, Seen, TableFacts,
};
use self::finding::Sheet;
pub use self::finding::{Finding, Subject, Verdict};
pub use self::gather::{Wanted, Writes, look};
use crate::config::Config;
use crate::domain::route::{Route, TargetGroupArn};

/// What only `check` asks an installation. Nothing here changes anything; each method returns within
/// `lease::CALL_TIMEOUT` for each of the calls it makes, and tells what it could not see.
#[async_trait]
pub trait Installation: Send + Sync {
    /// What the process was given to find AWS by.
    fn environment(&self) -> Environment;

    /// Who calls, and when the one who answered thinks it is.
    async fn identity(&self) -> Identity;

    /// The queue of events, and its dead-letter queue.
    async fn queue(&self) -> Seen<QueueFacts>;

    /// The rules that send to the queue with this ARN.
    async fn rules(&self, queue: &str) -> Seen<Vec<Seen<RuleFacts>>>;

    /// A table of the ledger.
    async fn table(&self, name: &str) -> TableFacts;

    /// Whether the caller may do this. What would write is made so that it is refused before it changes anything.
    async fn may(&self, right: Right) -> Seen<()>;

    /// A target group and its attributes.
    async fn group(&self, group: &TargetGroupArn) -> GroupFacts;

    /// A load balancer, by its ARN.
    async fn balancer(&self, arn: &str) -> Seen<BalancerFacts>;

    /// The instances of the route's source, by RDS's word.
    async fn members(&self, route: &Route) -> Seen<Vec<MemberFacts>>;
}

/// Everything that can be said about these facts, in the order in which an event travels.
#[must_use]
pub fn judge(facts: &Facts, config: &Config) -> Vec<Finding> {
    let mut sheet = Sheet::default();
    caller::judge(facts, &mut sheet);
    queue::judge(facts, config, &mut sheet);
    calls::judge(facts, config, &mut sheet);
    tables::judge(facts, config, &mut sheet);
    for route in &facts.routes {
        rules::judge(route, facts, config, &mut sheet);
        database::judge(route, &mut sheet);
        group::judge(route, &mut sheet);
        weights::judge(route, &mut sheet);
        balancer::judge(route, &mut sheet);
    }
    sheet.findings
}
