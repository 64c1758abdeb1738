//! The steps of an attempt that are values from values: parse, decide, plan, record.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should say where")]

mod support;

use std::hint::black_box;
use std::net::IpAddr;

use criterion::{Criterion, criterion_group, criterion_main};
use support::stage::{NO_TIMER, Stage, run};
use writerlink_core::actuation::plan::plan;
use writerlink_core::decision::event::decide;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::ledger::record::AuditRecord;
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::route::Route;
use writerlink_core::model::target::ObservedTarget;
use writerlink_engine::ports::AuditQuery;
use writerlink_engine::wire;
use writerlink_engine::wire::record::canonical;

/// What a worker has in hand in the middle of a failover: its messages, its route, what the ledger and the group say.
struct Scene {
    eventbridge: String,
    sns: String,
    route: Route,
    state: RouteState,
    evidence: Evidence,
    address: IpAddr,
    observed: Vec<ObservedTarget>,
    /// The longest record of a failover, its terminal one, with all steps.
    record: AuditRecord,
}

async fn scene() -> Scene {
    let mut stage = Stage::new(1, 1, NO_TIMER).await;
    stage.fail_over().await;
    let event = stage.next_event();
    let process = stage.fleet.world.process("bench");
    let ports = stage.fleet.ports(&process);
    let route = stage.routes[0].clone();
    let known = ports.ledger.load(&route.name).await.unwrap();
    let observed = ports.groups.observe(&route.group).await.unwrap().value;
    let newest = AuditQuery::Newest { route: route.name.clone() };
    let page = ports.audit.page(&newest, 1, None).await.unwrap();
    let address = *route.instances.values().next().unwrap();
    let evidence = Evidence::new(&route, event.clone());
    stage.stop().await;
    Scene {
        eventbridge: writerlink_sim::event_bodies::eventbridge(&event),
        sns: writerlink_sim::event_bodies::rds_sns(&event),
        route,
        state: known,
        evidence,
        address,
        observed,
        record: page.rows[0].as_ref().unwrap().record.clone(),
    }
}

fn micro(criterion: &mut Criterion) {
    let scene = run(scene());
    let now = scene.record.entry.at;
    let desired = scene.state.control.desired.clone().unwrap();
    criterion.bench_function("parse, EventBridge", |bencher| {
        bencher.iter(|| wire::parse(black_box(&scene.eventbridge)));
    });
    criterion.bench_function("parse, SNS", |bencher| {
        bencher.iter(|| wire::parse(black_box(&scene.sns)));
    });
    criterion.bench_function("decide", |bencher| {
        let (route, control) = (&scene.route, &scene.state.control);
        let address = Some(scene.address);
        bencher.iter(|| decide(route, control, black_box(&scene.evidence), address, now));
    });
    criterion.bench_function("plan", |bencher| {
        bencher.iter(|| plan(&scene.route, &desired, black_box(&scene.observed)));
    });
    criterion.bench_function("canonical text of a record", |bencher| {
        bencher.iter(|| canonical(black_box(&scene.record)));
    });
    criterion.bench_function("canonical text and its hash", |bencher| {
        bencher.iter(|| Hash::of(&canonical(black_box(&scene.record))));
    });
    let text = canonical(&scene.record);
    criterion.bench_function("a record read from its text", |bencher| {
        bencher.iter(|| wire::record::parse(black_box(&text)));
    });
}

criterion_group!(benches, micro);
criterion_main!(benches);
