//! `audit list`: records, newest first.
//!
//! What is wanted is looked for in the records' own texts, not by a filter of `DynamoDB`: a filter reads and costs the same,
//! and it goes by columns, which somebody may have edited.

use std::time::Duration;

use crate::cli::Session;
use crate::cli::args::{Cursor, List, Output};
use crate::cli::audit::view::RecordRow;
use crate::cli::audit::{PAGE_RECORDS, SCAN_RECORDS_MAX, page, seek, unreadable};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::Listing;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::time::{CLOCK_SKEW_MAX, Timestamp};
use writerlink_engine::ports::{AuditQuery, AuditReader, StoredRecord};

/// How many days a list over all routes goes back if nothing is said: it asks at least once for every day.
const DAYS_DEFAULT: u32 = 7;

/// How often a list may ask: once for each day of more than a year. A Query that finds nothing costs half a read unit.
const QUERIES_MAX: usize = 500;

const DAY: Duration = Duration::from_hours(24);

/// The least that tells two times apart.
const MILLISECOND: Duration = Duration::from_millis(1);

/// Lists what is wanted.
#[cfg(feature = "embedded")]
pub(in crate::cli) async fn run(
    audit: &dyn AuditReader,
    wanted: &List,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let found = find(audit, wanted, session.now).await?;
    tell(&found, wanted, output, session)?;
    Ok(Exit::Done)
}

/// Writes what was found.
pub(super) fn tell(
    found: &Found,
    wanted: &List,
    output: Output,
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    let rows: Vec<RecordRow> = found.records.iter().map(RecordRow::of).collect();
    let next = found.next.as_ref().map(ToString::to_string);
    let rows = Listing { name: "records", rows: &rows, next: next.as_deref() };
    rows.write(output, session.out)?;
    if let Some(text) = postscript(found, wanted) {
        session.remark(&text)?;
    }
    Ok(())
}

fn postscript(found: &Found, wanted: &List) -> Option<String> {
    match &found.next {
        Some(next) if found.cut_short => Some(format!(
            "read {} records with {} queries; go on with --cursor {next}",
            found.looked_at, found.queries
        )),
        Some(next) => Some(format!("there may be more; go on with --cursor {next}")),
        None if wanted.route.is_none() && wanted.since.is_none() => Some(match wanted.until {
            None => format!("these are the last {DAYS_DEFAULT} days; --since goes further back"),
            Some(_) => {
                format!("these are the {DAYS_DEFAULT} days before; --since goes further back")
            }
        }),
        None => None,
    }
}

/// What was found, and where it ends.
#[derive(Default)]
pub(super) struct Found {
    records: Vec<StoredRecord>,
    /// Where the rest begins.
    next: Option<Cursor>,
    /// Whether it ended for what it had read.
    cut_short: bool,
    looked_at: usize,
    queries: usize,
}

impl Found {
    /// Whether there was no record at all, wanted or not.
    pub(super) fn saw_nothing(&self) -> bool {
        self.looked_at == 0
    }
}

pub(super) async fn find(audit: &dyn AuditReader, wanted: &List, now: Timestamp) -> Result<Found, Failure> {
    let mut found = Found::default();
    let Some(mut pages) = Pages::first(audit, wanted, now).await? else {
        return Ok(found);
    };
    loop {
        if found.looked_at >= SCAN_RECORDS_MAX || found.queries >= QUERIES_MAX {
            found.cut_short = true;
            found.next = Some(pages.place);
            return Ok(found);
        }
        let records = pages.read(audit, page_size(wanted, &found)).await?;
        found.queries += 1;
        for stored in records {
            let at = stored.record.entry.at;
            // A route's records are in the order of its chain, and their times by clocks that may differ.
            if at.plus(CLOCK_SKEW_MAX) < pages.since {
                return Ok(found);
            }
            if found.records.len() >= wanted.limit as usize {
                found.next = Some(pages.place);
                return Ok(found);
            }
            found.looked_at += 1;
            pages.place = behind(&stored);
            if at >= pages.since && at < pages.until && fits(&stored, wanted) {
                found.records.push(stored);
            }
        }
        if !pages.turn() {
            return Ok(found);
        }
        if found.records.len() >= wanted.limit as usize {
            found.next = Some(pages.place);
            return Ok(found);
        }
    }
}

/// One more than is missing, to know whether there are more; whole pages where most records may not be wanted.
fn page_size(wanted: &List, found: &Found) -> u32 {
    let filtered = wanted.outcome.is_some() || wanted.cause.is_some() || wanted.instance.is_some();
    if filtered {
        return PAGE_RECORDS;
    }
    let found = u32::try_from(found.records.len()).unwrap_or(u32::MAX);
    let missing = wanted.limit.saturating_sub(found);
    missing.saturating_add(1).min(PAGE_RECORDS)
}

fn fits(stored: &StoredRecord, wanted: &List) -> bool {
    let entry = &stored.record.entry;
    let instance = entry.desired.as_ref().map(|(instance, _)| instance);
    wanted.outcome.is_none_or(|outcome| entry.outcome == Some(outcome))
        && wanted.cause.is_none_or(|cause| entry.cause == cause)
        && (wanted.instance.is_none() || wanted.instance.as_ref() == instance)
}

/// The place behind a record.
fn behind(stored: &StoredRecord) -> Cursor {
    let record = &stored.record;
    Cursor { at: record.entry.at, record: Some((record.route.clone(), record.seq)) }
}

/// The pages that an answer is read from: those of a route's chain, or those of one day after the other.
struct Pages {
    query: AuditQuery,
    /// Where the query's next page begins.
    inner: Option<String>,
    /// The day that is read, over all routes.
    day: Option<Timestamp>,
    since: Timestamp,
    until: Timestamp,
    /// What was looked at so far.
    place: Cursor,
}

impl Pages {
    /// None, if there is nothing in front of the place that was asked for.
    async fn first(audit: &dyn AuditReader, wanted: &List, now: Timestamp) -> Result<Option<Self>, Failure> {
        let since = wanted.since.map(|since| since.instant(now));
        let until = wanted.until.map(|until| until.instant(now));
        // A writer's clock may be ahead of ours, over midnight.
        let end = until.unwrap_or_else(|| now.plus(CLOCK_SKEW_MAX).plus(MILLISECOND));
        let place = wanted.cursor.clone().unwrap_or(Cursor { at: end, record: None });
        let pages = Self {
            query: AuditQuery::Day { day: String::new() },
            inner: None,
            day: None,
            since: since.unwrap_or(Timestamp::EPOCH),
            until: until.unwrap_or_else(|| Timestamp::from_millis(i64::MAX)),
            place,
        };
        match &wanted.route {
            Some(route) => pages.of_route(audit, route, wanted).await,
            None => Ok(Some(
                Self { since: since.unwrap_or_else(|| end.minus(DAY * DAYS_DEFAULT)), ..pages }.of_days(),
            )),
        }
    }

    async fn of_route(
        self,
        audit: &dyn AuditReader,
        route: &RouteName,
        wanted: &List,
    ) -> Result<Option<Self>, Failure> {
        let before = match (&wanted.cursor, wanted.until) {
            (Some(cursor), _) => Some(seq_of(cursor, route)?),
            (None, Some(_)) => Some(seek::all_after(audit, route, self.until).await?),
            (None, None) => None,
        };
        let route = route.clone();
        let query = match before {
            None => AuditQuery::Newest { route },
            Some(0 | 1) => return Ok(None),
            Some(before) => AuditQuery::NewestFrom { route, seq: before - 1 },
        };
        Ok(Some(Self { query, ..self }))
    }

    fn of_days(self) -> Self {
        let Cursor { at, record } = self.place.clone();
        // Behind all of a day is the end of the day before it.
        let day = if record.is_some() { at } else { at.minus(MILLISECOND) };
        let query = AuditQuery::DayBefore { day: day.day(), at, record };
        let day = Some(day);
        Self { query, day, ..self }
    }

    async fn read(&mut self, audit: &dyn AuditReader, limit: u32) -> Result<Vec<StoredRecord>, Failure> {
        let mut read = page(audit, &self.query, limit, self.inner.as_deref()).await?;
        self.inner = read.next.take();
        read.records().map_err(unreadable)
    }

    /// Goes to the next page, if there is one: the day before follows a day's last page.
    fn turn(&mut self) -> bool {
        if self.inner.is_some() {
            return true;
        }
        let Some(day) = self.day.filter(|day| day.day() > self.since.day()) else {
            return false;
        };
        let day = day.minus(DAY);
        self.query = AuditQuery::Day { day: day.day() };
        self.day = Some(day);
        // Everything of the day that was read is behind.
        if let Some(midnight) = Timestamp::parse_day(&day.plus(DAY).day()) {
            self.place = Cursor { at: midnight, record: None };
        }
        true
    }
}

/// Which record of the route a cursor stands behind.
fn seq_of(cursor: &Cursor, route: &RouteName) -> Result<u64, Failure> {
    match &cursor.record {
        Some((of, seq)) if of == route => Ok(*seq),
        Some(_) | None => Err(Failure::told(
            format!("there is no place {cursor} among the records of {route}"),
            "a cursor goes on with the list that printed it",
            "repeat the command that printed the cursor, with the same options and --cursor",
            Exit::Usage,
        )),
    }
}
