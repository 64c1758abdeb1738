//! What the demo is asked for.

use std::net::SocketAddr;

/// How the demo is played.
#[derive(Clone, Debug, clap::Args)]
pub struct Demo {
    /// Play it the same way again; without it the clock decides
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Then show the page of that world until stopped; without an ADDRESS at 127.0.0.1:8089
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:8089"
    )]
    pub serve: Option<SocketAddr>,
}
