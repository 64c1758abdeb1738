//! What a record's commit changed, as a part of the record's canonical JSON: a key for each field, `null` for one that
//! was cleared. The values are those of the `state` table (see [`super::kept`]).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kept::Kept;
use super::record::UnreadableRecord;
use crate::domain::event::EventKey;
use crate::domain::rebuild::{Changes, EventChange, Field};
use crate::domain::time::Timestamp;

/// Sorted by key, as every part of a canonical text.
pub(super) type ChangesText = BTreeMap<String, Value>;

const EVENT: &str = "event";

pub(super) fn text(changes: &Changes) -> ChangesText {
    let fields = changes.route.iter().map(field_text);
    let event = changes.event.as_ref().map(event_text);
    fields
        .chain(event.map(|event| (EVENT, event)))
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn field_text(field: &Field) -> (&'static str, Value) {
    match field {
        Field::Desired(desired) => ("desired", kept(desired.as_ref())),
        Field::Waiting(waiting) => ("waiting", kept(waiting.as_ref())),
        Field::AskTruth(at) => ("ask_truth", shown(*at)),
        Field::Pause(stop) => ("pause", kept(stop.as_ref())),
        Field::Freeze(stop) => ("freeze", kept(stop.as_ref())),
        Field::Flapping(stop) => ("flapping", kept(stop.as_ref())),
        Field::Pin(pin) => ("pin", kept(pin.as_ref())),
        Field::Moved => ("moved", Value::Bool(true)),
        Field::Moves(moves) => ("moves", kept(Some(moves))),
        Field::Follow(follow) => ("follow", kept(follow.as_ref())),
        Field::AgreedWith(key) => ("agreed_with", shown(*key)),
        Field::UnresolvedEvent(event) => ("unresolved_event", kept(event.as_ref())),
        Field::SourceConflict(conflict) => ("source_conflict", kept(conflict.as_ref())),
    }
}

/// The kept text as a value, whose keys are sorted like all others.
fn kept(value: Option<&impl Kept>) -> Value {
    let value = value.map(|value| serde_json::from_str(&value.text()));
    value.and_then(Result::ok).unwrap_or_default()
}

fn shown(value: Option<impl ToString>) -> Value {
    value.map_or(Value::Null, |value| Value::String(value.to_string()))
}

fn event_text(event: &EventChange) -> Value {
    let first_seen = event.first_seen.to_string();
    let mut text = json!({ "attempts": event.attempts, "first_seen": first_seen });
    if let (Some(arn), Some(text)) = (&event.source_arn, text.as_object_mut()) {
        text.insert("source_arn".to_owned(), Value::String(arn.clone()));
    }
    text
}

pub(super) fn read(mut text: ChangesText) -> Result<Changes, UnreadableRecord> {
    let event = text.remove(EVENT);
    let event = event.map(|value| {
        let read = event_of(&value);
        read.ok_or_else(|| impossible(EVENT, &value))
    });
    let route = text.iter().map(|(key, value)| {
        let read = field_of(key, value);
        read.ok_or_else(|| impossible(key, value))
    });
    Ok(Changes {
        route: route.collect::<Result<_, _>>()?,
        event: event.transpose()?,
    })
}

fn impossible(key: &str, value: &Value) -> UnreadableRecord {
    UnreadableRecord::Value {
        field: "changes",
        value: format!("{key}: {value}"),
    }
}

fn field_of(key: &str, value: &Value) -> Option<Field> {
    Some(match key {
        "desired" => Field::Desired(of_kept(value)?),
        "waiting" => Field::Waiting(of_kept(value)?),
        "ask_truth" => Field::AskTruth(of_shown(value, Timestamp::parse)?),
        "pause" => Field::Pause(of_kept(value)?),
        "freeze" => Field::Freeze(of_kept(value)?),
        "flapping" => Field::Flapping(of_kept(value)?),
        "pin" => Field::Pin(of_kept(value)?),
        "moved" => value
            .as_bool()
            .filter(|moved| *moved)
            .map(|_| Field::Moved)?,
        "moves" => Field::Moves(of_kept(value)??),
        "follow" => Field::Follow(of_kept(value)?),
        "agreed_with" => Field::AgreedWith(of_shown(value, EventKey::parse)?),
        "unresolved_event" => Field::UnresolvedEvent(of_kept(value)?),
        "source_conflict" => Field::SourceConflict(of_kept(value)?),
        _ => return None,
    })
}

fn of_kept<T: Kept>(value: &Value) -> Option<Option<T>> {
    if value.is_null() {
        return Some(None);
    }
    T::read(&value.to_string()).map(Some)
}

fn of_shown<T>(value: &Value, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => parse(text).map(Some),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn event_of(value: &Value) -> Option<EventChange> {
    let map = value.as_object()?;
    let arn = map.get("source_arn");
    let source_arn = match arn {
        None => None,
        Some(arn) => Some(arn.as_str()?.to_owned()),
    };
    if map.len() != 2 + usize::from(arn.is_some()) {
        return None;
    }
    Some(EventChange {
        source_arn,
        first_seen: Timestamp::parse(map.get("first_seen")?.as_str()?)?,
        attempts: map.get("attempts")?.as_u64()?.try_into().ok()?,
    })
}
