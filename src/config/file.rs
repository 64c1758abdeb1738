//! The file: which fields it has, what each may be, and what it is without them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use super::checks;
use super::dns;
use super::findings::{Findings, Origin, Place};
use super::installation;
use super::route::draft;
use super::section::{Document, Limits, Rule, Section};
use super::timer;
use super::{
    Config, ConfigError, DRAIN_TIMEOUT_MAX, DRAIN_TIMEOUT_MIN, Env, Loaded, MAX_ATTEMPTS_MAX,
    PARALLEL_GROUPS_MAX, PageAddress, QueueRef, ReadFrom, TableName, Tables, WorkerSettings,
};
use crate::domain::provenance::{ConfigHash, Provenance};
use crate::domain::route::Route;

/// Reads the text of a file.
pub(super) fn parse(path: &Path, text: &str, env: Env<'_>) -> Result<Loaded, ConfigError> {
    parse_into(Findings::new(ReadFrom::File(path.to_owned())), text, env)
}

/// The same without the values as they were understood.
pub(super) fn parse_to_work(path: &Path, text: &str, env: Env<'_>) -> Result<Loaded, ConfigError> {
    let findings = Findings::of_faults(ReadFrom::File(path.to_owned()));
    parse_into(findings, text, env)
}

fn parse_into(mut findings: Findings, text: &str, env: Env<'_>) -> Result<Loaded, ConfigError> {
    let document = Document(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = Place {
            field: "syntax".to_owned(),
            origin: document.line(error.span().map_or(0, |span| span.start)),
        };
        let fix = "mend the line; https://toml.io/en/v1.0.0 shows how TOML is written";
        findings.fault(&place, None, error.message(), fix);
    }
    // What the parser made of a broken line would only lead to faults that nobody wrote.
    let whole = errors.is_empty();
    let root = Section::root(document, table.get_ref());
    let config = whole.then(|| config(&root, ConfigHash::of(text), env, &mut findings));
    findings.conclude(config.flatten())
}

fn config(root: &Section<'_>, hash: ConfigHash, env: Env<'_>, findings: &mut Findings) -> Option<Config> {
    let known = ["queue", "ledger", "worker", "reconcile", "safety", "dns", "route"];
    root.knows(&known, findings);
    let queue = queue(&root.table("queue", findings), findings);
    let ledger = ledger(&root.table("ledger", findings), findings);
    let section = root.table("worker", findings);
    let written = section.text(installation::FIELD, &installation::NAME, findings);
    let installation = installation::installation(written, &ledger.state, env, findings);
    if let Some(found) = &installation {
        findings.understood(&found.place, &found.value);
    }
    let worker = worker(&section, findings);
    let reconcile = root.table("reconcile", findings);
    let reconciling = timer::reconciling(&reconcile, findings);
    let quota = timer::quota(&reconcile, findings);
    let moves_per_minute_max = timer::moves_per_minute(&root.table("safety", findings), findings);
    let resolver = dns::resolver(&root.table("dns", findings), findings);
    let routes = routes(root, findings);
    let provenance = Provenance { installation: installation?.value, config: hash };
    Some(Config {
        provenance,
        queue,
        ledger,
        worker: worker?,
        reconciling,
        moves_per_minute_max,
        quota,
        resolver,
        routes: routes?,
    })
}

/// A configuration's values outside of its routes, shown as defaults but for the installation's name.
pub(super) fn show_defaults(config: &Config, name_from: Origin, findings: &mut Findings) {
    let WorkerSettings { max_attempts, drain_timeout, parallel_groups, health_address, page_address } =
        &config.worker;
    let values = [
        ("queue.name", config.queue.to_string()),
        ("ledger.state_table", config.ledger.state.to_string()),
        ("ledger.audit_table", config.ledger.audit.to_string()),
        ("worker.installation", config.provenance.installation.to_string()),
        ("worker.max_attempts", max_attempts.to_string()),
        ("worker.drain_timeout_s", drain_timeout.as_secs().to_string()),
        ("worker.parallel_groups", parallel_groups.to_string()),
        ("worker.health_address", health_address.to_string()),
        ("worker.page_address", page_address.to_string()),
        ("reconcile.interval_seconds", timer::shown(config.reconciling.interval)),
        ("reconcile.looks_per_second_max", config.reconciling.looks_per_second_max.to_string()),
        ("reconcile.registrations_per_second", config.quota.map_or(0, |q| q.per_second).to_string()),
        ("reconcile.registrations_burst", config.quota.map_or(0, |q| q.burst).to_string()),
        ("safety.moves_per_minute_max", config.moves_per_minute_max.to_string()),
        ("dns.resolver", config.resolver.to_string()),
    ];
    for (field, value) in values {
        let place = Place {
            field: field.to_owned(),
            origin: match field {
                "worker.installation" => name_from,
                _ => Origin::Default,
            },
        };
        findings.understood(&place, value);
    }
}

/// The longest name of a FIFO queue, suffix included (`CreateQueue`, SQS API Reference).
const QUEUE_NAME_LENGTH_MAX: usize = 80;

const QUEUE_NAME: Rule<QueueRef> = Rule {
    parse: |text| {
        let stem = text.strip_suffix(".fifo").unwrap_or_default();
        let plain = stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !stem.is_empty() && plain && text.len() <= QUEUE_NAME_LENGTH_MAX {
            return Ok(QueueRef::Name(text.to_owned()));
        }
        Err("the name of a FIFO queue has up to 80 letters, digits, '-' and '_', and ends in .fifo"
            .to_owned())
    },
    fix: "write a name such as \"writerlink.fifo\"; a standard queue would lose the order of events",
};

const QUEUE_URL: Rule<QueueRef> = Rule {
    parse: |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        match rest.and_then(|rest| rest.rsplit_once('/')) {
            Some((before, queue)) if !before.is_empty() => {
                (QUEUE_NAME.parse)(queue).map(|_| QueueRef::Url(text.to_owned()))
            }
            Some(_) | None => Err("this is no URL of a queue".to_owned()),
        }
    },
    fix: "write it as the SQS console shows it: \"https://sqs.REGION.amazonaws.com/ACCOUNT/NAME.fifo\"",
};

fn queue(section: &Section<'_>, findings: &mut Findings) -> QueueRef {
    section.knows(&["name", "url"], findings);
    if section.has("url") {
        if section.has("name") {
            let place = section.place_of("url");
            let why = "the queue is given by name and by URL, and the two may differ";
            findings.fault(&place, None, why, "remove one of the two");
        }
        section.text_or("url", &QUEUE_URL, QueueRef::default(), findings)
    } else {
        section.text_or("name", &QUEUE_NAME, QueueRef::default(), findings)
    }
}

const TABLE: Rule<TableName> = Rule {
    parse: |text| TableName::new(text).map_err(str::to_owned),
    fix: "write the name of a DynamoDB table, not its ARN",
};

fn ledger(section: &Section<'_>, findings: &mut Findings) -> Tables {
    section.knows(&["state_table", "audit_table"], findings);
    let Tables { state, audit } = Tables::default();
    let tables = Tables {
        state: section.text_or("state_table", &TABLE, state, findings),
        audit: section.text_or("audit_table", &TABLE, audit, findings),
    };
    if tables.state == tables.audit {
        let place = section.place_of("audit_table");
        let quote = format!("{:?}", tables.audit.as_str());
        let why = "this is the state table too, and the two have different keys";
        findings.fault(&place, Some(&quote), why, "write the name of another table");
    }
    tables
}

const HEALTH_ADDRESS: Rule<SocketAddr> = Rule {
    parse: |text| match text.parse::<SocketAddr>() {
        Ok(address) if address.port() > 0 => Ok(address),
        Ok(_) => Err("with port 0 nobody would know where to ask".to_owned()),
        Err(_) => Err("this is no address with a port".to_owned()),
    },
    fix: "write an address and a port, such as \"127.0.0.1:8089\"",
};

const PAGE_ADDRESS: Rule<PageAddress> = Rule {
    parse: |text| match text {
        "off" => Ok(PageAddress::Off),
        text => (HEALTH_ADDRESS.parse)(text).map(PageAddress::At),
    },
    fix: "write \"off\", or an address and a port, such as \"127.0.0.1:8089\"; the page has no password",
};

fn worker(section: &Section<'_>, findings: &mut Findings) -> Option<WorkerSettings> {
    let known = [
        installation::FIELD,
        "max_attempts",
        "drain_timeout_s",
        "parallel_groups",
        "health_address",
        "page_address",
    ];
    section.knows(&known, findings);
    let default = WorkerSettings::default();
    let attempts = Limits::within(
        1..=MAX_ATTEMPTS_MAX,
        "an event needs an attempt, and one that fails again and again holds back its group",
    );
    let drain = Limits::within(
        seconds(DRAIN_TIMEOUT_MIN..=DRAIN_TIMEOUT_MAX)?,
        "the open receive takes up to 20 s to end, and Fargate kills the task after 120 s",
    );
    let groups = Limits::within(
        1..=PARALLEL_GROUPS_MAX,
        "the load balancer's API limits how many groups at once are of use",
    );
    let drain_default = u32::try_from(default.drain_timeout.as_secs()).ok()?;
    let max_attempts = section.number_or("max_attempts", &attempts, default.max_attempts, findings);
    let drain_s = section.number_or("drain_timeout_s", &drain, drain_default, findings);
    let parallel_groups = section.number_or("parallel_groups", &groups, default.parallel_groups, findings);
    let health_address = section.text_or("health_address", &HEALTH_ADDRESS, default.health_address, findings);
    // On the same socket if nothing is said: a second port would be one more that can be taken.
    let page_default = PageAddress::At(health_address);
    let page_address = section.text_or("page_address", &PAGE_ADDRESS, page_default, findings);
    Some(WorkerSettings {
        max_attempts,
        drain_timeout: Duration::from_secs(drain_s.into()),
        parallel_groups,
        health_address,
        page_address,
    })
}

fn seconds(range: RangeInclusive<Duration>) -> Option<RangeInclusive<u32>> {
    let whole = |duration: &Duration| u32::try_from(duration.as_secs()).ok();
    Some(whole(range.start())?..=whole(range.end())?)
}

fn routes(root: &Section<'_>, findings: &mut Findings) -> Option<Vec<Route>> {
    let sections = root.tables("route", findings);
    if sections.is_empty() && !root.has("route") {
        let place = root.place("route", root.origin);
        let fix = "write [[route]] with target_group and, below [route.instances], the instances";
        findings.fault(&place, None, "there is no route, so nothing would ever move", fix);
    }
    let drafts = sections.into_iter().map(|section| draft(section, findings));
    let (identities, routes): (Vec<_>, Vec<_>) = drafts.map(|draft| (draft.identity, draft.route)).unzip();
    checks::between_routes(&identities, findings);
    routes.into_iter().collect()
}
