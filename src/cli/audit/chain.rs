//! What is said of records that are not as they were written.

use crate::cli::failure::{Exit, Failure};
use writerlink_core::ledger::chain::BrokenChain;
use writerlink_engine::audit_chain::ChainDefect;
use writerlink_engine::ports::UnreadableRow;

/// A chain by its name, what is wrong with it, and what of its end needs a person.
type Broken<'a> = (&'a str, &'a ChainDefect, Option<&'a str>);

/// What to say of chains that are broken, each by its name.
pub(super) fn broken<'a>(
    faults: impl IntoIterator<Item = Broken<'a>>,
    place: (&str, &str),
) -> Option<Failure> {
    let faults: Vec<Broken<'a>> = faults.into_iter().collect();
    (!faults.is_empty()).then(|| told(&faults, place))
}

/// The same of a row that was asked for and is no record any more.
pub(super) fn no_record(row: &UnreadableRow) -> Failure {
    let fault = ChainDefect::unreadable(row);
    told(&[(&row.route, &fault, None)], IN_THE_TABLE)
}

fn told(faults: &[Broken<'_>], (why, fix): (&str, &str)) -> Failure {
    let place = |(name, fault, _): &Broken<'_>| format!("{name}/{}", fault.broken.seq());
    let places: Vec<String> = faults.iter().map(place).collect();
    let behind = |fault: &ChainDefect| matches!(fault.broken, BrokenChain::Beyond { .. });
    // Records that go on after the head are all there, each as it was written.
    let (what, why, fix) = if faults.iter().all(|(_, fault, _)| behind(fault)) {
        let what = "the route's state ends before its records, which go on from";
        (what, BEHIND.0, BEHIND.1)
    } else {
        ("records are not as they were written, from", why, fix)
    };
    let mut reasons = vec![why.to_owned()];
    reasons.extend(faults.iter().zip(&places).map(|((_, fault, _), place)| {
        let ChainDefect { expected, found, .. } = fault;
        format!("       {place}: expected {expected}\n       {place}: found    {found}")
    }));
    let mut remedies = vec![fix.to_owned()];
    remedies
        .extend(faults.iter().filter_map(|(name, _, remedy)| Some(format!("       {name}: {}", (*remedy)?))));
    Failure::told(
        format!("{what} {} on", places.join(" and ")),
        reasons.join("\n"),
        remedies.join("\n"),
        Exit::Unverified,
    )
}

/// Why a route's state can end before its records, and what to do.
const BEHIND: (&str, &str) = (
    "the `state` table was restored to an earlier point, or the route's row in it was deleted",
    "find who did it (CloudTrail)",
);

/// Why records of the table can differ from what was written, and what to do.
pub(super) const IN_THE_TABLE: (&str, &str) = (
    "somebody with access to the tables changed or removed them: writerlink cannot",
    "find who wrote to the tables (CloudTrail data events), and compare with a backup",
);

/// The same of a file and the table it was exported from.
pub(super) const AT_THE_SEAM: (&str, &str) = (
    "the table does not continue what the file ends with: one of the two was changed",
    "verify both, writerlink audit verify ROUTE and audit verify --file FILE; if both are intact one of them was replaced as a whole: keep the file, and compare with a backup and CloudTrail",
);

/// The same of a file.
pub(super) const IN_A_FILE: (&str, &str) = (
    "the file is not what was exported, or what was exported had been tampered with",
    "export the records again, and ask the table: writerlink audit verify ROUTE",
);
