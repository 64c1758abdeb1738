//! Which manual pages.

use std::path::PathBuf;

/// Which pages, and where to.
#[derive(Clone, Debug, clap::Args)]
pub struct ManPages {
    /// The command whose page is printed, as it is typed; without one, that of the program
    #[arg(value_name = "COMMAND", conflicts_with = "to")]
    pub command: Vec<String>,
    /// Write the pages of all commands into this directory; it is created if it is not there
    #[arg(long, value_name = "DIRECTORY")]
    pub to: Option<PathBuf>,
}
