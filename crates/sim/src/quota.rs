//! The API's quotas: token buckets, per account and Region.
//!
//! Source: ELB User Guide, "Request throttling for the Elastic Load Balancing API".

use writerlink_core::actuation::token_bucket::TokenBucket;

/// Whether the quotas of the API are applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Throttling {
    /// As AWS documents them.
    #[default]
    On,
    /// None, for a run that is about something else.
    Off,
}

/// `RegisterTargets` and `DeregisterTargets` together.
pub(super) fn registrations() -> TokenBucket {
    TokenBucket::full(20, 4)
}

/// The other mutating actions, of which this world has `ModifyListener`.
pub(super) fn modifications() -> TokenBucket {
    TokenBucket::full(20, 3)
}

/// The describing actions, of which this world has two.
pub(super) fn descriptions() -> TokenBucket {
    TokenBucket::full(200, 50)
}
