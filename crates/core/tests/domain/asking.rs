//! Events that name nobody: which of them are reasons to ask the sources, by id and never by English.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use writerlink_core::decision::event::decide;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::event::{Claim, EventId, RdsEvent};
use writerlink_core::evidence::trigger::{Evidence, Trigger};
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::state::Assignment;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::{EVIDENCE_AGE_MAX, EVIDENCE_AGE_MAX_OF_EVENTS_ALONE, Policy, Role};
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::Route;
use writerlink_core::model::source_arn::SourceKind;
use writerlink_core::model::time::Timestamp;

use super::values::{
    COMPLETED, STARTED, address, asking_route, event, evidence, instance, key, order, pointing_at, route,
    second, target,
};

/// What an id is expected to claim.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Started,
    Completed,
    Restored,
    Asks,
    Nothing,
}

use Says::{Asks, Completed, Nothing, Restored, Started};

/// Every event of a cluster in the tables of `USER_Events.Messages` (Aurora User Guide).
const CLUSTER: [(Says, &[u16]); 8] = [
    (Restored, &[70]),
    (Completed, &[71]),
    (Started, &[72, 73]),
    // A failover that failed; one that was started, renamed, or had its volume replaced.
    (Asks, &[69, 151, 153, 172, 512, 513]),
    // Global Database: switchovers and failovers, and their end.
    (Asks, &[181, 182, 184, 185, 186, 187, 238, 239, 397]),
    // Global Database: waiting, resynchronizing, blocked writes; the writer stays where it is.
    (Nothing, &[183, 240, 241, 423, 390, 391]),
    // Stopped, created, deleted: nobody writes, or nobody is asked about it.
    (Nothing, &[150, 170, 171]),
    (Nothing, &[173, 176, 177, 286, 287, 288, 289, 290]),
];

/// Every event of an instance there, and in the RDS User Guide's table of the same name.
const INSTANCE: [(Says, &[u16]); 8] = [
    // Multi-AZ failover and activation, also one that was only partial.
    (Asks, &[13, 15, 49, 50, 51, 65]),
    // Restarts and recovery.
    (Asks, &[4, 6, 20, 21, 52, 53, 361, 362]),
    // A replaced host, a changed topology, patches and upgrades.
    (Asks, &[422, 385, 26, 27, 47, 178, 266]),
    // Changes of class and of Multi-AZ, stop and start.
    (Asks, &[12, 14, 24, 25, 29, 30, 87, 88, 154]),
    (Nothing, &[22, 34]),
    (Nothing, &[370, 371, 372, 373, 374]),
    // "Too many tables", which is no failover, and a replica's switchover.
    (Nothing, &[55, 233]),
    // The ids of clusters mean nothing of an instance.
    (Nothing, &[69, 70, 71, 72, 73, 151, 181]),
];

/// Every event of a blue/green deployment there.
const DEPLOYMENT: [(Says, &[u16]); 4] = [
    // The switchover started, completed or was canceled, in the wordings of RDS and of Aurora.
    (Asks, &[247, 248, 249, 251, 252, 260, 261]),
    (Nothing, &[244, 245, 246]),
    (Nothing, &[307, 308, 309, 310, 311, 312, 313, 314, 409]),
    (Nothing, &[69, 71, 73, 49, 6]),
];

type Table = &'static [(Says, &'static [u16])];

fn tables() -> [(SourceKind, Table); 3] {
    [
        (SourceKind::Cluster, &CLUSTER),
        (SourceKind::Instance, &INSTANCE),
        (SourceKind::BlueGreenDeployment, &DEPLOYMENT),
    ]
}

fn id(number: u16) -> EventId {
    EventId::parse(&format!("RDS-EVENT-{number:04}")).unwrap()
}

/// An event of that kind whose English is about a completed failover, whatever its id.
fn told(kind: SourceKind, number: u16, at: Timestamp) -> RdsEvent {
    RdsEvent { kind, ..event(id(number), "Completed failover to DB instance: db-2", at) }
}

fn expected(says: Says) -> Claim {
    match says {
        Started => Claim::Started(instance(2)),
        Completed => Claim::Completed(instance(2)),
        Restored => Claim::Restored(instance(2)),
        Asks => Claim::RequireReading,
        Nothing => Claim::Nothing,
    }
}

fn about(route: &Route, control: &Assignment, event: RdsEvent, now: Timestamp) -> Decision {
    let evidence = Evidence::new(route, event);
    decide(route, control, &evidence, Some(address(2)), now)
}

fn assert_asks(decision: Decision, reason: Reason) {
    match decision {
        Decision::Ask(verdict) => {
            assert_eq!((verdict.outcome, verdict.reason), (Outcome::Ignored, reason));
            assert!(verdict.note.contains("sources"), "{}", verdict.note);
        }
        other => panic!("expected the sources to be asked, got {other:?}"),
    }
}

fn assert_settled(decision: Decision, outcome: Outcome, reason: Reason) {
    match decision {
        Decision::Settle(verdict) => {
            assert_eq!((verdict.outcome, verdict.reason), (outcome, reason));
        }
        other => panic!("expected a verdict, got {other:?}"),
    }
}

// --- the tables ---------------------------------------------------------------------------------

#[test]
fn every_id_of_the_tables_claims_what_its_meaning_is_whatever_its_english() {
    for (kind, table) in tables() {
        let mut seen = BTreeMap::new();
        for (says, numbers) in table {
            for number in *numbers {
                let claim = told(kind, *number, second(5)).claim().unwrap();
                assert_eq!(claim, expected(*says), "{number} of a {kind}");
                assert_eq!(seen.insert(number, says), None, "{number} stands twice");
            }
        }
    }
}

#[test]
fn every_id_that_asks_asks_the_witnesses_and_settles_where_there_are_none() {
    for (kind, table) in tables() {
        let asking = table.iter().filter(|(says, _)| *says == Asks);
        for number in asking.flat_map(|(_, numbers)| *numbers) {
            let event = || told(kind, *number, second(5));
            let control = pointing_at(1, order(0, 1));
            assert_asks(about(&asking_route(), &control, event(), second(6)), Reason::SourcesAsked);
            assert_settled(
                about(&route(), &control, event(), second(6)),
                Outcome::Ignored,
                Reason::NoSources,
            );
        }
    }
}

#[test]
fn no_event_that_asks_takes_anything_back_but_a_failover_that_failed() {
    for (kind, table) in tables() {
        let asking = table.iter().filter(|(says, _)| *says == Asks);
        for number in asking.flat_map(|(_, numbers)| *numbers) {
            let trigger = Trigger::Event(told(kind, *number, second(5)));
            let expected = match (kind, number) {
                (SourceKind::Cluster, 69) => StateUpdate::RequireReading(second(5)),
                _ => StateUpdate::None,
            };
            assert_eq!(StateUpdate::of_asking(&trigger), expected, "{number} of a {kind}");
        }
    }
}

#[test]
fn every_id_that_means_nothing_is_ignored_also_where_there_are_witnesses() {
    for (kind, table) in tables() {
        let silent = table.iter().filter(|(says, _)| *says == Nothing);
        for number in silent.flat_map(|(_, numbers)| *numbers) {
            let event = told(kind, *number, second(5));
            let decision = about(&asking_route(), &Assignment::default(), event, second(6));
            assert_settled(decision, Outcome::Ignored, Reason::NotAFailover);
        }
    }
}

#[test]
fn an_instance_event_moves_nothing_even_if_it_names_an_instance() {
    // A Multi-AZ failover: the same instance, another address, and the names lag behind.
    for number in [13, 49, 65] {
        let event = told(SourceKind::Instance, number, second(5));
        let decision = about(&asking_route(), &Assignment::default(), event, second(6));
        assert_asks(decision, Reason::SourcesAsked);
    }
}

proptest! {
    #[test]
    fn an_event_of_anything_else_claims_nothing(number in 0..10_000_u16, text in any::<String>()) {
        let event = RdsEvent {
            message: text,
            ..told(SourceKind::Other, number, second(5))
        };
        prop_assert_eq!(event.claim(), Ok(Claim::Nothing));
    }

    #[test]
    fn no_id_of_an_instance_or_a_deployment_ever_names_a_writer(number in 0..10_000_u16) {
        for kind in [SourceKind::Instance, SourceKind::BlueGreenDeployment] {
            let claim = told(kind, number, second(5)).claim();
            prop_assert!(matches!(claim, Ok(Claim::RequireReading | Claim::Nothing)), "{claim:?}");
        }
    }
}

// --- when a named writer is only a reason to ask ------------------------------------------------

#[test]
fn an_old_event_only_makes_the_witnesses_be_asked() {
    let at = second(1000);
    let old = Timestamp::from_millis(at.plus(EVIDENCE_AGE_MAX).as_millis() + 1);
    let decided = |route: &Route, now| {
        let evidence = evidence(STARTED, 2, at);
        decide(route, &pointing_at(1, order(10, 1)), &evidence, Some(address(2)), now)
    };
    let just_in_time = decided(&asking_route(), at.plus(EVIDENCE_AGE_MAX));
    assert!(matches!(just_in_time, Decision::Move(desired) if desired.target == target(2)));
    assert_asks(decided(&asking_route(), old), Reason::EvidenceTooOld);
}

#[test]
fn a_static_map_follows_an_event_for_two_weeks_and_then_refuses_it() {
    let at = second(1000);
    let decided = |route: &Route, age: Duration| {
        let known = pointing_at(1, order(10, 1));
        let evidence = evidence(COMPLETED, 2, at);
        decide(route, &known, &evidence, Some(address(2)), at.plus(age))
    };
    // A worker that was away for a weekend, or for as long as SQS keeps a message.
    for age in [Duration::from_hours(72), EVIDENCE_AGE_MAX_OF_EVENTS_ALONE] {
        let followed = decided(&route(), age);
        assert!(matches!(followed, Decision::Move(desired) if desired.target == target(2)));
    }
    let a_moment = Duration::from_millis(1);
    for age in [EVIDENCE_AGE_MAX_OF_EVENTS_ALONE + a_moment, Duration::from_hours(207 * 24)] {
        assert_settled(decided(&route(), age), Outcome::Rejected, Reason::EvidenceTooOld);
    }
    let Decision::Settle(refused) = decided(&route(), Duration::from_hours(207 * 24)) else {
        panic!("moved by an event of 207 days ago");
    };
    assert_eq!(
        refused.note,
        "the event is 17884800 s old, more than evidence_age_max_seconds = 1209600: after 207 days another instance \
         may write, and this route has no sources; if db-2 is the writer, `writerlink swap orders --to db-2`"
    );
    let mut strict = route();
    let a_day = Duration::from_hours(24);
    strict.policy.evidence_age_max = Some(a_day);
    assert!(matches!(decided(&strict, a_day), Decision::Move(_)));
    let refused = decided(&strict, a_day + a_moment);
    assert_settled(refused, Outcome::Rejected, Reason::EvidenceTooOld);
}

#[test]
fn an_old_event_that_already_points_the_route_is_resumed() {
    let evidence = evidence(STARTED, 2, second(1000));
    let mut control = pointing_at(2, order(1000, 1));
    if let Some(desired) = &mut control.desired {
        desired.event = evidence.key;
    }
    let now = second(10_000_000);
    for route in [asking_route(), route()] {
        let decision = decide(&route, &control, &evidence, Some(address(2)), now);
        assert_eq!(decision, Decision::Move(control.desired.clone().unwrap()));
    }
}

#[test]
fn an_old_event_that_is_no_news_is_superseded_and_asks_nobody() {
    let control = pointing_at(3, order(2000, 1));
    let decision =
        about(&asking_route(), &control, told(SourceKind::Cluster, 73, second(1000)), second(100_000));
    assert_settled(decision, Outcome::Superseded, Reason::EvidenceNotNewer);
}

#[test]
fn a_readers_route_asks_who_the_readers_are_whenever_the_writer_moves() {
    let readers = Route { policy: Policy { role: Role::Readers, ..asking_route().policy }, ..asking_route() };
    for id in [STARTED, COMPLETED, EventId::PREVIOUS_PRIMARY_PROMOTED] {
        let evidence = evidence(id, 2, second(5));
        let decision = decide(&readers, &pointing_at(3, order(0, 3)), &evidence, Some(address(2)), second(6));
        assert_asks(decision, Reason::SourcesAsked);
    }
}

#[test]
fn an_instance_outside_allowed_instances_is_rejected_by_its_name() {
    let mut narrow = route();
    narrow.policy.allowed_instances = Some([instance(1)].into());
    let decision = decide(
        &narrow,
        &Assignment::default(),
        &evidence(STARTED, 2, second(5)),
        Some(address(2)),
        second(6),
    );
    assert_settled(decision, Outcome::Rejected, Reason::InstanceNotAllowed);
}

// --- what may not be believed -------------------------------------------------------------------

#[test]
fn an_event_from_the_future_does_not_end_the_trust_in_earlier_evidence() {
    let future = told(SourceKind::Cluster, 69, second(100_000));
    let decision = about(&asking_route(), &pointing_at(2, order(1000, 1)), future, second(1010));
    assert_settled(decision, Outcome::Rejected, Reason::EventInFuture);
}

#[test]
fn an_event_that_means_nothing_is_ignored_whatever_its_time() {
    let future = told(SourceKind::Cluster, 170, second(100_000));
    let decision = about(&asking_route(), &Assignment::default(), future, second(0));
    assert_settled(decision, Outcome::Ignored, Reason::NotAFailover);
}

#[test]
fn what_is_older_than_the_evidence_that_waits_is_no_news() {
    let control = Assignment {
        waiting: Some(super::values::desired(2, order(1000, 2), key(2))),
        ..pointing_at(1, order(10, 1))
    };
    let older = told(SourceKind::Cluster, 73, second(999));
    let decision = about(&route(), &control, older, second(1010));
    assert_settled(decision, Outcome::Superseded, Reason::EvidenceNotNewer);
}
