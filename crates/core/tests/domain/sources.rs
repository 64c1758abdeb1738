//! What a source's answer is worth against the evidence that a route points by: one that has not changed since that
//! evidence was accepted is lagging, and moves nothing (I3).

use proptest::prelude::*;
use writerlink_core::decision::goal::{TargetDecision, contradiction};
use writerlink_core::decision::verdict::Verdict;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::discovery::{Discovery, Freshness};
use writerlink_core::evidence::event::{EventKey, RANK_COMMAND, RANK_COMPLETED, RANK_READING};
use writerlink_core::ledger::sources::{CONFLICT_AFTER, RDS_LAGS_AT_MOST};
use writerlink_core::ledger::state::Assignment;
use writerlink_core::model::policy::{DiscoverySource, Role, TRUST_EVENT};
use writerlink_core::model::reason::Reason;
use writerlink_core::model::target::MoveMode;

use super::orders::{begun_for, state_of};
use super::values::{address, desired, instance, key, order, second, target};
use super::watch::{DAY, DNS_1, DNS_2, DNS_3, DNS_SILENT, MINUTE, RANK_STARTED, RDS_1, Watch, numbered};

// --- lagging ------------------------------------------------------------------------------------

#[test]
fn a_source_that_has_not_changed_since_the_event_moves_nothing_for_a_day() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    assert_eq!(watch.for_seconds(DAY, DNS_1), [2]);
    assert_eq!(watch.for_seconds(MINUTE, DNS_2), [2]);
}

#[test]
fn a_source_that_agreed_once_is_believed_when_trust_is_over() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    watch.for_seconds(MINUTE, DNS_1);
    watch.for_seconds(MINUTE, DNS_2);
    // The writer fails back, and that event is lost.
    assert_eq!(watch.for_seconds(2 * MINUTE, DNS_1), [2, 1]);
}

#[test]
fn a_third_answer_is_believed_when_trust_is_over() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    watch.for_seconds(2 * MINUTE, DNS_1);
    assert_eq!(watch.for_seconds(30, DNS_3), [2], "the event is trusted");
    assert_eq!(watch.for_seconds(MINUTE, DNS_3), [2, 3]);
}

#[test]
fn after_two_failovers_in_a_row_the_first_writer_is_no_third_answer() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    watch.for_seconds(30, DNS_1);
    watch.accept(3, RANK_COMPLETED);
    assert_eq!(watch.for_seconds(DAY, DNS_1), [3]);
}

#[test]
fn an_answer_that_may_have_changed_before_the_event_is_not_newer() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    watch.hear(DNS_1);
    // Between two looks the resolver learns of the first failover, and the second one comes.
    watch.now += 20;
    watch.accept(3, RANK_COMPLETED);
    watch.now += 10;
    assert_eq!(watch.for_seconds(DAY, DNS_2), [3]);
    // It changes again, to what was so before both: that is newer.
    assert_eq!(watch.for_seconds(MINUTE, DNS_1), [3, 1]);
}

#[test]
fn after_a_failed_reading_only_a_different_answer_makes_a_source_newer() {
    for (says, expected) in [(DNS_1, &[2][..]), (DNS_3, &[2, 3])] {
        let mut watch = Watch::dns();
        watch.accept(2, RANK_COMPLETED);
        watch.for_seconds(5 * MINUTE, DNS_SILENT);
        assert_eq!(watch.for_seconds(10 * MINUTE, says), expected);
    }
}

#[test]
fn a_first_event_outranks_a_source_that_has_said_the_same_all_along() {
    let mut watch = Watch::dns();
    watch.control = Assignment::default();
    watch.restart();
    watch.hear(DNS_1);
    watch.accept(2, RANK_COMPLETED);
    assert_eq!(watch.for_seconds(DAY, DNS_1), [2]);
}

// --- what started, and what a person ordered ----------------------------------------------------

#[test]
fn a_failover_that_never_completes_is_undone_by_the_same_answer() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_STARTED);
    let trust = i64::try_from(TRUST_EVENT.as_secs()).unwrap();
    assert_eq!(watch.for_seconds(trust - 1, DNS_1), [2]);
    assert_eq!(watch.for_seconds(MINUTE, DNS_1), [2, 1]);
}

#[test]
fn a_failover_that_failed_is_undone_at_once_and_one_that_completed_is_not() {
    for (rank, expected) in [(RANK_STARTED, &[2, 1][..]), (RANK_COMPLETED, &[2])] {
        let mut watch = Watch::dns();
        watch.accept(2, rank);
        watch.control.require_reading = Some(second(watch.now + 2));
        watch.now += 3;
        assert_eq!(watch.for_seconds(20, DNS_1), expected);
    }
}

#[test]
fn a_failover_that_started_took_place_once_any_workers_sources_agree() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_STARTED);
    watch.for_seconds(30, DNS_1);
    watch.agree();
    assert_eq!(watch.for_seconds(DAY, DNS_1), [2]);
}

#[test]
fn a_source_that_agreed_with_the_start_has_agreed_with_the_completion() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_STARTED);
    watch.for_seconds(30, DNS_2);
    watch.accept(2, RANK_COMPLETED);
    assert_eq!(watch.for_seconds(MINUTE, DNS_1), [2], "trusted");
    assert_eq!(watch.for_seconds(4 * MINUTE, DNS_1), [2, 1]);
}

#[test]
fn neither_a_start_nor_an_order_makes_a_lagging_source_newer() {
    for rank in [RANK_STARTED, RANK_COMMAND] {
        let mut watch = Watch::dns();
        watch.accept(2, RANK_COMPLETED);
        watch.for_seconds(MINUTE, DNS_1);
        watch.accept(3, rank);
        assert_eq!(watch.for_seconds(DAY, DNS_1), [3], "{rank}");
        assert_eq!(watch.for_seconds(MINUTE, DNS_2), [3, 2], "{rank}");
    }
}

#[test]
fn a_start_or_an_order_hides_no_completion_between_two_looks() {
    for (rank, to) in [(RANK_STARTED, 2), (RANK_STARTED, 3), (RANK_COMMAND, 3)] {
        let mut watch = Watch::dns();
        watch.accept(1, RANK_COMPLETED);
        watch.for_seconds(MINUTE, DNS_1);
        watch.accept(2, RANK_COMPLETED);
        watch.now += 1;
        watch.accept(to, rank);
        let stays = watch.for_seconds(DAY, DNS_1);
        assert_eq!(stays.last(), Some(&to), "{rank}: {stays:?}");
        let agreed = watch.for_seconds(MINUTE, DNS_2);
        assert_eq!(agreed.last(), Some(&2), "{rank}: {agreed:?}");
    }
}

#[test]
fn an_order_is_undone_by_sources_that_did_not_lag_before_it() {
    let mut watch = Watch::dns();
    watch.accept(3, RANK_COMMAND);
    assert_eq!(watch.for_seconds(2 * MINUTE, DNS_1), [3]);
    assert_eq!(watch.for_seconds(2 * MINUTE, DNS_1), [3, 1]);
    // Nor does it matter whether the worker has heard them before.
    watch.now += DAY;
    watch.accept(3, RANK_COMMAND);
    watch.restart();
    assert_eq!(watch.for_seconds(4 * MINUTE, DNS_1), [3, 1]);
}

// --- several workers ----------------------------------------------------------------------------

#[test]
fn an_unchanged_source_does_not_fight_what_another_workers_source_saw() {
    let mut watch = Watch::dns();
    // The other one's resolver is fresh: it saw a failover whose event was lost.
    watch.accept(2, RANK_READING);
    assert_eq!(watch.for_seconds(DAY, DNS_1), [2]);
}

#[test]
fn a_worker_that_moved_the_route_by_its_own_readings_may_move_it_back() {
    let mut watch = Watch::dns();
    assert_eq!(watch.for_seconds(10, DNS_2), [1, 2]);
    // The name flaps: the first answer after the move is the old one.
    let soon = watch.for_seconds(30, DNS_1);
    assert_eq!(soon, [2], "for as long as a name may flap");
    assert_eq!(watch.for_seconds(MINUTE, DNS_1), [2, 1]);
}

#[test]
fn readings_from_before_a_move_count_no_more_whoever_moved_the_route() {
    let mut watch = Watch::dns();
    watch.for_seconds(10 * MINUTE, DNS_1);
    // Another worker moves the route, by a failover that fails.
    watch.accept(2, RANK_STARTED);
    watch.control.require_reading = Some(second(watch.now + 1));
    let mut aims = Vec::new();
    for _ in 0..4 {
        watch.now += 2;
        let (_, seen) = watch.sees(DNS_1);
        aims.push(watch.target_state(&seen));
    }
    // The reading that sees the move was taken at the same time as it.
    assert_eq!(aims[..3], [TargetDecision::Confirm, TargetDecision::Confirm, TargetDecision::Confirm]);
    assert!(matches!(&aims[3], TargetDecision::Follow(to) if to.target.ip == address(1)));
}

#[test]
fn a_new_worker_believes_no_contradiction_before_a_source_has_agreed() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    watch.restart();
    assert_eq!(watch.for_seconds(MINUTE, DNS_1), [2]);
    // Nor when another worker's sources agree later: its own answer is older than that.
    watch.agree();
    watch.conflict(Reason::SourcesContradict);
    assert_eq!(watch.for_seconds(DAY, DNS_1), [2]);
}

#[test]
fn a_new_worker_follows_a_contradiction_that_is_recorded_and_old_enough() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    watch.agree();
    watch.now += DAY;
    // All workers were down, and the writer failed back meanwhile.
    watch.restart();
    assert_eq!(watch.for_seconds(10 * MINUTE, DNS_1), [2], "nobody was told");
    watch.conflict(Reason::SourcesContradict);
    let wait = (TRUST_EVENT + CONFLICT_AFTER).as_secs();
    let wait = i64::try_from(wait).unwrap();
    assert_eq!(watch.for_seconds(wait - 30, DNS_1), [2], "others may object");
    assert_eq!(watch.for_seconds(MINUTE, DNS_1), [2, 1]);
}

#[test]
fn a_worker_that_started_later_is_stopped_by_another_one_that_objects() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    watch.agree();
    watch.restart();
    watch.conflict(Reason::WorkersDisagree);
    assert_eq!(watch.for_seconds(DAY, DNS_1), [2]);
}

#[test]
fn a_worker_that_started_later_does_not_believe_its_own_first_minutes() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    watch.agree();
    watch.conflict(Reason::SourcesContradict);
    watch.now += DAY;
    watch.restart();
    assert_eq!(watch.for_seconds(2 * MINUTE, DNS_1), [2]);
    assert_eq!(watch.for_seconds(2 * MINUTE, DNS_1), [2, 1]);
}

// --- two sources --------------------------------------------------------------------------------

#[test]
fn rds_is_believed_once_no_api_lags_for_so_long_and_a_name_never_is() {
    let most = i64::try_from(RDS_LAGS_AT_MOST.as_secs()).unwrap();
    let mut watch = Watch::of(&[DiscoverySource::Rds]);
    watch.accept(2, RANK_COMPLETED);
    assert_eq!(watch.for_seconds(most - 30, RDS_1), [2]);
    assert_eq!(watch.for_seconds(2 * MINUTE, RDS_1), [2, 1]);
    let both = &[(DiscoverySource::Rds, 1), (DiscoverySource::Dns, 1)];
    let mut watch = Watch::of(&[DiscoverySource::Rds, DiscoverySource::Dns]);
    watch.accept(2, RANK_COMPLETED);
    assert_eq!(watch.for_seconds(most - 30, both), [2]);
    assert_eq!(watch.for_seconds(2 * MINUTE, both), [2, 1]);
}

#[test]
fn an_address_from_rds_for_the_same_instance_is_of_a_name_and_may_lag() {
    let mut watch = Watch::of(&[DiscoverySource::Rds]);
    let moved = Desired { instance: instance(1), ..desired(2, order(watch.now, RANK_READING), key(70)) };
    watch.begin(moved);
    assert_eq!(watch.for_seconds(DAY, RDS_1), [2]);
}

/// What the first look after an event says against it, `after` seconds later, and the same once the sources changed.
fn said_against(after: i64) -> (Option<Verdict>, Option<Verdict>) {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    watch.hear(DNS_1);
    watch.now += after;
    let mut against = |said| {
        let (reading, seen) = watch.sees(said);
        contradiction(&watch.route, &watch.control, &reading, &seen, seen.at)
    };
    (against(DNS_1), against(DNS_3))
}

#[test]
fn a_contradiction_says_why_the_route_stays() {
    let trust = i64::try_from(TRUST_EVENT.as_secs()).unwrap();
    let note = |verdict: Option<Verdict>| {
        let verdict = verdict.unwrap();
        assert_eq!(verdict.reason, Reason::SourcesContradict);
        verdict.note
    };
    let (young, _) = said_against(trust - 1);
    assert!(note(young).contains("young evidence outranks the sources"));
    let (same, other) = said_against(trust);
    assert!(note(same).contains("has not changed since before that"));
    assert!(note(other).contains("yet to stand for a while"));
}

#[test]
fn sources_that_name_the_desired_target_contradict_nothing() {
    let mut watch = Watch::dns();
    watch.accept(2, RANK_COMPLETED);
    let (reading, seen) = watch.sees(DNS_2);
    let against = contradiction(&watch.route, &watch.control, &reading, &seen, seen.at);
    assert_eq!(against, None);
}

#[test]
fn another_target_beside_the_desired_one_is_a_contradiction() {
    let mut watch = Watch::dns();
    let mut known = desired(2, order(watch.now, RANK_COMPLETED), key(22));
    known.additional_targets = [target(3)].into();
    watch.begin(known);
    let (reading, seen) = watch.sees(DNS_2);
    let against = contradiction(&watch.route, &watch.control, &reading, &seen, seen.at);
    assert!(against.is_some());
}

#[test]
fn where_one_source_lags_the_other_one_tells() {
    let mut watch = Watch::of(&[DiscoverySource::Rds, DiscoverySource::Dns]);
    watch.accept(2, RANK_COMPLETED);
    let (reading, seen) = watch.sees(&[(DiscoverySource::Rds, 2), (DiscoverySource::Dns, 1)]);
    assert!(matches!(&seen.discovery, Discovery::Members { writer, .. } if writer.ip == address(2)));
    assert!(matches!(watch.target_state(&seen), TargetDecision::Keep(_)));
    // It is shown all the same.
    let against = contradiction(&watch.route, &watch.control, &reading, &seen, seen.at);
    assert_eq!(against.map(|verdict| verdict.reason), Some(Reason::SourcesUnclear));
    // To take the old target out of the group both have to agree, as for any move.
    let mut registered = watch.control.clone();
    if let Some(known) = &mut registered.desired {
        known.move_mode = MoveMode::Register;
    }
    std::mem::swap(&mut watch.control, &mut registered);
    let (_, seen) = watch.sees(&[(DiscoverySource::Rds, 2), (DiscoverySource::Dns, 1)]);
    assert!(matches!(seen.discovery, Discovery::Unclear(_)));
    watch.control = registered;
    // Once the name has agreed its word counts again.
    watch.sees(&[(DiscoverySource::Rds, 2), (DiscoverySource::Dns, 2)]);
    let (_, seen) = watch.sees(&[(DiscoverySource::Rds, 2), (DiscoverySource::Dns, 1)]);
    assert!(matches!(seen.discovery, Discovery::Unclear(_)));
}

#[test]
fn sources_that_agree_on_a_third_are_as_new_as_the_newest_of_them() {
    let mut watch = Watch::of(&[DiscoverySource::Rds, DiscoverySource::Dns]);
    watch.accept(2, RANK_COMPLETED);
    watch.for_seconds(MINUTE, &[(DiscoverySource::Rds, 2), (DiscoverySource::Dns, 1)]);
    // RDS has agreed, and the name lags: then the writer fails back, and that event is lost.
    let back = &[(DiscoverySource::Rds, 1), (DiscoverySource::Dns, 1)];
    assert_eq!(watch.for_seconds(4 * MINUTE, back), [2, 1]);
}

#[test]
fn a_route_of_readers_follows_its_sources_whatever_they_said_before() {
    let mut watch = Watch::of(&[DiscoverySource::Rds]);
    watch.route.policy.role = Role::Readers;
    watch.accept(2, RANK_READING);
    let (_, seen) = watch.sees(RDS_1);
    assert_eq!(seen.worth.since, Freshness::Changed);
}

// --- what the ledger keeps of it ----------------------------------------------------------------

fn agreed_after(before: (u8, u8, bool), accepted: (u8, u8)) -> Option<EventKey> {
    let (number, rank, agreed) = before;
    let known = desired(number, order(10, rank), key(7));
    let control = Assignment {
        agreed_with: agreed.then_some(known.event),
        desired: Some(known),
        ..Assignment::default()
    };
    let (number, rank) = accepted;
    let accepted = desired(number, order(20, rank), key(8));
    let change = begun_for(&state_of(control), accepted, 20).unwrap();
    change.to().agreed_with
}

#[test]
fn sources_agree_with_their_reading_and_the_end_of_what_they_saw_start() {
    let (old, new) = (Some(key(7)), Some(key(8)));
    let after_completed = |agreed, accepted| agreed_after((1, RANK_COMPLETED, agreed), accepted);
    assert_eq!(after_completed(false, (2, RANK_READING)), new);
    assert_eq!(after_completed(true, (1, RANK_COMPLETED)), old);
    assert_eq!(after_completed(true, (2, RANK_COMPLETED)), old);
    assert_eq!(after_completed(false, (1, RANK_COMPLETED)), None);
    assert_eq!(after_completed(true, (2, RANK_STARTED)), old);
}

#[test]
fn a_command_leaves_sources_as_they_were_against_the_evidence_before_it() {
    let (old, new) = (Some(key(7)), Some(key(8)));
    let ordered = |before| agreed_after(before, (2, RANK_COMMAND));
    assert_eq!(ordered((1, RANK_COMPLETED, true)), new);
    assert_eq!(ordered((1, RANK_COMPLETED, false)), None);
    assert_eq!(ordered((1, RANK_STARTED, false)), new);
    assert_eq!(ordered((1, RANK_COMMAND, true)), new);
    assert_eq!(ordered((1, RANK_COMMAND, false)), None);
    // What only started has to be agreed with by itself.
    assert_eq!(agreed_after((2, RANK_STARTED, false), (2, RANK_COMPLETED)), None);
    assert_eq!(agreed_after((2, RANK_STARTED, true), (3, RANK_COMPLETED)), old);
}

// --- for any history ----------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Happens {
    /// The source says this at the next look (0: it cannot tell).
    Says(u8),
    /// A failover to this instance completes, and its event is accepted.
    Completes(u8),
    /// Nothing happens for so many seconds, but for looks.
    Passes(i64),
}

fn anything() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..=3_u8).prop_map(Happens::Says),
        1 => (1..=3_u8).prop_map(Happens::Completes),
        2 => (0..600_i64).prop_map(Happens::Passes),
    ]
}

proptest! {
    /// Said again without the memory's own words: a look that moves the route has heard, since the event was accepted,
    /// something else than what it moves the route by.
    #[test]
    fn no_history_lets_a_reading_unchanged_since_the_event_move_the_route(
        history in prop::collection::vec(anything(), 1..60),
    ) {
        let mut watch = Watch::dns();
        let mut says = 1;
        // What was named since the newest event, and before it where that is newer than the event for sure: the source
        // could not tell when it came, or knew it already.
        let mut heard = vec![1];
        let mut unheard = false;
        for happens in history {
            let looks = match happens {
                Happens::Says(number) => {
                    says = number;
                    1
                }
                Happens::Completes(number) => {
                    watch.now += 1;
                    watch.own += 1;
                    let known = desired(number, order(watch.now, RANK_COMPLETED), numbered(watch.own));
                    watch.begin(known);
                    unheard = true;
                    0
                }
                Happens::Passes(seconds) => {
                    watch.now += seconds;
                    4
                }
            };
            for _ in 0..looks {
                watch.now += 2;
                let before = watch.points_at();
                let first = std::mem::take(&mut unheard);
                if first {
                    heard = vec![*heard.last().unwrap()];
                    if says != 0 && heard[0] != before {
                        heard = vec![says];
                    } else if says != 0 {
                        heard.push(says);
                    }
                } else if says != 0 {
                    heard.push(says);
                }
                let target_state = watch.hear(&[(DiscoverySource::Dns, says)]);
                if matches!(target_state, TargetDecision::Follow(_)) && watch.points_at() != before {
                    prop_assert!(heard.iter().any(|said| *said != says), "{says} moved it from {before}");
                    heard = vec![before, says];
                }
            }
        }
    }
}
