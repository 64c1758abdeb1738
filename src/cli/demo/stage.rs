//! The stage: a world with one route, its workers, its weather, and who watches over them.

use std::fmt::Display;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cli::failure::{Exit, Failure};
use writerlink_core::model::names::TargetGroupArn;
use writerlink_core::model::route::Route;
use writerlink_core::model::target::{ObservedTarget, Target};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::attempt::Report;
use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};
use writerlink_engine::worker::Until;
use writerlink_sim::clock::WorldTime;
use writerlink_sim::databases::Instance;
use writerlink_sim::faults::{CallSite, Effect, Fate, Fault};
use writerlink_sim::fleet::{Fleet, FleetConfig, Running};
use writerlink_sim::load_balancer::Action;
use writerlink_sim::target_group::{Difference, TargetDescription, TargetGroupSpec};
use writerlink_sim::world::{WorldConfig, instances};

/// The route, its cluster and its target group, which have one name.
pub(super) const ROUTE: &str = "aurora-orders";

/// How long a call takes, there and back: what ELBv2 and DynamoDB take within a Region.
const CALL_MS: Range<u64> = 5..26;

/// How often the stage looks whether the workers have told something.
const GLANCE: Duration = Duration::from_millis(50);

/// How long the workers may take until they tell something. A killed worker's message comes back after 30 s.
const PATIENCE: Duration = Duration::from_mins(3);

/// How many registrations empty the bucket that all target groups of an account share.
const REGISTRATIONS_MAX: u8 = 20;

/// Sets the draws of the story apart from those of the world, which has the same seed.
const STORY_STREAM: u64 = 0x5707_2900;

/// Sets the draws of the calls apart from both.
const CALLS_STREAM: u64 = 0xCA11_0000;

pub(super) struct Stage {
    pub(super) fleet: Fleet,
    pub(super) route: Route,
    pub(super) cast: Vec<Instance>,
    random: fastrand::Rng,
    weather: Arc<Mutex<Weather>>,
    notes: Arc<Notes>,
    watch: Arc<Mutex<Watch>>,
}

/// How calls go: each takes some milliseconds, and one can be made the last of its process.
struct Weather {
    random: fastrand::Rng,
    fatal: Option<&'static str>,
}

impl Weather {
    fn fate(&mut self, site: &CallSite) -> Fate {
        let takes = Duration::from_millis(self.random.u64(CALL_MS));
        let fault = match self.fatal {
            Some(call) if call == site.call => {
                self.fatal = None;
                Fault::DiesBefore
            }
            Some(_) | None => Fault::None,
        };
        Fate { fault, ..Fate::in_a_round_trip(takes) }
    }
}

/// What a worker told, and when.
pub(super) struct Note {
    pub(super) at: Duration,
    pub(super) told: Told,
}

pub(super) enum Told {
    Attempt(Box<Report>),
    Malformed(String),
    /// Something that has no place in this story.
    Unexpected(String),
}

struct Notes {
    time: WorldTime,
    taken: Mutex<Vec<Note>>,
}

impl EventSink for Notes {
    fn record(&self, happening: &WorkerEvent<'_>) {
        let told = match happening {
            WorkerEvent::Started { .. }
            | WorkerEvent::LoopPassed
            | WorkerEvent::LoopPasses(_)
            | WorkerEvent::Received(_)
            | WorkerEvent::TimerRecorded { .. }
            | WorkerEvent::PassEnded { .. }
            | WorkerEvent::Summary(_)
            | WorkerEvent::Stopping { .. } => return,
            WorkerEvent::Attempt(report) => Told::Attempt(Box::new((*report).clone())),
            WorkerEvent::Malformed { reason, .. } => Told::Malformed((*reason).to_owned()),
            WorkerEvent::Ignored { .. }
            | WorkerEvent::QueueFailed(_)
            | WorkerEvent::HttpNotAccepting { .. }
            | WorkerEvent::ReconcileFailed { .. }
            | WorkerEvent::MapNotCompared { .. }
            | WorkerEvent::ChainBroken { .. }
            | WorkerEvent::LedgerRecovered { .. }
            | WorkerEvent::VisibilityLost { .. }
            | WorkerEvent::Panicked(_)
            | WorkerEvent::ConcurrencyLimit { .. }
            | WorkerEvent::Released { .. } => Told::Unexpected(format!("{happening:?}")),
        };
        let at = self.time.elapsed();
        lock(&self.taken).push(Note { at, told });
    }
}

/// What is checked after every effect in the world.
#[derive(Default)]
pub(super) struct Watch {
    /// How many effects there were.
    pub(super) effects: u64,
    /// What should not have been.
    pub(super) violations: Vec<String>,
}

impl Stage {
    /// The world as it is before anything happens: the first instance writes, and its target is in service.
    pub(super) async fn open(seed: u64) -> Result<Self, Failure> {
        let config = WorldConfig { seed, ..WorldConfig::default() };
        // The story is of events; what the timer would do between them is told by its own scenarios.
        let mut workers = FleetConfig::default();
        workers.limits.reconciling.interval = None;
        let fleet = Fleet::new(config, workers).await.map_err(broken)?;
        let cast = instances(ROUTE, 3).map_err(broken)?;
        let route = fleet.world.add_route(ROUTE, &cast).map_err(broken)?;
        let weather = Arc::new(Mutex::new(Weather {
            random: fastrand::Rng::with_seed(seed ^ CALLS_STREAM),
            fatal: None,
        }));
        let calls = Arc::clone(&weather);
        let plan = move |site: &CallSite| lock(&calls).fate(site);
        fleet.world.fabric.set_plan(Box::new(plan));
        let time = fleet.world.fabric.time;
        let stage = Self {
            fleet,
            route,
            cast,
            random: fastrand::Rng::with_seed(seed ^ STORY_STREAM),
            weather,
            notes: Arc::new(Notes { time, taken: Mutex::default() }),
            watch: Arc::default(),
        };
        stage.watch_the_group();
        Ok(stage)
    }

    /// I1, after every effect of anybody's call: the group holds a target that is not draining.
    fn watch_the_group(&self) {
        let elb = Arc::clone(&self.fleet.world.elb);
        let (arn, watch) = (self.route.group.arn.clone(), Arc::clone(&self.watch));
        let look = move |effect: &Effect| {
            let mut watch = lock(&watch);
            watch.effects += 1;
            if elb.registered(&arn).is_empty() {
                let Effect { call, process, .. } = effect;
                let text = format!("the group was empty after {call} of {process}");
                watch.violations.push(text);
            }
        };
        self.fleet.world.fabric.watch(Box::new(look));
    }

    pub(super) fn start(&self, worker: &str) -> Running {
        self.start_for(worker, std::slice::from_ref(&self.route))
    }

    pub(super) fn start_for(&self, worker: &str, routes: &[Route]) -> Running {
        let notes = Arc::clone(&self.notes) as _;
        self.fleet.start(worker, routes, Until::Stopped, notes)
    }

    pub(super) fn now(&self) -> Duration {
        self.fleet.world.fabric.time.elapsed()
    }

    pub(super) fn clock(&self, at: Duration) -> Timestamp {
        self.fleet.world.fabric.time.at(at)
    }

    pub(super) async fn until(&self, at: Duration) {
        tokio::time::sleep(at.saturating_sub(self.now())).await;
    }

    /// A time that the seed decides.
    pub(super) fn draw(&mut self, milliseconds: Range<u64>) -> Duration {
        Duration::from_millis(self.random.u64(milliseconds))
    }

    /// Lets a time pass that the seed decides.
    pub(super) async fn pass(&mut self, milliseconds: Range<u64>) -> Duration {
        let time = self.draw(milliseconds);
        tokio::time::sleep(time).await;
        time
    }

    pub(super) fn rows(&self) -> Vec<ObservedTarget> {
        self.fleet.world.elb.rows(&self.route.group.arn)
    }

    /// The worker that makes this call next dies before it is sent.
    pub(super) fn kill_at(&self, call: &'static str) {
        lock(&self.weather).fatal = Some(call);
    }

    /// What the workers told since this was asked last, as soon as `enough` holds of it.
    pub(super) async fn told(&self, enough: impl Fn(&[Note]) -> bool) -> Vec<Note> {
        let deadline = self.now() + PATIENCE;
        while !enough(&lock(&self.notes.taken)) && self.now() < deadline {
            tokio::time::sleep(GLANCE).await;
        }
        std::mem::take(&mut lock(&self.notes.taken))
    }

    /// Every call that took effect since then, by anyone.
    pub(super) fn effects_since(&self, since: Duration) -> Vec<Effect> {
        let mut journal = self.fleet.world.fabric.journal();
        journal.retain(|effect| effect.at >= since);
        journal
    }

    /// When a target of the route joined or left, since then.
    pub(super) fn changes(&self, action: Action, since: Duration) -> Vec<Duration> {
        let mutations = self.fleet.world.elb.mutations().into_iter();
        mutations
            .filter(|m| m.group == self.route.group.arn && m.action == action)
            .filter(|m| m.difference == Difference::Changed && m.at >= since)
            .map(|m| m.at)
            .collect()
    }

    /// Somebody else's deployment in the same account uses up the registrations.
    pub(super) fn empty_the_bucket(&self) -> Result<(), Failure> {
        let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0c1d2e3f4a5b6c7d";
        let arn = TargetGroupArn::new(arn).map_err(broken)?;
        let (elb, port) = (&self.fleet.world.elb, 8080);
        let subnets = std::collections::BTreeMap::new();
        elb.create_group(&arn, TargetGroupSpec { port, subnets });
        for host in 1..=REGISTRATIONS_MAX {
            let ip = [10, 0, 9, host].into();
            let web = TargetDescription::of(Target { ip, port }, Some("us-east-1a".to_owned()));
            elb.register("deployment", &arn, &[web]).map_err(broken)?;
        }
        Ok(())
    }

    pub(super) fn watch(&self) -> MutexGuard<'_, Watch> {
        lock(&self.watch)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stage could not be set: a fault of this program, since nothing here comes from outside.
pub(super) fn broken(error: impl Display) -> Failure {
    Failure::told(
        "the demo's world broke",
        error.to_string(),
        "this should not happen: please report it, with the seed",
        Exit::Error,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_empty_group_is_noticed_at_the_call_that_emptied_it() {
        let stage = Stage::open(1).await.unwrap();
        let process = stage.fleet.world.process("w");
        let done = process.call("RegisterTargets", "", || Ok(())).await;
        done.unwrap();
        assert!(stage.watch().violations.is_empty());
        let (elb, arn) = (Arc::clone(&stage.fleet.world.elb), stage.route.group.arn.clone());
        let writer = TargetDescription::of(stage.rows()[0].target, None);
        let empty = move || elb.deregister("w", &arn, &[writer]);
        let done = process.call("DeregisterTargets", "", empty).await;
        done.unwrap();
        let watch = stage.watch();
        assert_eq!(watch.effects, 2);
        assert_eq!(watch.violations, ["the group was empty after DeregisterTargets of w"]);
    }
}
