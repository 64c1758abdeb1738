//! Whether a route may point at an instance, and at an address of it (I5).

use std::net::IpAddr;

use crate::decision::checks::{DecisionCheck, Trace, Tracer};
use crate::decision::verdict::Verdict;
use crate::model::names::InstanceId;
use crate::model::outcome::Outcome;
use crate::model::reason::Reason;
use crate::model::route::{Route, Strategy};
use crate::model::target::Target;

/// The value of a check that passed, with the values compared; or the verdict.
type Ruled<T> = Result<(T, String), Verdict>;

/// The target of an instance at `address`, if the route may point there (I5).
pub(crate) fn admit(
    route: &Route,
    instance: &InstanceId,
    address: Option<IpAddr>,
    tracer: &mut Tracer,
) -> Result<Target, Verdict> {
    let trace = tracer.trace;
    tracer.ask(DecisionCheck::InstanceAllowed, is_allowed(route, instance, trace))?;
    let known = is_known(route, instance, address, trace);
    let ip = tracer.ask(DecisionCheck::AddressKnown, known)?;
    tracer.ask(DecisionCheck::HasAGroup, has_a_group(route, instance, trace))?;
    tracer.ask(DecisionCheck::AddressAllowed, lies_inside(route, instance, ip, trace))
}

fn is_allowed(route: &Route, instance: &InstanceId, trace: Trace) -> Ruled<()> {
    let Some(allowed) = &route.policy.allowed_instances else {
        let any = format_args!("any instance of the source is allowed");
        return Ok(((), trace.words(any)));
    };
    if allowed.contains(instance) {
        let named = format_args!("instance {instance} is one of allowed_instances");
        return Ok(((), trace.words(named)));
    }
    let note = format!("instance {instance} is not one of allowed_instances of route {}", route.name);
    rejected(Reason::InstanceNotAllowed, note)
}

fn is_known(route: &Route, instance: &InstanceId, address: Option<IpAddr>, trace: Trace) -> Ruled<IpAddr> {
    let Some(ip) = address else {
        let note =
            format!("instance {instance} is not one of route {}; add it under [route.instances]", route.name);
        return rejected(Reason::UnknownInstance, note);
    };
    Ok((ip, trace.words(format_args!("instance {instance} is at {ip}"))))
}

fn has_a_group(route: &Route, instance: &InstanceId, trace: Trace) -> Ruled<()> {
    let Some(group) = route.group_of(instance) else {
        let note = format!(
            "instance {instance} has no target group on weighted route {}; make one for it, and add it under \
             [route.target_groups]",
            route.name
        );
        return rejected(Reason::UnknownInstance, note);
    };
    let whose = match route.strategy {
        Strategy::Swap => "the route's group is",
        Strategy::Relay(_) => "relays forward to it; their group is",
        Strategy::Weighted(_) => "the instance's own group is",
    };
    Ok(((), trace.words(format_args!("{whose} {}", group.arn))))
}

fn lies_inside(route: &Route, instance: &InstanceId, ip: IpAddr, trace: Trace) -> Ruled<Target> {
    match route.admit(ip) {
        Some(target) => {
            let inside = format_args!("address {ip} lies inside allowed_cidrs");
            Ok((target, trace.words(inside)))
        }
        None => rejected(
            Reason::AddressNotAllowed,
            format!("address {ip} of instance {instance} is outside allowed_cidrs"),
        ),
    }
}

fn rejected<T>(reason: Reason, note: String) -> Ruled<T> {
    Err(Verdict::new(Outcome::Rejected, reason, note))
}
