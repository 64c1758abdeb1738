//! A worker's timer on one route and the ledger, as values: what it hears, and where it sees the route point.

use std::time::Duration;

use writerlink_core::decision::goal::{TargetDecision, target_state};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::discovery::{Member, Reading, SourceReport, SourceReports};
use writerlink_core::evidence::event::{EventKey, RANK_COMPLETED};
use writerlink_core::ledger::sources::Sources;
use writerlink_core::ledger::state::{Assignment, RouteContext};
use writerlink_core::ledger::unresolved::SourceConflict;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::policy::{DiscoverySource, Policy};
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::Route;

use super::orders::{begun_for, state_of};
use super::values::{address, asking_route, desired, key, member, order, second};

pub(crate) const RANK_STARTED: u8 = 1;
pub(crate) const MINUTE: i64 = 60;
pub(crate) const DAY: i64 = 24 * 60 * MINUTE;

/// What a source says: instance `n` writes, or (0) it cannot tell.
pub(crate) type Says = (DiscoverySource, u8);

/// A worker's timer on one route, and the ledger.
pub(crate) struct Watch {
    pub(crate) route: Route,
    pub(crate) control: Assignment,
    pub(crate) sources: Sources,
    pub(crate) now: i64,
    pub(crate) own: u128,
}

impl Watch {
    /// A route that asks these sources, and has known for long that instance 1 writes.
    pub(crate) fn of(sources: &[DiscoverySource]) -> Self {
        let mut watch = Self {
            route: Route {
                policy: Policy { discovery: sources.iter().copied().collect(), ..Policy::default() },
                ..asking_route()
            },
            control: Assignment::default(),
            sources: Sources::default(),
            now: 0,
            own: 100,
        };
        watch.accept(1, RANK_COMPLETED);
        watch.agree();
        watch.now = DAY;
        let says: Vec<Says> = sources.iter().map(|source| (*source, 1)).collect();
        watch.hear(&says);
        watch
    }

    pub(crate) fn dns() -> Self {
        Self::of(&[DiscoverySource::Dns])
    }

    /// Evidence of now is accepted: its key is that of its instance and rank.
    pub(crate) fn accept(&mut self, number: u8, rank: u8) {
        let known = desired(number, order(self.now, rank), key(10 * number + rank));
        self.begin(known);
    }

    pub(crate) fn begin(&mut self, known: Desired) {
        let change = begun_for(&state_of(self.control.clone()), known, self.now).unwrap();
        self.control = change.to().clone();
    }

    /// Some worker's sources agree with the newest evidence.
    pub(crate) fn agree(&mut self) {
        self.control.agreed_with = self.control.newest().map(|newest| newest.event);
    }

    pub(crate) fn sees(&mut self, said: &[Says]) -> (SourceReports, Reading) {
        let said = said.iter().map(|(source, number)| {
            let nameless = |member: Member| Member {
                instance: member.instance.filter(|_| *source == DiscoverySource::Rds),
                ..member
            };
            let report = match number {
                0 => SourceReport::Unclear("no answer".to_owned()),
                number => SourceReport::Members { writer: nameless(member(*number)), readers: Vec::new() },
            };
            (*source, report)
        });
        let reading = SourceReports(said.collect());
        let context = RouteContext { route: &self.route, control: &self.control, now: second(self.now) };
        let seen = self.sources.take(context, &reading, Duration::from_secs(self.now.unsigned_abs()));
        (reading, seen)
    }

    /// One look: where it sees the route point. It goes there, if that is elsewhere.
    pub(crate) fn hear(&mut self, said: &[Says]) -> TargetDecision {
        let (_, seen) = self.sees(said);
        let target_state = self.target_state(&seen);
        if let TargetDecision::Follow(desired) = &target_state {
            self.begin(desired.clone());
            self.sources.made(desired.event);
        }
        target_state
    }

    pub(crate) fn target_state(&mut self, seen: &Reading) -> TargetDecision {
        self.own += 1;
        target_state(&self.route, &self.control, numbered(self.own), seen, seen.at)
    }

    /// Looks every half minute for so long; the instances that the route pointed at in turn, the first one included.
    pub(crate) fn for_seconds(&mut self, seconds: i64, said: &[Says]) -> Vec<u8> {
        let end = self.now + seconds;
        let mut pointed = vec![self.points_at()];
        while self.now < end {
            let again = match self.hear(said) {
                TargetDecision::Confirm => 2,
                TargetDecision::Keep(_)
                | TargetDecision::Follow(_)
                | TargetDecision::LeftToEvent
                | TargetDecision::Wait(_)
                | TargetDecision::Unknown => 30,
            };
            self.now += again;
            pointed.push(self.points_at());
        }
        pointed.dedup();
        pointed
    }

    pub(crate) fn points_at(&self) -> u8 {
        let newest = self.control.newest().unwrap();
        (1..=9).find(|n| address(*n) == newest.target.ip).unwrap()
    }

    /// Another process with the same sources: it remembers nothing.
    pub(crate) fn restart(&mut self) {
        self.sources = Sources::default();
    }

    pub(crate) fn conflict(&mut self, reason: Reason) {
        self.control.source_conflict = Some(SourceConflict {
            since: second(self.now),
            reason,
            note: String::new(),
            by: Owner::new("w1"),
        });
    }
}

pub(crate) fn numbered(number: u128) -> EventKey {
    EventKey::parse(&format!("{number:064x}")).unwrap()
}

pub(crate) const DNS_1: &[Says] = &[(DiscoverySource::Dns, 1)];
pub(crate) const DNS_2: &[Says] = &[(DiscoverySource::Dns, 2)];
pub(crate) const DNS_3: &[Says] = &[(DiscoverySource::Dns, 3)];
pub(crate) const DNS_SILENT: &[Says] = &[(DiscoverySource::Dns, 0)];
pub(crate) const RDS_1: &[Says] = &[(DiscoverySource::Rds, 1)];
