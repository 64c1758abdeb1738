//! The databases of a route: the addresses of its instances, and whether its discovery sources answer.

use crate::preflight::finding::{Check, CheckFindings, Lines};
use crate::preflight::sql;
use writerlink_core::evidence::discovery::Discovery;
use writerlink_core::evidence::sql::is_without_lag;
use writerlink_core::model::policy::{DiscoverySource, Role};
use writerlink_core::model::route::Route;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::{MemberFacts, RouteFacts, Seen, Switch, Unseen};

const ADDRESS: Check = Check::ours("address");
const DISCOVERY: Check = Check::ours("discovery");
const NETWORKING: Check =
    Check::aws("VPC networking", "RDS API reference, \"DBCluster\", VPCNetworkingEnabled");
const MAP: Check = Check::aws("instances", "Aurora user guide, \"High availability for Amazon Aurora\"");

pub(super) fn judge(facts: &RouteFacts, findings: &mut CheckFindings) {
    let mut lines = findings.about_route(facts);
    networking(facts, &mut lines);
    addresses(facts, &mut lines);
    discovery(facts, &mut lines);
    map(facts, &mut lines);
    sql::instances(facts, &mut lines);
}

/// Whether the instances have addresses that a target group can hold.
fn networking(facts: &RouteFacts, lines: &mut Lines<'_>) {
    match &facts.vpc_networking {
        Ok(Switch::On) => lines.pass(NETWORKING, "on"),
        Ok(Switch::Off) => lines.fail(
            NETWORKING,
            "off: the cluster is reachable only through its internet access gateway, so its instances have no VPC \
             address that a target group could hold",
            "aws rds modify-db-cluster --enable-vpc-networking (a cluster of Aurora PostgreSQL's express configuration has it \
             off), or name another cluster",
        ),
        // The line of the instances reports it.
        Err(Unseen::Refused(error)) if error.kind == ErrorKind::Missing => {}
        Err(unseen) => lines.unseen(NETWORKING, unseen),
    }
}

fn addresses(facts: &RouteFacts, lines: &mut Lines<'_>) {
    let cidrs: Vec<String> = facts.route.allowed_cidrs.iter().map(ToString::to_string).collect();
    for (instance, found) in &facts.addresses {
        match found {
            Ok(Some(ip)) if facts.route.admit(*ip).is_some() => {
                lines.pass(ADDRESS, format!("{instance} is at {ip}"));
            }
            Ok(Some(ip)) => lines.fail(
                ADDRESS,
                format!(
                    "{instance} is at {ip}, outside {}: a failover to it would be rejected",
                    cidrs.join(", ")
                ),
                "add its subnet to the route's allowed_cidrs, if the subnet is correct",
            ),
            Ok(None) => lines.fail(
                ADDRESS,
                format!("{instance} is not an instance of the route's source: a failover to it would be rejected"),
                "correct its name in the configuration",
            ),
            Err(error) if error.kind == ErrorKind::Missing => lines.fail(
                ADDRESS,
                format!("{instance}: {error}"),
                "correct the instance's name, or check its endpoint",
            ),
            Err(error) if lines.is_known(ADDRESS, error) => {}
            Err(error) => lines.unknown(
                ADDRESS,
                format!("{instance}: {error}"),
                "run check where the worker runs, with a role that may call RDS and a resolver that resolves the endpoints",
            ),
        }
    }
}

fn discovery(facts: &RouteFacts, lines: &mut Lines<'_>) {
    let route = &facts.route;
    match facts.reading.discovery() {
        Discovery::NoSources => lines.pass(DISCOVERY, "events only: no discovery source"),
        Discovery::Members { writer, .. } if route.admit(writer.ip).is_some() => {
            lines.pass(DISCOVERY, format!("the writer is {writer}"));
        }
        Discovery::Members { writer, .. } => lines.fail(
            DISCOVERY,
            format!("the writer is {writer}, outside allowed_cidrs: the route would not be moved there"),
            "add its subnet to the route's allowed_cidrs, if the subnet is correct",
        ),
        // The line of its networking reports the reason.
        Discovery::Unclear(_) if facts.vpc_networking == Ok(Switch::Off) => {
            lines.reported_at(DISCOVERY, "VPC networking");
        }
        Discovery::Unclear(why) => {
            let else_see = if is_without_lag(&route.policy.discovery) {
                "what each instance answered"
            } else if route.policy.discovery.contains(&DiscoverySource::Rds) {
                "whether the source and endpoint of the route are correct, and whether the role may call RDS"
            } else {
                "whether the route's endpoint is correct, and whether the resolver resolves it"
            };
            lines.warn(
                DISCOVERY,
                format!("the sources do not name the writer: {why}"),
                format!("wait if a failover is in progress; otherwise check {else_see}"),
            );
        }
    }
}

/// Compares the configuration's instances with those of RDS. An address of the map changes only by hand.
fn map(facts: &RouteFacts, lines: &mut Lines<'_>) {
    let Some(members) = lines.read(MAP, &facts.members) else { return };
    let route = &facts.route;
    if members.is_empty() {
        return lines.fail(
            MAP,
            "RDS has no instance of the route's source",
            "correct the route's source, or the account and Region of the credentials",
        );
    }
    let wrong: Vec<String> =
        strangers(route, members).chain(forgotten(route, members)).chain(moved(route, members)).collect();
    let open: Vec<String> = unresolved(route, members).collect();
    if wrong.is_empty() && !open.is_empty() {
        return lines.unknown(
            MAP,
            format!("the addresses could not be compared: {}", open.join("; ")),
            "run check where the endpoints can be resolved",
        );
    }
    if wrong.is_empty() {
        let names: Vec<&str> = members.iter().map(|member| member.instance.as_str()).collect();
        return lines.pass(MAP, format!("as RDS has them: {}", names.join(", ")));
    }
    lines.fail(
        MAP,
        format!("{}: a failover there would not be followed, or to the wrong address", wrong.join("; ")),
        "correct [route.instances]; with discovery = \"rds\" no map is needed",
    );
}

fn strangers(route: &Route, members: &[MemberFacts]) -> impl Iterator<Item = String> {
    let known = move |name: &str| members.iter().any(|member| member.instance.as_str() == name);
    let named = route.instances.keys();
    named
        .filter(move |instance| !known(instance.as_str()))
        .map(|instance| format!("RDS has no instance {instance}"))
}

/// Instances that may become the writer, and that are missing in the map of an events-only route.
fn forgotten(route: &Route, members: &[MemberFacts]) -> impl Iterator<Item = String> {
    let discovery = &route.policy.discovery;
    // Instances that are asked themselves are those of the map too.
    let asked = discovery.contains(&DiscoverySource::Sql) && !route.instances.is_empty();
    let by_map = (discovery.is_empty() || asked) && route.policy.role == Role::Writer;
    let wanted = move |member: &&MemberFacts| {
        let allowed = route.policy.allowed_instances.as_ref();
        let may = allowed.is_none_or(|allowed| allowed.contains(&member.instance));
        by_map && may && !route.instances.contains_key(&member.instance)
    };
    let forgotten = members.iter().filter(wanted);
    forgotten.map(|member| format!("{} is missing in [route.instances]", member.instance))
}

fn moved(route: &Route, members: &[MemberFacts]) -> impl Iterator<Item = String> {
    members.iter().filter_map(|member| {
        let mapped = route.instances.get(&member.instance)?;
        let now: &Seen<_> = &member.address;
        let now = now.as_ref().ok()?;
        (mapped != now).then(|| {
            let instance = &member.instance;
            format!("{instance} is at {now}, but [route.instances] has {mapped}")
        })
    })
}

/// Instances of the map whose endpoints could not be looked up.
fn unresolved(route: &Route, members: &[MemberFacts]) -> impl Iterator<Item = String> {
    members.iter().filter_map(|member| {
        route.instances.get(&member.instance)?;
        let why = match member.address.as_ref().err()? {
            Unseen::Refused(error) => error.message.as_str(),
            Unseen::NotHere(why) | Unseen::Told(why) => why,
        };
        Some(format!("{}: {why}", member.instance))
    })
}
