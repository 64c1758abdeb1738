//! What the worker promises while its discovery sources lag: behind resolvers with a minimum TTL, behind resolvers that
//! serve stale answers, behind two resolvers that differ. The real worker and its timer, in the embedded world, under
//! paused time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rig;

use std::sync::Arc;
use std::time::Duration;

use rig::Rig;
use writerlink::domain::audit::{Reason, RecordKind};
use writerlink::domain::event::{EventId, RdsEvent};
use writerlink::domain::ground::{Act, Order};
use writerlink::domain::lease::Owner;
use writerlink::domain::policy::Database;
use writerlink::domain::route::{InstanceId, SourceId};
use writerlink::domain::transition::{Control, Outcome};
use writerlink::domain::truth::Witness;
use writerlink::domain::unresolved::SourceConflict;
use writerlink::embedded::databases::{
    ApiFault, Failover, Lags, NameFault, Resolver, ResolverConfig, TimedEvent, endpoint,
};
use writerlink::embedded::fleet::FleetConfig;
use writerlink::reconcile::{Ordered, Reconciler};
use writerlink::timer::INTERVAL;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// From when a contradiction has lasted until it is recorded, at the latest.
const RECORDED_WITHIN: Duration = MINUTE.saturating_add(INTERVAL);

/// A world of one cluster whose route asks these sources.
async fn asking(witnesses: &[Witness]) -> Rig {
    let mut rig = Rig::new(&["orders"]).await;
    rig.fleet.world.rds.set_lags(Lags::NONE);
    let policy = &mut rig.routes[0].policy;
    policy.truth = witnesses.iter().copied().collect();
    policy.endpoint = Some(endpoint(Database::Cluster, &orders()));
    rig
}

fn orders() -> SourceId {
    SourceId::new("orders").unwrap()
}

fn member(n: u8) -> InstanceId {
    InstanceId::new(&format!("orders-{n}")).unwrap()
}

fn min_ttl(seconds: u64) -> Arc<Resolver> {
    Resolver::new(ResolverConfig {
        min_ttl: Duration::from_secs(seconds),
        ..ResolverConfig::default()
    })
}

fn put_behind(rig: &Rig, process: &str, resolver: &Arc<Resolver>) {
    rig.fleet.world.rds.put_behind(process, resolver);
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

async fn pass_until(rig: &Rig, at: Duration) {
    pass(at.saturating_sub(now(rig))).await;
}

fn now(rig: &Rig) -> Duration {
    rig.fleet.world.fabric.time.elapsed()
}

/// The cluster fails over to its `n`th member; nobody hears of it.
fn fail_over_unheard(rig: &Rig, n: u8) -> Failover {
    let rds = &rig.fleet.world.rds;
    rds.fail_over(&orders(), &member(n)).unwrap()
}

fn tell(rig: &Rig, told: &TimedEvent) {
    rig.fleet.world.deliver(&told.event);
}

/// The cluster fails over, and its completion is told when it completes.
async fn fail_over(rig: &Rig, n: u8) {
    let failover = fail_over_unheard(rig, n);
    pass_until(rig, failover.completed.due).await;
    tell(rig, &failover.completed);
    pass(2 * SECOND).await;
}

/// How often the route changed its target.
async fn moves(rig: &Rig) -> usize {
    let chain = rig.chain(0).await;
    let entries = chain.iter().map(|stored| &stored.record.entry);
    let swapped = entries.filter(|entry| entry.outcome == Some(Outcome::Swapped));
    swapped.count()
}

/// What the timer noticed, in order.
async fn noticed(rig: &Rig) -> Vec<Reason> {
    let chain = rig.chain(0).await;
    let entries = chain.iter().map(|stored| &stored.record.entry);
    let noticed = entries.filter(|entry| entry.kind == RecordKind::Noticed);
    noticed.filter_map(|entry| entry.reason).collect()
}

async fn control(rig: &Rig) -> Control {
    let outsider = rig.fleet.world.process("reader");
    let ledger = rig.fleet.ports(&outsider).ledger;
    ledger.load(&rig.routes[0].name).await.unwrap().control
}

async fn conflict(rig: &Rig) -> Option<SourceConflict> {
    control(rig).await.source_conflict
}

/// The last summary of any worker, in words.
fn summary(rig: &Rig) -> String {
    let lines = rig.told.lines.lock().unwrap();
    let mut summaries = lines.iter().filter(|line| line.starts_with("Summary"));
    summaries.next_back().unwrap().clone()
}

async fn order(rig: &Rig, act: Act) -> Ordered {
    let process = rig.fleet.world.process("person");
    let ports = rig.fleet.ports(&process);
    let attempts = FleetConfig::default().attempts;
    let reconciler = Reconciler::new(&ports, Owner::new("person"), attempts);
    let order = Order {
        at: ports.clock.wall(),
        by: "ann".to_owned(),
        reason: "a test".to_owned(),
        act,
        overrides: Vec::new(),
    };
    reconciler.order(&rig.routes[0], &order).await.unwrap()
}

// --- one worker ---------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_resolver_that_raises_ttls_moves_no_route_back_however_far_it_raises_them() {
    for seconds in [60, 300, 3_600, 86_400] {
        let rig = asking(&[Witness::Dns]).await;
        put_behind(&rig, "w1", &min_ttl(seconds));
        let _worker = rig.start("w1");
        pass(MINUTE).await;
        fail_over(&rig, 2).await;
        pass(Duration::from_secs(seconds) + 10 * MINUTE).await;
        assert_eq!(rig.registered(0), [rig.target(0, 2)], "{seconds}");
        assert_eq!(moves(&rig).await, 1, "{seconds}");
        let told = match seconds {
            60 => &[Reason::SourcesAgree][..],
            // Its lag was shown while it lasted, and ended with its agreement.
            _ => &[Reason::SourcesContradict, Reason::SourcesAgree],
        };
        assert_eq!(noticed(&rig).await, told, "{seconds}");
        assert_eq!(conflict(&rig).await, None, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_serves_stale_answers_moves_no_route_back_while_its_upstream_is_away() {
    let rig = asking(&[Witness::Dns]).await;
    let resolver = Resolver::new(ResolverConfig {
        serve_stale: true,
        ..ResolverConfig::default()
    });
    put_behind(&rig, "w1", &resolver);
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    // The zone that fails takes the writer, and the resolver's way out.
    resolver.cut_off(now(&rig) + 3 * HOUR);
    fail_over(&rig, 2).await;
    pass(4 * HOUR).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(moves(&rig).await, 1);
    assert_eq!(
        control(&rig).await.agreed_with,
        control(&rig).await.desired.map(|d| d.event)
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_agreed_is_believed_again_and_a_lost_failback_is_followed() {
    let rig = asking(&[Witness::Dns]).await;
    put_behind(&rig, "w1", &min_ttl(300));
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    fail_over(&rig, 2).await;
    pass(6 * MINUTE).await;
    fail_over_unheard(&rig, 1);
    pass(6 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(moves(&rig).await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_asks_two_seconds_after_a_failover_takes_nothing_back() {
    let rig = asking(&[Witness::Rds]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let failover = fail_over_unheard(&rig, 2);
    rig.fleet
        .world
        .rds
        .break_api(&orders(), ApiFault::Stale, 2 * MINUTE);
    pass_until(&rig, failover.completed.due).await;
    tell(&rig, &failover.completed);
    pass(2 * SECOND).await;
    rig.fleet.world.deliver(&RdsEvent {
        id: EventId::parse("RDS-EVENT-0185"),
        at: failover.completed.event.at.plus(2 * SECOND),
        message: "Global switchover to DB cluster orders in Region us-east-1 finished.".to_owned(),
        ..failover.completed.event.clone()
    });
    pass(10 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(moves(&rig).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failover_costs_one_record_of_the_sources_and_quiet_hours_none() {
    let rig = asking(&[Witness::Rds, Witness::Dns]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let failover = fail_over_unheard(&rig, 2);
    tell(&rig, &failover.started);
    pass_until(&rig, failover.completed.due).await;
    tell(&rig, &failover.completed);
    pass(10 * MINUTE).await;
    assert_eq!(noticed(&rig).await, [Reason::SourcesAgree]);
    let writes = || {
        let calls = rig.calls("w1").into_iter();
        calls.filter(|call| *call == "ExecuteTransaction").count()
    };
    let before = writes();
    pass(3 * HOUR).await;
    assert_eq!(writes(), before);
}

// --- what cannot be told ------------------------------------------------------------------------

/// A failover completes and is told; the writer fails back before any source has shown it, and that is not told.
async fn unresolvable(rig: &Rig) {
    let resolver = min_ttl(180);
    for worker in ["w1", "w2", "w3"] {
        put_behind(rig, worker, &resolver);
    }
    pass(MINUTE).await;
    let failover = fail_over_unheard(rig, 2);
    let rds = &rig.fleet.world.rds;
    rds.break_api(&orders(), ApiFault::NoAnswer, 50 * SECOND);
    pass_until(rig, failover.completed.due).await;
    tell(rig, &failover.completed);
    let back = fail_over_unheard(rig, 1);
    pass_until(rig, back.promoted_at + SECOND).await;
    assert_eq!(rig.fleet.world.rds.writer(&orders()).unwrap().id, member(1));
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_no_source_can_tell_is_shown_until_a_person_says() {
    let rig = asking(&[Witness::Dns]).await;
    let _worker = rig.start("w1");
    unresolvable(&rig).await;
    pass(RECORDED_WITHIN).await;
    let told = conflict(&rig).await.unwrap();
    assert!(told.note.contains("dns says 10.0.1.11"), "{}", told.note);
    assert!(
        told.note.contains("writerlink swap orders --to orders-1"),
        "{}",
        told.note
    );
    pass(5 * HOUR).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(noticed(&rig).await, [Reason::SourcesContradict], "once");
    assert!(summary(&rig).contains("diverged: 1"), "{}", summary(&rig));
    order(&rig, Act::Swap(member(1))).await;
    pass(2 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(conflict(&rig).await, None);
    assert!(summary(&rig).contains("diverged: 0"), "{}", summary(&rig));
    // The sources count again, against the order too.
    fail_over_unheard(&rig, 3);
    pass(4 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
}

#[tokio::test(start_paused = true)]
async fn rds_that_insists_for_a_quarter_of_an_hour_resolves_what_a_name_cannot() {
    let rig = asking(&[Witness::Rds, Witness::Dns]).await;
    let _worker = rig.start("w1");
    unresolvable(&rig).await;
    pass(5 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    pass(11 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(conflict(&rig).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_contradiction_is_recorded_once_by_two_workers_and_after_a_restart() {
    let rig = asking(&[Witness::Dns]).await;
    let first = rig.start("w1");
    let _second = rig.start("w2");
    unresolvable(&rig).await;
    pass(10 * MINUTE).await;
    assert_eq!(noticed(&rig).await, [Reason::SourcesContradict]);
    first.stop();
    assert!(first.ended().await);
    let _third = rig.start("w3");
    pass(HOUR).await;
    assert_eq!(noticed(&rig).await, [Reason::SourcesContradict]);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_conflict_is_renewed_when_it_is_another_one() {
    let rig = asking(&[Witness::Dns]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let rds = &rig.fleet.world.rds;
    rds.break_names(&orders(), NameFault::NoAnswer, 5 * MINUTE);
    rig.fleet.world.deliver(&rig.completed(0, 2, 60));
    pass(10 * MINUTE).await;
    let expected = [Reason::TruthUnclear, Reason::SourcesContradict];
    assert_eq!(noticed(&rig).await, expected);
    let told = conflict(&rig).await.unwrap();
    assert_eq!(told.reason, Reason::SourcesContradict);
}

#[tokio::test(start_paused = true)]
async fn sources_that_cannot_tell_are_recorded_once_they_cannot_for_a_minute() {
    let rig = asking(&[Witness::Dns]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let rds = &rig.fleet.world.rds;
    rds.break_names(&orders(), NameFault::NoAnswer, 50 * SECOND);
    pass(5 * MINUTE).await;
    assert_eq!(noticed(&rig).await, []);
    rds.break_names(&orders(), NameFault::NoAnswer, 5 * MINUTE);
    pass(3 * MINUTE).await;
    assert_eq!(noticed(&rig).await, [Reason::TruthUnclear]);
    assert_eq!(
        conflict(&rig).await.map(|told| told.reason),
        Some(Reason::TruthUnclear)
    );
    assert!(summary(&rig).contains("diverged: 1"), "{}", summary(&rig));
    pass(4 * MINUTE).await;
    assert_eq!(
        noticed(&rig).await,
        [Reason::TruthUnclear, Reason::SourcesAgree]
    );
    assert_eq!(conflict(&rig).await, None);
    assert!(summary(&rig).contains("diverged: 0"), "{}", summary(&rig));
}

// --- two workers --------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn two_workers_behind_resolvers_that_differ_move_a_route_once() {
    let rig = asking(&[Witness::Dns]).await;
    put_behind(&rig, "w1", &min_ttl(600));
    let _stale = rig.start("w1");
    let _fresh = rig.start("w2");
    pass(MINUTE).await;
    fail_over(&rig, 2).await;
    pass(20 * MINUTE).await;
    assert_eq!(moves(&rig).await, 1);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let told = [
        Reason::SourcesAgree,
        Reason::SourcesContradict,
        Reason::WorkersDisagree,
    ];
    let over = Reason::SourcesAgree;
    assert_eq!(noticed(&rig).await, [&told[..], &[over]].concat());
    assert_eq!(conflict(&rig).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_failover_minutes_later_is_followed_at_once_behind_resolvers_that_differ() {
    let rig = asking(&[Witness::Dns]).await;
    put_behind(&rig, "w1", &min_ttl(600));
    let _stale = rig.start("w1");
    let _fresh = rig.start("w2");
    pass(MINUTE).await;
    fail_over(&rig, 2).await;
    pass(7 * MINUTE).await;
    fail_over(&rig, 3).await;
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
    assert_eq!(control(&rig).await.safety.flapping, None);
    pass(20 * MINUTE).await;
    assert_eq!(moves(&rig).await, 2);
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_failover_is_followed_by_the_fresh_worker_and_not_undone_by_the_other() {
    let rig = asking(&[Witness::Dns]).await;
    put_behind(&rig, "w1", &min_ttl(600));
    let _stale = rig.start("w1");
    let _fresh = rig.start("w2");
    pass(MINUTE).await;
    let lost = fail_over_unheard(&rig, 2);
    pass_until(&rig, lost.promoted_at + INTERVAL + 5 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    pass(20 * MINUTE).await;
    assert_eq!(moves(&rig).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_behind_a_stale_resolver_is_stopped_by_the_fresh_one() {
    let rig = asking(&[Witness::Dns]).await;
    let stale = min_ttl(3_600);
    put_behind(&rig, "w1", &stale);
    put_behind(&rig, "w3", &stale);
    let first = rig.start("w1");
    let _fresh = rig.start("w2");
    pass(MINUTE).await;
    fail_over(&rig, 2).await;
    first.stop();
    assert!(first.ended().await);
    let _again = rig.start("w3");
    pass(50 * MINUTE).await;
    assert_eq!(moves(&rig).await, 1);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_failback_that_no_worker_was_there_to_see_is_followed_minutes_later() {
    let rig = asking(&[Witness::Dns]).await;
    let first = rig.start("w1");
    pass(MINUTE).await;
    fail_over(&rig, 2).await;
    pass(5 * MINUTE).await;
    first.stop();
    assert!(first.ended().await);
    fail_over_unheard(&rig, 1);
    pass(HOUR).await;
    let _worker = rig.start("w2");
    pass(4 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    pass(3 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn another_workers_conflict_is_ended_by_agreeing_sources_after_an_hour() {
    let rig = asking(&[Witness::Dns]).await;
    let resolver = Resolver::new(ResolverConfig::default());
    put_behind(&rig, "w1", &resolver);
    let first = rig.start("w1");
    let _second = rig.start("w2");
    pass(MINUTE).await;
    resolver.cut_off(now(&rig) + 5 * MINUTE);
    pass(3 * MINUTE).await;
    let told = conflict(&rig).await.unwrap();
    assert_eq!(told.reason, Reason::WorkersDisagree);
    // It is gone before its own sources can tell again.
    first.stop();
    assert!(first.ended().await);
    pass(55 * MINUTE).await;
    assert!(conflict(&rig).await.is_some());
    pass(5 * MINUTE).await;
    assert_eq!(conflict(&rig).await, None);
}
