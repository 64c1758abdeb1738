//! The command line: arguments in, text and an exit code out.
//!
//! Nothing here opens a connection, reads the environment or knows the time by itself: all of that comes
//! in a [`Session`], so that every command can be tried without a process.

pub mod args;
mod audit;
mod check;
mod config_check;
mod config_init;
#[cfg(feature = "embedded")]
mod demo;
mod explain;
mod failure;
mod healthcheck;
mod intake;
mod man;
mod orders;
mod plan;
mod relay;
mod render;
mod replay;
mod run;
mod serving;
mod setup;
mod status;

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::CommandFactory as _;
use tokio::sync::watch;

use crate::cli::args::{Args, Command, ConfigCommand, Global};
pub use crate::cli::failure::{Exit, Failure};
pub use crate::cli::render::Look;
use crate::config::{Config, Env};
use crate::telemetry::LogFormat;
use crate::{config, telemetry};
use writerlink_core::evidence::trigger::CommandKind;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::installation::Installation;
use writerlink_engine::ports::{AuditReader, Clock, Ledger, Ports, Queue, RelayReports};
use writerlink_engine::text::clean_lines;
use writerlink_engine::worker::Until;

/// What a command may use of the world.
pub struct Session<'a> {
    /// The environment's variables.
    pub env: Env<'a>,
    /// When the command was given.
    pub now: Timestamp,
    /// Whoever opens connections.
    pub connect: &'a dyn Connect,
    /// What is read when a file is named `-`.
    pub input: &'a mut dyn Read,
    /// Where results go.
    pub out: &'a mut dyn Write,
    /// Where everything else goes.
    pub err: &'a mut dyn Write,
    /// How it is written there.
    pub log: LogFormat,
    /// Whether `out` shows colours.
    pub look: Look,
    /// Who answers on `input` when `err` asks.
    pub answers: Answers,
}

/// Who answers a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// A person, at a terminal.
    Person,
    /// Nobody: a pipe, a file, a job.
    Nobody,
}

impl Session<'_> {
    /// Reads the configuration of a command, in whose name its lines are written from then on.
    fn config(&mut self, global: &Global) -> Result<Config, Failure> {
        let config = config::read_to_work(global.config.as_deref(), self.env)?;
        telemetry::name_lines_by(&config.provenance.installation);
        Ok(config)
    }

    /// Writes what is no result and no failure: a sentence, or a line of the log for whoever reads that with a program.
    fn remark(&mut self, text: &str) -> std::io::Result<()> {
        match self.log {
            LogFormat::Json => tracing::info!(event = "remark", "{text}"),
            LogFormat::Text => writeln!(self.err, "{}", clean_lines(text))?,
        }
        Ok(())
    }
}

/// Opens what a command needs, when it needs it: a command that only reads a file asks for nothing. Whatever is opened
/// is in the Region of the target groups, or nothing is: [`Failure::OtherRegion`].
#[async_trait(?Send)]
pub trait Connect {
    /// What is recorded, in the tables of this configuration.
    async fn books(&self, config: &Config) -> Result<ReadPorts, Failure>;

    /// What an attempt needs. The queue of these ports is none: see [`Connect::queue`].
    async fn ports(&self, config: &Config) -> Result<Ports, Failure>;

    /// What a relay's agent needs.
    async fn relay_ports(&self, _: &Config) -> Result<RelayPorts, Failure> {
        Err(Failure::told(
            "no agent can run here".to_owned(),
            "relays read the ledger of a deployed installation".to_owned(),
            "run it beside HAProxy (docs/relay.md)".to_owned(),
            Exit::Error,
        ))
    }

    /// The queue of events, which only the worker needs.
    async fn queue(&self, config: &Config) -> Result<OpenQueue, Failure>;

    /// Creates what is missing of queue and tables.
    async fn set_up(&self, config: &Config) -> Result<Vec<Resource>, Failure>;

    /// Who gives the orders: the caller's identity as AWS knows it.
    async fn identity(&self, config: &Config) -> Result<String, Failure>;

    /// What `check` looks at besides: settings that the worker lives on and never reads.
    async fn installation(&self, config: &Config) -> Result<Arc<dyn Installation>, Failure>;

    /// This process, for whoever writes to the ledger.
    fn process(&self) -> Result<ProcessContext, Failure>;
}

/// What a relay's agent needs of the ledger, and time.
pub struct RelayPorts {
    /// The routes' states.
    pub ledger: Arc<dyn Ledger>,
    /// Where the relay reports.
    pub reports: Arc<dyn RelayReports>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// What is recorded: the ledger, and the audit's reading side.
pub struct ReadPorts {
    /// The audit records.
    pub audit: Arc<dyn AuditReader>,
    /// The routes' states.
    pub ledger: Arc<dyn Ledger>,
}

/// A queue that was found fit for work.
pub struct OpenQueue {
    /// Where it is.
    pub url: String,
    /// How long a received message stays invisible there, if nothing else is said.
    pub visibility: Duration,
    /// The queue.
    pub port: Arc<dyn Queue>,
}

/// Something that `setup` cares for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it had to be created.
    pub made: Made,
}

/// Whether something had to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was not there.
    Created,
    /// It was, and was left alone.
    Found,
}

/// The process that a command runs in.
pub struct ProcessContext {
    /// Its name as the holder of leases.
    pub owner: Owner,
    /// How often it was asked to stop.
    pub stops: watch::Receiver<u32>,
    /// How many files it may open, connections among them, as far as the system says.
    pub open_files_max: Option<u64>,
}

/// Does what the arguments say. Failures are told on `session.err`; what comes back is how the process ends.
pub async fn run(args: Args, session: &mut Session<'_>) -> Exit {
    let done = dispatch(args, session).await.and_then(|exit| {
        session.out.flush()?;
        Ok(exit)
    });
    done.unwrap_or_else(|failure| tell(&failure, session))
}

/// Tells of a failure, and how the process ends by it.
pub fn tell(failure: &Failure, session: &mut Session<'_>) -> Exit {
    let exit = failure.exit();
    if exit == Exit::Done {
        return exit;
    }
    match session.log {
        LogFormat::Json => tracing::error!(event = "failed", "{failure}"),
        // Where even this stream is closed there is nobody left to tell; the code still says it.
        LogFormat::Text => drop(writeln!(session.err, "error: {}", clean_lines(&failure.to_string()))),
    }
    exit
}

async fn dispatch(args: Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let global = args.global;
    let (file, output) = (global.config.as_deref(), global.output);
    match args.command {
        Command::Config(ConfigCommand::Check) => config_check::check(file, output, session),
        Command::Config(ConfigCommand::Init { to }) => config_init::init(&to, session),
        Command::Audit(command) => audit::run(command, &global, session).await,
        Command::Check(asked) => check::run(&asked, &global, session).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "writerlink", &mut script);
            session.out.write_all(&script)?;
            Ok(Exit::Done)
        }
        Command::Man(wanted) => man::run(&wanted, session),
        #[cfg(feature = "embedded")]
        Command::Demo(wanted) => demo::run(&wanted, output, session).await,
        #[cfg(not(feature = "embedded"))]
        Command::Demo(_) => Err(left_out("demo")),
        Command::Setup => setup::run(&global, session).await,
        Command::Run { drain: true } => run::run(Until::Drained, &global, session).await,
        Command::Run { drain: false } => run::run(Until::Stopped, &global, session).await,
        Command::Plan(wanted) => plan::run(&wanted, &global, session).await,
        Command::Explain(wanted) => explain::run(&wanted.subject, &global, session).await,
        Command::Status(wanted) => status::run(&wanted, &global, session).await,
        Command::Replay { file } => replay::run(&file, &global, session).await,
        Command::Swap(swap) => orders::run(swap.into(), &global, session).await,
        Command::Pin(pin) => orders::run(pin.into(), &global, session).await,
        Command::Unpin(lift) => orders::run(lift.wanted(CommandKind::Unpin), &global, session).await,
        Command::Pause(pause) => orders::run(pause.into(), &global, session).await,
        Command::Resume(lift) => orders::run(lift.wanted(CommandKind::Resume), &global, session).await,
        Command::Ack(lift) => orders::run(lift.wanted(CommandKind::Acknowledge), &global, session).await,
        Command::Freeze(freeze) => orders::run(freeze.into(), &global, session).await,
        Command::Unfreeze(unfreeze) => orders::run(unfreeze.into(), &global, session).await,
        Command::Adopt(adopt) => orders::adopt(adopt, &global, session).await,
        Command::Healthcheck => healthcheck::run(&global, session).await,
        Command::Relay(args) => relay::relay(&args, &global, session).await,
    }
}

/// The embedded simulation stays out of the container image, and a simulation that ends up in production with it.
#[cfg(not(feature = "embedded"))]
fn left_out(command: &str) -> Failure {
    Failure::told(
        format!("this build has no {command}"),
        "it was built without the feature \"embedded\", as the container image is",
        format!("run it from the sources: cargo run --release -- {command}"),
        Exit::Error,
    )
}

/// The configured route of this name.
fn configured<'a>(config: &'a Config, name: &RouteName) -> Result<&'a Route, Failure> {
    let route = config.routes.iter().find(|route| route.name == *name);
    route.ok_or_else(|| no_such_route(config, name, "it is not in the configuration"))
}

fn no_such_route(config: &Config, name: &RouteName, why: &str) -> Failure {
    let known: Vec<&str> = config.routes.iter().map(|r| r.name.as_str()).collect();
    let fix = format!("configured are: {}", known.join(", "));
    Failure::told(format!("there is no route {name}"), why, fix, Exit::Error)
}
