//! Two workers, three events and every fault within bounds: each order of steps is tried, none is sampled.
//!
//! The model mirrors what `reconcile.rs` and `worker.rs` do between two waits; what is decided, planned,
//! leased and written is the domain's own code. `cargo test --test model` explores the smaller bounds; the
//! larger ones take minutes:
//!
//! ```text
//! cargo test --profile sim --test model -- --ignored --nocapture
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail by panicking"
)]
#![expect(
    unreachable_pub,
    reason = "the modules of a test are seen by the test alone"
)]
#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the states are small to be many; how they are passed is no matter here"
)]

mod carrying;
mod ledger;
mod opening;
mod properties;
mod protocol;
mod state;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
use std::time::Duration;

use stateright::report::{ReportData, ReportDiscovery, Reporter};
use stateright::{Checker, HasDiscoveries, Model};

use protocol::{Bug, Protocol};
use state::{Faults, State};
use world::Story;

/// A bound that is explored to its end: nothing may fail in it, and everything that it makes possible has
/// to be seen.
struct Bound {
    name: &'static str,
    story: Story,
    faults: Faults,
}

/// Without faults; the bounds below name those that they add.
const NONE: Faults = Faults {
    lost: 0,
    duplicates: 0,
    lapses: 0,
    crashes: 0,
    unanswered: 0,
    stalls: 0,
    slow: 0,
};

/// The last word of the checker.
#[derive(Default)]
struct Figures {
    unique: usize,
    total: usize,
    depth: usize,
    seconds: f64,
}

impl<M: Model> Reporter<M> for Figures {
    fn report_checking(&mut self, data: ReportData) {
        self.unique = data.unique_states;
        self.total = data.total_states;
        self.depth = data.max_depth;
        self.seconds = data.duration.as_secs_f64();
    }

    fn report_discoveries(&mut self, _: &M, _: BTreeMap<&'static str, ReportDiscovery<M>>) {}

    fn delay(&self) -> Duration {
        Duration::from_millis(50)
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Explores a bound to its end and says how large it was.
fn explore(bound: &Bound) -> Figures {
    let model = Protocol::new(bound.story, bound.faults);
    let properties = model.properties().len();
    let mut figures = Figures::default();
    let checker = model.checker().threads(threads()).spawn_bfs();
    checker.join_and_report(&mut figures).assert_properties();
    let Figures {
        unique,
        total,
        depth,
        seconds,
    } = figures;
    let name = bound.name;
    tell(&format!(
        "model: {name}: {unique} unique states, {total} total, depth {depth}, {seconds:.1} s, \
         {properties} properties all hold"
    ));
    figures
}

/// Says a line of figures where a captured test output would hide it.
fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}

#[test]
fn the_promises_hold_when_workers_crash_and_events_are_lost() {
    explore(&Bound {
        name: "crash, lost event",
        story: Story::ThereAndBack,
        faults: Faults {
            crashes: 1,
            lost: 1,
            ..NONE
        },
    });
}

#[test]
fn the_promises_hold_when_an_event_is_delivered_twice() {
    explore(&Bound {
        name: "duplicate, register first",
        story: Story::RegisterFirst,
        faults: Faults {
            duplicates: 1,
            ..NONE
        },
    });
}

#[test]
fn the_promises_hold_but_for_one_late_call_when_a_worker_stands_still_past_its_lease() {
    explore(&Bound {
        name: "stall",
        story: Story::Stranger,
        faults: Faults { stalls: 1, ..NONE },
    });
}

#[test]
fn the_promises_hold_when_a_reply_is_lost() {
    explore(&Bound {
        name: "unanswered",
        story: Story::Stranger,
        faults: Faults {
            unanswered: 1,
            ..NONE
        },
    });
}

#[test]
#[ignore = "minutes and gigabytes; `make model` runs it"]
fn the_promises_hold_within_the_larger_bounds() {
    let mut sum = Figures::default();
    for bound in larger_bounds() {
        let figures = explore(&bound);
        sum.unique += figures.unique;
        sum.total += figures.total;
        sum.depth = sum.depth.max(figures.depth);
        sum.seconds += figures.seconds;
    }
    tell(&format!(
        "model: {} unique states, {} total, depth {}, {:.0} seconds, all properties hold",
        sum.unique, sum.total, sum.depth, sum.seconds
    ));
    assert!(sum.unique >= 10_000_000, "the bounds have shrunk");
}

fn larger_bounds() -> Vec<Bound> {
    let there_and_back = |name, faults| Bound {
        name,
        story: Story::ThereAndBack,
        faults,
    };
    let stall_and_lapse = Faults {
        stalls: 1,
        lapses: 1,
        ..NONE
    };
    let stall_and_lost_reply = Faults {
        stalls: 1,
        unanswered: 1,
        ..NONE
    };
    let slow = Faults { slow: 5, ..NONE };
    let crash_and_lost_reply = Faults {
        crashes: 1,
        unanswered: 1,
        lost: 1,
        ..NONE
    };
    let crash_and_duplicate = Faults {
        crashes: 1,
        duplicates: 1,
        ..NONE
    };
    let stall_and_crash = Faults {
        stalls: 1,
        crashes: 1,
        ..NONE
    };
    let register_first = Bound {
        name: "stall, lapse, register first",
        story: Story::RegisterFirst,
        faults: stall_and_lapse,
    };
    vec![
        there_and_back("stall, lapse", stall_and_lapse),
        register_first,
        there_and_back("stall, unanswered", stall_and_lost_reply),
        there_and_back("stall, crash", stall_and_crash),
        there_and_back("crash, duplicate", crash_and_duplicate),
        there_and_back("slow", slow),
        there_and_back("crash, unanswered, lost event", crash_and_lost_reply),
    ]
}

/// Without this an endless run could keep the group from ever coming to rest, and no property would show
/// it: the checker judges `eventually` at the ends of runs.
#[test]
fn no_run_goes_on_for_ever() {
    let faults = Faults { stalls: 1, ..NONE };
    let model = Protocol::new(Story::ThereAndBack, faults);
    let mut on_the_path = BTreeMap::new();
    let start = model.init_states().into_iter();
    let mut path: Vec<(Option<State>, Vec<State>)> = vec![(None, start.collect())];
    while let Some((state, ahead)) = path.last_mut() {
        let Some(next) = ahead.pop() else {
            if let Some(state) = state {
                on_the_path.insert(key(state), false);
            }
            path.pop();
            continue;
        };
        match on_the_path.get(&key(&next)) {
            Some(true) => panic!("a run comes back to {next:?}"),
            Some(false) => {}
            None => {
                on_the_path.insert(key(&next), true);
                path.push((Some(next), model.next_states(&next)));
            }
        }
    }
}

fn key(state: &State) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Plants a mistake and expects the property that must notice.
fn caught(bug: Bug, faults: Faults, property: &'static str) {
    let model = Protocol::new(Story::ThereAndBack, faults).with(bug);
    let until = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = model.checker().threads(threads()).finish_when(until);
    checker.spawn_bfs().join().assert_any_discovery(property);
}

const I1: &str = "I1 never empty";
const I2: &str = "I2 at rest the group is where the newest evidence says";
const I3: &str = "I3 evidence never goes back";
const I4_DELETED: &str = "I4 deleted only when settled";
const I5: &str = "I5 no target but the route's own";
const I6: &str = "I6 writes conditional, calls under a lease";

#[test]
fn the_model_catches_a_worker_that_deregisters_before_it_registers() {
    caught(Bug::DeregistersFirst, NONE, I1);
}

#[test]
fn the_model_catches_a_worker_that_finishes_without_the_generation() {
    let faults = Faults { stalls: 1, ..NONE };
    caught(Bug::FinishesUnconditionally, faults, I3);
}

#[test]
fn the_model_catches_a_worker_that_takes_over_without_waiting() {
    caught(Bug::TakesOverAtOnce, NONE, I6);
    caught(Bug::TakesOverAtOnce, NONE, I1);
}

#[test]
fn the_model_catches_a_worker_that_deletes_before_it_finishes() {
    caught(Bug::DeletesBeforeItFinishes, NONE, I4_DELETED);
}

#[test]
fn the_model_catches_a_worker_that_ignores_the_order_of_evidence() {
    caught(Bug::ForgetsTheOrderOfEvidence, NONE, I3);
    caught(Bug::ForgetsTheOrderOfEvidence, NONE, I2);
}

#[test]
fn the_model_catches_a_worker_that_takes_draining_for_registered() {
    // The registration that comes first hides the mistake, unless it fails.
    let faults = Faults {
        unanswered: 1,
        ..NONE
    };
    caught(Bug::TakesDrainingForRegistered, faults, I1);
}

#[test]
fn the_model_catches_a_worker_that_counts_its_lease_from_after_the_write() {
    let faults = Faults { slow: 3, ..NONE };
    caught(Bug::CountsItsHoldFromAfterTheWrite, faults, I6);
}

#[test]
fn the_model_catches_a_worker_that_calls_after_its_lease() {
    let faults = Faults { stalls: 1, ..NONE };
    caught(Bug::IgnoresItsLease, faults, I6);
}

#[test]
fn the_model_catches_a_worker_that_trusts_a_lease_that_was_slow_to_lengthen() {
    let faults = Faults { slow: 5, ..NONE };
    caught(Bug::TrustsASlowExtension, faults, I6);
}

#[test]
fn the_model_catches_a_contender_that_writes_on_a_lease_as_it_was_before_it_was_lengthened() {
    let faults = Faults { slow: 4, ..NONE };
    caught(Bug::LengtheningGoesUnseen, faults, I6);
}

#[test]
fn the_model_catches_a_route_that_admits_any_address() {
    caught(Bug::AdmitsAnyAddress, NONE, I5);
}
