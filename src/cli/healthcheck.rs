//! `healthcheck`: whether the worker on this machine works.

use std::net::SocketAddr;

use serde::Serialize;

use super::Session;
use super::args::Global;
use super::failure::{Exit, Failure};
use super::render::{Listing, Row};
use crate::health;

/// What the worker says of itself.
#[derive(Serialize)]
struct HealthRow {
    address: SocketAddr,
    status: &'static str,
    answer: String,
}

impl Row for HealthRow {
    const COLUMNS: &'static [&'static str] = &["ADDRESS", "STATUS", "ANSWER"];
    const FIELDS: &'static [&'static str] = &["address", "status", "answer"];

    fn cells(&self) -> Vec<String> {
        vec![self.address.to_string(), self.status.to_owned(), self.answer.clone()]
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
    let rows = [HealthRow { address, status, answer }];
    let listing = Listing { name: "health", rows: &rows, next: None };
    listing.write(global.output, session.out)?;
    asked.map(|_| Exit::Done).map_err(|error| Failure::Told {
        what: format!("the worker at {address} is not well"),
        why: error.to_string(),
        fix: "see its log; it has to run with the same worker.health_address".to_owned(),
        exit: Exit::Error,
    })
}
