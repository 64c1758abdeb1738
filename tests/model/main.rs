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
    clippy::panic,
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
mod timer;
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
    looks: 0,
    toggles: 0,
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
fn the_promises_hold_when_a_person_pauses_the_route_and_lets_it_go_on() {
    explore(&Bound {
        name: "pause, resume",
        story: Story::ThereAndBack,
        faults: Faults { toggles: 2, ..NONE },
    });
}

#[test]
fn the_promises_hold_when_the_witnesses_lag_behind_and_an_event_is_lost() {
    explore(&Bound {
        name: "stale truth, lost event",
        story: Story::Witnessed,
        faults: Faults {
            looks: 1,
            lost: 1,
            ..NONE
        },
    });
}

#[test]
fn the_promises_hold_when_the_witnesses_name_a_stranger() {
    explore(&Bound {
        name: "stale truth, stranger",
        story: Story::StrangerWitnessed,
        faults: Faults { looks: 1, ..NONE },
    });
}

#[test]
fn the_promises_hold_when_a_failover_fails_and_only_that_is_heard() {
    explore(&Bound {
        name: "failover failed, lost event",
        story: Story::FailoverFails,
        faults: Faults {
            looks: 1,
            lost: 1,
            ..NONE
        },
    });
}

#[test]
fn the_promises_hold_when_a_worker_dies_in_a_move_of_its_timer() {
    explore(&Bound {
        name: "lost event, crash of the timer",
        story: Story::Witnessed,
        faults: Faults {
            lost: 1,
            crashes: 1,
            ..NONE
        },
    });
}

#[test]
fn the_promises_hold_when_a_route_is_paused_while_a_worker_stands_still() {
    explore(&Bound {
        name: "pause, stall",
        story: Story::Stranger,
        faults: Faults {
            toggles: 1,
            stalls: 1,
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

#[expect(
    clippy::too_many_lines,
    reason = "a table of bounds, one under the other"
)]
fn larger_bounds() -> Vec<Bound> {
    let faults = |stalls, unanswered, crashes| Faults {
        crashes,
        unanswered,
        stalls,
        ..NONE
    };
    let lapses = |faults| Faults {
        lapses: 1,
        ..faults
    };
    let lost = |faults| Faults { lost: 1, ..faults };
    let duplicates = |faults| Faults {
        duplicates: 1,
        ..faults
    };
    let looks = |faults| Faults { looks: 1, ..faults };
    let toggles = |toggles, faults| Faults { toggles, ..faults };
    let slow = |slow| Faults { slow, ..NONE };
    [
        ("stall, lapse", Story::ThereAndBack, lapses(faults(1, 0, 0))),
        (
            "stall, lapse, register first",
            Story::RegisterFirst,
            lapses(faults(1, 0, 0)),
        ),
        ("stall, unanswered", Story::ThereAndBack, faults(1, 1, 0)),
        ("stall, crash", Story::ThereAndBack, faults(1, 0, 1)),
        (
            "crash, duplicate",
            Story::ThereAndBack,
            duplicates(faults(0, 0, 1)),
        ),
        ("slow", Story::ThereAndBack, slow(5)),
        (
            "crash, unanswered, lost event",
            Story::ThereAndBack,
            lost(faults(0, 1, 1)),
        ),
        (
            "pause, resume, stall",
            Story::ThereAndBack,
            toggles(2, faults(1, 0, 0)),
        ),
        (
            "pause, resume, crash, lost event",
            Story::ThereAndBack,
            toggles(2, lost(faults(0, 0, 1))),
        ),
        (
            "stale truth, pause, resume",
            Story::Witnessed,
            looks(toggles(2, NONE)),
        ),
        (
            "stale truth, crash, stranger",
            Story::StrangerWitnessed,
            looks(faults(0, 0, 1)),
        ),
        (
            "stale truth, stall",
            Story::Witnessed,
            looks(faults(1, 0, 0)),
        ),
        (
            "failover failed, stale truth, crash, lost event",
            Story::FailoverFails,
            looks(lost(faults(0, 0, 1))),
        ),
        (
            "stale truth, unanswered",
            Story::Witnessed,
            looks(faults(0, 1, 0)),
        ),
        (
            "stale truth twice, lost event",
            Story::Witnessed,
            Faults {
                looks: 2,
                ..lost(NONE)
            },
        ),
    ]
    .map(|(name, story, faults)| Bound {
        name,
        story,
        faults,
    })
    .into()
}

/// Without this an endless run could keep the group from ever coming to rest, and no property would show
/// it: the checker judges `eventually` at the ends of runs.
#[test]
fn no_run_goes_on_for_ever() {
    let stalls = Faults { stalls: 1, ..NONE };
    comes_to_an_end(&Protocol::new(Story::ThereAndBack, stalls));
    let pauses = Faults { toggles: 2, ..NONE };
    comes_to_an_end(&Protocol::new(Story::Witnessed, pauses));
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

/// Plants a mistake and expects the property that must notice.
fn caught(bug: Bug, faults: Faults, property: &'static str) {
    finds(
        Protocol::new(Story::ThereAndBack, faults).with(bug),
        property,
    );
}

fn finds(model: Protocol, property: &'static str) {
    let until = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = model.checker().threads(threads()).finish_when(until);
    checker.spawn_bfs().join().assert_any_discovery(property);
}

const I1: &str = "I1 never empty";
const I2: &str = "I2 at rest the group is where the newest evidence says";
const I3: &str = "I3 evidence never goes back";
const I4_DELETED: &str = "I4 deleted only when settled";
const I5: &str = "I5 no target but the route's own";
const TRUST: &str = "a young event outranks the witnesses";
const I2_TIMER: &str = "I2 where the timer has nothing to do the group is right";
const I2_CONVERGES: &str = "I2 converges";
const I7: &str = "I7 no call of an attempt that began after the pause";
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

#[test]
fn the_model_catches_a_worker_that_moves_a_paused_route() {
    let faults = Faults { toggles: 1, ..NONE };
    caught(Bug::MovesWhilePaused, faults, I7);
}

#[test]
fn the_model_catches_a_pause_that_comes_between_the_calls_of_an_attempt() {
    let faults = Faults { toggles: 1, ..NONE };
    caught(Bug::PausesAmongCalls, faults, I6);
}

#[test]
fn the_model_catches_a_worker_that_forgets_what_a_pause_holds_back() {
    let faults = Faults { toggles: 2, ..NONE };
    caught(Bug::ForgetsWhatItHoldsBack, faults, I2_TIMER);
    caught(Bug::ForgetsWhatItHoldsBack, faults, I2_CONVERGES);
}

#[test]
fn the_model_catches_a_timer_that_believes_the_witnesses_against_an_event_of_a_moment_ago() {
    let faults = Faults { looks: 1, ..NONE };
    let model = Protocol::new(Story::Witnessed, faults).with(Bug::FightsEvents);
    finds(model, TRUST);
}

#[test]
fn the_model_catches_a_worker_without_a_timer_as_soon_as_an_event_is_lost() {
    let faults = Faults { lost: 1, ..NONE };
    let model = Protocol::new(Story::Witnessed, faults).with(Bug::HasNoTimer);
    finds(model, I2_CONVERGES);
}
