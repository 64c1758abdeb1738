//! setup, plan, replay and verify, with their exit codes.

use std::io::Write as _;
use std::process::Stdio;

use aws_sdk_dynamodb::config::Region;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::trial::{Background, ELB_ENDPOINT, NEW, OLD, Silence, Trial, completed, said, sample};

fn states(trial: &Trial) -> Vec<String> {
    let said = trial.says("setup --output jsonl");
    assert_eq!(said.code, 0, "{}", said.err);
    let state = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {}", row["name"].as_str().unwrap(), row["state"].as_str().unwrap())
    };
    said.out.lines().map(state).collect()
}

#[tokio::test]
async fn setup_creates_what_is_missing_and_finds_it_the_second_time() {
    let trial = Trial::bare(&["aurora-source"]).await;
    let names = ["writerlink-dlq.fifo", "writerlink.fifo", "writerlink-state", "writerlink-audit"];
    assert_eq!(states(&trial), names.map(|name| format!("{name} created")));
    assert_eq!(states(&trial), names.map(|name| format!("{name} found")));
    let url = trial.queue_url().await;
    let deleted = trial.dynamodb().delete_table().table_name("writerlink-audit").send();
    deleted.await.unwrap();
    assert_eq!(states(&trial)[3], "writerlink-audit created", "{url} stays");
}

#[tokio::test]
async fn a_plan_shows_the_calls_and_makes_none_of_them() {
    let trial = Trial::ready().await;
    let event = trial.sample_path("aurora-failover-started.eventbridge");
    let plan = format!("plan --event {event} --detailed-exitcode --output json");
    for _ in 0..2 {
        let said = trial.says(&plan);
        assert_eq!(said.code, 2, "{}", said.err);
        let json = said.json();
        let rows = json["plan"].as_array().unwrap();
        let act = |row: &serde_json::Value| (row["action"].clone(), row["target"].clone());
        let acts: Vec<_> = rows.iter().map(act).collect();
        let wanted = [("register", NEW), ("deregister", OLD)];
        assert_eq!(acts, wanted.map(|(act, ip)| (act.into(), format!("{ip}:3306").into())));
    }
    assert_eq!(trial.group_holds().await, [OLD]);
    let count = trial.dynamodb().scan().table_name("writerlink-state").send().await.unwrap();
    assert_eq!(count.count, 0, "not even the item of a route never seen");
    let unknown = trial.says("plan aurora-source --detailed-exitcode");
    assert_eq!(unknown.code, 0, "{}", unknown.err);
    assert!(unknown.out.contains("no event or reading yet"), "{}", unknown.out);
}

#[tokio::test]
async fn a_plan_of_a_route_shows_what_somebody_else_changed() {
    let trial = Trial::ready().await;
    let event = trial.sample_path("aurora-failover-completed.eventbridge");
    assert_eq!(trial.says(&format!("replay {event}")).code, 0);
    let plan = "plan aurora-source --detailed-exitcode --output csv";
    let settled = trial.says(plan);
    assert_eq!(settled.code, 0, "{}{}", settled.out, settled.err);
    assert!(settled.out.contains(",keep,10.0.2.10:3306,"), "{}", settled.out);
    trial.put_into_group(OLD).await;
    let drifted = trial.says(plan);
    assert_eq!(drifted.code, 2);
    assert!(drifted.out.contains(",deregister,10.0.1.10:3306,"), "{}", drifted.out);
    let again = trial.says(&format!("plan --event {event} --output json")).json();
    assert_eq!(again["plan"][0]["decision"], "Duplicate", "{again}");
}

#[tokio::test]
async fn what_cannot_be_decided_is_told_with_the_same_words_by_plan_and_replay() {
    let trial = Trial::ready().await;
    let stranger = completed("aurora-source", 9, 1);
    let file = trial.file_with(&stranger);
    let plan = trial.says(&format!("plan --event {file} --detailed-exitcode"));
    assert_eq!(plan.code, 0, "{}", plan.err);
    let replay = trial.says(&format!("replay {file} --output json"));
    assert_eq!(replay.code, 5, "{}", replay.err);
    let row = &replay.json()["replayed"][0];
    assert_eq!((&row["outcome"], &row["reason"]), (&"Rejected".into(), &"UnknownInstance".into()));
    assert!(plan.out.contains("Rejected"), "{}", plan.out);
    let unfollowed = trial.file_with(&completed("somebody-elses", 1, 1));
    for command in ["plan --event", "replay"] {
        let said = trial.says(&format!("{command} {unfollowed}"));
        assert_eq!(said.code, 1);
        assert!(said.err.contains("no route follows somebody-elses"), "{}", said.err);
    }
}

#[tokio::test]
async fn an_event_on_standard_input_is_replayed_once_and_then_is_a_duplicate() {
    let trial = Trial::ready().await;
    for outcome in ["Moved", "Duplicate"] {
        let mut command = trial.command("replay - --output json");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let body = sample("aurora-failover-started.sqs-sns-envelope");
        child.stdin.take().unwrap().write_all(trial.here(&body).as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["replayed"][0]["outcome"], outcome);
    }
    let causes = trial.says("audit list --cause replay --route aurora-source --output json").json();
    assert_eq!(causes["records"].as_array().unwrap().len(), 2, "{causes}");
}

#[tokio::test]
async fn what_is_malformed_ends_with_1_and_its_place() {
    let trial = Trial::ready().await;
    let file = trial.file_with("{\"detail-type\": 7}");
    let said = trial.says(&format!("replay {file}"));
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("is malformed\n  why: "), "{}", said.err);
}

#[tokio::test]
async fn a_replay_of_a_route_in_other_hands_ends_with_6_at_once() {
    let trial = Trial::ready().await;
    let silence = Silence::start();
    let first = trial.file_with(&completed("aurora-source", 2, 1));
    let mut holding = trial.command(&format!("replay {first}"));
    let holder = Background::start(holding.env(ELB_ENDPOINT, silence.endpoint()));
    let _call = silence.wait_for_a_call();
    let second = trial.file_with(&completed("aurora-source", 1, 2));
    let said = trial.says(&format!("replay {second} --output json"));
    assert_eq!(said.code, 6, "{}{}", said.out, said.err);
    let note = said.json()["replayed"][0]["note"].to_string();
    assert!(note.contains("held by") && note.contains("for at most"), "{note}");
    drop(holder);
}

#[tokio::test]
async fn a_changed_record_makes_verify_end_with_3_and_name_its_place() {
    let trial = Trial::ready().await;
    let event = trial.sample_path("aurora-failover-completed.eventbridge");
    assert_eq!(trial.says(&format!("replay {event}")).code, 0);
    assert_eq!(trial.says("audit verify").code, 0);
    let changed = trial
        .dynamodb()
        .update_item()
        .table_name("writerlink-audit")
        .key("route", AttributeValue::S("aurora-source".to_owned()))
        .key("seq", AttributeValue::N("2".to_owned()))
        .update_expression("SET #o = :o")
        .expression_attribute_names("#o", "outcome")
        .expression_attribute_values(":o", AttributeValue::S("AlreadyThere".to_owned()));
    changed.send().await.unwrap();
    let said = trial.says("audit verify --output json");
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    assert_eq!(said.json()["routes"][0]["first_bad_seq"], 2, "{}", said.out);
}

#[tokio::test]
async fn with_a_log_in_json_every_line_on_standard_error_is_json() {
    let trial = Trial::ready().await;
    for line in ["audit list", "config check", "plan nowhere", "healthcheck", "audit show aurora-source/1"] {
        let said = trial.says(&format!("{line} --log json"));
        assert!(!said.log().is_empty(), "{line}");
    }
}

#[tokio::test]
async fn setup_makes_its_ledger_in_the_region_of_the_groups_or_nowhere() {
    let trial = Trial::bare(&["aurora-source"]).await;
    let elsewhere = said(trial.command("setup").env("AWS_REGION", "eu-west-1"));
    assert_eq!(elsewhere.code, 1);
    let what = "calls would go to eu-west-1, and the target groups are in us-east-1";
    assert!(elsewhere.err.contains(what), "{}", elsewhere.err);
    let tables = async |region: &'static str| {
        let config = trial.dynamodb().config().to_builder();
        let config = config.region(Region::new(region)).build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let listed = client.list_tables().send().await.unwrap();
        listed.table_names.unwrap_or_default().len()
    };
    assert_eq!((tables("eu-west-1").await, tables("us-east-1").await), (0, 0));
    // Without any Region it is the groups'.
    let mut command = trial.command("setup");
    command.env_remove("AWS_REGION").env("AWS_EC2_METADATA_DISABLED", "true");
    let here = said(&mut command);
    assert_eq!(here.code, 0, "{}", here.err);
    assert_eq!((tables("eu-west-1").await, tables("us-east-1").await), (0, 2));
}
