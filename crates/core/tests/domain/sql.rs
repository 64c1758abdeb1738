//! A route whose instances are asked themselves: the rules that exist because of lag do not bind it, and the others do.

use writerlink_core::decision::goal::TargetDecision;
use writerlink_core::evidence::discovery::Freshness;
use writerlink_core::evidence::event::{RANK_COMMAND, RANK_COMPLETED};
use writerlink_core::model::policy::{DiscoverySource, TRUST_EVENT};

use super::watch::{MINUTE, RANK_STARTED, Says, Watch};

const SQL: DiscoverySource = DiscoverySource::Sql;
const SQL_1: &[Says] = &[(SQL, 1)];
const SQL_2: &[Says] = &[(SQL, 2)];
const SQL_UNCLEAR: &[Says] = &[(SQL, 0)];

fn alone() -> Watch {
    Watch::of(&[SQL])
}

/// How many readings of the same it takes from now on until the route follows, a second apart; at most so many.
fn readings_until_it_follows(watch: &mut Watch, said: &[Says], most: usize) -> Option<usize> {
    for n in 1..=most {
        watch.now += 1;
        if let TargetDecision::Follow(_) = watch.hear(said) {
            return Some(n);
        }
    }
    None
}

#[test]
fn two_agreeing_readings_move_a_route_that_asks_its_instances_alone() {
    let mut watch = alone();
    assert_eq!(readings_until_it_follows(&mut watch, SQL_2, 9), Some(2));
    let mut both = Watch::of(&[DiscoverySource::Rds, SQL]);
    let said = &[(DiscoverySource::Rds, 2), (SQL, 2)];
    assert_eq!(readings_until_it_follows(&mut both, said, 9), Some(3));
}

#[test]
fn an_unclear_answer_in_between_starts_the_count_again() {
    let mut watch = alone();
    assert_eq!(readings_until_it_follows(&mut watch, SQL_2, 1), None);
    assert_eq!(readings_until_it_follows(&mut watch, SQL_UNCLEAR, 1), None);
    assert_eq!(readings_until_it_follows(&mut watch, SQL_2, 1), None);
    assert_eq!(readings_until_it_follows(&mut watch, SQL_2, 1), Some(1));
}

#[test]
fn an_event_of_a_completed_failover_does_not_outrank_the_instances() {
    let mut watch = alone();
    watch.accept(2, RANK_COMPLETED);
    // Its first look after the move counts for nothing: it may have been taken before.
    assert_eq!(readings_until_it_follows(&mut watch, SQL_1, 9), Some(3));
    let mut both = Watch::of(&[DiscoverySource::Rds, SQL]);
    both.accept(2, RANK_COMPLETED);
    let said = &[(DiscoverySource::Rds, 1), (SQL, 1)];
    assert_eq!(readings_until_it_follows(&mut both, said, 60), None);
}

#[test]
fn a_started_failover_and_a_command_are_trusted_against_the_instances() {
    let trust = i64::try_from(TRUST_EVENT.as_secs()).unwrap();
    for rank in [RANK_STARTED, RANK_COMMAND] {
        let mut watch = alone();
        watch.accept(2, rank);
        assert_eq!(watch.for_seconds(trust - 30, SQL_1), [2], "{rank}");
        assert_eq!(watch.for_seconds(2 * MINUTE, SQL_1), [2, 1], "{rank}");
    }
}

#[test]
fn a_route_goes_there_and_back_without_waiting_for_names_that_flap() {
    let mut watch = alone();
    assert_eq!(readings_until_it_follows(&mut watch, SQL_2, 9), Some(2));
    assert_eq!(readings_until_it_follows(&mut watch, SQL_1, 9), Some(3));
    assert_eq!(readings_until_it_follows(&mut watch, SQL_2, 9), Some(3));
}

#[test]
fn the_same_answer_as_before_an_event_is_no_old_answer() {
    let mut watch = alone();
    watch.accept(2, RANK_COMPLETED);
    watch.now += 1;
    let (_, seen) = watch.sees(SQL_1);
    assert_eq!(seen.worth.since, Freshness::Changed);
    let mut both = Watch::of(&[DiscoverySource::Dns, SQL]);
    both.accept(2, RANK_COMPLETED);
    both.now += 1;
    let (_, seen) = both.sees(&[(DiscoverySource::Dns, 1), (SQL, 1)]);
    assert_eq!(seen.worth.since, Freshness::Unchanged);
}

#[test]
fn a_worker_that_starts_later_needs_no_longer() {
    let mut watch = alone();
    watch.accept(2, RANK_COMPLETED);
    watch.agree();
    watch.restart();
    assert_eq!(readings_until_it_follows(&mut watch, SQL_1, 9), Some(2));
}
