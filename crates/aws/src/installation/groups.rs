//! Target groups and load balancers, as they are.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetGroup, TargetTypeEnum};

use crate::error::{call_error, invalid};
use writerlink_core::model::names::TargetGroupArn;
use writerlink_engine::ports::installation::{
    Attributes, BalancerFacts, DescribedGroup, GroupFacts, Seen, Switch,
};

const DESCRIBE_GROUPS: &str = "DescribeTargetGroups";
const DESCRIBE_GROUP_ATTRIBUTES: &str = "DescribeTargetGroupAttributes";
const DESCRIBE_BALANCERS: &str = "DescribeLoadBalancers";
const DESCRIBE_BALANCER_ATTRIBUTES: &str = "DescribeLoadBalancerAttributes";

/// What `EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic` says when it is so.
const ON: &str = "on";

/// The family of a group that does not say: a group has one since 2023, and had IPv4 before.
const FAMILY_UNSAID: &str = "ipv4";

pub(super) async fn group(client: &Client, arn: &TargetGroupArn) -> GroupFacts {
    let (described, attributes) = tokio::join!(described(client, arn), attributes_of_group(client, arn));
    GroupFacts { described, attributes }
}

async fn described(client: &Client, arn: &TargetGroupArn) -> Seen<DescribedGroup> {
    let said = client.describe_target_groups();
    let said = said.target_group_arns(arn.as_str()).send().await;
    let said = said.map_err(|error| call_error(DESCRIBE_GROUPS, &error))?;
    let group = said.target_groups().first().ok_or_else(|| {
        let message = format!("ELBv2 said nothing of {arn}");
        invalid(DESCRIBE_GROUPS, "NoTargetGroup", message)
    })?;
    Ok(read(group))
}

fn read(group: &TargetGroup) -> DescribedGroup {
    let text = |said: Option<&str>| said.unwrap_or_default().to_owned();
    let interval = group.health_check_interval_seconds();
    DescribedGroup {
        target_type: text(group.target_type().map(TargetTypeEnum::as_str)),
        protocol: text(group.protocol().map(ProtocolEnum::as_str)),
        port: group.port().and_then(|port| u16::try_from(port).ok()),
        family: group.ip_address_type().map_or(FAMILY_UNSAID, |family| family.as_str()).to_owned(),
        vpc: group.vpc_id().map(str::to_owned),
        health_port: text(group.health_check_port()),
        health_protocol: text(group.health_check_protocol().map(ProtocolEnum::as_str)),
        health_interval: interval.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs),
        balancers: group.load_balancer_arns().to_vec(),
    }
}

async fn attributes_of_group(client: &Client, arn: &TargetGroupArn) -> Seen<Attributes> {
    let said = client.describe_target_group_attributes();
    let said = said.target_group_arn(arn.as_str()).send().await;
    let said = said.map_err(|error| call_error(DESCRIBE_GROUP_ATTRIBUTES, &error))?;
    let pairs = said.attributes().iter().map(|attribute| pair(attribute.key(), attribute.value()));
    Ok(pairs.collect())
}

pub(super) async fn balancer(client: &Client, arn: &str) -> Seen<BalancerFacts> {
    let said = client.describe_load_balancers().load_balancer_arns(arn);
    let said = said.send().await;
    let said = said.map_err(|error| call_error(DESCRIBE_BALANCERS, &error))?;
    let balancer = said.load_balancers().first().ok_or_else(|| {
        let message = format!("ELBv2 said nothing of {arn}");
        invalid(DESCRIBE_BALANCERS, "NoLoadBalancer", message)
    })?;
    let zones = balancer.availability_zones().iter();
    Ok(BalancerFacts {
        kind: balancer.r#type().map_or(String::new(), |kind| kind.as_str().to_owned()),
        zones: zones.filter_map(|zone| zone.zone_name().map(str::to_owned)).collect(),
        security_groups: balancer.security_groups().to_vec(),
        inbound_rules_on_private_link: balancer
            .enforce_security_group_inbound_rules_on_private_link_traffic()
            .map(|setting| Switch::from(setting == ON)),
        attributes: attributes_of_balancer(client, arn).await,
    })
}

async fn attributes_of_balancer(client: &Client, arn: &str) -> Seen<Attributes> {
    let said = client.describe_load_balancer_attributes().load_balancer_arn(arn);
    let said = said.send().await;
    let said = said.map_err(|error| call_error(DESCRIBE_BALANCER_ATTRIBUTES, &error))?;
    let pairs = said.attributes().iter().map(|attribute| pair(attribute.key(), attribute.value()));
    Ok(pairs.collect())
}

fn pair(key: Option<&str>, value: Option<&str>) -> (String, String) {
    let text = |said: Option<&str>| said.unwrap_or_default().to_owned();
    (text(key), text(value))
}
