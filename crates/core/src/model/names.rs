//! Names and ARNs, checked when they are made.

use std::fmt;

use crate::named::named;

/// One part of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::VariantArray, strum::IntoStaticStr, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum ArnPart {
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

named!(ArnPart without parse);

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
    pub(crate) fn in_arn(arn: &'a str) -> Self {
        let mut fields = arn.split(':');
        let mut field = |n| fields.nth(n).unwrap_or_default();
        Self { partition: field(1), region: field(1), account: field(0) }
    }

    /// One of its parts, if it is known; kind and name are no part of a location.
    #[must_use]
    pub fn part(self, part: ArnPart) -> Option<&'a str> {
        let text = match part {
            ArnPart::Kind | ArnPart::Name => "",
            ArnPart::Partition => self.partition,
            ArnPart::Account => self.account,
            ArnPart::Region => self.region,
        };
        (!text.is_empty()).then_some(text)
    }

    /// Whether every part that is known has the form of one.
    pub(crate) fn can_be(self) -> bool {
        let fits = |text: &str, rule: fn(&str) -> bool| text.is_empty() || rule(text);
        fits(self.partition, is_partition) && fits(self.account, is_account) && fits(self.region, is_region)
    }
}

/// Whether `text` can be the account in an ARN.
pub(crate) fn is_account(text: &str) -> bool {
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

fn is_lower_case_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// An identifier that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {rule}")]
pub struct InvalidName {
    /// What kind of identifier.
    pub what: &'static str,
    /// What was given.
    pub value: String,
    /// What it has to be.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The route's name: the key of its state and of its audit chain.
    RouteName
}

name! {
    /// An RDS cluster, instance or deployment identifier, lower case as RDS stores it.
    SourceId
}

name! {
    /// A DB instance identifier, lower case as RDS stores it.
    InstanceId
}

name! {
    /// The ARN of a target group.
    TargetGroupArn
}

name! {
    /// The ARN of a Network Load Balancer's listener.
    ListenerArn
}

/// Longest name of a route: it is part of a DynamoDB key, and it has to fit a table's column.
pub const ROUTE_NAME_LENGTH_MAX: usize = 64;

impl RouteName {
    /// A name from what a person wrote.
    ///
    /// # Errors
    /// When it is empty, too long, or has other characters than lower-case letters, digits, `-` and `_`.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let fits = !text.is_empty() && text.len() <= ROUTE_NAME_LENGTH_MAX;
        let plain =
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if fits && plain {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            what: "route name",
            value: text.to_owned(),
            rule: "1 to 64 lower-case letters, digits, '-' or '_'",
        })
    }
}

/// The rule of RDS for identifiers of clusters and instances, and the length of the longest kind we meet.
const RDS_IDENTIFIER_RULE: &str = "a letter first, then letters, digits and '-', at most 63 characters";

const RDS_IDENTIFIER_LENGTH_MAX: usize = 63;

fn rds_identifier(what: &'static str, text: &str) -> Result<String, InvalidName> {
    let lower = text.to_ascii_lowercase();
    let starts = lower.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let plain = lower.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if starts && plain && lower.len() <= RDS_IDENTIFIER_LENGTH_MAX {
        return Ok(lower);
    }
    Err(InvalidName { what, value: text.to_owned(), rule: RDS_IDENTIFIER_RULE })
}

impl SourceId {
    /// An identifier as an event or a person writes it; old events carry an `rds:` prefix.
    ///
    /// # Errors
    /// When it is no RDS identifier.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        rds_identifier("source identifier", text.strip_prefix("rds:").unwrap_or(text)).map(Self)
    }
}

impl InstanceId {
    /// An identifier as an event or a person writes it.
    ///
    /// # Errors
    /// When it is no RDS identifier.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        rds_identifier("instance identifier", text).map(Self)
    }
}

/// Whether `text` is an ARN of the load balancers' service whose resource begins with `kind`.
fn is_load_balancing_arn(text: &str, kind: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "elasticloadbalancing", region, account, resource] => {
            !partition.is_empty()
                && !region.is_empty()
                && is_account(account)
                && resource.strip_prefix(kind).is_some_and(|rest| rest.contains('/'))
        }
        _ => false,
    }
}

impl TargetGroupArn {
    /// An ARN such as `arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db/73e2d6bc24d8a067`.
    ///
    /// # Errors
    /// When it is no ARN of a target group.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if is_load_balancing_arn(text, "targetgroup/") {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            what: "target group ARN",
            value: text.to_owned(),
            rule: "arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID",
        })
    }

    /// Where the group is. Whoever moves it calls there, and the route's database is there too if nothing else is said.
    #[must_use]
    pub fn location(&self) -> Location<'_> {
        Location::in_arn(&self.0)
    }
}

impl ListenerArn {
    /// An ARN such as
    /// `arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/db/50dc6c495c0c9188/f2f7dc8efc522ab2`.
    ///
    /// # Errors
    /// When it is no ARN of a Network Load Balancer's listener.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if is_load_balancing_arn(text, "listener/net/") {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            what: "listener ARN of a Network Load Balancer",
            value: text.to_owned(),
            rule: "arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener/net/NAME/ID/ID",
        })
    }

    /// Where the listener is.
    #[must_use]
    pub fn location(&self) -> Location<'_> {
        Location::in_arn(&self.0)
    }
}
