//! What a route's item keeps as JSON text in an attribute: holds, pending evidence, the health watch.
//! People read these with a plain `GetItem`. No condition uses them: every change of them also moves the chain's head.
//!
//! Each `…Text` is the form of a value of the domain, field by field (serde's `remote`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::wire::text::{list, optional, string};
use writerlink_core::actuation::health::{HealthWatch, ServingState};
use writerlink_core::evidence::desired::{Desired, Fact};
use writerlink_core::evidence::event::{EventKey, EvidenceOrder};
use writerlink_core::ledger::holds::{Pin, Suspension};
use writerlink_core::ledger::unresolved::{SourceConflict, UnresolvedEvent};
use writerlink_core::model::ids::{Owner, TransitionId};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::target::{MoveMode, Target};
use writerlink_core::model::time::Timestamp;

/// A value that is kept as JSON text.
pub trait JsonAttribute: Sized {
    /// Its text.
    fn text(&self) -> String;

    /// Reads the text; `None` when it is not one that [`JsonAttribute::text`] writes.
    fn read(text: &str) -> Option<Self>;
}

macro_rules! kept {
    ($($value:ty: $form:ident;)+) => {$(
        impl JsonAttribute for $value {
            fn text(&self) -> String {
                let mut json = Vec::new();
                let written = $form::serialize(self, &mut serde_json::Serializer::new(&mut json));
                written.ok().and_then(|()| String::from_utf8(json).ok()).unwrap_or_default()
            }

            fn read(text: &str) -> Option<Self> {
                let mut json = serde_json::Deserializer::from_str(text);
                let value = $form::deserialize(&mut json).ok()?;
                json.end().ok().map(|()| value)
            }
        }
    )+};
}

kept! {
    BTreeSet<Target>: list;
    Desired: DesiredText;
    EventKey: string;
    Fact: FactText;
    HealthWatch: HealthWatchText;
    Pin: PinText;
    SourceConflict: SourceConflictText;
    Suspension: SuspensionText;
    Timestamp: string;
    UnresolvedEvent: UnresolvedEventText;
    Vec<Timestamp>: list;
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Suspension", deny_unknown_fields)]
struct SuspensionText {
    by: String,
    reason: String,
    #[serde(with = "string")]
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    until: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Pin", deny_unknown_fields)]
struct PinText {
    #[serde(with = "string")]
    instance: InstanceId,
    #[serde(getter = "pinned_ip")]
    ip: IpAddr,
    #[serde(getter = "pinned_port")]
    port: u16,
    #[serde(rename = "suspension", with = "SuspensionText")]
    stop: Suspension,
}

fn pinned_ip(pin: &Pin) -> IpAddr {
    pin.target.ip
}

fn pinned_port(pin: &Pin) -> u16 {
    pin.target.port
}

impl From<PinText> for Pin {
    fn from(PinText { instance, ip, port, stop }: PinText) -> Self {
        Self { instance, target: Target { ip, port }, stop }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Desired", deny_unknown_fields)]
struct DesiredText {
    #[serde(with = "string")]
    instance: InstanceId,
    #[serde(with = "string")]
    target: Target,
    #[serde(with = "list")]
    additional_targets: BTreeSet<Target>,
    #[serde(rename = "mode", with = "string")]
    move_mode: MoveMode,
    #[serde(getter = "evidence_at", with = "string")]
    at: Timestamp,
    #[serde(getter = "evidence_rank")]
    rank: u8,
    #[serde(rename = "key", with = "string")]
    event: EventKey,
}

fn evidence_at(desired: &Desired) -> Timestamp {
    desired.evidence.at
}

fn evidence_rank(desired: &Desired) -> u8 {
    desired.evidence.rank
}

impl From<DesiredText> for Desired {
    fn from(text: DesiredText) -> Self {
        let DesiredText { instance, target, additional_targets, move_mode, at, rank, event } = text;
        Self { instance, target, additional_targets, move_mode, evidence: EvidenceOrder { at, rank }, event }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Fact", deny_unknown_fields)]
struct FactText {
    #[serde(rename = "key", with = "string")]
    event: EventKey,
    ip: IpAddr,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "HealthWatch", deny_unknown_fields)]
struct HealthWatchText {
    #[serde(with = "string")]
    transition: TransitionId,
    #[serde(with = "string")]
    key: EventKey,
    #[serde(with = "string")]
    instance: InstanceId,
    #[serde(with = "string")]
    target: Target,
    #[serde(with = "string")]
    since: Timestamp,
    #[serde(with = "string")]
    moved_at: Timestamp,
    #[serde(rename = "serving_state", with = "string")]
    arrival: ServingState,
    #[serde(rename = "old_targets", with = "list")]
    leaving: Vec<Target>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "UnresolvedEvent", deny_unknown_fields)]
struct UnresolvedEventText {
    #[serde(with = "string")]
    key: EventKey,
    #[serde(with = "string")]
    at: Timestamp,
    #[serde(with = "string")]
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "instance", with = "optional")]
    names: Option<InstanceId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    outcome: Option<Outcome>,
    #[serde(with = "string")]
    reason: Reason,
    note: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SourceConflict", deny_unknown_fields)]
struct SourceConflictText {
    #[serde(with = "string")]
    since: Timestamp,
    #[serde(with = "string")]
    reason: Reason,
    note: String,
    #[serde(with = "string")]
    by: Owner,
}
