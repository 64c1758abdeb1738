//! Events as RDS sends them, to test a rule's pattern.
//!
//! Unpredictable fields of an event (its id, its time, the tags of its database) are left out: the pattern
//! matcher treats an absent field as unknown.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::preflight::caller::Place;
use crate::preflight::pattern::{Lets, lets};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::policy::Database;
use writerlink_engine::ports::installation::RouteFacts;

/// The placeholder for an instance's name.
const NAME: &str = "{name}";

/// The name of an instance if none is known. A pattern that matches it does not check the name.
const UNNAMED: &str = "an-instance-of-no-name";

/// The observed texts of an event, without the full stop that some have at the end. RDS writes
/// more than its list of events contains ("Completed RDS initiated failover", 2026).
fn wordings(id: u16) -> &'static [&'static str] {
    match id {
        13 => &["Multi-AZ instance failover started"],
        15 => &["Multi-AZ failover to standby complete - DNS propagation may take a few minutes"],
        49 => &["Multi-AZ instance failover completed"],
        50 => &["Multi-AZ instance activation started"],
        51 => &["Multi-AZ instance activation completed"],
        65 => &["Recovered from partial failover"],
        69 => &["Cluster failover failed, check the health of your cluster instances and try again"],
        70 => &["Promoting previous primary again: {name}"],
        71 => &[
            "Completed failover to DB instance: {name}",
            "Completed RDS initiated failover to DB instance: {name}",
            "Completed customer initiated failover to DB instance: {name}",
        ],
        72 => &["Started same AZ failover to DB instance: {name}"],
        73 => &["Started cross AZ failover to DB instance: {name}"],
        _ => &[],
    }
}

/// An event, in every wording and for every instance that is known.
pub(super) struct Probe {
    /// Without its text.
    bare: Value,
    texts: Vec<Text>,
}

/// A text that an event may have.
pub(super) struct Text {
    text: String,
    /// Whether its name is made up.
    made_up: bool,
}

impl Text {
    /// For a person.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Probe {
    /// The event with this id of the route's source there.
    pub(super) fn of(facts: &RouteFacts, source: &str, place: Place<'_>, id: u16) -> Self {
        let names = names(facts);
        let mut texts = Vec::new();
        for wording in wordings(id) {
            let is_named = wording.contains(NAME);
            let known = names.iter().map(|name| (*name, false));
            let known: Vec<_> =
                if is_named && !names.is_empty() { known.collect() } else { vec![(UNNAMED, is_named)] };
            for (name, made_up) in known {
                let text = wording.replace(NAME, name);
                let stopped = format!("{text}.");
                texts.extend([text, stopped].map(|text| Text { text, made_up }));
            }
        }
        Self { bare: event(source, facts.route.policy.database, place, id), texts }
    }

    pub(super) fn texts(&self) -> &[Text] {
        &self.texts
    }

    /// Whether a pattern may match it with some text. Most patterns are for another database.
    pub(super) fn may_pass(&self, pattern: &str) -> bool {
        lets(pattern, &self.bare) != Lets::Not
    }

    /// Whether a pattern matches it with this text.
    pub(super) fn through(&self, pattern: &str, text: &Text) -> Lets {
        let mut event = self.bare.clone();
        event["detail"]["Message"] = Value::String(text.text.clone());
        match lets(pattern, &event) {
            // The made-up name may be the reason.
            Lets::Not if text.made_up => lets(pattern, &self.bare),
            through => through,
        }
    }
}

/// Every instance that the route or RDS names.
fn names(facts: &RouteFacts) -> BTreeSet<&str> {
    let named = facts.addresses.keys().chain(facts.route.instances.keys());
    let members = facts.members.iter().flatten();
    let members = members.map(|member| &member.instance);
    named.chain(members).map(InstanceId::as_str).collect()
}

/// An event as EventBridge gets it.
fn event(source: &str, database: Database, place: Place<'_>, id: u16) -> Value {
    let (kind, detail_type, source_type) = match database {
        Database::Cluster => ("cluster", "RDS DB Cluster Event", "CLUSTER"),
        Database::Instance => ("db", "RDS DB Instance Event", "DB_INSTANCE"),
    };
    let Place { partition, region, account } = place;
    let arn = format!("arn:{partition}:rds:{region}:{account}:{kind}:{source}");
    json!({
        "version": "0",
        "detail-type": detail_type,
        "source": "aws.rds",
        "account": account,
        "region": region,
        "resources": [arn],
        "detail": {
            "EventCategories": ["failover"],
            "SourceType": source_type,
            "SourceArn": arn,
            "SourceIdentifier": source,
            "EventID": shown(id),
        },
    })
}

/// An event's id, as RDS writes it.
pub(super) fn shown(id: u16) -> String {
    format!("RDS-EVENT-{id:04}")
}
