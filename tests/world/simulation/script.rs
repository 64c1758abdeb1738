//! What a seed draws: the cast, the weather, and what happens when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use writerlink_core::model::policy::{Database, DiscoverySource, Mode};
use writerlink_core::model::route::{OnStarted, Route, Source, Strategy};
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::clock::WorldTime;
use writerlink_sim::databases::{ResolverConfig, SqlFault, endpoint};
use writerlink_sim::faults::{CallSite, Fate, Fault, FaultPlan};
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::plans::{Seeded, Weather};

use super::restores::restores;
use super::stage::member;
use crate::rig::invariants::restored::Loss;

/// How large a world is. Most are small: what goes wrong takes few parts and little time, so the same minutes
/// find more in many small worlds than in few large ones. One in four is large, for what takes a crowd.
#[derive(Clone)]
struct Scale {
    /// How long the storm lasts, in seconds. Then faults stop.
    storm: std::ops::Range<u64>,
    clusters: std::ops::RangeInclusive<usize>,
    /// Per cluster.
    failovers: std::ops::RangeInclusive<u8>,
}

const SMALL: Scale = Scale { storm: 30..150, clusters: 1..=2, failovers: 1..=2 };

const LARGE: Scale = Scale { storm: 120..600, clusters: 1..=3, failovers: 1..=4 };

/// The latest that an event arrives, in seconds: RDS events have been seen minutes late.
const LATE_SECONDS: u64 = 420;

/// The most a clock is off, either way, in milliseconds. Two of them are then apart by
/// `writerlink_core::model::time::CLOCK_SKEW_MAX`, and no more is promised.
const SKEW_MS: i64 = 5_000;

/// What is drawn about instances that are asked themselves comes from a stream of its own, as restores do: so a source more
/// leaves every other draw as it was.
const RANDOMNESS_OF_SQL: u64 = 0x5153_4c5f_5345_4544;

/// How often instances are asked themselves.
const SQL_EVERY: Duration = Duration::from_secs(4);

/// How long a call takes once the storm is over.
const CALM: Duration = Duration::from_millis(20);

/// The longest minimum TTL of a resolver: longer than evidence is trusted, several times.
pub(crate) const MIN_TTL_MAX: Duration = Duration::from_mins(15);

/// The calls of the ledger, which an outage takes away together.
const LEDGER: [&str; 5] = ["GetItem", "BatchGetItem", "Query", "ExecuteStatement", "ExecuteTransaction"];

/// Something that happens in the world.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A cluster fails over to its instance `n`, and RDS says so.
    FailOver { cluster: usize, to: usize },
    /// The failover under way fails (0069).
    FailedOver { cluster: usize },
    /// The previous primary is promoted again (0070).
    Restored { cluster: usize },
    /// A message reaches the queue.
    Deliver { group: String, body: String },
    /// The instances of a cluster answer wrongly for a while: none at all, one of them not, two or none writable.
    Sql { cluster: usize, fault: SqlFault, seconds: u64 },
    /// Something that asks for the writer, and says nothing of it.
    Asks { cluster: usize },
    /// The upstream of a worker's resolver is away for a while.
    CutOff { worker: usize, seconds: u64 },
    /// An event about a stranger.
    Stranger { cluster: usize },
    /// A message that cannot be read.
    Malformed { cluster: usize },
    /// A person orders something about a route, with whatever becomes of it.
    Order { route: usize, act: PersonsAct },
    /// A clock jumps.
    Jump { worker: usize, skew_ms: i64 },
    /// A deployment: SIGTERM, then a new process.
    Terminate { worker: usize },
    /// Dead workers are replaced.
    LookAfterWorkers,
    /// Both tables are backed up.
    Backup,
    /// Somebody restores a table from the backup, or deletes a row.
    Restore(Loss),
}

/// What a person does to a route.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PersonsAct {
    Pause,
    Resume,
    Freeze,
    Unfreeze,
    /// At instance `n`.
    Pin(usize),
    Unpin,
    /// To instance `n`.
    Swap(usize),
    Acknowledge,
}

/// Everything a seed decides before the world begins, and the randomness for what it decides later.
pub(crate) struct Script {
    pub(crate) random: Rng,
    of_sql: Rng,
    pub(crate) clusters: usize,
    /// What stands between each worker and the names, if anything does.
    pub(crate) resolvers: Vec<Option<ResolverConfig>>,
    pub(crate) fleet: FleetConfig,
    pub(crate) storm: Duration,
    pub(crate) acts: Vec<(Duration, Act)>,
    weather: Weather,
    outage: (Duration, Duration),
}

impl Script {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let scale = if random.u8(0..4) == 0 { LARGE } else { SMALL };
        let storm = Duration::from_secs(random.u64(scale.storm));
        let mut fleet = FleetConfig::default();
        // A question twice a second would be most of what a world does.
        fleet.limits.reconciling.sql_interval = SQL_EVERY;
        if random.u8(0..4) == 0 {
            fleet.limits.drain_timeout = Duration::from_secs(2);
        }
        if random.u8(0..4) == 0 {
            fleet.limits.groups_max = 1;
        }
        let clusters = random.usize(scale.clusters);
        let workers = random.usize(1..=3);
        let resolvers = (0..workers).map(|_| resolver(&mut random)).collect();
        let mut acts = acts_of_clusters(&mut random, clusters, scale.failovers);
        acts.extend(acts_of_workers(&mut random, workers));
        acts.extend(acts_of_persons(&mut random, clusters));
        let mut acts = on_the_timeline(&mut random, acts, storm);
        acts.extend(restores(seed, clusters, storm));
        let mut of_sql = Rng::with_seed(seed ^ RANDOMNESS_OF_SQL);
        acts.extend(acts_of_sql(&mut of_sql, clusters, storm));
        let weather = weather(&mut random, storm);
        let outage_at = storm.mul_f64(random.f64());
        let outage = match random.u8(0..3) {
            0 => (outage_at, storm.min(outage_at + Duration::from_secs(random.u64(30..300)))),
            _ => (Duration::ZERO, Duration::ZERO),
        };
        Self { random, of_sql, clusters, resolvers, fleet, storm, acts, weather, outage }
    }

    /// Draws which routes are weighted: one in eight.
    pub(crate) fn weighted(&mut self) -> Vec<usize> {
        let routes = 0..self.clusters;
        routes.filter(|_| self.random.u8(0..8) == 0).collect()
    }

    /// Draws what differs between routes. One of the routes may follow the first one's cluster. A route of one
    /// cluster of its own may ask sources, and then some of its events are lost.
    pub(crate) fn shape(&mut self, routes: &mut [Route]) {
        let first = routes[0].clone();
        for (n, route) in routes.iter_mut().enumerate() {
            if matches!(route.strategy, Strategy::Weighted(_)) {
                route.policy.discovery = sources(&mut self.random, &mut self.of_sql);
                if let Source::Named(source) = &route.source {
                    route.policy.endpoint = Some(endpoint(Database::Cluster, source));
                }
                continue;
            }
            route.on_started = match self.random.u8(0..6) {
                0 => OnStarted::Register,
                1 => OnStarted::Wait,
                _ => OnStarted::Swap,
            };
            route.exclusive = self.random.u8(0..4) > 0;
            if n > 0 && self.random.u8(0..4) == 0 {
                route.source = if self.random.bool() { Source::Any } else { first.source.clone() };
                route.instances.extend(first.instances.clone());
            } else {
                route.policy.discovery = sources(&mut self.random, &mut self.of_sql);
                if let Source::Named(source) = &route.source {
                    route.policy.endpoint = Some(endpoint(Database::Cluster, source));
                }
            }
            if self.random.u8(0..16) == 0 {
                route.policy.mode = Mode::Observe;
            }
        }
    }

    /// The weather over the world, with the ledger's outage.
    pub(crate) fn plan(&mut self, time: WorldTime) -> Box<dyn FaultPlan> {
        let mut seeded = Seeded::new(self.random.u64(..), time, self.weather.clone());
        let (from, to) = self.outage;
        let storm = self.storm;
        Box::new(move |site: &CallSite| {
            let fate = seeded.fate(site);
            let now = time.elapsed();
            // A slow world is a fault too.
            if now >= storm {
                return Fate::in_a_round_trip(CALM);
            }
            if LEDGER.contains(&site.call) && from <= now && now < to {
                return Fate { fault: Fault::Refused(ErrorKind::Unreachable), ..fate };
            }
            fate
        })
    }

    pub(crate) fn skew_ms(&mut self) -> i64 {
        skew_ms(&mut self.random)
    }

    /// Whether an event is lost on its way.
    pub(crate) fn loses(&mut self) -> bool {
        self.random.u8(0..4) == 0
    }

    /// How long a message is under way.
    pub(crate) fn delay(&mut self) -> Duration {
        let seconds = match self.random.u8(0..8) {
            0 => self.random.u64(0..LATE_SECONDS),
            1 | 2 => self.random.u64(0..30),
            _ => 0,
        };
        Duration::from_secs(seconds) + Duration::from_millis(self.random.u64(100..1_500))
    }
}

/// Fast and slow worlds. In the slow ones a call takes nearly as long as it may, so leases are lengthened and
/// routes are contended for.
fn weather(random: &mut Rng, storm: Duration) -> Weather {
    let (latency_ms, faults_per_mille) = match random.u8(0..4) {
        0 => (1..40, [20, 120][random.usize(0..2)]),
        1 => (1..400, [20, 60][random.usize(0..2)]),
        2 => (800..2_450, [0, 20][random.usize(0..2)]),
        _ => (1..40, 50),
    };
    Weather { latency_ms, faults_per_mille, faults_until: storm, ..Weather::default() }
}

/// One route in six asks its instances alone, and of those that ask several sources every other one asks them too.
fn sources(random: &mut Rng, of_sql: &mut Rng) -> BTreeSet<DiscoverySource> {
    let drawn: BTreeSet<DiscoverySource> = match random.u8(0..5) {
        0 | 1 => BTreeSet::new(),
        2 => [DiscoverySource::Rds].into(),
        3 => [DiscoverySource::Dns].into(),
        _ => [DiscoverySource::Rds, DiscoverySource::Dns].into(),
    };
    match of_sql.u8(0..6) {
        0 if !drawn.is_empty() => [DiscoverySource::Sql].into(),
        1..=3 if drawn.len() > 1 => DiscoverySource::ALL.into(),
        _ => drawn,
    }
}

/// What is wrong with instances' answers, and when.
fn acts_of_sql(random: &mut Rng, clusters: usize, storm: Duration) -> Vec<(Duration, Act)> {
    let mut acts = Vec::new();
    for cluster in 0..clusters {
        for _ in 0..random.u8(0..=2) {
            let (fault, seconds) = (sql_fault(random, cluster), random.u64(1..60));
            acts.push((storm.mul_f64(random.f64()), Act::Sql { cluster, fault, seconds }));
        }
    }
    acts
}

/// Every other worker has a resolver that keeps answers: for seconds, for longer than evidence is trusted, or for as
/// long as its upstream is away.
fn resolver(random: &mut Rng) -> Option<ResolverConfig> {
    let min_ttl = match random.u8(0..6) {
        0 => Duration::ZERO,
        1 => Duration::from_secs(random.u64(5..180)),
        2 => Duration::from_secs(random.u64(180..=MIN_TTL_MAX.as_secs())),
        _ => return None,
    };
    Some(ResolverConfig { min_ttl, serve_stale: random.bool(), negative_ttl: Duration::ZERO })
}

fn skew_ms(random: &mut Rng) -> i64 {
    random.i64(-SKEW_MS..=SKEW_MS)
}

fn acts_of_clusters(random: &mut Rng, clusters: usize, failovers: std::ops::RangeInclusive<u8>) -> Vec<Act> {
    let mut acts = Vec::new();
    for cluster in 0..clusters {
        for _ in 0..random.u8(failovers.clone()) {
            let to = random.usize(1..=3);
            acts.push(Act::FailOver { cluster, to });
        }
        for _ in 0..random.u8(0..=2) {
            acts.push(match random.u8(0..8) {
                0 => Act::FailedOver { cluster },
                1 | 2 => Act::Restored { cluster },
                3 => Act::Stranger { cluster },
                4 | 5 => Act::Asks { cluster },
                _ => Act::Malformed { cluster },
            });
        }
    }
    acts
}

fn sql_fault(random: &mut Rng, cluster: usize) -> SqlFault {
    match random.u8(0..5) {
        0 => SqlFault::NoAnswer,
        1 => SqlFault::TwoWritable,
        2 => SqlFault::NoneWritable,
        _ => SqlFault::NoAnswerOf(member(cluster, random.usize(1..=3))),
    }
}

/// In one world of three somebody meddles, and sometimes takes it back.
fn acts_of_persons(random: &mut Rng, routes: usize) -> Vec<Act> {
    let mut acts = Vec::new();
    if random.u8(0..3) > 0 {
        return acts;
    }
    for route in 0..routes {
        for _ in 0..random.u8(0..=2) {
            let n = random.usize(1..=3);
            let (act, back) = match random.u8(0..5) {
                0 | 1 => (PersonsAct::Pause, PersonsAct::Resume),
                2 => (PersonsAct::Freeze, PersonsAct::Unfreeze),
                3 => (PersonsAct::Pin(n), PersonsAct::Unpin),
                _ => (PersonsAct::Swap(n), PersonsAct::Acknowledge),
            };
            acts.push(Act::Order { route, act });
            if random.bool() {
                acts.push(Act::Order { route, act: back });
            }
        }
    }
    acts
}

fn acts_of_workers(random: &mut Rng, workers: usize) -> Vec<Act> {
    let mut acts = Vec::new();
    for worker in 0..workers {
        for _ in 0..random.u8(0..=2) {
            let skew_ms = skew_ms(random);
            acts.push(Act::Jump { worker, skew_ms });
        }
        if random.u8(0..3) == 0 {
            acts.push(Act::Terminate { worker });
        }
        if random.u8(0..3) == 0 {
            let seconds = random.u64(10..600);
            acts.push(Act::CutOff { worker, seconds });
        }
    }
    acts
}

/// Troubles come together: often shortly after another one, else at any time. Two things never happen in the
/// same instant, since one of two events has to be the older.
fn on_the_timeline(random: &mut Rng, acts: Vec<Act>, storm: Duration) -> Vec<(Duration, Act)> {
    let mut timeline = BTreeMap::new();
    let mut last = Duration::ZERO;
    for act in acts {
        let at = match random.u8(0..3) {
            0 => last + Duration::from_millis(random.u64(1..20_000)),
            _ => storm.mul_f64(random.f64()),
        };
        last = at.min(storm.mul_f64(0.95));
        while timeline.contains_key(&last) {
            last += Duration::from_millis(1);
        }
        timeline.insert(last, act);
    }
    timeline.into_iter().collect()
}
