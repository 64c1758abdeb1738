//! What a viewer asks for in the address of a page: filters, a place in a list, and whether it reloads.

use std::time::Duration;

use writerlink_core::model::names::ROUTE_NAME_LENGTH_MAX;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Cause;
use writerlink_core::status::health::RouteHealth;

/// The filters of a page. Absent means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// A part of the routes' names.
    pub(super) find: String,
    /// The state of the routes.
    pub(super) state: Option<Listed>,
    /// The outcome of the transitions.
    pub(super) outcome: Option<Outcome>,
    /// What caused the transitions.
    pub(super) cause: Option<Cause>,
    /// How far back.
    pub(super) since: Window,
    /// From 1.
    pub(super) page: usize,
    /// The newest record that is shown.
    pub(super) from: Option<u64>,
    /// Whether the viewer stopped the reloading.
    pub(super) stays: bool,
}

/// The state of a route in the list. One that no read of the page has reached yet has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Read(RouteHealth),
    NotYet,
}

impl Listed {
    /// In the order of the list: what a person has to see first.
    pub(super) const IN_ORDER: [Self; 6] = [
        Self::Read(RouteHealth::OutOfSync),
        Self::Read(RouteHealth::Unknown),
        Self::Read(RouteHealth::Held),
        Self::Read(RouteHealth::Converging),
        Self::NotYet,
        Self::Read(RouteHealth::InSync),
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Read(health) => health.as_str(),
            Self::NotYet => "not-read-yet",
        }
    }

    /// Its place in the list.
    pub(super) fn rank(self) -> usize {
        Self::IN_ORDER.iter().position(|listed| *listed == self).unwrap_or_default()
    }
}

/// How far back the list of transitions goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Window {
    Hour,
    SixHours,
    #[default]
    Day,
    Week,
    Month,
}

impl Window {
    pub(super) const ALL: [Self; 5] = [Self::Hour, Self::SixHours, Self::Day, Self::Week, Self::Month];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    pub(super) fn length(self) -> Duration {
        let hours = match self {
            Self::Hour => 1,
            Self::SixHours => 6,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        };
        Duration::from_hours(hours)
    }
}

impl Query {
    /// From a text such as `page=2&find=ord`. Characters that no value has are removed, so nothing has to be
    /// decoded; a value that is not known is no filter.
    pub(super) fn of(text: &str) -> Self {
        let value = |wanted: &str| {
            let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
            let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            found.chars().filter(plain).take(ROUTE_NAME_LENGTH_MAX).collect::<String>()
        };
        let (state, since) = (value("state"), value("since"));
        Self {
            find: value("find").to_ascii_lowercase(),
            state: Listed::IN_ORDER.into_iter().find(|listed| listed.as_str() == state),
            outcome: Outcome::parse(&value("outcome")),
            cause: Cause::parse(&value("cause")),
            since: Window::ALL.into_iter().find(|window| window.as_str() == since).unwrap_or_default(),
            page: value("page").parse().unwrap_or(1),
            from: value("from").parse().ok(),
            stays: value("refresh") == "off",
        }
    }

    /// The address of a page with these filters.
    pub(super) fn href(&self, path: &str) -> String {
        let mut pairs = Vec::new();
        let mut add = |name: &str, value: Option<&str>| {
            pairs.extend(value.map(|value| format!("{name}={value}")));
        };
        add("find", Some(self.find.as_str()).filter(|find| !find.is_empty()));
        add("state", self.state.map(Listed::as_str));
        add("outcome", self.outcome.map(Outcome::as_str));
        add("cause", self.cause.map(Cause::as_str));
        add("since", (self.since != Window::default()).then(|| self.since.as_str()));
        add("page", (self.page > 1).then(|| self.page.to_string()).as_deref());
        add("from", self.from.map(|from| from.to_string()).as_deref());
        add("refresh", self.stays.then_some("off"));
        if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_without_characters_that_no_value_has() {
        let query = Query::of("find=Ord<script>&page=2&state=held&outcome=Moved&cause=event&since=7d");
        assert_eq!((query.find.as_str(), query.page), ("ordscript", 2));
        assert_eq!(query.state, Some(Listed::Read(RouteHealth::Held)));
        assert_eq!((query.outcome, query.cause), (Some(Outcome::Moved), Some(Cause::Event)));
        assert_eq!(query.since, Window::Week);
        let nonsense = Query::of("page=-1&&=&find&state=<b>&since=5y");
        assert_eq!(nonsense, Query { page: 1, ..Query::default() });
    }

    #[test]
    fn an_address_keeps_every_filter() {
        for text in
            ["find=a&state=not-read-yet&page=3", "outcome=Failed&cause=operator&since=30d&refresh=off"]
        {
            let query = Query::of(text);
            assert_eq!(query.href("/"), format!("/?{text}"));
        }
        assert_eq!(Query::of("").href("/"), "/");
    }

    #[test]
    fn every_state_has_its_place_in_the_list() {
        for health in RouteHealth::ALL {
            assert!(Listed::IN_ORDER.contains(&Listed::Read(health)), "{health}");
        }
    }
}
