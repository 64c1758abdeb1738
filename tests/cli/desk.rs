//! The desk of whoever asks and gives orders: commands typed in a world that has workers.
#![allow(dead_code, reason = "each test binary uses its part of the desk")]

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser as _;
use tokio::sync::watch;
use writerlink::cli;
use writerlink::cli::args::Args;
use writerlink::cli::{Answers, Connect, Failure, Look, OpenQueue, ReadPorts, Resource, Session};
use writerlink::config::Config;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::route::{Route, Source, Strategy};
use writerlink_engine::ports::installation::Installation;
use writerlink_engine::ports::{Clock as _, Ports};
use writerlink_sim::installation::WorldInstallation;
use writerlink_sim::process::Process;

use crate::rig::Rig;
use crate::rig::log::Buffer;

/// Whoever sits there.
pub(crate) const WHO: &str = "arn:aws:sts::123456789012:assumed-role/Operator/ada";

/// The name of the desk's processes in the world's journal.
pub(crate) const DESK: &str = "desk";

/// What a command did.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: u8,
    /// Which installation and configuration `status` says it shows to people: what stands above the routes.
    pub(crate) heading: String,
    pub(crate) out: String,
    pub(crate) err: String,
    /// What it logged while it worked.
    pub(crate) log: String,
}

/// The heading of `status`, which says the same above everything that a test is about, and the rest.
fn split(out: String) -> (String, String) {
    match out.split_once("\n\n") {
        Some((heading, rest)) if heading.starts_with("installation ") => {
            (format!("{heading}\n"), rest.to_owned())
        }
        _ => (String::new(), out),
    }
}

impl Said {
    /// The rows of a command that wrote JSON.
    pub(crate) fn rows(&self, name: &str) -> Vec<serde_json::Value> {
        let json: serde_json::Value =
            serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.err));
        json[name].as_array().unwrap().clone()
    }

    /// The outcome of each route, in order.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let rows = self.rows("ordered");
        let outcome = |row: &serde_json::Value| row["outcome"].as_str().unwrap().to_owned();
        rows.iter().map(outcome).collect()
    }
}

/// A world with its workers, and the desk.
pub(crate) struct Desk {
    pub(crate) rig: Rig,
    directory: tempfile::TempDir,
    /// How often somebody was asked who they are.
    pub(crate) asked: Cell<u32>,
    pub(crate) stop: watch::Sender<u32>,
    /// What its terminal can show; nothing when there is none.
    pub(crate) look: Cell<Look>,
    log: Buffer,
    /// The process of the last command that opened connections.
    process: RefCell<Option<Arc<Process>>>,
}

/// What somebody at the terminal answers.
struct Person<'a> {
    thinks: Duration,
    says: &'a [u8],
}

impl<'a> Person<'a> {
    fn quick(answer: &'a str) -> Self {
        Self { thinks: Duration::ZERO, says: answer.as_bytes() }
    }
}

/// The time that a person takes is time of the command's clock: nothing else goes on meanwhile.
struct Thinking<'a> {
    desk: &'a Desk,
    person: Person<'a>,
}

impl std::io::Read for Thinking<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let process = self.desk.process.borrow();
        let thinks = self.person.thinks.as_millis().try_into().unwrap();
        process.as_ref().unwrap().clock.set_skew_ms(thinks);
        self.person.says.read(bytes)
    }
}

impl Desk {
    pub(crate) async fn with(routes: &[&str]) -> Self {
        Self::in_front_of(Rig::new(routes).await)
    }

    pub(crate) fn in_front_of(rig: Rig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let text: String = rig.routes.iter().map(section).collect();
        std::fs::write(directory.path().join("w.toml"), text).unwrap();
        Self {
            rig,
            directory,
            asked: Cell::new(0),
            stop: watch::channel(0).0,
            look: Cell::default(),
            log: Buffer::default(),
            process: RefCell::default(),
        }
    }

    /// Puts a file beside the configuration; its path.
    pub(crate) fn file_with(&self, text: &str) -> String {
        let path = self.directory.path().join("event.json");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("w.toml")
    }

    /// Types a command where nobody can be asked.
    pub(crate) async fn says(&self, line: &str) -> Said {
        self.typed(line, Answers::Nobody, Person::quick("")).await
    }

    /// Types a command at a terminal, and this when it asks.
    pub(crate) async fn answers(&self, line: &str, answer: &str) -> Said {
        self.typed(line, Answers::Person, Person::quick(answer)).await
    }

    /// The same by somebody who thinks it over for so long.
    pub(crate) async fn answers_after(&self, thinks: Duration, line: &str, answer: &str) -> Said {
        let person = Person { thinks, ..Person::quick(answer) };
        self.typed(line, Answers::Person, person).await
    }

    async fn typed(&self, line: &str, answers: Answers, person: Person<'_>) -> Said {
        let config = self.file().display().to_string();
        let words = words(line);
        let args = Args::try_parse_from(
            ["writerlink".to_owned()].into_iter().chain(words).chain(["--config".to_owned(), config]),
        );
        let args = args.unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let log = args.global.log;
        let mut session = Session {
            env: &|_| None,
            now: self.rig.fleet.world.fabric.time.now(),
            connect: self,
            input: &mut Thinking { desk: self, person },
            out: &mut out,
            err: &mut err,
            log,
            look: self.look.get(),
            answers,
        };
        let clock = Arc::clone(&self.rig.fleet.world.process("log").clock);
        // For this thread, on which the whole world runs; a command's tasks log too.
        let logging = tracing::dispatcher::set_default(&self.log.dispatch(clock, log, None));
        let exit = cli::run(args, &mut session).await;
        drop(logging);
        let (heading, out) = split(String::from_utf8(out).unwrap());
        Said { code: exit.code(), heading, out, err: String::from_utf8(err).unwrap(), log: self.log.take() }
    }

    /// Lets time pass in the world.
    pub(crate) async fn pass(&self, time: Duration) {
        self.rig.fleet.world.process("clock").clock.sleep(time).await;
    }

    /// Calls of the load balancer that would change something, by anyone.
    pub(crate) fn mutating_calls(&self) -> usize {
        let journal = self.rig.fleet.world.fabric.journal();
        let mutating = |call: &str| matches!(call, "RegisterTargets" | "DeregisterTargets");
        journal.iter().filter(|e| mutating(e.call)).count()
    }

    /// Transactions of the ledger that the desk has written.
    pub(crate) fn writes(&self) -> usize {
        let journal = self.rig.fleet.world.fabric.journal();
        let written = |call: &str| matches!(call, "ExecuteTransaction" | "ExecuteStatement");
        let mine = journal.iter().filter(|e| e.process == DESK);
        mine.filter(|e| written(e.call)).count()
    }
}

/// A route of the world as a configuration file has it.
fn section(route: &Route) -> String {
    let Source::Named(source) = &route.source else {
        panic!("a route of the world has a source");
    };
    let name = &route.name;
    let mut lines = vec![
        "[[route]]".to_owned(),
        format!("name = \"{name}\""),
        format!("source = \"{source}\""),
        format!("flap_moves_max = {}", route.policy.flap_moves_max),
    ];
    match &route.strategy {
        Strategy::Swap | Strategy::Relay(_) => lines.push(format!("target_group = \"{}\"", route.group.arn)),
        Strategy::Weighted(weighted) => {
            lines.push("strategy = \"weighted\"".to_owned());
            lines.push(format!("listener = \"{}\"", weighted.listener));
            lines.push("[route.target_groups]".to_owned());
            let groups = weighted.groups.iter();
            lines.extend(groups.map(|(instance, group)| format!("{instance} = \"{}\"", group.arn)));
        }
    }
    lines.push("[route.instances]".to_owned());
    let instances = route.instances.iter();
    lines.extend(instances.map(|(instance, ip)| format!("{instance} = \"{ip}\"")));
    lines.join("\n") + "\n"
}

/// The words of a line, as a shell reads them: what stands between quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (n, part) in line.split('"').enumerate() {
        if n % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[async_trait(?Send)]
impl Connect for Desk {
    async fn books(&self, _: &Config) -> Result<ReadPorts, Failure> {
        let process = self.rig.fleet.world.process(DESK);
        let ledger = Arc::new(self.rig.fleet.dynamo.ledger(&process));
        Ok(ReadPorts { audit: Arc::clone(&ledger) as _, ledger })
    }

    async fn ports(&self, _: &Config) -> Result<Ports, Failure> {
        let process = self.rig.fleet.world.process(DESK);
        let ports = self.rig.fleet.ports(&process);
        self.process.replace(Some(process));
        Ok(ports)
    }

    async fn queue(&self, _: &Config) -> Result<OpenQueue, Failure> {
        let process = self.rig.fleet.world.process(DESK);
        Ok(OpenQueue {
            url: "writerlink.fifo".to_owned(),
            visibility: Duration::from_secs(30),
            port: self.rig.fleet.ports(&process).queue,
        })
    }

    async fn set_up(&self, _: &Config) -> Result<Vec<Resource>, Failure> {
        panic!("an order creates nothing")
    }

    async fn identity(&self, _: &Config) -> Result<String, Failure> {
        self.asked.set(self.asked.get() + 1);
        Ok(WHO.to_owned())
    }

    async fn installation(&self, _: &Config) -> Result<Arc<dyn Installation>, Failure> {
        Ok(Arc::new(WorldInstallation::of(&self.rig.fleet)))
    }

    fn process(&self) -> Result<cli::ProcessContext, Failure> {
        Ok(cli::ProcessContext {
            owner: Owner::new("desk:1"),
            stops: self.stop.subscribe(),
            open_files_max: None,
        })
    }
}
