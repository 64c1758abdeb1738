//! A route as the checker knows it: its records, its attempts, its group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use writerlink_core::evidence::event::{EventKey, RdsEvent};
use writerlink_core::ledger::chain::ChainVerifier;
use writerlink_core::ledger::record::{Entry, RecordKind, RecordedTrigger};
use writerlink_core::ledger::state::{Assignment, RouteState};
use writerlink_core::model::ids::{Hash, TransitionId};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::outcome::{LEFT_TO_NEWER_FOR, Outcome};
use writerlink_core::model::reason::Cause;
use writerlink_core::model::route::Route;
use writerlink_core::model::source_arn::SourceKind;
use writerlink_core::model::target::Target;
use writerlink_core::model::time::{CLOCK_SKEW_MAX, Timestamp};
use writerlink_engine::ports::StoredRecord;
use writerlink_sim::load_balancer::LoadBalancer;

use super::sources::Accepted;

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
    /// What the state was before the last write.
    pub(super) before: Assignment,
    /// Every state before that, one for each record.
    pub(super) history: Vec<RouteState>,
    /// Which instance the state named, from when.
    pub(super) named: Vec<(Duration, InstanceId)>,
    /// Whether somebody put its row back, and nobody has brought it up to its records yet. `state` is then what it was.
    pub(super) is_behind: bool,
    pub(super) chain: ChainVerifier,
    pub(super) attempts: Vec<Announced>,
    /// How each event was settled, and by which attempt.
    pub(super) settled: BTreeMap<EventKey, (Outcome, TransitionId)>,
    /// The evidence that the route has accepted, oldest first.
    pub(super) accepted: Vec<Accepted>,
    /// When its target changed last.
    pub(super) moved_at: Duration,
    pub(super) last_late: Option<Duration>,
    pub(super) last_change: Duration,
}

impl Watched {
    pub(super) fn of(route: &Route, elb: &LoadBalancer) -> Self {
        Self {
            registered: elb.registered(&route.group.arn),
            state: RouteState::new(route.name.clone()),
            before: Assignment::default(),
            history: Vec::new(),
            named: Vec::new(),
            is_behind: false,
            chain: ChainVerifier::default(),
            attempts: Vec::new(),
            settled: BTreeMap::new(),
            accepted: Vec::new(),
            moved_at: Duration::ZERO,
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

    pub(super) fn take(&mut self, stored: &StoredRecord, now: Timestamp) -> Result<(), String> {
        let (record, entry) = (&stored.record, &stored.record.entry);
        if !stored.altered.is_empty() || Hash::of(&stored.canonical) != stored.hash {
            return Err(format!("I8: record {} is not what was hashed", record.seq));
        }
        let event = entry.trigger.as_ref().and_then(RecordedTrigger::event);
        if event.is_some_and(|event| self.is_anothers(event)) {
            return Err("I5: an event of another database is this route's".to_owned());
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
                | RecordKind::Command
                | RecordKind::DriftDetected
                | RecordKind::TargetHealthy
                | RecordKind::TargetNotHealthy
                | RecordKind::TargetRemoved
                | RecordKind::RelaysSwitched
                | RecordKind::NotSwitched
                | RecordKind::Recovered
                | RecordKind::Adopted,
                _,
            ) => {}
        }
        if let Some(outcome) = entry.outcome {
            let settled = (outcome, entry.transition);
            if self.settled.insert(entry.event_key, settled).is_some() {
                let key = entry.event_key;
                return Err(format!("I4: a second terminal record for {key}"));
            }
        }
        let begins = matches!(entry.kind, RecordKind::Started | RecordKind::Resumed);
        if begins && entry.cause == Cause::Reconcile && self.is_left_to_newer_evidence(now) {
            return Err("I3: superseded evidence is carried out".to_owned());
        }
        if begins && entry.cause == Cause::Reconcile && self.passes_an_event(entry, now) {
            return Err("I10: the timer moves the route past an event that waits".to_owned());
        }
        Ok(())
    }

    /// Whether an event is about another database than the route's. A deployment is none: its text may name one.
    fn is_anothers(&self, event: &RdsEvent) -> bool {
        event.kind != SourceKind::BlueGreenDeployment && !self.route.compare(event).agrees()
    }

    /// Whether the timer moves the route elsewhere than an event will that waits for its turn or for an address. What a
    /// pin says goes before it.
    fn passes_an_event(&self, entry: &Entry, now: Timestamp) -> bool {
        let before = &self.before;
        // By the clocks of two workers.
        let soon = now.plus(CLOCK_SKEW_MAX.saturating_mul(2));
        let waits = before.unresolved_event.as_ref();
        let waits = waits.filter(|event| event.comes_back(soon));
        let (Some(event), Some((instance, target))) = (waits, &entry.desired) else {
            return false;
        };
        let moves = before.desired.as_ref().is_none_or(|known| known.target != *target);
        before.safety.pin.is_none() && moves && event.names.as_ref() != Some(instance)
    }

    /// Whether the route points by an event that was settled as superseded a moment ago: the newer evidence is on
    /// its way and has yet to begin.
    fn is_left_to_newer_evidence(&self, now: Timestamp) -> bool {
        let desired = self.state.control.desired.as_ref();
        let settled = desired.and_then(|desired| self.settled.get(&desired.event));
        settled.is_some_and(|(outcome, by)| {
            // By the clocks of two workers.
            let left = LEFT_TO_NEWER_FOR.saturating_sub(CLOCK_SKEW_MAX);
            *outcome == Outcome::Superseded && now.since(by.began()) < left
        })
    }
}
