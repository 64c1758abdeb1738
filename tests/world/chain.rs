//! The timer verifies what was recorded (I8): real workers in the embedded world, and somebody with a key to the table.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use writerlink_core::ledger::chain::BrokenChain;
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Fate, Fault};

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// A second less than a worker waits before its first verification.
const NEARLY_TEN_MINUTES: Duration = Duration::from_secs(599);

/// More than a verification reads.
const MANY: u64 = 60;

/// A world whose first route has this many records, all of them old news but the first two.
async fn with_records(names: &[&str], records: u64) -> Rig {
    let rig = Rig::new(names).await;
    tokio::time::sleep(1_000 * SECOND).await;
    // Alone: behind a full receive the move would let go once, and write two records more.
    rig.fleet.world.deliver(&rig.completed(0, 2, 1_000));
    assert!(rig.run("mover").await);
    for second in 0..records - 2 {
        rig.fleet.world.deliver(&rig.completed(0, 3, second));
    }
    assert!(rig.run("w0").await);
    assert_eq!(rig.chain(0).await.len() as u64, records);
    rig
}

fn key(rig: &Rig, seq: u64) -> [(&'static str, AttributeValue); 2] {
    let name = rig.routes[0].name.to_string();
    [("route", AttributeValue::S(name)), ("seq", AttributeValue::N(seq.to_string()))]
}

/// Overwrites a column of a row of the first route.
async fn overwrite(rig: &Rig, seq: u64, column: &str, text: &str) {
    let client = rig.fleet.dynamo.client_outside();
    let mut update = client
        .update_item()
        .table_name(&rig.fleet.dynamo.tables().audit)
        .update_expression("SET #c = :t")
        .expression_attribute_names("#c", column)
        .expression_attribute_values(":t", AttributeValue::S(text.to_owned()));
    for (name, value) in key(rig, seq) {
        update = update.key(name, value);
    }
    update.send().await.unwrap();
}

async fn remove(rig: &Rig, seq: u64) {
    let client = rig.fleet.dynamo.client_outside();
    let table = &rig.fleet.dynamo.tables().audit;
    let mut delete = client.delete_item().table_name(table);
    for (name, value) in key(rig, seq) {
        delete = delete.key(name, value);
    }
    delete.send().await.unwrap();
}

fn told(rig: &Rig, happening: &str) -> Vec<String> {
    let lines = rig.told.lines.lock().unwrap();
    let about = lines.iter().filter(|line| line.starts_with(happening));
    about.cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn every_route_has_its_turn_to_be_verified() {
    let mut rig = with_records(&["orders", "users"], 4).await;
    overwrite(&rig, 2, "outcome", "Failed").await;
    rig.routes.swap(0, 1);
    let _worker = rig.start("w1");
    tokio::time::sleep(NEARLY_TEN_MINUTES + 3 * MINUTE).await;
    let broken = told(&rig, "ChainBroken");
    assert!((1..=2).contains(&broken.len()), "{broken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tampered_record_is_told_minute_after_minute_and_the_worker_goes_on() {
    let rig = with_records(&["orders"], 10).await;
    overwrite(&rig, 4, "outcome", "Moved").await;
    let worker = rig.start("w1");
    tokio::time::sleep(NEARLY_TEN_MINUTES).await;
    assert_eq!(told(&rig, "ChainBroken"), Vec::<String>::new());
    tokio::time::sleep(5 * MINUTE).await;
    let broken = told(&rig, "ChainBroken");
    assert!((4..=5).contains(&broken.len()), "{broken:?}");
    assert!(broken[0].contains("Altered(4, \"outcome\")"), "{broken:?}");
    rig.fleet.world.deliver(&rig.completed(0, 1, 1_500));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    worker.stop();
    assert!(worker.ended().await);
}

#[tokio::test(start_paused = true)]
async fn every_way_to_tamper_with_a_new_record_is_found() {
    let removed = |expected, found| BrokenChain::Gap { expected, found };
    for (seq, broken) in [(59, removed(59, 60)), (12, removed(12, 13)), (11, removed(11, 12))] {
        let rig = with_records(&["orders"], MANY).await;
        remove(&rig, seq).await;
        assert_eq!(rig.chain_fault("auditor").await, Some(broken));
    }
    let rig = with_records(&["orders"], MANY).await;
    remove(&rig, MANY).await;
    let truncated = BrokenChain::Truncated { expected: MANY, found: MANY - 1 };
    assert_eq!(rig.chain_fault("auditor").await, Some(truncated));
    let rig = with_records(&["orders"], MANY).await;
    overwrite(&rig, 33, "record", "{}").await;
    let broken = rig.chain_fault("auditor").await;
    assert!(
        matches!(&broken, Some(BrokenChain::Altered(33, why)) if why.contains("cannot be read")),
        "{broken:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_any_length_is_intact_as_long_as_nobody_touches_it() {
    for records in [2, 49, 50, 51, MANY] {
        let rig = with_records(&["orders"], records).await;
        assert_eq!(rig.chain_fault("auditor").await, None, "{records} records");
    }
    let fresh = Rig::new(&["orders"]).await;
    assert_eq!(fresh.chain_fault("auditor").await, None, "no record at all");
}

#[tokio::test(start_paused = true)]
async fn records_written_while_a_chain_is_read_are_no_fault() {
    let rig = with_records(&["orders"], 10).await;
    let _worker = rig.start("w1");
    let slow = |site: &CallSite| {
        if site.process == "auditor" { Fate::in_a_round_trip(2 * SECOND) } else { Fate::WORKS }
    };
    rig.fleet.world.fabric.set_plan(Box::new(slow));
    let writing = async {
        for second in 0..20 {
            rig.fleet.world.deliver(&rig.completed(0, 3, 100 + second));
            tokio::time::sleep(SECOND / 2).await;
        }
    };
    let (broken, ()) = tokio::join!(rig.chain_fault("auditor"), writing);
    assert_eq!(broken, None);
    assert_eq!(rig.chain(0).await.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn chains_are_verified_one_a_minute_and_none_in_the_first_ten_minutes() {
    let rig = with_records(&["orders", "users", "parts"], 2).await;
    let _worker = rig.start("w1");
    let queries = || rig.calls("w1").iter().filter(|call| **call == "Query").count();
    tokio::time::sleep(NEARLY_TEN_MINUTES).await;
    // Each state may have been restored before the worker began: it is compared with the audit, once.
    assert_eq!(queries(), 3);
    // A route that was never moved has a state and no record, and its turn too.
    tokio::time::sleep(3 * MINUTE + 2 * SECOND).await;
    let read = queries() - 3;
    assert!((3..=4).contains(&read), "{read}");
}

#[tokio::test(start_paused = true)]
async fn a_chain_whose_query_is_refused_is_unread_and_not_broken() {
    // The last one is what any code becomes that is not in our lists, with a status of 400.
    for refusal in [ErrorKind::Denied, ErrorKind::Throttled, ErrorKind::Invalid] {
        let rig = with_records(&["orders"], 2).await;
        let plan = move |site: &CallSite| match site.call {
            "Query" => Fate::meets(Fault::Refused(refusal)),
            _ => Fate::WORKS,
        };
        rig.fleet.world.fabric.set_plan(Box::new(plan));
        let _worker = rig.start("w1");
        tokio::time::sleep(12 * MINUTE).await;
        assert_eq!(told(&rig, "ChainBroken"), Vec::<String>::new());
        assert!(!told(&rig, "ReconcileFailed").is_empty());
    }
}

/// The counts of diverged routes that a worker summed up, in order.
fn diverged(rig: &Rig) -> Vec<String> {
    let count = |line: String| {
        let (_, after) = line.split_once("out_of_sync: ").unwrap();
        after.split(',').next().unwrap().to_owned()
    };
    told(rig, "Summary").into_iter().map(count).collect()
}

#[tokio::test(start_paused = true)]
async fn a_broken_chain_counts_as_diverged_until_it_is_whole_again() {
    let rig = with_records(&["orders"], 10).await;
    let row = rig.audit_row(0, 10).await;
    rig.delete_audit_row(0, 10).await;
    let worker = rig.start("w1");
    tokio::time::sleep(NEARLY_TEN_MINUTES).await;
    assert_eq!(diverged(&rig).last().unwrap(), "0", "not looked at yet");
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(diverged(&rig).last().unwrap(), "1");
    rig.put_audit_row(row).await;
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(diverged(&rig).last().unwrap(), "0");
    worker.stop();
    assert!(worker.ended().await);
}

#[tokio::test(start_paused = true)]
async fn a_state_behind_its_records_is_told_and_one_being_recorded_about_is_not() {
    let rig = with_records(&["orders"], 10).await;
    let row = rig.state_row(0).await;
    rig.fleet.world.deliver(&rig.completed(0, 3, 20));
    assert!(rig.run("w0").await);
    assert_eq!(rig.chain_fault("auditor").await, None);
    rig.restore_state_row(&row).await;
    let beyond = BrokenChain::Beyond { expected: 10, found: 11 };
    assert_eq!(rig.chain_fault("auditor").await, Some(beyond));
}
