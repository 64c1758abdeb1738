//! Which database an event is about, and which one a route follows.
//!
//! A name alone is no identity (I5): every account has a cluster of the same name in every Region if it likes, and an
//! instance may be called like its cluster. Compared are kind, name, partition, account and Region. A part that the
//! event does not say (an SNS message of before 2020 has no ARN) cannot be compared and counts as the route's.

use std::fmt;

use super::event::{RdsEvent, SourceKind};
use super::names::named;
use super::route::{InvalidName, Route, SourceId};

/// One part of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Part {
    /// Cluster, instance, deployment.
    Kind,
    /// The identifier.
    Name,
    /// `aws`, `aws-cn` …
    Partition,
    /// Twelve digits.
    Account,
    /// `us-east-1`.
    #[strum(serialize = "Region")]
    Region,
}
named!(Part without parse);

/// Partition, account and Region of something in AWS. An empty part is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// `aws`, `aws-cn` …
    pub partition: &'a str,
    /// Twelve digits.
    pub account: &'a str,
    /// `us-east-1`.
    pub region: &'a str,
}

impl<'a> Location<'a> {
    /// The location that an ARN has in its second, fourth and fifth field.
    pub(super) fn in_arn(arn: &'a str) -> Self {
        let mut fields = arn.split(':');
        let mut field = |n| fields.nth(n).unwrap_or_default();
        Self { partition: field(1), region: field(1), account: field(0) }
    }

    /// One of its parts, if it is known; kind and name are no part of a location.
    #[must_use]
    pub fn part(self, part: Part) -> Option<&'a str> {
        let text = match part {
            Part::Kind | Part::Name => "",
            Part::Partition => self.partition,
            Part::Account => self.account,
            Part::Region => self.region,
        };
        (!text.is_empty()).then_some(text)
    }

    /// Whether every part that is known has the form of one.
    fn can_be(self) -> bool {
        let fits = |text: &str, rule: fn(&str) -> bool| text.is_empty() || rule(text);
        fits(self.partition, is_partition) && fits(self.account, is_account) && fits(self.region, is_region)
    }
}

/// Whether `text` can be the account in an ARN.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether `text` can be the Region in an ARN. AWS adds Regions, so there is no list.
fn is_region(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase()) && is_lower_case_word(text)
}

/// Whether `text` can be the partition in an ARN: `aws`, `aws-cn`, `aws-us-gov`, `aws-iso-b` …
fn is_partition(text: &str) -> bool {
    text == "aws" || text.starts_with("aws-") && is_lower_case_word(text)
}

/// Whether `text` can be a word of the resource type in an ARN of RDS.
fn is_resource(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_lower_case_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The ARN of what an event is about: `arn:aws:rds:us-east-1:123456789012:cluster:aurora-source`.
///
/// One that was put together from EventBridge's envelope lacks the partition, or more; what nobody said is empty in
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

    /// Reads an ARN in which what nobody said is empty, as records have it.
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

    /// What EventBridge's envelope says about a source whose ARN is not told. The partition is not in it. `None` when
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

/// One part as an event says it and as a route has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared<'a> {
    /// Which part.
    pub part: Part,
    /// What the event says, if it says it.
    pub event: Option<&'a str>,
    /// What the route has; none where any will do.
    pub route: Option<&'a str>,
}

/// How a part compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Event and route have the same.
    Same,
    /// The event does not say, which counts as the route's.
    NotSaid,
    /// The route takes any.
    Any,
    /// They differ: the event is about another database.
    Differs,
}

impl Compared<'_> {
    /// How it compares.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        match (self.event, self.route) {
            (_, None) => Agreement::Any,
            (None, Some(_)) => Agreement::NotSaid,
            (Some(event), Some(route)) if event == route => Agreement::Same,
            (Some(_), Some(_)) => Agreement::Differs,
        }
    }

    /// The part where they agree: what the event says, else what the route has.
    pub(super) fn settled(&self) -> &str {
        self.event.or(self.route).unwrap_or_default()
    }
}

impl fmt::Display for Compared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (event, route) = (self.event.unwrap_or_default(), self.route);
        let route = route.unwrap_or("any");
        match self.agreement() {
            Agreement::Same | Agreement::Any => write!(f, "event {event}, route {route}"),
            Agreement::NotSaid => write!(f, "not said by the event, route {route}"),
            Agreement::Differs => write!(f, "event {event}, route {route}: differs"),
        }
    }
}

/// An event held against what a route follows, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison<'a>(pub [Compared<'a>; 5]);

impl<'a> Comparison<'a> {
    /// Compares.
    #[must_use]
    pub fn of(event: &'a RdsEvent, route: Followed<'a>) -> Self {
        let said = event.source_arn.as_ref().map(SourceArn::location);
        Self(Part::ALL.map(|part| {
            let (event, route) = match part {
                Part::Kind => (Some(event.kind.as_str()), Some(route.kind.as_str())),
                Part::Name => (Some(event.source.as_str()), route.name.map(SourceId::as_str)),
                Part::Partition | Part::Account | Part::Region => {
                    (said.and_then(|said| said.part(part)), route.location.part(part))
                }
            };
            Compared { part, event, route }
        }))
    }

    /// The parts that differ.
    pub fn differing(&self) -> impl Iterator<Item = &Compared<'a>> {
        let parts = self.0.iter();
        parts.filter(|compared| compared.agreement() == Agreement::Differs)
    }

    /// Whether the event is about what the route follows: nothing differs.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differing().next().is_none()
    }

    /// Whether the event comes from another partition, account or Region.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.differing().any(|compared| match compared.part {
            Part::Kind | Part::Name => false,
            Part::Partition | Part::Account | Part::Region => true,
        })
    }

    fn has_the_name(&self) -> bool {
        self.differing().all(|compared| compared.part != Part::Name)
    }
}

/// Why no route follows an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFollowed {
    /// Which part differs.
    pub why: String,
    /// What to do if a route should; none where no route has the name, which is nobody's mistake.
    pub fix: Option<String>,
}

impl fmt::Display for NotFollowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        match &self.fix {
            Some(fix) => write!(f, "; {fix}"),
            None => Ok(()),
        }
    }
}

/// The routes that come nearest to following `event`: those of its name if there are any, and of them those from
/// which the fewest parts differ.
#[must_use]
pub fn nearest<'a>(routes: &'a [Route], event: &RdsEvent) -> Vec<&'a Route> {
    let distance = |route: &&Route| {
        let comparison = route.compare(event);
        (!comparison.has_the_name(), comparison.differing().count())
    };
    let least = routes.iter().map(|route| distance(&route)).min();
    let near = routes.iter().filter(|route| Some(distance(route)) == least);
    near.collect()
}

/// Why none of `routes` follows `event`, by the first of those that come nearest.
#[must_use]
pub fn not_followed(routes: &[Route], event: &RdsEvent) -> NotFollowed {
    let near = nearest(routes, event).into_iter().next();
    let near = near.map(|route| (route, route.compare(event)));
    let Some((route, comparison)) = near.filter(|(_, comparison)| comparison.has_the_name()) else {
        let why = format!("no route has source {}", event.source);
        return NotFollowed { why, fix: None };
    };
    let differs = comparison.differing().map(|compared| {
        let part = compared.part;
        let event = compared.event.unwrap_or_default();
        let route = compared.route.unwrap_or_default();
        format!("its {part} is {event}, not {route}")
    });
    let differs: Vec<String> = differs.collect();
    let (name, kind, source) = (&route.name, event.kind, &event.source);
    NotFollowed {
        why: format!("route {name} does not follow {kind} {source}: {}", differs.join(", ")),
        fix: Some(remedy(event, &comparison)),
    }
}

/// What to write where an event should be followed that is not.
fn remedy(event: &RdsEvent, comparison: &Comparison<'_>) -> String {
    if comparison.differing().any(|c| c.part == Part::Kind) {
        return match event.kind {
            SourceKind::Instance => {
                "what happens to an instance of a cluster says nothing about who writes; if the \
                 route is to follow the instance itself, write database = \"instance\""
                    .to_owned()
            }
            SourceKind::Cluster => {
                "if the route is to follow the cluster, write database = \"cluster\"".to_owned()
            }
            SourceKind::BlueGreenDeployment | SourceKind::Other => {
                "nothing is to be done: such events move no route".to_owned()
            }
        };
    }
    match event.source_arn.as_ref().filter(|arn| arn.is_whole()) {
        Some(arn) => format!("if a route is to follow it, write source = \"{arn}\""),
        None => "if a route is to follow it, write the whole ARN as its source".to_owned(),
    }
}
