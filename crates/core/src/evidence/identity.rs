//! Which database an event is about, and which one a route follows.
//!
//! A name alone is no identity (I5): every account has a cluster of the same name in every Region if it likes, and an
//! instance may be called like its cluster. Compared are kind, name, partition, account and Region. A part that the
//! event does not say (an SNS message of before 2020 has no ARN) cannot be compared and counts as the route's.

use std::fmt;

use crate::evidence::event::RdsEvent;
use crate::model::names::{ArnPart, SourceId};
use crate::model::route::Route;
use crate::model::source_arn::{Followed, SourceArn, SourceKind};

/// One part as an event says it and as a route has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared<'a> {
    /// Which part.
    pub part: ArnPart,
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
    pub(crate) fn settled(&self) -> &str {
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

/// An event compared with what a route follows, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison<'a>(pub [Compared<'a>; 5]);

impl<'a> Comparison<'a> {
    /// Compares.
    #[must_use]
    pub fn of(event: &'a RdsEvent, route: Followed<'a>) -> Self {
        let said = event.source_arn.as_ref().map(SourceArn::location);
        Self(ArnPart::ALL.map(|part| {
            let (event, route) = match part {
                ArnPart::Kind => (Some(event.kind.as_str()), Some(route.kind.as_str())),
                ArnPart::Name => (Some(event.source.as_str()), route.name.map(SourceId::as_str)),
                ArnPart::Partition | ArnPart::Account | ArnPart::Region => {
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
            ArnPart::Kind | ArnPart::Name => false,
            ArnPart::Partition | ArnPart::Account | ArnPart::Region => true,
        })
    }

    fn has_the_name(&self) -> bool {
        self.differing().all(|compared| compared.part != ArnPart::Name)
    }
}

/// Why no route follows an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFollowed {
    /// Which part differs.
    pub why: String,
    /// What to do if a route should; nothing if no route has the name.
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

/// What to configure if the event should be followed.
fn remedy(event: &RdsEvent, comparison: &Comparison<'_>) -> String {
    if comparison.differing().any(|c| c.part == ArnPart::Kind) {
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

impl Route {
    /// An event compared with what the route follows.
    #[must_use]
    pub fn compare<'a>(&'a self, event: &'a RdsEvent) -> Comparison<'a> {
        Comparison::of(event, self.followed())
    }

    /// Whether the route follows the event's source.
    #[must_use]
    pub fn follows(&self, event: &RdsEvent) -> bool {
        self.compare(event).agrees()
    }
}
