//! What a record changes of a route's state besides the chain.

use crate::actuation::health::HealthWatch;
use crate::evidence::desired::Desired;
use crate::evidence::event::{EventKey, RdsEvent};
use crate::evidence::trigger::{CommandKind, OperatorCommand, Trigger};
use crate::ledger::change::{agreed_after, replaced_by};
use crate::ledger::holds::{Safety, Suspension};
use crate::ledger::state::Assignment;
use crate::ledger::unresolved::{SourceConflict, UnresolvedEvent};
use crate::model::reason::Rule;
use crate::model::time::Timestamp;

/// How a record changes the state of its route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateUpdate {
    /// Nothing.
    None,
    /// The evidence is kept until this safety rule is lifted.
    Defer(Desired, Rule),
    /// A reading outranks failovers that started before this time.
    RequireReading(Timestamp),
    /// What remains of the last move's health watch.
    WatchHealth(Option<HealthWatch>),
    /// An operator's command that moves nothing.
    Apply(OperatorCommand),
    /// The event could not be acted on, and is part of the route's state until it is answered (I9).
    Refuses(UnresolvedEvent),
    /// The discovery sources agree with the event that the route points by (I3); a conflict is over.
    Agrees(EventKey),
    /// The discovery sources contradict what is desired, or no longer do (I9).
    Conflicts(Option<SourceConflict>),
}

impl StateUpdate {
    /// The update of evidence that requires a reading. Only a failed failover changes the state: it takes back what its
    /// start announced.
    #[must_use]
    pub fn of_asking(trigger: &Trigger) -> Self {
        let called_off = |event: &RdsEvent| event.calls_off_a_failover();
        match trigger.event() {
            Some(event) if called_off(event) => Self::RequireReading(event.at),
            Some(_) | None => Self::None,
        }
    }

    pub(crate) fn on(self, control: Assignment, now: Timestamp) -> Assignment {
        match self {
            Self::None => control,
            Self::Defer(desired, rule) => {
                let newer = control.newest().is_none_or(|k| k.evidence < desired.evidence);
                let mut kept = control;
                kept.unresolved_event = unanswered(&kept, &desired);
                if newer {
                    let agreed_with = agreed_after(&kept, &desired);
                    kept.replaced_fact = replaced_by(&kept, &desired);
                    kept.agreed_with = agreed_with;
                    kept.source_conflict = kept.source_conflict.filter(SourceConflict::outlasts_a_move);
                    kept.waiting = Some(desired);
                }
                if rule == Rule::Flapping && kept.safety.flapping.is_none() {
                    kept.safety.flapping = Some(Safety::flap_stop(now));
                }
                kept
            }
            Self::RequireReading(at) => {
                Assignment { require_reading: control.require_reading.max(Some(at)), ..control }
            }
            Self::WatchHealth(health_watch) => Assignment { health_watch, ..control },
            Self::Apply(command) => Assignment {
                safety: apply_command(&control.safety, &command),
                unresolved_event: match command.act {
                    CommandKind::Acknowledge => None,
                    CommandKind::Swap(_)
                    | CommandKind::Pin { .. }
                    | CommandKind::Unpin
                    | CommandKind::Pause { .. }
                    | CommandKind::Resume
                    | CommandKind::Freeze { .. }
                    | CommandKind::Unfreeze => control.unresolved_event,
                },
                ..control
            },
            Self::Refuses(event) => {
                let known = control.unresolved_event;
                let is_newest = known.as_ref().is_none_or(|known| known.at <= event.at);
                Assignment { unresolved_event: if is_newest { Some(event) } else { known }, ..control }
            }
            Self::Agrees(event) => Assignment { agreed_with: Some(event), source_conflict: None, ..control },
            Self::Conflicts(source_conflict) => Assignment { source_conflict, ..control },
        }
    }
}

/// The event that could not be acted on, unless this evidence answers it.
pub(crate) fn unanswered(control: &Assignment, accepted: &Desired) -> Option<UnresolvedEvent> {
    let unresolved = control.unresolved_event.clone();
    unresolved.filter(|unresolved| !unresolved.is_answered_by(accepted))
}

fn apply_command(safety: &Safety, command: &OperatorCommand) -> Safety {
    let mut safety = safety.clone();
    match command.act {
        CommandKind::Pause { .. } => safety.pause = Some(suspension_of(command)),
        CommandKind::Resume => safety.pause = None,
        CommandKind::Freeze { .. } => safety.freeze = Some(suspension_of(command)),
        CommandKind::Unfreeze => safety.freeze = None,
        CommandKind::Unpin => safety.pin = None,
        CommandKind::Acknowledge => {
            safety.flapping = None;
            safety.moves.clear();
        }
        // These take effect with their move.
        CommandKind::Swap(_) | CommandKind::Pin { .. } => {}
    }
    safety
}

pub(crate) fn suspension_of(command: &OperatorCommand) -> Suspension {
    Suspension {
        by: command.by.clone(),
        reason: command.reason.clone(),
        since: command.at,
        until: command.act.within().map(|within| command.at.plus(within)),
    }
}
