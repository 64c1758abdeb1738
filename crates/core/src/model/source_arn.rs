//! The whole identity of a database: partition, account, Region, kind and name (I5).

use std::fmt;

use crate::model::names::{InvalidName, Location, SourceId};
use crate::named::named;

/// What kind of thing an event is about, from either spelling of the source type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::EnumString, strum::Display)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SourceKind {
    /// `CLUSTER`, `db-cluster`.
    #[strum(to_string = "CLUSTER", serialize = "DB_CLUSTER")]
    Cluster,
    /// `DB_INSTANCE`, `db-instance`.
    #[strum(serialize = "DB_INSTANCE")]
    Instance,
    /// `BLUE_GREEN_DEPLOYMENT`, `blue-green-deployment`.
    BlueGreenDeployment,
    /// Snapshots, parameter groups, proxies: nothing that moves a route.
    Other,
}

named!(SourceKind without parse);

impl SourceKind {
    /// Reads either spelling, EventBridge's `DB_INSTANCE` or that of SNS, `db-instance`; whatever is not
    /// known is [`SourceKind::Other`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.to_ascii_uppercase().replace('-', "_").parse().unwrap_or(Self::Other)
    }
}

/// Whether `text` can be a word of the resource type in an ARN of RDS.
fn is_resource(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The ARN of what an event is about: `arn:aws:rds:us-east-1:123456789012:cluster:aurora-source`.
///
/// One that was put together from EventBridge's envelope lacks the partition, or more; an unknown part is empty in
/// its text, as in `arn::rds:us-east-1:123456789012:cluster:aurora-source`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceArn {
    partition: String,
    region: String,
    account: String,
    /// What stands between account and name: `cluster`, `db`, `deployment`, `pg` …
    resource: String,
    name: SourceId,
}

const ARN_RULE: &str = "arn:PARTITION:rds:REGION:ACCOUNT:TYPE:NAME, with an account of 12 digits";

impl SourceArn {
    /// Reads a whole ARN.
    ///
    /// # Errors
    /// When it is no ARN of RDS, or a part of it is missing.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let arn = Self::parse_known(text)?;
        if arn.is_whole() {
            return Ok(arn);
        }
        Err(invalid(text))
    }

    /// Reads an ARN in which an unknown part is empty, as records have it.
    ///
    /// # Errors
    /// When it is no ARN of RDS.
    pub fn parse_known(text: &str) -> Result<Self, InvalidName> {
        let fields: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "rds", region, account, resource @ .., name] = fields.as_slice() else {
            return Err(invalid(text));
        };
        let location = Location { partition, account, region };
        let types = !resource.is_empty() && resource.iter().all(|word| is_resource(word));
        if !types || !location.can_be() {
            return Err(invalid(text));
        }
        Ok(Self::at(location, resource.join(":"), SourceId::new(name)?))
    }

    fn at(location: Location<'_>, resource: String, name: SourceId) -> Self {
        Self {
            partition: location.partition.to_owned(),
            region: location.region.to_owned(),
            account: location.account.to_owned(),
            resource,
            name,
        }
    }

    /// What EventBridge's envelope says about a source whose ARN is missing. The partition is not in it. `None` when
    /// it says nothing, or the kind is none that a route can follow.
    ///
    /// # Errors
    /// When the envelope's account or Region is none.
    pub fn of_envelope(
        kind: SourceKind,
        name: &SourceId,
        account: Option<&str>,
        region: Option<&str>,
    ) -> Result<Option<Self>, InvalidName> {
        let location = Location {
            partition: "",
            account: account.unwrap_or_default(),
            region: region.unwrap_or_default(),
        };
        let resource = match kind {
            SourceKind::Cluster => CLUSTER,
            SourceKind::Instance => INSTANCE,
            SourceKind::BlueGreenDeployment => DEPLOYMENT,
            SourceKind::Other => return Ok(None),
        };
        if location.account.is_empty() && location.region.is_empty() {
            return Ok(None);
        }
        let arn = Self::at(location, resource.to_owned(), name.clone());
        if location.can_be() { Ok(Some(arn)) } else { Err(invalid(&arn.to_string())) }
    }

    /// What it is the ARN of.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        match self.resource.as_str() {
            CLUSTER => SourceKind::Cluster,
            INSTANCE => SourceKind::Instance,
            DEPLOYMENT => SourceKind::BlueGreenDeployment,
            _ => SourceKind::Other,
        }
    }

    /// The identifier, lower case as RDS stores it.
    #[must_use]
    pub fn name(&self) -> &SourceId {
        &self.name
    }

    /// Partition, account and Region.
    #[must_use]
    pub fn location(&self) -> Location<'_> {
        Location { partition: &self.partition, account: &self.account, region: &self.region }
    }

    /// Whether no part is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        [&self.partition, &self.region, &self.account].iter().all(|part| !part.is_empty())
    }
}

/// The resource types of RDS's ARNs (RDS User Guide, "Amazon Resource Names (ARNs) in Amazon RDS").
const CLUSTER: &str = "cluster";

const INSTANCE: &str = "db";

const DEPLOYMENT: &str = "deployment";

fn invalid(text: &str) -> InvalidName {
    InvalidName { what: "ARN of RDS", value: text.to_owned(), rule: ARN_RULE }
}

impl fmt::Display for SourceArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, resource, name } = self;
        write!(f, "arn:{partition}:rds:{region}:{account}:{resource}:{name}")
    }
}

/// Which database a route follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed<'a> {
    /// Cluster or instance.
    pub kind: SourceKind,
    /// Its identifier; none where any will do.
    pub name: Option<&'a SourceId>,
    /// Where it is.
    pub location: Location<'a>,
}
