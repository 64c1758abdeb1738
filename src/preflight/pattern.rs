//! Whether an event pattern of EventBridge matches an event.
//!
//! Sources: EventBridge user guide, "Creating Amazon EventBridge event patterns" and "Comparison operators";
//! where these say nothing, the README of aws/event-ruler, the library behind it. The event is made up, so an
//! absent field decides nothing: the result is then unknown.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::preflight::glob::Glob;

/// Whether an event goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lets {
    /// It does.
    Through,
    /// It does not.
    Not,
    /// It depends on these fields, which are unpredictable or whose operator is not understood here.
    Unknown(BTreeSet<String>),
}

impl Lets {
    fn when(through: bool) -> Self {
        if through { Self::Through } else { Self::Not }
    }

    fn unknown(field: impl Into<String>) -> Self {
        Self::Unknown([field.into()].into())
    }

    /// One `Not` is enough.
    pub(super) fn all(lets: impl Iterator<Item = Self>) -> Self {
        let mut open = BTreeSet::new();
        for one in lets {
            match one {
                Self::Not => return Self::Not,
                Self::Unknown(fields) => open.extend(fields),
                Self::Through => {}
            }
        }
        Self::unless(open, Self::Through)
    }

    /// One `Through` is enough.
    pub(super) fn any(lets: impl Iterator<Item = Self>) -> Self {
        let mut open = BTreeSet::new();
        for one in lets {
            match one {
                Self::Through => return Self::Through,
                Self::Unknown(fields) => open.extend(fields),
                Self::Not => {}
            }
        }
        Self::unless(open, Self::Not)
    }

    fn unless(open: BTreeSet<String>, otherwise: Self) -> Self {
        if open.is_empty() { otherwise } else { Self::Unknown(open) }
    }
}

/// Whether `pattern`, as text, lets `event` through.
pub(super) fn lets(pattern: &str, event: &Value) -> Lets {
    match serde_json::from_str::<Map<String, Value>>(pattern) {
        Ok(pattern) => object(&pattern, Found::Here(event), ""),
        Err(_) => Lets::unknown("the pattern itself, which is not a JSON object"),
    }
}

/// What the event has at some place.
#[derive(Clone, Copy)]
enum Found<'e> {
    /// This.
    Here(&'e Value),
    /// Nothing, for certain.
    Absent,
    /// Unpredictable.
    Unforeseen,
}

impl Found<'_> {
    fn below(self, key: &str) -> Self {
        match self {
            Self::Here(Value::Object(fields)) => fields.get(key).map_or(Self::Unforeseen, Found::Here),
            Self::Here(_) | Self::Absent => Self::Absent,
            Self::Unforeseen => Self::Unforeseen,
        }
    }
}

/// Every field of a pattern has to fit.
fn object(pattern: &Map<String, Value>, event: Found<'_>, path: &str) -> Lets {
    Lets::all(pattern.iter().map(|(key, wanted)| {
        if let Some(ways) = alternatives(key, wanted) {
            return Lets::any(ways.into_iter().map(|way| object(way, event, path)));
        }
        let path = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        let found = event.below(key);
        match wanted {
            Value::Array(ways) => Lets::any(ways.iter().map(|way| field(way, found, &path))),
            Value::Object(below) => object(below, found, &path),
            _ => Lets::unknown(path),
        }
    }))
}

/// The patterns of an `$or`, which is one only with two objects or more; anything else of this name is a
/// field.
fn alternatives<'p>(key: &str, wanted: &'p Value) -> Option<Vec<&'p Map<String, Value>>> {
    let ways = wanted.as_array().filter(|ways| key == "$or" && ways.len() > 1)?;
    ways.iter().map(Value::as_object).collect()
}

/// One way in which a field may fit. Of a list in the event, one element has to.
fn field(way: &Value, found: Found<'_>, path: &str) -> Lets {
    if let Some(exists) = way.get("exists").and_then(Value::as_bool) {
        return match found {
            Found::Unforeseen => Lets::unknown(path),
            // `exists` matches leaves alone.
            Found::Absent | Found::Here(Value::Object(_)) => Lets::when(!exists),
            Found::Here(_) => Lets::when(exists),
        };
    }
    match found {
        Found::Unforeseen => Lets::unknown(path),
        Found::Absent => Lets::Not,
        Found::Here(Value::Array(elements)) => Lets::any(elements.iter().map(|one| value(way, one, path))),
        Found::Here(one) => value(way, one, path),
    }
}

fn value(way: &Value, found: &Value, path: &str) -> Lets {
    let understood = match way {
        Value::Object(operator) => compare(operator, found),
        Value::Array(_) => None,
        plain => Some(same(plain, found)),
    };
    understood.map_or_else(|| Lets::unknown(format!("{path} ({way})")), Lets::when)
}

/// Numbers are equal by their value, however they are written.
fn same(wanted: &Value, found: &Value) -> bool {
    match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => wanted.total_cmp(&found).is_eq(),
        _ => wanted == found,
    }
}

/// Whether a value fits an operator; `None` when the operator, or what it is given, is not understood.
fn compare(operator: &Map<String, Value>, found: &Value) -> Option<bool> {
    let mut operators = operator.iter();
    let (Some((name, wanted)), None) = (operators.next(), operators.next()) else {
        return None;
    };
    match name.as_str() {
        "anything-but" => anything_but(wanted, found),
        "numeric" => numeric(wanted.as_array()?, found),
        "cidr" => cidr(wanted.as_str()?, found),
        text => compare_text(text, wanted, found),
    }
}

/// The operators for texts, which nothing but a text fits.
fn compare_text(name: &str, wanted: &Value, found: &Value) -> Option<bool> {
    let lower = |text: &str| text.to_lowercase();
    let found = found.as_str();
    let fits = |compare: &dyn Fn(&str) -> bool| Some(found.is_some_and(compare));
    let ignoring_case = wanted.get("equals-ignore-case").and_then(Value::as_str);
    match (name, wanted.as_str(), ignoring_case) {
        ("prefix", Some(text), _) => fits(&|found| found.starts_with(text)),
        ("prefix", _, Some(text)) => fits(&|found| lower(found).starts_with(&lower(text))),
        ("suffix", Some(text), _) => fits(&|found| found.ends_with(text)),
        ("suffix", _, Some(text)) => fits(&|found| lower(found).ends_with(&lower(text))),
        ("equals-ignore-case", Some(text), _) => fits(&|found| lower(found) == lower(text)),
        ("wildcard", Some(text), _) => {
            let glob = Glob::of_pattern(text)?;
            fits(&|found| glob.fits(found))
        }
        _ => None,
    }
}

/// Any value but these.
fn anything_but(wanted: &Value, found: &Value) -> Option<bool> {
    match wanted {
        Value::String(_) | Value::Number(_) => Some(!same(wanted, found)),
        Value::Array(values) => {
            let plain = values.iter().all(|one| one.is_string() || one.is_number());
            plain.then(|| !values.iter().any(|one| same(one, found)))
        }
        Value::Object(operator) => {
            let mut operators = operator.iter();
            let (Some((name, wanted)), None) = (operators.next(), operators.next()) else {
                return None;
            };
            let several = wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice);
            let fits: Option<Vec<bool>> = several.iter().map(|one| compare_text(name, one, found)).collect();
            fits.map(|fits| !fits.contains(&true))
        }
        Value::Null | Value::Bool(_) => None,
    }
}

/// `[">", 0, "<=", 5]`: numbers alone fit.
fn numeric(wanted: &[Value], found: &Value) -> Option<bool> {
    let mut fits = !wanted.is_empty();
    for pair in wanted.chunks(2) {
        let [name, bound] = pair else {
            return None;
        };
        let bound = bound.as_f64()?;
        let compare: fn(&f64, &f64) -> bool = match name.as_str()? {
            "<" => f64::lt,
            "<=" => f64::le,
            "=" => f64::eq,
            ">=" => f64::ge,
            ">" => f64::gt,
            _ => return None,
        };
        fits &= found.as_f64().is_some_and(|found| compare(&found, &bound));
    }
    Some(fits)
}

fn cidr(wanted: &str, found: &Value) -> Option<bool> {
    let range: IpNet = wanted.parse().ok()?;
    let address = found.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    Some(address.is_some_and(|address| range.contains(&address)))
}

#[cfg(test)]
mod tests;
