//! The listeners of weighted routes.
//!
//! A listener's forward action is read and written as a whole, so what is not ours of it (stickiness, the groups of
//! others) travels with the weights. Only a listener whose one default action forwards is accepted. Since July 2026 the
//! listener of a dual-stack Network Load Balancer may have rules besides, which count before that action (Network Load
//! Balancer guide, document history). They are not read here, where it would cost each look a call: `check` reads them
//! (`installation/listener.rs`), and fails when one forwards to a group of the route.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, Listener, ProtocolEnum, TargetGroupStickinessConfig,
    TargetGroupTuple,
};

use crate::error::{call_error, invalid, reply};
use writerlink_core::actuation::weights::{Stickiness, Weight, WeightChange, Weights};
use writerlink_core::model::names::{ListenerArn, TargetGroupArn};
use writerlink_engine::ports::{CallError, ErrorKind, Listeners, Reply};

const DESCRIBE_LISTENERS: &str = "DescribeListeners";
const MODIFY_LISTENER: &str = "ModifyListener";

/// What a group has when the action does not say: one group alone gets everything, whatever its weight.
const WEIGHT_UNSAID: i32 = 1;

/// Listeners behind the ELBv2 API.
#[derive(Clone, Debug)]
pub struct Elbv2Listeners {
    client: Client,
}

impl Elbv2Listeners {
    /// Listeners that this client can reach.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Listeners for Elbv2Listeners {
    async fn weights(&self, listener: &ListenerArn) -> Result<Reply<Weights>, CallError> {
        let output = self
            .client
            .describe_listeners()
            .listener_arns(listener.as_str())
            .send()
            .await
            .map_err(|error| call_error(DESCRIBE_LISTENERS, &error))?;
        let found = output.listeners().first().ok_or_else(|| CallError {
            kind: ErrorKind::Missing,
            ..refused("ListenerNotFound", format!("there is no listener {listener}"))
        })?;
        let weights = weights_of(listener, found)?;
        Ok(reply(&output, weights))
    }

    async fn set_weights(
        &self,
        listener: &ListenerArn,
        shift: &WeightChange,
    ) -> Result<Reply<()>, CallError> {
        carries_something(shift)?;
        self.client
            .modify_listener()
            .listener_arn(listener.as_str())
            .default_actions(action_of(shift.weights()))
            .send()
            .await
            .map(|output| reply(&output, ()))
            .map_err(|error| call_error(MODIFY_LISTENER, &error))
    }
}

/// I1: whatever was planned, the weights are not all 0. No [`WeightChange`] is so; this is a guard against a bug of ours at
/// the last place where it costs nothing.
fn carries_something(shift: &WeightChange) -> Result<(), CallError> {
    if shift.weights().in_service().is_empty() {
        let message = "no group would get any connection".to_owned();
        return Err(invalid(MODIFY_LISTENER, "AllWeightsZero", message));
    }
    Ok(())
}

fn refused(code: &str, message: String) -> CallError {
    invalid(DESCRIBE_LISTENERS, code, message)
}

fn weights_of(arn: &ListenerArn, listener: &Listener) -> Result<Weights, CallError> {
    let protocol = listener.protocol();
    if !matches!(protocol, Some(ProtocolEnum::Tcp | ProtocolEnum::Tls)) {
        let protocol = protocol.map_or("none", ProtocolEnum::as_str);
        let message = format!(
            "listener {arn} has protocol {protocol}: a database is reached by TCP or TLS, so name such a listener"
        );
        return Err(refused("ListenerProtocol", message));
    }
    let [action] = listener.default_actions() else {
        let actions = listener.default_actions().len();
        let message = format!(
            "listener {arn} has {actions} default actions: a weighted route needs one, which forwards"
        );
        return Err(refused("ListenerActions", message));
    };
    if action.r#type() != Some(&ActionTypeEnum::Forward) {
        let kind = action.r#type().map_or("none", ActionTypeEnum::as_str);
        let message = format!(
            "the default action of listener {arn} is {kind}: let it forward to the route's target groups"
        );
        return Err(refused("ListenerActions", message));
    }
    forwarded(action)
}

/// `ForwardConfig` where there is one; `TargetGroupArn` alone is the old spelling of a single group.
fn forwarded(action: &Action) -> Result<Weights, CallError> {
    let config = action.forward_config();
    let tuples = config.map_or(&[][..], ForwardActionConfig::target_groups);
    let mut groups = BTreeMap::new();
    for tuple in tuples {
        let arn = tuple.target_group_arn().unwrap_or_default();
        let (arn, weight) = weighed(arn, tuple.weight().unwrap_or(WEIGHT_UNSAID))?;
        groups.insert(arn, weight);
    }
    if let (true, Some(arn)) = (tuples.is_empty(), action.target_group_arn()) {
        let (arn, weight) = weighed(arn, WEIGHT_UNSAID)?;
        groups.insert(arn, weight);
    }
    let stickiness = config.and_then(ForwardActionConfig::target_group_stickiness_config);
    Ok(Weights { groups, stickiness: stickiness.map(stickiness_of) })
}

fn weighed(arn: &str, weight: i32) -> Result<(TargetGroupArn, Weight), CallError> {
    let group =
        TargetGroupArn::new(arn).map_err(|error| refused("TargetGroupUnreadable", error.to_string()))?;
    let number = u16::try_from(weight).ok().and_then(Weight::new);
    let weight = number.ok_or_else(|| {
        let message = format!("{group} has weight {weight}, which is none from 0 to 999");
        refused("WeightUnreadable", message)
    })?;
    Ok((group, weight))
}

fn stickiness_of(config: &TargetGroupStickinessConfig) -> Stickiness {
    if config.enabled().unwrap_or_default() {
        let seconds = config.duration_seconds();
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Stickiness::On(seconds.map(Duration::from_secs))
    } else {
        Stickiness::Off
    }
}

fn action_of(weights: &Weights) -> Action {
    let tuples = weights.groups.iter().map(|(group, weight)| {
        TargetGroupTuple::builder().target_group_arn(group.as_str()).weight(weight.get().into()).build()
    });
    let config = ForwardActionConfig::builder()
        .set_target_groups(Some(tuples.collect()))
        .set_target_group_stickiness_config(weights.stickiness.map(stickiness_config))
        .build();
    // No `TargetGroupArn`: beside a `ForwardConfig` it allows a single group ("Action", ELB API reference).
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
}

fn stickiness_config(stickiness: Stickiness) -> TargetGroupStickinessConfig {
    let (enabled, duration) = match stickiness {
        Stickiness::Off => (false, None),
        Stickiness::On(duration) => (true, duration),
    };
    let seconds = duration.and_then(|duration| i32::try_from(duration.as_secs()).ok());
    TargetGroupStickinessConfig::builder().enabled(enabled).set_duration_seconds(seconds).build()
}
