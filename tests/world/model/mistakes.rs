//! Mistakes on purpose: for each the property that has to notice.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use super::bounds::{ACK, FORCE, NONE, PINS, threads};
use super::protocol::{Bug, Protocol};
use super::state::Faults;
use super::story::Story;

/// Plants a mistake and expects the property that must notice.
fn caught(bug: Bug, faults: Faults, property: &'static str) {
    finds(Protocol::new(Story::ThereAndBack, faults).with(bug), property);
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
const TRUST: &str = "a young event outranks the sources";
const LAGGING: &str = "I3, I10 a lagging source moves nothing";
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
    let faults = Faults { unanswered: 1, ..NONE };
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
fn the_model_catches_a_worker_that_trusts_a_slow_lease_renewal() {
    let faults = Faults { slow: 5, ..NONE };
    caught(Bug::TrustsASlowExtension, faults, I6);
}

#[test]
fn the_model_catches_a_takeover_on_a_lease_that_was_renewed_meanwhile() {
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
fn the_model_catches_sources_believed_against_a_fresh_event() {
    let faults = Faults { looks: 1, ..NONE };
    let model = Protocol::new(Story::Witnessed, faults).with(Bug::FightsEvents);
    finds(model, TRUST);
}

#[test]
fn the_model_catches_a_reading_from_before_the_event_that_is_believed() {
    let faults = Faults { looks: 2, ..NONE };
    let model = Protocol::new(Story::Witnessed, faults).with(Bug::BelievesALaggingSource);
    finds(model, LAGGING);
}

#[test]
fn the_model_catches_a_worker_without_a_timer_as_soon_as_an_event_is_lost() {
    let faults = Faults { lost: 1, ..NONE };
    let model = Protocol::new(Story::Witnessed, faults).with(Bug::HasNoTimer);
    finds(model, I2_CONVERGES);
}

#[test]
fn the_model_catches_a_recovery_that_moves_the_head_alone() {
    let faults = Faults { restores: 1, ..NONE };
    caught(Bug::RebuildsTheHeadAlone, faults, I3);
}

#[test]
fn the_model_catches_a_recovery_that_forgets_the_lease() {
    let faults = Faults { restores: 1, ..NONE };
    caught(Bug::RebuildsNoLease, faults, I6);
}

const I1_WEIGHTS: &str = "I1 the weights are never all 0 again";
const I1_WARM: &str = "I1 a group has weight only with its instance's target in it";
const PAUSED: &str = "a paused route is moved by nothing but an order that names the pause";
const PINNED: &str = "a pinned route is moved elsewhere by nothing but an order that names the pin";
const TOO_SOON: &str = "the flap rule stops no route that may still move";
const FLAPPING: &str = "a route that flaps stops until somebody takes note";

#[test]
fn the_model_catches_a_weight_that_moves_to_a_group_without_its_target() {
    let model = Protocol::new(Story::Weighted, NONE).with(Bug::ShiftsToAColdGroup);
    finds(model, I1_WARM);
}

#[test]
fn the_model_catches_a_weight_that_is_taken_away_before_it_is_given() {
    let model = Protocol::new(Story::Weighted, NONE).with(Bug::TakesTheWeightAwayFirst);
    finds(model, I1_WEIGHTS);
}

#[test]
fn the_model_catches_a_worker_that_follows_events_away_from_a_pin() {
    let faults = Faults { orders: 1, ..NONE };
    let model = Protocol::new(Story::ThereAndBack, faults).ordered(PINS);
    finds(model.with(Bug::ForgetsThePin), PINNED);
}

#[test]
fn the_model_catches_an_override_that_goes_past_a_rule_it_does_not_name() {
    let faults = Faults { toggles: 1, orders: 1, ..NONE };
    let model = Protocol::new(Story::ThereAndBack, faults).ordered(FORCE);
    finds(model.with(Bug::OverridesEveryRule), PAUSED);
}

#[test]
fn the_model_catches_a_worker_that_does_not_count_its_moves() {
    let model = Protocol::new(Story::Flapping, NONE).with(Bug::DoesNotCountItsMoves);
    finds(model, FLAPPING);
}

#[test]
fn the_model_catches_an_ack_after_which_the_moves_before_it_still_count() {
    let faults = Faults { orders: 1, ..NONE };
    let model = Protocol::new(Story::Flapping, faults).ordered(ACK);
    finds(model.with(Bug::KeepsItsCount), TOO_SOON);
}
