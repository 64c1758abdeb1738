//! The configuration: read once and checked whole; every fault is reported at once.
//!
//! It comes from a TOML file (`--config FILE`, else the variable `WRITERLINK_CONFIG`), or, without one, from
//! its text in `WRITERLINK_CONFIG_TEXT`, or from the two variables of the Lambda that this program replaces.
//! `writerlink config check` shows each value and where it came from. `writerlink.example.toml` is the
//! reference of all fields; a test keeps its defaults equal to the code's.
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
mod relay;
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
pub use crate::config::relay::RelaySettings;
pub use crate::config::sql::{LoginFrom, SqlConfig};
use writerlink_core::actuation::quota::Quota;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::CALL_TIMEOUT;
use writerlink_engine::timer::Reconciling;
use writerlink_engine::worker::RECEIVE_WAIT;

/// The variable that names the configuration file when `--config` does not.
pub const CONFIG_VARIABLE: &str = "WRITERLINK_CONFIG";

/// The variable that holds the text of the file itself. ECS passes a parameter's value to a container only as
/// a variable, and a container with a read-only root has no file of its own.
pub const CONFIG_TEXT_VARIABLE: &str = "WRITERLINK_CONFIG_TEXT";

/// The variable that names the installation when the file does not: the template passes its `Name` in it.
pub const INSTALLATION_VARIABLE: &str = "WRITERLINK_INSTALLATION";

/// The name of a route that has neither a name nor a source.
pub const ROUTE_NAME_DEFAULT: &str = "default";

/// How a route that events of any source move is shown.
const SOURCE_ANY: &str = "any";

/// How a route without a zone is shown.
const ZONE_NONE: &str = "none (AWS derives it from the subnet)";

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

/// The most attempts at one event. A message that is tried again blocks the rest of its group, and
/// each try may take the queue's whole visibility timeout (30 s): more than this would be half an hour.
pub const MAX_ATTEMPTS_MAX: u32 = 50;

/// The least time to drain: the open receive has to end, or SQS hides the next event from every worker, and
/// what it brings has to be given back. An attempt in progress needs less than that, the whole of its lease.
pub const DRAIN_TIMEOUT_MIN: Duration = RECEIVE_WAIT.saturating_add(CALL_TIMEOUT);

/// The most time to drain. Fargate kills a task at most 120 s after SIGTERM (`stopTimeout`, ECS task
/// definition parameters), and the exit itself takes a moment.
pub const DRAIN_TIMEOUT_MAX: Duration = Duration::from_secs(115);

/// The most groups at the same time. `RegisterTargets` and `DeregisterTargets` refill at 4 a second for a
/// whole account (ELB API throttling), so more groups would only wait for each other.
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
    /// The ledger's tables.
    pub ledger: Tables,
    /// How the worker works.
    pub worker: WorkerSettings,
    /// The periodic reconcile passes.
    pub reconciling: Reconciling,
    /// How many routes a worker moves in a minute at most, whatever the trigger.
    pub moves_per_minute_max: u32,
    /// The account's quota for registering and deregistering targets. `None`: calls are made at once, and AWS
    /// may refuse them.
    pub quota: Option<Quota>,
    /// Which name servers are queried.
    pub resolver: NameServers,
    /// What all relays have in common.
    pub relay: RelaySettings,
    /// How instances are asked whether they are writable, if a route asks them.
    pub sql: Option<SqlConfig>,
    /// Never empty; no two routes share a name or a target group.
    pub routes: Vec<Route>,
}

impl Config {
    /// The Region of the target groups, which all routes have in common: queue, ledger and calls belong
    /// there.
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
    /// A name, if `DynamoDB` accepts it.
    ///
    /// # Errors
    /// The rule that `text` breaks.
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
    /// After SIGTERM, how long the open receive and the messages in progress may take.
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

    /// The defaults.
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
    /// Variables of the Lambda that are set and ignored, because a file is used.
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

/// Reads the configuration: the file at `path`, else the one that the environment names or holds, else the
/// Lambda's variables.
///
/// # Errors
/// [`ConfigError`], with every fault that was found.
pub fn read(path: Option<&Path>, env: Env<'_>) -> Result<Loaded, ConfigError> {
    read_by(file::parse, path, env)
}

/// The same for a worker, without [`Loaded::settings`]: it never shows them, and would keep them in memory.
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
        // Faults name variable and line, as in `WRITERLINK_CONFIG_TEXT:14`.
        return parse(Path::new(CONFIG_TEXT_VARIABLE), &text);
    }
    if unused().is_empty() {
        return Err(ConfigError::Absent);
    }
    environment::parse(env)
}
