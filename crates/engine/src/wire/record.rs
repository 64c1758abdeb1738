//! An audit record as canonical JSON: the text that is hashed, stored and exported.
//!
//! # Guarantees
//! One record has exactly one text: keys in alphabetical order, no white space, whole numbers only, times as
//! ISO 8601 with milliseconds, durations as whole microseconds (`_us` in the key; less than that is dropped).
//! What is absent has no key, so an optional field of a later version leaves the text of old records alone.
//! Whatever an event says is a JSON string and nothing else.
//!
//! The text of a version never changes, or no chain written before would verify: a change of shape is a new
//! [`FORMAT_VERSION`], read beside the old one. A golden test holds the text.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::wire::changes;
use crate::wire::changes::ChangesText;
use writerlink_core::evidence::event::{EventId, EventKey, RdsEvent};
use writerlink_core::ledger::record::{AuditRecord, Entry, RecordKind, RecordedTrigger, Step};
use writerlink_core::model::ids::{Generation, Hash, Owner, TransitionId};
use writerlink_core::model::names::{InstanceId, RouteName, SourceId, TargetGroupArn};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::provenance::{ConfigHash, InstallationName, Provenance};
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::source_arn::{SourceArn, SourceKind};
use writerlink_core::model::target::{ObservedTarget, Target, TargetHealth};
use writerlink_core::model::time::Timestamp;

/// The version of the text, its key `format`.
pub const FORMAT_VERSION: u32 = 2;

/// A text that is no audit record.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecord {
    /// It is no JSON of the right shape.
    #[error("not the JSON of an audit record: {0}")]
    Shape(#[from] serde_json::Error),
    /// It was written by a newer version of this program.
    #[error("format {0} of the record is not known to this version (it reads {FORMAT_VERSION})")]
    Format(u32),
    /// A value is none that its field can have.
    #[error("{field} cannot be {value:?}")]
    Value {
        /// Which field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
}

/// The canonical text of a record.
#[must_use]
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "strings, whole numbers and lists of them always serialise"
)]
pub fn canonical(record: &AuditRecord) -> String {
    serde_json::to_string(&Text::from(record)).expect("an audit record is plain JSON")
}

/// Reads a record from its text.
///
/// # Errors
/// [`UnreadableRecord`] when the text is not one that [`canonical`] writes.
pub fn parse(text: &str) -> Result<AuditRecord, UnreadableRecord> {
    let version: VersionOnly = serde_json::from_str(text)?;
    if version.format != FORMAT_VERSION {
        return Err(UnreadableRecord::Format(version.format));
    }
    serde_json::from_str::<Text>(text)?.try_into()
}

#[derive(Deserialize)]
struct VersionOnly {
    format: u32,
}

// Fields stand in alphabetical order: serde writes them in the order of declaration, and that order is the
// canonical one. A test compares it with a sorted map.

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    after: Vec<RowText>,
    at: String,
    attempt: u32,
    before: Vec<RowText>,
    cause: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<ChangesText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<CommandText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired: Option<DesiredText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<EventText>,
    event_key: String,
    format: u32,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    installation: Option<String>,
    kind: String,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    owner: String,
    prev_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<ReadingText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    route: String,
    seq: u64,
    steps: Vec<StepText>,
    target_group: String,
    transition: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandText {
    at: String,
    by: String,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadingText {
    at: String,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DesiredText {
    instance: String,
    ip: IpAddr,
    port: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventText {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    kind: String,
    message: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_arn: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowText {
    #[serde(skip_serializing_if = "Option::is_none")]
    availability_zone: Option<String>,
    health: String,
    ip: IpAddr,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepText {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    start_us: u64,
    took_us: u64,
}

impl From<&AuditRecord> for Text {
    fn from(record: &AuditRecord) -> Self {
        let entry = &record.entry;
        Self {
            after: entry.after.iter().map(RowText::from).collect(),
            at: entry.at.to_string(),
            attempt: entry.attempt,
            before: entry.before.iter().map(RowText::from).collect(),
            cause: entry.cause.as_str().to_owned(),
            changes: record.changes.as_ref().map(changes::text),
            command: entry.trigger.as_ref().and_then(command_text),
            config_hash: entry.provenance.as_ref().map(|p| p.config.to_string()),
            desired: entry.desired.as_ref().map(|(instance, target)| DesiredText {
                instance: instance.to_string(),
                ip: target.ip,
                port: target.port,
            }),
            event: entry.trigger.as_ref().and_then(RecordedTrigger::event).map(EventText::from),
            event_key: entry.event_key.to_string(),
            format: FORMAT_VERSION,
            generation: entry.generation.0,
            installation: entry.provenance.as_ref().map(|p| p.installation.to_string()),
            kind: entry.kind.as_str().to_owned(),
            note: entry.note.clone(),
            outcome: entry.outcome.map(|outcome| outcome.as_str().to_owned()),
            owner: entry.owner.to_string(),
            prev_hash: record.prev.to_string(),
            reading: entry.trigger.as_ref().and_then(reading_text),
            reason: entry.reason.map(|reason| reason.as_str().to_owned()),
            route: record.route.to_string(),
            seq: record.seq,
            steps: entry.steps.iter().map(StepText::from).collect(),
            target_group: entry.target_group.to_string(),
            transition: entry.transition.to_string(),
            version: entry.version.clone(),
        }
    }
}

fn command_text(told: &RecordedTrigger) -> Option<CommandText> {
    match told {
        RecordedTrigger::Command { at, by, text: said } => {
            Some(CommandText { at: at.to_string(), by: by.clone(), text: said.clone() })
        }
        RecordedTrigger::Event(_) | RecordedTrigger::Reading { .. } => None,
    }
}

fn reading_text(told: &RecordedTrigger) -> Option<ReadingText> {
    match told {
        RecordedTrigger::Reading { at, text: said } => {
            Some(ReadingText { at: at.to_string(), text: said.clone() })
        }
        RecordedTrigger::Event(_) | RecordedTrigger::Command { .. } => None,
    }
}

impl From<&RdsEvent> for EventText {
    fn from(event: &RdsEvent) -> Self {
        Self {
            at: event.at.to_string(),
            id: event.id.map(|id| id.to_string()),
            kind: event.kind.as_str().to_owned(),
            message: event.message.clone(),
            source: event.source.to_string(),
            source_arn: event.source_arn.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&ObservedTarget> for RowText {
    fn from(row: &ObservedTarget) -> Self {
        Self {
            availability_zone: row.availability_zone.clone(),
            health: row.health.as_str().to_owned(),
            ip: row.target.ip,
            port: row.target.port,
            reason: row.reason.clone(),
        }
    }
}

impl From<&Step> for StepText {
    fn from(step: &Step) -> Self {
        Self {
            error: step.error.clone(),
            name: step.name.clone(),
            request_id: step.request_id.clone(),
            start_us: whole_micros(step.start),
            took_us: whole_micros(step.took),
        }
    }
}

fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl TryFrom<Text> for AuditRecord {
    type Error = UnreadableRecord;

    fn try_from(mut text: Text) -> Result<Self, UnreadableRecord> {
        let changes = text.changes.take().map(changes::read).transpose();
        let changes = changes.map_err(|value| UnreadableRecord::Value { field: "changes", value })?;
        Ok(Self {
            changes,
            route: valid("route", text.route.clone(), |t| RouteName::new(t).ok())?,
            seq: text.seq,
            prev: valid("prev_hash", text.prev_hash.clone(), Hash::parse)?,
            entry: text.try_into()?,
        })
    }
}

impl TryFrom<Text> for Entry {
    type Error = UnreadableRecord;

    fn try_from(text: Text) -> Result<Self, UnreadableRecord> {
        let outcome = text.outcome.map(|value| valid("outcome", value, Outcome::parse));
        let reason = text.reason.map(|value| valid("reason", value, Reason::parse));
        let target_group = valid("target_group", text.target_group, |t| TargetGroupArn::new(t).ok())?;
        Ok(Self {
            kind: valid("kind", text.kind, RecordKind::parse)?,
            at: valid("at", text.at, Timestamp::parse)?,
            transition: valid("transition", text.transition, TransitionId::parse)?,
            attempt: text.attempt,
            generation: Generation(text.generation),
            owner: Owner::new(text.owner),
            version: text.version,
            provenance: provenance(text.installation, text.config_hash)?,
            cause: valid("cause", text.cause, Cause::parse)?,
            event_key: valid("event_key", text.event_key, EventKey::parse)?,
            trigger: told(text.event, text.reading, text.command)?,
            target_group,
            desired: text.desired.map(DesiredText::value).transpose()?,
            before: text.before.into_iter().map(ObservedTarget::from).collect(),
            after: text.after.into_iter().map(ObservedTarget::from).collect(),
            steps: text.steps.into_iter().map(Step::from).collect(),
            outcome: outcome.transpose()?,
            reason: reason.transpose()?,
            note: text.note,
        })
    }
}

/// Who wrote it. A record has both or neither, as those of 0.1.0 have.
fn provenance(
    installation: Option<String>,
    config_hash: Option<String>,
) -> Result<Option<Arc<Provenance>>, UnreadableRecord> {
    match (installation, config_hash) {
        (None, None) => Ok(None),
        (Some(installation), Some(config)) => Ok(Some(Arc::new(Provenance {
            installation: valid("installation", installation, |t| InstallationName::new(t).ok())?,
            config: valid("config_hash", config, ConfigHash::parse)?,
        }))),
        (Some(only), None) | (None, Some(only)) => Err(UnreadableRecord::Value {
            field: "installation, config_hash",
            value: format!("{only} without the other"),
        }),
    }
}

/// What spoke for the move. A record has at most one of the three.
fn told(
    event: Option<EventText>,
    reading: Option<ReadingText>,
    command: Option<CommandText>,
) -> Result<Option<RecordedTrigger>, UnreadableRecord> {
    Ok(match (event, reading, command) {
        (None, None, None) => None,
        (Some(event), None, None) => Some(RecordedTrigger::Event(event.try_into()?)),
        (None, Some(ReadingText { at, text: said }), None) => {
            let at = valid("reading.at", at, Timestamp::parse)?;
            Some(RecordedTrigger::Reading { at, text: said })
        }
        (None, None, Some(CommandText { at, by, text: said })) => {
            let at = valid("command.at", at, Timestamp::parse)?;
            Some(RecordedTrigger::Command { at, by, text: said })
        }
        _ => {
            return Err(UnreadableRecord::Value {
                field: "event, reading, command",
                value: "more than one of them".to_owned(),
            });
        }
    })
}

impl DesiredText {
    fn value(self) -> Result<(InstanceId, Target), UnreadableRecord> {
        let instance = valid("desired.instance", self.instance, |t| InstanceId::new(t).ok())?;
        let target = Target { ip: self.ip, port: self.port };
        Ok((instance, target))
    }
}

impl TryFrom<EventText> for RdsEvent {
    type Error = UnreadableRecord;

    fn try_from(text: EventText) -> Result<Self, UnreadableRecord> {
        let id = text.id.map(|value| valid("event.id", value, EventId::parse));
        let read_arn = |value| valid("event.source_arn", value, |t| SourceArn::parse_known(t).ok());
        Ok(Self {
            id: id.transpose()?,
            source: valid("event.source", text.source, |t| SourceId::new(t).ok())?,
            kind: SourceKind::parse(&text.kind),
            source_arn: text.source_arn.map(read_arn).transpose()?,
            at: valid("event.at", text.at, Timestamp::parse)?,
            message: text.message,
        })
    }
}

impl From<RowText> for ObservedTarget {
    fn from(text: RowText) -> Self {
        Self {
            target: Target { ip: text.ip, port: text.port },
            health: TargetHealth::parse(&text.health),
            reason: text.reason,
            availability_zone: text.availability_zone,
        }
    }
}

impl From<StepText> for Step {
    fn from(text: StepText) -> Self {
        Self {
            name: text.name,
            start: Duration::from_micros(text.start_us),
            took: Duration::from_micros(text.took_us),
            request_id: text.request_id,
            error: text.error,
        }
    }
}

fn valid<T>(
    field: &'static str,
    value: String,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, UnreadableRecord> {
    match parse(&value) {
        Some(parsed) => Ok(parsed),
        None => Err(UnreadableRecord::Value { field, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    fn time() -> impl Strategy<Value = Timestamp> {
        any::<i64>().prop_map(Timestamp::from_millis)
    }

    fn hash() -> impl Strategy<Value = Hash> {
        any::<String>().prop_map(|text| Hash::of(&text))
    }

    fn target() -> impl Strategy<Value = Target> {
        (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| Target { ip, port })
    }

    fn rows() -> impl Strategy<Value = Vec<ObservedTarget>> {
        let health = prop_oneof!["healthy|unhealthy.draining|draining|unused", any::<String>()];
        let row = (target(), health, option::of(any::<String>()), option::of(any::<String>())).prop_map(
            |(target, health, reason, availability_zone)| {
                let health = TargetHealth::parse(&health);
                ObservedTarget { target, health, reason, availability_zone }
            },
        );
        vec(row, 0..3)
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let micros = || any::<u64>().prop_map(Duration::from_micros);
        let text = || option::of(any::<String>());
        let step = (any::<String>(), micros(), micros(), text(), text())
            .prop_map(|(name, start, took, request_id, error)| Step { name, start, took, request_id, error });
        vec(step, 0..3)
    }

    fn event() -> impl Strategy<Value = RdsEvent> {
        let id = option::of("RDS-EVENT-[0-9]{4}".prop_map(|text| EventId::parse(&text).unwrap()));
        let source = "[a-z][a-z0-9-]{0,20}".prop_map(|text| SourceId::new(&text).unwrap());
        let kind = proptest::sample::select(SourceKind::ALL.to_vec());
        let part = |text: &'static str| prop_oneof![Just(""), Just(text)];
        let arn = (part("aws"), part("eu-west-1"), part("123456789012"));
        let arn = (arn, "cluster|db|pg", "[a-z][a-z0-9-]{0,20}");
        let arn = option::of(arn.prop_map(|((partition, region, account), resource, name)| {
            let text = format!("arn:{partition}:rds:{region}:{account}:{resource}:{name}");
            SourceArn::parse_known(&text).unwrap()
        }));
        (id, source, kind, arn, time(), any::<String>()).prop_map(
            |(id, source, kind, source_arn, at, message)| RdsEvent {
                id,
                source,
                kind,
                source_arn,
                at,
                message,
            },
        )
    }

    fn said() -> impl Strategy<Value = RecordedTrigger> {
        let discovery =
            (time(), any::<String>()).prop_map(|(at, said)| RecordedTrigger::Reading { at, text: said });
        let order = (time(), any::<String>(), any::<String>())
            .prop_map(|(at, by, said)| RecordedTrigger::Command { at, by, text: said });
        prop_oneof![event().prop_map(RecordedTrigger::Event), discovery, order]
    }

    fn desired() -> impl Strategy<Value = Option<(InstanceId, Target)>> {
        let instance = "[a-z][a-z0-9-]{0,20}".prop_map(|text| InstanceId::new(&text).unwrap());
        option::of((instance, target()))
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let who = (any::<u128>(), any::<u32>(), any::<u64>(), any::<String>());
        let what = (
            proptest::sample::select(RecordKind::ALL.to_vec()),
            proptest::sample::select(Cause::ALL.to_vec()),
            option::of(proptest::sample::select(Outcome::ALL.to_vec())),
            option::of(proptest::sample::select(Reason::ALL.to_vec())),
        );
        let words = (any::<String>(), any::<String>(), from());
        let group = (rows(), rows(), steps(), desired());
        (who, what, words, group, said(), time()).prop_map(|(who, what, words, group, said, at)| Entry {
            kind: what.0,
            at,
            transition: TransitionId::from_parts(at, who.0),
            attempt: who.1,
            generation: Generation(who.2),
            owner: Owner::new(who.3),
            version: words.0,
            provenance: words.2,
            cause: what.1,
            event_key: EventKey::random(&RouteName::new("r").unwrap(), at, who.0),
            trigger: Some(said),
            target_group: group_arn(),
            desired: group.3,
            before: group.0,
            after: group.1,
            steps: group.2,
            outcome: what.2,
            reason: what.3,
            note: words.1,
        })
    }

    fn from() -> impl Strategy<Value = Option<Arc<Provenance>>> {
        let name = "[a-zA-Z0-9._-]{1,40}".prop_map(|text| InstallationName::new(&text).unwrap());
        let hash = any::<String>().prop_map(|text| ConfigHash::of(&text));
        option::of((name, hash))
            .prop_map(|from| from.map(|(installation, config)| Arc::new(Provenance { installation, config })))
    }

    fn record() -> impl Strategy<Value = AuditRecord> {
        let route = "[a-z0-9_-]{1,64}".prop_map(|text| RouteName::new(&text).unwrap());
        (route, any::<u64>(), hash(), entry()).prop_map(|(route, seq, prev, entry)| AuditRecord {
            route,
            seq,
            prev,
            entry,
            changes: None,
        })
    }

    fn group_arn() -> TargetGroupArn {
        TargetGroupArn::new(
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db/73e2d6bc24d8a067",
        )
        .unwrap()
    }

    proptest! {
        #[test]
        fn every_record_comes_back_as_it_was(record in record()) {
            let text = canonical(&record);
            let back = parse(&text).unwrap();
            prop_assert_eq!(&back, &record);
            prop_assert_eq!(canonical(&back), text);
        }

        #[test]
        fn keys_are_sorted_at_every_depth_and_nothing_is_spaced(record in record()) {
            // Without serde_json's `preserve_order` a map is sorted by key.
            let text = canonical(&record);
            let sorted: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(sorted.to_string(), text);
        }
    }

    fn golden_record() -> AuditRecord {
        let event = RdsEvent {
            id: Some(EventId::FAILOVER_COMPLETED),
            source: SourceId::new("aurora-source").unwrap(),
            kind: SourceKind::Cluster,
            source_arn: SourceArn::parse("arn:aws:rds:us-east-1:123456789012:cluster:aurora-source").ok(),
            at: Timestamp::from_millis(1_778_108_865_884),
            message: "Completed failover to DB instance: \"db-2\"\\\u{e9}\n".into(),
        };
        let target = |last| Target { ip: IpAddr::from([10, 0, 0, last]), port: 3306 };
        let row = |last, health| ObservedTarget {
            target: target(last),
            health,
            reason: None,
            availability_zone: Some("all".into()),
        };
        let route = RouteName::new("orders").unwrap();
        let entry = Entry {
            kind: RecordKind::Finished,
            at: Timestamp::from_millis(1_778_108_866_001),
            transition: TransitionId::from_parts(Timestamp::from_millis(1_778_108_865_900), 7),
            attempt: 2,
            generation: Generation(41),
            owner: Owner::new("worker-1"),
            version: "0.1.0".into(),
            provenance: None,
            cause: Cause::Event,
            event_key: EventKey::parse("34450385ef1aee92097c86507594e8163547fe1be7311058f49ffdd74a1ac7ce")
                .unwrap(),
            trigger: Some(RecordedTrigger::Event(event)),
            target_group: group_arn(),
            desired: Some((InstanceId::new("db-2").unwrap(), target(12))),
            before: vec![row(11, TargetHealth::Healthy)],
            after: vec![row(12, TargetHealth::Initial)],
            steps: vec![Step {
                name: "RegisterTargets".into(),
                start: Duration::from_micros(1_500),
                took: Duration::from_nanos(11_234_999),
                request_id: Some("r-1".into()),
                error: None,
            }],
            outcome: Some(Outcome::Moved),
            reason: Some(Reason::WriterMoved),
            note: "db-2 serves".into(),
        };
        AuditRecord { route, seq: 17, prev: Hash::of("before"), entry, changes: None }
    }

    /// If this fails, do not change the text: it is what stored chains were hashed over. Raise the format.
    #[test]
    fn the_text_of_a_record_is_this_one() {
        assert_eq!(canonical(&golden_record()), include_str!("record.golden.json").trim_end());
    }

    fn golden_record_of_an_installation() -> AuditRecord {
        let mut record = golden_record();
        record.entry.provenance = Some(Arc::new(Provenance {
            installation: InstallationName::new("orders-prod").unwrap(),
            config: ConfigHash::of("[[route]]\n"),
        }));
        record
    }

    /// Only these two keys were added, so the text of an older record is what it was.
    #[test]
    fn the_text_of_a_record_with_its_installation_is_this_one() {
        assert_eq!(
            canonical(&golden_record_of_an_installation()),
            include_str!("record.installation.golden.json").trim_end()
        );
    }

    #[test]
    fn an_installation_needs_a_configuration_and_the_reverse() {
        let text = canonical(&golden_record_of_an_installation());
        for (part, value) in [
            ("\"installation\":\"orders-prod\",", "c509168e37b9 without the other"),
            ("\"config_hash\":\"c509168e37b9\",", "orders-prod without the other"),
        ] {
            let error = parse(&text.replace(part, "")).unwrap_err();
            assert!(error.to_string().contains(value), "{error}");
        }
        let odd = text.replace("orders-prod", "orders prod");
        let error = parse(&odd).unwrap_err();
        assert_eq!(error.to_string(), "installation cannot be \"orders prod\"");
    }

    #[test]
    fn a_record_of_a_newer_program_is_told_apart_from_a_broken_one() {
        let text = canonical(&golden_record()).replace("\"format\":2", "\"format\":3");
        assert!(matches!(parse(&text), Err(UnreadableRecord::Format(3))));
        assert!(matches!(parse("{}"), Err(UnreadableRecord::Shape(_))));
    }

    #[test]
    fn a_key_or_a_value_that_no_record_has_is_refused() {
        let text = canonical(&golden_record());
        let more = text.replacen('{', "{\"aa\":1,", 1);
        assert!(matches!(parse(&more), Err(UnreadableRecord::Shape(_))));
        let other = text.replace("\"Moved\"", "\"Stolen\"");
        let error = parse(&other).unwrap_err();
        assert_eq!(error.to_string(), "outcome cannot be \"Stolen\"");
    }
}
