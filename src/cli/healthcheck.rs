//! `healthcheck`: whether the worker on this machine works.

use super::Session;
use super::args::Global;
use super::failure::{Exit, Failure};
use crate::{config, health};

/// Asks it.
pub(super) async fn run(global: &Global, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let config = config::read(global.config.as_deref(), session.env)?.config;
    let address = config.worker.health_address;
    let answer = health::ask(address).await.map_err(|error| Failure::Told {
        what: format!("the worker at {address} is not well"),
        why: error.to_string(),
        fix: "see its log; it has to run with the same worker.health_address".to_owned(),
        exit: Exit::Error,
    })?;
    writeln!(session.out, "{answer}")?;
    Ok(Exit::Done)
}
