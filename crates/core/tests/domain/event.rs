//! The small values that everything else stands on: ids, times, names and closed lists.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use writerlink_core::evidence::event::{EventId, instance_named_in};
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::model::ids::{Hash, TransitionId};
use writerlink_core::model::names::{InstanceId, RouteName, SourceId, TargetGroupArn};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::source_arn::SourceKind;
use writerlink_core::model::target::TargetHealth;
use writerlink_core::model::time::Timestamp;

use super::values::{group_arn, second};

#[test]
fn an_event_id_has_exactly_four_digits() {
    assert_eq!(EventId::parse("RDS-EVENT-0071"), Some(EventId::FAILOVER_COMPLETED));
    for text in [
        "",
        "RDS-EVENT-",
        "RDS-EVENT-71",
        "RDS-EVENT-007",
        "RDS-EVENT-00710",
        "RDS-EVENT-+071",
        "rds-event-0071",
        " RDS-EVENT-0071",
    ] {
        assert_eq!(EventId::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_civil_time_has_a_time_and_no_zone() {
    let expected = Timestamp::parse("2026-05-06T23:07:45.884Z");
    assert!(expected.is_some());
    assert_eq!(Timestamp::parse_civil("2026-05-06 23:07:45.884"), expected);
    assert_eq!(Timestamp::parse_civil("2026-05-06T23:07:45.884"), expected);
    for text in [
        "2026-05-06",
        "2026-05-06 ",
        "2026-05-06 23",
        "2026-05-06 23:07:45.884Z",
        "2026-05-06 23:07:45.884-04:00",
        "2026-05-06 23:07:45.884+02:00",
        "2026-05-06 23:07:45[America/New_York]",
        "2026-02-30 00:00:00",
    ] {
        assert_eq!(Timestamp::parse_civil(text), None, "{text:?}");
    }
}

#[test]
fn a_time_without_a_zone_is_no_instant() {
    for text in ["2026-05-06T23:07:45.884", "2026-05-06", "", "now"] {
        assert_eq!(Timestamp::parse(text), None, "{text:?}");
    }
}

#[test]
fn every_closed_list_is_read_back_by_its_names_and_no_two_share_one() {
    fn check<T: Copy + PartialEq + std::fmt::Debug>(
        all: &[T],
        name: impl Fn(T) -> &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) {
        let names: BTreeSet<&str> = all.iter().map(|value| name(*value)).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
        for value in all {
            assert_eq!(parse(name(*value)), Some(*value));
        }
        assert_eq!(parse("Nonsense"), None);
    }
    check(&Outcome::ALL, Outcome::as_str, Outcome::parse);
    check(&Reason::ALL, Reason::as_str, Reason::parse);
    check(&RecordKind::ALL, RecordKind::as_str, RecordKind::parse);
    check(&Cause::ALL, Cause::as_str, Cause::parse);
    for kind in SourceKind::ALL {
        assert_eq!(SourceKind::parse(kind.as_str()), kind);
    }
}

#[test]
fn every_target_state_is_read_back_even_one_unknown_to_this_version() {
    for state in [
        "initial",
        "healthy",
        "unhealthy",
        "unhealthy.draining",
        "unused",
        "draining",
        "unavailable",
        "hibernating",
    ] {
        assert_eq!(TargetHealth::parse(state).as_str(), state);
    }
    assert_eq!(TargetHealth::parse("hibernating"), TargetHealth::Other("hibernating".to_owned()));
}

#[test]
fn an_address_is_never_an_identifier() {
    for text in ["10.0.0.9", "::1", "db.example.com", "1db", "-db", "", "db_1", "dé"] {
        assert!(InstanceId::new(text).is_err(), "{text:?}");
        assert!(SourceId::new(text).is_err(), "{text:?}");
    }
    assert!(InstanceId::new(&"d".repeat(63)).is_ok());
    assert!(InstanceId::new(&"d".repeat(64)).is_err());
}

#[test]
fn only_an_arn_of_a_target_group_is_one() {
    let good = group_arn();
    for text in [
        "",
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/db/73e2d6bc24d8a067",
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db",
        "arn:aws:elasticloadbalancing::123456789012:targetgroup/db/1",
        "arn:aws:rds:us-east-1:123456789012:cluster:targetgroup/db/1",
    ] {
        assert!(TargetGroupArn::new(text).is_err(), "{text:?}");
    }
    assert!(TargetGroupArn::new(good.as_str()).is_ok());
}

proptest! {
    #[test]
    fn a_name_comes_from_the_message_and_is_an_identifier(message in any::<String>()) {
        if let Some(name) = instance_named_in(&message) {
            prop_assert!(message.to_ascii_lowercase().contains(name.as_str()));
            prop_assert!(InstanceId::new(name.as_str()).is_ok());
        }
    }

    #[test]
    fn a_name_is_found_behind_any_wording(
        before in "[A-Za-z ]{0,40}", name in "[a-z][a-z0-9-]{0,62}", stop in "\\.?",
    ) {
        let message = format!("{before} failover to DB instance: {name}{stop}");
        prop_assert_eq!(instance_named_in(&message).map(|id| id.to_string()), Some(name));
    }

    #[test]
    fn a_time_is_read_back_as_it_is_shown(millis in any::<i64>(), by in any::<u64>()) {
        let at = Timestamp::from_millis(millis);
        prop_assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
        let later = at.plus(Duration::from_millis(by));
        prop_assert!(later >= at);
        prop_assert_eq!(Timestamp::parse(&later.to_string()), Some(later));
    }

    #[test]
    fn texts_from_outside_are_read_or_refused_and_never_panic(text in any::<String>()) {
        let _ = (Timestamp::parse(&text), Timestamp::parse_civil(&text), EventId::parse(&text));
        let _ = (Hash::parse(&text), TransitionId::parse(&text), SourceKind::parse(&text));
        if let Ok(name) = RouteName::new(&text) {
            prop_assert_eq!(name.as_str(), text);
        }
    }

    #[test]
    fn an_id_of_a_transition_is_a_uuid_of_version_7_that_tells_when_it_began(
        millis in 0..1_i64 << 47, random in any::<u128>(),
    ) {
        let at = Timestamp::from_millis(millis);
        let id = TransitionId::from_parts(at, random);
        let text = id.to_string();
        prop_assert_eq!(TransitionId::parse(&text), Some(id));
        prop_assert_eq!(&text[14..15], "7");
        prop_assert!(["8", "9", "a", "b"].contains(&&text[19..20]), "{}", text);
        prop_assert_eq!(id.began(), at);
    }

    #[test]
    fn ids_of_transitions_sort_by_time(
        millis in 0..1_i64 << 46, gap in 1..1_i64 << 46, randoms in any::<[u128; 2]>(),
    ) {
        let [one, other] = [millis, millis + gap].map(Timestamp::from_millis);
        let ids = [(one, randoms[0]), (other, randoms[1])]
            .map(|(at, random)| TransitionId::from_parts(at, random));
        prop_assert!(ids[0] < ids[1]);
        prop_assert!(ids[0].to_string() < ids[1].to_string());
    }
}

#[test]
fn two_transitions_of_one_instant_differ_by_their_random_bits() {
    assert_ne!(TransitionId::from_parts(second(0), 1), TransitionId::from_parts(second(0), 2));
}
