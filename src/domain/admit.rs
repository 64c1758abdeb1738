//! Whether a route may point at an instance, and at an address of it (I5).

use std::net::IpAddr;

use super::audit::Reason;
use super::decide::Verdict;
use super::route::{InstanceId, Route, Strategy};
use super::target::Target;
use super::transition::Outcome;
use super::walk::{Question, Trail};

/// What a question gives that is passed, with what was compared; or the verdict.
type Ruled<T> = Result<(T, String), Verdict>;

/// The target of an instance at `address`, if the route may point there (I5).
pub(super) fn admit(
    route: &Route,
    instance: &InstanceId,
    address: Option<IpAddr>,
    trail: &mut Trail,
) -> Result<Target, Verdict> {
    trail.ask(Question::InstanceAllowed, is_allowed(route, instance))?;
    let ip = trail.ask(Question::AddressKnown, is_known(route, instance, address))?;
    trail.ask(Question::HasAGroup, has_a_group(route, instance))?;
    trail.ask(Question::AddressAllowed, lies_inside(route, instance, ip))
}

fn is_allowed(route: &Route, instance: &InstanceId) -> Ruled<()> {
    let Some(allowed) = &route.policy.allowed_instances else {
        return Ok(((), "any instance of the source is allowed".to_owned()));
    };
    if allowed.contains(instance) {
        return Ok((
            (),
            format!("instance {instance} is one of allowed_instances"),
        ));
    }
    let note = format!(
        "instance {instance} is not one of allowed_instances of route {}",
        route.name
    );
    rejected(Reason::InstanceNotAllowed, note)
}

fn is_known(route: &Route, instance: &InstanceId, address: Option<IpAddr>) -> Ruled<IpAddr> {
    let Some(ip) = address else {
        let note = format!(
            "instance {instance} is not one of route {}; add it under [route.instances]",
            route.name
        );
        return rejected(Reason::UnknownInstance, note);
    };
    Ok((ip, format!("instance {instance} is at {ip}")))
}

fn has_a_group(route: &Route, instance: &InstanceId) -> Ruled<()> {
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
        Strategy::Weighted(_) => "the instance's own group is",
    };
    Ok(((), format!("{whose} {}", group.arn)))
}

fn lies_inside(route: &Route, instance: &InstanceId, ip: IpAddr) -> Ruled<Target> {
    match route.admit(ip) {
        Some(target) => Ok((target, format!("address {ip} lies inside allowed_cidrs"))),
        None => rejected(
            Reason::AddressNotAllowed,
            format!("address {ip} of instance {instance} is outside allowed_cidrs"),
        ),
    }
}

fn rejected<T>(reason: Reason, note: String) -> Ruled<T> {
    Err(Verdict::new(Outcome::Rejected, reason, note))
}
