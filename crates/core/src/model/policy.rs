//! How a route may be moved: by which sources, how soon, and under which safety rules.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::names::InstanceId;
use crate::named::named;

/// Whether a route's group is changed at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The group follows the writer.
    #[default]
    Enforce,
    /// No call changes anything; the audit says what would have happened (I7).
    Observe,
}

/// What a route's source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Database {
    /// An Aurora cluster or a Multi-AZ DB cluster: a failover makes another instance the writer.
    #[default]
    Cluster,
    /// A (Multi-AZ) DB instance: a failover gives the same instance another address.
    Instance,
}

/// Which members of the source stand in the group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The writer alone.
    #[default]
    Writer,
    /// The readers, and the writer only where there is no reader.
    Readers,
}

/// Which protocol and question the instances of a route understand, for [`DiscoverySource::Sql`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// MySQL, MariaDB, and Aurora or RDS of either.
    #[default]
    MySql,
    /// PostgreSQL, and Aurora or RDS of it.
    PostgreSql,
}

/// When a target counts as serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServingWhen {
    /// When its health checks pass.
    #[default]
    Healthy,
    /// As soon as it is out of `initial`: for groups whose checks never pass on purpose, so that the load
    /// balancer fails open (the article's way to keep health checks off the database).
    Registered,
}

/// Whether the instance map of an events-only route is compared with the instances' addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapCheck {
    /// With DNS where there is an endpoint, else with RDS.
    #[default]
    Auto,
    /// With RDS.
    Rds,
    /// With DNS.
    Dns,
    /// Never.
    Off,
}

/// The safety rules and manners of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the group is changed at all.
    pub mode: Mode,
    /// What the source is.
    pub database: Database,
    /// Which of its members stand in the group.
    pub role: Role,
    /// The discovery sources of the writer; empty for an events-only route.
    pub discovery: BTreeSet<DiscoverySource>,
    /// What the instance map of an events-only route is compared with.
    pub map_check: MapCheck,
    /// What the instances speak, if they are asked themselves.
    pub engine: Engine,
    /// The endpoint whose name [`DiscoverySource::Dns`] reads.
    pub endpoint: Option<String>,
    /// The only instances that the route may point at; any of its source if absent.
    pub allowed_instances: Option<BTreeSet<InstanceId>>,
    /// For how long an event outranks what the sources say.
    pub trust_event: Duration,
    /// From what age on an event moves nothing, where the configuration says so ([`Policy::evidence_age_limit`]).
    pub evidence_age_max: Option<Duration>,
    /// How many changes of target within ten minutes stop the route when one more follows; 0 never does.
    pub flap_moves_max: u32,
    /// When a target counts as serving.
    pub serving_when: ServingWhen,
    /// How long a target may take to serve before that is recorded as a problem.
    pub serving_limit: Duration,
}

/// For how long an event outranks what the sources say: RDS's API and names need a minute or two to settle
/// after a failover (Multi-AZ instances "typically 60-120 seconds"; RDS User Guide, "Failing over").
pub const TRUST_EVENT: Duration = Duration::from_mins(3);

/// From what age on an event no longer moves a route but requires a reading.
pub const EVIDENCE_AGE_MAX: Duration = Duration::from_mins(15);

/// The same for a route without sources. SQS keeps a message for 14 days at most, and a failover may wait in the queue
/// while no worker runs. Anything older did not come straight from RDS (an archive, a file, a message that was put
/// back), and does not say who the writer is now.
pub const EVIDENCE_AGE_MAX_OF_EVENTS_ALONE: Duration = Duration::from_hours(14 * 24);

/// How long a target may take to serve. AWS Support says 3 to 5 minutes for a registration
/// (aws-load-balancer-controller issue 1834), which is the longest known.
pub const SERVING_LIMIT: Duration = Duration::from_mins(6);

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            database: Database::default(),
            role: Role::default(),
            discovery: BTreeSet::new(),
            map_check: MapCheck::default(),
            engine: Engine::default(),
            endpoint: None,
            allowed_instances: None,
            trust_event: TRUST_EVENT,
            evidence_age_max: None,
            flap_moves_max: FLAP_MOVES_MAX,
            serving_when: ServingWhen::default(),
            serving_limit: SERVING_LIMIT,
        }
    }
}

impl Policy {
    /// From what age on an event moves nothing. A route with sources then requires a reading. A route without rejects
    /// the event, and an operator decides.
    #[must_use]
    pub fn evidence_age_limit(&self) -> Duration {
        self.evidence_age_max.unwrap_or(if self.discovery.is_empty() {
            EVIDENCE_AGE_MAX_OF_EVENTS_ALONE
        } else {
            EVIDENCE_AGE_MAX
        })
    }
}

/// How many changes of target within [`FLAP_WITHIN`] a route may make, unless its configuration says otherwise:
/// one more stops it.
pub const FLAP_MOVES_MAX: u32 = 5;

/// A discovery source: how the current writer is found. A route without one has its events alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum DiscoverySource {
    /// RDS's API: who is the writer, and where its own endpoint points.
    Rds,
    /// The name of the cluster's endpoint (of a Multi-AZ instance: the instance's own).
    Dns,
    /// The instances themselves: which of them is writable.
    Sql,
}

named!(DiscoverySource);
