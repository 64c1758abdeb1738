//! The target groups of a Network Load Balancer.

use std::net::IpAddr;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetHealthDescription};

use crate::error::{call_error, invalid, reply};
use writerlink_core::actuation::plan::RegisteredProof;
use writerlink_core::model::route::TargetGroup;
use writerlink_core::model::target::{ObservedTarget, Target, TargetHealth};
use writerlink_engine::ports::{CallError, ErrorKind, Reply, TargetGroups};

const DESCRIBE_TARGET_HEALTH: &str = "DescribeTargetHealth";
const REGISTER_TARGETS: &str = "RegisterTargets";
const DEREGISTER_TARGETS: &str = "DeregisterTargets";

/// Target groups behind the ELBv2 API.
#[derive(Clone, Debug)]
pub struct Elbv2TargetGroups {
    client: Client,
}

impl Elbv2TargetGroups {
    /// Target groups that this client can reach.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl TargetGroups for Elbv2TargetGroups {
    async fn observe(&self, group: &TargetGroup) -> Result<Reply<Vec<ObservedTarget>>, CallError> {
        let output = self
            .client
            .describe_target_health()
            .target_group_arn(group.arn.as_str())
            .send()
            .await
            .map_err(|error| call_error(DESCRIBE_TARGET_HEALTH, &error))?;
        let rows = output.target_health_descriptions().iter();
        let observed = rows.map(observed).collect::<Result<_, _>>()?;
        Ok(reply(&output, observed))
    }

    async fn register(&self, group: &TargetGroup, targets: &[Target]) -> Result<Reply<()>, CallError> {
        if targets.is_empty() {
            return Ok(nothing_to_do());
        }
        let zone = group.availability_zone.as_deref();
        let descriptions = targets.iter().map(|target| description(*target, zone));
        self.client
            .register_targets()
            .target_group_arn(group.arn.as_str())
            .set_targets(Some(descriptions.collect()))
            .send()
            .await
            .map(|output| reply(&output, ()))
            .map_err(|error| with_remedy(call_error(REGISTER_TARGETS, &error), zone))
    }

    async fn deregister(
        &self,
        group: &TargetGroup,
        targets: &[ObservedTarget],
        present: &RegisteredProof,
    ) -> Result<Reply<()>, CallError> {
        keep_the_desired_target(targets, present)?;
        if targets.is_empty() {
            return Ok(nothing_to_do());
        }
        let descriptions =
            targets.iter().map(|row| description(row.target, row.availability_zone.as_deref()));
        self.client
            .deregister_targets()
            .target_group_arn(group.arn.as_str())
            .set_targets(Some(descriptions.collect()))
            .send()
            .await
            .map(|output| reply(&output, ()))
            .map_err(|error| call_error(DEREGISTER_TARGETS, &error))
    }
}

/// I1: whatever the plan says, the desired target stays. A plan never asks for it, so this is a guard
/// against a bug of ours at the last place where it costs nothing.
fn keep_the_desired_target(targets: &[ObservedTarget], present: &RegisteredProof) -> Result<(), CallError> {
    if targets.iter().all(|row| row.target != present.target()) {
        return Ok(());
    }
    let message = format!("{} is the desired target and must not be deregistered", present.target());
    Err(invalid(DEREGISTER_TARGETS, "DesiredTarget", message))
}

/// The codes of a refusal for the address or its zone. AWS has none of its own for an address outside the group's VPC: it
/// says "The Availability Zone is required for IP address '…' because it is not in the VPC" under a `ValidationError`.
const ADDRESS_REFUSED: [&str; 2] = ["ValidationError", "InvalidTarget"];

/// The refusal with what to do about it, as far as its code tells: whether the zone fits the address nobody else says.
fn with_remedy(error: CallError, zone: Option<&str>) -> CallError {
    if error.kind != ErrorKind::Invalid || !ADDRESS_REFUSED.contains(&error.code.as_str()) {
        return error;
    }
    let remedy = match zone {
        None => {
            "if the address is outside the target group's VPC, set availability_zone = \"all\" for the route"
                .to_owned()
        }
        Some(zone) => format!(
            "the route registers with availability_zone = {zone:?}, which is right only for an address outside the target \
             group's VPC: remove it for one inside"
        ),
    };
    let said = error.message.trim_end_matches('.');
    CallError { message: format!("{said}; {remedy}"), ..error }
}

/// The API refuses an empty list of targets, and there is nothing to ask it for.
fn nothing_to_do() -> Reply<()> {
    Reply { value: (), request_id: None }
}

/// Always with its port: `DeregisterTargets` without one answers 200 and does nothing
/// (chaostoolkit-aws #60, aws-sdk-js #1964).
fn description(target: Target, zone: Option<&str>) -> TargetDescription {
    TargetDescription::builder()
        .id(target.ip.to_string())
        .port(target.port.into())
        .set_availability_zone(zone.map(str::to_owned))
        .build()
}

fn observed(row: &TargetHealthDescription) -> Result<ObservedTarget, CallError> {
    let target = row.target();
    let id = target.and_then(TargetDescription::id).unwrap_or_default();
    let port = target.and_then(TargetDescription::port);
    let ip: IpAddr = id.parse().map_err(|_| {
        let message = format!("the group holds {id:?}, which is no address: it has to be of target type ip");
        invalid(DESCRIBE_TARGET_HEALTH, "TargetTypeNotIp", message)
    })?;
    let port = port.and_then(|port| u16::try_from(port).ok()).ok_or_else(|| {
        let message = format!("the group holds {ip} with port {port:?}");
        invalid(DESCRIBE_TARGET_HEALTH, "TargetWithoutPort", message)
    })?;
    let health = row.target_health();
    let state = health.and_then(|health| health.state());
    let reason = health.and_then(|health| health.reason());
    Ok(ObservedTarget {
        target: Target { ip, port },
        // A row without a state is taken for a state we do not know: the target is in the group.
        health: TargetHealth::parse(state.map_or("", |state| state.as_str())),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        availability_zone: target.and_then(TargetDescription::availability_zone).map(str::to_owned),
    })
}
