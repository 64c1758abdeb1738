//! A route as the checker knows it: its records, its attempts, its group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use writerlink::domain::audit::{ChainVerifier, Hash, Reason, RecordKind};
use writerlink::domain::event::EventKey;
use writerlink::domain::route::Route;
use writerlink::domain::target::Target;
use writerlink::domain::transition::{Outcome, RouteState, TransitionId};
use writerlink::embedded::load_balancer::LoadBalancer;
use writerlink::ports::StoredRecord;

/// An attempt as the ledger announced it.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub(super) by: String,
    pub(super) transition: TransitionId,
    pub(super) event: EventKey,
    pub(super) desired: Target,
    /// When its lease was granted, and each time it was lengthened: when the write took effect, which is
    /// never before the holder began to count.
    pub(super) grants: Vec<Duration>,
}

/// A route as the checker knows it.
pub(super) struct Watched {
    pub(super) route: Route,
    pub(super) registered: BTreeSet<Target>,
    pub(super) state: RouteState,
    pub(super) chain: ChainVerifier,
    pub(super) attempts: Vec<Announced>,
    pub(super) settled: BTreeMap<EventKey, Outcome>,
    /// Events whose words came from another account: recorded, without an entry of their own.
    pub(super) foreign: BTreeSet<EventKey>,
    pub(super) last_late: Option<Duration>,
    pub(super) last_change: Duration,
}

impl Watched {
    pub(super) fn of(route: &Route, elb: &LoadBalancer) -> Self {
        Self {
            registered: elb.registered(&route.group.arn),
            state: RouteState::new(route.name.clone()),
            chain: ChainVerifier::default(),
            attempts: Vec::new(),
            settled: BTreeMap::new(),
            foreign: BTreeSet::new(),
            last_late: None,
            last_change: Duration::ZERO,
            route: route.clone(),
        }
    }

    /// The attempt that a process was at when it sent a call: its last one announced by then.
    pub(super) fn attempt_of(&self, process: &str, sent: Duration) -> Option<&Announced> {
        let mut attempts = self.attempts.iter().rev();
        attempts.find(|a| a.by == process && a.grants.first().is_some_and(|at| *at <= sent))
    }

    pub(super) fn take(&mut self, stored: &StoredRecord) -> Result<(), String> {
        let (record, entry) = (&stored.record, &stored.record.entry);
        if !stored.altered.is_empty() || Hash::of(&stored.canonical) != stored.hash {
            return Err(format!("I8: record {} is not what was hashed", record.seq));
        }
        let taken = self.chain.take(record.seq, record.prev, stored.hash);
        taken.map_err(|broken| format!("I8: {broken}"))?;
        match (entry.kind, &entry.desired) {
            (RecordKind::Started | RecordKind::Resumed, Some((_, desired))) => {
                self.attempts.push(Announced {
                    by: entry.owner.as_str().to_owned(),
                    transition: entry.transition,
                    event: entry.event_key,
                    desired: *desired,
                    grants: Vec::new(),
                });
            }
            (RecordKind::Started | RecordKind::Resumed, None) => {
                return Err("I4: a move is announced without its target".to_owned());
            }
            (
                RecordKind::Deferred
                | RecordKind::Finished
                | RecordKind::Ordered
                | RecordKind::Noticed
                | RecordKind::Serving
                | RecordKind::NotServing
                | RecordKind::Drained,
                _,
            ) => {}
        }
        match entry.outcome {
            Some(_) if entry.reason == Some(Reason::PayloadDiffers) => {
                self.foreign.insert(entry.event_key);
            }
            Some(outcome) if self.settled.insert(entry.event_key, outcome).is_some() => {
                return Err(format!(
                    "I4: a second terminal record for {}",
                    entry.event_key
                ));
            }
            Some(_) | None => {}
        }
        Ok(())
    }
}
