//! What brings a route's events: rules of EventBridge, held against what moves the route.

use serde_json::{Value, json};

use super::caller::{Place, name_of, place_of};
use super::facts::{Facts, RouteFacts, RuleFacts, RuleTarget};
use super::finding::{Check, Lines, Sheet, Subject};
use super::pattern::{Lets, lets};
use crate::config::Config;
use crate::domain::policy::Database;
use crate::domain::route::{OnStarted, Route, Source, SourceId};

const RULE: Check = Check::aws(
    "rule",
    "EventBridge user guide, \"Creating Amazon EventBridge event patterns\"",
);
const IDS: Check = Check::aws(
    "event ids",
    "RDS user guide, \"Amazon RDS event categories and event messages\"",
);
const GROUP: Check = Check::aws(
    "message group",
    "EventBridge API reference, \"SqsParameters\"",
);
const LETTERS: Check = Check::aws(
    "rule's dead-letter queue",
    "EventBridge user guide, \"Using dead-letter queues to process undelivered events\"",
);
const WHOLE: Check = Check::aws(
    "event as it is",
    "EventBridge user guide, \"Amazon EventBridge input transformation\"",
);

/// What an enabled rule says. (`ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS` is the other way of being so.)
const ENABLED: &str = "ENABLED";

/// Where a message group is said by a path into the event.
const PATH: &str = "$";

/// The failovers of a cluster, and of a Multi-AZ instance: those of infra/route.yaml.
const OF_CLUSTER: [u16; 5] = [69, 70, 71, 72, 73];
const OF_INSTANCE: [u16; 6] = [13, 15, 49, 50, 51, 65];

pub(super) fn judge(facts: &RouteFacts, all: &Facts, config: &Config, sheet: &mut Sheet) {
    let route = &facts.route;
    let mut lines = sheet.about(Subject::Route(route.name.clone()));
    let (rules, queue) = match (&all.rules, &all.queue) {
        (Ok(rules), Ok(queue)) => (rules, queue),
        // The queue's own lines say why.
        (_, Err(_)) => {
            let why = "the rules are found by the queue, which could not be read";
            return lines.skipped(RULE, why, None);
        }
        (Err(unseen), _) => return lines.unseen(RULE, unseen),
    };
    let seen: Vec<&RuleFacts> = rules.iter().flatten().collect();
    let place = place_of(&queue.arn).unwrap_or_default();
    let brings = |rule: &&RuleFacts| brings(rule, route, place);
    let (bringing, others): (Vec<_>, Vec<_>) = seen.iter().copied().partition(brings);
    if let Some(unseen) = rules.iter().find_map(|rule| rule.as_ref().err())
        && bringing.is_empty()
    {
        return lines.unseen(RULE, unseen);
    }
    if bringing.is_empty() {
        return none(route, &others, config, &mut lines);
    }
    let (on, off): (Vec<_>, Vec<_>) = bringing
        .into_iter()
        .partition(|rule| rule.state.starts_with(ENABLED));
    if on.is_empty() {
        let why = format!("{} is disabled: no event arrives", named(&off));
        let fix = format!("aws events enable-rule --name {}", named(&off));
        return without_events(RULE, (why, fix), (route, config), &mut lines);
    }
    lines.pass(RULE, format!("{}, enabled", named(&on)));
    ids(&on, route, (place, config), &mut lines);
    let targets: Vec<&RuleTarget> = on.iter().flat_map(|rule| &rule.targets).collect();
    sent(&targets, &mut lines);
}

fn named(rules: &[&RuleFacts]) -> String {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    names.join(", ")
}

/// Whether a rule sends the queue anything that moves the route.
fn brings(rule: &RuleFacts, route: &Route, place: Place<'_>) -> bool {
    !rule.targets.is_empty()
        && ids_of(route)
            .iter()
            .any(|id| through(rule, route, (place, *id)))
}

fn ids_of(route: &Route) -> &'static [u16] {
    match route.policy.database {
        Database::Cluster => &OF_CLUSTER,
        Database::Instance => &OF_INSTANCE,
    }
}

/// What is unclear is let through here: a pattern that is not understood is no proof that nothing comes.
fn through(rule: &RuleFacts, route: &Route, (place, id): (Place<'_>, u16)) -> bool {
    let Some(pattern) = &rule.pattern else {
        return false;
    };
    let Some(source) = route.source_name() else {
        return true;
    };
    let place = match &route.source {
        Source::Any | Source::Named(_) => place,
        Source::Elsewhere(arn) => Place::of(arn.location()),
    };
    let event = event(source.as_str(), route.policy.database, (place, id));
    lets(pattern, &event) != Lets::Not
}

/// An event of RDS as EventBridge gets it, with what a pattern may ask for.
fn event(source: &str, database: Database, (place, id): (Place<'_>, u16)) -> Value {
    let (kind, detail_type, source_type) = match database {
        Database::Cluster => ("cluster", "RDS DB Cluster Event", "CLUSTER"),
        Database::Instance => ("db", "RDS DB Instance Event", "DB_INSTANCE"),
    };
    let Place {
        partition,
        region,
        account,
    } = place;
    let arn = format!("arn:{partition}:rds:{region}:{account}:{kind}:{source}");
    json!({
        "version": "0",
        "id": "844e2571-85d4-695f-b930-0153b71dcb42",
        "detail-type": detail_type,
        "source": "aws.rds",
        "account": account,
        "time": "2026-05-06T23:07:45Z",
        "region": region,
        "resources": [arn],
        "detail": {
            "EventCategories": ["failover"],
            "SourceType": source_type,
            "SourceArn": arn,
            "Date": "2026-05-06T23:07:45.884Z",
            "SourceIdentifier": source,
            "EventID": shown(id),
        },
    })
}

fn shown(id: u16) -> String {
    format!("RDS-EVENT-{id:04}")
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

/// How bad it is that an event does not arrive: who asks his witnesses follows all the same, later.
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
    !route.policy.truth.is_empty() && config.reconciling.interval.is_some()
}

fn ids(
    rules: &[&RuleFacts],
    route: &Route,
    (place, config): (Place<'_>, &Config),
    lines: &mut Lines<'_>,
) {
    if route.source == Source::Any {
        return lines.skipped(IDS, "the route takes events of any source", None);
    }
    let come = |id: &&u16| rules.iter().any(|rule| through(rule, route, (place, **id)));
    let (come, missing): (Vec<u16>, Vec<u16>) = ids_of(route).iter().partition(come);
    let list = |ids: &[u16]| {
        ids.iter()
            .map(|id| shown(*id))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if missing.is_empty() {
        return lines.pass(IDS, format!("all {} that move the route", come.len()));
    }
    let why = format!("{} do not arrive", list(&missing));
    let fix = "add them to detail.EventID of the rule's pattern (EventIds of infra/route.yaml)";
    if missing.iter().any(|id| moves(route, *id)) {
        without_events(IDS, (why, fix.to_owned()), (route, config), lines);
    } else {
        let why = format!("{why}: what they tell is learnt later, from other events or the timer");
        lines.warn(IDS, why, fix);
    }
}

/// Whether a failover is not followed, or late, when this event does not arrive. The others announce, or ask.
fn moves(route: &Route, id: u16) -> bool {
    match id {
        70 | 71 | 49 => true,
        72 | 73 => route.on_started != OnStarted::Wait,
        _ => false,
    }
}

/// How the events are sent.
fn sent(targets: &[&RuleTarget], lines: &mut Lines<'_>) {
    let groups: Vec<&str> = targets
        .iter()
        .filter_map(|target| target.message_group.as_deref())
        .collect();
    if groups.len() < targets.len() {
        lines.fail(
            GROUP,
            "none: SQS takes no message of a FIFO queue without one",
            "give the target SqsParameters.MessageGroupId, the route's name",
        );
    } else if groups.iter().any(|group| group.starts_with(PATH)) {
        lines.warn(
            GROUP,
            format!(
                "{}: documents and reports disagree whether a path is filled in here",
                groups.join(", ")
            ),
            "write the route's name: one group a route is what is wanted",
        );
    } else {
        lines.pass(GROUP, groups.join(", "));
    }
    letters(targets, lines);
    let reshaped: Vec<&str> = targets
        .iter()
        .filter_map(|target| target.reshaped_by)
        .collect();
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
    let queues: Vec<&str> = targets
        .iter()
        .filter_map(|target| target.dead_letters.as_deref().map(name_of))
        .collect();
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
