//! Which routes an event concerns, and why.
//!
//! Most events come from a route's own source. Those of a blue/green deployment come from the deployment (`bgd-…`) and
//! name the databases that it renames in their English alone. Such a name requires a reading, and is never
//! evidence (I5).

use crate::evidence::event::{Claim, RdsEvent};
use crate::evidence::identity::{NotFollowed, not_followed};
use crate::model::names::SourceId;
use crate::model::policy::Database;
use crate::model::route::Route;
use crate::model::source_arn::{SourceArn, SourceKind};
use crate::named::named;

/// Why an event concerns a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Concern {
    /// It comes from the route's source.
    Source,
    /// It comes from a blue/green deployment, and its text names the route's source.
    NamedInText,
}
named!(Concern without parse);

/// Why `event` concerns `route`; none if it does not.
#[must_use]
pub fn concern(route: &Route, event: &RdsEvent) -> Option<Concern> {
    if route.follows(event) {
        Some(Concern::Source)
    } else if is_named_in(route, event) {
        Some(Concern::NamedInText)
    } else {
        None
    }
}

/// Every route that `event` concerns, and why, in the order of the routes.
#[must_use]
pub fn concerned<'a>(routes: &'a [Route], event: &RdsEvent) -> Vec<(&'a Route, Concern)> {
    let why = |route: &'a Route| Some((route, concern(route, event)?));
    routes.iter().filter_map(why).collect()
}

/// Whether `event` comes from a blue/green deployment beside the route's source and names that source.
#[must_use]
pub fn is_named_in(route: &Route, event: &RdsEvent) -> bool {
    let Some(source) = route.source_name() else {
        return false;
    };
    let is_own = |named: &NamedDatabase| {
        named.id == *source && named.kind.is_none_or(|kind| kind == route.policy.database)
    };
    asks_by_name(event) && is_beside(route, event) && databases_named_in(&event.message).iter().any(is_own)
}

/// Whether `event` requires a reading of the databases that its text names.
fn asks_by_name(event: &RdsEvent) -> bool {
    event.kind == SourceKind::BlueGreenDeployment && event.claim() == Ok(Claim::RequireReading)
}

/// Whether the event's resource is in the partition, Region and account of the route. A name alone is no identity:
/// without an ARN the account of the name is unknown.
fn is_beside(route: &Route, event: &RdsEvent) -> bool {
    let arn = event.source_arn.as_ref().filter(|arn| arn.is_whole());
    arn.is_some_and(|arn| arn.location() == route.followed().location)
}

/// A database that the text of a blue/green deployment names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedDatabase {
    /// Its identifier.
    pub id: SourceId,
    /// What it is, where the text says so.
    pub kind: Option<Database>,
}

/// How a text begins that names databases, and what it then says they are: 0247 says nothing, 0251 and 0252 "primary" or
/// "read replica", 0260 and 0261 "DB cluster" (RDS and Aurora User Guide, "Blue/green deployment events").
const OPENINGS: [(&str, Option<Database>); 5] = [
    ("Switchover from DB cluster ", Some(Database::Cluster)),
    ("Switchover from primary/read replica ", Some(Database::Instance)),
    ("Switchover from primary ", Some(Database::Instance)),
    ("Switchover from read replica ", Some(Database::Instance)),
    ("Switchover from ", None),
];

/// What stands before the names that databases have from then on.
const RENAMED: &str = " completed. Renamed ";

/// The databases that the text of a blue/green deployment names, in the wordings that RDS documents: at most six, since
/// no more of a text is read. The reason of a canceled switchover is free text, so nothing is taken from it.
#[must_use]
pub fn databases_named_in(message: &str) -> Vec<NamedDatabase> {
    let switchover = OPENINGS.iter().find_map(|(opening, kind)| {
        let (names, rest) = two_names(message.strip_prefix(opening)?)?;
        Some((*kind, names, rest))
    });
    let Some((kind, names, rest)) = switchover else {
        return Vec::new();
    };
    let mut databases: Vec<NamedDatabase> = Vec::new();
    for id in names.into_iter().chain(renamed(rest)) {
        if databases.iter().all(|known| known.id != id) {
            databases.push(NamedDatabase { id, kind });
        }
    }
    databases
}

/// The names that follow [`RENAMED`], as in "A to B and C to D."
fn renamed(rest: &str) -> impl Iterator<Item = SourceId> + use<> {
    let names = || {
        let (first, rest) = two_names(rest.strip_prefix(RENAMED)?)?;
        let (second, _) = two_names(rest.strip_prefix(" and ")?)?;
        Some([first, second])
    };
    names().into_iter().flatten().flatten()
}

/// The names in "A to B", and what follows them.
fn two_names(text: &str) -> Option<([SourceId; 2], &str)> {
    let (first, rest) = name(text)?;
    let (second, rest) = name(rest.strip_prefix(" to ")?)?;
    Some(([first, second], rest))
}

/// The identifier at the start of a text, and what follows it. It has to end where a word ends: one that is cut off
/// would be the name of something else.
fn name(text: &str) -> Option<(SourceId, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    let ends = rest.is_empty() || rest.starts_with([' ', '.']);
    let id = SourceId::new(word).ok()?;
    ends.then_some((id, rest))
}

/// Why an event concerns none of the routes.
#[must_use]
pub fn why_no_route(routes: &[Route], event: &RdsEvent) -> NotFollowed {
    if event.kind != SourceKind::BlueGreenDeployment {
        return not_followed(routes, event);
    }
    // No route has a deployment as its source: the databases that it renames have names of their own.
    let fix = "nothing is to be done, unless a route should follow one of these databases: then compare its source with \
               this account and Region";
    NotFollowed { why: why_unnamed(event), fix: Some(fix.to_owned()) }
}

/// Why a blue/green deployment names no route.
fn why_unnamed(event: &RdsEvent) -> String {
    let deployment = &event.source;
    if !asks_by_name(event) {
        let id = event.id.map(|id| id.to_string());
        let id = id.unwrap_or_else(|| "an event without EventID".to_owned());
        return format!("{id} of blue/green deployment {deployment} requires no reading");
    }
    let databases = databases_named_in(&event.message);
    let names: Vec<&str> = databases.iter().map(|named| named.id.as_str()).collect();
    if names.is_empty() {
        return format!(
            "the text of blue/green deployment {deployment} names no database; other events of the same switchover do"
        );
    }
    let place = event.source_arn.as_ref().map(SourceArn::location);
    let place = place.map_or_else(
        || "an account that it does not say".to_owned(),
        |place| format!("{} of account {}", place.region, place.account),
    );
    format!(
        "blue/green deployment {deployment} names {}, and no route has one of them in {place} as its source",
        names.join(", ")
    )
}
