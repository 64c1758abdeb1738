//! What `check` is to look at.

use crate::cli::args::route_name;
use writerlink_core::model::names::RouteName;

/// Which part, and how strictly.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// This route alone, with what all routes share
    #[arg(long, value_parser = route_name)]
    pub route: Option<RouteName>,
    /// End with 1 for a warning too, and for what could not be read
    #[arg(long)]
    pub strict: bool,
    /// Show every line, and not only the problems
    #[arg(long, short)]
    pub verbose: bool,
    /// Try no write, not even one that has to be refused
    #[arg(long)]
    pub read_only: bool,
}
