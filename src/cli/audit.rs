//! `audit`: what is recorded, for people and for their tools.

pub(super) mod list;
pub(super) mod show;
pub(super) mod verify;
pub(super) mod view;

#[cfg(test)]
mod tests;

use super::args::{Audit as AuditCommand, Output};
use super::failure::{Exit, Failure};
use super::{Books, Session};
use crate::config::Config;
use crate::domain::route::RouteName;
use crate::ports::{Audit, AuditQuery, Page};

/// How many records are read at a time. A record with its steps has some 2 KB, and a page of `DynamoDB` at
/// most 1 MB, so that this is one round trip.
const PAGE_RECORDS: u32 = 100;

/// How many records a question may look at. Beyond it, it ends and says where to go on: a filter that
/// nothing fits must not read (and pay for) years of records unasked.
const SCAN_RECORDS_MAX: usize = 10_000;

/// Does what the command says.
pub(super) async fn run(
    command: AuditCommand,
    output: Output,
    (books, config): (&Books, &Config),
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    match command {
        AuditCommand::List(wanted) => {
            list::run(books.audit.as_ref(), &wanted, output, session).await
        }
        AuditCommand::Show { id } => show::run(books.audit.as_ref(), &id, output, session).await,
        AuditCommand::Verify { route } => {
            let routes = routes_to_verify(route, books.audit.as_ref(), config).await?;
            verify::run(books, &routes, output, session).await
        }
    }
}

/// The route that is named, else those of the configuration. One that is not configured (any more) has to
/// have records: an unknown name has no fault either, and must not be called intact.
async fn routes_to_verify(
    named: Option<RouteName>,
    audit: &dyn Audit,
    config: &Config,
) -> Result<Vec<RouteName>, Failure> {
    let configured: Vec<RouteName> = config.routes.iter().map(|r| r.name.clone()).collect();
    let Some(route) = named else {
        return Ok(configured);
    };
    let newest = AuditQuery::Newest {
        route: route.clone(),
    };
    if !configured.contains(&route) && page(audit, &newest, 1, None).await?.records.is_empty() {
        let known: Vec<&str> = configured.iter().map(RouteName::as_str).collect();
        return Err(Failure::Told {
            what: format!("there is no route {route}"),
            why: "it is not in the configuration, and nothing is recorded of it".to_owned(),
            fix: format!("configured are: {}", known.join(", ")),
            exit: Exit::Error,
        });
    }
    Ok(vec![route])
}

/// A page of records, or the failure as it is told.
async fn page(
    audit: &dyn Audit,
    query: &AuditQuery,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Page, Failure> {
    let page = audit.page(query, limit, cursor).await;
    page.map_err(|error| Failure::call("reading the audit records", error))
}
