use std::net::IpAddr;

use super::*;
use writerlink_core::actuation::health::ServingState;
use writerlink_core::model::reason::Reason;

fn item(columns: Columns) -> Item {
    let owned = columns.into_iter();
    owned.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn route_item(state: &RouteState) -> Item {
    let mut columns = vec![(PK, route_pk(&state.route))];
    columns.extend(route_columns(state));
    item(columns)
}

fn key() -> EventKey {
    EventKey::random(&RouteName::new("orders").unwrap(), Timestamp::EPOCH, 1)
}

fn refused() -> UnresolvedEvent {
    UnresolvedEvent {
        key: key(),
        at: Timestamp::from_millis(8),
        since: Timestamp::from_millis(9),
        names: InstanceId::new("db-9").ok(),
        outcome: Some(Outcome::Rejected),
        reason: Reason::UnknownInstance,
        note: "instance \"db-9\" is not one of the route".to_owned(),
    }
}

fn conflict() -> SourceConflict {
    SourceConflict {
        since: Timestamp::from_millis(10),
        reason: Reason::SourcesUnclear,
        note: "dns says db-1".to_owned(),
        by: Owner::new("w2"),
    }
}

fn held() -> RouteState {
    let other = Target { ip: IpAddr::from([10, 0, 0, 3]), port: 3306 };
    let stop = Suspension {
        by: "arn:aws:iam::123456789012:user/ann".to_owned(),
        reason: "a \"migration\"".to_owned(),
        since: Timestamp::from_millis(1),
        until: Some(Timestamp::from_millis(2)),
    };
    let mut state = RouteState::new(RouteName::new("orders").unwrap());
    state.control = Assignment {
        generation: Generation(u64::MAX),
        lease: Some(Lease {
            owner: Owner::new(""),
            transition: TransitionId::from_parts(Timestamp::from_millis(5), 9),
            deadline: Timestamp::from_millis(15_005),
        }),
        desired: Some(Desired {
            instance: InstanceId::new("db-2").unwrap(),
            target: Target { ip: "fd00::1".parse::<IpAddr>().unwrap(), port: 3306 },
            additional_targets: [other].into(),
            move_mode: MoveMode::Register,
            evidence: EvidenceOrder { at: Timestamp::from_millis(1_778_108_865_884), rank: 2 },
            event: key(),
        }),
        waiting: None,
        require_reading: Some(Timestamp::from_millis(7)),
        safety: Safety {
            pause: Some(stop.clone()),
            freeze: None,
            flapping: None,
            pin: Some(Pin { instance: InstanceId::new("db-3").unwrap(), target: other, stop }),
            moves: vec![Timestamp::from_millis(3), Timestamp::from_millis(4)],
        },
        health_watch: Some(HealthWatch {
            transition: TransitionId::from_parts(Timestamp::from_millis(5), 9),
            key: key(),
            instance: InstanceId::new("db-2").unwrap(),
            target: other,
            since: Timestamp::from_millis(1),
            moved_at: Timestamp::from_millis(2),
            arrival: ServingState::Overdue,
            leaving: vec![other],
        }),
        agreed_with: Some(key()),
        replaced_fact: Some(Fact { event: key(), ip: other.ip }),
        unresolved_event: Some(refused()),
        source_conflict: Some(conflict()),
    };
    state.chain = ChainHead { seq: 3, hash: Hash::of("x") };
    state
}

#[test]
fn a_route_comes_back_as_it_was_written() {
    let mut swap = held();
    if let Some(desired) = swap.control.desired.as_mut() {
        desired.move_mode = MoveMode::Swap;
    }
    let fresh = RouteState::new(RouteName::new("orders").unwrap());
    for state in [fresh, held(), swap] {
        assert_eq!(RouteState::from_item(&route_item(&state)), Ok(state));
    }
}

#[test]
fn an_event_comes_back_as_it_was_written() {
    for (source_arn, settled) in [(None, None), (Some("arn:aws:rds:…".to_owned()), Some(Outcome::Moved))] {
        let entry = EventEntry {
            key: key(),
            source_arn,
            first_seen: Timestamp::from_millis(1_778_108_865_884),
            transition: TransitionId::from_parts(Timestamp::EPOCH, 1),
            attempts: 4,
            settled,
        };
        let stored = item(new_event_columns(&entry));
        assert_eq!(stored["expires_at"], number(1_780_700_865_i64));
        assert_eq!(EventEntry::from_item(&stored), Ok(entry));
    }
}

#[test]
fn every_attribute_of_a_route_is_needed_or_known_to_be_absent() {
    let whole = route_item(&held());
    for attribute in whole.keys() {
        let mut item = whole.clone();
        item.insert(attribute.clone(), AttributeValue::Bool(true));
        let error = RouteState::from_item(&item).unwrap_err();
        assert_eq!(error.attribute, attribute, "{error}");
    }
}

#[test]
fn a_settled_event_without_outcome_is_malformed() {
    let entry = EventEntry {
        key: key(),
        source_arn: None,
        first_seen: Timestamp::EPOCH,
        transition: TransitionId::from_parts(Timestamp::EPOCH, 1),
        attempts: 1,
        settled: Some(Outcome::Failed),
    };
    let mut stored = item(new_event_columns(&entry));
    stored.remove("outcome");
    let error = EventEntry::from_item(&stored).unwrap_err();
    assert_eq!(error.attribute, "status");
}
