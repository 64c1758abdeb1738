//! What a person types.

mod audit;
mod check;
mod demo;
mod explain;
mod man;
mod orders;
mod relay;
mod status;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use crate::cli::args::audit::{
    AuditCommand, Cursor, Export, List, RecordRef, ResumePoint, Since, Tail, Verify,
};
pub use crate::cli::args::check::CheckArgs;
pub use crate::cli::args::demo::Demo;
pub use crate::cli::args::explain::{Explain, ExplainInput};
pub use crate::cli::args::man::ManPages;
pub use crate::cli::args::orders::{
    Adopt, Freeze, Lift, Pause, PinArgs, REASON_CHARS_MAX, Saying, Swap, Unfreeze,
};
pub use crate::cli::args::relay::{RelayArgs, RelayCommand};
pub use crate::cli::args::status::Status;
use crate::telemetry::LogFormat;
use writerlink_core::model::names::{InstanceId, RouteName};

const EXIT_CODES: &str = "\
Exit codes:
  0  done (a pipe that its reader closes is no failure)
  1  error
  2  wrong usage; with --detailed-exitcode a plan that is not empty, or a route that is not in sync
  3  verification failed
  4  with --detailed-exitcode: a route is held, and none is worse
  5  refused by a safety rule
  6  the route's lease is held by another process
  7  not converged in time

Environment:
  WRITERLINK_CONFIG      the configuration file, if --config is not given
  WRITERLINK_CONFIG_TEXT the text of the configuration, if no file is named
  WRITERLINK_INSTALLATION
                         the installation's name, if the configuration does not say it (worker.installation)
  TARGET_GROUP_ARN, IP_DICT, TARGET_PORT
                         the configuration, if there is no file: that of the Lambda
  WRITERLINK_LOG         what is logged, such as \"debug\" or \"aws_smithy_runtime=debug\"; else RUST_LOG
  NO_COLOR               no colours, if set
  AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, …
                         as in every program that uses an AWS SDK; the Region is that of the target groups, and
                         need not be set

Example:
  writerlink demo";

/// Keeps a target group pointed at the current writer of an Aurora or RDS database.
///
/// Results go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "writerlink", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "The configuration file [env: WRITERLINK_CONFIG]"
    )]
    pub config: Option<PathBuf>,

    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,

    /// How the log is written, on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log: LogFormat,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// One JSON object with a "version"
    Json,
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values with a heading
    Csv,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play failovers in the embedded simulation, without AWS
    ///
    /// It tells what happens, what the worker does, and why; then it shows the audit records and verifies
    /// them. With --output json or jsonl it prints one object, with csv its steps as rows; times
    /// there count from the message's arrival in the queue.
    #[command(after_help = "Example:\n  writerlink demo --seed 7")]
    Demo(Demo),
    /// Create queue and tables for a trial
    ///
    /// Creates the FIFO queue, its dead-letter queue and the ledger's two tables under their configured names.
    /// What is there is left alone, so it can be run again; a queue that is there and does not fit is an error.
    #[command(after_help = "Example:\n  writerlink setup --config writerlink.toml")]
    Setup,
    /// Work: receive events and move routes until told to stop
    ///
    /// SIGTERM or SIGINT stops it: no other receive is begun, the open one ends (20 s at most), and what is in progress is
    /// finished, all within `worker.drain_timeout_s`. What there is no time for goes to another worker at once. A second
    /// signal stops at once: what is in progress then, or comes to the open receive, waits for its next delivery. The log
    /// goes to standard error; with --log json each line is in CloudWatch's embedded metric format.
    ///
    /// Meanwhile a page for people is shown at `worker.page_address` (the routes now, the last day, each transition),
    /// and `/healthz`, `/readyz` and `/metrics` (Prometheus) at `worker.health_address`. All of it only reads.
    #[command(after_help = "Example:\n  writerlink run --config writerlink.toml --log json")]
    Run {
        /// Stop when the queue is empty
        #[arg(long)]
        drain: bool,
    },
    /// Run the agent beside HAProxy, for routes with strategy "relay"
    ///
    /// HAProxy asks it about each server (`relay.agent_address`); it answers from strongly consistent reads of the ledger,
    /// and not at all when it is not certain, so that HAProxy keeps its state. A change is also pushed over HAProxy's socket
    /// (`relay.admin_socket`). It writes its own report and nothing else. SIGTERM or SIGINT stops it.
    #[command(
        after_help = "Examples:\n  writerlink relay --config writerlink.toml --log json\n  writerlink relay config"
    )]
    Relay(RelayArgs),
    /// Show what would be done, and do nothing
    ///
    /// Nothing is written, not even to the ledger. For a ROUTE: the calls that are missing for its group to be
    /// where the ledger says that the route points, and what is unresolved about it. For an event: what each route that follows its source
    /// would decide, and the calls it would make.
    #[command(
        group = ArgGroup::new("what").required(true).args(["route", "event"]),
        after_help = "Example:\n  writerlink plan orders --detailed-exitcode"
    )]
    Plan(PlanArgs),
    /// Show where routes point, and whether that is right
    ///
    /// Reads the ledger, the audit, the load balancer and the queue, and writes nothing. A part that cannot be read
    /// is told in its place. One route alone is shown in every detail. --watch draws anew on a terminal; elsewhere
    /// it prints one JSON document a line. Without --detailed-exitcode this ends with 0 whatever is shown, unless
    /// the state of no route could be read (1).
    #[command(
        after_help = "Example:\n  writerlink status\n  writerlink status orders --watch 5\n  writerlink status --detailed-exitcode > /dev/null || page-somebody"
    )]
    Status(Status),
    /// Tell why an event moved a route, or did not
    ///
    /// For an event's key or a transition's id: every record of the event, what it decided and by which rule. For
    /// a file: what each route that follows its source would decide now, question by question, in the order in
    /// which the worker asks them. Nothing is written.
    #[command(
        after_help = "Example:\n  writerlink explain failover.json\n  jq -r .body message.json | writerlink explain -"
    )]
    Explain(Explain),
    /// Hand in an event by hand, as if it came from the queue
    ///
    /// Every route that follows the event's source makes its attempt, and what fails is tried again here, as
    /// often as `worker.max_attempts` says. The route's lease is not waited for: if another process holds it,
    /// this ends with 6 and says how long it may take. An event that was settled before stays settled.
    #[command(after_help = "Example:\n  jq -r .body message.json | writerlink replay -")]
    Replay {
        /// The event in any of its envelopes, or the output of `aws sqs receive-message` or `aws rds describe-events`; - is
        /// standard input
        file: PathBuf,
    },
    /// Point a route at an instance now
    ///
    /// Takes the same lease and leaves the same records as an event. A safety rule that holds the route back
    /// refuses it, unless it is named by --override. Which instances and addresses a route may have
    /// (`allowed_instances`, `allowed_cidrs`) cannot be overridden. Later evidence, and a truth that says otherwise, move the route on: pin keeps it.
    #[command(
        after_help = "Example:\n  writerlink swap orders --to orders-2 --reason \"move off the sick zone\""
    )]
    Swap(Swap),
    /// Point a route at an instance and keep it there
    ///
    /// Events and the timer's looks are recorded, and followed when the pin is gone.
    #[command(
        after_help = "Example:\n  writerlink pin orders --to orders-1 --for 2h --reason \"upgrade of orders-2\""
    )]
    Pin(PinArgs),
    /// Let a pinned route follow its evidence again
    #[command(after_help = "Example:\n  writerlink unpin orders --reason \"upgrade done\"")]
    Unpin(Lift),
    /// Make no call for a route
    ///
    /// In force when this ends: an attempt that is under way is waited for. What would have been done is
    /// recorded, and done once the route is resumed.
    #[command(after_help = "Example:\n  writerlink pause orders --for 2h --reason \"maintenance\"")]
    Pause(Pause),
    /// End a pause
    #[command(after_help = "Example:\n  writerlink resume orders --reason \"maintenance done\"")]
    Resume(Lift),
    /// Take note of what a route cannot resolve by itself, and let it go on
    ///
    /// Of a route that was moved too often: it moves by itself again. Of an event that could not be acted on (an unknown
    /// instance, an unreadable name, a question that nobody can answer): it is resolved, and the route stays where it is.
    /// `status` names both.
    #[command(
        after_help = "Examples:\n  writerlink ack orders --reason \"the flapping is over\"\n  writerlink ack orders --reason \"orders-9 was promoted for a test\""
    )]
    Ack(Lift),
    /// Make no call for any configured route
    ///
    /// Each route is stopped for itself, and one that is in other hands holds up none of the others. The worst
    /// of them decides how this ends.
    #[command(after_help = "Example:\n  writerlink freeze --for 1d --reason \"the Region is in trouble\"")]
    Freeze(Freeze),
    /// End a freeze, on every configured route
    #[command(after_help = "Example:\n  writerlink unfreeze --reason \"all clear\"")]
    Unfreeze(Unfreeze),
    /// Continue a route's records behind rows that do not verify
    ///
    /// For a route that says `chain_broken`: rows in the audit do not continue the route's state, or records are
    /// missing. Shows what the state ends at, what verifies, what does not and from which number, and the state that
    /// would be taken on. Confirmed, one record behind the newest row names what could not be verified, and the route
    /// moves again. No row is changed or deleted, and `audit verify` still names the broken ones. A state that is only
    /// behind its records recovers by itself.
    #[command(
        after_help = "Example:\n  writerlink adopt orders --reason \"the row came from a drill\" --dry-run"
    )]
    Adopt(Adopt),
    /// Read what is recorded
    #[command(subcommand, after_help = "Example:\n  writerlink audit list --since 2h")]
    Audit(AuditCommand),
    /// Check a whole installation, and say what to do about it
    ///
    /// Caller, queue, rules, tables, target groups, load balancers, databases: one line each that says pass, warn,
    /// fail, or unknown where it could not be read, and for what is not right the remedy. Nothing is changed. Whether
    /// the ledger may be written is tried by writes that are refused before they change anything; --read-only leaves
    /// them out. Ends with 1 when a line says fail.
    #[command(after_help = "Example:\n  writerlink check --route orders --strict")]
    Check(CheckArgs),
    /// About the configuration
    #[command(subcommand, after_help = "Example:\n  writerlink config check")]
    Config(ConfigCommand),
    /// Ask the worker on this machine whether it works
    ///
    /// Asks at `worker.health_address`; ends with 0 if its receiving loop and its timer work, else with 1
    /// and which of them has been silent for how long.
    #[command(
        after_help = "Example (ECS task definition):\n  \"healthCheck\": {\"command\": [\"CMD\", \"/writerlink\", \"healthcheck\"]}"
    )]
    Healthcheck,
    /// Print a completion script
    #[command(after_help = "Example:\n  writerlink completions bash > /etc/bash_completion.d/writerlink")]
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Print a manual page, or write all of them
    #[command(
        after_help = "Example:\n  writerlink man --to /usr/local/share/man/man1\n  writerlink man audit list | man -l -"
    )]
    Man(ManPages),
}

/// What is to be planned.
#[derive(Clone, Debug, clap::Args)]
pub struct PlanArgs {
    /// The route whose target group is compared with where it should point
    #[arg(value_parser = route_name)]
    pub route: Option<RouteName>,
    /// An event to be decided about; - is standard input
    #[arg(long, value_name = "FILE")]
    pub event: Option<PathBuf>,
    /// Exit with 2 when the plan is not empty
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// About the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and say what was understood
    #[command(after_help = "Example:\n  writerlink config check --config writerlink.toml")]
    Check,
    /// Write a commented file to begin with
    ///
    /// It has every field with its default and its reason. A file that exists is left alone.
    #[command(after_help = "Example:\n  writerlink config init --to writerlink.toml")]
    Init {
        /// Where to
        #[arg(long, value_name = "FILE", default_value = "writerlink.toml")]
        to: PathBuf,
    },
}

fn route_name(text: &str) -> Result<RouteName, String> {
    RouteName::new(text).map_err(|error| error.rule.to_owned())
}

fn instance_id(text: &str) -> Result<InstanceId, String> {
    InstanceId::new(text).map_err(|error| error.rule.to_owned())
}

/// A time such as `90s`, `2h`, `1h30m` or `207d`: its units from large to small, each at most once.
fn age(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds, mut larger) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let mut characters = after.chars();
        let unit = match characters.next()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        if unit >= larger {
            return None;
        }
        let number: u32 = number.parse().ok()?;
        seconds = seconds.checked_add(u64::from(number).checked_mul(unit)?)?;
        (rest, larger) = (characters.as_str(), unit);
    }
    (larger < u64::MAX).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn missing(command: &clap::Command, path: &str) -> Vec<String> {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string);
            let example = help.is_some_and(|help| help.contains("Example"));
            let below = command.get_subcommands().flat_map(|sub| missing(sub, &path));
            below.chain((!example).then(|| path.clone())).collect()
        }
        assert_eq!(missing(&Args::command(), ""), Vec::<String>::new());
    }
}
