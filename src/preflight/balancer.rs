//! The load balancers in front of a route's groups: whether they reach every instance, from everywhere.

use crate::preflight::finding::{Check, CheckFindings, Lines};
use crate::preflight::group::subject;
use writerlink_engine::ports::installation::{BalancerFacts, RouteFacts, RouteGroup, Switch};

const KIND: Check =
    Check::aws("load balancer", "PrivateLink guide, \"Create a service powered by AWS PrivateLink\"");
const ZONES: Check = Check::aws(
    "Availability Zones",
    "Network Load Balancer guide, \"Update the Availability Zones for your Network Load Balancer\"",
);
const CROSS_ZONE: Check = Check::aws(
    "cross-zone",
    "PrivateLink guide, \"Create a service powered by AWS PrivateLink\", cross-zone load balancing",
);

const INBOUND: Check = Check::aws(
    "PrivateLink inbound rules",
    "Network Load Balancer guide, \"Update the security groups for your Network Load Balancer\"",
);

const CROSS_ZONE_KEY: &str = "load_balancing.cross_zone.enabled";

/// The value of a target group that inherits the load balancer's setting. It is the default.
const AS_BALANCER: &str = "use_load_balancer_configuration";

/// What a target of another VPC has instead of a zone.
const ZONE_ALL: &str = "all";

pub(super) fn judge(facts: &RouteFacts, findings: &mut CheckFindings) {
    for group in &facts.groups {
        let mut lines = findings.about(subject(facts, group));
        let Ok(described) = &group.facts.described else {
            continue;
        };
        for arn in &described.balancers {
            match facts.balancers.get(arn) {
                Some(Ok(balancer)) => reaches(facts, group, balancer, &mut lines),
                Some(Err(unseen)) => lines.unseen(KIND, unseen),
                None => {}
            }
        }
    }
}

fn reaches(facts: &RouteFacts, group: &RouteGroup, balancer: &BalancerFacts, lines: &mut Lines<'_>) {
    lines.found(KIND, balancer.kind.clone()).require(
        balancer.kind == "network",
        "only a Network Load Balancer forwards TCP and works behind an endpoint service",
        "put the target group behind a Network Load Balancer",
    );
    zones(facts, group, balancer, lines);
    cross_zone(group, balancer, lines);
    inbound_rules(balancer, lines);
}

/// A consumer's address is in another VPC, which hardly any security group admits; his connections then time
/// out without a reason. It is on unless it was turned off.
fn inbound_rules(balancer: &BalancerFacts, lines: &mut Lines<'_>) {
    if balancer.security_groups.is_empty() {
        return lines.pass(INBOUND, "no security group");
    }
    let groups = balancer.security_groups.join(", ");
    match balancer.inbound_rules_on_private_link {
        Some(Switch::Off) => lines.pass(INBOUND, "off: security groups do not filter traffic through PrivateLink"),
        Some(Switch::On) | None => lines.warn(
            INBOUND,
            format!("on: traffic through PrivateLink is filtered too, so a consumer whose address {groups} does not admit gets no answer"),
            "aws elbv2 set-security-groups --enforce-security-group-inbound-rules-on-private-link-traffic off (the endpoint \
             service's permissions decide who connects), or admit the consumers' addresses",
        ),
    }
}

/// The zones of the group's instances, as RDS and the load balancer report them.
fn zones(facts: &RouteFacts, group: &RouteGroup, balancer: &BalancerFacts, lines: &mut Lines<'_>) {
    let members = facts.members.iter().flatten();
    let by_rds = members
        .filter(|member| group.instance.as_ref().is_none_or(|of| *of == member.instance))
        .filter_map(|member| Some((member.instance.to_string(), member.zone.as_deref()?)));
    let rows = group.observed.iter().flatten();
    let by_balancer = rows
        .filter(|row| row.is_registered())
        .filter_map(|row| Some((row.target.to_string(), row.availability_zone.as_deref()?)));
    let known: Vec<(String, &str)> =
        by_rds.chain(by_balancer).filter(|(_, zone)| *zone != ZONE_ALL).collect();
    let has = balancer.zones.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if known.is_empty() {
        return lines.unknown(
            ZONES,
            format!("has {has}; the zones of the instances are unknown"),
            "run check with a role that may call RDS, or compare by hand: the writer's zone has to be among them",
        );
    }
    let outside: Vec<String> = known
        .iter()
        .filter(|(_, zone)| !balancer.zones.contains(*zone))
        .map(|(who, zone)| format!("{who} in {zone}"))
        .collect();
    lines.found(ZONES, format!("has {has}")).require(
        outside.is_empty(),
        &format!("lacks the zone of {}, so it gets no connections", outside.join(", ")),
        "add a subnet of that zone to the load balancer (aws elbv2 set-subnets)",
    );
}

fn cross_zone(group: &RouteGroup, balancer: &BalancerFacts, lines: &mut Lines<'_>) {
    let (own, its) = match (&group.facts.attributes, &balancer.attributes) {
        (Ok(own), Ok(its)) => (own, its),
        (Err(unseen), _) | (_, Err(unseen)) => return lines.unseen(CROSS_ZONE, unseen),
    };
    let own = own.get(CROSS_ZONE_KEY).map_or(AS_BALANCER, String::as_str);
    let (whose, setting) = if own == AS_BALANCER {
        let its = its.get(CROSS_ZONE_KEY).map_or("false", String::as_str);
        ("the load balancer", its)
    } else {
        ("the target group", own)
    };
    if setting == "true" {
        lines.pass(CROSS_ZONE, format!("on, by {whose}"));
    } else if balancer.zones.len() < 2 {
        lines.pass(CROSS_ZONE, "off, with a single zone");
    } else {
        lines.warn(
            CROSS_ZONE,
            format!(
                "off, by {whose}: the writer is in one zone, and an endpoint connects to the load balancer in its own zone, so \
                 endpoints in the other zones get no connection"
            ),
            format!("set {CROSS_ZONE_KEY} of the target group to true"),
        );
    }
}
