//! What an attempt would do now, found out by reading alone.

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::opening::{arrival_of, nameless, needs_the_address, resolve};
use crate::attempt::weights::RouteReader;
use crate::ports::{CallError, Clock, Databases, Ledger, Ports};
use writerlink_core::actuation::plan::Plan;
use writerlink_core::actuation::weights::Weights;
use writerlink_core::decision::checks::{CheckRecord, DecisionCheck, DecisionTrace};
use writerlink_core::decision::event::trace;
use writerlink_core::decision::holds::hold_or_move;
use writerlink_core::decision::missing_name::ASKED_FOR;
use writerlink_core::decision::verdict::{Decision, Verdict};
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::ledger::change::EventDelivery;
use writerlink_core::ledger::lease::{Acquire, acquire};
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::{Route, Strategy};
use writerlink_core::model::target::ObservedTarget;
use writerlink_core::status::health::{Assessment, desired_target, unresolved};

/// What an attempt would do. Old the moment it is told: nothing was taken in hand to find it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Every question that was asked on the way to the decision.
    pub asked: Vec<CheckRecord>,
    /// What would be decided.
    pub decision: Decision,
    /// The group, if the decision is to move.
    pub observed: Vec<ObservedTarget>,
    /// The targets that would be registered and deregistered.
    pub plan: Plan,
    /// A weighted route's weights as they stand and as they would be set, if they would.
    pub weights: Option<(Weights, Weights)>,
    /// Whether relays would forward to another instance: the commit moves a relay route, without a call.
    pub switches: bool,
    /// Who holds the route, and for how long at most, so that an attempt would have to come back.
    pub held: Option<(Owner, Duration)>,
}

/// What is left to do for a route by the ledger and its group, and what is unresolved about it (I9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteOutlook {
    /// What an attempt would do now; nothing if the ledger does not say where the route should point.
    pub preview: Option<Preview>,
    /// What no attempt mends.
    pub unresolved: Option<Assessment>,
}

impl RouteOutlook {
    /// Whether nothing is left to do, for a worker or for a person.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.unresolved.is_none() && self.preview.as_ref().is_none_or(Preview::is_in_place)
    }
}

impl Preview {
    /// Whether no call would be made.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.plan.is_empty() && self.weights.is_none() && !self.switches
    }
}

/// Tells what would be done, and does none of it.
pub struct DryRun {
    ledger: Arc<dyn Ledger>,
    databases: Arc<dyn Databases>,
    clock: Arc<dyn Clock>,
    reader: RouteReader,
}

impl DryRun {
    /// One that reads by these ports.
    #[must_use]
    pub fn new(ports: &Ports) -> Self {
        Self {
            ledger: Arc::clone(&ports.ledger),
            databases: Arc::clone(&ports.databases),
            clock: Arc::clone(&ports.clock),
            reader: RouteReader::new(ports),
        }
    }

    /// What an attempt at `evidence` would do. Writes nothing, not even the item of a route never seen.
    ///
    /// # Errors
    /// When the ledger, the look-up or the load balancer cannot be read.
    pub async fn preview(&self, route: &Route, evidence: &Evidence) -> Result<Preview, CallError> {
        let state = self.ledger.peek(&route.name).await?;
        let state = state.unwrap_or_else(|| RouteState::new(route.name.clone()));
        let known = match evidence.trigger.event() {
            Some(_) => self.ledger.event(&evidence.key).await?,
            None => None,
        };
        let arrival = arrival_of(evidence, known);
        let trace = match &arrival {
            Some(arrival) if let Some(verdict) = not_new(arrival) => {
                DecisionTrace::stopped(DecisionCheck::New, verdict)
            }
            Some(_) | None => {
                let address = resolve(self.databases.as_ref(), route, evidence).await;
                let found = address.as_ref().copied().unwrap_or_default();
                let now = self.clock.wall();
                let mut trace = trace(route, &state.control, evidence, found, now);
                if let (Err(error), true) = (&address, needs_the_address(&trace.decision)) {
                    let verdict = nameless(route, evidence, error, None);
                    let mut verdict = verdict.ok_or_else(|| error.clone())?;
                    if arrival.is_some() {
                        verdict.note.push_str(&asked_for_again());
                    }
                    trace = trace.stopped_by(verdict);
                }
                match &arrival {
                    Some(arrival) => trace.behind(DecisionCheck::New, seen_before(arrival)),
                    // An order is not delivered twice.
                    None => trace,
                }
            }
        };
        self.foreseen(route, &state, trace).await
    }

    /// What is missing for the group to be where the route should point: where the ledger says that it points, or
    /// where evidence that is held back would move it; and what is unresolved.
    ///
    /// # Errors
    /// When the ledger or the load balancer cannot be read.
    pub async fn standing(&self, route: &Route) -> Result<RouteOutlook, CallError> {
        let state = self.ledger.peek(&route.name).await?;
        let state = state.unwrap_or_else(|| RouteState::new(route.name.clone()));
        let now = self.clock.wall();
        let unresolved = unresolved(route, &state.control, now);
        let Some(desired) = desired_target(&state.control, now).cloned() else {
            let preview = None;
            return Ok(RouteOutlook { preview, unresolved });
        };
        let decision = if state.control.desired.as_ref() == Some(&desired) {
            Decision::Move(desired)
        } else {
            hold_or_move(route, &state.control, desired, now, &[])
        };
        let trace = DecisionTrace { asked: Vec::new(), decision };
        let preview = Some(self.foreseen(route, &state, trace).await?);
        Ok(RouteOutlook { preview, unresolved })
    }

    async fn foreseen(
        &self,
        route: &Route,
        state: &RouteState,
        DecisionTrace { asked, decision }: DecisionTrace,
    ) -> Result<Preview, CallError> {
        let observed_route = match &decision {
            Decision::Settle(_) | Decision::Ask(_) => None,
            Decision::Move(desired) | Decision::Hold(desired, _) => {
                let observed_route = self.reader.observe_route(route, desired, None).await?;
                if let Some(error) = observed_route.unread {
                    return Err(error);
                }
                Some(observed_route)
            }
        };
        let (observed, plan, weights) = observed_route.map_or_else(Default::default, |observed_route| {
            (observed_route.rows, observed_route.plan, observed_route.weights)
        });
        let switches = match (&route.strategy, &decision) {
            (Strategy::Relay(_), Decision::Move(desired) | Decision::Hold(desired, _)) => {
                state.control.desired.as_ref().is_none_or(|known| known.target != desired.target)
            }
            (Strategy::Relay(_), Decision::Settle(_) | Decision::Ask(_))
            | (Strategy::Swap | Strategy::Weighted(_), _) => false,
        };
        Ok(Preview { asked, decision, observed, plan, weights, switches, held: self.held(state) })
    }

    fn held(&self, state: &RouteState) -> Option<(Owner, Duration)> {
        let lease = state.control.lease.as_ref()?;
        match acquire(Some(lease), self.clock.wall(), Duration::ZERO) {
            Acquire::Free | Acquire::TakeOver => None,
            Acquire::Wait(wait) => Some((lease.owner.clone(), wait)),
        }
    }
}

/// Why an event is not to be decided about, if it was settled before.
fn not_new(arrival: &EventDelivery) -> Option<Verdict> {
    let settled = arrival.known.as_ref()?.settled?;
    let note = format!("the event was settled before, as {settled}");
    Some(Verdict::new(Outcome::Duplicate, Reason::AlreadyProcessed, note))
}

/// What is added to the verdict on an event that is delivered: a worker does not give it at once.
fn asked_for_again() -> String {
    let seconds = ASKED_FOR.as_secs();
    format!("; a worker asks for it for {seconds} s before it says so")
}

fn seen_before(arrival: &EventDelivery) -> String {
    match &arrival.known {
        None => "this route has not seen the event before".to_owned(),
        Some(entry) => format!(
            "first seen at {}, and not settled; attempts so far: {}",
            entry.first_seen, entry.attempts
        ),
    }
}
