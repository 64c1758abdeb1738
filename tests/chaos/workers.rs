//! Three workers, as ECS would keep them: one that ends is replaced.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::Clock as _;
use writerlink_engine::system_clock::SystemClock;

use crate::schedule::WORKERS;
use crate::support::microburst::Microburst;
use crate::support::standin::under_a_watcher;
use crate::trial::Trial;

/// How long a worker that was told to end may take: its drain limit (25 s), on a machine that does five other
/// things.
const ENDS_WITHIN: Duration = Duration::from_mins(1);

/// How long a worker stood still, and which process that was.
#[derive(Clone, Debug)]
pub(crate) struct Standstill {
    pub(crate) process: u32,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// What was done to the workers.
#[derive(Default)]
pub(crate) struct Deeds {
    pub(crate) kills: u32,
    pub(crate) terms: u32,
    pub(crate) standstills: Vec<Standstill>,
    /// Starts that ended before the worker began: a wire with faults lets some fail, and ECS tries again.
    pub(crate) failed_starts: u32,
    /// Connections that a worker was held by until it closed them, or until it was made to end.
    pub(crate) half_open: usize,
    /// Ends that nobody asked for, and ends that were asked for and went wrong.
    pub(crate) bad_ends: Vec<String>,
}

/// The workers of an account.
pub(crate) struct Workers<'a> {
    trial: &'a Trial,
    clock: SystemClock,
    logs: PathBuf,
    started: u32,
    working: Vec<Process>,
    leaving: Vec<Process>,
    pub(crate) deeds: Deeds,
}

/// What a worker may have open: enough for its calls and for those who may look at it, and less than
/// [`HALF_OPEN`].
const DESCRIPTORS: u32 = 128;

/// How many connections somebody opens who means no good, or whose probes hang.
const HALF_OPEN: usize = 200;

/// A worker's process. It ends with this value, and with the tests' process at the latest.
struct Process {
    child: Child,
    /// Closing it ends the process.
    _watched: ChildStdin,
    log: PathBuf,
    health: SocketAddr,
    /// Connections that were opened and say nothing.
    silent: Vec<TcpStream>,
    stands_still: Option<Stall>,
    told_to_end: Option<Duration>,
}

struct Stall {
    from: Timestamp,
    until: Duration,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Process {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success(), "{name} could not be sent");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl<'a> Workers<'a> {
    /// Starts all of them. Each writes its log into this directory.
    pub(crate) fn start(trial: &'a Trial, logs: PathBuf) -> Self {
        std::fs::create_dir_all(&logs).unwrap();
        let mut workers = Self {
            trial,
            clock: SystemClock::start(),
            logs,
            started: 0,
            working: Vec::new(),
            leaving: Vec::new(),
            deeds: Deeds::default(),
        };
        for _ in 0..WORKERS {
            let process = workers.one_more();
            workers.working.push(process);
        }
        workers
    }

    fn one_more(&mut self) -> Process {
        self.started += 1;
        let log = self.logs.join(format!("worker-{}.log", self.started));
        // The faults pass; an event that is given up in spite of that would say nothing about the worker.
        let patient = self.trial.config().replace("[worker]", "[worker]\nmax_attempts = 50");
        let health = health_address(&patient);
        let plain = self.trial.command("run --log json");
        let mut command = under_a_watcher(&plain);
        command.env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("AWS_ENDPOINT_URL", Microburst::shared().endpoint());
        command.env("WRITERLINK_CONFIG", self.trial.file_with(&patient));
        let mut command = with_few_descriptors(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        Process {
            _watched: child.stdin.take().unwrap(),
            child,
            log,
            health,
            silent: Vec::new(),
            stands_still: None,
            told_to_end: None,
        }
    }

    /// The worker in this place, or the next one that does not stand still.
    fn awake(&self, place: usize) -> usize {
        let mut places = (place..place + WORKERS).map(|place| place % WORKERS);
        places
            .find(|place| self.working[*place].stands_still.is_none())
            .expect("two stalls at a time are the most")
    }

    /// `kill -9`, and another one in its place.
    pub(crate) fn kill(&mut self, place: usize) {
        let place = self.awake(place);
        self.deeds.kills += 1;
        self.working[place].child.kill().unwrap();
        self.working[place] = self.one_more();
    }

    /// `kill -9` of all of them, whatever they do; nobody is in their places until [`restart`](Self::restart).
    pub(crate) fn kill_all(&mut self) {
        for mut process in self.working.drain(..).chain(self.leaving.drain(..)) {
            self.deeds.kills += 1;
            process.child.kill().unwrap();
            process.child.wait().unwrap();
        }
    }

    /// Others in the places of those that were killed together.
    pub(crate) fn restart(&mut self) {
        for _ in 0..WORKERS {
            let process = self.one_more();
            self.working.push(process);
        }
    }

    /// Opens more connections to a worker than it has descriptors, and sends nothing. They stay until it closes them.
    pub(crate) fn exhaust(&mut self, place: usize) {
        let place = self.awake(place);
        let process = &mut self.working[place];
        for _ in 0..HALF_OPEN {
            // Who is refused has shown that the worker minds its descriptors.
            process.silent.extend(TcpStream::connect(process.health).ok());
        }
        self.deeds.half_open += process.silent.len();
    }

    /// SIGTERM, and another one in its place at once.
    pub(crate) fn terminate(&mut self, place: usize) {
        let place = self.awake(place);
        self.deeds.terms += 1;
        self.working[place].signal("-TERM");
        let next = self.one_more();
        let mut leaving = std::mem::replace(&mut self.working[place], next);
        leaving.told_to_end = Some(self.clock.monotonic());
        self.leaving.push(leaving);
    }

    /// The place of the first of these processes that is one of the workers, and awake.
    pub(crate) fn place_of(&self, processes: &[u32]) -> Option<usize> {
        self.working
            .iter()
            .position(|process| process.stands_still.is_none() && processes.contains(&process.child.id()))
    }

    /// SIGSTOP, for this long.
    pub(crate) fn stall(&mut self, place: usize, long: Duration) {
        let place = self.awake(place);
        self.working[place].signal("-STOP");
        self.working[place].stands_still =
            Some(Stall { from: self.clock.wall(), until: self.clock.monotonic() + long });
    }

    /// Whether any of them stands still.
    pub(crate) fn any_stands_still(&self) -> bool {
        self.working.iter().any(|process| process.stands_still.is_some())
    }

    /// Lets those go on whose time has come, and replaces those that have ended.
    pub(crate) fn look_after(&mut self) {
        let now = self.clock.monotonic();
        for process in &mut self.working {
            if process.stands_still.as_ref().is_some_and(|stall| stall.until <= now) {
                let stall = process.stands_still.take().unwrap();
                // Noted first: nothing that it does afterwards may seem to be from before.
                let to = self.clock.wall();
                process.signal("-CONT");
                self.deeds.standstills.push(Standstill { process: process.child.id(), from: stall.from, to });
            }
        }
        for place in 0..WORKERS {
            if let Some(status) = self.working[place].child.try_wait().unwrap() {
                self.note_end(place, status);
                self.working[place] = self.one_more();
            }
        }
        self.see_off();
    }

    /// An end that nobody asked for.
    fn note_end(&mut self, place: usize, status: ExitStatus) {
        let process = &self.working[place];
        let log = process.log();
        if status.code() == Some(1) && !log.contains("\"started\"") {
            self.deeds.failed_starts += 1;
        } else {
            let what = format!("{} ended by itself, {status}", process.log.display());
            self.deeds.bad_ends.push(what);
        }
    }

    /// Takes note of those that have ended as they were told.
    fn see_off(&mut self) {
        let now = self.clock.monotonic();
        for mut process in std::mem::take(&mut self.leaving) {
            let told = process.told_to_end.unwrap_or(now);
            let log = process.log.display().to_string();
            match process.child.try_wait().unwrap() {
                // Whoever is told before it began has nobody yet to hear it.
                Some(status) if status.success() || !process.log().contains("\"started\"") => {}
                Some(status) => self.deeds.bad_ends.push(format!("{log}: {status} after SIGTERM")),
                None if now < told + ENDS_WITHIN => self.leaving.push(process),
                None => self.deeds.bad_ends.push(format!("{log} did not end after SIGTERM")),
            }
        }
    }

    /// Tells all of them to end; `false` while there are some that have not.
    pub(crate) fn end(&mut self) -> bool {
        for mut process in std::mem::take(&mut self.working) {
            process.signal("-TERM");
            process.told_to_end = Some(self.clock.monotonic());
            self.leaving.push(process);
        }
        self.see_off();
        self.leaving.is_empty()
    }

    /// How often any worker logged this.
    pub(crate) fn logged(&self, word: &str) -> usize {
        let logs = (1..=self.started).map(|n| self.logs.join(format!("worker-{n}.log")));
        let count = |log| {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            text.matches(word).count()
        };
        logs.map(count).sum()
    }
}

/// Where a worker with this configuration answers.
fn health_address(config: &str) -> SocketAddr {
    let (_, rest) = config.split_once("health_address = \"").unwrap();
    rest.split('"').next().unwrap().parse().unwrap()
}

/// The same command, which may have few descriptors open.
fn with_few_descriptors(command: &Command) -> Command {
    let mut limited = Command::new("/bin/sh");
    limited.arg("-c");
    limited.arg(format!("ulimit -n {DESCRIPTORS}; exec \"$@\""));
    limited.arg("sh").arg(command.get_program()).args(command.get_args());
    limited.env_clear();
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
}
