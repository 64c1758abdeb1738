//! `discovery = "sql"`: the instances themselves are asked, every half second, under paused time. Of no failover here
//! comes an event unless the test says so.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use writerlink_core::evidence::trigger::CommandKind;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::reason::Reason;
use writerlink_engine::timer::{INTERVAL, SQL_INTERVAL};
use writerlink_sim::databases::{Failover, Lags, SqlFault};

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// What the calls of an attempt take in the embedded world, the pass before it included.
const ATTEMPT: Duration = Duration::from_secs(1);

/// One interval until the loop notices, one until the second reading, and one to spare.
const FOLLOWS_WITHIN: Duration = SQL_INTERVAL.saturating_mul(3).saturating_add(ATTEMPT);

async fn asking(sources: &[DiscoverySource]) -> Rig {
    let mut rig = Rig::new(&["orders"]).await;
    rig.fleet.world.rds.set_lags(Lags::NONE);
    rig.routes[0].policy.discovery = sources.iter().copied().collect();
    rig
}

fn orders() -> SourceId {
    SourceId::new("orders").unwrap()
}

fn member(n: u8) -> InstanceId {
    InstanceId::new(&format!("orders-{n}")).unwrap()
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

async fn pass_until(rig: &Rig, at: Duration) {
    pass(at.saturating_sub(rig.fleet.world.fabric.time.elapsed())).await;
}

fn fail_over(rig: &Rig, n: u8) -> Failover {
    rig.fleet.world.rds.fail_over(&orders(), &member(n)).unwrap()
}

fn breaks(rig: &Rig, fault: SqlFault, lasting: Duration) {
    rig.fleet.world.rds.break_sql(&orders(), fault, lasting);
}

fn mutations(rig: &Rig) -> usize {
    rig.fleet.world.elb.mutations().len()
}

/// How many calls to the ledger, and how many questions to instances, a worker has made.
fn counted(rig: &Rig) -> (usize, usize) {
    let calls = rig.calls("w1");
    let of_ledger = |call: &&&str| {
        ["GetItem", "BatchGetItem", "Query", "ExecuteStatement", "ExecuteTransaction"].contains(*call)
    };
    let asked = calls.iter().filter(|call| **call == "ProbeInstance").count();
    (calls.iter().filter(of_ledger).count(), asked)
}

async fn reasons(rig: &Rig, kind: RecordKind) -> Vec<Option<Reason>> {
    let chain = rig.chain(0).await;
    let of_kind = chain.into_iter().filter(|stored| stored.record.entry.kind == kind);
    of_kind.map(|stored| stored.record.entry.reason).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failover_without_an_event_is_followed_within_three_intervals() {
    let rig = asking(&[DiscoverySource::Sql]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    assert_eq!(mutations(&rig), 0, "a route that is right costs no write");
    // There and back at once: no name flaps that would have to be waited out.
    for n in [2, 3, 1] {
        let lost = fail_over(&rig, n);
        pass_until(&rig, lost.promoted_at).await;
        assert_ne!(
            rig.registered(0),
            [rig.target(0, n.into())],
            "the old writer refuses, the new one does not write"
        );
        pass(FOLLOWS_WITHIN).await;
        assert_eq!(rig.registered(0), [rig.target(0, n.into())], "{n}");
    }
    assert_eq!(mutations(&rig), 6);
}

#[tokio::test(start_paused = true)]
async fn the_usual_failover_is_followed_although_the_old_writer_is_dead() {
    let rig = asking(&[DiscoverySource::Sql]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    breaks(&rig, SqlFault::NoAnswerOf(member(1)), 10 * MINUTE);
    let lost = fail_over(&rig, 2);
    // A dead instance costs the time limit of its question.
    let limit = 2 * writerlink_core::model::time::CALL_TIMEOUT;
    pass_until(&rig, lost.promoted_at + FOLLOWS_WITHIN + limit).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn the_fast_question_costs_no_ledger_read_while_nothing_changes() {
    let mut spent = Vec::new();
    for source in [DiscoverySource::Rds, DiscoverySource::Sql] {
        let rig = asking(&[source]).await;
        let _worker = rig.start("w1");
        pass(MINUTE).await;
        let before = counted(&rig);
        pass(20 * MINUTE).await;
        let after = counted(&rig);
        spent.push((after.0 - before.0, after.1 - before.1));
    }
    let [(by_rds, 0), (by_sql, asked)] = spent[..] else { panic!("{spent:?}") };
    assert!(asked > 20 * 60 * 3, "{asked} questions in 20 minutes");
    assert!(
        by_sql.abs_diff(by_rds) <= 4,
        "{by_sql} calls to the ledger, {by_rds} with a source that is asked by passes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pin_against_the_writer_costs_hardly_more_passes() {
    let rig = asking(&[DiscoverySource::Sql]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    rig.order(0, CommandKind::Pin { instance: member(1), within: None }).await;
    fail_over(&rig, 2);
    pass(MINUTE).await;
    let (before, _) = counted(&rig);
    pass(10 * MINUTE).await;
    let (after, _) = counted(&rig);
    assert_eq!(rig.registered(0), [rig.target(0, 1)], "a pin holds");
    assert!(after - before < 100, "{} calls to the ledger in ten minutes", after - before);
}

#[tokio::test(start_paused = true)]
async fn two_writable_instances_or_none_move_nothing_and_are_recorded() {
    for fault in [SqlFault::TwoWritable, SqlFault::NoneWritable, SqlFault::NoAnswer] {
        let rig = asking(&[DiscoverySource::Sql]).await;
        let _worker = rig.start("w1");
        pass(MINUTE).await;
        breaks(&rig, fault.clone(), 5 * MINUTE);
        pass(4 * MINUTE).await;
        assert_eq!(mutations(&rig), 0, "{fault:?}");
        let told = reasons(&rig, RecordKind::DriftDetected).await;
        assert_eq!(told, [Some(Reason::SourcesUnclear)], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_lost_now_and_then_move_nothing() {
    let rig = asking(&[DiscoverySource::Sql]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    for n in 0..60 {
        let lost = [SqlFault::NoAnswer, SqlFault::NoAnswerOf(member(1)), SqlFault::NoAnswerOf(member(2))];
        breaks(&rig, lost[n % 3].clone(), SECOND);
        pass(2 * SECOND).await;
    }
    assert_eq!(mutations(&rig), 0);
}

#[tokio::test(start_paused = true)]
async fn the_writers_own_word_outranks_an_event_of_a_moment_ago() {
    let rig = asking(&[DiscoverySource::Sql]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    // It says that the second one writes, and that one says no.
    rig.fleet.world.deliver(&rig.completed(0, 2, 60));
    pass(2 * SECOND + FOLLOWS_WITHIN).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(mutations(&rig), 4, "there by the event, and back by the instances");
}

#[tokio::test(start_paused = true)]
async fn a_failover_that_only_started_is_trusted_against_the_old_writer() {
    let rig = asking(&[DiscoverySource::Sql]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    rig.fleet.world.deliver(&rig.started(0, 2, 60));
    pass(MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)], "the coming writer is registered ahead");
    // It never came to that.
    pass(3 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(mutations(&rig), 4);
}

#[tokio::test(start_paused = true)]
async fn beside_another_source_the_stricter_rules_hold() {
    let rig = asking(&[DiscoverySource::Rds, DiscoverySource::Sql]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let (_, before) = counted(&rig);
    pass(5 * MINUTE).await;
    let (_, after) = counted(&rig);
    assert!(after - before < 50, "{} questions: only passes ask", after - before);
    let lost = fail_over(&rig, 2);
    pass_until(&rig, lost.promoted_at + INTERVAL + 5 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_has_just_begun_follows_at_once() {
    let rig = asking(&[DiscoverySource::Sql]).await;
    let lost = fail_over(&rig, 2);
    pass_until(&rig, lost.promoted_at).await;
    let _worker = rig.start("w1");
    pass(FOLLOWS_WITHIN + SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}
