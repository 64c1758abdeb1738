//! What a record changes of a route's state besides the chain.

use crate::domain::event::{EventKey, RdsEvent};
use crate::domain::follow::Follow;
use crate::domain::ground::{Act, Ground, Order};
use crate::domain::safety::{Rule, Safety, Stop};
use crate::domain::sources::{agreed_after, replaced_by};
use crate::domain::time::Timestamp;
use crate::domain::transition::{Control, Desired};
use crate::domain::unresolved::{SourceConflict, UnresolvedEvent};
use crate::planted::{Bug, planted};

/// What a record changes of a route besides telling something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The evidence is kept, since a safety rule holds it back.
    Keeps(Desired, Rule),
    /// The sources outrank a failover that was said to have started before this time.
    Asks(Timestamp),
    /// This is left to be seen of the last move.
    Follows(Option<Follow>),
    /// A person's order that moves nothing.
    Obeys(Order),
    /// The event could not be acted on, and is part of the route's state until it is answered (I9).
    Refuses(UnresolvedEvent),
    /// The discovery sources agree with the event that the route points by (I3); a conflict is over.
    Agrees(EventKey),
    /// The discovery sources contradict what is desired, or no longer do (I9).
    Conflicts(Option<SourceConflict>),
}

impl Effect {
    /// What evidence changes that asks for the sources. That it may have happened is no word against what is known; a
    /// failover that failed takes back what its start announced.
    #[must_use]
    pub fn of_asking(ground: &Ground) -> Self {
        let called_off = |event: &RdsEvent| event.calls_off_a_failover();
        match ground.event() {
            Some(event) if called_off(event) || planted(Bug::AskingRetracts) => {
                Self::Asks(event.at)
            }
            Some(_) | None => Self::None,
        }
    }

    pub(super) fn on(self, control: Control, now: Timestamp) -> Control {
        match self {
            Self::None => control,
            Self::Keeps(desired, rule) => {
                let newer = control
                    .newest()
                    .is_none_or(|k| k.evidence < desired.evidence);
                let mut kept = control;
                kept.unresolved_event = unanswered(&kept, &desired);
                if newer {
                    let agreed_with = agreed_after(&kept, &desired);
                    kept.replaced_fact = replaced_by(&kept, &desired);
                    kept.agreed_with = agreed_with;
                    kept.source_conflict =
                        kept.source_conflict.filter(SourceConflict::outlasts_a_move);
                    kept.waiting = Some(desired);
                }
                if rule == Rule::Flapping && kept.safety.flapping.is_none() {
                    kept.safety.flapping = Some(Safety::flap_stop(now));
                }
                kept
            }
            Self::Asks(at) => Control {
                ask_truth: control.ask_truth.max(Some(at)),
                ..control
            },
            Self::Follows(follow) => Control { follow, ..control },
            Self::Obeys(order) => Control {
                safety: obeyed(&control.safety, &order),
                unresolved_event: match order.act {
                    Act::Acknowledge => None,
                    Act::Swap(_)
                    | Act::Pin { .. }
                    | Act::Unpin
                    | Act::Pause { .. }
                    | Act::Resume
                    | Act::Freeze { .. }
                    | Act::Unfreeze => control.unresolved_event,
                },
                ..control
            },
            Self::Refuses(event) => {
                let known = control.unresolved_event;
                let is_newest = known.as_ref().is_none_or(|known| known.at <= event.at);
                Control {
                    unresolved_event: if is_newest { Some(event) } else { known },
                    ..control
                }
            }
            Self::Agrees(event) => Control {
                agreed_with: Some(event),
                source_conflict: None,
                ..control
            },
            Self::Conflicts(source_conflict) => Control {
                source_conflict,
                ..control
            },
        }
    }
}

/// The event that could not be acted on, unless this evidence answers it.
pub(super) fn unanswered(control: &Control, accepted: &Desired) -> Option<UnresolvedEvent> {
    let unresolved = control.unresolved_event.clone();
    unresolved.filter(|unresolved| !unresolved.is_answered_by(accepted))
}

fn obeyed(safety: &Safety, order: &Order) -> Safety {
    let mut safety = safety.clone();
    match order.act {
        Act::Pause { .. } => safety.pause = Some(stop_of(order)),
        Act::Resume => safety.pause = None,
        Act::Freeze { .. } => safety.freeze = Some(stop_of(order)),
        Act::Unfreeze => safety.freeze = None,
        Act::Unpin => safety.pin = None,
        Act::Acknowledge => {
            safety.flapping = None;
            safety.moves.clear();
        }
        // These take effect with the move that they order.
        Act::Swap(_) | Act::Pin { .. } => {}
    }
    safety
}

pub(super) fn stop_of(order: &Order) -> Stop {
    Stop {
        by: order.by.clone(),
        reason: order.reason.clone(),
        since: order.at,
        until: order.act.within().map(|within| order.at.plus(within)),
    }
}
