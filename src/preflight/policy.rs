//! The queue's policy: whether it allows the rules that forward the routes' events to send.

mod decide;

use crate::preflight::finding::{Check, Lines};
use crate::preflight::policy::decide::{Sending, Verdict, decide};
use crate::preflight::rules;
use writerlink_engine::ports::installation::{Facts, QueueFacts, RuleFacts};

const POLICY: Check =
    Check::aws("policy", "EventBridge user guide, \"Using resource-based policies for Amazon EventBridge\"");

/// The fix if no statement allows it.
const LET_RULES_SEND: &str = "allow events.amazonaws.com to sqs:SendMessage on this queue, with the rules' ARNs as aws:SourceArn \
                              (infra/writerlink.yaml, QueuePolicy)";

pub(super) fn judge(queue: &QueueFacts, facts: &Facts, lines: &mut Lines<'_>) {
    let rules = that_count(facts);
    let mut targets = rules.iter().flat_map(|rule| &rule.targets).peekable();
    if targets.peek().is_some() && targets.all(|target| target.role.is_some()) {
        let why = "not needed: the rules send with a role of their own";
        return lines.pass(POLICY, why);
    }
    let policy = match &queue.policy {
        Ok(policy) => policy.as_deref(),
        Err(unseen) => return lines.unseen(POLICY, unseen),
    };
    let Some(policy) = policy else {
        let why = "none, so no rule may send: its events go to the rule's dead-letter queue at once";
        return lines.fail(POLICY, why, LET_RULES_SEND);
    };
    let by_policy = rules.iter().filter(|rule| sends_by_policy(rule));
    let mut senders: Vec<Option<&RuleFacts>> = by_policy.map(|rule| Some(*rule)).collect();
    if senders.is_empty() {
        senders.push(None);
    }
    let judged: Vec<_> = senders
        .into_iter()
        .map(|rule| {
            let sending = Sending { queue: &queue.arn, rule: rule.and_then(|rule| rule.arn.as_deref()) };
            (rule, decide(policy, &sending))
        })
        .collect();
    report(judged, lines);
}

/// The rules that forward a route's events; if there are none, every rule that sends to the queue.
fn that_count(facts: &Facts) -> Vec<&RuleFacts> {
    let rules = facts.rules.iter().flatten().flatten();
    let rules: Vec<_> = rules.filter(|rule| !rule.targets.is_empty()).collect();
    let brings = |rule: &&&RuleFacts| {
        let mut routes = facts.routes.iter();
        routes.any(|route| rules::brings(route, rule))
    };
    let bringing: Vec<_> = rules.iter().filter(brings).copied().collect();
    if bringing.is_empty() { rules } else { bringing }
}

fn sends_by_policy(rule: &RuleFacts) -> bool {
    rule.targets.iter().any(|target| target.role.is_none())
}

/// Reports the worst verdict, with every rule that has it.
fn report(judged: Vec<(Option<&RuleFacts>, Verdict)>, lines: &mut Lines<'_>) {
    let (mut allowed, mut denied) = (Vec::new(), Vec::new());
    let (mut omitted, mut unclear) = (Vec::new(), Vec::new());
    for (rule, verdict) in judged {
        let name = rule.map_or("a rule", |rule| rule.name.as_str());
        match verdict {
            Verdict::Allowed => allowed.push(name.to_owned()),
            Verdict::Denied(by) => denied.push(format!("{name}: denied by {by}")),
            Verdict::Omitted(why) => omitted.push(format!("{name}: {why}")),
            Verdict::Unclear(why) => unclear.push(format!("{name}: {why}")),
        }
    }
    let lost = "the rule's events go to its dead-letter queue at once";
    if !denied.is_empty() {
        lines.fail(
            POLICY,
            format!("{}; {lost}", denied.join("; ")),
            "exclude AWS's services from the statement (Bool aws:PrincipalIsAWSService false, as NobodyElseSends of \
             infra/writerlink.yaml), or remove it",
        );
    } else if !omitted.is_empty() {
        let why = format!("{}; {lost}", omitted.join("; "));
        lines.fail(POLICY, why, LET_RULES_SEND);
    } else if !unclear.is_empty() {
        lines.unknown(
            POLICY,
            format!("{}, which check cannot evaluate", unclear.join("; ")),
            "send a drill through the rule (docs/deploy.md): it arrives if the policy allows it",
        );
    } else {
        lines.pass(POLICY, format!("allows {} to send", allowed.join(", ")));
    }
}
