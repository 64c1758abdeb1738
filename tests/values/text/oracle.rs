//! A second, much simpler reading of a delivery, against which the first is held: whatever an event says
//! has to stand in the delivery, under a key where RDS puts it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::model::time::Timestamp;

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
    let mut told = Told::default();
    told.read(text.trim_start_matches('\u{feff}').trim());
    assert!(told.messages.contains(&event.message), "{event:?} against {told:?}");
    assert!(told.times.contains(&event.at), "{event:?} against {told:?}");
    assert!(
        told.sources.iter().any(|text| text
            .to_ascii_lowercase()
            .rsplit(':')
            .next()
            .is_some_and(|last| last == event.source.as_str())),
        "{event:?} against {told:?}"
    );
    assert!(
        told.is_notification || told.detail_types.iter().any(|text| is_an_event(text)),
        "{event:?} against {told:?}"
    );
    if let Some(id) = event.id {
        let id = id.to_string();
        assert!(told.ids.iter().any(|text| text.ends_with(&id)), "{event:?} against {told:?}");
    }
    if let Some(arn) = &event.source_arn {
        let text = arn.to_string();
        let stands = told.sources.iter().any(|told| told.eq_ignore_ascii_case(&text));
        // Without an ARN the envelope may say account and Region, and never the partition.
        let (said, location) = (|part: &str| told.senders.contains(part), arn.location());
        let envelope = location.partition.is_empty()
            && (location.account.is_empty() || said(location.account))
            && (location.region.is_empty() || said(location.region));
        assert!(stands || envelope, "{event:?} against {told:?}");
    }
}

/// Whether RDS sends events under this `detail-type`; by its form, not by the reader's own list.
fn is_an_event(detail_type: &str) -> bool {
    detail_type.starts_with("RDS ") && detail_type.ends_with(" Event")
}

#[derive(Debug, Default)]
struct Told {
    /// Whether a message of RDS to SNS stands in it, which has no `detail-type`.
    is_notification: bool,
    detail_types: Vec<String>,
    messages: Vec<String>,
    times: Vec<Timestamp>,
    sources: Vec<String>,
    ids: Vec<String>,
    senders: BTreeSet<String>,
}

impl Told {
    /// Reads what `json` holds. By its first character, and with every value unread until its turn, so that
    /// a number or a text that only this reader would refuse cannot hide what stands beside it.
    fn read(&mut self, json: &str) {
        match json.as_bytes().first() {
            Some(b'{') => {
                let map: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
                for (key, value) in map {
                    self.read_key(&key, value.get());
                }
            }
            Some(b'[') => {
                let list: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
                for value in list {
                    self.read(value.get());
                }
            }
            _ => {}
        }
    }

    fn read_key(&mut self, key: &str, json: &str) {
        self.read(json);
        let Ok(text) = serde_json::from_str::<String>(json) else {
            return;
        };
        self.read(text.trim());
        self.is_notification |= key == "Event Message";
        match key {
            "Message" | "Event Message" => self.messages.push(text),
            "detail-type" => self.detail_types.push(text),
            "Date" | "time" | "Event Time" => {
                self.times.extend(Timestamp::parse(&text));
                self.times.extend(Timestamp::parse_civil(&text));
            }
            "SourceArn" | "Source ARN" | "SourceIdentifier" | "Source ID" => {
                self.sources.push(text);
            }
            "EventID" | "Event ID" => self.ids.push(text),
            "account" | "region" => drop(self.senders.insert(text)),
            _ => {}
        }
    }
}
