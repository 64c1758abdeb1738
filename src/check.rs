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
pub mod facts;
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
mod tables;
mod unread;
mod weights;

use async_trait::async_trait;

pub use self::caller::other_region;
use self::facts::{
    BalancerFacts, Environment, Facts, GroupFacts, Identity, ListenerRule, MemberFacts, NameFacts,
    QueueFacts, Right, RuleFacts, Seen, Switch, TableFacts,
};
use self::finding::Sheet;
pub use self::finding::{Finding, Subject, Verdict};
pub use self::gather::{Wanted, Writes, look};
use crate::config::Config;
use crate::domain::route::{ListenerArn, Route, TargetGroupArn};

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

    /// The rules of a listener, besides its default action.
    async fn listener_rules(&self, listener: &ListenerArn) -> Seen<Vec<ListenerRule>>;

    /// The instances of the route's source, by RDS's word.
    async fn members(&self, route: &Route) -> Seen<Vec<MemberFacts>>;

    /// Whether the route's source has addresses in a VPC: a cluster can be without.
    async fn vpc_networking(&self, route: &Route) -> Seen<Switch>;

    /// What each resolver says of the names that the route lives on, each asked twice; nothing for a route whose map
    /// alone says where its instances are.
    async fn names(&self, route: &Route) -> Seen<Vec<NameFacts>>;
}

/// Everything that can be said about these facts, in the order in which an event travels.
#[must_use]
pub fn judge(facts: &Facts, config: &Config) -> Vec<Finding> {
    let mut sheet = Sheet::default();
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
