//! A transition is one attempt to move a route, from intent to outcome: what the ledger keeps of it, and
//! what becomes of its message. Which changes of that are legal says [`super::change`].

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::audit::Hash;
use super::event::{EventKey, EvidenceOrder};
use super::follow::Follow;
use super::lease::{CLOCK_SKEW_MAX, Generation, Lease};
use super::plan::Reach;
use super::route::{InstanceId, RouteName};
use super::safety::Safety;
use super::target::Target;
use super::time::Timestamp;
use super::unresolved::{SourceConflict, UnresolvedEvent};
use crate::planted::{Bug, planted};

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
        let shaped =
            text.len() == 36
                && text
                    .char_indices()
                    .all(|(i, c)| if dashes.contains(&i) { c == '-' } else { c.is_ascii_hexdigit() });
        if !shaped {
            return None;
        }
        u128::from_str_radix(&text.replace('-', ""), 16).ok().map(Self)
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
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
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
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
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

impl Disposition {
    /// What becomes of a message of which two things are asked, each for a route of its own. It comes back as early as
    /// either asks: who is early keeps its place in the line, and who is late keeps its clients waiting.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::RetryAfter(one), Self::RetryAfter(another)) => Self::RetryAfter(one.min(another)),
            _ => self.max(other),
        }
    }
}

impl Outcome {
    /// What becomes of the message whose event ended so. What needs a person goes to the dead-letter queue,
    /// where an alarm waits; everything else is done with.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        match self {
            Self::Failed if planted(Bug::FailedIsDeleted) => Disposition::Delete,
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

/// The first pause after a failed attempt.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause after a failed attempt.
pub const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// The longest time for which a message is away that waits for its turn or for the pace of moves. Newer evidence for the
/// route waits behind it in its group, and is received with it when it comes back.
pub const AWAY_MOST: Duration = Duration::from_mins(1);

/// For how long after its last attempt an event that has moved nothing yet is left to its message: the longest time
/// between two deliveries, twice over, by the clocks of two workers.
pub const IN_HAND_FOR: Duration = AWAY_MOST.saturating_mul(2).saturating_add(CLOCK_SKEW_MAX);

/// For how long an event that was superseded before it had moved anything is left to the newer one, which may have to
/// wait for its turn several times before it begins. After that the route's ledger is believed again.
pub const LEFT_TO_NEWER_FOR: Duration = Duration::from_mins(15);

/// How long to wait after the `attempt`th attempt failed: doubling from one second, at most thirty, less up
/// to a quarter by `random`, so that routes that were throttled together do not come back together.
#[must_use]
pub fn retry_after(attempt: u32, random: u128) -> Duration {
    let pause = doubled(RETRY_FIRST, attempt).min(RETRY_LONGEST);
    let percent = u32::try_from(random % 26).unwrap_or(0);
    pause * (100 - percent) / 100
}

/// The pause once more for each failure after the first, twice as long each time.
#[must_use]
pub fn doubled(pause: Duration, failures: u32) -> Duration {
    let times = 2_u32.saturating_pow(failures.saturating_sub(1));
    pause.saturating_mul(times)
}

/// Where a route should point, since when, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The instance believed to be the writer.
    pub instance: InstanceId,
    /// Its target.
    pub target: Target,
    /// Further targets that belong in the group: the other readers of a route of role `readers`.
    pub beside: BTreeSet<Target>,
    /// Alone, or beside the old one.
    pub reach: Reach,
    /// The order of the evidence that said so: nothing older moves the route (I3).
    pub evidence: EvidenceOrder,
    /// The event that said so.
    pub event: EventKey,
}

impl Desired {
    /// Every target that belongs in the group, the desired one first.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = vec![self.target];
        targets.extend(&self.beside);
        targets
    }
}

/// Evidence of what has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its event.
    pub event: EventKey,
    /// The address of the writer that it named.
    pub ip: IpAddr,
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
    /// Newer evidence that a safety rule holds back. It moves the route when the rule no longer does.
    pub waiting: Option<Desired>,
    /// When a failover was last said to have failed: one that started before outranks the sources no longer.
    pub ask_truth: Option<Timestamp>,
    /// What holds the route back.
    pub safety: Safety,
    /// The last move, while its effect is still to be seen.
    pub follow: Option<Follow>,
    /// The event with which the discovery sources of some worker have agreed since it was accepted (I3). While it is not
    /// the newest one, a source that contradicts that may just be lagging ([`super::sources`]).
    pub agreed_with: Option<EventKey>,
    /// What had happened, by the evidence that the newest one replaced, where that itself tells of nothing that
    /// happened: a failover that starts, or an order, makes no source newer (I3).
    pub replaced_fact: Option<Fact>,
    /// The newest event that could not be acted on (I9).
    pub unresolved_event: Option<UnresolvedEvent>,
    /// Discovery sources that contradict what is desired, or cannot tell (I9).
    pub source_conflict: Option<SourceConflict>,
}

impl Control {
    /// The newest evidence that the route knows of, applied or held back: nothing that is not newer is news.
    #[must_use]
    pub fn newest(&self) -> Option<&Desired> {
        [self.desired.as_ref(), self.waiting.as_ref()]
            .into_iter()
            .flatten()
            .max_by_key(|desired| desired.evidence)
    }

    /// Whether pointing the route there changes its target.
    #[must_use]
    pub fn is_moved_by(&self, desired: &Desired) -> bool {
        let standing = self.desired.as_ref();
        standing.is_none_or(|standing| standing.target != desired.target)
    }

    /// Whether an earlier attempt at the event may have moved the route: one failed or died, and not all of them only
    /// waited, or the target changed since the event was first seen.
    #[must_use]
    pub fn may_be_moved_by(&self, event: &EventEntry) -> bool {
        event.attempts > 0 || self.is_moved_since(event.first_seen)
    }

    /// Whether the target changed at that time or later.
    #[must_use]
    pub fn is_moved_since(&self, at: Timestamp) -> bool {
        let last = self.safety.moves.last();
        last.is_some_and(|moved| *moved >= at)
    }
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
        Self { route, control: Control::default(), chain: ChainHead::default() }
    }

    /// The lease, if it is held for this attempt.
    #[must_use]
    pub fn lease_of(&self, transition: TransitionId) -> Option<&Lease> {
        let lease = self.control.lease.as_ref();
        lease.filter(|lease| lease.transition == transition)
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

impl EventEntry {
    /// Of the event that a route points by: whether a message is on its way that will move the route, its own or
    /// that of the newer evidence which was received behind it, superseded it, and has yet to begin.
    #[must_use]
    pub fn is_in_hand(&self, now: Timestamp) -> bool {
        let left_for = match self.settled {
            None => IN_HAND_FOR,
            Some(Outcome::Superseded) if !planted(Bug::CarriesOutSuperseded) => LEFT_TO_NEWER_FOR,
            Some(_) => return false,
        };
        now.since(self.transition.began()) < left_for
    }

    /// The same of one that newer evidence in the same hand superseded: it will not move the route itself.
    #[must_use]
    pub fn is_left_to_newer(&self, now: Timestamp) -> bool {
        self.settled == Some(Outcome::Superseded) && self.is_in_hand(now)
    }
}
