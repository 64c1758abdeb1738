//! `setup`: queue and tables for a trial.

use serde::Serialize;

use crate::cli::args::Global;
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Row};
use crate::cli::{Made, Resource, Session};

#[derive(Default, Serialize)]
struct ResourceRow<'a> {
    kind: &'static str,
    name: &'a str,
    state: &'static str,
}

impl Row for ResourceRow<'_> {
    fn cells(&self) -> Vec<(&'static str, String)> {
        vec![("WHAT", self.kind.to_owned()), ("NAME", self.name.to_owned()), ("STATE", self.state.to_owned())]
    }
}

/// Creates what is missing, and says what was there.
pub(super) async fn run(global: &Global, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let resources = session.connect.set_up(&config).await?;
    let rows: Vec<_> = resources.iter().map(row).collect();
    Listing::of("resources", &rows).write(global.output, session.out)?;
    Ok(Exit::Done)
}

fn row(resource: &Resource) -> ResourceRow<'_> {
    ResourceRow {
        kind: resource.kind,
        name: &resource.name,
        state: match resource.made {
            Made::Created => "created",
            Made::Found => "found",
        },
    }
}
