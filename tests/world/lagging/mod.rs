//! What the worker promises while its discovery sources lag: behind resolvers with a minimum TTL, behind resolvers that
//! serve stale answers, behind two resolvers that differ. The real worker and its timer, in the embedded world, under
//! paused time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod one_worker;
mod two_workers;
mod untold;

use std::sync::Arc;
use std::time::Duration;

use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::evidence::trigger::CommandKind;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::Assignment;
use writerlink_core::ledger::unresolved::SourceConflict;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::{Database, DiscoverySource};
use writerlink_core::model::reason::Reason;
use writerlink_engine::timer::INTERVAL;
use writerlink_sim::databases::{
    ApiFault, CachingResolver, Failover, Lags, NameFault, ResolverConfig, TimedEvent, endpoint,
};

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// From when a contradiction has lasted until it is recorded, at the latest.
const RECORDED_WITHIN: Duration = MINUTE.saturating_add(INTERVAL);

/// A world of one cluster whose route asks these sources.
async fn asking(sources: &[DiscoverySource]) -> Rig {
    let mut rig = Rig::new(&["orders"]).await;
    rig.fleet.world.rds.set_lags(Lags::NONE);
    let policy = &mut rig.routes[0].policy;
    policy.discovery = sources.iter().copied().collect();
    policy.endpoint = Some(endpoint(Database::Cluster, &orders()));
    rig
}

fn orders() -> SourceId {
    SourceId::new("orders").unwrap()
}

fn member(n: u8) -> InstanceId {
    InstanceId::new(&format!("orders-{n}")).unwrap()
}

fn min_ttl(seconds: u64) -> Arc<CachingResolver> {
    CachingResolver::new(ResolverConfig {
        min_ttl: Duration::from_secs(seconds),
        ..ResolverConfig::default()
    })
}

fn put_behind(rig: &Rig, process: &str, resolver: &Arc<CachingResolver>) {
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
    let swapped = entries.filter(|entry| entry.outcome == Some(Outcome::Moved));
    swapped.count()
}

/// What the timer noticed, in order.
async fn noticed(rig: &Rig) -> Vec<Reason> {
    let chain = rig.chain(0).await;
    let entries = chain.iter().map(|stored| &stored.record.entry);
    let noticed = entries.filter(|entry| entry.kind == RecordKind::DriftDetected);
    noticed.filter_map(|entry| entry.reason).collect()
}

async fn control(rig: &Rig) -> Assignment {
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
