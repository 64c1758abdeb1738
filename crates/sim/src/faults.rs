//! What can go wrong with a call, and with the process that makes it.
//!
//! Every side effect of a process in the embedded world, whatever the port, goes through
//! [`crate::process::Process::call`]. There its [`Fate`] is decided by the world's [`FaultPlan`]: a script, a point of the
//! crash matrix, or a seed (see [`crate::plans`]).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::WorldTime;
use writerlink_engine::ports::{CallError, ErrorKind};

/// One call about to be made: the point where something can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// Which process makes it.
    pub process: String,
    /// The API's name of the call, such as `RegisterTargets`.
    pub call: &'static str,
    /// The how manieth call of the process, of any kind, from 0.
    pub nth: u64,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it works.
    None,
    /// It is refused and takes no effect.
    Refused(ErrorKind),
    /// It takes effect and the connection breaks instead of a reply. With an `after` longer than the call's
    /// timeout it is silence instead, and the caller times out.
    ReplyLost,
    /// The request is stuck on its way: the caller times out, and it takes effect this much later than it
    /// would have, whatever became of the process.
    Late(Duration),
    /// The whole process stands still for this long (SIGSTOP, a frozen host) after it decided to make the
    /// call and before it sends it. Then the call works. Nothing timed out meanwhile, since a process that
    /// stands still reads no clock: this is how a holder acts after the end of its lease.
    Stall(Duration),
    /// The process dies before the request is sent.
    DiesBefore,
    /// The process dies after it took effect, before it learns so.
    DiesAfter,
}

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How long the request travels. Longer than the call's timeout means that the caller gives up and it
    /// takes effect nevertheless: what was sent cannot be called back.
    pub before: Duration,
    /// What happens there.
    pub fault: Fault,
    /// How long the reply travels.
    pub after: Duration,
}

impl Fate {
    /// A call that works at once.
    pub const WORKS: Self = Self { before: Duration::ZERO, fault: Fault::None, after: Duration::ZERO };

    /// A call that meets `fault` and takes no time otherwise.
    #[must_use]
    pub const fn meets(fault: Fault) -> Self {
        Self { fault, ..Self::WORKS }
    }

    /// A call that works and takes `round_trip` as a whole.
    #[must_use]
    pub fn in_a_round_trip(round_trip: Duration) -> Self {
        Self { before: round_trip / 2, fault: Fault::None, after: round_trip.saturating_sub(round_trip / 2) }
    }
}

/// Decides the fate of every call, in the order in which the calls are made.
pub trait FaultPlan: Send {
    /// The fate of this call.
    fn fate(&mut self, site: &CallSite) -> Fate;
}

impl<F: FnMut(&CallSite) -> Fate + Send> FaultPlan for F {
    fn fate(&mut self, site: &CallSite) -> Fate {
        self(site)
    }
}

/// A plan under which everything works at once.
#[must_use]
pub fn no_faults() -> Box<dyn FaultPlan> {
    Box::new(|_: &CallSite| Fate::WORKS)
}

/// Something that took effect in the world: the journal is what happened, in order, whoever knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// When, in true time since the world began.
    pub at: Duration,
    /// Whose call.
    pub process: String,
    /// The how manieth call of the process, as in [`CallSite::nth`]: where to strike it next time.
    pub nth: u64,
    /// Which call.
    pub call: &'static str,
    /// With what, in words.
    pub detail: String,
    /// What became of the call.
    pub fault: Fault,
}

/// Called after every effect, with the journal's newest line; invariants are checked here. It had better
/// note a violation than panic: a late effect has no caller left who could notice.
pub type Watcher = Box<dyn FnMut(&Effect) + Send>;

/// What all processes of a world share: its time, its fault plan, its journal.
pub struct Fabric {
    /// The true time.
    pub time: WorldTime,
    plan: Mutex<Box<dyn FaultPlan>>,
    journal: Mutex<Vec<Effect>>,
    watcher: Mutex<Option<Watcher>>,
}

impl fmt::Debug for Fabric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fabric").field("time", &self.time).finish_non_exhaustive()
    }
}

/// Locks; a panic elsewhere poisons nothing here, since every change is made whole or not at all.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fabric {
    /// A fabric without faults.
    #[must_use]
    pub fn new(time: WorldTime) -> Arc<Self> {
        Arc::new(Self {
            time,
            plan: Mutex::new(no_faults()),
            journal: Mutex::default(),
            watcher: Mutex::default(),
        })
    }

    /// Replaces the fault plan.
    pub fn set_plan(&self, plan: Box<dyn FaultPlan>) {
        *lock(&self.plan) = plan;
    }

    /// Calls `watcher` after every effect from now on.
    pub fn watch(&self, watcher: Watcher) {
        *lock(&self.watcher) = Some(watcher);
    }

    /// What becomes of a call that is about to be made.
    pub(super) fn fate(&self, site: &CallSite) -> Fate {
        lock(&self.plan).fate(site)
    }

    /// Everything that took effect so far.
    #[must_use]
    pub fn journal(&self) -> Vec<Effect> {
        lock(&self.journal).clone()
    }

    /// Drops the journal so far.
    pub(super) fn forget(&self) {
        *lock(&self.journal) = Vec::new();
    }

    /// Writes down something that took effect.
    pub fn record(&self, site: CallSite, detail: String, fault: Fault) {
        let effect = Effect {
            at: self.time.elapsed(),
            process: site.process,
            nth: site.nth,
            call: site.call,
            detail,
            fault,
        };
        lock(&self.journal).push(effect.clone());
        let taken = lock(&self.watcher).take();
        if let Some(mut watcher) = taken {
            watcher(&effect);
            lock(&self.watcher).get_or_insert(watcher);
        }
    }
}

/// The error of a call of which nobody can say whether it took effect.
pub(super) fn unreachable(call: &'static str, message: &str) -> CallError {
    CallError::without_a_reply(call, ErrorKind::Unreachable, message)
}

/// The error that AWS gives for a kind of refusal.
#[must_use]
pub fn refused(call: &'static str, kind: ErrorKind) -> CallError {
    let (code, message) = match kind {
        ErrorKind::Throttled => ("ThrottlingException", "Rate exceeded"),
        ErrorKind::Denied => ("AccessDenied", "not authorized to perform this action"),
        ErrorKind::Missing => ("TargetGroupNotFound", "one or more target groups not found"),
        ErrorKind::Invalid => ("InvalidTarget", "the specified target is not valid"),
        ErrorKind::Unreachable => ("", "no answer"),
    };
    CallError { code: code.into(), ..CallError::without_a_reply(call, kind, message) }
}
