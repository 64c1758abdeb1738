//! A route's target groups: whether they take the writer, and let go of the one before.

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

const THERE: Check = Check::ours("target group");
const TYPE: Check = Check::aws("target type", groups_page!());
const PROTOCOL: Check = Check::aws("protocol", groups_page!());
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
const HEALTH: Check = Check::aws(
    "health checks",
    "Network Load Balancer guide, \"Health checks for Network Load Balancer target groups\"; MySQL manual, \"max_connect_errors\"",
);
const MAY_MOVE: Check = Check::ours("may move");

/// What a target has that is registered from outside of the group's VPC.
const ZONE_ALL: &str = "all";

/// From what delay on the sessions of a demoted writer live long enough to be noticed as stale data.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// A health check on the port that traffic goes to.
const TRAFFIC_PORT: &str = "traffic-port";

pub(super) fn judge(facts: &RouteFacts, sheet: &mut CheckFindings) {
    for group in &facts.groups {
        let mut lines = sheet.about(subject(facts, group));
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
    let mut lines = sheet.about(Subject::Route(facts.route.name.clone()));
    may_move(&facts.route, &mut lines);
}

/// A route of which nothing could be read, for a reason that stands there.
pub(super) fn unread(facts: &RouteFacts, at: &str, sheet: &mut CheckFindings) {
    let mut lines = sheet.about(Subject::Route(facts.route.name.clone()));
    lines.told(THERE, at);
}

/// The group of a route that swaps is the route's own; a weighted one has several.
pub(super) fn subject(facts: &RouteFacts, group: &RouteGroup) -> Subject {
    let route = facts.route.name.clone();
    match &group.instance {
        None => Subject::Route(route),
        Some(instance) => Subject::Group(route, instance.to_string()),
    }
}

fn described_as(facts: &RouteFacts, group: &RouteGroup, described: &DescribedGroup, lines: &mut Lines<'_>) {
    let route = &facts.route;
    lines.require(
        TYPE,
        (described.target_type == "ip", described.target_type.clone()),
        (
            "a database has no instance to register, only addresses",
            "create a target group of type ip; the type of one that exists cannot be changed",
        ),
    );
    lines.require(
        PROTOCOL,
        (described.protocol == "TCP", described.protocol.clone()),
        (
            "a database speaks TCP, with a TLS of its own inside",
            "create a target group of protocol TCP, since that of one that exists cannot be changed",
        ),
    );
    port(route, described, lines);
    family(facts, group, described, lines);
    vpc(facts, group, described, lines);
    if described.balancers.is_empty() {
        lines.fail(
            IN_USE,
            "no listener forwards to it: its targets get no connection",
            "let a TCP listener of the Network Load Balancer forward to it",
        );
    } else {
        let names: Vec<&str> = described.balancers.iter().map(|arn| name_of(arn)).collect();
        lines.pass(IN_USE, format!("behind {}", names.join(", ")));
    }
    health(route, described, lines);
}

fn port(route: &Route, described: &DescribedGroup, lines: &mut Lines<'_>) {
    match described.port {
        Some(port) if port == route.port => lines.pass(PORT, port.to_string()),
        other => {
            let other = other.map_or("none".to_owned(), |port| port.to_string());
            lines.warn(
                PORT,
                format!(
                    "the group's is {other}, and the route registers its targets with {}: one of them is a slip",
                    route.port
                ),
                "correct route.port, if it is not the database's; the group's own port is used by nobody who says one",
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
    lines.require(
        FAMILY,
        (others.is_empty(), described.family.clone()),
        (
            &format!("it takes no {}", others.join(", ")),
            "use addresses of the group's family, or a group of the other (IpAddressType)",
        ),
    );
}

/// An address of the group's own VPC is registered without a zone, and one of another with `all`: the contrary is
/// refused either way (aws-load-balancer-controller issues 561 and 3084).
fn vpc(facts: &RouteFacts, group: &RouteGroup, described: &DescribedGroup, lines: &mut Lines<'_>) {
    let members = facts.members.iter().flatten();
    let members = members.filter(|member| {
        let of = group.instance.as_ref();
        of.is_none_or(|of| *of == member.instance)
    });
    let known = members.filter_map(|member| Some((member, member.vpc.as_deref()?)));
    let Some(own) = described.vpc.as_deref() else {
        let why = "the load balancer does not say which VPC the group is of";
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
        (_, true, true) => lines.skipped(VPC, "nobody says which VPC the instances are in (see instances)", None),
        (false, _, false) => lines.fail(
            VPC,
            format!("the group is in {own}, and {}: its address would not be registered", shown(&outside)),
            "set availability_zone = \"all\" for the route; the VPCs have to be peered, or joined by a transit gateway",
        ),
        (true, false, _) => lines.fail(
            VPC,
            format!("{}, which is the group's, and the route registers with availability_zone = \"all\": that is refused", shown(&inside)),
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
            format!("{found}: a database answers no {protocol}, so its target is never healthy"),
            "check by TCP",
        ),
        (true, ServingWhen::Healthy) => lines.pass(
            HEALTH,
            format!("{found}; with MySQL they count as failed connections: its max_connect_errors has to be high"),
        ),
        (true, ServingWhen::Registered) => lines.pass(HEALTH, found),
        (false, ServingWhen::Registered) => {
            lines.pass(HEALTH, format!("{found}, which never pass by design (fail-open)"));
        }
        (false, ServingWhen::Healthy) => lines.warn(
            HEALTH,
            format!(
                "{found}: the database does not answer there, and the route waits for it to be healthy, so every move is \
                 recorded as not serving"
            ),
            "set serving_when = \"registered\" if they fail on purpose, else check on traffic-port",
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
            "on, and the route's checks never pass by design: every session is cut",
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
            "kept: the database's security group has to admit every client, and a client in the same subnets may not get \
             through; through PrivateLink it has no effect",
            "set preserve_client_ip.enabled of the group to false, unless the database has to see its clients",
        ),
        _ => lines.pass(CLIENT_IP, "not kept: the database sees the load balancer's"),
    }
    match value(attributes, "proxy_protocol_v2.enabled", "false") {
        "true" => lines.fail(
            PROXY,
            "on: a database does not know its header, and refuses every connection",
            "set proxy_protocol_v2.enabled of the group to false",
        ),
        _ => lines.pass(PROXY, "off"),
    }
}

/// Stickiness of a group is by the client's address, too: PrivateLink's is always the load balancer's own.
fn sticky(route: &Route, attributes: &Attributes, lines: &mut Lines<'_>) {
    let key = "stickiness.enabled";
    let fix = format!("set {key} of the group to false");
    let why = "on: connections from one address go to the target that they went to before, and through PrivateLink all come \
               from the load balancer's own";
    match (value(attributes, key, "false"), &route.strategy) {
        ("true", Strategy::Weighted(_)) => lines.fail(STICKY, why, fix),
        ("true", Strategy::Swap) => lines.warn(STICKY, why, fix),
        _ => lines.pass(STICKY, "off"),
    }
}

fn on_off(value: &str) -> &'static str {
    if value == "true" { "on" } else { "off" }
}

fn termination(route: &Route, attributes: &Attributes, lines: &mut Lines<'_>) {
    if matches!(route.strategy, Strategy::Weighted(_)) {
        let why =
            "a weighted route deregisters nothing; what becomes of old sessions at weight 0 is to be tried";
        return lines.skipped(TERMINATION, why, None);
    }
    let key = "deregistration_delay.connection_termination.enabled";
    let fix = format!("set {key} of the group to true");
    match (value(attributes, key, "false"), route.policy.role) {
        ("true", _) => lines.pass(TERMINATION, "on, when a target is deregistered"),
        (_, Role::Writer) => lines.fail(
            TERMINATION,
            "off: a session stays on the demoted writer, sees none of the new one's rows, and every light is green",
            fix,
        ),
        (_, Role::Readers) => lines.warn(
            TERMINATION,
            "off: a session stays with a reader that has left, for as long as that answers",
            fix,
        ),
    }
    let key = "deregistration_delay.timeout_seconds";
    let found = value(attributes, key, "300");
    let delay = found.parse().map(Duration::from_secs);
    if delay.is_ok_and(|delay| delay <= DELAY_MAX) {
        lines.pass(DELAY, format!("{found} s"));
    } else {
        lines.warn(
            DELAY,
            format!("{found} s: sessions are cut only after it, and read from the demoted writer until then"),
            format!("set {key} of the group to 0"),
        );
    }
}

fn holds(route: &Route, group: &RouteGroup, lines: &mut Lines<'_>) {
    let rows = match &group.observed {
        Ok(rows) => rows,
        Err(unseen) => return lines.unseen(HOLDS, unseen),
    };
    let registered: Vec<_> = rows.iter().filter(|row| row.is_registered()).collect();
    if registered.is_empty() {
        return lines.warn(
            HOLDS,
            "none is registered: nobody is served until the first event, or look of the timer",
            format!("writerlink swap {} --to INSTANCE --reason \"first target\"", route.name),
        );
    }
    let shown = |row: &&ObservedTarget| format!("{} {}", row.target, row.health.as_str());
    let found = registered.iter().map(shown).collect::<Vec<_>>().join(", ");
    let unused = |row: &&ObservedTarget| row.health == TargetHealth::Unused;
    if registered.iter().any(unused) {
        lines.fail(
            HOLDS,
            format!("{found}: a target is unused when no listener has its group, or the load balancer not its zone"),
            "let a listener forward to the group, and add a subnet of the target's zone to the load balancer",
        );
    } else {
        lines.pass(HOLDS, found);
    }
}

/// The one right that cannot be tried: ELBv2 has no dry run, and a call that is let through has moved something.
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
        "not tried: a call of the load balancer that is let through moves something",
        Some(format!(
            "aws iam simulate-principal-policy --policy-source-arn ROLE --action-names {actions} --resource-arns {on}"
        )),
    );
}
