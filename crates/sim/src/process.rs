//! A process of the world: how it lives, stands still and dies, and how it makes a call.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::SkewedClock;
use crate::faults::{CallSite, Fabric, Fate, Fault, lock, refused, unreachable};
use writerlink_core::model::time::CALL_TIMEOUT;
use writerlink_engine::ports::CallError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    StandingStill { until: Duration },
    Dead,
}

/// A life and who waits for it to change. Not `tokio::sync::watch`, which wakes its waiters in a random order:
/// a seed would not play the same world twice.
#[derive(Debug)]
struct Lifeline {
    now: Mutex<Life>,
    changed: Notify,
}

impl Lifeline {
    fn now(&self) -> Life {
        *lock(&self.now)
    }

    /// Changes the life if `change` says that it did.
    fn change(&self, change: impl FnOnce(&mut Life) -> bool) {
        // The lock is let go of before anyone is woken.
        let changed = change(&mut lock(&self.now));
        if changed {
            self.changed.notify_waiters();
        }
    }

    fn end(&self) {
        self.change(|life| std::mem::replace(life, Life::Dead) != Life::Dead);
    }

    async fn until(&self, holds: impl Fn(Life) -> bool) -> Life {
        loop {
            // Made before the look: a change in between is not missed.
            let changed = self.changed.notified();
            let now = self.now();
            if holds(now) {
                return now;
            }
            changed.await;
        }
    }

    async fn going_on(&self) -> Life {
        self.until(|life| !matches!(life, Life::StandingStill { .. })).await
    }
}

/// A process of the world: it has a clock of its own, it can stand still, and it can die.
#[derive(Debug)]
pub struct Process {
    /// Its name, in sites and journal.
    pub name: String,
    /// Its clock.
    pub clock: Arc<SkewedClock>,
    /// The world it lives in.
    pub fabric: Arc<Fabric>,
    calls: Mutex<u64>,
    life: Arc<Lifeline>,
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
            life: Arc::new(Lifeline { now: Mutex::new(Life::Running), changed: Notify::new() }),
        })
    }

    /// Ends the process: none of its pending calls ever returns, and it makes no other. Requests that it
    /// has sent are on their way all the same.
    pub fn kill(&self) {
        self.life.end();
    }

    /// Whether it has not died yet.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.life.now() != Life::Dead
    }

    /// Stops the process as SIGSTOP does, and continues it after `duration`. Nothing of it moves meanwhile;
    /// its timers that ran out, and the replies that came, are noticed when it goes on.
    pub fn stop_for(&self, duration: Duration) {
        let until = self.fabric.time.elapsed() + duration;
        self.life.change(|life| match *life {
            Life::Dead => false,
            Life::StandingStill { until: later } if later >= until => false,
            Life::Running | Life::StandingStill { .. } => {
                *life = Life::StandingStill { until };
                true
            }
        });
        let life = Arc::clone(&self.life);
        tokio::spawn(async move {
            pass(duration).await;
            life.change(|life| {
                let over = *life == Life::StandingStill { until };
                if over {
                    *life = Life::Running;
                }
                over
            });
        });
    }

    /// Runs `work` as long as the process lives; `None` when it died first. Dropping the work is the crash.
    /// While the process stands still the work is not polled.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            if self.life.going_on().await == Life::Dead {
                return None;
            }
            tokio::select! {
                biased;
                _ = self.life.until(|life| life != Life::Running) => {}
                done = work.as_mut() => return Some(done),
            }
        }
    }

    /// Makes a call: `effect` is what it does in the world. It runs at most once, when and if the call's
    /// fate lets it; what it returns is what the reply says. `detail` is for the journal.
    ///
    /// Once sent, a request takes effect even if its caller dies, gives up or is dropped meanwhile.
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
        // Guarded here too, and not by the caller's `run` alone: a task that the process spawned may
        // outlive it, and must neither send nor learn anything.
        match self.run(self.make(call, detail, effect)).await {
            Some(reply) => reply,
            None => std::future::pending().await,
        }
    }

    async fn make<T, E>(&self, call: &'static str, detail: String, effect: E) -> Result<T, CallError>
    where
        E: FnOnce() -> Result<T, CallError> + Send + 'static,
        T: Send + 'static,
    {
        let (site, fate) = self.next_fate(call);
        match fate.fault {
            Fault::Stall(duration) => {
                self.stop_for(duration);
                self.life.going_on().await;
            }
            Fault::DiesBefore => {
                pass(fate.before).await;
                self.fabric.record(site, detail, fate.fault);
                self.kill();
                return std::future::pending().await;
            }
            Fault::None | Fault::Refused(_) | Fault::ReplyLost | Fault::Late(_) | Fault::DiesAfter => {}
        }
        let request = Request {
            fabric: Arc::clone(&self.fabric),
            sender: Arc::clone(&self.life),
            site,
            detail,
            fate,
            effect,
        };
        let timely = tokio::time::timeout(CALL_TIMEOUT, request.answered()).await;
        timely.unwrap_or_else(|_| Err(unreachable(call, "no answer in time")))
    }

    /// Notes what came of a request whose answer nobody waits for any more: its process died, or, without a fault,
    /// dropped it.
    pub(super) fn note_abandoned(&self, call: &'static str, detail: String) {
        let fault = if self.is_alive() { Fault::None } else { Fault::DiesAfter };
        self.fabric.record(self.next_site(call), detail, fault);
    }

    fn next_fate(&self, call: &'static str) -> (CallSite, Fate) {
        let site = self.next_site(call);
        let fate = self.fabric.fate(&site);
        (site, fate)
    }

    fn next_site(&self, call: &'static str) -> CallSite {
        let mut calls = lock(&self.calls);
        let nth = *calls;
        *calls += 1;
        CallSite { process: self.name.clone(), call, nth }
    }
}

/// A request that has left its process and belongs to the network.
struct Request<E> {
    fabric: Arc<Fabric>,
    sender: Arc<Lifeline>,
    site: CallSite,
    detail: String,
    fate: Fate,
    effect: E,
}

impl<E> Request<E> {
    fn travel_time(&self) -> Duration {
        match self.fate.fault {
            Fault::Late(by) => self.fate.before + by,
            Fault::None
            | Fault::Refused(_)
            | Fault::ReplyLost
            | Fault::Stall(_)
            | Fault::DiesBefore
            | Fault::DiesAfter => self.fate.before,
        }
    }

    /// The answer as the caller sees it. The request travels in a task of its own, out of the caller's
    /// reach; one that takes no time arrives at once, so that calls take effect in the order they are made.
    async fn answered<T>(self) -> Result<T, CallError>
    where
        E: FnOnce() -> Result<T, CallError> + Send + 'static,
        T: Send + 'static,
    {
        let (call, fate, travel_time) = (self.site.call, self.fate, self.travel_time());
        let reply = if travel_time.is_zero() {
            self.arrive()
        } else {
            let travelling = tokio::spawn(async move {
                pass(travel_time).await;
                self.arrive()
            });
            match travelling.await {
                Ok(reply) => reply,
                // A watcher's assertion failed there; it is to fail the test that waits here.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => std::future::pending().await,
            }
        };
        match fate.fault {
            Fault::Late(_) | Fault::DiesBefore | Fault::DiesAfter => std::future::pending().await,
            Fault::ReplyLost => {
                pass(fate.after).await;
                Err(unreachable(call, "the reply was lost"))
            }
            Fault::None | Fault::Refused(_) | Fault::Stall(_) => {
                pass(fate.after).await;
                reply
            }
        }
    }

    fn arrive<T>(self) -> Result<T, CallError>
    where
        E: FnOnce() -> Result<T, CallError>,
    {
        let reply = match self.fate.fault {
            Fault::Refused(kind) => Err(refused(self.site.call, kind)),
            Fault::None
            | Fault::ReplyLost
            | Fault::Late(_)
            | Fault::Stall(_)
            | Fault::DiesBefore
            | Fault::DiesAfter => (self.effect)(),
        };
        let mut detail = self.detail;
        if let Err(error) = &reply {
            // The journal tells what happened: a call that the service itself refused did nothing.
            detail.push_str(" -> ");
            detail.push_str(&error.message);
        }
        self.fabric.record(self.site, detail, self.fate.fault);
        if self.fate.fault == Fault::DiesAfter {
            self.sender.end();
        }
        reply
    }
}

/// Waits; no time at all is not even a turn of the scheduler.
async fn pass(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::WorldTime;
    use crate::plans::{Script, Seeded, Weather};
    use writerlink_core::model::time::Timestamp;
    use writerlink_engine::ports::ErrorKind;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn fabric(fate: Fate) -> (Arc<Fabric>, Arc<Process>) {
        let fabric = Fabric::new(WorldTime::starting(Timestamp::EPOCH));
        fabric.set_plan(Box::new(Script::new().fate_at("p", 0, fate)));
        let process = Process::start(&fabric, "p", 1);
        (fabric, process)
    }

    /// A call that counts; the journal's length is what took effect.
    async fn count(process: &Process) -> Result<u64, CallError> {
        process.call("Count", "", || Ok(1)).await
    }

    fn effects(fabric: &Fabric) -> Vec<(Duration, Fault)> {
        let journal = fabric.journal();
        journal.iter().map(|line| (line.at, line.fault)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_dies_before_a_call_leaves_no_effect() {
        let (fabric, process) = fabric(Fate::meets(Fault::DiesBefore));
        let effect = || -> Result<(), CallError> { panic!("it took effect") };
        assert_eq!(process.run(process.call("Count", "", effect)).await, None);
        assert!(!process.is_alive());
        assert_eq!(effects(&fabric), [(Duration::ZERO, Fault::DiesBefore)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_dies_after_a_call_leaves_its_effect_without_a_reply() {
        for before in [Duration::ZERO, seconds(1)] {
            let fate = Fate { before, ..Fate::meets(Fault::DiesAfter) };
            let (fabric, process) = fabric(fate);
            assert_eq!(process.run(count(&process)).await, None);
            assert_eq!(effects(&fabric), [(before, Fault::DiesAfter)]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_reply_is_lost_took_effect() {
        let (fabric, process) = fabric(Fate::meets(Fault::ReplyLost));
        assert_eq!(count(&process).await.unwrap_err().kind, ErrorKind::Unreachable);
        assert_eq!(fabric.time.elapsed(), Duration::ZERO);
        assert_eq!(effects(&fabric).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_call_takes_no_effect() {
        let (_, process) = fabric(Fate::meets(Fault::Refused(ErrorKind::Throttled)));
        let effect = || -> Result<(), CallError> { panic!("it took effect") };
        let error = process.call("Count", "", effect).await.unwrap_err();
        assert_eq!(error.code, "ThrottlingException");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_request_takes_effect_after_its_caller_gave_up() {
        let (fabric, process) = fabric(Fate::meets(Fault::Late(seconds(40))));
        assert_eq!(count(&process).await.unwrap_err().kind, ErrorKind::Unreachable);
        assert_eq!(fabric.time.elapsed(), CALL_TIMEOUT);
        assert!(effects(&fabric).is_empty());
        tokio::time::sleep(seconds(36)).await;
        assert_eq!(effects(&fabric), [(seconds(40), Fault::Late(seconds(40)))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sent_request_takes_effect_even_if_its_caller_dies_or_drops_it() {
        let slow = Fate::in_a_round_trip(seconds(4));
        let (world, process) = fabric(slow);
        let killed = async {
            tokio::time::sleep(seconds(1)).await;
            process.kill();
        };
        let (done, ()) = tokio::join!(process.run(count(&process)), killed);
        assert_eq!(done, None);
        tokio::time::sleep(seconds(2)).await;
        assert_eq!(effects(&world), [(seconds(2), Fault::None)]);

        let (world, process) = fabric(slow);
        let dropped = tokio::time::timeout(seconds(1), count(&process)).await;
        assert!(dropped.is_err());
        tokio::time::sleep(seconds(2)).await;
        assert_eq!(effects(&world), [(seconds(2), Fault::None)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_outlives_its_process_makes_no_call() {
        let (fabric, process) = fabric(Fate::WORKS);
        process.kill();
        let outcome = tokio::time::timeout(seconds(60), count(&process)).await;
        assert!(outcome.is_err(), "it never returns");
        assert!(effects(&fabric).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_call_is_made_after_the_stall_and_works_however_long_it_was() {
        let (fabric, process) = fabric(Fate::meets(Fault::Stall(seconds(20))));
        assert_eq!(count(&process).await, Ok(1));
        assert_eq!(effects(&fabric), [(seconds(20), Fault::Stall(seconds(20)))]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_of_a_process_moves_while_it_stands_still() {
        let (fabric, process) = fabric(Fate::meets(Fault::Stall(seconds(20))));
        let neighbour = Process::start(&fabric, "q", 1);
        let seen = Mutex::new(Vec::new());
        let ticks = |process: Arc<Process>, name| {
            let (seen, time) = (&seen, fabric.time);
            async move {
                let ticking = async {
                    tokio::time::sleep(seconds(10)).await;
                    lock(seen).push((name, time.elapsed()));
                };
                process.run(ticking).await
            }
        };
        let calling = process.run(count(&process));
        // The timers run before the process stops: the stalled one runs out meanwhile, unnoticed.
        let (.., called) =
            tokio::join!(ticks(Arc::clone(&process), "stalled"), ticks(neighbour, "neighbour"), calling,);
        assert_eq!(called, Some(Ok(1)));
        let expected = [("neighbour", seconds(10)), ("stalled", seconds(20))];
        assert_eq!(*lock(&seen), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_can_die_while_it_stands_still() {
        let (fabric, process) = fabric(Fate::meets(Fault::Stall(seconds(20))));
        let killed = async {
            tokio::time::sleep(seconds(5)).await;
            process.kill();
        };
        let (done, ()) = tokio::join!(process.run(count(&process)), killed);
        assert_eq!((done, fabric.time.elapsed()), (None, seconds(5)));
        tokio::time::sleep(seconds(60)).await;
        assert!(!process.is_alive());
        assert!(effects(&fabric).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_stalls_the_longer_one_counts() {
        let (fabric, process) = fabric(Fate::WORKS);
        process.stop_for(seconds(10));
        process.stop_for(seconds(3));
        assert_eq!(count(&process).await, Ok(1));
        assert_eq!(fabric.time.elapsed(), seconds(10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_journal_tells_what_the_service_itself_refused() {
        let (fabric, process) = fabric(Fate::WORKS);
        let effect = || Err::<(), _>(refused("Count", ErrorKind::Denied));
        process.call("Count", "x", effect).await.unwrap_err();
        let journal = fabric.journal();
        let detail = &journal[0].detail;
        assert_eq!(detail, "x -> not authorized to perform this action");
    }

    #[tokio::test(start_paused = true)]
    async fn a_violation_that_a_watcher_sees_fails_the_test_that_waits_for_the_call() {
        let (fabric, process) = fabric(Fate::in_a_round_trip(seconds(1)));
        fabric.watch(Box::new(|_| panic!("a violation")));
        let waiting = tokio::spawn(async move { count(&process).await });
        assert!(waiting.await.unwrap_err().is_panic());
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_gives_the_same_fates() {
        let history = async |seed| {
            let fabric = Fabric::new(WorldTime::starting(Timestamp::EPOCH));
            let weather = Weather { faults_per_mille: 500, ..Weather::default() };
            fabric.set_plan(Box::new(Seeded::new(seed, fabric.time, weather)));
            for name in ["a", "b", "c", "d"] {
                let process = Process::start(&fabric, name, 1);
                for _ in 0..10 {
                    process.run(count(&process)).await;
                }
            }
            tokio::time::sleep(seconds(120)).await;
            effects(&fabric)
        };
        let first = history(7).await;
        assert_eq!(history(7).await, first);
        assert_ne!(history(8).await, first);
        assert!(first.iter().any(|(_, fault)| *fault != Fault::None));
    }
}
