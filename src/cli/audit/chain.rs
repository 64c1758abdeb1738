//! Records held against the ones before them.

use crate::cli::failure::{Exit, Failure};
use crate::domain::audit::{BrokenChain, ChainVerifier, Hash};
use crate::domain::transition::ChainHead;
use crate::ports::StoredRecord;

/// What is wrong with a chain, and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) seq: u64,
    pub(super) what: String,
    /// Whether it is in itself as it was written, and only does not continue the record before it.
    whole: bool,
    /// What should have stood there.
    pub(super) expected: String,
    /// What did.
    pub(super) found: String,
}

impl Fault {
    /// Records are missing between two others.
    pub(super) fn missing(expected: u64, found: u64) -> Self {
        Self::of(
            &BrokenChain::Gap { expected, found },
            (format!("record {expected}"), format!("record {found}")),
        )
    }

    /// Whether it lies between the record `last` and the one after it, rather than in either.
    pub(super) fn is_at_the_seam_with(&self, last: u64) -> bool {
        self.whole && self.seq == last + 1
    }

    /// A row that is no record any more.
    pub(super) fn unreadable(seq: u64, why: String) -> Self {
        Self::of(
            &BrokenChain::Altered(seq, why.clone()),
            ("a record".to_owned(), why),
        )
    }

    fn of(broken: &BrokenChain, (expected, found): (String, String)) -> Self {
        Self {
            seq: broken.seq(),
            what: broken.to_string(),
            whole: matches!(broken, BrokenChain::WrongPrevious(_)),
            expected,
            found,
        }
    }

    /// What a record that does not follow `before` has instead.
    fn at(broken: &BrokenChain, before: ChainHead, stored: &StoredRecord) -> Self {
        let both = |expected: Hash, found: Hash| {
            (
                format!("prev_hash {expected}"),
                format!("prev_hash {found}"),
            )
        };
        let now = Hash::of(&stored.canonical);
        let values = match broken {
            BrokenChain::WrongPrevious(_) => both(before.hash, stored.record.prev),
            BrokenChain::Altered(..) if now != stored.hash => {
                (format!("hash {}", stored.hash), format!("hash {now}"))
            }
            BrokenChain::Altered(_, parts) => (
                "the columns that its text has".to_owned(),
                format!("others in {parts}"),
            ),
            BrokenChain::Gap { expected, found } | BrokenChain::Truncated { expected, found } => {
                (format!("record {expected}"), format!("record {found}"))
            }
            BrokenChain::WrongHead(_) => both(before.hash, now),
        };
        Self::of(broken, values)
    }

    fn at_end(broken: &BrokenChain, last: ChainHead, head: ChainHead) -> Self {
        let hashes = last.seq == head.seq;
        let values = if hashes {
            (format!("hash {}", head.hash), format!("hash {}", last.hash))
        } else {
            (
                format!("record {}", head.seq),
                "nothing after the last record".to_owned(),
            )
        };
        Self::of(broken, values)
    }
}

/// Follows a chain and knows how far it came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Follower {
    /// The last record that was in order; none if the next one is taken at its word about what was before it.
    at: Option<ChainHead>,
    last: ChainHead,
    /// How many were in order.
    pub(super) records: u64,
}

impl Follower {
    /// From the first record of a chain.
    pub(super) fn from_the_beginning() -> Self {
        Self::after(ChainHead::default())
    }

    /// From behind a record that is known.
    pub(super) fn after(head: ChainHead) -> Self {
        Self {
            at: Some(head),
            last: head,
            records: 0,
        }
    }

    /// From any record: what it says of the one before it is believed.
    pub(super) fn anywhere() -> Self {
        Self::default()
    }

    /// The last record that was in order.
    pub(super) fn verified(&self) -> ChainHead {
        self.last
    }

    /// Takes the next record. After a fault the one after it is believed again, so that every fault is one.
    pub(super) fn take(&mut self, stored: &StoredRecord) -> Result<(), Fault> {
        let before = self.at.take().unwrap_or(ChainHead {
            seq: stored.record.seq.saturating_sub(1),
            hash: stored.record.prev,
        });
        let mut verifier = ChainVerifier::after(before);
        let followed = stored.follow(&mut verifier);
        let head = followed.map_err(|broken| Fault::at(&broken, before, stored))?;
        self.at = Some(head);
        self.last = head;
        self.records += 1;
        Ok(())
    }

    /// Holds the end against the head that the route's state keeps.
    pub(super) fn finish(&self, head: ChainHead) -> Result<(), Fault> {
        let last = self.verified();
        let end = ChainVerifier::after(last).finish(head);
        end.map(drop)
            .map_err(|broken| Fault::at_end(&broken, last, head))
    }
}

/// What to say of chains that are broken, each by its name.
pub(super) fn broken<'a>(
    faults: impl IntoIterator<Item = (&'a str, &'a Fault)>,
    (why, fix): (&str, &str),
) -> Option<Failure> {
    let faults: Vec<(&str, &Fault)> = faults.into_iter().collect();
    let places: Vec<String> = faults
        .iter()
        .map(|(name, fault)| format!("{name}/{}", fault.seq))
        .collect();
    let mut reasons = vec![why.to_owned()];
    reasons.extend(faults.iter().map(|(name, fault)| {
        let Fault {
            seq,
            expected,
            found,
            ..
        } = fault;
        format!("       {name}/{seq}: expected {expected}\n       {name}/{seq}: found    {found}")
    }));
    (!faults.is_empty()).then(|| Failure::Told {
        what: format!(
            "records are not as they were written, from {} on",
            places.join(" and ")
        ),
        why: reasons.join("\n"),
        fix: fix.to_owned(),
        exit: Exit::Unverified,
    })
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
