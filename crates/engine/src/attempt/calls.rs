//! The calls of an attempt that holds its route: register, observe, deregister, observe again.

use std::time::Duration;

use crate::attempt::report::Report;
use crate::attempt::states::Committed;
use crate::attempt::{Held, Permit, Reconciler, Task};
use crate::ports::{CallError, ErrorKind};
use writerlink_core::actuation::plan::{Plan, RegisteredProof, plan};
use writerlink_core::actuation::quota::Call;
use writerlink_core::ledger::change;
use writerlink_core::ledger::lease::Hold;
use writerlink_core::model::target::{ObservedTarget, Target, TargetHealth};

/// How often the group is brought closer within one attempt. More than one round is needed only when
/// somebody else changes the group meanwhile.
pub(super) const ROUNDS_MAX: u32 = 3;

/// Why the calls stopped short of the goal.
pub(super) enum Stopped {
    /// A call failed; it may or may not have taken effect.
    Failed(CallError),
    /// The route was still not right after the last round; this is what was left.
    NotConverged(String),
    /// The lease was over or taken over. No call was made after that.
    LeaseLost,
    /// The next call waits for its turn, for longer than a lease is held for it.
    Waits(Duration),
}

impl From<CallError> for Stopped {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

impl Reconciler {
    /// Brings the group to the desired target; says whether anything had to be changed for it.
    ///
    /// I1: nothing is deregistered without [`RegisteredProof`], which the load balancer's own word alone gives, and
    /// which is asked for anew in every round. I6: no call is made unless its whole timeout fits the lease.
    pub(super) async fn bring_there(
        &self,
        task: &Task<'_>,
        held: &mut Held,
        report: &mut Report,
    ) -> Result<bool, Stopped> {
        let (mut present, mut observed) = self.first_look(task, held).await?;
        report.before.clone_from(&observed);
        let mut changed = held.may_be_moved || (present.is_some() && !was_there(held, &observed));
        for _ in 0..ROUNDS_MAX {
            let plan = missing(task, held, &observed);
            if plan.is_empty() {
                report.after = observed;
                return Ok(changed);
            }
            changed = true;
            let proof = match present.take() {
                Some(proof) => proof,
                None => self.ensure_present(task, held, &plan, &observed).await?,
            };
            if !plan.deregister.is_empty() {
                self.deregister(task, held, &plan.deregister, proof).await?;
            }
            observed = self.observe(task, held).await?;
            report.after.clone_from(&observed);
        }
        let left = missing(task, held, &observed);
        if left.is_empty() {
            Ok(changed)
        } else {
            Err(Stopped::NotConverged(format!(
                "after every round of calls {} to register and {} to deregister were left",
                left.register.len(),
                left.deregister.len()
            )))
        }
    }

    /// The first sight of the group, taken while the target is being registered already: registering what
    /// is registered changes nothing, and a round trip is saved when it is not. Only where the route
    /// pointed here before is the call probably needless; then the group is looked at first.
    async fn first_look(
        &self,
        task: &Task<'_>,
        held: &mut Held,
    ) -> Result<(Option<RegisteredProof>, Vec<ObservedTarget>), Stopped> {
        if held.pointed_here {
            return Ok((None, self.observe(task, held).await?));
        }
        let leave = self.turn_within_the_lease(task, held, Call::Register).await?;
        self.ensure_lease(task, held).await?;
        let read = self.groups.observe(&task.route.group);
        let targets = held.desired.targets();
        let (registered, observed) = tokio::join!(
            self.send_registration(task, &targets, leave),
            task.steps.call("DescribeTargetHealth", read)
        );
        registered?;
        Ok((Some(RegisteredProof::registered(held.desired.target)), observed?))
    }

    async fn observe(&self, task: &Task<'_>, held: &mut Held) -> Result<Vec<ObservedTarget>, Stopped> {
        self.ensure_lease(task, held).await?;
        let read = self.groups.observe(&task.route.group);
        Ok(task.steps.call("DescribeTargetHealth", read).await?)
    }

    /// Registers what is missing, and proves that the desired target is present: it was seen, or registered.
    async fn ensure_present(
        &self,
        task: &Task<'_>,
        held: &mut Held,
        plan: &Plan,
        observed: &[ObservedTarget],
    ) -> Result<RegisteredProof, Stopped> {
        let seen = RegisteredProof::observed(held.desired.target, observed);
        if plan.register.is_empty()
            && let Some(seen) = seen
        {
            return Ok(seen);
        }
        let leave = self.turn_within_the_lease(task, held, Call::Register).await?;
        self.ensure_lease(task, held).await?;
        self.send_registration(task, &plan.register, leave).await?;
        Ok(RegisteredProof::registered(held.desired.target))
    }

    async fn send_registration(
        &self,
        task: &Task<'_>,
        targets: &[Target],
        leave: Permit,
    ) -> Result<(), CallError> {
        leave.used();
        let registering = self.groups.register(&task.route.group, targets);
        let registered = task.steps.call("RegisterTargets", registering).await;
        self.note_reply(&registered);
        registered
    }

    async fn deregister(
        &self,
        task: &Task<'_>,
        held: &mut Held,
        others: &[ObservedTarget],
        present: RegisteredProof,
    ) -> Result<(), Stopped> {
        let leave = self.turn_within_the_lease(task, held, Call::Deregister).await?;
        self.ensure_lease(task, held).await?;
        leave.used();
        let leaving = self.groups.deregister(&task.route.group, others, &present);
        let left = task.steps.call("DeregisterTargets", leaving).await;
        self.note_reply(&left);
        Ok(left?)
    }

    fn note_reply(&self, reply: &Result<(), CallError>) {
        match reply {
            Err(error) if error.kind == ErrorKind::Throttled => self.queue.note_refusal(),
            Ok(()) => self.queue.note_success(),
            // Whether it had room is unknown.
            Err(_) => {}
        }
    }

    /// Makes sure that a whole call fits in what is left of the lease (I6): lengthens it in time, together
    /// with the visibility of the message. A worker that finds its lease over (it stood still) stops here:
    /// somebody else may hold the route by now, and the load balancer would not know the difference.
    pub(super) async fn ensure_lease(&self, task: &Task<'_>, held: &mut Held) -> Result<(), Stopped> {
        let now = self.lease_time();
        if held.hold.fits_a_call(now) {
            return Ok(());
        }
        if held.hold.left(now).is_zero() {
            return Err(Stopped::LeaseLost);
        }
        let wall = self.clock.wall();
        let Ok(longer) = change::extend(&held.state, task.transition, wall) else {
            return Err(Stopped::LeaseLost);
        };
        let extending = async { self.states.commit(&task.steps, "ExtendLease", &longer).await };
        let (extended, ()) = tokio::join!(extending, task.in_hand.keep());
        match extended {
            Ok(Committed::Done(state)) if state.lease_of(task.transition).is_some() => {
                held.state = state;
                held.hold = Hold::granted(now);
            }
            Ok(Committed::Done(_) | Committed::Refused { .. }) | Err(_) => {
                return Err(Stopped::LeaseLost);
            }
        }
        // A lost reply is found out about in several calls, and those may have used up what was gained.
        if held.hold.fits_a_call(self.lease_time()) { Ok(()) } else { Err(Stopped::LeaseLost) }
    }

    /// The clock that a lease is measured on: one that never jumps.
    pub(super) fn lease_time(&self) -> Duration {
        self.clock.monotonic()
    }
}

/// The calls that are missing.
fn missing(task: &Task<'_>, held: &Held, observed: &[ObservedTarget]) -> Plan {
    plan(task.route, &held.desired, observed)
}

/// Whether the target had been registered before this attempt: one that we have just registered is still
/// `initial`, and stays so for minutes.
fn was_there(held: &Held, observed: &[ObservedTarget]) -> bool {
    let desired = held.desired.target;
    let row = observed.iter().find(|row| row.target == desired && row.is_registered());
    row.is_some_and(|row| row.health != TargetHealth::Initial)
}
