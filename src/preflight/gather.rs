//! Reads everything that is checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use writerlink_core::actuation::relay::RelayReport;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::route::{Route, Strategy, TargetGroup};
use writerlink_engine::audit_chain::compared_end;
use writerlink_engine::ports::installation::{
    Facts, Installation, Right, RouteFacts, RouteGroup, Seen, SqlFacts, Unseen,
};
use writerlink_engine::ports::{AuditQuery, CallError, Ports};

/// Whether writes that must be refused are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// They are tried.
    Tried,
    /// They are not tried: reads only.
    Left,
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Those of its routes that are checked.
    pub routes: &'a [&'a Route],
    /// How far to go.
    pub writes: Writes,
}

/// Why a write was not tried.
const LEFT: Unseen = Unseen::NotHere("not tried (--read-only)");

/// The key of an event that does not exist: a query for it needs the same permission as any other.
const NO_EVENT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Reads through the installation and the worker's own ports.
pub async fn gather(installation: &dyn Installation, ports: &Ports, wanted: Wanted<'_>) -> Facts {
    let tables = &wanted.config.ledger;
    let (identity, queue, state, audit, rights) = tokio::join!(
        installation.identity(),
        installation.queue(),
        installation.table(tables.state.as_str()),
        installation.table(tables.audit.as_str()),
        rights(installation, ports, wanted),
    );
    let rules = match &queue {
        Ok(queue) => installation.rules(&queue.arn).await,
        Err(unseen) => Err(unseen.clone()),
    };
    let mut routes = Vec::new();
    // One after the other: hundreds of routes at once would be throttled.
    for route in wanted.routes {
        routes.push(read_route(route, installation, ports).await);
    }
    let at = ports.clock.wall();
    Facts {
        at,
        environment: installation.environment(),
        identity,
        rights,
        queue,
        rules,
        state,
        audit,
        routes,
    }
}

async fn rights(
    installation: &dyn Installation,
    ports: &Ports,
    wanted: Wanted<'_>,
) -> Vec<(Right, Seen<()>)> {
    let mut rights = Vec::new();
    if let Some(route) = wanted.routes.first() {
        let read = ports.ledger.peek(&route.name).await;
        rights.push((Right::ReadState, read.map(drop).map_err(Unseen::from)));
        for (right, query) in questions(route, ports) {
            let read = ports.audit.page(&query, 1, None).await;
            rights.push((right, read.map(drop).map_err(Unseen::from)));
        }
    }
    for right in [Right::UpdateState, Right::InsertState, Right::AppendAudit, Right::ChangeAudit] {
        let seen = match wanted.writes {
            Writes::Tried => installation.may(right).await,
            Writes::Left => Err(LEFT),
        };
        rights.push((right, seen));
    }
    rights
}

/// A query to the audit's table and to each of its indexes.
fn questions(route: &Route, ports: &Ports) -> Vec<(Right, AuditQuery)> {
    let newest = AuditQuery::Newest { route: route.name.clone() };
    let day = AuditQuery::Day { day: ports.clock.wall().day() };
    let event = EventKey::parse(NO_EVENT).map(|key| AuditQuery::Event { key });
    let mut questions = vec![(Right::ReadAudit, newest), (Right::ReadAuditByDay, day)];
    questions.extend(event.map(|event| (Right::ReadAuditByEvent, event)));
    questions
}

async fn read_route(route: &Route, installation: &dyn Installation, ports: &Ports) -> RouteFacts {
    let mut groups = Vec::new();
    let (mut weights, mut listener_rules) = (None, None);
    match &route.strategy {
        Strategy::Swap | Strategy::Relay(_) => {
            groups.push(group(None, &route.group, installation, ports).await);
        }
        Strategy::Weighted(weighted) => {
            for (instance, of) in &weighted.groups {
                groups.push(group(Some(instance), of, installation, ports).await);
            }
            let read = ports.listeners.weights(&weighted.listener).await;
            weights = Some(read.map(|reply| reply.value).map_err(Unseen::from));
            listener_rules = Some(installation.listener_rules(&weighted.listener).await);
        }
    }
    let described = groups.iter().filter_map(|group| group.facts.described.as_ref().ok());
    let arns: BTreeSet<String> = described.flat_map(|group| group.balancers.clone()).collect();
    let mut balancers = BTreeMap::new();
    for arn in arns {
        let balancer = installation.balancer(&arn).await;
        balancers.insert(arn, balancer);
    }
    let mut addresses = BTreeMap::new();
    for instance in named(route) {
        let address = ports.databases.address(route, &instance).await;
        addresses.insert(instance, address.map_err(CallError::from));
    }
    let (ledger, audit) = (ports.ledger.as_ref(), ports.audit.as_ref());
    let chain_end = compared_end(ledger, audit, &route.name).await;
    RouteFacts {
        route: route.clone(),
        groups,
        weights,
        listener_rules,
        balancers,
        members: installation.members(route).await,
        vpc_networking: installation.vpc_networking(route).await,
        addresses,
        reading: ports.databases.ask(route).await,
        names: installation.names(route).await,
        sql: sql(route, installation).await,
        relays: relays(route, ports).await,
        chain_end: chain_end.map_err(Unseen::from),
    }
}

/// Only of a route that relays serve.
async fn relays(route: &Route, ports: &Ports) -> Option<Seen<Vec<RelayReport>>> {
    match route.strategy {
        Strategy::Relay(_) => Some(ports.relays.reports().await.map_err(Unseen::from)),
        Strategy::Swap | Strategy::Weighted(_) => None,
    }
}

/// Only of a route that asks its instances.
async fn sql(route: &Route, installation: &dyn Installation) -> Option<Seen<Vec<SqlFacts>>> {
    if !route.policy.discovery.contains(&DiscoverySource::Sql) {
        return None;
    }
    Some(installation.sql(route).await)
}

async fn group(
    instance: Option<&InstanceId>,
    group: &TargetGroup,
    installation: &dyn Installation,
    ports: &Ports,
) -> RouteGroup {
    let observed = ports.groups.observe(group).await;
    RouteGroup {
        instance: instance.cloned(),
        arn: group.arn.clone(),
        facts: installation.group(&group.arn).await,
        observed: observed.map(|reply| reply.value).map_err(Unseen::from),
    }
}

/// Every instance that the route's configuration names.
fn named(route: &Route) -> BTreeSet<InstanceId> {
    let mapped = route.instances.keys();
    let allowed = route.policy.allowed_instances.iter().flatten();
    let mut named: BTreeSet<InstanceId> = mapped.chain(allowed).cloned().collect();
    if let Strategy::Weighted(weighted) = &route.strategy {
        named.extend(weighted.groups.keys().cloned());
    }
    named
}
