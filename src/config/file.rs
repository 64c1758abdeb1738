//! The file: which fields it has, what each may be, and what it is without them.

use std::net::SocketAddr;
use std::path::Path;

use toml::de::DeTable;

use crate::config::checks::Identity;
use crate::config::findings::{Findings, Place};
use crate::config::route::draft;
use crate::config::section::{Document, Number, Section, seconds};
use crate::config::words::Rule;
use crate::config::{
    Config, ConfigError, DRAIN_TIMEOUT_MAX, DRAIN_TIMEOUT_MIN, Env, Loaded, MAX_ATTEMPTS_MAX,
    PARALLEL_GROUPS_MAX, PageAddress, QueueRef, ReadFrom, RelaySettings, TableName, Tables, WorkerSettings,
    checks, dns, installation, relay, sql, timer,
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

fn parse_into(findings: Findings, text: &str, env: Env<'_>) -> Result<Loaded, ConfigError> {
    let document = Document(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = Place {
            field: "syntax".to_owned(),
            origin: document.line(error.span().map_or(0, |span| span.start)),
        };
        let fix = "correct the line; https://toml.io/en/v1.0.0 shows how TOML is written";
        findings.fault(&place, None, error.message(), fix);
    }
    // What the parser made of a broken line would only lead to faults that are not in the file.
    let whole = errors.is_empty();
    let root = Section::root(document, table.get_ref(), &findings);
    let config = whole.then(|| config(&root, ConfigHash::of(text), env));
    findings.conclude(config.flatten())
}

fn config(root: &Section<'_>, hash: ConfigHash, env: Env<'_>) -> Option<Config> {
    let shared = shared(root, hash, env);
    let (identities, routes) = routes(root);
    let relay = relays(root, identities);
    let routes: Option<Vec<Route>> =
        routes.map(|routes| routes.into_iter().map(|route| relay.applied_to(route)).collect());
    let sql = sql::settings(&root.table("sql"), routes.as_deref());
    root.has_no_others();
    let mut shared = shared?;
    let sql = sql.map(|(sql, interval)| {
        shared.reconciling.sql_interval = interval;
        sql
    });
    Some(Config { routes: routes?, relay, sql, ..shared })
}

/// Everything but the routes; an absent table gives the defaults.
pub(super) fn shared(root: &Section<'_>, hash: ConfigHash, env: Env<'_>) -> Option<Config> {
    let queue = queue(&root.table("queue"));
    let ledger = ledger(&root.table("ledger"));
    let section = root.table("worker");
    let written = section.text(installation::FIELD, &installation::NAME);
    let installation = installation::installation(written, &ledger.state, env, root.findings);
    if let Some(found) = &installation {
        root.findings.understood(&found.place, &found.value);
    }
    let worker = worker(&section);
    let (reconciling, quota) = timer::reconciling(&root.table("reconcile"));
    let moves_per_minute_max = timer::moves_per_minute(&root.table("safety"));
    let resolver = dns::resolver(&root.table("dns"));
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
        relay: RelaySettings::default(),
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
            Some(_) | None => Err("this is not the URL of a queue".to_owned()),
        }
    },
    fix: "write it as the SQS console shows it: \"https://sqs.REGION.amazonaws.com/ACCOUNT/NAME.fifo\"",
};

fn queue(section: &Section<'_>) -> QueueRef {
    let named = section.has("name");
    let (field, rule) = if section.has("url") { ("url", &QUEUE_URL) } else { ("name", &QUEUE_NAME) };
    if named && field == "url" {
        let why = "the queue has a name and a URL, and the two may differ";
        section.findings.fault(&section.place_of(field), None, why, "remove one of the two");
    }
    section.has_no_others();
    section.text_or(field, rule, QueueRef::default())
}

const TABLE: Rule<TableName> = Rule {
    parse: |text| TableName::new(text).map_err(str::to_owned),
    fix: "write the name of a DynamoDB table, not its ARN",
};

fn ledger(section: &Section<'_>) -> Tables {
    let Tables { state, audit } = Tables::default();
    let tables = Tables {
        state: section.text_or("state_table", &TABLE, state),
        audit: section.text_or("audit_table", &TABLE, audit),
    };
    section.has_no_others();
    if tables.state == tables.audit {
        let place = section.place_of("audit_table");
        let quote = format!("{:?}", tables.audit.as_str());
        let why = "this is also the state table, and the two tables have different keys";
        section.findings.fault(&place, Some(&quote), why, "write the name of another table");
    }
    tables
}

const HEALTH_ADDRESS: Rule<SocketAddr> = Rule {
    parse: |text| match text.parse::<SocketAddr>() {
        Ok(address) if address.port() > 0 => Ok(address),
        Ok(_) => Err("port 0 would be a random port, which the health check cannot know".to_owned()),
        Err(_) => Err("this is not an address with a port".to_owned()),
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

const MAX_ATTEMPTS: Number = Number::new(
    "max_attempts",
    1..=MAX_ATTEMPTS_MAX,
    WorkerSettings::DEFAULT.max_attempts,
    "an event needs at least one attempt, and one that keeps failing blocks its message group",
);

const DRAIN_TIMEOUT: Number = Number::new(
    "drain_timeout_s",
    seconds(DRAIN_TIMEOUT_MIN)..=seconds(DRAIN_TIMEOUT_MAX),
    seconds(WorkerSettings::DEFAULT.drain_timeout),
    "the open receive takes up to 20 s to end, and Fargate kills the task after 120 s",
);

const PARALLEL_GROUPS: Number = Number::new(
    "parallel_groups",
    1..=PARALLEL_GROUPS_MAX,
    WorkerSettings::DEFAULT.parallel_groups,
    "the load balancer's API limits how many parallel groups are useful",
);

fn worker(section: &Section<'_>) -> WorkerSettings {
    let max_attempts = section.number(&MAX_ATTEMPTS);
    let drain_timeout = section.duration(&DRAIN_TIMEOUT);
    let parallel_groups = section.number(&PARALLEL_GROUPS);
    let default = WorkerSettings::DEFAULT.health_address;
    let health_address = section.text_or("health_address", &HEALTH_ADDRESS, default);
    // By default on the same socket: a second port could be taken.
    let default = PageAddress::At(health_address);
    let page_address = section.text_or("page_address", &PAGE_ADDRESS, default);
    section.has_no_others();
    WorkerSettings { max_attempts, drain_timeout, parallel_groups, health_address, page_address }
}

/// What relays have in common. A file without relay routes shows nothing of it, unless it has the table.
fn relays(root: &Section<'_>, identities: Vec<Identity>) -> RelaySettings {
    let relays = identities.into_iter().filter_map(|identity| {
        let name = identity.place.field.clone();
        Some((name, identity.relay?))
    });
    let relays: Vec<_> = relays.collect();
    let section = root.table("relay");
    if relays.is_empty() && !root.has("relay") {
        return RelaySettings::default();
    }
    let settings = relay::settings(&section);
    relay::no_port_twice(&settings, &relays, root.findings);
    settings
}

fn routes(root: &Section<'_>) -> (Vec<Identity>, Option<Vec<Route>>) {
    let sections = root.tables("route");
    if sections.is_empty() && !root.has("route") {
        let place = root.place("route", root.origin);
        let fix = "write [[route]] with target_group and, below [route.instances], the instances";
        root.findings.fault(&place, None, "there is no route", fix);
    }
    let drafts = sections.into_iter().map(draft);
    let (identities, routes): (Vec<_>, Vec<_>) = drafts.map(|draft| (draft.identity, draft.route)).unzip();
    checks::between_routes(&identities, root.findings);
    (identities, routes.into_iter().collect())
}
