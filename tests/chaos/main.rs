//! Chaos with real processes: three workers, as they would be shipped, against ministack, with microburst between
//! them. They are killed, stopped past their lease, and told to end, at random moments, while the wire throttles,
//! resets, delays and loses replies. When the faults stop, everything has to be as the events say, looked at from
//! outside: with the program's own commands and with a plain SDK.
//!
//! This is the one test that takes real time on purpose: a process that is stopped has only the real clock.
//!
//! `CHAOS_SEED` and `CHAOS_EVENTS` make it another or a longer one; `make chaos` runs 500 events.
//!
//! # The one excuse
//! No ELB call can be fenced. One of a worker that stood still with a route in hand, which was taken over
//! meanwhile, may take effect late. It is counted, printed, and has to be repaired by the next event.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod backup;
mod books;
mod messages;
mod schedule;
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the tests of the wire use the rest of it")]
#[path = "../support/trial.rs"]
mod trial;
mod watch;
mod wire;
mod workers;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use writerlink_engine::ports::Clock as _;
use writerlink_engine::system_clock::SystemClock;

use self::backup::Backup;
use self::books::{
    Books, astray, check_dead_letters, check_never_empty, check_with_the_program, depth, holders,
};
use self::messages::{ROUTES, Story, source};
use self::schedule::{Act, WORKERS, schedule};
use self::support::ministack::Ministack;
use self::trial::Trial;
use self::watch::{Seen, Watcher};
use self::wire::Wire;
use self::workers::Workers;

/// The run of `cargo test`: within a minute and a half.
const SEED_DEFAULT: u64 = 20_261_124;
const EVENTS_DEFAULT: u64 = 60;

/// How long what is left may take once the faults have stopped: a few visibility timeouts (30 s) one after
/// another, since a message that came back several times may wait that long, on a slow machine.
const DRAINS_WITHIN: Duration = Duration::from_mins(4);

/// How long after that a state may still be behind its records: the interval of looks (30 s), on a slow machine.
const REBUILT_WITHIN: Duration = Duration::from_mins(1);

/// How long a stall waits for a worker that has something in hand.
const AT_WORK_WITHIN: Duration = Duration::from_secs(5);

/// How often a thing that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A call takes at most 5 s with all its tries, a lease 15 s.
const FROZEN_FOR: Duration = Duration::from_secs(8);

#[tokio::test]
async fn chaos_loses_no_event_and_every_route_ends_where_the_events_say() {
    let seed = number("CHAOS_SEED", SEED_DEFAULT);
    let events = usize::try_from(number("CHAOS_EVENTS", EVENTS_DEFAULT)).unwrap();
    let clock = SystemClock::start();
    let sources: Vec<String> = (0..ROUTES).map(source).collect();
    let names: Vec<&str> = sources.iter().map(String::as_str).collect();
    let trial = Trial::bare(&names).await;
    let setup = trial.says("setup");
    assert_eq!(setup.code, 0, "{}", setup.err);

    Wire::warm(trial.account()).await;
    let wire = Wire::with_faults(trial.account());
    let logs = logs(seed, trial.account().id());
    let mut run = Run {
        story: Story::written(seed, events, clock.wall(), trial.account().id()),
        workers: Workers::start(&trial, logs.clone()),
        url: trial.queue_url().await,
        trial: &trial,
        late: 0,
        wrong: Vec::new(),
        backup: None,
        restored: 0,
    };
    let watcher = Watcher::start(trial.elbv2(), trial.groups.clone());
    run.live_through(seed, events).await;
    support::microburst::Microburst::shared().relent(trial.account());
    run.drain().await;
    run.settle().await;
    let repaired = run.repair_what_was_late().await;
    run.part().await;
    let sights = watcher.seen().await;
    let figures = run.judge(&sights).await;

    let faults = wire.fired();
    let all: u64 = faults.values().sum();
    let mut kinds = String::new();
    for (kind, times) in &faults {
        write!(kinds, ", {kind} {times}").unwrap();
    }
    let deeds = &run.workers.deeds;
    let (kills, terms, stalls) = (deeds.kills, deeds.terms, deeds.standstills.len());
    let (wrong, took) = (run.wrong.len(), clock.monotonic().as_secs());
    let (half_open, restored) = (deeds.half_open, run.restored);
    let line = format!(
        "chaos: seed {seed}; {figures}; {} late calls of a stalled worker, {repaired} repaired by the next event\n\
         chaos: {events} events, {ROUTES} routes, {WORKERS} workers, {kills} kills, {stalls} stalls past the \
         lease, {terms} terms, {half_open} half-open connections, {restored} items of the state put back, {all} faults on the wire ({}), {wrong} violations, {took} s\n",
        run.late,
        kinds.trim_start_matches(", "),
    );
    // Not by `println!`: the figures are to be seen when the test passes, too.
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    assert!(run.wrong.is_empty(), "{}\nsee the logs in {}", run.wrong.join("\n"), logs.display());
    assert!(
        kills > 0 && terms > 0 && stalls > 0 && all > 0 && half_open > 0 && restored > 0,
        "no chaos at all"
    );
}

/// The emulator stands still for longer than a call may take, and for less than a lease.
fn freeze() {
    Ministack::shared().freeze();
    std::thread::sleep(FROZEN_FOR);
    Ministack::shared().thaw();
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var_os(name);
    given.map_or(default, |text| {
        let text = text.to_string_lossy();
        text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
    })
}

fn logs(seed: u64, account: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}-{account}"))
}

/// Everything that belongs to a run.
struct Run<'a> {
    trial: &'a Trial,
    url: String,
    story: Story,
    workers: Workers<'a>,
    /// Late calls of stalled workers: the announced exception.
    late: usize,
    wrong: Vec<String>,
    /// The state table as it was a while ago.
    backup: Option<Backup>,
    /// How many items of it the restores changed.
    restored: usize,
}

impl Run<'_> {
    /// Does what the schedule says, when it says so.
    async fn live_through(&mut self, seed: u64, events: usize) {
        let clock = SystemClock::start();
        let mut next = 0;
        for (when, act) in schedule(seed, events) {
            while clock.monotonic() < when {
                self.workers.look_after();
                let left = when.saturating_sub(clock.monotonic());
                tokio::time::sleep(left.min(LOOK_EVERY)).await;
            }
            match act {
                Act::Send => {
                    let message = &self.story.messages[next];
                    self.trial.send(&source(message.route), &message.body).await;
                    next += 1;
                }
                Act::Kill(place) => self.workers.kill(place),
                Act::Stall(place, long) => {
                    let place = self.somebody_at_work().await.unwrap_or(place);
                    self.workers.stall(place, long);
                }
                Act::Terminate(place) => self.workers.terminate(place),
                Act::Exhaust(place) => self.workers.exhaust(place),
                Act::Backup => self.backup = Some(Backup::taken(self.trial).await),
                Act::Freeze => freeze(),
                Act::Restart => Ministack::shared().restart(),
                Act::Restore => self.restore().await,
            }
        }
        self.wait_for_those_that_stand_still().await;
    }

    async fn wait_for_those_that_stand_still(&mut self) {
        while self.workers.any_stands_still() {
            self.workers.look_after();
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// As the runbook has it: nobody works while a table is put back.
    async fn restore(&mut self) {
        self.wait_for_those_that_stand_still().await;
        self.workers.kill_all();
        let backup = self.backup.as_ref().expect("a backup comes before");
        self.restored += backup.restore(self.trial).await;
        self.workers.restart();
    }

    /// Waits for a worker that holds a route, for a while: a stall of one that has nothing in hand shows little.
    async fn somebody_at_work(&mut self) -> Option<usize> {
        let clock = SystemClock::start();
        while clock.monotonic() < AT_WORK_WITHIN {
            let holders = holders(self.trial).await;
            if let Some(place) = self.workers.place_of(&holders) {
                return Some(place);
            }
            self.workers.look_after();
        }
        None
    }

    /// Waits until the queue is empty: a message is deleted only when it is done with.
    async fn drain(&mut self) {
        let clock = SystemClock::start();
        while depth(self.trial, &self.url).await > 0 {
            self.workers.look_after();
            if clock.monotonic() > DRAINS_WITHIN {
                let left = depth(self.trial, &self.url).await;
                self.wrong.push(format!("{left} messages are still in the queue"));
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until every state ends where its records do: one that was put back, and for which no message came since, is
    /// rebuilt when a worker looks at its route for the first time.
    async fn settle(&mut self) {
        let clock = SystemClock::start();
        while self.trial.says("audit verify").code != 0 && clock.monotonic() < REBUILT_WITHIN {
            self.workers.look_after();
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// I2, and the excuse: a route that a late call has led astray follows its next event. Gives how many.
    async fn repair_what_was_late(&mut self) -> usize {
        let books = Books::read(self.trial);
        let mut repaired = 0;
        for (route, holds) in astray(self.trial, &self.story).await {
            let writer = self.story.writers()[route];
            if books.may_be_astray((route, writer), &self.workers.deeds.standstills) {
                self.late += 1;
                repaired += 1;
                let body = self.story.once_more(route);
                self.trial.send(&source(route), &body).await;
            } else {
                let writer = self.story.writers()[route];
                let name = source(route);
                self.wrong.push(format!("the group of {name} holds {holds:?} instead of {writer}"));
            }
        }
        if repaired > 0 {
            self.drain().await;
            for (route, holds) in astray(self.trial, &self.story).await {
                let name = source(route);
                self.wrong.push(format!("{name} holds {holds:?} in spite of its next event"));
            }
        }
        repaired
    }

    /// Tells the workers to end, and waits for it.
    async fn part(&mut self) {
        while !self.workers.end() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Holds what is left to everything that was promised; gives the figures of the run.
    async fn judge(&mut self, seen: &Seen) -> String {
        let books = Books::read(self.trial);
        let deeds = &self.workers.deeds;
        books.check_ends(&self.story, &mut self.wrong);
        let repairs = books.check_the_timer(&deeds.standstills, &mut self.wrong);
        check_with_the_program(self.trial, &self.story, &mut self.wrong);
        check_dead_letters(self.trial, &self.story, &mut self.wrong).await;
        self.late += check_never_empty((seen, &books), &deeds.standstills, &mut self.wrong);
        self.wrong.extend(deeds.bad_ends.iter().cloned());
        for holder in holders(self.trial).await {
            self.wrong.push(format!("process {holder}, which has ended, still holds a route"));
        }
        for word in ["panicked", "IllegalChange", "UnreadableReply"] {
            let times = self.workers.logged(word);
            if times > 0 {
                self.wrong.push(format!("a worker's log says {word}, {times} times"));
            }
        }
        let (stopped_at_work, taken) = books.bites(&deeds.standstills);
        format!(
            "{} attempts began, {} resumed, {} deferred, {} leases lost, {repairs} repairs by the timer; \
             {stopped_at_work} stalls met a route in hand, {taken} routes were taken over meanwhile; {} starts failed; {} looks at groups, {} missed",
            books.count("started") + books.count("resumed"),
            books.count("resumed"),
            books.count("deferred"),
            self.workers.logged("\"LeaseLost\""),
            deeds.failed_starts,
            seen.looks,
            seen.missed,
        )
    }
}
