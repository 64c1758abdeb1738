//! What brings a route's events: rules of EventBridge, held against what moves the route.

mod arriving;

use std::collections::BTreeSet;

use crate::config::Config;
use crate::preflight::caller::name_of;
use crate::preflight::finding::{Check, CheckFindings, Lines, Subject};
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

/// What an enabled rule says. (`ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS` is the other way of being so.)
const ENABLED: &str = "ENABLED";

/// Where a message group is said by a path into the event.
const PATH: &str = "$";

/// The events that move a cluster when they come: who became its writer.
const COMPLETED: u16 = 71;
const INSTANCE_COMPLETED: u16 = 49;
/// The previous writer stays the writer.
const RESTORED: u16 = 70;
/// A failover began.
const STARTED: [u16; 2] = [72, 73];

pub(super) fn judge(facts: &RouteFacts, all: &Facts, config: &Config, sheet: &mut CheckFindings) {
    let mut lines = sheet.about(Subject::Route(facts.route.name.clone()));
    let rules = match (&all.rules, &all.queue) {
        (Ok(rules), Ok(_)) => rules,
        // The queue's own lines say why.
        (_, Err(_)) => {
            let why = "the rules are found by the queue, which could not be read";
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
        return without_events(RULE, (why, fix), (&facts.route, config), &mut lines);
    }
    let asked = Asked { facts, config, rules: &on, place: &brought.place };
    asked.enabled(&mut lines);
    asked.ids(&mut lines);
    let targets: Vec<&RuleTarget> = on.iter().flat_map(|rule| &rule.targets).collect();
    sent(&targets, &mut lines);
}

fn named(rules: &[&RuleFacts]) -> String {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    names.join(", ")
}

/// Whether a rule sends the queue anything that may move the route.
pub(super) fn brings(facts: &RouteFacts, rule: &RuleFacts) -> bool {
    !Brought::of(facts, &[rule]).rules.is_empty()
}

/// The enabled rules that bring a route's events, and what is asked of them.
struct Asked<'a> {
    facts: &'a RouteFacts,
    config: &'a Config,
    rules: &'a [&'a RuleFacts],
    place: &'a Elsewhere,
}

impl Asked<'_> {
    fn comes(&self, id: u16) -> Comes {
        let place = self.place.place(home(&self.facts.route));
        comes(self.rules, self.facts, place, id)
    }

    /// What has to fit of an event before anything comes for certain; nothing where something does.
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
                format!("{names}, enabled; whether it brings the route's events depends on {open}, which check cannot foresee"),
                "hold the pattern against an event of this database (aws events test-event-pattern; `writerlink audit show` \
                 prints what arrived), or filter by detail.SourceArn and detail.EventID",
            );
        } else if *self.place == Elsewhere::of(home) {
            lines.pass(RULE, format!("{names}, enabled"));
        } else {
            self.elsewhere(&names, lines);
        }
    }

    /// A rule of a hub: right if the database is there, wrong if it is not.
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
                "{names}, enabled: it brings events of account {account} in {region}, and the route's target group is of \
                 {} in {}",
                home.account, home.region
            ),
            format!(
                "if the database is there, say so: source = \"arn:{}:rds:{region}:{account}:{kind}:{source}\"; else correct \
                 the rule's pattern",
                home.partition
            ),
        );
    }

    fn ids(&self, lines: &mut Lines<'_>) {
        let route = &self.facts.route;
        if route.source == Source::Any {
            return lines.skipped(IDS, "the route takes events of any source", None);
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
        let fix = "ask for detail.EventID alone in the rule's pattern, with every id that moves the route (EventIds of \
                   infra/route.yaml)";
        let why = told(&missing, &partly);
        if missing.iter().any(|id| self.is_needed(*id, &missing)) {
            without_events(IDS, (why, fix.to_owned()), (route, self.config), lines);
        } else if partly.iter().any(|(id, _)| self.is_needed(*id, &missing)) {
            let why = format!("{why}: a failover that RDS tells in such words is not heard of");
            lines.warn(IDS, why, fix);
        } else {
            let why = format!("{why}: what they tell is learnt later, from other events or the timer");
            lines.warn(IDS, why, fix);
        }
    }

    /// Whether a failover is not followed when this event does not arrive. Without a start it is followed when it is
    /// complete, which is later; and where no start moves the route, none has to be taken back.
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

fn told(missing: &[u16], partly: &[(u16, String)]) -> String {
    let mut told = Vec::new();
    if !missing.is_empty() {
        let ids: Vec<String> = missing.iter().map(|id| shown(*id)).collect();
        told.push(format!("{} do not arrive", ids.join(", ")));
    }
    let partly = partly.iter();
    told.extend(
        partly.map(|(id, text)| {
            format!("{} arrives with some texts, and \"{text}\" does not pass", shown(*id))
        }),
    );
    told.join("; ")
}

fn none(route: &Route, others: &[&RuleFacts], config: &Config, lines: &mut Lines<'_>) {
    let source = route.source_name().map_or("any source", SourceId::as_str);
    let why = if others.is_empty() {
        "no rule sends to the queue: no event arrives".to_owned()
    } else {
        let names = named(others);
        format!("no rule that sends to the queue ({names}) lets events of {source} through")
    };
    let fix = "deploy infra/route.yaml for the route; the SourceArn of a rule's pattern is compared letter by letter";
    without_events(RULE, (why, fix.to_owned()), (route, config), lines);
}

/// How bad it is that an event does not arrive: who asks his sources follows all the same, later.
fn without_events(
    check: Check,
    (why, fix): (String, String),
    (route, config): (&Route, &Config),
    lines: &mut Lines<'_>,
) {
    if follows_anyway(route, config) {
        let why = format!("{why}; the route follows when the timer asks, which is later");
        lines.warn(check, why, fix);
    } else {
        lines.fail(check, why, fix);
    }
}

fn follows_anyway(route: &Route, config: &Config) -> bool {
    !route.policy.discovery.is_empty() && config.reconciling.interval.is_some()
}

/// How the events are sent.
fn sent(targets: &[&RuleTarget], lines: &mut Lines<'_>) {
    let groups: Vec<&str> = targets.iter().filter_map(|target| target.message_group.as_deref()).collect();
    if groups.len() < targets.len() {
        lines.fail(
            GROUP,
            "none: SQS takes no message of a FIFO queue without one",
            "give the target SqsParameters.MessageGroupId, the route's name",
        );
    } else if groups.iter().any(|group| group.starts_with(PATH)) {
        lines.warn(
            GROUP,
            format!("{}: documents and reports disagree whether a path is filled in here", groups.join(", ")),
            "write the route's name: one group a route is what is wanted",
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
            format!(
                "{} makes another text of the event, which the worker does not know",
                reshaped.join(", ")
            ),
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
            "none: an event that cannot be delivered within a day is lost, and nobody hears of it",
            "give the target a DeadLetterConfig with a standard queue (infra/route.yaml)",
        );
    } else {
        lines.pass(LETTERS, queues.join(", "));
    }
}
