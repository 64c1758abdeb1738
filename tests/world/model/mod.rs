//! Two workers, three events and every fault within bounds: each order of steps is tried, none is sampled.
//!
//! The model mirrors what `reconcile.rs` and `worker.rs` do between two waits; what is decided, planned,
//! leased and written is the domain's own code. `cargo test --test world model::` explores the smaller bounds;
//! the larger ones take minutes:
//!
//! ```text
//! cargo test --profile sim --test world model:: -- --ignored --nocapture
//! ```
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]
#![expect(unreachable_pub, reason = "the modules of a test are seen by the test alone")]
#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the states are small to be many; how they are passed is no matter here"
)]

mod bounds;
mod carrying;
mod hearing;
mod ledger;
mod mistakes;
mod opening;
mod orders;
mod properties;
mod protocol;
mod restoring;
mod state;
mod story;
mod timer;
mod weighted;
mod world;

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
use std::time::Duration;

use bounds::{ACK, Bound, FORCE, NONE, PINS, threads};
use protocol::Protocol;
use state::{Faults, State};
use stateright::report::{ReportData, ReportDiscovery, Reporter};
use stateright::{Checker, Model};
use story::Story;

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

/// Explores a bound to its end and says how large it was.
fn explore(bound: &Bound) -> Figures {
    let model = bound.model();
    let properties = model.properties().len();
    let mut figures = Figures::default();
    let checker = model.checker().threads(threads()).spawn_bfs();
    checker.join_and_report(&mut figures).assert_properties();
    let Figures { unique, total, depth, seconds } = figures;
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
    explore(&Bound::new("crash, lost event", Story::ThereAndBack, Faults { crashes: 1, lost: 1, ..NONE }));
}

#[test]
fn the_promises_hold_when_an_event_is_delivered_twice() {
    explore(&Bound::new("duplicate, register first", Story::RegisterFirst, Faults { duplicates: 1, ..NONE }));
}

#[test]
fn the_promises_hold_but_for_one_late_call_when_a_worker_stalls() {
    explore(&Bound::new("stall", Story::Stranger, Faults { stalls: 1, ..NONE }));
}

#[test]
fn the_promises_hold_when_a_reply_is_lost() {
    explore(&Bound::new("unanswered", Story::Stranger, Faults { unanswered: 1, ..NONE }));
}

#[test]
fn the_promises_hold_when_a_person_pauses_the_route_and_lets_it_go_on() {
    explore(&Bound::new("pause, resume", Story::ThereAndBack, Faults { toggles: 2, ..NONE }));
}

#[test]
fn the_promises_hold_when_the_witnesses_lag_behind_and_an_event_is_lost() {
    explore(&Bound::new(
        "stale discovery, lost event",
        Story::Witnessed,
        Faults { looks: 1, lost: 1, ..NONE },
    ));
}

#[test]
fn the_promises_hold_when_the_witnesses_name_a_stranger() {
    explore(&Bound::new("stale discovery, stranger", Story::StrangerWitnessed, Faults { looks: 1, ..NONE }));
}

#[test]
fn the_promises_hold_when_a_failover_fails_and_only_that_is_heard() {
    explore(&Bound::new(
        "failover failed, lost event",
        Story::FailoverFails,
        Faults { looks: 1, lost: 1, ..NONE },
    ));
}

#[test]
fn the_promises_hold_when_sources_lag_after_a_failover_that_asks_them() {
    let faults = Faults { looks: 2, ..NONE };
    explore(&Bound::new("asked, stale discovery", Story::Asked, faults));
}

#[test]
fn the_promises_hold_when_a_worker_dies_in_a_move_of_its_timer() {
    explore(&Bound::new(
        "lost event, crash of the timer",
        Story::Witnessed,
        Faults { lost: 1, crashes: 1, ..NONE },
    ));
}

#[test]
fn the_promises_hold_when_a_route_is_paused_while_a_worker_stands_still() {
    explore(&Bound::new("pause, stall", Story::Stranger, Faults { toggles: 1, stalls: 1, ..NONE }));
}

#[test]
fn the_promises_hold_on_a_weighted_route_with_crashes_and_lost_events() {
    explore(&Bound::new(
        "weighted, crash, lost event",
        Story::Weighted,
        Faults { crashes: 1, lost: 1, ..NONE },
    ));
}

#[test]
fn the_promises_hold_on_a_weighted_route_when_a_worker_stalls() {
    let faults = Faults { stalls: 1, ..NONE };
    explore(&Bound::new("weighted, stall", Story::Weighted, faults));
}

#[test]
fn the_promises_hold_on_a_weighted_route_when_a_reply_is_lost() {
    explore(&Bound::new(
        "weighted, register first, unanswered",
        Story::WeightedRegisterFirst,
        Faults { unanswered: 1, ..NONE },
    ));
}

#[test]
fn the_promises_hold_when_one_person_pins_and_another_overrides_the_pin() {
    let faults = Faults { orders: 2, ..NONE };
    explore(&Bound::new("pin, unpin, override", Story::ThereAndBack, faults).ordered(PINS));
}

#[test]
fn the_promises_hold_when_an_order_goes_past_a_pause() {
    let faults = Faults { toggles: 1, orders: 1, ..NONE };
    explore(&Bound::new("pause, override", Story::ThereAndBack, faults).ordered(FORCE));
}

#[test]
fn the_promises_hold_when_a_route_flaps_and_a_person_takes_note() {
    let faults = Faults { orders: 1, ..NONE };
    explore(&Bound::new("flapping, ack, override", Story::Flapping, faults).ordered(ACK));
}

#[test]
fn the_promises_hold_when_a_routes_row_is_put_back_or_deleted() {
    let faults = Faults { restores: 1, ..NONE };
    explore(&Bound::new("restore", Story::Stranger, faults));
}

#[test]
fn the_promises_hold_on_a_weighted_route_whose_row_is_put_back_or_deleted() {
    let faults = Faults { restores: 1, ..NONE };
    explore(&Bound::new("weighted, restore", Story::Weighted, faults));
}

#[test]
#[ignore = "minutes; `make model` runs it"]
fn the_promises_hold_within_the_larger_bounds_of_a_row_that_is_put_back() {
    explore_each("restored", bounds::restored());
}

#[test]
#[ignore = "minutes; `make model` runs it"]
fn the_promises_hold_within_the_larger_bounds_of_a_route_that_is_swapped() {
    explore_all("swapped", bounds::swapped());
}

#[test]
#[ignore = "minutes; `make model` runs it"]
fn the_promises_hold_within_the_larger_bounds_of_a_weighted_route() {
    explore_all("weighted", bounds::weighted());
}

#[test]
#[ignore = "minutes; `make model` runs it"]
fn the_promises_hold_within_the_larger_bounds_of_what_people_order() {
    explore_all("ordered", bounds::ordered());
}

/// The fewest states that a set of larger bounds has to have: fewer, and they have shrunk without anybody's notice.
const UNIQUE_MIN: usize = 10_000_000;

fn explore_all(what: &str, bounds: Vec<Bound>) {
    let unique = explore_each(what, bounds);
    assert!(unique >= UNIQUE_MIN, "the bounds have shrunk");
}

/// How many unique states there were.
fn explore_each(what: &str, bounds: Vec<Bound>) -> usize {
    let mut sum = Figures::default();
    for bound in bounds {
        let figures = explore(&bound);
        sum.unique += figures.unique;
        sum.total += figures.total;
        sum.depth = sum.depth.max(figures.depth);
        sum.seconds += figures.seconds;
    }
    tell(&format!(
        "model, {what}: {} unique states, {} total, depth {}, {:.0} seconds, all properties hold",
        sum.unique, sum.total, sum.depth, sum.seconds
    ));
    sum.unique
}

/// Without this an endless run could keep the group from ever coming to rest, and no property would show
/// it: the checker judges `eventually` at the ends of runs.
#[test]
fn no_run_goes_on_for_ever() {
    let stalls = Faults { stalls: 1, ..NONE };
    comes_to_an_end(&Protocol::new(Story::ThereAndBack, stalls));
    let pauses = Faults { toggles: 2, ..NONE };
    comes_to_an_end(&Protocol::new(Story::Witnessed, pauses));
    comes_to_an_end(&Protocol::new(Story::Weighted, stalls));
    let orders = Faults { orders: 1, ..NONE };
    comes_to_an_end(&Protocol::new(Story::FlappingWitnessed, orders).ordered(ACK));
}

fn comes_to_an_end(model: &Protocol) {
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
