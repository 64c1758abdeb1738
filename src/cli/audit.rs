//! `audit`: what is recorded, for people and for their tools.

mod chain;
mod export;
pub(super) mod list;
mod offline;
mod phases;
mod progress;
mod seek;
pub(super) mod show;
mod tail;
pub(super) mod verify;
pub(super) mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::cli::args::{AuditCommand, Global, Output, ResumePoint};
use crate::cli::failure::{Exit, Failure};
use crate::cli::{ReadPorts, Session, no_such_route};
use crate::config::Config;
use writerlink_core::model::names::RouteName;
use writerlink_engine::audit_query::{PAGE_RECORDS, SCAN_RECORDS_MAX};
use writerlink_engine::ports::{AuditQuery, AuditReader, NoRecords, Page};

/// Does what the command says.
pub(super) async fn run(
    command: AuditCommand,
    global: &Global,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let output = global.output;
    if let AuditCommand::Verify(wanted) = &command
        && let Some(file) = &wanted.file
    {
        return offline::run(file, output, session);
    }
    let config = session.config(global)?;
    let books = session.connect.books(&config).await?;
    let desk = AuditContext { books: &books, config: &config };
    match command {
        AuditCommand::List(wanted) => desk.list(&wanted, output, session).await,
        AuditCommand::Show { id } => show::run(books.audit.as_ref(), &id, output, session).await,
        AuditCommand::Verify(wanted) => verify::run(&desk, &wanted, output, session).await,
        AuditCommand::Export(wanted) => export::run(&desk, &wanted, output, session).await,
        AuditCommand::Tail(wanted) => tail::run(&desk, &wanted, output, session).await,
    }
}

/// What is recorded, and who is configured to have records.
#[derive(Clone, Copy)]
struct AuditContext<'a> {
    books: &'a ReadPorts,
    config: &'a Config,
}

impl AuditContext<'_> {
    async fn list(
        &self,
        wanted: &crate::cli::args::List,
        output: Output,
        session: &mut Session<'_>,
    ) -> Result<Exit, Failure> {
        let found = list::find(self.books.audit.as_ref(), wanted, session.now).await?;
        if let Some(route) = &wanted.route
            && found.saw_nothing()
            && self.is_without_records(route).await?
        {
            session.remark(&format!("nothing is recorded of route {route} yet"))?;
        }
        list::tell(&found, wanted, output, session)?;
        Ok(Exit::Done)
    }

    fn configured(&self) -> Vec<RouteName> {
        self.config.routes.iter().map(|r| r.name.clone()).collect()
    }

    /// The route that is named, else those of the configuration.
    async fn routes(&self, named: &[RouteName]) -> Result<Vec<RouteName>, Failure> {
        if named.is_empty() {
            return Ok(self.configured());
        }
        for route in named {
            if !self.configured().contains(route) {
                self.is_without_records(route).await?;
            }
        }
        Ok(named.to_vec())
    }

    /// Whether nothing is recorded of a route that is configured. One that is not configured (any more) has to have
    /// records: an unknown name has none and no fault either, and must not be called empty, or intact.
    async fn is_without_records(&self, route: &RouteName) -> Result<bool, Failure> {
        let newest = AuditQuery::Newest { route: route.clone() };
        let newest = page(self.books.audit.as_ref(), &newest, 1, None).await?;
        if newest.rows.is_empty() && !self.configured().contains(route) {
            let why = "it is not in the configuration, and nothing is recorded of it";
            return Err(no_such_route(self.config, route, why));
        }
        Ok(newest.rows.is_empty())
    }
}

/// A page of records, or the failure as it is told.
async fn page(
    audit: &dyn AuditReader,
    query: &AuditQuery,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Page, Failure> {
    audit.page(query, limit, cursor).await.map_err(unreadable)
}

fn unreadable(error: impl Into<NoRecords>) -> Failure {
    match error.into() {
        NoRecords::Call(error) => Failure::call("reading the audit records", error),
        NoRecords::Row(row) => chain::no_record(&row),
    }
}

/// The record of each route to go on after. A place without a route is of the only one.
fn places(after: &[ResumePoint], routes: &[RouteName]) -> Result<BTreeMap<RouteName, u64>, Failure> {
    let mut places = BTreeMap::new();
    for place in after {
        let route = match (&place.route, routes) {
            (Some(route), routes) if routes.contains(route) => route,
            (Some(route), _) => {
                return Err(unplaced(&format!("{route} is none of the routes asked for")));
            }
            (None, [only]) => only,
            (None, _) => return Err(unplaced("a number says nothing about several routes")),
        };
        places.insert(route.clone(), place.seq);
    }
    Ok(places)
}

fn unplaced(why: &str) -> Failure {
    Failure::told(
        "there is no such record to go on after",
        why.to_owned(),
        "write --after ROUTE/SEQ,ROUTE/SEQ, as it was printed by the command that ended there",
        Exit::Usage,
    )
}

/// `--after` for whoever goes on here.
fn go_on_after(places: &BTreeMap<RouteName, u64>) -> String {
    let places: Vec<String> = places.iter().map(|(route, seq)| format!("{route}/{seq}")).collect();
    format!("--after {}", places.join(","))
}

/// A form of output that a command has not.
fn no_such_output(command: &str, output: &str, instead: &str) -> Failure {
    Failure::told(
        format!("{command} does not write {output}"),
        "it writes records as it reads them, and that form needs all of them at once",
        format!("write --output {instead}"),
        Exit::Usage,
    )
}
