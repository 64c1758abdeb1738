//! What many routes cost a worker that has nothing to do: looks that begin together, and read together.

#![expect(clippy::unwrap_used, reason = "a world that cannot be read fails the test that asked")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use writerlink_engine::ports::ErrorKind;
use writerlink_engine::timer::{INTERVAL, PASSES_PER_SECOND_MAX};
use writerlink_sim::faults::{CallSite, Effect, Fate, Fault};

use crate::rig::Rig;

const ROUTES: usize = 300;

/// What a worker asked for in the world's first ten intervals, in which each route is looked at ten times.
struct Idle {
    asked: Vec<(Duration, &'static str)>,
    journal: Vec<Effect>,
}

async fn idle(routes: usize, fault: fn(&CallSite) -> Fault) -> Idle {
    let names: Vec<String> = (1..=routes).map(|n| format!("r{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rig = Rig::new(&names).await;
    let fabric = &rig.fleet.world.fabric;
    let (time, asked) = (fabric.time, Arc::new(Mutex::new(Vec::new())));
    let asking = Arc::clone(&asked);
    let plan = move |site: &CallSite| {
        asking.lock().unwrap().push((time.elapsed(), site.call));
        Fate::meets(fault(site))
    };
    fabric.set_plan(Box::new(plan));
    let _worker = rig.start("w1");
    tokio::time::sleep(INTERVAL * 10).await;
    let asked = asked.lock().unwrap().clone();
    Idle { asked, journal: fabric.journal() }
}

impl Idle {
    /// From the second interval on: a worker that starts reads every state once.
    fn count(&self, call: &str) -> usize {
        let since = self.asked.iter().filter(|(at, _)| *at > INTERVAL);
        since.filter(|(_, asked)| *asked == call).count()
    }

    /// How many states were read together in each second, from the second interval on.
    fn together(&self) -> BTreeMap<u64, usize> {
        let mut seconds = BTreeMap::new();
        for effect in &self.journal {
            if effect.call == "BatchGetItem" && effect.at > INTERVAL {
                let states = effect.detail.split(' ').next().unwrap();
                *seconds.entry(effect.at.as_secs()).or_default() += states.parse::<usize>().unwrap();
            }
        }
        seconds
    }

    /// At how many moments anything was asked for.
    fn moments(&self) -> usize {
        let mut moments: Vec<Duration> = self.asked.iter().map(|(at, _)| *at).collect();
        moments.sort_unstable();
        moments.dedup();
        moments.len()
    }
}

#[tokio::test(start_paused = true)]
async fn looks_begin_together_no_more_than_the_limit_and_read_at_once() {
    let idle = idle(ROUTES, |_| Fault::None).await;
    let most = usize::try_from(PASSES_PER_SECOND_MAX).unwrap();
    let seconds = idle.together();
    assert!(seconds.values().all(|states| *states <= most));
    let (together, alone) = (seconds.values().sum::<usize>(), idle.count("GetItem"));
    assert!(together + alone >= ROUTES * 9, "{together} and {alone}");
    assert!(alone * 10 < together, "{alone} alone, {together} together");
    // One a second, and the receives.
    let most = 11 * usize::try_from(INTERVAL.as_secs()).unwrap();
    assert!(idle.moments() <= most, "{} moments", idle.moments());
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_read_together_reads_alone_and_asks_once() {
    let idle = idle(ROUTES, |site| match site.call {
        "BatchGetItem" => Fault::Refused(ErrorKind::Denied),
        _ => Fault::None,
    })
    .await;
    let asked = idle.asked.iter();
    assert_eq!(asked.filter(|(_, call)| *call == "BatchGetItem").count(), 1);
    assert!(idle.count("GetItem") >= ROUTES * 9);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_many_states_that_fails_costs_no_look() {
    let idle = idle(ROUTES, |site| match site.call {
        "BatchGetItem" => Fault::ReplyLost,
        _ => Fault::None,
    })
    .await;
    assert!(idle.count("BatchGetItem") > 0);
    assert!(idle.count("GetItem") >= ROUTES * 9);
}

#[tokio::test(start_paused = true)]
async fn a_worker_of_one_route_wakes_for_its_looks_and_receives_alone() {
    let idle = idle(1, |_| Fault::None).await;
    // A look each 27 s or more, the first one and the reading at the start, and a receive every 20 s.
    assert!(idle.moments() <= 13 + 16, "{} moments", idle.moments());
}
