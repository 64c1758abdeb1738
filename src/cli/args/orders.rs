//! What a person orders.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;

use crate::cli::args::{age, instance_id, route_name};
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::reason::Rule;

/// The longest reason, in characters: it is shown in every refusal that it leads to, beside other words.
pub const REASON_CHARS_MAX: usize = 200;

/// The longest time that an order may hold: who means for ever leaves the time out, and a slip of the unit is
/// noticed.
const HOLDS_MAX: Duration = Duration::from_hours(365 * 24);

/// The longest wait for a route in other hands: many times what an attempt can take.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// What every order says, and how it is carried out.
#[derive(Clone, Debug, clap::Args)]
pub struct Saying {
    /// Why, in one line of at most 200 characters; it is recorded, and shown to whoever is held up by it
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Show what would be done, and do nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do not ask before doing it
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// How long to wait for an attempt in progress
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = wait)]
    pub wait: Duration,
}

/// Point a route somewhere.
#[derive(Clone, Debug, clap::Args)]
pub struct Swap {
    /// Which route
    #[arg(value_parser = route_name)]
    pub route: RouteName,
    /// The instance that it is to point at, one of the route's own
    #[arg(long, value_name = "INSTANCE", value_parser = instance_id)]
    pub to: InstanceId,
    /// Go past this safety rule; once for each rule
    #[arg(long = "override", value_name = "RULE", value_parser = rules())]
    pub overrides: Vec<Rule>,
    /// What every order says
    #[command(flatten)]
    pub saying: Saying,
}

/// Keep a route somewhere.
#[derive(Clone, Debug, clap::Args)]
pub struct PinArgs {
    /// Where
    #[command(flatten)]
    pub swap: Swap,
    /// For how long, such as 30m, 2h or 1d; without it until `unpin`
    #[arg(long = "for", value_name = "TIME", value_parser = holds)]
    pub within: Option<Duration>,
}

/// Stop a route.
#[derive(Clone, Debug, clap::Args)]
pub struct Pause {
    /// Which route
    #[arg(value_parser = route_name)]
    pub route: RouteName,
    /// For how long, such as 30m, 2h or 1d; without it until `resume`
    #[arg(long = "for", value_name = "TIME", value_parser = holds)]
    pub within: Option<Duration>,
    /// What every order says
    #[command(flatten)]
    pub saying: Saying,
}

/// Take back what holds a route.
#[derive(Clone, Debug, clap::Args)]
pub struct Lift {
    /// Which route
    #[arg(value_parser = route_name)]
    pub route: RouteName,
    /// What every order says
    #[command(flatten)]
    pub saying: Saying,
}

/// Continue a route's chain behind rows that do not verify.
#[derive(Clone, Debug, clap::Args)]
pub struct Adopt {
    /// Which route
    #[arg(value_parser = route_name)]
    pub route: RouteName,
    /// Why, in one line of at most 200 characters; it is recorded
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Show what would be adopted, and write nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do not ask before doing it
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Stop every route.
#[derive(Clone, Debug, clap::Args)]
pub struct Freeze {
    /// For how long, such as 30m, 2h or 1d; without it until `unfreeze`
    #[arg(long = "for", value_name = "TIME", value_parser = holds)]
    pub within: Option<Duration>,
    /// What every order says
    #[command(flatten)]
    pub saying: Saying,
}

/// Take back a freeze.
#[derive(Clone, Debug, clap::Args)]
pub struct Unfreeze {
    /// What every order says
    #[command(flatten)]
    pub saying: Saying,
}

fn rules() -> impl clap::builder::TypedValueParser<Value = Rule> {
    PossibleValuesParser::new(Rule::ALL.map(Rule::as_str)).try_map(|text| Rule::parse(&text).ok_or("no rule"))
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let length = text.chars().count();
    if text.is_empty() {
        return Err("say why, in a few words".to_owned());
    }
    if length > REASON_CHARS_MAX {
        return Err(format!("it has {length} characters; say it in at most {REASON_CHARS_MAX}"));
    }
    if text.chars().any(char::is_control) {
        return Err("say it in one line, without control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn holds(text: &str) -> Result<Duration, String> {
    match age(text) {
        Some(time) if time.is_zero() => Err("it would be over at once".to_owned()),
        Some(time) if time > HOLDS_MAX => {
            Err("at most 365d; leave it out for what holds until it is lifted".to_owned())
        }
        Some(time) => Ok(time),
        None => Err("write a time such as 30m, 1h30m or 1d".to_owned()),
    }
}

fn wait(text: &str) -> Result<Duration, String> {
    match age(text) {
        Some(time) if time <= WAIT_MAX => Ok(time),
        Some(_) => Err("at most 1h".to_owned()),
        None => Err("write a time such as 0s, 30s or 2m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(reason("  a drill ").as_deref(), Ok("a drill"));
        assert!(reason(&"é".repeat(REASON_CHARS_MAX)).is_ok());
        for wrong in ["", " ", "a\nb", "\u{1b}[2J"] {
            assert!(reason(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            reason(&"é".repeat(REASON_CHARS_MAX + 1)),
            Err("it has 201 characters; say it in at most 200".to_owned())
        );
    }

    #[test]
    fn the_help_says_how_long_a_reason_may_be() {
        use clap::CommandFactory as _;
        let args = crate::cli::args::Args::command();
        let pause = args.find_subcommand("pause").unwrap();
        let reason = pause.get_arguments().find(|arg| arg.get_id() == "reason").unwrap();
        let help = reason.get_help().unwrap().to_string();
        assert!(help.contains(&REASON_CHARS_MAX.to_string()), "{help}");
    }

    #[test]
    fn what_holds_for_no_time_or_for_years_is_a_slip() {
        assert_eq!(holds("30m"), Ok(Duration::from_mins(30)));
        assert_eq!(holds("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(holds("1d2h3m4s"), Ok(Duration::from_secs(93_784)));
        assert_eq!(holds("365d"), Ok(HOLDS_MAX));
        for wrong in
            ["0s", "366d", "2", "h", "2w", "-1h", "1.5h", "", "30m1h", "1h1h", "1h 30m", "h1m", "1h30"]
        {
            assert!(holds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(wait("0s"), Ok(Duration::ZERO));
        for wrong in ["61m", "soon", ""] {
            assert!(wait(wrong).is_err(), "{wrong}");
        }
    }
}
