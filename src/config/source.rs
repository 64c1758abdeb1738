//! `source`: the database whose events move a route, by identifier or by ARN.

use std::fmt;

use crate::config::findings::{Findings, Found, Place};
use crate::config::strategy;
use crate::config::words::Rule;
use writerlink_core::model::names::SourceId;
use writerlink_core::model::policy::{Database, DiscoverySource, Policy};
use writerlink_core::model::route::Source;
use writerlink_core::model::source_arn::{SourceArn, SourceKind};

/// A source as it is written.
pub(super) enum Written {
    /// By its identifier: it is in the account and Region of the target group.
    Name(SourceId),
    /// By its ARN, wherever it is.
    Arn(SourceArn),
}

pub(super) const SOURCE: Rule<Written> = Rule {
    parse: |text| {
        let written = if text.starts_with("arn:") {
            SourceArn::parse(text).map(Written::Arn)
        } else {
            SourceId::new(text).map(Written::Name)
        };
        let written = written.map_err(|error| strategy::rule_of(&error))?;
        match &written {
            Written::Arn(arn) => match arn.kind() {
                SourceKind::Cluster | SourceKind::Instance => Ok(written),
                SourceKind::BlueGreenDeployment | SourceKind::Other => {
                    Err("this ARN is not that of a cluster or an instance".to_owned())
                }
            },
            Written::Name(_) => Ok(written),
        }
    },
    fix: "write the cluster's identifier (no endpoint), such as \"aurora-source\"; or its ARN if it is of another account \
          or Region than the target group",
};

impl Written {
    /// The identifier.
    pub(super) fn name(&self) -> &SourceId {
        match self {
            Self::Name(name) => name,
            Self::Arn(arn) => arn.name(),
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Arn(arn) => arn.fmt(f),
        }
    }
}

/// The source that the route follows, checked against the location of its groups and its policy.
pub(super) fn source(
    written: Option<&Found<Written>>,
    strategy: &strategy::Written,
    policy: &Policy,
    findings: &Findings,
) -> Source {
    let Some(Found { value, place }) = written else {
        return Source::Any;
    };
    let arn = match value {
        Written::Name(name) => return Source::Named(name.clone()),
        Written::Arn(arn) => arn,
    };
    is_the_database(arn, policy.database, place, findings);
    let mut groups = strategy.groups.iter().map(|(_, group)| &group.value);
    if groups.all(|group| group.location() == arn.location()) {
        return Source::Named(arn.name().clone());
    }
    if policy.discovery.contains(&DiscoverySource::Rds) {
        let why = "discovery has rds, which is read in the account and Region of the target group: there this name belongs to \
                   another database or to none";
        let fix = "write discovery = \"dns\" with the cluster's endpoint, or discovery = \"events\"";
        findings.fault(place, Some(&format!("\"{arn}\"")), why, fix);
    }
    Source::Elsewhere(arn.clone())
}

/// The ARN's type has to agree with `database`.
fn is_the_database(arn: &SourceArn, database: Database, place: &Place, findings: &Findings) {
    let (kind, own, other) = match database {
        Database::Cluster => (SourceKind::Cluster, "cluster", "instance"),
        Database::Instance => (SourceKind::Instance, "instance", "cluster"),
    };
    if arn.kind() != kind {
        let why = format!(
            "the route follows a DB {own} (database = \"{own}\"), but this is the ARN of a DB {other}"
        );
        let fix = format!("write database = \"{other}\", or the ARN of the {own}");
        findings.fault(place, Some(&format!("\"{arn}\"")), why, fix);
    }
}
