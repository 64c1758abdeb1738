//! Builds the document from a survey.

use std::time::Duration;

use crate::ports::StoredRecord;
use crate::survey::view::{
    ChainEndView, ChainView, DesiredView, GroupView, HealthWatchView, HoldView, LatestView, LeaseView,
    MoveView, PhaseView, QueueView, RelayView, RouteView, SourceConflictView, SurveyView, TargetView,
    UnreadView, UnresolvedEventView, VERSION, WorkerView,
};
use crate::survey::{GroupSurvey, Part, QueueSurvey, RouteSurvey, Survey, Unread};
use writerlink_core::actuation::health::HealthWatch;
use writerlink_core::actuation::relay::RelayReport;
use writerlink_core::actuation::weights::Weight;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::ledger::holds::ActiveSuspension;
use writerlink_core::ledger::lease::{Acquire, Lease, acquire};
use writerlink_core::ledger::state::{Assignment, RouteState};
use writerlink_core::ledger::unresolved::{SourceConflict, UnresolvedEvent};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::Mode;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::{Route, Strategy};
use writerlink_core::model::target::ObservedTarget;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::last_move::LastMove;

impl SurveyView {
    /// The survey as a document; `reader` is the configuration that it is compared with.
    #[must_use]
    pub fn of(survey: &Survey, reader: &Provenance) -> Self {
        Self {
            version: VERSION,
            at: survey.at.to_string(),
            installation: reader.installation.to_string(),
            config_hash: reader.config.to_string(),
            worker: WorkerView::of(survey, reader),
            routes: survey.routes.iter().map(RouteView::of).collect(),
            queue: QueueView::of(&survey.queue),
        }
    }
}

impl WorkerView {
    /// The worker of the newest record, compared with the reader's configuration.
    #[must_use]
    pub fn of(survey: &Survey, reader: &Provenance) -> Option<Self> {
        let stored = survey.newest_of_a_worker()?;
        let (record, entry) = (&stored.record, &stored.record.entry);
        let from = entry.provenance.as_ref();
        Some(Self {
            record: format!("{}/{}", record.route, record.seq),
            at: entry.at.to_string(),
            age_ms: millis(survey.at.since(entry.at)),
            owner: entry.owner.to_string(),
            installation: from.map(|from| from.installation.to_string()),
            config_hash: from.map(|from| from.config.to_string()),
            same: from.map(|from| from.as_ref() == reader),
        })
    }
}

impl QueueView {
    fn of(queue: &QueueSurvey) -> Self {
        let QueueSurvey { depth, dead_letters } = queue;
        let depths = [("queue", depth), ("dead_letters", dead_letters)];
        let unread = depths.iter().filter_map(|(part, depth)| unread(part, depth));
        let depth = depth.as_ref().ok();
        Self {
            visible: depth.map(|depth| depth.visible),
            in_flight: depth.map(|depth| depth.in_flight),
            dead_letters: dead_letters.as_ref().ok().map(|depth| depth.visible),
            unread: unread.collect(),
        }
    }
}

fn unread<T>(part: &str, read: &Part<T>) -> Option<UnreadView> {
    read.as_ref().err().map(|why: &Unread| UnreadView { part: part.to_owned(), error: why.to_string() })
}

impl RouteView {
    /// One route of a survey.
    #[must_use]
    pub fn of(survey: &RouteSurvey) -> Self {
        let route = &survey.route;
        let (strategy, listener) = match &route.strategy {
            Strategy::Swap => ("swap", None),
            Strategy::Relay(_) => ("relay", None),
            Strategy::Weighted(weighted) => ("weighted", Some(weighted.listener.to_string())),
        };
        let now = survey.at;
        let control = survey.control();
        let state = survey.state.as_ref().ok().and_then(Option::as_ref);
        let newest = survey.records.iter().flatten().next();
        Self {
            route: route.name.to_string(),
            state: survey.assessment.health.as_str(),
            why: survey.assessment.why.clone(),
            at: now.to_string(),
            strategy,
            mode: match route.policy.mode {
                Mode::Enforce => "enforce",
                Mode::Observe => "observe",
            },
            desired: control.and_then(|control| control.desired.as_ref()).map(desired),
            pending: control.and_then(|control| control.waiting.as_ref()).map(desired),
            unresolved_event: control
                .and_then(|control| control.unresolved_event.as_ref())
                .map(unresolved_event),
            source_conflict: control
                .and_then(|control| control.source_conflict.as_ref())
                .map(source_conflict),
            holds: holds(route, control, now),
            recent_moves: control.map_or(0, |control| control.safety.moves_lately(now)),
            lease: control.and_then(|c| c.lease.as_ref()).map(|held| lease(held, now)),
            health_watch: control.and_then(|control| control.health_watch.as_ref()).map(health_watch),
            listener,
            groups: survey.groups.iter().map(|group| group_view(survey, group)).collect(),
            relays: relays(survey),
            last_move: survey.last_move.as_ref().map(|last| last_move(route, last, now)),
            latest: newest.map(|newest| latest(newest, now)),
            chain: state.map(chain),
            chain_end: chain_end(survey),
            unread: all_unread(survey),
        }
    }
}

fn all_unread(survey: &RouteSurvey) -> Vec<UnreadView> {
    let listener = survey.weights.as_ref().and_then(|weights| unread("listener", weights));
    let groups = survey.groups.iter();
    let groups = groups.filter_map(|group| unread(group.group.arn.as_str(), &group.rows));
    // A state or records that could not be read are listed under their own names.
    let compared = survey.state.is_ok() && survey.newest_row.is_ok();
    let chain_end = compared.then(|| unread("chain_end", &survey.chain_end));
    let parts = [
        unread("state", &survey.state),
        unread("records", &survey.records),
        chain_end.flatten(),
        listener,
        unread("relays", &survey.relays),
    ];
    parts.into_iter().flatten().chain(groups).collect()
}

fn desired(desired: &Desired) -> DesiredView {
    DesiredView {
        instance: desired.instance.to_string(),
        target: desired.target.to_string(),
        additional_targets: desired.additional_targets.iter().map(ToString::to_string).collect(),
        move_mode: desired.move_mode.as_str(),
        evidence_at: desired.evidence.at.to_string(),
        event_key: desired.event.to_string(),
    }
}

fn unresolved_event(event: &UnresolvedEvent) -> UnresolvedEventView {
    UnresolvedEventView {
        event_key: event.key.to_string(),
        event_at: event.at.to_string(),
        since: event.since.to_string(),
        instance: event.names.as_ref().map(ToString::to_string),
        outcome: event.outcome.map(Outcome::as_str),
        reason: event.reason.as_str(),
        note: event.note.clone(),
    }
}

fn source_conflict(conflict: &SourceConflict) -> SourceConflictView {
    SourceConflictView {
        since: conflict.since.to_string(),
        reason: conflict.reason.as_str(),
        note: conflict.note.clone(),
        by: conflict.by.to_string(),
    }
}

/// The holds in force. A route without a ledger entry has them too: its configuration may hold it.
fn holds(route: &Route, control: Option<&Assignment>, now: Timestamp) -> Vec<HoldView> {
    let nothing = Assignment::default();
    let safety = &control.unwrap_or(&nothing).safety;
    safety.in_force(route, now).iter().map(held).collect()
}

fn held(held: &ActiveSuspension<'_>) -> HoldView {
    let stop = held.stop;
    HoldView {
        rule: held.rule.as_str(),
        by: stop.map(|stop| stop.by.clone()),
        reason: stop.map(|stop| stop.reason.clone()),
        since: stop.map(|stop| stop.since.to_string()),
        until: stop.and_then(|stop| stop.until).map(|until| until.to_string()),
        instance: held.pin.map(|pin| pin.instance.to_string()),
        note: held.to_string(),
    }
}

fn lease(lease: &Lease, now: Timestamp) -> LeaseView {
    let free_in = match acquire(Some(lease), now, Duration::ZERO) {
        Acquire::Free | Acquire::TakeOver => Duration::ZERO,
        Acquire::Wait(wait) => wait,
    };
    LeaseView {
        owner: lease.owner.to_string(),
        transition: lease.transition.to_string(),
        until: lease.deadline.to_string(),
        left_ms: millis(lease.deadline.since(now)),
        free_in_ms: millis(free_in),
    }
}

fn health_watch(watch: &HealthWatch) -> HealthWatchView {
    HealthWatchView {
        instance: watch.instance.to_string(),
        target: watch.target.to_string(),
        serving_state: watch.arrival.as_str(),
        old_targets: watch.leaving.iter().map(ToString::to_string).collect(),
    }
}

fn group_view(survey: &RouteSurvey, group: &GroupSurvey) -> GroupView {
    let rows = group.rows.as_ref().ok();
    GroupView {
        instance: group.instance.as_ref().map(ToString::to_string),
        target_group: group.group.arn.to_string(),
        weight: group.weight.map(Weight::get),
        targets: rows.map(|rows| rows.iter().map(|row| target(survey, row)).collect()),
    }
}

fn relays(survey: &RouteSurvey) -> Vec<RelayView> {
    let Strategy::Relay(relay) = &survey.route.strategy else {
        return Vec::new();
    };
    let desired = survey.control().and_then(|control| control.desired.as_ref());
    let reports = survey.relays.iter().flatten();
    let view = |report: &RelayReport| {
        let applied = report.routes.get(&survey.route.name);
        RelayView {
            relay: report.relay.to_string(),
            at: report.at.to_string(),
            age_ms: millis(survey.at.since(report.at)),
            asked_at: report.asked_at.map(|at| at.to_string()),
            live: report.is_live(relay.silent_limit, survey.at),
            instance: applied.map(|applied| applied.instance.to_string()),
            applied_at: applied.map(|applied| applied.at.to_string()),
            desired: applied.map(|applied| &applied.instance) == desired.map(|desired| &desired.instance),
        }
    };
    reports.map(view).collect()
}

fn target(survey: &RouteSurvey, row: &ObservedTarget) -> TargetView {
    let desired = survey.control().and_then(|control| control.desired.as_ref());
    let is_desired = desired.is_some_and(|desired| desired.targets().contains(&row.target));
    let named = desired.filter(|desired| desired.target == row.target).map(|d| &d.instance);
    let mut mapped = survey.route.instances.iter();
    let mapped = || mapped.find(|(_, ip)| **ip == row.target.ip).map(|(instance, _)| instance);
    TargetView {
        target: row.target.to_string(),
        state: row.health.as_str().to_owned(),
        reason: row.reason.clone(),
        availability_zone: row.availability_zone.clone(),
        instance: named.or_else(mapped).map(ToString::to_string),
        desired: is_desired,
    }
}

fn last_move(route: &Route, last: &LastMove, now: Timestamp) -> MoveView {
    let phases = last.phases.iter().map(|phase| PhaseView {
        name: phase.name,
        at: phase.at.to_string(),
        after_ms: millis(phase.at.since(last.said_at)),
    });
    MoveView {
        transition: last.transition.to_string(),
        record: format!("{}/{}", route.name, last.seq),
        event_key: last.key.to_string(),
        cause: last.cause.as_str(),
        attempt: last.attempt,
        instance: last.to.as_ref().map(|(instance, _)| instance.to_string()),
        target: last.to.as_ref().map(|(_, target)| target.to_string()),
        at: last.at.to_string(),
        age_ms: millis(now.since(last.at)),
        state: last.kind.as_str(),
        outcome: last.outcome.map(Outcome::as_str),
        reason: last.reason.map(Reason::as_str),
        note: last.note.clone(),
        evidence_at: last.said_at.to_string(),
        phases: phases.collect(),
    }
}

fn latest(stored: &StoredRecord, now: Timestamp) -> LatestView {
    let (record, entry) = (&stored.record, &stored.record.entry);
    LatestView {
        record: format!("{}/{}", record.route, record.seq),
        at: entry.at.to_string(),
        age_ms: millis(now.since(entry.at)),
        kind: entry.kind.as_str(),
        outcome: entry.outcome.map(Outcome::as_str),
        reason: entry.reason.map(Reason::as_str),
        note: entry.note.clone(),
    }
}

fn chain(state: &RouteState) -> ChainView {
    ChainView { seq: state.chain.seq, hash: state.chain.hash.to_string() }
}

fn chain_end(survey: &RouteSurvey) -> Option<ChainEndView> {
    let end = survey.chain_end.as_ref().ok()?;
    let newest = survey.newest_row.as_ref().ok()?;
    Some(ChainEndView {
        found: end.as_str(),
        newest_seq: newest.map_or(0, |row| row.seq),
        difference: end.difference(),
        remedy: end.remedy(&survey.route.name),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
