//! status and explain, against ministack.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::support::stub::{Answer, Stub};
use crate::trial::{ELB_ENDPOINT, NEW, OLD, Trial, completed, said, signal};

#[tokio::test]
async fn a_status_tells_where_routes_point_and_writes_nothing() {
    let trial = Trial::ready().await;
    let status = "status --detailed-exitcode --output json";
    let unknown = trial.says(status);
    assert_eq!(unknown.code, 2, "{}{}", unknown.out, unknown.err);
    assert_eq!(unknown.json()["routes"][0]["state"], "unknown");
    let items = trial.dynamodb().scan().table_name("writerlink-state").send();
    assert_eq!(items.await.unwrap().count, 0, "not even the item of a route never seen");
    let event = trial.sample_path("aurora-failover-completed.eventbridge");
    assert_eq!(trial.says(&format!("replay {event}")).code, 0);
    trial.send("aurora-source", &completed("aurora-source", 2, 1)).await;
    let right = trial.says(status);
    assert_eq!(right.code, 0, "{}{}", right.out, right.err);
    let json = right.json();
    let route = &json["routes"][0];
    assert_eq!(route["state"], "in-sync", "{route}");
    assert_eq!(route["groups"][0]["targets"][0]["target"], format!("{NEW}:3306"));
    assert_eq!(route["last_move"]["outcome"], "Moved");
    assert_eq!(route["chain"]["seq"], 2);
    assert_eq!(route["unread"], Value::Array(Vec::new()));
    assert_eq!(json["queue"]["visible"], 1, "{json}");
    assert_eq!(json["queue"]["dead_letters"], 0, "{json}");
    trial.put_into_group(OLD).await;
    let wrong = trial.says("status aurora-source --detailed-exitcode");
    assert_eq!(wrong.code, 2);
    assert!(wrong.out.contains("route aurora-source: out-of-sync"), "{}", wrong.out);
}

#[tokio::test]
async fn an_event_about_a_stranger_is_shown_until_somebody_resolves_it() {
    let trial = Trial::ready().await;
    let event = trial.sample_path("aurora-failover-completed.eventbridge");
    assert_eq!(trial.says(&format!("replay {event}")).code, 0);
    let status = "status --detailed-exitcode --output json";
    assert_eq!(trial.says(status).code, 0);
    let promoted = trial.file_with(&completed("aurora-source", 9, 3000));
    let refused = trial.says(&format!("replay {promoted}"));
    assert_eq!(refused.code, 5, "{}{}", refused.out, refused.err);
    let wrong = trial.says(status);
    assert_eq!(wrong.code, 2, "{}{}", wrong.out, wrong.err);
    let route = &wrong.json()["routes"][0];
    assert_eq!(route["state"], "out-of-sync", "{route}");
    assert_eq!(route["unresolved_event"]["reason"], "UnknownInstance", "{route}");
    assert_eq!(trial.says("plan aurora-source --detailed-exitcode").code, 2);
    let ack = trial.says("ack aurora-source --reason seen --yes");
    assert_eq!(ack.code, 0, "{}", ack.err);
    let right = trial.says(status);
    assert_eq!(right.code, 0, "{}", right.out);
    assert_eq!(right.json()["routes"][0]["unresolved_event"], Value::Null);
}

#[tokio::test]
async fn a_deleted_state_row_is_shown_by_status_verify_and_check() {
    let trial = Trial::ready().await;
    let event = trial.sample_path("aurora-failover-completed.eventbridge");
    assert_eq!(trial.says(&format!("replay {event}")).code, 0);
    let row = AttributeValue::S("route#aurora-source".to_owned());
    let delete = trial.dynamodb().delete_item().key("pk", row);
    let delete = delete.table_name("writerlink-state").send();
    delete.await.unwrap();
    let status = trial.says("status --detailed-exitcode --output json");
    assert_eq!(status.code, 2, "{}{}", status.out, status.err);
    let end = &status.json()["routes"][0]["chain_end"];
    assert_eq!(end["found"], "records_beyond_head", "{end}");
    assert_eq!(end["newest_seq"], 2, "{end}");
    let verified = trial.says("audit verify");
    assert_eq!(verified.code, 3, "{}{}", verified.out, verified.err);
    let why = "the route's state ends before its records";
    assert!(verified.err.contains(why), "{}", verified.err);
    let checked = trial.says("check --output json");
    let checked = checked.json();
    let mut lines = checked["findings"].as_array().unwrap().iter();
    let line = lines.find(|line| line["what"] == "state and audit");
    assert_eq!(line.unwrap()["verdict"], "warn", "{checked}");
}

#[tokio::test]
async fn a_load_balancer_that_may_not_be_asked_hides_nothing_else() {
    let trial = Trial::ready().await;
    let event = trial.sample_path("aurora-failover-completed.eventbridge");
    assert_eq!(trial.says(&format!("replay {event}")).code, 0);
    let denied = Answer::rds_error(403, "AccessDenied", "no DescribeTargetHealth for you");
    let elb = Stub::answering(denied);
    let mut command = trial.command("status aurora-source");
    let shown = said(command.env(ELB_ENDPOINT, elb.endpoint()));
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    for part in [
        "route aurora-source: unknown",
        "aurora-source-instance-2 at 10.0.2.10:3306",
        "DescribeTargetHealth failed (denied, AccessDenied): no DescribeTargetHealth for you",
        "Moved (WriterMoved), by replay",
    ] {
        let one_line = shown.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line.contains(part), "{part}: {}", shown.out);
    }
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_told_in_its_place() {
    let trial = Trial::ready().await;
    let sqs = trial.sqs();
    sqs.delete_queue().queue_url(trial.queue_url().await).send().await.unwrap();
    let shown = trial.says("status");
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    assert!(shown.out.contains("aurora-source"), "{}", shown.out);
    assert!(shown.out.contains("queue  not read: GetQueueUrl failed (missing"), "{}", shown.out);
}

#[tokio::test]
async fn a_ledger_that_is_not_there_is_an_error_with_its_remedy() {
    let trial = Trial::bare(&["aurora-source"]).await;
    let shown = trial.says("status");
    assert_eq!(shown.code, 1, "{}", shown.out);
    assert!(shown.err.starts_with("error: reading the routes' states failed"), "{}", shown.err);
    assert!(shown.err.contains("writerlink setup"), "{}", shown.err);
}

#[tokio::test]
async fn watching_prints_documents_and_ends_well_when_it_is_interrupted() {
    let trial = Trial::ready().await;
    let mut command = trial.command("status --watch 1");
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let document: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(document["routes"][0]["route"], "aurora-source");
    }
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[tokio::test]
async fn an_event_is_explained_before_and_after_it_moved_a_route() {
    let trial = Trial::ready().await;
    let event = trial.sample_path("aurora-failover-completed.eventbridge");
    let explain = format!("explain {event} --output json");
    let before = trial.says(&explain);
    assert_eq!((before.code, before.err.as_str()), (0, ""));
    assert_eq!(before.json()["explained"][0]["decision"], "Move");
    assert_eq!(trial.group_holds().await, [OLD]);
    assert_eq!(trial.says(&format!("replay {event}")).code, 0);
    let after = trial.says(&explain).json();
    let after = &after["explained"][0];
    let asked = after["asked"].as_array().unwrap();
    assert_eq!(asked.last().unwrap()["question"], "new", "{after}");
    assert_eq!(after["reason"], "AlreadyProcessed", "{after}");
    let key = after["event_key"].as_str().unwrap();
    let recorded = trial.says(&format!("explain {key}"));
    assert_eq!(recorded.code, 0, "{}", recorded.err);
    assert!(recorded.out.contains("settled  as Moved, in attempt 1"), "{}", recorded.out);
}
