//! `adopt`: a person has a route's chain continued behind rows that do not verify.

use std::io::Write;

use serde::Serialize;

use super::{confirm, nobody_to_ask};
use crate::cli::args::{Adopt, Global, Output};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Row};
use crate::cli::run::author;
use crate::cli::{Answers, Session, configured};
use crate::domain::lease::Owner;
use crate::domain::route::Route;
use crate::domain::transition::RouteState;
use crate::reconcile::{Adopted, Adopting, Adoption, LedgerRepair};

/// What would be adopted, or was.
#[derive(Serialize)]
struct AdoptRow {
    route: String,
    /// `adopt`, `adopted`, or `nothing`.
    action: &'static str,
    /// Where the state ends.
    head_seq: u64,
    head_hash: String,
    newest_row: u64,
    /// The last record that verifies.
    verified_seq: u64,
    /// How many rows behind it are passed over.
    skipped: u64,
    /// The number of the record that says so.
    record_seq: Option<u64>,
    /// Where the route should point afterwards.
    instance: Option<String>,
    target: Option<String>,
    note: String,
}

impl Row for AdoptRow {
    const COLUMNS: &'static [&'static str] =
        &["ROUTE", "ACTION", "HEAD", "NEWEST", "VERIFIED", "RECORD", "DESIRED", "NOTE"];
    const FIELDS: &'static [&'static str] = &[
        "route",
        "action",
        "head_seq",
        "head_hash",
        "newest_row",
        "verified_seq",
        "skipped",
        "record_seq",
        "instance",
        "target",
        "note",
    ];

    fn cells(&self) -> Vec<String> {
        let dash = || "-".to_owned();
        let desired = self.instance.as_ref().zip(self.target.as_ref());
        vec![
            self.route.clone(),
            self.action.to_owned(),
            self.head_seq.to_string(),
            self.newest_row.to_string(),
            self.verified_seq.to_string(),
            self.record_seq.map_or_else(dash, |seq| seq.to_string()),
            desired.map_or_else(dash, |(instance, target)| format!("{instance} at {target}")),
            self.note.clone(),
        ]
    }
}

impl AdoptRow {
    fn of(adoption: &Adoption) -> Self {
        let needed = adoption.trouble.is_some();
        Self {
            action: if needed { "adopt" } else { "nothing" },
            record_seq: needed.then(|| adoption.seq()),
            newest_row: adoption.newest,
            verified_seq: adoption.rebuilt.chain.seq,
            skipped: adoption.skipped,
            note: adoption.what(),
            ..Self::of_state(&adoption.state, &adoption.rebuilt)
        }
    }

    fn of_state(state: &RouteState, after: &RouteState) -> Self {
        let desired = after.control.desired.as_ref();
        Self {
            route: state.route.to_string(),
            action: "adopted",
            head_seq: state.chain.seq,
            head_hash: state.chain.hash.to_string(),
            newest_row: state.chain.seq,
            verified_seq: state.chain.seq,
            skipped: 0,
            record_seq: Some(state.chain.seq),
            instance: desired.map(|desired| desired.instance.to_string()),
            target: desired.map(|desired| desired.target.to_string()),
            note: format!(
                "the chain goes on with record {}; `writerlink audit verify` still names the rows before it",
                state.chain.seq
            ),
        }
    }
}

/// Shows, asks, has the chain continued, and tells.
pub(in crate::cli) async fn run(
    wanted: Adopt,
    global: &Global,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let route = configured(&config, &wanted.route)?;
    if !wanted.yes && !wanted.dry_run && session.answers == Answers::Nobody {
        return Err(nobody_to_ask("adopt"));
    }
    let by = session.connect.identity(&config).await?;
    let ports = session.connect.ports(&config).await?;
    if !wanted.yes {
        let planner = LedgerRepair::new(&ports, Owner::new("plan"));
        let adoption = planner.adoption(route).await;
        let adoption = adoption.map_err(|error| failed("planning", route, error))?;
        let row = AdoptRow::of(&adoption);
        if wanted.dry_run || adoption.trouble.is_none() {
            write(&row, global.output, session.out)?;
            return Ok(Exit::Done);
        }
        write(&row, Output::Table, session.err)?;
        let order = format!("adopt by {by}: {}", wanted.reason);
        confirm(&order, session)?;
    }
    let process = session.connect.process()?;
    let adopter = LedgerRepair::new(&ports, author(&config, process.owner));
    let adopting = Adopting { at: ports.clock.wall(), by, reason: wanted.reason };
    let ended = adopter.adopt(route, &adopting).await;
    let row = match ended.map_err(|error| failed("adopting", route, error))? {
        Adopted::Done(state) => AdoptRow::of_state(&state, &state),
        Adopted::Nothing(adoption) => AdoptRow::of(&adoption),
    };
    write(&row, global.output, session.out)?;
    Ok(Exit::Done)
}

fn failed(doing: &str, route: &Route, error: crate::ports::CallError) -> Failure {
    let doing = format!("{doing} the ledger of route {}", route.name);
    Failure::call(&doing, error)
}

fn write(row: &AdoptRow, output: Output, out: &mut dyn Write) -> std::io::Result<()> {
    let rows = Listing { name: "adoptions", rows: &[row], next: None };
    rows.write(output, out)
}
