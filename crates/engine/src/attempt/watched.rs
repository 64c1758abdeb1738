//! What one worker's timer remembers of a route between its passes.

use std::time::Duration;

use crate::attempt::{AttemptResult, Report};
use writerlink_core::decision::verdict::Verdict;
use writerlink_core::evidence::discovery::SourceReports;
use writerlink_core::evidence::drift::{Comparisons, Drifted};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::sources::{CONFLICT_AFTER, Sources};
use writerlink_core::ledger::state::Assignment;
use writerlink_core::model::outcome::doubled;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::target::Target;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::health::is_open;

/// What one worker's timer remembers of a route between its passes.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the route, and no two of them make a state"
)]
#[derive(Debug, Default)]
pub struct RouteWatch {
    pub(super) sources: Sources,
    pub(super) contradicted: Contradicted,
    /// What was recorded last about a difference that is not acted on, so that it is recorded once.
    pub(super) recorded_drift: Option<(Reason, Option<Target>)>,
    /// Whether this timer queued the route for quota. No message is redelivered for it, so the timer has to retry.
    pub(super) awaits_quota: bool,
    /// The repairs that failed, one after another.
    pub(super) failed: FailedRepairs,
    /// Since when the route has been paused or frozen.
    pub stopped_since: Option<Timestamp>,
    /// Whether the flap rule stops it.
    pub is_flapping: bool,
    /// Whether something about it is unresolved (I9).
    pub is_unresolved: bool,
    /// Whether it is a relay route and no relay works.
    pub has_no_relay: bool,
    /// Whether its state was compared with its newest record since this worker began: until
    /// then a restored state goes undetected.
    pub(super) is_compared: bool,
    /// The comparisons of its map.
    pub(super) map: MapWatch,
}

impl RouteWatch {
    /// Keeps what the summary reports about the route, whatever the result of the pass.
    pub(super) fn see(&mut self, control: &Assignment, now: Timestamp) {
        let safety = &control.safety;
        self.stopped_since = safety.stopped_since(now);
        self.is_flapping = safety.flapping.as_ref().is_some_and(|stop| stop.holds(now));
        self.is_unresolved = is_open(control, now);
        let conflict = control.source_conflict.as_ref();
        self.map.differs = conflict.is_some_and(|conflict| conflict.reason == Reason::MapDiffers);
    }

    /// The route is in sync: forgets the drift and the failed repairs.
    pub(super) fn clear_drift(&mut self) {
        self.recorded_drift = None;
        self.awaits_quota = false;
        self.failed = FailedRepairs::default();
    }

    /// Whether its sources contradict what is desired for long enough, by this worker's own readings.
    #[must_use]
    pub fn is_contradicted(&self) -> bool {
        self.contradicted.lasts
    }

    /// Whether the sources say something else than what is desired. Counted once that lasts.
    #[must_use]
    pub fn waits_for_sources(&self) -> bool {
        self.contradicted.is_one()
    }
}

/// What one worker's timer remembers of a route's map.
#[derive(Debug, Default)]
pub(super) struct MapWatch {
    /// Whether the route's state says that its map differs.
    pub(super) differs: bool,
    pub(super) comparisons: Comparisons,
    /// When the next comparison is due; nothing before the first look.
    pub(super) due: Option<Duration>,
    /// What was recorded last, and when.
    pub(super) recorded: Option<(Vec<Drifted>, Duration)>,
}

/// What the sources said at a look.
pub(super) struct Said<'a> {
    pub(super) reading: &'a SourceReports,
    /// What that says against the newest evidence.
    pub(super) against: Option<Verdict>,
    /// The wall clock and the monotonic one.
    pub(super) times: (Timestamp, Duration),
}

/// Since when the sources contradict the newest evidence, by one worker's readings.
#[derive(Debug, Default)]
pub(super) struct Contradicted {
    /// The evidence, and when a pass saw it first.
    since: Option<(Option<EventKey>, Timestamp, Duration)>,
    /// The reason, and since when it has been that one.
    so: Option<(Reason, Duration)>,
    /// Whether it is no normal lag any more.
    pub(super) lasts: bool,
}

/// A contradiction that is no normal lag any more.
#[derive(Clone, Copy)]
pub(super) struct Lasting {
    pub(super) since: Timestamp,
    /// Whether it has been for this very reason that long.
    pub(super) for_one_reason: bool,
}

impl Contradicted {
    pub(super) fn is_one(&self) -> bool {
        self.since.is_some()
    }

    /// Takes a look.
    pub(super) fn take(&mut self, said: &Said<'_>, newest: Option<EventKey>) -> Option<Lasting> {
        let (wall, monotonic) = said.times;
        let Some(against) = &said.against else {
            *self = Self::default();
            return None;
        };
        let same = self.since.filter(|(evidence, ..)| *evidence == newest);
        let (_, since, first) = *self.since.insert(same.unwrap_or((newest, wall, monotonic)));
        let same = self.so.filter(|(reason, _)| *reason == against.reason);
        let (_, so) = *self.so.insert(same.unwrap_or((against.reason, monotonic)));
        let lasts = |from: Duration| monotonic.saturating_sub(from) >= CONFLICT_AFTER;
        lasts(first).then_some(Lasting { since, for_one_reason: lasts(so) })
    }
}

/// So many repairs may fail one after another before the next one has to wait.
const REPAIRS_AT_ONCE: u32 = 3;

/// The first and the longest wait for it.
const REPAIR_AGAIN: Duration = Duration::from_secs(10);
const REPAIR_AGAIN_MOST: Duration = Duration::from_mins(5);

/// Failed repairs of a route, with a growing pause. No receive count limits repairs, each writes two permanent records,
/// and each uses shared API quota. Passes continue, since new evidence may come.
#[derive(Debug, Default)]
pub(super) struct FailedRepairs {
    /// Where they were to bring the route.
    to: Option<Target>,
    times: u32,
    not_before: Duration,
}

impl FailedRepairs {
    pub(super) fn hold_back(&self, to: Target, now: Duration) -> bool {
        self.to == Some(to) && now < self.not_before
    }

    pub(super) fn take(&mut self, report: &Report, now: Duration) {
        match report.ended {
            AttemptResult::Settled(_) => *self = Self::default(),
            AttemptResult::Deferred(..) | AttemptResult::Waits(_, Some(_)) => {
                let to = report.desired.as_ref().map(|(_, target)| *target);
                let before = if self.to == to { self.times } else { 0 };
                let times = before + 1;
                let wait = match times.checked_sub(REPAIRS_AT_ONCE) {
                    None | Some(0) => Duration::ZERO,
                    Some(beyond) => doubled(REPAIR_AGAIN, beyond).min(REPAIR_AGAIN_MOST),
                };
                *self = Self { to, times, not_before: now + wait };
            }
            // No call was made, or its result is unknown.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use writerlink_core::ledger::holds::Suspension;
    use writerlink_core::ledger::record::RecordedTrigger;
    use writerlink_core::model::ids::TransitionId;
    use writerlink_core::model::names::{InstanceId, RouteName};
    use writerlink_core::model::outcome::Outcome;
    use writerlink_core::model::reason::Cause;

    #[test]
    fn a_route_flaps_as_long_as_its_protection_holds() {
        let until = Timestamp::EPOCH.plus(Duration::from_mins(1));
        let mut control = Assignment::default();
        control.safety.flapping = Some(Suspension {
            by: "writerlink".to_owned(),
            reason: "six moves".to_owned(),
            since: Timestamp::EPOCH,
            until: Some(until),
        });
        let mut watched = RouteWatch::default();
        for (now, flaps) in [(Timestamp::EPOCH, true), (until, false)] {
            watched.see(&control, now);
            assert_eq!(watched.is_flapping, flaps);
        }
    }

    /// The report of a repair that was to bring the route to the `last` address, and ended like this.
    fn repair_of(last: u8, ended: AttemptResult) -> Report {
        let name = RouteName::new("orders").unwrap();
        let target = Target { ip: [10, 0, 1, last].into(), port: 3306 };
        let (at, said) = (Timestamp::EPOCH, String::new());
        Report {
            event_key: EventKey::random(&name, at, 1),
            route: name,
            cause: Cause::Reconcile,
            told: RecordedTrigger::Reading { at, text: said },
            transition: TransitionId::from_parts(at, 7),
            attempt: 1,
            resumed: false,
            generation: None,
            desired: Some((InstanceId::new("db-1").unwrap(), target)),
            before: Vec::new(),
            after: Vec::new(),
            steps: Vec::new(),
            took: Duration::ZERO,
            event_age: Duration::ZERO,
            ended,
        }
    }

    #[test]
    fn failed_repairs_count_for_one_target_until_one_of_it_succeeds() {
        let failed = || {
            let verdict = Verdict::new(Outcome::Failed, Reason::CallFailed, "no");
            AttemptResult::Deferred(verdict, Duration::ZERO)
        };
        let target = |last| repair_of(last, failed()).desired.unwrap().1;
        let mut repairs = FailedRepairs::default();
        for _ in 0..REPAIRS_AT_ONCE {
            assert!(!repairs.hold_back(target(1), Duration::ZERO));
            repairs.take(&repair_of(1, failed()), Duration::ZERO);
        }
        repairs.take(&repair_of(1, failed()), Duration::ZERO);
        assert!(repairs.hold_back(target(1), Duration::ZERO));
        assert!(!repairs.hold_back(target(2), Duration::ZERO), "news");
        // The first failure at another target is the first one of it.
        repairs.take(&repair_of(2, failed()), Duration::ZERO);
        assert!(!repairs.hold_back(target(2), Duration::ZERO));
        assert!(!repairs.hold_back(target(1), Duration::ZERO));
        repairs.times = REPAIRS_AT_ONCE + 5;
        let well = Verdict::new(Outcome::Moved, Reason::DriftRepaired, "there");
        repairs.take(&repair_of(2, AttemptResult::Settled(well)), Duration::ZERO);
        assert_eq!(repairs.times, 0);
    }

    fn key(digit: char) -> EventKey {
        EventKey::parse(&digit.to_string().repeat(64)).unwrap()
    }

    #[test]
    fn newer_evidence_and_another_reason_begin_the_minute_anew() {
        let reading = SourceReports(Vec::new());
        let mut contradicted = Contradicted::default();
        let mut look = |seconds: u64, newest: char, reason: Option<Reason>| {
            let said = Said {
                reading: &reading,
                against: reason.map(|reason| Verdict::new(Outcome::Ignored, reason, "so")),
                times: (Timestamp::EPOCH, Duration::from_secs(seconds)),
            };
            let lasting = contradicted.take(&said, Some(key(newest)));
            lasting.map(|lasting| lasting.for_one_reason)
        };
        let minute = CONFLICT_AFTER.as_secs();
        let (contradict, unclear) = (Reason::SourcesContradict, Reason::SourcesUnclear);
        assert_eq!(look(0, '1', Some(contradict)), None);
        assert_eq!(look(minute - 1, '1', Some(contradict)), None);
        assert_eq!(look(minute, '1', Some(contradict)), Some(true));
        // Another reason: it lasts, and not for one reason.
        assert_eq!(look(minute + 1, '1', Some(unclear)), Some(false));
        // Newer evidence has to be contradicted for as long.
        assert_eq!(look(minute + 2, '2', Some(unclear)), None);
        assert_eq!(look(2 * minute + 1, '2', Some(unclear)), None);
        assert_eq!(look(2 * minute + 2, '2', Some(unclear)), Some(true));
        // So has what was over in between.
        assert_eq!(look(2 * minute + 3, '2', None), None);
        assert_eq!(look(2 * minute + 4, '2', Some(unclear)), None);
    }
}
