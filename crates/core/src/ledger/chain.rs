//! The audit chain: each record carries the hash of the one before (I8).

use crate::ledger::state::ChainHead;
use crate::model::ids::Hash;

/// Where a chain is broken, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// A record is missing.
    #[error("record {expected} is missing (the next one is {found})")]
    Gap {
        /// The seq that should follow.
        expected: u64,
        /// The seq that does.
        found: u64,
    },
    /// A record does not continue the one before it.
    #[error("record {0} does not continue the one before it (prev_hash differs)")]
    WrongPrevious(u64),
    /// A record is not what was hashed.
    #[error("record {0} was changed after it was written ({1})")]
    Altered(u64, String),
    /// The chain ends before its head.
    #[error("the chain ends at record {found}, the route's state says {expected}")]
    Truncated {
        /// The head's seq.
        expected: u64,
        /// The last record's seq.
        found: u64,
    },
    /// Records stand after the head, and nothing moves it there.
    #[error("the records go on to {found}, the route's state ends at {expected}")]
    Beyond {
        /// The head's seq.
        expected: u64,
        /// The last record's seq.
        found: u64,
    },
    /// The last record is not the head.
    #[error("the hash of record {0} is not the head in the route's state")]
    WrongHead(u64),
    /// Records behind the head do not say what they changed, or are too many: the state is not rebuilt from them.
    #[error("the route's state cannot be rebuilt from record {0} on: {1}")]
    NotRebuilt(u64, String),
}

impl BrokenChain {
    /// The first sequence number that is wrong.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self {
            Self::Gap { expected: seq, .. }
            | Self::WrongPrevious(seq)
            | Self::Altered(seq, _)
            | Self::WrongHead(seq)
            | Self::NotRebuilt(seq, _) => *seq,
            Self::Truncated { found: last, .. } | Self::Beyond { expected: last, .. } => {
                last.saturating_add(1)
            }
        }
    }
}

/// Follows a chain one record at a time, so that any length is verified in constant memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainVerifier {
    at: ChainHead,
}

impl ChainVerifier {
    /// Starts behind a record that is trusted; [`Default`] starts at the beginning.
    #[must_use]
    pub fn after(head: ChainHead) -> Self {
        Self { at: head }
    }

    /// Takes the next record: its seq, the hash it says it continues, and the hash of its own text.
    ///
    /// # Errors
    /// [`BrokenChain`] when it does not follow.
    pub fn take(&mut self, seq: u64, prev: Hash, hash: Hash) -> Result<(), BrokenChain> {
        let expected = self.at.seq.saturating_add(1);
        if seq != expected {
            return Err(BrokenChain::Gap { expected, found: seq });
        }
        if prev != self.at.hash {
            return Err(BrokenChain::WrongPrevious(seq));
        }
        self.at = ChainHead { seq, hash };
        Ok(())
    }

    /// Compares the end of the chain with the head that the route's state keeps. A record written since
    /// the head was read is no fault, so a longer chain passes.
    ///
    /// # Errors
    /// [`BrokenChain`] when records are missing at the end, or the last one is another.
    pub fn finish(self, head: ChainHead) -> Result<ChainHead, BrokenChain> {
        if self.at.seq < head.seq {
            return Err(BrokenChain::Truncated { expected: head.seq, found: self.at.seq });
        }
        if self.at.seq == head.seq && self.at.hash != head.hash {
            return Err(BrokenChain::WrongHead(head.seq));
        }
        Ok(self.at)
    }
}
