//! The lines of real workers in every situation that sets off an alarm: in the embedded simulation, where a pause of an hour
//! takes no time and a worker can be made to stall.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use writerlink_core::evidence::trigger::{CommandKind, OperatorCommand};
use writerlink_core::model::ids::Owner;
use writerlink_core::model::provenance::InstallationName;
use writerlink_engine::attempt::OperatorCommands;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::system_clock::SystemClock;
use writerlink_engine::telemetry::event::EventSink as _;
use writerlink_engine::telemetry::event::WorkerEvent;
use writerlink_engine::worker::Until;
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::{FleetConfig, Running};
use writerlink_sim::health::ProbeResponse;
use writerlink_sim::world::instances;

use crate::rig::log::Log;
use crate::rig::{Rig, in_its_own_runtime};

const MINUTE: Duration = Duration::from_mins(1);

/// The installation whose troubles these are: the one of the deployed stack.
pub(crate) fn installation() -> InstallationName {
    InstallationName::new("writerlink").unwrap()
}

/// A simulation whose workers write lines.
pub(crate) struct Workers {
    rig: Rig,
    log: Arc<Log>,
}

/// The line of a worker that panicked: there is no way to bring one to it.
pub(crate) fn panicked(installation: &InstallationName) -> Vec<Value> {
    let log = Log::of(Arc::new(SystemClock::start()), installation);
    log.record(&WorkerEvent::Panicked("at a test"));
    log.lines()
}

impl Workers {
    pub(crate) async fn new(installation: &InstallationName) -> Self {
        let rig = Rig::new(&["orders"]).await;
        let clock = Arc::clone(&rig.fleet.world.process("log").clock);
        Self { rig, log: Arc::new(Log::of(clock, installation)) }
    }

    pub(crate) fn worker(&self, name: &str) -> Running {
        let log = Arc::clone(&self.log) as _;
        self.rig.fleet.start(name, &self.rig.routes, Until::Stopped, log)
    }

    /// A failover to this instance, completed at this second.
    fn fails_over(&self, instance: usize, second: u64) {
        let event = self.rig.completed(0, instance, second);
        self.rig.fleet.world.deliver(&event);
    }

    fn meets(&self, fate: impl Fn(&CallSite) -> Fate + Send + 'static) {
        self.rig.fleet.world.fabric.set_plan(Box::new(fate));
    }

    pub(crate) fn lines(self) -> Vec<Value> {
        self.log.lines()
    }
}

/// All of their lines, in the name of this installation.
pub(crate) fn lines(of: &InstallationName) -> Vec<Value> {
    let of = of.clone();
    let all = move || {
        in_its_own_runtime(async {
            let mut lines = refused_for_its_rate(&of).await;
            lines.extend(moved_too_often(&of).await);
            lines.extend(paused_and_tampered_with(&of).await);
            lines.extend(never_healthy(&of).await);
            lines.extend(overtaken(&of).await);
            lines.extend(without_a_relay(&of).await);
            lines
        })
    };
    // A runtime cannot be started inside the test's own.
    thread::spawn(all).join().unwrap()
}

/// The load balancer refuses every registration: for its rate, which is no failure of the event, and then for good.
async fn refused_for_its_rate(of: &InstallationName) -> Vec<Value> {
    let workers = Workers::new(of).await;
    let registrations = AtomicU32::new(0);
    workers.meets(move |site| match site.call {
        "RegisterTargets" if registrations.fetch_add(1, Ordering::Relaxed) < 3 => {
            Fate::meets(Fault::Refused(ErrorKind::Throttled))
        }
        "RegisterTargets" => Fate::meets(Fault::Refused(ErrorKind::Denied)),
        _ => Fate::WORKS,
    });
    let _worker = workers.worker("w1");
    workers.fails_over(2, 0);
    tokio::time::sleep(20 * MINUTE).await;
    workers.lines()
}

async fn moved_too_often(of: &InstallationName) -> Vec<Value> {
    let workers = Workers::new(of).await;
    let _worker = workers.worker("w1");
    for (to, second) in [(2, 0), (3, 20), (2, 40), (3, 60), (2, 80), (3, 100)] {
        workers.fails_over(to, second);
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    tokio::time::sleep(2 * MINUTE).await;
    workers.lines()
}

/// Nobody resumes the route, and somebody changes what was recorded of it.
async fn paused_and_tampered_with(of: &InstallationName) -> Vec<Value> {
    let workers = Workers::new(of).await;
    let process = workers.rig.fleet.world.process("person");
    let ports = workers.rig.fleet.ports(&process);
    let attempts = FleetConfig::default().attempts;
    let commands = OperatorCommands::new(&ports, Owner::new("person"), attempts);
    let order = OperatorCommand {
        at: ports.clock.wall(),
        by: "ann".to_owned(),
        reason: "and forgot it".to_owned(),
        act: CommandKind::Pause { within: None },
        overrides: Vec::new(),
    };
    commands.order(&workers.rig.routes[0], &order).await.unwrap();
    let dynamo = &workers.rig.fleet.dynamo;
    let change = dynamo.client_outside().update_item();
    let change = change
        .table_name(&dynamo.tables().audit)
        .key("route", AttributeValue::S("orders".to_owned()))
        .key("seq", AttributeValue::N("1".to_owned()))
        .update_expression("SET #c = :t")
        .expression_attribute_names("#c", "owner")
        .expression_attribute_values(":t", AttributeValue::S("bob".to_owned()));
    change.send().await.unwrap();
    let _worker = workers.worker("w1");
    tokio::time::sleep(62 * MINUTE).await;
    workers.lines()
}

async fn never_healthy(of: &InstallationName) -> Vec<Value> {
    let workers = Workers::new(of).await;
    let silent = workers.rig.instance(0, 2).ip;
    workers.rig.fleet.world.elb.set_answer(silent, ProbeResponse::Silent);
    let _worker = workers.worker("w1");
    workers.fails_over(2, 0);
    tokio::time::sleep(20 * MINUTE).await;
    workers.lines()
}

/// A relay route whose relays never report.
async fn without_a_relay(of: &InstallationName) -> Vec<Value> {
    let mut told = Workers::new(of).await;
    let members = instances("billing", 3).unwrap();
    let route = told.rig.fleet.world.add_relay_route("billing", 3307, &members).unwrap();
    told.rig.routes = vec![route];
    let _worker = told.worker("w1");
    told.fails_over(2, 0);
    tokio::time::sleep(5 * MINUTE).await;
    told.lines()
}

/// A worker stands still in the middle of a move until another has made it.
async fn overtaken(of: &InstallationName) -> Vec<Value> {
    let workers = Workers::new(of).await;
    let mut stalls = Some(Fault::Stall(MINUTE));
    let stall = move |site: &CallSite| match site.call {
        "RegisterTargets" => stalls.take().map_or(Fate::WORKS, Fate::meets),
        _ => Fate::WORKS,
    };
    let fabric = &workers.rig.fleet.world.fabric;
    fabric.set_plan(Box::new(stall));
    let _sleeper = workers.worker("w1");
    workers.fails_over(2, 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let _other = workers.worker("w2");
    tokio::time::sleep(5 * MINUTE).await;
    workers.lines()
}
