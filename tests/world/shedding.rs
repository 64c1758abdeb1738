//! A ledger that answers slower than a timeout: work that cannot succeed is not begun, and nothing is lost by that.

#![expect(clippy::unwrap_used, reason = "a world that cannot be read fails the test that asked")]

use std::time::Duration;

use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::time::CALL_TIMEOUT;
use writerlink_engine::attempt::AttemptResult;
use writerlink_engine::ports::{Depth, ErrorKind};
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::fleet::FleetConfig;
use writerlink_sim::world::WorldConfig;

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const ROUTES: usize = 150;
const GROUPS: usize = 64;
const SLOW_FOR: Duration = Duration::from_mins(2);

const ROUND_TRIP: Fate =
    Fate { before: Duration::from_millis(10), fault: Fault::None, after: Duration::from_millis(10) };

/// What became of a zone whose events met a slow ledger.
struct Story {
    /// Calls of the ledger while it was slow.
    calls: usize,
    /// When the last event was settled.
    done: Duration,
    /// Events that were settled as failed.
    failed: usize,
    /// The changes of the concurrency limit, in order.
    told: Vec<String>,
}

fn is_of_the_ledger(call: &str) -> bool {
    ["GetItem", "Query", "ExecuteStatement", "ExecuteTransaction"].contains(&call)
}

/// All events lie in the queue when the ledger begins to answer with `slow`; the worker never works on fewer groups
/// than `groups_min`.
async fn story(groups_min: usize, slow: Fate) -> Story {
    let mut fleet = FleetConfig::default();
    fleet.limits.groups_max = GROUPS;
    fleet.limits.groups_min = groups_min;
    fleet.limits.reconciling.interval = None;
    let names: Vec<String> = (1..=ROUTES).map(|n| format!("r{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rig = Rig::with(&names, WorldConfig::default(), fleet).await;
    let fabric = &rig.fleet.world.fabric;
    let (time, calls) = (fabric.time, std::sync::Arc::new(std::sync::Mutex::new(0)));
    let counted = std::sync::Arc::clone(&calls);
    let plan = move |site: &CallSite| {
        if !is_of_the_ledger(site.call) || time.elapsed() >= SLOW_FOR {
            return ROUND_TRIP;
        }
        *counted.lock().unwrap() += 1;
        slow
    };
    fabric.set_plan(Box::new(plan));
    for route in 0..ROUTES {
        rig.fleet.world.deliver(&rig.started(route, 2, 0));
    }
    let _worker = rig.start("w1");
    while rig.fleet.world.sqs.depth() != Depth::default() {
        assert!(time.elapsed() < SLOW_FOR * 5, "it ends some time");
        tokio::time::sleep(SECOND / 10).await;
    }
    for route in 0..ROUTES {
        assert_eq!(rig.registered(route), [rig.target(route, 2)]);
    }
    let failed = |ended: &AttemptResult| ended.outcome() == Some(Outcome::Failed);
    let reports = rig.told.reports();
    let lines = rig.told.lines.lock().unwrap().clone();
    Story {
        calls: *calls.lock().unwrap(),
        done: time.elapsed(),
        failed: reports.iter().filter(|r| failed(&r.ended)).count(),
        told: lines.into_iter().filter(|l| l.starts_with("ConcurrencyLimit")).collect(),
    }
}

/// Both ways, and what has to hold for either kind of slowness.
async fn told_twice(slow: Fate) -> (Story, Story) {
    let (shedding, trying) = (story(1, slow).await, story(GROUPS, slow).await);
    // The attempt that finds out that the ledger is well again may have begun while it was not.
    let (done, most) = (shedding.done, trying.done + CALL_TIMEOUT);
    assert!(done <= most, "{done:?} > {most:?}");
    assert_eq!(shedding.failed, 0);
    assert_eq!(trying.told, [""; 0], "it may not work on fewer");
    assert_eq!(shedding.told[0], "ConcurrencyLimit { at_most: 32, of: 64 }");
    let last = shedding.told.last().unwrap();
    assert_eq!(last, "ConcurrencyLimit { at_most: 64, of: 64 }");
    (shedding, trying)
}

#[tokio::test(start_paused = true)]
async fn a_ledger_slower_than_a_timeout_is_asked_for_less() {
    let (shedding, trying) = told_twice(Fate::in_a_round_trip(CALL_TIMEOUT * 3)).await;
    let (calls, most) = (shedding.calls, trying.calls / 2);
    assert!(calls <= most, "{calls} > {most}");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_refuses_for_the_rate_costs_no_event() {
    let refused = Fault::Refused(ErrorKind::Throttled);
    let slow = Fate { fault: refused, ..ROUND_TRIP };
    // Refusals come at once, so that fewer at the same time are hardly fewer: there the messages' pauses count.
    let (shedding, trying) = told_twice(slow).await;
    assert!(shedding.calls <= trying.calls);
}
