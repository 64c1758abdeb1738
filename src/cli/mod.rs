//! The command line: arguments in, text and an exit code out.
//!
//! Nothing here opens a connection, reads the environment or knows the time by itself: all of that comes
//! in a [`Session`], so that every command can be tried without a process.

pub mod args;
mod audit;
mod config_check;
#[cfg(feature = "embedded")]
mod demo;
mod failure;
mod render;

use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use clap::CommandFactory as _;

use self::args::{Args, Command, ConfigCommand};
pub use self::failure::{Exit, Failure};
pub use self::render::Look;
use crate::config::{self, Config, Env};
use crate::domain::time::Timestamp;
use crate::ports::{Audit, Ledger};

/// What a command may use of the world.
pub struct Session<'a> {
    /// The environment's variables.
    pub env: Env<'a>,
    /// When the command was given.
    pub now: Timestamp,
    /// Whoever opens connections.
    pub connect: &'a dyn Connect,
    /// Where results go.
    pub out: &'a mut dyn Write,
    /// Where everything else goes.
    pub err: &'a mut dyn Write,
    /// Whether `out` shows colours.
    pub look: Look,
}

/// Opens what a command needs, when it needs it: a command that only reads a file asks for nothing.
#[async_trait(?Send)]
pub trait Connect {
    /// What is recorded, in the tables of this configuration.
    async fn books(&self, config: &Config) -> Result<Books, Failure>;
}

/// What is recorded: the ledger, and the audit's reading side.
pub struct Books {
    /// The audit records.
    pub audit: Arc<dyn Audit>,
    /// The routes' states.
    pub ledger: Arc<dyn Ledger>,
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
    match writeln!(session.err, "error: {failure}") {
        // Where even this stream is closed there is nobody left to tell; the code still says it.
        Ok(()) | Err(_) => exit,
    }
}

async fn dispatch(args: Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let global = args.global;
    let (file, output) = (global.config.as_deref(), global.output);
    match args.command {
        Command::Config(ConfigCommand::Check) => config_check::check(file, output, session),
        Command::Audit(command) => {
            let config = config::read(file, session.env)?.config;
            let books = session.connect.books(&config).await?;
            audit::run(command, output, (&books, &config), session).await
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "writerlink", &mut script);
            session.out.write_all(&script)?;
            Ok(Exit::Done)
        }
        #[cfg(feature = "embedded")]
        Command::Demo { seed } => demo::run(seed, output, session).await,
        #[cfg(not(feature = "embedded"))]
        Command::Demo { .. } => Err(left_out("demo")),
        Command::Setup => Err(not_wired("setup")),
        Command::Run { .. } => Err(not_wired("run")),
        Command::Plan { .. } => Err(not_wired("plan")),
        Command::Replay { .. } => Err(not_wired("replay")),
        Command::Healthcheck => Err(not_wired("healthcheck")),
    }
}

/// The world in memory stays out of the container image, and a simulation that ends up in production with it.
#[cfg(not(feature = "embedded"))]
fn left_out(command: &str) -> Failure {
    Failure::Told {
        what: format!("this build has no {command}"),
        why: "it was built without the feature \"embedded\", as the container image is".to_owned(),
        fix: format!("run it from the sources: cargo run --release -- {command}"),
        exit: Exit::Error,
    }
}

fn not_wired(command: &str) -> Failure {
    Failure::Told {
        what: format!("{command} does nothing yet"),
        why: "the command is not wired yet".to_owned(),
        fix: "use a later build".to_owned(),
        exit: Exit::Error,
    }
}
