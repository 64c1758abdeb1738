//! What a route's item keeps as JSON text in an attribute: safety rules, held-back evidence, the move that is
//! followed. People read these with a plain `GetItem`; no condition looks at them, since every change of them
//! moves the chain's head.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::domain::audit::Reason;
use crate::domain::event::{EventKey, EvidenceOrder};
use crate::domain::follow::{Arrival, Follow};
use crate::domain::lease::Owner;
use crate::domain::plan::Reach;
use crate::domain::route::InstanceId;
use crate::domain::safety::{Pin, Stop};
use crate::domain::target::Target;
use crate::domain::time::Timestamp;
use crate::domain::transition::{Desired, Fact, Outcome, TransitionId};
use crate::domain::unresolved::{SourceConflict, UnresolvedEvent};

/// A value that is kept as JSON text.
pub(crate) trait Kept: Sized {
    /// Its text.
    fn text(&self) -> String;

    /// Reads the text; `None` when it is not one that [`Kept::text`] writes.
    fn read(text: &str) -> Option<Self>;
}

fn written(text: &impl Serialize) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopText {
    by: String,
    reason: String,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl From<&Stop> for StopText {
    fn from(stop: &Stop) -> Self {
        Self {
            by: stop.by.clone(),
            reason: stop.reason.clone(),
            since: stop.since.to_string(),
            until: stop.until.map(|until| until.to_string()),
        }
    }
}

impl StopText {
    fn read(self) -> Option<Stop> {
        let until = match self.until {
            None => None,
            Some(text) => Some(Timestamp::parse(&text)?),
        };
        Some(Stop { by: self.by, reason: self.reason, since: Timestamp::parse(&self.since)?, until })
    }
}

impl Kept for Stop {
    fn text(&self) -> String {
        written(&StopText::from(self))
    }

    fn read(text: &str) -> Option<Self> {
        serde_json::from_str::<StopText>(text).ok()?.read()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinText {
    instance: String,
    ip: IpAddr,
    port: u16,
    stop: StopText,
}

impl Kept for Pin {
    fn text(&self) -> String {
        written(&PinText {
            instance: self.instance.to_string(),
            ip: self.target.ip,
            port: self.target.port,
            stop: StopText::from(&self.stop),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let PinText { instance, ip, port, stop } = serde_json::from_str(text).ok()?;
        Some(Self {
            instance: InstanceId::new(&instance).ok()?,
            target: Target { ip, port },
            stop: stop.read()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DesiredText {
    instance: String,
    target: SocketAddr,
    beside: Vec<SocketAddr>,
    reach: String,
    at: String,
    rank: u8,
    key: String,
}

fn address(target: &Target) -> SocketAddr {
    SocketAddr::new(target.ip, target.port)
}

fn target(address: &SocketAddr) -> Target {
    Target { ip: address.ip(), port: address.port() }
}

impl Kept for Desired {
    fn text(&self) -> String {
        written(&DesiredText {
            instance: self.instance.to_string(),
            target: address(&self.target),
            beside: self.beside.iter().map(address).collect(),
            reach: self.reach.as_str().to_owned(),
            at: self.evidence.at.to_string(),
            rank: self.evidence.rank,
            key: self.event.to_string(),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let read: DesiredText = serde_json::from_str(text).ok()?;
        Some(Self {
            instance: InstanceId::new(&read.instance).ok()?,
            target: target(&read.target),
            beside: read.beside.iter().map(target).collect(),
            reach: Reach::parse(&read.reach)?,
            evidence: EvidenceOrder { at: Timestamp::parse(&read.at)?, rank: read.rank },
            event: EventKey::parse(&read.key)?,
        })
    }
}

/// The targets beside the desired one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactText {
    key: String,
    ip: IpAddr,
}

impl Kept for Fact {
    fn text(&self) -> String {
        written(&FactText { key: self.event.to_string(), ip: self.ip })
    }

    fn read(text: &str) -> Option<Self> {
        let FactText { key, ip } = serde_json::from_str(text).ok()?;
        let event = EventKey::parse(&key)?;
        Some(Self { event, ip })
    }
}

impl Kept for BTreeSet<Target> {
    fn text(&self) -> String {
        written(&self.iter().map(address).collect::<Vec<_>>())
    }

    fn read(text: &str) -> Option<Self> {
        let read: Vec<SocketAddr> = serde_json::from_str(text).ok()?;
        Some(read.iter().map(target).collect())
    }
}

/// When the route moved.
impl Kept for Vec<Timestamp> {
    fn text(&self) -> String {
        written(&self.iter().map(Timestamp::to_string).collect::<Vec<_>>())
    }

    fn read(text: &str) -> Option<Self> {
        let read: Vec<String> = serde_json::from_str(text).ok()?;
        read.iter().map(|at| Timestamp::parse(at)).collect()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FollowText {
    transition: String,
    key: String,
    instance: String,
    target: SocketAddr,
    since: String,
    moved_at: String,
    arrival: String,
    leaving: Vec<SocketAddr>,
}

impl Kept for Follow {
    fn text(&self) -> String {
        written(&FollowText {
            transition: self.transition.to_string(),
            key: self.key.to_string(),
            instance: self.instance.to_string(),
            target: address(&self.target),
            since: self.since.to_string(),
            moved_at: self.moved_at.to_string(),
            arrival: self.arrival.as_str().to_owned(),
            leaving: self.leaving.iter().map(address).collect(),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let read: FollowText = serde_json::from_str(text).ok()?;
        Some(Self {
            transition: TransitionId::parse(&read.transition)?,
            key: EventKey::parse(&read.key)?,
            instance: InstanceId::new(&read.instance).ok()?,
            target: target(&read.target),
            since: Timestamp::parse(&read.since)?,
            moved_at: Timestamp::parse(&read.moved_at)?,
            arrival: Arrival::parse(&read.arrival)?,
            leaving: read.leaving.iter().map(target).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnresolvedEventText {
    key: String,
    at: String,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    reason: String,
    note: String,
}

impl Kept for UnresolvedEvent {
    fn text(&self) -> String {
        written(&UnresolvedEventText {
            key: self.key.to_string(),
            at: self.at.to_string(),
            since: self.since.to_string(),
            names: self.names.as_ref().map(ToString::to_string),
            outcome: self.outcome.map(|outcome| outcome.to_string()),
            reason: self.reason.to_string(),
            note: self.note.clone(),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let read: UnresolvedEventText = serde_json::from_str(text).ok()?;
        let names = match read.names {
            None => None,
            Some(name) => Some(InstanceId::new(&name).ok()?),
        };
        let outcome = match read.outcome {
            None => None,
            Some(outcome) => Some(Outcome::parse(&outcome)?),
        };
        Some(Self {
            key: EventKey::parse(&read.key)?,
            at: Timestamp::parse(&read.at)?,
            since: Timestamp::parse(&read.since)?,
            names,
            outcome,
            reason: Reason::parse(&read.reason)?,
            note: read.note,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceConflictText {
    since: String,
    reason: String,
    note: String,
    by: String,
}

impl Kept for SourceConflict {
    fn text(&self) -> String {
        written(&SourceConflictText {
            since: self.since.to_string(),
            reason: self.reason.to_string(),
            note: self.note.clone(),
            by: self.by.to_string(),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let read: SourceConflictText = serde_json::from_str(text).ok()?;
        Some(Self {
            since: Timestamp::parse(&read.since)?,
            reason: Reason::parse(&read.reason)?,
            note: read.note,
            by: Owner::new(&read.by),
        })
    }
}
