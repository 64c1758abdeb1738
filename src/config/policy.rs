//! How a route may be moved: the fields of `[[route]]` that make its policy.

use std::collections::BTreeSet;
use std::time::Duration;

use super::findings::{Findings, Found, Origin};
use super::section::{Limits, Rule, Section};
use super::words::Word;
use crate::domain::policy::{
    Database, EVIDENCE_AGE_MAX, EVIDENCE_AGE_MAX_OF_EVENTS_ALONE, MapCheck, Policy, Role,
};
use crate::domain::route::InstanceId;
use crate::domain::safety::FLAP_MOVES_MAX;
use crate::domain::truth::Witness;

/// The fields that are read here, in the order of the reference.
pub(super) const FIELDS: [&str; 12] = [
    "truth",
    "endpoint",
    "map_check",
    "database",
    "role",
    "mode",
    "allowed_instances",
    "trust_event_seconds",
    "evidence_age_max_seconds",
    "flap_moves_max",
    "serving_when",
    "serving_limit_seconds",
];

/// The word for a route that asks nobody.
const STATIC: &str = "static";

const TRUTH_FIX: &str = "write \"static\" (the map alone), \"rds\", \"dns\", or [\"rds\", \"dns\"] \
     if both have to agree";

const TRUTH: Rule<Option<Witness>> = Rule {
    parse: |text| match Witness::parse(text) {
        None if text != STATIC => Err("this is none of static, rds and dns".to_owned()),
        witness => Ok(witness),
    },
    fix: TRUTH_FIX,
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

/// From 0, for a route that believes its witnesses at once.
const TRUST_EVENT: Limits = Limits::within(
    0..=3600,
    "RDS's own word needs a minute or two after a failover, and no event is to be believed for hours",
);

/// From the five minutes that RDS may take to deliver an event (RDS User Guide, "Working with Amazon RDS event
/// notification"), up to the four days that SQS keeps a message when nobody says otherwise.
const EVIDENCE_AGE: Limits = Limits::within(
    300..=345_600,
    "an event is regularly up to five minutes late, and one of last week is no news",
);

/// The same where there is nobody to ask: from a day, since what such a route refuses nobody follows, and a worker may
/// have been away for some hours; up to the 14 days that SQS keeps a message at most.
const EVIDENCE_AGE_OF_EVENTS_ALONE: Limits = Limits::within(
    86_400..=1_209_600,
    "this route asks nobody who writes, so a failover that it finds too old is followed by nobody: a worker that was \
     away for a night has to follow it, and after 14 days SQS has dropped it",
);

const SERVING_LIMIT: Limits =
    Limits::within(30..=3600, "a load balancer needs minutes to serve a new target, and not an hour");

const FLAP_MOVES: Limits = Limits {
    range: 1..=20,
    why: "a route remembers its last 20 moves",
    zero: Some("a route that is never stopped for moving too often"),
};

/// Whom a route asks, as far as that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// The map alone.
    Nobody,
    /// RDS, DNS, or both.
    Witnesses,
    /// There is a fault in it: nothing is to be concluded from it.
    Unknown,
}

/// Reads the policy of a route.
pub(super) fn policy(section: &Section<'_>, findings: &mut Findings) -> (Policy, Asks) {
    let truth = truth(section, findings);
    let default = Policy::default();
    let policy = Policy {
        truth: truth.clone().unwrap_or_default(),
        endpoint: section.text("endpoint", &ENDPOINT, findings).map(|found| found.value),
        map_check: word(section, "map_check", findings),
        database: word(section, "database", findings),
        role: word(section, "role", findings),
        mode: word(section, "mode", findings),
        allowed_instances: allowed_instances(section, findings),
        trust_event: seconds(section, ("trust_event_seconds", &TRUST_EVENT), default.trust_event, findings),
        evidence_age_max: evidence_age_max(section, truth.as_ref(), findings),
        flap_moves_max: section
            .number("flap_moves_max", &FLAP_MOVES, FLAP_MOVES_MAX, findings)
            .map_or(FLAP_MOVES_MAX, |found| found.value),
        serving_when: word(section, "serving_when", findings),
        serving_limit: seconds(
            section,
            ("serving_limit_seconds", &SERVING_LIMIT),
            default.serving_limit,
            findings,
        ),
    };
    let asks = match &truth {
        None => Asks::Unknown,
        Some(nobody) if nobody.is_empty() => Asks::Nobody,
        Some(_) => Asks::Witnesses,
    };
    if let Some(truth) = &truth {
        what_dns_reads(section, truth, policy.map_check, findings);
        what_rds_is_asked(section, truth, findings);
        what_the_map_is_compared_with(section, truth, policy.map_check, findings);
        who_knows_readers(section, &policy, findings);
    }
    old_evidence_is_not_trusted(section, &policy, findings);
    for (field, value) in shown(&policy) {
        let place =
            if section.has(field) { section.place_of(field) } else { section.place(field, Origin::Default) };
        findings.understood(&place, value);
    }
    (policy, asks)
}

/// A policy's values as they are shown, in the order of [`FIELDS`].
pub(super) fn shown(policy: &Policy) -> [(&'static str, String); 12] {
    let witnesses: Vec<&str> = policy.truth.iter().map(|w| w.as_str()).collect();
    let truth = match witnesses.as_slice() {
        [] => STATIC.to_owned(),
        asked => asked.join(", "),
    };
    let endpoint = policy.endpoint.clone();
    let allowed = policy.allowed_instances.as_ref().map(|allowed| {
        let names: Vec<&str> = allowed.iter().map(InstanceId::as_str).collect();
        names.join(", ")
    });
    let seconds = |duration: Duration| duration.as_secs().to_string();
    let values = [
        truth,
        endpoint.unwrap_or_else(|| "none".to_owned()),
        policy.map_check.word().to_owned(),
        policy.database.word().to_owned(),
        policy.role.word().to_owned(),
        policy.mode.word().to_owned(),
        allowed.unwrap_or_else(|| "any of the source".to_owned()),
        seconds(policy.trust_event),
        seconds(policy.evidence_age_limit()),
        policy.flap_moves_max.to_string(),
        policy.serving_when.word().to_owned(),
        seconds(policy.serving_limit),
    ];
    let mut fields = FIELDS.into_iter();
    values.map(|value| (fields.next().unwrap_or_default(), value))
}

/// Whom to ask; nothing when there is a fault in it.
fn truth(section: &Section<'_>, findings: &mut Findings) -> Option<BTreeSet<Witness>> {
    if !section.has("truth") {
        return Some(BTreeSet::new());
    }
    let Found { value, place } = section.one_or_more("truth", &TRUTH, findings)?;
    let witnesses: BTreeSet<Witness> = value.iter().copied().flatten().collect();
    let why = if value.is_empty() {
        "an empty list does not say whether anybody is to be asked"
    } else if value.contains(&None) && value.len() > 1 {
        "static means that nobody is asked, so it stands alone"
    } else if witnesses.len() < value.iter().flatten().count() {
        "one witness that is named twice is still one"
    } else {
        return Some(witnesses);
    };
    findings.fault(&place, section.quote_of("truth"), why, TRUTH_FIX);
    None
}

fn word<T: Word>(section: &Section<'_>, field: &str, findings: &mut Findings) -> T {
    let found = section.text(field, &T::RULE, findings);
    found.map(|found| found.value).unwrap_or_default()
}

fn seconds(
    section: &Section<'_>,
    (field, limits): (&str, &Limits),
    default: Duration,
    findings: &mut Findings,
) -> Duration {
    let shown = u32::try_from(default.as_secs()).unwrap_or(u32::MAX);
    let found = section.number(field, limits, shown, findings);
    found.map_or(default, |found| Duration::from_secs(found.value.into()))
}

/// From what age on an event moves nothing, where that is not the default, which depends on whether anybody is asked.
fn evidence_age_max(
    section: &Section<'_>,
    truth: Option<&BTreeSet<Witness>>,
    findings: &mut Findings,
) -> Option<Duration> {
    let (limits, default) = match truth {
        Some(nobody) if nobody.is_empty() => {
            (&EVIDENCE_AGE_OF_EVENTS_ALONE, EVIDENCE_AGE_MAX_OF_EVENTS_ALONE)
        }
        Some(_) | None => (&EVIDENCE_AGE, EVIDENCE_AGE_MAX),
    };
    let shown = u32::try_from(default.as_secs()).unwrap_or(u32::MAX);
    let found = section.number("evidence_age_max_seconds", limits, shown, findings)?;
    // A default that is written out is still the default.
    Some(Duration::from_secs(found.value.into())).filter(|age| *age != default)
}

fn allowed_instances(section: &Section<'_>, findings: &mut Findings) -> Option<BTreeSet<InstanceId>> {
    let found = section.texts("allowed_instances", &ALLOWED, findings)?;
    if found.value.is_empty() {
        let why = "an empty list allows no instance, so the route could never move";
        findings.fault(&found.place, Some("[]"), why, ALLOWED_FIX);
    }
    Some(found.value.into_iter().collect())
}

fn what_dns_reads(
    section: &Section<'_>,
    truth: &BTreeSet<Witness>,
    map_check: MapCheck,
    findings: &mut Findings,
) {
    let compared = truth.is_empty() && matches!(map_check, MapCheck::Auto | MapCheck::Dns);
    let field = "endpoint";
    let place = section.place_of(field);
    match (truth.contains(&Witness::Dns), section.has(field)) {
        (true, false) => {
            let why = "truth has dns, and there is no name that could be read";
            findings.fault(&place, None, why, ENDPOINT_FIX);
        }
        (false, true) if !compared => {
            let why = "nobody would read this name: truth has no dns";
            let fix = "add \"dns\" to truth, or remove the line";
            findings.fault(&place, section.quote_of(field), why, fix);
        }
        (true | false, true) | (false, false) => {}
    }
}

/// A static map is compared with what can be asked; of the other routes the truth says where the writer is.
fn what_the_map_is_compared_with(
    section: &Section<'_>,
    truth: &BTreeSet<Witness>,
    map_check: MapCheck,
    findings: &mut Findings,
) {
    let field = "map_check";
    if !section.has(field) {
        return;
    }
    let (why, fix) = match map_check {
        _ if !truth.is_empty() => (
            "only a static map is compared: truth asks where the writer is",
            "remove the line, or write truth = \"static\"",
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
    findings.fault(&section.place_of(field), section.quote_of(field), why, fix);
}

fn what_rds_is_asked(section: &Section<'_>, truth: &BTreeSet<Witness>, findings: &mut Findings) {
    if truth.contains(&Witness::Rds) && !section.has("source") {
        let why = "truth has rds, and events of any source move this route: there is no cluster to ask about";
        let fix = "write source = \"CLUSTER\", the identifier of its cluster or instance";
        findings.fault(&section.place_of("source"), None, why, fix);
    }
}

fn who_knows_readers(section: &Section<'_>, policy: &Policy, findings: &mut Findings) {
    if policy.role != Role::Readers {
        return;
    }
    let place = section.place_of("role");
    let quote = section.quote_of("role");
    if policy.database == Database::Instance {
        let why = "an instance has no readers; the standby of a Multi-AZ instance serves nobody";
        let fix = "write role = \"writer\", or the cluster as source and database = \"cluster\"";
        findings.fault(&place, quote, why, fix);
    } else if !policy.truth.contains(&Witness::Rds) {
        let why = "only RDS knows who the readers are, and truth does not ask it";
        findings.fault(&place, quote, why, "add \"rds\" to truth");
    }
}

fn old_evidence_is_not_trusted(section: &Section<'_>, policy: &Policy, findings: &mut Findings) {
    let (trust, age_max) = (policy.trust_event, policy.evidence_age_limit());
    if trust > age_max {
        let field = "trust_event_seconds";
        let why = format!(
            "an event older than {} s moves nothing (evidence_age_max_seconds), and would still outrank the witnesses",
            age_max.as_secs()
        );
        let fix = "write no more seconds than evidence_age_max_seconds has";
        findings.fault(&section.place_of(field), section.quote_of(field), why, fix);
    }
}
