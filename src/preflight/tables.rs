//! The ledger's tables: whether they have the keys the code uses, and whether they can be lost.

use crate::config::Config;
use crate::preflight::finding::{Check, CheckFindings, Lines, Subject};
use writerlink_engine::ports::installation::{DescribedTable, Facts, Seen, Switch, TableFacts};
use writerlink_engine::schema;
use writerlink_engine::schema::{Keys, Table};

const THERE: Check = Check::ours("is there");
const KEYS: Check = Check::ours("keys");
const INDEXES: Check = Check::ours("indexes");
const PROTECTION: Check = Check::aws(
    "deletion protection",
    "DynamoDB developer guide, \"Using deletion protection to protect your table\"",
);
const RECOVERY: Check =
    Check::aws("point-in-time recovery", "DynamoDB developer guide, \"Point-in-time backups for DynamoDB\"");
const GLOBAL: Check = Check::aws("global table", "DynamoDB developer guide, \"Global tables: How it works\"");
const EXPIRY: Check =
    Check::aws("time to live", "DynamoDB developer guide, \"Using time to live (TTL) in DynamoDB\"");

/// The states in which a table accepts calls: also while an index or a setting is changed.
const USABLE: [&str; 2] = ["ACTIVE", "UPDATING"];

/// The consistency of a global table whose replicas are written synchronously.
const STRONG: &str = "STRONG";

/// The projection of an index with whole items.
const WHOLE: &str = "ALL";

pub(super) fn judge(facts: &Facts, config: &Config, findings: &mut CheckFindings) {
    for (name, wanted, found) in [
        (&config.ledger.state, &schema::STATE, &facts.state),
        (&config.ledger.audit, &schema::AUDIT, &facts.audit),
    ] {
        let mut lines = findings.about(Subject::Table(name.to_string()));
        table(name.as_str(), wanted, found, &mut lines);
    }
}

fn table(name: &str, wanted: &Table, found: &TableFacts, lines: &mut Lines<'_>) {
    let described = match &found.described {
        Ok(described) => described,
        // If it cannot be described, the other reads would only report the same reason again.
        Err(unseen) => return lines.unseen(THERE, unseen),
    };
    lines.found(THERE, described.status.clone()).require(
        USABLE.contains(&described.status.as_str()),
        "it does not accept calls",
        "wait until it is ACTIVE; a table that is being deleted has to be created again",
    );
    let keys = listed(&described.keys);
    lines.found(KEYS, keys).require(
        described.keys == wanted_keys(&wanted.keys),
        &format!("the ledger's key is {}", listed(&wanted_keys(&wanted.keys))),
        "name another table under [ledger]; a table's keys cannot be changed",
    );
    if !wanted.indexes.is_empty() {
        indexes(wanted, described, lines);
    }
    global(wanted, described, lines);
    protection(name, described.deletion_protection, lines);
    recovery(name, &found.recovery, lines);
    expiry(wanted.expiry, &found.expiry, lines);
}

fn wanted_keys(keys: &Keys) -> Vec<(String, String)> {
    keys.attributes().map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

fn listed(keys: &[(String, String)]) -> String {
    let keys: Vec<String> = keys.iter().map(|(name, kind)| format!("{name} ({kind})")).collect();
    keys.join(", ")
}

fn indexes(wanted: &Table, found: &DescribedTable, lines: &mut Lines<'_>) {
    let names: Vec<&str> = wanted.indexes.iter().map(|(name, _)| *name).collect();
    let wrong: Vec<String> = wanted
        .indexes
        .iter()
        .filter_map(|(name, keys)| {
            let wanted = wanted_keys(keys);
            match found.indexes.get(*name) {
                None => Some(format!("{name} is missing")),
                Some(index) if index.keys != wanted => {
                    Some(format!("{name} has {}, not {}", listed(&index.keys), listed(&wanted)))
                }
                Some(index) if index.projection != WHOLE => {
                    Some(format!("{name} holds {} of a record, not {WHOLE}", index.projection))
                }
                Some(_) => None,
            }
        })
        .collect();
    if wrong.is_empty() {
        return lines.pass(INDEXES, names.join(", "));
    }
    lines.fail(
        INDEXES,
        format!("{}: audit queries would fail", wrong.join("; ")),
        "create the index as in infra/writerlink.yaml (delete a wrong index first)",
    );
}

/// A lease is a condition on an item, which DynamoDB checks against the Region's own replica. Strongly
/// consistent replicas do not support transactions, and every commit of the ledger is one.
fn global(wanted: &Table, found: &DescribedTable, lines: &mut Lines<'_>) {
    let regions: Vec<&str> = found.replicas.iter().map(String::as_str).collect();
    let regions = regions.join(", ");
    let holds_the_leases = wanted.expiry.is_some();
    if found.replicas.is_empty() {
        lines.pass(GLOBAL, "no: it is in this Region alone");
    } else if found.consistency.as_deref() == Some(STRONG) {
        lines.fail(
            GLOBAL,
            format!("with {regions}, strongly consistent: such a table does not support transactions, which the ledger needs"),
            "name a table of this Region alone under [ledger] (`writerlink setup`, infra/writerlink.yaml)",
        );
    } else if holds_the_leases {
        lines.fail(
            GLOBAL,
            format!("with {regions}, eventually consistent: a worker there can take the same lease at the same time"),
            "name a table of this Region alone under [ledger], or remove the replicas: aws dynamodb update-table \
             --replica-updates '[{\"Delete\": {\"RegionName\": \"REGION\"}}]'",
        );
    } else {
        lines.pass(GLOBAL, format!("with {regions}, for reads"));
    }
}

fn protection(name: &str, found: Switch, lines: &mut Lines<'_>) {
    match found {
        Switch::On => lines.pass(PROTECTION, "on"),
        Switch::Off => lines.warn(
            PROTECTION,
            "off: one wrong call deletes the ledger",
            format!("aws dynamodb update-table --deletion-protection-enabled --table-name {name}"),
        ),
    }
}

fn recovery(name: &str, found: &Seen<Switch>, lines: &mut Lines<'_>) {
    match found {
        Ok(Switch::On) => lines.pass(RECOVERY, "on"),
        Ok(Switch::Off) => lines.warn(
            RECOVERY,
            "off: data deleted or overwritten by mistake is lost",
            format!(
                "aws dynamodb update-continuous-backups --point-in-time-recovery-specification \
                 PointInTimeRecoveryEnabled=true --table-name {name}"
            ),
        ),
        Err(unseen) => lines.unseen(RECOVERY, unseen),
    }
}

fn expiry(wanted: Option<&str>, found: &Seen<Option<String>>, lines: &mut Lines<'_>) {
    let found = match found {
        Ok(found) => found.as_deref(),
        Err(unseen) => return lines.unseen(EXPIRY, unseen),
    };
    match (wanted, found) {
        (Some(wanted), Some(found)) if wanted == found => {
            lines.pass(EXPIRY, format!("by {found}"));
        }
        (Some(wanted), Some(found)) => lines.fail(
            EXPIRY,
            format!("by {found}, but the ledger writes {wanted}"),
            format!("turn it off, and on again with the attribute {wanted}"),
        ),
        (Some(wanted), None) => lines.warn(
            EXPIRY,
            "off: entries of processed events are kept forever, and the table only grows",
            format!("turn it on with the attribute {wanted}"),
        ),
        (None, Some(found)) => lines.fail(
            EXPIRY,
            format!("by {found}: DynamoDB would delete records, and break the chain"),
            "turn it off: records are kept forever",
        ),
        (None, None) => lines.pass(EXPIRY, "off: records are kept forever"),
    }
}
