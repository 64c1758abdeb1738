//! `audit tail`: records as they are written.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use crate::cli::Session;
use crate::cli::args::{Output, Tail};
use crate::cli::audit::verify::head;
use crate::cli::audit::view::RecordRow;
use crate::cli::audit::{AuditContext, go_on_after, no_such_output, places, seek};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Row as _, clean, csv_line, heading, json_line};
use crate::cli::run::asked;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::audit_chain::{ChainStep, ChainWalk};
use writerlink_engine::ports::{AuditReader, CallError, ErrorKind, StoredRecord};

/// How wide the columns of a line are, which cannot know what comes: a hundred columns in all. A longer value pushes the
/// rest of its line aside.
const WIDTHS: [usize; 6] = [24, 18, 14, 14, 12, 8];

/// Follows new records until somebody asks to stop. Only the waiting and the reading are raced with that: a line is
/// written whole.
pub(super) async fn run(
    desk: &AuditContext<'_>,
    wanted: &Tail,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    if output == Output::Json {
        return Err(no_such_output("audit tail", "json", "jsonl"));
    }
    let routes = desk.routes(wanted.route.as_slice()).await?;
    let stops = session.connect.process()?.stops;
    let mut tail = Following::begin(desk, wanted, (&routes, output), session.now).await?;
    session.remark(&tail.announcement(wanted.every))?;
    tail.heading(session.out)?;
    let every = Duration::from_secs(wanted.every);
    loop {
        tokio::select! {
            biased;
            () = asked(stops.clone(), 1) => break,
            read = tail.round(desk.books.audit.as_ref(), session) => read?,
        }
        tokio::select! {
            biased;
            () = asked(stops.clone(), 1) => break,
            () = tokio::time::sleep(every) => {}
        }
    }
    session.out.flush()?;
    session.remark(&tail.summary())?;
    Ok(Exit::Done)
}

/// The routes that are followed, each from where it is.
struct Following {
    walks: Vec<ChainWalk>,
    output: Output,
    /// The first record that is wanted by its time, of each route where it was not met yet.
    since: BTreeMap<RouteName, Timestamp>,
    places: BTreeMap<RouteName, u64>,
}

impl Following {
    async fn begin(
        desk: &AuditContext<'_>,
        wanted: &Tail,
        (routes, output): (&[RouteName], Output),
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let mut places = places(&wanted.after, routes)?;
        let since = wanted.since.map(|since| since.instant(now));
        let mut tail = Self { walks: Vec::new(), output, since: BTreeMap::new(), places: BTreeMap::new() };
        for route in routes {
            let before = match (places.remove(route), since) {
                (Some(seq), _) => seq,
                (None, Some(since)) => {
                    let audit = desk.books.audit.as_ref();
                    let first = seek::none_missed_since(audit, route, since).await?;
                    tail.since.insert(route.clone(), since);
                    first.saturating_sub(1)
                }
                (None, None) => head(desk.books, route).await?.seq,
            };
            tail.walks.push(ChainWalk::from(route.clone(), before + 1));
            tail.places.insert(route.clone(), before);
        }
        Ok(tail)
    }

    /// Who sees nothing for a while should know that this is what there is.
    fn announcement(&self, every: u64) -> String {
        let what = match &self.walks[..] {
            [walk] => format!("route {}", walk.route()),
            walks => format!("{} routes", walks.len()),
        };
        format!("following {what}, every {every} s; Ctrl-C ends it")
    }

    fn heading(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.output {
            Output::Csv => writeln!(out, "{}", heading::<RecordRow>()?),
            Output::Table | Output::Json | Output::Jsonl => Ok(()),
        }
    }

    /// Reads what every route has that is new.
    async fn round(&mut self, audit: &dyn AuditReader, session: &mut Session<'_>) -> Result<(), Failure> {
        for walk in &mut self.walks {
            loop {
                let route = walk.route().clone();
                let records = match walk.go_on(audit).await {
                    Ok(ChainStep::Records(records)) => records,
                    Ok(ChainStep::End) => break,
                    Ok(ChainStep::Missing { expected, found }) => {
                        let what = format!("{route}/{expected} is missing, {route}/{found} is there");
                        session.remark(&format!("{what}; ask `writerlink audit verify {route}`"))?;
                        continue;
                    }
                    Ok(ChainStep::Unreadable(row)) => {
                        session.remark(&format!("{row}; ask `writerlink audit verify {route}`"))?;
                        continue;
                    }
                    Err(error) => {
                        passes(error, session)?;
                        break;
                    }
                };
                for stored in &records {
                    let since = self.since.get(&route);
                    if since.is_none_or(|since| stored.record.entry.at >= *since) {
                        self.since.remove(&route);
                        write(self.output, stored, session.out)?;
                    }
                    self.places.insert(route.clone(), stored.record.seq);
                }
                session.out.flush()?;
            }
        }
        Ok(())
    }

    fn summary(&self) -> String {
        let after = go_on_after(&self.places);
        format!("stopped; the same command goes on with {after}")
    }
}

/// What may get better by itself is told and waited out; the rest ends it.
fn passes(error: CallError, session: &mut Session<'_>) -> Result<(), Failure> {
    match error.kind {
        ErrorKind::Unreachable | ErrorKind::Throttled => {
            session.remark(&format!("{error}; trying again"))?;
            Ok(())
        }
        ErrorKind::Denied | ErrorKind::Missing | ErrorKind::Invalid => {
            Err(Failure::call("reading the audit records", error))
        }
    }
}

fn write(output: Output, stored: &StoredRecord, out: &mut dyn Write) -> io::Result<()> {
    let row = RecordRow::of(stored);
    match output {
        Output::Csv => csv_line(&row, out),
        Output::Jsonl | Output::Json => json_line(&row, out),
        Output::Table => {
            let cells: Vec<String> = row.cells().iter().map(|(_, cell)| clean(cell)).collect();
            let columns = cells.iter().zip(WIDTHS);
            let line: Vec<String> = columns.map(|(c, width)| format!("{c:<width$}")).collect();
            writeln!(out, "{}", line.join("  ").trim_end())
        }
    }
}
