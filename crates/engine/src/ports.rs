//! What the worker needs from outside, in its own words. Two worlds stand behind: `aws` and `embedded`.
//!
//! Each method's documentation says what is true after the call. An expected thing (a lost condition, a
//! message that is no longer ours) is a value; `Err` means that nobody can say what is true now.

mod audit;
pub mod installation;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use crate::ports::audit::{AuditQuery, AuditReader, NoRecords, Page, Row, StoredRecord, UnreadableRow};
use writerlink_core::actuation::plan::RegisteredProof;
use writerlink_core::actuation::relay::RelayReport;
use writerlink_core::actuation::weights::{WeightChange, Weights};
use writerlink_core::evidence::discovery::SourceReports;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::change::Change;
use writerlink_core::ledger::state::{EventEntry, RouteState};
use writerlink_core::model::names::{InstanceId, ListenerArn, RouteName};
use writerlink_core::model::route::{Route, TargetGroup};
use writerlink_core::model::target::{ObservedTarget, Target};
use writerlink_core::model::time::Timestamp;

/// What kind of failure a call met, told by the error's code and never by its English.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum ErrorKind {
    /// No answer, or a server-side fault: the call may or may not have taken effect.
    Unreachable,
    /// Refused for its rate.
    Throttled,
    /// Refused for want of permission or credentials.
    Denied,
    /// What it names does not exist.
    Missing,
    /// Refused for its content.
    Invalid,
}

impl ErrorKind {
    /// The kind in one word, for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The code of a call that was never made, since nobody said who makes it. No service has this code.
pub const NO_CREDENTIALS: &str = "NoCredentials";

/// The code of a look-up of a name that does not exist.
pub const NO_SUCH_NAME: &str = "NXDOMAIN";

/// A call that failed, at whatever port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CallError {
    /// The API's name of the call, such as `RegisterTargets`.
    pub call: &'static str,
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The service's own code, such as `ThrottlingException`; empty when no reply came.
    pub code: String,
    /// The service's own message.
    pub message: String,
    /// The request id, when a reply came.
    pub request_id: Option<String>,
}

impl CallError {
    /// What no reply of the service tells: nobody answered, or what was given, or came, cannot be.
    #[must_use]
    pub fn without_a_reply(call: &'static str, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { call, kind, code: String::new(), message: message.into(), request_id: None }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({}", self.call, self.kind.as_str())?;
        if !self.code.is_empty() {
            write!(f, ", {}", self.code)?;
        }
        write!(f, "): {}", self.message)
    }
}

/// Why the address of an instance is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The name that the instance would have does not exist. Nobody can tell from that whether the instance does: the
    /// answer may come from a cache that was asked before the instance was made.
    #[error(transparent)]
    NoSuchName(CallError),
    /// Nobody can say now.
    #[error(transparent)]
    Failed(#[from] CallError),
}

impl From<AddressError> for CallError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::NoSuchName(error) | AddressError::Failed(error) => error,
        }
    }
}

/// What a call gave, and the request id by which AWS Support can find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<T> {
    /// The answer.
    pub value: T,
    /// `x-amzn-requestid`.
    pub request_id: Option<String>,
}

/// A message that is invisible to others until its visibility ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// SQS's id of the message; the same for every receive of it.
    pub id: String,
    /// Its group: messages of one group are handled in order.
    pub group: String,
    /// Its text, untrusted.
    pub body: String,
    /// The handle of this receive, needed to let go of it or delete it.
    pub receipt: String,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was received for the first time, by whomever.
    pub first_received_at: Timestamp,
}

/// Whether a message was still ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// It was, and the call did what it says.
    Ours,
    /// Its visibility ended before the call: another worker may have it. Nothing was changed.
    Gone,
}

/// How full a queue is, by the queue's own (approximate) count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting to be received.
    pub visible: u64,
    /// Received and neither deleted nor visible again.
    pub in_flight: u64,
}

/// The queue of events, FIFO within a group.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Waits up to `wait` (at most 20 s) for up to `max` (at most 10) messages. After it they are invisible
    /// to everyone else for the queue's visibility timeout, and so is the rest of each one's group. Several
    /// of one group may come, in order.
    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<Message>, CallError>;

    /// Makes a message invisible for `visibility` from now; zero gives it back at once.
    async fn change_visibility(&self, message: &Message, visibility: Duration)
    -> Result<Extended, CallError>;

    /// Removes a message for good. [`Extended::Gone`] is harmless: its next delivery finds its event settled.
    async fn delete(&self, message: &Message) -> Result<Extended, CallError>;

    /// Sends a message to the dead-letter queue, then removes it. Sent twice when a reply is lost in
    /// between; the dead-letter queue drops the second copy by its deduplication id, the message's id.
    async fn dead_letter(&self, message: &Message) -> Result<Extended, CallError>;

    /// How full the queue is.
    async fn depth(&self) -> Result<Depth, CallError>;

    /// How full its dead-letter queue is: what waits there needs a person.
    async fn dead_letters(&self) -> Result<Depth, CallError>;
}

/// No queue: the event came from a file. Every call is refused, since nobody has a reason to make one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoQueue;

impl NoQueue {
    fn refused<T>(call: &'static str) -> Result<T, CallError> {
        Err(CallError {
            code: "NoQueue".to_owned(),
            ..CallError::without_a_reply(call, ErrorKind::Missing, "this command has no queue")
        })
    }
}

#[async_trait]
impl Queue for NoQueue {
    async fn receive(&self, _: u32, _: Duration) -> Result<Vec<Message>, CallError> {
        Self::refused("ReceiveMessage")
    }

    async fn change_visibility(&self, _: &Message, _: Duration) -> Result<Extended, CallError> {
        Self::refused("ChangeMessageVisibility")
    }

    async fn delete(&self, _: &Message) -> Result<Extended, CallError> {
        Self::refused("DeleteMessage")
    }

    async fn dead_letter(&self, _: &Message) -> Result<Extended, CallError> {
        Self::refused("SendMessage")
    }

    async fn depth(&self) -> Result<Depth, CallError> {
        Self::refused("GetQueueAttributes")
    }

    async fn dead_letters(&self) -> Result<Depth, CallError> {
        Self::refused("GetQueueAttributes")
    }
}

/// What became of a change that was to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It is durable, record and all; this is the route's state now.
    Done(RouteState),
    /// It was refused and nothing of it was written: the state or the event's entry is not what the change
    /// was built on. This is what stands now, read consistently.
    Refused {
        /// The route's state now.
        state: RouteState,
        /// The event's entry now, if the change had an event and the ledger knows it.
        event: Option<EventEntry>,
    },
    /// It was refused and nothing of it was written: a row that the state does not know stands where the record was to
    /// go. The state was restored or deleted, or somebody else wrote the row.
    PlaceTaken {
        /// The route's state now: as the change knew it.
        state: RouteState,
    },
}

/// The most states of one [`Ledger::load_known`]: what one request of DynamoDB takes (DynamoDB API reference,
/// `BatchGetItem`). Further routes are left out of the reply.
pub const STATES_PER_READ: usize = 100;

/// The ledger: a route's state, its events, its audit chain.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The route's state, read consistently; created when the ledger has never seen the route.
    async fn load(&self, route: &RouteName) -> Result<RouteState, CallError>;

    /// The same for those who only look: nothing is written, and a route the ledger has never seen is `None`.
    async fn peek(&self, route: &RouteName) -> Result<Option<RouteState>, CallError>;

    /// The states of these routes in one request, each read consistently. Of a route that the ledger has never seen, or
    /// that was left out of the reply, there is none: it has to be loaded. Whoever has no such request gives none.
    async fn load_known(&self, _routes: &[RouteName]) -> Result<Vec<RouteState>, CallError> {
        Ok(Vec::new())
    }

    /// The entry of an event, read consistently.
    async fn event(&self, key: &EventKey) -> Result<Option<EventEntry>, CallError>;

    /// Commits a change in one transaction: all of it or nothing. The write is conditional on the generation,
    /// the chain's head and the lease's deadline of [`Change::from`] (I6). A lost reply is resolved by reading, so that
    /// [`Commit::Done`] and [`Commit::Refused`] are both certain; after an `Err` neither is.
    async fn commit(&self, change: &Change) -> Result<Commit, CallError>;
}

/// The load balancer's target groups. None of these calls can be fenced or made conditional: ELBv2 has no
/// version to check. Each returns within `writerlink_core::model::time::CALL_TIMEOUT`, retries included.
#[async_trait]
pub trait TargetGroups: Send + Sync {
    /// The group's rows, draining ones included. Old the moment it arrives.
    async fn observe(&self, group: &TargetGroup) -> Result<Reply<Vec<ObservedTarget>>, CallError>;

    /// After it every target is registered; one that was draining is in service again, one that was
    /// registered stays as it was. Serving takes minutes more.
    async fn register(&self, group: &TargetGroup, targets: &[Target]) -> Result<Reply<()>, CallError>;

    /// After it the targets are draining or gone; one that was not registered is no error. Asks for the
    /// proof that the desired target is present (I1), and never deregisters that one.
    async fn deregister(
        &self,
        group: &TargetGroup,
        targets: &[ObservedTarget],
        present: &RegisteredProof,
    ) -> Result<Reply<()>, CallError>;
}

/// The listeners of weighted routes. As with [`TargetGroups`] nothing can be fenced or made conditional, and each
/// call returns within `writerlink_core::model::time::CALL_TIMEOUT`, retries included.
#[async_trait]
pub trait Listeners: Send + Sync {
    /// What the listener's forward action gives to each group. Old the moment it arrives.
    async fn weights(&self, listener: &ListenerArn) -> Result<Reply<Weights>, CallError>;

    /// After it the forward action is this one, whole: what somebody else changed of it since it was read is lost.
    /// New connections follow within a minute or two. Takes nothing but a [`WeightChange`], whose making asks for the
    /// proof that the group with the weight has a registered target (I1).
    async fn set_weights(&self, listener: &ListenerArn, shift: &WeightChange)
    -> Result<Reply<()>, CallError>;
}

/// What relays report of themselves.
#[async_trait]
pub trait Relays: Send + Sync {
    /// The newest report of every relay that ever reported, each read consistently. Old the moment it arrives.
    async fn reports(&self) -> Result<Vec<RelayReport>, CallError>;
}

/// Where an agent reports.
#[async_trait]
pub trait RelayReports: Send + Sync {
    /// Writes the report of this relay in the place of its last one. It takes a place of its own at the first report.
    async fn report(&self, report: &RelayReport) -> Result<(), CallError>;
}

/// An installation without relays.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRelays;

#[async_trait]
impl Relays for NoRelays {
    async fn reports(&self) -> Result<Vec<RelayReport>, CallError> {
        Ok(Vec::new())
    }
}

/// What is known of the databases.
#[async_trait]
pub trait Databases: Send + Sync {
    /// The address of an instance of the route's source; `None` when it is certainly not one of them. Never taken
    /// from an event (I5).
    async fn address(&self, route: &Route, instance: &InstanceId) -> Result<Option<IpAddr>, AddressError>;

    /// What the route's sources (`policy.truth`) say about its members now, each asked anew. One that cannot
    /// be asked, or cannot tell, says so: there is no error that a caller could mistake for an answer.
    async fn ask(&self, route: &Route) -> SourceReports;

    /// Where the instances of the route's map are, by whoever its map is compared with
    /// ([`compared_with`](writerlink_core::evidence::drift::compared_with)). One that cannot be found is left out.
    async fn addresses(&self, _: &Route) -> Result<BTreeMap<InstanceId, IpAddr>, CallError> {
        Ok(BTreeMap::new())
    }
}

/// The route's own map, the article's `IP_DICT`: an address changes only when a person changes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct StaticMap;

#[async_trait]
impl Databases for StaticMap {
    async fn address(&self, route: &Route, instance: &InstanceId) -> Result<Option<IpAddr>, AddressError> {
        Ok(route.instances.get(instance).copied())
    }

    async fn ask(&self, _: &Route) -> SourceReports {
        SourceReports::default()
    }
}

/// Time, and the randomness that goes into identifiers.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock, which may jump.
    fn wall(&self) -> Timestamp;

    /// A clock that never goes back, from an arbitrary origin.
    fn monotonic(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);

    /// Random bits for identifiers.
    fn random(&self) -> u128;
}

/// Everything a worker needs from outside, from one world.
#[derive(Clone)]
pub struct Ports {
    /// Where events come from.
    pub queue: Arc<dyn Queue>,
    /// Where intent and outcome are written.
    pub ledger: Arc<dyn Ledger>,
    /// Where what was written is read again.
    pub audit: Arc<dyn AuditReader>,
    /// The load balancer's target groups.
    pub groups: Arc<dyn TargetGroups>,
    /// Its listeners.
    pub listeners: Arc<dyn Listeners>,
    /// Where addresses come from.
    pub databases: Arc<dyn Databases>,
    /// What relays report.
    pub relays: Arc<dyn Relays>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}
