//! The world of a tape, and the directions that it knows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::policy::{Database, DiscoverySource};
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::databases::{CachingResolver, ResolverConfig, endpoint};
use writerlink_sim::dynamodb::{Backup, LedgerTable};
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::Running;

use super::{direction, since_the_beginning};
use crate::desk::Desk;
use crate::rig::Rig;

/// What calls meet.
#[derive(Default)]
struct Weather {
    round_trip: Duration,
    /// Calls that are throttled, by name.
    throttled: Vec<String>,
    /// The process that dies before a call of this name.
    dies: Option<(String, String)>,
}

impl Weather {
    fn fate(&self, site: &CallSite) -> Fate {
        let is_deadly = |(process, call): &(String, String)| *process == site.process && call == site.call;
        if self.dies.as_ref().is_some_and(is_deadly) {
            return Fate::meets(Fault::DiesBefore);
        }
        let calm = Fate::in_a_round_trip(self.round_trip);
        if self.throttled.iter().any(|call| call == site.call) {
            return Fate { fault: Fault::Refused(ErrorKind::Throttled), ..calm };
        }
        calm
    }
}

/// A world while its tape is played.
pub(super) struct Stage {
    pub(super) desk: Desk,
    /// What a command's output was kept as, for the commands after it.
    pub(super) kept: BTreeMap<String, String>,
    weather: Arc<Mutex<Weather>>,
    workers: BTreeMap<String, Running>,
    backup: Option<Backup>,
}

impl Stage {
    /// Sets the stage: the directions about routes count from the beginning.
    pub(super) async fn set(tape: &str) -> Self {
        let directions: Vec<&str> = tape.lines().filter_map(direction).map(|(_, words)| words).collect();
        let names = directions.iter().find_map(|words| words.strip_prefix("The routes are "));
        let names = list(names.unwrap_or("orders"));
        let mut rig = Rig::new(&names).await;
        for words in directions {
            arrange(&mut rig, words);
        }
        let weather = Arc::new(Mutex::new(Weather::default()));
        let plan = Arc::clone(&weather);
        let fate = move |site: &CallSite| plan.lock().unwrap().fate(site);
        rig.fleet.world.fabric.set_plan(Box::new(fate));
        let desk = Desk::in_front_of(rig);
        Self { desk, kept: BTreeMap::new(), weather, workers: BTreeMap::new(), backup: None }
    }

    fn now(&self) -> Duration {
        self.desk.rig.fleet.world.fabric.time.elapsed()
    }

    pub(super) async fn pass_until(&self, at: Duration) {
        let wait = at.checked_sub(self.now());
        self.desk.pass(wait.unwrap_or_else(|| panic!("{at:?} is over at {:?}", self.now()))).await;
    }

    /// Does what a direction says.
    pub(super) async fn direct(&mut self, words: &str) {
        let words: Vec<&str> = words.split_whitespace().collect();
        match words.as_slice() {
            ["The", "routes", "are", ..] | ["Route", ..] | ["Time", "passes"] => {}
            ["A", "call", "takes", ms, "ms"] => {
                self.weather.lock().unwrap().round_trip = Duration::from_millis(ms.parse().unwrap());
            }
            ["Worker", name, rest @ ..] => self.worker(name, rest).await,
            [call, "is", "throttled"] => self.weather.lock().unwrap().throttled.push((*call).to_owned()),
            [call, "works", "again"] => {
                self.weather.lock().unwrap().throttled.retain(|throttled| throttled != call);
            }
            ["The", "state", "table", "is", "backed", "up"] => {
                self.backup = Some(self.desk.rig.fleet.dynamo.backup(LedgerTable::State).unwrap());
            }
            ["The", "state", "table", "is", "restored"] => {
                self.desk.rig.fleet.dynamo.restore(self.backup.as_ref().unwrap()).unwrap();
            }
            ["Somebody", "writes", "into", "the", "records", "of", route] => self.write_by_hand(route),
            _ => self.databases(&words).await,
        }
    }

    async fn worker(&mut self, name: &str, words: &[&str]) {
        match words {
            ["starts"] => {
                self.workers.insert(name.to_owned(), self.desk.rig.start(name));
            }
            ["stops"] => {
                let worker = self.workers.remove(name).unwrap();
                worker.stop();
                assert!(worker.ended().await, "{name} ends by itself");
            }
            ["will", "die", "before", call] => {
                self.weather.lock().unwrap().dies = Some((name.to_owned(), (*call).to_owned()));
            }
            ["asks", "a", "resolver", "that", "keeps", "names", "for", minutes, "minutes"] => {
                let min_ttl = Duration::from_mins(minutes.parse().unwrap());
                let resolver = CachingResolver::new(ResolverConfig { min_ttl, ..ResolverConfig::default() });
                self.desk.rig.fleet.world.rds.put_behind(name, &resolver);
            }
            _ => panic!("no worker is told: {words:?}"),
        }
    }

    /// What happens to databases, and what RDS says of it.
    async fn databases(&self, words: &[&str]) {
        let world = &self.desk.rig.fleet.world;
        match words {
            ["RDS", "reports", "that", route, "failed", "over", "to", instance] => {
                world.deliver(&self.completed(route, instance, self.now()));
            }
            ["RDS", "reports", "that", route, "failed", "over", "to", instance, "at", clock] => {
                let at = since_the_beginning(clock).unwrap();
                world.deliver(&self.completed(route, instance, at));
            }
            [route, "fails", "over", "to", instance, rest @ ..] => {
                let (source, to) = (SourceId::new(route).unwrap(), InstanceId::new(instance).unwrap());
                let failover = world.rds.fail_over(&source, &to).unwrap();
                self.pass_until(failover.completed.due).await;
                match rest {
                    [] => drop(world.deliver(&failover.completed.event)),
                    ["and", "the", "event", "is", "lost"] => {}
                    _ => panic!("no such failover: {rest:?}"),
                }
            }
            _ => panic!("no such direction: {words:?}"),
        }
    }

    fn completed(&self, route: &str, instance: &str, at: Duration) -> RdsEvent {
        let rig = &self.desk.rig;
        let index = rig.routes.iter().position(|known| known.name.as_str() == route).unwrap();
        let (_, n) = instance.rsplit_once('-').unwrap();
        rig.completed(index, n.parse().unwrap(), at.as_secs())
    }

    fn write_by_hand(&self, route: &str) {
        let rig = &self.desk.rig;
        let name = &rig.routes.iter().find(|known| known.name.as_str() == route).unwrap().name;
        let state = rig.fleet.dynamo.glance_at_route(name).unwrap().unwrap();
        let row = "{\"written\":\"by hand\"}";
        rig.fleet.dynamo.put_foreign_row(name, state.chain.seq + 1, row).unwrap();
    }
}

/// The directions about routes.
fn arrange(rig: &mut Rig, words: &str) {
    let Some((name, rest)) = words.strip_prefix("Route ").and_then(|rest| rest.split_once(' ')) else {
        return;
    };
    let route = rig.routes.iter_mut().find(|route| route.name.as_str() == name).unwrap();
    if let Some(sources) = rest.strip_prefix("asks ") {
        route.policy.discovery = list(sources).into_iter().map(source).collect();
        route.policy.endpoint = Some(endpoint(Database::Cluster, &SourceId::new(name).unwrap()));
    } else if let Some(instances) = rest.strip_prefix("has no instance but ") {
        let known = list(instances);
        route.instances.retain(|instance, _| known.contains(&instance.as_str()));
    } else {
        panic!("no such route: {words}");
    }
}

fn source(word: &str) -> DiscoverySource {
    match word {
        "rds" => DiscoverySource::Rds,
        "dns" => DiscoverySource::Dns,
        _ => panic!("no such source: {word}"),
    }
}

/// `a, b and c`.
fn list(words: &str) -> Vec<&str> {
    words.split(" and ").flat_map(|part| part.split(", ")).collect()
}
