//! Waits for turns: who may call `RegisterTargets` or `DeregisterTargets` now (`actuation::quota`).
//!
//! A wait holds no lease. A move asks for its turn *before* it is announced, so that newer evidence, a pause or a pin
//! still finds the route free, and a worker that dies in the wait leaves nothing behind but a message that comes
//! back. Who finds out within the lease that a call has to wait (a swap, of its deregistration) says so in the
//! ledger and lets go of the route. Only a short wait is stood through; for a longer one the message is given
//! back, and the route keeps its place meanwhile. So a wait costs a route the same however many wait with it: a
//! lease kept alive would be written again every few seconds by every route that waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::attempt::calls::Stopped;
use crate::attempt::report::{AttemptResult, Report};
use crate::attempt::{Held, Reconciler, Task};
use crate::ports::{CallError, Clock, ErrorKind};
use writerlink_core::actuation::quota::{Call, Grant, Quota, QuotaQueue};
use writerlink_core::decision::verdict::Decision;
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::outcome::{AWAY_MOST, retry_after};
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::route::Strategy;
use writerlink_core::model::time::Timestamp;

/// The longest wait that is stood through: as long as it takes a few calls, and much shorter than a lease.
const STOOD_THROUGH: Duration = Duration::from_secs(2);

/// How often a wait is looked at again: others may have left, or refusals may have made it longer. Short enough that
/// lease and visibility are lengthened in time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How much sooner than its turn a message comes back: receiving it takes a moment, and a token that nobody asks for is
/// lost once the bucket is full.
const EARLIER: Duration = Duration::from_secs(1);

/// The shortest time for which a message is given back.
const AWAY_LEAST: Duration = Duration::from_secs(1);

/// From so many deliveries on a message comes back as rarely as one that fails: waiting must not use up the 1000 that
/// the queue grants it (`aws::setup`), however long the account has no room.
const PATIENT_AFTER: u32 = 100;

/// From so many deliveries on what was forgiven counts as a failure (a refusal for the rate, an address that cannot be
/// looked up), so that the event is settled and recorded by us before the queue gives it up without a word.
pub(super) const GIVEN_UP_AFTER: u32 = 900;

/// Calls that only read. They have a rate limit of their own and never wait in the quota queue.
const PASS_CALLS: [&str; 2] = ["DescribeTargetHealth", "DescribeListeners"];

/// How many refusals at most make the pause after one longer: to eight seconds. A route whose database has moved must
/// not come back much later than there is room again.
const REFUSALS_COUNTED: u32 = 4;

/// How long the timer waits at least before it looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The line, shared by all attempts and looks of a process.
pub struct SharedQuotaQueue {
    clock: Arc<dyn Clock>,
    /// None when calls are not counted.
    line: Option<Arc<Mutex<QuotaQueue>>>,
}

fn locked(line: &Mutex<QuotaQueue>) -> MutexGuard<'_, QuotaQueue> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leave to make one call. One that is not used goes to whoever is next.
pub(super) struct Permit {
    line: Option<Arc<Mutex<QuotaQueue>>>,
    pub(super) call: Call,
}

impl Permit {
    /// The call is made.
    pub(super) fn used(mut self) {
        self.line = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            locked(line).put_back();
        }
    }
}

/// What came of asking for a turn.
pub(super) enum Asked {
    /// It was there at once.
    AtOnce(Permit),
    /// It came, but time went by: what was read before may be old.
    Waited(Permit),
    /// It is too far away to wait for; the route has its place, and comes back after this long.
    Away(Duration),
}

/// Why a call cannot be made now.
pub(super) struct Wait {
    /// How long it takes until its turn, if nobody comes first.
    pub(super) about: Duration,
    /// The shortest that it can take.
    at_least: Duration,
}

impl SharedQuotaQueue {
    pub(super) fn new(clock: Arc<dyn Clock>, quota: Option<Quota>) -> Self {
        let line = quota.map(|quota| Arc::new(Mutex::new(QuotaQueue::new(quota))));
        Self { clock, line }
    }

    fn line(&self) -> Option<MutexGuard<'_, QuotaQueue>> {
        self.line.as_deref().map(locked)
    }

    /// The turn that a move needs before it is announced. A route that changes its target registers; one that points
    /// there already may need nothing, so it waits only if it is known to have something left to do.
    pub(super) fn needs_a_turn(
        &self,
        task: &Task<'_>,
        from: &RouteState,
        decision: &Decision,
    ) -> Option<(Call, Timestamp)> {
        let Decision::Move(desired) = decision else {
            return None;
        };
        match &task.route.strategy {
            // Neither registers anything: the weights have a bucket of their own, and a relay route makes no call.
            Strategy::Weighted(_) | Strategy::Relay(_) => return None,
            Strategy::Swap => {}
        }
        if from.control.is_moved_by(desired) {
            return Some((Call::Register, desired.evidence.at));
        }
        let call = self.line()?.waits_for(&task.route.name)?;
        Some((call, desired.evidence.at))
    }

    /// Asks for a turn while no lease is held.
    pub(super) async fn turn_before_the_lease(&self, task: &Task<'_>, call: Call, since: Timestamp) -> Asked {
        let began = self.clock.monotonic();
        let mut waited = false;
        loop {
            match self.ask(&task.route.name, call, since) {
                Ok(leave) if waited => return Asked::Waited(leave),
                Ok(leave) => return Asked::AtOnce(leave),
                Err(wait) if self.is_too_long(task, began, wait.about) => {
                    return Asked::Away(self.go_away(task, wait.at_least));
                }
                Err(wait) => {
                    self.clock.sleep(wait.about.min(LOOK_EVERY)).await;
                    task.in_hand.keep().await;
                    waited = true;
                }
            }
        }
    }

    /// A receive came back full: behind it may be more routes that have to register.
    pub fn more_may_come(&self) {
        if let Some(mut line) = self.line() {
            line.more_may_come(self.clock.monotonic());
        }
    }

    /// Counts a call that waits for nobody: what a weighted route has to register is rare.
    pub(super) fn count_a_call(&self) {
        if let Some(mut line) = self.line() {
            line.spend(self.clock.monotonic());
        }
    }

    /// A call was refused for its rate: others draw on the same bucket.
    pub(super) fn note_refusal(&self) {
        if let Some(mut line) = self.line() {
            line.refused(self.clock.monotonic());
        }
    }

    /// A call was not refused for its rate: the bucket has room.
    pub(super) fn note_success(&self) {
        if let Some(mut line) = self.line() {
            line.let_through();
        }
    }

    /// Whether a call that failed is no failure of the event: it was refused for the account's rate. Otherwise a
    /// burst, or a busy neighbour, would use up the attempts of events that nothing is wrong with.
    pub(super) fn asks_again(&self, task: &Task<'_>, error: &CallError) -> bool {
        let comes_back = matches!(task.cause, Cause::Event | Cause::Reconcile);
        // A weighted route stands in no line, so there is no place that it could keep. Nobody needs one to look.
        let in_line = matches!(task.route.strategy, Strategy::Swap) && self.line.is_some();
        let may_wait = if call_of(error).is_some() { in_line } else { PASS_CALLS.contains(&error.call) };
        comes_back
            && may_wait
            && task.in_hand.deliveries() < GIVEN_UP_AFTER
            && error.kind == ErrorKind::Throttled
    }

    /// Not by all of the deliveries: most were waits for a turn, and behind the message may be newer evidence.
    fn before_another_look(&self, task: &Task<'_>) -> Duration {
        let refusals = task.in_hand.deliveries().min(REFUSALS_COUNTED);
        let pause = self.patient(task, retry_after(refusals, self.clock.random()));
        match task.cause {
            // Nothing counts the timer's.
            Cause::Reconcile => pause.max(LOOK_AGAIN),
            Cause::Event | Cause::Replay | Cause::Operator => pause,
        }
    }

    /// Takes a place for the call that was refused, and comes first again by its age; says after how long the route is to
    /// come back. Looks have a bucket of their own, and no line before it.
    ///
    /// Each try writes two records, so the pause grows while nothing is let through at all.
    pub(super) fn after_a_refusal(&self, task: &Task<'_>, held: &Held, error: &CallError) -> Duration {
        let Some(call) = call_of(error) else {
            return self.before_another_look(task);
        };
        let (route, since) = (&task.route.name, held.desired.evidence.at);
        let refusals = self.line().map_or(1, |line| line.refusals_in_a_row()).min(REFUSALS_COUNTED);
        let pause = retry_after(refusals, self.clock.random());
        match self.ask(route, call, since) {
            Ok(_) => self.patient(task, pause.max(AWAY_LEAST)),
            Err(wait) => self.go_away(task, wait.about.max(pause + EARLIER)),
        }
    }

    /// Whether the route waits for its turn: its message comes back for it.
    pub(super) fn awaits_its_turn(&self, route: &RouteName) -> bool {
        self.line().is_some_and(|line| line.awaits(self.clock.monotonic(), route))
    }

    /// Whether any route waits for its turn.
    pub(super) fn somebody_waits(&self) -> bool {
        self.line().is_some_and(|mut line| !line.is_idle(self.clock.monotonic()))
    }

    fn ask(&self, route: &RouteName, call: Call, since: Timestamp) -> Result<Permit, Wait> {
        let turn = self.line().map(|mut line| line.ask(self.clock.monotonic(), route, call, since));
        match turn.unwrap_or(Grant::Now) {
            Grant::Now => Ok(Permit { line: self.line.clone(), call }),
            Grant::In { about, at_least } => Err(Wait { about, at_least }),
        }
    }

    fn go_away(&self, task: &Task<'_>, wait: Duration) -> Duration {
        let pause = wait.saturating_sub(EARLIER).clamp(AWAY_LEAST, AWAY_MOST);
        let pause = self.patient(task, pause);
        if let Some(mut line) = self.line() {
            line.go_away(self.clock.monotonic(), &task.route.name, pause);
        }
        pause
    }

    /// The pause, or a longer one of a message that was delivered very often.
    fn patient(&self, task: &Task<'_>, pause: Duration) -> Duration {
        let deliveries = task.in_hand.deliveries();
        if deliveries < PATIENT_AFTER {
            return pause;
        }
        pause.max(retry_after(deliveries, self.clock.random()))
    }

    /// Whether a wait is not stood through. What a person handed in nobody brings back: the person waits.
    fn is_too_long(&self, task: &Task<'_>, began: Duration, wait: Duration) -> bool {
        let so_far = self.clock.monotonic().saturating_sub(began);
        match task.cause {
            Cause::Event | Cause::Reconcile => so_far + wait > STOOD_THROUGH,
            Cause::Replay | Cause::Operator => false,
        }
    }
}

impl Reconciler {
    /// Asks for a turn of an attempt that holds its route, unless it has it already: the lease is kept as long as the
    /// wait is stood through (I6).
    pub(super) async fn turn_within_the_lease(
        &self,
        task: &Task<'_>,
        held: &mut Held,
        call: Call,
    ) -> Result<Permit, Stopped> {
        if let Some(leave) = held.leave.take().filter(|leave| leave.call == call) {
            return Ok(leave);
        }
        let began = self.clock.monotonic();
        let since = held.desired.evidence.at;
        loop {
            match self.queue.ask(&task.route.name, call, since) {
                Ok(leave) => return Ok(leave),
                Err(wait) if self.queue.is_too_long(task, began, wait.about) => {
                    return Err(Stopped::Waits(self.queue.go_away(task, wait.at_least)));
                }
                Err(wait) => self.clock.sleep(wait.about.min(LOOK_EVERY)).await,
            }
            self.ensure_lease(task, held).await?;
        }
    }

    /// Says in the ledger that the rest of the move waits (`ended`), for its turn or since a call was refused for its
    /// rate, and frees the route. No failure: the attempt does not count as one.
    pub(super) async fn let_go_for_now(
        &self,
        task: &Task<'_>,
        held: &Held,
        ended: AttemptResult,
        report: &Report,
    ) -> AttemptResult {
        let mut entry = self.entry_of_calls(task, held, RecordKind::Deferred, report);
        let attempt = entry.attempt;
        entry.reason = Some(Reason::AwaitsQuota);
        entry.note = ended.note();
        let closed = self.close(task, held, entry, ended).await;
        closed.unwrap_or_else(|error| AttemptResult::Unavailable(error, self.pause(task, attempt)))
    }
}

/// Which call of the line failed, if it is one of the line's.
fn call_of(error: &CallError) -> Option<Call> {
    match error.call {
        "RegisterTargets" => Some(Call::Register),
        "DeregisterTargets" => Some(Call::Deregister),
        _ => None,
    }
}
