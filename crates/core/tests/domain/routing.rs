//! Which routes an event concerns: by its source, or by the text of a blue/green deployment.

use proptest::prelude::*;
use writerlink_core::decision::event::decide;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::evidence::routing::{Concern, concern, concerned, databases_named_in, why_no_route};
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::model::names::{RouteName, SourceId, TargetGroupArn};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::Database;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::{Route, Source};
use writerlink_core::model::source_arn::{SourceArn, SourceKind};

use super::values::{COMPLETED, asking_route, event, order, pointing_at, route, second};

const COMPLETED_TEXT: &str = "Switchover from DB cluster aurora-source to aurora-source-green-abc123 completed. \
     Renamed aurora-source to aurora-source-old1 and aurora-source-green-abc123 to aurora-source.";

/// An event of a deployment in the route's own account and Region.
fn switched(id: u16, message: &str) -> RdsEvent {
    RdsEvent {
        source: SourceId::new("bgd-hdqs3ik6vrwgutsn").unwrap(),
        kind: SourceKind::BlueGreenDeployment,
        source_arn: SourceArn::parse("arn:aws:rds:us-east-1:123456789012:deployment:bgd-hdqs3ik6vrwgutsn")
            .ok(),
        ..event(EventId::parse(&format!("RDS-EVENT-{id:04}")).unwrap(), message, second(5))
    }
}

fn from(arn: &str) -> RdsEvent {
    RdsEvent { source_arn: SourceArn::parse(arn).ok(), ..switched(260, COMPLETED_TEXT) }
}

fn route_of(source: &str) -> Route {
    Route {
        name: RouteName::new(source).unwrap(),
        source: Source::Named(SourceId::new(source).unwrap()),
        ..route()
    }
}

fn names(message: &str) -> Vec<String> {
    let named = databases_named_in(message);
    named.iter().map(|named| named.id.to_string()).collect()
}

#[test]
fn every_wording_of_a_switchover_names_its_databases() {
    let instance = Some(Database::Instance);
    for (text, kind, named) in [
        ("Switchover from blue to green started.", None, &["blue", "green"][..]),
        (
            COMPLETED_TEXT,
            Some(Database::Cluster),
            &["aurora-source", "aurora-source-green-abc123", "aurora-source-old1"],
        ),
        (
            "Switchover from DB cluster blue to green was canceled due to a long transaction on red.",
            Some(Database::Cluster),
            &["blue", "green"],
        ),
        (
            "Switchover from primary blue to green completed. Renamed blue to blue-old1 and green to blue.",
            instance,
            &["blue", "green", "blue-old1"],
        ),
        (
            "Switchover from read replica blue-r to green-r completed. Renamed blue-r to blue-r-old1 and green-r to blue-r",
            instance,
            &["blue-r", "green-r", "blue-r-old1"],
        ),
        (
            "Switchover from primary/read replica blue to green was canceled due to reason",
            instance,
            &["blue", "green"],
        ),
        // A database may be called what the wording calls its role.
        ("Switchover from primary to primary-green-x1 started.", None, &["primary", "primary-green-x1"]),
        ("Switchover from DB cluster Blue to GREEN started", Some(Database::Cluster), &["blue", "green"]),
    ] {
        assert_eq!(names(text), named, "{text}");
        let kinds = databases_named_in(text);
        assert!(kinds.iter().all(|found| found.kind == kind), "{kinds:?}");
    }
}

#[test]
fn a_text_that_is_worded_otherwise_names_nobody() {
    for text in [
        "",
        "Switchover completed on blue/green deployment.",
        "Switchover canceled on blue/green deployment.",
        "Switchover of aurora-source to aurora-source-green-abc123",
        "the Switchover from DB cluster aurora-source to green completed.",
        "Switchover from aurora-source",
        "Switchover from DB cluster aurora_source to green completed.",
        "Switchover from DB cluster aurora-sourcé to green completed.",
        "Switchover from DB cluster aurora-source to green_1 completed.",
        "Switchover from DB cluster  aurora-source to green completed.",
        "Switchover from DB cluster 10.0.0.9 to 10.0.0.10 completed.",
        "Sequence sync for switchover of aurora-source to green has initiated.",
    ] {
        assert_eq!(names(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn an_event_concerns_the_route_of_its_source_and_no_other() {
    let completed = event(COMPLETED, "Completed failover to DB instance: db-2", second(5));
    let routes = [route_of("orders"), route_of("aurora-source")];
    assert_eq!(concerned(&routes, &completed), [(&routes[1], Concern::Source)]);
    assert_eq!(why_no_route(&routes[..1], &completed).why, "no route has source aurora-source");
}

#[test]
fn a_switchover_concerns_the_routes_whose_source_it_names() {
    let routes = [
        route_of("aurora-source"),
        route_of("aurora"),
        route_of("source"),
        route_of("aurora-source-green"),
        route_of("aurora-source-old1"),
        route_of("orders"),
    ];
    let found = concerned(&routes, &switched(260, COMPLETED_TEXT));
    let expected = [&routes[0], &routes[4]].map(|route| (route, Concern::NamedInText));
    assert_eq!(found, expected);
}

#[test]
fn a_name_inside_another_name_is_no_name() {
    let text = "Switchover from DB cluster aurora-source-green-abc123 to x-aurora-source completed.";
    assert_eq!(concern(&route(), &switched(260, text)), None);
}

#[test]
fn a_deployment_of_another_place_or_of_none_concerns_nobody() {
    let own = "arn:aws:rds:us-east-1:123456789012:deployment:bgd-hdqs3ik6vrwgutsn";
    assert_eq!(concern(&route(), &from(own)), Some(Concern::NamedInText));
    for (part, other) in
        [("us-east-1", "eu-west-1"), ("123456789012", "210987654321"), ("arn:aws:", "arn:aws-cn:")]
    {
        let elsewhere = from(&own.replace(part, other));
        assert_eq!(concern(&route(), &elsewhere), None, "{other}");
    }
    let nowhere = RdsEvent { source_arn: None, ..switched(260, COMPLETED_TEXT) };
    assert_eq!(concern(&route(), &nowhere), None);
    let mut there = route();
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/db/73e2d6bc24d8a067";
    there.group.arn = TargetGroupArn::new(arn).unwrap();
    assert_eq!(concern(&there, &from(own)), None);
    let elsewhere = from(&own.replace("us-east-1", "eu-west-1"));
    assert_eq!(concern(&there, &elsewhere), Some(Concern::NamedInText));
}

#[test]
fn a_cluster_and_an_instance_of_one_name_are_two_databases() {
    let mut of_instance = route();
    of_instance.policy.database = Database::Instance;
    for (what, cluster, instance) in [
        ("DB cluster ", true, false),
        ("primary ", false, true),
        ("read replica ", false, true),
        ("", true, true),
    ] {
        let event = switched(251, &format!("Switchover from {what}aurora-source to b completed."));
        assert_eq!(concern(&route(), &event).is_some(), cluster, "{what}");
        assert_eq!(concern(&of_instance, &event).is_some(), instance, "{what}");
    }
}

#[test]
fn a_deployments_event_that_asks_nothing_concerns_nobody_by_name() {
    let started = "Switchover from DB cluster aurora-source to green started.";
    assert_eq!(concern(&route(), &switched(259, started)), None);
    let note = why_no_route(&[], &switched(259, started)).why;
    assert_eq!(note, "RDS-EVENT-0259 of blue/green deployment bgd-hdqs3ik6vrwgutsn requires no reading");
    // A cluster's event names nobody but its source, whatever its text.
    let other = RdsEvent {
        source: SourceId::new("orders").unwrap(),
        ..event(EventId::FAILOVER_FAILED, COMPLETED_TEXT, second(5))
    };
    assert_eq!(concern(&route(), &other), None);
}

#[test]
fn what_concerns_nobody_says_why_and_never_that_a_deployment_is_a_source() {
    let named = why_no_route(&[], &switched(260, COMPLETED_TEXT)).to_string();
    assert_eq!(
        named,
        "blue/green deployment bgd-hdqs3ik6vrwgutsn names aurora-source, aurora-source-green-abc123, aurora-source-old1, \
         and no route has one of them in us-east-1 of account 123456789012 as its source; nothing is to be done, unless \
         a route should follow one of these databases: then compare its source with this account and Region"
    );
    let unnamed = switched(248, "Switchover completed on blue/green deployment.");
    let unnamed = why_no_route(&[], &unnamed).to_string();
    assert_eq!(
        unnamed,
        "the text of blue/green deployment bgd-hdqs3ik6vrwgutsn names no database; other events of the same switchover do; \
         nothing is to be done, unless a route should follow one of these databases: then compare its source with this \
         account and Region"
    );
    for text in [named, unnamed] {
        assert!(!text.contains("source bgd-"), "{text}");
    }
}

#[test]
fn a_named_route_is_asked_where_it_can_ask_and_else_says_that_it_cannot() {
    let event = switched(260, COMPLETED_TEXT);
    let control = pointing_at(1, order(0, 1));
    let about = |route: &Route| {
        let evidence = Evidence::new(route, event.clone());
        decide(route, &control, &evidence, None, second(6))
    };
    let Decision::Ask(asked) = about(&asking_route()) else {
        panic!("{:?}", about(&asking_route()));
    };
    assert_eq!(asked.reason, Reason::SourcesAsked);
    let Decision::Settle(settled) = about(&route()) else {
        panic!("{:?}", about(&route()));
    };
    let told = (settled.outcome, settled.reason);
    assert_eq!(told, (Outcome::Ignored, Reason::NoSources));
}

proptest! {
    #[test]
    fn a_forged_text_names_few_and_only_whole_words(
        words in prop::collection::vec("[a-zA-Z0-9-]{0,9}[ ._]?", 0..60),
        opening in prop_oneof![
            Just("Switchover from "),
            Just("Switchover from DB cluster "),
            Just("Switchover from primary "),
            Just(""),
        ],
    ) {
        let text = format!("{opening}{}", words.join(" to "));
        let named = names(&text);
        prop_assert!(named.len() <= 6, "{named:?}");
        for name in named {
            let lower = text.to_ascii_lowercase();
            let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
            prop_assert!(lower.split(ends).any(|word| word == name), "{name} in {text}");
        }
    }

    #[test]
    fn any_text_at_all_is_read_without_harm(text in any::<String>()) {
        prop_assert!(names(&text).len() <= 6);
        let text = format!("Switchover from {text}");
        prop_assert!(names(&text).len() <= 6);
    }

    #[test]
    fn a_completed_switchover_of_any_names_names_them(
        blue in "[a-z][a-z0-9-]{0,40}",
        green in "[a-z][a-z0-9-]{0,40}",
        what in prop_oneof![Just(""), Just("DB cluster "), Just("primary "), Just("read replica ")],
    ) {
        let text = format!(
            "Switchover from {what}{blue} to {green} completed. Renamed {blue} to {blue}-old1 and {green} to {blue}."
        );
        let named = names(&text);
        for name in [blue.clone(), green, format!("{blue}-old1")] {
            prop_assert!(named.contains(&name), "{name} in {text}");
        }
        prop_assert!(named.len() <= 3);
    }
}
