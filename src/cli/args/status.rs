//! Which routes are to be shown, and how often.

use crate::cli::args::route_name;
use writerlink_core::model::names::RouteName;

/// The longest pause between two looks, in seconds: whoever means a day means a job.
const WATCH_SECONDS_MAX: u64 = 24 * 60 * 60;

/// What is to be shown.
#[derive(Clone, Debug, clap::Args)]
pub struct Status {
    /// Which routes; without one, every configured one
    #[arg(value_name = "ROUTE", value_parser = route_name)]
    pub routes: Vec<RouteName>,
    /// Look again every N seconds, until Ctrl-C
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=WATCH_SECONDS_MAX))]
    pub watch: Option<u64>,
    /// Exit with 2 when a route is not right
    #[arg(long)]
    pub detailed_exitcode: bool,
}
