//! Ways to spoil a delivery. Every place is a number taken modulo what there is, so any mutation fits any
//! text, and a list of them shrinks well.

use proptest::prelude::*;
use serde_json::{Value, json};

/// One way to spoil a delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mutation {
    /// One bit of one byte.
    Flip { at: usize, bit: u32 },
    /// One byte, by one that JSON gives a meaning.
    Punctuate { at: usize, with: usize },
    /// The end is missing.
    Truncate { at: usize },
    /// A slice stands twice.
    Duplicate { from: usize, len: usize, to: usize },
    /// A slice is missing.
    Delete { from: usize, len: usize },
    /// A key or an element is missing.
    Remove { nth: usize },
    /// A value is another JSON value.
    Replace { nth: usize, with: usize },
    /// A value stands where another stood.
    Move { from: usize, to: usize },
}

const PUNCTUATION: &[u8] = b"{}[]\",:\\0#. \x00\xff";

/// The longest slice that a mutation copies or cuts.
const SLICE: usize = 64;

/// Values that stand in for others: every JSON type, and texts that are nearly right.
fn substitute(which: usize) -> Value {
    let all = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5e300),
        json!(""),
        json!([]),
        json!({}),
        json!([["CLUSTER"]]),
        json!("rds:"),
        json!("RDS-EVENT-0071"),
        json!("#RDS-EVENT-99999"),
        json!("9999-12-31T23:59:60Z"),
        json!("-000001-01-01 00:00:00"),
        json!("Completed failover to DB instance: 10.0.0.9"),
        json!("Completed failover to DB instance: other-1 "),
        json!("arn:aws:rds:us-east-1:123456789012:cluster:other"),
        json!("db-cluster"),
        json!("AWS API Call via CloudTrail"),
        json!("{\"Type\":\"Notification\",\"Message\":\"{}\"}"),
        json!("\u{0}\u{1b}\u{202e}"),
        json!("x".repeat(20_000)),
    ];
    all[which % all.len()].clone()
}

impl Mutation {
    /// Any mutation, for proptest.
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        any::<[u64; 4]>().prop_map(Self::from_numbers)
    }

    /// The mutation that four random numbers stand for.
    pub(crate) fn from_numbers(numbers: [u64; 4]) -> Self {
        let [kind, a, b, c] = numbers.map(|n| usize::try_from(n >> 1).unwrap_or(usize::MAX));
        match kind % 8 {
            0 => Self::Flip { at: a, bit: u32::try_from(b % 8).unwrap_or(0) },
            1 => Self::Punctuate { at: a, with: b },
            2 => Self::Truncate { at: a },
            3 => Self::Duplicate { from: a, len: b, to: c },
            4 => Self::Delete { from: a, len: b },
            5 => Self::Remove { nth: a },
            6 => Self::Replace { nth: a, with: b },
            _ => Self::Move { from: a, to: b },
        }
    }

    /// Spoils `body`.
    pub(crate) fn apply(self, body: &mut Vec<u8>) {
        let length = body.len();
        if length == 0 {
            return;
        }
        match self {
            Self::Flip { at, bit } => body[at % length] ^= 1 << bit,
            Self::Punctuate { at, with } => {
                body[at % length] = PUNCTUATION[with % PUNCTUATION.len()];
            }
            Self::Truncate { at } => body.truncate(at % length),
            Self::Duplicate { from, len, to } => {
                let slice = slice(length, from, len);
                let copy = body[slice].to_vec();
                let to = to % length;
                body.splice(to..to, copy);
            }
            Self::Delete { from, len } => {
                body.drain(slice(length, from, len));
            }
            Self::Remove { .. } | Self::Replace { .. } | Self::Move { .. } => {
                if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
                    self.apply_to_value(&mut value);
                    *body = value.to_string().into_bytes();
                }
            }
        }
    }

    fn apply_to_value(self, value: &mut Value) {
        let nodes = count(value);
        match self {
            Self::Remove { nth } => edit(value, &mut (nth % nodes), &mut |_| None),
            Self::Replace { nth, with } => {
                edit(value, &mut (nth % nodes), &mut |_| Some(substitute(with)));
            }
            Self::Move { from, to } => {
                let mut taken = Value::Null;
                edit(value, &mut (from % nodes), &mut |old| {
                    taken = old.clone();
                    Some(old)
                });
                edit(value, &mut (to % nodes), &mut |_| Some(taken.clone()));
            }
            Self::Flip { .. }
            | Self::Punctuate { .. }
            | Self::Truncate { .. }
            | Self::Duplicate { .. }
            | Self::Delete { .. } => {}
        }
    }
}

fn slice(length: usize, from: usize, len: usize) -> std::ops::Range<usize> {
    let from = from % length;
    from..(from + 1 + len % SLICE).min(length)
}

/// The JSON that a string holds, as the message of an SNS envelope does.
fn inside(text: &str) -> Option<Value> {
    let holds = text.starts_with('{') && text.len() > 2;
    holds.then(|| serde_json::from_str(text).ok()).flatten()
}

/// How many values there are, those within strings of JSON included.
fn count(value: &Value) -> usize {
    let within = match value {
        Value::Object(map) => map.values().map(count).sum(),
        Value::Array(list) => list.iter().map(count).sum(),
        Value::String(text) => inside(text).as_ref().map_or(0, count),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    1 + within
}

/// Puts what `change` gives in the place of the `nth` value; nothing removes it.
fn edit(value: &mut Value, nth: &mut usize, change: &mut dyn FnMut(Value) -> Option<Value>) {
    if let Some(new) = edited(value.take(), nth, change) {
        *value = new;
    }
}

fn edited(value: Value, nth: &mut usize, change: &mut dyn FnMut(Value) -> Option<Value>) -> Option<Value> {
    let here = *nth == 0;
    *nth = nth.wrapping_sub(1);
    if here {
        return change(value);
    }
    Some(match value {
        Value::Object(map) => Value::Object(
            map.into_iter().filter_map(|(key, value)| Some((key, edited(value, nth, change)?))).collect(),
        ),
        Value::Array(list) => {
            Value::Array(list.into_iter().filter_map(|value| edited(value, nth, change)).collect())
        }
        Value::String(text) => match inside(&text) {
            Some(value) => {
                Value::String(edited(value, nth, change).map_or_else(String::new, |v| v.to_string()))
            }
            None => Value::String(text),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    })
}
