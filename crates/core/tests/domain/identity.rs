//! Whose event it is (I5): kind, name, partition, account and Region, and not the name alone.

use proptest::prelude::*;
use writerlink_core::evidence::event::{EventId, EventKey, RdsEvent};
use writerlink_core::evidence::identity::{Agreement, nearest, not_followed};
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::model::names::{ArnPart, RouteName, SourceId};
use writerlink_core::model::policy::{Database, Policy};
use writerlink_core::model::route::{Route, Source};
use writerlink_core::model::source_arn::{SourceArn, SourceKind};

use super::values::{COMPLETED, STARTED, event, route, second};

const OWN: &str = "arn:aws:rds:us-east-1:123456789012:cluster:aurora-source";

fn arn(text: &str) -> SourceArn {
    SourceArn::parse(text).unwrap()
}

/// A failover of the cluster or instance with this ARN.
fn of(arn: &SourceArn) -> RdsEvent {
    RdsEvent {
        source: arn.name().clone(),
        kind: arn.kind(),
        source_arn: Some(arn.clone()),
        ..event(COMPLETED, "failover to DB instance: db-2", second(5))
    }
}

fn following(source: Source) -> Route {
    Route { source, ..route() }
}

fn instance_route() -> Route {
    let policy = Policy { database: Database::Instance, ..Policy::default() };
    Route { policy, ..route() }
}

/// The ARN with something else in one of its parts.
fn other(part: ArnPart) -> SourceArn {
    arn(match part {
        ArnPart::Kind => "arn:aws:rds:us-east-1:123456789012:db:aurora-source",
        ArnPart::Name => "arn:aws:rds:us-east-1:123456789012:cluster:aurora-sink",
        ArnPart::Partition => "arn:aws-cn:rds:us-east-1:123456789012:cluster:aurora-source",
        ArnPart::Account => "arn:aws:rds:us-east-1:210987654321:cluster:aurora-source",
        ArnPart::Region => "arn:aws:rds:eu-west-1:123456789012:cluster:aurora-source",
    })
}

fn differing(route: &Route, event: &RdsEvent) -> Vec<ArnPart> {
    let comparison = route.compare(event);
    comparison.differing().map(|part| part.part).collect()
}

#[test]
fn a_route_follows_its_own_database_and_none_that_differs_in_one_part() {
    assert!(route().follows(&of(&arn(OWN))));
    for part in ArnPart::ALL {
        let stranger = of(&other(part));
        assert!(!route().follows(&stranger), "{part}");
        assert_eq!(differing(&route(), &stranger), [part]);
    }
}

#[test]
fn what_an_event_does_not_say_counts_as_the_routes() {
    let unsaid = event(COMPLETED, "failover to DB instance: db-2", second(5));
    assert_eq!(unsaid.source_arn, None);
    assert!(route().follows(&unsaid));
    let route = route();
    let told = route.compare(&unsaid).0.map(|part| part.agreement());
    let (same, not_said) = (Agreement::Same, Agreement::NotSaid);
    assert_eq!(told, [same, same, not_said, not_said, not_said]);
    let words = route.compare(&unsaid).0.map(|part| part.to_string());
    assert_eq!(words[0], "event CLUSTER, route CLUSTER");
    assert_eq!(words[4], "not said by the event, route us-east-1");
}

#[test]
fn what_a_half_told_event_says_is_compared() {
    for (account, region, part) in
        [(Some("210987654321"), None, ArnPart::Account), (None, Some("eu-west-1"), ArnPart::Region)]
    {
        let own = SourceId::new("aurora-source").unwrap();
        let told = SourceArn::of_envelope(SourceKind::Cluster, &own, account, region);
        let stranger = RdsEvent { source_arn: told.unwrap(), ..of(&arn(OWN)) };
        assert_eq!(differing(&route(), &stranger), [part]);
    }
}

#[test]
fn a_source_of_another_account_is_followed_by_its_arn_and_not_by_its_name() {
    for part in [ArnPart::Partition, ArnPart::Account, ArnPart::Region] {
        let elsewhere = following(Source::Elsewhere(other(part)));
        assert!(elsewhere.follows(&of(&other(part))), "{part}");
        assert_eq!(differing(&elsewhere, &of(&arn(OWN))), [part]);
        assert!(elsewhere.source_of_rds().is_err(), "{part}");
    }
}

#[test]
fn a_route_that_takes_any_name_keeps_to_its_kind_account_and_region() {
    let any = following(Source::Any);
    assert!(any.follows(&of(&arn(OWN))));
    assert!(any.follows(&of(&other(ArnPart::Name))));
    for part in [ArnPart::Kind, ArnPart::Partition, ArnPart::Account, ArnPart::Region] {
        assert_eq!(differing(&any, &of(&other(part))), [part]);
    }
}

#[test]
fn an_instance_route_does_not_follow_the_cluster_of_its_name() {
    assert!(instance_route().follows(&of(&other(ArnPart::Kind))));
    assert_eq!(differing(&instance_route(), &of(&arn(OWN))), [ArnPart::Kind]);
    for kind in [SourceKind::BlueGreenDeployment, SourceKind::Other] {
        let told = RdsEvent { kind, source_arn: None, ..of(&arn(OWN)) };
        assert!(!instance_route().follows(&told) && !route().follows(&told));
    }
}

#[test]
fn an_unfollowed_event_names_the_part_that_differs_and_the_remedy() {
    let told = |part| not_followed(&[route()], &of(&other(part))).to_string();
    insta::assert_snapshot!(ArnPart::ALL.map(told).join("\n"), @r#"
    route orders does not follow DB_INSTANCE aurora-source: its kind is DB_INSTANCE, not CLUSTER; what happens to an instance of a cluster says nothing about who writes; if the route is to follow the instance itself, write database = "instance"
    no route has source aurora-sink
    route orders does not follow CLUSTER aurora-source: its partition is aws-cn, not aws; if a route is to follow it, write source = "arn:aws-cn:rds:us-east-1:123456789012:cluster:aurora-source"
    route orders does not follow CLUSTER aurora-source: its account is 210987654321, not 123456789012; if a route is to follow it, write source = "arn:aws:rds:us-east-1:210987654321:cluster:aurora-source"
    route orders does not follow CLUSTER aurora-source: its Region is eu-west-1, not us-east-1; if a route is to follow it, write source = "arn:aws:rds:eu-west-1:123456789012:cluster:aurora-source"
    "#);
    let unsaid = RdsEvent { kind: SourceKind::Instance, source_arn: None, ..of(&arn(OWN)) };
    let why = not_followed(&[route()], &unsaid).why;
    assert!(why.ends_with("its kind is DB_INSTANCE, not CLUSTER"), "{why}");
    let half = SourceArn::of_envelope(SourceKind::Cluster, &arn(OWN).name().clone(), None, Some("eu-west-1"));
    let half = RdsEvent { source_arn: half.unwrap(), ..of(&arn(OWN)) };
    let fix = not_followed(&[route()], &half).fix.unwrap();
    assert!(fix.ends_with("write the whole ARN as its source"), "{fix}");
}

#[test]
fn the_nearest_route_has_the_name_before_it_has_anything_else() {
    let named =
        |name: &str, source: Source| Route { name: RouteName::new(name).unwrap(), ..following(source) };
    let routes = [
        named("another", Source::Named(SourceId::new("sink").unwrap())),
        named("far", Source::Elsewhere(other(ArnPart::Account))),
        named("near", Source::Named(SourceId::new("aurora-source").unwrap())),
    ];
    let stranger = of(&other(ArnPart::Region));
    let near = nearest(&routes, &stranger);
    let found: Vec<&str> = near.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(found, ["near"]);
    assert_eq!(
        not_followed(&routes, &of(&arn("arn:aws:rds:us-east-1:123456789012:cluster:who"))).why,
        "no route has source who"
    );
}

#[test]
fn the_event_key_tells_every_part_apart_and_ignores_the_envelope() {
    let key = |event: &RdsEvent| EventKey::of(&route(), event);
    let own = of(&arn(OWN));
    let half = |account, region| RdsEvent {
        source_arn: SourceArn::of_envelope(SourceKind::Cluster, &own.source, account, region).unwrap(),
        ..own.clone()
    };
    let unsaid = RdsEvent { source_arn: None, ..own.clone() };
    for same in [unsaid, half(Some("123456789012"), None), half(None, Some("us-east-1"))] {
        assert_eq!(key(&same), key(&own), "the route says what {same:?} does not");
    }
    let message = own.message.clone();
    let later = event(COMPLETED, &message, second(6));
    let mut others = vec![
        event(STARTED, &message, second(5)),
        event(COMPLETED, "n", second(5)),
        later,
        RdsEvent { id: None, ..own.clone() },
    ];
    others.extend(ArnPart::ALL.map(|part| of(&other(part))));
    others.push(own.clone());
    let mut keys: Vec<EventKey> = others.iter().map(key).collect();
    let elsewhere = Route { name: RouteName::new("s").unwrap(), ..route() };
    keys.push(EventKey::of(&elsewhere, &own));
    let number = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), number);
    assert_eq!(EventKey::parse(&key(&own).to_string()), Some(key(&own)));
}

#[test]
fn one_arn_in_two_spellings_is_one_event() {
    let loud = arn("arn:aws:rds:us-east-1:123456789012:cluster:Aurora-Source");
    let (route, loud) = (route(), of(&loud));
    let key = Evidence::new(&route, loud).key;
    assert_eq!(key, Evidence::new(&route, of(&arn(OWN))).key);
}

#[test]
fn only_a_whole_arn_of_rds_is_one() {
    for text in [
        "",
        "aurora-source",
        "arn:aws:rds:us-east-1:123456789012:aurora-source",
        "arn:aws:rds:us-east-1:123456789012:cluster:",
        "arn:aws:rds:us-east-1:123456789012::aurora-source",
        "arn:aws:rds::123456789012:cluster:aurora-source",
        "arn:aws:rds:us-east-1::cluster:aurora-source",
        "arn::rds:us-east-1:123456789012:cluster:aurora-source",
        "arn:aws:rds:us-east-1:1234:cluster:aurora-source",
        "arn:aws:rds:US-EAST-1:123456789012:cluster:aurora-source",
        "arn:aws:rds:us-east-1:123456789012:cluster:aurora source",
        "arn:aws:rds:us-east-1:123456789012:clu ster:aurora-source",
        "arn:amazon:rds:us-east-1:123456789012:cluster:aurora-source",
        "arn:aws:sqs:us-east-1:123456789012:cluster:aurora-source",
        "ARN:aws:rds:us-east-1:123456789012:cluster:aurora-source",
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/b",
    ] {
        assert!(SourceArn::parse(text).is_err(), "{text:?}");
    }
    let kinds = [
        ("cluster", SourceKind::Cluster),
        ("db", SourceKind::Instance),
        ("deployment", SourceKind::BlueGreenDeployment),
        ("pg", SourceKind::Other),
        ("cluster:rds", SourceKind::Other),
    ];
    for (resource, kind) in kinds {
        let text = format!("arn:aws-us-gov:rds:us-gov-west-1:123456789012:{resource}:a-1");
        assert_eq!(arn(&text).kind(), kind);
        assert_eq!(arn(&text).to_string(), text);
    }
}

#[test]
fn a_kind_that_no_route_can_follow_gets_no_arn_of_an_envelope() {
    let name = SourceId::new("a").unwrap();
    let envelope = |kind, account, region| {
        SourceArn::of_envelope(kind, &name, account, region).map(|arn| arn.map(|a| a.to_string()))
    };
    let (account, region) = (Some("123456789012"), Some("us-east-1"));
    assert_eq!(envelope(SourceKind::Other, account, region), Ok(None));
    assert_eq!(envelope(SourceKind::Cluster, None, None), Ok(None));
    assert_eq!(
        envelope(SourceKind::Instance, account, region),
        Ok(Some("arn::rds:us-east-1:123456789012:db:a".to_owned()))
    );
    assert!(envelope(SourceKind::Cluster, Some("12"), region).is_err());
    assert!(envelope(SourceKind::Cluster, account, Some("here:")).is_err());
}

fn part_of(choices: [&'static str; 2]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(choices.to_vec())
}

/// ARNs that differ from each other in few things, and events that leave some of them out.
fn arns() -> impl Strategy<Value = SourceArn> {
    let parts = (
        part_of(["aws", "aws-cn"]),
        part_of(["us-east-1", "cn-north-1"]),
        part_of(["123456789012", "210987654321"]),
        part_of(["cluster", "db"]),
        part_of(["aurora-source", "sink"]),
    );
    parts.prop_map(|(partition, region, account, resource, name)| {
        arn(&format!("arn:{partition}:rds:{region}:{account}:{resource}:{name}"))
    })
}

fn ids() -> impl Strategy<Value = EventId> {
    prop::sample::select(vec![STARTED, COMPLETED])
}

proptest! {
    #[test]
    fn an_arn_is_read_as_it_is_written(arn in arns()) {
        prop_assert_eq!(SourceArn::parse(&arn.to_string()), Ok(arn.clone()));
        prop_assert!(arn.is_whole());
    }

    #[test]
    fn no_text_makes_an_arn_that_would_be_written_otherwise(text in "(arn|aws|rds|cluster|db|[a-z0-9:-]){0,12}") {
        if let Ok(arn) = SourceArn::parse_known(&text) {
            prop_assert_eq!(arn.to_string(), text);
        }
    }

    #[test]
    fn a_route_by_arn_follows_exactly_the_events_with_its_arn(own in arns(), told in arns()) {
        let mut route = following(Source::Elsewhere(own.clone()));
        if own.kind() == SourceKind::Instance {
            route.policy.database = Database::Instance;
        }
        prop_assert_eq!(route.follows(&of(&told)), own == told);
        let elsewhere = own.location() != told.location();
        prop_assert_eq!(route.compare(&of(&told)).is_elsewhere(), elsewhere);
    }

    #[test]
    fn leaving_parts_out_never_unfollows_and_never_makes_a_second_key(
        own in arns(), id in ids(), account in any::<bool>(), region in any::<bool>()
    ) {
        let mut route = following(Source::Elsewhere(own.clone()));
        if own.kind() == SourceKind::Instance {
            route.policy.database = Database::Instance;
        }
        let whole = RdsEvent { id: Some(id), ..of(&own) };
        let location = own.location();
        let half = SourceArn::of_envelope(
            own.kind(),
            own.name(),
            account.then_some(location.account),
            region.then_some(location.region),
        );
        let half = RdsEvent { source_arn: half.unwrap(), ..whole.clone() };
        prop_assert!(route.follows(&half));
        prop_assert_eq!(EventKey::of(&route, &half), EventKey::of(&route, &whole));
    }

    #[test]
    fn two_databases_never_share_a_key_on_any_route(own in arns(), one in arns(), two in arns()) {
        let route = following(Source::Elsewhere(own));
        let same = EventKey::of(&route, &of(&one)) == EventKey::of(&route, &of(&two));
        prop_assert_eq!(same, one == two);
    }
}
