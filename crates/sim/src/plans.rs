//! Fault plans: points of the crash matrix, and weather from a seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::clock::WorldTime;
use crate::faults::{CallSite, Fate, Fault, FaultPlan};
use writerlink_engine::ports::ErrorKind;

/// Faults at given points, and none elsewhere. A point is the nth call of a named process, so a pair of
/// crashes is two points: the second in the life of the process that takes over, or in that of its neighbour.
#[derive(Clone, Debug, Default)]
pub struct Script {
    points: BTreeMap<(String, u64), Fate>,
}

impl Script {
    /// No faults yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault at the nth call (from 0) of a process.
    #[must_use]
    pub fn at(self, process: &str, nth: u64, fault: Fault) -> Self {
        self.fate_at(process, nth, Fate::meets(fault))
    }

    /// Adds a fate, delays and all, at the nth call of a process.
    #[must_use]
    pub fn fate_at(mut self, process: &str, nth: u64, fate: Fate) -> Self {
        self.points.insert((process.to_owned(), nth), fate);
        self
    }
}

impl FaultPlan for Script {
    fn fate(&mut self, site: &CallSite) -> Fate {
        let point = (site.process.clone(), site.nth);
        self.points.get(&point).copied().unwrap_or(Fate::WORKS)
    }
}

/// How bad the weather is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weather {
    /// How long a request and a reply travel, each, in milliseconds.
    pub latency_ms: Range<u64>,
    /// How many calls of a thousand meet a fault.
    pub faults_per_mille: u32,
    /// How long a late request is late, in milliseconds.
    pub late_ms: Range<u64>,
    /// How long a stalled process stands still, in milliseconds. Longer than a lease is the point.
    pub stall_ms: Range<u64>,
    /// When the faults stop, since the world began; latency stays. Convergence (I2) is promised from then on.
    pub faults_until: Duration,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            latency_ms: 1..40,
            faults_per_mille: 50,
            late_ms: 1_000..60_000,
            stall_ms: 1_000..40_000,
            faults_until: Duration::from_hours(1),
        }
    }
}

/// Faults drawn from a seed: the same seed and the same calls give the same fates.
#[derive(Debug)]
pub struct Seeded {
    random: fastrand::Rng,
    time: WorldTime,
    weather: Weather,
}

impl Seeded {
    /// Weather over a world, by a seed.
    #[must_use]
    pub fn new(seed: u64, time: WorldTime, weather: Weather) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), time, weather }
    }

    fn draw(&mut self, milliseconds: Range<u64>) -> Duration {
        if milliseconds.is_empty() {
            return Duration::from_millis(milliseconds.start);
        }
        Duration::from_millis(self.random.u64(milliseconds))
    }

    fn fault(&mut self) -> Fault {
        match self.random.u32(0..8) {
            0 => Fault::DiesBefore,
            1 => Fault::DiesAfter,
            2 => Fault::Late(self.draw(self.weather.late_ms.clone())),
            3 => Fault::Stall(self.draw(self.weather.stall_ms.clone())),
            4 => Fault::Refused(ErrorKind::Throttled),
            5 => Fault::Refused(ErrorKind::Unreachable),
            _ => Fault::ReplyLost,
        }
    }
}

impl FaultPlan for Seeded {
    fn fate(&mut self, _: &CallSite) -> Fate {
        let stormy = self.time.elapsed() < self.weather.faults_until;
        let struck = self.random.u32(0..1000) < self.weather.faults_per_mille;
        Fate {
            before: self.draw(self.weather.latency_ms.clone()),
            after: self.draw(self.weather.latency_ms.clone()),
            fault: if stormy && struck { self.fault() } else { Fault::None },
        }
    }
}
