//! `adopt`: a person has a route's chain continued behind rows that do not verify.

use std::io::Write;

use serde::Serialize;

use crate::cli::args::{Adopt, Global, Output};
use crate::cli::failure::{Exit, Failure};
use crate::cli::orders::{confirm, nobody_to_ask};
use crate::cli::render::{Listing, Row, or_dash};
use crate::cli::run::author;
use crate::cli::{Answers, Session, configured};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::route::Route;
use writerlink_engine::attempt::{Adopted, Adopting, Adoption, LedgerRepair};

/// What would be adopted, or was.
#[derive(Default, Serialize)]
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
    fn cells(&self) -> Vec<(&'static str, String)> {
        let desired = self.instance.as_ref().zip(self.target.as_ref());
        vec![
            ("ROUTE", self.route.clone()),
            ("ACTION", self.action.to_owned()),
            ("HEAD", self.head_seq.to_string()),
            ("NEWEST", self.newest_row.to_string()),
            ("VERIFIED", self.verified_seq.to_string()),
            ("RECORD", or_dash(self.record_seq)),
            ("DESIRED", or_dash(desired.map(|(instance, target)| format!("{instance} at {target}")))),
            ("NOTE", self.note.clone()),
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

fn failed(doing: &str, route: &Route, error: writerlink_engine::ports::CallError) -> Failure {
    let doing = format!("{doing} the ledger of route {}", route.name);
    Failure::call(&doing, error)
}

fn write(row: &AdoptRow, output: Output, out: &mut dyn Write) -> std::io::Result<()> {
    Listing::of("adoptions", std::slice::from_ref(row)).write(output, out)
}
