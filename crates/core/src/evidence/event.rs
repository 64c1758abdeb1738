//! An RDS event, what it claims, and how strongly.
//!
//! The event is a hint from outside: it may be late, repeated, out of order, missing or forged. It can
//! name an instance; it never brings an address or a target group (I5).

use std::fmt;

use hex::FromHex;
use sha2::{Digest, Sha256};

use crate::model::names::{InstanceId, RouteName, SourceId};
use crate::model::route::Route;
use crate::model::source_arn::{SourceArn, SourceKind};
use crate::model::time::Timestamp;

/// `RDS-EVENT-0073`, as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u16);

/// What stands before the four digits of an event id.
const EVENT_ID_PREFIX: &str = "RDS-EVENT-";

impl EventId {
    /// "Cluster failover failed, check the health of your cluster instances and try again."
    pub const FAILOVER_FAILED: Self = Self(69);
    /// "Promoting previous primary again: `name`."
    pub const PREVIOUS_PRIMARY_PROMOTED: Self = Self(70);
    /// "Completed failover to DB instance: `name`.", in all its wordings.
    pub const FAILOVER_COMPLETED: Self = Self(71);
    /// "Started same AZ failover to DB instance: `name`."
    pub const STARTED_SAME_AZ: Self = Self(72);
    /// "Started cross AZ failover to DB instance: `name`."
    pub const STARTED_CROSS_AZ: Self = Self(73);

    /// Reads `RDS-EVENT-0073`: four digits, no more and no less, so that an id that was cut short is no
    /// other id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(EVENT_ID_PREFIX)?;
        let four_digits = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
        if four_digits { digits.parse().ok().map(Self) } else { None }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EVENT_ID_PREFIX}{:04}", self.0)
    }
}

/// One event of RDS, whatever envelope it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdsEvent {
    /// Absent in some real events ("Performance Insights has been disabled").
    pub id: Option<EventId>,
    /// The ARN's last part, or `SourceIdentifier`.
    pub source: SourceId,
    /// What the source is.
    pub kind: SourceKind,
    /// The ARN it came with, else what EventBridge's envelope says. Absent in SNS messages before about 2020.
    pub source_arn: Option<SourceArn>,
    /// The event's own time (`detail.Date`, `Event Time`), which is what orders events.
    pub at: Timestamp,
    /// The English text. Untrusted: it is recorded as a JSON string and never interpreted beyond a name.
    pub message: String,
}

/// The rank of an event that says what has happened, a failover that completed, among claims of the same instant. One
/// that only started ranks below it ([`Claim::rank`]).
pub const RANK_COMPLETED: u8 = 2;

/// Events of a cluster that require a reading of its writer (Aurora User Guide, "Amazon RDS event
/// categories and event messages"): a failover that failed, a cluster that was started or renamed, Global
/// Database switchovers and failovers (0181 to 0187, 0238, 0239, 0397), volume replacement (0512, 0513).
const CLUSTER_IDS_THAT_ASK: [u16; 15] =
    [69, 151, 153, 172, 181, 182, 184, 185, 186, 187, 238, 239, 397, 512, 513];

/// Events of an instance after which its address may be another one (RDS User Guide, same title): Multi-AZ
/// failover and activation (0013, 0015, 0049 to 0051, 0065), recovery, restarts, a replaced host (0422),
/// patches, changes of class or of Multi-AZ, stop and start. None of them says which address, and the names
/// lag behind them, so none is evidence: each requires a reading.
const INSTANCE_IDS_THAT_ASK: [u16; 30] = [
    4, 6, 12, 13, 14, 15, 20, 21, 24, 25, 26, 27, 29, 30, 47, 49, 50, 51, 52, 53, 65, 87, 88, 154, 178, 266,
    361, 362, 385, 422,
];

/// Events of a blue/green deployment: a switchover that completed, or did not. The identifiers are renamed
/// by it, so the same name then stands for another host.
const DEPLOYMENT_IDS_THAT_ASK: [u16; 7] = [247, 248, 249, 251, 252, 260, 261];

/// What an event says about who the writer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A failover to this instance began (0072, 0073).
    Started(InstanceId),
    /// A failover to this instance completed (0071).
    Completed(InstanceId),
    /// The previous writer is the writer again (0070).
    Restored(InstanceId),
    /// The writer or its address may have changed: a reading is required.
    RequireReading,
    /// Nothing about the writer.
    Nothing,
}

/// A failover event whose text names no instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no instance is named in the message {message:?} of {id}")]
pub struct NoInstanceNamed {
    /// Which event.
    pub id: EventId,
    /// Its text.
    pub message: String,
}

impl RdsEvent {
    /// What this event claims. Decided by its id, never by its English; the text gives only the name.
    ///
    /// # Errors
    /// When the id says that an instance is named and none is.
    pub fn claim(&self) -> Result<Claim, NoInstanceNamed> {
        let Some(id) = self.id else {
            return Ok(Claim::Nothing);
        };
        let asks: &[u16] = match self.kind {
            SourceKind::Cluster => &CLUSTER_IDS_THAT_ASK,
            SourceKind::Instance => &INSTANCE_IDS_THAT_ASK,
            SourceKind::BlueGreenDeployment => &DEPLOYMENT_IDS_THAT_ASK,
            SourceKind::Other => &[],
        };
        if asks.contains(&id.0) {
            return Ok(Claim::RequireReading);
        }
        if self.kind != SourceKind::Cluster {
            return Ok(Claim::Nothing);
        }
        let named = || {
            instance_named_in(&self.message)
                .ok_or_else(|| NoInstanceNamed { id, message: self.message.clone() })
        };
        Ok(match id {
            EventId::STARTED_SAME_AZ | EventId::STARTED_CROSS_AZ => Claim::Started(named()?),
            EventId::FAILOVER_COMPLETED => Claim::Completed(named()?),
            EventId::PREVIOUS_PRIMARY_PROMOTED => Claim::Restored(named()?),
            EventId(_) => Claim::Nothing,
        })
    }
}

impl RdsEvent {
    /// Whether it takes back what a failover that started had announced (0069). Every other event that requires
    /// a reading says only that something may have changed.
    #[must_use]
    pub fn calls_off_a_failover(&self) -> bool {
        self.kind == SourceKind::Cluster && self.id == Some(EventId::FAILOVER_FAILED)
    }
}

impl Claim {
    /// The instance that is claimed to be the writer.
    #[must_use]
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Started(instance) | Self::Completed(instance) | Self::Restored(instance) => Some(instance),
            Self::RequireReading | Self::Nothing => None,
        }
    }

    /// Its strength among claims of the same instant: what completed beats what started.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::RequireReading | Self::Nothing => 0,
            Self::Started(_) => 1,
            Self::Completed(_) | Self::Restored(_) => RANK_COMPLETED,
        }
    }
}

/// The word in front of the name, in every wording seen of 0071, 0072 and 0073.
const NAME_FOLLOWS: &str = "instance:";

/// The identifier after `instance:`, else what follows the last `": "` without its final full stop.
#[must_use]
pub fn instance_named_in(message: &str) -> Option<InstanceId> {
    let after_label = message.find(NAME_FOLLOWS).map(|at| &message[at + NAME_FOLLOWS.len()..]);
    let labelled = after_label.map(|rest| {
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        &rest[..end.unwrap_or(rest.len())]
    });
    let trailing = message.rfind(": ").map(|at| {
        let rest = message[at + 2..].trim();
        rest.strip_suffix('.').unwrap_or(rest)
    });
    [labelled, trailing].into_iter().flatten().find_map(|name| InstanceId::new(name).ok())
}

/// The place of a piece of evidence in the order of events: by the event's own time, then by rank. Arrival
/// plays no part, since SQS orders arrivals and RDS promises no order at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvidenceOrder {
    /// The event's own time.
    pub at: Timestamp,
    /// [`Claim::rank`].
    pub rank: u8,
}

/// The identity of an event on a route: the same failover from EventBridge and from SNS is one event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey([u8; 32]);

impl EventKey {
    /// SHA-256 of the route's name, what the event is about (kind, name, partition, account, Region), event id, event
    /// time and message, each with its length in front, so that no two different events run together into one text.
    ///
    /// What the event does not say of its source the route says: an old SNS message without an ARN and EventBridge's
    /// copy with one are the same event.
    #[must_use]
    pub fn of(route: &Route, event: &RdsEvent) -> Self {
        let id = event.id.map(|id| id.to_string()).unwrap_or_default();
        let at = event.at.as_millis().to_string();
        let source = route.compare(event);
        let mut hasher = Sha256::new();
        let mut take = |part: &str| {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part.as_bytes());
        };
        take(route.name.as_str());
        for compared in &source.0 {
            take(compared.settled());
        }
        for part in [&id, &at, &event.message] {
            take(part);
        }
        Self(hasher.finalize().into())
    }

    /// The key of the same event handed in again by a person, after it ended badly: a replay is
    /// an event of its own, with a terminal record of its own. `random` tells one such time from another.
    #[must_use]
    pub fn for_replay(self, random: u128) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(random.to_be_bytes());
        Self(hasher.finalize().into())
    }

    /// The key of something that happened on a route now and is not delivered again.
    #[must_use]
    pub fn random(route: &RouteName, at: Timestamp, random: u128) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(route.as_str());
        hasher.update(at.as_millis().to_be_bytes());
        hasher.update(random.to_be_bytes());
        Self(hasher.finalize().into())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        <[u8; 32]>::from_hex(text).ok().map(Self)
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The rank of a reading, and of an operator's command, among evidence of the same instant: above any
/// event's ([`crate::evidence::event::Claim::rank`]).
pub const RANK_READING: u8 = 3;

/// See [`RANK_READING`].
pub const RANK_COMMAND: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u16, message: &str) -> RdsEvent {
        RdsEvent {
            id: Some(EventId(id)),
            source: SourceId::new("aurora-source").unwrap(),
            kind: SourceKind::Cluster,
            source_arn: None,
            at: Timestamp::from_millis(1_778_108_865_884),
            message: message.to_owned(),
        }
    }

    fn named(message: &str) -> Option<String> {
        instance_named_in(message).map(|name| name.to_string())
    }

    #[test]
    fn every_wording_seen_in_the_wild_gives_the_name() {
        for message in [
            "Started same AZ failover to DB instance: db-2",
            "Started cross AZ failover to DB instance: db-2.",
            "Completed failover to DB instance: db-2",
            "Completed RDS initiated failover to DB instance: db-2",
            "Completed customer initiated failover to DB instance: DB-2",
            "Started failover to DB instance:db-2",
            "Promoting previous primary again: db-2.",
        ] {
            assert_eq!(named(message).as_deref(), Some("db-2"), "{message}");
        }
    }

    #[test]
    fn a_message_without_a_name_gives_none() {
        for message in ["", "Cluster failover failed.", "instance: ", "instance: 10.0.0.9", "a: b: "] {
            assert_eq!(named(message), None, "{message}");
        }
    }

    #[test]
    fn the_id_decides_and_not_the_english() {
        let text = "Completed failover to DB instance: db-2";
        let db2 = InstanceId::new("db-2").unwrap();
        assert_eq!(event(71, text).claim(), Ok(Claim::Completed(db2.clone())));
        assert_eq!(event(73, text).claim(), Ok(Claim::Started(db2)));
        assert_eq!(event(6, text).claim(), Ok(Claim::Nothing));
        assert_eq!(RdsEvent { id: None, ..event(71, text) }.claim(), Ok(Claim::Nothing));
    }

    #[test]
    fn a_failover_event_without_a_name_is_an_error_that_quotes_it() {
        let error = event(73, "Started").claim().unwrap_err();
        assert_eq!(error.to_string(), "no instance is named in the message \"Started\" of RDS-EVENT-0073");
    }

    #[test]
    fn what_completed_beats_what_started_at_the_same_instant() {
        let at = Timestamp::from_millis(7);
        let name = InstanceId::new("a").unwrap();
        let order = |claim: Claim| EvidenceOrder { at, rank: claim.rank() };
        assert!(order(Claim::Completed(name.clone())) > order(Claim::Started(name)));
    }
}
