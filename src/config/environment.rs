//! The Lambda's configuration: three variables, one route.

use crate::config::findings::{Findings, Found, Origin, Place};
use crate::config::route::Terms;
use crate::config::section::Section;
use crate::config::strategy::Kind;
use crate::config::words::Keyword as _;
use crate::config::{
    Config, ConfigError, Env, Loaded, PORT_DEFAULT, ROUTE_NAME_DEFAULT, ReadFrom, SOURCE_ANY, checks, dict,
    file,
};
use writerlink_core::model::names::{RouteName, TargetGroupArn};
use writerlink_core::model::provenance::ConfigHash;
use writerlink_core::model::route::{Route, Source, Strategy, TargetGroup};

/// The variable with the target group's ARN.
pub const TARGET_GROUP_ARN: &str = "TARGET_GROUP_ARN";

/// The variable with the address of each instance.
pub const IP_DICT: &str = "IP_DICT";

/// The variable with the port, [`PORT_DEFAULT`] without it.
pub const TARGET_PORT: &str = "TARGET_PORT";

const ARN_FIX: &str =
    "copy the ARN from the target group's page, or unset the variable and use --config FILE";
const DICT_FIX: &str = "write a JSON object, as in {\"db-1\": \"10.0.1.10\", \"db-2\": \"10.0.1.11\"}";
const PORT_FIX: &str = "write a number from 1 to 65535, or unset the variable for 3306";

/// The Lambda's variables that are set. One that is set to nothing is not.
pub(super) fn set_variables(env: Env<'_>) -> Vec<&'static str> {
    let set = |name: &&'static str| get(env, name).is_some();
    [TARGET_GROUP_ARN, IP_DICT].into_iter().filter(set).collect()
}

fn get(env: Env<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.trim().is_empty())
}

/// The one route, with what the Lambda had and nothing else: no source (the Lambda ignored it), an exclusive
/// group, and the map alone (the Lambda had no discovery source).
pub(super) fn parse(env: Env<'_>) -> Result<Loaded, ConfigError> {
    let findings = Findings::new(ReadFrom::Environment);
    let nothing = Section::absent(String::new(), &findings);
    let Some(shared) = file::shared(&nothing, ConfigHash::of(&text(env)), env) else {
        return findings.conclude(None);
    };
    let route = route(env, &findings);
    findings.conclude(route.map(|route| Config { routes: vec![route], ..shared }))
}

/// The variables as a text, for the hash of a configuration that has no file: a line `NAME=value` for each
/// that is set.
fn text(env: Env<'_>) -> String {
    let variables = [TARGET_GROUP_ARN, IP_DICT, TARGET_PORT].into_iter();
    let set = variables.filter_map(|name| Some(format!("{name}={}\n", get(env, name)?)));
    set.collect()
}

fn route(env: Env<'_>, findings: &Findings) -> Option<Route> {
    let section = Section::absent(format!("route.{ROUTE_NAME_DEFAULT}"), findings);
    for (field, value) in
        [("name", ROUTE_NAME_DEFAULT), ("source", SOURCE_ANY), ("strategy", Kind::default().word())]
    {
        findings.understood(&section.place(field, Origin::Default), value);
    }
    let arn = variable(env, TARGET_GROUP_ARN, ARN_FIX, findings)
        .and_then(|text| crate::config::environment::arn(&text, findings));
    let port = crate::config::environment::port(env, &section);
    let Terms { exclusive, availability_zone, cidrs, on_started, policy, .. } = Terms::of(&section, None);
    let instances = variable(env, IP_DICT, DICT_FIX, findings)
        .and_then(|text| pairs(&text, findings))
        .map(|pairs| checks::instances(&pairs, cidrs.as_deref(), findings));
    Some(Route {
        name: RouteName::new(ROUTE_NAME_DEFAULT).ok()?,
        source: Source::Any,
        strategy: Strategy::default(),
        group: TargetGroup { arn: arn?, availability_zone },
        port: port?,
        instances: instances?,
        allowed_cidrs: cidrs?,
        exclusive,
        on_started,
        policy,
    })
}

fn place(name: &'static str) -> Place {
    Place { field: name.to_owned(), origin: Origin::Variable(name) }
}

fn variable(env: Env<'_>, name: &'static str, fix: &str, findings: &Findings) -> Option<String> {
    let value = get(env, name);
    if value.is_none() {
        let other = if name == IP_DICT { TARGET_GROUP_ARN } else { IP_DICT };
        let why = format!("the variable is not set, but {other} is: the Lambda had both");
        findings.fault(&place(name), None, why, fix);
    }
    value
}

fn arn(text: &str, findings: &Findings) -> Option<TargetGroupArn> {
    let place = place(TARGET_GROUP_ARN);
    match TargetGroupArn::new(text.trim()) {
        Ok(arn) => {
            findings.understood(&route_place("target_group", TARGET_GROUP_ARN), &arn);
            Some(arn)
        }
        Err(error) => {
            let why = format!("this is not the ARN of a target group: {}", error.rule);
            findings.fault(&place, Some(&format!("{text:?}")), why, ARN_FIX);
            None
        }
    }
}

fn port(env: Env<'_>, section: &Section<'_>) -> Option<u16> {
    let Some(text) = get(env, TARGET_PORT) else {
        section.findings.understood(&section.place("port", Origin::Default), PORT_DEFAULT);
        return Some(PORT_DEFAULT);
    };
    match text.trim().parse::<u16>() {
        Ok(port) if port > 0 => {
            section.findings.understood(&route_place("port", TARGET_PORT), port);
            Some(port)
        }
        Ok(_) | Err(_) => {
            let quote = format!("{text:?}");
            section.findings.fault(&place(TARGET_PORT), Some(&quote), "this is not a port", PORT_FIX);
            None
        }
    }
}

fn route_place(field: &str, variable: &'static str) -> Place {
    Place { field: format!("route.{ROUTE_NAME_DEFAULT}.{field}"), origin: Origin::Variable(variable) }
}

fn pairs(text: &str, findings: &Findings) -> Option<Vec<checks::Written>> {
    let pairs = match dict::parse(text) {
        Ok(pairs) => pairs,
        Err(dict::NotADict { at, expected }) => {
            let why = format!("character {at} should be {expected}");
            findings.fault(&place(IP_DICT), Some(text), why, DICT_FIX);
            return None;
        }
    };
    if pairs.is_empty() {
        checks::no_instances(&place(IP_DICT), findings);
    }
    let found = pairs.into_iter().map(|(name, address)| Found {
        place: route_place(&format!("instances.{name}"), IP_DICT),
        value: (name, address),
    });
    Some(found.collect())
}
