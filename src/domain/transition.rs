//! What the ledger keeps of a route, and which changes of it are legal.
//!
//! A transition is one attempt to move a route, from intent to outcome. The ledger stores *states*, and every
//! change of state is built here, checked here, and only then handed to a ledger (I3, I4, I6): no adapter
//! can commit a change that this file did not allow.

use std::fmt;
use std::time::Duration;

use super::audit::{Entry, Hash};
use super::event::{EventKey, EvidenceOrder};
use super::lease::{Generation, LEASE_DURATION, Lease, Owner};
use super::plan::Reach;
use super::route::{InstanceId, RouteName};
use super::target::Target;
use super::time::Timestamp;

/// The identity of a transition: a UUID of version 7, so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransitionId(u128);

/// The four version bits and the two variant bits of a UUID (RFC 9562), and where they go.
const UUID_VERSION_7: u128 = 0x7 << 76;
const UUID_VARIANT: u128 = 0b10 << 62;
const UUID_RANDOM_MASK: u128 = (0xFFF << 64) | ((1 << 62) - 1);

impl TransitionId {
    /// The id of a transition that begins at `now`; `random` gives its 74 random bits.
    #[must_use]
    pub fn from_parts(now: Timestamp, random: u128) -> Self {
        let millis = u128::from(u64::try_from(now.as_millis()).unwrap_or(0)) << 80;
        Self(millis | UUID_VERSION_7 | UUID_VARIANT | (random & UUID_RANDOM_MASK))
    }

    /// Reads the usual spelling, `01977f2e-8c3a-7b1d-9e0f-112233445566`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let dashes = [8, 13, 18, 23];
        let shaped = text.len() == 36
            && text.char_indices().all(|(i, c)| {
                if dashes.contains(&i) {
                    c == '-'
                } else {
                    c.is_ascii_hexdigit()
                }
            });
        if !shaped {
            return None;
        }
        u128::from_str_radix(&text.replace('-', ""), 16)
            .ok()
            .map(Self)
    }

    /// When the transition began.
    #[must_use]
    pub fn began(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0 >> 80).unwrap_or(0))
    }
}

impl fmt::Display for TransitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        f.write_str(&parts.join("-"))
    }
}

impl fmt::Debug for TransitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The group holds the desired target and nothing else of the route's.
    Swapped,
    /// It already did.
    AlreadyThere,
    /// The desired target joined the old one (`on_started = "register"`); the completed event swaps.
    Registered,
    /// Newer evidence already moved the route.
    Superseded,
    /// The event was settled before.
    Duplicate,
    /// The event is none that moves a route.
    Ignored,
    /// The event asks for what may not be done.
    Rejected,
    /// The route is paused.
    Paused,
    /// The route only observes.
    Observed,
    /// Every attempt that was allowed failed.
    Failed,
}

impl Outcome {
    /// Every outcome, for whoever lists or parses them.
    pub const ALL: [Self; 10] = [
        Self::Swapped,
        Self::AlreadyThere,
        Self::Registered,
        Self::Superseded,
        Self::Duplicate,
        Self::Ignored,
        Self::Rejected,
        Self::Paused,
        Self::Observed,
        Self::Failed,
    ];

    /// Its name, as recorded.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Swapped => "Swapped",
            Self::AlreadyThere => "AlreadyThere",
            Self::Registered => "Registered",
            Self::Superseded => "Superseded",
            Self::Duplicate => "Duplicate",
            Self::Ignored => "Ignored",
            Self::Rejected => "Rejected",
            Self::Paused => "Paused",
            Self::Observed => "Observed",
            Self::Failed => "Failed",
        }
    }

    /// Reads a recorded name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disposition {
    /// Its event is settled: delete it.
    Delete,
    /// It needs a person: move it to the dead-letter queue.
    DeadLetter,
    /// It is not settled yet: let it come back after this long, and hold its group back until then.
    RetryAfter(Duration),
}

impl Outcome {
    /// What becomes of the message whose event ended so. What needs a person goes to the dead-letter queue,
    /// where an alarm waits; everything else is done with.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        match self {
            Self::Rejected | Self::Failed => Disposition::DeadLetter,
            Self::Swapped
            | Self::AlreadyThere
            | Self::Registered
            | Self::Superseded
            | Self::Duplicate
            | Self::Ignored
            | Self::Paused
            | Self::Observed => Disposition::Delete,
        }
    }
}

/// The first pause after a failed attempt, and the longest one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// How long to wait after the `attempt`th attempt failed: doubling from one second, at most thirty, less up
/// to a quarter by `random`, so that routes that were throttled together do not come back together.
#[must_use]
pub fn retry_after(attempt: u32, random: u128) -> Duration {
    let doublings = attempt.saturating_sub(1).min(5);
    let pause = (RETRY_FIRST * 2_u32.pow(doublings)).min(RETRY_LONGEST);
    let percent = u32::try_from(random % 26).unwrap_or(0);
    pause * (100 - percent) / 100
}

/// Where a route should point, since when, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The instance believed to be the writer.
    pub instance: InstanceId,
    /// Its target.
    pub target: Target,
    /// Alone, or beside the old one.
    pub reach: Reach,
    /// The order of the evidence that said so: nothing older moves the route (I3).
    pub evidence: EvidenceOrder,
    /// The event that said so.
    pub event: EventKey,
}

/// The part of a route's state that decisions look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// The fencing token of every ledger write.
    pub generation: Generation,
    /// Who is moving the route, if anyone.
    pub lease: Option<Lease>,
    /// Where it should point. Set with the intent, before any call, and kept when the attempt fails: what
    /// was announced orders what comes after.
    pub desired: Option<Desired>,
}

/// The end of a route's audit chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainHead {
    /// The sequence number of the last record; 0 before the first.
    pub seq: u64,
    /// The hash of the last record; zeros before the first.
    pub hash: Hash,
}

/// A route as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteState {
    /// Which route.
    pub route: RouteName,
    /// What decisions look at.
    pub control: Control,
    /// Where its chain ends. Every committed record moves it, so it serves as the version of the state.
    pub chain: ChainHead,
}

impl RouteState {
    /// A route that the ledger has never seen.
    #[must_use]
    pub fn new(route: RouteName) -> Self {
        Self {
            route,
            control: Control::default(),
            chain: ChainHead::default(),
        }
    }
}

/// What the ledger keeps of an event on a route: the idempotency record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// Which event, on which route.
    pub key: EventKey,
    /// The ARN it came with, if any. The same key with another ARN is another account's or Region's event.
    pub source_arn: Option<String>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// The attempt that last took it in hand.
    pub transition: TransitionId,
    /// How many attempts have begun.
    pub attempts: u32,
    /// Its terminal outcome, once there is one.
    pub settled: Option<Outcome>,
}

/// What happens to an event's entry with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventWrite {
    /// The first time the event is seen: refused if an entry exists.
    Insert(EventEntry),
    /// It was in hand before: refused unless `from` still stands, unsettled.
    Replace {
        /// The entry as it was read.
        from: EventEntry,
        /// What it becomes.
        to: EventEntry,
    },
}

impl EventWrite {
    /// The entry after the write.
    #[must_use]
    pub fn entry(&self) -> &EventEntry {
        match self {
            Self::Insert(entry) | Self::Replace { to: entry, .. } => entry,
        }
    }

    fn of(known: Option<&EventEntry>, to: EventEntry) -> Self {
        match known {
            None => Self::Insert(to),
            Some(from) => Self::Replace {
                from: from.clone(),
                to,
            },
        }
    }
}

/// A change of a route's state, with the record that tells it: one transaction, all or nothing.
///
/// # Guarantees
/// Only this module builds one, so a change that a ledger is asked to commit keeps these:
/// the generation never falls; evidence of what is desired never gets older (I3); a settled event stays
/// settled (I4); a record goes with every change except the extension of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    from: RouteState,
    to: Control,
    entry: Option<Entry>,
    event: Option<EventWrite>,
}

/// A change that may not be made: a fault in this program, never a matter of timing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalChange {
    /// The generation would fall.
    #[error("the generation would fall from {0} to {1}")]
    GenerationFalls(Generation, Generation),
    /// Older evidence would move the route (I3).
    #[error("evidence of {0} would replace newer evidence of {1}")]
    EvidenceRegresses(Timestamp, Timestamp),
    /// A settled event would be written again (I4).
    #[error("event {0} is settled already")]
    EventSettled(EventKey),
    /// An event would be settled without an outcome (I4).
    #[error("event {0} would be settled without an outcome")]
    NoOutcome(EventKey),
    /// The change is for an attempt that does not hold the lease (I6).
    #[error("the lease is not held for transition {0}")]
    LeaseNotHeld(TransitionId),
}

impl Change {
    /// The state that must still stand when the change is committed.
    #[must_use]
    pub fn from(&self) -> &RouteState {
        &self.from
    }

    /// The control that replaces it.
    #[must_use]
    pub fn to(&self) -> &Control {
        &self.to
    }

    /// What is recorded with it; nothing for the extension of a lease.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    /// What happens to the event's entry.
    #[must_use]
    pub fn event(&self) -> Option<&EventWrite> {
        self.event.as_ref()
    }

    fn checked(self) -> Result<Self, IllegalChange> {
        let (before, after) = (&self.from.control, &self.to);
        if after.generation < before.generation {
            return Err(IllegalChange::GenerationFalls(
                before.generation,
                after.generation,
            ));
        }
        if let (Some(old), Some(new)) = (&before.desired, &after.desired)
            && new.evidence < old.evidence
        {
            return Err(IllegalChange::EvidenceRegresses(
                new.evidence.at,
                old.evidence.at,
            ));
        }
        if let Some(EventWrite::Replace { from, .. }) = &self.event
            && from.settled.is_some()
        {
            return Err(IllegalChange::EventSettled(from.key));
        }
        Ok(self)
    }
}

/// An event's arrival, as the ledger will know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which event.
    pub key: EventKey,
    /// The ARN it came with.
    pub source_arn: Option<String>,
    /// The entry the ledger already has, when it was met before.
    pub known: Option<EventEntry>,
}

impl Arrival {
    /// Which attempt at this event the next one is, counting from 1.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.known
            .as_ref()
            .map_or(1, |entry| entry.attempts.saturating_add(1))
    }

    fn entry(
        &self,
        transition: TransitionId,
        at: Timestamp,
        settled: Option<Outcome>,
    ) -> EventEntry {
        let known = self.known.as_ref();
        EventEntry {
            key: self.key,
            source_arn: known
                .and_then(|e| e.source_arn.clone())
                .or_else(|| self.source_arn.clone()),
            first_seen: known.map_or(at, |e| e.first_seen),
            transition,
            attempts: self.next_attempt(),
            settled,
        }
    }

    fn write(
        &self,
        transition: TransitionId,
        at: Timestamp,
        settled: Option<Outcome>,
    ) -> EventWrite {
        EventWrite::of(self.known.as_ref(), self.entry(transition, at, settled))
    }
}

/// Takes the route and announces the move (I4): a new generation, the lease, the event in hand, and the
/// record that says so, all before any call.
///
/// # Errors
/// [`IllegalChange`] when the evidence is older than what moved the route, or the event is settled.
pub fn begin(
    from: &RouteState,
    owner: &Owner,
    desired: Desired,
    arrival: &Arrival,
    entry: Entry,
) -> Result<Change, IllegalChange> {
    let (now, transition) = (entry.at, entry.transition);
    let lease = Lease {
        owner: owner.clone(),
        transition,
        deadline: now.plus(LEASE_DURATION),
    };
    let to = Control {
        generation: from.control.generation.next(),
        lease: Some(lease),
        desired: Some(desired),
    };
    let event = Some(arrival.write(transition, now, None));
    Change {
        from: from.clone(),
        to,
        entry: Some(entry),
        event,
    }
    .checked()
}

/// Lengthens the lease of the attempt that holds it.
///
/// # Errors
/// [`IllegalChange::LeaseNotHeld`] when `transition` does not hold the lease of `from`.
pub fn extend(
    from: &RouteState,
    transition: TransitionId,
    now: Timestamp,
) -> Result<Change, IllegalChange> {
    let mut lease = held(from, transition)?.clone();
    lease.deadline = now.plus(LEASE_DURATION);
    let to = Control {
        lease: Some(lease),
        ..from.control.clone()
    };
    Change {
        from: from.clone(),
        to,
        entry: None,
        event: None,
    }
    .checked()
}

/// Ends the attempt that holds the lease: frees the lease, and settles the event if `entry` has an outcome.
/// Without one the attempt is deferred: the event stays in hand for its next delivery.
///
/// # Errors
/// [`IllegalChange::LeaseNotHeld`] when the attempt does not hold the lease of `from`.
pub fn finish(
    from: &RouteState,
    event: &EventEntry,
    entry: Entry,
) -> Result<Change, IllegalChange> {
    held(from, entry.transition)?;
    if event.transition != entry.transition {
        return Err(IllegalChange::LeaseNotHeld(entry.transition));
    }
    let to = Control {
        lease: None,
        ..from.control.clone()
    };
    let after = EventEntry {
        settled: entry.outcome,
        ..event.clone()
    };
    let event = Some(EventWrite::Replace {
        from: event.clone(),
        to: after,
    });
    Change {
        from: from.clone(),
        to,
        entry: Some(entry),
        event,
    }
    .checked()
}

/// Settles an event that asks for no call: one record, one transaction. A dead holder's lease goes with it,
/// under a new generation, so that the dead one can write nothing any more.
///
/// # Errors
/// [`IllegalChange::EventSettled`] when the event is settled already, [`IllegalChange::NoOutcome`] when
/// `entry` does not settle it.
pub fn settle(from: &RouteState, arrival: &Arrival, entry: Entry) -> Result<Change, IllegalChange> {
    if entry.outcome.is_none() {
        return Err(IllegalChange::NoOutcome(arrival.key));
    }
    let to = Control {
        generation: from.control.generation.next(),
        lease: None,
        desired: from.control.desired.clone(),
    };
    let event = Some(arrival.write(entry.transition, entry.at, entry.outcome));
    Change {
        from: from.clone(),
        to,
        entry: Some(entry),
        event,
    }
    .checked()
}

/// Records something about an event without touching the event's entry: a foreign event under the key of
/// another one, which keeps its own outcome.
///
/// # Errors
/// None today; the check that every change passes is passed here too.
pub fn note(from: &RouteState, entry: Entry) -> Result<Change, IllegalChange> {
    let to = Control {
        generation: from.control.generation.next(),
        lease: None,
        desired: from.control.desired.clone(),
    };
    Change {
        from: from.clone(),
        to,
        entry: Some(entry),
        event: None,
    }
    .checked()
}

fn held(from: &RouteState, transition: TransitionId) -> Result<&Lease, IllegalChange> {
    match &from.control.lease {
        Some(lease) if lease.transition == transition => Ok(lease),
        Some(_) | None => Err(IllegalChange::LeaseNotHeld(transition)),
    }
}
