//! What a seed draws: the cast, the weather, and what happens when.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use writerlink::domain::route::{OnStarted, Route, Source};
use writerlink::embedded::clock::WorldTime;
use writerlink::embedded::faults::{Fate, Fault, FaultPlan, Site};
use writerlink::embedded::fleet::FleetConfig;
use writerlink::embedded::plans::{Seeded, Weather};
use writerlink::ports::ErrorKind;

/// How long the storm lasts, in seconds. Then faults stop.
const STORM_SECONDS: std::ops::Range<u64> = 120..600;

/// The latest that an event arrives, in seconds: RDS events have been seen minutes late.
const LATE_SECONDS: u64 = 420;

/// The most a clock is off, either way, in milliseconds. Two of them are then apart by
/// `lease::CLOCK_SKEW_MAX`, and no more is promised.
const SKEW_MS: i64 = 5_000;

/// The calls of the ledger, which an outage takes away together.
const LEDGER: [&str; 4] = ["GetItem", "Query", "ExecuteStatement", "ExecuteTransaction"];

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
    /// An event about a stranger.
    Stranger { cluster: usize },
    /// A message that cannot be read.
    Malformed { cluster: usize },
    /// A clock jumps.
    Jump { worker: usize, skew_ms: i64 },
    /// A deployment: SIGTERM, then a new process.
    Terminate { worker: usize },
    /// Dead workers are replaced.
    LookAfterWorkers,
}

/// Everything a seed decides before the world begins, and the randomness for what it decides later.
pub(crate) struct Script {
    pub(crate) random: Rng,
    pub(crate) clusters: usize,
    pub(crate) workers: usize,
    pub(crate) fleet: FleetConfig,
    pub(crate) storm: Duration,
    pub(crate) acts: Vec<(Duration, Act)>,
    weather: Weather,
    outage: (Duration, Duration),
}

impl Script {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let storm = Duration::from_secs(random.u64(STORM_SECONDS));
        let mut fleet = FleetConfig::default();
        if random.u8(0..4) == 0 {
            fleet.limits.drain_timeout = Duration::from_secs(2);
        }
        if random.u8(0..4) == 0 {
            fleet.limits.groups_max = 1;
        }
        let clusters = random.usize(1..=3);
        let workers = random.usize(1..=3);
        let acts = acts(&mut random, clusters, workers, storm);
        let weather = Weather {
            latency_ms: [1..40, 1..400, 1..2_600][random.usize(0..3)].clone(),
            faults_per_mille: [0, 20, 50, 120][random.usize(0..4)],
            faults_until: storm,
            ..Weather::default()
        };
        let outage_at = storm.mul_f64(random.f64());
        let outage = match random.u8(0..3) {
            0 => (
                outage_at,
                storm.min(outage_at + Duration::from_secs(random.u64(30..300))),
            ),
            _ => (Duration::ZERO, Duration::ZERO),
        };
        Self {
            random,
            clusters,
            workers,
            fleet,
            storm,
            acts,
            weather,
            outage,
        }
    }

    /// Draws what differs between routes. One of the routes may follow the first one's cluster.
    pub(crate) fn shape(&mut self, routes: &mut [Route]) {
        let first = routes[0].clone();
        for (n, route) in routes.iter_mut().enumerate() {
            route.on_started = match self.random.u8(0..6) {
                0 => OnStarted::Register,
                1 => OnStarted::Wait,
                _ => OnStarted::Swap,
            };
            route.exclusive = self.random.u8(0..4) > 0;
            if n > 0 && self.random.u8(0..4) == 0 {
                route.source = match self.random.bool() {
                    true => Source::Any,
                    false => first.source.clone(),
                };
                route.instances.extend(first.instances.clone());
            }
        }
    }

    /// The weather over the world, with the ledger's outage.
    pub(crate) fn plan(&mut self, time: WorldTime) -> Box<dyn FaultPlan> {
        let mut seeded = Seeded::new(self.random.u64(..), time, self.weather.clone());
        let (from, to) = self.outage;
        Box::new(move |site: &Site| {
            let fate = seeded.fate(site);
            let now = time.elapsed();
            if LEDGER.contains(&site.call) && from <= now && now < to {
                return Fate {
                    fault: Fault::Refused(ErrorKind::Unreachable),
                    ..fate
                };
            }
            fate
        })
    }

    pub(crate) fn skew_ms(&mut self) -> i64 {
        skew_ms(&mut self.random)
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

fn skew_ms(random: &mut Rng) -> i64 {
    random.i64(-SKEW_MS..=SKEW_MS)
}

fn acts(
    random: &mut Rng,
    clusters: usize,
    workers: usize,
    storm: Duration,
) -> Vec<(Duration, Act)> {
    let mut acts = BTreeMap::new();
    let mut add = |random: &mut Rng, act| {
        // Two things never happen in the same instant: the evidence of one failover is older.
        let at = storm.mul_f64(random.f64() * 0.95);
        acts.insert(at, act);
    };
    for cluster in 0..clusters {
        for _ in 0..random.u8(1..=4) {
            let to = random.usize(1..=3);
            add(random, Act::FailOver { cluster, to });
        }
        for _ in 0..random.u8(0..=2) {
            let act = match random.u8(0..6) {
                0 => Act::FailedOver { cluster },
                1 | 2 => Act::Restored { cluster },
                3 => Act::Stranger { cluster },
                _ => Act::Malformed { cluster },
            };
            add(random, act);
        }
    }
    for worker in 0..workers {
        for _ in 0..random.u8(0..=2) {
            let skew_ms = skew_ms(random);
            add(random, Act::Jump { worker, skew_ms });
        }
        if random.u8(0..3) == 0 {
            add(random, Act::Terminate { worker });
        }
    }
    acts.into_iter().collect()
}
