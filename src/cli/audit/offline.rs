//! `audit verify --file`: an export, verified without AWS.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::cli::Session;
use crate::cli::args::Output;
use crate::cli::audit::chain::IN_A_FILE;
use crate::cli::audit::export::line;
use crate::cli::audit::progress::Progress;
use crate::cli::audit::verify;
use crate::cli::audit::verify::{Judged, Verdict};
use crate::cli::failure::{Exit, Failure};
use writerlink_core::model::names::RouteName;
use writerlink_engine::audit_chain::{ChainDefect, Follower};

/// How many lines are read between two words about how far it is.
const LINES_A_WORD: u64 = 10_000;

/// What stands in a file about one route.
struct RouteSection {
    from: u64,
    chain: Follower,
    fault: Option<ChainDefect>,
}

/// Verifies what is in `file`; each route's records as far as they go. Which were recorded after the last one only the
/// table can tell.
pub(super) fn run(file: &Path, output: Output, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let (chapters, torn) = if file == Path::new("-") {
        let Session { input, .. } = session;
        read(&mut BufReader::new(input), file, &mut |_| Ok(()))?
    } else {
        let opened = File::open(file).map_err(|error| unopened(file, &error))?;
        let mut progress = Progress::new(session);
        let mut seen = |far: &str| progress.show(far, session);
        let read = read(&mut BufReader::new(opened), file, &mut seen);
        progress.clear(session)?;
        read?
    };
    let judged: Vec<Judged> = chapters.into_iter().map(judge).collect();
    let told = verify::tell(judged, IN_A_FILE, output, session)?;
    torn.map_or(Ok(told), Err)
}

type Chapters = BTreeMap<RouteName, RouteSection>;

/// The chains of a file, and what is wrong with it as a file.
fn read(
    lines: &mut dyn BufRead,
    file: &Path,
    seen: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<(Chapters, Option<Failure>), Failure> {
    let mut chapters = Chapters::new();
    let mut bytes = Vec::new();
    let mut number = 0_u64;
    let torn = loop {
        bytes.clear();
        if lines.read_until(b'\n', &mut bytes)? == 0 {
            break None;
        }
        number += 1;
        if bytes.last() != Some(&b'\n') {
            break Some(torn_line(file, number));
        }
        let stored = match line::read(&bytes) {
            Ok(stored) => stored,
            Err(why) => break Some(no_record(file, number, &why)),
        };
        let seq = stored.record.seq;
        let chapter = chapters.entry(stored.record.route.clone()).or_insert_with(|| RouteSection {
            from: seq,
            chain: Follower::from(seq),
            fault: None,
        });
        if chapter.fault.is_none() {
            chapter.fault = chapter.chain.take(&stored).err();
        }
        if number.is_multiple_of(LINES_A_WORD) {
            seen(&format!("{number} records"))?;
        }
    };
    Ok((chapters, torn))
}

fn judge((route, chapter): (RouteName, RouteSection)) -> Judged {
    let RouteSection { from, chain, fault } = chapter;
    let last = chain.verified();
    let verdict = Verdict::of(&route, (from, &chain), last, fault.as_ref());
    Judged { verdict, fault }
}

fn unopened(file: &Path, error: &io::Error) -> Failure {
    Failure::told(
        format!("{} cannot be read", file.display()),
        error.to_string(),
        "check the path and its permissions",
        Exit::Error,
    )
}

fn torn_line(file: &Path, number: u64) -> Failure {
    Failure::told(
        format!("line {number} of {} is torn", file.display()),
        "the file does not end with the end of a line: an export was interrupted",
        format!(
            "repeat the export with --to {0}: it drops the line and goes on after the one before it",
            file.display()
        ),
        Exit::Unverified,
    )
}

fn no_record(file: &Path, number: u64, why: &str) -> Failure {
    Failure::told(
        format!("line {number} of {} is no record", file.display()),
        why.to_owned(),
        "verify what `writerlink audit export` wrote as JSON lines; if that is what it was, the line was changed",
        Exit::Unverified,
    )
}
