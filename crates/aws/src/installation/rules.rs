//! The rules that send to a queue.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::Target;

use crate::error::call_error;
use writerlink_engine::ports::CallError;
use writerlink_engine::ports::installation::{RuleFacts, RuleTarget, Seen};

const LIST_RULE_NAMES: &str = "ListRuleNamesByTarget";
const DESCRIBE_RULE: &str = "DescribeRule";
const LIST_TARGETS: &str = "ListTargetsByRule";

/// How many pages of a list are read. A page holds a hundred names, and an account has three hundred rules unless
/// it asks for more (EventBridge quotas).
const PAGES_MAX: usize = 20;

/// On the default bus: RDS puts its events on no other.
pub(super) async fn look(client: &Client, queue: &str) -> Seen<Vec<Seen<RuleFacts>>> {
    let mut rules = Vec::new();
    for name in names(client, queue).await? {
        rules.push(rule(client, &name, queue).await);
    }
    Ok(rules)
}

async fn names(client: &Client, queue: &str) -> Result<Vec<String>, CallError> {
    let mut names = Vec::new();
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let asked = client.list_rule_names_by_target().target_arn(queue);
        let page = asked.set_next_token(next).send().await;
        let page = page.map_err(|error| call_error(LIST_RULE_NAMES, &error))?;
        names.extend(page.rule_names.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            break;
        }
    }
    Ok(names)
}

async fn rule(client: &Client, name: &str, queue: &str) -> Seen<RuleFacts> {
    let described = client.describe_rule().name(name).send().await;
    let described = described.map_err(|error| call_error(DESCRIBE_RULE, &error))?;
    // A rule has five targets at most (EventBridge quotas), so there is one page.
    let listed = client.list_targets_by_rule().rule(name).send().await;
    let listed = listed.map_err(|error| call_error(LIST_TARGETS, &error))?;
    let targets = listed.targets().iter().filter(|target| target.arn() == queue);
    let state = described.state().map(|state| state.as_str().to_owned());
    Ok(RuleFacts {
        name: name.to_owned(),
        arn: described.arn().map(str::to_owned),
        state: state.unwrap_or_default(),
        targets: targets.map(target).collect(),
        pattern: described.event_pattern,
    })
}

fn target(target: &Target) -> RuleTarget {
    let sqs = target.sqs_parameters();
    let group = sqs.and_then(|sqs| sqs.message_group_id());
    let letters = target.dead_letter_config();
    let reshaped_by = [
        ("InputPath", target.input_path().is_some()),
        ("InputTransformer", target.input_transformer().is_some()),
        ("Input", target.input().is_some()),
    ];
    RuleTarget {
        message_group: group.filter(|group| !group.is_empty()).map(str::to_owned),
        dead_letters: letters.and_then(|letters| letters.arn()).map(str::to_owned),
        role: target.role_arn().map(str::to_owned),
        reshaped_by: reshaped_by.into_iter().find_map(|(by, set)| set.then_some(by)),
    }
}
