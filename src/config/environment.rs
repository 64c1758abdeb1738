//! The Lambda's configuration: three variables, one route.

use std::fmt::Display;

use super::checks;
use super::findings::{Findings, Found, Origin, Place};
use super::installation::installation;
use super::policy::shown;
use super::strategy::Kind;
use super::words::Word as _;
use super::{
    ALLOWED_CIDRS_DEFAULT, Config, ConfigError, Env, Loaded, PORT_DEFAULT, QueueRef, ROUTE_NAME_DEFAULT,
    ReadFrom, Resolver, SOURCE_ANY, Tables, WorkerSettings, ZONE_NONE, dict, file,
};
use crate::domain::policy::Policy;
use crate::domain::provenance::{ConfigHash, Provenance};
use crate::domain::route::{OnStarted, Route, RouteName, Source, Strategy, TargetGroup, TargetGroupArn};
use crate::domain::turns::Quota;
use crate::reconcile::MOVES_PER_MINUTE_MAX;
use crate::timer::Reconciling;

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

/// The one route. It is everything the Lambda was told, and nothing it was not: no source (the Lambda never
/// looked at one), the group its own.
pub(super) fn parse(env: Env<'_>) -> Result<Loaded, ConfigError> {
    let mut findings = Findings::new(ReadFrom::Environment);
    let tables = Tables::default();
    let Some(name) = installation(None, &tables.state, env, &mut findings) else {
        return findings.conclude(None);
    };
    let config = Config {
        provenance: Provenance { installation: name.value, config: ConfigHash::of(&text(env)) },
        queue: QueueRef::default(),
        ledger: tables,
        worker: WorkerSettings::default(),
        reconciling: Reconciling::default(),
        moves_per_minute_max: MOVES_PER_MINUTE_MAX,
        quota: Some(Quota::default()),
        resolver: Resolver::default(),
        routes: Vec::new(),
    };
    file::show_defaults(&config, name.place.origin, &mut findings);
    let route = route(env, &mut findings);
    findings.conclude(route.map(|route| Config { routes: vec![route], ..config }))
}

/// The variables as a text, for the hash of a configuration that has no file: a line `NAME=value` for each that is set.
fn text(env: Env<'_>) -> String {
    let variables = [TARGET_GROUP_ARN, IP_DICT, TARGET_PORT].into_iter();
    let set = variables.filter_map(|name| Some(format!("{name}={}\n", get(env, name)?)));
    set.collect()
}

fn route(env: Env<'_>, findings: &mut Findings) -> Option<Route> {
    let cidrs = ALLOWED_CIDRS_DEFAULT.to_vec();
    let on_started = OnStarted::default();
    default_of("name", ROUTE_NAME_DEFAULT, findings);
    default_of("source", SOURCE_ANY, findings);
    default_of("strategy", Kind::default().word(), findings);
    let arn = variable(env, TARGET_GROUP_ARN, ARN_FIX, findings).and_then(|text| self::arn(&text, findings));
    let port = self::port(env, findings);
    default_of("exclusive", true, findings);
    default_of("availability_zone", ZONE_NONE, findings);
    default_of("allowed_cidrs", checks::join(&cidrs), findings);
    default_of("on_started", on_started.word(), findings);
    // The Lambda knew nobody it could have asked: the map alone.
    let policy = Policy::default();
    for (field, value) in shown(&policy) {
        default_of(field, value, findings);
    }
    let instances = variable(env, IP_DICT, DICT_FIX, findings)
        .and_then(|text| pairs(&text, findings))
        .map(|pairs| checks::instances(&pairs, Some(&cidrs), findings));
    Some(Route {
        name: RouteName::new(ROUTE_NAME_DEFAULT).ok()?,
        source: Source::Any,
        strategy: Strategy::default(),
        group: TargetGroup { arn: arn?, availability_zone: None },
        port: port?,
        instances: instances?,
        allowed_cidrs: cidrs,
        exclusive: true,
        on_started,
        policy,
    })
}

/// Shows what the Lambda's variables cannot say.
fn default_of(field: &str, value: impl Display, findings: &mut Findings) {
    let place = Place { field: format!("route.{ROUTE_NAME_DEFAULT}.{field}"), origin: Origin::Default };
    findings.understood(&place, value);
}

fn place(name: &'static str) -> Place {
    Place { field: name.to_owned(), origin: Origin::Variable(name) }
}

fn variable(env: Env<'_>, name: &'static str, fix: &str, findings: &mut Findings) -> Option<String> {
    let value = get(env, name);
    if value.is_none() {
        let other = if name == IP_DICT { TARGET_GROUP_ARN } else { IP_DICT };
        let why = format!("the variable is not set, and {other} is: the Lambda had both");
        findings.fault(&place(name), None, why, fix);
    }
    value
}

fn arn(text: &str, findings: &mut Findings) -> Option<TargetGroupArn> {
    let place = place(TARGET_GROUP_ARN);
    match TargetGroupArn::new(text.trim()) {
        Ok(arn) => {
            findings.understood(&route_place("target_group", TARGET_GROUP_ARN), &arn);
            Some(arn)
        }
        Err(error) => {
            let why = format!("this is no ARN of a target group: {}", error.rule);
            findings.fault(&place, Some(&format!("{text:?}")), why, ARN_FIX);
            None
        }
    }
}

fn port(env: Env<'_>, findings: &mut Findings) -> Option<u16> {
    let Some(text) = get(env, TARGET_PORT) else {
        default_of("port", PORT_DEFAULT, findings);
        return Some(PORT_DEFAULT);
    };
    match text.trim().parse::<u16>() {
        Ok(port) if port > 0 => {
            findings.understood(&route_place("port", TARGET_PORT), port);
            Some(port)
        }
        Ok(_) | Err(_) => {
            let quote = format!("{text:?}");
            findings.fault(&place(TARGET_PORT), Some(&quote), "this is no port", PORT_FIX);
            None
        }
    }
}

fn route_place(field: &str, variable: &'static str) -> Place {
    Place { field: format!("route.{ROUTE_NAME_DEFAULT}.{field}"), origin: Origin::Variable(variable) }
}

fn pairs(text: &str, findings: &mut Findings) -> Option<Vec<checks::Written>> {
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
