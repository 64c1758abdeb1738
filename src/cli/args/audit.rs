//! What a person asks of the records.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use clap::{ArgGroup, Subcommand};

use crate::cli::args::{age, instance_id, route_name};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::model::ids::TransitionId;
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Cause;
use writerlink_core::model::time::Timestamp;

/// The longest pause between two questions of `audit tail`: who looks less often wants a list.
const EVERY_SECONDS_MAX: u64 = 60 * 60;

/// Reading what is recorded.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List records, newest first
    ///
    /// Filters are applied to what is read, and what is read is paid for: after 10,000 records, or 500 questions (each
    /// day of a list over all routes is one at least), it ends and says where to go on.
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
    ///
    /// Ends with 3 if one was, and names the first. A range (--from, --to) takes the record before it at its word; with
    /// --file nothing is asked of AWS, and no configuration is needed.
    #[command(
        after_help = "Example:\n  writerlink audit verify && echo intact\n  writerlink audit verify --file audit.jsonl"
    )]
    Verify(Verify),
    /// Write records out, oldest first, in a form that can be verified without AWS
    ///
    /// As JSON lines (if --output does not say csv) each line holds a record's text, to the byte, and its hash. The records
    /// of a route are without a gap. With --to FILE the same command goes on after the last whole line of FILE; else what
    /// is to be passed to go on is said at the end, on standard error.
    #[command(
        group = ArgGroup::new("whose").required(true).args(["route", "all"]),
        after_help = "Example:\n  writerlink audit export --all --to audit.jsonl"
    )]
    Export(Export),
    /// Follow new records until told to stop
    ///
    /// Asks for what follows the last record that was seen, so none is lost and none comes twice; a route's records come
    /// in the order of its chain. One line each; --output jsonl and csv have every column of `audit list`.
    #[command(after_help = "Example:\n  writerlink audit tail orders --since 1h --output jsonl")]
    Tail(Tail),
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
    /// Older than this, so that `--since 2026-05-06 --until 2026-05-07` is a day
    #[arg(long, value_name = "AGE|DATE", value_parser = since)]
    pub until: Option<Since>,
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
    #[arg(long, value_name = "CURSOR", value_parser = Cursor::parse)]
    pub cursor: Option<Cursor>,
}

/// What is to be verified.
#[derive(Clone, Debug, clap::Args)]
pub struct Verify {
    /// Whose records; without it, every configured route's. One that is configured no more is verified by its name
    #[arg(value_name = "ROUTE", value_parser = route_name)]
    pub routes: Vec<RouteName>,
    /// From this record on, of one route
    #[arg(long, value_name = "SEQ", value_parser = seq())]
    pub from: Option<u64>,
    /// Up to this record, of one route
    #[arg(long, value_name = "SEQ", value_parser = seq())]
    pub to: Option<u64>,
    /// Every configured route, as without ROUTE
    #[arg(long, conflicts_with_all = ["routes", "from", "to"])]
    pub all: bool,
    /// An export as JSON lines instead of the table; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["routes", "from", "to", "all"])]
    pub file: Option<PathBuf>,
}

/// What is to be written out.
#[derive(Clone, Debug, clap::Args)]
pub struct Export {
    /// Of this route
    #[arg(long, value_parser = route_name)]
    pub route: Option<RouteName>,
    /// Of every configured route, one after the other
    #[arg(long)]
    pub all: bool,
    /// From the first record that is not older than this, as for `audit list`
    #[arg(long, value_name = "AGE|DATE", value_parser = since)]
    pub since: Option<Since>,
    /// Up to the first record that is not older than this
    #[arg(long, value_name = "AGE|DATE", value_parser = since)]
    pub until: Option<Since>,
    /// Go on after this record; of several routes ROUTE/SEQ,ROUTE/SEQ
    #[arg(long, value_name = "SEQ", value_delimiter = ',', value_parser = place, conflicts_with = "to")]
    pub after: Vec<ResumePoint>,
    /// Write to this file, and go on after its last whole line
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// What is to be followed.
#[derive(Clone, Debug, clap::Args)]
pub struct Tail {
    /// Whose records; without it, every configured route's
    #[arg(value_parser = route_name)]
    pub route: Option<RouteName>,
    /// Begin with what is recorded already and not older than this, as for `audit list`
    #[arg(long, value_name = "AGE|DATE", value_parser = since)]
    pub since: Option<Since>,
    /// Begin after this record; of several routes ROUTE/SEQ,ROUTE/SEQ
    #[arg(long, value_name = "SEQ", value_delimiter = ',', value_parser = place, conflicts_with = "since")]
    pub after: Vec<ResumePoint>,
    /// How long to wait between two questions, in seconds; each costs one Query a route
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=EVERY_SECONDS_MAX))]
    pub every: u64,
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
    Transition(TransitionId),
    /// The transition that this record belongs to.
    Record {
        /// Whose chain.
        route: RouteName,
        /// Its place.
        seq: u64,
    },
    /// Every transition of this event.
    Event(EventKey),
}

/// Where a list ended: behind a record, or at the beginning of a day. Made of what the record says of itself, so that it
/// can be read, written by hand, and used a year later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What follows is not newer than this.
    pub at: Timestamp,
    /// The last record that was looked at; without it, everything of `at` and after it was.
    pub record: Option<(RouteName, u64)>,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let (at, record) = match text.split_once('/') {
                None => (text, None),
                Some((at, record)) => (at, Some(numbered(record).ok()?)),
            };
            Timestamp::parse(at).map(|at| Self { at, record })
        };
        read().ok_or_else(|| "no cursor; one is TIME/ROUTE/SEQ, as printed by a list".to_owned())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)?;
        match &self.record {
            Some((route, seq)) => write!(f, "/{route}/{seq}"),
            None => Ok(()),
        }
    }
}

/// A record to go on after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// Whose; it may be left out where there is only one.
    pub route: Option<RouteName>,
    /// Which.
    pub seq: u64,
}

fn place(text: &str) -> Result<ResumePoint, String> {
    if text.contains('/') {
        let (route, seq) = numbered(text)?;
        let route = Some(route);
        return Ok(ResumePoint { route, seq });
    }
    let seq = text.parse().map_err(|_| "neither SEQ nor ROUTE/SEQ".to_owned())?;
    Ok(ResumePoint { route: None, seq })
}

/// `ROUTE/SEQ`.
fn numbered(text: &str) -> Result<(RouteName, u64), String> {
    let (route, seq) = text.split_once('/').ok_or_else(|| "not ROUTE/SEQ".to_owned())?;
    let route = route_name(route)?;
    let seq = seq.parse().map_err(|_| "after the / comes a number".to_owned())?;
    Ok((route, seq))
}

fn seq() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
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

pub(super) fn record_ref(text: &str) -> Result<RecordRef, String> {
    if text.contains('/') {
        let (route, seq) = numbered(text)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        for text in ["2026-05-06T23:07:46.200Z/orders/4", "2026-05-06T00:00:00.000Z"] {
            assert_eq!(Cursor::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "x", "2026-05-06T23:07:46Z/orders", "orders/4"] {
            assert!(Cursor::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_place_names_its_route_where_there_are_several() {
        let seq = |text| place(text).unwrap();
        assert_eq!(seq("7").route, None);
        assert_eq!(seq("orders/7").route.unwrap().as_str(), "orders");
        assert!(place("orders/").is_err() && place("orders").is_err());
    }

    #[test]
    fn an_age_or_a_date_says_since_when() {
        let now = Timestamp::parse("2026-05-06T12:00:00Z").unwrap();
        let at = |text| since(text).map(|since| since.instant(now).to_string());
        assert_eq!(at("2h").unwrap(), "2026-05-06T10:00:00.000Z");
        assert_eq!(at("90s").unwrap(), "2026-05-06T11:58:30.000Z");
        assert_eq!(at("7d").unwrap(), "2026-04-29T12:00:00.000Z");
        assert_eq!(at("2026-05-01").unwrap(), "2026-05-01T00:00:00.000Z");
        assert_eq!(at("2026-05-01T01:00:00+01:00").unwrap(), "2026-05-01T00:00:00.000Z");
        for wrong in ["", "h", "-2h", "2w", "yesterday", "2é"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_record_is_named_in_three_ways() {
        let uuid = "01977f2e-8c3a-7b1d-9e0f-112233445566";
        assert!(matches!(record_ref(uuid), Ok(RecordRef::Transition(id)) if id.to_string() == uuid));
        assert!(matches!(record_ref(&"a".repeat(64)), Ok(RecordRef::Event(_))));
        let route = RouteName::new("orders").unwrap();
        assert_eq!(record_ref("orders/12"), Ok(RecordRef::Record { route, seq: 12 }));
        for wrong in ["orders", "orders/", "orders/x", "Orders/1", ""] {
            assert!(record_ref(wrong).is_err(), "{wrong}");
        }
    }
}
