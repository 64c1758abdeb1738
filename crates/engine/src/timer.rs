//! The timer: runs a reconcile pass over every route at intervals, with or without events.
//!
//! AWS asks not to depend on the order or existence of RDS events, so nothing here does: the
//! discovery sources show what a lost event would have reported. Passes are spread over the interval and
//! rate-limited, since `DescribeTargetHealth` has one bucket for a whole account and Region.

use crate::telemetry::event::Summary;
mod chains;
mod probes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tracing::{Instrument as _, info_span};

use crate::attempt::{
    AttemptResult, COMPARE_EVERY, ChainCheck, MapComparison, PassResult, PeriodicPass, Reconciler,
    RouteWatch, StateStore, TimerRecord, Together,
};
use crate::ports::{Clock, Databases, Ports};
use crate::telemetry::event::{EventSink, WorkerEvent};
use crate::timer::chains::Chains;
use crate::timer::probes::Probes;
pub use crate::timer::probes::SQL_INTERVAL;
use writerlink_core::actuation::health::ServingState;
use writerlink_core::evidence::discovery::CONFIRM_EVERY;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::outcome::{Outcome, doubled, retry_after};
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::CALL_TIMEOUT;

/// The interval and the rate of reconcile passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconciling {
    /// Time between two passes over a route in sync, less up to a tenth. `None` turns the timer off.
    pub interval: Option<Duration>,
    /// How many passes a worker starts in a second.
    pub describe_calls_per_second_max: u32,
    /// How often the instances of a route are asked that nobody else tells of, between its passes.
    pub sql_interval: Duration,
}

/// The interval of reconcile passes: drift after a lost event is detected within it.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// Passes a second of one worker: two of them stay below the 50 `DescribeTargetHealth` a second that an account
/// has, with room for the attempts.
pub const PASSES_PER_SECOND_MAX: u32 = 20;

impl Default for Reconciling {
    fn default() -> Self {
        Self {
            interval: Some(INTERVAL),
            describe_calls_per_second_max: PASSES_PER_SECOND_MAX,
            sql_interval: SQL_INTERVAL,
        }
    }
}

/// A request for an early reconcile pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something happened to this one.
    Route(RouteName),
    /// Something happened that may concern any.
    Every,
}

/// How many passes run at once: a second's worth of passes that each take a second.
const PASSES_AT_ONCE: usize = 20;

/// The window of the rate limit.
const SECOND: Duration = Duration::from_secs(1);

/// Time from a wake to the pass: the ledger and the load balancer have only just changed.
const WOKEN_AFTER: Duration = Duration::from_secs(1);

/// Interval of passes after a move until its target is healthy.
const FOLLOW_EVERY: Duration = Duration::from_secs(5);

/// Interval of passes while the sources are unclear or an old target is not removed.
const UNSETTLED_EVERY: Duration = Duration::from_secs(10);

/// The longest pause after failed passes.
const FAILED_PAUSE_MAX: Duration = Duration::from_mins(5);

/// The interval of the summary event.
pub const SUMMARY_EVERY: Duration = Duration::from_mins(1);

/// The most calls that a pass makes one after the other: its reads, its records, and a whole attempt with retries and
/// lease.
const PASS_CALLS_MAX: u32 = 60;

/// The longest that a pass takes if every call takes until its timeout.
pub const PASS_LONGEST: Duration = CALL_TIMEOUT.saturating_mul(PASS_CALLS_MAX);

/// How far apart the comparisons of maps are at least: with a thousand routes a map is compared every quarter of an hour.
const BETWEEN_COMPARISONS: Duration = Duration::from_secs(1);

/// The age at which a pause may be forgotten and is reported.
pub const PAUSED_LONG: Duration = Duration::from_hours(1);

/// The timer of a worker.
pub struct Timer {
    pass: PeriodicPass,
    maps: MapComparison,
    chain_check: ChainCheck,
    states: Arc<StateStore>,
    databases: Arc<dyn Databases>,
    routes: Arc<[Route]>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn EventSink>,
    settings: Reconciling,
}

/// A route's place in the schedule.
#[derive(Default)]
struct Scheduled {
    /// Absent while a pass of the route is in progress.
    watched: Option<RouteWatch>,
    /// When the next pass is due.
    due: Duration,
    failures: u32,
    /// When the pass in progress began.
    began: Option<Duration>,
    /// Whether its group differs, by the last pass that could read it.
    differs: bool,
    /// Whether something in its state is unresolved (I9).
    unresolved: bool,
}

impl Scheduled {
    fn is_diverged(&self) -> bool {
        self.differs || self.unresolved
    }
}

/// A pass that ended.
struct FinishedPass {
    n: usize,
    watched: RouteWatch,
    look: PassResult,
}

impl Timer {
    /// A timer for `routes` that moves them through `reconciler`.
    #[must_use]
    pub fn new(
        ports: &Ports,
        reconciler: Arc<Reconciler>,
        routes: Arc<[Route]>,
        observer: Arc<dyn EventSink>,
        settings: Reconciling,
    ) -> Self {
        let states = Arc::clone(reconciler.states());
        Self {
            maps: MapComparison::new(ports, Arc::clone(&states)),
            chain_check: ChainCheck::new(ports, Arc::clone(&states)),
            states,
            databases: Arc::clone(&ports.databases),
            pass: PeriodicPass::new(ports, reconciler),
            clock: Arc::clone(&ports.clock),
            routes,
            observer,
            settings,
        }
    }

    /// Runs passes until `wakes` closes, then finishes those in progress.
    pub async fn run(self: Arc<Self>, mut wakes: UnboundedReceiver<Wake>) {
        let Some(interval) = self.settings.interval else {
            return;
        };
        let mut schedule = Schedule::new(&self, interval);
        let mut passes = JoinSet::new();
        let mut chains = Chains::new(self.clock.monotonic());
        let mut probes = Probes::start(&self);
        loop {
            let now = self.clock.monotonic();
            schedule.start(&self, &mut passes, now);
            chains.poll(&self, now);
            schedule.summarize(&self, &chains, now);
            let wait = schedule.until_next(now, passes.len());
            tokio::select! {
                biased;
                wake = wakes.recv() => match wake {
                    Some(wake) => schedule.wake(&self.routes, &wake, self.clock.monotonic()),
                    None => break,
                },
                Some(finished) = passes.join_next(), if !passes.is_empty() => match finished {
                    Ok(finished) => schedule.take(&self, finished, interval),
                    Err(error) => self.observer.record(&WorkerEvent::Panicked(&error.to_string())),
                },
                noticed = probes.next() => match noticed {
                    Ok(n) => schedule.due_by(n, self.clock.monotonic()),
                    Err(error) => self.observer.record(&WorkerEvent::Panicked(&error)),
                },
                () = self.clock.sleep(wait) => {}
            }
        }
        while passes.join_next().await.is_some() {}
    }

    fn run_pass(
        self: &Arc<Self>,
        n: usize,
        mut watched: RouteWatch,
        together: Arc<Together>,
    ) -> impl Future<Output = FinishedPass> + use<> {
        let timer = Arc::clone(self);
        let span = info_span!("reconcile_pass", route = self.routes[n].name.as_str());
        let pass = async move {
            let mut noted: Vec<TimerRecord> = Vec::new();
            let (route, observer) = (&timer.routes[n], &timer.observer);
            let look = timer.pass.run_pass(&together, route, &mut watched, &mut noted).await;
            let every = COMPARE_EVERY.max(BETWEEN_COMPARISONS * count_of(&timer.routes));
            let compared = timer.maps.compare_map(route, every, &mut watched, &mut noted);
            if let Err(error) = &compared.await {
                observer.record(&WorkerEvent::MapNotCompared { route, error });
            }
            timer.record_ledger_finding(route);
            for noted in &noted {
                observer.record(&WorkerEvent::TimerRecorded { route, noted });
            }
            match &look {
                PassResult::Acted(report) => observer.record(&WorkerEvent::Attempt(report)),
                PassResult::Failed(error) => observer.record(&WorkerEvent::ReconcileFailed { route, error }),
                PassResult::InSync
                | PassResult::WatchingHealth(_)
                | PassResult::Confirm
                | PassResult::Waits(_)
                | PassResult::Busy
                | PassResult::Queued
                | PassResult::LeftToNewer => {}
            }
            FinishedPass { n, watched, look }
        };
        pass.instrument(span)
    }

    fn record_ledger_finding(&self, route: &Route) {
        if let Some(news) = self.states.take_ledger_finding(&route.name) {
            self.observer.record(&WorkerEvent::of_ledger(route, &news));
        }
    }
}

/// The rate limit of passes. They start in a batch each second because of processor caches: twenty at once cost a third
/// of what twenty cost one by one.
struct Starts {
    a_second: u32,
    left: u32,
    since: Duration,
}

impl Starts {
    fn new(a_second: u32) -> Self {
        let a_second = a_second.max(1);
        Self { a_second, left: a_second, since: Duration::ZERO }
    }

    /// Takes one, if there is one left in the second that runs.
    fn take(&mut self, now: Duration) -> bool {
        if now >= self.since + SECOND {
            (self.since, self.left) = (now, self.a_second);
        }
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or_default();
        left.is_some()
    }

    /// When the next one may begin.
    fn next(&self, now: Duration) -> Duration {
        if self.left > 0 {
            return now;
        }
        self.since + SECOND
    }
}

/// When each route is due.
struct Schedule {
    scheduled: Vec<Scheduled>,
    due: BTreeSet<(Duration, usize)>,
    by_name: BTreeMap<RouteName, usize>,
    starts: Starts,
    next_summary: Duration,
    passes: usize,
    failed: usize,
}

impl Schedule {
    /// The first passes are spread over a whole interval: a deployment that restarts every worker must not
    /// empty the account's bucket.
    fn new(timer: &Timer, interval: Duration) -> Self {
        let now = timer.clock.monotonic();
        let mut schedule = Self {
            scheduled: Vec::new(),
            due: BTreeSet::new(),
            by_name: BTreeMap::new(),
            starts: Starts::new(timer.settings.describe_calls_per_second_max),
            next_summary: now + SUMMARY_EVERY,
            passes: 0,
            failed: 0,
        };
        for (n, route) in timer.routes.iter().enumerate() {
            let route_entry = Scheduled {
                watched: Some(RouteWatch::default()),
                due: whole(now + part_of(interval, timer.clock.random())).max(now),
                ..Scheduled::default()
            };
            schedule.due.insert((route_entry.due, n));
            schedule.by_name.insert(route.name.clone(), n);
            schedule.scheduled.push(route_entry);
        }
        schedule
    }

    /// Starts the passes that are due, within the rate limit.
    fn start(&mut self, timer: &Arc<Timer>, passes: &mut JoinSet<FinishedPass>, now: Duration) {
        let mut begun = Vec::new();
        while let Some(&(due, n)) = self.due.first()
            && due <= now
            && passes.len() + begun.len() < PASSES_AT_ONCE
            && self.starts.take(now)
        {
            self.due.pop_first();
            if let Some(watched) = self.scheduled[n].watched.take() {
                self.scheduled[n].began = Some(now);
                begun.push((n, watched));
            }
        }
        let routes = begun.iter().map(|(n, _)| timer.routes[*n].name.clone());
        let together = Together::of(routes.collect());
        for (n, watched) in begun {
            passes.spawn(timer.run_pass(n, watched, Arc::clone(&together)));
        }
    }

    fn until_next(&self, now: Duration, under_way: usize) -> Duration {
        let next = match self.due.first() {
            Some((due, _)) if under_way < PASSES_AT_ONCE => {
                (*due).max(self.starts.next(now)).min(self.next_summary)
            }
            Some(_) | None => self.next_summary,
        };
        next.saturating_sub(now)
    }

    fn wake(&mut self, routes: &[Route], wake: &Wake, now: Duration) {
        match wake {
            Wake::Route(name) => {
                if let Some(n) = self.by_name.get(name).copied() {
                    self.due_by(n, now + WOKEN_AFTER);
                }
            }
            Wake::Every => (0..routes.len()).for_each(|n| self.due_by(n, now + WOKEN_AFTER)),
        }
    }

    /// Makes a route due no later than this; one that is being looked at is seated again by its look.
    fn due_by(&mut self, n: usize, at: Duration) {
        let route_entry = &mut self.scheduled[n];
        if route_entry.watched.is_some() && at < route_entry.due {
            self.due.remove(&(route_entry.due, n));
            route_entry.due = at;
            self.due.insert((at, n));
        }
    }

    fn take(&mut self, timer: &Timer, finished: FinishedPass, interval: Duration) {
        let FinishedPass { n, watched, look } = finished;
        self.passes += 1;
        let failed = matches!(look, PassResult::Failed(_));
        self.failed += usize::from(failed);
        let route_entry = &mut self.scheduled[n];
        route_entry.failures = if failed { route_entry.failures + 1 } else { 0 };
        route_entry.differs = match &look {
            // Said by the sources, and counted once it lasts.
            PassResult::Waits(_) if watched.waits_for_sources() => false,
            look => differs(look).unwrap_or(route_entry.differs),
        };
        route_entry.unresolved = watched.is_unresolved || watched.is_contradicted();
        let random = timer.clock.random();
        let pause = || pause(&look, route_entry.failures, interval, random);
        route_entry.due = timer.clock.monotonic() + timer.confirms_after(n, &look).unwrap_or_else(pause);
        if look == PassResult::InSync {
            // Nobody waits for the next one: it can be there for a wake-up with others.
            route_entry.due = whole(route_entry.due);
        }
        route_entry.watched = Some(watched);
        route_entry.began = None;
        let differs = route_entry.is_diverged();
        timer.observer.record(&WorkerEvent::PassEnded { route: &timer.routes[n], differs });
        self.due.insert((route_entry.due, n));
    }

    fn diverged(&self, chains: &Chains) -> usize {
        let scheduled = self.scheduled.iter().enumerate();
        scheduled.filter(|(n, route_entry)| route_entry.is_diverged() || chains.is_broken(*n)).count()
    }

    fn summarize(&mut self, timer: &Timer, chains: &Chains, now: Duration) {
        if now < self.next_summary {
            return;
        }
        self.next_summary = now + SUMMARY_EVERY;
        let wall = timer.clock.wall();
        let watched = || self.scheduled.iter().filter_map(|route_entry| route_entry.watched.as_ref());
        let long = |watched: &&RouteWatch| {
            let since = watched.stopped_since;
            since.is_some_and(|since| wall.since(since) >= PAUSED_LONG)
        };
        let began = self.scheduled.iter().filter_map(|route_entry| route_entry.began);
        let oldest = began.chain(chains.began()).min();
        timer.observer.record(&WorkerEvent::Summary(Summary {
            routes: self.scheduled.len(),
            passes: std::mem::take(&mut self.passes),
            failed: std::mem::take(&mut self.failed),
            out_of_sync: self.diverged(chains),
            paused_long: watched().filter(long).count(),
            flap_protected: watched().filter(|watched| watched.is_flapping).count(),
            without_relay: watched().filter(|watched| watched.has_no_relay).count(),
            oldest_pass: oldest.map(|began| now.saturating_sub(began)),
        }));
    }
}

/// Whether a route differs and stays so; unknown when the pass failed.
fn differs(look: &PassResult) -> Option<bool> {
    match look {
        // Of a route that is queued the message comes back for what is missing, and nobody looked at what that is.
        PassResult::Failed(_) | PassResult::Queued => None,
        PassResult::Waits(verdict) => Some(!is_a_persons(verdict.reason)),
        PassResult::LeftToNewer => Some(true),
        PassResult::Acted(report) => {
            Some(matches!(report.ended, AttemptResult::Deferred(..) | AttemptResult::Waits(..)))
        }
        PassResult::InSync | PassResult::WatchingHealth(_) | PassResult::Confirm | PassResult::Busy => {
            Some(false)
        }
    }
}

/// Whether a person holds the route back, on purpose.
fn is_a_persons(reason: Reason) -> bool {
    matches!(reason, Reason::Paused | Reason::Frozen | Reason::Pinned | Reason::Observing)
}

/// How long until a route is looked at again.
fn pause(look: &PassResult, failures: u32, interval: Duration, random: u128) -> Duration {
    let calm = interval.saturating_sub(part_of(interval / 10, random));
    match look {
        PassResult::WatchingHealth(ServingState::Awaited) | PassResult::Busy | PassResult::LeftToNewer => {
            calm.min(FOLLOW_EVERY)
        }
        PassResult::WatchingHealth(ServingState::Serving) => calm.min(UNSETTLED_EVERY),
        PassResult::Confirm => calm.min(CONFIRM_EVERY),
        PassResult::Waits(verdict) if verdict.reason == Reason::SourcesUnclear => calm.min(UNSETTLED_EVERY),
        PassResult::InSync
        | PassResult::WatchingHealth(ServingState::Overdue)
        | PassResult::Waits(_)
        | PassResult::Queued => calm,
        PassResult::Acted(report) => match &report.ended {
            AttemptResult::Settled(verdict) if verdict.outcome == Outcome::AlreadyThere => calm,
            AttemptResult::Settled(_) => calm.min(FOLLOW_EVERY),
            AttemptResult::Duplicate(_) | AttemptResult::Nothing(_) => calm.min(CONFIRM_EVERY),
            AttemptResult::Deferred(_, after)
            | AttemptResult::Busy(_, after)
            | AttemptResult::Paced(after)
            | AttemptResult::Unavailable(_, after) => (*after).max(FOLLOW_EVERY),
            // Who comes later than it said has lost its place (`actuation::quota`).
            AttemptResult::Waits(after, _) => *after,
            AttemptResult::LeaseLost { .. } => FOLLOW_EVERY,
        },
        PassResult::Failed(_) => {
            doubled(calm, failures).min(FAILED_PAUSE_MAX.max(interval)).max(retry_after(failures, random))
        }
    }
}

fn count_of(routes: &[Route]) -> u32 {
    u32::try_from(routes.len()).unwrap_or(u32::MAX)
}

/// The second that runs then.
fn whole(at: Duration) -> Duration {
    Duration::from_secs(at.as_secs())
}

/// A random part of a duration, in steps of a thousandth.
fn part_of(whole: Duration, random: u128) -> Duration {
    whole * u32::try_from(random % 1000).unwrap_or(0) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{CallError, ErrorKind};
    use writerlink_core::decision::verdict::Verdict;

    fn waits(reason: Reason) -> PassResult {
        PassResult::Waits(Verdict::new(Outcome::Ignored, reason, ""))
    }

    fn failed() -> PassResult {
        PassResult::Failed(CallError::without_a_reply("GetItem", ErrorKind::Throttled, ""))
    }

    #[test]
    fn a_nudge_brings_a_look_forward_and_never_puts_one_off() {
        let due_after_a_wake = |due| {
            let route_entry = Scheduled { watched: Some(RouteWatch::default()), due, ..Scheduled::default() };
            let mut schedule = Schedule {
                scheduled: vec![route_entry],
                due: [(due, 0)].into(),
                by_name: BTreeMap::new(),
                starts: Starts::new(1),
                next_summary: SUMMARY_EVERY,
                passes: 0,
                failed: 0,
            };
            schedule.due_by(0, WOKEN_AFTER);
            assert_eq!(schedule.due.len(), 1);
            schedule.due.first().map(|(due, _)| *due)
        };
        let soon = WOKEN_AFTER / 2;
        assert_eq!(due_after_a_wake(soon), Some(soon));
        assert_eq!(due_after_a_wake(INTERVAL), Some(WOKEN_AFTER));
    }

    #[test]
    fn a_route_that_is_right_is_looked_at_again_within_the_interval() {
        for random in 0..1000 {
            let again = pause(&PassResult::InSync, 0, INTERVAL, random);
            assert!(again <= INTERVAL && again > INTERVAL * 89 / 100, "{again:?}");
        }
    }

    #[test]
    fn three_readings_that_confirm_each_other_take_less_than_five_seconds() {
        assert!(pause(&PassResult::Confirm, 0, INTERVAL, 0) * 2 < Duration::from_secs(5));
    }

    #[test]
    fn a_move_is_followed_closely_until_its_target_serves() {
        let following = |arrival| pause(&PassResult::WatchingHealth(arrival), 0, INTERVAL, 0);
        assert_eq!(following(ServingState::Awaited), FOLLOW_EVERY);
        assert_eq!(following(ServingState::Serving), UNSETTLED_EVERY);
        assert_eq!(following(ServingState::Overdue), INTERVAL);
    }

    #[test]
    fn what_a_person_holds_back_is_no_divergence() {
        assert!(is_a_persons(Reason::Pinned));
        assert!(!is_a_persons(Reason::SourcesUnclear));
        assert_eq!(pause(&waits(Reason::Paused), 0, INTERVAL, 0), INTERVAL);
        assert_eq!(pause(&waits(Reason::SourcesUnclear), 0, INTERVAL, 0), UNSETTLED_EVERY);
    }

    #[test]
    fn a_look_that_fails_says_nothing_about_the_route() {
        assert_eq!(differs(&failed()), None);
        assert_eq!(differs(&PassResult::InSync), Some(false));
        assert_eq!(differs(&waits(Reason::Flapping)), Some(true));
        assert_eq!(differs(&waits(Reason::Paused)), Some(false));
    }

    #[test]
    fn looks_that_fail_get_rarer_and_never_rarer_than_five_minutes() {
        let after = |failures| pause(&failed(), failures, INTERVAL, 0);
        assert_eq!(after(1), INTERVAL);
        assert_eq!(after(2), INTERVAL * 2);
        assert_eq!(after(40), FAILED_PAUSE_MAX);
    }
}
