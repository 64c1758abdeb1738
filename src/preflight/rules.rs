//! The rules of EventBridge that forward a route's events, checked against the events that move the route.

mod arriving;

use std::collections::BTreeSet;

use crate::config::Config;
use crate::preflight::caller::name_of;
use crate::preflight::finding::{Check, CheckFindings, Lines};
use crate::preflight::probe::shown;
use crate::preflight::rules::arriving::{Brought, Comes, Elsewhere, comes, home, ids_of};
use writerlink_core::model::names::SourceId;
use writerlink_core::model::policy::Database;
use writerlink_core::model::route::{OnStarted, Route, Source};
use writerlink_engine::ports::installation::{Facts, RouteFacts, RuleFacts, RuleTarget};

const RULE: Check =
    Check::aws("rule", "EventBridge user guide, \"Creating Amazon EventBridge event patterns\"");
const IDS: Check =
    Check::aws("event ids", "RDS user guide, \"Amazon RDS event categories and event messages\"");
const GROUP: Check = Check::aws("message group", "EventBridge API reference, \"SqsParameters\"");
const LETTERS: Check = Check::aws(
    "rule's dead-letter queue",
    "EventBridge user guide, \"Using dead-letter queues to process undelivered events\"",
);
const WHOLE: Check =
    Check::aws("event as it is", "EventBridge user guide, \"Amazon EventBridge input transformation\"");

/// The state of an enabled rule begins with this (the other one is
/// `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`).
const ENABLED: &str = "ENABLED";

/// How a message group begins that is a path into the event.
const PATH: &str = "$";

/// The events that name the new writer of a cluster or instance.
const COMPLETED: u16 = 71;
const INSTANCE_COMPLETED: u16 = 49;
/// The previous writer stays the writer.
const RESTORED: u16 = 70;
/// A failover began.
const STARTED: [u16; 2] = [72, 73];

pub(super) fn judge(facts: &RouteFacts, all: &Facts, config: &Config, findings: &mut CheckFindings) {
    let mut lines = findings.about_route(facts);
    let rules = match (&all.rules, &all.queue) {
        (Ok(rules), Ok(_)) => rules,
        // The queue's own lines say why.
        (_, Err(_)) => {
            let why = "the rules are found through the queue, which could not be read";
            return lines.skipped(RULE, why, None);
        }
        (Err(unseen), _) => return lines.unseen(RULE, unseen),
    };
    let seen: Vec<&RuleFacts> = rules.iter().flatten().collect();
    let brought = Brought::of(facts, &seen);
    if brought.rules.is_empty() {
        return match rules.iter().find_map(|rule| rule.as_ref().err()) {
            Some(unseen) => lines.unseen(RULE, unseen),
            None => none(&facts.route, &seen, config, &mut lines),
        };
    }
    let (on, off): (Vec<_>, Vec<_>) = brought.rules.iter().partition(|rule| rule.state.starts_with(ENABLED));
    if on.is_empty() {
        let why = format!("{} is disabled: no event arrives", named(&off));
        let fix = format!("aws events enable-rule --name {}", named(&off));
        return without_events(RULE, why, &fix, follows_anyway(&facts.route, config), &mut lines);
    }
    let enabled = EnabledRules { facts, config, rules: &on, place: &brought.place };
    enabled.enabled(&mut lines);
    enabled.ids(&mut lines);
    let targets: Vec<&RuleTarget> = on.iter().flat_map(|rule| &rule.targets).collect();
    sent(&targets, &mut lines);
}

fn named(rules: &[&RuleFacts]) -> String {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    names.join(", ")
}

/// Whether a rule forwards an event that may move the route.
pub(super) fn brings(facts: &RouteFacts, rule: &RuleFacts) -> bool {
    !Brought::of(facts, &[rule]).rules.is_empty()
}

/// The enabled rules that forward a route's events.
struct EnabledRules<'a> {
    facts: &'a RouteFacts,
    config: &'a Config,
    rules: &'a [&'a RuleFacts],
    place: &'a Elsewhere,
}

impl EnabledRules<'_> {
    fn comes(&self, id: u16) -> Comes {
        let place = self.place.place(home(&self.facts.route));
        comes(self.rules, self.facts, place, id)
    }

    /// The fields that decide whether any event arrives; empty if one arrives for certain.
    fn open(&self) -> BTreeSet<String> {
        let mut open = BTreeSet::new();
        for id in ids_of(&self.facts.route) {
            match self.comes(*id) {
                Comes::Yes | Comes::Partly(_) => return BTreeSet::new(),
                Comes::Unknown(fields) => open.extend(fields),
                Comes::No => {}
            }
        }
        open
    }

    fn enabled(&self, lines: &mut Lines<'_>) {
        let names = named(self.rules);
        let home = home(&self.facts.route);
        let open = listed(self.open());
        if !open.is_empty() {
            lines.unknown(
                RULE,
                format!("{names}, enabled; whether it forwards the route's events depends on {open}, which check cannot predict"),
                "test the pattern with an event of this database (aws events test-event-pattern; `writerlink audit show` \
                 prints what arrived), or filter by detail.SourceArn and detail.EventID",
            );
        } else if *self.place == Elsewhere::of(home) {
            lines.pass(RULE, format!("{names}, enabled"));
        } else {
            self.elsewhere(&names, lines);
        }
    }

    /// A rule for another account or Region: correct if the database is there.
    fn elsewhere(&self, names: &str, lines: &mut Lines<'_>) {
        let home = home(&self.facts.route);
        let Elsewhere { region, account } = self.place;
        let kind = match self.facts.route.policy.database {
            Database::Cluster => "cluster",
            Database::Instance => "db",
        };
        let source = self.facts.route.source_name();
        let source = source.map_or("NAME", SourceId::as_str);
        lines.warn(
            RULE,
            format!(
                "{names}, enabled: it forwards events of account {account} in {region}, but the route's target group is in \
                 {} in {}",
                home.account, home.region
            ),
            format!(
                "if the database is there, set source = \"arn:{}:rds:{region}:{account}:{kind}:{source}\"; otherwise correct \
                 the rule's pattern",
                home.partition
            ),
        );
    }

    fn ids(&self, lines: &mut Lines<'_>) {
        let route = &self.facts.route;
        if route.source == Source::Any {
            return lines.skipped(IDS, "the route accepts events of any source", None);
        }
        let (mut missing, mut partly, mut open) = (Vec::new(), Vec::new(), BTreeSet::new());
        for id in ids_of(route) {
            match self.comes(*id) {
                Comes::Yes => {}
                Comes::Partly(text) => partly.push((*id, text)),
                Comes::No => missing.push(*id),
                Comes::Unknown(fields) => open.extend(fields),
            }
        }
        if missing.is_empty() && partly.is_empty() {
            let open = listed(open);
            if !open.is_empty() {
                return lines.skipped(IDS, format!("they depend on {open}"), None);
            }
            let all = ids_of(route).len();
            return lines.pass(IDS, format!("all {all} that move the route"));
        }
        let fix = "filter only by detail.EventID in the rule's pattern, with every id that moves the route (EventIds of \
                   infra/route.yaml)";
        let why = missing_events(&missing, &partly);
        if missing.iter().any(|id| self.is_needed(*id, &missing)) {
            without_events(IDS, why, fix, follows_anyway(route, self.config), lines);
        } else if partly.iter().any(|(id, _)| self.is_needed(*id, &missing)) {
            let why = format!("{why}: a failover with that text is missed");
            lines.warn(IDS, why, fix);
        } else {
            let why = format!("{why}: the route follows later, by other events or a reconcile pass");
            lines.warn(IDS, why, fix);
        }
    }

    /// Whether a failover is not followed when this event does not arrive. Without a start it is followed
    /// when it is complete, which is later; and where no start moves the route, none has to be taken back.
    fn is_needed(&self, id: u16, missing: &[u16]) -> bool {
        let moved_by_a_start = self.facts.route.on_started != OnStarted::Wait
            && STARTED.iter().any(|started| !missing.contains(started));
        match id {
            COMPLETED | INSTANCE_COMPLETED => true,
            RESTORED => moved_by_a_start,
            _ => false,
        }
    }
}

fn listed(fields: BTreeSet<String>) -> String {
    let fields: Vec<String> = fields.into_iter().collect();
    fields.join(", ")
}

fn missing_events(missing: &[u16], partly: &[(u16, String)]) -> String {
    let mut parts = Vec::new();
    if !missing.is_empty() {
        let ids: Vec<String> = missing.iter().map(|id| shown(*id)).collect();
        parts.push(format!("{} do not arrive", ids.join(", ")));
    }
    let partly = partly.iter();
    parts.extend(
        partly.map(|(id, text)| format!("{} arrives with some texts, but not with \"{text}\"", shown(*id))),
    );
    parts.join("; ")
}

fn none(route: &Route, others: &[&RuleFacts], config: &Config, lines: &mut Lines<'_>) {
    let source = route.source_name().map_or("any source", SourceId::as_str);
    let why = if others.is_empty() {
        "no rule sends to the queue: no event arrives".to_owned()
    } else {
        let names = named(others);
        format!("no rule that sends to the queue ({names}) matches events of {source}")
    };
    let fix = "deploy infra/route.yaml for the route; the SourceArn in a rule's pattern is case-sensitive";
    without_events(RULE, why, fix, follows_anyway(route, config), lines);
}

/// Reports events that do not arrive: a warning if the discovery sources still make the route follow, later.
fn without_events(check: Check, why: String, fix: &str, follows_anyway: bool, lines: &mut Lines<'_>) {
    if follows_anyway {
        let why = format!("{why}; the route follows later, at a reconcile pass");
        lines.warn(check, why, fix);
    } else {
        lines.fail(check, why, fix);
    }
}

/// Whether reconcile passes read discovery sources.
fn follows_anyway(route: &Route, config: &Config) -> bool {
    !route.policy.discovery.is_empty() && config.reconciling.interval.is_some()
}

/// How the events are sent.
fn sent(targets: &[&RuleTarget], lines: &mut Lines<'_>) {
    let groups: Vec<&str> = targets.iter().filter_map(|target| target.message_group.as_deref()).collect();
    if groups.len() < targets.len() {
        lines.fail(
            GROUP,
            "none: a FIFO queue requires one",
            "give the target SqsParameters.MessageGroupId, the route's name",
        );
    } else if groups.iter().any(|group| group.starts_with(PATH)) {
        lines.warn(
            GROUP,
            format!("{}: it is unclear whether EventBridge resolves a path here", groups.join(", ")),
            "write the route's name: each route needs one group",
        );
    } else {
        lines.pass(GROUP, groups.join(", "));
    }
    letters(targets, lines);
    let reshaped: Vec<&str> = targets.iter().filter_map(|target| target.reshaped_by).collect();
    if reshaped.is_empty() {
        lines.pass(WHOLE, "sent whole");
    } else {
        lines.fail(
            WHOLE,
            format!("{} changes the event, so the worker cannot read it", reshaped.join(", ")),
            "remove it from the rule's target",
        );
    }
}

fn letters(targets: &[&RuleTarget], lines: &mut Lines<'_>) {
    let queues: Vec<&str> =
        targets.iter().filter_map(|target| target.dead_letters.as_deref().map(name_of)).collect();
    if queues.len() < targets.len() {
        lines.warn(
            LETTERS,
            "none: an event that cannot be delivered within a day is lost without a trace",
            "give the target a DeadLetterConfig with a standard queue (infra/route.yaml)",
        );
    } else {
        lines.pass(LETTERS, queues.join(", "));
    }
}
