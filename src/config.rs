//! The configuration: read once, checked whole, and every fault of it told at once.
//!
//! It comes from a TOML file (`--config FILE`, else the variable `WRITERLINK_CONFIG`), or, without one, from
//! its text in `WRITERLINK_CONFIG_TEXT`, or from the two variables of the Lambda that this program replaces. `writerlink config check` shows
//! what was understood and where each value came from; `writerlink.example.toml` is the annotated file.
//!
//! # Reference
//!
//! | field | default | meaning |
//! |---|---|---|
//! | `queue.name` or `queue.url` | name `writerlink.fifo` | the FIFO queue of events; never both |
//! | `ledger.state_table` | `writerlink-state` | `DynamoDB` table of routes and events |
//! | `ledger.audit_table` | `writerlink-audit` | `DynamoDB` table of the audit records |
//! | `worker.installation` | `WRITERLINK_INSTALLATION`, else the state table's name without `-state` | the installation's name: a dimension of every metric, and a field of every record |
//! | `worker.max_attempts` | 6 | attempts at one event before it is recorded as failed and dead-lettered |
//! | `worker.drain_timeout_s` | 25 | after SIGTERM, how long the open receive and what is in hand may take |
//! | `worker.parallel_groups` | 64 | message groups (routes, in effect) worked on at the same time |
//! | `worker.health_address` | `127.0.0.1:8089` | where `writerlink healthcheck` asks; `/readyz` and `/metrics` are there too |
//! | `worker.page_address` | that of `health_address` | where the page is shown; `off`: nowhere |
//! | `reconcile.interval_seconds` | 30 | how long after a look at a route the next one is due; 0: never |
//! | `reconcile.describe_calls_per_second_max` | 20 | routes that a worker looks at in a second |
//! | `reconcile.registrations_per_second` | 4 | the account's quota for registering and deregistering, which routes take in turns; 0: no turns |
//! | `reconcile.registrations_burst` | 20 | how many of these calls it may make at once |
//! | `safety.moves_per_minute_max` | [`MOVES_PER_MINUTE_MAX`](writerlink_engine::attempt::MOVES_PER_MINUTE_MAX) | routes that a worker moves in a minute |
//! | `dns.resolver` | those of `/etc/resolv.conf` | the resolvers that are asked for names, in this order: one, or a list of up to three |
//! | `sql.interval_ms` | 500 | how often the instances of a route with `discovery = "sql"` are asked |
//! | `sql.connect_timeout_ms` | 500 | how long opening a connection to an instance may take |
//! | `sql.query_timeout_ms` | 500 | how long its answer may take |
//! | `sql.user` | required with `sql` | the database user, who needs no privilege but to log in |
//! | `sql.password_env` | one of these three | the environment variable that holds the password |
//! | `sql.password_file` | one of these three | the file whose first line is the password, read for each connection |
//! | `sql.iam` | one of these three | `true`: IAM database authentication |
//! | `sql.ca_file` | none: not encrypted | the PEM file of the authorities that sign the servers' certificates |
//! | `route.name` | the source's name | key of the route's state and audit chain |
//! | `route.source` | any, for a single route | whose events move the route: the identifier of a cluster or instance in the target group's account and Region, or the ARN of one anywhere |
//! | `route.strategy` | `swap` | how the route is moved: `swap` its target, or the `weighted` groups of its listener |
//! | `route.target_group` | required if `swap` | ARN of the target group, which no other route may have |
//! | `route.listener` | required if `weighted` | ARN of the NLB's listener, which no other route may have |
//! | `route.target_groups` | required if `weighted` | the ARN of each instance's own target group |
//! | `route.port` | 3306 | port of every target |
//! | `route.exclusive` | true | whether every target of the group is the route's to deregister, and every weight of the listener its to set |
//! | `route.availability_zone` | none | `all` for addresses outside the group's VPC |
//! | `route.allowed_cidrs` | [`ALLOWED_CIDRS_DEFAULT`], required without `instances` | where an address has to lie to be registered |
//! | `route.on_started` | `swap` | what a *started* failover does: `swap`, `register` or `wait` |
//! | `route.discovery` | `events` | whom to ask who writes: `rds`, `dns`, `sql`, several in a list, or nobody (`events`) |
//! | `route.engine` | `postgresql` at port 5432, else `mysql` | what the instances speak, with `sql` |
//! | `route.map_check` | `auto` | with whom the map of a events-only route is compared: `dns`, `rds`, `auto`, `off` |
//! | `route.endpoint` | required with `dns` | the writer endpoint, whose name is read |
//! | `route.database` | `cluster` | what the source is: `cluster` or `instance` (Multi-AZ) |
//! | `route.role` | `writer` | who stands in the group: `writer`, or `readers` (asks `rds`) |
//! | `route.mode` | `enforce` | `enforce`, or `observe` to change nothing and record what would be done |
//! | `route.allowed_instances` | any of the source | the only instances that the route may point at |
//! | `route.trust_event_seconds` | 180 | for how long an event outranks the sources |
//! | `route.evidence_age_max_seconds` | 900; 1209600 if `events` | from what age on an event moves nothing: the sources are asked; a `events` route has none, and refuses it |
//! | `route.flap_moves_max` | 5 | changes of target in ten minutes, after which one more stops the route; 0 never |
//! | `route.serving_when` | `healthy` | when a target serves: `healthy`, or `registered` if checks fail on purpose |
//! | `route.serving_limit_seconds` | 360 | how long that may take before it is recorded as a problem |
//! | `route.instances` | required if `events` | the address of each instance that may become the writer |
//!
//! # The Lambda's variables
//! `TARGET_GROUP_ARN`, `IP_DICT` (a JSON object or a Python dict literal of instance to address) and
//! `TARGET_PORT` (default 3306) make one route named `default` that events of any source move.

mod checks;
mod dict;
mod dns;
mod environment;
mod file;
mod findings;
mod installation;
mod policy;
mod route;
mod section;
mod source;
mod sql;
mod strategy;
mod timer;
mod words;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use ipnet::{IpNet, Ipv4Net};

pub use crate::config::dns::NameServers;
pub use crate::config::environment::{IP_DICT, TARGET_GROUP_ARN, TARGET_PORT};
pub use crate::config::findings::{Diagnostic, Origin, Setting};
pub use crate::config::sql::{LoginFrom, SqlConfig};
use writerlink_core::actuation::quota::Quota;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::CALL_TIMEOUT;
use writerlink_engine::timer::Reconciling;
use writerlink_engine::worker::RECEIVE_WAIT;

/// The variable that names the configuration file when `--config` does not.
pub const CONFIG_VARIABLE: &str = "WRITERLINK_CONFIG";

/// The variable that holds the text of the file itself. ECS can hand a container a parameter's value only as a
/// variable, and a container with a read-only root has no file of its own.
pub const CONFIG_TEXT_VARIABLE: &str = "WRITERLINK_CONFIG_TEXT";

/// The variable that names the installation when the file does not: the template hands its `Name` over by it.
pub const INSTALLATION_VARIABLE: &str = "WRITERLINK_INSTALLATION";

/// The name of a route that has neither a name nor a source.
pub const ROUTE_NAME_DEFAULT: &str = "default";

/// How a route that events of any source move is shown.
const SOURCE_ANY: &str = "any";

/// How a route without a zone is shown.
const ZONE_NONE: &str = "none (AWS tells it by the subnet)";

/// Port of a target when none is given: `MySQL`'s, as in the Lambda.
pub const PORT_DEFAULT: u16 = 3306;

/// The addresses that an NLB accepts for IP targets: the subnets of the group's VPC (which lie here too,
/// but for public ranges brought along) and these four ranges. Source: "Target groups for your Network
/// Load Balancers", target type, docs.aws.amazon.com/elasticloadbalancing/latest/network. There is no
/// such range for IPv6: a route with IPv6 addresses has to name its own.
pub const ALLOWED_CIDRS_DEFAULT: [IpNet; 4] = [
    cidr([10, 0, 0, 0], 8),
    cidr([100, 64, 0, 0], 10),
    cidr([172, 16, 0, 0], 12),
    cidr([192, 168, 0, 0], 16),
];

const fn cidr(octets: [u8; 4], prefix: u8) -> IpNet {
    let [a, b, c, d] = octets;
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

/// The most attempts at one event. A message that is tried again holds back the rest of its group, and
/// each try may take the queue's whole visibility timeout (30 s): more than this would be half an hour.
pub const MAX_ATTEMPTS_MAX: u32 = 50;

/// The least time to drain: the open receive has to end, or SQS hides the next event from every worker, and what it
/// brings has to be given back. An attempt in hand needs less than that, the whole of its lease.
pub const DRAIN_TIMEOUT_MIN: Duration = RECEIVE_WAIT.saturating_add(CALL_TIMEOUT);

/// The most time to drain. Fargate kills a task at most 120 s after SIGTERM (`stopTimeout`, ECS task
/// definition parameters), and the exit itself takes a moment.
pub const DRAIN_TIMEOUT_MAX: Duration = Duration::from_secs(115);

/// The most groups at the same time. `RegisterTargets` and `DeregisterTargets` refill at 4 a second for a
/// whole account (ELB API throttling), so more workers would only wait for each other.
pub const PARALLEL_GROUPS_MAX: u32 = 1000;

/// How the environment is read. Only `main` passes the real one.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which installation this is, and the hash of this configuration's text.
    pub provenance: Provenance,
    /// Where events come from.
    pub queue: QueueRef,
    /// Where what happened is kept.
    pub ledger: Tables,
    /// How the worker works.
    pub worker: WorkerSettings,
    /// How routes are looked after when no event tells of them.
    pub reconciling: Reconciling,
    /// How many routes a worker moves in a minute at most, whatever makes them move.
    pub moves_per_minute_max: u32,
    /// How many targets the account may register and deregister; none: calls are made as they come, and refused.
    pub quota: Option<Quota>,
    /// Which name servers are asked.
    pub resolver: NameServers,
    /// How instances are asked whether they are writable, if a route asks them.
    pub sql: Option<SqlConfig>,
    /// What moves; never empty, and no two have a name or a target group in common.
    pub routes: Vec<Route>,
}

impl Config {
    /// The Region of the target groups, which all routes have in common: queue, ledger and calls belong there.
    #[must_use]
    pub fn region(&self) -> &str {
        let first = self.routes.first();
        first.map_or("", |route| route.group.arn.location().region)
    }
}

/// The queue of events, by the one of its two identifiers that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueRef {
    /// By name, in the account and Region of the credentials.
    Name(String),
    /// By URL.
    Url(String),
}

impl Default for QueueRef {
    fn default() -> Self {
        Self::Name("writerlink.fifo".to_owned())
    }
}

impl fmt::Display for QueueRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text) | Self::Url(text) => f.write_str(text),
        }
    }
}

/// The name of a `DynamoDB` table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(String);

impl TableName {
    /// A name, if `DynamoDB` would take it.
    ///
    /// # Errors
    /// The rule, when it is not kept.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let fits = (3..=255).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if fits && plain {
            Ok(Self(text.to_owned()))
        } else {
            Err("a table's name has 3 to 255 letters, digits, '-', '_' or '.'")
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ledger's two tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Routes and events.
    pub state: TableName,
    /// Audit records.
    pub audit: TableName,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            state: TableName("writerlink-state".to_owned()),
            audit: TableName("writerlink-audit".to_owned()),
        }
    }
}

/// How the worker works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Attempts at one event before it is recorded as failed and dead-lettered.
    pub max_attempts: u32,
    /// After SIGTERM, how long the open receive and what is in hand may take.
    pub drain_timeout: Duration,
    /// How many message groups are worked on at the same time.
    pub parallel_groups: u32,
    /// Where the health check is answered.
    pub health_address: SocketAddr,
    /// Where the page is shown.
    pub page_address: PageAddress,
}

/// Where the page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAddress {
    /// Here.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl fmt::Display for PageAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

impl WorkerSettings {
    const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8089));

    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self {
        max_attempts: 6,
        drain_timeout: Duration::from_secs(25),
        parallel_groups: 64,
        health_address: Self::ADDRESS,
        page_address: PageAddress::At(Self::ADDRESS),
    };
}

/// A configuration and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where it was read.
    pub from: ReadFrom,
    /// Every value as it was understood, in the order of the reference.
    pub settings: Vec<Setting>,
    /// Variables of the Lambda that are set and were not looked at, since a file is used.
    pub unused: Vec<&'static str>,
}

/// Where a configuration was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// From this file.
    File(PathBuf),
    /// From the Lambda's variables.
    Environment,
}

impl fmt::Display for ReadFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment => f.write_str("the environment"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither a file nor the Lambda's variables.
    #[error("no configuration: neither a file nor the variables {TARGET_GROUP_ARN} and {IP_DICT}")]
    Absent,
    /// The file cannot be read.
    #[error("the configuration {} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was read has faults.
    #[error("the configuration in {from} has {}", count(faults.len()))]
    Faulty {
        /// Where it was read.
        from: ReadFrom,
        /// All of them, in the order in which they are written.
        faults: Vec<Diagnostic>,
    },
}

fn count(faults: usize) -> String {
    match faults {
        1 => "1 fault".to_owned(),
        more => format!("{more} faults"),
    }
}

/// Reads the configuration: the file at `path`, else the one that the environment names or holds, else the Lambda's
/// variables.
///
/// # Errors
/// [`ConfigError`], with every fault that was found.
pub fn read(path: Option<&Path>, env: Env<'_>) -> Result<Loaded, ConfigError> {
    read_by(file::parse, path, env)
}

/// The same for a worker, which shows nobody how each value was understood, and would carry them all its life.
///
/// # Errors
/// [`ConfigError`], with every fault that was found.
pub fn read_to_work(path: Option<&Path>, env: Env<'_>) -> Result<Config, ConfigError> {
    read_by(file::parse_to_work, path, env).map(|loaded| loaded.config)
}

fn read_by(
    parse_file: fn(&Path, &str, Env<'_>) -> Result<Loaded, ConfigError>,
    path: Option<&Path>,
    env: Env<'_>,
) -> Result<Loaded, ConfigError> {
    let set = |variable| env(variable).filter(|value| !value.trim().is_empty());
    let named = || set(CONFIG_VARIABLE).map(PathBuf::from);
    let unused = || environment::set_variables(env);
    let parse = |path: &Path, text: &str| {
        parse_file(path, text, env).map(|loaded| Loaded { unused: unused(), ..loaded })
    };
    if let Some(path) = path.map(Path::to_owned).or_else(named) {
        return match std::fs::read_to_string(&path) {
            Ok(text) => parse(&path, &text),
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        };
    }
    if let Some(text) = set(CONFIG_TEXT_VARIABLE) {
        // Faults are told by variable and line, as `WRITERLINK_CONFIG_TEXT:14`.
        return parse(Path::new(CONFIG_TEXT_VARIABLE), &text);
    }
    if unused().is_empty() {
        return Err(ConfigError::Absent);
    }
    environment::parse(env)
}
