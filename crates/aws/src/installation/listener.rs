//! The rules of a listener, as they are.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{Action, ForwardActionConfig, Rule, TargetGroupTuple};

use crate::error::call_error;
use writerlink_core::model::names::ListenerArn;
use writerlink_engine::ports::installation::{ListenerRule, Seen};

const DESCRIBE_RULES: &str = "DescribeRules";

/// How many pages are read. A load balancer has a hundred rules unless it asks for more, and a page holds them.
const PAGES_MAX: usize = 20;

/// All but the default rule, which is the default action by another name.
pub(super) async fn rules(client: &Client, listener: &ListenerArn) -> Seen<Vec<ListenerRule>> {
    let mut rules = Vec::new();
    let mut marker = None;
    for _ in 0..PAGES_MAX {
        let page = client
            .describe_rules()
            .listener_arn(listener.as_str())
            .set_marker(marker)
            .send()
            .await
            .map_err(|error| call_error(DESCRIBE_RULES, &error))?;
        let besides = page.rules().iter().filter(|rule| rule.is_default() != Some(true));
        rules.extend(besides.map(read));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    Ok(rules)
}

fn read(rule: &Rule) -> ListenerRule {
    let forwarded = rule.actions().iter().flat_map(|action| {
        let several = action.forward_config().map(ForwardActionConfig::target_groups);
        let several = several.unwrap_or_default().iter();
        let several = several.filter_map(TargetGroupTuple::target_group_arn);
        several.chain(Action::target_group_arn(action))
    });
    ListenerRule {
        priority: rule.priority().unwrap_or_default().to_owned(),
        groups: forwarded.map(str::to_owned).collect(),
    }
}
