//! The items of the `state` table, as values and back.
//!
//! A route is `route#NAME`, an event is `event#KEY`. What is absent is written as NULL, so that one UPDATE
//! statement, always the same, serves every change.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use writerlink_core::actuation::health::HealthWatch;
use writerlink_core::evidence::desired::{Desired, Fact};
use writerlink_core::evidence::event::{EventKey, EvidenceOrder};
use writerlink_core::ledger::holds::{Pin, Safety, Suspension};
use writerlink_core::ledger::lease::Lease;
use writerlink_core::ledger::state::{Assignment, ChainHead, EventEntry, RouteState};
use writerlink_core::ledger::unresolved::{SourceConflict, UnresolvedEvent};
use writerlink_core::model::ids::{Generation, Hash, Owner, TransitionId};
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::target::{MoveMode, Target};
use writerlink_core::model::time::Timestamp;
pub use writerlink_engine::schema::PK;
use writerlink_engine::wire::kept::JsonAttribute;

/// An item as DynamoDB returns it.
pub type Item = HashMap<String, AttributeValue>;

/// Attributes to write or to compare, in the order of their question marks.
pub type Columns = Vec<(&'static str, AttributeValue)>;

/// How long an event's entry is kept. SQS keeps a message for 14 days at most, so nothing that can still
/// arrive is forgotten. DynamoDB deletes expired items when it likes: this is housekeeping, never a lock.
const EVENT_KEPT: Duration = Duration::from_hours(30 * 24);

const ROUTE_PREFIX: &str = "route#";
const EVENT_PREFIX: &str = "event#";
const STARTED: &str = "started";
const PROCESSED: &str = "processed";

/// An item that this program did not write, or somebody edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute {attribute} of item {item} is missing or has a value that it cannot have")]
pub struct MalformedItem {
    item: String,
    attribute: &'static str,
}

/// The key of a route's item.
#[must_use]
pub fn route_pk(route: &RouteName) -> AttributeValue {
    AttributeValue::S(format!("{ROUTE_PREFIX}{route}"))
}

/// The key of an event's item.
#[must_use]
pub fn event_pk(key: &EventKey) -> AttributeValue {
    AttributeValue::S(format!("{EVENT_PREFIX}{key}"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over values and references alike")]
pub(super) fn string(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over values and references alike")]
pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn or_null(value: Option<AttributeValue>) -> AttributeValue {
    value.unwrap_or(AttributeValue::Null(true))
}

/// Everything of a route's item but its key.
pub(super) fn route_columns(state: &RouteState) -> Columns {
    let control = &state.control;
    let mut columns = vec![("generation", number(control.generation))];
    columns.extend(lease_columns(control.lease.as_ref()));
    columns.extend(desired_columns(control.desired.as_ref()));
    columns.extend(kept_columns(control));
    columns.push(("seq", number(state.chain.seq)));
    columns.push(("head", string(state.chain.hash)));
    columns
}

fn lease_columns(lease: Option<&Lease>) -> Columns {
    vec![
        ("owner", or_null(lease.map(|l| string(&l.owner)))),
        ("transition", or_null(lease.map(|l| string(l.transition)))),
        ("lease_until", lease_until(lease)),
    ]
}

fn desired_columns(desired: Option<&Desired>) -> Columns {
    let beside = desired.map(|d| &d.additional_targets).filter(|b| !b.is_empty());
    vec![
        ("desired_instance", or_null(desired.map(|d| string(&d.instance)))),
        ("desired_ip", or_null(desired.map(|d| string(d.target.ip)))),
        ("desired_port", or_null(desired.map(|d| number(d.target.port)))),
        ("desired_additional", or_null(beside.map(kept))),
        ("desired_mode", or_null(desired.map(|d| string(d.move_mode.as_str())))),
        ("evidence_at", or_null(desired.map(|d| string(d.evidence.at)))),
        ("evidence_rank", or_null(desired.map(|d| number(d.evidence.rank)))),
        ("event_key", or_null(desired.map(|d| string(d.event)))),
    ]
}

/// What is mostly absent: an absent attribute of an item that never had it is written as NULL too, so that one
/// statement serves every change.
fn kept_columns(control: &Assignment) -> Columns {
    let safety = &control.safety;
    let moves = Some(&safety.moves).filter(|moves| !moves.is_empty());
    vec![
        ("pending", or_null(control.waiting.as_ref().map(kept))),
        ("require_reading", or_null(control.require_reading.map(string))),
        ("pause", or_null(safety.pause.as_ref().map(kept))),
        ("freeze", or_null(safety.freeze.as_ref().map(kept))),
        ("flapping", or_null(safety.flapping.as_ref().map(kept))),
        ("pin", or_null(safety.pin.as_ref().map(kept))),
        ("moves", or_null(moves.map(kept))),
        ("health_watch", or_null(control.health_watch.as_ref().map(kept))),
        ("agreed_with", or_null(control.agreed_with.map(string))),
        ("replaced_fact", or_null(control.replaced_fact.as_ref().map(kept))),
        ("unresolved_event", or_null(control.unresolved_event.as_ref().map(kept))),
        ("source_conflict", or_null(control.source_conflict.as_ref().map(kept))),
    ]
}

fn kept(value: &impl JsonAttribute) -> AttributeValue {
    AttributeValue::S(value.text())
}

/// The condition of every write (I6): the generation, the chain's head, and the lease's
/// deadline. The deadline matters to a takeover: a holder that extends its lease changes nothing else, so a contender
/// with an old read could not see that the holder is alive.
pub(super) fn route_version(state: &RouteState) -> Columns {
    vec![
        (PK, route_pk(&state.route)),
        ("generation", number(state.control.generation)),
        ("seq", number(state.chain.seq)),
        ("head", string(state.chain.hash)),
        ("lease_until", lease_until(state.control.lease.as_ref())),
    ]
}

/// The lease's deadline as it is stored; 0 when the route is free.
fn lease_until(lease: Option<&Lease>) -> AttributeValue {
    number(lease.map_or(0, |l| l.deadline.as_millis()))
}

/// What changes in an event's item with every attempt.
pub(super) fn event_columns(entry: &EventEntry) -> Columns {
    let status = if entry.settled.is_some() { PROCESSED } else { STARTED };
    vec![
        ("status", string(status)),
        ("outcome", or_null(entry.settled.map(string))),
        ("transition", string(entry.transition)),
        ("attempts", number(entry.attempts)),
        ("source_arn", or_null(entry.source_arn.as_ref().map(string))),
    ]
}

/// A whole new event's item.
pub(super) fn new_event_columns(entry: &EventEntry) -> Columns {
    let expires_at = entry.first_seen.plus(EVENT_KEPT).as_millis() / 1000;
    let mut columns = vec![(PK, event_pk(&entry.key))];
    columns.extend(event_columns(entry));
    columns.push(("first_seen", string(entry.first_seen)));
    columns.push(("expires_at", number(expires_at)));
    columns
}

/// The condition for replacing an event's entry: still in progress, by the same attempt.
pub(super) fn event_version(entry: &EventEntry) -> Columns {
    vec![
        (PK, event_pk(&entry.key)),
        ("status", string(STARTED)),
        ("transition", string(entry.transition)),
        ("attempts", number(entry.attempts)),
    ]
}

/// Reads attributes by name; NULL counts as absent.
struct Reader<'a>(&'a Item);

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            AttributeValue::S(text) | AttributeValue::N(text) => Some(text),
            _ => None,
        }
    }

    fn is_present(&self, name: &str) -> bool {
        !matches!(self.0.get(name), None | Some(AttributeValue::Null(_)))
    }

    fn malformed(&self, attribute: &'static str) -> MalformedItem {
        let item = self.text(PK).unwrap_or("without a key").to_owned();
        MalformedItem { item, attribute }
    }

    fn required<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, MalformedItem> {
        self.text(name).and_then(parse).ok_or_else(|| self.malformed(name))
    }

    fn optional<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, MalformedItem> {
        if self.is_present(name) { self.required(name, parse).map(Some) } else { Ok(None) }
    }

    fn lease(&self) -> Result<Option<Lease>, MalformedItem> {
        let until: i64 = self.required("lease_until", parsed)?;
        if until == 0 {
            return Ok(None);
        }
        Ok(Some(Lease {
            owner: self.required("owner", |text| Some(Owner::new(text)))?,
            transition: self.required("transition", TransitionId::parse)?,
            deadline: Timestamp::from_millis(until),
        }))
    }

    fn desired(&self) -> Result<Option<Desired>, MalformedItem> {
        let Some(instance) = self.optional("desired_instance", |text| InstanceId::new(text).ok())? else {
            return Ok(None);
        };
        Ok(Some(Desired {
            instance,
            target: Target {
                ip: self.required("desired_ip", parsed)?,
                port: self.required("desired_port", parsed)?,
            },
            additional_targets: self.optional("desired_additional", BTreeSet::read)?.unwrap_or_default(),
            move_mode: self.required("desired_mode", MoveMode::parse)?,
            evidence: EvidenceOrder {
                at: self.required("evidence_at", Timestamp::parse)?,
                rank: self.required("evidence_rank", parsed)?,
            },
            event: self.required("event_key", EventKey::parse)?,
        }))
    }

    fn safety(&self) -> Result<Safety, MalformedItem> {
        Ok(Safety {
            pause: self.optional("pause", Suspension::read)?,
            freeze: self.optional("freeze", Suspension::read)?,
            flapping: self.optional("flapping", Suspension::read)?,
            pin: self.optional("pin", Pin::read)?,
            moves: self.optional("moves", Vec::read)?.unwrap_or_default(),
        })
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A value that an item of a table stands for.
pub trait FromItem: Sized {
    /// Reads it.
    fn from_item(item: &Item) -> Result<Self, MalformedItem>;
}

impl FromItem for RouteState {
    fn from_item(item: &Item) -> Result<Self, MalformedItem> {
        let item = Reader(item);
        Ok(Self {
            route: item.required(PK, |pk| RouteName::new(pk.strip_prefix(ROUTE_PREFIX)?).ok())?,
            control: Assignment {
                generation: item.required("generation", parsed).map(Generation)?,
                lease: item.lease()?,
                desired: item.desired()?,
                waiting: item.optional("pending", Desired::read)?,
                require_reading: item.optional("require_reading", Timestamp::parse)?,
                safety: item.safety()?,
                health_watch: item.optional("health_watch", HealthWatch::read)?,
                agreed_with: item.optional("agreed_with", EventKey::parse)?,
                replaced_fact: item.optional("replaced_fact", Fact::read)?,
                unresolved_event: item.optional("unresolved_event", UnresolvedEvent::read)?,
                source_conflict: item.optional("source_conflict", SourceConflict::read)?,
            },
            chain: ChainHead {
                seq: item.required("seq", parsed)?,
                hash: item.required("head", Hash::parse)?,
            },
        })
    }
}

impl FromItem for EventEntry {
    fn from_item(item: &Item) -> Result<Self, MalformedItem> {
        let item = Reader(item);
        let settled = item.optional("outcome", Outcome::parse)?;
        let status = if settled.is_some() { PROCESSED } else { STARTED };
        item.required("status", |text| (text == status).then_some(()))?;
        Ok(Self {
            key: item.required(PK, |pk| EventKey::parse(pk.strip_prefix(EVENT_PREFIX)?))?,
            source_arn: item.optional("source_arn", |text| Some(text.to_owned()))?,
            first_seen: item.required("first_seen", Timestamp::parse)?,
            transition: item.required("transition", TransitionId::parse)?,
            attempts: item.required("attempts", parsed)?,
            settled,
        })
    }
}

#[cfg(test)]
mod tests;
