//! A route's target groups: whether they accept the writer, and release the previous one.

use std::net::IpAddr;
use std::time::Duration;

use crate::preflight::caller::name_of;
use crate::preflight::finding::{Check, CheckFindings, Lines, Subject};
use writerlink_core::model::policy::{Role, ServingWhen};
use writerlink_core::model::route::{Route, Strategy};
use writerlink_core::model::target::{ObservedTarget, TargetHealth};
use writerlink_engine::ports::installation::{
    Attributes, DescribedGroup, MemberFacts, RouteFacts, RouteGroup,
};

/// The pages about a target group and about its health checks.
macro_rules! groups_page {
    () => {
        "Network Load Balancer guide, \"Target groups for your Network Load Balancers\""
    };
}

pub(super) const THERE: Check = Check::ours("target group");
const TYPE: Check = Check::aws("target type", groups_page!());
pub(super) const PROTOCOL: Check = Check::aws("protocol", groups_page!());
const PORT: Check = Check::ours("port");
const FAMILY: Check = Check::aws("address family", groups_page!());
const VPC: Check = Check::aws("VPC", "ELB API reference, \"TargetDescription\", AvailabilityZone");
const IN_USE: Check = Check::ours("in use");
const HOLDS: Check = Check::aws(
    "targets",
    "Network Load Balancer guide, \"Health checks for Network Load Balancer target groups\"",
);
const TERMINATION: Check = Check::aws(
    "connection termination",
    "Network Load Balancer guide, \"Edit target group attributes\", connection termination on deregistration",
);
const DELAY: Check = Check::aws(
    "deregistration delay",
    "Network Load Balancer guide, \"Edit target group attributes\", deregistration delay",
);
const UNHEALTHY: Check = Check::aws(
    "unhealthy termination",
    "Network Load Balancer guide, \"Edit target group attributes\", unhealthy target connection termination",
);
const CLIENT_IP: Check = Check::aws(
    "client addresses",
    "Network Load Balancer guide, \"Edit target group attributes\", client IP preservation",
);
const PROXY: Check = Check::aws(
    "proxy protocol",
    "Network Load Balancer guide, \"Edit target group attributes\", proxy protocol",
);
pub(super) const STICKY: Check = Check::aws(
    "stickiness",
    "Network Load Balancer guide, \"Edit target group attributes\", sticky sessions",
);
pub(super) const HEALTH: Check = Check::aws(
    "health checks",
    "Network Load Balancer guide, \"Health checks for Network Load Balancer target groups\"; MySQL manual, \"max_connect_errors\"",
);
const MAY_MOVE: Check = Check::ours("may move");

/// The zone of a target outside the group's VPC.
const ZONE_ALL: &str = "all";

/// With a longer delay, sessions stay on a demoted writer long enough to read stale data.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// A health check on the port that traffic goes to.
const TRAFFIC_PORT: &str = "traffic-port";

pub(super) fn judge(facts: &RouteFacts, findings: &mut CheckFindings) {
    for group in &facts.groups {
        let mut lines = findings.about(subject(facts, group));
        match &group.facts.described {
            Ok(described) => {
                described_as(facts, group, described, &mut lines);
                match &group.facts.attributes {
                    Ok(attributes) => attributed(&facts.route, attributes, &mut lines),
                    Err(unseen) => lines.unseen(TERMINATION, unseen),
                }
            }
            Err(unseen) => lines.unseen(THERE, unseen),
        }
        holds(&facts.route, group, &mut lines);
    }
    let mut lines = findings.about_route(facts);
    may_move(&facts.route, &mut lines);
}

/// A route of which nothing could be read; the line at `at` reports why.
pub(super) fn unread(facts: &RouteFacts, at: &str, findings: &mut CheckFindings) {
    let mut lines = findings.about_route(facts);
    lines.reported_at(THERE, at);
}

/// A swap route has one group; a weighted route has one for each instance.
pub(super) fn subject(facts: &RouteFacts, group: &RouteGroup) -> Subject {
    let route = facts.route.name.clone();
    match &group.instance {
        None => Subject::Route(route),
        Some(instance) => Subject::Group(route, instance.to_string()),
    }
}

fn described_as(facts: &RouteFacts, group: &RouteGroup, described: &DescribedGroup, lines: &mut Lines<'_>) {
    let route = &facts.route;
    lines.found(TYPE, described.target_type.clone()).require(
        described.target_type == "ip",
        "a database has no EC2 instance to register, only an address",
        "create a target group of type ip; the type of an existing group cannot be changed",
    );
    lines.found(PROTOCOL, described.protocol.clone()).require(
        described.protocol == "TCP",
        "a database uses TCP, with its own TLS inside",
        "create a target group with protocol TCP; the protocol of an existing group cannot be changed",
    );
    port(route, described, lines);
    family(facts, group, described, lines);
    vpc(facts, group, described, lines);
    in_use(described, lines);
    health(route, described, lines);
}

pub(super) fn in_use(described: &DescribedGroup, lines: &mut Lines<'_>) {
    if described.balancers.is_empty() {
        lines.fail(
            IN_USE,
            "no listener forwards to it, so its targets get no connections",
            "let a TCP listener of the Network Load Balancer forward to it",
        );
    } else {
        let names: Vec<&str> = described.balancers.iter().map(|arn| name_of(arn)).collect();
        lines.pass(IN_USE, format!("behind {}", names.join(", ")));
    }
}

fn port(route: &Route, described: &DescribedGroup, lines: &mut Lines<'_>) {
    match described.port {
        Some(port) if port == route.port => lines.pass(PORT, port.to_string()),
        other => {
            let other = other.map_or("none".to_owned(), |port| port.to_string());
            lines.warn(
                PORT,
                format!(
                    "the group's port is {other}, but the route registers targets with port {}",
                    route.port
                ),
                "correct route.port if it is not the database's port; the group's port only applies to targets registered without one",
            );
        }
    }
}

fn family(facts: &RouteFacts, group: &RouteGroup, described: &DescribedGroup, lines: &mut Lines<'_>) {
    let family = |ip: &IpAddr| if ip.is_ipv4() { "ipv4" } else { "ipv6" };
    let own = facts
        .addresses
        .iter()
        .filter(|(instance, _)| group.instance.as_ref().is_none_or(|of| of == *instance));
    let others: Vec<String> = own
        .filter_map(|(instance, found)| {
            let ip = found.as_ref().ok()?.as_ref()?;
            (family(ip) != described.family).then(|| format!("{instance} at {ip}"))
        })
        .collect();
    lines.found(FAMILY, described.family.clone()).require(
        others.is_empty(),
        &format!("it does not accept {}", others.join(", ")),
        "use addresses of the group's family, or a group of the other family (IpAddressType)",
    );
}

/// An address of the group's own VPC is registered without a zone, and one of another with `all`: the
/// opposite is refused in both cases (aws-load-balancer-controller issues 561 and 3084).
fn vpc(facts: &RouteFacts, group: &RouteGroup, described: &DescribedGroup, lines: &mut Lines<'_>) {
    let members = facts.members.iter().flatten();
    let members = members.filter(|member| {
        let of = group.instance.as_ref();
        of.is_none_or(|of| *of == member.instance)
    });
    let known = members.filter_map(|member| Some((member, member.vpc.as_deref()?)));
    let Some(own) = described.vpc.as_deref() else {
        let why = "the load balancer does not report the group's VPC";
        return lines.skipped(VPC, why, None);
    };
    let (inside, outside): (Vec<_>, Vec<_>) = known.partition(|(_, vpc)| *vpc == own);
    let by_all = facts.route.group.availability_zone.as_deref() == Some(ZONE_ALL);
    let shown = |of: &[(&MemberFacts, &str)]| {
        let of: Vec<String> =
            of.iter().map(|(member, vpc)| format!("{} in {vpc}", member.instance)).collect();
        of.join(", ")
    };
    match (by_all, inside.is_empty(), outside.is_empty()) {
        (_, true, true) => lines.skipped(VPC, "the VPC of the instances is unknown (see instances)", None),
        (false, _, false) => lines.fail(
            VPC,
            format!("the group is in {own}, and {}: its address would not be registered", shown(&outside)),
            "set availability_zone = \"all\" for the route; the VPCs have to be peered, or joined by a transit gateway",
        ),
        (true, false, _) => lines.fail(
            VPC,
            format!("{}, the group's VPC, and the route registers with availability_zone = \"all\": AWS refuses that", shown(&inside)),
            "remove availability_zone from the route",
        ),
        (true, true, false) => lines.pass(VPC, format!("{}, registered with availability_zone = \"all\"", shown(&outside))),
        (false, false, true) => lines.pass(VPC, own),
    }
}

fn health(route: &Route, described: &DescribedGroup, lines: &mut Lines<'_>) {
    let DescribedGroup { health_port: port, health_protocol: protocol, .. } = described;
    let every = described.health_interval;
    let every = every.map_or(String::new(), |every| format!(" every {} s", every.as_secs()));
    let found = format!("{protocol} on {port}{every}");
    let on_database = port == TRAFFIC_PORT || *port == route.port.to_string();
    match (on_database, route.policy.serving_when) {
        (true, _) if protocol != "TCP" => lines.warn(
            HEALTH,
            format!("{found}: a database does not answer {protocol}, so its target never becomes healthy"),
            "use TCP health checks",
        ),
        (true, ServingWhen::Healthy) => lines.pass(
            HEALTH,
            format!("{found}; MySQL counts them as failed connections: set its max_connect_errors high"),
        ),
        (true, ServingWhen::Registered) => lines.pass(HEALTH, found),
        (false, ServingWhen::Registered) => {
            lines.pass(HEALTH, format!("{found}, which never pass by design (fail-open)"));
        }
        (false, ServingWhen::Healthy) => lines.warn(
            HEALTH,
            format!(
                "{found}: the database does not answer there, but the route waits for healthy targets, so every move is \
                 recorded as TargetNotHealthy"
            ),
            "set serving_when = \"registered\" if the checks fail on purpose, otherwise check the traffic-port",
        ),
    }
}

fn value<'a>(attributes: &'a Attributes, key: &str, default: &'a str) -> &'a str {
    attributes.get(key).map_or(default, String::as_str)
}

fn attributed(route: &Route, attributes: &Attributes, lines: &mut Lines<'_>) {
    termination(route, attributes, lines);
    let unhealthy = "target_health_state.unhealthy.connection_termination.enabled";
    match (value(attributes, unhealthy, "true"), route.policy.serving_when) {
        ("true", ServingWhen::Registered) => lines.fail(
            UNHEALTHY,
            "on, but the route's checks never pass by design, so every session is cut",
            format!("set {unhealthy} of the group to false"),
        ),
        (found, ServingWhen::Registered | ServingWhen::Healthy) => {
            lines.pass(UNHEALTHY, on_off(found));
        }
    }
    sticky(route, attributes, lines);
    match value(attributes, "preserve_client_ip.enabled", "false") {
        "true" => lines.warn(
            CLIENT_IP,
            "preserved: the database's security group has to admit every client, and a client in the same subnets may not \
             connect; through PrivateLink it has no effect",
            "set preserve_client_ip.enabled of the group to false, unless the database needs the clients' addresses",
        ),
        _ => lines.pass(CLIENT_IP, "not preserved: the database sees the load balancer's address"),
    }
    proxy_protocol(attributes, "the database", lines);
}

/// `peer` is who would get the header.
pub(super) fn proxy_protocol(attributes: &Attributes, peer: &str, lines: &mut Lines<'_>) {
    match value(attributes, "proxy_protocol_v2.enabled", "false") {
        "true" => lines.fail(
            PROXY,
            format!("on: {peer} does not understand the header and refuses every connection"),
            "set proxy_protocol_v2.enabled of the group to false",
        ),
        _ => lines.pass(PROXY, "off"),
    }
}

/// Stickiness of a group is by client address; through PrivateLink that is always the load balancer's own.
pub(super) fn sticky(route: &Route, attributes: &Attributes, lines: &mut Lines<'_>) {
    let key = "stickiness.enabled";
    let fix = format!("set {key} of the group to false");
    let why = "on: connections from one address keep going to the same target, and through PrivateLink all connections come \
               from the load balancer's own address";
    match (value(attributes, key, "false"), &route.strategy) {
        ("true", Strategy::Weighted(_)) => lines.fail(STICKY, why, fix),
        ("true", Strategy::Swap | Strategy::Relay(_)) => lines.warn(STICKY, why, fix),
        _ => lines.pass(STICKY, "off"),
    }
}

fn on_off(value: &str) -> &'static str {
    if value == "true" { "on" } else { "off" }
}

fn termination(route: &Route, attributes: &Attributes, lines: &mut Lines<'_>) {
    if matches!(route.strategy, Strategy::Weighted(_)) {
        let why = "a weighted route deregisters nothing; test what happens to old sessions at weight 0";
        return lines.skipped(TERMINATION, why, None);
    }
    let key = "deregistration_delay.connection_termination.enabled";
    let fix = format!("set {key} of the group to true");
    match (value(attributes, key, "false"), route.policy.role) {
        ("true", _) => lines.pass(TERMINATION, "on, when a target is deregistered"),
        (_, Role::Writer) => lines.fail(
            TERMINATION,
            "off: sessions stay on the demoted writer and read stale data, while everything looks healthy",
            fix,
        ),
        (_, Role::Readers) => {
            lines.warn(TERMINATION, "off: sessions stay on a removed reader as long as it answers", fix);
        }
    }
    let key = "deregistration_delay.timeout_seconds";
    let found = value(attributes, key, "300");
    let delay = found.parse().map(Duration::from_secs);
    if delay.is_ok_and(|delay| delay <= DELAY_MAX) {
        lines.pass(DELAY, format!("{found} s"));
    } else {
        lines.warn(
            DELAY,
            format!(
                "{found} s: sessions are cut only afterwards, and read from the demoted writer until then"
            ),
            format!("set {key} of the group to 0"),
        );
    }
}

fn holds(route: &Route, group: &RouteGroup, lines: &mut Lines<'_>) {
    let Some(rows) = lines.read(HOLDS, &group.observed) else { return };
    let registered: Vec<_> = rows.iter().filter(|row| row.is_registered()).collect();
    if registered.is_empty() {
        return lines.warn(
            HOLDS,
            "none is registered: clients cannot connect until the first event or reconcile pass",
            format!("writerlink swap {} --to INSTANCE --reason \"first target\"", route.name),
        );
    }
    let shown = |row: &&ObservedTarget| format!("{} {}", row.target, row.health.as_str());
    let found = registered.iter().map(shown).collect::<Vec<_>>().join(", ");
    let unused = |row: &&ObservedTarget| row.health == TargetHealth::Unused;
    if registered.iter().any(unused) {
        lines.fail(
            HOLDS,
            format!("{found}: a target is unused if no listener forwards to its group, or the load balancer lacks its zone"),
            "let a listener forward to the group, and add a subnet of the target's zone to the load balancer",
        );
    } else {
        lines.pass(HOLDS, found);
    }
}

/// The one permission that cannot be tried: ELBv2 has no dry run, and a call that succeeds moves something.
fn may_move(route: &Route, lines: &mut Lines<'_>) {
    let (actions, on) = match &route.strategy {
        Strategy::Swap => (
            "elasticloadbalancing:RegisterTargets elasticloadbalancing:DeregisterTargets",
            route.group.arn.as_str(),
        ),
        Strategy::Weighted(weighted) => ("elasticloadbalancing:ModifyListener", weighted.listener.as_str()),
        // No call moves it, so there is no right to be had.
        Strategy::Relay(_) => return,
    };
    lines.skipped(
        MAY_MOVE,
        "not tried: a load balancer call that succeeds moves something",
        Some(format!(
            "aws iam simulate-principal-policy --policy-source-arn ROLE --action-names {actions} --resource-arns {on}"
        )),
    );
}
