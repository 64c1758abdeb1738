//! `trace`: a decision and the questions that led to it, which are one.

use proptest::prelude::*;
use writerlink_core::decision::checks::{CheckRecord, CheckResult, DecisionCheck, DecisionTrace};
use writerlink_core::decision::event::{decide, trace};
use writerlink_core::decision::verdict::{Decision, Verdict};
use writerlink_core::evidence::trigger::{CommandKind, Evidence, Trigger};
use writerlink_core::ledger::holds::{Safety, Suspension};
use writerlink_core::ledger::state::Assignment;
use writerlink_core::model::policy::{Mode, Role};
use writerlink_core::model::reason::Rule;
use writerlink_core::model::route::{OnStarted, Route};
use writerlink_core::model::source_arn::SourceKind;

use super::aim::{any_control, any_discovery};
use super::values::{
    COMPLETED, STARTED, address, asking_route, event, evidence, evidence_of, instance, newer, order, ordered,
    pointing_at, route, second, steady,
};

const NOW: i64 = 700;

fn told(trace: &DecisionTrace) -> String {
    let line = |asked: &CheckRecord| {
        let CheckRecord { question, answer, compared } = asked;
        format!("{} {question}: {compared}\n", answer.as_str())
    };
    trace.asked.iter().map(line).collect()
}

#[test]
fn a_move_passes_every_question_that_is_asked_of_an_event() {
    let control = pointing_at(1, order(100, 2));
    let evidence = evidence(COMPLETED, 2, second(600));
    let trace = trace(&route(), &control, &evidence, Some(address(2)), second(NOW));
    assert!(matches!(trace.decision, Decision::Move(_)));
    insta::assert_snapshot!(told(&trace), @r#"
    pass names-an-instance: RDS-EVENT-0071 of CLUSTER aurora-source: a failover to db-2 completed
    pass asks-for-something: it is over: the route is to point at db-2 alone
    pass not-from-the-future: its time is 2026-05-06T23:10:00.000Z, and the clock says 2026-05-06T23:11:40.000Z
    pass says-who-writes: db-2, by the event itself
    pass news: evidence of 2026-05-06T23:10:00.000Z is newer than that of 2026-05-06T23:01:40.000Z, which points the route at db-1
    pass young: the event is 100 s old; evidence_age_max_seconds = 1209600
    pass instance-allowed: any instance of the source is allowed
    pass address-known: instance db-2 is at 10.0.0.2
    pass has-a-group: the route's group is arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db/73e2d6bc24d8a067
    pass address-allowed: address 10.0.0.2 lies inside allowed_cidrs
    pass not-frozen: no freeze is in force
    pass not-paused: no pause is in force
    pass not-flapping: flap protection does not hold it
    pass not-pinned: it is not pinned
    pass not-observing: mode = "enforce"
    pass few-moves: changes of target in the last 10 minutes: 0; flap_moves_max = 5
    "#);
}

#[test]
fn a_trace_ends_with_the_deciding_check_and_the_recorded_words() {
    let control = Assignment {
        safety: Safety { pause: Some(stop()), ..Safety::default() },
        ..pointing_at(1, order(650, 2))
    };
    let late = evidence(COMPLETED, 2, second(600));
    let walked = trace(&route(), &control, &late, Some(address(2)), second(NOW));
    let last = walked.asked.last().unwrap();
    assert_eq!((last.question, last.answer), (DecisionCheck::News, CheckResult::Stop));
    let Decision::Settle(verdict) = walked.decision else {
        panic!("it is not news");
    };
    assert_eq!(last.compared, verdict.note);
    let news = evidence(COMPLETED, 2, second(660));
    let walked = trace(&route(), &control, &news, Some(address(2)), second(NOW));
    let last = walked.asked.last().unwrap();
    assert_eq!(last.question, DecisionCheck::Free(Rule::Paused));
    assert_eq!(last.compared, format!("paused {}", stop()));
}

#[test]
fn what_an_order_overrides_is_passed_and_told() {
    let control = Assignment {
        safety: Safety { freeze: Some(stop()), ..Safety::default() },
        ..pointing_at(1, order(100, 2))
    };
    let order = ordered(CommandKind::Swap(instance(2)), second(690), &[Rule::Frozen]);
    let evidence = evidence_of(Trigger::Command(order));
    let trace = trace(&route(), &control, &evidence, Some(address(2)), second(NOW));
    assert!(matches!(trace.decision, Decision::Move(_)));
    let frozen = DecisionCheck::Free(Rule::Frozen);
    let asked = trace.asked.iter().find(|asked| asked.question == frozen).unwrap();
    assert_eq!(asked.answer, CheckResult::Pass);
    assert!(asked.compared.ends_with("; the command overrides it"), "{}", asked.compared);
}

#[test]
fn every_question_has_a_name_of_its_own_and_its_place() {
    let mut names: Vec<&str> = DecisionCheck::ALL.iter().map(|question| question.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DecisionCheck::ALL.len());
}

fn stop() -> Suspension {
    Suspension { by: "ana".to_owned(), reason: "maintenance".to_owned(), since: second(50), until: None }
}

fn place(question: DecisionCheck) -> usize {
    let mut all = DecisionCheck::ALL.iter();
    all.position(|other| *other == question).unwrap()
}

fn any_route() -> impl Strategy<Value = Route> {
    let on_started = prop_oneof![Just(OnStarted::Swap), Just(OnStarted::Register), Just(OnStarted::Wait)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (on_started, flags).prop_map(|(on_started, (asks, readers, observes, choosy))| {
        let mut route = if asks { asking_route() } else { route() };
        route.on_started = on_started;
        if readers {
            route.policy.role = Role::Readers;
        }
        if observes {
            route.policy.mode = Mode::Observe;
        }
        if choosy {
            route.policy.allowed_instances = Some([instance(1), instance(2)].into());
        }
        route
    })
}

/// A state that may also be stopped, and may have moved often.
fn any_stopped_control() -> impl Strategy<Value = Assignment> {
    let stops = (any::<bool>(), any::<bool>(), any::<bool>());
    let moves = prop::collection::vec((0..NOW).prop_map(second), 0..8);
    (any_control(), stops, moves).prop_map(|(mut control, (pause, freeze, flapping), moves)| {
        control.safety.pause = pause.then(stop);
        control.safety.freeze = freeze.then(stop);
        control.safety.flapping = flapping.then(stop);
        control.safety.moves = moves;
        control
    })
}

fn any_event() -> impl Strategy<Value = Evidence> {
    let id = prop::sample::select(vec![
        Some(STARTED),
        Some(COMPLETED),
        writerlink_core::evidence::event::EventId::parse("RDS-EVENT-0069"),
        writerlink_core::evidence::event::EventId::parse("RDS-EVENT-0170"),
        None,
    ]);
    let message = prop::sample::select(vec![
        "Completed failover to DB instance: db-1",
        "Started cross AZ failover to DB instance: db-3",
        "nobody is named here",
    ]);
    let kind = prop::sample::select(vec![SourceKind::Cluster, SourceKind::Instance]);
    // Some lie further ahead than is believed, and some are older than is believed.
    (id, message, kind, -400..NOW + 120).prop_map(|(id, message, kind, at)| {
        let mut event = event(COMPLETED, message, second(at));
        (event.id, event.kind) = (id, kind);
        Evidence::new(&route(), event)
    })
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let order = (1..=4_u8, prop::sample::subsequence(Rule::ALL.to_vec(), 0..=5));
    let order = order.prop_map(|(number, overrides)| {
        let order = ordered(CommandKind::Swap(instance(number)), second(NOW), &overrides);
        evidence_of(Trigger::Command(order))
    });
    let discovery =
        any_discovery().prop_map(|discovery| evidence_of(Trigger::Reading(steady(discovery, second(NOW)))));
    prop_oneof![4 => any_event(), 1 => order, 1 => discovery]
}

/// What the sources said, newer than the route's evidence.
fn held_against(control: &Assignment, evidence: Evidence) -> Evidence {
    let trigger = match evidence.trigger {
        Trigger::Reading(seen) => Trigger::Reading(newer(seen, control)),
        told @ (Trigger::Event(_) | Trigger::Command(_)) => told,
    };
    Evidence { trigger, ..evidence }
}

/// What is recorded, if anything stops the walk.
fn verdict(decision: &Decision) -> Option<Verdict> {
    match decision {
        Decision::Move(_) => None,
        Decision::Hold(desired, blocked) => Some(blocked.verdict(desired)),
        Decision::Ask(verdict) | Decision::Settle(verdict) => Some(verdict.clone()),
    }
}

proptest! {
    #[test]
    fn a_decision_is_the_last_word_of_its_walk(
        route in any_route(),
        control in any_stopped_control(),
        evidence in any_evidence(),
        address in prop::option::of((1..=9_u8).prop_map(address)),
    ) {
        let evidence = held_against(&control, evidence);
        let trace = trace(&route, &control, &evidence, address, second(NOW));
        prop_assert_eq!(&trace.decision, &decide(&route, &control, &evidence, address, second(NOW)));
        let places: Vec<usize> = trace.asked.iter().map(|asked| place(asked.question)).collect();
        prop_assert!(places.is_sorted_by(|one, next| one < next), "{}", told(&trace));
        let (last, before) = trace.asked.split_last().unwrap();
        prop_assert!(before.iter().all(|asked| asked.answer == CheckResult::Pass), "{}", told(&trace));
        match verdict(&trace.decision) {
            None => {
                prop_assert_eq!((last.question, last.answer), (DecisionCheck::FewMoves, CheckResult::Pass));
            }
            Some(verdict) => {
                prop_assert_eq!(last.answer, CheckResult::Stop);
                prop_assert!(verdict.note.contains(&last.compared), "{}: {}", last.compared, verdict.note);
            }
        }
    }

    #[test]
    fn the_recorded_reason_names_the_check_that_held_the_event(
        route in any_route(),
        control in any_stopped_control(),
        evidence in any_event(),
        address in prop::option::of((1..=9_u8).prop_map(address)),
    ) {
        let trace = trace(&route, &control, &evidence, address, second(NOW));
        let last = trace.asked.last().unwrap();
        if let Some(verdict) = verdict(&trace.decision) {
            // One reason stands for the stop by the flap rule and for the move that would have brought it about.
            let asked = match last.question {
                DecisionCheck::FewMoves => DecisionCheck::Free(Rule::Flapping),
                other => other,
            };
            prop_assert_eq!(DecisionCheck::of(verdict.reason), Some(asked));
        }
    }
}
