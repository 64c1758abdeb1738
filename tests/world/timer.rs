//! What the worker promises without events, told as scenarios: the real worker and its timer, in the embedded
//! world, under paused time. Of RDS's events some are lost, some are late, and some say no more than that
//! somebody should look.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use writerlink_core::decision::verdict::{Decision, Verdict};
use writerlink_core::evidence::event::EventId;
use writerlink_core::evidence::trigger::{CommandKind, Evidence, OperatorCommand};
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::{Database, DiscoverySource, Mode, Policy, Role, ServingWhen};
use writerlink_core::model::reason::{Cause, Reason, Rule};
use writerlink_engine::attempt::{AttemptResult, DryRun, OperatorCommands, Ordered, Report};
use writerlink_engine::ports::{ErrorKind, Ports};
use writerlink_engine::timer::INTERVAL;
use writerlink_sim::databases::{ApiFault, Failover, Lags, NameFault, Placement, TimedEvent, endpoint};
use writerlink_sim::faults::{CallSite, Fate, Fault, no_faults};
use writerlink_sim::fleet::{FleetConfig, Running};
use writerlink_sim::health::ProbeResponse;
use writerlink_sim::world::WorldConfig;

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// From the moment at which everyone who is asked knows until the group is right.
const HEALS_WITHIN: Duration = INTERVAL.saturating_add(Duration::from_secs(5));

/// A world of one cluster whose route asks these sources, each of which knows at once.
async fn asking(sources: &[DiscoverySource]) -> Rig {
    let mut rig = Rig::new(&["orders"]).await;
    rig.fleet.world.rds.set_lags(Lags::NONE);
    ask(&mut rig, sources);
    rig
}

fn ask(rig: &mut Rig, sources: &[DiscoverySource]) {
    let policy = &mut rig.routes[0].policy;
    policy.discovery = sources.iter().copied().collect();
    policy.endpoint = Some(endpoint(Database::Cluster, &orders()));
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

/// Passes time until the world is this old.
async fn pass_until(rig: &Rig, at: Duration) {
    pass(at.saturating_sub(rig.fleet.world.fabric.time.elapsed())).await;
}

/// The cluster fails over to its `n`th member; nobody hears of it yet.
fn fail_over(rig: &Rig, n: u8) -> Failover {
    let rds = &rig.fleet.world.rds;
    rds.fail_over(&orders(), &member(n)).unwrap()
}

fn tell(rig: &Rig, told: &TimedEvent) {
    rig.fleet.world.deliver(&told.event);
}

/// How many calls were accepted that changed a group.
fn mutations(rig: &Rig) -> usize {
    rig.fleet.world.elb.mutations().len()
}

async fn notes_of(rig: &Rig, kind: RecordKind) -> Vec<(Option<Reason>, String)> {
    let chain = rig.chain(0).await;
    let of_kind = chain.into_iter().filter(|s| s.record.entry.kind == kind);
    of_kind.map(|s| (s.record.entry.reason, s.record.entry.note)).collect()
}

async fn outcomes(rig: &Rig) -> Vec<(Cause, Outcome)> {
    let chain = rig.chain(0).await;
    let entries = chain.into_iter().map(|s| s.record.entry);
    entries.filter_map(|entry| Some((entry.cause, entry.outcome?))).collect()
}

/// The ports of a person's process.
fn person(rig: &Rig) -> Ports {
    rig.fleet.ports(&rig.fleet.world.process("person"))
}

/// What a person orders, carried out by a process of its own.
async fn order(rig: &Rig, act: CommandKind, overrides: &[Rule]) -> Ordered {
    let ports = person(rig);
    let commands = OperatorCommands::new(&ports, Owner::new("person"), FleetConfig::default().attempts);
    let order = OperatorCommand {
        at: ports.clock.wall(),
        by: "ann".to_owned(),
        reason: "a test".to_owned(),
        act,
        overrides: overrides.to_vec(),
    };
    commands.order(&rig.routes[0], &order).await.unwrap()
}

fn swapped(ordered: &Ordered) -> Option<Outcome> {
    match ordered {
        Ordered::Attempted(report) => report.ended.outcome(),
        Ordered::InForce(_) | Ordered::Busy(..) => None,
    }
}

const PAUSE: CommandKind = CommandKind::Pause { within: None };

#[tokio::test(start_paused = true)]
async fn a_lost_event_is_repaired_within_one_interval_by_every_source() {
    for sources in
        [&[DiscoverySource::Rds][..], &[DiscoverySource::Dns], &[DiscoverySource::Rds, DiscoverySource::Dns]]
    {
        let rig = asking(sources).await;
        let worker = rig.start("w1");
        pass(MINUTE).await;
        assert_eq!(mutations(&rig), 0, "a route that is right costs no write");
        let lost = fail_over(&rig, 2);
        pass_until(&rig, lost.promoted_at + HEALS_WITHIN).await;
        assert_eq!(rig.registered(0), [rig.target(0, 2)], "{sources:?}");
        assert_eq!(outcomes(&rig).await, [(Cause::Reconcile, Outcome::Moved)], "{sources:?}");
        worker.stop();
        assert!(worker.ended().await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_flaps_for_half_a_minute_moves_the_route_once() {
    let mut rig = Rig::new(&["orders"]).await;
    ask(&mut rig, &[DiscoverySource::Dns]);
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let lost = fail_over(&rig, 2);
    pass_until(&rig, lost.promoted_at + 3 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(mutations(&rig), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_seven_minutes_late_changes_nothing() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let _worker = rig.start("w1");
    let failover = fail_over(&rig, 2);
    pass(7 * MINUTE).await;
    assert_eq!(mutations(&rig), 2, "the timer was first");
    tell(&rig, &failover.started);
    tell(&rig, &failover.completed);
    pass(MINUTE).await;
    assert_eq!(mutations(&rig), 2);
    let ended = outcomes(&rig).await;
    assert_eq!(ended[..2], [(Cause::Reconcile, Outcome::Moved), (Cause::Event, Outcome::Superseded),]);
    // The failover may have been completed after the timer saw it.
    let (_, last) = ended[2];
    assert!(matches!(last, Outcome::Superseded | Outcome::AlreadyThere), "{last}");
}

#[tokio::test(start_paused = true)]
async fn an_event_older_than_15_minutes_moves_nothing_until_sources_are_asked() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    // About an instance that does not write, from before anything else was known.
    let old = rig.started(0, 3, 0);
    pass(16 * MINUTE).await;
    rig.fleet.world.deliver(&old);
    let _worker = rig.start("w1");
    pass(2 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(mutations(&rig), 0);
    let chain = rig.chain(0).await;
    assert_eq!(chain[0].record.entry.reason, Some(Reason::EvidenceTooOld));
}

#[tokio::test(start_paused = true)]
async fn a_failover_that_fails_ends_at_the_old_writer() {
    let rig = asking(&[DiscoverySource::Rds, DiscoverySource::Dns]).await;
    let _worker = rig.start("w1");
    let failover = fail_over(&rig, 2);
    tell(&rig, &failover.started);
    pass(2 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let failed = rig.fleet.world.rds.failover_failed(&orders());
    tell(&rig, &failed);
    // 0069 says nothing but that somebody should look: the event before it is trusted no longer.
    pass(HEALS_WITHIN).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_failover_that_is_taken_back_ends_at_the_old_writer() {
    for sources in [&[][..], &[DiscoverySource::Rds]] {
        let rig = asking(sources).await;
        let _worker = rig.start("w1");
        let failover = fail_over(&rig, 2);
        tell(&rig, &failover.started);
        pass(2 * SECOND).await;
        assert_eq!(rig.registered(0), [rig.target(0, 2)]);
        let restored = rig.fleet.world.rds.promote_previous_primary(&orders()).unwrap();
        tell(&rig, &restored);
        pass(2 * SECOND).await;
        assert_eq!(rig.registered(0), [rig.target(0, 1)], "{sources:?}");
        pass(5 * MINUTE).await;
        assert_eq!(rig.registered(0), [rig.target(0, 1)], "{sources:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failback_while_the_first_writer_drains_ends_at_it() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let _worker = rig.start("w1");
    for n in [2, 1] {
        let lost = fail_over(&rig, n);
        pass_until(&rig, lost.promoted_at + 80 * SECOND).await;
        assert_eq!(rig.registered(0), [rig.target(0, n.into())], "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn young_evidence_outranks_an_api_that_has_not_noticed() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let failover = fail_over(&rig, 2);
    let rds = &rig.fleet.world.rds;
    rds.break_api(&orders(), ApiFault::Stale, 2 * MINUTE);
    tell(&rig, &failover.started);
    tell(&rig, &failover.completed);
    pass(4 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(mutations(&rig), 2, "the timer never went back");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_wrong_is_outranked_by_rds_after_a_quarter_of_an_hour() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let _worker = rig.start("w1");
    rig.fleet.world.deliver(&rig.completed(0, 2, 0));
    // Nothing tells it from an API that has not noticed, until no API lags for so long.
    pass(14 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    pass(MINUTE + HEALS_WITHIN).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    let expected = [(Cause::Event, Outcome::Moved), (Cause::Reconcile, Outcome::Moved)];
    assert_eq!(outcomes(&rig).await, expected);
}

#[tokio::test(start_paused = true)]
async fn sources_that_disagree_for_two_minutes_are_recorded_once_and_block() {
    let rig = asking(&[DiscoverySource::Rds, DiscoverySource::Dns]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    fail_over(&rig, 2);
    let rds = &rig.fleet.world.rds;
    rds.break_names(&orders(), NameFault::Stale, 2 * MINUTE);
    pass(119 * SECOND).await;
    assert_eq!(mutations(&rig), 0);
    let noticed = notes_of(&rig, RecordKind::DriftDetected).await;
    assert_eq!(noticed.len(), 1, "{noticed:?}");
    assert_eq!(noticed[0].0, Some(Reason::SourcesUnclear));
    assert!(noticed[0].1.contains("rds says orders-2"), "{noticed:?}");
    pass(3 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(mutations(&rig), 2, "and no flap");
}

#[tokio::test(start_paused = true)]
async fn no_answer_of_any_kind_ever_empties_a_group() {
    let rig = asking(&[DiscoverySource::Rds, DiscoverySource::Dns]).await;
    let _worker = rig.start("w1");
    let rds = &rig.fleet.world.rds;
    let each = 3 * MINUTE;
    for name_fault in [NameFault::NoSuchName, NameFault::Empty, NameFault::NoAnswer] {
        rds.break_names(&orders(), name_fault, each);
        pass(each).await;
    }
    for api_fault in
        [ApiFault::Status("failing-over"), ApiFault::NoWriter, ApiFault::NotFound, ApiFault::NoAnswer]
    {
        rds.break_api(&orders(), api_fault, each);
        pass(each).await;
    }
    assert_eq!(mutations(&rig), 0);
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_change_by_hand_is_put_right() {
    for sources in [&[][..], &[DiscoverySource::Rds]] {
        let rig = asking(sources).await;
        let _worker = rig.start("w1");
        rig.fleet.world.deliver(&rig.completed(0, 1, 0));
        pass(2 * SECOND).await;
        let elb = &rig.fleet.world.elb;
        let group = &rig.routes[0].group.arn;
        elb.install(group, rig.target(0, 3)).unwrap();
        pass(HEALS_WITHIN).await;
        assert_eq!(rig.registered(0), [rig.target(0, 1)], "{sources:?}");
        let repaired = (Cause::Reconcile, Outcome::Moved);
        assert_eq!(outcomes(&rig).await.last(), Some(&repaired));
        let chain = rig.chain(0).await;
        let reasons: Vec<_> = chain.iter().map(|s| s.record.entry.reason).collect();
        assert!(reasons.contains(&Some(Reason::DriftRepaired)), "{reasons:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_timer_finishes_a_swap_that_a_dead_worker_left_half_done() {
    let rig = Rig::new(&["orders"]).await;
    let dies = |site: &CallSite| match (site.process.as_str(), site.call) {
        ("w1", "DeregisterTargets") => Fate::meets(Fault::DiesBefore),
        ("w2", "ReceiveMessage") => Fate::meets(Fault::Refused(ErrorKind::Unreachable)),
        _ => Fate::WORKS,
    };
    rig.fleet.world.fabric.set_plan(Box::new(dies));
    rig.fleet.world.deliver(&rig.completed(0, 2, 0));
    assert!(!rig.start("w1").ended().await);
    assert_eq!(rig.registered(0).len(), 2);
    let _other = rig.start("w2");
    // Its message may be away for a minute, and once more.
    pass(2 * MINUTE).await;
    assert_eq!(rig.registered(0).len(), 2);
    pass(10 * SECOND + HEALS_WITHIN).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

/// A route whose older event is settled as superseded by a newer one, which died before it began; and a worker that only
/// looks at routes.
pub(crate) async fn left_to_newer_evidence() -> (Rig, Running) {
    let rig = Rig::new(&["orders"]).await;
    let mut written = 0;
    let dies = move |site: &CallSite| match (site.process.as_str(), site.call) {
        ("w1", "RegisterTargets") => Fate::meets(Fault::DiesBefore),
        ("w2", "ExecuteTransaction") => {
            written += 1;
            // The first one is refused, since the older event is known. With the second it has settled that as
            // superseded, and not yet begun with the newer one.
            let fault = [Fault::None, Fault::DiesAfter];
            Fate::meets(fault[written - 1])
        }
        ("looks", "ReceiveMessage") => Fate::meets(Fault::Refused(ErrorKind::Unreachable)),
        _ => Fate::WORKS,
    };
    rig.fleet.world.fabric.set_plan(Box::new(dies));
    rig.fleet.world.deliver(&rig.started(0, 2, 0));
    assert!(!rig.start("w1").ended().await);
    rig.fleet.world.deliver(&rig.completed(0, 1, 30));
    assert!(!rig.start("w2").ended().await);
    let looks = rig.start("looks");
    (rig, looks)
}

#[tokio::test(start_paused = true)]
async fn the_timer_does_not_carry_out_evidence_that_newer_evidence_superseded() {
    let (rig, _looks) = left_to_newer_evidence().await;
    // The newer one may have to wait for its turn, and the route would go there and back.
    pass(14 * MINUTE).await;
    assert_eq!(mutations(&rig), 0);
    // In the end nobody seems to come with it, and the route is not where the ledger points it.
    pass(MINUTE + HEALS_WITHIN).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let told = outcomes(&rig).await;
    let superseded = (Cause::Event, Outcome::Superseded);
    assert_eq!(told, [superseded, (Cause::Reconcile, Outcome::Moved)]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_repair_is_retried_ever_more_seldom_and_blocks_no_event() {
    for kind in [ErrorKind::Denied, ErrorKind::Throttled] {
        let rig = asking(&[DiscoverySource::Rds]).await;
        let refused = move |site: &CallSite| match site.call {
            "RegisterTargets" => Fate::meets(Fault::Refused(kind)),
            _ => Fate::WORKS,
        };
        rig.fleet.world.fabric.set_plan(Box::new(refused));
        let _worker = rig.start("w1");
        pass(MINUTE).await;
        fail_over(&rig, 2);
        pass(60 * MINUTE).await;
        let calls = rig.calls("w1").into_iter();
        let tries = calls.filter(|call| *call == "RegisterTargets").count();
        let (at_once, doubling, steady) = (3, 6, 60 / 5);
        assert!(tries > steady / 2, "{kind:?}: {tries}");
        assert!(
            tries <= at_once + doubling + steady,
            "{kind:?}: each is two records that nobody deletes: {tries}"
        );
        rig.fleet.world.fabric.set_plan(no_faults());
        if kind == ErrorKind::Denied {
            // What failed was the way to the second one: the third is another matter.
            fail_over(&rig, 3);
            pass(HEALS_WITHIN).await;
            assert_eq!(rig.registered(0), [rig.target(0, 3)]);
        } else {
            pass(5 * MINUTE + INTERVAL).await;
            assert_eq!(rig.registered(0), [rig.target(0, 2)]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_route_does_not_delay_the_other_route_of_the_same_message() {
    let mut fleet = FleetConfig::default();
    fleet.attempts.moves_per_minute_max = 1;
    let mut rig = Rig::with(&["orders", "copy"], WorldConfig::default(), fleet).await;
    rig.routes[1].source = rig.routes[0].source.clone();
    rig.routes[1].instances = rig.routes[0].instances.clone();
    let mut refusals = 1;
    let once = move |site: &CallSite| {
        if site.call == "RegisterTargets" && refusals > 0 {
            refusals -= 1;
            return Fate::meets(Fault::Refused(ErrorKind::Unreachable));
        }
        Fate::WORKS
    };
    rig.fleet.world.fabric.set_plan(Box::new(once));
    rig.fleet.world.deliver(&rig.completed(0, 2, 0));
    let _worker = rig.start("w1");
    pass(3 * SECOND).await;
    let ends = rig.told.ends();
    assert_eq!(ends[..2], ["Deferred", "Paced"], "the second move of the minute");
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_route_is_leased_comes_back_when_the_lease_may_be_free() {
    let rig = Rig::new(&["orders"]).await;
    let slow = |site: &CallSite| match (site.process.as_str(), site.call) {
        ("person", "RegisterTargets") => Fate { before: 2 * SECOND, ..Fate::WORKS },
        _ => Fate::WORKS,
    };
    rig.fleet.world.fabric.set_plan(Box::new(slow));
    pass(MINUTE).await;
    let _worker = rig.start("w1");
    let event = async {
        pass(SECOND).await;
        rig.fleet.world.deliver(&rig.completed(0, 3, 62));
    };
    let swap = CommandKind::Swap(rig.instance(0, 2).id);
    let (ordered, ()) = tokio::join!(order(&rig, swap, &[]), event);
    assert_eq!(swapped(&ordered), Some(Outcome::Moved));
    assert!(rig.told.ends().contains(&"Busy"), "{:?}", rig.told.ends());
    pass(3 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_without_an_address_delays_neither_a_newer_one_nor_itself() {
    let mut rig = asking(&[DiscoverySource::Rds]).await;
    let third = rig.instance(0, 3).id;
    rig.routes[0].instances.remove(&third);
    let lost = |site: &CallSite| match site.call {
        "DescribeDBInstances" => Fate::meets(Fault::Refused(ErrorKind::Unreachable)),
        _ => Fate::WORKS,
    };
    rig.fleet.world.fabric.set_plan(Box::new(lost));
    pass(MINUTE).await;
    // Nobody has to know where the third one is to see that there is newer evidence behind it.
    rig.fleet.world.deliver(&rig.started(0, 3, 58));
    rig.fleet.world.deliver(&rig.completed(0, 2, 59));
    assert!(rig.run("w1").await);
    assert_eq!(rig.told.ends(), ["Superseded", "Moved"]);
    // Nor to see that it is not news.
    rig.fleet.world.deliver(&rig.completed(0, 3, 57));
    assert!(rig.run("w2").await);
    assert_eq!(rig.told.ends().last(), Some(&"Superseded"));
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    // Who only asks what would be done is told the same.
    let dry_run = DryRun::new(&person(&rig));
    let foreseen = async |second| {
        let route = &rig.routes[0];
        let evidence = Evidence::new(route, rig.completed(0, 3, second));
        dry_run.preview(route, &evidence).await
    };
    let old = foreseen(56).await.unwrap().decision;
    let superseded = |verdict: &Verdict| verdict.outcome == Outcome::Superseded;
    assert!(matches!(&old, Decision::Settle(v) if superseded(v)), "{old:?}");
    let unknown = foreseen(60).await.unwrap_err();
    assert_eq!(unknown.call, "DescribeDBInstances");
    // Where it matters it is no reason to reject anything: the event comes back.
    rig.fleet.world.deliver(&rig.completed(0, 3, 60));
    let _worker = rig.start("w3");
    pass(MINUTE).await;
    assert_eq!(rig.told.ends().last(), Some(&"Unavailable"));
    rig.fleet.world.fabric.set_plan(no_faults());
    pass(MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_look_in_the_middle_of_anothers_move_repairs_nothing() {
    let rig = Rig::new(&["orders"]).await;
    rig.fleet.world.deliver(&rig.completed(0, 1, 0));
    assert!(rig.run("w0").await);
    // The other worker reads the ledger, and sees the group only when the move it read nothing of is over.
    let slow = |site: &CallSite| match (site.process.as_str(), site.call) {
        ("w2", "DescribeTargetHealth") => Fate { before: 3 * SECOND, ..Fate::WORKS },
        ("w2", "ReceiveMessage") => Fate::meets(Fault::Refused(ErrorKind::Unreachable)),
        _ => Fate::WORKS,
    };
    rig.fleet.world.fabric.set_plan(Box::new(slow));
    let _looks = rig.start("w2");
    // Seldom enough for the flap rule, and at any second between two looks.
    for nth in 0..40 {
        let to = if nth % 2 == 0 { 2 } else { 1 };
        rig.fleet.world.deliver(&rig.completed(0, to, nth * 151 + 1));
        assert!(rig.run(&format!("w1-{nth}")).await);
        pass(151 * SECOND).await;
    }
    let reports = rig.told.reports();
    let (stale, moves): (Vec<_>, Vec<_>) =
        reports.iter().partition(|report| report.cause == Cause::Reconcile);
    let is_swap =
        |report: &&Report| matches!(&report.ended, AttemptResult::Settled(v) if v.outcome == Outcome::Moved);
    assert_eq!(moves.into_iter().filter(is_swap).count(), 40, "each event moved the route");
    assert!(!stale.is_empty(), "no look fell into a move");
    let is_nothing = |report: &&Report| matches!(report.ended, AttemptResult::Nothing(_));
    assert!(stale.iter().all(is_nothing), "{stale:?}");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_was_paused_makes_no_call_and_moves_when_it_is_resumed() {
    for sources in [&[][..], &[DiscoverySource::Rds]] {
        let rig = asking(sources).await;
        let _worker = rig.start("w1");
        pass(SECOND).await;
        assert!(matches!(order(&rig, PAUSE, &[]).await, Ordered::InForce(_)));
        let failover = fail_over(&rig, 2);
        tell(&rig, &failover.started);
        pass(5 * MINUTE).await;
        assert_eq!(mutations(&rig), 0, "{sources:?}");
        let ended = outcomes(&rig).await;
        assert_eq!(ended, [(Cause::Event, Outcome::Paused)], "{sources:?}");
        let chain = rig.chain(0).await;
        let said = chain.iter().map(|s| s.record.entry.note.as_str());
        assert!(
            said.clone().any(|note| note.contains("would move to orders-2")),
            "{:?}",
            said.collect::<Vec<_>>()
        );
        order(&rig, CommandKind::Resume, &[]).await;
        pass(HEALS_WITHIN).await;
        assert_eq!(rig.registered(0), [rig.target(0, 2)], "{sources:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn frozen_and_observing_routes_make_no_call_and_record_what_they_would_do() {
    let mut observing = asking(&[DiscoverySource::Rds]).await;
    observing.routes[0].policy.mode = Mode::Observe;
    let frozen = asking(&[DiscoverySource::Rds]).await;
    order(&frozen, CommandKind::Freeze { within: None }, &[]).await;
    for (rig, reason) in [(observing, Reason::Observing), (frozen, Reason::Frozen)] {
        let _worker = rig.start("w1");
        fail_over(&rig, 2);
        pass(5 * MINUTE).await;
        assert_eq!(mutations(&rig), 0, "{reason}");
        let noticed = notes_of(&rig, RecordKind::DriftDetected).await;
        assert_eq!(noticed.len(), 1, "said once, not at every look: {noticed:?}");
        assert_eq!(noticed[0].0, Some(reason));
        assert!(noticed[0].1.contains("would move to orders-2"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_by_itself_when_its_time_is_over() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let within = Some(10 * MINUTE);
    order(&rig, CommandKind::Pause { within }, &[]).await;
    let _worker = rig.start("w1");
    fail_over(&rig, 2);
    pass(9 * MINUTE).await;
    assert_eq!(mutations(&rig), 0);
    pass(MINUTE + HEALS_WITHIN).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_pinned_route_stays_and_follows_again_when_it_is_unpinned() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let _worker = rig.start("w1");
    let pin = CommandKind::Pin { instance: member(3), within: None };
    assert_eq!(swapped(&order(&rig, pin, &[]).await), Some(Outcome::Moved));
    let failover = fail_over(&rig, 2);
    tell(&rig, &failover.started);
    pass(5 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
    order(&rig, CommandKind::Unpin, &[]).await;
    pass(HEALS_WITHIN).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_swap_leaves_the_same_record_and_an_override_must_name_its_rule() {
    let rig = asking(&[]).await;
    let swap = || CommandKind::Swap(member(2));
    order(&rig, PAUSE, &[]).await;
    for wrong in [&[][..], &[Rule::Frozen]] {
        let refused = order(&rig, swap(), wrong).await;
        assert_eq!(swapped(&refused), Some(Outcome::Rejected), "{wrong:?}");
    }
    assert_eq!(mutations(&rig), 0);
    let done = order(&rig, swap(), &[Rule::Paused]).await;
    assert_eq!(swapped(&done), Some(Outcome::Moved));
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let chain = rig.chain(0).await;
    let last = &chain.last().unwrap().record.entry;
    assert_eq!((last.cause, last.reason), (Cause::Operator, Some(Reason::OperatorCommand)));
    let said = last.trigger.as_ref().unwrap().text();
    assert_eq!(said, "swap to orders-2, overriding paused by ann: a test");
}

#[tokio::test(start_paused = true)]
async fn a_sixth_move_in_ten_minutes_stops_the_route_until_somebody_takes_note() {
    let rig = Rig::new(&["orders"]).await;
    let _worker = rig.start("w1");
    for (n, to) in [2, 3, 2, 3, 2, 3].into_iter().enumerate() {
        pass(20 * SECOND).await;
        let now = u64::try_from(n).unwrap() * 20;
        rig.fleet.world.deliver(&rig.completed(0, to, now));
    }
    pass(20 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)], "the sixth is held back");
    let last = outcomes(&rig).await.pop();
    assert_eq!(last, Some((Cause::Event, Outcome::Paused)));
    pass(30 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)], "no time lifts it");
    order(&rig, CommandKind::Acknowledge, &[]).await;
    pass(HEALS_WITHIN).await;
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
}

/// The last summary of a worker, in words.
fn summary(rig: &Rig) -> String {
    let lines = rig.told.lines.lock().unwrap();
    let mut summaries = lines.iter().filter(|line| line.starts_with("Summary"));
    summaries.next_back().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn the_summary_counts_a_pause_of_an_hour_and_a_route_that_flaps() {
    let rig = Rig::new(&["orders"]).await;
    order(&rig, PAUSE, &[]).await;
    let _worker = rig.start("w1");
    pass(59 * MINUTE).await;
    assert!(summary(&rig).contains("paused_long: 0"), "{}", summary(&rig));
    pass(3 * MINUTE).await;
    assert!(summary(&rig).contains("paused_long: 1"), "{}", summary(&rig));
    order(&rig, CommandKind::Resume, &[]).await;
    pass(3 * MINUTE).await;
    assert!(summary(&rig).contains("paused_long: 0"), "{}", summary(&rig));
    let start = rig.fleet.world.fabric.time.elapsed().as_secs();
    for (n, to) in [2, 3, 2, 3, 2, 3].into_iter().enumerate() {
        let at = start + u64::try_from(n).unwrap() * 20;
        rig.fleet.world.deliver(&rig.completed(0, to, at));
        pass(20 * SECOND).await;
    }
    pass(3 * MINUTE).await;
    let flaps = summary(&rig);
    assert!(flaps.contains("out_of_sync: 1") && flaps.contains("flap_protected: 1"), "{flaps}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_moves_no_more_routes_a_minute_than_it_may() {
    let mut fleet = FleetConfig::default();
    fleet.attempts.moves_per_minute_max = 1;
    let rig = Rig::with(&["orders", "billing"], WorldConfig::default(), fleet).await;
    let _worker = rig.start("w1");
    for route in 0..2 {
        rig.fleet.world.deliver(&rig.completed(route, 2, 0));
    }
    pass(30 * SECOND).await;
    let moved = |rig: &Rig| (0..2).filter(|n| rig.registered(*n) == [rig.target(*n, 2)]).count();
    assert_eq!(moved(&rig), 1);
    pass(MINUTE).await;
    assert_eq!(moved(&rig), 2);
    let mut deferred = Vec::new();
    for route in 0..2 {
        let chain = rig.chain(route).await;
        deferred.extend(chain.iter().filter_map(|s| {
            let entry = &s.record.entry;
            (entry.kind == RecordKind::Deferred).then_some(entry.reason)
        }));
    }
    assert_eq!(deferred, [Some(Reason::TooManyMoves)], "recorded once");
}

#[tokio::test(start_paused = true)]
async fn a_move_is_followed_until_the_new_target_serves_and_the_old_one_is_gone() {
    let rig = Rig::new(&["orders"]).await;
    let _worker = rig.start("w1");
    rig.fleet.world.deliver(&rig.completed(0, 2, 0));
    pass(10 * MINUTE).await;
    let kinds: Vec<_> = rig.story(0).await.into_iter().map(|(kind, _)| kind).collect();
    let follow = [RecordKind::TargetHealthy, RecordKind::TargetRemoved];
    let followed: Vec<_> = kinds.iter().filter(|k| follow.contains(k)).collect();
    assert_eq!(followed.len(), 2, "each once: {kinds:?}");
    let serving = notes_of(&rig, RecordKind::TargetHealthy).await;
    assert!(serving[0].1.contains("orders-2 at 10.0.2.11:3306 serves"), "{serving:?}");
}

#[tokio::test(start_paused = true)]
async fn a_weighted_move_is_watched_in_its_own_group_while_sources_cannot_tell() {
    let mut rig = asking(&[]).await;
    rig.make_weighted(0);
    ask(&mut rig, &[DiscoverySource::Rds]);
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let rds = &rig.fleet.world.rds;
    rds.break_api(&orders(), ApiFault::NoAnswer, 20 * MINUTE);
    rig.fleet.world.deliver(&rig.completed(0, 2, 60));
    pass(10 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(notes_of(&rig, RecordKind::TargetNotHealthy).await, []);
    assert_eq!(notes_of(&rig, RecordKind::TargetHealthy).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_not_healthy_in_time_is_recorded_with_reason_and_advice() {
    let rig = Rig::new(&["orders"]).await;
    let _worker = rig.start("w1");
    let ip = rig.instance(0, 2).ip;
    rig.fleet.world.elb.set_answer(ip, ProbeResponse::Silent);
    rig.fleet.world.deliver(&rig.completed(0, 2, 0));
    pass(20 * MINUTE).await;
    let told = notes_of(&rig, RecordKind::TargetNotHealthy).await;
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert!(told[0].1.contains("Target.FailedHealthChecks"), "{told:?}");
    assert!(told[0].1.contains("security group"), "{told:?}");
    assert!(notes_of(&rig, RecordKind::TargetHealthy).await.is_empty());
    rig.fleet.world.elb.set_answer(ip, ProbeResponse::Answers);
    pass(5 * MINUTE).await;
    assert_eq!(notes_of(&rig, RecordKind::TargetHealthy).await.len(), 1, "at last");
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_checks_never_pass_serves_once_its_target_is_registered() {
    let mut rig = Rig::new(&["orders"]).await;
    rig.routes[0].policy = Policy { serving_when: ServingWhen::Registered, ..Policy::default() };
    let _worker = rig.start("w1");
    rig.fleet.world.elb.set_answer(rig.instance(0, 2).ip, ProbeResponse::Silent);
    rig.fleet.world.deliver(&rig.completed(0, 2, 0));
    pass(10 * MINUTE).await;
    assert_eq!(notes_of(&rig, RecordKind::TargetHealthy).await.len(), 1);
    assert!(notes_of(&rig, RecordKind::TargetNotHealthy).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_instance_at_another_address_is_followed() {
    let mut rig = asking(&[]).await;
    let instance = rig.instance(0, 1);
    let source = SourceId::new(instance.id.as_str()).unwrap();
    let standby = Placement { ip: rig.instance(0, 2).ip, zone: rig.instance(0, 2).zone };
    rig.fleet.world.rds.add_instance(&instance, Some(standby));
    let route = &mut rig.routes[0];
    route.source = writerlink_core::model::route::Source::Named(source.clone());
    route.instances.clear();
    route.policy.database = Database::Instance;
    route.policy.endpoint = Some(endpoint(Database::Instance, &source));
    route.policy.discovery = [DiscoverySource::Rds, DiscoverySource::Dns].into();
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let failover = rig.fleet.world.rds.fail_over_instance(&source).unwrap();
    for told in [&failover.started, &failover.restarted, &failover.completed] {
        pass_until(&rig, told.due).await;
        tell(&rig, told);
    }
    pass_until(&rig, failover.promoted_at + 2 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_route_holds_all_readers_and_the_writer_only_if_it_is_alone() {
    let mut rig = asking(&[DiscoverySource::Rds]).await;
    rig.routes[0].policy.role = Role::Readers;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2), rig.target(0, 3)]);
    let failover = fail_over(&rig, 2);
    tell(&rig, &failover.started);
    pass_until(&rig, failover.promoted_at + 2 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1), rig.target(0, 3)]);
    rig.fleet.world.rds.add(&orders(), &[rig.instance(0, 2)]);
    pass(3 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_is_off_leaves_a_lost_event_lost() {
    let mut fleet = FleetConfig::default();
    fleet.limits.reconciling.interval = None;
    let mut rig = Rig::with(&["orders"], WorldConfig::default(), fleet).await;
    ask(&mut rig, &[DiscoverySource::Rds]);
    let _worker = rig.start("w1");
    fail_over(&rig, 2);
    pass(10 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(rig.load_balancer_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn looks_that_fail_change_nothing_and_the_next_ones_heal() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let time = rig.fleet.world.fabric.time;
    let trouble = 10 * MINUTE;
    let mut repairs = 0;
    let plan = move |site: &CallSite| {
        if time.elapsed() < trouble && site.call == "DescribeTargetHealth" {
            return Fate::meets(Fault::Refused(ErrorKind::Throttled));
        }
        repairs += usize::from(site.call == "RegisterTargets");
        if site.call == "RegisterTargets" && repairs == 1 {
            return Fate::meets(Fault::Refused(ErrorKind::Unreachable));
        }
        Fate::WORKS
    };
    rig.fleet.world.fabric.set_plan(Box::new(plan));
    let _worker = rig.start("w1");
    fail_over(&rig, 2);
    pass_until(&rig, trouble).await;
    assert_eq!(mutations(&rig), 0);
    // Its pauses have grown to five minutes; that of the one repair that fails has not.
    pass(5 * MINUTE + 15 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

/// Of a look's three tries of a read, the SDK makes all at once.
#[tokio::test(start_paused = true)]
async fn a_look_that_works_forgets_the_failures_before_it() {
    let rig = Rig::new(&["orders"]).await;
    let fabric = &rig.fleet.world.fabric;
    let time = fabric.time;
    let looks = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&looks);
    let mut refused_later = 0;
    fabric.set_plan(Box::new(move |site: &CallSite| {
        if site.call != "GetItem" {
            return Fate::WORKS;
        }
        let now = time.elapsed();
        keep.lock().unwrap().push(now);
        let again = now > 12 * MINUTE && refused_later < 3;
        refused_later += u32::from(again);
        if now < 4 * MINUTE || again {
            return Fate::meets(Fault::Refused(ErrorKind::Throttled));
        }
        Fate::WORKS
    }));
    let _worker = rig.start("w1");
    pass(20 * MINUTE).await;
    let mut looks = looks.lock().unwrap().clone();
    looks.dedup();
    looks.retain(|at| *at > 12 * MINUTE);
    assert!(looks[1] <= looks[0] + 31 * SECOND, "{looks:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_looks_begin_in_a_second_than_are_allowed() {
    let mut fleet = FleetConfig::default();
    fleet.limits.reconciling.interval = Some(2 * SECOND);
    fleet.limits.reconciling.describe_calls_per_second_max = 1;
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let rig = Rig::with(&names, WorldConfig::default(), fleet).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    // A look is one read; the first ones of a worker make the routes' items besides.
    let calls = rig.calls("w1");
    let reads = calls.iter().filter(|call| **call == "GetItem").count();
    assert!((40..=90).contains(&reads), "{reads}");
}

#[tokio::test(start_paused = true)]
async fn the_summary_counts_the_looks_of_its_own_minute() {
    let rig = Rig::new(&["orders"]).await;
    let _worker = rig.start("w1");
    pass(10 * MINUTE).await;
    let lines = rig.told.lines.lock().unwrap();
    let summaries: Vec<&String> = lines.iter().filter(|l| l.starts_with("Summary")).collect();
    assert!(summaries.len() >= 9);
    for summary in summaries {
        let few = (1..=4).any(|n| summary.contains(&format!("passes: {n},")));
        assert!(few, "{summary}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_only_ask_are_settled_and_make_the_timer_look_at_once() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let lost = fail_over(&rig, 2);
    pass_until(&rig, lost.promoted_at + SECOND).await;
    let before = rig.fleet.world.fabric.time.elapsed().as_secs();
    let asks = rig.event(0, EventId::FAILOVER_FAILED, 1, before);
    rig.fleet.world.deliver(&asks);
    pass(8 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let ends = rig.told.reports();
    let asked = ends.iter().find(|r| r.told.event().is_some()).unwrap();
    let AttemptResult::Settled(verdict) = &asked.ended else {
        panic!("{asked:?}");
    };
    assert_eq!(verdict.reason, Reason::SourcesAsked);
}
