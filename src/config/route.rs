//! One `[[route]]` of the file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::checks::{self, Identity};
use super::findings::{Findings, Found, Origin};
use super::policy::{self, Asks};
use super::section::{Limits, Rule, Section};
use super::source::{self, Written};
use super::strategy::{self, rule_of};
use super::words::Word as _;
use super::{ALLOWED_CIDRS_DEFAULT, PORT_DEFAULT, ROUTE_NAME_DEFAULT, SOURCE_ANY, ZONE_NONE};
use crate::domain::route::{InstanceId, OnStarted, Route, RouteName};

/// A route as far as it could be read: its identity is held against the others' even if the rest has
/// faults, so that a person hears of all of them at once.
pub(super) struct Draft {
    pub(super) identity: Identity,
    pub(super) route: Option<Route>,
}

/// What is read here, before and after the [strategy], and before the [policy].
const FIELDS: [&str; 2] = ["name", "source"];
const MORE_FIELDS: [&str; 5] = ["port", "exclusive", "availability_zone", "allowed_cidrs", "on_started"];
const MAP: &str = "instances";

const PORT: Limits = Limits::within(1..=65_535, "this is no port of a database");

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

/// Reads one route, in the order of the reference.
pub(super) fn draft(section: Section<'_>, findings: &mut Findings) -> Draft {
    let source = section.text("source", &source::SOURCE, findings);
    let name = name(&section, source.as_ref(), findings);
    let section = match &name {
        Some(name) => section.named(format!("route.{}", name.value)),
        None => section,
    };
    let known = [&FIELDS[..], &strategy::FIELDS, &MORE_FIELDS, &policy::FIELDS, &[MAP]].concat();
    section.knows(&known, findings);
    show_identity(&section, name.as_ref(), source.as_ref(), findings);
    let written = strategy::written(&section, findings);
    let port = section.number_or("port", &PORT, PORT_DEFAULT.into(), findings);
    let exclusive = section.flag_or("exclusive", true, findings);
    let availability_zone = zone(&section, findings);
    let cidrs = allowed_cidrs(&section, findings);
    let on_started = on_started(&section, findings);
    let (policy, asks) = policy::policy(&section, findings);
    let instances = instances(&section, (asks, cidrs.as_deref()), findings);
    if asks == Asks::Nobody && !instances.is_empty() {
        let place = section.place_of("allowed_instances");
        checks::allowed_are_listed(&place, (&policy, &instances), findings);
    }
    written.fits(&section, (&policy, &instances), findings);
    let source_of_route = source::source(source.as_ref(), &written, &policy, findings);
    let route = || {
        let (strategy, group) = written.strategy(availability_zone.as_ref())?;
        Some(Route {
            name: name.as_ref()?.value.clone(),
            source: source_of_route,
            strategy,
            group,
            port: u16::try_from(port).ok()?,
            instances,
            allowed_cidrs: cidrs?,
            exclusive,
            on_started,
            policy,
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
    source: Option<&Found<Written>>,
    findings: &mut Findings,
) -> Option<Found<RouteName>> {
    if section.has("name") {
        return section.text("name", &NAME, findings);
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

fn zone(section: &Section<'_>, findings: &mut Findings) -> Option<String> {
    let zone = section.text("availability_zone", &ZONE, findings);
    let (place, shown) = match &zone {
        Some(zone) => (zone.place.clone(), zone.value.as_str()),
        None => (section.place("availability_zone", Origin::Default), ZONE_NONE),
    };
    findings.understood(&place, shown);
    zone.map(|zone| zone.value)
}

/// The ranges, if they are there and without fault.
fn allowed_cidrs(section: &Section<'_>, findings: &mut Findings) -> Option<Vec<IpNet>> {
    let field = "allowed_cidrs";
    if !section.has(field) {
        let cidrs = ALLOWED_CIDRS_DEFAULT.to_vec();
        findings.understood(&section.place(field, Origin::Default), checks::join(&cidrs));
        return Some(cidrs);
    }
    let found = section.texts(field, &CIDR, findings)?;
    if found.value.is_empty() {
        let why = "an empty list allows no address at all";
        findings.fault(&found.place, Some("[]"), why, "name a range, or remove the line");
        return None;
    }
    findings.understood(&found.place, checks::join(&found.value));
    Some(found.value)
}

fn on_started(section: &Section<'_>, findings: &mut Findings) -> OnStarted {
    let found = section.text("on_started", &OnStarted::RULE, findings);
    let (value, origin) = match found {
        Some(found) => (found.value, found.place.origin),
        None => (OnStarted::default(), Origin::Default),
    };
    findings.understood(&section.place("on_started", origin), value.word());
    value
}

/// The route's map. Only a route that asks nobody has to have one: without it, and without ranges of the route's
/// own, nothing would bound what a witness may bring into the group (I5), since the default ranges hold every
/// address that a load balancer takes.
fn instances(
    section: &Section<'_>,
    (asks, cidrs): (Asks, Option<&[IpNet]>),
    findings: &mut Findings,
) -> BTreeMap<InstanceId, IpAddr> {
    let table = section.table(MAP, findings);
    let absent = !section.has(MAP) || table.is_empty();
    match asks {
        Asks::Nobody if absent => checks::no_instances(&table.header(), findings),
        Asks::Witnesses if absent && !section.has("allowed_cidrs") => {
            checks::no_bounds(&section.place_of("allowed_cidrs"), findings);
        }
        Asks::Nobody | Asks::Witnesses | Asks::Unknown => {}
    }
    let written = table.pairs("an address in quotes", checks::INSTANCE_FIX, findings);
    checks::instances(&written, cidrs, findings)
}
