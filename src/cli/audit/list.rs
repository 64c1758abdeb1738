//! `audit list`: records, newest first.

use std::time::Duration;

use super::view::RecordRow;
use super::{PAGE_RECORDS, SCAN_RECORDS_MAX, page};
use crate::cli::Session;
use crate::cli::args::{List, Output};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::Listing;
use crate::domain::lease::CLOCK_SKEW_MAX;
use crate::domain::time::Timestamp;
use crate::ports::{Audit, AuditQuery, StoredRecord};

/// How far back a list over all routes goes if nothing is said: it asks once for every day.
const DAYS_DEFAULT: u32 = 7;

const DAY: Duration = Duration::from_hours(24);

/// Lists what is wanted.
pub(in crate::cli) async fn run(
    audit: &dyn Audit,
    wanted: &List,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let found = find(audit, wanted, session.now).await?;
    let rows: Vec<RecordRow> = found.records.iter().map(RecordRow::of).collect();
    let rows = Listing {
        name: "records",
        rows: &rows,
        next: found.next.as_deref(),
    };
    rows.write(output, session.out)?;
    if let Some(text) = postscript(&found, wanted) {
        session.remark(&text)?;
    }
    Ok(Exit::Done)
}

fn postscript(found: &Found, wanted: &List) -> Option<String> {
    match &found.next {
        Some(next) if found.cut_short => Some(format!(
            "{SCAN_RECORDS_MAX} records were looked at; go on with --cursor '{next}'"
        )),
        Some(next) => Some(format!("there are more; go on with --cursor '{next}'")),
        None if wanted.route.is_none() && wanted.since.is_none() => Some(format!(
            "these are the last {DAYS_DEFAULT} days; --since goes further back"
        )),
        None => None,
    }
}

/// What was found, and where it ends.
struct Found {
    records: Vec<StoredRecord>,
    /// Where the rest begins.
    next: Option<String>,
    /// Whether it ended for the number of records looked at.
    cut_short: bool,
}

async fn find(audit: &dyn Audit, wanted: &List, now: Timestamp) -> Result<Found, Failure> {
    let mut position = Position::first(wanted, now)?;
    let mut found = Found {
        records: Vec::new(),
        next: None,
        cut_short: false,
    };
    let mut looked_at = 0;
    loop {
        let page = page(
            audit,
            &position.query,
            PAGE_RECORDS,
            position.cursor.as_deref(),
        )
        .await?;
        let (taken, stop) = take(&page.records, wanted, &position, &mut found.records);
        looked_at += taken;
        let next = match stop {
            Stop::TooOld => None,
            Stop::Enough if taken < page.records.len() => position.behind(audit, taken).await?,
            Stop::Enough | Stop::PageEnds => position.after(page.next),
        };
        let full = matches!(stop, Stop::Enough);
        found.cut_short = !full && looked_at >= SCAN_RECORDS_MAX;
        match next {
            Some(next) if !full && !found.cut_short => position = next,
            next => {
                found.next = next.map(|next| next.to_string());
                return Ok(found);
            }
        }
    }
}

/// Why a page is not read any further.
enum Stop {
    /// Everything on it was looked at.
    PageEnds,
    /// As many as wanted were found.
    Enough,
    /// What follows is older than wanted.
    TooOld,
}

/// Takes from a page what is wanted, and says how many records of it were looked at.
fn take(
    page: &[StoredRecord],
    wanted: &List,
    position: &Position,
    found: &mut Vec<StoredRecord>,
) -> (usize, Stop) {
    for (i, stored) in page.iter().enumerate() {
        let at = stored.record.entry.at;
        // A route's records are in the order of its chain, and their times by clocks that may differ.
        if at.plus(CLOCK_SKEW_MAX) < position.since {
            return (i, Stop::TooOld);
        }
        if at >= position.since && fits(stored, wanted) {
            found.push(stored.clone());
        }
        if found.len() >= wanted.limit as usize {
            return (i + 1, Stop::Enough);
        }
    }
    (page.len(), Stop::PageEnds)
}

fn fits(stored: &StoredRecord, wanted: &List) -> bool {
    let entry = &stored.record.entry;
    let desired = entry.desired.as_ref().map(|(instance, _)| instance);
    let outcome = wanted.outcome.is_none() || wanted.outcome == entry.outcome;
    let cause = wanted.cause.is_none_or(|cause| cause == entry.cause);
    let instance = wanted.instance.is_none() || wanted.instance.as_ref() == desired;
    outcome && cause && instance
}

/// Where a list stands: in a route's chain, or in one of the days of all routes.
struct Position {
    query: AuditQuery,
    /// The adapter's own place in that.
    cursor: Option<String>,
    /// The start of the day, if it is a list by days.
    day: Option<Timestamp>,
    since: Timestamp,
}

impl Position {
    fn first(wanted: &List, now: Timestamp) -> Result<Self, Failure> {
        let since = wanted.since.map(|since| since.instant(now));
        if let Some(route) = wanted.route.clone() {
            return Ok(Self {
                query: AuditQuery::Newest { route },
                cursor: wanted.cursor.clone(),
                day: None,
                since: since.unwrap_or(Timestamp::EPOCH),
            });
        }
        let since = since.unwrap_or_else(|| now.minus(DAY * DAYS_DEFAULT));
        match &wanted.cursor {
            // A writer's clock may be ahead of ours, over midnight.
            None => Ok(Self::on(now.plus(CLOCK_SKEW_MAX), None, since)),
            Some(cursor) => {
                let (day, inner) = cursor.split_once('/').unwrap_or((cursor, ""));
                let day = Timestamp::parse_day(day).ok_or_else(|| not_a_cursor(cursor))?;
                let inner = Some(inner.to_owned()).filter(|inner| !inner.is_empty());
                Ok(Self::on(day, inner, since))
            }
        }
    }

    fn on(day: Timestamp, cursor: Option<String>, since: Timestamp) -> Self {
        Self {
            query: AuditQuery::Day { day: day.day() },
            cursor,
            day: Some(day),
            since,
        }
    }

    fn at(&self, cursor: Option<String>) -> Self {
        Self {
            query: self.query.clone(),
            cursor,
            ..*self
        }
    }

    /// The place after a page whose own next is `next`: the day before follows a day's last page.
    fn after(&self, next: Option<String>) -> Option<Self> {
        if next.is_some() {
            return Some(self.at(next));
        }
        let day = self.day?;
        let more = day.day() > self.since.day();
        more.then(|| Self::on(day.minus(DAY), None, self.since))
    }

    /// The place behind the first `taken` records of a page. Only the adapter can tell, and only for the
    /// end of a page; so it is asked for a page of just those.
    async fn behind(&self, audit: &dyn Audit, taken: usize) -> Result<Option<Self>, Failure> {
        let taken = u32::try_from(taken).unwrap_or(PAGE_RECORDS);
        let page = page(audit, &self.query, taken, self.cursor.as_deref()).await?;
        Ok(self.after(page.next))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.cursor.as_deref().unwrap_or_default();
        match self.day {
            Some(day) => write!(f, "{}/{inner}", day.day()),
            None => f.write_str(inner),
        }
    }
}

fn not_a_cursor(cursor: &str) -> Failure {
    Failure::Told {
        what: format!("there is no place {cursor:?} to go on from"),
        why: "a cursor of a list over all routes begins with a day".to_owned(),
        fix: "repeat the command that printed the cursor, with the same options and --cursor"
            .to_owned(),
        exit: Exit::Usage,
    }
}
