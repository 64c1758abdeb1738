//! How a route may be moved: the fields of `[[route]]` that make its policy.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::findings::Found;
use crate::config::section::{Number, Section, seconds};
use crate::config::words::Rule;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::policy::{
    Database, DiscoverySource, EVIDENCE_AGE_MAX, EVIDENCE_AGE_MAX_OF_EVENTS_ALONE, Engine, FLAP_MOVES_MAX,
    MapCheck, Policy, Role, SERVING_LIMIT, TRUST_EVENT,
};

/// The word for a route that only events move.
const EVENTS: &str = "events";

/// What [`EVENTS`] was called in 0.1.0, spelled so that a change of words leaves it alone.
const OLD_EVENTS: &str = concat!("sta", "tic");

const DISCOVERY_FIX: &str = "write \"events\" (events alone), \"rds\", \"dns\", \"sql\", or a list such as \
     [\"rds\", \"dns\"] if all of it has to agree";

const DISCOVERY: Rule<Option<DiscoverySource>> = Rule {
    parse: |text| match DiscoverySource::parse(text) {
        None if text == OLD_EVENTS => Err(format!("`{OLD_EVENTS}` is now called `{EVENTS}`")),
        None if text != EVENTS => Err("expected events, rds, dns or sql".to_owned()),
        source => Ok(source),
    },
    fix: DISCOVERY_FIX,
};

const ENDPOINT_FIX: &str = "write the writer endpoint as the RDS console shows it, without a port, \
     such as \"orders.cluster-abc123.us-east-1.rds.amazonaws.com\"";

/// The longest name that DNS has (RFC 1035, 2.3.4).
const HOST_NAME_LENGTH_MAX: usize = 253;

/// Parts of the names of endpoints that resolve to any member, not only to the writer.
/// Source: Aurora User Guide, "Types of Aurora endpoints".
const ENDPOINTS_OF_ANY_MEMBER: [&str; 2] = [".cluster-ro-", ".cluster-custom-"];

const ENDPOINT: Rule<String> = Rule {
    parse: |text| {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label = |label: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(plain)
        };
        let fits = name.contains('.') && name.len() <= HOST_NAME_LENGTH_MAX;
        let address = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !fits || address || !name.split('.').all(label) {
            return Err("this is not a host name".to_owned());
        }
        if ENDPOINTS_OF_ANY_MEMBER.iter().any(|kind| name.contains(kind)) {
            return Err("this endpoint resolves to readers, so it does not show the writer".to_owned());
        }
        Ok(name)
    },
    fix: ENDPOINT_FIX,
};

const ALLOWED_FIX: &str = "write a list of DB instance identifiers, such as [\"db-1\", \"db-2\"], \
     or remove the line for any instance of the source";

const ALLOWED: Rule<InstanceId> = Rule {
    parse: |text| {
        InstanceId::new(text).map_err(|error| format!("this is not a valid {}: {}", error.what, error.rule))
    },
    fix: ALLOWED_FIX,
};

/// From 0, for a route that trusts its sources at once.
const TRUST: Number = Number::new(
    "trust_event_seconds",
    0..=3600,
    seconds(TRUST_EVENT),
    "RDS itself lags a minute or two behind a failover, and no event should be trusted for hours",
);

/// From the five minutes that RDS may take to deliver an event (RDS User Guide, "Working with Amazon RDS
/// event notification"), up to the four days that SQS keeps a message by default.
const EVIDENCE_AGE: Number = Number::new(
    "evidence_age_max_seconds",
    300..=345_600,
    seconds(EVIDENCE_AGE_MAX),
    "RDS may deliver an event five minutes late, and an event of last week is outdated",
);

/// The same without a discovery source: from a day, since nothing else would follow a failover that such a
/// route refuses, and a worker may have been down for some hours; up to the 14 days that SQS keeps a message
/// at most.
const EVIDENCE_AGE_OF_EVENTS_ALONE: Number = Number::new(
    EVIDENCE_AGE.field,
    86_400..=1_209_600,
    seconds(EVIDENCE_AGE_MAX_OF_EVENTS_ALONE),
    "this route has no discovery source, so it would never follow a failover that it refuses as too old: a worker \
          that was down overnight still has to follow it, and SQS drops it after 14 days",
);

const FLAP_MOVES: Number =
    Number::new("flap_moves_max", 1..=20, FLAP_MOVES_MAX, "a route remembers its last 20 moves")
        .or_zero("no flap protection");

const LIMIT: Number = Number::new(
    "serving_limit_seconds",
    30..=3600,
    seconds(SERVING_LIMIT),
    "a load balancer needs minutes, not an hour, until a new target is healthy",
);

/// Which discovery sources a route has, as far as that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiscoveryKind {
    /// None: events and the map alone.
    Events,
    /// RDS, DNS, or both.
    Sources,
    /// The field is faulty: nothing can be concluded from it.
    Unknown,
}

/// Reads the policy of a route.
pub(super) fn policy(section: &Section<'_>) -> (Policy, DiscoveryKind) {
    let discovery = discovery(section);
    let policy = Policy {
        discovery: discovery.clone().unwrap_or_default(),
        endpoint: section.text_or_none("endpoint", &ENDPOINT, "none"),
        map_check: section.word("map_check"),
        database: section.word("database"),
        role: section.word("role"),
        mode: section.word("mode"),
        engine: Engine::default(),
        allowed_instances: allowed_instances(section),
        trust_event: section.duration(&TRUST),
        evidence_age_max: evidence_age_max(section, discovery.as_ref()),
        flap_moves_max: section.number(&FLAP_MOVES),
        serving_when: section.word("serving_when"),
        serving_limit: section.duration(&LIMIT),
    };
    let discovery_kind = match &discovery {
        None => DiscoveryKind::Unknown,
        Some(none) if none.is_empty() => DiscoveryKind::Events,
        Some(_) => DiscoveryKind::Sources,
    };
    if let Some(discovery) = &discovery {
        endpoint_fits_discovery(section, discovery, policy.map_check);
        rds_has_a_source(section, discovery);
        map_check_fits_discovery(section, discovery, policy.map_check);
        readers_are_known(section, &policy);
    }
    trust_ends_before_the_age_limit(section, &policy);
    (policy, discovery_kind)
}

/// The discovery sources; `None` if the field is faulty.
fn discovery(section: &Section<'_>) -> Option<BTreeSet<DiscoverySource>> {
    let field = "discovery";
    let found = section.one_or_more(field, &DISCOVERY);
    let found = match found {
        None if section.has(field) => return None,
        found => found,
    };
    let value = found.as_ref().map_or(&[None][..], |found| &found.value);
    let sources: BTreeSet<DiscoverySource> = value.iter().copied().flatten().collect();
    let why = if value.is_empty() {
        "the list is empty"
    } else if value.contains(&None) && value.len() > 1 {
        "\"events\" means no other source, so it has to be alone"
    } else if sources.len() < value.iter().flatten().count() {
        "a source is listed twice"
    } else {
        let found = found.map(|Found { place, .. }| Found { value: sources.clone(), place });
        return Some(section.or_default(field, found, sources, shown));
    };
    section.accuse(field, why, DISCOVERY_FIX);
    None
}

fn shown(discovery: &BTreeSet<DiscoverySource>) -> String {
    let sources: Vec<&str> = discovery.iter().map(|w| w.as_str()).collect();
    if sources.is_empty() { EVENTS.to_owned() } else { sources.join(", ") }
}

/// The age from which an event moves nothing, if it is not the default. The default depends on whether there
/// are discovery sources. A default that is written out is still the default.
fn evidence_age_max(
    section: &Section<'_>,
    discovery: Option<&BTreeSet<DiscoverySource>>,
) -> Option<Duration> {
    let row = match discovery {
        Some(none) if none.is_empty() => &EVIDENCE_AGE_OF_EVENTS_ALONE,
        Some(_) | None => &EVIDENCE_AGE,
    };
    let age = section.number(row);
    (age != row.default).then(|| Duration::from_secs(age.into()))
}

fn allowed_instances(section: &Section<'_>) -> Option<BTreeSet<InstanceId>> {
    let field = "allowed_instances";
    let found = section.texts(field, &ALLOWED);
    if found.as_ref().is_some_and(|found| found.value.is_empty()) {
        let why = "an empty list allows no instance, so the route could never move";
        section.accuse(field, why, ALLOWED_FIX);
    }
    let found = found.map(|Found { value, place }| Found { value: Some(BTreeSet::from_iter(value)), place });
    let shown = |allowed: &Option<BTreeSet<InstanceId>>| match allowed {
        Some(allowed) => allowed.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", "),
        None => "any of the source".to_owned(),
    };
    section.or_default(field, found, None, shown)
}

fn endpoint_fits_discovery(
    section: &Section<'_>,
    discovery: &BTreeSet<DiscoverySource>,
    map_check: MapCheck,
) {
    let compared = discovery.is_empty() && matches!(map_check, MapCheck::Auto | MapCheck::Dns);
    // The names of the instances' own endpoints follow from it.
    let compared = compared || discovery.contains(&DiscoverySource::Sql);
    let field = "endpoint";
    match (discovery.contains(&DiscoverySource::Dns), section.has(field)) {
        (true, false) => {
            let why = "discovery has dns, and there is no endpoint to resolve";
            section.accuse(field, why, ENDPOINT_FIX);
        }
        (false, true) if !compared => {
            let why = "nothing resolves this name: discovery has no dns";
            let fix = "add \"dns\" to discovery, or remove the line";
            section.accuse(field, why, fix);
        }
        (true | false, true) | (false, false) => {}
    }
}

/// Only an events-only route has its map compared: the others get the writer's address from their sources.
fn map_check_fits_discovery(
    section: &Section<'_>,
    discovery: &BTreeSet<DiscoverySource>,
    map_check: MapCheck,
) {
    let field = "map_check";
    if !section.has(field) {
        return;
    }
    let (why, fix) = match map_check {
        _ if !discovery.is_empty() => (
            "only the map of an events-only route is compared: here the discovery sources give the writer's address",
            "remove the line, or write discovery = \"events\"",
        ),
        MapCheck::Dns if !section.has("endpoint") => (
            "without endpoint the names of the instances are unknown",
            "write the cluster endpoint as endpoint, or \"rds\"",
        ),
        MapCheck::Rds if !section.has("source") => (
            "the route has no source, so there is no cluster to ask about",
            "write source = \"CLUSTER\", the identifier of its cluster or instance",
        ),
        MapCheck::Auto | MapCheck::Rds | MapCheck::Dns | MapCheck::Off => return,
    };
    section.accuse(field, why, fix);
}

fn rds_has_a_source(section: &Section<'_>, discovery: &BTreeSet<DiscoverySource>) {
    if discovery.contains(&DiscoverySource::Rds) && !section.has("source") {
        let why = "discovery has rds, and the route has no source, so there is no cluster to ask about";
        let fix = "write source = \"CLUSTER\", the identifier of its cluster or instance";
        section.accuse("source", why, fix);
    }
}

fn readers_are_known(section: &Section<'_>, policy: &Policy) {
    if policy.role != Role::Readers {
        return;
    }
    if policy.database == Database::Instance {
        let why = "an instance has no readers; the standby of a Multi-AZ instance accepts no connections";
        let fix = "write role = \"writer\", or the cluster as source and database = \"cluster\"";
        section.accuse("role", why, fix);
    } else if !policy.discovery.contains(&DiscoverySource::Rds) {
        let why = "only RDS knows which instances are readers, and discovery has no rds";
        section.accuse("role", why, "add \"rds\" to discovery");
    }
}

fn trust_ends_before_the_age_limit(section: &Section<'_>, policy: &Policy) {
    let (trust, age_max) = (policy.trust_event, policy.evidence_age_limit());
    if trust > age_max {
        let why = format!(
            "an event older than {} s moves nothing (evidence_age_max_seconds), but would still outrank the sources",
            age_max.as_secs()
        );
        let fix = "write at most the value of evidence_age_max_seconds";
        section.accuse(TRUST.field, &why, fix);
    }
}
