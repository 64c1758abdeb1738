//! One `[[route]]` of the file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::checks::Identity;
use crate::config::findings::{Findings, Found, Origin};
use crate::config::policy::Asks;
use crate::config::section::{Number, Section};
use crate::config::source::Written;
use crate::config::strategy::rule_of;
use crate::config::words::Rule;
use crate::config::{
    ALLOWED_CIDRS_DEFAULT, PORT_DEFAULT, ROUTE_NAME_DEFAULT, SOURCE_ANY, ZONE_NONE, checks, policy, source,
    sql, strategy,
};
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::policy::Policy;
use writerlink_core::model::route::{OnStarted, Route, Source};

/// A route as far as it could be read: its identity is held against the others' even if the rest has
/// faults, so that a person hears of all of them at once.
pub(super) struct Draft {
    pub(super) identity: Identity,
    pub(super) route: Option<Route>,
}

const MAP: &str = "instances";

const PORT: Number = Number {
    field: "port",
    range: 1..=65_535,
    why: "this is no port of a database",
    zero: None,
    default: PORT_DEFAULT as u32,
};

const NAME: Rule<RouteName> = Rule {
    parse: |text| RouteName::new(text).map_err(|error| rule_of(&error)),
    fix: "write a short name such as \"orders\"; everything about the route is recorded under it",
};

const CIDR: Rule<IpNet> = Rule {
    parse: |text| match text.parse::<IpNet>() {
        Ok(cidr) if cidr == cidr.trunc() => Ok(cidr),
        Ok(cidr) => Err(format!("this names a host; its range is {}", cidr.trunc())),
        Err(_) => Err("this is no range of addresses".to_owned()),
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

/// What a route has besides its name, its source, its groups and its port.
pub(super) struct Terms {
    pub(super) exclusive: bool,
    pub(super) availability_zone: Option<String>,
    /// The ranges, if they are without fault.
    pub(super) cidrs: Option<Vec<IpNet>>,
    pub(super) on_started: OnStarted,
    pub(super) policy: Policy,
    asks: Asks,
}

impl Terms {
    /// Reads them, in the order of the reference.
    pub(super) fn of(section: &Section<'_>, findings: &mut Findings) -> Self {
        let exclusive = section.flag_or("exclusive", true, findings);
        let availability_zone = section.text_or_none("availability_zone", (&ZONE, ZONE_NONE), findings);
        let cidrs = allowed_cidrs(section, findings);
        let on_started = section.word("on_started", findings);
        let (policy, asks) = policy::policy(section, findings);
        Self { exclusive, availability_zone, cidrs, on_started, policy, asks }
    }
}

/// Reads one route, in the order of the reference.
pub(super) fn draft(section: Section<'_>, findings: &mut Findings) -> Draft {
    let named = section.text("name", &NAME, findings);
    let source = section.text("source", &source::SOURCE, findings);
    let name = name(&section, named, source.as_ref());
    let section = match &name {
        Some(name) => section.named(format!("route.{}", name.value)),
        None => section,
    };
    show_identity(&section, name.as_ref(), source.as_ref(), findings);
    let written = strategy::written(&section, findings);
    let port = section.number(&PORT, findings);
    let mut terms = Terms::of(&section, findings);
    terms.policy.engine = sql::engine(&section, port, &terms.policy, findings);
    let instances = instances(&section, &terms, findings);
    section.has_no_others(findings);
    if terms.asks == Asks::Nobody && !instances.is_empty() {
        let place = section.place_of("allowed_instances");
        checks::allowed_are_listed(&place, (&terms.policy, &instances), findings);
    }
    written.fits(&section, (&terms.policy, &instances), findings);
    let source_of_route = source::source(source.as_ref(), &written, &terms.policy, findings);
    let rds_lists = matches!(source_of_route, Source::Named(_));
    sql::who_is_asked(&section, &terms.policy, !instances.is_empty(), rds_lists, findings);
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
        place,
    };
    Draft { identity, route }
}

/// The name that is written, else the source's, else the one of a route that needs none. None of a faulty
/// source: it would seem to be shared with the next faulty one.
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

/// Whose events, and the name that follows from it: shown together, now that the route has its path.
fn show_identity(
    section: &Section<'_>,
    name: Option<&Found<RouteName>>,
    source: Option<&Found<Written>>,
    findings: &mut Findings,
) {
    if let Some(name) = name {
        findings.understood(&section.place("name", name.place.origin), &name.value);
    }
    match source {
        Some(source) => {
            findings.understood(&section.place("source", source.place.origin), &source.value);
        }
        None => findings.understood(&section.place("source", Origin::Default), SOURCE_ANY),
    }
}

/// The ranges, if they are there and without fault.
fn allowed_cidrs(section: &Section<'_>, findings: &mut Findings) -> Option<Vec<IpNet>> {
    let field = "allowed_cidrs";
    let found = section.texts(field, &CIDR, findings);
    match &found {
        None if section.has(field) => return None,
        Some(found) if found.value.is_empty() => {
            let fix = "name a range, or remove the line";
            section.accuse(field, ("an empty list allows no address at all", fix), findings);
            return None;
        }
        Some(_) | None => {}
    }
    let shown = |cidrs: &Vec<IpNet>| checks::join(cidrs);
    Some(section.or_default(field, (found, ALLOWED_CIDRS_DEFAULT.to_vec()), shown, findings))
}

/// The route's map. Only a route that asks nobody has to have one: without it, and without ranges of the route's
/// own, nothing would bound what a source may bring into the group (I5), since the default ranges hold every
/// address that a load balancer takes.
fn instances(section: &Section<'_>, terms: &Terms, findings: &mut Findings) -> BTreeMap<InstanceId, IpAddr> {
    let table = section.table(MAP, findings);
    let absent = !section.has(MAP) || table.is_empty();
    match terms.asks {
        Asks::Nobody if absent => checks::no_instances(&table.header(), findings),
        Asks::Sources if absent && !section.has("allowed_cidrs") => {
            checks::no_bounds(&section.place_of("allowed_cidrs"), findings);
        }
        Asks::Nobody | Asks::Sources | Asks::Unknown => {}
    }
    let written = table.pairs("an address in quotes", checks::INSTANCE_FIX, findings);
    checks::instances(&written, terms.cidrs.as_deref(), findings)
}
