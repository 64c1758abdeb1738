//! The agent beside HAProxy, and HAProxy's configuration.

use std::path::PathBuf;

use clap::Subcommand;

use writerlink_core::actuation::relay::RelayName;

/// The agent.
#[derive(Debug, clap::Args)]
pub struct RelayArgs {
    /// What else than running the agent
    #[command(subcommand)]
    pub command: Option<RelayCommand>,
    /// The relay's name in reports; the ECS task's id or the host's name unless given
    #[arg(long, value_name = "NAME", value_parser = relay_name)]
    pub name: Option<RelayName>,
}

/// About HAProxy.
#[derive(Debug, Subcommand)]
pub enum RelayCommand {
    /// Print haproxy.cfg for the relay routes of the configuration
    ///
    /// One file for HAProxy 2.6 to 3.2. With --to the file and its Lua script are written into a folder, where HAProxy
    /// reads them; without it the paths are those of infra/relay.yaml.
    #[command(
        after_help = "Example:\n  writerlink relay config --to /run/haproxy && haproxy -c -f /run/haproxy/haproxy.cfg"
    )]
    Config {
        /// Write haproxy.cfg and writerlink.lua into this folder
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
}

fn relay_name(text: &str) -> Result<RelayName, String> {
    RelayName::new(text).map_err(str::to_owned)
}
