//! How an attempt begins: it takes the route and announces the move, or settles the event without a call.

use std::net::IpAddr;
use std::time::Duration;

use crate::attempt::memory::Sighting;
use crate::attempt::report::{AttemptResult, Report};
use crate::attempt::states::Committed;
use crate::attempt::turns::{Asked, Permit};
use crate::attempt::{Held, Reconciler, Task, bug, group_of, switched, why_moved};
use crate::ports::{AddressError, CallError, Databases};
use writerlink_core::decision::event::decide;
use writerlink_core::decision::missing_name;
use writerlink_core::decision::verdict::{Decision, Verdict};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::trigger::{Evidence, Trigger};
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::{BeginRequest, Change, EventDelivery, IllegalChange, StateUpdate};
use writerlink_core::ledger::lease::{Acquire, Hold};
use writerlink_core::ledger::record::{Entry, RecordKind};
use writerlink_core::ledger::state::{EventEntry, RouteState};
use writerlink_core::ledger::unresolved::UnresolvedEvent;
use writerlink_core::model::ids::{Generation, Owner};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::route::{Route, Strategy};
use writerlink_core::model::target::Target;

/// How often a change is rebuilt on what the ledger says stands now. Each refusal means that another worker
/// made progress on the same route, which FIFO groups make rare; after this many the message comes back.
pub(super) const COMMIT_TRIES: u32 = 4;

/// Where one try at opening led.
enum BeginResult {
    /// It ended there.
    Ended(AttemptResult),
    /// The route is taken and the move announced.
    Held(Box<Held>),
    /// The ledger stands differently than remembered; this is what it knows of the event.
    LookAgain(Option<EventEntry>),
    /// The route has relays, and the commit moved it.
    Switched(Box<Switched>),
    /// The turn has come, and time has gone by: everything is asked anew before the move is announced.
    Turn(Permit),
}

/// What a commit made of a relay route.
struct Switched {
    generation: Generation,
    to: (InstanceId, Target),
    verdict: Verdict,
}

/// What becomes of evidence that moves a relay route.
fn verdict_of_switch(task: &Task<'_>, from: &RouteState, desired: &Desired) -> Verdict {
    let known = from.control.desired.as_ref();
    let changed = known.is_none_or(|known| known.target != desired.target);
    switched(desired, changed, why_moved(task, !changed))
}

/// Evidence with the address of the instance that it names.
pub(super) struct Addressed {
    pub(super) evidence: Evidence,
    pub(super) address: Option<IpAddr>,
}

/// What one try at opening goes by.
struct Try<'a> {
    arrival: Option<&'a EventDelivery>,
    /// The address of the instance that is named. That it could not be looked up matters only where it is asked for.
    address: &'a Result<Option<IpAddr>, AddressError>,
    /// Newer evidence for the route, received behind this one; looked up once, and only where this one moves the route,
    /// or would if its address were known.
    behind: &'a mut Option<Vec<Addressed>>,
    /// Leave to make the first call, once it was waited for.
    leave: &'a mut Option<Permit>,
}

impl Reconciler {
    /// Takes the route and announces the move, or settles the evidence without a call.
    pub(super) async fn open(
        &self,
        task: &Task<'_>,
        report: &mut Report,
    ) -> Result<Box<Held>, AttemptResult> {
        let mut leave = None;
        loop {
            match self.open_with(task, report, &mut leave).await {
                Ok(BeginResult::Turn(turn)) => leave = Some(turn),
                Ok(BeginResult::Held(held)) => return Ok(held),
                Ok(BeginResult::Ended(ended)) => return Err(ended),
                Ok(BeginResult::Switched(switched)) => {
                    report.generation = Some(switched.generation);
                    report.desired = Some(switched.to);
                    return Err(AttemptResult::Settled(switched.verdict));
                }
                Ok(BeginResult::LookAgain(_)) => {
                    let pause = self.pause(task, report.attempt);
                    return Err(AttemptResult::Busy(Owner::new("other workers"), pause));
                }
                Err(error) => {
                    return Err(AttemptResult::Unavailable(error, self.pause(task, report.attempt)));
                }
            }
        }
    }

    async fn open_with(
        &self,
        task: &Task<'_>,
        report: &mut Report,
        leave: &mut Option<Permit>,
    ) -> Result<BeginResult, CallError> {
        let address = resolve(self.databases.as_ref(), task.route, task.evidence).await;
        let mut behind = None;
        let mut known = None;
        for _ in 0..COMMIT_TRIES {
            task.in_hand.keep().await;
            let arrival = arrival_of(task.evidence, known.take());
            report.attempt = arrival.as_ref().map_or(1, EventDelivery::next_attempt);
            tracing::Span::current().record("attempt", report.attempt);
            let attempt =
                Try { arrival: arrival.as_ref(), address: &address, behind: &mut behind, leave: &mut *leave };
            match self.try_to_open(task, attempt).await? {
                BeginResult::LookAgain(event) => {
                    known = event.or_else(|| arrival.and_then(|arrival| arrival.known));
                }
                BeginResult::Held(held) => {
                    report.resumed = arrival.is_some_and(|arrival| arrival.known.is_some());
                    return Ok(BeginResult::Held(held));
                }
                ended @ (BeginResult::Ended(_) | BeginResult::Switched(_) | BeginResult::Turn(_)) => {
                    return Ok(ended);
                }
            }
        }
        Ok(BeginResult::LookAgain(known))
    }

    /// One try at opening, on the state as it was last seen: that is a guess, and the commit's condition
    /// tells whether it still holds. A wrong guess costs three round trips (the refusal, and two consistent
    /// reads to know for certain); it is wrong when another worker was the last to move this route.
    async fn try_to_open(&self, task: &Task<'_>, mut attempt: Try<'_>) -> Result<BeginResult, CallError> {
        let arrival = attempt.arrival;
        let in_hand = arrival.and_then(|arrival| arrival.known.as_ref());
        if let Some(settled) = in_hand.and_then(|e| e.settled) {
            return Ok(BeginResult::Ended(AttemptResult::Duplicate(settled)));
        }
        let seen = match self.states.cache().recall(&task.route.name) {
            Some(seen) => seen,
            None => self.states.read(&task.route.name).await?,
        };
        if let Some(busy) = self.busy(task, &seen).await? {
            return Ok(busy);
        }
        let decision = self.decided(task, &seen.state, &mut attempt).await?;
        if let (Decision::Settle(verdict), Trigger::Reading(_)) = (&decision, &task.evidence.trigger) {
            // The timer saw a reason to act that is gone by now. Nobody waits for a record of that.
            return Ok(BeginResult::Ended(AttemptResult::Nothing(verdict.clone())));
        }
        let moved_since = task.expected_head.is_some_and(|at| at != seen.state.chain);
        if moved_since {
            let note = "the route was moved during this reconcile pass";
            let verdict = Verdict::new(Outcome::Superseded, Reason::EvidenceNotNewer, note);
            return Ok(BeginResult::Ended(AttemptResult::Nothing(verdict)));
        }
        if let Some(paced) = self.paced(task, &seen.state, arrival, &decision).await? {
            return Ok(BeginResult::Ended(paced));
        }
        let leave = attempt.leave;
        if let Some(opening) = self.wait_for_a_turn(task, &seen.state, &decision, leave).await? {
            return Ok(opening);
        }
        self.count_the_move(task, &seen.state, &decision);
        let change = self.opening_change(task, &seen.state, arrival, &decision)?;
        let before_write = self.lease_time();
        let state = match self.states.commit(&task.steps, "Begin", &change).await? {
            Committed::Refused { event, .. } => return Ok(BeginResult::LookAgain(event)),
            Committed::Done(state) => state,
        };
        let desired = match decision {
            Decision::Settle(verdict) | Decision::Ask(verdict) => {
                return Ok(BeginResult::Ended(AttemptResult::Settled(verdict)));
            }
            Decision::Hold(desired, blocked) => {
                return Ok(BeginResult::Ended(AttemptResult::Settled(blocked.verdict(&desired))));
            }
            Decision::Move(desired) => desired,
        };
        if let Strategy::Relay(_) = task.route.strategy {
            let verdict = verdict_of_switch(task, &seen.state, &desired);
            let to = (desired.instance, desired.target);
            let generation = state.control.generation;
            return Ok(BeginResult::Switched(Box::new(Switched { generation, to, verdict })));
        }
        // Ours was committed, its reply was lost, and somebody has taken the route over since.
        if state.lease_of(task.transition).is_none() {
            return Ok(BeginResult::LookAgain(None));
        }
        let pointed = seen.state.control.desired;
        Ok(BeginResult::Held(Box::new(Held {
            may_be_moved: in_hand.is_some_and(|event| state.control.may_be_moved_by(event)),
            pointed_here: pointed.is_some_and(|old| {
                old.target == desired.target && old.additional_targets == desired.additional_targets
            }),
            state,
            hold: Hold::granted(before_write),
            event: change.event().map(|write| write.entry().clone()),
            desired,
            leave: leave.take(),
        })))
    }

    /// Gets the leave that the move's first call needs, unless it is there; where it is not to be had at once, what the
    /// opening comes to instead.
    async fn wait_for_a_turn(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        decision: &Decision,
        leave: &mut Option<Permit>,
    ) -> Result<Option<BeginResult>, CallError> {
        let Some((call, since)) = self.queue.needs_a_turn(task, from, decision) else {
            return Ok(None);
        };
        if leave.as_ref().is_some_and(|leave| leave.call == call) {
            return Ok(None);
        }
        *leave = None;
        Ok(match self.queue.turn_before_the_lease(task, call, since).await {
            Asked::AtOnce(at_once) => {
                *leave = Some(at_once);
                None
            }
            Asked::Waited(turn) => Some(BeginResult::Turn(turn)),
            Asked::Away(pause) => {
                let waits = AttemptResult::Waits(pause, None);
                self.tell_that_its_turn_is_away(task, from, &waits).await?;
                Some(BeginResult::Ended(waits))
            }
        })
    }

    /// What is to be done about the evidence, by the state as it was last seen.
    async fn decided(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        attempt: &mut Try<'_>,
    ) -> Result<Decision, CallError> {
        let address = attempt.address.as_ref().copied().unwrap_or_default();
        let now = self.clock.wall();
        let decision = decide(task.route, &from.control, task.evidence, address, now);
        let unresolved = attempt.address.as_ref().err();
        let unresolved = unresolved.filter(|_| needs_the_address(&decision));
        let moves = matches!(decision, Decision::Move(_)) || unresolved.is_some();
        if moves && let Trigger::Event(_) = &task.evidence.trigger {
            if attempt.behind.is_none() {
                *attempt.behind = Some(self.behind(task).await);
            }
            let behind = attempt.behind.as_deref().unwrap_or_default();
            if let Some(superseded) = self.superseded(task, from, behind).await? {
                return Ok(superseded.into());
            }
        }
        match unresolved {
            None => Ok(decision),
            Some(error) => self.without_an_address(task, from, error).await,
        }
    }

    /// Whether somebody else may still be moving the route. What we remember may be old and its holder long
    /// done, so the ledger is asked before anyone waits.
    async fn busy(&self, task: &Task<'_>, seen: &Sighting) -> Result<Option<BeginResult>, CallError> {
        let Some(lease) = &seen.state.control.lease else {
            return Ok(None);
        };
        match self.states.cache().acquirable(seen) {
            Acquire::Free | Acquire::TakeOver => Ok(None),
            Acquire::Wait(wait) => {
                let now = self.states.read(&task.route.name).await?;
                Ok(Some(if now.state == seen.state {
                    BeginResult::Ended(AttemptResult::Busy(lease.owner.clone(), wait))
                } else {
                    BeginResult::LookAgain(None)
                }))
            }
        }
    }

    fn opening_change(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        arrival: Option<&EventDelivery>,
        decision: &Decision,
    ) -> Result<Change, CallError> {
        let mut entry = self.states.entry(task, from, RecordKind::Finished);
        entry.generation = from.control.generation.next();
        entry.attempt = arrival.map_or(1, EventDelivery::next_attempt);
        let change = match decision {
            Decision::Move(desired) => {
                let (kind, verb) = match arrival.and_then(|arrival| arrival.known.as_ref()) {
                    None => (RecordKind::Started, "moves"),
                    Some(_) => (RecordKind::Resumed, "resumes the move"),
                };
                entry.kind = kind;
                entry.target_group = group_of(task.route, &desired.instance);
                entry.desired = Some((desired.instance.clone(), desired.target));
                entry.note = format!("{verb} to {} at {}", desired.instance, desired.target);
                if let Some(dead) = &from.control.lease {
                    let note = format!(", taking over from {} of {}", dead.transition, dead.owner);
                    entry.note.push_str(&note);
                }
                let relays = matches!(task.route.strategy, Strategy::Relay(_));
                if relays {
                    let verdict = verdict_of_switch(task, from, desired);
                    entry.kind = RecordKind::Finished;
                    entry.outcome = Some(verdict.outcome);
                    entry.reason = Some(verdict.reason);
                    entry.note = verdict.note;
                }
                let taking = BeginRequest {
                    owner: self.states.author().owner(),
                    desired: desired.clone(),
                    arrival,
                    order: match &task.evidence.trigger {
                        Trigger::Command(order) => Some(order),
                        Trigger::Event(_) | Trigger::Reading(_) => None,
                    },
                };
                if relays { change::switch(from, taking, entry) } else { change::begin(from, taking, entry) }
            }
            Decision::Hold(desired, blocked) => {
                entry.target_group = group_of(task.route, &desired.instance);
                entry.desired = Some((desired.instance.clone(), desired.target));
                let effect = StateUpdate::Defer(desired.clone(), blocked.rule);
                told(from, arrival, blocked.verdict(desired), effect, entry)
            }
            Decision::Ask(verdict) => {
                let effect = StateUpdate::of_asking(&task.evidence.trigger);
                told(from, arrival, verdict.clone(), effect, entry)
            }
            Decision::Settle(verdict) => {
                let (control, evidence) = (&from.control, task.evidence);
                let refused = UnresolvedEvent::refused(control, evidence, decision, entry.at);
                let effect = refused.map_or(StateUpdate::None, StateUpdate::Refuses);
                told(from, arrival, verdict.clone(), effect, entry)
            }
        };
        change.map_err(|illegal| bug(&illegal))
    }
}

/// The address of the instance that an event or an order names, if it names one.
pub(super) async fn resolve(
    databases: &dyn Databases,
    route: &Route,
    evidence: &Evidence,
) -> Result<Option<IpAddr>, AddressError> {
    let Some(instance) = evidence.names() else {
        return Ok(None);
    };
    databases.address(route, &instance).await
}

/// Whether it was decided so because no address of the instance is known.
pub(super) fn needs_the_address(decision: &Decision) -> bool {
    matches!(decision, Decision::Settle(verdict) if verdict.reason == Reason::UnknownInstance)
}

/// The verdict on evidence for an instance whose name has been missing for so long; none where it is to be asked for again.
pub(super) fn nameless(
    route: &Route,
    evidence: &Evidence,
    error: &AddressError,
    delivered: Option<Duration>,
) -> Option<Verdict> {
    match error {
        AddressError::NoSuchName(missing) => {
            let instance = evidence.names()?;
            missing_name::verdict(route, &instance, &missing.message, delivered)
        }
        AddressError::Failed(_) => None,
    }
}

/// The change of evidence that leads to no call: it is settled, or only noted when nobody delivers it again.
fn told(
    from: &RouteState,
    arrival: Option<&EventDelivery>,
    verdict: Verdict,
    effect: StateUpdate,
    mut entry: Entry,
) -> Result<Change, IllegalChange> {
    entry.outcome = Some(verdict.outcome);
    entry.reason = Some(verdict.reason);
    entry.note = verdict.note;
    match arrival {
        Some(arrival) => change::settle(from, arrival, effect, entry),
        None => change::note(from, effect, entry),
    }
}

/// An event's arrival; nothing else arrives twice.
pub(super) fn arrival_of(evidence: &Evidence, known: Option<EventEntry>) -> Option<EventDelivery> {
    let event = evidence.trigger.event()?;
    Some(EventDelivery {
        key: evidence.key,
        source_arn: event.source_arn.as_ref().map(ToString::to_string),
        known,
    })
}
