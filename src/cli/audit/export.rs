//! `audit export`: records written out, oldest first, a page at a time.

mod kept;
pub(super) mod line;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};

use tokio::sync::watch;

use crate::cli::Session;
use crate::cli::args::{Export, Output};
use crate::cli::audit::chain::{AT_THE_SEAM, IN_THE_TABLE, broken};
use crate::cli::audit::export::kept::{ArchivedFile, Places};
use crate::cli::audit::progress::Progress;
use crate::cli::audit::view::RecordRow;
use crate::cli::audit::{AuditContext, go_on_after, no_such_output, places, seek, unreadable};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{csv_line, heading};
use writerlink_core::model::names::RouteName;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::audit_chain::{ChainDefect, ChainStep, ChainWalk, Follower};
use writerlink_engine::ports::{AuditReader, StoredRecord};

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Jsonl,
    Csv,
}

impl Form {
    /// One JSON object is no form for what is never held in memory as a whole.
    fn of(output: Output) -> Result<Self, Failure> {
        match output {
            // What is asked for if nothing is.
            Output::Table | Output::Jsonl => Ok(Self::Jsonl),
            Output::Csv => Ok(Self::Csv),
            Output::Json => Err(no_such_output("audit export", "json", "jsonl, or csv")),
        }
    }

    fn heading(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Jsonl => Ok(()),
            Self::Csv => writeln!(out, "{}", heading::<RecordRow>()?),
        }
    }

    fn record(self, stored: &StoredRecord, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Jsonl => line::write(stored, out),
            Self::Csv => csv_line(&RecordRow::of(stored), out),
        }
    }
}

/// Writes the records that are wanted.
pub(super) async fn run(
    desk: &AuditContext<'_>,
    wanted: &Export,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let form = Form::of(output)?;
    let routes = desk.routes(wanted.route.as_slice()).await?;
    let after = places(&wanted.after, &routes)?;
    let mut clerk = Exporter::at_work(wanted, form, after, session)?;
    clerk.begin(session)?;
    let mut failed = None;
    for route in &routes {
        match clerk.write_out(desk.books.audit.as_ref(), route, session).await {
            Ok(Ended::AtTheEnd) => {}
            Ok(Ended::Stopped) => {
                failed = Some(stopped());
                break;
            }
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    clerk.end(failed, session)
}

/// How the records of a route came to an end.
enum Ended {
    AtTheEnd,
    Stopped,
}

fn stopped() -> Failure {
    Failure::told(
        "the export was stopped",
        "somebody asked for it",
        "repeat the command to go on, with what is said above",
        Exit::Error,
    )
}

/// Whoever writes the records out, and keeps account of it.
struct Exporter<'a> {
    wanted: &'a Export,
    form: Form,
    file: Option<BufWriter<File>>,
    fresh: bool,
    torn: u64,
    /// What the file had before.
    had: Places,
    /// The last record of each route that was written, now or before.
    places: BTreeMap<RouteName, u64>,
    written: u64,
    faults: BTreeMap<RouteName, ChainDefect>,
    stops: watch::Receiver<u32>,
    progress: Progress,
}

impl<'a> Exporter<'a> {
    fn at_work(
        wanted: &'a Export,
        form: Form,
        after: BTreeMap<RouteName, u64>,
        session: &Session<'_>,
    ) -> Result<Self, Failure> {
        let mut clerk = Self {
            wanted,
            form,
            file: None,
            fresh: true,
            torn: 0,
            had: Places::new(),
            places: after,
            written: 0,
            faults: BTreeMap::new(),
            stops: session.connect.process()?.stops,
            progress: Progress::new(session),
        };
        if let Some(path) = &wanted.to {
            let ArchivedFile { file, places, fresh, torn } = kept::open(path, form)?;
            clerk.file = Some(file);
            clerk.fresh = fresh;
            clerk.torn = torn;
            clerk.places = places.iter().map(|(r, head)| (r.clone(), head.seq)).collect();
            clerk.had = places;
        }
        Ok(clerk)
    }

    fn begin(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        if self.torn > 0 {
            let torn = self.torn;
            session.remark(&format!("dropped a torn line of {torn} bytes at the end"))?;
        }
        // Who goes on after a record has the heading already.
        if self.fresh && self.wanted.after.is_empty() {
            let form = self.form;
            self.out(session, |out| form.heading(out))?;
        }
        Ok(())
    }

    /// Lets something be written to the file, or else to standard output.
    fn out(
        &mut self,
        session: &mut Session<'_>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match &mut self.file {
            Some(file) => write(file),
            None => write(session.out),
        }
    }

    async fn write_out(
        &mut self,
        audit: &dyn AuditReader,
        route: &RouteName,
        session: &mut Session<'_>,
    ) -> Result<Ended, Failure> {
        let since = self.wanted.since.map(|since| since.instant(session.now));
        let until = self.wanted.until.map(|until| until.instant(session.now));
        let (mut walk, mut chain) = self.way(audit, route, since).await?;
        // In a file with older records those decide where to go on.
        let mut skip = since.filter(|_| !self.places.contains_key(route));
        loop {
            if *self.stops.borrow() > 0 {
                return Ok(Ended::Stopped);
            }
            let records = match walk.go_on(audit).await.map_err(unreadable)? {
                ChainStep::Records(records) => records,
                ChainStep::Missing { expected, found } => {
                    self.fault(route, ChainDefect::missing(expected, found));
                    chain = Follower::anywhere();
                    continue;
                }
                ChainStep::Unreadable(row) => {
                    self.fault(route, ChainDefect::unreadable(&row));
                    chain = Follower::anywhere();
                    continue;
                }
                ChainStep::End => return Ok(Ended::AtTheEnd),
            };
            self.progress.clear(session)?;
            for stored in &records {
                let at = stored.record.entry.at;
                if skip.is_some_and(|since| at < since) {
                    chain = Follower::anywhere();
                    continue;
                }
                skip = None;
                if until.is_some_and(|until| at >= until) {
                    return Ok(Ended::AtTheEnd);
                }
                self.record(&mut chain, stored, session)?;
            }
            self.flush(session)?;
            self.show(session)?;
        }
    }

    /// Where to begin with a route, and what its first record has to continue.
    async fn way(
        &self,
        audit: &dyn AuditReader,
        route: &RouteName,
        since: Option<Timestamp>,
    ) -> Result<(ChainWalk, Follower), Failure> {
        let from = match (self.places.get(route), since) {
            (Some(seq), _) => seq + 1,
            (None, Some(since)) => seek::none_missed_since(audit, route, since).await?,
            (None, None) => 1,
        };
        let chain = match self.had.get(route) {
            Some(head) => Follower::after(*head),
            None => Follower::from(from),
        };
        Ok((ChainWalk::from(route.clone(), from), chain))
    }

    fn record(
        &mut self,
        chain: &mut Follower,
        stored: &StoredRecord,
        session: &mut Session<'_>,
    ) -> Result<(), Failure> {
        let (form, record) = (self.form, &stored.record);
        self.out(session, |out| form.record(stored, out))?;
        self.places.insert(record.route.clone(), record.seq);
        self.written += 1;
        if let Err(fault) = chain.take(stored) {
            self.fault(&record.route, fault);
        }
        Ok(())
    }

    /// The first fault of a route is told at the end. What comes after it is written all the same: an export of a
    /// chain that was tampered with is evidence.
    fn fault(&mut self, route: &RouteName, fault: ChainDefect) {
        self.faults.entry(route.clone()).or_insert(fault);
    }

    fn flush(&mut self, session: &mut Session<'_>) -> io::Result<()> {
        self.out(session, |out| out.flush())
    }

    fn show(&mut self, session: &mut Session<'_>) -> io::Result<()> {
        let text = format!("{} records", self.written);
        self.progress.show(&text, session)
    }

    /// Says what was written and how to go on, whatever happened.
    fn end(mut self, failed: Option<Failure>, session: &mut Session<'_>) -> Result<Exit, Failure> {
        self.progress.clear(session)?;
        self.flush(session)?;
        if let Some(file) = &self.file {
            file.get_ref().sync_all()?;
        }
        if !matches!(failed, Some(Failure::Output(_))) {
            session.remark(&self.summary())?;
        }
        let faults = self.faults.iter().map(|(route, fault)| (route.as_str(), fault, None));
        // As far as one of them is a fault of the table alone, that is where to look first.
        let at_the_seam = self.faults.iter().all(|(route, fault)| self.is_at_the_seam(route, fault));
        let place = if at_the_seam { AT_THE_SEAM } else { IN_THE_TABLE };
        match failed.or_else(|| broken(faults, place)) {
            Some(failure) => Err(failure),
            None => Ok(Exit::Done),
        }
    }

    /// Whether it is the first record after those that the file had: either side may be the one that was changed.
    fn is_at_the_seam(&self, route: &RouteName, fault: &ChainDefect) -> bool {
        let last = self.had.get(route);
        last.is_some_and(|last| fault.is_at_the_seam_with(last.seq))
    }

    fn summary(&self) -> String {
        let written = match self.written {
            1 => "1 record".to_owned(),
            more => format!("{more} records"),
        };
        if let Some(path) = &self.wanted.to {
            let path = path.display();
            return format!("{written} written to {path}; the same command goes on from there");
        }
        if self.places.is_empty() {
            return format!("{written} written");
        }
        format!("{written} written; go on with {}", go_on_after(&self.places))
    }
}
