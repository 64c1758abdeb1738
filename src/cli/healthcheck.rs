//! `healthcheck`: whether the worker on this machine works.

use serde::Serialize;

use crate::cli::Session;
use crate::cli::args::Global;
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Row};
use writerlink_engine::health;

/// What the worker says of itself.
#[derive(Default, Serialize)]
struct HealthRow {
    address: String,
    status: &'static str,
    answer: String,
}

impl Row for HealthRow {
    fn cells(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ADDRESS", self.address.clone()),
            ("STATUS", self.status.to_owned()),
            ("ANSWER", self.answer.clone()),
        ]
    }
}

/// Asks it. What it says goes to standard output, well or not, since ECS keeps the output of a failed check.
pub(super) async fn run(global: &Global, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let address = config.worker.health_address;
    let asked = health::ask(address).await;
    let status = if asked.is_ok() { "ok" } else { "unwell" };
    let answer = match &asked {
        Ok(answer) => answer.clone(),
        Err(error) => error.to_string(),
    };
    let rows = [HealthRow { address: address.to_string(), status, answer }];
    Listing::of("health", &rows).write(global.output, session.out)?;
    asked.map(|_| Exit::Done).map_err(|error| {
        Failure::told(
            format!("the worker at {address} is not well"),
            error.to_string(),
            "see its log; it has to run with the same worker.health_address",
            Exit::Error,
        )
    })
}
