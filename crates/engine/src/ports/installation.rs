//! What was seen of an installation, as values.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;

use crate::ports::CallError;
use writerlink_core::actuation::relay::RelayReport;
use writerlink_core::actuation::weights::Weights;
use writerlink_core::evidence::discovery::{Member, SourceReports};
use writerlink_core::evidence::sql::ProbeAnswer;
use writerlink_core::model::names::{InstanceId, ListenerArn, TargetGroupArn};
use writerlink_core::model::route::Route;
use writerlink_core::model::target::ObservedTarget;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::chain_end::ChainEnd;

/// What was seen, or why it was not.
pub type Seen<T> = Result<T, Unseen>;

/// Why something was not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// The call for it failed.
    Refused(CallError),
    /// This world has none of it, or it was not to be asked.
    NotHere(&'static str),
    /// It failed for a reason that another line tells: this is where to look.
    Told(&'static str),
}

impl From<CallError> for Unseen {
    fn from(error: CallError) -> Self {
        Self::Refused(error)
    }
}

/// Everything that was seen.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When, by the clock of the process that looked.
    pub at: Timestamp,
    /// What the process was given to find AWS by.
    pub environment: Environment,
    /// Who calls.
    pub identity: Identity,
    /// What the caller may do with the ledger.
    pub rights: Vec<(Right, Seen<()>)>,
    /// The queue of events.
    pub queue: Seen<QueueFacts>,
    /// The rules that send to it.
    pub rules: Seen<Vec<Seen<RuleFacts>>>,
    /// The table of routes and events.
    pub state: TableFacts,
    /// The table of records.
    pub audit: TableFacts,
    /// Each route.
    pub routes: Vec<RouteFacts>,
}

/// What the process was given to find AWS by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The variables that point the SDK away from AWS, and where to.
    pub endpoints: Vec<(String, String)>,
    /// The Region of the credentials' calls, if there is one.
    pub region: Option<String>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The ARN that STS gives the credentials.
    pub arn: Seen<String>,
    /// What time it is there.
    pub clock: Seen<ClockReading>,
}

/// A clock's word, and ours before and after it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// Before the call.
    pub before: Timestamp,
    /// What the reply's `Date` says, in whole seconds.
    pub said: Timestamp,
    /// After the call.
    pub after: Timestamp,
}

/// Something the worker or a person does with the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// `GetItem` of a route's state.
    ReadState,
    /// `Query` of a route's records.
    ReadAudit,
    /// `Query` of a day's records.
    ReadAuditByDay,
    /// `Query` of an event's records.
    ReadAuditByEvent,
    /// A conditional UPDATE of a route's state.
    UpdateState,
    /// An INSERT of an event's entry.
    InsertState,
    /// An INSERT of a record.
    AppendAudit,
    /// An UPDATE of a record, which nobody should have.
    ChangeAudit,
}

/// The queue of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFacts {
    /// Its ARN, by which rules name it.
    pub arn: String,
    /// Whether it keeps an order.
    pub fifo: bool,
    /// Whether a body stands for its deduplication id.
    pub content_based_deduplication: bool,
    /// How long a received message stays invisible.
    pub visibility: Option<Duration>,
    /// What becomes of a message that was received too often.
    pub redrive: Option<Redrive>,
    /// What encrypts it.
    pub encryption: Seen<Encryption>,
    /// Its policy, as text.
    pub policy: Seen<Option<String>>,
}

/// A redrive policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The ARN of the dead-letter queue.
    pub dead_letters: String,
    /// After how many receives.
    pub receives_max: u32,
    /// The dead-letter queue itself.
    pub seen: Seen<DeadLetters>,
}

/// A dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// Whether it keeps an order.
    pub fifo: bool,
    /// How many messages lie in it, by SQS's approximate count.
    pub messages: u64,
}

/// What encrypts a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Nothing at rest.
    Nothing,
    /// SQS, with a key of its own (SSE-SQS).
    Sqs,
    /// A KMS key, by the name it was given.
    Kms(String),
}

/// A rule of EventBridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFacts {
    /// Its name.
    pub name: String,
    /// Its ARN, by which policies know it.
    pub arn: Option<String>,
    /// `ENABLED`, `DISABLED` …
    pub state: String,
    /// What it lets through; a schedule has none.
    pub pattern: Option<String>,
    /// Its targets that are the queue.
    pub targets: Vec<RuleTarget>,
}

/// A rule's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTarget {
    /// The message group of what it sends.
    pub message_group: Option<String>,
    /// Where what cannot be delivered goes.
    pub dead_letters: Option<String>,
    /// The role it sends with, if it does not rely on the queue's policy.
    pub role: Option<String>,
    /// What it makes of the event before it sends it.
    pub reshaped_by: Option<&'static str>,
}

/// A table of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFacts {
    /// What `DescribeTable` says.
    pub described: Seen<DescribedTable>,
    /// Whether it can be brought back to any second of the last weeks.
    pub recovery: Seen<Switch>,
    /// The attribute by which items expire, if they do.
    pub expiry: Seen<Option<String>>,
}

/// What `DescribeTable` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedTable {
    /// `ACTIVE` …
    pub status: String,
    /// Names and types, the hash first.
    pub keys: Vec<(String, String)>,
    /// Each index: its keys, and whether it holds whole items.
    pub indexes: BTreeMap<String, IndexFacts>,
    /// Whether `DeleteTable` is refused.
    pub deletion_protection: Switch,
    /// The other Regions of a global table.
    pub replicas: BTreeSet<String>,
    /// `STRONG` or `EVENTUAL`, where a global table says so.
    pub consistency: Option<String>,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFacts {
    /// Names and types, the hash first.
    pub keys: Vec<(String, String)>,
    /// `ALL`, `KEYS_ONLY` …
    pub projection: String,
}

/// Whether something is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

/// A route, and what was seen of what is its own.
#[derive(Clone, Debug)]
pub struct RouteFacts {
    /// The route.
    pub route: Route,
    /// Its target groups: the one, or one for each instance.
    pub groups: Vec<RouteGroup>,
    /// What its listener gives to them, if it is weighted.
    pub weights: Option<Seen<Weights>>,
    /// The rules of that listener, besides its default action.
    pub listener_rules: Option<Seen<Vec<ListenerRule>>>,
    /// The load balancers in front of its groups, by ARN.
    pub balancers: BTreeMap<String, Seen<BalancerFacts>>,
    /// The instances of its source, by RDS's word.
    pub members: Seen<Vec<MemberFacts>>,
    /// Whether its source has addresses in a VPC.
    pub vpc_networking: Seen<Switch>,
    /// Where the route finds each instance that its configuration names.
    pub addresses: BTreeMap<InstanceId, Result<Option<IpAddr>, CallError>>,
    /// What the sources of the route say.
    pub reading: SourceReports,
    /// What each resolver says of the names that the route lives on; nothing where its map alone counts.
    pub names: Seen<Vec<NameFacts>>,
    /// What each instance answers if it is asked itself; nothing for a route that does not ask them.
    pub sql: Option<Seen<Vec<SqlFacts>>>,
    /// What relays reported; nothing for a route that no relay serves.
    pub relays: Option<Seen<Vec<RelayReport>>>,
    /// Whether its audit ends at the head of its state; `None` if both kept moving.
    pub chain_end: Seen<Option<ChainEnd>>,
}

/// An instance that was asked whether it is writable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlFacts {
    /// Which instance, and where.
    pub member: Member,
    /// What it answered.
    pub answer: ProbeAnswer,
    /// The user who asked.
    pub user: String,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// What the user may do beyond the question, or why that is not known.
    pub excess: Result<Vec<String>, String>,
}

/// What one resolver says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFacts {
    /// Which resolver.
    pub resolver: SocketAddr,
    /// Which name.
    pub name: String,
    /// What it says.
    pub answer: Seen<NameAnswer>,
}

/// Where a name leads, by a resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAnswer {
    /// Its address.
    pub ip: IpAddr,
    /// For how long what RDS says of it may be kept, by the longer one of two answers.
    pub kept: Duration,
}

/// A rule of a listener, which counts before the default action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerRule {
    /// Its priority, by which a listener's rules are told apart.
    pub priority: String,
    /// The ARNs of the groups that it forwards to.
    pub groups: BTreeSet<String>,
}

/// A target group of a route.
#[derive(Clone, Debug)]
pub struct RouteGroup {
    /// Whose it is, if the route is weighted.
    pub instance: Option<InstanceId>,
    /// Which.
    pub arn: TargetGroupArn,
    /// What was seen of it.
    pub facts: GroupFacts,
    /// What is in it.
    pub observed: Seen<Vec<ObservedTarget>>,
}

/// Attributes by their keys, as the API writes them. What is not there has AWS's default.
pub type Attributes = BTreeMap<String, String>;

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFacts {
    /// What `DescribeTargetGroups` says.
    pub described: Seen<DescribedGroup>,
    /// Its attributes.
    pub attributes: Seen<Attributes>,
}

/// What `DescribeTargetGroups` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// `ip`, `instance` …
    pub target_type: String,
    /// `TCP` …
    pub protocol: String,
    /// The port of targets that are registered without one.
    pub port: Option<u16>,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// The VPC whose addresses it takes without a zone.
    pub vpc: Option<String>,
    /// The port of its health checks: a number, or `traffic-port`.
    pub health_port: String,
    /// The protocol of its health checks.
    pub health_protocol: String,
    /// Seconds between two of them.
    pub health_interval: Option<Duration>,
    /// The ARNs of the load balancers that forward to it.
    pub balancers: Vec<String>,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalancerFacts {
    /// `network` …
    pub kind: String,
    /// The Availability Zones it has.
    pub zones: BTreeSet<String>,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// Whether these are asked about traffic that comes through PrivateLink; absent when it does not say.
    pub inbound_rules_on_private_link: Option<Switch>,
    /// Its attributes.
    pub attributes: Seen<Attributes>,
}

/// An instance, by RDS's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// Which.
    pub instance: InstanceId,
    /// The zone it is in.
    pub zone: Option<String>,
    /// The VPC of its subnets.
    pub vpc: Option<String>,
    /// Where its endpoint's name points.
    pub address: Seen<IpAddr>,
}

/// What only `check` asks an installation. Nothing here changes anything; each method returns within
/// `writerlink_core::model::time::CALL_TIMEOUT` for each of the calls it makes, and tells what it could not see.
#[async_trait]
pub trait Installation: Send + Sync {
    /// What the process was given to find AWS by.
    fn environment(&self) -> Environment;

    /// Who calls, and when the one who answered thinks it is.
    async fn identity(&self) -> Identity;

    /// The queue of events, and its dead-letter queue.
    async fn queue(&self) -> Seen<QueueFacts>;

    /// The rules that send to the queue with this ARN.
    async fn rules(&self, queue: &str) -> Seen<Vec<Seen<RuleFacts>>>;

    /// A table of the ledger.
    async fn table(&self, name: &str) -> TableFacts;

    /// Whether the caller may do this. What would write is made so that it is refused before it changes anything.
    async fn may(&self, right: Right) -> Seen<()>;

    /// A target group and its attributes.
    async fn group(&self, group: &TargetGroupArn) -> GroupFacts;

    /// A load balancer, by its ARN.
    async fn balancer(&self, arn: &str) -> Seen<BalancerFacts>;

    /// The rules of a listener, besides its default action.
    async fn listener_rules(&self, listener: &ListenerArn) -> Seen<Vec<ListenerRule>>;

    /// The instances of the route's source, by RDS's word.
    async fn members(&self, route: &Route) -> Seen<Vec<MemberFacts>>;

    /// Whether the route's source has addresses in a VPC: a cluster can be without.
    async fn vpc_networking(&self, route: &Route) -> Seen<Switch>;

    /// What each resolver says of the names that the route lives on, each asked twice; nothing for a route whose map
    /// alone says where its instances are.
    async fn names(&self, route: &Route) -> Seen<Vec<NameFacts>>;

    /// Whether each instance of the route is writable, by its own word, and what the user that asks may do besides.
    async fn sql(&self, _: &Route) -> Seen<Vec<SqlFacts>> {
        Err(Unseen::NotHere("no instance can be asked here"))
    }
}
