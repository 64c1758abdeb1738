//! `replay`: an event handed in by hand.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::args::Global;
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Row, millis, or_dash};
use crate::cli::run::reconciler;
use crate::cli::{Session, intake};
use crate::config::Config;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::model::outcome::{Disposition, Outcome};
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::route::Route;
use writerlink_engine::attempt::{AttemptResult, NoMessage, Reconciler, Report};
use writerlink_engine::ports::Clock;
use writerlink_engine::telemetry::event::EventSink as _;
use writerlink_engine::telemetry::event::WorkerEvent;
use writerlink_engine::telemetry::tracing_sink::TracingSink;
use writerlink_engine::wire::{DRILL_SOURCE, Parsed};

/// What became of an event on one route.
#[derive(Default, Serialize)]
struct ReplayRow {
    route: String,
    outcome: &'static str,
    reason: Option<&'static str>,
    instance: Option<String>,
    target: Option<String>,
    attempts: u32,
    took_ms: u64,
    event_key: String,
    transition: String,
    note: String,
}

impl Row for ReplayRow {
    fn cells(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ROUTE", self.route.clone()),
            ("OUTCOME", self.outcome.to_owned()),
            ("REASON", or_dash(self.reason)),
            ("TARGET", or_dash(self.target.as_ref())),
            ("TOOK", format!("{} ms", self.took_ms)),
            ("NOTE", self.note.clone()),
        ]
    }
}

impl ReplayRow {
    fn of(report: &Report, attempts: u32) -> Self {
        let desired = report.desired.as_ref();
        Self {
            route: report.route.to_string(),
            outcome: report.ended.as_str(),
            reason: reason(&report.ended).map(Reason::as_str),
            instance: desired.map(|(instance, _)| instance.to_string()),
            target: desired.map(|(_, target)| target.to_string()),
            attempts,
            took_ms: millis(report.took),
            event_key: report.event_key.to_string(),
            transition: report.transition.to_string(),
            note: note(&report.ended),
        }
    }
}

pub(super) fn reason(ended: &AttemptResult) -> Option<Reason> {
    match ended {
        AttemptResult::Settled(verdict)
        | AttemptResult::Deferred(verdict, _)
        | AttemptResult::Nothing(verdict) => Some(verdict.reason),
        AttemptResult::Paced(_) => Some(Reason::TooManyMoves),
        AttemptResult::Waits(..) => Some(Reason::AwaitsQuota),
        AttemptResult::Duplicate(_) => Some(Reason::AlreadyProcessed),
        AttemptResult::LeaseLost { .. } => Some(Reason::LeaseLost),
        AttemptResult::Busy(..) | AttemptResult::Unavailable(..) => None,
    }
}

fn note(ended: &AttemptResult) -> String {
    match ended {
        AttemptResult::Busy(_, wait) => {
            // Rounded up: who comes back after that long must not be early.
            format!("{} for at most {} s", ended.note(), wait.as_secs() + 1)
        }
        AttemptResult::Settled(_)
        | AttemptResult::Duplicate(_)
        | AttemptResult::Deferred(..)
        | AttemptResult::Nothing(_)
        | AttemptResult::Paced(_)
        | AttemptResult::Waits(..)
        | AttemptResult::Unavailable(..)
        | AttemptResult::LeaseLost { .. } => ended.note(),
    }
}

/// How the process ends by one attempt: well if the event is settled, and nothing held the route back.
fn exit(ended: &AttemptResult) -> Exit {
    let held_back = |outcome| matches!(outcome, Outcome::Paused | Outcome::Observed);
    match (ended, ended.disposition()) {
        (AttemptResult::Settled(verdict), _) if held_back(verdict.outcome) => Exit::Refused,
        (_, Disposition::Delete) => Exit::Done,
        (AttemptResult::Duplicate(Outcome::Rejected), _) => Exit::Refused,
        (AttemptResult::Settled(verdict), _) if verdict.outcome == Outcome::Rejected => Exit::Refused,
        (AttemptResult::Settled(verdict), _) if verdict.reason == Reason::NotConverged => Exit::NotConverged,
        (AttemptResult::Busy(..), _) => Exit::LeaseHeld,
        (_, Disposition::DeadLetter | Disposition::RetryAfter(_)) => Exit::Error,
    }
}

/// Of two ways to end, the one that asks for more attention.
pub(super) fn worse(one: Exit, other: Exit) -> Exit {
    let weight = |exit| match exit {
        Exit::Done => 0,
        Exit::LeaseHeld => 1,
        Exit::Refused => 2,
        _ => 3,
    };
    if weight(other) > weight(one) { other } else { one }
}

/// Hands in an event to every route that follows its source.
pub(super) async fn run(file: &Path, global: &Global, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let events = match intake::read(file, session)? {
        Parsed::Events(events) => events,
        Parsed::Drill(_) => {
            let text = format!(
                "no route moves: an event of {DRILL_SOURCE} is a drill; `writerlink plan --event` tells what it would do"
            );
            session.remark(&text)?;
            Vec::new()
        }
        Parsed::Ignored(why) => {
            let text = format!("no route moves: {why}");
            session.remark(&text)?;
            Vec::new()
        }
    };
    let followed = intake::followed(&events, &config)?;
    let replay = Replay::open(&config, session).await?;
    let (mut rows, mut exit_by, mut failures) = (Vec::new(), Exit::Done, Vec::new());
    for (route, evidence) in &followed {
        let (report, attempts) = replay.mend(route, evidence).await;
        exit_by = worse(exit_by, exit(&report.ended));
        rows.push(ReplayRow::of(&report, attempts));
        if let AttemptResult::Unavailable(error, _) = report.ended {
            failures.push(Failure::call(&format!("replaying the event on route {}", route.name), error));
        }
    }
    Listing::of("replayed", &rows).write(global.output, session.out)?;
    for failure in &failures {
        crate::cli::tell(failure, session);
    }
    Ok(exit_by)
}

struct Replay {
    reconciler: Reconciler,
    clock: Arc<dyn Clock>,
    attempts_max: u32,
}

impl Replay {
    async fn open(config: &Config, session: &Session<'_>) -> Result<Self, Failure> {
        let process = session.connect.process()?;
        let ports = session.connect.ports(config).await?;
        let clock = Arc::clone(&ports.clock);
        let attempts_max = config.worker.max_attempts;
        Ok(Self { reconciler: reconciler(config, &ports, process.owner), clock, attempts_max })
    }

    /// Brings the event to an end; and where it was settled as Failed or Rejected before, does so anew. The cause
    /// may be mended by now, and the person who asks knows it.
    async fn mend(&self, route: &Route, evidence: &Evidence) -> (Report, u32) {
        let (report, attempts) = self.bring_to_an_end(route, evidence).await;
        let AttemptResult::Duplicate(Outcome::Failed | Outcome::Rejected) = report.ended else {
            return (report, attempts);
        };
        let key = evidence.key.for_replay(self.clock.random());
        let again = Evidence { key, trigger: evidence.trigger.clone() };
        self.bring_to_an_end(route, &again).await
    }

    /// Attempts until the event is settled, or is in other hands. The ledger counts the attempts and settles
    /// the event as Failed after the last; the count here only bounds the loop if it should not.
    async fn bring_to_an_end(&self, route: &Route, evidence: &Evidence) -> (Report, u32) {
        let mut attempts = 1;
        loop {
            let attempt = self.reconciler.attempt(route, evidence, Cause::Replay, &NoMessage);
            let report = attempt.await;
            TracingSink.record(&WorkerEvent::Attempt(&report));
            let AttemptResult::Deferred(_, pause) = report.ended else {
                return (report, attempts);
            };
            if attempts >= self.attempts_max {
                return (report, attempts);
            }
            let ms = pause.as_millis();
            tracing::info!(event = "waiting", "attempt {attempts} failed; the next one is in {ms} ms");
            self.clock.sleep(pause).await;
            attempts += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use writerlink_core::decision::verdict::Verdict;
    use writerlink_core::model::ids::Owner;
    use writerlink_core::model::outcome::Outcome;
    use writerlink_engine::ports::{CallError, ErrorKind};

    fn settled(outcome: Outcome) -> AttemptResult {
        AttemptResult::Settled(Verdict::new(outcome, Reason::WriterMoved, ""))
    }

    fn unavailable() -> AttemptResult {
        let error = CallError::without_a_reply("ExecuteTransaction", ErrorKind::Unreachable, "");
        AttemptResult::Unavailable(error, Duration::ZERO)
    }

    fn busy() -> AttemptResult {
        AttemptResult::Busy(Owner::new("w1"), Duration::from_millis(12_001))
    }

    #[test]
    fn a_replay_succeeds_if_its_event_is_settled_and_nothing_held_the_route() {
        for outcome in Outcome::ALL {
            let (now, before) = match outcome {
                Outcome::Rejected => (Exit::Refused, Exit::Refused),
                // Of one that was held back before, nobody asks again: the ledger has it as the newest evidence.
                Outcome::Paused | Outcome::Observed => (Exit::Refused, Exit::Done),
                Outcome::Failed => (Exit::Error, Exit::Error),
                _ => (Exit::Done, Exit::Done),
            };
            assert_eq!(exit(&settled(outcome)), now, "{outcome}");
            if outcome != Outcome::Duplicate {
                assert_eq!(exit(&AttemptResult::Duplicate(outcome)), before, "{outcome}");
            }
        }
        assert_eq!(exit(&unavailable()), Exit::Error);
        assert_eq!(exit(&busy()), Exit::LeaseHeld);
    }

    #[test]
    fn a_failed_route_outweighs_a_held_one_and_that_a_leased_one() {
        for (one, other, both) in [
            (Exit::Done, Exit::LeaseHeld, Exit::LeaseHeld),
            (Exit::LeaseHeld, Exit::Done, Exit::LeaseHeld),
            (Exit::LeaseHeld, Exit::Error, Exit::Error),
            (Exit::Error, Exit::LeaseHeld, Exit::Error),
            (Exit::LeaseHeld, Exit::Refused, Exit::Refused),
            (Exit::Refused, Exit::Error, Exit::Error),
            (Exit::Refused, Exit::NotConverged, Exit::NotConverged),
            (Exit::Done, Exit::Done, Exit::Done),
        ] {
            assert_eq!(worse(one, other), both);
        }
    }

    #[test]
    fn whoever_has_to_wait_is_told_how_long_and_not_too_short() {
        assert_eq!(note(&busy()), "the route is held by w1 for at most 13 s");
    }
}
