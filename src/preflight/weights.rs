//! A weighted route's listener: whether it forwards to each group, and each group has its instance.

use crate::preflight::finding::{Check, CheckFindings, Lines};
use crate::preflight::group::{STICKY, subject};
use writerlink_core::actuation::weights::{Stickiness, Weights};
use writerlink_core::model::names::{InstanceId, TargetGroupArn};
use writerlink_core::model::target::Target;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::{ListenerRule, RouteFacts, RouteGroup, Seen, Unseen};

const LISTENER: Check =
    Check::aws("listener", "Network Load Balancer guide, \"Listeners for your Network Load Balancers\"");
const WEIGHTS: Check =
    Check::aws("weights", "Network Load Balancer guide, \"Listeners for your Network Load Balancers\"");
const RULES: Check = Check::aws(
    "listener rules",
    "Network Load Balancer guide, \"Listeners for your Network Load Balancers\", listener rules",
);
const OTHERS: Check = Check::ours("other groups");
const WARM: Check = Check::aws("warm", "aws-load-balancer-controller issue 1834");

pub(super) fn judge(facts: &RouteFacts, findings: &mut CheckFindings) {
    let Some(seen) = &facts.weights else {
        return;
    };
    let mut lines = findings.about_route(facts);
    match seen {
        Ok(weights) => listener(facts, weights, &mut lines),
        // Our own refusal of an unsuitable listener: its message says what is required.
        Err(Unseen::Refused(error)) if error.kind == ErrorKind::Invalid => lines.fail(
            LISTENER,
            error.message.clone(),
            "name a TCP or TLS listener whose one default action forwards to the route's target groups",
        ),
        Err(unseen) => lines.unseen(LISTENER, unseen),
    }
    if let Some(rules) = &facts.listener_rules {
        listener_rules(facts, rules, &mut lines);
    }
    for group in &facts.groups {
        let mut lines = findings.about(subject(facts, group));
        warm(facts, group, &mut lines);
    }
}

fn listener(facts: &RouteFacts, weights: &Weights, lines: &mut Lines<'_>) {
    let own = || facts.groups.iter();
    let missing: Vec<&str> = own()
        .filter(|group| weights.of(&group.arn).is_none())
        .filter_map(|group| group.instance.as_ref().map(InstanceId::as_str))
        .collect();
    lines.found(LISTENER, format!("forwards to {} groups", weights.groups.len())).require(
        missing.is_empty(),
        &format!("not to the group of {}, so a failover to it cannot be followed", missing.join(", ")),
        "add the group to the listener's forward action, with weight 0",
    );
    let route = &facts.route.name;
    let in_service = weights.in_service();
    let found = weights.to_string();
    match in_service.len() {
        1 => lines.pass(WEIGHTS, found),
        0 => lines.fail(
            WEIGHTS,
            format!("{found}: no group gets connections"),
            format!("writerlink swap {route} --to INSTANCE --reason \"first weight\""),
        ),
        _ => lines.fail(
            WEIGHTS,
            format!(
                "{found}: connections are split among several instances, of which only one is the writer"
            ),
            format!("writerlink plan {route} shows the missing call; an event or a reconcile pass makes it"),
        ),
    }
    stickiness(weights, lines);
    let strangers = weights.groups.keys().filter(|arn| own().all(|group| group.arn != **arn));
    let strangers: Vec<&str> = strangers.map(TargetGroupArn::as_str).collect();
    if strangers.is_empty() {
        lines.pass(OTHERS, "none");
    } else if facts.route.exclusive {
        lines.warn(
            OTHERS,
            format!("{}: the route sets their weight to 0 when it moves", strangers.join(", ")),
            "give them a listener of their own, or set exclusive = false",
        );
    } else {
        lines.pass(OTHERS, format!("{}, left alone (exclusive = false)", strangers.join(", ")));
    }
}

/// A sticky client keeps its group, whatever its weight.
fn stickiness(weights: &Weights, lines: &mut Lines<'_>) {
    match weights.stickiness {
        None | Some(Stickiness::Off) => lines.pass(STICKY, "off"),
        Some(Stickiness::On(_)) => lines.fail(
            STICKY,
            "on: connections from one address keep going to the same group. Through PrivateLink all connections come from \
             the load balancer's own address, so after a move they stay on the demoted writer",
            "turn TargetGroupStickinessConfig of the listener's forward action off (aws elbv2 modify-listener)",
        ),
    }
}

/// Rules take precedence over the default action, and a route moves only the default action's weights.
fn listener_rules(facts: &RouteFacts, rules: &Seen<Vec<ListenerRule>>, lines: &mut Lines<'_>) {
    let Some(rules) = lines.read(RULES, rules) else { return };
    let own = |arn: &String| facts.groups.iter().any(|group| group.arn.as_str() == arn);
    let past = rules.iter().filter(|rule| rule.groups.iter().any(own));
    let past: Vec<&str> = past.map(|rule| rule.priority.as_str()).collect();
    match (rules.len(), past.is_empty()) {
        (0, _) => lines.pass(RULES, "none: the default action applies"),
        (count, true) => lines.pass(RULES, format!("{count}, and none forwards to a group of the route")),
        (_, false) => lines.fail(
            RULES,
            format!(
                "{} forwards to groups of the route before the default action: a move only changes the default action's \
                 weights, so connections by the rule stay on the demoted writer",
                past.join(", ")
            ),
            "delete the rule (aws elbv2 delete-rule), or give its clients a listener of their own",
        ),
    }
}

/// The strategy requires that every instance is registered in its own group before a failover.
fn warm(facts: &RouteFacts, group: &RouteGroup, lines: &mut Lines<'_>) {
    let (Some(instance), Ok(rows)) = (&group.instance, &group.observed) else {
        return;
    };
    let Some(Ok(Some(ip))) = facts.addresses.get(instance) else {
        return;
    };
    let target = Target { ip: *ip, port: facts.route.port };
    let there = rows.iter().any(|row| row.target == target && row.is_registered());
    if there {
        lines.pass(WARM, format!("{target} is registered"));
    } else {
        lines.warn(
            WARM,
            format!("{target} is not registered: a failover there waits 3 to 5 minutes for it"),
            "wait for a reconcile pass of the worker, which registers missing targets, or register it by hand",
        );
    }
}
