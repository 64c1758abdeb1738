//! The conditions of a statement, evaluated for EventBridge's request.
//!
//! Sources: IAM user guide, "IAM JSON policy elements: Condition operators", "AWS global condition context
//! keys".

use serde_json::{Map, Value};

use crate::preflight::caller::place_of;
use crate::preflight::glob::Glob;
use crate::preflight::policy::decide::{EVENTBRIDGE, Fits, Sending, each};

/// What a request has for a key.
enum Carried<'a> {
    /// This.
    Value(&'a str),
    /// Nothing.
    Nothing,
    /// Unknown.
    Unknown,
}

/// Every operator of every key has to hold.
pub(super) fn holds(conditions: &Value, sending: &Sending<'_>) -> Fits {
    let Some(conditions) = conditions.as_object() else {
        return Fits::Unclear("has a Condition that is not an object".to_owned());
    };
    Fits::all(conditions.iter().map(|(operator, keys)| match keys {
        Value::Object(keys) => operator_holds(operator, keys, sending),
        _ => Fits::Unclear(format!("has the condition {operator}: {keys}")),
    }))
}

fn operator_holds(text: &str, keys: &Map<String, Value>, sending: &Sending<'_>) -> Fits {
    let operator = Operator::parse(text);
    Fits::all(keys.iter().map(|(key, wanted)| {
        let unclear = || Fits::Unclear(format!("has the condition {text} {key}: {wanted}"));
        let carried = carried(key, sending);
        let Some(operator) = &operator else {
            return unclear();
        };
        match operator.holds(&carried, wanted) {
            Some(true) => Fits::Yes,
            Some(false) => {
                let found = match carried {
                    Carried::Value(value) => value,
                    Carried::Nothing | Carried::Unknown => "not in its requests",
                };
                Fits::Not(format!("requires {text} {key}: {wanted}, which is {found}"))
            }
            None => unclear(),
        }
    }))
}

/// Keys are compared without regard to case.
fn carried<'a>(key: &str, sending: &Sending<'a>) -> Carried<'a> {
    let or_unknown = |value: Option<&'a str>| value.map_or(Carried::Unknown, Carried::Value);
    match key.to_lowercase().as_str() {
        "aws:sourcearn" => or_unknown(sending.rule),
        "aws:sourceaccount" => or_unknown(sending.rule.and_then(place_of).map(|place| place.account)),
        "aws:principalservicename" => Carried::Value(EVENTBRIDGE),
        "aws:principalisawsservice" | "aws:securetransport" => Carried::Value("true"),
        "aws:requestedregion" => or_unknown(place_of(sending.queue).map(|place| place.region)),
        // Of principals of an organisation, and of requests through an endpoint of a VPC: EventBridge is, and
        // has, neither.
        "aws:principalorgid"
        | "aws:principalorgpaths"
        | "aws:sourcevpc"
        | "aws:sourcevpce"
        | "aws:vpcsourceip" => Carried::Nothing,
        _ => Carried::Unknown,
    }
}

/// How values are compared.
#[derive(Clone, Copy)]
enum Compare {
    Same,
    IgnoringCase,
    Like,
    Arn,
}

/// `ForAllValues:StringNotLikeIfExists`, in its parts.
struct Operator {
    /// `None` for `Null`, which tests whether the key is present.
    compare: Option<Compare>,
    /// Whether it requires inequality.
    negated: bool,
    /// What it comes to when the request has no such key.
    without: bool,
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        let any = text.strip_prefix("ForAnyValue:");
        let all = text.strip_prefix("ForAllValues:");
        let plain = any.or(all).unwrap_or(text);
        let (plain, if_exists) = match plain.strip_suffix("IfExists") {
            Some(plain) => (plain, true),
            None => (plain, false),
        };
        let (compare, negated) = match plain {
            "StringEquals" => (Some(Compare::Same), false),
            "StringNotEquals" => (Some(Compare::Same), true),
            "StringEqualsIgnoreCase" | "Bool" => (Some(Compare::IgnoringCase), false),
            "StringNotEqualsIgnoreCase" => (Some(Compare::IgnoringCase), true),
            "StringLike" => (Some(Compare::Like), false),
            "StringNotLike" => (Some(Compare::Like), true),
            "ArnEquals" | "ArnLike" => (Some(Compare::Arn), false),
            "ArnNotEquals" | "ArnNotLike" => (Some(Compare::Arn), true),
            "Null" if !if_exists => (None, false),
            _ => return None,
        };
        Some(Self { compare, negated, without: if_exists || all.is_some() || (negated && any.is_none()) })
    }

    /// Whether it holds; `None` if unknown.
    fn holds(&self, carried: &Carried<'_>, wanted: &Value) -> Option<bool> {
        let wanted: Vec<String> = each(wanted)
            .iter()
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect();
        let Some(compare) = self.compare else {
            let is_there = match carried {
                Carried::Value(_) => true,
                Carried::Nothing => false,
                Carried::Unknown => return None,
            };
            // `true` requires that the key is absent.
            return match wanted.as_slice() {
                [null] if null == "true" => Some(!is_there),
                [null] if null == "false" => Some(is_there),
                _ => None,
            };
        };
        let found = match carried {
            Carried::Value(found) => found,
            Carried::Nothing => return Some(self.without),
            Carried::Unknown => return None,
        };
        let closed = |wanted: &&String| !compare.is_open(wanted);
        let mut closed = wanted.iter().filter(closed);
        if closed.any(|wanted| compare.fits(wanted, found)) {
            return Some(!self.negated);
        }
        let open = wanted.iter().any(|wanted| compare.is_open(wanted));
        (!open).then_some(self.negated)
    }
}

impl Compare {
    fn fits(self, wanted: &str, found: &str) -> bool {
        match self {
            Self::Same => wanted == found,
            Self::IgnoringCase => wanted.to_lowercase() == found.to_lowercase(),
            Self::Like => Glob::of_policy(wanted).fits(found),
            Self::Arn => {
                let mut parts = parts(wanted).zip(parts(found));
                parts.all(|(wanted, found)| Glob::of_policy(wanted).fits(found))
            }
        }
    }

    /// Whether a value is not literal: a variable, or an ARN without its six parts.
    fn is_open(self, wanted: &str) -> bool {
        let cut = matches!(self, Self::Arn) && parts(wanted).count() < ARN_PARTS;
        wanted.contains("${") || cut
    }
}

const ARN_PARTS: usize = 6;

/// Each part of an ARN is compared by itself: a wildcard does not reach beyond its part.
fn parts(arn: &str) -> impl Iterator<Item = &str> {
    arn.splitn(ARN_PARTS, ':')
}
