//! What is said of records that are not as they were written.

use crate::audit_chain::Fault;
use crate::cli::failure::{Exit, Failure};
use crate::ports::UnreadableRow;

/// What to say of chains that are broken, each by its name.
pub(super) fn broken<'a>(
    faults: impl IntoIterator<Item = (&'a str, &'a Fault)>,
    place: (&str, &str),
) -> Option<Failure> {
    let faults: Vec<(&str, &Fault)> = faults.into_iter().collect();
    (!faults.is_empty()).then(|| told(&faults, place))
}

/// The same of a row that was asked for and is no record any more.
pub(super) fn no_record(row: &UnreadableRow) -> Failure {
    told(&[(&row.route, &Fault::unreadable(row))], IN_THE_TABLE)
}

fn told(faults: &[(&str, &Fault)], (why, fix): (&str, &str)) -> Failure {
    let place = |(name, fault): &(&str, &Fault)| format!("{name}/{}", fault.broken.seq());
    let places: Vec<String> = faults.iter().map(place).collect();
    let mut reasons = vec![why.to_owned()];
    reasons.extend(faults.iter().zip(&places).map(|((_, fault), place)| {
        let Fault {
            expected, found, ..
        } = fault;
        format!("       {place}: expected {expected}\n       {place}: found    {found}")
    }));
    Failure::Told {
        what: format!(
            "records are not as they were written, from {} on",
            places.join(" and ")
        ),
        why: reasons.join("\n"),
        fix: fix.to_owned(),
        exit: Exit::Unverified,
    }
}

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
