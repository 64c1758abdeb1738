//! What moves routes: swap, pin, and what refuses them.

use std::sync::Arc;
use std::time::Duration;

use writerlink_core::ledger::record::RecordKind;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Effect, Fate, Fault};
use writerlink_sim::target_group::TargetDescription;

use crate::desk::{DESK, Desk, WHO};
use crate::rig::Rig;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_swap_moves_the_route_and_records_who_and_why() {
    let desk = Desk::with(&["orders"]).await;
    let line = "swap orders --to orders-3 --reason \"sick zone\" --yes --output json";
    let said = desk.says(line).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.outcomes(), ["Moved"]);
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 3)]);
    let chain = desk.rig.chain(0).await;
    let kinds: Vec<_> = chain.iter().map(|s| s.record.entry.kind).collect();
    assert_eq!(kinds, [RecordKind::Started, RecordKind::Finished]);
    for stored in &chain {
        let entry = &stored.record.entry;
        assert_eq!(entry.cause, Cause::Operator);
        assert_eq!(entry.owner.as_str(), "desk:1");
        let said = entry.trigger.as_ref().unwrap().text();
        assert_eq!(said, format!("swap to orders-3 by {WHO}: sick zone"));
    }
    let entry = &chain[1].record.entry;
    assert_eq!((entry.outcome, entry.reason), (Some(Outcome::Moved), Some(Reason::OperatorCommand)));
    let shown = desk.rig_shows(&said).await;
    assert!(shown.contains("sick zone"), "{shown}");
}

impl Desk {
    /// What `audit show` says to the id that an order gave.
    async fn rig_shows(&self, said: &crate::desk::Said) -> String {
        let rows = said.rows("ordered");
        let id = rows[0]["id"].as_str().unwrap();
        let shown = self.says(&format!("audit show {id}")).await;
        assert_eq!(shown.code, 0, "{}", shown.err);
        shown.out
    }
}

#[tokio::test(start_paused = true)]
async fn a_swap_to_where_the_route_is_changes_nothing() {
    let desk = Desk::with(&["orders"]).await;
    let line = "swap orders --to orders-2 --reason x --yes --output json";
    assert_eq!(desk.says(line).await.outcomes(), ["Moved"]);
    desk.pass(5 * MINUTE).await;
    let calls = desk.mutating_calls();
    let again = desk.says(line).await;
    assert_eq!((again.code, again.outcomes()), (0, vec!["AlreadyThere".to_owned()]));
    assert_eq!(desk.mutating_calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_pin_keeps_the_route_and_unpin_lets_it_follow_what_was_held_back() {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    let said = desk.says("pin orders --to orders-1 --reason upgrade --yes").await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    desk.pass(Duration::from_secs(10)).await;
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 5));
    desk.pass(2 * MINUTE).await;
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 1)]);
    let ends = desk.rig.told.ends();
    assert_eq!(ends, ["Paused"]);
    let unpinned = desk.says("unpin orders --reason done --yes").await;
    assert_eq!(unpinned.code, 0, "{}", unpinned.err);
    desk.pass(MINUTE).await;
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 2)]);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_pin_is_over_when_its_time_is() {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    let pin = "pin orders --to orders-3 --for 1h --reason upgrade --yes";
    assert_eq!(desk.says(pin).await.code, 0);
    desk.pass(MINUTE).await;
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 30));
    desk.pass(58 * MINUTE).await;
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 3)]);
    desk.pass(3 * MINUTE).await;
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 2)]);
    drop(worker);
}

/// Gives the order, sees that it is refused by this rule, and gives it again as the refusal says.
async fn refused_then_let_through(desk: &Desk, rule: &str, since: &str) {
    let line = "swap orders --to orders-3 --reason urgent";
    let calls = desk.mutating_calls();
    let said = desk.says(&format!("{line} --yes --output json")).await;
    assert_eq!(said.code, 5, "{rule}: {}", said.out);
    assert_eq!(said.outcomes(), ["Rejected"]);
    assert_eq!(desk.mutating_calls(), calls, "{rule}");
    for part in [
        "error: route orders was not moved",
        since,
        &format!("`writerlink swap orders --to orders-3 --override {rule} --reason 'urgent'` goes past it"),
    ] {
        assert!(said.err.contains(part), "{rule} {part}: {}", said.err);
    }
    let foreseen = desk.says(&format!("{line} --dry-run")).await;
    assert_eq!(foreseen.code, 5, "{rule}: {}", foreseen.out);
    let past = format!("{line} --override {rule} --yes --output json");
    let past = desk.says(&past).await;
    assert_eq!(past.code, 0, "{rule}: {}", past.err);
    assert_eq!(past.outcomes(), ["Moved"]);
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 3)]);
    let chain = desk.rig.chain(0).await;
    let told = chain.last().unwrap().record.entry.trigger.as_ref().unwrap().text().to_owned();
    assert!(told.contains(&format!("overriding {rule}")), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_refuses_a_swap_unless_it_is_overridden() {
    let desk = Desk::with(&["orders"]).await;
    assert_eq!(desk.says("pause orders --reason drill --yes").await.code, 0);
    let since = format!("paused by {WHO} since 2026-05-06T23:00:00.000Z: drill");
    refused_then_let_through(&desk, "paused", &since).await;
}

#[tokio::test(start_paused = true)]
async fn a_freeze_refuses_a_swap_unless_it_is_overridden() {
    let desk = Desk::with(&["orders"]).await;
    assert_eq!(desk.says("freeze --for 1h --reason drill --yes").await.code, 0);
    let since =
        format!("frozen by {WHO} since 2026-05-06T23:00:00.000Z until 2026-05-07T00:00:00.000Z: drill");
    refused_then_let_through(&desk, "frozen", &since).await;
}

#[tokio::test(start_paused = true)]
async fn a_pin_refuses_a_swap_elsewhere_unless_overridden_and_is_gone_then() {
    let desk = Desk::with(&["orders"]).await;
    let pin = "pin orders --to orders-2 --reason drill --yes";
    assert_eq!(desk.says(pin).await.code, 0);
    let since = format!("pinned to orders-2 by {WHO} since 2026-05-06T23:00:00.000Z: drill");
    refused_then_let_through(&desk, "pinned", &since).await;
    let unpin = desk.says("unpin orders --reason x --yes --output json").await;
    assert_eq!(unpin.outcomes(), ["Nothing"]);
}

#[tokio::test(start_paused = true)]
async fn the_sixth_swap_in_ten_minutes_needs_an_override_or_an_ack() {
    let desk = Desk::with(&["orders"]).await;
    let swap = async |n: u32| {
        let line = format!("swap orders --to orders-{n} --reason x --yes");
        desk.says(&line).await.code
    };
    for n in [2, 1, 2, 1, 2] {
        assert_eq!(swap(n).await, 0);
    }
    let since = "flapping: moved too often in 10 minutes";
    refused_then_let_through(&desk, "flapping", since).await;
    assert_eq!(swap(1).await, 5);
    let ack = desk.says("ack orders --reason \"on purpose\" --yes --output json").await;
    assert_eq!((ack.code, ack.outcomes()), (0, vec!["InForce".to_owned()]));
    assert_eq!(swap(1).await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_routes_own_limit_of_moves_is_the_one_that_an_acknowledgement_lifts() {
    let mut rig = Rig::new(&["orders"]).await;
    rig.routes[0].policy.flap_moves_max = 2;
    let desk = Desk::in_front_of(rig);
    for n in [2, 1] {
        let line = format!("swap orders --to orders-{n} --reason x --yes");
        assert_eq!(desk.says(&line).await.code, 0);
    }
    let ack = desk.says("ack orders --reason \"on purpose\" --yes --output json").await;
    assert_eq!((ack.code, ack.outcomes()), (0, vec!["InForce".to_owned()]));
    let swap = "swap orders --to orders-2 --reason x --yes";
    assert_eq!(desk.says(swap).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn every_rule_has_to_be_named_and_the_refusal_keeps_those_that_were() {
    let desk = Desk::with(&["orders"]).await;
    assert_eq!(desk.says("freeze --reason a --yes").await.code, 0);
    assert_eq!(desk.says("pause orders --reason b --yes").await.code, 0);
    let line = "swap orders --to orders-2 --reason x --yes --override frozen";
    let said = desk.says(line).await;
    assert_eq!(said.code, 5, "{}", said.out);
    let both = "`writerlink swap orders --to orders-2 --override frozen --override paused --reason 'x'`";
    assert!(said.err.contains(both), "{}", said.err);
    let said = desk.says(&format!("{line} --override paused")).await;
    assert_eq!(said.code, 0, "{}", said.err);
}

#[tokio::test(start_paused = true)]
async fn no_override_goes_past_an_instance_that_is_not_the_routes() {
    let desk = Desk::with(&["orders"]).await;
    let every =
        "--override paused --override frozen --override pinned --override observing --override flapping";
    for order in ["swap", "pin"] {
        let line = format!("{order} orders --to stranger-1 --reason x --yes {every}");
        let said = desk.says(&line).await;
        assert_eq!(said.code, 5, "{}", said.out);
        assert!(said.err.contains("fix: no --override goes past this"), "{}", said.err);
    }
    assert_eq!(desk.mutating_calls(), 0);
    let chain = desk.rig.chain(0).await;
    let outcome = chain[0].record.entry.outcome;
    assert_eq!((chain.len(), outcome), (2, Some(Outcome::Rejected)));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_the_calls_and_writes_nothing() {
    let desk = Desk::with(&["orders"]).await;
    let swap = desk.says("swap orders --to orders-2 --reason x --dry-run").await;
    assert_eq!((swap.code, swap.err.as_str()), (0, ""));
    insta::assert_snapshot!(swap.out, @r#"
    ROUTE   DECISION  ACTION      TARGET          STATE    NOTE
    orders  Move      register    10.0.2.11:3306  absent   orders-2 alone, by evidence of
                                                           2026-05-06T23:00:00.000Z
    orders  Move      deregister  10.0.1.11:3306  healthy  orders-2 alone, by evidence of
                                                           2026-05-06T23:00:00.000Z
    "#);
    for line in ["pin orders --to orders-2", "pause orders --for 2h", "freeze", "resume orders"] {
        let said = desk.says(&format!("{line} --reason x --dry-run --output json")).await;
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{line}");
        assert_eq!(said.rows("plan").last().unwrap()["route"], "orders");
    }
    assert_eq!((desk.writes(), desk.mutating_calls()), (0, 0));
    assert_eq!(desk.rig.chain(0).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_exits_1_and_the_timer_finishes_the_command() {
    let desk = Desk::with(&["orders"]).await;
    let plan = |site: &CallSite| {
        if site.process == DESK && site.call == "RegisterTargets" {
            Fate::meets(Fault::Refused(ErrorKind::Throttled))
        } else {
            Fate::WORKS
        }
    };
    desk.rig.fleet.world.fabric.set_plan(Box::new(plan));
    let said = desk.says("swap orders --to orders-2 --reason x --yes").await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("route orders is not where it was ordered to be"), "{}", said.err);
    let worker = desk.rig.start("w1");
    desk.pass(MINUTE).await;
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 2)]);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_somebody_else_keeps_changing_ends_with_7() {
    let desk = Desk::with(&["orders"]).await;
    let world = &desk.rig.fleet.world;
    let (elb, arn) = (Arc::clone(&world.elb), desk.rig.routes[0].group.arn.clone());
    let old = TargetDescription::of(desk.rig.target(0, 1), None);
    world.fabric.watch(Box::new(move |effect: &Effect| {
        if effect.process == DESK && effect.call == "DeregisterTargets" {
            elb.register("somebody", &arn, std::slice::from_ref(&old)).unwrap();
        }
    }));
    let said = desk.says("swap orders --to orders-2 --reason x --yes").await;
    assert_eq!(said.code, 7, "{}{}", said.out, said.err);
}
