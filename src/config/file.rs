//! The file: which fields it has, what each may be, and what it is without them.

use std::net::SocketAddr;
use std::path::Path;

use toml::de::DeTable;

use crate::config::findings::{Findings, Place};
use crate::config::route::draft;
use crate::config::section::{Document, Number, Section, seconds};
use crate::config::words::Rule;
use crate::config::{
    Config, ConfigError, DRAIN_TIMEOUT_MAX, DRAIN_TIMEOUT_MIN, Env, Loaded, MAX_ATTEMPTS_MAX,
    PARALLEL_GROUPS_MAX, PageAddress, QueueRef, ReadFrom, TableName, Tables, WorkerSettings, checks, dns,
    installation, sql, timer,
};
use writerlink_core::model::provenance::{ConfigHash, Provenance};
use writerlink_core::model::route::Route;

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
    let shared = shared(root, hash, env, findings);
    let routes = routes(root, findings);
    let sql = sql::settings(&root.table("sql", findings), routes.as_deref(), findings);
    root.has_no_others(findings);
    let mut shared = shared?;
    let sql = sql.map(|(sql, interval)| {
        shared.reconciling.sql_interval = interval;
        sql
    });
    Some(Config { routes: routes?, sql, ..shared })
}

/// All but the routes; without any value in it, all defaults.
pub(super) fn shared(
    root: &Section<'_>,
    hash: ConfigHash,
    env: Env<'_>,
    findings: &mut Findings,
) -> Option<Config> {
    let queue = queue(&root.table("queue", findings), findings);
    let ledger = ledger(&root.table("ledger", findings), findings);
    let section = root.table("worker", findings);
    let written = section.text(installation::FIELD, &installation::NAME, findings);
    let installation = installation::installation(written, &ledger.state, env, findings);
    if let Some(found) = &installation {
        findings.understood(&found.place, &found.value);
    }
    let worker = worker(&section, findings);
    let (reconciling, quota) = timer::reconciling(&root.table("reconcile", findings), findings);
    let moves_per_minute_max = timer::moves_per_minute(&root.table("safety", findings), findings);
    let resolver = dns::resolver(&root.table("dns", findings), findings);
    let provenance = Provenance { installation: installation?.value, config: hash };
    Some(Config {
        provenance,
        queue,
        ledger,
        worker,
        reconciling,
        moves_per_minute_max,
        quota,
        resolver,
        sql: None,
        routes: Vec::new(),
    })
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
    let named = section.has("name");
    let (field, rule) = if section.has("url") { ("url", &QUEUE_URL) } else { ("name", &QUEUE_NAME) };
    if named && field == "url" {
        let why = "the queue is given by name and by URL, and the two may differ";
        findings.fault(&section.place_of(field), None, why, "remove one of the two");
    }
    section.has_no_others(findings);
    section.text_or(field, (rule, QueueRef::default()), findings)
}

const TABLE: Rule<TableName> = Rule {
    parse: |text| TableName::new(text).map_err(str::to_owned),
    fix: "write the name of a DynamoDB table, not its ARN",
};

fn ledger(section: &Section<'_>, findings: &mut Findings) -> Tables {
    let Tables { state, audit } = Tables::default();
    let tables = Tables {
        state: section.text_or("state_table", (&TABLE, state), findings),
        audit: section.text_or("audit_table", (&TABLE, audit), findings),
    };
    section.has_no_others(findings);
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

const MAX_ATTEMPTS: Number = Number {
    field: "max_attempts",
    range: 1..=MAX_ATTEMPTS_MAX,
    why: "an event needs an attempt, and one that fails again and again holds back its group",
    zero: None,
    default: WorkerSettings::DEFAULT.max_attempts,
};

const DRAIN_TIMEOUT: Number = Number {
    field: "drain_timeout_s",
    range: seconds(DRAIN_TIMEOUT_MIN)..=seconds(DRAIN_TIMEOUT_MAX),
    why: "the open receive takes up to 20 s to end, and Fargate kills the task after 120 s",
    zero: None,
    default: seconds(WorkerSettings::DEFAULT.drain_timeout),
};

const PARALLEL_GROUPS: Number = Number {
    field: "parallel_groups",
    range: 1..=PARALLEL_GROUPS_MAX,
    why: "the load balancer's API limits how many groups at once are of use",
    zero: None,
    default: WorkerSettings::DEFAULT.parallel_groups,
};

fn worker(section: &Section<'_>, findings: &mut Findings) -> WorkerSettings {
    let max_attempts = section.number(&MAX_ATTEMPTS, findings);
    let drain_timeout = section.duration(&DRAIN_TIMEOUT, findings);
    let parallel_groups = section.number(&PARALLEL_GROUPS, findings);
    let default = WorkerSettings::DEFAULT.health_address;
    let health_address = section.text_or("health_address", (&HEALTH_ADDRESS, default), findings);
    // On the same socket if nothing is said: a second port would be one more that can be taken.
    let default = PageAddress::At(health_address);
    let page_address = section.text_or("page_address", (&PAGE_ADDRESS, default), findings);
    section.has_no_others(findings);
    WorkerSettings { max_attempts, drain_timeout, parallel_groups, health_address, page_address }
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
