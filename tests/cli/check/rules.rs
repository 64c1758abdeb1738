//! What brings a route's events.

use writerlink::preflight::CheckStatus::{Fail, Pass, Skipped, Unknown, Warn};
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::Unseen;

use super::seen::{Case, unseen};

/// The pattern with this for that.
fn with_pattern(mut case: Case, from: &str, to: &str) -> Case {
    let pattern = case.rule().pattern.clone().unwrap();
    assert!(pattern.contains(from), "{pattern}");
    case.rule().pattern = Some(pattern.replace(from, to));
    case
}

#[test]
fn a_rule_that_lets_the_routes_events_through_passes_by_its_name() {
    let case = Case::good();
    assert_eq!((case.says("rule"), case.says("event ids")), (Pass, Pass));
    assert!(case.why("rule").contains("writerlink-orders"));
}

#[test]
fn a_rule_for_another_database_brings_nothing() {
    for (from, to) in [
        ("cluster:orders", "cluster:order"),
        ("aws.rds", "aws.docdb"),
        ("RDS DB Cluster Event", "RDS DB Snapshot Event"),
    ] {
        let case = with_pattern(Case::good(), from, to);
        assert_eq!(case.says("rule"), Fail, "{to}");
        let why = case.why("rule");
        assert!(why.contains("writerlink-orders") && why.contains("events of orders"), "{why}");
    }
}

#[test]
fn no_rule_or_a_rule_without_the_queue_as_target_brings_no_events() {
    let mut case = Case::good();
    case.rule().targets.clear();
    assert_eq!(case.says("rule"), Fail);
    case.facts.rules = Ok(Vec::new());
    assert_eq!(case.says("rule"), Fail);
    assert!(case.why("rule").contains("no rule sends to the queue"));
}

#[test]
fn a_disabled_rule_brings_nothing_and_one_of_two_is_enough() {
    let mut case = Case::good();
    let enabled = case.rule().clone();
    case.rule().state = "DISABLED".to_owned();
    assert_eq!(case.says("rule"), Fail);
    assert!(case.lines("rule")[0].remedy.as_ref().unwrap().contains("enable-rule"));
    case.facts.rules.as_mut().unwrap().push(Ok(enabled));
    assert_eq!(case.says("rule"), Pass);
}

#[test]
fn who_asks_his_witnesses_follows_without_events_so_it_is_a_warning() {
    let asks = || {
        let mut case = Case::with("discovery = \"rds\"");
        case.facts.rules = Ok(Vec::new());
        case
    };
    let mut case = asks();
    assert_eq!(case.says("rule"), Warn);
    case.config.reconciling.interval = None;
    assert_eq!(case.says("rule"), Fail);
}

#[test]
fn an_event_id_that_moves_the_route_has_to_arrive_and_another_ought_to() {
    for (id, verdict) in [
        ("RDS-EVENT-0071", Fail),
        ("RDS-EVENT-0070", Fail),
        // Without a start it is followed once it is complete.
        ("RDS-EVENT-0073", Warn),
        ("RDS-EVENT-0069", Warn),
        // Of an instance, which this route does not have.
        ("RDS-EVENT-0049", Pass),
    ] {
        let case = with_pattern(Case::good(), id, "RDS-EVENT-9999");
        assert_eq!(case.says("event ids"), verdict, "{id}");
    }
}

#[test]
fn nothing_has_to_be_taken_back_where_no_start_moves_the_route() {
    let without = |line: &str, ids: &[&str]| {
        let unlike = |case, id: &&str| with_pattern(case, id, "RDS-EVENT-9999");
        let case = ids.iter().fold(Case::with(line), unlike);
        case.says("event ids")
    };
    let swaps = "on_started = \"swap\"";
    assert_eq!(without(swaps, &["RDS-EVENT-0070", "RDS-EVENT-0072"]), Fail);
    let starts = ["RDS-EVENT-0070", "RDS-EVENT-0072", "RDS-EVENT-0073"];
    assert_eq!(without(swaps, &starts), Warn);
    assert_eq!(without("on_started = \"wait\"", &["RDS-EVENT-0070"]), Warn);
}

#[test]
fn a_route_that_waits_for_the_completion_does_not_need_the_start() {
    let waits = Case::with("on_started = \"wait\"");
    let case = with_pattern(waits, "RDS-EVENT-0073", "RDS-EVENT-9999");
    assert_eq!(case.says("event ids"), Warn);
}

#[test]
fn an_instances_route_needs_the_events_of_an_instance() {
    let of_instance = || Case::with("database = \"instance\"\ndiscovery = \"rds\"");
    assert_eq!(of_instance().says("event ids"), Pass);
    let case = with_pattern(of_instance(), "RDS-EVENT-0049", "RDS-EVENT-9999");
    assert_eq!(case.says("event ids"), Warn);
    let case = with_pattern(of_instance(), "db:orders", "db:other");
    assert_eq!(case.says("rule"), Warn);
}

#[test]
fn a_fifo_queue_takes_nothing_without_a_message_group() {
    let mut case = Case::good();
    assert_eq!(case.says("message group"), Pass);
    case.rule().targets[0].message_group = Some("$.detail.SourceIdentifier".to_owned());
    assert_eq!(case.says("message group"), Warn);
    case.rule().targets[0].message_group = None;
    assert_eq!(case.says("message group"), Fail);
}

#[test]
fn what_cannot_be_delivered_ought_to_lie_somewhere() {
    let mut case = Case::good();
    assert_eq!(case.says("rule's dead-letter queue"), Pass);
    case.rule().targets[0].dead_letters = None;
    assert_eq!(case.says("rule's dead-letter queue"), Warn);
}

#[test]
fn a_rule_that_sends_another_text_than_the_event_fails() {
    let mut case = Case::good();
    assert_eq!(case.says("event as it is"), Pass);
    case.rule().targets[0].reshaped_by = Some("InputPath");
    assert_eq!(case.says("event as it is"), Fail);
}

#[test]
fn a_rule_that_cannot_be_read_is_unclear_unless_another_brings_events() {
    let mut case = Case::good();
    let good = case.rule().clone();
    case.facts.rules = Ok(vec![Err(unseen(ErrorKind::Denied))]);
    assert_eq!(case.says("rule"), Unknown);
    case.facts.rules = Ok(vec![Err(unseen(ErrorKind::Denied)), Ok(good)]);
    assert_eq!(case.says("rule"), Pass);
    case.facts.rules = Err(Unseen::NotHere("no rules"));
    assert_eq!(case.says("rule"), Skipped);
}

#[test]
fn in_another_partition_the_rules_arns_are_of_that_partition() {
    let there = |text: &str| text.replace("arn:aws:", "arn:aws-cn:");
    let mut case = Case::in_china();
    assert_eq!(case.says("rule"), Fail);
    let pattern = case.rule().pattern.as_deref().map(there);
    case.rule().pattern = pattern;
    assert_eq!(case.says("rule"), Pass);
}
