//! What holds routes back: pause, freeze, and what ends them.

use std::time::Duration;

use writerlink_core::ledger::record::RecordKind;
use writerlink_core::model::reason::Cause;
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Fate, Fault, no_faults};

use crate::desk::{DESK, Desk, WHO};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_paused_route_makes_no_call_for_an_event_and_resume_moves_it() {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    let said = desk.says("pause orders --reason maintenance --yes").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(MINUTE).await;
    assert_eq!(desk.rig.told.ends(), ["Paused"]);
    let note = desk.rig.told.reports()[0].ended.note();
    for part in [WHO, "maintenance", "would move to orders-2"] {
        assert!(note.contains(part), "{note}");
    }
    assert_eq!(desk.mutating_calls(), 0);
    let resumed = desk.says("resume orders --reason done --yes").await;
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    desk.pass(MINUTE).await;
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 2)]);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_the_route_knows_what_waits_and_what_holds_it_back() {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 1, 0));
    desk.pass(MINUTE).await;
    let pause = "pause orders --reason maintenance --yes";
    assert_eq!(desk.says(pause).await.code, 0);
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 61));
    desk.pass(MINUTE).await;
    drop(worker);
    let plan = "plan orders --detailed-exitcode --output json";
    let held = desk.says(plan).await;
    let row = &held.rows("plan")[0];
    assert_eq!(held.code, 2, "{}", held.out);
    assert_eq!((&row["decision"], &row["action"]), (&"Paused".into(), &"nothing".into()));
    assert_eq!(row["instance"], "orders-2");
    let resume = "resume orders --reason done --yes";
    assert_eq!(desk.says(resume).await.code, 0);
    let free = desk.says(plan).await;
    let rows = free.rows("plan");
    let actions: Vec<&str> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!((free.code, actions), (2, vec!["register", "deregister"]), "{}", free.out);
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_by_itself_when_its_time_is_over() {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    let said = desk.says("pause orders --for 30m --reason drill --yes").await;
    assert_eq!(said.code, 0, "{}", said.err);
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(29 * MINUTE).await;
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 1)]);
    desk.pass(2 * MINUTE).await;
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 2)]);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_freeze_covers_every_route_and_a_resume_of_one_does_not_end_it() {
    let desk = Desk::with(&["orders", "users", "parts"]).await;
    let worker = desk.rig.start("w1");
    let said = desk.says("freeze --reason outage --yes --output json").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.outcomes(), ["InForce"; 3]);
    let paused = desk.says("pause users --reason drill --yes").await;
    assert_eq!(paused.code, 0, "{}", paused.err);
    for route in 0..3 {
        let event = desk.rig.completed(route, 2, 0);
        desk.rig.fleet.world.deliver(&event);
    }
    let resumed = desk.says("resume users --reason done --yes").await;
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    let still = format!("still frozen by {WHO}");
    let flat = resumed.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("still frozen by"), "{still}: {flat}");
    desk.pass(2 * MINUTE).await;
    assert_eq!(desk.mutating_calls(), 0);
    assert_eq!(desk.rig.told.ends(), ["Paused"; 3]);
    let lifted = desk.says("unfreeze --reason over --yes --output json").await;
    assert_eq!(lifted.code, 0, "{}", lifted.err);
    desk.pass(2 * MINUTE).await;
    for route in 0..3 {
        assert_eq!(desk.rig.registered(route), [desk.rig.target(route, 2)]);
    }
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn what_lifts_nothing_writes_nothing_and_is_no_failure() {
    let desk = Desk::with(&["orders"]).await;
    for (line, why) in [
        ("resume orders", "it is not paused"),
        ("unpin orders", "it is not pinned"),
        ("ack orders", "it was not moved too often, and no event is unresolved"),
        ("unfreeze", "it is not frozen"),
    ] {
        let line = format!("{line} --reason x --yes --output json");
        let said = desk.says(&line).await;
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{line}");
        let rows = said.rows("ordered");
        assert_eq!((&rows[0]["outcome"], &rows[0]["note"]), (&"Nothing".into(), &why.into()));
    }
    assert_eq!(desk.writes(), 0);
}

/// Every registration of a worker takes so long that an attempt is under way for seconds.
fn slow_workers(desk: &Desk) {
    let plan = |site: &CallSite| {
        if site.process == "w1" && site.call == "RegisterTargets" {
            Fate::in_a_round_trip(Duration::from_secs(4))
        } else {
            Fate::WORKS
        }
    };
    desk.rig.fleet.world.fabric.set_plan(Box::new(plan));
}

#[tokio::test(start_paused = true)]
async fn a_pause_waits_for_a_move_in_progress_and_comes_after_its_last_call() {
    let desk = Desk::with(&["orders"]).await;
    slow_workers(&desk);
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_secs(2)).await;
    let said = desk.says("pause orders --reason stop --yes --output json").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.outcomes(), ["InForce"]);
    assert!(said.log.contains("route orders is held by w1 for at most"), "{}", said.log);
    let chain = desk.rig.chain(0).await;
    let kinds: Vec<_> = chain.iter().map(|stored| stored.record.entry.kind).collect();
    assert_eq!(kinds, [RecordKind::Started, RecordKind::Finished, RecordKind::Command]);
    assert_eq!(desk.rig.registered(0), [desk.rig.target(0, 2)]);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_wait_is_told_who_holds_the_route_and_ends_with_6() {
    let desk = Desk::with(&["orders"]).await;
    slow_workers(&desk);
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_secs(2)).await;
    for line in ["pause orders", "swap orders --to orders-3"] {
        let said = desk.says(&format!("{line} --wait 0s --reason stop --yes")).await;
        assert_eq!(said.code, 6, "{line}: {}", said.err);
        assert!(said.err.contains("the route is held by w1 for at most"), "{}", said.err);
        assert!(said.err.contains("fix: give the order again, or let it wait longer"));
    }
    assert_eq!(desk.writes(), 0);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_freeze_waits_for_a_leased_route_and_goes_on_with_the_others() {
    let desk = Desk::with(&["orders", "users"]).await;
    slow_workers(&desk);
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_secs(2)).await;
    let hasty = "freeze --reason outage --yes --wait 0s --output json";
    let said = desk.says(hasty).await;
    assert_eq!(said.code, 6, "{}", said.err);
    assert_eq!(said.outcomes(), ["Busy", "InForce"]);
    let patient = desk.says("freeze --reason outage --yes --output json").await;
    assert_eq!(patient.code, 0, "{}", patient.err);
    assert_eq!(patient.outcomes(), ["InForce"; 2]);
    let rows = patient.rows("ordered");
    let took = |n: usize| rows[n]["took_ms"].as_u64().unwrap();
    assert!(took(0) >= 1_000 && took(1) < 1_000, "{rows:?}");
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_asks_to_stop_is_not_kept_waiting() {
    let desk = Desk::with(&["orders"]).await;
    slow_workers(&desk);
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_secs(2)).await;
    desk.stop.send_replace(1);
    let began = desk.rig.fleet.world.fabric.time.elapsed();
    let said = desk.says("pause orders --reason stop --yes").await;
    assert_eq!(said.code, 6, "{}", said.err);
    assert_eq!(desk.rig.fleet.world.fabric.time.elapsed(), began);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_one_route_missed_is_an_error_and_holds_on_the_others() {
    let desk = Desk::with(&["orders", "users"]).await;
    let mut refused = false;
    let plan = move |site: &CallSite| {
        if site.process == DESK && site.call == "ExecuteTransaction" && !refused {
            refused = true;
            return Fate::meets(Fault::Refused(ErrorKind::Denied));
        }
        Fate::WORKS
    };
    desk.rig.fleet.world.fabric.set_plan(Box::new(plan));
    let said = desk.says("freeze --reason outage --yes --output json").await;
    assert_eq!(said.code, 1, "{}", said.out);
    let mut outcomes = said.outcomes();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["InForce", "Unavailable"]);
    assert!(said.err.starts_with("error: ordering freeze of route "), "{}", said.err);
    desk.rig.fleet.world.fabric.set_plan(no_faults());
    let again = desk.says("freeze --reason outage --yes --output json").await;
    assert_eq!(again.code, 0, "{}", again.err);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_on_record_with_who_and_why() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says("pause orders --for 2h --reason \"a long night\" --yes").await;
    assert_eq!(said.code, 0, "{}", said.err);
    let chain = desk.rig.chain(0).await;
    let entry = &chain[0].record.entry;
    assert_eq!((entry.kind, entry.cause), (RecordKind::Command, Cause::Operator));
    let wanted = format!("pause until 2026-05-07T01:00:00.000Z by {WHO}: a long night");
    assert_eq!(entry.note, wanted);
    let listed = desk.says("audit list --cause operator --output json").await;
    assert_eq!(listed.rows("records").len(), 1, "{}", listed.out);
}

#[tokio::test(start_paused = true)]
async fn a_resume_names_what_still_holds_and_the_command_that_lifts_it() {
    let desk = Desk::with(&["orders"]).await;
    for command in ["pin orders --to orders-1", "pause orders", "freeze"] {
        let said = desk.says(&format!("{command} --reason drill --yes")).await;
        assert_eq!(said.code, 0, "{command}: {}", said.err);
    }
    let lifts = ["(`writerlink unfreeze` lifts it)", "(`writerlink unpin orders` lifts it)"];
    let resumed = desk.says("resume orders --reason done --yes --output json").await;
    let again = desk.says("resume orders --reason done --dry-run --output json").await;
    let notes = [&resumed.rows("ordered")[0]["note"], &again.rows("plan")[0]["note"]];
    for note in notes.map(|note| note.as_str().unwrap()) {
        assert!(lifts.iter().all(|lift| note.contains(lift)), "{note}");
        assert!(!note.contains("writerlink resume"), "{note}");
    }
    assert!(notes[1].as_str().unwrap().starts_with("it is not paused; still frozen"), "{}", notes[1]);
}
