//! What an attempt tells the worker and the log.

use std::time::Duration;

use crate::attempt::Task;
use crate::ports::CallError;
use writerlink_core::decision::verdict::Verdict;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::ledger::record::{RecordedTrigger, Step};
use writerlink_core::model::ids::{Generation, Owner, TransitionId};
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::outcome::{Disposition, Outcome};
use writerlink_core::model::reason::Cause;
use writerlink_core::model::target::{ObservedTarget, Target};
use writerlink_core::status::last_move::accepted;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// This attempt processed the event, durably.
    Settled(Verdict),
    /// The event was processed before, with this outcome.
    Duplicate(Outcome),
    /// The timer's reason to act was gone when it had the route: nothing was done or recorded.
    Nothing(Verdict),
    /// The worker has moved as many routes this minute as it may.
    Paced(Duration),
    /// Others have their turn first, or a call was refused: a bucket of the account is empty. No failure of the event.
    Waits(Duration, Option<CallError>),
    /// The attempt failed and said so in the ledger; the event's next delivery tries again.
    Deferred(Verdict, Duration),
    /// Another attempt holds the route, or held it and died too recently.
    Busy(Owner, Duration),
    /// The ledger, or a look-up before it, could not be asked. No call was made that is not announced.
    Unavailable(CallError, Duration),
    /// The lease was over, or taken over, before the attempt was; it made no call after that.
    LeaseLost {
        /// The event's outcome, if the new lease holder has processed it.
        settled: Option<Outcome>,
        /// When to retry if not.
        again_after: Duration,
    },
}

impl AttemptResult {
    /// The outcome, if the event is processed.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Settled(verdict) => Some(verdict.outcome),
            Self::Duplicate(_) => Some(Outcome::Duplicate),
            Self::Nothing(_)
            | Self::Paced(_)
            | Self::Waits(..)
            | Self::Deferred(..)
            | Self::Busy(..)
            | Self::Unavailable(..)
            | Self::LeaseLost { .. } => None,
        }
    }

    /// What becomes of the message.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Settled(verdict) => verdict.outcome.disposition(),
            // By the event's own outcome: a worker may have died between recording Failed and
            // sending its message to the dead-letter queue.
            Self::Duplicate(settled) | Self::LeaseLost { settled: Some(settled), .. } => {
                settled.disposition()
            }
            Self::Nothing(_) => Disposition::Delete,
            Self::Deferred(_, after)
            | Self::Paced(after)
            | Self::Waits(after, _)
            | Self::Busy(_, after)
            | Self::Unavailable(_, after)
            | Self::LeaseLost { settled: None, again_after: after } => Disposition::RetryAfter(*after),
        }
    }

    /// One word for it, as logs and metrics say it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Settled(verdict) => verdict.outcome.as_str(),
            Self::Duplicate(_) => Outcome::Duplicate.as_str(),
            Self::Nothing(_) => "Nothing",
            Self::Paced(_) => "Paced",
            Self::Waits(..) => "Waits",
            Self::Deferred(..) => "Deferred",
            Self::Busy(..) => "Busy",
            Self::Unavailable(..) => "Unavailable",
            Self::LeaseLost { .. } => "LeaseLost",
        }
    }

    /// Why, in words.
    #[must_use]
    pub fn note(&self) -> String {
        match self {
            Self::Settled(verdict) | Self::Deferred(verdict, _) | Self::Nothing(verdict) => {
                verdict.note.clone()
            }
            Self::Paced(_) => {
                "the worker has moved as many routes this minute as moves_per_minute_max allows".to_owned()
            }
            Self::Waits(after, refused) => {
                let why = refused.as_ref().map_or_else(
                    || "others have their turn first at the account's bucket of registrations".to_owned(),
                    CallError::to_string,
                );
                format!("{why}; it comes back in {} s", rounded_up(*after))
            }
            Self::Duplicate(settled) => format!("the event was settled before, as {settled}"),
            Self::Busy(owner, _) => format!("the route is held by {owner}"),
            Self::Unavailable(error, _) => error.to_string(),
            Self::LeaseLost { .. } => "the lease was over before the attempt was".to_owned(),
        }
    }
}

/// Everything worth knowing about one attempt: the wide line of the log is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which route.
    pub route: RouteName,
    /// Which event, on this route.
    pub event_key: EventKey,
    /// What made it happen.
    pub cause: Cause,
    /// What spoke for it.
    pub told: RecordedTrigger,
    /// Which attempt.
    pub transition: TransitionId,
    /// The how manieth at this event; 0 when the ledger was never reached.
    pub attempt: u32,
    /// Whether an earlier attempt had left the move half done.
    pub resumed: bool,
    /// The fencing token, once the route was taken.
    pub generation: Option<Generation>,
    /// Where the route should point.
    pub desired: Option<(InstanceId, Target)>,
    /// The group before the calls.
    pub before: Vec<ObservedTarget>,
    /// The group after them.
    pub after: Vec<ObservedTarget>,
    /// What was done.
    pub steps: Vec<Step>,
    /// How long it took in all.
    pub took: Duration,
    /// How old the evidence was when the attempt began.
    pub event_age: Duration,
    /// How it ended.
    pub ended: AttemptResult,
}

impl Report {
    /// The report of an attempt that has done nothing yet.
    pub(super) fn of(task: &Task<'_>) -> Self {
        let evidence = task.evidence;
        Self {
            route: task.route.name.clone(),
            event_key: evidence.key,
            cause: task.cause,
            told: RecordedTrigger::from(&evidence.trigger),
            transition: task.transition,
            attempt: 0,
            resumed: false,
            generation: None,
            desired: None,
            before: Vec::new(),
            after: Vec::new(),
            steps: Vec::new(),
            took: Duration::ZERO,
            event_age: task.began.since(evidence.trigger.at()),
            ended: AttemptResult::LeaseLost { settled: None, again_after: Duration::ZERO },
        }
    }

    /// From the start of the attempt to the load balancer's word that the target is registered.
    #[must_use]
    pub fn registered(&self) -> Option<Duration> {
        accepted(&self.steps, "RegisterTargets").next()
    }

    /// From the start of the attempt to its word that the others are deregistered, or that the weights are moved.
    #[must_use]
    pub fn swapped(&self) -> Option<Duration> {
        let last = |call| accepted(&self.steps, call).next_back();
        last("DeregisterTargets").or_else(|| last("ModifyListener"))
    }
}

/// Whole seconds: who comes back after that long is not early.
fn rounded_up(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0)
}
