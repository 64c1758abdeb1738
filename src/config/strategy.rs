//! How a route is moved: the strategy's fields of `[[route]]`, and what they require of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::config::findings::{Findings, Found, Place};
use crate::config::relay;
use crate::config::relay::Fits;
use crate::config::section::Section;
use crate::config::words::{Keyword, Rule, words};
use writerlink_core::model::names::{InstanceId, InvalidName, ListenerArn, TargetGroupArn};
use writerlink_core::model::policy::{Database, DiscoverySource, Policy, Role};
use writerlink_core::model::route::{Relay, Strategy, TargetGroup, Weighted};

const GROUP: &str = "target_group";
const LISTENER: &str = "listener";
const GROUPS: &str = "target_groups";

/// Which strategy, before its groups are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Swap,
    Weighted,
    Relay,
}

words!(Kind: Swap = "swap", Weighted = "weighted", Relay = "relay";
    "write \"swap\" (one target group, whose target is swapped), \"weighted\" (one target group for each instance, \
     among which a listener's weights are moved) or \"relay\" (HAProxy relays forward to the writer)");

pub(super) fn rule_of(error: &InvalidName) -> String {
    format!("this is not a valid {}: {}", error.what, error.rule)
}

const GROUP_RULE: Rule<TargetGroupArn> =
    Rule { parse: |text| TargetGroupArn::new(text).map_err(|error| rule_of(&error)), fix: GROUP_FIX };

const GROUP_FIX: &str = "copy the ARN from the target group's page in the EC2 console";

const LISTENER_RULE: Rule<ListenerArn> =
    Rule { parse: |text| ListenerArn::new(text).map_err(|error| rule_of(&error)), fix: LISTENER_FIX };

const LISTENER_FIX: &str = "copy the ARN from the listener's page in the EC2 console";

const NO_GROUP: &str = "a route needs a target group";
const NO_RELAY_GROUP: &str = "a relay route needs the target group of its relays";
const NO_LISTENER: &str = "a weighted route needs a listener";

const GROUPS_FIX: &str = "write a line for each instance below [route.target_groups], such as db-1 = \"ARN\"";

/// Reports the table that only a relay route reads.
fn not_a_relay(section: &Section<'_>) {
    if relay::is_written(section) {
        let why = "only strategy \"relay\" reads this table";
        let fix = "write strategy = \"relay\", or remove the table";
        section.findings.fault(&section.place_of("relay"), None, why, fix);
    }
}

/// A route's strategy and groups, as far as they could be read.
pub(super) struct Written {
    pub(super) kind: Option<Kind>,
    /// Every group, in the order of the file. Of a weighted route each has its instance.
    pub(super) groups: Vec<(Option<InstanceId>, Found<TargetGroupArn>)>,
    pub(super) listener: Option<Found<ListenerArn>>,
    pub(super) relay: Option<Found<Relay>>,
}

/// Reads the strategy and its groups.
pub(super) fn written(section: &Section<'_>) -> Written {
    let kind = kind(section);
    let mut written = Written { kind, groups: Vec::new(), listener: None, relay: None };
    if kind.is_some_and(|kind| kind != Kind::Relay) {
        not_a_relay(section);
    }
    match kind {
        Some(Kind::Swap) => {
            let group = arn(GROUP, &GROUP_RULE, NO_GROUP, section);
            only_with(Kind::Weighted, &[LISTENER, GROUPS], section);
            written.groups = group.into_iter().map(|group| (None, group)).collect();
        }
        Some(Kind::Weighted) => {
            only_with(Kind::Swap, &[GROUP], section);
            written.listener = arn(LISTENER, &LISTENER_RULE, NO_LISTENER, section);
            written.groups = groups(section);
        }
        Some(Kind::Relay) => {
            let group = arn(GROUP, &GROUP_RULE, NO_RELAY_GROUP, section);
            only_with(Kind::Weighted, &[LISTENER, GROUPS], section);
            written.groups = group.into_iter().map(|group| (None, group)).collect();
            written.relay = relay::of_route(section);
        }
        // Unknown which of them belong there.
        None => {
            relay::is_written(section);
            for field in [GROUP, LISTENER, GROUPS] {
                section.has(field);
            }
        }
    }
    written
}

/// `None` if the field is faulty: then nothing can be concluded from it.
fn kind(section: &Section<'_>) -> Option<Kind> {
    let field = "strategy";
    let found = section.text(field, &Kind::RULE);
    if found.is_none() && section.has(field) {
        return None;
    }
    let shown = |kind: &Kind| kind.word().to_owned();
    Some(section.or_default(field, found, Kind::default(), shown))
}

/// Reports fields that belong to the other strategy: one of the two is a mistake, and only a person knows
/// which.
fn only_with(other: Kind, fields: &[&'static str], section: &Section<'_>) {
    for field in fields.iter().filter(|field| section.has(field)) {
        let why = match other {
            Kind::Weighted => "only strategy \"weighted\" uses a listener",
            Kind::Swap | Kind::Relay => "a weighted route has one group for each instance",
        };
        let fix = match other {
            Kind::Weighted => "write strategy = \"weighted\", or remove it",
            Kind::Swap | Kind::Relay => "name the group of each instance below [route.target_groups] instead",
        };
        section.findings.fault(&section.place_of(field), None, why, fix);
    }
}

/// An ARN that the strategy needs; `absent` is the fault if it is missing.
fn arn<T: fmt::Display>(
    field: &'static str,
    rule: &Rule<T>,
    absent: &str,
    section: &Section<'_>,
) -> Option<Found<T>> {
    if !section.has(field) {
        let fix = format!("write {field} = \"ARN\": {}", rule.fix);
        section.findings.fault(&section.place_of(field), None, absent, fix);
    }
    let arn = section.text(field, rule)?;
    section.findings.understood(&arn.place, &arn.value);
    Some(arn)
}

/// The group of each instance, each with a group of its own: a weight applies to a whole group.
fn groups(section: &Section<'_>) -> Vec<(Option<InstanceId>, Found<TargetGroupArn>)> {
    let table = section.table(GROUPS);
    if !section.has(GROUPS) || table.is_empty() {
        let why = "a weighted route needs a target group for each instance";
        section.findings.fault(&table.header(), None, why, GROUPS_FIX);
    }
    let mut groups: Vec<(Option<InstanceId>, Found<TargetGroupArn>)> = Vec::new();
    for written in table.pairs("an ARN in quotes", GROUPS_FIX) {
        let (name, arn) = &written.value;
        let quote = format!("{arn:?}");
        let fault = |why: String, fix: &str| {
            section.findings.fault(&written.place, Some(&quote), why, fix);
        };
        let instance = InstanceId::new(name);
        if let Err(error) = &instance {
            fault(format!("{name:?} is not a valid {}: {}", error.what, error.rule), GROUPS_FIX);
        }
        let group = TargetGroupArn::new(arn);
        if let Err(error) = &group {
            fault(rule_of(error), GROUP_FIX);
        }
        let (Ok(instance), Ok(group)) = (instance, group) else {
            continue;
        };
        if groups.iter().any(|(known, _)| known.as_ref() == Some(&instance)) {
            let why = "is listed twice (RDS ignores upper and lower case)";
            fault(format!("{instance} {why}"), "remove one of the two");
        } else if groups.iter().any(|(_, known)| known.value == group) {
            let why = "another instance has this group too, and a weight applies to a whole group";
            fault(why.to_owned(), "make a target group for each instance");
        }
        let place = written.place;
        section.findings.understood(&place, &group);
        groups.push((Some(instance), Found { value: group, place }));
    }
    groups
}

impl Written {
    /// The strategy, and the group that identifies the route; `None` if they are faulty.
    pub(super) fn strategy(&self, zone: Option<&String>) -> Option<(Strategy, TargetGroup)> {
        let group_at =
            |arn: &TargetGroupArn| TargetGroup { arn: arn.clone(), availability_zone: zone.cloned() };
        match self.kind? {
            Kind::Swap => {
                let (_, group) = self.groups.first()?;
                Some((Strategy::Swap, group_at(&group.value)))
            }
            Kind::Relay => {
                let (_, group) = self.groups.first()?;
                Some((Strategy::Relay(self.relay.as_ref()?.value), group_at(&group.value)))
            }
            Kind::Weighted => {
                let own = self.groups.iter();
                let own = own.map(|(i, g)| Some((i.clone()?, group_at(&g.value))));
                let groups = own.collect::<Option<BTreeMap<_, _>>>()?;
                let first = groups.values().next()?.clone();
                let listener = self.listener.as_ref()?.value.clone();
                Some((Strategy::Weighted(Weighted { listener, groups }), first))
            }
        }
    }

    /// Checks a weighted route's groups against its instances and its policy.
    pub(super) fn fits(&self, section: &Section<'_>, Fits { policy, instances, on_started }: Fits<'_>) {
        match self.kind {
            Some(Kind::Weighted) => {}
            Some(Kind::Relay) => {
                return relay::fits(section, Fits { policy, instances, on_started });
            }
            Some(Kind::Swap) | None => return,
        }
        one_writer_among_several(section, policy);
        let own: BTreeSet<&InstanceId> = self.groups.iter().flat_map(|(i, _)| i).collect();
        if own.is_empty() {
            return;
        }
        if !instances.is_empty() {
            let table = section.table("instances");
            for instance in instances.keys().filter(|i| !own.contains(i)) {
                groupless(instance, &table.place_of(instance.as_str()), section.findings);
            }
        }
        let allowed = policy.allowed_instances.iter().flatten();
        for instance in allowed.filter(|i| !own.contains(i) && !instances.contains_key(*i)) {
            groupless(instance, &section.place_of("allowed_instances"), section.findings);
        }
        for (instance, group) in &self.groups {
            let Some(instance) = instance else { continue };
            if !instances.contains_key(instance) && !policy.discovery.contains(&DiscoverySource::Rds) {
                let why = format!(
                    "the address of {instance} is unknown: [route.instances] has none, and discovery has no rds"
                );
                let fix = "list the instance with its address, or add \"rds\" to discovery";
                section.findings.fault(&group.place, None, why, fix);
            }
        }
    }
}

fn groupless(instance: &InstanceId, place: &Place, findings: &Findings) {
    let why =
        format!("[route.target_groups] has no group for {instance}, so no weight could ever move to it");
    let fix = "make a target group for it and add its line, or remove the instance";
    findings.fault(place, None, why, fix);
}

/// One group gets the weight, and each group has one instance.
fn one_writer_among_several(section: &Section<'_>, policy: &Policy) {
    if policy.role == Role::Readers {
        let why = "a group holds several readers, but a weighted route has one group for each instance";
        section.accuse("role", why, "write strategy = \"swap\", or role = \"writer\"");
    }
    if policy.database == Database::Instance {
        let why = "a failover of a Multi-AZ instance changes the address of the same instance: there are no two groups \
                   to move the weight between";
        section.accuse("database", why, "write strategy = \"swap\"");
    }
}
