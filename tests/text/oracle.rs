//! A second, much simpler reading of a delivery, against which the first is held: whatever an event says
//! has to stand in the delivery, under a key where RDS puts it.

use serde_json::Value;
use writerlink::domain::event::RdsEvent;
use writerlink::domain::time::Timestamp;

/// Checks that nothing of `events` came from anywhere but `body`.
pub(crate) fn check(body: &[u8], events: &[RdsEvent]) {
    assert!(!events.is_empty(), "events without an event");
    for event in events {
        check_event(body, event);
    }
}

fn check_event(body: &[u8], event: &RdsEvent) {
    if let Ok(claim) = event.claim()
        && let Some(instance) = claim.instance()
    {
        let message = event.message.to_ascii_lowercase();
        assert!(message.contains(instance.as_str()), "{event:?}");
    }
    let text = String::from_utf8_lossy(body);
    // The second reader is stricter than the first about values that the first skips.
    let Ok(value) = serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}').trim())
    else {
        return;
    };
    let mut told = Told::default();
    told.read(&value);
    assert!(
        told.messages.contains(&event.message),
        "{event:?} against {told:?}"
    );
    assert!(told.times.contains(&event.at), "{event:?} against {told:?}");
    assert!(
        told.sources.iter().any(|text| text
            .to_ascii_lowercase()
            .rsplit(':')
            .next()
            .is_some_and(|last| last == event.source.as_str())),
        "{event:?} against {told:?}"
    );
    if let Some(id) = event.id {
        let id = id.to_string();
        assert!(
            told.ids.iter().any(|text| text.ends_with(&id)),
            "{event:?} against {told:?}"
        );
    }
    if let Some(arn) = &event.source_arn {
        assert!(told.sources.contains(arn), "{event:?} against {told:?}");
    }
}

#[derive(Debug, Default)]
struct Told {
    messages: Vec<String>,
    times: Vec<Timestamp>,
    sources: Vec<String>,
    ids: Vec<String>,
}

impl Told {
    fn read(&mut self, value: &Value) {
        match value {
            Value::Object(map) => map
                .iter()
                .for_each(|(key, value)| self.read_key(key, value)),
            Value::Array(list) => list.iter().for_each(|value| self.read(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn read_key(&mut self, key: &str, value: &Value) {
        let Value::String(text) = value else {
            return self.read(value);
        };
        match key {
            "Message" | "Event Message" => self.messages.push(text.clone()),
            "Date" | "time" | "Event Time" => {
                self.times.extend(Timestamp::parse(text));
                self.times.extend(Timestamp::parse_civil(text));
            }
            "SourceArn" | "Source ARN" | "SourceIdentifier" | "Source ID" => {
                self.sources.push(text.clone());
            }
            "EventID" | "Event ID" => self.ids.push(text.clone()),
            _ => {}
        }
        if let Ok(inner) = serde_json::from_str::<Value>(text.trim()) {
            self.read(&inner);
        }
    }
}
