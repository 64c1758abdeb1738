//! Every side effect of a worker's life, struck by every fault, alone and in pairs.
//!
//! The points are not written down here but taken from the journal of a clean run, so a call that is added to
//! the worker is struck from the day it is added. After each strike a fresh worker follows, I1 to I8 are
//! checked after every effect, and the group has to be right within a bound (I2).
//!
//! A failing point prints the line that replays it:
//! `POINT='failover w1:5:late w2:3:dies-after' cargo test --test world crash_points::replay -- --ignored`

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use writerlink_engine::ports::Depth;
use writerlink_engine::timer::INTERVAL;
use writerlink_engine::worker::VISIBILITY;
use writerlink_sim::dynamodb::LedgerTable;
use writerlink_sim::event_bodies;
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::{FleetConfig, Running};
use writerlink_sim::world::WorldConfig;

use crate::rig::Rig;
use crate::rig::invariants::{CONVERGES_WITHIN, Invariants};

/// Longer than a lease and all margins: who wakes after that may act on nothing it knew before.
const PAST_THE_LEASE: Duration = Duration::from_secs(40);

/// How late a late request is: after its caller gave up, and after its lease.
const LATE: Duration = Duration::from_secs(20);

/// How long the timer may need: one interval, and the lease of a worker that died.
const HEALED_WITHIN: Duration = INTERVAL.saturating_mul(2);

/// When the second failover comes: once the first one is received, since newer evidence in the same hand would make
/// it need no call. Every call takes 20 ms, there and back.
const INTO_THE_FIRST: Duration = Duration::from_millis(15);

/// How often the stage manager looks whether a worker is done.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The faults of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strike {
    DiesBefore,
    DiesAfter,
    ReplyLost,
    Stall,
    Late,
}

impl Strike {
    const ALL: [Self; 5] = [Self::DiesBefore, Self::DiesAfter, Self::ReplyLost, Self::Stall, Self::Late];

    fn fault(self) -> Fault {
        match self {
            Self::DiesBefore => Fault::DiesBefore,
            Self::DiesAfter => Fault::DiesAfter,
            Self::ReplyLost => Fault::ReplyLost,
            Self::Stall => Fault::Stall(PAST_THE_LEASE),
            Self::Late => Fault::Late(LATE),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::DiesBefore => "dies-before",
            Self::DiesAfter => "dies-after",
            Self::ReplyLost => "reply-lost",
            Self::Stall => "stall",
            Self::Late => "late",
        }
    }
}

/// A call that is struck, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Point {
    process: String,
    nth: u64,
    strike: Strike,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, nth, strike } = self;
        write!(f, "{process}:{nth}:{}", strike.as_str())
    }
}

impl Point {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (process, nth, strike) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            process: process.to_owned(),
            nth: nth.parse().ok()?,
            strike: Strike::ALL.into_iter().find(|s| s.as_str() == strike)?,
        })
    }
}

/// What the struck worker has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// One failover, on a route that nobody has seen.
    Failover,
    /// The same with every call so slow that the lease has to be lengthened.
    SlowFailover,
    /// A message that cannot be read, and a failover behind it.
    Malformed,
    /// A failover that a worker, now dead, left half done.
    Resumed,
    /// Two failovers, one behind the other: what is late of the first may undo the second.
    TwoFailovers,
    /// A failover on a route whose state was restored to before the failover that came first.
    Restored,
}

impl Story {
    const ALL: [Self; 6] = [
        Self::Failover,
        Self::SlowFailover,
        Self::Malformed,
        Self::Resumed,
        Self::TwoFailovers,
        Self::Restored,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::SlowFailover => "slow-failover",
            Self::Malformed => "malformed",
            Self::Resumed => "resumed",
            Self::TwoFailovers => "two-failovers",
            Self::Restored => "restored",
        }
    }

    fn round_trip(self) -> Duration {
        match self {
            Self::SlowFailover => Duration::from_millis(4900),
            Self::Failover | Self::Malformed | Self::Resumed | Self::TwoFailovers | Self::Restored => {
                Duration::from_millis(20)
            }
        }
    }

    /// The instance that writes in the end.
    fn writer(self) -> usize {
        match self {
            Self::TwoFailovers => 3,
            Self::Failover | Self::SlowFailover | Self::Malformed | Self::Resumed | Self::Restored => 2,
        }
    }
}

/// What became of a run: the side effects of its workers, in order, and what was violated.
struct Ran {
    effects: Vec<(String, u64)>,
    trace: String,
    violations: Vec<String>,
    late_effects: u64,
}

/// Strikes a story at these points, each in the life of the worker it names.
async fn run(story: Story, points: &[Point]) -> Ran {
    let rig = Rig::with(&["orders"], WorldConfig::default(), FleetConfig::default()).await;
    let invariants = Invariants::watch(&rig);
    if story == Story::Malformed {
        invariants.deliver(&rig, "orders", r#"{"detail-type": "RDS DB Cluster Event"}"#);
    }
    if story == Story::Restored {
        restore_to_before_a_failover(&rig, &invariants).await;
    }
    let since = u64::from(story == Story::Restored);
    let body = event_bodies::eventbridge(&rig.started(0, 2, since));
    invariants.deliver(&rig, "orders", &body);
    if story == Story::Resumed {
        let crash = |site: &CallSite| match site.call {
            "DeregisterTargets" => Fate::meets(Fault::DiesBefore),
            _ => Fate::WORKS,
        };
        invariants.plan(Box::new(crash));
        assert!(!rig.run("w0").await, "it leaves its work half done");
    }
    if story == Story::Resumed {
        tokio::time::sleep(VISIBILITY).await;
    }
    invariants.plan(struck(story, points));
    let mut standing_still = Vec::new();
    for n in 1..=points.len() + 1 {
        let worker = rig.start(&format!("w{n}"));
        if story == Story::TwoFailovers && n == 1 {
            tokio::time::sleep(INTO_THE_FIRST).await;
            let body = event_bodies::eventbridge(&rig.started(0, 3, 1));
            invariants.deliver(&rig, "orders", &body);
        }
        // Who stands still is not waited for: the fresh worker takes over from it.
        tokio::select! {
            biased;
            () = idle(&rig, &worker) => worker.stop(),
            () = invariants.standstill.notified() => {
                standing_still.push(worker);
                continue;
            }
        }
        worker.ended().await;
    }
    for worker in standing_still {
        idle(&rig, &worker).await;
        worker.stop();
        worker.ended().await;
    }
    // What is late arrives.
    let now = rig.fleet.world.fabric.time.elapsed();
    tokio::time::sleep(invariants.trouble_until().saturating_sub(now)).await;
    let journal = rig.fleet.world.fabric.journal();
    heal(&rig, story).await;
    check_the_end(&rig, &invariants, story);
    Ran {
        effects: journal
            .iter()
            .filter(|effect| effect.process != "w0")
            .map(|effect| (effect.process.clone(), effect.nth))
            .collect(),
        trace: crate::rig::trace(&journal, &rig.told.reports()),
        violations: invariants.verdict(&rig),
        late_effects: invariants.late_effects(),
    }
}

/// A failover of long ago is carried out; then the `state` table is restored to before it, and the audit is not.
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
async fn restore_to_before_a_failover(rig: &Rig, invariants: &Invariants) {
    let before = rig.fleet.dynamo.backup(LedgerTable::State).unwrap();
    let first = event_bodies::eventbridge(&rig.started(0, 3, 0));
    tokio::time::sleep(LOOK_EVERY).await;
    invariants.deliver(rig, "orders", &first);
    assert!(rig.run("w0").await);
    rig.fleet.dynamo.restore(&before).unwrap();
    invariants.restored(0);
}

/// A call of the first failover may have landed after the second one. Where that undid something the timer of
/// the next worker puts it right, without any event.
async fn heal(rig: &Rig, story: Story) {
    let is_right = || rig.registered(0) == [rig.target(0, story.writer())];
    if is_right() {
        return;
    }
    let last = rig.start("last");
    let from = rig.fleet.world.fabric.time.elapsed();
    while !is_right() && rig.fleet.world.fabric.time.elapsed() < from + HEALED_WITHIN {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    last.stop();
    assert!(last.ended().await);
}

/// Waits until a worker has died, or has nothing left to do.
async fn idle(rig: &Rig, worker: &Running) {
    let queue = &rig.fleet.world.sqs;
    while !worker.is_over() && queue.depth() != Depth::default() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn struck(story: Story, points: &[Point]) -> Box<dyn writerlink_sim::faults::FaultPlan> {
    let faults: BTreeMap<(String, u64), Fault> =
        points.iter().map(|p| ((p.process.clone(), p.nth), p.strike.fault())).collect();
    let round_trip = story.round_trip();
    Box::new(move |site: &CallSite| {
        let fault = faults.get(&(site.process.clone(), site.nth));
        Fate { fault: fault.copied().unwrap_or(Fault::None), ..Fate::in_a_round_trip(round_trip) }
    })
}

/// I2, and nothing left behind.
fn check_the_end(rig: &Rig, invariants: &Invariants, story: Story) {
    if rig.registered(0) != [rig.target(0, story.writer())] {
        invariants.violated(format!("I2: the group holds {:?}", rig.registered(0)));
    }
    let bound = invariants.trouble_until() + CONVERGES_WITHIN;
    if invariants.last_change(0) > bound {
        let at = invariants.last_change(0);
        invariants.violated(format!("I2: right at {at:?}, promised by {bound:?}"));
    }
    let depth = rig.fleet.world.sqs.depth();
    if depth != Depth::default() {
        invariants.violated(format!("messages were left: {depth:?}"));
    }
    let letters = rig.fleet.world.dead_letters.messages().len();
    let expected = usize::from(story == Story::Malformed);
    if letters != expected {
        invariants.violated(format!("{letters} dead letters instead of {expected}"));
    }
}

/// A run in a world and a runtime of its own.
fn run_alone(story: Story, points: &[Point]) -> Ran {
    crate::rig::in_its_own_runtime(run(story, points))
}

/// The runs of one kind: how many, how many late effects, and the lines that replay the failed ones.
#[derive(Default)]
struct Matrix {
    points: usize,
    late_effects: u64,
    failed: Vec<String>,
}

impl Matrix {
    fn strike(&mut self, story: Story, points: &[Point]) -> Ran {
        let ran = run_alone(story, points);
        self.points += 1;
        self.late_effects += ran.late_effects;
        if !ran.violations.is_empty() {
            let line: Vec<String> = points.iter().map(Point::to_string).collect();
            let (name, line) = (story.as_str(), line.join(" "));
            self.failed.push(format!(
                "POINT='{name} {line}' cargo test --test world crash_points::replay -- --ignored --nocapture\n    {}",
                ran.violations.join("\n    ")
            ));
        }
        ran
    }

    fn expect(self, points: usize) {
        let late = self.late_effects;
        let told = format!("{points} crash points struck, {late} late effects\n");
        crate::rig::say(&told);
        let failed = self.failed.len();
        let first: Vec<String> = self.failed.into_iter().take(10).collect();
        assert!(failed == 0, "{failed} points failed:\n{}", first.join("\n"));
        assert_eq!(self.points, points, "the enumeration has changed: is every call still struck?");
    }
}

fn strikes_at(effects: &[(String, u64)]) -> Vec<Point> {
    let point =
        |(process, nth): &(String, u64), strike| Point { process: process.clone(), nth: *nth, strike };
    let effects = effects.iter();
    effects.flat_map(|effect| Strike::ALL.map(|strike| point(effect, strike))).collect()
}

/// Every single fault in the life of the first worker.
fn singles(story: Story) -> (Matrix, Vec<(Point, Ran)>) {
    let clean = run_alone(story, &[]);
    assert_eq!(clean.violations, Vec::<String>::new());
    let mut matrix = Matrix::default();
    let of_first: Vec<_> = clean.effects.into_iter().filter(|(p, _)| p == "w1").collect();
    let struck = strikes_at(&of_first)
        .into_iter()
        .map(|point| {
            let ran = matrix.strike(story, std::slice::from_ref(&point));
            (point, ran)
        })
        .collect();
    (matrix, struck)
}

/// Every pair: after each single fault, every fault at every later effect, be it of the same worker when it
/// survived the first or of the one that followed.
fn pairs(story: Story) -> Matrix {
    let (_, singles) = singles(story);
    let mut matrix = Matrix::default();
    for (first, ran) in singles {
        let struck = (first.process.clone(), first.nth);
        let after = ran.effects.iter().position(|effect| *effect == struck);
        let later = &ran.effects[after.map_or(0, |n| n + 1)..];
        // A fresh worker that finds nothing to do is the same after every point.
        for second in strikes_at(later) {
            matrix.strike(story, &[first.clone(), second]);
        }
    }
    matrix
}

#[test]
fn a_failover_survives_every_fault_at_every_one_of_its_calls() {
    singles(Story::Failover).0.expect(65);
}

#[test]
fn a_failover_slower_than_its_lease_survives_at_every_one_of_its_calls() {
    singles(Story::SlowFailover).0.expect(120);
}

#[test]
fn a_malformed_message_survives_every_fault_at_every_one_of_its_calls() {
    singles(Story::Malformed).0.expect(70);
}

#[test]
fn a_resumed_failover_survives_every_fault_at_every_one_of_its_calls() {
    singles(Story::Resumed).0.expect(85);
}

#[test]
fn two_failovers_survive_every_fault_at_every_one_of_their_calls() {
    singles(Story::TwoFailovers).0.expect(105);
}

#[test]
fn a_recovery_survives_every_fault_at_every_one_of_its_calls() {
    singles(Story::Restored).0.expect(160);
}

#[test]
#[ignore = "half a minute or more: `make simulate` runs it"]
fn two_failovers_survive_every_pair_of_faults() {
    pairs(Story::TwoFailovers).expect(9765);
}

#[test]
fn a_failover_survives_every_pair_of_faults() {
    pairs(Story::Failover).expect(5050);
}

#[test]
#[ignore = "half a minute or more: `make simulate` runs it"]
fn a_failover_slower_than_its_lease_survives_every_pair_of_faults() {
    pairs(Story::SlowFailover).expect(14_205);
}

#[test]
#[ignore = "half a minute or more: `make simulate` runs it"]
fn a_malformed_message_survives_every_pair_of_faults() {
    pairs(Story::Malformed).expect(5555);
}

#[test]
#[ignore = "half a minute or more: `make simulate` runs it"]
fn a_resumed_failover_survives_every_pair_of_faults() {
    pairs(Story::Resumed).expect(6575);
}

#[test]
#[ignore = "replays one point: POINT='failover w1:5:late'"]
fn replay() {
    #[expect(clippy::disallowed_methods, reason = "a person says here which point to replay")]
    let line = std::env::var("POINT").unwrap();
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let story = Story::ALL.into_iter().find(|s| s.as_str() == name).unwrap();
    let points: Vec<Point> = words.filter_map(Point::parse).collect();
    let ran = run_alone(story, &points);
    crate::rig::say(&ran.trace);
    assert_eq!(ran.violations, Vec::<String>::new());
}
