//! `audit`: what is recorded, for people and for their tools.

pub(super) mod list;
mod show;
pub(super) mod verify;
mod view;

#[cfg(test)]
mod tests;

use super::args::{Audit as AuditCommand, Output};
use super::failure::{Exit, Failure};
use super::{Books, Session};
use crate::config::Config;
use crate::domain::route::RouteName;
use crate::ports::{Audit, AuditQuery, CallError, Page};
use crate::records::{PAGE_RECORDS, SCAN_RECORDS_MAX};

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
    audit.page(query, limit, cursor).await.map_err(unreadable)
}

fn unreadable(error: CallError) -> Failure {
    Failure::call("reading the audit records", error)
}
