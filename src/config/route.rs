//! One `[[route]]` of the file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::checks::Identity;
use crate::config::findings::{Found, Origin};
use crate::config::policy::DiscoveryKind;
use crate::config::relay::Fits;
use crate::config::section::{Number, Section};
use crate::config::source::Written;
use crate::config::strategy::{Kind, rule_of};
use crate::config::words::{Keyword as _, Rule};
use crate::config::{
    ALLOWED_CIDRS_DEFAULT, PORT_DEFAULT, ROUTE_NAME_DEFAULT, SOURCE_ANY, ZONE_NONE, checks, policy, source,
    sql, strategy,
};
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::policy::Policy;
use writerlink_core::model::route::{OnStarted, Route, Source};

/// A route as far as it could be read: its identity is compared with the others' even if the rest has
/// faults, so that all faults are reported at once.
pub(super) struct Draft {
    pub(super) identity: Identity,
    pub(super) route: Option<Route>,
}

const MAP: &str = "instances";

const PORT: Number = Number::new("port", 1..=65_535, PORT_DEFAULT as u32, "this is not a port");

const NAME: Rule<RouteName> = Rule {
    parse: |text| RouteName::new(text).map_err(|error| rule_of(&error)),
    fix: "write a short name such as \"orders\"; everything about the route is recorded under it",
};

const CIDR: Rule<IpNet> = Rule {
    parse: |text| match text.parse::<IpNet>() {
        Ok(cidr) if cidr == cidr.trunc() => Ok(cidr),
        Ok(cidr) => Err(format!("this is a host address; its range is {}", cidr.trunc())),
        Err(_) => Err("this is not a CIDR range".to_owned()),
    },
    fix: "write a list of CIDR ranges, such as [\"10.0.0.0/8\"]",
};

const ZONE: Rule<String> = Rule {
    parse: |text| {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if plain && !text.is_empty() {
            return Ok(text.to_owned());
        }
        Err("this is neither \"all\" nor a zone".to_owned())
    },
    fix: "write \"all\" for addresses outside the group's VPC; for those inside, remove the line",
};

/// The fields of a route besides its name, source, groups and port.
pub(super) struct Terms {
    pub(super) exclusive: bool,
    pub(super) availability_zone: Option<String>,
    /// The ranges, if they are without fault.
    pub(super) cidrs: Option<Vec<IpNet>>,
    pub(super) on_started: OnStarted,
    pub(super) policy: Policy,
    discovery_kind: DiscoveryKind,
}

impl Terms {
    /// Reads them, in the order of the reference.
    pub(super) fn of(section: &Section<'_>, kind: Option<Kind>) -> Self {
        let exclusive = section.flag_or("exclusive", true);
        let availability_zone = section.text_or_none("availability_zone", &ZONE, ZONE_NONE);
        let cidrs = allowed_cidrs(section);
        let on_started = on_started(section, kind);
        let (policy, discovery_kind) = policy::policy(section);
        Self { exclusive, availability_zone, cidrs, on_started, policy, discovery_kind }
    }
}

/// What a started failover does. A load balancer needs minutes, so its routes move at once; a relay needs none, and
/// the coming writer takes no writes yet.
fn on_started(section: &Section<'_>, kind: Option<Kind>) -> OnStarted {
    let found = section.text("on_started", &OnStarted::RULE);
    let default = if kind == Some(Kind::Relay) { OnStarted::Wait } else { OnStarted::default() };
    section.or_default("on_started", found, default, |word| word.word().to_owned())
}

/// Reads one route, in the order of the reference.
pub(super) fn draft(section: Section<'_>) -> Draft {
    let named = section.text("name", &NAME);
    let source = section.text("source", &source::SOURCE);
    let name = name(&section, named, source.as_ref());
    let section = match &name {
        Some(name) => section.named(format!("route.{}", name.value)),
        None => section,
    };
    show_identity(&section, name.as_ref(), source.as_ref());
    let written = strategy::written(&section);
    let port = section.number(&PORT);
    let mut terms = Terms::of(&section, written.kind);
    terms.policy.engine = sql::engine(&section, port, &terms.policy);
    let instances = instances(&section, &terms);
    section.has_no_others();
    if terms.discovery_kind == DiscoveryKind::Events && !instances.is_empty() {
        let place = section.place_of("allowed_instances");
        checks::allowed_are_listed(&place, &terms.policy, &instances, section.findings);
    }
    let fits = Fits { policy: &terms.policy, instances: &instances, on_started: terms.on_started };
    written.fits(&section, fits);
    let source_of_route = source::source(source.as_ref(), &written, &terms.policy, section.findings);
    let rds_lists = matches!(source_of_route, Source::Named(_));
    sql::who_is_asked(&section, &terms.policy, !instances.is_empty(), rds_lists);
    let route = || {
        let (strategy, group) = written.strategy(terms.availability_zone.as_ref())?;
        Some(Route {
            name: name.as_ref()?.value.clone(),
            source: source_of_route,
            strategy,
            group,
            port: u16::try_from(port).ok()?,
            instances,
            allowed_cidrs: terms.cidrs?,
            exclusive: terms.exclusive,
            on_started: terms.on_started,
            policy: terms.policy,
        })
    };
    let route = route();
    let place = section.header();
    let identity = Identity {
        name: name.filter(|name| name.place.origin != Origin::Default),
        source,
        groups: written.groups.into_iter().map(|(_, group)| group).collect(),
        listener: written.listener,
        relay: written.relay,
        place,
    };
    Draft { identity, route }
}

/// The name that is written, else the source's, else the one of a route that needs none. `None` for a faulty
/// source: two faulty sources would seem to share a name.
fn name(
    section: &Section<'_>,
    named: Option<Found<RouteName>>,
    source: Option<&Found<Written>>,
) -> Option<Found<RouteName>> {
    if section.has("name") {
        return named;
    }
    let (text, origin) = match source {
        Some(source) => (source.value.name().as_str(), source.place.origin),
        None if section.has("source") => return None,
        None => (ROUTE_NAME_DEFAULT, Origin::Default),
    };
    // Every identifier of RDS is a name too: lower case, letters, digits and '-', at most 63 of them.
    let value = RouteName::new(text).ok()?;
    let place = section.place("name", origin);
    Some(Found { value, place })
}

/// Records source and name as understood, now that the route has its path.
fn show_identity(section: &Section<'_>, name: Option<&Found<RouteName>>, source: Option<&Found<Written>>) {
    if let Some(name) = name {
        section.findings.understood(&section.place("name", name.place.origin), &name.value);
    }
    match source {
        Some(source) => {
            section.findings.understood(&section.place("source", source.place.origin), &source.value);
        }
        None => section.findings.understood(&section.place("source", Origin::Default), SOURCE_ANY),
    }
}

/// The ranges, if they are there and without fault.
fn allowed_cidrs(section: &Section<'_>) -> Option<Vec<IpNet>> {
    let field = "allowed_cidrs";
    let found = section.texts(field, &CIDR);
    match &found {
        None if section.has(field) => return None,
        Some(found) if found.value.is_empty() => {
            let fix = "name a range, or remove the line";
            section.accuse(field, "an empty list allows no address at all", fix);
            return None;
        }
        Some(_) | None => {}
    }
    let shown = |cidrs: &Vec<IpNet>| checks::join(cidrs);
    Some(section.or_default(field, found, ALLOWED_CIDRS_DEFAULT.to_vec(), shown))
}

/// The route's map. An events-only route has to have one. The others need it or ranges of their own: nothing
/// else would limit which address a source may bring into the group (I5), since the default ranges contain
/// every address that a load balancer accepts.
fn instances(section: &Section<'_>, terms: &Terms) -> BTreeMap<InstanceId, IpAddr> {
    let table = section.table(MAP);
    let absent = !section.has(MAP) || table.is_empty();
    match terms.discovery_kind {
        DiscoveryKind::Events if absent => checks::no_instances(&table.header(), section.findings),
        DiscoveryKind::Sources if absent && !section.has("allowed_cidrs") => {
            checks::no_bounds(&section.place_of("allowed_cidrs"), section.findings);
        }
        DiscoveryKind::Events | DiscoveryKind::Sources | DiscoveryKind::Unknown => {}
    }
    let written = table.pairs("an address in quotes", checks::INSTANCE_FIX);
    checks::instances(&written, terms.cidrs.as_deref(), section.findings)
}
