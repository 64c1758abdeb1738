//! What an attempt would do now, found out by reading alone.

use std::time::Duration;

use super::Reconciler;
use super::opening::{arrival_of, is_foreign, payload_differs};
use crate::domain::audit::Reason;
use crate::domain::change::Arrival;
use crate::domain::decide::{Decision, Verdict, decide};
use crate::domain::event::Evidence;
use crate::domain::lease::{Acquire, Owner, acquire};
use crate::domain::plan::Plan;
use crate::domain::route::Route;
use crate::domain::target::ObservedTarget;
use crate::domain::transition::{Outcome, RouteState};
use crate::domain::weights::Weights;
use crate::ports::CallError;

/// What an attempt would do. Old the moment it is told: nothing was taken in hand to find it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// What would be decided.
    pub decision: Decision,
    /// The group, if the decision is to move.
    pub observed: Vec<ObservedTarget>,
    /// The targets that would be registered and deregistered.
    pub plan: Plan,
    /// A weighted route's weights as they stand and as they would be set, if they would.
    pub weights: Option<(Weights, Weights)>,
    /// Who holds the route, and for how long at most, so that an attempt would have to come back.
    pub held: Option<(Owner, Duration)>,
}

impl Preview {
    /// Whether no call would be made.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.plan.is_empty() && self.weights.is_none()
    }
}

impl Reconciler {
    /// What an attempt at `evidence` would do. Writes nothing, not even the item of a route never seen.
    ///
    /// # Errors
    /// When the ledger, the look-up or the load balancer cannot be read.
    pub async fn preview(&self, route: &Route, evidence: &Evidence) -> Result<Preview, CallError> {
        let state = self.ledger.peek(&route.name).await?;
        let state = state.unwrap_or_else(|| RouteState::new(route.name.clone()));
        let known = match evidence.ground.event() {
            Some(_) => self.ledger.event(&evidence.key).await?,
            None => None,
        };
        let arrival = arrival_of(evidence, known);
        let settled = |arrival: &Arrival| arrival.known.as_ref().and_then(|entry| entry.settled);
        let decision = match &arrival {
            Some(arrival) if is_foreign(arrival) => payload_differs(arrival).into(),
            Some(arrival) if let Some(settled) = settled(arrival) => {
                let note = format!("the event was settled before, as {settled}");
                Verdict::new(Outcome::Duplicate, Reason::SettledBefore, note).into()
            }
            Some(_) | None => {
                let address = self.resolve(route, evidence).await?;
                decide(route, &state.control, evidence, address, self.clock.wall())
            }
        };
        self.foreseen(route, &state, decision).await
    }

    /// What is missing for the group to be where the ledger says that the route points; `None` when the
    /// ledger says nothing.
    ///
    /// # Errors
    /// When the ledger or the load balancer cannot be read.
    pub async fn standing(&self, route: &Route) -> Result<Option<Preview>, CallError> {
        let Some(state) = self.ledger.peek(&route.name).await? else {
            return Ok(None);
        };
        let Some(desired) = state.control.desired.clone() else {
            return Ok(None);
        };
        let decision = Decision::Move(desired);
        self.foreseen(route, &state, decision).await.map(Some)
    }

    async fn foreseen(
        &self,
        route: &Route,
        state: &RouteState,
        decision: Decision,
    ) -> Result<Preview, CallError> {
        let sight = match &decision {
            Decision::Settle(_) | Decision::Ask(_) => None,
            Decision::Move(desired) | Decision::Hold(desired, _) => {
                Some(self.sight(route, desired, None).await?)
            }
        };
        let (observed, plan, weights) = sight.map_or_else(Default::default, |sight| {
            (sight.rows, sight.plan, sight.weights)
        });
        Ok(Preview {
            decision,
            observed,
            plan,
            weights,
            held: self.held(state),
        })
    }

    fn held(&self, state: &RouteState) -> Option<(Owner, Duration)> {
        let lease = state.control.lease.as_ref()?;
        match acquire(Some(lease), self.clock.wall(), Duration::ZERO) {
            Acquire::Free | Acquire::TakeOver => None,
            Acquire::Wait(wait) => Some((lease.owner.clone(), wait)),
        }
    }
}
