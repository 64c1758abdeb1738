//! Whether a resource's policy allows EventBridge's `sqs:SendMessage`, as IAM decides it: an explicit deny
//! wins, then an explicit allow; the default is deny.
//!
//! Sources: IAM user guide, "Policy evaluation logic", "IAM JSON policy elements reference". An element that
//! is not understood here gives neither.

mod condition;

use serde_json::Value;

use crate::preflight::glob::Glob;

/// The sender.
const EVENTBRIDGE: &str = "events.amazonaws.com";

/// Its action, in lower case: actions are case-insensitive.
const SEND: &str = "sqs:sendmessage";

/// The request to decide.
pub(super) struct Sending<'a> {
    /// The queue's ARN.
    pub(super) queue: &'a str,
    /// The ARN of the rule that sends, if it is known.
    pub(super) rule: Option<&'a str>,
}

/// The decision.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may send.
    Allowed,
    /// It may not, by this statement.
    Denied(String),
    /// Nothing allows it, for this reason.
    Omitted(String),
    /// Undecidable, for this reason.
    Unclear(String),
}

/// Whether a statement, or a part of it, is about the sending.
#[derive(Debug, PartialEq, Eq)]
enum Fits {
    Yes,
    /// It is about something else altogether.
    No,
    /// It is about sending by EventBridge, and does not fit because of this.
    Not(String),
    /// This is not understood.
    Unclear(String),
}

impl Fits {
    fn when(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }

    /// All of them. One part that certainly does not fit decides, whatever is unclear.
    fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::Yes;
        for part in parts {
            match part {
                Self::No | Self::Not(_) => return part,
                Self::Unclear(_) if all == Self::Yes => all = part,
                Self::Yes | Self::Unclear(_) => {}
            }
        }
        all
    }
}

/// Whether the policy, as text, lets it happen.
pub(super) fn decide(policy: &str, sending: &Sending<'_>) -> Verdict {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else {
        return Verdict::Omitted("the policy is not JSON".to_owned());
    };
    let mut allowed = false;
    let mut nearest = None;
    let (mut perhaps_allowed, mut perhaps_denied) = (None, None);
    for (n, statement) in each(&policy["Statement"]).iter().enumerate() {
        let name = match statement["Sid"].as_str() {
            Some(sid) if !sid.is_empty() => sid.to_owned(),
            Some(_) | None => format!("statement {}", n + 1),
        };
        match (statement["Effect"].as_str(), about(statement, sending)) {
            (Some("Allow"), Fits::Yes) => allowed = true,
            (Some("Deny"), Fits::Yes) => return Verdict::Denied(name),
            (Some("Allow"), Fits::Not(why)) => {
                nearest.get_or_insert(format!("{name} {why}"));
            }
            (Some("Allow"), Fits::Unclear(why)) => {
                perhaps_allowed.get_or_insert(format!("{name} {why}"));
            }
            (Some("Deny"), Fits::Unclear(why)) => {
                perhaps_denied.get_or_insert(format!("{name} {why}"));
            }
            (_, Fits::No | Fits::Not(_)) => {}
            (effect, Fits::Yes | Fits::Unclear(_)) => {
                let why = format!("{name} has the Effect {effect:?}");
                perhaps_allowed.get_or_insert(why.clone());
                perhaps_denied.get_or_insert(why);
            }
        }
    }
    match (allowed, perhaps_allowed, perhaps_denied) {
        (true, _, None) => Verdict::Allowed,
        (true, _, Some(why)) | (false, Some(why), _) => Verdict::Unclear(why),
        (false, None, _) => Verdict::Omitted(
            nearest.unwrap_or_else(|| format!("no statement allows {EVENTBRIDGE} to sqs:SendMessage")),
        ),
    }
}

/// Whether a statement is about the sending: by whom, what, on what, and under which conditions.
fn about(statement: &Value, sending: &Sending<'_>) -> Fits {
    let whom = element(statement, "Principal", &|principal| Fits::when(is_eventbridge(principal)));
    let action = element(statement, "Action", &|actions| {
        Fits::when(any(actions, |action| Glob::of_policy(&action.to_lowercase()).fits(SEND)))
    });
    let on = element(statement, "Resource", &|resources| {
        if any(resources, |resource| Glob::of_policy(resource).fits(sending.queue)) {
            return Fits::Yes;
        }
        Fits::Not(format!("is about {}", listed(resources)))
    });
    let conditions = match &statement["Condition"] {
        Value::Null => Fits::Yes,
        conditions => condition::holds(conditions, sending),
    };
    // The order decides which reason is given: a statement about another principal is irrelevant.
    Fits::all([whom, action, on, conditions])
}

/// An element, or its negation (`NotAction`). Every statement of a queue's policy has one of the two.
fn element(statement: &Value, name: &str, fits: &dyn Fn(&Value) -> Fits) -> Fits {
    let contrary = format!("Not{name}");
    match (statement.get(name), statement.get(&contrary)) {
        (Some(of), None) => fits(of),
        (None, Some(but)) => match fits(but) {
            Fits::Yes => Fits::Not(format!("excepts {} by {contrary}", listed(but))),
            Fits::No | Fits::Not(_) => Fits::Yes,
            unclear @ Fits::Unclear(_) => unclear,
        },
        (Some(_), Some(_)) => Fits::Unclear(format!("has {name} and {contrary}")),
        (None, None) => Fits::Unclear(format!("has no {name}")),
    }
}

/// `*` includes AWS's services, so statements exclude these by a condition.
fn is_eventbridge(principal: &Value) -> bool {
    let everybody = |who: &Value| any(who, |who| who == "*");
    everybody(principal)
        || everybody(&principal["AWS"])
        || any(&principal["Service"], |who| who == EVENTBRIDGE)
}

fn any(values: &Value, fits: impl Fn(&str) -> bool) -> bool {
    each(values).iter().filter_map(Value::as_str).any(fits)
}

fn listed(values: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let texts: Vec<String> = each(values).iter().map(text).collect();
    if texts.is_empty() {
        return "nothing".to_owned();
    }
    texts.join(", ")
}

/// The elements of a list; of anything else, itself.
fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}
