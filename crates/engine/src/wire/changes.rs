//! What a record's commit changed, as a part of the record's canonical JSON: a key for each field, `null` for one that
//! was cleared. The values are those of the `state` table (see [`crate::wire::kept`]).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::wire::kept::JsonAttribute;
use writerlink_core::ledger::changes::{Changes, EventChange, Field};
use writerlink_core::model::time::Timestamp;

/// Sorted by key, as every part of a canonical text.
pub(super) type ChangesText = BTreeMap<String, Value>;

const EVENT: &str = "event";

pub(super) fn text(changes: &Changes) -> ChangesText {
    let fields = changes.route.iter().map(field_text);
    let event = changes.event.as_ref().map(event_text);
    fields.chain(event.map(|event| (EVENT, event))).map(|(key, value)| (key.to_owned(), value)).collect()
}

fn field_text(field: &Field) -> (&'static str, Value) {
    let value = match field {
        Field::Desired(desired) | Field::Waiting(desired) => kept(desired.as_ref()),
        Field::RequireReading(at) => kept(at.as_ref()),
        Field::Pause(stop) | Field::Freeze(stop) | Field::Flapping(stop) => kept(stop.as_ref()),
        Field::Pin(pin) => kept(pin.as_ref()),
        Field::Moved => Value::Bool(true),
        Field::Moves(moves) => kept(Some(moves)),
        Field::Follow(follow) => kept(follow.as_ref()),
        Field::AgreedWith(key) => kept(key.as_ref()),
        Field::ReplacedFact(fact) => kept(fact.as_ref()),
        Field::UnresolvedEvent(event) => kept(event.as_ref()),
        Field::SourceConflict(conflict) => kept(conflict.as_ref()),
    };
    (key_of(field), value)
}

/// The attribute of the `state` table that holds the field.
fn key_of(field: &Field) -> &'static str {
    match field {
        Field::Waiting(_) => "pending",
        Field::Follow(_) => "health_watch",
        Field::Desired(_)
        | Field::RequireReading(_)
        | Field::Pause(_)
        | Field::Freeze(_)
        | Field::Flapping(_)
        | Field::Pin(_)
        | Field::Moved
        | Field::Moves(_)
        | Field::AgreedWith(_)
        | Field::ReplacedFact(_)
        | Field::UnresolvedEvent(_)
        | Field::SourceConflict(_) => field.into(),
    }
}

/// The kept text as a value, whose keys are sorted like all others.
fn kept(value: Option<&impl JsonAttribute>) -> Value {
    let value = value.map(|value| serde_json::from_str(&value.text()));
    value.and_then(Result::ok).unwrap_or_default()
}

fn event_text(event: &EventChange) -> Value {
    let first_seen = event.first_seen.to_string();
    let mut text = json!({ "attempts": event.attempts, "first_seen": first_seen });
    if let (Some(arn), Some(text)) = (&event.source_arn, text.as_object_mut()) {
        text.insert("source_arn".to_owned(), Value::String(arn.clone()));
    }
    text
}

/// Reads them; the error quotes the field that no record can have.
pub(super) fn read(mut text: ChangesText) -> Result<Changes, String> {
    let event = text.remove(EVENT);
    let event = event.map(|value| {
        let read = event_of(&value);
        read.ok_or_else(|| format!("{EVENT}: {value}"))
    });
    let route = text.iter().map(|(key, value)| {
        let read = field_of(key, value);
        read.ok_or_else(|| format!("{key}: {value}"))
    });
    Ok(Changes { route: route.collect::<Result<_, _>>()?, event: event.transpose()? })
}

fn field_of(key: &str, value: &Value) -> Option<Field> {
    Some(match key {
        "desired" => Field::Desired(of_kept(value)?),
        "pending" => Field::Waiting(of_kept(value)?),
        "require_reading" => Field::RequireReading(of_kept(value)?),
        "pause" => Field::Pause(of_kept(value)?),
        "freeze" => Field::Freeze(of_kept(value)?),
        "flapping" => Field::Flapping(of_kept(value)?),
        "pin" => Field::Pin(of_kept(value)?),
        "moved" => value.as_bool().filter(|moved| *moved).map(|_| Field::Moved)?,
        "moves" => Field::Moves(of_kept(value)??),
        "health_watch" => Field::Follow(of_kept(value)?),
        "agreed_with" => Field::AgreedWith(of_kept(value)?),
        "replaced_fact" => Field::ReplacedFact(of_kept(value)?),
        "unresolved_event" => Field::UnresolvedEvent(of_kept(value)?),
        "source_conflict" => Field::SourceConflict(of_kept(value)?),
        _ => return None,
    })
}

#[expect(
    clippy::option_option,
    reason = "that a value cannot be read and that there is none are two answers"
)]
fn of_kept<T: JsonAttribute>(value: &Value) -> Option<Option<T>> {
    if value.is_null() {
        return Some(None);
    }
    T::read(&value.to_string()).map(Some)
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

#[cfg(test)]
mod tests {
    use super::*;
    use writerlink_core::actuation::health::HealthWatch;
    use writerlink_core::actuation::health::ServingState;
    use writerlink_core::evidence::desired::{Desired, Fact};
    use writerlink_core::evidence::event::{EventKey, EvidenceOrder};
    use writerlink_core::ledger::holds::Pin;
    use writerlink_core::ledger::holds::Suspension;
    use writerlink_core::ledger::unresolved::{SourceConflict, UnresolvedEvent};
    use writerlink_core::model::ids::Hash;
    use writerlink_core::model::ids::Owner;
    use writerlink_core::model::ids::TransitionId;
    use writerlink_core::model::names::InstanceId;
    use writerlink_core::model::outcome::Outcome;
    use writerlink_core::model::reason::Reason;
    use writerlink_core::model::target::MoveMode;
    use writerlink_core::model::target::Target;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_778_108_865_884 + seconds * 1000)
    }

    fn key() -> EventKey {
        EventKey::parse(&Hash::of("key").to_string()).unwrap()
    }

    fn target(last: u8) -> Target {
        Target { ip: [10, 0, 0, last].into(), port: 3306 }
    }

    fn db_2() -> InstanceId {
        InstanceId::new("db-2").unwrap()
    }

    fn desired() -> Desired {
        Desired {
            instance: db_2(),
            target: target(2),
            additional_targets: [target(3)].into(),
            move_mode: MoveMode::Register,
            evidence: EvidenceOrder { at: at(1), rank: 1 },
            event: key(),
        }
    }

    fn stop(until: Option<Timestamp>) -> Suspension {
        Suspension { by: "ada".into(), reason: "a \"drill\"".into(), since: at(2), until }
    }

    /// One value of every field.
    fn every_field() -> Vec<Field> {
        let pin = Pin { instance: db_2(), target: target(2), stop: stop(None) };
        let follow = HealthWatch {
            transition: TransitionId::from_parts(at(3), 7),
            key: key(),
            instance: db_2(),
            target: target(2),
            since: at(1),
            moved_at: at(3),
            arrival: ServingState::Overdue,
            leaving: vec![target(1)],
        };
        let unresolved = UnresolvedEvent {
            key: key(),
            at: at(1),
            since: at(2),
            names: Some(db_2()),
            outcome: Some(Outcome::Rejected),
            reason: Reason::UnknownInstance,
            note: "no such instance".into(),
        };
        let conflict = SourceConflict {
            since: at(4),
            reason: Reason::SourcesContradict,
            note: "dns: db-1".into(),
            by: Owner::new("w1"),
        };
        vec![
            Field::Desired(Some(desired())),
            Field::Waiting(Some(desired())),
            Field::RequireReading(Some(at(5))),
            Field::Pause(Some(stop(Some(at(9))))),
            Field::Freeze(Some(stop(None))),
            Field::Flapping(Some(stop(None))),
            Field::Pin(Some(pin)),
            Field::Moved,
            Field::Moves(vec![at(1), at(2)]),
            Field::Follow(Some(follow)),
            Field::AgreedWith(Some(key())),
            Field::ReplacedFact(Some(Fact { event: key(), ip: [10, 0, 0, 1].into() })),
            Field::UnresolvedEvent(Some(unresolved)),
            Field::SourceConflict(Some(conflict)),
        ]
    }

    fn comes_back(route: Vec<Field>, event: Option<EventChange>) {
        let changes = Changes { route, event };
        let written = serde_json::to_string(&text(&changes)).unwrap();
        let sorted: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(sorted.to_string(), written, "keys are sorted at every depth");
        let back = read(serde_json::from_str(&written).unwrap()).unwrap();
        assert_eq!(back, changes, "{written}");
    }

    #[test]
    fn every_field_comes_back_as_it_was_set_or_cleared() {
        for field in every_field() {
            comes_back(vec![field], None);
        }
        let cleared = [
            Field::Desired(None),
            Field::Waiting(None),
            Field::RequireReading(None),
            Field::Pause(None),
            Field::Freeze(None),
            Field::Flapping(None),
            Field::Pin(None),
            Field::Moves(Vec::new()),
            Field::Follow(None),
            Field::AgreedWith(None),
            Field::ReplacedFact(None),
            Field::UnresolvedEvent(None),
            Field::SourceConflict(None),
        ];
        for field in cleared {
            comes_back(vec![field], None);
        }
        for source_arn in [None, Some("arn:aws:rds:us-east-1:1:cluster:c".to_owned())] {
            let event = EventChange { source_arn, first_seen: at(1), attempts: 3 };
            comes_back(Vec::new(), Some(event));
        }
    }

    #[test]
    fn a_field_that_no_version_wrote_is_refused() {
        for wrong in [
            r#"{"desire":null}"#,
            r#"{"moved":false}"#,
            r#"{"moves":null}"#,
            r#"{"pause":"until noon"}"#,
            r#"{"event":{"attempts":-1,"first_seen":"2026-05-06T23:07:45.884Z"}}"#,
            r#"{"event":{"attempts":1,"first_seen":"2026-05-06T23:07:45.884Z","more":1}}"#,
        ] {
            let read = read(serde_json::from_str(wrong).unwrap());
            let error = read.unwrap_err();
            let key = wrong.split('"').nth(1).unwrap();
            assert!(error.starts_with(&format!("{key}: ")), "{wrong}: {error}");
        }
    }
}
