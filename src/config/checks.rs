//! Checks over several values: the addresses of one route, and the routes together.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::findings::{Findings, Found, Place};
use crate::config::source;
use writerlink_core::model::names::{ArnPart, InstanceId, ListenerArn, Location, RouteName, TargetGroupArn};
use writerlink_core::model::policy::Policy;
use writerlink_core::model::route::Relay;

/// What to write for an instance.
pub(super) const INSTANCE_FIX: &str = "write a DB instance identifier and the private address of \
     its own endpoint, such as db-1 and \"10.0.1.10\"";

/// An instance as it was written: its name, its address, and where.
pub(super) type Written = Found<(String, String)>;

/// An instance as it was understood.
struct Member<'a> {
    instance: InstanceId,
    ip: IpAddr,
    written: &'a Written,
}

impl Member<'_> {
    fn fault(&self, why: impl Into<String>, fix: &str, findings: &Findings) {
        let quote = format!("{:?}", self.written.value.1);
        findings.fault(&self.written.place, Some(&quote), why, fix);
    }
}

/// Reports a route without instances.
pub(super) fn no_instances(place: &Place, findings: &Findings) {
    let why = "no instance is listed, so no event could ever move the route";
    findings.fault(place, None, why, INSTANCE_FIX);
}

/// Reports a route whose sources could register any address.
pub(super) fn no_bounds(place: &Place, findings: &Findings) {
    let why = "without [route.instances] these ranges are the only limit on where the route may point, and the \
         default ranges contain every address that a load balancer accepts";
    let fix = "write the ranges of the database's subnets, such as [\"10.0.1.0/24\", \"10.0.2.0/24\"]";
    findings.fault(place, None, why, fix);
}

/// A route with `discovery = "events"` can only point at instances of its map.
pub(super) fn allowed_are_listed(
    place: &Place,
    policy: &Policy,
    instances: &BTreeMap<InstanceId, IpAddr>,
    findings: &Findings,
) {
    for allowed in policy.allowed_instances.iter().flatten() {
        if !instances.contains_key(allowed) {
            let quote = format!("{:?}", allowed.as_str());
            let why =
                "[route.instances] has no such instance, and no discovery source could give its address";
            let fix = "correct the identifier, or list the instance with its address";
            findings.fault(place, Some(&quote), why, fix);
        }
    }
}

/// The instances of one route: each with an address of its own, all of one family (a target group has one
/// IP address type), all where the route may point (I5). `cidrs` is absent when they were faulty
/// themselves: then addresses outside of them are not reported.
pub(super) fn instances(
    written: &[Written],
    cidrs: Option<&[IpNet]>,
    findings: &Findings,
) -> BTreeMap<InstanceId, IpAddr> {
    let mut known: Vec<Member<'_>> = Vec::new();
    for written in written {
        if let Some(member) = member(written, findings) {
            unlike(&member, &known, findings);
            inside(&member, cidrs, findings);
            findings.understood(&written.place, member.ip);
            known.push(member);
        }
    }
    one_family(&known, findings);
    let pairs = known.into_iter().map(|member| (member.instance, member.ip));
    pairs.collect()
}

fn member<'a>(written: &'a Written, findings: &Findings) -> Option<Member<'a>> {
    let (name, address) = &written.value;
    let quote = format!("{address:?}");
    let instance = InstanceId::new(name);
    if let Err(error) = &instance {
        let why = format!("{name:?} is not an instance identifier: {}", error.rule);
        findings.fault(&written.place, Some(&quote), why, INSTANCE_FIX);
    }
    let ip = address.parse::<IpAddr>();
    if ip.is_err() {
        let why = "this is not an IP address (a host name is not accepted: its address can change)";
        findings.fault(&written.place, Some(&quote), why, INSTANCE_FIX);
    }
    Some(Member { instance: instance.ok()?, ip: ip.ok()?, written })
}

fn unlike(member: &Member<'_>, known: &[Member<'_>], findings: &Findings) {
    let instance = &member.instance;
    if known.iter().any(|other| other.instance == *instance) {
        let why = format!("{instance} is listed twice (RDS ignores upper and lower case)");
        member.fault(why, "remove one of the two", findings);
        return;
    }
    if let Some(Member { instance, .. }) = known.iter().find(|other| other.ip == member.ip) {
        let why =
            format!("{instance} has the same address, so a failover between the two would change nothing");
        let fix = "look up both endpoints again (dig +short, from inside the VPC)";
        member.fault(why, fix, findings);
    }
}

/// Reported once: only the target group's IP address type shows which of the two is wrong.
fn one_family(members: &[Member<'_>], findings: &Findings) {
    let Some((first, others)) = members.split_first() else {
        return;
    };
    let differs = |other: &&Member<'_>| other.ip.is_ipv4() != first.ip.is_ipv4();
    if let Some(other) = others.iter().find(differs) {
        let Member { instance, ip, .. } = first;
        let why = format!("{instance} has {ip}, and a target group holds addresses of one IP version");
        let fix = "give all instances addresses of the target group's IP address type";
        other.fault(why, fix, findings);
    }
}

fn inside(member: &Member<'_>, cidrs: Option<&[IpNet]>, findings: &Findings) {
    let Some(cidrs) = cidrs else { return };
    if !cidrs.iter().any(|cidr| cidr.contains(&member.ip)) {
        let why = format!("the address lies outside allowed_cidrs ({})", join(cidrs));
        let fix = "correct the address, or name its range in allowed_cidrs of the route, in a file";
        member.fault(why, fix, findings);
    }
}

/// A list as it is shown.
pub(super) fn join(cidrs: &[IpNet]) -> String {
    let texts: Vec<String> = cidrs.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// What identifies a route, as far as it could be read.
pub(super) struct Identity {
    pub(super) name: Option<Found<RouteName>>,
    pub(super) source: Option<Found<source::Written>>,
    pub(super) groups: Vec<Found<TargetGroupArn>>,
    pub(super) listener: Option<Found<ListenerArn>>,
    pub(super) relay: Option<Found<Relay>>,
    /// Where the route is written.
    pub(super) place: Place,
}

/// No two routes may share a name (one audit chain), a target group or a listener (each would undo the
/// other's moves), of several routes each has to name its source, and all of them are in one account and
/// Region.
pub(super) fn between_routes(routes: &[Identity], findings: &Findings) {
    one_location(routes, findings);
    for (i, route) in routes.iter().enumerate() {
        let earlier = &routes[..i];
        if let Some(name) = &route.name {
            same_name(name, earlier, findings);
        }
        for group in &route.groups {
            same_group(group, earlier, findings);
        }
        if let Some(listener) = &route.listener {
            same_listener(listener, earlier, findings);
        }
        if routes.len() > 1 && route.source.is_none() {
            let why = "there are several routes, and this one has no source";
            let fix = "write source = \"CLUSTER\", the identifier of its cluster or instance";
            let place = Place { field: format!("{}.source", route.place.field), origin: route.place.origin };
            findings.fault(&place, None, why, fix);
        }
    }
}

/// An ARN, its account and Region, and the field that has it.
struct Located<'a> {
    location: Location<'a>,
    arn: &'a str,
    place: &'a Place,
}

/// One worker makes all its calls in one account and Region, and its queue and ledger are there too.
fn one_location(routes: &[Identity], findings: &Findings) {
    let located = routes.iter().flat_map(|route| {
        let groups = route.groups.iter().map(|g| (g.value.location(), g.value.as_str(), &g.place));
        let listener = route.listener.iter().map(|l| (l.value.location(), l.value.as_str(), &l.place));
        groups.chain(listener).map(|(location, arn, place)| Located { location, arn, place })
    });
    let mut seen: Option<Located<'_>> = None;
    for own in located {
        match &seen {
            None => seen = Some(own),
            Some(first) if own.location != first.location => elsewhere(&own, first, findings),
            Some(_) => {}
        }
    }
}

fn elsewhere(own: &Located<'_>, first: &Located<'_>, findings: &Findings) {
    let differs = ArnPart::ALL.into_iter().filter_map(|part| {
        let of = |located: &Located<'_>| located.location.part(part).unwrap_or_default().to_owned();
        let (its, that) = (of(own), of(first));
        (its != that).then(|| format!("its {part} is {its}, and that of {} is {that}", first.place.origin))
    });
    let differs: Vec<String> = differs.collect();
    let why = format!("{}: one worker and its ledger are in one account and Region", differs.join("; "));
    let fix =
        "correct the ARN, or give the routes of another account or Region a worker and a file of their own";
    findings.fault(own.place, Some(&format!("{:?}", own.arn)), why, fix);
}

fn same_name(name: &Found<RouteName>, earlier: &[Identity], findings: &Findings) {
    let twin = |other: &Identity| other.name.as_ref().is_some_and(|n| n.value == name.value);
    if let Some(other) = earlier.iter().find(|other| twin(other)) {
        let why = format!("the route of {} has this name too", other.place.origin);
        let fix = "write another name (default: the name of the source)";
        findings.fault(&name.place, Some(&format!("{:?}", name.value.as_str())), why, fix);
    }
}

fn same_group(group: &Found<TargetGroupArn>, earlier: &[Identity], findings: &Findings) {
    let own = group_resource(&group.value);
    let twin = |other: &&Identity| other.groups.iter().any(|theirs| group_resource(&theirs.value) == own);
    if let Some(other) = earlier.iter().find(twin) {
        shared(group, "target group", other, findings);
    }
}

/// A forward action is written as a whole: two routes that read it at the same time would overwrite each
/// other.
fn same_listener(listener: &Found<ListenerArn>, earlier: &[Identity], findings: &Findings) {
    let twin = |other: &&Identity| other.listener.as_ref().is_some_and(|l| l.value == listener.value);
    if let Some(other) = earlier.iter().find(twin) {
        shared(listener, "listener", other, findings);
    }
}

fn shared<T: fmt::Display>(arn: &Found<T>, what: &str, with: &Identity, findings: &Findings) {
    let of = with.place.origin;
    let why = format!("the route of {of} has this {what} too, so each would undo the other's moves");
    let fix = format!("give each route a {what} of its own");
    findings.fault(&arn.place, Some(&format!("\"{}\"", arn.value)), why, fix);
}

/// `targetgroup/NAME/ID` in one spelling. AWS draws the id at random (64 bits), so two ARNs that differ
/// only in front of it are one group with a typing error in its account or Region.
fn group_resource(arn: &TargetGroupArn) -> String {
    let resource = arn.as_str().rsplit(':').next().unwrap_or_default();
    resource.to_ascii_lowercase()
}
