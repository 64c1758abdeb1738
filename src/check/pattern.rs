//! Whether an event pattern of EventBridge lets an event through.
//!
//! Source: EventBridge user guide, "Creating Amazon EventBridge event patterns" and "Comparison operators". What is
//! used for RDS's events is decided here; of everything else (`numeric`, `cidr` …) it is said that it is not.

use serde_json::{Map, Value};

/// Whether an event goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lets {
    /// It does.
    Through,
    /// It does not.
    Not,
    /// The pattern says it in a way that is not understood here.
    Unclear,
}

impl Lets {
    fn when(through: bool) -> Self {
        if through { Self::Through } else { Self::Not }
    }

    /// One thing that does not fit is enough.
    fn all(lets: impl Iterator<Item = Self>) -> Self {
        lets.fold(Self::Through, |all, one| match (all, one) {
            (Self::Not, _) | (_, Self::Not) => Self::Not,
            (Self::Unclear, _) | (_, Self::Unclear) => Self::Unclear,
            (Self::Through, Self::Through) => Self::Through,
        })
    }

    /// One thing that fits is enough.
    fn any(lets: impl Iterator<Item = Self>) -> Self {
        lets.fold(Self::Not, |any, one| match (any, one) {
            (Self::Through, _) | (_, Self::Through) => Self::Through,
            (Self::Unclear, _) | (_, Self::Unclear) => Self::Unclear,
            (Self::Not, Self::Not) => Self::Not,
        })
    }
}

/// Whether `pattern`, as text, lets `event` through.
pub(super) fn lets(pattern: &str, event: &Value) -> Lets {
    match serde_json::from_str::<Map<String, Value>>(pattern) {
        Ok(pattern) => object(&pattern, Some(event)),
        Err(_) => Lets::Unclear,
    }
}

fn object(pattern: &Map<String, Value>, event: Option<&Value>) -> Lets {
    Lets::all(pattern.iter().map(|(key, wanted)| {
        let found = event.and_then(|event| event.get(key));
        match wanted {
            Value::Array(ways) if key == "$or" => Lets::any(ways.iter().map(|way| match way {
                Value::Object(way) => object(way, event),
                _ => Lets::Unclear,
            })),
            Value::Array(ways) => Lets::any(ways.iter().map(|way| field(way, found))),
            Value::Object(below) => object(below, found),
            _ => Lets::Unclear,
        }
    }))
}

/// One way in which a field may fit. Of a list in the event, one element has to.
fn field(way: &Value, found: Option<&Value>) -> Lets {
    if let Some(exists) = way.get("exists").and_then(Value::as_bool) {
        return Lets::when(found.is_some() == exists);
    }
    match found {
        None => Lets::Not,
        Some(Value::Array(elements)) => Lets::any(elements.iter().map(|one| value(way, one))),
        Some(one) => value(way, one),
    }
}

fn value(way: &Value, found: &Value) -> Lets {
    let Value::Object(operator) = way else {
        return Lets::when(way == found);
    };
    let mut operators = operator.iter();
    let (Some((name, wanted)), None) = (operators.next(), operators.next()) else {
        return Lets::Unclear;
    };
    let Some(found) = found.as_str() else {
        return Lets::Unclear;
    };
    match (name.as_str(), wanted) {
        ("prefix", Value::String(prefix)) => Lets::when(found.starts_with(prefix)),
        ("suffix", Value::String(suffix)) => Lets::when(found.ends_with(suffix)),
        ("equals-ignore-case", Value::String(text)) => {
            Lets::when(found.to_lowercase() == text.to_lowercase())
        }
        ("wildcard", Value::String(wildcard)) => Lets::when(fits(wildcard, found)),
        ("anything-but", Value::String(text)) => Lets::when(found != text),
        ("anything-but", Value::Array(texts)) => Lets::when(!texts.iter().any(|t| t == found)),
        _ => Lets::Unclear,
    }
}

/// `*` stands for any number of characters. The first part is at the start, the last at the end, the others follow
/// each other in between, each as early as it can be.
fn fits(wildcard: &str, text: &str) -> bool {
    let Some((first, rest)) = wildcard.split_once('*') else {
        return wildcard == text;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(text) = text.strip_prefix(first) else {
        return false;
    };
    let Some(mut text) = text.strip_suffix(last) else {
        return false;
    };
    for part in middle.split('*') {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "source": "aws.rds",
            "resources": ["arn:aws:rds:us-east-1:1:cluster:orders"],
            "detail": {"SourceArn": "arn:aws:rds:us-east-1:1:cluster:orders", "EventID": "RDS-EVENT-0071"},
        })
    }

    fn of(pattern: &Value) -> Lets {
        lets(&pattern.to_string(), &event())
    }

    #[test]
    fn every_field_of_a_pattern_has_to_fit_and_one_of_its_ways_is_enough() {
        assert_eq!(
            of(&json!({"source": ["aws.ec2", "aws.rds"]})),
            Lets::Through
        );
        assert_eq!(
            of(&json!({"source": ["aws.rds"], "detail": {"EventID": ["RDS-EVENT-0072"]}})),
            Lets::Not
        );
        assert_eq!(of(&json!({"detail": {"Missing": ["x"]}})), Lets::Not);
        assert_eq!(of(&json!({})), Lets::Through);
    }

    #[test]
    fn of_a_list_in_the_event_one_element_is_enough() {
        let suffix = json!({"resources": [{"suffix": ":orders"}]});
        assert_eq!(of(&suffix), Lets::Through);
        assert_eq!(of(&json!({"resources": ["other"]})), Lets::Not);
    }

    #[test]
    fn the_operators_that_compare_texts_are_understood() {
        let id = |way: Value| of(&json!({"detail": {"EventID": [way]}}));
        for (way, lets) in [
            (json!({"prefix": "RDS-EVENT-00"}), Lets::Through),
            (json!({"prefix": "RDS-EVENT-01"}), Lets::Not),
            (json!({"suffix": "71"}), Lets::Through),
            (json!({"suffix": "72"}), Lets::Not),
            (
                json!({"equals-ignore-case": "rds-event-0071"}),
                Lets::Through,
            ),
            (json!({"wildcard": "RDS-*-00*1"}), Lets::Through),
            (json!({"wildcard": "RDS-*-00*2"}), Lets::Not),
            (json!({"wildcard": "RDS-EVENT-0071*1"}), Lets::Not),
            (json!({"anything-but": "RDS-EVENT-0072"}), Lets::Through),
            (json!({"anything-but": ["RDS-EVENT-0071"]}), Lets::Not),
            (json!({"exists": true}), Lets::Through),
            (json!({"exists": false}), Lets::Not),
        ] {
            assert_eq!(id(way.clone()), lets, "{way}");
        }
    }

    #[test]
    fn one_of_several_patterns_is_enough_where_the_pattern_says_or() {
        let or = |id: &str| json!({"$or": [{"source": ["x"]}, {"detail": {"EventID": [id]}}]});
        assert_eq!(of(&or("RDS-EVENT-0071")), Lets::Through);
        assert_eq!(of(&or("RDS-EVENT-0072")), Lets::Not);
    }

    #[test]
    fn what_is_not_understood_is_not_taken_for_a_yes_or_a_no() {
        assert_eq!(
            of(&json!({"source": [{"numeric": ["=", 1]}]})),
            Lets::Unclear
        );
        assert_eq!(lets("no JSON", &event()), Lets::Unclear);
        // Yet what does not fit anyway does not.
        let both = json!({"source": [{"cidr": "10.0.0.0/8"}], "detail": {"EventID": ["x"]}});
        assert_eq!(of(&both), Lets::Not);
    }
}
