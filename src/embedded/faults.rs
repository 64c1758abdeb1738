//! What can go wrong with a call, and with the process that makes it.
//!
//! Every side effect of a process in the embedded world, whatever the port, goes through
//! [`Process::call`]. There its [`Fate`] is decided by the world's [`FaultPlan`]: a script, a point of the
//! crash matrix, or a seed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::clock::{SkewedClock, WorldTime};
use crate::domain::lease::CALL_TIMEOUT;
use crate::ports::{CallError, ErrorKind};

/// One call about to be made: the point where something can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
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
    /// It takes effect and the reply never comes.
    ReplyLost,
    /// The request is stuck on its way: the caller times out, and it takes effect this much later.
    Late(Duration),
    /// The process dies before the call takes effect.
    DiesBefore,
    /// The process dies after it took effect, before it learns so.
    DiesAfter,
}

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How long the request travels (or the process stands still before it sends it).
    pub before: Duration,
    /// What happens there.
    pub fault: Fault,
    /// How long the reply travels.
    pub after: Duration,
}

impl Fate {
    /// A call that works at once.
    pub const WORKS: Self = Self {
        before: Duration::ZERO,
        fault: Fault::None,
        after: Duration::ZERO,
    };

    /// A call that works and takes `round_trip` as a whole.
    #[must_use]
    pub fn in_a_round_trip(round_trip: Duration) -> Self {
        Self {
            before: round_trip / 2,
            fault: Fault::None,
            after: round_trip.saturating_sub(round_trip / 2),
        }
    }
}

/// Decides the fate of every call, in the order in which the calls are made.
pub trait FaultPlan: Send {
    /// The fate of this call.
    fn fate(&mut self, site: &Site) -> Fate;
}

impl<F: FnMut(&Site) -> Fate + Send> FaultPlan for F {
    fn fate(&mut self, site: &Site) -> Fate {
        self(site)
    }
}

/// A plan under which everything works at once.
#[must_use]
pub fn no_faults() -> Box<dyn FaultPlan> {
    Box::new(|_: &Site| Fate::WORKS)
}

/// Something that took effect in the world: the journal is what happened, in order, whoever knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// When, in true time since the world began.
    pub at: Duration,
    /// Whose call.
    pub process: String,
    /// Which call.
    pub call: &'static str,
    /// With what, in words.
    pub detail: String,
    /// What became of the call.
    pub fault: Fault,
}

/// Called after every effect, with the journal's newest line; invariants are checked here.
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
        f.debug_struct("Fabric")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

    /// Everything that took effect so far.
    #[must_use]
    pub fn journal(&self) -> Vec<Effect> {
        lock(&self.journal).clone()
    }

    /// Writes down something that took effect.
    pub fn record(&self, process: &str, call: &'static str, detail: String, fault: Fault) {
        let effect = Effect {
            at: self.time.elapsed(),
            process: process.to_owned(),
            call,
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

/// A process of the world: it has a clock of its own, and it can die.
#[derive(Debug)]
pub struct Process {
    /// Its name, in sites and journal.
    pub name: String,
    /// Its clock.
    pub clock: Arc<SkewedClock>,
    /// The world it lives in.
    pub fabric: Arc<Fabric>,
    calls: Mutex<u64>,
    alive: watch::Sender<bool>,
}

impl Process {
    /// A living process; `seed` decides the random bits of its clock.
    #[must_use]
    pub fn start(fabric: &Arc<Fabric>, name: &str, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            clock: Arc::new(SkewedClock::new(fabric.time, seed)),
            fabric: Arc::clone(fabric),
            calls: Mutex::new(0),
            alive: watch::Sender::new(true),
        })
    }

    /// Ends the process: none of its pending calls ever returns.
    pub fn kill(&self) {
        self.alive.send_replace(false);
    }

    /// Runs `work` as long as the process lives; `None` when it died first. Dropping the work is the crash.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut alive = self.alive.subscribe();
        tokio::select! {
            biased;
            _ = alive.wait_for(|alive| !alive) => None,
            done = work => Some(done),
        }
    }

    /// Makes a call: `effect` is what it does in the world. It runs at most once, when and if the call's
    /// fate lets it; what it returns is what the reply says. `detail` is for the journal.
    pub async fn call<T, E>(
        &self,
        call: &'static str,
        detail: impl Into<String>,
        effect: E,
    ) -> Result<T, CallError>
    where
        E: FnOnce() -> Result<T, CallError> + Send + 'static,
        T: Send + 'static,
    {
        let detail = detail.into();
        let fate = self.next_fate(call);
        let timely =
            tokio::time::timeout(CALL_TIMEOUT, self.meet(call, detail, fate, effect)).await;
        timely.unwrap_or_else(|_| Err(unreachable(call, "no answer in time")))
    }

    fn next_fate(&self, call: &'static str) -> Fate {
        let mut calls = lock(&self.calls);
        let site = Site {
            process: self.name.clone(),
            call,
            nth: *calls,
        };
        *calls += 1;
        lock(&self.fabric.plan).fate(&site)
    }

    async fn meet<T, E>(
        &self,
        call: &'static str,
        detail: String,
        fate: Fate,
        effect: E,
    ) -> Result<T, CallError>
    where
        E: FnOnce() -> Result<T, CallError> + Send + 'static,
        T: Send + 'static,
    {
        tokio::time::sleep(fate.before).await;
        let record = |fault| self.fabric.record(&self.name, call, detail.clone(), fault);
        match fate.fault {
            Fault::Refused(kind) => {
                record(fate.fault);
                tokio::time::sleep(fate.after).await;
                Err(refused(call, kind))
            }
            Fault::DiesBefore => {
                record(fate.fault);
                self.die().await
            }
            Fault::None | Fault::ReplyLost | Fault::DiesAfter => {
                let reply = effect();
                record(fate.fault);
                match fate.fault {
                    Fault::DiesAfter => self.die().await,
                    Fault::ReplyLost => Err(unreachable(call, "the reply was lost")),
                    _ => {
                        tokio::time::sleep(fate.after).await;
                        reply
                    }
                }
            }
            Fault::Late(by) => {
                let (fabric, name) = (Arc::clone(&self.fabric), self.name.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    drop(effect());
                    fabric.record(&name, call, detail, Fault::Late(by));
                });
                std::future::pending().await
            }
        }
    }

    async fn die<T>(&self) -> T {
        self.kill();
        std::future::pending().await
    }
}

fn unreachable(call: &'static str, message: &str) -> CallError {
    let (code, message) = (String::new(), message.to_owned());
    CallError {
        call,
        kind: ErrorKind::Unreachable,
        code,
        message,
        request_id: None,
    }
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
    CallError {
        call,
        kind,
        code: code.into(),
        message: message.into(),
        request_id: None,
    }
}
