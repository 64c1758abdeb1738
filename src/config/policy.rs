//! How a route may be moved: the fields of `[[route]]` that make its policy.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::findings::{Findings, Found};
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
        None if text != EVENTS => Err("this is none of events, rds, dns and sql".to_owned()),
        source => Ok(source),
    },
    fix: DISCOVERY_FIX,
};

const ENDPOINT_FIX: &str = "write the writer endpoint as the RDS console shows it, without a port, \
     such as \"orders.cluster-abc123.us-east-1.rds.amazonaws.com\"";

/// The longest name that DNS has (RFC 1035, 2.3.4).
const HOST_NAME_LENGTH_MAX: usize = 253;

/// What stands in the names of the endpoints that lead to any member, and so never to the writer for long.
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
            return Err("this is no host name".to_owned());
        }
        if ENDPOINTS_OF_ANY_MEMBER.iter().any(|kind| name.contains(kind)) {
            return Err("this endpoint leads to readers, and does not tell the writer".to_owned());
        }
        Ok(name)
    },
    fix: ENDPOINT_FIX,
};

const ALLOWED_FIX: &str = "write a list of DB instance identifiers, such as [\"db-1\", \"db-2\"], \
     or remove the line for any instance of the source";

const ALLOWED: Rule<InstanceId> = Rule {
    parse: |text| InstanceId::new(text).map_err(|error| format!("this is no {}: {}", error.what, error.rule)),
    fix: ALLOWED_FIX,
};

/// From 0, for a route that believes its sources at once.
const TRUST: Number = Number {
    field: "trust_event_seconds",
    range: 0..=3600,
    why: "RDS's own word needs a minute or two after a failover, and no event is to be believed for hours",
    zero: None,
    default: seconds(TRUST_EVENT),
};

/// From the five minutes that RDS may take to deliver an event (RDS User Guide, "Working with Amazon RDS event
/// notification"), up to the four days that SQS keeps a message when nobody says otherwise.
const EVIDENCE_AGE: Number = Number {
    field: "evidence_age_max_seconds",
    range: 300..=345_600,
    why: "an event is regularly up to five minutes late, and one of last week is no news",
    zero: None,
    default: seconds(EVIDENCE_AGE_MAX),
};

/// The same where there is nobody to ask: from a day, since what such a route refuses nobody follows, and a worker may
/// have been away for some hours; up to the 14 days that SQS keeps a message at most.
const EVIDENCE_AGE_OF_EVENTS_ALONE: Number = Number {
    range: 86_400..=1_209_600,
    why: "this route asks nobody who writes, so a failover that it finds too old is followed by nobody: a worker that \
          was away for a night has to follow it, and after 14 days SQS has dropped it",
    default: seconds(EVIDENCE_AGE_MAX_OF_EVENTS_ALONE),
    ..EVIDENCE_AGE
};

const FLAP_MOVES: Number = Number {
    field: "flap_moves_max",
    range: 1..=20,
    why: "a route remembers its last 20 moves",
    zero: Some("a route that is never stopped for moving too often"),
    default: FLAP_MOVES_MAX,
};

const LIMIT: Number = Number {
    field: "serving_limit_seconds",
    range: 30..=3600,
    why: "a load balancer needs minutes to serve a new target, and not an hour",
    zero: None,
    default: seconds(SERVING_LIMIT),
};

/// Whom a route asks, as far as that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// The map alone.
    Nobody,
    /// RDS, DNS, or both.
    Sources,
    /// There is a fault in it: nothing is to be concluded from it.
    Unknown,
}

/// Reads the policy of a route.
pub(super) fn policy(section: &Section<'_>, findings: &mut Findings) -> (Policy, Asks) {
    let discovery = discovery(section, findings);
    let policy = Policy {
        discovery: discovery.clone().unwrap_or_default(),
        endpoint: section.text_or_none("endpoint", (&ENDPOINT, "none"), findings),
        map_check: section.word("map_check", findings),
        database: section.word("database", findings),
        role: section.word("role", findings),
        mode: section.word("mode", findings),
        engine: Engine::default(),
        allowed_instances: allowed_instances(section, findings),
        trust_event: section.duration(&TRUST, findings),
        evidence_age_max: evidence_age_max(section, discovery.as_ref(), findings),
        flap_moves_max: section.number(&FLAP_MOVES, findings),
        serving_when: section.word("serving_when", findings),
        serving_limit: section.duration(&LIMIT, findings),
    };
    let asks = match &discovery {
        None => Asks::Unknown,
        Some(nobody) if nobody.is_empty() => Asks::Nobody,
        Some(_) => Asks::Sources,
    };
    if let Some(discovery) = &discovery {
        what_dns_reads(section, discovery, policy.map_check, findings);
        what_rds_is_asked(section, discovery, findings);
        what_the_map_is_compared_with(section, discovery, policy.map_check, findings);
        who_knows_readers(section, &policy, findings);
    }
    old_evidence_is_not_trusted(section, &policy, findings);
    (policy, asks)
}

/// Whom to ask; nothing when there is a fault in it.
fn discovery(section: &Section<'_>, findings: &mut Findings) -> Option<BTreeSet<DiscoverySource>> {
    let field = "discovery";
    let found = section.one_or_more(field, &DISCOVERY, findings);
    let found = match found {
        None if section.has(field) => return None,
        found => found,
    };
    let value = found.as_ref().map_or(&[None][..], |found| &found.value);
    let sources: BTreeSet<DiscoverySource> = value.iter().copied().flatten().collect();
    let why = if value.is_empty() {
        "an empty list does not say whether anybody is to be asked"
    } else if value.contains(&None) && value.len() > 1 {
        "events means that nobody is asked, so it stands alone"
    } else if sources.len() < value.iter().flatten().count() {
        "one source that is named twice is still one"
    } else {
        let found = found.map(|Found { place, .. }| Found { value: sources.clone(), place });
        return Some(section.or_default(field, (found, sources), shown, findings));
    };
    section.accuse(field, (why, DISCOVERY_FIX), findings);
    None
}

fn shown(discovery: &BTreeSet<DiscoverySource>) -> String {
    let sources: Vec<&str> = discovery.iter().map(|w| w.as_str()).collect();
    if sources.is_empty() { EVENTS.to_owned() } else { sources.join(", ") }
}

/// From what age on an event moves nothing, where that is not the default, which depends on whether anybody is asked.
/// A default that is written out is still the default.
fn evidence_age_max(
    section: &Section<'_>,
    discovery: Option<&BTreeSet<DiscoverySource>>,
    findings: &mut Findings,
) -> Option<Duration> {
    let row = match discovery {
        Some(nobody) if nobody.is_empty() => &EVIDENCE_AGE_OF_EVENTS_ALONE,
        Some(_) | None => &EVIDENCE_AGE,
    };
    let age = section.number(row, findings);
    (age != row.default).then(|| Duration::from_secs(age.into()))
}

fn allowed_instances(section: &Section<'_>, findings: &mut Findings) -> Option<BTreeSet<InstanceId>> {
    let field = "allowed_instances";
    let found = section.texts(field, &ALLOWED, findings);
    if found.as_ref().is_some_and(|found| found.value.is_empty()) {
        let why = "an empty list allows no instance, so the route could never move";
        section.accuse(field, (why, ALLOWED_FIX), findings);
    }
    let found = found.map(|Found { value, place }| Found { value: Some(BTreeSet::from_iter(value)), place });
    let shown = |allowed: &Option<BTreeSet<InstanceId>>| match allowed {
        Some(allowed) => allowed.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", "),
        None => "any of the source".to_owned(),
    };
    section.or_default(field, (found, None), shown, findings)
}

fn what_dns_reads(
    section: &Section<'_>,
    discovery: &BTreeSet<DiscoverySource>,
    map_check: MapCheck,
    findings: &mut Findings,
) {
    let compared = discovery.is_empty() && matches!(map_check, MapCheck::Auto | MapCheck::Dns);
    // The names of the instances' own endpoints follow from it.
    let compared = compared || discovery.contains(&DiscoverySource::Sql);
    let field = "endpoint";
    match (discovery.contains(&DiscoverySource::Dns), section.has(field)) {
        (true, false) => {
            let why = "discovery has dns, and there is no name that could be read";
            section.accuse(field, (why, ENDPOINT_FIX), findings);
        }
        (false, true) if !compared => {
            let why = "nobody would read this name: discovery has no dns";
            let fix = "add \"dns\" to discovery, or remove the line";
            section.accuse(field, (why, fix), findings);
        }
        (true | false, true) | (false, false) => {}
    }
}

/// The map of a route that only events move is compared with what can be asked; of the other routes the truth says where the writer is.
fn what_the_map_is_compared_with(
    section: &Section<'_>,
    discovery: &BTreeSet<DiscoverySource>,
    map_check: MapCheck,
    findings: &mut Findings,
) {
    let field = "map_check";
    if !section.has(field) {
        return;
    }
    let (why, fix) = match map_check {
        _ if !discovery.is_empty() => (
            "only a map that only events use is compared: discovery asks where the writer is",
            "remove the line, or write discovery = \"events\"",
        ),
        MapCheck::Dns if !section.has("endpoint") => (
            "there is no name from which those of the instances would follow",
            "write the cluster endpoint as endpoint, or \"rds\"",
        ),
        MapCheck::Rds if !section.has("source") => (
            "events of any source move this route: there is no cluster to ask about",
            "write source = \"CLUSTER\", the identifier of its cluster or instance",
        ),
        MapCheck::Auto | MapCheck::Rds | MapCheck::Dns | MapCheck::Off => return,
    };
    section.accuse(field, (why, fix), findings);
}

fn what_rds_is_asked(section: &Section<'_>, discovery: &BTreeSet<DiscoverySource>, findings: &mut Findings) {
    if discovery.contains(&DiscoverySource::Rds) && !section.has("source") {
        let why =
            "discovery has rds, and events of any source move this route: there is no cluster to ask about";
        let fix = "write source = \"CLUSTER\", the identifier of its cluster or instance";
        section.accuse("source", (why, fix), findings);
    }
}

fn who_knows_readers(section: &Section<'_>, policy: &Policy, findings: &mut Findings) {
    if policy.role != Role::Readers {
        return;
    }
    if policy.database == Database::Instance {
        let why = "an instance has no readers; the standby of a Multi-AZ instance serves nobody";
        let fix = "write role = \"writer\", or the cluster as source and database = \"cluster\"";
        section.accuse("role", (why, fix), findings);
    } else if !policy.discovery.contains(&DiscoverySource::Rds) {
        let why = "only RDS knows who the readers are, and discovery does not ask it";
        section.accuse("role", (why, "add \"rds\" to discovery"), findings);
    }
}

fn old_evidence_is_not_trusted(section: &Section<'_>, policy: &Policy, findings: &mut Findings) {
    let (trust, age_max) = (policy.trust_event, policy.evidence_age_limit());
    if trust > age_max {
        let why = format!(
            "an event older than {} s moves nothing (evidence_age_max_seconds), and would still outrank the sources",
            age_max.as_secs()
        );
        let fix = "write no more seconds than evidence_age_max_seconds has";
        section.accuse(TRUST.field, (&why, fix), findings);
    }
}
