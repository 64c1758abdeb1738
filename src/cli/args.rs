//! What a person types.

mod demo;
mod orders;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use self::demo::Demo;
pub use self::orders::{Freeze, Lift, Pause, Pin, REASON_CHARS_MAX, Saying, Swap, Unfreeze};
use crate::domain::audit::Cause;
use crate::domain::route::{InstanceId, RouteName};
use crate::domain::time::Timestamp;
use crate::domain::transition::Outcome;
use crate::telemetry::LogFormat;

const EXIT_CODES: &str = "\
Exit codes:
  0  done (a pipe that its reader closes is no failure)
  1  error
  2  wrong usage, or a plan that is not empty (plan --detailed-exitcode)
  3  verification failed
  5  refused by a safety rule
  6  the route's lease is held by another process
  7  not converged in time

Environment:
  WRITERLINK_CONFIG      the configuration file, if --config is not given
  TARGET_GROUP_ARN, IP_DICT, TARGET_PORT
                         the configuration, if there is no file: that of the Lambda
  WRITERLINK_LOG         what the AWS SDK logs, such as \"debug\" or \"off\"; else RUST_LOG
  NO_COLOR               no colours, if set
  AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, …
                         as in every program that uses an AWS SDK

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
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub output: Output,

    /// How the log is written, on standard error
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
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
    /// Play a failover in a world in memory, without AWS
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
    /// SIGTERM or SIGINT stops receiving; what is in hand is finished within `worker.drain_timeout_s`. A second
    /// one stops at once: what is in hand then is resumed by its next delivery. The log goes to standard error;
    /// with --log json each line is in CloudWatch's embedded metric format.
    ///
    /// Meanwhile a page for people is shown at `worker.page_address` (the routes now, the last day, each transition),
    /// and `/healthz`, `/readyz` and `/metrics` (Prometheus) at `worker.health_address`. All of it only reads.
    #[command(after_help = "Example:\n  writerlink run --config writerlink.toml --log json")]
    Run {
        /// Stop when the queue is empty
        #[arg(long)]
        drain: bool,
    },
    /// Show what would be done, and do nothing
    ///
    /// Nothing is written, not even to the ledger. For a ROUTE: the calls that are missing for its group to be
    /// where the ledger says that the route points. For an event: what each route that follows its source
    /// would decide, and the calls it would make.
    #[command(
        group = ArgGroup::new("what").required(true).args(["route", "event"]),
        after_help = "Example:\n  writerlink plan orders --detailed-exitcode"
    )]
    Plan(Plan),
    /// Hand in an event by hand, as if it came from the queue
    ///
    /// Every route that follows the event's source makes its attempt, and what fails is tried again here, as
    /// often as `worker.max_attempts` says. The route's lease is not waited for: if another process holds it,
    /// this ends with 6 and says how long it may take. An event that was settled before stays settled.
    #[command(after_help = "Example:\n  jq -r .body message.json | writerlink replay -")]
    Replay {
        /// The event, in any of its envelopes; - is standard input
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
    Pin(Pin),
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
    /// Let a route go on that was moved too often
    #[command(after_help = "Example:\n  writerlink ack orders --reason \"the flapping is over\"")]
    Ack(Lift),
    /// Make no call for any configured route
    ///
    /// Each route is stopped for itself, and one that is in other hands holds up none of the others. The worst
    /// of them decides how this ends.
    #[command(
        after_help = "Example:\n  writerlink freeze --for 1d --reason \"the Region is in trouble\""
    )]
    Freeze(Freeze),
    /// End a freeze, on every configured route
    #[command(after_help = "Example:\n  writerlink unfreeze --reason \"all clear\"")]
    Unfreeze(Unfreeze),
    /// Read what is recorded
    #[command(
        subcommand,
        after_help = "Example:\n  writerlink audit list --since 2h"
    )]
    Audit(Audit),
    /// About the configuration
    #[command(subcommand, after_help = "Example:\n  writerlink config check")]
    Config(ConfigCommand),
    /// Ask the worker on this machine whether it works
    ///
    /// Asks at `worker.health_address`; ends with 0 if its loop turns, else with 1.
    #[command(
        after_help = "Example (ECS task definition):\n  \"healthCheck\": {\"command\": [\"CMD\", \"/writerlink\", \"healthcheck\"]}"
    )]
    Healthcheck,
    /// Print a completion script
    #[command(
        after_help = "Example:\n  writerlink completions bash > /etc/bash_completion.d/writerlink"
    )]
    Completions {
        /// For which shell
        shell: Shell,
    },
}

/// What is to be planned.
#[derive(Clone, Debug, clap::Args)]
pub struct Plan {
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

/// Reading what is recorded.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List records, newest first
    #[command(
        after_help = "Example:\n  writerlink audit list --route orders --outcome Failed --since 2026-05-01"
    )]
    List(List),
    /// Show everything recorded of one transition, step by step
    #[command(after_help = "Example:\n  writerlink audit show orders/12")]
    Show {
        /// ROUTE/SEQ, a transition's UUID, or an event key (64 hexadecimal digits)
        #[arg(value_name = "ID", value_parser = record_ref)]
        id: RecordRef,
    },
    /// Check that no record was changed or left out
    #[command(after_help = "Example:\n  writerlink audit verify && echo intact")]
    Verify {
        /// Whose records; without it, every configured route's
        #[arg(value_parser = route_name)]
        route: Option<RouteName>,
    },
}

/// Which records.
#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// Of this route alone
    #[arg(long, value_parser = route_name)]
    pub route: Option<RouteName>,
    /// Not older than this: 90s, 30m, 2h, 7d, a day (2026-05-06) or a time (2026-05-06T23:07:45Z)
    #[arg(long, value_name = "AGE|DATE", value_parser = since)]
    pub since: Option<Since>,
    /// Only transitions that ended like this
    #[arg(long, value_parser = outcomes(), ignore_case = true)]
    pub outcome: Option<Outcome>,
    /// Only what was caused by this
    #[arg(long, value_parser = causes())]
    pub cause: Option<Cause>,
    /// Only what was to point a route at this instance
    #[arg(long, value_parser = instance_id)]
    pub instance: Option<InstanceId>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// How far back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// This long before now.
    Ago(Duration),
    /// This time.
    At(Timestamp),
}

impl Since {
    /// The instant, seen from `now`.
    #[must_use]
    pub fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(instant) => instant,
            Self::Ago(age) => now.minus(age),
        }
    }
}

/// What `audit show` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordRef {
    /// The transition with this id.
    Transition(crate::domain::transition::TransitionId),
    /// The transition that this record belongs to.
    Record {
        /// Whose chain.
        route: RouteName,
        /// Its place.
        seq: u64,
    },
    /// Every transition of this event.
    Event(crate::domain::event::EventKey),
}

/// About the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and say what was understood
    #[command(after_help = "Example:\n  writerlink config check --config writerlink.toml")]
    Check,
}

fn route_name(text: &str) -> Result<RouteName, String> {
    RouteName::new(text).map_err(|error| error.rule.to_owned())
}

fn instance_id(text: &str) -> Result<InstanceId, String> {
    InstanceId::new(text).map_err(|error| error.rule.to_owned())
}

fn outcomes() -> impl clap::builder::TypedValueParser<Value = Outcome> {
    PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str)).try_map(|text| {
        let same = |outcome: &Outcome| outcome.as_str().eq_ignore_ascii_case(&text);
        Outcome::ALL.into_iter().find(same).ok_or("no outcome")
    })
}

fn causes() -> impl clap::builder::TypedValueParser<Value = Cause> {
    PossibleValuesParser::new(Cause::ALL.map(Cause::as_str))
        .try_map(|text| Cause::parse(&text).ok_or("no cause"))
}

fn record_ref(text: &str) -> Result<RecordRef, String> {
    use crate::domain::{event::EventKey, transition::TransitionId};
    if let Some((route, seq)) = text.split_once('/') {
        let route = route_name(route)?;
        let seq = seq
            .parse()
            .map_err(|_| "after the / comes a number".to_owned())?;
        return Ok(RecordRef::Record { route, seq });
    }
    let transition = TransitionId::parse(text).map(RecordRef::Transition);
    transition
        .or_else(|| EventKey::parse(text).map(RecordRef::Event))
        .ok_or_else(|| "neither ROUTE/SEQ, nor a UUID, nor an event key of 64 digits".to_owned())
}

fn since(text: &str) -> Result<Since, String> {
    age(text)
        .map(Since::Ago)
        .or_else(|| Timestamp::parse(text).map(Since::At))
        .or_else(|| Timestamp::parse_civil(text).map(Since::At))
        .or_else(|| Timestamp::parse_day(text).map(Since::At))
        .ok_or_else(|| "neither an age (2h) nor a date (2026-05-06, UTC)".to_owned())
}

fn age(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let number: u32 = number.parse().ok()?;
    Some(Duration::from_secs(u64::from(number) * seconds))
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
            let below = command
                .get_subcommands()
                .flat_map(|sub| missing(sub, &path));
            below.chain((!example).then(|| path.clone())).collect()
        }
        assert_eq!(missing(&Args::command(), ""), Vec::<String>::new());
    }

    #[test]
    fn an_age_or_a_date_says_since_when() {
        let now = Timestamp::parse("2026-05-06T12:00:00Z").unwrap();
        let at = |text| since(text).map(|since| since.instant(now).to_string());
        assert_eq!(at("2h").unwrap(), "2026-05-06T10:00:00.000Z");
        assert_eq!(at("90s").unwrap(), "2026-05-06T11:58:30.000Z");
        assert_eq!(at("7d").unwrap(), "2026-04-29T12:00:00.000Z");
        assert_eq!(at("2026-05-01").unwrap(), "2026-05-01T00:00:00.000Z");
        assert_eq!(
            at("2026-05-01T01:00:00+01:00").unwrap(),
            "2026-05-01T00:00:00.000Z"
        );
        for wrong in ["", "h", "-2h", "2w", "yesterday", "2é"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_record_is_named_in_three_ways() {
        let uuid = "01977f2e-8c3a-7b1d-9e0f-112233445566";
        assert!(
            matches!(record_ref(uuid), Ok(RecordRef::Transition(id)) if id.to_string() == uuid)
        );
        assert!(matches!(
            record_ref(&"a".repeat(64)),
            Ok(RecordRef::Event(_))
        ));
        let route = RouteName::new("orders").unwrap();
        assert_eq!(
            record_ref("orders/12"),
            Ok(RecordRef::Record { route, seq: 12 })
        );
        for wrong in ["orders", "orders/", "orders/x", "Orders/1", ""] {
            assert!(record_ref(wrong).is_err(), "{wrong}");
        }
    }
}
