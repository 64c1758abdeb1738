//! Which of a route's events arrive, by which rules, and from which account and Region.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::preflight::caller::{Place, place_of};
use crate::preflight::pattern::Lets;
use crate::preflight::probe::Probe;
use writerlink_core::model::policy::Database;
use writerlink_core::model::route::Route;
use writerlink_engine::ports::installation::{RouteFacts, RuleFacts};

/// The failovers of a cluster, and of a Multi-AZ instance: those of infra/route.yaml.
const OF_CLUSTER: [u16; 5] = [69, 70, 71, 72, 73];
const OF_INSTANCE: [u16; 6] = [13, 15, 49, 50, 51, 65];

/// Where a route's events come from: the account and Region of its source's ARN, or of its target group.
pub(super) fn home(route: &Route) -> Place<'_> {
    Place::of(route.followed().location)
}

/// Another account or Region of the same partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Elsewhere {
    pub(super) region: String,
    pub(super) account: String,
}

impl Elsewhere {
    pub(super) fn of(place: Place<'_>) -> Self {
        Self { region: place.region.to_owned(), account: place.account.to_owned() }
    }

    pub(super) fn place<'a>(&'a self, home: Place<'a>) -> Place<'a> {
        Place { partition: home.partition, region: &self.region, account: &self.account }
    }
}

/// The rules that forward a route's events, and where these come from.
pub(super) struct Brought<'r> {
    pub(super) rules: Vec<&'r RuleFacts>,
    pub(super) place: Elsewhere,
}

impl<'r> Brought<'r> {
    /// Those for the route's own account and Region; if there are none, those for a place in their patterns:
    /// a hub's bus receives events of other accounts and Regions.
    pub(super) fn of(facts: &RouteFacts, rules: &[&'r RuleFacts]) -> Self {
        let home = home(&facts.route);
        let patterns = rules.iter().filter_map(|rule| rule.pattern.as_deref());
        let others: BTreeSet<Elsewhere> = patterns.flat_map(|pattern| places_named(pattern, home)).collect();
        let places = std::iter::once(Elsewhere::of(home)).chain(others);
        let mut brought = places.map(|place| {
            let forwards = |rule: &&&RuleFacts| {
                let comes = |id: &u16| comes(&[**rule], facts, place.place(home), *id);
                let lets = ids_of(&facts.route).iter().map(comes);
                !rule.targets.is_empty() && lets.into_iter().any(|lets| lets != Comes::No)
            };
            let rules = rules.iter().filter(forwards).copied().collect();
            Self { rules, place }
        });
        let first = brought.find(|brought| !brought.rules.is_empty());
        first.unwrap_or(Self { rules: Vec::new(), place: Elsewhere::of(home) })
    }
}

/// The places other than `home` in a pattern: by account, Region or ARN.
fn places_named(pattern: &str, home: Place<'_>) -> BTreeSet<Elsewhere> {
    let Ok(pattern) = serde_json::from_str::<Value>(pattern) else {
        return BTreeSet::new();
    };
    let listed = |field: &str, own: &str| {
        let listed = pattern[field].as_array().into_iter().flatten();
        let mut listed: Vec<String> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
        listed.push(own.to_owned());
        listed
    };
    let (accounts, regions) = (listed("account", home.account), listed("region", home.region));
    let mut places = BTreeSet::new();
    for account in accounts {
        places.extend(
            regions.iter().map(|region| Elsewhere { region: region.clone(), account: account.clone() }),
        );
    }
    let mut texts = Vec::new();
    texts_in(&pattern, &mut texts);
    let arns = texts.into_iter().filter(|text| text.starts_with("arn:"));
    let arns = arns.filter_map(place_of).filter(|place| {
        let whole = |part: &str| !part.is_empty() && !part.contains('*');
        place.partition == home.partition && whole(place.region) && whole(place.account)
    });
    places.extend(arns.map(Elsewhere::of));
    places.remove(&Elsewhere::of(home));
    places
}

/// Every text of a pattern, at whatever depth.
fn texts_in<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts_in(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| texts_in(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(super) fn ids_of(route: &Route) -> &'static [u16] {
    match route.policy.database {
        Database::Cluster => &OF_CLUSTER,
        Database::Instance => &OF_INSTANCE,
    }
}

/// Whether an event arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Comes {
    /// With every known text.
    Yes,
    /// With some texts, but not with this one.
    Partly(String),
    /// With none.
    No,
    /// It depends on these fields.
    Unknown(BTreeSet<String>),
}

/// Whether one of the rules forwards the event with this id, with each known text.
pub(super) fn comes(rules: &[&RuleFacts], facts: &RouteFacts, place: Place<'_>, id: u16) -> Comes {
    let patterns = || rules.iter().filter_map(|rule| rule.pattern.as_deref());
    let Some(source) = facts.route.source_name() else {
        // Every event that a rule forwards concerns such a route.
        return match patterns().next() {
            Some(_) => Comes::Yes,
            None => Comes::No,
        };
    };
    let probe = Probe::of(facts, source.as_str(), place, id);
    let patterns: Vec<&str> = patterns().filter(|pattern| probe.may_pass(pattern)).collect();
    if patterns.is_empty() {
        return Comes::No;
    }
    let (mut some, mut stopped, mut open) = (false, None, BTreeSet::new());
    for text in probe.texts() {
        match Lets::any(patterns.iter().map(|pattern| probe.through(pattern, text))) {
            Lets::Through => some = true,
            Lets::Not => {
                stopped.get_or_insert_with(|| text.as_str().to_owned());
            }
            Lets::Unknown(fields) => open.extend(fields),
        }
    }
    match stopped {
        Some(text) if some || !open.is_empty() => Comes::Partly(text),
        Some(_) => Comes::No,
        None if open.is_empty() => Comes::Yes,
        None => Comes::Unknown(open),
    }
}
